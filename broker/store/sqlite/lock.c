// lock.c - an open file description lock on <folder>/lock, which names the process that has it.

#include "broker/store/sqlite/lock.h"

#include "proto/base/must.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// A folder just made is durable only once its parent is synced.
static void lock_sync_parent(const char *folder)
{
    char *copy = strdup(folder);

    must(copy != NULL);
    int parent = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent >= 0) {
        (void) fsync(parent);
        (void) close(parent);
    }
    free(copy);
}

static bool lock_make_folder(const char *folder, char *reason, size_t reason_bytes)
{
    if (mkdir(folder, 0700) == 0) {
        lock_sync_parent(folder);
        return true;
    }
    if (errno == EEXIST) {
        return true;
    }
    snprintf(reason, reason_bytes, "the folder %s cannot be made: %s", folder, strerror(errno));
    return false;
}

// Writes our process id for whoever finds the folder locked; only a courtesy, so failures do not matter.
static void lock_sign(int file)
{
    char text[32];
    int length = snprintf(text, sizeof text, "%ld\n", (long) getpid());

    if (ftruncate(file, 0) != 0 || pwrite(file, text, (size_t) length, 0) != length) {
        return;
    }
}

static void lock_name_owner(int file, const char *folder, char *reason, size_t reason_bytes)
{
    char owner[32] = "";
    ssize_t length = pread(file, owner, sizeof owner - 1, 0);

    owner[length > 0 ? strspn(owner, "0123456789") : 0] = 0;
    snprintf(reason, reason_bytes,
             "another broker (process %s) has the store in %s: stop it, or give this one a folder of its own",
             owner[0] == 0 ? "unknown" : owner, folder);
}

int lock_folder(const char *folder, char *reason, size_t reason_bytes)
{
    char *path = NULL;

    if (!lock_make_folder(folder, reason, reason_bytes)) {
        return -1;
    }
    must(asprintf(&path, "%s/lock", folder) >= 0);
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) {
        snprintf(reason, reason_bytes, "%s cannot be opened: %s; check the rights of the folder", path,
                 strerror(errno));
        free(path);
        return -1;
    }
    free(path);
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    if (fcntl(file, F_OFD_SETLK, &lock) == 0) {
        lock_sign(file);
        return file;
    }
    if (errno == EAGAIN || errno == EACCES) {
        lock_name_owner(file, folder, reason, reason_bytes);
    } else {
        snprintf(reason, reason_bytes, "the folder %s cannot be locked: %s", folder, strerror(errno));
    }
    (void) close(file);
    return -1;
}
