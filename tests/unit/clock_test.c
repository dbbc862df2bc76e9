// clock_test.c - which clocks a desk starts with, and that its time never goes back.

#include "broker/clock.h"
#include "proto/base/clocks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define DAY_MS (INT64_C(24) * 60 * 60 * 1000)
#define NOW_MS INT64_C(1795312800000) // November 2026

static void a_desk_that_was_never_used_takes_any_clock(void **state)
{
    (void) state;
    assert_int_equal(clock_judge(0, NOW_MS, false), CLOCK_PLAUSIBLE);
    assert_int_equal(clock_judge(0, 0, false), CLOCK_PLAUSIBLE);
}

static void a_rest_over_a_long_weekend_needs_no_evidence_and_a_longer_one_does(void **state)
{
    (void) state;
    assert_int_equal(clock_judge(NOW_MS, NOW_MS, false), CLOCK_PLAUSIBLE);
    assert_int_equal(clock_judge(NOW_MS, NOW_MS + 4 * DAY_MS, false), CLOCK_PLAUSIBLE);
    assert_int_equal(clock_judge(NOW_MS, NOW_MS + 4 * DAY_MS + 1, false), CLOCK_AHEAD);
    assert_int_equal(clock_judge(NOW_MS, INT64_C(2147483647000), false), CLOCK_AHEAD); // 2038
    assert_int_equal(clock_judge(NOW_MS, NOW_MS + 400 * DAY_MS, true), CLOCK_PLAUSIBLE);
}

static void a_clock_that_is_days_behind_is_not_believed_whoever_vouches_for_it(void **state)
{
    (void) state;
    assert_int_equal(clock_judge(NOW_MS, NOW_MS - DAY_MS, false), CLOCK_PLAUSIBLE);
    assert_int_equal(clock_judge(NOW_MS, NOW_MS - DAY_MS - 1, false), CLOCK_BEHIND);
    assert_int_equal(clock_judge(NOW_MS, 0, true), CLOCK_BEHIND);
}

static void the_clock_begins_at_what_the_desk_remembers_where_that_is_later(void **state)
{
    struct clock clock;
    int64_t utc_ms = clocks_utc_ms();

    (void) state;
    assert_int_equal(clock_init(&clock, 0), 0);
    assert_true(clock_now_ms(&clock) >= utc_ms);
    assert_in_range(clock_init(&clock, utc_ms + DAY_MS), DAY_MS - 60000, DAY_MS);
    assert_true(clock_now_ms(&clock) >= utc_ms + DAY_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_desk_that_was_never_used_takes_any_clock),
        cmocka_unit_test(a_rest_over_a_long_weekend_needs_no_evidence_and_a_longer_one_does),
        cmocka_unit_test(a_clock_that_is_days_behind_is_not_believed_whoever_vouches_for_it),
        cmocka_unit_test(the_clock_begins_at_what_the_desk_remembers_where_that_is_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
