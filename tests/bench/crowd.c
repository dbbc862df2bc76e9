// crowd.c - a session and a socket each for very many people, driven by one epoll descriptor and one sweep for what is
// due.

#include "tests/bench/crowd.h"

#include "tests/bench/bench.h"
#include "tests/bench/own_broker.h"

#include "proto/base/clocks.h"
#include "proto/base/must.h"
#include "proto/session.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <zmq.h>

#define SIGNING_IN_MAX 200 // at one moment: a broker bounds how many strangers an address may have
#define SWEEP_MS 100
#define READY_A_TURN 256

struct person {
    struct behalf_session *session;
    void *socket; // NULL: not connected
};

struct crowd {
    void *context;
    int epoll_fd;
    const char *endpoint;
    struct person *people;
    size_t count, joined, ready;
    int64_t sweep_ms; // when all are looked at next
    crowd_hears *hears;
    void *owner;
};

struct crowd *crowd_new(const char *endpoint, size_t people, crowd_hears *hears, void *owner)
{
    struct crowd *crowd = calloc(1, sizeof *crowd);
    must(crowd != NULL);
    *crowd = (struct crowd){ .context = zmq_ctx_new(),
                             .epoll_fd = epoll_create1(EPOLL_CLOEXEC),
                             .endpoint = endpoint,
                             .people = calloc(people, sizeof *crowd->people),
                             .count = people,
                             .hears = hears,
                             .owner = owner };
    must(crowd->context != NULL && crowd->epoll_fd >= 0 && crowd->people != NULL);
    must(zmq_ctx_set(crowd->context, ZMQ_MAX_SOCKETS, (int) people + 16) == 0);
    return crowd;
}

