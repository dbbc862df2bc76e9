// posts.c - posts coming in: new items, further posts of open items, follow-ups, edits and deletions.
//
// What a post is about was settled before, by triage.

#include "broker/desk/parts.h"

#include <sodium.h>
#include <string.h>

// SipHash-2-4 (libsodium's crypto_shorthash) of the parts, each led by its length, under a key that never
// changes: the values are kept on disk.
static uint64_t posts_key_of(const char *kind, const char *const *parts, size_t count)
{
    unsigned char key[crypto_shorthash_KEYBYTES] = { 0 };
    memcpy(key, kind, strlen(kind));
    uint64_t hash = 0;
    for (size_t i = 0; i < count; i++) {
        crypto_shorthash((unsigned char *) &hash, (const unsigned char *) parts[i], strlen(parts[i]), key);
        memcpy(key + 8, &hash, sizeof hash); // the next part is hashed under what came before
    }
    return hash;
}

uint64_t desk_author_key(const char *channel, const char *author)
{
    return posts_key_of("author", (const char *[]){ channel, author }, 2);
}

uint64_t desk_nobody_key(const char *channel, const char *post)
{
    return posts_key_of("nobody", (const char *[]){ channel, post }, 2);
}

uint64_t desk_thread_key(const char *channel, const char *thread, const char *author)
{
    return posts_key_of("thread", (const char *[]){ channel, thread, author }, 3);
}

uint64_t desk_intake_key(const char *channel, const char *post)
{
    return posts_key_of("intake", (const char *[]){ channel, post }, 2);
}

const char *desk_author_language(const struct desk *desk, uint64_t author_key)
{
    const struct recent_row *row = recent_find(&desk->author_memory, author_key);
    return row != NULL ? desk->policy->languages[row->language].name : "";
}

// A post that comes to work: a new one, or one of an item that has been answered, which its author has edited since.
struct arrival {
    const struct behalf_post *post; // its text as it is now
    const struct needs *needs;
    const struct desk_changed *changed; // before it came; NULL: nothing was
    uint64_t author_key;
    uint64_t thread_key;
    uint64_t before; // the item it was of; 0: it is new
};

static void posts_write_again(struct desk *desk, const struct item *item, const struct behalf_post *post)
{
    desk_change(desk, &(struct change){
                          .kind = CHANGE_POST_AGAIN,
                          .post_again = { .item = item->id,
                                          .number = item->numbered,
                                          .channel = post->channel,
                                          .post = post->post,
                                          .brand = post->brand,
                                          .taken_ms = desk->now_ms },
                      });
}

// A text for which a rule held stays in the story, also when its author changes it once more.
static void posts_keep_sensitive_text(struct desk *desk, uint64_t item, const char *post, const char *text,
                                      int64_t at_ms)
{
    desk_change(
        desk,
        &(struct change){
            .kind = CHANGE_NOTE,
            .note = { .item = item, .kind = "edit", .person = post, .text = text, .sealed = true, .at_ms = at_ms },
        });
}

// The oldest first; there are a few of them at most.
static void posts_keep_sensitive_texts(struct desk *desk, uint64_t item, const char *post,
                                       const struct desk_changed *changed)
{
    if (changed == NULL) {
        return;
    }
    posts_keep_sensitive_texts(desk, item, post, changed->before);
    if (changed->needs->audience == AUDIENCE_PR) {
        posts_keep_sensitive_text(desk, item, post, changed->text,
                                  changed->edited_ms ? changed->edited_ms : desk->now_ms);
    }
}

static void posts_write_edit(struct desk *desk, const struct behalf_post *post, const char *text, bool sensitive,
                             int64_t edited_ms)
{
    desk_change(desk, &(struct change){
                          .kind = CHANGE_POST_CHANGE,
                          .post_change = { .channel = post->channel,
                                           .post = post->post,
                                           .brand = post->brand,
                                           .text = text,
                                           .sensitive = sensitive,
                                           .at_ms = desk->now_ms,
                                           .edited_ms = edited_ms },
                      });
}

