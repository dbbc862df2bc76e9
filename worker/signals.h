// signals.h - signals as something a loop polls for, beside its sockets.

#ifndef WORKER_SIGNALS_H
#define WORKER_SIGNALS_H

#include <signal.h>

// Blocks signals, an array that ends with 0, in the calling thread and those it makes later, and returns a
// descriptor from which they are read (struct signalfd_siginfo), without blocking.  The caller closes it.
// `before` gets the signals that were blocked already, to be put back; it may be NULL.
int signals_watch(const int *signals, sigset_t *before);

#endif
