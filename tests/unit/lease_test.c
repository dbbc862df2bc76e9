// lease_test.c - leases in virtual time: owners and challengers around one row, paused, cut off, at once; and what a
// broker that waits to take over answers.

#include "broker/ownership/lease_watch.h"
#include "broker/session/redirect.h"

#include <behalf/message.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BROKERS 3
#define WAY_MS 7 // from a broker to the database, and back

// A broker: it renews while it has the desk, else it looks.
struct member {
    bool owner;
    bool paused;
    struct lease_hold hold;
    struct lease_watch watch;
    int64_t next_ms;  // when it asks
    int64_t asked_ms; // what is on its way; -1: nothing
    bool renewing;
    int64_t clock_ms; // its clock, which shows something else than the others'
    int took_over;
};

struct world {
    struct lease_row row;
    bool away; // the database
    struct member members[BROKERS];
    int64_t now_ms;
    int64_t taken_ms; // when the desk was last taken over
};

static int64_t clock_of(const struct world *world, const struct member *member)
{
    return world->now_ms + member->clock_ms;
}

static void world_init(struct world *world)
{
    *world = (struct world){ .now_ms = 1000000 };
    for (int i = 0; i < BROKERS; i++) {
        world->members[i] = (struct member){ .asked_ms = -1, .clock_ms = i * INT64_C(987654), .next_ms = 1000000 + i };
    }
}

// The row's compare: what is not as it was seen is not taken.
static void take_over(struct world *world, struct member *member, const struct lease_row *seen)
{
    if (world->away || world->row.epoch != seen->epoch || world->row.renewals != seen->renewals) {
        lease_watch_lost(&member->watch);
        return;
    }
    // Whoever had it must not believe so any more: this is what all of it is for.
    for (int i = 0; i < BROKERS; i++) {
        struct member *other = &world->members[i];
        assert_false(other->owner && lease_hold_is_valid(&other->hold, clock_of(world, other)) && world->row.held);
    }
    world->row.epoch++;
    world->row.renewals++;
    world->row.held = true;
    world->taken_ms = world->now_ms;
    lease_hold_begin(&member->hold, world->row.epoch, clock_of(world, member) - WAY_MS);
    member->owner = true;
    member->took_over++;
    member->next_ms = world->now_ms;
}

static void answer(struct world *world, struct member *member)
{
    struct lease_row seen = world->row;
    int64_t asked_ms = member->asked_ms;

    member->asked_ms = -1;
    if (world->away) {
        lease_watch_lost(&member->watch);
    } else if (member->renewing) {
        bool ours = world->row.epoch == member->hold.epoch && world->row.held;
        world->row.renewals += ours ? 1 : 0;
        lease_hold_answered(&member->hold, ours, asked_ms);
        member->owner = !member->hold.fenced;
    } else if (lease_watch_seen(&member->watch, &seen, asked_ms, clock_of(world, member))) {
        take_over(world, member, &seen);
    }
}

static void act(struct world *world, struct member *member)
{
    if (member->asked_ms >= 0 && clock_of(world, member) >= member->asked_ms + 2 * WAY_MS) {
        answer(world, member);
    }
    if (member->asked_ms < 0 && world->now_ms >= member->next_ms) {
        member->asked_ms = clock_of(world, member);
        member->renewing = member->owner;
        member->next_ms = world->now_ms + (member->owner ? LEASE_RENEW_MS : LEASE_LOOK_MS);
    }
}

static void pass(struct world *world, int64_t ms)
{
    for (int64_t end_ms = world->now_ms + ms; world->now_ms < end_ms; world->now_ms++) {
        int valid = 0;
        for (int i = 0; i < BROKERS; i++) {
            struct member *member = &world->members[i];
            if (!member->paused) {
                act(world, member);
            }
            valid += member->owner && lease_hold_is_valid(&member->hold, clock_of(world, member)) ? 1 : 0;
        }
        assert_true(valid <= 1);
    }
}

static struct member *owner_of(struct world *world)
{
    for (int i = 0; i < BROKERS; i++) {
        if (world->members[i].owner && world->members[i].hold.epoch == world->row.epoch) {
            return &world->members[i];
        }
    }
    fail_msg("nobody has the desk");
    return NULL;
}

static void a_desk_that_nobody_has_is_taken_at_once_by_one(void **state)
{
    struct world world;

    (void) state;
    world_init(&world);
    pass(&world, 100);
    assert_int_equal(world.row.epoch, 1);
    pass(&world, 60000);
    assert_int_equal(world.row.epoch, 1);
    assert_true(lease_hold_is_valid(&owner_of(&world)->hold, clock_of(&world, owner_of(&world))));
}

static void the_desk_of_a_dead_owner_is_taken_within_3_s_by_one_of_two_challengers(void **state)
{
    struct world world;

    (void) state;
    for (int dies_after_ms = 0; dies_after_ms < 1000; dies_after_ms += 13) {
        world_init(&world);
        pass(&world, 5000 + dies_after_ms);
        owner_of(&world)->paused = true;
        int64_t died_ms = world.now_ms;
        pass(&world, 10000);
        assert_int_equal(world.row.epoch, 2);
        assert_in_range(world.taken_ms - died_ms, LEASE_TTL_MS - LEASE_RENEW_MS, 2800);
    }
}

