// Maps memory and touches it at the end of a known chain of calls: main, outer, middle (as often as the first argument
// says), inner, leaf. Prints the address. With "thread" as the second argument a thread does so.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SIZE 0x123000UL

static const char *how;
volatile int kept;

__attribute__((noinline)) int leaf(int n) {
    char *at = (char *)mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    at[0] = 1;
    printf("%p\n", (void *)at);
    return kept + n;
}

__attribute__((noinline)) int inner(int n) {
    return leaf(n) + 1;
}

__attribute__((noinline)) int middle(int n) {
    volatile char frame[64];
    frame[n % 64] = 1;
    return (n > 1 ? middle(n - 1) : inner(n)) + frame[n % 64];
}

__attribute__((noinline)) int outer(int n) {
    return middle(n) + 1;
}

static void *worker(void *times) {
    kept += outer(*(int *)times) + 1;
    return 0;
}

int main(int argc, char **argv) {
    int times = argc > 1 ? atoi(argv[1]) : 1;
    how = argc > 2 ? argv[2] : "call";
    pthread_t thread;
    if (!strcmp(how, "thread") && !pthread_create(&thread, 0, worker, &times))
        return pthread_join(thread, 0);
    return outer(times) < 0;
}
