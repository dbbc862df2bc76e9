// clock.h - the broker's one clock: UTC milliseconds pinned at start, advanced by the time since boot.
//
// It never goes back: not when somebody sets the machine's clock, and not below the last value that the store
// remembers.  Time during which the machine slept counts.

#ifndef BROKER_CLOCK_H
#define BROKER_CLOCK_H

#include <stdint.h>

struct clock {
    int64_t pinned_ms; // UTC at start, or the store's last value if that is later
    int64_t boot_ms;   // the boot-time clock at the same moment
};

// Pins the clock.  Returns by how many milliseconds the store's last value is ahead of the machine's clock, 0 if
// it is not.
int64_t clock_init(struct clock *clock, int64_t last_ms);

int64_t clock_now_ms(const struct clock *clock);

// What the clock shows at a time of the boot-time clock.
int64_t clock_at_ms(const struct clock *clock, int64_t boot_ms);

#endif
