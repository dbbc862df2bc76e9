// sight_test.c - who sees what of PR's item: every role, by every message, in every state that the item can be in.

#include "tests/unit/broker_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FEED = 1, ASHA, BEN, ANN, SAM, NOEL, PETRA, CONTROL, PEER_COUNT };

#define ABOUT(kind, field, ...) ((struct behalf_message){ .type = BEHALF_##kind, .field = { __VA_ARGS__ } })

static const struct {
    uint64_t peer;
    const char *name;
} people[] = { { ASHA, "asha" }, { BEN, "ben" }, { ANN, "ann" }, { SAM, "sam" }, { NOEL, "noel" } };

#define PEOPLE_COUNT (sizeof people / sizeof *people)

// Words that stand for all that somebody wrote while the item was PR's, or before.
static const char *const sealed_words[] = { "POSTED",  "DRAFTED", "NOTED",   "ESCALATED", "PRDRAFT",    "PRNOTE",
                                            "PARKING", "PRREPLY", "FAILURE", "CLOSING",   "TRANSFERRED" };

#define WORD_COUNT (sizeof sealed_words / sizeof *sealed_words)

static const char more_people[] = "  ann:\n"
                                  "    display_name: Ann Bell\n"
                                  "    roles: [approver]\n"
                                  "    brands: all\n"
                                  "    languages: all\n"
                                  "  noel:\n"
                                  "    display_name: Noel Beck\n"
                                  "    roles: [pr]\n"
                                  "    brands: [bolt]\n"
                                  "    languages: all\n"
                                  "times: { decline: 2 s }\n";

static struct world the_world;

static int set_up(void **state)
{
    struct world *world = &the_world;
    size_t bytes = strlen(world_rules) + sizeof more_people;
    char *rules = malloc(bytes);

    world_init(world);
    snprintf(rules, bytes, "%s%s", world_rules, more_people);
    expect_type(world_hello(world, CONTROL, "control", "ctl"), BEHALF_WELCOME);
    expect_type(world_ask(world, CONTROL, ABOUT(APPLY, apply, .rules = rules, .name = "r")), BEHALF_APPLIED);
    free(rules);
    expect_type(world_hello(world, FEED, "connector", "feed"), BEHALF_WELCOME);
    for (size_t i = 0; i < PEOPLE_COUNT; i++) {
        expect_type(world_hello(world, people[i].peer, "person", people[i].name), BEHALF_WELCOME);
    }
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    world_fini(*state);
    return 0;
}

// ---- what was told ----

static bool says(const struct behalf_message *message, const char *word)
{
    struct behalf_fault fault;
    size_t bytes = 0;
    void *frame = behalf_message_encode(message, &bytes, &fault);

    assert_non_null(frame);
    bool found = memmem(frame, bytes, word, strlen(word)) != NULL;
    free(frame);
    return found;
}

// Everything that the peer was told since it was last forgotten.
static bool was_told(const struct world *world, uint64_t peer, const char *word)
{
    for (size_t i = 0; i < world->told[peer].count; i++) {
        if (says(world->told[peer].messages[i], word)) {
            return true;
        }
    }
    return false;
}

static void expect_nothing_sealed(const struct world *world, uint64_t peer)
{
    for (size_t i = 0; i < WORD_COUNT; i++) {
        if (was_told(world, peer, sealed_words[i])) {
            fail_msg("peer %d was told %s", (int) peer, sealed_words[i]);
        }
    }
}

// ---- what is asked ----

// The row of the item that the peer is listed; NULL: it is not.  Belongs to the listing.
static const struct behalf_listed *listed(struct world *world, uint64_t peer, int64_t item)
{
    const struct behalf_message *listing = world_ask(world, peer, ABOUT(LOOK, look, .limit = 50));

    expect_type(listing, BEHALF_LISTING);
    for (size_t i = 0; i < listing->listing.items_count; i++) {
        if (listing->listing.items[i].item == item) {
            return &listing->listing.items[i];
        }
    }
    return NULL;
}

