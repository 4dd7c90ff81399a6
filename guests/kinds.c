/* Makes memory of every kind and prints `kind address` for each, with a third word `size` where the whole range is known,
   then holds still until its input ends. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SIZE = 1 << 16 };

static const char constant[] = "read only";
static char initialised[] = "data";
static char zeroed[SIZE];
static pthread_barrier_t barrier;
/* A static program has none. */
extern ElfW(Dyn) _DYNAMIC[] __attribute__((weak));

static void say(const char *kind, const void *address) {
    printf("%s %p\n", kind, address);
}

static void say_sized(const char *kind, const void *address, size_t size) {
    printf("%s %p %zu\n", kind, address, size);
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
    if (_DYNAMIC) say("relro", _DYNAMIC);
    say("data", initialised);
    memset(zeroed, 1, sizeof zeroed);
    say("bss", zeroed + SIZE - 1);
    say("heap", malloc(100));
    say("main_stack", &argc);
    say("vdso", (void *)getauxval(AT_SYSINFO_EHDR));
    say("vvar", (char *)getauxval(AT_SYSINFO_EHDR) - 1);
    say_sized("reservation", map(PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1), SIZE);
    say_sized("jit_code", map(writable | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1), SIZE);
    say_sized("anonymous", map(writable, MAP_PRIVATE | MAP_ANONYMOUS, -1), SIZE);
    say_sized("shared_anonymous", map(writable, MAP_SHARED | MAP_ANONYMOUS, -1), SIZE);
    /* As Rust's runtime makes stacks for signal handlers: a page without rights, and a few above. */
    char *signal = mmap(NULL, 6 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (signal == MAP_FAILED || mprotect(signal + 4096, 4 * 4096, writable)) return 1;
    say_sized("signal_stack", signal + 4096, 4 * 4096);
    /* Between the two, so that neither joins another. */
    say_sized("shared_anonymous", map(PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1), SIZE);
    char *block = malloc(1 << 20);
    say_sized("malloc_block", block - 16, malloc_usable_size(block) + 16);

    int memory = memfd_create("a memory file", 0);
    char name[] = "kinds-XXXXXX";
    int scratch = mkstemp(name);
    if (ftruncate(memory, SIZE) || ftruncate(scratch, SIZE) || unlink(name)) return 1;
    say_sized("memory_file", map(writable, MAP_SHARED, memory), SIZE);
    say_sized("private_file", map(PROT_READ, MAP_PRIVATE, scratch), SIZE);
    say_sized("shared_file", map(writable, MAP_SHARED, scratch), SIZE);

    int id = shmget(IPC_PRIVATE, SIZE, IPC_CREAT | 0600);
    char *segment = shmat(id, NULL, 0);
    shmctl(id, IPC_RMID, NULL);
    segment[0] = 1;
    say_sized("sysv_shm", segment, SIZE);
    /* A ring of io_uring, where it is permitted. */
    struct { unsigned char bytes[120]; } parameters = {0};
    int ring = syscall(425, 8, &parameters);
    void *queue = ring < 0 ? MAP_FAILED : mmap(NULL, 4096, writable, MAP_SHARED | MAP_POPULATE, ring, 0);
    if (queue != MAP_FAILED) say_sized("device", queue, 4096);

    pthread_t other;
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_create(&other, NULL, thread, NULL);
    pthread_barrier_wait(&barrier);
    fflush(stdout);
    char byte;
    return read(0, &byte, 1) < 0;
}
