// failing_disk.h - a VFS of SQLite over the usual one whose fsync of the write-ahead log fails when told to.

#ifndef TESTS_FAILING_DISK_H
#define TESTS_FAILING_DISK_H

#include <stdbool.h>

enum failing_disk {
    DISK_WELL,
    DISK_KEEPS,  // fsync fails, what was written can still be read
    DISK_LOSES,  // fsync fails and what was not synced before is gone
    DISK_FORGETS // fsync fails; what was written can still be read, is no longer dirty, and is gone when power goes
};

// Makes the VFS the default of the process.  To be called once.
void failing_disk_install(void);

// May be called from any thread.
void failing_disk_set(enum failing_disk disk);

// Writes to a file what there would be of the log opened last, had power gone: what of it was written and then synced
// by an fsync that did not fail.
void failing_disk_write_platters(const char *path);

// How many calls of fsync failed.
int failing_disk_count(void);

#endif
