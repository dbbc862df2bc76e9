// story_cache_parts.h - what the story cache is made of.  Nobody but its own files includes it.
//
//   story_cache.c    items, authors and names: made, found, let go of
//   story_changes.c  a change taken in
//   story_answers.c  a question answered
//
// An item is in the cache whole, from its first change on, or not at all.  Of an author it is known from which item
// on all of theirs are listed, whether these are in the cache or not.

#ifndef SESSION_STORY_CACHE_PARTS_H
#define SESSION_STORY_CACHE_PARTS_H

#include "broker/session/author_filter.h"
#include "broker/session/story_cache.h"
#include "proto/base/must.h"
#include "proto/base/table.h"

#include <stdlib.h>
#include <string.h>

// An author's items that are listed at most: a story tells ten posts of the newest.
#define AUTHOR_ITEMS_MAX 32

// One item may take this part of the cache at most.
#define ITEM_SHARE 8

struct kept_item;

// A post, with its texts behind it in the same piece of memory.
struct kept_post {
    struct kept_post *older;      // in the item
    struct kept_post *next_named; // with the same name's key
    struct kept_item *item;
    uint64_t name_key;
    bool leads; // its name leads here, so that what happens to the post happens here
    size_t bytes;
    struct post_record record; // sensitive: as it is now
    char *edited_text;         // NULL: it was not edited
    bool deleted;
    bool sealed;
};

struct kept_note {
    struct kept_note *older;
    size_t bytes;
    struct note_record record; // sealed: as it is now
};

struct kept_reply {
    struct kept_reply *older;
    struct kept_item *item;
    size_t bytes;
    uint64_t reply;
    enum reply_state state;
    bool sealed;
    uint32_t attempt;
    int64_t created_ms;
    const char *person, *text, *key, *brand, *channel;
};

struct kept_draft {
    size_t bytes;
    const char *person, *text;
    bool sealed;
};

struct kept_author {
    struct kept_author *next_same; // key, of another brand
    uint64_t key;
    char *brand;
    uint64_t since;  // all of the author's items from this one on are listed; 0: all
    uint64_t *items; // ascending, AUTHOR_ITEMS_MAX at most
    size_t item_count, item_room;
    size_t kept; // items in the cache that are the author's
    size_t bytes;
};

struct kept_item {
    uint64_t id;
    struct kept_author *author; // NULL: it has no post yet
    struct kept_post *posts;    // the newest first
    struct kept_note *notes;    // likewise
    struct kept_reply *replies; // likewise
    struct kept_draft *draft;
    bool with_pr; // what is added is sealed from the start
    bool open;
    size_t bytes;                    // of all that is its own
    size_t place;                    // open: among the open ones
    struct kept_item *newer, *older; // closed: by when they were last told of
};

struct story_cache {
    size_t bytes_max;
    size_t bytes;
    uint64_t highest;          // item that was heard of; what comes above is new
    struct table items;        // by id
    struct table posts;        // by their names' keys
    struct table replies;      // by id
    struct table authors;      // by key
    struct author_filter seen; // authors of all posts since the start
    int64_t authors_from;      // those from this key on are still to be read
    bool knows_authors;        // `seen` has all who ever wrote
    struct kept_item **open;
    size_t open_count, open_room;
    struct kept_item *newest_closed, *oldest_closed;
    struct kept_item *overlarge; // an item that has become more than its share
    uint64_t evictions;          // of open items
    int64_t hits, misses;
};

// ---- story_cache.c ----

struct kept_item *cache_find_item(const struct story_cache *cache, uint64_t id);
struct kept_item *cache_add_item(struct story_cache *cache, uint64_t id);
void cache_drop_item(struct story_cache *cache, struct kept_item *item);
void cache_set_open(struct story_cache *cache, struct kept_item *item, bool open);
void cache_touch(struct story_cache *cache, struct kept_item *item); // it was told of just now
void cache_account(struct story_cache *cache, struct kept_item *item, size_t more, size_t less);

// Lets go of items until the rest is within the bound.
void cache_keep_bound(struct story_cache *cache);

struct kept_author *cache_find_author(const struct story_cache *cache, uint64_t key, const char *brand);
struct kept_author *cache_add_author(struct story_cache *cache, uint64_t key, const char *brand, uint64_t since);
void cache_list_item(struct story_cache *cache, struct kept_author *author, uint64_t item); // if it is not yet
void cache_give_author(struct kept_item *item, struct kept_author *author);
bool cache_has_seen(const struct story_cache *cache, uint64_t author_key);
void cache_see(struct story_cache *cache, uint64_t author_key);

// The post that a name leads to, if it is in the cache.
struct kept_post *cache_find_name(const struct story_cache *cache, const char *channel, const char *post,
                                  const char *brand);

// The name leads to a post that is not in the cache, or not yet.
void cache_lead_away(struct story_cache *cache, const char *channel, const char *post, const char *brand);

// Adds a post to its item, whose newest it is; its name leads to it from now on.
void cache_add_post(struct story_cache *cache, struct kept_item *item, struct kept_post *post);

#endif
