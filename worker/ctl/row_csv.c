// row_csv.c - libcsv, line by line.
//
// At most one row ends with each call then, and lines can be counted, which libcsv does not do.  When it finds a quote
// where none may be, or a row grows past all bounds, only the first line of what was taken for the row is given up and
// the rest of the buffer is read again.

#include "worker/ctl/row_reader_parts.h"

#include "proto/base/must.h"
#include "proto/mended_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// libcsv takes blanks around fields away unless told that nothing is one.
static int row_csv_no_space(unsigned char character)
{
    (void) character;
    return 0;
}

static int row_csv_only_blank(unsigned char character)
{
    return character == ' ';
}

void row_csv_reset(struct row_reader *self)
{
    if (self->parser_ready) {
        csv_free(&self->parser);
    }
    must(csv_init(&self->parser, CSV_STRICT | CSV_STRICT_FINI) == 0);
    csv_set_space_func(&self->parser, self->blanks_aside ? row_csv_only_blank : row_csv_no_space);
    csv_set_blk_size(&self->parser, 16 * 1024); // it grows by this, and copies each time
    csv_set_delim(&self->parser, (unsigned char) self->delimiter);
    self->parser_ready = true;
    self->row_ended = false;
    cell_texts_clear(&self->texts);
}

static void row_csv_on_field(void *bytes, size_t length, void *context)
{
    struct row_reader *self = context;
    cell_texts_add(&self->texts, bytes, length, false);
}

static void row_csv_on_row(int ended_by, void *context)
{
    (void) ended_by;
    struct row_reader *self = context;
    self->row_ended = true;
}

// ---- rows ----

// Mends broken characters of the cells where the input is UTF-8 otherwise.
static void row_csv_mend_cells(struct row_reader *self)
{
    struct cell_texts *texts = &self->texts;
    size_t count = texts->count;
    row_input_tally_to(&self->input, self->input.scan);
    for (size_t i = 0; i < count && encoding_tally_is_utf8(&self->input.tally); i++) {
        size_t bytes;
        char *mended = mended_characters(texts->text + texts->begins[i], texts->lengths[i], &bytes);
        if (mended == NULL) {
            continue;
        }
        texts->count = i; // in its place, with text at the end of the others
        cell_texts_add(texts, mended, bytes, false);
        texts->count = count;
        free(mended);
        self->row.characters = true;
    }
}

// libcsv has ended a row at `scan`.
static enum row_result row_csv_row(struct row_reader *self)
{
    row_reader_begin_row(self);
    if (self->columns != NULL && self->texts.count > self->column_count &&
        cell_texts_are_empty(&self->texts, self->column_count)) {
        self->texts.count = self->column_count; // commas at the end of every line
        self->texts.too_many = false;
    }
    if (!self->texts.too_many) {
        row_csv_mend_cells(self);
    }
    if (self->texts.too_many) {
        snprintf(self->row.fault, sizeof self->row.fault, "has more than %d columns", ROW_COLUMNS_MAX);
    } else if (self->columns != NULL && self->texts.count != self->column_count) {
        snprintf(self->row.fault, sizeof self->row.fault, "has %zu column%s, the header has %zu", self->texts.count,
                 self->texts.count == 1 ? "" : "s", self->column_count);
    } else {
        row_reader_take_texts(self);
    }
    self->input.line +=
        row_input_count_lines(self->input.data + self->input.begin, self->input.scan - self->input.begin);
    self->after_return = self->input.scan > self->input.begin && self->input.data[self->input.scan - 1] == '\r';
    row_input_advance(&self->input, self->input.scan);
    self->row_ended = false;
    cell_texts_clear(&self->texts); // cells point into its memory, which stays as it is until the next row
    return ROW_READY;
}

// Blank lines between rows, and the LF of a CR LF.
static void row_csv_skip_blank(struct row_reader *self)
{
    while (self->input.scan == self->input.begin && self->input.begin < self->input.end) {
        char next = self->input.data[self->input.begin];
        if (self->after_return && next != '\n') {
            self->input.line++;
        }
        self->after_return = next == '\r';
        if (next == '\n') {
            self->input.line++;
        } else if (next != '\r') {
            return;
        }
        row_input_advance(&self->input, self->input.begin + 1);
    }
}

// Bytes from `scan` to the next line's end, or as many as there are.
static size_t row_csv_chunk(const struct row_reader *self)
{
    const char *from = self->input.data + self->input.scan;
    size_t length = self->input.end - self->input.scan;
    const char *feed = memchr(from, '\n', length);
    if (feed != NULL) {
        length = (size_t) (feed - from) + 1;
    }
    const char *carriage = memchr(from, '\r', length);
    return carriage != NULL ? (size_t) (carriage - from) + 1 : length;
}

static enum row_result row_csv_finish(struct row_reader *self)
{
    if (self->input.scan == self->input.begin) {
        return ROW_END;
    }
    if (csv_fini(&self->parser, row_csv_on_field, row_csv_on_row, self) != 0) {
        return row_reader_give_up_line(self, "a quote that is opened here is never closed");
    }
    if (!self->row_ended) {
        return ROW_END;
    }
    return row_csv_row(self);
}

