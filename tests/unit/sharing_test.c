// sharing_test.c - brokers that share desks out among themselves, in virtual time around the rows of one database.

#include "broker/ownership/lease_watch.h"
#include "broker/ownership/sharing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BROKERS 4
#define DESKS 60
#define TURN_MS 50
#define OPENING_MS 150 // to take a desk over and read it back

struct member {
    bool started, paused, refuses;
    char name[32];
    struct sharing *sharing;
    struct shared_desk desks[DESKS];
    struct lease_watch watches[DESKS];
    int64_t open_at_ms[DESKS]; // OPENING
    int64_t beat_ms, turn_ms;
    uint64_t beats, told_load;
};

struct world {
    struct lease_row rows[DESKS];
    struct member members[BROKERS];
    char names[DESKS][32];
    const char *desks[DESKS];
    size_t desk_count;
    int64_t now_ms;
    int moves;  // desks that changed hands
    int handed; // of them because they were handed over
};

static void world_init(struct world *world, size_t desks)
{
    *world = (struct world){ .now_ms = 1000000, .desk_count = desks };
    for (size_t i = 0; i < desks; i++) {
        snprintf(world->names[i], sizeof world->names[i], "desk-%zu", i);
        world->desks[i] = world->names[i];
    }
}

static void world_fini(struct world *world)
{
    for (int i = 0; i < BROKERS; i++) {
        sharing_destroy(&world->members[i].sharing);
    }
}

static void start(struct world *world, int which)
{
    struct member *member = &world->members[which];

    sharing_destroy(&member->sharing);
    *member = (struct member){ .started = true, .turn_ms = world->now_ms + which * 7, .beats = member->beats };
    snprintf(member->name, sizeof member->name, "host:%d", which);
    member->sharing = sharing_new(member->name, world->desks, world->desk_count);
    for (size_t i = 0; i < world->desk_count; i++) {
        member->desks[i].row = &world->rows[i];
    }
}

static int owned_by(const struct world *world, int which)
{
    int count = 0;

    for (size_t i = 0; i < world->desk_count; i++) {
        count += world->rows[i].held && strcmp(world->rows[i].owner, world->members[which].name) == 0 ? 1 : 0;
    }
    return count;
}

static void take(struct world *world, struct member *member, size_t desk)
{
    struct lease_row *row = &world->rows[desk];

    row->held = true;
    row->epoch++;
    row->renewals++;
    row->successor[0] = '\0';
    snprintf(row->owner, sizeof row->owner, "%s", member->name);
    member->desks[desk].state = SHARED_OPENING;
    member->open_at_ms[desk] = world->now_ms + OPENING_MS;
    world->moves++;
}

static void look(struct world *world, struct member *member, size_t desk)
{
    struct shared_desk *shared = &member->desks[desk];
    struct lease_row *row = &world->rows[desk];
    bool ours = row->held && strcmp(row->owner, member->name) == 0;

    if (shared->state == SHARED_OPENING && world->now_ms >= member->open_at_ms[desk]) {
        shared->state = SHARED_OURS;
    } else if (shared->state == SHARED_LEAVING && world->now_ms >= member->open_at_ms[desk]) {
        shared->state = SHARED_ELSEWHERE;
        row->held = false;
        row->renewals++;
    }
    if (shared->state == SHARED_OURS || shared->state == SHARED_OPENING || shared->state == SHARED_LEAVING) {
        assert_true(ours || !row->held || member->paused);
        row->renewals += ours ? 1 : 0;
        return;
    }
    bool is_free = lease_watch_seen(&member->watches[desk], row, world->now_ms, world->now_ms);
    shared->state = is_free ? SHARED_FREE : SHARED_ELSEWHERE;
    shared->stood_still = is_free && row->held;
}

static void see_others(struct world *world, struct member *member)
{
    struct candidate_row rows[BROKERS * DESKS];
    size_t count = 0;

    for (int i = 0; i < BROKERS; i++) {
        const struct member *other = &world->members[i];
        for (size_t desk = 0; other->beats > 0 && desk < world->desk_count; desk++) {
            rows[count] = (struct candidate_row){ .desk = desk, .beats = other->beats, .desks = other->told_load };
            snprintf(rows[count].endpoints, sizeof rows[count].endpoints, "tcp://%s", other->name);
            snprintf(rows[count++].broker, LEASE_BROKER_BYTES, "%s", other->name);
        }
    }
    sharing_seen(member->sharing, rows, count, world->now_ms);
}

