// rows.c - PostgreSQL's binary form of arrays: a header of five words, then each element's length and bytes.
//
// A whole row as an element is the number of its columns, then each column's type, length and bytes.

#include "broker/store/postgres/rows.h"

#include "proto/base/must.h"

#include <limits.h>
#include <string.h>

#define HEADER_BYTES 20
// Memory kept for the next rows.
#define KEEP_BYTES ((size_t) 256 * 1024)
#define KEEP_WHOLE_BYTES ((size_t) 2 * 1024 * 1024)

// Object ids of the types of elements; fixed in PostgreSQL's catalogue.
enum element { ELEMENT_FLAG = 16, ELEMENT_BYTES = 17, ELEMENT_NUMBER = 20, ELEMENT_TEXT = 25 };

static void rows_write_word(unsigned char *bytes, uint32_t word)
{
    bytes[0] = (unsigned char) (word >> 24);
    bytes[1] = (unsigned char) (word >> 16);
    bytes[2] = (unsigned char) (word >> 8);
    bytes[3] = (unsigned char) word;
}

static void rows_write_number(unsigned char *bytes, int64_t number)
{
    rows_write_word(bytes, (uint32_t) ((uint64_t) number >> 32));
    rows_write_word(bytes + 4, (uint32_t) (uint64_t) number);
}

static unsigned char *rows_extend(struct array *array, size_t bytes)
{
    if (array->length + bytes > array->room) {
        size_t room = array->room == 0 ? 256 : array->room;
        while (room < array->length + bytes) {
            room *= 2;
        }
        must(room <= INT_MAX);
        array->bytes = realloc(array->bytes, room);
        must(array->bytes != NULL);
        array->room = room;
    }
    unsigned char *added = array->bytes + array->length;
    array->length += bytes;
    return added;
}

static void rows_begin_array(struct array *array, enum element element)
{
    if (array->length == 0) {
        unsigned char *header = rows_extend(array, HEADER_BYTES);
        rows_write_word(header, 1);     // dimensions
        rows_write_word(header + 4, 0); // no NULL among the elements
        rows_write_word(header + 8, element);
        rows_write_word(header + 16, 1); // the first index
    }
}

// Room for the next column of a whole row.
static unsigned char *rows_next_field(struct rows *rows, enum element element, size_t bytes)
{
    struct array *array = &rows->columns[0];

    if (rows->at++ == 0) {
        rows_begin_array(array, element); // the row's own type is filled in when it is sent
        rows->row_begin = array->length;
        (void) rows_extend(array, 8); // length and number of columns, once they are known
    }
    unsigned char *added = rows_extend(array, 8 + bytes);
    rows_write_word(added, element);
    rows_write_word(added + 4, (uint32_t) bytes);
    return added + 8;
}

// Room for the next element of `bytes`.
static unsigned char *rows_next_element(struct rows *rows, enum element element, size_t bytes)
{
    must(rows->at < ROWS_COLUMNS_MAX);
    if (rows->whole) {
        return rows_next_field(rows, element, bytes);
    }
    struct array *array = &rows->columns[rows->at++];
    rows_begin_array(array, element);
    unsigned char *added = rows_extend(array, 4 + bytes);
    rows_write_word(added, (uint32_t) bytes);
    return added + 4;
}

