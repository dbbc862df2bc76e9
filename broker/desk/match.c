#include "broker/desk/parts.h"

#include <sodium.h>
#include <string.h>

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

// Level of skill, then longest idle, then the order of the rules.
static bool ready_before(const struct heap *heap, const void *one, const void *other)
{
    (void) heap;
    const struct seat *a = one;
    const struct seat *b = other;
    if (a->rank != b->rank)
        return a->rank > b->rank;
    if (a->person->idle_since_ms != b->person->idle_since_ms)
        return a->person->idle_since_ms < b->person->idle_since_ms;
    return a->person->index < b->person->index;
}

static uint32_t *ready_slot(void *element)
{
    return &((struct seat *) element)->ready_slot;
}

void match_init_reserved(const struct desk *desk, struct heap *heap)
{
    *heap = (struct heap){ .before = waiting_before, .slot = waiting_slot, .context = desk };
}

// ---- queues and seats ----

// Skills are what agents are trained for; an item keeps its needs in the other audiences, for when it returns, but
// nobody is asked for them there.
bool person_may_serve(const struct desk *desk, const struct person *person, const struct queue *queue)
{
    const struct policy_person *rules = &desk->policy->people[person->index];
    bool skilled = queue->audience != AUDIENCE_AGENT || (queue->skills & ~rules->skills) == 0;
    return !rules->retired && (rules->audiences & (1u << queue->audience)) && (rules->brands >> queue->brand & 1) &&
           (rules->languages >> queue->language & 1) && skilled;
}

// The weakest of the skills needed counts first, then the language.
static uint32_t rank_of(const struct policy_person *rules, const struct queue *queue)
{
    uint32_t weakest = 0;
    for (uint32_t i = 0; i < POLICY_SET_MAX; i++) {
        if ((queue->skills >> i & 1) && (!weakest || rules->skill_level[i] < weakest))
            weakest = rules->skill_level[i];
    }
    return weakest * 16 + rules->language_level[queue->language];
}

static void add_seat(struct desk *desk, struct person *person, struct queue *queue)
{
    struct seat *seat = calloc(1, sizeof *seat);
    must(seat);
    *seat =
        (struct seat){ .person = person, .queue = queue, .rank = rank_of(&desk->policy->people[person->index], queue) };
    desk_grow(&person->seats, person->seat_count, &person->seat_capacity);
    person->seats[person->seat_count++] = seat;
    desk_grow(&queue->seats, queue->seat_count, &queue->seat_capacity);
    queue->seats[queue->seat_count++] = seat;
    if (person->ready)
        heap_push(&queue->ready, seat);
}

static void seat_everyone(struct desk *desk, struct queue *queue)
{
    for (size_t i = 0; i < desk->person_count; i++) {
        if (person_may_serve(desk, desk->people[i], queue))
            add_seat(desk, desk->people[i], queue);
    }
}

struct seat *person_seat(const struct person *person, const struct queue *queue)
{
    for (size_t i = 0; i < person->seat_count; i++) {
        if (person->seats[i]->queue == queue)
            return person->seats[i];
    }
    return NULL;
}

static int compare_names(const void *one, const void *other)
{
    return strcmp(*(const char *const *) one, *(const char *const *) other);
}

// Sorted names joined by commas, owned by the caller.
static char *join_skills(const struct policy *policy, uint64_t skills)
{
    const char *names[POLICY_SET_MAX];
    size_t count = 0, bytes = 1;
    for (size_t i = 0; i < policy->skill_count; i++) {
        if (skills >> i & 1) {
            names[count++] = policy->skills[i].name;
            bytes += strlen(policy->skills[i].name) + 1;
        }
    }
    qsort(names, count, sizeof *names, compare_names);
    char *joined = calloc(bytes, 1);
    must(joined);
    char *end = joined;
    for (size_t i = 0; i < count; i++) {
        if (i)
            *end++ = ',';
        end = stpcpy(end, names[i]);
    }
    return joined;
}

struct queue *queue_require(struct desk *desk, enum audience audience, uint32_t brand, uint32_t language,
                            uint64_t skills)
{
    const struct policy *policy = desk->policy;
    must(brand < policy->brand_count && language < policy->language_count && audience < AUDIENCE_COUNT);
    uint64_t needs[] = { (uint64_t) audience, brand, language, skills };
    static const unsigned char key[crypto_shorthash_KEYBYTES] = "behalf queue key";
    uint64_t hash;
    crypto_shorthash((unsigned char *) &hash, (const unsigned char *) needs, sizeof needs, key);
    struct queue *queue;
    while ((queue = table_find(&desk->queues, hash))) {
        if (queue->audience == audience && queue->brand == brand && queue->language == language &&
            queue->skills == skills)
            return queue;
        hash++;
    }
    queue = calloc(1, sizeof *queue);
    must(queue);
    *queue = (struct queue){
        .audience = audience,
        .brand = brand,
        .language = language,
        .skills = skills,
        .waiting = { .before = waiting_before, .slot = waiting_slot, .context = desk },
        .ready = { .before = ready_before, .slot = ready_slot },
        .skills_text = join_skills(policy, skills),
    };
    int length = asprintf(&queue->text, "%s/%s/%s/%s", audience_name(audience), policy->brands[brand].name,
                          policy->languages[language].name, queue->skills_text);
    must(length > 0);
    table_put(&desk->queues, hash, queue);
    seat_everyone(desk, queue);
    return queue;
}

void queue_free(struct queue *queue)
{
    heap_fini(&queue->waiting);
    heap_fini(&queue->ready);
    free(queue->seats);
    free(queue->skills_text);
    free(queue->text);
    free(queue);
}

void match_rebuild(struct desk *desk)
{
    struct queue *queue;
    for (size_t i = 0; i < desk->person_count; i++) {
        struct person *person = desk->people[i];
        for (size_t k = 0; k < person->seat_count; k++) {
            if (person->seats[k]->ready_slot)
                heap_remove(&person->seats[k]->queue->ready, person->seats[k]);
            free(person->seats[k]);
        }
        person->seat_count = 0;
        person->ready = false;
        heap_rebuild(&person->reserved);
    }
    for (size_t place = 0; (queue = table_next(&desk->queues, &place));) {
        queue->seat_count = 0;
        heap_rebuild(&queue->waiting);
        seat_everyone(desk, queue);
    }
    for (size_t i = 0; i < desk->person_count; i++)
        person_refresh(desk, desk->people[i]);
}

// ---- declines ----

bool item_declined_by(const struct desk *desk, const struct item *item, uint32_t person)
{
    if (!item->detail)
        return false;
    if (item->queue->audience == AUDIENCE_APPROVER && item->detail->draft_by == person)
        return true; // nobody approves their own draft
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
        if (!item_declined_by(desk, item, person))
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

void match_person(struct desk *desk, struct person *person)
{
    while (person->ready) {
        struct seat *seat = NULL;
        struct item *item = next_for(desk, person, &seat);
        if (!item)
            return;
        offer(desk, item, seat);
    }
}
