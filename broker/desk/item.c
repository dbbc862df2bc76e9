// item.c - where items are kept, the states they may go through, and their records and events.
//
// Who gets an item is match.c's to decide, what a person may do with it authority.c's.

#include "broker/desk/parts.h"

#include <assert.h>
#include <string.h>

static const char *const item_state_names[ITEM_STATE_COUNT] = {
    [ITEM_WAITING] = "waiting", [ITEM_OFFERED] = "offered", [ITEM_HELD] = "held",
    [ITEM_PARKED] = "parked",   [ITEM_SENDING] = "sending", [ITEM_CLOSED] = "closed",
};

// The steps from one state to another; anything else is a fault of the desk.  A new item comes from CLOSED, as does one
// read back from the store.
static const bool step_allowed[ITEM_STATE_COUNT][ITEM_STATE_COUNT] = {
    [ITEM_WAITING] = { [ITEM_WAITING] = true, [ITEM_OFFERED] = true, [ITEM_HELD] = true, [ITEM_CLOSED] = true },
    [ITEM_OFFERED] = { [ITEM_WAITING] = true, [ITEM_HELD] = true, [ITEM_CLOSED] = true },
    [ITEM_HELD] = { [ITEM_WAITING] = true, [ITEM_PARKED] = true, [ITEM_SENDING] = true, [ITEM_CLOSED] = true },
    [ITEM_PARKED] = { [ITEM_WAITING] = true, [ITEM_CLOSED] = true },
    [ITEM_SENDING] = { [ITEM_WAITING] = true, [ITEM_CLOSED] = true },
    [ITEM_CLOSED] = { true, true, true, true, true, false },
};

const char *item_state_name(enum item_state state)
{
    must(state < ITEM_STATE_COUNT);
    return item_state_names[state];
}

// ---- where items are kept ----

// What a waiting item costs: this, 8 to 9 bytes by its id, 10 to 12.5 by its thread, 4 to 4.5 in each of three heaps.
static_assert(sizeof(struct item) <= 120, "an item waiting costs at most 160 bytes");

uint64_t item_thread_of(uint64_t thread_key, uint32_t brand)
{
    return thread_key + brand * UINT64_C(0x9E3779B97F4A7C15);
}

static uint64_t item_thread_key_of(const void *element)
{
    const struct item *item = element;
    return item_thread_of(item->thread_key, item->queue->brand);
}

uint32_t item_number(const void *item)
{
    return ((const struct item *) item)->number;
}

static bool item_age_before(const struct heap *heap, const void *one, const void *other)
{
    (void) heap;
    const struct item *a = one;
    const struct item *b = other;
    return a->created_ms != b->created_ms ? a->created_ms < b->created_ms : a->id < b->id;
}

static uint32_t *item_age_slot(void *item)
{
    return &((struct item *) item)->age_slot;
}

void item_init_ages(const struct desk *desk, struct heap *heap)
{
    *heap = (struct heap){
        .pool = &desk->item_pool, .before = item_age_before, .slot = item_age_slot, .number = item_number
    };
}

static bool item_due_before(const struct heap *heap, const void *one, const void *other)
{
    (void) heap;
    const struct item *a = one;
    const struct item *b = other;
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->id < b->id;
}

static uint32_t *item_due_slot(void *item)
{
    return &((struct item *) item)->detail->due_slot;
}

void item_init_all(struct desk *desk)
{
    words_init(&desk->words);
    desk->item_pool = (struct pool){ .element_bytes = sizeof(struct item) };
    desk->items = (struct by_id){ .pool = &desk->item_pool };
    desk->dues = (struct heap){
        .pool = &desk->item_pool, .before = item_due_before, .slot = item_due_slot, .number = item_number
    };
    desk->threads = (struct lookup){ .pool = &desk->item_pool, .key = item_thread_key_of };
}

static void item_free_detail(struct item *item)
{
    if (item->detail != NULL) {
        free(item->detail->declines);
        free(item->detail->deletions);
        free(item->detail);
    }
}

void item_fini_all(struct desk *desk)
{
    uint64_t after = 0;
    for (struct item *item; (item = item_next(desk, &after));) {
        item_free_detail(item);
    }
    by_id_fini(&desk->items);
    lookup_fini(&desk->threads);
    heap_fini(&desk->dues);
    pool_fini(&desk->item_pool);
    words_fini(&desk->words);
}

