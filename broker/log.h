// log.h - one line an event, on standard error: time, level, who it is about, what.
//
//     2026-11-22T01:02:03.456Z info session=7 person=asha signed in
//
// Text from outside cannot break a line, hide, or move a cursor: what is not a visible character is written
// as an escape.

#ifndef BROKER_LOG_H
#define BROKER_LOG_H

#include <stddef.h>

// Writes a line.  `level` is "info", "warning" or "error"; `self` is not used: it fits broker_options.log.
void log_write(void *self, const char *level, const char *line);

void log_format(const char *level, const char *format, ...) __attribute__((format(printf, 2, 3)));

// The time now, as lines begin with it.
#define LOG_TIME_BYTES 40
void log_time(char text[LOG_TIME_BYTES]);

// Copies a text with everything that is not visible escaped as \xNN, cut to the room there is.  Returns its length.
size_t log_escape(const char *text, char *escaped, size_t escaped_bytes);

#endif
