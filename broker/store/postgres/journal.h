// journal.h - the rows of a desk's journal: appended by a commit, applied to the tables, or set aside.
//
// A group of batches is one group of rows, cut between changes so that each stays whole in the table.  Whoever has a
// session may apply: the transaction that does moves the tables from where they are found and deletes exactly the rows
// that it applies, so that of several each row is applied by one.

#ifndef STORE_POSTGRES_JOURNAL_H
#define STORE_POSTGRES_JOURNAL_H

#include "broker/store/postgres/session.h"

// Sends the statement that appends a group, to run within the transaction that advances its desk; takes no answer.
// Returns how many bytes its changes are.
size_t journal_send(struct session *session, struct batch *group);

// What an attempt to apply has found and done.
struct journal_step {
    uint64_t applied;  // where the tables are now; 0: not known
    uint64_t sequence; // where the desk was when it was looked at
    size_t groups;     // applied now
    size_t changes;    // applied now
    bool is_overtaken; // another applier was first: to be looked at again
    bool is_refused;   // the tables refuse the first group, which alone was tried
    uint64_t from, to; // that group
    uint64_t epoch;    // of that group
};

#define JOURNAL_GROUPS_MAX SIZE_MAX

// Applies the next groups of a desk in one transaction, at most `groups_max`.  STORE_OK: applied, or there are none.
// STORE_CONTRADICTED: the journal has a gap, is another's or of a codec that is not known, or the tables refuse a
// group; the reason is the session's.  Anything else: nothing was changed, or it is not known; to be called again.
enum store_result journal_apply(struct session *session, const char *desk, size_t groups_max,
                                struct journal_step *step);

// Applies all there is; what was applied last in `step`.  STORE_OK: the tables are where the desk is.
enum store_result journal_drain(struct session *session, const char *desk, struct journal_step *step);

#endif
