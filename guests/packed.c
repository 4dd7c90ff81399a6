/* Unpacks a function into memory that the file declares as zeros, as packers do, makes it executable, calls it and
   prints where it is. Holds still until its input ends. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SIZE = 1 << 16 };

static unsigned char room[SIZE] __attribute__((aligned(4096)));

/* mov $42, %eax; ret */
static const unsigned char code[] = {0xb8, 42, 0, 0, 0, 0xc3};

int main(void) {
    memcpy(room, code, sizeof code);
    if (mprotect(room, SIZE, PROT_READ | PROT_EXEC)) return 1;
    int (*unpacked)(void) = (int (*)(void))room;
    if (unpacked() != 42) return 2;
    printf("%p\n", (void *)room);
    fflush(stdout);
    char byte;
    return read(0, &byte, 1) < 0;
}
