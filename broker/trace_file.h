// trace_file.h - where the lines of a trace (broker/session/trace.h) go: a file, or the log's place, with their time.
//
// Used by the loop's thread alone.  One write a line, so that the last line is there however the process ends.  A file
// that cannot be written any more is told of in the log once; the broker goes on without a trace.

#ifndef BROKER_TRACE_FILE_H
#define BROKER_TRACE_FILE_H

#include "broker/session/trace.h"

struct trace_file;

// Adds to the file, which only its owner may read if it is new; NULL is standard error.  Returns NULL, and says so in
// the log, if it cannot be written.
struct trace_file *trace_file_new(const char *path);
void trace_file_destroy(struct trace_file **file_p);

// Where to say lines; valid as long as the file is.
const struct trace *trace_file_trace(const struct trace_file *file);

#endif
