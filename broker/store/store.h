// store.h - a store engine with its threads: batches go in, come back durable, in order.
//
// One writer thread owns the engine; a second thread answers reports on a handle of their own.  The loop
// never waits: store_submit takes a batch, store_take_batch gives it back when it is on disk.  Trouble is
// handled here: while the store is away the writer waits with back-off and repeats; a commit in doubt is
// settled by reopening, reading the position, and a confirming commit.  A contradiction is final.

#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "broker/store/engine.h"

struct store;

enum store_state {
    STORE_STATE_WORKING,
    STORE_STATE_AWAY,        // being waited for; nothing comes back until it is there again
    STORE_STATE_CONTRADICTED // the broker must stop
};

// Takes both engines.  `reports` may be NULL: reports are then answered as not found.
struct store *store_new(struct engine **engine_p, struct engine **reports_p);

// Waits for the attempt at the batch being written, not for a store that is away, then frees everything; what
// was not on disk by then is dropped unspoken.
void store_destroy(struct store **store_p);

// Hands a batch over to be made durable.  Never blocks.
void store_submit(struct store *store, struct batch **batch_p);

// The next batch that is on disk with its questions answered, in the order submitted, or NULL.  Batches that
// waited together were committed together; a question is answered by what was on disk after all of them.
struct batch *store_take_batch(struct store *store);

void store_submit_report(struct store *store, struct report **report_p);
struct report *store_take_report(struct store *store);

// Readable (level-triggered) while store_take_batch or store_take_report has something, or the state has
// changed since store_state was last called.
int store_fd(const struct store *store);

enum store_state store_state(struct store *store);

// In words: what the store is, how it is, what to do.  Copied into the caller's buffer.
void store_describe(struct store *store, char *text, size_t text_bytes);

#endif
