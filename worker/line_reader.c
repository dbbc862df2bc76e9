// line_reader.c - the buffer, and lines found in it: see line_reader.h.

#include "worker/line_reader.h"

#include "proto/base/must.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_BYTES_MIN 4096u

void line_reader_init(struct line_reader *reader, int fd, size_t line_bytes_max)
{
    *reader = (struct line_reader){ .fd = fd, .line_bytes_max = line_bytes_max };
}

void line_reader_fini(struct line_reader *reader)
{
    free(reader->buffer);
    line_reader_init(reader, -1, reader->line_bytes_max);
}

// Makes room behind `end`: by moving what is left to the front, then by growing up to one longest line.
static void line_reader_make_room(struct line_reader *reader)
{
    if (reader->begin > 0) {
        memmove(reader->buffer, reader->buffer + reader->begin, reader->end - reader->begin);
        reader->end -= reader->begin;
        reader->scanned -= reader->begin;
        reader->begin = 0;
    }
    size_t capacity_max = reader->line_bytes_max + 1;
    if (reader->end == reader->capacity && reader->capacity < capacity_max) {
        size_t wanted = reader->capacity == 0 ? BUFFER_BYTES_MIN : reader->capacity * 2;
        reader->capacity = wanted < capacity_max ? wanted : capacity_max;
        reader->buffer = realloc(reader->buffer, reader->capacity);
        must(reader->buffer != NULL);
    }
}

bool line_reader_fill(struct line_reader *reader)
{
    if (reader->ended || reader->fd < 0) {
        return false;
    }
    line_reader_make_room(reader);
    if (reader->end == reader->capacity) {
        return false;
    }

    ssize_t count;
    do {
        count = read(reader->fd, reader->buffer + reader->end, reader->capacity - reader->end);
    } while (count < 0 && errno == EINTR);
    if (count > 0) {
        reader->end += (size_t) count;
        return true;
    }
    if (count == 0 || errno != EAGAIN) {
        reader->ended = true;
    }
    return false;
}

static void line_reader_drop_all(struct line_reader *reader)
{
    reader->begin = reader->end = reader->scanned = 0;
}

static enum line_kind line_reader_give(struct line_reader *reader, size_t end, size_t next, const char **line,
                                       size_t *line_bytes)
{
    *line = reader->buffer + reader->begin;
    *line_bytes = end - reader->begin;
    bool too_long = reader->passing || *line_bytes > reader->line_bytes_max;
    reader->passing = false;
    reader->begin = reader->scanned = next;
    reader->number++;
    return too_long ? LINE_TOO_LONG : LINE_WHOLE;
}

enum line_kind line_reader_next(struct line_reader *reader, const char **line, size_t *line_bytes)
{
    *line = "";
    *line_bytes = 0;
    if (reader->begin < reader->end) {
        char *newline = memchr(reader->buffer + reader->scanned, '\n', reader->end - reader->scanned);
        if (newline != NULL) {
            size_t at = (size_t) (newline - reader->buffer);
            return line_reader_give(reader, at, at + 1, line, line_bytes);
        }
        reader->scanned = reader->end;
        if (reader->end - reader->begin > reader->line_bytes_max) {
            reader->passing = true;
            line_reader_drop_all(reader);
        }
    }
    if (reader->ended && (reader->begin < reader->end || reader->passing)) {
        return line_reader_give(reader, reader->end, reader->end, line, line_bytes);
    }
    return LINE_NONE;
}

void line_reader_drop(struct line_reader *reader)
{
    reader->begin = reader->end = reader->scanned = 0;
    reader->passing = false;
}
