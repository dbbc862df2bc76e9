// json_mode.c - lines of JSON both ways, for scripts and programs that act for a person.
//
// Every message of the broker is one line: {"type":"ITEM", ...its fields}.  Every line of standard input is
// a request: {"type":"ANSWER","item":1,"lease":2,"text":"..."}.  A request may carry an "id", any JSON value of
// the caller's; its answer carries the same.  What cannot be understood is answered by an ERROR.  A change of
// the connection is told as {"type":"CONNECTION","state":"ready|lost|refused|ended","sure":true|false,"reason":"..."}:
// while `sure` is false nobody knows whether what the person had is theirs still; it is told again once that is known.
//
// No message is spelt out here: the table of messages leads.

#include "worker/agent/worker_options.h"

#include "proto/base/must.h"
#include "proto/base/clocks.h"
#include "worker/line_reader.h"
#include "worker/message_json.h"
#include "worker/signals.h"

#include <behalf/client.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define REQUESTS_MAX 256     // without an answer at a time; then no more is read
#define LAST_WAIT_MS 30000   // after the end of the input, for the last answers
#define LAST_ANSWERS_MS 2000 // after SIGHUP, in all
#define BYE_MS 1000

struct request {
    int64_t id;     // 0: this place is free
    json_t *own_id; // the caller's, or NULL
};

struct json_mode {
    const struct worker_options *options;
    struct behalf_client *client;
    enum behalf_client_state state; // as last told
    bool sure;                      // as last told
    struct line_reader lines;
    struct request requests[REQUESTS_MAX];
    size_t request_count;
    int signals;
    int64_t leave_at_ms; // -1: the input has not ended
    bool over;
    enum worker_end end;
};

// ---- out ----

static void json_mode_finish(struct json_mode *mode, enum worker_end end)
{
    mode->over = true;
    mode->end = end;
}

// Writes an object as a line, and frees it.  Nobody reads any more: signs out.
static void json_mode_put(struct json_mode *mode, json_t *object)
{
    if (json_dumpf(object, stdout, JSON_COMPACT) != 0 || putchar('\n') == EOF || fflush(stdout) != 0) {
        json_mode_finish(mode, WORKER_SIGNED_OUT);
    }
    json_decref(object);
}

static void json_mode_put_error(struct json_mode *mode, json_t *own_id, const char *code, const char *field,
                                const char *reason)
{
    json_t *object = json_pack("{ss ss ss}", "type", "ERROR", "code", code, "reason", reason);
    must(object != NULL);
    if (field[0] != '\0') {
        json_object_set_new(object, "field", json_string(field));
    }
    if (own_id != NULL) {
        json_object_set(object, "id", own_id);
    }
    json_object_set_new(object, "line", json_integer(mode->lines.number));
    json_mode_put(mode, object);
}

static void json_mode_put_connection(struct json_mode *mode, const char *state)
{
    json_mode_put(mode, json_pack("{ss ss sb ss}", "type", "CONNECTION", "state", state, "sure", mode->sure, "reason",
                                  behalf_client_reason(mode->client)));
}

static void json_mode_put_message(struct json_mode *mode, const struct behalf_message *message)
{
    json_t *object = message_to_json(message);
    for (size_t i = 0; i < REQUESTS_MAX && message->id > 0; i++) {
        struct request *request = &mode->requests[i];
        if (request->id != message->id) {
            continue;
        }
        if (request->own_id != NULL) {
            json_object_set_new(object, "id", request->own_id);
        }
        *request = (struct request){ 0 };
        mode->request_count--;
        break;
    }
    json_mode_put(mode, object);
}

// ---- in ----

static bool json_mode_may_send(enum behalf_type type)
{
    return type != BEHALF_NONE && type != BEHALF_HELLO && type != BEHALF_HEARTBEAT && type != BEHALF_BYE &&
           (behalf_type_senders(type) & BEHALF_BY_PERSON) != 0;
}

static void json_mode_note_request(struct json_mode *mode, int64_t id, json_t *own_id)
{
    for (size_t i = 0; i < REQUESTS_MAX; i++) {
        if (mode->requests[i].id != 0) {
            continue;
        }
        mode->requests[i] = (struct request){ .id = id, .own_id = json_incref(own_id) };
        mode->request_count++;
        return;
    }
}

