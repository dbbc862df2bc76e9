// restore.c - a desk coming back from the rows of its store, and what absence then leads to.

#include "broker/desk/parts.h"

#include <sodium.h>
#include <string.h>

// ---- names of people ----

// A million rows name people, of whom there may be thousands: they are found by hash while the desk comes back.
static uint64_t restore_hash_of(const char *name)
{
    static const unsigned char key[crypto_shorthash_KEYBYTES] = "behalf name keys";
    uint64_t hash;
    crypto_shorthash((unsigned char *) &hash, (const unsigned char *) name, strlen(name), key);
    return hash;
}

static void restore_index_people(struct desk *desk)
{
    for (size_t i = 0; i < desk->policy->person_count; i++) {
        struct policy_person *person = &desk->policy->people[i];
        if (!person->retired) {
            table_put(&desk->names, restore_hash_of(person->name), person);
        }
    }
}

static uint32_t restore_find_person(struct desk *desk, const char *name)
{
    if (!*name) {
        return POLICY_NONE;
    }
    if (!desk->names.count) {
        restore_index_people(desk);
    }
    const struct policy_person *person = table_find(&desk->names, restore_hash_of(name));
    if (person != NULL && strcmp(person->name, name) != 0) {
        return policy_find_person(desk->policy, name); // another with the same hash
    }
    return person != NULL ? (uint32_t) (person - desk->policy->people) : POLICY_NONE;
}

// ---- rows ----

void desk_restore_position(struct desk *desk, uint64_t sequence, uint64_t next_id, int64_t clock_ms)
{
    desk->restored_clock_ms = clock_ms;
    desk->sequence = sequence;
    desk->next_id = next_id ? next_id : 1;
}

static bool restore_find_skills(const struct policy *policy, const char *names, uint64_t *skills)
{
    char name[BEHALF_NAME_BYTES + 1];
    *skills = 0;
    while (*names) {
        size_t length = strcspn(names, ",");
        if (length > BEHALF_NAME_BYTES) {
            return false;
        }
        memcpy(name, names, length);
        name[length] = '\0';
        uint32_t skill = policy_find_skill(policy, name);
        if (skill == POLICY_NONE) {
            return false;
        }
        *skills |= UINT64_C(1) << skill;
        names += length + (names[length] == ',');
    }
    return true;
}

static struct queue *restore_find_queue(struct desk *desk, const struct item_record *record)
{
    uint32_t brand = policy_find_brand(desk->policy, record->brand);
    uint32_t language = policy_find_language(desk->policy, record->language);
    enum audience audience = audience_from_name(record->audience);
    uint64_t skills;
    if (brand == POLICY_NONE || language == POLICY_NONE || audience == AUDIENCE_COUNT ||
        !restore_find_skills(desk->policy, record->skills, &skills)) {
        return NULL;
    }
    return queue_require(desk, audience, brand, language, skills);
}

static void restore_detail(struct desk *desk, struct item *item, const struct item_record *record)
{
    if (!*record->draft_by && !record->reply && !record->first_offered_ms && !*record->preferred && !record->moves &&
        record->since_ms == record->created_ms) {
        return;
    }
    struct item_detail *detail = item_require_detail(item);
    detail->since_ms = record->since_ms;
    detail->moves = record->moves;
    detail->preferred = restore_find_person(desk, record->preferred);
    detail->draft_by = restore_find_person(desk, record->draft_by);
    detail->reply = record->reply;
    detail->first_offered_ms = record->first_offered_ms;
    detail->preferred_until_ms = record->preferred_until_ms;
}

// The end of a reply window is not kept by itself: it is the due time where that is not the service level's, else
// it is taken to count from the item's birth.
static void restore_window(const struct desk *desk, struct item *item)
{
    int64_t window_ms = desk->policy->channels[item->channel].reply_window_ms;
    int64_t level_ms = desk->policy->brands[item->queue->brand].service_level_ms[item->queue->audience];
    if (!window_ms) {
        return;
    }
    bool window_is_due = item->due_ms && item->due_ms != item->created_ms + level_ms;
    item->window_end_ms = window_is_due ? item->due_ms : item->created_ms + window_ms;
}

static void restore_fields(struct desk *desk, struct item *item, const struct item_record *record)
{
    item->thread_key = record->thread_key;
    item->author_key = record->author_key;
    item->due_ms = record->due_ms;
    item->lease = (uint32_t) record->lease;
    item->posts = record->posts;
    item->numbered = record->numbered;
    item->band = record->band;
    item->sealed = record->sealed;
    item->returned = record->returned;
    item->approval = record->approval;
    item->fate_unknown = record->fate_unknown;
    item_set_reason(desk, item, record->reason);
    item_set_escalated(desk, item, record->escalated);
}

// Into the lists of its state, as of the time when it came into it.
static void restore_move(struct desk *desk, struct item *item, enum item_state state, uint32_t person, int64_t since_ms)
{
    int64_t now_ms = desk->now_ms;
    desk->now_ms = since_ms;
    item_move(desk, item, state, person);
    desk->now_ms = now_ms;
}

