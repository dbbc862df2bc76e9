// failing_disk.h - a VFS of SQLite over the usual one whose fsync of the write-ahead log fails when told to, and which
// tells of all that happens to files.

#ifndef TESTS_FAILING_DISK_H
#define TESTS_FAILING_DISK_H

#include <stdbool.h>
#include <stdint.h>

enum failing_disk {
    DISK_WELL,
    DISK_KEEPS,  // fsync fails, what was written can still be read
    DISK_LOSES,  // fsync fails and what was not synced before is gone
    DISK_FORGETS // fsync fails; what was written can still be read, is no longer dirty, and is gone when power goes
};

// Makes the VFS the default of the process.  To be called once.
void failing_disk_install(void);

// What is being done to a file.  The path and the bytes are borrowed for the call.
enum disk_act { DISK_WRITE, DISK_TRUNCATE, DISK_SYNC, DISK_DELETE };
struct disk_event {
    enum disk_act act;
    const char *path;
    const void *bytes; // WRITE
    int count;
    int64_t at;    // WRITE: from there; TRUNCATE: to there
    bool of_entry; // SYNC and DELETE: what the folder says of its files is synced, too
};

// From now on tells of each event, from one thread at a time: of writing before it is done, of a sync once all that it
// covers was told.  The disk itself is no longer synced.  False fails: a sync then, which has SQLite told so.
void failing_disk_listen(bool (*hear)(void *self, const struct disk_event *event), void *self);

// May be called from any thread.
void failing_disk_set(enum failing_disk disk);

// Writes to a file what there would be of the log opened last, had power gone: what of it was written and then synced
// by an fsync that did not fail.
void failing_disk_write_platters(const char *path);

// How many calls of fsync failed.
int failing_disk_count(void);

#endif
