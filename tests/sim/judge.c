// judge.c - what must never happen, looked for in everything that becomes durable or is said.

#include "tests/sim/simulation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void judge_published(struct simulation *simulation, const struct client *client, const struct behalf_reply *reply)
{
    if (strstr(reply->text, "answering for") == NULL) {
        sim_fail(simulation, "an undisclosed reply was published: %s", reply->text);
    }
    if (reply->reply < SIM_REPLIES_MAX) {
        simulation->handed_to[reply->reply] |= (uint16_t) (1u << client->index);
    }
    if (reply->reply >= SIM_REPLIES_MAX) {
        sim_fail(simulation, "reply %lld is more than was planned for", (long long) reply->reply);
    }
    simulation->reply_idempotent[reply->reply] = client->idempotent;
    if (client->idempotent) {
        simulation->published[reply->reply] = 1; // its platform knows the key
        return;
    }
    if (reply->attempt != 1) {
        sim_fail(simulation, "reply %lld was handed out again to a connector that is not idempotent",
                 (long long) reply->reply);
    }
    if (++simulation->published[reply->reply] > 1) {
        sim_fail(simulation, "reply %lld was published twice", (long long) reply->reply);
    }
}

// ---- the disk ----

struct looked {
    struct simulation *simulation;
    bool lightly;                  // posts, items and replies only
    int64_t posts[SIM_POSTS_MAX];  // items, by post
    int64_t latest[SIM_POSTS_MAX]; // the same, or the one that a later edit of the post made
    size_t post_rows;
    struct post_of_item {
        size_t count;
        uint64_t last;                // of their numbers
        const struct sim_post *first; // that was written
        bool hidden;                  // one is left out of what agents are shown
    } posts_of[SIM_ITEMS_MAX];
    int64_t replies[SIM_REPLIES_MAX]; // items, by reply
    enum reply_state states[SIM_REPLIES_MAX];
    uint8_t outcomes[SIM_ITEMS_MAX];
    char ends[SIM_ITEMS_MAX][20];
    uint64_t outcome_replies[SIM_ITEMS_MAX];
    uint8_t items[SIM_ITEMS_MAX]; // state + 1
    bool sealed[SIM_ITEMS_MAX];
    uint8_t handed[SIM_ITEMS_MAX];
    bool sensitive[SIM_ITEMS_MAX]; // has a post that agents must not see
    bool exposed[SIM_ITEMS_MAX];   // open, and not PR's
    uint8_t closed_events[SIM_ITEMS_MAX];
    uint16_t unknown[SIM_ITEMS_MAX];        // a reply of unknown fate; 0: none
    int64_t refund_ms[SIM_ITEMS_MAX];       // when a post came whose answer must be approved; 0: none
    uint64_t thread[SIM_ITEMS_MAX];         // its key
    bool fizz[SIM_ITEMS_MAX];               // its brand; else acme
    int64_t closed_ms[SIM_ITEMS_MAX];       // 0: not
    bool ended_with_pr[SIM_ITEMS_MAX];      // or sealed
    uint8_t with[SIM_PEOPLE];               // offered to or held by
    int64_t frozen_ms[2];                   // since when, by brand; 0: not
    bool shops_are_prs, reviewed;           // by the rules in force; and these have reached all open items
    int64_t shop_offered_ms[SIM_ITEMS_MAX]; // when agents were last offered it under such rules; 0: not
    struct {
        int64_t from_ms, to_ms;
        size_t brand;
    } freezes[512];
    size_t freeze_count;
};

