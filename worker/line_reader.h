// line_reader.h - lines from a descriptor, of bounded length, without blocking the reader's loop.
//
// The caller polls the descriptor, fills the reader when it is readable, and takes lines until there are
// none.  A line longer than the limit is passed over, in bounded memory, and told by its number.

#ifndef WORKER_LINE_READER_H
#define WORKER_LINE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct line_reader {
    int fd;                // not owned; -1: none
    size_t line_bytes_max; // longer lines are passed over
    char *buffer;          // bytes read and not yet given
    size_t capacity;       // allocated
    size_t begin, end;     // the part of `buffer` that is filled
    size_t scanned;        // up to here there is no newline
    int64_t number;        // of the line last given, from 1
    bool passing;          // inside a line that is too long
    bool ended;            // the descriptor has no more
};

enum line_kind {
    LINE_NONE,    // no whole line now
    LINE_WHOLE,   // here it is, without its newline
    LINE_TOO_LONG // one was passed over
};

void line_reader_init(struct line_reader *reader, int fd, size_t line_bytes_max);

// Frees the buffer; the descriptor stays open.
void line_reader_fini(struct line_reader *reader);

// Reads once, at most what there is room for.  Returns false when nothing came: at the end (`ended`), when
// a descriptor that does not block has nothing, or when whole lines wait to be taken first.
bool line_reader_fill(struct line_reader *reader);

// Drops what was read and not yet given.  The end of the descriptor stays the end.
void line_reader_drop(struct line_reader *reader);

// Gives the next line.  `line` is valid until the next call.  At the end the last line needs no newline.
enum line_kind line_reader_next(struct line_reader *reader, const char **line, size_t *line_bytes);

#endif
