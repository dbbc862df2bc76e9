// limits_test.c - the longest of everything that is allowed is taken, told and handed out; and what an older store
// holds beyond that is told as far as it fits.

#include "proto/fitted.h"
#include "tests/unit/broker_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FEED = 1, AGENT = 2, CONTROL = 3 };
enum { MANY = 20 };

#define ABOUT(kind, field, ...) ((struct behalf_message){ .type = BEHALF_##kind, .field = { __VA_ARGS__ } })

// A name as long as names may be, that begins with a word and a number.
static const char *name(char kind, int number)
{
    static char names[8][BEHALF_NAME_BYTES + 1];
    static size_t next;
    char *text = names[next++ % 8];

    memset(text, kind, BEHALF_NAME_BYTES);
    text[BEHALF_NAME_BYTES] = '\0';
    text[1 + number / 26] = 'A';
    text[40 + number % 20] = 'B';
    return text;
}

static const char *longest(size_t bytes)
{
    static char texts[8][BEHALF_POST_BYTES + 1];
    static size_t next;
    char *text = texts[next++ % 8];

    memset(text, 'x', bytes);
    text[bytes] = '\0';
    return text;
}

static char desk[BEHALF_NAME_BYTES + 1], brand[BEHALF_NAME_BYTES + 1], person[BEHALF_NAME_BYTES + 1],
    channel[BEHALF_NAME_BYTES + 1];

// Rules in which everything is as long, and there is as much of it, as is allowed and made use of here.
static char *write_rules(void)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);

    snprintf(desk, sizeof desk, "%s", name('d', 1));
    snprintf(brand, sizeof brand, "%s", name('b', 1));
    snprintf(person, sizeof person, "%s", name('p', 1));
    snprintf(channel, sizeof channel, "%s", name('c', 1));
    fprintf(out, "desk: %s\nchannels:\n  %s: {}\nskills: [", desk, channel);
    for (int i = 0; i < MANY; i++) {
        fprintf(out, "%s%s", i == 0 ? "" : ", ", name('s', i));
    }
    fprintf(out, "]\nagencies: [%s]\nbrands:\n", name('g', 1));
    fprintf(out,
            "  %s:\n    display_name: %s\n    languages: [en]\n    guidance: %s\n"
            "    disclosure: \"I am {first_name} from {agency}, answering for {brand}\"\n"
            "    disclosure_pr: \"{first_name}, {brand}\"\n",
            brand, longest(100), longest(BEHALF_NOTE_BYTES));
    fprintf(out, "topics:\n");
    for (int i = 0; i < MANY; i++) {
        fprintf(out, "  %s: { skill: %s, patterns: [bag] }\n", name('t', i), name('s', i));
    }
    fprintf(out,
            "people:\n  %s:\n    display_name: %s\n    first_name: %s\n    roles: [agent, supervisor]\n    agency: %s\n"
            "    brands: all\n    languages: all\n    skills: [",
            person, longest(120), longest(64), name('g', 1));
    for (int i = 0; i < MANY; i++) {
        fprintf(out, "%s%s", i == 0 ? "" : ", ", name('s', i));
    }
    fprintf(out, "]\n    capacity: 3\n");
    fprintf(out, "  pr: { display_name: Pia, roles: [pr], brands: all, languages: all, capacity: 3 }\n");
    assert_int_equal(fclose(out), 0);
    return text;
}

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

// A desk of those rules, where everybody is signed in.
static void begin(struct world *world)
{
    const char *channels[] = { channel };
    char *rules = write_rules();

    world_begin_with(world, rules);
    free(rules);
    expect_type(world_ask(world, FEED,
                          ABOUT(HELLO, hello, .version = 1, .role = "connector", .name = name('k', 1),
                                .instance = name('i', 1), .channels = channels, .channels_count = 1)),
                BEHALF_WELCOME);
    expect_type(world_hello(world, AGENT, "person", person), BEHALF_WELCOME);
    expect_type(world_hello(world, CONTROL, "control", name('o', 1)), BEHALF_WELCOME);
}

static int64_t post(struct world *world, const char *id)
{
    static char text[BEHALF_POST_BYTES + 1];

    memset(text, ' ', BEHALF_POST_BYTES);
    for (size_t at = 0; at + 4 < BEHALF_POST_BYTES; at += 4) {
        memcpy(text + at, "bag ", 4);
    }
    const struct behalf_message *taken =
        world_ask(world, FEED,
                  ABOUT(POST, post, .channel = channel, .brand = brand, .post = id, .author = longest(BEHALF_KEY_BYTES),
                        .author_name = longest(256), .thread = id, .link = longest(1024), .text = text,
                        .posted_ms = world->now_ms));

    expect_type(taken, BEHALF_TAKEN);
    return taken->taken.item;
}

static int64_t take(struct world *world, int64_t item)
{
    const struct behalf_message *shown = world_told(world, AGENT, BEHALF_ITEM);

    expect_type(shown, BEHALF_ITEM);
    assert_int_equal(shown->item.item, item);
    int64_t lease = shown->item.lease;
    expect_type(world_ask(world, AGENT, ABOUT(TAKE, take, .item = item, .lease = lease)), BEHALF_DONE);
    return lease;
}

