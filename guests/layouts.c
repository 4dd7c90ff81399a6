/* Executes itself in each layout of a memory: from the bottom up, without anything random, with a page at address 0,
   without a limit of the stack, with a large one. There it maps, grows the heap and makes the ring of an AIO context. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096UL

static const struct {
    const char *name;
    unsigned long persona;
    unsigned long stack;
} LAYOUTS[] = {
    {"usual", 0, 8UL << 20},
    {"legacy", ADDR_COMPAT_LAYOUT, 8UL << 20},
    {"legacy not random", ADDR_COMPAT_LAYOUT | ADDR_NO_RANDOMIZE, 8UL << 20},
    {"not random", ADDR_NO_RANDOMIZE, 8UL << 20},
    {"page at 0", MMAP_PAGE_ZERO, 8UL << 20},
    {"endless stack", 0, RLIM_INFINITY},
    {"endless stack not random", ADDR_NO_RANDOMIZE, RLIM_INFINITY},
    {"odd stack", 0, (1UL << 30) + 1024},
};

static int inside(const char *name) {
    unsigned long ring = 0;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    int done = mmap(NULL, PAGE, PROT_READ, flags, -1, 0) != MAP_FAILED;
    done &= mmap(NULL, 8UL << 20, PROT_READ | PROT_WRITE, flags, -1, 0) != MAP_FAILED;
    done &= mmap(NULL, PAGE, PROT_READ, flags | MAP_32BIT, -1, 0) != MAP_FAILED;
    done &= sbrk(3 * PAGE) != (void *)-1;
    if (!syscall(SYS_io_setup, 4, &ring)) {
        void *to = mmap(NULL, 64 * PAGE, PROT_NONE, flags, -1, 0);
        done &= mremap((void *)ring, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to;
        done &= !syscall(SYS_io_destroy, to);
    }
    printf("%s %s\n", name, done ? "done" : "failed");
    return !done;
}

int main(int count, char **words) {
    if (count > 1) return inside(words[1]);
    for (size_t no = 0; no < sizeof LAYOUTS / sizeof *LAYOUTS; no++) {
        pid_t child = fork();
        if (!child) {
            struct rlimit limit;
            getrlimit(RLIMIT_STACK, &limit);
            limit.rlim_cur = LAYOUTS[no].stack < limit.rlim_max ? LAYOUTS[no].stack : limit.rlim_max;
            setrlimit(RLIMIT_STACK, &limit);
            personality(LAYOUTS[no].persona);
            execl("/proc/self/exe", words[0], LAYOUTS[no].name, NULL);
            _exit(1);
        }
        int status;
        if (waitpid(child, &status, 0) != child || status) return 1;
    }
    return 0;
}
