// engine.c - the engine on PostgreSQL: a group of batches is appended to the desk's journal in one transaction and one
// pipeline, fenced in it; an applier brings the tables up to the journal.
//
// What the server has answered to COMMIT is known; when it has not answered, the commit is in doubt.  Then our old
// session is ended first, so that what it may still do is over, and only then is the position read on a new one.
// Reading it back proves nothing about replication: engine_attempt confirms before it trusts.

#include "broker/store/codec.h"
#include "broker/store/hold.h"
#include "broker/store/lease_row.h"
#include "broker/store/owner.h"
#include "broker/store/postgres/journal.h"
#include "proto/base/clocks.h"
#include "proto/base/must.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define REPORT_WAIT_MS 2000 // longest that a report waits for the tables
#define REPORT_LOOK_MS 20   // between looks at them, at most
#define READS_MAX 10        // of a desk that moves on while it is read

struct postgres_engine *postgres_engine_of(struct engine *engine)
{
    return (struct postgres_engine *) (void *) engine;
}

void postgres_require_tables(struct postgres_engine *engine)
{
    if (engine->tables == NULL) {
        engine->tables = applier_add(session_applier(engine->session), engine->desk);
    }
    if (engine->appendable == NULL) {
        engine->appendable = appendable_new();
    }
}

// The result, with its reason where it is not STORE_OK.
static enum store_result postgres_told(struct postgres_engine *engine, enum store_result result)
{
    if (result != STORE_OK) {
        snprintf(engine->engine.reason, sizeof engine->engine.reason, "%s", engine->session->reason);
    }
    return result;
}

static enum store_result postgres_require_session(struct postgres_engine *engine)
{
    return postgres_told(engine, session_require(engine->session, engine->desk));
}

static enum store_result postgres_give_up(struct postgres_engine *engine)
{
    return postgres_told(engine, session_give_up(engine->session));
}

// Commits what was sent since connection_clear.
static enum store_result postgres_finish(struct postgres_engine *engine)
{
    enum store_result result = postgres_told(engine, session_finish(engine->session));

    engine->doubt = engine->doubt || result == STORE_IN_DOUBT;
    return result;
}

// ---- where the desk is ----

void position_send(struct connection *connection)
{
    connection_send(connection, SQL_POSITION, NULL);
}

enum store_result position_take(struct postgres_engine *engine, struct store_position *position)
{
    struct connection *connection = engine->session->connection;
    PGresult *result = connection_take(connection);

    if (result == NULL) {
        return postgres_told(engine, session_result(engine->session));
    }
    bool found = PQntuples(result) == 1;
    if (found) {
        struct cells cells = cells_of(connection, result, 0);
        position->epoch = cell_id(&cells);
        position->sequence = cell_id(&cells);
        position->next_id = cell_id(&cells);
        position->clock_ms = cell_number(&cells);
        engine->epoch = position->epoch;
        engine->doubt = false;
    } else {
        snprintf(engine->engine.reason, sizeof engine->engine.reason, "PostgreSQL at %s has no desk named %s",
                 connection->place, engine->desk);
    }
    PQclear(result);
    return found ? STORE_OK : STORE_CONTRADICTED;
}

static enum store_result postgres_read_position(struct postgres_engine *engine, struct store_position *position)
{
    struct connection *connection = engine->session->connection;

    position_send(connection);
    connection_sync(connection);
    enum store_result result = position_take(engine, position);
    (void) connection_synced(connection);
    return connection->failed ? postgres_give_up(engine) : result;
}

// The desk's row contradicts the group: either the group is on disk already, or the desk is somebody else's now.
static enum store_result postgres_judge_contradiction(struct postgres_engine *engine, struct share *share)
{
    const struct store_position *to = batch_group_to(share->group);
    struct store_position found = { 0 };
    char reason[sizeof engine->engine.reason];

