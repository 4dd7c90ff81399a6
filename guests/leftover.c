/* Ends at once and leaves a child that maps memory for two seconds, and if a file is named until that appears, then ends;
   the child holds no descriptor. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
    if (fork() != 0) return 3;
    for (int fd = 0; fd < 3; fd++) close(fd);
    for (int i = 0; i < 20 || (argc > 1 && i < 1200 && access(argv[1], F_OK)); i++) {
        if (i < 20) memset(malloc(1 << 20), 1, 1 << 20);
        usleep(100000);
    }
    return 0;
}
