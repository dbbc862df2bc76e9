// writing.c - the writer's thread: which desks are due, an attempt for them, and what its results mean for each.
//
// Those that have joined are attempted together; one that stood in the others' way, or cannot join, is attempted
// alone.  While a store is away attempts are made with back-off: one back-off for all that share a connection, as it
// is one database that is away, and one each for the others.

#include "broker/store/writer.h"

#include "proto/base/clocks.h"
#include "proto/base/must.h"
#include "proto/base/thread.h"

#include <stdlib.h>

#define BACK_OFF_MS_MIN 50
#define BACK_OFF_MS_MAX 250 // so that a store that is back is noticed well within a second
#define APART_MS_MAX 1000   // of a desk that stands in the others' way: what it waits for, they wait for

#define BEHIND_LOOK_MS 50 // whether the tables of a store that is behind have kept up
#define DRAIN_LOOK_MS 5   // and those of a desk that is let go

#define DESCRIBE_MS 1000 // after which the description of a session that many share is made anew

// What is larger than this waits for the next commit.
#define GROUP_BYTES_MAX ((size_t) 8 * 1024 * 1024) // of all desks
#define GROUP_COUNT_MAX 1024                       // of one desk

struct writing {
    struct writer *writer;
    struct backoff backoff; // of all that have joined
    struct store **due;     // first those that are attempted together
    struct share **shares;  // theirs
    size_t room;
    size_t count;
    size_t together;
};

// ---- backoff ----

static struct backoff *writing_backoff_of(struct writing *writing, struct store *store)
{
    return store->joined && !store->share.apart ? &writing->backoff : &store->backoff;
}

static void writing_backoff_fail(struct backoff *backoff, int64_t most_ms)
{
    backoff->wait_ms = backoff->wait_ms == 0 ? BACK_OFF_MS_MIN : backoff->wait_ms * 2;
    backoff->wait_ms = backoff->wait_ms > most_ms ? most_ms : backoff->wait_ms;
    backoff->until_ms = clocks_monotonic_ms() + backoff->wait_ms;
}

// ---- how a store is: under the mutex ----

static void writing_tell_state(struct store *store, enum store_state state)
{
    struct engine *engine = store->share.engine;
    char description[STORE_DESCRIPTION_BYTES];
    int64_t now_ms = clocks_monotonic_ms();

    if (store->joined && state != STORE_STATE_AWAY && state != STORE_STATE_CONTRADICTED && store->state == state &&
        now_ms < store->described_ms + DESCRIBE_MS) {
        return;
    }
    store->described_ms = now_ms;
    if (state == STORE_STATE_WORKING || state == STORE_STATE_BEHIND) {
        snprintf(description, sizeof description, "%s", engine->operations->describe(engine));
    } else {
        snprintf(description, sizeof description, "%.320s: %s: %s", engine->operations->describe(engine),
                 state == STORE_STATE_AWAY ? "away" : "contradicted", engine->reason);
    }
    writer_set_state(store, state, description);
}

static enum store_state writing_working_state(const struct store *store)
{
    struct engine *engine = store->share.engine;

    return engine->operations->is_behind != NULL && engine->operations->is_behind(engine) ? STORE_STATE_BEHIND
                                                                                          : STORE_STATE_WORKING;
}

// A store that nothing is written to says itself that its tables have kept up.  Returns when it is to be looked at
// again, unless something else is due sooner.
static int64_t writing_look_at_behind(struct store *store, int64_t now_ms, int64_t next_ms)
{
    if (store->state != STORE_STATE_BEHIND) {
        return next_ms;
    }
    writing_tell_state(store, writing_working_state(store));
    bool sooner = store->state == STORE_STATE_BEHIND && now_ms + BEHIND_LOOK_MS < next_ms;
    return sooner ? now_ms + BEHIND_LOOK_MS : next_ms;
}

// The tables of a desk that is let go are to show all that was committed.  Returns when they are to be looked at again,
// unless something else is due sooner.
static int64_t writing_look_at_draining(struct store *store, int64_t now_ms, int64_t next_ms)
{
    struct engine *engine = store->share.engine;

    if (!store->draining || store->drained || store->share.group != NULL || store->batches_in.first != NULL) {
        return next_ms;
    }
    if (engine->operations->positions != NULL) {
        struct engine_positions positions = engine->operations->positions(engine);
        if (positions.applied < positions.durable) {
            engine->operations->hurry(engine);
            return now_ms + DRAIN_LOOK_MS < next_ms ? now_ms + DRAIN_LOOK_MS : next_ms;
        }
    }
    store->drained = true;
    store->state_unseen = true; // the loop is to look
    writer_judge_news(store);
    return next_ms;
}

