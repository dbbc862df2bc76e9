// shared_store_test.c - several desks of one PostgreSQL behind one writer: one session, one transaction, and trouble
// that is one desk's or all's.

#include "broker/store/lease_row.h"
#include "broker/store/store.h"
#include "tests/system/busy.h"
#include "tests/system/cutting_proxy.h"
#include "tests/system/postgres_cluster.h"
#include "tests/unit/store_desk.h"
#include "proto/base/clocks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <libpq-fe.h>
#include <poll.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#define WAIT_MS 60000
#define DESKS_MAX 12

static struct postgres_cluster *cluster;

struct place {
    char name[32];
    struct desk_under_test desk; // its engine belongs to the store
    struct store *store;
    uint64_t back; // batches that came back durable
};

struct room {
    struct writer *writer;
    struct cutting_proxy *proxy;
    struct place places[DESKS_MAX];
    size_t count;
};

static int set_up(void **state)
{
    struct room *room = calloc(1, sizeof *room);

    cluster = *state;
    room->writer = writer_new();
    room->proxy = cutting_proxy_new(postgres_cluster_port(cluster));
    *state = room;
    return 0;
}

static void leave(struct room *room)
{
    for (size_t i = 0; i < room->count; i++) {
        store_destroy(&room->places[i].store);
    }
    writer_destroy(&room->writer);
}

static int tear_down(void **state)
{
    struct room *room = *state;

    leave(room);
    cutting_proxy_destroy(&room->proxy);
    free(room);
    return 0;
}

static struct engine *open_at(const char *url, const char *name)
{
    char reason[512] = "";
    struct engine *engine = engine_postgres_open(url, name, reason, sizeof reason);

    if (engine == NULL) {
        print_message("%s\n", reason);
    }
    assert_non_null(engine);
    return engine;
}

static void add_at(struct room *room, const char *url, bool reported)
{
    static int desks = 0;
    char reason[512] = "";
    struct place *place = &room->places[room->count++];

    assert_true(room->count <= DESKS_MAX);
    snprintf(place->name, sizeof place->name, "shared-%d", ++desks);
    struct engine *engine = open_at(url, place->name);
    struct engine *reports = NULL;
    if (reported) {
        reports = engine_postgres_open_reports(url, place->name, reason, sizeof reason);
        assert_non_null(reports);
    }
    place->desk.engine = engine;
    desk_take_over(&place->desk);
    place->store = store_new(room->writer, &engine, &reports, place);
}

static void add(struct room *room, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        add_at(room, postgres_cluster_url(cluster), false);
    }
}

static void add_by_proxy(struct room *room, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        add_at(room, postgres_cluster_url_by(cluster, cutting_proxy_port(room->proxy)), false);
    }
}

// A post, its item and an event, and a question about the item.
static void submit(struct room *room, size_t at)
{
    struct place *place = &room->places[at];
    struct batch *batch = desk_batch(&place->desk, 1);
    uint64_t item = place->desk.position.sequence;
    char name[32];

    snprintf(name, sizeof name, "p-%llu", (unsigned long long) item);
    put(batch, a_post(item, 1, name, "hello"));
    put(batch, an_item(item, ITEM_WAITING));
    put(batch, a_note(item, "note", "once", false));
    put(batch, an_event(item, item, "taken"));
    (void) batch_ask(batch, &(struct question){ .kind = QUESTION_ITEM, .item = item });
    store_submit(place->store, &batch);
}

static void submit_all(struct room *room)
{
    for (size_t i = 0; i < room->count; i++) {
        submit(room, i);
    }
}

static void collect(struct room *room)
{
    struct store *store = NULL;
    struct batch *batch = NULL;

    while ((store = writer_next_news(room->writer)) != NULL) {
        struct place *place = store_owner(store);
        (void) store_state(store);
        while ((batch = store_take_batch(store)) != NULL) {
            assert_int_equal(batch_to(batch)->sequence, ++place->back);
            assert_true(batch_questions(batch)->found);
            assert_int_equal(batch_questions(batch)->view.item, place->back);
            batch_destroy(&batch);
        }
    }
}

static void wait_for_news(struct room *room, const struct place *place)
{
    struct pollfd wait = { .fd = writer_fd(room->writer), .events = POLLIN };
    char text[512];

    if (poll(&wait, 1, WAIT_MS) != 1) {
        store_describe(place->store, text, sizeof text);
        fail_msg("%s: %llu are back: %s", place->name, (unsigned long long) place->back, text);
    }
    collect(room);
}

