// record_samples.c - samples made of tables.def, so that a column added there is in every test that uses them.

#include "tests/unit/record_samples.h"

#include <string.h>

// Hashes have their highest bit as often as not: an engine that keeps them as signed numbers must give it back.
static bool is_hash(const char *name)
{
    size_t length = strlen(name);

    return strcmp(name, "digest") == 0 || (length > 4 && strcmp(name + length - 4, "_key") == 0);
}

static int64_t sample_number(const struct column *column, size_t place, unsigned number)
{
    int64_t value = 1000 * (int64_t) (number + 1) + (int64_t) place;

    return is_hash(column->name) ? (int64_t) (UINT64_C(0xA000000000000000) + (uint64_t) value) : value;
}

struct change record_sample(struct change_list *memory, enum change_kind kind, unsigned number)
{
    struct change change = { .kind = kind };
    const struct record_columns *all = columns_of(change_record_of(kind));
    void *record = &change.post; // where every record begins
    unsigned flags = 0;

    for (size_t i = 0; i < all->count; i++) {
        const struct column *column = &all->columns[i];
        switch (column->kind) {
        case COLUMN_TEXT:
        case COLUMN_TEXT_OR_NULL:
            column_set_text(column, record, change_list_format(memory, "%s %u \u00e9", column->name, number));
            break;
        case COLUMN_FLAG:
            column_set_number(column, record, ++flags >> number % RECORD_SAMPLES & 1);
            break;
        case COLUMN_SMALL:
            column_set_number(column, record, (int64_t) (60 * (number % RECORD_SAMPLES) + i));
            break;
        case COLUMN_ITEM_STATE:
            column_set_number(column, record, number % ITEM_STATE_COUNT);
            break;
        case COLUMN_REPLY_STATE:
            column_set_number(column, record, number % REPLY_STATE_COUNT);
            break;
        case COLUMN_ID:
        case COLUMN_NUMBER:
        case COLUMN_COUNT:
            column_set_number(column, record, sample_number(column, i, number));
            break;
        }
    }
    return change;
}

static bool is_same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

const char *record_difference(enum record record, const void *a, const void *b)
{
    const struct record_columns *all = columns_of(record);

    for (size_t i = 0; i < all->count; i++) {
        const struct column *column = &all->columns[i];
        bool is_text = column->kind == COLUMN_TEXT || column->kind == COLUMN_TEXT_OR_NULL;
        bool same = is_text ? is_same_text(column_text(column, a), column_text(column, b))
                            : column_number(column, a) == column_number(column, b);
        if (!same) {
            return column->name;
        }
    }
    return NULL;
}
