// broker_test.c - sessions, intake, and "decide, make durable, speak", around the real desk and a memory store.

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

static struct world the_world;

static int set_up(void **state)
{
    world_init(&the_world);
    *state = &the_world;
    return 0;
}

static int tear_down(void **state)
{
    world_fini(*state);
    return 0;
}

static void sign_in_all(struct world *world)
{
    expect_type(world_hello(world, FEED, "connector", "feed"), BEHALF_WELCOME);
    expect_type(world_hello(world, ASHA, "person", "asha"), BEHALF_WELCOME);
    expect_type(world_hello(world, PETRA, "person", "petra"), BEHALF_WELCOME);
    expect_type(world_hello(world, CONTROL, "control", "ctl"), BEHALF_WELCOME);
}

static int64_t post(struct world *world, const char *id, const char *text)
{
    const struct behalf_message *taken = world_ask(world, FEED, world_post(id, world->now_ms, text));

    expect_type(taken, BEHALF_TAKEN);
    return taken->taken.item;
}

// Takes the offer that the peer was told of; returns its lease.
static int64_t take(struct world *world, uint64_t peer, int64_t item)
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

static struct behalf_message answering(int64_t item, int64_t lease)
{
    return ABOUT(ANSWER, answer, .item = item, .lease = lease, .text = "We are on it.");
}

// What was answered at the greatest length that is allowed goes out, into the reports, and into the story of what
// follows.
static void the_longest_answer_can_be_previewed_reported_and_shown_again(void **state)
{
    struct world *world = *state;
    static char longest[BEHALF_POST_BYTES + 1];
    const char *channels[] = { "mail" };

    memset(longest, 'x', BEHALF_POST_BYTES);
    sign_in_all(world);
    expect_type(world_ask(world, FEED,
                          ABOUT(HELLO, hello, .version = 1, .role = "connector", .name = "mailer", .instance = "i",
                                .channels = channels, .channels_count = 1)),
                BEHALF_WELCOME);
    struct behalf_message mail = world_post("1", world->now_ms, "Where is my bag?");
    mail.post.channel = "mail";
    mail.post.thread = "t";
    int64_t item = world_ask(world, FEED, mail)->taken.item;
    int64_t lease = take(world, ASHA, item);
    struct behalf_message answer = answering(item, lease);
    answer.answer.text = longest;
    expect_type(world_ask(world, ASHA, ABOUT(PREVIEW, preview, .item = item, .lease = lease, .text = longest)),
                BEHALF_PREVIEWED);
    expect_type(world_ask(world, ASHA, answer), BEHALF_DONE);
    const struct behalf_message *reply = world_told(world, FEED, BEHALF_REPLY);
    expect_type(reply, BEHALF_REPLY);
    int64_t number = reply->reply.reply;
    expect_type(world_ask(world, FEED, ABOUT(SETTLE, settle, .reply = number, .fate = "confirmed")), BEHALF_DONE);
    const struct behalf_message *ended = world_ask(world, CONTROL, ABOUT(OUTCOMES, outcomes, .brand = "acme"));
    expect_type(ended, BEHALF_ENDED);
    assert_int_equal(ended->ended.rows_count, 1);
    mail.post.post = "2";
    item = world_ask(world, FEED, mail)->taken.item;
    const struct behalf_message *shown = world_told(world, ASHA, BEHALF_ITEM);
    expect_type(shown, BEHALF_ITEM);
    assert_int_equal(shown->item.item, item);
}

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

// ---- who may say what ----

static void a_message_of_another_role_is_forbidden(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    expect_code(world_ask(world, ASHA, world_post("1", 0, "hi")), "FORBIDDEN");
    expect_code(world_ask(world, FEED, ABOUT(TAKE, take, .item = 1, .lease = 1)), "FORBIDDEN");
    expect_code(world_ask(world, ASHA, ABOUT(WHY, why, .item = 1)), "FORBIDDEN");
    expect_code(world_ask(world, ASHA, ABOUT(STATUS, status, .behalf_end = 0)), "FORBIDDEN");
    expect_type(world_hello(world, SAM, "person", "sam"), BEHALF_WELCOME);
    expect_type(world_ask(world, SAM, ABOUT(STATUS, status, .behalf_end = 0)), BEHALF_COUNTS);
}

static void a_message_that_only_a_broker_sends_is_unknown(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    expect_code(world_ask(world, FEED, ABOUT(TAKEN, taken, .item = 1)), "UNKNOWN_TYPE");
    expect_code(world_ask(world, ASHA, ABOUT(DONE, done, .item = 1)), "UNKNOWN_TYPE");
}

static void names_with_characters_that_are_not_seen_are_refused(void **state)
{
    struct world *world = *state;
    static const char *const names[] = { "feed\x1b[2J",    "feed\n",        "fe\x7f",       "fe\xc2\x9b",
                                         "fe\xe2\x80\xae", "f\xe2\x80\x8b", "f\xe2\x80\xa8" };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct behalf_message *refused =
            world_hello(world, OTHER, i % 2 == 0 ? "connector" : "control", names[i]);
        expect_code(refused, "INVALID");
        assert_string_equal(refused->error.field, "name");
    }
    expect_type(world_hello(world, OTHER, "control", "J\xc3\xb6rg's desk"), BEHALF_WELCOME);
}

// [ "STATUS", 0, {} ]
static void a_request_without_an_id_is_refused(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    world_say_bytes(world, CONTROL, "\x93\xa6STATUS\x00\x80", 10);
    world_settle(world);
    const struct behalf_message *error = world_told(world, CONTROL, BEHALF_ERROR);
    expect_code(error, "INVALID");
    assert_string_equal(error->error.field, "id");
}

static void more_requests_than_the_window_are_refused(void **state)
{
    struct world *world = *state;
    char id[16];

    sign_in_all(world);
    world->hold_batches = true;
    for (int i = 0; i < 1030; i++) {
        snprintf(id, sizeof id, "p%d", i);
        world_say(world, FEED, world_post(id, world->now_ms, "hello"));
    }
    world_settle(world);
    assert_int_equal(world_count_told(world, FEED, BEHALF_ERROR), 6);
    expect_code(world_told(world, FEED, BEHALF_ERROR), "TOO_MANY");
    assert_int_equal(world_count_told(world, FEED, BEHALF_TAKEN), 0);
    world->hold_batches = false;
    world_settle(world);
    assert_int_equal(world_count_told(world, FEED, BEHALF_TAKEN), 1024);
}

static void requests_beyond_the_rate_are_put_off_and_change_nothing(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    int64_t item = post(world, "1", "Where is my bag?");
    int64_t lease = take(world, ASHA, item);
    struct behalf_message note = ABOUT(NOTE, note, .item = item, .lease = lease, .text = "again");
    int noted = 0;
    while (world_ask(world, ASHA, note)->type == BEHALF_DONE) {
        noted++;
    }
    assert_in_range(noted, 390, 400);
    const struct behalf_message *refused = world_ask(world, ASHA, note);
    expect_code(refused, "TOO_MANY");
    assert_true(refused->error.retry_ms > 0);
    world_pass(world, 1000);
    for (noted = 0; world_ask(world, ASHA, note)->type == BEHALF_DONE; noted++) {
    }
    assert_in_range(noted, 90, 110);
    expect_type(world_ask(world, FEED, world_post("2", world->now_ms, "And mine?")), BEHALF_TAKEN); // each its own
}

static void refused_sign_ins_do_not_fill_the_log(void **state)
{
    struct world *world = *state;

    for (int i = 0; i < 1000; i++) {
        expect_code(world_hello(world, ASHA, "person", "nobody"), "NOT_FOUND");
    }
    assert_in_range(world->log_lines, 50, 60);
    world_pass(world, 1000);
    size_t before = world->log_lines;
    world_hello(world, ASHA, "person", "nobody");
    assert_int_equal(world->log_lines, before + 2); // this one, and how many were left out
}

static void hello_without_an_id_is_refused(void **state)
{
    struct world *world = *state;
    static const char hello[] = "\x93\xa5HELLO\x00\x83\xa7version\x01\xa4role\xa6person\xa4name\xa4"
                                "asha";

    world_say_bytes(world, ASHA, hello, sizeof hello - 1);
    world_settle(world);
    const struct behalf_message *error = world_told(world, ASHA, BEHALF_ERROR);
    expect_code(error, "INVALID");
    assert_string_equal(error->error.field, "id");
    assert_int_equal(world_count_told(world, ASHA, BEHALF_WELCOME), 0);
}

static void signing_in_over_and_over_is_put_off(void **state)
{
    struct world *world = *state;
    const struct behalf_message *answer;
    int welcomed = 0;

    while ((answer = world_hello(world, ASHA, "person", "asha"))->type == BEHALF_WELCOME) {
        world_say(world, ASHA, ABOUT(BYE, bye, .reason = "again"));
        world_settle(world);
        welcomed++;
    }
    assert_in_range(welcomed, 20, 21);
    expect_code(answer, "TOO_MANY");
    assert_true(answer->error.retry_ms > 0);
    expect_type(world_hello(world, BEN, "person", "ben"), BEHALF_WELCOME);
    world_pass(world, answer->error.retry_ms);
    expect_type(world_hello(world, ASHA, "person", "asha"), BEHALF_WELCOME);
}

// ---- intake ----

static void taken_is_spoken_once_it_is_on_disk(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    world->hold_batches = true;
    world_say(world, FEED, world_post("1", world->now_ms, "Where is my bag?"));
    world_settle(world);
    assert_null(world_told(world, FEED, BEHALF_TAKEN));
    assert_null(world_told(world, ASHA, BEHALF_ITEM));
    world->hold_batches = false;
    world_settle(world);
    expect_type(world_told(world, FEED, BEHALF_TAKEN), BEHALF_TAKEN);
    expect_type(world_told(world, ASHA, BEHALF_ITEM), BEHALF_ITEM);
}

static void a_commit_in_doubt_speaks_only_when_it_is_settled(void **state)
{
    struct world *world = *state;
    const enum planned_fault plan[] = { FAULT_DOUBT_LOST, FAULT_UNAVAILABLE, FAULT_DOUBT_WRITTEN };

    sign_in_all(world);
    fault_plan_add(memory_disk_plan(world->disk), plan, 3);
    int64_t item = post(world, "1", "Where is my bag?");
    const struct behalf_message *again = world_ask(world, FEED, world_post("1", world->now_ms, "Where is my bag?"));
    expect_type(again, BEHALF_TAKEN);
    assert_true(again->taken.repeated);
    assert_int_equal(again->taken.item, item);
}

static void a_post_brought_again_is_one_item(void **state)
{
    struct world *world = *state;
    const int64_t times[] = { world->now_ms, 0, INT64_C(1400000000000), world->now_ms + 1000 };
    char id[16];

    sign_in_all(world);
    for (size_t i = 0; i < 4; i++) {
        snprintf(id, sizeof id, "p%zu", i);
        const struct behalf_message *first = world_ask(world, FEED, world_post(id, times[i], "Where is my bag?"));
        expect_type(first, BEHALF_TAKEN);
        assert_false(first->taken.repeated);
        int64_t item = first->taken.item;
        const struct behalf_message *second = world_ask(world, FEED, world_post(id, times[i], "Where is my bag?"));
        expect_type(second, BEHALF_TAKEN);
        assert_true(second->taken.repeated);
        assert_int_equal(second->taken.item, item);
    }
}

