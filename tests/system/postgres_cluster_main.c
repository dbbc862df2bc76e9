// postgres_cluster_main.c - postgres-cluster: a private server for tests that are not written in C.
//
// Says where it is, for Behalf and for a superuser, a line each, and runs it until its standard input is closed.

#include "tests/system/postgres_cluster.h"

#include <stdio.h>
#include <unistd.h>

int main(void)
{
    char byte;

    if (!postgres_cluster_possible()) {
        return 77;
    }
    struct postgres_cluster *cluster = postgres_cluster_new();
    printf("%s\n%s\n", postgres_cluster_url(cluster), postgres_cluster_administrator(cluster));
    (void) fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    postgres_cluster_destroy(&cluster);
    return 0;
}
