// early.h - what authors did to posts that have not been taken: kept, bounded and for a stated time, until they are.
//
// A platform tells what happened in any order.  One change a post is kept: the newest edit, or the deletion, which is
// final.  They are on disk; what is here is the same in memory, with its texts, the oldest first.

#ifndef DESK_EARLY_H
#define DESK_EARLY_H

#include "broker/desk/record.h"
#include "broker/desk/table.h"

#include <stddef.h>

struct early_change {
    struct early_record record; // its texts belong to it
    uint64_t key;
    size_t bytes;
    struct early_change *next, *previous; // by the time of keeping
};

// Zeroed, it is empty.
struct early_changes {
    struct table table; // by desk_intake_key
    struct early_change *first, *last;
    size_t count;
    size_t bytes;
};

void early_fini(struct early_changes *changes);

// NULL: nothing is kept of this post.
struct early_change *early_find(const struct early_changes *changes, const char *channel, const char *post);

// Keeps a copy in the place of what is kept of the same post.  False when there is no room.
bool early_keep(struct early_changes *changes, const struct early_record *record);

void early_forget(struct early_changes *changes, struct early_change *change);

#endif
