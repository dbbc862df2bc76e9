// cut_off_test.c - two brokers on one PostgreSQL, and a network that is cut between one of them and the database.
//
// The one that is cut off has the desk, and clients that hear it well.  Nobody else tells them that another broker has
// their desk by then.  What they believe meanwhile is measured.

#include "tests/system/child.h"
#include "tests/system/cutting_proxy.h"
#include "tests/system/postgres_cluster.h"
#include "proto/base/clocks.h"

#include <behalf/client.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>
#include <cmocka.h>

#define WAIT_MS 30000

// The lease's term is 2 s (broker/ownership/lease_watch.h): that long after the cut, and a second for the word to
// arrive, a person may believe what is no longer so.
#define TERM_MS 2000
#define NOTICE_MS 1000

static struct postgres_cluster *cluster;
static const char *broker_program;
static const char *ctl_program;

static const char rules[] =
    "desk: %s\n"
    "times: { offer: 5 s, grace: 1 s, decline: 200 ms, prefer: 200 ms }\n"
    "channels:\n  chirp: { length: 280 }\n"
    "agencies: [Northline]\n"
    "brands:\n  bolt:\n    display_name: Bolt\n    languages: [en]\n"
    "    disclosure: \"I'm {first_name} from {agency}, answering for {brand}.\"\n"
    "    disclosure_pr: \"{first_name}, {brand}\"\n    take: automatic\n"
    "people:\n"
    "  asha: { display_name: Asha Rao, roles: [agent], agency: Northline, brands: all, languages: [en], capacity: 3 }\n"
    "  ben: { display_name: Ben Vogel, roles: [agent], agency: Northline, brands: all, languages: [en], capacity: 3 }\n"
    "  petra: { display_name: Petra Lind, roles: [pr], brands: all, languages: all, capacity: 5 }\n";

struct person {
    struct behalf_client *client;
    int64_t item; // held, as last told; 0: none
};

struct world {
    char desk[32];
    char rules_file[64];
    char endpoints[2][48];
    struct cutting_proxy *proxy; // between the first broker and the database
    struct child *brokers[2];
    struct person asha, ben;
    int64_t cut_ms;
};

static void start_broker(struct world *world, int which, const char *url)
{
    const char *argv[] = {
        broker_program, "--desk", world->rules_file, "--store", url, "--listen", world->endpoints[which], "--heartbeat",
        "500",          NULL
    };

    world->brokers[which] = child_new(argv);
}

static void write_rules(struct world *world)
{
    static int desks = 0;

    snprintf(world->desk, sizeof world->desk, "cut-%d", ++desks);
    snprintf(world->rules_file, sizeof world->rules_file, "/tmp/behalf-cut-%ld.yaml", (long) getpid());
    FILE *file = fopen(world->rules_file, "we");
    assert_non_null(file);
    fprintf(file, rules, world->desk);
    assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof *world);

    cluster = *state;
    write_rules(world);
    for (int i = 0; i < 2; i++) {
        snprintf(world->endpoints[i], sizeof world->endpoints[i], "tcp://127.0.0.1:%d", postgres_cluster_find_port());
    }
    world->proxy = cutting_proxy_new(postgres_cluster_port(cluster));
    start_broker(world, 0, postgres_cluster_url_by(cluster, cutting_proxy_port(world->proxy)));
    free(child_expect_error(world->brokers[0], NULL, "broker ready"));
    start_broker(world, 1, postgres_cluster_url(cluster));
    free(child_expect_error(world->brokers[1], NULL, "broker waiting to take over"));
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;

    behalf_client_destroy(&world->asha.client);
    behalf_client_destroy(&world->ben.client);
    child_destroy(&world->brokers[0]);
    child_destroy(&world->brokers[1]);
    cutting_proxy_destroy(&world->proxy);
    (void) unlink(world->rules_file);
    free(world);
    return 0;
}

// ---- people ----

static struct behalf_client *sign_in(const struct world *world, const char *role, const char *name, bool both)
{
    struct behalf_hello hello = { .role = role, .name = name };
    char brokers[128];

    snprintf(brokers, sizeof brokers, "%s%s%s", world->endpoints[0], both ? "," : "", both ? world->endpoints[1] : "");
    struct behalf_client *client = behalf_client_new(brokers, &hello);
    assert_non_null(client);
    return client;
}

static void work(struct person *person)
{
    struct behalf_message available = { .type = BEHALF_PRESENCE, .presence = { .state = "available" } };
    struct behalf_message *message;
    struct behalf_fault fault;

    while (person->client != NULL && (message = behalf_client_next(person->client)) != NULL) {
        if (message->type == BEHALF_WELCOME) {
            person->item = 0;
            assert_true(behalf_client_send(person->client, &available, &fault) > 0);
        } else if (message->type == BEHALF_ITEM && strcmp(message->item.state, "held") == 0) {
            person->item = message->item.item;
        } else if (message->type == BEHALF_GONE && message->gone.item == person->item) {
            person->item = 0;
        }
        behalf_message_destroy(&message);
    }
}

