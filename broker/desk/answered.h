// answered.h - the requests that took effect and what they were answered, found by whose they are and their ids.
//
// Of a desk the newest REQUESTS_KEPT_MAX are kept, in slots as on disk, each for REQUESTS_KEPT_MS: 125 bytes each and
// thus 33 MB at most.  A principal has at most REQUESTS_OF_ONE_MAX of them, so that nobody pushes out what others did.
// What is about a lease, a queue or a person is not looked at here.

#ifndef DESK_ANSWERED_H
#define DESK_ANSWERED_H

#include "broker/desk/desk.h"
#include "broker/desk/lookup.h"
#include "broker/desk/words.h"

// Places in a list, of the pool; 0: none.
struct answered_links {
    uint32_t previous, next;
};

// A list, oldest first.
struct answered_list {
    uint32_t first, last;
    uint32_t count;
};

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
    struct answered_links of_all, of_one; // among all, and among its principal's
    uint32_t owner;                       // of `owners`
    uint32_t slot;
    uint32_t role, principal, state; // of `words`
    enum behalf_type type;           // BEHALF_NONE: not known
};

// A principal of whom something is remembered.
struct answered_owner {
    uint64_t key; // of the words of role and name
    struct answered_list list;
};

// To be made by answered_init, where it then stays.
struct answered {
    struct words words;
    struct pool pool;
    struct lookup by_key;
    struct pool owners;
    struct lookup owners_by_key;
    struct answered_list all;              // until answered_restored in no order
    uint64_t next;                         // the number of the next one
    uint32_t next_slot;                    // to be looked at for a free one
    uint64_t used[REQUESTS_KEPT_MAX / 64]; // slots, a bit each
};

void answered_init(struct answered *answered);
void answered_fini(struct answered *answered);

// The answer to a principal's earlier request of this id, or NULL.  Valid until the next call of answered_keep.
const struct answered_row *answered_find(const struct answered *answered, const struct principal *principal, int64_t id,
                                         int64_t now_ms);

// Keeps a request with its answer; the number and slot are given to it here.  Those that are too old or too many are
// forgotten, a few at a time.
void answered_keep(struct answered *answered, struct request_record *record);

// The same for one that the store kept, in any order.  False when it cannot be one of the store's.
bool answered_restore(struct answered *answered, const struct request_record *record);

// All that the store kept is there: puts them in order.
void answered_restored(struct answered *answered);

// Hash of what a request asks, whatever its id; never 0.
uint64_t answered_digest(const struct behalf_message *request);

// Walks all rows and stops the program if one is not as it must be.
void answered_check(const struct answered *answered);

#endif
