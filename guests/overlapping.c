/* Makes memory calls while another thread is inside one: its mlock has split a mapping and waits for a page that only
   this thread can bring. As an ordinary user nothing waits. */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 4096UL

static char *map;

static void *lock(void *unused) {
    (void)unused;
    return (void *)(intptr_t)mlock(map + 4 * PAGE, 4 * PAGE);
}

int main(void) {
    int waits = 1;
    int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
    if (fd < 0) {
        waits = 0;
        fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
    }
    if (fd < 0) {
        printf("no userfaultfd here\n");
        return 0;
    }
    struct uffdio_api api = {.api = UFFD_API};
    if (ioctl(fd, UFFDIO_API, &api)) return 1;
    map = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    /* A descriptor for accesses of the program only would refuse the lock instead of holding it up. */
    if (!waits) close(fd);
    struct uffdio_register all = {.range = {(uintptr_t)map, 16 * PAGE}, .mode = UFFDIO_REGISTER_MODE_MISSING};
    if (waits && ioctl(fd, UFFDIO_REGISTER, &all)) return 1;
    pthread_t thread;
    if (pthread_create(&thread, NULL, lock, NULL)) return 1;
    struct uffd_msg fault;
    if (waits && read(fd, &fault, sizeof fault) != sizeof fault) return 1;
    if (mprotect(map + 20 * PAGE, 4 * PAGE, PROT_READ)) return 1;
    if (munmap(map + 30 * PAGE, 4 * PAGE)) return 1;
    char *more = mmap(NULL, 4 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (more == MAP_FAILED) return 1;
    struct uffdio_zeropage zero = {.range = {(uintptr_t)map + 4 * PAGE, 4 * PAGE}};
    if (waits && ioctl(fd, UFFDIO_ZEROPAGE, &zero)) return 1;
    void *locked;
    if (pthread_join(thread, &locked)) return 1;
    if (locked) return 1;
    puts("overlapped");
    return munmap(map, 16 * PAGE);
}