// What the person would tell a colleague: "that one is mine".
static bool believes(const struct person *person, int64_t item)
{
    return person->client != NULL && person->item == item && behalf_client_is_sure(person->client);
}

// Works until a condition holds; returns when that was.
#define WORK_UNTIL(world, condition)                                                                                   \
    do {                                                                                                               \
        int64_t begun_ms = clocks_monotonic_ms();                                                                      \
        while (!(condition)) {                                                                                         \
            if (clocks_monotonic_ms() - begun_ms > WAIT_MS) {                                                          \
                fail_msg("%s did not come true:\n%s\n%s", #condition, child_errors((world)->brokers[0]),               \
                         child_errors((world)->brokers[1]));                                                           \
            }                                                                                                          \
            work(&(world)->asha);                                                                                      \
            work(&(world)->ben);                                                                                       \
            (void) poll(NULL, 0, 1);                                                                                   \
        }                                                                                                              \
    } while (0)

static void feed(struct world *world, const char *id)
{
    struct behalf_client *client = sign_in(world, "connector", "feed", true);
    struct behalf_message post = { .type = BEHALF_POST,
                                   .post = { .channel = "chirp",
                                             .post = id,
                                             .brand = "bolt",
                                             .author = id,
                                             .text = "Where is my bag?",
                                             .language = "en" } };
    struct behalf_fault fault;
    int64_t request = behalf_client_send(client, &post, &fault);
    struct behalf_message *taken = behalf_client_wait_answer(client, request, WAIT_MS);

    assert_non_null(taken);
    assert_int_equal(taken->type, BEHALF_TAKEN);
    behalf_message_destroy(&taken);
    behalf_client_destroy(&client);
}

// How often the broker that has shown least of itself to the other one has.
static int beats(const struct world *world)
{
    char sql[160];

    snprintf(sql, sizeof sql, "SELECT min(beats) FROM behalf.candidate WHERE desk = '%s' HAVING count(*) = 2",
             world->desk);
    return atoi(postgres_cluster_sql(cluster, sql));
}

// Asha holds an item that the first broker gave her.
static int64_t hold(struct world *world, bool both)
{
    world->asha.client = sign_in(world, "person", "asha", both);
    feed(world, "p1");
    WORK_UNTIL(world, world->asha.item != 0);
    int64_t item = world->asha.item;
    assert_true(believes(&world->asha, item));
    WORK_UNTIL(world, behalf_client_pending(world->asha.client) == 0 && beats(world) >= 3);
    return item;
}

static void cut(struct world *world)
{
    cutting_proxy_black_hole(world->proxy, true);
    world->cut_ms = clocks_monotonic_ms();
}

static int64_t begin(struct world *world, bool both)
{
    int64_t item = hold(world, both);

    cut(world);
    return item;
}

// ---- the claims ----

static void two_people_are_never_sure_of_one_item_when_a_broker_is_cut_off(void **state)
{
    struct world *world = *state;
    int64_t item = begin(world, false);

    WORK_UNTIL(world, !believes(&world->asha, item));
    int64_t unsure_ms = clocks_monotonic_ms() - world->cut_ms;
    // From here on she does nothing, and her screen stays as it is; her hold's grace runs out elsewhere.
    struct person asha = world->asha;
    world->asha = (struct person){ 0 };
    world->ben.client = sign_in(world, "person", "ben", true);
    int64_t both_ms = 0;
    WORK_UNTIL(world, believes(&world->ben, item) || (both_ms += believes(&asha, item), false));
    int64_t other_ms = clocks_monotonic_ms() - world->cut_ms;
    print_message("cut off: not sure any more after %lld ms, another person's after %lld ms\n", (long long) unsure_ms,
                  (long long) other_ms);
    assert_in_range(unsure_ms, 0, TERM_MS + NOTICE_MS);
    assert_true(unsure_ms <= other_ms + NOTICE_MS);
    assert_int_equal(both_ms, 0);
    world->asha = asha;
    cutting_proxy_black_hole(world->proxy, false);
    // Back at work she learns that it is not hers.
    WORK_UNTIL(world, behalf_client_is_sure(world->asha.client) && world->asha.item == 0);
    free(child_expect_error(world->brokers[0], NULL, "stepping down"));
    assert_true(believes(&world->ben, item));
}

static void who_is_told_to_look_elsewhere_finds_the_desk_and_what_they_hold(void **state)
{
    struct world *world = *state;
    int64_t item = begin(world, false); // the other broker is known only to the one that is cut off

    WORK_UNTIL(world, !believes(&world->asha, item));
    WORK_UNTIL(world, believes(&world->asha, item));
    int64_t back_ms = clocks_monotonic_ms() - world->cut_ms;
    print_message("cut off: sure again at the other broker after %lld ms\n", (long long) back_ms);
    assert_in_range(back_ms, 0, 6000);
    assert_non_null(strstr(child_errors(world->brokers[1]), "broker ready"));
    feed(world, "p2"); // posts are taken as well
}

