// session_test.c - the client's session in virtual time, against a broker of a few lines.

#include "proto/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FIRST_ID (INT64_C(1) << 40)

static const char *const brokers[] = { "tcp://one:1", "tcp://two:2", "tcp://three:3" };

struct world {
    struct behalf_session *session;
    int64_t now_ms;
};

static struct world world_of(size_t broker_count, uint64_t seed)
{
    struct behalf_hello hello = { .role = "person", .name = "asha", .program = "test" };
    struct behalf_session_options options = {
        .brokers = brokers, .broker_count = broker_count, .hello = &hello, .first_id = FIRST_ID, .seed = seed
    };
    struct behalf_fault fault;
    struct world world = { .now_ms = 1000000 };
    world.session = behalf_session_new(&options, world.now_ms, &fault);
    assert_non_null(world.session);
    return world;
}

static void end(struct world *world)
{
    behalf_session_destroy(&world->session);
    assert_null(world->session);
}

// ---- verbs ----

static void pass(struct world *world, int64_t ms)
{
    world->now_ms += ms;
    behalf_session_tick(world->session, world->now_ms);
}

// Lets exactly the time pass after which the session wants a tick.
static int64_t pass_until_due(struct world *world)
{
    int64_t due_ms = behalf_session_due_ms(world->session, world->now_ms);
    assert_true(due_ms >= 0);
    pass(world, due_ms);
    return due_ms;
}

static void expect_order(struct world *world, size_t want)
{
    size_t broker = 99;
    assert_true(behalf_session_connect_order(world->session, &broker));
    assert_int_equal(broker, want);
    assert_false(behalf_session_connect_order(world->session, &broker));
}

// The next frame on the wire, decoded, taken by the transport.
static struct behalf_message *expect_sent(struct world *world, enum behalf_type type)
{
    size_t bytes;
    const void *frame = behalf_session_output(world->session, &bytes, world->now_ms);
    assert_non_null(frame);
    struct behalf_fault fault;
    struct behalf_message *message = behalf_message_decode(frame, bytes, &fault);
    assert_non_null(message);
    assert_string_equal(behalf_type_name(message->type), behalf_type_name(type));
    behalf_session_sent(world->session, world->now_ms);
    return message;
}

static int64_t expect_sent_id(struct world *world, enum behalf_type type)
{
    struct behalf_message *message = expect_sent(world, type);
    int64_t id = message->id;
    behalf_message_destroy(&message);
    return id;
}

static void expect_nothing_sent(struct world *world)
{
    size_t bytes;
    assert_null(behalf_session_output(world->session, &bytes, world->now_ms));
}

static void from_broker(struct world *world, const struct behalf_message *message)
{
    size_t bytes;
    struct behalf_fault fault;
    void *frame = behalf_message_encode(message, &bytes, &fault);
    if (frame == NULL) {
        fail_msg("%s: %s", fault.field, fault.reason);
    }
    behalf_session_receive(world->session, frame, bytes, world->now_ms);
    free(frame);
}

static void welcome(struct world *world, int64_t id, const char *token)
{
    struct behalf_message message = { .type = BEHALF_WELCOME,
                                      .id = id,
                                      .welcome = { .version = 1,
                                                   .token = token,
                                                   .desk = "desk",
                                                   .now_ms = 1,
                                                   .heartbeat_ms = 1000,
                                                   .timeout_ms = 4000,
                                                   .window = 3 } };
    from_broker(world, &message);
}

static void refuse(struct world *world, int64_t id, const char *code, int64_t retry_ms)
{
    struct behalf_message message = { .type = BEHALF_ERROR,
                                      .id = id,
                                      .error = { .code = code, .reason = "because", .retry_ms = retry_ms } };
    from_broker(world, &message);
}

static void done(struct world *world, int64_t id)
{
    struct behalf_message message = { .type = BEHALF_DONE, .id = id, .done = { .item = 4711 } };
    from_broker(world, &message);
}

static void bye(struct world *world, const char *reason)
{
    struct behalf_message message = { .type = BEHALF_BYE, .bye = { .reason = reason } };
    from_broker(world, &message);
}

static int64_t take(struct world *world)
{
    struct behalf_message message = { .type = BEHALF_TAKE, .take = { .item = 4711, .lease = 3 } };
    struct behalf_fault fault;
    int64_t id = behalf_session_send(world->session, &message, &fault);
    assert_true(id > 0);
    return id;
}

static void expect_next(struct world *world, enum behalf_type type, int64_t id)
{
    struct behalf_message *message = behalf_session_next(world->session);
    assert_non_null(message);
    assert_string_equal(behalf_type_name(message->type), behalf_type_name(type));
    assert_int_equal(message->id, id);
    behalf_message_destroy(&message);
}

static void expect_no_next(struct world *world)
{
    assert_false(behalf_session_has_next(world->session));
    assert_null(behalf_session_next(world->session));
}

static void expect_state(struct world *world, enum behalf_client_state state)
{
    assert_int_equal(behalf_session_state(world->session), state);
}

static void sign_in(struct world *world, size_t broker)
{
    pass_until_due(world);
    expect_order(world, broker);
    int64_t hello = expect_sent_id(world, BEHALF_HELLO);
    welcome(world, hello, "token-1");
    expect_state(world, BEHALF_CLIENT_READY);
    expect_next(world, BEHALF_WELCOME, hello);
}

