// story_cache.h - what an ITEM and a REPLY say besides what the desk knows, from memory instead of from the store.
//
// Texts of open items, and what their authors wrote and were answered before, as the tables will have them once all
// changes that the cache was told of are durable.  It is told of every change, in order, by the loop alone; what it
// answers then is what the store would answer behind the same changes, byte for byte, or nothing: then the store is
// asked.  It holds at most the bytes it was given and lets go of closed items first.  A broker starts with an empty
// one.

#ifndef SESSION_STORY_CACHE_H
#define SESSION_STORY_CACHE_H

#include "broker/store/engine.h"

struct story_cache;

struct story_cache_numbers {
    int64_t hits;   // questions answered since the start
    int64_t misses; // left to the store
    int64_t bytes;  // held now
    int64_t items;  // whose texts are held now
};

// `bytes_max` bounds what it holds.  `position` is where the desk is: ids from its next_id on have not been given.
struct story_cache *story_cache_new(size_t bytes_max, const struct store_position *position);
void story_cache_destroy(struct story_cache **cache_p);

// Takes in a batch's changes, in order.  To be called once for each batch as it is handed out.
void story_cache_apply(struct story_cache *cache, const struct change *changes);

// Of an author who may have written before the start it is not known what; once all who have are known, a new one is
// known as new.  True while some are still to be read (REPORT_AUTHORS), from the key that `from` gets on.
bool story_cache_wants_authors(const struct story_cache *cache, int64_t *from);

// A page of them, read after the cache was made.
void story_cache_take_authors(struct story_cache *cache, const struct report *report);

// Answers a question of the kind ITEM or REPLY as the store would behind all changes taken in, with texts in the
// batch's memory.  False, and nothing is changed, when the store has to be asked.
bool story_cache_answer(struct story_cache *cache, struct batch *batch, struct question *question);

struct story_cache_numbers story_cache_numbers(const struct story_cache *cache);

// True if two answers to a question of these kinds are the same, text by text.
bool story_answers_agree(const struct question *one, const struct question *other);

// Walks its invariants.
void story_cache_check(const struct story_cache *cache);

#endif
