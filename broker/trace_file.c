// trace_file.c - lines of a trace written as they come; see trace_file.h.

#include "broker/trace_file.h"

#include "broker/log.h"
#include "proto/base/must.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct trace_file {
    struct trace trace;
    char *path;     // NULL: standard error
    int descriptor; // -1: it could not be written
};

static void trace_file_line(void *self, const char *line)
{
    struct trace_file *file = self;
    char text[LOG_TIME_BYTES + 2048];

    if (file->descriptor < 0) {
        return;
    }
    log_time(text);
    int bytes = snprintf(text + strlen(text), sizeof text - strlen(text), " %s\n", line);
    must(bytes > 0 && (size_t) bytes < sizeof text - LOG_TIME_BYTES);
    if (write(file->descriptor, text, strlen(text)) < 0) {
        int reason = errno;
        if (file->path != NULL) {
            close(file->descriptor);
            log_format("error", "trace %s cannot be written any more: %s", file->path, strerror(reason));
        }
        file->descriptor = -1;
    }
}

struct trace_file *trace_file_new(const char *path)
{
    int descriptor =
        path == NULL ? STDERR_FILENO : open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);

    if (descriptor < 0) {
        log_format("error", "trace %s cannot be written: %s", path, strerror(errno));
        return NULL;
    }
    struct trace_file *file = calloc(1, sizeof *file);
    must(file != NULL);
    file->trace = (struct trace){ .line = trace_file_line, .self = file };
    file->descriptor = descriptor;
    if (path != NULL) {
        file->path = strdup(path);
        must(file->path != NULL);
    }
    return file;
}

void trace_file_destroy(struct trace_file **file_p)
{
    struct trace_file *file = *file_p;

    if (file == NULL) {
        return;
    }
    if (file->path != NULL && file->descriptor >= 0) {
        close(file->descriptor);
    }
    free(file->path);
    free(file);
    *file_p = NULL;
}

const struct trace *trace_file_trace(const struct trace_file *file)
{
    return file == NULL ? NULL : &file->trace;
}
