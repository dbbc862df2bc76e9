// row_reader_parts.h - what a row_reader is made of, for the files that read its rows: CSV, JSON, and names of columns.

#ifndef CTL_ROW_READER_PARTS_H
#define CTL_ROW_READER_PARTS_H

#include "worker/ctl/cell_texts.h"
#include "worker/ctl/row_input.h"
#include "worker/ctl/row_reader.h"

#include <csv.h>
#include <jansson.h>

// On the way from an object's first brace to its last.
struct json_walk {
    size_t depth;
    bool in_text, escaped;
};

struct row_reader {
    char *name;
    enum row_format format;
    char delimiter;

    struct row_input input;
    bool discarding;   // the rest of a row that was given up, to its line's end
    bool after_return; // the last row ended with CR; a LF may follow
    uint64_t rows;

    struct csv_parser parser;
    bool blanks_aside; // the header has blanks behind its delimiters: they are no part of cells
    bool parser_ready;
    bool row_ended; // libcsv says so
    struct cell_texts texts;

    char **columns; // of CSV the header; of NDJSON those asked for
    size_t column_count;
    json_t *seen;          // NDJSON: keys of the first rows
    bool list;             // objects over several lines
    bool lost;             // in a list: after an object that could not be read, until the next begins
    struct json_walk walk; // in a list: up to `scan`
    struct row_cell cells[ROW_COLUMNS_MAX];
    struct row row;
};

// A row begins at the input's `begin`.
void row_reader_begin_row(struct row_reader *reader);

// The texts become the row's cells.
void row_reader_take_texts(struct row_reader *reader);

// The row that begins at `begin` cannot be read: gives up its first line.
enum row_result row_reader_give_up_line(struct row_reader *reader, const char *reason);

// CSV: reads the header, and makes the parser ready for the rows behind it; the next row; forgets what was parsed of
// one.
bool row_csv_open(struct row_reader *reader, char *fault);
enum row_result row_csv_next(struct row_reader *reader);
void row_csv_reset(struct row_reader *reader);

// JSON: whether objects take several lines; looks through the rows that were read, without taking them; the next row.
bool row_json_is_list(const struct row_reader *reader);
void row_json_look_ahead(struct row_reader *reader);
enum row_result row_json_next(struct row_reader *reader);

#endif