struct item *item_new(struct desk *desk, uint64_t id, int64_t created_ms)
{
    uint32_t number;
    struct item *item = pool_take(&desk->item_pool, &number);
    item->number = number;
    item->id = id;
    item->created_ms = created_ms;
    item->state = ITEM_CLOSED;
    item->person = POLICY_NONE;
    by_id_put(&desk->items, id, number);
    return item;
}

// It is in no list any more but the one of all.
static void item_free(struct desk *desk, struct item *item)
{
    by_id_remove(&desk->items, item->id);
    words_drop(&desk->words, item->reason);
    words_drop(&desk->words, item->escalated);
    item_free_detail(item);
    pool_give(&desk->item_pool, item->number);
}

struct item *item_find(const struct desk *desk, uint64_t id)
{
    return by_id_find(&desk->items, id);
}

struct item *item_next(const struct desk *desk, uint64_t *after)
{
    return by_id_next(&desk->items, *after, after);
}

struct item *item_of_thread(const struct desk *desk, uint64_t thread_key, uint32_t brand)
{
    return lookup_find(&desk->threads, item_thread_of(thread_key, brand));
}

// ---- what is in its detail, if it has one ----

struct item_detail *item_require_detail(struct item *item)
{
    if (item->detail == NULL) {
        item->detail = calloc(1, sizeof *item->detail);
        must(item->detail);
        item->detail->since_ms = item->created_ms;
        item->detail->preferred = POLICY_NONE;
        item->detail->draft_by = POLICY_NONE;
    }
    return item->detail;
}

bool item_waits(const struct item *item)
{
    return item->waiting_slot || item->reserved;
}

uint32_t item_preferred(const struct item *item)
{
    return item->detail != NULL ? item->detail->preferred : POLICY_NONE;
}

void item_forget_preferred(struct item *item)
{
    if (item->detail != NULL) {
        item->detail->preferred = POLICY_NONE;
    }
}

int64_t item_since_ms(const struct item *item)
{
    return item->detail != NULL ? item->detail->since_ms : item->created_ms;
}

static void item_set_since(struct item *item, int64_t since_ms)
{
    if (item->detail != NULL || since_ms != item->created_ms) {
        item_require_detail(item)->since_ms = since_ms;
    }
}

void item_count_move(struct item *item)
{
    item_require_detail(item)->moves++;
}

// ---- its state and what goes with it ----

void item_set_reason(struct desk *desk, struct item *item, const char *reason)
{
    uint32_t before = item->reason;
    item->reason = words_keep(&desk->words, reason);
    words_drop(&desk->words, before);
}

void item_set_escalated(struct desk *desk, struct item *item, const char *reason)
{
    if (!item->escalated) {
        item->escalated = words_keep(&desk->words, reason);
    }
}

void item_set_timer(struct desk *desk, struct item *item, int64_t at_ms)
{
    if (item->timer_slot) {
        heap_remove(&desk->timers, item);
    }
    item->timer_ms = at_ms;
    if (at_ms) {
        heap_push(&desk->timers, item);
    }
}

static bool item_is_in_hand_or_parked(const struct item *item)
{
    return item->state == ITEM_OFFERED || item->state == ITEM_HELD || item->state == ITEM_PARKED;
}

// Of those that wait a timer tells when they are overdue, of the others this order.
static void item_await_due(struct desk *desk, struct item *item)
{
    bool waits = item->state == ITEM_WAITING || item->state == ITEM_CLOSED;
    bool awaited = item->detail != NULL && item->detail->due_slot;
    bool dealt_with = item->overdue && (item->late || !item_is_in_hand_or_parked(item));
    if (awaited) {
        heap_remove(&desk->dues, item);
    }
    if (waits || !item->due_ms || dealt_with) {
        return;
    }
    item_require_detail(item);
    heap_push(&desk->dues, item);
}

static void item_count_overdue(struct item *item, bool overdue)
{
    if (overdue == item->overdue) {
        return;
    }
    item->overdue = overdue;
    if (item->state != ITEM_CLOSED) {
        item->queue->overdue += overdue ? 1 : SIZE_MAX;
    }
}

void item_set_due(struct desk *desk, struct item *item, int64_t due_ms)
{
    if (item->detail != NULL && item->detail->due_slot) {
        heap_remove(&desk->dues, item); // before its order changes
    }
    item->due_ms = due_ms;
    item_count_overdue(item, due_ms && due_ms <= desk->now_ms);
    item_await_due(desk, item);
}

