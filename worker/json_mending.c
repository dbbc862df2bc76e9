// json_mending.c - what is wrong with a text of JSON, put right before it is parsed: see json_mending.h.

#include "worker/json_mending.h"

#include "proto/base/must.h"
#include "worker/field_time.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS_SURE 18             // this many always fit into 64 bits
#define WHOLE_MAX 9007199254740992 // up to here every whole number is a double
#define REPLACEMENT "\\ufffd"

// ---- lines ----

// A line on its way; `out` is made at the first thing that is mended.
struct line {
    const char *text;
    size_t bytes;
    size_t at;
    char *out;
    size_t out_bytes, capacity;
    size_t copied; // up to here the text is in `out`
    bool characters;
};

// Puts `with` in place of the `bytes` at `at`, and moves past them.
static void json_mending_replace(struct line *line, size_t bytes, const char *with, size_t with_bytes)
{
    size_t before = line->at - line->copied;
    size_t needed = line->out_bytes + before + with_bytes + (line->bytes - line->at) + 1;
    if (needed > line->capacity) {
        line->capacity = 2 * needed;
        must(line->out = realloc(line->out, line->capacity));
    }
    memcpy(line->out + line->out_bytes, line->text + line->copied, before);
    memcpy(line->out + line->out_bytes + before, with, with_bytes);
    line->out_bytes += before + with_bytes;
    line->at += bytes;
    line->copied = line->at;
}

// The four digits of \uXXXX at `at`, or -1.
static int json_mending_escape_at(const struct line *line, size_t at)
{
    int value = 0;
    if (at + 6 > line->bytes || line->text[at] != '\\' || line->text[at + 1] != 'u') {
        return -1;
    }
    for (size_t i = at + 2; i < at + 6; i++) {
        char digit = line->text[i];
        int number = digit >= '0' && digit <= '9'   ? digit - '0'
                     : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10
                     : digit >= 'A' && digit <= 'F' ? digit - 'A' + 10
                                                    : -1;
        if (number < 0) {
            return -1;
        }
        value = value << 4 | number;
    }
    return value;
}

static void json_mending_mend_escape(struct line *line)
{
    int value = json_mending_escape_at(line, line->at);
    bool high = value >= 0xD800 && value < 0xDC00, low = value >= 0xDC00 && value < 0xE000;
    int next = high ? json_mending_escape_at(line, line->at + 6) : -1;
    if (value == 0 || low || (high && (next < 0xDC00 || next >= 0xE000))) {
        line->characters = true;
        json_mending_replace(line, 6, REPLACEMENT, strlen(REPLACEMENT));
    } else {
        line->at += high ? 12 : 2;
    }
}

static void json_mending_mend_text(struct line *line)
{
    line->at++;
    while (line->at < line->bytes && line->text[line->at] != '"') {
        unsigned char byte = (unsigned char) line->text[line->at];
        if (byte == '\\') {
            json_mending_mend_escape(line);
        } else if (byte == 0) {
            line->characters = true;
            json_mending_replace(line, 1, REPLACEMENT, strlen(REPLACEMENT));
        } else if (byte < 0x20) {
            char escape[8];
            snprintf(escape, sizeof escape, "\\u%04x", byte);
            json_mending_replace(line, 1, escape, strlen(escape));
        } else {
            line->at++;
        }
    }
    line->at++;
}

static void json_mending_mend_number(struct line *line)
{
    const char *text = line->text + line->at;
    size_t left = line->bytes - line->at, length = 0, digits = 0;
    bool whole = true;
    for (; length < left && text[length] && strchr("+-.0123456789eE", text[length]) != NULL; length++) {
        digits += text[length] >= '0' && text[length] <= '9';
        whole = whole && strchr(".eE", text[length]) == NULL;
    }
    char number[64] = "";
    if (length < sizeof number) {
        memcpy(number, text, length);
    }
    bool none = !whole && number[0] && isinf(strtod(number, NULL));
    bool sound = text[length - 1] >= '0' && text[length - 1] <= '9' && (text[0] != '0' || length == 1 || !whole);
    if (!sound || (digits <= DIGITS_SURE && !none) || (!whole && !none)) {
        line->at += length;
        return;
    }
    char *quoted = malloc(length + 2);
    must(quoted);
    quoted[0] = quoted[length + 1] = '"';
    memcpy(quoted + 1, text, length);
    json_mending_replace(line, length, quoted, length + 2);
    free(quoted);
}

static bool json_mending_mend_word(struct line *line, const char *word)
{
    size_t length = strlen(word);
    if (line->bytes - line->at < length || memcmp(line->text + line->at, word, length) != 0) {
        return false;
    }
    json_mending_replace(line, length, "null", strlen("null"));
    return true;
}

