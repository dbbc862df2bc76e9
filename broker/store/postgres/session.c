// session.c - a session that is made when needed, its months, and what the answer to COMMIT means.

#include "broker/store/postgres/session.h"

#include "broker/store/postgres/schema.h"
#include "proto/base/must.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ANSWER_MS_MAX 80000 // a database that is only slow is waited for longer each time, up to this
#define MONTH_SPAN_MAX 48   // of one call, beyond which only its first and last months are made
#define DAY_SECONDS 86400

struct session *session_new(const char *conninfo, bool read_only)
{
    struct session *session = calloc(1, sizeof *session);

    must(session != NULL);
    session->users = 1;
    session->conninfo = strdup(conninfo);
    must(session->conninfo != NULL);
    session->read_only = read_only;
    session->writer = group_writer_new();
    session->answer_ms = CONNECTION_ANSWER_MS;
    return session;
}

struct applier *session_applier(struct session *session)
{
    if (session->applier == NULL) {
        session->applier = applier_new(session->conninfo);
    }
    return session->applier;
}

void session_leave(struct session **session_p)
{
    struct session *session = *session_p;

    *session_p = NULL;
    if (--session->users > 0) {
        return;
    }
    applier_destroy(&session->applier);
    session_close(session);
    group_writer_destroy(&session->writer);
    explicit_bzero(session->conninfo, strlen(session->conninfo));
    free(session->conninfo);
    free(session);
}

void session_close(struct session *session)
{
    connection_close(&session->connection);
}

void session_for(struct session *session, const char *desk)
{
    session->connection->desk = desk;
}

enum store_result session_result(struct session *session)
{
    return connection_result(session->connection, session->reason, sizeof session->reason);
}

enum store_result session_give_up(struct session *session)
{
    enum store_result result = session_result(session);

    connection_roll_back(session->connection);
    bool useless = session->connection->lost || strcmp(session->connection->state, "25006") == 0 ||
                   PQtransactionStatus(session->connection->link) != PQTRANS_IDLE;
    if (useless) {
        session_close(session);
    }
    return result;
}

// ---- made when needed ----

static void session_keep_place(struct session *session)
{
    session->server_version = session->connection->server_version;
    snprintf(session->place, sizeof session->place, "%s", session->connection->place);
}

// Among the server's sessions one that serves several desks is not to bear the name of one.
static bool session_name(struct session *session)
{
    bool named = session->users > 1 || session->is_applier;

    if (named != session->named) {
        struct parameters parameters = { 0 };
        parameters_flag(&parameters, named);
        parameters_text(&parameters, session->is_applier ? " applier" : session->read_only ? " reports" : "");
        PQclear(connection_ask(session->connection, SQL_NAME_SESSION, &parameters));
        session->named = named;
    }
    return !session->connection->failed;
}

// Ends the session that a doubtful commit was left with; true when it is gone.
static bool session_end_old(struct session *session)
{
    struct parameters parameters = { 0 };
    char backend[16];

    if (session->old_backend == 0) {
        return true;
    }
    snprintf(backend, sizeof backend, "%d", session->old_backend);
    parameters_text(&parameters, backend);
    parameters_text(&parameters, session->old_started);
    PGresult *result = connection_ask(session->connection, SQL_END_BACKEND, &parameters);
    bool gone = result != NULL;
    if (result != NULL && PQntuples(result) > 0) {
        struct cells cells = cells_of(session->connection, result, 0);
        gone = cell_flag(&cells);
    }
    PQclear(result);
    if (gone) {
        session->old_backend = 0;
    } else if (!session->connection->failed) {
        snprintf(session->reason, sizeof session->reason,
                 "our old session %d at PostgreSQL at %s does not end: end it with pg_terminate_backend",
                 session->old_backend, session->place);
    }
    return gone;
}

enum store_result session_require(struct session *session, const char *desk)
{
    enum store_result result = STORE_OK;

    if (session->connection != NULL && !connection_stands(session->connection)) {
        session_close(session);
    }
    if (session->connection == NULL) {
        session->connection = connection_open(session->conninfo, desk, session->read_only, &result, session->reason,
                                              sizeof session->reason);
        session->month_count = 0;
        session->day = 0;
        session->named = false;
    }
    if (session->connection == NULL) {
        return result;
    }
    session_keep_place(session);
    session->connection->answer_ms = session->answer_ms;
    session_for(session, desk);
    connection_clear(session->connection);
    if (!session_name(session)) {
        return session_give_up(session);
    }
    if (!session_end_old(session)) {
        return session->connection->failed ? session_give_up(session) : STORE_UNAVAILABLE;
    }
    return STORE_OK;
}

bool session_drain(struct session *session, int syncs)
{
    connection_drain(session->connection, syncs);
    connection_roll_back(session->connection);
    if (session->connection->lost || PQtransactionStatus(session->connection->link) != PQTRANS_IDLE) {
        session_close(session);
    }
    return session->connection != NULL;
}

