// applier.c - the thread: which desk is due, an apply for it, and what it means for those who wait.

#include "broker/store/postgres/applier.h"

#include "broker/store/postgres/journal.h"
#include "proto/base/clocks.h"
#include "proto/base/must.h"
#include "proto/base/thread.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define GATHER_MS 100       // more may come
#define GATHER_CHANGES 4000 // some 300 cycles of an item: beyond that there is little to be gained
#define RETRY_MS_MIN 20
#define RETRY_MS_MAX 500
#define DRAIN_MS 5000  // longest when it ends
#define BLOCKED_MS 500 // of a transaction, before it is asked what blocks it
#define ASK_MS 1000
#define VACUUM_ROWS 20000   // removed from the journal
#define ANALYSE_CHANGES 500 // written at least, before it is asked again which tables have grown

// Bounds of what is not applied, which whoever takes the desk over must apply first.
#define BEHIND_MS 1000
#define BEHIND_BYTES ((size_t) 16 * 1024 * 1024)
#define FAR_BEHIND_MS 4000
#define FAR_BEHIND_BYTES ((size_t) 64 * 1024 * 1024)
#define CHANGE_US_FIRST 40 // to apply a change, before it is known
#define CHANGE_US_MAX 500  // what takes longer has waited for something
#define CHANGES_TELL 100   // of a transaction, from which on it tells how long one takes

// A group that was appended.
struct appended {
    STAILQ_ENTRY(appended) next;
    uint64_t to;
    size_t bytes;
    size_t changes;
    int64_t at_ms;
};

struct tables {
    struct applier *applier;
    TAILQ_ENTRY(tables) among_all;
    char *desk;
    size_t users;
    uint64_t applied;
    uint64_t appended;
    uint64_t wanted; // somebody waits for it
    bool hurry;      // somebody waits, for whatever there is
    STAILQ_HEAD(, appended) groups;
    size_t bytes; // of the groups
    size_t changes;
    bool is_behind; // as last told
    bool is_busy;   // being applied, without the mutex
    bool is_refused;
    int64_t retry_ms; // not before; 0: at once
    int64_t wait_ms;  // of the last failure
    int backend;      // of the server, that was noted as theirs
    char reason[512]; // of the last failure; "" after it went well
};

TAILQ_HEAD(tables_list, tables);

struct applier {
    LIST_ENTRY(applier) among_appliers;
    pthread_mutex_t mutex; // of all below but the session
    pthread_cond_t came;
    pthread_cond_t went;
    pthread_t thread;
    bool is_running;
    bool is_stopping;
    int64_t stop_ms; // latest
    struct tables_list all;
    struct session *session; // the thread's
    int64_t change_us;       // to apply a change, in the mean of late
    size_t removed;          // rows of the journal, since they were vacuumed; the thread's
    size_t written;          // changes, to the tables; the thread's
    size_t analyse_at;       // when `written` has come to this; the thread's
    int64_t since_ms;        // of the transaction being made; 0: none
    int backend;             // its
    int64_t asked_ms;
    char blocked_by[256];
};

// Those of the process.
static pthread_mutex_t applier_appliers_mutex = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(, applier) appliers = LIST_HEAD_INITIALIZER(appliers);

// ---- what is to be done: under the mutex ----

static bool applier_has_work(const struct tables *tables)
{
    return !tables->is_refused && (tables->appended > tables->applied || tables->wanted > tables->applied);
}

// When it is to be applied; INT64_MAX: there is nothing.
static int64_t applier_due_ms(const struct tables *tables)
{
    const struct appended *first = STAILQ_FIRST(&tables->groups);

    if (!applier_has_work(tables) || tables->is_busy) {
        return INT64_MAX;
    }
    bool at_once = tables->hurry || tables->wanted > tables->applied || tables->changes >= GATHER_CHANGES ||
                   tables->users == 0 || tables->applier->is_stopping || first == NULL;
    int64_t gathered_ms = at_once ? 0 : first->at_ms + GATHER_MS;
    return gathered_ms > tables->retry_ms ? gathered_ms : tables->retry_ms;
}

static struct tables *applier_find_due(struct applier *applier, int64_t *next_ms)
{
    struct tables *first = NULL;
    struct tables *tables;

    *next_ms = INT64_MAX;
    TAILQ_FOREACH(tables, &applier->all, among_all)
    {
        int64_t due = applier_due_ms(tables);
        if (due < *next_ms) {
            *next_ms = due;
            first = tables;
        }
    }
    return first != NULL && *next_ms <= clocks_monotonic_ms() ? first : NULL;
}

