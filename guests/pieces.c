/* Maps pieces of a file beside one another: as neighbours that fit, with a gap filled last, and as a loader does, over a
   mapping of the whole. With a second argument it then moves a large one. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE 4096UL

static int failures;

static char *map(char *at, unsigned long page, unsigned long pages, int prot, int flags, int fd) {
    char *map = mmap(at, pages * PAGE, prot, flags | (at ? MAP_FIXED : 0), fd, page * PAGE);
    failures += map == MAP_FAILED;
    return map;
}

int main(int argc, char **argv) {
    int fd = open(argv[1], O_RDWR);
    if (argc < 2 || fd < 0) {
        perror("a file of 8 MiB is needed");
        return 1;
    }
    /* Neighbours that fit each other, the third with a gap that the fourth fills. */
    char *area = mmap(NULL, 16 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    map(area, 0, 2, PROT_READ, MAP_PRIVATE, fd);
    map(area + 2 * PAGE, 2, 2, PROT_READ, MAP_PRIVATE, fd);
    map(area + 6 * PAGE, 6, 2, PROT_READ, MAP_PRIVATE, fd);
    map(area + 4 * PAGE, 4, 2, PROT_READ, MAP_PRIVATE, fd);
    failures += mprotect(area + 2 * PAGE, PAGE, PROT_READ | PROT_WRITE) != 0;
    failures += mprotect(area + 2 * PAGE, PAGE, PROT_READ) != 0;
    /* A loader. */
    char *whole = map(NULL, 0, 16, PROT_READ, MAP_PRIVATE, fd);
    map(whole + 4 * PAGE, 4, 4, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd);
    map(whole + 8 * PAGE, 8, 4, PROT_READ, MAP_PRIVATE, fd);
    map(whole + 12 * PAGE, 12, 4, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
    memset(whole + 12 * PAGE, 1, PAGE);
    failures += mprotect(whole + 12 * PAGE, PAGE, PROT_READ) != 0;
    /* Large ones, which some file systems place for huge pages. */
    char *large = map(NULL, 0, 1024, PROT_READ, MAP_PRIVATE, fd);
    map(NULL, 0, 1025, PROT_READ, MAP_SHARED, fd);
    failures += argc > 2 && mremap(large, 1024 * PAGE, 1536 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED;
    printf("%d failed\n", failures);
    return 0;
}
