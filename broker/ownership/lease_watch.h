// lease_watch.h - what a lease's row and the clock say: may we take the desk, may we still speak for it.
//
// Pure.  Times are of the boot-time clock of whoever watches or holds; no two brokers' clocks are ever compared.
//
//   owner        sends a renewal at t, valid until t + LEASE_TTL_MS when it is answered, however late that is
//   challenger   sees the counter stand still for LEASE_TTL_MS + LEASE_MARGIN_MS, from an answer to a later question
//
// A renewal changes the counter after it was sent.  So when a challenger has seen it stand still for the term, the
// owner's own validity is over, as long as clocks do not differ in speed by more than the margin.

#ifndef OWNERSHIP_LEASE_WATCH_H
#define OWNERSHIP_LEASE_WATCH_H

#include "broker/store/lease_row.h"

#define LEASE_TTL_MS 2000
#define LEASE_MARGIN_MS 400
#define LEASE_RENEW_MS 500
#define LEASE_LOOK_MS 100
#define LEASE_QUIET_MS 1200 // the owner missed a renewal: clients are not sent there any more

// A challenger's.  Zeroed, it knows nothing.
struct lease_watch {
    bool watching;
    bool quiet; // the counter has not moved for a while
    uint64_t epoch;
    uint64_t renewals;
    int64_t since_ms; // it has stood still at least since then
};

// The row was asked for and answered at these times.  True when the desk may be taken over as the row says.
bool lease_watch_seen(struct lease_watch *watch, const struct lease_row *row, int64_t asked_ms, int64_t answered_ms);

// The store did not answer: an owner cannot renew either, so that the watching begins anew.
void lease_watch_lost(struct lease_watch *watch);

// An owner's.
struct lease_hold {
    uint64_t epoch;
    int64_t until_ms; // valid before
    bool fenced;      // another broker has taken the desk; final
};

// The desk was taken over by what was sent then.
void lease_hold_begin(struct lease_hold *hold, uint64_t epoch, int64_t sent_ms);

// A renewal sent then was answered: the lease is still ours, or the epoch is another's.
void lease_hold_answered(struct lease_hold *hold, bool ours, int64_t sent_ms);

bool lease_hold_is_valid(const struct lease_hold *hold, int64_t now_ms);

#endif
