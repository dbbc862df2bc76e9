// record.h - what is kept on disk of a desk, as structs.
//
// Their fields are said in tables.def, with what each means.  The desk writes them as changes (change.h), every store
// engine keeps them and gives the same ones back (broker/store/engine.h).  They name things by text, as indexes hold
// only within one process; texts are borrowed, never NULL unless the field says so.

#ifndef DESK_RECORD_H
#define DESK_RECORD_H

#include "broker/desk/tables.def"
#include "proto/base/must.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Of an item.  Names: item_state_name in desk.h.
enum item_state { ITEM_WAITING, ITEM_OFFERED, ITEM_HELD, ITEM_PARKED, ITEM_SENDING, ITEM_CLOSED, ITEM_STATE_COUNT };

// Of a reply in the outbox.
enum reply_state {
    REPLY_QUEUED,    // not handed out yet
    REPLY_HANDED,    // a connector instance has it
    REPLY_CONFIRMED, // published
    REPLY_FAILED,    // surely not published; the item went back
    REPLY_UNKNOWN,   // may be published; a person decides
    REPLY_WITHDRAWN, // never handed out: its post was deleted, or the item taken back
    REPLY_STATE_COUNT
};

// Requests that took effect are remembered this long: of a desk this many, the newest, of one principal this many of
// them.  They are kept in slots, in memory and on disk.
#define REQUESTS_KEPT_MS (INT64_C(24) * 60 * 60 * 1000)
#define REQUESTS_KEPT_MAX UINT64_C(262144)
#define REQUESTS_OF_ONE_MAX UINT64_C(16384)
static_assert(REQUESTS_KEPT_MAX % 64 == 0 && REQUESTS_OF_ONE_MAX <= REQUESTS_KEPT_MAX / 16,
              "slots are bits of whole words, and no principal has more than a small part of them");

// What C has for each kind of column.
#define FIELD_TYPE_ID uint64_t
#define FIELD_TYPE_NUMBER int64_t
#define FIELD_TYPE_COUNT uint32_t
#define FIELD_TYPE_SMALL uint8_t
#define FIELD_TYPE_FLAG bool
#define FIELD_TYPE_TEXT const char *
#define FIELD_TYPE_TEXT_OR_NULL const char *
#define FIELD_TYPE_ITEM_STATE enum item_state
#define FIELD_TYPE_REPLY_STATE enum reply_state
#define FIELD(field, KIND, AGAIN, meaning) FIELD_TYPE_##KIND field;

struct post_record {
    COLUMNS_OF_POST(FIELD, FIELD)
};

struct intake_key_record {
    COLUMNS_OF_INTAKE_KEY(FIELD, FIELD)
};

struct post_change_record {
    COLUMNS_OF_POST_CHANGE(FIELD, FIELD)
};

struct post_again_record {
    COLUMNS_OF_POST_AGAIN(FIELD, FIELD)
};

struct early_record {
    COLUMNS_OF_EARLY(FIELD, FIELD)
};

struct item_record {
    COLUMNS_OF_ITEM(FIELD, FIELD)
};

struct draft_record {
    COLUMNS_OF_DRAFT(FIELD, FIELD)
};

struct note_record {
    COLUMNS_OF_NOTE(FIELD, FIELD)
};

struct reply_record {
    COLUMNS_OF_REPLY(FIELD, FIELD)
};

struct event_record {
    COLUMNS_OF_EVENT(FIELD, FIELD)
};

struct outcome_record {
    COLUMNS_OF_OUTCOME(FIELD, FIELD)
};

struct rules_record {
    COLUMNS_OF_RULES(FIELD, FIELD)
    bool reviewed; // read back: all items that were open then have been looked at under them
};

struct freeze_record {
    COLUMNS_OF_FREEZE(FIELD, FIELD)
};

struct request_record {
    COLUMNS_OF_REQUEST(FIELD, FIELD)
};

struct seal_record {
    COLUMNS_OF_SEAL(FIELD, FIELD)
};
#undef FIELD

// ---- the same as data, for who treats all columns alike ----

enum column_kind {
    COLUMN_ID,
    COLUMN_NUMBER,
    COLUMN_COUNT,
    COLUMN_SMALL,
    COLUMN_FLAG,
    COLUMN_TEXT,
    COLUMN_TEXT_OR_NULL,
    COLUMN_ITEM_STATE,
    COLUMN_REPLY_STATE
};

struct column {
    const char *name;
    enum column_kind kind;
    size_t offset; // in the record
};

#define RECORD(NAME, name) RECORD_##NAME,
enum record { RECORDS(RECORD) RECORD_COUNT };
#undef RECORD

struct record_columns {
    const struct column *columns; // in the order of tables.def
    size_t count;
    const struct column *texts; // those that are texts; behind the last is one without a name
    size_t record_bytes;        // of the struct
};

const struct record_columns *columns_of(enum record record);

// A column of a record, by what it is: the caller knows its kind.  An ID comes as a number with the same bits, a state
// as the number of its enum.  In the header, as all that is written and read goes this way, column by column.
static inline int64_t column_number(const struct column *column, const void *record)
{
    const void *field = (const char *) record + column->offset;

    switch (column->kind) {
    case COLUMN_ID:
        return (int64_t) * (const uint64_t *) field;
    case COLUMN_NUMBER:
        return *(const int64_t *) field;
    case COLUMN_COUNT:
        return *(const uint32_t *) field;
    case COLUMN_SMALL:
        return *(const uint8_t *) field;
    case COLUMN_FLAG:
        return *(const bool *) field;
    case COLUMN_ITEM_STATE:
        return *(const enum item_state *) field;
    case COLUMN_REPLY_STATE:
        return *(const enum reply_state *) field;
    case COLUMN_TEXT:
    case COLUMN_TEXT_OR_NULL:
        break;
    }
    must(false);
    return 0;
}

static inline const char *column_text(const struct column *column, const void *record)
{
    return *(const char *const *) (const void *) ((const char *) record + column->offset);
}

static inline void column_set_number(const struct column *column, void *record, int64_t number)
{
    void *field = (char *) record + column->offset;

    switch (column->kind) {
    case COLUMN_ID:
        *(uint64_t *) field = (uint64_t) number;
        return;
    case COLUMN_NUMBER:
        *(int64_t *) field = number;
        return;
    case COLUMN_COUNT:
        *(uint32_t *) field = (uint32_t) number;
        return;
    case COLUMN_SMALL:
        *(uint8_t *) field = (uint8_t) number;
        return;
    case COLUMN_FLAG:
        *(bool *) field = number != 0;
        return;
    case COLUMN_ITEM_STATE:
        *(enum item_state *) field = (enum item_state) number;
        return;
    case COLUMN_REPLY_STATE:
        *(enum reply_state *) field = (enum reply_state) number;
        return;
    case COLUMN_TEXT:
    case COLUMN_TEXT_OR_NULL:
        break;
    }
    must(false);
}

static inline void column_set_text(const struct column *column, void *record, const char *text)
{
    *(const char **) (void *) ((char *) record + column->offset) = text;
}

#endif
