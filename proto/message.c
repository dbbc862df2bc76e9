// message.c - one encoder, one decoder and one copier for all messages, led by tables.
//
// The tables of fields are made here from messages.def and records.def; no message is spelt out in code.
// Decoding goes in three steps: frame_walk.c looks the bytes over, msgpack-c makes a tree of them whose
// texts stay in the frame, and the tree is then checked against the table, measured, and copied into one
// block that holds the message and all it points to.  A tree that does not pass is mended where the table lets it, and
// checked again: what cannot be mended is refused by the same check.

#include <behalf/message.h>

#include "proto/frame_walk.h"
#include "proto/base/must.h"
#include "proto/mended_text.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <msgpack.h>
#include <stdarg.h>
#include <string.h>
#include <threads.h>
#include <unistr.h>

// ---- the tables ----

#define OPTIONAL false
#define REQUIRED true

// Each of these makes a function that returns the table of one record or message.  The struct is named
// only where its table opens, hence the typedef; and a list points to the table of its record, which is
// known to a function but not to a constant, hence the copy.
#define OPEN_TABLE(function, structure)                                                                                \
    static const struct behalf_field *function(void)                                                                   \
    {                                                                                                                  \
        typedef struct structure made;                                                                                 \
        const struct behalf_field rows[] = {
#define CLOSE_TABLE                                                                                                    \
    {                                                                                                                  \
        .name = NULL, .record_bytes = sizeof(made)                                                                     \
    }                                                                                                                  \
    }                                                                                                                  \
    ;                                                                                                                  \
    static struct behalf_field kept[sizeof(rows) / sizeof(rows[0])];                                                   \
    static_assert(sizeof(rows) / sizeof(rows[0]) <= 64, "fields seen are kept in 64 bits");                            \
    memcpy(kept, rows, sizeof(rows));                                                                                  \
    return kept;                                                                                                       \
    }
#define TEXT_ROW(row, most, presence, doc)                                                                             \
    { .name = #row,                                                                                                    \
      .kind = 't',                                                                                                     \
      .required = (presence),                                                                                          \
      .offset = offsetof(made, row),                                                                                   \
      .maximum = (most),                                                                                               \
      .field_doc = doc },
#define NUMBER_ROW(row, least, most, presence, doc)                                                                    \
    { .name = #row,                                                                                                    \
      .kind = 'n',                                                                                                     \
      .required = (presence),                                                                                          \
      .offset = offsetof(made, row),                                                                                   \
      .minimum = (least),                                                                                              \
      .maximum = (most),                                                                                               \
      .field_doc = doc },
#define MENDED_TEXT_ROW(row, most, presence, how, doc)                                                                 \
    { .name = #row,                                                                                                    \
      .kind = 't',                                                                                                     \
      .required = (presence),                                                                                          \
      .offset = offsetof(made, row),                                                                                   \
      .maximum = (most),                                                                                               \
      .mending = BEHALF_MENDED_##how,                                                                                  \
      .field_doc = doc },
#define MENDED_NUMBER_ROW(row, least, most, presence, how, doc)                                                        \
    { .name = #row,                                                                                                    \
      .kind = 'n',                                                                                                     \
      .required = (presence),                                                                                          \
      .offset = offsetof(made, row),                                                                                   \
      .minimum = (least),                                                                                              \
      .maximum = (most),                                                                                               \
      .mending = BEHALF_MENDED_##how,                                                                                  \
      .field_doc = doc },
#define FLAG_ROW(row, presence, doc)                                                                                   \
    { .name = #row,                                                                                                    \
      .kind = 'f',                                                                                                     \
      .required = (presence),                                                                                          \
      .offset = offsetof(made, row),                                                                                   \
      .maximum = 1,                                                                                                    \
      .field_doc = doc },
