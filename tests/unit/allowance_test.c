// allowance_test.c - a number at once, a number more a second, whatever the clock says at the beginning.

#include "broker/session/allowance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define NOW_MS INT64_C(1795312800000) // 2026-11-22

static void only_a_burst_is_allowed_at_once(void **state)
{
    struct allowance allowance = { 0 };

    (void) state;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(allowance_spend(&allowance, 5, 20, NOW_MS), 0);
    }
    assert_int_equal(allowance_spend(&allowance, 5, 20, NOW_MS), 200);
}

static void what_is_refused_is_allowed_when_it_was_said(void **state)
{
    struct allowance allowance = { 0 };

    (void) state;
    for (int64_t i = 0; i < 1000; i++) {
        int64_t wait_ms = allowance_spend(&allowance, 3, 2, NOW_MS + i);
        if (wait_ms > 0) {
            struct allowance early = allowance;
            struct allowance late = allowance;
            assert_true(allowance_spend(&early, 3, 2, NOW_MS + i + wait_ms - 1) > 0);
            assert_int_equal(allowance_spend(&late, 3, 2, NOW_MS + i + wait_ms), 0);
        }
    }
}

static void over_a_long_time_the_rate_is_kept(void **state)
{
    struct allowance allowance = { 0 };
    int allowed = 0;

    (void) state;
    for (int64_t i = 0; i < 100000; i++) {
        allowed += allowance_spend(&allowance, 7, 10, NOW_MS + i) == 0;
    }
    assert_in_range(allowed, 10 + 7 * 100 - 1, 10 + 7 * 100);
}

static void a_rest_gives_back_a_burst_and_no_more(void **state)
{
    struct allowance allowance = { 0 };

    (void) state;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(allowance_spend(&allowance, 1000000, 4, NOW_MS), 0);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(allowance_spend(&allowance, 1000000, 4, INT64_MAX - 1), 0);
    }
    assert_true(allowance_spend(&allowance, 1000000, 4, INT64_MAX - 1) > 0);
}

static void without_a_rate_everything_is_allowed(void **state)
{
    struct allowance allowance = { 0 };

    (void) state;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(allowance_spend(&allowance, -1, -4, NOW_MS), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_a_burst_is_allowed_at_once),
        cmocka_unit_test(what_is_refused_is_allowed_when_it_was_said),
        cmocka_unit_test(over_a_long_time_the_rate_is_kept),
        cmocka_unit_test(a_rest_gives_back_a_burst_and_no_more),
        cmocka_unit_test(without_a_rate_everything_is_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
