// once_test.c - a request that took effect is answered again as at first: over new sessions, after a crash, after
// others have moved on what it was about; and nothing happens a second time.

#include "broker/desk/answered.h"
#include "tests/unit/broker_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// Peers of the tests; the numbers mean nothing.
enum { FEED = 1, ASHA = 2, BEN = 3, PETRA = 4, CONTROL = 5, OTHER = 6 };

#define ABOUT(kind, field, ...) ((struct behalf_message){ .type = BEHALF_##kind, .field = { __VA_ARGS__ } })

static struct world the_world;

static int set_up(void **state)
{
    world_init(&the_world);
    *state = &the_world;
    return 0;
}

// Everybody signs in, whatever there was before: without a token each session is a new one.
static void sign_in_all(struct world *world)
{
    const char *channels[] = { "chirp" };

    expect_type(world_ask(world, FEED,
                          ABOUT(HELLO, hello, .version = 1, .role = "connector", .name = "feed", .instance = "i",
                                .channels = channels, .channels_count = 1)),
                BEHALF_WELCOME);
    expect_type(world_hello(world, ASHA, "person", "asha"), BEHALF_WELCOME);
    expect_type(world_hello(world, BEN, "person", "ben"), BEHALF_WELCOME);
    expect_type(world_hello(world, PETRA, "person", "petra"), BEHALF_WELCOME);
    expect_type(world_hello(world, CONTROL, "control", "ctl"), BEHALF_WELCOME);
}

// ---- requests and their first answers ----

struct asked {
    uint64_t peer;
    struct behalf_message request;
    struct behalf_message *answer; // a copy
};

static struct asked all_asked[64];
static size_t asked_count;

static void forget_asked(void)
{
    for (size_t i = 0; i < asked_count; i++) {
        behalf_message_destroy(&all_asked[i].answer);
    }
    asked_count = 0;
}

static int tear_down(void **state)
{
    forget_asked();
    world_fini(*state);
    return 0;
}

// Asks something that must take effect, and keeps it.  Texts must outlive the test.
static const struct behalf_message *ask(struct world *world, uint64_t peer, struct behalf_message request)
{
    request.id = ++world->next_id;
    const struct behalf_message *answer = world_ask(world, peer, request);
    expect_type(answer, request.type == BEHALF_APPLY ? BEHALF_APPLIED : BEHALF_DONE);
    assert_false(request.type == BEHALF_APPLY ? answer->applied.repeated : answer->done.repeated);
    assert_true(asked_count < sizeof all_asked / sizeof *all_asked);
    all_asked[asked_count++] =
        (struct asked){ .peer = peer, .request = request, .answer = behalf_message_copy(answer) };
    return answer;
}

static void expect_same(const struct asked *asked, const struct behalf_message *answer)
{
    const struct behalf_message *first = asked->answer;

    expect_type(answer, first->type);
    if (first->type == BEHALF_APPLIED) {
        assert_true(answer->applied.repeated);
        assert_int_equal(answer->applied.rules_version, first->applied.rules_version);
        return;
    }
    assert_true(answer->done.repeated);
    assert_int_equal(answer->done.item, first->done.item);
    assert_int_equal(answer->done.lease, first->done.lease);
    assert_string_equal(answer->done.state, first->done.state);
    assert_int_equal(answer->done.reply, first->done.reply);
}

// Says all of it again: it is answered as at first, and nothing is written.
static void repeat_all(struct world *world)
{
    uint64_t before = desk_sequence(broker_desk(world->broker));

    for (size_t i = 0; i < asked_count; i++) {
        expect_same(&all_asked[i], world_ask(world, all_asked[i].peer, all_asked[i].request));
    }
    assert_int_equal(desk_sequence(broker_desk(world->broker)), before);
}

static int64_t post(struct world *world, const char *id)
{
    const struct behalf_message *taken = world_ask(world, FEED, world_post(id, world->now_ms, "Where is my bag?"));

    expect_type(taken, BEHALF_TAKEN);
    return taken->taken.item;
}

