// policy_test.c - names in a policy are found, retired ones are not.

#include "broker/desk/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct policy_brand brands[] = { { .name = "acme", .retired = true }, { .name = "kawa" }, { .name = "acme" } };
static struct policy_name languages[] = { { "und", false }, { "en", false } };
static struct policy_name skills[] = { { "refunds", false }, { "cards", true } };
static struct policy_channel channels[] = { { .name = "chirp" }, { .name = "gone", .retired = true } };
static struct policy_person people[] = { { .name = "asha" }, { .name = "ben", .retired = true } };
static const struct policy policy = {
    .brands = brands,
    .brand_count = 3,
    .languages = languages,
    .language_count = 2,
    .skills = skills,
    .skill_count = 2,
    .channels = channels,
    .channel_count = 2,
    .people = people,
    .person_count = 2,
};

static void names_are_found_at_their_index(void **state)
{
    (void) state;
    assert_int_equal(policy_find_brand(&policy, "kawa"), 1);
    assert_int_equal(policy_find_language(&policy, "und"), 0);
    assert_int_equal(policy_find_language(&policy, "en"), 1);
    assert_int_equal(policy_find_skill(&policy, "refunds"), 0);
    assert_int_equal(policy_find_channel(&policy, "chirp"), 0);
    assert_int_equal(policy_find_person(&policy, "asha"), 0);
}

static void unknown_names_are_none(void **state)
{
    (void) state;
    assert_int_equal(policy_find_brand(&policy, "KAWA"), POLICY_NONE);
    assert_int_equal(policy_find_language(&policy, ""), POLICY_NONE);
    assert_int_equal(policy_find_person(&policy, "ash"), POLICY_NONE);
}

static void retired_names_are_passed_over(void **state)
{
    (void) state;
    assert_int_equal(policy_find_brand(&policy, "acme"), 2);
    assert_int_equal(policy_find_skill(&policy, "cards"), POLICY_NONE);
    assert_int_equal(policy_find_channel(&policy, "gone"), POLICY_NONE);
    assert_int_equal(policy_find_person(&policy, "ben"), POLICY_NONE);
}

static void audience_names_lead_back_to_audiences(void **state)
{
    (void) state;
    for (unsigned i = 0; i < AUDIENCE_COUNT; i++) {
        assert_int_equal(audience_from_name(audience_name((enum audience) i)), i);
    }
    assert_string_equal(audience_name(AUDIENCE_PR), "pr");
    assert_int_equal(audience_from_name("boss"), AUDIENCE_COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_found_at_their_index),
        cmocka_unit_test(unknown_names_are_none),
        cmocka_unit_test(retired_names_are_passed_over),
        cmocka_unit_test(audience_names_lead_back_to_audiences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
