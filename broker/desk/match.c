// match.c - the orders in which items wait, and who is offered what next, and why.

#include "broker/desk/parts.h"
#include "broker/desk/wording.h"

// ---- orders ----

// Lower is sooner.  What came back from somebody's hands is first; then the band, which waiting raises by one
// each `band_raise_ms`: counting time in steps of that length from the item's birth gives the same order at
// any moment, so that a heap can keep it.
static uint64_t match_item_rank(const struct desk *desk, const struct item *item)
{
    if (item->returned) {
        return 0;
    }
    int64_t raise_ms = desk->policy->times.band_raise_ms;
    return 1 + item->band + (raise_ms ? (uint64_t) (item->created_ms / raise_ms) : 0);
}

static bool match_item_before(const struct desk *desk, const struct item *one, const struct item *other)
{
    uint64_t one_rank = match_item_rank(desk, one);
    uint64_t other_rank = match_item_rank(desk, other);
    if (one_rank != other_rank) {
        return one_rank < other_rank;
    }
    int64_t one_due = one->due_ms ? one->due_ms : INT64_MAX;
    int64_t other_due = other->due_ms ? other->due_ms : INT64_MAX;
    return one_due != other_due ? one_due < other_due : one->id < other->id;
}

static bool match_waiting_before(const struct heap *heap, const void *one, const void *other)
{
    return match_item_before(heap->context, one, other);
}

static uint32_t *match_waiting_slot(void *element)
{
    return &((struct item *) element)->waiting_slot;
}

void match_init_waiting(const struct desk *desk, struct heap *heap)
{
    *heap = (struct heap){ .pool = &desk->item_pool,
                           .before = match_waiting_before,
                           .slot = match_waiting_slot,
                           .number = item_number,
                           .context = desk };
}

static uint32_t *match_reserved_slot(void *element)
{
    return &((struct item *) element)->detail->reserved_slot;
}

void match_init_reserved(const struct desk *desk, struct heap *heap)
{
    match_init_waiting(desk, heap);
    heap->slot = match_reserved_slot;
}

// ---- what only few can do ----

// Whether so few of those who are there can do what is in this queue that it is kept for them.
static bool match_is_for_few(const struct desk *desk, const struct queue *queue)
{
    return queue->available <= desk->policy->few;
}

// Nothing of the item's queue was offered to anybody for a while, or the item itself has come back from somebody's
// hands and waits that long: those whom the few leave it to do not come to it.
static bool match_is_stuck(const struct desk *desk, const struct item *item)
{
    bool came_back = item->detail != NULL && item->detail->moves;
    int64_t since_ms = came_back ? item_since_ms(item) : item->queue->moved_ms;
    return desk->now_ms - since_ms >= desk->policy->times.keep_ms;
}

// Lower is sooner.  Who can do what few can comes to that before what others can do as well: a person alone with a
// language answers in it as long as somebody waits for that.  What is stuck comes first, one at a time; what is one
// person's alone is theirs in any case.
static uint32_t match_hands_rank(const struct desk *desk, const struct item *item)
{
    uint32_t few = desk->policy->few;
    size_t hands = item->queue->available;
    if (!few || (hands > 1 && match_is_stuck(desk, item))) {
        return 0;
    }
    return hands <= few ? (uint32_t) hands : few + 1;
}

// The queue that a person's last free place is kept for when it could be filled from another one; NULL if none.
static const struct queue *match_kept_for(const struct desk *desk, const struct person *person,
                                          const struct queue *other)
{
    if (person->item_count + 1 != desk->policy->people[person->index].capacity) {
        return NULL;
    }
    const struct queue *kept = NULL;
    for (size_t i = 0; i < person->seat_count; i++) {
        const struct queue *queue = person->seats[i]->queue;
        if (queue->available < other->available && match_is_for_few(desk, queue) &&
            (kept == NULL || queue->available < kept->available ||
             (queue->available == kept->available && queue->hash < kept->hash))) {
            kept = queue;
        }
    }
    return kept;
}

// ---- declines ----

bool item_declined_by(const struct desk *desk, const struct item *item, uint32_t person)
{
    if (item->detail == NULL) {
        return false;
    }
    if (authority_is_own_draft(item, person)) {
        return true;
    }
    for (size_t i = 0; item->detail->declines != NULL && i < ITEM_DECLINED_MAX; i++) {
        const struct declined *declined = &item->detail->declines->latest[i];
        if (declined->until_ms > desk->now_ms && declined->person == person) {
            return true;
        }
    }
    return false;
}

void item_decline(struct desk *desk, struct item *item, uint32_t person)
{
    struct item_detail *detail = item_require_detail(item);
    if (detail->declines == NULL) {
        detail->declines = calloc(1, sizeof *detail->declines);
        must(detail->declines);
    }
    detail->declines->latest[detail->declines->next++ % ITEM_DECLINED_MAX] =
        (struct declined){ person, desk->now_ms + desk->policy->times.decline_ms };
    if (detail->preferred == person) {
        detail->preferred = POLICY_NONE;
    }
}

// ---- waiting ----

