// errand.h - one piece of work that may take long, on a thread of its own beside the loop.

#ifndef BROKER_ERRAND_H
#define BROKER_ERRAND_H

#include <stdbool.h>

struct errand;

// Begins `work`, which owns what `self` points to until the errand is ended.  `wake_fd` is an eventfd, written to
// when the work is done.
struct errand *errand_start(void (*work)(void *self), void *self, int wake_fd);

bool errand_is_done(const struct errand *errand);

// Waits for the end of the work.
void errand_end(struct errand **errand_p);

#endif
