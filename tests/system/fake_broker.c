// fake_broker.c - its socket, its sessions, and what it says by itself: see fake_broker.h.

#include "tests/system/fake_broker.h"
#include "proto/base/clocks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zmq.h>

#include <cmocka.h>

#define WAITING_MAX 4096

struct fake_broker {
    struct fake_broker_options options;
    void *context;
    void *socket; // NULL while away
    char endpoint[64];
    unsigned char peer[64]; // routing id of the client that spoke last
    size_t peer_bytes;
    struct behalf_message *waiting[WAITING_MAX]; // received, not yet asked for; a ring
    size_t first, count;
    struct behalf_message *hello; // the last one not yet asked for
    bool resumes;
    const char *refusal; // code, or NULL
};

static void open_socket(struct fake_broker *broker, const char *endpoint)
{
    int none = 0;
    int64_t deadline_ms = clocks_monotonic_ms() + FAKE_BROKER_WAIT_MS;
    broker->socket = zmq_socket(broker->context, ZMQ_ROUTER);
    assert_non_null(broker->socket);
    zmq_setsockopt(broker->socket, ZMQ_LINGER, &none, sizeof none);
    while (zmq_bind(broker->socket, endpoint) != 0) { // the old socket may still be closing
        assert_true(clocks_monotonic_ms() < deadline_ms);
    }
    size_t bytes = sizeof broker->endpoint;
    assert_int_equal(zmq_getsockopt(broker->socket, ZMQ_LAST_ENDPOINT, broker->endpoint, &bytes), 0);
}

struct fake_broker *fake_broker_new(const struct fake_broker_options *options)
{
    struct fake_broker *broker = calloc(1, sizeof *broker);
    assert_non_null(broker);
    if (options != NULL) {
        broker->options = *options;
    }
    broker->resumes = true;
    broker->context = zmq_ctx_new();
    open_socket(broker, "tcp://127.0.0.1:*");
    return broker;
}

void fake_broker_destroy(struct fake_broker **broker_p)
{
    struct fake_broker *broker = *broker_p;
    if (broker == NULL) {
        return;
    }
    fake_broker_go_away(broker);
    zmq_ctx_term(broker->context);
    behalf_message_destroy(&broker->hello);
    for (size_t i = 0; i < broker->count; i++) {
        behalf_message_destroy(&broker->waiting[(broker->first + i) % WAITING_MAX]);
    }
    free(broker);
    *broker_p = NULL;
}

const char *fake_broker_endpoint(const struct fake_broker *broker)
{
    return broker->endpoint;
}

void fake_broker_send(struct fake_broker *broker, const struct behalf_message *message)
{
    struct behalf_fault fault;
    size_t bytes;
    void *frame = behalf_message_encode(message, &bytes, &fault);
    if (frame == NULL) {
        fail_msg("cannot encode %s: %s", behalf_type_name(message->type), fault.reason);
    }
    assert_non_null(broker->socket);
    zmq_send(broker->socket, broker->peer, broker->peer_bytes, ZMQ_SNDMORE);
    zmq_send(broker->socket, frame, bytes, 0);
    free(frame);
}

static void welcome(struct fake_broker *broker, struct behalf_message *hello)
{
    const struct fake_broker_options *options = &broker->options;
    struct behalf_message message = { .type = BEHALF_WELCOME, .id = hello->id };
    message.welcome = (struct behalf_welcome){ .version = BEHALF_PROTOCOL_VERSION,
                                               .token = "token-of-the-test",
                                               .resumed = broker->resumes && hello->hello.token[0] != '\0',
                                               .desk = "test",
                                               .now_ms = clocks_utc_ms(),
                                               .heartbeat_ms = options->heartbeat_ms ? options->heartbeat_ms : 2000,
                                               .timeout_ms = options->timeout_ms ? options->timeout_ms : 30000,
                                               .window = options->window ? options->window : 64 };
    if (strcmp(hello->hello.role, "person") == 0) {
        message.welcome.presence = "available";
        message.welcome.roles = options->roles != NULL ? options->roles : "agent";
        message.welcome.display_name = "Asha";
        message.welcome.agency = "Northwind";
        message.welcome.capacity = 3;
    }
    fake_broker_send(broker, &message);
    behalf_message_destroy(&broker->hello);
    broker->hello = hello;
}

static void take(struct fake_broker *broker, struct behalf_message *message)
{
    if (message->type == BEHALF_HELLO && broker->refusal != NULL) {
        fake_broker_error(broker, message->id, broker->refusal, "the test wants it so", 0);
        behalf_message_destroy(&message);
    } else if (message->type == BEHALF_HELLO) {
        welcome(broker, message);
        if (broker->options.restarts) {
            fake_broker_send(broker, &(struct behalf_message){ .type = BEHALF_BYE, .bye = { .reason = "restarting" } });
        }
    } else if (message->type == BEHALF_HEARTBEAT) {
        behalf_message_destroy(&message);
        struct behalf_message heartbeat = { .type = BEHALF_HEARTBEAT };
        fake_broker_send(broker, &heartbeat);
    } else {
        assert_true(broker->count < WAITING_MAX);
        broker->waiting[(broker->first + broker->count++) % WAITING_MAX] = message;
    }
}