// The person an item shall go to first, while that still holds.
static struct person *match_reserved_for(const struct desk *desk, const struct item *item)
{
    if (item_preferred(item) == POLICY_NONE || item->detail->preferred_until_ms <= desk->now_ms) {
        return NULL;
    }
    struct person *person = desk->people[item->detail->preferred];
    if (person->presence != PRESENCE_AVAILABLE || !person_may_serve(desk, person, item->queue) ||
        item_declined_by(desk, item, person->index)) {
        return NULL;
    }
    return person;
}

static void match_earlier(int64_t *at_ms, int64_t candidate_ms)
{
    if (candidate_ms && (!*at_ms || candidate_ms < *at_ms)) {
        *at_ms = candidate_ms;
    }
}

// When something changes for a waiting item by time alone.
static int64_t match_waiting_timer(const struct desk *desk, const struct item *item)
{
    int64_t at_ms = 0;
    if (!item->late) {
        match_earlier(&at_ms, item->due_ms);
    }
    if (desk->policy->times.expire_ms) {
        match_earlier(&at_ms, item_since_ms(item) + desk->policy->times.expire_ms);
    }
    if (item->reserved) {
        match_earlier(&at_ms, item->detail->preferred_until_ms);
    }
    const struct declines *declines = item->detail != NULL ? item->detail->declines : NULL;
    for (size_t i = 0; declines != NULL && i < ITEM_DECLINED_MAX; i++) {
        if (declines->latest[i].until_ms > desk->now_ms) {
            match_earlier(&at_ms, declines->latest[i].until_ms);
        }
    }
    return at_ms;
}

void match_enter(struct desk *desk, struct item *item)
{
    must(item->state == ITEM_WAITING && !item_waits(item));
    if (review_awaits(desk, item)) {
        heap_push(&item->queue->apart, item);
        item_set_timer(desk, item, match_waiting_timer(desk, item));
        return;
    }
    queue_seat(desk, item->queue);
    queue_note_unserved(desk, item->queue);
    // A service level already missed when the item comes to wait is dealt with by the timer, at once.
    struct person *person = match_reserved_for(desk, item);
    item->reserved = person != NULL;
    if (!item->queue->waiting.count) {
        item->queue->moved_ms = desk->now_ms;
    }
    if (person != NULL) {
        heap_push(&person->reserved, item);
    }
    if (person == NULL || !item->detail->meant) {
        heap_push(&item->queue->waiting, item);
    }
    item_set_timer(desk, item, match_waiting_timer(desk, item));
    if (!item->unmatched) {
        desk_grow(&desk->unmatched, desk->unmatched_count, &desk->unmatched_capacity);
        desk->unmatched[desk->unmatched_count++] = item;
        item->unmatched = true;
    }
}

void match_leave(struct desk *desk, struct item *item)
{
    struct person *person = item->reserved ? desk->people[item->detail->preferred] : NULL;
    struct queue *queue = item->queue;
    if (person != NULL) {
        heap_remove(heap_has(&person->reserved, item) ? &person->reserved : &person->apart, item);
    }
    if (item->waiting_slot) {
        heap_remove(heap_has(&queue->waiting, item) ? &queue->waiting : &queue->apart, item);
    }
    item->reserved = false;
}

// ---- offering ----

// How a person came to be the one who is offered an item.
struct choice {
    struct seat *seat;
    const struct person *spared; // was before them in the order, and keeps a place for the queue `kept`
    const struct queue *kept;
    bool declined; // somebody before them in the order had declined it
    bool ahead;    // the item was taken ahead of others of this person's, by its `hands`
    uint32_t hands;
};

static void match_describe_first(const struct desk *desk, const struct heap *ready, struct wording_offer *offer)
{
    struct heap_walk walk;
    heap_walk_init(&walk, ready);
    const struct seat *seat;
    while (offer->first_count < WORDING_FIRST_MAX && (seat = heap_walk_next(&walk)) != NULL) {
        offer->first[offer->first_count++] = (struct wording_candidate){
            .name = person_name(desk, seat->person->index),
            .in_hand = seat->person->item_count,
            .skill = seat->rank / 16,
            .language = seat->rank % 16,
            .idle_s = (uint64_t) (desk->now_ms - seat->person->idle_since_ms) / 1000,
        };
    }
}

static const char *match_describe_choice(const struct desk *desk, const struct item *item, const struct choice *choice,
                                         char *memory, size_t memory_bytes)
{
    const struct heap *ready = &item->queue->ready;
    struct wording_offer offer = {
        .fit = ready->count,
        .order = policy_choose(&desk->policy->brands[item->queue->brand]),
        .declined = choice->declined,
        .ahead = !choice->ahead  ? WORDING_IN_ORDER
                 : choice->hands ? WORDING_AHEAD_OF_MORE
                                 : WORDING_AHEAD_OF_FEW,
        .hands = item->queue->available,
    };
    if (choice->spared != NULL) {
        offer.spared = person_name(desk, choice->spared->index);
        offer.kept = choice->kept->text;
        offer.kept_hands = choice->kept->available;
    }
    match_describe_first(desk, ready, &offer);
    return wording_keep(&offer, memory, memory_bytes);
}

