// job.c - a thread for one piece of work, and the descriptor that tells its end: see job.h.

#include "broker/job.h"

#include "proto/base/must.h"
#include "proto/base/thread.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

struct job {
    pthread_t thread;
    void (*work)(void *self);
    void *self;
    int wake_fd;
    atomic_bool done;
};

static void *job_run(void *self)
{
    struct job *job = self;
    uint64_t one = 1;

    job->work(job->self);
    atomic_store(&job->done, true);
    must(write(job->wake_fd, &one, sizeof one) == (ssize_t) sizeof one);
    return NULL;
}

struct job *job_start(void (*work)(void *self), void *self, int wake_fd)
{
    struct job *job = calloc(1, sizeof *job);

    must(job != NULL);
    job->work = work;
    job->self = self;
    job->wake_fd = wake_fd;
    thread_start(&job->thread, job_run, job);
    return job;
}

bool job_is_done(const struct job *job)
{
    return atomic_load(&job->done);
}

void job_end(struct job **job_p)
{
    if (*job_p != NULL) {
        must(pthread_join((*job_p)->thread, NULL) == 0);
        free(*job_p);
        *job_p = NULL;
    }
}
