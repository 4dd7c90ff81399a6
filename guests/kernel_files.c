/* Maps what is no ordinary file: files of the kernel's own, a socket, a pipe, for reading and as a program. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static void try(const char *name, int fd) {
    int prots[] = {PROT_READ, PROT_READ | PROT_EXEC};
    printf("%s", name);
    for (int i = 0; i < 2; i++) {
        char *map = mmap(NULL, 4096, prots[i], MAP_PRIVATE, fd, 0);
        printf(" %s", map == MAP_FAILED ? strerrorname_np(errno) : "mapped");
        if (map != MAP_FAILED)
            munmap(map, 4096);
    }
    printf("\n");
}

int main(void) {
    int ends[2];
    if (pipe(ends))
        return 1;
    try("cpuinfo", open("/proc/cpuinfo", O_RDONLY));
    try("maps", open("/proc/self/maps", O_RDONLY));
    try("sysfs", open("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY));
    try("socket", socket(AF_UNIX, SOCK_STREAM, 0));
    try("pipe", ends[0]);
    try("zero", open("/dev/zero", O_RDONLY));
    return 0;
}
