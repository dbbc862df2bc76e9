// engine.c - the engine on SQLite: one file, write-ahead log, one transaction a group of batches.
//
// The file is kept for a broker by a lock beside it and fenced by the desk's row.  The write-ahead log is
// bounded here: checkpoints ride on a thread of their own, and the writer pauses for the little that they leave behind;
// when they cannot keep up, it empties the log itself at the bound.  A COMMIT that failed is in doubt: nothing is
// committed until the position was read from the file opened anew, after its log was written and synced once more; so
// it is at each start that finds a log.  In memory, for tests, there is neither file nor log, and only the fence is
// left of this.

#include "broker/store/hold.h"
#include "broker/store/sqlite/accept_loss.h"
#include "broker/store/sqlite/checkpoint.h"
#include "broker/store/sqlite/inspection.h"
#include "broker/store/sqlite/lock.h"
#include "broker/store/sqlite/marks.h"
#include "broker/store/sqlite/page_check.h"
#include "broker/store/sqlite/records.h"
#include "proto/base/must.h"

#include <string.h>
#include <unistd.h>
#include <inttypes.h>
#include <limits.h>
#include <sys/stat.h>

#define PAGE_BYTES 4096
#define LOG_PAGES_MAX (64 * 1024 * 1024 / PAGE_BYTES)   // the writer pauses and empties the log
#define LOG_PAGES_AGAIN (16 * 1024 * 1024 / PAGE_BYTES) // what a reader pinned is tried again this many pages later
#define LOG_PAGES_ROUTINE 1000                          // not in the file yet: a checkpoint on the side is asked for
// From here on the writer pauses for the rest of the log, when that is little and nothing else is being moved: then the
// log begins anew.
#define LOG_PAGES_PAUSE (8 * 1024 * 1024 / PAGE_BYTES)
#define LOG_PAGES_REST (2 * 1024 * 1024 / PAGE_BYTES)

struct sqlite_engine {
    struct engine engine;
    char *folder; // NULL: in memory, in a database that the caller keeps
    char *desk;
    bool read_only;
    int lock;                  // -1 for a handle of reports and in memory
    struct database *database; // NULL while it could not be opened again
    struct coalescer *coalescer;
    struct checkpointer *checkpointer;
    struct marks marks;            // as they were when the store was opened
    struct marker *marker;         // NULL before the desk is taken over
    struct inspection *inspection; // looks for damage; NULL before the desk is taken over
    unsigned bad_reads;            // of this process, when the inspection was told last
    bool doubt;                    // position() must be read first
    bool log_suspect;              // what the log says may not be on the disk: it is written anew before it is believed
    int log_pages_next;            // empty the log when it has this many
    int log_pages_pause;           // pause for the rest of it when it has this many
    char description[320];
};

static struct sqlite_engine *sqlite_own(struct engine *engine)
{
    return (struct sqlite_engine *) (void *) engine;
}

static void sqlite_close_database(struct sqlite_engine *engine)
{
    if (engine->folder == NULL) {
        return;
    }
    checkpointer_destroy(&engine->checkpointer);
    database_close(&engine->database, engine->doubt);
}

// Opens the file again if it is not; leaves the result of what stands in the way.
static enum store_result sqlite_require_database(struct sqlite_engine *engine)
{
    enum store_result result = STORE_OK;

    if (engine->database == NULL && engine->log_suspect &&
        !database_rewrite_log(engine->folder, engine->engine.reason, sizeof engine->engine.reason)) {
        return STORE_UNAVAILABLE;
    }
    if (engine->database == NULL) {
        engine->log_suspect = false;
        engine->database = database_open(engine->folder, engine->desk, engine->read_only, &result,
                                         engine->engine.reason, sizeof engine->engine.reason);
        engine->log_pages_next = LOG_PAGES_MAX;
        engine->log_pages_pause = LOG_PAGES_PAUSE;
        if (engine->database != NULL && !engine->read_only) {
            engine->checkpointer = checkpointer_new(engine->database->path);
        }
    }
    if (engine->database != NULL) {
        database_clear(engine->database);
    }
    return result;
}

