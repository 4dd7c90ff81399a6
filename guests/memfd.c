/* A memfd mapped shared and private, sealed, grown. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int main(void) {
    int fd = memfd_create("a name", MFD_ALLOW_SEALING);
    if (ftruncate(fd, 8192)) return 1;
    char *shared = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *private = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    shared[0] = 1;
    private[4096] = 2;
    printf("%d %d\n", private[0], shared[4096]);
    munmap(shared, 8192);
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE)) return 1;
    if (mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED) return 1;
    return mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED;
}