// Bytes of the UTF-8 character at `text`, 0 when it is none that PostgreSQL takes.
static size_t rows_character_bytes(const unsigned char *text)
{
    unsigned char first = text[0];
    size_t bytes = first < 0x80 ? 1 : first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;

    for (size_t i = 1; i < bytes; i++) {
        if ((text[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (first == 0xE0 && text[1] < 0xA0) || (first == 0xF0 && text[1] < 0x90);
    bool surrogate = first == 0xED && text[1] > 0x9F;
    bool beyond = first == 0xF4 && text[1] > 0x8F;
    return overlong || surrogate || beyond ? 0 : bytes;
}

// Whether the next eight bytes are ASCII.
static bool rows_is_plain(const unsigned char *text)
{
    uint64_t word;

    memcpy(&word, text, sizeof word);
    return (word & UINT64_C(0x8080808080808080)) == 0;
}

static void rows_copy_clean(unsigned char *to, const char *text, size_t bytes)
{
    memcpy(to, text, bytes);
    const unsigned char *from = (const unsigned char *) text;
    for (size_t at = 0; at < bytes;) {
        if (bytes - at >= 8 && rows_is_plain(from + at)) {
            at += 8;
            continue;
        }
        size_t count = from[at] < 0x80 ? 1 : rows_character_bytes(from + at);
        if (count == 0) {
            to[at] = '?';
            count = 1;
        }
        at += count;
    }
}

bool rows_is_clean(const char *text)
{
    for (const unsigned char *at = (const unsigned char *) text; *at != '\0';) {
        size_t count = *at < 0x80 ? 1 : rows_character_bytes(at);
        if (count == 0) {
            return false;
        }
        at += count;
    }
    return true;
}

void rows_text(struct rows *rows, const char *text)
{
    size_t bytes = strlen(text);

    rows_copy_clean(rows_next_element(rows, ELEMENT_TEXT, bytes), text, bytes);
}

void rows_number(struct rows *rows, int64_t number)
{
    rows_write_number(rows_next_element(rows, ELEMENT_NUMBER, 8), number);
}

void rows_id(struct rows *rows, uint64_t id)
{
    rows_number(rows, (int64_t) id);
}

void rows_flag(struct rows *rows, bool flag)
{
    *rows_next_element(rows, ELEMENT_FLAG, 1) = flag;
}

void rows_bytes(struct rows *rows, const void *bytes, size_t count)
{
    memcpy(rows_next_element(rows, ELEMENT_BYTES, count), bytes, count);
}

void rows_end(struct rows *rows)
{
    must(rows->at > 0);
    must(rows->count == 0 || rows->at == rows->width);
    must(rows->count < INT_MAX);
    if (rows->whole) {
        unsigned char *row = rows->columns[0].bytes + rows->row_begin;
        rows_write_word(row, (uint32_t) (rows->columns[0].length - rows->row_begin - 4));
        rows_write_word(row + 4, (uint32_t) rows->at);
    }
    rows->width = rows->at;
    rows->at = 0;
    rows->count++;
}

void rows_clear(struct rows *rows)
{
    must(rows->at == 0);
    for (size_t i = 0; i < rows->width && (i == 0 || !rows->whole); i++) {
        struct array *array = &rows->columns[i];
        array->length = 0;
        if (array->room > (rows->whole ? KEEP_WHOLE_BYTES : KEEP_BYTES)) {
            free(array->bytes);
            *array = (struct array){ 0 };
        }
    }
    rows->width = 0;
    rows->count = 0;
}

void rows_fini(struct rows *rows)
{
    for (size_t i = 0; i < ROWS_COLUMNS_MAX; i++) {
        free(rows->columns[i].bytes);
    }
    *rows = (struct rows){ 0 };
}

static void rows_add_value(struct parameters *parameters, const void *value, size_t bytes)
{
    must(parameters->count < PARAMETERS_MAX);
    must(bytes <= INT_MAX);
    parameters->values[parameters->count] = value;
    parameters->lengths[parameters->count] = (int) bytes;
    parameters->count++;
}

void parameters_text(struct parameters *parameters, const char *text)
{
    rows_add_value(parameters, text, strlen(text));
}

void parameters_number(struct parameters *parameters, int64_t number)
{
    must(parameters->count < PARAMETERS_MAX);
    unsigned char *bytes = parameters->numbers[parameters->count];

    rows_write_number(bytes, number);
    rows_add_value(parameters, bytes, 8);
}

void parameters_flag(struct parameters *parameters, bool flag)
{
    must(parameters->count < PARAMETERS_MAX);
    unsigned char *bytes = parameters->numbers[parameters->count];

    bytes[0] = flag;
    rows_add_value(parameters, bytes, 1);
}

void parameters_whole_rows(struct parameters *parameters, struct rows *rows, uint32_t type)
{
    struct array *array = &rows->columns[0];

    must(rows->whole);
    must(rows->count > 0);
    must(rows->at == 0);
    rows_write_word(array->bytes + 8, type);
    rows_write_word(array->bytes + 12, rows->count);
    rows_add_value(parameters, array->bytes, array->length);
}

void parameters_rows(struct parameters *parameters, struct rows *rows)
{
    must(!rows->whole);
    must(rows->count > 0);
    must(rows->at == 0);
    for (size_t i = 0; i < rows->width; i++) {
        struct array *array = &rows->columns[i];
        rows_write_word(array->bytes + 12, rows->count);
        rows_add_value(parameters, array->bytes, array->length);
    }
}