// Damage that the error which stands has found: the next start does not go on by itself either.  Of a damaged file that
// an operator has accepted, only pages count that were changed since.
static void sqlite_note_damage(struct sqlite_engine *engine)
{
    bool damaged = engine->marks.damage == DAMAGE_ACCEPTED ? engine->database->error == SQLITE_IOERR_DATA
                                                           : database_is_damaged(engine->database);

    if (damaged && engine->marker != NULL) {
        engine->marks.damage = DAMAGE_FOUND;
        marker_note_damage(engine->marker, DAMAGE_FOUND);
    }
}

// The result of the error that stands.  After a failure of the disk the file is opened anew next time.
static enum store_result sqlite_result_of(struct sqlite_engine *engine)
{
    enum store_result result = database_result(engine->database, engine->engine.reason, sizeof engine->engine.reason);

    sqlite_note_damage(engine);
    if ((engine->database->error & 0xFF) == SQLITE_IOERR) {
        engine->log_suspect = !engine->read_only;
        sqlite_close_database(engine);
    }
    return result;
}

// Undoes the open transaction and gives the result of the error that led here.
static enum store_result sqlite_roll_back(struct sqlite_engine *engine)
{
    sqlite3 *connection = engine->database->connection;
    enum store_result result = database_result(engine->database, engine->engine.reason, sizeof engine->engine.reason);

    sqlite_note_damage(engine);
    if (!sqlite3_get_autocommit(connection)) {
        (void) sqlite3_exec(connection, "ROLLBACK", NULL, NULL, NULL);
    }
    if (!sqlite3_get_autocommit(connection) || (engine->database->error & 0xFF) == SQLITE_IOERR) {
        engine->log_suspect = true;
        sqlite_close_database(engine);
    }
    return result;
}

// Commits.  When that fails nobody knows what is on disk: the frames may be there, or get there.
static enum store_result sqlite_commit_transaction(struct sqlite_engine *engine)
{
    if (database_run(engine->database, "COMMIT")) {
        return STORE_OK;
    }
    if ((engine->database->error & 0xFF) == SQLITE_BUSY) {
        return sqlite_roll_back(engine);
    }
    engine->doubt = true;
    (void) sqlite_roll_back(engine);
    return STORE_IN_DOUBT;
}

// Pages of the log that are not in the file yet; INT_MAX while a checkpoint is being made.
static int sqlite_rest_of_log(const struct sqlite_engine *engine)
{
    int pages = engine->database->log_pages;
    int moved = checkpointer_moved(engine->checkpointer);

    return moved < 0 ? INT_MAX : moved > pages ? pages : pages - moved;
}

// Lets the log begin anew where that takes little.  A reader in the way is not waited for.
static void sqlite_pause_for_rest(struct sqlite_engine *engine)
{
    int pages = engine->database->log_pages;

    if (pages < engine->log_pages_pause || sqlite_rest_of_log(engine) > LOG_PAGES_REST) {
        return;
    }
    engine->log_pages_pause =
        checkpointer_finish(engine->checkpointer) < pages ? pages + LOG_PAGES_AGAIN : LOG_PAGES_PAUSE;
}