static struct behalf_message probe(size_t which, int64_t item, int64_t lease)
{
    const struct behalf_message probes[] = {
        ABOUT(TAKE, take, .item = item, .lease = lease),
        ABOUT(DECLINE, decline, .item = item, .lease = lease),
        ABOUT(DRAFT, draft, .item = item, .lease = lease, .text = "mine"),
        ABOUT(NOTE, note, .item = item, .lease = lease, .text = "mine"),
        ABOUT(PREVIEW, preview, .item = item, .lease = lease, .text = "mine"),
        ABOUT(ANSWER, answer, .item = item, .lease = lease, .text = "mine"),
        ABOUT(APPROVE, approve, .item = item, .lease = lease, .text = "mine"),
        ABOUT(REJECT, reject, .item = item, .lease = lease, .reason = "mine"),
        ABOUT(CLOSE, close, .item = item, .lease = lease, .outcome = "noise"),
        ABOUT(ESCALATE, escalate, .item = item, .lease = lease, .reason = "mine"),
        ABOUT(RETURN, return_item, .item = item, .lease = lease, .guidance = "mine"),
        ABOUT(TRANSFER, transfer, .item = item, .lease = lease, .person = "ben", .reason = "mine"),
        ABOUT(PARK, park, .item = item, .lease = lease, .until_ms = INT64_C(1795312900000)),
        ABOUT(WHY, why, .item = item),
        ABOUT(OUTCOMES, outcomes, .limit = 50),
    };

    return which < sizeof probes / sizeof *probes ? probes[which] : (struct behalf_message){ .type = BEHALF_NONE };
}

// Whoever is not PR of the brand asks all there is to ask, and reads nothing.
static void nobody_else_reads(struct world *world, int64_t item)
{
    for (size_t i = 0; i < PEOPLE_COUNT; i++) {
        uint64_t peer = people[i].peer;
        const struct behalf_listed *row = listed(world, peer, item);
        assert_true(row == NULL || peer == SAM);
        if (row != NULL) {
            assert_string_equal(row->text, "");
            assert_string_equal(row->reason, "");
        }
        (void) world_ask(world, peer, ABOUT(STATUS, status, .behalf_end = 0));
        for (int64_t lease = 1; lease <= 3; lease++) {
            struct behalf_message message;
            for (size_t k = 0; (message = probe(k, item, lease)).type != BEHALF_NONE; k++) {
                assert_string_equal(behalf_type_name(world_ask(world, peer, message)->type), "ERROR");
            }
        }
        expect_nothing_sealed(world, peer);
    }
    expect_code(world_ask(world, FEED, ABOUT(LOOK, look, .limit = 50)), "FORBIDDEN");
    expect_code(world_ask(world, FEED, ABOUT(WHY, why, .item = item)), "FORBIDDEN");
    world_pass(world, 1000); // so that nobody asks too much in a second
}

// PR and control read it; sam knows that it is there.
static void those_who_may_read(struct world *world, int64_t item, const char *state)
{
    const uint64_t readers[] = { PETRA, CONTROL };

    assert_non_null(listed(world, SAM, item));
    assert_string_equal(listed(world, SAM, item)->state, state);
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++) {
        const struct behalf_listed *row = listed(world, readers[i], item);
        assert_non_null(row);
        assert_string_equal(row->text, "POSTED");
        assert_true(row->reason[0] != '\0');
        assert_string_equal(row->state, state);
    }
}

// ---- an item of PR's ----

static int64_t lease_shown(struct world *world, uint64_t peer, int64_t item)
{
    const struct behalf_message *shown = world_told(world, peer, BEHALF_ITEM);

    expect_type(shown, BEHALF_ITEM);
    assert_int_equal(shown->item.item, item);
    return shown->item.lease;
}

// An agent has had it, and gave it to PR with words of their own.
static int64_t an_escalated_item(struct world *world)
{
    const struct behalf_message *taken = world_ask(world, FEED, world_post("1", world->now_ms, "POSTED"));
    int64_t item = taken->taken.item;
    uint64_t peer = world_count_told(world, ASHA, BEHALF_ITEM) > 0 ? ASHA : BEN;
    int64_t lease = lease_shown(world, peer, item);

    expect_type(world_ask(world, peer, ABOUT(TAKE, take, .item = item, .lease = lease)), BEHALF_DONE);
    expect_type(world_ask(world, peer, ABOUT(DRAFT, draft, .item = item, .lease = lease, .text = "DRAFTED")),
                BEHALF_DONE);
    expect_type(world_ask(world, peer, ABOUT(NOTE, note, .item = item, .lease = lease, .text = "NOTED")), BEHALF_DONE);
    for (uint64_t who = FEED; who < PEER_COUNT; who++) {
        world_forget(world, who);
    }
    expect_type(world_ask(world, peer, ABOUT(ESCALATE, escalate, .item = item, .lease = lease, .reason = "ESCALATED")),
                BEHALF_DONE);
    return item;
}