static void await_back(struct room *room, size_t at, uint64_t wanted)
{
    struct place *place = &room->places[at];
    char text[512];

    while (place->back < wanted) {
        if (store_state(place->store) == STORE_STATE_CONTRADICTED) {
            store_describe(place->store, text, sizeof text);
            fail_msg("%s: %llu of %llu are back: %s", place->name, (unsigned long long) place->back,
                     (unsigned long long) wanted, text);
        }
        wait_for_news(room, place);
    }
}

static void await_all_back(struct room *room, uint64_t wanted)
{
    for (size_t i = 0; i < room->count; i++) {
        await_back(room, i, wanted);
    }
}

static void await_state(struct room *room, size_t at, enum store_state wanted, const char *part)
{
    struct place *place = &room->places[at];
    char text[512] = "";

    for (int waited_ms = 0; waited_ms < WAIT_MS; waited_ms += 5) {
        collect(room);
        store_describe(place->store, text, sizeof text);
        if (store_state(place->store) == wanted && strstr(text, part) != NULL) {
            return;
        }
        (void) poll(NULL, 0, 5);
    }
    fail_msg("%s: not \"%s\" but: %s", place->name, part, text);
}

static bool check_item(void *self, const struct item_record *item)
{
    uint64_t *last = self;

    assert_int_equal(item->item, *last + 1);
    *last = item->item;
    return true;
}

// Claims that the database holds exactly the items 1 to `wanted` of the desk, each once with all of its rows.
static void assert_there(const struct place *place, uint64_t wanted)
{
    struct engine *engine = open_at(postgres_cluster_url(cluster), place->name);
    struct store_position position;
    uint64_t last = 0;
    struct store_reader reader = { .self = &last, .item = check_item };
    char sql[512];
    char counts[128];

    assert_int_equal(engine->operations->read(engine, &reader), STORE_OK);
    assert_int_equal(engine->operations->position(engine, &position), STORE_OK);
    engine->operations->destroy(&engine);
    assert_int_equal(last, wanted);
    assert_int_equal(position.sequence, wanted);
    snprintf(sql, sizeof sql,
             "SELECT concat_ws(' ', (SELECT count(*) FROM behalf.post WHERE desk = '%s'), (SELECT count(*) FROM"
             " behalf.note WHERE desk = '%s'), (SELECT count(*) FROM behalf.event WHERE desk = '%s'), (SELECT count(*)"
             " FROM behalf.intake_key WHERE desk = '%s'))",
             place->name, place->name, place->name, place->name);
    snprintf(counts, sizeof counts, "%llu %llu %llu %llu", (unsigned long long) wanted, (unsigned long long) wanted,
             (unsigned long long) wanted, (unsigned long long) wanted);
    assert_string_equal(postgres_cluster_sql(cluster, sql), counts);
}

static const char *ask_sql(const char *format, const char *name)
{
    char sql[512];

    snprintf(sql, sizeof sql, format, name);
    return postgres_cluster_sql(cluster, sql);
}

static void await_sql(const char *sql, const char *wanted)
{
    for (int waited_ms = 0; strcmp(postgres_cluster_sql(cluster, sql), wanted) != 0; waited_ms += 10) {
        assert_true(waited_ms < WAIT_MS);
        (void) poll(NULL, 0, 10);
    }
}

// Holds what this locks until PQfinish.
static PGconn *lock(const char *sql)
{
    char conninfo[192];

    snprintf(conninfo, sizeof conninfo, "%s dbname=behalf", postgres_cluster_administrator(cluster));
    PGconn *locker = PQconnectdb(conninfo);
    PQclear(PQexec(locker, "BEGIN"));
    PQclear(PQexec(locker, sql));
    assert_int_equal(PQtransactionStatus(locker), PQTRANS_INTRANS);
    return locker;
}

// ---- one session, one transaction ----

