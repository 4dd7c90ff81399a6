// Not a guest itself: writes registers, stack bytes and map of its caller to stdout, for tests of unwinding.
//
// Format, 64-bit words in the machine's order: rip and the 16 general registers in DWARF's order; the number of
// pieces of stack; each piece's address, length and bytes; then the text of /proc/self/maps.
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE_BYTES_MAX (256 << 10)

uint64_t dump_registers[17];
// A second piece of stack to copy: where a signal interrupted the program, if that was on another stack.
uint64_t dump_second_stack;

// The registers as they are inside this function; its caller's frame is just above.
void dump_stack(void);
__asm__(".text\n"
        ".globl dump_stack\n"
        ".type dump_stack, @function\n"
        "dump_stack:\n"
        ".cfi_startproc\n"
        "mov %rax, 8+dump_registers(%rip)\n"
        "mov %rdx, 16+dump_registers(%rip)\n"
        "mov %rcx, 24+dump_registers(%rip)\n"
        "mov %rbx, 32+dump_registers(%rip)\n"
        "mov %rsi, 40+dump_registers(%rip)\n"
        "mov %rdi, 48+dump_registers(%rip)\n"
        "mov %rbp, 56+dump_registers(%rip)\n"
        "mov %rsp, 64+dump_registers(%rip)\n"
        "mov %r8, 72+dump_registers(%rip)\n"
        "mov %r9, 80+dump_registers(%rip)\n"
        "mov %r10, 88+dump_registers(%rip)\n"
        "mov %r11, 96+dump_registers(%rip)\n"
        "mov %r12, 104+dump_registers(%rip)\n"
        "mov %r13, 112+dump_registers(%rip)\n"
        "mov %r14, 120+dump_registers(%rip)\n"
        "mov %r15, 128+dump_registers(%rip)\n"
        "1: lea 1b(%rip), %rax\n"
        "mov %rax, dump_registers(%rip)\n"
        "jmp dump_write\n"
        ".cfi_endproc\n"
        ".size dump_stack, .-dump_stack\n");

static void put(const void *bytes, size_t size) {
    if (fwrite(bytes, 1, size, stdout) != size)
        exit(1);
}

// The end of the mapping that holds an address.
static uint64_t end_of(uint64_t address) {
    FILE *maps = fopen("/proc/self/maps", "r");
    unsigned long start, end;
    while (fscanf(maps, "%lx-%lx%*[^\n]", &start, &end) == 2)
        if (start <= address && address < end) {
            fclose(maps);
            return end;
        }
    exit(2);
}

static void put_piece(uint64_t start) {
    uint64_t size = end_of(start) - start;
    if (size > PIECE_BYTES_MAX)
        size = PIECE_BYTES_MAX;
    put(&start, 8);
    put(&size, 8);
    put((void *)start, size);
}

void dump_write(void) {
    uint64_t pieces = dump_second_stack ? 2 : 1;
    put(dump_registers, sizeof dump_registers);
    put(&pieces, 8);
    put_piece(dump_registers[8]);
    if (dump_second_stack)
        put_piece(dump_second_stack);
    int maps = open("/proc/self/maps", O_RDONLY);
    char text[4096];
    for (ssize_t got; (got = read(maps, text, sizeof text)) > 0;)
        put(text, got);
    fflush(stdout);
    _exit(0);
}