#define TEXTS_ROW(row, count_most, bytes_most, presence, doc)                                                          \
    { .name = #row,                                                                                                    \
      .kind = 's',                                                                                                     \
      .required = (presence),                                                                                          \
      .offset = offsetof(made, row),                                                                                   \
      .count_offset = offsetof(made, row##_count),                                                                     \
      .maximum = (count_most),                                                                                         \
      .element_bytes_max = (bytes_most),                                                                               \
      .field_doc = doc },
#define LIST_ROW(row, row_record, count_most, presence, doc)                                                           \
    { .name = #row,                                                                                                    \
      .kind = 'l',                                                                                                     \
      .required = (presence),                                                                                          \
      .offset = offsetof(made, row),                                                                                   \
      .count_offset = offsetof(made, row##_count),                                                                     \
      .maximum = (count_most),                                                                                         \
      .record_bytes = sizeof(struct behalf_##row_record),                                                              \
      .record = record_fields_##row_record(),                                                                          \
      .field_doc = doc },

#define RECORD(name, doc) OPEN_TABLE(record_fields_##name, behalf_##name)
#define END_RECORD(name) CLOSE_TABLE
#define TEXT TEXT_ROW
#define NUMBER NUMBER_ROW
#define FLAG FLAG_ROW
#define TEXTS TEXTS_ROW
#define LIST LIST_ROW
#include <behalf/records.def>

#define MESSAGE(name, NAME, senders, doc) OPEN_TABLE(message_fields_##name, behalf_##name)
#define END_MESSAGE(name) CLOSE_TABLE
#define TEXT TEXT_ROW
#define NUMBER NUMBER_ROW
#define FLAG FLAG_ROW
#define TEXTS TEXTS_ROW
#define LIST LIST_ROW
#define MENDED_TEXT MENDED_TEXT_ROW
#define MENDED_NUMBER MENDED_NUMBER_ROW
#include <behalf/messages.def>

static const struct {
    const char *name;
    unsigned senders;
    const char *doc;
} message_types[BEHALF_TYPE_COUNT] = {
    [BEHALF_NONE] = { "NONE", 0, "no message" },
#define MESSAGE(message_name, NAME, may_send, text) [BEHALF_##NAME] = { #NAME, may_send, text },
#include <behalf/messages.def>
};

static const char *const message_code_names[BEHALF_CODE_COUNT] = {
    [BEHALF_CODE_NONE] = "NONE",
#define CODE(NAME, doc) [BEHALF_CODE_##NAME] = #NAME,
#include <behalf/codes.def>
#undef CODE
};

// The codes as bits, so that rows can join them.
enum {
#define CODE(NAME, doc) NAME = 1 << BEHALF_CODE_##NAME,
#include <behalf/codes.def>
#undef CODE
};

static const unsigned message_refusals[BEHALF_TYPE_COUNT] = {
#define REFUSED(NAME, codes) [BEHALF_##NAME] = (codes),
#include <behalf/messages.def>
};

static const struct {
    enum behalf_type request;
    enum behalf_type answer;
} message_answers[] = {
#define ANSWERED(NAME, ANSWER) { BEHALF_##NAME, BEHALF_##ANSWER },
#include <behalf/messages.def>
};

static const struct behalf_field *tables[BEHALF_TYPE_COUNT];
static once_flag message_tables_made = ONCE_FLAG_INIT;

static void message_make_tables(void)
{
    static const struct behalf_field nothing[1];
    tables[BEHALF_NONE] = nothing;
#define MESSAGE(name, NAME, senders, doc) tables[BEHALF_##NAME] = message_fields_##name();
#include <behalf/messages.def>
}

static bool type_exists(enum behalf_type type)
{
    return (unsigned) type < BEHALF_TYPE_COUNT;
}

// ---- values in structs ----
//
// Read and written through memcpy, as the pointers in the structs have many types.

// The bodies are members of one union, so that any of them tells where it begins.
#define BODY_OFFSET offsetof(struct behalf_message, hello)

static const char *message_body_of(const struct behalf_message *message)
{
    return (const char *) message + BODY_OFFSET;
}

static int64_t message_number_in(const struct behalf_field *field, const char *body)
{
    int64_t number;
    memcpy(&number, body + field->offset, sizeof(number));
    return number;
}

static bool message_flag_in(const struct behalf_field *field, const char *body)
{
    bool flag;
    memcpy(&flag, body + field->offset, sizeof(flag));
    return flag;
}

static const void *message_pointer_in(const struct behalf_field *field, const char *body)
{
    const void *pointer;
    memcpy(&pointer, body + field->offset, sizeof(pointer));
    return pointer;
}

static const char *message_text_in(const struct behalf_field *field, const char *body)
{
    const char *text = message_pointer_in(field, body);
    return text != NULL ? text : "";
}

static size_t message_count_in(const struct behalf_field *field, const char *body)
{
    size_t count;
    memcpy(&count, body + field->count_offset, sizeof(count));
    return count;
}

static void message_set_pointer(const struct behalf_field *field, char *body, const void *pointer)
{
    memcpy(body + field->offset, &pointer, sizeof(pointer));
}

static void message_set_list(const struct behalf_field *field, char *body, const void *pointer, size_t count)
{
    message_set_pointer(field, body, pointer);
    memcpy(body + field->count_offset, &count, sizeof(count));
}

// ---- what is wrong, and where ----

// Where a table's fields are: in the body (above is NULL), or in one record of a list.
struct place {
    const struct behalf_field *list;
    size_t index;
};

__attribute__((format(printf, 5, 6))) static bool message_fail(struct behalf_fault *fault, enum behalf_code code,
                                                               const struct place *place,
                                                               const struct behalf_field *field, const char *format,
                                                               ...)
{
    fault->code = code;
    if (field == NULL) {
        fault->field[0] = '\0';
    } else if (place != NULL) {
        snprintf(fault->field, sizeof(fault->field), "%s[%zu].%s", place->list->name, place->index, field->name);
    } else {
        snprintf(fault->field, sizeof(fault->field), "%s", field->name);
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(fault->reason, sizeof(fault->reason), format, arguments);
    va_end(arguments);
    return false;
}

static bool message_check_text(const char *text, size_t bytes, size_t bytes_max, const struct behalf_field *field,
                               const struct place *place, struct behalf_fault *fault)
{
    if (bytes > bytes_max) {
        return message_fail(fault, BEHALF_CODE_INVALID, place, field, "%zu bytes long; %zu at most are allowed", bytes,
                            bytes_max);
    }
    if (memchr(text, '\0', bytes) != NULL) {
        return message_fail(fault, BEHALF_CODE_INVALID, place, field, "contains a NUL character");
    }
    const uint8_t *wrong = u8_check((const uint8_t *) text, bytes);
    if (wrong != NULL) {
        return message_fail(fault, BEHALF_CODE_INVALID, place, field, "is not UTF-8: see byte %zu",
                            (size_t) (wrong - (const uint8_t *) text));
    }
    return true;
}

static bool message_check_filled(size_t bytes, const struct behalf_field *field, const struct place *place,
                                 struct behalf_fault *fault)
{
    if (bytes > 0) {
        return true;
    }
    return message_fail(fault, BEHALF_CODE_INVALID, place, field, "is empty; from 1 to %" PRId64 " bytes are required",
                        field->maximum);
}

static bool message_check_number(int64_t number, const struct behalf_field *field, const struct place *place,
                                 struct behalf_fault *fault)
{
    if (number >= field->minimum && number <= field->maximum) {
        return true;
    }
    return message_fail(fault, BEHALF_CODE_INVALID, place, field,
                        "is %" PRId64 "; from %" PRId64 " to %" PRId64 " are allowed", number, field->minimum,
                        field->maximum);
}

static bool message_check_count(size_t count, const struct behalf_field *field, const struct place *place,
                                struct behalf_fault *fault)
{
    if (count <= (size_t) field->maximum) {
        return true;
    }
    return message_fail(fault, BEHALF_CODE_INVALID, place, field, "has %zu elements; %" PRId64 " at most are allowed",
                        count, field->maximum);
}

// ---- one block for a message and all it points to ----

struct arena {
    char *memory; // NULL while only measuring
    size_t used;
};

static size_t message_rounded(size_t bytes)
{
    const size_t unit = _Alignof(max_align_t);
    return (bytes + unit - 1) / unit * unit;
}

static void *message_arena_take(struct arena *arena, size_t bytes)
{
    char *taken = arena->memory + arena->used;
    arena->used += message_rounded(bytes);
    return taken;
}

static const char *message_arena_text(struct arena *arena, const char *text, size_t bytes)
{
    if (bytes == 0) {
        return "";
    }
    char *kept = message_arena_take(arena, bytes + 1);
    memcpy(kept, text, bytes);
    kept[bytes] = '\0';
    return kept;
}

static size_t message_text_cost(size_t bytes)
{
    return bytes == 0 ? 0 : message_rounded(bytes + 1);
}

// A message, all zero, in a block with `more` bytes behind it for the arena.
static struct behalf_message *message_new(struct arena *arena, size_t more)
{
    struct behalf_message *message = calloc(1, message_rounded(sizeof(*message)) + more);
    must(message != NULL);
    message->memory = message;
    *arena = (struct arena){ .memory = (char *) message, .used = message_rounded(sizeof(*message)) };
    return message;
}

// ---- decoding: first check and measure, then fill ----

struct check {
    struct behalf_fault *fault;
    size_t bytes; // the arena will need
};

static bool message_is_text(const msgpack_object *object)
{
    return object->type == MSGPACK_OBJECT_STR;
}

// Finds the field a key names, or NULL.  Keys mostly come in the table's order: `next` is tried first.
static const struct behalf_field *message_find_field(const struct behalf_field *table, const msgpack_object *key,
                                                     const struct behalf_field **next)
{
    if (!message_is_text(key)) {
        return NULL;
    }
    const struct behalf_field *first = *next;
    for (const struct behalf_field *field = first; field->name != NULL; field++) {
        if (strlen(field->name) == key->via.str.size && memcmp(field->name, key->via.str.ptr, key->via.str.size) == 0) {
            *next = field + 1;
            return field;
        }
    }
    for (const struct behalf_field *field = table; field != first; field++) {
        if (strlen(field->name) == key->via.str.size && memcmp(field->name, key->via.str.ptr, key->via.str.size) == 0) {
            *next = field + 1;
            return field;
        }
    }
    return NULL;
}

static bool message_check_fields(struct check *check, const struct behalf_field *table, const msgpack_object_map *map,
                                 const struct place *place);

static bool message_check_text_value(struct check *check, const struct behalf_field *field, const msgpack_object *value,
                                     const struct place *place)
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
                                       const msgpack_object *value, const struct place *place)
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
                                      const msgpack_object *value, const struct place *place)
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
                                     const struct place *place)
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
        struct place inside = { .list = field, .index = i };
        if (!message_check_fields(check, field->record, &element->via.map, &inside)) {
            return false;
        }
    }
    return true;
}

