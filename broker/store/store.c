// store.c - the writer thread and the report thread around an engine.
//
// The loop and the threads share queues under one mutex; the engine is touched by its thread alone.  What the
// writer finds queued up when it comes for more becomes one group, so that commits grow by themselves under
// load.  While the store is away the writer waits with back-off, and gives up waiting only to end.

#include "broker/store/store.h"

#include "proto/must.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define BACK_OFF_MS_MIN 50
#define BACK_OFF_MS_MAX 500
#define GROUP_BYTES_MAX ((size_t) 8 * 1024 * 1024) // a group larger than this waits for the next commit
#define GROUP_COUNT_MAX 1024
#define DESCRIPTION_BYTES 1024

// A batch or a report on its way.
struct parcel {
    struct parcel *next;
    struct batch *batch;
    struct report *report;
};

struct queue {
    struct parcel *first;
    struct parcel *last;
};

struct store {
    pthread_mutex_t mutex; // of all below but the engines
    pthread_cond_t batch_came;
    pthread_cond_t report_came;
    struct queue batches_in, batches_out, reports_in, reports_out;
    bool stopping;
    enum store_state state;
    bool state_unseen; // it changed and store_state was not called since
    char description[DESCRIPTION_BYTES];
    int wake;   // eventfd: readable while there is something to take or see
    bool awake; // it is readable

    struct engine *engine;  // the writer's alone
    struct engine *reports; // the report thread's alone; NULL: none
    pthread_t writer;
    pthread_t reporter;
};

static void queue_push(struct queue *queue, struct batch *batch, struct report *report)
{
    struct parcel *parcel = calloc(1, sizeof *parcel);

    must(parcel != NULL);
    parcel->batch = batch;
    parcel->report = report;
    if (queue->last == NULL) {
        queue->first = parcel;
    } else {
        queue->last->next = parcel;
    }
    queue->last = parcel;
}

// Takes the oldest parcel; empty when there is none.
static struct parcel queue_pop(struct queue *queue)
{
    struct parcel *first = queue->first;
    struct parcel popped = { 0 };

    if (first != NULL) {
        popped = *first;
        queue->first = first->next;
        queue->last = queue->first == NULL ? NULL : queue->last;
        free(first);
    }
    return popped;
}

static void queue_fini(struct queue *queue)
{
    while (queue->first != NULL) {
        struct parcel parcel = queue_pop(queue);
        batch_destroy(&parcel.batch);
        report_destroy(&parcel.report);
    }
}

// Makes the descriptor readable exactly while there is something to take or see.  Called under the mutex.
static void set_wake(struct store *store)
{
    bool wanted = store->batches_out.first != NULL || store->reports_out.first != NULL || store->state_unseen;
    uint64_t count = 1;

    if (wanted && !store->awake) {
        must(write(store->wake, &count, sizeof count) == (ssize_t) sizeof count);
    } else if (!wanted && store->awake) {
        must(read(store->wake, &count, sizeof count) == (ssize_t) sizeof count);
    }
    store->awake = wanted;
}

// Under the mutex.
static void set_state(struct store *store, enum store_state state, const char *description)
{
    snprintf(store->description, sizeof store->description, "%s", description);
    if (store->state != state) {
        store->state = state;
        store->state_unseen = true;
        set_wake(store);
    }
}

static void tell_state(struct store *store, enum store_state state)
{
    char description[DESCRIPTION_BYTES];
    const char *name = store->engine->operations->describe(store->engine);

    if (state == STORE_STATE_WORKING) {
        snprintf(description, sizeof description, "%s", name);
    } else {
        snprintf(description, sizeof description, "%.320s: %s: %s", name,
                 state == STORE_STATE_AWAY ? "away" : "contradicted", store->engine->reason);
    }
    pthread_mutex_lock(&store->mutex);
    set_state(store, state, description);
    pthread_mutex_unlock(&store->mutex);
}

// Links what is queued up to a group, as far as the batches follow each other and stay within bounds.
static struct batch *take_group(struct store *store)
{
    struct batch *first = queue_pop(&store->batches_in).batch;
    struct batch *last = first;
    size_t bytes = first == NULL ? 0 : batch_bytes(first);

