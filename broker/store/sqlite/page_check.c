// page_check.c - the VFS before SQLite's own, and the checksum of a page: see page_check.h.

#include "broker/store/sqlite/page_check.h"

#include "broker/store/sqlite/log_file.h"
#include "proto/base/must.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define NAME "behalf-pages"
#define SUM_BYTES 8
#define HEADER_BYTES 100
#define RESERVED_AT 20 // the byte of the header that tells how many at the end of a page SQLite leaves alone
#define PAGE_BYTES_MIN 512
#define PAGE_BYTES_MAX 65536
#define LOCKED_AT 0x40000000 // SQLite locks bytes there; the page around them is never written

// A database file.  Its log is a file of log_file.c; journals are files of the usual VFS.
struct page_file {
    sqlite3_file base;
    int page_bytes;        // 0 while the file has no header
    bool summed;           // its pages have checksums
    bool gathered;         // its log is written in one call a commit
    uint32_t bad_page;     // read last of those that were not what had been written; 0: none
    unsigned char *page;   // room for one
    sqlite3_int64 usual[]; // the usual VFS's file; SQLite aligns to eight bytes
};

static sqlite3_vfs *usual_vfs;
static atomic_uint bad_reads;

static struct page_file *own(sqlite3_file *file)
{
    return (struct page_file *) (void *) file;
}

static sqlite3_file *page_check_usual(sqlite3_file *file)
{
    return (sqlite3_file *) (void *) own(file)->usual;
}

// ---- checksums ----

static uint64_t page_check_sum_of(const unsigned char *page, int page_bytes, uint32_t number)
{
    return XXH3_64bits_withSeed(page, (size_t) (page_bytes - SUM_BYTES), number);
}

static void page_check_put_sum(unsigned char *page, int page_bytes, uint32_t number)
{
    uint64_t sum = page_check_sum_of(page, page_bytes, number);

    for (int i = 0; i < SUM_BYTES; i++) {
        page[page_bytes - SUM_BYTES + i] = (unsigned char) (sum >> 8 * i);
    }
}

static bool page_check_has_its_sum(const unsigned char *page, int page_bytes, uint32_t number)
{
    uint64_t sum = 0;

    for (int i = 0; i < SUM_BYTES; i++) {
        sum |= (uint64_t) page[page_bytes - SUM_BYTES + i] << 8 * i;
    }
    return sum == page_check_sum_of(page, page_bytes, number);
}

// ---- the header ----

// The header says that there are no checksums; yet the first page may have one that is true but for this word.
static bool page_check_is_header_changed(sqlite3_file *file)
{
    struct page_file *own_file = own(file);

    if (page_check_usual(file)->pMethods->xRead(page_check_usual(file), own_file->page, own_file->page_bytes, 0) !=
        SQLITE_OK) {
        return false;
    }
    own_file->page[RESERVED_AT] = SUM_BYTES;
    return page_check_has_its_sum(own_file->page, own_file->page_bytes, 1);
}

// Learns from the header, as it is read or written, how large pages are and whether they have checksums.
static void page_check_learn(sqlite3_file *file, const unsigned char *header)
{
    int page_bytes = header[16] << 8 | header[17];

    page_bytes = page_bytes == 1 ? PAGE_BYTES_MAX : page_bytes;
    if (memcmp(header, "SQLite format 3", 16) != 0 || page_bytes < PAGE_BYTES_MIN ||
        (page_bytes & (page_bytes - 1)) != 0) {
        return; // SQLite will say so
    }
    own(file)->page_bytes = page_bytes;
    own(file)->summed = header[RESERVED_AT] >= SUM_BYTES || page_check_is_header_changed(file);
}

static void page_check_require_header(sqlite3_file *file)
{
    unsigned char header[HEADER_BYTES];

    if (own(file)->page_bytes == 0 &&
        page_check_usual(file)->pMethods->xRead(page_check_usual(file), header, HEADER_BYTES, 0) == SQLITE_OK) {
        page_check_learn(file, header);
    }
}

static bool page_check_is_one_page(const struct page_file *file, int bytes, sqlite3_int64 at)
{
    return file->summed && bytes == file->page_bytes && at % bytes == 0;
}

static uint32_t page_check_page_at(const struct page_file *file, sqlite3_int64 at)
{
    return (uint32_t) (at / file->page_bytes) + 1;
}

// ---- a file ----

