// journal_test.c - PostgreSQL's journal and its applier in trouble: killed at any moment, more than one of them, kept
// from a table, refused by one.  What was told is in the tables in the end, once.

#include "broker/store/codec.h"
#include "broker/store/postgres/migrations.h"
#include "broker/store/store.h"
#include "tests/system/cutting_proxy.h"
#include "tests/system/postgres_cluster.h"
#include "tests/unit/store_desk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <cmocka.h>

#define WAIT_MS 60000

static struct postgres_cluster *cluster;

struct fixture {
    char name[32];
    struct desk_under_test desk; // its engine belongs to the store
    struct writer *writer;
    struct store *store;
    uint64_t back; // batches that came back durable
};

static int set_up(void **state)
{
    static int desks = 0;
    struct fixture *fixture = calloc(1, sizeof *fixture);

    cluster = *state;
    snprintf(fixture->name, sizeof fixture->name, "journal-%d", ++desks);
    *state = fixture;
    return 0;
}

static void stop(struct fixture *fixture)
{
    store_destroy(&fixture->store);
    writer_destroy(&fixture->writer);
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    stop(fixture);
    free(fixture);
    return 0;
}

static struct engine *open_engine_at(const struct fixture *fixture, const char *url)
{
    char reason[1024] = "";
    struct engine *engine = engine_postgres_open(url, fixture->name, reason, sizeof reason);

    if (engine == NULL) {
        print_message("%s\n", reason);
    }
    assert_non_null(engine);
    return engine;
}

static struct engine *open_engine(const struct fixture *fixture)
{
    return open_engine_at(fixture, postgres_cluster_url(cluster));
}

static void start_at(struct fixture *fixture, const char *url)
{
    struct engine *engine = open_engine_at(fixture, url);

    fixture->desk = (struct desk_under_test){ .engine = engine };
    desk_take_over(&fixture->desk);
    fixture->back = fixture->desk.position.sequence;
    fixture->writer = writer_new();
    fixture->store = store_new(fixture->writer, &engine, NULL, NULL);
}

static void start(struct fixture *fixture)
{
    start_at(fixture, postgres_cluster_url(cluster));
}

// Item and post number `sequence`, with a note, a reply and an event.
static struct batch *next_batch(struct fixture *fixture)
{
    struct batch *batch = desk_batch(&fixture->desk, 1);
    uint64_t item = fixture->desk.position.sequence;
    char name[32];

    snprintf(name, sizeof name, "p-%llu", (unsigned long long) item);
    put(batch, a_post(item, 1, name, "hello"));
    put(batch, an_item(item, ITEM_WAITING));
    put(batch, a_note(item, "note", "once", false));
    put(batch, a_reply(1000000 + item, item, REPLY_QUEUED, "thank you"));
    if (item > 1) {
        put(batch, a_reply(1000000 + item - 1, item - 1, REPLY_HANDED, NULL));
    }
    put(batch, an_event(item, item, "taken"));
    return batch;
}

static void submit(struct fixture *fixture, int count)
{
    for (int i = 0; i < count; i++) {
        struct batch *batch = next_batch(fixture);
        store_submit(fixture->store, &batch);
    }
}

static void collect(struct fixture *fixture)
{
    struct batch *batch = NULL;

    (void) store_state(fixture->store);
    while ((batch = store_take_batch(fixture->store)) != NULL) {
        assert_int_equal(batch_to(batch)->sequence, ++fixture->back);
        batch_destroy(&batch);
    }
}

static void await_back(struct fixture *fixture, uint64_t wanted)
{
    struct pollfd wait = { .fd = writer_fd(fixture->writer), .events = POLLIN };
    char text[1024];

    collect(fixture);
    while (fixture->back < wanted) {
        if (poll(&wait, 1, WAIT_MS) != 1 || store_state(fixture->store) == STORE_STATE_CONTRADICTED) {
            store_describe(fixture->store, text, sizeof text);
            fail_msg("%llu of %llu are back: %s", (unsigned long long) fixture->back, (unsigned long long) wanted,
                     text);
        }
        collect(fixture);
    }
}

static void await_state(struct fixture *fixture, enum store_state wanted, const char *part)
{
    char text[1024] = "";

    for (int waited_ms = 0; waited_ms < WAIT_MS; waited_ms += 5) {
        collect(fixture);
        store_describe(fixture->store, text, sizeof text);
        if (store_state(fixture->store) == wanted && strstr(text, part) != NULL) {
            return;
        }
        (void) poll(NULL, 0, 5);
    }
    fail_msg("not \"%s\" but: %s", part, text);
}

static const char *sql_of(const struct fixture *fixture, const char *format)
{
    char sql[1024];

    snprintf(sql, sizeof sql, format, fixture->name, fixture->name, fixture->name, fixture->name, fixture->name,
             fixture->name);
    return postgres_cluster_sql(cluster, sql);
}

static void await_sql(const struct fixture *fixture, const char *format, const char *wanted)
{
    for (int waited_ms = 0; strcmp(sql_of(fixture, format), wanted) != 0; waited_ms += 10) {
        if (waited_ms >= WAIT_MS) {
            fail_msg("%s: not %s but %s", format, wanted, sql_of(fixture, format));
        }
        (void) poll(NULL, 0, 10);
    }
}

