// change.c - the list of changes and effects, and the copying of records with their texts.
//
// Which fields of a record are texts tables.def says; which fields of a message are, the tables of the protocol.

#include "broker/desk/change.h"

#include "proto/base/arena.h"
#include "proto/base/must.h"

#include <stdarg.h>
#include <string.h>

#define USUAL_TEXT_BYTES 512

struct change_list {
    struct arena arena;
    struct change *first_change;
    struct change *last_change;
    size_t change_count;
    struct effect *first_effect;
    struct effect *last_effect;
    size_t effect_count;
};

enum record change_record_of(enum change_kind kind)
{
#define KIND(NAME, RECORD, record, meaning)                                                                            \
    [CHANGE_##NAME] = RECORD_##RECORD                                                                                  \
    ,
    static const enum record records[CHANGE_KIND_COUNT] = { CHANGE_KINDS(KIND) };
#undef KIND

    must((size_t) kind < CHANGE_KIND_COUNT);
    return records[kind];
}

// All records begin where the union does.
const void *change_record(const struct change *change)
{
    return &change->post;
}

static const struct column *change_texts_of(const struct change *change)
{
    return columns_of(change_record_of(change->kind))->texts;
}

static size_t change_texts_bytes(const struct change *change)
{
    size_t bytes = 0;

    for (const struct column *column = change_texts_of(change); column->name != NULL; column++) {
        const char *text = column_text(column, change_record(change));
        bytes += text == NULL ? 0 : strlen(text) + 1;
    }
    return bytes;
}

// Copies the change to `copy` and its texts behind it, into memory of change_texts_bytes.  NULL is kept only where it
// says something.
static void change_place(struct change *copy, char *memory, const struct change *change)
{
    *copy = *change;
    copy->next = NULL;
    for (const struct column *column = change_texts_of(change); column->name != NULL; column++) {
        const char *text = column_text(column, change_record(change));
        if (text == NULL) {
            column_set_text(column, &copy->post, column->kind == COLUMN_TEXT_OR_NULL ? NULL : "");
            continue;
        }
        size_t bytes = strlen(text) + 1;
        memcpy(memory, text, bytes);
        column_set_text(column, &copy->post, memory);
        memory += bytes;
    }
}

static void *keep_bytes(struct arena *arena, const void *bytes, size_t count, size_t size)
{
    if (bytes == NULL || count == 0) {
        return NULL;
    }
    void *copy = arena_allocate(arena, count * size);
    return memcpy(copy, bytes, count * size);
}

static void keep_texts(struct arena *arena, const char ***texts, size_t count)
{
    const char **copies = keep_bytes(arena, *texts, count, sizeof **texts);

    for (size_t i = 0; i < count; i++) {
        copies[i] = arena_text(arena, copies[i]);
    }
    *texts = copies;
}

// keep_entry, keep_event, ...: makes a record's texts the arena's own.
#define RECORD(name, doc)                                                                                              \
    static void keep_##name(struct arena *arena, struct behalf_##name *value)                                          \
    {                                                                                                                  \
        (void) arena;                                                                                                  \
        (void) value;
#define END_RECORD(name) }
#define TEXT(field, bytes_max, presence, doc) value->field = arena_text(arena, value->field);
#define TEXTS(field, count_max, bytes_max, presence, doc) keep_texts(arena, &value->field, value->field##_count);
#define KEEP_LIST(field, record)                                                                                       \
    value->field = keep_bytes(arena, value->field, value->field##_count, sizeof *value->field);                        \
    for (size_t i = 0; i < value->field##_count; i++) {                                                                \
        keep_##record(arena, &value->field[i]);                                                                        \
    }
#define LIST(field, record, count_max, presence, doc) KEEP_LIST(field, record)
#include <behalf/records.def>

// keep_hello, keep_item, ...: the same for the bodies of messages.
#define MESSAGE(name, NAME, senders, doc)                                                                              \
    static void keep_##name(struct arena *arena, struct behalf_##name *value)                                          \
    {                                                                                                                  \
        (void) arena;                                                                                                  \
        (void) value;
#define END_MESSAGE(name) }
#define TEXT(field, bytes_max, presence, doc) value->field = arena_text(arena, value->field);
#define TEXTS(field, count_max, bytes_max, presence, doc) keep_texts(arena, &value->field, value->field##_count);
#define LIST(field, record, count_max, presence, doc) KEEP_LIST(field, record)
#include <behalf/messages.def>

static void change_keep_message(struct arena *arena, struct behalf_message *message)
{
    message->memory = NULL;
    switch (message->type) {
#define MESSAGE(name, NAME, senders, doc)                                                                              \
    case BEHALF_##NAME:                                                                                                \
        keep_##name(arena, &message->name);                                                                            \
        break;
#include <behalf/messages.def>
    case BEHALF_NONE:
    case BEHALF_TYPE_COUNT:
        break;
    }
}

struct change_list *change_list_new(void)
{
    struct change_list *list = calloc(1, sizeof *list);

    must(list != NULL);
    return list;
}

void change_list_destroy(struct change_list **list_p)
{
    struct change_list *list = *list_p;

    if (list != NULL) {
        arena_fini(&list->arena);
        free(list);
        *list_p = NULL;
    }
}

void change_list_add(struct change_list *list, const struct change *change)
{
    struct change *copy = arena_allocate(&list->arena, sizeof *copy);
    change_place(copy, arena_allocate(&list->arena, change_texts_bytes(change)), change);
    if (list->last_change == NULL) {
        list->first_change = copy;
    } else {
        list->last_change->next = copy;
    }
    list->last_change = copy;
    list->change_count++;
}

void change_list_tell(struct change_list *list, const struct effect *effect)
{
    struct effect *copy = arena_allocate(&list->arena, sizeof *copy);

    *copy = *effect;
    copy->next = NULL;
    change_keep_message(&list->arena, &copy->message);
    if (list->last_effect == NULL) {
        list->first_effect = copy;
    } else {
        list->last_effect->next = copy;
    }
    list->last_effect = copy;
    list->effect_count++;
}

const struct change *change_list_changes(const struct change_list *list)
{
    return list->first_change;
}

const struct effect *change_list_effects(const struct change_list *list)
{
    return list->first_effect;
}

size_t change_list_change_count(const struct change_list *list)
{
    return list->change_count;
}

size_t change_list_effect_count(const struct change_list *list)
{
    return list->effect_count;
}

size_t change_list_bytes(const struct change_list *list)
{
    return sizeof *list + list->arena.bytes;
}

void *change_list_allocate(struct change_list *list, size_t bytes)
{
    return arena_allocate(&list->arena, bytes);
}

const char *change_list_text(struct change_list *list, const char *text)
{
    return arena_text(&list->arena, text);
}

const char *change_list_format(struct change_list *list, const char *format, ...)
{
    va_list arguments;

    char usual[USUAL_TEXT_BYTES]; // most fit, and need no second pass
    va_start(arguments, format);
    int length = vsnprintf(usual, sizeof usual, format, arguments);
    va_end(arguments);
    must(length >= 0);
    char *text = arena_allocate(&list->arena, (size_t) length + 1);
    if ((size_t) length < sizeof usual) {
        return memcpy(text, usual, (size_t) length);
    }
    va_start(arguments, format);
    vsnprintf(text, (size_t) length + 1, format, arguments);
    va_end(arguments);
    return text;
}

const char *change_list_join(struct change_list *list, const char *first, ...)
{
    va_list texts;
    size_t bytes = 0;

    va_start(texts, first);
    for (const char *text = first; text != NULL; text = va_arg(texts, const char *)) {
        bytes += strlen(text);
    }
    va_end(texts);
    char *joined = arena_allocate(&list->arena, bytes + 1);
    char *end = joined;
    va_start(texts, first);
    for (const char *text = first; text != NULL; text = va_arg(texts, const char *)) {
        size_t length = strlen(text);
        memcpy(end, text, length);
        end += length;
    }
    va_end(texts);
    return joined;
}
