/* Leaves a daemon behind that maps memory until the file named by its second argument appears, and then writes the one
   named by its first. */
#define _DEFAULT_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    if (daemon(1, 0)) return 1;
    for (int i = 0; i < 20 || (i < 6000 && access(argv[2], F_OK)); i++) {
        if (i < 20) memset(malloc(1 << 20), 1, 1 << 20);
        usleep(20000);
    }
    return open(argv[1], O_CREAT | O_WRONLY, 0600) < 0;
}
