// queue.c - queues and the people's seats at them: made when an item first needs one, given up some time after the
// last.

#include "broker/desk/parts.h"

#include <sodium.h>
#include <string.h>

// ---- seats ----

// Below 0 if the first is to be chosen before the second by this alone.
static int queue_compare_seats(enum policy_choice choice, const struct seat *one, const struct seat *other)
{
    const struct person *a = one->person;
    const struct person *b = other->person;
    switch (choice) {
    case CHOOSE_LEAST_IN_HAND:
        return (a->item_count > b->item_count) - (a->item_count < b->item_count);
    case CHOOSE_LEVEL:
        return (one->rank < other->rank) - (one->rank > other->rank);
    case CHOOSE_IDLE:
        return (a->idle_since_ms > b->idle_since_ms) - (a->idle_since_ms < b->idle_since_ms);
    case CHOOSE_NOTHING:
    case CHOICE_COUNT:
        break;
    }
    return 0;
}

// As the brand's rules say, then the order of the people in the rules.
static bool queue_ready_before(const struct heap *heap, const void *one, const void *other)
{
    const struct desk *desk = heap->context;
    const struct seat *a = one;
    const struct seat *b = other;
    const uint8_t *choose = policy_choose(&desk->policy->brands[a->queue->brand]);
    for (size_t i = 0; choose[i]; i++) {
        int compared = queue_compare_seats((enum policy_choice) choose[i], a, b);
        if (compared) {
            return compared < 0;
        }
    }
    return a->person->index < b->person->index;
}

static uint32_t *queue_ready_slot(void *element)
{
    return &((struct seat *) element)->ready_slot;
}

static uint32_t queue_seat_number(const void *element)
{
    return ((const struct seat *) element)->number;
}

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
static uint32_t queue_rank_of(const struct policy_person *rules, const struct queue *queue)
{
    uint32_t weakest = 0;
    for (uint32_t i = 0; i < POLICY_SET_MAX; i++) {
        if ((queue->skills >> i & 1) && (!weakest || rules->skill_level[i] < weakest)) {
            weakest = rules->skill_level[i];
        }
    }
    return weakest * 16 + rules->language_level[queue->language];
}

static void queue_add_seat(struct desk *desk, struct person *person, struct queue *queue)
{
    uint32_t number;
    struct seat *seat = pool_take(&desk->seat_pool, &number);
    *seat = (struct seat){ .number = number,
                           .person = person,
                           .queue = queue,
                           .rank = queue_rank_of(&desk->policy->people[person->index], queue) };
    desk_grow(&person->seats, person->seat_count, &person->seat_capacity);
    person->seats[person->seat_count++] = seat;
    desk_grow(&queue->seats, queue->seat_count, &queue->seat_capacity);
    queue->seats[queue->seat_count++] = seat;
    queue->available += person->available;
    if (person->ready) {
        heap_push(&queue->ready, seat);
    }
}

static void queue_seat_everyone(struct desk *desk, struct queue *queue)
{
    for (size_t i = 0; i < desk->person_count; i++) {
        if (person_may_serve(desk, desk->people[i], queue)) {
            queue_add_seat(desk, desk->people[i], queue);
        }
    }
}

struct seat *person_seat(const struct person *person, const struct queue *queue)
{
    for (size_t i = 0; i < person->seat_count; i++) {
        if (person->seats[i]->queue == queue) {
            return person->seats[i];
        }
    }
    return NULL;
}

static void queue_remove_seat(struct desk *desk, struct seat *seat)
{
    struct person *person = seat->person;
    size_t i = 0;
    while (i < person->seat_count && person->seats[i] != seat) {
        i++;
    }
    must(i < person->seat_count);
    person->seats[i] = person->seats[--person->seat_count];
    if (seat->ready_slot) {
        heap_remove(&seat->queue->ready, seat);
    }
    seat->queue->available -= person->available;
    pool_give(&desk->seat_pool, seat->number);
}

// ---- those that nobody may serve ----