static void match_offer(struct desk *desk, struct item *item, const struct choice *choice)
{
    char memory[BEHALF_DETAIL_BYTES + 1];
    const char *description;
    const struct person *person = choice->seat->person;
    if (item->reserved && item->detail->preferred == person->index) {
        description = change_list_format(desk->list, "kept for %s, who had it or its author before",
                                         person_name(desk, person->index));
    } else {
        description = match_describe_choice(desk, item, choice, memory, sizeof memory);
    }
    bool automatic = desk->policy->brands[item->queue->brand].take_automatic;
    struct item_detail *detail = item_require_detail(item);
    item->lease++;
    item->returned = false;
    item->queue->moved_ms = desk->now_ms;
    detail->offered_turn = desk->turn;
    if (!detail->first_offered_ms) {
        detail->first_offered_ms = desk->now_ms;
    }
    item_move(desk, item, automatic ? ITEM_HELD : ITEM_OFFERED, person->index);
    detail->meant = false;
    if (!automatic) {
        item_set_timer(desk, item, desk->now_ms + desk->policy->times.offer_ms);
    }
    item_event(desk, item, automatic ? "held" : "offered", person->index, automatic ? "take: automatic" : NULL,
               description);
    item_show(desk, item);
}

// The first in the order who has not declined it; who keeps their last place for what few can do only when nobody
// else is there.  False if there is nobody.
static bool match_choose_for(const struct desk *desk, const struct item *item, struct choice *choice)
{
    struct heap_walk walk;
    struct seat *seat, *spared = NULL;
    *choice = (struct choice){ 0 };
    heap_walk_init(&walk, &item->queue->ready);
    while ((seat = heap_walk_next(&walk)) != NULL) {
        const struct queue *kept = NULL;
        if (item_declined_by(desk, item, seat->person->index)) {
            choice->declined = true;
        } else if ((kept = match_kept_for(desk, seat->person, item->queue)) == NULL) {
            choice->seat = seat;
            return true;
        } else if (spared == NULL) {
            spared = seat;
            choice->spared = seat->person;
            choice->kept = kept;
        }
    }
    choice->seat = spared;
    choice->spared = NULL;
    return spared != NULL;
}

bool match_item(struct desk *desk, struct item *item)
{
    must(item->state == ITEM_WAITING && item_waits(item));
    struct person *person = item->reserved ? desk->people[item->detail->preferred] : NULL;
    struct choice choice;
    if (person != NULL && person->ready) {
        choice = (struct choice){ .seat = person_seat(person, item->queue) };
    } else if ((person != NULL && item->detail->meant) || !match_choose_for(desk, item, &choice)) {
        return false;
    }
    match_offer(desk, item, &choice);
    return true;
}

static struct item *match_first_for(const struct desk *desk, const struct heap *waiting, uint32_t person)
{
    struct heap_walk walk;
    heap_walk_init(&walk, waiting);
    struct item *item;
    while ((item = heap_walk_next(&walk)) != NULL) {
        if (!item_declined_by(desk, item, person) && !item_is_overdue(desk, item)) {
            return item;
        }
    }
    return NULL;
}

static struct item *match_next_for(const struct desk *desk, const struct person *person, struct choice *choice)
{
    *choice = (struct choice){ 0 };
    struct item *best = heap_first(&person->reserved);
    if (best != NULL) {
        choice->seat = person_seat(person, best->queue);
        return best;
    }
    struct item *soonest = NULL;
    for (size_t i = 0; i < person->seat_count; i++) {
        const struct queue *queue = person->seats[i]->queue;
        struct item *item = queue->waiting.count ? match_first_for(desk, &queue->waiting, person->index) : NULL;
        if (item == NULL) {
            continue;
        }
        uint32_t hands = match_hands_rank(desk, item);
        if (soonest == NULL || match_item_before(desk, item, soonest)) {
            soonest = item;
        }
        if (best == NULL || (hands != choice->hands ? hands < choice->hands : match_item_before(desk, item, best))) {
            best = item;
            choice->hands = hands;
            choice->seat = person->seats[i];
        }
    }
    choice->ahead = best != soonest;
    return best;
}

void match_again(struct desk *desk, struct queue *queue)
{
    const struct seat *seat = heap_first(&queue->ready);
    if (seat != NULL) {
        person_look_again(desk, seat->person);
    }
}

void match_person(struct desk *desk, struct person *person)
{
    struct choice choice;
    struct item *item = person->ready ? match_next_for(desk, person, &choice) : NULL;
    if (item == NULL) {
        return;
    }
    if (item_is_overdue(desk, item)) {
        item_due(desk, item); // kept for them, but it may not be theirs any more
    } else {
        // Somebody else may have room as well, and come first for this one.
        struct choice best;
        bool theirs = item->reserved && item->detail->preferred == person->index;
        if (!theirs && match_choose_for(desk, item, &best)) {
            best.ahead = choice.ahead && best.seat == choice.seat;
            best.hands = choice.hands;
            choice = best;
        }
        match_offer(desk, item, &choice);
    }
    person_look_again(desk, person); // behind the others, so that what waits is spread
}