void item_set_overdue(struct desk *desk, struct item *item)
{
    item_count_overdue(item, true);
    item_await_due(desk, item);
}

void item_touch(struct desk *desk, struct item *item)
{
    if (item->state != ITEM_HELD) {
        return;
    }
    item_require_detail(item)->touched_ms = desk->now_ms;
    item_set_hold_timer(desk, item);
}

void item_set_hold_timer(struct desk *desk, struct item *item)
{
    must(item->state == ITEM_HELD);
    int64_t hold_ms = desk->policy->times.hold_ms;
    int64_t until_ms = desk->people[item->person]->lost_until_ms;
    int64_t untouched_ms = hold_ms ? item->detail->touched_ms + hold_ms : 0;
    if (untouched_ms && (!until_ms || untouched_ms < until_ms)) {
        until_ms = untouched_ms;
    }
    item_set_timer(desk, item, until_ms);
}

int64_t item_due_ms(const struct desk *desk, const struct item *item, enum audience audience)
{
    int64_t level_ms = desk->policy->brands[item->queue->brand].service_level_ms[audience];
    int64_t due_ms = level_ms ? item->created_ms + level_ms : 0;
    if (item->window_end_ms && (!due_ms || item->window_end_ms < due_ms)) {
        due_ms = item->window_end_ms;
    }
    return due_ms;
}

void item_set_queue(struct desk *desk, struct item *item, struct queue *queue)
{
    must(!item_waits(item));
    if (item->queue != NULL && item->state != ITEM_CLOSED) {
        queue_leave(desk, item->queue, item, (enum item_state) item->state);
        queue_enter(desk, queue, item, (enum item_state) item->state);
    }
    item->queue = queue;
    int64_t due_ms = item_due_ms(desk, item, queue->audience);
    if (due_ms != item->due_ms) {
        item->late = due_ms && due_ms <= desk->now_ms;
    }
    item_set_due(desk, item, due_ms);
}

void item_move(struct desk *desk, struct item *item, enum item_state state, uint32_t person)
{
    enum item_state from = (enum item_state) item->state;
    must(step_allowed[from][state]);
    must((person != POLICY_NONE) == (state == ITEM_OFFERED || state == ITEM_HELD || state == ITEM_SENDING));
    must(item->queue);
    if (item_waits(item)) {
        match_leave(desk, item);
    }
    if (from == ITEM_OFFERED || from == ITEM_HELD) {
        person_remove_item(desk, desk->people[item->person], item);
    }
    if (from != ITEM_CLOSED) {
        queue_leave(desk, item->queue, item, from);
        desk->count[from]--;
    }
    if (from == ITEM_SENDING) {
        table_remove(&desk->sending, item_thread_key_of(item), item);
    }
    if (state == ITEM_SENDING) {
        table_put(&desk->sending, item_thread_key_of(item), item);
    }
    item->state = (uint8_t) state & 7u;
    item->person = person;
    // A new one has waited since it began to count, which needs no room of its own, but for its expiry.
    if (state != ITEM_CLOSED && (from != ITEM_CLOSED || item->detail != NULL || desk->policy->times.expire_ms)) {
        item_set_since(item, desk->now_ms);
    }
    item_set_timer(desk, item, 0);
    if (state != ITEM_CLOSED) {
        queue_enter(desk, item->queue, item, state);
        desk->count[state]++;
    }
    item_await_due(desk, item);
    desk->of_channel[item->channel] += (size_t) (from == ITEM_CLOSED) - (size_t) (state == ITEM_CLOSED);
    if (state == ITEM_OFFERED || state == ITEM_HELD) {
        person_add_item(desk, desk->people[person], item);
        recent_require(&desk->author_memory, item->author_key)->with = person;
    }
    item_touch(desk, item);
    item_changed(desk, item);
}

void item_changed(struct desk *desk, struct item *item)
{
    if (item->changed) {
        return;
    }
    desk_grow(&desk->changed, desk->changed_count, &desk->changed_capacity);
    desk->changed[desk->changed_count++] = item;
    item->changed = true;
}

void item_wait(struct desk *desk, struct item *item)
{
    item_move(desk, item, ITEM_WAITING, POLICY_NONE);
    match_enter(desk, item);
    item_thread_in(desk, item);
}

