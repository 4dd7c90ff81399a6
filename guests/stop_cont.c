/* A child stops itself ten times; the parent sees each stop and lets it go on each time. */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 10; i++) raise(SIGSTOP);
        _exit(7);
    }
    int stops = 0, continued = 0, status;
    while (waitpid(child, &status, WUNTRACED | WCONTINUED) == child) {
        if (WIFSTOPPED(status)) {
            stops++;
            kill(child, SIGCONT);
        } else if (WIFCONTINUED(status)) {
            continued++;
        } else {
            break;
        }
    }
    printf("%d stops, %s, status %d\n", stops, continued > 0 ? "continued" : "never continued", WEXITSTATUS(status));
    return stops == 10 ? 0 : 1;
}
