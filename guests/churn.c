// Maps, touches and unmaps as often as its argument says, each time a little more, and keeps every hundredth mapping.
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

int main(int argc, char **argv) {
    int count = argc > 1 ? atoi(argv[1]) : 100;
    for (int i = 0; i < count; i++) {
        size_t bytes = 4096 * (1 + i % 7);
        char *page = mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        page[0] = 1;
        if (i % 100)
            munmap(page, bytes);
    }
    puts("done");
    return 0;
}