void item_event(struct desk *desk, const struct item *item, const char *kind, uint32_t person, const char *rule,
                const char *detail)
{
    desk_change(desk, &(struct change){
        .kind = CHANGE_EVENT,
        .event = {
            .sequence = desk->sequence + 1,
            .at_ms = desk->now_ms,
            .item = item != NULL ? item->id : 0,
            .kind = kind,
            .person = person_name(desk, person),
            .queue = item != NULL ? item->queue->text : "",
            .rule = rule != NULL ? rule : "",
            .rules_version = desk->policy->version,
            .detail = detail != NULL ? detail : "",
        },
    });
}

void item_tell_gone(struct desk *desk, const struct item *item, const struct person *person, const char *reason)
{
    if (!person->session) {
        return;
    }
    change_list_tell(desk->list,
                     &(struct effect){
                         .kind = EFFECT_SEND,
                         .session = person->session,
                         .message = { .type = BEHALF_GONE,
                                      .gone = { .item = (int64_t) item->id, .lease = item->lease, .reason = reason } },
                     });
}

void item_show(struct desk *desk, const struct item *item)
{
    must(item->state == ITEM_OFFERED || item->state == ITEM_HELD);
    uint64_t session = desk->people[item->person]->session;
    if (session) {
        change_list_tell(
            desk->list,
            &(struct effect){ .kind = EFFECT_SHOW_ITEM, .session = session, .item = item->id, .lease = item->lease });
    }
}

void item_take_back(struct desk *desk, struct item *item, const char *kind, const char *reason, bool head)
{
    must(item->state == ITEM_OFFERED || item->state == ITEM_HELD);
    uint32_t person = item->person;
    item_tell_gone(desk, item, desk->people[person], reason);
    item_event(desk, item, kind, person, NULL, reason);
    item->returned = item->returned || head;
    item_count_move(item);
    item_wait(desk, item);
}

void item_prefer(struct desk *desk, struct item *item, uint32_t person)
{
    must(!item_waits(item));
    item_forget_preferred(item);
    if (person == POLICY_NONE) {
        return;
    }
    struct item_detail *detail = item_require_detail(item);
    detail->preferred = person;
    detail->preferred_until_ms = desk->now_ms + desk->policy->times.prefer_ms;
}

void item_change_queue(struct desk *desk, struct item *item, struct queue *queue, uint32_t preferred)
{
    if (item_waits(item)) {
        match_leave(desk, item);
    }
    item_set_queue(desk, item, queue);
    item_prefer(desk, item, preferred);
    item->returned = false;
    item_count_move(item);
    item_wait(desk, item);
}

static void item_seal(struct desk *desk, struct item *item)
{
    if (item->sealed) {
        return;
    }
    item->sealed = true;
    desk_change(desk, &(struct change){ .kind = CHANGE_SEAL, .seal.item = item->id });
    item_changed(desk, item);
}

// `gone`: what is told to whoever has it, unless they did it.
static void escalate(struct desk *desk, struct item *item, uint32_t by, const char *rule, const char *reason,
                     const char *gone)
{
    must(item->state != ITEM_CLOSED);
    item_set_reason(desk, item, reason);
    item_set_escalated(desk, item, reason);
    item_seal(desk, item);
    if ((item->state == ITEM_OFFERED || item->state == ITEM_HELD) && item->person != by) {
        item_tell_gone(desk, item, desk->people[item->person], gone);
    }
    const struct queue *queue = item->queue;
    item_change_queue(desk, item, queue_require(desk, AUDIENCE_PR, queue->brand, queue->language, queue->skills),
                      POLICY_NONE);
    item_event(desk, item, "escalated", by, rule, reason);
}

void item_escalate(struct desk *desk, struct item *item, uint32_t by, const char *rule, const char *reason)
{
    escalate(desk, item, by, rule, reason, "escalated to the brand's PR team");
}

bool item_becomes_sensitive(struct desk *desk, struct item *item, const char *rule)
{
    bool with_pr = item->queue->audience == AUDIENCE_PR;
    if (item->state == ITEM_SENDING && (with_pr || !outbox_withdraw(desk, item, "became sensitive"))) {
        item_seal(desk, item);
        return false;
    }
    if (with_pr) {
        item_seal(desk, item);
    } else {
        item_escalate(desk, item, POLICY_NONE, rule, rule);
    }
    return true;
}

void item_thread_in(struct desk *desk, struct item *item)
{
    if (item->threaded) {
        return;
    }
    lookup_put(&desk->threads, item->number);
    item->threaded = true;
}

void item_thread_out(struct desk *desk, struct item *item)
{
    if (item->threaded) {
        lookup_remove(&desk->threads, item->number);
    }
    item->threaded = false;
}

