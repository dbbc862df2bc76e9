// move.c - a folder's desk as one side of a move: the lock of a broker, rows by key, a page a transaction.

#include "broker/store/hold.h"
#include "broker/store/move/move_side.h"
#include "broker/store/sqlite/database.h"
#include "broker/store/sqlite/lock.h"
#include "proto/base/must.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_PAGES_MAX 8000 // the write-ahead log is emptied beyond, as no checkpointer runs here

struct sqlite_side {
    struct side side;
    int lock;
    struct database *database;
    char desk[MOVE_NAME_BYTES];
};

static struct sqlite_side *move_own(struct side *side)
{
    return (struct sqlite_side *) (void *) side;
}

// Leaves the reason of the error that stands; what was begun is undone.
static bool move_failed(struct sqlite_side *side)
{
    sqlite3 *connection = side->database->connection;
    const char *advice = "mend it and start the same move again";

    snprintf(side->side.reason, sizeof side->side.reason, "%s cannot be used (%s, %s): %s", side->database->path,
             sqlite3_errstr(sqlite3_extended_errcode(connection)), sqlite3_errmsg(connection), advice);
    if (!sqlite3_get_autocommit(connection)) {
        (void) sqlite3_exec(connection, "ROLLBACK", NULL, NULL, NULL);
    }
    database_clear(side->database);
    return false;
}

static bool move_run(struct sqlite_side *side, const char *sql)
{
    return sqlite3_exec(side->database->connection, sql, NULL, NULL, NULL) == SQLITE_OK || move_failed(side);
}

// The desk is ?1 of every statement.
static sqlite3_stmt *move_prepare(struct sqlite_side *side, const char *sql)
{
    sqlite3_stmt *statement = NULL;

    if (sqlite3_prepare_v2(side->database->connection, sql, -1, &statement, NULL) != SQLITE_OK ||
        (sqlite3_bind_parameter_count(statement) > 0 &&
         sqlite3_bind_text(statement, 1, side->desk, -1, SQLITE_STATIC) != SQLITE_OK)) {
        sqlite3_finalize(statement);
        (void) move_failed(side);
        return NULL;
    }
    return statement;
}

// Runs a statement that gives no rows and frees it.
static bool move_finish(struct sqlite_side *side, sqlite3_stmt *statement)
{
    bool done = statement != NULL && sqlite3_step(statement) == SQLITE_DONE;

    if (statement != NULL && !done) {
        (void) move_failed(side);
    }
    sqlite3_finalize(statement);
    return done;
}

static bool move_sqlite_list(struct side *base, char *names, size_t names_bytes, size_t *count)
{
    struct sqlite_side *side = move_own(base);
    sqlite3_stmt *statement = move_prepare(side, "SELECT desk FROM desk ORDER BY desk");
    int step = SQLITE_ERROR;
    size_t at = 0;

    *count = 0;
    names[0] = '\0';
    while (statement != NULL && (step = sqlite3_step(statement)) == SQLITE_ROW) {
        const char *name = (const char *) sqlite3_column_text(statement, 0);
        if (name != NULL && at + strlen(name) + 3 < names_bytes) {
            at += (size_t) snprintf(names + at, names_bytes - at, "%s%s", *count == 0 ? "" : ", ", name);
        }
        ++*count;
    }
    bool done = step == SQLITE_DONE || (statement != NULL && move_failed(side));
    sqlite3_finalize(statement);
    return done;
}

static bool move_sqlite_choose(struct side *base, const char *desk)
{
    snprintf(move_own(base)->desk, sizeof move_own(base)->desk, "%s", desk);
    return true;
}

static void move_copy_column(sqlite3_stmt *statement, int column, char *text, size_t text_bytes)
{
    const unsigned char *value = sqlite3_column_text(statement, column);

    snprintf(text, text_bytes, "%s", value == NULL ? "" : (const char *) value);
}

static bool move_sqlite_look(struct side *base, struct desk_row *row)
{
    struct sqlite_side *side = move_own(base);
    sqlite3_stmt *statement =
        move_prepare(side, "SELECT epoch, sequence, next_id, clock_ms, confirmed, held, held_place,"
                           " held_ms, held_move, held_epoch FROM desk WHERE desk = ?1");

    *row = (struct desk_row){ 0 };
    if (statement == NULL) {
        return false;
    }
    int step = sqlite3_step(statement);
    if (step == SQLITE_ROW) {
        row->found = true;
        row->epoch = sqlite3_column_int64(statement, 0);
        row->sequence = sqlite3_column_int64(statement, 1);
        row->next_id = sqlite3_column_int64(statement, 2);
        row->clock_ms = sqlite3_column_int64(statement, 3);
        row->confirmed = sqlite3_column_int64(statement, 4);
        move_copy_column(statement, 5, row->held, sizeof row->held);
        move_copy_column(statement, 6, row->held_place, sizeof row->held_place);
        row->held_ms = sqlite3_column_int64(statement, 7);
        move_copy_column(statement, 8, row->held_move, sizeof row->held_move);
        row->held_epoch = sqlite3_column_int64(statement, 9);
    }
    bool good = step == SQLITE_ROW || step == SQLITE_DONE || move_failed(side);
    sqlite3_finalize(statement);
    return good;
}