// Whether it was noted before that it is late.  A million may have been, which is not to be told again at each start;
// where the rules have something follow from it, that it has not yet followed tells.
static bool restore_was_noted_late(const struct desk *desk, const struct item *item, int64_t since_ms)
{
    if (!item->due_ms || item->due_ms > desk->restored_clock_ms) {
        return false;
    }
    return item->due_ms <= since_ms || !item_escalates_late(desk, item);
}

// It waits as it did; nobody is there for it yet.
static void restore_waiting(struct desk *desk, struct item *item)
{
    match_enter(desk, item);
    must(desk->unmatched_count && desk->unmatched[desk->unmatched_count - 1] == item);
    desk->unmatched_count--;
    item->unmatched = false;
}

// Everything comes back as it was; desk_restored then lets time and absence have their effect.
static void restore_state(struct desk *desk, struct item *item, const struct item_record *record)
{
    uint32_t person = restore_find_person(desk, record->person);
    enum item_state state = record->state;
    bool needs_person = state == ITEM_OFFERED || state == ITEM_HELD || state == ITEM_SENDING;
    if (needs_person && person == POLICY_NONE) {
        state = ITEM_WAITING; // a person whom the rules no longer know
    }
    restore_move(desk, item, state, needs_person ? person : POLICY_NONE, record->since_ms);
    item->late = restore_was_noted_late(desk, item, record->since_ms);
    item_set_due(desk, item, item->due_ms);
    if (state == ITEM_WAITING) {
        restore_waiting(desk, item);
    }
    if (state == ITEM_PARKED) {
        item_set_timer(desk, item, record->until_ms ? record->until_ms : desk->now_ms);
    }
    if (state != ITEM_SENDING) {
        item_thread_in(desk, item);
    }
    if (state == record->state) { // it is on disk like this
        must(desk->changed_count && desk->changed[desk->changed_count - 1] == item);
        desk->changed_count--;
        item->changed = false;
    }
}

bool desk_restore_item(struct desk *desk, const struct item_record *record, char *reason, size_t reason_bytes)
{
    struct queue *queue = restore_find_queue(desk, record);
    uint32_t channel = policy_find_channel(desk->policy, record->channel);
    if (queue == NULL || channel == POLICY_NONE) {
        snprintf(reason, reason_bytes, "item %llu is in %s/%s/%s/%s on %s, which the rules do not know",
                 (unsigned long long) record->item, record->audience, record->brand, record->language, record->skills,
                 record->channel);
        return false;
    }
    if (item_find(desk, record->item) != NULL || record->item >= desk->next_id || record->state >= ITEM_CLOSED ||
        record->lease > UINT32_MAX || record->band >= POLICY_BANDS) {
        snprintf(reason, reason_bytes, "the row of item %llu cannot be: the store is damaged",
                 (unsigned long long) record->item);
        return false;
    }
    struct item *item = item_new(desk, record->item, record->created_ms);
    item->channel = (uint8_t) channel;
    item->queue = queue;
    restore_fields(desk, item, record);
    restore_detail(desk, item, record);
    restore_window(desk, item);
    restore_state(desk, item, record);
    return true;
}

bool desk_restore_reply(struct desk *desk, const struct reply_record *record, char *reason, size_t reason_bytes)
{
    struct item *item = item_find(desk, record->item);
    uint32_t brand = policy_find_brand(desk->policy, record->brand);
    uint32_t channel = policy_find_channel(desk->policy, record->channel);
    uint32_t person = restore_find_person(desk, record->person);
    if (item == NULL || brand == POLICY_NONE || channel == POLICY_NONE ||
        table_find(&desk->replies, record->reply) != NULL || record->reply >= desk->next_id ||
        (record->state != REPLY_QUEUED && record->state != REPLY_HANDED && record->state != REPLY_UNKNOWN)) {
        snprintf(reason, reason_bytes, "the row of reply %llu cannot be: the store is damaged",
                 (unsigned long long) record->reply);
        return false;
    }
    // Its author may no longer be in the rules: a person has the item, and may not know that it has been published.
    bool kept = item->state == ITEM_SENDING && item->detail->reply == record->reply;
    bool handed_once = record->state != REPLY_QUEUED || record->attempt > 0;
    struct reply *reply = calloc(1, sizeof *reply);
    must(reply);
    *reply = (struct reply){
        .id = record->reply,
        .item_id = record->item,
        .brand = brand,
        .channel = channel,
        .person = person,
        .audience = item->queue->audience == AUDIENCE_PR ? AUDIENCE_PR : AUDIENCE_AGENT,
        .state = kept          ? record->state
                 : handed_once ? REPLY_UNKNOWN
                               : REPLY_WITHDRAWN,
        .sealed = record->sealed,
        .idempotent = record->idempotent,
        .attempt = record->attempt,
        .created_ms = record->created_ms,
        .handed_ms = record->handed_ms,
        .instance = desk_copy(record->instance),
    };
    if (reply->state == REPLY_UNKNOWN) {
        outbox_keep_unknown(desk, item, reply);
        item->fate_unknown = item->fate_unknown || record->state != REPLY_UNKNOWN;
    }
    reply->unwritten = reply->state != record->state;
    reply_restore(desk, reply);
    return true;
}

