// outlet.h - a connector that takes replies out: it says of each at once that it is published.

#ifndef TESTS_BENCH_OUTLET_H
#define TESTS_BENCH_OUTLET_H

#include "tests/bench/crew.h"

struct outlet {
    uint64_t closed; // items: it was told that its word about their reply is on disk
};

// Joins the crew.  False when it cannot.
bool outlet_init(struct outlet *outlet, struct crew *crew, const char *endpoint);

#endif
