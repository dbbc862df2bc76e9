// together.c - the groups of several desks in one transaction, sent in one flight.
//
// All fencing statements go first, then the changes of each desk, then COMMIT, and behind it all questions; every
// statement is for one desk.  The desks are in the order of their names, so that the transactions of two brokers of
// which one is fenced do not stop each other.  Answers come in the order sent: the first that is an error tells whose
// statement it was.  If it is that desk's own trouble, the transaction is done again at once without it.

#include "broker/store/postgres/session.h"
#include "proto/base/must.h"

#include <stdlib.h>
#include <string.h>

#define NOBODY SIZE_MAX

// A desk in the transaction.
struct part {
    struct share *share;
    struct postgres_engine *engine;
    struct asking *asking; // NULL: no questions
    bool changes;          // it has something to be written
    size_t statements;     // sent for its changes
};

struct transaction {
    struct session *session;
    struct part *parts; // those whose result is not known yet
    size_t count;
    size_t apart;  // desks that were left out as they stood in the others' way
    size_t begins; // statements that begin it
};

static int by_desk(const void *a, const void *b)
{
    const struct part *one = a;
    const struct part *other = b;

    return strcmp(one->engine->desk, other->engine->desk);
}

static bool has_questions(const struct batch *group)
{
    for (; group != NULL; group = batch_next(group)) {
        if (batch_questions(group) != NULL) {
            return true;
        }
    }
    return false;
}

static void tell(struct part *part, enum store_result result, const char *reason)
{
    part->share->result = result;
    if (result != STORE_OK && reason != part->engine->engine.reason) {
        snprintf(part->engine->engine.reason, sizeof part->engine->engine.reason, "%s", reason);
    }
}

static void remove_part(struct transaction *transaction, size_t at)
{
    asking_destroy(&transaction->parts[at].asking);
    transaction->count--;
    memmove(transaction->parts + at, transaction->parts + at + 1,
            (transaction->count - at) * sizeof *transaction->parts);
}

// The same result for all that have none.
static void tell_all(struct transaction *transaction, enum store_result result)
{
    while (transaction->count > 0) {
        tell(&transaction->parts[transaction->count - 1], result, transaction->session->reason);
        remove_part(transaction, transaction->count - 1);
    }
}

// ---- a flight ----

static void send_fence(struct part *part, struct connection *connection)
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
static void send_begin(struct transaction *transaction)
{
    struct connection *connection = transaction->session->connection;

    connection_send(connection, SQL_BEGIN, NULL);
    if (transaction->parts[0].share->apart) {
        connection_send(connection, SQL_SHORT_WAIT, NULL);
    }
    transaction->begins = connection->sent;
}

// Sends the transaction; without changes there is none.
static bool send_changes(struct transaction *transaction)
{
    struct session *session = transaction->session;
    struct connection *connection = session->connection;
    bool any = false;

    for (size_t i = 0; i < transaction->count; i++) {
        struct part *part = &transaction->parts[i];
        if (part->changes) {
            if (!any) {
                send_begin(transaction);
            }
            any = true;
            session_for(session, part->engine->desk);
            send_fence(part, connection);
        }
    }
    for (size_t i = 0; i < transaction->count; i++) {
        struct part *part = &transaction->parts[i];
        size_t before = connection->sent;
        if (part->changes) {
            session_for(session, part->engine->desk);
            group_writer_send(session->writer, connection, part->share->group);
        }
        part->statements = connection->sent - before;
    }
    if (any) {
        connection_send(connection, SQL_COMMIT, NULL);
        connection_sync(connection);
    }
    return any;
}

static bool send_questions(struct transaction *transaction)
{
    bool any = false;

    for (size_t i = 0; i < transaction->count; i++) {
        struct part *part = &transaction->parts[i];
        if (part->asking != NULL) {
            session_for(transaction->session, part->engine->desk);
            asking_send(part->asking, transaction->session->connection);
            any = true;
        }
    }
    if (any) {
        connection_sync(transaction->session->connection);
    }
    return any;
}

