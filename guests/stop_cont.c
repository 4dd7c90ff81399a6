/* A child stops itself ten times; the parent sees each stop and each going on, and only then is there the next. */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    int pipes[2];
    if (pipe(pipes)) return 1;
    pid_t child = fork();
    if (child == 0) {
        char byte;
        for (int i = 0; i < 10; i++) {
            raise(SIGSTOP);
            if (read(pipes[0], &byte, 1) != 1) _exit(1);
        }
        _exit(7);
    }
    int stops = 0, continued = 0, status;
    while (waitpid(child, &status, WUNTRACED | WCONTINUED) == child) {
        if (WIFSTOPPED(status)) {
            stops++;
            kill(child, SIGCONT);
        } else if (WIFCONTINUED(status)) {
            continued++;
            if (write(pipes[1], "", 1) != 1) return 1;
        } else {
            break;
        }
    }
    printf("%d stops, %d times continued, status %d\n", stops, continued, WEXITSTATUS(status));
    return 0;
}