    memcpy(reason, engine->engine.reason, sizeof reason);
    enum store_result result = postgres_require_session(engine);
    if (result == STORE_OK) {
        result = postgres_read_position(engine, &found);
    }
    if (result != STORE_OK) {
        return result;
    }
    if (found.epoch == to->epoch && found.sequence == to->sequence) {
        share->written = true;
        tables_appended(engine->tables, to->sequence, 0, 0);
        together_commit(engine->session, &share, 1); // only answers
        return share->result;
    }
    memcpy(engine->engine.reason, reason, sizeof reason);
    return STORE_CONTRADICTED;
}

// ---- operations ----

static const char *postgres_describe(const struct engine *base)
{
    struct postgres_engine *engine = postgres_engine_of((struct engine *) base);
    const struct session *session = engine->session;

    char behind[512] = "";

    // Where the database cannot be reached its tables lag for just that, and why is told by whoever tries to.
    if (engine->tables != NULL && session->connection != NULL) {
        (void) tables_describe(engine->tables, behind, sizeof behind);
    }
    snprintf(engine->description, sizeof engine->description, "postgresql at %s, version %d.%d%s%s%s", session->place,
             session->server_version / 10000, session->server_version % 10000,
             session->months_failed ? ", partitions of the months ahead could not be made: see its log" : "",
             behind[0] == '\0' ? "" : ", ", behind);
    return engine->description;
}

static enum store_result postgres_refuse_doubt(struct postgres_engine *engine)
{
    if (engine->engine.reason[0] == '\0') {
        snprintf(engine->engine.reason, sizeof engine->engine.reason, "an earlier commit is in doubt");
    }
    return STORE_IN_DOUBT;
}

static enum store_result postgres_commit(struct engine *base, struct batch *group)
{
    struct postgres_engine *engine = postgres_engine_of(base);
    struct share share = { .engine = base, .group = group };
    struct share *alone = &share;

    if (engine->doubt) {
        return postgres_refuse_doubt(engine);
    }
    together_commit(engine->session, &alone, 1);
    engine->doubt = share.doubt;
    return share.result == STORE_CONTRADICTED && !share.written ? postgres_judge_contradiction(engine, &share)
                                                                : share.result;
}

static enum store_result postgres_position(struct engine *base, struct store_position *position)
{
    struct postgres_engine *engine = postgres_engine_of(base);

    if (engine->doubt) {
        session_close(engine->session);
    }
    enum store_result result = postgres_require_session(engine);
    return result == STORE_OK ? postgres_read_position(engine, position) : result;
}

static enum store_result postgres_secret(struct engine *base, char secret[ENGINE_SECRET_BYTES])
{
    struct postgres_engine *engine = postgres_engine_of(base);
    enum store_result result = postgres_require_session(engine);

    if (result != STORE_OK) {
        return result;
    }
    PGresult *row = connection_ask(engine->session->connection, SQL_SECRET, NULL);
    if (row == NULL) {
        return postgres_give_up(engine);
    }
    bool found = PQntuples(row) == 1;
    if (found) {
        struct cells cells = cells_of(engine->session->connection, row, 0);
        snprintf(secret, ENGINE_SECRET_BYTES, "%s", cell_text(&cells));
    }
    PQclear(row);
    return found ? STORE_OK : STORE_CONTRADICTED;
}

static bool postgres_join(struct engine *base, struct engine *other)
{
    struct postgres_engine *engine = postgres_engine_of(base);
    struct session *shared = postgres_engine_of(other)->session;

    if (other->operations != base->operations || engine->doubt || engine->session->old_backend != 0 ||
        strcmp(shared->conninfo, engine->session->conninfo) != 0 || shared->read_only != engine->session->read_only) {
        return false;
    }
    applier_remove(&engine->tables);
    session_leave(&engine->session);
    engine->session = shared;
    shared->users++;
    return true;
}

// Ends the session of whoever has the desk, so that what it may hold stands in nobody's way.  When that is not
// allowed, its locks are waited for.
static enum store_result postgres_end_owner(struct postgres_engine *engine, const struct lease_row *seen)
{
    struct parameters parameters = { 0 };

    parameters_number(&parameters, seen == NULL ? -1 : (int64_t) seen->epoch);
    parameters_number(&parameters, seen == NULL ? 0 : (int64_t) seen->renewals);
    PQclear(connection_ask(engine->session->connection, SQL_END_OWNER, &parameters));
    if (engine->session->connection->lost) {
        return postgres_give_up(engine);
    }
    connection_clear(engine->session->connection);
    return STORE_OK;
}

