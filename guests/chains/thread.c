// Calls from a thread's start.
#include <pthread.h>
#include <stddef.h>

void dump_stack(void);

__attribute__((noinline)) static void worker(int *n) {
    *n += 1;
    dump_stack();
    *n += 1;
}

static void *start(void *n) {
    worker(n);
    return n;
}

int main(void) {
    pthread_t thread;
    int n = 0;
    pthread_create(&thread, NULL, start, &n);
    return pthread_join(thread, NULL);
}
