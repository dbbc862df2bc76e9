// author_filter.h - who has written before, of any number of authors, in little memory (a Bloom filter that grows).
//
// It is never wrong in saying that somebody has not written.  It says of about one in fifty who have not that they may
// have, and of more once it holds AUTHOR_FILTER_KEYS_MAX and grows no further.  A zeroed filter is empty and ready.

#ifndef SESSION_AUTHOR_FILTER_H
#define SESSION_AUTHOR_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Parts of which each is eight times as large as the one before, 19 MB in all.
#define AUTHOR_FILTER_PARTS 5
#define AUTHOR_FILTER_KEYS_MAX ((size_t) 11900 * 1000)

struct author_filter {
    uint64_t *parts[AUTHOR_FILTER_PARTS];
    size_t part_count;
    size_t newest_count; // keys in the newest part
    size_t bytes;
};

void author_filter_fini(struct author_filter *filter);

// Keys are hashes of 64 bits (desk_author_key).
void author_filter_add(struct author_filter *filter, uint64_t key);
bool author_filter_may_have(const struct author_filter *filter, uint64_t key);

#endif
