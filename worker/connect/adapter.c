// adapter.c - fork, pipes, signals, and what is still to be written: see adapter.h.

#include "worker/connect/adapter.h"

#include "proto/base/must.h"
#include "worker/connect/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

// How often its standard error is read at once: all that a pipe holds, and some.
#define ERROR_READS 64

// A line that waits to be written.
struct unsaid {
    struct unsaid *next;
    int64_t reply; // the reply in it, or 0
    size_t bytes;
    char line[];
};

struct adapter {
    char *const *argv;
    enum adapter_state state;
    pid_t pid;   // while running
    int64_t run; // starts so far
    int input;   // its standard input; -1 when closed
    int output;  // its standard output
    int errors;  // its standard error
    struct line_reader output_lines;
    struct line_reader error_lines;
    struct unsaid *first, *last; // owned, oldest first
    size_t unsaid_bytes;         // in all of them
    size_t first_written;        // bytes of the first that are in the pipe
    int64_t stopping_since_ms;   // -1: not stopping
    int signals_sent;            // while stopping: 0, 1 TERM, 2 KILL
};

struct adapter *adapter_new(char *const *argv)
{
    struct adapter *adapter = calloc(1, sizeof *adapter);
    must(adapter != NULL);
    adapter->argv = argv;
    adapter->input = adapter->output = adapter->errors = -1;
    adapter->stopping_since_ms = -1;
    line_reader_init(&adapter->output_lines, -1, ADAPTER_LINE_BYTES);
    line_reader_init(&adapter->error_lines, -1, ADAPTER_ERROR_BYTES);
    return adapter;
}

static void adapter_close_end(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
    *fd = -1;
}

static void adapter_drop_first(struct adapter *adapter)
{
    struct unsaid *line = adapter->first;
    adapter->first = line->next;
    if (adapter->first == NULL) {
        adapter->last = NULL;
    }
    adapter->unsaid_bytes -= line->bytes;
    adapter->first_written = 0;
    free(line);
}

static void adapter_drop_unsaid(struct adapter *adapter)
{
    while (adapter->first != NULL) {
        adapter_drop_first(adapter);
    }
}

static void adapter_go_down(struct adapter *adapter)
{
    adapter_close_end(&adapter->input);
    adapter_close_end(&adapter->output);
    adapter_close_end(&adapter->errors);
    line_reader_fini(&adapter->output_lines);
    line_reader_fini(&adapter->error_lines);
    adapter->state = ADAPTER_DOWN;
}

void adapter_destroy(struct adapter **adapter_p)
{
    struct adapter *adapter = *adapter_p;
    if (adapter == NULL) {
        return;
    }
    if (adapter->state == ADAPTER_RUNNING) {
        adapter_kill(adapter);
        while (waitpid(adapter->pid, NULL, 0) < 0 && errno == EINTR) {
            continue;
        }
    }
    adapter_drop_unsaid(adapter);
    adapter_go_down(adapter);
    free(adapter);
    *adapter_p = NULL;
}

enum adapter_state adapter_state(const struct adapter *adapter)
{
    return adapter->state;
}

int64_t adapter_run(const struct adapter *adapter)
{
    return adapter->run;
}

// ---- starting ----

// Ours: [0] input we write, [1] output and [2] errors we read.  Theirs: the other ends.
static int adapter_open_pipes(int ours[3], int theirs[3])
{
    for (int i = 0; i < 3; i++) {
        ours[i] = theirs[i] = -1;
    }
    for (int i = 0; i < 3; i++) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) != 0) {
            return errno;
        }
        ours[i] = i == 0 ? ends[1] : ends[0];
        theirs[i] = i == 0 ? ends[0] : ends[1];
        if (fcntl(ours[i], F_SETFL, O_NONBLOCK) != 0) {
            return errno;
        }
    }
    return 0;
}

static int adapter_spawn(struct adapter *adapter, const int theirs[3])
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, usual;
    sigemptyset(&none);
    sigemptyset(&usual);
    const int ours[] = { SIGPIPE, SIGTERM, SIGINT, SIGHUP, SIGCHLD };
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
        sigaddset(&usual, ours[i]);
    }

    must(posix_spawn_file_actions_init(&actions) == 0);
    for (int i = 0; i < 3; i++) {
        must(posix_spawn_file_actions_adddup2(&actions, theirs[i], i) == 0);
    }
    must(posix_spawnattr_init(&attributes) == 0);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &usual);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

    int error = posix_spawnp(&adapter->pid, adapter->argv[0], &actions, &attributes, adapter->argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return error;
}

