/* What a program sees of its open files while their mappings come and go:
   over     a file mapped over its only mapping, then its next page beside it
   refused  the same after a mapping in its place and an unmapping were refused
   locks    a lock goes with the last of descriptor and mapping: after a refused mmap, an mremap over it, in a forked child
   pipe     a pipe that can't be mapped ends when it is closed
   tables   two threads with tables of their own: one number, two open files */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096UL
#ifndef SYS_mseal
#define SYS_mseal 462
#endif

static char name[] = "/tmp/vmatlas-descriptions-XXXXXX";

static const char *word(int good) {
    return good ? "yes" : "no";
}

static char *room(void) {
    return mmap(NULL, 16 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static int map(char *at, int page, int prot, int kind, int fd) {
    return mmap(at, PAGE, prot, kind | MAP_FIXED, fd, page * PAGE) == at;
}

/* Whether nobody else holds a lock of the file. */
static int is_free(void) {
    int fd = open(name, O_RDWR);
    int locked = fd >= 0 && !flock(fd, LOCK_EX | LOCK_NB);
    if (fd >= 0) close(fd);
    return locked;
}

static int locked(void) {
    int fd = open(name, O_RDWR);
    if (fd < 0 || flock(fd, LOCK_EX)) exit(1);
    return fd;
}

static void over(void) {
    char *at = room();
    int fd = open(name, O_RDONLY);
    int done = map(at, 0, PROT_READ, MAP_PRIVATE, fd) && map(at, 0, PROT_READ, MAP_PRIVATE, fd);
    printf("over %s\n", word(done && map(at + PAGE, 1, PROT_READ, MAP_PRIVATE, fd)));
    close(fd);
}

static void refused(void) {
    char *at = room();
    int fd = open(name, O_RDONLY);
    int done = map(at, 0, PROT_READ, MAP_SHARED, fd);
    done &= !map(at, 0, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
    done &= map(at + PAGE, 1, PROT_READ, MAP_SHARED, fd);
    char *sealed = room();
    done &= map(sealed, 0, PROT_READ, MAP_PRIVATE, fd);
    if (!syscall(SYS_mseal, sealed, PAGE, 0)) done &= munmap(sealed, PAGE) == -1;
    done &= map(sealed + PAGE, 1, PROT_READ, MAP_PRIVATE, fd);
    printf("refused %s\n", word(done));
    close(fd);
}

static void locks(void) {
    int fd = locked();
    int failed = mmap(NULL, 0, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED;
    close(fd);
    printf("locks refused %s free %s\n", word(failed), word(is_free()));
    char *at = room();
    fd = locked();
    int mapped = map(at, 0, PROT_READ, MAP_PRIVATE, fd);
    close(fd);
    printf("locks mapped %s free %s\n", word(mapped), word(is_free()));
    char *other = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int moved = mremap(other, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at) == at;
    printf("locks moved over %s free %s\n", word(moved), word(is_free()));
    fd = locked();
    mapped = map(at, 0, PROT_READ, MAP_PRIVATE, fd) && !madvise(at, PAGE, MADV_DONTFORK);
    close(fd);
    int go[2];
    if (pipe(go)) exit(1);
    pid_t child = fork();
    if (!child) {
        char byte;
        close(go[1]);
        _exit(read(go[0], &byte, 1) != 0);
    }
    int gone = !munmap(at, PAGE);
    printf("locks not forked %s free %s\n", word(mapped && gone), word(is_free()));
    close(go[1]);
    waitpid(child, NULL, 0);
}

static void ends(void) {
    int ends[2];
    char byte;
    if (pipe(ends)) exit(1);
    int failed = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, ends[1], 0) == MAP_FAILED;
    close(ends[1]);
    printf("pipe refused %s ends %s\n", word(failed), word(read(ends[0], &byte, 1) == 0));
}

static pthread_barrier_t both;
static char *shared_room;

static void *second(void *fd) {
    int own = (int)(long)fd;
    int done = !unshare(CLONE_FILES);
    close(own);
    done &= open(name, O_RDONLY) == own;
    pthread_barrier_wait(&both);
    pthread_barrier_wait(&both);
    done &= map(shared_room + PAGE, 1, PROT_READ, MAP_PRIVATE, own);
    return (void *)(long)done;
}

static void tables(void) {
    pthread_t thread;
    void *done;
    shared_room = room();
    int fd = open(name, O_RDONLY);
    pthread_barrier_init(&both, NULL, 2);
    if (pthread_create(&thread, NULL, second, (void *)(long)fd)) exit(1);
    pthread_barrier_wait(&both);
    int mapped = map(shared_room, 0, PROT_READ, MAP_PRIVATE, fd);
    pthread_barrier_wait(&both);
    pthread_join(thread, &done);
    printf("tables %s\n", word(mapped && done));
}

int main(void) {
    int fd = mkstemp(name);
    if (fd < 0 || ftruncate(fd, 16 * PAGE)) return 1;
    close(fd);
    over();
    refused();
    locks();
    ends();
    tables();
    unlink(name);
    return 0;
}
