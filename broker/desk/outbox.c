// outbox.c - replies from an item to a connector, what became of them, and the connectors themselves.
//
// A reply that is not settled is in one list: of those that wait for a connector, kept by channel and brand; of those
// that rest; or of those that a connector has.  A channel's next reply is the first in order of `place`, a number that
// each is given when it comes to wait: the one that was answered first goes first, and what comes back from a connector
// that was never told goes behind what waits already.  What may be out already is in a line of its own, as only some
// connectors may have it, and that line goes first.  A brand's freeze takes nobody's place: the brand's lists are
// passed over.  So a freeze and its lift cost the same whatever waits, and what a connector has is found without
// looking at the others.
//
// What may be much is done a slice at a time; outbox_tick says when there is more.

#include "broker/desk/parts.h"
#include "proto/base/digits.h"
#include "proto/mended_text.h"

#include <string.h>
#include <time.h>

// Replies handed out, and replies of lost connectors given up, at most before others have their turn.
#define HANDING_SLICE 256
#define LOSING_SLICE 256

static_assert(OUTBOX_HANDED_MAX <= LOSING_SLICE, "BYE of a connector settles all that it has at once");

// ---- lists ----

static void outbox_list_remove(struct reply *reply)
{
    struct reply_list *list = reply->list;
    must(list);
    *(reply->previous != NULL ? &reply->previous->next : &list->first) = reply->next;
    *(reply->next != NULL ? &reply->next->previous : &list->last) = reply->previous;
    reply->list = NULL;
    reply->next = reply->previous = NULL;
}

static void outbox_list_append(struct reply_list *list, struct reply *reply)
{
    must(!reply->list);
    reply->list = list;
    reply->previous = list->last;
    *(list->last != NULL ? &list->last->next : &list->first) = reply;
    list->last = reply;
}

// ---- resting ----

// Puts a reply among those that rest as long, which came in nearly this order.
static void outbox_list_insert_resting(struct reply_list *list, struct reply *reply)
{
    struct reply *before = list->last;
    while (before != NULL && before->rest_until_ms > reply->rest_until_ms) {
        before = before->previous;
    }
    reply->list = list;
    reply->previous = before;
    reply->next = before != NULL ? before->next : list->first;
    *(before != NULL ? &before->next : &list->first) = reply;
    *(reply->next != NULL ? &reply->next->previous : &list->last) = reply;
}

// Until when a reply rests that has been handed out before.  What it follows from is kept on disk with the reply.
static int64_t outbox_rest_until_ms(const struct desk *desk, const struct reply *reply)
{
    uint32_t doubled = reply->attempt < OUTBOX_ATTEMPTS_MAX ? reply->attempt : OUTBOX_ATTEMPTS_MAX;
    int64_t handed_ms = reply->handed_ms < desk->now_ms ? reply->handed_ms : desk->now_ms;
    return handed_ms + ((int64_t) OUTBOX_REST_MS << (doubled - 1));
}

// Where a reply waits for a connector.
static struct outbox *outbox_line_of(struct desk *desk, const struct reply *reply)
{
    return reply->attempt ? &desk->repeats[reply->channel] : &desk->outbox[reply->channel];
}

static void outbox_wait_for_connector(struct desk *desk, struct reply *reply)
{
    struct outbox *outbox = outbox_line_of(desk, reply);
    reply->place = desk->next_place++;
    outbox_list_append(&outbox->of_brand[reply->brand], reply);
    outbox->brands |= UINT64_C(1) << reply->brand;
}

static void outbox_have(struct connector *connector, struct reply *reply)
{
    reply->connector = connector;
    outbox_list_append(&connector->replies, reply);
    connector->handed++;
}

// Takes a reply out of the list it is in, if it is in one.
static void outbox_leave_list(struct desk *desk, struct reply *reply)
{
    const struct reply_list *list = reply->list;
    if (list == NULL) {
        return;
    }
    struct outbox *outbox = outbox_line_of(desk, reply);
    outbox_list_remove(reply);
    if (reply->connector != NULL) {
        reply->connector->handed--;
    } else if (list == &outbox->of_brand[reply->brand] && list->first == NULL) {
        outbox->brands &= ~(UINT64_C(1) << reply->brand);
    }
    reply->connector = NULL;
}