// Posts of an item are of one author, thread and brand, and numbered from 1 without a gap.
static void judge_joined(struct looked *looked, const struct post_record *post, const struct sim_post *told)
{
    struct post_of_item *posts = &looked->posts_of[post->item];
    if (posts->first == NULL) {
        posts->first = told;
    }
    bool of_nobody = posts->count && !strcmp(told->author, "[deleted]");
    if (of_nobody || strcmp(told->author, posts->first->author) != 0 ||
        strcmp(told->thread, posts->first->thread) != 0 || strcmp(told->channel, posts->first->channel) != 0 ||
        strcmp(told->brand, posts->first->brand) != 0) {
        sim_fail(looked->simulation, "posts %s of %s and %s of %s are in one item, %llu", posts->first->id,
                 posts->first->author, told->id, told->author, (unsigned long long) post->item);
    }
    posts->count++;
    posts->last = post->number > posts->last ? post->number : posts->last;
    posts->hidden = posts->hidden || post->sensitive;
}

static void look_at_post(void *self, const struct post_record *post)
{
    struct looked *looked = self;
    size_t index = sim_post_index(looked->simulation, post->post, post->brand);
    if (index == SIM_POSTS_MAX) {
        sim_fail(looked->simulation, "a post %s of nobody is on disk", post->post);
    }
    judge_joined(looked, post, &looked->simulation->posts[index]);
    if (looked->posts[index] && !sim_may_move(&looked->simulation->posts[index])) {
        sim_fail(looked->simulation, "post %s is on disk twice", post->post);
    }
    if (looked->latest[index] == (int64_t) post->item) {
        sim_fail(looked->simulation, "post %s is twice in item %llu", post->post, (unsigned long long) post->item);
    }
    looked->latest[index] = (int64_t) post->item;
    if (!looked->posts[index]) {
        looked->posts[index] = (int64_t) post->item;
        looked->post_rows++;
    }
    if (post->sensitive) {
        looked->sensitive[post->item] = true;
    }
    const struct sim_post *told = &looked->simulation->posts[index];
    if (!looked->lightly && strstr(post->text, "shop") != NULL &&
        looked->shop_offered_ms[post->item] > post->taken_ms && !told->edited && !told->deleted &&
        !looked->simulation->released[post->item]) {
        sim_fail(looked->simulation, "post %s was offered to agents in item %llu under rules that give it to PR",
                 post->post, (unsigned long long) post->item);
    }
    bool first = looked->posts[index] == (int64_t) post->item; // else it is here for what it was edited into
    if (first && strstr(post->text, "refund") != NULL && !looked->refund_ms[post->item]) {
        looked->refund_ms[post->item] = post->taken_ms;
    }
}

#define HOLD_MS 20000  // as in the rules
#define SLACK_MS 15000 // for requests that are long on their way

// Nothing is held that nobody touches.
static void judge_hold(const struct looked *looked, const struct item_record *item)
{
    struct simulation *simulation = looked->simulation;
    int64_t since_ms = simulation->calm_ms > item->since_ms ? simulation->calm_ms : item->since_ms;
    since_ms = simulation->touched_ms[item->item] > since_ms ? simulation->touched_ms[item->item] : since_ms;
    if (!looked->lightly && ownership_stands(simulation) && !ownership_owner(simulation)->away &&
        item->state == ITEM_HELD && simulation->clock_ms > since_ms + HOLD_MS + SLACK_MS) {
        sim_fail(simulation, "item %llu is held by %s, who has done nothing about it for %lld ms",
                 (unsigned long long) item->item, item->person, (long long) (simulation->clock_ms - since_ms));
    }
}

// Who has an item has been told of all posts that have joined it, once nothing is on its way to the disk.
static void judge_seen(const struct looked *looked, const struct item_record *item)
{
    struct simulation *simulation = looked->simulation;
    const struct shown *shown = &simulation->shown[item->item];
    const struct client *client = &simulation->clients[shown->client];
    const struct sim_process *owner = ownership_owner(simulation);
    int64_t count = (int64_t) looked->posts_of[item->item].count;
    bool is_with_them = (item->state == ITEM_OFFERED || item->state == ITEM_HELD) &&
                        shown->lease == (int64_t) item->lease && !strcmp(client->name, item->person);
    bool is_told = ownership_stands(simulation) && owner->idle_steps >= 2 && client->peer && client->process == owner &&
                   broker_is_signed_in(owner->broker, client->peer);
    if (is_with_them && is_told && shown->posts >= 0 && shown->posts != count) {
        sim_fail(simulation, "%s has item %llu and was shown %lld of its %lld posts", client->name,
                 (unsigned long long) item->item, (long long) shown->posts, (long long) count);
    }
}

