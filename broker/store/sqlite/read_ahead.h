// read_ahead.h - rows of which a desk may have millions, read by a thread of their own while the desk is made of those
// that came before.
//
// The thread has a connection of its own and is some blocks of rows ahead at most.  What it reads is given to the
// reader in the thread of who asks for it, in the same order, as if there were no other.

#ifndef STORE_SQLITE_READ_AHEAD_H
#define STORE_SQLITE_READ_AHEAD_H

#include "broker/store/sqlite/database.h"

struct read_ahead;

// Which rows: a function of records.h.  It is given a reader of our own, with what else `reader` says.
typedef bool read_rows(struct database *database, const struct store_reader *reader);

// Begins to read.  The database's file is opened once more; nothing may be written to it meanwhile.
struct read_ahead *read_ahead_new(const struct database *database, const struct store_reader *reader, read_rows *read);

// Gives what was read to the reader, until all of it was or the reader says that it has enough; waits for what is not
// there yet.  An error of the thread's becomes the database's.  Returns whether to go on reading.
bool read_ahead_give(struct read_ahead *ahead, struct database *database, const struct store_reader *reader);

// Ends the thread, wherever it is.
void read_ahead_destroy(struct read_ahead **ahead_p);

#endif
