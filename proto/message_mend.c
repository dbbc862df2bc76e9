// message_mend.c - mending by kind of field: a text that is too long or no text, a number out of its bounds or no
// number.
//
// Nothing is judged here: the tree is checked again afterwards, and what could not be mended is refused by that check.

#include "proto/message_mend.h"

#include "proto/base/must.h"
#include "proto/mended_text.h"
#include "proto/message_fields.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// What is kept in a value's place lives in the zone, as the tree does.
static void message_put_text(msgpack_object *value, const char *text, size_t bytes, msgpack_zone *zone)
{
    char *kept = msgpack_zone_malloc(zone, bytes + 1);
    must(kept != NULL);
    memcpy(kept, text, bytes);
    value->type = MSGPACK_OBJECT_STR;
    value->via.str = (msgpack_object_str){ .size = (uint32_t) bytes, .ptr = kept };
}

static void message_put_number(msgpack_object *value, int64_t number)
{
    value->type = number < 0 ? MSGPACK_OBJECT_NEGATIVE_INTEGER : MSGPACK_OBJECT_POSITIVE_INTEGER;
    value->via.i64 = number;
}

// As absent: its key stays, so that one that comes twice is still seen.
static void message_leave_out(const struct behalf_field *field, msgpack_object *value, msgpack_zone *zone)
{
    if (field->kind == 't') {
        message_put_text(value, "", 0, zone);
    } else {
        message_put_number(value, 0);
    }
}

// A text that stands there as something else.  Returns whether it did.
static bool message_read_as_text(msgpack_object *value, msgpack_zone *zone)
{
    char digits[BEHALF_NUMBER_BYTES + 1] = "";

    if (value->type == MSGPACK_OBJECT_POSITIVE_INTEGER) {
        snprintf(digits, sizeof(digits), "%" PRIu64, value->via.u64);
    } else if (value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER) {
        snprintf(digits, sizeof(digits), "%" PRId64, value->via.i64);
    } else if (value->type != MSGPACK_OBJECT_BIN) {
        return false;
    }
    if (digits[0] != '\0') {
        message_put_text(value, digits, strlen(digits), zone);
    } else {
        message_put_text(value, value->via.bin.ptr, value->via.bin.size, zone);
    }
    return true;
}

static bool message_mend_characters(const struct behalf_field *field, msgpack_object *value, msgpack_zone *zone)
{
    const msgpack_object_str *text = &value->via.str;
    size_t bytes_max = (size_t) field->maximum;

    if ((text->size <= bytes_max && text_is_sound(text->ptr, text->size)) || field->mending == BEHALF_MENDED_DIGITS) {
        return false;
    }
    if (field->mending == BEHALF_MENDED_LEFT_OUT) {
        message_leave_out(field, value, zone);
        return true;
    }
    char *mended = field->mending == BEHALF_MENDED_SHORTENED ? shortened_key(text->ptr, text->size, bytes_max)
                                                             : mended_words(text->ptr, text->size, bytes_max);
    message_put_text(value, mended, strlen(mended), zone);
    free(mended);
    return true;
}

static bool message_mend_text(const struct behalf_field *field, msgpack_object *value, msgpack_zone *zone)
{
    bool needed = field->mending == BEHALF_MENDED_DIGITS || field->mending == BEHALF_MENDED_WORDS;
    bool read = message_read_as_text(value, zone);

    if (value->type == MSGPACK_OBJECT_STR) {
        return message_mend_characters(field, value, zone) || read;
    }
    if (!needed) {
        message_leave_out(field, value, zone);
    }
    return !needed;
}

static bool message_mend_number(const struct behalf_field *field, msgpack_object *value, msgpack_zone *zone)
{
    bool is_real = value->type == MSGPACK_OBJECT_FLOAT32 || value->type == MSGPACK_OBJECT_FLOAT64;

    if (is_real && fabs(value->via.f64) < 0x1p62) {
        message_put_number(value, (int64_t) value->via.f64);
    }
    bool is_whole = value->type == MSGPACK_OBJECT_POSITIVE_INTEGER || value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER;
    bool below = value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER && value->via.i64 < field->minimum;
    bool above = value->type == MSGPACK_OBJECT_POSITIVE_INTEGER && value->via.u64 > (uint64_t) field->maximum;
    if (is_whole && !below && !above) {
        return is_real;
    }
    if (is_whole && field->mending == BEHALF_MENDED_LIMITED) {
        message_put_number(value, below ? field->minimum : field->maximum);
    } else {
        message_leave_out(field, value, zone);
    }
    return true;
}

// Whether a value is mended.  Of nil it is not said: nothing was there.
static bool message_mend_value(const struct behalf_field *field, msgpack_object *value, msgpack_zone *zone)
{
    if (field->mending == BEHALF_MENDED_NOT) {
        return false;
    }
    if (value->type == MSGPACK_OBJECT_NIL && !field->required) {
        message_leave_out(field, value, zone);
        return false;
    }
    return field->kind == 't' ? message_mend_text(field, value, zone) : message_mend_number(field, value, zone);
}

uint64_t message_mend_fields(const struct behalf_field *table, const msgpack_object_map *map, msgpack_zone *zone)
{
    uint64_t seen = 0, mended = 0;
    const struct behalf_field *next = table;

    for (uint32_t i = 0; i < map->size; i++) {
        const struct behalf_field *field = message_find_field(table, &map->ptr[i].key, &next);
        if (field == NULL) {
            continue;
        }
        uint64_t bit = UINT64_C(1) << (field - table);
        if ((seen & bit) != 0) {
            break; // a key that comes twice is refused: the work ends here
        }
        seen |= bit;
        if (message_mend_value(field, &map->ptr[i].val, zone)) {
            mended |= bit;
        }
    }
    return mended;
}
