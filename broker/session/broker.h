// broker.h - a broker without I/O: sessions, intake, the desk, and the rule "decide, make durable, speak".
//
// Frames of peers, time, finished batches, reports and compiled rules come in; frames to peers, batches for
// the store, reports to answer and rules to compile go out.  The loop (loop.h) does the I/O around it under
// ZeroMQ and a store's threads; the simulator does it in virtual time with a store in memory.  It runs the
// same code in both.
//
// A peer is whatever the transport can address, by a number of the shell's making that it never reuses.

#ifndef SESSION_BROKER_H
#define SESSION_BROKER_H

#include "broker/desk/desk.h"
#include "broker/session/trace.h"
#include "broker/store/engine.h"
#include "broker/triage/rules.h"

struct broker;

struct broker_options {
    int64_t heartbeat_ms;     // 0: 5000
    int64_t timeout_ms;       // 0: 3 * heartbeat
    size_t window;            // requests in flight a session; 0: 1024
    int64_t person_rate;      // requests a second a session of a person or of control; 0: 100, negative: no limit
    int64_t connector_rate;   // requests a second a connector's session; 0: 50000, negative: no limit
    size_t sessions_max;      // 0: 8192
    int64_t address_percent;  // of all connectors' sessions, and of controls', one remote address has; 0: 50
    size_t batch_changes_max; // changes that wait before intake is answered BUSY; 0: 65536
    size_t batch_bytes_max;   // the same in bytes; 0: 64 MiB
    size_t intake_keys_max;   // keys of recent posts kept in memory; 0: 8 Mi
    size_t story_bytes_max;   // texts of items and their authors' history kept in memory; 0: 64 MB
    bool check_stories;       // for tests: the store is asked all the same, and what it says must be the same
    const char *secret;       // the store's, copied; NULL: what clients were told is not proved
    bool accept_loss;         // a desk that is behind what its clients were told goes on
    const char *rules_name;   // the file the rules came from, recorded with the first rules of an empty desk; NULL: ""
    // Fills `bytes` with unpredictable bytes, for tokens.
    void (*random)(void *self, void *bytes, size_t count);
    // Receives a line for the log: level "info", "warning", "error"; `who` as "session=7 person=asha".
    void (*log)(void *self, const char *level, const char *line);
    void *self;
    const struct trace *trace; // borrowed; NULL: what the broker does is not traced
};

// The text of the rules in force as the store has them, owned by the caller (free), with their version; NULL
// with version 0 when the desk has none yet, NULL with another when they could not be read (`engine->reason`).
char *broker_stored_rules(struct engine *engine, uint64_t *version);

// Makes a broker from what the store gave back.  Takes the rules.  `position` is what take_over answered.
// The engine is only read, during this call.  NULL with `reason` when the store contradicts the rules, which
// must be the store's own where it has some.
struct broker *broker_new(struct rules **rules_p, struct engine *engine, const struct store_position *position,
                          const struct broker_options *options, int64_t now_ms, char *reason, size_t reason_bytes);
void broker_destroy(struct broker **broker_p);

// ---- in ----

// A frame from a peer.  Never fails: a bad frame is answered or its peer dropped.
void broker_receive(struct broker *broker, uint64_t peer, const void *frame, size_t frame_bytes, int64_t now_ms);

// Connections that the transport has ended and sign-ins that it has refused, as their remote address had what one may.
void broker_set_over_address(struct broker *broker, uint64_t count);

// The transport says that a peer cannot be reached or is full: its session is lost, for this reason.
void broker_peer_lost(struct broker *broker, uint64_t peer, const char *reason, int64_t now_ms);

// The peer's connection has closed: its session is lost, and nothing more comes from it under this number.
void broker_peer_gone(struct broker *broker, uint64_t peer, const char *reason, int64_t now_ms);

// Where the peer is: the same number for all of one remote address.  Before its first frame; never told, or 0: unknown.
void broker_peer_at(struct broker *broker, uint64_t peer, uint64_t address, int64_t now_ms);

