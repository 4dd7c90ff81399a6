/* Makes memory calls until a file "go" appears beside it, then asks for 512 MiB. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int main(void) {
    close(open("ready", O_CREAT | O_WRONLY, 0666));
    while (access("go", F_OK)) {
        void *block = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (block == MAP_FAILED || munmap(block, 1 << 16)) return 1;
        usleep(20000);
    }
    void *large = mmap(NULL, 512 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    printf("%s\n", large == MAP_FAILED ? strerrorname_np(errno) : "512 MiB");
    return 0;
}
