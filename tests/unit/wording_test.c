// wording_test.c - what an offer's event says is the sentence that its facts make, and nothing else is touched.

#include "broker/desk/policy.h"
#include "broker/desk/wording.h"

#include <behalf/limits.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t usual_order[] = { CHOOSE_LEAST_IN_HAND, CHOOSE_LEVEL, CHOOSE_IDLE, CHOOSE_NOTHING };
static const uint8_t idle_alone[] = { CHOOSE_IDLE, CHOOSE_NOTHING };

static const struct wording_offer to_many = {
    .fit = 16,
    .first = { { "asha", 0, 3, 5, 12 }, { "Ben Sr; the 2nd", 0, 2, 5, 40 }, { "c-3", 1, 15, 0, 86400 } },
    .first_count = 3,
    .order = usual_order,
};

static void expect(const struct wording_offer *offer, const char *facts, const char *sentence)
{
    char kept[WORDING_BYTES_MIN];
    char said[BEHALF_DETAIL_BYTES + 1];
    assert_string_equal(wording_keep(offer, kept, sizeof kept), facts);
    assert_string_equal(wording_of(kept, "asha", said, sizeof said), sentence);
}

static void facts_become_the_sentence(void **state)
{
    (void) state;
    expect(&to_many, "16 fit, asha/0/3/5/12, Ben Sr; the 2nd/0/2/5/40, c-3/1/15/0/86400, by least_in_hand/level/idle",
           "16 could take it: asha (0 in hand, skill 3, language 5, idle 12 s), Ben Sr; the 2nd (0 in hand, skill 2, "
           "language 5, idle 40 s), c-3 (1 in hand, skill 15, language 0, idle 86400 s), ...; asha by least in hand, "
           "then level of skill, then longest idle");
}

static void fewer_than_three_are_all_named(void **state)
{
    (void) state;
    struct wording_offer offer = { .fit = 1, .first = { { "asha", 2, 0, 1, 0 } }, .first_count = 1 };
    offer.order = idle_alone;
    expect(&offer, "1 fit, asha/2/0/1/0, by idle",
           "1 could take it: asha (2 in hand, skill 0, language 1, idle 0 s); asha by longest idle");
    offer = (struct wording_offer){ .order = idle_alone }; // whom it is kept for may have no room for more
    expect(&offer, "0 fit, by idle", "0 could take it: ; asha by longest idle");
    offer = to_many;
    offer.fit = 3;
    char kept[WORDING_BYTES_MIN];
    char said[BEHALF_DETAIL_BYTES + 1];
    assert_null(strstr(wording_of(wording_keep(&offer, kept, sizeof kept), "asha", said, sizeof said), "..."));
}

static void what_led_to_the_choice_is_told(void **state)
{
    (void) state;
    struct wording_offer offer = { .fit = 1, .first = { { "ben", 0, 0, 5, 1 } }, .first_count = 1 };
    offer.order = idle_alone;
    offer.declined = true;
    expect(&offer, "1 fit, ben/0/0/5/1, by idle, after declines",
           "1 could take it: ben (0 in hand, skill 0, language 5, idle 1 s); asha by longest idle, after those who "
           "declined it");
    offer.ahead = WORDING_AHEAD_OF_MORE;
    offer.hands = 1;
    offer.spared = "dee";
    offer.kept = "agent/acme/ja/cards,refunds";
    offer.kept_hands = 2;
    expect(&offer,
           "1 fit, ben/0/0/5/1, by idle, after declines, ahead of more/1, kept/2/dee/agent/acme/ja/cards,refunds",
           "1 could take it: ben (0 in hand, skill 0, language 5, idle 1 s); asha by longest idle, after those who "
           "declined it; dee keeps the last free place for agent/acme/ja/cards,refunds, which 2 of those there can do; "
           "ahead of what more people can do, as 1 of those there can do this");
    offer.ahead = WORDING_AHEAD_OF_FEW;
    offer.declined = false;
    offer.spared = NULL;
    expect(&offer, "1 fit, ben/0/0/5/1, by idle, ahead of few",
           "1 could take it: ben (0 in hand, skill 0, language 5, idle 1 s); asha by longest idle; ahead of what few "
           "can do, as nobody else came to it");
}

