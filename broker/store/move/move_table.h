// move_table.h - what a desk consists of, table by table: the columns that both engines keep, and their keys.
//
// The one list from which both sides of a move make their statements, and both digests.  The desk's own row is not
// in it: it is written first and last, by hand.

#ifndef MOVE_TABLE_H
#define MOVE_TABLE_H

#include <stddef.h>

enum move_type {
    MOVE_NUMBER,
    MOVE_FLAG,
    MOVE_TEXT,
    MOVE_TEXT_OR_NULL,
};

struct move_column {
    const char *name;
    enum move_type type;
    // What SQLite, which keeps no such column, makes it of; NULL: it keeps it.  Such a column is carried to
    // PostgreSQL and not back, and is no part of the digest.
    const char *sqlite;
};

struct move_table {
    const char *name;   // in words, and in PostgreSQL
    const char *sqlite; // in SQLite
    int keys;           // columns at the head that are the key behind the desk, the order of rows
    int column_count;
    const struct move_column *columns;
    int page_rows;              // at a time: few enough that memory is bounded whatever texts they have
    int month;                  // the column by whose month PostgreSQL cuts the table, or -1
    const char *postgres_order; // the key as PostgreSQL must sort it to sort by bytes, or NULL: as it is
};

#define MOVE_KEYS_MAX 3
#define MOVE_COLUMNS_MAX 36

extern const struct move_table move_tables[];
extern const size_t move_table_count;

#endif
