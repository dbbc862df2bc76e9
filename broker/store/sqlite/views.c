// views.c - see views.h: made of tables.def, so that a column that is added there is read here, too.
//
// The tables behind them do not repeat the desk's name, and what is open lies apart from what has ended.  The views
// take whole new rows as well, and let rows be removed, so that a move carries a desk through them; the broker writes
// to the tables.

#include "broker/store/sqlite/views.h"

#include "broker/store/column_lists.h"

#define DESK "(SELECT desk FROM desk) AS desk, "

// "new.item, new.brand": all columns of a row that is put.
#define NEW(COLUMNS) COLUMNS(NEW_NAME, COMMA_NEW_NAME)
#define NEW_NAME(field, KIND, AGAIN, meaning) "new." #field
#define COMMA_NEW_NAME(field, KIND, AGAIN, meaning) ", new." #field

// The columns of an outcome where they stand behind those of the item that has ended; the item is of both.
#define NOTHING(field, KIND, AGAIN, meaning)
#define OUTCOME_NAMES COLUMNS_OF_OUTCOME(NOTHING, COMMA_OUTCOME_NAME)
#define COMMA_OUTCOME_NAME(field, KIND, AGAIN, meaning) ", outcome_" #field
#define OUTCOME_AS COLUMNS_OF_OUTCOME(NOTHING, COMMA_OUTCOME_AS)
#define COMMA_OUTCOME_AS(field, KIND, AGAIN, meaning) ", outcome_" #field " AS " #field
#define OUTCOME_NEW COLUMNS_OF_OUTCOME(NOTHING, COMMA_NEW_NAME)
#define OUTCOME_EXCLUDED COLUMNS_OF_OUTCOME(NOTHING, COMMA_OUTCOME_EXCLUDED)
#define COMMA_OUTCOME_EXCLUDED(field, KIND, AGAIN, meaning) ", outcome_" #field " = excluded.outcome_" #field
// An item of which the outcome alone is known.
#define NO_ITEM_NAMES COLUMNS_OF_ITEM(NOTHING, COMMA_NAME)
#define NO_ITEM_VALUES COLUMNS_OF_ITEM(NOTHING, COMMA_NO_VALUE)
#define COMMA_NO_VALUE(field, KIND, AGAIN, meaning) NO_VALUE_##KIND
#define NO_VALUE_ID ", 0"
#define NO_VALUE_NUMBER ", 0"
#define NO_VALUE_COUNT ", 0"
#define NO_VALUE_SMALL ", 0"
#define NO_VALUE_FLAG ", 0"
#define NO_VALUE_TEXT ", ''"
#define NO_VALUE_ITEM_STATE ", ''"

// A view of one table, which has these columns, and what finds a row of it.
#define VIEW(name, names, new_names, key)                                                                              \
    "DROP VIEW IF EXISTS " name, "CREATE VIEW " name " AS SELECT " DESK names " FROM " name "_row",                    \
        "CREATE TRIGGER " name "_put INSTEAD OF INSERT ON " name " BEGIN INSERT INTO " name "_row (" names             \
        ") VALUES (" new_names "); END",                                                                               \
        "CREATE TRIGGER " name "_remove INSTEAD OF DELETE ON " name " BEGIN DELETE FROM " name "_row WHERE " key       \
        "; END"
#define VIEW_OF(name, COLUMNS, key) VIEW(name, NAMES(COLUMNS), NEW(COLUMNS), key)

const char *const views[] = {
    VIEW_OF("intake_key", COLUMNS_OF_INTAKE_KEY, "channel = old.channel AND post = old.post AND brand = old.brand"),
    VIEW("post", NAMES(COLUMNS_OF_POST) ", sealed, edited_text, deleted, changed_ms, edited_ms",
         NEW(COLUMNS_OF_POST) ", new.sealed, new.edited_text, new.deleted, new.changed_ms, new.edited_ms",
         "item = old.item AND number = old.number"),
    VIEW("draft", NAMES(COLUMNS_OF_DRAFT) ", sealed", NEW(COLUMNS_OF_DRAFT) ", new.sealed", "item = old.item"),
    VIEW("note", NAMES(COLUMNS_OF_NOTE) ", number", NEW(COLUMNS_OF_NOTE) ", new.number",
         "item = old.item AND number = old.number"),
    VIEW_OF("reply", COLUMNS_OF_REPLY, "reply = old.reply"),
    VIEW_OF("event", COLUMNS_OF_EVENT, "sequence = old.sequence"),
    VIEW_OF("request", COLUMNS_OF_REQUEST, "slot = old.slot"),

    "DROP VIEW IF EXISTS item",
    "CREATE VIEW item AS SELECT " DESK NAMES(COLUMNS_OF_ITEM) " FROM open_item UNION ALL SELECT " DESK NAMES(
        COLUMNS_OF_ITEM) " FROM ended_item WHERE state = 'closed'",
    "CREATE TRIGGER item_put INSTEAD OF INSERT ON item WHEN new.state <> 'closed' BEGIN INSERT INTO open_item (" NAMES(
        COLUMNS_OF_ITEM) ") VALUES (" NEW(COLUMNS_OF_ITEM) "); END",
    "CREATE TRIGGER item_put_ended INSTEAD OF INSERT ON item WHEN new.state = 'closed' BEGIN INSERT INTO ended_item"
    " (" NAMES(COLUMNS_OF_ITEM) ") VALUES (" NEW(COLUMNS_OF_ITEM) "); END",
    "CREATE TRIGGER item_remove INSTEAD OF DELETE ON item BEGIN DELETE FROM open_item WHERE item = old.item;"
    " DELETE FROM ended_item WHERE item = old.item; END",

    "DROP VIEW IF EXISTS outcome",
    "CREATE VIEW outcome AS SELECT " DESK "ended, item" OUTCOME_AS " FROM ended_item WHERE ended IS NOT NULL",
    "CREATE TRIGGER outcome_put INSTEAD OF INSERT ON outcome BEGIN INSERT INTO ended_item (item" NO_ITEM_NAMES
    ", ended" OUTCOME_NAMES ") VALUES (new.item" NO_ITEM_VALUES ", new.ended" OUTCOME_NEW
    ") ON CONFLICT (item) DO UPDATE SET ended = excluded.ended" OUTCOME_EXCLUDED "; END",
    "CREATE TRIGGER outcome_remove INSTEAD OF DELETE ON outcome BEGIN DELETE FROM ended_item WHERE item = old.item; "
    "END",
};
const size_t view_count = sizeof views / sizeof *views;