static void other_details_are_as_they_are(void **state)
{
    (void) state;
    static const char *const details[] = {
        "",
        "taken",
        "kept for asha, who had it or its author before",
        "3 eligible",
        "1 could take it: ben (0 in hand, skill 0, language 5, idle 1 s); ben by longest idle", // of former versions
        "1 fit",
        "1 fit, by idle",                    // nobody named
        "1 fit, ben/0/0/5, by idle",         // a level is missing
        "1 fit, ben/0/0/5/1, by",            // no order
        "1 fit, ben/0/0/5/1, by age",        // none of ours
        "1 fit, ben/0/0/5/1, by idle/",      //
        "1 fit, ben/0/0/5/1, by idle, more", //
        "1 fit, ben/0/0/5/1, by idle, ahead of more/",
        "1 fit, ben/0/0/5/1, by idle, kept/2",
        "1 fit, ben/0/0/5/1, by idle, kept/2/",
        "1 fit, ben/0/0/-5/1, by idle",
        "1 fit, ben/000000000000000000000/0/5/1, by idle",
        "1 fit, /0/0/5/1, by idle",
        "99999999999999999999999 fit, by idle",
    };
    for (size_t i = 0; i < sizeof details / sizeof *details; i++) {
        char said[BEHALF_DETAIL_BYTES + 1];
        assert_ptr_equal(wording_of(details[i], "asha", said, sizeof said), details[i]);
    }
}

static void what_does_not_fit_is_left_as_facts(void **state)
{
    (void) state;
    char kept[WORDING_BYTES_MIN];
    char said[200];
    const char *facts = wording_keep(&to_many, kept, sizeof kept);
    assert_ptr_equal(wording_of(facts, "asha", said, sizeof said), facts);
    // A queue's name may be longer than all the rest.
    char queue[2 * WORDING_BYTES_MIN];
    memset(queue, 'q', sizeof queue - 1);
    queue[sizeof queue - 1] = '\0';
    struct wording_offer offer = { .fit = 1, .first = { { "ben", 0, 0, 5, 1 } }, .first_count = 1 };
    offer.order = idle_alone;
    offer.spared = "dee";
    offer.kept = queue;
    expect(&offer, "1 fit, ben/0/0/5/1, by idle",
           "1 could take it: ben (0 in hand, skill 0, language 5, idle 1 s); asha by longest idle");
}

static void the_largest_facts_fit(void **state)
{
    (void) state;
    char name[BEHALF_NAME_BYTES + 1];
    memset(name, 'n', BEHALF_NAME_BYTES);
    name[BEHALF_NAME_BYTES] = '\0';
    struct wording_candidate one = { name, UINT64_MAX, UINT32_MAX, UINT32_MAX, UINT64_MAX };
    struct wording_offer offer = { .fit = UINT32_MAX, .first = { one, one, one }, .first_count = 3 };
    offer.order = usual_order;
    offer.declined = true;
    offer.ahead = WORDING_AHEAD_OF_MORE;
    offer.hands = UINT64_MAX;
    char kept[WORDING_BYTES_MIN];
    char said[BEHALF_DETAIL_BYTES + 1];
    wording_keep(&offer, kept, sizeof kept);
    assert_non_null(strstr(kept, "ahead of more/18446744073709551615"));
    assert_ptr_equal(wording_of(kept, name, said, sizeof said), said);
    assert_non_null(strstr(said, "idle 18446744073709551615 s), ...; nnn"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_become_the_sentence),          cmocka_unit_test(fewer_than_three_are_all_named),
        cmocka_unit_test(what_led_to_the_choice_is_told),     cmocka_unit_test(other_details_are_as_they_are),
        cmocka_unit_test(what_does_not_fit_is_left_as_facts), cmocka_unit_test(the_largest_facts_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