static void look_at_item(void *self, const struct item_record *item)
{
    struct looked *looked = self;
    if (item->item >= SIM_ITEMS_MAX) {
        sim_fail(looked->simulation, "item %llu is more than was planned for", (unsigned long long) item->item);
    }
    const struct post_of_item *posts = &looked->posts_of[item->item];
    if (item->numbered != posts->count || posts->last != posts->count) {
        sim_fail(looked->simulation,
                 "item %llu says that %llu posts were taken into it, and has %zu, up to number %llu",
                 (unsigned long long) item->item, (unsigned long long) item->numbered, posts->count,
                 (unsigned long long) posts->last);
    }
    judge_seen(looked, item);
    looked->items[item->item] = (uint8_t) (item->state + 1);
    looked->sealed[item->item] = item->sealed;
    looked->exposed[item->item] =
        item->state != ITEM_CLOSED && item->state != ITEM_SENDING && strcmp(item->audience, "pr");
    looked->thread[item->item] = item->thread_key;
    looked->fizz[item->item] = strcmp(item->brand, "fizz") == 0;
    size_t person = person_by_name(looked->simulation, item->person);
    if (!looked->lightly && item->state == ITEM_OFFERED && person < SIM_PEOPLE && !history_is_there(person)) {
        sim_fail(looked->simulation, "item %llu is offered to %s, who is not there", (unsigned long long) item->item,
                 item->person);
    }
    judge_hold(looked, item);
    for (size_t i = 0; i < SIM_PEOPLE && (item->state == ITEM_OFFERED || item->state == ITEM_HELD); i++) {
        if (!strcmp(looked->simulation->clients[i].name, item->person) && ++looked->with[i] > sim_capacity(i)) {
            sim_fail(looked->simulation, "%s has more than their capacity", item->person);
        }
    }
    if (item->sealed && item->state != ITEM_CLOSED && item->state != ITEM_SENDING && strcmp(item->audience, "pr")) {
        sim_fail(looked->simulation, "sealed item %llu is in the queue of %s", (unsigned long long) item->item,
                 item->audience);
    }
}

static void look_at_reply(void *self, const struct reply_record *reply)
{
    struct looked *looked = self;
    looked->replies[reply->reply] = (int64_t) reply->item;
    looked->states[reply->reply] = reply->state;
    if (strstr(reply->text, "answering for") == NULL) {
        sim_fail(looked->simulation, "reply %llu is in the outbox undisclosed", (unsigned long long) reply->reply);
    }
    if (reply->state == REPLY_UNKNOWN) {
        looked->unknown[reply->item] = (uint16_t) reply->reply;
    }
    if (looked->lightly) {
        return;
    }
    int64_t refund_ms = looked->refund_ms[reply->item];
    if (refund_ms && refund_ms < history_unapproved_ms(reply->item)) {
        sim_fail(looked->simulation, "reply %llu of %s went out without approval", (unsigned long long) reply->reply,
                 reply->person);
    }
    size_t brand = !strcmp(reply->brand, "fizz");
    bool in_freeze = looked->frozen_ms[brand] && reply->handed_ms > looked->frozen_ms[brand];
    for (size_t i = 0; i < looked->freeze_count; i++) {
        in_freeze = in_freeze || (looked->freezes[i].brand == brand && reply->handed_ms > looked->freezes[i].from_ms &&
                                  reply->handed_ms < looked->freezes[i].to_ms);
    }
    if (in_freeze) {
        sim_fail(looked->simulation, "reply %llu was handed out under a freeze", (unsigned long long) reply->reply);
    }
    if (reply->state == REPLY_HANDED && ++looked->handed[reply->item] > 1) {
        sim_fail(looked->simulation, "two replies of item %llu are handed out", (unsigned long long) reply->item);
    }
}

