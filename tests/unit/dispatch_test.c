// dispatch_test.c - which desk a peer comes to: named, found by the person's name, refused, left for another one.

#include "broker/session/dispatch.h"
#include "broker/triage/rules.h"

#include <behalf/message.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW_MS 1000000

static const char rules_format[] =
    "desk: %s\nchannels: { chirp: {} }\nagencies: [Northline]\n"
    "brands: { bolt: { display_name: Bolt, languages: [en],"
    " disclosure: \"I'm {first_name} from {agency}, answering for {brand}.\","
    " disclosure_pr: \"{first_name}, {brand}\" } }\n"
    "people:\n  %s: { display_name: A, roles: [agent], agency: Northline, brands: all, languages: all, capacity: 1 }\n"
    "  petra: { display_name: P, roles: [pr], brands: all, languages: all, capacity: 1 }\n"
    "  both: { display_name: B, roles: [agent], agency: Northline, brands: all, languages: all, capacity: 1 }\n";

static struct rules *rules_of(const char *desk, const char *person)
{
    struct rules_problems problems = { 0 };
    char text[1024];

    snprintf(text, sizeof text, rules_format, desk, person);
    struct rules *rules = rules_new(text, strlen(text), NULL, 1, &problems);
    assert_non_null(rules);
    rules_problems_fini(&problems);
    return rules;
}

static void add(struct dispatch *dispatch, const char *desk, const char *person)
{
    struct rules *rules = rules_of(desk, person);

    (void) dispatch_add(dispatch, rules_policy(rules));
    rules_destroy(&rules);
}

static int set_up(void **state)
{
    struct dispatch *dispatch = dispatch_new();

    add(dispatch, "north", "asha");
    add(dispatch, "south", "ben");
    *state = dispatch;
    return 0;
}

static int tear_down(void **state)
{
    struct dispatch *dispatch = *state;

    dispatch_destroy(&dispatch);
    return 0;
}

static struct direction say(struct dispatch *dispatch, uint64_t peer, const struct behalf_message *message)
{
    struct behalf_fault fault;
    size_t bytes = 0;
    void *frame = behalf_message_encode(message, &bytes, &fault);

    assert_non_null(frame);
    struct direction direction = dispatch_direct(dispatch, peer, frame, bytes, NOW_MS);
    free(frame);
    return direction;
}

static struct direction hello(struct dispatch *dispatch, uint64_t peer, const char *role, const char *name,
                              const char *desk)
{
    return say(dispatch, peer,
               &(struct behalf_message){ .type = BEHALF_HELLO,
                                         .id = 7,
                                         .hello = { .version = 1, .role = role, .name = name, .desk = desk } });
}

static void expect_desk(struct direction direction, size_t desk)
{
    assert_null(direction.answer);
    assert_false(direction.refused);
    assert_int_equal(direction.desk, desk);
}

// Returns the reason, valid until the next call.
static const char *expect_refusal(struct direction direction, const char *code, const char *field)
{
    static char reason[1024];
    struct behalf_fault fault;

    assert_int_equal(direction.desk, DISPATCH_NO_DESK);
    assert_non_null(direction.answer);
    struct behalf_message *message = behalf_message_decode(direction.answer, direction.answer_bytes, &fault);
    assert_non_null(message);
    assert_int_equal(message->type, BEHALF_ERROR);
    assert_string_equal(message->error.code, code);
    assert_string_equal(message->error.field, field);
    snprintf(reason, sizeof reason, "%s", message->error.reason);
    behalf_message_destroy(&message);
    free(direction.answer);
    return reason;
}

static const struct behalf_message status = { .type = BEHALF_STATUS, .id = 9 };

static void a_named_desk_is_found_and_stays_the_peers(void **state)
{
    expect_desk(hello(*state, 1, "control", "ops", "south"), 1);
    expect_desk(say(*state, 1, &status), 1);
    expect_desk(hello(*state, 2, "connector", "feed", "north"), 0);
    expect_desk(say(*state, 2, &status), 0);
    expect_desk(say(*state, 1, &status), 1);
}

static void a_person_whom_one_desk_knows_need_not_name_it(void **state)
{
    expect_desk(hello(*state, 1, "person", "asha", ""), 0);
    expect_desk(hello(*state, 2, "person", "ben", ""), 1);
}

static void a_person_whom_several_desks_know_is_told_to_name_one_of_them(void **state)
{
    const char *reason = expect_refusal(hello(*state, 1, "person", "both", ""), "INVALID", "desk");

    assert_non_null(strstr(reason, "north, south"));
    expect_desk(hello(*state, 1, "person", "both", "south"), 1);
}

static void who_is_no_person_is_told_to_name_a_desk(void **state)
{
    (void) expect_refusal(hello(*state, 1, "connector", "feed", ""), "INVALID", "desk");
    (void) expect_refusal(hello(*state, 1, "control", "asha", ""), "INVALID", "desk");
}