static enum store_result postgres_sign_over(struct postgres_engine *engine, const struct lease_row *seen,
                                            const char *endpoints)
{
    struct connection *connection = engine->session->connection;
    struct parameters parameters = { 0 };
    struct parameters codec = { 0 };
    char owner[OWNER_NAME_BYTES];

    owner_name(owner);
    parameters_text(&parameters, owner);
    parameters_text(&parameters, connection->started);
    parameters_text(&parameters, endpoints);
    parameters_number(&parameters, seen == NULL ? -1 : (int64_t) seen->epoch);
    parameters_number(&parameters, seen == NULL ? 0 : (int64_t) seen->renewals);
    connection_clear(connection);
    connection_send(connection, SQL_BEGIN, NULL);
    connection_send(connection, SQL_MAKE_DESK, NULL);
    connection_send(connection, SQL_TAKE_OVER, &parameters);
    // Once more, now that nothing is appended any more.
    parameters_number(&codec, CODEC_NUMBER);
    connection_send(connection, SQL_CHECK_CODEC, &codec);
    return postgres_finish(engine);
}

// A desk whose journal a newer broker has written is that one's.
static enum store_result postgres_judge_codec(struct postgres_engine *engine)
{
    PGresult *row = connection_ask(engine->session->connection, SQL_NEWEST_CODEC, NULL);

    if (row == NULL) {
        return postgres_give_up(engine);
    }
    struct cells cells = cells_of(engine->session->connection, row, 0);
    bool newer = cell_number(&cells) > CODEC_NUMBER;
    if (newer) {
        snprintf(engine->engine.reason, sizeof engine->engine.reason,
                 "the journal of the desk %s is of a codec that this version does not know: start the newer"
                 " behalf-broker that wrote it",
                 engine->desk);
    }
    PQclear(row);
    return newer ? STORE_CONTRADICTED : STORE_OK;
}

// A desk that is being moved, or was, is not for a broker.
static enum store_result postgres_judge_hold(struct postgres_engine *engine)
{
    PGresult *result = connection_ask(engine->session->connection, SQL_HELD, NULL);

    if (result == NULL) {
        return postgres_give_up(engine);
    }
    bool held = PQntuples(result) > 0;
    if (held) {
        struct cells cells = cells_of(engine->session->connection, result, 0);
        const char *how = cell_text(&cells);
        const char *place = cell_text(&cells);
        hold_describe(engine->desk, how, place, cell_number(&cells), engine->engine.reason,
                      sizeof engine->engine.reason);
    }
    PQclear(result);
    return held ? STORE_CONTRADICTED : STORE_OK;
}

// Who has handed the desk over writes it no more, but may be writing others through the same session: that is left
// alone, unless it stands in the way after all.
static bool postgres_is_released(const struct lease_row *seen)
{
    return seen != NULL && !seen->held;
}

static enum store_result postgres_sign_over_again(struct postgres_engine *engine, const struct lease_row *seen,
                                                  const char *endpoints)
{
    enum store_result result = postgres_require_session(engine);

    if (result == STORE_OK) {
        result = postgres_end_owner(engine, seen);
    }
    return result == STORE_OK ? postgres_sign_over(engine, seen, endpoints) : result;
}

// A commit that changes nothing, on a session that stands.
static enum store_result confirm(struct postgres_engine *engine)
{
    struct parameters parameters = { 0 };

    parameters_number(&parameters, (int64_t) engine->epoch);
    connection_clear(engine->session->connection);
    connection_send(engine->session->connection, SQL_BEGIN, NULL);
    connection_send(engine->session->connection, SQL_CONFIRM, &parameters);
    return postgres_finish(engine);
}

// What the broker before has left in the journal.
static enum store_result postgres_apply_tail(struct postgres_engine *engine, const struct store_position *position)
{
    struct journal_step step = { 0 };
    enum store_result result = postgres_told(engine, journal_drain(engine->session, engine->desk, &step));

