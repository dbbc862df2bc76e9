// move.c - a database's desk as one side of a move: an advisory lock, rows by key, a page a transaction.
//
// Statements are made from the list of tables and sent one at a time on a blocking connection: nobody is served by
// this process.  Being set back (a lost connection, a timeout) ends the move, which is started again and goes on.

#include "broker/store/hold.h"
#include "broker/store/move/move_side.h"
#include "broker/store/postgres/journal.h"
#include "proto/base/must.h"

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOOKS_AT_LIVE 30 // times that a broker that is just ending is looked for
#define LOOK_EACH_MS 100
#define MONTHS_KNOWN 64

struct postgres_side {
    struct side side;
    char *conninfo;
    struct connection *connection;
    char desk[MOVE_NAME_BYTES];
    int months[MONTHS_KNOWN]; // that have their partitions, counted from 0
    size_t month_count;
};

static struct postgres_side *move_own(struct side *side)
{
    return (struct postgres_side *) (void *) side;
}

// Parameters of a statement; all are texts but the arrays.  The desk is the first.
struct given {
    int count;
    const char *values[PARAMETERS_MAX];
    int lengths[PARAMETERS_MAX];
    int formats[PARAMETERS_MAX];
    char numbers[PARAMETERS_MAX][24];
};

static void move_give_text(struct given *given, const char *text)
{
    must(given->count < PARAMETERS_MAX);
    given->values[given->count++] = text;
}

static void move_give_number(struct given *given, int64_t number)
{
    must(given->count < PARAMETERS_MAX);
    snprintf(given->numbers[given->count], sizeof given->numbers[0], "%" PRId64, number);
    move_give_text(given, given->numbers[given->count]);
}

static bool move_failed(struct postgres_side *side, const PGresult *result)
{
    const char *primary = result == NULL ? NULL : PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *state = result == NULL ? NULL : PQresultErrorField(result, PG_DIAG_SQLSTATE);
    char message[300];
    size_t at = 0;

    for (const char *words = primary == NULL ? PQerrorMessage(side->connection->link) : primary;
         *words != '\0' && at + 1 < sizeof message; words++) {
        message[at++] = *words == '\n' || *words == '\t' ? ' ' : *words;
    }
    while (at > 0 && message[at - 1] == ' ') {
        at--;
    }
    message[at] = '\0';
    const char *advice = state != NULL && strcmp(state, "55P03") == 0
                             ? "another `behalf-ctl move` works on this desk: wait for its end"
                         : state != NULL && strcmp(state, "42501") == 0
                             ? "make the role the owner of the schema behalf and of what is in it"
                             : "mend it and start the same move again";
    snprintf(side->side.reason, sizeof side->side.reason, "PostgreSQL at %s cannot be used (%s): %s",
             side->connection->place, message, advice);
    return false;
}

// The answer to a statement, to be cleared by the caller; NULL with the reason.
static PGresult *move_ask(struct postgres_side *side, const char *sql, const struct given *given)
{
    side->connection->warned = false;
    PGresult *result =
        PQexecParams(side->connection->link, sql, given->count, NULL, given->values, given->lengths, given->formats, 0);
    ExecStatusType status = PQresultStatus(result);

    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        (void) move_failed(side, result);
        PQclear(result);
        return NULL;
    }
    return result;
}

static struct given move_about(const struct postgres_side *side)
{
    struct given given = { 0 };

    move_give_text(&given, side->desk);
    return given;
}

// Runs a statement that changes rows: they are where the operator wants them, also on a synchronous standby.
static bool move_change(struct postgres_side *side, const char *sql, const struct given *given, int *changed)
{
    PGresult *result = move_ask(side, sql, given);

    if (result == NULL) {
        return false;
    }
    *changed = atoi(PQcmdTuples(result));
    PQclear(result);
    if (side->connection->warned) {
        snprintf(side->side.reason, sizeof side->side.reason,
                 "PostgreSQL at %s has committed without its synchronous standby: start the standby, then the same"
                 " move again",
                 side->connection->place);
        return false;
    }
    return true;
}

