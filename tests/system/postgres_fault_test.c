// postgres_fault_test.c - real trouble for the PostgreSQL store: servers killed, sessions ended, connections cut in
// the middle of COMMIT, a standby that is missing, databases that are not ours.

#include "broker/store/store.h"
#include "tests/system/busy.h"
#include "tests/system/cutting_proxy.h"
#include "tests/system/postgres_cluster.h"
#include "broker/store/postgres/migrations.h"
#include "tests/unit/store_desk.h"
#include "proto/base/clocks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#define WAIT_MS 60000
#define BACK_MS 1000    // service, once the database is there again
#define SILENT_MS 13000 // longest until a connection that has gone silent is given up

static struct postgres_cluster *cluster;

struct fixture {
    char name[32];               // of the desk
    struct desk_under_test desk; // its engine belongs to the store
    struct writer *writer;
    struct store *store;
    struct cutting_proxy *proxy;
    uint64_t back; // batches that came back durable
};

static int set_up(void **state)
{
    static int desks = 0;
    struct fixture *fixture = calloc(1, sizeof *fixture);

    cluster = *state;
    snprintf(fixture->name, sizeof fixture->name, "fault-%d", ++desks);
    fixture->proxy = cutting_proxy_new(postgres_cluster_port(cluster));
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    store_destroy(&fixture->store);
    writer_destroy(&fixture->writer);
    cutting_proxy_destroy(&fixture->proxy);
    free(fixture);
    return 0;
}

static struct engine *open_at(const struct fixture *fixture, const char *url)
{
    char reason[512] = "";
    struct engine *engine = engine_postgres_open(url, fixture->name, reason, sizeof reason);

    if (engine == NULL) {
        print_message("%s\n", reason);
    }
    assert_non_null(engine);
    return engine;
}

static void start_at(struct fixture *fixture, const char *url)
{
    struct engine *engine = open_at(fixture, url);

    fixture->desk.engine = engine;
    desk_take_over(&fixture->desk);
    fixture->writer = writer_new();
    fixture->store = store_new(fixture->writer, &engine, NULL, NULL);
}

static void start(struct fixture *fixture)
{
    start_at(fixture, postgres_cluster_url(cluster));
}

static void start_by_proxy(struct fixture *fixture)
{
    start_at(fixture, postgres_cluster_url_by(cluster, cutting_proxy_port(fixture->proxy)));
}

// Item and post number `sequence` with a text of that length.
static struct batch *next_batch(struct fixture *fixture, size_t text_bytes)
{
    struct batch *batch = desk_batch(&fixture->desk, 1);
    uint64_t item = fixture->desk.position.sequence;
    char *text = calloc(1, text_bytes + 1);
    char name[32];

    for (size_t i = 0; i < text_bytes; i++) {
        text[i] = (char) ('a' + rand() % 26); // so that it cannot be compressed away
    }
    snprintf(name, sizeof name, "p-%llu", (unsigned long long) item);
    put(batch, a_post(item, 1, name, text));
    put(batch, an_item(item, ITEM_WAITING));
    put(batch, a_note(item, "note", "once", false));
    put(batch, an_event(item, item, "taken"));
    free(text);
    return batch;
}

static void submit(struct fixture *fixture, size_t text_bytes)
{
    struct batch *batch = next_batch(fixture, text_bytes);

    store_submit(fixture->store, &batch);
}

static void collect(struct fixture *fixture)
{
    struct batch *batch = NULL;

    while ((batch = store_take_batch(fixture->store)) != NULL) {
        assert_int_equal(batch_to(batch)->sequence, ++fixture->back);
        batch_destroy(&batch);
    }
}

