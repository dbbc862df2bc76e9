// loop.c - a turn: signals, frames in, the store's news, time, and then everything out.

#include "broker/loop.h"

#include "broker/compile.h"
#include "broker/log.h"
#include "proto/must.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <zmq.h>

// Frames read in one turn: enough that a batch grows under load, few enough that answers do not wait for long.
#define FRAMES_A_TURN 512

// What a peer that does not read may have waiting before it counts as lost: the answers to a full window of
// requests, twice, and the items shown on a resume.
#define SEND_FRAMES_MAX 4096

// What a peer may have waiting for us: frames are at most 1 MiB, so this bounds a flood to 64 MiB a peer.
#define RECEIVE_FRAMES_MAX 64

// Frames a little too long are still read, so that they can be answered; libzmq cuts off who sends longer ones.
#define RECEIVE_BYTES_MAX (2 * BEHALF_FRAME_BYTES)

#define HANDSHAKE_MS 5000 // a connection that does not complete ZeroMQ's greeting is closed
#define CONNECTIONS_WAITING_MAX 1024
#define LINGER_MS 500 // last words at the end
#define STOP_MS 5000  // a stop that takes longer, as the store is away, goes without it

// libzmq's own name for a connection: a zero and four bytes.  Names that peers choose are not taken.
#define ROUTE_BYTES 5

