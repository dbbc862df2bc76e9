// log_file.c - the table of functions of a log: see log_file.h.

#include "broker/store/sqlite/log_file.h"

#include "proto/base/must.h"

#include <stdlib.h>
#include <string.h>

#define GATHERED_BYTES_MAX (96 * 1024) // the usual VFS takes less than 128 kB at a time

struct log_file {
    sqlite3_file base;
    const bool *gathered;  // whether its connection syncs before it tells of a commit
    unsigned char *pieces; // what is gathered; NULL before the first
    int count;             // bytes of them
    sqlite3_int64 at;      // where the first belongs
    sqlite3_int64 usual[]; // the usual VFS's file; SQLite aligns to eight bytes
};

static struct log_file *own(sqlite3_file *file)
{
    return (struct log_file *) (void *) file;
}

static sqlite3_file *log_file_usual(sqlite3_file *file)
{
    return (sqlite3_file *) (void *) own(file)->usual;
}

// Writes what is gathered.  What cannot be written is given up, as it is of a commit that has failed by that.
static int log_file_flush(sqlite3_file *file)
{
    struct log_file *log = own(file);
    int count = log->count;

    log->count = 0;
    return count == 0 ? SQLITE_OK
                      : log_file_usual(file)->pMethods->xWrite(log_file_usual(file), log->pieces, count, log->at);
}

static int log_file_close(sqlite3_file *file)
{
    int flushed = log_file_flush(file);

    free(own(file)->pieces);
    own(file)->pieces = NULL;
    int closed = log_file_usual(file)->pMethods->xClose(log_file_usual(file));
    return flushed == SQLITE_OK ? closed : flushed;
}

static int log_file_read(sqlite3_file *file, void *to, int bytes, sqlite3_int64 at)
{
    int flushed = log_file_flush(file);

    return flushed == SQLITE_OK ? log_file_usual(file)->pMethods->xRead(log_file_usual(file), to, bytes, at) : flushed;
}

static int log_file_write(sqlite3_file *file, const void *from, int bytes, sqlite3_int64 at)
{
    struct log_file *log = own(file);

    if (log->count > 0 && (at != log->at + log->count || log->count + bytes > GATHERED_BYTES_MAX)) {
        int flushed = log_file_flush(file);
        if (flushed != SQLITE_OK) {
            return flushed;
        }
    }
    if (!*log->gathered || bytes > GATHERED_BYTES_MAX) {
        return log_file_usual(file)->pMethods->xWrite(log_file_usual(file), from, bytes, at);
    }
    if (log->pieces == NULL) {
        log->pieces = malloc(GATHERED_BYTES_MAX);
        must(log->pieces != NULL);
    }
    if (log->count == 0) {
        log->at = at;
    }
    memcpy(log->pieces + log->count, from, (size_t) bytes);
    log->count += bytes;
    return SQLITE_OK;
}

static int log_file_truncate(sqlite3_file *file, sqlite3_int64 bytes)
{
    int flushed = log_file_flush(file);

    return flushed == SQLITE_OK ? log_file_usual(file)->pMethods->xTruncate(log_file_usual(file), bytes) : flushed;
}

static int log_file_sync(sqlite3_file *file, int flags)
{
    int flushed = log_file_flush(file);

    return flushed == SQLITE_OK ? log_file_usual(file)->pMethods->xSync(log_file_usual(file), flags) : flushed;
}

static int log_file_size(sqlite3_file *file, sqlite3_int64 *bytes)
{
    int flushed = log_file_flush(file);

    return flushed == SQLITE_OK ? log_file_usual(file)->pMethods->xFileSize(log_file_usual(file), bytes) : flushed;
}

static int log_file_lock(sqlite3_file *file, int kind)
{
    return log_file_usual(file)->pMethods->xLock(log_file_usual(file), kind);
}

static int log_file_unlock(sqlite3_file *file, int kind)
{
    return log_file_usual(file)->pMethods->xUnlock(log_file_usual(file), kind);
}

static int log_file_check_lock(sqlite3_file *file, int *locked)
{
    return log_file_usual(file)->pMethods->xCheckReservedLock(log_file_usual(file), locked);
}

static int log_file_control(sqlite3_file *file, int operation, void *argument)
{
    return log_file_usual(file)->pMethods->xFileControl(log_file_usual(file), operation, argument);
}

static int log_file_sector_size(sqlite3_file *file)
{
    return log_file_usual(file)->pMethods->xSectorSize(log_file_usual(file));
}

static int log_file_characteristics(sqlite3_file *file)
{
    return log_file_usual(file)->pMethods->xDeviceCharacteristics(log_file_usual(file));
}

// Version 1: a log is neither shared nor mapped through its own file.
static const sqlite3_io_methods log_file_methods = {
    .iVersion = 1,
    .xClose = log_file_close,
    .xRead = log_file_read,
    .xWrite = log_file_write,
    .xTruncate = log_file_truncate,
    .xSync = log_file_sync,
    .xFileSize = log_file_size,
    .xLock = log_file_lock,
    .xUnlock = log_file_unlock,
    .xCheckReservedLock = log_file_check_lock,
    .xFileControl = log_file_control,
    .xSectorSize = log_file_sector_size,
    .xDeviceCharacteristics = log_file_characteristics,
};

int log_file_bytes(void)
{
    return (int) sizeof(struct log_file);
}

int log_file_open(sqlite3_vfs *usual, const char *name, sqlite3_file *file, int flags, int *flags_out,
                  const bool *gathered)
{
    memset(file, 0, sizeof(struct log_file));
    own(file)->gathered = gathered;
    int result = usual->xOpen(usual, name, log_file_usual(file), flags, flags_out);
    if (result == SQLITE_OK) {
        file->pMethods = &log_file_methods;
    }
    return result;
}
