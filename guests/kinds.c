/* Makes memory of every kind and prints `kind address` for each, then holds still until its input ends. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

enum { SIZE = 1 << 16 };

static const char constant[] = "read only";
static char initialised[] = "data";
static char zeroed[SIZE];
static pthread_barrier_t barrier;

static void say(const char *kind, const void *address) {
    printf("%s %p\n", kind, address);
}

static void *map(int protection, int flags, int fd) {
    void *address = mmap(NULL, SIZE, protection, flags, fd, 0);
    if (address == MAP_FAILED) exit(1);
    if (protection & PROT_WRITE) memset(address, 1, SIZE);
    return address;
}

static void *thread(void *unused) {
    pthread_attr_t attributes;
    void *stack;
    size_t size;
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstack(&attributes, &stack, &size);
    say("thread_stack", (char *)stack + size - SIZE);
    say("stack_guard", (char *)stack - 4096);
    say("arena", malloc(1000));
    pthread_barrier_wait(&barrier);
    pause();
    return unused;
}

int main(int argc, char **argv) {
    (void)argc, (void)argv;
    int writable = PROT_READ | PROT_WRITE;

    say("text", (void *)main);
    say("rodata", constant);
    say("relro", _DYNAMIC);
    say("data", initialised);
    memset(zeroed, 1, sizeof zeroed);
    say("bss", zeroed + SIZE - 1);
    say("heap", malloc(100));
    say("main_stack", &argc);
    say("vdso", (void *)getauxval(AT_SYSINFO_EHDR));
    say("reservation", map(PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1));
    say("jit_code", map(writable | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1));
    say("shared_anonymous", map(writable, MAP_SHARED | MAP_ANONYMOUS, -1));

    int memory = memfd_create("a memory file", 0);
    char name[] = "kinds-XXXXXX";
    int scratch = mkstemp(name);
    if (ftruncate(memory, SIZE) || ftruncate(scratch, SIZE) || unlink(name)) return 1;
    say("memory_file", map(writable, MAP_SHARED, memory));
    say("private_file", map(PROT_READ, MAP_PRIVATE, scratch));
    say("shared_file", map(writable, MAP_SHARED, scratch));

    int id = shmget(IPC_PRIVATE, SIZE, IPC_CREAT | 0600);
    char *segment = shmat(id, NULL, 0);
    shmctl(id, IPC_RMID, NULL);
    segment[0] = 1;
    say("sysv_shm", segment);

    pthread_t other;
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_create(&other, NULL, thread, NULL);
    pthread_barrier_wait(&barrier);
    fflush(stdout);
    char byte;
    return read(0, &byte, 1) < 0;
}