static void desks_share_one_session_and_one_transaction(void **state)
{
    struct room *room = *state;

    add(room, 10);
    submit_all(room);
    await_all_back(room, 1);
    assert_string_equal(postgres_cluster_sql(cluster,
                                             "SELECT string_agg(application_name, ', ' ORDER BY application_name) FROM"
                                             " pg_stat_activity WHERE application_name LIKE 'behalf%'"),
                        "behalf desks, behalf desks applier");
    // What waits while the writer is held up goes together.
    PGconn *locker = lock("LOCK TABLE behalf.journal IN ACCESS EXCLUSIVE MODE");
    submit(room, 0);
    await_sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'behalf desks' AND wait_event_type ="
              " 'Lock'",
              "1");
    for (size_t i = 1; i < room->count; i++) {
        submit(room, i);
    }
    PQfinish(locker);
    await_all_back(room, 2);
    assert_string_equal(postgres_cluster_sql(cluster, "SELECT concat_ws(' ', count(*), count(DISTINCT xmin::text))"
                                                      " FROM behalf.desk WHERE sequence = 2 AND desk LIKE 'shared-%'"),
                        "10 2");
}

static void reports_of_all_desks_ride_one_session(void **state)
{
    struct room *room = *state;
    struct pollfd wait = { .fd = writer_fd(room->writer), .events = POLLIN };
    struct report *report = NULL;

    for (size_t i = 0; i < 4; i++) {
        add_at(room, postgres_cluster_url(cluster), true);
        for (size_t j = 0; j <= i; j++) {
            submit(room, i);
        }
        await_back(room, i, i + 1);
    }
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < room->count; i++) {
            report = report_new(REPORT_HISTORY);
            report->why.item = (int64_t) i + 1;
            store_submit_report(room->places[i].store, &report);
        }
        for (size_t i = 0; i < room->count; i++) {
            while ((report = store_take_report(room->places[i].store)) == NULL) {
                assert_int_equal(poll(&wait, 1, WAIT_MS), 1);
            }
            assert_true(report->found);
            assert_int_equal(report->history.events[0].sequence, i + 1);
            report_destroy(&report);
        }
    }
    assert_string_equal(postgres_cluster_sql(cluster, "SELECT count(*) FROM pg_stat_activity WHERE application_name"
                                                      " LIKE 'behalf desks%'"),
                        "3"); // one that writes, one that applies, one that reads
    report = report_new(REPORT_OUTCOMES);
    store_submit_report(room->places[0].store, &report); // left behind
}

static void desks_come_and_go_while_others_are_written(void **state)
{
    struct room *room = *state;

    add(room, 4);
    for (uint64_t round = 1; round <= 12; round++) {
        submit(room, 3);
        if (round % 4 == 0) { // among them the one whose session all share
            struct place *gone = &room->places[round / 4 - 1];
            submit(room, round / 4 - 1);
            store_destroy(&gone->store);
        }
        await_back(room, 3, round);
    }
    leave(room);
    assert_there(&room->places[3], 12);
}

// ---- one desk in the way ----