static void outbox_wait_in(struct desk *desk, struct reply *reply)
{
    reply->rest_until_ms = reply->attempt ? outbox_rest_until_ms(desk, reply) : 0;
    if (reply->rest_until_ms > desk->now_ms && reply->attempt <= OUTBOX_ATTEMPTS_MAX) {
        outbox_list_insert_resting(&desk->resting[reply->attempt - 1], reply);
    } else {
        outbox_wait_for_connector(desk, reply);
    }
}

void reply_restore(struct desk *desk, struct reply *reply)
{
    table_put(&desk->replies, reply->id, reply);
    if (reply->unwritten) {
        outbox_list_append(&desk->unwritten, reply);
    } else if (reply->state == REPLY_QUEUED) {
        outbox_wait_in(desk, reply);
    } else if (reply->state == REPLY_HANDED) {
        outbox_have(connector_require(desk, reply->instance != NULL ? reply->instance : ""), reply);
    }
}

void reply_forget(struct desk *desk, struct reply *reply)
{
    outbox_leave_list(desk, reply);
    table_remove(&desk->replies, reply->id, reply);
    free(reply->instance);
    free(reply);
}

// The platform's key of a reply: DESK-NUMBER.
static const char *outbox_key(const struct desk *desk, const struct reply *reply)
{
    char digits[DIGITS_BYTES];

    return change_list_join(desk->list, desk->policy->desk, "-", digits_of(reply->id, digits), NULL);
}

// Writes where the reply is now.  `text` NULL keeps what is on disk.
static void outbox_write_reply(struct desk *desk, const struct reply *reply, const char *text, const char *reference,
                               const char *reason)
{
    const struct policy *policy = desk->policy;
    bool settled = reply->state != REPLY_QUEUED && reply->state != REPLY_HANDED;
    desk_change(desk, &(struct change){
        .kind = CHANGE_REPLY,
        .reply = {
            .reply = reply->id,
            .item = reply->item_id,
            .brand = policy->brands[reply->brand].name,
            .channel = policy->channels[reply->channel].name,
            .person = person_name(desk, reply->person),
            .text = text,
            .key = outbox_key(desk, reply),
            .state = reply->state,
            .sealed = reply->sealed,
            .instance = reply->instance != NULL ? reply->instance : "",
            .idempotent = reply->idempotent,
            .attempt = reply->attempt,
            .created_ms = reply->created_ms,
            .handed_ms = reply->handed_ms,
            .settled_ms = settled ? desk->now_ms : 0,
            .reference = reference != NULL ? reference : "",
            .reason = reason != NULL ? reason : "",
        },
    });
}

// ---- connectors ----

struct connector *connector_require(struct desk *desk, const char *instance)
{
    for (size_t i = 0; i < desk->connector_count; i++) {
        if (!strcmp(desk->connectors[i]->instance, instance)) {
            return desk->connectors[i];
        }
    }
    struct connector *connector = calloc(1, sizeof *connector);
    must(connector);
    connector->instance = strdup(instance);
    must(connector->instance);
    desk->connectors = realloc(desk->connectors, (desk->connector_count + 1) * sizeof *desk->connectors);
    must(desk->connectors);
    desk->connectors[desk->connector_count++] = connector;
    return connector;
}

void connector_free(struct connector *connector)
{
    free(connector->instance);
    free(connector);
}

void connector_lost(struct desk *desk, struct connector *connector, int64_t until_ms)
{
    (void) desk;
    connector->session = 0;
    connector->lost_until_ms = until_ms;
}

// ---- what a reply would be, and until when the platform takes one ----

struct answering item_answering(const struct item *item, uint32_t person, enum audience audience)
{
    return (struct answering){ .brand = item->queue->brand,
                               .channel = item->channel,
                               .language = item->queue->language,
                               .person = person,
                               .audience = audience };
}

struct answering item_answering_as_held(const struct item *item)
{
    bool approving = item->queue->audience == AUDIENCE_APPROVER;
    uint32_t author = approving && item->detail != NULL && item->detail->draft_by != POLICY_NONE
                          ? item->detail->draft_by
                          : item->person;
    return item_answering(item, author, approving ? AUDIENCE_AGENT : item->queue->audience);
}

