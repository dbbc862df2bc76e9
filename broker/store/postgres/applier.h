// applier.h - the thread that brings the tables of desks up to their journals, on a session of its own.
//
// One applier serves all desks that share a connection, a desk a transaction.  It is told what has been appended, once
// that is confirmed, and gathers for a moment, unless somebody waits.  What it applies it reads from the journal.

#ifndef STORE_POSTGRES_APPLIER_H
#define STORE_POSTGRES_APPLIER_H

#include "broker/store/engine.h"

struct applier;
struct tables; // those of one desk, as an applier knows them

// Connects, and starts its thread, when there is something to be applied.
struct applier *applier_new(const char *conninfo);

// Applies what it was told of first, as far as the database lets it within a few seconds.
void applier_destroy(struct applier **applier_p);

// A desk that it is to serve, and its tables until applier_remove, which lets it apply what it was told of beside.
struct tables *applier_add(struct applier *applier, const char *desk);
void applier_remove(struct tables **tables_p);

// Everything up to this sequence is in the tables: the desk was taken over.
void tables_are_at(struct tables *tables, uint64_t sequence);

// A group that goes on to this sequence is in the journal, and will stay.
void tables_appended(struct tables *tables, uint64_t sequence, size_t bytes, size_t changes);

// Where the tables are, as far as is known.  A server that was killed, or one that has taken its place, may not have
// what was applied last: then that is to be forgotten, and is read anew.
uint64_t tables_applied(struct tables *tables);
void tables_forget(struct tables *tables);

// Both positions; and that what has been appended is to be applied at once.
struct engine_positions tables_positions(struct tables *tables);
void tables_hurry(struct tables *tables);

// Waits until they show this sequence and all that was appended.  STORE_CONTRADICTED: they will not; STORE_UNAVAILABLE:
// not within that time, with the reason.
enum store_result tables_await(struct tables *tables, uint64_t sequence, int64_t ms, char *reason, size_t reason_bytes);

// How far they are behind: not worth a word, so that intake is to wait, or so that nothing may be appended.
enum tables_lag { TABLES_KEEP_UP, TABLES_BEHIND, TABLES_FAR_BEHIND };
enum tables_lag tables_lag(struct tables *tables);

// In words, what they are behind and what stands in the way; "" when they are not.  True if they were refused
// something: the desk must stop.
bool tables_describe(struct tables *tables, char *text, size_t bytes);

// The server's process in which a transaction of the applier's takes long, about once a second; 0: none.  What blocks
// it is then to be told, "" for nothing.
int applier_blocked(struct applier *applier);
void applier_blocked_by(struct applier *applier, const char *words);

// Somebody of this process waits for the tables of the desk on a session of another kind.
void applier_hurry(const char *desk);

#endif