static void a_post_dated_ahead_is_known_when_its_day_comes(void **state)
{
    struct world *world = *state;
    int64_t posted_ms = world->now_ms + INT64_C(3) * 24 * 3600 * 1000;

    sign_in_all(world);
    const struct behalf_message *first = world_ask(world, FEED, world_post("1", posted_ms, "Where is my bag?"));
    expect_type(first, BEHALF_TAKEN);
    int64_t item = first->taken.item;
    world->now_ms = posted_ms;
    world_settle(world);
    const struct behalf_message *second = world_ask(world, FEED, world_post("1", posted_ms, "Where is my bag?"));
    expect_type(second, BEHALF_TAKEN);
    assert_true(second->taken.repeated);
    assert_int_equal(second->taken.item, item);
}

// Old posts, whose newness only the store can tell: asked together, answered together.
static void twins_that_are_asked_for_together_are_one_item(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    int64_t first = world_say(world, FEED, world_post("1", 0, "Where is my bag?"));
    int64_t second = world_say(world, FEED, world_post("1", 0, "Where is my bag?"));
    world_settle(world);
    const struct behalf_message *one = world_answer(world, FEED, first);
    const struct behalf_message *other = world_answer(world, FEED, second);
    expect_type(one, BEHALF_TAKEN);
    expect_type(other, BEHALF_TAKEN);
    assert_false(one->taken.repeated);
    assert_true(other->taken.repeated);
    assert_int_equal(one->taken.item, other->taken.item);
}

// The first is decided while the second's question is with the store, whose answer cannot know of it.
static void a_twin_decided_while_the_other_is_asked_for_is_found(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    world->hold_batches = true;
    int64_t first = world_say(world, FEED, world_post("1", 0, "Where is my bag?"));
    world_settle(world); // the first's question is out
    int64_t second = world_say(world, FEED, world_post("1", 0, "Where is my bag?"));
    world->hold_batches = false;
    world_settle(world);
    expect_type(world_answer(world, FEED, second), BEHALF_TAKEN);
    assert_false(world_answer(world, FEED, first)->taken.repeated);
    assert_true(world_answer(world, FEED, second)->taken.repeated);
}

static void a_repeat_while_the_first_is_in_flight_gets_one_answer(void **state)
{
    struct world *world = *state;
    struct behalf_message message = world_post("1", 0, "Where is my bag?");

    sign_in_all(world);
    message.id = 77;
    world_say(world, FEED, message);
    world_say(world, FEED, message);
    world_settle(world);
    assert_int_equal(world_count_told(world, FEED, BEHALF_TAKEN), 1);
}

static void a_post_to_an_unknown_brand_is_refused_by_name(void **state)
{
    struct world *world = *state;
    struct behalf_message message = world_post("1", world->now_ms, "hi");

    sign_in_all(world);
    message.post.brand = "nobody";
    const struct behalf_message *answer = world_ask(world, FEED, message);
    expect_code(answer, "NOT_FOUND");
    assert_string_equal(answer->error.field, "brand");
    message = world_post("2", world->now_ms, "hi");
    message.post.channel = "telegraph";
    answer = world_ask(world, FEED, message);
    expect_code(answer, "NOT_FOUND");
    assert_string_equal(answer->error.field, "channel");
}

static void an_edit_is_shown_with_the_text_before(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    int64_t item = post(world, "1", "Where is my bag?");
    const struct behalf_message *taken =
        world_ask(world, FEED,
                  ABOUT(EDIT, edit, .channel = "chirp", .post = "1", .posted_ms = world->now_ms, .text = "Found it."));
    expect_type(taken, BEHALF_TAKEN);
    assert_int_equal(taken->taken.item, item);
    const struct behalf_message *shown = world_told(world, ASHA, BEHALF_ITEM);
    expect_type(shown, BEHALF_ITEM);
    assert_int_equal(shown->item.story_count, 1);
    assert_true(shown->item.story[0].edited);
    assert_string_equal(shown->item.story[0].text, "Found it.");
    assert_string_equal(shown->item.story[0].before, "Where is my bag?");
}

static void an_edit_that_turns_sensitive_takes_the_item_from_the_agent(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    int64_t item = post(world, "1", "Where is my bag?");
    take(world, ASHA, item);
    world->told[ASHA].next = world->told[ASHA].count;
    expect_type(world_ask(world, FEED,
                          ABOUT(EDIT, edit, .channel = "chirp", .post = "1", .posted_ms = world->now_ms,
                                .text = "You hear from my lawyer")),
                BEHALF_TAKEN);
    expect_type(world_told(world, ASHA, BEHALF_GONE), BEHALF_GONE);
    assert_null(world_told(world, ASHA, BEHALF_ITEM));
    const struct behalf_message *shown = world_told(world, PETRA, BEHALF_ITEM);
    expect_type(shown, BEHALF_ITEM);
    assert_int_equal(shown->item.item, item);
}

static int64_t close_item(struct world *world, uint64_t peer, const char *id)
{
    int64_t item = post(world, id, "Where is my bag?");
    int64_t lease = take(world, peer, item);

    expect_type(
        world_ask(world, peer, ABOUT(CLOSE, close, .item = item, .lease = lease, .outcome = "no-answer-needed")),
        BEHALF_DONE);
    return item;
}

static struct behalf_message edit_of(const struct world *world, const char *text, int64_t edited_ms)
{
    return ABOUT(EDIT, edit, .channel = "chirp", .post = "1", .posted_ms = world->now_ms, .text = text,
                 .edited_ms = edited_ms);
}

static void an_edit_that_turns_sensitive_after_the_end_is_shown_to_pr(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    int64_t item = close_item(world, ASHA, "1");
    world_forget(world, ASHA);
    const struct behalf_message *taken = world_ask(world, FEED, edit_of(world, "You hear from my lawyer", 0));
    expect_type(taken, BEHALF_TAKEN);
    assert_int_not_equal(taken->taken.item, item);
    assert_false(taken->taken.repeated);
    const struct behalf_message *shown = world_told(world, PETRA, BEHALF_ITEM);
    expect_type(shown, BEHALF_ITEM);
    assert_int_equal(shown->item.item, taken->taken.item);
    const struct behalf_entry *last = &shown->item.story[shown->item.story_count - 1];
    assert_string_equal(last->text, "You hear from my lawyer");
    assert_string_equal(last->before, "Where is my bag?");
    assert_null(world_told(world, ASHA, BEHALF_ITEM));
}

// A feed that is read again from its beginning, in which an author edited twice.
static void the_same_edits_again_make_no_further_work(void **state)
{
    struct world *world = *state;
    const char *texts[] = { "You hear from my lawyer", "You hear from my lawyers, all of them" };
    int64_t item = 0;

    sign_in_all(world);
    int64_t closed = close_item(world, ASHA, "1");
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 2; i++) {
            const struct behalf_message *taken =
                world_ask(world, FEED, edit_of(world, texts[i], world->now_ms + 1000 * (i + 1)));
            expect_type(taken, BEHALF_TAKEN);
            item = item == 0 ? taken->taken.item : item;
            assert_int_equal(taken->taken.item, item);
            assert_int_not_equal(taken->taken.item, closed);
            assert_true(round == 0 || taken->taken.repeated);
        }
        if (round == 0) {
            const struct behalf_message *shown = world_told(world, PETRA, BEHALF_ITEM);
            expect_type(world_ask(world, PETRA, ABOUT(TAKE, take, .item = item, .lease = shown->item.lease)),
                        BEHALF_DONE);
            expect_type(
                world_ask(world, PETRA,
                          ABOUT(CLOSE, close, .item = item, .lease = shown->item.lease, .outcome = "no-answer-needed")),
                BEHALF_DONE);
        }
    }
}

static struct behalf_message hello_away(const char *token)
{
    return ABOUT(HELLO, hello, .version = 1, .role = "person", .name = "asha", .away = "lunch", .token = token);
}

// Its texts are being read when the connection breaks.
static void a_listing_for_who_is_gone_is_asked_for_again(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    const struct behalf_message *welcome = world_hello(world, BEN, "person", "ben");
    char token[65];
    snprintf(token, sizeof token, "%s", welcome->welcome.token);
    post(world, "1", "Where is my bag?");
    int64_t id = world_say(world, BEN, ABOUT(LOOK, look, .limit = 10));
    broker_peer_lost(world->broker, BEN, "gone", world->now_ms);
    world_settle(world);
    expect_type(world_resume(world, OTHER, "person", "ben", token), BEHALF_WELCOME);
    struct behalf_message look = ABOUT(LOOK, look, .limit = 10);
    look.id = id;
    expect_type(world_ask(world, OTHER, look), BEHALF_LISTING);
}

static void counts_refused_in_an_outage_are_told_when_asked_for_again(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    broker_store_state(world->broker, true, "the disk is full", world->now_ms);
    struct behalf_message status = { .type = BEHALF_STATUS, .id = 4711 };
    expect_code(world_ask(world, CONTROL, status), "BUSY");
    broker_store_state(world->broker, false, "working", world->now_ms);
    world_forget(world, CONTROL);
    expect_type(world_ask(world, CONTROL, status), BEHALF_COUNTS);
}

static void who_was_away_is_away_after_a_restart_too(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    expect_type(world_ask(world, ASHA, ABOUT(PRESENCE, presence, .state = "away", .reason = "lunch")), BEHALF_DONE);
    world_crash(world);
    world_start(world);
    expect_type(world_hello(world, FEED, "connector", "feed"), BEHALF_WELCOME);
    const struct behalf_message *welcome = world_ask(world, ASHA, hello_away(""));
    expect_type(welcome, BEHALF_WELCOME);
    assert_string_equal(welcome->welcome.presence, "away");
    post(world, "1", "Where is my bag?");
    assert_null(world_told(world, ASHA, BEHALF_ITEM));
}

static int64_t count_from_store(struct world *world)
{
    const struct behalf_message *counts = world_ask(world, CONTROL, (struct behalf_message){ .type = BEHALF_STATUS });

    expect_type(counts, BEHALF_COUNTS);
    return counts->counts.from_store;
}

// After a restart it is known again who has written before, so that of others nothing is asked.
static void what_an_item_says_comes_from_memory_and_not_from_the_store(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    post(world, "1", "Where is my bag?");
    expect_type(world_told(world, ASHA, BEHALF_ITEM), BEHALF_ITEM);
    assert_int_equal(count_from_store(world), 0);
    world_crash(world);
    world_start(world);
    world_pass(world, 100);
    sign_in_all(world);
    int64_t before = count_from_store(world); // the item that was there
    struct behalf_message other = world_post("2", world->now_ms, "Where is my coat?");
    other.post.author = "@somebody-new";
    expect_type(world_ask(world, FEED, other), BEHALF_TAKEN);
    const struct behalf_message *shown = world_told(world, ASHA, BEHALF_ITEM);
    expect_type(shown, BEHALF_ITEM);
    assert_string_equal(shown->item.author, "@somebody-new");
    assert_int_equal(count_from_store(world), before);
}