// ---- signing in ----

static void session_says_hello_and_stands_when_welcomed(void **state)
{
    (void) state;
    struct world world = world_of(1, 1);
    expect_state(&world, BEHALF_CLIENT_CONNECTING);
    expect_nothing_sent(&world);
    assert_int_equal(behalf_session_due_ms(world.session, world.now_ms), 0);
    pass(&world, 0);
    expect_order(&world, 0);
    struct behalf_message *hello = expect_sent(&world, BEHALF_HELLO);
    assert_int_equal(hello->hello.version, 1);
    assert_string_equal(hello->hello.name, "asha");
    assert_string_equal(hello->hello.token, "");
    expect_nothing_sent(&world);
    welcome(&world, hello->id, "token-1");
    expect_next(&world, BEHALF_WELCOME, hello->id);
    behalf_message_destroy(&hello);
    expect_state(&world, BEHALF_CLIENT_READY);
    assert_int_equal(behalf_session_window(world.session), 3);
    end(&world);
}

static void hello_that_breaks_its_limits_makes_no_session(void **state)
{
    (void) state;
    struct behalf_hello hello = { .role = "person" };
    struct behalf_session_options options = {
        .brokers = brokers, .broker_count = 1, .hello = &hello, .first_id = FIRST_ID
    };
    struct behalf_fault fault;
    assert_null(behalf_session_new(&options, 0, &fault));
    assert_string_equal(fault.field, "name");
}

static void welcome_that_answers_another_hello_is_not_believed(void **state)
{
    (void) state;
    struct world world = world_of(1, 1);
    pass(&world, 0);
    expect_order(&world, 0);
    int64_t hello = expect_sent_id(&world, BEHALF_HELLO);
    welcome(&world, hello + 1, "forged");
    expect_state(&world, BEHALF_CLIENT_CONNECTING);
    expect_no_next(&world);
    end(&world);
}

static void refused_for_good_is_not_tried_again(void **state)
{
    (void) state;
    static const char *const codes[] = { "VERSION", "FORBIDDEN", "NOT_FOUND", "INVALID", "MISSING" };
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        struct world world = world_of(2, 1);
        pass(&world, 0);
        expect_order(&world, 0);
        refuse(&world, expect_sent_id(&world, BEHALF_HELLO), codes[i], 0);
        expect_state(&world, BEHALF_CLIENT_REFUSED);
        assert_non_null(strstr(behalf_session_reason(world.session), codes[i]));
        assert_non_null(strstr(behalf_session_reason(world.session), "because"));
        assert_int_equal(behalf_session_due_ms(world.session, world.now_ms), -1);
        pass(&world, 3600000);
        size_t broker;
        assert_false(behalf_session_connect_order(world.session, &broker));
        struct behalf_message request = { .type = BEHALF_TAKE, .take = { .item = 1, .lease = 1 } };
        struct behalf_fault fault;
        assert_int_equal(behalf_session_send(world.session, &request, &fault), 0);
        end(&world);
    }
}

static void busy_broker_is_greeted_again_when_it_said(void **state)
{
    (void) state;
    struct world world = world_of(1, 1);
    pass(&world, 0);
    expect_order(&world, 0);
    refuse(&world, expect_sent_id(&world, BEHALF_HELLO), "BUSY", 7000);
    expect_state(&world, BEHALF_CLIENT_CONNECTING);
    assert_in_range(pass_until_due(&world), 7000, 10500);
    expect_order(&world, 0);
    assert_true(expect_sent_id(&world, BEHALF_HELLO) > 0);
    end(&world);
}

static void broker_of_another_version_is_refused(void **state)
{
    (void) state;
    struct world world = world_of(1, 1);
    pass(&world, 0);
    expect_order(&world, 0);
    struct behalf_message message = { .type = BEHALF_WELCOME,
                                      .id = expect_sent_id(&world, BEHALF_HELLO),
                                      .welcome = { .version = 2,
                                                   .token = "t",
                                                   .desk = "d",
                                                   .now_ms = 1,
                                                   .heartbeat_ms = 1000,
                                                   .timeout_ms = 4000,
                                                   .window = 1 } };
    from_broker(&world, &message);
    expect_state(&world, BEHALF_CLIENT_REFUSED);
    end(&world);
}

// ---- losing and coming back ----

static void silent_broker_is_left_for_the_next_with_growing_delays(void **state)
{
    (void) state;
    struct world world = world_of(3, 42);
    int64_t delay_max_ms = SESSION_BACKOFF_FIRST_MS;
    pass(&world, 0);
    for (size_t attempt = 0; attempt < 12; attempt++) {
        expect_order(&world, attempt % 3);
        assert_true(expect_sent_id(&world, BEHALF_HELLO) > 0);
        assert_int_equal(pass_until_due(&world), SESSION_GREETING_MS);
        int64_t delay_ms = behalf_session_due_ms(world.session, world.now_ms);
        assert_in_range(delay_ms, delay_max_ms / 2, delay_max_ms);
        assert_non_null(strstr(behalf_session_reason(world.session), brokers[attempt % 3]));
        pass(&world, delay_ms);
        delay_max_ms = delay_max_ms * 2 > SESSION_BACKOFF_LAST_MS ? SESSION_BACKOFF_LAST_MS : delay_max_ms * 2;
    }
    end(&world);
}

