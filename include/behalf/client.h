// client.h - the client half of a session with a Behalf broker.
//
// A client is given a list of brokers and who it is, and keeps a session: it connects, says HELLO,
// sends heartbeats, notices a lost broker, reconnects with back-off to the next in the list, resumes,
// and repeats every request until it is answered.  Repeating is safe: the broker gives a request that
// took effect its first answer again.  It makes no threads of its own beyond libzmq's, installs no
// signal handlers, and never blocks except in behalf_client_wait.
//
// The caller waits until behalf_client_fd is readable or behalf_client_timeout_ms has passed, calls
// behalf_client_next until it returns NULL, and acts on each message.  Not thread-safe: one client, one
// thread.

#ifndef BEHALF_CLIENT_H
#define BEHALF_CLIENT_H

#include <behalf/message.h>

#ifdef __cplusplus
extern "C" {
#endif

struct behalf_client;

enum behalf_client_state {
    BEHALF_CLIENT_CONNECTING, // no session now; requests wait; what the caller has may be another's by now
    BEHALF_CLIENT_READY,      // a session stands
    BEHALF_CLIENT_REFUSED,    // the broker refused HELLO for a reason that repeating does not mend
    BEHALF_CLIENT_ENDED       // the broker said BYE, or behalf_client_close was called
};

// Makes a client.  `brokers` are ZeroMQ endpoints separated by commas ("tcp://127.0.0.1:7311"); NULL or ""
// is the default endpoint.  `hello` says who the client is; its token and version are the client's to
// fill; it is copied.  Connecting begins at once.  Returns NULL if an endpoint cannot be parsed.
struct behalf_client *behalf_client_new(const char *brokers, const struct behalf_hello *hello);

#define BEHALF_DEFAULT_ENDPOINT "tcp://127.0.0.1:7311"

// Closes the socket and frees the client; requests not answered are forgotten.  Sets the pointer to NULL.
void behalf_client_destroy(struct behalf_client **client_p);

enum behalf_client_state behalf_client_state(const struct behalf_client *client);

// Whether what the caller was shown (ITEM) is its own as far as any broker has said: a session stands, and all that
// its WELCOME announced has come.  While it is false, show what is held as not sure to be the person's still: somebody
// else may have it.
bool behalf_client_is_sure(const struct behalf_client *client);

// In words, why the state is what it is ("no answer from tcp://... for 5 s; next attempt in 2 s").
// Belongs to the client, valid until its next call.
const char *behalf_client_reason(const struct behalf_client *client);

// Queues a request.  Fills in its id and returns it (greater than 0), or 0 with `fault` filled in if the
// message breaks its own limits.  The message is borrowed for the call.  It is sent when there is a
// session and room in its window, repeated after a reconnect, and after BUSY when the broker says.
int64_t behalf_client_send(struct behalf_client *client, const struct behalf_message *message,
                           struct behalf_fault *fault);

// The next thing that happened, owned by the caller (behalf_message_destroy), or NULL when there is
// nothing now.  Does the client's work: reads, writes, heartbeats, reconnects.  Answers to requests carry
// the request's id.  Seen by the caller: WELCOME (also after each resume), every answer except BUSY,
// and news (ITEM, GONE, PRESENCE, REPLY, BYE).
struct behalf_message *behalf_client_next(struct behalf_client *client);

// A descriptor that becomes readable when behalf_client_next may have something.  Only for poll and the like.
int behalf_client_fd(const struct behalf_client *client);

// Milliseconds until behalf_client_next should be called even if the descriptor stays silent.
int behalf_client_timeout_ms(struct behalf_client *client);

// Waits until behalf_client_next has something, or `timeout_ms` has passed (-1: for ever), and returns
// what it has or NULL.  Returns NULL early when a signal interrupts it.
struct behalf_message *behalf_client_wait(struct behalf_client *client, int timeout_ms);

// Waits for the answer to one request, keeping other messages for later calls of behalf_client_next.
// NULL when `timeout_ms` has passed, a signal came, or the session was refused or ended.
struct behalf_message *behalf_client_wait_answer(struct behalf_client *client, int64_t id, int timeout_ms);

// Requests sent or waiting that have no answer yet.
size_t behalf_client_pending(const struct behalf_client *client);

// The session's window: requests in flight at most.  Callers that stream wait below it.
size_t behalf_client_window(const struct behalf_client *client);

// Says BYE and waits up to `timeout_ms` for it to leave; the state is then ENDED.  While the process has other
// clients it is not waited for, and leaves as long as they last.
void behalf_client_close(struct behalf_client *client, const char *reason, int timeout_ms);

#ifdef __cplusplus
}
#endif

#endif