// It has not heard yet that it is available: the broker knows better.
static void a_session_that_goes_on_keeps_the_presence_that_the_desk_knows(void **state)
{
    struct world *world = *state;

    const struct behalf_message *welcome = world_hello(world, ASHA, "person", "asha");
    expect_type(welcome, BEHALF_WELCOME);
    welcome = world_ask(world, OTHER, hello_away(welcome->welcome.token));
    assert_true(welcome->welcome.resumed);
    assert_string_equal(welcome->welcome.presence, "available");
}

// Both ride on one turn: the second is about the item that the first made.
static void two_edits_in_one_go_make_one_follow_up(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    close_item(world, ASHA, "1");
    int64_t first = world_say(world, FEED, edit_of(world, "You hear from my lawyer", 0));
    int64_t second = world_say(world, FEED, edit_of(world, "You hear from my lawyers", 0));
    world_settle(world);
    expect_type(world_answer(world, FEED, second), BEHALF_TAKEN);
    assert_int_equal(world_answer(world, FEED, first)->taken.item, world_answer(world, FEED, second)->taken.item);
    const struct behalf_message *shown = world_told(world, PETRA, BEHALF_ITEM);
    expect_type(shown, BEHALF_ITEM);
    assert_int_equal(shown->item.item, world_answer(world, FEED, first)->taken.item);
    size_t own = 0;
    for (size_t i = 0; i < shown->item.story_count; i++) {
        own += strcmp(shown->item.story[i].kind, "post") == 0 ? 1 : 0;
    }
    assert_int_equal(own, 1);
}

// ---- one post, one identity ----

static const struct behalf_taken *taken(struct world *world, struct behalf_message message)
{
    const struct behalf_message *answer = world_ask(world, FEED, message);

    expect_type(answer, BEHALF_TAKEN);
    return &answer->taken;
}

static struct behalf_message post_of(const char *brand, const char *id, const char *author, const char *text,
                                     int64_t posted_ms)
{
    return ABOUT(POST, post, .channel = "chirp", .post = id, .brand = brand, .author = author, .text = text,
                 .posted_ms = posted_ms);
}

static struct behalf_message edited_at(const char *id, const char *text, int64_t edited_ms)
{
    return ABOUT(EDIT, edit, .channel = "chirp", .post = id, .text = text, .edited_ms = edited_ms);
}

static struct behalf_message deletion_of(const char *id)
{
    return ABOUT(DELETE, delete_post, .channel = "chirp", .post = id);
}

static int64_t open_items(struct world *world)
{
    const struct behalf_message *answer = world_ask(world, CONTROL, ABOUT(STATUS, status, .behalf_end = 0));
    int64_t count = 0;

    expect_type(answer, BEHALF_COUNTS);
    for (size_t i = 0; i < answer->counts.queues_count; i++) {
        const struct behalf_queue_count *queue = &answer->counts.queues[i];
        count += queue->waiting + queue->offered + queue->held + queue->parked + queue->sending;
    }
    return count;
}

static void a_post_is_repeated_whatever_time_it_says(void **state)
{
    struct world *world = *state;
    const int64_t day_ms = INT64_C(24) * 3600 * 1000;
    const int64_t times[] = { 0,
                              day_ms,
                              world->now_ms - 5 * day_ms,
                              world->now_ms - day_ms,
                              world->now_ms + day_ms,
                              world->now_ms + 400 * day_ms };

    sign_in_all(world);
    int64_t item = taken(world, post_of("acme", "p", "ann", "Where is my bag?", world->now_ms))->item;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        const struct behalf_taken *again = taken(world, post_of("acme", "p", "ann", "Where is my bag?", times[i]));
        assert_true(again->repeated);
        assert_false(again->differs);
        assert_int_equal(again->item, item);
    }
    world_crash(world);
    world_start(world);
    sign_in_all(world);
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        assert_true(taken(world, post_of("acme", "p", "ann", "Where is my bag?", times[i]))->repeated);
    }
}

static void the_same_id_for_two_brands_is_two_items(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    int64_t of_acme = taken(world, post_of("acme", "p", "jo", "you lost it", world->now_ms))->item;
    const struct behalf_taken *of_bolt = taken(world, post_of("bolt", "p", "jo", "you lost it", world->now_ms));
    assert_false(of_bolt->repeated);
    assert_int_not_equal(of_bolt->item, of_acme);
    assert_true(taken(world, post_of("bolt", "p", "jo", "you lost it", 0))->repeated);
    // What becomes of it becomes of both.
    assert_false(taken(world, deletion_of("p"))->repeated);
    assert_true(taken(world, deletion_of("p"))->repeated);
    assert_int_equal(open_items(world), 0);
}

static void another_post_under_a_known_name_is_told(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    taken(world, post_of("acme", "p", "ann", "My submission is lost", 0));
    const struct behalf_taken *other = taken(world, post_of("acme", "p", "bob", "I was charged twice", 0));
    assert_true(other->repeated && other->differs);
    assert_true(taken(world, post_of("acme", "p", "bob", "My submission is lost", 0))->differs);
    assert_true(taken(world, post_of("acme", "p", "ann", "My submission was lost", 0))->differs);
    // A text that it has had, an author who is not given: the same.
    taken(world, edited_at("p", "My submission is lost!", 0));
    assert_false(taken(world, post_of("acme", "p", "ann", "My submission is lost!", 0))->differs);
    assert_false(taken(world, post_of("acme", "p", "ann", "My submission is lost", 0))->differs);
    assert_false(taken(world, post_of("acme", "p", "", "My submission is lost", 0))->differs);
}

static const char *text_of(struct world *world, int64_t item)
{
    world_settle(world);
    const struct behalf_message *shown = world_told(world, PETRA, BEHALF_ITEM);
    shown = shown != NULL && shown->item.item == item ? shown : world_told(world, ASHA, BEHALF_ITEM);
    for (size_t i = 0; shown != NULL && shown->item.item == item && i < shown->item.story_count; i++) {
        if (strcmp(shown->item.story[i].kind, "post") == 0) {
            return shown->item.story[i].text;
        }
    }
    return "";
}

static void an_older_edit_changes_nothing_whenever_it_comes(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    int64_t item = taken(world, post_of("acme", "p", "jo", "It does not work", world->now_ms))->item;
    assert_false(taken(world, edited_at("p", "NEWEST, 12:02", 2000))->repeated);
    assert_true(taken(world, edited_at("p", "older, 12:01", 1000))->repeated);
    assert_string_equal(text_of(world, item), "NEWEST, 12:02");
    // Of the same time, and of none, the later told.
    assert_false(taken(world, edited_at("p", "the same moment", 2000))->repeated);
    assert_false(taken(world, edited_at("p", "no time", 0))->repeated);
    assert_true(taken(world, edited_at("p", "older still", 1999))->repeated);
    assert_string_equal(text_of(world, item), "no time");
    // Told once more with a later time: what lies between is older.
    assert_true(taken(world, edited_at("p", "no time", 4000))->repeated);
    assert_true(taken(world, edited_at("p", "between", 3000))->repeated);
    assert_string_equal(text_of(world, item), "no time");
}

static void a_time_ahead_of_the_broker_puts_nothing_before_what_comes_later(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    int64_t item = taken(world, post_of("acme", "p", "jo", "It does not work", world->now_ms))->item;
    assert_false(taken(world, edited_at("p", "in the year 9999", BEHALF_TIME_MAX))->repeated);
    assert_false(taken(world, edited_at("p", "does it work now?", world->now_ms))->repeated);
    assert_string_equal(text_of(world, item), "does it work now?");
}

// In every order, in one batch or many, over a crash.
static void an_edit_before_its_post_is_kept_and_is_its_text(void **state)
{
    struct world *world = *state;

    for (int variant = 0; variant < 4; variant++) {
        char id[16];
        snprintf(id, sizeof id, "h%d", variant);
        sign_in_all(world);
        if (variant == 3) { // in one go
            world_say(world, FEED, edited_at(id, "my lawyer will call", 2000));
            int64_t second = world_say(world, FEED, post_of("acme", id, "jo", "hello there", world->now_ms));
            world_settle(world);
            assert_int_equal(world_answer(world, FEED, second)->type, BEHALF_TAKEN);
        } else {
            const struct behalf_taken *early = taken(world, edited_at(id, "my lawyer will call", 2000));
            assert_true(early->early && !early->repeated);
            assert_int_equal(early->item, 0);
        }
        if (variant == 1) {
            assert_true(taken(world, edited_at(id, "older", 1000))->repeated);
        }
        if (variant == 2) {
            world_crash(world);
            world_start(world);
            sign_in_all(world);
        }
        if (variant != 3) {
            assert_false(taken(world, post_of("acme", id, "jo", "hello there", world->now_ms))->repeated);
        }
        assert_true(taken(world, edited_at(id, "older", 1000))->repeated);
        const struct behalf_message *shown = world_told(world, PETRA, BEHALF_ITEM);
        assert_non_null(shown);
        assert_string_equal(shown->item.audience, "pr");
        assert_string_equal(shown->item.story[shown->item.story_count - 1].text, "my lawyer will call");
        assert_string_equal(shown->item.story[shown->item.story_count - 1].before, "hello there");
        taken(world, deletion_of(id));
    }
}

static bool story_says(const struct behalf_item *item, const char *text)
{
    for (size_t i = 0; i < item->story_count; i++) {
        if (strcmp(item->story[i].text, text) == 0) {
            return true;
        }
    }
    return false;
}

// As when the post had come first: a text between for which a rule holds makes the item PR's, and stays in the story.
static void what_a_post_said_in_between_before_it_came_counts(void **state)
{
    struct world *world = *state;

    for (int crash = 0; crash < 2; crash++) {
        char id[16];
        snprintf(id, sizeof id, "b%d", crash);
        sign_in_all(world);
        taken(world, edited_at(id, "where is it", 1000));
        taken(world, edited_at(id, "my lawyer will call", 2000));
        taken(world, edited_at(id, "never mind the submission", 3000));
        if (crash) {
            world_crash(world);
            world_start(world);
            sign_in_all(world);
        }
        int64_t item = taken(world, post_of("acme", id, "jo", "hello there", world->now_ms))->item;
        assert_string_equal(text_of(world, item), "never mind the submission");
        const struct behalf_message *shown = world_told(world, PETRA, BEHALF_ITEM);
        assert_non_null(shown);
        assert_int_equal(shown->item.item, item);
        assert_string_equal(shown->item.audience, "pr");
        assert_true(story_says(&shown->item, "my lawyer will call"));
        assert_false(story_says(&shown->item, "where is it"));
        taken(world, deletion_of(id));
    }
}

