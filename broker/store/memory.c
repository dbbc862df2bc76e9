// memory.c - the engine of tests: records in memory, found through chained hash tables.
//
// The disk keeps what a SQLite file would; the engine is a handle on it.  A batch is checked before any of it
// is applied, so that it is applied whole or not at all.  Nothing here is fast or compact beyond need.

#include "broker/store/memory.h"

#include "broker/store/answer.h"
#include "broker/store/story.h"
#include "proto/base/must.h"

#include <inttypes.h>
#include <string.h>

struct slot {
    struct slot *next;
    uint64_t key;
};

struct table {
    struct slot **buckets;
    size_t bucket_count; // a power of two, or 0
    size_t count;
};

// Any record that was written: a copy of its change, and what became of it later.
struct kept {
    struct slot by_key;        // posts: intake key; items and replies: id
    struct slot by_author;     // posts
    struct kept *next_of_item; // of the same kind, newest first
    struct memory_item *item;
    struct change *change;
    char *edited; // posts: the latest text, NULL when never edited
    int64_t changed_ms;
    int64_t edited_ms;
    bool shadowed; // posts: a further item has it now, and changes of it go there
    bool deleted;
    bool sealed;
};

struct memory_item {
    struct slot by_id;
    uint64_t id;
    struct change *change; // the item's row; NULL while only posts name it
    struct kept *posts;
    struct kept *notes;
    struct kept *replies;
    struct kept *events;
    struct kept *outcome;
    struct change *draft; // NULL: none
    bool draft_sealed;
};

struct list {
    void **entries;
    size_t count;
    size_t room;
};

struct memory_disk {
    struct store_position position;
    bool made; // the desk exists
    struct table items, posts, authors, replies_by_id;
    struct list item_list; // struct memory_item
    struct list post_list; // struct kept, as the ones below
    struct list note_list;
    struct list reply_list;
    struct list event_list;
    struct list outcome_list;
    struct list rules_list;   // struct change
    struct list freeze_list;  // struct change
    struct list early_list;   // struct change
    struct list request_list; // struct change, in the order of their slots' first use
    uint64_t confirmations;
    enum memory_fault *plan;
    size_t plan_count;
    size_t plan_at;
    bool crashed;
};

struct memory_engine {
    struct engine engine;
    struct memory_disk *disk;
    bool doubt; // position() must be read first
    bool dead;  // the process has "died"
};

static void list_add(struct list *list, void *entry)
{
    if (list->count == list->room) {
        list->room = list->room == 0 ? 16 : list->room * 2;
        list->entries = realloc(list->entries, list->room * sizeof *list->entries);
        must(list->entries != NULL);
    }
    list->entries[list->count++] = entry;
}

static size_t bucket_of(const struct table *table, uint64_t key)
{
    return (size_t) ((key * UINT64_C(0x9E3779B97F4A7C15)) >> 20) & (table->bucket_count - 1);
}

static void grow(struct table *table)
{
    struct table larger = { .bucket_count = table->bucket_count == 0 ? 64 : table->bucket_count * 2 };

    larger.buckets = calloc(larger.bucket_count, sizeof(struct slot *));
    must(larger.buckets != NULL);
    for (size_t i = 0; i < table->bucket_count; i++) {
        struct slot *next = NULL;
        for (struct slot *slot = table->buckets[i]; slot != NULL; slot = next) {
            next = slot->next;
            struct slot **bucket = &larger.buckets[bucket_of(&larger, slot->key)];
            slot->next = *bucket;
            *bucket = slot;
        }
    }
    larger.count = table->count;
    free(table->buckets);
    *table = larger;
}

static void table_add(struct table *table, struct slot *slot, uint64_t key)
{
    if (table->count >= table->bucket_count) {
        grow(table);
    }
    slot->key = key;
    struct slot **bucket = &table->buckets[bucket_of(table, key)];
    slot->next = *bucket;
    *bucket = slot;
    table->count++;
}

// The first slot with the key at or behind `slot`.
static struct slot *same_key(struct slot *slot, uint64_t key)
{
    while (slot != NULL && slot->key != key) {
        slot = slot->next;
    }
    return slot;
}

static struct slot *table_find(const struct table *table, uint64_t key)
{
    return table->bucket_count == 0 ? NULL : same_key(table->buckets[bucket_of(table, key)], key);
}

#define OWNER(slot, type, member) ((struct type *) (void *) ((char *) (slot) -offsetof(struct type, member)))

static struct memory_item *find_item(const struct memory_disk *disk, uint64_t id)
{
    struct slot *slot = table_find(&disk->items, id);

    return slot == NULL ? NULL : OWNER(slot, memory_item, by_id);
}

static struct memory_item *require_item(struct memory_disk *disk, uint64_t id)
{
    struct memory_item *item = find_item(disk, id);

    if (item == NULL) {
        item = calloc(1, sizeof *item);
        must(item != NULL);
        item->id = id;
        table_add(&disk->items, &item->by_id, id);
        list_add(&disk->item_list, item);
    }
    return item;
}

static struct kept *find_reply(const struct memory_disk *disk, uint64_t id)
{
    struct slot *slot = table_find(&disk->replies_by_id, id);

    return slot == NULL ? NULL : OWNER(slot, kept, by_key);
}

// The key of a post's place: not its intake key, which a further message about it does not carry.
static uint64_t post_key(const char *channel, const char *post)
{
    uint64_t key = UINT64_C(14695981039346656037);

    for (const char *c = channel; *c != 0; c++) {
        key = (key ^ (unsigned char) *c) * UINT64_C(1099511628211);
    }
    key = (key ^ 0xFF) * UINT64_C(1099511628211);
    for (const char *c = post; *c != 0; c++) {
        key = (key ^ (unsigned char) *c) * UINT64_C(1099511628211);
    }
    return key;
}

// Finds the newest post of this name.
static struct kept *find_post(const struct memory_disk *disk, const char *channel, const char *post, const char *brand)
{
    uint64_t key = post_key(channel, post);

    for (struct slot *slot = table_find(&disk->posts, key); slot != NULL; slot = same_key(slot->next, key)) {
        struct kept *kept = OWNER(slot, kept, by_key);
        const struct post_record *record = &kept->change->post;
        if (!kept->shadowed && strcmp(record->channel, channel) == 0 && strcmp(record->post, post) == 0 &&
            strcmp(record->brand, brand) == 0) {
            return kept;
        }
    }
    return NULL;
}

// Whether the item is with PR, out of the agents' sight, as the rows say now.
static bool with_pr(const struct memory_item *item)
{
    return item->change != NULL && item->change->item.sealed && strcmp(item->change->item.audience, "pr") == 0;
}

static struct kept *keep(struct list *list, struct kept **of_item, struct memory_item *item,
                         const struct change *change)
{
    struct kept *kept = calloc(1, sizeof *kept);

    must(kept != NULL);
    kept->change = change_copy(change);
    kept->item = item;
    kept->next_of_item = *of_item;
    *of_item = kept;
    list_add(list, kept);
    return kept;
}

