// key_set.c - linear probing without tombstones: removing moves later keys back.

#include "proto/base/key_set.h"

#include "proto/base/hash.h"
#include "proto/base/must.h"

#include <string.h>

#define CAPACITY_MIN 16u
#define CAPACITY_KEPT 4096u

// Request ids count up, hashes do not: mixing spreads both.
static size_t key_set_home_of(const struct key_set *set, uint64_t key)
{
    return (size_t) (hash_number(key) >> 20) & (set->capacity - 1);
}

// The place of a key, or the free place where it belongs.  Asserts capacity.
static size_t key_set_find_place(const struct key_set *set, uint64_t key)
{
    size_t place = key_set_home_of(set, key);

    while (set->places[place] != 0 && set->places[place] != key) {
        place = (place + 1) & (set->capacity - 1);
    }
    return place;
}

static void key_set_grow(struct key_set *set)
{
    struct key_set larger = { .capacity = set->capacity == 0 ? CAPACITY_MIN : set->capacity * 2 };

    larger.places = calloc(larger.capacity, sizeof *larger.places);
    must(larger.places != NULL);
    for (size_t i = 0; i < set->capacity; i++) {
        if (set->places[i] != 0) {
            larger.places[key_set_find_place(&larger, set->places[i])] = set->places[i];
        }
    }
    free(set->places);
    set->places = larger.places;
    set->capacity = larger.capacity;
}

void key_set_fini(struct key_set *set)
{
    free(set->places);
    *set = (struct key_set){ 0 };
}

void key_set_clear(struct key_set *set)
{
    if (set->capacity > CAPACITY_KEPT) {
        key_set_fini(set);
        return;
    }
    if (set->count > 0) {
        memset(set->places, 0, set->capacity * sizeof *set->places);
    }
    set->count = 0;
    set->has_zero = false;
}

bool key_set_has(const struct key_set *set, uint64_t key)
{
    if (key == 0) {
        return set->has_zero;
    }
    return set->count > 0 && set->places[key_set_find_place(set, key)] == key;
}

void key_set_add(struct key_set *set, uint64_t key)
{
    if (key == 0) {
        set->has_zero = true;
        return;
    }
    if ((set->count + 1) * 4 > set->capacity * 3) {
        key_set_grow(set);
    }
    size_t place = key_set_find_place(set, key);
    if (set->places[place] == 0) {
        set->places[place] = key;
        set->count++;
    }
}

// Closes the gap at `gap`: whatever probed past it moves back.
static void key_set_close_gap(struct key_set *set, size_t gap)
{
    size_t mask = set->capacity - 1;

    for (size_t place = (gap + 1) & mask; set->places[place] != 0; place = (place + 1) & mask) {
        size_t home = key_set_home_of(set, set->places[place]);
        if (((place - home) & mask) >= ((place - gap) & mask)) {
            set->places[gap] = set->places[place];
            gap = place;
        }
    }
    set->places[gap] = 0;
}

bool key_set_remove(struct key_set *set, uint64_t key)
{
    if (key == 0) {
        bool had = set->has_zero;
        set->has_zero = false;
        return had;
    }
    if (set->count == 0) {
        return false;
    }
    size_t place = key_set_find_place(set, key);
    if (set->places[place] == 0) {
        return false;
    }
    key_set_close_gap(set, place);
    set->count--;
    return true;
}

size_t key_set_count(const struct key_set *set)
{
    return set->count + (set->has_zero ? 1 : 0);
}
