// store.h - the stores of a broker's desks, and the writer that writes for them all: batches go in, come back
// durable, in order.
//
// A writer has two threads whatever the number of desks: one writes, one answers reports.  What waits when the writer
// comes for more is committed together: the batches of a desk as one group, and the groups of all desks whose engines
// can join (engine.h) in one transaction over one connection.  Stores are made and destroyed while it works.  The
// loop never waits: store_submit takes a batch, store_take_batch gives it back when it is on disk.  Trouble is
// handled here: while a store is away the writer waits with back-off and repeats; a commit in doubt is settled by
// reopening, reading the position, and a confirming commit.  A contradiction is final for its desk, and for no other.

#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "broker/store/engine.h"

struct writer;
struct store;

enum store_state {
    STORE_STATE_WORKING,
    STORE_STATE_BEHIND,      // working, but its tables do not keep up: intake has to pause until they do
    STORE_STATE_AWAY,        // being waited for; nothing comes back until it is there again
    STORE_STATE_CONTRADICTED // the desk must stop
};

struct writer *writer_new(void);

// Waits for the attempt being made, not for a store that is away.  Asserts: all stores have been destroyed.
void writer_destroy(struct writer **writer_p);

// Readable (level-triggered) while writer_next_news has something.
int writer_fd(const struct writer *writer);

// A store for which store_take_batch or store_take_report has something, or whose state has changed since
// store_state was last called; NULL when there is none.  Each is told in its turn, again and again until all has been
// taken and seen.
struct store *writer_next_news(struct writer *writer);

// Takes both engines, which only the writer's threads call from then on.  `reports` may be NULL: reports are then
// answered as not found.  `owner` is the caller's own.
struct store *store_new(struct writer *writer, struct engine **engine_p, struct engine **reports_p, void *owner);
void *store_owner(const struct store *store);
struct writer *store_writer(const struct store *store);

// Never waits.  What was not on disk is dropped unspoken; what is being written may still come to be on disk.  The
// engines are destroyed by the writer's threads; they are gone when writer_destroy returns.
void store_destroy(struct store **store_p);

// Hands a batch over to be made durable.  Never blocks.
void store_submit(struct store *store, struct batch **batch_p);

// The next batch that is on disk with its questions answered, in the order submitted, or NULL.  Batches that
// waited together were committed together; a question is answered by what was on disk after all of them.
struct batch *store_take_batch(struct store *store);

// The desk is let go: what its tables do not show of what is durable they are to show at once.  Never waits.
void store_drain(struct store *store);

// Whether they do, since then.  That it has become true is news.
bool store_is_drained(struct store *store);

void store_submit_report(struct store *store, struct report **report_p);
struct report *store_take_report(struct store *store);

enum store_state store_state(struct store *store);

// In words: what the store is, how it is, what to do.  Copied into the caller's buffer.
void store_describe(struct store *store, char *text, size_t text_bytes);

#endif