static void what_is_prs_is_read_by_nobody_else_in_any_state(void **state)
{
    struct world *world = *state;
    int64_t item = an_escalated_item(world);

    nobody_else_reads(world, item); // waiting
    assert_string_equal(listed(world, SAM, item)->state, "waiting");

    expect_type(world_hello(world, PETRA, "person", "petra"), BEHALF_WELCOME);
    int64_t lease = lease_shown(world, PETRA, item);
    assert_true(was_told(world, PETRA, "POSTED") && was_told(world, PETRA, "DRAFTED") &&
                was_told(world, PETRA, "NOTED"));
    nobody_else_reads(world, item); // offered
    those_who_may_read(world, item, "offered");

    expect_type(world_ask(world, PETRA, ABOUT(TAKE, take, .item = item, .lease = lease)), BEHALF_DONE);
    expect_type(world_ask(world, PETRA, ABOUT(DRAFT, draft, .item = item, .lease = lease, .text = "PRDRAFT")),
                BEHALF_DONE);
    expect_type(world_ask(world, PETRA, ABOUT(NOTE, note, .item = item, .lease = lease, .text = "PRNOTE")),
                BEHALF_DONE);
    nobody_else_reads(world, item); // held
    those_who_may_read(world, item, "held");

    expect_type(world_ask(world, PETRA,
                          ABOUT(PARK, park, .item = item, .lease = lease, .until_ms = world->now_ms + 5000,
                                .reason = "PARKING")),
                BEHALF_DONE);
    nobody_else_reads(world, item); // parked
    those_who_may_read(world, item, "parked");

    world_pass(world, 6000);
    lease = lease_shown(world, PETRA, item);
    expect_type(world_ask(world, PETRA, ABOUT(TAKE, take, .item = item, .lease = lease)), BEHALF_DONE);
    expect_type(
        world_ask(world, PETRA,
                  ABOUT(TRANSFER, transfer, .item = item, .lease = lease, .person = "petra", .reason = "TRANSFERRED")),
        BEHALF_DONE);
    nobody_else_reads(world, item);
    world_pass(world, 3000); // who gives it away has it again after a while
    lease = lease_shown(world, PETRA, item);
    expect_type(world_ask(world, PETRA, ABOUT(TAKE, take, .item = item, .lease = lease)), BEHALF_DONE);
    expect_type(world_ask(world, PETRA, ABOUT(ANSWER, answer, .item = item, .lease = lease, .text = "PRREPLY")),
                BEHALF_DONE);
    nobody_else_reads(world, item); // sending
    those_who_may_read(world, item, "sending");

    const struct behalf_message *reply = world_told(world, FEED, BEHALF_REPLY);
    expect_type(reply, BEHALF_REPLY);
    assert_true(says(reply, "PRREPLY"));
    for (size_t i = 0; i < WORD_COUNT; i++) { // what goes out is the reply and nothing else
        assert_true(!strcmp(sealed_words[i], "PRREPLY") || !says(reply, sealed_words[i]));
    }
    expect_type(world_ask(world, FEED,
                          ABOUT(SETTLE, settle, .reply = reply->reply.reply, .fate = "unknown", .reason = "FAILURE")),
                BEHALF_DONE);
    nobody_else_reads(world, item); // of unknown fate

    lease = lease_shown(world, PETRA, item);
    expect_type(world_ask(world, PETRA, ABOUT(TAKE, take, .item = item, .lease = lease)), BEHALF_DONE);
    expect_type(world_ask(world, PETRA,
                          ABOUT(CLOSE, close, .item = item, .lease = lease, .outcome = "answered", .note = "CLOSING")),
                BEHALF_DONE);
    nobody_else_reads(world, item); // closed

    // Control reads why, and what was published.
    const struct behalf_message *history = world_ask(world, CONTROL, ABOUT(WHY, why, .item = item));
    expect_type(history, BEHALF_HISTORY);
    assert_true(says(history, "ESCALATED") && says(history, "PARKING") && says(history, "CLOSING"));
    const struct behalf_message *ended = world_ask(world, CONTROL, ABOUT(OUTCOMES, outcomes, .limit = 50));
    expect_type(ended, BEHALF_ENDED);
    assert_true(says(ended, "ESCALATED") && says(ended, "PRREPLY"));
}

