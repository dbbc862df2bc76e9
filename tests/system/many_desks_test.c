// many_desks_test.c - brokers of several desks on one PostgreSQL: who comes to which desk, and who has which.
//
// Every desk has a connector that feeds and publishes, and an agent; all of them work through libbehalf in the test's
// own thread while brokers are started, stopped, paused and killed.  What they were told is written down and held
// against the database at the end.

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
#define DESKS_MAX 6
#define BROKERS_MAX 3
#define IDS_MAX 16384 // of items and replies of a desk
#define UNDER_WAY 2

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
    "  %s: { display_name: Asha Rao, roles: [agent], agency: Northline, brands: all, languages: [en], capacity: 3 }\n"
    "  everywhere: { display_name: Ben Vogel, roles: [agent], agency: Northline, brands: all, languages: [en],"
    " capacity: 3 }\n"
    "  petra: { display_name: Petra Lind, roles: [pr], brands: all, languages: all, capacity: 5 }\n";

// A desk, and those who work for it.
struct operation {
    char desk[32];
    char person[32];
    char file[64];
    struct behalf_client *feed;
    struct behalf_client *agent;
    int posts;                // sent
    int64_t asked[IDS_MAX];   // id of each post's request
    int64_t item_of[IDS_MAX]; // once TAKEN
    int first_open;           // no post before it is unanswered
    int taken, answers, settled;
    int64_t shown_lease[IDS_MAX]; // newest lease under which an item was shown
    bool answered[IDS_MAX];       // replies of which DONE was heard
    bool published[IDS_MAX];      // replies that the connector had
    int64_t shown_ms;             // when an ITEM last came
    int64_t pause_ms;             // the longest time between two, while there was work
};

struct world {
    struct operation operations[DESKS_MAX];
    int desk_count;
    char endpoints[BROKERS_MAX][48];
    struct child *brokers[BROKERS_MAX];
    bool feeding;
};

// ---- the brokers ----

static void start_broker(struct world *world, int which)
{
    const char *argv[2 * DESKS_MAX + 16] = {
        broker_program, "--store", postgres_cluster_url(cluster), "--listen", world->endpoints[which],
        "--heartbeat",  "500"
    };
    int count = 7;

    for (int i = 0; i < world->desk_count; i++) {
        argv[count++] = "--desk";
        argv[count++] = world->operations[i].file;
    }
    child_destroy(&world->brokers[which]);
    world->brokers[which] = child_new(argv);
}

static const char *brokers_of(const struct world *world, char text[BROKERS_MAX * 48])
{
    text[0] = '\0';
    for (int i = 0; i < BROKERS_MAX; i++) {
        snprintf(text + strlen(text), BROKERS_MAX * 48 - strlen(text), "%s%s", i == 0 ? "" : ",", world->endpoints[i]);
    }
    return text;
}

static void write_rules(struct operation *operation)
{
    FILE *file = fopen(operation->file, "we");

    assert_non_null(file);
    fprintf(file, rules, operation->desk, operation->person);
    assert_int_equal(fclose(file), 0);
}

static void make_desks(struct world *world, int count)
{
    static int desks = 0;

    world->desk_count = count;
    for (int i = 0; i < count; i++) {
        struct operation *operation = &world->operations[i];
        snprintf(operation->desk, sizeof operation->desk, "desk-%d", ++desks);
        snprintf(operation->person, sizeof operation->person, "asha-%d", desks);
        snprintf(operation->file, sizeof operation->file, "/tmp/behalf-desks-%ld-%d.yaml", (long) getpid(), i);
        write_rules(operation);
    }
}

static void sign_in(const struct world *world, struct operation *operation)
{
    static const char *channels[] = { "chirp" };
    struct behalf_hello feed = { .role = "connector",
                                 .name = "feed",
                                 .instance = "feed-1",
                                 .channels = channels,
                                 .channels_count = 1,
                                 .desk = operation->desk };
    struct behalf_hello agent = { .role = "person", .name = operation->person };
    char brokers[BROKERS_MAX * 48];

    operation->feed = behalf_client_new(brokers_of(world, brokers), &feed);
    operation->agent = behalf_client_new(brokers, &agent);
    assert_non_null(operation->feed);
    assert_non_null(operation->agent);
}

