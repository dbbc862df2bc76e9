// heap.h - a binary heap of a pool's elements that know their own place in it, so that any can leave at any time.
//
// The element embeds a `uint32_t` slot that the heap keeps up to date: 0 when it is in no heap, else its place
// counted from 1.  The heap owns only its array of numbers, 4 to 4.5 bytes an element.  A zeroed heap with its pool and
// functions set is empty and ready.

#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include "proto/base/pool.h"

#include <stdbool.h>

struct heap {
    const struct pool *pool; // of the elements; borrowed
    uint32_t *numbers;       // of the elements; [0] is the first
    uint32_t count;
    uint32_t capacity;
    // True if `one` comes before `other`; must be a strict order; when it changes, see heap_reorder.
    bool (*before)(const struct heap *heap, const void *one, const void *other);
    uint32_t *(*slot)(void *element);
    uint32_t (*number)(const void *element); // in the pool
    const void *context;                     // for `before`
};

void heap_fini(struct heap *heap);

// Asserts: the element is in no heap through this slot.
void heap_push(struct heap *heap, void *element);

// Asserts: the element is in this heap.
void heap_remove(struct heap *heap, void *element);

// Puts one element that is in the heap back in order after its own place in the order has changed.
void heap_reorder(struct heap *heap, void *element);

// Whether the element is in this heap, rather than in none or in another one through the same slot.
bool heap_has(const struct heap *heap, const void *element);

// The first element, or NULL.
void *heap_first(const struct heap *heap);

// Puts all in order again after the order itself has changed.
void heap_rebuild(struct heap *heap);

// Walks the first elements in order without taking them out.  Visits at most HEAP_WALK_MAX, which bounds
// both its time and its memory.
#define HEAP_WALK_MAX 128
struct heap_walk {
    const struct heap *heap;
    uint32_t frontier[HEAP_WALK_MAX + 1];
    uint32_t frontier_count;
    uint32_t visited;
};
void heap_walk_init(struct heap_walk *walk, const struct heap *heap);
void *heap_walk_next(struct heap_walk *walk);

// Stops the program if order or slots are broken.
void heap_check(const struct heap *heap);

#endif