static void posts_write_deletion(struct desk *desk, const char *channel, const char *post, const char *brand,
                                 int64_t at_ms)
{
    desk_change(desk, &(struct change){
                          .kind = CHANGE_POST_CHANGE,
                          .post_change = { .channel = channel,
                                           .post = post,
                                           .brand = brand,
                                           .deleted = true,
                                           .text = "",
                                           .at_ms = at_ms ? at_ms : desk->now_ms },
                      });
}

static void posts_write(struct desk *desk, struct item *item, const struct arrival *arrival, bool sensitive)
{
    const struct policy *policy = desk->policy;
    const struct behalf_post *post = arrival->post;
    const struct needs *needs = arrival->needs;
    item->posts++;
    item->numbered++;
    if (arrival->before) {
        posts_write_again(desk, item, post);
        return;
    }
    desk_change(desk, &(struct change){
        .kind = CHANGE_POST,
        .post = {
            .item = item->id,
            .number = item->numbered,
            .channel = post->channel,
            .post = post->post,
            .brand = policy->brands[needs->brand].name,
            .author = post->author,
            .author_name = post->author_name,
            .reach = post->reach,
            .text = post->text,
            .platform_language = post->language,
            .language = policy->languages[needs->language].name,
            .thread = *post->thread ? post->thread : post->post,
            .parent = post->parent,
            .link = post->link,
            .media = post->media,
            .posted_ms = post->posted_ms,
            .taken_ms = desk->now_ms,
            .sensitive = sensitive,
            .author_key = item->author_key,
        },
    });
    const struct desk_changed *changed = arrival->changed;
    if (changed != NULL && changed->deleted) {
        posts_write_deletion(desk, post->channel, post->post, post->brand, changed->edited_ms);
    } else if (changed != NULL) {
        if (changed->edited_ms || strcmp(changed->text, post->text) != 0) {
            posts_write_edit(desk, post, changed->text, sensitive, changed->edited_ms);
        }
        posts_keep_sensitive_texts(desk, item->id, post->post, changed);
    }
}

static int64_t posts_window_end(const struct desk *desk, const struct behalf_post *post, uint32_t channel)
{
    int64_t window_ms = desk->policy->channels[channel].reply_window_ms;
    return window_ms ? (post->posted_ms ? post->posted_ms : desk->now_ms) + window_ms : 0;
}

// Since when a post has waited: as its platform says, unless that cannot be, is too long ago to be of use, or is
// another text's, of before an edit.
static int64_t posts_waits_since(const struct desk *desk, const struct arrival *arrival)
{
    int64_t posted_ms = arrival->post->posted_ms;
    bool counts = posted_ms > 0 && posted_ms <= desk->now_ms &&
                  desk->now_ms - posted_ms <= desk->policy->times.posted_max_ms && !arrival->before;
    return counts ? posted_ms : desk->now_ms;
}

// ---- a new item ----

// Where a new item goes: what triage says, what a frozen brand needs, and what its thread's last item was.
struct place {
    enum audience audience;
    uint32_t preferred;
    bool sealed;
    const char *reason;
    const char *kind; // of the event
};

static struct place posts_find_place(const struct desk *desk, const struct item *item, const struct needs *needs)
{
    struct place place = { .audience = needs->audience,
                           .preferred = POLICY_NONE,
                           .kind = "taken",
                           .reason = needs->audience == AUDIENCE_PR ? needs->rule : "" };
    uint64_t thread_key = item_thread_of(item->thread_key, needs->brand);
    const struct recent_row *thread = recent_find(&desk->thread_memory, thread_key);
    const struct item *sending = table_find(&desk->sending, thread_key);
    bool follows = thread != NULL && thread->at_ms && desk->now_ms - thread->at_ms < desk->policy->times.follow_up_ms;
    if (sending != NULL || follows) {
        bool with_pr =
            (sending != NULL && sending->sealed) || (follows && (thread->audience == AUDIENCE_PR || thread->sealed));
        place.kind = "follow-up";
        place.preferred = sending != NULL ? sending->person : thread->person;
        if (with_pr && place.audience == AUDIENCE_AGENT) {
            place.audience = AUDIENCE_PR;
            place.reason = "follow-up of an item of PR's";
        }
    } else {
        const struct recent_row *author = recent_find(&desk->author_memory, item->author_key);
        if (author != NULL && person_has_author(desk, author->with, item->author_key)) {
            place.preferred = author->with;
        } else if (author != NULL && author->at_ms &&
                   desk->now_ms - author->at_ms < desk->policy->times.known_author_ms) {
            place.preferred = author->person;
        }
    }
    if ((desk->frozen >> needs->brand & 1) && place.audience == AUDIENCE_AGENT) {
        place.audience = AUDIENCE_PR;
        place.reason = "the brand is frozen";
    }
    place.sealed = place.audience == AUDIENCE_PR;
    return place;
}