// Claims that the tables show exactly the items 1 to `wanted`, each once with all of its rows, and that nothing is
// left in the journal.
static void assert_shown(const struct fixture *fixture, uint64_t wanted)
{
    char counts[200];

    snprintf(counts, sizeof counts, "%llu %llu %llu %llu %llu 0", (unsigned long long) wanted,
             (unsigned long long) wanted, (unsigned long long) wanted, (unsigned long long) wanted,
             (unsigned long long) wanted);
    assert_string_equal(sql_of(fixture, "SELECT concat_ws(' ', (SELECT count(*) FROM behalf.post WHERE desk = '%s'),"
                                        " (SELECT count(*) FROM behalf.note WHERE desk = '%s'), (SELECT count(*) FROM"
                                        " behalf.event WHERE desk = '%s'), (SELECT count(*) FROM behalf.item WHERE"
                                        " desk = '%s'), (SELECT sequence FROM behalf.applied WHERE desk = '%s'),"
                                        " (SELECT count(*) FROM behalf.journal WHERE desk = '%s'))"),
                        counts);
    assert_string_equal(sql_of(fixture, "SELECT count(*) FROM behalf.reply WHERE desk = '%s' AND state = 'queued'"),
                        wanted == 0 ? "0" : "1");
}

// Holds what this locks until PQfinish.
static PGconn *lock(const char *sql)
{
    char conninfo[256];

    snprintf(conninfo, sizeof conninfo, "%s dbname=behalf application_name=analyst",
             postgres_cluster_administrator(cluster));
    PGconn *locker = PQconnectdb(conninfo);
    PQclear(PQexec(locker, "BEGIN"));
    PQclear(PQexec(locker, sql));
    assert_int_equal(PQtransactionStatus(locker), PQTRANS_INTRANS);
    return locker;
}

static void pause_up_to(int ms)
{
    (void) poll(NULL, 0, rand() % ms);
}

// ---- in order ----

static void a_clean_stop_leaves_nothing_in_the_journal(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    submit(fixture, 30);
    await_back(fixture, 30);
    stop(fixture);
    assert_shown(fixture, 30);
    assert_string_equal(sql_of(fixture, "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE"
                                        " 'behalf%%applier' AND '%s' <> ''"),
                        "0");
}

static void a_desk_that_is_let_go_shows_all_first(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    submit(fixture, 5);
    await_back(fixture, 5);
    await_sql(fixture, "SELECT sequence FROM behalf.applied WHERE desk = '%s'", "5");
    PGconn *locker = lock("LOCK TABLE behalf.event IN ACCESS EXCLUSIVE MODE");
    submit(fixture, 25);
    await_back(fixture, 30);
    assert_false(store_is_drained(fixture->store));
    store_drain(fixture->store);
    for (int i = 0; i < 20; i++) {
        assert_false(store_is_drained(fixture->store));
        (void) poll(NULL, 0, 10);
    }
    PQfinish(locker);
    struct pollfd wait = { .fd = writer_fd(fixture->writer), .events = POLLIN };
    while (!store_is_drained(fixture->store)) {
        (void) store_state(fixture->store);
        assert_int_equal(poll(&wait, 1, WAIT_MS), 1); // it is news
    }
    assert_shown(fixture, 30);
}

static void a_group_larger_than_a_row_is_applied_whole(void **state)
{
    struct fixture *fixture = *state;
    char *text = calloc(1, 20001);

    start(fixture);
    memset(text, 'x', 20000);
    struct batch *batch = next_batch(fixture);
    uint64_t item = fixture->desk.position.sequence;
    for (uint32_t i = 0; i < 500; i++) {
        put(batch, a_note(item, "note", i == 250 ? text : "a note that is one of many, and of some length", false));
    }
    // More rows than are read at once.
    for (uint32_t i = 0; i < 300; i++) {
        put(batch, a_note(item, "note", text, false));
    }
    store_submit(fixture->store, &batch);
    await_back(fixture, 1);
    stop(fixture);
    free(text);
    assert_string_equal(sql_of(fixture, "SELECT concat_ws(' ', count(*), max(number), max(length(text))) FROM"
                                        " behalf.note WHERE desk = '%s'"),
                        "801 801 20000");
    assert_string_equal(sql_of(fixture, "SELECT count(*) FROM behalf.journal WHERE desk = '%s'"), "0");
}

// Else what was planned for empty tables would walk through them until the server's own worker comes.
static void tables_that_have_grown_are_analysed(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    (void) sql_of(fixture, "UPDATE pg_class SET reltuples = -1, relpages = 0 WHERE oid IN ('behalf.item'::regclass,"
                           " 'behalf.reply'::regclass) AND '%s' <> ''");
    submit(fixture, 500);
    await_back(fixture, 500);
    await_sql(fixture,
              "SELECT min(reltuples) > 100 FROM pg_class WHERE oid IN ('behalf.item'::regclass,"
              " 'behalf.reply'::regclass) AND '%s' <> ''",
              "t");
    stop(fixture);
    assert_shown(fixture, 500);
}

// ---- killed ----

static void an_applier_that_is_killed_at_any_moment_loses_and_doubles_nothing(void **state)
{
    struct fixture *fixture = *state;
    int kills = 0;

    start(fixture);
    for (int round = 0; round < 25; round++) {
        submit(fixture, 20);
        pause_up_to(200);
        kills += atoi(sql_of(fixture, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE"
                                      " application_name LIKE 'behalf desk%%applier' AND '%s' <> ''"));
        collect(fixture);
    }
    await_back(fixture, 500);
    stop(fixture);
    print_message("the applier was killed %d times\n", kills);
    assert_true(kills > 0);
    assert_shown(fixture, 500);
}

static void a_server_killed_at_any_moment_loses_and_doubles_nothing(void **state)
{
    struct fixture *fixture = *state;
    uint64_t submitted = 0;

    start(fixture);
    for (int round = 0; round < 12; round++) {
        submit(fixture, 25);
        submitted += 25;
        pause_up_to(250);
        collect(fixture);
        uint64_t told = fixture->back;
        (round % 2 == 0 ? postgres_cluster_crash : postgres_cluster_kill)(cluster);
        postgres_cluster_start(cluster);
        // What was told is there, and the tables are where they say.
        assert_true(strtoull(sql_of(fixture, "SELECT sequence FROM behalf.desk WHERE desk = '%s'"), NULL, 10) >= told);
        if (round % 3 == 2) { // another broker comes, which applies what the one before has left
            stop(fixture);
            start(fixture);
            submitted = fixture->back;
            assert_true(submitted >= told);
        }
    }
    await_back(fixture, submitted);
    stop(fixture);
    assert_shown(fixture, submitted);
}

