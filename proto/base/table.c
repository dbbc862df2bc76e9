// table.c - linear probing with deletion by shifting back; see table.h.

#include "proto/base/table.h"

#include "proto/base/hash.h"
#include "proto/base/must.h"

void table_fini(struct table *table)
{
    free(table->entries);
    *table = (struct table){ 0 };
}

// Consecutive ids spread, hashes stay spread.
static size_t table_home(const struct table *table, uint64_t key)
{
    return (size_t) (hash_number(key) >> 32) & (table->capacity - 1);
}

void *table_find(const struct table *table, uint64_t key)
{
    if (!table->capacity) {
        return NULL;
    }
    for (size_t i = table_home(table, key); table->entries[i].element != NULL; i = (i + 1) & (table->capacity - 1)) {
        if (table->entries[i].key == key) {
            return table->entries[i].element;
        }
    }
    return NULL;
}

static void table_insert(struct table *table, uint64_t key, void *element)
{
    size_t i = table_home(table, key);
    while (table->entries[i].element != NULL) {
        i = (i + 1) & (table->capacity - 1);
    }
    table->entries[i] = (struct table_entry){ key, element };
}

static void table_grow(struct table *table)
{
    struct table_entry *old = table->entries;
    size_t old_capacity = table->capacity;
    table->capacity = old_capacity ? old_capacity * 2 : 16;
    table->entries = calloc(table->capacity, sizeof *table->entries);
    must(table->entries);
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i].element != NULL) {
            table_insert(table, old[i].key, old[i].element);
        }
    }
    free(old);
}

void table_put(struct table *table, uint64_t key, void *element)
{
    must(element);
    if ((table->count + 1) * 4 > table->capacity * 3) {
        table_grow(table);
    }
    table_insert(table, key, element);
    table->count++;
}

void table_remove(struct table *table, uint64_t key, const void *element)
{
    if (!table->capacity) {
        return;
    }
    size_t mask = table->capacity - 1;
    size_t hole = table_home(table, key);
    while (table->entries[hole].element != NULL &&
           (table->entries[hole].element != element || table->entries[hole].key != key)) {
        hole = (hole + 1) & mask;
    }
    if (table->entries[hole].element == NULL) {
        return;
    }
    table->count--;
    // What comes behind the hole moves up if its home is not between the hole and where it is.
    for (size_t i = (hole + 1) & mask; table->entries[i].element != NULL; i = (i + 1) & mask) {
        size_t distance = (i - table_home(table, table->entries[i].key)) & mask;
        if (distance >= ((i - hole) & mask)) {
            table->entries[hole] = table->entries[i];
            hole = i;
        }
    }
    table->entries[hole] = (struct table_entry){ 0 };
}

void *table_next(const struct table *table, size_t *place)
{
    while (*place < table->capacity) {
        void *element = table->entries[(*place)++].element;
        if (element != NULL) {
            return element;
        }
    }
    return NULL;
}
