// client_test.c - the shell of the session over real sockets, against a ROUTER in the same process.
//
// One thread plays both: it reads what the client sent, answers, and lets the client work.  Every wait is
// for a condition, with a deadline.

#include <behalf/client.h>

#include "proto/base/clocks.h"

#include <dirent.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <zmq.h>

#define TIMEOUT_MS 10000

struct router {
    void *context;
    void *socket;
    char folder[64];
    char endpoint[128];
    uint8_t peer[256]; // who sent the last frame
    size_t peer_bytes;
};

static void router_open(struct router *router)
{
    int zero = 0;
    router->socket = zmq_socket(router->context, ZMQ_ROUTER);
    assert_non_null(router->socket);
    zmq_setsockopt(router->socket, ZMQ_LINGER, &zero, sizeof(zero));
    assert_int_equal(zmq_bind(router->socket, router->endpoint), 0);
}

static void router_start(struct router *router)
{
    *router = (struct router){ .folder = "/tmp/client_test.XXXXXX" };
    assert_non_null(mkdtemp(router->folder));
    snprintf(router->endpoint, sizeof(router->endpoint), "ipc://%s/socket", router->folder);
    router->context = zmq_ctx_new();
    router_open(router);
}

static void router_stop(struct router *router)
{
    char path[128];
    zmq_close(router->socket);
    zmq_ctx_term(router->context);
    snprintf(path, sizeof(path), "%s/socket", router->folder);
    unlink(path);
    rmdir(router->folder);
}

// Lets the client work once; what it has is not expected here.
static void work(struct behalf_client *client)
{
    struct behalf_message *message = behalf_client_next(client);
    if (message != NULL) {
        fail_msg("unexpected %s", behalf_type_name(message->type));
    }
}

// The next frame from the client that is not a heartbeat.
static struct behalf_message *router_receive(struct router *router, struct behalf_client *client)
{
    for (int64_t deadline = clocks_monotonic_ms() + TIMEOUT_MS; clocks_monotonic_ms() < deadline;) {
        if (client != NULL) {
            work(client);
        }
        zmq_pollitem_t readable = { .socket = router->socket, .events = ZMQ_POLLIN };
        if (zmq_poll(&readable, 1, 10) <= 0) {
            continue;
        }
        int bytes = zmq_recv(router->socket, router->peer, sizeof(router->peer), 0);
        assert_true(bytes > 0);
        router->peer_bytes = (size_t) bytes;
        static uint8_t frame[65536];
        bytes = zmq_recv(router->socket, frame, sizeof(frame), 0);
        assert_true(bytes >= 0);
        int more;
        size_t size = sizeof(more);
        zmq_getsockopt(router->socket, ZMQ_RCVMORE, &more, &size);
        assert_int_equal(more, 0); // exactly one frame a message
        struct behalf_fault fault;
        struct behalf_message *message = behalf_message_decode(frame, (size_t) bytes, &fault);
        assert_non_null(message);
        if (message->type != BEHALF_HEARTBEAT) {
            return message;
        }
        behalf_message_destroy(&message);
    }
    fail_msg("the client sent nothing");
    return NULL;
}

static int64_t router_expect(struct router *router, struct behalf_client *client, enum behalf_type type)
{
    struct behalf_message *message = router_receive(router, client);
    assert_string_equal(behalf_type_name(message->type), behalf_type_name(type));
    int64_t id = message->id;
    behalf_message_destroy(&message);
    return id;
}

static void router_send(struct router *router, const struct behalf_message *message)
{
    size_t bytes;
    struct behalf_fault fault;
    void *frame = behalf_message_encode(message, &bytes, &fault);
    assert_non_null(frame);
    zmq_send(router->socket, router->peer, router->peer_bytes, ZMQ_SNDMORE);
    zmq_send(router->socket, frame, bytes, 0);
    free(frame);
}

static void router_welcome(struct router *router, int64_t id)
{
    struct behalf_message message = { .type = BEHALF_WELCOME,
                                      .id = id,
                                      .welcome = { .version = 1,
                                                   .token = "t-1",
                                                   .desk = "desk",
                                                   .now_ms = 1,
                                                   .heartbeat_ms = 100,
                                                   .timeout_ms = 5000,
                                                   .window = 2 } };
    router_send(router, &message);
}

