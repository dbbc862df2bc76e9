// journal.c - groups cut into rows, and rows read, judged, decoded and written to the tables.
//
// What is next is read by one statement, so that the desk's row, that of its tables and the journal are of one moment.

#include "broker/store/postgres/journal.h"

#include "broker/store/codec.h"
#include "proto/base/must.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define ROW_BYTES_MAX 7600 // of changes in a row: with its other columns it fits into a page
#define ROWS_AT_ONCE 256   // of a transaction, unless a single group has more
#define OVERTAKEN_MAX 100  // in a row, by another applier

// ---- appending ----

static void journal_end_row(struct rows *rows, struct codec_bytes *bytes, size_t count)
{
    rows_bytes(rows, bytes->bytes, count);
    rows_end(rows);
    memmove(bytes->bytes, bytes->bytes + count, bytes->count - count);
    bytes->count -= count;
}

// Cuts the changes of a group into rows.
static size_t journal_cut(struct batch *group, struct rows *rows)
{
    struct codec_bytes bytes = { 0 };
    size_t total = 0;

    for (; group != NULL; group = batch_next(group)) {
        const struct change *change = change_list_changes(batch_list(group));
        for (; change != NULL; change = change->next) {
            size_t before = bytes.count;
            codec_add(&bytes, change);
            total += bytes.count - before;
            if (before > 0 && bytes.count > ROW_BYTES_MAX) {
                journal_end_row(rows, &bytes, before);
            }
        }
    }
    if (bytes.count > 0) {
        journal_end_row(rows, &bytes, bytes.count);
    }
    codec_fini(&bytes);
    return total;
}

size_t journal_send(struct session *session, struct batch *group)
{
    const struct store_position *from = batch_from(group);
    const struct store_position *to = batch_group_to(group);
    struct parameters parameters = { 0 };
    struct rows rows = { 0 };

    size_t total = journal_cut(group, &rows);
    must(rows.count > 0);
    parameters_number(&parameters, (int64_t) from->sequence);
    parameters_number(&parameters, (int64_t) to->sequence);
    parameters_number(&parameters, (int64_t) from->epoch);
    parameters_number(&parameters, (int64_t) to->next_id);
    parameters_number(&parameters, to->clock_ms);
    parameters_number(&parameters, CODEC_NUMBER);
    parameters_number(&parameters, rows.count);
    parameters_rows(&parameters, &rows);
    connection_send(session->connection, SQL_APPEND, &parameters);
    rows_fini(&rows);
    return total;
}

// ---- what is next ----

// The columns of SQL_JOURNAL_NEXT.
enum {
    NEXT_APPLIED,
    NEXT_SEQUENCE,
    NEXT_EPOCH,
    NEXT_FROM,
    NEXT_TO,
    NEXT_PART,
    NEXT_PARTS,
    NEXT_ROW_EPOCH,
    NEXT_CODEC,
    NEXT_CHANGES
};

struct next {
    struct session *session;
    const char *desk;
    PGresult *rows; // in the order of the journal
    int count;      // of them, that are of whole groups and are to be applied
    size_t groups;
    uint64_t applied;
    uint64_t sequence;
    uint64_t epoch;
    uint64_t to; // of the last group
    bool overtaken;
    struct change *changes;
    size_t change_count;
    size_t change_room;
};

static uint64_t journal_number_at(const struct next *next, int row, int column)
{
    struct cells cells = cells_of(next->session->connection, next->rows, row);

    cells.column = column;
    return cell_id(&cells);
}

static enum store_result journal_contradict(struct next *next, int row, const char *what)
{
    bool any = row < PQntuples(next->rows) && PQgetisnull(next->rows, row, NEXT_FROM) == 0;

    snprintf(next->session->reason, sizeof next->session->reason,
             "the journal of the desk %s in PostgreSQL at %s, between the sequences %" PRIu64 " and %" PRIu64 ", %s",
             next->desk, next->session->place, any ? journal_number_at(next, row, NEXT_FROM) : next->applied,
             any ? journal_number_at(next, row, NEXT_TO) : next->sequence, what);
    return STORE_CONTRADICTED;
}

// One of the rows of a group, of which `part` come before it.
static bool journal_follows(const struct next *next, int row, uint64_t from, uint64_t part)
{
    return journal_number_at(next, row, NEXT_FROM) == from && journal_number_at(next, row, NEXT_PART) == part + 1 &&
           journal_number_at(next, row, NEXT_PARTS) > part;
}

static enum store_result journal_judge_row(struct next *next, int row, uint64_t from, uint64_t part)
{
    if (!journal_follows(next, row, from, part)) {
        return journal_contradict(next, row, "has a gap before it: put the database back as it was last");
    }
    if (journal_number_at(next, row, NEXT_TO) > next->sequence ||
        journal_number_at(next, row, NEXT_ROW_EPOCH) > next->epoch) {
        return journal_contradict(next, row, "is of another desk than this one: put the database back as it was last");
    }
    return STORE_OK;
}

