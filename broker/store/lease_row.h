// lease_row.h - the rows of a shared store that say who has which desk, read and renewed on one connection.
//
// The calls block, each for a bounded time, and are made from one thread (broker/ownership/leases.h).  What the row
// means is not decided here: broker/ownership/lease_watch.h does that.

#ifndef STORE_LEASE_ROW_H
#define STORE_LEASE_ROW_H

#include "broker/store/engine.h"
#include "broker/store/owner.h"

// Endpoints of a broker in the row, joined by commas, at most.
#define LEASE_ENDPOINTS_BYTES 2048

// A broker as others know it: see owner.h.
#define LEASE_BROKER_BYTES OWNER_NAME_BYTES

struct lease_row {
    uint64_t epoch;    // 0: nobody ever had the desk
    uint64_t renewals; // counts up while its owner lives
    bool held;         // false: it was handed over
    char owner[LEASE_BROKER_BYTES];
    char endpoints[LEASE_ENDPOINTS_BYTES];
    char successor[LEASE_BROKER_BYTES]; // not held: to whom it was handed over, or ""
};

// A row of a broker that serves a desk, whether it has it or not.
struct candidate_row {
    size_t desk; // among those asked for
    char broker[LEASE_BROKER_BYTES];
    uint64_t beats;                        // counts up while it lives
    uint64_t desks;                        // how many it has
    char endpoints[LEASE_ENDPOINTS_BYTES]; // where clients find it, joined by commas
};

struct lease_link;

// Connects with the first call, and again after trouble.  `name`: as the session is called there.
struct lease_link *lease_link_new(const char *conninfo, const char *name);
void lease_link_destroy(struct lease_link **link_p);

// Why the last call failed, in words that say what to do.
const char *lease_link_reason(const struct lease_link *link);

// These return false when the store is away; nothing is known then.

// A row for each desk.
bool lease_link_look(struct lease_link *link, const char *const *desks, size_t count, struct lease_row *rows);

// A desk and the epoch under which it is ours.
struct lease_claim {
    const char *desk;
    uint64_t epoch;
};

// Renews all: `ours` of each, false: the epoch is another's, or it was told to be handed over.  `sent_ms` is the time
// by `clock_ms` just before the renewal was sent.
bool lease_link_renew(struct lease_link *link, const struct lease_claim *claims, size_t count,
                      int64_t (*clock_ms)(void), int64_t *sent_ms, bool *ours);

// Gives one up, to `successor` or, "", to anybody, and tells those who wait.
bool lease_link_release(struct lease_link *link, const struct lease_claim *claim, const char *successor);

// Shows the others that we live, that we serve these desks, and how many we have; or that we serve none any more.
bool lease_link_beat(struct lease_link *link, const char *const *desks, size_t count, const char *endpoints,
                     size_t owned);
bool lease_link_leave(struct lease_link *link, const char *const *desks, size_t count);

// Reads who serves these desks, `rows_max` rows at most.
bool lease_link_candidates(struct lease_link *link, const char *const *desks, size_t count, struct candidate_row *rows,
                           size_t rows_max, size_t *row_count);

// Where clients find a broker that serves the desk; "" when it does not any more.
bool lease_link_endpoints(struct lease_link *link, const char *desk, const char *broker,
                          char endpoints[LEASE_ENDPOINTS_BYTES]);

// Removes the rows of a broker that have not moved since.
bool lease_link_forget(struct lease_link *link, const char *const *desks, size_t count,
                       const struct candidate_row *row);

// Waits until a release is told (`heard`) or the descriptor can be read, or the time is over.  False, at once, when
// there is no connection to wait on.
bool lease_link_wait(struct lease_link *link, int descriptor, int ms, bool *heard);

#endif
