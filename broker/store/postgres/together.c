// together.c - the groups of several desks appended to their journals in one transaction, sent in one flight.
//
// All fencing statements go first, then for each desk what its tables are asked and the rows of its journal, then
// COMMIT.  Questions follow once the tables show what was committed.  Every statement is for one desk.  The desks are
// in the order of their names, so that the transactions of two brokers of which one is fenced do not stop each other.
// Answers come in the order sent: the first that is an error tells whose statement it was.  If it is that desk's own
// trouble, the transaction is done again at once without it.

#include "broker/store/postgres/journal.h"
#include "proto/base/clocks.h"
#include "proto/base/must.h"

#include <stdlib.h>
#include <string.h>

#define NOBODY SIZE_MAX
#define TABLES_BEHIND_WORDS "its tables do not show what was committed: waiting for them"
#define QUESTIONS_MS 1000     // longest that others wait for the tables of a desk that has questions
#define QUESTIONS_APART_MS 20 // and again, each time that such a desk is attempted alone

// A desk in the transaction.
struct part {
    struct share *share;
    struct postgres_engine *engine;
    struct asking *asking; // NULL: no questions
    bool changes;          // it has something to be written
    size_t statements;     // sent for its changes
    size_t bytes;          // of its changes in the journal
    uint64_t applied;      // where its tables were, as its applier had it, before this flight
    uint64_t shown;        // and as the database had it, in it
};

struct transaction {
    struct session *session;
    struct part *parts; // those whose result is not known yet
    size_t count;
    size_t apart;  // desks that were left out as they stood in the others' way
    size_t begins; // statements that begin it
};

static int together_by_desk(const void *a, const void *b)
{
    const struct part *one = a;
    const struct part *other = b;

    return strcmp(one->engine->desk, other->engine->desk);
}

static bool together_has_questions(const struct batch *group)
{
    for (; group != NULL; group = batch_next(group)) {
        if (batch_questions(group) != NULL) {
            return true;
        }
    }
    return false;
}

static void together_tell(struct part *part, enum store_result result, const char *reason)
{
    part->share->result = result;
    if (result != STORE_OK && reason != part->engine->engine.reason) {
        snprintf(part->engine->engine.reason, sizeof part->engine->engine.reason, "%s", reason);
    }
}

static void together_remove_part(struct transaction *transaction, size_t at)
{
    asking_destroy(&transaction->parts[at].asking);
    transaction->count--;
    memmove(transaction->parts + at, transaction->parts + at + 1,
            (transaction->count - at) * sizeof *transaction->parts);
}

// The same result for all that have none.
static void together_tell_all(struct transaction *transaction, enum store_result result)
{
    while (transaction->count > 0) {
        together_tell(&transaction->parts[transaction->count - 1], result, transaction->session->reason);
        together_remove_part(transaction, transaction->count - 1);
    }
}

// ---- a flight ----

static void together_send_fence(struct part *part, struct connection *connection)
{
    const struct store_position *from = batch_from(part->share->group);
    const struct store_position *to = batch_group_to(part->share->group);
    struct parameters parameters = { 0 };

    parameters_number(&parameters, (int64_t) from->epoch);
    parameters_number(&parameters, (int64_t) from->sequence);
    parameters_number(&parameters, (int64_t) to->sequence);
    parameters_number(&parameters, (int64_t) to->next_id);
    parameters_number(&parameters, to->clock_ms);
    parameters_text(&parameters, connection->started);
    connection_send(connection, SQL_ADVANCE, &parameters);
}

// A desk that has stood in the others' way does not make them wait for locks again.
static void together_send_begin(struct transaction *transaction)
{
    struct connection *connection = transaction->session->connection;

    connection_send(connection, SQL_BEGIN, NULL);
    if (transaction->parts[0].share->apart) {
        connection_send(connection, SQL_SHORT_WAIT, NULL);
    }
    transaction->begins = connection->sent;
}

// Sends the transaction; without changes there is none.
static bool together_send_changes(struct transaction *transaction)
{
    struct session *session = transaction->session;
    struct connection *connection = session->connection;
    bool any = false;

    for (size_t i = 0; i < transaction->count; i++) {
        struct part *part = &transaction->parts[i];
        if (part->changes) {
            if (!any) {
                together_send_begin(transaction);
            }
            any = true;
            session_for(session, part->engine->desk);
            together_send_fence(part, connection);
        }
    }
    for (size_t i = 0; i < transaction->count; i++) {
        struct part *part = &transaction->parts[i];
        size_t before = connection->sent;
        if (part->changes) {
            session_for(session, part->engine->desk);
            appendable_send(part->engine->appendable, connection);
            part->bytes = journal_send(session, part->share->group);
        }
        part->statements = connection->sent - before;
    }
    if (any) {
        connection_send(connection, SQL_COMMIT, NULL);
        connection_sync(connection);
    }
    return any;
}