static void delays_are_spread_by_the_seed_and_the_same_for_the_same(void **state)
{
    (void) state;
    int64_t total_ms[3] = { 0 };
    for (size_t i = 0; i < 3; i++) {
        struct world world = world_of(1, i == 2 ? 7777 : 5);
        for (size_t attempt = 0; attempt < 8; attempt++) {
            pass_until_due(&world);
            behalf_session_lost(world.session, "refused", world.now_ms);
            total_ms[i] = total_ms[i] * 7 + behalf_session_due_ms(world.session, world.now_ms);
        }
        end(&world);
    }
    assert_int_equal(total_ms[0], total_ms[1]);
    assert_int_not_equal(total_ms[0], total_ms[2]);
}

static void delays_are_short_again_after_a_welcome(void **state)
{
    (void) state;
    struct world world = world_of(1, 1);
    for (size_t attempt = 0; attempt < 10; attempt++) {
        pass_until_due(&world);
        behalf_session_lost(world.session, "refused", world.now_ms);
    }
    assert_true(behalf_session_due_ms(world.session, world.now_ms) > SESSION_BACKOFF_FIRST_MS);
    sign_in(&world, 0);
    behalf_session_lost(world.session, "reset", world.now_ms);
    assert_in_range(behalf_session_due_ms(world.session, world.now_ms), 0, SESSION_BACKOFF_FIRST_MS);
    end(&world);
}

static char *away_said_when_back(struct world *world)
{
    behalf_session_lost(world->session, "reset", world->now_ms);
    pass_until_due(world);
    expect_order(world, 0);
    struct behalf_message *hello = expect_sent(world, BEHALF_HELLO);
    char *away = strdup(hello->hello.away);
    struct behalf_message message = { .type = BEHALF_WELCOME,
                                      .id = hello->id,
                                      .welcome = { .version = 1,
                                                   .token = "token-2",
                                                   .desk = "desk",
                                                   .now_ms = 1,
                                                   .heartbeat_ms = 1000,
                                                   .timeout_ms = 4000,
                                                   .window = 3,
                                                   .presence = *away ? "away" : "available" } };
    from_broker(world, &message);
    expect_next(world, BEHALF_WELCOME, hello->id);
    behalf_message_destroy(&hello);
    return away;
}

static void set_presence(struct world *world, const char *presence, const char *reason)
{
    struct behalf_message request = { .type = BEHALF_PRESENCE, .presence = { .state = presence, .reason = reason } };
    struct behalf_fault fault;
    int64_t id = behalf_session_send(world->session, &request, &fault);
    assert_int_equal(expect_sent_id(world, BEHALF_PRESENCE), id);
    from_broker(world, &(struct behalf_message){ .type = BEHALF_DONE, .id = id, .done = { .state = presence } });
    expect_next(world, BEHALF_DONE, id);
}

static void expect_away(struct world *world, const char *reason)
{
    char *away = away_said_when_back(world);
    assert_string_equal(away, reason);
    free(away);
}

// A broker that was restarted has forgotten who is away.
static void who_is_away_says_so_when_back(void **state)
{
    (void) state;
    struct world world = world_of(1, 1);
    sign_in(&world, 0);
    expect_away(&world, "");
    set_presence(&world, "away", "lunch");
    expect_away(&world, "lunch");
    expect_away(&world, "lunch");
    set_presence(&world, "available", NULL);
    expect_away(&world, "");
    from_broker(&world, &(struct behalf_message){ .type = BEHALF_PRESENCE,
                                                  .presence = { .state = "away", .reason = "offers were missed" } });
    expect_next(&world, BEHALF_PRESENCE, 0);
    expect_away(&world, "offers were missed");
    end(&world);
}

static void lost_session_is_resumed_by_its_token(void **state)
{
    (void) state;
    struct world world = world_of(2, 1);
    sign_in(&world, 0);
    behalf_session_lost(world.session, "connection reset", world.now_ms);
    expect_state(&world, BEHALF_CLIENT_CONNECTING);
    assert_non_null(strstr(behalf_session_reason(world.session), "connection reset"));
    pass_until_due(&world);
    expect_order(&world, 1);
    struct behalf_message *hello = expect_sent(&world, BEHALF_HELLO);
    assert_string_equal(hello->hello.token, "token-1");
    welcome(&world, hello->id, "token-2");
    expect_next(&world, BEHALF_WELCOME, hello->id);
    behalf_message_destroy(&hello);
    expect_state(&world, BEHALF_CLIENT_READY);
    end(&world);
}

static void broker_that_falls_silent_is_lost_after_its_timeout(void **state)
{
    (void) state;
    struct world world = world_of(1, 1);
    sign_in(&world, 0);
    int64_t quiet_ms = 0;
    size_t heartbeats = 0;
    while (behalf_session_state(world.session) == BEHALF_CLIENT_READY) {
        quiet_ms += pass_until_due(&world);
        size_t bytes;
        if (behalf_session_output(world.session, &bytes, world.now_ms) != NULL) {
            assert_int_equal(expect_sent_id(&world, BEHALF_HEARTBEAT), 0);
            heartbeats++;
        }
    }
    assert_int_equal(quiet_ms, 4000);
    assert_int_equal(heartbeats, 3);
    end(&world);
}

