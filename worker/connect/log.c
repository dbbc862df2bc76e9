// log.c - the writing of a line: see log.h.

#include "worker/connect/log.h"

#include "worker/visible_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static const char *name = "";

static void log_write_line(const char *level, const char *format, va_list arguments)
{
    char *text = NULL;
    if (vasprintf(&text, format, arguments) < 0) {
        return;
    }
    char *visible = visible_string(text, 0);
    char at[32];
    struct timeval now;
    struct tm utc;
    gettimeofday(&now, NULL);
    gmtime_r(&now.tv_sec, &utc);
    strftime(at, sizeof at, "%Y-%m-%dT%H:%M:%S", &utc);
    fprintf(stderr, "%s.%03dZ %s connector=%s %s\n", at, (int) (now.tv_usec / 1000), level, name, visible);
    free(visible);
    free(text);
}

void log_name(const char *connector)
{
    name = connector;
}

void log_info(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_write_line("info", format, arguments);
    va_end(arguments);
}

void log_warning(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_write_line("warning", format, arguments);
    va_end(arguments);
}

void log_error(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_write_line("error", format, arguments);
    va_end(arguments);
}

// ---- what may come without end ----

static struct {
    time_t second;
    unsigned lines;    // logged in it
    unsigned left_out; // since the last one logged
} often;

void log_left_out(void)
{
    unsigned left_out = often.left_out;

    often.left_out = 0;
    if (left_out > 0) {
        log_warning("%u more lines about the adapter are left out", left_out);
    }
}

void log_often(const char *level, const char *format, ...)
{
    time_t second = time(NULL);
    va_list arguments;

    if (second != often.second) {
        often.second = second;
        often.lines = 0;
        log_left_out();
    }
    if (often.lines >= LOG_OFTEN_MAX) {
        often.left_out++;
        return;
    }
    often.lines++;
    va_start(arguments, format);
    log_write_line(level, format, arguments);
    va_end(arguments);
}