static void together_send_asking(struct part *part, struct connection *connection)
{
    connection_send(connection, SQL_WHERE_TABLES_ARE, NULL);
    asking_send(part->asking, connection);
}

// False when the tables do not show what was committed, as that server does not have what its applier did last: they
// are to be waited for again.
static bool together_take_asking(struct part *part, struct connection *connection)
{
    uint64_t wanted = batch_group_to(part->share->group)->sequence;
    uint64_t shown = 0;
    PGresult *where = connection_take(connection);

    if (where != NULL && PQntuples(where) == 1) {
        struct cells cells = cells_of(connection, where, 0);
        uint64_t decided = cell_id(&cells);
        shown = cell_id(&cells);
        wanted = decided > wanted ? decided : wanted;
    }
    PQclear(where);
    asking_take(part->asking, connection);
    if (!connection->failed && shown < wanted) {
        tables_forget(part->engine->tables);
        return false;
    }
    return true;
}

static bool together_send_questions(struct transaction *transaction)
{
    bool any = false;

    for (size_t i = 0; i < transaction->count; i++) {
        struct part *part = &transaction->parts[i];
        if (part->asking != NULL) {
            session_for(transaction->session, part->engine->desk);
            together_send_asking(part, transaction->session->connection);
            any = true;
        }
    }
    if (any) {
        connection_sync(transaction->session->connection);
    }
    return any;
}

static bool together_take_fence(struct part *part, struct connection *connection)
{
    PGresult *result = connection_take(connection);

    part->shown = 0; // of a confirming commit, which does not say
    if (result != NULL && PQntuples(result) == 1 && PQgetlength(result, 0, 0) == 8) {
        struct cells cells = cells_of(connection, result, 0);
        part->shown = cell_id(&cells);
    }
    PQclear(result);
    return result != NULL;
}

// Takes the answers to what was sent before COMMIT.  False when one is an error; `culprit` is then whose it is.
static bool together_take_changes(struct transaction *transaction, size_t *culprit)
{
    struct connection *connection = transaction->session->connection;
    bool done = true;

    *culprit = NOBODY;
    for (size_t left = transaction->begins; done && left > 0; left--) {
        done = connection_done(connection);
    }
    for (size_t i = 0; done && i < transaction->count; i++) {
        if (transaction->parts[i].changes) {
            done = together_take_fence(&transaction->parts[i], connection);
            *culprit = done ? NOBODY : i;
        }
    }
    for (size_t i = 0; done && i < transaction->count; i++) {
        for (size_t left = transaction->parts[i].statements; done && left > 0; left--) {
            done = connection_done(connection);
            *culprit = done ? NOBODY : i;
        }
    }
    return done;
}

// ---- questions ----

// Answers the questions of one desk alone, so that its trouble is its own.
static void together_answer_alone(struct transaction *transaction, struct part *part)
{
    struct session *session = transaction->session;
    enum store_result result = session_require(session, part->engine->desk);

    if (result == STORE_OK) {
        together_send_asking(part, session->connection);
        connection_sync(session->connection);
        bool shown = together_take_asking(part, session->connection);
        (void) connection_synced(session->connection);
        result = session->connection->failed ? session_give_up(session) : shown ? STORE_OK : STORE_UNAVAILABLE;
        if (!shown) {
            snprintf(session->reason, sizeof session->reason, TABLES_BEHIND_WORDS);
        }
    }
    together_tell(part, result, session->reason);
}

// All are written.
static void together_answer_each(struct transaction *transaction)
{
    bool away = false;

    while (transaction->count > 0) {
        struct part *part = &transaction->parts[transaction->count - 1];
        if (part->asking == NULL) {
            together_tell(part, STORE_OK, NULL);
        } else if (away) {
            together_tell(part, STORE_UNAVAILABLE, transaction->session->reason);
        } else {
            together_answer_alone(transaction, part);
            away = transaction->session->connection == NULL;
        }
        together_remove_part(transaction, transaction->count - 1);
    }
}

