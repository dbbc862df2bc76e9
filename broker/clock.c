// clock.c - the system's two clocks made into one; see clock.h.

#include "broker/clock.h"

#include "proto/base/clocks.h"

#include <stdlib.h>
#include <sys/timex.h>

bool clock_is_vouched_for(void)
{
    struct timex kernel = { .modes = 0 };
    int state = adjtimex(&kernel);
    int64_t kernel_ms = (int64_t) kernel.time.tv_sec * 1000;

    return state >= 0 && state != TIME_ERROR && (kernel.status & STA_UNSYNC) == 0 &&
           llabs(kernel_ms - clocks_utc_ms()) < 5000;
}

enum clock_verdict clock_judge(int64_t last_ms, int64_t utc_ms, bool vouched)
{
    if (last_ms == 0) {
        return CLOCK_PLAUSIBLE;
    }
    if (utc_ms < last_ms - CLOCK_BACK_MS) {
        return CLOCK_BEHIND;
    }
    return utc_ms > last_ms + CLOCK_REST_MS && !vouched ? CLOCK_AHEAD : CLOCK_PLAUSIBLE;
}

int64_t clock_init(struct clock *clock, int64_t last_ms)
{
    int64_t utc_ms = clocks_utc_ms();
    int64_t ahead_ms = last_ms > utc_ms ? last_ms - utc_ms : 0;

    clock->pinned_ms = utc_ms + ahead_ms;
    clock->boot_ms = clocks_boot_ms();
    return ahead_ms;
}

int64_t clock_now_ms(const struct clock *clock)
{
    return clock_at_ms(clock, clocks_boot_ms());
}

int64_t clock_at_ms(const struct clock *clock, int64_t boot_ms)
{
    return clock->pinned_ms + boot_ms - clock->boot_ms;
}
