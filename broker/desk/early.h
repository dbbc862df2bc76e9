// early.h - what authors did to posts that have not been taken: kept, bounded and for a stated time, until they are.
//
// A platform tells what happened in any order.  Of each post its texts are kept, as a rule may hold for one that its
// author has changed since, or the deletion, which is final.  They are on disk; what is here is the same in memory.

#ifndef DESK_EARLY_H
#define DESK_EARLY_H

#include "broker/desk/record.h"
#include "proto/base/table.h"

#include <stddef.h>

struct early_change {
    struct early_record record; // its texts belong to it
    uint64_t key;
    size_t bytes;
    struct early_change *older;           // what was kept of the same post before it
    struct early_change *next, *previous; // by the time of keeping
};

// Zeroed, it is empty.
struct early_changes {
    struct table table; // by desk_intake_key: the newest of each post
    struct early_change *first, *last;
    size_t count;
    size_t bytes;
};

void early_fini(struct early_changes *changes);

// The newest; NULL: nothing is kept of this post.
struct early_change *early_find(const struct early_changes *changes, const char *channel, const char *post);

// Keeps a copy as the newest of its post, in the place of the one with its number.  False when there is no room.
bool early_keep(struct early_changes *changes, const struct early_record *record);

void early_forget(struct early_changes *changes, struct early_change *change);

#endif
