// busy.h - bounds of time that hold on a machine with nothing else to do, and on a busy one in proportion.
//
// A test that fails because others wanted the processors says nothing about the broker, and refuses everybody's work.

#ifndef SYSTEM_BUSY_H
#define SYSTEM_BUSY_H

#include "proto/base/clocks.h"

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define BUSY_TRIED_MS 200.0 // of processor time

static inline double busy_used_ms(void)
{
    struct timespec used;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (double) used.tv_sec * 1e3 + (double) used.tv_nsec / 1e6;
}

// How many times as long as alone a computation takes at this moment; at least 1.
static inline double busy_factor(void)
{
    int64_t begun_ms = clocks_monotonic_ms();
    double before_ms = busy_used_ms();

    while (busy_used_ms() - before_ms < BUSY_TRIED_MS) {
    }
    double factor = (double) (clocks_monotonic_ms() - begun_ms) / BUSY_TRIED_MS;
    return factor > 1 ? factor : 1;
}

// To be asked as soon as it has been measured: how busy the machine is now is taken for how busy it was then.
static inline bool in_time(int64_t took_ms, int64_t bound_ms)
{
    return took_ms < bound_ms || (double) took_ms < (double) bound_ms * (1 + busy_factor());
}

#endif
