// people.c - people: their presence and sessions, what they have in hand, and when they count as being at work.

#include "broker/desk/parts.h"

#include <string.h>

struct person *person_new(struct desk *desk, uint32_t index)
{
    struct person *person = calloc(1, sizeof *person);
    must(person);
    person->index = index;
    person->idle_since_ms = desk->now_ms;
    match_init_reserved(desk, &person->reserved);
    match_init_reserved(desk, &person->apart);
    return person;
}

void person_free(struct person *person)
{
    heap_fini(&person->reserved);
    heap_fini(&person->apart);
    free(person->seats);
    free(person->items);
    free(person->reason);
    free(person);
}

bool person_has_author(const struct desk *desk, uint32_t index, uint64_t author_key)
{
    const struct person *person = index == POLICY_NONE ? NULL : desk->people[index];
    for (size_t i = 0; person != NULL && i < person->item_count; i++) {
        if (person->items[i]->author_key == author_key) {
            return true;
        }
    }
    return false;
}

const char *person_name(const struct desk *desk, uint32_t index)
{
    return index == POLICY_NONE ? "" : desk->policy->people[index].name;
}

struct session *session_find(const struct desk *desk, uint64_t number)
{
    return table_find(&desk->sessions, number);
}

void person_look_again(struct desk *desk, struct person *person)
{
    if (person->unmatched) {
        return;
    }
    desk_grow(&desk->unmatched_people, desk->unmatched_person_count, &desk->unmatched_person_capacity);
    desk->unmatched_people[desk->unmatched_person_count++] = person;
    person->unmatched = true;
}

static void people_set_ready(struct desk *desk, struct person *person, bool ready)
{
    person->ready = ready;
    for (size_t i = 0; i < person->seat_count; i++) {
        if (ready) {
            heap_push(&person->seats[i]->queue->ready, person->seats[i]);
        } else {
            heap_remove(&person->seats[i]->queue->ready, person->seats[i]);
        }
    }
    if (ready) {
        person_look_again(desk, person);
    }
}

static void people_count_available(struct person *person)
{
    bool available = person->session && person->presence == PRESENCE_AVAILABLE;
    if (available == person->available) {
        return;
    }
    person->available = available;
    for (size_t i = 0; i < person->seat_count; i++) {
        person->seats[i]->queue->available += available ? 1 : SIZE_MAX;
    }
}

void person_refresh(struct desk *desk, struct person *person)
{
    const struct policy_person *rules = &desk->policy->people[person->index];
    people_count_available(person);
    bool ready = person->presence == PRESENCE_AVAILABLE && person->session && !rules->retired &&
                 person->item_count < rules->capacity;
    if (ready != person->ready) {
        people_set_ready(desk, person, ready);
    }
}

// What they have, or since when they have less, has changed: their place among the ready goes by that.
static void people_reorder(struct desk *desk, struct person *person)
{
    for (size_t i = 0; person->ready && i < person->seat_count; i++) {
        heap_reorder(&person->seats[i]->queue->ready, person->seats[i]);
    }
    person_refresh(desk, person);
}

void person_add_item(struct desk *desk, struct person *person, struct item *item)
{
    desk_grow(&person->items, person->item_count, &person->item_capacity);
    person->items[person->item_count++] = item;
    person->offered += item->state == ITEM_OFFERED;
    people_reorder(desk, person);
}

void person_remove_item(struct desk *desk, struct person *person, struct item *item)
{
    size_t i = 0;
    while (i < person->item_count && person->items[i] != item) {
        i++;
    }
    must(i < person->item_count);
    person->items[i] = person->items[--person->item_count];
    person->offered -= item->state == ITEM_OFFERED;
    person->idle_since_ms = desk->now_ms;
    if (person->presence == PRESENCE_LOST && !person->item_count && !person->was_away) {
        person->presence = PRESENCE_OUT;
    }
    people_reorder(desk, person);
    if (person->ready) {
        person_look_again(desk, person);
    }
}

// ---- whether they are at work ----

void person_is_active(struct desk *desk, struct person *person)
{
    person->active_turn = ++desk->turn;
    person->missed = 0;
}

static bool people_holds_something(const struct person *person)
{
    for (size_t i = 0; i < person->item_count; i++) {
        if (person->items[i]->state == ITEM_HELD) {
            return true;
        }
    }
    return false;
}

// Offers that ran at the same time are missed by the same silence, which counts once.
void person_let_lapse(struct desk *desk, struct person *person, const struct item *item)
{
    bool at_work = person->active_turn > item->detail->offered_turn || people_holds_something(person);
    bool counted = person->missed && item_since_ms(item) < person->missed_ms;
    if (at_work || counted) {
        return;
    }
    person->missed++;
    person->missed_ms = desk->now_ms;
}

// ---- what waits for somebody who is not there ----

// Items released at most, and people's items looked at, before others have their turn.
#define RELEASING_SLICE 256
#define SHOWING_SLICE 256
#define SHOWING_PEOPLE 4096

