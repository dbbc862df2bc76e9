// frame_queue_test.c - order, waiting claims, and the bound of each peer.

#include "broker/session/frame_queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bool put(struct frame_queue *queue, uint64_t peer, const char *text, size_t bytes, bool claiming)
{
    void *frame = calloc(1, bytes);

    assert_non_null(frame);
    memcpy(frame, text, strlen(text));
    bool taken = frame_queue_put(queue, peer, &frame, bytes, claiming);
    assert_null(frame);
    return taken;
}

static void expect_next(struct frame_queue *queue, bool claiming_too, const char *text)
{
    uint64_t peer;
    size_t bytes;
    void *frame = frame_queue_take(queue, claiming_too, &peer, &bytes);

    assert_non_null(frame);
    assert_memory_equal(frame, text, strlen(text));
    free(frame);
}

static void expect_nothing(struct frame_queue *queue, bool claiming_too)
{
    uint64_t peer;
    size_t bytes;

    assert_null(frame_queue_take(queue, claiming_too, &peer, &bytes));
}

static void frames_come_out_in_order_and_claims_wait_alone(void **state)
{
    struct frame_queue queue = { 0 };

    (void) state;
    put(&queue, 1, "a", 1, true);
    put(&queue, 2, "b", 1, false);
    put(&queue, 1, "c", 1, true);
    put(&queue, 1, "d", 1, false);
    expect_next(&queue, false, "b");
    expect_next(&queue, true, "a");
    expect_next(&queue, true, "c");
    put(&queue, 1, "e", 1, true);
    expect_next(&queue, true, "d");
    expect_nothing(&queue, false);
    expect_next(&queue, true, "e");
    expect_nothing(&queue, true);
    frame_queue_fini(&queue);
}

static void a_peer_has_so_many_frames_waiting_and_no_more(void **state)
{
    struct frame_queue queue = { 0 };

    (void) state;
    for (size_t i = 0; i < FRAME_QUEUE_PEER_FRAMES; i++) {
        assert_true(put(&queue, 1, "x", 1, i % 2 == 0));
    }
    assert_false(put(&queue, 1, "x", 1, true));
    assert_true(put(&queue, 2, "other", 5, true));
    expect_next(&queue, true, "other"); // nothing more goes out to the first
    expect_nothing(&queue, true);
    assert_true(put(&queue, 1, "anew", 4, true)); // and it is forgotten then
    frame_queue_fini(&queue);
}

static void a_peer_has_so_many_bytes_waiting_and_no_more(void **state)
{
    struct frame_queue queue = { 0 };

    (void) state;
    assert_true(put(&queue, 1, "long", 2 * FRAME_QUEUE_PEER_BYTES, true)); // alone
    assert_false(put(&queue, 1, "x", 1, true));
    expect_nothing(&queue, true);
    assert_true(put(&queue, 1, "half", FRAME_QUEUE_PEER_BYTES / 2, true));
    assert_true(put(&queue, 1, "half", FRAME_QUEUE_PEER_BYTES / 2, false));
    expect_next(&queue, true, "half");
    assert_true(put(&queue, 1, "half", FRAME_QUEUE_PEER_BYTES / 2, false));
    assert_false(put(&queue, 1, "x", 1, false));
    frame_queue_fini(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_come_out_in_order_and_claims_wait_alone),
        cmocka_unit_test(a_peer_has_so_many_frames_waiting_and_no_more),
        cmocka_unit_test(a_peer_has_so_many_bytes_waiting_and_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
