// connections.c - the table of connections by peer and by descriptor, and who has to go first: see connections.h.
//
// The ROUTER counts the names it gives up from a number that nobody can guess.  A number that it cannot have given
// yet, or that was seen before and belongs to no open connection, is a peer's own.
//
// What that leaves open.  A peer that says nothing, and has named itself like a connection to come, ends the process
// when that comes: libzmq 4.3.4 asserts that the name it gives is new.  Its stable API tells nobody's name before the
// first message.  The monitor's events have descriptors.  ZAP is told the address; a name that its reply gives under
// NULL is overwritten by a READY that comes later, so a peer that waits keeps its own.  (Under CURVE it is the other
// way round: the peer's name has been read by then, and the one that the reply gives stays; of 400 replies one was
// there too early, none of 100 that waited 10 ms.)  ZMQ_ROUTER_HANDOVER changes what happens to a peer's own name, not
// to a given one.  So it is left to chance, and the chance is small: the count begins at any of 2^32 numbers, and
// self-named peers are not there for long.  There are at most STRANGERS_MAX silent ones in router.c, for
// CONNECTIONS_SILENT_MS, ADDRESS_STRANGERS_MAX of one address; and CONNECTIONS_LAST_WORDS_MAX of those that have spoken
// and are on their way out.  With all these places taken by such peers a new connection ends the process with a chance
// of (1024 + 64) / 2^32, one in 3.9 million; of one address alone (600 + 64) / 2^32, one in 6.5 million.  At a shift's
// 300 connections a minute that is expected after nine days of such an attack, of one address after fifteen; who makes
// 4,000 connections a second besides, as a program on this machine can, may expect it after 16 minutes, of one address
// after 27.  Nothing acknowledged is lost by it.

#include "broker/connections.h"

#include "proto/base/table.h"
#include "proto/base/must.h"

#include <stdlib.h>
#include <string.h>

// It is remembered when a number was seen, of this many before the newest one; older ones are nobody's.
#define SEEN_MAX 65536

// Addresses remembered for their refused sign-ins alone; beyond it the one that has no connection for longest is not.
#define REMOTES_IDLE_MAX 4096

#define ENDED_MS 1000 // after which nothing is expected any more from a connection that has closed

struct connection_list {
    struct connection *first, *last;
    size_t count;
};

struct remote {
    struct remote_address address;
    size_t open;                    // connections, those on their way out too
    size_t strangers;               // of them that count as not signed in
    size_t refusals;                // of sign-ins, since
    int64_t refusals_ms;            // this time
    struct remote *next, *previous; // among the idle: those with no connection
};

struct connections {
    struct connection *at[CONNECTIONS_DESCRIPTORS_MAX];   // open ones
    struct table peers;                                   // by number; also some that have ended
    struct connection_list lists[CONNECTION_REFUSED + 1]; // open ones by standing, longest there first
    struct connection_list ended;                         // longest there first
    struct table remotes;                                 // by key of their addresses
    struct remote *idle_first, *idle_last;                // longest idle first
    size_t idle_count;
    struct address_limits limits;
    size_t strangers_max;
    size_t total_max;
    uint64_t first_peer;
    uint64_t accepted; // ever
    int64_t looked_ms; // when unread bytes were last looked at
    uint64_t newest;   // number seen, counted from the first; meaningful once any was
    bool any_seen;
    uint8_t seen[SEEN_MAX / 8];
};

// ---- lists ----

static void connections_append(struct connection_list *list, struct connection *connection)
{
    connection->next = NULL;
    connection->previous = list->last;
    *(list->last != NULL ? &list->last->next : &list->first) = connection;
    list->last = connection;
    list->count++;
}

static void connections_leave(struct connection_list *list, struct connection *connection)
{
    *(connection->previous != NULL ? &connection->previous->next : &list->first) = connection->next;
    *(connection->next != NULL ? &connection->next->previous : &list->last) = connection->previous;
    connection->next = connection->previous = NULL;
    list->count--;
}

static void connections_enter(struct connections *connections, struct connection *connection,
                              enum connection_standing standing)
{
    connection->standing = standing;
    connections_append(&connections->lists[standing], connection);
    if (connection->remote != NULL && standing <= CONNECTION_STRANGER) {
        connection->remote->strangers++;
    }
}

