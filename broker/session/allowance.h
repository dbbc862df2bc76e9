// allowance.h - how often something may be done: a number of times at once, and a number of times more a second.
//
// Pure: a token bucket in the caller's time.  What happens to who asks too often is decided elsewhere.

#ifndef SESSION_ALLOWANCE_H
#define SESSION_ALLOWANCE_H

#include <stdbool.h>
#include <stdint.h>

struct allowance {
    int64_t spent;   // in thousandths of one time, not yet given back
    int64_t seen_ms; // when `spent` was right
};

// Spends one time, if no more than `burst` were spent that have not been given back since, at `rate` a second.
// Returns 0, or milliseconds until one more is allowed; then nothing is spent.  A rate that is not positive allows
// everything.  Zeroed, an allowance is whole.
int64_t allowance_spend(struct allowance *allowance, int64_t rate, int64_t burst, int64_t now_ms);

#endif