// The lease under which the peer was last shown the item.
static int64_t shown(struct world *world, uint64_t peer, int64_t item)
{
    const struct behalf_message *told = world_told(world, peer, BEHALF_ITEM);

    expect_type(told, BEHALF_ITEM);
    assert_int_equal(told->item.item, item);
    return told->item.lease;
}

static void away(struct world *world, uint64_t peer)
{
    expect_type(world_ask(world, peer, ABOUT(PRESENCE, presence, .state = "away", .reason = "tea")), BEHALF_DONE);
}

static char other_rules[8192];

// One of each, each on what others then move on.
static void do_everything(struct world *world)
{
    away(world, BEN);
    int64_t item = post(world, "1");
    int64_t lease = shown(world, ASHA, item);
    ask(world, ASHA, ABOUT(TAKE, take, .item = item, .lease = lease));
    ask(world, ASHA, ABOUT(DRAFT, draft, .item = item, .lease = lease, .text = "We are"));
    ask(world, ASHA, ABOUT(NOTE, note, .item = item, .lease = lease, .text = "called them"));
    ask(world, ASHA,
        ABOUT(PARK, park, .item = item, .lease = lease, .until_ms = world->now_ms + 60000, .reason = "asked them"));
    ask(world, ASHA, ABOUT(PRESENCE, presence, .state = "available"));
    int64_t second = post(world, "2");
    lease = shown(world, ASHA, second);
    ask(world, BEN, ABOUT(PRESENCE, presence, .state = "available"));
    ask(world, ASHA, ABOUT(DECLINE, decline, .item = second, .lease = lease, .reason = "not mine"));
    lease = shown(world, BEN, second);
    ask(world, BEN, ABOUT(TAKE, take, .item = second, .lease = lease));
    ask(world, BEN, ABOUT(ESCALATE, escalate, .item = second, .lease = lease, .reason = "press"));
    lease = shown(world, PETRA, second);
    ask(world, PETRA, ABOUT(TAKE, take, .item = second, .lease = lease));
    ask(world, BEN, ABOUT(PRESENCE, presence, .state = "away", .reason = "tea"));
    ask(world, PETRA, ABOUT(RETURN, return_item, .item = second, .lease = lease, .guidance = "say sorry"));
    world_pass(world, 120000); // nobody says a word meanwhile: all sessions are lost, and what was parked wakes
    sign_in_all(world);
    ask(world, CONTROL, ABOUT(FREEZE, freeze, .brand = "acme", .frozen = true, .reason = "storm"));
    ask(world, CONTROL, ABOUT(FREEZE, freeze, .brand = "acme", .reason = "over"));
    snprintf(other_rules, sizeof other_rules, "%s# another\n", world_rules);
    ask(world, CONTROL, ABOUT(APPLY, apply, .rules = other_rules, .name = "other.yaml"));
    ask(world, CONTROL, ABOUT(APPLY, apply, .rules = world_rules, .name = "first.yaml"));
}

static void answer_one(struct world *world)
{
    away(world, BEN);
    int64_t item = post(world, "9");
    int64_t lease = shown(world, ASHA, item);
    ask(world, ASHA, ABOUT(TAKE, take, .item = item, .lease = lease));
    int64_t reply =
        ask(world, ASHA, ABOUT(ANSWER, answer, .item = item, .lease = lease, .text = "We are on it."))->done.reply;
    expect_type(world_told(world, FEED, BEHALF_REPLY), BEHALF_REPLY);
    ask(world, FEED, ABOUT(SETTLE, settle, .reply = reply, .fate = "confirmed", .reference = "r1"));
}

// ---- claims ----

static void every_request_is_answered_again_as_at_first(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    do_everything(world);
    repeat_all(world);
    sign_in_all(world); // nobody has a token: all sessions are new
    repeat_all(world);
    world_crash(world);
    world_start(world);
    sign_in_all(world);
    repeat_all(world);
    assert_string_equal(rules_text(broker_rules(world->broker)), world_rules);
}