static void connections_quit(struct connections *connections, struct connection *connection)
{
    connections_leave(&connections->lists[connection->standing], connection);
    if (connection->remote != NULL && connection->standing <= CONNECTION_STRANGER) {
        connection->remote->strangers--;
    }
}

static void connections_stand(struct connections *connections, struct connection *connection,
                              enum connection_standing standing)
{
    connections_quit(connections, connection);
    connections_enter(connections, connection, standing);
}

// ---- addresses ----

static void connections_leave_idle(struct connections *connections, struct remote *remote)
{
    *(remote->previous != NULL ? &remote->previous->next : &connections->idle_first) = remote->next;
    *(remote->next != NULL ? &remote->next->previous : &connections->idle_last) = remote->previous;
    remote->next = remote->previous = NULL;
    connections->idle_count--;
}

static void connections_forget_idle(struct connections *connections)
{
    struct remote *first = connections->idle_first;

    connections_leave_idle(connections, first);
    table_remove(&connections->remotes, first->address.key, first);
    free(first);
}

// One that has no connection any more is remembered while its refusals count.
static void connections_release_remote(struct connections *connections, struct connection *connection, int64_t now_ms)
{
    struct remote *remote = connection->remote;

    connection->remote = NULL;
    if (remote == NULL || --remote->open > 0) {
        return;
    }
    remote->previous = connections->idle_last;
    *(remote->previous != NULL ? &remote->previous->next : &connections->idle_first) = remote;
    connections->idle_last = remote;
    connections->idle_count++;
    while (connections->idle_first != NULL &&
           (connections->idle_count > REMOTES_IDLE_MAX || connections->idle_first->refusals == 0 ||
            now_ms - connections->idle_first->refusals_ms >= CONNECTIONS_REFUSALS_MS)) {
        connections_forget_idle(connections);
    }
}

static struct remote *connections_hold_remote(struct connections *connections, const struct remote_address *address)
{
    if (address->key == 0) {
        return NULL;
    }
    struct remote *remote = table_find(&connections->remotes, address->key);
    if (remote == NULL) {
        remote = calloc(1, sizeof *remote);
        must(remote != NULL);
        remote->address = *address;
        table_put(&connections->remotes, address->key, remote);
    } else if (remote->open == 0) {
        connections_leave_idle(connections, remote);
    }
    remote->open++;
    return remote;
}

uint64_t connections_address(const struct connection *connection)
{
    return connection->remote != NULL ? connection->remote->address.key : 0;
}

const char *connections_address_text(const struct connection *connection)
{
    return connection->remote != NULL ? connection->remote->address.text : "";
}

void connections_note_refused(struct connections *connections, struct connection *connection, int64_t now_ms)
{
    struct remote *remote = connection->remote;

    (void) connections;
    if (remote == NULL) {
        return;
    }
    if (remote->refusals == 0 || now_ms - remote->refusals_ms >= CONNECTIONS_REFUSALS_MS) {
        remote->refusals = 0;
        remote->refusals_ms = now_ms;
    }
    remote->refusals++;
}

int64_t connections_refused_for_ms(const struct connections *connections, const struct connection *connection,
                                   int64_t now_ms)
{
    const struct remote *remote = connection->remote;

    if (remote == NULL || connections->limits.refusals_max == 0 ||
        remote->refusals < connections->limits.refusals_max) {
        return 0;
    }
    int64_t left_ms = remote->refusals_ms + CONNECTIONS_REFUSALS_MS - now_ms;
    return left_ms > 0 ? left_ms : 0;
}

// ---- beginning and end ----

struct connections *connections_new(size_t strangers_max, size_t total_max, const struct address_limits *limits,
                                    uint64_t first_peer)
{
    struct connections *connections = calloc(1, sizeof *connections);

    must(connections != NULL);
    connections->strangers_max = strangers_max;
    connections->total_max = total_max;
    connections->limits = *limits;
    connections->first_peer = first_peer;
    return connections;
}

static void connections_forget(struct connections *connections, struct connection *connection)
{
    if (connection->peer != 0) {
        table_remove(&connections->peers, connection->peer, connection);
    }
    unread_release(&connection->unread);
    free(connection);
}