// The applier does not wait for the disk: a server that is killed at once has not what it did last.
static void what_a_crash_takes_back_from_the_tables_is_still_known(void **state)
{
    struct fixture *fixture = *state;
    int taken_back = 0;

    start(fixture);
    for (uint64_t round = 1; round <= 8; round++) {
        char at[32];
        submit(fixture, 20);
        await_back(fixture, fixture->desk.position.sequence);
        snprintf(at, sizeof at, "%llu", (unsigned long long) fixture->back);
        await_sql(fixture, "SELECT sequence FROM behalf.applied WHERE desk = '%s'", at);
        postgres_cluster_crash(cluster);
        postgres_cluster_start(cluster);
        taken_back += strcmp(sql_of(fixture, "SELECT sequence FROM behalf.applied WHERE desk = '%s'"), at) != 0;
        if (round % 2 == 0) {
            // A question alone, which nothing is appended before.
            struct batch *batch = batch_new();
            batch_set_position(batch, &fixture->desk.position, &fixture->desk.position);
            struct question *question = batch_ask(
                batch, &(struct question){ .kind = QUESTION_CLOSED_ITEM, .item = fixture->desk.position.sequence });
            store_submit(fixture->store, &batch);
            while ((batch = store_take_batch(fixture->store)) == NULL) {
                (void) store_state(fixture->store);
                (void) poll(NULL, 0, 5);
            }
            assert_true(question->found);
            batch_destroy(&batch);
        }
        submit(fixture, 1); // a change of the reply before it
        await_back(fixture, fixture->desk.position.sequence);
    }
    stop(fixture);
    print_message("the tables were set back %d times\n", taken_back);
    assert_true(taken_back > 0);
    assert_shown(fixture, 168);
}

// ---- more than one ----

struct other {
    struct fixture *fixture;
    atomic_bool over;
    int reads;
};

static bool take_any(void *self, const struct item_record *item)
{
    (void) item;
    return self != NULL;
}

// Applies all the time what there is.
static void *apply_too(void *self)
{
    struct other *other = self;
    struct engine *engine = open_engine(other->fixture);
    struct store_reader reader = { .self = self, .item = take_any };

    while (!atomic_load(&other->over)) {
        enum store_result result = engine->operations->read(engine, &reader);
        assert_int_not_equal(result, STORE_CONTRADICTED);
        other->reads += result == STORE_OK;
    }
    engine->operations->destroy(&engine);
    return NULL;
}

static void two_that_apply_apply_each_group_once(void **state)
{
    struct fixture *fixture = *state;
    struct other others[2] = { { .fixture = fixture }, { .fixture = fixture } };
    pthread_t threads[2];

    start(fixture);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, apply_too, &others[i]), 0);
    }
    for (uint64_t wanted = 10; wanted <= 600; wanted += 10) {
        submit(fixture, 10);
        await_back(fixture, wanted);
    }
    for (int i = 0; i < 2; i++) {
        atomic_store(&others[i].over, true);
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    stop(fixture);
    assert_shown(fixture, 600);
}

static void a_broker_that_takes_over_ends_both_sessions_and_applies_the_tail(void **state)
{
    struct fixture *fixture = *state;
    struct fixture other = { 0 };
    const char *backends = "SELECT count(*) FROM pg_stat_activity AS a, behalf.desk AS d, behalf.applied AS t WHERE"
                           " d.desk = '%s' AND t.desk = d.desk AND a.pid IN (d.backend, t.backend)";

    memcpy(other.name, fixture->name, sizeof other.name);
    start(fixture);
    submit(fixture, 20);
    await_back(fixture, 20);
    await_sql(fixture, "SELECT sequence FROM behalf.applied WHERE desk = '%s'", "20");
    assert_string_equal(sql_of(fixture, backends), "2");
    PGconn *locker = lock("LOCK TABLE behalf.event IN ACCESS EXCLUSIVE MODE");
    submit(fixture, 20);
    await_back(fixture, 40);
    await_sql(fixture,
              "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'behalf%%applier' AND"
              " wait_event_type = 'Lock' AND '%s' <> ''",
              "1");
    char ended[128];
    snprintf(ended, sizeof ended, "%s",
             sql_of(fixture, "SELECT concat_ws(', ', d.backend, t.backend) FROM behalf.desk AS d, behalf.applied AS t"
                             " WHERE d.desk = '%s' AND t.desk = d.desk"));
    PQfinish(locker);
    start(&other);
    assert_int_equal(other.back, 40);
    assert_string_equal(sql_of(fixture, "SELECT sequence FROM behalf.applied WHERE desk = '%s'"), "40");
    char sql[256];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM pg_stat_activity WHERE pid IN (%s)", ended);
    assert_string_equal(postgres_cluster_sql(cluster, sql), "0");
    submit(&other, 5);
    await_back(&other, 45);
    submit(fixture, 1);
    await_state(fixture, STORE_STATE_CONTRADICTED, "another broker");
    stop(fixture);
    stop(&other);
    assert_shown(fixture, 45);
}

