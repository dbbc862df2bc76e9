// table.h - a hash table from 64-bit keys to pointers, by linear probing.
//
// Keys are ids or SipHash values, so their bits are mixed again only cheaply.  Several elements may have the same
// key; table_find then gives any of them.  It owns only its array.  A zeroed table is empty and ready.

#ifndef BASE_TABLE_H
#define BASE_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct table_entry {
    uint64_t key;
    void *element; // NULL: free
};

struct table {
    struct table_entry *entries;
    size_t capacity; // a power of two, or 0
    size_t count;
};

void table_fini(struct table *table);

// The element with this key, or NULL.
void *table_find(const struct table *table, uint64_t key);

void table_put(struct table *table, uint64_t key, void *element);

// Removes exactly this element under this key; does nothing if it is not there.
void table_remove(struct table *table, uint64_t key, const void *element);

// Visits all in no order: start with *place 0, ends with NULL.  The table must not change meanwhile.
void *table_next(const struct table *table, size_t *place);

#endif