void desk_restore_freeze(struct desk *desk, const struct freeze_record *freeze)
{
    uint32_t brand = policy_find_brand(desk->policy, freeze->brand);
    if (brand == POLICY_NONE) {
        return;
    }
    uint64_t bit = UINT64_C(1) << brand;
    desk->frozen = freeze->frozen ? desk->frozen | bit : desk->frozen & ~bit;
}

void desk_restore_outcome(struct desk *desk, const struct outcome_record *outcome)
{
    uint32_t person = restore_find_person(desk, outcome->person);
    uint32_t language = policy_find_language(desk->policy, outcome->language);
    enum audience audience = audience_from_name(outcome->audience);
    uint32_t brand = policy_find_brand(desk->policy, outcome->brand);
    if (audience == AUDIENCE_COUNT) {
        return;
    }
    if (brand != POLICY_NONE) { // else its rules are gone, and no post can follow
        struct recent_row *thread = recent_require(&desk->thread_memory, item_thread_of(outcome->thread_key, brand));
        if (thread->at_ms > outcome->closed_ms) {
            return;
        }
        thread->at_ms = outcome->closed_ms;
        thread->person = person;
        thread->audience = audience;
        thread->sealed = outcome->sealed;
    }
    struct recent_row *author = recent_require(&desk->author_memory, outcome->author_key);
    if (language != POLICY_NONE) {
        author->language = language;
    }
    if (person != POLICY_NONE) {
        author->at_ms = outcome->closed_ms;
        author->person = person;
        author->audience = audience;
    }
}

void desk_restore_early(struct desk *desk, const struct early_record *early)
{
    (void) early_keep(&desk->early, early); // it was kept before: there is room, unless the bounds were others then
}

bool desk_restore_request(struct desk *desk, const struct request_record *request, char *reason, size_t reason_bytes)
{
    if (answered_restore(&desk->answered, request)) {
        return true;
    }
    snprintf(reason, reason_bytes, "the row of request %llu cannot be: the store is damaged",
             (unsigned long long) request->number);
    return false;
}

void desk_restore_review(struct desk *desk)
{
    desk->restored_unreviewed = true;
}

// An item whose reply did not come back with it can only be one of a person the rules no longer know.  The others wait
// until the platform takes no reply any more.
static void restore_sending(struct desk *desk)
{
    uint64_t after = 0;
    for (struct item *item; (item = item_next(desk, &after));) {
        if (item->state != ITEM_SENDING) {
            continue;
        }
        if (table_find(&desk->replies, item->detail->reply) != NULL) {
            item_set_timer(desk, item, item->window_end_ms);
            continue;
        }
        item_event(desk, item, "reply lost", POLICY_NONE, NULL, "its reply cannot be continued: a person decides");
        item->fate_unknown = true;
        item_wait(desk, item);
    }
}

// An item that was sealed while its reply was in the outbox, and waits now as its author is no longer in the rules.
static void restore_sealed(struct desk *desk)
{
    uint64_t after = 0;
    for (struct item *item; (item = item_next(desk, &after));) {
        if (item->state == ITEM_WAITING && item->sealed && item->queue->audience != AUDIENCE_PR) {
            item_escalate(desk, item, POLICY_NONE, NULL, "became sensitive while its reply was in the outbox");
        }
    }
}

void desk_restored(struct desk *desk, int64_t now_ms)
{
    desk->now_ms = now_ms;
    answered_restored(&desk->answered);
    for (size_t i = 0; i < desk->person_count; i++) {
        for (size_t k = 0; k < desk->people[i]->item_count; k++) {
            item_touch(desk, desk->people[i]->items[k]);
        }
        if (desk->people[i]->item_count) {
            person_lose(desk, desk->people[i], now_ms + desk->policy->times.grace_ms);
        }
    }
    for (size_t i = 0; i < desk->connector_count; i++) {
        connector_lost(desk, desk->connectors[i], now_ms + desk->policy->times.fate_ms);
    }
    outbox_restored(desk);
    outbox_give_up_restored(desk);
    restore_sending(desk);
    restore_sealed(desk);
    for (size_t i = 0; i < desk->person_count; i++) {
        struct person *person = desk->people[i];
        for (size_t k = person->item_count; k > 0; k--) {
            if (k > person->item_count) {
                continue;
            }
            if (!person_may_serve(desk, person, person->items[k - 1]->queue)) {
                item_take_back(desk, person->items[k - 1], "returned", "the rules changed", true);
            } else if (authority_is_own_draft(person->items[k - 1], person->index)) { // could be in earlier versions
                item_take_back(desk, person->items[k - 1], "returned", "nobody approves their own draft", true);
            }
        }
    }
    if (desk->restored_unreviewed) {
        review_begin(desk);
    }
    item_event(desk, NULL, "started", POLICY_NONE, NULL, NULL);
    desk_settle(desk);
    table_fini(&desk->names);
}
