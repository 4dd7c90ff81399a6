/* Has an io_uring split a mapping, which no call tells, and then leaves its memory in one of four ways:
   ends       by its end
   hides      the same, after it has forbidden others of its user to look into it
   executes   by executing another program
   beside     by its end, after it has mapped over what was split, while another thread was inside a call about the whole,
              which changes no map */
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 4096UL
#define BYTES (16 * PAGE)

static int faults;
static pthread_t thread;

static void *bring(void *map) {
    return (void *)(long)madvise(map, BYTES, MADV_POPULATE_READ);
}

/* Starts a thread that is held inside its call, for nobody has brought the last page; tells whether that can be. */
static int hold(char *map) {
    struct uffdio_api api = {.api = UFFD_API};
    struct uffdio_register last = {.range = {(unsigned long)map + BYTES - PAGE, PAGE}, .mode = UFFDIO_REGISTER_MODE_MISSING};
    struct uffd_msg fault;
    faults = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
    return faults >= 0 && !ioctl(faults, UFFDIO_API, &api) && !ioctl(faults, UFFDIO_REGISTER, &last) &&
           !pthread_create(&thread, NULL, bring, map) && read(faults, &fault, sizeof fault) == sizeof fault;
}

/* Maps over what was split, makes a call more, and lets the thread go. */
static int map_over(char *map) {
    int anonymous = MAP_PRIVATE | MAP_ANONYMOUS;
    char *more = mmap(NULL, PAGE, PROT_READ, anonymous, -1, 0);
    struct uffdio_zeropage zero = {.range = {(unsigned long)map + BYTES - PAGE, PAGE}};
    return more == MAP_FAILED || munmap(more, PAGE) ||
           mmap(map, 4 * PAGE, PROT_READ | PROT_WRITE, anonymous | MAP_FIXED, -1, 0) == MAP_FAILED ||
           ioctl(faults, UFFDIO_ZEROPAGE, &zero) || pthread_join(thread, NULL);
}

int main(int argc, char **argv) {
    const char *how = argc > 1 ? argv[1] : "ends";
    if (!strcmp(how, "executed")) return 0;
    struct io_uring_params params;
    memset(&params, 0, sizeof params);
    int fd = (int)syscall(SYS_io_uring_setup, 4, &params);
    if (fd < 0) {
        puts("no ring");
        fflush(stdout);
        return 0;
    }
    int prot = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_POPULATE;
    size_t bytes = params.sq_off.array + params.sq_entries * sizeof(unsigned);
    char *queue = mmap(NULL, bytes, prot, flags, fd, IORING_OFF_SQ_RING);
    struct io_uring_sqe *entry = mmap(NULL, params.sq_entries * sizeof *entry, prot, flags, fd, IORING_OFF_SQES);
    char *map = mmap(NULL, BYTES, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (queue == MAP_FAILED || (void *)entry == MAP_FAILED || map == MAP_FAILED) return 1;
    if (!strcmp(how, "beside") && !hold(map)) {
        puts("no ring");
        fflush(stdout);
        return 0;
    }
    if (!strcmp(how, "hides") && prctl(PR_SET_DUMPABLE, 0)) return 1;
    memset(entry, 0, sizeof *entry);
    entry->opcode = IORING_OP_MADVISE;
    entry->fd = -1;
    entry->addr = (unsigned long)map + PAGE;
    entry->len = PAGE;
    entry->fadvise_advice = MADV_DONTFORK;
    *(unsigned *)(queue + params.sq_off.array) = 0;
    __atomic_store_n((unsigned *)(queue + params.sq_off.tail), 1, __ATOMIC_RELEASE);
    if (syscall(SYS_io_uring_enter, fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1) return 1;
    if (!strcmp(how, "beside") && map_over(map)) return 1;
    if (!strcmp(how, "executes")) execl("/proc/self/exe", argv[0], "executed", NULL);
    syscall(SYS_exit_group, 0);
}