static void expect(struct behalf_client *client, enum behalf_type type, int64_t id)
{
    struct behalf_message *message = behalf_client_wait(client, TIMEOUT_MS);
    if (message == NULL) {
        fail_msg("nothing came: %s", behalf_client_reason(client));
    }
    assert_string_equal(behalf_type_name(message->type), behalf_type_name(type));
    assert_int_equal(message->id, id);
    behalf_message_destroy(&message);
}

static struct behalf_client *client_of(struct router *router)
{
    struct behalf_hello hello = { .role = "person", .name = "asha" };
    struct behalf_client *client = behalf_client_new(router->endpoint, &hello);
    assert_non_null(client);
    return client;
}

static struct behalf_client *signed_in(struct router *router)
{
    struct behalf_client *client = client_of(router);
    int64_t hello = router_expect(router, client, BEHALF_HELLO);
    router_welcome(router, hello);
    expect(client, BEHALF_WELCOME, hello);
    assert_int_equal(behalf_client_state(client), BEHALF_CLIENT_READY);
    return client;
}

static int64_t take(struct behalf_client *client)
{
    struct behalf_message message = { .type = BEHALF_TAKE, .take = { .item = 1, .lease = 1 } };
    struct behalf_fault fault;
    int64_t id = behalf_client_send(client, &message, &fault);
    assert_true(id > 0);
    return id;
}

static void done(struct router *router, int64_t id)
{
    struct behalf_message message = { .type = BEHALF_DONE, .id = id };
    router_send(router, &message);
}

static void client_signs_in_asks_and_is_answered(void **state)
{
    (void) state;
    struct router router;
    router_start(&router);
    struct behalf_client *client = signed_in(&router);
    int64_t id = take(client);
    assert_int_equal(behalf_client_pending(client), 1);
    assert_int_equal(behalf_client_window(client), 2);
    assert_int_equal(router_expect(&router, client, BEHALF_TAKE), id);
    done(&router, id);
    expect(client, BEHALF_DONE, id);
    assert_int_equal(behalf_client_pending(client), 0);
    behalf_client_destroy(&client);
    assert_null(client);
    router_stop(&router);
}

static void ids_of_two_clients_differ(void **state)
{
    (void) state;
    struct router router;
    router_start(&router);
    struct behalf_client *left = client_of(&router), *right = client_of(&router);
    assert_int_not_equal(take(left), take(right));
    behalf_client_destroy(&left);
    behalf_client_destroy(&right);
    router_stop(&router);
}

static void answer_is_waited_for_and_other_messages_are_kept_in_order(void **state)
{
    (void) state;
    struct router router;
    router_start(&router);
    struct behalf_client *client = signed_in(&router);
    int64_t first = take(client), second = take(client);
    router_expect(&router, client, BEHALF_TAKE);
    router_expect(&router, client, BEHALF_TAKE);
    struct behalf_message gone = { .type = BEHALF_GONE, .gone = { .item = 1, .lease = 1 } };
    router_send(&router, &gone);
    done(&router, first);
    done(&router, second);
    struct behalf_message *answer = behalf_client_wait_answer(client, second, TIMEOUT_MS);
    assert_non_null(answer);
    assert_int_equal(answer->id, second);
    behalf_message_destroy(&answer);
    assert_int_equal(behalf_client_timeout_ms(client), 0);
    expect(client, BEHALF_GONE, 0);
    answer = behalf_client_wait_answer(client, first, TIMEOUT_MS);
    assert_non_null(answer);
    behalf_message_destroy(&answer);
    behalf_client_destroy(&client);
    router_stop(&router);
}

// The descriptor is edge-triggered underneath: a caller that reads one message and polls again must not
// be left asleep beside the second.
static void descriptor_and_timeout_tell_of_every_message(void **state)
{
    (void) state;
    struct router router;
    router_start(&router);
    struct behalf_client *client = signed_in(&router);
    for (int64_t i = 0; i < 500; i++) {
        struct behalf_message gone = { .type = BEHALF_GONE, .gone = { .item = i + 1, .lease = 1 } };
        router_send(&router, &gone);
    }
    size_t asleep = 0; // woken by the time-out alone
    for (int64_t seen = 0; seen < 500;) {
        struct pollfd readable = { .fd = behalf_client_fd(client), .events = POLLIN };
        int timeout_ms = behalf_client_timeout_ms(client);
        assert_in_range(timeout_ms, 0, 5000);
        int ready = poll(&readable, 1, timeout_ms);
        assert_true(ready >= 0);
        asleep += ready == 0 && timeout_ms > 0 ? 1 : 0;
        struct behalf_message *message = behalf_client_next(client); // one at a time, on purpose
        if (message != NULL) {
            assert_int_equal(message->gone.item, ++seen);
        }
        behalf_message_destroy(&message);
    }
    assert_in_range(asleep, 0, 5); // a slow machine may take its time to deliver
    behalf_client_destroy(&client);
    router_stop(&router);
}

