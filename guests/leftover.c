/* Ends at once and leaves a child that maps memory for a while, then ends; the child holds no descriptor. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(void) {
    if (fork() != 0) return 3;
    for (int fd = 0; fd < 3; fd++) close(fd);
    for (int i = 0; i < 20; i++) {
        memset(malloc(1 << 20), 1, 1 << 20);
        usleep(100000);
    }
    return 0;
}
