/* Reads a password from its terminal with echo off, as login and sudo do. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(void) {
    char *word = getpass("password: ");
    if (!word) return 1;
    printf("%zu letters\n", strlen(word));
    return 0;
}
