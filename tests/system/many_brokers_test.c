// many_brokers_test.c - two brokers on one PostgreSQL, clients that know both: killed, paused, stopped, restarted.
//
// A feed, two agents and an outlet work through libbehalf all the while, in the test's own thread.  What they were
// told is written down and held against the database at the end.

#include "tests/system/busy.h"
#include "tests/system/child.h"
#include "tests/system/postgres_cluster.h"
#include "proto/base/clocks.h"

#include <behalf/client.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>
#include <cmocka.h>

#define WAIT_MS 40000
#define POSTS_MAX 20000
#define LEASES_MAX 32
#define UNDER_WAY 8

static struct postgres_cluster *cluster;
static const char *broker_program;

static const char rules[] =
    "desk: %s\n"
    "times: { offer: 5 s, grace: 5 s, decline: 200 ms, prefer: 200 ms, fate: 10 s, park: 5 s }\n"
    "channels:\n  chirp: { length: 280 }\n"
    "agencies: [Northline]\n"
    "brands:\n  bolt:\n    display_name: Bolt\n    languages: [en]\n"
    "    disclosure: \"I'm {first_name} from {agency}, answering for {brand}.\"\n"
    "    disclosure_pr: \"{first_name}, {brand}\"\n    take: automatic\n"
    "people:\n"
    "  asha: { display_name: Asha Rao, roles: [agent], agency: Northline, brands: all,"
    " languages: [en], capacity: 3 }\n"
    "  ben: { display_name: Ben Vogel, roles: [agent], agency: Northline, brands: all,"
    " languages: [en], capacity: 3 }\n"
    "  petra: { display_name: Petra Lind, roles: [pr], brands: all, languages: all, capacity: 5 }\n";

enum actor { FEED, OUTLET, ASHA, BEN, ACTORS };

struct world {
    char desk[32];
    char rules_file[64];
    char endpoints[2][48];
    struct child *brokers[2];
    struct behalf_client *clients[ACTORS];
    bool feeding;
    int posts;                  // sent
    int64_t asked[POSTS_MAX];   // id of each post's request
    int64_t item_of[POSTS_MAX]; // once TAKEN
    int first_open;             // no post before it is unanswered
    int taken;
    char holder[POSTS_MAX][LEASES_MAX]; // who was shown an item under a lease; 0: nobody
    int64_t answered_lease[POSTS_MAX];  // newest lease under which it was answered
    bool answered[POSTS_MAX];           // replies of which DONE was heard
    bool published[POSTS_MAX];          // replies that the outlet had
    int shown, answers, settled;
    int64_t shown_ms; // when an ITEM last came
};

// ---- the brokers ----

static void start_broker(struct world *world, int which)
{
    const char *argv[] = { broker_program,
                           "--desk",
                           world->rules_file,
                           "--store",
                           postgres_cluster_url(cluster),
                           "--listen",
                           world->endpoints[which],
                           "--heartbeat",
                           "500",
                           NULL };

    child_destroy(&world->brokers[which]);
    world->brokers[which] = child_new(argv);
}

static void expect_said(struct world *world, int which, const char *words)
{
    free(child_expect_error(world->brokers[which], NULL, words));
}

static void set_desk(struct world *world)
{
    FILE *file = NULL;
    static int desks = 0;

    snprintf(world->desk, sizeof world->desk, "many-%d", ++desks);
    snprintf(world->rules_file, sizeof world->rules_file, "/tmp/behalf-many-%ld.yaml", (long) getpid());
    file = fopen(world->rules_file, "we");
    assert_non_null(file);
    fprintf(file, rules, world->desk);
    assert_int_equal(fclose(file), 0);
}

static struct behalf_client *client_of(struct world *world, enum actor actor)
{
    static const char *channels[] = { "chirp" };
    struct behalf_hello hello = { .role = "person", .name = actor == ASHA ? "asha" : "ben" };
    char brokers[128];