// ---- collecting: under the mutex ----

static void writing_require_room(struct writing *writing, size_t count)
{
    if (count > writing->room) {
        writing->room = count * 2;
        writing->due = realloc(writing->due, writing->room * sizeof(struct store *));
        writing->shares = realloc(writing->shares, writing->room * sizeof(struct share *));
        must(writing->due != NULL);
        must(writing->shares != NULL);
    }
}

static struct engine *writing_find_other(struct writer *writer, const struct store *store)
{
    struct store *other;

    TAILQ_FOREACH(other, &writer->all, among_all)
    {
        if (other != store && other->joined) {
            return other->share.engine;
        }
    }
    return NULL;
}

// Lets a store's engine work through the connection of the others, if it can.  The database is not asked.
static void writing_join(struct writer *writer, struct store *store)
{
    struct engine *engine = store->share.engine;

    if (!store->joined && engine->operations->join != NULL) {
        struct engine *other = writing_find_other(writer, store);
        store->joined = other == NULL || engine->operations->join(engine, other);
    }
}

// Links what is queued up to a group, as far as the batches follow each other and stay within bounds.
static struct batch *writing_take_group(struct store *store, size_t *bytes)
{
    struct batch *first = submissions_pop(&store->batches_in).batch;
    struct batch *last = first;

    *bytes += batch_bytes(first);
    for (int count = 1; store->batches_in.first != NULL && count < GROUP_COUNT_MAX; count++) {
        struct batch *next = store->batches_in.first->batch;
        const struct store_position *from = batch_from(next);
        const struct store_position *to = batch_to(last);
        if (*bytes + batch_bytes(next) > GROUP_BYTES_MAX || from->epoch != to->epoch ||
            from->sequence != to->sequence) {
            break;
        }
        *bytes += batch_bytes(next);
        batch_link(last, next);
        last = submissions_pop(&store->batches_in).batch;
    }
    return first;
}

static size_t writing_waiting_bytes(const struct store *store)
{
    size_t bytes = 0;

    for (const struct batch *batch = store->share.group; batch != NULL; batch = batch_next(batch)) {
        bytes += batch_bytes(batch);
    }
    return bytes > 0 ? bytes : batch_bytes(store->batches_in.first->batch);
}

// Adds a store, unless what is to be written would become too much.
static bool writing_add_due(struct writing *writing, struct store *store, size_t *bytes)
{
    size_t at = writing->count;
    size_t more = writing_waiting_bytes(store);

    if (at > 0 && *bytes + more > GROUP_BYTES_MAX) {
        return false;
    }
    if (store->share.group == NULL) {
        store->share.group = writing_take_group(store, bytes);
    } else {
        *bytes += more;
    }
    if (store->joined && !store->share.apart) {
        writing->due[at] = writing->due[writing->together]; // the first of those that are attempted alone
        at = writing->together++;
    }
    writing->due[at] = store;
    writing->count++;
    return true;
}

// Those that were too many come first the next time.
static void writing_put_behind(struct writing *writing)
{
    for (size_t i = 0; i < writing->count; i++) {
        TAILQ_REMOVE(&writing->writer->all, writing->due[i], among_all);
        TAILQ_INSERT_TAIL(&writing->writer->all, writing->due[i], among_all);
    }
}

// Collects the stores that have something to be written now.  Returns when the next will have, INT64_MAX: none.
static int64_t writing_collect(struct writing *writing)
{
    struct writer *writer = writing->writer;
    int64_t now_ms = clocks_monotonic_ms();
    int64_t next_ms = INT64_MAX;
    size_t bytes = 0;
    bool all = true;
    struct store *store;

    writing->count = writing->together = 0;
    writing_require_room(writing, writer->store_count);
    TAILQ_FOREACH(store, &writer->all, among_all)
    {
        writing_join(writer, store);
        next_ms = writing_look_at_behind(store, now_ms, next_ms);
        next_ms = writing_look_at_draining(store, now_ms, next_ms);
        bool work = store->share.group != NULL || store->batches_in.first != NULL;
        if (!work || store->state == STORE_STATE_CONTRADICTED) {
            continue;
        }
        int64_t until_ms = writing_backoff_of(writing, store)->until_ms;
        if (until_ms > now_ms) {
            next_ms = until_ms < next_ms ? until_ms : next_ms;
        } else {
            all = writing_add_due(writing, store, &bytes) && all;
        }
    }
    if (!all) {
        writing_put_behind(writing);
    }
    return next_ms;
}