// Whether a post goes on with somebody of ours: it may be what they asked for, and a picture or a word alone then says
// something.  Where a platform has no threads only its author tells.
static bool posts_goes_on(const struct desk *desk, const struct item *item)
{
    uint64_t thread_key = item_thread_of(item->thread_key, item->queue->brand);
    const struct recent_row *thread = recent_find(&desk->thread_memory, thread_key);
    const struct recent_row *author = recent_find(&desk->author_memory, item->author_key);
    if (table_find(&desk->sending, thread_key) != NULL) {
        return true;
    }
    if (thread != NULL && thread->at_ms && thread->person != POLICY_NONE) {
        return true;
    }
    return author != NULL && author->at_ms && author->person != POLICY_NONE &&
           desk->now_ms - author->at_ms < desk->policy->times.known_author_ms;
}

// What the event of its arrival says besides the rule.
static const char *posts_arrival_detail(struct desk *desk, const struct arrival *arrival)
{
    if (arrival->changed != NULL) {
        return change_list_format(desk->list, "%s by its author before it came; %s",
                                  arrival->changed->deleted ? "deleted" : "edited", arrival->needs->detail);
    }
    return arrival->before ? change_list_format(desk->list, "a post of item %llu was edited after its answer; %s",
                                                (unsigned long long) arrival->before, arrival->needs->detail)
                           : arrival->needs->detail;
}

static void posts_withdraw(struct desk *desk, struct item *item)
{
    if (item->state == ITEM_SENDING && !outbox_withdraw(desk, item, "deleted by its author")) {
        return; // already with the connector: its fate ends the item
    }
    if (item->state == ITEM_OFFERED || item->state == ITEM_HELD) {
        item_tell_gone(desk, item, desk->people[item->person], "deleted by its author");
    }
    item_close(desk, item, "withdrawn", POLICY_NONE, "deleted by its author", 0);
}

static uint64_t posts_new_item(struct desk *desk, const struct arrival *arrival)
{
    const struct needs *needs = arrival->needs;
    struct item *item = item_new(desk, desk->next_id++, posts_waits_since(desk, arrival));
    uint64_t id = item->id;
    item->author_key = arrival->author_key;
    item->thread_key = arrival->thread_key;
    item->band = needs->band;
    item->channel = (uint8_t) needs->channel;
    item->approval = needs->approval;
    struct place place = posts_find_place(desk, item, needs);
    item->sealed = place.sealed;
    item->window_end_ms = posts_window_end(desk, arrival->post, needs->channel);
    item_set_queue(desk, item, queue_require(desk, place.audience, needs->brand, needs->language, needs->skills));
    posts_write(desk, item, arrival, place.sealed);
    item_set_reason(desk, item, place.reason);
    if (place.audience == AUDIENCE_PR) {
        item_set_escalated(desk, item, place.reason);
    }
    item_prefer(desk, item, place.preferred);
    recent_require(&desk->author_memory, arrival->author_key)->language = needs->language;
    bool deleted = arrival->changed != NULL && arrival->changed->deleted;
    bool noise = needs->noise && place.audience != AUDIENCE_PR && !deleted && !arrival->post->media &&
                 !posts_goes_on(desk, item);
    item_wait(desk, item);
    item_event(desk, item, arrival->before ? "follow-up" : place.kind, POLICY_NONE,
               *place.reason ? place.reason : needs->rule, posts_arrival_detail(desk, arrival));
    if (noise) {
        item_close(desk, item, "noise", POLICY_NONE, needs->rule, 0);
    }
    if (deleted) {
        item->posts--;
        posts_withdraw(desk, item);
    }
    return id;
}