// A number of texts of one post are kept; one more waits for it.  The same text told later is none more, and a deletion
// takes their place.
static void the_texts_of_a_post_that_has_not_come_are_bounded(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    for (int64_t i = 1; i <= DESK_EARLY_TEXTS_MAX; i++) {
        char text[32];
        snprintf(text, sizeof text, "text %d", (int) i);
        assert_false(taken(world, edited_at("p", text, i * 1000))->repeated);
        assert_false(taken(world, edited_at("p", text, i * 1000 + 1))->repeated);
        assert_true(taken(world, edited_at("p", text, i * 1000 + 1))->repeated);
    }
    int64_t id = world_say(world, FEED, edited_at("p", "one more", 9000));
    world_settle(world);
    const struct behalf_message *refused = world_answer(world, FEED, id);
    assert_int_equal(refused->type, BEHALF_ERROR);
    assert_string_equal(refused->error.code, "NOT_FOUND");
    assert_false(taken(world, deletion_of("p"))->repeated);
    taken(world, post_of("acme", "p", "jo", "hello there", world->now_ms));
    assert_int_equal(open_items(world), 0);
    assert_false(taken(world, edited_at("q", "free again", 1000))->repeated);
}

static void a_deletion_before_its_post_withdraws_it(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    assert_true(taken(world, deletion_of("p"))->early);
    assert_true(taken(world, deletion_of("p"))->repeated);
    assert_true(taken(world, edited_at("p", "an edit after all", 9000))->repeated);
    world_crash(world);
    world_start(world);
    sign_in_all(world);
    assert_int_not_equal(taken(world, post_of("acme", "p", "jo", "I sue you", world->now_ms))->item, 0);
    assert_int_equal(open_items(world), 0);
    assert_true(taken(world, deletion_of("p"))->repeated);
    assert_false(taken(world, deletion_of("p"))->early);
}

static void what_is_kept_of_a_post_that_never_comes_is_forgotten_after_a_day(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    taken(world, edited_at("p", "edited", 2000));
    world_pass(world, DESK_EARLY_MS);
    sign_in_all(world);
    int64_t item = taken(world, post_of("acme", "p", "jo", "as written", world->now_ms))->item;
    assert_string_equal(text_of(world, item), "as written");
}

static void posts_of_nobody_have_nothing_in_common(void **state)
{
    struct world *world = *state;
    static const char *const nobody[] = { "A Google User", "[deleted]", "" };

    sign_in_all(world);
    for (size_t i = 0; i < sizeof nobody / sizeof *nobody; i++) {
        char one[16], other[16];
        snprintf(one, sizeof one, "g%zu", i);
        snprintf(other, sizeof other, "h%zu", i);
        struct behalf_message first = post_of("acme", one, nobody[i], "my phone is 0170 555 1234", world->now_ms);
        struct behalf_message second = post_of("acme", other, nobody[i], "Coffee was cold", world->now_ms);
        first.post.thread = second.post.thread = "t3_abc";
        int64_t first_item = taken(world, first)->item;
        int64_t second_item = taken(world, second)->item;
        assert_int_not_equal(first_item, second_item);
        const struct behalf_message *shown = world_told(world, ASHA, BEHALF_ITEM);
        assert_non_null(shown);
        assert_int_equal(shown->item.item, second_item);
        assert_int_equal(shown->item.story_count, 1); // nothing earlier
        assert_string_equal(shown->item.author, nobody[i]);
        taken(world, deletion_of(one));
        taken(world, deletion_of(other));
    }
}

static void the_text_that_made_it_sensitive_stays_in_the_story(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    taken(world, post_of("acme", "p", "jo", "fine", world->now_ms));
    taken(world, edited_at("p", "my lawyer will sue you on Monday", 1000));
    taken(world, edited_at("p", "fine then!", 2000));
    const struct behalf_message *shown = world_told(world, PETRA, BEHALF_ITEM);
    assert_non_null(shown);
    bool first = false, middle = false, last = false;
    for (size_t i = 0; i < shown->item.story_count; i++) {
        const struct behalf_entry *entry = &shown->item.story[i];
        first = first || strcmp(entry->before, "fine") == 0;
        last = last || strcmp(entry->text, "fine then!") == 0;
        middle = middle || (strcmp(entry->kind, "edit") == 0 && strcmp(entry->post, "p") == 0 &&
                            strcmp(entry->text, "my lawyer will sue you on Monday") == 0);
    }
    assert_true(first && middle && last);
}

// All three ride on one turn: the later ones must not overtake the post.
static void a_post_its_edit_and_its_deletion_may_come_in_one_go(void **state)
{
    struct world *world = *state;
    const int64_t times[] = { world->now_ms, 0 };
    const char *ids[] = { "recent", "old" };

    sign_in_all(world);
    for (size_t i = 0; i < 2; i++) {
        int64_t posted = world_say(world, FEED, world_post(ids[i], times[i], "Where is my bag?"));
        int64_t edited = world_say(
            world, FEED,
            ABOUT(EDIT, edit, .channel = "chirp", .post = ids[i], .posted_ms = times[i], .text = "Where is it?"));
        int64_t deleted = world_say(
            world, FEED, ABOUT(DELETE, delete_post, .channel = "chirp", .post = ids[i], .posted_ms = times[i]));
        world_settle(world);
        expect_type(world_answer(world, FEED, posted), BEHALF_TAKEN);
        expect_type(world_answer(world, FEED, edited), BEHALF_TAKEN);
        expect_type(world_answer(world, FEED, deleted), BEHALF_TAKEN);
        uint64_t item = (uint64_t) world_answer(world, FEED, posted)->taken.item;
        assert_int_equal(world_answer(world, FEED, deleted)->taken.item, (int64_t) item);
        assert_int_equal(desk_item_state(broker_desk(world->broker), item), ITEM_CLOSED);
    }
}

static void recent_posts_are_known_after_a_crash(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    int64_t item = post(world, "1", "Where is my bag?");
    world_crash(world);
    world_start(world);
    expect_type(world_hello(world, FEED, "connector", "feed"), BEHALF_WELCOME);
    const struct behalf_message *again = world_ask(world, FEED, world_post("1", world->now_ms, "Where is my bag?"));
    expect_type(again, BEHALF_TAKEN);
    assert_true(again->taken.repeated);
    assert_int_equal(again->taken.item, item);
}

// ---- sensitive ----

static void a_sensitive_post_reaches_pr_and_no_agent(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    expect_type(world_hello(world, BEN, "person", "ben"), BEHALF_WELCOME);
    post(world, "1", "My lawyer will call you");
    assert_null(world_told(world, ASHA, BEHALF_ITEM));
    assert_null(world_told(world, BEN, BEHALF_ITEM));
    const struct behalf_message *shown = world_told(world, PETRA, BEHALF_ITEM);
    expect_type(shown, BEHALF_ITEM);
    assert_string_equal(shown->item.audience, "pr");
    assert_string_equal(shown->item.story[0].text, "My lawyer will call you");
}

// Held back behind a slow store, the offer is already overtaken by what made the item sensitive.
static void an_offer_overtaken_by_an_escalation_is_never_spoken(void **state)
{
    struct world *world = *state;
    struct behalf_message second = world_post("2", world->now_ms, "My lawyer will call you");

    sign_in_all(world);
    second.post.thread = "1";
    world->hold_batches = true;
    world_say(world, FEED, world_post("1", world->now_ms, "Where is my bag?"));
    world_settle(world); // offered to asha, not on disk
    world_say(world, FEED, second);
    world_settle(world);
    world->hold_batches = false;
    world_settle(world);
    assert_null(world_told(world, ASHA, BEHALF_ITEM));
    const struct behalf_message *shown = world_told(world, PETRA, BEHALF_ITEM);
    expect_type(shown, BEHALF_ITEM);
    assert_int_equal(shown->item.story_count, 2);
}

static void a_listing_shows_agents_no_text_of_sealed_items(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    post(world, "1", "My lawyer will call you");
    post(world, "2", "Where is my bag?");
    const struct behalf_message *listing = world_ask(world, ASHA, ABOUT(LOOK, look, .limit = 50));
    expect_type(listing, BEHALF_LISTING);
    for (size_t i = 0; i < listing->listing.items_count; i++) {
        assert_null(strstr(listing->listing.items[i].text, "lawyer"));
        assert_string_equal(listing->listing.items[i].audience, "agent");
    }
    listing = world_ask(world, CONTROL, ABOUT(LOOK, look, .limit = 50));
    expect_type(listing, BEHALF_LISTING);
    assert_int_equal(listing->listing.items_count, 2);
    assert_string_equal(listing->listing.items[0].text, "My lawyer will call you");
    assert_string_equal(listing->listing.items[1].text, "Where is my bag?");
}

// ---- from post to outcome ----

// Takes and answers the item and returns the reply handed to the feed.
static int64_t answer_item(struct world *world, int64_t item, int64_t *request, int64_t *lease)
{
    *lease = take(world, ASHA, item);
    const struct behalf_message *done = world_ask(world, ASHA, answering(item, *lease));
    expect_type(done, BEHALF_DONE);
    *request = done->id;
    const struct behalf_message *reply = world_told(world, FEED, BEHALF_REPLY);
    expect_type(reply, BEHALF_REPLY);
    assert_int_equal(reply->reply.reply, done->done.reply);
    return reply->reply.reply;
}

static void a_listing_shows_agents_no_text_that_became_sealed_while_its_reply_went_out(void **state)
{
    struct world *world = *state;
    int64_t request, lease;

    sign_in_all(world);
    int64_t item = post(world, "1", "Where is my bag?");
    answer_item(world, item, &request, &lease);
    expect_type(world_ask(world, FEED,
                          ABOUT(EDIT, edit, .channel = "chirp", .post = "1", .posted_ms = world->now_ms,
                                .text = "My lawyer will call you")),
                BEHALF_TAKEN);
    const struct behalf_message *listing = world_ask(world, ASHA, ABOUT(LOOK, look, .limit = 50));
    expect_type(listing, BEHALF_LISTING);
    assert_int_equal(listing->listing.items_count, 1);
    assert_string_equal(listing->listing.items[0].state, "sending");
    assert_string_equal(listing->listing.items[0].text, "");
}

static void a_post_is_answered_published_and_kept(void **state)
{
    struct world *world = *state;
    int64_t request, lease;

    sign_in_all(world);
    int64_t item = post(world, "1", "Where is my bag?");
    int64_t reply = answer_item(world, item, &request, &lease);
    const struct behalf_message *handed = world_told(world, FEED, BEHALF_REPLY);
    assert_string_equal(handed->reply.text, "We are on it. I'm Asha from Northline, answering for Acme.");
    assert_string_equal(handed->reply.post, "1");
    assert_string_equal(handed->reply.author, "@customer");
    assert_int_equal(handed->reply.attempt, 1);
    expect_type(world_ask(world, FEED, ABOUT(SETTLE, settle, .reply = reply, .fate = "confirmed", .reference = "r1")),
                BEHALF_DONE);
    assert_int_equal(desk_item_state(broker_desk(world->broker), (uint64_t) item), ITEM_CLOSED);
    const struct behalf_message *ended = world_ask(world, CONTROL, ABOUT(OUTCOMES, outcomes, .limit = 10));
    expect_type(ended, BEHALF_ENDED);
    assert_int_equal(ended->ended.rows_count, 1);
    assert_string_equal(ended->ended.rows[0].outcome, "answered");
    assert_string_equal(ended->ended.rows[0].person, "asha");
    const struct behalf_message *history = world_ask(world, CONTROL, ABOUT(WHY, why, .channel = "chirp", .post = "1"));
    expect_type(history, BEHALF_HISTORY);
    assert_int_equal(history->history.item, item);
    assert_true(history->history.events_count >= 4);
    expect_code(world_ask(world, CONTROL, ABOUT(WHY, why, .item = 999)), "NOT_FOUND");
    expect_code(world_ask(world, CONTROL, ABOUT(WHY, why, .channel = "chirp")), "MISSING");
    const struct behalf_message *counts = world_ask(world, CONTROL, ABOUT(STATUS, status, .behalf_end = 0));
    expect_type(counts, BEHALF_COUNTS);
    assert_int_equal(counts->counts.taken, 1);
    assert_int_equal(counts->counts.closed, 1);
}

