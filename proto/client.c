// client.c - the shell around session.c: a libzmq socket, the clock, and a seed.
//
// Every connection is a fresh DEALER socket, so that nothing of an earlier one can reach the session; beside
// it a monitor of libzmq's tells when the connection broke or could not be made, long before a heartbeat is
// missed.  The caller's descriptor stays the same over all of them: an epoll descriptor that holds those of
// the present two.  They are edge-triggered in libzmq's own way: they tell that something changed, not that
// something is there.  A socket whose descriptor tells of nothing and that was read until it had nothing has
// nothing: it is left alone, as each question to it costs two calls into the kernel.  Sending may take the
// news off the descriptor, so what was sent to is asked again.

#include <behalf/client.h>

#include "proto/endpoint.h"
#include "proto/base/clocks.h"
#include "proto/base/must.h"
#include "proto/session.h"
#include "proto/shared_context.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#define BROKERS_MAX SESSION_BROKERS_OWN_MAX

// Frames that libzmq holds for us in either direction; the window bounds what is under way.
#define SOCKET_FRAMES_MAX 4096

// A message kept while behalf_client_wait_answer waited for another.
struct kept {
    struct behalf_message *message;
    struct kept *next;
};

struct behalf_client {
    struct behalf_session *session;
    char *broker_list; // cut at its commas
    const char *brokers[BROKERS_MAX];
    size_t broker_count;
    void *context;     // libzmq's; NULL once closed
    void *socket;      // of the present connection, or NULL
    void *monitor;     // of that socket, or NULL
    bool socket_news;  // it may have something to be read
    bool monitor_news; // likewise
    bool blocked;      // what is to be sent cannot be, as nobody is connected or the socket is full
    int epoll_fd;      // holds the descriptors of both
    struct kept *first_kept;
    struct kept *last_kept;
};

static uint64_t client_draw_seed(void)
{
    uint64_t seed;
    must(getrandom(&seed, sizeof(seed), 0) == (ssize_t) sizeof(seed));
    return seed;
}

// Milliseconds since 1970 above 20 random bits: a later process begins above all ids of an earlier one,
// and two that begin in the same millisecond are told apart.
static int64_t client_draw_first_id(void)
{
    return clocks_utc_ms() << 20 | (int64_t) (client_draw_seed() & 0xfffff);
}

// ---- endpoints ----

// Cuts the list at its commas.  False if there are too many, or one cannot be an endpoint.
static bool client_parse_brokers(struct behalf_client *client, const char *brokers)
{
    client->broker_list = strdup(brokers != NULL && brokers[0] != '\0' ? brokers : BEHALF_DEFAULT_ENDPOINT);
    must(client->broker_list != NULL);
    char *rest = client->broker_list;
    for (char *endpoint; (endpoint = strsep(&rest, ",")) != NULL;) {
        endpoint += strspn(endpoint, " ");
        endpoint[strcspn(endpoint, " ")] = '\0';
        if (client->broker_count == BROKERS_MAX || !endpoint_is_good(endpoint)) {
            return false;
        }
        client->brokers[client->broker_count++] = endpoint;
    }
    return true;
}

// ---- the connection ----

static void client_set_option(void *socket, int option, int value)
{
    must(zmq_setsockopt(socket, option, &value, sizeof(value)) == 0);
}

static int descriptor_of(void *socket)
{
    int descriptor;
    size_t size = sizeof(descriptor);
    must(zmq_getsockopt(socket, ZMQ_FD, &descriptor, &size) == 0);
    return descriptor;
}

static void client_watch(struct behalf_client *client, void *socket)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = socket };
    must(epoll_ctl(client->epoll_fd, EPOLL_CTL_ADD, descriptor_of(socket), &event) == 0);
}

static void client_close_socket(struct behalf_client *client, void **socket_p)
{
    if (*socket_p == NULL) {
        return;
    }
    epoll_ctl(client->epoll_fd, EPOLL_CTL_DEL, descriptor_of(*socket_p), NULL);
    zmq_close(*socket_p);
    *socket_p = NULL;
}

static void client_disconnect(struct behalf_client *client)
{
    if (client->monitor != NULL) {
        zmq_socket_monitor(client->socket, NULL, 0);
    }
    client_close_socket(client, &client->monitor);
    client_close_socket(client, &client->socket);
    client->monitor_news = client->socket_news = client->blocked = false;
}

