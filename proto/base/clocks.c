// clocks.c - the calls to the kernel, and the arithmetic to milliseconds: see clocks.h.

#include "proto/base/clocks.h"

#include "proto/base/must.h"

#include <time.h>

static int64_t clocks_read_ms(clockid_t clock)
{
    struct timespec now;

    must(clock_gettime(clock, &now) == 0);
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clocks_boot_ms(void)
{
    return clocks_read_ms(CLOCK_BOOTTIME);
}

int64_t clocks_monotonic_ms(void)
{
    return clocks_read_ms(CLOCK_MONOTONIC);
}

int64_t clocks_utc_ms(void)
{
    return clocks_read_ms(CLOCK_REALTIME);
}
