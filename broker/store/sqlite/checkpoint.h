// checkpoint.h - moves the write-ahead log into the database file, on a thread and a connection of its own.

#ifndef STORE_SQLITE_CHECKPOINT_H
#define STORE_SQLITE_CHECKPOINT_H

#include <sqlite3.h>

// Makes one through a connection that may never have read anything: SQLite does not look at the log of such a
// connection, and says that all went well.  `pages` gets how many there are in the log, `moved` how many of them are in
// the file now.
int checkpoint_make(sqlite3 *connection, int mode, int *pages, int *moved);

struct checkpointer;

struct checkpointer *checkpointer_new(const char *path);

// Waits for the checkpoint that is being made.
void checkpointer_destroy(struct checkpointer **checkpointer_p);

// Asks for a checkpoint; returns at once.  What cannot be moved now (a reader is in the way, the disk is full)
// is left for the next one.
void checkpointer_wake(struct checkpointer *checkpointer);

// How many pages of the log are in the file, as the last checkpoint left it; -1 while one is being made.  A log that
// began anew since has fewer pages than that.
int checkpointer_moved(struct checkpointer *checkpointer);

// Asks for a checkpoint, waits for its end, and returns the same.
int checkpointer_finish(struct checkpointer *checkpointer);

// Waits for the checkpoint that is being made, and keeps the next one from being begun before it is asked for anew:
// SQLite refuses a second one beside it at once, whatever the busy timeout.
void checkpointer_rest(struct checkpointer *checkpointer);

#endif