static bool client_open_socket(struct behalf_client *client)
{
    client->socket = zmq_socket(client->context, ZMQ_DEALER);
    if (client->socket == NULL) {
        return false;
    }
    client_set_option(client->socket, ZMQ_LINGER, 0);
    client_set_option(client->socket, ZMQ_IMMEDIATE, 1);
    client_set_option(client->socket, ZMQ_SNDHWM, SOCKET_FRAMES_MAX);
    client_set_option(client->socket, ZMQ_RCVHWM, SOCKET_FRAMES_MAX);
    int64_t frame_bytes_max = BEHALF_FRAME_BYTES;
    must(zmq_setsockopt(client->socket, ZMQ_MAXMSGSIZE, &frame_bytes_max, sizeof(frame_bytes_max)) == 0);
    client_watch(client, client->socket);
    client->socket_news = true;
    client->blocked = false;
    return true;
}

static bool client_open_monitor(struct behalf_client *client)
{
    static atomic_uint monitors; // of all clients: they share libzmq's contexts
    char endpoint[64];
    snprintf(endpoint, sizeof(endpoint), "inproc://monitor-%u", atomic_fetch_add(&monitors, 1));
    if (zmq_socket_monitor(client->socket, endpoint, ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CONNECT_RETRIED) != 0) {
        return false;
    }
    client->monitor = zmq_socket(client->context, ZMQ_PAIR);
    if (client->monitor == NULL || zmq_connect(client->monitor, endpoint) != 0) {
        return false;
    }
    client_set_option(client->monitor, ZMQ_LINGER, 0);
    client_watch(client, client->monitor);
    client->monitor_news = true;
    return true;
}

static void client_connect_to(struct behalf_client *client, size_t broker)
{
    client_disconnect(client);
    if (!client_open_socket(client) || !client_open_monitor(client) ||
        zmq_connect(client->socket, behalf_session_broker(client->session, broker)) != 0) {
        char reason[128];
        snprintf(reason, sizeof(reason), "cannot connect: %s", zmq_strerror(zmq_errno()));
        client_disconnect(client);
        behalf_session_lost(client->session, reason, clocks_boot_ms());
    }
}

static void client_send_frames(struct behalf_client *client)
{
    size_t frame_bytes;
    const void *frame;
    while (client->socket != NULL &&
           (frame = behalf_session_output(client->session, &frame_bytes, clocks_boot_ms())) != NULL) {
        client->socket_news = true;
        client->blocked = zmq_send(client->socket, frame, frame_bytes, ZMQ_DONTWAIT) < 0;
        if (client->blocked) {
            return; // offered again
        }
        behalf_session_sent(client->session, clocks_boot_ms());
    }
}

// Reads one message of the socket.  False when there is none.  More than one part is not of this protocol:
// what is not a whole message is given to the session as an empty frame, which it takes for what it is.
static bool client_receive_frame(struct behalf_client *client)
{
    zmq_msg_t part;
    must(zmq_msg_init(&part) == 0);
    bool received = zmq_msg_recv(&part, client->socket, ZMQ_DONTWAIT) >= 0;
    if (received && zmq_msg_more(&part)) {
        while (zmq_msg_more(&part) && zmq_msg_recv(&part, client->socket, ZMQ_DONTWAIT) >= 0) {
            continue;
        }
        behalf_session_receive(client->session, "", 0, clocks_boot_ms());
    } else if (received) {
        behalf_session_receive(client->session, zmq_msg_data(&part), zmq_msg_size(&part), clocks_boot_ms());
    }
    zmq_msg_close(&part);
    return received;
}

// Finds out which socket has news.
static void client_look(struct behalf_client *client)
{
    struct epoll_event events[2];
    int count = epoll_wait(client->epoll_fd, events, 2, 0);
    for (int i = 0; i < count; i++) {
        // What came over a connection that has ended since is read first.
        client->socket_news = true;
        if (events[i].data.ptr == client->monitor) {
            client->monitor_news = true;
        }
    }
}

// Reads what is there, but stops once there is a message for the caller.
static void client_receive_frames(struct behalf_client *client)
{
    while (client->socket != NULL && client->socket_news && !behalf_session_has_next(client->session)) {
        client->socket_news = client_receive_frame(client);
    }
}

// Hears from the monitor whether the connection is gone, after all that came over it has been read.
static void client_notice_loss(struct behalf_client *client)
{
    if (client->monitor == NULL || !client->monitor_news) {
        return;
    }
    client->monitor_news = false;
    zmq_msg_t part;
    must(zmq_msg_init(&part) == 0);
    const char *reason = NULL;
    // The first part begins with the event's number, the second is the endpoint.
    while (zmq_msg_recv(&part, client->monitor, ZMQ_DONTWAIT) >= 0) {
        uint16_t event;
        if (!zmq_msg_more(&part) || zmq_msg_size(&part) < sizeof(event)) {
            continue;
        }
        memcpy(&event, zmq_msg_data(&part), sizeof(event));
        reason = event == ZMQ_EVENT_DISCONNECTED ? "the connection broke" : "nobody listens there";
    }
    zmq_msg_close(&part);
    if (reason != NULL) {
        client_disconnect(client);
        behalf_session_lost(client->session, reason, clocks_boot_ms());
    }
}

