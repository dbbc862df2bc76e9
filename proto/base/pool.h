// pool.h - elements of one size, packed in chunks, each with a number of 32 bits that finds it again.
//
// For what there may be a million of: no allocator's header an element, and half a pointer for whoever refers to it.
// An element does not move while it is in the pool.  A chunk that is empty goes back to the system, but for one.

#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stddef.h>
#include <stdint.h>

struct pool_chunk;

struct pool {
    size_t element_bytes;       // set once, before anything else; at least 4
    struct pool_chunk **chunks; // NULL: given back, its numbers are free
    uint32_t chunk_count;
    uint32_t chunk_room;
    struct pool_chunk *roomy; // those with a free place, in no order
    uint32_t count;           // elements
};

// Forgets all elements.
void pool_fini(struct pool *pool);

// A zeroed element; `number` is never 0.
void *pool_take(struct pool *pool, uint32_t *number);

// Asserts: the number is of an element.
void pool_give(struct pool *pool, uint32_t number);

// The element of a number.
void *pool_at(const struct pool *pool, uint32_t number);

#endif