static void put_post(struct memory_disk *disk, const struct change *change)
{
    struct memory_item *item = require_item(disk, change->post.item);
    struct kept *before = find_post(disk, change->post.channel, change->post.post, change->post.brand);
    struct kept *kept = keep(&disk->post_list, &item->posts, item, change);

    kept->sealed = with_pr(item);
    if (before != NULL) {
        before->shadowed = true;
    }
    table_add(&disk->posts, &kept->by_key, post_key(change->post.channel, change->post.post));
    table_add(&disk->authors, &kept->by_author, change->post.author_key);
}

static void change_post(struct memory_disk *disk, const struct post_change_record *change)
{
    struct kept *kept = find_post(disk, change->channel, change->post, change->brand);

    kept->change->post.sensitive |= change->sensitive;
    kept->changed_ms = change->at_ms;
    if (change->deleted) {
        kept->deleted = true;
        return;
    }
    free(kept->edited);
    kept->edited = strdup(change->text);
    must(kept->edited != NULL);
    kept->edited_ms = change->edited_ms > kept->edited_ms ? change->edited_ms : kept->edited_ms;
}

// A copy of the post as it is now, which shadows the one it was made of.
static void put_post_again(struct memory_disk *disk, const struct post_again_record *again)
{
    struct kept *before = find_post(disk, again->channel, again->post, again->brand);
    struct change copy = *before->change;

    copy.post.item = again->item;
    copy.post.number = again->number;
    copy.post.taken_ms = again->taken_ms;
    copy.post.sensitive = true;
    put_post(disk, &copy);
    struct kept *kept = require_item(disk, again->item)->posts;
    kept->sealed = true;
    kept->edited = before->edited == NULL ? NULL : strdup(before->edited);
    must(before->edited == NULL || kept->edited != NULL);
    kept->changed_ms = before->changed_ms;
    kept->edited_ms = before->edited_ms;
}

// What is kept of the same post under the same number goes; `change` takes its place unless it only says so.
static void put_early(struct memory_disk *disk, const struct change *change)
{
    struct list *list = &disk->early_list;

    for (size_t i = 0; i < list->count; i++) {
        struct change *before = list->entries[i];
        if (strcmp(before->early.channel, change->early.channel) == 0 &&
            strcmp(before->early.post, change->early.post) == 0 && before->early.number == change->early.number) {
            free(before);
            memmove(&list->entries[i], &list->entries[i + 1], (list->count - i - 1) * sizeof *list->entries);
            list->count--;
            break;
        }
    }
    if (change->kind == CHANGE_EARLY) {
        list_add(list, change_copy(change));
    }
}

static void put_item(struct memory_disk *disk, const struct change *change)
{
    struct memory_item *item = require_item(disk, change->item.item);

    free(item->change);
    item->change = change_copy(change);
}

static void put_draft(struct memory_disk *disk, const struct change *change)
{
    struct memory_item *item = require_item(disk, change->draft.item);

    free(item->draft);
    item->draft = change->draft.text[0] == 0 ? NULL : change_copy(change);
    item->draft_sealed = with_pr(item);
}

static void put_note(struct memory_disk *disk, const struct change *change)
{
    struct memory_item *item = require_item(disk, change->note.item);

    keep(&disk->note_list, &item->notes, item, change)->sealed = change->note.sealed;
}

static void put_reply(struct memory_disk *disk, const struct change *change)
{
    struct kept *kept = find_reply(disk, change->reply.reply);

    if (kept == NULL) {
        struct memory_item *item = require_item(disk, change->reply.item);
        kept = keep(&disk->reply_list, &item->replies, item, change);
        table_add(&disk->replies_by_id, &kept->by_key, change->reply.reply);
        kept->sealed = change->reply.sealed;
        return;
    }
    struct change *before = kept->change;
    struct change written = *change;
    if (written.reply.text == NULL) {
        written.reply.text = before->reply.text;
    }
    kept->change = change_copy(&written);
    kept->sealed = kept->sealed || change->reply.sealed;
    kept->change->reply.sealed = kept->sealed;
    free(before);
}

static void put_freeze(struct memory_disk *disk, const struct change *change)
{
    for (size_t i = 0; i < disk->freeze_list.count; i++) {
        struct change *before = disk->freeze_list.entries[i];
        if (strcmp(before->freeze.brand, change->freeze.brand) == 0) {
            free(before);
            disk->freeze_list.entries[i] = change_copy(change);
            return;
        }
    }
    list_add(&disk->freeze_list, change_copy(change));
}

// What was in its slot before goes.  Slots are few in tests.
static void put_request(struct memory_disk *disk, const struct change *change)
{
    for (size_t i = disk->request_list.count; i > 0; i--) {
        struct change *before = disk->request_list.entries[i - 1];
        if (before->request.slot == change->request.slot) {
            free(before);
            disk->request_list.entries[i - 1] = change_copy(change);
            return;
        }
    }
    list_add(&disk->request_list, change_copy(change));
}

static void seal_all(struct kept *kept)
{
    for (; kept != NULL; kept = kept->next_of_item) {
        kept->sealed = true;
    }
}

static void seal(struct memory_disk *disk, uint64_t id)
{
    struct memory_item *item = require_item(disk, id);

    seal_all(item->posts);
    seal_all(item->notes);
    seal_all(item->replies);
    for (struct kept *note = item->notes; note != NULL; note = note->next_of_item) {
        note->change->note.sealed = true;
    }
    for (struct kept *reply = item->replies; reply != NULL; reply = reply->next_of_item) {
        reply->change->reply.sealed = true;
    }
    item->draft_sealed = true;
}

// PR returned the item: agents may see its posts again, all the rest stays sealed.
static void unseal(struct memory_disk *disk, uint64_t id)
{
    for (struct kept *post = require_item(disk, id)->posts; post != NULL; post = post->next_of_item) {
        post->sealed = false;
        post->change->post.sensitive = false;
    }
}

static void apply(struct memory_disk *disk, const struct change *change)
{
    struct memory_item *item = NULL;

    switch (change->kind) {
    case CHANGE_POST:
        put_post(disk, change);
        break;
    case CHANGE_POST_CHANGE:
        change_post(disk, &change->post_change);
        break;
    case CHANGE_POST_AGAIN:
        put_post_again(disk, &change->post_again);
        break;
    case CHANGE_EARLY:
    case CHANGE_EARLY_GONE:
        put_early(disk, change);
        break;
    case CHANGE_ITEM:
        put_item(disk, change);
        break;
    case CHANGE_DRAFT:
        put_draft(disk, change);
        break;
    case CHANGE_NOTE:
        put_note(disk, change);
        break;
    case CHANGE_REPLY:
        put_reply(disk, change);
        break;
    case CHANGE_EVENT:
        item = require_item(disk, change->event.item);
        keep(&disk->event_list, &item->events, item, change);
        break;
    case CHANGE_OUTCOME:
        item = require_item(disk, change->outcome.item);
        keep(&disk->outcome_list, &item->outcome, item, change);
        break;
    case CHANGE_RULES:
        list_add(&disk->rules_list, change_copy(change));
        break;
    case CHANGE_FREEZE:
        put_freeze(disk, change);
        break;
    case CHANGE_REQUEST:
        put_request(disk, change);
        break;
    case CHANGE_SEAL:
        seal(disk, change->seal.item);
        break;
    case CHANGE_UNSEAL:
        unseal(disk, change->seal.item);
        break;
    }
}

