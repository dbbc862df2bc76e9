// sharing.h - how brokers share desks out among themselves: what each takes, and what it hands to another one.
//
// Pure.  Every broker writes a row for each desk it serves, with a counter that moves while it lives and how many
// desks it has.  Each looks at the rows of the others on its own clock and decides for itself; two that decide
// differently do no harm, as a desk is only ever taken by a guarded change of its lease's row.
//
//   a free desk    is taken by the one of the living brokers that has fewest, all counting alike; who is not that one
//                  waits for SHARING_WAIT_MS, or SHARING_SUCCESSOR_MS where the desk was handed to somebody, and takes
//                  it then
//   a desk of ours is handed over when a living broker that serves it has at least two fewer, one at a time, by the
//                  broker that has most; after that the difference is smaller, so that desks come to rest
//
// A broker that does not take what it was handed is handed nothing for a while.

#ifndef OWNERSHIP_SHARING_H
#define OWNERSHIP_SHARING_H

#include "broker/store/lease_row.h"

#define SHARING_BEAT_MS 1000 // how often a broker's counter moves
#define SHARING_LOST_MS 3500 // it stands still for this long: its broker is taken for dead
#define SHARING_WAIT_MS 200  // for this long a free desk is left to the broker that is first in line for it
#define SHARING_TURN_MS 25   // longer for each that stands before it in the same line: they are opened a few at a time
#define SHARING_SUCCESSOR_MS 1500 // and to the one that it was handed to for this long
#define SHARING_FIRST_MS 250      // a broker of several desks looks around for this long before it takes the first
#define SHARING_SETTLED_MS 2000   // a broker lives for this long before it is handed anything
#define SHARING_CALM_MS 1000  // a hand-over must have been right for this long; longer for a broker that has not most
#define SHARING_TAKEN_MS 3000 // a broker that handed a desk over waits this long for the other one to take it
#define SHARING_REFUSED_MS 60000   // a broker that did not take it is handed nothing for this long
#define SHARING_FORGOTTEN_MS 60000 // rows of a broker that is dead for this long are removed

#define SHARING_PACE_MS 300 // between a desk that has arrived and the next to be handed over

#define SHARING_BROKERS_MAX 64 // besides us; others are not seen

struct sharing;

struct sharing *sharing_new(const char *ourselves, const char *const *desks, size_t desk_count);
void sharing_destroy(struct sharing **sharing_p);

// The rows of all our desks were read; that was answered at this time.
void sharing_seen(struct sharing *sharing, const struct candidate_row *rows, size_t count, int64_t answered_ms);

// The store did not answer: nobody could move a counter.
void sharing_lost(struct sharing *sharing);

enum shared_state {
    SHARED_ELSEWHERE, // or not known
    SHARED_FREE,
    SHARED_OPENING,
    SHARED_OURS,
    SHARED_LEAVING // being handed over, or given up
};

// How a desk is, as the caller knows; and what is to be done.
struct shared_desk {
    enum shared_state state;
    const struct lease_row *row; // as last seen
    bool stood_still;            // FREE: its owner died
    size_t sessions;             // OURS: where fewer are is handed over first

    int64_t free_ms; // kept here: since when it has been FREE, 0: it is not
    bool take;       // FREE: now
};

// A desk to be handed over, and to whom.
struct hand_over {
    size_t desk;
    char successor[LEASE_BROKER_BYTES];
};

// Decides for all desks.  True when one is to be handed over, which the caller then begins.
bool sharing_decide(struct sharing *sharing, struct shared_desk *desks, int64_t now_ms, struct hand_over *hand_over);

// Whether one is on its way: it is well to decide soon again.
bool sharing_is_handing(const struct sharing *sharing);

// How many desks we have, as others are to be told.
size_t sharing_load(const struct shared_desk *desks, size_t desk_count);

// Where clients find the living brokers, besides us, that serve a desk: joined by commas, as many as there is room for.
void sharing_others(const struct sharing *sharing, size_t desk, int64_t now_ms, char endpoints[LEASE_ENDPOINTS_BYTES]);

// A broker that has been dead for long, as last seen: its rows are to be removed.  False when there is none.
bool sharing_forget(struct sharing *sharing, int64_t now_ms, struct candidate_row *row);

#endif
