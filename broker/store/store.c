// store.c - the loop's side of the scribe: stores, their queues, and which of them have news.
//
// The loop and the threads share queues under one mutex; an engine is touched by its thread alone.  A store that is
// destroyed goes on to the writer, which ends its engine, and from there to the report thread, which frees it.

#include "broker/store/scribe.h"

#include "proto/must.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

void parcels_push(struct parcels *parcels, struct batch *batch, struct report *report)
{
    struct parcel *parcel = calloc(1, sizeof *parcel);

    must(parcel != NULL);
    parcel->batch = batch;
    parcel->report = report;
    if (parcels->last == NULL) {
        parcels->first = parcel;
    } else {
        parcels->last->next = parcel;
    }
    parcels->last = parcel;
}

struct parcel parcels_pop(struct parcels *parcels)
{
    struct parcel *first = parcels->first;
    struct parcel popped = { 0 };

    if (first != NULL) {
        popped = *first;
        parcels->first = first->next;
        parcels->last = parcels->first == NULL ? NULL : parcels->last;
        free(first);
    }
    return popped;
}

void parcels_fini(struct parcels *parcels)
{
    while (parcels->first != NULL) {
        struct parcel parcel = parcels_pop(parcels);
        batch_destroy(&parcel.batch);
        report_destroy(&parcel.report);
    }
}

