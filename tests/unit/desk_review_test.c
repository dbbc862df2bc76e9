// desk_review_test.c - new rules reach what is open: an item at a time, in every state, and nothing is offered before.

#include "broker/desk/parts.h"
#include "tests/unit/desk_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define ABOUT(TYPE, field, ...) ((struct behalf_message){ .type = BEHALF_##TYPE, .field = { __VA_ARGS__ } })

static int set_up(void **state)
{
    static struct world world;
    world_init(&world);
    world_start(&world);
    *state = &world;
    return 0;
}

static int tear_down(void **state)
{
    world_fini(*state);
    return 0;
}

// ---- verbs ----

static void begin_review(struct world *world)
{
    world->policy.version++;
    desk_apply(world->desk, &world->policy,
               &(struct rules_record){ .version = world->policy.version, .name = "", .text = "" }, world->now_ms);
    desk_check(world->desk);
}

static const struct needs sensitive = { .brand = ACME,
                                        .channel = CHIRP,
                                        .language = EN,
                                        .audience = AUDIENCE_PR,
                                        .author = "1",
                                        .rule = "sensitive boycott",
                                        .detail = "matched boycott*" };

static const struct behalf_post text = { .channel = "chirp",
                                         .post = "1",
                                         .brand = "acme",
                                         .author = "1",
                                         .author_name = "",
                                         .text = "boycott",
                                         .language = "",
                                         .thread = "",
                                         .parent = "",
                                         .link = "" };

// Has everything looked at; what is in `found` turns out to be sensitive.
static void review_all(struct world *world, const uint64_t *found, size_t found_count)
{
    uint64_t items[DESK_REVIEW_PAGE_MAX];
    while (desk_review_left(world->desk)) {
        size_t count = desk_review_next(world->desk, items, world->now_ms);
        desk_check(world->desk);
        for (size_t i = 0; i < count; i++) {
            bool is_found = false;
            for (size_t k = 0; k < found_count; k++) {
                is_found = is_found || found[k] == items[i];
            }
            desk_reviewed(world->desk, items[i], is_found ? &text : NULL, is_found ? &sensitive : NULL, world->now_ms);
            desk_check(world->desk);
        }
    }
}

static void take(struct world *world, uint64_t session, uint64_t item)
{
    world_ask(world, session, ABOUT(TAKE, take, .item = (int64_t) item, .lease = world_lease(world, session, item)));
}

static const struct item *expect_with_pr(const struct world *world, uint64_t id)
{
    const struct item *item = item_find(world->desk, id);
    assert_non_null(item);
    assert_int_equal(item->queue->audience, AUDIENCE_PR);
    assert_true(item->sealed);
    assert_int_equal(world_events(world, id, "reviewed"), 1);
    return item;
}

// ---- claims ----

