// router.c - the socket and its monitor, frames in and out, and the limits of addresses: see router.h.

#include "broker/router.h"

#include "broker/session/allowance.h"
#include "broker/connections.h"
#include "broker/log.h"
#include "broker/overrun.h"
#include "proto/base/must.h"

#include <behalf/message.h>

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
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

// Bytes that may wait to be read by one peer: as many as one may have waiting in a broker's queue.  The kernel holds
// some more, and one frame is let through however long.
#define PEER_UNREAD_BYTES_MAX ((size_t) 8 << 20)

// By all peers together.  Beyond it who has more than a small share waiting is taken for one that does not read.
#define ALL_UNREAD_BYTES_MAX ((size_t) 128 << 20)
#define SHARE_UNREAD_BYTES ((size_t) 1 << 20)

// A peer with this much waiting is behind.
#define BEHIND_BYTES ((size_t) 1 << 20)

// What the kernel may hold for a connection; by itself it would let that grow to several MB.
#define SEND_BUFFER_BYTES (256 * 1024)

// Connections that are not signed in at most, and the share of all descriptors that they may have.
#define STRANGERS_MAX 1024
#define STRANGERS_SHARE 4

// Descriptors that are for something else than connections: stores, threads, files.
#define DESCRIPTORS_KEPT 128

// What one remote address may have of them: two whole shifts of 300 that connect at one moment, as when a broker has
// been started again, and little more than half of all.
#define ADDRESS_STRANGERS_MAX 600
static_assert(ADDRESS_STRANGERS_MAX < STRANGERS_MAX, "others have room beside one address");

// Refused sign-ins of one address in a minute: a shift of 300 that begins in it and mistypes its names four times each.
#define ADDRESS_REFUSALS_MAX 1200

#define ADDRESS_LOG_MS 60000 // in which one line is logged of those who are over the limits of their address

#define LOOK_MS 1000 // at who does not read
#define STALLED_A_LOOK 64

// Ends of connections that are logged: at once, and more a second.
#define CUTS_LOG_BURST 20
#define CUTS_LOG_RATE 1

#define FAULTS_MAX 16 // frames of noise in a row, as while a desk listens

#define HANDSHAKE_MS 5000 // a connection that does not complete ZeroMQ's greeting is closed
#define CONNECTIONS_WAITING_MAX 1024
#define LINGER_MS 500 // last words at the end

// libzmq's own name for a connection: a zero and four bytes.  Names that peers choose are not taken.
#define ROUTE_BYTES 5

struct router {
    void *context;
    void *socket;
    void *monitor; // libzmq's events
    int socket_fd;
    int monitor_fd;
    struct overrun *overrun;
    struct connections *connections;
    char *listening;
    zmq_msg_t frame;   // of the message received last
    bool socket_news;  // there may be messages: to ask costs two calls into the kernel
    bool monitor_news; // connections may have begun or ended
    bool suspicion;    // overrun wants the socket to be read until it has nothing
    int64_t look_ms;   // when unread bytes are looked at next
    struct allowance cuts_log;
    uint64_t cuts_left_out; // of the log
    uint64_t over_address;  // connections ended and sign-ins refused for the limits of an address
    uint64_t over_logged;   // of them, when that was logged last
    int64_t over_log_ms;    // at this time
};

// ---- endpoints ----

static bool router_starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