static void behalf_ctl_finds_the_broker_that_serves(void **state)
{
    struct world *world = *state;

    (void) begin(world, false);
    WORK_UNTIL(world, !believes(&world->asha, 1));
    for (int both = 0; both < 2; both++) {
        char brokers[128];
        snprintf(brokers, sizeof brokers, "%s%s%s", world->endpoints[0], both ? "," : "",
                 both ? world->endpoints[1] : "");
        const char *argv[] = { ctl_program, "status", "--broker", brokers, "--wait", "10", NULL };
        struct child *ctl = child_new(argv);
        free(child_expect(ctl, NULL, world->desk));
        assert_int_equal(child_wait(ctl, NULL), 0);
        child_destroy(&ctl);
    }
}

static void send_message(void *socket, const struct behalf_message *message)
{
    struct behalf_fault fault;
    size_t bytes = 0;
    void *frame = behalf_message_encode(message, &bytes, &fault);

    assert_non_null(frame);
    assert_int_equal(zmq_send(socket, frame, bytes, 0), bytes);
    free(frame);
}

static struct behalf_message *next_message(void *socket, int ms)
{
    zmq_pollitem_t item = { .socket = socket, .events = ZMQ_POLLIN };
    static char frame[BEHALF_FRAME_BYTES];
    struct behalf_fault fault;

    if (zmq_poll(&item, 1, ms) <= 0) {
        return NULL;
    }
    int bytes = zmq_recv(socket, frame, sizeof frame, 0);
    assert_in_range(bytes, 1, sizeof frame);
    return behalf_message_decode(frame, (size_t) bytes, &fault);
}

// A client that does not know what it is told, and goes on with heartbeats, is not kept.
static void a_broker_that_is_cut_off_says_nothing_that_a_living_one_would(void **state)
{
    struct world *world = *state;
    struct behalf_message hello = { .type = BEHALF_HELLO,
                                    .id = 1,
                                    .hello = { .version = 1, .role = "person", .name = "ben" } };
    struct behalf_message heartbeat = { .type = BEHALF_HEARTBEAT };
    struct behalf_message *message;
    void *context = zmq_ctx_new();
    void *socket = zmq_socket(context, ZMQ_DEALER);
    int none = 0;
    int64_t alive_ms = 0;
    size_t refused = 0;
    bool moved = false;

    (void) hold(world, false);
    assert_int_equal(zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none), 0);
    assert_int_equal(zmq_connect(socket, world->endpoints[0]), 0);
    send_message(socket, &hello);
    message = next_message(socket, WAIT_MS);
    assert_non_null(message);
    assert_int_equal(message->type, BEHALF_WELCOME);
    behalf_message_destroy(&message);
    cut(world);
    while (clocks_monotonic_ms() < world->cut_ms + 8000) {
        send_message(socket, &heartbeat);
        while ((message = next_message(socket, 100)) != NULL) {
            if (message->type == BEHALF_MOVED) {
                assert_string_equal(message->moved.brokers[0], world->endpoints[1]);
                moved = true;
            } else if (moved) {
                assert_string_equal(behalf_type_name(message->type), "ERROR");
                assert_string_equal(message->error.code, "NOT_SIGNED_IN");
                refused++;
            } else {
                alive_ms = clocks_monotonic_ms() - world->cut_ms;
            }
            behalf_message_destroy(&message);
            if (clocks_monotonic_ms() > world->cut_ms + 8000) {
                break;
            }
        }
    }
    print_message("cut off: last sign of life after %lld ms\n", (long long) alive_ms);
    assert_in_range(alive_ms, 0, TERM_MS + 200);
    assert_true(refused > 0);
    (void) zmq_close(socket);
    (void) zmq_ctx_term(context);
}

#define CLAIM(claim) cmocka_unit_test_setup_teardown(claim, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CLAIM(two_people_are_never_sure_of_one_item_when_a_broker_is_cut_off),
        CLAIM(who_is_told_to_look_elsewhere_finds_the_desk_and_what_they_hold),
        CLAIM(behalf_ctl_finds_the_broker_that_serves),
        CLAIM(a_broker_that_is_cut_off_says_nothing_that_a_living_one_would),
    };

    if (argc < 3) {
        return 2;
    }
    broker_program = argv[1];
    ctl_program = argv[2];
    if (argc > 3) {
        cmocka_set_test_filter(argv[3]);
    }
    return postgres_cluster_possible()
               ? cmocka_run_group_tests(tests, postgres_cluster_set_up_group, postgres_cluster_tear_down_group)
               : 77;
}