static void an_unknown_desk_or_person_is_not_found(void **state)
{
    struct direction unknown = hello(*state, 1, "person", "nobody", "");

    assert_true(unknown.refused); // counts against its address
    (void) expect_refusal(unknown, "NOT_FOUND", "name");
    (void) expect_refusal(hello(*state, 1, "person", "asha", "west"), "NOT_FOUND", "desk");
    struct direction early = say(*state, 1, &status);
    assert_false(early.refused);
    (void) expect_refusal(early, "NOT_SIGNED_IN", "");
}

static void what_comes_before_hello_has_no_session(void **state)
{
    (void) expect_refusal(say(*state, 1, &status), "NOT_SIGNED_IN", "");
    (void) expect_refusal(dispatch_direct(*state, 1, "noise", 5, NOW_MS), "MALFORMED", "");
}

static void noise_is_not_answered_for_ever(void **state)
{
    for (int i = 0; i < 16; i++) {
        (void) expect_refusal(dispatch_direct(*state, 1, "noise", 5, NOW_MS), "MALFORMED", "");
    }
    assert_null(dispatch_direct(*state, 1, "noise", 5, NOW_MS).answer);
    expect_desk(hello(*state, 1, "person", "asha", ""), 0);
}

static void hello_for_another_desk_leaves_the_first(void **state)
{
    expect_desk(hello(*state, 1, "control", "ops", "north"), 0);
    struct direction direction = hello(*state, 1, "control", "ops", "south");
    expect_desk(direction, 1);
    assert_int_equal(direction.left, 0);
    direction = hello(*state, 1, "control", "ops", "south");
    expect_desk(direction, 1);
    assert_int_equal(direction.left, DISPATCH_NO_DESK);
    // One that is refused changes nothing.
    (void) expect_refusal(
        say(*state, 1,
            &(struct behalf_message){ .type = BEHALF_HELLO,
                                      .id = 8,
                                      .hello = { .version = 1, .role = "control", .name = "ops", .desk = "west" } }),
        "NOT_FOUND", "desk");
    expect_desk(say(*state, 1, &status), 1);
}

static void a_peer_that_its_desk_has_forgotten_begins_anew(void **state)
{
    expect_desk(hello(*state, 1, "control", "ops", "north"), 0);
    expect_desk(hello(*state, 2, "control", "ops", "north"), 0);
    dispatch_forget(*state, 1, 1); // of another desk: nothing
    expect_desk(say(*state, 1, &status), 0);
    dispatch_forget(*state, 1, 0);
    (void) expect_refusal(say(*state, 1, &status), "NOT_SIGNED_IN", "");
    dispatch_forget_all(*state, 0, NOW_MS);
    (void) expect_refusal(say(*state, 2, &status), "NOT_SIGNED_IN", "");
}

static void rules_made_live_change_who_is_known(void **state)
{
    struct rules *rules = rules_of("south", "asha");

    dispatch_set_people(*state, 1, rules_policy(rules));
    rules_destroy(&rules);
    (void) expect_refusal(hello(*state, 1, "person", "asha", ""), "INVALID", "desk");
    (void) expect_refusal(hello(*state, 1, "person", "ben", ""), "NOT_FOUND", "name");
}

static void hello_is_known_in_whatever_width_it_comes(void **state)
{
    static const char wide[] = "\xdc\0\3\xda\0\5HELLO\1\x84\xa7version\1\xa4role\xa7"
                               "control\xa4name\xa3"
                               "ops\xa4"
                               "desk\xa5south";

    expect_desk(dispatch_direct(*state, 1, wide, sizeof wide - 1, NOW_MS), 1);
}

static void one_desk_gets_everything(void **state)
{
    struct dispatch *dispatch = dispatch_new();

    (void) state;
    add(dispatch, "north", "asha");
    expect_desk(dispatch_direct(dispatch, 1, "noise", 5, NOW_MS), 0);
    expect_desk(hello(dispatch, 1, "control", "ops", ""), 0);
    dispatch_destroy(&dispatch);
}

#define CLAIM(claim) cmocka_unit_test_setup_teardown(claim, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(a_named_desk_is_found_and_stays_the_peers),
        CLAIM(a_person_whom_one_desk_knows_need_not_name_it),
        CLAIM(a_person_whom_several_desks_know_is_told_to_name_one_of_them),
        CLAIM(who_is_no_person_is_told_to_name_a_desk),
        CLAIM(an_unknown_desk_or_person_is_not_found),
        CLAIM(what_comes_before_hello_has_no_session),
        CLAIM(noise_is_not_answered_for_ever),
        CLAIM(hello_for_another_desk_leaves_the_first),
        CLAIM(a_peer_that_its_desk_has_forgotten_begins_anew),
        CLAIM(rules_made_live_change_who_is_known),
        CLAIM(hello_is_known_in_whatever_width_it_comes),
        CLAIM(one_desk_gets_everything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
