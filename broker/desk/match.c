#include "broker/desk/parts.h"

// ---- orders ----

// Lower is sooner.  What came back from somebody's hands is first; then the band, which waiting raises by one
// each `band_raise_ms`: counting time in steps of that length from the item's birth gives the same order at
// any moment, so that a heap can keep it.
static uint64_t item_rank(const struct desk *desk, const struct item *item)
{
    if (item->returned)
        return 0;
    int64_t raise_ms = desk->policy->times.band_raise_ms;
    return 1 + item->band + (raise_ms ? (uint64_t) (item->created_ms / raise_ms) : 0);
}

static bool item_before(const struct desk *desk, const struct item *one, const struct item *other)
{
    uint64_t one_rank = item_rank(desk, one);
    uint64_t other_rank = item_rank(desk, other);
    if (one_rank != other_rank)
        return one_rank < other_rank;
    int64_t one_due = one->due_ms ? one->due_ms : INT64_MAX;
    int64_t other_due = other->due_ms ? other->due_ms : INT64_MAX;
    return one_due != other_due ? one_due < other_due : one->id < other->id;
}

static bool waiting_before(const struct heap *heap, const void *one, const void *other)
{
    return item_before(heap->context, one, other);
}

static uint32_t *waiting_slot(void *element)
{
    return &((struct item *) element)->waiting_slot;
}

void match_init_waiting(const struct desk *desk, struct heap *heap)
{
    *heap = (struct heap){
        .pool = &desk->item_pool, .before = waiting_before, .slot = waiting_slot, .number = item_number, .context = desk
    };
}

// ---- declines ----

bool item_declined_by(const struct desk *desk, const struct item *item, uint32_t person)
{
    if (!item->detail)
        return false;
    if (authority_is_own_draft(item, person))
        return true;
    for (size_t i = 0; item->detail->declines && i < ITEM_DECLINED_MAX; i++) {
        const struct declined *declined = &item->detail->declines->latest[i];
        if (declined->until_ms > desk->now_ms && declined->person == person)
            return true;
    }
    return false;
}

void item_decline(struct desk *desk, struct item *item, uint32_t person)
{
    struct item_detail *detail = item_require_detail(item);
    if (!detail->declines) {
        detail->declines = calloc(1, sizeof *detail->declines);
        must(detail->declines);
    }
    detail->declines->latest[detail->declines->next++ % ITEM_DECLINED_MAX] =
        (struct declined){ person, desk->now_ms + desk->policy->times.decline_ms };
    if (detail->preferred == person)
        detail->preferred = POLICY_NONE;
}

// ---- waiting ----

// The person an item shall go to first, while that still holds.
static struct person *reserved_for(const struct desk *desk, const struct item *item)
{
    if (item_preferred(item) == POLICY_NONE || item->detail->preferred_until_ms <= desk->now_ms)
        return NULL;
    struct person *person = desk->people[item->detail->preferred];
    if (person->presence != PRESENCE_AVAILABLE || !person_may_serve(desk, person, item->queue) ||
        item_declined_by(desk, item, person->index))
        return NULL;
    return person;
}

static void earlier(int64_t *at_ms, int64_t candidate_ms)
{
    if (candidate_ms && (!*at_ms || candidate_ms < *at_ms))
        *at_ms = candidate_ms;
}

// When something changes for a waiting item by time alone.
static int64_t waiting_timer(const struct desk *desk, const struct item *item)
{
    int64_t at_ms = 0;
    if (!item->late)
        earlier(&at_ms, item->due_ms);
    if (desk->policy->times.expire_ms)
        earlier(&at_ms, item_since_ms(item) + desk->policy->times.expire_ms);
    if (item->reserved)
        earlier(&at_ms, item->detail->preferred_until_ms);
    const struct declines *declines = item->detail ? item->detail->declines : NULL;
    for (size_t i = 0; declines && i < ITEM_DECLINED_MAX; i++) {
        if (declines->latest[i].until_ms > desk->now_ms)
            earlier(&at_ms, declines->latest[i].until_ms);
    }
    return at_ms;
}

void match_enter(struct desk *desk, struct item *item)
{
    must(item->state == ITEM_WAITING && !item->waiting_slot);
    queue_note_unserved(desk, item->queue);
    // A service level already missed when the item comes to wait is dealt with by the timer, at once.
    struct person *person = reserved_for(desk, item);
    item->reserved = person != NULL;
    heap_push(person ? &person->reserved : &item->queue->waiting, item);
    item_set_timer(desk, item, waiting_timer(desk, item));
    if (!item->unmatched) {
        desk_grow(&desk->unmatched, desk->unmatched_count, &desk->unmatched_capacity);
        desk->unmatched[desk->unmatched_count++] = item;
        item->unmatched = true;
    }
}