static bool is_named(const struct post_record *record, const char *channel, const char *post, const char *brand)
{
    return strcmp(record->post, post) == 0 && strcmp(record->channel, channel) == 0 &&
           strcmp(record->brand, brand) == 0;
}

static bool brings_changed_post(const struct change *earlier, const struct change *change)
{
    const struct post_change_record *changed = &change->post_change;

    return earlier->kind == CHANGE_POST && is_named(&earlier->post, changed->channel, changed->post, changed->brand);
}

static bool brings_post_again(const struct change *earlier, const struct change *change)
{
    const struct post_again_record *again = &change->post_again;

    return earlier->kind == CHANGE_POST && is_named(&earlier->post, again->channel, again->post, again->brand);
}

static bool brings_same_post(const struct change *earlier, const struct change *change)
{
    return earlier->kind == CHANGE_POST &&
           is_named(&earlier->post, change->post.channel, change->post.post, change->post.brand);
}

static bool ends_same_item(const struct change *earlier, const struct change *change)
{
    return earlier->kind == CHANGE_OUTCOME && earlier->outcome.item == change->outcome.item;
}

static bool same_rules(const struct change *earlier, const struct change *change)
{
    return earlier->kind == CHANGE_RULES && earlier->rules.version == change->rules.version;
}

static bool writes_same_reply(const struct change *earlier, const struct change *change)
{
    return earlier->kind == CHANGE_REPLY && earlier->reply.reply == change->reply.reply;
}

// Whether a change that stands before `change` in its group is `same`.
static bool any_before(const struct batch *batch, const struct change *change,
                       bool (*same)(const struct change *earlier, const struct change *change))
{
    for (; batch != NULL; batch = batch_next(batch)) {
        const struct change *earlier = change_list_changes(batch_list((struct batch *) batch));
        for (; earlier != NULL; earlier = earlier->next) {
            if (earlier == change) {
                return false;
            }
            if (same(earlier, change)) {
                return true;
            }
        }
    }
    return false;
}

// What the tables of a database would not let in; NULL when all is well.
static const char *contradiction(const struct memory_disk *disk, const struct batch *batch, const struct change *change)
{
    const struct memory_item *item = NULL;
    const struct kept *before = NULL;

    switch (change->kind) {
    case CHANGE_POST:
        before = find_post(disk, change->post.channel, change->post.post, change->post.brand);
        if ((before != NULL && before->change->post.taken_ms >= change->post.taken_ms - STORE_NAME_MS) ||
            any_before(batch, change, brings_same_post)) {
            return "a post was taken twice";
        }
        return NULL;
    case CHANGE_POST_CHANGE:
        if (find_post(disk, change->post_change.channel, change->post_change.post, change->post_change.brand) == NULL &&
            !any_before(batch, change, brings_changed_post)) {
            return "a post that was never taken was changed";
        }
        return NULL;
    case CHANGE_POST_AGAIN:
        if (find_post(disk, change->post_again.channel, change->post_again.post, change->post_again.brand) == NULL &&
            !any_before(batch, change, brings_post_again)) {
            return "a post that was never taken was taken again";
        }
        return NULL;
    case CHANGE_OUTCOME:
        item = find_item(disk, change->outcome.item);
        if ((item != NULL && item->outcome != NULL) || any_before(batch, change, ends_same_item)) {
            return "an item ended twice";
        }
        return NULL;
    case CHANGE_RULES:
        for (size_t i = 0; i < disk->rules_list.count; i++) {
            if (same_rules(disk->rules_list.entries[i], change)) {
                return "a version of the rules was written twice";
            }
        }
        return any_before(batch, change, same_rules) ? "a version of the rules was written twice" : NULL;
    case CHANGE_REPLY:
        if (change->reply.text == NULL && find_reply(disk, change->reply.reply) == NULL &&
            !any_before(batch, change, writes_same_reply)) {
            return "a reply without text";
        }
        return NULL;
    default:
        return NULL;
    }
}

static enum store_result refuse(struct memory_engine *engine, enum store_result result, const char *reason)
{
    snprintf(engine->engine.reason, sizeof engine->engine.reason, "%s", reason);
    return result;
}

static void fill_entry_of_post(const struct kept *kept, const char *kind, struct behalf_entry *entry)
{
    const struct post_record *post = &kept->change->post;

    *entry = (struct behalf_entry){
        .kind = kind,
        .author = post->author,
        .post = post->post,
        .language = post->language,
        .at_ms = post->posted_ms != 0 ? post->posted_ms : post->taken_ms,
        .edited = kept->edited != NULL,
        .deleted = kept->deleted,
        .parent = post->parent,
        .link = post->link,
        .media = post->media,
    };
    if (!kept->deleted) {
        entry->text = kept->edited != NULL ? kept->edited : post->text;
        entry->before = kept->edited != NULL ? post->text : "";
    }
}

static bool hidden(const struct kept *kept, bool for_agent)
{
    return for_agent && (kept->sealed || (kept->change->kind == CHANGE_POST && kept->change->post.sensitive));
}

// Adds the newest of a chain, oldest first, through `add`; those that it refuses do not count.
static void tell(struct story *story, struct kept *newest, bool for_agent,
                 bool (*fill)(const struct kept *kept, bool for_agent, struct behalf_entry *entry))
{
    struct kept *chosen[STORY_ROWS_MAX];
    struct behalf_entry entry;
    size_t count = 0;

    for (; newest != NULL && count < STORY_ROWS_MAX; newest = newest->next_of_item) {
        if (fill(newest, for_agent, &entry)) {
            chosen[count++] = newest;
        }
    }
    while (count > 0) {
        if (story->count < STORY_CANDIDATES_MAX && fill(chosen[--count], for_agent, &entry)) {
            story_add(story, &entry);
        }
    }
}

static bool fill_post(const struct kept *kept, bool for_agent, struct behalf_entry *entry)
{
    fill_entry_of_post(kept, "post", entry);
    return !hidden(kept, for_agent);
}

static bool fill_reply(const struct kept *kept, bool for_agent, struct behalf_entry *entry)
{
    const struct reply_record *reply = &kept->change->reply;

    *entry = (struct behalf_entry){
        .kind = "reply", .author = reply->person, .text = reply->text, .at_ms = reply->created_ms
    };
    return story_shows_reply(reply->state) && !hidden(kept, for_agent);
}

