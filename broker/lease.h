// lease.h - the thread that watches or renews a desk's lease, on a connection of its own.
//
// It decides by lease_watch.h alone.  The loop polls lease_fd and reads lease_news; it never waits here but at the
// end.  A new lease watches.

#ifndef BROKER_LEASE_H
#define BROKER_LEASE_H

#include "broker/lease_watch.h"

struct lease;

enum lease_state {
    LEASE_UNKNOWN,   // the store does not answer, or was not asked yet
    LEASE_ELSEWHERE, // another broker has the desk
    LEASE_FREE,      // the desk may be taken over, if its row is still `row`
    LEASE_HELD,      // ours; valid before `until_ms`
    LEASE_FENCED     // it was ours; `row` says whose it is now
};

struct lease_news {
    enum lease_state state;
    struct lease_row row;
    bool quiet;         // ELSEWHERE: its owner has not renewed lately
    int64_t until_ms;   // HELD: by the boot-time clock
    int64_t renewed_ms; // HELD: when the last renewal that was answered had been sent
    char trouble[512];  // UNKNOWN: why, in words that say what to do
};

struct lease *lease_new(const char *conninfo, const char *desk);
void lease_destroy(struct lease **lease_p);

// Readable (level-triggered) when the state has changed since lease_news.
int lease_fd(const struct lease *lease);
void lease_news(struct lease *lease, struct lease_news *news);

// The desk was taken over at this epoch by what was sent at this time: from now on it is renewed.
void lease_hold(struct lease *lease, uint64_t epoch, int64_t sent_ms);

// Back to watching, from the beginning, after a pause.
void lease_stand_by(struct lease *lease);

// Gives the desk up and tells those who wait for it.  Waits for that to be done, not long.
void lease_release(struct lease *lease);

// The boot-time clock.
int64_t lease_now_ms(void);

#endif
