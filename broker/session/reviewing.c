// reviewing.c - the open items are looked at under new rules: their posts are read beside the loop, a page of items at
// a time, and triaged some posts a turn, so that nobody waits for it.
//
// Reading begins once the new rules are on disk: then everything that was triaged under the former ones is, too.

#include "broker/session/core.h"

// Triaged in one turn: a millisecond's worth, of posts as they mostly are.
#define REVIEW_POSTS 48
#define REVIEW_BYTES ((size_t) 16 * 1024)

// Before a page is asked for again that the store did not answer.
#define REVIEW_PAUSE_MS 500

void reviewing_begin(struct broker *broker)
{
    broker->reviewing = (struct reviewing){ .from_batch = broker->current_number };
}

void reviewing_fini(struct broker *broker)
{
    report_destroy(&broker->reviewing.page);
}

static void reviewing_ask_page(struct broker *broker)
{
    struct reviewing *reviewing = &broker->reviewing;
    struct report *report = report_new(REPORT_POSTS);

    report->items = report_allocate(report, reviewing->item_count * sizeof *report->items);
    report->item_count = reviewing->item_count;
    memcpy(report->items, reviewing->items, reviewing->item_count * sizeof *report->items);
    reviewing->asked = true;
    broker_queue_report(broker, &report);
}

void reviewing_reported(struct broker *broker, struct report **report_p)
{
    struct reviewing *reviewing = &broker->reviewing;

    must(reviewing->asked);
    reviewing->asked = false;
    if (!(*report_p)->found) {
        if (reviewing->again_ms == 0) {
            broker_log(broker, "warning", "rules",
                       "open posts could not be read to look at them under the new rules; "
                       "what waits for agents waits until they can");
        }
        reviewing->again_ms = broker->now_ms + REVIEW_PAUSE_MS;
        return;
    }
    reviewing->again_ms = 0;
    reviewing->page = *report_p;
    reviewing->item_place = 0;
    reviewing->post_place = 0;
    *report_p = NULL;
}

// What one turn may still triage.
struct reviewing_turn {
    size_t posts, bytes;
};

static bool reviewing_turn_is_over(const struct reviewing_turn *turn)
{
    return turn->posts >= REVIEW_POSTS || turn->bytes >= REVIEW_BYTES;
}

// One item of the page: the first of its posts that is sensitive decides, else the first whose answer needs approval.
// False when the turn ended before its last post.
static bool reviewing_review_item(struct broker *broker, uint64_t item, struct reviewing_turn *turn)
{
    struct reviewing *reviewing = &broker->reviewing;
    const struct report *page = reviewing->page;
    struct needs needs = { 0 };
    const char *field = "";

    for (; reviewing->post_place < page->post_count && page->posts[reviewing->post_place].item == item;
         reviewing->post_place++) {
        const struct behalf_post *post = &page->posts[reviewing->post_place].post;
        if (reviewing->sensitive != NULL) {
            continue;
        }
        if (reviewing_turn_is_over(turn)) {
            return false;
        }
        turn->posts++;
        turn->bytes += strlen(post->text);
        if (!taking_needs(broker, post, &needs, &field)) {
            continue;
        }
        reviewing->sensitive = needs.audience == AUDIENCE_PR ? post : NULL;
        reviewing->approval = reviewing->approval == NULL && needs.approval ? post : reviewing->approval;
    }
    const struct behalf_post *post = reviewing->sensitive != NULL ? reviewing->sensitive : reviewing->approval;
    if (post != NULL && !taking_needs(broker, post, &needs, &field)) {
        post = NULL;
    }
    reviewing->sensitive = reviewing->approval = NULL;
    desk_reviewed(broker->desk, item, post, post == NULL ? NULL : &needs, broker->now_ms);
    return true;
}

// Returns whether all of the page has been gone through.
static bool reviewing_review_page(struct broker *broker)
{
    struct reviewing *reviewing = &broker->reviewing;
    struct reviewing_turn turn = { 0 };

    while (reviewing->item_place < reviewing->item_count && !reviewing_turn_is_over(&turn) &&
           reviewing_review_item(broker, reviewing->items[reviewing->item_place], &turn)) {
        reviewing->item_place++;
        turn.posts++;
    }
    return reviewing->item_place == reviewing->item_count;
}

static void reviewing_end_page(struct broker *broker)
{
    struct reviewing *reviewing = &broker->reviewing;

    report_destroy(&reviewing->page);
    reviewing->item_count = 0;
    if (desk_review_left(broker->desk) == 0) {
        broker_log(broker, "info", "rules", "version %" PRIu64 " has reached all open items",
                   rules_policy(broker->rules)->version);
    }
}

int64_t reviewing_tick(struct broker *broker)
{
    struct reviewing *reviewing = &broker->reviewing;

    if (desk_review_left(broker->desk) == 0 || reviewing->asked || broker->current_number <= reviewing->from_batch ||
        (broker->out && broker->current_number == reviewing->from_batch + 1)) {
        return -1;
    }
    if (reviewing->page != NULL) {
        if (reviewing_review_page(broker)) {
            reviewing_end_page(broker);
        }
        return 0;
    }
    if (broker->now_ms < reviewing->again_ms) {
        return reviewing->again_ms - broker->now_ms;
    }
    if (reviewing->item_count == 0) {
        reviewing->item_count = desk_review_next(broker->desk, reviewing->items, broker->now_ms);
    }
    if (reviewing->item_count == 0) {
        reviewing_end_page(broker);
        return desk_review_left(broker->desk) == 0 ? -1 : 0;
    }
    reviewing_ask_page(broker);
    return -1;
}
