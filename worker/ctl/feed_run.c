// feed_run.c - rows in flight, their answers, and what is told of it: see feed_run.h.

#include "worker/ctl/feed_run.h"

#include "worker/ctl/feed_cursor.h"
#include "worker/ctl/feed_ids.h"
#include "worker/ctl/output.h"
#include "worker/signals.h"

#include "proto/base/clocks.h"
#include "proto/base/must.h"

#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define PROGRESS_MS 250
#define CURSOR_MS 1000
#define HELD_MAX 16      // rows that wait until it is clear whether ids are rounded; each adds a zero at least
#define DIFFERING_TOLD 5 // rows that are told of one by one
#define MENDED_TOLD 5    // likewise
#define DRAIN_MS 10000   // how long to wait for what is in flight once there is a reason to stop

enum stop {
    STOP_NOT,
    STOP_END,      // all rows are read
    STOP_SIGNAL,   // Ctrl-C
    STOP_BAD_ROW,  // --strict
    STOP_REFUSED,  // the broker refuses in a way that further rows would not mend
    STOP_INPUT,    // the input cannot be read
    STOP_ROUNDED,  // its ids are rounded
    STOP_NO_BROKER // no session for too long
};

// A row on its way, in the order of rows.
struct flight {
    int64_t id; // of its request; 0: it was never sent
    uint64_t row;
    uint64_t line;
    bool settled;
};

// A row that waits, as a frame of its own memory.
struct held_row {
    void *frame;
    size_t frame_bytes;
    uint64_t row;
    uint64_t line;
};

struct feed_run {
    const struct feed_plan *plan;
    enum stop stop;

    struct mending *mending;
    struct feed_ids ids;
    struct held_row held[HELD_MAX];
    size_t held_count;

    struct flight *ring; // a power of two
    size_t ring_size, ring_first, ring_count;
    size_t unanswered;

    uint64_t rows, taken, repeated, differing, skipped, refused;
    uint64_t settled_row; // up to and with this row nothing need be sent again
    uint64_t saved_row;   // what the cursor says
    bool saved;           // there is a cursor that says so
    uint64_t passed_row;  // rows before plan->from_row that were read
    bool wants_input;     // the reader has no whole row

    int signals; // a descriptor
    int64_t begun_ms, ready_ms, drain_until_ms, progress_at_ms, cursor_at_ms;
    uint64_t progress_rows; // when the progress was shown last
    double rate;            // rows a second, smoothed
    bool progress_shown;
    bool on_terminal;
};

// ---- what is said ----

static void feed_run_hide_progress(struct feed_run *self)
{
    if (self->progress_shown) {
        fputs("\r\033[K", stderr);
    }
    self->progress_shown = false;
}

