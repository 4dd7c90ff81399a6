/* Registers a range with userfaultfd (which splits its mapping), then closes it (which merges again). */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
    int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
    if (fd < 0) {
        printf("no userfaultfd here\n");
        return 0;
    }
    struct uffdio_api api = {.api = UFFD_API};
    if (ioctl(fd, UFFDIO_API, &api)) return 1;
    char *map = mmap(NULL, 16 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct uffdio_register range = {
        .range = {(uintptr_t)map + 4 * 4096, 4 * 4096}, .mode = UFFDIO_REGISTER_MODE_MISSING};
    if (ioctl(fd, UFFDIO_REGISTER, &range)) return 1;
    struct uffdio_zeropage zero = {.range = range.range};
    if (ioctl(fd, UFFDIO_ZEROPAGE, &zero)) return 1;
    map[5 * 4096] = 1;
    close(fd);
    puts("registered and closed");
    return munmap(map, 16 * 4096);
}
