// story.h - the story of an item, put together the same way by every engine.
//
// An engine adds what it finds in any order (posts by number, then earlier posts, replies, notes); finishing
// sorts by time and keeps the newest that fit.  It does not decide what an agent may see: the engine leaves
// that out as it reads.

#ifndef STORE_STORY_H
#define STORE_STORY_H

#include "broker/store/engine.h"

#define STORY_CANDIDATES_MAX 256

struct story {
    struct batch *batch; // whose memory the texts go to
    size_t count;
    struct behalf_entry *entries; // STORY_CANDIDATES_MAX of them
};

void story_init(struct story *story, struct batch *batch);

// Adds an entry with copies of its texts.  Asserts: no more than the candidates' bound.
void story_add(struct story *story, const struct behalf_entry *entry);

// Sorts, drops the oldest past the limits, and gives the story to the view, which tells whether it was cut.
void story_finish(struct story *story, struct behalf_item *view);

// Whether a reply of this state is shown in a story: it went out, or may have.
bool story_shows_reply(enum reply_state state);

// Bytes of a text up to `bytes_max` that end at a character's end (UTF-8).
size_t story_text_bytes(const char *text, size_t bytes_max);

#endif
