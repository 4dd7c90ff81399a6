// One thread touches pages while another makes memory calls, in one of four ways:
// zeros     reads pages that nobody has touched and writes to each a moment later: in between it is the shared page of zeros
// dropped   writes to pages that the other gives up again and again
// ended     threads that make no call of their own write to fresh pages and end
// forked    as dropped, by a third thread, while the first forks children that end at once
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096UL
#define PAGES 512UL
#define CALLS 500
#define THREADS 200
#define CHILDREN 60
#define STACK (1 << 16)

static atomic_int ended;
static volatile char *pages;
static char stack[STACK] __attribute__((aligned(16)));
static char other_stack[STACK] __attribute__((aligned(16)));

static char *fresh(unsigned long bytes) {
    return mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void wait_a_moment(void) {
    for (volatile int wait = 0; wait < 20000; wait++)
        ;
}

// None of these makes a memory call, nor uses what belongs to a thread of the library.
static int zeros(void *unused) {
    (void)unused;
    for (unsigned long page = 0; page < PAGES * 200 && !atomic_load(&ended); page++) {
        (void)pages[page * PAGE];
        wait_a_moment();
        pages[page * PAGE] = 1;
    }
    return 0;
}

static int dropped(void *unused) {
    (void)unused;
    for (unsigned long page = 0; !atomic_load(&ended); page++)
        pages[page % PAGES * PAGE] = 1;
    return 0;
}

static int touch_some(void *first) {
    for (unsigned long page = 0; page < 10; page++)
        ((volatile char *)first)[page * PAGE] = 1;
    return 0;
}

static int give_up(void *unused) {
    (void)unused;
    while (!atomic_load(&ended))
        syscall(SYS_madvise, pages, PAGES * PAGE, MADV_DONTNEED);
    return 0;
}

static void start_on(char *stack, int (*function)(void *), void *argument, atomic_int *runs) {
    int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_CHILD_CLEARTID;
    atomic_store(runs, 1);
    if (clone(function, stack + STACK, flags, argument, 0, 0, (int *)runs) < 0)
        atomic_store(runs, 0);
}

static void start(int (*function)(void *), void *argument, atomic_int *runs) {
    start_on(stack, function, argument, runs);
}

static int few_calls(void) {
    char *place = fresh(PAGE);
    return place == MAP_FAILED || munmap(place, PAGE);
}

int main(int argc, char **argv) {
    const char *how = argc > 1 ? argv[1] : "";
    atomic_int runs, other_runs;
    pages = fresh(PAGES * PAGE * 200);
    if (pages == MAP_FAILED)
        return 1;
    if (!strcmp(how, "ended")) {
        for (int thread = 0; thread < THREADS; thread++) {
            start(touch_some, (char *)pages + thread * 10 * PAGE, &runs);
            while (atomic_load(&runs))
                ;
            if (few_calls())
                return 1;
        }
        return 0;
    }
    int drops = !strcmp(how, "dropped");
    int forks = !strcmp(how, "forked");
    start(drops || forks ? dropped : zeros, 0, &runs);
    if (forks) {
        start_on(other_stack, give_up, 0, &other_runs);
        for (int child = 0; child < CHILDREN; child++) {
            pid_t pid = fork();
            if (!pid)
                _exit(0);
            waitpid(pid, 0, 0);
        }
        atomic_store(&ended, 1);
        while (atomic_load(&runs) || atomic_load(&other_runs))
            ;
        return 0;
    }
    for (int call = 0; call < CALLS; call++)
        if (drops ? madvise((char *)pages, PAGES * PAGE, MADV_DONTNEED) : few_calls())
            return 1;
    atomic_store(&ended, 1);
    while (atomic_load(&runs))
        ;
    return 0;
}
