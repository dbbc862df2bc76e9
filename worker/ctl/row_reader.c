// row_reader.c - libcsv and jansson, a piece of input at a time: see row_reader.h.
//
// The bytes of the row being read stay in the buffer until the row is complete.  libcsv is fed line by
// line, so that at most one row ends with each call and lines can be counted, which libcsv does not do.
// When it finds a quote where none may be, or a row grows past all bounds, only the first line of what was
// taken for the row is given up and the rest of the buffer is read again.
//
// A list of objects is walked by json_walk, which finds where each of them ends; what an object is made of is
// jansson's affair, as with one a line.

#include "worker/ctl/row_reader.h"

#include "proto/base/must.h"
#include "worker/json_mending.h"
#include "proto/mended_text.h"

#include <csv.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define READ_BYTES ((size_t) 256 * 1024)
#define SEEN_ROWS 100 // rows of NDJSON that are looked through for keys
#define SEEN_DEPTH 3  // of objects in objects

// Texts of a row's cells, one after the other, each ended by a NUL.
struct cell_texts {
    char *text;
    size_t bytes, capacity;
    size_t begins[ROW_COLUMNS_MAX]; // offsets, as `text` may move
    size_t lengths[ROW_COLUMNS_MAX];
    bool absent[ROW_COLUMNS_MAX];
    bool real[ROW_COLUMNS_MAX];
    bool structure[ROW_COLUMNS_MAX];
    size_t count;
    bool too_many;
};

// On the way from an object's first brace to its last.
struct json_walk {
    size_t depth;
    bool in_text, escaped;
};

struct row_reader {
    int descriptor;
    char *name;
    enum row_format format;
    char delimiter;

    char *data;        // bytes read and not yet given out as rows
    size_t begin, end; // of them, in `data`
    size_t scan;       // up to here the current row's bytes were handed to libcsv
    size_t capacity;
    uint64_t consumed; // bytes given out before `begin`
    bool at_eof;
    bool discarding;   // the rest of a row that was given up, to its line's end
    bool after_return; // the last row ended with CR; a LF may follow
    uint64_t line;     // of data[begin], from 1
    uint64_t rows;

    struct csv_parser parser;
    bool blanks_aside; // the header has blanks behind its delimiters: they are no part of cells
    bool parser_ready;
    bool row_ended; // libcsv says so
    struct cell_texts texts;

    char **columns; // of CSV the header; of NDJSON those asked for
    size_t column_count;
    json_t *seen;                // NDJSON: keys of the first rows
    bool list;                   // objects over several lines
    bool lost;                   // in a list: after an object that could not be read, until the next begins
    struct json_walk walk;       // in a list: up to `scan`
    struct encoding_tally tally; // of the input
    uint64_t tallied;            // up to this byte of it
    struct row_cell cells[ROW_COLUMNS_MAX];
    struct row row;
};

static void *row_reader_grown(void *memory, size_t bytes)
{
    void *larger = realloc(memory, bytes);
    must(larger);
    return larger;
}

static void row_reader_texts_clear(struct cell_texts *texts)
{
    texts->bytes = 0;
    texts->count = 0;
    texts->too_many = false;
}

static void row_reader_texts_add(struct cell_texts *texts, const void *bytes, size_t length, bool absent)
{
    if (texts->count == ROW_COLUMNS_MAX) {
        texts->too_many = true;
        return;
    }
    if (texts->bytes + length + 1 > texts->capacity) {
        texts->capacity = 2 * (texts->bytes + length + 1);
        texts->text = row_reader_grown(texts->text, texts->capacity);
    }
    if (length) {
        memcpy(texts->text + texts->bytes, bytes, length);
    }
    texts->text[texts->bytes + length] = '\0';
    texts->begins[texts->count] = texts->bytes;
    texts->lengths[texts->count] = length;
    texts->absent[texts->count] = absent;
    texts->real[texts->count] = false;
    texts->structure[texts->count] = false;
    texts->count++;
    texts->bytes += length + 1;
}

// libcsv takes blanks around fields away unless told that nothing is one.
static int row_reader_no_space(unsigned char character)
{
    (void) character;
    return 0;
}

static int row_reader_only_blank(unsigned char character)
{
    return character == ' ';
}