// Finds how many of the rows are to be applied: those of whole groups, each following on the one before.
static enum store_result journal_find_groups(struct next *next, size_t groups_max)
{
    int rows = PQntuples(next->rows);
    uint64_t from = next->applied;
    uint64_t part = 0;
    enum store_result result = STORE_OK;

    if (rows == 1 && PQgetisnull(next->rows, 0, NEXT_FROM) == 1) {
        rows = 0;
    }
    for (int row = 0; row < rows && next->groups < groups_max; row++) {
        result = journal_judge_row(next, row, from, part);
        if (result != STORE_OK) {
            // What comes before it may be applied; then it is met again.
            return next->groups > 0 ? STORE_OK : result;
        }
        if (++part == journal_number_at(next, row, NEXT_PARTS)) {
            from = next->to = journal_number_at(next, row, NEXT_TO);
            next->groups++;
            next->count = row + 1;
            part = 0;
        }
    }
    if (next->groups == 0 && next->applied != next->sequence && rows < ROWS_AT_ONCE) {
        return journal_contradict(next, rows,
                                  rows == 0 ? "is missing: put the database back as it was last"
                                            : "is cut off: put the database back as it was last");
    }
    return STORE_OK;
}

static enum store_result journal_read_next(struct next *next, size_t rows_max)
{
    struct session *session = next->session;
    struct parameters parameters = { 0 };

    parameters_number(&parameters, (int64_t) rows_max);
    PQclear(next->rows);
    next->rows = connection_ask(session->connection, SQL_JOURNAL_NEXT, &parameters);
    if (next->rows == NULL) {
        return session_give_up(session);
    }
    if (PQntuples(next->rows) == 0) {
        snprintf(session->reason, sizeof session->reason, "PostgreSQL at %s has no desk named %s", session->place,
                 next->desk);
        return STORE_CONTRADICTED;
    }
    next->applied = journal_number_at(next, 0, NEXT_APPLIED);
    next->sequence = journal_number_at(next, 0, NEXT_SEQUENCE);
    next->epoch = journal_number_at(next, 0, NEXT_EPOCH);
    return STORE_OK;
}

static enum store_result journal_look(struct next *next, size_t groups_max)
{
    enum store_result result = journal_read_next(next, ROWS_AT_ONCE);

    if (result == STORE_OK) {
        result = journal_find_groups(next, groups_max);
    }
    if (result == STORE_OK && next->groups == 0 && PQntuples(next->rows) == ROWS_AT_ONCE) {
        result = journal_read_next(next, journal_number_at(next, 0, NEXT_PARTS));
        result = result == STORE_OK ? journal_find_groups(next, 1) : result;
        if (result == STORE_OK && next->groups == 0) {
            result = journal_contradict(next, 0, "is cut off: put the database back as it was last");
        }
    }
    return result;
}

// ---- what it says ----

static struct change *journal_add_change(struct next *next)
{
    if (next->change_count == next->change_room) {
        next->change_room = next->change_room == 0 ? 256 : next->change_room * 2;
        next->changes = realloc(next->changes, next->change_room * sizeof *next->changes);
        must(next->changes != NULL);
    }
    return &next->changes[next->change_count];
}

// The texts of the changes stay in the rows.
static enum store_result journal_decode_row(struct next *next, int row)
{
    struct codec_reader reader =
        codec_read((int64_t) journal_number_at(next, row, NEXT_CODEC), PQgetvalue(next->rows, row, NEXT_CHANGES),
                   (size_t) PQgetlength(next->rows, row, NEXT_CHANGES));

    while (codec_next(&reader, journal_add_change(next))) {
        next->change_count++;
    }
    return reader.fault == NULL ? STORE_OK : journal_contradict(next, row, reader.fault);
}

static bool journal_is_of_newer_codec(const struct next *next)
{
    return next->count > 0 && journal_number_at(next, 0, NEXT_CODEC) > CODEC_NUMBER;
}

// Leaves out what comes from the first group on that cannot be read, unless it is the first of all.
static enum store_result journal_decode(struct next *next, struct journal_step *step)
{
    size_t groups = 0;
    size_t changes = 0;
    int whole = 0;

    for (int row = 0; row < next->count; row++) {
        enum store_result result = journal_decode_row(next, row);
        if (result != STORE_OK && groups == 0) {
            step->is_refused = !journal_is_of_newer_codec(next);
            return result;
        }
        if (result != STORE_OK) {
            break;
        }
        if (journal_number_at(next, row, NEXT_PART) == journal_number_at(next, row, NEXT_PARTS)) {
            groups++;
            changes = next->change_count;
            whole = row + 1;
            next->to = journal_number_at(next, row, NEXT_TO);
        }
    }
    next->groups = groups;
    next->change_count = changes;
    next->count = whole;
    return STORE_OK;
}