const char *outbox_is_closed_to(const struct desk *desk, const struct item *item, struct change_list *memory)
{
    if (!item->window_end_ms || desk->now_ms < item->window_end_ms) {
        return NULL;
    }
    time_t end = (time_t) (item->window_end_ms / 1000);
    struct tm parts;
    char text[32];
    must(gmtime_r(&end, &parts) && strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &parts));
    return change_list_format(memory, "%s takes no reply to this post since %s: close it or hand it off",
                              desk->policy->channels[item->channel].name, text);
}

// ---- into the outbox and out of it ----

struct reply *outbox_put(struct desk *desk, struct item *item, uint32_t person, enum audience audience,
                         const char *text)
{
    struct reply *reply = calloc(1, sizeof *reply);
    must(reply);
    *reply = (struct reply){
        .id = desk->next_id++,
        .item_id = item->id,
        .brand = item->queue->brand,
        .channel = item->channel,
        .person = person,
        .audience = audience,
        .state = REPLY_QUEUED,
        .sealed = item->sealed,
        .created_ms = desk->now_ms,
    };
    item_require_detail(item)->reply = reply->id;
    item_move(desk, item, ITEM_SENDING, person);
    item_set_timer(desk, item, item->window_end_ms);
    item->fate_unknown = false;
    item_thread_out(desk, item);
    item_remember(desk, item, person);
    reply_restore(desk, reply);
    outbox_write_reply(desk, reply, text, NULL, NULL);
    item_event(desk, item, "answered", person, NULL, "its reply is in the outbox");
    return reply;
}

static struct connector *connector_for(const struct desk *desk, uint32_t channel, bool repeat)
{
    struct connector *best = NULL;
    for (size_t i = 0; i < desk->connector_count; i++) {
        struct connector *connector = desk->connectors[i];
        bool takes = (connector->channels >> channel & 1) && (connector->idempotent || !repeat);
        if (connector->session && takes && connector->handed < OUTBOX_HANDED_MAX &&
            (best == NULL || connector->handed < best->handed)) {
            best = connector;
        }
    }
    return best;
}

static void outbox_hand_out(struct desk *desk, struct reply *reply, struct connector *connector)
{
    outbox_leave_list(desk, reply);
    reply->state = REPLY_HANDED;
    reply->attempt++;
    reply->handed_ms = desk->now_ms;
    reply->idempotent = connector->idempotent;
    outbox_have(connector, reply);
    if (reply->instance == NULL || strcmp(reply->instance, connector->instance) != 0) {
        free(reply->instance);
        reply->instance = strdup(connector->instance);
        must(reply->instance);
    }
    outbox_write_reply(desk, reply, NULL, NULL, NULL);
    change_list_tell(desk->list, &(struct effect){ .kind = EFFECT_HAND_REPLY,
                                                   .session = connector->session,
                                                   .reply = reply->id,
                                                   .attempt = reply->attempt });
}

void outbox_tell_again(struct desk *desk, struct connector *connector)
{
    for (const struct reply *reply = connector->replies.first; reply != NULL; reply = reply->next) {
        change_list_tell(desk->list, &(struct effect){ .kind = EFFECT_HAND_REPLY,
                                                       .session = connector->session,
                                                       .reply = reply->id,
                                                       .attempt = reply->attempt,
                                                       .again = true });
    }
}

// The reply of a channel that goes next; NULL: none waits, or only some that a freeze holds.
static struct reply *next_to_go(const struct desk *desk, const struct outbox *outbox)
{
    struct reply *next = NULL;
    uint64_t brands = outbox->brands & ~desk->frozen;
    for (size_t i = 0; brands >> i; i++) {
        struct reply *first = brands >> i & 1 ? outbox->of_brand[i].first : NULL;
        if (first != NULL && (next == NULL || first->place < next->place)) {
            next = first;
        }
        if (i + 1 == POLICY_SET_MAX) {
            break;
        }
    }
    return next;
}

static void outbox_run_line(struct desk *desk, const struct outbox *outbox, size_t *handed)
{
    struct reply *reply;
    struct connector *connector;
    while ((reply = next_to_go(desk, outbox)) != NULL &&
           (connector = connector_for(desk, reply->channel, reply->attempt > 0)) != NULL) {
        if (++*handed > HANDING_SLICE) {
            desk->outbox_left = true;
            return;
        }
        outbox_hand_out(desk, reply, connector);
    }
}

