/* Shares memory with a child in every way: a System V segment with a key, a POSIX object, a memfd, shared anonymous memory
   and a file. Prints what is where, then both hold still until the input ends. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIZE = 1 << 16 };

static void map(const char *name, int flags, int fd) {
    if (fd >= 0 && ftruncate(fd, SIZE)) exit(1);
    char *address = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | flags, fd, 0);
    if (address == MAP_FAILED) exit(1);
    memset(address, 1, SIZE);
    printf("%s %p\n", name, (void *)address);
}

int main(void) {
    key_t key = 0x5eed0000 + getpid() % 0x10000;
    int id = shmget(key, SIZE, IPC_CREAT | IPC_EXCL | 0600);
    if (id < 0) return 1;
    char *segment = shmat(id, NULL, 0);
    shmctl(id, IPC_RMID, NULL);
    memset(segment, 1, SIZE);
    printf("sysv %p\nkey %#010x\n", (void *)segment, key);

    char object[64], file[] = "shares-XXXXXX";
    snprintf(object, sizeof object, "/vmatlas-shares-%d", getpid());
    int posix = shm_open(object, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (posix < 0) return 1;
    map("posix", 0, posix);
    shm_unlink(object);
    map("memfd", 0, memfd_create("shares", 0));
    map("anonymous", MAP_ANONYMOUS, -1);
    int scratch = mkstemp(file);
    map("file", 0, scratch);
    unlink(file);

    int link[2];
    if (pipe(link)) return 1;
    pid_t child = fork();
    char byte;
    if (child == 0) {
        close(link[1]);
        _exit(read(link[0], &byte, 1) < 0);
    }
    printf("child %d\n", child);
    fflush(stdout);
    ssize_t ended = read(0, &byte, 1);
    close(link[1]);
    waitpid(child, NULL, 0);
    return ended < 0;
}