static void sensitive_items_leave_agents_in_every_state(void **state)
{
    struct world *world = *state;
    world->people[ASHA].capacity = 6;
    world->people[BEN].approve_all = true;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t items[6];
    static const char *const ids[] = { "offered", "held", "parked", "sending" };
    for (size_t i = 0; i < 4; i++) {
        items[i] = world_post(world, (struct world_post){ .id = ids[i] });
    }
    for (size_t i = 1; i < 4; i++) {
        take(world, asha, items[i]);
    }
    int64_t held_lease = world_lease(world, asha, items[1]);
    world_ask(world, asha,
              ABOUT(PARK, park, .item = (int64_t) items[2], .lease = world_lease(world, asha, items[2]),
                    .until_ms = world->now_ms + 100000, .reason = ""));
    world_ask(world, asha,
              ABOUT(ANSWER, answer, .item = (int64_t) items[3], .lease = world_lease(world, asha, items[3]),
                    .text = "thanks"));
    assert_int_equal(desk_item_state(world->desk, items[3]), ITEM_SENDING); // nobody takes replies out
    world_ask(world, asha, ABOUT(PRESENCE, presence, .state = "away", .reason = "break"));
    uint64_t ben = world_sign_in(world, BEN);
    items[4] = world_post(world, (struct world_post){ .id = "approval", .language = DE });
    take(world, ben, items[4]);
    world_ask(world, ben,
              ABOUT(ANSWER, answer, .item = (int64_t) items[4], .lease = world_lease(world, ben, items[4]),
                    .text = "thanks"));
    assert_int_equal(item_find(world->desk, items[4])->queue->audience, AUDIENCE_APPROVER);
    items[5] = world_post(world, (struct world_post){ .id = "offered to ben" });
    world_post(world, (struct world_post){ .id = "offered to ben, too" });
    items[0] = world_post(world, (struct world_post){ .id = "waiting" });
    assert_int_equal(desk_item_state(world->desk, items[0]), ITEM_WAITING);
    assert_int_equal(desk_item_state(world->desk, items[1]), ITEM_HELD);
    assert_int_equal(desk_item_state(world->desk, items[2]), ITEM_PARKED);
    assert_int_equal(desk_item_state(world->desk, items[5]), ITEM_OFFERED);
    begin_review(world);
    review_all(world, items, 6);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(expect_with_pr(world, items[i])->state, ITEM_WAITING);
        assert_string_equal(words_text(&world->desk->words, item_find(world->desk, items[i])->reason),
                            "sensitive boycott");
    }
    const struct behalf_message *gone = world_message(world, asha, BEHALF_GONE);
    assert_non_null(gone);
    assert_int_equal(gone->gone.item, items[1]);
    assert_int_equal(gone->gone.lease, held_lease);
    assert_non_null(world_message(world, ben, BEHALF_GONE));
    assert_int_equal(world_events(world, items[3], "reply withdrawn"), 1);
    // What is written afterwards under the old lease is refused.
    const struct behalf_message *answer = world_ask(
        world, asha, ABOUT(ANSWER, answer, .item = (int64_t) items[1], .lease = held_lease, .text = "thanks"));
    assert_int_equal(answer->type, BEHALF_ERROR);
}

// A reply that a connector has cannot be called back: PR has the post anew, and the item, too, should the reply fail.
static void of_one_whose_reply_is_out_pr_has_the_post_anew(void **state)
{
    struct world *world = *state;
    uint64_t connector = world_connect(world, "one", false);
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = world_post(world, (struct world_post){ .id = "1" });
    take(world, asha, item);
    const struct behalf_message *done = world_ask(
        world, asha,
        ABOUT(ANSWER, answer, .item = (int64_t) item, .lease = world_lease(world, asha, item), .text = "thanks"));
    int64_t reply = done->done.reply;
    begin_review(world);
    review_all(world, &item, 1);
    assert_int_equal(desk_item_state(world->desk, item), ITEM_SENDING);
    assert_true(item_find(world->desk, item)->sealed);
    const struct change *again = world_change(world, CHANGE_POST_AGAIN);
    assert_non_null(again);
    assert_int_not_equal(again->post_again.item, item);
    assert_int_equal(item_find(world->desk, again->post_again.item)->queue->audience, AUDIENCE_PR);
    world_ask(world, connector, ABOUT(SETTLE, settle, .reply = reply, .fate = "failed", .reason = "", .reference = ""));
    assert_int_equal(expect_with_pr(world, item)->state, ITEM_WAITING);
}