void outbox_run(struct desk *desk)
{
    size_t handed = 0;
    for (size_t i = 0; !desk->outbox_left && i < POLICY_CHANNELS_MAX; i++) {
        outbox_run_line(desk, &desk->repeats[i], &handed);
        if (!desk->outbox_left) {
            outbox_run_line(desk, &desk->outbox[i], &handed);
        }
    }
}

bool outbox_withdraw(struct desk *desk, struct item *item, const char *reason)
{
    must(item->state == ITEM_SENDING && item->detail);
    struct reply *reply = table_find(&desk->replies, item->detail->reply);
    must(reply);
    if (reply->state != REPLY_QUEUED || reply->attempt > 0) {
        return false; // out already, perhaps: also one that waits to be repeated
    }
    reply->state = REPLY_WITHDRAWN;
    outbox_write_reply(desk, reply, NULL, NULL, reason);
    item_event(desk, item, "reply withdrawn", reply->person, NULL, reason);
    item->fate_unknown = item->detail->unknown != 0;
    reply_forget(desk, reply);
    return true;
}

void outbox_restored(struct desk *desk)
{
    for (struct reply *reply; (reply = desk->unwritten.first);) {
        outbox_list_remove(reply);
        reply->unwritten = false;
        outbox_write_reply(desk, reply, NULL, NULL, "who wrote it is no longer in the rules");
        if (reply->state == REPLY_WITHDRAWN) {
            reply_forget(desk, reply);
        }
    }
}

void outbox_forget_item(struct desk *desk, const struct item *item)
{
    while (item->detail != NULL && item->detail->unknown) {
        struct reply *reply = table_find(&desk->replies, item->detail->unknown);
        must(reply && reply->state == REPLY_UNKNOWN && reply->item_id == item->id);
        item->detail->unknown = reply->earlier;
        reply_forget(desk, reply);
    }
}

// ---- fates ----

void outbox_keep_unknown(struct desk *desk, struct item *item, struct reply *reply)
{
    (void) desk;
    reply->earlier = item_require_detail(item)->unknown;
    item->detail->unknown = reply->id;
}

static void outbox_unlink_unknown(struct desk *desk, struct item *item, const struct reply *reply)
{
    uint64_t *place = &item->detail->unknown;
    while (*place != reply->id) {
        place = &((struct reply *) table_find(&desk->replies, *place))->earlier;
    }
    *place = reply->earlier;
}

// Tells whoever has the item next what became of its reply: as the reason why they have it, and in its story.
static void outbox_tell_fate(struct desk *desk, struct item *item, const char *fate, const char *reason)
{
    if (reason == NULL || !*reason) {
        reason = "no reason was given";
    }
    size_t bytes = text_bytes_that_fit(reason, BEHALF_NOTE_BYTES - strlen(fate));
    const char *text = change_list_format(desk->list, "%s%.*s", fate, (int) bytes, reason);
    item_set_reason(desk, item, text);
    desk_change(desk, &(struct change){ .kind = CHANGE_NOTE,
                                        .note = { .item = item->id,
                                                  .kind = "note",
                                                  .person = "",
                                                  .text = text,
                                                  .sealed = item->sealed,
                                                  .at_ms = desk->now_ms } });
}

// The item of a reply that did not go out, or may have: back, for the reply's author first.
static void outbox_send_back(struct desk *desk, struct item *item, const struct reply *reply, const char *kind,
                             const char *reason)
{
    item_event(desk, item, kind, reply->person, NULL, reason);
    item->returned = true;
    item->fate_unknown = item->detail->unknown != 0; // this one's or an earlier one's, answered again meanwhile
    item_count_move(item);
    bool for_agents = item->queue->audience != AUDIENCE_PR;
    if (item->sealed && for_agents) {
        item_escalate(desk, item, POLICY_NONE, NULL, "became sensitive while its reply was in the outbox");
        return;
    }
    if (item->queue->audience != reply->audience) { // an approved draft goes back to who wrote it
        const struct queue *queue = item->queue;
        item_change_queue(desk, item,
                          queue_require(desk, reply->audience, queue->brand, queue->language, queue->skills),
                          reply->person);
        return;
    }
    item_prefer(desk, item, reply->person);
    item_wait(desk, item);
}

