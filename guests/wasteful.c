// Wastes memory in every way that a report tells of: mappings made and unmapped again, growth that stays, pages given up
// and taken again, mappings cut in pieces, a storm of faults. The storm pauses: who records each of its faults must keep up.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096UL
#define PROT (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static char *map(size_t size) {
    char *at = mmap(0, size, PROT, ANON, -1, 0);
    if (at == MAP_FAILED)
        exit(1);
    return at;
}

__attribute__((noinline)) static void churns(void) {
    for (int no = 0; no < 10; no++) {
        char *at = map(256 * PAGE);
        at[0] = 1;
        munmap(at, 256 * PAGE);
    }
}

__attribute__((noinline)) static void grows(void) {
    char *kept = map(256 * PAGE);
    kept[0] = 1;
}

__attribute__((noinline)) static void gives_up(char *at) {
    for (int no = 0; no < 10; no++) {
        at[0] = 1;
        madvise(at, PAGE, MADV_DONTNEED);
    }
}

__attribute__((noinline)) static void cuts(char *at) {
    for (int no = 0; no < 8; no++)
        mprotect(at + (2 * no + 1) * PAGE, PAGE, PROT_READ);
}

__attribute__((noinline)) static void storms(char *at, size_t size) {
    madvise(at, size, MADV_NOHUGEPAGE);
    for (size_t offset = 0; offset < size; offset += PAGE) {
        if (offset % (256 * PAGE) == 0)
            usleep(10000);
        at[offset] = 1;
    }
}

int main(void) {
    char *block = map(4096 * PAGE);
    for (int round = 0; round < 160; round++) {
        grows();
        churns();
        gives_up(block);
        cuts(block + 16 * PAGE * round);
    }
    storms(map(40000 * PAGE), 40000 * PAGE);
    puts("done");
    return 0;
}
