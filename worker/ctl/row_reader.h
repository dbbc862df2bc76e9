// row_reader.h - the rows of a CSV or JSON input, each with the line on which it begins.
//
// CSV is taken as spreadsheets write it: a first line `sep=;`, empty rows, empty cells beyond the header, a quote
// inside a cell.  JSON is one object a line, or a list of objects over as many lines as it likes.
//
// Reads a file, a pipe or a terminal without ever blocking by itself: the caller asks for a row, is told
// when there are not enough bytes for one, waits for the descriptor as it likes, and has more read.  A row
// that cannot be read (quotes that do not match, too few columns, no JSON) is a row with a fault; reading
// goes on after it, and a quote left open costs one line, not the rest of the file.
//
// What the columns mean is feed_map's business.

#ifndef CTL_ROW_READER_H
#define CTL_ROW_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A row with all its columns is at most this long: a post's text (32 kB) and ample room for columns that
// nobody maps.  What is longer has a quote left open, and is given up.
#define ROW_BYTES_MAX ((size_t) 1024 * 1024)
#define ROW_COLUMNS_MAX 1024
#define ROW_FAULT_BYTES 1024

enum row_format {
    ROW_FORMAT_GUESS, // by the name's ending, else by the first byte
    ROW_FORMAT_CSV,   // RFC 4180 with a header line
    ROW_FORMAT_NDJSON // one JSON object a line, or a list of them
};

struct row_cell {
    const char *text; // ends with NUL; NULL when absent.  UTF-8 without NULs, unless the whole input is not UTF-8
    size_t bytes;
    bool real;      // of NDJSON: it was a number with a point or an exponent
    bool structure; // of NDJSON: it was a list or an object, and is absent
};

// One row; belongs to the reader and is valid until its next call.
struct row {
    uint64_t number;              // from 1; header and blank lines are not counted, rows of empty cells are
    uint64_t line;                // on which it begins, from 1
    char fault[ROW_FAULT_BYTES];  // why it cannot be used, or ""; then there are no cells
    const struct row_cell *cells; // by column
    size_t cell_count;
    bool characters; // broken characters became U+FFFD
};

enum row_result {
    ROW_READY, // there is a row
    ROW_MORE,  // wait for the descriptor, call row_reader_fill, ask again
    ROW_END    // there are no more rows
};

struct row_reader;

// Makes a reader of `descriptor`, which stays the caller's.  `name` is the file's, for guessing its format.
// `delimiter` separates the columns of CSV; 0 guesses comma, semicolon or tab from the header line.
struct row_reader *row_reader_new(int descriptor, const char *name, enum row_format format, char delimiter);
void row_reader_destroy(struct row_reader **reader_p);

// Reads as far as needed to know the columns; waits for input.  False with `fault` (ROW_FAULT_BYTES) filled
// in if the input cannot be read or has no rows that anybody could map.
bool row_reader_open(struct row_reader *reader, char *fault);

enum row_format row_reader_format(const struct row_reader *reader);

// The number by which cells of this column are found in every row, or -1 if there is no such column.  Of
// NDJSON a column is a key, or keys joined by dots ("user.name") for objects in objects, and any name has a
// number, as keys may come and go from row to row.
int row_reader_column(struct row_reader *reader, const char *name);

// The column's name as the input has it, for a name that may differ in capitals, in blanks around it, and in having
// blanks or hyphens where the other has underscores.  NULL when none was seen, or several; lives as long as the reader.
const char *row_reader_named(const struct row_reader *reader, const char *name);

// Whether the column was seen: in the header, or in the first rows of NDJSON.
bool row_reader_saw(const struct row_reader *reader, const char *name);

// The columns seen, joined by ", "; cut with "..." if they do not fit.
void row_reader_describe(const struct row_reader *reader, char *text, size_t text_bytes);

enum row_result row_reader_next(struct row_reader *reader, const struct row **row);

// Reads once from the descriptor.  False with `fault` filled in when reading failed.
bool row_reader_fill(struct row_reader *reader, char *fault);

// Rows so far, also those of empty cells that were not given out.
uint64_t row_reader_rows(const struct row_reader *reader);

// Bytes of input that the rows given out so far took.
uint64_t row_reader_bytes(const struct row_reader *reader);

#endif
