// store.c - the loop's side of the writer: stores, their queues, and which of them have news.
//
// The loop and the threads share queues under one mutex; an engine is touched by its thread alone.  A store that is
// destroyed goes on to the writer, which ends its engine, and from there to the report thread, which frees it.

#include "broker/store/writer.h"

#include "proto/base/must.h"
#include "proto/base/thread.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

void submissions_push(struct submissions *submissions, struct batch *batch, struct report *report)
{
    struct submission *submission = calloc(1, sizeof *submission);

    must(submission != NULL);
    submission->batch = batch;
    submission->report = report;
    if (submissions->last == NULL) {
        submissions->first = submission;
    } else {
        submissions->last->next = submission;
    }
    submissions->last = submission;
}

struct submission submissions_pop(struct submissions *submissions)
{
    struct submission *first = submissions->first;
    struct submission popped = { 0 };

    if (first != NULL) {
        popped = *first;
        submissions->first = first->next;
        submissions->last = submissions->first == NULL ? NULL : submissions->last;
        free(first);
    }
    return popped;
}

void submissions_fini(struct submissions *submissions)
{
    while (submissions->first != NULL) {
        struct submission submission = submissions_pop(submissions);
        batch_destroy(&submission.batch);
        report_destroy(&submission.report);
    }
}

// Makes the descriptor readable exactly while there are news.
static void store_set_wake(struct writer *writer)
{
    bool wanted = !TAILQ_EMPTY(&writer->news);
    uint64_t count = 1;

    if (wanted && !writer->awake) {
        must(write(writer->wake, &count, sizeof count) == (ssize_t) sizeof count);
    } else if (!wanted && writer->awake) {
        must(read(writer->wake, &count, sizeof count) == (ssize_t) sizeof count);
    }
    writer->awake = wanted;
}

void writer_judge_news(struct store *store)
{
    struct writer *writer = store->writer;
    bool has_news = !store->destroyed &&
                    (store->batches_out.first != NULL || store->reports_out.first != NULL || store->state_unseen);

    if (has_news && !store->has_news) {
        TAILQ_INSERT_TAIL(&writer->news, store, among_news);
    } else if (!has_news && store->has_news) {
        TAILQ_REMOVE(&writer->news, store, among_news);
    }
    store->has_news = has_news;
    store_set_wake(writer);
}

void writer_set_state(struct store *store, enum store_state state, const char *description)
{
    // Why it is away may change while it is: gone, starting up, read-only.
    bool other_words = state == STORE_STATE_AWAY && strcmp(store->description, description) != 0;

    snprintf(store->description, sizeof store->description, "%s", description);
    if (store->state != state || other_words) {
        store->state = state;
        store->state_unseen = true;
        writer_judge_news(store);
    }
}

// ---- the writer ----

struct writer *writer_new(void)
{
    struct writer *writer = calloc(1, sizeof *writer);

    must(writer != NULL);
    TAILQ_INIT(&writer->all);
    TAILQ_INIT(&writer->news);
    TAILQ_INIT(&writer->askers);
    TAILQ_INIT(&writer->leaving);
    TAILQ_INIT(&writer->reports_ending);
    writer->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    must(writer->wake >= 0);
    must(pthread_mutex_init(&writer->mutex, NULL) == 0);
    thread_condition_init(&writer->batch_came);
    thread_condition_init(&writer->report_came);
    thread_start(&writer->writer, writer_write, writer);
    thread_start(&writer->reporter, writer_report, writer);
    return writer;
}

void writer_destroy(struct writer **writer_p)
{
    struct writer *writer = *writer_p;

    if (writer == NULL) {
        return;
    }
    must(TAILQ_EMPTY(&writer->all));
    pthread_mutex_lock(&writer->mutex);
    writer->stopping = true;
    pthread_cond_broadcast(&writer->batch_came);
    pthread_mutex_unlock(&writer->mutex);
    must(pthread_join(writer->writer, NULL) == 0);
    // The writer has passed on to the report thread what that is to end.
    pthread_mutex_lock(&writer->mutex);
    pthread_cond_broadcast(&writer->report_came);
    pthread_mutex_unlock(&writer->mutex);
    must(pthread_join(writer->reporter, NULL) == 0);
    must(TAILQ_EMPTY(&writer->leaving));
    must(TAILQ_EMPTY(&writer->reports_ending));
    pthread_cond_destroy(&writer->batch_came);
    pthread_cond_destroy(&writer->report_came);
    pthread_mutex_destroy(&writer->mutex);
    (void) close(writer->wake);
    free(writer);
    *writer_p = NULL;
}

int writer_fd(const struct writer *writer)
{
    return writer->wake;
}