static void connections_forget_all(struct connections *connections, struct connection_list *list)
{
    while (list->first != NULL) {
        struct connection *first = list->first;
        connections_leave(list, first);
        connections_release_remote(connections, first, 0);
        connections_forget(connections, first);
    }
}

void connections_destroy(struct connections **connections_p)
{
    struct connections *connections = *connections_p;

    if (connections == NULL) {
        return;
    }
    for (size_t i = 0; i <= CONNECTION_REFUSED; i++) {
        connections_forget_all(connections, &connections->lists[i]);
    }
    connections_forget_all(connections, &connections->ended);
    while (connections->idle_first != NULL) {
        connections_forget_idle(connections);
    }
    table_fini(&connections->remotes);
    table_fini(&connections->peers);
    free(connections);
    *connections_p = NULL;
}

static bool connections_is_watched(int descriptor)
{
    return descriptor >= 0 && descriptor < CONNECTIONS_DESCRIPTORS_MAX;
}

static struct connection *connections_first_in(const struct connection_list *list, const struct remote *remote)
{
    struct connection *first = list->first;

    while (first != NULL && first->remote != remote) {
        first = first->next;
    }
    return first;
}

// The one from this address that has said nothing for longest.
static struct connection *connections_first_of(const struct connections *connections, const struct remote *remote)
{
    struct connection *silent = connections_first_in(&connections->lists[CONNECTION_SILENT], remote);
    struct connection *stranger = connections_first_in(&connections->lists[CONNECTION_STRANGER], remote);
    bool of_silent = silent != NULL && (stranger == NULL || silent->since_ms <= stranger->since_ms);

    return of_silent ? silent : stranger;
}

static struct connection *connections_refuse_for_address(struct connections *connections, const struct remote *remote,
                                                         int64_t now_ms)
{
    size_t max = connections->limits.strangers_max;

    if (remote == NULL || max == 0 || remote->strangers <= max) {
        return NULL;
    }
    struct connection *first = connections_first_of(connections, remote);
    connections_refuse(connections, first, "as many as may be from its address are not signed in", now_ms);
    first->at_once = true;
    first->logged = true; // by who is told of it
    return first;
}

struct connection *connections_accepted(struct connections *connections, int descriptor,
                                        const struct remote_address *address, int64_t now_ms)
{
    connections->accepted++;
    if (!connections_is_watched(descriptor)) {
        return NULL;
    }
    if (connections->at[descriptor] != NULL) {
        connections_closed(connections, descriptor, now_ms);
    }
    struct connection *connection = calloc(1, sizeof *connection);
    must(connection != NULL);
    *connection = (struct connection){ .descriptor = descriptor,
                                       .since_ms = now_ms,
                                       .taken_ms = now_ms,
                                       .remote = connections_hold_remote(connections, address) };
    connections->at[descriptor] = connection;
    connections_enter(connections, connection, CONNECTION_SILENT);
    return connections_refuse_for_address(connections, connection->remote, now_ms);
}

void connections_closed(struct connections *connections, int descriptor, int64_t now_ms)
{
    struct connection *connection = connections_at(connections, descriptor);

    if (connection == NULL) {
        return;
    }
    connections->at[descriptor] = NULL;
    connections_quit(connections, connection);
    connections_release_remote(connections, connection, now_ms);
    connection->ended = true;
    connection->since_ms = now_ms;
    connections_append(&connections->ended, connection);
}

uint64_t connections_next_ended(struct connections *connections, bool drained, int64_t now_ms, const char **reason)
{
    struct connection *first;

    while ((first = connections->ended.first) != NULL && (drained || now_ms - first->since_ms >= ENDED_MS)) {
        uint64_t peer = first->peer;
        *reason = first->reason != NULL ? first->reason : "its connection has closed";
        connections_leave(&connections->ended, first);
        connections_forget(connections, first);
        if (peer != 0) {
            return peer;
        }
    }
    return 0;
}

struct connection *connections_find(const struct connections *connections, uint64_t peer)
{
    return table_find(&connections->peers, peer);
}

struct connection *connections_at(const struct connections *connections, int descriptor)
{
    return connections_is_watched(descriptor) ? connections->at[descriptor] : NULL;
}

