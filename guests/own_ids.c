/* Prints its effective user and group: made setuid, those of its file's owner. */
#include <stdio.h>
#include <unistd.h>

int main(void) {
    printf("%d %d\n", geteuid(), getegid());
    return 0;
}
