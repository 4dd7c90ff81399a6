/* Maps some memory, then kills itself with the signal of its argument (9 without one). */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
    memset(malloc(1 << 20), 1, 1 << 20);
    kill(getpid(), argc > 1 ? atoi(argv[1]) : SIGKILL);
    pause();
    return 1;
}
