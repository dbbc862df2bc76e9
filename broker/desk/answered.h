// answered.h - the requests that took effect and what they were answered, found by whose they are and their ids.
//
// Of a desk the newest REQUESTS_KEPT_MAX are kept, in a ring as on disk, each for REQUESTS_KEPT_MS: 120 bytes each and
// thus 32 MB at most.  What is about a lease, a queue or a person is not looked at here.

#ifndef DESK_ANSWERED_H
#define DESK_ANSWERED_H

#include "broker/desk/desk.h"
#include "broker/desk/lookup.h"
#include "broker/desk/words.h"

struct answered_row {
    uint64_t key;    // hash of principal and id
    uint64_t number; // as in the record
    int64_t at_ms;
    int64_t id;
    uint64_t digest; // 0: not known
    uint64_t item;
    uint64_t lease;
    uint64_t reply;
    uint64_t rules_version;
    uint32_t role, principal, state; // of `words`
    enum behalf_type type;           // BEHALF_NONE: not known
};

// To be made by answered_init, where it then stays.
struct answered {
    struct words words;
    struct pool pool;
    struct lookup by_key;
    struct lookup by_number;
    uint64_t first; // no lower number is kept
    uint64_t next;  // the number of the next one
};

void answered_init(struct answered *answered);
void answered_fini(struct answered *answered);

// The answer to a principal's earlier request of this id, or NULL.  Valid until the next call of answered_keep.
const struct answered_row *answered_find(const struct answered *answered, const struct principal *principal, int64_t id,
                                         int64_t now_ms);

// Keeps a request with its answer; the number and slot are given to it here.  Those that are too old or too many are
// forgotten, a few at a time.
void answered_keep(struct answered *answered, struct request_record *record);

// The same for one that the store kept, in any order.  False when it cannot be one of the store's ring.
bool answered_restore(struct answered *answered, const struct request_record *record);

// Hash of what a request asks, whatever its id; never 0.
uint64_t answered_digest(const struct behalf_message *request);

// Walks all rows and stops the program if one is not as it must be.
void answered_check(const struct answered *answered);

#endif
