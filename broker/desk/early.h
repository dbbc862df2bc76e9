// early.h - what authors did to posts that not every brand has: kept, bounded and for a stated time, until they do.
//
// A platform tells what happened in any order, and one post may be brought for several brands.  Of each post its texts
// are kept, as a rule of a brand that has yet to bring it may hold for one that its author has changed since, or the
// deletion, which is final.  They are on disk; what is here is the same in memory.  That a text was let go for want of
// room is known from a number left out between those of its post; or, if nothing could be kept of it, from a change of
// no post, whose channel and id are empty, which stays for as long as what was let go would have.

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

// Keeps a copy as the newest of its post, in the place of the one with its number.  False when there is no room, which
// there always is for the change of no post.
bool early_keep(struct early_changes *changes, const struct early_record *record);

void early_forget(struct early_changes *changes, struct early_change *change);

#endif