static void together_take_answers(struct transaction *transaction)
{
    struct session *session = transaction->session;
    bool *shown = calloc(transaction->count, sizeof *shown);

    must(shown != NULL);
    for (size_t i = 0; i < transaction->count; i++) {
        shown[i] = together_take_asking(&transaction->parts[i], session->connection);
    }
    (void) connection_synced(session->connection);
    if (session->connection->failed) {
        (void) session_give_up(session);
        together_answer_each(transaction);
    }
    while (transaction->count > 0) {
        size_t last = transaction->count - 1;
        together_tell(&transaction->parts[last], shown[last] ? STORE_OK : STORE_UNAVAILABLE, TABLES_BEHIND_WORDS);
        together_remove_part(transaction, last);
    }
    free(shown);
}

// Until the tables of a desk show all that was committed; false when that takes too long: others go on without it.
static bool together_await_tables(struct part *part, int64_t until_ms)
{
    char reason[sizeof part->engine->engine.reason];
    int64_t left_ms = part->share->apart ? QUESTIONS_APART_MS : until_ms - clocks_monotonic_ms();
    enum store_result result = tables_await(part->engine->tables, batch_group_to(part->share->group)->sequence,
                                            left_ms < 0 ? 0 : left_ms, reason, sizeof reason);

    if (result != STORE_OK) {
        part->share->apart = true;
        together_tell(part, result, reason);
    }
    return result == STORE_OK;
}

// All are written.
static void together_answer(struct transaction *transaction)
{
    struct session *session = transaction->session;
    int64_t until_ms = clocks_monotonic_ms() + QUESTIONS_MS;

    for (size_t i = 0; i < transaction->count;) {
        struct part *part = &transaction->parts[i];
        if (part->asking == NULL) {
            together_tell(part, STORE_OK, NULL);
            together_remove_part(transaction, i);
        } else if (together_await_tables(part, until_ms)) {
            i++;
        } else {
            together_remove_part(transaction, i);
        }
    }
    if (transaction->count > 0 && session->connection != NULL && connection_stands(session->connection)) {
        connection_clear(session->connection);
        (void) together_send_questions(transaction);
        together_take_answers(transaction);
    } else {
        together_answer_each(transaction);
    }
}

// ---- trouble ----

// What did not go well was rolled back.  Leaves those whose result is not known, to be done again.
static void together_judge_failure(struct transaction *transaction, size_t culprit, int syncs)
{
    struct session *session = transaction->session;
    bool own = culprit != NOBODY && transaction->count > 1 && connection_blames_desk(session->connection);
    enum store_result result = session_result(session);

    if (!session_drain(session, syncs) || culprit == NOBODY) {
        together_tell_all(transaction, result);
    } else if (result == STORE_CONTRADICTED) {
        together_tell(&transaction->parts[culprit], result, session->reason);
        together_remove_part(transaction, culprit);
    } else if (own && transaction->apart++ == 0) {
        transaction->parts[culprit].share->apart = true;
        together_tell(&transaction->parts[culprit], result, session->reason);
        together_remove_part(transaction, culprit);
    } else {
        together_tell_all(transaction, result); // the second that waits: more than one desk's trouble
    }
}

// The group of a desk is in its journal, and will stay.
static void together_note_written(struct part *part)
{
    part->share->written = true;
    part->changes = false;
    appendable_note(part->engine->appendable, part->shown);
    if (part->shown < part->applied) {
        tables_forget(part->engine->tables); // the server was killed meanwhile, or another has taken its place
    }
    tables_appended(part->engine->tables, batch_group_to(part->share->group)->sequence, part->bytes,
                    batch_group_change_count(part->share->group));
}

// One flight; what has a result afterwards is no longer among the parts.
static void together_fly(struct transaction *transaction)
{
    struct session *session = transaction->session;
    size_t culprit = NOBODY;

    connection_clear(session->connection);
    if (!together_send_changes(transaction)) {
        together_answer(transaction);
        return;
    }
    enum store_result result = session_take_commit(session, together_take_changes(transaction, &culprit));
    if (result == STORE_OK) {
        (void) connection_synced(session->connection);
        for (size_t i = 0; i < transaction->count; i++) {
            if (transaction->parts[i].changes) {
                together_note_written(&transaction->parts[i]);
            }
        }
        together_answer(transaction);
    } else if (result == STORE_IN_DOUBT) {
        for (size_t i = 0; i < transaction->count; i++) {
            transaction->parts[i].share->doubt = transaction->parts[i].changes;
        }
        session_close(session);
        together_tell_all(transaction, result);
    } else {
        together_judge_failure(transaction, culprit, 1);
    }
}

// ---- months ----

