// Maps 100 GiB and reads so many pages of it, each of which is the shared page of zeros then; writes one in 64.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define MAPPED (100UL << 30)
#define PAGE 4096UL

int main(int count, char **words) {
    size_t pages = count > 1 ? strtoul(words[1], 0, 0) : 100000;
    volatile char *at =
        mmap(0, MAPPED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED || pages > MAPPED / PAGE)
        return 1;
    madvise((void *)at, MAPPED, MADV_NOHUGEPAGE);
    long sum = 0;
    for (size_t page = 0; page < pages; page++) {
        sum += at[page * PAGE];
        if (page % 64 == 0)
            at[page * PAGE] = 1;
    }
    printf("%ld\n", sum);
    return 0;
}
