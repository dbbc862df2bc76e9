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

int64_t column_number(const struct column *column, const void *record)
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

const char *column_text(const struct column *column, const void *record)
{
    return *(const char *const *) (const void *) ((const char *) record + column->offset);
}

void column_set_number(const struct column *column, void *record, int64_t number)
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

void column_set_text(const struct column *column, void *record, const char *text)
{
    *(const char **) (void *) ((char *) record + column->offset) = text;
}
