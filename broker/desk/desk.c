// desk.c - a desk as a whole: made and destroyed, what it says and remembers, its ticks, its rules, its own check.

#include "broker/desk/parts.h"

#include <stdarg.h>
#include <string.h>

// Items left to work on that the desk keeps room for.
#define LIST_KEPT 4096

// ---- making ----

static bool desk_timer_before(const struct heap *heap, const void *one, const void *other)
{
    (void) heap;
    const struct item *a = one;
    const struct item *b = other;
    return a->timer_ms != b->timer_ms ? a->timer_ms < b->timer_ms : a->id < b->id;
}

static uint32_t *desk_timer_slot(void *element)
{
    return &((struct item *) element)->timer_slot;
}

static void desk_add_people(struct desk *desk)
{
    size_t count = desk->policy->person_count;
    desk->people = realloc(desk->people, (count + 1) * sizeof(struct person *));
    must(desk->people);
    while (desk->person_count < count) {
        desk->people[desk->person_count] = person_new(desk, (uint32_t) desk->person_count);
        desk->person_count++;
    }
}

struct desk *desk_new(const struct policy *policy, int64_t now_ms)
{
    must(policy->brand_count <= POLICY_SET_MAX && policy->channel_count <= POLICY_CHANNELS_MAX);
    struct desk *desk = calloc(1, sizeof *desk);
    must(desk);
    desk->policy = policy;
    desk->now_ms = now_ms;
    desk->next_id = 1;
    item_init_all(desk);
    answered_init(&desk->answered);
    desk->seat_pool = (struct pool){ .element_bytes = sizeof(struct seat) };
    desk->timers = (struct heap){
        .pool = &desk->item_pool, .before = desk_timer_before, .slot = desk_timer_slot, .number = item_number
    };
    desk_add_people(desk);
    return desk;
}

static void desk_free_tables(struct desk *desk)
{
    size_t place = 0;
    item_fini_all(desk);
    for (struct queue *queue; (queue = table_next(&desk->queues, &place));) {
        queue_free(queue);
    }
    place = 0;
    for (struct session *session; (session = table_next(&desk->sessions, &place));) {
        free(session);
    }
    place = 0;
    for (struct reply *reply; (reply = table_next(&desk->replies, &place));) {
        free(reply->instance);
        free(reply);
    }
    table_fini(&desk->sending);
    table_fini(&desk->queues);
    table_fini(&desk->sessions);
    table_fini(&desk->replies);
    table_fini(&desk->names);
}

void desk_destroy(struct desk **desk_p)
{
    struct desk *desk = *desk_p;
    if (desk == NULL) {
        return;
    }
    desk_free_tables(desk);
    for (size_t i = 0; i < desk->person_count; i++) {
        person_free(desk->people[i]);
    }
    for (size_t i = 0; i < desk->connector_count; i++) {
        connector_free(desk->connectors[i]);
    }
    heap_fini(&desk->timers);
    pool_fini(&desk->seat_pool);
    recent_fini(&desk->thread_memory);
    recent_fini(&desk->author_memory);
    early_fini(&desk->early);
    answered_fini(&desk->answered);
    free(desk->people);
    free(desk->connectors);
    free(desk->changed);
    free(desk->unmatched);
    free(desk->unmatched_people);
    free(desk->unserved);
    free(desk->releasing);
    free(desk->unseated);
    review_fini(desk);
    free(desk);
    *desk_p = NULL;
}

void desk_set_list(struct desk *desk, struct change_list *list)
{
    desk->list = list;
}

uint64_t desk_sequence(const struct desk *desk)
{
    return desk->sequence;
}

uint64_t desk_next_id(const struct desk *desk)
{
    return desk->next_id;
}

// ---- what every file uses ----

void desk_grow(void *array_p, size_t count, size_t *capacity)
{
    if (count < *capacity) {
        return;
    }
    void **array;
    memcpy(&array, array_p, sizeof array);
    *capacity = *capacity ? *capacity * 2 : 8;
    array = realloc(array, *capacity * sizeof *array);
    must(array);
    memcpy(array_p, &array, sizeof array);
}

char *desk_copy(const char *text)
{
    if (text == NULL || !*text) {
        return NULL;
    }
    char *copy = strdup(text);
    must(copy);
    return copy;
}

void desk_change(struct desk *desk, const struct change *change)
{
    must(desk->list);
    desk->sequence++;
    change_list_add(desk->list, change);
}

static void desk_send(struct desk *desk, uint64_t session, const struct behalf_message *message)
{
    change_list_tell(desk->list, &(struct effect){ .kind = EFFECT_SEND, .session = session, .message = *message });
}

