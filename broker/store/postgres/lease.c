// lease.c - the rows of leases in PostgreSQL: see broker/store/lease_row.h.
//
// A server that waits for its synchronous standby does not answer, and goes on waiting when its client has gone.
// So what a session was left with is ended first when the next one is there: sessions do not pile up, and the
// renewal, though it counts for nothing here, is seen by challengers, who leave the desk where it is.

#include "broker/store/lease_row.h"

#include "broker/store/owner.h"
#include "broker/store/postgres/connection.h"
#include "proto/base/must.h"

#include <stdlib.h>
#include <string.h>

// Shorter than challengers watch, so that they see the next attempt in time.
#define LEASE_ANSWER_MS 1500

struct lease_link {
    char *conninfo;
    char *name;
    struct connection *connection; // NULL while there is none
    struct rows rows;              // of the statement being sent
    char reason[512];
    int old_backend; // a session that was left without its answer; 0: none
    char old_started[CONNECTION_STARTED_BYTES];
};

struct lease_link *lease_link_new(const char *conninfo, const char *name)
{
    struct lease_link *link = calloc(1, sizeof *link);

    must(link != NULL);
    link->conninfo = strdup(conninfo);
    link->name = strdup(name);
    must(link->conninfo != NULL);
    must(link->name != NULL);
    return link;
}

void lease_link_destroy(struct lease_link **link_p)
{
    struct lease_link *link = *link_p;

    if (link != NULL) {
        connection_close(&link->connection);
        rows_fini(&link->rows);
        explicit_bzero(link->conninfo, strlen(link->conninfo));
        free(link->conninfo);
        free(link->name);
        free(link);
        *link_p = NULL;
    }
}

const char *lease_link_reason(const struct lease_link *link)
{
    return link->reason;
}

// Whether all went well; else the session is left, and the next call makes another.
static bool lease_judge(struct lease_link *link)
{
    struct connection *connection = link->connection;

    if (connection_result(connection, link->reason, sizeof link->reason) == STORE_OK && connection->warned) {
        snprintf(link->reason, sizeof link->reason,
                 "PostgreSQL at %s renews the lease without its synchronous standby: start the standby",
                 connection->place);
    } else if (!connection->failed) {
        return true;
    }
    if (connection->unanswered) {
        link->old_backend = connection->backend;
        snprintf(link->old_started, sizeof link->old_started, "%s", connection->started);
    }
    connection_close(&link->connection);
    return false;
}

static bool lease_end_old_session(struct lease_link *link)
{
    struct parameters parameters = { 0 };
    char backend[16];

    if (link->old_backend == 0) {
        return true;
    }
    snprintf(backend, sizeof backend, "%d", link->old_backend);
    parameters_text(&parameters, backend);
    parameters_text(&parameters, link->old_started);
    PQclear(connection_ask(link->connection, SQL_END_BACKEND, &parameters));
    link->old_backend = 0;
    return lease_judge(link);
}

static bool lease_require_connection(struct lease_link *link)
{
    enum store_result result;

    if (link->connection != NULL && !connection_stands(link->connection)) {
        connection_close(&link->connection);
    }
    if (link->connection != NULL) {
        connection_clear(link->connection);
        return true;
    }
    link->connection = connection_open(link->conninfo, link->name, false, &result, link->reason, sizeof link->reason);
    if (link->connection == NULL) {
        return false;
    }
    link->connection->answer_ms = LEASE_ANSWER_MS;
    PQclear(connection_ask(link->connection, SQL_LISTEN, NULL));
    return lease_judge(link) && lease_end_old_session(link);
}

// The number of a row that a statement was given, which comes back as the answer's first column.
static size_t lease_place_of(struct lease_link *link, struct cells *cells, size_t count)
{
    uint64_t place = cell_id(cells);

    if (place < 1 || place > count) {
        (void) connection_contradict(link->connection, "an answer to a desk that was not asked for");
        return 0;
    }
    return (size_t) place - 1;
}

static void lease_name_desks(struct lease_link *link, const char *const *desks, size_t count,
                             struct parameters *parameters)
{
    rows_clear(&link->rows);
    for (size_t i = 0; i < count; i++) {
        rows_text(&link->rows, desks[i]);
        rows_end(&link->rows);
    }
    parameters_rows(parameters, &link->rows);
}

bool lease_link_look(struct lease_link *link, const char *const *desks, size_t count, struct lease_row *rows)
{
    struct parameters parameters = { 0 };

    memset(rows, 0, count * sizeof *rows);
    if (!lease_require_connection(link)) {
        return false;
    }
    lease_name_desks(link, desks, count, &parameters);
    PGresult *result = connection_ask(link->connection, SQL_LOOK_AT_LEASES, &parameters);
    for (int i = 0; result != NULL && i < PQntuples(result); i++) {
        struct cells cells = cells_of(link->connection, result, i);
        struct lease_row *row = &rows[lease_place_of(link, &cells, count)];
        row->epoch = cell_id(&cells);
        row->renewals = cell_id(&cells);
        row->held = cell_flag(&cells);
        snprintf(row->owner, sizeof row->owner, "%s", cell_text(&cells));
        snprintf(row->endpoints, sizeof row->endpoints, "%s", cell_text(&cells));
        snprintf(row->successor, sizeof row->successor, "%s", cell_text(&cells));
    }
    PQclear(result);
    return lease_judge(link);
}