static void a_paused_owner_finds_its_lease_over_and_is_fenced(void **state)
{
    struct world world;

    (void) state;
    world_init(&world);
    pass(&world, 5000);
    struct member *paused = owner_of(&world);
    paused->paused = true;
    pass(&world, 6000);
    assert_int_equal(world.row.epoch, 2);
    assert_false(lease_hold_is_valid(&paused->hold, clock_of(&world, paused))); // before it has asked anybody
    paused->paused = false;
    pass(&world, 1000);
    assert_true(paused->hold.fenced);
    assert_int_equal(world.row.epoch, 2);
}

static void an_owner_paused_for_less_than_its_lease_goes_on(void **state)
{
    struct world world;

    (void) state;
    world_init(&world);
    pass(&world, 5000);
    struct member *paused = owner_of(&world);
    paused->paused = true;
    pass(&world, LEASE_TTL_MS - LEASE_RENEW_MS - 100);
    paused->paused = false;
    pass(&world, 10000);
    assert_int_equal(world.row.epoch, 1);
    assert_true(lease_hold_is_valid(&paused->hold, clock_of(&world, paused)));
}

static void an_outage_of_any_length_moves_no_desk(void **state)
{
    struct world world;

    (void) state;
    for (int64_t outage_ms = 1; outage_ms < 20000; outage_ms += 379) {
        world_init(&world);
        pass(&world, 5000 + outage_ms);
        struct member *owner = owner_of(&world);
        world.away = true;
        pass(&world, outage_ms);
        assert_int_equal(lease_hold_is_valid(&owner->hold, clock_of(&world, owner)) && outage_ms > LEASE_TTL_MS, 0);
        world.away = false;
        pass(&world, 10000);
        assert_int_equal(world.row.epoch, 1);
        assert_true(lease_hold_is_valid(&owner->hold, clock_of(&world, owner)));
    }
}

static void an_owner_that_dies_in_an_outage_is_followed_after_it(void **state)
{
    struct world world;

    (void) state;
    world_init(&world);
    pass(&world, 5000);
    world.away = true;
    owner_of(&world)->paused = true;
    pass(&world, 30000);
    assert_int_equal(world.row.epoch, 1);
    world.away = false;
    int64_t back_ms = world.now_ms;
    pass(&world, 10000);
    assert_int_equal(world.row.epoch, 2);
    assert_in_range(world.taken_ms - back_ms, LEASE_TTL_MS, 3000);
}

static void a_desk_handed_over_is_taken_at_the_next_look(void **state)
{
    struct world world;

    (void) state;
    world_init(&world);
    pass(&world, 5000);
    owner_of(&world)->paused = true;
    world.row.held = false;
    world.row.renewals++;
    for (int i = 0; i < BROKERS; i++) {
        world.members[i].owner = false;
    }
    pass(&world, 2 * LEASE_LOOK_MS);
    assert_int_equal(world.row.epoch, 2);
}

static void a_late_answer_counts_from_when_the_renewal_was_sent(void **state)
{
    struct lease_hold hold;

    (void) state;
    lease_hold_begin(&hold, 7, 1000);
    assert_true(lease_hold_is_valid(&hold, 1000 + LEASE_TTL_MS - 1));
    assert_false(lease_hold_is_valid(&hold, 1000 + LEASE_TTL_MS));
    lease_hold_answered(&hold, true, 4000);
    assert_false(lease_hold_is_valid(&hold, 4000 + LEASE_TTL_MS)); // answered then
    lease_hold_answered(&hold, true, 3000);
    assert_true(lease_hold_is_valid(&hold, 4000 + LEASE_TTL_MS - 1)); // an older one takes nothing away
    lease_hold_answered(&hold, false, 5000);
    assert_false(lease_hold_is_valid(&hold, 4000));
}

// ---- waiting to take over ----

static struct behalf_message *ask(const struct redirect *redirect, const struct behalf_message *message)
{
    struct behalf_fault fault;
    size_t bytes = 0;
    size_t answer_bytes = 0;
    bool noise = true;
    void *frame = behalf_message_encode(message, &bytes, &fault);
    void *words = redirect_answer(redirect, frame, bytes, &answer_bytes, &noise);

    assert_non_null(words);
    assert_false(noise);
    struct behalf_message *answer = behalf_message_decode(words, answer_bytes, &fault);
    assert_non_null(answer);
    free(frame);
    free(words);
    return answer;
}

static void expect_answer(const struct redirect *redirect, const struct behalf_message *message, const char *expected)
{
    struct behalf_message *answer_to = ask(redirect, message);
    const char *found = answer_to->type == BEHALF_ERROR ? answer_to->error.code : behalf_type_name(answer_to->type);

    assert_string_equal(found, expected);
    assert_int_equal(answer_to->id, message->id);
    behalf_message_destroy(&answer_to);
}