static bool message_check_value(struct check *check, const struct behalf_field *field, const msgpack_object *value,
                                const struct place *place)
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
                                 const struct place *place)
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

static void message_fill_fields(struct arena *arena, const struct behalf_field *table, const msgpack_object_map *map,
                                char *body);

static void message_fill_texts(struct arena *arena, const struct behalf_field *field, const msgpack_object_array *array,
                               char *body)
{
    const char **texts = message_arena_take(arena, array->size * sizeof(*texts));
    for (uint32_t i = 0; i < array->size; i++) {
        texts[i] = message_arena_text(arena, array->ptr[i].via.str.ptr, array->ptr[i].via.str.size);
    }
    message_set_list(field, body, array->size > 0 ? texts : NULL, array->size);
}

static void message_fill_list(struct arena *arena, const struct behalf_field *field, const msgpack_object_array *array,
                              char *body)
{
    char *records = message_arena_take(arena, array->size * field->record_bytes);
    for (uint32_t i = 0; i < array->size; i++) {
        message_fill_fields(arena, field->record, &array->ptr[i].via.map, records + i * field->record_bytes);
    }
    message_set_list(field, body, array->size > 0 ? records : NULL, array->size);
}

static void message_fill_value(struct arena *arena, const struct behalf_field *field, const msgpack_object *value,
                               char *body)
{
    if (field->kind == 't') {
        message_set_pointer(field, body, message_arena_text(arena, value->via.str.ptr, value->via.str.size));
    } else if (field->kind == 'n') {
        memcpy(body + field->offset, &value->via.i64, sizeof(int64_t)); // u64 was checked to fit
    } else if (field->kind == 'f') {
        memcpy(body + field->offset, &value->via.boolean, sizeof(bool));
    } else if (field->kind == 's') {
        message_fill_texts(arena, field, &value->via.array, body);
    } else {
        message_fill_list(arena, field, &value->via.array, body);
    }
}