static void row_reader_parser_reset(struct row_reader *self)
{
    if (self->parser_ready) {
        csv_free(&self->parser);
    }
    must(csv_init(&self->parser, CSV_STRICT | CSV_STRICT_FINI) == 0);
    csv_set_space_func(&self->parser, self->blanks_aside ? row_reader_only_blank : row_reader_no_space);
    csv_set_blk_size(&self->parser, 16 * 1024); // it grows by this, and copies each time
    csv_set_delim(&self->parser, (unsigned char) self->delimiter);
    self->parser_ready = true;
    self->row_ended = false;
    row_reader_texts_clear(&self->texts);
}

static void row_reader_on_field(void *bytes, size_t length, void *context)
{
    struct row_reader *self = context;
    row_reader_texts_add(&self->texts, bytes, length, false);
}

static void row_reader_on_row(int ended_by, void *context)
{
    (void) ended_by;
    struct row_reader *self = context;
    self->row_ended = true;
}

struct row_reader *row_reader_new(int descriptor, const char *name, enum row_format format, char delimiter)
{
    struct row_reader *self = calloc(1, sizeof *self);
    must(self);
    self->descriptor = descriptor;
    self->name = strdup(name);
    must(self->name);
    self->format = format;
    self->delimiter = delimiter;
    self->line = 1;
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
    free(self->data);
    free(self->name);
    json_decref(self->seen);
    free(self);
    *reader_p = NULL;
}

bool row_reader_fill(struct row_reader *self, char *fault)
{
    if (self->begin > 0) {
        memmove(self->data, self->data + self->begin, self->end - self->begin);
        self->end -= self->begin;
        self->scan -= self->begin;
        self->begin = 0;
    }
    if (self->capacity - self->end < READ_BYTES) {
        self->capacity = self->end + READ_BYTES;
        self->data = row_reader_grown(self->data, self->capacity);
    }
    ssize_t got = read(self->descriptor, self->data + self->end, READ_BYTES);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) {
        return true;
    }
    if (got < 0) {
        snprintf(fault, ROW_FAULT_BYTES, "cannot read: %s", strerror(errno));
        return false;
    }
    self->at_eof = got == 0;
    self->end += (size_t) got;
    return true;
}

// Everything up to `new_begin` is done with.
static void row_reader_advance(struct row_reader *self, size_t new_begin)
{
    self->consumed += new_begin - self->begin;
    self->begin = new_begin;
    self->scan = new_begin;
}

static uint64_t row_reader_count_lines(const char *bytes, size_t length)
{
    uint64_t lines = 0;
    const char *end = bytes + length;
    while (bytes < end && (bytes = memchr(bytes, '\n', (size_t) (end - bytes))) != NULL) {
        lines++;
        bytes++;
    }
    return lines;
}

// Counts characters up to data[end], so that what was looked at ahead is not counted twice.
static void row_reader_tally_to(struct row_reader *self, size_t end)
{
    uint64_t at = self->consumed + (end - self->begin);
    if (at <= self->tallied) {
        return;
    }
    size_t fresh = at - self->tallied < end - self->begin ? (size_t) (at - self->tallied) : end - self->begin;
    encoding_tally_add(&self->tally, self->data + end - fresh, fresh);
    self->tallied = at;
}

static void row_reader_row_begin(struct row_reader *self)
{
    self->row = (struct row){ .number = ++self->rows, .line = self->line, .cells = self->cells };
}

// The row that begins at `begin` cannot be read: gives up its first line.
static enum row_result row_reader_give_up_line(struct row_reader *self, const char *reason)
{
    row_reader_row_begin(self);
    snprintf(self->row.fault, sizeof self->row.fault, "%s", reason);
    const char *line_end =
        self->end > self->begin ? memchr(self->data + self->begin, '\n', self->end - self->begin) : NULL;
    if (line_end != NULL) {
        self->line++;
        row_reader_advance(self, (size_t) (line_end - self->data) + 1);
    } else {
        self->discarding = !self->at_eof;
        row_reader_advance(self, self->end);
    }
    if (self->format == ROW_FORMAT_CSV) {
        row_reader_parser_reset(self);
    }
    return ROW_READY;
}

