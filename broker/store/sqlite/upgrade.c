// upgrade.c - see upgrade.h, and engine_sqlite_tell: a copy with checksums beside the file, then put in its place.
//
// The copy is made by VACUUM INTO: one pass over the tables, in the order of the new file, that needs as much room as
// the file has, and no more.  The old file is locked against everybody from before the copy until it has lost its name.

#include "broker/store/sqlite/upgrade.h"

#include "broker/store/engine.h"
#include "broker/store/sqlite/page_check.h"
#include "proto/base/clocks.h"
#include "proto/base/must.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define STEPS 1000000 // of SQLite's machine, after which we see whether there is something to say
#define SAY_MS 5000
#define ROOM_BYTES (1024 * 1024) // more than the file itself needs

static void (*_Atomic tell)(const char *line);

struct rewriting {
    const char *path;
    char *copy;
    off_t bytes; // of the file as it is
    int64_t said_ms;
};

void engine_sqlite_tell(void (*line)(const char *line))
{
    atomic_store(&tell, line);
}

void upgrade_say(const char *format, ...)
{
    void (*line)(const char *) = atomic_load(&tell);
    char words[512];
    va_list arguments;

    va_start(arguments, format);
    (void) vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    if (line != NULL) {
        line(words);
    }
}

static long long upgrade_megabytes(off_t bytes)
{
    return ((long long) bytes + 1024 * 1024 - 1) / (1024 * 1024);
}

static off_t upgrade_size_of(const char *path)
{
    struct stat about;

    return stat(path, &about) == 0 ? about.st_size : 0;
}

static int upgrade_say_progress(void *self)
{
    struct rewriting *rewriting = self;

    if (clocks_monotonic_ms() >= rewriting->said_ms + SAY_MS) {
        rewriting->said_ms = clocks_monotonic_ms();
        upgrade_say("%s is given checksums: %lld of about %lld MB", rewriting->path,
                    upgrade_megabytes(upgrade_size_of(rewriting->copy)), upgrade_megabytes(rewriting->bytes));
    }
    return 0;
}

// What an attempt before us left.
static void upgrade_remove_copy(const struct rewriting *rewriting)
{
    char *journal = NULL;

    must(asprintf(&journal, "%s-journal", rewriting->copy) >= 0);
    (void) unlink(rewriting->copy);
    (void) unlink(journal);
    free(journal);
}

static bool upgrade_has_room(const struct rewriting *rewriting)
{
    char *path = strdup(rewriting->path);
    struct statvfs disk;

    must(path != NULL);
    const char *folder = dirname(path);
    off_t wanted = rewriting->bytes + rewriting->bytes / 64 + ROOM_BYTES;
    bool room = statvfs(folder, &disk) == 0 && (off_t) (disk.f_bavail * disk.f_frsize) >= wanted;
    if (!room) {
        upgrade_say("%s stays without checksums: that needs %lld MB free in %s; the next start tries again",
                    rewriting->path, upgrade_megabytes(wanted), folder);
    }
    free(path);
    return room;
}

static bool upgrade_run(sqlite3 *connection, const char *sql)
{
    return sqlite3_exec(connection, sql, NULL, NULL, NULL) == SQLITE_OK;
}

// Without a log, and for nobody else until this connection is closed.
static bool upgrade_keep_for_us(sqlite3 *connection)
{
    return upgrade_run(connection, "PRAGMA journal_mode = DELETE") &&
           upgrade_run(connection, "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT");
}

static bool upgrade_copy_into(sqlite3 *connection, struct rewriting *rewriting)
{
    char *sql = sqlite3_mprintf("VACUUM INTO %Q", rewriting->copy);

    must(sql != NULL);
    page_check_reserve(connection);
    sqlite3_progress_handler(connection, STEPS, upgrade_say_progress, rewriting);
    bool copied = upgrade_run(connection, sql);
    sqlite3_progress_handler(connection, 0, NULL, NULL);
    sqlite3_free(sql);
    return copied;
}

// SQLite writes the first page, which tells that there are checksums, when it commits: pages that it had no room to
// keep until then were written without.
static bool upgrade_complete_checksums(const struct rewriting *rewriting)
{
    struct page_scan *scan = page_scan_new(rewriting->copy, true);
    bool complete = scan != NULL;

    for (uint32_t page = 1; complete && page <= page_scan_count(scan); page++) {
        complete = page_scan_is_good(scan, page) || page_scan_accept(scan, page);
    }
    page_scan_destroy(&scan);
    return complete;
}

// Durable, for those who may read the old one, and only then under its name.
static bool upgrade_put_in_place(const struct rewriting *rewriting)
{
    struct stat about;
    int file = open(rewriting->copy, O_RDONLY | O_CLOEXEC);

    bool placed = file >= 0 && stat(rewriting->path, &about) == 0 && fchmod(file, about.st_mode & 07777) == 0 &&
                  (fchown(file, about.st_uid, about.st_gid) == 0 || errno == EPERM) && fsync(file) == 0 &&
                  rename(rewriting->copy, rewriting->path) == 0;
    if (file >= 0) {
        (void) close(file);
    }
    return placed;
}

static bool upgrade_sync_folder_of(const char *path)
{
    char *copy = strdup(path);

    must(copy != NULL);
    int folder = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = folder >= 0 && fsync(folder) == 0;
    if (folder >= 0) {
        (void) close(folder);
    }
    free(copy);
    return synced;
}

static bool upgrade_rewrite(sqlite3 *connection, struct rewriting *rewriting)
{
    upgrade_say("%s, %lld MB, is of a former version: it is written anew, so that its pages have checksums",
                rewriting->path, upgrade_megabytes(rewriting->bytes));
    if (!upgrade_keep_for_us(connection) || !upgrade_copy_into(connection, rewriting)) {
        upgrade_say("%s stays without checksums: %s; the next start tries again", rewriting->path,
                    sqlite3_errmsg(connection));
        return false;
    }
    if (!upgrade_complete_checksums(rewriting) || !upgrade_put_in_place(rewriting)) {
        upgrade_say("%s stays without checksums: %s; the next start tries again", rewriting->path, strerror(errno));
        return false;
    }
    return true;
}

enum upgrade upgrade_pages(sqlite3 *connection, const char *path)
{
    struct rewriting rewriting = { .path = path, .said_ms = clocks_monotonic_ms() };
    enum upgrade result = UPGRADE_NONE;

    must(asprintf(&rewriting.copy, "%s.new", path) >= 0);
    upgrade_remove_copy(&rewriting);
    // What is in the log is in the file first, so that its size tells how much room is needed.
    (void) sqlite3_wal_checkpoint_v2(connection, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    rewriting.bytes = upgrade_size_of(path);
    if (upgrade_has_room(&rewriting) && upgrade_rewrite(connection, &rewriting)) {
        result = upgrade_sync_folder_of(path) ? UPGRADE_DONE : UPGRADE_DOUBT;
        upgrade_say("%s has checksums now", path);
    } else {
        upgrade_remove_copy(&rewriting);
    }
    free(rewriting.copy);
    return result;
}
