// record.c - the columns of tables.def as data, and a column of a record by its place.

#include "broker/desk/record.h"

#include "proto/base/must.h"

// post_columns, item_columns, ...: of one record.  Its struct is named only here, hence the typedef.
#define COLUMN(field, KIND, AGAIN, meaning) { #field, COLUMN_##KIND, offsetof(of, field) },
#define IF_TEXT(field, KIND, AGAIN, meaning) IF_TEXT_##KIND(field)
#define IF_TEXT_ID(field)
#define IF_TEXT_NUMBER(field)
#define IF_TEXT_COUNT(field)
#define IF_TEXT_SMALL(field)
#define IF_TEXT_FLAG(field)
#define IF_TEXT_ITEM_STATE(field)
#define IF_TEXT_REPLY_STATE(field)
#define IF_TEXT_TEXT(field) COLUMN(field, TEXT, , )
#define IF_TEXT_TEXT_OR_NULL(field) COLUMN(field, TEXT_OR_NULL, , )
#define RECORD(NAME, name)                                                                                             \
    static const struct record_columns *name##_columns(void)                                                           \
    {                                                                                                                  \
        typedef struct name##_record of;                                                                               \
        static const struct column columns[] = { COLUMNS_OF_##NAME(COLUMN, COLUMN) };                                  \
        static const struct column texts[] = { COLUMNS_OF_##NAME(IF_TEXT, IF_TEXT){ NULL, COLUMN_TEXT, 0 } };          \
        static const struct record_columns all = { columns, sizeof columns / sizeof *columns, texts, sizeof(of) };     \
        return &all;                                                                                                   \
    }
RECORDS(RECORD)
#undef RECORD
#undef COLUMN

const struct record_columns *columns_of(enum record record)
{
    switch (record) {
#define RECORD(NAME, name)                                                                                             \
    case RECORD_##NAME:                                                                                                \
        return name##_columns();
        RECORDS(RECORD)
#undef RECORD
    case RECORD_COUNT:
        break;
    }
    must(false);
    return NULL;
}