// Much waits to be read by the peer, or no more: what it asks for is put off meanwhile.
void broker_peer_behind(struct broker *broker, uint64_t peer, bool behind);

// The peer goes on with somebody else: its session ends as by its own BYE.
void broker_peer_left(struct broker *broker, uint64_t peer, const char *reason, int64_t now_ms);

// Time passes.  Returns milliseconds until it must be called again, -1: whenever.
int64_t broker_tick(struct broker *broker, int64_t now_ms);

// A batch is on disk, its questions answered.  Takes it.  Batches come back in the order they went out.
void broker_durable(struct broker *broker, struct batch **batch_p, int64_t now_ms);

// The store went away or came back; while away intake is answered BUSY and lease times stand still.
void broker_store_state(struct broker *broker, bool away, const char *description, int64_t now_ms);

// The store works, but its tables do not keep up, or do again: intake is answered BUSY meanwhile, and nothing else.
void broker_store_behind(struct broker *broker, bool behind);

// Our lease of the desk is valid before `until_ms` by our own clock; a broker that was never told needs none.  Once it
// has lapsed another broker may have the desk: no batch goes out and nothing about the desk is spoken.  Whoever is
// signed in is sent elsewhere at once and loses the connection's session, to resume it, and whoever says HELLO is sent
// on: to the brokers of broker_set_others, else BYE "restarting" and BUSY.
void broker_lease(struct broker *broker, int64_t until_ms, int64_t now_ms);

// Where other brokers that serve this desk are found; borrowed until the next call.  None at first.
void broker_set_others(struct broker *broker, const char *const *brokers, size_t broker_count);

// Another broker has the desk: forgets what was not spoken and tells everyone where it is (`brokers`), or, when that
// is not known, BYE "restarting".
void broker_fenced(struct broker *broker, const char **brokers, size_t broker_count, const char *reason);

void broker_reported(struct broker *broker, struct report **report_p, int64_t now_ms);

// Rules asked for by broker_next_rules are compiled (`rules_p` taken) or have problems (rules NULL).
void broker_rules_ready(struct broker *broker, struct rules **rules_p, const struct rules_problems *problems,
                        int64_t now_ms);

// Begins a clean stop: no more requests are taken, everyone is told BYE "restarting" once all that was
// decided is spoken.
void broker_stop(struct broker *broker, int64_t now_ms);
bool broker_stopped(const struct broker *broker);

// The same for a desk that another broker is to have: at the end everyone is told MOVED to `brokers`, which are
// borrowed until then; "restarting" when there are none.
void broker_hand_over(struct broker *broker, const char **brokers, size_t broker_count, int64_t now_ms);

// ---- out ----

// The next frame to send, or NULL.  The frame is owned by the caller (free).  `peer` is to whom.
void *broker_next_frame(struct broker *broker, uint64_t *peer, size_t *frame_bytes);

// A peer that the shell should forget (its session ended), or 0.
uint64_t broker_next_drop(struct broker *broker);

// All that has been decided since the last batch, when there is something and no batch is out; else NULL.
struct batch *broker_next_batch(struct broker *broker, int64_t now_ms);

struct report *broker_next_report(struct broker *broker);

// A text of rules to compile off the loop, or NULL.  Valid until broker_rules_ready.  The new rules get
// `version`; `previous` stays valid until then.
const char *broker_next_rules(struct broker *broker, uint64_t *version, const struct rules **previous);

// ---- looking ----

// HELLOs refused since the start for what they said, not for want of room.
uint64_t broker_sign_ins_refused(const struct broker *broker);

// The highest sequence that a client has proved to have been told and that the desk does not have: it must not go on.
// 0: there is none.
uint64_t broker_told_beyond(const struct broker *broker);

const struct desk *broker_desk(const struct broker *broker);
const struct rules *broker_rules(const struct broker *broker); // in force
size_t broker_session_count(const struct broker *broker);
bool broker_is_signed_in(const struct broker *broker, uint64_t peer); // somebody is, over this connection

// Walks the desk's and the sessions' invariants.
void broker_check(const struct broker *broker);

#endif
