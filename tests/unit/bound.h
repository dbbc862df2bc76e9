// bound.h - how long one message may keep the loop, as processor time of the thread, so that a busy machine does not
// matter; where the sanitizers are on, a multiple is allowed.

#ifndef UNIT_BOUND_H
#define UNIT_BOUND_H

#include <time.h>

#define BOUND_US 5000
#define ROUNDS 3 // of which the best counts

#if defined(__SANITIZE_ADDRESS__) || !defined(__OPTIMIZE__)
#define SLOWER 20
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLOWER 20
#endif
#endif
#ifndef SLOWER
#define SLOWER 1
#endif

static inline double bound_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double) now.tv_sec * 1e6 + (double) now.tv_nsec / 1e3;
}

#endif
