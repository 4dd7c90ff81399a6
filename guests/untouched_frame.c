// Makes memory calls in a large frame of which nothing was ever touched but its ends, and looks afterwards which of its
// pages are there: none is, unless someone else has brought it in.
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096UL
#define PAGES 24
// What is called from here, and what was called before, has used the ends.
#define FIRST 2
#define LAST 12

static int there(int pagemap, const char *at) {
    uint64_t word = 0;
    pread(pagemap, &word, sizeof word, (uintptr_t)at / PAGE * sizeof word);
    return word >> 63;
}

__attribute__((noinline)) static int in_a_large_frame(int pagemap) {
    char frame[PAGES * PAGE];
    // The compiler must keep all of it, though nothing is written.
    __asm__ volatile("" : : "r"(frame) : "memory");
    for (int round = 0; round < 20; round++)
        munmap(mmap(0, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), PAGE);
    int count = 0;
    for (int page = FIRST; page < LAST; page++)
        count += there(pagemap, frame + page * PAGE);
    return count;
}

int main(void) {
    int pagemap = open("/proc/self/pagemap", O_RDONLY);
    printf("%d pages of the frame are there\n", in_a_large_frame(pagemap));
    return 0;
}
