// hosted_desk.h - one desk as this process has it: watched while another broker has it, opened, served, closed.
//
//                FREE            read back            fenced, stopped, contradicted
//   WATCHING ───────────► OPENING ───────► SERVING ─────────────────────────────► CLOSING
//      ▲                     │                                                       │
//      └─────── missed ──────┴──────────────────── the lease is given up ────────────┘
//
// What may take long (opening, closing, writing, compiling rules) is done on other threads; nothing here waits, so
// that each desk goes its own way.  The loop (loop.h) calls it when there is news, and when it asked to be called.

#ifndef BROKER_HOSTED_DESK_H
#define BROKER_HOSTED_DESK_H

#include "broker/leases.h"
#include "broker/opening.h"
#include "broker/reception.h"
#include "broker/router.h"
#include "broker/store/store.h"

struct hosted_desk;

// What all desks of the process share.  Borrowed.
struct hosting {
    struct router *router;
    struct reception *reception;
    struct scribe *scribe; // writes for all
    struct leases *leases; // NULL: nobody else can have a desk
    int watching;          // an epoll descriptor; what a desk has in it carries the desk's number
    int wake;              // an eventfd, written to when an errand of any desk is done
    size_t openings;       // under way
};

// How it ended.
enum hosted_end {
    HOSTED_GOES_ON,
    HOSTED_STOPPED,      // as asked, cleanly
    HOSTED_NOT_ON_DISK,  // as asked, while something decided was not on disk yet; it was not spoken either
    HOSTED_CONTRADICTED, // the only desk: the store says something else than the desk; start again from it
    HOSTED_STORE,        // the only desk: the store cannot be used
    HOSTED_RULES         // the only desk: its rules have errors
};

// Takes the engine, which may be NULL, for the first opening.
struct hosted_desk *hosted_desk_new(struct hosting *hosting, const struct desk_source *source, size_t number,
                                    struct engine **engine_p);

// Waits for what is under way.
void hosted_desk_destroy(struct hosted_desk **hosted_p);

// A message for the desk; what follows from it is done by hosted_desk_work.
void hosted_desk_receive(struct hosted_desk *hosted, const struct received *received);

// The peer's connection has closed.
void hosted_desk_gone(struct hosted_desk *hosted, uint64_t peer, const char *reason);

// The peer said HELLO to another desk.
void hosted_desk_left(struct hosted_desk *hosted, uint64_t peer);

void hosted_desk_lease(struct hosted_desk *hosted, const struct lease_news *news);

// The desk whose store this is has news of it.
size_t hosted_desk_of_store(const struct store *store);

// Does all there is to do now.  Returns when it is to be called at the latest, by the boot-time clock.
int64_t hosted_desk_work(struct hosted_desk *hosted);

// Stops cleanly; gives up, at once, what is not on disk.
void hosted_desk_stop(struct hosted_desk *hosted);
void hosted_desk_give_up(struct hosted_desk *hosted);

// Up to where clients were told of a desk that ended because it is behind; 0: it is not.
uint64_t hosted_desk_told_beyond(const struct hosted_desk *hosted);

enum hosted_end hosted_desk_end(const struct hosted_desk *hosted);

// Whether it is served, or about to be.
bool hosted_desk_is_ours(const struct hosted_desk *hosted);

#endif
