/* Maps files whose names are markup, control characters and very long. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void map(const char *name) {
    int fd = open(name, O_RDWR | O_CREAT, 0600);
    if (fd < 0 || ftruncate(fd, 8192)) return;
    char *at = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at != MAP_FAILED) at[0] = 1;
    unlink(name);
}

int main(void) {
    char name[256];
    map("<img src=x onerror=window.caught=1>");
    map("<iframe onload=window.caught=1>&lt;&amp;'\"`${1}");
    map("a\033[31m\r\n\tb\x7f");
    memset(name, '<', sizeof name - 1);
    name[sizeof name - 1] = 0;
    map(name);
    usleep(50000);
    puts("mapped");
    return 0;
}
