/* Maps some memory, then kills itself with the signal of its argument (9 without one), which whoever started it may have
   ignored: a shell does so for what it runs in the background. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
    memset(malloc(1 << 20), 1, 1 << 20);
    int number = argc > 1 ? atoi(argv[1]) : SIGKILL;
    signal(number, SIG_DFL);
    kill(getpid(), number);
    pause();
    return 1;
}