static void applier_forget_groups(struct tables *tables)
{
    struct appended *group;

    while ((group = STAILQ_FIRST(&tables->groups)) != NULL && group->to <= tables->applied) {
        STAILQ_REMOVE_HEAD(&tables->groups, next);
        tables->bytes -= group->bytes;
        tables->changes -= group->changes;
        free(group);
    }
}

static void applier_free_tables(struct tables *tables)
{
    tables->applied = UINT64_MAX;
    applier_forget_groups(tables);
    TAILQ_REMOVE(&tables->applier->all, tables, among_all);
    free(tables->desk);
    free(tables);
}

static void applier_free_if_done(struct tables *tables)
{
    if (tables->users == 0 && !tables->is_busy && !applier_has_work(tables)) {
        applier_free_tables(tables);
    }
}

// ---- applying: without the mutex ----

// Whoever takes the desk over ends the session that is noted as its tables'.
static enum store_result applier_note_backend(struct session *session, const char *desk, int noted)
{
    struct parameters parameters = { 0 };
    enum store_result result = session_require(session, desk);

    if (result != STORE_OK || session->connection->backend == noted) {
        return result;
    }
    parameters_text(&parameters, session->connection->started);
    PQclear(connection_ask(session->connection, SQL_APPLIER_IS, &parameters));
    return session->connection->failed ? session_give_up(session) : STORE_OK;
}

// What may as well fail.
static void applier_ask(struct applier *applier, enum sql sql)
{
    struct session *session = applier->session;

    if (session->connection != NULL) {
        connection_clear(session->connection);
        PQclear(connection_ask(session->connection, sql, NULL));
        if (session->connection->failed) {
            (void) session_give_up(session);
        }
    }
}

static void applier_vacuum(struct applier *applier, size_t groups)
{
    applier->removed += groups;
    if (applier->removed >= VACUUM_ROWS) {
        applier->removed = 0;
        applier_ask(applier, SQL_VACUUM_JOURNAL);
    }
}

// Tables grow fast while they are small.
static void applier_analyse(struct applier *applier, size_t changes)
{
    applier->written += changes;
    if (applier->written >= applier->analyse_at) {
        applier->analyse_at = applier->written + ANALYSE_CHANGES + applier->written / 4;
        applier_ask(applier, SQL_ANALYSE_GROWN);
    }
}

// ---- the thread ----

static void applier_note_success(struct applier *applier, struct tables *tables, const struct journal_step *step,
                                 int64_t took_us)
{
    tables->wait_ms = tables->retry_ms = 0;
    tables->reason[0] = '\0';
    tables->appended = step->sequence > tables->appended ? step->sequence : tables->appended;
    if (step->changes >= CHANGES_TELL) {
        int64_t each_us = took_us / (int64_t) step->changes;
        each_us = each_us > CHANGE_US_MAX ? CHANGE_US_MAX : each_us;
        applier->change_us = (applier->change_us * 7 + each_us) / 8;
    }
    applier->blocked_by[0] = '\0';
}

static void applier_note_failure(struct tables *tables, enum store_result result, const char *reason)
{
    snprintf(tables->reason, sizeof tables->reason, "%s", reason);
    tables->is_refused = result == STORE_CONTRADICTED;
    tables->wait_ms = tables->wait_ms == 0 ? RETRY_MS_MIN : tables->wait_ms * 2;
    tables->wait_ms = tables->wait_ms > RETRY_MS_MAX ? RETRY_MS_MAX : tables->wait_ms;
    tables->retry_ms = clocks_monotonic_ms() + tables->wait_ms;
}

