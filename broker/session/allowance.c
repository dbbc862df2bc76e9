// allowance.c - the arithmetic of a token bucket: see allowance.h.

#include "broker/session/allowance.h"

#define ONE 1000 // thousandths; a rate in times a second is thousandths a millisecond

int64_t allowance_spend(struct allowance *allowance, int64_t rate, int64_t burst, int64_t now_ms)
{
    if (rate <= 0) {
        return 0;
    }
    int64_t passed_ms = now_ms > allowance->seen_ms ? now_ms - allowance->seen_ms : 0;
    // Compared by division: the time since the beginning of the clock times a rate may not fit.
    bool whole = passed_ms > allowance->spent / rate;
    allowance->spent = whole ? 0 : allowance->spent - passed_ms * rate;
    allowance->seen_ms = now_ms;
    int64_t over = allowance->spent + ONE - burst * ONE;
    if (over > 0) {
        return (over + rate - 1) / rate;
    }
    allowance->spent += ONE;
    return 0;
}