    for (int count = 1; store->batches_in.first != NULL && count < GROUP_COUNT_MAX; count++) {
        struct batch *next = store->batches_in.first->batch;
        const struct store_position *from = batch_from(next);
        const struct store_position *to = batch_to(last);
        bytes += batch_bytes(next);
        if (bytes > GROUP_BYTES_MAX || from->epoch != to->epoch || from->sequence != to->sequence) {
            break;
        }
        batch_link(last, next);
        last = queue_pop(&store->batches_in).batch;
    }
    return first;
}

// Waits for work; NULL when the store is ending.
static struct batch *wait_for_group(struct store *store)
{
    pthread_mutex_lock(&store->mutex);
    while (store->batches_in.first == NULL && !store->stopping) {
        pthread_cond_wait(&store->batch_came, &store->mutex);
    }
    struct batch *group = store->stopping ? NULL : take_group(store);
    pthread_mutex_unlock(&store->mutex);
    return group;
}

static struct timespec after_ms(int64_t ms)
{
    struct timespec at;

    must(clock_gettime(CLOCK_MONOTONIC, &at) == 0);
    at.tv_sec += (time_t) (ms / 1000);
    at.tv_nsec += (long) (ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_nsec -= 1000000000;
        at.tv_sec++;
    }
    return at;
}

// Waits before the next attempt; false when the store is ending.
static bool back_off(struct store *store, int64_t ms)
{
    struct timespec until = after_ms(ms);
    int result = 0;

    pthread_mutex_lock(&store->mutex);
    while (!store->stopping && result == 0) {
        result = pthread_cond_timedwait(&store->batch_came, &store->mutex, &until);
    }
    bool go_on = !store->stopping;
    pthread_mutex_unlock(&store->mutex);
    return go_on;
}

// Makes a group durable, however long it takes; false when it cannot be (any more).
static bool make_durable(struct store *store, struct batch *group)
{
    int64_t wait_ms = BACK_OFF_MS_MIN;
    bool doubt = false;

    for (;;) {
        enum store_result result = engine_attempt(store->engine, group, &doubt);
        if (result == STORE_OK) {
            tell_state(store, STORE_STATE_WORKING);
            return true;
        }
        if (result == STORE_CONTRADICTED) {
            tell_state(store, STORE_STATE_CONTRADICTED);
            return false;
        }
        tell_state(store, STORE_STATE_AWAY);
        if (!back_off(store, wait_ms)) {
            return false;
        }
        wait_ms = wait_ms * 2 > BACK_OFF_MS_MAX ? BACK_OFF_MS_MAX : wait_ms * 2;
    }
}

static void hand_back(struct store *store, struct batch *group)
{
    pthread_mutex_lock(&store->mutex);
    while (group != NULL) {
        struct batch *next = batch_next(group);
        batch_link(group, NULL);
        queue_push(&store->batches_out, group, NULL);
        group = next;
    }
    set_wake(store);
    pthread_mutex_unlock(&store->mutex);
}

static void discard(struct batch *group)
{
    while (group != NULL) {
        struct batch *next = batch_next(group);
        batch_destroy(&group);
        group = next;
    }
}

static void *write_batches(void *self)
{
    struct store *store = self;
    struct batch *group = NULL;

    while ((group = wait_for_group(store)) != NULL) {
        if (!make_durable(store, group)) {
            discard(group);
            break;
        }
        hand_back(store, group);
    }
    return NULL;
}

static struct report *wait_for_report(struct store *store)
{
    pthread_mutex_lock(&store->mutex);
    while (store->reports_in.first == NULL && !store->stopping) {
        pthread_cond_wait(&store->report_came, &store->mutex);
    }
    struct report *report = store->stopping ? NULL : queue_pop(&store->reports_in).report;
    pthread_mutex_unlock(&store->mutex);
    return report;
}

static void *answer_reports(void *self)
{
    struct store *store = self;
    struct report *report = NULL;

    while ((report = wait_for_report(store)) != NULL) {
        enum store_result result = STORE_UNAVAILABLE;
        if (store->reports != NULL) {
            result = store->reports->operations->report(store->reports, report);
        }
        if (result != STORE_OK) {
            report->found = false;
            report->failed = store->reports != NULL;
        }
        pthread_mutex_lock(&store->mutex);
        queue_push(&store->reports_out, NULL, report);
        set_wake(store);
        pthread_mutex_unlock(&store->mutex);
    }
    return NULL;
}

