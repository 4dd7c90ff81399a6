/* A recursion 10,000 frames of 512 bytes deep: about 5 MiB of stack, touched on the way down. */
#include <stdio.h>

static int deep(int left) {
    volatile char frame[512];
    frame[0] = (char)left;
    return left == 0 ? 0 : deep(left - 1) + (frame[0] == (char)left);
}

int main(void) {
    printf("%d\n", deep(10000));
    return 0;
}
