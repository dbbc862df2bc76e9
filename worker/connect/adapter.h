// adapter.h - the adapter as a process: started, listened to, spoken to, watched, stopped.
//
// Lines go both ways through pipes that never block us.  What the lines mean is connector.c's affair, and
// when to start the process again is decided there too.  A line given to adapter_say counts as handed over
// from its first byte in the pipe on; before that it can be withdrawn.  The adapter leads a process group
// of its own, which is ended with it: there is never more than one adapter.
//
// Times are milliseconds of any clock that does not go back.

#ifndef WORKER_CONNECT_ADAPTER_H
#define WORKER_CONNECT_ADAPTER_H

#include "worker/line_reader.h"

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The longest line of an adapter, as of a frame.
#define ADAPTER_LINE_BYTES ((size_t) 1024 * 1024)
// The longest line of its standard error that goes to the log whole.
#define ADAPTER_ERROR_BYTES ((size_t) 4096)

// Its input is closed when it is to stop; then it has this long until TERM, and until KILL.
#define ADAPTER_TERM_MS 5000
#define ADAPTER_KILL_MS 10000

struct adapter;

enum adapter_state {
    ADAPTER_DOWN,    // no process
    ADAPTER_RUNNING, // a process
    ADAPTER_DRAINING // it has ended; what it still said waits to be read
};

// `argv` ends with NULL and is borrowed for the adapter's life.
struct adapter *adapter_new(char *const *argv);

// Kills what still runs.  Sets the pointer to NULL.
void adapter_destroy(struct adapter **adapter_p);

enum adapter_state adapter_state(const struct adapter *adapter);

// Starts the process.  Returns 0, or what errno would say; then it stays down.  Asserts: it is down.
int adapter_start(struct adapter *adapter);

// How often it has been started.
int64_t adapter_run(const struct adapter *adapter);

// Fills in what to poll, at most 3, and returns how many.  Its output is polled only if `listen`.
size_t adapter_watch(struct adapter *adapter, struct pollfd *fds, bool listen);

// Writes what waits to be said, and logs a part of its standard error.  Never blocks.  Returns true if there may be
// more to log.
bool adapter_work(struct adapter *adapter, int64_t now_ms);

// Gives the next line of its output.  When there is none and it is draining, it is then down.
enum line_kind adapter_listen(struct adapter *adapter, const char **line, size_t *line_bytes, int64_t *number);

// Queues a line (without newline) to be written.  `reply` names the reply in it, or is 0.
void adapter_say(struct adapter *adapter, const char *line, int64_t reply);

// Takes the line of a reply back.  Returns false if some of it may have been read.
bool adapter_withdraw(struct adapter *adapter, int64_t reply);

// Takes the line of some reply back of which nothing can have been read.  Returns the reply, 0 if there is none.
int64_t adapter_withdraw_any(struct adapter *adapter);

// Whether there is a process that still listens.
bool adapter_may_hear(const struct adapter *adapter);

// Bytes that wait to be written; 0 if nothing can be.
size_t adapter_unsaid(const struct adapter *adapter);

// Begins to stop it: its input is closed, signals follow.  What was not written can still be withdrawn, and
// is dropped at the next start.  Does nothing the second time.
void adapter_stop(struct adapter *adapter, int64_t now_ms);

// Kills it now.
void adapter_kill(struct adapter *adapter);

// Sends the signals that are due.  Returns milliseconds until the next one is, or -1.
int adapter_tick(struct adapter *adapter, int64_t now_ms);

// Looks whether the process has ended.  Returns true once for each that has, with how in `how`; it then
// drains.  `clean` is set if it exited with status 0.
bool adapter_reap(struct adapter *adapter, char *how, size_t how_bytes, bool *clean);

#endif