static void outbox_confirm(struct desk *desk, struct reply *reply, const char *reference)
{
    struct item *item = item_find(desk, reply->item_id);
    bool unknown = reply->state == REPLY_UNKNOWN;
    outbox_leave_list(desk, reply);
    reply->state = REPLY_CONFIRMED;
    outbox_write_reply(desk, reply, NULL, reference, NULL);
    uint32_t person = reply->person;
    uint64_t id = reply->id;
    if (item != NULL && unknown) {
        outbox_unlink_unknown(desk, item, reply);
    }
    reply_forget(desk, reply);
    if (item == NULL) {
        return;
    }
    if (unknown) { // it was published after all; whoever has the item now need not answer again
        if (item->state == ITEM_SENDING &&
            !outbox_withdraw(desk, item, "an earlier reply turned out to be published")) {
            return;
        }
        if (item->state == ITEM_OFFERED || item->state == ITEM_HELD) {
            item_tell_gone(desk, item, desk->people[item->person], "its reply turned out to be published");
        }
    }
    item_close(desk, item, "answered", person, NULL, id);
}

static void outbox_fail(struct desk *desk, struct reply *reply, const char *reason)
{
    struct item *item = item_find(desk, reply->item_id);
    bool unknown = reply->state == REPLY_UNKNOWN;
    outbox_leave_list(desk, reply);
    reply->state = REPLY_FAILED;
    outbox_write_reply(desk, reply, NULL, NULL, reason);
    bool withdrawn = item != NULL && !unknown && !item->posts;
    if (item != NULL && unknown) {
        outbox_unlink_unknown(desk, item, reply);
        item->fate_unknown = item->detail->unknown != 0;
        item_event(desk, item, "reply failed", reply->person, NULL, reason);
        outbox_tell_fate(desk, item, "an earlier reply was not published: ", reason);
        item_changed(desk, item);
        if (item->state == ITEM_OFFERED || item->state == ITEM_HELD) {
            item_show(desk, item);
        }
    } else if (item != NULL && !withdrawn) {
        outbox_tell_fate(desk, item, "not published: ", reason);
        outbox_send_back(desk, item, reply, "reply failed", reason);
    }
    reply_forget(desk, reply);
    if (withdrawn) {
        item_close(desk, item, "withdrawn", POLICY_NONE, "deleted by its author; its reply was not published", 0);
    }
}

// Nobody repeats the reply: a person looks whether it was published, and decides.
static void outbox_give_to_person(struct desk *desk, struct item *item, struct reply *reply, const char *reason)
{
    if (reply->attempt >= OUTBOX_ATTEMPTS_MAX) {
        reason = change_list_format(desk->list, "handed out %u times%s%s", reply->attempt, *reason ? ": " : "", reason);
    }
    reply->state = REPLY_UNKNOWN;
    outbox_write_reply(desk, reply, NULL, NULL, reason);
    outbox_keep_unknown(desk, item, reply);
    outbox_tell_fate(desk, item, "nobody knows whether it was published: ", reason);
    outbox_send_back(desk, item, reply, "fate unknown", reason);
}

static bool outbox_has_had_its_attempts(const struct reply *reply)
{
    return (reply->state == REPLY_QUEUED && reply->attempt >= OUTBOX_ATTEMPTS_MAX) ||
           (reply->state == REPLY_HANDED && reply->attempt > BEHALF_ATTEMPTS_MAX);
}

void outbox_give_up_restored(struct desk *desk)
{
    size_t place = 0;
    for (struct reply *reply; (reply = table_next(&desk->replies, &place));) {
        if (!outbox_has_had_its_attempts(reply)) {
            continue;
        }
        outbox_leave_list(desk, reply);
        struct item *item = item_find(desk, reply->item_id);
        must(item);
        outbox_give_to_person(desk, item, reply, "");
    }
}

// Why a reply that nobody was told of may not go out any more; NULL if it may.  Its item is what it has become
// meanwhile.
static const char *outbox_what_forbids(const struct desk *desk, const struct item *item, const struct reply *reply)
{
    if (reply->attempt > 0) {
        return NULL; // it may be out already
    }
    if (!item->posts) {
        return "deleted by its author";
    }
    if (item->sealed && item->queue->audience != AUDIENCE_PR) {
        return "became sensitive meanwhile";
    }
    bool known = reply->person != POLICY_NONE;
    return known && authority_needs_approval(desk, item, desk->people[reply->person]) ? "needs approval now" : NULL;
}

