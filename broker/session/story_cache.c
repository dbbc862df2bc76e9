// story_cache.c - the items, authors and names of a story cache: made, found, let go of.

#include "broker/session/story_cache_parts.h"

#include "broker/desk/desk.h"
#include "proto/base/hash.h"

// What an element costs besides its own memory: the allocator's header and its places in tables.
#define OVERHEAD_BYTES 64

// Of open items one in this many is let go of wherever it stands, lest those that nobody serves fill the cache for
// good.
#define ANY_PLACE_EVERY 8

struct story_cache *story_cache_new(size_t bytes_max, const struct store_position *position)
{
    struct story_cache *cache = calloc(1, sizeof *cache);

    must(cache != NULL);
    cache->bytes_max = bytes_max;
    cache->highest = position->next_id == 0 ? 0 : position->next_id - 1;
    cache->knows_authors = cache->highest == 0;
    cache->authors_from = INT64_MIN;
    return cache;
}

void story_cache_destroy(struct story_cache **cache_p)
{
    struct story_cache *cache = *cache_p;

    if (cache == NULL) {
        return;
    }
    while (cache->oldest_closed != NULL) {
        cache_drop_item(cache, cache->oldest_closed);
    }
    while (cache->open_count > 0) {
        cache_drop_item(cache, cache->open[cache->open_count - 1]);
    }
    must(cache->bytes == 0);
    must(cache->authors.count == 0);
    table_fini(&cache->items);
    table_fini(&cache->posts);
    table_fini(&cache->replies);
    table_fini(&cache->authors);
    author_filter_fini(&cache->seen);
    free(cache->open);
    free(cache);
    *cache_p = NULL;
}

struct story_cache_numbers story_cache_numbers(const struct story_cache *cache)
{
    return (struct story_cache_numbers){ .hits = cache->hits,
                                         .misses = cache->misses,
                                         .bytes = (int64_t) cache->bytes,
                                         .items = (int64_t) cache->items.count };
}

// ---- items ----

void cache_account(struct story_cache *cache, struct kept_item *item, size_t more, size_t less)
{
    more += more > 0 ? OVERHEAD_BYTES : 0;
    less += less > 0 ? OVERHEAD_BYTES : 0;
    must(item->bytes + more >= less);
    item->bytes = item->bytes + more - less;
    cache->bytes = cache->bytes + more - less;
    if (item->bytes > cache->bytes_max / ITEM_SHARE) {
        cache->overlarge = item;
    }
}

struct kept_item *cache_find_item(const struct story_cache *cache, uint64_t id)
{
    return table_find(&cache->items, id);
}

static void story_cache_enter_open(struct story_cache *cache, struct kept_item *item)
{
    if (cache->open_count == cache->open_room) {
        cache->open_room = cache->open_room == 0 ? 64 : cache->open_room * 2;
        cache->open = realloc(cache->open, cache->open_room * sizeof(struct kept_item *));
        must(cache->open != NULL);
    }
    item->place = cache->open_count;
    cache->open[cache->open_count++] = item;
}

static void story_cache_leave_open(struct story_cache *cache, struct kept_item *item)
{
    struct kept_item *last = cache->open[--cache->open_count];

    cache->open[item->place] = last;
    last->place = item->place;
}

static void story_cache_enter_closed(struct story_cache *cache, struct kept_item *item)
{
    item->newer = NULL;
    item->older = cache->newest_closed;
    *(item->older != NULL ? &item->older->newer : &cache->oldest_closed) = item;
    cache->newest_closed = item;
}

static void story_cache_leave_closed(struct story_cache *cache, struct kept_item *item)
{
    *(item->newer != NULL ? &item->newer->older : &cache->newest_closed) = item->older;
    *(item->older != NULL ? &item->older->newer : &cache->oldest_closed) = item->newer;
}

struct kept_item *cache_add_item(struct story_cache *cache, uint64_t id)
{
    struct kept_item *item = calloc(1, sizeof *item);

    must(item != NULL);
    item->id = id;
    item->open = true;
    table_put(&cache->items, id, item);
    story_cache_enter_open(cache, item);
    cache_account(cache, item, sizeof *item, 0);
    return item;
}

void cache_set_open(struct story_cache *cache, struct kept_item *item, bool open)
{
    if (item->open == open) {
        return;
    }
    item->open = open;
    if (open) {
        story_cache_leave_closed(cache, item);
        story_cache_enter_open(cache, item);
    } else {
        story_cache_leave_open(cache, item);
        story_cache_enter_closed(cache, item);
    }
}

void cache_touch(struct story_cache *cache, struct kept_item *item)
{
    if (!item->open) {
        story_cache_leave_closed(cache, item);
        story_cache_enter_closed(cache, item);
    }
}

// ---- several elements under one key: the table has the first ----

