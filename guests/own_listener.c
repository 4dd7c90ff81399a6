/* Installs a seccomp filter with a listener of its own, as sandboxes do, and answers its own child through it. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {4, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) return 1;
    int fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    if (fd < 0) {
        printf("no listener: %s\n", strerrorname_np(errno));
        return 1;
    }
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) _exit((int)syscall(SYS_getppid));
    struct seccomp_notif asked;
    memset(&asked, 0, sizeof asked);
    if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &asked)) return 1;
    struct seccomp_notif_resp answer = {.id = asked.id, .val = 42};
    if (ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &answer)) return 1;
    int status;
    waitpid(child, &status, 0);
    printf("answered %d\n", WEXITSTATUS(status));
    return munmap(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 4096);
}
