// plain.c - the loop of working at a prompt: what is typed, signals, time; see plain.h.

#include "worker/agent/plain.h"

#include "proto/base/must.h"
#include "proto/base/clocks.h"
#include "worker/signals.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define OFFER_WARNING_MS 10000 // before an offer runs out
#define LAST_DRAFT_MS 2000     // to save the last draft, before signing out
#define BYE_MS 1000

static void plain_take_argument(struct plain *plain, char *line)
{
    plain->mode = MODE_COMMAND;
    if (line[strspn(line, " \t")] == '\0') {
        plain_tell(plain, "Left.");
    } else if (!command_needs_item(plain->verb) || plain->front != NULL) {
        plain_run_command(plain, plain->verb, line);
    }
}

static void plain_take_leave(struct plain *plain, const char *line)
{
    enum command_reply reply = command_reply(line);
    if (reply == REPLY_YES) {
        plain_finish(plain, WORKER_SIGNED_OUT);
    } else if (reply == REPLY_NO) {
        plain->mode = MODE_COMMAND;
    } else {
        plain_tell(plain, "Say y or n.");
    }
}

static void plain_take_line(struct plain *plain, char *line)
{
    plain->interrupted = false;
    switch (plain->mode) {
    case MODE_COMMAND:
        plain_take_command(plain, line);
        break;
    case MODE_ARGUMENT:
        plain_take_argument(plain, line);
        break;
    case MODE_TEXT:
        plain_take_text_line(plain, line);
        break;
    case MODE_EDIT:
        plain_take_edited_line(plain, line);
        break;
    case MODE_RESUME:
        plain_take_resume(plain, line);
        break;
    case MODE_REPLACE:
        plain_take_replace(plain, line);
        break;
    case MODE_CONFIRM:
        plain_take_confirmation(plain, line);
        break;
    case MODE_LEAVE:
        plain_take_leave(plain, line);
        break;
    case MODE_WAIT:
        break;
    }
}

// Ctrl-D, or the end of a script.
static void plain_take_end(struct plain *plain)
{
    if (plain_is_writing(plain->mode) && prompt_is_terminal(plain->prompt)) {
        plain_end_text(plain);
    } else if (plain->mode == MODE_COMMAND && prompt_is_terminal(plain->prompt)) {
        plain_run_quit(plain);
    } else if (plain->mode == MODE_LEAVE || !prompt_is_terminal(plain->prompt)) {
        plain_finish(plain, WORKER_SIGNED_OUT);
    } else {
        plain->mode = MODE_COMMAND;
    }
}

// What signing out does to what is held, and to what is only offered.
static void plain_question_to_leave(const struct plain *plain, char *question, size_t bytes)
{
    size_t held = plain_count(plain, "held"), offered = plain_count(plain, "offered");
    if (held == 0) {
        snprintf(question, bytes, "%zu offered to you, none held: leave %s and sign out? (y/n) ", offered,
                 offered == 1 ? "it" : "them");
    } else if (offered == 0) {
        snprintf(question, bytes, "you hold %zu: back to the queues with %s and sign out? (y/n) ", held,
                 held == 1 ? "it" : "them");
    } else {
        snprintf(question, bytes, "you hold %zu, and %zu offered: back to the queues with them and sign out? (y/n) ",
                 held, offered);
    }
}

// The offer that runs out first, or NULL.
static const struct behalf_item *plain_first_offer(const struct plain *plain)
{
    const struct behalf_item *first = NULL;
    for (const struct held *held = plain->items; held != NULL; held = held->next) {
        const struct behalf_item *item = &held->message->item;
        bool runs = strcmp(item->state, "offered") == 0 && item->answer_by_ms > 0;
        if (runs && (first == NULL || item->answer_by_ms < first->answer_by_ms)) {
            first = item;
        }
    }
    return first;
}