static bool move_bind_row(sqlite3_stmt *statement, const struct desk_row *row)
{
    const int64_t numbers[] = { row->epoch,     row->sequence, row->next_id,   row->clock_ms,
                                row->confirmed, row->held_ms,  row->held_epoch };
    const char *const given[] = { row->held, row->held_place, row->held_move };
    int at = 2;

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (sqlite3_bind_int64(statement, at++, numbers[i]) != SQLITE_OK) {
            return false;
        }
    }
    for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
        if (sqlite3_bind_text(statement, at++, given[i], -1, SQLITE_STATIC) != SQLITE_OK) {
            return false;
        }
    }
    return true;
}

static bool move_changed_one(struct sqlite_side *side, sqlite3_stmt *statement)
{
    if (!move_finish(side, statement)) {
        return false;
    }
    if (sqlite3_changes(side->database->connection) != 1) {
        snprintf(side->side.reason, sizeof side->side.reason,
                 "the desk %s in %s was changed meanwhile: start the same move again", side->desk, side->side.place);
        return false;
    }
    return true;
}

// A folder has one desk.
static bool move_has_room(struct sqlite_side *side)
{
    sqlite3_stmt *statement = move_prepare(side, "SELECT desk FROM desk WHERE desk <> ?1");
    int step = statement == NULL ? SQLITE_ERROR : sqlite3_step(statement);

    if (step == SQLITE_ROW) {
        snprintf(side->side.reason, sizeof side->side.reason,
                 "%s has the desk %.64s already: give a folder of its own for %s", side->side.place,
                 (const char *) sqlite3_column_text(statement, 0), side->desk);
    }
    bool room = step == SQLITE_DONE || (statement != NULL && step != SQLITE_ROW && move_failed(side));
    sqlite3_finalize(statement);
    return room;
}

static bool move_sqlite_save(struct side *base, const struct desk_row *seen, const struct desk_row *row)
{
    struct sqlite_side *side = move_own(base);
    if (!seen->found && !move_has_room(side)) {
        return false;
    }
    sqlite3_stmt *statement = move_prepare(
        side, seen->found ? "UPDATE desk SET epoch = ?2, sequence = ?3, next_id = ?4, clock_ms = ?5, confirmed = ?6,"
                            " held_ms = ?7, held_epoch = ?8, held = ?9, held_place = ?10, held_move = ?11"
                            " WHERE desk = ?1 AND epoch = ?12 AND sequence = ?13"
                          : "INSERT INTO desk (desk, owner, epoch, sequence, next_id, clock_ms, confirmed, held_ms,"
                            " held_epoch, held, held_place, held_move)"
                            " VALUES (?1, '', ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)");

    if (statement == NULL) {
        return false;
    }
    if (!move_bind_row(statement, row) ||
        (seen->found && (sqlite3_bind_int64(statement, 12, seen->epoch) != SQLITE_OK ||
                         sqlite3_bind_int64(statement, 13, seen->sequence) != SQLITE_OK))) {
        (void) move_failed(side);
        sqlite3_finalize(statement);
        return false;
    }
    return move_changed_one(side, statement);
}

static bool move_sqlite_remove(struct side *base, const struct desk_row *seen)
{
    struct sqlite_side *side = move_own(base);
    sqlite3_stmt *statement = move_prepare(side, "DELETE FROM desk WHERE desk = ?1 AND epoch = ?2");

    if (statement != NULL && sqlite3_bind_int64(statement, 2, seen->epoch) != SQLITE_OK) {
        (void) move_failed(side);
        sqlite3_finalize(statement);
        return false;
    }
    return move_changed_one(side, statement);
}

// ---- rows ----

static void move_write_keys(FILE *out, const struct move_table *table, const char *suffix)
{
    for (int i = 0; i < table->keys; i++) {
        fprintf(out, "%s%s%s", i == 0 ? "" : ", ", table->columns[i].name, suffix);
    }
}

