/* Drops the first and the third of four pages by one call, of itself: by a descriptor, or (`self`) by the number that stands
   for the caller. Prints where they are and who it is; ends with 2 where the kernel does not know the call. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE 4096UL
#define PIDFD_SELF_THREAD (-10000)

__attribute__((noinline)) static long drop(char *at, int process) {
    struct iovec ranges[2] = {{at, PAGE}, {at + 2 * PAGE, PAGE}};
    return syscall(SYS_process_madvise, process, ranges, 2, MADV_DONTNEED, 0);
}

int main(int count, char **args) {
    char *at = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) return 1;
    madvise(at, 4 * PAGE, MADV_NOHUGEPAGE);
    memset(at, 1, 4 * PAGE);
    int process = count == 2 && !strcmp(args[1], "self") ? PIDFD_SELF_THREAD : syscall(SYS_pidfd_open, getpid(), 0);
    if (drop(at, process) != 2 * PAGE) return 2;
    printf("%p %d\n", (void *)at, getpid());
    return 0;
}