void match_leave(struct desk *desk, struct item *item)
{
    heap_remove(item->reserved ? &desk->people[item->detail->preferred]->reserved : &item->queue->waiting, item);
    item->reserved = false;
}

// ---- offering ----

static const char *describe_choice(struct desk *desk, const struct item *item, const struct seat *chosen)
{
    const struct heap *ready = &item->queue->ready;
    if (item->reserved)
        return change_list_format(desk->list, "kept for %s, who had it or its author before",
                                  person_name(desk, chosen->person->index));
    const char *first_few = "";
    struct heap_walk walk;
    heap_walk_init(&walk, ready);
    const struct seat *seat;
    for (int i = 0; i < 3 && (seat = heap_walk_next(&walk)); i++)
        first_few =
            change_list_format(desk->list, "%s%s%s (skill %u, language %u, idle %lld s)", first_few, i ? ", " : "",
                               person_name(desk, seat->person->index), seat->rank / 16, seat->rank % 16,
                               (long long) (desk->now_ms - seat->person->idle_since_ms) / 1000);
    return change_list_format(desk->list, "%u could take it: %s%s; %s by level of skill, then longest idle%s",
                              ready->count, first_few, ready->count > 3 ? ", ..." : "",
                              person_name(desk, chosen->person->index),
                              heap_first(ready) == chosen ? "" : ", after those who declined it");
}

static void offer(struct desk *desk, struct item *item, struct seat *seat)
{
    const char *choice = describe_choice(desk, item, seat);
    bool automatic = desk->policy->brands[item->queue->brand].take_automatic;
    struct item_detail *detail = item_require_detail(item);
    item->lease++;
    item->returned = false;
    if (!detail->first_offered_ms)
        detail->first_offered_ms = desk->now_ms;
    item_move(desk, item, automatic ? ITEM_HELD : ITEM_OFFERED, seat->person->index);
    if (!automatic)
        item_set_timer(desk, item, desk->now_ms + desk->policy->times.offer_ms);
    item_event(desk, item, automatic ? "held" : "offered", seat->person->index, automatic ? "take: automatic" : NULL,
               choice);
    item_show(desk, item);
}

bool match_item(struct desk *desk, struct item *item)
{
    must(item->state == ITEM_WAITING && item->waiting_slot);
    if (item->reserved) {
        struct person *person = desk->people[item->detail->preferred];
        if (!person->ready)
            return false;
        offer(desk, item, person_seat(person, item->queue));
        return true;
    }
    struct heap_walk walk;
    heap_walk_init(&walk, &item->queue->ready);
    struct seat *seat;
    while ((seat = heap_walk_next(&walk))) {
        if (!item_declined_by(desk, item, seat->person->index)) {
            offer(desk, item, seat);
            return true;
        }
    }
    return false;
}

static struct item *first_for(const struct desk *desk, const struct heap *waiting, uint32_t person)
{
    struct heap_walk walk;
    heap_walk_init(&walk, waiting);
    struct item *item;
    while ((item = heap_walk_next(&walk))) {
        if (!item_declined_by(desk, item, person) && !item_is_overdue(desk, item))
            return item;
    }
    return NULL;
}

static struct item *next_for(const struct desk *desk, const struct person *person, struct seat **seat)
{
    struct item *best = heap_first(&person->reserved);
    if (best) {
        *seat = person_seat(person, best->queue);
        return best;
    }
    for (size_t i = 0; i < person->seat_count; i++) {
        const struct queue *queue = person->seats[i]->queue;
        struct item *item = queue->waiting.count ? first_for(desk, &queue->waiting, person->index) : NULL;
        if (item && (!best || item_before(desk, item, best))) {
            best = item;
            *seat = person->seats[i];
        }
    }
    return best;
}

void match_again(struct desk *desk, struct queue *queue)
{
    const struct seat *seat = heap_first(&queue->ready);
    if (seat)
        person_look_again(desk, seat->person);
}

void match_person(struct desk *desk, struct person *person)
{
    while (person->ready) {
        struct seat *seat = NULL;
        struct item *item = next_for(desk, person, &seat);
        if (!item)
            return;
        if (item_is_overdue(desk, item))
            item_due(desk, item); // kept for them, but it may not be theirs any more
        else
            offer(desk, item, seat);
    }
}
