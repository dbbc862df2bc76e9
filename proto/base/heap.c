// heap.c - sifting up and down, telling each element its place; see heap.h.

#include "proto/base/heap.h"

#include "proto/base/must.h"

#include <stdlib.h>

void heap_fini(struct heap *heap)
{
    free(heap->numbers);
    heap->numbers = NULL;
    heap->count = heap->capacity = 0;
}

static void *at(const struct heap *heap, uint32_t index)
{
    return pool_at(heap->pool, heap->numbers[index]);
}

static void heap_place(struct heap *heap, uint32_t index, void *element)
{
    heap->numbers[index] = heap->number(element);
    *heap->slot(element) = index + 1;
}

static void heap_rise(struct heap *heap, uint32_t index)
{
    void *element = at(heap, index);
    while (index > 0) {
        uint32_t parent = (index - 1) / 2;
        void *above = at(heap, parent);
        if (!heap->before(heap, element, above)) {
            break;
        }
        heap_place(heap, index, above);
        index = parent;
    }
    heap_place(heap, index, element);
}

static void heap_sink(struct heap *heap, uint32_t index)
{
    void *element = at(heap, index);
    for (;;) {
        uint32_t child = 2 * index + 1;
        if (child >= heap->count) {
            break;
        }
        void *below = at(heap, child);
        if (child + 1 < heap->count && heap->before(heap, at(heap, child + 1), below)) {
            below = at(heap, ++child);
        }
        if (!heap->before(heap, below, element)) {
            break;
        }
        heap_place(heap, index, below);
        index = child;
    }
    heap_place(heap, index, element);
}

void heap_push(struct heap *heap, void *element)
{
    must(*heap->slot(element) == 0);
    if (heap->count == heap->capacity) {
        uint32_t capacity = heap->capacity + heap->capacity / 8 + 4;
        heap->numbers = realloc(heap->numbers, capacity * sizeof *heap->numbers);
        must(heap->numbers);
        heap->capacity = capacity;
    }
    heap_place(heap, heap->count++, element);
    heap_rise(heap, heap->count - 1);
}

bool heap_has(const struct heap *heap, const void *element)
{
    uint32_t slot = *heap->slot((void *) (uintptr_t) element);
    return slot > 0 && slot <= heap->count && heap->numbers[slot - 1] == heap->number(element);
}

void heap_remove(struct heap *heap, void *element)
{
    must(heap_has(heap, element));
    uint32_t slot = *heap->slot(element);
    *heap->slot(element) = 0;
    void *last = at(heap, --heap->count);
    if (last == element) {
        return;
    }
    heap_place(heap, slot - 1, last);
    heap_rise(heap, slot - 1);
    heap_sink(heap, *heap->slot(last) - 1);
}

void heap_reorder(struct heap *heap, void *element)
{
    heap_rise(heap, *heap->slot(element) - 1);
    heap_sink(heap, *heap->slot(element) - 1);
}

void *heap_first(const struct heap *heap)
{
    return heap->count ? at(heap, 0) : NULL;
}

void heap_rebuild(struct heap *heap)
{
    for (uint32_t i = heap->count / 2; i > 0; i--) {
        heap_sink(heap, i - 1);
    }
}

void heap_walk_init(struct heap_walk *walk, const struct heap *heap)
{
    walk->heap = heap;
    walk->visited = 0;
    walk->frontier_count = heap->count ? 1 : 0;
    walk->frontier[0] = 0;
}

void *heap_walk_next(struct heap_walk *walk)
{
    const struct heap *heap = walk->heap;
    if (!walk->frontier_count || walk->visited == HEAP_WALK_MAX) {
        return NULL;
    }
    uint32_t best = 0;
    for (uint32_t i = 1; i < walk->frontier_count; i++) {
        if (heap->before(heap, at(heap, walk->frontier[i]), at(heap, walk->frontier[best]))) {
            best = i;
        }
    }
    uint32_t index = walk->frontier[best];
    walk->frontier[best] = walk->frontier[--walk->frontier_count];
    for (uint32_t child = 2 * index + 1; child <= 2 * index + 2 && child < heap->count; child++) {
        walk->frontier[walk->frontier_count++] = child;
    }
    walk->visited++;
    return at(heap, index);
}

void heap_check(const struct heap *heap)
{
    for (uint32_t i = 0; i < heap->count; i++) {
        must(*heap->slot(at(heap, i)) == i + 1);
        must(i == 0 || !heap->before(heap, at(heap, i), at(heap, (i - 1) / 2)));
    }
}