// ---- a further post of an open item ----

static void posts_show_if_with_somebody(struct desk *desk, const struct item *item)
{
    if (item->state == ITEM_OFFERED || item->state == ITEM_HELD) {
        item_show(desk, item);
    }
}

// PR has a sensitive item in hand and something sensitive came to it: what they do next must be about all of
// it, so the lease they have seen it under ends.
static void posts_renew_lease(struct desk *desk, struct item *item)
{
    item->lease++;
    item_changed(desk, item);
}

static void posts_raise_band(struct desk *desk, struct item *item, uint8_t band)
{
    if (band >= item->band) {
        return;
    }
    bool waits = item_waits(item);
    if (waits) {
        match_leave(desk, item);
    }
    item->band = band;
    if (waits) {
        match_enter(desk, item);
    }
}

// What a text that comes to an open item, a further post's or another one of a post it has, means for it.  Its reply is
// not in the outbox.
static void posts_join(struct desk *desk, struct item *item, const struct needs *needs, const char *woken)
{
    bool sensitive = needs->audience == AUDIENCE_PR;
    posts_raise_band(desk, item, needs->band);
    item->approval = item->approval || needs->approval;
    item_changed(desk, item);
    if (sensitive && item->queue->audience != AUDIENCE_PR) {
        item_becomes_sensitive(desk, item, needs->rule);
        return;
    }
    if (sensitive && (item->state == ITEM_OFFERED || item->state == ITEM_HELD)) {
        posts_renew_lease(desk, item);
    }
    if (item->state == ITEM_PARKED) {
        item_event(desk, item, "woken", POLICY_NONE, NULL, woken);
        item_wait(desk, item);
    }
    posts_show_if_with_somebody(desk, item);
}

static void posts_merge(struct desk *desk, struct item *item, const struct arrival *arrival)
{
    const struct needs *needs = arrival->needs;
    posts_write(desk, item, arrival, needs->audience == AUDIENCE_PR || item->sealed);
    item_event(desk, item, "merged", POLICY_NONE, needs->rule, posts_arrival_detail(desk, arrival));
    posts_join(desk, item, needs, "its author wrote again");
}

// A sensitive post comes to a thread whose reply an agent wrote and nobody has handed out yet: PR is to see both.
static struct item *posts_take_back_reply(struct desk *desk, uint64_t thread_key, const struct needs *needs)
{
    struct item *item = table_find(&desk->sending, item_thread_of(thread_key, needs->brand));
    if (item == NULL || item->queue->audience == AUDIENCE_PR ||
        !outbox_withdraw(desk, item, "a sensitive post followed")) {
        return NULL;
    }
    item_escalate(desk, item, POLICY_NONE, needs->rule, needs->rule);
    return item;
}

// Keys of who wrote it, and where.  Of somebody who is nobody each post is by another author, in a thread of its own.
static void posts_find_keys(struct arrival *arrival)
{
    const struct behalf_post *post = arrival->post;
    const char *author = arrival->needs->author;
    const char *thread = *post->thread ? post->thread : post->post;
    bool nobody = !*author;
    arrival->author_key = nobody ? desk_nobody_key(post->channel, post->post) : desk_author_key(post->channel, author);
    arrival->thread_key = nobody ? arrival->author_key : desk_thread_key(post->channel, thread, author);
}