    if (actor == FEED) {
        hello = (struct behalf_hello){ .role = "connector", .name = "feed" };
    } else if (actor == OUTLET) {
        hello = (struct behalf_hello){
            .role = "connector", .name = "out", .instance = "out-1", .channels = channels, .channels_count = 1
        };
    }
    snprintf(brokers, sizeof brokers, "%s,%s", world->endpoints[0], world->endpoints[1]);
    return behalf_client_new(brokers, &hello);
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof *world);

    cluster = *state;
    set_desk(world);
    for (int i = 0; i < 2; i++) {
        snprintf(world->endpoints[i], sizeof world->endpoints[i], "tcp://127.0.0.1:%d", postgres_cluster_find_port());
    }
    start_broker(world, 0);
    expect_said(world, 0, "broker ready");
    start_broker(world, 1);
    expect_said(world, 1, "broker waiting to take over");
    for (int i = 0; i < ACTORS; i++) {
        world->clients[i] = client_of(world, (enum actor) i);
        assert_non_null(world->clients[i]);
    }
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;

    for (int i = 0; i < ACTORS; i++) {
        behalf_client_destroy(&world->clients[i]);
    }
    child_destroy(&world->brokers[0]);
    child_destroy(&world->brokers[1]);
    (void) unlink(world->rules_file);
    free(world);
    return 0;
}

// ---- the clients ----

static int64_t ask(struct world *world, enum actor actor, const struct behalf_message *message)
{
    struct behalf_fault fault;
    int64_t id = behalf_client_send(world->clients[actor], message, &fault);

    if (id == 0) {
        fail_msg("%s: %s", fault.field, fault.reason);
    }
    return id;
}

static void feed(struct world *world)
{
    char post[32];
    char text[64];

    while (world->feeding && world->posts < POSTS_MAX && behalf_client_pending(world->clients[FEED]) < UNDER_WAY &&
           world->taken < world->settled + 200) {
        snprintf(post, sizeof post, "p%d", world->posts);
        snprintf(text, sizeof text, "Where is my bag number %d?", world->posts);
        struct behalf_message message = { .type = BEHALF_POST,
                                          .post = { .channel = "chirp",
                                                    .post = post,
                                                    .brand = "bolt",
                                                    .author = post,
                                                    .text = text,
                                                    .language = "en" } };
        world->asked[world->posts++] = ask(world, FEED, &message);
    }
}

static void hear_taken(struct world *world, const struct behalf_message *message)
{
    if (message->type != BEHALF_TAKEN) {
        return;
    }
    for (int i = world->first_open; i < world->posts; i++) {
        if (world->asked[i] == message->id) {
            assert_int_equal(world->item_of[i], 0);
            world->item_of[i] = message->taken.item;
            world->taken++;
        }
    }
    while (world->first_open < world->posts && world->item_of[world->first_open] != 0) {
        world->first_open++;
    }
}

static void hear_item(struct world *world, enum actor person, const struct behalf_item *item)
{
    assert_in_range(item->item, 1, POSTS_MAX - 1);
    assert_in_range(item->lease, 1, LEASES_MAX - 1);
    char *holder = &world->holder[item->item][item->lease];
    assert_true(*holder == 0 || *holder == (char) person); // never two under one lease
    *holder = (char) person;
    world->shown++;
    world->shown_ms = clocks_monotonic_ms();
    if (strcmp(item->state, "held") == 0 && world->answered_lease[item->item] < item->lease) {
        struct behalf_message answer = {
            .type = BEHALF_ANSWER,
            .answer = { .item = item->item, .lease = item->lease, .text = "We are looking for it." }
        };
        world->answered_lease[item->item] = item->lease;
        (void) ask(world, person, &answer);
    }
}