// ---- applying ----

static void journal_send_advance(struct next *next)
{
    struct parameters parameters = { 0 };

    parameters_number(&parameters, (int64_t) next->applied);
    parameters_number(&parameters, (int64_t) next->to);
    connection_send(next->session->connection, SQL_ADVANCE_TABLES, &parameters);
}

// Exactly these rows.
static void journal_send_delete(struct next *next)
{
    struct parameters parameters = { 0 };
    struct rows rows = { 0 };

    for (int row = 0; row < next->count; row++) {
        rows_id(&rows, journal_number_at(next, row, NEXT_FROM));
        rows_id(&rows, journal_number_at(next, row, NEXT_TO));
        rows_id(&rows, journal_number_at(next, row, NEXT_PART));
        rows_id(&rows, journal_number_at(next, row, NEXT_ROW_EPOCH));
        rows_end(&rows);
    }
    parameters_number(&parameters, (int64_t) next->applied);
    parameters_number(&parameters, (int64_t) next->to);
    parameters_rows(&parameters, &rows);
    connection_send(next->session->connection, SQL_REMOVE_APPLIED, &parameters);
    rows_fini(&rows);
}

static enum store_result journal_give_up(struct next *next)
{
    struct session *session = next->session;
    enum store_result result = session_result(session);

    next->overtaken = strcmp(session->connection->state, "BF004") == 0;
    (void) session_drain(session, 1);
    return result;
}

static enum store_result journal_write_tables(struct next *next)
{
    struct session *session = next->session;
    struct connection *connection = session->connection;

    connection_clear(connection);
    connection_send(connection, SQL_BEGIN, NULL);
    connection_send(connection, SQL_NOT_AWAITED, NULL);
    journal_send_advance(next);
    group_writer_begin(session->writer, connection);
    for (size_t i = 0; i < next->change_count; i++) {
        group_writer_add(session->writer, &next->changes[i]);
    }
    group_writer_end(session->writer);
    journal_send_delete(next);
    enum store_result result = session_commit(session);
    if (result == STORE_OK) {
        return STORE_OK;
    }
    if (result == STORE_IN_DOUBT) {
        session_close(session); // where the tables are is read again
        return STORE_UNAVAILABLE;
    }
    return journal_give_up(next);
}

static enum store_result apply(struct next *next, size_t groups_max, struct journal_step *step)
{
    enum store_result result = journal_look(next, groups_max);

    step->applied = next->applied;
    step->sequence = next->sequence;
    if (result == STORE_OK && next->groups > 0) {
        step->from = journal_number_at(next, 0, NEXT_FROM);
        step->to = journal_number_at(next, 0, NEXT_TO);
        step->epoch = journal_number_at(next, 0, NEXT_ROW_EPOCH);
        result = journal_decode(next, step);
    }
    if (result != STORE_OK || next->groups == 0) {
        return result;
    }
    result = journal_write_tables(next);
    step->is_overtaken = result == STORE_UNAVAILABLE && next->overtaken;
    if (result == STORE_OK) {
        step->applied = next->to;
        step->groups = next->groups;
        step->changes = next->change_count;
    } else if (result == STORE_CONTRADICTED && next->groups == 1) {
        char why[sizeof next->session->reason];
        snprintf(why, sizeof why, "is refused by the tables: %.240s", next->session->reason);
        (void) journal_contradict(next, 0, why);
        step->is_refused = true;
    }
    step->is_refused = step->is_refused && result == STORE_CONTRADICTED;
    return result;
}

static enum store_result journal_apply_once(struct session *session, const char *desk, size_t groups_max,
                                            struct journal_step *step)
{
    struct next next = { .session = session, .desk = desk };
    enum store_result result = session_require(session, desk);

    *step = (struct journal_step){ 0 };
    if (result == STORE_OK) {
        result = apply(&next, groups_max, step);
    }
    PQclear(next.rows);
    free(next.changes);
    return result;
}

enum store_result journal_apply(struct session *session, const char *desk, size_t groups_max, struct journal_step *step)
{
    enum store_result result = journal_apply_once(session, desk, groups_max, step);

    // Which of several it was is found by trying the first alone.
    if (result == STORE_CONTRADICTED && !step->is_refused && step->to > 0 && groups_max > 1) {
        result = journal_apply_once(session, desk, 1, step);
    }
    return result;
}

enum store_result journal_drain(struct session *session, const char *desk, struct journal_step *step)
{
    enum store_result result = STORE_OK;
    int overtaken = 0;

    do {
        result = journal_apply(session, desk, JOURNAL_GROUPS_MAX, step);
        overtaken = step->is_overtaken ? overtaken + 1 : 0;
        if (step->is_overtaken && overtaken < OVERTAKEN_MAX) {
            result = session_require(session, desk);
        }
    } while (result == STORE_OK && (step->is_overtaken || step->applied != step->sequence));
    return result;
}