static int page_check_close_file(sqlite3_file *file)
{
    free(own(file)->page);
    own(file)->page = NULL;
    return page_check_usual(file)->pMethods->xClose(page_check_usual(file));
}

// A part of a page is believed when the whole is good.  Of the first one the header is read while it may be half
// written, with its good copy in the log.
static int page_check_check_part(sqlite3_file *file, sqlite3_int64 at)
{
    struct page_file *own_file = own(file);
    uint32_t number = page_check_page_at(own_file, at);

    if (number == 1) {
        return SQLITE_OK;
    }
    int result = page_check_usual(file)->pMethods->xRead(page_check_usual(file), own_file->page, own_file->page_bytes,
                                                         at - at % own_file->page_bytes);
    if (result != SQLITE_OK && result != SQLITE_IOERR_SHORT_READ) {
        return result;
    }
    return page_check_has_its_sum(own_file->page, own_file->page_bytes, number) ? SQLITE_OK : SQLITE_IOERR_DATA;
}

// As page_check_read_file, and leaves no trace of what it finds.
static int page_check_read_and_check(sqlite3_file *file, void *to, int bytes, sqlite3_int64 at)
{
    struct page_file *own_file = own(file);
    int result = page_check_usual(file)->pMethods->xRead(page_check_usual(file), to, bytes, at);

    if (result == SQLITE_OK && page_check_is_one_page(own_file, bytes, at) &&
        !page_check_has_its_sum(to, bytes, page_check_page_at(own_file, at))) {
        return SQLITE_IOERR_DATA; // nor is it believed what it says as a header
    }
    if (result == SQLITE_OK && at == 0 && bytes >= HEADER_BYTES) {
        page_check_learn(file, to);
    }
    if (!own_file->summed || (result != SQLITE_OK && result != SQLITE_IOERR_SHORT_READ)) {
        return result;
    }
    if (!page_check_is_one_page(own_file, bytes, at)) {
        int whole = page_check_check_part(file, at);
        return whole == SQLITE_OK ? result : whole;
    }
    // Every page was written once, as SQLite clears those that it frees: one that the file is too short for is lost.
    return result == SQLITE_OK && page_check_has_its_sum(to, bytes, page_check_page_at(own_file, at))
               ? SQLITE_OK
               : SQLITE_IOERR_DATA;
}

static int page_check_read_file(sqlite3_file *file, void *to, int bytes, sqlite3_int64 at)
{
    int result = page_check_read_and_check(file, to, bytes, at);

    if (result == SQLITE_IOERR_DATA) {
        own(file)->bad_page = page_check_page_at(own(file), at);
        atomic_fetch_add(&bad_reads, 1);
    }
    return result;
}

static int page_check_write_file(sqlite3_file *file, const void *from, int bytes, sqlite3_int64 at)
{
    struct page_file *own_file = own(file);

    if (at == 0 && bytes >= HEADER_BYTES) {
        page_check_learn(file, from);
    }
    page_check_require_header(file);
    if (page_check_is_one_page(own_file, bytes, at)) {
        memcpy(own_file->page, from, (size_t) bytes);
        page_check_put_sum(own_file->page, bytes, page_check_page_at(own_file, at));
        from = own_file->page;
    }
    return page_check_usual(file)->pMethods->xWrite(page_check_usual(file), from, bytes, at);
}

static int page_check_truncate_file(sqlite3_file *file, sqlite3_int64 bytes)
{
    return page_check_usual(file)->pMethods->xTruncate(page_check_usual(file), bytes);
}

static int page_check_sync_file(sqlite3_file *file, int flags)
{
    return page_check_usual(file)->pMethods->xSync(page_check_usual(file), flags);
}

static int page_check_size_of_file(sqlite3_file *file, sqlite3_int64 *bytes)
{
    return page_check_usual(file)->pMethods->xFileSize(page_check_usual(file), bytes);
}

static int page_check_lock_file(sqlite3_file *file, int kind)
{
    return page_check_usual(file)->pMethods->xLock(page_check_usual(file), kind);
}

static int page_check_unlock_file(sqlite3_file *file, int kind)
{
    return page_check_usual(file)->pMethods->xUnlock(page_check_usual(file), kind);
}

static int page_check_check_lock(sqlite3_file *file, int *locked)
{
    return page_check_usual(file)->pMethods->xCheckReservedLock(page_check_usual(file), locked);
}