bool lease_link_renew(struct lease_link *link, const struct lease_claim *claims, size_t count,
                      int64_t (*clock_ms)(void), int64_t *sent_ms, bool *ours)
{
    struct parameters parameters = { 0 };

    memset(ours, 0, count * sizeof *ours);
    if (!lease_require_connection(link)) {
        return false;
    }
    rows_clear(&link->rows);
    for (size_t i = 0; i < count; i++) {
        rows_text(&link->rows, claims[i].desk);
        rows_id(&link->rows, claims[i].epoch);
        rows_end(&link->rows);
    }
    parameters_rows(&parameters, &link->rows);
    *sent_ms = clock_ms();
    PGresult *result = connection_ask(link->connection, SQL_RENEW_LEASES, &parameters);
    for (int i = 0; result != NULL && i < PQntuples(result); i++) {
        struct cells cells = cells_of(link->connection, result, i);
        ours[lease_place_of(link, &cells, count)] = true;
    }
    PQclear(result);
    return lease_judge(link);
}

bool lease_link_release(struct lease_link *link, const struct lease_claim *claim, const char *successor)
{
    struct parameters release = { 0 };
    struct parameters notify = { 0 };

    if (!lease_require_connection(link)) {
        return false;
    }
    parameters_text(&release, claim->desk);
    parameters_number(&release, (int64_t) claim->epoch);
    parameters_text(&release, successor);
    parameters_text(&notify, claim->desk);
    PQclear(connection_ask(link->connection, SQL_RELEASE_LEASE, &release));
    PQclear(connection_ask(link->connection, SQL_NOTIFY_LEASE, &notify));
    return lease_judge(link);
}

// ---- candidates ----

bool lease_link_beat(struct lease_link *link, const char *const *desks, size_t count, const char *endpoints,
                     size_t owned)
{
    struct parameters parameters = { 0 };
    char name[OWNER_NAME_BYTES];

    if (!lease_require_connection(link)) {
        return false;
    }
    owner_name(name);
    lease_name_desks(link, desks, count, &parameters);
    parameters_text(&parameters, name);
    parameters_text(&parameters, endpoints);
    parameters_number(&parameters, (int64_t) owned);
    PQclear(connection_ask(link->connection, SQL_BEAT, &parameters));
    return lease_judge(link);
}

bool lease_link_forget(struct lease_link *link, const char *const *desks, size_t count, const struct candidate_row *row)
{
    struct parameters parameters = { 0 };

    if (!lease_require_connection(link)) {
        return false;
    }
    lease_name_desks(link, desks, count, &parameters);
    parameters_text(&parameters, row->broker);
    parameters_number(&parameters, (int64_t) row->beats);
    PQclear(connection_ask(link->connection, SQL_FORGET_CANDIDATE, &parameters));
    return lease_judge(link);
}

bool lease_link_leave(struct lease_link *link, const char *const *desks, size_t count)
{
    struct candidate_row row = { .beats = INT64_MAX };

    owner_name(row.broker);
    return lease_link_forget(link, desks, count, &row);
}

bool lease_link_candidates(struct lease_link *link, const char *const *desks, size_t count, struct candidate_row *rows,
                           size_t rows_max, size_t *row_count)
{
    struct parameters parameters = { 0 };

    *row_count = 0;
    if (!lease_require_connection(link)) {
        return false;
    }
    lease_name_desks(link, desks, count, &parameters);
    PGresult *result = connection_ask(link->connection, SQL_LOOK_AT_CANDIDATES, &parameters);
    for (int i = 0; result != NULL && i < PQntuples(result) && *row_count < rows_max; i++) {
        struct cells cells = cells_of(link->connection, result, i);
        struct candidate_row *row = &rows[(*row_count)++];
        row->desk = lease_place_of(link, &cells, count);
        snprintf(row->broker, sizeof row->broker, "%s", cell_text(&cells));
        row->beats = cell_id(&cells);
        row->desks = cell_id(&cells);
        snprintf(row->endpoints, sizeof row->endpoints, "%s", cell_text(&cells));
    }
    PQclear(result);
    return lease_judge(link);
}

bool lease_link_endpoints(struct lease_link *link, const char *desk, const char *broker,
                          char endpoints[LEASE_ENDPOINTS_BYTES])
{
    struct parameters parameters = { 0 };

    endpoints[0] = '\0';
    if (!lease_require_connection(link)) {
        return false;
    }
    parameters_text(&parameters, desk);
    parameters_text(&parameters, broker);
    PGresult *result = connection_ask(link->connection, SQL_CANDIDATE_ENDPOINTS, &parameters);
    if (result != NULL && PQntuples(result) == 1) {
        struct cells cells = cells_of(link->connection, result, 0);
        snprintf(endpoints, LEASE_ENDPOINTS_BYTES, "%s", cell_text(&cells));
    }
    PQclear(result);
    return lease_judge(link);
}

bool lease_link_wait(struct lease_link *link, int descriptor, int ms, bool *heard)
{
    *heard = false;
    if (link->connection == NULL || !connection_stands(link->connection)) {
        return false;
    }
    *heard = connection_wait(link->connection, descriptor, ms);
    return true;
}
