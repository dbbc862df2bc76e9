// postgres.c - the engine on PostgreSQL: a group of batches is one transaction in one pipeline, fenced in it.
//
// What the server has answered to COMMIT is known; when it has not answered, the commit is in doubt.  Then our old
// session is ended first, so that what it may still do is over, and only then is the position read on a new one.
// Reading it back proves nothing about replication: engine_attempt confirms before it trusts.

#include "broker/store/hold.h"
#include "broker/store/lease_row.h"
#include "broker/store/postgres/records.h"
#include "broker/store/postgres/schema.h"
#include "proto/must.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MS_MAX 80000 // a database that is only slow is waited for longer each time, up to this
#define MONTHS_MAX 240      // known at once
#define MONTH_SPAN_MAX 48   // of one group, beyond which only its first and last months are made
#define DAY_SECONDS 86400

struct postgres_engine {
    struct engine engine;
    char *conninfo;
    char *desk;
    bool read_only;
    struct connection *connection; // NULL while there is none
    struct writer *writer;
    bool doubt;     // position() must be read first
    uint64_t epoch; // as last read or taken; 0: not known
    int answer_ms;  // longest wait for an answer
    // Our session that a commit in doubt was left with, to be ended.
    int old_backend;
    char old_started[CONNECTION_STARTED_BYTES];
    // Months that have their partitions, and the day on which those ahead were last looked after.
    int months[MONTHS_MAX];
    size_t month_count;
    int64_t day;
    bool months_failed; // those ahead could not be made
    char place[256];
    int server_version;
    char description[512];
};

static struct postgres_engine *own(struct engine *engine)
{
    return (struct postgres_engine *) (void *) engine;
}

static enum store_result result_of(struct postgres_engine *engine)
{
    return connection_result(engine->connection, engine->engine.reason, sizeof engine->engine.reason);
}

static void close_connection(struct postgres_engine *engine)
{
    connection_close(&engine->connection);
}

// Leaves the session as a failure left it: rolled back, or closed where it is of no more use.
static enum store_result give_up(struct postgres_engine *engine)
{
    enum store_result result = result_of(engine);

    connection_roll_back(engine->connection);
    bool useless = engine->connection->lost || strcmp(engine->connection->state, "25006") == 0 ||
                   PQtransactionStatus(engine->connection->link) != PQTRANS_IDLE;
    if (useless) {
        close_connection(engine);
    }
    return result;
}

// Connects if there is no connection, or the one there is has gone while idle.
static enum store_result require_connection(struct postgres_engine *engine)
{
    enum store_result result = STORE_OK;

    if (engine->connection != NULL && !connection_stands(engine->connection)) {
        close_connection(engine);
    }
    if (engine->connection == NULL) {
        engine->connection = connection_open(engine->conninfo, engine->desk, engine->read_only, &result,
                                             engine->engine.reason, sizeof engine->engine.reason);
        engine->month_count = 0;
        engine->day = 0;
    }
    if (engine->connection != NULL) {
        engine->connection->answer_ms = engine->answer_ms;
        engine->server_version = engine->connection->server_version;
        snprintf(engine->place, sizeof engine->place, "%s", engine->connection->place);
        connection_clear(engine->connection);
    }
    return result;
}

// ---- months ----

static int month_of(int64_t at_ms)
{
    time_t seconds = (time_t) (at_ms / 1000);
    struct tm parts;

    must(gmtime_r(&seconds, &parts) != NULL);
    return parts.tm_year * 12 + parts.tm_mon;
}

static int64_t month_start_ms(int month)
{
    struct tm parts = { .tm_year = month / 12, .tm_mon = month % 12, .tm_mday = 1 };

    return (int64_t) timegm(&parts) * 1000;
}

static bool is_known(const struct postgres_engine *engine, int month)
{
    for (size_t i = 0; i < engine->month_count; i++) {
        if (engine->months[i] == month) {
            return true;
        }
    }
    return false;
}

static void add_month(struct postgres_engine *engine, struct rows *rows, int month)
{
    if (!is_known(engine, month)) {
        rows_number(rows, month_start_ms(month));
        rows_end(rows);
        if (engine->month_count == MONTHS_MAX) {
            engine->month_count = 0;
        }
        engine->months[engine->month_count++] = month;
    }
}

