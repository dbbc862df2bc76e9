// aside.c - groups of a journal that the tables refuse, set aside when an operator says so.

#include "broker/store/postgres/journal.h"

#include <inttypes.h>

// Puts the group that was refused into journal_aside, with the reason.
static enum store_result aside_set(struct session *session, const char *desk, const struct journal_step *step,
                                   const char *reason)
{
    struct parameters parameters = { 0 };
    enum store_result result = session_require(session, desk);

    if (result != STORE_OK) {
        return result;
    }
    parameters_number(&parameters, (int64_t) step->from);
    parameters_number(&parameters, (int64_t) step->to);
    parameters_number(&parameters, (int64_t) step->epoch);
    parameters_text(&parameters, reason);
    connection_send(session->connection, SQL_BEGIN, NULL);
    connection_send(session->connection, SQL_SET_ASIDE, &parameters);
    return session_finish(session);
}

static bool aside_look_for_desk(struct session *session, bool *known)
{
    PGresult *row = connection_ask(session->connection, SQL_POSITION, NULL);

    *known = row != NULL && PQntuples(row) == 1;
    PQclear(row);
    return !session->connection->failed;
}

// Applies what can be applied, and sets aside what the tables refuse.
static enum store_result aside_go_on(struct session *session, const char *desk, size_t *groups, char *last,
                                     size_t last_bytes)
{
    struct journal_step step = { 0 };
    enum store_result result = journal_drain(session, desk, &step);

    while (result == STORE_CONTRADICTED && step.is_refused) {
        snprintf(last, last_bytes, "%s", session->reason);
        result = aside_set(session, desk, &step, last);
        if (result == STORE_OK) {
            ++*groups;
            result = journal_drain(session, desk, &step);
        }
    }
    return result;
}

bool engine_postgres_accept_loss(const char *conninfo, const char *desk, char *words, size_t words_bytes)
{
    struct session *session = session_new(conninfo, false);
    char last[512] = "";
    size_t groups = 0;
    bool known = false;
    enum store_result result = session_require(session, desk);

    if (result == STORE_OK && !aside_look_for_desk(session, &known)) {
        result = session_give_up(session);
    }
    if (result == STORE_OK && known) {
        result = aside_go_on(session, desk, &groups, last, sizeof last);
    }
    words[0] = '\0';
    if (result != STORE_OK) {
        snprintf(words, words_bytes, "%s", session->reason);
    } else if (groups > 0) {
        snprintf(words, words_bytes,
                 "accepted: the desk goes on without %zu groups of its journal, which are in behalf.journal_aside now;"
                 " the last: %s",
                 groups, last);
    }
    session_leave(&session);
    return result == STORE_OK;
}
