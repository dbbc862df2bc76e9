// broker_sign_in_test.c - HELLO and what a session is then: who resumes what, how many there may be, silence and noise.

#include "tests/unit/broker_verbs.h"

// ---- HELLO ----

static void a_request_before_hello_is_refused(void **state)
{
    struct world *world = *state;

    expect_code(world_ask(world, FEED, world_post("1", 0, "hi")), "NOT_SIGNED_IN");
    expect_code(world_ask(world, FEED, ABOUT(STATUS, status, .behalf_end = 0)), "NOT_SIGNED_IN");
}

static void a_version_not_spoken_is_refused_with_the_one_that_is(void **state)
{
    struct world *world = *state;
    const struct behalf_message *answer =
        world_ask(world, FEED, ABOUT(HELLO, hello, .version = 2, .role = "control", .name = "x"));

    expect_code(answer, "VERSION");
    assert_non_null(strstr(answer->error.reason, "1"));
}

static void a_person_the_rules_do_not_name_is_refused(void **state)
{
    struct world *world = *state;
    const struct behalf_message *answer = world_hello(world, ASHA, "person", "nobody");

    expect_code(answer, "NOT_FOUND");
    assert_string_equal(answer->error.field, "name");
    expect_code(world_hello(world, ASHA, "boss", "asha"), "INVALID");
}

static void a_desk_that_is_not_served_is_refused_and_the_served_one_may_be_named(void **state)
{
    struct world *world = *state;
    struct behalf_message hello = {
        .type = BEHALF_HELLO,
        .hello = { .version = BEHALF_PROTOCOL_VERSION, .role = "person", .name = "asha", .desk = "another" }
    };

    const struct behalf_message *answer = world_ask(world, ASHA, hello);
    expect_code(answer, "NOT_FOUND");
    assert_string_equal(answer->error.field, "desk");
    hello.hello.desk = "test";
    assert_int_equal(world_ask(world, ASHA, hello)->type, BEHALF_WELCOME);
}

static void a_connector_that_could_pass_for_another_ones_instance_is_refused(void **state)
{
    struct world *world = *state;
    const struct behalf_message *answer = world_hello(world, OTHER, "connector", "feed/i");

    expect_code(answer, "INVALID");
    assert_string_equal(answer->error.field, "name");
}

static void a_connector_of_an_unknown_channel_is_refused(void **state)
{
    struct world *world = *state;
    const char *channels[] = { "telegraph" };
    const struct behalf_message *answer = world_ask(world, FEED,
                                                    ABOUT(HELLO, hello, .version = 1, .role = "connector", .name = "x",
                                                          .instance = "i", .channels = channels, .channels_count = 1));

    expect_code(answer, "NOT_FOUND");
    assert_string_equal(answer->error.field, "channels");
    channels[0] = "chirp";
    answer = world_ask(
        world, FEED,
        ABOUT(HELLO, hello, .version = 1, .role = "connector", .name = "x", .channels = channels, .channels_count = 1));
    expect_code(answer, "MISSING");
    assert_string_equal(answer->error.field, "instance");
}

static void welcome_describes_the_session(void **state)
{
    struct world *world = *state;
    const struct behalf_message *welcome = world_hello(world, ASHA, "person", "asha");

    expect_type(welcome, BEHALF_WELCOME);
    assert_int_equal(strlen(welcome->welcome.token), 32);
    assert_false(welcome->welcome.resumed);
    assert_string_equal(welcome->welcome.desk, "test");
    assert_string_equal(welcome->welcome.roles, "agent");
    assert_string_equal(welcome->welcome.agency, "Northline");
    assert_string_equal(welcome->welcome.display_name, "Asha Rao");
    assert_int_equal(welcome->welcome.capacity, 2);
    assert_int_equal(welcome->welcome.heartbeat_ms, 5000);
    assert_int_equal(welcome->welcome.timeout_ms, 15000);
    assert_string_equal(welcome->welcome.presence, "available");
}

static void a_second_sign_in_of_a_person_ends_the_first(void **state)
{
    struct world *world = *state;

    expect_type(world_hello(world, ASHA, "person", "asha"), BEHALF_WELCOME);
    expect_type(world_hello(world, OTHER, "person", "asha"), BEHALF_WELCOME);
    const struct behalf_message *bye = world_told(world, ASHA, BEHALF_BYE);
    expect_type(bye, BEHALF_BYE);
    assert_string_equal(bye->bye.reason, "signed in elsewhere");
    assert_true(world->told[ASHA].dropped);
    assert_int_equal(broker_session_count(world->broker), 1);
}

