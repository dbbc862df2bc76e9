// store_desk.h - the verbs of the store's tests: batches with plausible records, committed and checked.

#ifndef TESTS_STORE_DESK_H
#define TESTS_STORE_DESK_H

#include "broker/store/engine.h"

// An engine under test with the position its desk is believed to be at.
struct desk_under_test {
    struct engine *engine;
    struct store_position position;
    // NULL, or desks that write in the same transaction each time, named so that one comes before it and one after.
    struct desk_under_test *before;
    struct desk_under_test *after;
};

// Takes the desk over.
void desk_take_over(struct desk_under_test *desk);

// A batch that moves the desk on from where it is by `steps`; `desk->position` is at its `to` afterwards.
struct batch *desk_batch(struct desk_under_test *desk, uint64_t steps);

// Commits; with neighbours together with a batch of each, which must go well whatever becomes of this one.
enum store_result desk_try(struct desk_under_test *desk, struct batch *batch);

// Commits, asserts STORE_OK and frees the batch.
void desk_commit(struct desk_under_test *desk, struct batch **batch_p);

// Records with every field set to something of its own.
struct change a_post(uint64_t item, uint32_t number, const char *post, const char *text);
struct change an_item(uint64_t item, enum item_state state);
struct change a_reply(uint64_t reply, uint64_t item, enum reply_state state, const char *text);
struct change a_note(uint64_t item, const char *kind, const char *text, bool sealed);
struct change an_event(uint64_t sequence, uint64_t item, const char *kind);
struct change an_outcome(uint64_t item, uint64_t reply, int64_t closed_ms);
struct change a_request(uint64_t number, const char *principal, int64_t id);

// Appends a change to the batch's list.
void put(struct batch *batch, struct change change);

#endif
