/* Reads memory that is advised for huge pages: the huge page of zeroes sets an anon_vma, so what was written to
   beside it does not merge with it. Read after small zeroes lay there, it does. */
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>

#define HUGE (2UL << 20)

static int lines_in(uintptr_t from, uintptr_t to) {
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    unsigned long start, end;
    int lines = 0;
    while (fgets(line, sizeof line, maps))
        if (sscanf(line, "%lx-%lx", &start, &end) == 2 && start < to && end > from) lines++;
    fclose(maps);
    return lines;
}

static int read_beside(int small_first) {
    char *map = mmap(NULL, 4 * HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *read = (char *)(((uintptr_t)map + HUGE) & ~(HUGE - 1)), *written = read + HUGE;
    mprotect(read, HUGE, PROT_READ | PROT_WRITE);
    if (small_first) (void)*(volatile char *)read;
    madvise(read, HUGE, MADV_HUGEPAGE);
    mprotect(written, HUGE, PROT_READ | PROT_WRITE);
    *(volatile char *)written = 1;
    (void)*(volatile char *)read;
    madvise(written, HUGE, MADV_HUGEPAGE);
    return lines_in((uintptr_t)read, (uintptr_t)written + HUGE);
}

int main(void) {
    int huge = read_beside(0), small = read_beside(1);
    printf("%d, %d\n", huge, small);
    return 0;
}
