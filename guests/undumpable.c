/* Forbids others of its user to look into it (as ssh-agent does), then maps memory and forks. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    if (prctl(PR_SET_DUMPABLE, 0)) return 1;
    memset(malloc(1 << 20), 1, 1 << 20);
    if (fork() == 0) {
        memset(malloc(1 << 20), 1, 1 << 20);
        _exit(0);
    }
    int status;
    wait(&status);
    puts(prctl(PR_GET_DUMPABLE) == 0 ? "not dumpable" : "dumpable");
    return status;
}
