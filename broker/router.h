// router.h - the ROUTER socket that clients connect to: where it may listen, whole messages in, frames out.
//
// A peer's number is its route, libzmq's own name for a connection: there is nothing to keep about it here.  Peers
// that name themselves are refused here and never seen by anybody else.

#ifndef BROKER_ROUTER_H
#define BROKER_ROUTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct router;

// True if the broker may listen there: a loopback address, or ipc.  Else `reason` says why not.
bool router_may_listen(const char *endpoint, char *reason, size_t reason_bytes);

// Binds to all endpoints.  NULL with `reason` if one cannot be bound.
struct router *router_new(const char *const *endpoints, size_t endpoint_count, char *reason, size_t reason_bytes);
void router_destroy(struct router **router_p);

// The endpoints as bound (ports chosen by the system filled in), joined by commas.
const char *router_listening(const struct router *router);

// For polling only.
void *router_socket(const struct router *router);

// Readable when the socket is to be read until it has nothing, though it may have nothing now: a connection is
// suspected of sending a message without end (overrun.h).
int router_overrun_fd(const struct router *router);

// A message as it came.
struct received {
    uint64_t peer;
    const void *frame; // valid until the next router_receive
    size_t frame_bytes;
    bool several; // it had more frames than one; they are passed over
};

// False when there is none.
bool router_receive(struct router *router, struct received *received);

// NULL once the socket has it, else why the peer cannot be told.  Never blocks.
const char *router_send(struct router *router, uint64_t peer, const void *frame, size_t frame_bytes);

#endif