static void await_back(struct fixture *fixture, uint64_t wanted)
{
    struct pollfd wait = { .fd = writer_fd(fixture->writer), .events = POLLIN };
    char text[512];

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

// The database is there again since then: waits until all is back, which takes no longer than it may.
static void await_back_soon(struct fixture *fixture, uint64_t wanted, int64_t since_ms)
{
    await_back(fixture, wanted);
    print_message("service resumed after %lld ms\n", (long long) (clocks_monotonic_ms() - since_ms));
    assert_true(in_time(clocks_monotonic_ms() - since_ms, BACK_MS));
}

// Waits until the store is away and says why in these words.
static void await_away(struct fixture *fixture, const char *part)
{
    char text[512] = "";

    for (int waited_ms = 0; waited_ms < WAIT_MS; waited_ms += 10) {
        collect(fixture);
        if (store_state(fixture->store) == STORE_STATE_AWAY) {
            store_describe(fixture->store, text, sizeof text);
            if (strstr(text, part) != NULL) {
                return;
            }
        }
        (void) poll(NULL, 0, 10);
    }
    fail_msg("not away because of \"%s\" but: %s", part, text);
}

static bool check_item(void *self, const struct item_record *item)
{
    uint64_t *last = self;

    assert_int_equal(item->item, *last + 1);
    *last = item->item;
    return true;
}

// Claims that the database holds exactly the items 1 to n, each once with all of its rows; returns n.
static uint64_t count_what_is_there(struct fixture *fixture, uint64_t at_least)
{
    struct engine *engine = open_at(fixture, postgres_cluster_url(cluster));
    struct store_position position;
    uint64_t last = 0;
    struct store_reader reader = { .self = &last, .item = check_item };
    char sql[512];
    char wanted[128];

    assert_int_equal(engine->operations->read(engine, &reader), STORE_OK);
    assert_int_equal(engine->operations->position(engine, &position), STORE_OK);
    assert_int_equal(position.sequence, last);
    assert_true(last >= at_least);
    engine->operations->destroy(&engine);
    snprintf(sql, sizeof sql,
             "SELECT concat_ws(' ', (SELECT count(*) FROM behalf.post WHERE desk = '%s'), (SELECT count(*) FROM"
             " behalf.note WHERE desk = '%s'), (SELECT count(*) FROM behalf.event WHERE desk = '%s'), (SELECT count(*)"
             " FROM behalf.intake_key WHERE desk = '%s'))",
             fixture->name, fixture->name, fixture->name, fixture->name);
    snprintf(wanted, sizeof wanted, "%llu %llu %llu %llu", (unsigned long long) last, (unsigned long long) last,
             (unsigned long long) last, (unsigned long long) last);
    assert_string_equal(postgres_cluster_sql(cluster, sql), wanted);
    return last;
}

static void a_server_that_dies_among_commits(struct fixture *fixture, void (*die)(struct postgres_cluster *cluster))
{
    int64_t slowest_ms = 0;

    start(fixture);
    for (int round = 0; round < 6; round++) {
        uint64_t before = fixture->back;
        for (int i = 0; i < 40; i++) {
            submit(fixture, 500);
        }
        await_back(fixture, before + 1 + (uint64_t) round * 5);
        die(cluster);
        uint64_t told = fixture->back;
        for (int i = 0; i < 5; i++) {
            submit(fixture, 500);
        }
        await_away(fixture, "postgresql");
        postgres_cluster_start(cluster);
        int64_t up_ms = clocks_monotonic_ms();
        await_back(fixture, before + 45);
        slowest_ms = clocks_monotonic_ms() - up_ms > slowest_ms ? clocks_monotonic_ms() - up_ms : slowest_ms;
        assert_true(fixture->back >= told);
    }
    print_message("service resumed at most %lld ms after the server answered\n", (long long) slowest_ms);
    assert_true(in_time(slowest_ms, BACK_MS));
    store_destroy(&fixture->store);
    writer_destroy(&fixture->writer);
    assert_int_equal(count_what_is_there(fixture, fixture->back), 270);
}

static void a_server_that_crashes_among_commits_loses_and_doubles_nothing(void **state)
{
    a_server_that_dies_among_commits(*state, postgres_cluster_crash);
}

static void a_server_killed_by_kill_9_among_commits_loses_and_doubles_nothing(void **state)
{
    a_server_that_dies_among_commits(*state, postgres_cluster_kill);
}

static void a_server_shut_down_in_order_is_waited_for(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    submit(fixture, 10);
    await_back(fixture, 1);
    postgres_cluster_stop(cluster);
    submit(fixture, 10);
    await_away(fixture, "waiting for it");
    assert_int_equal(fixture->back, 1);
    postgres_cluster_start(cluster);
    await_back_soon(fixture, 2, clocks_monotonic_ms());
    store_destroy(&fixture->store);
    writer_destroy(&fixture->writer);
    assert_int_equal(count_what_is_there(fixture, 2), 2);
}

static const char *session_of(const struct fixture *fixture)
{
    static char sql[256];

    snprintf(sql, sizeof sql, "FROM pg_stat_activity WHERE application_name = 'behalf desk=%s'", fixture->name);
    return sql;
}

static void await_sql(const char *sql, const char *wanted)
{
    for (int waited_ms = 0; strcmp(postgres_cluster_sql(cluster, sql), wanted) != 0; waited_ms += 20) {
        assert_true(waited_ms < WAIT_MS);
        (void) poll(NULL, 0, 20);
    }
}

static void a_session_ended_in_mid_transaction_is_repeated(void **state)
{
    struct fixture *fixture = *state;
    char sql[512];

    start(fixture);
    for (uint64_t round = 1; round <= 3; round++) {
        // The transaction stands before this lock, with half of its statements done.
        PGconn *locker = PQconnectdb(postgres_cluster_administrator(cluster));
        PQfinish(locker);
        snprintf(sql, sizeof sql, "%s dbname=behalf", postgres_cluster_administrator(cluster));
        locker = PQconnectdb(sql);
        PQclear(PQexec(locker, "BEGIN; LOCK TABLE behalf.journal IN ACCESS EXCLUSIVE MODE"));
        assert_int_equal(PQtransactionStatus(locker), PQTRANS_INTRANS);
        submit(fixture, 100);
        snprintf(sql, sizeof sql, "SELECT count(*) %s AND wait_event_type = 'Lock'", session_of(fixture));
        await_sql(sql, "1");
        snprintf(sql, sizeof sql, "SELECT pg_terminate_backend(pid) %s", session_of(fixture));
        assert_string_equal(postgres_cluster_sql(cluster, sql), "t");
        PQfinish(locker);
        await_back(fixture, round);
    }
    store_destroy(&fixture->store);
    writer_destroy(&fixture->writer);
    assert_int_equal(count_what_is_there(fixture, 3), 3);
}

static void a_database_made_read_only_is_waited_for(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    submit(fixture, 10);
    await_back(fixture, 1);
    (void) postgres_cluster_sql(cluster, "ALTER SYSTEM SET default_transaction_read_only = on");
    (void) postgres_cluster_sql(cluster, "SELECT pg_reload_conf()");
    await_sql("SHOW default_transaction_read_only", "on");
    submit(fixture, 10);
    await_away(fixture, "read-only");
    (void) postgres_cluster_sql(cluster, "SET default_transaction_read_only = off");
    const char *sql = "BEGIN READ WRITE; COMMIT";
    (void) postgres_cluster_sql(cluster, sql);
    (void) postgres_cluster_sql(cluster, "ALTER SYSTEM RESET default_transaction_read_only");
    (void) postgres_cluster_sql(cluster, "SELECT pg_reload_conf()");
    await_sql("SHOW default_transaction_read_only", "off");
    await_back_soon(fixture, 2, clocks_monotonic_ms());
    store_destroy(&fixture->store);
    writer_destroy(&fixture->writer);
    assert_int_equal(count_what_is_there(fixture, 2), 2);
}

static void a_connection_cut_in_the_middle_of_commit_is_settled(void **state)
{
    struct fixture *fixture = *state;
    const enum cut cuts[] = { CUT_BEFORE_COMMIT, CUT_AT_COMMIT, CUT_ANSWER };
    int count = 0;

    start_by_proxy(fixture);
    for (int round = 0; round < 30; round++) {
        cutting_proxy_set(fixture->proxy, cuts[round % 3]);
        for (int i = 0; i < 1 + round % 4; i++) {
            submit(fixture, 300);
            count++;
        }
        await_back(fixture, (uint64_t) count);
    }
    assert_int_equal(cutting_proxy_count(fixture->proxy), 30);
    store_destroy(&fixture->store);
    writer_destroy(&fixture->writer);
    assert_int_equal(count_what_is_there(fixture, (uint64_t) count), count);
}

static void a_broker_stopped_in_mid_transaction_holds_nothing_up(void **state)
{
    struct fixture *fixture = *state;
    struct desk_under_test other = { 0 };

    start_by_proxy(fixture);
    submit(fixture, 10);
    await_back(fixture, 1);
    cutting_proxy_set(fixture->proxy, CUT_HOLD);
    submit(fixture, 10);
    while (cutting_proxy_count(fixture->proxy) == 0) {
        (void) poll(NULL, 0, 5);
    }
    int64_t before_ms = clocks_monotonic_ms();
    other.engine = open_at(fixture, postgres_cluster_url(cluster));
    desk_take_over(&other);
    assert_true(in_time(clocks_monotonic_ms() - before_ms, 3000));
    assert_int_equal(other.position.sequence, 1);
    struct batch *batch = desk_batch(&other, 1);
    put(batch, an_item(2, ITEM_PARKED));
    desk_commit(&other, &batch);
    // The first one wakes up: it is told, and writes nothing.
    cutting_proxy_let_go(fixture->proxy);
    for (int waited_ms = 0; store_state(fixture->store) != STORE_STATE_CONTRADICTED; waited_ms += 10) {
        assert_true(waited_ms < WAIT_MS);
        (void) poll(NULL, 0, 10);
    }
    collect(fixture);
    assert_int_equal(fixture->back, 1);
    struct store_position position;
    assert_int_equal(other.engine->operations->position(other.engine, &position), STORE_OK);
    assert_int_equal(position.epoch, other.position.epoch);
    assert_int_equal(position.sequence, 2);
    other.engine->operations->destroy(&other.engine);
}

static void a_connection_that_goes_silent_is_given_up_and_settled(void **state)
{
    struct fixture *fixture = *state;

    start_by_proxy(fixture);
    submit(fixture, 10);
    await_back(fixture, 1);
    cutting_proxy_black_hole(fixture->proxy, true);
    int64_t since_ms = clocks_monotonic_ms();
    submit(fixture, 10);
    await_away(fixture, "no answer");
    print_message("given up after %lld ms\n", (long long) (clocks_monotonic_ms() - since_ms));
    assert_true(in_time(clocks_monotonic_ms() - since_ms, SILENT_MS));
    (void) poll(NULL, 0, 2000); // it goes on trying
    collect(fixture);
    assert_int_equal(fixture->back, 1);
    cutting_proxy_black_hole(fixture->proxy, false);
    await_back_soon(fixture, 2, clocks_monotonic_ms());
    store_destroy(&fixture->store);
    assert_int_equal(count_what_is_there(fixture, 2), 2);
}

// A socket of a port that answers nothing, not even that it is there: its queue is full.
static int make_deaf(int *port, int fillers[2])
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t bytes = sizeof address;
    int deaf = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(deaf, (struct sockaddr *) &address, sizeof address), 0);
    assert_int_equal(listen(deaf, 0), 0);
    assert_int_equal(getsockname(deaf, (struct sockaddr *) &address, &bytes), 0);
    for (int i = 0; i < 2; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void) connect(fillers[i], (struct sockaddr *) &address, sizeof address);
    }
    *port = ntohs(address.sin_port);
    return deaf;
}

