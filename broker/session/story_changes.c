// story_changes.c - a change taken into the story cache: what the statements of an engine do to their tables.
//
// What is of an item that the cache does not have is left alone, but for the list of its author's items.

#include "broker/session/story_cache_parts.h"

// Copies a text into memory that was measured for it, and goes on behind.
static const char *story_changes_place_text(char **end, const char *text)
{
    size_t bytes = strlen(text) + 1;
    const char *placed = memcpy(*end, text, bytes);

    *end += bytes;
    return placed;
}

// A zeroed piece with room for texts behind it.
static void *story_changes_allocate_with(size_t bytes, const char *const *texts, size_t text_count, size_t *all_bytes)
{
    for (size_t i = 0; i < text_count; i++) {
        bytes += strlen(texts[i]) + 1;
    }
    void *piece = calloc(1, bytes);
    must(piece != NULL);
    *all_bytes = bytes;
    return piece;
}

// ---- posts ----

static struct kept_post *story_changes_copy_post(const struct post_record *record)
{
    const char *const texts[] = { record->channel,     record->post, record->brand,    record->author,
                                  record->author_name, record->text, record->language, record->thread,
                                  record->parent,      record->link };
    size_t bytes;
    struct kept_post *post = story_changes_allocate_with(sizeof *post, texts, sizeof texts / sizeof *texts, &bytes);
    char *end = (char *) (post + 1);

    post->bytes = bytes;
    post->record = *record;
    post->record.channel = story_changes_place_text(&end, record->channel);
    post->record.post = story_changes_place_text(&end, record->post);
    post->record.brand = story_changes_place_text(&end, record->brand);
    post->record.author = story_changes_place_text(&end, record->author);
    post->record.author_name = story_changes_place_text(&end, record->author_name);
    post->record.text = story_changes_place_text(&end, record->text);
    post->record.language = story_changes_place_text(&end, record->language);
    post->record.thread = story_changes_place_text(&end, record->thread);
    post->record.parent = story_changes_place_text(&end, record->parent);
    post->record.link = story_changes_place_text(&end, record->link);
    post->record.platform_language = ""; // told to nobody
    return post;
}

// An id that was never heard of is of an item that is new, and then the cache has all of it.
static struct kept_item *story_changes_require_new_item(struct story_cache *cache, uint64_t id)
{
    if (id <= cache->highest) {
        return cache_find_item(cache, id);
    }
    cache->highest = id;
    return cache_add_item(cache, id);
}

// Notes that an item is an author's, whether it is in the cache or not; a new item's author comes into the cache with
// it.
static struct kept_author *story_changes_note_author(struct story_cache *cache, uint64_t key, const char *brand,
                                                     uint64_t item, bool is_kept)
{
    struct kept_author *author = cache_find_author(cache, key, brand);

    if (author == NULL && is_kept) {
        author = cache_add_author(cache, key, brand, cache_has_seen(cache, key) ? item : 0);
    }
    cache_see(cache, key);
    if (author != NULL) {
        cache_list_item(cache, author, item);
    }
    return author;
}

// An item whose posts are of several authors has several histories: the store tells them.
static bool story_changes_fits(const struct kept_item *item, const struct post_record *record)
{
    return item->author == NULL ||
           (item->author->key == record->author_key && strcmp(item->author->brand, record->brand) == 0);
}

// NULL when the post's item is not in the cache, or now no longer.
static struct kept_post *story_changes_add_post(struct story_cache *cache, const struct post_record *record)
{
    struct kept_item *item = story_changes_require_new_item(cache, record->item);

    if (item != NULL && !story_changes_fits(item, record)) {
        cache_drop_item(cache, item);
        item = NULL;
    }
    struct kept_author *author =
        story_changes_note_author(cache, record->author_key, record->brand, record->item, item != NULL);
    cache_lead_away(cache, record->channel, record->post, record->brand);
    if (item == NULL) {
        return NULL;
    }
    if (item->author == NULL) {
        cache_give_author(item, author);
    }
    struct kept_post *post = story_changes_copy_post(record);
    cache_add_post(cache, item, post);
    return post;
}

static void story_changes_apply_post(struct story_cache *cache, const struct post_record *record)
{
    struct kept_post *post = story_changes_add_post(cache, record);

    if (post != NULL) {
        post->sealed = post->item->with_pr;
    }
}

static void story_changes_set_edited_text(struct story_cache *cache, struct kept_post *post, const char *text)
{
    size_t before = post->edited_text == NULL ? 0 : strlen(post->edited_text) + 1;

    free(post->edited_text);
    post->edited_text = strdup(text);
    must(post->edited_text != NULL);
    cache_account(cache, post->item, strlen(text) + 1, before);
}

