// thread.c - pthreads with signals blocked, and conditions by the monotonic clock: see thread.h.

#include "proto/base/thread.h"

#include "proto/base/must.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

void thread_start(pthread_t *thread, void *(*work)(void *self), void *self)
{
    sigset_t all;
    sigset_t before;

    sigfillset(&all);
    must(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    must(pthread_create(thread, NULL, work, self) == 0);
    must(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
}

void thread_condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t monotonic;

    must(pthread_condattr_init(&monotonic) == 0);
    must(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
    must(pthread_cond_init(condition, &monotonic) == 0);
    must(pthread_condattr_destroy(&monotonic) == 0);
}

bool thread_wait_until(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t until_ms)
{
    struct timespec until = { .tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000 };
    int result = pthread_cond_timedwait(condition, mutex, &until);

    must(result == 0 || result == ETIMEDOUT);
    return result == 0;
}