static void a_host_that_is_silent_holds_the_others_up_for_no_time(void **state)
{
    struct fixture *fixture = *state;
    char url[256], reason[512] = "";
    int port = 0, fillers[2];
    int deaf = make_deaf(&port, fillers);

    snprintf(url, sizeof url, "postgresql://behalf:secret@127.0.0.1:%d,127.0.0.1:%d,127.0.0.1:1/behalf", port,
             postgres_cluster_port(cluster));
    int64_t since_ms = clocks_monotonic_ms();
    start_at(fixture, url);
    print_message("connected after %lld ms\n", (long long) (clocks_monotonic_ms() - since_ms));
    assert_true(in_time(clocks_monotonic_ms() - since_ms, BACK_MS));
    submit(fixture, 10);
    await_back(fixture, 1);
    // Alone, it is given up soon, to be tried again.
    snprintf(url, sizeof url, "postgresql://behalf:secret@127.0.0.1:%d/behalf", port);
    since_ms = clocks_monotonic_ms();
    assert_null(engine_postgres_open(url, fixture->name, reason, sizeof reason));
    assert_non_null(strstr(reason, "no answer from 127.0.0.1"));
    assert_true(in_time(clocks_monotonic_ms() - since_ms, 2 * BACK_MS));
    for (int i = 0; i < 2; i++) {
        (void) close(fillers[i]);
    }
    (void) close(deaf);
}

