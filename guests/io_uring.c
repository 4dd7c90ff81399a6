/* Makes an io_uring, maps its three rings, uses them for one request, and unmaps two of them. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
    struct io_uring_params params;
    memset(&params, 0, sizeof params);
    int fd = (int)syscall(SYS_io_uring_setup, 8, &params);
    if (fd < 0) {
        printf("no ring: %s\n", strerrorname_np(errno));
        return 3;
    }
    size_t sq_bytes = params.sq_off.array + params.sq_entries * sizeof(unsigned);
    size_t cq_bytes = params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe);
    size_t sqe_bytes = params.sq_entries * sizeof(struct io_uring_sqe);
    int prot = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_POPULATE;
    char *sq = mmap(NULL, sq_bytes, prot, flags, fd, IORING_OFF_SQ_RING);
    char *cq = mmap(NULL, cq_bytes, prot, flags, fd, IORING_OFF_CQ_RING);
    struct io_uring_sqe *sqes = mmap(NULL, sqe_bytes, prot, flags, fd, IORING_OFF_SQES);
    if (sq == MAP_FAILED || cq == MAP_FAILED || sqes == MAP_FAILED) return 1;
    memset(sqes, 0, sizeof *sqes);
    sqes->opcode = IORING_OP_NOP;
    sqes->user_data = 42;
    *(unsigned *)(sq + params.sq_off.array) = 0;
    __atomic_store_n((unsigned *)(sq + params.sq_off.tail), 1, __ATOMIC_RELEASE);
    if (syscall(SYS_io_uring_enter, fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1) return 1;
    struct io_uring_cqe *done = (struct io_uring_cqe *)(cq + params.cq_off.cqes);
    printf("completed %d\n", (int)done->user_data);
    return munmap(sqes, sqe_bytes) || munmap(cq, cq_bytes);
}