static void act(struct world *world, struct member *member)
{
    struct hand_over hand_over = { 0 };

    for (size_t i = 0; i < world->desk_count; i++) {
        look(world, member, i);
    }
    size_t load = sharing_load(member->desks, world->desk_count);
    if (world->now_ms >= member->beat_ms + SHARING_BEAT_MS || load != member->told_load || member->beats == 0) {
        member->beat_ms = world->now_ms;
        member->beats++;
        member->told_load = load;
    }
    see_others(world, member);
    bool hand = sharing_decide(member->sharing, member->desks, world->now_ms, &hand_over);
    for (size_t i = 0; i < world->desk_count; i++) {
        if (member->desks[i].state == SHARED_FREE && member->desks[i].take && !member->refuses) {
            take(world, member, i);
        }
    }
    if (hand) {
        assert_int_equal(member->desks[hand_over.desk].state, SHARED_OURS);
        member->desks[hand_over.desk].state = SHARED_LEAVING;
        member->open_at_ms[hand_over.desk] = world->now_ms + 50;
        snprintf(world->rows[hand_over.desk].successor, LEASE_BROKER_BYTES, "%s", hand_over.successor);
        world->handed++;
    }
}

static void pass(struct world *world, int64_t ms)
{
    for (int64_t end_ms = world->now_ms + ms; world->now_ms < end_ms; world->now_ms++) {
        for (int i = 0; i < BROKERS; i++) {
            struct member *member = &world->members[i];
            if (member->started && !member->paused && world->now_ms >= member->turn_ms) {
                member->turn_ms = world->now_ms + TURN_MS;
                act(world, member);
            }
        }
    }
}

static void brokers_that_start_together_share_at_once_and_hand_little_over(void **state)
{
    struct world world;

    (void) state;
    world_init(&world, DESKS);
    for (int i = 0; i < 3; i++) {
        start(&world, i);
    }
    pass(&world, 1000);
    for (int i = 0; i < 3; i++) {
        assert_in_range(owned_by(&world, i), 14, 26);
    }
    pass(&world, 60000);
    for (int i = 0; i < 3; i++) {
        assert_in_range(owned_by(&world, i), 19, 21);
    }
    assert_in_range(world.handed, 0, 10);
    world_fini(&world);
}

static void one_alone_takes_everything_at_once(void **state)
{
    struct world world;

    (void) state;
    world_init(&world, 6);
    start(&world, 0);
    pass(&world, 400);
    assert_int_equal(owned_by(&world, 0), 6);
    world_fini(&world);
}

static void a_broker_that_joins_is_handed_its_share_one_by_one_and_then_there_is_rest(void **state)
{
    struct world world;

    (void) state;
    world_init(&world, 6);
    start(&world, 0);
    pass(&world, 5000);
    start(&world, 1);
    pass(&world, 10000);
    assert_int_equal(owned_by(&world, 0), 3);
    assert_int_equal(owned_by(&world, 1), 3);
    assert_int_equal(world.moves, 6 + 3);
    start(&world, 2);
    pass(&world, 10000);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(owned_by(&world, i), 2);
    }
    assert_int_equal(world.moves, 6 + 3 + 2);
    pass(&world, 600000);
    assert_int_equal(world.moves, 6 + 3 + 2);
    world_fini(&world);
}

static void seven_desks_among_two_do_not_go_to_and_fro(void **state)
{
    struct world world;

    (void) state;
    world_init(&world, 7);
    start(&world, 0);
    start(&world, 1);
    pass(&world, 10000);
    int moves = world.moves;
    pass(&world, 600000);
    assert_int_equal(world.moves, moves);
    assert_in_range(owned_by(&world, 0), 3, 4);
    world_fini(&world);
}

static void the_desks_of_a_dead_broker_are_shared_by_the_others_within_3_s(void **state)
{
    struct world world;

    (void) state;
    world_init(&world, 9);
    for (int i = 0; i < 3; i++) {
        start(&world, i);
    }
    pass(&world, 20000);
    assert_int_equal(owned_by(&world, 2), 3);
    world.members[2].started = false;
    pass(&world, 2900);
    assert_int_equal(owned_by(&world, 2), 0);
    assert_int_equal(owned_by(&world, 0) + owned_by(&world, 1), 9);
    pass(&world, 20000);
    assert_in_range(owned_by(&world, 0), 4, 5);
    world_fini(&world);
}

static void no_desk_stays_without_an_owner_when_its_heir_dies(void **state)
{
    struct world world;

    (void) state;
    world_init(&world, 6);
    start(&world, 0);
    pass(&world, 5000);
    start(&world, 1);
    while (world.handed == 0) {
        pass(&world, 1);
    }
    world.members[1].started = false;
    pass(&world, 5000);
    assert_int_equal(owned_by(&world, 0) + owned_by(&world, 1), 6);
    pass(&world, 5000);
    assert_int_equal(owned_by(&world, 0), 6);
    world_fini(&world);
}