static void answered_heartbeats_keep_the_session(void **state)
{
    (void) state;
    struct world world = world_of(1, 1);
    sign_in(&world, 0);
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(pass_until_due(&world), 1000);
        assert_int_equal(expect_sent_id(&world, BEHALF_HEARTBEAT), 0);
        struct behalf_message heartbeat = { .type = BEHALF_HEARTBEAT };
        from_broker(&world, &heartbeat);
        expect_no_next(&world);
    }
    expect_state(&world, BEHALF_CLIENT_READY);
    end(&world);
}

// A store that is away leaves requests unanswered; a client that goes on sending must still ask for a sign
// of life.
static void client_that_talks_but_hears_nothing_still_sends_heartbeats(void **state)
{
    (void) state;
    struct world world = world_of(1, 1);
    sign_in(&world, 0);
    for (size_t i = 0; i < 3; i++) {
        pass(&world, 333);
        take(&world);
        assert_true(expect_sent_id(&world, BEHALF_TAKE) > 0);
    }
    pass(&world, 1);
    assert_int_equal(expect_sent_id(&world, BEHALF_HEARTBEAT), 0);
    end(&world);
}

static void broker_that_forgot_the_session_is_told_hello_again_on_the_same_connection(void **state)
{
    (void) state;
    struct world world = world_of(2, 1);
    sign_in(&world, 0);
    int64_t first = take(&world), second = take(&world);
    assert_int_equal(expect_sent_id(&world, BEHALF_TAKE), first);
    assert_int_equal(expect_sent_id(&world, BEHALF_TAKE), second);
    refuse(&world, first, "NOT_SIGNED_IN", 0);
    expect_state(&world, BEHALF_CLIENT_CONNECTING);
    struct behalf_message *hello = expect_sent(&world, BEHALF_HELLO);
    assert_string_equal(hello->hello.token, "token-1");
    refuse(&world, second, "NOT_SIGNED_IN", 0); // sent before HELLO: no second greeting
    expect_nothing_sent(&world);
    welcome(&world, hello->id, "token-2");
    expect_next(&world, BEHALF_WELCOME, hello->id);
    behalf_message_destroy(&hello);
    assert_int_equal(expect_sent_id(&world, BEHALF_TAKE), first);
    assert_int_equal(expect_sent_id(&world, BEHALF_TAKE), second);
    size_t broker;
    assert_false(behalf_session_connect_order(world.session, &broker));
    end(&world);
}

static void heartbeat_answered_not_signed_in_leads_to_hello(void **state)
{
    (void) state;
    struct world world = world_of(1, 1);
    sign_in(&world, 0);
    refuse(&world, 0, "NOT_SIGNED_IN", 0);
    assert_true(expect_sent_id(&world, BEHALF_HELLO) > 0);
    end(&world);
}

static void person_signed_in_elsewhere_ends_the_session(void **state)
{
    (void) state;
    struct world world = world_of(1, 1);
    sign_in(&world, 0);
    bye(&world, "signed in elsewhere");
    expect_state(&world, BEHALF_CLIENT_ENDED);
    assert_non_null(strstr(behalf_session_reason(world.session), "signed in elsewhere"));
    expect_next(&world, BEHALF_BYE, 0);
    assert_int_equal(behalf_session_due_ms(world.session, world.now_ms), -1);
    expect_nothing_sent(&world);
    end(&world);
}

static void broker_that_restarts_is_waited_for(void **state)
{
    (void) state;
    struct world world = world_of(1, 1);
    sign_in(&world, 0);
    bye(&world, "restarting");
    expect_state(&world, BEHALF_CLIENT_CONNECTING);
    expect_no_next(&world);
    assert_true(pass_until_due(&world) <= SESSION_BACKOFF_FIRST_MS);
    expect_order(&world, 0);
    struct behalf_message *hello = expect_sent(&world, BEHALF_HELLO);
    assert_string_equal(hello->hello.token, "token-1");
    behalf_message_destroy(&hello);
    end(&world);
}

static void moved(struct world *world, int64_t id, const char *first, const char *second)
{
    const char *named[] = { first, second };
    struct behalf_message message = { .type = BEHALF_MOVED,
                                      .id = id,
                                      .moved = { .desk = "desk",
                                                 .brokers = named,
                                                 .brokers_count = second != NULL  ? 2
                                                                  : first != NULL ? 1
                                                                                  : 0 } };
    from_broker(world, &message);
}

static int64_t connect_and_greet(struct world *world, const char *endpoint)
{
    size_t broker = 99;
    assert_in_range(pass_until_due(world), 0, SESSION_BACKOFF_LAST_MS);
    assert_true(behalf_session_connect_order(world->session, &broker));
    assert_string_equal(behalf_session_broker(world->session, broker), endpoint);
    return expect_sent_id(world, BEHALF_HELLO);
}

