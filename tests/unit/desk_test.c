// desk_test.c - the rules of the desk, each as a sentence.

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
    world_start(&world);
    *state = &world;
    return 0;
}

static int tear_down(void **state)
{
    world_fini(*state);
    return 0;
}

static void expect_error(const struct behalf_message *answer, const char *code)
{
    assert_int_equal(answer->type, BEHALF_ERROR);
    assert_string_equal(answer->error.code, code);
}

static void expect_done(const struct behalf_message *answer, const char *state)
{
    if (answer->type == BEHALF_ERROR) {
        print_error("refused: %s %s\n", answer->error.code, answer->error.reason);
    }
    assert_int_equal(answer->type, BEHALF_DONE);
    assert_string_equal(answer->done.state, state);
}

#define ABOUT(kind, field, ...) ((struct behalf_message){ .type = BEHALF_##kind, .field = { __VA_ARGS__ } })

static void take(struct world *world, uint64_t session, uint64_t item)
{
    expect_done(world_ask(world, session,
                          ABOUT(TAKE, take, .item = (int64_t) item, .lease = world_lease(world, session, item))),
                "held");
}

static const struct behalf_message *answer(struct world *world, uint64_t session, uint64_t item, const char *text)
{
    return world_ask(
        world, session,
        ABOUT(ANSWER, answer, .item = (int64_t) item, .lease = world_lease(world, session, item), .text = text));
}

static const struct behalf_message *settle(struct world *world, uint64_t session, uint64_t reply, const char *fate)
{
    return world_ask(world, session,
                     ABOUT(SETTLE, settle, .reply = (int64_t) reply, .fate = fate, .reason = "by the test"));
}

static uint64_t handed(const struct world *world, uint64_t session)
{
    const struct effect *effect = world_effect(world, session, EFFECT_HAND_REPLY);
    return effect != NULL ? effect->reply : 0;
}

// ---- matching ----

static void a_post_is_offered_to_one_person(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t ben = world_sign_in(world, BEN);
    uint64_t item = world_post(world, (struct world_post){ .id = "1" });
    assert_int_equal((world_lease(world, asha, item) != 0) + (world_lease(world, ben, item) != 0), 1);
    assert_int_equal(desk_item_state(world->desk, item), ITEM_OFFERED);
}

static void an_item_waits_for_who_has_the_language(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = world_post(world, (struct world_post){ .id = "1", .language = DE });
    assert_int_equal(desk_item_state(world->desk, item), ITEM_WAITING);
    assert_int_equal(world_lease(world, asha, item), 0);
    uint64_t ben = world_sign_in(world, BEN);
    assert_int_not_equal(world_lease(world, ben, item), 0);
}

static void an_item_waits_for_who_has_the_skill(void **state)
{
    struct world *world = *state;
    uint64_t ben = world_sign_in(world, BEN);
    uint64_t item = world_post(world, (struct world_post){ .id = "1", .skills = 1 });
    assert_int_equal(world_lease(world, ben, item), 0);
    assert_int_not_equal(world_lease(world, world_sign_in(world, ASHA), item), 0);
}

static void the_higher_level_comes_first(void **state)
{
    struct world *world = *state;
    world->people[BEN].language_level[EN] = 9;
    world_sign_in(world, ASHA);
    world_pass(world, 1000);
    uint64_t ben = world_sign_in(world, BEN);
    desk_destroy(&world->desk);
    change_list_destroy(&world->list);
    world_start(world);
    uint64_t asha = world_sign_in(world, ASHA);
    ben = world_sign_in(world, BEN);
    uint64_t item = world_post(world, (struct world_post){ .id = "1" });
    assert_int_not_equal(world_lease(world, ben, item), 0);
    assert_int_equal(world_lease(world, asha, item), 0);
}

static void who_has_been_idle_longest_comes_first(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t ben = world_sign_in(world, BEN);
    uint64_t first = world_post(world, (struct world_post){ .id = "1" });
    uint64_t first_session = world_lease(world, asha, first) ? asha : ben;
    take(world, first_session, first);
    world_pass(world, 1000);
    expect_done(world_ask(world, first_session,
                          ABOUT(CLOSE, close, .item = (int64_t) first,
                                .lease = world_lease(world, first_session, first), .outcome = "noise")),
                "closed");
    uint64_t second = world_post(world, (struct world_post){ .id = "2" });
    assert_int_not_equal(world_lease(world, first_session == asha ? ben : asha, second), 0);
}

static void capacity_is_a_hard_limit(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    world_post(world, (struct world_post){ .id = "1" });
    uint64_t second = world_post(world, (struct world_post){ .id = "2" });
    assert_int_equal(world_lease(world, asha, second), 0);
    assert_int_equal(desk_items_of(world->desk, ASHA), 1);
}

static void urgent_items_come_before_older_ones(void **state)
{
    struct world *world = *state;
    uint64_t normal = world_post(world, (struct world_post){ .id = "1", .band = 2 });
    world_pass(world, 60000);
    uint64_t urgent = world_post(world, (struct world_post){ .id = "2", .band = 0 });
    uint64_t asha = world_sign_in(world, ASHA);
    assert_int_equal(world_lease(world, asha, normal), 0);
    assert_int_not_equal(world_lease(world, asha, urgent), 0);
}

static void waiting_raises_an_item_so_that_none_starves(void **state)
{
    struct world *world = *state;
    uint64_t normal = world_post(world, (struct world_post){ .id = "1", .band = 2 });
    world_pass(world, 3 * world->policy.times.band_raise_ms);
    uint64_t urgent = world_post(world, (struct world_post){ .id = "2", .band = 0 });
    uint64_t asha = world_sign_in(world, ASHA);
    assert_int_not_equal(world_lease(world, asha, normal), 0);
    assert_int_equal(world_lease(world, asha, urgent), 0);
}

static void less_time_left_comes_first(void **state)
{
    struct world *world = *state;
    world->brands[ACME].service_level_ms[AUDIENCE_AGENT] = 4 * 3600000;
    uint64_t relaxed = world_post(world, (struct world_post){ .id = "1" });
    uint64_t closing = world_post(world, (struct world_post){ .id = "2", .channel = REVIEWS });
    uint64_t asha = world_sign_in(world, ASHA);
    assert_int_equal(world_lease(world, asha, relaxed), 0);
    assert_int_not_equal(world_lease(world, asha, closing), 0);
}

// ---- offers and holds ----

static void an_automatic_brand_needs_no_taking(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = world_post(world, (struct world_post){ .id = "1", .brand = FIZZ });
    assert_int_equal(desk_item_state(world->desk, item), ITEM_HELD);
    expect_done(answer(world, asha, item, "On its way."), "sending");
}

static void an_offer_must_be_taken_before_it_is_answered(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = world_post(world, (struct world_post){ .id = "1" });
    expect_error(answer(world, asha, item, "Hello."), "STATE");
    take(world, asha, item);
    expect_done(answer(world, asha, item, "Hello."), "sending");
}

static void an_offer_not_taken_goes_to_somebody_else(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = world_post(world, (struct world_post){ .id = "1" });
    uint64_t ben = world_sign_in(world, BEN);
    assert_int_equal(world_lease(world, ben, item), 0);
    int64_t old_lease = world_lease(world, asha, item);
    world_pass(world, world->policy.times.offer_ms);
    assert_int_not_equal(world_lease(world, ben, item), 0);
    assert_non_null(world_message(world, asha, BEHALF_GONE));
    expect_error(world_ask(world, asha, ABOUT(TAKE, take, .item = (int64_t) item, .lease = old_lease)), "STALE");
}

static void missing_offers_makes_a_person_away(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    char id[2] = "a";
    for (uint32_t i = 0; i < world->policy.times.missed_offers; i++, id[0]++) {
        world_post(world, (struct world_post){ .id = id });
        world_pass(world, world->policy.times.offer_ms);
    }
    const struct behalf_message *told = world_message(world, asha, BEHALF_PRESENCE);
    assert_non_null(told);
    assert_string_equal(told->presence.state, "away");
    uint64_t item = world_post(world, (struct world_post){ .id = "z" });
    assert_int_equal(world_lease(world, asha, item), 0);
}

static void who_declines_is_not_offered_it_again_soon(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = world_post(world, (struct world_post){ .id = "1" });
    int64_t lease = world_lease(world, asha, item);
    expect_done(
        world_ask(world, asha, ABOUT(DECLINE, decline, .item = (int64_t) item, .lease = lease, .reason = "not mine")),
        "waiting");
    assert_int_equal(desk_item_state(world->desk, item), ITEM_WAITING);
    world_pass(world, world->policy.times.decline_ms - 1);
    assert_int_equal(world_lease(world, asha, item), lease);
    world_pass(world, 1);
    assert_int_equal(world_lease(world, asha, item), lease + 1);
}

