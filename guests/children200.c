/* Forks 200 children, ten alive at a time; each maps and touches a megabyte and ends with a status of its own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    int sum = 0;
    for (int first = 0; first < 200; first += 10) {
        for (int i = first; i < first + 10; i++) {
            if (fork() == 0) {
                memset(malloc(1 << 20), 1, 1 << 20);
                _exit(i);
            }
        }
        for (int i = 0; i < 10; i++) {
            int status;
            if (wait(&status) > 0 && WIFEXITED(status)) sum += WEXITSTATUS(status);
        }
    }
    printf("200 children, statuses add up to %d\n", sum);
    return 0;
}
