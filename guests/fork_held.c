/* Forks, and is held in it by a userfaultfd: the copy is made, and another thread maps memory before the child is told of. */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096 };

static void *map(size_t pages) {
    void *memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) abort();
    return memory;
}

static void *forks(void *unused) {
    (void)unused;
    pid_t child = fork();
    if (child < 0) abort();
    if (child == 0) {
        map(1);
        _exit(0);
    }
    int status;
    if (waitpid(child, &status, 0) != child || status != 0) abort();
    return NULL;
}

int main(void) {
    int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
    struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_EVENT_FORK};
    if (fd < 0 || ioctl(fd, UFFDIO_API, &api)) {
        puts("not permitted");
        return 0;
    }
    char *watched = map(16);
    struct uffdio_register range = {.range = {(unsigned long)watched, 16 * PAGE},
                                    .mode = UFFDIO_REGISTER_MODE_MISSING};
    if (ioctl(fd, UFFDIO_REGISTER, &range)) abort();
    pthread_t thread;
    pthread_create(&thread, NULL, forks, NULL);
    /* The copy is made when its event is there to be read; the fork goes on when it has been read. */
    struct pollfd event = {.fd = fd, .events = POLLIN};
    if (poll(&event, 1, -1) != 1 || event.revents != POLLIN) abort();
    char *memory = map(3);
    mprotect(memory + PAGE, PAGE, PROT_READ);
    struct uffd_msg message;
    if (read(fd, &message, sizeof message) != sizeof message || message.event != UFFD_EVENT_FORK) abort();
    pthread_join(thread, NULL);
    puts("held");
    return 0;
}
