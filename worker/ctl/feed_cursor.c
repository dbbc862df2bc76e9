// feed_cursor.c - the file read, checked, and replaced: see feed_cursor.h.

#include "worker/ctl/feed_cursor.h"

#include "proto/base/must.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool feed_cursor_load(const char *path, const char *source, uint64_t *rows, char *fault, size_t fault_bytes)
{
    *rows = 0;
    if (access(path, F_OK) != 0 && errno == ENOENT) {
        return true;
    }
    json_error_t error;
    json_t *cursor = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (cursor == NULL) {
        snprintf(fault, fault_bytes, "%s: %s", path, error.text);
        return false;
    }
    const char *of = json_string_value(json_object_get(cursor, "source"));
    const json_t *count = json_object_get(cursor, "rows");
    bool sound = of != NULL && json_is_integer(count) && json_integer_value(count) >= 0;
    bool same = sound && strcmp(of, source) == 0;
    if (!sound) {
        snprintf(fault, fault_bytes, "%s: is not a cursor of behalf-ctl feed", path);
    } else if (!same) {
        snprintf(fault, fault_bytes, "%s: belongs to %s, not to %s; give each input its own cursor", path, of, source);
    } else {
        *rows = (uint64_t) json_integer_value(count);
    }
    json_decref(cursor);
    return same;
}

static bool feed_cursor_write_whole(int descriptor, const char *text, size_t length)
{
    while (length) {
        ssize_t written = write(descriptor, text, length);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return false;
        }
        text += written;
        length -= (size_t) written;
    }
    return fsync(descriptor) == 0;
}

static bool feed_cursor_replace_file(const char *path, const char *text)
{
    char beside[PATH_MAX];
    if (snprintf(beside, sizeof beside, "%s.new", path) >= (int) sizeof beside) {
        errno = ENAMETOOLONG;
        return false;
    }
    int descriptor = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (descriptor < 0) {
        return false;
    }
    bool written = feed_cursor_write_whole(descriptor, text, strlen(text));
    int reason = errno;
    close(descriptor);
    if (written && rename(beside, path) == 0) {
        return true;
    }
    errno = written ? errno : reason;
    reason = errno;
    unlink(beside);
    errno = reason;
    return false;
}

bool feed_cursor_save(const char *path, const char *source, uint64_t rows, char *fault, size_t fault_bytes)
{
    json_t *cursor = json_pack("{s:s, s:I}", "source", source, "rows", (json_int_t) rows);
    if (cursor == NULL) { // only if the name of the file is not UTF-8
        snprintf(fault, fault_bytes, "%s: the input's name is not UTF-8, so no cursor can be kept", path);
        return false;
    }
    char *text = json_dumps(cursor, JSON_INDENT(2));
    json_decref(cursor);
    must(text);
    bool saved = feed_cursor_replace_file(path, text);
    if (!saved) {
        snprintf(fault, fault_bytes, "%s: %s", path, strerror(errno));
    }
    free(text);
    return saved;
}
