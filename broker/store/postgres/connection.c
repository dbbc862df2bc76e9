// connection.c - statements in a pipeline, waits that end, cells of answers, and what errors mean.

#include "broker/store/postgres/connection.h"

#include "proto/base/clocks.h"
#include "proto/base/must.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>

static void connection_set_message(struct connection *connection, const char *message)
{
    size_t at = 0;

    for (; *message != '\0' && at + 1 < sizeof connection->message; message++) {
        connection->message[at++] = *message == '\n' || *message == '\t' ? ' ' : *message;
    }
    while (at > 0 && connection->message[at - 1] == ' ') {
        at--;
    }
    connection->message[at] = '\0';
}

static void connection_note_failure(struct connection *connection, const char *state, const char *message)
{
    if (!connection->failed) {
        connection->failed = true;
        snprintf(connection->state, sizeof connection->state, "%.5s", state);
        connection_set_message(connection, message);
    }
}

static void connection_note_loss(struct connection *connection, const char *message)
{
    connection->unanswered = connection->unanswered || !connection->failed;
    connection_note_failure(connection, "", message);
    connection->lost = true;
}

static bool connection_is_fatal(const PGresult *result)
{
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);

    return severity != NULL && strcmp(severity, "ERROR") != 0;
}

static void connection_note_error(struct connection *connection, const PGresult *result)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

    if (state == NULL) {
        connection_note_loss(connection, PQresultErrorMessage(result));
        return;
    }
    connection_note_failure(connection, state, primary == NULL ? PQresultErrorMessage(result) : primary);
    connection->lost = connection->lost || connection_is_fatal(result);
}

void connection_clear(struct connection *connection)
{
    if (!connection->lost) {
        connection->failed = connection->unanswered = connection->warned = false;
        connection->state[0] = connection->message[0] = '\0';
        connection->sent = 0;
    }
}

bool connection_contradict(struct connection *connection, const char *what)
{
    connection_note_failure(connection, "BF002", what);
    return false;
}

// ---- waiting ----

// Waits until the socket has something, or can take more; false when that takes too long.
static bool connection_wait_for_socket(struct connection *connection, bool writing, int64_t until_ms)
{
    struct pollfd wait = { .fd = PQsocket(connection->link), .events = POLLIN };
    int ready;

    wait.events = (short) (writing ? POLLIN | POLLOUT : POLLIN);
    do {
        int64_t left_ms = until_ms - clocks_monotonic_ms();
        ready = poll(&wait, 1, left_ms < 0 ? 0 : (int) left_ms);
    } while (ready < 0 && errno == EINTR);
    if (ready == 0) {
        char message[64];
        snprintf(message, sizeof message, "no answer for %d s", connection->answer_ms / 1000);
        connection_note_loss(connection, message);
    }
    return ready > 0;
}

// Sends what is queued and waits until a result is there (PQgetResult does not block then).
static bool connection_await_result(struct connection *connection)
{
    int64_t until_ms = clocks_monotonic_ms() + connection->answer_ms;

    while (!connection->lost) {
        int flushed = PQflush(connection->link);
        // Once libpq has given the socket up, PQgetResult tells the server's last words or the error.
        if ((flushed >= 0 && !PQisBusy(connection->link)) || PQsocket(connection->link) < 0) {
            return true;
        }
        if (!connection_wait_for_socket(connection, flushed == 1, until_ms)) {
            return false;
        }
        // After a write that failed, what the server said before it went may still be read.
        if (PQconsumeInput(connection->link) == 0 && PQisBusy(connection->link)) {
            connection_note_loss(connection, PQerrorMessage(connection->link));
        }
    }
    return false;
}

bool connection_wait(struct connection *connection, int other_fd, int ms)
{
    struct pollfd look[] = { { .fd = PQsocket(connection->link), .events = POLLIN },
                             { .fd = other_fd, .events = POLLIN } };
    PGnotify *notified;
    bool heard = false;

    if (connection->lost || look[0].fd < 0 || poll(look, 2, ms) <= 0 || look[0].revents == 0) {
        return false;
    }
    if (PQconsumeInput(connection->link) == 0) {
        connection_note_loss(connection, PQerrorMessage(connection->link));
    }
    while ((notified = PQnotifies(connection->link)) != NULL) {
        heard = true;
        PQfreemem(notified);
    }
    return heard;
}