// All parts of the one before are alive: a transaction that it could not end, groups that its applier knows of, and
// that applier itself, which opens another session when the one it had is ended.
static void a_fenced_broker_that_lives_on_adds_nothing_to_what_the_new_one_does(void **state)
{
    struct fixture *fixture = *state;
    struct fixture other = { 0 };
    struct cutting_proxy *proxy = cutting_proxy_new(postgres_cluster_port(cluster));

    memcpy(other.name, fixture->name, sizeof other.name);
    start_at(fixture, postgres_cluster_url_by(cluster, cutting_proxy_port(proxy)));
    submit(fixture, 20);
    await_back(fixture, 20);
    PGconn *locker = lock("LOCK TABLE behalf.event IN ACCESS EXCLUSIVE MODE");
    submit(fixture, 20);
    await_back(fixture, 40);
    cutting_proxy_set(proxy, CUT_HOLD);
    for (int i = 0; i < 3; i++) { // these never become durable
        struct batch *batch = next_batch(fixture);
        put(batch, a_note(7, "note", "of the one before", false));
        store_submit(fixture->store, &batch);
    }
    for (int waited_ms = 0; cutting_proxy_count(proxy) == 0; waited_ms += 5) {
        assert_true(waited_ms < WAIT_MS);
        (void) poll(NULL, 0, 5);
    }
    PQfinish(locker); // and both apply the tail
    start(&other);
    assert_int_equal(other.back, 40);
    for (uint64_t wanted = 45; wanted <= 80; wanted += 5) {
        submit(&other, 5);
        await_back(&other, wanted);
        if (wanted == 60) {
            cutting_proxy_let_go(proxy);
        }
        pause_up_to(60);
    }
    await_state(fixture, STORE_STATE_CONTRADICTED, "another broker");
    assert_int_equal(fixture->back, 40);
    stop(fixture);
    submit(&other, 5);
    await_back(&other, 85);
    stop(&other);
    cutting_proxy_destroy(&proxy);
    assert_shown(&other, 85);
    assert_string_equal(sql_of(&other, "SELECT count(*) FROM behalf.note WHERE desk = '%s' AND text = 'of the one"
                                       " before'"),
                        "0");
}

// ---- kept from a table ----

static void ask_about(struct fixture *fixture, uint64_t item)
{
    struct batch *batch = desk_batch(&fixture->desk, 1);

    put(batch, an_item(item, ITEM_WAITING));
    (void) batch_ask(batch, &(struct question){ .kind = QUESTION_ITEM, .item = item, .for_agent = true });
    store_submit(fixture->store, &batch);
}

static void a_locked_table_lets_service_go_on_and_nothing_older_is_shown(void **state)
{
    struct fixture *fixture = *state;
    char reason[512];

    start(fixture);
    submit(fixture, 5);
    await_back(fixture, 5);
    await_sql(fixture, "SELECT sequence FROM behalf.applied WHERE desk = '%s'", "5");
    PGconn *locker = lock("LOCK TABLE behalf.event IN ACCESS EXCLUSIVE MODE");
    submit(fixture, 20);
    await_back(fixture, 25);
    struct batch *batch = desk_batch(&fixture->desk, 1);
    put(batch, (struct change){ .kind = CHANGE_SEAL, .seal = { .item = 3 } });
    store_submit(fixture->store, &batch);
    await_back(fixture, 26);
    assert_string_equal(sql_of(fixture, "SELECT sequence FROM behalf.applied WHERE desk = '%s'"), "5");
    // What is asked now is not answered from tables that do not know of the seal.
    struct engine *reports =
        engine_postgres_open_reports(postgres_cluster_url(cluster), fixture->name, reason, sizeof reason);
    uint64_t items[] = { 3 };
    bool sealed_too[] = { false };
    struct report *report = report_new(REPORT_TEXTS);
    report->items = items;
    report->sealed_too = sealed_too;
    report->item_count = 1;
    assert_int_equal(reports->operations->report(reports, report), STORE_UNAVAILABLE);
    ask_about(fixture, 3);
    await_state(fixture, STORE_STATE_AWAY, "blocked by process");
    await_state(fixture, STORE_STATE_AWAY, "analyst");
    assert_int_equal(fixture->back, 26);
    PQfinish(locker);
    struct pollfd wait = { .fd = writer_fd(fixture->writer), .events = POLLIN };
    while ((batch = store_take_batch(fixture->store)) == NULL) {
        (void) store_state(fixture->store);
        assert_int_equal(poll(&wait, 1, WAIT_MS), 1);
    }
    fixture->back++;
    assert_true(batch_questions(batch)->found);
    for (size_t i = 0; i < batch_questions(batch)->view.story_count; i++) { // only of other items of the author
        assert_string_not_equal(batch_questions(batch)->view.story[i].kind, "post");
        assert_string_not_equal(batch_questions(batch)->view.story[i].kind, "note");
    }
    batch_destroy(&batch);
    assert_int_equal(reports->operations->report(reports, report), STORE_OK);
    assert_true(report->listed == NULL || report->listed[0].text == NULL);
    report->items = NULL;
    report->sealed_too = NULL;
    report_destroy(&report);
    reports->operations->destroy(&reports);
    await_state(fixture, STORE_STATE_WORKING, "postgresql");
}

// As a report meets them that is answered by a standby.
static void a_report_waits_for_tables_that_do_not_show_what_was_spoken(void **state)
{
    struct fixture *fixture = *state;
    uint64_t items[] = { 2 };
    bool sealed_too[] = { true };
    char reason[512];

    start(fixture);
    submit(fixture, 1);
    await_back(fixture, 1);
    struct engine *reports =
        engine_postgres_open_reports(postgres_cluster_url(cluster), fixture->name, reason, sizeof reason);
    for (int kind = REPORT_TEXTS; kind <= REPORT_POSTS; kind++) { // all kinds wait alike
        struct report *report = report_new((enum report_kind) kind);
        report->items = items;
        report->sealed_too = sealed_too;
        report->item_count = 1;
        report->why = (struct behalf_why){ .item = 1, .channel = "", .post = "" };
        report->outcomes.brand = "";
        report->sequence = fixture->back + 1;
        assert_int_equal(reports->operations->report(reports, report), STORE_UNAVAILABLE);
        assert_false(report->found);
        submit(fixture, 1);
        await_back(fixture, report->sequence);
        assert_int_equal(reports->operations->report(reports, report), STORE_OK);
        assert_true(report->found);
        report->items = NULL;
        report->sealed_too = NULL;
        report_destroy(&report);
    }
    reports->operations->destroy(&reports);
}

