// inspection.h - looks for damage in the SQLite file, on a thread and a connection of its own.
//
// Soon after the start, and then again and again at a slow pace, each table is read whole with its indexes and checked
// (PRAGMA integrity_check): pages that are not what they should be, rows out of order or of the wrong type, indexes
// that miss a row.  A byte of a text that was changed into another is not seen: the file has no checksums.  A table at
// a time, so that the log is kept from shrinking no longer than that takes.

#ifndef STORE_SQLITE_INSPECTION_H
#define STORE_SQLITE_INSPECTION_H

#include <stdbool.h>
#include <stddef.h>

// Looks at everything at once.  Whether damage was found, with the first words about it.
bool inspection_look(const char *path, char *words, size_t words_bytes);

struct inspection;

struct inspection *inspection_new(const char *path);

// Ends within a moment, whatever is being read.
void inspection_destroy(struct inspection **inspection_p);

// Whether damage has been found, with the first words about it.
bool inspection_found(struct inspection *inspection, char *words, size_t words_bytes);

#endif
