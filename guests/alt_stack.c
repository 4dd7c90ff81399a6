/* Runs a signal handler on a stack of its own and overflows the ordinary stack to get there. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

static void handler(int signal) {
    (void)signal;
    static const char text[] = "overflow caught\n";
    _exit(write(1, text, sizeof text - 1) > 0 ? 0 : 1);
}

static volatile int forever = 1;

static int recurse(volatile char *above) {
    volatile char frame[4096];
    frame[0] = above[0];
    return forever ? recurse(frame) + frame[0] : 0;
}

int main(void) {
    struct rlimit limit = {256 * 1024, 256 * 1024};
    setrlimit(RLIMIT_STACK, &limit);
    stack_t stack = {.ss_size = 65536};
    stack.ss_sp = mmap(NULL, stack.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    sigaltstack(&stack, NULL);
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    sigaction(SIGSEGV, &action, NULL);
    char first = 0;
    return recurse(&first);
}
