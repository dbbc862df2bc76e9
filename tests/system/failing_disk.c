// failing_disk.c - every call goes through to the real file, but fsync of a log while the disk fails, and any fsync
// while somebody listens.
//
// Beside the log stands what the platters have of it: each piece written is copied there by the next fsync that does
// not fail; by one that fails it is forgotten, as Linux marks a page clean that it could not write.

#include "tests/system/failing_disk.h"

#include "proto/base/must.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>

#define PIECES_MAX 100000
#define PATH_BYTES 256

struct piece {
    sqlite3_int64 at;
    int bytes;
};

// Of the log opened last, also after it was closed.  The writer syncs it, and the thread that makes checkpoints.
static struct {
    pthread_mutex_t mutex;
    char *bytes;
    sqlite3_int64 count, room;
    struct piece dirty[PIECES_MAX];
    size_t dirty_count;
} platters = { .mutex = PTHREAD_MUTEX_INITIALIZER };

struct failing_file {
    sqlite3_file base;
    bool log;
    bool entry_is_due; // SQLite's VFS for Unix syncs the folder with the first sync of a file that it may have made
    char path[PATH_BYTES];
    sqlite3_int64 synced_bytes;
    sqlite3_int64 real[]; // the usual VFS's file; SQLite aligns to eight bytes
};

static atomic_int disk;
static atomic_int failures;
static sqlite3_vfs *usual;

// Who is told; NULL: nobody.
static struct {
    pthread_mutex_t mutex;
    bool (*hear)(void *self, const struct disk_event *event);
    void *self;
} listener = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static bool tell(const struct disk_event *event)
{
    pthread_mutex_lock(&listener.mutex);
    bool goes_well = listener.hear == NULL || listener.hear(listener.self, event);
    pthread_mutex_unlock(&listener.mutex);
    return goes_well;
}

static struct failing_file *own(sqlite3_file *file)
{
    return (struct failing_file *) (void *) file;
}

static sqlite3_file *real(sqlite3_file *file)
{
    return (sqlite3_file *) (void *) own(file)->real;
}

static void require_platters(sqlite3_int64 bytes)
{
    if (bytes > platters.room) {
        platters.bytes = realloc(platters.bytes, (size_t) bytes * 2);
        must(platters.bytes != NULL);
        memset(platters.bytes + platters.room, 0, (size_t) (bytes * 2 - platters.room));
        platters.room = bytes * 2;
    }
    platters.count = bytes > platters.count ? bytes : platters.count;
}

static void write_platters(sqlite3_file *file)
{
    for (size_t i = 0; i < platters.dirty_count; i++) {
        const struct piece *piece = &platters.dirty[i];
        require_platters(piece->at + piece->bytes);
        (void) real(file)->pMethods->xRead(real(file), platters.bytes + piece->at, piece->bytes, piece->at);
    }
    platters.dirty_count = 0;
}

static int close_file(sqlite3_file *file)
{
    return real(file)->pMethods->xClose(real(file));
}

static int read_file(sqlite3_file *file, void *to, int bytes, sqlite3_int64 at)
{
    return real(file)->pMethods->xRead(real(file), to, bytes, at);
}

static int write_file(sqlite3_file *file, const void *from, int bytes, sqlite3_int64 at)
{
    (void) tell(
        &(struct disk_event){ .act = DISK_WRITE, .path = own(file)->path, .bytes = from, .count = bytes, .at = at });
    if (own(file)->log && listener.hear == NULL) {
        pthread_mutex_lock(&platters.mutex);
        must(platters.dirty_count < PIECES_MAX);
        platters.dirty[platters.dirty_count++] = (struct piece){ .at = at, .bytes = bytes };
        pthread_mutex_unlock(&platters.mutex);
    }
    return real(file)->pMethods->xWrite(real(file), from, bytes, at);
}

static int truncate_file(sqlite3_file *file, sqlite3_int64 bytes)
{
    (void) tell(&(struct disk_event){ .act = DISK_TRUNCATE, .path = own(file)->path, .at = bytes });
    pthread_mutex_lock(&platters.mutex);
    if (own(file)->log && bytes < platters.count) {
        platters.count = bytes;
    }
    pthread_mutex_unlock(&platters.mutex);
    return real(file)->pMethods->xTruncate(real(file), bytes);
}

static int sync_and_tell(sqlite3_file *file)
{
    const struct disk_event event = { .act = DISK_SYNC, .path = own(file)->path, .of_entry = own(file)->entry_is_due };

    if (!tell(&event)) {
        atomic_fetch_add(&failures, 1);
        return SQLITE_IOERR_FSYNC;
    }
    own(file)->entry_is_due = false;
    return SQLITE_OK;
}