static void what_a_person_holds_moves_to_their_next_session(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    int64_t item = post(world, "1", "Where is my bag?");
    take(world, ASHA, item);
    const struct behalf_message *welcome = world_hello(world, OTHER, "person", "asha");
    expect_type(welcome, BEHALF_WELCOME);
    assert_int_equal(welcome->welcome.items, 1);
    const struct behalf_message *shown = world_told(world, OTHER, BEHALF_ITEM);
    expect_type(shown, BEHALF_ITEM);
    assert_string_equal(shown->item.state, "held");
    assert_int_equal(shown->item.item, item);
    assert_int_equal(world_count_told(world, OTHER, BEHALF_ITEM), 1);
}

static void a_token_resumes_its_session_on_another_connection(void **state)
{
    struct world *world = *state;
    char token[65];

    sign_in_all(world);
    snprintf(token, sizeof token, "%s", world_told(world, ASHA, BEHALF_WELCOME)->welcome.token);
    int64_t item = post(world, "1", "Where is my bag?");
    take(world, ASHA, item);
    broker_peer_lost(world->broker, ASHA, "its connection is gone", world->now_ms);
    const struct behalf_message *welcome = world_resume(world, OTHER, "person", "asha", token);
    expect_type(welcome, BEHALF_WELCOME);
    assert_true(welcome->welcome.resumed);
    assert_string_equal(welcome->welcome.token, token);
    assert_int_equal(welcome->welcome.items, 1);
    assert_int_equal(broker_session_count(world->broker), 4);
}

static void a_token_of_somebody_else_resumes_nothing(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    const char *token = world_told(world, ASHA, BEHALF_WELCOME)->welcome.token;
    const struct behalf_message *welcome = world_resume(world, BEN, "person", "ben", token);
    expect_type(welcome, BEHALF_WELCOME);
    assert_false(welcome->welcome.resumed);
    assert_null(world_told(world, ASHA, BEHALF_BYE));
}

static void hello_again_on_the_same_connection_goes_on_with_the_session(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    int64_t item = post(world, "1", "Where is my bag?");
    take(world, ASHA, item);
    const struct behalf_message *welcome = world_hello(world, ASHA, "person", "asha");
    expect_type(welcome, BEHALF_WELCOME);
    assert_true(welcome->welcome.resumed);
    assert_int_equal(welcome->welcome.items, 1);
    welcome = world_hello(world, ASHA, "person", "ben");
    expect_type(welcome, BEHALF_WELCOME);
    assert_false(welcome->welcome.resumed);
}

// ---- silence and noise ----

static void a_heartbeat_is_answered(void **state)
{
    struct world *world = *state;

    expect_code(world_ask(world, ASHA, (struct behalf_message){ .type = BEHALF_HEARTBEAT }), "NOT_SIGNED_IN");
    sign_in_all(world);
    world_say(world, ASHA, (struct behalf_message){ .type = BEHALF_HEARTBEAT });
    world_settle(world);
    assert_int_equal(world_count_told(world, ASHA, BEHALF_HEARTBEAT), 1);
}

static void a_silent_session_is_lost_and_its_hold_kept_for_the_grace(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    int64_t item = post(world, "1", "Where is my bag?");
    take(world, ASHA, item);
    for (int i = 0; i < 4; i++) {
        world_pass(world, 4000);
        world_say(world, FEED, (struct behalf_message){ .type = BEHALF_HEARTBEAT });
    }
    assert_true(world->told[ASHA].dropped);
    assert_false(world->told[FEED].dropped);
    assert_int_equal(desk_item_state(broker_desk(world->broker), (uint64_t) item), ITEM_HELD);
    world_pass(world, 65000);
    assert_int_equal(desk_item_state(broker_desk(world->broker), (uint64_t) item), ITEM_WAITING);
}

static void a_peer_without_a_session_is_dropped(void **state)
{
    struct world *world = *state;

    world_say_bytes(world, OTHER, "\x93", 1);
    world_settle(world);
    expect_code(world_told(world, OTHER, BEHALF_ERROR), "MALFORMED");
    world_pass(world, 20000);
    assert_true(world->told[OTHER].dropped);
}

static void bye_returns_what_a_person_holds_at_once(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    int64_t item = post(world, "1", "Where is my bag?");
    take(world, ASHA, item);
    world_say(world, ASHA, (struct behalf_message){ .type = BEHALF_BYE });
    world_settle(world);
    assert_int_equal(desk_item_state(broker_desk(world->broker), (uint64_t) item), ITEM_WAITING);
    assert_int_equal(broker_session_count(world->broker), 3);
}