int64_t scribe_now_ms(void)
{
    struct timespec now;

    must(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// Makes the descriptor readable exactly while there are news.
static void set_wake(struct scribe *scribe)
{
    bool wanted = !TAILQ_EMPTY(&scribe->news);
    uint64_t count = 1;

    if (wanted && !scribe->awake) {
        must(write(scribe->wake, &count, sizeof count) == (ssize_t) sizeof count);
    } else if (!wanted && scribe->awake) {
        must(read(scribe->wake, &count, sizeof count) == (ssize_t) sizeof count);
    }
    scribe->awake = wanted;
}

void scribe_judge_news(struct store *store)
{
    struct scribe *scribe = store->scribe;
    bool has_news = !store->destroyed &&
                    (store->batches_out.first != NULL || store->reports_out.first != NULL || store->state_unseen);

    if (has_news && !store->has_news) {
        TAILQ_INSERT_TAIL(&scribe->news, store, among_news);
    } else if (!has_news && store->has_news) {
        TAILQ_REMOVE(&scribe->news, store, among_news);
    }
    store->has_news = has_news;
    set_wake(scribe);
}

void scribe_set_state(struct store *store, enum store_state state, const char *description)
{
    // Why it is away may change while it is: gone, starting up, read-only.
    bool other_words = state == STORE_STATE_AWAY && strcmp(store->description, description) != 0;

    snprintf(store->description, sizeof store->description, "%s", description);
    if (store->state != state || other_words) {
        store->state = state;
        store->state_unseen = true;
        scribe_judge_news(store);
    }
}

// ---- the scribe ----

static void start_threads(struct scribe *scribe)
{
    sigset_t all, before;

    // Signals are for the thread that made us.
    sigfillset(&all);
    must(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    must(pthread_create(&scribe->writer, NULL, scribe_write, scribe) == 0);
    must(pthread_create(&scribe->reporter, NULL, scribe_report, scribe) == 0);
    must(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
}

struct scribe *scribe_new(void)
{
    struct scribe *scribe = calloc(1, sizeof *scribe);
    pthread_condattr_t monotonic;

    must(scribe != NULL);
    TAILQ_INIT(&scribe->all);
    TAILQ_INIT(&scribe->news);
    TAILQ_INIT(&scribe->askers);
    TAILQ_INIT(&scribe->leaving);
    TAILQ_INIT(&scribe->reports_ending);
    scribe->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    must(scribe->wake >= 0);
    must(pthread_mutex_init(&scribe->mutex, NULL) == 0);
    must(pthread_condattr_init(&monotonic) == 0);
    must(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
    must(pthread_cond_init(&scribe->batch_came, &monotonic) == 0);
    must(pthread_cond_init(&scribe->report_came, &monotonic) == 0);
    pthread_condattr_destroy(&monotonic);
    start_threads(scribe);
    return scribe;
}

void scribe_destroy(struct scribe **scribe_p)
{
    struct scribe *scribe = *scribe_p;

    if (scribe == NULL) {
        return;
    }
    must(TAILQ_EMPTY(&scribe->all));
    pthread_mutex_lock(&scribe->mutex);
    scribe->stopping = true;
    pthread_cond_broadcast(&scribe->batch_came);
    pthread_mutex_unlock(&scribe->mutex);
    must(pthread_join(scribe->writer, NULL) == 0);
    // The writer has passed on to the report thread what that is to end.
    pthread_mutex_lock(&scribe->mutex);
    pthread_cond_broadcast(&scribe->report_came);
    pthread_mutex_unlock(&scribe->mutex);
    must(pthread_join(scribe->reporter, NULL) == 0);
    must(TAILQ_EMPTY(&scribe->leaving));
    must(TAILQ_EMPTY(&scribe->reports_ending));
    pthread_cond_destroy(&scribe->batch_came);
    pthread_cond_destroy(&scribe->report_came);
    pthread_mutex_destroy(&scribe->mutex);
    (void) close(scribe->wake);
    free(scribe);
    *scribe_p = NULL;
}

int scribe_fd(const struct scribe *scribe)
{
    return scribe->wake;
}

struct store *scribe_next_news(struct scribe *scribe)
{
    pthread_mutex_lock(&scribe->mutex);
    struct store *store = TAILQ_FIRST(&scribe->news);
    if (store != NULL) {
        TAILQ_REMOVE(&scribe->news, store, among_news);
        TAILQ_INSERT_TAIL(&scribe->news, store, among_news);
    }
    pthread_mutex_unlock(&scribe->mutex);
    return store;
}

// ---- stores ----

struct store *store_new(struct scribe *scribe, struct engine **engine_p, struct engine **reports_p, void *owner)
{
    struct store *store = calloc(1, sizeof *store);

    must(store != NULL);
    must(*engine_p != NULL);
    store->scribe = scribe;
    store->owner = owner;
    store->share.engine = *engine_p;
    *engine_p = NULL;
    if (reports_p != NULL) {
        store->reports = *reports_p;
        *reports_p = NULL;
    }
    snprintf(store->description, sizeof store->description, "%s",
             store->share.engine->operations->describe(store->share.engine));
    pthread_mutex_lock(&scribe->mutex);
    TAILQ_INSERT_TAIL(&scribe->all, store, among_all);
    scribe->store_count++;
    pthread_cond_signal(&scribe->batch_came); // the threads let it join
    pthread_cond_signal(&scribe->report_came);
    pthread_mutex_unlock(&scribe->mutex);
    return store;
}

void *store_owner(const struct store *store)
{
    return store->owner;
}

struct scribe *store_scribe(const struct store *store)
{
    return store->scribe;
}

void store_destroy(struct store **store_p)
{
    struct store *store = *store_p;

    if (store == NULL) {
        return;
    }
    struct scribe *scribe = store->scribe;
    pthread_mutex_lock(&scribe->mutex);
    store->destroyed = true;
    scribe_judge_news(store);
    if (store->reports_in.first != NULL) {
        TAILQ_REMOVE(&scribe->askers, store, among_askers);
    }
    TAILQ_REMOVE(&scribe->all, store, among_all);
    scribe->store_count--;
    TAILQ_INSERT_TAIL(&scribe->leaving, store, among_leaving);
    pthread_cond_signal(&scribe->batch_came);
    pthread_mutex_unlock(&scribe->mutex);
    *store_p = NULL;
}

void store_submit(struct store *store, struct batch **batch_p)
{
    struct scribe *scribe = store->scribe;

    must(*batch_p != NULL);
    pthread_mutex_lock(&scribe->mutex);
    parcels_push(&store->batches_in, *batch_p, NULL);
    pthread_cond_signal(&scribe->batch_came);
    pthread_mutex_unlock(&scribe->mutex);
    *batch_p = NULL;
}

struct batch *store_take_batch(struct store *store)
{
    pthread_mutex_lock(&store->scribe->mutex);
    struct batch *batch = parcels_pop(&store->batches_out).batch;
    scribe_judge_news(store);
    pthread_mutex_unlock(&store->scribe->mutex);
    return batch;
}

void store_submit_report(struct store *store, struct report **report_p)
{
    struct scribe *scribe = store->scribe;

    must(*report_p != NULL);
    pthread_mutex_lock(&scribe->mutex);
    if (store->reports_in.first == NULL) {
        TAILQ_INSERT_TAIL(&scribe->askers, store, among_askers);
    }
    parcels_push(&store->reports_in, NULL, *report_p);
    pthread_cond_signal(&scribe->report_came);
    pthread_mutex_unlock(&scribe->mutex);
    *report_p = NULL;
}

struct report *store_take_report(struct store *store)
{
    pthread_mutex_lock(&store->scribe->mutex);
    struct report *report = parcels_pop(&store->reports_out).report;
    scribe_judge_news(store);
    pthread_mutex_unlock(&store->scribe->mutex);
    return report;
}

enum store_state store_state(struct store *store)
{
    pthread_mutex_lock(&store->scribe->mutex);
    enum store_state state = store->state;
    store->state_unseen = false;
    scribe_judge_news(store);
    pthread_mutex_unlock(&store->scribe->mutex);
    return state;
}

void store_describe(struct store *store, char *text, size_t text_bytes)
{
    pthread_mutex_lock(&store->scribe->mutex);
    snprintf(text, text_bytes, "%s", store->description);
    pthread_mutex_unlock(&store->scribe->mutex);
}
