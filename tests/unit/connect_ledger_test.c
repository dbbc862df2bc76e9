// connect_ledger_test.c - a reply in hand is never two, and what was told of it stays told.

#include "worker/connect/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static enum ledger_entry take(struct ledger *ledger, int64_t number, int64_t attempt, const char **fate)
{
    struct behalf_message reply = { .type = BEHALF_REPLY };
    reply.reply = (struct behalf_reply){ .reply = number,
                                         .key = "key",
                                         .item = 1,
                                         .brand = "acme",
                                         .channel = "chirp",
                                         .post = "1",
                                         .author = "@jo",
                                         .text = "Hi",
                                         .attempt = attempt };
    struct behalf_message *message = behalf_message_copy(&reply);
    enum ledger_entry entry = ledger_take(ledger, &message, fate);
    behalf_message_destroy(&message);
    return entry;
}

static void reply_is_taken_once(void **state)
{
    (void) state;
    struct ledger *ledger = ledger_new();
    const char *fate = "";
    assert_int_equal(take(ledger, 17, 1, &fate), LEDGER_NEW);
    assert_int_equal(take(ledger, 17, 1, &fate), LEDGER_KNOWN);
    assert_int_equal(ledger_count(ledger), 1);
    ledger_destroy(&ledger);
}

static void settled_reply_keeps_its_fate(void **state)
{
    (void) state;
    struct ledger *ledger = ledger_new();
    const char *fate = "";
    take(ledger, 17, 1, &fate);
    ledger_settling(ledger, ledger_find(ledger, 17), "confirmed", 900);
    assert_false(ledger_settled(ledger, 901));
    assert_true(ledger_settled(ledger, 900));
    assert_int_equal(ledger_count(ledger), 0);
    assert_int_equal(take(ledger, 17, 1, &fate), LEDGER_SETTLED);
    assert_string_equal(fate, "confirmed");
    assert_int_equal(take(ledger, 17, 2, &fate), LEDGER_NEW); // a further attempt is meant
    ledger_destroy(&ledger);
}

static void withheld_reply_waits_for_the_broker(void **state)
{
    (void) state;
    struct ledger *ledger = ledger_new();
    const char *fate = "";
    take(ledger, 17, 1, &fate);
    take(ledger, 18, 1, &fate);
    ledger_find(ledger, 18)->state = REPLY_GIVEN;
    ledger_withhold(ledger);
    assert_null(ledger_first(ledger, REPLY_WAITING));
    assert_int_equal(ledger_find(ledger, 18)->state, REPLY_GIVEN);
    assert_int_equal(take(ledger, 17, 1, &fate), LEDGER_KNOWN);
    assert_int_equal(ledger_find(ledger, 17)->state, REPLY_WAITING);
    ledger_destroy(&ledger);
}

// The broker has our "unknown", but its answer is late: what it hands out now is another thing to do.
static void reply_handed_anew_while_unknown_is_being_told_is_new(void **state)
{
    (void) state;
    struct ledger *ledger = ledger_new();
    const char *fate = "";
    take(ledger, 17, 1, &fate);
    ledger_settling(ledger, ledger_find(ledger, 17), "unknown", 900);
    assert_int_equal(take(ledger, 17, 1, &fate), LEDGER_KNOWN);
    assert_int_equal(take(ledger, 17, 2, &fate), LEDGER_NEW);
    assert_int_equal(ledger_find(ledger, 17)->state, REPLY_WAITING);
    assert_false(ledger_settled(ledger, 900));
    ledger_settling(ledger, ledger_find(ledger, 17), "confirmed", 901);
    assert_int_equal(take(ledger, 17, 3, &fate), LEDGER_KNOWN); // a fate that is known holds for every attempt
    assert_true(ledger_settled(ledger, 901));
    assert_int_equal(ledger_count(ledger), 0);
    ledger_destroy(&ledger);
}

static void ledger_is_bounded(void **state)
{
    (void) state;
    struct ledger *ledger = ledger_new();
    const char *fate = "";
    for (int64_t number = 1; number <= LEDGER_REPLIES_MAX; number++) {
        assert_int_equal(take(ledger, number, 1, &fate), LEDGER_NEW);
    }
    assert_int_equal(take(ledger, LEDGER_REPLIES_MAX + 1, 1, &fate), LEDGER_FULL);
    ledger_settling(ledger, ledger_find(ledger, 3), "failed", 900);
    assert_true(ledger_settled(ledger, 900));
    assert_int_equal(take(ledger, LEDGER_REPLIES_MAX + 1, 1, &fate), LEDGER_NEW);
    ledger_destroy(&ledger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reply_is_taken_once),
        cmocka_unit_test(settled_reply_keeps_its_fate),
        cmocka_unit_test(withheld_reply_waits_for_the_broker),
        cmocka_unit_test(reply_handed_anew_while_unknown_is_being_told_is_new),
        cmocka_unit_test(ledger_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
