// router_test.c - whose message it is, who is cut off, and what waits for whom.  Over real sockets, by peers that speak
// ZMTP themselves (rfc.zeromq.org/spec/23).

#include "broker/connections.h"
#include "broker/router.h"
#include "proto/base/clocks.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

#define TIMEOUT_MS 20000

struct world {
    struct router *router;
    char path[64];
    bool ipc;
    int64_t ahead_ms; // of the clock that the router is told
    struct received received;
    uint64_t ended;
};

static int set_up_with(void **state, bool ipc, const struct router_limits *limits)
{
    static struct world world;
    char endpoint[128];
    char reason[256];
    const char *endpoints[] = { endpoint };

    world = (struct world){ .ipc = ipc };
    snprintf(world.path, sizeof world.path, "/tmp/behalf-router-%d", (int) getpid());
    snprintf(endpoint, sizeof endpoint, "%s%s", ipc ? "ipc://" : "tcp://127.0.0.1:*", ipc ? world.path : "");
    world.router = router_new(endpoints, 1, limits, reason, sizeof reason);
    assert_non_null(world.router);
    *state = &world;
    return 0;
}

static int set_up_at(void **state, bool ipc)
{
    return set_up_with(state, ipc, &(struct router_limits){ 0 });
}

static int set_up(void **state)
{
    return set_up_at(state, false);
}

static int set_up_ipc(void **state)
{
    return set_up_at(state, true);
}

static int tear_down(void **state)
{
    struct world *world = *state;

    router_destroy(&world->router);
    unlink(world->path);
    return 0;
}

// ---- what a broker's loop does ----

static int64_t now_ms(const struct world *world)
{
    return clocks_monotonic_ms() + world->ahead_ms;
}

// Returns true when a message came, which is in `received`.
static bool turn(struct world *world, int wait_ms)
{
    const char *reason;

    router_wait(world->router, -1, wait_ms);
    bool found = router_receive(world->router, &world->received, now_ms(world));
    uint64_t ended = router_next_ended(world->router, !found, now_ms(world), &reason);
    world->ended = ended != 0 ? ended : world->ended;
    router_work(world->router, now_ms(world));
    return found;
}

static uint64_t receive(struct world *world, const char *text)
{
    int64_t deadline_ms = clocks_monotonic_ms() + TIMEOUT_MS;

    while (!turn(world, 100)) {
        assert_true(clocks_monotonic_ms() < deadline_ms);
    }
    assert_int_equal(world->received.frame_bytes, strlen(text));
    assert_memory_equal(world->received.frame, text, strlen(text));
    return world->received.peer;
}

static void expect_ended(struct world *world, uint64_t peer)
{
    int64_t deadline_ms = clocks_monotonic_ms() + TIMEOUT_MS;

    while (world->ended != peer) {
        turn(world, 10);
        assert_true(clocks_monotonic_ms() < deadline_ms);
    }
}

static const char *send_text(struct world *world, uint64_t peer, size_t bytes)
{
    void *frame = calloc(1, bytes);

    assert_non_null(frame);
    return router_send(world->router, peer, &frame, bytes, now_ms(world));
}

// ---- peers ----

static int connect_peer(const struct world *world)
{
    int peer = socket(world->ipc ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (world->ipc) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        snprintf(address.sun_path, sizeof address.sun_path, "%s", world->path);
        assert_int_equal(connect(peer, (struct sockaddr *) &address, sizeof address), 0);
    } else {
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_port =
                                           htons((uint16_t) atoi(strrchr(router_listening(world->router), ':') + 1)) };
        inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
        assert_int_equal(connect(peer, (struct sockaddr *) &address, sizeof address), 0);
    }
    return peer;
}

// Greets under a name of its own, or none.
static void greet(int peer, const void *name, uint8_t name_bytes)
{
    unsigned char greeting[64] = { 0xff, [9] = 0x7f, [10] = 3, [11] = 0, [12] = 'N', 'U', 'L', 'L' };
    unsigned char ready[64] = "\x04\0\x05READY\x0bSocket-Type\0\0\0\x06"
                              "DEALER\x08Identity";
    size_t bytes = 28 + 2 + 9; // what precedes the name's length
    unsigned char theirs[64];

    ready[bytes + 3] = name_bytes;
    bytes += 4;
    memcpy(ready + bytes, name, name_bytes);
    bytes += name_bytes;
    ready[1] = (unsigned char) (bytes - 2);
    assert_int_equal(send(peer, greeting, sizeof greeting, 0), sizeof greeting);
    assert_int_equal(send(peer, ready, bytes, 0), bytes);
    assert_int_equal(recv(peer, theirs, sizeof theirs, MSG_WAITALL), sizeof theirs);
}

static void say(int peer, const char *text)
{
    unsigned char frame[64] = { 0, (unsigned char) strlen(text) };

    memcpy(frame + 2, text, strlen(text));
    assert_int_equal(send(peer, frame, 2 + strlen(text), MSG_NOSIGNAL), 2 + strlen(text));
}