char *json_line_mended(const char *line_text, size_t bytes, const struct encoding_tally *tally, size_t *mended_bytes,
                       bool *characters)
{
    struct line line = { .text = line_text, .bytes = bytes };
    size_t sound_bytes = bytes;
    char *sound = NULL;
    if (encoding_tally_is_utf8(tally)) {
        sound = mended_characters(line_text, bytes, &sound_bytes);
    }
    if (sound != NULL) {
        line.characters = true;
        line.text = sound;
        line.bytes = sound_bytes;
    }
    while (line.at < line.bytes) {
        char byte = line.text[line.at];
        if (byte == '"') {
            json_mending_mend_text(&line);
        } else if (byte == '-' && json_mending_mend_word(&line, "-Infinity")) {
            continue;
        } else if (byte == '-' || (byte >= '0' && byte <= '9')) {
            json_mending_mend_number(&line);
        } else if (!json_mending_mend_word(&line, "NaN") && !json_mending_mend_word(&line, "Infinity")) {
            line.at++;
        }
    }
    *characters = line.characters;
    *mended_bytes = sound_bytes;
    if (line.out == NULL) {
        return sound;
    }
    memcpy(line.out + line.out_bytes, line.text + line.copied, line.bytes - line.copied);
    *mended_bytes = line.out_bytes + line.bytes - line.copied;
    line.out[*mended_bytes] = '\0';
    free(sound);
    return line.out;
}

// ---- objects ----

static void json_mending_leave_out(json_t *object, const struct behalf_field *field, struct mending *mending)
{
    json_object_del(object, field->name);
    mending_note(mending, field->name, MENDING_LEFT_OUT);
}

// The number in digits; false for a part of one, and for what a double no longer holds exactly.
static bool json_mending_write_digits(const json_t *value, char digits[32])
{
    double real = json_real_value(value);
    if (json_is_integer(value)) {
        snprintf(digits, 32, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    } else if (json_is_real(value) && real == floor(real) && fabs(real) < WHOLE_MAX) {
        snprintf(digits, 32, "%" PRId64, (int64_t) real);
    } else {
        return false;
    }
    return true;
}

static void json_mending_mend_text_value(json_t *object, const struct behalf_field *field, struct mending *mending)
{
    json_t *value = json_object_get(object, field->name);
    char digits[32];
    const char *text = json_string_value(value), *mended;
    if (text == NULL && json_mending_write_digits(value, digits)) {
        text = digits;
    }
    if (text == NULL) {
        if (!field->required) {
            json_mending_leave_out(object, field, mending);
        }
        return;
    }
    if (!mending_text(mending, field, text, &mended)) {
        return;
    }
    if (mended == NULL) {
        json_object_del(object, field->name);
    } else if (mended != json_string_value(value)) {
        json_object_set_new(object, field->name, json_string(mended));
    }
}

// A time is written as digits or not at all; a count as people write it.
static bool json_mending_read_number(const json_t *value, const struct behalf_field *field, struct mending *mending,
                                     int64_t *number)
{
    const char *text = json_string_value(value);
    char digits[32];
    if (text == NULL && json_is_real(value) && field_is_time(field) && fabs(json_real_value(value)) < WHOLE_MAX) {
        snprintf(digits, sizeof digits, "%" PRId64, (int64_t) json_real_value(value)); // with parts of a millisecond
        text = digits;
    }
    if (text == NULL && json_mending_write_digits(value, digits)) {
        text = digits;
    }
    if (text != NULL && (!field_is_time(field) || (text[0] && !text[strspn(text, "0123456789")]))) {
        return mending_count(mending, field, text, number);
    }
    mending_note(mending, field->name, MENDING_LEFT_OUT);
    return false;
}

static void json_mending_mend_number_value(json_t *object, const struct behalf_field *field, struct mending *mending)
{
    const json_t *value = json_object_get(object, field->name);
    int64_t number;
    if (json_is_integer(value) && json_integer_value(value) >= field->minimum &&
        json_integer_value(value) <= field->maximum) {
        return;
    }
    const char *text = json_string_value(value);
    if ((text != NULL && !text[0]) || !json_mending_read_number(value, field, mending, &number)) {
        json_object_del(object, field->name);
    } else {
        json_object_set_new(object, field->name, json_integer(number));
    }
}

void json_object_mend(json_t *object, enum behalf_type type, struct mending *mending)
{
    for (const struct behalf_field *field = behalf_type_fields(type); field->name != NULL; field++) {
        const json_t *value = json_object_get(object, field->name);
        if (value == NULL || json_is_null(value)) {
            continue;
        }
        if (field->kind == 't') {
            json_mending_mend_text_value(object, field, mending);
        } else if (field->kind == 'n' && !field->required) {
            json_mending_mend_number_value(object, field, mending);
        }
    }
}