// "12 offered, 24 s>", "7 (2 offered, 9 s)>": what waits for the person to take it, and how long still.  Where lines
// cannot be written over, without what changes by itself.
static void plain_question_with_offers(const struct plain *plain, char *question, size_t bytes)
{
    const struct behalf_item *front = plain_front(plain), *offer = plain_first_offer(plain);
    const char *unsure = plain->unsure ? " (not sure that it is still yours)" : "";
    bool offered = strcmp(front->state, "offered") == 0, shown = prompt_is_terminal(plain->prompt);
    char left[32] = "";
    if (offered && front->answer_by_ms > 0) {
        offer = front;
    }
    if (offer != NULL && shown) {
        int64_t left_ms = offer->answer_by_ms - plain_broker_ms(plain);
        snprintf(left, sizeof left, ", %" PRId64 " s", left_ms > 0 ? left_ms / 1000 : 0);
    }
    if (offered) {
        snprintf(question, bytes, "%" PRId64 " offered%s%s> ", front->item, left, unsure);
    } else if (offer != NULL && shown) {
        snprintf(question, bytes, "%" PRId64 " (%zu offered%s)%s> ", front->item, plain_count(plain, "offered"), left,
                 unsure);
    } else {
        snprintf(question, bytes, "%" PRId64 "%s> ", front->item, unsure);
    }
}

// The question that the next line answers.
static void plain_ask_person(struct plain *plain)
{
    char question[160];
    char *prefill = NULL;
    switch (plain->mode) {
    case MODE_COMMAND:
        if (plain->front == NULL) {
            snprintf(question, sizeof question, "behalf> ");
        } else {
            plain_question_with_offers(plain, question, sizeof question);
        }
        break;
    case MODE_ARGUMENT:
        snprintf(question, sizeof question, "%s", command_question(plain->verb));
        break;
    case MODE_EDIT:
        snprintf(question, sizeof question, "mend:  ");
        if (prompt_fd(plain->prompt) < 0) {
            prefill = plain_next_line_to_edit(plain);
        }
        break;
    case MODE_RESUME:
        snprintf(question, sizeof question, "use it (u), edit it (e) or write a new one (n)? ");
        break;
    case MODE_REPLACE:
        snprintf(question, sizeof question, "put what you typed in its place? (y/n) ");
        break;
    case MODE_CONFIRM:
        snprintf(question, sizeof question,
                 plain->verb == COMMAND_APPROVE ? "let it go out? (y/n/edit) " : "send it? (y/n/edit) ");
        break;
    case MODE_LEAVE:
        plain_question_to_leave(plain, question, sizeof question);
        break;
    default:
        snprintf(question, sizeof question, "write: ");
        break;
    }
    if (plain->mode == MODE_CONFIRM || plain->mode == MODE_REPLACE || plain->mode == MODE_RESUME) {
        prompt_ask_person(plain->prompt, question);
    } else {
        prompt_ask(plain->prompt, question, prefill, plain->mode == MODE_COMMAND);
    }
    free(prefill);
}

static bool plain_may_type(const struct plain *plain)
{
    return !plain->over && plain->asked == 0 && plain->mode != MODE_WAIT &&
           (plain->timeout_ms > 0 || prompt_is_terminal(plain->prompt)); // a script waits for the session
}

static void plain_hear_person(struct plain *plain, bool readable)
{
    char *line;
    switch (prompt_read(plain->prompt, readable, &line)) {
    case PROMPT_LINE:
        plain_take_line(plain, line);
        break;
    case PROMPT_BAD:
        plain_tell(plain, "That line was not taken: it is too long, or not UTF-8.");
        break;
    case PROMPT_EARLY:
        plain_tell(plain,
                   "That was typed before the question was shown, so it is no answer. Of a text of several lines only"
                   " the first was taken: say n, and `answer` alone takes them all.");
        break;
    case PROMPT_END:
        plain_take_end(plain);
        break;
    case PROMPT_NOTHING:
        break;
    }
    free(line);
}

// ---- signals and time ----

// Ctrl-C leaves what one is in the middle of; at a bare prompt it asks, and the second time it signs out.
static void plain_interrupt(struct plain *plain)
{
    bool typed = prompt_typed(plain->prompt)[0] != '\0';
    bool idle = (plain->mode == MODE_COMMAND && !typed) || plain->mode == MODE_LEAVE || plain->asked != 0;
    if (idle && (plain->interrupted || plain->mode == MODE_LEAVE)) {
        plain_finish(plain, plain->asked != 0 ? WORKER_UNSAVED : WORKER_SIGNED_OUT);
        return;
    }
    plain->interrupted = idle;
    if (plain_is_writing(plain->mode)) {
        char *written = plain_written(plain);
        if (plain->front != NULL && written[0] != '\0') {
            plain_set_text(&plain->front->text, written);
        }
        plain_save_written(plain);
        free(written);
        plain_end_writing(plain);
        prompt_leave(plain->prompt);
        plain_tell(plain, "Left; what you wrote is kept as a draft: `edit` mends it, `answer` begins with it.");
        return;
    }
    bool asks = idle && plain->items != NULL && plain->asked == 0 && prompt_is_terminal(plain->prompt);
    plain->mode = asks ? MODE_LEAVE : MODE_COMMAND;
    prompt_leave(plain->prompt);
    if (idle && !asks) {
        plain_tell(plain, plain->asked != 0 ? "The broker has not answered yet. Ctrl-C again signs out without waiting."
                                            : "Ctrl-C again signs out.");
    }
}

