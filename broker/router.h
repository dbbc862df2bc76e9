// router.h - the ROUTER socket that clients connect to: where it may listen, whole messages in, frames out.
//
// A peer's number is the name that the ROUTER gave its connection, and belongs to that connection alone
// (connections.h).  Peers that name themselves are refused here and never seen by anybody else; so are connections that
// say nothing, do not read, or stand in the way of others.

#ifndef BROKER_ROUTER_H
#define BROKER_ROUTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct router;

// True if the broker may listen there: a loopback address, or ipc.  Else `reason` says why not.
bool router_may_listen(const char *endpoint, char *reason, size_t reason_bytes);

// What one remote address may have; 0: the default, negative: any number.
struct router_limits {
    int64_t strangers_max; // connections that are not signed in
    int64_t refusals_max;  // refused sign-ins a minute
};

// Binds to all endpoints.  NULL with `reason` if one cannot be bound.
struct router *router_new(const char *const *endpoints, size_t endpoint_count, const struct router_limits *limits,
                          char *reason, size_t reason_bytes);
void router_destroy(struct router **router_p);

// The endpoints as bound (ports chosen by the system filled in), joined by commas.
const char *router_listening(const struct router *router);

// Waits until there are messages, or connections have begun or ended, or `descriptor` (-1: none) is readable, or
// `wait_ms` have passed (-1: for ever), or a signal came.  Returns whether `descriptor` is readable.  What has come up
// to then is found by the functions below; what comes later may wait until this is called again.
bool router_wait(struct router *router, int descriptor, int64_t wait_ms);

// A message as it came.
struct received {
    uint64_t peer;
    const void *frame; // valid until the next router_receive
    size_t frame_bytes;
    bool several;     // it had more frames than one; they are passed over
    bool behind;      // much waits to be read by the peer: it should ask for no more
    uint64_t address; // the same number for all peers of one remote address; 0: not known
};

// False when there is none.  Times are the boot-time clock's.
bool router_receive(struct router *router, struct received *received, int64_t now_ms);

// The peer of a connection that has closed, or was cut off, with the reason; 0 when there is none.  `drained`:
// router_receive has found nothing.
uint64_t router_next_ended(struct router *router, bool drained, int64_t now_ms, const char **reason);

// NULL once the socket has it, else why the peer cannot be told.  Takes the frame.  Never blocks.  Who does not read is
// cut off.
const char *router_send(struct router *router, uint64_t peer, void **frame_p, size_t frame_bytes, int64_t now_ms);

// Whether somebody is signed in over the peer's connection: it is kept when others need room.
void router_set_signed_in(struct router *router, uint64_t peer, bool signed_in, int64_t now_ms);

// What came from the peer, to whom no desk listens, was noise or not: who sends little else is cut off.
void router_note_noise(struct router *router, uint64_t peer, bool noise, int64_t now_ms);

// A sign-in of the peer was refused for what it said, not for want of room.
void router_note_refused(struct router *router, uint64_t peer, int64_t now_ms);

// Milliseconds until the peer may try to sign in, as too many sign-ins from its address were refused; 0: it may now.
int64_t router_refused_for_ms(struct router *router, uint64_t peer, int64_t now_ms);

// Connections ended and sign-ins refused since the start, as their address has what one address may have.
uint64_t router_over_address(const struct router *router);

// Cuts off what has to go.  Returns when it is to be called at the latest.
int64_t router_work(struct router *router, int64_t now_ms);

#endif
