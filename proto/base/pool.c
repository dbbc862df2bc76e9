// pool.c - chunks of elements, the numbers of their places, and which chunks have room; see pool.h.

#include "proto/base/pool.h"

#include "proto/base/must.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

// Few enough that a chunk just begun hardly counts beside 20,000 elements, enough that its header does not.
#define CHUNK_ELEMENTS 256u

// The first number of chunk i is 1 + i * CHUNK_ELEMENTS.  A place that was given back holds the number of the next
// such place in its first bytes.
struct pool_chunk {
    struct pool_chunk *next, *previous; // among the roomy
    uint32_t index;
    uint32_t used;
    uint32_t fresh;      // places from here on were never used
    uint32_t given_back; // a number, 0: none
    unsigned char elements[];
};

void pool_fini(struct pool *pool)
{
    for (uint32_t i = 0; i < pool->chunk_count; i++) {
        free(pool->chunks[i]);
    }
    free(pool->chunks);
    *pool = (struct pool){ .element_bytes = pool->element_bytes };
}

static bool pool_has_room(const struct pool_chunk *chunk)
{
    return chunk->used < CHUNK_ELEMENTS;
}

static void pool_link_roomy(struct pool *pool, struct pool_chunk *chunk)
{
    chunk->previous = NULL;
    chunk->next = pool->roomy;
    if (chunk->next != NULL) {
        chunk->next->previous = chunk;
    }
    pool->roomy = chunk;
}

static void pool_unlink_roomy(struct pool *pool, const struct pool_chunk *chunk)
{
    *(chunk->previous != NULL ? &chunk->previous->next : &pool->roomy) = chunk->next;
    if (chunk->next != NULL) {
        chunk->next->previous = chunk->previous;
    }
}

// The place in the directory of a chunk to come.
static uint32_t pool_free_index(struct pool *pool)
{
    for (uint32_t i = 0; i < pool->chunk_count; i++) {
        if (pool->chunks[i] == NULL) {
            return i;
        }
    }
    if (pool->chunk_count == pool->chunk_room) {
        pool->chunk_room = pool->chunk_room ? pool->chunk_room * 2 : 16;
        must(pool->chunk_room < UINT32_MAX / CHUNK_ELEMENTS);
        pool->chunks = realloc(pool->chunks, pool->chunk_room * sizeof(struct pool_chunk *));
        must(pool->chunks);
    }
    return pool->chunk_count++;
}

static void pool_add_chunk(struct pool *pool)
{
    must(pool->element_bytes >= sizeof(uint32_t));
    struct pool_chunk *chunk = malloc(sizeof *chunk + CHUNK_ELEMENTS * pool->element_bytes);
    must(chunk);
    *chunk = (struct pool_chunk){ .index = pool_free_index(pool) };
    pool->chunks[chunk->index] = chunk;
    pool_link_roomy(pool, chunk);
}

void *pool_take(struct pool *pool, uint32_t *number)
{
    if (pool->roomy == NULL) {
        pool_add_chunk(pool);
    }
    struct pool_chunk *chunk = pool->roomy;
    *number = chunk->given_back ? chunk->given_back : 1 + chunk->index * CHUNK_ELEMENTS + chunk->fresh;
    void *element = pool_at(pool, *number);
    if (chunk->given_back) {
        memcpy(&chunk->given_back, element, sizeof chunk->given_back);
    } else {
        chunk->fresh++;
    }
    chunk->used++;
    pool->count++;
    if (!pool_has_room(chunk)) {
        pool_unlink_roomy(pool, chunk);
    }
    memset(element, 0, pool->element_bytes);
    return element;
}

void pool_give(struct pool *pool, uint32_t number)
{
    must(number && (number - 1) / CHUNK_ELEMENTS < pool->chunk_count);
    struct pool_chunk *chunk = pool->chunks[(number - 1) / CHUNK_ELEMENTS];
    must(chunk && chunk->used);
    if (!pool_has_room(chunk)) {
        pool_link_roomy(pool, chunk);
    }
    memcpy(pool_at(pool, number), &chunk->given_back, sizeof chunk->given_back);
    chunk->given_back = number;
    chunk->used--;
    pool->count--;
    if (!chunk->used && (chunk->next != NULL || chunk->previous != NULL)) {
        pool_unlink_roomy(pool, chunk);
        pool->chunks[chunk->index] = NULL;
        free(chunk);
    }
}

void *pool_at(const struct pool *pool, uint32_t number)
{
    struct pool_chunk *chunk = pool->chunks[(number - 1) / CHUNK_ELEMENTS];
    return chunk->elements + (number - 1) % CHUNK_ELEMENTS * pool->element_bytes;
}
