// message_decode.c - from a frame to a message, led by the tables.
//
// Decoding goes in three steps: frame_walk.c looks the bytes over, msgpack-c makes a tree of them whose
// texts stay in the frame, and the tree is then checked against the table, measured, and copied into one
// block that holds the message and all it points to.  A tree that does not pass is mended where the table lets it, and
// checked again: what cannot be mended is refused by the same check.

#include <behalf/message.h>

#include "proto/base/must.h"
#include "proto/frame_walk.h"
#include "proto/message_block.h"
#include "proto/message_check.h"
#include "proto/message_fields.h"
#include "proto/message_mend.h"

#include <inttypes.h>
#include <msgpack.h>
#include <string.h>

// ---- first check and measure ----

struct check {
    struct behalf_fault *fault;
    size_t bytes; // the block will need
};

static bool message_is_text(const msgpack_object *object)
{
    return object->type == MSGPACK_OBJECT_STR;
}

static bool message_check_fields(struct check *check, const struct behalf_field *table, const msgpack_object_map *map,
                                 const struct field_place *place);

static bool message_check_text_value(struct check *check, const struct behalf_field *field, const msgpack_object *value,
                                     const struct field_place *place)
{
    if (!message_is_text(value)) {
        return message_fail(check->fault, BEHALF_CODE_INVALID, place, field, "is not a text (msgpack str)");
    }
    size_t bytes = value->via.str.size;
    if (!message_check_text(value->via.str.ptr, bytes, (size_t) field->maximum, field, place, check->fault)) {
        return false;
    }
    if (field->required && !message_check_filled(bytes, field, place, check->fault)) {
        return false;
    }
    check->bytes += message_text_cost(bytes);
    return true;
}

static bool message_check_number_value(struct check *check, const struct behalf_field *field,
                                       const msgpack_object *value, const struct field_place *place)
{
    if (value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER) {
        return message_check_number(value->via.i64, field, place, check->fault);
    }
    if (value->type != MSGPACK_OBJECT_POSITIVE_INTEGER) {
        return message_fail(check->fault, BEHALF_CODE_INVALID, place, field, "is not an integer");
    }
    if (value->via.u64 > INT64_MAX) {
        return message_fail(check->fault, BEHALF_CODE_INVALID, place, field,
                            "is %" PRIu64 "; from %" PRId64 " to %" PRId64 " are allowed", value->via.u64,
                            field->minimum, field->maximum);
    }
    return message_check_number((int64_t) value->via.u64, field, place, check->fault);
}

static bool message_check_texts_value(struct check *check, const struct behalf_field *field,
                                      const msgpack_object *value, const struct field_place *place)
{
    if (value->type != MSGPACK_OBJECT_ARRAY) {
        return message_fail(check->fault, BEHALF_CODE_INVALID, place, field, "is not an array of texts");
    }
    if (!message_check_count(value->via.array.size, field, place, check->fault)) {
        return false;
    }
    check->bytes += message_rounded(value->via.array.size * sizeof(const char *));
    for (uint32_t i = 0; i < value->via.array.size; i++) {
        const msgpack_object *element = &value->via.array.ptr[i];
        if (!message_is_text(element)) {
            return message_fail(check->fault, BEHALF_CODE_INVALID, place, field, "element %" PRIu32 " is not a text",
                                i);
        }
        size_t bytes = element->via.str.size;
        if (!message_check_text(element->via.str.ptr, bytes, field->element_bytes_max, field, place, check->fault)) {
            return false;
        }
        check->bytes += message_text_cost(bytes);
    }
    return true;
}

static bool message_check_list_value(struct check *check, const struct behalf_field *field, const msgpack_object *value,
                                     const struct field_place *place)
{
    if (value->type != MSGPACK_OBJECT_ARRAY) {
        return message_fail(check->fault, BEHALF_CODE_INVALID, place, field, "is not an array of maps");
    }
    if (!message_check_count(value->via.array.size, field, place, check->fault)) {
        return false;
    }
    check->bytes += message_rounded(value->via.array.size * field->record_bytes);
    for (uint32_t i = 0; i < value->via.array.size; i++) {
        const msgpack_object *element = &value->via.array.ptr[i];
        if (element->type != MSGPACK_OBJECT_MAP) {
            return message_fail(check->fault, BEHALF_CODE_INVALID, place, field, "element %" PRIu32 " is not a map", i);
        }
        struct field_place inside = { .list = field, .index = i };
        if (!message_check_fields(check, field->record, &element->via.map, &inside)) {
            return false;
        }
    }
    return true;
}

static bool message_check_value(struct check *check, const struct behalf_field *field, const msgpack_object *value,
                                const struct field_place *place)
{
    switch (field->kind) {
    case 't':
        return message_check_text_value(check, field, value, place);
    case 'n':
        return message_check_number_value(check, field, value, place);
    case 'f':
        if (value->type == MSGPACK_OBJECT_BOOLEAN) {
            return true;
        }
        return message_fail(check->fault, BEHALF_CODE_INVALID, place, field, "is not true or false");
    case 's':
        return message_check_texts_value(check, field, value, place);
    default:
        return message_check_list_value(check, field, value, place);
    }
}

static bool message_check_fields(struct check *check, const struct behalf_field *table, const msgpack_object_map *map,
                                 const struct field_place *place)
{
    uint64_t seen = 0;
    const struct behalf_field *next = table;
    for (uint32_t i = 0; i < map->size; i++) {
        const struct behalf_field *field = message_find_field(table, &map->ptr[i].key, &next);
        if (field == NULL) {
            continue;
        }
        uint64_t bit = UINT64_C(1) << (field - table);
        if ((seen & bit) != 0) {
            return message_fail(check->fault, BEHALF_CODE_INVALID, place, field, "occurs twice");
        }
        seen |= bit;
        if (!message_check_value(check, field, &map->ptr[i].val, place)) {
            return false;
        }
    }
    for (const struct behalf_field *field = table; field->name != NULL; field++) {
        if (field->required && (seen & UINT64_C(1) << (field - table)) == 0) {
            return message_fail(check->fault, BEHALF_CODE_MISSING, place, field, "is required and absent");
        }
    }
    return true;
}

