// child.c - fork, pipes, and waits with an end: see child.h.

#include "tests/system/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

extern char **environ;

#define OUTPUT_BYTES_MAX ((size_t) 8 * 1024 * 1024)

// What came out of a pipe and was not yet passed.
struct stream {
    int fd;
    char *text; // ends with NUL
    size_t bytes;
};

struct child {
    pid_t pid;  // 0 once it has been waited for
    int status; // of the wait
    int input;
    struct stream output;
    struct stream errors;
    const char *part;     // what is waited for
    struct stream *where; // and in which stream
};

struct child *child_new(const char *const *argv)
{
    struct child *child = calloc(1, sizeof *child);
    assert_non_null(child);
    int input[2], output[2], errors[2];
    assert_int_equal(pipe2(input, O_CLOEXEC), 0);
    assert_int_equal(pipe2(output, O_CLOEXEC), 0);
    assert_int_equal(pipe2(errors, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input[0], 0);
    posix_spawn_file_actions_adddup2(&actions, output[1], 1);
    posix_spawn_file_actions_adddup2(&actions, errors[1], 2);
    int error = posix_spawn(&child->pid, argv[0], &actions, NULL, (char **) argv, environ);
    if (error != 0) {
        fail_msg("cannot start %s: %s", argv[0], strerror(error));
    }
    posix_spawn_file_actions_destroy(&actions);
    close(input[0]);
    close(output[1]);
    close(errors[1]);
    fcntl(output[0], F_SETFL, O_NONBLOCK);
    fcntl(errors[0], F_SETFL, O_NONBLOCK);
    child->input = input[1];
    child->output = (struct stream){ .fd = output[0], .text = calloc(1, 1) };
    child->errors = (struct stream){ .fd = errors[0], .text = calloc(1, 1) };
    return child;
}

struct child *child_new_in_terminal(const char *const *argv)
{
    struct child *child = calloc(1, sizeof *child);
    assert_non_null(child);
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(master >= 0);
    assert_int_equal(grantpt(master), 0);
    assert_int_equal(unlockpt(master), 0);
    struct winsize size = { .ws_row = 24, .ws_col = 80 };
    assert_int_equal(ioctl(master, TIOCSWINSZ, &size), 0);

    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, ptsname(master), O_RDWR, 0);
    posix_spawn_file_actions_adddup2(&actions, 0, 1);
    posix_spawn_file_actions_adddup2(&actions, 0, 2);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
    int error = posix_spawn(&child->pid, argv[0], &actions, &attributes, (char **) argv, environ);
    if (error != 0) {
        fail_msg("cannot start %s: %s", argv[0], strerror(error));
    }
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    fcntl(master, F_SETFL, O_NONBLOCK);
    child->input = fcntl(master, F_DUPFD_CLOEXEC, 3);
    child->output = (struct stream){ .fd = master, .text = calloc(1, 1) };
    child->errors = (struct stream){ .fd = -1, .text = calloc(1, 1) };
    return child;
}

void child_destroy(struct child **child_p)
{
    struct child *child = *child_p;
    if (child == NULL) {
        return;
    }
    if (child->pid > 0) {
        kill(child->pid, SIGKILL);
        waitpid(child->pid, NULL, 0);
    }
    child_close_input(child);
    if (child->output.fd >= 0) {
        close(child->output.fd);
    }
    if (child->errors.fd >= 0) {
        close(child->errors.fd);
    }
    free(child->output.text);
    free(child->errors.text);
    free(child);
    *child_p = NULL;
}

void child_write(struct child *child, const char *line)
{
    char *text = NULL;
    int bytes = asprintf(&text, "%s\n", line);
    assert_true(bytes > 0);
    assert_int_equal(write(child->input, text, (size_t) bytes), bytes);
    free(text);
}

void child_type(struct child *child, const char *text)
{
    assert_int_equal(write(child->input, text, strlen(text)), (ssize_t) strlen(text));
}

void child_close_input(struct child *child)
{
    if (child->input >= 0) {
        close(child->input);
    }
    child->input = -1;
}

void child_hang_up(struct child *child)
{
    child_close_input(child);
    close(child->output.fd);
    child->output.fd = -1;
}

