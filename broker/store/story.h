// story.h - the story of an item, put together the same way by every engine.
//
// Who answers (an engine from its tables, the broker's sessions from what they have in memory) adds posts by number,
// replies, notes, earlier posts, and the replies to those; finishing sorts by time and keeps the newest that fit.
// What an agent may see is said here, and by the statements of engines, which have to leave it out before they count.

#ifndef STORE_STORY_H
#define STORE_STORY_H

#include "broker/store/engine.h"

#define STORY_CANDIDATES_MAX 256

struct story {
    struct batch *batch; // whose memory the texts go to
    size_t count;
    size_t room;
    struct behalf_entry *entries;
};

// A post as the tables have it.  Texts are borrowed.
struct story_post {
    const char *author;
    const char *post;
    const char *language;    // found
    const char *text;        // as first taken
    const char *edited_text; // NULL: it was not edited
    const char *parent;
    const char *link;
    int64_t at_ms; // when it was written, or taken if the platform did not say
    int64_t media;
    bool deleted;
};

void story_init(struct story *story, struct batch *batch);

// Adds an entry with copies of its texts.  Asserts: no more than the candidates' bound.
void story_add(struct story *story, const struct behalf_entry *entry);

// Adds a post as an entry of this kind: "post" or "earlier".
void story_add_post(struct story *story, const char *kind, const struct story_post *post);

// True while one more may be added.  Who adds replies to earlier posts asks: rows that would be one too many are the
// oldest items' and are left out.
bool story_has_room(const struct story *story);

// Sorts, drops the oldest past the limits, and gives the story to the view, which tells whether it was cut.
void story_finish(struct story *story, struct behalf_item *view);

// Whether this is left out of what an agent is shown.  Drafts and replies are as posts that no rule called sensitive.
bool story_hides_post(bool for_agent, bool sealed, bool sensitive);
bool story_hides_note(bool for_agent, bool sealed, const char *kind);

// Whether a reply of this state is shown in a story: it went out, or may have.
bool story_shows_reply(enum reply_state state);

// Bytes of a text up to `bytes_max` that end at a character's end (UTF-8).
size_t story_text_bytes(const char *text, size_t bytes_max);

#endif
