// column_lists.h - lists of a record's columns as texts, for the statements of both engines.
//
// COLUMNS is one of the lists of tables.def, as COLUMNS_OF_ITEM.  What an engine has for itself its statements.def
// makes in the same way.

#ifndef STORE_COLUMN_LISTS_H
#define STORE_COLUMN_LISTS_H

#include "broker/desk/tables.def"

// "item, brand, channel": all columns.
#define NAMES(COLUMNS) COLUMNS(NAME, COMMA_NAME)
#define NAME(field, KIND, AGAIN, meaning) #field
#define COMMA_NAME(field, KIND, AGAIN, meaning) ", " #field

// ", person = excluded.person, ...": those of which the last one written holds.
#define LAST_EXCLUDED(COLUMNS) COLUMNS(COMMA_LAST_EXCLUDED, COMMA_LAST_EXCLUDED)
#define COMMA_LAST_EXCLUDED(field, KIND, AGAIN, meaning) IF_LAST_##AGAIN(", " #field " = excluded." #field)

// ", channel, ..." and ", p.channel, ...": those that stay as they were written first.
#define STAYING_NAMES(COLUMNS) COLUMNS(COMMA_STAYING_NAME, COMMA_STAYING_NAME)
#define COMMA_STAYING_NAME(field, KIND, AGAIN, meaning) IF_STAYS_##AGAIN(", " #field)
#define STAYING_OF_P(COLUMNS) COLUMNS(COMMA_STAYING_OF_P, COMMA_STAYING_OF_P)
#define COMMA_STAYING_OF_P(field, KIND, AGAIN, meaning) IF_STAYS_##AGAIN(", p." #field)

// A text for columns that are LAST or that are STAYS, nothing for the others.
#define IF_LAST_KEY(text)
#define IF_LAST_LAST(text) text
#define IF_LAST_STAYS(text)
#define IF_LAST_EVER(text)
#define IF_STAYS_KEY(text)
#define IF_STAYS_LAST(text)
#define IF_STAYS_STAYS(text) text
#define IF_STAYS_EVER(text)

#endif
