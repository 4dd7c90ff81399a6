/* Becomes an ordinary user for good and goes on mapping memory. */
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(void) {
    if (geteuid() == 0 && (setgroups(0, NULL) || setgid(65534) || setuid(65534))) return 1;
    for (int i = 0; i < 20; i++) memset(malloc(1 << 20), 1, 1 << 20);
    printf("root: %s\n", geteuid() == 0 ? "yes" : "no");
    return 0;
}