// `body` is all zero: the arena's memory comes from calloc.
static void message_fill_fields(struct arena *arena, const struct behalf_field *table, const msgpack_object_map *map,
                                char *body)
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
            message_fill_value(arena, field, &map->ptr[i].val, body);
        }
    }
}

// ---- mending: a wrong value in the tree becomes one that passes ----

// More keys than a post has by anybody's mistake: to look at all of them twice more is work for nothing.
#define MENDED_KEYS_MAX 256

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

    if (message_is_text(value)) {
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

// Returns the fields mended, as bits.
static uint64_t message_mend_fields(const struct behalf_field *table, const msgpack_object_map *map, msgpack_zone *zone)
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

static enum behalf_type message_type_of(const msgpack_object_str *name)
{
    for (enum behalf_type type = BEHALF_NONE + 1; type < BEHALF_TYPE_COUNT; type++) {
        if (strlen(message_types[type].name) == name->size &&
            memcmp(message_types[type].name, name->ptr, name->size) == 0) {
            return type;
        }
    }
    return BEHALF_NONE;
}

// `tree` is [text, integer, map], as frame_walk makes sure.
static struct behalf_message *message_decode_tree(const msgpack_object *tree, msgpack_zone *zone,
                                                  struct behalf_fault *fault)
{
    const msgpack_object *parts = tree->via.array.ptr;
    enum behalf_type type = message_type_of(&parts[0].via.str);
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
    struct arena arena;
    struct behalf_message *message = message_new(&arena, check.bytes);
    size_t start = arena.used;
    message->type = type;
    message->id = (int64_t) parts[1].via.u64;
    message->mended = mended;
    message_fill_fields(&arena, table, map, (char *) message + BODY_OFFSET);
    must(arena.used - start == check.bytes);
    return message;
}

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
    must(msgpack_zone_init(&zone, 2048));
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

void behalf_message_destroy(struct behalf_message **message_p)
{
    must(message_p != NULL);
    if (*message_p == NULL) {
        return;
    }
    must((*message_p)->memory == *message_p);
    free(*message_p);
    *message_p = NULL;
}

// ---- encoding ----

struct encoding {
    msgpack_packer packer;
    struct behalf_fault *fault;
};

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
                                  const struct place *place);

