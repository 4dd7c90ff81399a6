// Sets what of its process steers memory and is inherited over exec, and executes the words after it; the word `--` alone: makes
// memory calls that this decides.
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define SET_MDWE 65
#define SET_MEMORY_MERGE 67
#define HUGE (2UL << 20)

static int calls(void) {
    char *pages = mmap(0, 4 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *others = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise(pages, 4 * HUGE, MADV_HUGEPAGE);
    for (unsigned long at = 0; at < 4 * HUGE; at += HUGE)
        pages[at] = 1;
    int gained = !mprotect(others, 4096, PROT_READ | PROT_EXEC);
    void *both = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mmap(0, 4 * HUGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    printf("rights gained: %d %d\n", gained, both != MAP_FAILED);
    return 0;
}

int main(int argc, char **argv) {
    (void)argc;
    if (!argv[1] || !strcmp(argv[1], "--"))
        return calls();
    // What this kernel does not have is left as it is.
    prctl(SET_MDWE, 1, 0, 0, 0);
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
    prctl(SET_MEMORY_MERGE, 1, 0, 0, 0);
    execvp(argv[1], argv + 1);
    return 1;
}
