// review.c - new rules reach what is open, a slice at a time.
//
// From the moment rules are applied they hold for whatever comes and for all people.  What is open is gone through:
// what is in people's hands first, then the brand's PR team's, then everything else by its id.  Until an item of the
// agents' (or approvers', or supervisors') has been looked at, it waits apart, where nobody is offered it: its posts
// may be sensitive now.  Texts are not known here, so the items are handed out, and what triage says of them comes
// back.
//
// That all has been gone through is an event of the desk; a desk that comes back without it begins again.

#include "broker/desk/parts.h"

#include <string.h>

// Items gone through at most before others have their turn, and people asked whether they may serve a queue.
#define REVIEW_SLICE 256
#define SEATS_SLICE 4096

static bool review_is_out(const struct review *review, uint64_t id)
{
    size_t low = review->page_place, high = review->page_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (review->page[middle] < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < review->page_count && review->page[low] == id;
}

bool review_awaits(const struct desk *desk, const struct item *item)
{
    const struct review *review = &desk->review;
    return review->active && item->queue->audience != AUDIENCE_PR && item->id <= review->last &&
           (item->id > review->handed_out || review_is_out(review, item->id));
}

// ---- beginning ----

static void review_set_apart(struct heap *waiting, struct heap *apart)
{
    must(!apart->count);
    struct heap empty = *apart;
    *apart = *waiting;
    *waiting = empty;
}

static void review_note_in_hands(struct desk *desk)
{
    struct review *review = &desk->review;
    review->hands = realloc(review->hands, (desk->count[ITEM_OFFERED] + desk->count[ITEM_HELD] + 1) * sizeof(uint64_t));
    must(review->hands);
    review->hand_count = review->hand_place = 0;
    for (size_t i = 0; i < desk->person_count; i++) {
        for (size_t k = 0; k < desk->people[i]->item_count; k++) {
            review->hands[review->hand_count++] = desk->people[i]->items[k]->id;
        }
    }
}

void review_begin(struct desk *desk)
{
    struct review *review = &desk->review;
    must(!review->active);
    review->active = true;
    review->handed_out = 0;
    review->page_count = review->page_place = 0;
    review->last = desk->next_id - 1;
    review->left = desk->items.count;
    review_note_in_hands(desk);
    size_t place = 0;
    for (struct queue *queue; (queue = table_next(&desk->queues, &place));) {
        review_set_apart(&queue->waiting, &queue->apart);
    }
    for (size_t i = 0; i < desk->person_count; i++) {
        review_set_apart(&desk->people[i]->reserved, &desk->people[i]->apart);
    }
}

void review_fini(struct desk *desk)
{
    free(desk->review.hands);
}

// ---- going on ----

// What the rules say of an item whatever its texts are.
static void review_refresh(struct desk *desk, struct item *item)
{
    int64_t due_ms = item_due_ms(desk, item, item->queue->audience);
    bool waits = item_waits(item);
    if (waits) {
        match_leave(desk, item);
    }
    if (due_ms != item->due_ms) {
        item->late = due_ms && due_ms <= desk->now_ms;
        item_set_due(desk, item, due_ms);
        item_changed(desk, item);
    }
    if (waits) {
        match_enter(desk, item);
    }
    if (item->state == ITEM_HELD) {
        item_set_hold_timer(desk, item);
    }
}

static void review_finish(struct desk *desk)
{
    struct review *review = &desk->review;
    review->active = false;
    review->left = 0;
    free(review->hands);
    review->hands = NULL;
    item_event(desk, NULL, "rules reviewed", POLICY_NONE, NULL, "every open item has been looked at under them");
}

// What waits for PR is theirs whatever it says: it only takes its place again.
static size_t review_refresh_waiting_for_pr(struct desk *desk)
{
    size_t count = 0, place = 0;
    for (struct queue *queue; count < REVIEW_SLICE && (queue = table_next(&desk->queues, &place)) != NULL;) {
        while (queue->audience == AUDIENCE_PR && queue->apart.count && count < REVIEW_SLICE) {
            review_refresh(desk, heap_first(&queue->apart));
            count++;
        }
    }
    return count;
}

static bool review_needs_text(const struct item *item)
{
    return item->queue->audience != AUDIENCE_PR && !item->sealed;
}

static void review_page_of_hands(struct review *review)
{
    while (review->hand_place < review->hand_count && review->page_count < DESK_REVIEW_PAGE_MAX) {
        review->page[review->page_count++] = review->hands[review->hand_place++];
    }
}

// Returns whether there may be more.
static bool review_page_by_id(struct desk *desk)
{
    struct review *review = &desk->review;
    uint64_t after = review->handed_out;
    for (size_t i = 0; i < REVIEW_SLICE && review->page_count < DESK_REVIEW_PAGE_MAX; i++) {
        struct item *item = item_next(desk, &after);
        if (item == NULL || after > review->last) {
            return false;
        }
        review->handed_out = after;
        review->left -= review->left > 0;
        if (review_needs_text(item)) {
            review->page[review->page_count++] = after;
        } else {
            review_refresh(desk, item);
        }
    }
    return true;
}

size_t desk_review_next(struct desk *desk, uint64_t items[DESK_REVIEW_PAGE_MAX], int64_t now_ms)
{
    struct review *review = &desk->review;
    must(review->active && review->page_place == review->page_count);
    desk->now_ms = now_ms;
    review->page_count = review->page_place = 0;
    review_page_of_hands(review);
    if (!review->page_count && !review_refresh_waiting_for_pr(desk) && !review_page_by_id(desk) &&
        !review->page_count) {
        review_finish(desk);
    }
    memcpy(items, review->page, review->page_count * sizeof *items);
    desk_settle(desk);
    return review->page_count;
}

// A reply that a connector has answers the item without the post: PR has that as an item of its own.
static void review_take_needs(struct desk *desk, struct item *item, const struct behalf_post *post,
                              const struct needs *needs)
{
    bool sensitive = needs->audience == AUDIENCE_PR;
    bool asks_approval = needs->approval && !item->approval;
    if (sensitive && review_needs_text(item)) {
        item_event(desk, item, "reviewed", POLICY_NONE, needs->rule,
                   change_list_format(desk->list, "sensitive under the rules applied since; %s", needs->detail));
        uint64_t id = item->id;
        if (!item_becomes_sensitive(desk, item, needs->rule)) {
            post_arrives_again(desk, post, needs, id);
        }
        return;
    }
    if (!asks_approval) {
        return;
    }
    item->approval = true;
    item_event(desk, item, "reviewed", POLICY_NONE, needs->rule,
               "its answer needs approval under the rules applied since");
    item_changed(desk, item);
    if (item->state == ITEM_OFFERED || item->state == ITEM_HELD) {
        item_show(desk, item);
    }
}

void desk_reviewed(struct desk *desk, uint64_t id, const struct behalf_post *post, const struct needs *needs,
                   int64_t now_ms)
{
    struct review *review = &desk->review;
    desk->now_ms = now_ms;
    must(review->page_place < review->page_count && review->page[review->page_place] == id);
    review->page_place++;
    struct item *item = item_find(desk, id);
    if (item != NULL && needs != NULL) {
        review_take_needs(desk, item, post, needs);
    }
    if (item != NULL) {
        review_refresh(desk, item);
    }
    desk_settle(desk);
}

size_t desk_review_left(const struct desk *desk)
{
    const struct review *review = &desk->review;
    return review->active && !review->left ? 1 : review->left;
}

void review_check(const struct desk *desk, const struct heap *waiting)
{
    struct heap_walk walk;
    heap_walk_init(&walk, waiting);
    for (const struct item *item; (item = heap_walk_next(&walk));) {
        must(!review_awaits(desk, item));
    }
}

// ---- people's seats, which also follow new rules in slices ----

int64_t review_tick(struct desk *desk)
{
    size_t asked = 0;
    while (desk->unseated_count && asked < SEATS_SLICE) {
        queue_seat(desk, desk->unseated[desk->unseated_count - 1]);
        asked += desk->person_count + 1;
    }
    return desk->unseated_count ? 0 : -1;
}
