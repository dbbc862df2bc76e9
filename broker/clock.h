// clock.h - the broker's one clock: UTC milliseconds pinned at start, advanced by the time since boot.
//
// It never goes back: not when somebody sets the machine's clock, and not below the last value that the store
// remembers.  Time during which the machine slept counts.

#ifndef BROKER_CLOCK_H
#define BROKER_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct clock {
    int64_t pinned_ms; // UTC at start, or the store's last value if that is later
    int64_t boot_ms;   // the boot-time clock at the same moment
};

// What the machine's clock is against the desk's last value, in words of a decision.
enum clock_verdict {
    CLOCK_PLAUSIBLE,
    CLOCK_AHEAD, // so far that no rest explains it, and nobody vouches for the machine's clock
    CLOCK_BEHIND // by days: one of the two is wrong
};

// A desk rests over a long weekend without further evidence; beyond it the kernel has to vouch for its clock (set by
// NTP or the like).  Back it never goes: a difference of hours is a zone or a battery, and the desk goes on from its
// own.
#define CLOCK_REST_MS (INT64_C(4) * 24 * 60 * 60 * 1000)
#define CLOCK_BACK_MS (INT64_C(24) * 60 * 60 * 1000)

// `last_ms` is 0 for a desk that was never used.  `vouched`: see clock_is_vouched_for.
enum clock_verdict clock_judge(int64_t last_ms, int64_t utc_ms, bool vouched);

// Whether the kernel says that its clock is synchronised, and says the same time as the process is told.
bool clock_is_vouched_for(void);

// Pins the clock.  Returns by how many milliseconds the store's last value is ahead of the machine's clock, 0 if
// it is not.
int64_t clock_init(struct clock *clock, int64_t last_ms);

int64_t clock_now_ms(const struct clock *clock);

// What the clock shows at a time of the boot-time clock.
int64_t clock_at_ms(const struct clock *clock, int64_t boot_ms);

#endif