static void an_answer_handed_out_and_settled_is_answered_again_as_at_first(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    answer_one(world);
    repeat_all(world);
    world_crash(world);
    world_start(world);
    sign_in_all(world);
    repeat_all(world);
    assert_int_equal(world_count_told(world, FEED, BEHALF_REPLY), 1);
}

// What a lease is looked at for comes after: this one is somebody else's by now, and still no word of STALE.
static void a_decline_is_answered_again_while_somebody_else_has_the_item(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    away(world, BEN);
    int64_t item = post(world, "1");
    int64_t lease = shown(world, ASHA, item);
    ask(world, ASHA, ABOUT(DECLINE, decline, .item = item, .lease = lease, .reason = "not mine"));
    expect_type(world_ask(world, BEN, ABOUT(PRESENCE, presence, .state = "available")), BEHALF_DONE);
    lease = shown(world, BEN, item);
    expect_type(world_ask(world, BEN, ABOUT(TAKE, take, .item = item, .lease = lease)), BEHALF_DONE);
    world_forget(world, BEN);
    repeat_all(world);
    assert_null(world_told(world, BEN, BEHALF_GONE));
}

static size_t notes_on_disk;

static void count_note(void *self, const struct note_record *note)
{
    (void) self;
    (void) note;
    notes_on_disk++;
}

static void two_hundred_notes_repeated_are_two_hundred(void **state)
{
    struct world *world = *state;
    enum { NOTES = 200 };
    struct behalf_message notes[NOTES];

    sign_in_all(world);
    away(world, BEN);
    int64_t item = post(world, "1");
    int64_t lease = shown(world, ASHA, item);
    expect_type(world_ask(world, ASHA, ABOUT(TAKE, take, .item = item, .lease = lease)), BEHALF_DONE);
    for (size_t i = 0; i < NOTES; i++) {
        notes[i] = ABOUT(NOTE, note, .item = item, .lease = lease, .text = "called them");
        notes[i].id = world_say(world, ASHA, notes[i]);
    }
    broker_peer_lost(world->broker, ASHA, "its connection is gone", world->now_ms);
    expect_type(world_hello(world, OTHER, "person", "asha"), BEHALF_WELCOME);
    for (size_t i = 0; i < NOTES; i++) {
        world_say(world, OTHER, notes[i]);
        if (i % 50 == 49) {
            world_settle(world);
            world_pass(world, 1000); // their rate is that of a client
        }
    }
    for (size_t i = 0; i < NOTES; i++) {
        const struct behalf_message *again = world_answer(world, OTHER, notes[i].id);
        expect_type(again, BEHALF_DONE);
        assert_true(again->done.repeated);
    }
    notes_on_disk = 0;
    memory_disk_visit(world->disk, &(struct memory_visit){ .note = count_note });
    assert_int_equal(notes_on_disk, NOTES);
}

static void an_id_that_another_request_has_had_is_refused(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    away(world, BEN);
    int64_t item = post(world, "1");
    int64_t lease = shown(world, ASHA, item);
    int64_t id = ask(world, ASHA, ABOUT(TAKE, take, .item = item, .lease = lease))->id;
    struct behalf_message another = ABOUT(NOTE, note, .item = item, .lease = lease, .text = "called them");
    another.id = id;
    const struct behalf_message *refused = world_ask(world, ASHA, another);
    expect_code(refused, "INVALID");
    assert_string_equal(refused->error.field, "id");
    another = all_asked[0].request;
    another.take.lease++;
    expect_code(world_ask(world, ASHA, another), "INVALID");
    // The ids of others are their own, whatever their role.
    struct behalf_message freeze = ABOUT(FREEZE, freeze, .brand = "acme", .frozen = true, .reason = "storm");
    freeze.id = id;
    expect_type(world_ask(world, PETRA, freeze), BEHALF_DONE);
    expect_type(world_hello(world, OTHER, "control", "asha"), BEHALF_WELCOME);
    expect_type(world_ask(world, OTHER, freeze), BEHALF_DONE);
    repeat_all(world);
}

