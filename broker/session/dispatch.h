// dispatch.h - which of our desks a peer talks to: found out from its HELLO, kept until the peer is gone.
//
// Pure.  Desks are named by their place in the order in which they were added.  Where there is one desk every peer
// talks to it, and nothing is kept.  Where there are several, a peer without a desk is answered here.

#ifndef SESSION_DISPATCH_H
#define SESSION_DISPATCH_H

#include "broker/desk/policy.h"

struct dispatch;

#define DISPATCH_NO_DESK SIZE_MAX

struct dispatch *dispatch_new(void);
void dispatch_destroy(struct dispatch **dispatch_p);

// Adds a desk, with the names of its people; then, or later, those that its rules now name.
size_t dispatch_add(struct dispatch *dispatch, const struct policy *policy);
void dispatch_set_people(struct dispatch *dispatch, size_t desk, const struct policy *policy);

// Where a frame goes.
struct direction {
    size_t desk;  // DISPATCH_NO_DESK: nowhere
    size_t left;  // the desk that the peer has left for it, or DISPATCH_NO_DESK
    void *answer; // what the peer is told at once, owned by the caller (free); NULL: nothing
    size_t answer_bytes;
    bool refused; // the answer refuses a HELLO for what it says
};

// Whether a frame is a HELLO, as far as one can see from its beginning.
bool dispatch_is_hello(const void *frame, size_t frame_bytes);

struct direction dispatch_direct(struct dispatch *dispatch, uint64_t peer, const void *frame, size_t frame_bytes,
                                 int64_t now_ms);

// A peer's connection has closed: forgets it, and returns the desk that it talked to, or DISPATCH_NO_DESK.
size_t dispatch_leave(struct dispatch *dispatch, uint64_t peer);

// A desk has forgotten a peer, or all of its peers: they have no desk any more.
void dispatch_forget(struct dispatch *dispatch, uint64_t peer, size_t desk);
void dispatch_forget_all(struct dispatch *dispatch, size_t desk, int64_t now_ms);

#endif