// Makes partitions, each only once; false leaves the trouble in the connection.
static bool make_months(struct postgres_engine *engine, int first, int last)
{
    struct rows rows = { 0 };
    struct parameters parameters = { 0 };

    for (int month = first; month <= last; month++) {
        add_month(engine, &rows, month);
        if (last - first > MONTH_SPAN_MAX && month < last) {
            month = last - 1;
        }
    }
    if (rows.count > 0) {
        parameters_rows(&parameters, &rows);
        PQclear(connection_ask(engine->connection, SQL_REQUIRE_MONTHS, &parameters));
        engine->month_count = engine->connection->failed ? 0 : engine->month_count;
    }
    rows_fini(&rows);
    return !engine->connection->failed;
}

// The months ahead, once a day.  That this fails only matters once the month itself is missing.
static enum store_result make_months_ahead(struct postgres_engine *engine)
{
    int64_t now = (int64_t) time(NULL);

    if (engine->day == now / DAY_SECONDS) {
        return STORE_OK;
    }
    engine->day = now / DAY_SECONDS;
    int month = month_of(now * 1000);
    engine->months_failed = !make_months(engine, month, month + SCHEMA_MONTHS_AHEAD);
    if (engine->months_failed && give_up(engine) != STORE_OK && engine->connection == NULL) {
        return STORE_UNAVAILABLE;
    }
    connection_clear(engine->connection);
    return STORE_OK;
}

static enum store_result make_months_of(struct postgres_engine *engine, struct batch *group)
{
    int64_t first_ms = 0;
    int64_t last_ms = 0;
    enum store_result result = make_months_ahead(engine);

    if (result != STORE_OK || !group_times(group, &first_ms, &last_ms)) {
        return result;
    }
    if (first_ms < 0 || last_ms > BEHALF_TIME_MAX) {
        snprintf(engine->engine.reason, sizeof engine->engine.reason, "an event or post outside of all time");
        return STORE_CONTRADICTED;
    }
    return make_months(engine, month_of(first_ms), month_of(last_ms)) ? STORE_OK : give_up(engine);
}

// ---- transactions ----

static void leave_in_doubt(struct postgres_engine *engine)
{
    engine->doubt = true;
    engine->old_backend = engine->connection->backend;
    snprintf(engine->old_started, sizeof engine->old_started, "%s", engine->connection->started);
}

// Takes the answers of `before` statements and of the COMMIT behind them.
static enum store_result take_commit(struct postgres_engine *engine, size_t before)
{
    struct connection *connection = engine->connection;
    bool done = true;

    while (done && before > 0) {
        done = connection_done(connection);
        before--;
    }
    PGresult *commit = done ? connection_take(connection) : NULL;
    bool committed = commit != NULL && strcmp(PQcmdStatus(commit), "COMMIT") == 0;
    PQclear(commit);
    // The server's own word about a statement before COMMIT, or its refusal of COMMIT, is a rollback for sure.
    if (connection->failed && !connection->unanswered && (!done || !connection->lost)) {
        return STORE_UNAVAILABLE;
    }
    if (committed && !connection->warned) {
        return STORE_OK;
    }
    leave_in_doubt(engine);
    if (committed) {
        snprintf(engine->engine.reason, sizeof engine->engine.reason,
                 "PostgreSQL at %s has committed without its synchronous standby: start the standby; nothing"
                 " unconfirmed is acknowledged",
                 engine->place);
    } else {
        (void) result_of(engine);
    }
    if (connection->unanswered && strncmp(connection->message, "no answer", 9) == 0) {
        engine->answer_ms = engine->answer_ms * 2 > ANSWER_MS_MAX ? ANSWER_MS_MAX : engine->answer_ms * 2;
    }
    return STORE_IN_DOUBT;
}

// Commits what was sent since BEGIN, and takes the answers to what is asked behind it.
static enum store_result finish_transaction(struct postgres_engine *engine, struct asking *asking)
{
    struct connection *connection = engine->connection;
    size_t before = connection->sent;

