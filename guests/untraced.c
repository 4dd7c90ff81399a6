/* Threads and processes that no tracer is to follow: each maps memory, and looks whether its flags are what they were. */
#define _GNU_SOURCE
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLONE_UNTRACED
#define CLONE_UNTRACED 0x00800000
#endif

static char stack[1 << 16] __attribute__((aligned(16)));
static int failed;

static void say(const char *what, int holds) {
    if (!holds) failed = 1;
    printf("%s: %s\n", what, holds ? "yes" : "no");
    fflush(stdout);
}

static int maps(void) {
    char *memory = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return 0;
    memory[4096] = 1;
    return mprotect(memory, 4096, PROT_READ) == 0 && munmap(memory + 8192, 4096) == 0;
}

/* As the helper of sanitizers: it has its maker's memory. */
static int sharing(void *unused) {
    (void)unused;
    say("one that shares memory maps", maps());
    _exit(failed);
}

/* The call itself, and the register of its flags behind it. */
static long raw_clone(unsigned long flags, unsigned long *after) {
    register long r10 __asm__("r10") = 0;
    register long r8 __asm__("r8") = 0;
    unsigned long rdi = flags;
    long rax = SYS_clone;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+D"(rdi)
                     : "S"(0), "d"(0), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    *after = rdi;
    return rax;
}

static void ends(long child) {
    int status = -1;
    say("it ends well", child > 0 && waitpid((pid_t)child, &status, __WALL) == child && status == 0);
}

int main(void) {
    ends(clone(sharing, stack + sizeof stack, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_UNTRACED, NULL));

    unsigned long flags = CLONE_UNTRACED | SIGCHLD, after = 0;
    long child = raw_clone(flags, &after);
    if (child == 0) {
        say("a copy has its flags", after == flags);
        say("a copy maps", maps());
        _exit(failed);
    }
    ends(child);
    say("its maker has its flags", after == flags);

    struct clone_args args = {.flags = CLONE_UNTRACED, .exit_signal = SIGCHLD};
    child = syscall(SYS_clone3, &args, sizeof args);
    if (child == 0) {
        say("a copy by clone3 has its flags", args.flags == CLONE_UNTRACED);
        say("a copy by clone3 maps", maps());
        _exit(failed);
    }
    ends(child);
    say("its maker has its flags", args.flags == CLONE_UNTRACED);

    /* A call that fails leaves everything as it was. */
    flags = CLONE_UNTRACED | CLONE_THREAD;
    say("a thread without memory is refused", raw_clone(flags, &after) == -22 && after == flags);
    args.flags = CLONE_UNTRACED | CLONE_THREAD;
    say("by clone3 too", syscall(SYS_clone3, &args, sizeof args) == -1 && args.flags == (CLONE_UNTRACED | CLONE_THREAD));
    say("the maker maps", maps());
    return failed;
}