static int set_up_desks(void **state, int desks)
{
    struct world *world = calloc(1, sizeof *world);

    cluster = *state;
    assert_non_null(world);
    make_desks(world, desks);
    for (int i = 0; i < BROKERS_MAX; i++) {
        snprintf(world->endpoints[i], sizeof world->endpoints[i], "tcp://127.0.0.1:%d", postgres_cluster_find_port());
    }
    for (int i = 0; i < desks; i++) {
        sign_in(world, &world->operations[i]);
    }
    *state = world;
    return 0;
}

static int set_up_three(void **state)
{
    return set_up_desks(state, 3);
}

static int set_up_six(void **state)
{
    return set_up_desks(state, 6);
}

static int tear_down(void **state)
{
    struct world *world = *state;

    for (int i = 0; i < world->desk_count; i++) {
        behalf_client_destroy(&world->operations[i].feed);
        behalf_client_destroy(&world->operations[i].agent);
        (void) unlink(world->operations[i].file);
    }
    for (int i = 0; i < BROKERS_MAX; i++) {
        child_destroy(&world->brokers[i]);
    }
    free(world);
    return 0;
}

// ---- the clients ----

static int64_t ask(struct behalf_client *client, const struct behalf_message *message)
{
    struct behalf_fault fault;
    int64_t id = behalf_client_send(client, message, &fault);

    if (id == 0) {
        fail_msg("%s: %s", fault.field, fault.reason);
    }
    return id;
}

static void feed(struct operation *operation)
{
    char post[32];

    while (operation->posts < IDS_MAX && behalf_client_pending(operation->feed) < UNDER_WAY &&
           operation->taken < operation->settled + 10) {
        snprintf(post, sizeof post, "p%d", operation->posts);
        struct behalf_message message = { .type = BEHALF_POST,
                                          .post = { .channel = "chirp",
                                                    .post = post,
                                                    .brand = "bolt",
                                                    .author = post,
                                                    .text = "Where is my bag?",
                                                    .language = "en" } };
        operation->asked[operation->posts++] = ask(operation->feed, &message);
    }
}

static void hear_taken(struct operation *operation, const struct behalf_message *message)
{
    for (int i = operation->first_open; i < operation->posts; i++) {
        if (operation->asked[i] == message->id) {
            assert_int_equal(operation->item_of[i], 0);
            operation->item_of[i] = message->taken.item;
            operation->taken++;
        }
    }
    while (operation->first_open < operation->posts && operation->item_of[operation->first_open] != 0) {
        operation->first_open++;
    }
}

static void hear_feed(struct operation *operation, const struct behalf_message *message)
{
    if (message->type == BEHALF_TAKEN) {
        hear_taken(operation, message);
    } else if (message->type == BEHALF_REPLY && !operation->published[message->reply.reply]) {
        struct behalf_message settle = { .type = BEHALF_SETTLE,
                                         .settle = { .reply = message->reply.reply, .fate = "confirmed" } };
        operation->published[message->reply.reply] = true;
        (void) ask(operation->feed, &settle);
    } else if (message->type == BEHALF_REPLY) {
        assert_true(message->reply.again); // never handed out twice
    } else if (message->type == BEHALF_DONE) {
        operation->settled++;
    }
}

static void hear_item(struct operation *operation, const struct behalf_item *item, bool feeding)
{
    int64_t at_ms = clocks_monotonic_ms();

    assert_in_range(item->item, 1, IDS_MAX - 1);
    if (feeding && operation->shown_ms > 0 && at_ms - operation->shown_ms > operation->pause_ms) {
        operation->pause_ms = at_ms - operation->shown_ms;
    }
    operation->shown_ms = at_ms;
    if (strcmp(item->state, "held") == 0 && operation->shown_lease[item->item] < item->lease) {
        struct behalf_message answer = {
            .type = BEHALF_ANSWER,
            .answer = { .item = item->item, .lease = item->lease, .text = "We are looking for it." }
        };
        operation->shown_lease[item->item] = item->lease;
        (void) ask(operation->agent, &answer);
    }
}