static bool people_is_there(const struct person *person)
{
    return person->presence == PRESENCE_AVAILABLE;
}

// Items kept for somebody who cannot have them soon wait for everyone again.  Who left or went away is not thought of
// when they come back; a lost connection may be back at once.  What they come back for before it was released stays
// theirs.
static void people_release_some(struct desk *desk, struct person *person)
{
    struct item *item;
    for (size_t i = 0;
         i < RELEASING_SLICE && !people_is_there(person) && (item = heap_first(&person->reserved)) != NULL; i++) {
        match_leave(desk, item);
        if (person->forgotten) {
            item_forget_preferred(item);
            item_changed(desk, item);
        }
        match_enter(desk, item);
        must(!item->reserved || desk->people[item->detail->preferred] != person);
    }
}

static void people_release_reserved(struct desk *desk, struct person *person)
{
    if (person->releasing) {
        return;
    }
    people_release_some(desk, person);
    if (!person->reserved.count) {
        return;
    }
    desk_grow(&desk->releasing, desk->releasing_count, &desk->releasing_capacity);
    desk->releasing[desk->releasing_count++] = person;
    person->releasing = true;
}

static void people_release_next(struct desk *desk)
{
    struct person *person = desk->releasing[desk->releasing_count - 1];
    people_release_some(desk, person);
    if (people_is_there(person) || !person->reserved.count) {
        person->releasing = false;
        desk->releasing_count--;
    }
}

static void people_set_presence(struct desk *desk, struct person *person, enum presence presence)
{
    if (people_is_there(person)) {
        person->forgotten = presence != PRESENCE_LOST;
    }
    person->presence = presence;
    person_refresh(desk, person);
    if (!people_is_there(person)) {
        people_release_reserved(desk, person);
    }
}

static void people_withdraw_offers(struct desk *desk, struct person *person, const char *reason)
{
    for (size_t i = person->item_count; i > 0; i--) {
        if (i <= person->item_count && person->items[i - 1]->state == ITEM_OFFERED) {
            item_take_back(desk, person->items[i - 1], "withdrawn offer", reason, true);
        }
    }
}

void person_set_away(struct desk *desk, struct person *person, const char *reason, bool tell)
{
    free(person->reason);
    person->reason = desk_copy(reason);
    person->missed = 0;
    people_set_presence(desk, person, PRESENCE_AWAY);
    people_withdraw_offers(desk, person, "away");
    item_event(desk, NULL, "away", person->index, NULL, reason);
    if (tell && person->session) {
        change_list_tell(desk->list,
                         &(struct effect){ .kind = EFFECT_SEND,
                                           .session = person->session,
                                           .message = { .type = BEHALF_PRESENCE,
                                                        .presence = { .state = "away", .reason = reason } } });
    }
}

void person_set_available(struct desk *desk, struct person *person)
{
    free(person->reason);
    person->reason = NULL;
    person->missed = 0;
    if (person->presence != PRESENCE_AVAILABLE) {
        item_event(desk, NULL, "available", person->index, NULL, NULL);
    }
    people_set_presence(desk, person, PRESENCE_AVAILABLE);
}

// ---- what everybody has ----

static void people_show_some(struct desk *desk)
{
    struct showing *showing = &desk->showing;
    size_t shown = 0;
    for (size_t i = 0; showing->left && shown < SHOWING_SLICE && i < SHOWING_PEOPLE; i++) {
        const struct person *person = desk->people[showing->next++ % desk->person_count];
        showing->left--;
        for (size_t k = 0; k < person->item_count; k++) {
            if (!(showing->brands >> person->items[k]->queue->brand & 1)) {
                continue;
            }
            item_show(desk, person->items[k]);
            shown++;
        }
    }
    if (!showing->left) {
        showing->brands = 0;
    }
}

void people_show_again(struct desk *desk, uint32_t brand)
{
    bool under_way = desk->showing.left != 0;
    desk->showing.brands |= UINT64_C(1) << brand;
    desk->showing.left = desk->person_count;
    if (!under_way) {
        people_show_some(desk);
    }
}

int64_t people_tick(struct desk *desk)
{
    if (desk->showing.left) {
        people_show_some(desk);
    }
    if (desk->releasing_count) {
        people_release_next(desk);
    }
    return desk->showing.left || desk->releasing_count ? 0 : -1;
}

// ---- sessions ----

static void people_session_put(struct desk *desk, uint64_t number, struct person *person, struct connector *connector)
{
    struct session *session = calloc(1, sizeof *session);
    must(session);
    *session = (struct session){ .number = number, .person = person, .connector = connector };
    table_put(&desk->sessions, number, session);
}

static void people_session_remove(struct desk *desk, uint64_t number)
{
    struct session *session = session_find(desk, number);
    table_remove(&desk->sessions, number, session);
    free(session);
}

