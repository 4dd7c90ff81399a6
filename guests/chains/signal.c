// A handler on a stack of its own interrupts a function that overwrites nothing but the frame pointer.
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <ucontext.h>

void dump_stack(void);
extern uint64_t dump_second_stack;
volatile int *nowhere;

__attribute__((noinline)) static void in_handler(ucontext_t *interrupted) {
    dump_second_stack = interrupted->uc_mcontext.gregs[REG_RSP];
    dump_stack();
    __asm__ volatile("");
}

static void handler(int number, siginfo_t *info, void *context) {
    in_handler(context);
    exit(number);
}

__attribute__((noinline)) static int interrupted(int n) {
    return *nowhere + n;
}

__attribute__((noinline)) static int outer(int n) {
    return interrupted(n + 1) + 1;
}

int main(void) {
    stack_t stack = {.ss_sp = malloc(1 << 16), .ss_size = 1 << 16};
    sigaltstack(&stack, 0);
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigaction(SIGSEGV, &action, 0);
    return outer(1);
}