static void what_is_not_applied_is_bounded(void **state)
{
    struct fixture *fixture = *state;
    bool was_behind = false;

    start(fixture);
    PGconn *locker = lock("LOCK TABLE behalf.outcome, behalf.note IN ACCESS EXCLUSIVE MODE");
    char *text = calloc(1, 1024 * 1024);
    memset(text, 'x', 1024 * 1024 - 1);
    for (int i = 0; store_state(fixture->store) != STORE_STATE_AWAY; i++) {
        assert_true(i < 500);
        struct batch *batch = next_batch(fixture);
        put(batch, a_note(1, "note", text, false));
        store_submit(fixture->store, &batch);
        for (int ms = 0; ms < 200 && fixture->back < fixture->desk.position.sequence; ms++) {
            collect(fixture);
            was_behind = was_behind || store_state(fixture->store) == STORE_STATE_BEHIND;
            (void) poll(NULL, 0, 1);
        }
    }
    free(text);
    assert_true(was_behind);
    assert_true(strtoull(sql_of(fixture, "SELECT sum(length(changes)) FROM behalf.journal WHERE desk = '%s'"), NULL,
                         10) < 100 * 1024 * 1024);
    PQfinish(locker);
    await_back(fixture, fixture->desk.position.sequence);
    await_state(fixture, STORE_STATE_WORKING, "postgresql");
    stop(fixture);
    assert_string_equal(sql_of(fixture, "SELECT count(*) FROM behalf.journal WHERE desk = '%s'"), "0");
}

static void write_notes(struct fixture *fixture, size_t count)
{
    struct batch *batch = desk_batch(&fixture->desk, 1);

    for (size_t i = 0; i < count; i++) {
        put(batch, a_note(1000 + i, "note", "small", false));
    }
    store_submit(fixture->store, &batch);
    await_back(fixture, fixture->desk.position.sequence);
}

// By the time that it takes to apply them, though their bytes are few.
static void many_small_changes_are_bounded_by_their_time(void **state)
{
    struct fixture *fixture = *state;
    size_t changes = 0;

    start(fixture);
    submit(fixture, 5);
    await_back(fixture, 5);
    await_sql(fixture, "SELECT sequence FROM behalf.applied WHERE desk = '%s'", "5");
    PGconn *locker = lock("LOCK TABLE behalf.note IN ACCESS EXCLUSIVE MODE");
    while (store_state(fixture->store) != STORE_STATE_BEHIND) {
        assert_true(changes < 100 * 1000);
        write_notes(fixture, 1000);
        changes += 1000;
    }
    assert_true(changes >= 2000); // a second's, where each takes half a millisecond
    assert_true(strtoull(sql_of(fixture, "SELECT sum(length(changes)) FROM behalf.journal WHERE desk = '%s'"), NULL,
                         10) < 8 * 1024 * 1024);
    // Rows stay whole in a page.
    assert_true(atoi(sql_of(fixture, "SELECT max(pg_column_size(j.*)) FROM behalf.journal AS j WHERE desk = '%s'")) <
                7900);
    for (int i = 0; i < 3; i++) { // commits, which look for what stands in the way
        (void) poll(NULL, 0, 1100);
        write_notes(fixture, 1);
    }
    await_state(fixture, STORE_STATE_BEHIND, "changes behind its journal");
    await_state(fixture, STORE_STATE_BEHIND, "analyst");
    PQfinish(locker);
    await_state(fixture, STORE_STATE_WORKING, "postgresql");
}

static void the_applier_gathers_unless_somebody_waits(void **state)
{
    struct fixture *fixture = *state;
    struct timespec begun, ended;
    char sql[512];

    start(fixture);
    snprintf(
        sql, sizeof sql,
        "CREATE TABLE public.applies (sequence bigint); CREATE FUNCTION public.note_apply() RETURNS trigger LANGUAGE"
        " plpgsql SECURITY DEFINER AS $$ BEGIN INSERT INTO public.applies VALUES (NEW.sequence); RETURN NULL; END $$;"
        "CREATE TRIGGER note_apply AFTER UPDATE ON behalf.applied FOR EACH ROW WHEN (NEW.desk = '%s' AND"
        " OLD.sequence <> NEW.sequence) EXECUTE FUNCTION public.note_apply()",
        fixture->name);
    (void) postgres_cluster_sql(cluster, sql);
    (void) clock_gettime(CLOCK_MONOTONIC, &begun);
    for (uint64_t group = 1; group <= 200; group++) {
        submit(fixture, 1);
        await_back(fixture, group);
    }
    await_sql(fixture, "SELECT sequence FROM behalf.applied WHERE desk = '%s'", "200");
    (void) clock_gettime(CLOCK_MONOTONIC, &ended);
    int64_t took_ms = (ended.tv_sec - begun.tv_sec) * 1000 + (ended.tv_nsec - begun.tv_nsec) / 1000000;
    int applies = atoi(postgres_cluster_sql(cluster, "SELECT count(*) FROM public.applies"));
    print_message("%d applies in %lld ms\n", applies, (long long) took_ms);
    assert_in_range(applies, 1, took_ms / 50 + 200 * 6 / 500 + 2);
    (void) postgres_cluster_sql(cluster, "DROP TRIGGER note_apply ON behalf.applied");
}

// ---- refused ----

static const char plant[] =
    "WITH at AS (UPDATE behalf.desk SET sequence = sequence + 1 WHERE desk = '%s' RETURNING *)"
    " INSERT INTO behalf.journal SELECT desk, sequence - 1, sequence, 1, 1, epoch, next_id, clock_ms, %d, '%s'::bytea"
    " FROM at";