static void moved_in_answer_to_hello_is_followed_and_the_old_list_stays_behind_it(void **state)
{
    (void) state;
    struct world world = world_of(2, 1);
    int64_t hello = connect_and_greet(&world, "tcp://one:1");
    moved(&world, hello, "tcp://127.0.0.1:7", "ipc:///run/behalf");
    expect_state(&world, BEHALF_CLIENT_CONNECTING);
    assert_non_null(strstr(behalf_session_reason(world.session), "has moved to tcp://127.0.0.1:7"));
    connect_and_greet(&world, "tcp://127.0.0.1:7");
    const char *const rest[] = { "ipc:///run/behalf", "tcp://one:1", "tcp://two:2", "tcp://127.0.0.1:7" };
    for (size_t i = 0; i < 4; i++) {
        behalf_session_lost(world.session, "gone", world.now_ms);
        connect_and_greet(&world, rest[i]);
    }
    end(&world);
}

static void moved_as_news_repeats_what_has_no_answer_at_the_new_broker(void **state)
{
    (void) state;
    struct world world = world_of(2, 1);
    sign_in(&world, 0);
    int64_t request = take(&world);
    assert_int_equal(expect_sent_id(&world, BEHALF_TAKE), request);
    moved(&world, 0, "tcp://two:2", NULL); // not of this machine, but of the caller's list
    expect_no_next(&world);
    int64_t hello = connect_and_greet(&world, "tcp://two:2");
    welcome(&world, hello, "token-2");
    expect_next(&world, BEHALF_WELCOME, hello);
    assert_int_equal(expect_sent_id(&world, BEHALF_TAKE), request);
    end(&world);
}

static void moved_to_where_a_client_may_not_follow_is_a_loss(void **state)
{
    static const char *const bad[] = { "tcp://10.0.0.1:7311", "tcp://localhost:7311", "tcp://127.0.0.1", "x", NULL };
    (void) state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct world world = world_of(2, 1);
        sign_in(&world, 0);
        moved(&world, 0, bad[i], NULL);
        connect_and_greet(&world, "tcp://two:2");
        end(&world);
    }
}

static void however_many_brokers_are_named_the_list_is_bounded_and_keeps_the_callers(void **state)
{
    (void) state;
    struct world world = world_of(3, 1);
    char endpoint[64];
    sign_in(&world, 0);
    for (int port = 1; port <= 1000; port++) {
        snprintf(endpoint, sizeof(endpoint), "tcp://127.0.0.1:%d", port);
        moved(&world, 0, endpoint, NULL);
        connect_and_greet(&world, endpoint);
    }
    bool seen[3] = { false };
    for (int turn = 0; turn < SESSION_BROKERS_TOLD_MAX + 3; turn++) {
        size_t broker = 99;
        behalf_session_lost(world.session, "gone", world.now_ms);
        pass_until_due(&world);
        assert_true(behalf_session_connect_order(world.session, &broker));
        assert_true(broker < SESSION_BROKERS_TOLD_MAX + 3);
        for (size_t i = 0; i < 3; i++) {
            seen[i] = seen[i] || strcmp(behalf_session_broker(world.session, broker), brokers[i]) == 0;
        }
    }
    assert_true(seen[0] && seen[1] && seen[2]);
    end(&world);
}

// ---- a broker that cannot serve, and others that may ----

static void a_busy_broker_is_left_for_the_next_when_others_are_known(void **state)
{
    (void) state;
    struct world world = world_of(2, 1);
    for (int i = 0; i < 8; i++) { // however often, no longer than it said
        int64_t hello = connect_and_greet(&world, brokers[i % 2]);
        refuse(&world, hello, "BUSY", 200);
        assert_in_range(behalf_session_due_ms(world.session, world.now_ms), 200, 300);
    }
    end(&world);
    world = world_of(1, 1);
    refuse(&world, connect_and_greet(&world, "tcp://one:1"), "BUSY", 200);
    connect_and_greet(&world, "tcp://one:1");
    end(&world);
}

static void a_broker_that_was_silent_is_not_tried_because_another_is_busy(void **state)
{
    (void) state;
    struct world world = world_of(2, 1);
    connect_and_greet(&world, "tcp://one:1");
    pass(&world, SESSION_GREETING_MS);
    for (int64_t begun_ms = world.now_ms; world.now_ms < begun_ms + SESSION_SILENT_MS - 1000;) {
        refuse(&world, connect_and_greet(&world, "tcp://two:2"), "BUSY", 200);
    }
    pass(&world, 2000); // but it is not given up
    expect_order(&world, 1);
    refuse(&world, expect_sent_id(&world, BEHALF_HELLO), "BUSY", 200);
    connect_and_greet(&world, "tcp://one:1");
    end(&world);
}

static void brokers_that_send_a_client_to_each_other_are_asked_again_and_again_quickly(void **state)
{
    (void) state;
    struct world world = world_of(2, 1);
    sign_in(&world, 0);
    moved(&world, 0, "tcp://two:2", NULL);
    assert_in_range(behalf_session_due_ms(world.session, world.now_ms), 0, SESSION_BACKOFF_FIRST_MS);
    for (int i = 0; i < 20; i++) {
        int64_t hello = connect_and_greet(&world, brokers[(i + 1) % 2]);
        moved(&world, hello, brokers[i % 2], NULL);
        assert_in_range(behalf_session_due_ms(world.session, world.now_ms), 0, SESSION_MOVED_LAST_MS);
    }
    end(&world);
}

