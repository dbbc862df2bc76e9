// inspection.c - the thread, its pace, and both ways of looking at the file: see inspection.h.

#include "broker/store/sqlite/inspection.h"

#include "broker/store/sqlite/checkpoint.h"
#include "broker/store/sqlite/page_check.h"
#include "proto/base/clocks.h"
#include "proto/base/must.h"
#include "proto/base/thread.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define FIRST_MS 2000                          // after the start: there is enough to do at that time
#define TABLE_MS 200                           // between a table and the next
#define AGAIN_MS (INT64_C(6) * 60 * 60 * 1000) // between a look at all of them and the next
#define SOON_MS 60000                          // the same, when some could not be judged
#define SLICE_PAGES 64                         // pages read between a pause and the next
#define SLICE_MS 16                            // that pause
#define SETTLE_TRIES 20 // looks at a page that is not what was written, before it is judged later
#define SETTLE_SURE 3   // of them after each of which nothing in the log could explain it
#define SETTLE_MS 20    // between them
#define NICE 10         // of the thread
#define BUSY_MS 1000
#define STEPS 10000 // of SQLite's machine, after which it asks whether to go on
#define TABLES_MAX 64

struct inspection {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    atomic_bool stopping;
    bool hurried;    // under the mutex
    bool pages_only; // tables are not looked at
    bool unsettled;  // a page could not be judged, as a reader kept its copy in the log
    char *path;
    char found[256]; // "": nothing; under the mutex
};

// Waits, until somebody is in a hurry where that `may_hurry`; false when the thread shall end.
static bool inspection_pause_for(struct inspection *inspection, int64_t ms, bool may_hurry)
{
    int64_t until_ms = clocks_monotonic_ms() + ms;

    pthread_mutex_lock(&inspection->mutex);
    while (!atomic_load(&inspection->stopping) && !(may_hurry && inspection->hurried) &&
           thread_wait_until(&inspection->changed, &inspection->mutex, until_ms)) {
    }
    inspection->hurried = inspection->hurried && !may_hurry;
    pthread_mutex_unlock(&inspection->mutex);
    return !atomic_load(&inspection->stopping);
}

static int inspection_ask_whether_to_go_on(void *self)
{
    return atomic_load(&((struct inspection *) self)->stopping) ? 1 : 0;
}

static void inspection_note(struct inspection *inspection, const char *words)
{
    pthread_mutex_lock(&inspection->mutex);
    if (inspection->found[0] == '\0') {
        snprintf(inspection->found, sizeof inspection->found, "%s", words);
        for (char *at = inspection->found; *at != '\0'; at++) {
            *at = *at == '\n' ? ' ' : *at;
        }
    }
    pthread_mutex_unlock(&inspection->mutex);
}

// The result of a statement that ended early: damage is noted, everything else is left for the next time.
static void inspection_judge(struct inspection *inspection, sqlite3 *connection, int result)
{
    char words[64];

    if (result == SQLITE_IOERR_DATA) {
        page_check_describe(connection, words, sizeof words);
        inspection_note(inspection, words);
    } else if ((result & 0xFF) == SQLITE_CORRUPT || (result & 0xFF) == SQLITE_NOTADB) {
        inspection_note(inspection, sqlite3_errmsg(connection));
    }
}

static sqlite3 *inspection_connect_to(struct inspection *inspection, int flags)
{
    sqlite3 *connection = NULL;

    if (sqlite3_open_v2(inspection->path, &connection, flags | SQLITE_OPEN_NOMUTEX, page_check_vfs()) != SQLITE_OK) {
        (void) sqlite3_close(connection);
        return NULL;
    }
    (void) sqlite3_extended_result_codes(connection, 1);
    sqlite3_busy_timeout(connection, BUSY_MS);
    sqlite3_progress_handler(connection, STEPS, inspection_ask_whether_to_go_on, inspection);
    return connection;
}

// ---- pages ----

// Moves what is in the log into the file.  Whether all of it was, so that the file's pages are the good ones now.
static bool inspection_empty_log(struct inspection *inspection)
{
    sqlite3 *connection = inspection_connect_to(inspection, SQLITE_OPEN_READWRITE);
    int pages = 0;
    int moved = 0;

    if (connection == NULL) {
        return false;
    }
    int result = checkpoint_make(connection, SQLITE_CHECKPOINT_PASSIVE, &pages, &moved);
    (void) sqlite3_close(connection);
    // A file of which even the first pages cannot be read is not mended by its log.
    return (result == SQLITE_OK && pages == moved) || result == SQLITE_IOERR_DATA ||
           (result & 0xFF) == SQLITE_CORRUPT || (result & 0xFF) == SQLITE_NOTADB;
}

// A page that is not what was written is damaged, unless it is just being written, or was when the machine went down:
// then its good copy is in the log.
static bool inspection_is_damaged(struct inspection *inspection, struct page_scan *scan, uint32_t page)
{
    int sure = 0;

    for (int i = 0; i < SETTLE_TRIES && sure < SETTLE_SURE; i++) {
        bool emptied = inspection_empty_log(inspection);
        if (page_scan_is_good(scan, page)) {
            return false;
        }
        sure += emptied ? 1 : 0;
        if (sure < SETTLE_SURE && !inspection_pause_for(inspection, SETTLE_MS, false)) {
            return false;
        }
    }
    inspection->unsettled = inspection->unsettled || sure < SETTLE_SURE;
    return sure == SETTLE_SURE;
}

