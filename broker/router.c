// router.c - see router.h.

#include "broker/router.h"

#include "broker/overrun.h"
#include "proto/must.h"

#include <behalf/message.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

// What a peer that does not read may have waiting before it counts as lost: the answers to a full window of
// requests, twice, and the items shown on a resume.
#define SEND_FRAMES_MAX 4096

// What a peer may have waiting for us: frames are at most 1 MiB, so this bounds a flood to 64 MiB a peer.
#define RECEIVE_FRAMES_MAX 64

// Frames a little too long are still read, so that they can be answered; libzmq cuts off who sends longer ones.
#define RECEIVE_BYTES_MAX (2 * BEHALF_FRAME_BYTES)

// What may come over a connection without becoming a message: more than the longest one, and what the kernel holds.
#define UNFINISHED_BYTES_MAX ((size_t) 16 << 20)

#define HANDSHAKE_MS 5000 // a connection that does not complete ZeroMQ's greeting is closed
#define CONNECTIONS_WAITING_MAX 1024
#define LINGER_MS 500 // last words at the end

// libzmq's own name for a connection: a zero and four bytes.  Names that peers choose are not taken.
#define ROUTE_BYTES 5

struct router {
    void *context;
    void *socket;
    struct overrun *overrun;
    char *listening;
    zmq_msg_t frame; // of the message received last
};

// ---- endpoints ----

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

