// feed_ids.h - whether the ids of a file are the platform's, or what a spreadsheet or a program with floating point
// made of them.
//
// Both keep 15 to 17 digits of a number; ids of platforms have 18 and 19.  Rounded, two posts become one, and no reply
// finds its post.  An id with an exponent shows it by itself; one with zeros behind its 15th digit only together with
// its neighbours, so that the first rows wait until it is clear.

#ifndef CTL_FEED_IDS_H
#define CTL_FEED_IDS_H

#include <stdbool.h>
#include <stddef.h>

#define FEED_IDS_FAULT_BYTES 512

// Zeroed, it has seen none.
struct feed_ids {
    bool sound;     // an id that is not rounded was seen: zeros prove nothing any more
    unsigned zeros; // where digits would be, of all ids so far
};

enum feed_ids_verdict {
    FEED_IDS_SOUND,
    FEED_IDS_UNSURE, // the next ids will tell
    FEED_IDS_ROUNDED // `fault` (FEED_IDS_FAULT_BYTES) says why, and what to do
};

// Looks at the next id.  `real`: it was a number with a point or an exponent, not a text.
enum feed_ids_verdict feed_ids_look(struct feed_ids *ids, const char *id, bool real, char *fault);

// There are no more: SOUND or ROUNDED.
enum feed_ids_verdict feed_ids_end(const struct feed_ids *ids, char *fault);

#endif