static void what_the_desk_was_at_is_carried_back_to_it(void **state)
{
    (void) state;
    struct world world = world_of(1, 1);
    struct behalf_message message = { .type = BEHALF_WELCOME,
                                      .welcome = { .version = 1,
                                                   .token = "token",
                                                   .desk = "desk",
                                                   .sequence = 4711,
                                                   .proof = "4711 it was",
                                                   .now_ms = 1,
                                                   .heartbeat_ms = 1000,
                                                   .timeout_ms = 4000,
                                                   .window = 3 } };
    message.id = connect_and_greet(&world, "tcp://one:1");
    from_broker(&world, &message);
    for (int i = 0; i < 2; i++) {
        behalf_session_lost(world.session, "gone", world.now_ms);
        pass_until_due(&world);
        expect_order(&world, 0);
        struct behalf_message *hello = expect_sent(&world, BEHALF_HELLO);
        assert_int_equal(hello->hello.sequence, message.welcome.sequence);
        assert_string_equal(hello->hello.proof, message.welcome.proof);
        message.id = hello->id;
        behalf_message_destroy(&hello);
        message.welcome.proof = "another";
        message.welcome.sequence = 12; // a loss that somebody has accepted
        from_broker(&world, &message);
    }
    end(&world);
}

static void what_is_held_is_sure_only_once_a_session_stands_and_all_of_it_has_come(void **state)
{
    (void) state;
    struct world world = world_of(2, 1);
    struct behalf_message item = { .type = BEHALF_ITEM,
                                   .item = { .item = 1,
                                             .lease = 1,
                                             .state = "held",
                                             .audience = "agent",
                                             .brand = "acme",
                                             .language = "en",
                                             .channel = "chirp",
                                             .author = "@c" } };
    struct behalf_message welcome_of_two = { .type = BEHALF_WELCOME,
                                             .welcome = { .version = 1,
                                                          .token = "token",
                                                          .desk = "desk",
                                                          .now_ms = 1,
                                                          .heartbeat_ms = 1000,
                                                          .timeout_ms = 4000,
                                                          .window = 3,
                                                          .items = 2 } };
    assert_false(behalf_session_is_sure(world.session));
    welcome_of_two.id = connect_and_greet(&world, "tcp://one:1");
    from_broker(&world, &welcome_of_two);
    assert_false(behalf_session_is_sure(world.session));
    from_broker(&world, &item);
    assert_false(behalf_session_is_sure(world.session));
    from_broker(&world, &item);
    assert_true(behalf_session_is_sure(world.session));
    moved(&world, 0, "tcp://two:2", NULL); // from a broker that may have lost the desk
    assert_false(behalf_session_is_sure(world.session));
    welcome(&world, connect_and_greet(&world, "tcp://two:2"), "token-2");
    assert_true(behalf_session_is_sure(world.session));
    bye(&world, "restarting");
    assert_false(behalf_session_is_sure(world.session));
    end(&world);
}

static void bad_frame_from_the_broker_loses_the_connection(void **state)
{
    (void) state;
    struct world world = world_of(2, 1);
    sign_in(&world, 0);
    behalf_session_receive(world.session, "\xc1", 1, world.now_ms);
    expect_state(&world, BEHALF_CLIENT_CONNECTING);
    pass_until_due(&world);
    expect_order(&world, 1);
    end(&world);
}

static void message_of_a_later_version_is_passed_over(void **state)
{
    (void) state;
    struct world world = world_of(1, 1);
    sign_in(&world, 0);
    behalf_session_receive(world.session, "\x93\xa5LATER\x00\x80", 9, world.now_ms);
    expect_state(&world, BEHALF_CLIENT_READY);
    expect_no_next(&world);
    end(&world);
}

// ---- requests ----

static void request_waits_for_the_session(void **state)
{
    (void) state;
    struct world world = world_of(1, 1);
    int64_t id = take(&world);
    assert_int_equal(id, FIRST_ID);
    expect_nothing_sent(&world);
    sign_in(&world, 0);
    assert_int_equal(expect_sent_id(&world, BEHALF_TAKE), id);
    end(&world);
}

static void frame_that_the_transport_did_not_take_is_offered_again(void **state)
{
    (void) state;
    struct world world = world_of(1, 1);
    sign_in(&world, 0);
    int64_t id = take(&world);
    size_t bytes;
    assert_non_null(behalf_session_output(world.session, &bytes, world.now_ms));
    assert_non_null(behalf_session_output(world.session, &bytes, world.now_ms));
    assert_int_equal(expect_sent_id(&world, BEHALF_TAKE), id);
    expect_nothing_sent(&world);
    end(&world);
}

static void window_bounds_requests_in_flight(void **state)
{
    (void) state;
    struct world world = world_of(1, 1);
    sign_in(&world, 0);
    int64_t ids[5];
    for (size_t i = 0; i < 5; i++) {
        ids[i] = take(&world);
    }
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(expect_sent_id(&world, BEHALF_TAKE), ids[i]);
    }
    expect_nothing_sent(&world);
    assert_int_equal(behalf_session_pending(world.session), 5);
    done(&world, ids[1]);
    assert_int_equal(behalf_session_pending(world.session), 4);
    assert_int_equal(expect_sent_id(&world, BEHALF_TAKE), ids[3]);
    expect_nothing_sent(&world);
    expect_next(&world, BEHALF_DONE, ids[1]);
    end(&world);
}