static void a_lost_person_keeps_a_hold_for_the_grace(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = world_post(world, (struct world_post){ .id = "1" });
    take(world, asha, item);
    uint64_t ben = world_sign_in(world, BEN);
    desk_session_lost(world->desk, asha, world->now_ms);
    world_pass(world, world->policy.times.grace_ms - 1);
    assert_int_equal(desk_item_state(world->desk, item), ITEM_HELD);
    asha = world_sign_in(world, ASHA);
    assert_int_not_equal(world_lease(world, asha, item), 0);
    world_pass(world, world->policy.times.grace_ms);
    expect_done(answer(world, asha, item, "Back again."), "sending");
    assert_int_equal(world_lease(world, ben, item), 0);
}

static void a_hold_returns_after_the_grace(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = world_post(world, (struct world_post){ .id = "1" });
    take(world, asha, item);
    uint64_t ben = world_sign_in(world, BEN);
    desk_session_lost(world->desk, asha, world->now_ms);
    world_pass(world, world->policy.times.grace_ms);
    assert_int_not_equal(world_lease(world, ben, item), 0);
}

static void signing_out_returns_holds_at_once(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = world_post(world, (struct world_post){ .id = "1" });
    take(world, asha, item);
    desk_session_left(world->desk, asha, world->now_ms);
    assert_int_equal(desk_item_state(world->desk, item), ITEM_WAITING);
}

static void a_repeated_request_gets_its_first_answer(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = world_post(world, (struct world_post){ .id = "1" });
    take(world, asha, item);
    struct behalf_message request =
        ABOUT(ANSWER, answer, .item = (int64_t) item, .lease = world_lease(world, asha, item), .text = "Hello.");
    request.id = 900;
    int64_t reply = world_ask(world, asha, request)->done.reply;
    world_restart(world);
    asha = world_sign_in(world, ASHA);
    const struct behalf_message *again = world_ask(world, asha, request);
    expect_done(again, "sending");
    assert_true(again->done.repeated);
    assert_int_equal(again->done.reply, reply);
    assert_null(world_change(world, CHANGE_REPLY));
}

static void nobody_answers_what_another_holds(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = world_post(world, (struct world_post){ .id = "1" });
    take(world, asha, item);
    uint64_t ben = world_sign_in(world, BEN);
    expect_error(world_ask(world, ben,
                           ABOUT(ANSWER, answer, .item = (int64_t) item, .lease = world_lease(world, asha, item),
                                 .text = "Mine!")),
                 "STALE");
}

static void away_people_get_no_offers(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    expect_error(world_ask(world, asha, ABOUT(PRESENCE, presence, .state = "away")), "MISSING");
    expect_done(world_ask(world, asha, ABOUT(PRESENCE, presence, .state = "away", .reason = "lunch")), "away");
    uint64_t item = world_post(world, (struct world_post){ .id = "1" });
    assert_int_equal(world_lease(world, asha, item), 0);
    expect_done(world_ask(world, asha, ABOUT(PRESENCE, presence, .state = "available")), "available");
    assert_int_not_equal(world_lease(world, asha, item), 0);
}

static void who_was_away_is_away_after_reconnecting(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    world_ask(world, asha, ABOUT(PRESENCE, presence, .state = "away", .reason = "lunch"));
    desk_session_lost(world->desk, asha, world->now_ms);
    asha = world_sign_in(world, ASHA);
    uint64_t item = world_post(world, (struct world_post){ .id = "1" });
    assert_int_equal(world_lease(world, asha, item), 0);
}

// ---- PR ----

static void a_sensitive_post_goes_to_pr_alone(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t pia = world_sign_in(world, PIA);
    uint64_t item = world_post(world, (struct world_post){ .id = "1", .sensitive = true });
    assert_int_equal(world_lease(world, asha, item), 0);
    assert_int_not_equal(world_lease(world, pia, item), 0);
    assert_true(world_change(world, CHANGE_POST)->post.sensitive);
    assert_string_equal(world_change(world, CHANGE_ITEM)->item.escalated, "legal threat");
}

static void escalating_seals_an_item(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = world_post(world, (struct world_post){ .id = "1" });
    take(world, asha, item);
    expect_done(world_ask(world, asha,
                          ABOUT(ESCALATE, escalate, .item = (int64_t) item, .lease = world_lease(world, asha, item),
                                .reason = "smells of press")),
                "waiting");
    assert_int_equal(world_change(world, CHANGE_SEAL)->seal.item, item);
    uint64_t ben = world_sign_in(world, BEN);
    assert_int_equal(world_lease(world, ben, item), 0);
    uint64_t pia = world_sign_in(world, PIA);
    assert_int_not_equal(world_lease(world, pia, item), 0);
    assert_true(desk_shows_sealed(world->desk, pia, item));
    assert_false(desk_shows_sealed(world->desk, ben, item));
}

static void pr_needs_no_agents_skill(void **state)
{
    struct world *world = *state;
    world->people[PIA].skills = 0;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t pia = world_sign_in(world, PIA);
    uint64_t item = world_post(world, (struct world_post){ .id = "1", .skills = 1 });
    take(world, asha, item);
    world_ask(
        world, asha,
        ABOUT(ESCALATE, escalate, .item = (int64_t) item, .lease = world_lease(world, asha, item), .reason = "x"));
    assert_int_not_equal(world_lease(world, pia, item), 0);
}

static void a_sensitive_post_takes_a_held_item_from_its_agent(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = world_post(world, (struct world_post){ .id = "1", .thread = "t", .author = "zoe" });
    take(world, asha, item);
    int64_t lease = world_lease(world, asha, item);
    uint64_t same =
        world_post(world, (struct world_post){ .id = "2", .thread = "t", .author = "zoe", .sensitive = true });
    assert_int_equal(same, item);
    assert_non_null(world_message(world, asha, BEHALF_GONE));
    struct behalf_item view;
    assert_false(desk_show_item(world->desk, asha, item, (uint64_t) lease, world->list, &view));
    expect_error(answer(world, asha, item, "Too late."), "STALE");
    assert_int_equal(world_change(world, CHANGE_SEAL)->seal.item, item);
}

static void pr_returns_with_guidance(void **state)
{
    struct world *world = *state;
    uint64_t pia = world_sign_in(world, PIA);
    uint64_t item = world_post(world, (struct world_post){ .id = "1", .sensitive = true });
    take(world, pia, item);
    expect_done(world_ask(world, pia,
                          ABOUT(RETURN, return_item, .item = (int64_t) item, .lease = world_lease(world, pia, item),
                                .guidance = "say sorry")),
                "waiting");
    uint64_t asha = world_sign_in(world, ASHA);
    assert_int_not_equal(world_lease(world, asha, item), 0);
    assert_string_equal(world_change(world, CHANGE_NOTE)->note.kind, "guidance");
    assert_int_equal(world_change(world, CHANGE_UNSEAL)->seal.item, item);
}

static void pr_cannot_return_what_it_has_not_seen(void **state)
{
    struct world *world = *state;
    uint64_t pia = world_sign_in(world, PIA);
    uint64_t item =
        world_post(world, (struct world_post){ .id = "1", .thread = "t", .author = "z", .sensitive = true });
    take(world, pia, item);
    int64_t lease = world_lease(world, pia, item);
    world_post(world, (struct world_post){ .id = "2", .thread = "t", .author = "z", .sensitive = true });
    expect_error(
        world_ask(world, pia, ABOUT(RETURN, return_item, .item = (int64_t) item, .lease = lease, .guidance = "fine")),
        "STALE");
}

static void agents_cannot_return(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = world_post(world, (struct world_post){ .id = "1" });
    take(world, asha, item);
    expect_error(world_ask(world, asha,
                           ABOUT(RETURN, return_item, .item = (int64_t) item, .lease = world_lease(world, asha, item),
                                 .guidance = "x")),
                 "FORBIDDEN");
}

static void a_missed_service_level_escalates_where_the_brand_says_so(void **state)
{
    struct world *world = *state;
    world->brands[ACME].service_level_ms[AUDIENCE_AGENT] = 60000;
    world->brands[ACME].escalate_late = true;
    uint64_t item = world_post(world, (struct world_post){ .id = "1" });
    uint64_t pia = world_sign_in(world, PIA);
    world_pass(world, 59999);
    assert_int_equal(world_lease(world, pia, item), 0);
    world_pass(world, 1);
    assert_int_not_equal(world_lease(world, pia, item), 0);
    assert_int_equal(world_events(world, item, "late"), 1);
}

