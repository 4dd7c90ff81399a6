/* A System V segment attached twice, in parent and child; what one writes the other reads. */
#include <stdio.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    int id = shmget(IPC_PRIVATE, 1 << 20, IPC_CREAT | 0600);
    if (id < 0) return 1;
    char *here = shmat(id, NULL, 0);
    char *again = shmat(id, NULL, SHM_RDONLY);
    shmctl(id, IPC_RMID, NULL);
    if (fork() == 0) {
        here[5] = 42;
        shmdt(here);
        _exit(0);
    }
    wait(NULL);
    printf("%d\n", again[5]);
    shmdt(here);
    return again[5] == 42 ? 0 : 1;
}
