// intake.h - which posts of the recent window have been taken: an exact set of 64-bit keys, by day.
//
// A post whose platform time lies in the window and whose key is not here is surely new and need not be looked
// up in the store.  All others are asked for there: hits (a repeat, or two posts with the same key), posts
// older than the window, and posts without a time.  The window moves with time and shrinks when it would hold
// too many keys; whole days are dropped, which only makes the store be asked more often.

#ifndef BROKER_INTAKE_H
#define BROKER_INTAKE_H

#include "broker/key_set.h"

// Platform times from so long back to so far ahead count as recent.
#define INTAKE_BACK_MS (INT64_C(3) * 24 * 3600 * 1000)
#define INTAKE_AHEAD_MS (INT64_C(1) * 24 * 3600 * 1000)
#define INTAKE_DAYS 6 // days that such a window touches
#define INTAKE_DAY_MS (INT64_C(24) * 3600 * 1000)

struct intake_day {
    int64_t day; // days since 1970; meaningful while keys are in it
    struct key_set keys;
};

// Days ahead of the window on which posts were taken; one more, and nothing is settled by the set any more.
#define INTAKE_AHEAD_DAYS_MAX 4096

struct intake {
    struct intake_day days[INTAKE_DAYS]; // at day % INTAKE_DAYS
    struct key_set ahead; // days on which posts were taken before the window came to them: not complete here
    size_t keys_max;
    int64_t from_ms; // posts before this are not settled by the set
};

// `keys_max` bounds the keys kept: 8 bytes each, up to 22 with the free places of a set that has just grown.
void intake_init(struct intake *intake, size_t keys_max, int64_t now_ms);
void intake_fini(struct intake *intake);

// Moves the window.
void intake_advance(struct intake *intake, int64_t now_ms);

// True if the set alone can settle whether such a post is new: its time lies in the window.
bool intake_settles(const struct intake *intake, int64_t posted_ms, int64_t now_ms);

bool intake_has(const struct intake *intake, uint64_t key);

// A post was taken.  Posts outside the window are not kept; days ahead of it are then never settled by the set.
void intake_add(struct intake *intake, uint64_t key, int64_t posted_ms, int64_t now_ms);

size_t intake_count(const struct intake *intake);

// The time from which on the store's keys are wanted at start.
int64_t intake_since_ms(int64_t now_ms);

#endif