// True for tcp://HOST:PORT with a host that is 127.something in numbers.
static bool is_loopback_number(const char *endpoint)
{
    char host[INET_ADDRSTRLEN] = "";
    struct in_addr address;
    const char *begin = endpoint + strlen("tcp://");
    const char *colon = strrchr(endpoint, ':');

    if (!starts_with(endpoint, "tcp://") || colon < begin || (size_t) (colon - begin) >= sizeof host) {
        return false;
    }
    memcpy(host, begin, (size_t) (colon - begin));
    return inet_pton(AF_INET, host, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

bool router_may_listen(const char *endpoint, char *reason, size_t reason_bytes)
{
    if (starts_with(endpoint, "ipc://") || starts_with(endpoint, "tcp://[::1]:") || is_loopback_number(endpoint)) {
        return true;
    }
    snprintf(reason, reason_bytes,
             "%s: until clients prove who they are by keys, the broker listens only where this machine alone can "
             "connect: tcp://127.0.0.1:PORT, tcp://[::1]:PORT or ipc://PATH",
             endpoint);
    return false;
}

static void set_option(void *socket, int option, int value)
{
    must(zmq_setsockopt(socket, option, &value, sizeof value) == 0);
}

static void set_options(void *socket)
{
    set_option(socket, ZMQ_ROUTER_MANDATORY, 1);
    set_option(socket, ZMQ_SNDHWM, SEND_FRAMES_MAX);
    set_option(socket, ZMQ_RCVHWM, RECEIVE_FRAMES_MAX);
    set_option(socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
    set_option(socket, ZMQ_BACKLOG, CONNECTIONS_WAITING_MAX);
    set_option(socket, ZMQ_LINGER, LINGER_MS);
    int64_t bytes = RECEIVE_BYTES_MAX;
    must(zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &bytes, sizeof bytes) == 0);
}

static void add_listening(struct router *router, const char *endpoint)
{
    char bound[512] = "";
    size_t bytes = sizeof bound;
    char *longer = NULL;

    if (zmq_getsockopt(router->socket, ZMQ_LAST_ENDPOINT, bound, &bytes) != 0) {
        snprintf(bound, sizeof bound, "%s", endpoint);
    }
    must(asprintf(&longer, "%s%s%s", router->listening, router->listening[0] == '\0' ? "" : ",", bound) >= 0);
    free(router->listening);
    router->listening = longer;
}

struct router *router_new(const char *const *endpoints, size_t endpoint_count, char *reason, size_t reason_bytes)
{
    struct router *router = calloc(1, sizeof *router);

    must(router != NULL);
    router->listening = calloc(1, 1);
    router->context = zmq_ctx_new();
    must(router->listening != NULL);
    must(router->context != NULL);
    router->socket = zmq_socket(router->context, ZMQ_ROUTER);
    must(router->socket != NULL);
    zmq_msg_init(&router->frame);
    set_options(router->socket);
    router->overrun = overrun_new(router->context, router->socket, UNFINISHED_BYTES_MAX);
    for (size_t i = 0; i < endpoint_count; i++) {
        set_option(router->socket, ZMQ_IPV6, starts_with(endpoints[i], "tcp://["));
        if (zmq_bind(router->socket, endpoints[i]) != 0) {
            snprintf(reason, reason_bytes, "cannot listen on %s: %s", endpoints[i], zmq_strerror(zmq_errno()));
            router_destroy(&router);
            return NULL;
        }
        add_listening(router, endpoints[i]);
    }
    return router;
}

void router_destroy(struct router **router_p)
{
    struct router *router = *router_p;

    if (router == NULL) {
        return;
    }
    zmq_msg_close(&router->frame);
    overrun_destroy(&router->overrun);
    zmq_close(router->socket);
    zmq_ctx_term(router->context);
    free(router->listening);
    free(router);
    *router_p = NULL;
}

const char *router_listening(const struct router *router)
{
    return router->listening;
}

void *router_socket(const struct router *router)
{
    return router->socket;
}

int router_overrun_fd(const struct router *router)
{
    return overrun_fd(router->overrun);
}

// ---- frames in ----

// The number of the peer behind a route, 0 for a name of the peer's own choosing.
static uint64_t peer_of(const zmq_msg_t *route)
{
    const uint8_t *bytes = zmq_msg_data((zmq_msg_t *) route);
    uint64_t peer = 0;

    if (zmq_msg_size(route) != ROUTE_BYTES || bytes[0] != 0) {
        return 0;
    }
    for (size_t i = 1; i < ROUTE_BYTES; i++) {
        peer = peer << 8 | bytes[i];
    }
    return peer + 1; // 0 is no peer
}

static void route_to(uint64_t peer, uint8_t route[ROUTE_BYTES])
{
    uint64_t number = peer - 1;

    route[0] = 0;
    for (size_t i = ROUTE_BYTES - 1; i > 0; i--) {
        route[i] = (uint8_t) number;
        number >>= 8;
    }
}

// Reads the rest of a message that has more frames than it should.
static void drain(void *socket)
{
    zmq_msg_t frame;
    bool more = true;

    while (more) {
        zmq_msg_init(&frame);
        more = zmq_msg_recv(&frame, socket, ZMQ_DONTWAIT) >= 0 && zmq_msg_more(&frame);
        zmq_msg_close(&frame);
    }
}

// Answers a peer that has chosen its own name.
static void refuse_route(const struct router *router, zmq_msg_t *route)
{
    static const struct behalf_message refusal = {
        .type = BEHALF_ERROR,
        .error = { .code = "FORBIDDEN",
                   .reason = "leave the socket's routing id to ZeroMQ: do not set ZMQ_ROUTING_ID" },
    };
    struct behalf_fault fault;
    size_t bytes = 0;
    void *frame = behalf_message_encode(&refusal, &bytes, &fault);

    must(frame != NULL);
    if (zmq_send(router->socket, zmq_msg_data(route), zmq_msg_size(route), ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0) {
        zmq_send(router->socket, frame, bytes, ZMQ_DONTWAIT);
    }
    free(frame);
}

// Reads the frames behind a route; false if there are none.
static bool read_frame(struct router *router, const zmq_msg_t *route, struct received *received)
{
    zmq_msg_close(&router->frame);
    zmq_msg_init(&router->frame);
    if (!zmq_msg_more(route) || zmq_msg_recv(&router->frame, router->socket, ZMQ_DONTWAIT) < 0) {
        return false;
    }
    overrun_delivered(router->overrun, zmq_msg_get(&router->frame, ZMQ_SRCFD));
    received->several = zmq_msg_more(&router->frame);
    received->frame = zmq_msg_data(&router->frame);
    received->frame_bytes = zmq_msg_size(&router->frame);
    if (received->several) {
        drain(router->socket);
    }
    return true;
}

bool router_receive(struct router *router, struct received *received)
{
    zmq_msg_t route;
    bool found = false;

    *received = (struct received){ 0 };
    zmq_msg_init(&route);
    while (!found && zmq_msg_recv(&route, router->socket, ZMQ_DONTWAIT) >= 0) {
        received->peer = peer_of(&route);
        found = read_frame(router, &route, received);
        if (found && received->peer == 0) {
            refuse_route(router, &route);
            found = false;
        }
    }
    zmq_msg_close(&route);
    if (!found) {
        overrun_drained(router->overrun);
    }
    return found;
}

// ---- frames out ----

const char *router_send(struct router *router, uint64_t peer, const void *frame, size_t frame_bytes)
{
    uint8_t route[ROUTE_BYTES];

    route_to(peer, route);
    if (zmq_send(router->socket, route, sizeof route, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0 &&
        zmq_send(router->socket, frame, frame_bytes, ZMQ_DONTWAIT) >= 0) {
        return NULL;
    }
    return zmq_errno() == EHOSTUNREACH ? "its connection is gone" : "it does not read what it is sent";
}
