/* A thread that is not the leader calls exec while two others are in calls: its tid becomes the pid. */
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static void *busy(void *unused) {
    for (;;) munmap(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 4096);
    return unused;
}

static void *run(void *unused) {
    (void)unused;
    usleep(20000);
    execlp("echo", "echo", "from a thread", (char *)NULL);
    _exit(9);
}

int main(void) {
    pthread_t thread;
    pthread_create(&thread, NULL, busy, NULL);
    pthread_create(&thread, NULL, busy, NULL);
    pthread_create(&thread, NULL, run, NULL);
    pthread_join(thread, NULL);
    return 1;
}
