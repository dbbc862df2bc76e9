// output.h - how the commands of behalf-ctl show things: tables, times, CSV.
//
// What goes to a person's terminal goes through visible_text; CSV and JSON are for programs and carry what
// was written unaltered.

#ifndef CTL_OUTPUT_H
#define CTL_OUTPUT_H

#include <behalf/message.h>

#include <jansson.h>
#include <stdio.h>

#define OUTPUT_TIME_BYTES 64

struct output_column {
    const char *name;
    bool right; // numbers
    bool cut;   // may be cut when the terminal is narrow
};

struct output_table;

// Makes a table of `count` columns; `visible` are options for visible_text.
struct output_table *output_table_new(const struct output_column *columns, size_t count, unsigned visible);
void output_table_destroy(struct output_table **table_p);

// Adds a row of as many cells as there are columns; NULL is empty.
void output_table_row(struct output_table *table, const char *const *cells);

// Prints it to standard output, as wide as the terminal; in full where standard output is none.
void output_table_print(struct output_table *table);

// "2026-11-22 01:39:27" in local time, "" for 0.  Returns `text`.
const char *output_time(char *text, int64_t at_ms);

// "2026-11-22T01:39:27.123Z", "" for 0.  Returns `text`.
const char *output_time_utc(char *text, int64_t at_ms);

// "45 s", "12 min", "3 h 05 min", "2 d 4 h".  Returns `text`.
const char *output_duration(char *text, int64_t duration_ms);

// The decimal number, "" for 0 when `blank_zero`.  Returns `text`.
const char *output_number(char *text, int64_t number, bool blank_zero);

// Writes one field of CSV, quoted where RFC 4180 wants it, with a comma before it unless it is the first.
void output_csv_field(FILE *out, const char *text, bool first);

// A text made visible, printed; with a newline inside shown as a mark.
void output_visible(FILE *out, const char *text, unsigned visible);

// Prints a value of JSON on one line, and lets go of it.
void output_json(FILE *out, json_t *value);

#endif
