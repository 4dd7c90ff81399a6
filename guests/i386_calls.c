/* A program of 64 bits that maps memory by a call of 32 bits, and then by its own. */
#include <stdio.h>
#include <sys/mman.h>

#define PAGE 4096L

/* mmap2(0, 3 pages, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) of the i386 table. */
static long map_by_i386(void) {
    long result;
    __asm__ volatile("push %%rbp\n\txor %%ebp, %%ebp\n\tint $0x80\n\tpop %%rbp"
                     : "=a"(result)
                     : "a"(192L), "b"(0L), "c"(3 * PAGE), "d"(3L), "S"(0x22L), "D"(-1L)
                     : "memory", "r8", "r9", "r10", "r11");
    return result;
}

int main(void) {
    char *own = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    long low = map_by_i386();
    if (own == MAP_FAILED || low <= 0) {
        printf("no calls of 32 bits: %ld\n", low);
        return 0;
    }
    char *by_call = (char *)low;
    by_call[PAGE] = 1;
    int split = mprotect(by_call + PAGE, PAGE, PROT_READ);
    int ended = munmap(by_call, 3 * PAGE);
    printf("mapped %d %d %d\n", split, ended, munmap(own, PAGE));
    return 0;
}