// The terminal is gone, as when its window is closed or the line to it breaks: that is no signing out.  What the person
// holds waits for them for a while, as after any lost connection.
static void plain_hang_up(struct plain *plain)
{
    plain->hung_up = true;
    plain_finish(plain, WORKER_HUNG_UP);
}

static void plain_hear_signals(struct plain *plain)
{
    struct signalfd_siginfo info;
    while (read(plain->signals, &info, sizeof info) == (ssize_t) sizeof info) {
        switch (info.ssi_signo) {
        case SIGINT:
            plain_interrupt(plain);
            break;
        case SIGWINCH:
            prompt_resize(plain->prompt);
            break;
        case SIGTSTP:
            prompt_suspend(plain->prompt);
            break;
        case SIGHUP:
            plain_hang_up(plain);
            break;
        default:
            plain_finish(plain, WORKER_SIGNED_OUT);
            break;
        }
    }
}

// Warns once of an offer that runs out and of a service level that has ended.
static void plain_warn_of_times(struct plain *plain)
{
    int64_t now_ms = plain_broker_ms(plain);
    for (struct held *held = plain->items; held != NULL; held = held->next) {
        const struct behalf_item *item = &held->message->item;
        bool offered = strcmp(item->state, "offered") == 0 && item->answer_by_ms > 0;
        if (offered && !held->offer_warned && now_ms >= item->answer_by_ms - OFFER_WARNING_MS) {
            held->offer_warned = true;
            int64_t left_ms = item->answer_by_ms - now_ms;
            plain_tell(plain, "*** %" PRId64 " s left to take item %" PRId64 ".", left_ms > 0 ? left_ms / 1000 : 0,
                       item->item);
        }
        if (!held->due_warned && item->due_ms > 0 && now_ms >= item->due_ms) {
            held->due_warned = true;
            plain_tell(plain, "*** Item %" PRId64 " is past its service level.", item->item);
        }
    }
}

static int plain_sooner(int timeout_ms, int64_t due_ms)
{
    int64_t due = due_ms < 0 ? 0 : due_ms > 3600000 ? 3600000 : due_ms;
    return timeout_ms < 0 || due < timeout_ms ? (int) due : timeout_ms;
}

static int plain_wait_ms(struct plain *plain)
{
    int64_t now_ms = plain_broker_ms(plain);
    int timeout_ms = behalf_client_timeout_ms(plain->client);
    for (struct held *held = plain->items; held != NULL; held = held->next) {
        const struct behalf_item *item = &held->message->item;
        if (strcmp(item->state, "offered") == 0 && item->answer_by_ms > 0 && !held->offer_warned) {
            timeout_ms = plain_sooner(timeout_ms, item->answer_by_ms - OFFER_WARNING_MS - now_ms);
        }
        if (!held->due_warned && item->due_ms > 0) {
            timeout_ms = plain_sooner(timeout_ms, item->due_ms - now_ms);
        }
    }
    if (plain->mode == MODE_COMMAND && prompt_is_terminal(plain->prompt) && plain_first_offer(plain) != NULL) {
        timeout_ms = plain_sooner(timeout_ms, 1000); // the seconds at the prompt
    }
    if (plain_is_writing(plain->mode)) {
        timeout_ms = plain_sooner(timeout_ms, plain->save_at_ms - clocks_boot_ms());
    }
    if (plain->mode == MODE_WAIT) {
        timeout_ms = plain_sooner(timeout_ms, plain->wait_until_ms - clocks_boot_ms());
    }
    return timeout_ms;
}