// True for tcp://HOST:PORT with a host that is 127.something in numbers.
static bool router_is_loopback_number(const char *endpoint)
{
    char host[INET_ADDRSTRLEN] = "";
    struct in_addr address;
    const char *begin = endpoint + strlen("tcp://");
    const char *colon = strrchr(endpoint, ':');

    if (!router_starts_with(endpoint, "tcp://") || colon < begin || (size_t) (colon - begin) >= sizeof host) {
        return false;
    }
    memcpy(host, begin, (size_t) (colon - begin));
    return inet_pton(AF_INET, host, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

bool router_may_listen(const char *endpoint, char *reason, size_t reason_bytes)
{
    if (router_starts_with(endpoint, "ipc://") || router_starts_with(endpoint, "tcp://[::1]:") ||
        router_is_loopback_number(endpoint)) {
        return true;
    }
    snprintf(reason, reason_bytes,
             "%s: until clients prove who they are by keys, the broker listens only where this machine alone can "
             "connect: tcp://127.0.0.1:PORT, tcp://[::1]:PORT or ipc://PATH",
             endpoint);
    return false;
}

static void router_set_option(void *socket, int option, int value)
{
    must(zmq_setsockopt(socket, option, &value, sizeof value) == 0);
}

static int router_descriptor_of(void *socket)
{
    int descriptor;
    size_t bytes = sizeof descriptor;

    must(zmq_getsockopt(socket, ZMQ_FD, &descriptor, &bytes) == 0);
    return descriptor;
}

static void router_set_options(void *socket)
{
    router_set_option(socket, ZMQ_ROUTER_MANDATORY, 1);
    router_set_option(socket, ZMQ_SNDHWM, SEND_FRAMES_MAX);
    router_set_option(socket, ZMQ_RCVHWM, RECEIVE_FRAMES_MAX);
    router_set_option(socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
    router_set_option(socket, ZMQ_BACKLOG, CONNECTIONS_WAITING_MAX);
    router_set_option(socket, ZMQ_LINGER, LINGER_MS);
    router_set_option(socket, ZMQ_SNDBUF, SEND_BUFFER_BYTES);
    int64_t bytes = RECEIVE_BYTES_MAX;
    must(zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &bytes, sizeof bytes) == 0);
}

static void router_add_listening(struct router *router, const char *endpoint)
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

// ---- names ----

// The number of the peer behind a route, 0 for a name that the ROUTER does not give.
static uint64_t router_peer_of(const zmq_msg_t *route)
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

static void router_route_to(uint64_t peer, uint8_t route[ROUTE_BYTES])
{
    uint64_t number = peer - 1;

    route[0] = 0;
    for (size_t i = ROUTE_BYTES - 1; i > 0; i--) {
        route[i] = (uint8_t) number;
        number >>= 8;
    }
}

// libzmq takes the first name that a ROUTER gives from rand(), and a peer that names itself like a connection to come
// would end the process: nobody may be able to guess it.  What chance remains is told in connections.c.
static void router_shuffle_names(void)
{
    unsigned seed;

    must(getrandom(&seed, sizeof seed, 0) == (ssize_t) sizeof seed);
    srand(seed);
}

// Finds out the name that comes next, by a connection from this thread to itself.
static uint64_t router_find_next_peer(const struct router *router)
{
    void *self = zmq_socket(router->context, ZMQ_DEALER);
    zmq_msg_t frame;
    char endpoint[64];

    snprintf(endpoint, sizeof endpoint, "inproc://router-%p", (const void *) router);
    must(self != NULL);
    must(zmq_bind(router->socket, endpoint) == 0);
    must(zmq_connect(self, endpoint) == 0);
    must(zmq_send(self, "", 0, 0) == 0);
    must(zmq_msg_init(&frame) == 0);
    must(zmq_msg_recv(&frame, router->socket, 0) == (int) ROUTE_BYTES);
    uint64_t peer = router_peer_of(&frame);
    must(zmq_msg_recv(&frame, router->socket, 0) == 0);
    zmq_msg_close(&frame);
    must(zmq_unbind(router->socket, endpoint) == 0);
    zmq_close(self);
    return peer == UINT64_C(1) + UINT32_MAX ? 1 : peer + 1;
}

// ---- beginning and end ----

static void router_open_monitor(struct router *router)
{
    char endpoint[64];

    snprintf(endpoint, sizeof endpoint, "inproc://monitor-%p", (void *) router);
    must(zmq_socket_monitor(router->socket, endpoint, ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED) == 0);
    router->monitor = zmq_socket(router->context, ZMQ_PAIR);
    must(router->monitor != NULL);
    router_set_option(router->monitor, ZMQ_LINGER, 0);
    router_set_option(router->monitor, ZMQ_RCVHWM, 0); // else libzmq's own thread would wait for the loop
    must(zmq_connect(router->monitor, endpoint) == 0);
}

static size_t router_limit_or(int64_t given, size_t otherwise)
{
    return given == 0 ? otherwise : given < 0 ? 0 : (size_t) given;
}

static struct connections *router_make_connections(const struct router *router, const struct router_limits *given)
{
    size_t total_max = CONNECTIONS_DESCRIPTORS_MAX - DESCRIPTORS_KEPT;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < total_max + DESCRIPTORS_KEPT) {
        total_max = limit.rlim_cur > (rlim_t) 2 * DESCRIPTORS_KEPT ? (size_t) limit.rlim_cur - DESCRIPTORS_KEPT
                                                                   : DESCRIPTORS_KEPT;
    }
    size_t strangers_max = total_max / STRANGERS_SHARE < STRANGERS_MAX ? total_max / STRANGERS_SHARE : STRANGERS_MAX;
    struct address_limits limits = {
        .strangers_max = router_limit_or(given->strangers_max, strangers_max * ADDRESS_STRANGERS_MAX / STRANGERS_MAX),
        .refusals_max = router_limit_or(given->refusals_max, ADDRESS_REFUSALS_MAX),
    };
    return connections_new(strangers_max, total_max, &limits, router_find_next_peer(router));
}

struct router *router_new(const char *const *endpoints, size_t endpoint_count, const struct router_limits *limits,
                          char *reason, size_t reason_bytes)
{
    struct router *router = calloc(1, sizeof *router);

    must(router != NULL);
    router_shuffle_names();
    router->listening = calloc(1, 1);
    router->context = zmq_ctx_new();
    must(router->listening != NULL);
    must(router->context != NULL);
    router->socket = zmq_socket(router->context, ZMQ_ROUTER);
    must(router->socket != NULL);
    zmq_msg_init(&router->frame);
    router_set_options(router->socket);
    router->connections = router_make_connections(router, limits);
    router->overrun = overrun_new(UNFINISHED_BYTES_MAX);
    router_open_monitor(router);
    router->socket_fd = router_descriptor_of(router->socket);
    router->monitor_fd = router_descriptor_of(router->monitor);
    router->socket_news = true;
    router->monitor_news = true;
    for (size_t i = 0; i < endpoint_count; i++) {
        router_set_option(router->socket, ZMQ_IPV6, router_starts_with(endpoints[i], "tcp://["));
        if (zmq_bind(router->socket, endpoints[i]) != 0) {
            snprintf(reason, reason_bytes, "cannot listen on %s: %s", endpoints[i], zmq_strerror(zmq_errno()));
            router_destroy(&router);
            return NULL;
        }
        router_add_listening(router, endpoints[i]);
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
    zmq_socket_monitor(router->socket, NULL, 0);
    zmq_close(router->monitor);
    zmq_close(router->socket);
    zmq_ctx_term(router->context);
    connections_destroy(&router->connections);
    free(router->listening);
    free(router);
    *router_p = NULL;
}

const char *router_listening(const struct router *router)
{
    return router->listening;
}

// ---- waiting ----

// The descriptor tells of what has come since the socket was asked last, except when sending has taken the news off it.
static bool router_has_messages(struct router *router)
{
    int events = 0;
    size_t bytes = sizeof events;

    if (router->socket_news) {
        must(zmq_getsockopt(router->socket, ZMQ_EVENTS, &events, &bytes) == 0);
    }
    return (events & ZMQ_POLLIN) != 0;
}

bool router_wait(struct router *router, int descriptor, int64_t wait_ms)
{
    struct pollfd polls[] = {
        { .fd = router->socket_fd, .events = POLLIN },
        { .fd = router->monitor_fd, .events = POLLIN },
        { .fd = overrun_fd(router->overrun), .events = POLLIN },
        { .fd = descriptor, .events = POLLIN },
    };
    int limit_ms = wait_ms < 0 ? -1 : wait_ms > INT_MAX ? INT_MAX : (int) wait_ms;

    router->socket_news = router_has_messages(router);
    if (router->socket_news) {
        limit_ms = 0;
    }
    if (poll(polls, sizeof polls / sizeof polls[0], limit_ms) < 0) {
        must(errno == EINTR);
        return false;
    }
    // What came over a connection before it ended is read before its end is told.
    router->monitor_news = router->monitor_news || polls[1].revents != 0;
    router->socket_news = router->socket_news || router->monitor_news || polls[0].revents != 0;
    router->suspicion = router->suspicion || polls[2].revents != 0;
    return polls[3].revents != 0;
}

// ---- connections ----

// Whoever is over a limit may come again as fast as they can: that must not fill the disk.
static void router_note_over_address(struct router *router, const struct connection *connection, const char *what,
                                     int64_t now_ms)
{
    router->over_address++;
    if (router->over_logged > 0 && now_ms - router->over_log_ms < ADDRESS_LOG_MS) {
        return;
    }
    log_format("warning", "peer address=%s %s; of all addresses %" PRIu64 " since this was logged last",
               connections_address_text(connection), what, router->over_address - router->over_logged);
    router->over_logged = router->over_address;
    router->over_log_ms = now_ms;
}

static void router_hear_accepted(struct router *router, int descriptor, int64_t now_ms)
{
    struct remote_address address;

    remote_address_of(descriptor, &address);
    const struct connection *refused = connections_accepted(router->connections, descriptor, &address, now_ms);
    if (refused != NULL) {
        router_note_over_address(router, refused,
                                 "a connection was cut off: as many from there as may be are not signed in", now_ms);
    }
}

static void router_hear_event(struct router *router, unsigned event, int descriptor, int64_t now_ms)
{
    if (event == ZMQ_EVENT_ACCEPTED) {
        router_hear_accepted(router, descriptor, now_ms);
        overrun_accepted(router->overrun, descriptor);
    } else if (event == ZMQ_EVENT_DISCONNECTED) {
        connections_closed(router->connections, descriptor, now_ms);
        overrun_closed(router->overrun, descriptor);
    }
}

// Hears of all connections that have come and gone.  libzmq tells of an end before the descriptor can be another's, and
// of a beginning before anything comes over it: so this is called before what came first over a connection is looked
// at, and before it is said whose end it is that everything was read of.  An event is a frame of its number and its
// value, followed by one with the endpoint.  Source: zmq_socket_monitor(3).
static void router_hear_connections(struct router *router, int64_t now_ms)
{
    zmq_msg_t frame;

    router->monitor_news = false;
    must(zmq_msg_init(&frame) == 0);
    while (zmq_msg_recv(&frame, router->monitor, ZMQ_DONTWAIT) >= 0) {
        uint16_t event;
        uint32_t value;
        if (!zmq_msg_more(&frame) || zmq_msg_size(&frame) < sizeof event + sizeof value) {
            continue;
        }
        memcpy(&event, zmq_msg_data(&frame), sizeof event);
        memcpy(&value, (const char *) zmq_msg_data(&frame) + sizeof event, sizeof value);
        router_hear_event(router, event, (int) value, now_ms);
    }
    zmq_msg_close(&frame);
}

uint64_t router_next_ended(struct router *router, bool drained, int64_t now_ms, const char **reason)
{
    return connections_next_ended(router->connections, drained, now_ms, reason);
}

// Whoever connects may be cut off as fast as they can come back: that must not fill the disk.
static void router_log_cut(struct router *router, const struct connection *connection, int64_t now_ms)
{
    if (allowance_spend(&router->cuts_log, CUTS_LOG_RATE, CUTS_LOG_BURST, now_ms) > 0) {
        router->cuts_left_out++;
        return;
    }
    if (router->cuts_left_out > 0) {
        log_format("warning", "peer %" PRIu64 " more connections cut off", router->cuts_left_out);
        router->cuts_left_out = 0;
    }
    log_format("info", "peer connection cut off, of %zu: %s", connections_count(router->connections),
               connection->reason);
}

// What is cut is a duplicate: if its end has not been told by then, the descriptor was still this connection's.
static void router_cut(struct router *router, struct connection *connection, int64_t now_ms)
{
    // Reset, not just ended: a peer that only sends would not notice for a minute.  Source: socket(7), SO_LINGER.
    struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
    int duplicate = dup(connection->descriptor);

    router_hear_connections(router, now_ms);
    connection->cut = true;
    if (duplicate >= 0 && !connection->ended) {
        setsockopt(duplicate, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        shutdown(duplicate, SHUT_RDWR);
        if (!connection->logged) {
            router_log_cut(router, connection, now_ms);
        }
    }
    if (duplicate >= 0) {
        close(duplicate);
    }
}

static void router_drop(struct router *router, struct connection *connection, const char *reason, int64_t now_ms)
{
    connections_refuse(router->connections, connection, reason, now_ms);
    if (!connection->ended && !connection->cut) {
        router_cut(router, connection, now_ms);
    }
}

void router_set_signed_in(struct router *router, uint64_t peer, bool signed_in, int64_t now_ms)
{
    struct connection *connection = connections_find(router->connections, peer);

    if (connection != NULL) {
        connections_set_signed_in(router->connections, connection, signed_in, now_ms);
    }
}

void router_note_noise(struct router *router, uint64_t peer, bool noise, int64_t now_ms)
{
    struct connection *connection = connections_find(router->connections, peer);

    if (connection == NULL) {
        return;
    }
    connection->faults = noise ? connection->faults + 1 : 0;
    if (connection->faults >= FAULTS_MAX) {
        connections_refuse(router->connections, connection, "too many malformed frames in a row", now_ms);
    }
}

void router_note_refused(struct router *router, uint64_t peer, int64_t now_ms)
{
    struct connection *connection = connections_find(router->connections, peer);

    if (connection != NULL) {
        connections_note_refused(router->connections, connection, now_ms);
    }
}

int64_t router_refused_for_ms(struct router *router, uint64_t peer, int64_t now_ms)
{
    const struct connection *connection = connections_find(router->connections, peer);
    int64_t wait_ms = connection != NULL ? connections_refused_for_ms(router->connections, connection, now_ms) : 0;

    if (wait_ms > 0) {
        router_note_over_address(router, connection, "a sign-in was refused: too many from there were within a minute",
                                 now_ms);
    }
    return wait_ms;
}

uint64_t router_over_address(const struct router *router)
{
    return router->over_address;
}

static void router_drop_stalled(struct router *router, int64_t now_ms)
{
    struct connection *stalled[STALLED_A_LOOK];
    size_t count = connections_find_stalled(router->connections, now_ms, stalled, STALLED_A_LOOK);

    for (size_t i = 0; i < count; i++) {
        router_drop(router, stalled[i], "it does not read what it is sent", now_ms);
    }
}

int64_t router_work(struct router *router, int64_t now_ms)
{
    struct connection *connection;

    while ((connection = connections_next_to_go(router->connections, now_ms)) != NULL) {
        router_cut(router, connection, now_ms);
    }
    while ((connection = connections_next_to_cut(router->connections, now_ms)) != NULL) {
        router_cut(router, connection, now_ms);
    }
    if (now_ms >= router->look_ms) {
        router->look_ms = now_ms + LOOK_MS;
        router_drop_stalled(router, now_ms);
    }
    return connections_count(router->connections) > 0 ? router->look_ms : INT64_MAX;
}

// ---- frames in ----

// Reads the rest of a message that has more frames than it should.
static void router_drain(void *socket)
{
    zmq_msg_t frame;
    bool more = true;

    while (more) {
        zmq_msg_init(&frame);
        more = zmq_msg_recv(&frame, socket, ZMQ_DONTWAIT) >= 0 && zmq_msg_more(&frame);
        zmq_msg_close(&frame);
    }
}

// Answers a peer that has chosen its own name, once; it is cut off when it has had the time to read it.
static void router_refuse_route(struct router *router, zmq_msg_t *route, int descriptor, int64_t now_ms)
{
    static const struct behalf_message refusal = {
        .type = BEHALF_ERROR,
        .error = { .code = "FORBIDDEN",
                   .reason = "leave the socket's routing id to ZeroMQ: do not set ZMQ_ROUTING_ID" },
    };
    struct connection *connection = connections_at(router->connections, descriptor);
    struct behalf_fault fault;
    size_t bytes = 0;
    void *frame = behalf_message_encode(&refusal, &bytes, &fault);

    must(frame != NULL);
    router->socket_news = true;
    bool lives = zmq_send(router->socket, zmq_msg_data(route), zmq_msg_size(route), ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0;
    if (lives) {
        zmq_send(router->socket, frame, bytes, ZMQ_DONTWAIT);
    }
    free(frame);
    if (lives && connection != NULL) { // else the descriptor may be somebody else's by now
        connections_refuse(router->connections, connection, "it has named itself", now_ms);
    }
}

// Reads the frames behind a route; false if there are none.
static bool router_read_frame(struct router *router, const zmq_msg_t *route, struct received *received)
{
    zmq_msg_close(&router->frame);
    zmq_msg_init(&router->frame);
    if (!zmq_msg_more(route) || zmq_msg_recv(&router->frame, router->socket, ZMQ_DONTWAIT) < 0) {
        return false;
    }
    received->several = zmq_msg_more(&router->frame);
    received->frame = zmq_msg_data(&router->frame);
    received->frame_bytes = zmq_msg_size(&router->frame);
    if (received->several) {
        router_drain(router->socket);
    }
    return true;
}

// Whether the peer is known over this very connection.  No news can change whose word it is then: names are not given
// twice, and nobody can guess one.
static bool router_is_known(const struct router *router, uint64_t peer, int descriptor)
{
    const struct connection *bound = peer == 0 ? NULL : connections_find(router->connections, peer);

    return bound != NULL && bound == connections_at(router->connections, descriptor);
}

// Whether what was read is to be served; else it has been dealt with.
static bool router_is_served(struct router *router, zmq_msg_t *route, struct received *received, int64_t now_ms)
{
    int descriptor = zmq_msg_get(&router->frame, ZMQ_SRCFD);

    overrun_delivered(router->overrun, descriptor);
    if (!router_is_known(router, received->peer, descriptor)) {
        router_hear_connections(router, now_ms);
    }
    enum heard heard = connections_heard(router->connections, descriptor, received->peer, now_ms);
    if (heard == HEARD_OWN_NAME) {
        router_refuse_route(router, route, descriptor, now_ms);
    }
    return heard == HEARD;
}

bool router_receive(struct router *router, struct received *received, int64_t now_ms)
{
    zmq_msg_t route;
    bool found = false;

    *received = (struct received){ 0 };
    if (router->monitor_news) {
        router_hear_connections(router, now_ms);
    }
    if (!router->socket_news && !router->suspicion) {
        return false;
    }
    zmq_msg_init(&route);
    while (!found && zmq_msg_recv(&route, router->socket, ZMQ_DONTWAIT) >= 0) {
        received->peer = router_peer_of(&route);
        found = router_read_frame(router, &route, received) && router_is_served(router, &route, received, now_ms);
    }
    zmq_msg_close(&route);
    if (!found) {
        router->socket_news = false;
        if (router->suspicion) {
            overrun_drained(router->overrun);
        }
        router->suspicion = false;
        return false;
    }
    const struct connection *connection = connections_find(router->connections, received->peer);
    received->behind = unread_bytes(connection->unread) > BEHIND_BYTES;
    received->address = connections_address(connection);
    return true;
}

// ---- frames out ----

static bool router_has_too_much_unread(const struct connection *connection, size_t frame_bytes)
{
    size_t bytes = unread_bytes(connection->unread);

    return bytes > 0 && (bytes + frame_bytes > PEER_UNREAD_BYTES_MAX ||
                         (bytes > SHARE_UNREAD_BYTES && unread_bytes_of_all() + frame_bytes > ALL_UNREAD_BYTES_MAX));
}

// Takes the frame only if it returns NULL.
static const char *router_try_send(struct router *router, uint64_t peer, void **frame_p, size_t frame_bytes,
                                   int64_t now_ms)
{
    static const char gone[] = "its connection is gone";
    static const char deaf[] = "it does not read what it is sent";
    struct connection *connection = connections_find(router->connections, peer);
    uint8_t route[ROUTE_BYTES];
    zmq_msg_t message;

    if (connection == NULL || connection->ended || connection->standing == CONNECTION_REFUSED) {
        return gone;
    }
    if (router_has_too_much_unread(connection, frame_bytes)) {
        router_drop(router, connection, deaf, now_ms);
        return deaf;
    }
    router_route_to(peer, route);
    router->socket_news = true; // as far as the descriptor can tell: see router_has_messages
    if (zmq_send(router->socket, route, sizeof route, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0) {
        if (zmq_errno() == EHOSTUNREACH) {
            connections_unbind(router->connections, connection);
            return gone;
        }
        router_drop(router, connection, deaf, now_ms);
        return deaf;
    }
    unread_message(connection->unread, frame_p, frame_bytes, &message);
    if (zmq_msg_send(&message, router->socket, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close(&message);
        return gone;
    }
    return NULL;
}

const char *router_send(struct router *router, uint64_t peer, void **frame_p, size_t frame_bytes, int64_t now_ms)
{
    const char *reason = router_try_send(router, peer, frame_p, frame_bytes, now_ms);

    free(*frame_p);
    *frame_p = NULL;
    return reason;
}
