/* Holds 48 MiB in blocks of 4,000 bytes, all written, from whatever malloc it runs with; until its input ends. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 4000, BLOCKS = (48 << 20) / BLOCK };

static char *kept[BLOCKS];

int main(void) {
    for (int i = 0; i < BLOCKS; i++) {
        kept[i] = malloc(BLOCK);
        if (!kept[i]) return 1;
        memset(kept[i], 1, BLOCK);
    }
    puts("ready");
    fflush(stdout);
    char byte;
    return read(0, &byte, 1) < 0;
}
