/* Prints what an observer must not change: processors, limits, descriptors, process group, session, environment. */
#define _GNU_SOURCE
#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

int main(void) {
    cpu_set_t set;
    sched_getaffinity(0, sizeof set, &set);
    printf("%d processors, policy %d, nice %d\n", CPU_COUNT(&set), sched_getscheduler(0), getpriority(PRIO_PROCESS, 0));
    for (int which = 0; which < RLIM_NLIMITS; which++) {
        struct rlimit limit;
        getrlimit(which, &limit);
        printf("limit %d: %lu %lu\n", which, limit.rlim_cur, limit.rlim_max);
    }
    DIR *fds = opendir("/proc/self/fd");
    int count = 0;
    while (fds && readdir(fds)) count++;
    for (char **variable = environ; *variable; variable++) puts(*variable);
    char folder[4096];
    mode_t mask = umask(0);
    printf("%d descriptors, in %s, umask %o\n", count - 3, getcwd(folder, sizeof folder), (unsigned)mask);
    printf("group and session of the one who asked: %d %d\n", getpgrp() == getpgid(getppid()), getsid(0) == getsid(getppid()));
    printf("children: %d\n", (int)waitpid(-1, NULL, WNOHANG));
    return 0;
}
