// simulation [--verbose] [--trace] [FIRST [COUNT]] - runs seeds; a failing one stops the program and names itself.
// simulation_holes [HOLE [FIRST [COUNT]]] - the same with a hole in the broker; without one it lists those there are.

#include "tests/sim/holes.h"
#include "tests/sim/simulation.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char last_words[64];

// The broker's own broken promises, and worse, do not know the seed.
static void tell_seed(int signal)
{
    (void) !write(STDERR_FILENO, last_words, strlen(last_words));
    raise(signal);
}

static void tell_counts(const struct sim_counts *counts)
{
    printf(
        "posts that joined an item that waits %zu, is offered %zu, held %zu, parked %zu; %zu of them took it to PR\n",
        counts->merges[0], counts->merges[1], counts->merges[2], counts->merges[3], counts->sealing);
    printf("follow-ups of what is being answered %zu, of what has ended %zu; replies taken back for PR %zu\n",
           counts->follow_ups_sending, counts->follow_ups_ended, counts->taken_back);
    printf("groups of a journal %zu, applied in %zu transactions, of which %zu were broken off; times behind %zu\n",
           counts->groups_applied, counts->applies, counts->apply_crashes, counts->times_behind);
    printf("desks handed over %zu, taken from who went on serving %zu; fenced %zu, refused a write %zu, back in time "
           "%zu\n",
           counts->handed_over, counts->taken_over, counts->fenced, counts->refused, counts->lapses);
}

int main(int argc, char **argv)
{
#ifdef SIM_HOLES
    if (argc < 2) {
        holes_list(stdout);
        return 0;
    }
    if (!hole_open(argv[1])) {
        fprintf(stderr, "there is no hole %s\n", argv[1]);
        return 2;
    }
    argc--;
    argv++;
#endif
    bool verbose = false, traced = false;
    for (; argc > 1 && (!strcmp(argv[1], "--verbose") || !strcmp(argv[1], "--trace")); argc--, argv++) {
        verbose = verbose || !strcmp(argv[1], "--verbose");
        traced = traced || !strcmp(argv[1], "--trace");
        setvbuf(stdout, NULL, _IOLBF, 0); // an abort must not swallow the last lines
    }
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    if (argc > 3 || !first || !count) {
        fprintf(stderr, "usage: simulation [--verbose] [--trace] [FIRST-SEED [COUNT]]\n");
        return 2;
    }
    struct sim_counts counts = { 0 };
    const struct sigaction telling = { .sa_handler = tell_seed, .sa_flags = (int) SA_RESETHAND };
    sigaction(SIGABRT, &telling, NULL);
    sigaction(SIGSEGV, &telling, NULL);
    for (uint64_t seed = first; seed < first + count; seed++) {
        snprintf(last_words, sizeof last_words, "SEED=%llu stopped it\n", (unsigned long long) seed);
        simulation_run(seed, verbose, traced, &counts);
    }
    tell_counts(&counts);
    printf("%llu seeds from %llu passed\n", (unsigned long long) count, (unsigned long long) first);
    return 0;
}