    connection_send(connection, SQL_COMMIT, NULL);
    connection_sync(connection);
    bool asked = asking != NULL && !asking_is_empty(asking);
    if (asked) {
        asking_send(asking, connection);
        connection_sync(connection);
    }
    enum store_result result = take_commit(engine, before);
    if (result == STORE_OK) {
        engine->answer_ms = CONNECTION_ANSWER_MS;
        (void) connection_synced(connection);
        if (asked) {
            asking_take(asking, connection);
            (void) connection_synced(connection);
        }
        return connection->failed ? give_up(engine) : STORE_OK;
    }
    if (result == STORE_IN_DOUBT) {
        close_connection(engine);
        return result;
    }
    result = result_of(engine);
    close_connection(engine); // with the answers that are still on their way
    return result;
}

static enum store_result read_position(struct postgres_engine *engine, struct store_position *position)
{
    PGresult *result = connection_ask(engine->connection, SQL_POSITION, NULL);

    if (result == NULL) {
        return give_up(engine);
    }
    bool found = PQntuples(result) == 1;
    if (found) {
        struct cells cells = cells_of(engine->connection, result, 0);
        position->epoch = cell_id(&cells);
        position->sequence = cell_id(&cells);
        position->next_id = cell_id(&cells);
        position->clock_ms = cell_number(&cells);
        engine->epoch = position->epoch;
    } else {
        snprintf(engine->engine.reason, sizeof engine->engine.reason, "PostgreSQL at %s has no desk named %s",
                 engine->place, engine->desk);
    }
    PQclear(result);
    return found ? STORE_OK : STORE_CONTRADICTED;
}

static enum store_result answer_only(struct postgres_engine *engine, struct asking *asking)
{
    struct connection *connection = engine->connection;

    if (asking_is_empty(asking)) {
        return STORE_OK;
    }
    asking_send(asking, connection);
    connection_sync(connection);
    asking_take(asking, connection);
    (void) connection_synced(connection);
    return connection->failed ? give_up(engine) : STORE_OK;
}

// The desk's row contradicts the group: either the group is on disk already, or the desk is somebody else's now.
static enum store_result judge_contradiction(struct postgres_engine *engine, struct batch *group, struct asking *asking)
{
    const struct store_position *to = batch_group_to(group);
    struct store_position found = { 0 };
    char reason[sizeof engine->engine.reason];

    memcpy(reason, engine->engine.reason, sizeof reason);
    enum store_result result = require_connection(engine);
    if (result == STORE_OK) {
        result = read_position(engine, &found);
    }
    if (result != STORE_OK) {
        return result;
    }
    if (found.epoch == to->epoch && found.sequence == to->sequence) {
        return answer_only(engine, asking);
    }
    memcpy(engine->engine.reason, reason, sizeof reason);
    return STORE_CONTRADICTED;
}

static enum store_result write_group(struct postgres_engine *engine, struct batch *group, struct asking *asking)
{
    struct connection *connection = engine->connection;
    const struct store_position *from = batch_from(group);
    const struct store_position *to = batch_group_to(group);
    struct parameters parameters = { 0 };

    connection_clear(connection);
    parameters_number(&parameters, (int64_t) from->epoch);
    parameters_number(&parameters, (int64_t) from->sequence);
    parameters_number(&parameters, (int64_t) to->sequence);
    parameters_number(&parameters, (int64_t) to->next_id);
    parameters_number(&parameters, to->clock_ms);
    parameters_text(&parameters, connection->started);
    connection_send(connection, SQL_BEGIN, NULL);
    connection_send(connection, SQL_ADVANCE, &parameters);
    writer_send(engine->writer, connection, group);
    enum store_result result = finish_transaction(engine, asking);
    return result == STORE_CONTRADICTED ? judge_contradiction(engine, group, asking) : result;
}

// ---- operations ----

static const char *postgres_describe(const struct engine *base)
{
    struct postgres_engine *engine = own((struct engine *) base);

    snprintf(engine->description, sizeof engine->description, "postgresql at %s, version %d.%d%s%s", engine->place,
             engine->server_version / 10000, engine->server_version % 10000, engine->connection == NULL ? ", away" : "",
             engine->months_failed ? ", partitions of the months ahead could not be made: see its log" : "");
    return engine->description;
}

static enum store_result refuse_doubt(struct postgres_engine *engine)
{
    if (engine->engine.reason[0] == '\0') {
        snprintf(engine->engine.reason, sizeof engine->engine.reason, "an earlier commit is in doubt");
    }
    return STORE_IN_DOUBT;
}