static void plant_group(const struct fixture *fixture, int codec, const char *bytes)
{
    char sql[4096];

    snprintf(sql, sizeof sql, plant, fixture->name, codec, bytes);
    (void) postgres_cluster_sql(cluster, sql);
}

// A change of a reply that nobody wrote, as the hex digits of its bytes.
static void encode_impossible(char *hex)
{
    struct codec_bytes bytes = { 0 };
    struct change change = a_reply(77777, 1, REPLY_HANDED, NULL);

    codec_add(&bytes, &change);
    hex += sprintf(hex, "\\x");
    for (size_t i = 0; i < bytes.count; i++) {
        hex += sprintf(hex, "%02x", bytes.bytes[i]);
    }
    codec_fini(&bytes);
}

static enum store_result try_to_take_over(const struct fixture *fixture, char *reason, size_t reason_bytes)
{
    struct engine *engine = open_engine(fixture);
    struct store_position position;
    enum store_result result = engine->operations->take_over(engine, &position);

    snprintf(reason, reason_bytes, "%s", engine->reason);
    engine->operations->destroy(&engine);
    return result;
}

static void a_group_that_the_tables_refuse_stops_the_desk_and_can_be_set_aside(void **state)
{
    struct fixture *fixture = *state;
    char reason[1024] = "";
    char hex[2048];

    start(fixture);
    submit(fixture, 10);
    await_back(fixture, 10);
    stop(fixture);
    encode_impossible(hex);
    plant_group(fixture, CODEC_NUMBER, hex);
    for (int i = 0; i < 2; i++) { // again and again
        assert_int_equal(try_to_take_over(fixture, reason, sizeof reason), STORE_CONTRADICTED);
        assert_non_null(strstr(reason, "between the sequences 10 and 11"));
        assert_non_null(strstr(reason, "a reply without text"));
        assert_string_equal(sql_of(fixture, "SELECT count(*) FROM behalf.journal WHERE desk = '%s'"), "1");
        assert_string_equal(sql_of(fixture, "SELECT sequence FROM behalf.applied WHERE desk = '%s'"), "10");
    }
    plant_group(fixture, CODEC_NUMBER, "\\x01"); // and one that cannot even be read
    assert_true(engine_postgres_accept_loss(postgres_cluster_url(cluster), fixture->name, reason, sizeof reason));
    assert_non_null(strstr(reason, "2 groups"));
    assert_string_equal(sql_of(fixture, "SELECT concat_ws(' ', count(*), min(from_sequence), max(to_sequence)) FROM"
                                        " behalf.journal_aside WHERE desk = '%s'"),
                        "2 10 12");
    assert_true(engine_postgres_accept_loss(postgres_cluster_url(cluster), fixture->name, reason, sizeof reason));
    assert_string_equal(reason, "");
    start(fixture);
    assert_int_equal(fixture->back, 12);
    struct batch *batch = desk_batch(&fixture->desk, 1);
    put(batch, an_item(13, ITEM_WAITING));
    store_submit(fixture->store, &batch);
    await_back(fixture, 13);
    stop(fixture);
    assert_string_equal(sql_of(fixture, "SELECT concat_ws(' ', (SELECT count(*) FROM behalf.journal WHERE desk = '%s'),"
                                        " (SELECT max(item) FROM behalf.item WHERE desk = '%s'))"),
                        "0 13");
}

static void a_running_desk_whose_tables_refuse_a_group_stops(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    submit(fixture, 10);
    await_back(fixture, 10);
    await_sql(fixture, "SELECT sequence FROM behalf.applied WHERE desk = '%s'", "10");
    // Somebody meddles with the tables: the change that comes now cannot be made.
    PGconn *locker = lock("LOCK TABLE behalf.event IN ACCESS EXCLUSIVE MODE");
    submit(fixture, 1);
    await_back(fixture, 11);
    char sql[256];
    snprintf(sql, sizeof sql,
             "INSERT INTO behalf.event SELECT desk, 11, at_ms, item, kind, person, queue, rule, rules_version, detail"
             " FROM behalf.event WHERE desk = '%s' AND sequence = 10",
             fixture->name);
    PGresult *inserted = PQexec(locker, sql);
    assert_string_equal(PQcmdTuples(inserted), "1");
    PQclear(inserted);
    PQclear(PQexec(locker, "COMMIT"));
    PQfinish(locker);
    for (int i = 0; i < 200 && store_state(fixture->store) != STORE_STATE_CONTRADICTED; i++) {
        submit(fixture, 1);
        (void) poll(NULL, 0, 20);
        collect(fixture);
    }
    await_state(fixture, STORE_STATE_CONTRADICTED, "refused by the tables");
    await_state(fixture, STORE_STATE_CONTRADICTED, "duplicate key");
    assert_string_equal(sql_of(fixture, "SELECT min(from_sequence) FROM behalf.journal WHERE desk = '%s'"), "10");
}

static void a_journal_with_a_gap_or_of_a_newer_codec_is_refused_in_words(void **state)
{
    const char *whose = "SELECT concat_ws(' ', d.epoch, d.owner, d.backend, l.epoch, l.renewals, l.held, l.owner) FROM"
                        " behalf.desk AS d, behalf.lease AS l WHERE d.desk = '%s' AND l.desk = d.desk";
    struct fixture *fixture = *state;
    char reason[1024] = "";

    start(fixture);
    submit(fixture, 3);
    await_back(fixture, 3);
    stop(fixture);
    plant_group(fixture, CODEC_NUMBER + 1, "\\x01");
    char *left_alone = strdup(sql_of(fixture, whose));
    assert_int_equal(try_to_take_over(fixture, reason, sizeof reason), STORE_CONTRADICTED);
    assert_non_null(strstr(reason, "newer behalf-broker"));
    assert_string_equal(sql_of(fixture, whose), left_alone);
    free(left_alone);
    assert_false(engine_postgres_accept_loss(postgres_cluster_url(cluster), fixture->name, reason, sizeof reason));
    (void) sql_of(fixture, "DELETE FROM behalf.journal WHERE desk = '%s'");
    assert_int_equal(try_to_take_over(fixture, reason, sizeof reason), STORE_CONTRADICTED);
    assert_non_null(strstr(reason, "is missing"));
    plant_group(fixture, CODEC_NUMBER, "\\x");
    assert_int_equal(try_to_take_over(fixture, reason, sizeof reason), STORE_CONTRADICTED);
    assert_non_null(strstr(reason, "gap"));
    assert_false(engine_postgres_accept_loss(postgres_cluster_url(cluster), fixture->name, reason, sizeof reason));
    assert_string_equal(sql_of(fixture, "SELECT count(*) FROM behalf.journal_aside WHERE desk = '%s'"), "0");
}