void queue_note_unserved(struct desk *desk, struct queue *queue)
{
    if (queue->seat_count || queue->unserved) {
        return;
    }
    queue->unserved = true;
    desk_grow(&desk->unserved, desk->unserved_count, &desk->unserved_capacity);
    desk->unserved[desk->unserved_count++] = queue;
}

const char *desk_next_unserved(struct desk *desk)
{
    return desk->unserved_count ? desk->unserved[--desk->unserved_count]->text : NULL;
}

static void queue_forget_unserved(struct desk *desk, struct queue *queue)
{
    for (size_t i = desk->unserved_count; queue->unserved && i > 0; i--) {
        if (desk->unserved[i - 1] == queue) {
            desk->unserved[i - 1] = desk->unserved[--desk->unserved_count];
        }
    }
    queue->unserved = false;
}

// ---- seats anew ----

static void queue_forget_unseated(struct desk *desk, const struct queue *queue)
{
    for (size_t i = desk->unseated_count; i > 0; i--) {
        if (desk->unseated[i - 1] == queue) {
            desk->unseated[i - 1] = desk->unseated[--desk->unseated_count];
        }
    }
}

void queue_seat(struct desk *desk, struct queue *queue)
{
    if (queue->seated) {
        return;
    }
    queue->seated = true;
    queue->available = 0;
    queue_forget_unseated(desk, queue);
    queue_seat_everyone(desk, queue);
    queue->able = queue->seat_count;
    if (queue->seat_count) {
        queue_forget_unserved(desk, queue);
    }
}

void seats_forget(struct desk *desk)
{
    for (size_t i = 0; i < desk->person_count; i++) {
        desk->people[i]->seat_count = 0;
        desk->people[i]->ready = false;
    }
    pool_fini(&desk->seat_pool);
    desk->unseated_count = 0;
    struct queue *queue;
    for (size_t place = 0; (queue = table_next(&desk->queues, &place));) {
        queue->seat_count = 0;
        queue->ready.count = 0;
        queue->seated = false;
        desk_grow(&desk->unseated, desk->unseated_count, &desk->unseated_capacity);
        desk->unseated[desk->unseated_count++] = queue;
    }
}

// ---- the empty ones ----

static void queue_append_empty(struct desk *desk, struct queue *queue)
{
    must(!queue->open);
    queue->earlier = desk->last_empty;
    queue->later = NULL;
    *(desk->last_empty != NULL ? &desk->last_empty->later : &desk->first_empty) = queue;
    desk->last_empty = queue;
    desk->empty_count++;
}

static void queue_remove_empty(struct desk *desk, struct queue *queue)
{
    *(queue->earlier != NULL ? &queue->earlier->later : &desk->first_empty) = queue->later;
    *(queue->later != NULL ? &queue->later->earlier : &desk->last_empty) = queue->earlier;
    queue->earlier = queue->later = NULL;
    desk->empty_count--;
}

void queue_enter(struct desk *desk, struct queue *queue, struct item *item, enum item_state state)
{
    if (!queue->open++) {
        queue_remove_empty(desk, queue);
    }
    queue->count[state]++;
    queue->overdue += item->overdue;
    if (state == ITEM_WAITING) {
        heap_push(&queue->ages, item);
    }
}

void queue_leave(struct desk *desk, struct queue *queue, struct item *item, enum item_state state)
{
    must(queue->count[state] && queue->open);
    queue->count[state]--;
    queue->overdue -= item->overdue;
    if (state == ITEM_WAITING) {
        heap_remove(&queue->ages, item);
    }
    if (!--queue->open) {
        queue_append_empty(desk, queue);
    }
}

static void queue_drop(struct desk *desk, struct queue *queue)
{
    queue_remove_empty(desk, queue);
    queue_forget_unserved(desk, queue);
    queue_forget_unseated(desk, queue);
    table_remove(&desk->queues, queue->hash, queue);
    while (queue->seat_count) {
        queue_remove_seat(desk, queue->seats[--queue->seat_count]);
    }
    queue_free(queue);
}

void queue_collect(struct desk *desk)
{
    struct queue *queue = desk->first_empty;
    while (desk->empty_count > QUEUES_EMPTY_MAX && queue != NULL) {
        struct queue *later = queue->later;
        // One that stands in front of another with the same hash stays, so that the other is found.
        if (table_find(&desk->queues, queue->hash + 1) == NULL) {
            queue_drop(desk, queue);
        }
        queue = later;
    }
}

