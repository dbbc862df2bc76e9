// rows.h - rows on their way to a statement as PostgreSQL's binary arrays: one array of rows, or one a column.
//
// A statement writes all rows of a table at once: unnest makes them rows again.  An array of rows is of a type that the
// schema has for them, and is unnested at a tenth of the cost.  Texts are bounded by the group's
// size; what is not UTF-8 (the server would refuse it, and with it all that is written beside) is written as '?'.

#ifndef STORE_POSTGRES_ROWS_H
#define STORE_POSTGRES_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROWS_COLUMNS_MAX 37

struct array {
    unsigned char *bytes; // header and elements, in network order
    size_t length;
    size_t room;
};

// Zeroed, it is empty and ready for an array a column; with `whole` set, for one array of rows.
struct rows {
    bool whole;       // all is in the first column
    size_t row_begin; // whole: where the row being added begins
    struct array columns[ROWS_COLUMNS_MAX];
    size_t width; // columns that any row has
    size_t at;    // the next column of the row being added
    uint32_t count;
};

// The next column of the row.
void rows_text(struct rows *rows, const char *text);
bool rows_is_clean(const char *text); // UTF-8 as PostgreSQL takes it: it is added as it is
void rows_number(struct rows *rows, int64_t number);
void rows_id(struct rows *rows, uint64_t id);
void rows_flag(struct rows *rows, bool flag);
void rows_bytes(struct rows *rows, const void *bytes, size_t count); // as they are

// The row is complete.  Asserts: it has as many columns as the rows before.
void rows_end(struct rows *rows);

// No rows any more; keeps the memory for the next ones, unless it was much.
void rows_clear(struct rows *rows);
void rows_fini(struct rows *rows);

// What a statement is given beside the desk, which is always the first.
#define PARAMETERS_MAX (ROWS_COLUMNS_MAX + 1)

struct parameters {
    int count;
    const char *values[PARAMETERS_MAX];
    int lengths[PARAMETERS_MAX];
    unsigned char numbers[PARAMETERS_MAX][8];
};

// Values are borrowed until the statement is sent.
void parameters_text(struct parameters *parameters, const char *text);
void parameters_number(struct parameters *parameters, int64_t number);
void parameters_flag(struct parameters *parameters, bool flag);
void parameters_rows(struct parameters *parameters, struct rows *rows);

// The same for whole rows, of the type with this object id.
void parameters_whole_rows(struct parameters *parameters, struct rows *rows, uint32_t type);

#endif