__attribute__((format(printf, 3, 4))) static void feed_run_report(struct feed_run *self, uint64_t line,
                                                                  const char *format, ...)
{
    char text[FEED_FAULT_BYTES + 256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    feed_run_hide_progress(self);
    if (line) {
        ctl_complain(self->plan->options, "%s:%" PRIu64 ": %s", self->plan->name, line, text);
    } else {
        ctl_complain(self->plan->options, "%s: %s", self->plan->name, text);
    }
}

static void feed_run_print_time_left(struct feed_run *self)
{
    uint64_t done = row_reader_bytes(self->plan->reader), whole = self->plan->input_bytes;
    if (!whole || !done || done > whole) {
        return;
    }
    fprintf(stderr, ", %d%%", (int) (100 * done / whole));
    double rows_left = (double) self->rows * (double) (whole - done) / (double) done;
    if (self->rate >= 0.1) {
        char left[OUTPUT_TIME_BYTES];
        fprintf(stderr, ", %s left", output_duration(left, (int64_t) (1000 * rows_left / self->rate)));
    }
}

static void feed_run_show_progress(struct feed_run *self, int64_t now_ms)
{
    if (!self->on_terminal || now_ms < self->progress_at_ms + PROGRESS_MS) {
        return;
    }
    uint64_t settled = self->taken + self->repeated + self->skipped + self->refused;
    double seconds = (double) (now_ms - self->progress_at_ms) / 1000;
    double rate = (double) (settled - self->progress_rows) / seconds;
    self->rate = self->rate > 0 ? 0.8 * self->rate + 0.2 * rate : rate;
    self->progress_rows = settled;
    self->progress_at_ms = now_ms;
    feed_run_hide_progress(self);
    fprintf(stderr, "%" PRIu64 " taken, %" PRIu64 " repeated, %" PRIu64 " bad, %.0f/s", self->taken, self->repeated,
            self->skipped + self->refused, self->rate);
    feed_run_print_time_left(self);
    struct behalf_client *client = self->plan->client;
    if (client != NULL && behalf_client_state(client) == BEHALF_CLIENT_CONNECTING) {
        fputs(", ", stderr);
        output_visible(stderr, behalf_client_reason(client), self->plan->options->visible);
    }
    fflush(stderr);
    self->progress_shown = true;
}

// ---- how far it has come ----

static bool feed_run_save_cursor(struct feed_run *self)
{
    if (self->plan->cursor_path == NULL || (self->saved && self->saved_row == self->settled_row)) {
        return true;
    }
    char fault[1024];
    if (!feed_cursor_save(self->plan->cursor_path, self->plan->cursor_source, self->settled_row, fault, sizeof fault)) {
        feed_run_hide_progress(self);
        ctl_complain(self->plan->options, "the cursor cannot be kept: %s", fault);
        return false;
    }
    self->saved_row = self->settled_row;
    self->saved = true;
    return true;
}

static struct flight *feed_run_flight_at(const struct feed_run *self, size_t i)
{
    return &self->ring[(self->ring_first + i) & (self->ring_size - 1)];
}

static void feed_run_add_flight(struct feed_run *self, struct flight flight)
{
    if (self->ring_count == self->ring_size) {
        size_t size = self->ring_size ? 2 * self->ring_size : 256;
        struct flight *ring = calloc(size, sizeof *ring);
        must(ring);
        for (size_t i = 0; i < self->ring_count; i++) {
            ring[i] = *feed_run_flight_at(self, i);
        }
        free(self->ring);
        self->ring = ring;
        self->ring_size = size;
        self->ring_first = 0;
    }
    *feed_run_flight_at(self, self->ring_count++) = flight;
}

// Lets go of the rows at the front that need no more attention.
static void feed_run_drop_settled(struct feed_run *self)
{
    while (self->ring_count && feed_run_flight_at(self, 0)->settled) {
        self->settled_row = feed_run_flight_at(self, 0)->row;
        self->ring_first = (self->ring_first + 1) & (self->ring_size - 1);
        self->ring_count--;
    }
}

// The row of an answer: most come in order, so it is near the front.
static struct flight *feed_run_find_flight(const struct feed_run *self, int64_t id)
{
    for (size_t i = 0; i < self->ring_count; i++) {
        if (feed_run_flight_at(self, i)->id == id) {
            return feed_run_flight_at(self, i);
        }
    }
    return NULL;
}

static void feed_run_stop_for(struct feed_run *self, enum stop reason)
{
    if (self->stop == STOP_NOT || self->stop == STOP_END) {
        self->stop = reason;
    }
    self->drain_until_ms = clocks_monotonic_ms() + DRAIN_MS;
}

// ---- rows out ----

static void feed_run_bad_row(struct feed_run *self, const struct row *row, const char *fault)
{
    self->skipped++;
    feed_run_report(self, row->line, "skipped: %s", fault);
    feed_run_add_flight(self, (struct flight){ .row = row->number, .line = row->line, .settled = !self->plan->strict });
    if (self->plan->strict) {
        feed_run_stop_for(self, STOP_BAD_ROW);
    }
}

// Checks the limits of a post that is not sent.
static bool feed_run_check_post(const struct behalf_message *post, struct behalf_fault *fault)
{
    struct behalf_message numbered = *post;
    numbered.id = 1;
    size_t frame_bytes;
    void *frame = behalf_message_encode(&numbered, &frame_bytes, fault);
    free(frame);
    return frame != NULL;
}

static struct flight *feed_run_flight_of_row(const struct feed_run *self, uint64_t row)
{
    size_t i = 0;
    while (i < self->ring_count && feed_run_flight_at(self, i)->row != row) {
        i++;
    }
    must(i < self->ring_count);
    return feed_run_flight_at(self, i);
}

// Its flight is there already, in the order of rows.
static void feed_run_send_held(struct feed_run *self, const struct held_row *held)
{
    struct behalf_fault fault = { 0 };
    struct flight *flight = feed_run_flight_of_row(self, held->row);
    struct behalf_message *post = behalf_message_decode(held->frame, held->frame_bytes, &fault);
    must(post);
    post->id = 0;
    if (self->plan->client == NULL) {
        self->taken++;
        flight->settled = true;
    } else if ((flight->id = behalf_client_send(self->plan->client, post, &fault)) != 0) {
        self->unanswered++;
    } else {
        self->skipped++;
        feed_run_report(self, held->line, "skipped: %s: %s", fault.field, fault.reason);
        flight->settled = !self->plan->strict;
    }
    behalf_message_destroy(&post);
}

static void feed_run_let_go(struct feed_run *self, bool send)
{
    for (size_t i = 0; i < self->held_count; i++) {
        if (send) {
            feed_run_send_held(self, &self->held[i]);
        }
        free(self->held[i].frame);
    }
    self->held_count = 0;
}

static void feed_run_stop_for_ids(struct feed_run *self, uint64_t line, const char *fault)
{
    feed_run_report(self, line, "%s", fault);
    feed_run_let_go(self, false);
    feed_run_stop_for(self, STOP_ROUNDED);
}

static void feed_run_hold(struct feed_run *self, const struct row *row, const struct behalf_message *post)
{
    must(self->held_count < HELD_MAX);
    struct behalf_message numbered = *post;
    struct behalf_fault fault;
    numbered.id = 1;
    struct held_row held = { .row = row->number, .line = row->line };
    held.frame = behalf_message_encode(&numbered, &held.frame_bytes, &fault);
    if (held.frame == NULL) {
        char words[FEED_FAULT_BYTES];
        snprintf(words, sizeof words, "%s: %s", fault.field, fault.reason);
        feed_run_bad_row(self, row, words);
        return;
    }
    self->held[self->held_count++] = held;
    feed_run_add_flight(self, (struct flight){ .row = row->number, .line = row->line });
}

static const char *feed_run_id_of(const struct behalf_message *post)
{
    return post->type == BEHALF_POST   ? post->post.post
           : post->type == BEHALF_EDIT ? post->edit.post
                                       : post->delete_post.post;
}

// Whether the row may be sent now; else it waits, or the file has been stopped.
static bool feed_run_look_at_id(struct feed_run *self, const struct row *row, const struct behalf_message *post)
{
    char fault[FEED_IDS_FAULT_BYTES];
    const struct row_cell *cell = feed_map_post_cell(self->plan->map, row);
    if (cell == NULL) {
        return true;
    }
    switch (feed_ids_look(&self->ids, feed_run_id_of(post), cell->real, fault)) {
    case FEED_IDS_ROUNDED:
        feed_run_stop_for_ids(self, row->line, fault);
        return false;
    case FEED_IDS_UNSURE:
        feed_run_hold(self, row, post);
        return false;
    default:
        feed_run_let_go(self, true);
        return true;
    }
}

static void feed_run_tell_mended(struct feed_run *self, const struct row *row)
{
    const char *notes = mending_notes(self->mending);
    if (notes[0] && mending_posts(self->mending) < MENDED_TOLD) {
        feed_run_report(self, row->line, "mended: %s", notes);
    }
    mending_end(self->mending);
}

static void feed_run_send_row(struct feed_run *self, const struct row *row)
{
    struct behalf_message post;
    char words[FEED_FAULT_BYTES];
    struct behalf_fault fault = { 0 };
    int64_t id = 0;
    self->rows++;
    if (row->fault[0]) {
        feed_run_bad_row(self, row, row->fault);
        return;
    }
    if (!feed_map_apply(self->plan->map, row, self->mending, &post, words)) {
        feed_run_bad_row(self, row, words);
        return;
    }
    feed_run_tell_mended(self, row);
    if (!feed_run_look_at_id(self, row, &post)) {
        return;
    }
    bool sound = self->plan->client != NULL ? (id = behalf_client_send(self->plan->client, &post, &fault)) != 0
                                            : feed_run_check_post(&post, &fault);
    if (!sound) {
        snprintf(words, sizeof words, "%s: %s", fault.field, fault.reason);
        feed_run_bad_row(self, row, words);
        return;
    }
    feed_run_add_flight(self, (struct flight){ .id = id, .row = row->number, .line = row->line, .settled = id == 0 });
    if (id) {
        self->unanswered++;
    } else {
        self->taken++;
    }
}

static bool feed_run_has_room(const struct feed_run *self)
{
    const struct behalf_client *client = self->plan->client;
    if (self->stop != STOP_NOT) {
        return false;
    }
    return client == NULL ||
           (behalf_client_state(client) == BEHALF_CLIENT_READY && self->unanswered < behalf_client_window(client));
}

static void feed_run_end_rows(struct feed_run *self)
{
    char fault[FEED_IDS_FAULT_BYTES];
    if (feed_ids_end(&self->ids, fault) == FEED_IDS_ROUNDED) {
        feed_run_stop_for_ids(self, 0, fault);
        return;
    }
    feed_run_let_go(self, true);
    if (self->stop == STOP_NOT) {
        self->stop = STOP_END;
    }
}

// Sends rows until there is no room or no whole row; few enough that answers are not kept waiting.
static void feed_run_send_rows(struct feed_run *self)
{
    self->wants_input = false;
    for (int i = 0; i < 256 && feed_run_has_room(self); i++) {
        const struct row *row;
        enum row_result result = row_reader_next(self->plan->reader, &row);
        if (result == ROW_MORE) {
            self->wants_input = true;
            return;
        }
        if (result == ROW_END) {
            if (!self->rows) { // none was wanted; of those passed over the last may have been empty
                self->passed_row = row_reader_rows(self->plan->reader);
            }
            feed_run_end_rows(self);
            return;
        }
        if (row->number >= self->plan->from_row) {
            feed_run_send_row(self, row);
        } else {
            self->passed_row = row->number;
        }
    }
}

static void feed_run_read_input(struct feed_run *self)
{
    char fault[ROW_FAULT_BYTES];
    if (!row_reader_fill(self->plan->reader, fault)) {
        feed_run_report(self, 0, "%s", fault);
        feed_run_stop_for(self, STOP_INPUT);
    }
}

// ---- answers in ----

// Whether the next row could fare better than this one.
static bool feed_run_hopeless(const char *code_name)
{
    switch (behalf_code_from_name(code_name)) {
    case BEHALF_CODE_FORBIDDEN:
    case BEHALF_CODE_UNKNOWN_TYPE:
    case BEHALF_CODE_VERSION:
    case BEHALF_CODE_NOT_SIGNED_IN:
    case BEHALF_CODE_STORE:
        return true;
    default:
        return false;
    }
}

static void feed_run_refused_row(struct feed_run *self, struct flight *flight, const struct behalf_error *error)
{
    bool ends = feed_run_hopeless(error->code);
    self->refused++;
    feed_run_report(self, flight->line, "refused by the broker: %s%s%s%s%s", error->code, error->field[0] ? ": " : "",
                    error->field, error->reason[0] ? ": " : "", error->reason);
    flight->settled = !ends && !self->plan->strict;
    if (ends) {
        feed_run_stop_for(self, STOP_REFUSED);
    } else if (self->plan->strict) {
        feed_run_stop_for(self, STOP_BAD_ROW);
    }
}

static void feed_run_take_answer(struct feed_run *self, const struct behalf_message *message)
{
    struct flight *flight = message->id ? feed_run_find_flight(self, message->id) : NULL;
    if (flight == NULL) {
        return;
    }
    flight->id = 0;
    self->unanswered--;
    if (message->type == BEHALF_ERROR) {
        feed_run_refused_row(self, flight, &message->error);
        return;
    }
    if (message->taken.differs && self->differing++ < DIFFERING_TOLD) {
        feed_run_report(self, flight->line,
                        "repeated, but under this id another author or another text was taken (item %" PRId64
                        "): nothing was changed",
                        message->taken.item);
    }
    if (message->taken.repeated) {
        self->repeated++;
    } else {
        self->taken++;
    }
    flight->settled = true;
}

static void feed_run_take_answers(struct feed_run *self)
{
    struct behalf_message *message;
    while (self->plan->client != NULL && (message = behalf_client_next(self->plan->client)) != NULL) {
        feed_run_take_answer(self, message);
        behalf_message_destroy(&message);
    }
    feed_run_drop_settled(self);
}

static void feed_run_watch_session(struct feed_run *self, int64_t now_ms)
{
    struct behalf_client *client = self->plan->client;
    if (client == NULL || self->stop == STOP_NO_BROKER || self->stop == STOP_REFUSED) {
        return;
    }
    enum behalf_client_state state = behalf_client_state(client);
    if (state == BEHALF_CLIENT_READY) {
        self->ready_ms = now_ms;
    }
    bool gone = state == BEHALF_CLIENT_ENDED || now_ms - self->ready_ms > self->plan->options->wait_ms;
    if (state != BEHALF_CLIENT_REFUSED && !gone) {
        return;
    }
    feed_run_hide_progress(self);
    ctl_complain(self->plan->options, "%s", behalf_client_reason(client));
    self->stop = state == BEHALF_CLIENT_REFUSED ? STOP_REFUSED : STOP_NO_BROKER;
    self->drain_until_ms = now_ms;
}

// ---- the loop ----

static bool feed_run_finished(const struct feed_run *self, int64_t now_ms)
{
    if (self->stop == STOP_NOT) {
        return false;
    }
    if (!self->unanswered) {
        return true;
    }
    return self->stop != STOP_END && now_ms >= self->drain_until_ms;
}

static void feed_run_take_signal(struct feed_run *self)
{
    struct signalfd_siginfo info;
    if (read(self->signals, &info, sizeof info) != (ssize_t) sizeof info) {
        return;
    }
    feed_run_hide_progress(self);
    if (self->stop == STOP_NOT || self->stop == STOP_END) {
        feed_run_stop_for(self, STOP_SIGNAL);
    } else { // stopping already, and not soon enough
        self->drain_until_ms = clocks_monotonic_ms();
    }
}

static void feed_run_wait_for_something(struct feed_run *self)
{
    int timeout_ms = PROGRESS_MS;
    struct pollfd polls[3] = { { .fd = self->signals, .events = POLLIN }, { .fd = -1 }, { .fd = -1 } };
    if (self->plan->client != NULL) {
        int client_ms = behalf_client_timeout_ms(self->plan->client);
        if (client_ms >= 0 && client_ms < timeout_ms) {
            timeout_ms = client_ms;
        }
        polls[1] = (struct pollfd){ .fd = behalf_client_fd(self->plan->client), .events = POLLIN };
    }
    if (self->wants_input) {
        polls[2] = (struct pollfd){ .fd = self->plan->input, .events = POLLIN };
    } else if (feed_run_has_room(self)) {
        timeout_ms = 0;
    }
    if (poll(polls, 3, timeout_ms) <= 0) {
        return;
    }
    if (polls[0].revents) {
        feed_run_take_signal(self);
    }
    if (polls[2].revents && self->stop == STOP_NOT) {
        feed_run_read_input(self);
    }
}

static void feed_run_loop(struct feed_run *self)
{
    int64_t now_ms = clocks_monotonic_ms();
    while (!feed_run_finished(self, now_ms)) {
        feed_run_send_rows(self);
        feed_run_take_answers(self);
        now_ms = clocks_monotonic_ms();
        feed_run_watch_session(self, now_ms);
        feed_run_show_progress(self, now_ms);
        if (now_ms >= self->cursor_at_ms + CURSOR_MS) {
            self->cursor_at_ms = now_ms;
            feed_run_save_cursor(self); // what it could not save it says; the last one decides
        }
        if (!feed_run_finished(self, now_ms)) {
            feed_run_wait_for_something(self);
        }
    }
    feed_run_hide_progress(self);
}

// ---- the end ----

static double feed_run_seconds_since(int64_t begun_ms)
{
    double seconds = (double) (clocks_monotonic_ms() - begun_ms) / 1000;
    return seconds > 0.001 ? seconds : 0.001;
}

static void feed_run_print_summary(const struct feed_run *self)
{
    const struct feed_plan *plan = self->plan;
    double seconds = feed_run_seconds_since(self->begun_ms);
    double rate = (double) self->rows / seconds;
    char mended[1024];
    mending_describe(self->mending, mended, sizeof mended);
    if (plan->json) {
        output_json(stdout, json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:b, s:I, s:I, s:s}", "rows",
                                      (json_int_t) self->rows, "taken", (json_int_t) self->taken, "repeated",
                                      (json_int_t) self->repeated, "skipped", (json_int_t) self->skipped, "refused",
                                      (json_int_t) self->refused, "settled_row", (json_int_t) self->settled_row,
                                      "seconds", seconds, "rows_a_second", rate, "whole", self->stop == STOP_END,
                                      "differing", (json_int_t) self->differing, "mended",
                                      (json_int_t) mending_posts(self->mending), "mendings", mended));
        return;
    }
    output_visible(stdout, plan->name, plan->options->visible);
    if (plan->client == NULL) {
        printf(": %" PRIu64 " row%s: %" PRIu64 " good, %" PRIu64 " bad; nothing was sent\n", self->rows,
               self->rows == 1 ? "" : "s", self->taken, self->skipped);
    } else {
        printf(": %" PRIu64 " row%s: %" PRIu64 " taken, %" PRIu64 " repeated, %" PRIu64 " skipped, %" PRIu64
               " refused in %.1f s (%.0f a second)\n",
               self->rows, self->rows == 1 ? "" : "s", self->taken, self->repeated, self->skipped, self->refused,
               seconds, rate);
    }
    uint64_t mended_rows = mending_posts(self->mending);
    if (mended_rows) {
        printf("%" PRIu64 " row%s mended: %s\n", mended_rows, mended_rows == 1 ? "" : "s", mended);
    }
    if (self->differing) {
        printf("%" PRIu64 " of those repeated differ%s from what was taken under their id\n", self->differing,
               self->differing == 1 ? "s" : "");
    }
    if (self->unanswered) {
        printf(self->unanswered == 1 ? "%zu row was sent and not answered; sending it again is safe\n"
                                     : "%zu rows were sent and not answered; sending them again is safe\n",
               self->unanswered);
    }
}

