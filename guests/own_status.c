/* Prints the lines of its own status that an observer could change. */
#include <stdio.h>
#include <string.h>

int main(void) {
    static const char *fields[] = {"TracerPid", "Seccomp:", "Seccomp_filters", "NoNewPrivs", "SigIgn", "SigBlk"};
    char line[256];
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        for (int i = 0; i < 6; i++)
            if (strncmp(line, fields[i], strlen(fields[i])) == 0) fputs(line, stdout);
    return status == NULL;
}
