// lookup.c - linear probing.  An element's home is its hash scaled to the capacity, not cut to a power of two, so that
// the table grows by a quarter at a time; and growing keeps the order of the homes, so that it is one pass through
// both.

#include "broker/desk/lookup.h"

#include "proto/base/must.h"

#include <stdlib.h>

#define CAPACITY_MIN 16u

void lookup_fini(struct lookup *lookup)
{
    free(lookup->places);
    lookup->places = NULL;
    lookup->capacity = lookup->count = 0;
}

// Fibonacci hashing: consecutive ids spread, hashes stay spread.
static uint32_t lookup_hash_of(uint64_t key)
{
    return (uint32_t) ((key * UINT64_C(11400714819323198485)) >> 32);
}

static size_t lookup_home(const struct lookup *lookup, uint32_t hash)
{
    return (size_t) ((uint64_t) hash * lookup->capacity >> 32);
}

static size_t lookup_after(const struct lookup *lookup, size_t place)
{
    return place + 1 == lookup->capacity ? 0 : place + 1;
}

uint32_t lookup_find_number(const struct lookup *lookup, uint64_t key)
{
    uint32_t hash = lookup_hash_of(key);
    if (!lookup->capacity) {
        return 0;
    }
    for (size_t i = lookup_home(lookup, hash); lookup->places[i].number; i = lookup_after(lookup, i)) {
        uint32_t number = lookup->places[i].number;
        if (lookup->places[i].hash == hash && lookup->key(pool_at(lookup->pool, number)) == key) {
            return number;
        }
    }
    return 0;
}

void *lookup_find(const struct lookup *lookup, uint64_t key)
{
    uint32_t number = lookup_find_number(lookup, key);
    return number ? pool_at(lookup->pool, number) : NULL;
}

static void lookup_insert(struct lookup *lookup, struct lookup_place added)
{
    size_t i = lookup_home(lookup, added.hash);
    while (lookup->places[i].number) {
        i = lookup_after(lookup, i);
    }
    lookup->places[i] = added;
}

static void lookup_grow(struct lookup *lookup)
{
    struct lookup_place *old = lookup->places;
    size_t old_capacity = lookup->capacity;
    lookup->capacity = old_capacity ? old_capacity + old_capacity / 4 : CAPACITY_MIN;
    must(lookup->capacity < UINT32_MAX);
    lookup->places = calloc(lookup->capacity, sizeof *lookup->places);
    must(lookup->places);
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i].number) {
            lookup_insert(lookup, old[i]);
        }
    }
    free(old);
}

void lookup_put(struct lookup *lookup, uint32_t number)
{
    must(number);
    if ((lookup->count + 1) * 5 > lookup->capacity * 4) {
        lookup_grow(lookup);
    }
    uint64_t key = lookup->key(pool_at(lookup->pool, number));
    lookup_insert(lookup, (struct lookup_place){ lookup_hash_of(key), number });
    lookup->count++;
}

static size_t lookup_distance(const struct lookup *lookup, size_t from, size_t to)
{
    return to >= from ? to - from : to + lookup->capacity - from;
}

void lookup_remove(struct lookup *lookup, uint32_t number)
{
    must(number && lookup->capacity);
    size_t hole = lookup_home(lookup, lookup_hash_of(lookup->key(pool_at(lookup->pool, number))));
    while (lookup->places[hole].number && lookup->places[hole].number != number) {
        hole = lookup_after(lookup, hole);
    }
    must(lookup->places[hole].number == number);
    lookup->count--;
    // What comes behind the hole moves up if its home is not between the hole and where it is.
    for (size_t i = lookup_after(lookup, hole); lookup->places[i].number; i = lookup_after(lookup, i)) {
        if (lookup_distance(lookup, lookup_home(lookup, lookup->places[i].hash), i) >=
            lookup_distance(lookup, hole, i)) {
            lookup->places[hole] = lookup->places[i];
            hole = i;
        }
    }
    lookup->places[hole] = (struct lookup_place){ 0 };
}

void *lookup_next(const struct lookup *lookup, size_t *place)
{
    while (*place < lookup->capacity) {
        uint32_t number = lookup->places[(*place)++].number;
        if (number) {
            return pool_at(lookup->pool, number);
        }
    }
    return NULL;
}
