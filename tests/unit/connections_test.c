// connections_test.c - whose a number is when descriptors and names come again.  Looks at what sockets show too seldom.

#include "broker/connections.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define FIRST UINT64_C(4294967290) // so that numbers wrap soon

static const struct remote_address here = { 1, "127.0.0.1" };
static const struct remote_address there = { 2, "127.0.0.2" };
static struct connections *connections;

static int set_up(void **state)
{
    (void) state;
    connections = connections_new(4, 10, &(struct address_limits){ .strangers_max = 20, .refusals_max = 3 }, FIRST);
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
    connections_accepted(connections, 30, &here, 0);
    connections_accepted(connections, 31, &here, 0);
    assert_int_equal(connections_heard(connections, 30, number(0), 0), HEARD);
    assert_int_equal(connections_heard(connections, 30, number(0), 0), HEARD);
    assert_int_equal(connections_heard(connections, 31, number(0), 0), HEARD_OWN_NAME);
    assert_int_equal(connections_heard(connections, 31, number(1), 0), HEARD);
}

static void a_number_not_given_yet_is_a_peers_own(void **state)
{
    (void) state;
    connections_accepted(connections, 30, &here, 0);
    assert_int_equal(connections_heard(connections, 30, number(1), 0), HEARD_OWN_NAME);
    assert_int_equal(connections_heard(connections, 30, 0, 0), HEARD_OWN_NAME);
    assert_int_equal(connections_heard(connections, 30, number(0), 0), HEARD);
}

static void a_number_of_a_closed_connection_is_nobodys_again(void **state)
{
    (void) state;
    connections_accepted(connections, 30, &here, 0);
    connections_heard(connections, 30, number(0), 0);
    connections_closed(connections, 30, 0);
    assert_int_equal(connections_heard(connections, 30, number(0), 0), HEARD); // said before it closed
    connections_accepted(connections, 30, &here, 0);
    assert_int_equal(connections_heard(connections, 30, number(0), 0), HEARD_NOBODY); // who can tell
    assert_int_equal(next_ended(), number(0));
    assert_int_equal(next_ended(), 0);
    assert_int_equal(connections_heard(connections, 30, number(0), 0), HEARD_OWN_NAME);
    assert_int_equal(connections_heard(connections, 30, number(1), 0), HEARD);
    connections_accepted(connections, 31, &here, 0);
    assert_int_equal(connections_heard(connections, 31, number(0), 0), HEARD_OWN_NAME);
}

static void first_words_read_after_the_end_do_not_take_a_newcomers_place(void **state)
{
    (void) state;
    connections_accepted(connections, 30, &here, 0);
    connections_closed(connections, 30, 0);
    connections_accepted(connections, 30, &here, 0);
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
        connections_accepted(connections, 30, &here, 0);
        if (i != 5 && i != 69000) {
            assert_int_equal(connections_heard(connections, 30, number(i), 0), HEARD);
        }
        connections_closed(connections, 30, 0);
        next_ended();
    }
    connections_accepted(connections, 31, &here, 0);
    assert_int_equal(connections_heard(connections, 31, number(5), 0), HEARD_OWN_NAME);
    assert_int_equal(connections_heard(connections, 31, number(69000), 0), HEARD); // it may have been slow
}