static bool message_encode_text(struct encoding *encoding, const struct behalf_field *field, const char *body,
                                const struct place *place)
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
                                  const struct place *place)
{
    int64_t number = message_number_in(field, body);
    if (!message_check_number(number, field, place, encoding->fault)) {
        return false;
    }
    message_packed(msgpack_pack_int64(&encoding->packer, number));
    return true;
}

static bool message_encode_texts(struct encoding *encoding, const struct behalf_field *field, const char *body,
                                 const struct place *place)
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
                                const struct place *place)
{
    size_t count = message_count_in(field, body);
    const char *records = message_pointer_in(field, body);
    if (!message_check_count(count, field, place, encoding->fault)) {
        return false;
    }
    message_packed(msgpack_pack_array(&encoding->packer, count));
    for (size_t i = 0; i < count; i++) {
        struct place inside = { .list = field, .index = i };
        if (!message_encode_fields(encoding, field->record, records + i * field->record_bytes, &inside)) {
            return false;
        }
    }
    return true;
}

static bool message_encode_value(struct encoding *encoding, const struct behalf_field *field, const char *body,
                                 const struct place *place)
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
                                  const struct place *place)
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
    if (!type_exists(message->type) || message->type == BEHALF_NONE) {
        return message_fail(encoding->fault, BEHALF_CODE_UNKNOWN_TYPE, NULL, NULL, "there is no type %d",
                            (int) message->type);
    }
    if (message->id < 0) {
        return message_fail(encoding->fault, BEHALF_CODE_MALFORMED, NULL, NULL, "the id is negative");
    }
    const char *name = message_types[message->type].name;
    message_packed(msgpack_pack_array(&encoding->packer, 3));
    message_pack_text(encoding, name, strlen(name));
    message_packed(msgpack_pack_int64(&encoding->packer, message->id));
    return message_encode_fields(encoding, behalf_type_fields(message->type), message_body_of(message), NULL);
}

