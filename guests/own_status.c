/* Prints the lines of its own status that an observer could change, and its parent's name. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(void) {
    static const char *fields[] = {"TracerPid", "Seccomp", "NoNewPrivs", "SigIgn", "SigBlk", "SigCgt",
                                   "Speculation", "CapEff", "CapPrm", "Groups", "Threads", "THP_enabled"};
    char line[4096];
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
            if (strncmp(line, fields[i], strlen(fields[i])) == 0) fputs(line, stdout);
    snprintf(line, sizeof line, "/proc/%d/comm", getppid());
    FILE *parent = fopen(line, "r");
    if (parent && fgets(line, sizeof line, parent)) printf("Parent:\t%s", line);
    return status == NULL;
}