static int greeted_peer(const struct world *world)
{
    int peer = connect_peer(world);

    greet(peer, "", 0);
    return peer;
}

static bool is_cut(struct world *world, int peer)
{
    struct pollfd ended = { .fd = peer, .events = POLLRDHUP };
    int64_t deadline_ms = clocks_monotonic_ms() + TIMEOUT_MS;

    while (poll(&ended, 1, 0) == 0 && clocks_monotonic_ms() < deadline_ms) {
        turn(world, 10);
    }
    return poll(&ended, 1, 0) > 0;
}

static void name_of(uint64_t peer, unsigned char name[5])
{
    uint32_t number = (uint32_t) (peer - 1);

    name[0] = 0;
    for (size_t i = 4; i > 0; i--) {
        name[i] = (unsigned char) number;
        number >>= 8;
    }
}

// Reads what the peer is told until a word is found.
static void expect_told(struct world *world, int peer, const char *word)
{
    char told[4096];
    size_t bytes = 0;
    int64_t deadline_ms = clocks_monotonic_ms() + TIMEOUT_MS;

    while (memmem(told, bytes, word, strlen(word)) == NULL) {
        ssize_t more = recv(peer, told + bytes, sizeof told - bytes, MSG_DONTWAIT);
        bytes += more > 0 ? (size_t) more : 0;
        turn(world, 10);
        assert_true(clocks_monotonic_ms() < deadline_ms && bytes < sizeof told);
    }
}

// ---- names ----

static void a_name_of_the_peers_own_is_refused_and_cut(void **state)
{
    static const struct {
        const char *name;
        uint8_t bytes;
    } names[] = { { "asha", 4 }, { "\0abcd", 5 }, { "\0\0\0\0\1", 5 }, { "\0", 1 }, { "\0\xff\xff\xff\xff", 5 } };
    struct world *world = *state;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        int peer = connect_peer(world);
        greet(peer, names[i].name, names[i].bytes);
        say(peer, "HELLO");
        expect_told(world, peer, "ZMQ_ROUTING_ID");
        say(peer, "again"); // and nothing more is answered
        assert_true(is_cut(world, peer));
        close(peer);
    }
    int honest = greeted_peer(world);
    say(honest, "HELLO");
    receive(world, "HELLO");
    close(honest);
}

// Without the seed every process counts from the same number.
static void names_begin_elsewhere_in_every_process(void **state)
{
    struct world *world = *state;
    int peer = greeted_peer(world);
    say(peer, "a");
    uint64_t first = receive(world, "a");
    close(peer);
    tear_down(state);
    set_up(state);
    peer = greeted_peer(world);
    say(peer, "b");
    uint64_t second = receive(world, "b");
    close(peer);
    assert_true(first - second > 1000 && second - first > 1000); // by chance it is wrong once in two million
}

static void a_peer_that_takes_the_name_of_a_closed_connection_is_not_taken_for_it(void **state)
{
    struct world *world = *state;
    unsigned char name[5];

    for (int i = 0; i < 3; i++) {
        int peer = greeted_peer(world);
        say(peer, "HELLO");
        uint64_t number = receive(world, "HELLO");
        router_set_signed_in(world->router, number, true, now_ms(world));
        name_of(number, name);
        close(peer);
        if (i > 0) {
            expect_ended(world, number);
        }
        int thief = connect_peer(world); // when i is 0, as soon as it can, and with the same descriptor
        greet(thief, name, sizeof name);
        say(thief, "STATUS");
        for (int64_t end_ms = clocks_monotonic_ms() + 300; clocks_monotonic_ms() < end_ms;) {
            assert_false(turn(world, 10));
        }
        close(thief);
        if (i == 0) {
            expect_ended(world, number);
        }
    }
}

static void what_was_said_before_the_end_is_heard_and_the_end_after_it(void **state)
{
    struct world *world = *state;
    int peer = greeted_peer(world);

    say(peer, "HELLO");
    uint64_t number = receive(world, "HELLO");
    say(peer, "POST");
    say(peer, "BYE");
    shutdown(peer, SHUT_WR); // not a close, which would reset the connection: there is something it has not read
    assert_int_equal(receive(world, "POST"), number);
    assert_int_equal(world->ended, 0);
    assert_int_equal(receive(world, "BYE"), number);
    expect_ended(world, number);
    assert_string_equal(send_text(world, number, 10), "its connection is gone");
    close(peer);
}

// ---- room ----

static void who_says_nothing_is_cut_off(void **state)
{
    struct world *world = *state;
    int ungreeted = connect_peer(world);
    int silent = greeted_peer(world);
    int stranger = greeted_peer(world);
    int known = greeted_peer(world);

    say(stranger, "x");
    receive(world, "x");
    say(known, "y");
    router_set_signed_in(world->router, receive(world, "y"), true, now_ms(world));
    world->ahead_ms += CONNECTIONS_SILENT_MS;
    assert_true(is_cut(world, silent));
    assert_true(is_cut(world, ungreeted));
    say(stranger, "z");
    receive(world, "z");
    world->ahead_ms += CONNECTIONS_IDLE_MS;
    assert_true(is_cut(world, stranger));
    say(known, "w");
    receive(world, "w");
    close(ungreeted), close(silent), close(stranger), close(known);
}