static void hear_agent(struct operation *operation, const struct behalf_message *message, bool feeding)
{
    struct behalf_message available = { .type = BEHALF_PRESENCE, .presence = { .state = "available" } };

    if (message->type == BEHALF_WELCOME) {
        assert_string_equal(message->welcome.desk, operation->desk);
        (void) ask(operation->agent, &available);
    } else if (message->type == BEHALF_ITEM) {
        hear_item(operation, &message->item, feeding);
    } else if (message->type == BEHALF_DONE && message->done.reply > 0) {
        operation->answers += operation->answered[message->done.reply] ? 0 : 1;
        operation->answered[message->done.reply] = true;
    } else if (message->type == BEHALF_ERROR && strcmp(message->error.code, "STALE") != 0) {
        fail_msg("%s: %s %s", operation->person, message->error.code, message->error.reason);
    }
}

static void turn(struct world *world)
{
    struct behalf_message *message;

    for (int i = 0; i < world->desk_count; i++) {
        struct operation *operation = &world->operations[i];
        if (world->feeding) {
            feed(operation);
        }
        while ((message = behalf_client_next(operation->feed)) != NULL) {
            hear_feed(operation, message);
            behalf_message_destroy(&message);
        }
        while ((message = behalf_client_next(operation->agent)) != NULL) {
            hear_agent(operation, message, world->feeding);
            behalf_message_destroy(&message);
        }
        assert_int_not_equal(behalf_client_state(operation->feed), BEHALF_CLIENT_REFUSED);
        assert_int_not_equal(behalf_client_state(operation->agent), BEHALF_CLIENT_REFUSED);
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
    bool all = false;

    world->feeding = true;
    while (!all) {
        assert_true(clocks_monotonic_ms() - begun_ms < WAIT_MS);
        turn(world);
        all = true;
        for (int i = 0; i < world->desk_count; i++) {
            all = all && world->operations[i].settled >= 5;
        }
    }
}

// The longest time that a desk's agent was shown nothing, since the last call.
static int64_t longest_pause_ms(struct world *world)
{
    int64_t longest_ms = 0;

    for (int i = 0; i < world->desk_count; i++) {
        struct operation *operation = &world->operations[i];
        int64_t still_ms = operation->shown_ms == 0 ? 0 : clocks_monotonic_ms() - operation->shown_ms;
        longest_ms = operation->pause_ms > longest_ms ? operation->pause_ms : longest_ms;
        longest_ms = still_ms > longest_ms ? still_ms : longest_ms;
        operation->pause_ms = 0;
    }
    return longest_ms;
}

// ---- who has what ----

static PGconn *link_to_database(void)
{
    static PGconn *link = NULL;

    if (link == NULL) {
        link = PQconnectdb(postgres_cluster_url(cluster));
        assert_int_equal(PQstatus(link), CONNECTION_OK);
    }
    return link;
}

// How many of the world's desks a broker has.
static int desks_of(const struct world *world, int which)
{
    char sql[1024];
    size_t at = (size_t) snprintf(sql, sizeof sql,
                                  "SELECT count(*) FROM behalf.lease WHERE held AND endpoints = '%s' AND desk IN (''",
                                  world->endpoints[which]);

    for (int i = 0; i < world->desk_count; i++) {
        at += (size_t) snprintf(sql + at, sizeof sql - at, ", '%s'", world->operations[i].desk);
    }
    snprintf(sql + at, sizeof sql - at, ")");
    PGresult *rows = PQexec(link_to_database(), sql);
    int count = PQresultStatus(rows) == PGRES_TUPLES_OK ? atoi(PQgetvalue(rows, 0, 0)) : -1;
    PQclear(rows);
    return count;
}

// Works on until the brokers have the desks each that `wanted` says; returns how long after `since_ms` that was.
static int64_t work_until_shared(struct world *world, int first, int second, int third, int64_t since_ms)
{
    for (;;) {
        if (desks_of(world, 0) == first && desks_of(world, 1) == second && desks_of(world, 2) == third) {
            return clocks_monotonic_ms() - since_ms;
        }
        if (clocks_monotonic_ms() - since_ms > WAIT_MS) {
            for (int i = 0; i < BROKERS_MAX; i++) {
                print_message("broker %d has %d:\n%s\n", i, desks_of(world, i),
                              world->brokers[i] == NULL ? "" : child_errors(world->brokers[i]));
            }
            fail_msg("the desks are not shared out %d, %d, %d", first, second, third);
        }
        work(world, 20);
    }
}

static int count_of(const char *text, const char *part)
{
    int count = 0;

    for (; (text = strstr(text, part)) != NULL; text += strlen(part)) {
        count++;
    }
    return count;
}

// Works on until a broker has said something a number of times more.
static int64_t work_until_said(struct world *world, int which, const char *words, int times, int64_t since_ms)
{
    while (count_of(child_errors(world->brokers[which]), words) < times) {
        if (clocks_monotonic_ms() - since_ms > WAIT_MS) {
            fail_msg("\"%s\" did not come %d times:\n%s", words, times, child_errors(world->brokers[which]));
        }
        turn(world);
    }
    return clocks_monotonic_ms() - since_ms;
}

// ---- the judgement ----

static PGresult *rows_of(const struct operation *operation, const char *format)
{
    char sql[512];

    snprintf(sql, sizeof sql, format, operation->desk);
    PGresult *rows = PQexec(link_to_database(), sql);
    assert_int_equal(PQresultStatus(rows), PGRES_TUPLES_OK);
    return rows;
}

static int number_of(const struct operation *operation, const char *format)
{
    PGresult *rows = rows_of(operation, format);
    int number = atoi(PQgetvalue(rows, 0, 0));

    PQclear(rows);
    return number;
}

static int number_of_epochs(const struct world *world)
{
    int epochs = 0;

    for (int i = 0; i < world->desk_count; i++) {
        epochs += number_of(&world->operations[i], "SELECT epoch FROM behalf.desk WHERE desk = '%s'");
    }
    return epochs;
}

static void judge_posts(const struct operation *operation)
{
    PGresult *rows = rows_of(operation, "SELECT substr(post, 2), item FROM behalf.post WHERE desk = '%s'");
    bool *seen = calloc(IDS_MAX, sizeof *seen);

    assert_non_null(seen);
    for (int i = 0; i < PQntuples(rows); i++) {
        int post = atoi(PQgetvalue(rows, i, 0));
        assert_in_range(post, 0, IDS_MAX - 1);
        assert_false(seen[post]); // taken twice
        seen[post] = true;
        assert_int_equal(operation->item_of[post], atoll(PQgetvalue(rows, i, 1)));
    }
    assert_int_equal(PQntuples(rows), operation->taken); // and none that was acknowledged is missing
    free(seen);
    PQclear(rows);
}

static void judge_replies(const struct operation *operation)
{
    PGresult *rows = rows_of(operation, "SELECT reply, state, attempt FROM behalf.reply WHERE desk = '%s'");
    int found = 0;

    for (int i = 0; i < PQntuples(rows); i++) {
        int reply = atoi(PQgetvalue(rows, i, 0));
        assert_string_equal(PQgetvalue(rows, i, 1), "confirmed");
        assert_string_equal(PQgetvalue(rows, i, 2), "1");
        assert_true(operation->published[reply]);
        found += operation->answered[reply] ? 1 : 0;
    }
    assert_int_equal(found, operation->answers);
    PQclear(rows);
}

static void judge(struct world *world)
{
    int64_t begun_ms = clocks_monotonic_ms();
    bool all = false;
    int taken = 0;

    world->feeding = false;
    while (!all) {
        work(world, 100);
        all = true;
        for (int i = 0; i < world->desk_count; i++) {
            const struct operation *operation = &world->operations[i];
            all = all && operation->taken == operation->posts &&
                  number_of(operation, "SELECT count(*) FROM behalf.item WHERE desk = '%s' AND open") == 0;
        }
        assert_true(clocks_monotonic_ms() - begun_ms < WAIT_MS);
    }
    work(world, 300); // what was told about it
    for (int i = 0; i < world->desk_count; i++) {
        judge_posts(&world->operations[i]);
        judge_replies(&world->operations[i]);
        taken += world->operations[i].taken;
    }
    print_message("%d posts of %d desks taken, answered and published\n", taken, world->desk_count);
}

// ---- a connection of its own, to one broker alone ----

static void say_hello(void *socket, int64_t id, const char *role, const char *name, const char *desk)
{
    struct behalf_message hello = { .type = BEHALF_HELLO,
                                    .id = id,
                                    .hello = { .version = 1, .role = role, .name = name, .desk = desk } };
    struct behalf_fault fault;
    size_t bytes = 0;
    void *frame = behalf_message_encode(&hello, &bytes, &fault);

    assert_non_null(frame);
    assert_int_equal(zmq_send(socket, frame, bytes, 0), bytes);
    free(frame);
}

// The next message but HEARTBEAT; NULL when none came in time.
static struct behalf_message *listen_to(void *socket, int ms)
{
    zmq_pollitem_t item = { .socket = socket, .events = ZMQ_POLLIN };
    static char frame[BEHALF_FRAME_BYTES];
    struct behalf_message *message = NULL;
    struct behalf_fault fault;

    while (message == NULL && zmq_poll(&item, 1, ms) > 0) {
        int bytes = zmq_recv(socket, frame, sizeof frame, 0);
        assert_in_range(bytes, 1, sizeof frame);
        message = behalf_message_decode(frame, (size_t) bytes, &fault);
        assert_non_null(message);
        if (message->type == BEHALF_HEARTBEAT) {
            behalf_message_destroy(&message);
        }
    }
    return message;
}

static void expect_error(void *socket, const char *code, const char *field)
{
    struct behalf_message *message = listen_to(socket, 10000);

    assert_non_null(message);
    assert_int_equal(message->type, BEHALF_ERROR);
    assert_string_equal(message->error.code, code);
    assert_string_equal(message->error.field, field);
    behalf_message_destroy(&message);
}

static void expect_welcome(void *socket, int64_t id, const char *desk)
{
    struct behalf_message *message = listen_to(socket, 10000);

    assert_non_null(message);
    assert_int_equal(message->type, BEHALF_WELCOME);
    assert_int_equal(message->id, id);
    assert_string_equal(message->welcome.desk, desk);
    behalf_message_destroy(&message);
}

// ---- the claims ----

static int sessions(void)
{
    return atoi(postgres_cluster_sql(
        cluster, "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'behalf desk%'"));
}

static void a_broker_of_three_desks_serves_the_people_of_each(void **state)
{
    struct world *world = *state;
    const struct operation *operations = world->operations;
    void *context = zmq_ctx_new();
    void *socket = zmq_socket(context, ZMQ_DEALER);
    int none = 0;

    start_broker(world, 0);
    begin_load(world);
    (void) work_until_said(world, 0, "broker ready desk=", 3, clocks_monotonic_ms());
    assert_int_equal(zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none), 0);
    assert_int_equal(zmq_connect(socket, world->endpoints[0]), 0);
    say_hello(socket, 1, "control", "ops", "");
    expect_error(socket, "INVALID", "desk");
    say_hello(socket, 2, "control", "ops", "no-such-desk");
    expect_error(socket, "NOT_FOUND", "desk");
    say_hello(socket, 3, "person", "everywhere", "");
    expect_error(socket, "INVALID", "desk");
    say_hello(socket, 4, "control", "ops", operations[1].desk);
    expect_welcome(socket, 4, operations[1].desk);
    say_hello(socket, 5, "control", "ops", operations[2].desk);
    expect_welcome(socket, 5, operations[2].desk);
    (void) work_until_said(world, 0, "HELLO to another desk on the same connection", 1, clocks_monotonic_ms());
    (void) zmq_close(socket);
    (void) zmq_ctx_term(context);
    // They share sessions: one writes, one applies, one reads reports, one is for the leases.
    for (int64_t begun_ms = clocks_monotonic_ms(); sessions() > 4; work(world, 50)) {
        if (clocks_monotonic_ms() - begun_ms > WAIT_MS) {
            fail_msg("%s", postgres_cluster_sql(cluster, "SELECT string_agg(application_name, ', ') FROM"
                                                         " pg_stat_activity"));
        }
    }
    judge(world);
    child_signal(world->brokers[0], SIGTERM);
    assert_int_equal(child_wait(world->brokers[0], NULL), 0);
}