static bool fill_note(const struct kept *kept, bool for_agent, struct behalf_entry *entry)
{
    const struct note_record *note = &kept->change->note;

    *entry =
        (struct behalf_entry){ .kind = note->kind, .author = note->person, .text = note->text, .at_ms = note->at_ms };
    return strcmp(note->kind, "guidance") == 0 || !hidden(kept, for_agent);
}

static bool newer(const struct kept *one, const struct kept *other)
{
    const struct post_record *a = &one->change->post;
    const struct post_record *b = &other->change->post;

    return a->item != b->item ? a->item > b->item : a->number > b->number;
}

// The author's newest posts in other items of the brand, newest first.
static size_t find_earlier(const struct memory_disk *disk, const struct memory_item *item, bool for_agent,
                           const struct kept *earlier[STORY_EARLIER_MAX])
{
    const struct post_record *own = &item->posts->change->post;
    size_t count = 0;

    for (struct slot *slot = table_find(&disk->authors, own->author_key); slot != NULL;
         slot = same_key(slot->next, own->author_key)) {
        const struct kept *kept = OWNER(slot, kept, by_author);
        if (kept->item == item || kept->deleted || hidden(kept, for_agent) ||
            strcmp(kept->change->post.brand, own->brand) != 0) {
            continue;
        }
        size_t at = count < STORY_EARLIER_MAX ? count++ : STORY_EARLIER_MAX;
        for (; at > 0 && newer(kept, earlier[at - 1]); at--) {
            if (at < STORY_EARLIER_MAX) {
                earlier[at] = earlier[at - 1];
            }
        }
        if (at < STORY_EARLIER_MAX) {
            earlier[at] = kept;
        }
    }
    return count;
}

static void tell_earlier(struct story *story, const struct memory_disk *disk, const struct memory_item *item,
                         bool for_agent)
{
    const struct kept *earlier[STORY_EARLIER_MAX];
    struct behalf_entry entry;
    size_t count = find_earlier(disk, item, for_agent, earlier);

    for (size_t i = count; i > 0; i--) {
        fill_entry_of_post(earlier[i - 1], "earlier", &entry);
        story_add(story, &entry);
    }
    for (size_t i = count; i > 0; i--) {
        if (i == count || earlier[i]->item != earlier[i - 1]->item) {
            tell(story, earlier[i - 1]->item->replies, for_agent, fill_reply);
        }
    }
}

static void answer_item(const struct memory_disk *disk, struct batch *batch, struct question *question)
{
    struct memory_item *item = find_item(disk, question->item);
    struct behalf_item *view = &question->view;
    struct story story;

    if (item == NULL || item->posts == NULL) {
        return;
    }
    const struct post_record *newest = &item->posts->change->post;
    question->found = true;
    view->item = (int64_t) item->id;
    view->brand = batch_text(batch, newest->brand);
    view->channel = batch_text(batch, newest->channel);
    view->author = batch_text(batch, newest->author);
    view->author_name = batch_text(batch, newest->author_name);
    view->reach = newest->reach;
    bool shown = item->draft != NULL && !(question->for_agent && item->draft_sealed);
    view->draft = batch_text(batch, shown ? item->draft->draft.text : "");
    view->draft_by = batch_text(batch, shown ? item->draft->draft.person : "");
    story_init(&story, batch);
    tell(&story, item->posts, question->for_agent, fill_post);
    tell(&story, item->replies, question->for_agent, fill_reply);
    tell(&story, item->notes, question->for_agent, fill_note);
    tell_earlier(&story, disk, item, question->for_agent);
    story_finish(&story, view);
}

static int compare_brands(const void *one, const void *other)
{
    return strcmp((*(const struct kept *const *) one)->change->post.brand,
                  (*(const struct kept *const *) other)->change->post.brand);
}

static void add_known(struct question *question, struct batch *batch, const struct kept *kept)
{
    const struct post_record *post = &kept->change->post;
    struct known_post *known = question_add_known(question, batch);

    known->item = kept->item->id;
    known->deleted = kept->deleted;
    known->edited = kept->edited != NULL;
    known->edited_ms = kept->edited_ms;
    known->first_text = batch_text(batch, post->text);
    known->post.brand = batch_text(batch, post->brand);
    known->post.author = batch_text(batch, post->author);
    known->post.author_name = batch_text(batch, post->author_name);
    known->post.reach = post->reach;
    known->post.text = kept->edited != NULL ? batch_text(batch, kept->edited) : known->first_text;
    known->post.language = batch_text(batch, post->platform_language);
    known->post.thread = batch_text(batch, post->thread);
    known->post.posted_ms = post->posted_ms;
}

static void answer_intake(const struct memory_disk *disk, struct batch *batch, struct question *question)
{
    uint64_t key = post_key(question->channel, question->post);
    const struct kept *found[POLICY_SET_MAX];
    size_t count = 0;

    for (struct slot *slot = table_find(&disk->posts, key); slot != NULL; slot = same_key(slot->next, key)) {
        const struct kept *kept = OWNER(slot, kept, by_key);
        const struct post_record *post = &kept->change->post;
        if (!kept->shadowed && count < POLICY_SET_MAX && strcmp(post->channel, question->channel) == 0 &&
            strcmp(post->post, question->post) == 0) {
            found[count++] = kept;
        }
    }
    qsort(found, count, sizeof *found, compare_brands);
    for (size_t i = 0; i < count; i++) {
        add_known(question, batch, found[i]);
    }
}

static int64_t time_of(const struct kept *post)
{
    return post->change->post.posted_ms > 0 ? post->change->post.posted_ms : post->change->post.taken_ms;
}

// Whether a reply answers this post rather than that of a higher number: the newest by the platform's time.
static bool answers_rather(const struct kept *post, const struct kept *later)
{
    return post->deleted != later->deleted ? later->deleted : time_of(post) > time_of(later);
}

static void answer_reply(const struct memory_disk *disk, struct batch *batch, struct question *question)
{
    const struct kept *kept = find_reply(disk, question->reply);

    if (kept == NULL || kept->item->posts == NULL) {
        return;
    }
    const struct kept *post = kept->item->posts;
    for (const struct kept *other = post; other != NULL; other = other->next_of_item) {
        post = answers_rather(other, post) ? other : post;
    }
    const struct reply_record *reply = &kept->change->reply;
    question->found = true;
    question->handing = (struct behalf_reply){
        .reply = (int64_t) reply->reply,
        .key = batch_text(batch, reply->key),
        .item = (int64_t) reply->item,
        .brand = batch_text(batch, reply->brand),
        .channel = batch_text(batch, reply->channel),
        .post = batch_text(batch, post->change->post.post),
        .author = batch_text(batch, post->change->post.author),
        .thread = batch_text(batch, post->change->post.thread),
        .text = batch_text(batch, reply->text),
        .attempt = reply->attempt,
    };
}