void desk_reply_not_told(struct desk *desk, uint64_t id, uint32_t attempt, int64_t now_ms)
{
    struct reply *reply = table_find(&desk->replies, id);
    if (reply == NULL || reply->state != REPLY_HANDED || reply->attempt != attempt || reply->connector->session) {
        return; // it was settled, lost, or can be told again
    }
    desk->now_ms = now_ms;
    outbox_leave_list(desk, reply);
    reply->state = REPLY_QUEUED;
    reply->attempt--;
    outbox_write_reply(desk, reply, NULL, NULL, "its connector was gone before it was told");
    struct item *item = item_find(desk, reply->item_id);
    must(item); // only its reply's fate ends an item that is sending
    item_event(desk, item, "reply not handed out", reply->person, NULL, "its connector was gone before it was told");
    const char *forbidden = outbox_what_forbids(desk, item, reply);
    if (forbidden != NULL) {
        outbox_fail(desk, reply, forbidden);
    } else {
        outbox_wait_in(desk, reply);
        item_set_timer(desk, item, item->window_end_ms);
    }
    desk_settle(desk);
}

void outbox_window_ends(struct desk *desk, struct item *item)
{
    struct reply *reply = table_find(&desk->replies, item->detail->reply);
    must(reply);
    if (reply->state == REPLY_QUEUED && reply->attempt == 0) { // else a connector has it, or may have published it
        outbox_fail(desk, reply, outbox_is_closed_to(desk, item, desk->list));
    }
}

static void outbox_lose(struct desk *desk, struct reply *reply, const char *reason)
{
    must(reply->state == REPLY_HANDED);
    struct item *item = item_find(desk, reply->item_id);
    must(item); // only its reply's fate ends an item that is sending
    outbox_leave_list(desk, reply);
    if (reply->idempotent && reply->attempt < OUTBOX_ATTEMPTS_MAX) {
        reply->state = REPLY_QUEUED;
        outbox_write_reply(desk, reply, NULL, NULL, reason);
        item_event(desk, item, "reply repeated", reply->person, NULL, reason);
        outbox_wait_in(desk, reply);
        return;
    }
    outbox_give_to_person(desk, item, reply, reason);
}

static const struct {
    const char *name;
    void (*settle)(struct desk *desk, struct reply *reply, const char *text);
} fates[] = { { "confirmed", outbox_confirm }, { "failed", outbox_fail }, { "unknown", outbox_lose } };

#define FATE_COUNT (sizeof fates / sizeof *fates)

// FATE_COUNT when there is no such fate.
static size_t outbox_find_fate(const char *name)
{
    size_t fate = 0;
    while (fate < FATE_COUNT && strcmp(fates[fate].name, name) != 0) {
        fate++;
    }
    return fate;
}

bool desk_is_fate(const char *name)
{
    return outbox_find_fate(name) < FATE_COUNT;
}

void outbox_settle(struct desk *desk, struct connector *connector, uint64_t session,
                   const struct behalf_message *request)
{
    const struct behalf_settle *settle = &request->settle;
    size_t fate = outbox_find_fate(settle->fate);
    struct behalf_error error = { .field = "fate", .reason = "a fate is confirmed, failed or unknown" };
    if (fate == FATE_COUNT) {
        desk_tell_error(desk, session, request->id, BEHALF_CODE_INVALID, &error);
        return;
    }
    struct reply *reply = table_find(&desk->replies, (uint64_t) settle->reply);
    struct behalf_done done = { .reply = settle->reply };
    error = (struct behalf_error){ .field = "reply", .reason = "no such reply was handed to this connector" };
    if (!authority_may_settle(connector, reply)) {
        desk_tell_error(desk, session, request->id, BEHALF_CODE_NOT_FOUND, &error);
    } else {
        done.item = (int64_t) reply->item_id;
        desk_tell_done(desk, session, request->id, &done);
        if (fates[fate].settle != outbox_lose || reply->state == REPLY_HANDED) {
            fates[fate].settle(desk, reply, fate == 0 ? settle->reference : settle->reason);
        }
    }
}

// ---- time ----

// Gives up what a lost connector had, a slice of it in all; returns whether that was all.
static bool outbox_lose_some(struct desk *desk, struct connector *connector, size_t *lost)
{
    while (connector->replies.first != NULL && *lost < LOSING_SLICE) {
        outbox_lose(desk, connector->replies.first, "its connector vanished with it");
        ++*lost;
    }
    return connector->replies.first == NULL;
}

