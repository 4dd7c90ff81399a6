/* Asks to be traced by its parent, as the program that a debugger starts does. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>

int main(void) {
    printf("%s\n", ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 ? "traced" : strerror(errno));
    return 0;
}