static void a_frozen_brands_new_items_go_to_pr_and_its_replies_wait(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = world_post(world, (struct world_post){ .id = "1" });
    take(world, asha, item);
    uint64_t pia = world_sign_in(world, PIA);
    expect_error(world_ask(world, asha, ABOUT(FREEZE, freeze, .brand = "acme", .frozen = true, .reason = "x")),
                 "FORBIDDEN");
    expect_done(world_ask(world, pia, ABOUT(FREEZE, freeze, .brand = "acme", .frozen = true, .reason = "storm")),
                "frozen");
    struct behalf_item view = { 0 };
    const struct effect *shown = world_effect(world, asha, EFFECT_SHOW_ITEM); // again, as it is frozen now
    assert_true(desk_show_item(world->desk, asha, item, shown->lease, world->list, &view));
    assert_true(view.frozen);
    uint64_t connector = world_connect(world, "c1", false);
    expect_done(answer(world, asha, item, "Hello."), "sending");
    assert_int_equal(handed(world, connector), 0);
    uint64_t second = world_post(world, (struct world_post){ .id = "2" });
    assert_int_equal(world_lease(world, asha, second), 0);
    assert_int_not_equal(world_lease(world, pia, second), 0);
    expect_done(world_ask(world, pia, ABOUT(FREEZE, freeze, .brand = "acme", .frozen = false, .reason = "over")),
                "lifted");
    assert_int_not_equal(handed(world, connector), 0);
}

// ---- threads ----

static void a_further_post_joins_the_open_item(void **state)
{
    struct world *world = *state;
    uint64_t item = world_post(world, (struct world_post){ .id = "1", .thread = "t", .author = "zoe" });
    assert_int_equal(world_post(world, (struct world_post){ .id = "2", .thread = "t", .author = "zoe" }), item);
    assert_int_not_equal(world_post(world, (struct world_post){ .id = "3", .thread = "t", .author = "yan" }), item);
    assert_int_equal(world_events(world, item, "merged"), 1);
}

static void who_speaks_to_two_brands_in_a_thread_has_an_open_item_of_each(void **state)
{
    struct world *world = *state;
    uint64_t of_acme = world_post(world, (struct world_post){ .id = "1", .thread = "t", .author = "zoe" });
    uint64_t of_fizz = world_post(world, (struct world_post){ .id = "2", .thread = "t", .author = "zoe", .brand = 1 });
    assert_int_not_equal(of_fizz, of_acme);
    for (int i = 0; i < 2; i++) {
        const char *ids[2][2] = { { "3", "4" }, { "5", "6" } };
        struct world_post again = { .id = ids[i][0], .thread = "t", .author = "zoe" };
        assert_int_equal(world_post(world, again), of_acme);
        again.id = ids[i][1];
        again.brand = 1;
        assert_int_equal(world_post(world, again), of_fizz);
        world_restart(world);
    }
}

static void a_post_while_the_reply_is_out_makes_a_follow_up_for_the_same_person(void **state)
{
    struct world *world = *state;
    uint64_t ben = world_sign_in(world, BEN);
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = world_post(world, (struct world_post){ .id = "1", .thread = "t", .author = "zoe" });
    uint64_t who = world_lease(world, asha, item) ? asha : ben;
    take(world, who, item);
    expect_done(answer(world, who, item, "Hello."), "sending");
    world_pass(world, 1000);
    uint64_t second = world_post(world, (struct world_post){ .id = "2", .thread = "t", .author = "zoe" });
    assert_int_not_equal(second, item);
    assert_int_not_equal(world_lease(world, who, second), 0);
    assert_int_equal(world_events(world, second, "follow-up"), 1);
}

// Posts to a brand and answers; asha has what one brand hands her at once.
static uint64_t post_and_answer(struct world *world, uint64_t asha, struct world_post post)
{
    uint64_t item = world_post(world, post);
    if (post.brand == ACME) {
        take(world, asha, item);
    }
    expect_done(answer(world, asha, item, "Hello."), "sending");
    return item;
}

static void a_sensitive_post_takes_back_the_reply_of_its_own_brand(void **state)
{
    struct world *world = *state;
    const char *ids[2][3] = { { "1", "2", "3" }, { "4", "5", "6" } };
    const char *threads[2] = { "t", "u" };
    uint64_t asha = world_sign_in(world, ASHA);
    for (uint32_t first = ACME; first <= FIZZ; first++) {
        uint64_t items[2];
        for (uint32_t i = 0; i < 2; i++) {
            struct world_post post = { .id = ids[first][i], .thread = threads[first], .author = "zoe" };
            post.brand = i == 0 ? first : 1 - first;
            items[post.brand] = post_and_answer(world, asha, post);
        }
        struct world_post crisis = { .id = ids[first][2], .thread = threads[first], .author = "zoe" };
        crisis.brand = FIZZ;
        crisis.sensitive = true;
        assert_int_equal(world_post(world, crisis), items[FIZZ]);
        assert_int_equal(desk_item_state(world->desk, items[FIZZ]), ITEM_WAITING);
        assert_int_equal(desk_item_state(world->desk, items[ACME]), ITEM_SENDING);
    }
}

static void expect_no_follow_up_for_another_brand(struct world *world)
{
    struct world_post post = { .id = "2", .thread = "t", .author = "zoe", .brand = FIZZ };
    assert_int_equal(world_events(world, world_post(world, post), "follow-up"), 0);
    post = (struct world_post){ .id = "3", .thread = "t", .author = "zoe", .brand = ACME };
    assert_int_equal(world_events(world, world_post(world, post), "follow-up"), 1);
}

static void a_post_to_another_brand_does_not_follow_what_is_out(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    post_and_answer(world, asha, (struct world_post){ .id = "1", .thread = "t", .author = "zoe" });
    expect_no_follow_up_for_another_brand(world);
}

static void a_post_to_another_brand_does_not_follow_what_has_ended(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t connector = world_connect(world, "c1", false);
    post_and_answer(world, asha, (struct world_post){ .id = "1", .thread = "t", .author = "zoe" });
    expect_done(settle(world, connector, handed(world, connector), "confirmed"), "");
    world_restart(world);
    expect_no_follow_up_for_another_brand(world);
}

static void a_known_author_goes_to_who_answered_last(void **state)
{
    struct world *world = *state;
    uint64_t ben = world_sign_in(world, BEN);
    uint64_t connector = world_connect(world, "c1", false);
    uint64_t item = world_post(world, (struct world_post){ .id = "1", .author = "zoe" });
    take(world, ben, item);
    answer(world, ben, item, "Hello.");
    expect_done(settle(world, connector, handed(world, connector), "confirmed"), "");
    world_pass(world, 2 * world->policy.times.follow_up_ms);
    uint64_t asha = world_sign_in(world, ASHA);
    world_pass(world, 1);
    world_restart(world);
    asha = world_sign_in(world, ASHA);
    ben = world_sign_in(world, BEN);
    uint64_t second = world_post(world, (struct world_post){ .id = "2", .author = "zoe" });
    assert_int_equal(world_lease(world, asha, second), 0);
    assert_int_not_equal(world_lease(world, ben, second), 0);
}

static void a_full_preferred_person_is_not_waited_for(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t first = world_post(world, (struct world_post){ .id = "1", .thread = "t", .author = "zoe" });
    take(world, asha, first);
    answer(world, asha, first, "Hello.");
    uint64_t other = world_post(world, (struct world_post){ .id = "2" });
    take(world, asha, other);
    uint64_t second = world_post(world, (struct world_post){ .id = "3", .thread = "t", .author = "zoe" });
    assert_int_equal(desk_item_state(world->desk, second), ITEM_WAITING);
    uint64_t ben = world_sign_in(world, BEN);
    assert_int_not_equal(world_lease(world, ben, second), 0);
}

static void noise_closes_at_once(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = world_post(world, (struct world_post){ .id = "1", .noise = true });
    assert_string_equal(world_outcome(world, item), "noise");
    assert_int_equal(world_lease(world, asha, item), 0);
}

static void deleting_the_only_post_withdraws_the_item(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = world_post(world, (struct world_post){ .id = "1" });
    take(world, asha, item);
    desk_post_deleted(world->desk, item, "acme", &(struct behalf_delete_post){ .channel = "chirp", .post = "1" },
                      world->now_ms);
    assert_string_equal(world_outcome(world, item), "withdrawn");
    assert_non_null(world_message(world, asha, BEHALF_GONE));
}

static void deleting_one_of_two_posts_twice_does_not_withdraw(void **state)
{
    struct world *world = *state;
    uint64_t item = world_post(world, (struct world_post){ .id = "1", .thread = "t", .author = "z" });
    world_post(world, (struct world_post){ .id = "2", .thread = "t", .author = "z" });
    for (int i = 0; i < 2; i++) {
        desk_post_deleted(world->desk, item, "acme", &(struct behalf_delete_post){ .channel = "chirp", .post = "1" },
                          world->now_ms);
    }
    assert_string_equal(world_outcome(world, item), "");
}

static void deleting_stops_a_reply_not_handed_out(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = world_post(world, (struct world_post){ .id = "1" });
    take(world, asha, item);
    answer(world, asha, item, "Hello.");
    desk_post_deleted(world->desk, item, "acme", &(struct behalf_delete_post){ .channel = "chirp", .post = "1" },
                      world->now_ms);
    assert_string_equal(world_outcome(world, item), "withdrawn");
    assert_int_equal(handed(world, world_connect(world, "c1", false)), 0);
}

