// codec.c - a record's columns packed one after the other, and unpacked with every claim checked.
//
// msgpack-c writes.  It does not read, as it allocates for what an array claims and copies what lies there already.

#include "broker/store/codec.h"

#include "proto/base/must.h"

#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

// ---- writing ----

static int codec_append(void *self, const char *bytes, size_t count)
{
    struct codec_bytes *out = self;

    if (out->count + count > out->room) {
        size_t room = out->room == 0 ? 1024 : out->room;
        while (room < out->count + count) {
            room *= 2;
        }
        out->bytes = realloc(out->bytes, room);
        must(out->bytes != NULL);
        out->room = room;
    }
    memcpy(out->bytes + out->count, bytes, count);
    out->count += count;
    return 0;
}

static void codec_pack_text(msgpack_packer *packer, const char *text)
{
    size_t bytes = strlen(text) + 1;

    msgpack_pack_str(packer, bytes);
    msgpack_pack_str_body(packer, text, bytes);
}

static int64_t codec_state_in_bounds(int64_t state, int64_t count)
{
    must(state >= 0);
    must(state < count);
    return state;
}

static void codec_pack_column(msgpack_packer *packer, const struct column *column, const void *record)
{
    switch (column->kind) {
    case COLUMN_ID:
        msgpack_pack_uint64(packer, (uint64_t) column_number(column, record));
        break;
    case COLUMN_NUMBER:
    case COLUMN_COUNT:
    case COLUMN_SMALL:
        msgpack_pack_int64(packer, column_number(column, record));
        break;
    case COLUMN_FLAG:
        if (column_number(column, record) != 0) {
            msgpack_pack_true(packer);
        } else {
            msgpack_pack_false(packer);
        }
        break;
    case COLUMN_TEXT:
        codec_pack_text(packer, column_text(column, record) == NULL ? "" : column_text(column, record));
        break;
    case COLUMN_TEXT_OR_NULL:
        if (column_text(column, record) == NULL) {
            msgpack_pack_nil(packer);
        } else {
            codec_pack_text(packer, column_text(column, record));
        }
        break;
    case COLUMN_ITEM_STATE:
        msgpack_pack_int64(packer, codec_state_in_bounds(column_number(column, record), ITEM_STATE_COUNT));
        break;
    case COLUMN_REPLY_STATE:
        msgpack_pack_int64(packer, codec_state_in_bounds(column_number(column, record), REPLY_STATE_COUNT));
        break;
    }
}

void codec_add(struct codec_bytes *bytes, const struct change *change)
{
    const struct record_columns *all = columns_of(change_record_of(change->kind));
    msgpack_packer packer;

    msgpack_packer_init(&packer, bytes, codec_append);
    msgpack_pack_array(&packer, 1 + all->count);
    msgpack_pack_int64(&packer, (int64_t) change->kind);
    for (size_t i = 0; i < all->count; i++) {
        codec_pack_column(&packer, &all->columns[i], change_record(change));
    }
}

void codec_clear(struct codec_bytes *bytes)
{
    bytes->count = 0;
}

void codec_fini(struct codec_bytes *bytes)
{
    free(bytes->bytes);
    *bytes = (struct codec_bytes){ 0 };
}

// ---- reading ----

static bool codec_fail(struct codec_reader *reader, const char *fault)
{
    if (reader->fault == NULL) {
        reader->fault = fault;
    }
    return false;
}

// The next `count` bytes; NULL when there are not.
static const unsigned char *codec_take(struct codec_reader *reader, size_t count)
{
    const unsigned char *taken = reader->at;

    if (count > reader->left) {
        (void) codec_fail(reader, "the bytes end inside a change");
        return NULL;
    }
    reader->at += count;
    reader->left -= count;
    return taken;
}

// The next byte if it is this one.
static bool codec_take_byte(struct codec_reader *reader, unsigned char byte)
{
    return reader->left > 0 && *reader->at == byte && codec_take(reader, 1) != NULL;
}