// ---- then fill ----

static void message_fill_fields(struct message_block *block, const struct behalf_field *table,
                                const msgpack_object_map *map, char *body);

static void message_fill_texts(struct message_block *block, const struct behalf_field *field,
                               const msgpack_object_array *array, char *body)
{
    const char **texts = message_block_take(block, array->size * sizeof(*texts));
    for (uint32_t i = 0; i < array->size; i++) {
        texts[i] = message_block_text(block, array->ptr[i].via.str.ptr, array->ptr[i].via.str.size);
    }
    message_set_list(field, body, array->size > 0 ? texts : NULL, array->size);
}

static void message_fill_list(struct message_block *block, const struct behalf_field *field,
                              const msgpack_object_array *array, char *body)
{
    char *records = message_block_take(block, array->size * field->record_bytes);
    for (uint32_t i = 0; i < array->size; i++) {
        message_fill_fields(block, field->record, &array->ptr[i].via.map, records + i * field->record_bytes);
    }
    message_set_list(field, body, array->size > 0 ? records : NULL, array->size);
}

static void message_fill_value(struct message_block *block, const struct behalf_field *field,
                               const msgpack_object *value, char *body)
{
    if (field->kind == 't') {
        message_set_pointer(field, body, message_block_text(block, value->via.str.ptr, value->via.str.size));
    } else if (field->kind == 'n') {
        memcpy(body + field->offset, &value->via.i64, sizeof(int64_t)); // u64 was checked to fit
    } else if (field->kind == 'f') {
        memcpy(body + field->offset, &value->via.boolean, sizeof(bool));
    } else if (field->kind == 's') {
        message_fill_texts(block, field, &value->via.array, body);
    } else {
        message_fill_list(block, field, &value->via.array, body);
    }
}

// `body` is all zero: the block's memory comes from calloc.
static void message_fill_fields(struct message_block *block, const struct behalf_field *table,
                                const msgpack_object_map *map, char *body)
{
    for (const struct behalf_field *field = table; field->name != NULL; field++) {
        if (field->kind == 't') {
            message_set_pointer(field, body, "");
        }
    }
    const struct behalf_field *next = table;
    for (uint32_t i = 0; i < map->size; i++) {
        const struct behalf_field *field = message_find_field(table, &map->ptr[i].key, &next);
        if (field != NULL) {
            message_fill_value(block, field, &map->ptr[i].val, body);
        }
    }
}

// ---- a whole frame ----

// `tree` is [text, integer, map], as frame_walk makes sure.
static struct behalf_message *message_decode_tree(const msgpack_object *tree, msgpack_zone *zone,
                                                  struct behalf_fault *fault)
{
    const msgpack_object *parts = tree->via.array.ptr;
    enum behalf_type type = message_find_type(parts[0].via.str.ptr, parts[0].via.str.size);
    if (type == BEHALF_NONE) {
        message_fail(fault, BEHALF_CODE_UNKNOWN_TYPE, NULL, NULL,
                     "version %d of the protocol has no message of this type", BEHALF_PROTOCOL_VERSION);
        return NULL;
    }
    const struct behalf_field *table = behalf_type_fields(type);
    const msgpack_object_map *map = &parts[2].via.map;
    struct check check = { .fault = fault };
    uint64_t mended = 0;
    if (!message_check_fields(&check, table, map, NULL)) {
        if (fault->code != BEHALF_CODE_INVALID || map->size > MENDED_KEYS_MAX) {
            return NULL;
        }
        mended = message_mend_fields(table, map, zone);
        check.bytes = 0;
        if (!message_check_fields(&check, table, map, NULL)) {
            return NULL;
        }
        *fault = (struct behalf_fault){ .id = fault->id };
    }
    struct message_block block;
    struct behalf_message *message = message_new(&block, check.bytes);
    size_t start = block.used;
    message->type = type;
    message->id = (int64_t) parts[1].via.u64;
    message->mended = mended;
    message_fill_fields(&block, table, map, (char *) message + MESSAGE_BODY_OFFSET);
    must(block.used - start == check.bytes);
    return message;
}

// Where the tree of most messages fits; small enough for malloc to have it at hand.
#define ZONE_BYTES 960

struct behalf_message *behalf_message_decode(const void *frame, size_t frame_bytes, struct behalf_fault *fault)
{
    *fault = (struct behalf_fault){ 0 };
    struct frame_walk walk;
    bool walked = frame_walk(frame, frame_bytes, &walk);
    fault->id = walk.id;
    if (!walked) {
        message_fail(fault, BEHALF_CODE_MALFORMED, NULL, NULL, "%s", walk.fault);
        return NULL;
    }
    msgpack_zone zone;
    must(msgpack_zone_init(&zone, ZONE_BYTES));
    msgpack_object tree;
    size_t read = 0;
    struct behalf_message *message = NULL;
    if (msgpack_unpack(frame, frame_bytes, &read, &zone, &tree) == MSGPACK_UNPACK_SUCCESS) {
        message = message_decode_tree(&tree, &zone, fault);
    } else {
        message_fail(fault, BEHALF_CODE_MALFORMED, NULL, NULL, "the frame is not msgpack");
    }
    msgpack_zone_destroy(&zone);
    return message;
}
