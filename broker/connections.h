// connections.h - which connections there are, whose each is, and which have to go.
//
// Pure: descriptors and times come in, decisions go out.  A peer's number is the name that the ROUTER gave its
// connection; libzmq also takes names that peers choose, and gives them out again once a connection has closed.  Here
// a number is bound to the one connection over which it first came, and is served over no other.

#ifndef BROKER_CONNECTIONS_H
#define BROKER_CONNECTIONS_H

#include "broker/remote_address.h"
#include "broker/unread.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Descriptors of connections are below this.
#define CONNECTIONS_DESCRIPTORS_MAX 65536

#define CONNECTIONS_SILENT_MS 10000  // in which a new connection says something
#define CONNECTIONS_IDLE_MS 20000    // in which one that is not signed in says something again
#define CONNECTIONS_STALLED_MS 15000 // in which something is read of what waits to be read
#define CONNECTIONS_LAST_WORDS_MS 500
#define CONNECTIONS_LAST_WORDS_MAX 64 // connections that have last words at one moment; others are cut off at once
#define CONNECTIONS_REFUSALS_MS 60000 // over which refused sign-ins are counted

// What one remote address may have.
struct address_limits {
    size_t strangers_max; // connections that are not signed in, silent ones too; 0: any number
    size_t refusals_max;  // refused sign-ins in CONNECTIONS_REFUSALS_MS; 0: any number
};

struct remote; // what one remote address has

// Of a connection: how well it is known.
enum connection_standing {
    CONNECTION_SILENT,   // has said nothing yet
    CONNECTION_STRANGER, // is not signed in
    CONNECTION_SIGNED_IN,
    CONNECTION_REFUSED, // is on its way out
};

struct connection {
    int descriptor;
    uint64_t peer; // 0 while it is silent
    enum connection_standing standing;
    int64_t since_ms;      // when it came, or last said something without being signed in
    unsigned faults;       // frames of noise in a row, while no desk listened
    bool ended;            // it has closed; what it said before may still be read
    bool cut;              // REFUSED: it has been cut off, and will have ended soon
    bool at_once;          // REFUSED: it has no last words
    bool logged;           // REFUSED: it was said in the log
    struct remote *remote; // NULL: its address is not known
    const char *reason;    // REFUSED: why
    struct unread *unread; // what waits to be read by it
    uint64_t taken;        // of `unread`, when last looked at
    int64_t taken_ms;      // and when it was last seen to grow, or nothing waited
    struct connection *next, *previous;
};

struct connections;

// `strangers_max`: connections that may be there without being signed in, silent ones apart, of which there may be as
// many.  `total_max`: of all together.  `first_peer`: the number of the first connection that the ROUTER names.
struct connections *connections_new(size_t strangers_max, size_t total_max, const struct address_limits *limits,
                                    uint64_t first_peer);
void connections_destroy(struct connections **connections_p);

// Returns a connection that was refused as there are more from this address than may be, or NULL: the one that has said
// nothing for longest.
struct connection *connections_accepted(struct connections *connections, int descriptor,
                                        const struct remote_address *address, int64_t now_ms);

// The connection has closed.  It is forgotten by connections_next_ended.
void connections_closed(struct connections *connections, int descriptor, int64_t now_ms);

// The peer of a connection that has closed, once it need not be expected to be heard any more, or 0; it is forgotten.
// `drained`: all that was there has been read.  `reason`: why it was cut off, or that it has closed.
uint64_t connections_next_ended(struct connections *connections, bool drained, int64_t now_ms, const char **reason);

// What came from whom.
enum heard {
    HEARD,         // is to be served
    HEARD_NOBODY,  // the connection has closed, or is on its way out: there is nobody to answer
    HEARD_OWN_NAME // the peer has named itself: to be refused
};

// A message came over a connection under this number.
enum heard connections_heard(struct connections *connections, int descriptor, uint64_t peer, int64_t now_ms);

// The number was that of a connection which had closed before this one came over the same descriptor: whose this one is
// will be known when it says something.
void connections_unbind(struct connections *connections, struct connection *connection);

// The connection of a peer, or NULL.
struct connection *connections_find(const struct connections *connections, uint64_t peer);

// The connection over a descriptor, or NULL.
struct connection *connections_at(const struct connections *connections, int descriptor);

// The key of its remote address, 0 when that is not known, and its text.
uint64_t connections_address(const struct connection *connection);
const char *connections_address_text(const struct connection *connection);

// A sign-in over it was refused.
void connections_note_refused(struct connections *connections, struct connection *connection, int64_t now_ms);

// Milliseconds until somebody may sign in from its address again, of whose sign-ins too many were refused; 0: now.
int64_t connections_refused_for_ms(const struct connections *connections, const struct connection *connection,
                                   int64_t now_ms);

void connections_set_signed_in(struct connections *connections, struct connection *connection, bool signed_in,
                               int64_t now_ms);

// It counts no more, nothing of it is served, and it is to be cut off.  `reason` lives on.
void connections_refuse(struct connections *connections, struct connection *connection, const char *reason,
                        int64_t now_ms);

// One that has to go now, because others need its place or because it has said nothing for too long: it is refused by
// this.  NULL when there is none.
struct connection *connections_next_to_go(struct connections *connections, int64_t now_ms);

// One that was refused, has had its time for last words if it has any, and was not cut off yet; or NULL.
struct connection *connections_next_to_cut(const struct connections *connections, int64_t now_ms);

// Finds those that read nothing of what they are sent: at most `count_max`.  Walks all; to be called every second or
// so, and who calls it after a long pause finds none.
size_t connections_find_stalled(struct connections *connections, int64_t now_ms, struct connection **stalled,
                                size_t count_max);

size_t connections_count(const struct connections *connections); // open ones

#endif
