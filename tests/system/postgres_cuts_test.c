// postgres_cuts_test.c - PostgreSQL is cut off at any moment, again and again, while a desk's history is written.
//
// postgres_cuts_test [SEED [CUTS]]
//
// What a broker of the simulation wrote goes through the writer and the applier.  Meanwhile the server is killed or
// stopped at once, a session of either is killed or ended, a connection is cut at any byte or around a COMMIT, the
// broker goes away, or another one takes the desk while this one lives on with what it has in hand.  After each cut
// nothing that came back durable is missing, nothing is there that was not submitted, and journal and tables join; in
// the end the tables are those of a desk that was written in peace.

#include "broker/store/store.h"
#include "proto/base/clocks.h"
#include "proto/base/must.h"
#include "tests/system/cutting_proxy.h"
#include "tests/system/postgres_cluster.h"
#include "tests/system/power_model.h"
#include "tests/system/recorded_history.h"

#include <inttypes.h>
#include <libpq-fe.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS 60000
#define BATCHES_MAX 240 // of a desk
#define SUBMIT_MAX 8    // before a cut
#define READS 5
#define GROUP 12 // batches of a group, written in peace

enum cut_kind {
    SERVER_KILLED,
    SERVER_STOPPED,
    SESSION_KILLED,
    SESSION_ENDED,
    CUT_AT_BYTE,
    CUT_AROUND_COMMIT,
    BROKER_GONE,
    ANOTHER_BROKER,
    CUT_KINDS
};

static const char *const cut_names[CUT_KINDS] = {
    "server killed", "server stopped at once", "session killed", "session ended",
    "cut at a byte", "cut around a COMMIT",    "broker gone",    "another broker",
};

// A broker's store of the desk.
struct owner {
    struct writer *writer; // NULL: there is none
    struct store *store;
    uint64_t epoch;
    size_t submitted; // up to which batch
    size_t back;
};

static struct {
    uint64_t seed;
    uint64_t chance;
    struct postgres_cluster *cluster;
    struct cutting_proxy *proxy;
    struct recorded_history *history;
    char desk[32];
    char peaceful[32]; // the desk that was written in peace
    struct owner owner;
    struct owner former; // another has its desk, and it may not know
    size_t cuts;
    size_t counts[CUT_KINDS];
} run;

static uint64_t run_below(uint64_t bound)
{
    return chance_below(&run.chance, bound);
}

__attribute__((format(printf, 1, 2), noreturn)) static void run_fail(const char *format, ...)
{
    va_list arguments;
    char text[1024] = "";

    printf("SEED=%" PRIu64 ", cut %zu, %s: ", run.seed, run.cuts, run.desk);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    if (run.owner.store != NULL) {
        store_describe(run.owner.store, text, sizeof text);
    }
    printf("\nstore: %s\nagain: postgres_cuts_test %" PRIu64 " %zu\n", text, run.seed, run.cuts + 1);
    exit(1); // the server ends with us
}

// ---- the server ----

static void run_ignore_notice(void *self, const char *text)
{
    (void) self;
    (void) text;
}

