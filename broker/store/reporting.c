// reporting.c - the thread that answers reports, each desk in its turn, and is the last to know a store.

#include "broker/store/writer.h"

#include "proto/base/must.h"

#include <stdlib.h>

// A store whose engine the others' work through.
static struct engine *reporting_find_other(struct writer *writer, const struct store *store)
{
    struct store *other;

    TAILQ_FOREACH(other, &writer->all, among_all)
    {
        if (other != store && other->reports_joined) {
            return other->reports;
        }
    }
    return NULL;
}

// Lets a store's engine work through the connection of the others, if it can.  Under the mutex, as stores come and go;
// the database is not asked.
static void reporting_join(struct writer *writer, struct store *store)
{
    if (store->reports == NULL || store->reports_joined || store->reports->operations->join == NULL) {
        return;
    }
    struct engine *other = reporting_find_other(writer, store);
    store->reports_joined = other == NULL || store->reports->operations->join(store->reports, other);
}

// So that a desk's own session does not stay until it is asked for its first report.
static void reporting_join_all(struct writer *writer)
{
    struct store *store;

    TAILQ_FOREACH(store, &writer->all, among_all)
    {
        reporting_join(writer, store);
    }
}

// Ends what the writer has passed on.  Called under the mutex, which is given up meanwhile.
static void reporting_end_one(struct writer *writer)
{
    struct store *store = TAILQ_FIRST(&writer->reports_ending);

    TAILQ_REMOVE(&writer->reports_ending, store, among_leaving);
    pthread_mutex_unlock(&writer->mutex);
    if (store->reports != NULL) {
        store->reports->operations->destroy(&store->reports);
    }
    submissions_fini(&store->batches_in);
    submissions_fini(&store->batches_out);
    submissions_fini(&store->reports_in);
    submissions_fini(&store->reports_out);
    free(store);
    pthread_mutex_lock(&writer->mutex);
}

static void reporting_answer(struct store *store, struct report *report)
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
static void reporting_answer_one(struct writer *writer)
{
    struct store *store = TAILQ_FIRST(&writer->askers);
    struct report *report = submissions_pop(&store->reports_in).report;

    TAILQ_REMOVE(&writer->askers, store, among_askers);
    if (store->reports_in.first != NULL) {
        TAILQ_INSERT_TAIL(&writer->askers, store, among_askers);
    }
    reporting_join(writer, store);
    pthread_mutex_unlock(&writer->mutex);
    reporting_answer(store, report); // should the store be destroyed meanwhile, it is this thread that frees it
    pthread_mutex_lock(&writer->mutex);
    submissions_push(&store->reports_out, NULL, report);
    writer_judge_news(store);
}

void *writer_report(void *self)
{
    struct writer *writer = self;

    pthread_mutex_lock(&writer->mutex);
    for (;;) {
        if (!TAILQ_EMPTY(&writer->reports_ending)) {
            reporting_end_one(writer);
        } else if (writer->stopping && TAILQ_EMPTY(&writer->leaving)) {
            break;
        } else if (!TAILQ_EMPTY(&writer->askers)) {
            reporting_answer_one(writer);
        } else {
            reporting_join_all(writer);
            pthread_cond_wait(&writer->report_came, &writer->mutex);
        }
    }
    pthread_mutex_unlock(&writer->mutex);
    return NULL;
}
