// connections_test.c - whose a number is when descriptors and names come again.  Looks at what sockets show too seldom.

#include "broker/connections.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define FIRST UINT64_C(4294967290) // so that numbers wrap soon

static struct connections *connections;

static int set_up(void **state)
{
    (void) state;
    connections = connections_new(4, 10, FIRST);
    return 0;
}

static int tear_down(void **state)
{
    (void) state;
    connections_destroy(&connections);
    return 0;
}

// The number of the connection that comes as the so-maniest, from 0.
static uint64_t number(uint32_t place)
{
    return (uint64_t) (uint32_t) (FIRST - 1 + place) + 1;
}

static uint64_t next_ended(void)
{
    const char *reason = NULL;
    return connections_next_ended(connections, true, 0, &reason);
}

static void a_number_is_served_over_its_own_connection_only(void **state)
{
    (void) state;
    connections_accepted(connections, 30, 0);
    connections_accepted(connections, 31, 0);
    assert_int_equal(connections_heard(connections, 30, number(0), 0), HEARD);
    assert_int_equal(connections_heard(connections, 30, number(0), 0), HEARD);
    assert_int_equal(connections_heard(connections, 31, number(0), 0), HEARD_OWN_NAME);
    assert_int_equal(connections_heard(connections, 31, number(1), 0), HEARD);
}

static void a_number_not_given_yet_is_a_peers_own(void **state)
{
    (void) state;
    connections_accepted(connections, 30, 0);
    assert_int_equal(connections_heard(connections, 30, number(1), 0), HEARD_OWN_NAME);
    assert_int_equal(connections_heard(connections, 30, 0, 0), HEARD_OWN_NAME);
    assert_int_equal(connections_heard(connections, 30, number(0), 0), HEARD);
}

static void a_number_of_a_closed_connection_is_nobodys_again(void **state)
{
    (void) state;
    connections_accepted(connections, 30, 0);
    connections_heard(connections, 30, number(0), 0);
    connections_closed(connections, 30, 0);
    assert_int_equal(connections_heard(connections, 30, number(0), 0), HEARD); // said before it closed
    connections_accepted(connections, 30, 0);
    assert_int_equal(connections_heard(connections, 30, number(0), 0), HEARD_NOBODY); // who can tell
    assert_int_equal(next_ended(), number(0));
    assert_int_equal(next_ended(), 0);
    assert_int_equal(connections_heard(connections, 30, number(0), 0), HEARD_OWN_NAME);
    assert_int_equal(connections_heard(connections, 30, number(1), 0), HEARD);
    connections_accepted(connections, 31, 0);
    assert_int_equal(connections_heard(connections, 31, number(0), 0), HEARD_OWN_NAME);
}

static void first_words_read_after_the_end_do_not_take_a_newcomers_place(void **state)
{
    (void) state;
    connections_accepted(connections, 30, 0);
    connections_closed(connections, 30, 0);
    connections_accepted(connections, 30, 0);
    connections_heard(connections, 30, number(0), 0); // of the first one, which nobody can know
    assert_int_equal(connections_heard(connections, 30, number(1), 0), HEARD);
    assert_int_equal(connections_heard(connections, 30, number(0), 0), HEARD_OWN_NAME);
    assert_non_null(connections_find(connections, number(1)));
    assert_null(connections_find(connections, number(0)));
}

static void numbers_far_behind_are_nobodys(void **state)
{
    (void) state;
    for (uint32_t i = 0; i < 70000; i++) {
        connections_accepted(connections, 30, 0);
        if (i != 5 && i != 69000) {
            assert_int_equal(connections_heard(connections, 30, number(i), 0), HEARD);
        }
        connections_closed(connections, 30, 0);
        next_ended();
    }
    connections_accepted(connections, 31, 0);
    assert_int_equal(connections_heard(connections, 31, number(5), 0), HEARD_OWN_NAME);
    assert_int_equal(connections_heard(connections, 31, number(69000), 0), HEARD); // it may have been slow
}

static void strangers_give_way_to_newcomers_and_both_to_who_is_signed_in(void **state)
{
    (void) state;
    for (int i = 0; i < 5; i++) { // one more than may be silent
        connections_accepted(connections, 30 + i, i);
    }
    assert_int_equal(connections_next_to_go(connections, 5)->descriptor, 30);
    assert_null(connections_next_to_go(connections, 5));
    for (int i = 1; i < 5; i++) {
        connections_heard(connections, 30 + i, number((uint32_t) i), 6);
        connections_set_signed_in(connections, connections_find(connections, number((uint32_t) i)), i < 3, 6);
    }
    assert_int_equal(connections_heard(connections, 30, number(0), 7), HEARD_NOBODY);
    assert_null(connections_next_to_go(connections, 6 + CONNECTIONS_IDLE_MS - 1));
    assert_int_equal(connections_next_to_go(connections, 6 + CONNECTIONS_IDLE_MS)->descriptor, 33);
    assert_int_equal(connections_next_to_go(connections, 6 + CONNECTIONS_IDLE_MS)->descriptor, 34);
    assert_null(connections_next_to_go(connections, 1000000000)); // who is signed in stays
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_number_is_served_over_its_own_connection_only),
        TEST(a_number_not_given_yet_is_a_peers_own),
        TEST(a_number_of_a_closed_connection_is_nobodys_again),
        TEST(first_words_read_after_the_end_do_not_take_a_newcomers_place),
        TEST(numbers_far_behind_are_nobodys),
        TEST(strangers_give_way_to_newcomers_and_both_to_who_is_signed_in),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