static void hear_person(struct world *world, enum actor person, const struct behalf_message *message)
{
    struct behalf_message available = { .type = BEHALF_PRESENCE, .presence = { .state = "available" } };

    if (message->type == BEHALF_WELCOME) {
        (void) ask(world, person, &available);
    } else if (message->type == BEHALF_ITEM) {
        hear_item(world, person, &message->item);
    } else if (message->type == BEHALF_DONE && message->done.reply > 0) {
        assert_in_range(message->done.reply, 1, POSTS_MAX - 1);
        world->answers += world->answered[message->done.reply] ? 0 : 1;
        world->answered[message->done.reply] = true;
    } else if (message->type == BEHALF_ERROR && strcmp(message->error.code, "STALE") != 0) {
        fail_msg("%s: %s %s", person == ASHA ? "asha" : "ben", message->error.code, message->error.reason);
    }
}

static void hear_outlet(struct world *world, const struct behalf_message *message)
{
    if (message->type == BEHALF_REPLY && !world->published[message->reply.reply]) {
        struct behalf_message settle = { .type = BEHALF_SETTLE,
                                         .settle = { .reply = message->reply.reply, .fate = "confirmed" } };
        world->published[message->reply.reply] = true;
        (void) ask(world, OUTLET, &settle);
    } else if (message->type == BEHALF_REPLY) {
        assert_true(message->reply.again); // never handed out twice
    } else if (message->type == BEHALF_DONE) {
        world->settled++;
    }
}

static void hear(struct world *world, enum actor actor)
{
    struct behalf_message *message;

    while ((message = behalf_client_next(world->clients[actor])) != NULL) {
        if (actor == FEED) {
            hear_taken(world, message);
        } else if (actor == OUTLET) {
            hear_outlet(world, message);
        } else {
            hear_person(world, actor, message);
        }
        behalf_message_destroy(&message);
    }
}

static void turn(struct world *world)
{
    feed(world);
    for (int i = 0; i < ACTORS; i++) {
        hear(world, (enum actor) i);
    }
    (void) poll(NULL, 0, 1);
}

static void work(struct world *world, int64_t ms)
{
    for (int64_t end_ms = clocks_monotonic_ms() + ms; clocks_monotonic_ms() < end_ms;) {
        turn(world);
    }
}

static void begin_load(struct world *world)
{
    int64_t begun_ms = clocks_monotonic_ms();

    world->feeding = true;
    while (world->settled < 50) {
        assert_true(clocks_monotonic_ms() - begun_ms < WAIT_MS);
        turn(world);
    }
}

// Works on until a broker has said so; returns after how long, and passes over the words.
static int64_t work_until_said(struct world *world, int which, const char *words, int64_t since_ms)
{
    while (strstr(child_errors(world->brokers[which]), words) == NULL) {
        if (clocks_monotonic_ms() - since_ms > WAIT_MS) {
            fail_msg("no \"%s\" came:\n%s", words, child_errors(world->brokers[which]));
        }
        turn(world);
    }
    int64_t taken_ms = clocks_monotonic_ms() - since_ms;
    expect_said(world, which, words);
    return taken_ms;
}

// Works on until a person is shown something; returns how long after `since_ms` that was.
static int64_t work_until_shown(struct world *world, int64_t since_ms)
{
    int shown = world->shown;

    while (world->shown == shown) {
        assert_true(clocks_monotonic_ms() - since_ms < WAIT_MS);
        turn(world);
    }
    return world->shown_ms - since_ms;
}

// ---- the judgement ----

static const char *sql_of(const struct world *world, const char *format)
{
    char sql[512];

    snprintf(sql, sizeof sql, format, world->desk, world->desk);
    return postgres_cluster_sql(cluster, sql);
}

static void drain(struct world *world)
{
    int64_t begun_ms = clocks_monotonic_ms();

    world->feeding = false;
    while (world->taken < world->posts ||
           strcmp(sql_of(world, "SELECT count(*) FROM behalf.item WHERE desk = '%s' AND open"), "0") != 0) {
        if (clocks_monotonic_ms() - begun_ms > WAIT_MS) {
            fail_msg("%d of %d posts were taken, %s items are open", world->taken, world->posts,
                     sql_of(world, "SELECT count(*) FROM behalf.item WHERE desk = '%s' AND open"));
        }
        work(world, 200);
    }
    work(world, 200); // what was told about it
}