// Throws away the rest of a line that was given up.  True when its end was found.
static bool row_reader_discard(struct row_reader *self)
{
    const char *line_end =
        self->end > self->begin ? memchr(self->data + self->begin, '\n', self->end - self->begin) : NULL;
    if (line_end != NULL) {
        self->line++;
        self->discarding = false;
        row_reader_advance(self, (size_t) (line_end - self->data) + 1);
        return true;
    }
    row_reader_advance(self, self->end);
    return false;
}

static void row_reader_cells_from_texts(struct row_reader *self)
{
    for (size_t i = 0; i < self->texts.count; i++) {
        self->cells[i].text = self->texts.absent[i] ? NULL : self->texts.text + self->texts.begins[i];
        self->cells[i].bytes = self->texts.lengths[i];
        self->cells[i].real = self->texts.real[i];
        self->cells[i].structure = self->texts.structure[i];
    }
    self->row.cell_count = self->texts.count;
}

static bool row_reader_is_blank(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (!text[i] || strchr(" \t\r\n", text[i]) == NULL) {
            return false;
        }
    }
    return true;
}

// Whether the cells from `first` on have nothing in them.
static bool row_reader_are_empty(const struct cell_texts *texts, size_t first)
{
    for (size_t i = first; i < texts->count; i++) {
        if (!row_reader_is_blank(texts->text + texts->begins[i], texts->lengths[i])) {
            return false;
        }
    }
    return true;
}

// Mends broken characters of the cells where the input is UTF-8 otherwise.
static void row_reader_mend_cells(struct row_reader *self)
{
    struct cell_texts *texts = &self->texts;
    size_t count = texts->count;
    row_reader_tally_to(self, self->scan);
    for (size_t i = 0; i < count && encoding_tally_is_utf8(&self->tally); i++) {
        size_t bytes;
        char *mended = mended_characters(texts->text + texts->begins[i], texts->lengths[i], &bytes);
        if (mended == NULL) {
            continue;
        }
        texts->count = i; // in its place, with text at the end of the others
        row_reader_texts_add(texts, mended, bytes, false);
        texts->count = count;
        free(mended);
        self->row.characters = true;
    }
}

// libcsv has ended a row at `scan`.
static enum row_result row_reader_csv_row(struct row_reader *self)
{
    row_reader_row_begin(self);
    if (self->columns != NULL && self->texts.count > self->column_count &&
        row_reader_are_empty(&self->texts, self->column_count)) {
        self->texts.count = self->column_count; // commas at the end of every line
        self->texts.too_many = false;
    }
    if (!self->texts.too_many) {
        row_reader_mend_cells(self);
    }
    if (self->texts.too_many) {
        snprintf(self->row.fault, sizeof self->row.fault, "has more than %d columns", ROW_COLUMNS_MAX);
    } else if (self->columns != NULL && self->texts.count != self->column_count) {
        snprintf(self->row.fault, sizeof self->row.fault, "has %zu column%s, the header has %zu", self->texts.count,
                 self->texts.count == 1 ? "" : "s", self->column_count);
    } else {
        row_reader_cells_from_texts(self);
    }
    self->line += row_reader_count_lines(self->data + self->begin, self->scan - self->begin);
    self->after_return = self->scan > self->begin && self->data[self->scan - 1] == '\r';
    row_reader_advance(self, self->scan);
    self->row_ended = false;
    row_reader_texts_clear(&self->texts); // cells point into its memory, which stays as it is until the next row
    return ROW_READY;
}

// Blank lines between rows, and the LF of a CR LF.
static void row_reader_csv_skip_blank(struct row_reader *self)
{
    while (self->scan == self->begin && self->begin < self->end) {
        char next = self->data[self->begin];
        if (self->after_return && next != '\n') {
            self->line++;
        }
        self->after_return = next == '\r';
        if (next == '\n') {
            self->line++;
        } else if (next != '\r') {
            return;
        }
        row_reader_advance(self, self->begin + 1);
    }
}

// Bytes from `scan` to the next line's end, or as many as there are.
static size_t row_reader_csv_chunk(const struct row_reader *self)
{
    const char *from = self->data + self->scan;
    size_t length = self->end - self->scan;
    const char *feed = memchr(from, '\n', length);
    if (feed != NULL) {
        length = (size_t) (feed - from) + 1;
    }
    const char *carriage = memchr(from, '\r', length);
    return carriage != NULL ? (size_t) (carriage - from) + 1 : length;
}

