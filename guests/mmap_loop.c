/* The worst case for a tracer: map, touch, unmap, as often as its argument says (10,000 times without one). */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

int main(int argc, char **argv) {
    int times = argc > 1 ? atoi(argv[1]) : 10000;
    for (int i = 0; i < times; i++) {
        char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (page == MAP_FAILED) return 1;
        *(volatile char *)page = 1;
        munmap(page, 4096);
    }
    puts("done");
    return 0;
}
