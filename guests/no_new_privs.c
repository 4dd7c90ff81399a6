/* Gives up gaining privileges, then maps memory and runs another program. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(void) {
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) return 1;
    memset(malloc(1 << 20), 1, 1 << 20);
    execlp("echo", "echo", "no new privileges", (char *)NULL);
    return 1;
}