static void an_edit_is_shown_to_who_has_the_item(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = world_post(world, (struct world_post){ .id = "1" });
    take(world, asha, item);
    change_list_destroy(&world->list);
    world->list = change_list_new();
    desk_set_list(world->desk, world->list);
    struct needs needs = {
        .brand = ACME, .channel = CHIRP, .language = EN, .audience = AUDIENCE_AGENT, .rule = "", .detail = ""
    };
    struct behalf_edit edit = { .channel = "chirp", .post = "1", .text = "never mind" };
    edit.edited_ms = world->now_ms - 1; // a rule that comes after what PR said looks at what is told after it
    world_edit(world, item, &edit, &needs);
    assert_int_equal(world_change(world, CHANGE_POST_CHANGE)->post_change.at_ms, world->now_ms);
    assert_int_not_equal(world_lease(world, asha, item), 0);
    needs.audience = AUDIENCE_PR;
    needs.rule = "legal threat";
    world_edit(world, item, &edit, &needs);
    assert_non_null(world_message(world, asha, BEHALF_GONE));
    assert_true(world_change(world, CHANGE_POST_CHANGE)->post_change.sensitive);
}

static const struct needs sensitive_now = {
    .brand = ACME, .channel = CHIRP, .language = EN, .audience = AUDIENCE_PR, .rule = "legal threat", .detail = ""
};

static uint64_t an_answered_item(struct world *world, uint64_t session)
{
    uint64_t connector = world_connect(world, "c1", false);
    uint64_t item = world_post(world, (struct world_post){ .id = "1", .thread = "t", .author = "a" });
    take(world, session, item);
    answer(world, session, item, "Hello.");
    expect_done(settle(world, connector, handed(world, connector), "confirmed"), "");
    assert_string_equal(world_outcome(world, item), "answered");
    return item;
}

static void noise_spares_who_goes_on_with_somebody(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    world_connect(world, "c1", false);
    // A picture, sent in a thread because an agent asked for one; then one by its author where there are no threads.
    uint64_t item = world_post(world, (struct world_post){ .id = "1", .thread = "t", .author = "jo" });
    take(world, asha, item);
    expect_done(answer(world, asha, item, "Send us a picture, please."), "sending");
    uint64_t while_sending =
        world_post(world, (struct world_post){ .id = "2", .thread = "t", .author = "jo", .noise = true });
    assert_string_equal(world_outcome(world, while_sending), "");
    uint64_t elsewhere = world_post(world, (struct world_post){ .id = "3", .author = "jo", .noise = true });
    assert_string_equal(world_outcome(world, elsewhere), "");
    uint64_t of_another = world_post(world, (struct world_post){ .id = "4", .author = "bo", .noise = true });
    assert_string_equal(world_outcome(world, of_another), "noise");
}

static void noise_spares_a_thread_answered_long_ago(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t connector = world_connect(world, "c1", false);
    uint64_t item = world_post(world, (struct world_post){ .id = "1", .thread = "t", .author = "jo" });
    take(world, asha, item);
    answer(world, asha, item, "Send us a picture, please.");
    expect_done(settle(world, connector, handed(world, connector), "confirmed"), "");
    world_pass(world, 2 * world->policy.times.follow_up_ms);
    item = world_post(world, (struct world_post){ .id = "2", .thread = "t", .author = "jo", .noise = true });
    assert_string_equal(world_outcome(world, item), "");
}

static void noise_spares_pictures(void **state)
{
    struct world *world = *state;
    uint64_t item = world_post(world, (struct world_post){ .id = "1", .noise = true, .media = 1 });
    assert_string_equal(world_outcome(world, item), "");
}

static void an_edit_that_turns_sensitive_after_the_end_makes_a_follow_up_for_pr(void **state)
{
    struct world *world = *state;
    uint64_t ben = world_sign_in(world, BEN);
    uint64_t pia = world_sign_in(world, PIA);
    uint64_t item = an_answered_item(world, ben);
    struct behalf_edit edit = { .channel = "chirp", .post = "1", .posted_ms = 1, .text = "I sue you" };
    uint64_t more = world_edit(world, item, &edit, &sensitive_now);
    assert_int_not_equal(more, item);
    assert_int_equal(world_lease(world, ben, more), 0);
    assert_int_not_equal(world_lease(world, pia, more), 0);
    assert_int_equal(world_events(world, more, "follow-up"), 1);
    const struct change *item_now = world_change(world, CHANGE_ITEM);
    assert_int_equal(item_now->item.item, more);
    assert_true(item_now->item.sealed);
    assert_string_equal(item_now->item.audience, "pr");
    const struct change *again = world_change(world, CHANGE_POST_AGAIN);
    assert_int_equal(again->post_again.item, more);
    assert_int_equal(again->post_again.number, 1);
    assert_string_equal(again->post_again.post, "1");
    assert_true(world_change(world, CHANGE_POST_CHANGE)->post_change.sensitive);
}

static void an_edit_after_the_end_that_is_harmless_is_only_kept(void **state)
{
    struct world *world = *state;
    uint64_t ben = world_sign_in(world, BEN);
    uint64_t item = an_answered_item(world, ben);
    uint64_t next = desk_next_id(world->desk);
    struct needs needs = sensitive_now;
    needs.audience = AUDIENCE_AGENT;
    struct behalf_edit edit = { .channel = "chirp", .post = "1", .posted_ms = 1, .text = "thank you" };
    assert_int_equal(world_edit(world, item, &edit, &needs), item);
    assert_int_equal(desk_next_id(world->desk), next);
    assert_string_equal(world_change(world, CHANGE_POST_CHANGE)->post_change.text, "thank you");
    assert_null(world_change(world, CHANGE_POST_AGAIN));
}

// What the author wrote since is in an item of its own: the edit joins it, as a further post would.
static void an_edit_that_turns_sensitive_after_the_end_joins_the_threads_open_item(void **state)
{
    struct world *world = *state;
    uint64_t ben = world_sign_in(world, BEN);
    uint64_t item = an_answered_item(world, ben);
    uint64_t more = world_post(world, (struct world_post){ .id = "2", .thread = "t", .author = "a" });
    assert_int_not_equal(world_lease(world, ben, more), 0);
    struct behalf_edit edit = { .channel = "chirp", .post = "1", .posted_ms = 1, .text = "I sue you" };
    assert_int_equal(world_edit(world, item, &edit, &sensitive_now), more);
    assert_non_null(world_message(world, ben, BEHALF_GONE));
    assert_int_equal(world_events(world, more, "escalated"), 1);
    assert_int_equal(world_change(world, CHANGE_POST_AGAIN)->post_again.number, 2);
}

static void a_post_joins_the_item_whose_reply_was_taken_back_once_its_follow_up_has_ended(void **state)
{
    struct world *world = *state;
    uint64_t ben = world_sign_in(world, BEN);
    uint64_t item = world_post(world, (struct world_post){ .id = "1", .thread = "t", .author = "a" });
    take(world, ben, item);
    expect_done(answer(world, ben, item, "Hello."), "sending");
    uint64_t more = world_post(world, (struct world_post){ .id = "2", .thread = "t", .author = "a" });
    assert_int_not_equal(more, item);
    struct behalf_edit edit = { .channel = "chirp", .post = "1", .posted_ms = 1, .text = "I sue you" };
    assert_int_equal(world_edit(world, item, &edit, &sensitive_now), item);
    assert_int_equal(world_events(world, item, "reply withdrawn"), 1);
    take(world, ben, more);
    expect_done(world_ask(world, ben,
                          ABOUT(CLOSE, close, .item = (int64_t) more, .lease = world_lease(world, ben, more),
                                .outcome = "no-answer-needed")),
                "closed");
    assert_int_equal(world_post(world, (struct world_post){ .id = "3", .thread = "t", .author = "a" }), item);
}

static void a_parked_item_wakes_for_who_parked_it(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = world_post(world, (struct world_post){ .id = "1", .thread = "t", .author = "z" });
    take(world, asha, item);
    int64_t lease = world_lease(world, asha, item);
    expect_error(world_ask(world, asha, ABOUT(PARK, park, .item = (int64_t) item, .lease = lease, .until_ms = 1)),
                 "INVALID");
    expect_done(
        world_ask(world, asha,
                  ABOUT(PARK, park, .item = (int64_t) item, .lease = lease, .until_ms = world->now_ms + 3600000)),
        "parked");
    assert_int_equal(desk_items_of(world->desk, ASHA), 0);
    world_sign_in(world, BEN);
    world_pass(world, 3600000);
    assert_int_equal(world_lease(world, asha, item), lease + 1);
}

static void a_parked_item_wakes_when_its_author_writes(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = world_post(world, (struct world_post){ .id = "1", .thread = "t", .author = "z" });
    take(world, asha, item);
    world_ask(world, asha,
              ABOUT(PARK, park, .item = (int64_t) item, .lease = world_lease(world, asha, item),
                    .until_ms = world->now_ms + 3600000));
    world_post(world, (struct world_post){ .id = "2", .thread = "t", .author = "z" });
    assert_int_equal(desk_item_state(world->desk, item), ITEM_OFFERED);
}