// Into the open item of its thread, or one of its own.  Returns which.
static uint64_t posts_arrive(struct desk *desk, struct arrival *arrival)
{
    const struct needs *needs = arrival->needs;
    must(needs->brand < desk->policy->brand_count && needs->channel < desk->policy->channel_count);
    must(needs->audience == AUDIENCE_AGENT || needs->audience == AUDIENCE_PR);
    posts_find_keys(arrival);
    if (arrival->changed != NULL && arrival->changed->deleted) {
        return posts_new_item(desk, arrival);
    }
    struct item *item = item_of_thread(desk, arrival->thread_key, needs->brand);
    if (item == NULL && needs->audience == AUDIENCE_PR) {
        item = posts_take_back_reply(desk, arrival->thread_key, needs);
    }
    if (item == NULL || item->author_key != arrival->author_key) {
        return posts_new_item(desk, arrival);
    }
    uint64_t id = item->id;
    posts_merge(desk, item, arrival);
    return id;
}

// What it needs as it was and as it is: what a rule held for, in either.
static struct needs posts_join_needs(const struct needs *before, const struct needs *now)
{
    struct needs needs = *now;
    if (before->audience == AUDIENCE_PR && now->audience != AUDIENCE_PR) {
        needs.audience = AUDIENCE_PR;
        needs.rule = before->rule;
        needs.detail = before->detail;
    }
    needs.approval = before->approval || now->approval;
    needs.band = before->band < now->band ? before->band : now->band;
    return needs;
}

// What it needs as it was, and with every text it had since.
static struct needs posts_join_all_needs(const struct needs *first, const struct desk_changed *changed)
{
    if (changed == NULL) {
        return *first;
    }
    struct needs before = posts_join_all_needs(first, changed->before);
    return posts_join_needs(&before, changed->needs);
}

uint64_t desk_post(struct desk *desk, const struct behalf_post *post, const struct needs *needs,
                   const struct desk_changed *changed, int64_t now_ms)
{
    desk->now_ms = now_ms;
    struct needs joined = changed != NULL && !changed->deleted ? posts_join_all_needs(needs, changed) : *needs;
    uint64_t id = posts_arrive(desk, &(struct arrival){ .post = post, .needs = &joined, .changed = changed });
    desk_settle(desk);
    return id;
}

// ---- what came before its post ----

static void posts_forget_early(struct desk *desk, struct early_change *early)
{
    desk_change(desk, &(struct change){ .kind = CHANGE_EARLY_GONE, .early = early->record });
    early_forget(&desk->early, early);
}

void desk_forget_early(struct desk *desk, const char *channel, const char *post)
{
    struct early_change *early;
    while ((early = early_find(&desk->early, channel, post)) != NULL) {
        posts_forget_early(desk, early);
    }
}

static size_t posts_count_early(const struct early_change *newest)
{
    size_t count = 0;
    for (; newest != NULL; newest = newest->older) {
        count++;
    }
    return count;
}

// What would be kept of an edit after what is kept of its post.  False when it changes nothing of that.
static bool posts_follow(const struct early_change *before, const struct early_record *early,
                         struct early_record *record)
{
    int64_t before_ms = before->record.edited_ms;
    bool alike = !strcmp(before->record.text, early->text);
    if ((alike && early->edited_ms <= before_ms) || (early->edited_ms && early->edited_ms < before_ms)) {
        return false;
    }
    record->edited_ms = early->edited_ms ? early->edited_ms : before_ms;
    record->number = before->record.number + !alike;
    return true;
}

static bool keep_early(struct desk *desk, const struct early_record *record)
{
    if (!early_keep(&desk->early, record)) {
        return false;
    }
    desk_change(desk, &(struct change){ .kind = CHANGE_EARLY, .early = *record });
    return true;
}

enum desk_keeping desk_keep_early(struct desk *desk, const struct early_record *early, int64_t now_ms)
{
    desk->now_ms = now_ms;
    const struct early_change *before = early_find(&desk->early, early->channel, early->post);
    struct early_record record = *early;
    record.kept_ms = now_ms;
    if (before != NULL && before->record.deleted) {
        return DESK_KNOWN;
    }
    if (before != NULL && !early->deleted) {
        if (!posts_follow(before, early, &record)) {
            return DESK_KNOWN;
        }
        if (record.number != before->record.number && posts_count_early(before) >= DESK_EARLY_TEXTS_MAX) {
            return DESK_NO_ROOM;
        }
    }
    if (early->deleted) {
        desk_forget_early(desk, early->channel, early->post); // which leaves room for it
    }
    return keep_early(desk, &record) ? DESK_KEPT : DESK_NO_ROOM;
}