// A number of `count` bytes, the highest first.
static bool codec_take_big_endian(struct codec_reader *reader, size_t count, uint64_t *number)
{
    const unsigned char *bytes = codec_take(reader, count);

    *number = 0;
    for (size_t i = 0; bytes != NULL && i < count; i++) {
        *number = *number << 8 | bytes[i];
    }
    return bytes != NULL;
}

// An integer of any width: its 64 bits, and whether they are those of a number below 0.
static bool codec_take_integer(struct codec_reader *reader, uint64_t *bits, bool *is_negative)
{
    const unsigned char *first = codec_take(reader, 1);

    *is_negative = false;
    if (first == NULL) {
        return false;
    }
    if (*first <= 0x7f) {
        *bits = *first;
        return true;
    }
    if (*first >= 0xe0) {
        *bits = ~UINT64_C(0xff) | *first;
        *is_negative = true;
        return true;
    }
    if (*first < 0xcc || *first > 0xd3) {
        return codec_fail(reader, "a number is none");
    }
    size_t width = (size_t) 1 << (*first & 3); // cc to cf and d0 to d3: 1, 2, 4, 8 bytes
    must(width >= 1 && width <= 8);
    if (!codec_take_big_endian(reader, width, bits)) {
        return false;
    }
    if (*first >= 0xd0 && (*bits >> (8 * width - 1) & 1) != 0) {
        *bits |= width == 8 ? 0 : ~UINT64_C(0) << (8 * width);
        *is_negative = true;
    }
    return true;
}

// A number that is not below 0 and not above a bound.
static bool codec_take_number_up_to(struct codec_reader *reader, uint64_t maximum, uint64_t *number)
{
    bool is_negative = false;

    if (!codec_take_integer(reader, number, &is_negative)) {
        return false;
    }
    return (!is_negative && *number <= maximum) || codec_fail(reader, "a number is out of its bounds");
}

static bool codec_take_signed(struct codec_reader *reader, int64_t *number)
{
    uint64_t bits = 0;
    bool is_negative = false;

    if (!codec_take_integer(reader, &bits, &is_negative)) {
        return false;
    }
    *number = (int64_t) bits;
    return is_negative || bits <= INT64_MAX || codec_fail(reader, "a number is out of its bounds");
}

// The bytes of a text that follow, with the NUL.
static bool codec_take_text_head(struct codec_reader *reader, uint64_t *bytes)
{
    const unsigned char *first = codec_take(reader, 1);

    if (first == NULL) {
        return false;
    }
    if (*first >= 0xa0 && *first <= 0xbf) {
        *bytes = *first & 0x1f;
        return true;
    }
    if (*first < 0xd9 || *first > 0xdb) {
        return codec_fail(reader, "a text is none");
    }
    return codec_take_big_endian(reader, (size_t) 1 << (*first - 0xd9), bytes);
}

static bool codec_take_text(struct codec_reader *reader, const char **text)
{
    uint64_t bytes = 0;

    if (!codec_take_text_head(reader, &bytes)) {
        return false;
    }
    const unsigned char *taken = codec_take(reader, (size_t) bytes);
    if (taken == NULL) {
        return false;
    }
    if (bytes == 0 || memchr(taken, 0, (size_t) bytes) != taken + bytes - 1) {
        return codec_fail(reader, "a text does not end where its NUL is");
    }
    *text = (const char *) taken;
    return true;
}

// A column whose value is a number at most so large.
static bool codec_take_bounded(struct codec_reader *reader, const struct column *column, void *record, uint64_t maximum)
{
    uint64_t number = 0;

    if (!codec_take_number_up_to(reader, maximum, &number)) {
        return false;
    }
    column_set_number(column, record, (int64_t) number);
    return true;
}

static bool codec_take_text_column(struct codec_reader *reader, const struct column *column, void *record)
{
    const char *text = NULL;

    if (!codec_take_text(reader, &text)) {
        return false;
    }
    column_set_text(column, record, text);
    return true;
}