// Neither is of those who are signed in only: nobody in the rules has it.
static void a_transfer_to_what_nobody_has_is_refused(void **state)
{
    struct world *world = *state;
    uint64_t ben = world_sign_in(world, BEN);
    uint64_t item = world_post(world, (struct world_post){ .id = "1" });
    take(world, ben, item);
    int64_t lease = world_lease(world, ben, item);
    static const char *const cards[] = { "cards" };
    static const char *const refunds[] = { "refunds" };
    const struct behalf_message *answer =
        world_ask(world, ben,
                  ABOUT(TRANSFER, transfer, .item = (int64_t) item, .lease = lease, .skills = (const char **) cards,
                        .skills_count = 1, .reason = "x"));
    expect_error(answer, "NOT_FOUND");
    assert_string_equal(answer->error.field, "skills");
    answer = world_ask(world, ben,
                       ABOUT(TRANSFER, transfer, .item = (int64_t) item, .lease = lease, .language = "de",
                             .skills = (const char **) refunds, .skills_count = 1, .reason = "x"));
    expect_error(answer, "NOT_FOUND");
    assert_string_equal(answer->error.field, "skills");
    answer =
        world_ask(world, ben,
                  ABOUT(TRANSFER, transfer, .item = (int64_t) item, .lease = lease, .language = "und", .reason = "x"));
    expect_error(answer, "NOT_FOUND");
    assert_string_equal(answer->error.field, "language");
    assert_int_equal(desk_items_of(world->desk, BEN), 1);
    expect_done(world_ask(world, ben,
                          ABOUT(TRANSFER, transfer, .item = (int64_t) item, .lease = lease,
                                .skills = (const char **) refunds, .skills_count = 1, .reason = "asha's")),
                "waiting");
}

static void a_queue_that_nobody_may_serve_is_told_of_once(void **state)
{
    struct world *world = *state;
    world_post(world, (struct world_post){ .id = "1" });
    assert_null(desk_next_unserved(world->desk));
    world_post(world, (struct world_post){ .id = "2", .skills = 2 });
    world_post(world, (struct world_post){ .id = "3", .skills = 2 });
    assert_string_equal(desk_next_unserved(world->desk), "agent/acme/en/cards");
    assert_null(desk_next_unserved(world->desk));
    struct behalf_counts counts = { 0 };
    desk_count(world->desk, world->list, &counts, world->now_ms);
    assert_int_equal(counts.queues[0].able, 0);
    assert_int_equal(counts.queues[1].able, 2);
    // Rules that leave what waits to nobody.
    struct policy without_agents = world->policy;
    struct policy_person people[PEOPLE];
    memcpy(people, world->people, sizeof people);
    people[ASHA].audiences = people[BEN].audiences = 1u << AUDIENCE_SUPERVISOR;
    without_agents.people = people;
    world_apply(world, &without_agents);
    assert_string_equal(desk_next_unserved(world->desk), "agent/acme/en/");
    assert_null(desk_next_unserved(world->desk));
    world_apply(world, &world->policy);
}

static void a_transfer_changes_the_queue(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = world_post(world, (struct world_post){ .id = "1" });
    take(world, asha, item);
    int64_t lease = world_lease(world, asha, item);
    expect_error(
        world_ask(world, asha, ABOUT(TRANSFER, transfer, .item = (int64_t) item, .lease = lease, .reason = "x")),
        "MISSING");
    expect_error(
        world_ask(world, asha,
                  ABOUT(TRANSFER, transfer, .item = (int64_t) item, .lease = lease, .language = "xx", .reason = "x")),
        "NOT_FOUND");
    expect_done(world_ask(world, asha,
                          ABOUT(TRANSFER, transfer, .item = (int64_t) item, .lease = lease, .language = "de",
                                .reason = "is German")),
                "waiting");
    assert_int_not_equal(world_lease(world, world_sign_in(world, BEN), item), 0);
}

// ---- approval ----

static void a_draft_needs_its_approval(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t connector = world_connect(world, "c1", false);
    uint64_t item = world_post(world, (struct world_post){ .id = "1", .approval = true });
    take(world, asha, item);
    expect_done(answer(world, asha, item, "We will pay."), "waiting");
    assert_null(world_change(world, CHANGE_REPLY));
    uint64_t ann = world_sign_in(world, ANN);
    take(world, ann, item);
    expect_error(answer(world, ann, item, "Hm."), "FORBIDDEN");
    expect_done(world_ask(world, ann,
                          ABOUT(APPROVE, approve, .item = (int64_t) item, .lease = world_lease(world, ann, item),
                                .text = "We will pay.")),
                "sending");
    assert_non_null(strstr(world_change(world, CHANGE_DRAFT)->draft.person, "asha"));
    assert_int_not_equal(handed(world, connector), 0);
    for (const struct change *change = change_list_changes(world->list); change != NULL; change = change->next) {
        if (change->kind == CHANGE_REPLY && change->reply.text != NULL) {
            assert_string_equal(change->reply.person, "asha");
        }
    }
}

static void a_rejected_draft_goes_back_to_its_author(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = world_post(world, (struct world_post){ .id = "1", .approval = true });
    take(world, asha, item);
    answer(world, asha, item, "We will pay.");
    world_sign_in(world, BEN);
    uint64_t ann = world_sign_in(world, ANN);
    take(world, ann, item);
    int64_t before = world_lease(world, asha, item);
    expect_done(world_ask(world, ann,
                          ABOUT(REJECT, reject, .item = (int64_t) item, .lease = world_lease(world, ann, item),
                                .reason = "promise nothing")),
                "waiting");
    assert_true(world_lease(world, asha, item) > before);
}

// ---- what may go out ----

static void every_reply_carries_the_disclosure_line(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = world_post(world, (struct world_post){ .id = "1" });
    take(world, asha, item);
    answer(world, asha, item, "Hello.");
    assert_string_equal(world_change(world, CHANGE_REPLY)->reply.text,
                        "Hello. I'm asha from Northline, answering for acme");
}

static void a_reply_too_long_with_its_disclosure_is_refused(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = world_post(world, (struct world_post){ .id = "1" });
    take(world, asha, item);
    struct behalf_item view = { 0 };
    assert_true(desk_show_item(world->desk, asha, item, (uint64_t) world_lease(world, asha, item), world->list, &view));
    char text[200] = { 0 };
    memset(text, 'x', (size_t) view.length_left + 1);
    expect_error(answer(world, asha, item, text), "POLICY");
    text[view.length_left] = '\0';
    expect_done(answer(world, asha, item, text), "sending");
}

static void card_numbers_never_go_out(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = world_post(world, (struct world_post){ .id = "1" });
    take(world, asha, item);
    expect_error(answer(world, asha, item, "Your card 4111 1111 1111 1111 is fine"), "POLICY");
    expect_error(answer(world, asha, item, "4111-1111-1111-1111"), "POLICY");
    expect_error(answer(world, asha, item, "４１１１１１１１１１１１１１１１"), "POLICY");
    expect_error(answer(world, asha, item,
                        "4111\xe2\x80\x8b"
                        "1111\xe2\x80\x8b"
                        "1111\xe2\x80\x8b"
                        "1111"),
                 "POLICY");
    expect_error(answer(world, asha, item, "booking 7 4111 1111 1111 1111"), "POLICY");
    expect_error(answer(world, asha, item, "  \n "), "POLICY");
    expect_done(answer(world, asha, item, "Order 4111 1111 1111 1112 is on its way"), "sending");
}

static void a_reply_cannot_hide_its_disclosure_line(void **state)
{
    static const char *const refused[] = { "Sorry \xe2\x80\xae", "Sorry \xe2\x80\xab",
                                           "Sorry \xe2\x81\xa7", "\x1b[8mSorry",
                                           "Sorry\302\2338m", // the control sequence introducer of one byte
                                           "\xe2\x80\x8b",       "\xe2\x80\x8f\xc2\xa0" };
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = world_post(world, (struct world_post){ .id = "1" });
    take(world, asha, item);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        expect_error(answer(world, asha, item, refused[i]), "POLICY");
    }
    expect_done(answer(world, asha, item, "\xe2\x80\xab\xd7\xa9\xe2\x80\xac\xe2\x81\xa7\xd7\x9d\xe2\x81\xa9\r\n\tok"),
                "sending");
}

// ---- the outbox ----

static uint64_t answered(struct world *world, uint64_t session, const char *id)
{
    uint64_t item = world_post(world, (struct world_post){ .id = id });
    take(world, session, item);
    expect_done(answer(world, session, item, "Hello."), "sending");
    return item;
}

