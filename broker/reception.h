// reception.h - which of our desks a peer talks to: found out from its HELLO, kept until the peer is gone.
//
// Pure.  Desks are named by their place in the order in which they were added.  Where there is one desk every peer
// talks to it, and nothing is kept.  Where there are several, a peer without a desk is answered here.

#ifndef BROKER_RECEPTION_H
#define BROKER_RECEPTION_H

#include "broker/desk/policy.h"

struct reception;

#define RECEPTION_NO_DESK SIZE_MAX

struct reception *reception_new(void);
void reception_destroy(struct reception **reception_p);

// Adds a desk, with the names of its people; then, or later, those that its rules now name.
size_t reception_add(struct reception *reception, const struct policy *policy);
void reception_set_people(struct reception *reception, size_t desk, const struct policy *policy);

// Where a frame goes.
struct direction {
    size_t desk;  // RECEPTION_NO_DESK: nowhere
    size_t left;  // the desk that the peer has left for it, or RECEPTION_NO_DESK
    void *answer; // what the peer is told at once, owned by the caller (free); NULL: nothing
    size_t answer_bytes;
};

struct direction reception_direct(struct reception *reception, uint64_t peer, const void *frame, size_t frame_bytes,
                                  int64_t now_ms);

// A peer's connection has closed: forgets it, and returns the desk that it talked to, or RECEPTION_NO_DESK.
size_t reception_leave(struct reception *reception, uint64_t peer);

// A desk has forgotten a peer, or all of its peers: they have no desk any more.
void reception_forget(struct reception *reception, uint64_t peer, size_t desk);
void reception_forget_all(struct reception *reception, size_t desk, int64_t now_ms);

#endif
