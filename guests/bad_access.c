/* Writes to a page, then takes the right away in one of three ways and writes again: ends by a signal. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096UL
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

__attribute__((noinline)) static int take_away(char *at, const char *how, int fd) {
    if (!strcmp(how, "truncate")) return ftruncate(fd, PAGE);
    if (!strcmp(how, "protect")) return mprotect(at + PAGE, PAGE, PROT_READ);
    return madvise(at + PAGE, PAGE, MADV_GUARD_INSTALL);
}

__attribute__((noinline)) static void write_again(volatile char *at) {
    at[PAGE + 8] = 2;
}

int main(int count, char **args) {
    int fd = memfd_create("short", 0);
    if (count != 2 || fd < 0 || ftruncate(fd, 2 * PAGE)) return 1;
    int of_file = !strcmp(args[1], "truncate");
    int flags = of_file ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
    char *at = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, flags, of_file ? fd : -1, 0);
    if (at == MAP_FAILED) return 1;
    memset(at, 1, 2 * PAGE);
    if (take_away(at, args[1], fd)) return 2;
    write_again(at);
    return 0;
}