int adapter_start(struct adapter *adapter)
{
    must(adapter->state == ADAPTER_DOWN);
    adapter_drop_unsaid(adapter);
    int ours[3], theirs[3];
    int error = adapter_open_pipes(ours, theirs);
    if (error == 0) {
        error = adapter_spawn(adapter, theirs);
    }
    for (int i = 0; i < 3; i++) {
        adapter_close_end(&theirs[i]);
    }
    if (error != 0) {
        for (int i = 0; i < 3; i++) {
            adapter_close_end(&ours[i]);
        }
        return error;
    }
    adapter->input = ours[0];
    adapter->output = ours[1];
    adapter->errors = ours[2];
    line_reader_init(&adapter->output_lines, adapter->output, ADAPTER_LINE_BYTES);
    line_reader_init(&adapter->error_lines, adapter->errors, ADAPTER_ERROR_BYTES);
    adapter->state = ADAPTER_RUNNING;
    adapter->stopping_since_ms = -1;
    adapter->signals_sent = 0;
    adapter->run++;
    return 0;
}

// ---- speaking and listening ----

size_t adapter_watch(struct adapter *adapter, struct pollfd *fds, bool listen)
{
    size_t count = 0;
    if (adapter->state != ADAPTER_RUNNING) {
        return 0;
    }
    if (adapter->input >= 0 && adapter->first != NULL) {
        fds[count++] = (struct pollfd){ .fd = adapter->input, .events = POLLOUT };
    }
    if (listen && !adapter->output_lines.ended) {
        fds[count++] = (struct pollfd){ .fd = adapter->output, .events = POLLIN };
    }
    if (!adapter->error_lines.ended) {
        fds[count++] = (struct pollfd){ .fd = adapter->errors, .events = POLLIN };
    }
    return count;
}

static void adapter_write_unsaid(struct adapter *adapter, int64_t now_ms)
{
    while (adapter->first != NULL && adapter->input >= 0) {
        struct unsaid *line = adapter->first;
        ssize_t count =
            write(adapter->input, line->line + adapter->first_written, line->bytes - adapter->first_written);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            if (errno != EAGAIN) {
                log_error("adapter pid=%d reads no more: %s", (int) adapter->pid, strerror(errno));
                adapter_stop(adapter, now_ms);
            }
            return;
        }
        adapter->first_written += (size_t) count;
        if (adapter->first_written == line->bytes) {
            adapter_drop_first(adapter);
        }
    }
}

// Reads a bounded part, for there may be no end of it.  Returns true if there may be more.
static bool adapter_log_errors(struct adapter *adapter)
{
    const char *line;
    size_t bytes;
    for (int i = 0; i < ERROR_READS; i++) {
        enum line_kind kind;
        while ((kind = line_reader_next(&adapter->error_lines, &line, &bytes)) != LINE_NONE) {
            if (kind == LINE_WHOLE) {
                log_often("info", "adapter says: %.*s", (int) bytes, line);
            } else {
                log_often("info", "adapter says a line of more than %zu bytes, left out", ADAPTER_ERROR_BYTES);
            }
        }
        if (!line_reader_fill(&adapter->error_lines)) {
            return false;
        }
    }
    return true;
}

bool adapter_work(struct adapter *adapter, int64_t now_ms)
{
    if (adapter->state == ADAPTER_DOWN) {
        return false;
    }
    adapter_write_unsaid(adapter, now_ms);
    return adapter_log_errors(adapter);
}

enum line_kind adapter_listen(struct adapter *adapter, const char **line, size_t *line_bytes, int64_t *number)
{
    if (adapter->state == ADAPTER_DOWN) {
        return LINE_NONE;
    }
    struct line_reader *lines = &adapter->output_lines;
    enum line_kind kind = line_reader_next(lines, line, line_bytes);
    while (kind == LINE_NONE && line_reader_fill(lines)) {
        kind = line_reader_next(lines, line, line_bytes);
    }
    if (kind == LINE_NONE && adapter->state == ADAPTER_DRAINING) {
        lines->ended = true; // a last line may lack its newline
        kind = line_reader_next(lines, line, line_bytes);
    }
    *number = lines->number;
    if (kind == LINE_NONE && adapter->state == ADAPTER_DRAINING) {
        adapter_go_down(adapter);
    }
    return kind;
}