static void json_mode_send_request(struct json_mode *mode, enum behalf_type type, json_t *line, json_t *own_id)
{
    struct behalf_fault fault;
    char unknown[64];
    struct behalf_message *message = message_from_json(type, line, unknown, &fault);
    if (message == NULL) {
        json_mode_put_error(mode, own_id, behalf_code_name(fault.code), fault.field, fault.reason);
    } else if (unknown[0] != '\0') {
        json_mode_put_error(mode, own_id, "INVALID", unknown, "the message has no such field");
    } else {
        int64_t id = behalf_client_send(mode->client, message, &fault);
        if (id > 0) {
            json_mode_note_request(mode, id, own_id);
        } else {
            json_mode_put_error(mode, own_id, behalf_code_name(fault.code), fault.field, fault.reason);
        }
    }
    behalf_message_destroy(&message);
}

static void json_mode_take_line(struct json_mode *mode, const char *text, size_t bytes)
{
    char reason[200];
    if (bytes == 0 || (bytes == 1 && text[0] == '\r')) {
        return;
    }
    json_t *line = json_line_parse(text, bytes, reason, sizeof reason);
    if (line == NULL) {
        json_mode_put_error(mode, NULL, "MALFORMED", "", reason);
        return;
    }
    json_t *own_id = json_object_get(line, "id");
    const char *name = json_string_value(json_object_get(line, "type"));
    enum behalf_type type = name != NULL ? behalf_type_from_name(name) : BEHALF_NONE;
    if (type == BEHALF_BYE) {
        json_mode_finish(mode, WORKER_SIGNED_OUT);
    } else if (!json_mode_may_send(type)) {
        json_mode_put_error(mode, own_id, "UNKNOWN_TYPE", "type",
                            "no message of this type exists that a person may send");
    } else {
        json_mode_send_request(mode, type, line, own_id);
    }
    json_decref(line);
}

// ---- the loop ----

static bool json_mode_may_read(const struct json_mode *mode)
{
    return mode->leave_at_ms < 0 && mode->request_count < REQUESTS_MAX;
}

static bool json_mode_take_lines(struct json_mode *mode)
{
    bool taken = false;
    const char *text;
    size_t bytes;
    enum line_kind kind;
    while (!mode->over && json_mode_may_read(mode) &&
           (kind = line_reader_next(&mode->lines, &text, &bytes)) != LINE_NONE) {
        if (kind == LINE_TOO_LONG) {
            json_mode_put_error(mode, NULL, "MALFORMED", "", "the line is longer than 1 MiB");
        } else {
            json_mode_take_line(mode, text, bytes);
        }
        taken = true;
    }
    if (mode->lines.ended && mode->lines.begin == mode->lines.end && mode->leave_at_ms < 0 && !mode->options->stay) {
        mode->leave_at_ms = clocks_boot_ms() + LAST_WAIT_MS;
    }
    return taken;
}

static void json_mode_watch_session(struct json_mode *mode)
{
    enum behalf_client_state state = behalf_client_state(mode->client);
    bool sure = behalf_client_is_sure(mode->client);
    if (state == mode->state && sure == mode->sure) {
        return;
    }
    mode->state = state;
    mode->sure = sure;
    if (state == BEHALF_CLIENT_READY) {
        json_mode_put_connection(mode, "ready");
    } else if (state == BEHALF_CLIENT_CONNECTING) {
        json_mode_put_connection(mode, "lost");
    } else {
        json_mode_put_connection(mode, state == BEHALF_CLIENT_REFUSED ? "refused" : "ended");
        json_mode_finish(mode, state == BEHALF_CLIENT_REFUSED ? WORKER_REFUSED : WORKER_ENDED);
    }
}

static bool json_mode_take_messages(struct json_mode *mode)
{
    bool taken = false;
    struct behalf_message *message;
    while ((message = behalf_client_next(mode->client)) != NULL) {
        json_mode_put_message(mode, message);
        behalf_message_destroy(&message);
        json_mode_watch_session(mode); // the next call may already lose what this message began
        taken = true;
    }
    return taken;
}

static void json_mode_watch_end(struct json_mode *mode)
{
    if (mode->over || mode->leave_at_ms < 0) {
        return;
    }
    if (mode->request_count == 0) {
        json_mode_finish(mode, WORKER_SIGNED_OUT);
    } else if (clocks_boot_ms() >= mode->leave_at_ms) {
        json_mode_finish(mode, WORKER_UNSAVED);
    }
}