static void unanswered_requests_are_repeated_after_a_loss_and_answered_ones_are_not(void **state)
{
    (void) state;
    struct world world = world_of(1, 1);
    sign_in(&world, 0);
    int64_t first = take(&world), second = take(&world), third = take(&world);
    for (size_t i = 0; i < 3; i++) {
        expect_sent_id(&world, BEHALF_TAKE);
    }
    done(&world, second);
    expect_next(&world, BEHALF_DONE, second);
    behalf_session_lost(world.session, "reset", world.now_ms);
    sign_in(&world, 0);
    assert_int_equal(expect_sent_id(&world, BEHALF_TAKE), first);
    assert_int_equal(expect_sent_id(&world, BEHALF_TAKE), third);
    expect_nothing_sent(&world);
    done(&world, third);
    done(&world, first);
    expect_next(&world, BEHALF_DONE, third);
    expect_next(&world, BEHALF_DONE, first);
    assert_int_equal(behalf_session_pending(world.session), 0);
    end(&world);
}

static void answer_that_comes_twice_is_given_once(void **state)
{
    (void) state;
    struct world world = world_of(1, 1);
    sign_in(&world, 0);
    int64_t id = take(&world);
    expect_sent_id(&world, BEHALF_TAKE);
    done(&world, id);
    done(&world, id);
    done(&world, id + 1000);
    refuse(&world, id, "STALE", 0);
    expect_next(&world, BEHALF_DONE, id);
    expect_no_next(&world);
    assert_true(behalf_session_answered(world.session, id));
    end(&world);
}

static void refusal_is_an_answer(void **state)
{
    (void) state;
    struct world world = world_of(1, 1);
    sign_in(&world, 0);
    int64_t id = take(&world);
    expect_sent_id(&world, BEHALF_TAKE);
    refuse(&world, id, "STALE", 0);
    expect_next(&world, BEHALF_ERROR, id);
    assert_int_equal(behalf_session_pending(world.session), 0);
    end(&world);
}

static void busy_holds_requests_back_as_long_as_it_says_and_then_repeats_in_order(void **state)
{
    (void) state;
    static const char *const codes[] = { "BUSY", "TOO_MANY" };
    for (size_t i = 0; i < 2; i++) {
        struct world world = world_of(1, 1);
        sign_in(&world, 0);
        int64_t first = take(&world), second = take(&world);
        expect_sent_id(&world, BEHALF_TAKE);
        expect_sent_id(&world, BEHALF_TAKE);
        refuse(&world, second, codes[i], 300);
        refuse(&world, first, codes[i], 250);
        int64_t third = take(&world);
        expect_no_next(&world);
        expect_nothing_sent(&world);
        assert_int_equal(pass_until_due(&world), 300);
        assert_int_equal(expect_sent_id(&world, BEHALF_TAKE), first);
        assert_int_equal(expect_sent_id(&world, BEHALF_TAKE), second);
        assert_int_equal(expect_sent_id(&world, BEHALF_TAKE), third);
        expect_nothing_sent(&world);
        end(&world);
    }
}

static void busy_for_a_request_answered_meanwhile_changes_nothing(void **state)
{
    (void) state;
    struct world world = world_of(1, 1);
    sign_in(&world, 0);
    int64_t id = take(&world);
    expect_sent_id(&world, BEHALF_TAKE);
    done(&world, id);
    refuse(&world, id, "BUSY", 60000);
    expect_next(&world, BEHALF_DONE, id);
    int64_t next = take(&world);
    assert_int_equal(expect_sent_id(&world, BEHALF_TAKE), next);
    end(&world);
}

static void many_requests_keep_their_order_over_losses(void **state)
{
    (void) state;
    struct world world = world_of(1, 1);
    sign_in(&world, 0);
    for (size_t i = 0; i < 1000; i++) {
        take(&world);
    }
    int64_t next = FIRST_ID;
    for (size_t round = 0; next < FIRST_ID + 1000; round++) {
        for (int64_t i = 0; i < 3 && next + i < FIRST_ID + 1000; i++) {
            assert_int_equal(expect_sent_id(&world, BEHALF_TAKE), next + i);
        }
        if (round % 10 == 9) {
            behalf_session_lost(world.session, "reset", world.now_ms);
            sign_in(&world, 0);
            assert_int_equal(expect_sent_id(&world, BEHALF_TAKE), next);
        }
        done(&world, next);
        expect_next(&world, BEHALF_DONE, next);
        next++;
        behalf_session_lost(world.session, "reset", world.now_ms);
        sign_in(&world, 0);
    }
    assert_int_equal(behalf_session_pending(world.session), 0);
    end(&world);
}

static void news_comes_only_while_the_session_stands(void **state)
{
    (void) state;
    struct world world = world_of(1, 1);
    sign_in(&world, 0);
    struct behalf_message gone = { .type = BEHALF_GONE, .gone = { .item = 4711, .lease = 3, .reason = "deleted" } };
    from_broker(&world, &gone);
    expect_next(&world, BEHALF_GONE, 0);
    behalf_session_lost(world.session, "reset", world.now_ms);
    from_broker(&world, &gone);
    expect_no_next(&world);
    end(&world);
}

