// page_check.h - a checksum in each page of the SQLite file: what a disk changed is noticed when it is read.
//
// SQLite asks the disk through a table of functions, a VFS.  Ours stands before the usual one.  A page that is written
// to the database file gets its checksum on the way, one that is read is compared with it, and all else passes through.
// Pages in the write-ahead log are left alone: SQLite has checksums of its own there, and a page gets ours when a
// checkpoint moves it into the file.  How the log is written log_file.h says.
//
// The checksum is part of what is stored: the last 8 bytes of a page are XXH3_64bits_withSeed of those before them,
// with the page's number (from 1) as the seed, the lowest byte first.  So a page in another's place is noticed, too.
// SQLite keeps these bytes free, as the byte 20 of the file's header tells it; a file of a former version has none to
// spare, and is read and written without checksums until it is written anew (upgrade.h).
//
// Every connection of ours goes this way.  Another program may read the file.  What it writes has no true checksums.

#ifndef STORE_SQLITE_PAGE_CHECK_H
#define STORE_SQLITE_PAGE_CHECK_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The name to give to sqlite3_open_v2.
const char *page_check_vfs(void);

// Has SQLite keep room for checksums in a file that this connection makes, or writes anew by VACUUM.
void page_check_reserve(sqlite3 *connection);

// Has the log written in one call a commit.  Only for a connection that syncs each commit.
void page_check_gather_log(sqlite3 *connection);

// Whether the pages of its file have checksums.  To be asked of a connection that has read or written something.
bool page_check_is_on(sqlite3 *connection);

// Which page a connection read last that was not what had been written; "" when none was.  Such a read fails with
// SQLITE_IOERR_DATA.
void page_check_describe(sqlite3 *connection, char *words, size_t words_bytes);

// How many such reads there were in this process.
unsigned page_check_count(void);

// ---- the pages themselves, past SQLite: also those that no table has ----

struct page_scan;

// Opens the file; NULL when that fails or its pages have no checksums.
struct page_scan *page_scan_new(const char *path, bool writable);
void page_scan_destroy(struct page_scan **scan_p);

// How many pages the file has now.
uint32_t page_scan_count(struct page_scan *scan);

// Whether a page, from 1, is what was written.  One may not be because it is just being written, or because that was
// cut short and its good copy is in the log.  What cannot be read at all is taken as good here: the disk says so
// itself.
bool page_scan_is_good(struct page_scan *scan, uint32_t page);

// Writes the checksum of a page as it is now; false when the disk fails.
bool page_scan_accept(struct page_scan *scan, uint32_t page);

// Makes what was accepted durable; false when the disk fails.
bool page_scan_sync(struct page_scan *scan);

#endif