static void plain_watch_time(struct plain *plain)
{
    if (plain->timeout_ms > 0) {
        plain_warn_of_times(plain);
    }
    if (plain_is_writing(plain->mode) && clocks_boot_ms() >= plain->save_at_ms) {
        plain_save_written(plain);
    }
    if (plain->mode == MODE_WAIT && clocks_boot_ms() >= plain->wait_until_ms) {
        plain->mode = MODE_COMMAND;
        plain_tell(plain, "No item came.");
    }
}

// ---- the loop ----

static void plain_turn(struct plain *plain)
{
    bool busy = true;
    while (busy && !plain->over) {
        busy = plain_hear_broker(plain);
        plain_watch_session(plain);
        plain_watch_time(plain);
        if (plain_may_type(plain)) {
            plain_ask_person(plain);
            if (prompt_ready(plain->prompt)) {
                plain_hear_person(plain, false);
                busy = busy || prompt_ready(plain->prompt) || prompt_fd(plain->prompt) < 0;
            }
        }
    }
}

static void plain_wait_for_work(struct plain *plain)
{
    bool type = plain_may_type(plain);
    struct pollfd fds[] = { { .fd = plain->signals, .events = POLLIN },
                            { .fd = behalf_client_fd(plain->client), .events = POLLIN },
                            { .fd = type ? prompt_fd(plain->prompt) : -1, .events = POLLIN } };
    if (poll(fds, 3, plain_wait_ms(plain)) < 0) {
        must(errno == EINTR);
        return;
    }
    if (fds[0].revents != 0) {
        plain_hear_signals(plain);
    }
    if (plain->from_terminal && (fds[2].revents & (POLLHUP | POLLERR)) != 0) {
        plain_hang_up(plain);
    }
    if (fds[2].revents != 0 && !plain->over) {
        plain_hear_person(plain, true);
    }
}

static void plain_await_answer(struct plain *plain, int64_t request)
{
    if (request <= 0) {
        return;
    }
    struct behalf_message *answer = behalf_client_wait_answer(plain->client, request, LAST_DRAFT_MS);
    behalf_message_destroy(&answer);
}

// Signs out, or only goes if the terminal is gone; what was being written is saved first.
static void plain_leave(struct plain *plain)
{
    plain_await_answer(plain, plain->saving); // one on its way is of before
    plain->saving = 0;
    plain_await_answer(plain, plain_keep_half_typed(plain));
    plain_save_written(plain);
    plain_await_answer(plain, plain->saving);
    if (plain->hung_up) {
        return;
    }
    prompt_leave(plain->prompt);
    behalf_client_close(plain->client, "signed out", BYE_MS);
    if (plain->end == WORKER_SIGNED_OUT) {
        plain_tell(plain, "Signed out.");
    }
}

enum worker_end plain_run(const struct worker_options *options)
{
    struct plain *plain = calloc(1, sizeof *plain);
    must(plain != NULL);
    plain->options = options;
    plain->signals = signals_watch((const int[]){ SIGTERM, SIGINT, SIGHUP, SIGWINCH, SIGTSTP, 0 }, NULL);
    signal(SIGPIPE, SIG_IGN);
    plain->from_terminal = isatty(STDIN_FILENO);
    plain->prompt = prompt_new();
    struct behalf_hello hello = {
        .role = "person", .name = options->name, .desk = options->desk, .program = "behalf-worker " BEHALF_VERSION
    };
    plain->client = behalf_client_new(options->brokers, &hello);
    if (plain->client == NULL) {
        fprintf(stderr, "behalf-worker: the broker's address or the name cannot be used\n");
        plain_finish(plain, WORKER_USAGE);
    } else {
        plain_tell(plain, "%s", behalf_client_reason(plain->client));
    }
    while (!plain->over) {
        plain_turn(plain);
        if (!plain->over) {
            plain_wait_for_work(plain);
        }
    }
    if (plain->client != NULL) {
        plain_leave(plain);
    }
    enum worker_end end = plain->end;
    while (plain->items != NULL) {
        struct held *held = plain->items;
        plain->items = held->next;
        plain_free_held(held);
    }
    prompt_destroy(&plain->prompt);
    behalf_client_destroy(&plain->client);
    free(plain->text);
    free(plain->rest);
    close(plain->signals);
    free(plain);
    return end;
}
