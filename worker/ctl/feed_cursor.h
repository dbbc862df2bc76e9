// feed_cursor.h - how far a feed has come, kept in a small file.
//
// The file is JSON: the input's name and the number of its rows that need not be sent again.  It is written
// beside itself and renamed, so that it is whole whatever happens.

#ifndef CTL_FEED_CURSOR_H
#define CTL_FEED_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Reads the cursor at `path` into `rows`; a file that does not exist is 0 rows.  False with `fault` filled
// in if it cannot be read, is no cursor, or belongs to another input than `source`.
bool feed_cursor_load(const char *path, const char *source, uint64_t *rows, char *fault, size_t fault_bytes);

// Writes the cursor; on failure the old one stands and `fault` says why.
bool feed_cursor_save(const char *path, const char *source, uint64_t rows, char *fault, size_t fault_bytes);

#endif
