// desk_outbox_test.c - very many replies and connectors: the order in which replies go, that a freeze takes nobody's
// place, and that what is much is done a slice at a time.  What a single reply goes through is in desk_test.c.

#include "broker/desk/parts.h"
#include "tests/unit/desk_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int set_up(void **state)
{
    static struct world world;
    world_init(&world);
    world.people[ASHA].capacity = 1000;
    world.people[BEN].capacity = 1;
    world.people[SAM].capacity = 1000;
    world.people[SAM].audiences |= 1u << AUDIENCE_AGENT;
    world_start(&world);
    *state = &world;
    return 0;
}

static int tear_down(void **state)
{
    world_fini(*state);
    return 0;
}

static uint64_t post(struct world *world, uint32_t brand)
{
    static unsigned count;
    char id[16];
    snprintf(id, sizeof id, "%u", ++count);
    return world_post(world, (struct world_post){ .id = id, .brand = brand, .author = id });
}

static void take(struct world *world, uint64_t session, uint64_t item)
{
    if (desk_item_state(world->desk, item) == ITEM_OFFERED) {
        world_ask(
            world, session,
            (struct behalf_message){ .type = BEHALF_TAKE,
                                     .take = { .item = (int64_t) item, .lease = world_lease(world, session, item) } });
    }
    assert_int_equal(desk_item_state(world->desk, item), ITEM_HELD);
}

// Returns the reply's item.
static uint64_t answer(struct world *world, uint64_t session, uint32_t brand)
{
    uint64_t item = post(world, brand);
    take(world, session, item);
    const struct behalf_message *done = world_ask(
        world, session,
        (struct behalf_message){
            .type = BEHALF_ANSWER,
            .answer = { .item = (int64_t) item, .lease = world_lease(world, session, item), .text = "Hello." } });
    assert_int_equal(done->type, BEHALF_DONE);
    return item;
}

static void freeze(struct world *world, const char *brand, bool frozen)
{
    world_ask(world, 0,
              (struct behalf_message){ .type = BEHALF_FREEZE,
                                       .freeze = { .brand = brand, .frozen = frozen, .reason = "x" } });
}

static void expect_handed(const struct world *world, const uint64_t *items, size_t count)
{
    assert_int_equal(world->desk->connector_count, 1);
    const struct reply *reply = world->desk->connectors[0]->replies.first;
    for (size_t i = 0; i < count; i++, reply = reply->next) {
        assert_non_null(reply);
        assert_int_equal(reply->item_id, items[i]);
    }
    assert_null(reply);
}

static size_t handed(const struct world *world)
{
    size_t count = 0;
    for (size_t i = 0; i < world->desk->connector_count; i++) {
        count += world->desk->connectors[i]->handed;
    }
    return count;
}

static void replies_of_all_brands_go_in_the_order_of_their_answers(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t items[8];
    for (uint32_t i = 0; i < 8; i++) {
        items[i] = answer(world, asha, i % 3 == 0 ? FIZZ : ACME);
    }
    world_restart(world);
    world_connect(world, "c1", false);
    expect_handed(world, items, 8);
}

static void a_freeze_takes_no_replys_place(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t items[4] = { answer(world, asha, ACME), answer(world, asha, FIZZ) };
    for (size_t i = 2; i < 4; i++) {
        items[i] = post(world, i == 2 ? ACME : FIZZ);
        take(world, asha, items[i]);
    }
    freeze(world, "acme", true);
    for (size_t i = 2; i < 4; i++) {
        world_ask(world, asha,
                  (struct behalf_message){ .type = BEHALF_ANSWER,
                                           .answer = { .item = (int64_t) items[i],
                                                       .lease = world_lease(world, asha, items[i]),
                                                       .text = "Hello." } });
    }
    freeze(world, "acme", false);
    world_connect(world, "c1", false);
    expect_handed(world, items, 4);
}

static void frozen_replies_wait_while_others_go(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t items[3];
    items[1] = answer(world, asha, ACME);
    items[0] = answer(world, asha, FIZZ);
    items[2] = answer(world, asha, ACME);
    freeze(world, "acme", true);
    world_connect(world, "c1", false);
    expect_handed(world, items, 1);
    freeze(world, "acme", false);
    expect_handed(world, items, 3);
}

