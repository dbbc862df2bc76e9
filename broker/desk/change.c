// change.c - the list of changes and effects, and the copying of records with their texts.
//
// Which fields of a record are texts is said once, in the tables below; which fields of a message are, the
// tables of the protocol say.

#include "broker/desk/change.h"

#include "proto/base/arena.h"
#include "proto/base/must.h"

#include <stdarg.h>
#include <string.h>

struct change_list {
    struct arena arena;
    struct change *first_change;
    struct change *last_change;
    size_t change_count;
    struct effect *first_effect;
    struct effect *last_effect;
    size_t effect_count;
};

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define AT(record, field) offsetof(struct change, record.field)

static const size_t post_texts[] = {
    AT(post, channel),
    AT(post, post),
    AT(post, brand),
    AT(post, author),
    AT(post, text),
    AT(post, thread),
    AT(post, parent),
    AT(post, author_name),
    AT(post, link),
    AT(post, language),
    AT(post, platform_language),
};
static const size_t post_change_texts[] = { AT(post_change, channel), AT(post_change, post), AT(post_change, brand),
                                            AT(post_change, text) };
static const size_t post_again_texts[] = { AT(post_again, channel), AT(post_again, post), AT(post_again, brand) };
static const size_t early_texts[] = { AT(early, channel), AT(early, post), AT(early, text) };
static const size_t item_texts[] = {
    AT(item, brand),     AT(item, channel),  AT(item, audience),  AT(item, language),
    AT(item, skills),    AT(item, person),   AT(item, preferred), AT(item, reason),
    AT(item, escalated), AT(item, draft_by), AT(item, outcome),
};
static const size_t draft_texts[] = { AT(draft, person), AT(draft, text) };
static const size_t note_texts[] = { AT(note, kind), AT(note, person), AT(note, text) };
static const size_t reply_texts[] = {
    AT(reply, brand), AT(reply, channel),  AT(reply, person),    AT(reply, text),
    AT(reply, key),   AT(reply, instance), AT(reply, reference), AT(reply, reason),
};
static const size_t event_texts[] = {
    AT(event, kind), AT(event, person), AT(event, queue), AT(event, rule), AT(event, detail),
};
static const size_t outcome_texts[] = {
    AT(outcome, outcome), AT(outcome, brand),  AT(outcome, language), AT(outcome, audience),
    AT(outcome, person),  AT(outcome, agency), AT(outcome, reason),   AT(outcome, escalated),
};
static const size_t rules_texts[] = { AT(rules, name), AT(rules, text) };
static const size_t freeze_texts[] = { AT(freeze, brand), AT(freeze, person), AT(freeze, reason) };
static const size_t request_texts[] = {
    AT(request, role),
    AT(request, principal),
    AT(request, type),
    AT(request, state),
};

static const struct {
    const size_t *offsets;
    size_t count;
} kind_texts[] = {
    [CHANGE_POST] = { post_texts, COUNT(post_texts) },
    [CHANGE_POST_CHANGE] = { post_change_texts, COUNT(post_change_texts) },
    [CHANGE_POST_AGAIN] = { post_again_texts, COUNT(post_again_texts) },
    [CHANGE_EARLY] = { early_texts, COUNT(early_texts) },
    [CHANGE_EARLY_GONE] = { early_texts, COUNT(early_texts) },
    [CHANGE_ITEM] = { item_texts, COUNT(item_texts) },
    [CHANGE_DRAFT] = { draft_texts, COUNT(draft_texts) },
    [CHANGE_NOTE] = { note_texts, COUNT(note_texts) },
    [CHANGE_REPLY] = { reply_texts, COUNT(reply_texts) },
    [CHANGE_EVENT] = { event_texts, COUNT(event_texts) },
    [CHANGE_OUTCOME] = { outcome_texts, COUNT(outcome_texts) },
    [CHANGE_RULES] = { rules_texts, COUNT(rules_texts) },
    [CHANGE_FREEZE] = { freeze_texts, COUNT(freeze_texts) },
    [CHANGE_REQUEST] = { request_texts, COUNT(request_texts) },
    [CHANGE_SEAL] = { NULL, 0 },
    [CHANGE_UNSEAL] = { NULL, 0 },
};

static const char **text_at(struct change *change, size_t offset)
{
    return (const char **) (void *) ((char *) change + offset);
}

// A reply's text may be NULL: it says that the text written before stays.
static bool stays_null(const struct change *change, size_t offset)
{
    return change->kind == CHANGE_REPLY && offset == AT(reply, text);
}

static size_t texts_bytes(const struct change *change)
{
    size_t bytes = 0;

    for (size_t i = 0; i < kind_texts[change->kind].count; i++) {
        const char *text = *text_at((struct change *) change, kind_texts[change->kind].offsets[i]);
        bytes += text == NULL ? 0 : strlen(text) + 1;
    }
    return bytes;
}

// Copies the change to `copy` and its texts behind it, into memory of texts_bytes.
static void place(struct change *copy, char *memory, const struct change *change)
{
    *copy = *change;
    copy->next = NULL;
    for (size_t i = 0; i < kind_texts[change->kind].count; i++) {
        size_t offset = kind_texts[change->kind].offsets[i];
        const char **text = text_at(copy, offset);
        if (*text == NULL) {
            *text = stays_null(change, offset) ? NULL : "";
            continue;
        }
        size_t bytes = strlen(*text) + 1;
        memcpy(memory, *text, bytes);
        *text = memory;
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

static void keep_message(struct arena *arena, struct behalf_message *message)
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
    must((size_t) change->kind < COUNT(kind_texts));
    struct change *copy = arena_allocate(&list->arena, sizeof *copy);
    place(copy, arena_allocate(&list->arena, texts_bytes(change)), change);
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
    keep_message(&list->arena, &copy->message);
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

    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    must(length >= 0);
    char *text = arena_allocate(&list->arena, (size_t) length + 1);
    va_start(arguments, format);
    vsnprintf(text, (size_t) length + 1, format, arguments);
    va_end(arguments);
    return text;
}

struct change *change_copy(const struct change *change)
{
    must((size_t) change->kind < COUNT(kind_texts));
    struct change *copy = malloc(sizeof *copy + texts_bytes(change));
    must(copy != NULL);
    place(copy, (char *) (copy + 1), change);
    return copy;
}