static void a_commit_without_its_standby_is_told_to_nobody(void **state)
{
    struct fixture *fixture = *state;
    char sql[512];

    start(fixture);
    submit(fixture, 10);
    await_back(fixture, 1);
    (void) postgres_cluster_sql(cluster, "ALTER SYSTEM SET synchronous_standby_names = 'missing'");
    (void) postgres_cluster_sql(cluster, "SELECT pg_reload_conf()");
    await_sql("SHOW synchronous_standby_names", "missing");
    submit(fixture, 10);
    snprintf(sql, sizeof sql, "SELECT count(*) %s AND wait_event = 'SyncRep'", session_of(fixture));
    await_sql(sql, "1");
    // The server then answers COMMIT with success and a warning, and the rows can be seen.
    snprintf(sql, sizeof sql, "SELECT pg_cancel_backend(pid) %s AND wait_event = 'SyncRep'", session_of(fixture));
    assert_string_equal(postgres_cluster_sql(cluster, sql), "t");
    await_away(fixture, "standby");
    snprintf(sql, sizeof sql, "SELECT sequence FROM behalf.desk WHERE desk = '%s'", fixture->name);
    assert_string_equal(postgres_cluster_sql(cluster, sql), "2");
    // The confirming commit waits as well.
    snprintf(sql, sizeof sql, "SELECT count(*) %s AND wait_event = 'SyncRep'", session_of(fixture));
    await_sql(sql, "1");
    collect(fixture);
    assert_int_equal(fixture->back, 1);
    (void) postgres_cluster_sql(cluster, "ALTER SYSTEM RESET synchronous_standby_names");
    (void) postgres_cluster_sql(cluster, "SELECT pg_reload_conf()");
    await_back(fixture, 2);
    store_destroy(&fixture->store);
    writer_destroy(&fixture->writer);
    assert_int_equal(count_what_is_there(fixture, 2), 2);
}

static void a_full_disk_stops_the_store_and_loses_nothing(void **state)
{
    struct fixture *fixture = *state;
    char folder[] = "/tmp/behalf-small-XXXXXX";
    char sql[256];
    const struct passwd *user = getpwnam("postgres");

    assert_non_null(mkdtemp(folder));
    if (geteuid() != 0 || user == NULL || mount("none", folder, "tmpfs", 0, "size=16m") != 0) {
        (void) rmdir(folder);
        print_message("skipped: mounting a small disk needs the rights of root\n");
        skip();
    }
    assert_int_equal(chown(folder, user->pw_uid, user->pw_gid), 0);
    snprintf(sql, sizeof sql, "CREATE TABLESPACE small LOCATION '%s'", folder);
    (void) postgres_cluster_sql(cluster, sql);
    start(fixture);
    (void) postgres_cluster_sql(cluster, "ALTER TABLE behalf.note SET TABLESPACE small");
    (void) postgres_cluster_sql(cluster, "ALTER TABLE behalf.journal SET TABLESPACE small");
    (void) postgres_cluster_sql(cluster, "ALTER TABLE behalf.post_past SET TABLESPACE small");
    for (int i = 0; i < 800; i++) {
        struct batch *batch = next_batch(fixture, 10);
        char *text = calloc(1, 4001);
        memset(text, 'n', 1500);
        put(batch, a_note(fixture->desk.position.sequence + 100000, "note", text, false));
        for (int j = 0; j < 15; j++) {
            put(batch, a_note(fixture->desk.position.sequence + 100000, "note", text, false));
        }
        store_submit(fixture->store, &batch);
        free(text);
    }
    await_away(fixture, "no disk space left");
    assert_true(fixture->back < 800);
    uint64_t back = fixture->back;
    assert_int_equal(mount("none", folder, "tmpfs", MS_REMOUNT, "size=200m"), 0);
    await_back_soon(fixture, back + 1, clocks_monotonic_ms());
    await_back(fixture, 800);
    store_destroy(&fixture->store);
    writer_destroy(&fixture->writer);
    (void) postgres_cluster_sql(cluster, "DELETE FROM behalf.note WHERE item > 100000");
    assert_int_equal(count_what_is_there(fixture, 800), 800);
    (void) postgres_cluster_sql(cluster, "ALTER TABLE behalf.note SET TABLESPACE pg_default");
    (void) postgres_cluster_sql(cluster, "ALTER TABLE behalf.journal SET TABLESPACE pg_default");
    (void) postgres_cluster_sql(cluster, "ALTER TABLE behalf.post_past SET TABLESPACE pg_default");
    (void) postgres_cluster_sql(cluster, "DROP TABLESPACE small");
    assert_int_equal(umount2(folder, MNT_DETACH), 0);
    assert_int_equal(rmdir(folder), 0);
}

// ---- what is refused, in one line ----

static void assert_not_opened(const char *url, const char *part, const char *advice)
{
    char reason[512] = "";
    struct engine *engine = engine_postgres_open(url, "support", reason, sizeof reason);

    assert_null(engine);
    assert_null(strchr(reason, '\n'));
    assert_null(strstr(reason, "secret"));
    assert_null(strstr(reason, "hunter2"));
    if (strstr(reason, part) == NULL || strstr(reason, advice) == NULL) {
        fail_msg("\"%s\" has no \"%s\" or \"%s\"", reason, part, advice);
    }
}

static enum store_result probe(const char *url)
{
    char reason[512];

    return engine_postgres_probe(url, "support", reason, sizeof reason);
}

// A broker that is started on it ends.
static void assert_refused(const char *url, const char *part, const char *advice)
{
    assert_not_opened(url, part, advice);
    assert_true(probe(url) == STORE_REFUSED || probe(url) == STORE_CONTRADICTED);
}

// A broker that is started on it waits.
static void assert_away(const char *url, const char *part, const char *advice)
{
    assert_not_opened(url, part, advice);
    assert_int_equal(probe(url), STORE_UNAVAILABLE);
}

static void run(const char *text)
{
    (void) postgres_cluster_sql(cluster, text);
}

// Where an operator may have said that commits need not wait for the disk, and how that is taken back.
static const struct {
    const char *off, *back;
} hurries[] = {
    { "ALTER ROLE behalf SET synchronous_commit = off", "ALTER ROLE behalf RESET synchronous_commit" },
    { "ALTER DATABASE behalf SET synchronous_commit = off", "ALTER DATABASE behalf RESET synchronous_commit" },
    { "ALTER SYSTEM SET synchronous_commit = off", "ALTER SYSTEM RESET synchronous_commit" },
};

