// recent.c - the ring of threads and authors, and the table that finds them in it; see recent.h.

#include "broker/desk/recent.h"

#include "proto/base/must.h"

void recent_fini(struct recent *recent)
{
    free(recent->rows);
    table_fini(&recent->table);
    *recent = (struct recent){ 0 };
}

struct recent_row *recent_find(const struct recent *recent, uint64_t key)
{
    return table_find(&recent->table, key);
}

struct recent_row *recent_require(struct recent *recent, uint64_t key)
{
    struct recent_row *row = recent_find(recent, key);
    if (row != NULL) {
        return row;
    }
    if (recent->rows == NULL) {
        recent->rows = calloc(RECENT_MAX, sizeof *recent->rows);
        must(recent->rows);
    }
    row = &recent->rows[recent->next];
    recent->next = (recent->next + 1) % RECENT_MAX;
    table_remove(&recent->table, row->key, row);
    *row = (struct recent_row){ .key = key, .person = POLICY_NONE, .with = POLICY_NONE };
    table_put(&recent->table, key, row);
    return row;
}
