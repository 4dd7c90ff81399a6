/* Forks while two other threads map memory, touch it, change it and give it up: each child maps memory of its own beside
   what it was left. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, FORKS = 20 };

static atomic_int stop;

static char *map(size_t pages) {
    void *memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) abort();
    return memory;
}

static void *works(void *arg) {
    size_t pages = (size_t)arg;
    while (!stop) {
        char *memory = map(pages);
        memory[PAGE] = 1;
        mprotect(memory, PAGE, PROT_READ);
        munmap(memory, pages * PAGE);
    }
    return NULL;
}

int main(void) {
    pthread_t threads[2];
    for (size_t i = 0; i < 2; i++) pthread_create(&threads[i], NULL, works, (void *)(3 + 4 * i));
    for (int i = 0; i < FORKS; i++) {
        pid_t child = fork();
        if (child < 0) abort();
        if (child == 0) {
            map(2)[0] = 1;
            map(1)[0] = 1;
            _exit(0);
        }
        int status;
        if (waitpid(child, &status, 0) != child || status != 0) abort();
    }
    stop = 1;
    for (size_t i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    return 0;
}
