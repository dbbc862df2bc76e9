// intake_test.c - the set of recent keys: exact, bounded, and moving with time.

#include "broker/session/intake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define NOW_MS INT64_C(1795312800000) // 2026-11-22
#define DAY INTAKE_DAY_MS

static void a_key_taken_is_found_and_another_is_not(void **state)
{
    struct intake intake;

    (void) state;
    intake_init(&intake, 1000, NOW_MS);
    intake_add(&intake, 42, NOW_MS);
    assert_true(intake_has(&intake, 42));
    assert_false(intake_has(&intake, 43));
    intake_add(&intake, 0, NOW_MS);
    assert_true(intake_has(&intake, 0));
    assert_int_equal(intake_count(&intake), 2);
    intake_fini(&intake);
}

static void only_posts_of_the_window_are_settled_by_the_set(void **state)
{
    struct intake intake;

    (void) state;
    intake_init(&intake, 1000, NOW_MS);
    assert_true(intake_settles(&intake, NOW_MS, NOW_MS));
    assert_true(intake_settles(&intake, NOW_MS - INTAKE_BACK_MS, NOW_MS));
    assert_true(intake_settles(&intake, NOW_MS + INTAKE_AHEAD_MS, NOW_MS));
    assert_false(intake_settles(&intake, 0, NOW_MS));
    assert_false(intake_settles(&intake, NOW_MS - INTAKE_BACK_MS - DAY, NOW_MS));
    assert_false(intake_settles(&intake, NOW_MS + INTAKE_AHEAD_MS + 1, NOW_MS));
    intake_fini(&intake);
}

static void what_was_taken_before_the_window_is_not_kept(void **state)
{
    struct intake intake;

    (void) state;
    intake_init(&intake, 1000, NOW_MS);
    intake_add(&intake, 42, NOW_MS - 10 * DAY);
    intake_add(&intake, 43, 0);
    assert_int_equal(intake_count(&intake), 0);
    intake_fini(&intake);
}

static void days_leave_with_the_window(void **state)
{
    struct intake intake;

    (void) state;
    intake_init(&intake, 1000, NOW_MS);
    for (int64_t day = -5; day <= 0; day++) {
        intake_add(&intake, (uint64_t) (100 + day), NOW_MS + day * DAY);
    }
    assert_int_equal(intake_count(&intake), 6);
    intake_advance(&intake, NOW_MS + 2 * DAY);
    assert_int_equal(intake_count(&intake), 4);
    assert_false(intake_has(&intake, 96));
    assert_true(intake_has(&intake, 97));
    assert_false(intake_settles(&intake, NOW_MS - 2 * DAY, NOW_MS + 2 * DAY));
    intake_add(&intake, 7, NOW_MS + 2 * DAY);
    assert_true(intake_has(&intake, 7));
    assert_true(intake_has(&intake, 100));
    intake_fini(&intake);
}

// A set that grows moves its keys while everybody waits: none may have a large part of them, whatever the keys are
// like.
static void no_post_waits_until_most_keys_are_moved(void **state)
{
    enum { KEYS = 1000000 };
    struct intake intake;
    size_t largest = 0;

    (void) state;
    intake_init(&intake, 2 * KEYS, NOW_MS);
    for (uint64_t i = 0; i < KEYS; i++) {
        intake_add(&intake, i % 2 ? i : i * UINT64_C(0x9E3779B97F4A7C15), NOW_MS);
    }
    assert_int_equal(intake_count(&intake), KEYS);
    for (size_t i = 0; i < INTAKE_DAYS; i++) {
        for (size_t part = 0; part < INTAKE_PARTS; part++) {
            size_t capacity = intake.days[i].parts[part].capacity;
            largest = capacity > largest ? capacity : largest;
        }
    }
    assert_in_range(largest, 1, KEYS / 20);
    intake_fini(&intake);
}

