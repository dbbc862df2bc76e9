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

#endif