static void story_changes_apply_post_change(struct story_cache *cache, const struct post_change_record *change)
{
    struct kept_post *post = cache_find_name(cache, change->channel, change->post, change->brand);

    if (post == NULL) {
        return;
    }
    post->record.sensitive = post->record.sensitive || change->sensitive;
    if (change->deleted) {
        post->deleted = true;
    } else {
        story_changes_set_edited_text(cache, post, change->text);
    }
}

// The post as it is now, sealed, in a further item.  Where the cache does not have the one, it cannot have the other.
static void story_changes_apply_post_again(struct story_cache *cache, const struct post_again_record *again)
{
    struct kept_post *source = cache_find_name(cache, again->channel, again->post, again->brand);

    if (source == NULL) {
        struct kept_item *item = story_changes_require_new_item(cache, again->item);
        if (item != NULL) {
            cache_drop_item(cache, item);
        }
        return;
    }
    struct kept_item *before = source->item;
    struct post_record record = source->record;
    record.item = again->item;
    record.number = again->number;
    record.taken_ms = again->taken_ms;
    record.sensitive = true;
    struct kept_post *post = story_changes_add_post(cache, &record);
    if (post == NULL) {
        return;
    }
    must(before != post->item);
    post->sealed = true;
    post->deleted = source->deleted;
    if (source->edited_text != NULL) {
        story_changes_set_edited_text(cache, post, source->edited_text);
    }
}

// ---- what else an item has ----

// The list of an author's items is kept complete also where an item that is not in the cache came into being unseen.
static void story_changes_apply_item(struct story_cache *cache, const struct item_record *record)
{
    struct kept_item *item = story_changes_require_new_item(cache, record->item);

    if (item == NULL || item->posts == NULL) {
        (void) story_changes_note_author(cache, record->author_key, record->brand, record->item, false);
    }
    if (item == NULL) {
        return;
    }
    item->with_pr = record->sealed && strcmp(record->audience, "pr") == 0;
    cache_set_open(cache, item, record->state != ITEM_CLOSED);
}

static void story_changes_remove_draft(struct story_cache *cache, struct kept_item *item)
{
    if (item->draft != NULL) {
        cache_account(cache, item, 0, item->draft->bytes);
        free(item->draft);
        item->draft = NULL;
    }
}

static void story_changes_apply_draft(struct story_cache *cache, const struct draft_record *record)
{
    struct kept_item *item = cache_find_item(cache, record->item);
    const char *const texts[] = { record->person, record->text };
    size_t bytes;

    if (item == NULL) {
        return;
    }
    story_changes_remove_draft(cache, item);
    if (record->text[0] == '\0') {
        return;
    }
    struct kept_draft *draft = story_changes_allocate_with(sizeof *draft, texts, 2, &bytes);
    char *end = (char *) (draft + 1);
    draft->bytes = bytes;
    draft->person = story_changes_place_text(&end, record->person);
    draft->text = story_changes_place_text(&end, record->text);
    draft->sealed = item->with_pr;
    item->draft = draft;
    cache_account(cache, item, bytes, 0);
}

static void story_changes_apply_note(struct story_cache *cache, const struct note_record *record)
{
    struct kept_item *item = cache_find_item(cache, record->item);
    const char *const texts[] = { record->kind, record->person, record->text };
    size_t bytes;

    if (item == NULL) {
        return;
    }
    struct kept_note *note = story_changes_allocate_with(sizeof *note, texts, 3, &bytes);
    char *end = (char *) (note + 1);
    note->bytes = bytes;
    note->record = *record;
    note->record.kind = story_changes_place_text(&end, record->kind);
    note->record.person = story_changes_place_text(&end, record->person);
    note->record.text = story_changes_place_text(&end, record->text);
    note->older = item->notes;
    item->notes = note;
    cache_account(cache, item, bytes, 0);
}

// ---- replies ----

static struct kept_reply *story_changes_make_reply(const struct reply_record *record)
{
    const char *const texts[] = { record->person, record->text, record->key, record->brand, record->channel };
    size_t bytes;
    struct kept_reply *reply = story_changes_allocate_with(sizeof *reply, texts, sizeof texts / sizeof *texts, &bytes);
    char *end = (char *) (reply + 1);

    reply->bytes = bytes;
    reply->reply = record->reply;
    reply->person = story_changes_place_text(&end, record->person);
    reply->text = story_changes_place_text(&end, record->text);
    reply->key = story_changes_place_text(&end, record->key);
    reply->brand = story_changes_place_text(&end, record->brand);
    reply->channel = story_changes_place_text(&end, record->channel);
    return reply;
}

static void story_changes_set_reply_state(struct kept_reply *reply, const struct reply_record *record)
{
    reply->state = record->state;
    reply->sealed = reply->sealed || record->sealed;
    reply->attempt = record->attempt;
    reply->created_ms = record->created_ms;
}

// Where the reply stands in the chain of its item.
static struct kept_reply **story_changes_place_of(struct kept_item *item, const struct kept_reply *reply)
{
    struct kept_reply **place = &item->replies;

    while (*place != reply) {
        place = &(*place)->older;
    }
    return place;
}