static void what_is_acknowledged_waits_for_the_disk_whatever_the_operator_has_set(void **state)
{
    struct fixture *fixture = *state;
    char desk[32];

    memcpy(desk, fixture->name, sizeof desk);
    run("ALTER SYSTEM SET wal_writer_delay = '10s'"); // what does not wait stays in memory for as long
    for (size_t i = 0; i < sizeof hurries / sizeof *hurries; i++) {
        snprintf(fixture->name, sizeof fixture->name, "%.20s-%zu", desk, i);
        run(hurries[i].off);
        run("SELECT pg_reload_conf()");
        fixture->desk = (struct desk_under_test){ .engine = open_at(fixture, postgres_cluster_url(cluster)) };
        desk_take_over(&fixture->desk);
        for (int k = 0; k < 20; k++) {
            struct batch *batch = next_batch(fixture, 200);
            desk_commit(&fixture->desk, &batch);
        }
        postgres_cluster_kill(cluster);
        uint64_t acknowledged = fixture->desk.position.sequence;
        fixture->desk.engine->operations->destroy(&fixture->desk.engine);
        postgres_cluster_start(cluster);
        fixture->desk.engine = open_at(fixture, postgres_cluster_url(cluster));
        desk_take_over(&fixture->desk);
        assert_int_equal(fixture->desk.position.sequence, acknowledged);
        fixture->desk.engine->operations->destroy(&fixture->desk.engine);
        run(hurries[i].back);
    }
    run("ALTER SYSTEM RESET wal_writer_delay");
    run("SELECT pg_reload_conf()");
}

static void a_server_that_does_not_keep_what_it_says_is_refused(void **state)
{
    static const char *const settings[] = { "fsync", "full_page_writes" };
    char text[128];

    (void) state;
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        snprintf(text, sizeof text, "ALTER SYSTEM SET %s = off", settings[i]);
        run(text);
        run("SELECT pg_reload_conf()");
        snprintf(text, sizeof text, "SHOW %s", settings[i]);
        await_sql(text, "off");
        assert_refused(postgres_cluster_url(cluster), settings[i], "ALTER SYSTEM SET");
        snprintf(text, sizeof text, "ALTER SYSTEM RESET %s", settings[i]);
        run(text);
        run("SELECT pg_reload_conf()");
        snprintf(text, sizeof text, "SHOW %s", settings[i]);
        await_sql(text, "on");
    }
}

static void a_wrong_url_is_refused_in_one_line_without_its_password(void **state)
{
    char url[256];
    int port = postgres_cluster_port(cluster);

    (void) state;
    assert_refused("nonsense hunter2", "not one of PostgreSQL's", "write postgresql://");
    assert_refused("postgresql://behalf:hun@hunter2@127.0.0.1/behalf", "not one of PostgreSQL's", "percent-encoded");
    snprintf(url, sizeof url, "postgresql://behalf:hunter2@127.0.0.1:%d/behalf", port);
    assert_refused(url, "password authentication failed", "check user and password");
    snprintf(url, sizeof url, "postgresql://behalf:secret@127.0.0.1:%d/nowhere", port);
    assert_refused(url, "does not exist", "create the database");
    snprintf(url, sizeof url, "postgresql://nobody:secret@127.0.0.1:%d/behalf", port);
    assert_refused(url, "authentication failed for user \"nobody\"", "check user and password");
    snprintf(url, sizeof url, "postgresql://behalf:secret@127.0.0.1:%d/behalf?sslmode=require", port);
    assert_refused(url, "SSL was required", "check sslmode");
    snprintf(url, sizeof url, "postgresql://behalf:secret@127.0.0.1:%d,127.0.0.1:1/behalf?sslmode=mostly", port);
    assert_refused(url, "sslmode", "mend the URL");
    assert_refused("host=a,b,c port=1,2 user=behalf dbname=behalf", "could not match", "as many ports as hosts");
    assert_away("postgresql://behalf:secret@127.0.0.1:1/behalf", "refused", "check that it runs");
    assert_away("postgresql://behalf:secret@no-such-host.invalid/behalf", "no-such-host", "check the host");
    assert_refused("service=no-such-service", "no-such-service", "pg_service.conf");
}

// ---- a server of another language ----

static void put_field(char **at, char kind, const char *text)
{
    *(*at)++ = kind;
    *at = stpcpy(*at, text) + 1;
}

// Answers whoever connects with a refusal of that state.
struct refuser {
    pthread_t thread;
    int listening;
    int port;
    atomic_bool over;
    const char *state;
};

static void *refuse_all(void *self)
{
    struct refuser *refuser = self;

    while (!atomic_load(&refuser->over)) {
        struct pollfd wait = { .fd = refuser->listening, .events = POLLIN };
        char startup[2048];
        char answer[512] = "E";
        char *at = answer + 5;
        if (poll(&wait, 1, 20) != 1) {
            continue;
        }
        int accepted = accept4(refuser->listening, NULL, NULL, SOCK_CLOEXEC);
        (void) recv(accepted, startup, sizeof startup, 0);
        put_field(&at, 'S', "SCHWERWIEGEND");
        put_field(&at, 'V', "FATAL");
        put_field(&at, 'C', refuser->state);
        put_field(&at, 'M', "so geht es nicht");
        put_field(&at, 'F', "auth.c");
        put_field(&at, 'L', "326");
        put_field(&at, 'R', "auth_failed");
        *at++ = '\0';
        uint32_t bytes = htonl((uint32_t) (at - answer - 1));
        memcpy(answer + 1, &bytes, sizeof bytes);
        (void) send(accepted, answer, (size_t) (at - answer), MSG_NOSIGNAL);
        (void) shutdown(accepted, SHUT_WR);
        (void) recv(accepted, startup, sizeof startup, 0); // until it has read that
        (void) close(accepted);
    }
    return NULL;
}