static enum store_result postgres_commit(struct engine *base, struct batch *group)
{
    struct postgres_engine *engine = own(base);
    bool changes = batch_group_change_count(group) > 0;

    if (engine->doubt) {
        return refuse_doubt(engine);
    }
    enum store_result result = require_connection(engine);
    if (result == STORE_OK && changes) {
        result = make_months_of(engine, group);
    }
    if (result == STORE_OK) {
        struct asking *asking = asking_new(group);
        result = changes ? write_group(engine, group, asking) : answer_only(engine, asking);
        asking_destroy(&asking);
    }
    return result;
}

// Ends the session that a doubtful commit was left with; true when it is gone.
static bool end_old_session(struct postgres_engine *engine)
{
    struct parameters parameters = { 0 };
    char backend[16];

    if (engine->old_backend == 0) {
        return true;
    }
    snprintf(backend, sizeof backend, "%d", engine->old_backend);
    parameters_text(&parameters, backend);
    parameters_text(&parameters, engine->old_started);
    PGresult *result = connection_ask(engine->connection, SQL_END_BACKEND, &parameters);
    bool gone = result != NULL;
    if (result != NULL && PQntuples(result) > 0) {
        struct cells cells = cells_of(engine->connection, result, 0);
        gone = cell_flag(&cells);
    }
    PQclear(result);
    if (gone) {
        engine->old_backend = 0;
    } else if (!engine->connection->failed) {
        snprintf(engine->engine.reason, sizeof engine->engine.reason,
                 "our old session %d at PostgreSQL at %s does not end: end it with pg_terminate_backend",
                 engine->old_backend, engine->place);
    }
    return gone;
}

static enum store_result postgres_position(struct engine *base, struct store_position *position)
{
    struct postgres_engine *engine = own(base);

    if (engine->doubt) {
        close_connection(engine);
    }
    enum store_result result = require_connection(engine);
    if (result == STORE_OK && !end_old_session(engine)) {
        result = engine->connection->failed ? give_up(engine) : STORE_UNAVAILABLE;
    }
    if (result == STORE_OK) {
        result = read_position(engine, position);
    }
    if (result == STORE_OK) {
        engine->doubt = false;
    }
    return result;
}

// Ends the session of whoever has the desk, so that what it may hold stands in nobody's way.  When that is not
// allowed, its locks are waited for.
static enum store_result end_owner(struct postgres_engine *engine, const struct lease_row *seen)
{
    struct parameters parameters = { 0 };

    parameters_number(&parameters, seen == NULL ? -1 : (int64_t) seen->epoch);
    parameters_number(&parameters, seen == NULL ? 0 : (int64_t) seen->renewals);
    PQclear(connection_ask(engine->connection, SQL_END_OWNER, &parameters));
    if (engine->connection->lost) {
        return give_up(engine);
    }
    connection_clear(engine->connection);
    return STORE_OK;
}

static enum store_result sign_over(struct postgres_engine *engine, const struct lease_row *seen, const char *endpoints)
{
    struct connection *connection = engine->connection;
    struct parameters parameters = { 0 };
    char host[64] = "";
    char owner[128];

    (void) gethostname(host, sizeof host - 1);
    snprintf(owner, sizeof owner, "%s:%ld", host, (long) getpid());
    parameters_text(&parameters, owner);
    parameters_text(&parameters, connection->started);
    parameters_text(&parameters, endpoints);
    parameters_number(&parameters, seen == NULL ? -1 : (int64_t) seen->epoch);
    parameters_number(&parameters, seen == NULL ? 0 : (int64_t) seen->renewals);
    connection_clear(connection);
    connection_send(connection, SQL_BEGIN, NULL);
    connection_send(connection, SQL_MAKE_DESK, NULL);
    connection_send(connection, SQL_TAKE_OVER, &parameters);
    return finish_transaction(engine, NULL);
}

// A desk that is being moved, or was, is not for a broker.
static enum store_result judge_hold(struct postgres_engine *engine)
{
    PGresult *result = connection_ask(engine->connection, SQL_HELD, NULL);

    if (result == NULL) {
        return give_up(engine);
    }
    bool held = PQntuples(result) > 0;
    if (held) {
        struct cells cells = cells_of(engine->connection, result, 0);
        const char *how = cell_text(&cells);
        const char *place = cell_text(&cells);
        hold_describe(engine->desk, how, place, cell_number(&cells), engine->engine.reason,
                      sizeof engine->engine.reason);
    }
    PQclear(result);
    return held ? STORE_CONTRADICTED : STORE_OK;
}

