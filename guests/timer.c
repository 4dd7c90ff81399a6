/* Maps, protects and unmaps 5,000 times while a timer interrupts it, with a handler that does not restart calls. */
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/time.h>

static volatile int signals;

static void handler(int signal) {
    (void)signal;
    signals++;
}

int main(void) {
    struct sigaction action = {.sa_handler = handler};
    struct itimerval often = {{0, 300}, {0, 300}};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    int failed = 0;
    for (int i = 0; i < 5000; i++) {
        char *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (map == MAP_FAILED) {
            failed++;
            continue;
        }
        map[0] = 1;
        failed += mprotect(map, 4096, PROT_READ) != 0;
        failed += munmap(map, 8192) != 0;
    }
    printf("%d failed, %s\n", failed, signals > 5 ? "interrupted often" : "hardly interrupted");
    return failed != 0;
}
