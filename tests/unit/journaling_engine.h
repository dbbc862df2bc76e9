// journaling_engine.h - an engine of two steps, for tests: a journal in front of tables, both in memory.
//
// A commit appends its group to the journal, as bytes of the product's codec, and is durable with that.  The tables are
// brought up to the journal later: when the test says so, as an applier would on its own; when a question, a report or
// a reading waits for what was durable when it was asked; and before whoever takes the desk over reads it.  What is
// applied is what was decoded, some groups at a time, in one transaction of the engine that has the tables.
//
// Beside the tables the same changes are written at once, and not by way of bytes, by an engine on another database.
// It fences, and knows what is durable: what has to be true of a desk is looked for there, and in the end the tables
// must be the same.

#ifndef TESTS_JOURNALING_ENGINE_H
#define TESTS_JOURNALING_ENGINE_H

#include "broker/store/engine.h"

#include <sqlite3.h>

#define JOURNAL_BEHIND 4      // groups that are not applied, from which on intake pauses
#define JOURNAL_FAR_BEHIND 10 // and from which on nothing more is appended

// What lies on the disk besides both databases.  It outlives the engines, as the disk does.
struct journal;

// `tables` is the connection of the database that has the tables, borrowed: applies are broken off there.
struct journal *journal_new(sqlite3 *tables);
void journal_destroy(struct journal **journal_p);

// Groups that are durable and not applied.
size_t journal_lag(const struct journal *journal);

// Somebody locks the tables, or does no more: nothing can be applied meanwhile.
void journal_lock_tables(struct journal *journal, bool locked);
bool journal_tables_are_locked(const struct journal *journal);

// The process dies in the midst of the next apply, after `steps` of SQLite's, at the latest as it commits.
void journal_plan_crash(struct journal *journal, int steps);

// It has: the harness then destroys the broker.  Forgotten as the next engine is opened; and whether it was this one's.
bool journal_crashed(const struct journal *journal);
bool journaling_engine_died(const struct engine *engine);

// Times it was applied: groups, and transactions.
void journal_count(const struct journal *journal, size_t *groups, size_t *applies);

// Takes both engines; the journal is borrowed.
struct engine *journaling_engine_new(struct journal *journal, struct engine **durable_p, struct engine **tables_p);

// Applies up to `groups_max` groups.  UNAVAILABLE when the tables are locked, when another engine has taken the desk
// over since, and when the process has died of it.
enum store_result journaling_engine_apply(struct engine *engine, size_t groups_max);

#endif
