// story.c - the entries of a story, what of it agents see, sorting and cutting.

#include "broker/store/story.h"

#include "proto/base/must.h"

#include <string.h>

#define STORY_ROOM_MIN 8 // most stories are a post or two

void story_init(struct story *story, struct batch *batch)
{
    *story = (struct story){ .batch = batch };
}

bool story_has_room(const struct story *story)
{
    return story->count < STORY_CANDIDATES_MAX;
}

static void story_grow(struct story *story)
{
    size_t room = story->room == 0 ? STORY_ROOM_MIN : story->room * 2;
    struct behalf_entry *entries = batch_allocate(story->batch, room * sizeof *entries);

    if (story->count > 0) {
        memcpy(entries, story->entries, story->count * sizeof *entries);
    }
    story->entries = entries;
    story->room = room;
}

void story_add(struct story *story, const struct behalf_entry *entry)
{
    must(story_has_room(story));
    if (story->count == story->room) {
        story_grow(story);
    }
    struct behalf_entry *added = &story->entries[story->count++];
    *added = *entry;
    added->kind = batch_text(story->batch, entry->kind);
    added->author = batch_text(story->batch, entry->author);
    added->text = batch_text(story->batch, entry->text);
    added->before = batch_text(story->batch, entry->before);
    added->post = batch_text(story->batch, entry->post);
    added->parent = batch_text(story->batch, entry->parent);
    added->link = batch_text(story->batch, entry->link);
    added->language = batch_text(story->batch, entry->language);
    if (strcmp(added->kind, "edit") == 0) { // a note's writer is then the post
        added->post = added->author;
        added->author = "";
    }
}

void story_add_post(struct story *story, const char *kind, const struct story_post *post)
{
    struct behalf_entry entry = { .kind = kind };

    entry.author = post->author;
    entry.post = post->post;
    entry.language = post->language;
    entry.at_ms = post->at_ms;
    entry.edited = post->edited_text != NULL;
    entry.deleted = post->deleted;
    if (!post->deleted) {
        entry.text = entry.edited ? post->edited_text : post->text;
        entry.before = entry.edited ? post->text : "";
    }
    entry.parent = post->parent;
    entry.link = post->link;
    entry.media = post->media;
    story_add(story, &entry);
}

bool story_hides_post(bool for_agent, bool sealed, bool sensitive)
{
    return for_agent && (sealed || sensitive);
}

bool story_hides_note(bool for_agent, bool sealed, const char *kind)
{
    return for_agent && sealed && strcmp(kind, "guidance") != 0;
}

// What a post had in between is told while the post is, and not what it still shows.
static bool story_is_shown_by(const struct behalf_entry *edit, const struct behalf_entry *post)
{
    return strcmp(post->kind, "post") == 0 && strcmp(edit->post, post->post) == 0 &&
           (post->deleted || strcmp(edit->text, post->text) == 0 || strcmp(edit->text, post->before) == 0);
}

static void story_drop_edits_shown(struct story *story)
{
    size_t kept = 0;

    for (size_t i = 0; i < story->count; i++) {
        bool drop = false;
        for (size_t k = 0; strcmp(story->entries[i].kind, "edit") == 0 && k < story->count && !drop; k++) {
            drop = story_is_shown_by(&story->entries[i], &story->entries[k]);
        }
        if (!drop) {
            story->entries[kept++] = story->entries[i];
        }
    }
    story->count = kept;
}

// By time; what was added first comes first among equals, so a stable sort.  There are few.
static void story_sort(struct story *story)
{
    for (size_t i = 1; i < story->count; i++) {
        struct behalf_entry entry = story->entries[i];
        size_t at = i;
        while (at > 0 && story->entries[at - 1].at_ms > entry.at_ms) {
            story->entries[at] = story->entries[at - 1];
            at--;
        }
        story->entries[at] = entry;
    }
}

static size_t story_entry_bytes(const struct behalf_entry *entry)
{
    return strlen(entry->text) + strlen(entry->before) + strlen(entry->author) + strlen(entry->post) +
           strlen(entry->parent) + strlen(entry->link);
}

void story_finish(struct story *story, struct behalf_item *view)
{
    size_t bytes = 0;

    story_drop_edits_shown(story);
    size_t first = story->count;
    story_sort(story);
    while (first > 0 && story->count - first < STORY_ENTRIES_MAX) {
        bytes += story_entry_bytes(&story->entries[first - 1]);
        if (bytes > STORY_BYTES_MAX) {
            break;
        }
        first--;
    }
    view->story = story->entries + first;
    view->story_count = story->count - first;
    view->story_cut = first > 0;
}

bool story_shows_reply(enum reply_state state)
{
    return state == REPLY_HANDED || state == REPLY_CONFIRMED || state == REPLY_UNKNOWN;
}

size_t story_text_bytes(const char *text, size_t bytes_max)
{
    size_t bytes = strnlen(text, bytes_max + 1);

    if (bytes <= bytes_max) {
        return bytes;
    }
    bytes = bytes_max;
    while (bytes > 0 && ((unsigned char) text[bytes] & 0xC0) == 0x80) {
        bytes--;
    }
    return bytes;
}