// Does all there is to do, but stops reading once there is a message for the caller.
static void client_work(struct behalf_client *client)
{
    behalf_session_tick(client->session, clocks_boot_ms());
    size_t broker;
    if (behalf_session_connect_order(client->session, &broker)) {
        client_connect_to(client, broker);
    }
    if (!client->socket_news || client->blocked) {
        client_look(client);
    }
    client_send_frames(client);
    client_receive_frames(client);
    if (!behalf_session_has_next(client->session)) {
        client_notice_loss(client);
    }
    client_send_frames(client); // answers make room in the window
    enum behalf_client_state state = behalf_session_state(client->session);
    if (state == BEHALF_CLIENT_REFUSED || state == BEHALF_CLIENT_ENDED) {
        client_disconnect(client);
    }
}

// ---- public ----

struct behalf_client *behalf_client_new(const char *brokers, const struct behalf_hello *hello)
{
    struct behalf_client *client = calloc(1, sizeof(*client));
    must(client != NULL);
    client->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (client->epoll_fd >= 0 && client_parse_brokers(client, brokers)) {
        struct behalf_fault fault;
        struct behalf_session_options options = { .brokers = client->brokers,
                                                  .broker_count = client->broker_count,
                                                  .hello = hello,
                                                  .first_id = client_draw_first_id(),
                                                  .seed = client_draw_seed() };
        client->session = behalf_session_new(&options, clocks_boot_ms(), &fault);
    }
    if (client->session != NULL) {
        client->context = shared_context_hold();
    }
    if (client->context == NULL) {
        behalf_client_destroy(&client);
        return NULL;
    }
    client_work(client);
    return client;
}

static struct behalf_message *client_take_kept(struct behalf_client *client)
{
    struct kept *kept = client->first_kept;
    if (kept == NULL) {
        return NULL;
    }
    struct behalf_message *message = kept->message;
    client->first_kept = kept->next;
    if (client->first_kept == NULL) {
        client->last_kept = NULL;
    }
    free(kept);
    return message;
}

static void client_keep(struct behalf_client *client, struct behalf_message **message_p)
{
    struct kept *kept = calloc(1, sizeof(*kept));
    must(kept != NULL);
    kept->message = *message_p;
    *message_p = NULL;
    if (client->last_kept != NULL) {
        client->last_kept->next = kept;
    } else {
        client->first_kept = kept;
    }
    client->last_kept = kept;
}

void behalf_client_destroy(struct behalf_client **client_p)
{
    struct behalf_client *client = *client_p;
    if (client == NULL) {
        return;
    }
    client_disconnect(client);
    shared_context_release(&client->context);
    for (struct behalf_message *left; (left = client_take_kept(client)) != NULL;) {
        behalf_message_destroy(&left);
    }
    behalf_session_destroy(&client->session);
    if (client->epoll_fd >= 0) {
        close(client->epoll_fd);
    }
    free(client->broker_list);
    free(client);
    *client_p = NULL;
}

enum behalf_client_state behalf_client_state(const struct behalf_client *client)
{
    return behalf_session_state(client->session);
}

bool behalf_client_is_sure(const struct behalf_client *client)
{
    return behalf_session_is_sure(client->session);
}

const char *behalf_client_reason(const struct behalf_client *client)
{
    return behalf_session_reason(client->session);
}

int64_t behalf_client_send(struct behalf_client *client, const struct behalf_message *message,
                           struct behalf_fault *fault)
{
    int64_t id = behalf_session_send(client->session, message, fault);
    if (id > 0) {
        client_send_frames(client);
    }
    return id;
}

// The next message off the session, after doing its work.
static struct behalf_message *client_next_of_session(struct behalf_client *client)
{
    if (!behalf_session_has_next(client->session)) {
        client_work(client);
    }
    return behalf_session_next(client->session);
}

struct behalf_message *behalf_client_next(struct behalf_client *client)
{
    struct behalf_message *message = client_take_kept(client);
    return message != NULL ? message : client_next_of_session(client);
}

int behalf_client_fd(const struct behalf_client *client)
{
    return client->epoll_fd;
}

