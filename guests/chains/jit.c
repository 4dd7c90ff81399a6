// Compiles a function while it runs, lists it for perf in the file named by its argument, "-" for the one that perf
// looks for, and calls through it. With a second argument the function keeps no frame pointer.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void dump_stack(void);

__attribute__((noinline)) static void callee(void) {
    dump_stack();
    __asm__ volatile("");
}

int main(int argc, char **argv) {
    unsigned char with_rbp[] = {
        0x55,                                      // push %rbp
        0x48, 0x89, 0xe5,                          // mov %rsp, %rbp
        0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0,        // movabs $callee, %rax
        0xff, 0xd0,                                // call *%rax
        0x5d,                                      // pop %rbp
        0xc3,                                      // ret
    };
    unsigned char without[] = {
        0xbd, 1, 0, 0, 0,                          // mov $1, %ebp: used for something else
        0x48, 0x83, 0xec, 0x28,                    // sub $40, %rsp
        0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0,        // movabs $callee, %rax
        0xff, 0xd0,                                // call *%rax
        0x48, 0x83, 0xc4, 0x28,                    // add $40, %rsp
        0xc3,                                      // ret
    };
    unsigned char *code = argc > 2 ? without : with_rbp;
    size_t size = argc > 2 ? sizeof without : sizeof with_rbp;
    void (*target)(void) = callee;
    memcpy(code + (argc > 2 ? 11 : 6), &target, 8);
    void *page = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy((char *)page + 64, code, size);
    char list[64];
    snprintf(list, sizeof list, "/tmp/perf-%d.map", getpid());
    FILE *map = fopen(strcmp(argv[1], "-") ? argv[1] : list, "w");
    fprintf(map, "%lx %zx JS:*compiled /app/index.js:1:1\n", (unsigned long)page + 64, size);
    fclose(map);
    ((void (*)(void))((char *)page + 64))();
    return 0;
}