void queue_check(const struct desk *desk, const struct queue *queue)
{
    size_t open = 0, seats = 0;
    for (size_t i = 0; i < ITEM_STATE_COUNT; i++) {
        open += queue->count[i];
    }
    must(open == queue->open);
    must(!open || queue->audience != AUDIENCE_SUPERVISOR); // authority.def counts on it
    must(open || queue->earlier || desk->first_empty == queue);
    must(!open || (!queue->earlier && !queue->later));
    for (size_t i = 0; i < desk->person_count; i++) {
        seats += person_seat(desk->people[i], queue) != NULL;
    }
    must(seats == queue->seat_count && (queue->seated || !seats));
    review_check(desk, &queue->waiting);
    must(!queue->apart.count || desk->review.active);
    size_t available = 0;
    for (size_t i = 0; i < queue->seat_count; i++) {
        available += queue->seats[i]->person->available;
    }
    must(!queue->seated || (available == queue->available && queue->able == queue->seat_count));
    must(queue->ages.count == queue->count[ITEM_WAITING]);
    heap_check(&queue->ages);
    heap_check(&queue->waiting);
    heap_check(&queue->ready);
}

void queue_check_empty(const struct desk *desk)
{
    size_t count = 0;
    for (const struct queue *queue = desk->first_empty; queue != NULL; queue = queue->later) {
        must(!queue->open && table_find(&desk->queues, queue->hash) == queue);
        must(queue->later ? queue->later->earlier == queue : desk->last_empty == queue);
        count++;
    }
    must(count == desk->empty_count && count <= QUEUES_EMPTY_MAX);
}

// ---- finding them ----

static int queue_compare_names(const void *one, const void *other)
{
    return strcmp(*(const char *const *) one, *(const char *const *) other);
}

// Sorted names joined by commas, owned by the caller.
static char *queue_join_skills(const struct policy *policy, uint64_t skills)
{
    const char *names[POLICY_SET_MAX];
    size_t count = 0, bytes = 1;
    for (size_t i = 0; i < policy->skill_count; i++) {
        if (skills >> i & 1) {
            names[count++] = policy->skills[i].name;
            bytes += strlen(policy->skills[i].name) + 1;
        }
    }
    qsort(names, count, sizeof *names, queue_compare_names);
    char *joined = calloc(bytes, 1);
    must(joined);
    char *end = joined;
    for (size_t i = 0; i < count; i++) {
        if (i) {
            *end++ = ',';
        }
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
    while ((queue = table_find(&desk->queues, hash)) != NULL) {
        if (queue->audience == audience && queue->brand == brand && queue->language == language &&
            queue->skills == skills) {
            return queue;
        }
        hash++;
    }
    queue = calloc(1, sizeof *queue);
    must(queue);
    *queue = (struct queue){
        .hash = hash,
        .audience = audience,
        .brand = brand,
        .language = language,
        .skills = skills,
        .ready = { .pool = &desk->seat_pool,
                   .before = queue_ready_before,
                   .slot = queue_ready_slot,
                   .number = queue_seat_number,
                   .context = desk },
        .skills_text = queue_join_skills(policy, skills),
    };
    match_init_waiting(desk, &queue->waiting);
    match_init_waiting(desk, &queue->apart);
    item_init_ages(desk, &queue->ages);
    int length = asprintf(&queue->text, "%s/%s/%s/%s", audience_name(audience), policy->brands[brand].name,
                          policy->languages[language].name, queue->skills_text);
    must(length > 0);
    table_put(&desk->queues, hash, queue);
    queue_seat(desk, queue);
    queue_append_empty(desk, queue);
    return queue;
}

void queue_free(struct queue *queue)
{
    heap_fini(&queue->waiting);
    heap_fini(&queue->apart);
    heap_fini(&queue->ages);
    heap_fini(&queue->ready);
    free(queue->seats);
    free(queue->skills_text);
    free(queue->text);
    free(queue);
}