static enum row_result row_reader_csv_finish(struct row_reader *self)
{
    if (self->scan == self->begin) {
        return ROW_END;
    }
    if (csv_fini(&self->parser, row_reader_on_field, row_reader_on_row, self) != 0) {
        return row_reader_give_up_line(self, "a quote that is opened here is never closed");
    }
    if (!self->row_ended) {
        return ROW_END;
    }
    return row_reader_csv_row(self);
}

// Hands bytes to libcsv, which refuses a quote inside a cell that does not begin with one.  There it means itself.
static size_t row_reader_csv_parse_leniently(struct row_reader *self, const char *bytes, size_t length)
{
    size_t taken = 0;
    for (;;) {
        taken += csv_parse(&self->parser, bytes + taken, length - taken, row_reader_on_field, row_reader_on_row, self);
        if (taken == length || self->parser.quoted || bytes[taken] != '"') {
            return taken;
        }
        csv_set_opts(&self->parser, CSV_STRICT_FINI);
        taken += csv_parse(&self->parser, bytes + taken, 1, row_reader_on_field, row_reader_on_row, self);
        csv_set_opts(&self->parser, CSV_STRICT | CSV_STRICT_FINI);
    }
}

static enum row_result row_reader_csv_next_of_any(struct row_reader *self)
{
    for (;;) {
        row_reader_csv_skip_blank(self);
        if (self->scan == self->end) {
            return self->at_eof ? row_reader_csv_finish(self) : ROW_MORE;
        }
        size_t chunk = row_reader_csv_chunk(self);
        size_t taken = row_reader_csv_parse_leniently(self, self->data + self->scan, chunk);
        if (taken != chunk) {
            return row_reader_give_up_line(self, "has a quote where none may be: a field with quotes in it is quoted, "
                                                 "and each quote in it doubled");
        }
        self->scan += chunk;
        if (self->row_ended) {
            return row_reader_csv_row(self);
        }
        if (self->scan - self->begin > ROW_BYTES_MAX) {
            return row_reader_give_up_line(self, "begins a row of more than 1 MiB: is a quote left open?");
        }
    }
}

static bool row_reader_row_is_empty(const struct row *row)
{
    for (size_t i = 0; i < row->cell_count; i++) {
        if (!row_reader_is_blank(row->cells[i].text, row->cells[i].bytes)) {
            return false;
        }
    }
    return !row->fault[0];
}

static enum row_result row_reader_csv_next(struct row_reader *self)
{
    enum row_result result;
    do {
        result = row_reader_csv_next_of_any(self);
    } while (result == ROW_READY && self->columns != NULL &&
             row_reader_row_is_empty(&self->row)); // what a spreadsheet writes of no row
    return result;
}

// ---- NDJSON ----

static json_t *row_reader_json_find(json_t *object, const char *path)
{
    json_t *found = json_object_get(object, path);
    if (found != NULL) {
        return found;
    }
    for (const char *dot = strchr(path, '.'); dot != NULL; dot = strchr(dot + 1, '.')) {
        json_t *inner = json_object_getn(object, path, (size_t) (dot - path));
        if (json_is_object(inner) && (found = row_reader_json_find(inner, dot + 1)) != NULL) {
            return found;
        }
    }
    return NULL;
}

static void row_reader_json_cell(struct cell_texts *texts, const json_t *value)
{
    char number[64];
    switch (value != NULL ? json_typeof(value) : JSON_NULL) {
    case JSON_STRING:
        row_reader_texts_add(texts, json_string_value(value), json_string_length(value), false);
        return;
    case JSON_INTEGER:
        snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL:
        snprintf(number, sizeof number, "%.17g", json_real_value(value));
        row_reader_texts_add(texts, number, strlen(number), false);
        if (!texts->too_many) {
            texts->real[texts->count - 1] = true;
        }
        return;
    case JSON_TRUE:
    case JSON_FALSE:
        snprintf(number, sizeof number, "%s", json_is_true(value) ? "true" : "false");
        break;
    case JSON_NULL:
        row_reader_texts_add(texts, "", 0, true);
        return;
    default:
        row_reader_texts_add(texts, "", 0, true);
        if (!texts->too_many) {
            texts->structure[texts->count - 1] = true;
        }
        return;
    }
    row_reader_texts_add(texts, number, strlen(number), false);
}