static void a_confirmed_reply_closes_the_item(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = answered(world, asha, "1");
    uint64_t connector = world_connect(world, "c1", false);
    uint64_t reply = handed(world, connector);
    assert_int_not_equal(reply, 0);
    expect_done(settle(world, connector, reply, "confirmed"), "");
    assert_string_equal(world_outcome(world, item), "answered");
    assert_true(desk_reply_is_settled(world->desk, reply)); // its repeats are for the store to answer
    expect_error(settle(world, connector, reply, "confirmed"), "NOT_FOUND");
}

static void sending_does_not_count_against_capacity(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    answered(world, asha, "1");
    answered(world, asha, "2");
}

static void a_failed_reply_goes_back_to_its_author_first(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = answered(world, asha, "1");
    int64_t lease = world_lease(world, asha, item);
    world_sign_in(world, BEN);
    uint64_t connector = world_connect(world, "c1", false);
    expect_done(settle(world, connector, handed(world, connector), "failed"), "");
    assert_int_equal(world_lease(world, asha, item), lease + 1);
    assert_string_equal(world_change(world, CHANGE_DRAFT)->draft.text, "Hello.");
}

static struct behalf_item shown(struct world *world, uint64_t session, uint64_t item)
{
    struct behalf_item view = { 0 };
    uint64_t lease = (uint64_t) world_lease(world, session, item);
    assert_true(desk_show_item(world->desk, session, item, lease, world->list, &view));
    return view;
}

static void who_gets_a_reply_back_is_told_why(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = answered(world, asha, "1");
    uint64_t connector = world_connect(world, "c1", false);
    settle(world, connector, handed(world, connector), "failed");
    assert_string_equal(shown(world, asha, item).reason, "not published: by the test");
    assert_string_equal(world_change(world, CHANGE_NOTE)->note.text, "not published: by the test");
    take(world, asha, item);
    answer(world, asha, item, "Hello.");
    settle(world, connector, handed(world, connector), "unknown");
    assert_string_equal(shown(world, asha, item).reason, "nobody knows whether it was published: by the test");
    world_restart(world);
    assert_string_equal(shown(world, world_sign_in(world, ASHA), item).reason,
                        "nobody knows whether it was published: by the test");
}

static void a_fate_without_a_reason_says_so(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = answered(world, asha, "1");
    uint64_t connector = world_connect(world, "c1", false);
    int64_t reply = (int64_t) handed(world, connector);
    expect_done(world_ask(world, connector, ABOUT(SETTLE, settle, .reply = reply, .fate = "failed", .reason = "")), "");
    assert_string_equal(shown(world, asha, item).reason, "not published: no reason was given");
}

// ---- a platform that takes replies for a while only ----

static uint64_t held_review(struct world *world, uint64_t session)
{
    uint64_t item = world_post(world, (struct world_post){ .id = "1", .channel = REVIEWS });
    take(world, session, item);
    return item;
}

static void a_reply_that_the_platform_would_not_take_is_refused(void **state)
{
    struct world *world = *state;
    world->policy.times.hold_ms = 0; // else it returns, as nobody touches it
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = held_review(world, asha);
    int64_t window_ms = world->policy.channels[REVIEWS].reply_window_ms;
    assert_int_equal(shown(world, asha, item).reply_until_ms, world->now_ms + window_ms);
    world_pass(world, window_ms);
    const struct behalf_message *refused = answer(world, asha, item, "Hello.");
    expect_error(refused, "POLICY");
    assert_non_null(strstr(refused->error.reason, "reviews takes no reply"));
    struct behalf_message question =
        ABOUT(PREVIEW, preview, .item = (int64_t) item, .lease = world_lease(world, asha, item), .text = "Hello.");
    struct behalf_previewed previewed;
    enum behalf_code code;
    struct behalf_error error;
    assert_true(desk_preview(world->desk, asha, &question, world->list, &previewed, &code, &error));
    assert_non_null(strstr(previewed.refused, "reviews takes no reply"));
    expect_done(world_ask(world, asha,
                          ABOUT(CLOSE, close, .item = (int64_t) item, .lease = world_lease(world, asha, item),
                                .outcome = "handed-off")),
                "closed");
}

static void a_reply_still_in_the_outbox_when_the_window_ends_comes_back(void **state)
{
    struct world *world = *state;
    for (int restarted = 0; restarted < 2; restarted++) {
        uint64_t asha = world_sign_in(world, ASHA);
        uint64_t item =
            world_post(world, (struct world_post){ .id = restarted ? "2" : "1", .channel = REVIEWS, .thread = "t" });
        take(world, asha, item);
        expect_done(answer(world, asha, item, "Hello."), "sending");
        if (restarted) {
            world_restart(world);
            asha = world_sign_in(world, ASHA);
        }
        world_pass(world, world->policy.channels[REVIEWS].reply_window_ms);
        assert_int_equal(world_change(world, CHANGE_REPLY)->reply.state, REPLY_FAILED);
        assert_non_null(strstr(shown(world, asha, item).reason, "reviews takes no reply"));
        take(world, asha, item);
        expect_done(world_ask(world, asha,
                              ABOUT(CLOSE, close, .item = (int64_t) item, .lease = world_lease(world, asha, item),
                                    .outcome = "handed-off")),
                    "closed");
    }
}

static void a_reply_that_a_connector_has_is_left_to_it_when_the_window_ends(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t connector = world_connect(world, "c1", false);
    uint64_t item = held_review(world, asha);
    expect_done(answer(world, asha, item, "Hello."), "sending");
    uint64_t reply = handed(world, connector);
    world_pass(world, world->policy.channels[REVIEWS].reply_window_ms);
    expect_done(settle(world, connector, reply, "confirmed"), "");
    assert_string_equal(world_outcome(world, item), "answered");
}

static void a_vanished_connectors_reply_is_not_repeated(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = answered(world, asha, "1");
    uint64_t connector = world_connect(world, "c1", false);
    uint64_t reply = handed(world, connector);
    desk_session_lost(world->desk, connector, world->now_ms);
    uint64_t other = world_connect(world, "c2", false);
    world_pass(world, world->policy.times.fate_ms);
    assert_int_equal(handed(world, other), 0);
    struct behalf_item view = { 0 };
    assert_true(desk_show_item(world->desk, asha, item, (uint64_t) world_lease(world, asha, item), world->list, &view));
    assert_true(view.fate_unknown);
    // It comes back after all, and had published it.
    uint64_t back = world_connect(world, "c1", false);
    expect_done(settle(world, back, reply, "confirmed"), "");
    assert_string_equal(world_outcome(world, item), "answered");
    assert_non_null(world_message(world, asha, BEHALF_GONE));
}

static void a_connector_that_comes_back_in_time_keeps_its_replies(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = answered(world, asha, "1");
    uint64_t connector = world_connect(world, "c1", false);
    uint64_t reply = handed(world, connector);
    world_restart(world);
    world_pass(world, world->policy.times.fate_ms - 1);
    connector = world_connect(world, "c1", false);
    world_pass(world, world->policy.times.fate_ms);
    const struct effect *told = world_effect(world, connector, EFFECT_HAND_REPLY);
    assert_int_equal(told->reply, reply); // its first frame may have been lost
    assert_true(told->again);
    assert_null(world_change(world, CHANGE_REPLY)); // the same attempt
    expect_done(settle(world, connector, reply, "confirmed"), "");
    assert_string_equal(world_outcome(world, item), "answered");
}

static void a_reply_that_fails_after_its_post_was_deleted_ends_the_item(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = answered(world, asha, "1");
    uint64_t connector = world_connect(world, "c1", false);
    struct behalf_delete_post deletion = { .channel = "chirp", .post = "1" };
    desk_post_deleted(world->desk, item, "acme", &deletion, world->now_ms);
    assert_string_equal(world_outcome(world, item), ""); // it may be out
    expect_done(settle(world, connector, handed(world, connector), "failed"), "");
    assert_string_equal(world_outcome(world, item), "withdrawn");
}

static void deleting_does_not_take_back_a_reply_that_waits_to_be_repeated(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = answered(world, asha, "1");
    uint64_t connector = world_connect(world, "c1", true);
    desk_session_left(world->desk, connector, world->now_ms);
    struct behalf_delete_post deletion = { .channel = "chirp", .post = "1" };
    desk_post_deleted(world->desk, item, "acme", &deletion, world->now_ms);
    assert_int_equal(desk_item_state(world->desk, item), ITEM_SENDING);
}

static void an_idempotent_connectors_reply_is_repeated(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    answered(world, asha, "1");
    uint64_t connector = world_connect(world, "c1", true);
    uint64_t reply = handed(world, connector);
    world_restart(world);
    uint64_t other = world_connect(world, "c2", true);
    assert_int_equal(handed(world, other), 0);
    world_pass(world, world->policy.times.fate_ms);
    assert_int_equal(handed(world, other), reply);
    assert_int_equal(world_change(world, CHANGE_REPLY)->reply.attempt, 2);
}