static PGresult *rows_of(PGconn *link, const struct world *world, const char *format)
{
    char sql[512];

    snprintf(sql, sizeof sql, format, world->desk);
    PGresult *rows = PQexec(link, sql);
    assert_int_equal(PQresultStatus(rows), PGRES_TUPLES_OK);
    return rows;
}

static void judge_posts(const struct world *world, PGconn *link)
{
    PGresult *rows = rows_of(link, world, "SELECT substr(post, 2), item FROM behalf.post WHERE desk = '%s'");
    bool *seen = calloc(POSTS_MAX, sizeof *seen);

    for (int i = 0; i < PQntuples(rows); i++) {
        int post = atoi(PQgetvalue(rows, i, 0));
        assert_false(seen[post]); // taken twice
        seen[post] = true;
        assert_int_equal(world->item_of[post], atoll(PQgetvalue(rows, i, 1)));
    }
    assert_int_equal(PQntuples(rows), world->taken); // and none that was acknowledged is missing
    free(seen);
    PQclear(rows);
}

static void judge_replies(const struct world *world, PGconn *link)
{
    PGresult *rows = rows_of(link, world, "SELECT reply, state, attempt FROM behalf.reply WHERE desk = '%s'");
    int found = 0;

    for (int i = 0; i < PQntuples(rows); i++) {
        int reply = atoi(PQgetvalue(rows, i, 0));
        assert_string_equal(PQgetvalue(rows, i, 1), "confirmed");
        assert_string_equal(PQgetvalue(rows, i, 2), "1");
        assert_true(world->published[reply]);
        found += world->answered[reply] ? 1 : 0;
    }
    assert_int_equal(found, world->answers);
    PQclear(rows);
}

static void judge(struct world *world)
{
    drain(world);
    PGconn *link = PQconnectdb(postgres_cluster_url(cluster));
    judge_posts(world, link);
    judge_replies(world, link);
    PQfinish(link);
    assert_string_equal(sql_of(world,
                               "SELECT count(*) FROM behalf.item AS i WHERE i.desk = '%s' AND (SELECT count(*) FROM"
                               " behalf.outcome AS o WHERE o.desk = '%s' AND o.item = i.item) <> 1"),
                        "0");
    print_message("%d posts taken, %d answers, %d replies settled\n", world->taken, world->answers, world->settled);
}

// ---- the claims ----

static void the_desk_of_a_killed_broker_is_taken_over_within_3_s_and_nothing_is_lost_or_doubled(void **state)
{
    struct world *world = *state;

    begin_load(world);
    for (int round = 0; round < 4; round++) {
        int owner = round % 2;
        work(world, 700 + round * 130);
        child_signal(world->brokers[owner], SIGKILL);
        int64_t killed_ms = clocks_monotonic_ms();
        int64_t moved_ms = work_until_said(world, 1 - owner, "has taken the desk", killed_ms);
        int64_t ready_ms = work_until_said(world, 1 - owner, "broker ready", killed_ms);
        int64_t offer_ms = work_until_shown(world, killed_ms);
        print_message("killed: lease moved after %lld ms, serving after %lld ms, first offer after %lld ms\n",
                      (long long) moved_ms, (long long) ready_ms, (long long) offer_ms);
        assert_true(in_time(moved_ms, 3000));
        assert_true(in_time(offer_ms, 8000));
        start_broker(world, owner);
        (void) work_until_said(world, owner, "broker waiting to take over", clocks_monotonic_ms());
    }
    judge(world);
}

