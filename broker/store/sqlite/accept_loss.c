// accept_loss.c - see accept_loss.h: what marks and file say, in words, and numbers raised beyond both.

#include "broker/store/sqlite/accept_loss.h"

#include "broker/store/sqlite/checkpoint.h"
#include "broker/store/sqlite/database.h"
#include "broker/store/sqlite/inspection.h"
#include "broker/store/sqlite/lock.h"
#include "broker/store/sqlite/page_check.h"
#include "proto/base/must.h"

#include <errno.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

// What may have been told beyond the marks, which a power loss leaves a second behind.
#define NUMBERS_LEFT_OUT UINT64_C(1000000)

#define WAY_OUT "to go on without what is lost, start behalf-broker once with --accept-loss"

#define PAGES_NAMED 8 // of those accepted

static char *accept_loss_path_of(const char *folder, const char *name)
{
    char *path = NULL;

    must(asprintf(&path, "%s/%s", folder, name) >= 0);
    return path;
}

static off_t accept_loss_size_of(const char *folder, const char *name)
{
    struct stat about;
    char *path = accept_loss_path_of(folder, name);

    off_t bytes = stat(path, &about) == 0 ? about.st_size : 0;
    free(path);
    return bytes;
}

void loss_describe(const char *folder, const struct marks *marks, const struct store_position *found, char *reason,
                   size_t reason_bytes)
{
    snprintf(reason, reason_bytes,
             "%s/behalf.db has lost what was acknowledged: the desk is at sequence %" PRIu64 " (epoch %" PRIu64
             ") and was at %" PRIu64 " (epoch %" PRIu64 "); its file or its log was cut off, removed, or put back from"
             " a copy: put both back as they were last; " WAY_OUT,
             folder, found->sequence, found->epoch, marks->position.sequence, marks->position.epoch);
}

void loss_describe_damage(const char *folder, const char *found, char *reason, size_t reason_bytes)
{
    snprintf(reason, reason_bytes, "%s/behalf.db is damaged (%.160s): restore it from a copy; " WAY_OUT, folder, found);
}

bool loss_is_log_alone(const char *folder, char *reason, size_t reason_bytes)
{
    off_t log_bytes = accept_loss_size_of(folder, "behalf.db-wal");

    if (log_bytes == 0 || accept_loss_size_of(folder, "behalf.db") > 0) {
        return false;
    }
    snprintf(reason, reason_bytes,
             "%s/behalf.db is empty or gone, beside a log of %lld kB: put the database back that the log belongs"
             " to; " WAY_OUT,
             folder, (long long) log_bytes / 1024);
    return true;
}

// ---- going on ----