static void answer_closed_item(const struct memory_disk *disk, struct batch *batch, struct question *question)
{
    const struct memory_item *item = find_item(disk, question->item);

    if (item == NULL || item->change == NULL) {
        return;
    }
    question->record = item->change->item;
    item_record_keep(&question->record, batch);
    question->found = true;
}

static void answer_settled_reply(const struct memory_disk *disk, struct batch *batch, struct question *question)
{
    const struct kept *kept = find_reply(disk, question->reply);

    if (kept == NULL) {
        return;
    }
    question->found = true;
    question->found_item = kept->change->reply.item;
    question->found_instance = batch_text(batch, kept->change->reply.instance);
}

static void answer(const struct memory_disk *disk, struct batch *batch)
{
    for (struct question *question = batch_questions(batch); question != NULL; question = question->next) {
        question->found = false;
        question->known = NULL;
        switch (question->kind) {
        case QUESTION_INTAKE:
            answer_intake(disk, batch, question);
            break;
        case QUESTION_ITEM:
            answer_item(disk, batch, question);
            break;
        case QUESTION_REPLY:
            answer_reply(disk, batch, question);
            break;
        case QUESTION_CLOSED_ITEM:
            answer_closed_item(disk, batch, question);
            break;
        case QUESTION_SETTLED_REPLY:
            answer_settled_reply(disk, batch, question);
            break;
        }
    }
}

static void write_group(struct memory_disk *disk, const struct batch *batch)
{
    struct store_position before = disk->position;

    disk->position = *batch_group_to(batch);
    disk->position.next_id = disk->position.next_id > before.next_id ? disk->position.next_id : before.next_id;
    disk->position.clock_ms = disk->position.clock_ms > before.clock_ms ? disk->position.clock_ms : before.clock_ms;
    for (; batch != NULL; batch = batch_next(batch)) {
        const struct change *change = change_list_changes(batch_list((struct batch *) batch));
        for (; change != NULL; change = change->next) {
            apply(disk, change);
        }
    }
}

static const char *group_contradiction(const struct memory_disk *disk, const struct batch *group)
{
    const char *reason = NULL;

    for (const struct batch *batch = group; batch != NULL; batch = batch_next(batch)) {
        const struct change *change = change_list_changes(batch_list((struct batch *) batch));
        for (; change != NULL && reason == NULL; change = change->next) {
            reason = contradiction(disk, group, change);
        }
    }
    return reason;
}

// Writes the group, or does what the plan has in store for it.
static enum store_result write_by_plan(struct memory_engine *engine, const struct batch *batch)
{
    struct memory_disk *disk = engine->disk;
    enum memory_fault fault = disk->plan_at < disk->plan_count ? disk->plan[disk->plan_at++] : MEMORY_FAULT_NONE;
    bool written =
        fault == MEMORY_FAULT_NONE || fault == MEMORY_FAULT_DOUBT_WRITTEN || fault == MEMORY_FAULT_CRASH_SYNCED;

    if (written) {
        write_group(disk, batch);
    }
    if (fault == MEMORY_FAULT_NONE) {
        return STORE_OK;
    }
    if (fault == MEMORY_FAULT_UNAVAILABLE) {
        return refuse(engine, STORE_UNAVAILABLE, "the store is away, as planned");
    }
    disk->crashed = fault == MEMORY_FAULT_CRASH_SYNCED || fault == MEMORY_FAULT_CRASH_UNSYNCED;
    engine->dead = disk->crashed;
    engine->doubt = true;
    return refuse(engine, STORE_IN_DOUBT, "the answer to a commit was lost, as planned");
}

static struct memory_engine *own(struct engine *engine)
{
    return (struct memory_engine *) (void *) engine;
}

static const char *memory_describe(const struct engine *engine)
{
    (void) engine;
    return "memory: nothing outlives the process";
}

static bool same_position(const struct store_position *one, const struct store_position *other)
{
    return one->epoch == other->epoch && one->sequence == other->sequence;
}

static enum store_result memory_commit(struct engine *base, struct batch *batch)
{
    struct memory_engine *engine = own(base);

    if (engine->dead) {
        return refuse(engine, STORE_UNAVAILABLE, "the process has crashed, as planned");
    }
    if (engine->doubt) {
        return refuse(engine, STORE_IN_DOUBT, "an earlier commit is in doubt: read the position first");
    }
    if (batch_group_change_count(batch) > 0 && !same_position(&engine->disk->position, batch_group_to(batch))) {
        const char *reason = group_contradiction(engine->disk, batch);
        if (!same_position(&engine->disk->position, batch_from(batch))) {
            reason = "the desk is not where it was believed to be: another broker has taken it over";
        }
        if (reason != NULL) {
            return refuse(engine, STORE_CONTRADICTED, reason);
        }
        enum store_result result = write_by_plan(engine, batch);
        if (result != STORE_OK) {
            return result;
        }
    }
    for (; batch != NULL; batch = batch_next(batch)) {
        answer(engine->disk, batch);
    }
    return STORE_OK;
}

static enum store_result memory_position(struct engine *base, struct store_position *position)
{
    struct memory_engine *engine = own(base);

    if (engine->dead) {
        return refuse(engine, STORE_UNAVAILABLE, "the process has crashed, as planned");
    }
    if (!engine->disk->made) {
        return refuse(engine, STORE_CONTRADICTED, "the store has no such desk");
    }
    engine->doubt = false;
    *position = engine->disk->position;
    return STORE_OK;
}

static enum store_result memory_take_over(struct engine *base, struct store_position *position)
{
    struct memory_engine *engine = own(base);

    if (engine->dead) {
        return refuse(engine, STORE_UNAVAILABLE, "the process has crashed, as planned");
    }
    if (!engine->disk->made) {
        engine->disk->made = true;
        engine->disk->position.next_id = 1;
    }
    engine->disk->position.epoch++;
    *position = engine->disk->position;
    return STORE_OK;
}

static enum store_result memory_confirm(struct engine *base)
{
    struct memory_engine *engine = own(base);

    if (engine->dead || engine->doubt) {
        return refuse(engine, STORE_UNAVAILABLE, "a commit is in doubt, as planned");
    }
    engine->disk->confirmations++;
    return STORE_OK;
}

static enum store_result memory_secret(struct engine *base, char secret[ENGINE_SECRET_BYTES])
{
    (void) base;
    snprintf(secret, ENGINE_SECRET_BYTES, "%s", "a secret of a store in memory");
    return STORE_OK;
}

// Whether the rules in force have reached all items that were open when they were applied.
static bool are_reviewed(const struct memory_disk *disk)
{
    for (size_t i = disk->event_list.count; i > 0; i--) {
        const struct kept *kept = disk->event_list.entries[i - 1];
        const char *kind = kept->change->event.kind;
        if (strcmp(kind, "rules reviewed") == 0 || strcmp(kind, "rules applied") == 0) {
            return strcmp(kind, "rules reviewed") == 0;
        }
    }
    return false;
}