static int page_check_control_file(sqlite3_file *file, int operation, void *argument)
{
    return page_check_usual(file)->pMethods->xFileControl(page_check_usual(file), operation, argument);
}

static int page_check_sector_size(sqlite3_file *file)
{
    return page_check_usual(file)->pMethods->xSectorSize(page_check_usual(file));
}

static int page_check_characteristics(sqlite3_file *file)
{
    return page_check_usual(file)->pMethods->xDeviceCharacteristics(page_check_usual(file));
}

static int page_check_map_shared(sqlite3_file *file, int page, int bytes, int extend, void volatile **memory)
{
    return page_check_usual(file)->pMethods->xShmMap(page_check_usual(file), page, bytes, extend, memory);
}

static int page_check_lock_shared(sqlite3_file *file, int offset, int count, int flags)
{
    return page_check_usual(file)->pMethods->xShmLock(page_check_usual(file), offset, count, flags);
}

static void page_check_fence_shared(sqlite3_file *file)
{
    page_check_usual(file)->pMethods->xShmBarrier(page_check_usual(file));
}

static int page_check_unmap_shared(sqlite3_file *file, int remove)
{
    return page_check_usual(file)->pMethods->xShmUnmap(page_check_usual(file), remove);
}

// Version 2: it has what the log needs, and nothing by which SQLite could map the file and read past us.
static const sqlite3_io_methods page_check_methods = {
    .iVersion = 2,
    .xClose = page_check_close_file,
    .xRead = page_check_read_file,
    .xWrite = page_check_write_file,
    .xTruncate = page_check_truncate_file,
    .xSync = page_check_sync_file,
    .xFileSize = page_check_size_of_file,
    .xLock = page_check_lock_file,
    .xUnlock = page_check_unlock_file,
    .xCheckReservedLock = page_check_check_lock,
    .xFileControl = page_check_control_file,
    .xSectorSize = page_check_sector_size,
    .xDeviceCharacteristics = page_check_characteristics,
    .xShmMap = page_check_map_shared,
    .xShmLock = page_check_lock_shared,
    .xShmBarrier = page_check_fence_shared,
    .xShmUnmap = page_check_unmap_shared,
};

// ---- the VFS ----

static int page_check_open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *flags_out)
{
    (void) vfs;
    if ((flags & SQLITE_OPEN_WAL) != 0) {
        sqlite3_file *database = sqlite3_database_file_object(name);
        return log_file_open(usual_vfs, name, file, flags, flags_out, &own(database)->gathered);
    }
    if ((flags & SQLITE_OPEN_MAIN_DB) == 0) {
        return usual_vfs->xOpen(usual_vfs, name, file, flags, flags_out);
    }
    memset(file, 0, sizeof(struct page_file));
    int result = usual_vfs->xOpen(usual_vfs, name, page_check_usual(file), flags, flags_out);
    if (result == SQLITE_OK) {
        own(file)->page = malloc(PAGE_BYTES_MAX);
        must(own(file)->page != NULL);
        file->pMethods = &page_check_methods;
        page_check_require_header(file);
    }
    return result;
}

static void install(void)
{
    static sqlite3_vfs vfs;
    int before = (int) sizeof(struct page_file) > log_file_bytes() ? (int) sizeof(struct page_file) : log_file_bytes();

    usual_vfs = sqlite3_vfs_find(NULL);
    must(usual_vfs != NULL);
    // All but opening is the usual VFS's own, which looks for what it needs in this table's pAppData.
    vfs = *usual_vfs;
    vfs.pNext = NULL;
    vfs.zName = NAME;
    vfs.szOsFile = before + usual_vfs->szOsFile;
    vfs.xOpen = page_check_open_file;
    must(sqlite3_vfs_register(&vfs, 0) == SQLITE_OK);
}

const char *page_check_vfs(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    must(pthread_once(&once, install) == 0);
    return NAME;
}

// ---- of a connection ----

// Its file; NULL when that is not one of ours.
static struct page_file *page_check_file_of(sqlite3 *connection)
{
    sqlite3_file *file = NULL;

