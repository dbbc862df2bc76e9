// key_set.h - an exact set of 64-bit keys, by linear probing: 8 bytes a place, at most three places in four used.
//
// Keys are hashes or request ids; 0 is a key like any other.  A zeroed set is empty and ready.

#ifndef BASE_KEY_SET_H
#define BASE_KEY_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct key_set {
    uint64_t *places; // 0: free
    size_t capacity;  // a power of two, or 0
    size_t count;     // without the key 0
    bool has_zero;
};

// Forgets all keys and gives the memory back; the set may be used again.
void key_set_fini(struct key_set *set);

// Forgets all keys and keeps the memory, unless a large set was needed only once.
void key_set_clear(struct key_set *set);

bool key_set_has(const struct key_set *set, uint64_t key);

// Adds a key; does nothing if it is there.
void key_set_add(struct key_set *set, uint64_t key);

// Removes a key; false if it was not there.
bool key_set_remove(struct key_set *set, uint64_t key);

size_t key_set_count(const struct key_set *set);

#endif