// The author writes of something else: an agent has that, and is not shown what PR had.
static void what_pr_had_of_the_same_author_is_not_shown_with_the_next(void **state)
{
    struct world *world = *state;
    int64_t item = an_escalated_item(world);
    struct behalf_message next = world_post("2", world->now_ms, "Another thing");

    expect_type(world_ask(world, FEED, next), BEHALF_TAKEN);
    uint64_t peer = world_count_told(world, ASHA, BEHALF_ITEM) > 0 ? ASHA : BEN;
    assert_int_not_equal(lease_shown(world, peer, item + 1), 0);
    nobody_else_reads(world, item);
}

// Sensitive words that come to an item in an agent's hands are told to nobody there.
static void who_loses_an_item_to_pr_is_not_told_by_what(void **state)
{
    struct world *world = *state;
    const struct behalf_message *taken = world_ask(world, FEED, world_post("1", world->now_ms, "Where is my bag?"));
    int64_t item = taken->taken.item;
    struct behalf_message second = world_post("2", world->now_ms, "My lawyer: POSTED");
    uint64_t peer = world_count_told(world, ASHA, BEHALF_ITEM) > 0 ? ASHA : BEN;

    second.post.thread = "1";
    int64_t lease = lease_shown(world, peer, item);
    expect_type(world_ask(world, peer, ABOUT(TAKE, take, .item = item, .lease = lease)), BEHALF_DONE);
    expect_type(world_ask(world, FEED, second), BEHALF_TAKEN);
    assert_non_null(world_told(world, peer, BEHALF_GONE));
    expect_code(world_ask(world, peer, probe(4, item, lease)), "STALE");
    nobody_else_reads(world, item);
}

// PR releases what the customer wrote and what it says itself, not what it wrote for its own.
static void what_pr_returns_is_read_by_agents_and_what_it_wrote_is_not(void **state)
{
    struct world *world = *state;
    int64_t item = an_escalated_item(world);

    expect_type(world_hello(world, PETRA, "person", "petra"), BEHALF_WELCOME);
    int64_t lease = lease_shown(world, PETRA, item);
    expect_type(world_ask(world, PETRA, ABOUT(TAKE, take, .item = item, .lease = lease)), BEHALF_DONE);
    expect_type(world_ask(world, PETRA, ABOUT(DRAFT, draft, .item = item, .lease = lease, .text = "PRDRAFT")),
                BEHALF_DONE);
    expect_type(world_ask(world, PETRA, ABOUT(NOTE, note, .item = item, .lease = lease, .text = "PRNOTE")),
                BEHALF_DONE);
    expect_type(
        world_ask(world, PETRA, ABOUT(RETURN, return_item, .item = item, .lease = lease, .guidance = "GUIDANCE")),
        BEHALF_DONE);
    uint64_t peer = world_count_told(world, ASHA, BEHALF_ITEM) > 0 ? ASHA : BEN;
    assert_int_not_equal(lease_shown(world, peer, item), 0);
    assert_true(was_told(world, peer, "POSTED") && was_told(world, peer, "GUIDANCE"));
    assert_string_equal(listed(world, SAM, item)->text, "POSTED");
    assert_string_equal(listed(world, peer, item)->reason, "GUIDANCE");
    const uint64_t others[] = { ASHA, BEN, ANN, SAM, NOEL };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_false(was_told(world, others[i], "PRDRAFT") || was_told(world, others[i], "PRNOTE"));
        assert_false(was_told(world, others[i], "ESCALATED"));
    }
    assert_null(listed(world, PETRA, item)); // an agents' item now
    assert_null(listed(world, ANN, item));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_prs_is_read_by_nobody_else_in_any_state),
        TEST(what_pr_had_of_the_same_author_is_not_shown_with_the_next),
        TEST(who_loses_an_item_to_pr_is_not_told_by_what),
        TEST(what_pr_returns_is_read_by_agents_and_what_it_wrote_is_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
