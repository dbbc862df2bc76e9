// recent.h - what the desk remembers of threads and authors: who has an item of theirs, and once it has ended who
// answered.
//
// Bounded: the oldest is forgotten when the ring is full, which costs a preference or a follow-up's place,
// nothing else.  A zeroed one is empty and ready.

#ifndef DESK_RECENT_H
#define DESK_RECENT_H

#include "broker/desk/policy.h"
#include "proto/base/table.h"

// Rows kept at most: 40 bytes each and 32 of the table make 18 MB.
#define RECENT_MAX (256u * 1024u)

struct recent_row {
    uint64_t key;
    int64_t at_ms;     // when `person` ended an item of it; 0: never
    uint32_t person;   // POLICY_NONE: nobody
    uint32_t with;     // of an author: who was last given an item of theirs, perhaps no longer; POLICY_NONE: nobody
    uint32_t language; // of the last post
    enum audience audience; // in whose queue the item ended
    bool sealed;            // that item was sealed
};

struct recent {
    struct recent_row *rows; // a ring of RECENT_MAX
    struct table table;
    uint32_t next;
};

void recent_fini(struct recent *recent);

// The row of this key, or NULL.  Belongs to the ring, valid until the next recent_require.
struct recent_row *recent_find(const struct recent *recent, uint64_t key);

// The row of this key, made if it is not there.
struct recent_row *recent_require(struct recent *recent, uint64_t key);

#endif