static void a_preview_is_what_would_go_out(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    int64_t item = post(world, "1", "Where is my bag?");
    int64_t lease = take(world, ASHA, item);
    const struct behalf_message *shown =
        world_ask(world, ASHA, ABOUT(PREVIEW, preview, .item = item, .lease = lease, .text = "We are on it."));
    expect_type(shown, BEHALF_PREVIEWED);
    assert_string_equal(shown->previewed.text, "We are on it. I'm Asha from Northline, answering for Acme.");
    expect_code(world_ask(world, ASHA, ABOUT(PREVIEW, preview, .item = item, .lease = lease + 1, .text = "x")),
                "STALE");
    expect_code(world_ask(world, ASHA, ABOUT(PREVIEW, preview, .item = 999, .lease = 1, .text = "x")), "NOT_FOUND");
}

// ---- once ----

static void a_repeated_answer_gets_its_first_answer_even_after_the_end_and_a_crash(void **state)
{
    struct world *world = *state;
    int64_t request, lease;

    sign_in_all(world);
    int64_t item = post(world, "1", "Where is my bag?");
    int64_t reply = answer_item(world, item, &request, &lease);
    expect_type(world_ask(world, FEED, ABOUT(SETTLE, settle, .reply = reply, .fate = "confirmed")), BEHALF_DONE);
    world_crash(world);
    world_start(world);
    world_forget(world, ASHA);
    expect_type(world_hello(world, ASHA, "person", "asha"), BEHALF_WELCOME);
    struct behalf_message again = answering(item, lease);
    again.id = request;
    const struct behalf_message *done = world_ask(world, ASHA, again);
    expect_type(done, BEHALF_DONE);
    assert_true(done->done.repeated);
    assert_int_equal(done->done.reply, reply);
    const struct behalf_message *late = world_ask(world, ASHA, answering(item, lease));
    expect_code(late, "STALE");
    assert_string_equal(late->error.state, "closed");
    expect_code(world_ask(world, ASHA, answering(4711, 1)), "NOT_FOUND");
}

static struct behalf_message settling(int64_t reply)
{
    return ABOUT(SETTLE, settle, .reply = reply, .fate = "confirmed", .reference = "r1");
}

static void a_repeated_settle_gets_its_first_answer_even_after_a_crash(void **state)
{
    struct world *world = *state;
    int64_t request, lease;

    sign_in_all(world);
    int64_t item = post(world, "1", "Where is my bag?");
    int64_t reply = answer_item(world, item, &request, &lease);
    expect_type(world_ask(world, FEED, settling(reply)), BEHALF_DONE);
    const struct behalf_message *again = world_ask(world, FEED, settling(reply));
    expect_type(again, BEHALF_DONE);
    assert_true(again->done.repeated);
    world_crash(world);
    world_start(world);
    world_forget(world, FEED);
    expect_type(world_hello(world, FEED, "connector", "feed"), BEHALF_WELCOME);
    again = world_ask(world, FEED, settling(reply));
    expect_type(again, BEHALF_DONE);
    assert_true(again->done.repeated);
    assert_int_equal(again->done.item, item);
    struct behalf_message perhaps = settling(reply);
    perhaps.settle.fate = "perhaps";
    expect_code(world_ask(world, FEED, perhaps), "INVALID");
}

static void a_forged_settle_is_refused_whatever_number_it_names(void **state)
{
    struct world *world = *state;
    int64_t request, lease;

    sign_in_all(world);
    int64_t item = post(world, "1", "Where is my bag?");
    int64_t reply = answer_item(world, item, &request, &lease);
    expect_type(world_ask(world, FEED, settling(reply)), BEHALF_DONE);
    expect_type(world_hello(world, OTHER, "connector", "stranger"), BEHALF_WELCOME);
    const struct behalf_message *refused = world_ask(world, OTHER, settling(reply));
    expect_code(refused, "NOT_FOUND");
    assert_string_equal(refused->error.field, "reply");
    const int64_t none[] = { item, reply + 1, 4711 };
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        refused = world_ask(world, FEED, settling(none[i]));
        expect_code(refused, "NOT_FOUND");
        assert_string_equal(refused->error.field, "reply");
    }
}

static void a_note_repeated_after_a_resume_is_added_once(void **state)
{
    struct world *world = *state;
    char token[65];

    sign_in_all(world);
    snprintf(token, sizeof token, "%s", world_told(world, ASHA, BEHALF_WELCOME)->welcome.token);
    int64_t item = post(world, "1", "Where is my bag?");
    int64_t lease = take(world, ASHA, item);
    struct behalf_message note = ABOUT(NOTE, note, .item = item, .lease = lease, .text = "called them");
    note.id = 5555;
    expect_type(world_ask(world, ASHA, note), BEHALF_DONE);
    broker_peer_lost(world->broker, ASHA, "its connection is gone", world->now_ms);
    expect_type(world_resume(world, OTHER, "person", "asha", token), BEHALF_WELCOME);
    const struct behalf_message *again = world_ask(world, OTHER, note);
    expect_type(again, BEHALF_DONE);
    assert_true(again->done.repeated);
    size_t notes = 0;
    const struct behalf_message *shown = world_told(world, OTHER, BEHALF_ITEM);
    for (size_t i = 0; i < shown->item.story_count; i++) {
        notes += strcmp(shown->item.story[i].kind, "note") == 0;
    }
    assert_int_equal(notes, 1);
}

// The answer was decided, but the connection broke before it was spoken.
static void a_request_cut_off_before_its_answer_can_be_repeated_after_a_resume(void **state)
{
    struct world *world = *state;
    char token[65];

    sign_in_all(world);
    snprintf(token, sizeof token, "%s", world_told(world, ASHA, BEHALF_WELCOME)->welcome.token);
    int64_t item = post(world, "1", "Where is my bag?");
    int64_t lease = take(world, ASHA, item);
    struct behalf_message note = ABOUT(NOTE, note, .item = item, .lease = lease, .text = "called them");
    note.id = 5555;
    world->hold_batches = true;
    world_say(world, ASHA, note);
    world_settle(world);
    broker_peer_lost(world->broker, ASHA, "its connection is gone", world->now_ms);
    int64_t hello =
        world_say(world, OTHER, ABOUT(HELLO, hello, .version = 1, .role = "person", .name = "asha", .token = token));
    world_say(world, OTHER, note); // in flight still: not decided twice
    world->hold_batches = false;
    world_settle(world);
    expect_type(world_answer(world, OTHER, hello), BEHALF_WELCOME);
    const struct behalf_message *again = world_ask(world, OTHER, note);
    expect_type(again, BEHALF_DONE);
    assert_true(again->done.repeated);
}

// ---- replies in flight ----

// The connector's connection breaks before the reply is spoken: it was surely not handed out.
static void a_reply_that_was_never_spoken_is_handed_out_later(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    int64_t item = post(world, "1", "Where is my bag?");
    int64_t lease = take(world, ASHA, item);
    world->hold_batches = true;
    world_say(world, ASHA, answering(item, lease));
    world_settle(world);
    broker_peer_lost(world->broker, FEED, "its connection is gone", world->now_ms);
    world->hold_batches = false;
    world_settle(world);
    assert_null(world_told(world, FEED, BEHALF_REPLY));
    expect_type(world_hello(world, OTHER, "connector", "feed"), BEHALF_WELCOME);
    assert_int_equal(world_count_told(world, OTHER, BEHALF_REPLY), 1);
}

// ---- the store away ----

static void intake_is_refused_while_the_store_is_away_and_people_wait(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    int64_t item = post(world, "1", "Where is my bag?");
    int64_t lease = take(world, ASHA, item);
    world->hold_batches = true;
    broker_store_state(world->broker, true, "disk full", world->now_ms);
    const struct behalf_message *busy = world_ask(world, FEED, world_post("2", world->now_ms, "hi"));
    expect_code(busy, "BUSY");
    assert_true(busy->error.retry_ms > 0);
    int64_t asked = world_say(world, ASHA, answering(item, lease));
    world_settle(world);
    assert_null(world_answer(world, ASHA, asked));
    for (int i = 0; i < 60; i++) { // an outage far longer than the grace
        world_pass(world, 4000);
        world_say(world, ASHA, (struct behalf_message){ .type = BEHALF_HEARTBEAT });
        world_say(world, FEED, (struct behalf_message){ .type = BEHALF_HEARTBEAT });
    }
    assert_false(world->told[ASHA].dropped);
    world->hold_batches = false;
    broker_store_state(world->broker, false, "sqlite", world->now_ms);
    world_settle(world);
    expect_type(world_answer(world, ASHA, asked), BEHALF_DONE);
    expect_type(world_ask(world, FEED, world_post("2", world->now_ms, "hi")), BEHALF_TAKEN);
}

static void intake_alone_is_refused_while_the_tables_are_behind(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    post(world, "1", "Where is my bag?");
    broker_store_behind(world->broker, true);
    expect_code(world_ask(world, FEED, world_post("2", world->now_ms, "And mine?")), "BUSY");
    expect_type(world_ask(world, ASHA, ABOUT(PRESENCE, presence, .state = "away", .reason = "lunch")), BEHALF_DONE);
    struct behalf_message status = { .type = BEHALF_STATUS, .id = 4711 };
    expect_type(world_ask(world, CONTROL, status), BEHALF_COUNTS);
    broker_store_behind(world->broker, false);
    post(world, "2", "And mine?");
}

static void why_the_store_is_away_is_told_to_who_runs_the_desk_and_to_nobody_else(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    expect_type(world_hello(world, SAM, "person", "sam"), BEHALF_WELCOME);
    world->hold_batches = true;
    broker_store_state(world->broker, true, "disk full: free some", world->now_ms);
    const struct behalf_message *busy = world_hello(world, OTHER, "control", "ctl");
    expect_code(busy, "BUSY");
    assert_string_equal(busy->error.reason, "disk full: free some");
    busy = world_ask(world, SAM, (struct behalf_message){ .type = BEHALF_STATUS });
    expect_code(busy, "BUSY");
    assert_string_equal(busy->error.reason, "disk full: free some");
    broker_store_state(world->broker, true, "disk full: still", world->now_ms);
    busy = world_ask(world, SAM, (struct behalf_message){ .type = BEHALF_STATUS });
    assert_string_equal(busy->error.reason, "disk full: still");
    busy = world_ask(world, FEED, world_post("2", world->now_ms, "hi"));
    assert_null(strstr(busy->error.reason, "disk"));
    int64_t asked = world_say(world, ASHA, (struct behalf_message){ .type = BEHALF_STATUS });
    world_settle(world);
    assert_null(world_answer(world, ASHA, asked));
    world->hold_batches = false;
    broker_store_state(world->broker, false, "sqlite", world->now_ms);
    world_settle(world);
    expect_code(world_answer(world, ASHA, asked), "FORBIDDEN");
    expect_type(world_ask(world, SAM, (struct behalf_message){ .type = BEHALF_STATUS }), BEHALF_COUNTS);
    expect_type(world_hello(world, OTHER, "control", "ctl"), BEHALF_WELCOME);
}