static void the_longest_answer_of_a_desk_with_the_longest_name_goes_out(void **state)
{
    struct world *world = *state;

    begin(world);
    int64_t item = post(world, longest(BEHALF_KEY_BYTES));
    int64_t lease = take(world, item);
    expect_type(world_ask(world, AGENT,
                          ABOUT(ANSWER, answer, .item = item, .lease = lease, .text = longest(BEHALF_POST_BYTES))),
                BEHALF_DONE);
    const struct behalf_message *reply = world_told(world, FEED, BEHALF_REPLY);
    expect_type(reply, BEHALF_REPLY);
    assert_true(strncmp(reply->reply.key, desk, BEHALF_NAME_BYTES) == 0);
    assert_true(strlen(reply->reply.text) > BEHALF_POST_BYTES);
    expect_type(world_ask(world, FEED,
                          ABOUT(SETTLE, settle, .reply = reply->reply.reply, .fate = "confirmed",
                                .reference = longest(BEHALF_KEY_BYTES))),
                BEHALF_DONE);
    const struct behalf_message *ended = world_ask(world, CONTROL, ABOUT(OUTCOMES, outcomes, .limit = 500));
    expect_type(ended, BEHALF_ENDED);
    assert_int_equal(ended->ended.rows_count, 1);
}

static void the_longest_history_is_told_whole(void **state)
{
    struct world *world = *state;

    begin(world);
    int64_t item = post(world, "1");
    int64_t lease = take(world, item);
    for (int i = 0; i < 3; i++) {
        expect_type(world_ask(world, AGENT,
                              ABOUT(NOTE, note, .item = item, .lease = lease, .text = longest(BEHALF_NOTE_BYTES))),
                    BEHALF_DONE);
    }
    expect_type(world_ask(world, AGENT,
                          ABOUT(CLOSE, close, .item = item, .lease = lease, .outcome = "no-answer-needed",
                                .note = longest(BEHALF_NOTE_BYTES))),
                BEHALF_DONE);
    const struct behalf_message *history = world_ask(world, CONTROL, ABOUT(WHY, why, .item = item));
    expect_type(history, BEHALF_HISTORY);
    const struct behalf_event *last = &history->history.events[history->history.events_count - 1];
    assert_string_equal(last->kind, "closed");
    assert_int_equal(strlen(last->detail), strlen("no-answer-needed: ") + BEHALF_NOTE_BYTES);
    const struct behalf_event *first = &history->history.events[0];
    assert_true(strlen(first->queue) > MANY * BEHALF_NAME_BYTES);
    assert_true(strlen(first->rule) > BEHALF_RULE_NAMES_BYTES - BEHALF_NAME_BYTES - 3);
    expect_type(world_ask(world, CONTROL, ABOUT(OUTCOMES, outcomes, .limit = 500)), BEHALF_ENDED);
}

static void the_longest_listing_and_counts_are_told(void **state)
{
    struct world *world = *state;
    char id[16];

    begin(world);
    for (int i = 0; i < 8; i++) {
        snprintf(id, sizeof id, "%d", i);
        post(world, id);
    }
    expect_type(world_ask(world, CONTROL,
                          ABOUT(FREEZE, freeze, .brand = brand, .frozen = true, .reason = longest(BEHALF_NOTE_BYTES))),
                BEHALF_DONE);
    const struct behalf_message *listing = world_ask(world, CONTROL, ABOUT(LOOK, look, .limit = 200));
    expect_type(listing, BEHALF_LISTING);
    assert_int_equal(listing->listing.items_count, 8);
    assert_true(strlen(listing->listing.items[0].skills) > MANY * BEHALF_NAME_BYTES);
    const struct behalf_message *counts = world_ask(world, CONTROL, ABOUT(STATUS, status, .behalf_end = 0));
    expect_type(counts, BEHALF_COUNTS);
    assert_string_equal(counts->counts.frozen, brand);
}

// An earlier version wrote longer reasons than may be told.
static void what_an_older_store_holds_is_cut_between_characters(void **state)
{
    (void) state;
    char *reason = malloc(3 * BEHALF_NOTE_BYTES + 1);
    struct behalf_fault fault;
    size_t bytes;

    for (size_t i = 0; i < BEHALF_NOTE_BYTES; i++) {
        memcpy(reason + 3 * i, "\xE2\x82\xAC", 4);
    }
    struct behalf_event events[201];
    for (size_t i = 0; i < 201; i++) {
        events[i] =
            (struct behalf_event){ .sequence = 1, .at_ms = 1, .kind = "closed", .detail = i == 0 ? reason : "" };
    }
    struct behalf_message message =
        ABOUT(HISTORY, history, .item = 1, .events = events, .events_count = sizeof events / sizeof *events);
    assert_null(behalf_message_encode(&message, &bytes, &fault));
    struct behalf_message *fitted = message_fitted(&message);
    assert_int_equal(fitted->history.events_count, 200);
    const char *detail = fitted->history.events[0].detail;
    assert_true(strlen(detail) <= BEHALF_DETAIL_BYTES && strlen(detail) > BEHALF_DETAIL_BYTES - 6);
    assert_string_equal(detail + strlen(detail) - 3, "\xE2\x80\xA6");
    void *frame = behalf_message_encode(fitted, &bytes, &fault);
    assert_non_null(frame);
    free(frame);
    behalf_message_destroy(&fitted);
    const char *brokers[] = { reason };
    message = ABOUT(MOVED, moved, .desk = "d", .brokers = brokers, .brokers_count = 1, .reason = reason);
    fitted = message_fitted(&message);
    frame = behalf_message_encode(fitted, &bytes, &fault);
    assert_non_null(frame);
    free(frame);
    behalf_message_destroy(&fitted);
    free(reason);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_longest_answer_of_a_desk_with_the_longest_name_goes_out),
        TEST(the_longest_history_is_told_whole),
        TEST(the_longest_listing_and_counts_are_told),
        cmocka_unit_test(what_an_older_store_holds_is_cut_between_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
