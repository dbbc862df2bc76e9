// message_encode.c - from a message to a frame, led by the tables: what breaks a bound is not sent.

#include <behalf/message.h>

#include "proto/base/must.h"
#include "proto/message_check.h"
#include "proto/message_fields.h"

#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

// Most frames are short: they are made here, and then have a block of just their size.  msgpack-c's own buffer begins
// with 8 KiB each, which is as much as a frame that waits to be read would hold.
#define FRAME_BYTES_USUAL 2048

struct encoding {
    msgpack_packer packer;
    struct behalf_fault *fault;
    char *longer; // NULL while the frame fits `usual`
    size_t bytes;
    size_t capacity; // of `longer`
    char usual[FRAME_BYTES_USUAL];
};

// The room for `more` bytes behind those that are there.
static char *message_reserve(struct encoding *encoding, size_t more)
{
    size_t needed = encoding->bytes + more;
    if (encoding->longer == NULL && needed <= sizeof(encoding->usual)) {
        return encoding->usual + encoding->bytes;
    }
    if (needed > encoding->capacity) {
        bool first = encoding->longer == NULL;
        encoding->capacity = 2 * needed;
        encoding->longer = realloc(encoding->longer, encoding->capacity);
        must(encoding->longer != NULL);
        if (first) {
            memcpy(encoding->longer, encoding->usual, encoding->bytes);
        }
    }
    return encoding->longer + encoding->bytes;
}

// A msgpack_packer_write.
static int message_write(void *data, const char *bytes, size_t count)
{
    struct encoding *encoding = data;
    memcpy(message_reserve(encoding, count), bytes, count);
    encoding->bytes += count;
    return 0;
}

// The frame in a block of its own size.
static void *message_release(struct encoding *encoding)
{
    if (encoding->longer != NULL) {
        char *frame = realloc(encoding->longer, encoding->bytes);
        must(frame != NULL);
        return frame;
    }
    char *frame = malloc(encoding->bytes);
    must(frame != NULL);
    return memcpy(frame, encoding->usual, encoding->bytes);
}

// Packing only fails for want of memory, and what is packed is bounded.
static void message_packed(int result)
{
    must(result == 0);
}

static void message_pack_text(struct encoding *encoding, const char *text, size_t bytes)
{
    message_packed(msgpack_pack_str(&encoding->packer, bytes));
    message_packed(msgpack_pack_str_body(&encoding->packer, text, bytes));
}

// Whether a field travels: required ones always do, others when they say something.
static bool message_travels(const struct behalf_field *field, const char *body)
{
    if (field->required) {
        return true;
    }
    if (field->kind == 't') {
        return message_text_in(field, body)[0] != '\0';
    }
    if (field->kind == 'n') {
        return message_number_in(field, body) != 0;
    }
    if (field->kind == 'f') {
        return message_flag_in(field, body);
    }
    return message_count_in(field, body) > 0;
}

static bool message_encode_fields(struct encoding *encoding, const struct behalf_field *table, const char *body,
                                  const struct field_place *place);

static bool message_encode_text(struct encoding *encoding, const struct behalf_field *field, const char *body,
                                const struct field_place *place)
{
    const char *text = message_text_in(field, body);
    size_t bytes = strlen(text);
    if (bytes == 0) {
        return message_fail(encoding->fault, BEHALF_CODE_MISSING, place, field, "is required and empty");
    }
    if (!message_check_text(text, bytes, (size_t) field->maximum, field, place, encoding->fault)) {
        return false;
    }
    message_pack_text(encoding, text, bytes);
    return true;
}

static bool message_encode_number(struct encoding *encoding, const struct behalf_field *field, const char *body,
                                  const struct field_place *place)
{
    int64_t number = message_number_in(field, body);
    if (!message_check_number(number, field, place, encoding->fault)) {
        return false;
    }
    message_packed(msgpack_pack_int64(&encoding->packer, number));
    return true;
}

