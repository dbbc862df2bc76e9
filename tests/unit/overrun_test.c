// overrun_test.c - a peer that never ends its message is cut off; one that sends a lot is not.  Over real sockets.

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
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define BYTES_MAX ((size_t) 16 << 20) // as in PROTOCOL.md
#define TIMEOUT_MS 20000

struct world {
    struct router *router;
    uint64_t delivered_bytes;
};

static int set_up(void **state)
{
    static const char *const endpoints[] = { "tcp://127.0.0.1:*" };
    struct world *world = calloc(1, sizeof *world);
    char reason[256];

    assert_non_null(world);
    world->router = router_new(endpoints, 1, &(struct router_limits){ 0 }, reason, sizeof reason);
    assert_non_null(world->router);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;

    router_destroy(&world->router);
    free(world);
    return 0;
}

// What a broker's loop does: reads all there is, then says that there was no more.
static void drain(struct world *world)
{
    struct received received;

    while (router_receive(world->router, &received, clocks_monotonic_ms())) {
        world->delivered_bytes += received.frame_bytes;
    }
}

static void turn(struct world *world, int wait_ms)
{
    router_wait(world->router, -1, wait_ms);
    drain(world);
}

// ---- a peer that speaks ZMTP 3.0 by itself: rfc.zeromq.org/spec/23 ----

static int connect_peer(const struct world *world)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port =
                                       htons((uint16_t) atoi(strrchr(router_listening(world->router), ':') + 1)) };
    int peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    assert_int_equal(connect(peer, (struct sockaddr *) &address, sizeof address), 0);
    return peer;
}

static void greet(int peer)
{
    static const char ready[] = "\x04\x1c\x05READY\x0bSocket-Type\0\0\0\x06"
                                "DEALER";
    unsigned char greeting[64] = { 0xff, [9] = 0x7f, [10] = 3, [11] = 0, [12] = 'N', 'U', 'L', 'L' };
    unsigned char theirs[64];

    assert_int_equal(send(peer, greeting, sizeof greeting, 0), sizeof greeting);
    assert_int_equal(send(peer, ready, sizeof ready - 1, 0), sizeof ready - 1);
    assert_int_equal(recv(peer, theirs, sizeof theirs, MSG_WAITALL), sizeof theirs);
}

// Sends a frame of 64 KiB, the last of its message or not; false when the connection has been cut.
static bool send_frame(struct world *world, int peer, bool more)
{
    static unsigned char frame[9 + 65536];
    size_t sent = 0;

    frame[0] = more ? 0x03 : 0x02; // long, and more to come or not
    frame[6] = 1;                  // 65536 in eight bytes, the highest first
    while (sent < sizeof frame) {
        ssize_t count = send(peer, frame + sent, sizeof frame - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count < 0 && errno != EAGAIN) {
            return false;
        }
        sent += count > 0 ? (size_t) count : 0;
        if (count < 0) {
            turn(world, 1);
        }
    }
    return true;
}

static void a_message_that_never_ends_is_cut_off(void **state)
{
    struct world *world = *state;
    int peer = connect_peer(world);
    int64_t deadline_ms = clocks_monotonic_ms() + TIMEOUT_MS;
    uint64_t bytes = 0;

    greet(peer);
    while (send_frame(world, peer, true) && clocks_monotonic_ms() < deadline_ms) {
        bytes += 65536;
        turn(world, 0);
    }
    assert_true(clocks_monotonic_ms() < deadline_ms);
    assert_true(bytes > BYTES_MAX);
    assert_int_equal(world->delivered_bytes, 0);
    close(peer);
}

static void a_message_that_stays_unfinished_while_nobody_else_speaks_is_cut_off(void **state)
{
    struct world *world = *state;
    int peer = connect_peer(world);
    struct pollfd ended = { .fd = peer, .events = POLLRDHUP };
    int64_t deadline_ms = clocks_monotonic_ms() + TIMEOUT_MS;

    greet(peer);
    for (size_t bytes = 0; bytes <= BYTES_MAX; bytes += 65536) {
        assert_true(send_frame(world, peer, true));
    }
    while (poll(&ended, 1, 0) == 0 && clocks_monotonic_ms() < deadline_ms) {
        turn(world, 1000); // wakes up by what the other thread asks for
    }
    assert_true(poll(&ended, 1, 0) > 0);
    close(peer);
}

static void many_whole_messages_are_not(void **state)
{
    struct world *world = *state;
    int peer = connect_peer(world);
    int64_t deadline_ms = clocks_monotonic_ms() + TIMEOUT_MS;
    uint64_t bytes = 0;

    greet(peer);
    for (int i = 0; i < 8000; i++) {
        assert_true(send_frame(world, peer, false));
        bytes += 65536;
        if (i % 100 == 0) {
            turn(world, 0);
        }
    }
    while (world->delivered_bytes < bytes && clocks_monotonic_ms() < deadline_ms) {
        turn(world, 10);
    }
    assert_int_equal(world->delivered_bytes, bytes);
    close(peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_message_that_never_ends_is_cut_off, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_message_that_stays_unfinished_while_nobody_else_speaks_is_cut_off, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(many_whole_messages_are_not, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