static void a_clean_stop_hands_the_desk_over_within_a_second(void **state)
{
    struct world *world = *state;
    int releases = 0;
    int rows = 0;

    begin_load(world);
    postgres_cluster_watch_releases(cluster);
    for (int round = 0; round < 4; round++) {
        int owner = round % 2;
        work(world, 500);
        child_signal(world->brokers[owner], SIGTERM);
        int64_t stopped_ms = clocks_monotonic_ms();
        int64_t ready_ms = work_until_said(world, 1 - owner, "broker ready", stopped_ms);
        int64_t offer_ms = work_until_shown(world, stopped_ms);
        print_message("stopped: serving after %lld ms, first offer after %lld ms\n", (long long) ready_ms,
                      (long long) offer_ms);
        assert_true(in_time(ready_ms, 1000));
        assert_int_equal(child_wait(world->brokers[owner], NULL), 0);
        start_broker(world, owner);
        (void) work_until_said(world, owner, "broker waiting to take over", clocks_monotonic_ms());
    }
    postgres_cluster_releases(cluster, &releases, &rows);
    assert_int_equal(releases, 4);
    assert_int_equal(rows, 0); // whoever takes the desk finds nothing to apply
    judge(world);
}

static void a_clean_stop_does_not_wait_for_ever_for_a_table(void **state)
{
    struct world *world = *state;

    begin_load(world);
    PGconn *analyst = PQconnectdb(postgres_cluster_url(cluster));
    PQclear(PQexec(analyst, "BEGIN"));
    PQclear(PQexec(analyst, "LOCK TABLE behalf.event IN ACCESS EXCLUSIVE MODE"));
    assert_int_equal(PQtransactionStatus(analyst), PQTRANS_INTRANS);
    work(world, 500);
    child_signal(world->brokers[0], SIGTERM);
    int code = child_wait(world->brokers[0], NULL);
    assert_in_range(code, 0, 1); // 1 where a question waited for the tables as well
    PQfinish(analyst);
    (void) work_until_said(world, 1, "broker ready", clocks_monotonic_ms());
    (void) work_until_shown(world, clocks_monotonic_ms());
    judge(world);
}

// ---- a connection of its own, to one broker alone ----

static void *dial(void *context, const char *endpoint)
{
    void *socket = zmq_socket(context, ZMQ_DEALER);
    int none = 0;

    assert_int_equal(zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none), 0);
    assert_int_equal(zmq_connect(socket, endpoint), 0);
    return socket;
}

static void say(void *socket, const struct behalf_message *message)
{
    struct behalf_fault fault;
    size_t bytes = 0;
    void *frame = behalf_message_encode(message, &bytes, &fault);

    assert_non_null(frame);
    assert_int_equal(zmq_send(socket, frame, bytes, 0), bytes);
    free(frame);
}

static void say_hello(void *socket)
{
    struct behalf_message hello = { .type = BEHALF_HELLO,
                                    .id = 1,
                                    .hello = { .version = 1, .role = "control", .name = "test" } };
    say(socket, &hello);
}

// The next message, or NULL when none came in time.
static struct behalf_message *listen_to(void *socket, int ms)
{
    zmq_pollitem_t item = { .socket = socket, .events = ZMQ_POLLIN };
    static char frame[BEHALF_FRAME_BYTES];
    struct behalf_fault fault;

    if (zmq_poll(&item, 1, ms) <= 0) {
        return NULL;
    }
    int bytes = zmq_recv(socket, frame, sizeof frame, 0);
    assert_in_range(bytes, 1, sizeof frame);
    struct behalf_message *message = behalf_message_decode(frame, (size_t) bytes, &fault);
    assert_non_null(message);
    return message;
}

static void expect_type(void *socket, enum behalf_type type)
{
    struct behalf_message *message = listen_to(socket, 10000);

    assert_non_null(message);
    assert_string_equal(behalf_type_name(message->type), behalf_type_name(type));
    behalf_message_destroy(&message);
}

