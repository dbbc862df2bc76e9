// by_id.h - a pool's elements in the order of their ids: finds one by its id, and the next after any id.
//
// Ids are mostly given out ascending and end in any order, so what is kept is a list of runs of ids, each at most
// BY_ID_RUN long: finding is two searches by halves, going on is one step, and an element costs 8 to 9 bytes as long as
// few ids in between have ended, at most 17 however many.

#ifndef DESK_BY_ID_H
#define DESK_BY_ID_H

#include "proto/base/pool.h"

#define BY_ID_RUN 256u

struct by_id_run;

// Empty and ready once `pool` is set and the rest is zero.
struct by_id {
    const struct pool *pool; // borrowed
    struct by_id_run *runs;  // in the order of their ids
    size_t run_count;
    size_t run_capacity;
    size_t count;
};

void by_id_fini(struct by_id *by_id);

// The element of this id, or NULL.
void *by_id_find(const struct by_id *by_id, uint64_t id);

// The element with the smallest id that is larger than `after`, or NULL.  Elements may come and go between two calls.
void *by_id_next(const struct by_id *by_id, uint64_t after, uint64_t *id);

// Asserts: no element has this id.
void by_id_put(struct by_id *by_id, uint64_t id, uint32_t number);

// Asserts: an element has this id.
void by_id_remove(struct by_id *by_id, uint64_t id);

// Stops the program if the order is broken.
void by_id_check(const struct by_id *by_id);

#endif
