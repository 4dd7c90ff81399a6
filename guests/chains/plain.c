// Calls outer > middle > inner > leaf from main; with an argument, middle recurses that often.
#include <stdlib.h>

void dump_stack(void);
volatile int sink;

__attribute__((noinline)) static int leaf(int n) {
    dump_stack();
    return sink + n;
}

__attribute__((noinline)) static int inner(int n) {
    volatile char locals[100];
    locals[n % 100] = 1;
    return leaf(n + 1) + locals[3];
}

__attribute__((noinline)) static int middle(int depth, int n) {
    volatile int local = n;
    if (depth > 1)
        return middle(depth - 1, n + 1) + local;
    return inner(n) + local;
}

// Aligned more than the ABI does, so that its frame is found through a saved pointer.
__attribute__((noinline)) static int outer(int depth) {
    volatile char aligned[128] __attribute__((aligned(64)));
    aligned[depth % 128] = 1;
    return middle(depth, 1) + aligned[5];
}

int main(int argc, char **argv) {
    return outer(argc > 1 ? atoi(argv[1]) : 1) & 1;
}