// SELECT ... FROM table WHERE desk = ?1, and so on; freed by the caller.
static char *move_make_select(const struct move_table *table, bool behind, const char *order, int rows)
{
    char *sql = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&sql, &bytes);

    must(out != NULL);
    fputs("SELECT ", out);
    for (int i = 0; i < table->column_count; i++) {
        const struct move_column *column = &table->columns[i];
        fprintf(out, "%s%s", i == 0 ? "" : ", ", column->sqlite == NULL ? column->name : column->sqlite);
    }
    fprintf(out, " FROM %s WHERE desk = ?1", table->sqlite);
    if (behind) {
        fputs(" AND (", out);
        move_write_keys(out, table, "");
        fputs(") > (", out);
        for (int i = 0; i < table->keys; i++) {
            fprintf(out, "%s?%d", i == 0 ? "" : ", ", i + 2);
        }
        fputs(")", out);
    }
    fputs(" ORDER BY ", out);
    move_write_keys(out, table, order);
    fprintf(out, " LIMIT %d", rows);
    must(fclose(out) == 0);
    return sql;
}

static void move_take_row(struct page *page, sqlite3_stmt *statement, const struct move_table *table)
{
    for (int i = 0; i < table->column_count; i++) {
        enum move_type type = table->columns[i].type;
        if (type == MOVE_NUMBER || type == MOVE_FLAG) {
            int64_t number = sqlite3_column_int64(statement, i);
            page_add_number(page, type == MOVE_FLAG ? number != 0 : number);
        } else if (type == MOVE_TEXT_OR_NULL && sqlite3_column_type(statement, i) == SQLITE_NULL) {
            page_add_null(page);
        } else {
            const unsigned char *text = sqlite3_column_text(statement, i);
            page_add_text(page, text == NULL ? "" : (const char *) text, (size_t) sqlite3_column_bytes(statement, i));
        }
    }
    page->row_count++;
}

static bool move_bind_place(sqlite3_stmt *statement, const struct move_table *table, const struct place_in_table *after)
{
    for (int i = 0; after->is_set && i < table->keys; i++) {
        int result = table->columns[i].type == MOVE_TEXT
                         ? sqlite3_bind_text(statement, i + 2, after->texts[i], -1, SQLITE_STATIC)
                         : sqlite3_bind_int64(statement, i + 2, after->numbers[i]);
        if (result != SQLITE_OK) {
            return false;
        }
    }
    return true;
}

static bool move_read_rows(struct sqlite_side *side, const struct move_table *table, const struct place_in_table *after,
                           const char *order, int rows, struct page *page)
{
    char *sql = move_make_select(table, after->is_set, order, rows);
    sqlite3_stmt *statement = move_prepare(side, sql);
    int step = SQLITE_ERROR;

    free(sql);
    page_clear(page);
    if (statement == NULL) {
        return false;
    }
    if (move_bind_place(statement, table, after)) {
        while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
            move_take_row(page, statement, table);
        }
    }
    bool done = step == SQLITE_DONE || move_failed(side);
    sqlite3_finalize(statement);
    page->is_last = page->row_count < (size_t) rows;
    return done;
}

static bool move_sqlite_read(struct side *base, const struct move_table *table, const struct place_in_table *after,
                             struct page *page)
{
    return move_read_rows(move_own(base), table, after, "", table->page_rows, page);
}

static bool move_sqlite_read_last(struct side *base, const struct move_table *table, struct page *page)
{
    return move_read_rows(move_own(base), table, &(struct place_in_table){ 0 }, " DESC", 1, page);
}

static char *move_make_insert(const struct move_table *table)
{
    char *sql = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&sql, &bytes);

    must(out != NULL);
    fprintf(out, "INSERT INTO %s (desk", table->sqlite);
    for (int i = 0; i < table->column_count; i++) {
        if (table->columns[i].sqlite == NULL) {
            fprintf(out, ", %s", table->columns[i].name);
        }
    }
    fputs(") VALUES (?1", out);
    for (int i = 0; i < table->column_count; i++) {
        if (table->columns[i].sqlite == NULL) {
            fputs(", ?", out);
        }
    }
    fputs(")", out);
    must(fclose(out) == 0);
    return sql;
}

static bool move_insert_row(sqlite3_stmt *statement, const struct move_table *table, const struct page *page,
                            size_t row)
{
    int at = 2;
    int result = SQLITE_OK;

    for (int i = 0; result == SQLITE_OK && i < table->column_count; i++) {
        const struct cell *cell = page_cell(page, table, row, i);
        enum move_type type = table->columns[i].type;
        if (table->columns[i].sqlite != NULL) {
            continue;
        }
        if (cell->is_null) {
            result = sqlite3_bind_null(statement, at++);
        } else if (type == MOVE_NUMBER || type == MOVE_FLAG) {
            result = sqlite3_bind_int64(statement, at++, cell->number);
        } else {
            result = sqlite3_bind_text(statement, at++, page_text(page, cell), (int) cell->bytes, SQLITE_STATIC);
        }
    }
    return result == SQLITE_OK && sqlite3_step(statement) == SQLITE_DONE && sqlite3_reset(statement) == SQLITE_OK;
}

