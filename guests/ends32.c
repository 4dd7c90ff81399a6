/* A 32-bit program without a C library that makes no memory call: it ends. */
void _start(void) {
    __asm__ volatile("int $0x80" : : "a"(1), "b"(0) : "memory");
}