static bool move_postgres_list(struct side *base, char *names, size_t names_bytes, size_t *count)
{
    struct postgres_side *side = move_own(base);
    struct given none = { 0 };
    PGresult *result = move_ask(side, "SELECT desk FROM desk ORDER BY desk COLLATE \"C\" LIMIT 1000", &none);
    size_t at = 0;

    names[0] = '\0';
    *count = 0;
    if (result == NULL) {
        return false;
    }
    for (int row = 0; row < PQntuples(result); row++, ++*count) {
        const char *name = PQgetvalue(result, row, 0);
        if (at + strlen(name) + 3 < names_bytes) {
            at += (size_t) snprintf(names + at, names_bytes - at, "%s%s", row == 0 ? "" : ", ", name);
        }
    }
    PQclear(result);
    return true;
}

// The session's lock also waits for the last statement of a move that was killed.
static bool move_postgres_choose(struct side *base, const char *desk)
{
    struct postgres_side *side = move_own(base);

    snprintf(side->desk, sizeof side->desk, "%s", desk);
    struct given given = move_about(side);
    PGresult *result =
        move_ask(side, "SELECT pg_advisory_lock(hashtextextended($1::text, 4774451407313060419))", &given);
    bool locked = result != NULL;
    PQclear(result);
    return locked;
}

static const char move_look[] =
    "SELECT epoch, sequence, next_id, clock_ms, confirmed, held_ms, held_epoch, held, held_place, held_move,"
    " EXISTS (SELECT FROM pg_stat_activity AS a WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()"
    " AND ((a.pid = d.backend AND a.backend_start = d.backend_started) OR EXISTS (SELECT FROM applied AS t"
    " WHERE t.desk = $1::text AND t.backend = a.pid AND t.backend_started = a.backend_start) OR a.application_name IN"
    " ('behalf desk=' || left(d.desk, 40), 'behalf desk=' || left(d.desk, 40) || ' reports')))"
    " FROM desk AS d WHERE d.desk = $1::text";

static void move_take_desk_row(struct desk_row *row, const PGresult *result)
{
    int64_t *const numbers[] = { &row->epoch,     &row->sequence, &row->next_id,   &row->clock_ms,
                                 &row->confirmed, &row->held_ms,  &row->held_epoch };

    row->found = true;
    for (int i = 0; i < (int) (sizeof numbers / sizeof *numbers); i++) {
        *numbers[i] = strtoll(PQgetvalue(result, 0, i), NULL, 10);
    }
    snprintf(row->held, sizeof row->held, "%s", PQgetvalue(result, 0, 7));
    snprintf(row->held_place, sizeof row->held_place, "%s", PQgetvalue(result, 0, 8));
    snprintf(row->held_move, sizeof row->held_move, "%s", PQgetvalue(result, 0, 9));
    row->is_live = PQgetvalue(result, 0, 10)[0] == 't';
}

static bool move_look_once(struct postgres_side *side, struct desk_row *row)
{
    struct given given = move_about(side);
    PGresult *result = move_ask(side, move_look, &given);

    *row = (struct desk_row){ 0 };
    if (result == NULL) {
        return false;
    }
    if (PQntuples(result) == 1) {
        move_take_desk_row(row, result);
    }
    PQclear(result);
    return true;
}

static bool move_postgres_look(struct side *base, struct desk_row *row)
{
    bool good = move_look_once(move_own(base), row);

    for (int i = 1; good && row->is_live && i < LOOKS_AT_LIVE; i++) {
        (void) poll(NULL, 0, LOOK_EACH_MS);
        good = move_look_once(move_own(base), row);
    }
    return good;
}

static bool move_changed_one(struct postgres_side *side, const char *sql, const struct given *given)
{
    int changed = 0;

    if (!move_change(side, sql, given, &changed)) {
        return false;
    }
    if (changed != 1) {
        snprintf(side->side.reason, sizeof side->side.reason,
                 "the desk %s of PostgreSQL at %s was changed meanwhile, by a broker: stop it and start the same move"
                 " again",
                 side->desk, side->connection->place);
    }
    return changed == 1;
}

// On its way to the target the desk's row is where the source's was: so are the tables, once they are copied.
static bool move_save_tables(struct postgres_side *side, const struct desk_row *row)
{
    struct given given = move_about(side);
    int changed = 0;

    move_give_number(&given, row->sequence);
    return move_change(
        side,
        "INSERT INTO applied (desk, sequence) VALUES ($1::text, $2::bigint) ON CONFLICT (desk) DO UPDATE"
        " SET sequence = excluded.sequence WHERE NOT EXISTS (SELECT FROM journal AS j WHERE j.desk = $1::text)",
        &given, &changed);
}