// Lets what has rested wait for a connector.  Milliseconds until the next one has, or -1.
static int64_t outbox_wake_rested(struct desk *desk)
{
    int64_t next_ms = -1;
    for (size_t i = 0; i < OUTBOX_ATTEMPTS_MAX; i++) {
        struct reply *reply;
        while ((reply = desk->resting[i].first) != NULL && reply->rest_until_ms <= desk->now_ms) {
            outbox_leave_list(desk, reply);
            outbox_wait_for_connector(desk, reply);
        }
        if (reply != NULL && (next_ms < 0 || reply->rest_until_ms - desk->now_ms < next_ms)) {
            next_ms = reply->rest_until_ms - desk->now_ms;
        }
    }
    return next_ms;
}

int64_t outbox_tick(struct desk *desk)
{
    int64_t next_ms = outbox_wake_rested(desk);
    size_t lost = 0;
    desk->outbox_left = false; // the end of this input goes on
    for (size_t i = desk->connector_count; i > 0; i--) {
        struct connector *connector = desk->connectors[i - 1];
        if (connector->session) {
            continue;
        }
        int64_t left_ms = connector->lost_until_ms - desk->now_ms;
        if (left_ms <= 0 && outbox_lose_some(desk, connector, &lost)) {
            connector_free(connector);
            desk->connectors[i - 1] = desk->connectors[--desk->connector_count];
        } else if (next_ms < 0 || left_ms < next_ms) {
            next_ms = left_ms > 0 ? left_ms : 0;
        }
    }
    return next_ms;
}

// ---- checking ----

// Returns how many are in the list.
static size_t check_list(const struct reply_list *list, enum reply_state state)
{
    size_t count = 0;
    for (const struct reply *reply = list->first; reply != NULL; reply = reply->next) {
        must(reply->list == list && reply->state == state);
        must(reply->next ? reply->next->previous == reply : list->last == reply);
        count++;
    }
    return count;
}

static size_t outbox_check_waiting(const struct desk *desk, const struct outbox *outbox, uint32_t channel, bool repeats)
{
    size_t count = 0;
    for (uint32_t brand = 0; brand < POLICY_SET_MAX; brand++) {
        const struct reply_list *list = &outbox->of_brand[brand];
        must((outbox->brands >> brand & 1) == (list->first != NULL));
        count += check_list(list, REPLY_QUEUED);
        for (const struct reply *reply = list->first; reply != NULL; reply = reply->next) {
            must(reply->brand == brand && reply->channel == channel && (reply->attempt > 0) == repeats);
            must(!reply->connector && (!reply->next || reply->place < reply->next->place));
        }
    }
    must(!next_to_go(desk, outbox) || desk->outbox_left || !connector_for(desk, channel, repeats));
    return count;
}

static size_t outbox_check_connector(const struct connector *connector)
{
    must(connector->handed <= OUTBOX_HANDED_MAX);
    must(check_list(&connector->replies, REPLY_HANDED) == connector->handed);
    for (const struct reply *reply = connector->replies.first; reply != NULL; reply = reply->next) {
        must(reply->connector == connector);
    }
    return connector->handed;
}

void outbox_check(const struct desk *desk)
{
    size_t listed = 0, on_their_way = 0, place = 0;
    for (uint32_t i = 0; i < POLICY_CHANNELS_MAX; i++) {
        listed += outbox_check_waiting(desk, &desk->outbox[i], i, false);
        listed += outbox_check_waiting(desk, &desk->repeats[i], i, true);
    }
    for (size_t i = 0; i < OUTBOX_ATTEMPTS_MAX; i++) {
        listed += check_list(&desk->resting[i], REPLY_QUEUED);
    }
    for (size_t i = 0; i < desk->connector_count; i++) {
        listed += outbox_check_connector(desk->connectors[i]);
    }
    for (const struct reply *reply; (reply = table_next(&desk->replies, &place));) {
        bool on_its_way = reply->state == REPLY_QUEUED || reply->state == REPLY_HANDED;
        must(on_its_way == (reply->list != NULL) && (reply->connector != NULL) == (reply->state == REPLY_HANDED));
        on_their_way += on_its_way;
    }
    must(listed == on_their_way && !desk->unwritten.first);
}