// Another broker takes a desk over, as a program of its own.
static void take_away(const struct place *place, bool released)
{
    pid_t child = fork();

    if (child == 0) {
        char reason[512] = "";
        struct store_position position;
        struct lease_row seen = { 0 };
        struct engine *engine = engine_postgres_open(postgres_cluster_url(cluster), place->name, reason, sizeof reason);
        struct lease_link *link = lease_link_new(postgres_cluster_url(cluster), place->name);
        const char *desk = place->name;
        bool looked = lease_link_look(link, &desk, 1, &seen);
        if (released) {
            struct lease_claim claim = { .desk = desk, .epoch = seen.epoch };
            looked = looked && lease_link_release(link, &claim, "") && lease_link_look(link, &desk, 1, &seen);
        }
        bool taken =
            engine != NULL && looked && engine->operations->take_over_seen(engine, &seen, "", &position) == STORE_OK;
        _exit(taken ? 0 : 1);
    }
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void fence_among_commits(struct room *room, bool released)
{
    struct place *fenced = NULL;

    add(room, 6);
    fenced = &room->places[2];
    for (int round = 0; round < 20; round++) {
        submit_all(room);
    }
    await_back(room, 2, 3);
    take_away(fenced, released);
    char sequence[32];
    snprintf(sequence, sizeof sequence, "%s",
             ask_sql("SELECT sequence FROM behalf.desk WHERE desk = '%s'", fenced->name));
    for (int round = 0; round < 20; round++) {
        submit_all(room);
    }
    await_state(room, 2, STORE_STATE_CONTRADICTED, "");
    for (size_t i = 0; i < room->count; i++) {
        if (i != 2) {
            await_back(room, i, 40);
        }
    }
    leave(room);
    uint64_t stayed = strtoull(sequence, NULL, 10);
    assert_true(fenced->back <= stayed);
    assert_there(fenced, stayed); // nothing came after, and nothing told is lost
    assert_there(&room->places[1], 40);
    assert_there(&room->places[5], 40);
}

static void a_desk_that_is_fenced_is_left_out_and_the_others_go_on(void **state)
{
    fence_among_commits(*state, false);
}

static void a_desk_that_was_handed_over_does_not_end_the_others_session(void **state)
{
    struct room *room = *state;
    const char *session = "SELECT min(pid) FROM pg_stat_activity WHERE application_name = 'behalf desks'";
    char before[32];

    add(room, 3);
    submit_all(room);
    await_all_back(room, 1);
    snprintf(before, sizeof before, "%s", postgres_cluster_sql(cluster, session));
    take_away(&room->places[1], true);
    submit_all(room);
    await_state(room, 1, STORE_STATE_CONTRADICTED, "another broker");
    await_back(room, 0, 2);
    await_back(room, 2, 2);
    assert_string_equal(postgres_cluster_sql(cluster, session), before);
    leave(room);
    assert_there(&room->places[1], 1);
    assert_there(&room->places[2], 2);
}

static void data_that_is_refused_stops_its_own_desk_only(void **state)
{
    struct room *room = *state;

    add(room, 4);
    submit_all(room);
    await_all_back(room, 1);
    struct batch *batch = desk_batch(&room->places[1].desk, 1);
    put(batch, an_item(2, ITEM_WAITING));
    put(batch, an_event(1, 1, "again")); // a second event of this number
    store_submit(room->places[1].store, &batch);
    submit(room, 0);
    submit(room, 2);
    batch = desk_batch(&room->places[3].desk, 1);
    put(batch, an_event(2, 1, "before all time"));
    struct change early = an_event(3, 1, "before all time");
    early.event.at_ms = -5;
    put(batch, early);
    store_submit(room->places[3].store, &batch);
    await_state(room, 1, STORE_STATE_CONTRADICTED, "the sequence of one before it");
    await_state(room, 3, STORE_STATE_CONTRADICTED, "outside of all time");
    await_back(room, 0, 2);
    await_back(room, 2, 2);
    submit(room, 0);
    await_back(room, 0, 3);
    leave(room);
    assert_there(&room->places[0], 3);
    assert_there(&room->places[1], 1);
    assert_there(&room->places[3], 1);
}

static void a_desk_whose_row_is_locked_waits_and_the_others_go_on(void **state)
{
    struct room *room = *state;
    char sql[128];

    add(room, 4);
    submit_all(room);
    await_all_back(room, 1);
    snprintf(sql, sizeof sql, "SELECT FROM behalf.desk WHERE desk = '%s' FOR UPDATE", room->places[2].name);
    PGconn *locker = lock(sql);
    submit_all(room);
    await_state(room, 2, STORE_STATE_AWAY, "lock held by another session");
    for (uint64_t round = 3; round <= 12; round++) {
        int64_t before_ms = clocks_monotonic_ms();
        for (size_t i = 0; i < 4; i++) {
            if (i != 2) {
                submit(room, i);
            }
        }
        await_back(room, 0, round);
        await_back(room, 1, round);
        await_back(room, 3, round);
        assert_true(in_time(clocks_monotonic_ms() - before_ms, 2000));
    }
    assert_int_equal(room->places[2].back, 1);
    PQfinish(locker);
    await_back(room, 2, 2);
    assert_int_equal(store_state(room->places[2].store), STORE_STATE_WORKING);
    leave(room);
    assert_there(&room->places[2], 2);
    assert_there(&room->places[3], 12);
}

// ---- trouble of all ----

static void a_connection_cut_in_the_middle_of_commit_is_settled_for_each_desk(void **state)
{
    struct room *room = *state;
    const enum cut cuts[] = { CUT_BEFORE_COMMIT, CUT_AT_COMMIT, CUT_ANSWER };

    add_by_proxy(room, 3);
    submit_all(room);
    await_all_back(room, 1);
    for (uint64_t round = 0; round < 30; round++) {
        cutting_proxy_set(room->proxy, cuts[round % 3]);
        submit_all(room);
        submit_all(room);
        await_all_back(room, 3 + round * 2);
    }
    assert_int_equal(cutting_proxy_count(room->proxy), 30);
    leave(room);
    for (size_t i = 0; i < 3; i++) {
        assert_there(&room->places[i], 61);
    }
}

static void a_doubt_is_settled_without_a_desk_that_was_fenced_meanwhile(void **state)
{
    struct room *room = *state;

    add_by_proxy(room, 4);
    submit_all(room);
    await_all_back(room, 1);
    cutting_proxy_set(room->proxy, CUT_HOLD);
    submit_all(room);
    while (cutting_proxy_count(room->proxy) == 0) {
        (void) poll(NULL, 0, 5);
    }
    take_away(&room->places[1], false);
    cutting_proxy_let_go(room->proxy);
    await_state(room, 1, STORE_STATE_CONTRADICTED, "another broker");
    await_back(room, 0, 2);
    await_back(room, 2, 2);
    await_back(room, 3, 2);
    leave(room);
    assert_int_equal(room->places[1].back, 1);
    assert_there(&room->places[0], 2);
    assert_there(&room->places[1], 1);
    assert_there(&room->places[3], 2);
}

static void a_commit_without_its_standby_is_told_to_no_desk(void **state)
{
    struct room *room = *state;
    const char *waiting = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'behalf desks' AND"
                          " wait_event = 'SyncRep'";

    add(room, 3);
    submit_all(room);
    await_all_back(room, 1);
    (void) postgres_cluster_sql(cluster, "ALTER SYSTEM SET synchronous_standby_names = 'missing'");
    (void) postgres_cluster_sql(cluster, "SELECT pg_reload_conf()");
    await_sql("SHOW synchronous_standby_names", "missing");
    submit_all(room);
    await_sql(waiting, "1");
    (void) postgres_cluster_sql(cluster, "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name ="
                                         " 'behalf desks' AND wait_event = 'SyncRep'");
    await_state(room, 0, STORE_STATE_AWAY, "standby");
    await_sql(waiting, "1"); // the confirming commit waits as well
    collect(room);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(room->places[i].back, 1);
    }
    (void) postgres_cluster_sql(cluster, "ALTER SYSTEM RESET synchronous_standby_names");
    (void) postgres_cluster_sql(cluster, "SELECT pg_reload_conf()");
    await_all_back(room, 2);
    leave(room);
    assert_there(&room->places[1], 2);
}

