// inspection.h - looks for damage in the SQLite file, on a thread and connections of its own.
//
// Soon after the start, and then every six hours, each page of the file is read past all caches of SQLite and compared
// with its checksum, at most 16 MB a second, at low priority; then each table is read whole with its indexes and
// checked (PRAGMA integrity_check): rows out of order or of the wrong type, indexes that miss a row.  A table at a
// time, so that the log is kept from shrinking no longer than that takes.  Where the pages of a file have no checksums
// yet, a byte of a text that was changed into another is not seen.

#ifndef STORE_SQLITE_INSPECTION_H
#define STORE_SQLITE_INSPECTION_H

#include <stdbool.h>
#include <stddef.h>

// Looks at everything at once.  Whether damage was found, with the first words about it.
bool inspection_look(const char *path, char *words, size_t words_bytes);

struct inspection;

// `pages_only`: tables are not looked at.
struct inspection *inspection_new(const char *path, bool pages_only);

// Ends within a moment, whatever is being read.
void inspection_destroy(struct inspection **inspection_p);

// Looks again at once, or once more when it is just looking.
void inspection_hurry(struct inspection *inspection);

// Whether damage has been found, with the first words about it.
bool inspection_found(struct inspection *inspection, char *words, size_t words_bytes);

#endif