static const struct behalf_message hello = { .type = BEHALF_HELLO,
                                             .id = 12,
                                             .hello = { .version = 1, .role = "person", .name = "asha" } };

static void hello_is_answered_with_where_the_desk_is(void **state)
{
    struct redirect redirect = { .desk = "support" };

    (void) state;
    redirect_set_owner(&redirect, "tcp://127.0.0.1:1,ipc:///run/b", false, "tcp://127.0.0.1:2");
    struct behalf_message *moved = ask(&redirect, &hello);
    assert_int_equal(moved->type, BEHALF_MOVED);
    assert_int_equal(moved->id, 12);
    assert_string_equal(moved->moved.desk, "support");
    assert_int_equal(moved->moved.brokers_count, 2);
    assert_string_equal(moved->moved.brokers[0], "tcp://127.0.0.1:1");
    assert_string_equal(moved->moved.brokers[1], "ipc:///run/b");
    behalf_message_destroy(&moved);
}

static void hello_is_answered_busy_while_nobody_is_known_to_have_the_desk(void **state)
{
    struct redirect redirect = { .desk = "support" };

    (void) state;
    expect_answer(&redirect, &hello, "BUSY");
    redirect_set_owner(&redirect, "tcp://127.0.0.1:1", true, "tcp://127.0.0.1:2");
    expect_answer(&redirect, &hello, "BUSY");
    redirect_set_owner(&redirect, "tcp://127.0.0.1:2", false, "tcp://127.0.0.1:2"); // we ourselves, before a restart
    expect_answer(&redirect, &hello, "BUSY");
    redirect_set_owner(&redirect, "", false, "tcp://127.0.0.1:2");
    expect_answer(&redirect, &hello, "BUSY");
}

static void hello_for_a_desk_that_is_not_served_is_not_answered_with_where_another_is(void **state)
{
    struct redirect redirect = { .desk = "support" };
    struct behalf_message elsewhere = hello;

    (void) state;
    redirect_set_owner(&redirect, "tcp://127.0.0.1:1", false, "tcp://127.0.0.1:2");
    elsewhere.hello.desk = "other";
    expect_answer(&redirect, &elsewhere, "NOT_FOUND");
    elsewhere.hello.desk = "support";
    expect_answer(&redirect, &elsewhere, "MOVED");
}

static void anything_else_has_no_session(void **state)
{
    struct redirect redirect = { .desk = "support" };
    struct behalf_message take = { .type = BEHALF_TAKE, .id = 5, .take = { .item = 1, .lease = 1 } };
    struct behalf_message heartbeat = { .type = BEHALF_HEARTBEAT };
    struct behalf_fault fault;
    size_t bytes = 0;
    bool noise = false;

    (void) state;
    expect_answer(&redirect, &take, "NOT_SIGNED_IN");
    expect_answer(&redirect, &heartbeat, "NOT_SIGNED_IN");
    void *words = redirect_answer(&redirect, "noise", 5, &bytes, &noise);
    assert_true(noise);
    struct behalf_message *error = behalf_message_decode(words, bytes, &fault);
    assert_string_equal(error->error.code, "MALFORMED");
    assert_true(strlen(error->error.reason) > 0); // in words that last until they are said
    behalf_message_destroy(&error);
    free(words);
}

static void endpoints_beyond_what_is_told_are_left_out(void **state)
{
    struct redirect redirect = { .desk = "support" };
    char many[1024] = "";

    (void) state;
    for (int i = 0; i < 20; i++) {
        snprintf(many + strlen(many), sizeof many - strlen(many), "%stcp://127.0.0.1:%d", i == 0 ? "" : ",,", i + 1);
    }
    redirect_set_owner(&redirect, many, false, "");
    assert_int_equal(redirect.broker_count, REDIRECT_BROKERS_MAX);
    expect_answer(&redirect, &hello, "MOVED");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_desk_that_nobody_has_is_taken_at_once_by_one),
        cmocka_unit_test(the_desk_of_a_dead_owner_is_taken_within_3_s_by_one_of_two_challengers),
        cmocka_unit_test(a_paused_owner_finds_its_lease_over_and_is_fenced),
        cmocka_unit_test(an_owner_paused_for_less_than_its_lease_goes_on),
        cmocka_unit_test(an_outage_of_any_length_moves_no_desk),
        cmocka_unit_test(an_owner_that_dies_in_an_outage_is_followed_after_it),
        cmocka_unit_test(a_desk_handed_over_is_taken_at_the_next_look),
        cmocka_unit_test(a_late_answer_counts_from_when_the_renewal_was_sent),
        cmocka_unit_test(hello_is_answered_with_where_the_desk_is),
        cmocka_unit_test(hello_is_answered_busy_while_nobody_is_known_to_have_the_desk),
        cmocka_unit_test(hello_for_a_desk_that_is_not_served_is_not_answered_with_where_another_is),
        cmocka_unit_test(anything_else_has_no_session),
        cmocka_unit_test(endpoints_beyond_what_is_told_are_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
