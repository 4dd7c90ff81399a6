// One thread reads pages that nobody has touched and writes to each a moment later, while another makes memory calls: between
// the two a page is the shared one of zeros.
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#define PAGE 4096UL
#define PAGES 512

static atomic_int ended;

static void *touch(void *unused) {
    while (!atomic_load(&ended)) {
        volatile char *pages = mmap(0, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (pages == MAP_FAILED)
            exit(1);
        for (unsigned long page = 0; page < PAGES; page++) {
            (void)pages[page * PAGE];
            for (volatile int wait = 0; wait < 20000; wait++)
                ;
            pages[page * PAGE] = 1;
        }
        munmap((void *)pages, PAGES * PAGE);
    }
    return unused;
}

int main(void) {
    pthread_t thread;
    if (pthread_create(&thread, 0, touch, 0))
        return 1;
    for (int call = 0; call < 2000; call++) {
        void *place = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (place == MAP_FAILED || munmap(place, PAGE))
            return 1;
    }
    atomic_store(&ended, 1);
    return pthread_join(thread, 0);
}
