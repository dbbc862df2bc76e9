// move_table.c - the tables of a desk in the order in which they are carried.
//
// Their columns are those of tables.def, and those that the engines make themselves.

#include "broker/store/move/move_table.h"

#include "broker/desk/tables.def"

#define COUNT(columns) (int) (sizeof(columns) / sizeof *(columns))

#define COLUMN(field, KIND, AGAIN, meaning) { #field, MOVE_TYPE_##KIND, NULL },
#define OF_POSTGRES(field, KIND, sqlite) { #field, MOVE_TYPE_##KIND, sqlite },
#define MOVE_TYPE_ID MOVE_NUMBER
#define MOVE_TYPE_NUMBER MOVE_NUMBER
#define MOVE_TYPE_COUNT MOVE_NUMBER
#define MOVE_TYPE_SMALL MOVE_NUMBER
#define MOVE_TYPE_FLAG MOVE_FLAG
#define MOVE_TYPE_TEXT MOVE_TEXT
#define MOVE_TYPE_TEXT_OR_NULL MOVE_TEXT_OR_NULL
#define MOVE_TYPE_ITEM_STATE MOVE_TEXT
#define MOVE_TYPE_REPLY_STATE MOVE_TEXT

static const struct move_column rules[] = { COLUMNS_OF_RULES(COLUMN, COLUMN) };

static const struct move_column freezes[] = { COLUMNS_OF_FREEZE(COLUMN, COLUMN) };

static const struct move_column posts[] = { COLUMNS_OF_POST(COLUMN, COLUMN) COLUMN(sealed, FLAG, , )
                                                COLUMN(edited_text, TEXT_OR_NULL, , ) COLUMN(deleted, FLAG, , )
                                                    COLUMN(changed_ms, NUMBER, , ) COLUMN(edited_ms, NUMBER, , ) };

static const struct move_column early_changes[] = { COLUMNS_OF_EARLY(COLUMN, COLUMN) };

static const struct move_column intake_keys[] = { COLUMNS_OF_INTAKE_KEY(COLUMN, COLUMN) };

static const struct move_column items[] = { COLUMNS_OF_ITEM(COLUMN, COLUMN) };

static const struct move_column drafts[] = { COLUMNS_OF_DRAFT(COLUMN, COLUMN) COLUMN(sealed, FLAG, , ) };

// The key of a note is its item and a number that the store gives it.
#define ITEM_THEN_NUMBER(field, KIND, AGAIN, meaning)                                                                  \
    COLUMN(field, KIND, AGAIN, meaning)                                                                                \
    COLUMN(number, COUNT, , )
static const struct move_column notes[] = { COLUMNS_OF_NOTE(ITEM_THEN_NUMBER, COLUMN) };

static const struct move_column replies[] = { COLUMNS_OF_REPLY(COLUMN, COLUMN) };

static const struct move_column events[] = { COLUMNS_OF_EVENT(COLUMN, COLUMN) };

static const struct move_column outcomes[] = { COLUMN(ended, NUMBER, , ) COLUMNS_OF_OUTCOME(COLUMN, COLUMN)
                                                   OF_POSTGRES(service_ms, NUMBER, "closed_ms - created_ms") };

static const struct move_column requests[] = { COLUMNS_OF_REQUEST(COLUMN, COLUMN) };

// The places of columns, for those by whose month PostgreSQL cuts a table.
#define PLACE(field, KIND, AGAIN, meaning) POST_##field,
enum { COLUMNS_OF_POST(PLACE, PLACE) };
#undef PLACE
#define PLACE(field, KIND, AGAIN, meaning) EVENT_##field,
enum { COLUMNS_OF_EVENT(PLACE, PLACE) };
#undef PLACE

const struct move_table move_tables[] = {
    { "rules", "rules", 1, COUNT(rules), rules, 4, -1, NULL },
    { "brand_freeze", "freeze", 1, COUNT(freezes), freezes, 1000, -1, "brand COLLATE \"C\"" },
    { "post", "post", 2, COUNT(posts), posts, 250, POST_taken_ms, NULL },
    { "intake_key", "intake_key", 3, COUNT(intake_keys), intake_keys, 2000, -1, NULL },
    { "early_change", "early_change", 3, COUNT(early_changes), early_changes, 250, -1, NULL },
    { "item", "item", 1, COUNT(items), items, 1000, -1, NULL },
    { "draft", "draft", 1, COUNT(drafts), drafts, 250, -1, NULL },
    { "note", "note", 2, COUNT(notes), notes, 1000, -1, NULL },
    { "reply", "reply", 1, COUNT(replies), replies, 250, -1, NULL },
    { "event", "event", 1, COUNT(events), events, 2000, EVENT_at_ms, NULL },
    { "outcome", "outcome", 1, COUNT(outcomes), outcomes, 1000, -1, NULL },
    { "request", "request", 1, COUNT(requests), requests, 2000, -1, NULL },
};
const size_t move_table_count = sizeof move_tables / sizeof *move_tables;