// Adds a sentence to those that are there.
static void accept_loss_add_words(char *words, size_t words_bytes, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void accept_loss_add_words(char *words, size_t words_bytes, const char *format, ...)
{
    size_t at = strlen(words);
    va_list arguments;

    at += at == 0 ? 0 : (size_t) snprintf(words + at, words_bytes - at, "; ");
    va_start(arguments, format);
    if (at < words_bytes) {
        (void) vsnprintf(words + at, words_bytes - at, format, arguments);
    }
    va_end(arguments);
}

// The log of a database that is gone is kept: somebody may want to look into it.
static bool accept_loss_set_log_aside(const char *folder, char *words, size_t words_bytes)
{
    char *from = NULL;
    char *to = NULL;

    must(asprintf(&from, "%s/behalf.db-wal", folder) >= 0);
    must(asprintf(&to, "%s/behalf.db-wal.lost-%lld", folder, (long long) time(NULL)) >= 0);
    bool moved = rename(from, to) == 0;
    if (moved) {
        snprintf(words, words_bytes, "the log without its database is now %s; the desk begins empty", to);
    } else {
        snprintf(words, words_bytes, "%s cannot be set aside: %s", from, strerror(errno));
    }
    free(from);
    free(to);
    return moved;
}

// Numbers of requests, items and replies that somebody may have been told are never given again.
static bool accept_loss_leave_numbers_out(struct database *database, const struct store_position *to)
{
    struct binding make = database_bind(database, STATEMENT_MAKE_DESK);

    if (!database_run(database, "BEGIN IMMEDIATE") || !binding_run(&make)) {
        return false;
    }
    struct binding leave_out = database_bind(database, STATEMENT_LEAVE_OUT);
    bind_id(&leave_out, to->epoch);
    bind_id(&leave_out, to->sequence);
    bind_id(&leave_out, to->next_id);
    bind_number(&leave_out, to->clock_ms);
    return binding_run(&leave_out) && database_run(database, "COMMIT");
}

static bool accept_loss_accept_behind(struct database *database, struct marks *marks, char *words, size_t words_bytes)
{
    struct store_position found = { 0 };
    struct binding binding = database_bind(database, STATEMENT_POSITION);

    if (binding_row(&binding)) {
        found.epoch = row_id(&binding);
        found.sequence = row_id(&binding);
        binding_end(&binding);
    }
    if (!marks_are_ahead(marks, &found)) {
        return database->error == SQLITE_OK;
    }
    struct store_position *to = &marks->position;
    to->epoch = to->epoch > found.epoch ? to->epoch : found.epoch;
    to->sequence = (to->sequence > found.sequence ? to->sequence : found.sequence) + NUMBERS_LEFT_OUT;
    to->next_id += NUMBERS_LEFT_OUT;
    if (!accept_loss_leave_numbers_out(database, to)) {
        return false;
    }
    accept_loss_add_words(words, words_bytes,
                          "accepted: the desk goes on from what it was at sequence %" PRIu64
                          ", with numbers after %" PRIu64 "; what was acknowledged between is lost",
                          found.sequence, to->sequence);
    return true;
}

// What is in the log belongs into the file before its pages are judged.
static void accept_loss_empty_log(const char *path)
{
    sqlite3 *connection = NULL;

    if (sqlite3_open_v2(path, &connection, SQLITE_OPEN_READWRITE, page_check_vfs()) == SQLITE_OK) {
        (void) checkpoint_make(connection, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    }
    (void) sqlite3_close(connection);
}

// Pages that are not what was written are taken as they are from now on, or nobody could read them.  Counts them; false
// when the disk fails.
static bool accept_loss_accept_pages(const char *folder, uint32_t *count, char *words, size_t words_bytes)
{
    char *path = accept_loss_path_of(folder, "behalf.db");
    char numbers[PAGES_NAMED * 12 + 1] = "";
    bool written = true;

    accept_loss_empty_log(path);
    struct page_scan *scan = page_scan_new(path, true);
    for (uint32_t page = 1; written && scan != NULL && page <= page_scan_count(scan); page++) {
        if (!page_scan_is_good(scan, page)) {
            written = page_scan_accept(scan, page);
            if ((*count)++ < PAGES_NAMED) {
                size_t at = strlen(numbers);
                (void) snprintf(numbers + at, sizeof numbers - at, " %u", (unsigned) page);
            }
        }
    }
    written = written && (*count == 0 || page_scan_sync(scan));
    page_scan_destroy(&scan);
    free(path);
    if (!written) {
        snprintf(words, words_bytes, "the disk of %s/behalf.db fails: mend it", folder);
    } else if (*count > 0) {
        accept_loss_add_words(words, words_bytes,
                              "accepted: %u damaged or foreign pages of %s/behalf.db are taken as they are (%s%s)",
                              (unsigned) *count, folder, numbers + 1, *count > PAGES_NAMED ? " ..." : "");
    }
    return written;
}

// Whether there is more than pages that were accepted: tables that do not hold together.
static enum marks_damage accept_loss_judge_tables(const char *folder)
{
    char *path = accept_loss_path_of(folder, "behalf.db");
    char found[256];
    bool damaged = inspection_look(path, found, sizeof found);

    free(path);
    return damaged ? DAMAGE_ACCEPTED : DAMAGE_NONE;
}

static bool accept_loss_accept_in(struct database *database, const char *folder, const char *desk, uint32_t pages,
                                  char *words, size_t words_bytes)
{
    struct marks marks = { 0 };

    if (!marks_read(folder, desk, &marks)) {
        return true;
    }
    if (marks.damage == DAMAGE_FOUND || pages > 0) {
        marks.damage = accept_loss_judge_tables(folder);
        if (marks.damage == DAMAGE_ACCEPTED) {
            accept_loss_add_words(words, words_bytes,
                                  "accepted: the desk goes on with what can be read of a damaged file");
        } else if (pages == 0) {
            accept_loss_add_words(words, words_bytes, "%s/behalf.db was found damaged and is whole now", folder);
        }
    }
    if (!accept_loss_accept_behind(database, &marks, words, words_bytes)) {
        (void) database_result(database, words, words_bytes);
        return false;
    }
    return marks_write(folder, desk, &marks);
}

static bool accept_loss_accept(const char *folder, const char *desk, char *words, size_t words_bytes)
{
    enum store_result result = STORE_OK;
    uint32_t pages = 0;

    if (loss_is_log_alone(folder, words, words_bytes) && !accept_loss_set_log_aside(folder, words, words_bytes)) {
        return false;
    }
    if (accept_loss_size_of(folder, "behalf.db") == 0 && accept_loss_size_of(folder, "marks") == 0) {
        return true; // nothing was ever here that we know of
    }
    if (!database_rewrite_log(folder, words, words_bytes) ||
        !accept_loss_accept_pages(folder, &pages, words, words_bytes)) {
        return false;
    }
    struct database *database = database_open(folder, desk, false, &result, words, words_bytes);
    bool accepted = database != NULL && accept_loss_accept_in(database, folder, desk, pages, words, words_bytes);
    database_close(&database, false);
    return accepted;
}

void engine_sqlite_note_told(const char *folder, const char *desk, uint64_t sequence)
{
    struct marks marks = { .position.next_id = 1 };

    (void) marks_read(folder, desk, &marks);
    if (marks.position.sequence < sequence) {
        marks.position.sequence = sequence;
        (void) marks_write(folder, desk, &marks); // if not, clients will say so again
    }
}

bool engine_sqlite_accept_loss(const char *folder, const char *desk, char *words, size_t words_bytes)
{
    words[0] = '\0';
    int lock = lock_folder(folder, words, words_bytes);
    bool accepted = lock >= 0 && accept_loss_accept(folder, desk, words, words_bytes);

    if (lock >= 0) {
        (void) close(lock);
    }
    return accepted;
}
