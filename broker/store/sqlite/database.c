// database.c - the connection, its settings, its migrations, and what its errors mean.

#include "broker/store/sqlite/database.h"

#include "broker/store/column_lists.h"
#include "broker/store/sqlite/accept_loss.h"
#include "broker/store/sqlite/migrations.h"
#include "broker/store/sqlite/page_check.h"
#include "broker/store/sqlite/upgrade.h"
#include "broker/store/sqlite/views.h"
#include "proto/base/clocks.h"
#include "proto/base/must.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NAME "behalf.db"
#define BUSY_MS 1000
#define ONE_DESK_SCHEMA 9      // from which on a file has one desk
#define PROGRESS_MS 5000       // between a word on what takes long and the next
#define PROGRESS_STEPS 1000000 // of SQLite's machine, after which it looks at the clock

static const char *const database_texts[STATEMENT_COUNT] = {
#define STATEMENT(NAME, sql) [STATEMENT_##NAME] = sql,
#define STATEMENT_OF_DESK(NAME, sql) [STATEMENT_##NAME] = sql,
#include "broker/store/sqlite/statements.def"
};

static const bool database_of_desk[STATEMENT_COUNT] = {
#define STATEMENT(NAME, sql)
#define STATEMENT_OF_DESK(NAME, sql) [STATEMENT_##NAME] = true,
#include "broker/store/sqlite/statements.def"
};

static char *database_format_path(const char *folder, const char *name)
{
    char *path = NULL;

    must(asprintf(&path, "%s/%s", folder, name) >= 0);
    return path;
}

static void database_note_error(struct database *database, int error)
{
    if (database->error != SQLITE_OK) {
        return;
    }
    database->error = error;
    if (error == SQLITE_IOERR_DATA) {
        page_check_describe(database->connection, database->message, sizeof database->message);
    } else {
        snprintf(database->message, sizeof database->message, "%s", sqlite3_errmsg(database->connection));
    }
}

void database_clear(struct database *database)
{
    database->error = SQLITE_OK;
    database->message[0] = 0;
}

bool database_run(struct database *database, const char *sql)
{
    int result = sqlite3_exec(database->connection, sql, NULL, NULL, NULL);

    if (result != SQLITE_OK) {
        database_note_error(database, result);
    }
    return result == SQLITE_OK;
}

enum store_result database_result(const struct database *database, char *reason, size_t reason_bytes)
{
    const char *path = database->path;
    const char *message = database->message;

    if (database->error == SQLITE_IOERR_DATA) {
        loss_describe_damage(database->folder, message, reason, reason_bytes);
        return STORE_CONTRADICTED;
    }
    switch (database->error & 0xFF) {
    case SQLITE_OK:
        return STORE_OK;
    case SQLITE_FULL:
        snprintf(reason, reason_bytes, "the disk of %s is full: free space; nothing acknowledged is lost", path);
        return STORE_UNAVAILABLE;
    case SQLITE_IOERR:
        snprintf(reason, reason_bytes,
                 "the disk of %s fails (%s): see the system's log and mend or replace it; nothing acknowledged is lost",
                 path, sqlite3_errstr(database->error));
        return STORE_UNAVAILABLE;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        snprintf(reason, reason_bytes, "another program has %s locked for writing: end its transaction", path);
        return STORE_UNAVAILABLE;
    case SQLITE_NOMEM:
        snprintf(reason, reason_bytes, "no memory left for %s: free some", path);
        return STORE_UNAVAILABLE;
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        snprintf(reason, reason_bytes, "%s cannot be written (%s): check its rights and that its disk is writable",
                 path, message);
        return database->error == SQLITE_READONLY_DBMOVED ? STORE_CONTRADICTED : STORE_UNAVAILABLE;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        snprintf(reason, reason_bytes, "%s is damaged (%s): restore it from a backup", path, message);
        return STORE_CONTRADICTED;
    default:
        snprintf(reason, reason_bytes, "%s contradicts the desk (%s): the broker must start again from it", path,
                 message);
        return STORE_CONTRADICTED;
    }
}

bool database_is_damaged(const struct database *database)
{
    return database->error == SQLITE_IOERR_DATA || (database->error & 0xFF) == SQLITE_CORRUPT ||
           (database->error & 0xFF) == SQLITE_NOTADB;
}

static int64_t database_read_schema(struct database *database)
{
    sqlite3_stmt *statement = NULL;
    int64_t schema = -1;
    int result = sqlite3_prepare_v2(database->connection, "PRAGMA user_version", -1, &statement, NULL);

    if (result == SQLITE_OK) {
        result = sqlite3_step(statement);
        if (result == SQLITE_ROW) {
            schema = sqlite3_column_int64(statement, 0);
        }
    }
    if (schema < 0) {
        database_note_error(database, result);
    }
    sqlite3_finalize(statement);
    return schema;
}