static bool message_encode_texts(struct encoding *encoding, const struct behalf_field *field, const char *body,
                                 const struct field_place *place)
{
    size_t count = message_count_in(field, body);
    const char *const *texts = message_pointer_in(field, body);
    if (!message_check_count(count, field, place, encoding->fault)) {
        return false;
    }
    message_packed(msgpack_pack_array(&encoding->packer, count));
    for (size_t i = 0; i < count; i++) {
        const char *text = texts[i] != NULL ? texts[i] : "";
        size_t bytes = strlen(text);
        if (!message_check_text(text, bytes, field->element_bytes_max, field, place, encoding->fault)) {
            return false;
        }
        message_pack_text(encoding, text, bytes);
    }
    return true;
}

static bool message_encode_list(struct encoding *encoding, const struct behalf_field *field, const char *body,
                                const struct field_place *place)
{
    size_t count = message_count_in(field, body);
    const char *records = message_pointer_in(field, body);
    if (!message_check_count(count, field, place, encoding->fault)) {
        return false;
    }
    message_packed(msgpack_pack_array(&encoding->packer, count));
    for (size_t i = 0; i < count; i++) {
        struct field_place inside = { .list = field, .index = i };
        if (!message_encode_fields(encoding, field->record, records + i * field->record_bytes, &inside)) {
            return false;
        }
    }
    return true;
}

static bool message_encode_value(struct encoding *encoding, const struct behalf_field *field, const char *body,
                                 const struct field_place *place)
{
    switch (field->kind) {
    case 't':
        return message_encode_text(encoding, field, body, place);
    case 'n':
        return message_encode_number(encoding, field, body, place);
    case 'f':
        message_packed(message_flag_in(field, body) ? msgpack_pack_true(&encoding->packer)
                                                    : msgpack_pack_false(&encoding->packer));
        return true;
    case 's':
        return message_encode_texts(encoding, field, body, place);
    default:
        return message_encode_list(encoding, field, body, place);
    }
}

static bool message_encode_fields(struct encoding *encoding, const struct behalf_field *table, const char *body,
                                  const struct field_place *place)
{
    size_t count = 0;
    for (const struct behalf_field *field = table; field->name != NULL; field++) {
        count += message_travels(field, body) ? 1 : 0;
    }
    message_packed(msgpack_pack_map(&encoding->packer, count));
    for (const struct behalf_field *field = table; field->name != NULL; field++) {
        if (!message_travels(field, body)) {
            continue;
        }
        message_pack_text(encoding, field->name, strlen(field->name));
        if (!message_encode_value(encoding, field, body, place)) {
            return false;
        }
    }
    return true;
}

static bool message_encode(struct encoding *encoding, const struct behalf_message *message)
{
    if ((unsigned) message->type >= BEHALF_TYPE_COUNT || message->type == BEHALF_NONE) {
        return message_fail(encoding->fault, BEHALF_CODE_UNKNOWN_TYPE, NULL, NULL, "there is no type %d",
                            (int) message->type);
    }
    if (message->id < 0) {
        return message_fail(encoding->fault, BEHALF_CODE_MALFORMED, NULL, NULL, "the id is negative");
    }
    const char *name = behalf_type_name(message->type);
    message_packed(msgpack_pack_array(&encoding->packer, 3));
    message_pack_text(encoding, name, strlen(name));
    message_packed(msgpack_pack_int64(&encoding->packer, message->id));
    return message_encode_fields(encoding, behalf_type_fields(message->type), message_body_of(message), NULL);
}

void *behalf_message_encode(const struct behalf_message *message, size_t *frame_bytes, struct behalf_fault *fault)
{
    *fault = (struct behalf_fault){ .id = message->id };
    *frame_bytes = 0;
    struct encoding encoding;
    encoding.fault = fault;
    encoding.longer = NULL;
    encoding.bytes = encoding.capacity = 0;
    msgpack_packer_init(&encoding.packer, &encoding, message_write);
    bool good = message_encode(&encoding, message);
    if (good && encoding.bytes > BEHALF_FRAME_BYTES) {
        good =
            message_fail(fault, BEHALF_CODE_INVALID, NULL, NULL,
                         "the frame would have %zu bytes; %d at most are allowed", encoding.bytes, BEHALF_FRAME_BYTES);
    }
    if (good) {
        *frame_bytes = encoding.bytes;
        return message_release(&encoding);
    }
    free(encoding.longer);
    return NULL;
}