static void a_server_killed_among_commits_loses_and_doubles_nothing_of_any_desk(void **state)
{
    struct room *room = *state;
    int64_t slowest_ms = 0;

    add(room, 8);
    for (uint64_t round = 0; round < 3; round++) {
        for (int i = 0; i < 20; i++) {
            submit_all(room);
        }
        await_back(room, 4, round * 25 + 1);
        postgres_cluster_kill(cluster);
        for (int i = 0; i < 5; i++) {
            submit_all(room);
        }
        for (size_t i = 0; i < room->count; i++) {
            await_state(room, i, STORE_STATE_AWAY, "postgresql");
        }
        postgres_cluster_start(cluster);
        int64_t up_ms = clocks_monotonic_ms();
        await_all_back(room, (round + 1) * 25);
        slowest_ms = clocks_monotonic_ms() - up_ms > slowest_ms ? clocks_monotonic_ms() - up_ms : slowest_ms;
    }
    print_message("service resumed at most %lld ms after the server answered\n", (long long) slowest_ms);
    assert_true(in_time(slowest_ms, 3000));
    leave(room);
    for (size_t i = 0; i < room->count; i++) {
        assert_there(&room->places[i], 75);
    }
}

#define CLAIM(claim) cmocka_unit_test_setup_teardown(claim, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CLAIM(desks_share_one_session_and_one_transaction),
        CLAIM(reports_of_all_desks_ride_one_session),
        CLAIM(desks_come_and_go_while_others_are_written),
        CLAIM(a_desk_that_is_fenced_is_left_out_and_the_others_go_on),
        CLAIM(a_desk_that_was_handed_over_does_not_end_the_others_session),
        CLAIM(data_that_is_refused_stops_its_own_desk_only),
        CLAIM(a_desk_whose_row_is_locked_waits_and_the_others_go_on),
        CLAIM(a_connection_cut_in_the_middle_of_commit_is_settled_for_each_desk),
        CLAIM(a_doubt_is_settled_without_a_desk_that_was_fenced_meanwhile),
        CLAIM(a_commit_without_its_standby_is_told_to_no_desk),
        CLAIM(a_server_killed_among_commits_loses_and_doubles_nothing_of_any_desk),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return postgres_cluster_possible()
               ? cmocka_run_group_tests(tests, postgres_cluster_set_up_group, postgres_cluster_tear_down_group)
               : 77;
}