static bool read_rules(const struct memory_disk *disk, const struct store_reader *reader)
{
    const struct change *newest = NULL;

    for (size_t i = 0; i < disk->rules_list.count; i++) {
        const struct change *change = disk->rules_list.entries[i];
        newest = newest == NULL || change->rules.version > newest->rules.version ? change : newest;
    }
    if (newest == NULL || reader->rules == NULL) {
        return true;
    }
    struct rules_record rules = newest->rules;
    rules.reviewed = are_reviewed(disk);
    return reader->rules(reader->self, &rules);
}

static bool read_freezes(const struct memory_disk *disk, const struct store_reader *reader)
{
    bool go_on = reader->freeze != NULL;

    for (size_t i = 0; i < disk->freeze_list.count && go_on; i++) {
        const struct change *change = disk->freeze_list.entries[i];
        go_on = !change->freeze.frozen || reader->freeze(reader->self, &change->freeze);
    }
    return go_on || reader->freeze == NULL;
}

static int compare_items(const void *one, const void *other)
{
    uint64_t a = (*(struct memory_item *const *) one)->id;
    uint64_t b = (*(struct memory_item *const *) other)->id;

    return a < b ? -1 : a > b;
}

static bool is_open(const struct memory_item *item)
{
    return item->change != NULL && item->change->item.state != ITEM_CLOSED;
}

static bool read_items(struct memory_disk *disk, const struct store_reader *reader)
{
    bool go_on = reader->item != NULL;

    if (disk->item_list.count > 0) {
        qsort(disk->item_list.entries, disk->item_list.count, sizeof(void *), compare_items);
    }
    for (size_t i = 0; i < disk->item_list.count && go_on; i++) {
        const struct memory_item *item = disk->item_list.entries[i];
        go_on = !is_open(item) || reader->item(reader->self, &item->change->item);
    }
    return go_on || reader->item == NULL;
}

static int compare_replies(const void *one, const void *other)
{
    uint64_t a = (*(struct kept *const *) one)->change->reply.reply;
    uint64_t b = (*(struct kept *const *) other)->change->reply.reply;

    return a < b ? -1 : a > b;
}

static bool read_replies(struct memory_disk *disk, const struct store_reader *reader)
{
    bool go_on = reader->reply != NULL;

    if (disk->reply_list.count > 0) {
        qsort(disk->reply_list.entries, disk->reply_list.count, sizeof(void *), compare_replies);
    }
    for (size_t i = 0; i < disk->reply_list.count && go_on; i++) {
        const struct kept *kept = disk->reply_list.entries[i];
        const struct reply_record *reply = &kept->change->reply;
        if (is_open(kept->item) &&
            (reply->state == REPLY_QUEUED || reply->state == REPLY_HANDED || reply->state == REPLY_UNKNOWN)) {
            go_on = reader->reply(reader->self, reply);
        }
    }
    return go_on || reader->reply == NULL;
}

static bool read_outcomes(const struct memory_disk *disk, const struct store_reader *reader)
{
    bool go_on = reader->outcome != NULL;

    for (size_t i = 0; i < disk->outcome_list.count && go_on; i++) {
        const struct outcome_record *outcome = &((struct kept *) disk->outcome_list.entries[i])->change->outcome;
        go_on = outcome->closed_ms < reader->outcomes_since_ms || reader->outcome(reader->self, outcome);
    }
    return go_on || reader->outcome == NULL;
}

static bool read_early(const struct memory_disk *disk, const struct store_reader *reader)
{
    bool go_on = reader->early != NULL;

    for (size_t i = 0; i < disk->early_list.count && go_on; i++) {
        const struct change *change = disk->early_list.entries[i];
        go_on = reader->early(reader->self, &change->early);
    }
    return go_on || reader->early == NULL;
}

// In the order of taking, which is that of the list.
static bool read_intake_keys(const struct memory_disk *disk, const struct store_reader *reader)
{
    bool go_on = reader->intake_key != NULL;

    for (size_t i = 0; i < disk->post_list.count && go_on; i++) {
        const struct kept *kept = disk->post_list.entries[i];
        const struct post_record *post = &kept->change->post;
        go_on = kept->shadowed || post->taken_ms < reader->keys_since_ms ||
                reader->intake_key(reader->self, post->channel, post->post, post->taken_ms);
    }
    return go_on || reader->intake_key == NULL;
}

static int compare_slots(const void *one, const void *other)
{
    uint64_t a = (*(struct change *const *) one)->request.slot;
    uint64_t b = (*(struct change *const *) other)->request.slot;

    return a < b ? -1 : a > b;
}

static bool read_requests(struct memory_disk *disk, const struct store_reader *reader)
{
    bool go_on = reader->request != NULL;

    if (disk->request_list.count > 0) {
        qsort(disk->request_list.entries, disk->request_list.count, sizeof(void *), compare_slots);
    }
    for (size_t i = 0; i < disk->request_list.count && go_on; i++) {
        const struct request_record *request = &((struct change *) disk->request_list.entries[i])->request;
        go_on = request->at_ms < reader->requests_since_ms || reader->request(reader->self, request);
    }
    return go_on || reader->request == NULL;
}

static enum store_result memory_read(struct engine *base, const struct store_reader *reader)
{
    struct memory_engine *engine = own(base);
    struct memory_disk *disk = engine->disk;

    if (engine->dead) {
        return refuse(engine, STORE_UNAVAILABLE, "the process has crashed, as planned");
    }
    (void) (read_rules(disk, reader) && read_freezes(disk, reader) && read_items(disk, reader) &&
            read_replies(disk, reader) && read_outcomes(disk, reader) && read_early(disk, reader) &&
            read_intake_keys(disk, reader) && read_requests(disk, reader));
    return STORE_OK;
}

static void fill_event(struct report *report, const struct event_record *event, struct behalf_event *row)
{
    *row = (struct behalf_event){
        .sequence = (int64_t) event->sequence,
        .at_ms = event->at_ms,
        .kind = report_text(report, event->kind),
        .person = report_text(report, event->person),
        .queue = report_text(report, event->queue),
        .rule = report_text(report, event->rule),
        .rules_version = (int64_t) event->rules_version,
        .detail = report_text(report, event->detail),
    };
}

// The newest item that a post of this channel and id is in; 0: there is none.
static uint64_t item_of_post(const struct memory_disk *disk, const char *channel, const char *post)
{
    uint64_t key = post_key(channel, post);
    uint64_t item = 0;

    for (struct slot *slot = table_find(&disk->posts, key); slot != NULL; slot = same_key(slot->next, key)) {
        const struct kept *kept = OWNER(slot, kept, by_key);
        const struct post_record *record = &kept->change->post;
        if (!kept->shadowed && kept->item->id > item && strcmp(record->channel, channel) == 0 &&
            strcmp(record->post, post) == 0) {
            item = kept->item->id;
        }
    }
    return item;
}