static PGresult *connection_next_result(struct connection *connection)
{
    PGresult *result = connection_await_result(connection) ? PQgetResult(connection->link) : NULL;

    if (result == NULL && !connection->lost && PQstatus(connection->link) == CONNECTION_BAD) {
        connection_note_loss(connection, PQerrorMessage(connection->link));
    }
    return result;
}

bool connection_stands(struct connection *connection)
{
    struct pollfd look = { .fd = PQsocket(connection->link), .events = POLLIN };

    if (look.fd >= 0 && !connection->lost && poll(&look, 1, 0) > 0 && PQconsumeInput(connection->link) == 0) {
        connection_note_loss(connection, PQerrorMessage(connection->link));
    }
    return !connection->lost && PQstatus(connection->link) == CONNECTION_OK;
}

// ---- pipeline ----

static const char *connection_name_of(enum sql sql, char name[16])
{
    snprintf(name, 16, "s%d", (int) sql);
    return name;
}

void connection_send(struct connection *connection, enum sql sql, const struct parameters *parameters)
{
    int formats[PARAMETERS_MAX + 1];
    const char *values[PARAMETERS_MAX + 1] = { connection->desk };
    int lengths[PARAMETERS_MAX + 1] = { (int) strlen(connection->desk) };
    bool plain = sql <= SQL_NO_TIMEOUT;
    int count = plain ? 0 : 1;
    char name[16];

    if (parameters != NULL) {
        memcpy(values + 1, parameters->values, (size_t) parameters->count * sizeof *values);
        memcpy(lengths + 1, parameters->lengths, (size_t) parameters->count * sizeof *lengths);
        count += parameters->count;
    }
    for (int i = 0; i < count; i++) {
        formats[i] = 1; // binary
    }
    connection->sent++;
    if (!connection->lost &&
        PQsendQueryPrepared(connection->link, connection_name_of(sql, name), count, values, lengths, formats, 1) == 0) {
        connection_note_loss(connection, PQerrorMessage(connection->link));
    }
}

enum row_type row_type_of(enum sql sql)
{
    switch (sql) {
    case SQL_PUT_POSTS:
        return ROW_POST;
    case SQL_PUT_INTAKE_KEYS:
        return ROW_INTAKE_KEY;
    case SQL_PUT_ITEMS:
        return ROW_ITEM;
    case SQL_PUT_REPLIES:
    case SQL_CHANGE_REPLIES:
        return ROW_REPLY;
    case SQL_PUT_EVENTS:
        return ROW_EVENT;
    case SQL_PUT_OUTCOMES:
        return ROW_OUTCOME;
    case SQL_PUT_REQUESTS:
        return ROW_REQUEST;
    default:
        return ROW_TYPE_COUNT;
    }
}

void connection_send_rows(struct connection *connection, enum sql sql, struct rows *rows)
{
    struct parameters parameters = { 0 };

    if (rows->count == 0) {
        return;
    }
    if (rows->whole) {
        parameters_whole_rows(&parameters, rows, connection->row_types[row_type_of(sql)]);
    } else {
        parameters_rows(&parameters, rows);
    }
    connection_send(connection, sql, &parameters);
}

void connection_sync(struct connection *connection)
{
    if (!connection->lost && PQpipelineSync(connection->link) == 0) {
        connection_note_loss(connection, PQerrorMessage(connection->link));
    }
}

static bool connection_is_good(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);

    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_SINGLE_TUPLE;
}

// Clears a result that is no answer, noting the error it may be.
static PGresult *connection_keep_good(struct connection *connection, PGresult *result)
{
    if (result != NULL && !connection_is_good(result)) {
        if (PQresultStatus(result) != PGRES_PIPELINE_ABORTED) {
            connection_note_error(connection, result);
        }
        PQclear(result);
        result = NULL;
    }
    return result;
}