// Called under the mutex, which is given up meanwhile.
static void applier_serve(struct applier *applier, struct tables *tables)
{
    struct session *session = applier->session;
    struct journal_step step = { 0 };
    int noted = tables->backend;

    tables->is_busy = true;
    applier->since_ms = clocks_monotonic_ms();
    applier->backend = session->connection == NULL ? 0 : session->connection->backend;
    pthread_mutex_unlock(&applier->mutex);
    int64_t begun_ms = clocks_monotonic_ms();
    enum store_result result = applier_note_backend(session, tables->desk, noted);
    if (result == STORE_OK) {
        noted = session->connection->backend;
        result = journal_apply(session, tables->desk, JOURNAL_GROUPS_MAX, &step);
    }
    int64_t took_us = (clocks_monotonic_ms() - begun_ms) * 1000;
    if (result == STORE_OK) {
        applier_vacuum(applier, step.groups);
        applier_analyse(applier, step.changes);
    }
    pthread_mutex_lock(&applier->mutex);
    tables->is_busy = false;
    tables->backend = noted;
    applier->since_ms = 0;
    if (step.applied > tables->applied) {
        tables->applied = step.applied;
        applier_forget_groups(tables);
    }
    if (result == STORE_OK) {
        applier_note_success(applier, tables, &step, took_us);
    }
    if (result == STORE_OK && step.applied == step.sequence && applier_has_work(tables)) {
        applier_note_failure(tables, STORE_UNAVAILABLE, "the journal ends before what is waited for");
    } else if (result != STORE_OK) {
        applier_note_failure(tables, result, session->reason);
        if (session->connection == NULL && tables->wait_ms > RETRY_MS_MIN) {
            applier->stop_ms = 0; // what is away for more than a moment is not waited for when it ends
        }
    }
    if (!applier_has_work(tables)) {
        tables->hurry = false;
    }
    TAILQ_REMOVE(&applier->all, tables, among_all);
    TAILQ_INSERT_TAIL(&applier->all, tables, among_all);
    pthread_cond_broadcast(&applier->went);
    applier_free_if_done(tables);
}

static bool applier_is_over(const struct applier *applier, int64_t next_ms)
{
    return applier->is_stopping && (next_ms == INT64_MAX || clocks_monotonic_ms() >= applier->stop_ms);
}

static void *applier_work(void *self)
{
    struct applier *applier = self;
    int64_t next_ms = 0;

    pthread_mutex_lock(&applier->mutex);
    for (;;) {
        struct tables *due = applier_find_due(applier, &next_ms);
        if (applier_is_over(applier, next_ms)) {
            break;
        }
        if (due != NULL) {
            applier_serve(applier, due);
        } else if (next_ms == INT64_MAX) {
            (void) pthread_cond_wait(&applier->came, &applier->mutex);
        } else {
            (void) thread_wait_until(&applier->came, &applier->mutex, next_ms);
        }
    }
    pthread_mutex_unlock(&applier->mutex);
    return NULL;
}

// Under the mutex.
static void applier_wake(struct applier *applier)
{
    if (!applier->is_running) {
        applier->is_running = true;
        thread_start(&applier->thread, applier_work, applier);
    }
    pthread_cond_signal(&applier->came);
}

// ---- for others ----

struct applier *applier_new(const char *conninfo)
{
    struct applier *applier = calloc(1, sizeof *applier);

    must(applier != NULL);
    must(pthread_mutex_init(&applier->mutex, NULL) == 0);
    thread_condition_init(&applier->came);
    thread_condition_init(&applier->went);
    TAILQ_INIT(&applier->all);
    applier->session = session_new(conninfo, false);
    applier->session->is_applier = true;
    applier->change_us = CHANGE_US_FIRST;
    applier->analyse_at = ANALYSE_CHANGES;
    pthread_mutex_lock(&applier_appliers_mutex);
    LIST_INSERT_HEAD(&appliers, applier, among_appliers);
    pthread_mutex_unlock(&applier_appliers_mutex);
    return applier;
}

void applier_destroy(struct applier **applier_p)
{
    struct applier *applier = *applier_p;
    struct tables *tables;

    if (applier == NULL) {
        return;
    }
    pthread_mutex_lock(&applier_appliers_mutex);
    LIST_REMOVE(applier, among_appliers);
    pthread_mutex_unlock(&applier_appliers_mutex);
    pthread_mutex_lock(&applier->mutex);
    applier->is_stopping = true;
    applier->stop_ms = clocks_monotonic_ms() + DRAIN_MS;
    bool joins = applier->is_running;
    pthread_cond_signal(&applier->came);
    pthread_mutex_unlock(&applier->mutex);
    if (joins) {
        must(pthread_join(applier->thread, NULL) == 0);
    }
    while ((tables = TAILQ_FIRST(&applier->all)) != NULL) {
        applier_free_tables(tables);
    }
    session_leave(&applier->session);
    pthread_cond_destroy(&applier->came);
    pthread_cond_destroy(&applier->went);
    pthread_mutex_destroy(&applier->mutex);
    free(applier);
    *applier_p = NULL;
}

static struct tables *applier_find(struct applier *applier, const char *desk)
{
    struct tables *tables;

    TAILQ_FOREACH(tables, &applier->all, among_all)
    {
        if (strcmp(tables->desk, desk) == 0) {
            return tables;
        }
    }
    return NULL;
}