enum store_result engine_postgres_take_over(struct engine *base, const struct lease_row *seen, const char *endpoints,
                                            struct store_position *position)
{
    struct postgres_engine *engine = own(base);
    struct store_position unused;
    enum store_result result = engine->doubt ? postgres_position(base, &unused) : require_connection(engine);

    if (result == STORE_OK) {
        result = judge_hold(engine);
    }
    if (result == STORE_OK) {
        result = end_owner(engine, seen);
    }
    if (result == STORE_OK) {
        result = make_months_ahead(engine);
    }
    if (result == STORE_OK) {
        result = sign_over(engine, seen, endpoints);
    }
    return result == STORE_OK ? read_position(engine, position) : result;
}

static enum store_result postgres_take_over(struct engine *base, struct store_position *position)
{
    return engine_postgres_take_over(base, NULL, "", position);
}

static enum store_result postgres_confirm(struct engine *base)
{
    struct postgres_engine *engine = own(base);
    struct parameters parameters = { 0 };

    if (engine->doubt) {
        return refuse_doubt(engine);
    }
    enum store_result result = require_connection(engine);
    if (result != STORE_OK) {
        return result;
    }
    parameters_number(&parameters, (int64_t) engine->epoch);
    connection_send(engine->connection, SQL_BEGIN, NULL);
    connection_send(engine->connection, SQL_CONFIRM, &parameters);
    return finish_transaction(engine, NULL);
}

static enum store_result postgres_read(struct engine *base, const struct store_reader *reader)
{
    struct postgres_engine *engine = own(base);
    enum store_result result = require_connection(engine);

    if (result == STORE_OK && !reading_run(engine->connection, reader)) {
        result = result_of(engine);
        close_connection(engine); // with the rows that are still on their way
    }
    return result;
}

static enum store_result postgres_report(struct engine *base, struct report *report)
{
    struct postgres_engine *engine = own(base);
    enum store_result result = require_connection(engine);

    if (result == STORE_OK) {
        reporting_run(engine->connection, report);
        result = engine->connection->failed ? give_up(engine) : STORE_OK;
    }
    return result;
}

static void postgres_destroy(struct engine **engine_p)
{
    if (*engine_p == NULL) {
        return;
    }
    struct postgres_engine *engine = own(*engine_p);
    close_connection(engine);
    writer_destroy(&engine->writer);
    explicit_bzero(engine->conninfo, strlen(engine->conninfo));
    free(engine->conninfo);
    free(engine->desk);
    free(engine);
    *engine_p = NULL;
}

static const struct engine_operations postgres_operations = {
    .name = "postgresql",
    .describe = postgres_describe,
    .commit = postgres_commit,
    .position = postgres_position,
    .take_over = postgres_take_over,
    .confirm = postgres_confirm,
    .read = postgres_read,
    .report = postgres_report,
    .destroy = postgres_destroy,
};

static struct engine *open_engine(const char *conninfo, const char *desk, bool read_only, char *reason,
                                  size_t reason_bytes)
{
    struct postgres_engine *engine = calloc(1, sizeof *engine);

    must(engine != NULL);
    engine->engine.operations = &postgres_operations;
    engine->conninfo = strdup(conninfo);
    engine->desk = strdup(desk);
    must(engine->conninfo != NULL);
    must(engine->desk != NULL);
    engine->read_only = read_only;
    engine->writer = writer_new();
    engine->answer_ms = CONNECTION_ANSWER_MS;
    struct engine *opened = &engine->engine;
    if (require_connection(engine) != STORE_OK) {
        snprintf(reason, reason_bytes, "%s", opened->reason);
        postgres_destroy(&opened);
    }
    return opened;
}

struct engine *engine_postgres_open(const char *conninfo, const char *desk, char *reason, size_t reason_bytes)
{
    return open_engine(conninfo, desk, false, reason, reason_bytes);
}

struct engine *engine_postgres_open_reports(const char *conninfo, const char *desk, char *reason, size_t reason_bytes)
{
    return open_engine(conninfo, desk, true, reason, reason_bytes);
}
