/* Maps the rings of drivers that have rules of their own, and does to each what other mappings allow: splits, grows, moves, opens
   for writing, inherits, merges. What this kernel or user may not have is left out. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096ul
#define RW (PROT_READ | PROT_WRITE)

static char *const fixed = (char *)0x20000000;

/* Everything that could split, grow, move or reopen a mapping of a few pages. */
static void handle(char *map, size_t pages) {
    if (map == MAP_FAILED) return;
    mprotect(map, PAGE, PROT_READ);
    mprotect(map, pages * PAGE, RW);
    mprotect(map, PAGE, PROT_READ | PROT_EXEC);
    madvise(map, PAGE, MADV_SEQUENTIAL);
    madvise(map, pages * PAGE, MADV_DOFORK);
    mlock(map, PAGE);
    mremap(map, pages * PAGE, (pages + 1) * PAGE, MREMAP_MAYMOVE);
    /* With a neighbour of another kind. */
    char *beside = mmap(map + pages * PAGE, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (beside != MAP_FAILED)
        mremap(map, (pages + 1) * PAGE, (pages + 1) * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, fixed + 64 * PAGE);
    if (!fork()) _exit(mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
    wait(NULL);
    munmap(map, PAGE);
    munmap(fixed + 65 * PAGE, PAGE);
    mmap(map, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    munmap(map, (beside != MAP_FAILED ? pages + 1 : pages) * PAGE);
    munmap(fixed, 128 * PAGE);
}

static void counter(void) {
    struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE, .size = sizeof attr, .disabled = 1, .exclude_kernel = 1};
    int fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
    if (fd < 0) return;
    mmap(NULL, 3 * PAGE, RW, MAP_PRIVATE, fd, 0);
    mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    handle(mmap(fixed, 3 * PAGE, RW, MAP_SHARED | MAP_FIXED, fd, 0), 3);
    handle(mmap(NULL, 3 * PAGE, PROT_READ, MAP_SHARED, fd, 0), 3);
    close(fd);
}

static void requests(void) {
    struct io_uring_params params;
    memset(&params, 0, sizeof params);
    int fd = (int)syscall(SYS_io_uring_setup, 64, &params);
    if (fd < 0) return;
    mmap(fixed, PAGE, RW, MAP_SHARED | MAP_FIXED, fd, IORING_OFF_SQES);
    mmap(fixed, PAGE, RW, MAP_SHARED, fd, IORING_OFF_SQES);
    mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, IORING_OFF_SQES);
    mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0x7000000);
    char *ring = mmap(NULL, PAGE, RW, MAP_SHARED, fd, IORING_OFF_SQES);
    mremap(ring, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, fixed);
    handle(mmap(NULL, PAGE, RW, MAP_SHARED, fd, IORING_OFF_SQES), 1);
    close(fd);
}

static int bpf_map(unsigned type, unsigned value, unsigned entries, unsigned flags) {
    union bpf_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.map_type = type;
    attr.key_size = value ? 4 : 0;
    attr.value_size = value;
    attr.max_entries = entries;
    attr.map_flags = flags;
    return (int)syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof attr);
}

static void maps(void) {
    int fd = bpf_map(BPF_MAP_TYPE_ARRAY, 8, 2048, BPF_F_MMAPABLE);
    if (fd >= 0) {
        mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
        mmap(fixed, 2 * PAGE, RW, MAP_SHARED | MAP_FIXED, fd, 0);
        mmap(fixed + 2 * PAGE, PAGE, RW, MAP_SHARED | MAP_FIXED, fd, 2 * PAGE);
        handle(fixed, 3);
        handle(mmap(NULL, 4 * PAGE, PROT_READ, MAP_SHARED, fd, 0), 4);
        close(fd);
    }
    fd = bpf_map(33 /* BPF_MAP_TYPE_ARENA */, 0, 16, BPF_F_MMAPABLE);
    if (fd >= 0) {
        handle(mmap(NULL, 16 * PAGE, RW, MAP_SHARED, fd, 0), 16);
        close(fd);
    }
}

static void traces(void) {
    int fd = open("/sys/kernel/tracing/per_cpu/cpu0/trace_pipe_raw", O_RDONLY | O_NONBLOCK);
    if (fd < 0) return;
    mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
    handle(mmap(NULL, 4 * PAGE, PROT_READ, MAP_SHARED, fd, 0), 4);
    close(fd);
}

/* What has no memory to map leaves what was there. */
static void without_memory(void) {
    int event = eventfd(0, 0), null = open("/dev/null", O_RDWR);
    mmap(fixed, 3 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    mmap(fixed + PAGE, PAGE, RW, MAP_SHARED | MAP_FIXED, event, 0);
    mmap(fixed + PAGE, PAGE, RW, MAP_SHARED | MAP_FIXED, null, 0);
    mmap(fixed + PAGE, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, event, 0);
    fixed[PAGE] = 1;
    munmap(fixed, 3 * PAGE);
}

int main(void) {
    counter();
    requests();
    maps();
    traces();
    without_memory();
    puts("handled");
    return 0;
}