void item_remember(struct desk *desk, const struct item *item, uint32_t person)
{
    struct recent_row *thread = recent_require(&desk->thread_memory, item_thread_key_of(item));
    thread->at_ms = desk->now_ms;
    thread->person = person;
    thread->audience = item->queue->audience;
    thread->sealed = item->sealed;
    if (person == POLICY_NONE) {
        return;
    }
    struct recent_row *author = recent_require(&desk->author_memory, item->author_key);
    author->at_ms = desk->now_ms;
    author->person = person;
    author->language = item->queue->language;
    author->audience = item->queue->audience;
}

static void item_write_outcome(struct desk *desk, const struct item *item, const char *outcome, uint32_t person,
                               const char *reason, uint64_t reply)
{
    const struct policy *policy = desk->policy;
    uint32_t agency = person == POLICY_NONE ? POLICY_NONE : policy->people[person].agency;
    const struct item_detail *detail = item->detail;
    desk_change(desk, &(struct change){
        .kind = CHANGE_OUTCOME,
        .outcome = {
            .item = item->id,
            .outcome = outcome,
            .brand = policy->brands[item->queue->brand].name,
            .language = policy->languages[item->queue->language].name,
            .audience = audience_name(item->queue->audience),
            .person = person_name(desk, person),
            .agency = agency == POLICY_NONE ? "" : policy->agencies[agency].name,
            .reason = reason != NULL ? reason : "",
            .escalated = words_text(&desk->words, item->escalated),
            .reply = reply,
            .created_ms = item->created_ms,
            .closed_ms = desk->now_ms,
            .due_ms = item->due_ms,
            .first_offered_ms = detail != NULL ? detail->first_offered_ms : 0,
            .posts = item->numbered,
            .moves = detail != NULL ? detail->moves : 0,
            .sealed = item->sealed,
            .thread_key = item->thread_key,
            .author_key = item->author_key,
        },
    });
}

static void item_forget_changed(struct desk *desk, struct item *item)
{
    for (size_t i = 0; item->changed && i < desk->changed_count; i++) {
        if (desk->changed[i] == item) {
            desk->changed[i] = desk->changed[--desk->changed_count];
            item->changed = false;
        }
    }
    for (size_t i = 0; item->unmatched && i < desk->unmatched_count; i++) {
        if (desk->unmatched[i] == item) {
            desk->unmatched[i] = desk->unmatched[--desk->unmatched_count];
            item->unmatched = false;
        }
    }
}

static void item_write(struct desk *desk, const struct item *item, const char *outcome)
{
    const struct policy *policy = desk->policy;
    const struct queue *queue = item->queue;
    struct item_record record = {
        .item = item->id,
        .brand = policy->brands[queue->brand].name,
        .channel = policy->channels[item->channel].name,
        .audience = audience_name(queue->audience),
        .language = policy->languages[queue->language].name,
        .skills = queue->skills_text,
        .state = (enum item_state) item->state,
        .band = item->band,
        .sealed = item->sealed,
        .returned = item->returned,
        .approval = item->approval,
        .fate_unknown = item->fate_unknown,
        .created_ms = item->created_ms,
        .due_ms = item->due_ms,
        .since_ms = item_since_ms(item),
        .until_ms = item->state == ITEM_OFFERED || item->state == ITEM_PARKED ? item->timer_ms : 0,
        .lease = item->lease,
        .person = person_name(desk, item->person),
        .preferred = person_name(desk, item_preferred(item)),
        .thread_key = item->thread_key,
        .author_key = item->author_key,
        .posts = item->posts,
        .numbered = item->numbered,
        .reason = words_text(&desk->words, item->reason),
        .escalated = words_text(&desk->words, item->escalated),
        .draft_by = "",
        .outcome = outcome,
    };
    const struct item_detail *detail = item->detail;
    if (detail != NULL) {
        record.moves = detail->moves;
        record.first_offered_ms = detail->first_offered_ms;
        record.preferred_until_ms = detail->preferred == POLICY_NONE ? 0 : detail->preferred_until_ms;
        record.draft_by = person_name(desk, detail->draft_by);
        record.reply = detail->reply;
    }
    desk_change(desk, &(struct change){ .kind = CHANGE_ITEM, .item = record });
}