struct loop {
    void *context;
    void *router;
    int signals;
    char *listening;
    struct compile *compile; // NULL: no rules are being compiled
    bool stopping;
    int64_t stop_by_ms;
    enum store_state store_state;
    struct lease_news lease_news;
    int64_t contradicted_ms; // when the store contradicted us, by the boot-time clock; 0: it did not
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

bool loop_may_listen(const char *endpoint, char *reason, size_t reason_bytes)
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

static void set_options(void *router)
{
    set_option(router, ZMQ_ROUTER_MANDATORY, 1);
    set_option(router, ZMQ_SNDHWM, SEND_FRAMES_MAX);
    set_option(router, ZMQ_RCVHWM, RECEIVE_FRAMES_MAX);
    set_option(router, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
    set_option(router, ZMQ_BACKLOG, CONNECTIONS_WAITING_MAX);
    set_option(router, ZMQ_LINGER, LINGER_MS);
    int64_t bytes = RECEIVE_BYTES_MAX;
    must(zmq_setsockopt(router, ZMQ_MAXMSGSIZE, &bytes, sizeof bytes) == 0);
}

static void add_listening(struct loop *loop, const char *endpoint)
{
    char bound[512] = "";
    size_t bytes = sizeof bound;
    char *longer = NULL;

    if (zmq_getsockopt(loop->router, ZMQ_LAST_ENDPOINT, bound, &bytes) != 0) {
        snprintf(bound, sizeof bound, "%s", endpoint);
    }
    must(asprintf(&longer, "%s%s%s", loop->listening, loop->listening[0] == '\0' ? "" : ",", bound) >= 0);
    free(loop->listening);
    loop->listening = longer;
}

static int open_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

struct loop *loop_new(const char *const *endpoints, size_t endpoint_count, char *reason, size_t reason_bytes)
{
    struct loop *loop = calloc(1, sizeof *loop);

    must(loop != NULL);
    loop->listening = calloc(1, 1);
    loop->context = zmq_ctx_new();
    loop->signals = open_signals();
    must(loop->listening != NULL);
    must(loop->context != NULL);
    must(loop->signals >= 0);
    loop->router = zmq_socket(loop->context, ZMQ_ROUTER);
    must(loop->router != NULL);
    set_options(loop->router);
    for (size_t i = 0; i < endpoint_count; i++) {
        set_option(loop->router, ZMQ_IPV6, starts_with(endpoints[i], "tcp://["));
        if (zmq_bind(loop->router, endpoints[i]) != 0) {
            snprintf(reason, reason_bytes, "cannot listen on %s: %s", endpoints[i], zmq_strerror(zmq_errno()));
            loop_destroy(&loop);
            return NULL;
        }
        add_listening(loop, endpoints[i]);
    }
    return loop;
}

void loop_destroy(struct loop **loop_p)
{
    struct loop *loop = *loop_p;

    if (loop == NULL) {
        return;
    }
    if (loop->compile != NULL) {
        struct rules_problems problems;
        struct rules *rules = compile_take(&loop->compile, &problems);
        rules_destroy(&rules);
        rules_problems_fini(&problems);
    }
    zmq_close(loop->router);
    zmq_ctx_term(loop->context);
    close(loop->signals);
    free(loop->listening);
    free(loop);
    *loop_p = NULL;
}

const char *loop_listening(const struct loop *loop)
{
    return loop->listening;
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
static void drain(void *router)
{
    zmq_msg_t frame;
    bool more = true;

    while (more) {
        zmq_msg_init(&frame);
        more = zmq_msg_recv(&frame, router, ZMQ_DONTWAIT) >= 0 && zmq_msg_more(&frame);
        zmq_msg_close(&frame);
    }
}

// Answers a peer that has chosen its own name.
static void refuse_route(const struct loop *loop, zmq_msg_t *route)
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
    if (zmq_send(loop->router, zmq_msg_data(route), zmq_msg_size(route), ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0) {
        zmq_send(loop->router, frame, bytes, ZMQ_DONTWAIT);
    }
    free(frame);
}

static void receive(struct loop *loop, struct broker *broker, zmq_msg_t *route, zmq_msg_t *frame, int64_t now_ms)
{
    uint64_t peer = peer_of(route);

    if (peer == 0) {
        refuse_route(loop, route);
    } else if (zmq_msg_more(frame)) {
        broker_receive(broker, peer, "", 0, now_ms); // answered as malformed
        broker_peer_lost(broker, peer, "it sent a message of several frames", now_ms);
    } else {
        broker_receive(broker, peer, zmq_msg_data(frame), zmq_msg_size(frame), now_ms);
    }
    if (zmq_msg_more(frame)) {
        drain(loop->router);
    }
}

// While we stand by.
static void answer(const struct loop *loop, const struct stand_by *stand_by, zmq_msg_t *route, zmq_msg_t *frame)
{
    size_t bytes = 0;

    if (peer_of(route) == 0) {
        refuse_route(loop, route);
    } else if (!zmq_msg_more(frame)) {
        void *words = stand_by_answer(stand_by, zmq_msg_data(frame), zmq_msg_size(frame), &bytes);
        if (words != NULL &&
            zmq_send(loop->router, zmq_msg_data(route), zmq_msg_size(route), ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0) {
            zmq_send(loop->router, words, bytes, ZMQ_DONTWAIT);
        }
        free(words);
    }
    if (zmq_msg_more(frame)) {
        drain(loop->router);
    }
}

// Reads one message, for the broker or, while we stand by, to be answered; false when there is none.
static bool read_message(struct loop *loop, struct broker *broker, const struct stand_by *stand_by, int64_t now_ms)
{
    zmq_msg_t route;
    zmq_msg_t frame;

    zmq_msg_init(&route);
    if (zmq_msg_recv(&route, loop->router, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close(&route);
        return false;
    }
    zmq_msg_init(&frame);
    if (zmq_msg_more(&route) && zmq_msg_recv(&frame, loop->router, ZMQ_DONTWAIT) >= 0) {
        if (broker != NULL) {
            receive(loop, broker, &route, &frame, now_ms);
        } else {
            answer(loop, stand_by, &route, &frame);
        }
    }
    zmq_msg_close(&frame);
    zmq_msg_close(&route);
    return true;
}

// Returns true when there may be more.
static bool read_messages(struct loop *loop, struct broker *broker, const struct stand_by *stand_by, int64_t now_ms)
{
    for (int i = 0; i < FRAMES_A_TURN; i++) {
        if (!read_message(loop, broker, stand_by, now_ms)) {
            return false;
        }
    }
    return true;
}

// ---- everything out ----

static void send_frame(struct loop *loop, struct broker *broker, uint64_t peer, const void *frame, size_t bytes,
                       int64_t now_ms)
{
    uint8_t route[ROUTE_BYTES];

    route_to(peer, route);
    if (zmq_send(loop->router, route, sizeof route, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0 &&
        zmq_send(loop->router, frame, bytes, ZMQ_DONTWAIT) >= 0) {
        return;
    }
    broker_peer_lost(broker, peer,
                     zmq_errno() == EHOSTUNREACH ? "its connection is gone" : "it does not read what it is sent",
                     now_ms);
}

// Tells the broker how long its lease is valid, and the time, as it is at this very moment.
static void tell_lease(const struct loop *loop, struct broker *broker, const struct clock *clock)
{
    if (loop->lease_news.state == LEASE_HELD) {
        broker_lease(broker, clock_at_ms(clock, loop->lease_news.until_ms), clock_now_ms(clock));
    }
}

// A process may be stopped at any time: the lease is looked at before each frame.
static void send_frames(struct loop *loop, struct broker *broker, const struct clock *clock, int64_t now_ms)
{
    uint64_t peer;
    size_t bytes;
    void *frame;

    tell_lease(loop, broker, clock);
    while ((frame = broker_next_frame(broker, &peer, &bytes)) != NULL) {
        send_frame(loop, broker, peer, frame, bytes, now_ms);
        free(frame);
        tell_lease(loop, broker, clock);
    }
    while (broker_next_drop(broker) != 0) {
        // A peer's number is its route: there is nothing here to forget.
    }
}

static void hand_out(struct loop *loop, struct broker *broker, struct store *store, const struct clock *clock,
                     int64_t now_ms)
{
    const struct rules *previous;
    uint64_t version;
    struct report *report;

    send_frames(loop, broker, clock, now_ms);
    struct batch *batch = broker_next_batch(broker, now_ms);
    if (batch != NULL) {
        store_submit(store, &batch);
    }
    while ((report = broker_next_report(broker)) != NULL) {
        store_submit_report(store, &report);
    }
    const char *text = broker_next_rules(broker, &version, &previous);
    if (text != NULL) {
        must(loop->compile == NULL);
        loop->compile = compile_start(text, version, previous);
    }
}

// ---- news ----

static void hear_store(struct loop *loop, struct broker *broker, struct store *store, int64_t now_ms)
{
    struct batch *batch;
    struct report *report;
    char description[512];

    enum store_state state = store_state(store);
    if (state != loop->store_state || state == STORE_STATE_AWAY) {
        loop->store_state = state;
        store_describe(store, description, sizeof description);
        broker_store_state(broker, state != STORE_STATE_WORKING, description, now_ms);
    }
    while ((batch = store_take_batch(store)) != NULL) {
        broker_durable(broker, &batch, now_ms);
        // What has been decided meanwhile follows at once: the writer need not wait for this turn's end.
        struct batch *next = broker_next_batch(broker, now_ms);
        if (next != NULL) {
            store_submit(store, &next);
        }
    }
    while ((report = store_take_report(store)) != NULL) {
        broker_reported(broker, &report, now_ms);
    }
}

static void hear_compile(struct loop *loop, struct broker *broker, int64_t now_ms)
{
    zmq_pollitem_t item = { .events = ZMQ_POLLIN };
    struct rules_problems problems;

    if (loop->compile == NULL) {
        return;
    }
    item.fd = compile_fd(loop->compile);
    if (zmq_poll(&item, 1, 0) > 0) {
        struct rules *rules = compile_take(&loop->compile, &problems);
        broker_rules_ready(broker, &rules, &problems, now_ms);
        rules_problems_fini(&problems);
    }
}

// True when another broker has the desk: everyone has been told.
static bool hear_lease(struct loop *loop, struct broker *broker, struct lease *lease, const char *own_endpoints,
                       const struct clock *clock, int64_t now_ms)
{
    struct stand_by owner = { 0 };

    if (lease == NULL) {
        return false;
    }
    lease_news(lease, &loop->lease_news);
    tell_lease(loop, broker, clock);
    if (loop->lease_news.state != LEASE_FENCED) {
        return false;
    }
    stand_by_set_owner(&owner, loop->lease_news.row.endpoints, !loop->lease_news.row.held, own_endpoints);
    broker_fenced(broker, owner.brokers, owner.broker_count, "another broker has taken the desk over");
    send_frames(loop, broker, clock, now_ms);
    return true;
}

// Whether the store's contradiction is final.  With a lease it may only mean that we are fenced and do not know yet:
// a renewal made since then tells, and nothing is written meanwhile.
static bool is_contradicted(struct loop *loop, const struct lease *lease)
{
    if (loop->store_state != STORE_STATE_CONTRADICTED) {
        return false;
    }
    if (loop->contradicted_ms == 0) {
        loop->contradicted_ms = lease_now_ms();
    }
    return lease == NULL || loop->lease_news.renewed_ms > loop->contradicted_ms ||
           lease_now_ms() > loop->contradicted_ms + STOP_MS;
}

// True when a second signal came.
static bool hear_signals(struct loop *loop, struct broker *broker, int64_t now_ms)
{
    struct signalfd_siginfo signal;

    while (read(loop->signals, &signal, sizeof signal) == (ssize_t) sizeof signal) {
        if (loop->stopping) {
            return true;
        }
        loop->stopping = true;
        loop->stop_by_ms = now_ms + STOP_MS;
        log_format("info", "broker signal %u received", signal.ssi_signo);
        if (broker != NULL) {
            broker_stop(broker, now_ms);
        }
    }
    return false;
}

// ---- turns ----

static void wait_for_news(const struct loop *loop, const struct store *store, const struct lease *lease,
                          int64_t wait_ms)
{
    zmq_pollitem_t items[5] = {
        { .socket = loop->router, .events = ZMQ_POLLIN },
        { .fd = loop->signals, .events = ZMQ_POLLIN },
        { .fd = scribe_fd(store_scribe(store)), .events = ZMQ_POLLIN },
    };
    int count = 3;

    if (lease != NULL) {
        items[count++] = (zmq_pollitem_t){ .fd = lease_fd(lease), .events = ZMQ_POLLIN };
    }
    if (loop->compile != NULL) {
        items[count++] = (zmq_pollitem_t){ .fd = compile_fd(loop->compile), .events = ZMQ_POLLIN };
    }
    bool watched = loop->stopping || loop->contradicted_ms != 0 || lease != NULL;
    if (watched && (wait_ms < 0 || wait_ms > 100)) {
        wait_ms = 100; // the end of the time to stop, or of the lease, is looked for in between
    }
    zmq_poll(items, count, wait_ms);
}

enum loop_end loop_stand_by(struct loop *loop, struct lease *lease, const char *desk, const char *endpoints,
                            struct lease_news *news)
{
    struct stand_by stand_by = { .desk = desk };
    zmq_pollitem_t items[] = {
        { .socket = loop->router, .events = ZMQ_POLLIN },
        { .fd = loop->signals, .events = ZMQ_POLLIN },
        { .fd = lease_fd(lease), .events = ZMQ_POLLIN },
    };
    enum lease_state said = LEASE_HELD;

    for (;;) {
        if (hear_signals(loop, NULL, 0)) {
            return LOOP_KILLED;
        }
        if (loop->stopping) {
            return LOOP_STOPPED;
        }
        lease_news(lease, news);
        if (news->state == LEASE_FREE) {
            return LOOP_FREE;
        }
        if (news->state != said && (news->state == LEASE_ELSEWHERE || news->trouble[0] != '\0')) {
            said = news->state;
            if (said == LEASE_ELSEWHERE) {
                log_format("info", "broker standing by desk=%s listen=%s owner=%s at=%s", desk, loop->listening,
                           news->row.owner, news->row.endpoints);
            } else {
                log_format("error", "broker standing by desk=%s, store away: %s", desk, news->trouble);
            }
        }
        stand_by_set_owner(&stand_by, news->row.endpoints, news->state != LEASE_ELSEWHERE || news->quiet, endpoints);
        bool more = read_messages(loop, NULL, &stand_by, 0);
        zmq_poll(items, 3, more ? 0 : 500);
    }
}

enum loop_end loop_run(struct loop *loop, struct broker *broker, struct store *store, struct lease *lease,
                       const char *endpoints, const struct clock *clock)
{
    loop->lease_news = (struct lease_news){ 0 };
    loop->store_state = STORE_STATE_WORKING;
    loop->contradicted_ms = 0;
    for (;;) {
        int64_t now_ms = clock_now_ms(clock);
        if (hear_signals(loop, broker, now_ms)) {
            return LOOP_KILLED;
        }
        if (hear_lease(loop, broker, lease, endpoints, clock, now_ms)) {
            return LOOP_FENCED;
        }
        bool more = read_messages(loop, broker, NULL, now_ms);
        hear_store(loop, broker, store, now_ms);
        if (is_contradicted(loop, lease)) {
            return LOOP_STORE_CONTRADICTED;
        }
        hear_compile(loop, broker, now_ms);
        int64_t wait_ms = broker_tick(broker, now_ms);
        hand_out(loop, broker, store, clock, now_ms);
        if (broker_stopped(broker)) {
            return LOOP_STOPPED;
        }
        if (loop->stopping && now_ms >= loop->stop_by_ms) {
            return LOOP_STOPPED_WAITING;
        }
        wait_for_news(loop, store, lease, more ? 0 : wait_ms);
    }
}