static void row_reader_json_row(struct row_reader *self, const char *line, size_t length)
{
    json_error_t error;
    size_t mended_bytes;
    row_reader_tally_to(self, (size_t) (line - self->data) + length);
    char *mended = json_line_mended(line, length, &self->tally, &mended_bytes, &self->row.characters);
    json_t *object = json_loadb(mended != NULL ? mended : line, mended != NULL ? mended_bytes : length,
                                JSON_REJECT_DUPLICATES, &error);
    free(mended);
    if (object == NULL) {
        snprintf(self->row.fault, sizeof self->row.fault, "is no JSON: %s, at byte %d", error.text, error.position);
        return;
    }
    row_reader_texts_clear(&self->texts);
    if (!json_is_object(object)) {
        snprintf(self->row.fault, sizeof self->row.fault, "is no JSON object");
    }
    for (size_t i = 0; !self->row.fault[0] && i < self->column_count; i++) {
        row_reader_json_cell(&self->texts, row_reader_json_find(object, self->columns[i]));
    }
    json_decref(object);
    if (!self->row.fault[0]) {
        row_reader_cells_from_texts(self);
    }
}

// The line at `begin` without its LF.  False when it is not complete.
static bool row_reader_json_line(const struct row_reader *self, size_t begin, size_t *length)
{
    *length = 0;
    if (begin >= self->end) { // past a last line without LF by one
        return false;
    }
    const char *line_end = memchr(self->data + begin, '\n', self->end - begin);
    *length = line_end != NULL ? (size_t) (line_end - self->data) - begin : self->end - begin;
    return line_end != NULL || (self->at_eof && *length);
}

// Walks on from `at`.  True when the object's last brace was passed; `at` is then behind it, else at `end`.
static bool row_reader_json_walk_on(struct json_walk *walk, const char *data, size_t *at, size_t end)
{
    while (*at < end) {
        char byte = data[(*at)++];
        if (walk->escaped) {
            walk->escaped = false;
        } else if (walk->in_text && byte == '\\') {
            walk->escaped = true;
        } else if (byte == '"') {
            walk->in_text = !walk->in_text;
        } else if (!walk->in_text && (byte == '{' || byte == '[')) {
            walk->depth++;
        } else if (!walk->in_text && (byte == '}' || byte == ']') && --walk->depth == 0) {
            return true;
        }
    }
    return false;
}

// Moves to the next object of a list.  False when there is none yet; then all that was read is passed over.  Sets
// `stray` when something else stands there, at `begin`.
static bool row_reader_json_list_begin(struct row_reader *self, bool *stray)
{
    size_t at = self->begin;
    *stray = false;
    for (; at < self->end && self->data[at] != '{'; at++) {
        if (!self->lost && strchr(" \t\r\n[],", self->data[at]) == NULL) {
            *stray = true;
            break;
        }
        self->line += self->data[at] == '\n';
    }
    bool found = at < self->end;
    self->lost = self->lost && !found;
    self->walk = (struct json_walk){ 0 };
    row_reader_advance(self, at);
    return found;
}

static enum row_result row_reader_json_list_give_up(struct row_reader *self, const char *reason)
{
    self->lost = true; // what remains of the object is passed over without a further word
    return row_reader_give_up_line(self, reason);
}

static enum row_result row_reader_json_list_next(struct row_reader *self)
{
    bool stray;
    if (self->scan == self->begin && !row_reader_json_list_begin(self, &stray)) {
        return self->at_eof ? ROW_END : ROW_MORE;
    }
    if (self->scan == self->begin && stray) {
        return row_reader_json_list_give_up(self, "is no JSON object");
    }
    bool whole = row_reader_json_walk_on(&self->walk, self->data, &self->scan, self->end);
    if (self->scan - self->begin > ROW_BYTES_MAX) {
        return row_reader_json_list_give_up(self,
                                            "begins an object of more than 1 MiB: is a quote or a brace left open?");
    }
    if (!whole) {
        return self->at_eof ? row_reader_json_list_give_up(self, "begins an object that does not end") : ROW_MORE;
    }
    row_reader_row_begin(self);
    row_reader_json_row(self, self->data + self->begin, self->scan - self->begin);
    self->line += row_reader_count_lines(self->data + self->begin, self->scan - self->begin);
    row_reader_advance(self, self->scan);
    return ROW_READY;
}