struct tables *applier_add(struct applier *applier, const char *desk)
{
    pthread_mutex_lock(&applier->mutex);
    struct tables *tables = applier_find(applier, desk);
    if (tables == NULL) {
        tables = calloc(1, sizeof *tables);
        must(tables != NULL);
        tables->applier = applier;
        tables->desk = strdup(desk);
        must(tables->desk != NULL);
        STAILQ_INIT(&tables->groups);
        TAILQ_INSERT_TAIL(&applier->all, tables, among_all);
    }
    tables->users++;
    pthread_mutex_unlock(&applier->mutex);
    return tables;
}

void applier_remove(struct tables **tables_p)
{
    struct tables *tables = *tables_p;

    *tables_p = NULL;
    if (tables == NULL) {
        return;
    }
    struct applier *applier = tables->applier;
    pthread_mutex_lock(&applier->mutex);
    tables->users--;
    if (tables->users == 0 && applier->is_running && !tables->is_refused && tables->appended > 0) {
        tables->applied = 0; // whether nothing is left in the journal is seen once more, in the journal
    }
    if (tables->users == 0 && applier_has_work(tables)) {
        applier_wake(applier);
    } else {
        applier_free_if_done(tables);
    }
    pthread_mutex_unlock(&applier->mutex);
}

void tables_are_at(struct tables *tables, uint64_t sequence)
{
    pthread_mutex_lock(&tables->applier->mutex);
    tables->is_refused = false;
    tables->reason[0] = '\0';
    tables->retry_ms = tables->wait_ms = 0;
    tables->applied = sequence;
    tables->appended = sequence;
    tables->wanted = 0;
    applier_forget_groups(tables);
    while (!STAILQ_EMPTY(&tables->groups)) { // of a life in which more was told
        struct appended *group = STAILQ_FIRST(&tables->groups);
        STAILQ_REMOVE_HEAD(&tables->groups, next);
        free(group);
    }
    tables->bytes = tables->changes = 0;
    pthread_cond_broadcast(&tables->applier->went);
    pthread_mutex_unlock(&tables->applier->mutex);
}

void tables_appended(struct tables *tables, uint64_t sequence, size_t bytes, size_t changes)
{
    struct appended *group = calloc(1, sizeof *group);

    must(group != NULL);
    *group = (struct appended){ .to = sequence, .bytes = bytes, .changes = changes, .at_ms = clocks_monotonic_ms() };
    pthread_mutex_lock(&tables->applier->mutex);
    bool begins = STAILQ_EMPTY(&tables->groups);
    STAILQ_INSERT_TAIL(&tables->groups, group, next);
    tables->bytes += bytes;
    tables->changes += changes;
    tables->appended = sequence > tables->appended ? sequence : tables->appended;
    applier_forget_groups(tables); // should it be applied already, by another
    if (begins || tables->changes >= GATHER_CHANGES) {
        applier_wake(tables->applier);
    }
    pthread_mutex_unlock(&tables->applier->mutex);
}

uint64_t tables_applied(struct tables *tables)
{
    pthread_mutex_lock(&tables->applier->mutex);
    uint64_t applied = tables->applied;
    pthread_mutex_unlock(&tables->applier->mutex);
    return applied;
}

void tables_forget(struct tables *tables)
{
    pthread_mutex_lock(&tables->applier->mutex);
    tables->applied = 0;
    applier_wake(tables->applier);
    pthread_mutex_unlock(&tables->applier->mutex);
}

struct engine_positions tables_positions(struct tables *tables)
{
    pthread_mutex_lock(&tables->applier->mutex);
    struct engine_positions positions = { .durable = tables->appended, .applied = tables->applied };
    pthread_mutex_unlock(&tables->applier->mutex);
    return positions;
}

void tables_hurry(struct tables *tables)
{
    pthread_mutex_lock(&tables->applier->mutex);
    if (applier_has_work(tables) && !tables->hurry) {
        tables->hurry = true;
        applier_wake(tables->applier);
    }
    pthread_mutex_unlock(&tables->applier->mutex);
}

// ---- lag ----

static int64_t applier_estimated_ms(const struct tables *tables)
{
    return (int64_t) tables->changes * tables->applier->change_us / 1000;
}

