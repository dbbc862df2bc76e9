// session.h - a session with the database that engines of several desks may work through, and what outlives it.
//
// All who work through one do so from one thread.  A session is made when it is needed and again after trouble; a
// session of ours that was left with a COMMIT unanswered is ended first, so that what it may still do is over.

#ifndef STORE_POSTGRES_SESSION_H
#define STORE_POSTGRES_SESSION_H

#include "broker/store/postgres/appendable.h"
#include "broker/store/postgres/applier.h"
#include "broker/store/postgres/records.h"

#define SESSION_MONTHS_MAX 240 // known at once

struct session {
    size_t users; // engines that work through it
    char *conninfo;
    bool read_only;
    bool is_applier;               // an applier's own: so named among the server's sessions
    struct applier *applier;       // of the desks of those who work through it; NULL: nothing was appended yet
    struct connection *connection; // NULL while there is none
    struct group_writer *writer;
    int answer_ms; // longest wait for an answer
    // Our session that a commit in doubt was left with, to be ended; 0: none.
    int old_backend;
    char old_started[CONNECTION_STARTED_BYTES];
    // Months that have their partitions, and the day on which those ahead were last looked after.
    int months[SESSION_MONTHS_MAX];
    size_t month_count;
    int64_t day;
    bool months_failed; // those ahead could not be made
    bool named;         // as one of several desks, or an applier
    char place[256];
    int server_version;
    char reason[512]; // of the last result that was not STORE_OK
};

struct session *session_new(const char *conninfo, bool read_only);

// The applier of the desks of those who work through the session.
struct applier *session_applier(struct session *session);

// One user less; with the last one it ends, and its applier, which brings the tables up to the journal first.
void session_leave(struct session **session_p);

// Connects if there is no connection, or the one there is has gone while idle; ends an old session of ours.  What is
// then sent is sent for this desk.
enum store_result session_require(struct session *session, const char *desk);
void session_close(struct session *session);

// What follows is sent for this desk.
void session_for(struct session *session, const char *desk);

// What the connection's trouble means.
enum store_result session_result(struct session *session);

// The same, and leaves the session as a failure left it: rolled back, or closed where it is of no more use.
enum store_result session_give_up(struct session *session);

// Makes the partitions of the months ahead, once a day, and of these times.
enum store_result session_make_months_ahead(struct session *session);
enum store_result session_make_months(struct session *session, int64_t first_ms, int64_t last_ms);

// Takes the answer of the COMMIT behind `done` statements that went well, or did not.  STORE_UNAVAILABLE: rolled back
// for sure.  STORE_IN_DOUBT: the session is to be closed, and the next one ends it.
enum store_result session_take_commit(struct session *session, bool done);

// Commits what was sent since connection_clear, and takes the answers to all of it up to the first that did not go
// well.  What it returns is session_take_commit's.
enum store_result session_commit(struct session *session);

// The same.  The session is closed unless it went well.
enum store_result session_finish(struct session *session);

// Takes all answers up to `syncs` syncs, and rolls back.  False when the connection did not live that long.
bool session_drain(struct session *session, int syncs);

struct postgres_engine {
    struct engine engine;
    struct session *session;
    char *desk;
    struct tables *tables;         // as the session's applier knows them; NULL: not told of yet
    struct appendable *appendable; // what its journal holds that the tables have not
    bool doubt;                    // position() must be read first
    uint64_t epoch;                // as last read or taken; 0: not known
    char description[1024];
};

struct postgres_engine *postgres_engine_of(struct engine *engine);

// The engine's `tables` and `appendable` are there from now on.
void postgres_require_tables(struct postgres_engine *engine);

// Reads the position, on a connection that stands.
void position_send(struct connection *connection);
enum store_result position_take(struct postgres_engine *engine, struct store_position *position);

// Commits the groups of those given in one transaction and answers their questions; each gets its result, and its
// doubt, written and apart are kept.  The doubt of none of them stands.
void together_commit(struct session *session, struct share *const *shares, size_t count);

// The same, and settles doubts first.
void together_attempt(struct share *const *shares, size_t count);

#endif
