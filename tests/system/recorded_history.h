// recorded_history.h - what a broker wrote in the simulation, batch by batch, to be written again elsewhere.

#ifndef TESTS_RECORDED_HISTORY_H
#define TESTS_RECORDED_HISTORY_H

#include "broker/store/engine.h"

#include <sqlite3.h>

#define RECORDED_DESK "sim" // whose history it is

// Of a broker of this seed, from an empty desk on; at most that many batches.
struct recorded_history;
struct recorded_history *recorded_history_new(uint64_t seed, size_t batches_max);
void recorded_history_destroy(struct recorded_history **history_p);
size_t recorded_history_count(const struct recorded_history *history);

// How many batches lead to this sequence; false when it lies between two.
bool recorded_history_place(const struct recorded_history *history, uint64_t sequence, size_t *place);

// Batch number `place`, counted from 0, for a desk that is at this epoch.
struct batch *recorded_history_batch(const struct recorded_history *history, size_t place, uint64_t epoch);

// Whether a broker reads the desk back and finds no contradiction.
bool recorded_history_read_back(struct engine *engine, const struct store_position *position, char *reason,
                                size_t reason_bytes);

// What is in the tables of SQLite after that many batches, as one number, and what is in those of a store.  0 stands
// for tables that cannot be read.
uint64_t recorded_history_sum(const struct recorded_history *history, size_t place);
uint64_t recorded_history_sum_of(sqlite3 *connection);

#endif