// Receives one message, waiting for the time given at most.  False if none came.
static bool work(struct fake_broker *broker, int timeout_ms)
{
    zmq_pollitem_t item = { .socket = broker->socket, .events = ZMQ_POLLIN };
    if (zmq_poll(&item, 1, timeout_ms) <= 0) {
        return false;
    }
    int bytes = zmq_recv(broker->socket, broker->peer, sizeof broker->peer, 0);
    assert_true(bytes > 0 && bytes <= (int) sizeof broker->peer);
    broker->peer_bytes = (size_t) bytes;

    zmq_msg_t frame;
    zmq_msg_init(&frame);
    assert_true(zmq_msg_recv(&frame, broker->socket, 0) >= 0);
    assert_false(zmq_msg_more(&frame));
    struct behalf_fault fault;
    struct behalf_message *message = behalf_message_decode(zmq_msg_data(&frame), zmq_msg_size(&frame), &fault);
    zmq_msg_close(&frame);
    if (message == NULL) {
        fail_msg("the client sent a bad frame: %s %s", fault.field, fault.reason);
    }
    take(broker, message);
    return true;
}

struct behalf_message *fake_broker_next(struct fake_broker *broker, int timeout_ms)
{
    int64_t deadline_ms = clocks_monotonic_ms() + timeout_ms;
    while (work(broker, 0)) {
        continue;
    }
    while (broker->count == 0) {
        int64_t left_ms = deadline_ms - clocks_monotonic_ms();
        if (left_ms < 0) {
            return NULL;
        }
        work(broker, (int) left_ms);
    }
    struct behalf_message *message = broker->waiting[broker->first];
    broker->first = (broker->first + 1) % WAITING_MAX;
    broker->count--;
    return message;
}

struct behalf_message *fake_broker_expect(struct fake_broker *broker, enum behalf_type type)
{
    struct behalf_message *message = fake_broker_next(broker, FAKE_BROKER_WAIT_MS);
    if (message == NULL) {
        fail_msg("the client sent no %s", behalf_type_name(type));
    }
    if (message->type != type) {
        fail_msg("the client sent %s instead of %s", behalf_type_name(message->type), behalf_type_name(type));
    }
    return message;
}

static bool has_hello(void *self)
{
    return ((struct fake_broker *) self)->hello != NULL;
}

struct behalf_message *fake_broker_expect_hello(struct fake_broker *broker)
{
    fake_broker_work_until(broker, has_hello, broker);
    struct behalf_message *hello = broker->hello;
    broker->hello = NULL;
    return hello;
}

void fake_broker_taken(struct fake_broker *broker, int64_t id, int64_t item)
{
    struct behalf_message message = { .type = BEHALF_TAKEN, .id = id, .taken = { .item = item } };
    fake_broker_send(broker, &message);
}

void fake_broker_done(struct fake_broker *broker, int64_t id, int64_t item, int64_t lease, const char *state)
{
    struct behalf_message message = { .type = BEHALF_DONE,
                                      .id = id,
                                      .done = { .item = item, .lease = lease, .state = state } };
    fake_broker_send(broker, &message);
}

void fake_broker_error(struct fake_broker *broker, int64_t id, const char *code, const char *reason, int64_t retry_ms)
{
    struct behalf_message message = { .type = BEHALF_ERROR,
                                      .id = id,
                                      .error = { .code = code, .reason = reason, .retry_ms = retry_ms } };
    fake_broker_send(broker, &message);
}

void fake_broker_resumes(struct fake_broker *broker, bool resumes)
{
    broker->resumes = resumes;
}

void fake_broker_refuses(struct fake_broker *broker, const char *code)
{
    broker->refusal = code;
}

void fake_broker_work_until(struct fake_broker *broker, bool (*ready)(void *self), void *self)
{
    int64_t deadline_ms = clocks_monotonic_ms() + FAKE_BROKER_WAIT_MS;
    while (!ready(self)) {
        if (clocks_monotonic_ms() >= deadline_ms) {
            fail_msg("what the test waits for did not come");
        }
        fake_broker_work(broker, 10);
    }
}

void fake_broker_work(struct fake_broker *broker, int timeout_ms)
{
    if (broker->socket != NULL) {
        work(broker, timeout_ms);
    } else {
        zmq_poll(NULL, 0, timeout_ms);
    }
}

void fake_broker_go_away(struct fake_broker *broker)
{
    if (broker->socket != NULL) {
        zmq_close(broker->socket);
    }
    broker->socket = NULL;
}

void fake_broker_come_back(struct fake_broker *broker)
{
    char endpoint[64];
    memcpy(endpoint, broker->endpoint, sizeof endpoint);
    open_socket(broker, endpoint);
}