size_t desk_sign_in(struct desk *desk, uint32_t index, uint64_t number, const char *away, int64_t now_ms)
{
    must(index < desk->person_count && number && !session_find(desk, number));
    desk->now_ms = now_ms;
    struct person *person = desk->people[index];
    if (person->session) {
        people_session_remove(desk, person->session);
    }
    person->session = number;
    person->lost_until_ms = 0;
    people_session_put(desk, number, person, NULL);
    for (size_t i = 0; i < person->item_count; i++) {
        struct item *item = person->items[i];
        if (item->state == ITEM_HELD) {
            item_set_hold_timer(desk, item);
        }
        item_show(desk, item);
    }
    size_t shown = person->item_count;
    bool known = person->presence != PRESENCE_OUT && (person->presence != PRESENCE_LOST || person->was_away);
    if (!known && *away) {
        person_set_away(desk, person, away, false);
    } else if (!known) {
        person_set_available(desk, person);
    } else if (person->presence == PRESENCE_LOST) {
        people_set_presence(desk, person, PRESENCE_AWAY);
    } else {
        person_refresh(desk, person);
    }
    item_event(desk, NULL, "signed in", index, NULL, NULL);
    desk_settle(desk);
    return shown;
}

void person_lose(struct desk *desk, struct person *person, int64_t grace_until_ms)
{
    person->was_away = person->presence == PRESENCE_AWAY;
    person->session = 0;
    people_set_presence(desk, person, PRESENCE_LOST);
    people_withdraw_offers(desk, person, "connection lost");
    person->lost_until_ms = grace_until_ms;
    for (size_t i = 0; i < person->item_count; i++) {
        item_set_hold_timer(desk, person->items[i]);
    }
    if (!person->item_count && !person->was_away) {
        people_set_presence(desk, person, PRESENCE_OUT);
    }
}

static void people_leave(struct desk *desk, struct person *person)
{
    person->session = 0;
    person->was_away = false;
    person->lost_until_ms = 0;
    people_set_presence(desk, person, PRESENCE_OUT);
    while (person->item_count) {
        item_take_back(desk, person->items[person->item_count - 1], "returned", "signed out", true);
    }
    item_event(desk, NULL, "signed out", person->index, NULL, NULL);
}

void desk_connector_in(struct desk *desk, uint64_t number, const char *instance, const char *const *channels,
                       size_t channel_count, bool idempotent, int64_t now_ms)
{
    must(number && !session_find(desk, number));
    desk->now_ms = now_ms;
    if (!channel_count) { // brings posts only
        people_session_put(desk, number, NULL, NULL);
        return;
    }
    struct connector *connector = connector_require(desk, instance);
    if (connector->session) {
        people_session_remove(desk, connector->session);
    }
    connector->session = number;
    connector->lost_until_ms = 0;
    connector->idempotent = idempotent;
    connector->channels = 0;
    for (size_t i = 0; i < channel_count; i++) {
        uint32_t channel = policy_find_channel(desk->policy, channels[i]);
        must(channel != POLICY_NONE);
        connector->channels |= UINT64_C(1) << channel;
    }
    people_session_put(desk, number, NULL, connector);
    outbox_tell_again(desk, connector);
    desk_settle(desk);
}

void desk_sessions_lost(struct desk *desk, const uint64_t *numbers, size_t count, int64_t now_ms)
{
    desk->now_ms = now_ms;
    for (size_t i = 0; i < count; i++) {
        struct session *session = session_find(desk, numbers[i]);
        if (session == NULL) {
            continue;
        }
        if (session->person != NULL) {
            item_event(desk, NULL, "connection lost", session->person->index, NULL, NULL);
            person_lose(desk, session->person, now_ms + desk->policy->times.grace_ms);
        } else if (session->connector != NULL) {
            connector_lost(desk, session->connector, now_ms + desk->policy->times.fate_ms);
        }
        people_session_remove(desk, numbers[i]);
    }
    desk_settle(desk);
}

void desk_session_lost(struct desk *desk, uint64_t number, int64_t now_ms)
{
    desk_sessions_lost(desk, &number, 1, now_ms);
}

void desk_session_left(struct desk *desk, uint64_t number, int64_t now_ms)
{
    struct session *session = session_find(desk, number);
    if (session == NULL) {
        return;
    }
    desk->now_ms = now_ms;
    if (session->person != NULL) {
        people_leave(desk, session->person);
    } else if (session->connector != NULL) {
        connector_lost(desk, session->connector, now_ms);
    }
    outbox_tick(desk);
    people_session_remove(desk, number);
    desk_settle(desk);
}

const char *desk_presence_of(const struct desk *desk, uint32_t person)
{
    const struct person *who = desk->people[person];
    bool away = who->presence == PRESENCE_AWAY || (who->presence == PRESENCE_LOST && who->was_away);
    return away ? "away" : "available";
}

size_t desk_items_of(const struct desk *desk, uint32_t person)
{
    return person < desk->person_count ? desk->people[person]->item_count : 0;
}