static void json_mode_turn(struct json_mode *mode)
{
    bool busy = true;
    while (busy && !mode->over) {
        busy = json_mode_take_messages(mode);
        json_mode_watch_session(mode);
        busy |= json_mode_take_lines(mode);
        json_mode_watch_end(mode);
    }
}

// Takes the lines that stood in the input before the signal came: whoever wrote them has done their part.
static void json_mode_take_last_lines(struct json_mode *mode)
{
    struct pollfd input = { .fd = mode->lines.fd, .events = POLLIN };
    do {
        json_mode_take_lines(mode);
    } while (!mode->over && json_mode_may_read(mode) && !mode->lines.ended && poll(&input, 1, 0) > 0 &&
             line_reader_fill(&mode->lines));
    json_mode_take_lines(mode);
}

// Nothing that was asked for is left behind in a socket.
static void json_mode_await_answers(struct json_mode *mode)
{
    int64_t deadline_ms = clocks_boot_ms() + LAST_ANSWERS_MS;
    for (size_t i = 0; i < REQUESTS_MAX; i++) {
        int64_t left_ms = deadline_ms - clocks_boot_ms();
        if (mode->requests[i].id == 0 || left_ms <= 0) {
            continue;
        }
        struct behalf_message *answer = behalf_client_wait_answer(mode->client, mode->requests[i].id, (int) left_ms);
        if (answer != NULL) {
            json_mode_put_message(mode, answer);
        }
        behalf_message_destroy(&answer);
    }
}

// SIGHUP is a lost connection: what is held waits for the person.
static void json_mode_hear_signal(struct json_mode *mode)
{
    struct signalfd_siginfo info;
    bool known = read(mode->signals, &info, sizeof info) == (ssize_t) sizeof info;
    json_mode_take_last_lines(mode);
    json_mode_finish(mode, known && info.ssi_signo == SIGHUP ? WORKER_HUNG_UP : WORKER_SIGNED_OUT);
}

static void json_mode_wait_for_work(struct json_mode *mode)
{
    bool read = json_mode_may_read(mode) && !mode->lines.ended;
    struct pollfd fds[] = { { .fd = mode->signals, .events = POLLIN },
                            { .fd = behalf_client_fd(mode->client), .events = POLLIN },
                            { .fd = read ? mode->lines.fd : -1, .events = POLLIN } };
    int timeout_ms = behalf_client_timeout_ms(mode->client);
    if (mode->leave_at_ms >= 0 && (timeout_ms < 0 || timeout_ms > 1000)) {
        timeout_ms = 1000;
    }
    if (poll(fds, 3, timeout_ms) < 0) {
        must(errno == EINTR);
        return;
    }
    if (fds[0].revents != 0) {
        json_mode_hear_signal(mode); // and takes what there is to read
    } else if (fds[2].revents != 0) {
        line_reader_fill(&mode->lines);
    }
}

enum worker_end json_run(const struct worker_options *options)
{
    struct json_mode *mode = calloc(1, sizeof *mode);
    must(mode != NULL);
    mode->options = options;
    mode->leave_at_ms = -1;
    mode->signals = signals_watch((const int[]){ SIGTERM, SIGINT, SIGHUP, 0 }, NULL);
    signal(SIGPIPE, SIG_IGN);
    line_reader_init(&mode->lines, STDIN_FILENO, BEHALF_FRAME_BYTES);
    struct behalf_hello hello = { .role = "person",
                                  .name = options->name,
                                  .desk = options->desk,
                                  .program = "behalf-worker " BEHALF_VERSION " --json" };
    mode->client = behalf_client_new(options->brokers, &hello);
    if (mode->client == NULL) {
        fprintf(stderr, "behalf-worker: the broker's address or the name cannot be used\n");
        json_mode_finish(mode, WORKER_USAGE);
    }
    while (!mode->over) {
        json_mode_turn(mode);
        if (!mode->over) {
            json_mode_wait_for_work(mode);
        }
    }
    if (mode->client != NULL && mode->end == WORKER_HUNG_UP) {
        json_mode_await_answers(mode);
    } else if (mode->client != NULL) {
        behalf_client_close(mode->client, "signed out", BYE_MS);
    }
    for (size_t i = 0; i < REQUESTS_MAX; i++) {
        json_decref(mode->requests[i].own_id);
    }
    enum worker_end end = mode->end;
    line_reader_fini(&mode->lines);
    behalf_client_destroy(&mode->client);
    close(mode->signals);
    free(mode);
    return end;
}
