// local_desk.h - one desk as this process has it: watched while another broker has it, opened, served, closed.
//
//                FREE            read back            fenced, stopped, contradicted
//   WATCHING ───────────► OPENING ───────► SERVING ─────────────────────────────► CLOSING
//      ▲                     │                                                       │
//      └─────── missed ──────┴──────────────────── the lease is given up ────────────┘
//
// broker/ownership/README.md has the whole of a desk's life: why it goes from state to state, and what clients are
// told.
//
// What may take long (opening, closing, writing, compiling rules) is done on other threads; nothing here waits, so
// that each desk goes its own way.  The loop (loop.h) calls it when there is news, and when it asked to be called.

#ifndef BROKER_LOCAL_DESK_H
#define BROKER_LOCAL_DESK_H

#include "broker/ownership/leases.h"
#include "broker/opening.h"
#include "broker/session/dispatch.h"
#include "broker/router.h"
#include "broker/store/store.h"

struct local_desk;

// What all desks of the process share.  Borrowed.
struct hosting {
    struct router *router;
    struct dispatch *dispatch;
    struct writer *writer;     // writes for all
    struct leases *leases;     // NULL: nobody else can have a desk
    const struct trace *trace; // NULL: none is wanted
    int watching;              // an epoll descriptor; what a desk has in it carries the desk's number
    int wake;                  // an eventfd, written to when a job of any desk is done
    size_t openings;           // under way
};

// How it ended.
enum local_end {
    LOCAL_DESK_GOES_ON,
    LOCAL_DESK_STOPPED,      // as asked, cleanly
    LOCAL_DESK_NOT_ON_DISK,  // as asked, while something decided was not on disk yet; it was not spoken either
    LOCAL_DESK_CONTRADICTED, // the only desk: the store says something else than the desk; start again from it
    LOCAL_DESK_STORE,        // the only desk: the store cannot be used
    LOCAL_DESK_RULES         // the only desk: its rules have errors
};

// Traces a frame that no broker of a desk had to do with, and what it was answered, if it was.  Reads both.
void hosting_trace(const struct hosting *hosting, const char *desk, const struct received *received, const void *answer,
                   size_t answer_bytes);

// Takes the engine, which may be NULL, for the first opening.
struct local_desk *local_desk_new(struct hosting *hosting, const struct desk_source *source, size_t number,
                                  struct engine **engine_p);

// Waits for what is under way.
void local_desk_destroy(struct local_desk **local_p);

// A message for the desk; what follows from it is done by local_desk_work.
void local_desk_receive(struct local_desk *local, const struct received *received);

// The peer's connection has closed.
void local_desk_gone(struct local_desk *local, uint64_t peer, const char *reason);

// The peer said HELLO to another desk.
void local_desk_left(struct local_desk *local, uint64_t peer);

void local_desk_lease(struct local_desk *local, const struct lease_news *news);

// The desk whose store this is has news of it.
size_t local_desk_of_store(const struct store *store);

// Does all there is to do now.  Returns when it is to be called at the latest, by the boot-time clock.
int64_t local_desk_work(struct local_desk *local);

// Stops cleanly; gives up, at once, what is not on disk.
void local_desk_stop(struct local_desk *local);
void local_desk_give_up(struct local_desk *local);

// Up to where clients were told of a desk that ended because it is behind; 0: it is not.
uint64_t local_desk_told_beyond(const struct local_desk *local);

enum local_end local_desk_end(const struct local_desk *local);

// Whether it is served, or about to be.
bool local_desk_is_ours(const struct local_desk *local);

#endif
