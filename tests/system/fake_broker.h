// fake_broker.h - a broker that does what a test tells it to.
//
// For testing clients as real processes.  It speaks the wire protocol over a ROUTER socket on a free port of
// 127.0.0.1, answers HELLO and heartbeats by itself, and leaves everything else to the test: what it
// receives waits for fake_broker_expect, what it says the test says.  Every wait is bounded and fails the
// test when it is over.  One thread, the test's.

#ifndef TESTS_FAKE_BROKER_H
#define TESTS_FAKE_BROKER_H

#include <behalf/message.h>

// How long a test waits for what must come.  Generous: sanitizers on a busy machine.
#define FAKE_BROKER_WAIT_MS 20000

struct fake_broker;

struct fake_broker_options {
    int64_t window;       // 0: 64
    int64_t heartbeat_ms; // 0: 2000
    int64_t timeout_ms;   // 0: 30000
    const char *roles;    // of people; NULL: "agent"
    bool restarts;        // right behind each WELCOME goes BYE "restarting"
};

struct fake_broker *fake_broker_new(const struct fake_broker_options *options);
void fake_broker_destroy(struct fake_broker **broker_p);

// Where it listens.
const char *fake_broker_endpoint(const struct fake_broker *broker);

// The next message that is no HELLO and no heartbeat.  Owned by the caller.  Fails the test if there is
// none in time or it is of another type.
struct behalf_message *fake_broker_expect(struct fake_broker *broker, enum behalf_type type);

// The same of any type; NULL when nothing comes within `timeout_ms`.
struct behalf_message *fake_broker_next(struct fake_broker *broker, int timeout_ms);

// Waits for a further HELLO, and returns it, owned by the caller; it has been answered.
struct behalf_message *fake_broker_expect_hello(struct fake_broker *broker);

// Sends a message to the client that spoke last.
void fake_broker_send(struct fake_broker *broker, const struct behalf_message *message);

// Answers the request `id` with TAKEN, DONE or ERROR.
void fake_broker_taken(struct fake_broker *broker, int64_t id, int64_t item);
void fake_broker_done(struct fake_broker *broker, int64_t id, int64_t item, int64_t lease, const char *state);
void fake_broker_error(struct fake_broker *broker, int64_t id, const char *code, const char *reason, int64_t retry_ms);

// Further HELLOs go on with the session they name (the default), or begin a new one.
void fake_broker_resumes(struct fake_broker *broker, bool resumes);

// Further HELLOs are refused with this code (NULL: no more).
void fake_broker_refuses(struct fake_broker *broker, const char *code);

// Does the broker's work until `ready` says so.  Fails the test when it does not in time.
void fake_broker_work_until(struct fake_broker *broker, bool (*ready)(void *self), void *self);

// Does the broker's work until the time is over, or before when something came.
void fake_broker_work(struct fake_broker *broker, int timeout_ms);

// Vanishes with all connections, and comes back at the same place.
void fake_broker_go_away(struct fake_broker *broker);
void fake_broker_come_back(struct fake_broker *broker);

#endif