static void move_bound_log(struct sqlite_side *side)
{
    if (side->database->log_pages > LOG_PAGES_MAX &&
        sqlite3_wal_checkpoint_v2(side->database->connection, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) ==
            SQLITE_OK) {
        side->database->log_pages = 0;
    }
}

static bool move_sqlite_write(struct side *base, const struct move_table *table, const struct page *page)
{
    struct sqlite_side *side = move_own(base);

    if (!move_run(side, "BEGIN IMMEDIATE")) {
        return false;
    }
    char *sql = move_make_insert(table);
    sqlite3_stmt *statement = move_prepare(side, sql);
    bool written = statement != NULL;
    free(sql);
    for (size_t row = 0; written && row < page->row_count; row++) {
        written = move_insert_row(statement, table, page, row) || move_failed(side);
    }
    sqlite3_finalize(statement);
    if (!written || !move_run(side, "COMMIT")) {
        return false;
    }
    move_bound_log(side);
    return true;
}

// A part at a time, so that the log stays bounded.
static bool move_sqlite_clear(struct side *base, const struct move_table *table)
{
    struct sqlite_side *side = move_own(base);
    char *sql = NULL;
    size_t bytes = 0;
    bool done = true;
    int removed = 1;
    FILE *out = open_memstream(&sql, &bytes);

    must(out != NULL);
    fprintf(out, "DELETE FROM %s WHERE desk = ?1 AND (", table->sqlite);
    move_write_keys(out, table, "");
    fputs(") IN (SELECT ", out);
    move_write_keys(out, table, "");
    fprintf(out, " FROM %s WHERE desk = ?1 LIMIT 5000)", table->sqlite);
    must(fclose(out) == 0);
    while (done && removed > 0) {
        // All changes: those that a view's trigger made count, too.
        int before = sqlite3_total_changes(side->database->connection);
        done = move_finish(side, move_prepare(side, sql));
        removed = done ? sqlite3_total_changes(side->database->connection) - before : 0;
        move_bound_log(side);
    }
    free(sql);
    return done;
}

static void move_sqlite_destroy(struct side **side_p)
{
    struct sqlite_side *side = move_own(*side_p);

    if (side == NULL) {
        return;
    }
    database_close(&side->database, false);
    if (side->lock >= 0) {
        (void) close(side->lock);
    }
    free(side);
    *side_p = NULL;
}

static const struct side_operations move_operations = {
    .list = move_sqlite_list,
    .choose = move_sqlite_choose,
    .look = move_sqlite_look,
    .save = move_sqlite_save,
    .remove = move_sqlite_remove,
    .read = move_sqlite_read,
    .read_last = move_sqlite_read_last,
    .write = move_sqlite_write,
    .clear = move_sqlite_clear,
    .destroy = move_sqlite_destroy,
};

static bool move_has_store(const char *folder)
{
    char *path = NULL;

    must(asprintf(&path, "%s/behalf.db", folder) >= 0);
    bool found = access(path, F_OK) == 0;
    free(path);
    return found;
}

static void move_note_place(struct sqlite_side *side, const char *folder)
{
    char *whole = realpath(folder, NULL);

    snprintf(side->side.place, sizeof side->side.place, "%.400s", whole == NULL ? folder : whole);
    free(whole);
}

struct side *side_sqlite_open(const char *folder, bool may_make, char *reason, size_t reason_bytes)
{
    enum store_result result = STORE_OK;

    if (!may_make && !move_has_store(folder)) {
        snprintf(reason, reason_bytes, "%s has no store: give the folder that the broker's --data names", folder);
        return NULL;
    }
    int lock = lock_folder(folder, reason, reason_bytes);
    if (lock < 0) {
        return NULL;
    }
    struct sqlite_side *side = calloc(1, sizeof *side);
    must(side != NULL);
    side->side.operations = &move_operations;
    side->lock = lock;
    move_note_place(side, folder);
    // What an earlier failure left in the log may not be on disk yet, though it reads as if it were.
    if (database_rewrite_log(folder, reason, reason_bytes)) {
        side->database = database_open(folder, "", false, &result, reason, reason_bytes);
    }
    struct side *opened = &side->side;
    if (side->database == NULL) {
        move_sqlite_destroy(&opened);
    }
    return opened;
}
