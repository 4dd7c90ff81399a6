/* Maps, touches, ends; compiled statically and for 32 bits too. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
    char *block = malloc(1 << 20);
    memset(block, 1, 1 << 20);
    free(block);
    puts("hello");
    return 0;
}