static void report_history(const struct memory_disk *disk, struct report *report)
{
    const struct behalf_why *why = &report->why;
    uint64_t id = (uint64_t) why->item;

    if (id == 0 && why->post != NULL && why->channel != NULL) {
        id = item_of_post(disk, why->channel, why->post);
    }
    const struct memory_item *item = id == 0 ? NULL : find_item(disk, id);
    if (item == NULL || item->change == NULL) {
        return;
    }
    struct behalf_history *history = &report->history;
    report->found = true;
    history->item = (int64_t) id;
    history->state = report_text(report, store_item_state_name(item->change->item.state));
    history->outcome = report_text(report, item->change->item.outcome);
    history->events = report_allocate(report, REPORT_EVENTS_MAX * sizeof *history->events);
    size_t bytes = 0;
    for (size_t i = 0; i < disk->event_list.count; i++) {
        const struct event_record *event = &((struct kept *) disk->event_list.entries[i])->change->event;
        if (event->item != id || event->sequence <= (uint64_t) why->after) {
            continue;
        }
        bytes += strlen(event->detail) + strlen(event->queue) + strlen(event->rule) + strlen(event->person);
        history->more =
            history->events_count == REPORT_EVENTS_MAX || (bytes > REPORT_BYTES_MAX && history->events_count > 0);
        if (history->more) {
            return;
        }
        fill_event(report, event, &history->events[history->events_count++]);
    }
}

static size_t outcome_bytes(const struct behalf_outcome *row)
{
    return strlen(row->post) + strlen(row->author) + strlen(row->reason) + strlen(row->escalated) + strlen(row->reply);
}

static void fill_outcome(const struct memory_disk *disk, struct report *report, const struct kept *kept,
                         struct behalf_outcome *row)
{
    const struct outcome_record *outcome = &kept->change->outcome;
    const struct kept *reply = outcome->reply == 0 ? NULL : find_reply(disk, outcome->reply);
    const struct kept *post = kept->item->posts;

    while (post != NULL && post->change->post.number != 1) {
        post = post->next_of_item;
    }
    *row = (struct behalf_outcome){
        .item = (int64_t) outcome->item,
        .outcome = report_text(report, outcome->outcome),
        .brand = report_text(report, outcome->brand),
        .channel = report_text(report, post == NULL ? "" : post->change->post.channel),
        .post = report_text(report, post == NULL ? "" : post->change->post.post),
        .author = report_text(report, post == NULL ? "" : post->change->post.author),
        .parent = report_text(report, post == NULL ? "" : post->change->post.parent),
        .link = report_text(report, post == NULL ? "" : post->change->post.link),
        .language = report_text(report, outcome->language),
        .audience = report_text(report, outcome->audience),
        .person = report_text(report, outcome->person),
        .agency = report_text(report, outcome->agency),
        .reason = report_text(report, outcome->reason),
        .escalated = report_text(report, outcome->escalated),
        .reply = report_text(report, reply == NULL ? "" : reply->change->reply.text),
        .created_ms = outcome->created_ms,
        .closed_ms = outcome->closed_ms,
        .posts = outcome->posts,
        .moves = outcome->moves,
        .late = outcome->due_ms != 0 && outcome->closed_ms > outcome->due_ms,
    };
}

static void report_outcomes(const struct memory_disk *disk, struct report *report)
{
    const struct behalf_outcomes *asked = &report->outcomes;
    struct behalf_ended *ended = &report->ended;
    size_t limit = report_outcomes_limit(report);
    size_t bytes = 0;

    report->found = true;
    ended->next = asked->after;
    ended->rows = report_allocate(report, limit * sizeof *ended->rows);
    for (size_t i = (size_t) asked->after; i < disk->outcome_list.count; i++) {
        const struct kept *kept = disk->outcome_list.entries[i];
        const struct outcome_record *outcome = &kept->change->outcome;
        if (outcome->closed_ms < asked->since_ms ||
            (asked->brand != NULL && asked->brand[0] != 0 && strcmp(asked->brand, outcome->brand) != 0)) {
            continue;
        }
        if (ended->rows_count == limit) {
            ended->more = true;
            return;
        }
        struct behalf_outcome *row = &ended->rows[ended->rows_count];
        fill_outcome(disk, report, kept, row);
        bytes += outcome_bytes(row);
        if (bytes > REPORT_BYTES_MAX && ended->rows_count > 0) {
            ended->more = true;
            return;
        }
        ended->rows_count++;
        ended->next = (int64_t) i + 1;
    }
}

static void report_texts(const struct memory_disk *disk, struct report *report)
{
    report->found = true;
    report->listed = report_allocate(report, report->item_count * sizeof *report->listed);
    for (size_t i = 0; i < report->item_count; i++) {
        const struct memory_item *item = find_item(disk, report->items[i]);
        const struct kept *post = item == NULL ? NULL : item->posts;
        while (post != NULL && post->change->post.number != 1) {
            post = post->next_of_item;
        }
        if (post != NULL && !post->deleted && !hidden(post, !report->sealed_too[i])) {
            const struct post_record *record = &post->change->post;
            report_listed(report, i, post->edited != NULL ? post->edited : record->text, record->parent, record->link,
                          record->media);
        }
    }
}

static int64_t released_ms(const struct memory_item *item)
{
    int64_t at_ms = 0;

    for (const struct kept *note = item->notes; note != NULL; note = note->next_of_item) {
        if (strcmp(note->change->note.kind, "guidance") == 0 && note->change->note.at_ms > at_ms) {
            at_ms = note->change->note.at_ms;
        }
    }
    return at_ms;
}

static bool counts_for_triage(const struct kept *post, int64_t since_ms)
{
    int64_t taken_ms = post->change->post.taken_ms;

    return !post->deleted && (taken_ms > since_ms || post->changed_ms > since_ms);
}

static void add_post(struct report *report, uint64_t item, const struct kept *kept)
{
    const struct post_record *post = &kept->change->post;

    *report_add_post(report) = (struct reported_post){
        .item = item,
        .post = { .channel = report_text(report, post->channel),
                  .post = report_text(report, post->post),
                  .brand = report_text(report, post->brand),
                  .author = report_text(report, post->author),
                  .author_name = report_text(report, post->author_name),
                  .reach = post->reach,
                  .posted_ms = post->posted_ms,
                  .language = report_text(report, post->platform_language),
                  .thread = report_text(report, post->thread),
                  .text = report_text(report, kept->edited != NULL ? kept->edited : post->text) },
    };
}

