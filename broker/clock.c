// clock.c - the system's two clocks made into one; see clock.h.

#include "broker/clock.h"

#include <stdlib.h>
#include <sys/timex.h>
#include <time.h>

static int64_t clock_read_ms(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_utc_ms(void)
{
    return clock_read_ms(CLOCK_REALTIME);
}

bool clock_is_vouched_for(void)
{
    struct timex kernel = { .modes = 0 };
    int state = adjtimex(&kernel);
    int64_t kernel_ms = (int64_t) kernel.time.tv_sec * 1000;

    return state >= 0 && state != TIME_ERROR && (kernel.status & STA_UNSYNC) == 0 &&
           llabs(kernel_ms - clock_utc_ms()) < 5000;
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
    int64_t utc_ms = clock_read_ms(CLOCK_REALTIME);
    int64_t ahead_ms = last_ms > utc_ms ? last_ms - utc_ms : 0;

    clock->pinned_ms = utc_ms + ahead_ms;
    clock->boot_ms = clock_read_ms(CLOCK_BOOTTIME);
    return ahead_ms;
}

int64_t clock_now_ms(const struct clock *clock)
{
    return clock_at_ms(clock, clock_read_ms(CLOCK_BOOTTIME));
}

int64_t clock_at_ms(const struct clock *clock, int64_t boot_ms)
{
    return clock->pinned_ms + boot_ms - clock->boot_ms;
}