// ---- the lease ----

// What a broker says that may have lost the desk: nothing that a living desk would.
static void expect_nothing_claimed(const struct world *world)
{
    for (size_t peer = 0; peer < WORLD_PEERS; peer++) {
        for (size_t i = 0; i < world->told[peer].count; i++) {
            const struct behalf_message *message = world->told[peer].messages[i];
            const char *code = message->type == BEHALF_ERROR ? message->error.code : "";
            assert_true(message->type == BEHALF_MOVED || strcmp(code, "BUSY") == 0 ||
                        strcmp(code, "NOT_SIGNED_IN") == 0 ||
                        (message->type == BEHALF_BYE && strcmp(message->bye.reason, "restarting") == 0));
        }
    }
}

static void forget_all(struct world *world)
{
    for (uint64_t peer = 0; peer < WORLD_PEERS; peer++) {
        world_forget(world, peer);
    }
}

static void once_the_lease_has_lapsed_everyone_is_sent_elsewhere_and_nothing_else_is_spoken(void **state)
{
    struct world *world = *state;
    const char *others[] = { "tcp://127.0.0.1:7312", "tcp://127.0.0.1:7313" };

    sign_in_all(world);
    int64_t item = post(world, "1", "Where is my bag?");
    int64_t lease = take(world, ASHA, item);
    broker_set_others(world->broker, others, 2);
    broker_lease(world->broker, world->now_ms + 2000, world->now_ms);
    world->hold_batches = true;
    int64_t asked = world_say(world, ASHA, answering(item, lease));
    world_settle(world);
    forget_all(world);
    world_pass(world, 2000);
    for (uint64_t peer = FEED; peer <= CONTROL; peer++) {
        const struct behalf_message *moved = peer == BEN ? NULL : world_told(world, peer, BEHALF_MOVED);
        if (peer != BEN) {
            expect_type(moved, BEHALF_MOVED);
            assert_int_equal(moved->id, 0);
            assert_string_equal(moved->moved.desk, "test");
            assert_int_equal(moved->moved.brokers_count, 2);
            assert_string_equal(moved->moved.brokers[1], others[1]);
        }
    }
    world->hold_batches = false; // it becomes durable, but too late to be told
    world_settle(world);
    world_say(world, ASHA, (struct behalf_message){ .type = BEHALF_HEARTBEAT });
    expect_code(world_ask(world, FEED, world_post("2", world->now_ms, "hi")), "NOT_SIGNED_IN");
    expect_type(world_hello(world, ASHA, "person", "asha"), BEHALF_MOVED);
    // The other broker may know this person.
    expect_type(world_hello(world, OTHER, "person", "nobody"), BEHALF_MOVED);
    world_pass(world, 60000);
    expect_nothing_claimed(world);
    assert_null(world_answer(world, ASHA, asked));
    assert_null(broker_next_batch(world->broker, world->now_ms));
}

static void a_lease_renewed_after_all_lets_sessions_go_on_where_they_were(void **state)
{
    struct world *world = *state;
    char token[65];

    sign_in_all(world);
    snprintf(token, sizeof token, "%s", world_hello(world, ASHA, "person", "asha")->welcome.token);
    int64_t item = post(world, "1", "Where is my bag?");
    int64_t lease = take(world, ASHA, item);
    broker_lease(world->broker, world->now_ms + 2000, world->now_ms);
    world->hold_batches = true;
    struct behalf_message answer = answering(item, lease);
    answer.id = world_say(world, ASHA, answer);
    world_settle(world);
    forget_all(world);
    world_pass(world, 200000); // nobody's time goes on
    const struct behalf_message *bye = world_told(world, ASHA, BEHALF_BYE);
    expect_type(bye, BEHALF_BYE);
    assert_string_equal(bye->bye.reason, "restarting");
    const struct behalf_message *busy = world_hello(world, OTHER, "person", "asha");
    expect_code(busy, "BUSY");
    assert_true(busy->error.retry_ms > 0);
    expect_nothing_claimed(world);
    world->hold_batches = false;
    broker_lease(world->broker, world->now_ms + 2000, world->now_ms);
    const struct behalf_message *welcome = world_resume(world, OTHER, "person", "asha", token);
    expect_type(welcome, BEHALF_WELCOME);
    assert_true(welcome->welcome.resumed);
    const struct behalf_message *done = world_ask(world, OTHER, answer);
    expect_type(done, BEHALF_DONE);
    assert_true(done->done.repeated);
    expect_type(world_hello(world, FEED, "connector", "feed"), BEHALF_WELCOME);
    expect_type(world_ask(world, FEED, world_post("2", world->now_ms, "hi")), BEHALF_TAKEN);
}

static void a_connection_that_breaks_as_the_lease_lapses_is_gone_once(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    broker_lease(world->broker, world->now_ms + 2000, world->now_ms);
    broker_peer_lost(world->broker, ASHA, "its connection is gone", world->now_ms + 3000);
    broker_peer_left(world->broker, PETRA, "gone", world->now_ms + 3000);
    broker_check(world->broker);
}

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

static void let_the_lease_lapse(struct world *world)
{
    broker_lease(world->broker, world->now_ms, world->now_ms);
    world_settle(world);
}

// [ "NOSUCH", 1, {} ]
static void say_noise(struct world *world, uint64_t peer)
{
    world_say_bytes(world, peer, "\x93\xa6NOSUCH\x01\x80", 10);
}

static void what_is_wrong_with_a_frames_form_is_said_while_the_lease_is_not_valid(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    let_the_lease_lapse(world);
    say_noise(world, OTHER);
    world_settle(world);
    expect_code(world_told(world, OTHER, BEHALF_ERROR), "UNKNOWN_TYPE");
    world_say_bytes(world, OTHER, "\x93\xa4TAKE\x07\x80", 8);
    world_settle(world);
    expect_code(world_told(world, OTHER, BEHALF_ERROR), "MISSING");
    expect_code(world_ask(world, OTHER, ABOUT(TAKE, take, .item = 1, .lease = 1)), "NOT_SIGNED_IN");
    expect_code(world_ask(world, FEED, ABOUT(TAKE, take, .item = 1, .lease = 1)), "NOT_SIGNED_IN");
    expect_code(world_ask(world, OTHER,
                          (struct behalf_message){ .type = BEHALF_HELLO,
                                                   .hello = { .version = 2, .role = "person", .name = "asha" } }),
                "VERSION");
}

static void noise_is_dropped_whatever_its_kind_and_the_state_of_the_lease(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    for (int lapsed = 0; lapsed < 2; lapsed++) {
        uint64_t peer = OTHER + (uint64_t) lapsed;
        if (lapsed == 1) {
            let_the_lease_lapse(world);
        }
        for (int i = 0; i < 200000; i++) {
            say_noise(world, peer);
        }
        world_settle(world);
        assert_true(world->told[peer].dropped);
        assert_int_equal(world_count_told(world, peer, BEHALF_BYE), 1);
        assert_int_equal(world_count_told(world, peer, BEHALF_ERROR), 16);
    }
}

static void a_flood_of_refusable_sign_ins_is_not_kept_while_the_lease_is_not_valid(void **state)
{
    struct world *world = *state;
    struct behalf_message hello = { .type = BEHALF_HELLO,
                                    .hello = { .version = 1, .role = "person", .name = "nobody" } };

    sign_in_all(world);
    let_the_lease_lapse(world);
    for (int i = 0; i < 2000; i++) {
        int64_t id = world_say(world, OTHER, hello);
        world_settle(world);
        expect_code(world_answer(world, OTHER, id), "BUSY");
    }
}

static void a_peer_with_too_much_waiting_is_lost_and_the_others_are_told(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    for (int i = 0; i < 5000; i++) {
        world_say(world, ASHA, (struct behalf_message){ .type = BEHALF_HEARTBEAT }); // and nothing is taken out
    }
    world_say(world, FEED, (struct behalf_message){ .type = BEHALF_HEARTBEAT });
    world_forget(world, ASHA);
    world_settle(world);
    assert_true(world->told[ASHA].dropped);
    assert_int_equal(world_count_told(world, ASHA, BEHALF_HEARTBEAT), 0);
    assert_int_equal(world_count_told(world, FEED, BEHALF_HEARTBEAT), 1);
    assert_false(world->told[FEED].dropped);
}

static void a_desk_that_cannot_be_read_whole_does_not_begin(void **state)
{
    struct world *world = *state;
    char reason[512] = "";

    sign_in_all(world);
    (void) post(world, "1", "Where is my bag?");
    (void) post(world, "2", "Where is mine?");
    world_crash(world);
    fault_plan_cut_reading(memory_disk_plan(world->disk), 2); // records: the rules, one item
    assert_false(world_try_start(world, reason, sizeof reason));
    assert_non_null(strstr(reason, "could not be read"));
    world_start(world);
}

// ---- a desk behind what was told ----

static const struct behalf_message *come_back(struct world *world, int64_t sequence, const char *proof)
{
    return world_ask(
        world, OTHER,
        ABOUT(HELLO, hello, .version = 1, .role = "person", .name = "ben", .sequence = sequence, .proof = proof));
}

// What a client was told last, and the proof of it.
static int64_t be_told(struct world *world, char proof[65])
{
    const struct behalf_message *welcome = world_hello(world, OTHER, "person", "ben");

    expect_type(welcome, BEHALF_WELCOME);
    snprintf(proof, 65, "%s", welcome->welcome.proof);
    assert_string_not_equal(proof, "");
    return welcome->welcome.sequence;
}

// The store is put back as it was when the backup was made.
static void put_back(struct world *world, struct memory_disk **backup_p)
{
    world_crash(world);
    memory_disk_destroy(&world->disk);
    world->disk = *backup_p;
    *backup_p = NULL;
    world_start(world);
}

static void a_desk_behind_what_a_client_proves_it_was_told_does_not_go_on(void **state)
{
    struct world *world = *state;
    struct memory_disk *backup = memory_disk_copy(world->disk);
    char proof[65];

    sign_in_all(world);
    int64_t told = be_told(world, proof);
    expect_type(come_back(world, told, proof), BEHALF_WELCOME);
    assert_int_equal(broker_told_beyond(world->broker), 0);
    put_back(world, &backup);
    const struct behalf_message *refused = come_back(world, told, proof);
    expect_code(refused, "STORE");
    assert_string_equal(refused->error.field, "sequence");
    assert_int_equal(broker_told_beyond(world->broker), told);
}

static void nobody_stops_a_desk_by_a_number_made_up(void **state)
{
    struct world *world = *state;
    char proof[65];

    sign_in_all(world);
    int64_t told = be_told(world, proof);
    expect_type(come_back(world, BEHALF_ID_MAX, ""), BEHALF_WELCOME);
    expect_type(come_back(world, BEHALF_ID_MAX, proof), BEHALF_WELCOME);
    expect_type(come_back(world, told + 1000, proof), BEHALF_WELCOME);
    proof[5] = '\0';
    expect_type(come_back(world, told + 1000, proof), BEHALF_WELCOME);
    assert_int_equal(broker_told_beyond(world->broker), 0);
}

