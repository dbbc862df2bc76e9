// leases.h - the thread that watches or renews the leases of all our desks, on one connection of its own.
//
// What a lease's row means is decided by lease_watch.h, which broker takes what by sharing.h.  The loop polls leases_fd
// and reads leases_next_news; nothing here waits but the end.  Desks are named by their place in the list that was
// given; each begins by being watched, and goes its own way.

#ifndef OWNERSHIP_LEASES_H
#define OWNERSHIP_LEASES_H

#include "broker/ownership/lease_watch.h"

struct leases;

enum lease_state {
    LEASE_UNKNOWN,   // the store does not answer, or was not asked yet
    LEASE_ELSEWHERE, // another broker has the desk
    LEASE_FREE,      // the desk is to be taken over by us, if its row is still `row`
    LEASE_HELD,      // ours; valid before `until_ms`
    LEASE_FENCED,    // it was ours; `row` says whose it is now
    LEASE_RELEASED   // it was ours; we have given it up
};

struct lease_news {
    enum lease_state state;
    struct lease_row row;
    bool quiet;                         // ELSEWHERE: its owner has not renewed lately
    int64_t until_ms;                   // HELD: by the boot-time clock
    int64_t renewed_ms;                 // HELD: when the last renewal that was answered had been sent
    char others[LEASE_ENDPOINTS_BYTES]; // where the living brokers, besides us, that serve the desk are found
    char trouble[512];                  // UNKNOWN: why, in words that say what to do

    // HELD: the desk is to be handed to this broker, which clients find there; else "".
    char successor[LEASE_BROKER_BYTES];
    char successor_endpoints[LEASE_ENDPOINTS_BYTES];
};

// Copies the names of the desks, and where our clients connect.
struct leases *leases_new(const char *conninfo, const char *const *desks, size_t desk_count, const char *endpoints);
void leases_destroy(struct leases **leases_p);

// Readable (level-triggered) when there is something for leases_next_news.
int leases_fd(const struct leases *leases);

// A desk of which something has changed since it was told; false when there is none.
bool leases_next_news(struct leases *leases, size_t *desk, struct lease_news *news);

// The desk was taken over at this epoch by what was sent at this time: from now on it is renewed.
void leases_hold(struct leases *leases, size_t desk, uint64_t epoch, int64_t sent_ms);

// Back to watching, from the beginning, after a pause.
void leases_stop_taking(struct leases *leases, size_t desk, int64_t pause_ms);

// Gives a desk up and tells those who wait for it; RELEASED says that it was done.  If it was to be handed over, to
// that broker.
void leases_release(struct leases *leases, size_t desk);

// How many sessions a desk of ours has: where there are fewer, it is handed over first.
void leases_tell_sessions(struct leases *leases, size_t desk, size_t sessions);

// We take no more desks, and others need not reckon with us.
void leases_leave(struct leases *leases);

#endif
