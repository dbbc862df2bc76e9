// upgrade.h - gives the pages of a file of a former version their checksums, once, by writing the file anew.

#ifndef STORE_SQLITE_UPGRADE_H
#define STORE_SQLITE_UPGRADE_H

#include <sqlite3.h>

enum upgrade {
    UPGRADE_NONE, // the file is as it was: for want of room, as somebody reads it, or as it is damaged
    UPGRADE_DONE, // another file has its name: the connection is to be closed and that one opened
    UPGRADE_DOUBT // it has, and the disk fails: nothing may be committed that power could take away with it
};

// Writes the database of this connection into a file beside it and puts that in its place, in one step: whenever the
// process or the machine stops, the folder has one of the two, whole.  Nobody else may have the folder.  What it does,
// and why it does not, is said by engine_sqlite_tell; where it does not, the desk goes on without checksums, and the
// next start tries again.
enum upgrade upgrade_pages(sqlite3 *connection, const char *path);

// Says a line to who wants to hear that bringing a store up to date takes long, or why it is not done.
void upgrade_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
