// story_answers.c - a question about an item or a reply answered from the story cache, as an engine answers it.

#include "broker/session/story_cache_parts.h"

#include "broker/store/story.h"

// Posts of an author's other items, the newest first.
struct earlier {
    const struct kept_post *posts[STORY_EARLIER_MAX];
    size_t count;
};

static int64_t story_answers_time_of(const struct kept_post *post)
{
    return post->record.posted_ms > 0 ? post->record.posted_ms : post->record.taken_ms;
}

static bool story_answers_hides_post(const struct kept_post *post, bool for_agent)
{
    return story_hides_post(for_agent, post->sealed, post->record.sensitive);
}

static struct story_post story_answers_view_of(const struct kept_post *post)
{
    const struct post_record *record = &post->record;

    return (struct story_post){ .author = record->author,
                                .post = record->post,
                                .language = record->language,
                                .text = record->text,
                                .edited_text = post->edited_text,
                                .parent = record->parent,
                                .link = record->link,
                                .at_ms = story_answers_time_of(post),
                                .media = record->media,
                                .deleted = post->deleted };
}

// ---- the author's other items ----

// True when no more are needed.
static bool story_answers_find_in_item(const struct kept_item *item, bool for_agent, struct earlier *earlier)
{
    const struct kept_post *post = item->posts;

    for (; post != NULL && earlier->count < STORY_EARLIER_MAX; post = post->older) {
        if (!post->deleted && !story_answers_hides_post(post, for_agent)) {
            earlier->posts[earlier->count++] = post;
        }
    }
    return earlier->count == STORY_EARLIER_MAX;
}

// False when the cache does not have all of them that a story tells.
static bool story_answers_find_earlier(const struct story_cache *cache, const struct kept_item *item, bool for_agent,
                                       struct earlier *earlier)
{
    const struct kept_author *author = item->author;

    earlier->count = 0;
    for (size_t i = author->item_count; i > 0; i--) {
        if (author->items[i - 1] == item->id) {
            continue;
        }
        const struct kept_item *other = cache_find_item(cache, author->items[i - 1]);
        if (other == NULL) {
            return false;
        }
        if (story_answers_find_in_item(other, for_agent, earlier)) {
            return true;
        }
    }
    return author->since == 0;
}

// ---- telling, oldest first, the newest of each kind ----

static void story_answers_tell_posts(struct story *story, const struct kept_item *item, bool for_agent)
{
    const struct kept_post *chosen[STORY_ROWS_MAX];
    size_t count = 0;

    for (const struct kept_post *post = item->posts; post != NULL && count < STORY_ROWS_MAX; post = post->older) {
        if (!story_answers_hides_post(post, for_agent)) {
            chosen[count++] = post;
        }
    }
    while (count > 0) {
        struct story_post view = story_answers_view_of(chosen[--count]);
        story_add_post(story, "post", &view);
    }
}

static void story_answers_tell_replies(struct story *story, const struct kept_item *item, bool for_agent)
{
    const struct kept_reply *chosen[STORY_ROWS_MAX];
    size_t count = 0;

    for (const struct kept_reply *reply = item->replies; reply != NULL && count < STORY_ROWS_MAX;
         reply = reply->older) {
        if (story_shows_reply(reply->state) && !story_hides_post(for_agent, reply->sealed, false)) {
            chosen[count++] = reply;
        }
    }
    while (count > 0 && story_has_room(story)) {
        const struct kept_reply *reply = chosen[--count];
        story_add(story,
                  &(struct behalf_entry){
                      .kind = "reply", .author = reply->person, .text = reply->text, .at_ms = reply->created_ms });
    }
}

static void story_answers_tell_notes(struct story *story, const struct kept_item *item, bool for_agent)
{
    const struct kept_note *chosen[STORY_ROWS_MAX];
    size_t count = 0;

    for (const struct kept_note *note = item->notes; note != NULL && count < STORY_ROWS_MAX; note = note->older) {
        if (!story_hides_note(for_agent, note->record.sealed, note->record.kind)) {
            chosen[count++] = note;
        }
    }
    while (count > 0) {
        const struct note_record *note = &chosen[--count]->record;
        story_add(story, &(struct behalf_entry){
                             .kind = note->kind, .author = note->person, .text = note->text, .at_ms = note->at_ms });
    }
}

static void story_answers_tell_earlier(struct story_cache *cache, struct story *story, const struct earlier *earlier,
                                       bool for_agent)
{
    for (size_t i = earlier->count; i > 0; i--) {
        struct story_post view = story_answers_view_of(earlier->posts[i - 1]);
        story_add_post(story, "earlier", &view);
    }
    for (size_t i = earlier->count; i > 0; i--) {
        struct kept_item *item = earlier->posts[i - 1]->item;
        if (i == earlier->count || earlier->posts[i]->item != item) {
            story_answers_tell_replies(story, item, for_agent);
            cache_touch(cache, item);
        }
    }
}

// ---- answers ----

