/* Has an io_uring split a mapping, which no call tells, and then leaves its memory in one of three ways:
   ends       by its end
   hides      the same, after it has forbidden others of its user to look into it
   executes   by executing another program */
#include <linux/io_uring.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 4096UL

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
    char *map = mmap(NULL, 16 * PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (queue == MAP_FAILED || (void *)entry == MAP_FAILED || map == MAP_FAILED) return 1;
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
    if (!strcmp(how, "executes")) execl("/proc/self/exe", argv[0], "executed", NULL);
    syscall(SYS_exit_group, 0);
}