void *behalf_message_encode(const struct behalf_message *message, size_t *frame_bytes, struct behalf_fault *fault)
{
    *fault = (struct behalf_fault){ .id = message->id };
    *frame_bytes = 0;
    msgpack_sbuffer buffer;
    msgpack_sbuffer_init(&buffer);
    struct encoding encoding = { .fault = fault };
    msgpack_packer_init(&encoding.packer, &buffer, msgpack_sbuffer_write);
    bool good = message_encode(&encoding, message);
    if (good && buffer.size > BEHALF_FRAME_BYTES) {
        good = message_fail(fault, BEHALF_CODE_INVALID, NULL, NULL,
                            "the frame would have %zu bytes; %d at most are allowed", buffer.size, BEHALF_FRAME_BYTES);
    }
    if (good) {
        *frame_bytes = buffer.size;
        return msgpack_sbuffer_release(&buffer);
    }
    msgpack_sbuffer_destroy(&buffer);
    return NULL;
}

// ---- copying ----

static size_t message_measure_fields(const struct behalf_field *table, const char *body)
{
    size_t bytes = 0;
    for (const struct behalf_field *field = table; field->name != NULL; field++) {
        if (field->kind == 't') {
            bytes += message_text_cost(strlen(message_text_in(field, body)));
        } else if (field->kind == 's') {
            const char *const *texts = message_pointer_in(field, body);
            bytes += message_rounded(message_count_in(field, body) * sizeof(*texts));
            for (size_t i = 0; i < message_count_in(field, body); i++) {
                bytes += texts[i] != NULL ? message_text_cost(strlen(texts[i])) : 0;
            }
        } else if (field->kind == 'l') {
            const char *records = message_pointer_in(field, body);
            bytes += message_rounded(message_count_in(field, body) * field->record_bytes);
            for (size_t i = 0; i < message_count_in(field, body); i++) {
                bytes += message_measure_fields(field->record, records + i * field->record_bytes);
            }
        }
    }
    return bytes;
}

