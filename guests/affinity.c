/* Prints what an observer must not change: processors, limits, descriptors, process group, session, environment. */
#define _GNU_SOURCE
#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

extern char **environ;

int main(void) {
    cpu_set_t set;
    sched_getaffinity(0, sizeof set, &set);
    printf("%d processors, nice %d\n", CPU_COUNT(&set), getpriority(PRIO_PROCESS, 0));
    for (int which = 0; which < RLIM_NLIMITS; which++) {
        struct rlimit limit;
        getrlimit(which, &limit);
        printf("limit %d: %lu %lu\n", which, limit.rlim_cur, limit.rlim_max);
    }
    DIR *fds = opendir("/proc/self/fd");
    int count = 0;
    while (fds && readdir(fds)) count++;
    int variables = 0;
    while (environ[variables]) variables++;
    printf("%d descriptors, %d variables\n", count - 3, variables);
    return 0;
}