static void report_posts(const struct memory_disk *disk, struct report *report)
{
    report->found = true;
    for (size_t i = 0; i < report->item_count; i++) {
        const struct memory_item *item = find_item(disk, report->items[i]);
        const struct kept *newest[REPORT_POSTS_MAX];
        size_t count = 0;
        int64_t since_ms = item == NULL ? 0 : released_ms(item);
        const struct kept *post = item == NULL ? NULL : item->posts;
        for (; post != NULL && count < REPORT_POSTS_MAX; post = post->next_of_item) {
            if (counts_for_triage(post, since_ms)) {
                newest[count++] = post;
            }
        }
        while (count > 0) {
            add_post(report, report->items[i], newest[--count]);
        }
    }
}

// The least key of an author from this one on; false when there is none.
static bool find_author(const struct memory_disk *disk, int64_t from, int64_t *key)
{
    bool found = false;

    for (size_t i = 0; i < disk->authors.bucket_count; i++) {
        for (const struct slot *slot = disk->authors.buckets[i]; slot != NULL; slot = slot->next) {
            int64_t other = (int64_t) slot->key;
            if (other >= from && (!found || other < *key)) {
                *key = other;
                found = true;
            }
        }
    }
    return found;
}

static void report_authors(const struct memory_disk *disk, struct report *report)
{
    int64_t from = report->authors_from;
    int64_t key = 0;

    report->found = true;
    report->authors = report_allocate(report, REPORT_AUTHORS_MAX * sizeof *report->authors);
    while (report->author_count < REPORT_AUTHORS_MAX && find_author(disk, from, &key)) {
        report->authors[report->author_count++] = key;
        if (key == INT64_MAX) {
            break;
        }
        from = key + 1;
    }
}

static enum store_result memory_report(struct engine *base, struct report *report)
{
    struct memory_engine *engine = own(base);

    if (engine->dead) {
        return refuse(engine, STORE_UNAVAILABLE, "the process has crashed, as planned");
    }
    switch (report->kind) {
    case REPORT_HISTORY:
        report_history(engine->disk, report);
        break;
    case REPORT_OUTCOMES:
        report_outcomes(engine->disk, report);
        break;
    case REPORT_TEXTS:
        report_texts(engine->disk, report);
        break;
    case REPORT_POSTS:
        report_posts(engine->disk, report);
        break;
    case REPORT_AUTHORS:
        report_authors(engine->disk, report);
        break;
    }
    return STORE_OK;
}

static void memory_destroy(struct engine **engine_p)
{
    free(*engine_p);
    *engine_p = NULL;
}

static const struct engine_operations memory_operations = {
    .name = "memory",
    .describe = memory_describe,
    .commit = memory_commit,
    .position = memory_position,
    .take_over = memory_take_over,
    .confirm = memory_confirm,
    .secret = memory_secret,
    .read = memory_read,
    .report = memory_report,
    .destroy = memory_destroy,
};

struct engine *engine_memory_open(struct memory_disk *disk, const char *desk)
{
    struct memory_engine *engine = calloc(1, sizeof *engine);

    (void) desk; // a disk keeps one
    must(engine != NULL);
    engine->engine.operations = &memory_operations;
    engine->disk = disk;
    disk->crashed = false;
    return &engine->engine;
}

struct memory_disk *memory_disk_new(void)
{
    struct memory_disk *disk = calloc(1, sizeof *disk);

    must(disk != NULL);
    return disk;
}

static void free_kept(struct list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        struct kept *kept = list->entries[i];
        free(kept->change);
        free(kept->edited);
        free(kept);
    }
    free(list->entries);
}

static void free_changes(struct list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->entries[i]);
    }
    free(list->entries);
}

void memory_disk_destroy(struct memory_disk **disk_p)
{
    struct memory_disk *disk = *disk_p;

    if (disk == NULL) {
        return;
    }
    for (size_t i = 0; i < disk->item_list.count; i++) {
        struct memory_item *item = disk->item_list.entries[i];
        free(item->change);
        free(item->draft);
        free(item);
    }
    free(disk->item_list.entries);
    free_kept(&disk->post_list);
    free_kept(&disk->note_list);
    free_kept(&disk->reply_list);
    free_kept(&disk->event_list);
    free_kept(&disk->outcome_list);
    free_changes(&disk->rules_list);
    free_changes(&disk->freeze_list);
    free_changes(&disk->early_list);
    free_changes(&disk->request_list);
    free(disk->items.buckets);
    free(disk->posts.buckets);
    free(disk->authors.buckets);
    free(disk->replies_by_id.buckets);
    free(disk->plan);
    free(disk);
    *disk_p = NULL;
}

void memory_disk_plan(struct memory_disk *disk, const enum memory_fault *plan, size_t count)
{
    disk->plan = realloc(disk->plan, (disk->plan_count + count + 1) * sizeof *plan);
    must(disk->plan != NULL);
    for (size_t i = 0; i < count; i++) {
        disk->plan[disk->plan_count++] = plan[i];
    }
}

bool memory_disk_crashed(const struct memory_disk *disk)
{
    return disk->crashed;
}

void memory_disk_visit(const struct memory_disk *disk, const struct memory_visit *visit)
{
    for (size_t i = 0; visit->post != NULL && i < disk->post_list.count; i++) {
        visit->post(visit->self, &((struct kept *) disk->post_list.entries[i])->change->post);
    }
    for (size_t i = 0; visit->edited != NULL && i < disk->post_list.count; i++) {
        const struct kept *kept = disk->post_list.entries[i];
        if (kept->edited != NULL) {
            visit->edited(visit->self, &kept->change->post, kept->edited);
        }
    }
    for (size_t i = 0; visit->item != NULL && i < disk->item_list.count; i++) {
        const struct memory_item *item = disk->item_list.entries[i];
        if (item->change != NULL) {
            visit->item(visit->self, &item->change->item);
        }
    }
    for (size_t i = 0; visit->reply != NULL && i < disk->reply_list.count; i++) {
        visit->reply(visit->self, &((struct kept *) disk->reply_list.entries[i])->change->reply);
    }
    for (size_t i = 0; visit->event != NULL && i < disk->event_list.count; i++) {
        visit->event(visit->self, &((struct kept *) disk->event_list.entries[i])->change->event);
    }
    for (size_t i = 0; visit->outcome != NULL && i < disk->outcome_list.count; i++) {
        visit->outcome(visit->self, &((struct kept *) disk->outcome_list.entries[i])->change->outcome);
    }
    for (size_t i = 0; visit->note != NULL && i < disk->note_list.count; i++) {
        visit->note(visit->self, &((struct kept *) disk->note_list.entries[i])->change->note);
    }
    for (size_t i = 0; visit->early != NULL && i < disk->early_list.count; i++) {
        visit->early(visit->self, &((struct change *) disk->early_list.entries[i])->early);
    }
    for (size_t i = 0; visit->request != NULL && i < disk->request_list.count; i++) {
        visit->request(visit->self, &((struct change *) disk->request_list.entries[i])->request);
    }
}
