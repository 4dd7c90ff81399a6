// Maps, touches and unmaps memory in three functions, then reads it: ends by SIGSEGV.
#include <string.h>
#include <sys/mman.h>

__attribute__((noinline)) static char *make_buffer(void) {
    char *page = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    __asm__ volatile("");
    return page;
}

__attribute__((noinline)) static void fill_buffer(char *page) {
    for (int i = 0; i < 65536; i++)
        ((volatile char *)page)[i] = 1;
}

__attribute__((noinline)) static void drop_buffer(char *page) {
    munmap(page, 65536);
    __asm__ volatile("");
}

__attribute__((noinline)) static int use_buffer(volatile char *page) {
    return page[5000];
}

int main(void) {
    char *page = make_buffer();
    fill_buffer(page);
    drop_buffer(page);
    return use_buffer(page) + 1;
}
