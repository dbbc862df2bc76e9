// log_file.h - the write-ahead log as SQLite writes it, with what follows each other gathered into one call.
//
// A commit writes each page that it changed as two pieces, one behind the other: a call into the system for each would
// take longer than writing them.  They are kept here until something is not their continuation: a sync, a read, the end
// of the file asked for.  So whoever relies on that gets it: SQLite tells other connections of a commit only once it
// has synced the log.  That holds while a connection has `PRAGMA synchronous = FULL`; others are not gathered for.

#ifndef STORE_SQLITE_LOG_FILE_H
#define STORE_SQLITE_LOG_FILE_H

#include <sqlite3.h>
#include <stdbool.h>

// How much room a log needs before the usual VFS's own file.
int log_file_bytes(void);

// Opens a log through the usual VFS.  `*gathered` may be set at any time before something is written.
int log_file_open(sqlite3_vfs *usual, const char *name, sqlite3_file *file, int flags, int *flags_out,
                  const bool *gathered);

#endif