// Takes the answers to what was sent before COMMIT.  False when one is an error; `culprit` is then whose it is.
static bool take_changes(struct transaction *transaction, size_t *culprit)
{
    struct connection *connection = transaction->session->connection;
    bool done = true;

    *culprit = NOBODY;
    for (size_t left = transaction->begins; done && left > 0; left--) {
        done = connection_done(connection);
    }
    for (size_t i = 0; done && i < transaction->count; i++) {
        if (transaction->parts[i].changes) {
            done = connection_done(connection);
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
static void answer_alone(struct transaction *transaction, struct part *part)
{
    struct session *session = transaction->session;
    enum store_result result = session_require(session, part->engine->desk);

    if (result == STORE_OK) {
        asking_send(part->asking, session->connection);
        connection_sync(session->connection);
        asking_take(part->asking, session->connection);
        (void) connection_synced(session->connection);
        result = session->connection->failed ? session_give_up(session) : STORE_OK;
    }
    tell(part, result, session->reason);
}

// All are written.
static void answer_each(struct transaction *transaction)
{
    bool away = false;

    while (transaction->count > 0) {
        struct part *part = &transaction->parts[transaction->count - 1];
        if (part->asking == NULL) {
            tell(part, STORE_OK, NULL);
        } else if (away) {
            tell(part, STORE_UNAVAILABLE, transaction->session->reason);
        } else {
            answer_alone(transaction, part);
            away = transaction->session->connection == NULL;
        }
        remove_part(transaction, transaction->count - 1);
    }
}

static void take_answers(struct transaction *transaction)
{
    struct session *session = transaction->session;

    for (size_t i = 0; i < transaction->count; i++) {
        if (transaction->parts[i].asking != NULL) {
            asking_take(transaction->parts[i].asking, session->connection);
        }
    }
    (void) connection_synced(session->connection);
    if (session->connection->failed) {
        (void) session_give_up(session);
        answer_each(transaction);
    } else {
        tell_all(transaction, STORE_OK);
    }
}

// ---- trouble ----

// What did not go well was rolled back.  Leaves those whose result is not known, to be done again.
static void judge_failure(struct transaction *transaction, size_t culprit, int syncs)
{
    struct session *session = transaction->session;
    bool own = culprit != NOBODY && transaction->count > 1 && connection_blames_desk(session->connection);
    enum store_result result = session_result(session);

    if (!session_drain(session, syncs) || culprit == NOBODY) {
        tell_all(transaction, result);
    } else if (result == STORE_CONTRADICTED) {
        tell(&transaction->parts[culprit], result, session->reason);
        remove_part(transaction, culprit);
    } else if (own && transaction->apart++ == 0) {
        transaction->parts[culprit].share->apart = true;
        tell(&transaction->parts[culprit], result, session->reason);
        remove_part(transaction, culprit);
    } else {
        tell_all(transaction, result); // the second that waits: more than one desk's trouble
    }
}

// One flight; what has a result afterwards is no longer among the parts.
static void fly(struct transaction *transaction)
{
    struct session *session = transaction->session;
    enum store_result result = STORE_OK;
    size_t culprit = NOBODY;

    connection_clear(session->connection);
    bool changed = send_changes(transaction);
    bool asked = send_questions(transaction);
    if (changed) {
        result = session_take_commit(session, take_changes(transaction, &culprit));
    }
    if (result == STORE_OK) {
        for (size_t i = 0; i < transaction->count; i++) {
            transaction->parts[i].share->written = true;
            transaction->parts[i].changes = false;
        }
        if (!changed || connection_synced(session->connection)) {
            (asked ? take_answers : answer_each)(transaction);
        } else {
            answer_each(transaction);
        }
    } else if (result == STORE_IN_DOUBT) {
        for (size_t i = 0; i < transaction->count; i++) {
            transaction->parts[i].share->doubt = transaction->parts[i].changes;
        }
        session_close(session);
        tell_all(transaction, result);
    } else {
        judge_failure(transaction, culprit, asked ? 2 : 1);
    }
}

// ---- months ----

// False when the group is of no time; it has its result then.
static bool check_times(struct transaction *transaction, size_t at, int64_t *first_ms, int64_t *last_ms)
{
    struct part *part = &transaction->parts[at];
    int64_t first = INT64_MAX;
    int64_t last = 0;

    if (!part->changes || !group_times(part->share->group, &first, &last)) {
        return true;
    }
    if (first < 0 || last > BEHALF_TIME_MAX) {
        tell(part, STORE_CONTRADICTED, "an event or post outside of all time");
        remove_part(transaction, at);
        return false;
    }
    *first_ms = first < *first_ms ? first : *first_ms;
    *last_ms = last > *last_ms ? last : *last_ms;
    return true;
}

static enum store_result make_months(struct transaction *transaction)
{
    int64_t first_ms = INT64_MAX;
    int64_t last_ms = -1;
    enum store_result result = session_make_months_ahead(transaction->session);

    for (size_t i = 0; i < transaction->count;) {
        i += check_times(transaction, i, &first_ms, &last_ms) ? 1 : 0;
    }
    if (result != STORE_OK || last_ms < 0) {
        return result;
    }
    return session_make_months(transaction->session, first_ms, last_ms);
}

// ---- attempts ----

static struct transaction begin(struct session *session, struct share *const *shares, size_t count)
{
    struct transaction transaction = { .session = session, .parts = calloc(count + 1, sizeof(struct part)) };

    must(transaction.parts != NULL);
    for (size_t i = 0; i < count; i++) {
        struct batch *group = shares[i]->group;
        struct part *part = &transaction.parts[transaction.count++];
        part->share = shares[i];
        part->engine = postgres_engine_of(shares[i]->engine);
        part->changes = !shares[i]->written && batch_group_change_count(group) > 0;
        part->asking = has_questions(group) ? asking_new(group) : NULL;
    }
    qsort(transaction.parts, transaction.count, sizeof *transaction.parts, by_desk);
    return transaction;
}

static bool any_changes(const struct transaction *transaction)
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
    struct transaction transaction = begin(session, shares, count);
    enum store_result result = STORE_OK;

    if (count > 0) {
        result = session_require(session, transaction.parts[0].engine->desk);
    }
    if (result == STORE_OK && any_changes(&transaction)) {
        result = make_months(&transaction);
    }
    if (result != STORE_OK) {
        tell_all(&transaction, result);
    }
    while (transaction.count > 0) {
        fly(&transaction);
    }
    free(transaction.parts);
}

// ---- doubts ----

// Reads where each desk is.  Those whose group is on disk stay; the others have their result or their doubt settled.
static void look_at_positions(struct transaction *transaction)
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
        tell(part, end == DOUBT_NOT_WRITTEN ? STORE_OK : STORE_CONTRADICTED, part->engine->engine.reason);
        remove_part(transaction, i);
    }
    (void) connection_synced(session->connection);
    if (session->connection->failed) {
        tell_all(transaction, session_give_up(session));
    }
}

