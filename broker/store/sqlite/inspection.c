// inspection.c - see inspection.h.

#include "broker/store/sqlite/inspection.h"

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

#define FIRST_MS 2000                          // after the start: there is enough to do at that time
#define TABLE_MS 200                           // between a table and the next
#define AGAIN_MS (INT64_C(6) * 60 * 60 * 1000) // between a look at all of them and the next
#define BUSY_MS 1000
#define STEPS 10000 // of SQLite's machine, after which it asks whether to go on
#define TABLES_MAX 64

struct inspection {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    atomic_bool stopping;
    char *path;
    char found[256]; // "": nothing; under the mutex
};

// Waits; false when the thread shall end.
static bool pause_for(struct inspection *inspection, int64_t ms)
{
    int64_t until_ms = clocks_monotonic_ms() + ms;

    pthread_mutex_lock(&inspection->mutex);
    while (!atomic_load(&inspection->stopping) &&
           thread_wait_until(&inspection->changed, &inspection->mutex, until_ms)) {
    }
    pthread_mutex_unlock(&inspection->mutex);
    return !atomic_load(&inspection->stopping);
}

static int ask_whether_to_go_on(void *self)
{
    return atomic_load(&((struct inspection *) self)->stopping) ? 1 : 0;
}

static void note(struct inspection *inspection, const char *words)
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
static void judge(struct inspection *inspection, sqlite3 *connection, int result)
{
    if ((result & 0xFF) == SQLITE_CORRUPT || (result & 0xFF) == SQLITE_NOTADB) {
        note(inspection, sqlite3_errmsg(connection));
    }
}

static void inspect_table(struct inspection *inspection, sqlite3 *connection, const char *table)
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
        note(inspection, words);
    }
    judge(inspection, connection, result);
    sqlite3_finalize(statement);
}

static size_t list_tables(struct inspection *inspection, sqlite3 *connection, char *tables[TABLES_MAX])
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
    judge(inspection, connection, result);
    sqlite3_finalize(statement);
    return count;
}

static sqlite3 *connect_to(struct inspection *inspection)
{
    sqlite3 *connection = NULL;

    if (sqlite3_open_v2(inspection->path, &connection, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
        (void) sqlite3_close(connection);
        return NULL;
    }
    sqlite3_busy_timeout(connection, BUSY_MS);
    sqlite3_progress_handler(connection, STEPS, ask_whether_to_go_on, inspection);
    return connection;
}

// With a pause between a table and the next, or without.
static void inspect_all(struct inspection *inspection, int64_t table_ms)
{
    char *tables[TABLES_MAX];
    sqlite3 *connection = connect_to(inspection);
    size_t count = connection == NULL ? 0 : list_tables(inspection, connection, tables);

    for (size_t i = 0; i < count; i++) {
        if (table_ms == 0 || pause_for(inspection, table_ms)) {
            inspect_table(inspection, connection, tables[i]);
        }
        free(tables[i]);
    }
    (void) sqlite3_close(connection);
}

static void *run(void *self)
{
    struct inspection *inspection = self;

    for (int64_t wait_ms = FIRST_MS; pause_for(inspection, wait_ms); wait_ms = AGAIN_MS) {
        inspect_all(inspection, TABLE_MS);
    }
    return NULL;
}

struct inspection *inspection_new(const char *path)
{
    struct inspection *inspection = calloc(1, sizeof *inspection);

    must(inspection != NULL);
    inspection->path = strdup(path);
    must(inspection->path != NULL);
    must(pthread_mutex_init(&inspection->mutex, NULL) == 0);
    thread_condition_init(&inspection->changed);
    thread_start(&inspection->thread, run, inspection);
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

bool inspection_look(const char *path, char *words, size_t words_bytes)
{
    struct inspection inspection = { .path = (char *) path };

    must(pthread_mutex_init(&inspection.mutex, NULL) == 0);
    inspect_all(&inspection, 0);
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