static void fill(struct stream *stream)
{
    char buffer[16384];
    ssize_t count;
    while ((count = read(stream->fd, buffer, sizeof buffer)) > 0) {
        assert_true(stream->bytes + (size_t) count < OUTPUT_BYTES_MAX);
        stream->text = realloc(stream->text, stream->bytes + (size_t) count + 1);
        memcpy(stream->text + stream->bytes, buffer, (size_t) count);
        stream->bytes += (size_t) count;
        stream->text[stream->bytes] = '\0';
    }
}

// Takes the first whole line with the part, and all before it, out of the stream.
static char *take_line(struct stream *stream, const char *part)
{
    for (char *line = stream->text; line < stream->text + stream->bytes;) {
        char *end = strchr(line, '\n');
        if (end == NULL) {
            return NULL;
        }
        *end = '\0';
        if (strstr(line, part) != NULL) {
            char *found = strdup(line);
            size_t passed = (size_t) (end + 1 - stream->text);
            memmove(stream->text, end + 1, stream->bytes - passed + 1);
            stream->bytes -= passed;
            return found;
        }
        *end = '\n';
        line = end + 1;
    }
    return NULL;
}

static bool has_line(void *self)
{
    struct child *child = self;
    fill(&child->output);
    fill(&child->errors);
    for (const char *line = child->where->text; line != NULL && *line != '\0';) {
        const char *end = strchr(line, '\n');
        const char *found = strstr(line, child->part);
        if (end == NULL || found == NULL) {
            return false;
        }
        if (found < end) {
            return true;
        }
        line = end + 1;
    }
    return false;
}

// Waits for a condition, at most FAKE_BROKER_WAIT_MS.
static void wait_until(struct child *child, struct fake_broker *broker, bool (*ready)(void *self))
{
    for (int turn = 0; turn < FAKE_BROKER_WAIT_MS / 5 && !ready(child); turn++) {
        struct pollfd fds[] = { { .fd = child->output.fd, .events = POLLIN },
                                { .fd = child->errors.fd, .events = POLLIN } };
        if (broker != NULL) {
            fake_broker_work(broker, 5);
        } else if (poll(fds, 2, 5) > 0 && !((fds[0].revents | fds[1].revents) & POLLIN)) {
            poll(NULL, 0, 5); // a pipe that has ended is always ready
        }
    }
}

static bool is_done(void *self)
{
    struct child *child = self;
    if (has_line(child)) {
        return true;
    }
    if (child->pid > 0 && waitpid(child->pid, &child->status, WNOHANG) == child->pid) {
        child->pid = 0;
    }
    return child->pid == 0;
}

static char *expect(struct child *child, struct stream *where, struct fake_broker *broker, const char *part)
{
    child->part = part;
    child->where = where;
    wait_until(child, broker, is_done);
    has_line(child);
    char *line = take_line(where, part);
    if (line == NULL) {
        fail_msg("no line with \"%s\" came%s\n--- output\n%s\n--- errors\n%s", part,
                 child->pid == 0 ? "; the program has ended" : "", child->output.text, child->errors.text);
    }
    return line;
}

char *child_expect(struct child *child, struct fake_broker *broker, const char *part)
{
    return expect(child, &child->output, broker, part);
}

char *child_expect_error(struct child *child, struct fake_broker *broker, const char *part)
{
    return expect(child, &child->errors, broker, part);
}

const char *child_output(struct child *child)
{
    fill(&child->output);
    return child->output.text;
}

const char *child_errors(struct child *child)
{
    fill(&child->errors);
    return child->errors.text;
}

void child_signal(struct child *child, int signal)
{
    assert_true(child->pid > 0);
    kill(child->pid, signal);
}

static bool has_ended(void *self)
{
    struct child *child = self;
    fill(&child->output);
    fill(&child->errors);
    if (child->pid > 0 && waitpid(child->pid, &child->status, WNOHANG) == child->pid) {
        child->pid = 0;
    }
    return child->pid == 0;
}

int child_wait(struct child *child, struct fake_broker *broker)
{
    wait_until(child, broker, has_ended);
    if (child->pid > 0) {
        fail_msg("the program did not end\n--- output\n%s\n--- errors\n%s", child->output.text, child->errors.text);
    }
    fill(&child->output);
    fill(&child->errors);
    return WIFEXITED(child->status) ? WEXITSTATUS(child->status) : -WTERMSIG(child->status);
}
