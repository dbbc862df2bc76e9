// job.h - one piece of work that may take long, on a thread of its own beside the loop.

#ifndef BROKER_JOB_H
#define BROKER_JOB_H

#include <stdbool.h>

struct job;

// Begins `work`, which owns what `self` points to until the job is ended.  `wake_fd` is an eventfd, written to
// when the work is done.
struct job *job_start(void (*work)(void *self), void *self, int wake_fd);

bool job_is_done(const struct job *job);

// Waits for the end of the work.
void job_end(struct job **job_p);

#endif
