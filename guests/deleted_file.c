/* Maps a file, deletes it, goes on using the mapping. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int main(void) {
    char name[] = "/tmp/vmatlas-guest-XXXXXX";
    int fd = mkstemp(name);
    if (fd < 0 || ftruncate(fd, 1 << 16)) return 1;
    char *map = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    unlink(name);
    close(fd);
    map[100] = 7;
    mprotect(map + 4096, 4096, PROT_READ);
    printf("%d\n", map[100]);
    return 0;
}