static void start_threads(struct store *store)
{
    sigset_t all, before;

    // Signals are for the thread that made us.
    sigfillset(&all);
    must(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    must(pthread_create(&store->writer, NULL, write_batches, store) == 0);
    must(pthread_create(&store->reporter, NULL, answer_reports, store) == 0);
    must(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
}

struct store *store_new(struct engine **engine_p, struct engine **reports_p)
{
    struct store *store = calloc(1, sizeof *store);
    pthread_condattr_t monotonic;

    must(store != NULL);
    must(*engine_p != NULL);
    store->engine = *engine_p;
    *engine_p = NULL;
    if (reports_p != NULL) {
        store->reports = *reports_p;
        *reports_p = NULL;
    }
    store->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    must(store->wake >= 0);
    must(pthread_mutex_init(&store->mutex, NULL) == 0);
    must(pthread_condattr_init(&monotonic) == 0);
    must(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
    must(pthread_cond_init(&store->batch_came, &monotonic) == 0);
    must(pthread_cond_init(&store->report_came, &monotonic) == 0);
    pthread_condattr_destroy(&monotonic);
    snprintf(store->description, sizeof store->description, "%s", store->engine->operations->describe(store->engine));
    start_threads(store);
    return store;
}

static void stop_threads(struct store *store)
{
    pthread_mutex_lock(&store->mutex);
    store->stopping = true;
    pthread_cond_broadcast(&store->batch_came);
    pthread_cond_broadcast(&store->report_came);
    pthread_mutex_unlock(&store->mutex);
    must(pthread_join(store->writer, NULL) == 0);
    must(pthread_join(store->reporter, NULL) == 0);
}

void store_destroy(struct store **store_p)
{
    struct store *store = *store_p;

    if (store == NULL) {
        return;
    }
    stop_threads(store);
    queue_fini(&store->batches_in);
    queue_fini(&store->batches_out);
    queue_fini(&store->reports_in);
    queue_fini(&store->reports_out);
    store->engine->operations->destroy(&store->engine);
    if (store->reports != NULL) {
        store->reports->operations->destroy(&store->reports);
    }
    pthread_cond_destroy(&store->batch_came);
    pthread_cond_destroy(&store->report_came);
    pthread_mutex_destroy(&store->mutex);
    (void) close(store->wake);
    free(store);
    *store_p = NULL;
}

void store_submit(struct store *store, struct batch **batch_p)
{
    must(*batch_p != NULL);
    pthread_mutex_lock(&store->mutex);
    queue_push(&store->batches_in, *batch_p, NULL);
    pthread_cond_signal(&store->batch_came);
    pthread_mutex_unlock(&store->mutex);
    *batch_p = NULL;
}

struct batch *store_take_batch(struct store *store)
{
    pthread_mutex_lock(&store->mutex);
    struct batch *batch = queue_pop(&store->batches_out).batch;
    set_wake(store);
    pthread_mutex_unlock(&store->mutex);
    return batch;
}

void store_submit_report(struct store *store, struct report **report_p)
{
    must(*report_p != NULL);
    pthread_mutex_lock(&store->mutex);
    queue_push(&store->reports_in, NULL, *report_p);
    pthread_cond_signal(&store->report_came);
    pthread_mutex_unlock(&store->mutex);
    *report_p = NULL;
}

struct report *store_take_report(struct store *store)
{
    pthread_mutex_lock(&store->mutex);
    struct report *report = queue_pop(&store->reports_out).report;
    set_wake(store);
    pthread_mutex_unlock(&store->mutex);
    return report;
}

int store_fd(const struct store *store)
{
    return store->wake;
}

enum store_state store_state(struct store *store)
{
    pthread_mutex_lock(&store->mutex);
    enum store_state state = store->state;
    store->state_unseen = false;
    set_wake(store);
    pthread_mutex_unlock(&store->mutex);
    return state;
}

void store_describe(struct store *store, char *text, size_t text_bytes)
{
    pthread_mutex_lock(&store->mutex);
    snprintf(text, text_bytes, "%s", store->description);
    pthread_mutex_unlock(&store->mutex);
}
