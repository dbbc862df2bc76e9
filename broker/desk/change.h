// change.h - what one decision changes on disk, and whom to tell after: an ordered list in one arena.
//
// The desk appends; the store reads the changes in order and commits them in one transaction; after that
// the sessions speak the effects in order.  A list copies all texts it is given.

#ifndef DESK_CHANGE_H
#define DESK_CHANGE_H

#include "broker/desk/record.h"

#include <behalf/message.h>

// See tables.def for what each does.
#define KIND(NAME, RECORD, record, meaning) CHANGE_##NAME,
enum change_kind { CHANGE_KINDS(KIND) };
#undef KIND

#define KIND(NAME, RECORD, record, meaning) +1
enum { CHANGE_KIND_COUNT = CHANGE_KINDS(KIND) };
#undef KIND

struct change {
    struct change *next;
    enum change_kind kind;
    union {
        struct post_record post;
        struct post_change_record post_change;
        struct post_again_record post_again;
        struct early_record early;
        struct item_record item;
        struct draft_record draft;
        struct note_record note;
        struct reply_record reply;
        struct event_record event;
        struct outcome_record outcome;
        struct rules_record rules;
        struct freeze_record freeze;
        struct request_record request;
        struct seal_record seal;
    };
};

// Of which record a kind of change is, and that record in a change.
enum record change_record_of(enum change_kind kind);
const void *change_record(const struct change *change);

enum effect_kind {
    EFFECT_SEND,      // `message` as it is
    EFFECT_SHOW_ITEM, // an ITEM for `item` under `lease`, filled from the store, if the desk still says so then
    EFFECT_HAND_REPLY // a REPLY for `reply`, filled from the store, if it is still handed to this session
};

struct effect {
    struct effect *next;
    enum effect_kind kind;
    uint64_t session;              // to whom: a session's number
    struct behalf_message message; // SEND: its texts are in the list's arena; memory is NULL
    uint64_t item;
    uint64_t lease;
    uint64_t reply;
    uint32_t attempt; // HAND_REPLY: at the reply
    bool again;       // HAND_REPLY: it was handed to this instance before, which may not have heard
};

struct change_list;

struct change_list *change_list_new(void);
void change_list_destroy(struct change_list **list_p);

// Copies a change with its texts and appends it.
void change_list_add(struct change_list *list, const struct change *change);

// Copies an effect, with the message it may hold, and appends it.
void change_list_tell(struct change_list *list, const struct effect *effect);

// The heads of the two lists; NULL when empty.
const struct change *change_list_changes(const struct change_list *list);
const struct effect *change_list_effects(const struct change_list *list);
size_t change_list_change_count(const struct change_list *list);
size_t change_list_effect_count(const struct change_list *list);
size_t change_list_bytes(const struct change_list *list); // memory it holds, for bounds

// Memory that lives as long as the list: a copy of a text ("" for NULL), or formatted.
void *change_list_allocate(struct change_list *list, size_t bytes); // zeroed
const char *change_list_text(struct change_list *list, const char *text);
const char *change_list_format(struct change_list *list, const char *format, ...) __attribute__((format(printf, 2, 3)));

// The same of texts behind each other, up to a NULL; costs a tenth of formatting them.
const char *change_list_join(struct change_list *list, const char *first, ...) __attribute__((sentinel));

#endif
