// broker_lapse_test.c - what is said, and what is kept, while the store is away, the lease not valid, or the desk
// behind.

#include "tests/unit/broker_verbs.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(intake_is_refused_while_the_store_is_away_and_people_wait),
        TEST(intake_alone_is_refused_while_the_tables_are_behind),
        TEST(why_the_store_is_away_is_told_to_who_runs_the_desk_and_to_nobody_else),
        TEST(once_the_lease_has_lapsed_everyone_is_sent_elsewhere_and_nothing_else_is_spoken),
        TEST(a_lease_renewed_after_all_lets_sessions_go_on_where_they_were),
        TEST(a_connection_that_breaks_as_the_lease_lapses_is_gone_once),
        TEST(no_batch_goes_out_while_the_lease_is_not_valid),
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
