// session.h - the client half of a session as a pure state machine.
//
// No sockets, no clock, no randomness of its own: frames, time and the loss of a connection come in;
// frames to send, orders to connect and messages for the caller go out.  client.c is the shell that does
// the I/O; the simulator is another.  After any call that changes something the shell asks, in this order:
//
//     behalf_session_connect_order   drop the connection, if any, and connect to broker n
//     behalf_session_output          a frame to send; behalf_session_sent once the transport has taken it
//     behalf_session_next            a message for the caller
//
// and calls behalf_session_tick when behalf_session_due_ms have passed.  A frame not taken by the transport
// is offered again.  A connection has no memory: a fresh one carries nothing of the one before it.
//
//                     connect order, HELLO                  WELCOME
//       ┌─► WAITING ─────────────────────────► GREETING ─────────────► STANDING ──┐
//       │      ▲                               │  │  ▲                   │  │     │ silence, loss,
//       │      └─ silence, loss, BUSY, MOVED ─┘  │  └─ NOT_SIGNED_IN ───┘  │     │ MOVED, BYE "restart..."
//       │                                         ▼                         ▼     │
//       │                                      REFUSED                    ENDED   │
//       └─────────────────────────────────────────────────────────────────────────┘

#ifndef PROTO_SESSION_H
#define PROTO_SESSION_H

#include <behalf/client.h>

struct behalf_session;

// How long HELLO may stay unanswered, and how far apart attempts to connect are.
#define SESSION_GREETING_MS 5000
#define SESSION_BACKOFF_FIRST_MS 100
#define SESSION_BACKOFF_LAST_MS 5000
#define SESSION_MOVED_LAST_MS 500 // after MOVED: who sends us on lives
#define SESSION_SILENT_MS 10000   // a broker that was silent is not tried because another one is BUSY

// Brokers of the caller's list, and those known beside them because MOVED named them, at most.
#define SESSION_BROKERS_OWN_MAX 16
#define SESSION_BROKERS_TOLD_MAX 8

// Requests get ids from `first_id` upwards; HELLO has ids from 1 of its own, below all of them.
#define SESSION_FIRST_ID_MIN (INT64_C(1) << 32)

struct behalf_session_options {
    const char *const *brokers;       // endpoints
    size_t broker_count;              // 1 to SESSION_BROKERS_OWN_MAX
    const struct behalf_hello *hello; // token and version are the session's to fill
    int64_t first_id;                 // never used before by this principal; from SESSION_FIRST_ID_MIN to 2^62
    uint64_t seed;                    // of the jitter of the back-off
};

// Makes a session that wants to connect at once; copies what it is given.  Returns NULL with `fault` filled
// in if HELLO breaks its limits.
struct behalf_session *behalf_session_new(const struct behalf_session_options *options, int64_t now_ms,
                                          struct behalf_fault *fault);
void behalf_session_destroy(struct behalf_session **session_p);

// ---- in ----

// A frame arrived on the present connection.
void behalf_session_receive(struct behalf_session *session, const void *frame, size_t frame_bytes, int64_t now_ms);

// The present connection broke, or could not be made.
void behalf_session_lost(struct behalf_session *session, const char *reason, int64_t now_ms);

// Time has passed.
void behalf_session_tick(struct behalf_session *session, int64_t now_ms);

// The caller's request; returns its id, or 0 with `fault` filled in: it breaks its limits, is HELLO,
// HEARTBEAT or BYE, which are the session's own, or the session was refused or ended.
int64_t behalf_session_send(struct behalf_session *session, const struct behalf_message *message,
                            struct behalf_fault *fault);

// The caller ends the session: BYE is the last output if a session stood, and the state is ENDED.
void behalf_session_close(struct behalf_session *session, const char *reason);

// ---- out ----

// Whether the shell must drop its connection and connect to broker `broker`; true once for each order.
bool behalf_session_connect_order(struct behalf_session *session, size_t *broker);

// Its endpoint; valid until the next frame comes in.  MOVED puts those it names in front of the list.  Until clients
// prove who they are by keys, one is followed only to this machine, or to where the caller's own list leads.
const char *behalf_session_broker(const struct behalf_session *session, size_t broker);

// The frame to send next, or NULL.  It belongs to the session, valid until its next call.
const void *behalf_session_output(struct behalf_session *session, size_t *frame_bytes, int64_t now_ms);

// The transport took the frame that behalf_session_output returned last.
void behalf_session_sent(struct behalf_session *session, int64_t now_ms);

// The next message for the caller, owned by it, or NULL.
struct behalf_message *behalf_session_next(struct behalf_session *session);
bool behalf_session_has_next(const struct behalf_session *session);

// Milliseconds until behalf_session_tick is due, 0 if it is; -1: never.
int64_t behalf_session_due_ms(const struct behalf_session *session, int64_t now_ms);

// Whether what the caller was told it has is so as far as anybody knows: a session stands, and all that WELCOME
// announced has come.  False from the moment the session is lost: another broker may have given it away since.
bool behalf_session_is_sure(const struct behalf_session *session);

enum behalf_client_state behalf_session_state(const struct behalf_session *session);
const char *behalf_session_reason(const struct behalf_session *session);
size_t behalf_session_pending(const struct behalf_session *session);
size_t behalf_session_window(const struct behalf_session *session);

// Whether the request has been answered, or was never made.
bool behalf_session_answered(const struct behalf_session *session, int64_t id);

#endif