static void story_cache_forget_name(struct story_cache *cache, struct kept_post *post)
{
    struct kept_post *at = table_find(&cache->posts, post->name_key);

    if (at == post) {
        table_remove(&cache->posts, post->name_key, post);
        if (post->next_named != NULL) {
            table_put(&cache->posts, post->name_key, post->next_named);
        }
        return;
    }
    while (at->next_named != post) {
        at = at->next_named;
    }
    at->next_named = post->next_named;
}

static void story_cache_forget_author(struct story_cache *cache, struct kept_author *author)
{
    struct kept_author *at = table_find(&cache->authors, author->key);

    if (at == author) {
        table_remove(&cache->authors, author->key, author);
        if (author->next_same != NULL) {
            table_put(&cache->authors, author->key, author->next_same);
        }
    } else {
        while (at->next_same != author) {
            at = at->next_same;
        }
        at->next_same = author->next_same;
    }
    cache->bytes -= author->bytes;
    free(author->brand);
    free(author->items);
    free(author);
}

// ---- letting go ----

static void story_cache_drop_posts(struct story_cache *cache, struct kept_item *item)
{
    while (item->posts != NULL) {
        struct kept_post *post = item->posts;
        item->posts = post->older;
        story_cache_forget_name(cache, post);
        free(post->edited_text);
        free(post);
    }
}

static void story_cache_drop_replies(struct story_cache *cache, struct kept_item *item)
{
    while (item->replies != NULL) {
        struct kept_reply *reply = item->replies;
        item->replies = reply->older;
        table_remove(&cache->replies, reply->reply, reply);
        free(reply);
    }
}

void cache_drop_item(struct story_cache *cache, struct kept_item *item)
{
    if (cache->overlarge == item) {
        cache->overlarge = NULL;
    }
    story_cache_drop_posts(cache, item);
    story_cache_drop_replies(cache, item);
    while (item->notes != NULL) {
        struct kept_note *note = item->notes;
        item->notes = note->older;
        free(note);
    }
    free(item->draft);
    if (item->open) {
        story_cache_leave_open(cache, item);
    } else {
        story_cache_leave_closed(cache, item);
    }
    table_remove(&cache->items, item->id, item);
    cache->bytes -= item->bytes;
    if (item->author != NULL && --item->author->kept == 0) {
        story_cache_forget_author(cache, item->author);
    }
    free(item);
}

// What came in last waits longest, as a rule.
static struct kept_item *story_cache_choose_open(struct story_cache *cache)
{
    cache->evictions++;
    if (cache->evictions % ANY_PLACE_EVERY == 0) {
        return cache->open[hash_number(cache->evictions) % cache->open_count];
    }
    return cache->open[cache->open_count - 1];
}

void cache_keep_bound(struct story_cache *cache)
{
    if (cache->overlarge != NULL) {
        cache_drop_item(cache, cache->overlarge);
    }
    while (cache->bytes > cache->bytes_max) {
        cache_drop_item(cache, cache->oldest_closed != NULL ? cache->oldest_closed : story_cache_choose_open(cache));
    }
}

// ---- authors ----

struct kept_author *cache_find_author(const struct story_cache *cache, uint64_t key, const char *brand)
{
    struct kept_author *author = table_find(&cache->authors, key);

    while (author != NULL && strcmp(author->brand, brand) != 0) {
        author = author->next_same;
    }
    return author;
}

struct kept_author *cache_add_author(struct story_cache *cache, uint64_t key, const char *brand, uint64_t since)
{
    struct kept_author *author = calloc(1, sizeof *author);
    struct kept_author *same = table_find(&cache->authors, key);

    must(author != NULL);
    author->key = key;
    author->since = since;
    author->brand = strdup(brand);
    must(author->brand != NULL);
    author->bytes = sizeof *author + strlen(brand) + 1 + OVERHEAD_BYTES;
    cache->bytes += author->bytes;
    if (same == NULL) {
        table_put(&cache->authors, key, author);
    } else {
        author->next_same = same->next_same;
        same->next_same = author;
    }
    return author;
}

static void story_cache_make_room(struct story_cache *cache, struct kept_author *author)
{
    size_t room = author->item_room == 0 ? 2 : author->item_room * 2;
    size_t more = (room - author->item_room) * sizeof *author->items;

    author->items = realloc(author->items, room * sizeof *author->items);
    must(author->items != NULL);
    author->item_room = room;
    author->bytes += more;
    cache->bytes += more;
}

// The oldest goes: from now on only what comes after it is known.
static void story_cache_forget_oldest(struct kept_author *author)
{
    author->since = author->items[0] + 1;
    author->item_count--;
    memmove(author->items, author->items + 1, author->item_count * sizeof *author->items);
}

