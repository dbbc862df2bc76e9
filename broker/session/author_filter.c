// author_filter.c - bits in blocks of a cache line, a key's all in one; see author_filter.h.

#include "broker/session/author_filter.h"

#include "proto/base/hash.h"
#include "proto/base/must.h"

#include <assert.h>
#include <stdlib.h>

#define BLOCK_WORDS 8
#define BLOCK_BYTES (BLOCK_WORDS * sizeof(uint64_t))
#define BITS_A_KEY 7    // of 512 in its block: places of nine bits each, out of 64
#define KEYS_A_BLOCK 40 // nearly 13 bits of memory a key
#define FIRST_BLOCKS ((size_t) 64)
#define GROWTH_BITS 3

static_assert(BITS_A_KEY * 9 <= 64, "a hash has the places of all bits of a key");
static_assert((FIRST_BLOCKS << AUTHOR_FILTER_PARTS * GROWTH_BITS) / 7 * KEYS_A_BLOCK > AUTHOR_FILTER_KEYS_MAX,
              "as many keys fit as said");

void author_filter_fini(struct author_filter *filter)
{
    for (size_t i = 0; i < filter->part_count; i++) {
        free(filter->parts[i]);
    }
    *filter = (struct author_filter){ 0 };
}

static size_t author_filter_blocks_of(size_t part)
{
    return FIRST_BLOCKS << part * GROWTH_BITS;
}

static uint64_t *author_filter_block_of(const struct author_filter *filter, size_t part, uint64_t key)
{
    return filter->parts[part] + (key & (author_filter_blocks_of(part) - 1)) * BLOCK_WORDS;
}

// Other bits than those that chose the block.
static uint64_t author_filter_places_of(uint64_t key)
{
    key = hash_number(key ^ key >> 31);
    return key ^ key >> 29;
}

static bool author_filter_is_in(const struct author_filter *filter, size_t part, uint64_t key)
{
    const uint64_t *block = author_filter_block_of(filter, part, key);
    uint64_t places = author_filter_places_of(key);

    for (int i = 0; i < BITS_A_KEY; i++, places >>= 9) {
        if ((block[places >> 6 & (BLOCK_WORDS - 1)] >> (places & 63) & 1) == 0) {
            return false;
        }
    }
    return true;
}

static bool author_filter_is_full(const struct author_filter *filter)
{
    return filter->part_count == 0 ||
           filter->newest_count >= author_filter_blocks_of(filter->part_count - 1) * KEYS_A_BLOCK;
}

static void author_filter_grow(struct author_filter *filter)
{
    size_t blocks = author_filter_blocks_of(filter->part_count);

    filter->parts[filter->part_count] = calloc(blocks, BLOCK_BYTES);
    must(filter->parts[filter->part_count] != NULL);
    filter->part_count++;
    filter->newest_count = 0;
    filter->bytes += blocks * BLOCK_BYTES;
}

void author_filter_add(struct author_filter *filter, uint64_t key)
{
    if (author_filter_may_have(filter, key)) {
        return;
    }
    if (author_filter_is_full(filter) && filter->part_count < AUTHOR_FILTER_PARTS) {
        author_filter_grow(filter);
    }
    uint64_t *block = author_filter_block_of(filter, filter->part_count - 1, key);
    uint64_t places = author_filter_places_of(key);
    for (int i = 0; i < BITS_A_KEY; i++, places >>= 9) {
        block[places >> 6 & (BLOCK_WORDS - 1)] |= UINT64_C(1) << (places & 63);
    }
    filter->newest_count++;
}

bool author_filter_may_have(const struct author_filter *filter, uint64_t key)
{
    for (size_t part = filter->part_count; part > 0; part--) {
        if (author_filter_is_in(filter, part - 1, key)) {
            return true;
        }
    }
    return false;
}