// False when the group is of no time; it has its result then.
static bool together_check_times(struct transaction *transaction, size_t at, int64_t *first_ms, int64_t *last_ms)
{
    struct part *part = &transaction->parts[at];
    int64_t first = INT64_MAX;
    int64_t last = 0;

    if (!part->changes || !group_times(part->share->group, &first, &last)) {
        return true;
    }
    if (first < 0 || last > BEHALF_TIME_MAX) {
        together_tell(part, STORE_CONTRADICTED, "an event or post outside of all time");
        together_remove_part(transaction, at);
        return false;
    }
    *first_ms = first < *first_ms ? first : *first_ms;
    *last_ms = last > *last_ms ? last : *last_ms;
    return true;
}

static enum store_result together_make_months(struct transaction *transaction)
{
    int64_t first_ms = INT64_MAX;
    int64_t last_ms = -1;
    enum store_result result = session_make_months_ahead(transaction->session);

    for (size_t i = 0; i < transaction->count;) {
        i += together_check_times(transaction, i, &first_ms, &last_ms) ? 1 : 0;
    }
    if (result != STORE_OK || last_ms < 0) {
        return result;
    }
    return session_make_months(transaction->session, first_ms, last_ms);
}

// ---- what may be appended ----

// Whether the desk's tables refuse something, or are so far behind that nothing may be added to its journal.
static bool together_is_kept_from_appending(struct part *part)
{
    char reason[sizeof part->engine->engine.reason];

    if (tables_describe(part->engine->tables, reason, sizeof reason)) {
        together_tell(part, STORE_CONTRADICTED, reason);
        return true;
    }
    if (tables_lag(part->engine->tables) == TABLES_FAR_BEHIND) {
        part->share->apart = true;
        together_tell(part, STORE_UNAVAILABLE,
                      reason[0] == '\0' ? "its tables are too far behind its journal" : reason);
        return true;
    }
    return false;
}

static bool together_can_be_appended(struct part *part)
{
    if (together_is_kept_from_appending(part)) {
        return false;
    }
    part->applied = tables_applied(part->engine->tables);
    const char *trouble = appendable_look(part->engine->appendable, part->share->group);
    if (trouble != NULL) {
        char reason[256];
        snprintf(reason, sizeof reason, "the desk contradicts its store (%s): the broker must start again from it",
                 trouble);
        together_tell(part, STORE_CONTRADICTED, reason);
    }
    return trouble == NULL;
}

static void together_check_changes(struct transaction *transaction)
{
    for (size_t i = 0; i < transaction->count;) {
        struct part *part = &transaction->parts[i];
        if (!part->changes || together_can_be_appended(part)) {
            i++;
        } else {
            together_remove_part(transaction, i);
        }
    }
}

// What stands in the way of the applier, for those who look at the status.
static enum store_result together_ask_what_blocks(struct session *session)
{
    struct parameters parameters = { 0 };
    int backend = applier_blocked(session_applier(session));

    if (backend == 0) {
        return STORE_OK;
    }
    parameters_number(&parameters, backend);
    PGresult *row = connection_ask(session->connection, SQL_BLOCKERS, &parameters);
    if (row == NULL) {
        enum store_result result = session_give_up(session);
        return session->connection == NULL ? result : STORE_OK; // it is only words
    }
    if (PQntuples(row) == 1) {
        struct cells cells = cells_of(session->connection, row, 0);
        applier_blocked_by(session->applier, cell_text(&cells));
    }
    PQclear(row);
    return STORE_OK;
}

// ---- attempts ----

static struct transaction together_begin(struct session *session, struct share *const *shares, size_t count)
{
    struct transaction transaction = { .session = session, .parts = calloc(count + 1, sizeof(struct part)) };

    must(transaction.parts != NULL);
    for (size_t i = 0; i < count; i++) {
        struct batch *group = shares[i]->group;
        struct part *part = &transaction.parts[transaction.count++];
        part->share = shares[i];
        part->engine = postgres_engine_of(shares[i]->engine);
        postgres_require_tables(part->engine);
        part->changes = !shares[i]->written && batch_group_change_count(group) > 0;
        part->asking = together_has_questions(group) ? asking_new(group) : NULL;
    }
    qsort(transaction.parts, transaction.count, sizeof *transaction.parts, together_by_desk);
    return transaction;
}

static bool together_any_changes(const struct transaction *transaction)
{
    for (size_t i = 0; i < transaction->count; i++) {
        if (transaction->parts[i].changes) {
            return true;
        }
    }
    return false;
}

void together_commit(struct session *session, struct share *const *shares, size_t count)
{
    struct transaction transaction = together_begin(session, shares, count);
    enum store_result result = STORE_OK;

    if (count > 0) {
        result = session_require(session, transaction.parts[0].engine->desk);
    }
    if (result == STORE_OK && together_any_changes(&transaction)) {
        result = together_make_months(&transaction);
    }
    if (result == STORE_OK) {
        result = together_ask_what_blocks(session);
    }
    if (result != STORE_OK) {
        together_tell_all(&transaction, result);
    }
    together_check_changes(&transaction);
    while (transaction.count > 0) {
        together_fly(&transaction);
    }
    free(transaction.parts);
}