static void what_another_desk_of_the_name_has_told_says_nothing(void **state)
{
    struct world *world = *state;
    struct memory_disk *backup = memory_disk_copy(world->disk);
    char proof[65];

    sign_in_all(world);
    int64_t told = be_told(world, proof);
    world->options.secret = "another one";
    put_back(world, &backup);
    expect_type(come_back(world, told, proof), BEHALF_WELCOME);
}

static void a_loss_that_was_accepted_lets_everyone_in(void **state)
{
    struct world *world = *state;
    struct memory_disk *backup = memory_disk_copy(world->disk);
    char proof[65];

    sign_in_all(world);
    int64_t told = be_told(world, proof);
    world->options.accept_loss = true;
    put_back(world, &backup);
    const struct behalf_message *welcome = come_back(world, told, proof);
    expect_type(welcome, BEHALF_WELCOME);
    assert_true(welcome->welcome.sequence < told); // which is what the client knows from now on
    assert_int_equal(broker_told_beyond(world->broker), 0);
}

static void no_batch_goes_out_while_the_lease_is_not_valid(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    int64_t item = post(world, "1", "Where is my bag?");
    int64_t lease = take(world, ASHA, item);
    broker_lease(world->broker, world->now_ms, world->now_ms);
    world_say(world, ASHA, answering(item, lease));
    assert_null(broker_next_batch(world->broker, world->now_ms));
    world_pass(world, 600000); // and nobody's time goes on
    assert_null(broker_next_batch(world->broker, world->now_ms));
    broker_lease(world->broker, world->now_ms + 2000, world->now_ms);
    struct batch *batch = broker_next_batch(world->broker, world->now_ms);
    assert_non_null(batch);
    batch_destroy(&batch);
}

static void a_fenced_broker_tells_where_the_desk_is_and_nothing_it_held_back(void **state)
{
    struct world *world = *state;
    const char *brokers[] = { "tcp://127.0.0.1:7312" };

    sign_in_all(world);
    int64_t item = post(world, "1", "Where is my bag?");
    int64_t lease = take(world, ASHA, item);
    world->hold_batches = true;
    int64_t asked = world_say(world, ASHA, answering(item, lease));
    world_settle(world);
    broker_lease(world->broker, world->now_ms + 1, world->now_ms);
    broker_fenced(world->broker, brokers, 1, "another broker has taken the desk over");
    world_settle(world);
    assert_null(world_answer(world, ASHA, asked));
    const struct behalf_message *moved = world_told(world, ASHA, BEHALF_MOVED);
    expect_type(moved, BEHALF_MOVED);
    assert_int_equal(moved->id, 0);
    assert_string_equal(moved->moved.brokers[0], brokers[0]);
    expect_type(world_told(world, FEED, BEHALF_MOVED), BEHALF_MOVED);
}

static void a_fenced_broker_that_does_not_know_by_whom_says_that_it_restarts(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    broker_fenced(world->broker, NULL, 0, "");
    broker_lease(world->broker, world->now_ms, world->now_ms);
    world_settle(world);
    const struct behalf_message *bye = world_told(world, ASHA, BEHALF_BYE);
    expect_type(bye, BEHALF_BYE);
    assert_string_equal(bye->bye.reason, "restarting");
}

static void a_hold_does_not_run_out_while_the_store_is_away(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    int64_t item = post(world, "1", "Where is my bag?");
    take(world, ASHA, item);
    broker_peer_lost(world->broker, ASHA, "its connection is gone", world->now_ms);
    world->hold_batches = true;
    broker_store_state(world->broker, true, "disk full", world->now_ms);
    world_pass(world, 600000);
    assert_int_equal(desk_item_state(broker_desk(world->broker), (uint64_t) item), ITEM_HELD);
    world->hold_batches = false;
    broker_store_state(world->broker, false, "sqlite", world->now_ms);
    world_settle(world);
    assert_int_equal(desk_item_state(broker_desk(world->broker), (uint64_t) item), ITEM_HELD);
    world_pass(world, 70000);
    assert_int_equal(desk_item_state(broker_desk(world->broker), (uint64_t) item), ITEM_WAITING);
}

static void a_reply_whose_connector_closed_before_it_was_told_goes_to_another(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    int64_t item = post(world, "1", "Where is my bag?");
    int64_t lease = take(world, ASHA, item);
    world->hold_batches = true;
    world_say(world, ASHA, answering(item, lease));
    world_settle(world);
    broker_peer_lost(world->broker, FEED, "its connection is gone", world->now_ms);
    world->hold_batches = false;
    world_settle(world);
    assert_int_equal(world_count_told(world, FEED, BEHALF_REPLY), 0);
    expect_type(world_hello(world, OTHER, "connector", "other"), BEHALF_WELCOME);
    const struct behalf_message *reply = world_told(world, OTHER, BEHALF_REPLY);
    expect_type(reply, BEHALF_REPLY);
    assert_int_equal(reply->reply.attempt, 1);
}

static void memory_is_bounded_while_the_store_does_not_come_back(void **state)
{
    struct world *world = *state;
    static char text[4001];
    char id[16];

    memset(text, 'x', 4000);
    world_crash(world);
    world->options.batch_bytes_max = 200000;
    world_start(world);
    sign_in_all(world);
    world->hold_batches = true;
    world_say(world, FEED, world_post("first", world->now_ms, "hello"));
    world_settle(world);
    for (int i = 0; i < 200; i++) {
        snprintf(id, sizeof id, "p%d", i);
        world_say(world, FEED, world_post(id, i % 2 == 0 ? 0 : world->now_ms, text));
    }
    world_settle(world);
    expect_code(world_told(world, FEED, BEHALF_ERROR), "BUSY");
    assert_true(world_count_told(world, FEED, BEHALF_ERROR) > 100);
    world->hold_batches = false;
    world->options.batch_bytes_max = 0;
    world_settle(world);
    expect_type(world_ask(world, FEED, world_post("p199", world->now_ms, text)), BEHALF_TAKEN);
}

// ---- rules ----

static const struct behalf_message *apply(struct world *world, const char *text)
{
    return world_ask(world, CONTROL, ABOUT(APPLY, apply, .rules = text, .name = "new.yaml"));
}

// The world's rules without one person.
static char *rules_without(const char *person)
{
    char *text = strdup(world_rules);
    char key[64];

    snprintf(key, sizeof key, "  %s:\n", person);
    char *begin = strstr(text, key);
    char *end = begin + strlen(key);
    while (strncmp(end, "    ", 4) == 0) {
        end = strchr(end, '\n') + 1;
    }
    memmove(begin, end, strlen(end) + 1);
    return text;
}

static void rules_with_errors_change_nothing(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    const struct behalf_message *answer = apply(world, "desk: test\nbrands: 7\n");
    expect_code(answer, "RULES");
    assert_true(answer->error.problems_count >= 1);
    expect_type(apply(world, world_rules), BEHALF_APPLIED);
    assert_true(world_told(world, CONTROL, BEHALF_APPLIED)->applied.repeated);
    assert_int_equal(world_told(world, CONTROL, BEHALF_APPLIED)->applied.rules_version, 1);
}

static void new_rules_are_live_and_kept_and_who_they_drop_is_signed_out(void **state)
{
    struct world *world = *state;
    char *text = rules_without("asha");

    sign_in_all(world);
    int64_t item = post(world, "1", "Where is my bag?");
    take(world, ASHA, item);
    const struct behalf_message *applied = apply(world, text);
    expect_type(applied, BEHALF_APPLIED);
    assert_int_equal(applied->applied.rules_version, 2);
    expect_type(world_told(world, ASHA, BEHALF_BYE), BEHALF_BYE);
    assert_int_equal(desk_item_state(broker_desk(world->broker), (uint64_t) item), ITEM_WAITING);
    expect_code(world_hello(world, OTHER, "person", "asha"), "NOT_FOUND");
    world_crash(world);
    world_start(world);
    expect_code(world_hello(world, OTHER, "person", "asha"), "NOT_FOUND");
    expect_type(world_hello(world, BEN, "person", "ben"), BEHALF_WELCOME);
    free(text);
}

// The world's rules with one more sensitive word.
static char *rules_with_boycott(void)
{
    static const char before[] = "[lawyer*]", after[] = "[lawyer*, boycott*]";
    char *text = calloc(1, strlen(world_rules) + sizeof after);
    const char *place = strstr(world_rules, before);

    assert_non_null(place);
    memcpy(text, world_rules, (size_t) (place - world_rules));
    strcat(text, after);
    strcat(text, place + strlen(before));
    return text;
}

static const char *audience_of(struct world *world, int64_t item)
{
    static char audience[16];
    const struct behalf_message *listing =
        world_ask(world, CONTROL, ABOUT(LOOK, look, .after = item - 1, .limit = 1, .audience = "", .brand = ""));

    expect_type(listing, BEHALF_LISTING);
    assert_int_equal(listing->listing.items_count, 1);
    assert_int_equal(listing->listing.items[0].item, item);
    snprintf(audience, sizeof audience, "%s", listing->listing.items[0].audience);
    return audience;
}

static void expect_reviewed(struct world *world, int64_t item)
{
    const struct behalf_message *history = world_ask(world, CONTROL, ABOUT(WHY, why, .item = item));
    size_t found = 0;

    expect_type(history, BEHALF_HISTORY);
    for (size_t i = 0; i < history->history.events_count; i++) {
        const struct behalf_event *event = &history->history.events[i];
        if (strcmp(event->kind, "reviewed") == 0) {
            found++;
            assert_int_equal(event->rules_version, 2);
            assert_string_equal(event->rule, "sensitive legal");
            assert_non_null(strstr(event->detail, "sensitive under the rules applied since; "));
        }
    }
    assert_int_equal(found, 1);
}

static void new_rules_reach_open_posts_as_they_are_now(void **state)
{
    struct world *world = *state;
    char *text = rules_with_boycott();

    sign_in_all(world);
    int64_t held = post(world, "1", "Boycott them all");
    take(world, ASHA, held);
    int64_t merged = post(world, "2", "Where is my bag?");
    int64_t waits[300];
    char id[16];
    for (int i = 0; i < 300; i++) {
        snprintf(id, sizeof id, "w%d", i);
        waits[i] = post(world, id, i % 10 == 0 ? "I shall boycott you" : "Where is my bag?");
    }
    expect_type(world_ask(world, FEED,
                          ABOUT(EDIT, edit, .channel = "chirp", .post = "w0", .posted_ms = world->now_ms,
                                .text = "no, I shall not", .edited_ms = world->now_ms)),
                BEHALF_TAKEN);
    expect_type(world_ask(world, FEED,
                          ABOUT(EDIT, edit, .channel = "chirp", .post = "w1", .posted_ms = world->now_ms,
                                .text = "boycott!", .edited_ms = world->now_ms)),
                BEHALF_TAKEN);
    const struct behalf_message *applied = apply(world, text);
    expect_type(applied, BEHALF_APPLIED);
    assert_in_range(applied->applied.items, 300, 303);
    assert_non_null(world_told(world, ASHA, BEHALF_GONE));
    assert_string_equal(audience_of(world, held), "pr");
    assert_string_equal(audience_of(world, merged), "agent");
    for (int i = 0; i < 300; i++) {
        assert_string_equal(audience_of(world, waits[i]), i == 1 || (i % 10 == 0 && i > 0) ? "pr" : "agent");
    }
    expect_reviewed(world, held);
    expect_reviewed(world, waits[10]);
    assert_int_equal(world_ask(world, CONTROL, (struct behalf_message){ .type = BEHALF_STATUS })->counts.reviewing, 0);
    free(text);
}