static void strangers_give_way_to_newcomers_and_both_to_who_is_signed_in(void **state)
{
    (void) state;
    for (int i = 0; i < 5; i++) { // one more than may be silent
        connections_accepted(connections, 30 + i, &here, i);
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

static void one_address_has_no_more_strangers_than_it_may(void **state)
{
    (void) state;
    for (int i = 0; i < 20; i++) {
        assert_null(connections_accepted(connections, 30 + i, &there, i));
    }
    assert_int_equal(connections_heard(connections, 30, number(0), 20), HEARD);
    assert_null(connections_accepted(connections, 60, &here, 20));
    struct connection *refused = connections_accepted(connections, 50, &there, 20);
    assert_int_equal(refused->descriptor, 31); // who has said nothing for longest
    assert_int_equal(connections_next_to_cut(connections, 20)->descriptor, 31);
    connections_set_signed_in(connections, connections_find(connections, number(0)), true, 20);
    assert_null(connections_accepted(connections, 51, &there, 20)); // in place of the one that has signed in
    for (int i = 32; i < 42; i++) {
        assert_int_equal(connections_heard(connections, i, number((uint32_t) i - 30), 21), HEARD);
    }
    assert_int_equal(connections_accepted(connections, 53, &there, 22)->descriptor, 42);
    for (int i = 43; i < 54; i++) {
        (void) connections_heard(connections, i, number((uint32_t) i - 30), 23);
    }
    assert_int_equal(connections_accepted(connections, 54, &there, 24)->descriptor, 32); // a newcomer gets in
    connections_closed(connections, 40, 24);
    assert_null(connections_accepted(connections, 40, &there, 24));
    assert_non_null(connections_accepted(connections, 52, &there, 24));
}

static void few_have_last_words_at_one_moment(void **state)
{
    (void) state;
    for (int i = 0; i < CONNECTIONS_LAST_WORDS_MAX + 1; i++) {
        connections_accepted(connections, 100 + i, &(struct remote_address){ 0 }, 0);
    }
    for (int i = 0; i < CONNECTIONS_LAST_WORDS_MAX; i++) {
        connections_refuse(connections, connections_at(connections, 100 + i), "it has named itself", 0);
    }
    assert_null(connections_next_to_cut(connections, 1));
    int last = 100 + CONNECTIONS_LAST_WORDS_MAX;
    connections_refuse(connections, connections_at(connections, last), "it has named itself", 0);
    assert_int_equal(connections_next_to_cut(connections, 1)->descriptor, last);
}

static void refused_sign_ins_count_for_a_minute_whatever_connection_they_come_over(void **state)
{
    (void) state;
    for (int i = 0; i < 3; i++) {
        connections_accepted(connections, 30, &there, 0);
        assert_int_equal(connections_refused_for_ms(connections, connections_at(connections, 30), 1000 * i), 0);
        connections_note_refused(connections, connections_at(connections, 30), 1000 * i);
        connections_closed(connections, 30, 1000 * i);
    }
    connections_accepted(connections, 31, &there, 5000);
    connections_accepted(connections, 32, &here, 5000);
    const struct connection *one = connections_at(connections, 31);
    assert_int_equal(connections_refused_for_ms(connections, one, 5000), CONNECTIONS_REFUSALS_MS - 5000);
    assert_int_equal(connections_refused_for_ms(connections, connections_at(connections, 32), 5000), 0);
    assert_int_equal(connections_refused_for_ms(connections, one, CONNECTIONS_REFUSALS_MS), 0);
    connections_note_refused(connections, connections_at(connections, 31), CONNECTIONS_REFUSALS_MS);
    assert_int_equal(connections_refused_for_ms(connections, one, CONNECTIONS_REFUSALS_MS), 0);
}

static void an_address_is_a_host_not_one_of_its_numbers(void **state)
{
    static const struct {
        int family;
        const char *number, *text;
    } cases[] = {
        { AF_INET, "127.0.0.2", "127.0.0.2" },
        { AF_INET6, "::ffff:127.0.0.2", "127.0.0.2" },
        { AF_INET6, "2001:db8::1", "2001:db8::/64" },
        { AF_INET6, "2001:db8::ffff:1:2:3", "2001:db8::/64" },
        { AF_INET6, "2001:db8:0:1::1", "2001:db8:0:1::/64" },
    };
    uint64_t keys[5];

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sockaddr_in ipv4 = { .sin_family = AF_INET };
        struct sockaddr_in6 ipv6 = { .sin6_family = AF_INET6 };
        struct sockaddr_storage name = { 0 };
        struct remote_address address;
        bool old = cases[i].family == AF_INET;
        inet_pton(cases[i].family, cases[i].number, old ? (void *) &ipv4.sin_addr : (void *) &ipv6.sin6_addr);
        memcpy(&name, old ? (const void *) &ipv4 : (const void *) &ipv6, old ? sizeof ipv4 : sizeof ipv6);
        remote_address_from(&name, &address);
        assert_string_equal(address.text, cases[i].text);
        keys[i] = address.key;
    }
    assert_true(keys[0] == keys[1] && keys[2] == keys[3] && keys[3] != keys[4] && keys[0] != keys[2]);
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
        TEST(one_address_has_no_more_strangers_than_it_may),
        TEST(few_have_last_words_at_one_moment),
        TEST(refused_sign_ins_count_for_a_minute_whatever_connection_they_come_over),
        TEST(an_address_is_a_host_not_one_of_its_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
