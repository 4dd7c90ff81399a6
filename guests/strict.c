/* Locks itself in by the oldest seccomp mode, which allows read, write and exit only. */
#include <errno.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
    printf("mode %d\n", prctl(PR_GET_SECCOMP));
    fflush(stdout);
    int result = prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
    const char *word = result == 0 ? "strict" : strerror(errno);
    syscall(SYS_write, 1, word, strlen(word));
    syscall(SYS_exit, 0);
}