static void begin_refusing(struct refuser *refuser, const char *state)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t bytes = sizeof address;

    *refuser = (struct refuser){ .state = state };
    refuser->listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(refuser->listening, (struct sockaddr *) &address, sizeof address), 0);
    assert_int_equal(getsockname(refuser->listening, (struct sockaddr *) &address, &bytes), 0);
    assert_int_equal(listen(refuser->listening, 8), 0);
    refuser->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&refuser->thread, NULL, refuse_all, refuser), 0);
}

static void a_refusal_is_known_by_its_state_whatever_its_language(void **state)
{
    static const struct {
        const char *state;
        enum store_result result;
        const char *advice;
    } said[] = {
        { "57P03", STORE_UNAVAILABLE, "waiting for it" },
        { "57P01", STORE_UNAVAILABLE, "waiting for it" },
        { "53300", STORE_UNAVAILABLE, "max_connections" },
        { "28P01", STORE_REFUSED, "check user and password" },
        { "28000", STORE_REFUSED, "pg_hba.conf" },
        { "3D000", STORE_REFUSED, "create the database" },
        { "42501", STORE_REFUSED, "GRANT CONNECT" },
        { "22023", STORE_REFUSED, "mend the URL" },
        { "XX000", STORE_UNAVAILABLE, "check that it runs" },
    };

    (void) state;
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        struct refuser refuser;
        char url[160];
        begin_refusing(&refuser, said[i].state);
        snprintf(url, sizeof url, "postgresql://behalf:hunter2@127.0.0.1:%d/behalf?sslmode=disable&gssencmode=disable",
                 refuser.port);
        assert_not_opened(url, "failed: SCHWERWIEGEND:  so geht es nicht)", said[i].advice);
        assert_int_equal(probe(url), said[i].result);
        atomic_store(&refuser.over, true);
        assert_int_equal(pthread_join(refuser.thread, NULL), 0);
        (void) close(refuser.listening);
    }
}

static void a_server_that_is_too_old_is_refused(void **state)
{
    struct fixture *fixture = *state;

    cutting_proxy_set(fixture->proxy, CUT_AGE);
    assert_refused(postgres_cluster_url_by(cluster, cutting_proxy_port(fixture->proxy)), "version 14", "15 or newer");
}

// A database of its own, for what would spoil the one of the others.
static void make_database(const char *options)
{
    char sql[256];

    (void) postgres_cluster_sql(cluster, "DROP DATABASE IF EXISTS other");
    snprintf(sql, sizeof sql, "CREATE DATABASE other %s", options);
    (void) postgres_cluster_sql(cluster, sql);
}

static const char *other_url(void)
{
    static char url[160];

    snprintf(url, sizeof url, "postgresql://behalf:secret@127.0.0.1:%d/other", postgres_cluster_port(cluster));
    return url;
}

static void run_other(const char *sql)
{
    char conninfo[192];

    snprintf(conninfo, sizeof conninfo, "%s dbname=other", postgres_cluster_administrator(cluster));
    PGconn *link = PQconnectdb(conninfo);
    PGresult *result = PQexec(link, sql);
    assert_true(PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK);
    PQclear(result);
    PQfinish(link);
}

static void make_desk_in_other(void)
{
    char reason[512] = "";
    struct engine *engine = engine_postgres_open(other_url(), "support", reason, sizeof reason);

    if (engine == NULL) {
        print_message("%s\n", reason);
    }
    assert_non_null(engine);
    engine->operations->destroy(&engine);
}

static void a_schema_that_is_not_ours_is_refused_and_left_as_it_is(void **state)
{
    (void) state;
    make_database("OWNER behalf");
    run_other("CREATE SCHEMA behalf AUTHORIZATION behalf; CREATE TABLE behalf.item (a integer)");
    assert_refused(other_url(), "not Behalf's (it has item)", "another database");
    run_other("CREATE TABLE behalf.migration (b integer)");
    assert_refused(other_url(), "not Behalf's", "another database");
    run_other("DO $$ BEGIN ASSERT (SELECT count(*) FROM pg_class WHERE relnamespace = 'behalf'::regnamespace) = 2;"
              " END $$");
}

static void missing_rights_are_named_with_the_command_that_gives_them(void **state)
{
    (void) state;
    make_database("");
    assert_refused(other_url(), "may not make the schema", "ALTER SCHEMA behalf OWNER TO \"behalf\"");
    run_other("CREATE SCHEMA IF NOT EXISTS behalf; ALTER SCHEMA behalf OWNER TO \"behalf\"");
    make_desk_in_other();
    run_other("ALTER TABLE behalf.item OWNER TO postgres");
    assert_refused(other_url(), "does not own item", "ALTER TABLE behalf.item OWNER TO \"behalf\"");
    run_other("ALTER TABLE behalf.item OWNER TO \"behalf\"; ALTER SCHEMA behalf OWNER TO postgres");
    assert_refused(other_url(), "may not use the schema", "GRANT USAGE, CREATE ON SCHEMA behalf TO \"behalf\"");
    run_other("GRANT USAGE, CREATE ON SCHEMA behalf TO \"behalf\"");
    make_desk_in_other();
}

static void a_newer_or_torn_schema_and_another_encoding_are_refused(void **state)
{
    (void) state;
    make_database("OWNER behalf");
    make_desk_in_other();
    run_other("INSERT INTO behalf.migration (number, version) SELECT generate_series(max(number) + 1, 99), '9' FROM"
              " behalf.migration");
    assert_refused(other_url(), "schema 99", "newer behalf-broker");
    run_other("DELETE FROM behalf.migration");
    assert_refused(other_url(), "half-done", "restore it from a backup");
    run_other("INSERT INTO behalf.migration (number, version) VALUES (1, '0'); DROP TABLE behalf.draft");
    assert_refused(other_url(), "half-done (missing: draft)", "restore it from a backup");
    make_database("OWNER behalf ENCODING 'SQL_ASCII' TEMPLATE template0");
    assert_refused(other_url(), "encoding SQL_ASCII", "ENCODING 'UTF8'");
    (void) postgres_cluster_sql(cluster, "DROP DATABASE other");
}