static void an_address_has_its_limits(void **state)
{
    bool ipc = ((struct world *) *state)->ipc;
    int silent[3];

    tear_down(state);
    set_up_with(state, ipc, &(struct router_limits){ .strangers_max = 3, .refusals_max = 2 });
    struct world *world = *state;
    int known = greeted_peer(world);
    say(known, "x");
    uint64_t number = receive(world, "x");
    assert_int_not_equal(world->received.address, 0);
    router_set_signed_in(world->router, number, true, now_ms(world));
    for (int i = 0; i < 3; i++) {
        silent[i] = greeted_peer(world);
    }
    int stranger = greeted_peer(world);
    say(stranger, "y");
    uint64_t other = receive(world, "y");
    assert_true(is_cut(world, silent[0])); // who has said nothing for longest
    assert_int_equal(router_over_address(world->router), 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(router_refused_for_ms(world->router, other, now_ms(world)), 0);
        router_note_refused(world->router, other, now_ms(world));
    }
    assert_true(router_refused_for_ms(world->router, number, now_ms(world)) > 0); // of the same address
    assert_int_equal(router_over_address(world->router), 2);
    assert_null(send_text(world, number, 10));
    close(known), close(silent[0]), close(silent[1]), close(silent[2]), close(stranger);
}

static void who_sends_only_noise_is_cut_off_though_no_desk_listens(void **state)
{
    struct world *world = *state;
    int peer = greeted_peer(world);

    for (int i = 0; i < 40; i++) {
        say(peer, "noise");
        router_note_noise(world->router, receive(world, "noise"), i != 10, now_ms(world));
        if (i == 26) {
            break; // the sixteenth since what was none
        }
    }
    say(peer, "noise"); // is served no more
    assert_true(is_cut(world, peer));
    close(peer);
}

// ---- what waits ----

static void who_does_not_read_is_lost_and_what_waited_is_given_back(void **state)
{
    struct world *world = *state;
    int deaf = greeted_peer(world);
    int other = greeted_peer(world);
    const char *reason = NULL;
    size_t sent = 0;

    say(deaf, "x");
    uint64_t number = receive(world, "x");
    say(other, "y");
    uint64_t reader = receive(world, "y");
    while (reason == NULL) {
        reason = send_text(world, number, 256 * 1024);
        sent += 256 * 1024;
        assert_true(sent < (size_t) 64 << 20);
        assert_true(unread_bytes_of_all() <= (size_t) 8 << 20);
    }
    assert_string_equal(reason, "it does not read what it is sent");
    assert_null(send_text(world, reader, 10));
    assert_true(is_cut(world, deaf));
    expect_ended(world, number);
    int64_t deadline_ms = clocks_monotonic_ms() + TIMEOUT_MS;
    while (unread_bytes_of_all() > 0) {
        turn(world, 10);
        assert_true(clocks_monotonic_ms() < deadline_ms);
    }
    close(deaf), close(other);
}

static void who_reads_nothing_for_long_is_lost(void **state)
{
    struct world *world = *state;
    int deaf = greeted_peer(world);

    say(deaf, "x");
    uint64_t number = receive(world, "x");
    router_set_signed_in(world->router, number, true, now_ms(world));
    for (int i = 0; i < 24; i++) { // more than the kernel takes
        assert_null(send_text(world, number, 256 * 1024));
    }
    say(deaf, "y");
    receive(world, "y");
    assert_true(world->received.behind);
    turn(world, 0);
    world->ahead_ms += CONNECTIONS_STALLED_MS + 1000; // the process was stopped: it may have read meanwhile
    turn(world, 0);
    struct pollfd open = { .fd = deaf, .events = POLLRDHUP };
    assert_int_equal(poll(&open, 1, 100), 0);
    for (int i = 0; i < CONNECTIONS_STALLED_MS / 1000 + 1; i++) {
        world->ahead_ms += 1000;
        turn(world, 0);
    }
    assert_true(is_cut(world, deaf));
    close(deaf);
}

#define TEST(name)                                                                                                     \
    cmocka_unit_test_setup_teardown(name, set_up, tear_down),                                                          \
    {                                                                                                                  \
#name " (ipc)", name, set_up_ipc, tear_down, NULL                                                              \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_name_of_the_peers_own_is_refused_and_cut),
        cmocka_unit_test_setup_teardown(names_begin_elsewhere_in_every_process, set_up, tear_down),
        TEST(a_peer_that_takes_the_name_of_a_closed_connection_is_not_taken_for_it),
        TEST(what_was_said_before_the_end_is_heard_and_the_end_after_it),
        TEST(who_says_nothing_is_cut_off),
        TEST(an_address_has_its_limits),
        TEST(who_sends_only_noise_is_cut_off_though_no_desk_listens),
        TEST(who_does_not_read_is_lost_and_what_waited_is_given_back),
        TEST(who_reads_nothing_for_long_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