static void nothing_is_offered_or_read_before_it_was_looked_at(void **state)
{
    struct world *world = *state;
    uint64_t items[DESK_REVIEW_PAGE_MAX];
    uint64_t first = world_post(world, (struct world_post){ .id = "1" });
    uint64_t second = world_post(world, (struct world_post){ .id = "2" });
    begin_review(world);
    uint64_t ben = world_sign_in(world, BEN); // of capacity 2
    const struct person *ben_himself = world->desk->people[BEN];
    assert_int_equal(desk_items_of(world->desk, BEN), 0);
    assert_int_equal(authority_sight(world->desk, ben_himself, item_find(world->desk, first)), SIGHT_ABSENT + 1);
    assert_int_equal(authority_sight(world->desk, NULL, item_find(world->desk, first)), SIGHT_WHOLE);
    // A post that joins, and time, change nothing of that; what is new goes its way.
    world_post(world, (struct world_post){ .id = "3", .thread = "1", .author = "1", .band = 0 });
    world_pass(world, 60000);
    assert_int_equal(desk_items_of(world->desk, BEN), 0);
    uint64_t later = world_post(world, (struct world_post){ .id = "4" });
    assert_int_not_equal(world_lease(world, ben, later), 0);
    size_t count = desk_review_next(world->desk, items, world->now_ms);
    assert_int_equal(count, 2);
    assert_int_equal(items[0], first);
    assert_int_equal(items[1], second);
    desk_check(world->desk);
    assert_int_equal(world_lease(world, ben, first), 0);
    desk_reviewed(world->desk, first, &text, &sensitive, world->now_ms);
    assert_int_equal(world_lease(world, ben, first), 0);
    desk_reviewed(world->desk, second, NULL, NULL, world->now_ms);
    assert_int_not_equal(world_lease(world, ben, second), 0);
    assert_int_not_equal(desk_review_left(world->desk), 0);
    review_all(world, NULL, 0);
    expect_with_pr(world, first);
    assert_int_equal(authority_sight(world->desk, ben_himself, item_find(world->desk, second)), SIGHT_OPEN);
}

// PR gives one back while others are still being looked at: it is not looked at again, and not forgotten.
static void what_pr_returns_meanwhile_goes_to_agents(void **state)
{
    struct world *world = *state;
    uint64_t items[DESK_REVIEW_PAGE_MAX];
    uint64_t pia = world_sign_in(world, PIA);
    uint64_t item = world_post(world, (struct world_post){ .id = "1", .sensitive = true });
    take(world, pia, item);
    world_post(world, (struct world_post){ .id = "2" });
    begin_review(world);
    assert_int_equal(desk_review_next(world->desk, items, world->now_ms), 1); // what is in hands
    desk_reviewed(world->desk, items[0], NULL, NULL, world->now_ms);
    assert_int_equal(desk_review_next(world->desk, items, world->now_ms), 1); // the other one
    assert_int_not_equal(items[0], item);
    world_ask(world, pia,
              ABOUT(RETURN, return_item, .item = (int64_t) item, .lease = world_lease(world, pia, item),
                    .guidance = "say sorry"));
    uint64_t asha = world_sign_in(world, ASHA);
    assert_int_not_equal(world_lease(world, asha, item), 0);
    desk_reviewed(world->desk, items[0], NULL, NULL, world->now_ms);
    review_all(world, NULL, 0);
}

static void new_rights_and_service_levels_reach_what_waits(void **state)
{
    struct world *world = *state;
    uint64_t ben = world_sign_in(world, BEN);
    uint64_t item = world_post(world, (struct world_post){ .id = "1", .sensitive = true });
    assert_int_equal(desk_items_of(world->desk, BEN), 0);
    world->people[BEN].audiences |= 1u << AUDIENCE_PR;
    world->brands[ACME].service_level_ms[AUDIENCE_PR] = 5000;
    begin_review(world);
    review_all(world, NULL, 0);
    assert_int_not_equal(world_lease(world, ben, item), 0);
    assert_int_equal(item_find(world->desk, item)->due_ms, world->now_ms + 5000);
    assert_int_equal(world_events(world, item, "reviewed"), 0);
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(sensitive_items_leave_agents_in_every_state),
        CLAIM(of_one_whose_reply_is_out_pr_has_the_post_anew),
        CLAIM(nothing_is_offered_or_read_before_it_was_looked_at),
        CLAIM(what_pr_returns_meanwhile_goes_to_agents),
        CLAIM(new_rights_and_service_levels_reach_what_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
