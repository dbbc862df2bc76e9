// reporting.c - the thread that answers reports, each desk in its turn, and is the last to know a store.

#include "broker/store/scribe.h"

#include "proto/must.h"

#include <stdlib.h>

// A store whose engine the others' work through.
static struct engine *find_other(struct scribe *scribe, const struct store *store)
{
    struct store *other;

    TAILQ_FOREACH(other, &scribe->all, among_all)
    {
        if (other != store && other->reports_joined) {
            return other->reports;
        }
    }
    return NULL;
}

// Lets a store's engine work through the connection of the others, if it can.  Under the mutex, as stores come and go;
// the database is not asked.
static void join(struct scribe *scribe, struct store *store)
{
    if (store->reports == NULL || store->reports_joined || store->reports->operations->join == NULL) {
        return;
    }
    struct engine *other = find_other(scribe, store);
    store->reports_joined = other == NULL || store->reports->operations->join(store->reports, other);
}

// So that a desk's own session does not stay until it is asked for its first report.
static void join_all(struct scribe *scribe)
{
    struct store *store;

    TAILQ_FOREACH(store, &scribe->all, among_all)
    {
        join(scribe, store);
    }
}

// Ends what the writer has passed on.  Called under the mutex, which is given up meanwhile.
static void end_one(struct scribe *scribe)
{
    struct store *store = TAILQ_FIRST(&scribe->reports_ending);

    TAILQ_REMOVE(&scribe->reports_ending, store, among_leaving);
    pthread_mutex_unlock(&scribe->mutex);
    if (store->reports != NULL) {
        store->reports->operations->destroy(&store->reports);
    }
    parcels_fini(&store->batches_in);
    parcels_fini(&store->batches_out);
    parcels_fini(&store->reports_in);
    parcels_fini(&store->reports_out);
    free(store);
    pthread_mutex_lock(&scribe->mutex);
}

static void answer(struct store *store, struct report *report)
{
    enum store_result result = STORE_UNAVAILABLE;

    if (store->reports != NULL) {
        result = store->reports->operations->report(store->reports, report);
    }
    if (result != STORE_OK) {
        report->found = false;
        report->failed = store->reports != NULL;
    }
}

// Called under the mutex, which is given up meanwhile.
static void answer_one(struct scribe *scribe)
{
    struct store *store = TAILQ_FIRST(&scribe->askers);
    struct report *report = parcels_pop(&store->reports_in).report;

    TAILQ_REMOVE(&scribe->askers, store, among_askers);
    if (store->reports_in.first != NULL) {
        TAILQ_INSERT_TAIL(&scribe->askers, store, among_askers);
    }
    join(scribe, store);
    pthread_mutex_unlock(&scribe->mutex);
    answer(store, report); // should the store be destroyed meanwhile, it is this thread that frees it
    pthread_mutex_lock(&scribe->mutex);
    parcels_push(&store->reports_out, NULL, report);
    scribe_judge_news(store);
}

void *scribe_report(void *self)
{
    struct scribe *scribe = self;

    pthread_mutex_lock(&scribe->mutex);
    for (;;) {
        if (!TAILQ_EMPTY(&scribe->reports_ending)) {
            end_one(scribe);
        } else if (scribe->stopping && TAILQ_EMPTY(&scribe->leaving)) {
            break;
        } else if (!TAILQ_EMPTY(&scribe->askers)) {
            answer_one(scribe);
        } else {
            join_all(scribe);
            pthread_cond_wait(&scribe->report_came, &scribe->mutex);
        }
    }
    pthread_mutex_unlock(&scribe->mutex);
    return NULL;
}