    if (connection == NULL || sqlite3_file_control(connection, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK ||
        file == NULL) {
        return NULL;
    }
    return file->pMethods == &page_check_methods ? own(file) : NULL;
}

void page_check_reserve(sqlite3 *connection)
{
    int bytes = SUM_BYTES;

    (void) sqlite3_file_control(connection, "main", SQLITE_FCNTL_RESERVE_BYTES, &bytes);
}

void page_check_gather_log(sqlite3 *connection)
{
    struct page_file *file = page_check_file_of(connection);

    if (file != NULL) {
        file->gathered = true;
    }
}

bool page_check_is_on(sqlite3 *connection)
{
    struct page_file *file = page_check_file_of(connection);

    return file != NULL && file->summed;
}

void page_check_describe(sqlite3 *connection, char *words, size_t words_bytes)
{
    struct page_file *file = page_check_file_of(connection);

    words[0] = '\0';
    if (file != NULL && file->bad_page != 0) {
        snprintf(words, words_bytes, "page %u is not what was written there", (unsigned) file->bad_page);
    }
}

unsigned page_check_count(void)
{
    return atomic_load(&bad_reads);
}

// ---- the pages themselves ----

struct page_scan {
    char *name; // as SQLite wants it
    unsigned char *page;
    sqlite3_int64 file[]; // a struct page_file
};

static sqlite3_file *page_check_scanned(struct page_scan *scan)
{
    return (sqlite3_file *) (void *) scan->file;
}

struct page_scan *page_scan_new(const char *path, bool writable)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(page_check_vfs());
    struct page_scan *scan = calloc(1, sizeof *scan + (size_t) vfs->szOsFile);
    int flags = SQLITE_OPEN_MAIN_DB | (writable ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY);

    must(scan != NULL);
    scan->page = malloc(PAGE_BYTES_MAX);
    scan->name = (char *) sqlite3_create_filename(path, "", "", 0, NULL);
    must(scan->page != NULL);
    must(scan->name != NULL);
    if (vfs->xOpen(vfs, scan->name, page_check_scanned(scan), flags, NULL) != SQLITE_OK ||
        !own(page_check_scanned(scan))->summed) {
        page_scan_destroy(&scan);
    }
    return scan;
}

void page_scan_destroy(struct page_scan **scan_p)
{
    struct page_scan *scan = *scan_p;

    if (scan == NULL) {
        return;
    }
    if (page_check_scanned(scan)->pMethods != NULL) {
        (void) page_check_scanned(scan)->pMethods->xClose(page_check_scanned(scan));
    }
    sqlite3_free_filename(scan->name);
    free(scan->page);
    free(scan);
    *scan_p = NULL;
}

uint32_t page_scan_count(struct page_scan *scan)
{
    int page_bytes = own(page_check_scanned(scan))->page_bytes;
    sqlite3_int64 bytes = 0;

    (void) page_check_size_of_file(page_check_scanned(scan), &bytes);
    return (uint32_t) ((bytes + page_bytes - 1) / page_bytes);
}

static sqlite3_int64 page_check_place_of(struct page_scan *scan, uint32_t page)
{
    return (sqlite3_int64) (page - 1) * own(page_check_scanned(scan))->page_bytes;
}

static bool page_check_is_never_written(struct page_scan *scan, uint32_t page)
{
    return page == LOCKED_AT / (uint32_t) own(page_check_scanned(scan))->page_bytes + 1;
}

bool page_scan_is_good(struct page_scan *scan, uint32_t page)
{
    int page_bytes = own(page_check_scanned(scan))->page_bytes;

    return page_check_is_never_written(scan, page) ||
           page_check_read_and_check(page_check_scanned(scan), scan->page, page_bytes,
                                     page_check_place_of(scan, page)) != SQLITE_IOERR_DATA;
}

bool page_scan_accept(struct page_scan *scan, uint32_t page)
{
    struct page_file *file = own(page_check_scanned(scan));
    sqlite3_int64 at = page_check_place_of(scan, page);
    int result = page_check_usual(page_check_scanned(scan))
                     ->pMethods->xRead(page_check_usual(page_check_scanned(scan)), scan->page, file->page_bytes, at);

    if (result != SQLITE_OK && result != SQLITE_IOERR_SHORT_READ) {
        return false;
    }
    page_check_put_sum(scan->page, file->page_bytes, page);
    return page_check_usual(page_check_scanned(scan))
               ->pMethods->xWrite(page_check_usual(page_check_scanned(scan)), scan->page, file->page_bytes, at) ==
           SQLITE_OK;
}

bool page_scan_sync(struct page_scan *scan)
{
    return page_check_sync_file(page_check_scanned(scan), SQLITE_SYNC_FULL) == SQLITE_OK;
}