static void a_folder_keeps_one_desk(void **state)
{
    struct world *world = *state;
    const char *argv[] = {
        broker_program,        "--desk", world->operations[0].file, "--desk", world->operations[1].file, "--data",
        "/nonexistent/behalf", NULL
    };
    struct child *child = child_new(argv);

    free(child_expect_error(child, NULL, "a folder keeps one desk"));
    assert_int_equal(child_wait(child, NULL), 2);
    child_destroy(&child);
    const char *twice[] = { broker_program,
                            "--desk",
                            world->operations[0].file,
                            "--desk",
                            world->operations[0].file,
                            "--store",
                            postgres_cluster_url(cluster),
                            NULL };
    child = child_new(twice);
    free(child_expect_error(child, NULL, "give each desk once"));
    assert_int_equal(child_wait(child, NULL), 3);
    child_destroy(&child);
}

static void a_desk_that_cannot_be_opened_leaves_the_others_alone(void **state)
{
    struct world *world = *state;
    char sql[256];

    start_broker(world, 0);
    begin_load(world);
    child_signal(world->brokers[0], SIGTERM);
    assert_int_equal(child_wait(world->brokers[0], NULL), 0);
    snprintf(sql, sizeof sql, "UPDATE behalf.desk SET held = 'leaving', held_epoch = epoch WHERE desk = '%s'",
             world->operations[1].desk);
    (void) postgres_cluster_sql(cluster, sql);
    start_broker(world, 0);
    (void) work_until_said(world, 0, "could not be taken over", 1, clocks_monotonic_ms());
    int before = world->operations[0].taken;
    work(world, 1000);
    assert_true(world->operations[0].taken > before);
    snprintf(sql, sizeof sql, "UPDATE behalf.desk SET held = '' WHERE desk = '%s'", world->operations[1].desk);
    (void) postgres_cluster_sql(cluster, sql);
    (void) work_until_said(world, 0, "broker ready desk=", 3, clocks_monotonic_ms()); // tried again
    judge(world);
}