static bool move_save_desk(struct side *base, const struct desk_row *seen, const struct desk_row *row)
{
    struct postgres_side *side = move_own(base);
    struct given given = move_about(side);

    move_give_number(&given, row->epoch);
    move_give_number(&given, row->sequence);
    move_give_number(&given, row->next_id);
    move_give_number(&given, row->clock_ms);
    move_give_number(&given, row->confirmed);
    move_give_number(&given, row->held_ms);
    move_give_number(&given, row->held_epoch);
    move_give_text(&given, row->held);
    move_give_text(&given, row->held_place);
    move_give_text(&given, row->held_move);
    if (!seen->found) {
        return move_changed_one(
            side,
            "INSERT INTO desk (desk, owner, epoch, sequence, next_id, clock_ms, confirmed, held_ms,"
            " held_epoch, held, held_place, held_move) VALUES ($1::text, '', $2::bigint, $3::bigint,"
            " $4::bigint, $5::bigint, $6::bigint, $7::bigint, $8::bigint, $9::text, $10::text,"
            " $11::text)",
            &given);
    }
    move_give_number(&given, seen->epoch);
    move_give_number(&given, seen->sequence);
    return move_changed_one(
        side,
        "UPDATE desk SET epoch = $2::bigint, sequence = $3::bigint, next_id = $4::bigint,"
        " clock_ms = $5::bigint, confirmed = $6::bigint, held_ms = $7::bigint, held_epoch = $8::bigint,"
        " held = $9::text, held_place = $10::text, held_move = $11::text"
        " WHERE desk = $1::text AND epoch = $12::bigint AND sequence = $13::bigint",
        &given);
}

// The row of the tables first: a desk that has come so far that a broker may take it has it.
static bool move_postgres_save(struct side *base, const struct desk_row *seen, const struct desk_row *row)
{
    bool moves = !seen->found || seen->sequence != row->sequence;

    return (!moves || move_save_tables(move_own(base), row)) && move_save_desk(base, seen, row);
}

static bool move_postgres_drain(struct side *base)
{
    struct postgres_side *side = move_own(base);
    struct session *session = session_new(side->conninfo, false);
    struct journal_step step = { 0 };
    bool drained = journal_drain(session, side->desk, &step) == STORE_OK;

    if (!drained) {
        snprintf(base->reason, sizeof base->reason, "%.500s: mend it and start the same move again", session->reason);
    }
    session_leave(&session);
    return drained;
}

static bool move_postgres_remove(struct side *base, const struct desk_row *seen)
{
    struct given given = move_about(move_own(base));
    int changed = 0;

    if (!move_change(move_own(base), "DELETE FROM applied WHERE desk = $1::text", &given, &changed)) {
        return false;
    }
    move_give_number(&given, seen->epoch);
    return move_changed_one(move_own(base), "DELETE FROM desk WHERE desk = $1::text AND epoch = $2::bigint", &given);
}

// ---- rows ----

static const char *move_cast_of(enum move_type type)
{
    return type == MOVE_NUMBER ? "bigint" : type == MOVE_FLAG ? "boolean" : "text";
}

static void move_write_columns(FILE *out, const struct move_table *table)
{
    for (int i = 0; i < table->column_count; i++) {
        fprintf(out, "%s%s", i == 0 ? "" : ", ", table->columns[i].name);
    }
}

// The key's columns, each followed by something.
static void move_write_keys(FILE *out, const struct move_table *table, const char *suffix)
{
    if (table->postgres_order != NULL) {
        fprintf(out, "%s%s", table->postgres_order, suffix);
        return;
    }
    for (int i = 0; i < table->keys; i++) {
        fprintf(out, "%s%s%s", i == 0 ? "" : ", ", table->columns[i].name, suffix);
    }
}

static char *move_make_select(const struct move_table *table, bool behind, const char *order, int rows)
{
    char *sql = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&sql, &bytes);

    must(out != NULL);
    fputs("SELECT ", out);
    move_write_columns(out, table);
    fprintf(out, " FROM %s WHERE desk = $1::text", table->name);
    if (behind) {
        fputs(" AND (", out);
        move_write_keys(out, table, "");
        fputs(") > (", out);
        for (int i = 0; i < table->keys; i++) {
            fprintf(out, "%s$%d::%s", i == 0 ? "" : ", ", i + 2, move_cast_of(table->columns[i].type));
        }
        fputs(")", out);
    }
    fputs(" ORDER BY ", out);
    move_write_keys(out, table, order);
    fprintf(out, " LIMIT %d", rows);
    must(fclose(out) == 0);
    return sql;
}

