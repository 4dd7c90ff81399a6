/* A 32-bit program without a C library: maps by the i386 calls, writes a line, ends with status 3. */
static long call(long number, long a, long b, long c, long d, long e) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "0"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e) : "memory");
    return result;
}

void _start(void) {
    enum { EXIT = 1, WRITE = 4, MUNMAP = 91, MPROTECT = 125, MMAP2 = 192 };
    /* The sixth argument, the offset, is in ebp and is ignored for anonymous memory. */
    char *map = (char *)call(MMAP2, 0, 65536, 3, 0x22, -1);
    map[0] = 'h';
    call(MPROTECT, (long)map, 4096, 1, 0, 0);
    call(WRITE, 1, (long)"thirty-two\n", 11, 0, 0);
    call(MUNMAP, (long)map, 65536, 0, 0, 0);
    call(EXIT, 3, 0, 0, 0, 0);
}