PGresult *connection_take(struct connection *connection)
{
    PGresult *result = connection_keep_good(connection, connection_next_result(connection));

    if (!connection->lost) {
        PQclear(connection_next_result(connection)); // NULL ends a statement's results
    }
    return result;
}

bool connection_done(struct connection *connection)
{
    PGresult *result = connection_take(connection);

    PQclear(result);
    return result != NULL;
}

bool connection_synced(struct connection *connection)
{
    PGresult *result = connection_next_result(connection);
    bool synced = result != NULL && PQresultStatus(result) == PGRES_PIPELINE_SYNC;

    if (result != NULL && !synced) {
        (void) connection_keep_good(connection, result);
        connection_note_loss(connection, "lost step with the server");
        return false;
    }
    PQclear(result);
    return synced;
}

void connection_drain(struct connection *connection, int syncs)
{
    while (syncs > 0 && !connection->lost) {
        PGresult *result = connection_next_result(connection);
        if (result != NULL && PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
            syncs--;
        } else if (result != NULL && PQresultStatus(result) == PGRES_FATAL_ERROR && connection_is_fatal(result)) {
            connection_note_loss(connection, PQresultErrorMessage(result));
        }
        PQclear(result);
    }
}

PGresult *connection_ask(struct connection *connection, enum sql sql, const struct parameters *parameters)
{
    connection_send(connection, sql, parameters);
    connection_sync(connection);
    PGresult *result = connection_take(connection);
    (void) connection_synced(connection);
    return result;
}

void connection_stream(struct connection *connection, enum sql sql, const struct parameters *parameters)
{
    connection_send(connection, sql, parameters);
    connection_sync(connection);
    if (!connection->lost) {
        (void) PQsetSingleRowMode(connection->link);
    }
}

PGresult *connection_next(struct connection *connection)
{
    PGresult *result = connection_next_result(connection);
    bool last = result == NULL;

    result = connection_keep_good(connection, result);
    if (result == NULL && !connection->lost) {
        if (!last) {
            PQclear(connection_next_result(connection)); // NULL ends a statement's results
        }
        (void) connection_synced(connection);
    }
    return result;
}

void connection_roll_back(struct connection *connection)
{
    if (!connection->lost && PQtransactionStatus(connection->link) != PQTRANS_IDLE) {
        PQclear(connection_ask(connection, SQL_ROLLBACK, NULL));
    }
}

PGresult *connection_run(struct connection *connection, const char *text)
{
    PGresult *last = NULL;
    PGresult *result;

    if (connection->lost || PQsendQuery(connection->link, text) == 0) {
        connection_note_loss(connection, PQerrorMessage(connection->link));
        return NULL;
    }
    while ((result = connection_next_result(connection)) != NULL) {
        PQclear(last);
        last = connection_keep_good(connection, result);
    }
    if (connection->failed) {
        PQclear(last);
        return NULL;
    }
    return last;
}

bool connection_run_all(struct connection *connection, const char *text)
{
    PGresult *result = connection_run(connection, text);

    PQclear(result);
    return !connection->failed;
}

// ---- words ----

