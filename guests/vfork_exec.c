/* Twenty children by vfork, each running true: parent and child share one memory until the exec. */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static int run(void) {
    pid_t child = vfork();
    if (child == 0) {
        execlp("true", "true", (char *)NULL);
        _exit(9);
    }
    int status;
    waitpid(child, &status, 0);
    return status;
}

int main(void) {
    for (int i = 0; i < 20; i++)
        if (run() != 0) return 1;
    puts("20 children");
    return 0;
}