// Replies are told by their ids.
static void story_changes_enter_reply(struct story_cache *cache, struct kept_item *item, struct kept_reply *reply)
{
    struct kept_reply **place = &item->replies;

    while (*place != NULL && (*place)->reply > reply->reply) {
        place = &(*place)->older;
    }
    reply->item = item;
    reply->older = *place;
    *place = reply;
    table_put(&cache->replies, reply->reply, reply);
    cache_account(cache, item, reply->bytes, 0);
}

static void story_changes_leave_reply(struct story_cache *cache, struct kept_reply *reply)
{
    *story_changes_place_of(reply->item, reply) = reply->older;
    table_remove(&cache->replies, reply->reply, reply);
    cache_account(cache, reply->item, 0, reply->bytes);
}

// Written once more: what says whose it is stays, the rest is as written now.
static void story_changes_rewrite_reply(struct story_cache *cache, struct kept_reply *known,
                                        const struct reply_record *record)
{
    struct reply_record whole = *record;

    whole.brand = known->brand;
    whole.channel = known->channel;
    whole.text = record->text != NULL ? record->text : known->text;
    struct kept_reply *reply = story_changes_make_reply(&whole);
    reply->sealed = known->sealed;
    story_changes_set_reply_state(reply, record);
    struct kept_item *item = known->item;
    story_changes_leave_reply(cache, known);
    free(known);
    story_changes_enter_reply(cache, item, reply);
}

static void story_changes_apply_reply(struct story_cache *cache, const struct reply_record *record)
{
    struct kept_reply *known = table_find(&cache->replies, record->reply);
    struct kept_item *item = cache_find_item(cache, record->item);
    bool same = known != NULL && strcmp(known->person, record->person) == 0 && strcmp(known->key, record->key) == 0;

    if (same && (record->text == NULL || strcmp(known->text, record->text) == 0)) {
        story_changes_set_reply_state(known, record);
    } else if (known != NULL) {
        story_changes_rewrite_reply(cache, known, record);
    } else if (item != NULL && record->text == NULL) {
        cache_drop_item(cache, item); // the store decides what that means
    } else if (item != NULL) {
        struct kept_reply *reply = story_changes_make_reply(record);
        story_changes_set_reply_state(reply, record);
        story_changes_enter_reply(cache, item, reply);
    }
}

// ---- seals ----

static void story_changes_seal(struct kept_item *item)
{
    for (struct kept_post *post = item->posts; post != NULL; post = post->older) {
        post->sealed = true;
    }
    for (struct kept_note *note = item->notes; note != NULL; note = note->older) {
        note->record.sealed = true;
    }
    for (struct kept_reply *reply = item->replies; reply != NULL; reply = reply->older) {
        reply->sealed = true;
    }
    if (item->draft != NULL) {
        item->draft->sealed = true;
    }
}

static void story_changes_unseal(struct kept_item *item)
{
    for (struct kept_post *post = item->posts; post != NULL; post = post->older) {
        post->sealed = false;
        post->record.sensitive = false;
    }
}

static void story_changes_apply_seal(struct story_cache *cache, uint64_t id, void (*apply)(struct kept_item *item))
{
    struct kept_item *item = cache_find_item(cache, id);

    if (item != NULL) {
        apply(item);
    }
}

// ---- a change ----

static void story_changes_apply_change(struct story_cache *cache, const struct change *change)
{
    switch (change->kind) {
    case CHANGE_POST:
        story_changes_apply_post(cache, &change->post);
        break;
    case CHANGE_POST_CHANGE:
        story_changes_apply_post_change(cache, &change->post_change);
        break;
    case CHANGE_POST_AGAIN:
        story_changes_apply_post_again(cache, &change->post_again);
        break;
    case CHANGE_ITEM:
        story_changes_apply_item(cache, &change->item);
        break;
    case CHANGE_DRAFT:
        story_changes_apply_draft(cache, &change->draft);
        break;
    case CHANGE_NOTE:
        story_changes_apply_note(cache, &change->note);
        break;
    case CHANGE_REPLY:
        story_changes_apply_reply(cache, &change->reply);
        break;
    case CHANGE_SEAL:
        story_changes_apply_seal(cache, change->seal.item, story_changes_seal);
        break;
    case CHANGE_UNSEAL:
        story_changes_apply_seal(cache, change->seal.item, story_changes_unseal);
        break;
    case CHANGE_EARLY:
    case CHANGE_EARLY_GONE:
    case CHANGE_EVENT:
    case CHANGE_OUTCOME:
    case CHANGE_RULES:
    case CHANGE_FREEZE:
    case CHANGE_REQUEST:
        break; // nothing that is shown of an item
    }
}

void story_cache_apply(struct story_cache *cache, const struct change *changes)
{
    for (; changes != NULL; changes = changes->next) {
        story_changes_apply_change(cache, changes);
        cache_keep_bound(cache);
    }
}
