// lock.h - one broker a folder: a lock that ends with its process, also by kill -9.

#ifndef STORE_SQLITE_LOCK_H
#define STORE_SQLITE_LOCK_H

#include <stddef.h>

// Makes the folder if it is missing and locks it.  Returns a file descriptor to close, or -1 with the reason
// in words.
int lock_folder(const char *folder, char *reason, size_t reason_bytes);

#endif