static enum row_result row_reader_json_next(struct row_reader *self)
{
    if (self->list) {
        return row_reader_json_list_next(self);
    }
    for (;;) {
        size_t length;
        bool complete = row_reader_json_line(self, self->begin, &length);
        if (length > ROW_BYTES_MAX) {
            return row_reader_give_up_line(self, "is longer than 1 MiB");
        }
        if (!complete) {
            return self->at_eof ? ROW_END : ROW_MORE;
        }
        const char *line = self->data + self->begin;
        bool blank = row_reader_is_blank(line, length);
        if (!blank) {
            row_reader_row_begin(self);
            row_reader_json_row(self, line, length);
        }
        size_t next = self->begin + length;
        if (next < self->end) {
            next++;
        }
        self->line++;
        row_reader_advance(self, next);
        if (!blank) {
            return ROW_READY;
        }
    }
}

static void row_reader_json_collect(json_t *seen, json_t *object, const char *prefix, int depth)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        char path[256];
        bool inner = json_is_object(value) && depth > 1;
        if (snprintf(path, sizeof path, "%s%s%s", prefix, key, inner ? "." : "") >= (int) sizeof path) {
            continue;
        }
        if (inner) {
            row_reader_json_collect(seen, value, path, depth - 1);
        } else if (json_object_size(seen) < ROW_COLUMNS_MAX) {
            json_object_set_new(seen, path, json_true());
        }
    }
}

// The next object in the buffer from `begin` on, without taking it.
static bool row_reader_json_ahead(const struct row_reader *self, size_t *begin, size_t *length)
{
    if (!self->list) {
        return row_reader_json_line(self, *begin, length);
    }
    while (*begin < self->end && self->data[*begin] != '{') {
        ++*begin;
    }
    size_t at = *begin;
    bool whole = row_reader_json_walk_on(&(struct json_walk){ 0 }, self->data, &at, self->end);
    *length = at - *begin;
    return whole;
}

// Looks through the rows that are in the buffer, without taking them.
static void row_reader_json_look_ahead(struct row_reader *self)
{
    size_t begin = self->begin, length;
    for (int i = 0; i < SEEN_ROWS && row_reader_json_ahead(self, &begin, &length); i++) {
        size_t mended_bytes;
        bool characters;
        char *mended =
            json_line_mended(self->data + begin, length, &(struct encoding_tally){ 0 }, &mended_bytes, &characters);
        json_t *object = json_loadb(mended != NULL ? mended : self->data + begin,
                                    mended != NULL ? mended_bytes : length, JSON_ALLOW_NUL, NULL);
        if (json_is_object(object)) {
            row_reader_json_collect(self->seen, object, "", SEEN_DEPTH);
        }
        json_decref(object);
        free(mended);
        begin += length + !self->list;
    }
}

// Whether objects take several lines: the first byte opens a list, or the first line ends as in a printed object and
// the next does not begin another.
static bool row_reader_is_list(const struct row_reader *self)
{
    size_t at = self->begin;
    while (at < self->end && row_reader_is_blank(self->data + at, 1)) {
        at++;
    }
    if (at == self->end || self->data[at] != '{') {
        return at < self->end && self->data[at] == '[';
    }
    const char *line_end = memchr(self->data + at, '\n', self->end - at);
    if (line_end == NULL || (line_end + 1 < self->data + self->end && line_end[1] == '{')) {
        return false;
    }
    size_t last = (size_t) (line_end - self->data) - 1;
    while (last > at && row_reader_is_blank(self->data + last, 1)) {
        last--;
    }
    return strchr("{[,", self->data[last]) != NULL && self->data[last];
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
    for (size_t i = self->begin; i < self->end; i++) {
        if (strchr(" \t\r\n", self->data[i]) == NULL) {
            return self->data[i] == '{' || self->data[i] == '[' ? ROW_FORMAT_NDJSON : ROW_FORMAT_CSV;
        }
    }
    return ROW_FORMAT_CSV;
}