static void router_restart(struct router *router)
{
    zmq_close(router->socket);
    router->socket = zmq_socket(router->context, ZMQ_ROUTER);
    int zero = 0, bound = -1;
    zmq_setsockopt(router->socket, ZMQ_LINGER, &zero, sizeof(zero));
    // The old one is gone only once libzmq's thread has let go of it.
    for (int64_t deadline = clocks_monotonic_ms() + TIMEOUT_MS; bound != 0 && clocks_monotonic_ms() < deadline;) {
        bound = zmq_bind(router->socket, router->endpoint);
    }
    assert_int_equal(bound, 0);
}

static void broken_connection_is_noticed_at_once_and_the_request_repeated(void **state)
{
    (void) state;
    struct router router;
    router_start(&router);
    struct behalf_client *client = signed_in(&router);
    int64_t id = take(client);
    assert_int_equal(router_expect(&router, client, BEHALF_TAKE), id);
    router_restart(&router);
    struct behalf_message *hello = router_receive(&router, client);
    assert_int_equal(hello->type, BEHALF_HELLO);
    assert_string_equal(hello->hello.token, "t-1");
    router_welcome(&router, hello->id);
    expect(client, BEHALF_WELCOME, hello->id);
    behalf_message_destroy(&hello);
    assert_int_equal(router_expect(&router, client, BEHALF_TAKE), id);
    done(&router, id);
    expect(client, BEHALF_DONE, id);
    behalf_client_destroy(&client);
    router_stop(&router);
}

static void broker_that_forgot_the_session_gets_hello_and_the_request_again(void **state)
{
    (void) state;
    struct router router;
    router_start(&router);
    struct behalf_client *client = signed_in(&router);
    int64_t id = take(client);
    assert_int_equal(router_expect(&router, client, BEHALF_TAKE), id);
    struct behalf_message unknown = { .type = BEHALF_ERROR, .id = id, .error = { .code = "NOT_SIGNED_IN" } };
    router_send(&router, &unknown);
    int64_t hello = router_expect(&router, client, BEHALF_HELLO);
    router_welcome(&router, hello);
    expect(client, BEHALF_WELCOME, hello);
    assert_int_equal(router_expect(&router, client, BEHALF_TAKE), id);
    behalf_client_destroy(&client);
    router_stop(&router);
}

static void broker_that_is_not_there_is_left_for_the_next_in_the_list(void **state)
{
    (void) state;
    struct router router;
    router_start(&router);
    char both[300];
    snprintf(both, sizeof(both), "ipc://%s/nobody,%s", router.folder, router.endpoint);
    struct behalf_hello hello = { .role = "person", .name = "asha" };
    struct behalf_client *client = behalf_client_new(both, &hello);
    assert_non_null(client);
    int64_t begun = clocks_monotonic_ms();
    int64_t id = router_expect(&router, client, BEHALF_HELLO);
    assert_true(clocks_monotonic_ms() - begun < 4000); // well before HELLO would have been given up
    router_welcome(&router, id);
    expect(client, BEHALF_WELCOME, id);
    behalf_client_destroy(&client);
    router_stop(&router);
}

static void broker_that_restarts_is_left_for_the_next_in_the_list(void **state)
{
    (void) state;
    struct router router;
    router_start(&router);
    char both[300];
    snprintf(both, sizeof(both), "%s, ipc://%s/nobody", router.endpoint, router.folder);
    struct behalf_hello hello = { .role = "person", .name = "asha" };
    struct behalf_client *client = behalf_client_new(both, &hello);
    assert_non_null(client);
    int64_t id = router_expect(&router, client, BEHALF_HELLO);
    router_welcome(&router, id);
    expect(client, BEHALF_WELCOME, id);
    struct behalf_message bye = { .type = BEHALF_BYE, .bye = { .reason = "restarting" } };
    router_send(&router, &bye);
    for (int64_t deadline = clocks_monotonic_ms() + TIMEOUT_MS;
         behalf_client_state(client) == BEHALF_CLIENT_READY && clocks_monotonic_ms() < deadline;) {
        work(client);
    }
    assert_int_equal(behalf_client_state(client), BEHALF_CLIENT_CONNECTING);
    assert_non_null(strstr(behalf_client_reason(client), "restarting"));
    assert_true(take(client) > 0);
    assert_null(behalf_client_wait(client, 20));
    behalf_client_destroy(&client);
    router_stop(&router);
}

