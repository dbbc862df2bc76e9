// row_reader.c - a reader from its opening to its last row: which format, and a row given up in either.
//
// What the bytes mean is read by row_csv.c and row_json.c, which share what row_reader_parts.h has.

#include "worker/ctl/row_reader.h"

#include "proto/base/must.h"
#include "worker/ctl/row_reader_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct row_reader *row_reader_new(int descriptor, const char *name, enum row_format format, char delimiter)
{
    struct row_reader *self = calloc(1, sizeof *self);
    must(self);
    self->input.descriptor = descriptor;
    self->name = strdup(name);
    must(self->name);
    self->format = format;
    self->delimiter = delimiter;
    self->input.line = 1;
    self->seen = json_object();
    must(self->seen);
    return self;
}

void row_reader_destroy(struct row_reader **reader_p)
{
    struct row_reader *self = *reader_p;
    if (self == NULL) {
        return;
    }
    if (self->parser_ready) {
        csv_free(&self->parser);
    }
    for (size_t i = 0; i < self->column_count; i++) {
        free(self->columns[i]);
    }
    free(self->columns);
    free(self->texts.text);
    free(self->input.data);
    free(self->name);
    json_decref(self->seen);
    free(self);
    *reader_p = NULL;
}

bool row_reader_fill(struct row_reader *self, char *fault)
{
    return row_input_fill(&self->input, fault);
}

// ---- rows ----

void row_reader_begin_row(struct row_reader *self)
{
    self->row = (struct row){ .number = ++self->rows, .line = self->input.line, .cells = self->cells };
}

void row_reader_take_texts(struct row_reader *self)
{
    for (size_t i = 0; i < self->texts.count; i++) {
        self->cells[i].text = self->texts.absent[i] ? NULL : self->texts.text + self->texts.begins[i];
        self->cells[i].bytes = self->texts.lengths[i];
        self->cells[i].real = self->texts.real[i];
        self->cells[i].structure = self->texts.structure[i];
    }
    self->row.cell_count = self->texts.count;
}

enum row_result row_reader_give_up_line(struct row_reader *self, const char *reason)
{
    row_reader_begin_row(self);
    snprintf(self->row.fault, sizeof self->row.fault, "%s", reason);
    const char *line_end = self->input.end > self->input.begin
                               ? memchr(self->input.data + self->input.begin, '\n', self->input.end - self->input.begin)
                               : NULL;
    if (line_end != NULL) {
        self->input.line++;
        row_input_advance(&self->input, (size_t) (line_end - self->input.data) + 1);
    } else {
        self->discarding = !self->input.at_eof;
        row_input_advance(&self->input, self->input.end);
    }
    if (self->format == ROW_FORMAT_CSV) {
        row_csv_reset(self);
    }
    return ROW_READY;
}

// Throws away the rest of a line that was given up.  True when its end was found.
static bool row_reader_discard(struct row_reader *self)
{
    const char *line_end = self->input.end > self->input.begin
                               ? memchr(self->input.data + self->input.begin, '\n', self->input.end - self->input.begin)
                               : NULL;
    if (line_end != NULL) {
        self->input.line++;
        self->discarding = false;
        row_input_advance(&self->input, (size_t) (line_end - self->input.data) + 1);
        return true;
    }
    row_input_advance(&self->input, self->input.end);
    return false;
}

enum row_result row_reader_next(struct row_reader *self, const struct row **row)
{
    *row = &self->row;
    if (self->discarding && !row_reader_discard(self)) {
        return self->input.at_eof ? ROW_END : ROW_MORE;
    }
    return self->format == ROW_FORMAT_CSV ? row_csv_next(self) : row_json_next(self);
}

// ---- opening ----

static bool row_reader_ends_with(const char *text, const char *ending)
{
    size_t length = strlen(text), ending_length = strlen(ending);
    return length >= ending_length && strcasecmp(text + length - ending_length, ending) == 0;
}

static enum row_format row_reader_guess_format(const struct row_reader *self)
{
    static const char *const json_endings[] = { ".ndjson", ".jsonl", ".json" };
    for (size_t i = 0; i < sizeof json_endings / sizeof *json_endings; i++) {
        if (row_reader_ends_with(self->name, json_endings[i])) {
            return ROW_FORMAT_NDJSON;
        }
    }
    if (row_reader_ends_with(self->name, ".csv") || row_reader_ends_with(self->name, ".tsv")) {
        return ROW_FORMAT_CSV;
    }
    for (size_t i = self->input.begin; i < self->input.end; i++) {
        if (strchr(" \t\r\n", self->input.data[i]) == NULL) {
            return self->input.data[i] == '{' || self->input.data[i] == '[' ? ROW_FORMAT_NDJSON : ROW_FORMAT_CSV;
        }
    }
    return ROW_FORMAT_CSV;
}

static bool row_reader_check_byte_order_mark(struct row_reader *self, char *fault)
{
    const unsigned char *bytes = (const unsigned char *) self->input.data + self->input.begin;
    size_t length = self->input.end - self->input.begin;
    if (length >= 3 && bytes[0] == 0xef && bytes[1] == 0xbb && bytes[2] == 0xbf) {
        row_input_advance(&self->input, self->input.begin + 3);
    } else if (length >= 2 && ((bytes[0] == 0xff && bytes[1] == 0xfe) || (bytes[0] == 0xfe && bytes[1] == 0xff))) {
        snprintf(fault, ROW_FAULT_BYTES, "is UTF-16; make it UTF-8 first (iconv -f UTF-16 -t UTF-8)");
        return false;
    }
    return true;
}

// A whole line that is not blank, so that delimiter, format and keys can be seen.
static bool row_reader_has_line(const struct row_reader *self)
{
    size_t begin = 0;
    while (begin < self->input.end && strchr(" \t\r\n", self->input.data[begin]) != NULL) {
        begin++;
    }
    return begin < self->input.end && memchr(self->input.data + begin, '\n', self->input.end - begin) != NULL;
}

bool row_reader_open(struct row_reader *self, char *fault)
{
    while (!self->input.at_eof && self->input.end <= ROW_BYTES_MAX && !row_reader_has_line(self)) {
        if (!row_reader_fill(self, fault)) {
            return false;
        }
    }
    if (!row_reader_check_byte_order_mark(self, fault)) {
        return false;
    }
    if (self->format == ROW_FORMAT_GUESS) {
        self->format = row_reader_guess_format(self);
    }
    row_input_tally_to(&self->input, self->input.end);
    if (self->format == ROW_FORMAT_CSV) {
        return row_csv_open(self, fault);
    }
    self->list = row_json_is_list(self);
    for (;;) {
        row_json_look_ahead(self);
        if (json_object_size(self->seen)) {
            return true;
        }
        if (!self->list || self->input.at_eof || self->input.end - self->input.begin > ROW_BYTES_MAX) {
            break;
        }
        if (!row_reader_fill(self, fault)) {
            return false;
        }
    }
    bool empty = row_text_is_blank(self->input.data + self->input.begin, self->input.end - self->input.begin);
    snprintf(fault, ROW_FAULT_BYTES, "%s",
             empty ? "is empty" : "has no JSON object in its first rows, one a line; is it CSV? (--format csv)");
    return false;
}

enum row_format row_reader_format(const struct row_reader *self)
{
    return self->format;
}

uint64_t row_reader_rows(const struct row_reader *self)
{
    return self->rows;
}

uint64_t row_reader_bytes(const struct row_reader *self)
{
    return self->input.consumed;
}
