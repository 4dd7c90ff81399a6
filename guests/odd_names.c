/* Maps files whose names hold blanks, a newline, a backslash, " (deleted)", quotes and bytes that are no UTF-8. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int main(void) {
    static const char *names[] = {"two  words", "line\nbreak", "back\\012slash", "gone (deleted)", "\"<b>&", "\xff\xfe"};
    char folder[] = "/tmp/vmatlas-guest-XXXXXX";
    if (!mkdtemp(folder) || chdir(folder)) return 1;
    for (int i = 0; i < 6; i++) {
        int fd = open(names[i], O_RDWR | O_CREAT, 0600);
        if (fd < 0 || ftruncate(fd, 4096)) return 1;
        if (mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED) return 1;
        close(fd);
    }
    for (int i = 0; i < 6; i++) unlink(names[i]);
    puts("6 names");
    return rmdir(folder);
}
