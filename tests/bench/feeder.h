// feeder.h - a connector that brings posts in: 280 bytes of English each, another author each, never the same twice.

#ifndef TESTS_BENCH_FEEDER_H
#define TESTS_BENCH_FEEDER_H

#include "tests/bench/bench.h"
#include "tests/bench/crew.h"

struct feeder {
    struct member *member;
    uint64_t *sent_ns; // of each post, by its number; a feeder has room for `room` of them
    int64_t *requests; // their ids, ascending
    uint64_t room, sent, answered;
    uint64_t before;      // all posts before this one are answered
    struct samples taken; // from sending a post to its TAKEN
};

// Joins the crew.  False when it cannot.
bool feeder_init(struct feeder *feeder, struct crew *crew, const char *endpoint);

// The same at one of several desks.
bool feeder_init_at(struct feeder *feeder, struct crew *crew, const char *endpoint, const char *desk);
void feeder_fini(struct feeder *feeder);

// Sends the next post.  Its id on the platform ends with its number.
void feeder_post(struct feeder *feeder);

// The number of a post, from its id on the platform.
uint64_t feeder_number(const char *post);

#endif