static void desk_remember(struct desk *desk, struct request_record *record)
{
    answered_keep(&desk->answered, record);
    desk_change(desk, &(struct change){ .kind = CHANGE_REQUEST, .request = *record });
}

void desk_tell_done(struct desk *desk, uint64_t session, int64_t id, const struct behalf_done *done)
{
    must(desk->asking && desk->request->id == id);
    struct request_record record = {
        .at_ms = desk->now_ms,
        .role = desk->asking->role,
        .principal = desk->asking->name,
        .id = id,
        .type = behalf_type_name(desk->request->type),
        .digest = answered_digest(desk->request),
        .item = (uint64_t) done->item,
        .lease = (uint64_t) done->lease,
        .state = done->state != NULL ? done->state : "",
        .reply = (uint64_t) done->reply,
    };
    desk_remember(desk, &record);
    desk_send(desk, session, &(struct behalf_message){ .type = BEHALF_DONE, .id = id, .done = *done });
}

void desk_tell_error(struct desk *desk, uint64_t session, int64_t id, enum behalf_code code,
                     const struct behalf_error *error)
{
    struct behalf_message message = { .type = BEHALF_ERROR, .id = id, .error = *error };
    message.error.code = behalf_code_name(code);
    desk_send(desk, session, &message);
}

uint64_t desk_digest(const struct behalf_message *request)
{
    return answered_digest(request);
}

void desk_remember_apply(struct desk *desk, const struct principal *principal, int64_t id, uint64_t digest,
                         uint64_t rules_version)
{
    struct request_record record = { .at_ms = desk->now_ms,
                                     .role = principal->role,
                                     .principal = principal->name,
                                     .id = id,
                                     .type = behalf_type_name(BEHALF_APPLY),
                                     .digest = digest,
                                     .state = "",
                                     .rules_version = rules_version };
    desk_remember(desk, &record);
}

static struct behalf_message desk_answer_of(const struct desk *desk, const struct answered_row *row)
{
    if (row->rules_version) {
        return (
            struct behalf_message){ .type = BEHALF_APPLIED,
                                    .id = row->id,
                                    .applied = { .rules_version = (int64_t) row->rules_version, .repeated = true } };
    }
    return (struct behalf_message){ .type = BEHALF_DONE,
                                    .id = row->id,
                                    .done = { .item = (int64_t) row->item,
                                              .lease = (int64_t) row->lease,
                                              .state = words_text(&desk->answered.words, row->state),
                                              .reply = (int64_t) row->reply,
                                              .repeated = true } };
}

bool desk_repeat(struct desk *desk, uint64_t session, const struct principal *principal,
                 const struct behalf_message *request, int64_t now_ms)
{
    const struct answered_row *row = answered_find(&desk->answered, principal, request->id, now_ms);
    desk->now_ms = now_ms;
    if (row == NULL) {
        return false;
    }
    bool other = (row->type && row->type != request->type) || (row->digest && row->digest != desk_digest(request));
    if (other) {
        desk_tell_error(desk, session, request->id, BEHALF_CODE_INVALID,
                        &(struct behalf_error){ .field = "id",
                                                .reason = "another request has had this id: each has one of its own" });
        return true;
    }
    struct behalf_message answer = desk_answer_of(desk, row);
    desk_send(desk, session, &answer);
    return true;
}

// One input may leave much to do; the list shrinks again once it is done.
static void desk_shrink(struct item ***list, size_t *capacity)
{
    if (*capacity > LIST_KEPT) {
        free(*list);
        *list = NULL;
        *capacity = 0;
    }
}

// What missed its service level in somebody's hands has its timer deal with that before anybody is offered it: at the
// next tick, as there may be many; at once if it is kept for somebody.
static void desk_settle_item(struct desk *desk, struct item *item)
{
    if (item->state != ITEM_WAITING || !item_waits(item)) {
        return;
    }
    if (!item_is_overdue(desk, item)) {
        match_item(desk, item);
    } else if (item->reserved) {
        item_due(desk, item);
    }
}

void desk_settle(struct desk *desk)
{
    while (desk->unmatched_count || desk->unmatched_person_count) {
        if (desk->unmatched_count) {
            struct item *item = desk->unmatched[--desk->unmatched_count];
            item->unmatched = false;
            desk_settle_item(desk, item);
        } else {
            struct person *person = desk->unmatched_people[desk->unmatched_person_first++];
            if (desk->unmatched_person_first == desk->unmatched_person_count) {
                desk->unmatched_person_first = desk->unmatched_person_count = 0;
            }
            person->unmatched = false;
            match_person(desk, person);
        }
    }
    outbox_run(desk);
    item_write_changed(desk);
    queue_collect(desk);
    desk_shrink(&desk->changed, &desk->changed_capacity);
    desk_shrink(&desk->unmatched, &desk->unmatched_capacity);
}

