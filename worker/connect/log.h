// log.h - the connector's log: one line an event on standard error, led by the time (UTC), its level and who it
// is about, as the broker's log is.
//
// No texts of posts or replies go into it.

#ifndef WORKER_CONNECT_LOG_H
#define WORKER_CONNECT_LOG_H

// Names who every later line is about.  The name is borrowed for good.
void log_name(const char *connector);

__attribute__((format(printf, 1, 2))) void log_info(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_warning(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_error(const char *format, ...);

// Logs what somebody else can cause without end: at most LOG_OFTEN_MAX lines a second.  How many were left out is told
// before the next one that is not, or by log_left_out.
#define LOG_OFTEN_MAX 50
__attribute__((format(printf, 2, 3))) void log_often(const char *level, const char *format, ...);
void log_left_out(void);

#endif