static bool codec_take_number_column(struct codec_reader *reader, const struct column *column, void *record)
{
    int64_t number = 0;

    if (!codec_take_signed(reader, &number)) {
        return false;
    }
    column_set_number(column, record, number);
    return true;
}

static bool codec_take_flag_column(struct codec_reader *reader, const struct column *column, void *record)
{
    bool flag = codec_take_byte(reader, 0xc3);

    if (!flag && !codec_take_byte(reader, 0xc2)) {
        return codec_fail(reader, "a flag is neither true nor false");
    }
    column_set_number(column, record, flag);
    return true;
}

static bool codec_take_column(struct codec_reader *reader, const struct column *column, void *record)
{
    switch (column->kind) {
    case COLUMN_ID:
        return codec_take_bounded(reader, column, record, UINT64_MAX);
    case COLUMN_COUNT:
        return codec_take_bounded(reader, column, record, UINT32_MAX);
    case COLUMN_SMALL:
        return codec_take_bounded(reader, column, record, UINT8_MAX);
    case COLUMN_ITEM_STATE:
        return codec_take_bounded(reader, column, record, ITEM_STATE_COUNT - 1);
    case COLUMN_REPLY_STATE:
        return codec_take_bounded(reader, column, record, REPLY_STATE_COUNT - 1);
    case COLUMN_NUMBER:
        return codec_take_number_column(reader, column, record);
    case COLUMN_FLAG:
        return codec_take_flag_column(reader, column, record);
    case COLUMN_TEXT:
        return codec_take_text_column(reader, column, record);
    case COLUMN_TEXT_OR_NULL:
        return codec_take_byte(reader, 0xc0) || codec_take_text_column(reader, column, record);
    }
    return codec_fail(reader, "a column of no known kind");
}

// How many values follow in the array of a change.
static bool codec_take_array_head(struct codec_reader *reader, uint64_t *values)
{
    const unsigned char *first = codec_take(reader, 1);

    if (first == NULL) {
        return false;
    }
    if (*first >= 0x90 && *first <= 0x9f) {
        *values = *first & 0x0f;
        return true;
    }
    if (*first != 0xdc) {
        return codec_fail(reader, "a change is no array of its columns");
    }
    return codec_take_big_endian(reader, 2, values);
}

// As many of a record's columns as there are; those behind them are of a later codec.
static bool codec_take_columns(struct codec_reader *reader, const struct record_columns *all, size_t count,
                               void *record)
{
    for (size_t i = 0; i < count; i++) {
        if (!codec_take_column(reader, &all->columns[i], record)) {
            return false;
        }
    }
    for (size_t i = count; i < all->count; i++) {
        if (all->columns[i].kind == COLUMN_TEXT) {
            column_set_text(&all->columns[i], record, "");
        }
    }
    return true;
}

struct codec_reader codec_read(int64_t codec, const void *bytes, size_t count)
{
    struct codec_reader reader = { .at = bytes, .left = count, .is_older = codec < CODEC_NUMBER };

    if (codec < 1 || codec > CODEC_NUMBER) {
        reader.fault = "the bytes are of a codec that this version does not know";
    }
    return reader;
}

bool codec_next(struct codec_reader *reader, struct change *change)
{
    uint64_t values = 0;
    uint64_t kind = 0;

    if (reader->fault != NULL || reader->left == 0) {
        return false;
    }
    *change = (struct change){ 0 };
    if (!codec_take_array_head(reader, &values) || !codec_take_number_up_to(reader, CHANGE_KIND_COUNT - 1, &kind)) {
        return false;
    }
    change->kind = (enum change_kind) kind;
    const struct record_columns *all = columns_of(change_record_of(change->kind));
    if (values < 2 || values > 1 + all->count || (values < 1 + all->count && !reader->is_older)) {
        return codec_fail(reader, "a change has not the columns of its record");
    }
    return codec_take_columns(reader, all, (size_t) values - 1, &change->post);
}