// Nothing has happened: what was refused is looked at anew.
static void a_refused_request_may_be_asked_again(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    struct behalf_message freeze = ABOUT(FREEZE, freeze, .brand = "bold", .frozen = true, .reason = "storm");
    freeze.id = ++world->next_id;
    expect_code(world_ask(world, CONTROL, freeze), "NOT_FOUND");
    freeze.freeze.brand = "bolt";
    const struct behalf_message *done = world_ask(world, CONTROL, freeze);
    expect_type(done, BEHALF_DONE);
    assert_false(done->done.repeated);
}

static void what_was_done_over_a_day_ago_is_forgotten(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    ask(world, CONTROL, ABOUT(FREEZE, freeze, .brand = "acme", .frozen = true, .reason = "storm"));
    for (int pass = 0; pass < 2; pass++) {
        world->now_ms += REQUESTS_KEPT_MS - 1000 * 60;
        world_crash(world);
        world_start(world);
        sign_in_all(world);
        if (pass == 0) {
            repeat_all(world);
        }
    }
    const struct behalf_message *done = world_ask(world, CONTROL, all_asked[0].request);
    expect_type(done, BEHALF_DONE);
    assert_false(done->done.repeated);
}

// ---- the memory of them ----

static const struct principal asha = { "person", "asha" };

static struct request_record a_request(int64_t id, int64_t at_ms)
{
    return (struct request_record){
        .at_ms = at_ms, .role = "person", .principal = "asha", .id = id, .type = "NOTE", .state = "held", .item = 7
    };
}

static void the_newest_are_kept_and_no_more(void **state)
{
    (void) state;
    struct answered answered;
    const uint64_t many = REQUESTS_KEPT_MAX + 5000;
    char name[16];

    answered_init(&answered);
    for (uint64_t number = 0; number < many; number++) { // of a hundred people in turn
        struct request_record record = a_request((int64_t) number + 1, 1000);
        snprintf(name, sizeof name, "p%u", (unsigned) (number % 100));
        record.principal = name;
        answered_keep(&answered, &record);
        assert_int_equal(record.number, number);
        assert_int_equal(record.slot, number % REQUESTS_KEPT_MAX);
    }
    answered_check(&answered);
    for (uint64_t number = 4990; number < 5010; number++) {
        snprintf(name, sizeof name, "p%u", (unsigned) (number % 100));
        const struct principal person = { "person", name };
        bool kept = answered_find(&answered, &person, (int64_t) number + 1, 1000) != NULL;
        assert_int_equal(kept, number >= 5000);
    }
    answered_fini(&answered);
}

static void who_floods_pushes_out_their_own_requests_alone(void **state)
{
    (void) state;
    struct answered answered;
    const struct principal ben = { "person", "ben" };
    const int64_t many = 2 * (int64_t) REQUESTS_KEPT_MAX;
    uint64_t *slots = calloc(REQUESTS_KEPT_MAX, sizeof *slots); // the number last written to each, and one more

    assert_non_null(slots);
    answered_init(&answered);
    for (int64_t id = 1; id <= many; id++) {
        struct request_record record = a_request(id, 1000 + id);
        record.principal = id <= 50 ? "ben" : "asha";
        answered_keep(&answered, &record);
        assert_true(record.slot < REQUESTS_KEPT_MAX);
        assert_true(slots[record.slot] == 0 || record.number + 1 - slots[record.slot] >= REQUESTS_OF_ONE_MAX);
        slots[record.slot] = record.number + 1;
    }
    answered_check(&answered);
    assert_int_equal(answered.pool.count, REQUESTS_OF_ONE_MAX + 50);
    for (int64_t id = 1; id <= 50; id++) {
        assert_non_null(answered_find(&answered, &ben, id, 1000 + many));
    }
    assert_non_null(answered_find(&answered, &asha, many - (int64_t) REQUESTS_OF_ONE_MAX + 1, 1000 + many));
    assert_null(answered_find(&answered, &asha, many - (int64_t) REQUESTS_OF_ONE_MAX, 1000 + many));
    free(slots);
    answered_fini(&answered);
}