// A store of a former version may have several desks, of which none may be lost.
static bool database_has_one_desk(struct database *database)
{
    sqlite3_stmt *statement = NULL;
    int64_t desks = 0;
    int result = sqlite3_prepare_v2(database->connection, "SELECT count(*) FROM desk", -1, &statement, NULL);

    if (result == SQLITE_OK) {
        result = sqlite3_step(statement);
        desks = result == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    }
    if (result != SQLITE_ROW) {
        database_note_error(database, result);
    }
    sqlite3_finalize(statement);
    return desks <= 1;
}

// A migration that takes long.
struct progress {
    const struct database *database;
    int number;
    int64_t begin_ms;
    int64_t next_ms;
};

static int database_note_progress(void *self)
{
    struct progress *progress = self;
    int64_t now_ms = clocks_monotonic_ms();

    if (now_ms >= progress->next_ms) {
        upgrade_say("%.300s: its tables are rewritten for schema %d, %d s so far; killed, that begins anew",
                    progress->database->path, progress->number, (int) ((now_ms - progress->begin_ms) / 1000));
        progress->next_ms = now_ms + PROGRESS_MS;
    }
    return 0;
}

// With each migration, as the process may be killed before the next: what is read has the columns that the program
// knows.
static bool database_make_views(struct database *database, int number)
{
    bool made = true;

    for (size_t i = 0; made && number >= ONE_DESK_SCHEMA && i < view_count; i++) {
        made = database_run(database, views[i]);
    }
    return made;
}

static bool database_apply_migration(struct database *database, int number)
{
    struct progress progress = { .database = database, .number = number, .begin_ms = clocks_monotonic_ms() };
    char version[64];

    progress.next_ms = progress.begin_ms + PROGRESS_MS;
    snprintf(version, sizeof version, "PRAGMA user_version = %d", number);
    sqlite3_progress_handler(database->connection, PROGRESS_STEPS, database_note_progress, &progress);
    bool applied = database_run(database, "BEGIN IMMEDIATE") && database_run(database, migrations[number - 1]) &&
                   database_make_views(database, number) && database_run(database, version) &&
                   database_run(database, "COMMIT");
    if (!applied) {
        (void) sqlite3_exec(database->connection, "ROLLBACK", NULL, NULL, NULL);
    }
    sqlite3_progress_handler(database->connection, 0, NULL, NULL);
    return applied;
}

static bool database_migrate(struct database *database, int64_t schema)
{
    for (int number = (int) schema + 1; number <= migration_count; number++) {
        if (!database_apply_migration(database, number)) {
            return false;
        }
    }
    return true;
}

// Checks the schema and, where we may write, brings it up to date.  Returns what an engine would.
static enum store_result prepare_schema(struct database *database, bool read_only, char *reason, size_t reason_bytes)
{
    int64_t schema = database_read_schema(database);

    if (schema > migration_count) {
        snprintf(reason, reason_bytes,
                 "%s has schema %d, this program knows schemas up to %d: start the newer behalf-broker that made it",
                 database->path, (int) schema, migration_count);
        return STORE_CONTRADICTED;
    }
    if (schema >= 0 && schema < migration_count && read_only) {
        snprintf(reason, reason_bytes, "%s has schema %d, not %d: start the broker on it first", database->path,
                 (int) schema, migration_count);
        return STORE_UNAVAILABLE;
    }
    if (schema > 0 && schema < ONE_DESK_SCHEMA && !database_has_one_desk(database)) {
        snprintf(reason, reason_bytes,
                 "%s has several desks, and a folder has one now: with behalf-ctl of the version before, move each to a"
                 " folder of its own",
                 database->path);
        return STORE_CONTRADICTED;
    }
    if (schema >= 0) {
        (void) database_migrate(database, schema);
    }
    return database_result(database, reason, reason_bytes);
}

static int database_keep_log_pages(void *self, sqlite3 *connection, const char *name, int pages)
{
    (void) connection;
    (void) name;
    ((struct database *) self)->log_pages = pages;
    return SQLITE_OK;
}