static void nothing_but_noise_is_cut_off(void **state)
{
    struct world *world = *state;

    expect_type(world_hello(world, ASHA, "person", "asha"), BEHALF_WELCOME);
    for (int i = 0; i < 40; i++) {
        world_say_bytes(world, ASHA, "nonsense", 8);
    }
    world_settle(world);
    assert_int_equal(world_count_told(world, ASHA, BEHALF_ERROR), 16);
    assert_int_equal(world_count_told(world, ASHA, BEHALF_BYE), 1);
    assert_true(world->told[ASHA].dropped);
}

static void one_good_frame_forgives_bad_ones(void **state)
{
    struct world *world = *state;

    expect_type(world_hello(world, ASHA, "person", "asha"), BEHALF_WELCOME);
    for (int i = 0; i < 40; i++) {
        world_say_bytes(world, ASHA, "nonsense", 8);
        if (i % 10 == 0) {
            world_say(world, ASHA, (struct behalf_message){ .type = BEHALF_HEARTBEAT });
        }
    }
    world_settle(world);
    assert_int_equal(world_count_told(world, ASHA, BEHALF_BYE), 0);
}

static void time_that_passed_while_the_process_slept_loses_nobody(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    int64_t item = post(world, "1", "Where is my bag?");
    take(world, ASHA, item);
    world->now_ms += INT64_C(8) * 3600 * 1000;
    world_settle(world);
    assert_false(world->told[ASHA].dropped);
    assert_int_equal(desk_item_state(broker_desk(world->broker), (uint64_t) item), ITEM_HELD);
}

// ---- how many there may be ----

static const struct behalf_message *hello_as(struct world *world, uint64_t peer, const char *role, const char *name)
{
    return world_ask(
        world, peer,
        (struct behalf_message){ .type = BEHALF_HELLO, .hello = { .version = 1, .role = role, .name = name } });
}

static void sessions_of_programs_leave_room_for_people(void **state)
{
    struct world *world = *state;
    char name[8];

    world_crash(world);
    world->options.sessions_max = 16;
    world_start(world);
    for (uint64_t i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "c%d", (int) i);
        bool control = i % 2 == 0;
        const struct behalf_message *answer = hello_as(world, 20 + i, control ? "control" : "connector", name);
        if (i < (control ? 4 : 8)) {
            expect_type(answer, BEHALF_WELCOME);
        } else {
            expect_code(answer, "BUSY");
            assert_true(answer->error.retry_ms > 0);
        }
    }
    expect_type(world_hello(world, ASHA, "person", "asha"), BEHALF_WELCOME);
    expect_type(world_hello(world, BEN, "person", "ben"), BEHALF_WELCOME);
    expect_type(world_hello(world, SAM, "person", "sam"), BEHALF_WELCOME);
    broker_peer_gone(world->broker, 20, "its connection has closed", world->now_ms);
    expect_type(hello_as(world, OTHER, "control", "new"), BEHALF_WELCOME); // in the place of the one that is lost
}

static void one_name_does_not_take_all_sessions_of_its_role(void **state)
{
    struct world *world = *state;

    world_crash(world);
    world->options.sessions_max = 128; // 16 of controls, 4 a name
    world_start(world);
    for (uint64_t i = 0; i < 6; i++) {
        const struct behalf_message *answer = hello_as(world, 20 + i, "control", "eager");
        if (i < 4) {
            expect_type(answer, BEHALF_WELCOME);
        } else {
            expect_code(answer, "BUSY");
        }
    }
    expect_type(hello_as(world, OTHER, "control", "other"), BEHALF_WELCOME);
}

static void one_address_does_not_take_all_sessions_of_a_role(void **state)
{
    struct world *world = *state;
    char name[8];

    world_crash(world);
    world->options.sessions_max = 128; // 16 of controls, 8 an address
    world_start(world);
    for (uint64_t i = 0; i < 10; i++) {
        snprintf(name, sizeof name, "c%d", (int) i);
        broker_peer_at(world->broker, 20 + i, 2, world->now_ms);
        const struct behalf_message *answer = hello_as(world, 20 + i, "control", name);
        if (i < 8) {
            expect_type(answer, BEHALF_WELCOME);
        } else {
            expect_code(answer, "BUSY");
            assert_non_null(strstr(answer->error.reason, "address"));
        }
    }
    broker_peer_at(world->broker, OTHER, 3, world->now_ms);
    expect_type(hello_as(world, OTHER, "control", "other"), BEHALF_WELCOME);
    const struct behalf_message *counts = world_ask(world, OTHER, ABOUT(STATUS, status, 0));
    expect_type(counts, BEHALF_COUNTS);
    assert_int_equal(counts->counts.over_address, 2);
    broker_peer_at(world->broker, ASHA, 2, world->now_ms);
    expect_type(world_hello(world, ASHA, "person", "asha"), BEHALF_WELCOME); // whose shift is behind one address
    broker_peer_gone(world->broker, 20, "its connection has closed", world->now_ms);
    broker_peer_at(world->broker, 40, 2, world->now_ms);
    expect_type(hello_as(world, 40, "control", "c40"), BEHALF_WELCOME);
}

