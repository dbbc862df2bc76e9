// lookup.h - a hash table that finds a pool's elements by a 64-bit key which they hold themselves.
//
// A place takes 8 bytes, part of the hash and the element's number, and between 13 and 16 places in 20 are used: 10 to
// 12.5 bytes an element.  Several elements may have the same key; lookup_find then gives any of them.

#ifndef DESK_LOOKUP_H
#define DESK_LOOKUP_H

#include "proto/base/pool.h"

struct lookup_place {
    uint32_t hash;
    uint32_t number; // 0: free
};

// Empty and ready once `pool` and `key` are set and the rest is zero.
struct lookup {
    const struct pool *pool; // borrowed
    uint64_t (*key)(const void *element);
    struct lookup_place *places;
    size_t capacity;
    size_t count;
};

void lookup_fini(struct lookup *lookup);

// The element with this key, or NULL; its number, or 0.
void *lookup_find(const struct lookup *lookup, uint64_t key);
uint32_t lookup_find_number(const struct lookup *lookup, uint64_t key);

// The element of this number, whose key must not change from now on.
void lookup_put(struct lookup *lookup, uint32_t number);

// Asserts: the element of this number is in it.
void lookup_remove(struct lookup *lookup, uint32_t number);

// Visits all in no order: start with *place 0, ends with NULL.  The lookup must not change meanwhile.
void *lookup_next(const struct lookup *lookup, size_t *place);

#endif