static bool database_set_up(struct database *database, bool read_only)
{
    sqlite3_busy_timeout(database->connection, BUSY_MS);
    if (read_only) {
        return database_run(database, "PRAGMA query_only = ON; PRAGMA trusted_schema = OFF");
    }
    // Checkpoints are made by checkpoint.c and, at the bound, by the writer: never within a commit.
    sqlite3_wal_hook(database->connection, database_keep_log_pages, database);
    page_check_reserve(database->connection);
    page_check_gather_log(database->connection); // as each commit is synced
    // A page that is freed is cleared, and so written: each page of the file has its checksum.
    return database_run(database,
                        "PRAGMA secure_delete = ON; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                        "PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF");
}

static void database_leave_out_statistics(void)
{
    (void) sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

// Each allocation would take a lock for statistics that nobody asks for.  To be called before anything else of
// SQLite's: too late, and left as it is, where the process has used it before.
static void database_begin(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void) pthread_once(&once, database_leave_out_statistics);
}

static void database_take_row(sqlite3_context *context, int count, sqlite3_value **values)
{
    struct database *database = sqlite3_user_data(context);

    (void) count;
    sqlite3_result_int(context, database->take_row(database->take_row_self, values));
}

static bool connect(struct database *database, bool read_only)
{
    int flags = SQLITE_OPEN_NOMUTEX | (read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);

    database_begin();
    int result = sqlite3_open_v2(database->path, &database->connection, flags, page_check_vfs());

    must(database->connection != NULL);
    sqlite3_extended_result_codes(database->connection, 1);
    if (result != SQLITE_OK) {
        database_note_error(database, sqlite3_extended_errcode(database->connection));
        return false;
    }
    must(sqlite3_create_function_v2(database->connection, "take_row", -1, SQLITE_UTF8 | SQLITE_DIRECTONLY, database,
                                    database_take_row, NULL, NULL, NULL) == SQLITE_OK);
    return database_set_up(database, read_only);
}

static enum store_result database_connect_and_prepare(struct database *database, bool read_only, char *reason,
                                                      size_t reason_bytes)
{
    return connect(database, read_only) ? prepare_schema(database, read_only, reason, reason_bytes)
                                        : database_result(database, reason, reason_bytes);
}

static void database_finalize_statements(struct database *database)
{
    for (size_t i = 0; i < STATEMENT_COUNT; i++) {
        sqlite3_finalize(database->statements[i]);
        database->statements[i] = NULL;
    }
}

bool database_upgrade(struct database *database, char *reason, size_t reason_bytes)
{
    if (page_check_is_on(database->connection)) {
        return true;
    }
    database_finalize_statements(database);
    enum upgrade upgrade = upgrade_pages(database->connection, database->path);
    // Also where it was not done: the file may have no log now, and be locked.
    must(sqlite3_close(database->connection) == SQLITE_OK);
    enum store_result result = database_connect_and_prepare(database, false, reason, reason_bytes);
    if (result == STORE_OK && upgrade == UPGRADE_DOUBT) {
        snprintf(reason, reason_bytes, "the disk of %s fails (its folder cannot be synced): mend it; nothing is lost",
                 database->path);
        return false;
    }
    return result == STORE_OK;
}

struct database *database_open(const char *folder, const char *desk, bool read_only, enum store_result *result,
                               char *reason, size_t reason_bytes)
{
    struct database *database = calloc(1, sizeof *database);

    must(database != NULL);
    database->folder = strdup(folder);
    database->path = database_format_path(folder, FILE_NAME);
    database->desk = strdup(desk);
    must(database->folder != NULL);
    must(database->desk != NULL);
    *result = database_connect_and_prepare(database, read_only, reason, reason_bytes);
    if (*result != STORE_OK) {
        database_close(&database, true);
    }
    return database;
}

struct database *database_new_in_memory(const char *desk)
{
    struct database *database = calloc(1, sizeof *database);
    char reason[256];

    must(database != NULL);
    database->path = strdup(":memory:");
    database->desk = strdup(desk);
    must(database->path != NULL);
    must(database->desk != NULL);
    must(connect(database, false));
    must(prepare_schema(database, false, reason, sizeof reason) == STORE_OK);
    return database;
}

void database_close(struct database **database_p, bool in_doubt)
{
    struct database *database = *database_p;

    if (database == NULL) {
        return;
    }
    database_finalize_statements(database);
    if (in_doubt) {
        (void) sqlite3_db_config(database->connection, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    }
    must(sqlite3_close(database->connection) == SQLITE_OK);
    free(database->folder);
    free(database->path);
    free(database->desk);
    free(database);
    *database_p = NULL;
}

// Writes each byte over itself: a page that the kernel could not write, and took for clean, is dirty again.
static int database_rewrite(sqlite3_file *file)
{
    char buffer[64 * 1024];
    sqlite3_int64 bytes = 0;
    int result = file->pMethods->xFileSize(file, &bytes);

    for (sqlite3_int64 at = 0; result == SQLITE_OK && at < bytes;) {
        int count = bytes - at < (sqlite3_int64) sizeof buffer ? (int) (bytes - at) : (int) sizeof buffer;
        result = file->pMethods->xRead(file, buffer, count, at);
        result = result == SQLITE_OK ? file->pMethods->xWrite(file, buffer, count, at) : result;
        at += count;
    }
    return result == SQLITE_OK ? file->pMethods->xSync(file, SQLITE_SYNC_FULL) : result;
}

bool database_rewrite_log(const char *folder, char *reason, size_t reason_bytes)
{
    database_begin();
    // Through SQLite's way to the disk, so that whatever stands in for it is asked here, too.
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    char *path = database_format_path(folder, FILE_NAME "-wal");
    sqlite3_file *file = calloc(1, (size_t) vfs->szOsFile);
    int present = 0;
    int result = vfs->xAccess(vfs, path, SQLITE_ACCESS_EXISTS, &present);

    must(file != NULL);
    if (result == SQLITE_OK && present != 0) {
        result = vfs->xOpen(vfs, path, file, SQLITE_OPEN_READWRITE | SQLITE_OPEN_WAL, NULL);
    }
    if (result == SQLITE_OK && file->pMethods != NULL) {
        result = database_rewrite(file);
    }
    if (result != SQLITE_OK) {
        snprintf(reason, reason_bytes, "the disk of %s fails (%s): mend it; nothing acknowledged is lost", path,
                 sqlite3_errstr(result));
    }
    if (file->pMethods != NULL) {
        (void) file->pMethods->xClose(file);
    }
    free(file);
    free(path);
    return result == SQLITE_OK;
}

struct binding database_bind(struct database *database, enum statement statement)
{
    sqlite3_stmt **prepared = &database->statements[statement];

    if (*prepared == NULL) {
        int result = sqlite3_prepare_v3(database->connection, database_texts[statement], -1, SQLITE_PREPARE_PERSISTENT,
                                        prepared, NULL);
        if (result != SQLITE_OK) {
            database_note_error(database, result);
        }
    }
    struct binding binding = { .database = database, .statement = *prepared };
    if (database_of_desk[statement]) {
        bind_text(&binding, database->desk);
    }
    return binding;
}

static void database_check(struct binding *binding, int result)
{
    if (result != SQLITE_OK) {
        database_note_error(binding->database, result);
        binding_end(binding);
    }
}

void bind_text(struct binding *binding, const char *text)
{
    if (binding->statement != NULL) {
        database_check(binding, sqlite3_bind_text(binding->statement, ++binding->at, text, -1, SQLITE_STATIC));
    }
}

void bind_number(struct binding *binding, int64_t number)
{
    if (binding->statement != NULL) {
        database_check(binding, sqlite3_bind_int64(binding->statement, ++binding->at, number));
    }
}

void bind_id(struct binding *binding, uint64_t id)
{
    bind_number(binding, (int64_t) id);
}

void bind_flag(struct binding *binding, bool flag)
{
    bind_number(binding, flag);
}

void binding_end(struct binding *binding)
{
    if (binding->statement != NULL) {
        (void) sqlite3_reset(binding->statement);
        (void) sqlite3_clear_bindings(binding->statement);
        binding->statement = NULL;
    }
}

bool binding_row(struct binding *binding)
{
    if (binding->statement == NULL) {
        return false;
    }
    int result = sqlite3_step(binding->statement);
    if (result == SQLITE_ROW) {
        binding->column = 0;
        return true;
    }
    if (result != SQLITE_DONE) {
        database_note_error(binding->database, result);
    }
    binding_end(binding);
    return false;
}

bool binding_run(struct binding *binding)
{
    bool row = binding_row(binding);

    must(!row);
    return binding->database->error == SQLITE_OK;
}

const char *row_text(struct binding *binding)
{
    const unsigned char *text = sqlite3_column_text(binding->statement, binding->column++);

    return text == NULL ? "" : (const char *) text;
}

int64_t row_number(struct binding *binding)
{
    return sqlite3_column_int64(binding->statement, binding->column++);
}

uint64_t row_id(struct binding *binding)
{
    return (uint64_t) row_number(binding);
}

bool row_flag(struct binding *binding)
{
    return row_number(binding) != 0;
}

bool row_is_null(const struct binding *binding)
{
    return sqlite3_column_type(binding->statement, binding->column) == SQLITE_NULL;
}
