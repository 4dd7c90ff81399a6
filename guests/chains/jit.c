// Compiles a function while it runs, lists it for perf in the file named by its argument, and calls through it.
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

void dump_stack(void);

__attribute__((noinline)) static void callee(void) {
    dump_stack();
    __asm__ volatile("");
}

int main(int argc, char **argv) {
    unsigned char code[] = {
        0x55,                                      // push %rbp
        0x48, 0x89, 0xe5,                          // mov %rsp, %rbp
        0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0,        // movabs $callee, %rax
        0xff, 0xd0,                                // call *%rax
        0x5d,                                      // pop %rbp
        0xc3,                                      // ret
    };
    void (*target)(void) = callee;
    memcpy(code + 6, &target, 8);
    void *page = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy((char *)page + 64, code, sizeof code);
    FILE *map = fopen(argv[1], "w");
    fprintf(map, "%lx %zx JS:*compiled /app/index.js:1:1\n", (unsigned long)page + 64, sizeof code);
    fclose(map);
    ((void (*)(void))((char *)page + 64))();
    return 0;
}