// A reader in the way (an analyst's open transaction) is waited for as long as the busy timeout; then we go on, and try
// again when the log has grown by some more.
static void sqlite_empty_log(struct sqlite_engine *engine)
{
    struct database *database = engine->database;

    checkpointer_rest(engine->checkpointer);
    int result = sqlite3_wal_checkpoint_v2(database->connection, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    if (result == SQLITE_OK) {
        database->log_pages = 0;
        engine->log_pages_next = LOG_PAGES_MAX;
        engine->log_pages_pause = LOG_PAGES_PAUSE;
    } else {
        engine->log_pages_next = database->log_pages + LOG_PAGES_AGAIN;
    }
}

// Empties the log when it has reached the bound, and once a log that a reader let grow beyond that has begun anew: then
// its file is too large.
static void sqlite_bound_log(struct sqlite_engine *engine)
{
    int pages = engine->database->log_pages;

    if (pages >= engine->log_pages_next || (engine->log_pages_next > LOG_PAGES_MAX && pages < LOG_PAGES_PAUSE)) {
        sqlite_empty_log(engine);
    } else {
        sqlite_pause_for_rest(engine);
    }
}

static enum store_result sqlite_read_position(struct sqlite_engine *engine, struct store_position *position)
{
    struct binding binding = database_bind(engine->database, STATEMENT_POSITION);

    if (!binding_row(&binding)) {
        if (engine->database->error != SQLITE_OK) {
            return sqlite_result_of(engine);
        }
        snprintf(engine->engine.reason, sizeof engine->engine.reason, "%s has no desk named %s", engine->database->path,
                 engine->desk);
        return STORE_CONTRADICTED;
    }
    position->epoch = row_id(&binding);
    position->sequence = row_id(&binding);
    position->next_id = row_id(&binding);
    position->clock_ms = row_number(&binding);
    binding_end(&binding);
    return STORE_OK;
}

// Moves the desk from one position to another; `*moved` tells whether it was where we believe.
static bool sqlite_move(struct database *database, const struct store_position *from, const struct store_position *to,
                        bool *moved)
{
    struct binding binding = database_bind(database, STATEMENT_MOVE);

    bind_id(&binding, from->epoch);
    bind_id(&binding, from->sequence);
    bind_id(&binding, to->sequence);
    bind_id(&binding, to->next_id);
    bind_number(&binding, to->clock_ms);
    if (!binding_run(&binding)) {
        return false;
    }
    *moved = sqlite3_changes(database->connection) == 1;
    return true;
}

// The desk's row is not at `from`: either the group is on disk already, or the desk is somebody else's now.
static enum store_result sqlite_judge_mismatch(struct sqlite_engine *engine, const struct store_position *to)
{
    struct store_position found = { 0 };

    (void) sqlite_roll_back(engine);
    enum store_result result = sqlite_require_database(engine);
    if (result == STORE_OK) {
        result = sqlite_read_position(engine, &found);
    }
    if (result != STORE_OK || (found.epoch == to->epoch && found.sequence == to->sequence)) {
        return result;
    }
    snprintf(engine->engine.reason, sizeof engine->engine.reason,
             "the desk %s is at epoch %llu, sequence %llu, not where this broker believes it: another broker has taken"
             " it over",
             engine->desk, (unsigned long long) found.epoch, (unsigned long long) found.sequence);
    return STORE_CONTRADICTED;
}

static enum store_result sqlite_write_group(struct sqlite_engine *engine, struct batch *batch)
{
    struct database *database = engine->database;
    bool moved = false;

    sqlite_bound_log(engine);
    if (!database_run(database, "BEGIN IMMEDIATE") ||
        !sqlite_move(database, batch_from(batch), batch_group_to(batch), &moved)) {
        return sqlite_roll_back(engine);
    }
    if (!moved) {
        return sqlite_judge_mismatch(engine, batch_group_to(batch));
    }
    if (!write_changes(database, engine->coalescer, batch)) {
        return sqlite_roll_back(engine);
    }
    enum store_result result = sqlite_commit_transaction(engine);
    if (result == STORE_OK && database->log_pages >= LOG_PAGES_ROUTINE) {
        int rest = sqlite_rest_of_log(engine);
        if (rest >= LOG_PAGES_ROUTINE && rest < INT_MAX) {
            checkpointer_wake(engine->checkpointer);
        }
    }
    return result;
}

// Of the file: what the log holds may begin anew at its start, while the file keeps its size.
static int64_t sqlite_log_bytes(const struct sqlite_engine *engine)
{
    char path[PATH_MAX];
    struct stat about;

    snprintf(path, sizeof path, "%s-wal", engine->database->path);
    return stat(path, &about) == 0 ? (int64_t) about.st_size : 0;
}

static const char *sqlite_describe(const struct engine *base)
{
    struct sqlite_engine *engine = sqlite_own((struct engine *) base);

    if (engine->folder == NULL) {
        snprintf(engine->description, sizeof engine->description, "sqlite in memory: nothing outlives the process");
    } else if (engine->database == NULL) {
        snprintf(engine->description, sizeof engine->description, "sqlite in %.200s, closed", engine->folder);
    } else {
        snprintf(engine->description, sizeof engine->description, "sqlite in %.200s, log %" PRId64 " kB%s",
                 engine->folder, sqlite_log_bytes(engine) / 1024,
                 engine->log_pages_next > LOG_PAGES_MAX ? ", kept from shrinking by a reader's open transaction" : "");
    }
    return engine->description;
}

static enum store_result sqlite_refuse_doubt(struct sqlite_engine *engine)
{
    if (engine->engine.reason[0] == 0) {
        snprintf(engine->engine.reason, sizeof engine->engine.reason, "an earlier commit is in doubt");
    }
    return STORE_IN_DOUBT;
}

// Damage that the inspection has found stops the desk.  What another connection of ours meets, one of reports, it is
// sent to look for at once.
static enum store_result sqlite_judge_damage(struct sqlite_engine *engine)
{
    char found[256];

    if (engine->inspection == NULL) {
        return STORE_OK;
    }
    if (engine->bad_reads != page_check_count()) {
        engine->bad_reads = page_check_count();
        inspection_hurry(engine->inspection);
    }
    if (!inspection_found(engine->inspection, found, sizeof found)) {
        return STORE_OK;
    }
    engine->marks.damage = DAMAGE_FOUND;
    marker_note_damage(engine->marker, DAMAGE_FOUND);
    loss_describe_damage(engine->folder, found, engine->engine.reason, sizeof engine->engine.reason);
    return STORE_CONTRADICTED;
}

static enum store_result sqlite_commit(struct engine *base, struct batch *batch)
{
    struct sqlite_engine *engine = sqlite_own(base);
    struct batch *first = batch;

    if (engine->doubt) {
        return sqlite_refuse_doubt(engine);
    }
    if (sqlite_judge_damage(engine) != STORE_OK) {
        return STORE_CONTRADICTED;
    }
    enum store_result result = sqlite_require_database(engine);
    if (result == STORE_OK && batch_group_change_count(batch) > 0) {
        result = sqlite_write_group(engine, batch);
    }
    if (result != STORE_OK) {
        return result;
    }
    for (; batch != NULL; batch = batch_next(batch)) {
        if (!answer_questions(engine->database, batch)) {
            return sqlite_result_of(engine);
        }
    }
    if (engine->marker != NULL && batch_group_change_count(first) > 0) {
        struct store_position position = *batch_group_to(first);
        position.epoch = batch_from(first)->epoch;
        marker_note(engine->marker, &position);
    }
    return STORE_OK;
}

static enum store_result sqlite_position(struct engine *base, struct store_position *position)
{
    struct sqlite_engine *engine = sqlite_own(base);

    if (engine->doubt) {
        sqlite_close_database(engine);
        engine->log_suspect = true;
    }
    enum store_result result = sqlite_require_database(engine);
    if (result == STORE_OK) {
        result = sqlite_read_position(engine, position);
    }
    if (result == STORE_OK) {
        engine->doubt = false;
    }
    return result;
}

static bool sqlite_sign_over(struct sqlite_engine *engine)
{
    struct database *database = engine->database;
    char host[64] = "";
    char owner[128];

    (void) gethostname(host, sizeof host - 1);
    snprintf(owner, sizeof owner, "%s:%ld", host, (long) getpid());
    struct binding make = database_bind(database, STATEMENT_MAKE_DESK);
    if (!binding_run(&make)) {
        return false;
    }
    struct binding secret = database_bind(database, STATEMENT_MAKE_SECRET);
    if (!binding_run(&secret)) {
        return false;
    }
    struct binding take = database_bind(database, STATEMENT_TAKE_OVER);
    bind_text(&take, owner);
    return binding_run(&take);
}

// A file has one desk.
static enum store_result sqlite_judge_other(struct sqlite_engine *engine)
{
    struct binding binding = database_bind(engine->database, STATEMENT_OTHER_DESK);

    if (!binding_row(&binding)) {
        return engine->database->error == SQLITE_OK ? STORE_OK : sqlite_result_of(engine);
    }
    snprintf(engine->engine.reason, sizeof engine->engine.reason,
             "%s has the desk %.64s, not %s: give that one, or a folder of its own for this one",
             engine->database->path, row_text(&binding), engine->desk);
    binding_end(&binding);
    return STORE_CONTRADICTED;
}

// A desk that is being moved, or was, is not for a broker.
static enum store_result sqlite_judge_hold(struct sqlite_engine *engine)
{
    struct binding binding = database_bind(engine->database, STATEMENT_HELD);

    if (!binding_row(&binding)) {
        return engine->database->error == SQLITE_OK ? STORE_OK : sqlite_result_of(engine);
    }
    char *held = strdup(row_text(&binding));
    char *place = strdup(row_text(&binding));
    must(held != NULL);
    must(place != NULL);
    hold_describe(engine->desk, held, place, row_number(&binding), engine->engine.reason, sizeof engine->engine.reason);
    binding_end(&binding);
    free(held);
    free(place);
    return STORE_CONTRADICTED;
}

// From now on the marks tell where the desk is, and its pages are looked at.
static enum store_result sqlite_begin_marking(struct sqlite_engine *engine, const struct store_position *position)
{
    if (engine->folder == NULL) {
        return STORE_OK; // what is lost in memory is lost with whoever could miss it
    }
    if (engine->marker == NULL) {
        engine->marks.position = *position;
        engine->marker = marker_new(engine->folder, engine->desk, &engine->marks, engine->engine.reason,
                                    sizeof engine->engine.reason);
        if (engine->marker == NULL) {
            return STORE_UNAVAILABLE;
        }
        // What an operator has accepted is not found again; pages that change after that are.
        engine->bad_reads = page_check_count();
        engine->inspection = inspection_new(engine->database->path, engine->marks.damage == DAMAGE_ACCEPTED);
    }
    marker_note(engine->marker, position);
    return STORE_OK;
}

static enum store_result sqlite_take_over(struct engine *base, struct store_position *position)
{
    struct sqlite_engine *engine = sqlite_own(base);
    struct store_position unused;
    enum store_result result = engine->doubt ? sqlite_position(base, &unused) : sqlite_require_database(engine);

    if (result == STORE_OK) {
        result = sqlite_judge_other(engine);
    }
    if (result == STORE_OK) {
        result = sqlite_judge_hold(engine);
    }
    if (result != STORE_OK) {
        return result;
    }
    if (!database_run(engine->database, "BEGIN IMMEDIATE") || !sqlite_sign_over(engine)) {
        return sqlite_roll_back(engine);
    }
    result = sqlite_commit_transaction(engine);
    if (result == STORE_OK) {
        result = sqlite_read_position(engine, position);
    }
    return result == STORE_OK ? sqlite_begin_marking(engine, position) : result;
}

static enum store_result sqlite_confirm(struct engine *base)
{
    struct sqlite_engine *engine = sqlite_own(base);

    if (engine->doubt) {
        return sqlite_refuse_doubt(engine);
    }
    enum store_result result = sqlite_require_database(engine);
    if (result != STORE_OK) {
        return result;
    }
    if (!database_run(engine->database, "BEGIN IMMEDIATE")) {
        return sqlite_roll_back(engine);
    }
    struct binding confirm = database_bind(engine->database, STATEMENT_CONFIRM);
    if (!binding_run(&confirm)) {
        return sqlite_roll_back(engine);
    }
    return sqlite_commit_transaction(engine);
}

static enum store_result sqlite_secret(struct engine *base, char secret[ENGINE_SECRET_BYTES])
{
    struct sqlite_engine *engine = sqlite_own(base);
    enum store_result result = sqlite_require_database(engine);

    if (result != STORE_OK) {
        return result;
    }
    struct binding binding = database_bind(engine->database, STATEMENT_SECRET);
    if (!binding_row(&binding)) {
        return engine->database->error != SQLITE_OK ? sqlite_result_of(engine) : STORE_CONTRADICTED;
    }
    snprintf(secret, ENGINE_SECRET_BYTES, "%s", row_text(&binding));
    binding_end(&binding);
    return STORE_OK;
}

static enum store_result sqlite_read(struct engine *base, const struct store_reader *reader)
{
    struct sqlite_engine *engine = sqlite_own(base);
    enum store_result result = sqlite_require_database(engine);

    if (result == STORE_OK && !read_desk(engine->database, reader)) {
        result = sqlite_result_of(engine);
    }
    return result;
}

static enum store_result sqlite_report(struct engine *base, struct report *report)
{
    struct sqlite_engine *engine = sqlite_own(base);
    enum store_result result = sqlite_require_database(engine);

    if (result == STORE_OK && !answer_report(engine->database, report)) {
        result = sqlite_result_of(engine);
    }
    return result;
}

static void sqlite_destroy(struct engine **engine_p)
{
    if (*engine_p == NULL) {
        return;
    }
    struct sqlite_engine *engine = sqlite_own(*engine_p);
    inspection_destroy(&engine->inspection);
    if (engine->folder != NULL && engine->database != NULL && !engine->read_only && !engine->doubt) {
        // A clean stop leaves everything in the one file: the handle of reports, which closes last, cannot do that.
        checkpointer_rest(engine->checkpointer);
        (void) sqlite3_wal_checkpoint_v2(engine->database->connection, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    }
    sqlite_close_database(engine);
    coalescer_destroy(&engine->coalescer);
    marker_destroy(&engine->marker);
    if (engine->lock >= 0) {
        (void) close(engine->lock);
    }
    free(engine->folder);
    free(engine->desk);
    free(engine);
    *engine_p = NULL;
}

static const struct engine_operations sqlite_operations = {
    .name = "sqlite",
    .describe = sqlite_describe,
    .commit = sqlite_commit,
    .position = sqlite_position,
    .take_over = sqlite_take_over,
    .confirm = sqlite_confirm,
    .secret = sqlite_secret,
    .read = sqlite_read,
    .report = sqlite_report,
    .destroy = sqlite_destroy,
};

static struct sqlite_engine *sqlite_make_engine(const char *desk, int lock)
{
    struct sqlite_engine *engine = calloc(1, sizeof *engine);

    must(engine != NULL);
    engine->engine.operations = &sqlite_operations;
    engine->desk = strdup(desk);
    must(engine->desk != NULL);
    engine->coalescer = coalescer_new();
    engine->lock = lock;
    return engine;
}

static struct engine *sqlite_open_engine(const char *folder, const char *desk, int lock, char *reason,
                                         size_t reason_bytes)
{
    struct sqlite_engine *engine = sqlite_make_engine(desk, lock);

    engine->folder = strdup(folder);
    must(engine->folder != NULL);
    engine->read_only = lock < 0;
    // A log is there after a clean stop only if somebody else has the file open.  Else the process before us was
    // killed, perhaps after an fsync that failed: what it left in the log can be read, and may be gone when power goes.
    engine->log_suspect = !engine->read_only;
    struct engine *opened = &engine->engine;
    if (sqlite_require_database(engine) != STORE_OK) {
        snprintf(reason, reason_bytes, "%s", opened->reason);
        sqlite_destroy(&opened);
    }
    return opened;
}

// Whether the desk that was opened is as far as it was when it was last heard of.
static bool sqlite_is_whole(struct sqlite_engine *engine)
{
    struct store_position position = { 0 };

    if (!marks_read(engine->folder, engine->desk, &engine->marks)) {
        return true; // of a former version, or new
    }
    struct binding binding = database_bind(engine->database, STATEMENT_POSITION);
    if (binding_row(&binding)) {
        position.epoch = row_id(&binding);
        position.sequence = row_id(&binding);
        binding_end(&binding);
    }
    if (marks_are_ahead(&engine->marks, &position)) {
        loss_describe(engine->folder, &engine->marks, &position, engine->engine.reason, sizeof engine->engine.reason);
        return false;
    }
    if (engine->marks.damage == DAMAGE_FOUND) {
        loss_describe_damage(engine->folder, "found when it ran last", engine->engine.reason,
                             sizeof engine->engine.reason);
        return false;
    }
    return true;
}

struct engine *engine_sqlite_open(const char *folder, const char *desk, char *reason, size_t reason_bytes)
{
    int lock = lock_folder(folder, reason, reason_bytes);

    if (lock < 0) {
        return NULL;
    }
    if (loss_is_log_alone(folder, reason, reason_bytes)) {
        (void) close(lock);
        return NULL;
    }
    struct engine *engine = sqlite_open_engine(folder, desk, lock, reason, reason_bytes);
    if (engine != NULL && (!sqlite_is_whole(sqlite_own(engine)) ||
                           !database_upgrade(sqlite_own(engine)->database, engine->reason, sizeof engine->reason))) {
        snprintf(reason, reason_bytes, "%s", engine->reason);
        sqlite_own(engine)->doubt = true; // what is there stays as it is
        sqlite_destroy(&engine);
    }
    return engine;
}

struct engine *engine_sqlite_open_in(struct database *database)
{
    struct sqlite_engine *engine = sqlite_make_engine(database->desk, -1);

    engine->database = database;
    engine->log_pages_next = LOG_PAGES_MAX;
    engine->log_pages_pause = LOG_PAGES_PAUSE;
    return &engine->engine;
}

struct engine *engine_sqlite_open_reports(const char *folder, const char *desk, char *reason, size_t reason_bytes)
{
    return sqlite_open_engine(folder, desk, -1, reason, reason_bytes);
}