static void move_take_row(struct page *page, const PGresult *result, int row, const struct move_table *table)
{
    for (int i = 0; i < table->column_count; i++) {
        const char *value = PQgetvalue(result, row, i);
        switch (table->columns[i].type) {
        case MOVE_NUMBER:
            page_add_number(page, strtoll(value, NULL, 10));
            break;
        case MOVE_FLAG:
            page_add_number(page, value[0] == 't');
            break;
        default:
            if (PQgetisnull(result, row, i) == 1) {
                page_add_null(page);
            } else {
                page_add_text(page, value, (size_t) PQgetlength(result, row, i));
            }
        }
    }
    page->row_count++;
}

static bool move_read_rows(struct postgres_side *side, const struct move_table *table,
                           const struct place_in_table *after, const char *order, int rows, struct page *page)
{
    struct given given = move_about(side);
    char *sql = move_make_select(table, after->is_set, order, rows);

    for (int i = 0; after->is_set && i < table->keys; i++) {
        if (table->columns[i].type == MOVE_TEXT) {
            move_give_text(&given, after->texts[i]);
        } else {
            move_give_number(&given, after->numbers[i]);
        }
    }
    PGresult *result = move_ask(side, sql, &given);
    free(sql);
    page_clear(page);
    for (int row = 0; result != NULL && row < PQntuples(result); row++) {
        move_take_row(page, result, row, table);
    }
    page->is_last = page->row_count < (size_t) rows;
    PQclear(result);
    return result != NULL;
}

static bool move_postgres_read(struct side *base, const struct move_table *table, const struct place_in_table *after,
                               struct page *page)
{
    return move_read_rows(move_own(base), table, after, "", table->page_rows, page);
}

static bool move_postgres_read_last(struct side *base, const struct move_table *table, struct page *page)
{
    return move_read_rows(move_own(base), table, &(struct place_in_table){ 0 }, " DESC", 1, page);
}

static bool move_is_known(const struct postgres_side *side, int month)
{
    for (size_t i = 0; i < side->month_count; i++) {
        if (side->months[i] == month) {
            return true;
        }
    }
    return false;
}

// Makes the partition for a time, unless it is known to be there.
static bool move_require_month(struct postgres_side *side, int64_t at_ms)
{
    time_t seconds = (time_t) (at_ms / 1000);
    struct tm parts = { 0 };
    struct given given = { 0 };

    if (at_ms < 0 || at_ms > BEHALF_TIME_MAX || gmtime_r(&seconds, &parts) == NULL) {
        snprintf(side->side.reason, sizeof side->side.reason,
                 "a row of the desk %s has a time that is none (%" PRId64 "): mend it in the source", side->desk,
                 at_ms);
        return false;
    }
    int month = parts.tm_year * 12 + parts.tm_mon;
    if (move_is_known(side, month)) {
        return true;
    }
    move_give_number(&given, at_ms);
    PGresult *result = move_ask(side, "SELECT require_month($1::bigint)", &given);
    bool made = result != NULL;
    PQclear(result);
    if (side->month_count == MONTHS_KNOWN) {
        side->month_count = 0;
    }
    if (made) {
        side->months[side->month_count++] = month;
    }
    return made;
}

static bool move_require_months(struct postgres_side *side, const struct move_table *table, const struct page *page)
{
    bool made = true;

    for (size_t row = 0; table->month >= 0 && made && row < page->row_count; row++) {
        made = move_require_month(side, page_cell(page, table, row, table->month)->number);
    }
    return made;
}

// INSERT ... SELECT of arrays; a text that may be NULL has an array of flags beside it.
static char *move_make_insert(const struct move_table *table)
{
    char *sql = NULL;
    size_t bytes = 0;
    int arrays = 0;
    FILE *out = open_memstream(&sql, &bytes);

    must(out != NULL);
    fprintf(out, "INSERT INTO %s (desk, ", table->name);
    move_write_columns(out, table);
    fputs(") SELECT $1::text", out);
    for (int i = 0; i < table->column_count; i++) {
        arrays++;
        if (table->columns[i].type == MOVE_TEXT_OR_NULL) {
            fprintf(out, ", CASE WHEN u.c%d THEN u.c%d END", arrays + 1, arrays);
            arrays++;
        } else {
            fprintf(out, ", u.c%d", arrays);
        }
    }
    fputs(" FROM unnest(", out);
    int at = 2;
    for (int i = 0; i < table->column_count; i++) {
        fprintf(out, "%s$%d::%s[]", i == 0 ? "" : ", ", at++, move_cast_of(table->columns[i].type));
        if (table->columns[i].type == MOVE_TEXT_OR_NULL) {
            fprintf(out, ", $%d::boolean[]", at++);
        }
    }
    fputs(") AS u (", out);
    for (int i = 1; i <= arrays; i++) {
        fprintf(out, "%sc%d", i == 1 ? "" : ", ", i);
    }
    fputs(")", out);
    must(fclose(out) == 0);
    return sql;
}

