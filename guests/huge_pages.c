/* Huge pages by advice: touched sparsely, read, forked, given up and unmapped in parts, collapsed, populated, moved; and
   mappings that are placed so that none has room. What is wanted is named by the arguments; without one: all of it. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096UL
#define HUGE (2UL << 20)
#define MIB (1UL << 20)
#define POPULATE_READ 22
#define POPULATE_WRITE 23
#define COLLAPSE 25

/* Maps `size` bytes from `offset` beyond a border of 2 MiB on, with nothing mapped right beside. */
static char *map_at(size_t size, size_t offset) {
    char *at = mmap(NULL, size + 2 * HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) exit(1);
    char *from = (char *)(((uintptr_t)at + HUGE - 1) & ~(HUGE - 1)) + offset;
    if (mprotect(from, size, PROT_READ | PROT_WRITE)) exit(1);
    return from;
}

static char *advised(size_t size) {
    char *at = map_at(size, 0);
    if (madvise(at, size, MADV_HUGEPAGE)) exit(1);
    return at;
}

__attribute__((noinline)) static void touches_sparsely(void) {
    char *at = advised(64 * MIB);
    for (size_t byte = 5 * PAGE; byte < 64 * MIB; byte += HUGE) at[byte] = 1;
}

__attribute__((noinline)) static void fills_misaligned(void) {
    for (int no = 0; no < 8; no++) {
        char *at = map_at(3 * MIB, MIB / 2 + PAGE);
        if (madvise(at, 3 * MIB, MADV_HUGEPAGE)) exit(1);
        memset(at, 1, 3 * MIB);
    }
}

static void reads(void) {
    char *at = advised(4 * HUGE);
    for (int no = 0; no < 4; no++) (void)*(volatile char *)(at + no * HUGE);
    at[HUGE + 1] = 1;
}

static void forks(void) {
    char *at = advised(6 * HUGE);
    for (int no = 0; no < 6; no++) at[no * HUGE] = 1;
    pid_t child = fork();
    if (child == 0) {
        at[HUGE] = 2;
        at[3 * HUGE + 2 * PAGE] = 3;
        _exit(0);
    }
    at[5 * HUGE] = 4;
    waitpid(child, NULL, 0);
    at[4 * HUGE] = 5;
}

static void gives_up_parts(void) {
    char *at = advised(6 * HUGE);
    memset(at, 1, 6 * HUGE);
    for (int no = 0; no < 3; no++) madvise(at + no * HUGE + HUGE / 2, HUGE / 4, MADV_DONTNEED);
    at[HUGE / 2 + PAGE] = 2;
    madvise(at + 3 * HUGE, HUGE, MADV_DONTNEED);
    at[3 * HUGE + 7 * PAGE] = 3;
    munmap(at + 4 * HUGE + PAGE, 2 * PAGE);
    mprotect(at + 5 * HUGE, PAGE, PROT_READ);
}

static void collapses(void) {
    char *at = map_at(4 * HUGE, 0);
    for (int no = 0; no < 4; no++) at[no * HUGE + 9 * PAGE] = 1;
    madvise(at, 4 * HUGE, COLLAPSE);
}

static void populates(void) {
    char *at = advised(8 * HUGE);
    madvise(at, HUGE + PAGE, POPULATE_WRITE);
    madvise(at + 4 * HUGE, 3 * PAGE, POPULATE_READ);
    mlock(at + 6 * HUGE - PAGE, 2 * PAGE);
}

static void moves(void) {
    char *at = advised(4 * HUGE), *to = map_at(8 * HUGE, 0);
    memset(at, 1, 3 * HUGE);
    mremap(at, 4 * HUGE, 8 * HUGE, MREMAP_MAYMOVE | MREMAP_FIXED, to);
    to[7 * HUGE] = 1;
}

int main(int count, char **words) {
    const char *wanted = count > 1 ? words[1] : "";
    if (!*wanted || !strcmp(wanted, "sparse")) touches_sparsely();
    if (!*wanted || !strcmp(wanted, "misaligned")) fills_misaligned();
    if (!*wanted) {
        reads();
        forks();
        gives_up_parts();
        collapses();
        populates();
        moves();
    }
    puts("done");
    return 0;
}