// Hands bytes to libcsv, which refuses a quote inside a cell that does not begin with one.  There it means itself.
static size_t row_csv_parse_leniently(struct row_reader *self, const char *bytes, size_t length)
{
    size_t taken = 0;
    for (;;) {
        taken += csv_parse(&self->parser, bytes + taken, length - taken, row_csv_on_field, row_csv_on_row, self);
        if (taken == length || self->parser.quoted || bytes[taken] != '"') {
            return taken;
        }
        csv_set_opts(&self->parser, CSV_STRICT_FINI);
        taken += csv_parse(&self->parser, bytes + taken, 1, row_csv_on_field, row_csv_on_row, self);
        csv_set_opts(&self->parser, CSV_STRICT | CSV_STRICT_FINI);
    }
}

static enum row_result row_csv_next_of_any(struct row_reader *self)
{
    for (;;) {
        row_csv_skip_blank(self);
        if (self->input.scan == self->input.end) {
            return self->input.at_eof ? row_csv_finish(self) : ROW_MORE;
        }
        size_t chunk = row_csv_chunk(self);
        size_t taken = row_csv_parse_leniently(self, self->input.data + self->input.scan, chunk);
        if (taken != chunk) {
            return row_reader_give_up_line(self, "has a quote where none may be: a field with quotes in it is quoted, "
                                                 "and each quote in it doubled");
        }
        self->input.scan += chunk;
        if (self->row_ended) {
            return row_csv_row(self);
        }
        if (self->input.scan - self->input.begin > ROW_BYTES_MAX) {
            return row_reader_give_up_line(self, "begins a row of more than 1 MiB: is a quote left open?");
        }
    }
}

static bool row_csv_is_empty(const struct row *row)
{
    for (size_t i = 0; i < row->cell_count; i++) {
        if (!row_text_is_blank(row->cells[i].text, row->cells[i].bytes)) {
            return false;
        }
    }
    return !row->fault[0];
}

enum row_result row_csv_next(struct row_reader *self)
{
    enum row_result result;
    do {
        result = row_csv_next_of_any(self);
    } while (result == ROW_READY && self->columns != NULL &&
             row_csv_is_empty(&self->row)); // what a spreadsheet writes of no row
    return result;
}

// ---- the header ----

static char row_csv_guess_delimiter(const struct row_reader *self)
{
    static const char candidates[] = ",;\t";
    size_t counts[3] = { 0 };
    bool quoted = false;
    for (size_t i = self->input.begin; i < self->input.end && (quoted || self->input.data[i] != '\n'); i++) {
        if (self->input.data[i] == '"') {
            quoted = !quoted;
        }
        const char *found = self->input.data[i] ? strchr(candidates, self->input.data[i]) : NULL;
        if (found != NULL && !quoted) {
            counts[found - candidates]++;
        }
    }
    size_t best = 0;
    for (size_t i = 1; i < 3; i++) {
        if (counts[i] > counts[best]) {
            best = i;
        }
    }
    return candidates[best];
}

// Passes over a first line sep=; and takes the delimiter from it, unless one was told.
static void row_csv_take_separator_line(struct row_reader *self)
{
    const char *text = self->input.data + self->input.begin;
    size_t length = self->input.end - self->input.begin, quote = length > 0 && text[0] == '"';
    if (length < quote + 5 || strncasecmp(text + quote, "sep=", 4) != 0) {
        return;
    }
    size_t behind = quote + 5 + (quote && length > 6 && text[6] == '"');
    while (behind < length && (text[behind] == ' ' || text[behind] == '\r')) {
        behind++;
    }
    if (behind < length && text[behind] != '\n') {
        return;
    }
    if (!self->delimiter && strchr("\"\r\n", text[quote + 4]) == NULL) {
        self->delimiter = text[quote + 4];
    }
    self->input.line++;
    row_input_advance(&self->input, self->input.begin + behind + (behind < length));
}

// Whether names in the header begin with a blank behind the delimiter.
static bool row_csv_has_blanks_aside(const struct row *header)
{
    for (size_t i = 1; i < header->cell_count; i++) {
        if (header->cells[i].text[0] == ' ') {
            return true;
        }
    }
    return false;
}

// Without what a spreadsheet puts at the end: columns of no name.
static size_t row_csv_named_columns(const struct row *header)
{
    size_t count = header->cell_count;
    while (count > 1 && row_text_is_blank(header->cells[count - 1].text, header->cells[count - 1].bytes)) {
        count--;
    }
    return count;
}

bool row_csv_open(struct row_reader *self, char *fault)
{
    row_csv_take_separator_line(self);
    if (!self->delimiter) {
        self->delimiter = row_csv_guess_delimiter(self);
    }
    row_csv_reset(self);
    const struct row *header;
    enum row_result result;
    while ((result = row_reader_next(self, &header)) == ROW_MORE) {
        if (!row_reader_fill(self, fault)) {
            return false;
        }
    }
    if (result == ROW_END) {
        snprintf(fault, ROW_FAULT_BYTES, "is empty; a CSV file begins with a line that names its columns");
        return false;
    }
    if (header->fault[0]) {
        snprintf(fault, ROW_FAULT_BYTES, "line %llu, the header, %.900s", (unsigned long long) header->line,
                 header->fault);
        return false;
    }
    self->columns = calloc(header->cell_count, sizeof *self->columns);
    must(self->columns);
    for (size_t i = 0, count = row_csv_named_columns(header); i < count; i++) {
        must(self->columns[self->column_count++] = strdup(header->cells[i].text));
    }
    self->rows = 0;
    self->blanks_aside = row_csv_has_blanks_aside(header);
    row_csv_reset(self);
    return true;
}