// As after a database was put back that had another history.
static void a_journal_of_another_life_is_refused_in_words(void **state)
{
    struct fixture *fixture = *state;
    char reason[1024] = "";

    start(fixture);
    submit(fixture, 3);
    await_back(fixture, 3);
    stop(fixture);
    plant_group(fixture, CODEC_NUMBER, "\\x");
    (void) sql_of(fixture, "UPDATE behalf.journal SET epoch = epoch + 10 WHERE desk = '%s'");
    assert_int_equal(try_to_take_over(fixture, reason, sizeof reason), STORE_CONTRADICTED);
    assert_non_null(strstr(reason, "is of another desk"));
    assert_string_equal(sql_of(fixture, "SELECT count(*) FROM behalf.journal WHERE desk = '%s'"), "1");
}

// A newer broker appends just before its desk is taken by one that has seen nothing of it yet.
static void a_group_of_a_newer_codec_that_comes_last_is_left_alone_too(void **state)
{
    struct fixture *fixture = *state;
    char reason[1024] = "";
    char sql[512];

    start(fixture);
    submit(fixture, 3);
    await_back(fixture, 3);
    stop(fixture);
    char *epoch = strdup(sql_of(fixture, "SELECT epoch FROM behalf.desk WHERE desk = '%s'"));
    snprintf(
        sql, sizeof sql,
        "CREATE FUNCTION behalf.append_last() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " INSERT INTO behalf.journal SELECT d.desk, d.sequence, d.sequence + 1, 1, 1, d.epoch, 1, 1, %d, ''::bytea"
        " FROM behalf.desk AS d WHERE d.desk = '%s' AND NEW.desk = d.desk ON CONFLICT DO NOTHING; RETURN NEW; END $$;"
        "CREATE TRIGGER append_last BEFORE UPDATE ON behalf.lease FOR EACH ROW EXECUTE FUNCTION"
        " behalf.append_last()",
        CODEC_NUMBER + 1, fixture->name);
    (void) postgres_cluster_sql(cluster, sql);
    assert_int_equal(try_to_take_over(fixture, reason, sizeof reason), STORE_CONTRADICTED);
    if (strstr(reason, "does not know") == NULL) {
        fail_msg("%s", reason);
    }
    assert_string_equal(sql_of(fixture, "SELECT epoch FROM behalf.desk WHERE desk = '%s'"), epoch);
    (void) postgres_cluster_sql(cluster, "DROP TRIGGER append_last ON behalf.lease;"
                                         "DROP FUNCTION behalf.append_last()");
    free(epoch);
}

// ---- tables that are to be rewritten ----

static ExecStatusType status_of(PGconn *link, const char *sql)
{
    PGresult *result = PQexec(link, sql);
    ExecStatusType status = PQresultStatus(result);

    PQclear(result);
    return status;
}

// As a migration does that rewrites tables.
static void tables_are_rewritten_once_they_show_all(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    submit(fixture, 5);
    await_back(fixture, 5);
    await_sql(fixture, "SELECT sequence FROM behalf.applied WHERE desk = '%s'", "5");
    PGconn *locker = lock("LOCK TABLE behalf.event IN ACCESS EXCLUSIVE MODE");
    submit(fixture, 20);
    await_back(fixture, 25);
    PGconn *migration = PQconnectdb(postgres_cluster_url(cluster));
    assert_int_equal(status_of(migration, "BEGIN"), PGRES_COMMAND_OK);
    assert_int_equal(PQsendQuery(migration, "SELECT behalf.require_drained('60 s')"), 1);
    struct pollfd answer = { .fd = PQsocket(migration), .events = POLLIN };
    assert_int_equal(PQflush(migration), 0);
    assert_int_equal(poll(&answer, 1, 300), 0); // it waits
    PQfinish(locker);
    PGresult *drained = PQgetResult(migration);
    assert_int_equal(PQresultStatus(drained), PGRES_TUPLES_OK);
    PQclear(drained);
    assert_null(PQgetResult(migration));
    assert_shown(fixture, 25);
    submit(fixture, 5);
    for (int i = 0; i < 20; i++) {
        collect(fixture);
        assert_int_equal(fixture->back, 25); // nothing is decided meanwhile
        (void) poll(NULL, 0, 10);
    }
    assert_int_equal(status_of(migration, "COMMIT"), PGRES_COMMAND_OK);
    PQfinish(migration);
    await_back(fixture, 30);
    stop(fixture);
    assert_shown(fixture, 30);
}

static void tables_that_nobody_brings_up_are_not_rewritten(void **state)
{
    struct fixture *fixture = *state;
    char hex[2048];

    start(fixture);
    submit(fixture, 3);
    await_back(fixture, 3);
    stop(fixture);
    encode_impossible(hex);
    plant_group(fixture, CODEC_NUMBER, hex);
    PGconn *migration = PQconnectdb(postgres_cluster_url(cluster));
    PGresult *refused = PQexec(migration, "SELECT behalf.require_drained('0.1 s')");
    assert_string_equal(PQresultErrorField(refused, PG_DIAG_SQLSTATE), "BF005");
    assert_non_null(strstr(PQresultErrorMessage(refused), fixture->name));
    PQclear(refused);
    PQfinish(migration);
    (void) sql_of(fixture, "DELETE FROM behalf.journal WHERE desk = '%s'");
    (void) sql_of(fixture, "UPDATE behalf.desk SET sequence = 3 WHERE desk = '%s'");
}

