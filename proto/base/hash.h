// hash.h - hashes for tables of our own: fast, the same in every process, and not for keys that a peer may choose
// freely in order to make them collide (those are keyed; see desk_intake_key).

#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stdint.h>

// FNV-1a (Fowler, Noll, Vo), 64 bits: http://www.isthe.com/chongo/tech/comp/fnv/.
#define HASH_BEGIN UINT64_C(14695981039346656037)

static inline uint64_t hash_byte(uint64_t hash, unsigned char byte)
{
    return (hash ^ byte) * UINT64_C(1099511628211);
}

static inline uint64_t hash_bytes(uint64_t hash, const char *text)
{
    for (; *text != '\0'; text++) {
        hash = hash_byte(hash, (unsigned char) *text);
    }
    return hash;
}

// As hash_bytes, and one byte more that no UTF-8 holds, so that of several texts hashed each after the other it counts
// where one ends.
static inline uint64_t hash_text(uint64_t hash, const char *text)
{
    return hash_byte(hash_bytes(hash, text), 0xFF);
}

// Spreads numbers that follow each other: 2^64 divided by the golden ratio (Knuth, The Art of Computer
// Programming, 6.4).
static inline uint64_t hash_number(uint64_t number)
{
    return number * UINT64_C(0x9E3779B97F4A7C15);
}

#endif