// ---- months ----

static int session_month_of(int64_t at_ms)
{
    time_t seconds = (time_t) (at_ms / 1000);
    struct tm parts;

    must(gmtime_r(&seconds, &parts) != NULL);
    return parts.tm_year * 12 + parts.tm_mon;
}

static int64_t session_month_start_ms(int month)
{
    struct tm parts = { .tm_year = month / 12, .tm_mon = month % 12, .tm_mday = 1 };

    return (int64_t) timegm(&parts) * 1000;
}

static bool session_is_known(const struct session *session, int month)
{
    for (size_t i = 0; i < session->month_count; i++) {
        if (session->months[i] == month) {
            return true;
        }
    }
    return false;
}

static void session_add_month(struct session *session, struct rows *rows, int month)
{
    if (!session_is_known(session, month)) {
        rows_number(rows, session_month_start_ms(month));
        rows_end(rows);
        if (session->month_count == SESSION_MONTHS_MAX) {
            session->month_count = 0;
        }
        session->months[session->month_count++] = month;
    }
}

// Makes partitions, each only once; false leaves the trouble in the connection.
static bool make_months(struct session *session, int first, int last)
{
    struct rows rows = { 0 };
    struct parameters parameters = { 0 };

    for (int month = first; month <= last; month++) {
        session_add_month(session, &rows, month);
        if (last - first > MONTH_SPAN_MAX && month < last) {
            month = last - 1;
        }
    }
    if (rows.count > 0) {
        parameters_rows(&parameters, &rows);
        PQclear(connection_ask(session->connection, SQL_REQUIRE_MONTHS, &parameters));
        session->month_count = session->connection->failed ? 0 : session->month_count;
    }
    rows_fini(&rows);
    return !session->connection->failed;
}

// That this fails only matters once the month itself is missing.
enum store_result session_make_months_ahead(struct session *session)
{
    int64_t now = (int64_t) time(NULL);

    if (session->day == now / DAY_SECONDS) {
        return STORE_OK;
    }
    session->day = now / DAY_SECONDS;
    int month = session_month_of(now * 1000);
    session->months_failed = !make_months(session, month, month + SCHEMA_MONTHS_AHEAD);
    if (session->months_failed && session_give_up(session) != STORE_OK && session->connection == NULL) {
        return STORE_UNAVAILABLE;
    }
    connection_clear(session->connection);
    return STORE_OK;
}

enum store_result session_make_months(struct session *session, int64_t first_ms, int64_t last_ms)
{
    return make_months(session, session_month_of(first_ms), session_month_of(last_ms)) ? STORE_OK
                                                                                       : session_give_up(session);
}

// ---- the answer to COMMIT ----

static void session_leave_in_doubt(struct session *session)
{
    session->old_backend = session->connection->backend;
    snprintf(session->old_started, sizeof session->old_started, "%s", session->connection->started);
}

enum store_result session_take_commit(struct session *session, bool done)
{
    struct connection *connection = session->connection;
    PGresult *commit = done ? connection_take(connection) : NULL;
    bool committed = commit != NULL && strcmp(PQcmdStatus(commit), "COMMIT") == 0;

    PQclear(commit);
    // The server's own word about a statement before COMMIT, or its refusal of COMMIT, is a rollback for sure.
    if (connection->failed && !connection->unanswered && (!done || !connection->lost)) {
        return STORE_UNAVAILABLE;
    }
    if (committed && !connection->warned) {
        session->answer_ms = CONNECTION_ANSWER_MS;
        return STORE_OK;
    }
    session_leave_in_doubt(session);
    if (committed) {
        snprintf(session->reason, sizeof session->reason,
                 "PostgreSQL at %s has committed without its synchronous standby: start the standby; nothing"
                 " unconfirmed is acknowledged",
                 session->place);
    } else {
        (void) session_result(session);
    }
    if (connection->unanswered && strncmp(connection->message, "no answer", 9) == 0) {
        session->answer_ms = session->answer_ms * 2 > ANSWER_MS_MAX ? ANSWER_MS_MAX : session->answer_ms * 2;
    }
    return STORE_IN_DOUBT;
}

enum store_result session_commit(struct session *session)
{
    struct connection *connection = session->connection;
    bool done = true;
    size_t before = connection->sent;

    connection_send(connection, SQL_COMMIT, NULL);
    connection_sync(connection);
    while (done && before > 0) {
        done = connection_done(connection);
        before--;
    }
    enum store_result result = session_take_commit(session, done);
    if (result == STORE_OK) {
        (void) connection_synced(connection);
    }
    return result;
}

enum store_result session_finish(struct session *session)
{
    enum store_result result = session_commit(session);

    if (result == STORE_OK) {
        return STORE_OK;
    }
    result = result == STORE_IN_DOUBT ? result : session_result(session);
    session_close(session); // with the answers that are still on their way
    return result;
}