size_t connections_count(const struct connections *connections)
{
    size_t count = 0;

    for (size_t i = 0; i <= CONNECTION_REFUSED; i++) {
        count += connections->lists[i].count;
    }
    return count;
}

// ---- names ----

static bool connections_was_seen(const struct connections *connections, uint64_t place)
{
    return (connections->seen[place % SEEN_MAX / 8] >> (place % 8) & 1) != 0;
}

// Notes that a number was seen; what it takes the place of is older than is remembered.
static void connections_note_seen(struct connections *connections, uint64_t place)
{
    while (connections->any_seen && connections->newest < place) {
        connections->newest++;
        connections->seen[connections->newest % SEEN_MAX / 8] &= (uint8_t) ~(1u << connections->newest % 8);
    }
    if (!connections->any_seen) {
        connections->newest = place;
        connections->any_seen = true;
    }
    connections->seen[place % SEEN_MAX / 8] |= (uint8_t) (1u << place % 8);
}

// How many names the ROUTER had given before this one, which is 32 bits wide and wraps.
static uint64_t connections_place_of(const struct connections *connections, uint64_t peer)
{
    return (uint32_t) (peer - connections->first_peer);
}

// Whether the ROUTER can have given this number to a connection that has said nothing yet.
static bool connections_may_be_given(const struct connections *connections, uint64_t peer)
{
    uint64_t place = connections_place_of(connections, peer);

    if (peer == 0 || place >= connections->accepted) {
        return false;
    }
    if (!connections->any_seen || place > connections->newest) {
        return true;
    }
    return connections->newest - place < SEEN_MAX && !connections_was_seen(connections, place);
}

static void connections_unbind_peer(struct connections *connections, struct connection *connection)
{
    table_remove(&connections->peers, connection->peer, connection);
    unread_release(&connection->unread);
    connection->peer = 0;
}

static void connections_bind_peer(struct connections *connections, struct connection *connection, uint64_t peer,
                                  int64_t now_ms)
{
    connection->peer = peer;
    connection->since_ms = now_ms;
    connection->unread = unread_new();
    table_put(&connections->peers, peer, connection);
    connections_note_seen(connections, connections_place_of(connections, peer));
    connections_stand(connections, connection, CONNECTION_STRANGER);
}

// A number that is bound comes over another descriptor, or over one that is another connection's by now.
static enum heard connections_heard_of_bound(const struct connections *connections, const struct connection *bound,
                                             int descriptor)
{
    const struct connection *present = connections_at(connections, descriptor);

    if (!bound->ended || bound->descriptor != descriptor) {
        return HEARD_OWN_NAME;
    }
    // Said before it closed; unless the descriptor is a silent newcomer's, who could be saying this.
    return present == NULL || present->peer != 0 ? HEARD : HEARD_NOBODY;
}

enum heard connections_heard(struct connections *connections, int descriptor, uint64_t peer, int64_t now_ms)
{
    struct connection *bound = peer == 0 ? NULL : connections_find(connections, peer);
    struct connection *present = connections_at(connections, descriptor);

    if (bound != NULL && bound == present) {
        if (present->standing == CONNECTION_STRANGER) {
            present->since_ms = now_ms;
            connections_stand(connections, present, CONNECTION_STRANGER);
        }
        return present->standing == CONNECTION_REFUSED ? HEARD_NOBODY : HEARD;
    }
    if (bound != NULL) {
        return connections_heard_of_bound(connections, bound, descriptor);
    }
    if (present == NULL || present->standing == CONNECTION_REFUSED) {
        return HEARD_NOBODY;
    }
    if (!connections_may_be_given(connections, peer)) {
        return HEARD_OWN_NAME;
    }
    if (present->peer != 0) {
        // What it is bound to was said over its descriptor by one that had closed before it came, if that is older.
        if (connections_place_of(connections, peer) < connections_place_of(connections, present->peer)) {
            return HEARD_NOBODY;
        }
        connections_unbind_peer(connections, present);
    }
    connections_bind_peer(connections, present, peer, now_ms);
    return HEARD;
}

void connections_unbind(struct connections *connections, struct connection *connection)
{
    must(!connection->ended);
    connections_unbind_peer(connections, connection);
    connections_stand(connections, connection, CONNECTION_SILENT);
}

// ---- standing ----