// It may be out: who cannot publish it twice with the effect of once is not handed it, and does not wait behind it.
static void what_may_be_out_is_handed_to_idempotent_connectors_alone(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    answered(world, asha, "1");
    uint64_t connector = world_connect(world, "c1", true);
    uint64_t reply = handed(world, connector);
    desk_session_left(world->desk, connector, world->now_ms);
    uint64_t plain = world_connect(world, "c2", false);
    world_pass(world, 60000);
    assert_int_equal(handed(world, plain), 0);
    answered(world, asha, "2");
    assert_int_not_equal(handed(world, plain), reply);
    assert_int_not_equal(handed(world, plain), 0);
    assert_int_equal(handed(world, world_connect(world, "c3", true)), reply);
}

// Lets time pass until a reply is handed out again; returns how long that took.
static int64_t rest(struct world *world, uint64_t connector, uint32_t attempt)
{
    int64_t begun_ms = world->now_ms;
    for (int i = 0; i < 10000; i++) {
        const struct effect *told = world_effect(world, connector, EFFECT_HAND_REPLY);
        if (told != NULL && told->attempt == attempt) {
            return world->now_ms - begun_ms;
        }
        world_pass(world, 100);
    }
    return -1;
}

static void a_reply_of_unknown_fate_rests_longer_each_time_and_ends_with_a_person(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = answered(world, asha, "1");
    uint64_t connector = world_connect(world, "c1", true);
    uint64_t reply = handed(world, connector);
    int64_t rested_ms = 0;
    for (uint32_t attempt = 1; attempt < 10; attempt++) {
        expect_done(settle(world, connector, reply, "unknown"), "");
        assert_int_equal(desk_item_state(world->desk, item), ITEM_SENDING);
        if (attempt == 5) { // what it has rested and how often it was tried is kept
            world_restart(world);
            asha = world_sign_in(world, ASHA);
            connector = world_connect(world, "c1", true);
        }
        int64_t longer_ms = rest(world, connector, attempt + 1);
        assert_true(longer_ms > rested_ms);
        rested_ms = longer_ms;
    }
    expect_done(settle(world, connector, reply, "unknown"), "");
    assert_int_not_equal(desk_item_state(world->desk, item), ITEM_SENDING);
    assert_string_equal(world_change(world, CHANGE_REPLY)->reply.reason, "handed out 10 times: by the test");
    assert_int_equal(world_change(world, CHANGE_REPLY)->reply.state, REPLY_UNKNOWN);
    world_pass(world, 3600000);
    assert_int_equal(world_effect(world, connector, EFFECT_HAND_REPLY)->attempt, 10);
    expect_done(settle(world, connector, reply, "confirmed"), ""); // it is known in the end
    assert_string_equal(world_outcome(world, item), "answered");
}

static void replies_rest_each_for_itself_and_a_freeze_holds_rested_ones(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t sam = world_sign_in(world, SAM);
    answered(world, asha, "1");
    uint64_t connector = world_connect(world, "c1", true);
    uint64_t first = handed(world, connector);
    expect_done(settle(world, connector, first, "unknown"), "");
    answered(world, asha, "2");
    assert_int_not_equal(handed(world, connector), first); // goes out meanwhile
    expect_done(world_ask(world, sam, ABOUT(FREEZE, freeze, .brand = "acme", .frozen = true, .reason = "wait")),
                "frozen");
    world_pass(world, 60000);
    assert_int_not_equal(handed(world, connector), first);
    expect_done(world_ask(world, sam, ABOUT(FREEZE, freeze, .brand = "acme", .reason = "go on")), "lifted");
    assert_int_equal(handed(world, connector), first);
}

static void a_reply_that_nobody_was_told_of_goes_to_a_connector_that_lives(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t dead = world_connect(world, "c1", false);
    uint64_t item = answered(world, asha, "1");
    uint64_t reply = handed(world, dead);
    uint32_t attempt = world_effect(world, dead, EFFECT_HAND_REPLY)->attempt;
    desk_reply_not_told(world->desk, reply, attempt, world->now_ms); // it is connected, and will be told again
    assert_int_equal(world_change(world, CHANGE_REPLY)->reply.state, REPLY_HANDED);
    desk_session_lost(world->desk, dead, world->now_ms);
    desk_reply_not_told(world->desk, reply, attempt + 1, world->now_ms); // not this attempt
    assert_int_equal(world_change(world, CHANGE_REPLY)->reply.state, REPLY_HANDED);
    desk_reply_not_told(world->desk, reply, attempt, world->now_ms);
    assert_int_equal(world_change(world, CHANGE_REPLY)->reply.state, REPLY_QUEUED);
    uint64_t other = world_connect(world, "c2", false);
    assert_int_equal(handed(world, other), reply);
    assert_int_equal(world_effect(world, other, EFFECT_HAND_REPLY)->attempt, 1); // nothing of it was out
    expect_done(settle(world, other, reply, "confirmed"), "");
    assert_string_equal(world_outcome(world, item), "answered");
}

static void a_reply_that_nobody_was_told_of_goes_by_what_its_item_has_become(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    for (int become = 0; become < 3; become++) {
        char id[8];
        snprintf(id, sizeof id, "n%d", become);
        uint64_t item = answered(world, asha, id);
        uint64_t dead = world_connect(world, id, false);
        uint64_t reply = handed(world, dead);
        uint32_t attempt = world_effect(world, dead, EFFECT_HAND_REPLY)->attempt;
        struct behalf_delete_post deletion = { .channel = "chirp", .post = id };
        struct behalf_edit edit = { .channel = "chirp", .post = id, .text = "never mind" };
        struct needs needs = sensitive_now;
        needs.audience = become == 1 ? AUDIENCE_PR : AUDIENCE_AGENT;
        needs.approval = become == 2;
        needs.author = id;
        if (become == 0) {
            desk_post_deleted(world->desk, item, "acme", &deletion, world->now_ms);
        } else {
            world_edit(world, item, &edit, &needs);
        }
        desk_session_lost(world->desk, dead, world->now_ms);
        desk_reply_not_told(world->desk, reply, attempt, world->now_ms);
        desk_check(world->desk);
        assert_int_not_equal(desk_item_state(world->desk, item), ITEM_SENDING);
        assert_string_equal(world_outcome(world, item), become == 0 ? "withdrawn" : "");
    }
}

static void only_who_has_a_reply_settles_it(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    answered(world, asha, "1");
    uint64_t connector = world_connect(world, "c1", false);
    uint64_t reply = handed(world, connector);
    uint64_t other = world_connect(world, "c2", false);
    expect_error(settle(world, other, reply, "confirmed"), "NOT_FOUND");
    expect_error(settle(world, connector, 999999, "confirmed"), "NOT_FOUND");
    expect_error(settle(world, connector, reply, "perhaps"), "INVALID");
    assert_false(desk_reply_is_settled(world->desk, reply));
    assert_false(desk_reply_is_settled(world->desk, 999999));
}

static void an_unknown_fate_is_decided_by_a_person(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = answered(world, asha, "1");
    uint64_t connector = world_connect(world, "c1", false);
    expect_done(settle(world, connector, handed(world, connector), "unknown"), "");
    take(world, asha, item);
    expect_done(world_ask(world, asha,
                          ABOUT(CLOSE, close, .item = (int64_t) item, .lease = world_lease(world, asha, item),
                                .outcome = "answered")),
                "closed");
    assert_string_equal(world_outcome(world, item), "answered");
}

static bool shown_as_unknown(struct world *world, uint64_t session, uint64_t item)
{
    struct behalf_item view = { 0 };
    uint64_t lease = (uint64_t) world_lease(world, session, item);
    assert_true(desk_show_item(world->desk, session, item, lease, world->list, &view));
    return view.fate_unknown;
}

static void an_earlier_unknown_fate_is_told_again_when_a_later_reply_fails(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = answered(world, asha, "1");
    uint64_t connector = world_connect(world, "c1", false);
    uint64_t first = handed(world, connector);
    expect_done(settle(world, connector, first, "unknown"), "");
    take(world, asha, item);
    expect_done(answer(world, asha, item, "Hello again."), "sending");
    uint64_t second = handed(world, connector);
    assert_int_not_equal(second, first);
    expect_done(settle(world, connector, second, "failed"), "");
    take(world, asha, item);
    assert_true(shown_as_unknown(world, asha, item));
    expect_done(world_ask(world, asha,
                          ABOUT(CLOSE, close, .item = (int64_t) item, .lease = world_lease(world, asha, item),
                                .outcome = "answered")),
                "closed");
    assert_int_equal(world_change(world, CHANGE_OUTCOME)->outcome.reply, first);
}

static void who_has_the_item_is_told_that_a_reply_surely_failed(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = answered(world, asha, "1");
    uint64_t connector = world_connect(world, "c1", false);
    uint64_t reply = handed(world, connector);
    expect_done(settle(world, connector, reply, "unknown"), "");
    take(world, asha, item);
    const struct effect *before = world_effect(world, asha, EFFECT_SHOW_ITEM);
    expect_done(settle(world, connector, reply, "failed"), "");
    assert_ptr_not_equal(world_effect(world, asha, EFFECT_SHOW_ITEM), before);
    assert_false(shown_as_unknown(world, asha, item));
}