// What a SQLSTATE that begins so means to an operator.
static const struct meaning {
    const char *state;
    enum store_result result;
    const char *what;
    const char *advice;
} connection_meanings[] = {
    { "57P", STORE_UNAVAILABLE, "is shutting down or starting", "waiting until it is back" },
    { "57014", STORE_UNAVAILABLE, "has cancelled a statement",
      "see whether it is overloaded or its statement_timeout too short; repeating" },
    { "40", STORE_UNAVAILABLE, "has set us back for another session", "repeating" },
    { "53100", STORE_UNAVAILABLE, "has no disk space left", "free some; nothing acknowledged is lost" },
    { "53200", STORE_UNAVAILABLE, "has no memory left", "free some or lower its settings; repeating" },
    { "53300", STORE_UNAVAILABLE, "has too many connections", "raise max_connections or end some; repeating" },
    { "53", STORE_UNAVAILABLE, "is short of resources", "see its log; repeating" },
    { "25006", STORE_UNAVAILABLE, "is read-only",
      "a standby, or default_transaction_read_only is on: name the primary, or make it writable" },
    { "25P0", STORE_UNAVAILABLE, "has ended our session", "connecting again" },
    { "55P03", STORE_UNAVAILABLE, "has a lock held by another session", "end that session's transaction" },
    { "08", STORE_UNAVAILABLE, "cut the connection", "waiting until it is back" },
    { "58", STORE_UNAVAILABLE, "has a failing disk or system", "see its log and mend it; repeating" },
    { "28", STORE_REFUSED, "does not let us in", "check user, password and its pg_hba.conf" },
    { "3D", STORE_REFUSED, "does not have this database", "create it, or mend the URL" },
    { "42501", STORE_REFUSED, "refuses us a right",
      "make the broker's role the owner of the schema behalf and of what is in it" },
    { "XX00", STORE_CONTRADICTED, "is damaged", "see its log; restore it from a backup" },
    { "23514", STORE_CONTRADICTED, "holds the desk for a move",
      "finish that with the same `behalf-ctl move`, or give it up with --cancel" },
    { "BF003", STORE_UNAVAILABLE, "has the lease of the desk moved", "another broker was first" },
    { "BF004", STORE_UNAVAILABLE, "has the tables of the desk moved on", "another applier was first; looking again" },
    { "BF005", STORE_REFUSED, "has decisions in its journal that a newer schema has no place for",
      "start the behalf-broker of before on it once more, and stop it" },
    { "BF001", STORE_CONTRADICTED, "has the desk elsewhere", "another broker has taken it over" },
    { "", STORE_CONTRADICTED, "contradicts the desk", "the broker must start again from it" },
};

enum store_result connection_result(struct connection *connection, char *reason, size_t reason_bytes)
{
    const struct meaning *meaning = connection_meanings;

    if (!connection->failed) {
        return STORE_OK;
    }
    if (connection->state[0] == '\0') {
        snprintf(reason, reason_bytes, "PostgreSQL at %s is gone (%s): waiting until it is back", connection->place,
                 connection->message);
        return STORE_UNAVAILABLE;
    }
    while (strncmp(meaning->state, connection->state, strlen(meaning->state)) != 0) {
        meaning++;
    }
    snprintf(reason, reason_bytes, "PostgreSQL at %s %s (%s): %s", connection->place, meaning->what,
             connection->message, meaning->advice);
    return meaning->result;
}

bool connection_blames_desk(const struct connection *connection)
{
    static const char *const states[] = { "57014", "55P03", "08" };

    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        if (!connection->lost && strncmp(connection->state, states[i], strlen(states[i])) == 0) {
            return true;
        }
    }
    return false;
}

// ---- cells ----

struct cells cells_of(struct connection *connection, const PGresult *result, int row)
{
    return (struct cells){ .connection = connection, .result = result, .row = row };
}

const char *cell_text(struct cells *cells)
{
    return PQgetvalue(cells->result, cells->row, cells->column++);
}

int64_t cell_number(struct cells *cells)
{
    const unsigned char *bytes = (const unsigned char *) PQgetvalue(cells->result, cells->row, cells->column);
    uint64_t number = 0;

    if (PQgetlength(cells->result, cells->row, cells->column) != 8) {
        (void) connection_contradict(cells->connection, "a number of another size than ours");
        bytes = (const unsigned char *) "\0\0\0\0\0\0\0";
    }
    for (int i = 0; i < 8; i++) {
        number = number << 8 | bytes[i];
    }
    cells->column++;
    return (int64_t) number;
}

uint64_t cell_id(struct cells *cells)
{
    return (uint64_t) cell_number(cells);
}

bool cell_flag(struct cells *cells)
{
    const char *byte = PQgetvalue(cells->result, cells->row, cells->column++);

    return *byte != 0;
}

bool cell_is_null(const struct cells *cells)
{
    return PQgetisnull(cells->result, cells->row, cells->column) == 1;
}