static void frame_of_two_parts_is_not_taken_for_a_message(void **state)
{
    (void) state;
    struct router router;
    router_start(&router);
    struct behalf_client *client = signed_in(&router);
    zmq_send(router.socket, router.peer, router.peer_bytes, ZMQ_SNDMORE);
    zmq_send(router.socket, "\x93\xa9HEARTBEAT\x00\x80", 13, ZMQ_SNDMORE);
    zmq_send(router.socket, "x", 1, 0);
    for (int64_t deadline = clocks_monotonic_ms() + TIMEOUT_MS;
         behalf_client_state(client) == BEHALF_CLIENT_READY && clocks_monotonic_ms() < deadline;) {
        work(client);
    }
    assert_int_equal(behalf_client_state(client), BEHALF_CLIENT_CONNECTING);
    behalf_client_destroy(&client);
    router_stop(&router);
}

static void refused_client_waits_for_nothing(void **state)
{
    (void) state;
    struct router router;
    router_start(&router);
    struct behalf_client *client = client_of(&router);
    struct behalf_message refusal = { .type = BEHALF_ERROR,
                                      .id = router_expect(&router, client, BEHALF_HELLO),
                                      .error = { .code = "NOT_FOUND", .reason = "nobody is called asha" } };
    router_send(&router, &refusal);
    assert_null(behalf_client_wait(client, -1)); // for ever, and yet it returns
    assert_int_equal(behalf_client_state(client), BEHALF_CLIENT_REFUSED);
    assert_non_null(strstr(behalf_client_reason(client), "nobody is called asha"));
    assert_null(behalf_client_wait_answer(client, 7, -1));
    behalf_client_destroy(&client);
    router_stop(&router);
}

static void client_that_cannot_connect_rests_until_it_tries_again(void **state)
{
    (void) state;
    char endpoint[200] = "ipc:///tmp/";
    memset(endpoint + strlen(endpoint), 'a', 150); // longer than a socket's path may be
    struct behalf_hello hello = { .role = "person", .name = "asha" };
    struct behalf_client *client = behalf_client_new(endpoint, &hello);
    assert_non_null(client);
    int longest_ms = 0;
    for (int64_t deadline = clocks_monotonic_ms() + TIMEOUT_MS; longest_ms <= 20 && clocks_monotonic_ms() < deadline;) {
        work(client);
        int timeout_ms = behalf_client_timeout_ms(client);
        longest_ms = timeout_ms > longest_ms ? timeout_ms : longest_ms;
    }
    assert_non_null(strstr(behalf_client_reason(client), "cannot connect"));
    assert_true(longest_ms > 20);
    behalf_client_destroy(&client);
}

static void bye_arrives_when_a_client_closes(void **state)
{
    (void) state;
    struct router router;
    router_start(&router);
    struct behalf_client *client = signed_in(&router);
    behalf_client_close(client, "shift over", TIMEOUT_MS);
    assert_int_equal(behalf_client_state(client), BEHALF_CLIENT_ENDED);
    assert_null(behalf_client_next(client));
    behalf_client_destroy(&client);
    struct behalf_message *bye = router_receive(&router, NULL);
    assert_int_equal(bye->type, BEHALF_BYE);
    assert_string_equal(bye->bye.reason, "shift over");
    behalf_message_destroy(&bye);
    router_stop(&router);
}

static size_t threads_of_this_process(void)
{
    size_t count = 0;
    DIR *threads = opendir("/proc/self/task");
    assert_non_null(threads);
    for (const struct dirent *thread; (thread = readdir(threads)) != NULL;) {
        count += thread->d_name[0] != '.';
    }
    closedir(threads);
    return count;
}