    if (result == STORE_OK && step.applied != position->sequence) {
        snprintf(engine->engine.reason, sizeof engine->engine.reason,
                 "the desk %s has moved on since it was taken over: another broker has it", engine->desk);
        result = STORE_CONTRADICTED;
    }
    if (result == STORE_OK) {
        result = confirm(engine); // what was applied did not wait for the disk
    }
    if (result == STORE_OK) {
        postgres_require_tables(engine);
        tables_are_at(engine->tables, step.applied);
        appendable_clear(engine->appendable);
    }
    return result;
}

static enum store_result postgres_take_over_seen(struct engine *base, const struct lease_row *seen,
                                                 const char *endpoints, struct store_position *position)
{
    struct postgres_engine *engine = postgres_engine_of(base);
    struct store_position unused;
    enum store_result result = engine->doubt ? postgres_position(base, &unused) : postgres_require_session(engine);

    if (result == STORE_OK) {
        result = postgres_judge_hold(engine);
    }
    if (result == STORE_OK) {
        result = postgres_judge_codec(engine);
    }
    if (result == STORE_OK && !postgres_is_released(seen)) {
        result = postgres_end_owner(engine, seen);
    }
    if (result == STORE_OK) {
        result = postgres_told(engine, session_make_months_ahead(engine->session));
    }
    if (result == STORE_OK) {
        result = postgres_sign_over(engine, seen, endpoints);
    }
    if (result == STORE_UNAVAILABLE && postgres_is_released(seen)) {
        result = postgres_sign_over_again(engine, seen, endpoints);
    }
    if (result == STORE_OK) {
        result = postgres_read_position(engine, position);
    }
    return result == STORE_OK ? postgres_apply_tail(engine, position) : result;
}

static enum store_result postgres_take_over(struct engine *base, struct store_position *position)
{
    return postgres_take_over_seen(base, NULL, "", position);
}

static enum store_result postgres_confirm(struct engine *base)
{
    struct postgres_engine *engine = postgres_engine_of(base);

    if (engine->doubt) {
        return postgres_refuse_doubt(engine);
    }
    enum store_result result = postgres_require_session(engine);
    return result == STORE_OK ? confirm(engine) : result;
}

// Reads the desk when its tables show all that is in its journal; that they do not is `behind`.
static enum store_result postgres_read_once(struct postgres_engine *engine, const struct store_reader *reader,
                                            bool *behind)
{
    struct journal_step step = { 0 };
    enum store_result result = postgres_told(engine, journal_drain(engine->session, engine->desk, &step));

    if (result == STORE_OK && !reading_run(engine->session->connection, reader, behind)) {
        result = postgres_told(engine, session_result(engine->session));
        session_close(engine->session); // with the rows that are still on their way
    }
    return result;
}

static enum store_result postgres_read(struct engine *base, const struct store_reader *reader)
{
    struct postgres_engine *engine = postgres_engine_of(base);
    enum store_result result = STORE_OK;
    bool behind = true;

    for (int reads = 0; behind && result == STORE_OK && reads < READS_MAX; reads++) {
        behind = false;
        result = postgres_read_once(engine, reader, &behind);
    }
    if (behind && result == STORE_OK) {
        snprintf(engine->engine.reason, sizeof engine->engine.reason, "the desk %s moves on while it is read",
                 engine->desk);
        result = STORE_UNAVAILABLE;
    }
    return result;
}

static bool postgres_look_at_tables(struct postgres_engine *engine, uint64_t *decided, uint64_t *shown)
{
    PGresult *row = connection_ask(engine->session->connection, SQL_WHERE_TABLES_ARE, NULL);
    bool found = row != NULL && PQntuples(row) == 1;

    *decided = *shown = 0; // a desk that there is not has nothing to be waited for
    if (found) {
        struct cells cells = cells_of(engine->session->connection, row, 0);
        *decided = cell_id(&cells);
        *shown = cell_id(&cells);
    }
    PQclear(row);
    return !engine->session->connection->failed;
}

