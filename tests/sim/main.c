// simulation [--verbose] [FIRST [COUNT]] - runs seeds; a failing one stops the program and names itself.

#include "tests/sim/simulation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    bool verbose = argc > 1 && !strcmp(argv[1], "--verbose");
    if (verbose) {
        setvbuf(stdout, NULL, _IOLBF, 0); // an abort must not swallow the last lines
        argc--;
        argv++;
    }
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    if (argc > 3 || !first || !count) {
        fprintf(stderr, "usage: simulation [--verbose] [FIRST-SEED [COUNT]]\n");
        return 2;
    }
    for (uint64_t seed = first; seed < first + count; seed++)
        simulation_run(seed, verbose);
    printf("%llu seeds from %llu passed\n", (unsigned long long) count, (unsigned long long) first);
    return 0;
}
