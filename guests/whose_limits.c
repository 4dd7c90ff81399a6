/* Limits belong to a process and the personality to a thread, not to their memory: sets those of others, and maps. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LARGE (512UL << 20)

static char stack[1 << 16];
static const struct rlimit small = {256UL << 20, RLIM_INFINITY}, none = {RLIM_INFINITY, RLIM_INFINITY};

static void told(const char *what, long result) {
    printf("%s: %s\n", what, result == -1 ? strerrorname_np(errno) : "done");
    fflush(stdout);
}

static void map(const char *who) {
    void *at = mmap(0, LARGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    told(who, (long)at);
    if (at != MAP_FAILED) munmap(at, LARGE);
}

static long limit(pid_t pid, const struct rlimit *to) { return prlimit(pid, RLIMIT_AS, to, 0); }

static void wait_for(pid_t pid) { waitpid(pid, 0, 0); }

/* A parent limits its child, and the child its parent. */
static void of_others(void) {
    int go[2];
    pipe(go);
    pid_t child = fork();
    if (!child) {
        char byte;
        read(go[0], &byte, 1);
        map("a child that was limited");
        pid_t grandchild = fork();
        if (!grandchild) {
            map("a child of it");
            _exit(0);
        }
        wait_for(grandchild);
        told("limit the parent", limit(getppid(), &small));
        _exit(0);
    }
    told("limit a child", limit(child, &small));
    map("its parent");
    write(go[1], "", 1);
    wait_for(child);
    map("a parent that was limited");
    told("take the limit off", limit(getpid(), &none));
    map("after that");
}

/* Who borrows the memory has limits of his own. */
static int borrower(void *unused) {
    (void)unused;
    struct rlimit is;
    setrlimit(RLIMIT_AS, &small);
    map("a borrower that limits itself");
    prlimit(0, RLIMIT_AS, 0, &is);
    _exit(is.rlim_cur != small.rlim_cur);
}

static void of_borrowers(const char *self) {
    wait_for(clone(borrower, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, 0));
    map("its maker");
    pid_t child = vfork();
    if (!child) {
        setrlimit(RLIMIT_AS, &small);
        execl(self, self, "executed", (char *)0);
        _exit(1);
    }
    wait_for(child);
    map("a maker whose child has executed");
}

/* What the kernel refuses. */
static void refused(void) {
    struct rlimit bad = {2, 1};
    pid_t gone = fork();
    if (!gone) _exit(0);
    wait_for(gone);
    told("a process that is gone", limit(gone, &small));
    told("a process of no number", limit(-1, &small));
    told("a limit above itself", limit(0, &bad));
    told("an unreadable limit", syscall(SYS_prlimit64, 0, RLIMIT_AS, 8, 0));
    told("one of nobody", syscall(SYS_prlimit64, gone, RLIMIT_AS, 8, 0));
    pid_t other = fork();
    if (!other) {
        /* The first process is another user's; root becomes another user. */
        pid_t whose = getuid() ? 1 : getppid();
        if (!getuid()) setresuid(65534, 65534, 65534);
        told("another user's process", limit(whose, &small));
        _exit(0);
    }
    wait_for(other);
    told("an unwritable old limit", syscall(SYS_prlimit64, 0, RLIMIT_AS, &small, 8));
    map("which is set all the same");
    told("a read-only old limit", syscall(SYS_prlimit64, 0, RLIMIT_AS, &none, &small));
    map("after that");
}

static void *limits_by_thread(void *tid) {
    told("limit the process by a thread", limit(*(pid_t *)tid, &small));
    map("a thread of it");
    return 0;
}

static void *maps(void *name) {
    void *at = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    printf("%s: %#x\n", (char *)name, personality(-1));
    mprotect(at, 4096, PROT_READ | PROT_WRITE);
    return 0;
}

static void in_thread(void *(*run)(void *), void *argument) {
    pthread_t thread;
    pthread_create(&thread, 0, run, argument);
    pthread_join(thread, 0);
}

static void *readable_is_executable(void *unused) {
    personality(READ_IMPLIES_EXEC);
    maps("a thread that has set it");
    in_thread(maps, "a thread that it made");
    return unused;
}

static int borrowed_personality(void *unused) {
    (void)unused;
    personality(READ_IMPLIES_EXEC);
    maps("a borrower");
    _exit(0);
}

static void of_threads(void) {
    pid_t tid = gettid();
    in_thread(limits_by_thread, &tid);
    map("the first thread");
    limit(0, &none);
    personality(0);
    in_thread(readable_is_executable, 0);
    maps("the first thread");
    wait_for(clone(borrowed_personality, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, 0));
    maps("its maker");
    pid_t child = fork();
    if (!child) {
        in_thread(readable_is_executable, 0);
        _exit(0);
    }
    wait_for(child);
}

int main(int argc, char **argv) {
    if (argc > 1) {
        map(argv[1]);
        return 0;
    }
    of_others();
    of_borrowers(argv[0]);
    refused();
    of_threads();
    return 0;
}