static void message_copy_texts(struct arena *arena, const struct behalf_field *field, const char *from, char *to)
{
    size_t count = message_count_in(field, from);
    const char *const *texts = message_pointer_in(field, from);
    const char **kept = message_arena_take(arena, count * sizeof(*kept));
    for (size_t i = 0; i < count; i++) {
        kept[i] = texts[i] != NULL ? message_arena_text(arena, texts[i], strlen(texts[i])) : "";
    }
    message_set_list(field, to, count > 0 ? kept : NULL, count);
}

static void message_copy_fields(struct arena *arena, const struct behalf_field *table, const char *from, char *to)
{
    for (const struct behalf_field *field = table; field->name != NULL; field++) {
        if (field->kind == 't') {
            const char *text = message_text_in(field, from);
            message_set_pointer(field, to, message_arena_text(arena, text, strlen(text)));
        } else if (field->kind == 'n') {
            memcpy(to + field->offset, from + field->offset, sizeof(int64_t));
        } else if (field->kind == 'f') {
            memcpy(to + field->offset, from + field->offset, sizeof(bool));
        } else if (field->kind == 's') {
            message_copy_texts(arena, field, from, to);
        } else {
            size_t count = message_count_in(field, from);
            const char *records = message_pointer_in(field, from);
            char *kept = message_arena_take(arena, count * field->record_bytes);
            for (size_t i = 0; i < count; i++) {
                message_copy_fields(arena, field->record, records + i * field->record_bytes,
                                    kept + i * field->record_bytes);
            }
            message_set_list(field, to, count > 0 ? kept : NULL, count);
        }
    }
}

struct behalf_message *behalf_message_copy(const struct behalf_message *message)
{
    must(type_exists(message->type));
    const struct behalf_field *table = behalf_type_fields(message->type);
    struct arena arena;
    struct behalf_message *copy = message_new(&arena, message_measure_fields(table, message_body_of(message)));
    copy->type = message->type;
    copy->id = message->id;
    copy->mended = message->mended;
    message_copy_fields(&arena, table, message_body_of(message), (char *) copy + BODY_OFFSET);
    return copy;
}

// ---- names ----

const char *behalf_type_name(enum behalf_type type)
{
    return type_exists(type) ? message_types[type].name : "NONE";
}

unsigned behalf_type_senders(enum behalf_type type)
{
    return type_exists(type) ? message_types[type].senders : 0;
}

bool behalf_type_is_answered_by(enum behalf_type request, enum behalf_type answer)
{
    for (size_t i = 0; i < sizeof(message_answers) / sizeof(message_answers[0]); i++) {
        if (message_answers[i].request == request && message_answers[i].answer == answer) {
            return true;
        }
    }
    return false;
}

bool behalf_type_may_be_refused(enum behalf_type request, enum behalf_code code)
{
    return type_exists(request) && (unsigned) code < BEHALF_CODE_COUNT && (message_refusals[request] >> code & 1) != 0;
}

const char *behalf_code_name(enum behalf_code code)
{
    return (unsigned) code < BEHALF_CODE_COUNT ? message_code_names[code] : "NONE";
}

enum behalf_code behalf_code_from_name(const char *name)
{
    for (enum behalf_code code = BEHALF_CODE_NONE + 1; code < BEHALF_CODE_COUNT; code++) {
        if (strcmp(message_code_names[code], name) == 0) {
            return code;
        }
    }
    return BEHALF_CODE_NONE;
}

const struct behalf_field *behalf_type_fields(enum behalf_type type)
{
    call_once(&message_tables_made, message_make_tables);
    return tables[type_exists(type) ? type : BEHALF_NONE];
}

const char *behalf_type_doc(enum behalf_type type)
{
    return type_exists(type) ? message_types[type].doc : "";
}

enum behalf_type behalf_type_from_name(const char *name)
{
    for (enum behalf_type type = BEHALF_NONE + 1; type < BEHALF_TYPE_COUNT; type++) {
        if (strcmp(message_types[type].name, name) == 0) {
            return type;
        }
    }
    return BEHALF_NONE;
}