// ---- time ----

static int64_t desk_sooner(int64_t one_ms, int64_t other_ms)
{
    if (one_ms < 0 || other_ms < 0) {
        return one_ms < 0 ? other_ms : one_ms;
    }
    return one_ms < other_ms ? one_ms : other_ms;
}

static int64_t desk_left_ms(const struct desk *desk, int64_t at_ms)
{
    return at_ms > desk->now_ms ? at_ms - desk->now_ms : 0;
}

int64_t desk_tick(struct desk *desk, int64_t now_ms)
{
    desk->now_ms = now_ms;
    struct item *item;
    for (size_t i = 0; i < TICK_TIMERS_MAX && (item = heap_first(&desk->dues)) != NULL && item->due_ms <= now_ms; i++) {
        item_pass_due(desk, item);
        desk_settle(desk);
    }
    for (size_t i = 0; i < TICK_TIMERS_MAX && (item = heap_first(&desk->timers)) != NULL && item->timer_ms <= now_ms;
         i++) {
        item_set_timer(desk, item, 0);
        item_due(desk, item);
        desk_settle(desk);
    }
    int64_t next_ms = desk_sooner(desk_sooner(outbox_tick(desk), review_tick(desk)), people_tick(desk));
    desk_settle(desk);
    if (desk->outbox_left) {
        next_ms = 0;
    }
    int64_t early_ms = early_tick(desk);
    if (early_ms >= 0) {
        next_ms = desk_sooner(next_ms, early_ms);
    }
    if ((item = heap_first(&desk->timers)) != NULL) {
        next_ms = desk_sooner(next_ms, desk_left_ms(desk, item->timer_ms));
    }
    if ((item = heap_first(&desk->dues)) != NULL) {
        next_ms = desk_sooner(next_ms, desk_left_ms(desk, item->due_ms));
    }
    return next_ms;
}

void desk_clock_jumped(struct desk *desk, int64_t now_ms)
{
    desk->now_ms = now_ms;
    for (size_t i = 0; i < desk->person_count; i++) {
        struct person *person = desk->people[i];
        if (person->lost_until_ms) {
            person->lost_until_ms = now_ms + desk->policy->times.grace_ms;
        }
        for (size_t k = person->item_count; k > 0; k--) {
            if (k > person->item_count) {
                continue;
            }
            struct item *item = person->items[k - 1];
            if (item->state == ITEM_OFFERED) {
                item_take_back(desk, item, "withdrawn offer", "the clock jumped", true);
            } else {
                item_touch(desk, item);
            }
        }
    }
    for (size_t i = 0; i < desk->connector_count; i++) {
        if (!desk->connectors[i]->session) {
            desk->connectors[i]->lost_until_ms = now_ms + desk->policy->times.fate_ms;
        }
    }
    item_event(desk, NULL, "clock jumped", POLICY_NONE, NULL, NULL);
    desk_settle(desk);
}

// ---- rules ----

static void desk_drop_person(struct desk *desk, struct person *person)
{
    while (person->item_count) {
        item_take_back(desk, person->items[person->item_count - 1], "returned", "no longer in the rules", true);
    }
    person->presence = PRESENCE_OUT;
    person->was_away = false;
    person->lost_until_ms = 0;
    if (person->session) {
        struct session *session = session_find(desk, person->session);
        table_remove(&desk->sessions, person->session, session);
        free(session);
        person->session = 0;
    }
}

// Items that a changed person may no longer have go back.
static void desk_take_what_may_not_be_had(struct desk *desk, struct person *person)
{
    for (size_t i = person->item_count; i > 0; i--) {
        if (i <= person->item_count && !person_may_serve(desk, person, person->items[i - 1]->queue)) {
            item_take_back(desk, person->items[i - 1], "returned", "the rules changed", true);
        }
    }
}

void desk_apply(struct desk *desk, const struct policy *policy, const struct rules_record *rules, int64_t now_ms)
{
    desk->now_ms = now_ms;
    must(policy->person_count >= desk->person_count && policy->brand_count >= desk->policy->brand_count);
    desk->policy = policy;
    desk_add_people(desk);
    desk_change(desk, &(struct change){ .kind = CHANGE_RULES, .rules = *rules });
    seats_forget(desk);
    review_begin(desk);
    for (size_t i = 0; i < desk->person_count; i++) {
        struct person *person = desk->people[i];
        if (policy->people[i].retired) {
            desk_drop_person(desk, person);
        }
        desk_take_what_may_not_be_had(desk, person);
        person_refresh(desk, person);
    }
    item_event(desk, NULL, "rules applied", POLICY_NONE, NULL, rules->name);
    desk_settle(desk);
}

// ---- checking ----