static void what_pr_has_released_is_not_sealed_by_new_rules(void **state)
{
    struct world *world = *state;
    char *text = rules_with_boycott();

    sign_in_all(world);
    int64_t item = post(world, "1", "My lawyer says boycott");
    int64_t lease = take(world, PETRA, item);
    world_pass(world, 1000);
    expect_type(
        world_ask(world, PETRA, ABOUT(RETURN, return_item, .item = item, .lease = lease, .guidance = "say sorry")),
        BEHALF_DONE);
    world_pass(world, 1000);
    expect_type(apply(world, text), BEHALF_APPLIED);
    assert_string_equal(audience_of(world, item), "agent");
    free(text);
}

// Nothing is offered while the posts have not been read; a broker that dies meanwhile goes on when it is back.
static void a_review_survives_a_crash(void **state)
{
    struct world *world = *state;
    char *text = rules_with_boycott();

    sign_in_all(world);
    int64_t item = post(world, "1", "Boycott them all");
    world_ask(world, ASHA, ABOUT(PRESENCE, presence, .state = "away", .reason = "lunch"));
    world_ask(world, BEN, ABOUT(PRESENCE, presence, .state = "away", .reason = "lunch"));
    world->hold_reports = true;
    expect_type(apply(world, text), BEHALF_APPLIED);
    world_forget(world, ASHA);
    world_ask(world, ASHA, ABOUT(PRESENCE, presence, .state = "available", .reason = ""));
    assert_null(world_told(world, ASHA, BEHALF_ITEM));
    expect_code(apply(world, world_rules), "BUSY");
    assert_true(world_ask(world, CONTROL, (struct behalf_message){ .type = BEHALF_STATUS })->counts.reviewing > 0);
    world_crash(world);
    world_start(world);
    sign_in_all(world);
    assert_null(world_told(world, ASHA, BEHALF_ITEM));
    world->hold_reports = false;
    world_settle(world);
    assert_null(world_told(world, ASHA, BEHALF_ITEM));
    assert_string_equal(audience_of(world, item), "pr");
    expect_reviewed(world, item);
    // What has been gone through is not again.
    world_crash(world);
    world_start(world);
    assert_int_equal(desk_review_left(broker_desk(world->broker)), 0);
    free(text);
}

// ---- stopping ----

static void a_stop_speaks_all_that_was_decided_and_then_bye(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    world->hold_batches = true;
    int64_t asked = world_say(world, FEED, world_post("1", world->now_ms, "Where is my bag?"));
    world_settle(world);
    broker_stop(world->broker, world->now_ms);
    int64_t late = world_say(world, FEED, world_post("2", world->now_ms, "hi"));
    world_settle(world);
    assert_false(broker_stopped(world->broker));
    world->hold_batches = false;
    world_settle(world);
    assert_true(broker_stopped(world->broker));
    expect_type(world_answer(world, FEED, asked), BEHALF_TAKEN);
    assert_null(world_answer(world, FEED, late));
    expect_type(world_told(world, FEED, BEHALF_BYE), BEHALF_BYE);
    assert_string_equal(world_told(world, ASHA, BEHALF_BYE)->bye.reason, "restarting");
}

static void a_crash_at_any_time_loses_nothing_that_was_spoken(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    int64_t item = post(world, "1", "Where is my bag?");
    take(world, ASHA, item);
    world_crash(world);
    world_start(world);
    assert_int_equal(desk_item_state(broker_desk(world->broker), (uint64_t) item), ITEM_HELD);
    world_forget(world, ASHA);
    const struct behalf_message *welcome = world_hello(world, ASHA, "person", "asha");
    expect_type(welcome, BEHALF_WELCOME);
    assert_int_equal(welcome->welcome.items, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_before_hello_is_refused),
        TEST(a_version_not_spoken_is_refused_with_the_one_that_is),
        TEST(a_person_the_rules_do_not_name_is_refused),
        TEST(a_desk_that_is_not_served_is_refused_and_the_served_one_may_be_named),
        TEST(requests_beyond_the_rate_are_put_off_and_change_nothing),
        TEST(the_longest_answer_can_be_previewed_reported_and_shown_again),
        TEST(refused_sign_ins_do_not_fill_the_log),
        TEST(hello_without_an_id_is_refused),
        TEST(names_with_characters_that_are_not_seen_are_refused),
        TEST(signing_in_over_and_over_is_put_off),
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
        TEST(a_message_of_another_role_is_forbidden),
        TEST(a_message_that_only_a_broker_sends_is_unknown),
        TEST(a_request_without_an_id_is_refused),
        TEST(more_requests_than_the_window_are_refused),
        TEST(taken_is_spoken_once_it_is_on_disk),
        TEST(a_commit_in_doubt_speaks_only_when_it_is_settled),
        TEST(a_post_brought_again_is_one_item),
        TEST(a_post_dated_ahead_is_known_when_its_day_comes),
        TEST(twins_that_are_asked_for_together_are_one_item),
        TEST(a_twin_decided_while_the_other_is_asked_for_is_found),
        TEST(a_repeat_while_the_first_is_in_flight_gets_one_answer),
        TEST(a_post_to_an_unknown_brand_is_refused_by_name),
        TEST(an_edit_is_shown_with_the_text_before),
        TEST(an_edit_that_turns_sensitive_takes_the_item_from_the_agent),
        TEST(an_edit_that_turns_sensitive_after_the_end_is_shown_to_pr),
        TEST(the_same_edits_again_make_no_further_work),
        TEST(a_listing_for_who_is_gone_is_asked_for_again),
        TEST(counts_refused_in_an_outage_are_told_when_asked_for_again),
        TEST(who_was_away_is_away_after_a_restart_too),
        TEST(what_an_item_says_comes_from_memory_and_not_from_the_store),
        TEST(a_session_that_goes_on_keeps_the_presence_that_the_desk_knows),
        TEST(two_edits_in_one_go_make_one_follow_up),
        TEST(a_post_is_repeated_whatever_time_it_says),
        TEST(the_same_id_for_two_brands_is_two_items),
        TEST(another_post_under_a_known_name_is_told),
        TEST(an_older_edit_changes_nothing_whenever_it_comes),
        TEST(a_time_ahead_of_the_broker_puts_nothing_before_what_comes_later),
        TEST(an_edit_before_its_post_is_kept_and_is_its_text),
        TEST(what_a_post_said_in_between_before_it_came_counts),
        TEST(the_texts_of_a_post_that_has_not_come_are_bounded),
        TEST(a_deletion_before_its_post_withdraws_it),
        TEST(what_is_kept_of_a_post_that_never_comes_is_forgotten_after_a_day),
        TEST(the_text_that_made_it_sensitive_stays_in_the_story),
        TEST(posts_of_nobody_have_nothing_in_common),
        TEST(a_post_its_edit_and_its_deletion_may_come_in_one_go),
        TEST(recent_posts_are_known_after_a_crash),
        TEST(a_sensitive_post_reaches_pr_and_no_agent),
        TEST(an_offer_overtaken_by_an_escalation_is_never_spoken),
        TEST(a_listing_shows_agents_no_text_of_sealed_items),
        TEST(a_listing_shows_agents_no_text_that_became_sealed_while_its_reply_went_out),
        TEST(a_post_is_answered_published_and_kept),
        TEST(a_preview_is_what_would_go_out),
        TEST(a_repeated_answer_gets_its_first_answer_even_after_the_end_and_a_crash),
        TEST(a_repeated_settle_gets_its_first_answer_even_after_a_crash),
        TEST(a_forged_settle_is_refused_whatever_number_it_names),
        TEST(a_note_repeated_after_a_resume_is_added_once),
        TEST(a_request_cut_off_before_its_answer_can_be_repeated_after_a_resume),
        TEST(a_reply_that_was_never_spoken_is_handed_out_later),
        TEST(intake_is_refused_while_the_store_is_away_and_people_wait),
        TEST(intake_alone_is_refused_while_the_tables_are_behind),
        TEST(why_the_store_is_away_is_told_to_who_runs_the_desk_and_to_nobody_else),
        TEST(once_the_lease_has_lapsed_everyone_is_sent_elsewhere_and_nothing_else_is_spoken),
        TEST(a_lease_renewed_after_all_lets_sessions_go_on_where_they_were),
        TEST(a_connection_that_breaks_as_the_lease_lapses_is_gone_once),
        TEST(no_batch_goes_out_while_the_lease_is_not_valid),
        TEST(sessions_of_programs_leave_room_for_people),
        TEST(one_name_does_not_take_all_sessions_of_its_role),
        TEST(one_address_does_not_take_all_sessions_of_a_role),
        TEST(one_address_does_not_use_up_all_sign_ins_of_a_role),
        TEST(who_does_not_read_is_told_to_ask_later),
        TEST(a_session_asks_for_so_many_reports_at_once),
        TEST(a_ban_ends_with_its_connection),
        TEST(a_desk_behind_what_a_client_proves_it_was_told_does_not_go_on),
        TEST(a_desk_that_cannot_be_read_whole_does_not_begin),
        TEST(nobody_stops_a_desk_by_a_number_made_up),
        TEST(what_another_desk_of_the_name_has_told_says_nothing),
        TEST(a_loss_that_was_accepted_lets_everyone_in),
        TEST(what_is_wrong_with_a_frames_form_is_said_while_the_lease_is_not_valid),
        TEST(noise_is_dropped_whatever_its_kind_and_the_state_of_the_lease),
        TEST(a_flood_of_refusable_sign_ins_is_not_kept_while_the_lease_is_not_valid),
        TEST(a_peer_with_too_much_waiting_is_lost_and_the_others_are_told),
        TEST(a_fenced_broker_tells_where_the_desk_is_and_nothing_it_held_back),
        TEST(a_fenced_broker_that_does_not_know_by_whom_says_that_it_restarts),
        TEST(a_hold_does_not_run_out_while_the_store_is_away),
        TEST(a_reply_whose_connector_closed_before_it_was_told_goes_to_another),
        TEST(memory_is_bounded_while_the_store_does_not_come_back),
        TEST(rules_with_errors_change_nothing),
        TEST(new_rules_are_live_and_kept_and_who_they_drop_is_signed_out),
        TEST(new_rules_reach_open_posts_as_they_are_now),
        TEST(what_pr_has_released_is_not_sealed_by_new_rules),
        TEST(a_review_survives_a_crash),
        TEST(a_stop_speaks_all_that_was_decided_and_then_bye),
        TEST(a_crash_at_any_time_loses_nothing_that_was_spoken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