static const struct known_post *known_in(struct engine *engine, const char *post, struct batch **batch_p)
{
    *batch_p = batch_new();
    struct question *question =
        batch_ask(*batch_p, &(struct question){ .kind = QUESTION_INTAKE, .channel = "chirp", .post = post });

    assert_int_equal(engine->operations->commit(engine, *batch_p), STORE_OK);
    return question->known;
}

// Of a post taken under two days of the platform, the one taken last has the name; a brand's own is the brand's.
static void assert_one_identity_a_post(struct engine *engine)
{
    struct batch *batch = NULL;
    struct store_position position;

    assert_int_equal(engine->operations->take_over(engine, &position), STORE_OK);
    assert_int_equal(position.sequence, 9);
    const struct known_post *known = known_in(engine, "p-1", &batch);
    assert_non_null(known);
    assert_int_equal(known->item, 2);
    assert_string_equal(known->post.brand, "acme");
    assert_string_equal(known->post.text, "taken again");
    assert_int_equal(known->next->item, 3);
    assert_string_equal(known->next->post.brand, "bolt");
    assert_null(known->next->next);
    batch_destroy(&batch);
    known = known_in(engine, "p-2", &batch);
    assert_int_equal(known->item, 1);
    assert_null(known->next);
    batch_destroy(&batch);
    assert_null(known_in(engine, "p-3", &batch));
    batch_destroy(&batch);
}

// The first migrations, as the version before this one left them.
#define FORMER_MIGRATIONS 5

static char *former_schema(const char *rows)
{
    char *sql = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&sql, &bytes);

    assert_non_null(out);
    fputs("SET ROLE behalf; CREATE SCHEMA behalf; SET search_path = behalf; CREATE TABLE migration (number integer NOT"
          " NULL PRIMARY KEY, version text NOT NULL, applied timestamptz NOT NULL DEFAULT now());"
          "COMMENT ON TABLE migration IS 'Behalf: which migrations were applied';",
          out);
    for (int i = 0; i < FORMER_MIGRATIONS; i++) {
        fprintf(out, "%s;INSERT INTO migration (number, version) VALUES (%d, '0');", postgres_migrations[i], i + 1);
    }
    fputs(rows, out);
    assert_int_equal(fclose(out), 0);
    return sql;
}

#define FORMER_POST(item, number, post, brand, text)                                                                   \
    "INSERT INTO post (desk, item, number, channel, post, brand, author, author_name, reach, text, platform_language," \
    " language, thread, parent, link, posted_ms, taken_ms, sensitive, sealed, author_key) VALUES ('support', " item    \
    ", " number ", 'chirp', '" post "', '" brand "', 'ann', '', 0, '" text "', '', 'en', 't', '', '', 5, 1000, false," \
    " false, 7);"

static void a_store_of_the_former_version_has_one_identity_a_post(void **state)
{
    char reason[512] = "";
    char *sql = former_schema(
        "INSERT INTO desk (desk, epoch, sequence, next_id, clock_ms, owner) VALUES ('support', 3, 9, 20, 2000, "
        "'');" FORMER_POST("1", "1", "p-1", "acme", "first") FORMER_POST("1", "2", "p-2", "acme", "second")
            FORMER_POST("2", "1", "p-1", "acme", "taken again")
                FORMER_POST("3", "1", "p-1", "bolt", "of bolt") "INSERT INTO intake_key (desk, day, channel, post, "
                                                                "intake_key, item, number, taken_ms) VALUES"
                                                                " ('support', 11, 'chirp', 'p-1', 1, 2, 1, 1000), "
                                                                "('support', 0, 'chirp', 'p-1', 1, 1, 1, 1000),"
                                                                " ('support', 10, 'chirp', 'p-2', 2, 1, 2, 1000), "
                                                                "('support', 12, 'chirp', 'p-1', 1, 3, 1, 1000);");

    (void) state;
    make_database("OWNER behalf");
    run_other(sql);
    free(sql);
    struct engine *engine = engine_postgres_open(other_url(), "support", reason, sizeof reason);
    assert_string_equal(reason, "");
    assert_one_identity_a_post(engine);
    engine->operations->destroy(&engine);
    (void) postgres_cluster_sql(cluster, "DROP DATABASE other");
}

static void brokers_that_start_together_make_one_schema(void **state)
{
    pid_t children[4];

    (void) state;
    make_database("OWNER behalf");
    for (size_t i = 0; i < 4; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            char reason[512] = "";
            struct engine *engine = engine_postgres_open(other_url(), "support", reason, sizeof reason);
            fprintf(stderr, "%s", reason);
            _exit(engine == NULL);
        }
    }
    for (size_t i = 0; i < 4; i++) {
        int status = 1;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    (void) postgres_cluster_sql(cluster, "DROP DATABASE other WITH (FORCE)");
}

// ---- the schema ----