void cache_list_item(struct story_cache *cache, struct kept_author *author, uint64_t item)
{
    if (author->item_count == AUTHOR_ITEMS_MAX && item > author->items[0]) {
        story_cache_forget_oldest(author);
    } else if (author->item_count == AUTHOR_ITEMS_MAX && item < author->items[0] && item >= author->since) {
        author->since = item + 1;
    }
    size_t at = author->item_count;
    while (at > 0 && author->items[at - 1] > item) {
        at--;
    }
    if (item < author->since || (at > 0 && author->items[at - 1] == item)) {
        return;
    }
    if (author->item_count == author->item_room) {
        story_cache_make_room(cache, author);
    }
    memmove(author->items + at + 1, author->items + at, (author->item_count - at) * sizeof *author->items);
    author->items[at] = item;
    author->item_count++;
}

void cache_give_author(struct kept_item *item, struct kept_author *author)
{
    must(item->author == NULL);
    item->author = author;
    author->kept++;
}

bool cache_has_seen(const struct story_cache *cache, uint64_t author_key)
{
    return !cache->knows_authors || author_filter_may_have(&cache->seen, author_key);
}

void cache_see(struct story_cache *cache, uint64_t author_key)
{
    author_filter_add(&cache->seen, author_key);
}

bool story_cache_wants_authors(const struct story_cache *cache, int64_t *from)
{
    *from = cache->authors_from;
    return !cache->knows_authors;
}

void story_cache_take_authors(struct story_cache *cache, const struct report *report)
{
    must(report->kind == REPORT_AUTHORS && report->found && report->authors_from == cache->authors_from);
    for (size_t i = 0; i < report->author_count; i++) {
        cache_see(cache, (uint64_t) report->authors[i]);
    }
    int64_t last = report->author_count == 0 ? INT64_MAX : report->authors[report->author_count - 1];
    cache->knows_authors = report->author_count < REPORT_AUTHORS_MAX || last == INT64_MAX;
    cache->authors_from = last == INT64_MAX ? INT64_MAX : last + 1;
}

// ---- posts by name ----

static bool story_cache_is_named(const struct kept_post *kept, const char *channel, const char *post, const char *brand)
{
    return strcmp(kept->record.post, post) == 0 && strcmp(kept->record.channel, channel) == 0 &&
           strcmp(kept->record.brand, brand) == 0;
}

struct kept_post *cache_find_name(const struct story_cache *cache, const char *channel, const char *post,
                                  const char *brand)
{
    struct kept_post *kept = table_find(&cache->posts, desk_intake_key(channel, post));

    while (kept != NULL && !(kept->leads && story_cache_is_named(kept, channel, post, brand))) {
        kept = kept->next_named;
    }
    return kept;
}

void cache_lead_away(struct story_cache *cache, const char *channel, const char *post, const char *brand)
{
    struct kept_post *kept = cache_find_name(cache, channel, post, brand);

    if (kept != NULL) {
        kept->leads = false;
    }
}

void cache_add_post(struct story_cache *cache, struct kept_item *item, struct kept_post *post)
{
    const struct post_record *record = &post->record;
    struct kept_post *named;

    post->leads = true;
    post->name_key = desk_intake_key(record->channel, record->post);
    named = table_find(&cache->posts, post->name_key);
    if (named == NULL) {
        table_put(&cache->posts, post->name_key, post);
    } else {
        post->next_named = named->next_named;
        named->next_named = post;
    }
    post->item = item;
    post->older = item->posts;
    item->posts = post;
    cache_account(cache, item, post->bytes, 0);
}

// ---- looking ----

static size_t story_cache_check_item(const struct story_cache *cache, const struct kept_item *item)
{
    const struct kept_post *post;
    const struct kept_reply *reply;

    must(cache_find_item(cache, item->id) == item);
    must((item->posts == NULL) == (item->author == NULL));
    for (post = item->posts; post != NULL; post = post->older) {
        must(post->item == item);
        must(post->older == NULL || post->older->record.number < post->record.number);
        must(post->record.author_key == item->author->key);
        must(!post->leads ||
             cache_find_name(cache, post->record.channel, post->record.post, post->record.brand) == post);
    }
    for (reply = item->replies; reply != NULL; reply = reply->older) {
        must(table_find(&cache->replies, reply->reply) == reply);
    }
    return item->bytes;
}

void story_cache_check(const struct story_cache *cache)
{
    const struct kept_author *author;
    size_t bytes = 0;
    size_t count = cache->open_count;

    for (size_t i = 0; i < cache->open_count; i++) {
        must(cache->open[i]->place == i && cache->open[i]->open);
        bytes += story_cache_check_item(cache, cache->open[i]);
    }
    for (const struct kept_item *item = cache->newest_closed; item != NULL; item = item->older) {
        must(!item->open);
        bytes += story_cache_check_item(cache, item);
        count++;
    }
    for (size_t place = 0; (author = table_next(&cache->authors, &place)) != NULL;) {
        for (; author != NULL; author = author->next_same) {
            must(author->kept > 0 && author->item_count <= AUTHOR_ITEMS_MAX);
            bytes += author->bytes;
        }
    }
    must(bytes == cache->bytes);
    must(bytes <= cache->bytes_max);
    must(count == cache->items.count);
}