static struct early_change *posts_oldest_of(struct early_change *newest)
{
    while (newest->older != NULL) {
        newest = newest->older;
    }
    return newest;
}

void desk_keep_for_others(struct desk *desk, const struct early_record *early, int64_t now_ms)
{
    desk->now_ms = now_ms;
    must(!early->deleted);
    struct early_change *before = early_find(&desk->early, early->channel, early->post);
    struct early_record record = *early;
    record.kept_ms = now_ms;
    if (before != NULL && !posts_follow(before, early, &record)) {
        return;
    }
    if (before != NULL && record.number != before->record.number && posts_count_early(before) >= DESK_EARLY_TEXTS_MAX) {
        posts_forget_early(desk, posts_oldest_of(before));
        record.number++; // the number left out tells that a text was let go
    }
    bool room =
        desk->early.count < DESK_EARLY_MAX / 2 && desk->early.bytes + strlen(early->text) < DESK_EARLY_BYTES_MAX / 2;
    if (!room || !keep_early(desk, &record)) {
        struct early_record lost = { .channel = "", .post = "", .text = "", .kept_ms = now_ms };
        must(keep_early(desk, &lost));
    }
}

size_t desk_early(const struct desk *desk, const char *channel, const char *post,
                  const struct early_record *records[DESK_EARLY_TEXTS_MAX], bool *all_kept)
{
    const struct early_change *early = early_find(&desk->early, channel, post);
    size_t count = posts_count_early(early);
    must(count <= DESK_EARLY_TEXTS_MAX);
    *all_kept = early_find(&desk->early, "", "") == NULL;
    for (size_t i = count; i > 0; i--, early = early->older) {
        records[i - 1] = &early->record;
        *all_kept = *all_kept && (early->older == NULL || early->record.number == early->older->record.number + 1);
    }
    return count;
}

int64_t early_tick(struct desk *desk)
{
    struct early_change *first;
    for (size_t i = 0; i < TICK_TIMERS_MAX && (first = desk->early.first) != NULL; i++) {
        int64_t left_ms = first->record.kept_ms + DESK_EARLY_MS - desk->now_ms;
        if (left_ms > 0) {
            return left_ms;
        }
        posts_forget_early(desk, first);
    }
    return desk->early.first != NULL ? 0 : -1;
}

uint64_t post_arrives_again(struct desk *desk, const struct behalf_post *post, const struct needs *needs,
                            uint64_t before)
{
    return posts_arrive(desk, &(struct arrival){ .post = post, .needs = needs, .before = before });
}

// ---- further messages about a post ----

// A reply that nobody has handed out answers a text that is another one now: it needs approval, as the new text says.
static void posts_ask_for_approval(struct desk *desk, struct item *item)
{
    if (!outbox_withdraw(desk, item, "edited by its author, and needs approval now")) {
        return;
    }
    const struct queue *queue = item->queue;
    item_set_reason(desk, item, "a reply to approve");
    item_change_queue(desk, item, queue_require(desk, AUDIENCE_APPROVER, queue->brand, queue->language, queue->skills),
                      POLICY_NONE);
    item_event(desk, item, "submitted", POLICY_NONE, NULL, "its post was edited: its reply needs approval");
}

// What is harmless is only kept, as after the end: the reply has been written.  False when PR is to have the post anew.
static bool posts_sending_post_edited(struct desk *desk, struct item *item, const struct needs *needs)
{
    bool unasked = needs->approval && !item->approval && item->queue->audience != AUDIENCE_PR;
    if (needs->audience == AUDIENCE_PR) {
        return item_becomes_sensitive(desk, item, needs->rule);
    }
    item->approval = item->approval || needs->approval;
    item_changed(desk, item);
    if (unasked) {
        posts_ask_for_approval(desk, item);
    }
    return true;
}