static bool story_answers_answer_item(struct story_cache *cache, struct batch *batch, struct question *question)
{
    const struct kept_item *item = cache_find_item(cache, question->item);
    struct behalf_item *view = &question->view;
    struct earlier earlier;
    struct story story;

    if (item == NULL || item->posts == NULL ||
        !story_answers_find_earlier(cache, item, question->for_agent, &earlier)) {
        return false;
    }
    const struct post_record *newest = &item->posts->record;
    bool drafted = item->draft != NULL && !story_hides_post(question->for_agent, item->draft->sealed, false);
    question->found = true;
    view->item = (int64_t) item->id;
    view->brand = batch_text(batch, newest->brand);
    view->channel = batch_text(batch, newest->channel);
    view->author = batch_text(batch, newest->author);
    view->author_name = batch_text(batch, newest->author_name);
    view->reach = newest->reach;
    view->draft = batch_text(batch, drafted ? item->draft->text : "");
    view->draft_by = batch_text(batch, drafted ? item->draft->person : "");
    story_init(&story, batch);
    story_answers_tell_posts(&story, item, question->for_agent);
    story_answers_tell_replies(&story, item, question->for_agent);
    story_answers_tell_notes(&story, item, question->for_agent);
    story_answers_tell_earlier(cache, &story, &earlier, question->for_agent);
    story_finish(&story, view);
    return true;
}

// Whether a reply answers this post rather than that of a higher number: the newest by the platform's time.
static bool story_answers_answers_rather(const struct kept_post *post, const struct kept_post *later)
{
    return post->deleted != later->deleted ? later->deleted
                                           : story_answers_time_of(post) > story_answers_time_of(later);
}

static bool story_answers_answer_reply(const struct story_cache *cache, struct batch *batch, struct question *question)
{
    const struct kept_reply *reply = table_find(&cache->replies, question->reply);
    struct behalf_reply *handing = &question->handing;

    if (reply == NULL || reply->item->posts == NULL) {
        return false;
    }
    const struct kept_post *post = reply->item->posts;
    for (const struct kept_post *other = post; other != NULL; other = other->older) {
        post = story_answers_answers_rather(other, post) ? other : post;
    }
    question->found = true;
    handing->reply = (int64_t) reply->reply;
    handing->key = batch_text(batch, reply->key);
    handing->item = (int64_t) reply->item->id;
    handing->brand = batch_text(batch, reply->brand);
    handing->channel = batch_text(batch, reply->channel);
    handing->text = batch_text(batch, reply->text);
    handing->attempt = reply->attempt;
    handing->post = batch_text(batch, post->record.post);
    handing->author = batch_text(batch, post->record.author);
    handing->thread = batch_text(batch, post->record.thread);
    return true;
}

bool story_cache_answer(struct story_cache *cache, struct batch *batch, struct question *question)
{
    must(question->kind == QUESTION_ITEM || question->kind == QUESTION_REPLY);
    bool answered = question->kind == QUESTION_ITEM ? story_answers_answer_item(cache, batch, question)
                                                    : story_answers_answer_reply(cache, batch, question);

    *(answered ? &cache->hits : &cache->misses) += 1;
    return answered;
}

// ---- comparing ----

static bool story_answers_same_text(const char *one, const char *other)
{
    return strcmp(one == NULL ? "" : one, other == NULL ? "" : other) == 0;
}

static bool story_answers_same_entry(const struct behalf_entry *one, const struct behalf_entry *other)
{
    return story_answers_same_text(one->kind, other->kind) && story_answers_same_text(one->author, other->author) &&
           story_answers_same_text(one->text, other->text) && story_answers_same_text(one->before, other->before) &&
           story_answers_same_text(one->post, other->post) && story_answers_same_text(one->parent, other->parent) &&
           story_answers_same_text(one->link, other->link) && story_answers_same_text(one->language, other->language) &&
           one->media == other->media && one->at_ms == other->at_ms && one->edited == other->edited &&
           one->deleted == other->deleted;
}

static bool story_answers_same_item(const struct behalf_item *one, const struct behalf_item *other)
{
    for (size_t i = 0; i < one->story_count && i < other->story_count; i++) {
        if (!story_answers_same_entry(&one->story[i], &other->story[i])) {
            return false;
        }
    }
    return one->item == other->item && story_answers_same_text(one->brand, other->brand) &&
           story_answers_same_text(one->channel, other->channel) &&
           story_answers_same_text(one->author, other->author) &&
           story_answers_same_text(one->author_name, other->author_name) && one->reach == other->reach &&
           story_answers_same_text(one->draft, other->draft) &&
           story_answers_same_text(one->draft_by, other->draft_by) && one->story_count == other->story_count &&
           one->story_cut == other->story_cut;
}

static bool story_answers_same_reply(const struct behalf_reply *one, const struct behalf_reply *other)
{
    return one->reply == other->reply && story_answers_same_text(one->key, other->key) && one->item == other->item &&
           story_answers_same_text(one->brand, other->brand) && story_answers_same_text(one->channel, other->channel) &&
           story_answers_same_text(one->post, other->post) && story_answers_same_text(one->author, other->author) &&
           story_answers_same_text(one->thread, other->thread) && story_answers_same_text(one->text, other->text) &&
           one->attempt == other->attempt;
}

bool story_answers_agree(const struct question *one, const struct question *other)
{
    must(one->kind == other->kind);
    if (!one->found || !other->found) {
        return one->found == other->found;
    }
    return one->kind == QUESTION_ITEM ? story_answers_same_item(&one->view, &other->view)
                                      : story_answers_same_reply(&one->handing, &other->handing);
}