// Events are visited before replies.
static void look_at_event(void *self, const struct event_record *event)
{
    struct looked *looked = self;
    history_event(event);
    size_t brand = !strcmp(event->rule, "fizz");
    if (!strcmp(event->kind, "closed") && ++looked->closed_events[event->item] > 1) {
        sim_fail(looked->simulation, "item %llu was closed twice", (unsigned long long) event->item);
    }
    if (!strcmp(event->kind, "rules applied")) {
        unsigned variant = 0; // else nobody gave them a name
        sscanf(event->detail, "variant %u", &variant);
        looked->shops_are_prs = variant & 8;
        looked->reviewed = false;
    }
    looked->reviewed = looked->reviewed || !strcmp(event->kind, "rules reviewed");
    bool offers = !strcmp(event->kind, "offered") || (!strcmp(event->kind, "held") && strcmp(event->rule, "") != 0);
    if (offers && looked->shops_are_prs && !strncmp(event->queue, "agent/", 6)) {
        looked->shop_offered_ms[event->item] = event->at_ms;
    }
    if (!strcmp(event->kind, "frozen")) {
        looked->frozen_ms[brand] = event->at_ms;
    }
    if (!strcmp(event->kind, "lifted") && looked->freeze_count < 512) {
        looked->freezes[looked->freeze_count].from_ms = looked->frozen_ms[brand];
        looked->freezes[looked->freeze_count].to_ms = event->at_ms;
        looked->freezes[looked->freeze_count++].brand = brand;
        looked->frozen_ms[brand] = 0;
    }
}

static void look_at_outcome(void *self, const struct outcome_record *outcome)
{
    struct looked *looked = self;
    if (++looked->outcomes[outcome->item] > 1) {
        sim_fail(looked->simulation, "item %llu ended twice", (unsigned long long) outcome->item);
    }
    snprintf(looked->ends[outcome->item], sizeof *looked->ends, "%s", outcome->outcome);
    looked->outcome_replies[outcome->item] = outcome->reply;
    looked->closed_ms[outcome->item] = outcome->closed_ms;
    looked->ended_with_pr[outcome->item] = outcome->sealed || !strcmp(outcome->audience, "pr");
}

static void look(struct simulation *simulation, struct looked *looked)
{
    simulation->looked_at = simulation->disk_changes;
    memset(looked, 0, sizeof *looked);
    looked->simulation = simulation;
    history_begin(simulation);
    memory_disk_visit(simulation->disk, &(struct memory_visit){ .self = looked, .event = look_at_event });
    memory_disk_visit(simulation->disk, &(struct memory_visit){ .self = looked,
                                                                .post = look_at_post,
                                                                .item = look_at_item,
                                                                .reply = look_at_reply,
                                                                .outcome = look_at_outcome });
}

static struct looked looked; // too large for a stack

static void look_lightly(struct simulation *simulation)
{
    if (simulation->looked_at == simulation->disk_changes) {
        return; // nothing is other than it was
    }
    simulation->looked_at = simulation->disk_changes;
    memset(&looked, 0, sizeof looked);
    looked.simulation = simulation;
    looked.lightly = true;
    memory_disk_visit(
        simulation->disk,
        &(struct memory_visit){ .self = &looked, .post = look_at_post, .item = look_at_item, .reply = look_at_reply });
}

// ---- what is said ----

// Whether an item's posts are PR's alone: it is sealed, and PR has not released it.
static bool is_prs(const struct simulation *simulation, int64_t item)
{
    return item > 0 && item < SIM_ITEMS_MAX && looked.sealed[item] && !simulation->released[item];
}