static void applier_describe(const struct tables *tables, char *text, size_t bytes)
{
    const struct appended *first = STAILQ_FIRST(&tables->groups);
    int64_t late_ms = first == NULL ? 0 : clocks_monotonic_ms() - first->at_ms;
    const char *blocked_by = tables->applier->blocked_by;

    snprintf(text, bytes, "its tables are %" PRId64 ".%" PRId64 " s and %zu changes behind its journal%s%.200s%s%.240s",
             late_ms / 1000, late_ms % 1000 / 100, tables->changes, blocked_by[0] == '\0' ? "" : ", blocked by ",
             blocked_by, tables->reason[0] == '\0' ? "" : ": ", tables->reason);
}

enum store_result tables_await(struct tables *tables, uint64_t sequence, int64_t ms, char *reason, size_t reason_bytes)
{
    struct applier *applier = tables->applier;
    int64_t until_ms = clocks_monotonic_ms() + ms;
    enum store_result result = STORE_OK;

    pthread_mutex_lock(&applier->mutex);
    uint64_t wanted = sequence > tables->appended ? sequence : tables->appended;
    while (tables->applied < wanted && result == STORE_OK) {
        if (tables->is_refused) {
            result = STORE_CONTRADICTED;
            snprintf(reason, reason_bytes, "%s", tables->reason);
        } else if (clocks_monotonic_ms() >= until_ms) {
            result = STORE_UNAVAILABLE;
            applier_describe(tables, reason, reason_bytes);
        } else {
            tables->wanted = wanted > tables->wanted ? wanted : tables->wanted;
            applier_wake(applier);
            (void) thread_wait_until(&applier->went, &applier->mutex, until_ms);
        }
    }
    pthread_mutex_unlock(&applier->mutex);
    return result;
}

enum tables_lag tables_lag(struct tables *tables)
{
    enum tables_lag lag = TABLES_KEEP_UP;

    pthread_mutex_lock(&tables->applier->mutex);
    int64_t ms = applier_estimated_ms(tables);
    size_t bytes = tables->bytes;
    // Once behind, it is so until half of it is done.
    int64_t bound_ms = tables->is_behind ? BEHIND_MS / 2 : BEHIND_MS;
    size_t bound_bytes = tables->is_behind ? BEHIND_BYTES / 2 : BEHIND_BYTES;
    tables->is_behind = ms >= bound_ms || bytes >= bound_bytes;
    if (ms >= FAR_BEHIND_MS || bytes >= FAR_BEHIND_BYTES) {
        lag = TABLES_FAR_BEHIND;
    } else if (tables->is_behind) {
        lag = TABLES_BEHIND;
    }
    pthread_mutex_unlock(&tables->applier->mutex);
    return lag;
}

bool tables_describe(struct tables *tables, char *text, size_t bytes)
{
    pthread_mutex_lock(&tables->applier->mutex);
    const struct appended *first = STAILQ_FIRST(&tables->groups);
    bool is_refused = tables->is_refused;
    text[0] = '\0';
    if (is_refused) {
        snprintf(text, bytes, "%s", tables->reason);
    } else if (first != NULL && clocks_monotonic_ms() - first->at_ms >= BLOCKED_MS) {
        applier_describe(tables, text, bytes);
    }
    pthread_mutex_unlock(&tables->applier->mutex);
    return is_refused;
}

int applier_blocked(struct applier *applier)
{
    int64_t now_ms = clocks_monotonic_ms();
    int backend = 0;

    pthread_mutex_lock(&applier->mutex);
    if (applier->since_ms != 0 && now_ms >= applier->since_ms + BLOCKED_MS && now_ms >= applier->asked_ms + ASK_MS) {
        applier->asked_ms = now_ms;
        backend = applier->backend;
    }
    pthread_mutex_unlock(&applier->mutex);
    return backend;
}

void applier_blocked_by(struct applier *applier, const char *words)
{
    pthread_mutex_lock(&applier->mutex);
    snprintf(applier->blocked_by, sizeof applier->blocked_by, "%s", words);
    pthread_mutex_unlock(&applier->mutex);
}

void applier_hurry(const char *desk)
{
    struct applier *applier;

    pthread_mutex_lock(&applier_appliers_mutex);
    LIST_FOREACH(applier, &appliers, among_appliers)
    {
        pthread_mutex_lock(&applier->mutex);
        struct tables *tables = applier_find(applier, desk);
        if (tables != NULL && applier_has_work(tables)) {
            tables->hurry = true;
            applier_wake(applier);
        }
        pthread_mutex_unlock(&applier->mutex);
    }
    pthread_mutex_unlock(&applier_appliers_mutex);
}