void connections_set_signed_in(struct connections *connections, struct connection *connection, bool signed_in,
                               int64_t now_ms)
{
    enum connection_standing standing = signed_in ? CONNECTION_SIGNED_IN : CONNECTION_STRANGER;

    if (connection->ended || connection->standing == standing || connection->standing == CONNECTION_REFUSED) {
        return;
    }
    connection->since_ms = now_ms;
    connections_stand(connections, connection, standing);
}

void connections_refuse(struct connections *connections, struct connection *connection, const char *reason,
                        int64_t now_ms)
{
    if (!connection->ended && connection->standing != CONNECTION_REFUSED) {
        connection->since_ms = now_ms;
        connection->reason = reason;
        connection->at_once = connections->lists[CONNECTION_REFUSED].count >= CONNECTIONS_LAST_WORDS_MAX;
        connections_stand(connections, connection, CONNECTION_REFUSED);
    }
}

// ---- who has to go ----

static bool connections_has_waited(const struct connection *connection, int64_t now_ms, int64_t ms)
{
    return connection != NULL && now_ms - connection->since_ms >= ms;
}

// Those whose place others need: first who has said nothing for longest, then who has not signed in for longest.
static struct connection *connections_first_for_room(const struct connections *connections)
{
    const struct connection_list *silent = &connections->lists[CONNECTION_SILENT];
    const struct connection_list *strangers = &connections->lists[CONNECTION_STRANGER];
    size_t total = silent->count + strangers->count + connections->lists[CONNECTION_SIGNED_IN].count;

    if (silent->count > connections->strangers_max || (total > connections->total_max && silent->count > 0)) {
        return silent->first;
    }
    return strangers->count > connections->strangers_max || total > connections->total_max ? strangers->first : NULL;
}

struct connection *connections_next_to_go(struct connections *connections, int64_t now_ms)
{
    struct connection *silent = connections->lists[CONNECTION_SILENT].first;
    struct connection *stranger = connections->lists[CONNECTION_STRANGER].first;
    struct connection *first = connections_first_for_room(connections);
    const char *reason = "others need its place, and it has not signed in";

    if (first == NULL && connections_has_waited(silent, now_ms, CONNECTIONS_SILENT_MS)) {
        first = silent;
        reason = "it has said nothing";
    } else if (first == NULL && connections_has_waited(stranger, now_ms, CONNECTIONS_IDLE_MS)) {
        first = stranger;
        reason = "it is not signed in and says nothing";
    }
    if (first != NULL) {
        connections_refuse(connections, first, reason, now_ms);
    }
    return first;
}

struct connection *connections_next_to_cut(const struct connections *connections, int64_t now_ms)
{
    struct connection *connection = connections->lists[CONNECTION_REFUSED].first;

    while (connection != NULL &&
           (connection->cut ||
            !(connection->at_once || connections_has_waited(connection, now_ms, CONNECTIONS_LAST_WORDS_MS)))) {
        connection = connection->next;
    }
    return connection;
}

// ---- who does not read ----

// `forgive`: it was we who stood still.
static bool connections_is_stalled(struct connection *connection, bool forgive, int64_t now_ms)
{
    if (connection->unread == NULL) {
        return false;
    }
    uint64_t taken = unread_taken(connection->unread);
    if (forgive || taken != connection->taken || unread_bytes(connection->unread) == 0) {
        connection->taken = taken;
        connection->taken_ms = now_ms;
    }
    return now_ms - connection->taken_ms >= CONNECTIONS_STALLED_MS;
}

size_t connections_find_stalled(struct connections *connections, int64_t now_ms, struct connection **stalled,
                                size_t count_max)
{
    static const enum connection_standing standings[] = { CONNECTION_STRANGER, CONNECTION_SIGNED_IN };
    bool forgive = now_ms - connections->looked_ms >= CONNECTIONS_STALLED_MS / 3;
    size_t count = 0;

    connections->looked_ms = now_ms;
    for (size_t i = 0; i < sizeof standings / sizeof standings[0]; i++) {
        struct connection *connection = connections->lists[standings[i]].first;
        for (; connection != NULL && count < count_max; connection = connection->next) {
            if (connections_is_stalled(connection, forgive, now_ms)) {
                stalled[count++] = connection;
            }
        }
    }
    return count;
}
