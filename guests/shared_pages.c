// Writes 200 pages and forks; the child writes 40 of them, the parent 15 others, each in a function of its own.
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096UL

__attribute__((noinline)) static void child_writes(volatile char *at) {
    for (int page = 0; page < 40; page++)
        at[page * PAGE] = 2;
}

__attribute__((noinline)) static void parent_writes(volatile char *at) {
    for (int page = 100; page < 115; page++)
        at[page * PAGE] = 3;
}

int main(void) {
    char *at = (char *)mmap(0, 200 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise(at, 200 * PAGE, MADV_NOHUGEPAGE);
    memset(at, 1, 200 * PAGE);
    pid_t child = fork();
    if (child == 0) {
        child_writes(at);
        // Its pages are read when its last thread ends.
        _exit(0);
    }
    parent_writes(at);
    int status;
    waitpid(child, &status, 0);
    puts(status == 0 ? "done" : "failed");
    return status;
}