static int sync_file(sqlite3_file *file, int flags)
{
    int state = atomic_load(&disk);

    if (listener.hear != NULL) {
        return sync_and_tell(file);
    }
    if (!own(file)->log || state == DISK_WELL) {
        int result = real(file)->pMethods->xSync(real(file), flags);
        if (own(file)->log) {
            pthread_mutex_lock(&platters.mutex);
            write_platters(file);
            pthread_mutex_unlock(&platters.mutex);
        }
        (void) real(file)->pMethods->xFileSize(real(file), &own(file)->synced_bytes);
        return result;
    }
    if (state == DISK_LOSES) {
        (void) real(file)->pMethods->xTruncate(real(file), own(file)->synced_bytes);
    }
    if (state == DISK_FORGETS) {
        pthread_mutex_lock(&platters.mutex);
        platters.dirty_count = 0;
        pthread_mutex_unlock(&platters.mutex);
    }
    atomic_fetch_add(&failures, 1);
    return SQLITE_IOERR_FSYNC;
}

static int size_of_file(sqlite3_file *file, sqlite3_int64 *bytes)
{
    return real(file)->pMethods->xFileSize(real(file), bytes);
}

static int lock_file(sqlite3_file *file, int kind)
{
    return real(file)->pMethods->xLock(real(file), kind);
}

static int unlock_file(sqlite3_file *file, int kind)
{
    return real(file)->pMethods->xUnlock(real(file), kind);
}

static int check_lock(sqlite3_file *file, int *locked)
{
    return real(file)->pMethods->xCheckReservedLock(real(file), locked);
}

static int control_file(sqlite3_file *file, int operation, void *argument)
{
    return real(file)->pMethods->xFileControl(real(file), operation, argument);
}

static int sector_size(sqlite3_file *file)
{
    return real(file)->pMethods->xSectorSize(real(file));
}

static int characteristics(sqlite3_file *file)
{
    return real(file)->pMethods->xDeviceCharacteristics(real(file));
}

static int map_shared(sqlite3_file *file, int page, int bytes, int extend, void volatile **memory)
{
    return real(file)->pMethods->xShmMap(real(file), page, bytes, extend, memory);
}

static int lock_shared(sqlite3_file *file, int offset, int count, int flags)
{
    return real(file)->pMethods->xShmLock(real(file), offset, count, flags);
}

static void fence_shared(sqlite3_file *file)
{
    real(file)->pMethods->xShmBarrier(real(file));
}

static int unmap_shared(sqlite3_file *file, int remove)
{
    return real(file)->pMethods->xShmUnmap(real(file), remove);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = close_file,
    .xRead = read_file,
    .xWrite = write_file,
    .xTruncate = truncate_file,
    .xSync = sync_file,
    .xFileSize = size_of_file,
    .xLock = lock_file,
    .xUnlock = unlock_file,
    .xCheckReservedLock = check_lock,
    .xFileControl = control_file,
    .xSectorSize = sector_size,
    .xDeviceCharacteristics = characteristics,
    .xShmMap = map_shared,
    .xShmLock = lock_shared,
    .xShmBarrier = fence_shared,
    .xShmUnmap = unmap_shared,
};

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *flags_out)
{
    (void) vfs;
    file->pMethods = NULL;
    int result = usual->xOpen(usual, name, real(file), flags, flags_out);
    if (result == SQLITE_OK) {
        file->pMethods = &methods;
        own(file)->log = (flags & SQLITE_OPEN_WAL) != 0;
        own(file)->entry_is_due =
            (flags & SQLITE_OPEN_CREATE) != 0 && (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL)) != 0;
        must(name == NULL || strlen(name) < sizeof own(file)->path);
        strcpy(own(file)->path, name == NULL ? "" : name);
        own(file)->synced_bytes = 0;
        (void) real(file)->pMethods->xFileSize(real(file), &own(file)->synced_bytes);
        pthread_mutex_lock(&platters.mutex);
        if (own(file)->log && own(file)->synced_bytes == 0) {
            platters.count = 0;
            platters.dirty_count = 0;
        }
        pthread_mutex_unlock(&platters.mutex);
    }
    return result;
}

static int delete_file(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
    (void) vfs;
    (void) tell(&(struct disk_event){ .act = DISK_DELETE, .path = name, .of_entry = sync_folder != 0 });
    return usual->xDelete(usual, name, sync_folder);
}

void failing_disk_listen(bool (*hear)(void *self, const struct disk_event *event), void *self)
{
    listener.hear = hear;
    listener.self = self;
}

void failing_disk_write_platters(const char *path)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    must(file >= 0);
    must(pwrite(file, platters.bytes, (size_t) platters.count, 0) == (ssize_t) platters.count);
    must(close(file) == 0);
}

void failing_disk_install(void)
{
    static sqlite3_vfs vfs;

    usual = sqlite3_vfs_find(NULL);
    vfs = *usual;
    vfs.zName = "failing";
    vfs.szOsFile = (int) sizeof(struct failing_file) + usual->szOsFile;
    vfs.xOpen = open_file;
    vfs.xDelete = delete_file;
    (void) sqlite3_vfs_register(&vfs, 1);
}

void failing_disk_set(enum failing_disk state)
{
    atomic_store(&disk, (int) state);
}

int failing_disk_count(void)
{
    return atomic_load(&failures);
}
