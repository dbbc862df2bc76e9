// loop.h - the one thread that owns the broker: sockets, time, signals, the store's batches.
//
// It decides nothing.  It blocks only in poll; the store writes on a thread of its own, rules compile on
// another.  Signals are taken through a descriptor: the caller has blocked SIGINT and SIGTERM before any thread
// was made.

#ifndef BROKER_LOOP_H
#define BROKER_LOOP_H

#include "broker/broker.h"
#include "broker/clock.h"
#include "broker/lease.h"
#include "broker/stand_by.h"
#include "broker/store/store.h"

struct loop;

enum loop_end {
    LOOP_STOPPED,            // cleanly, after a signal
    LOOP_STOPPED_WAITING,    // after a signal, while something decided was not on disk yet; it was not spoken either
    LOOP_KILLED,             // by a second signal
    LOOP_STORE_CONTRADICTED, // the store says something else than the desk; start again from it
    LOOP_FENCED,             // another broker has the desk; everyone was told
    LOOP_FREE                // standing by: the desk may be taken over
};

// True if the broker may listen there: a loopback address, or ipc.  Else `reason` says why not.
bool loop_may_listen(const char *endpoint, char *reason, size_t reason_bytes);

// Binds to all endpoints.  NULL with `reason` if one cannot be bound.
struct loop *loop_new(const char *const *endpoints, size_t endpoint_count, char *reason, size_t reason_bytes);
void loop_destroy(struct loop **loop_p);

// The endpoints as bound (ports chosen by the system filled in), joined by commas.
const char *loop_listening(const struct loop *loop);

// Stands by: answers who asks with where the desk is, until it may be taken over as `news` says, or a signal came.
// `endpoints` is what is told about ourselves.
enum loop_end loop_stand_by(struct loop *loop, struct lease *lease, const char *desk, const char *endpoints,
                            struct lease_news *news);

// Runs until the broker has stopped, or has lost the desk.  `lease` may be NULL: nobody else can have the desk.
enum loop_end loop_run(struct loop *loop, struct broker *broker, struct store *store, struct lease *lease,
                       const char *endpoints, const struct clock *clock);

#endif