static void many_replies_are_handed_out_and_given_up_in_slices(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    enum { COUNT = 3 * OUTBOX_HANDED_MAX - 100 };
    for (int i = 0; i < COUNT; i++) {
        answer(world, asha, FIZZ);
    }
    freeze(world, "fizz", true);
    uint64_t sessions[3] = { world_connect(world, "c1", false), world_connect(world, "c2", false),
                             world_connect(world, "c3", false) };
    assert_int_equal(handed(world), 0);
    freeze(world, "fizz", false);
    size_t first = handed(world);
    assert_in_range(first, 1, 256); // of what three could have
    assert_int_equal(desk_tick(world->desk, world->now_ms), 0);
    assert_in_range(handed(world), first + 1, 512);
    world_pass(world, 1);
    world_pass(world, 1);
    assert_int_equal(handed(world), COUNT);
    desk_check(world->desk);

    desk_sessions_lost(world->desk, sessions, 3, world->now_ms);
    world->now_ms += world->policy.times.fate_ms;
    assert_int_equal(desk_tick(world->desk, world->now_ms), 0);
    assert_int_equal(handed(world), COUNT - 256);
    // Who comes back meanwhile keeps what was not given up.
    const struct connector *kept = world->desk->connectors[0];
    size_t has = kept->handed;
    assert_true(has > 0);
    world_connect(world, kept->instance, false);
    world_pass(world, 1);
    world_pass(world, 1);
    assert_int_equal(handed(world), has);
    assert_int_equal(world->desk->connector_count, 1);
}

static size_t reserved(const struct world *world)
{
    return world->desk->people[BEN]->reserved.count;
}

// Transfers many items to ben, who is full.
static uint64_t transfer_many(struct world *world, int count)
{
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t items[600];
    assert_in_range(count, 1, 600);
    for (int i = 0; i < count; i++) {
        items[i] = post(world, ACME);
        take(world, asha, items[i]);
    }
    uint64_t ben = world_sign_in(world, BEN);
    for (int i = 0; i < count; i++) {
        world_ask(world, asha,
                  (struct behalf_message){ .type = BEHALF_TRANSFER,
                                           .transfer = { .item = (int64_t) items[i],
                                                         .lease = world_lease(world, asha, items[i]),
                                                         .person = "ben",
                                                         .reason = "his" } });
    }
    assert_int_equal(reserved(world), count - 1);
    return ben;
}

static void what_waits_for_somebody_who_leaves_is_released_in_slices(void **state)
{
    struct world *world = *state;
    uint64_t ben = transfer_many(world, 600);
    desk_session_left(world->desk, ben, world->now_ms);
    assert_in_range(reserved(world), 1, 599 - 256);
    assert_int_equal(desk_tick(world->desk, world->now_ms), 0);
    world_pass(world, 1);
    world_pass(world, 1);
    assert_int_equal(reserved(world), 0);
    world_sign_in(world, SAM);
    assert_int_equal(world->desk->people[SAM]->item_count, 600); // others have what was released
    desk_check(world->desk);
}

static void what_somebody_comes_back_for_in_time_stays_theirs(void **state)
{
    struct world *world = *state;
    uint64_t ben = transfer_many(world, 600);
    desk_session_left(world->desk, ben, world->now_ms);
    size_t left = reserved(world);
    assert_true(left > 0);
    world_sign_in(world, BEN);
    world_pass(world, 1);
    world_pass(world, 1);
    assert_int_equal(reserved(world), left - 1); // one is in his hands
    desk_check(world->desk);
}

#define CLAIM(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(replies_of_all_brands_go_in_the_order_of_their_answers),
        CLAIM(a_freeze_takes_no_replys_place),
        CLAIM(frozen_replies_wait_while_others_go),
        CLAIM(many_replies_are_handed_out_and_given_up_in_slices),
        CLAIM(what_waits_for_somebody_who_leaves_is_released_in_slices),
        CLAIM(what_somebody_comes_back_for_in_time_stays_theirs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
