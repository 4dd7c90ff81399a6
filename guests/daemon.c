/* Leaves a daemon behind that maps memory for a while and then writes a file named by its argument. */
#define _DEFAULT_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    if (daemon(1, 0)) return 1;
    for (int i = 0; i < 20; i++) {
        memset(malloc(1 << 20), 1, 1 << 20);
        usleep(20000);
    }
    return open(argv[1], O_CREAT | O_WRONLY, 0600) < 0;
}