void item_close(struct desk *desk, struct item *item, const char *outcome, uint32_t person, const char *reason,
                uint64_t reply)
{
    if (person != POLICY_NONE) {
        desk->people[person]->ended++;
    }
    item_move(desk, item, ITEM_CLOSED, POLICY_NONE);
    item_event(desk, item, "closed", person, NULL,
               reason != NULL && *reason ? change_list_join(desk->list, outcome, ": ", reason, NULL) : outcome);
    item_write_outcome(desk, item, outcome, person, reason, reply);
    item_write(desk, item, outcome);
    item_remember(desk, item, person);
    item_thread_out(desk, item);
    item_forget_changed(desk, item);
    outbox_forget_item(desk, item);
    desk->closed++;
    item_free(desk, item);
}

void item_write_changed(struct desk *desk)
{
    for (size_t i = 0; i < desk->changed_count; i++) {
        desk->changed[i]->changed = false;
        item_write(desk, desk->changed[i], "");
    }
    desk->changed_count = 0;
}

bool item_escalates_late(const struct desk *desk, const struct item *item)
{
    return desk->policy->brands[item->queue->brand].escalate_late && item->queue->audience == AUDIENCE_AGENT;
}

bool item_is_overdue(const struct desk *desk, const struct item *item)
{
    return item->due_ms && !item->late && item->due_ms <= desk->now_ms;
}

// A missed service level is noted once, and moves an agents' item to PR where the brand says so, also out of the hands
// of whoever has it: they are told, and what they saved goes with it.
static void item_pass_service_level(struct desk *desk, struct item *item)
{
    item->late = true;
    item_set_overdue(desk, item);
    item_event(desk, item, "late", POLICY_NONE, NULL, "its service level or reply window has passed");
    if (item_escalates_late(desk, item)) {
        escalate(desk, item, POLICY_NONE, "service level", "missed its service level", "missed its service level");
    }
    item_changed(desk, item);
}

void item_pass_due(struct desk *desk, struct item *item)
{
    if (item_is_in_hand_or_parked(item) && !item->late) {
        item_pass_service_level(desk, item);
    } else {
        item_set_overdue(desk, item);
    }
}

static void item_due_while_waiting(struct desk *desk, struct item *item)
{
    int64_t expire_ms = desk->policy->times.expire_ms;
    if (item_is_overdue(desk, item)) {
        match_again(desk, item->queue); // which was not offered it, and may have looked no further
    }
    if (expire_ms && item_since_ms(item) + expire_ms <= desk->now_ms) {
        item_close(desk, item, "expired", POLICY_NONE, "waited too long without anybody to answer", 0);
        return;
    }
    if (item_is_overdue(desk, item)) {
        item_pass_service_level(desk, item);
    }
    // Enters again: a reservation or somebody's decline may have run out.
    match_leave(desk, item);
    match_enter(desk, item);
}

static void item_due_while_offered(struct desk *desk, struct item *item)
{
    struct person *person = desk->people[item->person];
    item_decline(desk, item, item->person);
    person_let_lapse(desk, person, item);
    item_take_back(desk, item, "no answer", "not taken in time", false);
    if (person->missed >= desk->policy->times.missed_offers) {
        person_set_away(desk, person, "offers were not taken in time", true);
    }
}

// The grace of a lost person is over, or they have not touched it for too long: then others are offered it first.
static void item_due_while_held(struct desk *desk, struct item *item)
{
    const struct person *person = desk->people[item->person];
    int64_t hold_ms = desk->policy->times.hold_ms;
    if (person->lost_until_ms && person->lost_until_ms <= desk->now_ms) {
        item_take_back(desk, item, "lost", "the connection did not come back in time", true);
    } else if (hold_ms && item->detail->touched_ms + hold_ms <= desk->now_ms) {
        item_decline(desk, item, item->person);
        item_take_back(desk, item, "untouched", "held too long without anything being done about it", true);
    } else {
        item_set_hold_timer(desk, item);
    }
}

void item_due(struct desk *desk, struct item *item)
{
    switch ((enum item_state) item->state) {
    case ITEM_WAITING:
        item_due_while_waiting(desk, item);
        break;
    case ITEM_OFFERED:
        item_due_while_offered(desk, item);
        break;
    case ITEM_HELD:
        item_due_while_held(desk, item);
        break;
    case ITEM_PARKED:
        item_event(desk, item, "woken", POLICY_NONE, NULL, "due");
        item_wait(desk, item);
        break;
    case ITEM_SENDING:
        outbox_window_ends(desk, item);
        break;
    case ITEM_CLOSED:
    case ITEM_STATE_COUNT:
        must(false && "a timer of an item that has none");
    }
}