// ---- coming back ----

static void a_restart_loses_nothing(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t held = world_post(world, (struct world_post){ .id = "1", .skills = 1 });
    take(world, asha, held);
    uint64_t waiting = world_post(world, (struct world_post){ .id = "2", .language = DE });
    uint64_t sealed = world_post(world, (struct world_post){ .id = "3", .sensitive = true });
    world_restart(world);
    assert_int_equal(desk_item_state(world->desk, held), ITEM_HELD);
    assert_int_equal(desk_item_state(world->desk, waiting), ITEM_WAITING);
    uint64_t ben = world_sign_in(world, BEN);
    assert_int_equal(world_lease(world, ben, sealed), 0);
    assert_int_not_equal(world_lease(world, ben, waiting), 0);
    world_pass(world, world->policy.times.grace_ms);
    assert_int_equal(desk_item_state(world->desk, held), ITEM_WAITING);
}

static void a_jump_of_the_clock_gives_a_fresh_grace(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = world_post(world, (struct world_post){ .id = "1" });
    take(world, asha, item);
    desk_session_lost(world->desk, asha, world->now_ms);
    world->now_ms += 3600000;
    desk_clock_jumped(world->desk, world->now_ms);
    world_pass(world, world->policy.times.grace_ms - 1);
    assert_int_equal(desk_item_state(world->desk, item), ITEM_HELD);
}

static void new_rules_take_hold_without_losing_items(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = world_post(world, (struct world_post){ .id = "1" });
    take(world, asha, item);
    struct policy next = world->policy;
    struct policy_brand brands[3];
    memcpy(brands, world->brands, sizeof brands);
    struct policy_person people[PEOPLE];
    memcpy(people, world->people, sizeof people);
    next.brands = brands;
    next.people = people;
    next.version = 2;
    struct change_list *memory = change_list_new();
    struct behalf_problem problems[2];
    brands[ACME].retired = true;
    assert_int_equal(desk_misfits(world->desk, &next, memory, problems, 2), 1);
    assert_string_equal(problems[0].key, "brands.acme");
    assert_string_equal(problems[0].message, "1 open item: end it before dropping acme");
    assert_int_equal(desk_misfits(world->desk, &next, memory, problems, 0), 1);
    brands[ACME].retired = false;
    people[ASHA].retired = true;
    assert_int_equal(desk_misfits(world->desk, &next, memory, problems, 2), 0);
    change_list_destroy(&memory);
    world_apply(world, &next);
    desk_check(world->desk);
    assert_int_equal(desk_item_state(world->desk, item), ITEM_WAITING);
    assert_int_not_equal(world_lease(world, world_sign_in(world, BEN), item), 0);
    world->policy = next;
    desk_destroy(&world->desk);
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(a_post_is_offered_to_one_person),
        CLAIM(an_item_waits_for_who_has_the_language),
        CLAIM(an_item_waits_for_who_has_the_skill),
        CLAIM(the_higher_level_comes_first),
        CLAIM(who_has_been_idle_longest_comes_first),
        CLAIM(capacity_is_a_hard_limit),
        CLAIM(urgent_items_come_before_older_ones),
        CLAIM(waiting_raises_an_item_so_that_none_starves),
        CLAIM(less_time_left_comes_first),
        CLAIM(an_automatic_brand_needs_no_taking),
        CLAIM(an_offer_must_be_taken_before_it_is_answered),
        CLAIM(an_offer_not_taken_goes_to_somebody_else),
        CLAIM(missing_offers_makes_a_person_away),
        CLAIM(who_declines_is_not_offered_it_again_soon),
        CLAIM(a_lost_person_keeps_a_hold_for_the_grace),
        CLAIM(a_hold_returns_after_the_grace),
        CLAIM(signing_out_returns_holds_at_once),
        CLAIM(a_repeated_request_gets_its_first_answer),
        CLAIM(nobody_answers_what_another_holds),
        CLAIM(away_people_get_no_offers),
        CLAIM(who_was_away_is_away_after_reconnecting),
        CLAIM(a_sensitive_post_goes_to_pr_alone),
        CLAIM(escalating_seals_an_item),
        CLAIM(pr_needs_no_agents_skill),
        CLAIM(a_sensitive_post_takes_a_held_item_from_its_agent),
        CLAIM(pr_returns_with_guidance),
        CLAIM(pr_cannot_return_what_it_has_not_seen),
        CLAIM(agents_cannot_return),
        CLAIM(a_missed_service_level_escalates_where_the_brand_says_so),
        CLAIM(a_frozen_brands_new_items_go_to_pr_and_its_replies_wait),
        CLAIM(a_further_post_joins_the_open_item),
        CLAIM(who_speaks_to_two_brands_in_a_thread_has_an_open_item_of_each),
        CLAIM(a_sensitive_post_takes_back_the_reply_of_its_own_brand),
        CLAIM(a_post_to_another_brand_does_not_follow_what_is_out),
        CLAIM(a_post_to_another_brand_does_not_follow_what_has_ended),
        CLAIM(a_post_while_the_reply_is_out_makes_a_follow_up_for_the_same_person),
        CLAIM(a_known_author_goes_to_who_answered_last),
        CLAIM(a_full_preferred_person_is_not_waited_for),
        CLAIM(noise_closes_at_once),
        CLAIM(noise_spares_who_goes_on_with_somebody),
        CLAIM(noise_spares_a_thread_answered_long_ago),
        CLAIM(noise_spares_pictures),
        CLAIM(deleting_the_only_post_withdraws_the_item),
        CLAIM(deleting_one_of_two_posts_twice_does_not_withdraw),
        CLAIM(deleting_stops_a_reply_not_handed_out),
        CLAIM(an_edit_is_shown_to_who_has_the_item),
        CLAIM(an_edit_that_turns_sensitive_after_the_end_makes_a_follow_up_for_pr),
        CLAIM(an_edit_after_the_end_that_is_harmless_is_only_kept),
        CLAIM(an_edit_that_turns_sensitive_after_the_end_joins_the_threads_open_item),
        CLAIM(a_post_joins_the_item_whose_reply_was_taken_back_once_its_follow_up_has_ended),
        CLAIM(a_parked_item_wakes_for_who_parked_it),
        CLAIM(a_parked_item_wakes_when_its_author_writes),
        CLAIM(a_transfer_changes_the_queue),
        CLAIM(a_transfer_to_what_nobody_has_is_refused),
        CLAIM(a_queue_that_nobody_may_serve_is_told_of_once),
        CLAIM(a_draft_needs_its_approval),
        CLAIM(a_rejected_draft_goes_back_to_its_author),
        CLAIM(every_reply_carries_the_disclosure_line),
        CLAIM(a_reply_too_long_with_its_disclosure_is_refused),
        CLAIM(card_numbers_never_go_out),
        CLAIM(a_reply_cannot_hide_its_disclosure_line),
        CLAIM(a_confirmed_reply_closes_the_item),
        CLAIM(sending_does_not_count_against_capacity),
        CLAIM(a_failed_reply_goes_back_to_its_author_first),
        CLAIM(who_gets_a_reply_back_is_told_why),
        CLAIM(a_fate_without_a_reason_says_so),
        CLAIM(a_reply_that_the_platform_would_not_take_is_refused),
        CLAIM(a_reply_still_in_the_outbox_when_the_window_ends_comes_back),
        CLAIM(a_reply_that_a_connector_has_is_left_to_it_when_the_window_ends),
        CLAIM(a_vanished_connectors_reply_is_not_repeated),
        CLAIM(a_connector_that_comes_back_in_time_keeps_its_replies),
        CLAIM(a_reply_that_fails_after_its_post_was_deleted_ends_the_item),
        CLAIM(deleting_does_not_take_back_a_reply_that_waits_to_be_repeated),
        CLAIM(an_idempotent_connectors_reply_is_repeated),
        CLAIM(what_may_be_out_is_handed_to_idempotent_connectors_alone),
        CLAIM(a_reply_of_unknown_fate_rests_longer_each_time_and_ends_with_a_person),
        CLAIM(replies_rest_each_for_itself_and_a_freeze_holds_rested_ones),
        CLAIM(a_reply_that_nobody_was_told_of_goes_to_a_connector_that_lives),
        CLAIM(a_reply_that_nobody_was_told_of_goes_by_what_its_item_has_become),
        CLAIM(only_who_has_a_reply_settles_it),
        CLAIM(an_unknown_fate_is_decided_by_a_person),
        CLAIM(an_earlier_unknown_fate_is_told_again_when_a_later_reply_fails),
        CLAIM(who_has_the_item_is_told_that_a_reply_surely_failed),
        CLAIM(a_restart_loses_nothing),
        CLAIM(a_jump_of_the_clock_gives_a_fresh_grace),
        CLAIM(new_rules_take_hold_without_losing_items),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