static void move_add_row(struct rows *rows, const struct move_table *table, const struct page *page, size_t row)
{
    for (int i = 0; i < table->column_count; i++) {
        const struct cell *cell = page_cell(page, table, row, i);
        switch (table->columns[i].type) {
        case MOVE_NUMBER:
            rows_number(rows, cell->number);
            break;
        case MOVE_FLAG:
            rows_flag(rows, cell->number != 0);
            break;
        case MOVE_TEXT_OR_NULL:
            rows_text(rows, page_text(page, cell));
            rows_flag(rows, !cell->is_null);
            break;
        case MOVE_TEXT:
            rows_text(rows, page_text(page, cell));
        }
    }
    rows_end(rows);
}

static bool move_postgres_write(struct side *base, const struct move_table *table, const struct page *page)
{
    struct postgres_side *side = move_own(base);
    struct rows rows = { 0 };
    struct parameters parameters = { 0 };
    struct given given = move_about(side);
    int changed = 0;

    if (!move_require_months(side, table, page)) {
        return false;
    }
    for (size_t row = 0; row < page->row_count; row++) {
        move_add_row(&rows, table, page, row);
    }
    parameters_rows(&parameters, &rows);
    for (int i = 0; i < parameters.count; i++) {
        must(given.count < PARAMETERS_MAX);
        given.values[given.count] = parameters.values[i];
        given.lengths[given.count] = parameters.lengths[i];
        given.formats[given.count++] = 1;
    }
    char *sql = move_make_insert(table);
    bool written = move_change(side, sql, &given, &changed);
    free(sql);
    rows_fini(&rows);
    return written;
}

static bool move_postgres_clear(struct side *base, const struct move_table *table)
{
    struct postgres_side *side = move_own(base);
    struct given none = { 0 };
    struct given given = move_about(side);
    char sql[128];
    int changed = 0;

    snprintf(sql, sizeof sql, "DELETE FROM %s WHERE desk = $1::text", table->name);
    return move_change(side, "SET statement_timeout = 0", &none, &changed) &&
           move_change(side, sql, &given, &changed) &&
           move_change(side, "SET statement_timeout = '30s'", &none, &changed);
}

static void move_postgres_destroy(struct side **side_p)
{
    struct postgres_side *side = move_own(*side_p);

    if (side != NULL) {
        connection_close(&side->connection);
        explicit_bzero(side->conninfo, strlen(side->conninfo));
        free(side->conninfo);
        free(side);
        *side_p = NULL;
    }
}

static const struct side_operations move_operations = {
    .list = move_postgres_list,
    .choose = move_postgres_choose,
    .look = move_postgres_look,
    .save = move_postgres_save,
    .drain = move_postgres_drain,
    .remove = move_postgres_remove,
    .read = move_postgres_read,
    .read_last = move_postgres_read_last,
    .write = move_postgres_write,
    .clear = move_postgres_clear,
    .destroy = move_postgres_destroy,
};

struct side *side_postgres_open(const char *conninfo, char *reason, size_t reason_bytes)
{
    struct postgres_side *side = calloc(1, sizeof *side);
    enum store_result result = STORE_OK;

    must(side != NULL);
    side->side.operations = &move_operations;
    struct side *opened = &side->side;
    side->conninfo = strdup(conninfo);
    must(side->conninfo != NULL);
    side->connection = connection_open(conninfo, "(move)", false, &result, reason, reason_bytes);
    if (side->connection == NULL) {
        move_postgres_destroy(&opened);
        return NULL;
    }
    must(PQexitPipelineMode(side->connection->link) == 1);
    must(PQsetnonblocking(side->connection->link, 0) == 0);
    snprintf(side->side.place, sizeof side->side.place, "PostgreSQL at %s", side->connection->place);
    return opened;
}
