// many.c - what differs from copy to copy; see many.h.

#include "tests/bench/many.h"

#include <string.h>

#define OTHER_ID(column) "" column " + $1 * $2"
#define OTHER_KEY(column) "(" column " | $1) - (" column " & $1)" // exclusive or
#define OTHER_TEXT(column) "" column " || '-' || CAST($1 AS text)"

const struct many_table many_tables[MANY_TABLE_COUNT] = {
    { "post",
      { { "item", OTHER_ID("item") },
        { "post", OTHER_TEXT("post") },
        { "author", OTHER_TEXT("author") },
        { "thread", OTHER_TEXT("thread") },
        { "author_key", OTHER_KEY("author_key") } } },
    { "intake_key", { { "item", OTHER_ID("item") }, { "post", OTHER_TEXT("post") } } },
    { "item",
      { { "item", OTHER_ID("item") },
        { "thread_key", OTHER_KEY("thread_key") },
        { "author_key", OTHER_KEY("author_key") } } },
    { "event", { { "item", OTHER_ID("item") }, { "sequence", "sequence + $1 * $3" } } },
};

const char *many_value(const struct many_table *table, const char *column)
{
    for (size_t i = 0; i < MANY_COLUMNS_MAX && table->differs[i].column != NULL; i++) {
        if (strcmp(table->differs[i].column, column) == 0) {
            return table->differs[i].value;
        }
    }
    return column;
}