static void feed_run_print_how_to_go_on(const struct feed_run *self)
{
    if (self->stop == STOP_END || self->stop == STOP_ROUNDED || self->plan->client == NULL) {
        return;
    }
    if (self->plan->cursor_path != NULL) {
        ctl_complain(self->plan->options,
                     "stopped after row %" PRIu64 ", which %s records; the same command goes on there",
                     self->settled_row, self->plan->cursor_path);
    } else {
        ctl_complain(self->plan->options,
                     "stopped after row %" PRIu64 "; to go on there: the same command with --from %" PRIu64,
                     self->settled_row, self->settled_row + 1);
    }
}

static int feed_run_exit_status(const struct feed_run *self)
{
    switch (self->stop) {
    case STOP_SIGNAL:
        return CTL_INTERRUPTED;
    case STOP_BAD_ROW:
    case STOP_REFUSED:
        return CTL_REFUSED;
    case STOP_INPUT:
    case STOP_ROUNDED:
        return CTL_USAGE;
    case STOP_NO_BROKER:
        return CTL_NO_BROKER;
    default:
        if (self->plan->client == NULL && self->skipped) {
            return CTL_REFUSED;
        }
        return self->rows && !self->taken && !self->repeated ? CTL_NOTHING_TAKEN : CTL_DONE;
    }
}