static void what_comes_back_goes_in_the_order_in_which_it_was_done(void **state)
{
    (void) state;
    struct answered answered;
    const struct principal ben = { "person", "ben" };

    answered_init(&answered);
    for (uint64_t slot = 0; slot < REQUESTS_KEPT_MAX; slot++) { // newest first
        struct request_record record = a_request((int64_t) (REQUESTS_KEPT_MAX - slot), 1000);
        record.slot = slot;
        record.number = REQUESTS_KEPT_MAX - 1 - slot;
        record.principal = record.number < 10 ? "ben" : "asha";
        assert_true(answered_restore(&answered, &record));
    }
    answered_restored(&answered);
    answered_check(&answered);
    struct request_record more = a_request(1000000, 1000); // of asha, who has more than her share: of an older time
    answered_keep(&answered, &more);
    assert_int_equal(more.slot, REQUESTS_KEPT_MAX - 11);
    assert_null(answered_find(&answered, &asha, 11, 1000));
    more = a_request(1000000, 1000);
    more.principal = "chloe";
    answered_keep(&answered, &more);
    assert_int_equal(more.slot, REQUESTS_KEPT_MAX - 1); // of the oldest of all
    assert_null(answered_find(&answered, &ben, 1, 1000));
    assert_non_null(answered_find(&answered, &ben, 2, 1000));
    answered_check(&answered);
    answered_fini(&answered);
}

static void the_old_are_let_go_as_new_ones_come(void **state)
{
    (void) state;
    struct answered answered;

    answered_init(&answered);
    for (int64_t id = 1; id <= 1000; id++) {
        struct request_record record = a_request(id, 1000);
        answered_keep(&answered, &record);
    }
    assert_non_null(answered_find(&answered, &asha, 1, 1000 + REQUESTS_KEPT_MS));
    assert_null(answered_find(&answered, &asha, 1, 1001 + REQUESTS_KEPT_MS));
    for (int64_t id = 1001; id <= 1300; id++) {
        struct request_record record = a_request(id, 1001 + REQUESTS_KEPT_MS);
        answered_keep(&answered, &record);
    }
    assert_int_equal(answered.pool.count, 300);
    assert_int_equal(answered.words.pool.count, 3);
    answered_check(&answered);
    answered_fini(&answered);
}

static void what_comes_back_in_the_order_of_slots_goes_on_where_it_was(void **state)
{
    (void) state;
    struct answered answered;

    answered_init(&answered);
    for (uint64_t slot = 0; slot < 10; slot++) {
        struct request_record record = a_request(100 + (int64_t) slot, 1000);
        record.slot = slot < 4 ? slot : REQUESTS_KEPT_MAX - 10 + slot;
        record.number = slot < 4 ? REQUESTS_KEPT_MAX + slot : record.slot;
        assert_true(answered_restore(&answered, &record));
        assert_false(answered_restore(&answered, &record)); // twice
    }
    answered_restored(&answered);
    struct request_record record = a_request(1, 1000);
    record.slot = REQUESTS_KEPT_MAX;
    assert_false(answered_restore(&answered, &record));
    answered_keep(&answered, &record);
    assert_int_equal(record.number, REQUESTS_KEPT_MAX + 4);
    assert_int_equal(record.slot, 4);
    answered_check(&answered);
    answered_fini(&answered);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_request_is_answered_again_as_at_first),
        TEST(an_answer_handed_out_and_settled_is_answered_again_as_at_first),
        TEST(a_decline_is_answered_again_while_somebody_else_has_the_item),
        TEST(two_hundred_notes_repeated_are_two_hundred),
        TEST(an_id_that_another_request_has_had_is_refused),
        TEST(a_refused_request_may_be_asked_again),
        TEST(what_was_done_over_a_day_ago_is_forgotten),
        cmocka_unit_test(the_newest_are_kept_and_no_more),
        cmocka_unit_test(who_floods_pushes_out_their_own_requests_alone),
        cmocka_unit_test(what_comes_back_goes_in_the_order_in_which_it_was_done),
        cmocka_unit_test(the_old_are_let_go_as_new_ones_come),
        cmocka_unit_test(what_comes_back_in_the_order_of_slots_goes_on_where_it_was),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