// Until the tables show what was decided when the report was asked for.  The server may be a standby, which knows of
// that no more than of all else.
static enum store_result postgres_await_report(struct postgres_engine *engine, uint64_t sequence)
{
    int64_t until_ms = clocks_monotonic_ms() + REPORT_WAIT_MS;
    uint64_t wanted = 0;
    uint64_t shown = 0;
    uint64_t unused = 0;

    if (!postgres_look_at_tables(engine, &wanted, &shown)) {
        return postgres_give_up(engine);
    }
    wanted = sequence > wanted ? sequence : wanted;
    for (int wait_ms = 1; wanted > shown; wait_ms *= 2) {
        if (clocks_monotonic_ms() >= until_ms) {
            snprintf(engine->engine.reason, sizeof engine->engine.reason,
                     "the tables of the desk %s do not show what was decided", engine->desk);
            return STORE_UNAVAILABLE;
        }
        applier_hurry(engine->desk);
        wait_ms = wait_ms < REPORT_LOOK_MS ? wait_ms : REPORT_LOOK_MS;
        (void) poll(NULL, 0, wait_ms);
        if (!postgres_look_at_tables(engine, &unused, &shown)) {
            return postgres_give_up(engine);
        }
    }
    return STORE_OK;
}

static enum store_result postgres_report(struct engine *base, struct report *report)
{
    struct postgres_engine *engine = postgres_engine_of(base);
    enum store_result result = postgres_require_session(engine);

    if (result == STORE_OK) {
        result = postgres_await_report(engine, report->sequence);
    }
    if (result == STORE_OK) {
        reporting_run(engine->session->connection, report);
        result = engine->session->connection->failed ? postgres_give_up(engine) : STORE_OK;
    }
    return result;
}

// Nothing has been appended as long as there are no tables to be brought up.
static struct engine_positions postgres_positions(struct engine *base)
{
    struct postgres_engine *engine = postgres_engine_of(base);

    return engine->tables == NULL ? (struct engine_positions){ 0 } : tables_positions(engine->tables);
}

static void postgres_hurry(struct engine *base)
{
    struct postgres_engine *engine = postgres_engine_of(base);

    if (engine->tables != NULL) {
        tables_hurry(engine->tables);
    }
}

static bool postgres_is_behind(struct engine *base)
{
    struct postgres_engine *engine = postgres_engine_of(base);

    return engine->tables != NULL && tables_lag(engine->tables) != TABLES_KEEP_UP;
}

static void postgres_destroy(struct engine **engine_p)
{
    if (*engine_p == NULL) {
        return;
    }
    struct postgres_engine *engine = postgres_engine_of(*engine_p);
    applier_remove(&engine->tables);
    appendable_destroy(&engine->appendable);
    session_leave(&engine->session);
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
    .take_over_seen = postgres_take_over_seen,
    .confirm = postgres_confirm,
    .secret = postgres_secret,
    .read = postgres_read,
    .report = postgres_report,
    .destroy = postgres_destroy,
    .join = postgres_join,
    .attempt_together = together_attempt,
    .positions = postgres_positions,
    .is_behind = postgres_is_behind,
    .hurry = postgres_hurry,
};

static struct postgres_engine *postgres_make_engine(const char *conninfo, const char *desk, bool read_only)
{
    struct postgres_engine *engine = calloc(1, sizeof *engine);

    must(engine != NULL);
    engine->engine.operations = &postgres_operations;
    engine->session = session_new(conninfo, read_only);
    engine->desk = strdup(desk);
    must(engine->desk != NULL);
    return engine;
}

struct engine *engine_postgres_open(const char *conninfo, const char *desk, char *reason, size_t reason_bytes)
{
    struct postgres_engine *engine = postgres_make_engine(conninfo, desk, false);
    struct engine *opened = &engine->engine;

    if (postgres_require_session(engine) != STORE_OK) {
        snprintf(reason, reason_bytes, "%s", opened->reason);
        postgres_destroy(&opened);
    }
    return opened;
}

struct engine *engine_postgres_open_reports(const char *conninfo, const char *desk, char *reason, size_t reason_bytes)
{
    return connection_check_url(conninfo, reason, reason_bytes) ? &postgres_make_engine(conninfo, desk, true)->engine
                                                                : NULL;
}