static void messages_that_are_not_requests_are_not_sent(void **state)
{
    (void) state;
    struct world world = world_of(1, 1);
    sign_in(&world, 0);
    static const enum behalf_type not_ours[] = { BEHALF_HELLO, BEHALF_HEARTBEAT, BEHALF_BYE, BEHALF_DONE, BEHALF_NONE };
    for (size_t i = 0; i < sizeof(not_ours) / sizeof(not_ours[0]); i++) {
        struct behalf_message message = { .type = not_ours[i] };
        struct behalf_fault fault;
        assert_int_equal(behalf_session_send(world.session, &message, &fault), 0);
        assert_int_equal(fault.code, BEHALF_CODE_UNKNOWN_TYPE);
    }
    struct behalf_message take_nothing = { .type = BEHALF_TAKE, .take = { .lease = 1 } };
    struct behalf_fault fault;
    assert_int_equal(behalf_session_send(world.session, &take_nothing, &fault), 0);
    assert_string_equal(fault.field, "item");
    assert_int_equal(behalf_session_pending(world.session), 0);
    end(&world);
}

static void closing_says_bye_and_nothing_after(void **state)
{
    (void) state;
    struct world world = world_of(1, 1);
    sign_in(&world, 0);
    take(&world);
    behalf_session_close(world.session, "shift over");
    expect_state(&world, BEHALF_CLIENT_ENDED);
    struct behalf_message *message = expect_sent(&world, BEHALF_BYE);
    assert_string_equal(message->bye.reason, "shift over");
    behalf_message_destroy(&message);
    expect_nothing_sent(&world);
    end(&world);
}

static void closing_before_the_session_stands_says_nothing(void **state)
{
    (void) state;
    struct world world = world_of(1, 1);
    behalf_session_close(world.session, NULL);
    expect_state(&world, BEHALF_CLIENT_ENDED);
    expect_nothing_sent(&world);
    pass(&world, 100000);
    size_t broker;
    assert_false(behalf_session_connect_order(world.session, &broker));
    end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(session_says_hello_and_stands_when_welcomed),
        cmocka_unit_test(hello_that_breaks_its_limits_makes_no_session),
        cmocka_unit_test(welcome_that_answers_another_hello_is_not_believed),
        cmocka_unit_test(refused_for_good_is_not_tried_again),
        cmocka_unit_test(busy_broker_is_greeted_again_when_it_said),
        cmocka_unit_test(who_is_away_says_so_when_back),
        cmocka_unit_test(broker_of_another_version_is_refused),
        cmocka_unit_test(silent_broker_is_left_for_the_next_with_growing_delays),
        cmocka_unit_test(delays_are_spread_by_the_seed_and_the_same_for_the_same),
        cmocka_unit_test(delays_are_short_again_after_a_welcome),
        cmocka_unit_test(lost_session_is_resumed_by_its_token),
        cmocka_unit_test(broker_that_falls_silent_is_lost_after_its_timeout),
        cmocka_unit_test(answered_heartbeats_keep_the_session),
        cmocka_unit_test(client_that_talks_but_hears_nothing_still_sends_heartbeats),
        cmocka_unit_test(broker_that_forgot_the_session_is_told_hello_again_on_the_same_connection),
        cmocka_unit_test(heartbeat_answered_not_signed_in_leads_to_hello),
        cmocka_unit_test(person_signed_in_elsewhere_ends_the_session),
        cmocka_unit_test(broker_that_restarts_is_waited_for),
        cmocka_unit_test(bad_frame_from_the_broker_loses_the_connection),
        cmocka_unit_test(moved_in_answer_to_hello_is_followed_and_the_old_list_stays_behind_it),
        cmocka_unit_test(moved_as_news_repeats_what_has_no_answer_at_the_new_broker),
        cmocka_unit_test(moved_to_where_a_client_may_not_follow_is_a_loss),
        cmocka_unit_test(however_many_brokers_are_named_the_list_is_bounded_and_keeps_the_callers),
        cmocka_unit_test(a_busy_broker_is_left_for_the_next_when_others_are_known),
        cmocka_unit_test(a_broker_that_was_silent_is_not_tried_because_another_is_busy),
        cmocka_unit_test(brokers_that_send_a_client_to_each_other_are_asked_again_and_again_quickly),
        cmocka_unit_test(what_the_desk_was_at_is_carried_back_to_it),
        cmocka_unit_test(what_is_held_is_sure_only_once_a_session_stands_and_all_of_it_has_come),
        cmocka_unit_test(message_of_a_later_version_is_passed_over),
        cmocka_unit_test(request_waits_for_the_session),
        cmocka_unit_test(frame_that_the_transport_did_not_take_is_offered_again),
        cmocka_unit_test(window_bounds_requests_in_flight),
        cmocka_unit_test(unanswered_requests_are_repeated_after_a_loss_and_answered_ones_are_not),
        cmocka_unit_test(answer_that_comes_twice_is_given_once),
        cmocka_unit_test(refusal_is_an_answer),
        cmocka_unit_test(busy_holds_requests_back_as_long_as_it_says_and_then_repeats_in_order),
        cmocka_unit_test(busy_for_a_request_answered_meanwhile_changes_nothing),
        cmocka_unit_test(many_requests_keep_their_order_over_losses),
        cmocka_unit_test(news_comes_only_while_the_session_stands),
        cmocka_unit_test(messages_that_are_not_requests_are_not_sent),
        cmocka_unit_test(closing_says_bye_and_nothing_after),
        cmocka_unit_test(closing_before_the_session_stands_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