struct store *writer_next_news(struct writer *writer)
{
    pthread_mutex_lock(&writer->mutex);
    struct store *store = TAILQ_FIRST(&writer->news);
    if (store != NULL) {
        TAILQ_REMOVE(&writer->news, store, among_news);
        TAILQ_INSERT_TAIL(&writer->news, store, among_news);
    }
    pthread_mutex_unlock(&writer->mutex);
    return store;
}

// ---- stores ----

struct store *store_new(struct writer *writer, struct engine **engine_p, struct engine **reports_p, void *owner)
{
    struct store *store = calloc(1, sizeof *store);

    must(store != NULL);
    must(*engine_p != NULL);
    store->writer = writer;
    store->owner = owner;
    store->share.engine = *engine_p;
    *engine_p = NULL;
    if (reports_p != NULL) {
        store->reports = *reports_p;
        *reports_p = NULL;
    }
    snprintf(store->description, sizeof store->description, "%s",
             store->share.engine->operations->describe(store->share.engine));
    pthread_mutex_lock(&writer->mutex);
    TAILQ_INSERT_TAIL(&writer->all, store, among_all);
    writer->store_count++;
    pthread_cond_signal(&writer->batch_came); // the threads let it join
    pthread_cond_signal(&writer->report_came);
    pthread_mutex_unlock(&writer->mutex);
    return store;
}

void *store_owner(const struct store *store)
{
    return store->owner;
}

struct writer *store_writer(const struct store *store)
{
    return store->writer;
}

void store_destroy(struct store **store_p)
{
    struct store *store = *store_p;

    if (store == NULL) {
        return;
    }
    struct writer *writer = store->writer;
    pthread_mutex_lock(&writer->mutex);
    store->destroyed = true;
    writer_judge_news(store);
    if (store->reports_in.first != NULL) {
        TAILQ_REMOVE(&writer->askers, store, among_askers);
    }
    TAILQ_REMOVE(&writer->all, store, among_all);
    writer->store_count--;
    TAILQ_INSERT_TAIL(&writer->leaving, store, among_leaving);
    pthread_cond_signal(&writer->batch_came);
    pthread_mutex_unlock(&writer->mutex);
    *store_p = NULL;
}

void store_submit(struct store *store, struct batch **batch_p)
{
    struct writer *writer = store->writer;

    must(*batch_p != NULL);
    pthread_mutex_lock(&writer->mutex);
    submissions_push(&store->batches_in, *batch_p, NULL);
    pthread_cond_signal(&writer->batch_came);
    pthread_mutex_unlock(&writer->mutex);
    *batch_p = NULL;
}

struct batch *store_take_batch(struct store *store)
{
    pthread_mutex_lock(&store->writer->mutex);
    struct batch *batch = submissions_pop(&store->batches_out).batch;
    writer_judge_news(store);
    pthread_mutex_unlock(&store->writer->mutex);
    return batch;
}

void store_drain(struct store *store)
{
    pthread_mutex_lock(&store->writer->mutex);
    store->draining = true;
    pthread_cond_signal(&store->writer->batch_came);
    pthread_mutex_unlock(&store->writer->mutex);
}

bool store_is_drained(struct store *store)
{
    pthread_mutex_lock(&store->writer->mutex);
    bool drained = store->drained;
    pthread_mutex_unlock(&store->writer->mutex);
    return drained;
}

void store_submit_report(struct store *store, struct report **report_p)
{
    struct writer *writer = store->writer;

    must(*report_p != NULL);
    pthread_mutex_lock(&writer->mutex);
    if (store->reports_in.first == NULL) {
        TAILQ_INSERT_TAIL(&writer->askers, store, among_askers);
    }
    submissions_push(&store->reports_in, NULL, *report_p);
    pthread_cond_signal(&writer->report_came);
    pthread_mutex_unlock(&writer->mutex);
    *report_p = NULL;
}

struct report *store_take_report(struct store *store)
{
    pthread_mutex_lock(&store->writer->mutex);
    struct report *report = submissions_pop(&store->reports_out).report;
    writer_judge_news(store);
    pthread_mutex_unlock(&store->writer->mutex);
    return report;
}

enum store_state store_state(struct store *store)
{
    pthread_mutex_lock(&store->writer->mutex);
    enum store_state state = store->state;
    store->state_unseen = false;
    writer_judge_news(store);
    pthread_mutex_unlock(&store->writer->mutex);
    return state;
}

void store_describe(struct store *store, char *text, size_t text_bytes)
{
    pthread_mutex_lock(&store->writer->mutex);
    snprintf(text, text_bytes, "%s", store->description);
    pthread_mutex_unlock(&store->writer->mutex);
}