static void a_paused_broker_that_wakes_up_writes_and_speaks_nothing_and_steps_down(void **state)
{
    struct world *world = *state;
    struct behalf_message status = { .type = BEHALF_STATUS, .id = 2 };
    struct behalf_message *message;
    void *context = zmq_ctx_new();
    bool told = false;

    begin_load(world);
    void *socket = dial(context, world->endpoints[0]);
    say_hello(socket);
    expect_type(socket, BEHALF_WELCOME);
    work(world, 500);
    child_signal(world->brokers[0], SIGSTOP);
    int64_t paused_ms = clocks_monotonic_ms();
    say(socket, &status);
    int64_t moved_ms = work_until_said(world, 1, "has taken the desk", paused_ms);
    (void) work_until_said(world, 1, "broker ready", paused_ms);
    // Nobody tells those who are still connected to the paused broker: they find out by its silence.
    print_message("paused: lease moved after %lld ms\n", (long long) moved_ms);
    assert_true(in_time(moved_ms, 3000));
    work(world, 6000 - (clocks_monotonic_ms() - paused_ms));
    char *epoch = strdup(sql_of(world, "SELECT epoch FROM behalf.desk WHERE desk = '%s'"));
    while ((message = listen_to(socket, 0)) != NULL) { // what was on its way before
        assert_true(message->type == BEHALF_HEARTBEAT);
        behalf_message_destroy(&message);
    }
    child_signal(world->brokers[0], SIGCONT);
    (void) work_until_said(world, 0, "stepping down", clocks_monotonic_ms());
    (void) work_until_said(world, 0, "broker waiting to take over", clocks_monotonic_ms());
    while ((message = listen_to(socket, told ? 300 : 10000)) != NULL) {
        // What claims nothing about the desk may be said: BUSY, or that a silent connection has lost its session.
        const char *code = message->type == BEHALF_ERROR ? message->error.code : "";
        bool harmless = message->type == BEHALF_HEARTBEAT || message->type == BEHALF_MOVED ||
                        strcmp(code, "BUSY") == 0 || strcmp(code, "NOT_SIGNED_IN") == 0;
        if (!harmless) {
            fail_msg("the paused broker says %s %s", behalf_type_name(message->type), code);
        }
        if (message->type == BEHALF_MOVED) {
            told = true;
            assert_string_equal(message->moved.brokers[0], world->endpoints[1]);
        }
        behalf_message_destroy(&message);
    }
    assert_true(told);
    assert_string_equal(sql_of(world, "SELECT epoch FROM behalf.desk WHERE desk = '%s'"), epoch);
    free(epoch);
    judge(world);
    (void) zmq_close(socket);
    (void) zmq_ctx_term(context);
}

static void a_broker_that_waits_tells_where_the_desk_is(void **state)
{
    struct world *world = *state;
    void *context = zmq_ctx_new();
    void *socket = dial(context, world->endpoints[1]);

    say_hello(socket);
    struct behalf_message *message = listen_to(socket, 10000);
    assert_non_null(message);
    assert_int_equal(message->type, BEHALF_MOVED);
    assert_int_equal(message->id, 1);
    assert_string_equal(message->moved.desk, world->desk);
    assert_int_equal(message->moved.brokers_count, 1);
    assert_string_equal(message->moved.brokers[0], world->endpoints[0]);
    behalf_message_destroy(&message);
    (void) zmq_close(socket);
    (void) zmq_ctx_term(context);
    // A client that knows only this one follows.
    struct behalf_hello hello = { .role = "control", .name = "test" };
    struct behalf_message status = { .type = BEHALF_STATUS };
    struct behalf_fault fault;
    struct behalf_client *client = behalf_client_new(world->endpoints[1], &hello);
    int64_t id = behalf_client_send(client, &status, &fault);
    message = behalf_client_wait_answer(client, id, 10000);
    assert_non_null(message);
    assert_int_equal(message->type, BEHALF_COUNTS);
    behalf_message_destroy(&message);
    behalf_client_destroy(&client);
    // Asked to stop, it does so at once, and the desk stays.
    child_signal(world->brokers[1], SIGTERM);
    assert_int_equal(child_wait(world->brokers[1], NULL), 0);
    begin_load(world);
    judge(world);
}

