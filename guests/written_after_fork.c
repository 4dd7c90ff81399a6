/* Writes four pages and forks. While both live the parent writes the third; then the child writes the first and reads the
   second, and when it has ended the parent writes the first too. Prints where the pages are and who the two are. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096UL

__attribute__((noinline)) static void parent_writes(volatile char *at) {
    at[2 * PAGE] = 3;
}

__attribute__((noinline)) static void child_writes(volatile char *at) {
    at[0] = 2;
}

__attribute__((noinline)) static int child_reads(volatile char *at) {
    return at[PAGE];
}

__attribute__((noinline)) static void parent_writes_after(volatile char *at) {
    at[0] = 4;
}

int main(void) {
    char *at = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int link[2];
    if (at == MAP_FAILED || pipe(link)) return 1;
    madvise(at, 4 * PAGE, MADV_NOHUGEPAGE);
    memset(at, 1, 4 * PAGE);
    pid_t child = fork();
    char byte = 1;
    if (child == 0) {
        if (read(link[0], &byte, 1) != 1) _exit(1);
        child_writes(at);
        _exit(child_reads(at) != 1);
    }
    parent_writes(at);
    int status = write(link[1], &byte, 1) != 1;
    waitpid(child, &status, 0);
    parent_writes_after(at);
    printf("%p %d %d\n", (void *)at, getpid(), child);
    return status != 0;
}