// ---- doubts ----

// Reads where each desk is.  Those whose group is on disk stay; the others have their result or their doubt settled.
static void together_look_at_positions(struct transaction *transaction)
{
    struct session *session = transaction->session;
    struct store_position found;

    connection_clear(session->connection);
    for (size_t i = 0; i < transaction->count; i++) {
        session_for(session, transaction->parts[i].engine->desk);
        position_send(session->connection);
    }
    connection_sync(session->connection);
    for (size_t i = 0, left = transaction->count; left > 0; left--) {
        struct part *part = &transaction->parts[i];
        enum store_result result = position_take(part->engine, &found);
        enum doubt_end end = result == STORE_OK ? engine_judge_doubt(&part->engine->engine, part->share->group, &found)
                                                : DOUBT_ELSEWHERE;
        if (session->connection->failed) {
            break;
        }
        if (end == DOUBT_WRITTEN) {
            i++;
            continue;
        }
        part->share->doubt = false;
        together_tell(part, end == DOUBT_NOT_WRITTEN ? STORE_OK : STORE_CONTRADICTED, part->engine->engine.reason);
        together_remove_part(transaction, i);
    }
    (void) connection_synced(session->connection);
    if (session->connection->failed) {
        together_tell_all(transaction, session_give_up(session));
    }
}

// What is on disk is only trusted once a further commit of ours about it is confirmed.
static void together_confirm(struct transaction *transaction)
{
    struct session *session = transaction->session;
    size_t culprit = NOBODY;

    connection_clear(session->connection);
    together_send_begin(transaction);
    for (size_t i = 0; i < transaction->count; i++) {
        struct parameters parameters = { 0 };
        parameters_number(&parameters, (int64_t) transaction->parts[i].engine->epoch);
        session_for(session, transaction->parts[i].engine->desk);
        connection_send(session->connection, SQL_CONFIRM, &parameters);
        transaction->parts[i].statements = 0;
    }
    connection_send(session->connection, SQL_COMMIT, NULL);
    connection_sync(session->connection);
    enum store_result result = session_take_commit(session, together_take_changes(transaction, &culprit));
    if (result == STORE_OK) {
        (void) connection_synced(session->connection);
        for (size_t i = 0; i < transaction->count; i++) {
            transaction->parts[i].share->doubt = false;
            together_note_written(&transaction->parts[i]);
        }
        together_tell_all(transaction, STORE_OK);
    } else if (result == STORE_IN_DOUBT) {
        session_close(session);
        together_tell_all(transaction, result);
    } else {
        together_judge_failure(transaction, culprit, 1);
    }
}

// Settles the doubt of each, with a result: STORE_OK when it is known whether it is on disk, and what is, stays.
static void together_settle(struct session *session, struct share *const *shares, size_t count)
{
    struct transaction transaction = together_begin(session, shares, count);
    enum store_result result = session_require(session, transaction.parts[0].engine->desk);

    if (result == STORE_OK) {
        together_look_at_positions(&transaction);
    } else {
        together_tell_all(&transaction, result);
    }
    while (transaction.count > 0) {
        together_confirm(&transaction);
    }
    free(transaction.parts);
}

void together_attempt(struct share *const *shares, size_t count)
{
    struct session *session = postgres_engine_of(shares[0]->engine)->session;
    struct share **chosen = calloc(count, sizeof(struct share *));
    size_t doubts = 0;
    size_t clear = 0;

    must(chosen != NULL);
    for (size_t i = 0; i < count; i++) {
        must(postgres_engine_of(shares[i]->engine)->session == session);
        shares[i]->result = STORE_OK;
        if (shares[i]->doubt) {
            chosen[doubts++] = shares[i];
        }
    }
    if (doubts > 0) {
        together_settle(session, chosen, doubts);
    }
    bool away = doubts > 0 && session->connection == NULL; // not to be found out once more
    for (size_t i = 0; i < count; i++) {
        if (shares[i]->result == STORE_OK && away) {
            shares[i]->result = STORE_UNAVAILABLE;
            snprintf(shares[i]->engine->reason, sizeof shares[i]->engine->reason, "%s", session->reason);
        } else if (shares[i]->result == STORE_OK) {
            chosen[clear++] = shares[i];
        }
    }
    together_commit(session, chosen, clear);
    free(chosen);
}