static void one_address_does_not_use_up_all_sign_ins_of_a_role(void **state)
{
    struct world *world = *state;
    const struct behalf_message *answer = NULL;
    int welcomed = 0;

    sign_in_all(world);
    for (uint64_t i = 0; i < 600; i++) {
        broker_peer_at(world->broker, 30, 2, world->now_ms);
        answer = hello_as(world, 30, "control", "eager");
        welcomed += answer->type == BEHALF_WELCOME ? 1 : 0;
    }
    expect_code(answer, "TOO_MANY");
    assert_true(welcomed >= 300 && welcomed < 350);
    broker_peer_at(world->broker, CONTROL, 3, world->now_ms);
    expect_type(hello_as(world, CONTROL, "control", "ops"), BEHALF_WELCOME);
}

static void who_does_not_read_is_told_to_ask_later(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    expect_type(world_hello(world, CONTROL, "control", "ops"), BEHALF_WELCOME);
    broker_peer_behind(world->broker, CONTROL, true);
    const struct behalf_message *later = world_ask(world, CONTROL, ABOUT(LOOK, look, .limit = 10));
    expect_code(later, "TOO_MANY");
    assert_true(later->error.retry_ms > 0);
    expect_code(world_ask(world, CONTROL, ABOUT(OUTCOMES, outcomes, .limit = 10)), "TOO_MANY");
    broker_peer_behind(world->broker, CONTROL, false);
    expect_type(world_ask(world, CONTROL, ABOUT(LOOK, look, .limit = 10)), BEHALF_LISTING);
}

static void a_session_asks_for_so_many_reports_at_once(void **state)
{
    struct world *world = *state;
    int64_t asked[6];

    sign_in_all(world);
    expect_type(world_hello(world, CONTROL, "control", "ops"), BEHALF_WELCOME);
    for (size_t i = 0; i < 6; i++) {
        asked[i] = world_say(world, CONTROL, ABOUT(OUTCOMES, outcomes, .limit = 10));
    }
    world_settle(world);
    expect_type(world_answer(world, CONTROL, asked[3]), BEHALF_ENDED);
    expect_code(world_answer(world, CONTROL, asked[4]), "TOO_MANY");
    expect_type(world_ask(world, CONTROL, ABOUT(OUTCOMES, outcomes, .limit = 10)), BEHALF_ENDED);
}

static void a_ban_ends_with_its_connection(void **state)
{
    struct world *world = *state;

    for (int i = 0; i < 20; i++) {
        world_say_bytes(world, OTHER, "noise", 5);
    }
    world_settle(world);
    assert_true(world->told[OTHER].dropped);
    broker_peer_gone(world->broker, OTHER, "its connection has closed", world->now_ms);
    expect_type(world_hello(world, OTHER, "person", "ben"), BEHALF_WELCOME);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_before_hello_is_refused),
        TEST(a_version_not_spoken_is_refused_with_the_one_that_is),
        TEST(a_person_the_rules_do_not_name_is_refused),
        TEST(a_desk_that_is_not_served_is_refused_and_the_served_one_may_be_named),
        TEST(a_connector_that_could_pass_for_another_ones_instance_is_refused),
        TEST(a_connector_of_an_unknown_channel_is_refused),
        TEST(welcome_describes_the_session),
        TEST(a_second_sign_in_of_a_person_ends_the_first),
        TEST(what_a_person_holds_moves_to_their_next_session),
        TEST(a_token_resumes_its_session_on_another_connection),
        TEST(a_token_of_somebody_else_resumes_nothing),
        TEST(hello_again_on_the_same_connection_goes_on_with_the_session),
        TEST(a_heartbeat_is_answered),
        TEST(a_silent_session_is_lost_and_its_hold_kept_for_the_grace),
        TEST(a_peer_without_a_session_is_dropped),
        TEST(bye_returns_what_a_person_holds_at_once),
        TEST(nothing_but_noise_is_cut_off),
        TEST(one_good_frame_forgives_bad_ones),
        TEST(time_that_passed_while_the_process_slept_loses_nobody),
        TEST(sessions_of_programs_leave_room_for_people),
        TEST(one_name_does_not_take_all_sessions_of_its_role),
        TEST(one_address_does_not_take_all_sessions_of_a_role),
        TEST(one_address_does_not_use_up_all_sign_ins_of_a_role),
        TEST(who_does_not_read_is_told_to_ask_later),
        TEST(a_session_asks_for_so_many_reports_at_once),
        TEST(a_ban_ends_with_its_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
