// errand.c - see errand.h.

#include "broker/errand.h"

#include "proto/must.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

struct errand {
    pthread_t thread;
    void (*work)(void *self);
    void *self;
    int wake_fd;
    atomic_bool done;
};

static void *run(void *self)
{
    struct errand *errand = self;
    uint64_t one = 1;

    errand->work(errand->self);
    atomic_store(&errand->done, true);
    must(write(errand->wake_fd, &one, sizeof one) == (ssize_t) sizeof one);
    return NULL;
}

struct errand *errand_start(void (*work)(void *self), void *self, int wake_fd)
{
    struct errand *errand = calloc(1, sizeof *errand);
    sigset_t all, before;

    must(errand != NULL);
    errand->work = work;
    errand->self = self;
    errand->wake_fd = wake_fd;
    // Signals are for the thread that made us.
    sigfillset(&all);
    must(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    must(pthread_create(&errand->thread, NULL, run, errand) == 0);
    must(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    return errand;
}

bool errand_is_done(const struct errand *errand)
{
    return atomic_load(&errand->done);
}

void errand_end(struct errand **errand_p)
{
    if (*errand_p != NULL) {
        must(pthread_join((*errand_p)->thread, NULL) == 0);
        free(*errand_p);
        *errand_p = NULL;
    }
}
