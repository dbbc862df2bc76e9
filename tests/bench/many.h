// many.h - a store with very many open items, made of the rows that a broker wrote of some posts, copied in the store
// itself with other ids and keys; and how fast the rows of open items can be read with nothing done with them.

#ifndef TESTS_BENCH_MANY_H
#define TESTS_BENCH_MANY_H

#include "tests/bench/own_broker.h"

// A table of which every post makes rows, and the columns that differ from copy to copy, as SQL that both databases
// know: $1 is the copy's number, $2 how far the ids of items, $3 how far sequences lie apart from copy to copy.
#define MANY_COLUMNS_MAX 6
#define MANY_TABLE_COUNT 4
struct many_table {
    const char *name;
    struct {
        const char *column, *value;
    } differs[MANY_COLUMNS_MAX];
};
extern const struct many_table many_tables[MANY_TABLE_COUNT];

// What stands for a column of a copied row: the column itself, or what differs.
const char *many_value(const struct many_table *table, const char *column);

// Copies all that a stopped broker's desk has, a number of times.  False, having said why, if that fails.
bool many_copy_sqlite(const struct own_broker *broker, uint64_t copies);
bool many_copy_postgres(const struct own_broker *broker, uint64_t copies);

// Reads the open items and the intake keys of a stopped broker's desk.
struct many_read {
    uint64_t rows;
    double seconds;
};
bool many_read_sqlite(const struct own_broker *broker, struct many_read *read);
bool many_read_postgres(const struct own_broker *broker, struct many_read *read);

#endif