static void who_does_not_take_what_it_is_handed_is_left_alone_for_a_while(void **state)
{
    struct world world;

    (void) state;
    world_init(&world, 6);
    start(&world, 0);
    pass(&world, 5000);
    start(&world, 1);
    world.members[1].refuses = true;
    pass(&world, 50000);
    assert_int_equal(world.handed, 1);
    assert_int_equal(owned_by(&world, 0), 6);
    world.members[1].refuses = false;
    pass(&world, 60000);
    assert_int_equal(owned_by(&world, 1), 3);
    world_fini(&world);
}

static void a_broker_that_comes_and_goes_is_handed_nothing(void **state)
{
    struct world world;

    (void) state;
    world_init(&world, 6);
    start(&world, 0);
    pass(&world, 5000);
    for (int i = 0; i < 20; i++) {
        start(&world, 1);
        pass(&world, 1000);
        world.members[1].started = false;
        pass(&world, 4000);
    }
    assert_int_equal(world.handed, 0);
    assert_int_equal(owned_by(&world, 0), 6);
    world_fini(&world);
}

static void many_joining_a_full_one_end_in_equal_shares(void **state)
{
    struct world world;

    (void) state;
    world_init(&world, DESKS);
    start(&world, 0);
    pass(&world, 5000);
    for (int i = 1; i < BROKERS; i++) {
        start(&world, i);
    }
    pass(&world, 60000);
    for (int i = 0; i < BROKERS; i++) {
        assert_in_range(owned_by(&world, i), 14, 16);
    }
    assert_in_range(world.handed, 43, 50);
    world_fini(&world);
}

static void an_outage_moves_nothing(void **state)
{
    struct world world;

    (void) state;
    world_init(&world, 6);
    start(&world, 0);
    start(&world, 1);
    pass(&world, 20000);
    int moves = world.moves;
    for (int i = 0; i < 2; i++) { // nobody is answered for a while
        sharing_lost(world.members[i].sharing);
        world.members[i].turn_ms = world.now_ms + 30000 + i;
        memset(world.members[i].watches, 0, sizeof world.members[i].watches);
    }
    pass(&world, 90000);
    assert_int_equal(world.moves, moves);
    world_fini(&world);
}

static void rows_of_a_broker_long_dead_are_to_be_removed(void **state)
{
    struct world world;
    struct candidate_row row;

    (void) state;
    world_init(&world, 6);
    start(&world, 0);
    start(&world, 1);
    pass(&world, 5000);
    world.members[1].started = false;
    pass(&world, 50000);
    assert_false(sharing_forget(world.members[0].sharing, world.now_ms, &row));
    pass(&world, 15000);
    assert_true(sharing_forget(world.members[0].sharing, world.now_ms, &row));
    assert_string_equal(row.broker, "host:1");
    assert_int_equal(row.beats, world.members[1].beats);
    assert_false(sharing_forget(world.members[0].sharing, world.now_ms, &row));
    world_fini(&world);
}

static void others_that_live_and_serve_a_desk_are_told(void **state)
{
    struct world world;
    char endpoints[LEASE_ENDPOINTS_BYTES];

    (void) state;
    world_init(&world, 2);
    start(&world, 0);
    pass(&world, 2000);
    sharing_others(world.members[0].sharing, 0, world.now_ms, endpoints);
    assert_string_equal(endpoints, "");
    start(&world, 1);
    start(&world, 2);
    pass(&world, 2000);
    sharing_others(world.members[0].sharing, 1, world.now_ms, endpoints);
    assert_string_equal(endpoints, "tcp://host:1,tcp://host:2");
    world.members[1].started = false;
    pass(&world, SHARING_LOST_MS + 2 * SHARING_BEAT_MS);
    sharing_others(world.members[0].sharing, 1, world.now_ms, endpoints);
    assert_string_equal(endpoints, "tcp://host:2");
    world_fini(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_alone_takes_everything_at_once),
        cmocka_unit_test(brokers_that_start_together_share_at_once_and_hand_little_over),
        cmocka_unit_test(a_broker_that_joins_is_handed_its_share_one_by_one_and_then_there_is_rest),
        cmocka_unit_test(seven_desks_among_two_do_not_go_to_and_fro),
        cmocka_unit_test(the_desks_of_a_dead_broker_are_shared_by_the_others_within_3_s),
        cmocka_unit_test(no_desk_stays_without_an_owner_when_its_heir_dies),
        cmocka_unit_test(who_does_not_take_what_it_is_handed_is_left_alone_for_a_while),
        cmocka_unit_test(a_broker_that_comes_and_goes_is_handed_nothing),
        cmocka_unit_test(many_joining_a_full_one_end_in_equal_shares),
        cmocka_unit_test(an_outage_moves_nothing),
        cmocka_unit_test(rows_of_a_broker_long_dead_are_to_be_removed),
        cmocka_unit_test(others_that_live_and_serve_a_desk_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