// The first value of what a superuser asks, to be freed; NULL when the server is not there.
static char *run_try_sql(const char *sql)
{
    char conninfo[256];
    char *value = NULL;

    snprintf(conninfo, sizeof conninfo, "%s dbname=behalf", postgres_cluster_administrator(run.cluster));
    PGconn *link = PQconnectdb(conninfo);
    (void) PQsetNoticeProcessor(link, run_ignore_notice, NULL);
    PGresult *result = PQexec(link, sql);
    if (PQresultStatus(result) == PGRES_TUPLES_OK) {
        value = strdup(PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
        must(value != NULL);
    } else if (PQresultStatus(result) == PGRES_FATAL_ERROR && PQstatus(link) == CONNECTION_OK) {
        const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
        if (state != NULL && strncmp(state, "42", 2) == 0) { // what is asked is wrong
            run_fail("%s: %s", sql, PQerrorMessage(link));
        }
    }
    PQclear(result);
    PQfinish(link);
    return value;
}

static char *run_sql(const char *sql)
{
    int64_t until_ms = clocks_monotonic_ms() + WAIT_MS;
    char *value = NULL;

    while ((value = run_try_sql(sql)) == NULL) {
        if (clocks_monotonic_ms() > until_ms) {
            run_fail("the server does not answer %s", sql);
        }
        (void) poll(NULL, 0, 20);
    }
    return value;
}

__attribute__((format(printf, 1, 2))) static char *run_ask(const char *format, ...)
{
    va_list arguments;
    char *sql = NULL;

    va_start(arguments, format);
    must(vasprintf(&sql, format, arguments) > 0);
    va_end(arguments);
    char *value = run_sql(sql);
    free(sql);
    return value;
}

// ---- a broker's store ----

static struct engine *owner_open(const char *desk, bool by_proxy, struct store_position *position)
{
    const char *url = by_proxy ? postgres_cluster_url_by(run.cluster, cutting_proxy_port(run.proxy))
                               : postgres_cluster_url(run.cluster);
    int64_t until_ms = clocks_monotonic_ms() + WAIT_MS;
    char reason[1024] = "";

    for (;;) {
        struct engine *engine = engine_postgres_open(url, desk, reason, sizeof reason);
        enum store_result result = STORE_UNAVAILABLE;
        if (engine != NULL) {
            result = engine->operations->take_over(engine, position);
            snprintf(reason, sizeof reason, "%s", engine->reason);
        }
        if (result == STORE_OK) {
            return engine;
        }
        if (engine != NULL) {
            engine->operations->destroy(&engine);
        }
        if ((result != STORE_UNAVAILABLE && result != STORE_IN_DOUBT) || clocks_monotonic_ms() > until_ms) {
            run_fail("the desk is not taken over: %s", reason);
        }
        (void) poll(NULL, 0, 20);
    }
}

// Takes the desk and reads it back, though the server may still be about to crash.
static struct engine *owner_take_and_read(struct store_position *position)
{
    char reason[1024] = "";

    for (int i = 0; i < READS; i++) {
        struct engine *engine = owner_open(run.desk, true, position);
        if (recorded_history_read_back(engine, position, reason, sizeof reason)) {
            return engine;
        }
        engine->operations->destroy(&engine);
    }
    run_fail("the desk is not read back: %s", reason);
}

// Takes the desk, of which the one before knew this.
static void owner_start(struct owner *owner, size_t back, size_t submitted)
{
    struct store_position position;
    struct engine *engine = owner_take_and_read(&position);

    *owner = (struct owner){ .epoch = position.epoch };
    if (!recorded_history_place(run.history, position.sequence, &owner->back) || owner->back < back ||
        owner->back > submitted) {
        run_fail("the desk is at batch %zu, sequence %" PRIu64 ": %zu came back and %zu were submitted", owner->back,
                 position.sequence, back, submitted);
    }
    owner->submitted = owner->back;
    owner->writer = writer_new();
    owner->store = store_new(owner->writer, &engine, NULL, NULL);
}

static void owner_stop(struct owner *owner)
{
    if (owner->writer != NULL) {
        store_destroy(&owner->store);
        writer_destroy(&owner->writer);
    }
    *owner = (struct owner){ 0 };
}

static void owner_submit(struct owner *owner, size_t count)
{
    for (size_t i = 0; i < count && owner->submitted < recorded_history_count(run.history); i++) {
        struct batch *batch = recorded_history_batch(run.history, owner->submitted++, owner->epoch);
        store_submit(owner->store, &batch);
    }
}

static void owner_collect(struct owner *owner)
{
    struct batch *batch = NULL;

    (void) store_state(owner->store);
    while ((batch = store_take_batch(owner->store)) != NULL) {
        size_t place = 0;
        if (!recorded_history_place(run.history, batch_to(batch)->sequence, &place) || place != ++owner->back) {
            run_fail("what came back is not batch %zu", owner->back);
        }
        batch_destroy(&batch);
    }
}

static void owner_pass(struct owner *owner, int ms)
{
    int64_t until_ms = clocks_monotonic_ms() + ms;

    do {
        struct pollfd wait = { .fd = writer_fd(owner->writer), .events = POLLIN };
        int64_t left_ms = until_ms - clocks_monotonic_ms();
        (void) poll(&wait, 1, left_ms > 0 ? (int) left_ms : 0);
        owner_collect(owner);
    } while (clocks_monotonic_ms() < until_ms);
}

static void owner_await_back(struct owner *owner)
{
    int64_t until_ms = clocks_monotonic_ms() + WAIT_MS;

    while (owner->back < owner->submitted) {
        owner_pass(owner, 20);
        if (store_state(owner->store) == STORE_STATE_CONTRADICTED || clocks_monotonic_ms() > until_ms) {
            run_fail("%zu of %zu are back", owner->back, owner->submitted);
        }
    }
}

// ---- the judge ----

// In one snapshot: tables and journal join, no row of it is missing, and the tables show as many events as they should.
static void run_judge(void)
{
    char *found = run_ask(
        "WITH rows AS (SELECT * FROM behalf.journal WHERE desk = '%s'), groups AS (SELECT from_sequence AS f, "
        "to_sequence"
        " AS t, count(*) = max(parts) AS whole FROM rows GROUP BY 1, 2), chain AS (SELECT f, whole, lag(t) OVER (ORDER "
        "BY"
        " t) AS before FROM groups) SELECT concat_ws(' ', d.sequence, a.sequence = coalesce((SELECT min(f) FROM "
        "groups),"
        " d.sequence), d.sequence = coalesce((SELECT max(t) FROM groups), a.sequence), NOT EXISTS (SELECT FROM chain"
        " WHERE before <> f OR NOT whole), (SELECT count(*) FROM behalf.event WHERE desk = d.desk) = (SELECT count(*) "
        "FROM"
        " behalf.event WHERE desk = '%s' AND sequence <= a.sequence)) FROM behalf.desk AS d, behalf.applied AS a WHERE"
        " d.desk = '%s' AND a.desk = d.desk",
        run.desk, run.peaceful, run.desk);
    char *end = NULL;
    uint64_t sequence = strtoull(found, &end, 10);
    size_t place = 0;

    if (strcmp(end, " t t t t") != 0) {
        run_fail("sequence; tables join the journal, which ends there, has no gap, and events are complete: %s", found);
    }
    free(found);
    if (!recorded_history_place(run.history, sequence, &place) || place < run.owner.back ||
        place > run.owner.submitted) {
        run_fail("the database is at batch %zu, sequence %" PRIu64 ": %zu came back and %zu were submitted", place,
                 sequence, run.owner.back, run.owner.submitted);
    }
}

// Which tables differ between the two desks.
static void run_compare(void)
{
    char *sql = run_ask(
        "SELECT string_agg(format('SELECT %%L WHERE EXISTS ((SELECT to_jsonb(t) - ''desk'' FROM behalf.%%I AS t WHERE "
        "desk"
        " = ''%s'' EXCEPT ALL SELECT to_jsonb(t) - ''desk'' FROM behalf.%%I AS t WHERE desk = ''%s'') UNION ALL (SELECT"
        " to_jsonb(t) - ''desk'' FROM behalf.%%I AS t WHERE desk = ''%s'' EXCEPT ALL SELECT to_jsonb(t) - ''desk'' FROM"
        " behalf.%%I AS t WHERE desk = ''%s''))', relname, relname, relname, relname, relname), ' UNION ALL ') FROM"
        " pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid WHERE relnamespace = 'behalf'::regnamespace AND"
        " relkind IN ('r', 'p') AND NOT relispartition AND attname = 'desk' AND relname NOT IN ('desk', 'lease', "
        "'secret',"
        " 'applied')",
        run.desk, run.peaceful, run.peaceful, run.desk);
    char *differing = run_ask("SELECT string_agg(name, ', ') FROM (%s) AS t (name)", sql);
    char *left = run_ask("SELECT (SELECT count(*) FROM behalf.journal WHERE desk = '%s') + (SELECT count(*) FROM"
                         " behalf.journal_aside WHERE desk = '%s')",
                         run.desk, run.desk);
    char *counts =
        run_ask("SELECT concat_ws(' ', (SELECT count(*) FROM behalf.event WHERE desk = '%s'), (SELECT count(*)"
                " FROM behalf.post WHERE desk = '%s'))",
                run.desk, run.desk);

    if (differing[0] != '\0' || strcmp(left, "0") != 0) {
        run_fail("%s rows are left in the journal; these tables are not as they are written in peace: %s", left,
                 differing);
    }
    if (strncmp(counts, "0", 1) == 0 || strstr(counts, " 0") != NULL) {
        run_fail("nothing was compared");
    }
    free(sql);
    free(differing);
    free(left);
    free(counts);
}

// ---- cuts ----

static void run_kill_session(bool kill_it)
{
    char *value = run_ask("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'behalf desk%%' ORDER BY"
                          " hashtext(pid || '%" PRIu64 "') LIMIT 1",
                          run_below(1000));
    long pid = atol(value);

    free(value);
    if (pid > 1) {
        (void) kill((pid_t) pid, kill_it ? SIGKILL : SIGTERM); // of the first the server makes a crash of all
    }
}

static void run_cut_at_byte(void)
{
    int before = cutting_proxy_count(run.proxy);

    cutting_proxy_cut_after(run.proxy, run_below(2) == 0, (size_t) run_below(UINT64_C(1) << run_below(14)));
    owner_submit(&run.owner, 1 + (size_t) run_below(SUBMIT_MAX));
    for (int i = 0; i < 50 && cutting_proxy_count(run.proxy) == before; i++) {
        owner_pass(&run.owner, 10);
    }
    cutting_proxy_cut_after(run.proxy, false, SIZE_MAX);
}

static void run_cut_around_commit(void)
{
    static const enum cut cuts[] = { CUT_BEFORE_COMMIT, CUT_AT_COMMIT, CUT_ANSWER };
    int before = cutting_proxy_count(run.proxy);

    cutting_proxy_set(run.proxy, cuts[run_below(3)]);
    owner_submit(&run.owner, 1 + (size_t) run_below(SUBMIT_MAX));
    for (int i = 0; i < 50 && cutting_proxy_count(run.proxy) == before; i++) {
        owner_pass(&run.owner, 10);
    }
    cutting_proxy_set(run.proxy, CUT_NOT);
}

// The one that had the desk lives on, with batches in hand and an applier at work, until the next takes its place.
static void run_have_another_broker(void)
{
    struct owner *former = &run.former;

    owner_stop(former);
    *former = run.owner;
    run.owner.store = NULL;
    owner_start(&run.owner, former->back, former->submitted);
    owner_submit(former, 1 + (size_t) run_below(3));
    owner_submit(&run.owner, 1 + (size_t) run_below(3));
}

// It may have been told of what it did before.
static void run_judge_former(void)
{
    struct owner *former = &run.former;

    if (former->writer == NULL) {
        return;
    }
    size_t taken_over_at = run.owner.back;
    owner_collect(former);
    if (former->back > taken_over_at) {
        run_fail("a broker without the desk was told of batch %zu, and the one that has it of %zu", former->back,
                 taken_over_at);
    }
}

static void run_cut(enum cut_kind kind)
{
    struct owner before = run.owner;

    run.counts[kind]++;
    switch (kind) {
    case SERVER_KILLED:
    case SERVER_STOPPED:
        (kind == SERVER_KILLED ? postgres_cluster_kill : postgres_cluster_crash)(run.cluster);
        owner_submit(&run.owner, (size_t) run_below(3));
        owner_pass(&run.owner, (int) run_below(30));
        postgres_cluster_start(run.cluster);
        break;
    case SESSION_KILLED:
    case SESSION_ENDED:
        run_kill_session(kind == SESSION_KILLED);
        break;
    case CUT_AT_BYTE:
        run_cut_at_byte();
        break;
    case CUT_AROUND_COMMIT:
        run_cut_around_commit();
        break;
    case BROKER_GONE:
        owner_stop(&run.owner);
        owner_start(&run.owner, before.back, before.submitted);
        break;
    case ANOTHER_BROKER:
    case CUT_KINDS:
        run_have_another_broker();
        break;
    }
}

// ---- a desk ----

static void run_write_in_peace(void)
{
    struct store_position position;
    struct engine *engine = owner_open(run.peaceful, false, &position);
    size_t count = recorded_history_count(run.history);

    for (size_t place = 0; place < count; place += GROUP) {
        struct batch *batches[GROUP];
        size_t group = count - place < GROUP ? count - place : GROUP;
        for (size_t i = 0; i < group; i++) {
            batches[i] = recorded_history_batch(run.history, place + i, position.epoch);
            if (i > 0) {
                batch_link(batches[i - 1], batches[i]);
            }
        }
        if (engine->operations->commit(engine, batches[0]) != STORE_OK) {
            run_fail("in peace: %s", engine->reason);
        }
        for (size_t i = 0; i < group; i++) {
            batch_destroy(&batches[i]);
        }
    }
    engine->operations->destroy(&engine);
}

static void run_desk(size_t cuts_max)
{
    static unsigned desks = 0;

    snprintf(run.desk, sizeof run.desk, "cut-%u", ++desks);
    snprintf(run.peaceful, sizeof run.peaceful, "peace-%u", desks);
    run.history = recorded_history_new(1 + (run.seed + desks) % 16, BATCHES_MAX);
    run_write_in_peace();
    owner_start(&run.owner, 0, 0);
    while (run.cuts < cuts_max && run.owner.submitted < recorded_history_count(run.history)) {
        owner_submit(&run.owner, 1 + (size_t) run_below(SUBMIT_MAX));
        owner_pass(&run.owner, (int) run_below(run_below(2) == 0 ? 5 : 90));
        run_cut((enum cut_kind)((run.cuts + run.seed) % CUT_KINDS));
        run_judge();
        run_judge_former();
        if (run_below(2) == 0) {
            owner_await_back(&run.owner);
        }
        run.cuts++;
    }
    owner_submit(&run.owner, BATCHES_MAX);
    owner_await_back(&run.owner);
    run_judge_former();
    owner_stop(&run.former);
    owner_stop(&run.owner);
    run_compare();
    recorded_history_destroy(&run.history);
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!postgres_cluster_possible()) {
        return 77;
    }
    run.seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    run.chance = run.seed;
    size_t cuts_max = argc > 2 ? strtoull(argv[2], NULL, 10) : 200;
    run.cluster = postgres_cluster_new();
    run.proxy = cutting_proxy_new(postgres_cluster_port(run.cluster));
    do {
        run_desk(cuts_max);
    } while (run.cuts < cuts_max);
    cutting_proxy_destroy(&run.proxy);
    postgres_cluster_destroy(&run.cluster);
    printf("%zu cuts of seed %" PRIu64 ":", run.cuts, run.seed);
    for (size_t i = 0; i < CUT_KINDS; i++) {
        printf(" %s %zu%s", cut_names[i], run.counts[i], i + 1 < CUT_KINDS ? "," : "\n");
    }
    return 0;
}