static void the_schema_is_led_by_the_desk_and_explained(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    assert_string_equal(
        postgres_cluster_sql(cluster, "SELECT string_agg(c.conrelid::regclass::text, ', ') FROM pg_constraint AS c JOIN"
                                      " pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] WHERE"
                                      " c.contype = 'p' AND c.connamespace = 'behalf'::regnamespace AND a.attname <>"
                                      " 'desk'"),
        "behalf.migration");
    assert_string_equal(
        postgres_cluster_sql(cluster, "SELECT string_agg(c.relname || '.' || coalesce(a.attname, ''), ', ') FROM"
                                      " pg_class AS c LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum >="
                                      " 0 AND NOT a.attisdropped WHERE c.relnamespace = 'behalf'::regnamespace AND"
                                      " c.relkind IN ('r', 'p') AND (obj_description(c.oid, 'pg_class') IS NULL OR"
                                      " (col_description(c.oid, a.attnum) IS NULL AND c.relname NOT LIKE '%\\_past'))"),
        "");
    assert_string_equal(
        postgres_cluster_sql(cluster, "SELECT count(*) FROM (SELECT * FROM behalf.report_service_level_day) AS a,"
                                      " (SELECT count(*) FROM behalf.report_handling) AS b, (SELECT count(*) FROM"
                                      " behalf.report_escalation) AS c, (SELECT count(*) FROM"
                                      " behalf.report_agency_language) AS d, (SELECT count(*) FROM behalf.report_day)"
                                      " AS e WHERE false"),
        "0");
}

static void months_are_made_ahead_and_when_they_are_needed(void **state)
{
    struct fixture *fixture = *state;
    struct change event = an_event(1, 1, "taken");

    start(fixture);
    assert_string_equal(postgres_cluster_sql(cluster,
                                             "SELECT count(*) FROM generate_series(0, 2) AS ahead WHERE to_regclass("
                                             "to_char(now() AT TIME ZONE 'UTC' + make_interval(months => ahead),"
                                             " '\"behalf.post_\"YYYY_MM')) IS NOT NULL"),
                        "3");
    event.event.at_ms = INT64_C(4102444800000) + 5; // 2100-01-01
    struct batch *batch = desk_batch(&fixture->desk, 1);
    put(batch, event);
    store_submit(fixture->store, &batch);
    await_back(fixture, 1);
    store_destroy(&fixture->store);
    writer_destroy(&fixture->writer);
    char sql[128];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM behalf.event_2100_01 WHERE desk = '%s'", fixture->name);
    assert_string_equal(postgres_cluster_sql(cluster, sql), "1");
}

static void the_handle_of_reports_cannot_write(void **state)
{
    struct fixture *fixture = *state;
    char reason[512] = "";
    struct store_position position;

    start(fixture);
    submit(fixture, 10);
    await_back(fixture, 1);
    struct engine *reports =
        engine_postgres_open_reports(postgres_cluster_url(cluster), fixture->name, reason, sizeof reason);
    assert_non_null(reports);
    assert_int_equal(reports->operations->take_over(reports, &position), STORE_UNAVAILABLE);
    assert_non_null(strstr(reports->reason, "read-only"));
    struct report *report = report_new(REPORT_HISTORY);
    report->why = (struct behalf_why){ .channel = "chirp", .post = "p-1" };
    assert_int_equal(reports->operations->report(reports, report), STORE_OK);
    assert_true(report->found);
    report_destroy(&report);
    reports->operations->destroy(&reports);
}

static void text_that_is_no_utf_8_holds_nothing_up(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    struct batch *batch = desk_batch(&fixture->desk, 1);
    put(batch, a_note(1, "note", "broken \xC3 and \xED\xA0\x80, ganz schön \xF0\x9F\x98\x80", false));
    store_submit(fixture->store, &batch);
    await_back(fixture, 1);
    store_destroy(&fixture->store);
    writer_destroy(&fixture->writer);
    char sql[128];
    snprintf(sql, sizeof sql, "SELECT text FROM behalf.note WHERE desk = '%s'", fixture->name);
    assert_string_equal(postgres_cluster_sql(cluster, sql), "broken ? and ???, ganz schön \xF0\x9F\x98\x80");
}

#define CLAIM(claim) cmocka_unit_test_setup_teardown(claim, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CLAIM(a_server_that_crashes_among_commits_loses_and_doubles_nothing),
        CLAIM(a_server_killed_by_kill_9_among_commits_loses_and_doubles_nothing),
        CLAIM(what_is_acknowledged_waits_for_the_disk_whatever_the_operator_has_set),
        CLAIM(a_server_that_does_not_keep_what_it_says_is_refused),
        CLAIM(a_server_shut_down_in_order_is_waited_for),
        CLAIM(a_session_ended_in_mid_transaction_is_repeated),
        CLAIM(a_database_made_read_only_is_waited_for),
        CLAIM(a_connection_cut_in_the_middle_of_commit_is_settled),
        CLAIM(a_broker_stopped_in_mid_transaction_holds_nothing_up),
        CLAIM(a_connection_that_goes_silent_is_given_up_and_settled),
        CLAIM(a_host_that_is_silent_holds_the_others_up_for_no_time),
        CLAIM(a_commit_without_its_standby_is_told_to_nobody),
        CLAIM(a_full_disk_stops_the_store_and_loses_nothing),
        CLAIM(a_wrong_url_is_refused_in_one_line_without_its_password),
        CLAIM(a_refusal_is_known_by_its_state_whatever_its_language),
        CLAIM(a_server_that_is_too_old_is_refused),
        CLAIM(a_schema_that_is_not_ours_is_refused_and_left_as_it_is),
        CLAIM(missing_rights_are_named_with_the_command_that_gives_them),
        CLAIM(a_newer_or_torn_schema_and_another_encoding_are_refused),
        CLAIM(a_store_of_the_former_version_has_one_identity_a_post),
        CLAIM(brokers_that_start_together_make_one_schema),
        CLAIM(the_schema_is_led_by_the_desk_and_explained),
        CLAIM(months_are_made_ahead_and_when_they_are_needed),
        CLAIM(the_handle_of_reports_cannot_write),
        CLAIM(text_that_is_no_utf_8_holds_nothing_up),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return postgres_cluster_possible()
               ? cmocka_run_group_tests(tests, postgres_cluster_set_up_group, postgres_cluster_tear_down_group)
               : 77;
}