static void the_desks_of_a_killed_broker_are_taken_over_within_3_s_and_nothing_is_lost_or_doubled(void **state)
{
    struct world *world = *state;

    start_broker(world, 0);
    begin_load(world);
    (void) work_until_shared(world, 6, 0, 0, clocks_monotonic_ms());
    start_broker(world, 1);
    (void) work_until_said(world, 1, "waiting to take over", 6, clocks_monotonic_ms());
    work(world, 1000);
    child_signal(world->brokers[0], SIGKILL);
    int64_t killed_ms = clocks_monotonic_ms();
    int64_t moved_ms = work_until_shared(world, 0, 6, 0, killed_ms);
    (void) longest_pause_ms(world);
    work(world, 2000);
    print_message("killed: six desks moved after %lld ms, an agent waited %lld ms at most\n", (long long) moved_ms,
                  (long long) longest_pause_ms(world));
    assert_true(in_time(moved_ms, 3000));
    judge(world);
}

static void a_clean_stop_hands_all_desks_over_at_once(void **state)
{
    struct world *world = *state;

    start_broker(world, 0);
    begin_load(world);
    (void) work_until_shared(world, 6, 0, 0, clocks_monotonic_ms());
    start_broker(world, 1);
    (void) work_until_said(world, 1, "waiting to take over", 6, clocks_monotonic_ms());
    work(world, 1000);
    child_signal(world->brokers[0], SIGTERM);
    int64_t stopped_ms = clocks_monotonic_ms();
    int64_t moved_ms = work_until_shared(world, 0, 6, 0, stopped_ms);
    print_message("stopped: six desks moved after %lld ms\n", (long long) moved_ms);
    assert_true(in_time(moved_ms, 2500)); // six are opened at once, by a slow build on few cores
    assert_int_equal(child_wait(world->brokers[0], NULL), 0);
    judge(world);
}

