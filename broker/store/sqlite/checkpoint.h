// checkpoint.h - moves the write-ahead log into the database file, on a thread and a connection of its own.

#ifndef STORE_SQLITE_CHECKPOINT_H
#define STORE_SQLITE_CHECKPOINT_H

struct checkpointer;

struct checkpointer *checkpointer_new(const char *path);

// Waits for the checkpoint that is being made.
void checkpointer_destroy(struct checkpointer **checkpointer_p);

// Asks for a checkpoint; returns at once.  What cannot be moved now (a reader is in the way, the disk is full)
// is left for the next one.
void checkpointer_wake(struct checkpointer *checkpointer);

#endif