static void judge_entry(struct simulation *simulation, const struct client *client, const struct behalf_item *item,
                        const struct behalf_entry *entry)
{
    size_t index = sim_post_index(simulation, entry->post, item->brand);
    bool post = index < SIM_POSTS_MAX;
    bool released = simulation->released[item->item] ||
                    (post && (simulation->released[looked.posts[index]] || simulation->released[looked.latest[index]]));
    if ((strstr(entry->text, "lawsuit") != NULL || strstr(entry->before, "lawsuit") != NULL) && !released) {
        sim_fail(simulation, "%s, no PR, was shown the sensitive post %s in item %lld", client->name, entry->post,
                 (long long) item->item);
    }
    if (post && !released && is_prs(simulation, looked.posts[index]) && looked.posts[index] == looked.latest[index]) {
        sim_fail(simulation, "%s, no PR, was shown post %s of PR's item %lld", client->name, entry->post,
                 (long long) looked.posts[index]);
    }
    const char *mark = strchr(entry->text, '#');
    if (!post && mark != NULL && strcmp(entry->kind, "guidance") != 0 && is_prs(simulation, atoll(mark + 1))) {
        sim_fail(simulation, "%s, no PR, was shown the %s \"%s\" of PR's item", client->name, entry->kind, entry->text);
    }
    if (strstr(entry->text, "secret") != NULL) {
        sim_fail(simulation, "%s, no PR, was shown what PR wrote in item %lld", client->name, (long long) item->item);
    }
}

// Its fate may be known already, and not be on disk yet.
static bool is_settling(const struct simulation *simulation, int64_t reply)
{
    for (size_t i = 0; i < SIM_CLIENTS; i++) {
        for (size_t k = 0; k < simulation->clients[i].reply_count; k++) {
            if (simulation->clients[i].replies[k].reply == reply) {
                return true;
            }
        }
    }
    return false;
}

// An item is shown with all posts that are on disk, as far as this person may see them.
static void judge_whole(struct simulation *simulation, const struct client *client, const struct behalf_item *item)
{
    struct shown *shown = &simulation->shown[item->item];
    const struct post_of_item *posts = &looked.posts_of[item->item];
    size_t count = 0;
    for (size_t i = 0; i < item->story_count; i++) {
        count += !strcmp(item->story[i].kind, "post");
    }
    bool hidden = strcmp(item->audience, "pr") != 0 &&
                  (posts->hidden || looked.sealed[item->item] || simulation->released[item->item]);
    shown->posts = item->story_cut || hidden ? -1 : (int64_t) count;
    if (shown->posts >= 0 && count != posts->count) {
        sim_fail(simulation, "%s was shown %zu posts of item %lld, which has %zu", client->name, count,
                 (long long) item->item, posts->count);
    }
}

static void judge_shown(struct simulation *simulation, const struct client *client, const struct behalf_item *item)
{
    look_lightly(simulation);
    for (size_t i = 0; client->agent && i < item->story_count; i++) {
        judge_entry(simulation, client, item, &item->story[i]);
    }
    if (client->agent && strstr(item->draft, "secret") != NULL) {
        sim_fail(simulation, "%s, no PR, was shown PR's draft of item %lld", client->name, (long long) item->item);
    }
    if (client->agent && !strcmp(item->audience, "pr")) {
        sim_fail(simulation, "%s, no PR, was shown PR's item %lld", client->name, (long long) item->item);
    }
    if (!strcmp(item->audience, "approver") && !strcmp(item->draft_by, client->name)) {
        sim_fail(simulation, "%s was given their own draft to approve, item %lld", client->name,
                 (long long) item->item);
    }
    judge_whole(simulation, client, item);
    bool hidden = strcmp(item->audience, "pr") && (looked.sealed[item->item] || simulation->released[item->item]);
    if (simulation->drafted[item->item] && !hidden && !*item->draft) {
        sim_fail(simulation, "the draft of item %lld is forgotten", (long long) item->item);
    }
    if (looked.unknown[item->item] && !item->fate_unknown && !is_settling(simulation, looked.unknown[item->item])) {
        sim_fail(simulation, "%s is not told that a reply of item %lld may be out", client->name,
                 (long long) item->item);
    }
}

