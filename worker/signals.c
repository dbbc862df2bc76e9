// signals.c - signals as something a loop polls for; see signals.h.

#include "worker/signals.h"

#include "proto/base/must.h"

#include <stddef.h>
#include <sys/signalfd.h>

int signals_watch(const int *signals, sigset_t *before)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; signals[i] != 0; i++) {
        must(sigaddset(&set, signals[i]) == 0);
    }
    must(sigprocmask(SIG_BLOCK, &set, before) == 0);
    int descriptor = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    must(descriptor >= 0);
    return descriptor;
}
