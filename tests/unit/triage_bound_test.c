// triage_bound_test.c - triage of any text, however it is made, ends within its bound.
//
// Measured as processor time of the thread, best of a few, so that a busy machine does not matter; where the
// sanitizers are on, a multiple is allowed.

#include "broker/triage/triage.h"
#include "tests/bench/hostile_texts.h"
#include "tests/unit/bound.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char *rules_path;

// The sample's rules, with further rules put where `sensitive` begins.
static struct rules *read_rules(const char *more)
{
    static char sample[BEHALF_RULES_BYTES];
    static char text[BEHALF_RULES_BYTES + 1024];
    static const char begins[] = "\nsensitive:\n";
    struct rules_problems problems = { 0 };
    FILE *file = fopen(rules_path, "rb");
    assert_non_null(file);
    size_t bytes = fread(sample, 1, sizeof sample - 1, file);
    fclose(file);
    sample[bytes] = '\0';
    char *sensitive = strstr(sample, begins);
    assert_non_null(sensitive);
    *sensitive = '\0';
    snprintf(text, sizeof text, "%s%s%s%s", sample, begins, more, sensitive + strlen(begins));
    struct rules *rules = rules_new(text, strlen(text), NULL, 1, &problems);
    if (rules == NULL) {
        fail_msg("%s: %s", problems.problems[0].key, problems.problems[0].message);
    }
    return rules;
}

static double measure(struct triage *triage, struct rules *rules, const char *text)
{
    struct behalf_post post = { .channel = "chirp", .post = "1", .brand = "skyline", .author = "a" };
    double best = 0;
    post.text = (char *) text;
    post.language = "";
    for (int round = 0; round < ROUNDS && (round == 0 || best > BOUND_US * SLOWER); round++) {
        struct needs needs;
        const char *field = NULL;
        double start = bound_now_us();
        assert_true(triage_post(triage, rules, &post, "", &needs, &field));
        double taken = bound_now_us() - start;
        best = round == 0 || taken < best ? taken : best;
    }
    return best;
}

static void expect_bound(struct rules *rules)
{
    static char text[HOSTILE_TEXT_BYTES + 1];
    struct triage *triage = triage_new();
    measure(triage, rules, "first");
    for (size_t i = 0; i < hostile_text_count(); i++) {
        hostile_text_write(i, text);
        double us = measure(triage, rules, text);
        if (us > BOUND_US * SLOWER) {
            fail_msg("32 kB of %s take %.0f us", hostile_text_name(i), us);
        }
    }
    triage_destroy(&triage);
}

static void any_text_is_triaged_in_time(void **state)
{
    (void) state;
    struct rules *rules = read_rules("");
    expect_bound(rules);
    rules_destroy(&rules);
}

// The dearest patterns that can be written, each in a rule that is exact in a way of its own.
static void dear_patterns_are_bounded_too(void **state)
{
    (void) state;
    struct rules *rules =
        read_rules("  one: { patterns: [aa*aa*aa*aa*ab, \". . . . . . . . . . . x\", a, けが, \"/a.{0,30}z/\"] }\n"
                   "  two: { exact: [accents], patterns: [aa*aa*aa*aa*ab, a*b*c*d*e, けが, lawyer*] }\n"
                   "  three: { exact: all, patterns: [\"a b a b a b a b x\", \"a a a a a a a x\", 弁護士] }\n");
    expect_bound(rules);
    rules_destroy(&rules);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        return 2;
    }
    rules_path = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_text_is_triaged_in_time),
        cmocka_unit_test(dear_patterns_are_bounded_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