void adapter_say(struct adapter *adapter, const char *line, int64_t reply)
{
    if (adapter->state != ADAPTER_RUNNING || adapter->input < 0) {
        return;
    }
    size_t bytes = strlen(line);
    struct unsaid *unsaid = malloc(sizeof *unsaid + bytes + 1);
    must(unsaid != NULL);
    *unsaid = (struct unsaid){ .reply = reply, .bytes = bytes + 1 };
    memcpy(unsaid->line, line, bytes + 1);
    unsaid->line[bytes] = '\n';
    if (adapter->last != NULL) {
        adapter->last->next = unsaid;
    } else {
        adapter->first = unsaid;
    }
    adapter->last = unsaid;
    adapter->unsaid_bytes += unsaid->bytes;
}

bool adapter_withdraw(struct adapter *adapter, int64_t reply)
{
    struct unsaid *before = NULL;
    for (struct unsaid *line = adapter->first; line != NULL; before = line, line = line->next) {
        if (line->reply != reply) {
            continue;
        }
        if (before == NULL) {
            if (adapter->first_written > 0) {
                return false;
            }
            adapter_drop_first(adapter);
            return true;
        }
        before->next = line->next;
        if (adapter->last == line) {
            adapter->last = before;
        }
        adapter->unsaid_bytes -= line->bytes;
        free(line);
        return true;
    }
    return false;
}

int64_t adapter_withdraw_any(struct adapter *adapter)
{
    for (struct unsaid *line = adapter->first; line != NULL; line = line->next) {
        int64_t reply = line->reply;
        if (reply > 0 && adapter_withdraw(adapter, reply)) {
            return reply;
        }
    }
    return 0;
}

bool adapter_may_hear(const struct adapter *adapter)
{
    return adapter->state == ADAPTER_RUNNING && adapter->input >= 0;
}

size_t adapter_unsaid(const struct adapter *adapter)
{
    return adapter->input >= 0 ? adapter->unsaid_bytes : 0;
}

// ---- ending ----

void adapter_stop(struct adapter *adapter, int64_t now_ms)
{
    if (adapter->state != ADAPTER_RUNNING || adapter->stopping_since_ms >= 0) {
        return;
    }
    adapter->stopping_since_ms = now_ms;
    adapter_close_end(&adapter->input);
}

void adapter_kill(struct adapter *adapter)
{
    if (adapter->state == ADAPTER_RUNNING) {
        kill(-adapter->pid, SIGKILL);
    }
}

int adapter_tick(struct adapter *adapter, int64_t now_ms)
{
    if (adapter->state != ADAPTER_RUNNING) {
        return -1;
    }
    if (adapter->output_lines.ended) {
        adapter_stop(adapter, now_ms); // it can confirm nothing more
    }
    if (adapter->stopping_since_ms < 0) {
        return -1;
    }

    static const struct {
        int64_t after_ms;
        int signal;
        const char *name;
    } steps[] = { { ADAPTER_TERM_MS, SIGTERM, "TERM" }, { ADAPTER_KILL_MS, SIGKILL, "KILL" } };
    int64_t passed_ms = now_ms - adapter->stopping_since_ms;
    while (adapter->signals_sent < 2 && passed_ms >= steps[adapter->signals_sent].after_ms) {
        log_info("adapter pid=%d did not end: sending %s", (int) adapter->pid, steps[adapter->signals_sent].name);
        kill(-adapter->pid, steps[adapter->signals_sent].signal);
        adapter->signals_sent++;
    }
    return adapter->signals_sent < 2 ? (int) (steps[adapter->signals_sent].after_ms - passed_ms) : -1;
}

bool adapter_reap(struct adapter *adapter, char *how, size_t how_bytes, bool *clean)
{
    if (adapter->state != ADAPTER_RUNNING) {
        return false;
    }
    siginfo_t info = { 0 };
    if (waitid(P_PID, (id_t) adapter->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) {
        return false;
    }
    kill(-adapter->pid, SIGKILL); // whatever it left behind, while its number is still its own
    while (waitpid(adapter->pid, NULL, 0) < 0 && errno == EINTR) {
        continue;
    }

    *clean = info.si_code == CLD_EXITED && info.si_status == 0;
    if (info.si_code == CLD_EXITED) {
        snprintf(how, how_bytes, "pid=%d exited with status %d", (int) adapter->pid, info.si_status);
    } else {
        snprintf(how, how_bytes, "pid=%d ended by signal %d (%s)", (int) adapter->pid, info.si_status,
                 strsignal(info.si_status));
    }
    adapter_close_end(&adapter->input);
    adapter_log_errors(adapter);
    adapter->state = ADAPTER_DRAINING;
    return true;
}