// Words of sealed posts and of PR's come to others in no answer and no news.
static void judge_words(const struct simulation *simulation, const struct client *client, enum behalf_type type,
                        const void *frame, size_t bytes)
{
    bool judged_apart = type == BEHALF_ITEM || type == BEHALF_LISTING;
    if (client->agent && !judged_apart &&
        (memmem(frame, bytes, "lawsuit", 7) != NULL || memmem(frame, bytes, "secret", 6) != NULL)) {
        sim_fail(simulation, "%s, no PR, was told what is sealed by %s", client->name, behalf_type_name(type));
    }
}

void judge_spoken(struct simulation *simulation, struct client *client, const void *frame, size_t bytes)
{
    struct behalf_fault fault;
    struct behalf_message *message = behalf_message_decode(frame, bytes, &fault);
    if (message == NULL) {
        sim_fail(simulation, "what %s is told cannot be read: %s %s", client->name, fault.field, fault.reason);
    }
    ownership_judge_spoken(client, message);
    const char *wrong = answers_wrong(simulation->asked, client->index, message);
    if (wrong != NULL) {
        sim_fail(simulation, "%s: %s", client->name, wrong);
    }
    if (client->role == CLIENT_PERSON) {
        judge_words(simulation, client, message->type, frame, bytes);
        misdeeds_heard(simulation, client, message);
    }
    if (message->type == BEHALF_ITEM) {
        judge_shown(simulation, client, &message->item);
    }
    misdeeds_judge(client, message);
    asking_judge(client, message);
    if (message->type == BEHALF_DONE || message->type == BEHALF_APPLIED || message->type == BEHALF_ERROR) {
        once_judge(simulation, client, message);
    }
    behalf_message_destroy(&message);
}

// Nobody is told more than what is durable, whatever is killed, lapses or comes back: no desk here is ever behind that.
void judge_told(const struct simulation *simulation, const struct broker *broker)
{
    uint64_t beyond = broker_told_beyond(broker);
    if (beyond) {
        sim_fail(simulation, "a client was told of sequence %llu, which the desk has not reached",
                 (unsigned long long) beyond);
    }
}

// TAKEN means on disk.
int64_t judge_taken(struct simulation *simulation, const struct sim_post *post)
{
    look_lightly(simulation);
    if (!looked.posts[post - simulation->posts]) {
        sim_fail(simulation, "post %s was answered TAKEN and is not on disk", post->id);
    }
    return looked.posts[post - simulation->posts];
}

struct sought {
    const struct sim_post *post;
    uint64_t item;
    bool found;
};

static void seek_post(void *self, const struct post_record *post)
{
    struct sought *sought = self;
    sought->found = sought->found || (post->item == sought->item && !strcmp(post->brand, sought->post->brand));
}

// Whether a post is of an item, or was before later edits, or its other brand's text, made further ones of it.
static bool has_been_in(const struct simulation *simulation, const struct sim_post *post, int64_t item)
{
    struct sought sought = { .post = post, .item = (uint64_t) item };
    memory_disk_visit(simulation->disk,
                      &(struct memory_visit){ .self = &sought, .post_id = post->id, .post = seek_post });
    return sought.found;
}

// An edit into something sensitive is on disk: PR has the item it is told to be of, or had it.
void judge_edited(struct simulation *simulation, const struct sim_post *post, int64_t item)
{
    judge_disk(simulation);
    size_t index = (size_t) (post - simulation->posts);
    if (item >= SIM_ITEMS_MAX || !has_been_in(simulation, post, item)) {
        sim_fail(simulation, "the edit of post %s is of item %lld, on disk it is in %lld", post->id, (long long) item,
                 (long long) looked.latest[index]);
    }
    if (!looked.sealed[item] && !simulation->released[item]) {
        sim_fail(simulation, "post %s became sensitive, and PR has not had item %lld", post->id, (long long) item);
    }
}

