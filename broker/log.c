// log.c - lines of the log: their time, their level, and what makes text from outside harmless; see log.h.

#include "broker/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unictype.h>
#include <unistd.h>
#include <unistr.h>

#define LINE_BYTES 2048

// Letters, marks, digits, signs and the blank; not controls, formats (bidi, zero width), other blanks, unassigned.
static bool log_is_visible(ucs4_t character)
{
    if (character < 0x80) {
        return character >= 0x20 && character != 0x7f;
    }
    uc_general_category_t hidden = uc_general_category_or(UC_CATEGORY_C, UC_CATEGORY_Z);
    return !uc_is_general_category(character, hidden);
}

size_t log_escape(const char *text, char *escaped, size_t escaped_bytes)
{
    const uint8_t *at = (const uint8_t *) text;
    const uint8_t *end = at + strlen(text);
    size_t written = 0;

    while (at < end) {
        ucs4_t character;
        int length = u8_mbtoucr(&character, at, (size_t) (end - at));
        size_t bytes = length > 0 ? (size_t) length : 1;
        bool visible = length > 0 && log_is_visible(character);
        if (written + (visible ? bytes : 4 * bytes) >= escaped_bytes) {
            break;
        }
        for (size_t i = 0; i < bytes; i++) {
            if (visible) {
                escaped[written++] = (char) at[i];
            } else {
                written += (size_t) snprintf(escaped + written, 5, "\\x%02x", at[i]);
            }
        }
        at += bytes;
    }
    escaped[written] = '\0';
    return written;
}

// One write a line, so that lines of several processes do not mix.
static void log_write_line(const char *line, size_t bytes)
{
    while (bytes > 0) {
        ssize_t written = write(STDERR_FILENO, line, bytes);
        if (written <= 0) {
            return; // nobody reads the log; there is nowhere to say so
        }
        line += written;
        bytes -= (size_t) written;
    }
}

void log_time(char text[LOG_TIME_BYTES])
{
    struct timeval now;
    struct tm utc;

    gettimeofday(&now, NULL);
    gmtime_r(&now.tv_sec, &utc);
    size_t bytes = strftime(text, LOG_TIME_BYTES, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text + bytes, LOG_TIME_BYTES - bytes, ".%03dZ", (int) (now.tv_usec / 1000));
}

void log_write(void *self, const char *level, const char *line)
{
    char text[LINE_BYTES];

    (void) self;
    log_time(text);
    size_t bytes = strlen(text);
    bytes += (size_t) snprintf(text + bytes, sizeof text - bytes, " %s ", level);
    bytes += log_escape(line, text + bytes, sizeof text - bytes - 1);
    text[bytes++] = '\n';
    log_write_line(text, bytes);
}

void log_format(const char *level, const char *format, ...)
{
    char line[LINE_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    log_write(NULL, level, line);
}
