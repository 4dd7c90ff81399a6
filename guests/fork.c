/* A tree of processes three deep; each writes to its own copy of a page and checks that it is its own. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static int grow(int depth, int *page) {
    if (depth == 0) return 0;
    *page = depth;
    for (int i = 0; i < 2; i++) {
        pid_t child = fork();
        if (child == 0) exit(grow(depth - 1, page));
        int status;
        waitpid(child, &status, 0);
        if (status != 0 || *page != depth) return 1;
    }
    return 0;
}

int main(void) {
    int *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int status = grow(3, page);
    puts(status == 0 ? "each page its own" : "a page was shared");
    return status;
}
