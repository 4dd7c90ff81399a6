/* A MAP_GROWSDOWN mapping that grows by a page at each touch just below it, 100 times. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>

int main(void) {
    /* Room below it, with the 256 guard pages, is made sure of by mapping and unmapping a big hole first. */
    size_t hole = 16 << 20;
    char *room = mmap(NULL, hole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(room, hole);
    char *top = mmap(room + hole - 4096, 4096, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0);
    if (top == MAP_FAILED) return 1;
    for (int page = 0; page < 100; page++) top[-4096 * page] = 1;
    puts("grown by 99 pages");
    return 0;
}
