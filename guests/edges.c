/* Meets a rule of memory at its edge, as its arguments say (all of them without one), and prints where:
   merge    two mappings touched apart come to have the same rights: their pages' histories keep them apart
   seal     a seal over a hole is refused
   hint     a hint that is no page's address is rounded down
   order    a mapping of no length, of no file: which is told first
   promise  more than any machine has is refused, unless nothing need be reserved (vm.overcommit_memory 0)
   unlocked a locked mapping whose pages move away is locked no more: nothing comes in where it grows */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 4096UL
#ifndef SYS_mseal
#define SYS_mseal 462
#endif

static char *room(void) {
    return mmap(NULL, 16 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static const char *word_of(long result) {
    return result == -1 ? strerrorname_np(errno) : "done";
}

static const char *merge(char *at) {
    if (mprotect(at, PAGE, PROT_READ | PROT_WRITE)) return "not protected";
    at[0] = 1;
    if (mprotect(at + 2 * PAGE, PAGE, PROT_READ | PROT_WRITE)) return "not protected";
    at[2 * PAGE] = 1;
    return word_of(mprotect(at + PAGE, PAGE, PROT_READ | PROT_WRITE));
}

static const char *seal(char *at) {
    if (munmap(at + PAGE, PAGE)) return "not unmapped";
    return word_of(syscall(SYS_mseal, at, 3 * PAGE, 0));
}

static const char *hint(char *at) {
    if (munmap(at + 4 * PAGE, 4 * PAGE)) return "not unmapped";
    char *got = mmap(at + 4 * PAGE + PAGE / 2, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return got == at + 4 * PAGE ? "done" : "elsewhere";
}

static const char *order(char *at) {
    return word_of((long)mmap(at, 0, PROT_READ, MAP_PRIVATE, -1, 0));
}

static const char *promise(char *at) {
    size_t bytes = 1UL << 45;
    (void)at;
    void *unreserved = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (unreserved != MAP_FAILED) munmap(unreserved, bytes);
    return word_of((long)mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

static const char *unlocked(char *at) {
    char *to = room();
    if (mprotect(at, 4 * PAGE, PROT_READ | PROT_WRITE) || mlock(at, 4 * PAGE)) return "not locked";
    if (mremap(at, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP | MREMAP_FIXED, to) != to) return "not moved";
    if (munmap(at + 4 * PAGE, 4 * PAGE)) return "not unmapped";
    return word_of((long)mremap(at, 4 * PAGE, 6 * PAGE, 0));
}

static const struct {
    const char *name;
    const char *(*meet)(char *at);
} EDGES[] = {{"merge", merge}, {"seal", seal}, {"hint", hint}, {"order", order}, {"promise", promise}, {"unlocked", unlocked}};

int main(int count, char **words) {
    for (size_t no = 0; no < sizeof EDGES / sizeof *EDGES; no++) {
        if (count > 1 && strcmp(words[1], EDGES[no].name)) continue;
        char *at = room();
        if (at == MAP_FAILED) return 1;
        printf("%s %p %s\n", EDGES[no].name, (void *)at, EDGES[no].meet(at));
        fflush(stdout);
    }
    return 0;
}
