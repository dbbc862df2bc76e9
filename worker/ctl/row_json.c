// row_json.c - jansson, an object at a time.
//
// A list of objects is walked here to find where each of them ends; what an object is made of is jansson's affair, as
// with one a line.

#include "worker/ctl/row_reader_parts.h"

#include "worker/json_mending.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEEN_ROWS 100 // rows of NDJSON that are looked through for keys
#define SEEN_DEPTH 3  // of objects in objects

// ---- cells of an object ----

static json_t *row_json_find(json_t *object, const char *path)
{
    json_t *found = json_object_get(object, path);
    if (found != NULL) {
        return found;
    }
    for (const char *dot = strchr(path, '.'); dot != NULL; dot = strchr(dot + 1, '.')) {
        json_t *inner = json_object_getn(object, path, (size_t) (dot - path));
        if (json_is_object(inner) && (found = row_json_find(inner, dot + 1)) != NULL) {
            return found;
        }
    }
    return NULL;
}

static void row_json_cell(struct cell_texts *texts, const json_t *value)
{
    char number[64];
    switch (value != NULL ? json_typeof(value) : JSON_NULL) {
    case JSON_STRING:
        cell_texts_add(texts, json_string_value(value), json_string_length(value), false);
        return;
    case JSON_INTEGER:
        snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL:
        snprintf(number, sizeof number, "%.17g", json_real_value(value));
        cell_texts_add(texts, number, strlen(number), false);
        if (!texts->too_many) {
            texts->real[texts->count - 1] = true;
        }
        return;
    case JSON_TRUE:
    case JSON_FALSE:
        snprintf(number, sizeof number, "%s", json_is_true(value) ? "true" : "false");
        break;
    case JSON_NULL:
        cell_texts_add(texts, "", 0, true);
        return;
    default:
        cell_texts_add(texts, "", 0, true);
        if (!texts->too_many) {
            texts->structure[texts->count - 1] = true;
        }
        return;
    }
    cell_texts_add(texts, number, strlen(number), false);
}

static void row_json_row(struct row_reader *self, const char *line, size_t length)
{
    json_error_t error;
    size_t mended_bytes;
    row_input_tally_to(&self->input, (size_t) (line - self->input.data) + length);
    char *mended = json_line_mended(line, length, &self->input.tally, &mended_bytes, &self->row.characters);
    json_t *object = json_loadb(mended != NULL ? mended : line, mended != NULL ? mended_bytes : length,
                                JSON_REJECT_DUPLICATES, &error);
    free(mended);
    if (object == NULL) {
        snprintf(self->row.fault, sizeof self->row.fault, "is no JSON: %s, at byte %d", error.text, error.position);
        return;
    }
    cell_texts_clear(&self->texts);
    if (!json_is_object(object)) {
        snprintf(self->row.fault, sizeof self->row.fault, "is no JSON object");
    }
    for (size_t i = 0; !self->row.fault[0] && i < self->column_count; i++) {
        row_json_cell(&self->texts, row_json_find(object, self->columns[i]));
    }
    json_decref(object);
    if (!self->row.fault[0]) {
        row_reader_take_texts(self);
    }
}

// ---- where objects begin and end ----

// The line at `begin` without its LF.  False when it is not complete.
static bool row_json_line(const struct row_reader *self, size_t begin, size_t *length)
{
    *length = 0;
    if (begin >= self->input.end) { // past a last line without LF by one
        return false;
    }
    const char *line_end = memchr(self->input.data + begin, '\n', self->input.end - begin);
    *length = line_end != NULL ? (size_t) (line_end - self->input.data) - begin : self->input.end - begin;
    return line_end != NULL || (self->input.at_eof && *length);
}

// Walks on from `at`.  True when the object's last brace was passed; `at` is then behind it, else at `end`.
static bool row_json_walk_on(struct json_walk *walk, const char *data, size_t *at, size_t end)
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
static bool row_json_list_begin(struct row_reader *self, bool *stray)
{
    size_t at = self->input.begin;
    *stray = false;
    for (; at < self->input.end && self->input.data[at] != '{'; at++) {
        if (!self->lost && strchr(" \t\r\n[],", self->input.data[at]) == NULL) {
            *stray = true;
            break;
        }
        self->input.line += self->input.data[at] == '\n';
    }
    bool found = at < self->input.end;
    self->lost = self->lost && !found;
    self->walk = (struct json_walk){ 0 };
    row_input_advance(&self->input, at);
    return found;
}