// What is dropped for want of room must not be taken for new: the window ends where the set does.
static void a_full_set_drops_its_oldest_day_and_the_window_with_it(void **state)
{
    struct intake intake;

    (void) state;
    intake_init(&intake, 10, NOW_MS);
    for (uint64_t key = 1; key <= 9; key++) {
        intake_add(&intake, key, NOW_MS - 2 * DAY);
    }
    for (uint64_t key = 11; key <= 14; key++) {
        intake_add(&intake, key, NOW_MS);
    }
    assert_int_equal(intake_count(&intake), 4);
    assert_false(intake_settles(&intake, NOW_MS - DAY, NOW_MS));
    assert_true(intake_settles(&intake, NOW_MS + DAY, NOW_MS));
    intake_fini(&intake);
}

static void a_set_too_small_for_one_day_settles_nothing_wrongly(void **state)
{
    struct intake intake;

    (void) state;
    intake_init(&intake, 3, NOW_MS);
    for (uint64_t key = 1; key <= 20; key++) {
        intake_add(&intake, key, NOW_MS);
    }
    assert_true(intake_count(&intake) <= 3);
    assert_false(intake_settles(&intake, NOW_MS, NOW_MS));
    intake_fini(&intake);
}

// By what was taken: a post may say any time.
static void a_post_that_says_a_wrong_time_is_found_under_the_day_of_taking(void **state)
{
    struct intake intake;

    (void) state;
    intake_init(&intake, 1000, NOW_MS);
    intake_add(&intake, 42, NOW_MS);
    intake_advance(&intake, NOW_MS + 4 * DAY);
    assert_true(intake_has(&intake, 42));
    // What says it was written before the keys begin, give or take a wrong time, is asked for.
    assert_false(intake_settles(&intake, NOW_MS - DAY, NOW_MS + 4 * DAY));
    intake_advance(&intake, NOW_MS + 6 * DAY);
    assert_false(intake_has(&intake, 42));
    assert_false(intake_settles(&intake, NOW_MS + INTAKE_WRONG_MS, NOW_MS + 6 * DAY));
    intake_fini(&intake);
}

// Against a plain array as the reference, keys that collide included.
static void a_set_under_random_changes_equals_its_reference(void **state)
{
    enum { KEYS = 300, STEPS = 200000 };
    static bool reference[KEYS];
    struct key_set set = { 0 };
    uint64_t random = 88172645463325252u;

    (void) state;
    for (int step = 0; step < STEPS; step++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        size_t key = (size_t) (random % KEYS);
        if (random >> 32 & 1) {
            key_set_add(&set, key);
            reference[key] = true;
        } else {
            assert_int_equal(key_set_remove(&set, key), reference[key]);
            reference[key] = false;
        }
        size_t probe = (size_t) ((random >> 33) % KEYS);
        assert_int_equal(key_set_has(&set, probe), reference[probe]);
    }
    size_t count = 0;
    for (size_t key = 0; key < KEYS; key++) {
        assert_int_equal(key_set_has(&set, key), reference[key]);
        count += reference[key];
    }
    assert_int_equal(key_set_count(&set), count);
    key_set_clear(&set);
    assert_int_equal(key_set_count(&set), 0);
    assert_false(key_set_has(&set, 5));
    key_set_fini(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_taken_is_found_and_another_is_not),
        cmocka_unit_test(only_posts_of_the_window_are_settled_by_the_set),
        cmocka_unit_test(what_was_taken_before_the_window_is_not_kept),
        cmocka_unit_test(days_leave_with_the_window),
        cmocka_unit_test(no_post_waits_until_most_keys_are_moved),
        cmocka_unit_test(a_full_set_drops_its_oldest_day_and_the_window_with_it),
        cmocka_unit_test(a_set_too_small_for_one_day_settles_nothing_wrongly),
        cmocka_unit_test(a_post_that_says_a_wrong_time_is_found_under_the_day_of_taking),
        cmocka_unit_test(a_set_under_random_changes_equals_its_reference),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
