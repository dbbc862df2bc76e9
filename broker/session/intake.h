// intake.h - which posts of the recent window have been taken: an exact set of 64-bit keys, by the day of taking.
//
// A post that was written within the window, as its platform says, cannot have been taken before it: if its key is not
// here it is surely new and need not be looked up in the store.  All others are asked for there: hits (a repeat, the
// same id of another brand, two posts with the same key), older posts, and posts without a time.  Platforms' times
// count for nothing else, and may be wrong by a stated span.  The window moves with time and shrinks when it would hold
// too many keys; whole days are dropped, which only makes the store be asked more often.

#ifndef SESSION_INTAKE_H
#define SESSION_INTAKE_H

#include "proto/base/key_set.h"

#define INTAKE_DAY_MS (INT64_C(24) * 3600 * 1000)

// Platform times from this far back to this far ahead count as recent.
#define INTAKE_BACK_MS (3 * INTAKE_DAY_MS)
#define INTAKE_AHEAD_MS INTAKE_DAY_MS

// A platform's time may be wrong by this: zones that somebody mistook lie up to 26 hours apart.  The keys in the set
// begin this much earlier than the posts that it settles.
#define INTAKE_WRONG_MS (2 * INTAKE_DAY_MS)

#define INTAKE_DAYS 7 // days that such a window touches

// A day's keys lie in as many sets, each of which grows on its own: at millions of keys a post that makes one grow
// would else keep everybody waiting for a tenth of a second, and now for a 64th of that.
#define INTAKE_PARTS 64

struct intake_day {
    int64_t day; // days since 1970; meaningful while keys are in it
    size_t count;
    struct key_set parts[INTAKE_PARTS];
};

struct intake {
    struct intake_day days[INTAKE_DAYS]; // at day % INTAKE_DAYS
    size_t keys_max;
    int64_t from_ms; // all that was taken from then on is here
};

// `keys_max` bounds the keys kept: 8 bytes each, up to 22 with the free places of a set that has just grown.
void intake_init(struct intake *intake, size_t keys_max, int64_t now_ms);
void intake_fini(struct intake *intake);

// Moves the window.
void intake_advance(struct intake *intake, int64_t now_ms);

// True if the set alone can settle whether such a post is new: its time lies in the window.
bool intake_settles(const struct intake *intake, int64_t posted_ms, int64_t now_ms);

bool intake_has(const struct intake *intake, uint64_t key);

// A post was taken at this time.  What lies before the window is not kept.
void intake_add(struct intake *intake, uint64_t key, int64_t taken_ms);

size_t intake_count(const struct intake *intake);

// The time from which on what was taken is wanted at start.
int64_t intake_since_ms(int64_t now_ms);

#endif