static void a_paused_broker_steps_down_from_all_its_desks(void **state)
{
    struct world *world = *state;

    start_broker(world, 0);
    begin_load(world);
    (void) work_until_shared(world, 6, 0, 0, clocks_monotonic_ms());
    start_broker(world, 1);
    (void) work_until_said(world, 1, "waiting to take over", 6, clocks_monotonic_ms());
    child_signal(world->brokers[0], SIGSTOP);
    int64_t paused_ms = clocks_monotonic_ms();
    (void) work_until_shared(world, 0, 6, 0, paused_ms);
    work(world, 2000);
    child_signal(world->brokers[0], SIGCONT);
    (void) work_until_said(world, 0, "stepping down", 6, clocks_monotonic_ms());
    judge(world);
}

static void brokers_share_their_desks_and_people_see_only_a_pause(void **state)
{
    struct world *world = *state;
    int releases = 0;
    int rows = 0;

    start_broker(world, 0);
    start_broker(world, 1);
    int64_t begun_ms = clocks_monotonic_ms();
    begin_load(world);
    print_message("two brokers: three desks each after %lld ms\n",
                  (long long) work_until_shared(world, 3, 3, 0, begun_ms));
    postgres_cluster_watch_releases(cluster);
    start_broker(world, 2);
    int64_t joined_ms = clocks_monotonic_ms();
    work(world, 1000);
    (void) longest_pause_ms(world);
    int64_t shared_ms = work_until_shared(world, 2, 2, 2, joined_ms);
    work(world, 2000);
    int64_t pause_ms = longest_pause_ms(world);
    print_message("a third: two desks each after %lld ms, an agent was shown nothing for %lld ms at most\n",
                  (long long) shared_ms, (long long) pause_ms);
    assert_true(in_time(shared_ms, 20000));
    assert_true(in_time(pause_ms, 3000));
    child_signal(world->brokers[2], SIGKILL);
    int64_t killed_ms = clocks_monotonic_ms();
    while (desks_of(world, 0) + desks_of(world, 1) < 6) {
        assert_true(clocks_monotonic_ms() - killed_ms < WAIT_MS);
        work(world, 20);
    }
    int64_t moved_ms = clocks_monotonic_ms() - killed_ms;
    print_message("killed: its desks are with the others after %lld ms\n", (long long) moved_ms);
    assert_true(in_time(moved_ms, 3000));
    (void) work_until_shared(world, 3, 3, 0, killed_ms);
    work(world, 1000);
    child_signal(world->brokers[1], SIGTERM);
    moved_ms = work_until_shared(world, 6, 0, 0, clocks_monotonic_ms());
    print_message("stopped: all desks moved after %lld ms\n", (long long) moved_ms);
    assert_true(in_time(moved_ms, 2500)); // six are opened at once, by a slow build on few cores
    assert_int_equal(child_wait(world->brokers[1], NULL), 0);
    postgres_cluster_releases(cluster, &releases, &rows);
    assert_in_range(releases, 5, 1000); // two desks handed to the third, and those of the second at its stop
    assert_int_equal(rows, 0);          // whoever takes a desk finds nothing to apply
    judge(world);
    int moves = number_of_epochs(world);
    work(world, 5000);
    assert_int_equal(number_of_epochs(world), moves); // and then there is rest
}

static int end_cluster(void **state)
{
    PQfinish(link_to_database());
    return postgres_cluster_tear_down_group(state);
}

#define CLAIM(claim, desks) cmocka_unit_test_setup_teardown(claim, set_up_##desks, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CLAIM(a_broker_of_three_desks_serves_the_people_of_each, three),
        CLAIM(a_folder_keeps_one_desk, three),
        CLAIM(a_desk_that_cannot_be_opened_leaves_the_others_alone, three),
        CLAIM(the_desks_of_a_killed_broker_are_taken_over_within_3_s_and_nothing_is_lost_or_doubled, six),
        CLAIM(a_clean_stop_hands_all_desks_over_at_once, six),
        CLAIM(brokers_share_their_desks_and_people_see_only_a_pause, six),
        CLAIM(a_paused_broker_steps_down_from_all_its_desks, six),
    };

    if (argc < 2) {
        return 2;
    }
    broker_program = argv[1];
    if (argc > 2) {
        cmocka_set_test_filter(argv[2]);
    }
    return postgres_cluster_possible() ? cmocka_run_group_tests(tests, postgres_cluster_set_up_group, end_cluster) : 77;
}