static bool posts_open_post_edited(struct desk *desk, struct item *item, const struct needs *needs)
{
    item_event(desk, item, "edited", POLICY_NONE, needs->rule, needs->detail);
    if (item->state == ITEM_SENDING) {
        return posts_sending_post_edited(desk, item, needs);
    }
    posts_join(desk, item, needs, "its author edited a post");
    return true;
}

uint64_t desk_post_edited(struct desk *desk, uint64_t id, const struct behalf_post *post,
                          const struct behalf_edit *edit, const struct needs *needs, int64_t now_ms)
{
    desk->now_ms = now_ms;
    bool sensitive = needs->audience == AUDIENCE_PR;
    struct item *item = item_find(desk, id);
    posts_write_edit(desk, post, edit->text, sensitive || (item != NULL && item->sealed), edit->edited_ms);
    bool heard = item != NULL ? posts_open_post_edited(desk, item, needs) : !sensitive;
    if (!heard) {
        id = post_arrives_again(desk, post, needs, id);
    }
    if (sensitive) {
        posts_keep_sensitive_text(desk, id, post->post, edit->text, edit->edited_ms ? edit->edited_ms : now_ms);
    }
    desk_settle(desk);
    return id;
}

void desk_post_edited_alike(struct desk *desk, const struct behalf_post *post, const struct behalf_edit *edit,
                            int64_t now_ms)
{
    desk->now_ms = now_ms;
    posts_write_edit(desk, post, edit->text, false, edit->edited_ms);
    desk_settle(desk);
}

void desk_post_had(struct desk *desk, uint64_t id, const struct behalf_post *post, const char *text,
                   const struct needs *needs, int64_t now_ms)
{
    desk->now_ms = now_ms;
    bool sensitive = needs->audience == AUDIENCE_PR;
    struct item *item = item_find(desk, id);
    if (!sensitive && !(item != NULL && needs->approval)) {
        return;
    }
    bool heard = item != NULL && posts_open_post_edited(desk, item, needs);
    if (!heard && sensitive) {
        id = post_arrives_again(desk, post, needs, id);
    }
    if (sensitive) {
        posts_keep_sensitive_text(desk, id, post->post, text, now_ms);
    }
    desk_settle(desk);
}

static bool posts_deleted_before(struct item *item, uint64_t intake_key)
{
    struct item_detail *detail = item_require_detail(item);
    if (detail->deletions == NULL) {
        detail->deletions = calloc(1, sizeof *detail->deletions);
        must(detail->deletions);
    }
    struct deletions *deletions = detail->deletions;
    for (uint32_t i = 0; i < deletions->count && i < ITEM_DELETED_MAX; i++) {
        if (deletions->latest[i] == intake_key) {
            return true;
        }
    }
    deletions->latest[deletions->count++ % ITEM_DELETED_MAX] = intake_key;
    return false;
}

static void post_deleted(struct desk *desk, struct item *item)
{
    if (item->posts > 0) {
        item->posts--;
    }
    item_event(desk, item, "deleted", POLICY_NONE, NULL, "a post was deleted by its author");
    item_changed(desk, item);
    if (!item->posts) {
        posts_withdraw(desk, item);
        return;
    }
    if (item->state == ITEM_PARKED) {
        item_event(desk, item, "woken", POLICY_NONE, NULL, "its author deleted a post");
        item_wait(desk, item);
    }
    posts_show_if_with_somebody(desk, item);
}

void desk_post_deleted(struct desk *desk, uint64_t id, const char *brand, const struct behalf_delete_post *deletion,
                       int64_t now_ms)
{
    desk->now_ms = now_ms;
    struct item *item = item_find(desk, id);
    if (item != NULL && posts_deleted_before(item, desk_intake_key(deletion->channel, deletion->post))) {
        return;
    }
    posts_write_deletion(desk, deletion->channel, deletion->post, brand, deletion->deleted_ms);
    if (item != NULL) {
        post_deleted(desk, item);
    }
    desk_settle(desk);
}
