// Not a guest itself: takes the place of dump.c where a guest is recorded. Maps memory, touches it, prints where, ends.
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

// A guest whose handler runs on a stack of its own tells here where it was interrupted.
unsigned long dump_second_stack;

__attribute__((noinline)) void dump_stack(void) {
    char *at = (char *)mmap(0, 0x123000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    at[0] = 1;
    char text[32];
    int size = snprintf(text, sizeof text, "%p\n", (void *)at);
    _exit(write(1, text, size) != size);
}