static void writing_wait_until(struct writer *writer, int64_t until_ms)
{
    if (until_ms == INT64_MAX) {
        (void) pthread_cond_wait(&writer->batch_came, &writer->mutex);
    } else {
        (void) thread_wait_until(&writer->batch_came, &writer->mutex, until_ms);
    }
}

// ---- an attempt and its results ----

static void writing_discard(struct batch **group_p)
{
    while (*group_p != NULL) {
        struct batch *next = batch_next(*group_p);
        batch_destroy(group_p);
        *group_p = next;
    }
}

// Under the mutex.
static void writing_hand_back(struct store *store)
{
    struct batch *group = store->share.group;

    while (group != NULL) {
        struct batch *next = batch_next(group);
        batch_link(group, NULL);
        submissions_push(&store->batches_out, group, NULL);
        group = next;
    }
    store->share.group = NULL;
    writer_judge_news(store);
}

// Under the mutex.
static void writing_conclude_one(struct store *store)
{
    switch (store->share.result) {
    case STORE_OK:
        store->share.doubt = store->share.written = store->share.apart = false;
        store->backoff = (struct backoff){ 0 };
        writing_tell_state(store, writing_working_state(store));
        writing_hand_back(store);
        break;
    case STORE_CONTRADICTED:
        writing_tell_state(store, STORE_STATE_CONTRADICTED);
        writing_discard(&store->share.group);
        break;
    default:
        writing_tell_state(store, STORE_STATE_AWAY);
    }
}

// Sees to the results of an attempt for some that are due.
static void writing_conclude(struct writing *writing, struct store **stores, size_t count)
{
    bool any = false;
    bool away = false;

    for (size_t i = 0; i < count; i++) {
        struct store *store = stores[i];
        enum store_result result = store->share.result;
        bool failed = result != STORE_OK && result != STORE_CONTRADICTED;
        if (failed && (!store->joined || store->share.apart)) {
            writing_backoff_fail(&store->backoff, store->share.apart ? APART_MS_MAX : BACK_OFF_MS_MAX);
        }
        any = any || (result == STORE_OK && store->joined);
        away = away || (failed && store->joined && !store->share.apart);
    }
    if (away) {
        writing_backoff_fail(&writing->backoff, BACK_OFF_MS_MAX);
    } else if (any) {
        writing->backoff = (struct backoff){ 0 };
    }
    pthread_mutex_lock(&writing->writer->mutex);
    for (size_t i = 0; i < count; i++) {
        writing_conclude_one(stores[i]);
    }
    pthread_mutex_unlock(&writing->writer->mutex);
}

static void writing_attempt(struct writing *writing)
{
    size_t together = writing->together;

    for (size_t i = 0; i < writing->count; i++) {
        writing->shares[i] = &writing->due[i]->share;
    }
    if (together > 0) {
        engine_attempt_together(writing->shares, together);
        writing_conclude(writing, writing->due, together);
    }
    for (size_t i = together; i < writing->count; i++) {
        engine_attempt_together(writing->shares + i, 1);
        writing_conclude(writing, writing->due + i, 1);
    }
}

// Ends the engines of stores that were destroyed.  Called under the mutex, which is given up meanwhile.
static void writing_let_go(struct writer *writer)
{
    struct store *store;

    while ((store = TAILQ_FIRST(&writer->leaving)) != NULL) {
        pthread_mutex_unlock(&writer->mutex);
        writing_discard(&store->share.group);
        store->share.engine->operations->destroy(&store->share.engine);
        pthread_mutex_lock(&writer->mutex);
        TAILQ_REMOVE(&writer->leaving, store, among_leaving);
        TAILQ_INSERT_TAIL(&writer->reports_ending, store, among_leaving);
        pthread_cond_signal(&writer->report_came);
    }
}

// Waits until something is due; false when the writer is ending.
static bool writing_wait_for_work(struct writing *writing)
{
    struct writer *writer = writing->writer;
    bool found = false;

    pthread_mutex_lock(&writer->mutex);
    while (!found) {
        writing_let_go(writer);
        if (writer->stopping) {
            break;
        }
        int64_t next_ms = writing_collect(writing);
        found = writing->count > 0;
        if (!found) {
            writing_wait_until(writer, next_ms);
        }
    }
    pthread_mutex_unlock(&writer->mutex);
    return found;
}

void *writer_write(void *self)
{
    struct writing writing = { .writer = self };

    while (writing_wait_for_work(&writing)) {
        writing_attempt(&writing);
    }
    free(writing.due);
    free(writing.shares);
    return NULL;
}
