// message.c - the tables of all messages: their fields, names, senders, answers and refusals.
//
// The tables are made here from messages.def and records.def; no message is spelt out in code.  What goes through a
// message by its table lies beside: message_decode.c, message_encode.c, and message_block.c, which copies.

#include <behalf/message.h>

#include "proto/message_fields.h"

#include <assert.h>
#include <string.h>
#include <threads.h>

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
    return message_find_type(name, strlen(name));
}

// ---- what a frame names ----

enum behalf_type message_find_type(const char *name, size_t name_bytes)
{
    for (enum behalf_type type = BEHALF_NONE + 1; type < BEHALF_TYPE_COUNT; type++) {
        if (strlen(message_types[type].name) == name_bytes && memcmp(message_types[type].name, name, name_bytes) == 0) {
            return type;
        }
    }
    return BEHALF_NONE;
}

const struct behalf_field *message_find_field(const struct behalf_field *table, const msgpack_object *key,
                                              const struct behalf_field **next)
{
    if (key->type != MSGPACK_OBJECT_STR) {
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