static char row_reader_guess_delimiter(const struct row_reader *self)
{
    static const char candidates[] = ",;\t";
    size_t counts[3] = { 0 };
    bool quoted = false;
    for (size_t i = self->begin; i < self->end && (quoted || self->data[i] != '\n'); i++) {
        if (self->data[i] == '"') {
            quoted = !quoted;
        }
        const char *found = self->data[i] ? strchr(candidates, self->data[i]) : NULL;
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

static bool row_reader_check_byte_order_mark(struct row_reader *self, char *fault)
{
    const unsigned char *bytes = (const unsigned char *) self->data + self->begin;
    size_t length = self->end - self->begin;
    if (length >= 3 && bytes[0] == 0xef && bytes[1] == 0xbb && bytes[2] == 0xbf) {
        row_reader_advance(self, self->begin + 3);
    } else if (length >= 2 && ((bytes[0] == 0xff && bytes[1] == 0xfe) || (bytes[0] == 0xfe && bytes[1] == 0xff))) {
        snprintf(fault, ROW_FAULT_BYTES, "is UTF-16; make it UTF-8 first (iconv -f UTF-16 -t UTF-8)");
        return false;
    }
    return true;
}

// Passes over a first line sep=; and takes the delimiter from it, unless one was told.
static void row_reader_take_separator_line(struct row_reader *self)
{
    const char *text = self->data + self->begin;
    size_t length = self->end - self->begin, quote = length > 0 && text[0] == '"';
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
    self->line++;
    row_reader_advance(self, self->begin + behind + (behind < length));
}

// Whether names in the header begin with a blank behind the delimiter.
static bool row_reader_has_blanks_aside(const struct row *header)
{
    for (size_t i = 1; i < header->cell_count; i++) {
        if (header->cells[i].text[0] == ' ') {
            return true;
        }
    }
    return false;
}

// Without what a spreadsheet puts at the end: columns of no name.
static size_t row_reader_named_columns(const struct row *header)
{
    size_t count = header->cell_count;
    while (count > 1 && row_reader_is_blank(header->cells[count - 1].text, header->cells[count - 1].bytes)) {
        count--;
    }
    return count;
}

static bool row_reader_csv_open(struct row_reader *self, char *fault)
{
    row_reader_take_separator_line(self);
    if (!self->delimiter) {
        self->delimiter = row_reader_guess_delimiter(self);
    }
    row_reader_parser_reset(self);
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
    for (size_t i = 0, count = row_reader_named_columns(header); i < count; i++) {
        must(self->columns[self->column_count++] = strdup(header->cells[i].text));
    }
    self->rows = 0;
    self->blanks_aside = row_reader_has_blanks_aside(header);
    row_reader_parser_reset(self);
    return true;
}

// A whole line that is not blank, so that delimiter, format and keys can be seen.
static bool row_reader_has_line(const struct row_reader *self)
{
    size_t begin = 0;
    while (begin < self->end && strchr(" \t\r\n", self->data[begin]) != NULL) {
        begin++;
    }
    return begin < self->end && memchr(self->data + begin, '\n', self->end - begin) != NULL;
}

bool row_reader_open(struct row_reader *self, char *fault)
{
    while (!self->at_eof && self->end <= ROW_BYTES_MAX && !row_reader_has_line(self)) {
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
    row_reader_tally_to(self, self->end);
    if (self->format == ROW_FORMAT_CSV) {
        return row_reader_csv_open(self, fault);
    }
    self->list = row_reader_is_list(self);
    for (;;) {
        row_reader_json_look_ahead(self);
        if (json_object_size(self->seen)) {
            return true;
        }
        if (!self->list || self->at_eof || self->end - self->begin > ROW_BYTES_MAX) {
            break;
        }
        if (!row_reader_fill(self, fault)) {
            return false;
        }
    }
    bool empty = row_reader_is_blank(self->data + self->begin, self->end - self->begin);
    snprintf(fault, ROW_FAULT_BYTES, "%s",
             empty ? "is empty" : "has no JSON object in its first rows, one a line; is it CSV? (--format csv)");
    return false;
}

enum row_format row_reader_format(const struct row_reader *self)
{
    return self->format;
}

static int row_reader_find_column(const struct row_reader *self, const char *name)
{
    for (size_t i = 0; i < self->column_count; i++) {
        if (strcmp(self->columns[i], name) == 0) {
            return (int) i;
        }
    }
    return -1;
}

int row_reader_column(struct row_reader *self, const char *name)
{
    int found = row_reader_find_column(self, name);
    if (found >= 0 || self->format == ROW_FORMAT_CSV || self->column_count == ROW_COLUMNS_MAX) {
        return found;
    }
    self->columns = row_reader_grown(self->columns, (self->column_count + 1) * sizeof *self->columns);
    must(self->columns[self->column_count] = strdup(name));
    return (int) self->column_count++;
}

bool row_reader_saw(const struct row_reader *self, const char *name)
{
    if (self->format == ROW_FORMAT_CSV) {
        return row_reader_find_column(self, name) >= 0;
    }
    return json_object_get(self->seen, name) != NULL;
}

// The next character of a name as names are compared: small, and one kind of blank.
static char row_reader_plain_of(char character)
{
    if (character >= 'A' && character <= 'Z') {
        return (char) (character - 'A' + 'a');
    }
    return character == ' ' || character == '-' ? '_' : character;
}

static bool row_reader_is_aside(const char *text, size_t *bytes)
{
    *bytes = strncmp(text, "\xc2\xa0", 2) == 0 ? 2 : *text && strchr(" \t\r\n", *text) != NULL ? 1 : 0;
    return *bytes > 0;
}

static bool row_reader_is_alike(const char *column, const char *name)
{
    size_t bytes;
    while (row_reader_is_aside(column, &bytes)) {
        column += bytes;
    }
    for (; *name; name++, column++) {
        if (row_reader_plain_of(*column) != row_reader_plain_of(*name)) {
            return false;
        }
    }
    while (row_reader_is_aside(column, &bytes)) {
        column += bytes;
    }
    return !*column;
}

const char *row_reader_named(const struct row_reader *self, const char *name)
{
    if (row_reader_saw(self, name)) {
        return name;
    }
    const char *found = NULL;
    size_t alike = 0;
    if (self->format == ROW_FORMAT_CSV) {
        for (size_t i = 0; i < self->column_count; i++) {
            if (row_reader_is_alike(self->columns[i], name)) {
                found = self->columns[i];
                alike++;
            }
        }
    }
    const char *key;
    json_t *value;
    json_object_foreach(self->seen, key, value)
    {
        if (row_reader_is_alike(key, name)) {
            found = key;
            alike++;
        }
    }
    return alike == 1 ? found : NULL;
}

static bool row_reader_describe_one(char *text, size_t text_bytes, const char *name)
{
    size_t length = strlen(text);
    if (length + strlen(name) + 8 > text_bytes) {
        snprintf(text + length, text_bytes - length, ", ...");
        return false;
    }
    snprintf(text + length, text_bytes - length, "%s%s", length ? ", " : "", name);
    return true;
}

void row_reader_describe(const struct row_reader *self, char *text, size_t text_bytes)
{
    must(text_bytes > 8);
    text[0] = '\0';
    if (self->format == ROW_FORMAT_CSV) {
        for (size_t i = 0; i < self->column_count; i++) {
            if (!row_reader_describe_one(text, text_bytes, self->columns[i])) {
                return;
            }
        }
        return;
    }
    const char *key;
    json_t *value;
    json_object_foreach(self->seen, key, value)
    {
        if (!row_reader_describe_one(text, text_bytes, key)) {
            return;
        }
    }
}

enum row_result row_reader_next(struct row_reader *self, const struct row **row)
{
    *row = &self->row;
    if (self->discarding && !row_reader_discard(self)) {
        return self->at_eof ? ROW_END : ROW_MORE;
    }
    return self->format == ROW_FORMAT_CSV ? row_reader_csv_next(self) : row_reader_json_next(self);
}

uint64_t row_reader_rows(const struct row_reader *self)
{
    return self->rows;
}

uint64_t row_reader_bytes(const struct row_reader *self)
{
    return self->consumed;
}
