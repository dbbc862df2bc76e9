// outgoing_bound_test.c - whatever a person has written, it is judged as a reply within a message's bound.

#include "broker/desk/outgoing.h"
#include "tests/bench/hostile_texts.h"
#include "tests/unit/bound.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka needs those above.
#include <cmocka.h>
#include <string.h>
#include <unistr.h>

// Another test may have the core's other half: the dearest text takes 3 to 3.5 ms on a core of its own.
#define SHARED_US (2 * BOUND_US * SLOWER)

static struct policy_name languages[] = { { (char *) "en", false } };
static struct policy_name agencies[] = { { (char *) "Northline", false } };
static struct policy_channel channels[] = {
    { .name = (char *) "x", .counting = COUNTING_X, .length_max = 280, .link_length = 23 },
    { .name = (char *) "sky", .counting = COUNTING_BLUESKY, .length_max = 300 },
    { .name = (char *) "toot", .counting = COUNTING_MASTODON, .length_max = 500, .link_length = 23 },
    { .name = (char *) "letter" },
};
#define CHANNELS (sizeof channels / sizeof *channels)
static struct policy_brand brands[] = { { .name = (char *) "acme",
                                          .display_name = (char *) "Acme",
                                          .disclosure = (char *) "{first_name} from {agency}, for {brand}",
                                          .disclosure_pr = (char *) "{name}, {brand}" } };
static struct policy_person people[] = {
    { .name = (char *) "asha", .first_name = (char *) "Asha", .display_name = (char *) "Asha Rao" }
};
static const struct policy policy = { .brands = brands,
                                      .brand_count = 1,
                                      .languages = languages,
                                      .language_count = 1,
                                      .agencies = agencies,
                                      .agency_count = 1,
                                      .channels = channels,
                                      .channel_count = CHANNELS,
                                      .people = people,
                                      .person_count = 1 };

static double measure(uint32_t channel, const char *text)
{
    const struct answering answering = { .channel = channel, .audience = AUDIENCE_AGENT };
    double best = 0;

    for (int round = 0; round < ROUNDS && (round == 0 || best > SHARED_US); round++) {
        struct change_list *memory = change_list_new();
        double start = bound_now_us();
        (void) outgoing_compose(&policy, &answering, text, memory);
        double taken = bound_now_us() - start;
        best = round == 0 || taken < best ? taken : best;
        change_list_destroy(&memory);
    }
    return best;
}

static void any_text_is_judged_in_time(void **state)
{
    static char text[HOSTILE_TEXT_BYTES + 1];

    (void) state;
    for (size_t i = 0; i < hostile_text_count(); i++) {
        hostile_text_write(i, text);
        if (u8_check((const uint8_t *) text, strlen(text)) != NULL) {
            continue; // a message with such a text is refused before
        }
        for (uint32_t channel = 0; channel < CHANNELS; channel++) {
            double us = measure(channel, text);
            if (us > SHARED_US) {
                fail_msg("32 kB of %s take %.0f us on %s", hostile_text_name(i), us, channels[channel].name);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(any_text_is_judged_in_time) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