// A sensitive edit of what two brands have is on disk: PR has the items of both that were taken before, or had them.
void judge_reached(struct simulation *simulation, const struct sim_post *post, int64_t item)
{
    bool known = false;
    judge_disk(simulation);
    for (int i = 0; i < 2; i++, post = post->twin) {
        size_t index = (size_t) (post - simulation->posts);
        int64_t latest = looked.latest[index];
        known = known || has_been_in(simulation, post, item);
        if (post->edit_reaches && !looked.sealed[latest] && !simulation->released[latest]) {
            sim_fail(simulation, "post %s of %s became sensitive, and PR has not had item %lld", post->id, post->brand,
                     (long long) latest);
        }
    }
    if (!known) {
        sim_fail(simulation, "the edit of post %s is of item %lld, on disk it is in none of it", post->id,
                 (long long) item);
    }
}

// Whether PR has had a post, in the item that it was taken into or in the one it is of now.
static bool pr_has_had(const struct simulation *simulation, const struct sim_post *post)
{
    int64_t first = looked.posts[post - simulation->posts], latest = looked.latest[post - simulation->posts];
    return looked.sealed[first] || looked.sealed[latest] || simulation->released[first] || simulation->released[latest];
}

// What was acknowledged before its post came holds for it from the first.
void judge_early(struct simulation *simulation, const struct sim_post *post)
{
    bool sensitive = post->early_sensitive && !post->deleted; // which it may be before anybody has heard of it
    if (!sensitive && !post->early_deletion) {
        return;
    }
    judge_disk(simulation);
    if (post->early_deletion && strcmp(looked.ends[post->item], "withdrawn") != 0) {
        sim_fail(simulation, "post %s was deleted before it came, and item %lld is not withdrawn", post->id,
                 (long long) post->item);
    }
    if (sensitive && !pr_has_had(simulation, post)) {
        sim_fail(simulation, "post %s was made sensitive before it came, and PR has not had item %lld", post->id,
                 (long long) post->item);
    }
}

void judge_disk(struct simulation *simulation)
{
    look(simulation, &looked);
    once_check_disk(simulation);
    for (size_t i = 0; i < simulation->post_count; i++) {
        const struct sim_post *post = &simulation->posts[i];
        bool moved = sim_may_move(post) && looked.latest[i] == post->item; // the first answer was not heard
        if (post->taken && looked.posts[i] != post->item && !moved) {
            sim_fail(simulation, "post %s was answered TAKEN into item %lld, on disk it is in %lld", post->id,
                     (long long) post->item, (long long) looked.posts[i]);
        }
    }
    for (size_t i = 0; i < SIM_ITEMS_MAX; i++) {
        if (looked.sensitive[i] && looked.exposed[i]) {
            sim_fail(simulation, "item %zu has a sensitive post and is not PR's", i);
        }
        if ((looked.outcomes[i] != 0) != (looked.closed_events[i] != 0)) {
            sim_fail(simulation, "item %zu: its outcome and its event of the end do not agree", i);
        }
        if (looked.outcomes[i] && looked.items[i] && looked.items[i] != ITEM_CLOSED + 1) {
            sim_fail(simulation, "item %zu has an outcome and is open", i);
        }
        if (simulation->promised[i] && looked.replies[simulation->promised[i]] != (int64_t) i) {
            sim_fail(simulation, "the reply %lld that was answered DONE is not on disk",
                     (long long) simulation->promised[i]);
        }
    }
    for (size_t i = 0; i < SIM_REPLIES_MAX; i++) {
        if (simulation->published[i] && !looked.replies[i]) {
            sim_fail(simulation, "reply %zu was published and is not on disk", i);
        }
        if (simulation->settled_confirmed[i] && looked.states[i] != REPLY_CONFIRMED) {
            sim_fail(simulation, "reply %zu was confirmed, on disk its state is %d", i, (int) looked.states[i]);
        }
    }
}