static void disconnect(struct crowd *crowd, struct person *person)
{
    int fd;
    size_t bytes = sizeof fd;
    if (person->socket == NULL) {
        return;
    }
    must(zmq_getsockopt(person->socket, ZMQ_FD, &fd, &bytes) == 0);
    epoll_ctl(crowd->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    zmq_close(person->socket);
    person->socket = NULL;
}

void crowd_destroy(struct crowd **crowd_p)
{
    struct crowd *crowd = *crowd_p;
    if (crowd == NULL) {
        return;
    }
    for (size_t i = 0; i < crowd->joined; i++) {
        disconnect(crowd, &crowd->people[i]);
        behalf_session_destroy(&crowd->people[i].session);
    }
    while (zmq_ctx_term(crowd->context) != 0 && zmq_errno() == EINTR) {
        continue;
    }
    close(crowd->epoll_fd);
    free(crowd->people);
    free(crowd);
    *crowd_p = NULL;
}

static void connect_to(struct crowd *crowd, struct person *person)
{
    const int linger_ms = 0, immediate = 1;
    int fd;
    size_t bytes = sizeof fd;
    disconnect(crowd, person);
    person->socket = zmq_socket(crowd->context, ZMQ_DEALER);
    if (person->socket == NULL) {
        behalf_session_lost(person->session, "no socket", clocks_boot_ms());
        return;
    }
    must(zmq_setsockopt(person->socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms) == 0);
    must(zmq_setsockopt(person->socket, ZMQ_IMMEDIATE, &immediate, sizeof immediate) == 0);
    must(zmq_getsockopt(person->socket, ZMQ_FD, &fd, &bytes) == 0);
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = (uint64_t) (person - crowd->people) };
    must(epoll_ctl(crowd->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0);
    must(zmq_connect(person->socket, crowd->endpoint) == 0);
}

static bool send_frames(struct person *person)
{
    size_t bytes;
    const void *frame;
    bool sent = false;
    while (person->socket != NULL &&
           (frame = behalf_session_output(person->session, &bytes, clocks_boot_ms())) != NULL &&
           zmq_send(person->socket, frame, bytes, ZMQ_DONTWAIT) >= 0) {
        behalf_session_sent(person->session, clocks_boot_ms());
        sent = true;
    }
    return sent;
}

static bool receive_frames(struct person *person)
{
    bool received = false;
    zmq_msg_t frame;
    must(zmq_msg_init(&frame) == 0);
    while (person->socket != NULL && zmq_msg_recv(&frame, person->socket, ZMQ_DONTWAIT) >= 0) {
        behalf_session_receive(person->session, zmq_msg_data(&frame), zmq_msg_size(&frame), clocks_boot_ms());
        received = true;
    }
    zmq_msg_close(&frame);
    return received;
}

// Lets the socket notice what came since it was last asked; sending and receiving do not always look.
static void notice(struct person *person)
{
    int events;
    size_t bytes = sizeof events;
    if (person->socket != NULL) {
        must(zmq_getsockopt(person->socket, ZMQ_EVENTS, &events, &bytes) == 0);
    }
}

static bool is_ready(const struct person *person)
{
    return behalf_session_state(person->session) == BEHALF_CLIENT_READY;
}

// A socket's descriptor tells that something changed, once: so all there is to do is done.
static void drive(struct crowd *crowd, size_t number)
{
    struct person *person = &crowd->people[number];
    bool was_ready = is_ready(person), more = true;
    size_t broker;
    behalf_session_tick(person->session, clocks_boot_ms());
    while (more) {
        struct behalf_message *message;
        if (behalf_session_connect_order(person->session, &broker)) {
            connect_to(crowd, person);
        }
        notice(person);
        more = send_frames(person);
        more = receive_frames(person) || more;
        while ((message = behalf_session_next(person->session)) != NULL) {
            crowd->hears(crowd, number, message, crowd->owner);
            behalf_message_destroy(&message);
            more = true;
        }
    }
    if (is_ready(person) != was_ready) {
        crowd->ready += was_ready ? -(size_t) 1 : 1;
    }
}

static void join(struct crowd *crowd)
{
    size_t number = crowd->joined++;
    const struct behalf_hello hello = { .role = "person",
                                        .name = own_broker_person((unsigned) number),
                                        .program = "bench" };
    const struct behalf_session_options options = { .brokers = &crowd->endpoint,
                                                    .broker_count = 1,
                                                    .hello = &hello,
                                                    .first_id = clocks_utc_ms() << 20,
                                                    .seed = number + 1 };
    struct behalf_fault fault;
    crowd->people[number].session = behalf_session_new(&options, clocks_boot_ms(), &fault);
    must(crowd->people[number].session != NULL);
    drive(crowd, number);
}

void crowd_send(struct crowd *crowd, size_t person, const struct behalf_message *message)
{
    struct behalf_fault fault;
    if (behalf_session_send(crowd->people[person].session, message, &fault) == 0) {
        bench_complain("%s cannot be sent: %s: %s", behalf_type_name(message->type), fault.field, fault.reason);
    }
    send_frames(&crowd->people[person]);
}

int crowd_fd(const struct crowd *crowd)
{
    return crowd->epoll_fd;
}

void crowd_turn(struct crowd *crowd)
{
    struct epoll_event ready[READY_A_TURN];
    int count = epoll_wait(crowd->epoll_fd, ready, READY_A_TURN, 0);
    must(count >= 0 || errno == EINTR);
    for (int i = 0; i < count; i++) {
        drive(crowd, (size_t) ready[i].data.u64);
    }
    int64_t now_ms = clocks_boot_ms();
    if (now_ms < crowd->sweep_ms) {
        return;
    }
    crowd->sweep_ms = now_ms + SWEEP_MS;
    for (size_t i = 0; i < crowd->joined; i++) {
        if (behalf_session_due_ms(crowd->people[i].session, now_ms) == 0) {
            drive(crowd, i);
        }
    }
}

bool crowd_sign_in(struct crowd *crowd, double seconds)
{
    uint64_t until_ns = bench_now_ns() + (uint64_t) (seconds * 1e9);
    while (crowd->ready < crowd->count && !bench_stopped()) {
        if (bench_now_ns() >= until_ns) {
            bench_complain("%zu of %zu people signed in after %.0f s", crowd->ready, crowd->count, seconds);
            return false;
        }
        while (crowd->joined < crowd->count && crowd->joined - crowd->ready < SIGNING_IN_MAX) {
            join(crowd);
        }
        struct pollfd wait = { .fd = crowd->epoll_fd, .events = POLLIN };
        (void) poll(&wait, 1, 10);
        crowd_turn(crowd);
    }
    return !bench_stopped();
}
