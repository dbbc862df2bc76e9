// loop.h - the one thread that owns every desk of the process: sockets, time, signals, news of other threads.
//
// It decides nothing.  It blocks only in poll; the writer writes on a thread of its own, rules compile and desks are
// read back on others.  Signals are taken through a descriptor: the caller has blocked SIGINT and SIGTERM before any
// thread was made.

#ifndef BROKER_LOOP_H
#define BROKER_LOOP_H

#include "broker/local_desk.h"

struct loop;

// Desks of a process at most: they share one core, and one connection to the store.
#define LOOP_DESKS_MAX 256

// Borrows the router, the leases, which may be NULL: nobody else can have a desk, and the trace, NULL: none is wanted.
// Desks are added in the order in which the leases have them.
struct loop *loop_new(struct router *router, struct leases *leases, const struct trace *trace);
void loop_destroy(struct loop **loop_p);

// Adds a desk: `policy` is of its file, `engine` as for local_desk_new.
void loop_add(struct loop *loop, const struct desk_source *source, const struct policy *policy,
              struct engine **engine_p);

enum loop_end {
    LOOP_STOPPED,         // as asked, cleanly
    LOOP_STOPPED_WAITING, // the same, and no desk was served here
    LOOP_NOT_ON_DISK,     // as asked, while something decided was not on disk yet; it was not spoken either
    LOOP_KILLED,          // by a second signal, or because a thread does not end: threads are still busy
    LOOP_CONTRADICTED,    // the only desk: as of local_desk.h
    LOOP_STORE,
    LOOP_RULES
};

enum loop_end loop_run(struct loop *loop);

// Up to where clients were told of the first desk, if it ended because it is behind that; else 0.
uint64_t loop_told_beyond(const struct loop *loop);

#endif
