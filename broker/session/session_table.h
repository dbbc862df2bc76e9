// session_table.h - who is connected: peers of the transport, and the sessions that may outlive them.
//
// A peer is one connection; it has at most one session.  A session is one signed-in principal, named by its
// token to clients and by its number to the desk; it stays for a while after its peer is gone, so that it can
// be resumed.  This file keeps and finds them; what signing in or being lost means is decided elsewhere.

#ifndef SESSION_TABLE_H
#define SESSION_TABLE_H

#include "broker/session/allowance.h"
#include "broker/desk/desk.h"
#include "broker/desk/policy.h"
#include "proto/base/table.h"
#include "proto/base/key_set.h"

#include <behalf/message.h>

#define SESSION_TOKEN_BYTES 16    // of randomness
#define SESSION_CHANNELS_MAX 16   // as in HELLO
#define SESSION_INSTANCE_BYTES 64 // as in HELLO
#define SESSION_WHO_BYTES 192     // "session=7 person=asha", names escaped by the log

enum session_role { SESSION_PERSON, SESSION_CONNECTOR, SESSION_CONTROL };

struct peer;

struct session {
    uint64_t number;
    enum session_role role;
    char name[BEHALF_NAME_BYTES + 1];
    char token[2 * SESSION_TOKEN_BYTES + 1];
    uint32_t person;                           // PERSON: index into the policy's people
    struct peer *peer;                         // NULL while lost
    bool welcomed;                             // WELCOME has been sent to the peer
    int64_t heard_ms;                          // when the peer last sent anything
    int64_t spoken_ms;                         // when anything was last sent to it
    int64_t lost_ms;                           // since when it has no peer
    int64_t hello_id;                          // of the HELLO that opened or resumed it
    char instance[SESSION_INSTANCE_BYTES + 1]; // CONNECTOR
    char channels[SESSION_CHANNELS_MAX][BEHALF_NAME_BYTES + 1];
    size_t channel_count;
    bool idempotent;
    uint64_t address; // of the peer it has, or had last; 0: not known
    struct allowance requests;
    struct key_set in_flight; // ids of requests not answered yet
    size_t reports;           // asked for and not answered yet
};

struct peer {
    uint64_t number;
    struct session *session; // NULL: none
    uint64_t address;        // the same for all of one remote address; 0: not known
    int64_t since_ms;        // when it was first heard of, or when its session ended
    unsigned faults;         // frames in a row that could not be decoded
    bool banned;             // is not listened to until it is forgotten
    bool behind;             // much waits to be read by it
};

// Allowances of addresses; those whose numbers have the same remainder share one.
#define SESSION_TABLE_ADDRESSES 512

struct session_table {
    struct table peers;                        // by number
    struct table sessions;                     // by number
    struct session *people[POLICY_PEOPLE_MAX]; // the session of each person, or NULL
    struct allowance person_hellos[POLICY_PEOPLE_MAX];
    struct allowance other_hellos[3];                            // by role, of all its principals together
    struct allowance address_hellos[3][SESSION_TABLE_ADDRESSES]; // by role, of those of one address
    struct allowance refusals;                                   // of HELLO: how many are logged
    uint64_t refusals_left_out;                                  // since the last one logged
    size_t count[3];                                             // sessions by role, lost ones too
    size_t connected;                                            // sessions that have a peer
    uint64_t next_number;
};

void session_table_init(struct session_table *table);
void session_table_fini(struct session_table *table);

struct peer *session_table_peer(const struct session_table *table, uint64_t number); // or NULL
struct peer *session_table_add_peer(struct session_table *table, uint64_t number, int64_t now_ms);

// Forgets a peer.  Asserts: it has no session.
void session_table_remove_peer(struct session_table *table, struct peer **peer_p);

struct session *session_table_find(const struct session_table *table, uint64_t number); // or NULL

// The session of a person, if this is its token; else NULL.  Takes as long for a token that is nearly right.
struct session *session_table_of_person(const struct session_table *table, uint32_t person, const char *token);

// A session of a program with this role, name and token, or NULL; as above.  Looks at all sessions, as counting those
// of one name or address does: programs are few, and sign in seldom.
struct session *session_table_of_program(const struct session_table *table, enum session_role role, const char *name,
                                         const char *token);

// A connector's session with this name and instance, or NULL.
struct session *session_table_by_instance(const struct session_table *table, const char *name, const char *instance);

// The session of these roles (bits) that has been lost for longest, or NULL.
#define SESSION_ROLES 7u
struct session *session_table_longest_lost(const struct session_table *table, unsigned roles);

// How many sessions of this role and name have a peer.
size_t session_table_count_connected(const struct session_table *table, enum session_role role, const char *name);

// The same of those whose peers are at this address.
size_t session_table_count_at(const struct session_table *table, enum session_role role, uint64_t address);

// Makes a session without a peer.  Asserts that its person has none.
struct session *session_table_add(struct session_table *table, enum session_role role, const char *name,
                                  uint32_t person, const uint8_t token[SESSION_TOKEN_BYTES]);

// Ends a session.  Its peer, if it has one, stays without a session.
void session_table_remove(struct session_table *table, struct session **session_p, int64_t now_ms);

// Gives a session a peer, taking both from what they had.
void session_table_attach(struct session_table *table, struct session *session, struct peer *peer, int64_t now_ms);

// Takes a session's peer away, if it has one.
void session_table_detach(struct session_table *table, struct session *session, int64_t now_ms);

// Visits all sessions in no order: start with *place 0, ends with NULL.  None may be added or removed meanwhile.
struct session *session_table_next(const struct session_table *table, size_t *place);
struct peer *session_table_next_peer(const struct session_table *table, size_t *place);

// "person", "connector", "control"; false for any other text.
bool session_role_from_name(const char *name, enum session_role *role);

// Whose session it is.  Valid while it is.
struct principal session_principal(const struct session *session);

// "session=7 person=asha".
void session_who(const struct session *session, char who[SESSION_WHO_BYTES]);

void session_table_check(const struct session_table *table, size_t window);

#endif