// What is on disk is only trusted once a further commit of ours about it is confirmed.
static void confirm(struct transaction *transaction)
{
    struct session *session = transaction->session;
    size_t culprit = NOBODY;

    connection_clear(session->connection);
    send_begin(transaction);
    for (size_t i = 0; i < transaction->count; i++) {
        struct parameters parameters = { 0 };
        parameters_number(&parameters, (int64_t) transaction->parts[i].engine->epoch);
        session_for(session, transaction->parts[i].engine->desk);
        connection_send(session->connection, SQL_CONFIRM, &parameters);
        transaction->parts[i].statements = 0;
    }
    connection_send(session->connection, SQL_COMMIT, NULL);
    connection_sync(session->connection);
    enum store_result result = session_take_commit(session, take_changes(transaction, &culprit));
    if (result == STORE_OK) {
        (void) connection_synced(session->connection);
        for (size_t i = 0; i < transaction->count; i++) {
            transaction->parts[i].share->doubt = false;
            transaction->parts[i].share->written = true;
        }
        tell_all(transaction, STORE_OK);
    } else if (result == STORE_IN_DOUBT) {
        session_close(session);
        tell_all(transaction, result);
    } else {
        judge_failure(transaction, culprit, 1);
    }
}

// Settles the doubt of each, with a result: STORE_OK when it is known whether it is on disk, and what is, stays.
static void settle(struct session *session, struct share *const *shares, size_t count)
{
    struct transaction transaction = begin(session, shares, count);
    enum store_result result = session_require(session, transaction.parts[0].engine->desk);

    if (result == STORE_OK) {
        look_at_positions(&transaction);
    } else {
        tell_all(&transaction, result);
    }
    while (transaction.count > 0) {
        confirm(&transaction);
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
        settle(session, chosen, doubts);
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
