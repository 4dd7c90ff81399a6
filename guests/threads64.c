/* 64 threads at once; each maps, touches and unmaps blocks of its own, 50 times. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *work(void *unused) {
    (void)unused;
    for (int i = 0; i < 50; i++) {
        char *block = malloc(300000);
        memset(block, 1, 300000);
        free(block);
    }
    return NULL;
}

int main(void) {
    pthread_t threads[64];
    for (int i = 0; i < 64; i++)
        if (pthread_create(&threads[i], NULL, work, NULL)) return 1;
    for (int i = 0; i < 64; i++) pthread_join(threads[i], NULL);
    puts("64 threads");
    return 0;
}
