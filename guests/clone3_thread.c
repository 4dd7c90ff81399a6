/* A thread made by a bare clone3 on a stack mapped by hand; it maps and unmaps, then ends. */
#define _GNU_SOURCE
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static int done;

static void body(void) {
    long page = syscall(SYS_mmap, 0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *(volatile char *)page = 1;
    syscall(SYS_munmap, page, 65536);
    __atomic_store_n(&done, 1, __ATOMIC_SEQ_CST);
    syscall(SYS_exit, 0);
}

int main(void) {
    size_t size = 1 << 20;
    char *stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    struct clone_args args = {
        .flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM,
        .stack = (uintptr_t)stack,
        .stack_size = size - 64,
    };
    /* The child begins on the new stack, so it must not return from here: it jumps straight to its body. */
    long tid;
    register void (*entry)(void) __asm__("r12") = body;
    __asm__ volatile("syscall\n\ttest %%rax, %%rax\n\tjnz 1f\n\txor %%ebp, %%ebp\n\tcall *%%r12\n1:"
                     : "=a"(tid)
                     : "a"(SYS_clone3), "D"(&args), "S"(sizeof args), "r"(entry)
                     : "rcx", "r11", "memory");
    if (tid < 0) return 1;
    while (!__atomic_load_n(&done, __ATOMIC_SEQ_CST)) sched_yield();
    puts("the thread is done");
    return 0;
}