static void inspection_inspect_pages(struct inspection *inspection, int64_t slice_ms)
{
    struct page_scan *scan = page_scan_new(inspection->path, false);
    bool going_on = scan != NULL;

    for (uint32_t page = 1; going_on && page <= page_scan_count(scan); page++) {
        if (!page_scan_is_good(scan, page) && inspection_is_damaged(inspection, scan, page)) {
            char words[64];
            snprintf(words, sizeof words, "page %u is not what was written there", (unsigned) page);
            inspection_note(inspection, words);
            break;
        }
        going_on = slice_ms == 0 || page % SLICE_PAGES != 0 || inspection_pause_for(inspection, slice_ms, false);
    }
    page_scan_destroy(&scan);
}

// ---- tables ----

static void inspection_inspect_table(struct inspection *inspection, sqlite3 *connection, const char *table)
{
    sqlite3_stmt *statement = NULL;
    char *sql = sqlite3_mprintf("PRAGMA integrity_check(%Q)", table);

    must(sql != NULL);
    int result = sqlite3_prepare_v2(connection, sql, -1, &statement, NULL);
    sqlite3_free(sql);
    if (result == SQLITE_OK) {
        result = sqlite3_step(statement);
    }
    const char *words = result == SQLITE_ROW ? (const char *) sqlite3_column_text(statement, 0) : NULL;
    if (words != NULL && strcmp(words, "ok") != 0) {
        inspection_note(inspection, words);
    }
    inspection_judge(inspection, connection, result);
    sqlite3_finalize(statement);
}

static size_t inspection_list_tables(struct inspection *inspection, sqlite3 *connection, char *tables[TABLES_MAX])
{
    sqlite3_stmt *statement = NULL;
    size_t count = 0;
    int result = sqlite3_prepare_v2(
        connection, "SELECT 'sqlite_schema' UNION ALL SELECT name FROM sqlite_schema WHERE type = 'table'", -1,
        &statement, NULL);

    while (result == SQLITE_OK || result == SQLITE_ROW) {
        result = sqlite3_step(statement);
        if (result == SQLITE_ROW && count < TABLES_MAX) {
            tables[count] = strdup((const char *) sqlite3_column_text(statement, 0));
            must(tables[count] != NULL);
            count++;
        }
    }
    inspection_judge(inspection, connection, result);
    sqlite3_finalize(statement);
    return count;
}

// With a pause between a table and the next, or without.
static void inspection_inspect_tables(struct inspection *inspection, int64_t table_ms)
{
    char *tables[TABLES_MAX];
    sqlite3 *connection = inspection_connect_to(inspection, SQLITE_OPEN_READONLY);
    size_t count = connection == NULL ? 0 : inspection_list_tables(inspection, connection, tables);

    for (size_t i = 0; i < count; i++) {
        if (table_ms == 0 || inspection_pause_for(inspection, table_ms, false)) {
            inspection_inspect_table(inspection, connection, tables[i]);
        }
        free(tables[i]);
    }
    (void) sqlite3_close(connection);
}

// ---- the thread ----

static void *inspection_run(void *self)
{
    struct inspection *inspection = self;

    (void) setpriority(PRIO_PROCESS, (id_t) gettid(), NICE); // on Linux a thread has its own
    for (int64_t wait_ms = FIRST_MS; inspection_pause_for(inspection, wait_ms, true);
         wait_ms = inspection->unsettled ? SOON_MS : AGAIN_MS) {
        inspection->unsettled = false;
        inspection_inspect_pages(inspection, SLICE_MS);
        if (!inspection->pages_only) {
            inspection_inspect_tables(inspection, TABLE_MS);
        }
    }
    return NULL;
}

static void inspection_prepare_to_wait(struct inspection *inspection)
{
    must(pthread_mutex_init(&inspection->mutex, NULL) == 0);
    thread_condition_init(&inspection->changed);
}

struct inspection *inspection_new(const char *path, bool pages_only)
{
    struct inspection *inspection = calloc(1, sizeof *inspection);

    must(inspection != NULL);
    inspection->pages_only = pages_only;
    inspection->path = strdup(path);
    must(inspection->path != NULL);
    inspection_prepare_to_wait(inspection);
    thread_start(&inspection->thread, inspection_run, inspection);
    return inspection;
}

void inspection_destroy(struct inspection **inspection_p)
{
    struct inspection *inspection = *inspection_p;

    if (inspection == NULL) {
        return;
    }
    pthread_mutex_lock(&inspection->mutex);
    atomic_store(&inspection->stopping, true);
    pthread_cond_signal(&inspection->changed);
    pthread_mutex_unlock(&inspection->mutex);
    must(pthread_join(inspection->thread, NULL) == 0);
    pthread_cond_destroy(&inspection->changed);
    pthread_mutex_destroy(&inspection->mutex);
    free(inspection->path);
    free(inspection);
    *inspection_p = NULL;
}

void inspection_hurry(struct inspection *inspection)
{
    pthread_mutex_lock(&inspection->mutex);
    inspection->hurried = true;
    pthread_cond_signal(&inspection->changed);
    pthread_mutex_unlock(&inspection->mutex);
}

bool inspection_look(const char *path, char *words, size_t words_bytes)
{
    struct inspection inspection = { .path = (char *) path };

    inspection_prepare_to_wait(&inspection);
    inspection_inspect_pages(&inspection, 0);
    inspection_inspect_tables(&inspection, 0);
    pthread_cond_destroy(&inspection.changed);
    pthread_mutex_destroy(&inspection.mutex);
    snprintf(words, words_bytes, "%s", inspection.found);
    return words[0] != '\0';
}

bool inspection_found(struct inspection *inspection, char *words, size_t words_bytes)
{
    pthread_mutex_lock(&inspection->mutex);
    snprintf(words, words_bytes, "%s", inspection->found);
    pthread_mutex_unlock(&inspection->mutex);
    return words[0] != '\0';
}