// ---- older brokers ----

#define FORMER_MIGRATIONS 10

static void refuse(PGconn *link, const char *sql)
{
    PGresult *result = PQexec(link, sql);

    assert_int_equal(PQresultStatus(result), PGRES_FATAL_ERROR);
    PQclear(result);
}

static void a_broker_of_before_the_journal_can_neither_take_nor_write(void **state)
{
    struct fixture *fixture = *state;
    char *sql = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&sql, &bytes);

    (void) postgres_cluster_sql(cluster, "DROP SCHEMA behalf CASCADE");
    fputs("SET ROLE behalf; CREATE SCHEMA behalf; SET search_path = behalf; CREATE TABLE migration (number integer NOT"
          " NULL PRIMARY KEY, version text NOT NULL, applied timestamptz NOT NULL DEFAULT now());"
          "COMMENT ON TABLE migration IS 'Behalf: which migrations were applied';",
          out);
    for (int i = 0; i < FORMER_MIGRATIONS; i++) {
        fprintf(out, "%s;INSERT INTO migration (number, version) VALUES (%d, '0');", postgres_migrations[i], i + 1);
    }
    fprintf(out,
            "INSERT INTO desk (desk, epoch, sequence, next_id, clock_ms, owner) VALUES ('%s', 0, 9, 20, 2000, '');"
            "SELECT take_over('%s', 'old:1', now(), '', -1, 0)",
            fixture->name, fixture->name);
    assert_int_equal(fclose(out), 0);
    (void) postgres_cluster_sql(cluster, sql);
    free(sql);
    // The older broker has prepared what it says, and is in the middle of saying it.
    char conninfo[256];
    char say[512];
    snprintf(conninfo, sizeof conninfo, "%s dbname=behalf options='-c search_path=behalf'",
             postgres_cluster_administrator(cluster));
    PGconn *older = PQconnectdb(conninfo);
    snprintf(say, sizeof say,
             "PREPARE advance AS SELECT advance('%s', 1, 9, 10, 21, 3000, now());"
             "PREPARE take AS SELECT take_over('%s', 'old:1', now(), '', -1, 0)",
             fixture->name, fixture->name);
    PGresult *prepared = PQexec(older, say);
    assert_int_equal(PQresultStatus(prepared), PGRES_COMMAND_OK);
    PQclear(prepared);
    struct engine *engine = open_engine(fixture);
    assert_string_equal(sql_of(fixture,
                               "SELECT concat_ws(' ', d.epoch, l.epoch, d.sequence, a.sequence) FROM behalf.desk"
                               " AS d, behalf.applied AS a, behalf.lease AS l WHERE d.desk = '%s' AND"
                               " a.desk = d.desk AND l.desk = d.desk"),
                        "2 2 9 9");
    refuse(older, "EXECUTE advance");
    refuse(older, "EXECUTE take");
    PQfinish(older);
    engine->operations->destroy(&engine);
    start(fixture);
    assert_int_equal(fixture->back, 9);
    for (uint64_t item = 10; item <= 12; item++) {
        struct batch *batch = desk_batch(&fixture->desk, 1);
        put(batch, an_item(item, ITEM_WAITING));
        store_submit(fixture->store, &batch);
    }
    await_back(fixture, 12);
    stop(fixture);
    assert_string_equal(sql_of(fixture, "SELECT concat_ws(' ', d.sequence, a.sequence) FROM behalf.desk AS d,"
                                        " behalf.applied AS a WHERE d.desk = '%s' AND a.desk = d.desk"),
                        "12 12");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(a_clean_stop_leaves_nothing_in_the_journal),
        CASE(a_desk_that_is_let_go_shows_all_first),
        CASE(a_group_larger_than_a_row_is_applied_whole),
        CASE(tables_that_have_grown_are_analysed),
        CASE(an_applier_that_is_killed_at_any_moment_loses_and_doubles_nothing),
        CASE(a_server_killed_at_any_moment_loses_and_doubles_nothing),
        CASE(what_a_crash_takes_back_from_the_tables_is_still_known),
        CASE(two_that_apply_apply_each_group_once),
        CASE(a_broker_that_takes_over_ends_both_sessions_and_applies_the_tail),
        CASE(a_fenced_broker_that_lives_on_adds_nothing_to_what_the_new_one_does),
        CASE(a_locked_table_lets_service_go_on_and_nothing_older_is_shown),
        CASE(a_report_waits_for_tables_that_do_not_show_what_was_spoken),
        CASE(what_is_not_applied_is_bounded),
        CASE(many_small_changes_are_bounded_by_their_time),
        CASE(the_applier_gathers_unless_somebody_waits),
        CASE(tables_are_rewritten_once_they_show_all), // before those that leave a journal behind
        CASE(tables_that_nobody_brings_up_are_not_rewritten),
        CASE(a_group_that_the_tables_refuse_stops_the_desk_and_can_be_set_aside),
        CASE(a_running_desk_whose_tables_refuse_a_group_stops),
        CASE(a_journal_with_a_gap_or_of_a_newer_codec_is_refused_in_words),
        CASE(a_journal_of_another_life_is_refused_in_words),
        CASE(a_group_of_a_newer_codec_that_comes_last_is_left_alone_too),
        CASE(a_broker_of_before_the_journal_can_neither_take_nor_write),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    if (!postgres_cluster_possible()) {
        return 77;
    }
    return cmocka_run_group_tests(tests, postgres_cluster_set_up_group, postgres_cluster_tear_down_group);
}