static void desk_check_item(const struct desk *desk, const struct item *item)
{
    must(item_find(desk, item->id) == item && item->state < ITEM_CLOSED && item->queue);
    must(!item->changed && !item->unmatched);
    must((item->age_slot != 0) == (item->state == ITEM_WAITING));
    must(!item->overdue || (item->due_ms && item->due_ms <= desk->now_ms));
    bool with_person = item->state == ITEM_OFFERED || item->state == ITEM_HELD;
    must((item->person != POLICY_NONE) == (with_person || item->state == ITEM_SENDING));
    must(item_waits(item) == (item->state == ITEM_WAITING));
    must(item->state != ITEM_OFFERED || item->timer_slot);
    must(item->state != ITEM_PARKED || item->timer_slot);
    must(item->state != ITEM_SENDING || !item->timer_slot || item->window_end_ms);
    must(item->queue->audience != AUDIENCE_PR || item->sealed);
    must(item->queue->audience == AUDIENCE_PR || !item->sealed || item->state == ITEM_SENDING);
    if (with_person) {
        const struct person *person = desk->people[item->person];
        size_t found = 0;
        for (size_t i = 0; i < person->item_count; i++) {
            found += person->items[i] == item;
        }
        must(found == 1);
        must(person_may_serve(desk, person, item->queue));
        must(!authority_is_own_draft(item, item->person));
        must(item->lease > 0);
    }
    if (item->state == ITEM_SENDING) {
        const struct reply *reply = table_find(&desk->replies, item->detail->reply);
        must(reply && (reply->state == REPLY_QUEUED || reply->state == REPLY_HANDED) && reply->item_id == item->id);
    }
}

static void desk_check_people(const struct desk *desk)
{
    size_t held = 0;
    for (size_t i = 0; i < desk->person_count; i++) {
        const struct person *person = desk->people[i];
        const struct policy_person *rules = &desk->policy->people[i];
        must(person->index == i && !person->unmatched);
        must(person->item_count <= rules->capacity || rules->retired || person->presence != PRESENCE_AVAILABLE ||
             !person->ready);
        must(!person->ready || (person->session && person->presence == PRESENCE_AVAILABLE));
        must(!person->ready || !person->reserved.count); // else they would have been offered it
        held += person->item_count;
        heap_check(&person->reserved);
        for (size_t k = 0; k < person->seat_count; k++) {
            must((person->seats[k]->ready_slot != 0) == person->ready);
        }
    }
    must(held == desk->count[ITEM_OFFERED] + desk->count[ITEM_HELD]);
}

// Nobody is idle beside work they could do.
static void desk_check_matched(const struct desk *desk, const struct queue *queue)
{
    if (!queue->waiting.count || !queue->ready.count) {
        return;
    }
    struct heap_walk items;
    heap_walk_init(&items, &queue->waiting);
    for (const struct item *item; (item = heap_walk_next(&items));) {
        struct heap_walk seats;
        heap_walk_init(&seats, &queue->ready);
        for (const struct seat *seat; (seat = heap_walk_next(&seats));) {
            // An overdue timer stands for a decline that has run out since the last tick.
            must(item_declined_by(desk, item, seat->person->index) ||
                 (item->timer_slot && item->timer_ms <= desk->now_ms));
        }
    }
}

void desk_check(const struct desk *desk)
{
    size_t count[ITEM_STATE_COUNT] = { 0 };
    size_t of_channel[POLICY_CHANNELS_MAX] = { 0 };
    size_t overdue = 0, awaited = 0;
    uint64_t after = 0;
    for (const struct item *item; (item = item_next(desk, &after));) {
        desk_check_item(desk, item);
        count[item->state]++;
        of_channel[item->channel]++;
        overdue += item->overdue;
        awaited += item->detail != NULL && item->detail->due_slot;
    }
    must(!memcmp(count, desk->count, sizeof count));
    must(!memcmp(of_channel, desk->of_channel, sizeof of_channel));
    must(awaited == desk->dues.count);
    size_t by_queue[ITEM_STATE_COUNT] = { 0 };
    size_t place = 0;
    for (const struct queue *queue; (queue = table_next(&desk->queues, &place));) {
        queue_check(desk, queue);
        desk_check_matched(desk, queue);
        for (size_t i = 0; i < ITEM_STATE_COUNT; i++) {
            by_queue[i] += queue->count[i];
        }
        must(overdue >= queue->overdue);
        overdue -= queue->overdue;
    }
    must(!overdue);
    must(!memcmp(count, by_queue, sizeof count));
    queue_check_empty(desk);
    answered_check(&desk->answered);
    heap_check(&desk->timers);
    heap_check(&desk->dues);
    by_id_check(&desk->items);
    desk_check_people(desk);
    outbox_check(desk);
}