static void a_database_that_is_restarted_moves_no_desk(void **state)
{
    static void (*const ends[])(struct postgres_cluster *) = { postgres_cluster_stop, postgres_cluster_crash,
                                                               postgres_cluster_kill };
    struct world *world = *state;

    begin_load(world);
    char *epoch = strdup(sql_of(world, "SELECT epoch FROM behalf.desk WHERE desk = '%s'"));
    for (size_t i = 0; i < 3; i++) {
        work(world, 500);
        ends[i](cluster);
        work(world, 4000);
        postgres_cluster_begin(cluster);
        int64_t begun_ms = clocks_monotonic_ms();
        int64_t offer_ms = work_until_shown(world, begun_ms);
        print_message("database restarted: first offer %lld ms after its start\n", (long long) offer_ms);
        work(world, 3500); // a challenger that has forgotten the outage would take the desk meanwhile
        assert_string_equal(sql_of(world, "SELECT epoch FROM behalf.desk WHERE desk = '%s'"), epoch);
    }
    free(epoch);
    judge(world);
}

static void a_missing_synchronous_standby_moves_no_desk_and_sessions_do_not_pile_up(void **state)
{
    struct world *world = *state;

    begin_load(world);
    char *epoch = strdup(sql_of(world, "SELECT epoch FROM behalf.desk WHERE desk = '%s'"));
    (void) postgres_cluster_sql(cluster, "ALTER SYSTEM SET synchronous_standby_names = 'missing'");
    (void) postgres_cluster_sql(cluster, "SELECT pg_reload_conf()");
    work(world, 1000);
    int taken = world->taken;
    work(world, 12000);
    assert_int_equal(world->taken, taken);
    int sessions =
        atoi(postgres_cluster_sql(cluster, "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE"
                                           " 'behalf desk=%'"));
    print_message("standby missing for 13 s: %d sessions\n", sessions);
    assert_in_range(sessions, 1, 9);
    (void) postgres_cluster_sql(cluster, "ALTER SYSTEM RESET synchronous_standby_names");
    (void) postgres_cluster_sql(cluster, "SELECT pg_reload_conf()");
    int64_t back_ms = clocks_monotonic_ms();
    print_message("standby back: first offer after %lld ms\n", (long long) work_until_shown(world, back_ms));
    assert_string_equal(sql_of(world, "SELECT epoch FROM behalf.desk WHERE desk = '%s'"), epoch);
    free(epoch);
    judge(world);
}

static void of_two_brokers_that_start_at_once_one_has_the_desk(void **state)
{
    struct world *world = *state;

    child_destroy(&world->brokers[0]);
    child_destroy(&world->brokers[1]);
    set_desk(world);
    start_broker(world, 0);
    start_broker(world, 1);
    begin_load(world);
    work(world, 3000);
    bool first = strstr(child_errors(world->brokers[0]), "broker ready") != NULL;
    bool second = strstr(child_errors(world->brokers[1]), "broker ready") != NULL;
    assert_true(first != second);
    assert_non_null(strstr(child_errors(world->brokers[first ? 1 : 0]), "broker waiting to take over"));
    assert_string_equal(sql_of(world, "SELECT epoch FROM behalf.desk WHERE desk = '%s'"), "1");
    judge(world);
}

#define CLAIM(claim) cmocka_unit_test_setup_teardown(claim, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CLAIM(a_broker_that_waits_tells_where_the_desk_is),
        CLAIM(of_two_brokers_that_start_at_once_one_has_the_desk),
        CLAIM(a_clean_stop_hands_the_desk_over_within_a_second),
        CLAIM(a_clean_stop_does_not_wait_for_ever_for_a_table),
        CLAIM(the_desk_of_a_killed_broker_is_taken_over_within_3_s_and_nothing_is_lost_or_doubled),
        CLAIM(a_paused_broker_that_wakes_up_writes_and_speaks_nothing_and_steps_down),
        CLAIM(a_database_that_is_restarted_moves_no_desk),
        CLAIM(a_missing_synchronous_standby_moves_no_desk_and_sessions_do_not_pile_up),
    };

    if (argc < 2) {
        return 2;
    }
    broker_program = argv[1];
    if (argc > 2) {
        cmocka_set_test_filter(argv[2]);
    }
    return postgres_cluster_possible()
               ? cmocka_run_group_tests(tests, postgres_cluster_set_up_group, postgres_cluster_tear_down_group)
               : 77;
}
