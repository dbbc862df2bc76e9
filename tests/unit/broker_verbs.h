// broker_verbs.h - what the tests of a broker say again and again: a feed, people and a control signed in, a post, a
// take.

#ifndef TESTS_BROKER_VERBS_H
#define TESTS_BROKER_VERBS_H

#include "tests/unit/broker_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// Peers of the tests; the numbers mean nothing.
enum { FEED = 1, ASHA = 2, BEN = 3, PETRA = 4, CONTROL = 5, OTHER = 6, SAM = 7 };

#define ABOUT(kind, field, ...) ((struct behalf_message){ .type = BEHALF_##kind, .field = { __VA_ARGS__ } })

static inline int set_up(void **state)
{
    static struct world the_world;

    world_init(&the_world);
    *state = &the_world;
    return 0;
}

static inline int tear_down(void **state)
{
    world_fini(*state);
    return 0;
}

static inline void sign_in_all(struct world *world)
{
    expect_type(world_hello(world, FEED, "connector", "feed"), BEHALF_WELCOME);
    expect_type(world_hello(world, ASHA, "person", "asha"), BEHALF_WELCOME);
    expect_type(world_hello(world, PETRA, "person", "petra"), BEHALF_WELCOME);
    expect_type(world_hello(world, CONTROL, "control", "ctl"), BEHALF_WELCOME);
}

static inline int64_t post(struct world *world, const char *id, const char *text)
{
    const struct behalf_message *taken = world_ask(world, FEED, world_post(id, world->now_ms, text));

    expect_type(taken, BEHALF_TAKEN);
    return taken->taken.item;
}

// Takes the offer that the peer was told of; returns its lease.
static inline int64_t take(struct world *world, uint64_t peer, int64_t item)
{
    const struct behalf_message *shown = world_told(world, peer, BEHALF_ITEM);

    expect_type(shown, BEHALF_ITEM);
    assert_int_equal(shown->item.item, item);
    int64_t lease = shown->item.lease;
    if (strcmp(shown->item.state, "offered") == 0) {
        expect_type(world_ask(world, peer, ABOUT(TAKE, take, .item = item, .lease = lease)), BEHALF_DONE);
    }
    return lease;
}

static inline struct behalf_message answering(int64_t item, int64_t lease)
{
    return ABOUT(ANSWER, answer, .item = item, .lease = lease, .text = "We are on it.");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