static enum row_result row_json_list_give_up(struct row_reader *self, const char *reason)
{
    self->lost = true; // what remains of the object is passed over without a further word
    return row_reader_give_up_line(self, reason);
}

static enum row_result row_json_list_next(struct row_reader *self)
{
    bool stray;
    if (self->input.scan == self->input.begin && !row_json_list_begin(self, &stray)) {
        return self->input.at_eof ? ROW_END : ROW_MORE;
    }
    if (self->input.scan == self->input.begin && stray) {
        return row_json_list_give_up(self, "is no JSON object");
    }
    bool whole = row_json_walk_on(&self->walk, self->input.data, &self->input.scan, self->input.end);
    if (self->input.scan - self->input.begin > ROW_BYTES_MAX) {
        return row_json_list_give_up(self, "begins an object of more than 1 MiB: is a quote or a brace left open?");
    }
    if (!whole) {
        return self->input.at_eof ? row_json_list_give_up(self, "begins an object that does not end") : ROW_MORE;
    }
    row_reader_begin_row(self);
    row_json_row(self, self->input.data + self->input.begin, self->input.scan - self->input.begin);
    self->input.line +=
        row_input_count_lines(self->input.data + self->input.begin, self->input.scan - self->input.begin);
    row_input_advance(&self->input, self->input.scan);
    return ROW_READY;
}

enum row_result row_json_next(struct row_reader *self)
{
    if (self->list) {
        return row_json_list_next(self);
    }
    for (;;) {
        size_t length;
        bool complete = row_json_line(self, self->input.begin, &length);
        if (length > ROW_BYTES_MAX) {
            return row_reader_give_up_line(self, "is longer than 1 MiB");
        }
        if (!complete) {
            return self->input.at_eof ? ROW_END : ROW_MORE;
        }
        const char *line = self->input.data + self->input.begin;
        bool blank = row_text_is_blank(line, length);
        if (!blank) {
            row_reader_begin_row(self);
            row_json_row(self, line, length);
        }
        size_t next = self->input.begin + length;
        if (next < self->input.end) {
            next++;
        }
        self->input.line++;
        row_input_advance(&self->input, next);
        if (!blank) {
            return ROW_READY;
        }
    }
}

// ---- before the first row ----

static void row_json_collect(json_t *seen, json_t *object, const char *prefix, int depth)
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
            row_json_collect(seen, value, path, depth - 1);
        } else if (json_object_size(seen) < ROW_COLUMNS_MAX) {
            json_object_set_new(seen, path, json_true());
        }
    }
}

// The next object in the buffer from `begin` on, without taking it.
static bool row_json_ahead(const struct row_reader *self, size_t *begin, size_t *length)
{
    if (!self->list) {
        return row_json_line(self, *begin, length);
    }
    while (*begin < self->input.end && self->input.data[*begin] != '{') {
        ++*begin;
    }
    size_t at = *begin;
    bool whole = row_json_walk_on(&(struct json_walk){ 0 }, self->input.data, &at, self->input.end);
    *length = at - *begin;
    return whole;
}

void row_json_look_ahead(struct row_reader *self)
{
    size_t begin = self->input.begin, length;
    for (int i = 0; i < SEEN_ROWS && row_json_ahead(self, &begin, &length); i++) {
        size_t mended_bytes;
        bool characters;
        char *mended = json_line_mended(self->input.data + begin, length, &(struct encoding_tally){ 0 }, &mended_bytes,
                                        &characters);
        json_t *object = json_loadb(mended != NULL ? mended : self->input.data + begin,
                                    mended != NULL ? mended_bytes : length, JSON_ALLOW_NUL, NULL);
        if (json_is_object(object)) {
            row_json_collect(self->seen, object, "", SEEN_DEPTH);
        }
        json_decref(object);
        free(mended);
        begin += length + !self->list;
    }
}

bool row_json_is_list(const struct row_reader *self)
{
    size_t at = self->input.begin;
    while (at < self->input.end && row_text_is_blank(self->input.data + at, 1)) {
        at++;
    }
    if (at == self->input.end || self->input.data[at] != '{') {
        return at < self->input.end && self->input.data[at] == '[';
    }
    const char *line_end = memchr(self->input.data + at, '\n', self->input.end - at);
    if (line_end == NULL || (line_end + 1 < self->input.data + self->input.end && line_end[1] == '{')) {
        return false;
    }
    size_t last = (size_t) (line_end - self->input.data) - 1;
    while (last > at && row_text_is_blank(self->input.data + last, 1)) {
        last--;
    }
    return strchr("{[,", self->input.data[last]) != NULL && self->input.data[last];
}
