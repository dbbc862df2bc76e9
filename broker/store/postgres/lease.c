// lease.c - the lease's row in PostgreSQL: see broker/store/lease_row.h.

#include "broker/store/lease_row.h"

#include "broker/store/postgres/connection.h"
#include "proto/must.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

// A renewal that takes longer than the lease lasts helps nobody, but one that is only slow keeps the desk.
#define LEASE_ANSWER_MS 3000

struct lease_link {
    struct connection *connection;
    char *desk;
    char reason[512];
};

void lease_link_close(struct lease_link **link_p)
{
    struct lease_link *link = *link_p;

    if (link != NULL) {
        connection_close(&link->connection);
        free(link->desk);
        free(link);
        *link_p = NULL;
    }
}

struct lease_link *lease_link_open(const char *conninfo, const char *desk, char *reason, size_t reason_bytes)
{
    struct lease_link *link = calloc(1, sizeof *link);
    enum store_result result;

    must(link != NULL);
    link->desk = strdup(desk);
    must(link->desk != NULL);
    link->connection = connection_open(conninfo, link->desk, false, &result, reason, reason_bytes);
    if (link->connection == NULL) {
        lease_link_close(&link);
        return NULL;
    }
    link->connection->answer_ms = LEASE_ANSWER_MS;
    PQclear(connection_ask(link->connection, SQL_LISTEN, NULL));
    if (connection_result(link->connection, reason, reason_bytes) != STORE_OK) {
        lease_link_close(&link);
    }
    return link;
}

const char *lease_link_reason(const struct lease_link *link)
{
    return link->reason;
}

static bool judge(struct lease_link *link)
{
    return connection_result(link->connection, link->reason, sizeof link->reason) == STORE_OK;
}

bool lease_link_look(struct lease_link *link, struct lease_row *row)
{
    connection_clear(link->connection);
    PGresult *result = connection_ask(link->connection, SQL_LOOK_AT_LEASE, NULL);

    *row = (struct lease_row){ 0 };
    if (result != NULL && PQntuples(result) == 1) {
        struct cells cells = cells_of(link->connection, result, 0);
        row->epoch = cell_id(&cells);
        row->renewals = cell_id(&cells);
        row->held = cell_flag(&cells);
        snprintf(row->owner, sizeof row->owner, "%s", cell_text(&cells));
        snprintf(row->endpoints, sizeof row->endpoints, "%s", cell_text(&cells));
    }
    PQclear(result);
    return judge(link);
}

bool lease_link_renew(struct lease_link *link, uint64_t epoch, bool *ours)
{
    struct parameters parameters = { 0 };

    connection_clear(link->connection);
    parameters_number(&parameters, (int64_t) epoch);
    PGresult *result = connection_ask(link->connection, SQL_RENEW_LEASE, &parameters);
    *ours = result != NULL && strcmp(PQcmdTuples(result), "1") == 0;
    PQclear(result);
    // A server that warns has committed without its synchronous standby: such a renewal may be lost again.
    return judge(link) && !link->connection->warned;
}

bool lease_link_release(struct lease_link *link, uint64_t epoch)
{
    struct parameters parameters = { 0 };

    connection_clear(link->connection);
    parameters_number(&parameters, (int64_t) epoch);
    PQclear(connection_ask(link->connection, SQL_RELEASE_LEASE, &parameters));
    PQclear(connection_ask(link->connection, SQL_NOTIFY_LEASE, NULL));
    return judge(link);
}

void lease_link_wait(struct lease_link *link, int descriptor, int ms)
{
    (void) connection_wait(link->connection, descriptor, ms);
}
