// raw.h - what the machine gives without a broker: the rows that a broker wrote, written again bare, a bare round trip
// over ZeroMQ, and what it takes to have one small thing on disk.
//
// Bare rows: the desk's rows of its first posts (of the case cycle: of its first closed items) are read back from the
// stopped broker's store and put, with the broker's own schema and settings, into tables of the bench's own, the rows
// of a number of posts a transaction, again and again: under another desk each time round, or (SQLite, where a file has
// one) after the tables were emptied, which does not count.  SQLite: prepared statements in WAL with synchronous =
// FULL, checkpoints in between included.  PostgreSQL: arrays through unnest, several transactions in flight in libpq's
// pipeline mode.

#ifndef TESTS_BENCH_RAW_H
#define TESTS_BENCH_RAW_H

#include "tests/bench/bench.h"
#include "tests/bench/own_broker.h"

#define RAW_POSTS_MAX 10000 // read back at most
#define RAW_POSTS_A_COMMIT 256
#define RAW_IN_FLIGHT 4 // transactions, PostgreSQL
#define RAW_ZMQ_BYTES 300
#define RAW_APPEND_BYTES 4096

struct raw_result {
    uint64_t posts, rows;
    double seconds;
};

// The tables that taking a post in and closing its item write, in that order; each has the columns desk and item.
struct raw_table {
    const char *name;
    const char *order;
};
#define RAW_TABLE_COUNT 6
extern const struct raw_table raw_tables[RAW_TABLE_COUNT];

// Where the rows of a batch lie among those of a table that has `rows` of them for `posts` posts.
size_t raw_batch_begin(size_t rows, size_t posts, size_t batch);

// Writes the rows of a broker that was stopped, for about `seconds`; `closed`: only those of closed items.  False,
// having said why, if that fails.
bool raw_rows_sqlite(const struct own_broker *broker, bool closed, double seconds, struct raw_result *result);
bool raw_rows_postgres(const struct own_broker *broker, bool closed, double seconds, struct raw_result *result);

// Does so and prints the line of a case: its rate of posts, or of closed items, beside the raw one.
bool raw_report(const struct own_broker *broker, bool closed, double seconds, double posts_per_s);

// Removes a desk's rows from a PostgreSQL.
void raw_remove_desk(const char *url, const char *desk);

// DEALER to ROUTER and back between two processes.  To be called while this process has no other thread.
bool raw_round_trips(double seconds, struct samples *samples);

// One append to a file in the folder and its fdatasync, again and again; likewise one commit of one row into a table of
// the bench's own in a PostgreSQL, which is dropped again.  False, having said why, if that fails.
bool raw_appends(const char *folder, double seconds, struct samples *samples);
bool raw_commits(const char *url, double seconds, struct samples *samples);

#endif
