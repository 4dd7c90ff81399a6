/* Locks memory within a limit, beyond it, and with a limit of nothing: only privilege of the whole machine lifts it. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

static const char *lock(rlim_t bytes, char *map, size_t len) {
    struct rlimit limit = {bytes, bytes};
    setrlimit(RLIMIT_MEMLOCK, &limit);
    return mlock(map, len) ? strerrorname_np(errno) : "locked";
}

int main(void) {
    char *map = mmap(NULL, 8 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const char *within = lock(4 * 4096, map, 4 * 4096);
    const char *beyond = lock(4 * 4096, map, 8 * 4096);
    munlock(map, 8 * 4096);
    const char *nothing = lock(0, map, 4096);
    void *locked = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);
    printf("%s %s %s %s\n", within, beyond, nothing, locked == MAP_FAILED ? strerrorname_np(errno) : "mapped");
    return 0;
}