static void clients_of_one_process_share_their_threads(void **state)
{
    (void) state;
    struct router router;
    struct behalf_client *clients[20];
    enum { COUNT = sizeof(clients) / sizeof(clients[0]) };
    router_start(&router);
    clients[0] = signed_in(&router);
    size_t threads = threads_of_this_process();
    for (size_t i = 1; i < COUNT; i++) {
        clients[i] = signed_in(&router);
    }
    assert_int_equal(threads_of_this_process(), threads);
    for (size_t i = 0; i < COUNT; i++) {
        int64_t id = take(clients[i]);
        assert_int_equal(router_expect(&router, clients[i], BEHALF_TAKE), id);
        done(&router, id);
        expect(clients[i], BEHALF_DONE, id);
        behalf_client_destroy(&clients[i]); // while those behind it go on
    }
    assert_true(threads_of_this_process() < threads);
    router_stop(&router);
}

static void bye_leaves_while_other_clients_stay(void **state)
{
    (void) state;
    struct router router;
    router_start(&router);
    struct behalf_client *stays = signed_in(&router), *goes = signed_in(&router);
    behalf_client_close(goes, "shift over", TIMEOUT_MS);
    behalf_client_destroy(&goes);
    struct behalf_message *bye = router_receive(&router, stays);
    assert_int_equal(bye->type, BEHALF_BYE);
    behalf_message_destroy(&bye);
    behalf_client_destroy(&stays);
    router_stop(&router);
}

// Has a client in a process that was forked from one with clients; never returns.
static void be_a_child(struct router *router)
{
    struct behalf_hello hello = { .role = "person", .name = "ben" };
    struct behalf_client *client = behalf_client_new(router->endpoint, &hello);
    struct behalf_message *welcome = client != NULL ? behalf_client_wait(client, TIMEOUT_MS) : NULL;
    _exit(welcome != NULL && welcome->type == BEHALF_WELCOME ? 0 : 1);
}

static void child_of_a_process_with_clients_has_clients_of_its_own(void **state)
{
    (void) state;
    struct router router;
    router_start(&router);
    struct behalf_client *client = signed_in(&router);
    pid_t child = fork();
    if (child == 0) {
        be_a_child(&router);
    }
    assert_true(child > 0);
    router_welcome(&router, router_expect(&router, client, BEHALF_HELLO));
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    behalf_client_destroy(&client);
    router_stop(&router);
}

static void endpoints_that_cannot_be_are_refused(void **state)
{
    (void) state;
    static const char *const bad[] = { "127.0.0.1:7311", "tcp://127.0.0.1",         "tcp://127.0.0.1:",
                                       "tcp://:7311x",   "tcp://host:70000",        "udp://host:1",
                                       "ipc://",         "tcp://one:1,,tcp://two:2" };
    struct behalf_hello hello = { .role = "person", .name = "asha" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_null(behalf_client_new(bad[i], &hello));
    }
    struct behalf_hello nobody = { .role = "person" };
    assert_null(behalf_client_new(NULL, &nobody));
    struct behalf_client *client = behalf_client_new("", &hello);
    assert_non_null(client);
    behalf_client_destroy(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(client_signs_in_asks_and_is_answered),
        cmocka_unit_test(ids_of_two_clients_differ),
        cmocka_unit_test(answer_is_waited_for_and_other_messages_are_kept_in_order),
        cmocka_unit_test(descriptor_and_timeout_tell_of_every_message),
        cmocka_unit_test(broken_connection_is_noticed_at_once_and_the_request_repeated),
        cmocka_unit_test(broker_that_forgot_the_session_gets_hello_and_the_request_again),
        cmocka_unit_test(broker_that_is_not_there_is_left_for_the_next_in_the_list),
        cmocka_unit_test(broker_that_restarts_is_left_for_the_next_in_the_list),
        cmocka_unit_test(frame_of_two_parts_is_not_taken_for_a_message),
        cmocka_unit_test(refused_client_waits_for_nothing),
        cmocka_unit_test(client_that_cannot_connect_rests_until_it_tries_again),
        cmocka_unit_test(bye_arrives_when_a_client_closes),
        cmocka_unit_test(clients_of_one_process_share_their_threads),
        cmocka_unit_test(bye_leaves_while_other_clients_stay),
        cmocka_unit_test(child_of_a_process_with_clients_has_clients_of_its_own),
        cmocka_unit_test(endpoints_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
