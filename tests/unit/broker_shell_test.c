// broker_shell_test.c - the small parts of the broker's shell: its clock, its log, where it may listen.

#include "broker/clock.h"
#include "broker/compile.h"
#include "broker/log.h"
#include "broker/router.h"
#include "broker/trace_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void the_clock_never_goes_below_the_last_value_of_the_store(void **state)
{
    struct clock clock;
    int64_t utc_ms = (int64_t) time(NULL) * 1000;

    (void) state;
    assert_int_equal(clock_init(&clock, 0), 0);
    assert_in_range(clock_now_ms(&clock), utc_ms - 5000, utc_ms + 5000);
    int64_t ahead_ms = clock_init(&clock, utc_ms + 3600000);
    assert_in_range(ahead_ms, 3590000, 3610000);
    assert_true(clock_now_ms(&clock) >= utc_ms + 3600000);
    int64_t first_ms = clock_now_ms(&clock);
    assert_true(clock_now_ms(&clock) >= first_ms);
}

static void expect_escaped(const char *text, const char *expected)
{
    char escaped[256];

    assert_int_equal(log_escape(text, escaped, sizeof escaped), strlen(expected));
    assert_string_equal(escaped, expected);
}

static void the_log_shows_what_is_visible_and_escapes_the_rest(void **state)
{
    (void) state;
    expect_escaped("session=7 person=asha signed in", "session=7 person=asha signed in");
    expect_escaped("Zo\xc3\xab \xe6\x97\xa5\xe6\x9c\xac", "Zo\xc3\xab \xe6\x97\xa5\xe6\x9c\xac");
    expect_escaped("a\nb\x1b[31m\x7f", "a\\x0ab\\x1b[31m\\x7f");
    expect_escaped("x\xe2\x80\xaey", "x\\xe2\\x80\\xaey"); // right-to-left override
    expect_escaped("x\xe2\x80\x8by", "x\\xe2\\x80\\x8by"); // zero width space
    expect_escaped("x\xc2\x9by", "x\\xc2\\x9by");          // C1: control sequence introducer
    expect_escaped("bad \xff\xc3(", "bad \\xff\\xc3(");    // not UTF-8
    expect_escaped("\xe2\x80\xa8", "\\xe2\\x80\\xa8");     // line separator
}

static void the_log_cuts_what_is_too_long_between_characters(void **state)
{
    char escaped[8];

    (void) state;
    assert_int_equal(log_escape("12345\xc3\xab\xc3\xab", escaped, sizeof escaped), 7);
    assert_string_equal(escaped, "12345\xc3\xab");
    assert_int_equal(log_escape("1234\n", escaped, sizeof escaped), 4);
    assert_string_equal(escaped, "1234");
}

static void only_loopback_and_ipc_may_be_listened_on(void **state)
{
    static const char *const good[] = { "tcp://127.0.0.1:7311", "tcp://127.9.9.9:*", "tcp://[::1]:7311",
                                        "ipc:///run/behalf/socket" };
    static const char *const bad[] = { "tcp://0.0.0.0:7311",
                                       "tcp://*:7311",
                                       "tcp://eth0:7311",
                                       "tcp://127.evil.com:1",
                                       "tcp://[::]:7311",
                                       "tcp://10.0.0.1:7311",
                                       "tcp://127.0.0.1",
                                       "pgm://127.0.0.1:1",
                                       "",
                                       "tcp:/" };
    char reason[512];

    (void) state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(router_may_listen(good[i], reason, sizeof reason));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        reason[0] = '\0';
        assert_false(router_may_listen(bad[i], reason, sizeof reason));
        assert_non_null(strstr(reason, "until clients prove who they are by keys"));
    }
}

static void rules_are_compiled_beside_the_loop(void **state)
{
    struct rules_problems problems;
    struct compile *compile = compile_start("desk: [", 7, NULL);

    (void) state;
    assert_true(compile_fd(compile) >= 0);
    assert_null(compile_take(&compile, &problems));
    assert_null(compile);
    assert_true(problems.count >= 1);
    rules_problems_fini(&problems);
}

static void a_trace_that_cannot_be_written_is_told_of_and_ends(void **state)
{
    (void) state;
    assert_null(trace_file_new("/nowhere/trace"));
    assert_null(trace_file_trace(NULL));
    struct trace_file *file = trace_file_new("/dev/full");
    assert_non_null(file);
    const struct trace *trace = trace_file_trace(file);
    trace->line(trace->self, "in desk=mine");
    trace->line(trace->self, "in desk=mine");
    trace_file_destroy(&file);
    assert_null(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_clock_never_goes_below_the_last_value_of_the_store),
        cmocka_unit_test(the_log_shows_what_is_visible_and_escapes_the_rest),
        cmocka_unit_test(the_log_cuts_what_is_too_long_between_characters),
        cmocka_unit_test(only_loopback_and_ipc_may_be_listened_on),
        cmocka_unit_test(rules_are_compiled_beside_the_loop),
        cmocka_unit_test(a_trace_that_cannot_be_written_is_told_of_and_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