const char *judge_pending(struct simulation *simulation)
{
    static char text[128];
    if (!feed_is_done(simulation)) {
        return "not all posts were taken";
    }
    for (size_t i = 0; i < SIM_CLIENTS; i++) {
        const struct client *client = &simulation->clients[i];
        if (client->absent) {
            continue;
        }
        if (client->session == NULL || behalf_session_pending(client->session) || client->reply_count) {
            snprintf(text, sizeof text, "%s has something under way", client->name);
            return text;
        }
    }
    const struct sim_process *owner = ownership_owner(simulation);
    if (owner == NULL || owner->batch != NULL) {
        return "the store is at work";
    }
    look_lightly(simulation);
    for (size_t i = 0; i < SIM_ITEMS_MAX; i++) {
        if (looked.items[i] && looked.items[i] != ITEM_CLOSED + 1) {
            snprintf(text, sizeof text, "item %zu is %s", i, item_state_name((enum item_state)(looked.items[i] - 1)));
            return text;
        }
    }
    return NULL;
}

// What follows to a brand in a thread soon after its PR ended an item of it is PR's.
static void judge_follow_ups(struct simulation *simulation)
{
    for (size_t i = 1; i < SIM_ITEMS_MAX && looked.items[i]; i++) {
        int64_t born_ms, last_ms = 0;
        size_t last = 0;
        const char *audience = history_born_for(i, &born_ms);
        for (size_t k = 1; k < i; k++) {
            if (looked.thread[k] == looked.thread[i] && looked.fizz[k] == looked.fizz[i] &&
                looked.closed_ms[k] >= last_ms && looked.closed_ms[k] < born_ms) {
                last = k;
                last_ms = looked.closed_ms[k];
            }
        }
        if (last && looked.ended_with_pr[last] && born_ms - last_ms < 60000 && strcmp(audience, "agent") == 0) {
            sim_fail(simulation, "item %zu follows PR's item %zu and came to agents", i, last);
        }
    }
}

// Whatever came in which order, PR has had each post that said something sensitive at any time, of each brand.
static void judge_texts(const struct simulation *simulation)
{
    for (size_t i = 0; i < simulation->post_count; i++) {
        const struct sim_post *post = &simulation->posts[i];
        if (post->ever_sensitive && !post->deleted && !pr_has_had(simulation, post)) {
            sim_fail(simulation, "post %s of %s said something sensitive, and PR has not had item %lld", post->id,
                     post->brand, (long long) looked.latest[i]);
        }
    }
}

void judge_end(struct simulation *simulation)
{
    judge_disk(simulation);
    judge_follow_ups(simulation);
    judge_texts(simulation);
    merges_judge(simulation);
    once_check_end(simulation);
    if (looked.post_rows != simulation->post_count) {
        sim_fail(simulation, "%zu posts were fed, %zu are on disk", simulation->post_count, looked.post_rows);
    }
    for (size_t i = 0; i < simulation->post_count; i++) {
        if (looked.outcomes[looked.posts[i]] != 1 || looked.outcomes[looked.latest[i]] != 1) {
            sim_fail(simulation, "post p%zu reached no outcome", i);
        }
    }
    for (size_t i = 0; i < SIM_ITEMS_MAX; i++) {
        uint64_t reply = looked.outcome_replies[i];
        if (!strcmp(looked.ends[i], "answered") && looked.states[reply] != REPLY_CONFIRMED &&
            looked.states[reply] != REPLY_UNKNOWN) {
            sim_fail(simulation, "item %zu is answered by a reply of state %d", i, (int) looked.states[reply]);
        }
        if (looked.outcomes[i] && !looked.items[i]) {
            sim_fail(simulation, "item %zu ended and has no row", i);
        }
    }
    for (size_t i = 0; i < SIM_REPLIES_MAX; i++) {
        if (looked.states[i] == REPLY_CONFIRMED && !simulation->published[i]) {
            sim_fail(simulation, "reply %zu is confirmed and was never published", i);
        }
        if (simulation->published[i] && looked.states[i] == REPLY_WITHDRAWN) {
            sim_fail(simulation, "reply %zu was published although it was withdrawn", i);
        }
    }
}
