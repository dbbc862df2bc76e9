// boot_clock.c - the clock that a program's own waiting goes by; see boot_clock.h.

#include "proto/base/boot_clock.h"

#include "proto/base/must.h"

#include <time.h>

int64_t boot_clock_ms(void)
{
    struct timespec now;
    must(clock_gettime(CLOCK_BOOTTIME, &now) == 0);
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