// What the socket is ready for: ZMQ_POLLIN and ZMQ_POLLOUT.
static int client_ready_for(void *socket)
{
    int events = 0;
    size_t size = sizeof(events);
    if (socket == NULL || zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size) != 0) {
        return 0;
    }
    return events;
}

// Whether the sockets can be read, or written when there is something to write, without their descriptors
// telling of it.
static bool client_sockets_ready(struct behalf_client *client)
{
    size_t frame_bytes;
    bool to_send = behalf_session_output(client->session, &frame_bytes, clocks_boot_ms()) != NULL;
    if (client->socket == NULL || (!client->socket_news && !to_send)) {
        return client->monitor_news;
    }
    int events = client_ready_for(client->socket);
    client->socket_news = (events & ZMQ_POLLIN) != 0;
    return client->socket_news || (to_send && (events & ZMQ_POLLOUT) != 0) || client->monitor_news;
}

static int client_session_timeout_ms(struct behalf_client *client)
{
    if (behalf_session_has_next(client->session) || client_sockets_ready(client)) {
        return 0;
    }
    int64_t due_ms = behalf_session_due_ms(client->session, clocks_boot_ms());
    return due_ms > 3600000 ? 3600000 : (int) due_ms;
}

int behalf_client_timeout_ms(struct behalf_client *client)
{
    return client->first_kept != NULL ? 0 : client_session_timeout_ms(client);
}

// Waits until the session has work, at most until `deadline_ms` (-1: for ever).  False when that has
// passed, a signal came, or nothing can come any more.
static bool client_wait_for_work(struct behalf_client *client, int64_t deadline_ms)
{
    int timeout_ms = client_session_timeout_ms(client);
    if (timeout_ms < 0 && client->socket == NULL) {
        return false;
    }
    if (deadline_ms >= 0) {
        int64_t left_ms = deadline_ms - clocks_boot_ms();
        if (left_ms <= 0) {
            return false;
        }
        if (timeout_ms < 0 || timeout_ms > left_ms) {
            timeout_ms = left_ms > 3600000 ? 3600000 : (int) left_ms;
        }
    }
    struct pollfd readable = { .fd = client->epoll_fd, .events = POLLIN };
    return poll(&readable, 1, timeout_ms) >= 0 || errno != EINTR;
}

static int64_t client_deadline_after(int timeout_ms)
{
    return timeout_ms < 0 ? -1 : clocks_boot_ms() + timeout_ms;
}

struct behalf_message *behalf_client_wait(struct behalf_client *client, int timeout_ms)
{
    int64_t deadline_ms = client_deadline_after(timeout_ms);
    for (;;) {
        struct behalf_message *message = behalf_client_next(client);
        if (message != NULL || !client_wait_for_work(client, deadline_ms)) {
            return message;
        }
    }
}

// Whether a message kept earlier is the answer; takes it out if so.
static struct behalf_message *client_take_kept_answer(struct behalf_client *client, int64_t id)
{
    struct kept *before = NULL;
    for (struct kept *kept = client->first_kept; kept != NULL; before = kept, kept = kept->next) {
        if (kept->message->id != id) {
            continue;
        }
        struct behalf_message *message = kept->message;
        if (before != NULL) {
            before->next = kept->next;
        } else {
            client->first_kept = kept->next;
        }
        if (client->last_kept == kept) {
            client->last_kept = before;
        }
        free(kept);
        return message;
    }
    return NULL;
}

struct behalf_message *behalf_client_wait_answer(struct behalf_client *client, int64_t id, int timeout_ms)
{
    int64_t deadline_ms = client_deadline_after(timeout_ms);
    struct behalf_message *answer = client_take_kept_answer(client, id);
    while (answer == NULL) {
        struct behalf_message *message = client_next_of_session(client);
        if (message != NULL && message->id == id) {
            answer = message;
        } else if (message != NULL) {
            client_keep(client, &message);
        } else if (!client_wait_for_work(client, deadline_ms)) {
            break;
        }
    }
    return answer;
}

size_t behalf_client_pending(const struct behalf_client *client)
{
    return behalf_session_pending(client->session);
}

size_t behalf_client_window(const struct behalf_client *client)
{
    return behalf_session_window(client->session);
}

void behalf_client_close(struct behalf_client *client, const char *reason, int timeout_ms)
{
    behalf_session_close(client->session, reason);
    client_send_frames(client);
    if (client->socket != NULL) {
        client_set_option(client->socket, ZMQ_LINGER, timeout_ms);
    }
    client_disconnect(client);
    shared_context_release(&client->context);
}