// A beginning past the end tells of another file than this one.
static bool feed_run_beyond_end(struct feed_run *self)
{
    if (self->stop != STOP_END || self->rows || self->passed_row >= self->plan->from_row - 1) {
        return false;
    }
    feed_run_report(self, 0, "has only %" PRIu64 " rows, but is to be fed from row %" PRIu64, self->passed_row,
                    self->plan->from_row);
    return true;
}

int feed_run(const struct feed_plan *plan)
{
    struct feed_run *self = calloc(1, sizeof *self);
    must(self);
    sigset_t signals_before;
    int64_t now_ms = clocks_monotonic_ms();
    self->plan = plan;
    self->mending = mending_new();
    self->begun_ms = self->ready_ms = self->progress_at_ms = self->cursor_at_ms = now_ms;
    self->on_terminal = !plan->quiet && isatty(STDERR_FILENO);
    self->signals = signals_watch((const int[]){ SIGINT, SIGTERM, SIGHUP, 0 }, &signals_before);
    self->settled_row = plan->from_row - 1;
    int status = CTL_USAGE;
    if (feed_run_save_cursor(self)) { // one that cannot be written is known before anything is sent
        feed_run_loop(self);
        bool short_input = feed_run_beyond_end(self);
        bool saved = feed_run_save_cursor(self);
        feed_run_print_summary(self);
        feed_run_print_how_to_go_on(self);
        status = feed_run_exit_status(self);
        if (status == CTL_DONE && (!saved || short_input)) {
            status = CTL_USAGE;
        }
    }
    close(self->signals);
    sigprocmask(SIG_SETMASK, &signals_before, NULL);
    feed_run_let_go(self, false);
    mending_destroy(&self->mending);
    free(self->ring);
    free(self);
    return status;
}
