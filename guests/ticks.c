/* Prints a numbered line 20 times a second, mapping a page each time, until it is ended. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int main(void) {
    for (int i = 1;; i++) {
        char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        page[0] = 1;
        printf("tick %d.\n", i);
        fflush(stdout);
        usleep(50000);
    }
}
