// A process that has this one's memory is killed inside a memory call, and this one goes on alone; in one of two ways:
// brings    the call brings pages in: some of them are there
// maps      it maps them first: the mapping is there, but no answer
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096UL
#define BYTES (256UL << 20)
#define ROUNDS 50
#define STACK (1 << 16)

static const int anonymous = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
static char *pages;
static char stack[STACK] __attribute__((aligned(16)));

static int bring(void *unused) {
    (void)unused;
    syscall(SYS_madvise, pages, BYTES, MADV_POPULATE_WRITE);
    // It was over before the signal came.
    syscall(SYS_exit, 0);
    return 0;
}

static int map(void *unused) {
    (void)unused;
    syscall(SYS_mmap, pages, BYTES, PROT_READ | PROT_WRITE, anonymous | MAP_FIXED | MAP_POPULATE, -1, 0);
    syscall(SYS_exit, 0);
    return 0;
}

int main(int argc, char **argv) {
    int brings = argc > 1 && !strcmp(argv[1], "brings");
    int pagemap = open("/proc/self/pagemap", O_RDONLY);
    unsigned long entry = 0;
    pages = mmap(0, BYTES, brings ? PROT_READ | PROT_WRITE : PROT_NONE, anonymous, -1, 0);
    if (pagemap < 0 || pages == MAP_FAILED || madvise(pages, BYTES, MADV_NOHUGEPAGE))
        return 1;
    pid_t child = clone(brings ? bring : map, stack + STACK, CLONE_VM | SIGCHLD, 0);
    if (child < 0)
        return 1;
    // Memory calls would wait for the other's.
    while (!(entry >> 63))
        if (pread(pagemap, &entry, sizeof entry, (unsigned long)pages / PAGE * sizeof entry) != sizeof entry)
            return 1;
    if (kill(child, SIGKILL) || waitpid(child, 0, 0) != child)
        return 1;
    for (int round = 0; round < ROUNDS; round++) {
        char *place = mmap(0, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (place == MAP_FAILED || munmap(place, PAGE))
            return 1;
    }
    return munmap(pages, BYTES);
}
