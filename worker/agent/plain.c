// plain.c - working item by item at a prompt.
//
// A person has one item in front, and perhaps others.  What is typed is either a command or an answer to a
// question that a command led to (enum mode).  While the broker is asked something nothing is read, so that
// lines of a script are taken one after the other; news is printed whenever it comes.
//
// What was written as an answer is kept with the item until it is sent, is saved as its draft while it is
// being written, and is shown again when the item is lost.

#include "worker/agent/worker_options.h"

#include "proto/must.h"
#include "worker/agent/command.h"
#include "worker/agent/item_view.h"
#include "worker/agent/prompt.h"
#include "worker/visible_text.h"

#include <behalf/client.h>

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define SAVE_MS 5000           // how often what is being written is saved
#define OFFER_WARNING_MS 10000 // before an offer runs out
#define WAIT_MS 30000          // of `wait` without an argument
#define SAVE_LAST_MS 2000      // for the last draft, before signing out
#define BYE_MS 1000

// What the next line is.
enum mode {
    MODE_COMMAND,
    MODE_ARGUMENT, // the text a command asked for
    MODE_TEXT,     // a line of an answer, ended by a lone "."
    MODE_EDIT,     // a line of the draft to be mended
    MODE_RESUME,   // use the draft, add to it, or begin anew?
    MODE_CONFIRM,  // send it?
    MODE_LEAVE,    // really sign out?
    MODE_WAIT      // none: `wait` waits for an item
};

// An item offered to or held by the person.  Owned by the desk of plain.
struct held {
    struct behalf_message *message; // the latest ITEM
    char *text;                     // written and not sent; NULL if nothing
    char *saved;                    // what was last saved as the draft, NULL if nothing
    bool confirmed;                 // seen again after a new session
    bool offer_warned, due_warned;  // the person was told
    struct held *next;
};

struct plain {
    const struct worker_options *options;
    struct behalf_client *client;
    struct prompt *prompt;
    enum behalf_client_state state; // as last told
    struct held *items;             // all of the person's, in the order they came
    struct held *front;             // the one in front, or NULL
    enum mode mode;
    enum command_verb verb; // MODE_ARGUMENT: whose; of a text: ANSWER or APPROVE
    char *text;             // MODE_TEXT, MODE_EDIT: the lines so far
    char *rest;             // MODE_EDIT: the lines not mended yet; NULL at their end
    int64_t asked;          // the request whose answer is awaited; 0: none
    enum behalf_type asked_type;
    int64_t asked_item;
    int64_t saving;          // a DRAFT sent by itself; its answer is no news
    int64_t save_at_ms;      // while writing
    int64_t wait_until_ms;   // MODE_WAIT
    int64_t clock_offset_ms; // the broker's clock is this plus ours
    int64_t timeout_ms;      // of the session
    size_t items_to_come;    // after WELCOME
    char presence[16];
    char roles[64];
    int signals;
    bool interrupted; // Ctrl-C just now: the next one signs out
    bool over;
    enum worker_end end;
};

static int64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t broker_ms(const struct plain *plain)
{
    return clock_ms() + plain->clock_offset_ms;
}

// ---- showing ----

// A page to be shown at once, above what is being typed.
struct page {
    struct plain *plain;
    char *text;
    size_t bytes;
    struct view view;
};

static struct view *page_open(struct page *page, struct plain *plain)
{
    *page = (struct page){ .plain = plain };
    page->view = (struct view){ .out = open_memstream(&page->text, &page->bytes),
                                .columns = prompt_columns(plain->prompt),
                                .options = plain->options->visible,
                                .now_ms = broker_ms(plain) };
    must(page->view.out != NULL);
    return &page->view;
}

static void page_show(struct page *page)
{
    must(fclose(page->view.out) == 0);
    if (page->bytes > 0)
        prompt_print(page->plain->prompt, page->text);
    free(page->text);
}

// Shows a line of ours, with texts of others made visible on their way.
__attribute__((format(printf, 2, 3))) static void tell(struct plain *plain, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = NULL;
    must(vasprintf(&text, format, arguments) >= 0);
    va_end(arguments);
    struct page page;
    view_line(page_open(&page, plain), "", text);
    page_show(&page);
    free(text);
}

static void show_front(struct plain *plain)
{
    struct page page;
    struct view *view = page_open(&page, plain);
    const struct behalf_item *item = &plain->front->message->item;
    view_item(view, item);
    if (strcmp(item->state, "offered") == 0)
        fputs("`take` it or `decline` it; `help` tells the rest.\n", view->out);
    page_show(&page);
}

// ---- items ----

static const struct behalf_item *front_item(const struct plain *plain)
{
    return &plain->front->message->item;
}

static struct held *find_held(const struct plain *plain, int64_t item)
{
    struct held *held = plain->items;
    while (held != NULL && held->message->item.item != item)
        held = held->next;
    return held;
}

static size_t count_held(const struct plain *plain)
{
    size_t count = 0;
    for (struct held *held = plain->items; held != NULL; held = held->next)
        count++;
    return count;
}

static void set_text(char **text, const char *value)
{
    char *copy = value != NULL && value[0] != '\0' ? strdup(value) : NULL;
    free(*text);
    *text = copy;
}

static struct held *add_held(struct plain *plain, struct behalf_message **message_p)
{
    struct held *held = calloc(1, sizeof *held);
    must(held != NULL);
    held->message = *message_p;
    held->confirmed = true;
    *message_p = NULL;
    struct held **end = &plain->items;
    while (*end != NULL)
        end = &(*end)->next;
    *end = held;
    return held;
}

static void free_held(struct held *held)
{
    behalf_message_destroy(&held->message);
    free(held->text);
    free(held->saved);
    free(held);
}

static bool is_writing(enum mode mode)
{
    return mode == MODE_TEXT || mode == MODE_EDIT;
}

static void end_writing(struct plain *plain)
{
    set_text(&plain->text, NULL);
    set_text(&plain->rest, NULL);
    if (plain->mode != MODE_LEAVE)
        plain->mode = MODE_COMMAND;
}

// What is written of an answer at this moment: whole lines, what is still to be mended, and what is typed.
static char *written_text(const struct plain *plain)
{
    if (!is_writing(plain->mode))
        return plain->front != NULL && plain->front->text != NULL ? strdup(plain->front->text) : strdup("");
    const char *typed = prompt_typed(plain->prompt);
    if (plain->mode == MODE_EDIT && plain->rest != NULL) // the line being mended is the first of the rest
        typed = "";
    const char *parts[] = { plain->text, plain->rest, typed[0] != '\0' ? typed : NULL };
    char *whole = strdup("");
    for (size_t i = 0; i < 3; i++) {
        if (parts[i] == NULL)
            continue;
        char *longer = NULL;
        must(asprintf(&longer, "%s%s%s", whole, whole[0] != '\0' ? "\n" : "", parts[i]) >= 0);
        free(whole);
        whole = longer;
    }
    return whole;
}

// Puts an item in front: the one given, or the next to work on.
static void bring_to_front(struct plain *plain, struct held *held)
{
    for (struct held *other = plain->items; other != NULL && held == NULL; other = other->next)
        if (strcmp(other->message->item.state, "held") == 0)
            held = other;
    if (held == NULL)
        held = plain->items;
    plain->front = held;
    if (held != NULL)
        show_front(plain);
    else if (strcmp(plain->presence, "away") == 0)
        tell(plain, "Nothing in hand, and you are away. `back` when you are.");
    else
        tell(plain, "Nothing in hand. The next item comes by itself.");
}

// Takes an item off the person's list.
static void drop_held(struct plain *plain, struct held *held)
{
    struct held **link = &plain->items;
    while (*link != held)
        link = &(*link)->next;
    *link = held->next;
    bool was_front = plain->front == held;
    if (was_front) {
        plain->front = NULL;
        end_writing(plain);
        prompt_leave(plain->prompt);
    }
    free_held(held);
    if (was_front)
        bring_to_front(plain, NULL);
}

// The item is no longer the person's, and not by their doing.
static void lose_held(struct plain *plain, struct held *held, const char *reason)
{
    char *written = held == plain->front ? written_text(plain) : strdup(held->text != NULL ? held->text : "");
    tell(plain, "*** Item %" PRId64 " is no longer yours: %s", held->message->item.item, reason);
    if (written[0] != '\0') {
        struct page page;
        struct view *view = page_open(&page, plain);
        fputs("What you had written for it, so that it is not lost:\n", view->out);
        view_text(view, written);
        page_show(&page);
    }
    free(written);
    drop_held(plain, held);
}

// ---- asking the broker ----

static void ask(struct plain *plain, const struct behalf_message *message, int64_t item)
{
    struct behalf_fault fault;
    int64_t id = behalf_client_send(plain->client, message, &fault);
    if (id == 0) {
        tell(plain, "That cannot be asked for: %s", fault.reason);
        return;
    }
    plain->asked = id;
    plain->asked_type = message->type;
    plain->asked_item = item;
    prompt_leave(plain->prompt);
    if (behalf_client_state(plain->client) != BEHALF_CLIENT_READY)
        tell(plain, "There is no connection now; it is done as soon as there is. Ctrl-C twice gives up.");
}

// Asks for something about the item in front.  All such messages begin with item and lease.
#define ASK_FRONT(plain, TYPE, member, ...)                                                                            \
    do {                                                                                                               \
        struct behalf_message request = { .type = BEHALF_##TYPE };                                                     \
        request.member.item = front_item(plain)->item;                                                                 \
        request.member.lease = front_item(plain)->lease;                                                               \
        __VA_ARGS__;                                                                                                   \
        ask(plain, &request, request.member.item);                                                                     \
    } while (0)

// Saves what is being written, without making anybody wait.
static void save_written(struct plain *plain)
{
    plain->save_at_ms = clock_ms() + SAVE_MS;
    struct held *front = plain->front;
    if (front == NULL || strcmp(front->message->item.state, "held") != 0 || plain->saving != 0 ||
        behalf_client_state(plain->client) != BEHALF_CLIENT_READY)
        return;
    char *written = written_text(plain);
    const char *saved = front->saved != NULL ? front->saved : front->message->item.draft;
    if (written[0] != '\0' && strcmp(written, saved) != 0) {
        struct behalf_message draft = { .type = BEHALF_DRAFT };
        draft.draft.item = front_item(plain)->item;
        draft.draft.lease = front_item(plain)->lease;
        draft.draft.text = written;
        struct behalf_fault fault;
        plain->saving = behalf_client_send(plain->client, &draft, &fault);
        if (plain->saving > 0)
            set_text(&front->saved, written);
    }
    free(written);
}

static void finish(struct plain *plain, enum worker_end end)
{
    plain->over = true;
    plain->end = end;
}

// ---- what the broker says ----

static void take_changed_item(struct plain *plain, struct held *held, struct behalf_message **message_p)
{
    struct behalf_message *before = held->message;
    held->message = *message_p;
    held->confirmed = true;
    *message_p = NULL;
    const struct behalf_item *item = &held->message->item;
    if (before->item.lease != item->lease)
        held->offer_warned = false;
    if (held == plain->front) {
        struct page page;
        view_item_changes(page_open(&page, plain), &before->item, item);
        page_show(&page);
    } else {
        tell(plain, "*** Item %" PRId64 " has changed; `show %" PRId64 "` shows it", item->item, item->item);
    }
    behalf_message_destroy(&before);
}

static void take_item(struct plain *plain, struct behalf_message **message_p)
{
    if (plain->items_to_come > 0)
        plain->items_to_come--;
    struct held *held = find_held(plain, (*message_p)->item.item);
    if (held != NULL) {
        take_changed_item(plain, held, message_p);
        return;
    }
    held = add_held(plain, message_p);
    if (plain->mode == MODE_WAIT)
        plain->mode = MODE_COMMAND;
    if (plain->front == NULL) {
        bring_to_front(plain, held);
        return;
    }
    const struct behalf_item *item = &held->message->item;
    struct page page;
    struct view *view = page_open(&page, plain);
    fputs("*** Also for you: ", view->out);
    view_item_line(view, item);
    page_show(&page);
}

// After a new session: what the broker did not name again is gone.
static void drop_unconfirmed(struct plain *plain)
{
    if (plain->items_to_come > 0)
        return;
    for (struct held *held = plain->items; held != NULL;) {
        struct held *next = held->next;
        if (!held->confirmed)
            lose_held(plain, held, "it went back to its queue while you were not connected");
        held = next;
    }
}

static void take_welcome(struct plain *plain, const struct behalf_welcome *welcome)
{
    plain->clock_offset_ms = welcome->now_ms - clock_ms();
    plain->timeout_ms = welcome->timeout_ms;
    plain->items_to_come = (size_t) welcome->items;
    plain->saving = 0;
    snprintf(plain->presence, sizeof plain->presence, "%s", welcome->presence);
    snprintf(plain->roles, sizeof plain->roles, "%s", welcome->roles);
    for (struct held *held = plain->items; held != NULL; held = held->next)
        held->confirmed = false;
    const char *name = welcome->display_name[0] != '\0' ? welcome->display_name : plain->options->name;
    if (plain->state == BEHALF_CLIENT_CONNECTING && plain->timeout_ms > 0 && plain->items != NULL)
        tell(plain, "*** Connected again.");
    else
        tell(plain, "Signed in as %s%s%s (%s), %s. `help` lists the commands.", name,
             welcome->agency[0] != '\0' ? " of " : "", welcome->agency, welcome->roles, welcome->presence);
    if (welcome->items == 0 && plain->items == NULL)
        bring_to_front(plain, NULL);
}

// What to say when a request about an item has taken effect; NULL: the item is not done with.
static const char *farewell(enum behalf_type type, const char *state)
{
    switch (type) {
    case BEHALF_DECLINE:
        return "Declined.";
    case BEHALF_ANSWER:
        return strcmp(state, "waiting") == 0 || strcmp(state, "offered") == 0
                   ? "Answered: it goes to an approver first."
                   : "Answered: the reply is on its way.";
    case BEHALF_APPROVE:
        return "Approved: the reply is on its way.";
    case BEHALF_REJECT:
        return "Sent back to its author.";
    case BEHALF_CLOSE:
        return "Closed.";
    case BEHALF_ESCALATE:
        return "Moved to the PR team.";
    case BEHALF_RETURN:
        return "Given back to the agents.";
    case BEHALF_TRANSFER:
        return "Transferred.";
    case BEHALF_PARK:
        return "Parked.";
    default:
        return NULL;
    }
}

// The table of messages keeps lease and state of an item as plain fields; DONE tells them anew.
static void note_done(struct held *held, const struct behalf_done *done)
{
    if (done->lease > 0)
        held->message->item.lease = done->lease;
    if (strcmp(done->state, "held") == 0)
        held->message->item.state = "held"; // a constant; the message frees its memory as a whole
}

static void take_done(struct plain *plain, const struct behalf_done *done)
{
    struct held *held = find_held(plain, plain->asked_item);
    const char *words = farewell(plain->asked_type, done->state);
    if (words != NULL) {
        tell(plain, "%s", words);
        if (held != NULL)
            drop_held(plain, held);
        return;
    }
    if (held != NULL)
        note_done(held, done);
    if (plain->asked_type == BEHALF_TAKE)
        tell(plain, "Item %" PRId64 " is yours.", plain->asked_item);
    else if (plain->asked_type == BEHALF_DRAFT)
        tell(plain, "Saved with the item.");
    else if (plain->asked_type == BEHALF_PRESENCE)
        tell(plain, strcmp(plain->presence, "away") == 0 ? "You are away: nothing is offered to you."
                                                         : "You are back: the next item comes by itself.");
    else
        tell(plain, "Done.");
}

static void take_previewed(struct plain *plain, const struct behalf_previewed *preview)
{
    struct page page;
    view_preview(page_open(&page, plain), preview);
    page_show(&page);
    if (plain->verb == COMMAND_PREVIEW)
        return;
    if (preview->refused[0] == '\0') {
        plain->mode = MODE_CONFIRM;
        return;
    }
    tell(plain, "It is kept: `edit` mends it, `answer` begins with it.");
    save_written(plain);
}

static void take_refusal(struct plain *plain, const struct behalf_error *error)
{
    tell(plain, "Not done: %s%s%s (%s%s%s)", error->reason, error->state[0] != '\0' ? "; the item is " : "",
         error->state, error->code, error->field[0] != '\0' ? " " : "", error->field);
    if (plain->asked_type == BEHALF_PRESENCE)
        snprintf(plain->presence, sizeof plain->presence, "%s",
                 strcmp(plain->presence, "away") == 0 ? "available" : "away");
    if ((plain->asked_type == BEHALF_ANSWER || plain->asked_type == BEHALF_APPROVE) && plain->front != NULL)
        tell(plain, "What you wrote is kept: `edit` mends it, `answer` begins with it.");
    struct held *held = find_held(plain, plain->asked_item);
    bool lost = strcmp(error->code, "STALE") == 0 || strcmp(error->code, "NOT_FOUND") == 0;
    if (held != NULL && lost)
        lose_held(plain, held, "somebody or something else has moved it");
}

static void take_answer(struct plain *plain, const struct behalf_message *message)
{
    if (message->id == plain->saving) {
        plain->saving = 0;
        if (message->type == BEHALF_ERROR)
            tell(plain, "*** The draft could not be saved: %s", message->error.reason);
        return;
    }
    if (message->id != plain->asked)
        return;
    plain->asked = 0;
    struct page page;
    switch (message->type) {
    case BEHALF_DONE:
        take_done(plain, &message->done);
        break;
    case BEHALF_ERROR:
        take_refusal(plain, &message->error);
        break;
    case BEHALF_PREVIEWED:
        take_previewed(plain, &message->previewed);
        break;
    case BEHALF_LISTING:
        view_listing(page_open(&page, plain), &message->listing);
        page_show(&page);
        break;
    case BEHALF_COUNTS:
        view_counts(page_open(&page, plain), &message->counts);
        page_show(&page);
        break;
    default:
        break;
    }
}

static void take_presence(struct plain *plain, const struct behalf_presence *presence)
{
    snprintf(plain->presence, sizeof plain->presence, "%s", presence->state);
    tell(plain, "*** You are now %s%s%s.", presence->state, presence->reason[0] != '\0' ? ": " : "", presence->reason);
}

static void take_message(struct plain *plain, struct behalf_message **message_p)
{
    const struct behalf_message *message = *message_p;
    struct held *held;
    switch (message->type) {
    case BEHALF_WELCOME:
        take_welcome(plain, &message->welcome);
        drop_unconfirmed(plain);
        break;
    case BEHALF_ITEM:
        take_item(plain, message_p);
        drop_unconfirmed(plain);
        break;
    case BEHALF_GONE:
        held = find_held(plain, message->gone.item);
        if (held != NULL && held->message->item.lease <= message->gone.lease)
            lose_held(plain, held, message->gone.reason[0] != '\0' ? message->gone.reason : "no reason was given");
        break;
    case BEHALF_PRESENCE:
        take_presence(plain, &message->presence);
        break;
    default:
        if (message->id > 0)
            take_answer(plain, message);
        else if (message->type == BEHALF_ERROR)
            tell(plain, "*** The broker says: %s %s", message->error.code, message->error.reason);
        break;
    }
}

static bool hear_broker(struct plain *plain)
{
    bool heard = false;
    struct behalf_message *message;
    while ((message = behalf_client_next(plain->client)) != NULL) {
        take_message(plain, &message);
        behalf_message_destroy(&message);
        heard = true;
    }
    return heard;
}

static void watch_session(struct plain *plain)
{
    enum behalf_client_state state = behalf_client_state(plain->client);
    const char *reason = behalf_client_reason(plain->client);
    if (state == plain->state)
        return;
    plain->state = state;
    if (state == BEHALF_CLIENT_CONNECTING && plain->items != NULL) {
        tell(plain, "*** Connection lost (%s); reconnecting. What you hold stays yours for at least %" PRId64 " s.",
             reason, plain->timeout_ms / 1000);
    } else if (state == BEHALF_CLIENT_CONNECTING) {
        tell(plain, "*** Connection lost (%s); reconnecting.", reason);
    } else if (state == BEHALF_CLIENT_REFUSED) {
        tell(plain, "The broker does not let you in: %s", reason);
        finish(plain, WORKER_REFUSED);
    } else if (state == BEHALF_CLIENT_ENDED) {
        tell(plain, "*** The broker ended your session: %s", reason);
        finish(plain, WORKER_ENDED);
    }
}

// ---- writing an answer ----

// Shows a text as it will go out, and asks whether it may.
static void preview_text(struct plain *plain, const char *text)
{
    ASK_FRONT(plain, PREVIEW, preview, request.preview.text = text);
}

static const char *kept_text(const struct plain *plain)
{
    if (plain->front->text != NULL)
        return plain->front->text;
    return front_item(plain)->draft;
}

static void submit(struct plain *plain, const char *text)
{
    if (text[0] == '\0') {
        tell(plain, "Nothing was written.");
        return;
    }
    set_text(&plain->front->text, text);
    preview_text(plain, plain->front->text);
}

static void begin_text(struct plain *plain, const char *first_lines)
{
    set_text(&plain->text, first_lines);
    plain->mode = MODE_TEXT;
    plain->save_at_ms = clock_ms() + SAVE_MS;
    tell(plain, "Write. A line with only a full stop ends it, Ctrl-C leaves it as a draft.");
}

static void begin_edit(struct plain *plain)
{
    const char *text = kept_text(plain);
    char *visible = visible_string(text, VISIBLE_LINES);
    bool hidden = strcmp(visible, text) != 0;
    free(visible);
    if (hidden || !prompt_is_terminal(plain->prompt)) {
        tell(plain, hidden ? "The draft has characters that cannot be shown, so write it anew. It reads:"
                           : "The draft reads as follows; write it anew.");
        struct page page;
        view_text(page_open(&page, plain), text);
        page_show(&page);
        begin_text(plain, NULL);
        return;
    }
    set_text(&plain->rest, text);
    set_text(&plain->text, NULL);
    plain->mode = plain->rest != NULL ? MODE_EDIT : MODE_TEXT;
    plain->save_at_ms = clock_ms() + SAVE_MS;
    tell(plain, "Mend each line; Enter keeps it, an emptied one is dropped. Then go on, or end with a full stop.");
}

static void append_line(struct plain *plain, const char *line)
{
    char *longer = NULL;
    must(asprintf(&longer, "%s%s%s", plain->text != NULL ? plain->text : "", plain->text != NULL ? "\n" : "", line) >=
         0);
    free(plain->text);
    plain->text = longer;
}

static void end_text(struct plain *plain)
{
    char *text = plain->text != NULL ? plain->text : strdup("");
    plain->text = NULL;
    end_writing(plain);
    submit(plain, text);
    free(text);
}

static void take_text_line(struct plain *plain, const char *line)
{
    if (strcmp(line, ".") == 0) {
        end_text(plain);
        return;
    }
    size_t bytes = (plain->text != NULL ? strlen(plain->text) : 0) + strlen(line) + 1;
    if (bytes > BEHALF_POST_BYTES)
        tell(plain, "That line was not taken: a text has %d bytes at most.", BEHALF_POST_BYTES);
    else
        append_line(plain, strcmp(line, "..") == 0 ? "." : line); // so that a lone full stop can be written
}

// The first line of those still to be mended; freed by the caller.
static char *next_line_to_edit(const struct plain *plain)
{
    return strndup(plain->rest, strcspn(plain->rest, "\n"));
}

static void take_edited_line(struct plain *plain, const char *line)
{
    char *before = next_line_to_edit(plain);
    char *newline = strchr(plain->rest, '\n');
    char *rest = newline != NULL ? strdup(newline + 1) : NULL;
    free(plain->rest);
    plain->rest = rest;
    if (line[0] != '\0' || before[0] == '\0')
        append_line(plain, line);
    free(before);
    if (plain->rest == NULL)
        plain->mode = MODE_TEXT;
}

static void take_resume(struct plain *plain, const char *line)
{
    plain->mode = MODE_COMMAND;
    switch (line[0]) {
    case 'u':
    case 'y':
    case '\0': {
        char *text = strdup(kept_text(plain));
        submit(plain, text);
        free(text);
        break;
    }
    case 'e':
        begin_edit(plain);
        break;
    case 'n':
        begin_text(plain, NULL);
        break;
    default:
        plain->mode = MODE_RESUME;
    }
}

static void take_confirmation(struct plain *plain, const char *line)
{
    plain->mode = MODE_COMMAND;
    if (line[0] == 'y') {
        if (plain->verb == COMMAND_APPROVE)
            ASK_FRONT(plain, APPROVE, approve, request.approve.text = plain->front->text);
        else
            ASK_FRONT(plain, ANSWER, answer, request.answer.text = plain->front->text);
    } else if (line[0] == 'e') {
        begin_edit(plain);
    } else if (line[0] == 'n') {
        tell(plain, "Not sent. It is kept as a draft: `edit` mends it, `answer` begins with it.");
        save_written(plain);
    } else {
        plain->mode = MODE_CONFIRM;
    }
}

// ---- commands ----

static void run_answer(struct plain *plain, const char *text)
{
    plain->verb = COMMAND_ANSWER;
    if (text[0] != '\0') {
        submit(plain, text);
    } else if (kept_text(plain)[0] != '\0') {
        struct page page;
        struct view *view = page_open(&page, plain);
        fputs("There is a draft:\n", view->out);
        view_text(view, kept_text(plain));
        page_show(&page);
        plain->mode = MODE_RESUME;
    } else {
        begin_text(plain, NULL);
    }
}

static void run_preview(struct plain *plain, const char *text)
{
    plain->verb = COMMAND_PREVIEW;
    if (text[0] != '\0')
        set_text(&plain->front->text, text);
    if (kept_text(plain)[0] == '\0')
        tell(plain, "There is no draft. `preview TEXT` shows how a text would go out.");
    else
        preview_text(plain, kept_text(plain));
}

static void run_draft(struct plain *plain, const char *text)
{
    if (text[0] != '\0') {
        set_text(&plain->front->text, text);
        set_text(&plain->front->saved, text);
        ASK_FRONT(plain, DRAFT, draft, request.draft.text = text);
        return;
    }
    struct page page;
    struct view *view = page_open(&page, plain);
    if (kept_text(plain)[0] != '\0')
        view_text(view, kept_text(plain));
    else
        fputs("There is no draft.\n", view->out);
    page_show(&page);
}

static void run_approve(struct plain *plain)
{
    plain->verb = COMMAND_APPROVE;
    if (kept_text(plain)[0] == '\0') {
        tell(plain, "There is no draft to approve.");
        return;
    }
    char *text = strdup(kept_text(plain));
    submit(plain, text);
    free(text);
}

static void run_edit(struct plain *plain)
{
    plain->verb = strcmp(front_item(plain)->audience, "approver") == 0 ? COMMAND_APPROVE : COMMAND_ANSWER;
    begin_edit(plain);
}

static void run_close(struct plain *plain, char *rest)
{
    const char *word = command_word(&rest);
    const char *outcome = command_outcome(word);
    if (outcome == NULL) {
        tell(plain, "%s is no outcome. There are: no-answer-needed (or none), noise, duplicate, handed-off.", word);
        return;
    }
    ASK_FRONT(plain, CLOSE, close, request.close.outcome = outcome; request.close.note = rest);
}

static void run_park(struct plain *plain, char *rest)
{
    int64_t until_ms;
    const char *word = command_word(&rest);
    if (!command_until(word, broker_ms(plain), &until_ms)) {
        tell(plain, "%s is no time. Say 30m, 2h, 1d (60 days at most) or 17:30.", word);
        return;
    }
    ASK_FRONT(plain, PARK, park, request.park.until_ms = until_ms; request.park.reason = rest);
}

static void run_transfer(struct plain *plain, char *rest)
{
    const char *skills[16];
    size_t skill_count = 0;
    const char *kind = command_word(&rest);
    char *value = command_word(&rest);
    if (value[0] == '\0' || rest[0] == '\0') {
        tell(plain, "Say `transfer to NAME REASON`, `transfer language CODE REASON` or `transfer skills A,B REASON`.");
    } else if (strcmp(kind, "to") == 0) {
        ASK_FRONT(plain, TRANSFER, transfer, request.transfer.person = value; request.transfer.reason = rest);
    } else if (strcmp(kind, "language") == 0) {
        ASK_FRONT(plain, TRANSFER, transfer, request.transfer.language = value; request.transfer.reason = rest);
    } else if (strcmp(kind, "skills") == 0) {
        for (char *skill; skill_count < 16 && (skill = strsep(&value, ",")) != NULL;)
            skills[skill_count++] = skill;
        ASK_FRONT(plain, TRANSFER, transfer, request.transfer.skills = skills;
                  request.transfer.skills_count = skill_count; request.transfer.reason = rest);
    } else {
        tell(plain, "Transfer to what? to NAME, language CODE or skills A,B.");
    }
}

static void run_look(struct plain *plain, char *rest)
{
    struct behalf_message look = { .type = BEHALF_LOOK };
    look.look.audience = command_word(&rest);
    look.look.limit = 50;
    ask(plain, &look, 0);
}

static void run_presence(struct plain *plain, const char *state, const char *reason)
{
    struct behalf_message presence = { .type = BEHALF_PRESENCE };
    presence.presence.state = state;
    presence.presence.reason = reason;
    snprintf(plain->presence, sizeof plain->presence, "%s", state);
    ask(plain, &presence, 0);
}

static void run_freeze(struct plain *plain, bool frozen, char *rest)
{
    struct behalf_message freeze = { .type = BEHALF_FREEZE };
    freeze.freeze.brand = command_word(&rest);
    freeze.freeze.frozen = frozen;
    freeze.freeze.reason = rest;
    if (rest[0] == '\0')
        tell(plain, "Say which brand, and why: `%s BRAND REASON`.", frozen ? "freeze" : "unfreeze");
    else
        ask(plain, &freeze, 0);
}

static void run_status(struct plain *plain)
{
    tell(plain, "%s, %s, %s; %zu in hand. %s", plain->options->name, plain->roles, plain->presence, count_held(plain),
         behalf_client_reason(plain->client));
    if (strstr(plain->roles, "supervisor") != NULL)
        ask(plain, &(struct behalf_message){ .type = BEHALF_STATUS }, 0);
}

static void run_items(struct plain *plain)
{
    struct page page;
    struct view *view = page_open(&page, plain);
    for (struct held *held = plain->items; held != NULL; held = held->next) {
        fputs(held == plain->front ? "> " : "  ", view->out);
        view_item_line(view, &held->message->item);
    }
    if (plain->items == NULL)
        fputs("Nothing in hand.\n", view->out);
    page_show(&page);
}

static void run_show(struct plain *plain, const char *rest)
{
    char *end;
    long long number = strtoll(rest, &end, 10);
    struct held *held = rest[0] == '\0' ? plain->front : *end == '\0' ? find_held(plain, number) : NULL;
    if (held != NULL)
        bring_to_front(plain, held);
    else
        tell(plain, rest[0] == '\0' ? "Nothing in hand." : "That is none of your items; `items` lists them.");
}

static void run_help(struct plain *plain, const char *word)
{
    struct page page;
    struct view *view = page_open(&page, plain);
    if (!command_help(view->out, word))
        view_line(view, "There is no command ", word);
    page_show(&page);
}

static void run_wait(struct plain *plain, const char *rest)
{
    int64_t now_ms = clock_ms(), until_ms = now_ms + WAIT_MS;
    if (rest[0] != '\0' && !command_until(rest, now_ms, &until_ms)) {
        tell(plain, "%s is no time. Say 30s or 5m.", rest);
        return;
    }
    if (plain->front != NULL)
        return;
    plain->wait_until_ms = until_ms;
    plain->mode = MODE_WAIT;
}

static void run_quit(struct plain *plain)
{
    if (plain->items == NULL || !prompt_is_terminal(plain->prompt)) {
        finish(plain, WORKER_SIGNED_OUT);
        return;
    }
    plain->mode = MODE_LEAVE;
}

static void run_about_item(struct plain *plain, enum command_verb verb, char *rest)
{
    switch (verb) {
    case COMMAND_TAKE:
        ASK_FRONT(plain, TAKE, take, (void) request);
        break;
    case COMMAND_DECLINE:
        ASK_FRONT(plain, DECLINE, decline, request.decline.reason = rest);
        break;
    case COMMAND_ANSWER:
        run_answer(plain, rest);
        break;
    case COMMAND_PREVIEW:
        run_preview(plain, rest);
        break;
    case COMMAND_EDIT:
        run_edit(plain);
        break;
    case COMMAND_DRAFT:
        run_draft(plain, rest);
        break;
    case COMMAND_NOTE:
        ASK_FRONT(plain, NOTE, note, request.note.text = rest);
        break;
    case COMMAND_CLOSE:
        run_close(plain, rest);
        break;
    case COMMAND_ESCALATE:
        ASK_FRONT(plain, ESCALATE, escalate, request.escalate.reason = rest);
        break;
    case COMMAND_RETURN:
        ASK_FRONT(plain, RETURN, return_item, request.return_item.guidance = rest);
        break;
    case COMMAND_APPROVE:
        run_approve(plain);
        break;
    case COMMAND_REJECT:
        ASK_FRONT(plain, REJECT, reject, request.reject.reason = rest);
        break;
    case COMMAND_TRANSFER:
        run_transfer(plain, rest);
        break;
    case COMMAND_PARK:
        run_park(plain, rest);
        break;
    default:
        break;
    }
}

static void run(struct plain *plain, enum command_verb verb, char *rest)
{
    if (command_question(verb) != NULL && rest[0] == '\0') {
        plain->verb = verb;
        plain->mode = MODE_ARGUMENT;
        return;
    }
    switch (verb) {
    case COMMAND_HELP:
        run_help(plain, rest);
        break;
    case COMMAND_SHOW:
        run_show(plain, rest);
        break;
    case COMMAND_ITEMS:
        run_items(plain);
        break;
    case COMMAND_LOOK:
        run_look(plain, rest);
        break;
    case COMMAND_AWAY:
        run_presence(plain, "away", rest);
        break;
    case COMMAND_BACK:
        run_presence(plain, "available", "");
        break;
    case COMMAND_FREEZE:
    case COMMAND_UNFREEZE:
        run_freeze(plain, verb == COMMAND_FREEZE, rest);
        break;
    case COMMAND_STATUS:
        run_status(plain);
        break;
    case COMMAND_WAIT:
        run_wait(plain, rest);
        break;
    case COMMAND_QUIT:
        run_quit(plain);
        break;
    default:
        run_about_item(plain, verb, rest);
        break;
    }
}

static void take_command(struct plain *plain, char *line)
{
    struct command command;
    char problem[200];
    if (!command_parse(line, &command, problem, sizeof problem)) {
        tell(plain, "%s", problem);
        return;
    }
    if (command.verb == COMMAND_NONE)
        return;
    if (command_needs_item(command.verb) && plain->front == NULL) {
        tell(plain, "There is no item in front of you.");
        return;
    }
    bool offered = plain->front != NULL && strcmp(front_item(plain)->state, "offered") == 0;
    if (command_needs_item(command.verb) && offered && command.verb != COMMAND_TAKE &&
        command.verb != COMMAND_DECLINE) {
        tell(plain, "It is only offered to you: `take` it first.");
        return;
    }
    run(plain, command.verb, command.rest);
}

// ---- what is typed ----

static void take_argument(struct plain *plain, char *line)
{
    plain->mode = MODE_COMMAND;
    if (line[strspn(line, " \t")] == '\0')
        tell(plain, "Left.");
    else if (!command_needs_item(plain->verb) || plain->front != NULL)
        run(plain, plain->verb, line);
}

static void take_line(struct plain *plain, char *line)
{
    plain->interrupted = false;
    switch (plain->mode) {
    case MODE_COMMAND:
        take_command(plain, line);
        break;
    case MODE_ARGUMENT:
        take_argument(plain, line);
        break;
    case MODE_TEXT:
        take_text_line(plain, line);
        break;
    case MODE_EDIT:
        take_edited_line(plain, line);
        break;
    case MODE_RESUME:
        take_resume(plain, line);
        break;
    case MODE_CONFIRM:
        take_confirmation(plain, line);
        break;
    case MODE_LEAVE:
        plain->mode = MODE_COMMAND;
        if (line[0] == 'y')
            finish(plain, WORKER_SIGNED_OUT);
        break;
    case MODE_WAIT:
        break;
    }
}

// Ctrl-D, or the end of a script.
static void take_end(struct plain *plain)
{
    if (is_writing(plain->mode) && prompt_is_terminal(plain->prompt)) {
        end_text(plain);
    } else if (plain->mode == MODE_COMMAND && prompt_is_terminal(plain->prompt)) {
        run_quit(plain);
    } else if (plain->mode == MODE_LEAVE || !prompt_is_terminal(plain->prompt)) {
        finish(plain, WORKER_SIGNED_OUT);
    } else {
        plain->mode = MODE_COMMAND;
    }
}

// The question that the next line answers.
static void ask_person(struct plain *plain)
{
    char question[96];
    char *prefill = NULL;
    switch (plain->mode) {
    case MODE_COMMAND:
        if (plain->front == NULL)
            snprintf(question, sizeof question, "behalf> ");
        else
            snprintf(question, sizeof question, "%" PRId64 "%s> ", front_item(plain)->item,
                     strcmp(front_item(plain)->state, "offered") == 0 ? " offered" : "");
        break;
    case MODE_ARGUMENT:
        snprintf(question, sizeof question, "%s", command_question(plain->verb));
        break;
    case MODE_EDIT:
        snprintf(question, sizeof question, "mend:  ");
        if (prompt_fd(plain->prompt) < 0)
            prefill = next_line_to_edit(plain);
        break;
    case MODE_RESUME:
        snprintf(question, sizeof question, "use it (u), edit it (e) or write a new one (n)? ");
        break;
    case MODE_CONFIRM:
        snprintf(question, sizeof question,
                 plain->verb == COMMAND_APPROVE ? "let it go out? (y/n/edit) " : "send it? (y/n/edit) ");
        break;
    case MODE_LEAVE:
        snprintf(question, sizeof question, "you have %zu in hand, back to the queues with it and sign out? (y/n) ",
                 count_held(plain));
        break;
    default:
        snprintf(question, sizeof question, "write: ");
        break;
    }
    prompt_ask(plain->prompt, question, prefill, plain->mode == MODE_COMMAND);
    free(prefill);
}

static bool may_type(const struct plain *plain)
{
    return !plain->over && plain->asked == 0 && plain->mode != MODE_WAIT &&
           (plain->timeout_ms > 0 || prompt_is_terminal(plain->prompt)); // a script waits for the session
}

static void hear_person(struct plain *plain, bool readable)
{
    char *line;
    switch (prompt_read(plain->prompt, readable, &line)) {
    case PROMPT_LINE:
        take_line(plain, line);
        break;
    case PROMPT_BAD:
        tell(plain, "That line was not taken: it is too long, or not UTF-8.");
        break;
    case PROMPT_END:
        take_end(plain);
        break;
    case PROMPT_NOTHING:
        break;
    }
    free(line);
}

// ---- signals and time ----

// Ctrl-C leaves what one is in the middle of; at a bare prompt it asks, and the second time it signs out.
static void interrupt(struct plain *plain)
{
    bool typed = prompt_typed(plain->prompt)[0] != '\0';
    bool idle = (plain->mode == MODE_COMMAND && !typed) || plain->mode == MODE_LEAVE || plain->asked != 0;
    if (idle && (plain->interrupted || plain->mode == MODE_LEAVE)) {
        finish(plain, plain->asked != 0 ? WORKER_UNSAVED : WORKER_SIGNED_OUT);
        return;
    }
    plain->interrupted = idle;
    if (is_writing(plain->mode)) {
        char *written = written_text(plain);
        if (plain->front != NULL && written[0] != '\0')
            set_text(&plain->front->text, written);
        save_written(plain);
        free(written);
        end_writing(plain);
        prompt_leave(plain->prompt);
        tell(plain, "Left; what you wrote is kept as a draft: `edit` mends it, `answer` begins with it.");
        return;
    }
    bool asks = idle && plain->items != NULL && plain->asked == 0 && prompt_is_terminal(plain->prompt);
    plain->mode = asks ? MODE_LEAVE : MODE_COMMAND;
    prompt_leave(plain->prompt);
    if (idle && !asks)
        tell(plain, plain->asked != 0 ? "The broker has not answered yet. Ctrl-C again signs out without waiting."
                                      : "Ctrl-C again signs out.");
}

static void hear_signals(struct plain *plain)
{
    struct signalfd_siginfo info;
    while (read(plain->signals, &info, sizeof info) == (ssize_t) sizeof info) {
        switch (info.ssi_signo) {
        case SIGINT:
            interrupt(plain);
            break;
        case SIGWINCH:
            prompt_resize(plain->prompt);
            break;
        case SIGTSTP:
            prompt_suspend(plain->prompt);
            break;
        default:
            finish(plain, WORKER_SIGNED_OUT);
            break;
        }
    }
}

// Warns once of an offer that runs out and of a service level that has ended.
static void warn_of_times(struct plain *plain)
{
    int64_t now_ms = broker_ms(plain);
    for (struct held *held = plain->items; held != NULL; held = held->next) {
        const struct behalf_item *item = &held->message->item;
        bool offered = strcmp(item->state, "offered") == 0 && item->answer_by_ms > 0;
        if (offered && !held->offer_warned && now_ms >= item->answer_by_ms - OFFER_WARNING_MS) {
            held->offer_warned = true;
            int64_t left_ms = item->answer_by_ms - now_ms;
            tell(plain, "*** %" PRId64 " s left to take item %" PRId64 ".", left_ms > 0 ? left_ms / 1000 : 0,
                 item->item);
        }
        if (!held->due_warned && item->due_ms > 0 && now_ms >= item->due_ms) {
            held->due_warned = true;
            tell(plain, "*** Item %" PRId64 " is past its service level.", item->item);
        }
    }
}

static int sooner(int timeout_ms, int64_t due_ms)
{
    int64_t due = due_ms < 0 ? 0 : due_ms > 3600000 ? 3600000 : due_ms;
    return timeout_ms < 0 || due < timeout_ms ? (int) due : timeout_ms;
}

static int wait_ms(struct plain *plain)
{
    int64_t now_ms = broker_ms(plain);
    int timeout_ms = behalf_client_timeout_ms(plain->client);
    for (struct held *held = plain->items; held != NULL; held = held->next) {
        const struct behalf_item *item = &held->message->item;
        if (strcmp(item->state, "offered") == 0 && item->answer_by_ms > 0 && !held->offer_warned)
            timeout_ms = sooner(timeout_ms, item->answer_by_ms - OFFER_WARNING_MS - now_ms);
        if (!held->due_warned && item->due_ms > 0)
            timeout_ms = sooner(timeout_ms, item->due_ms - now_ms);
    }
    if (is_writing(plain->mode))
        timeout_ms = sooner(timeout_ms, plain->save_at_ms - clock_ms());
    if (plain->mode == MODE_WAIT)
        timeout_ms = sooner(timeout_ms, plain->wait_until_ms - clock_ms());
    return timeout_ms;
}

static void watch_time(struct plain *plain)
{
    if (plain->timeout_ms > 0)
        warn_of_times(plain);
    if (is_writing(plain->mode) && clock_ms() >= plain->save_at_ms)
        save_written(plain);
    if (plain->mode == MODE_WAIT && clock_ms() >= plain->wait_until_ms) {
        plain->mode = MODE_COMMAND;
        tell(plain, "No item came.");
    }
}

// ---- the loop ----

static void turn(struct plain *plain)
{
    bool busy = true;
    while (busy && !plain->over) {
        busy = hear_broker(plain);
        watch_session(plain);
        watch_time(plain);
        if (may_type(plain)) {
            ask_person(plain);
            if (prompt_ready(plain->prompt)) {
                hear_person(plain, false);
                busy = busy || prompt_ready(plain->prompt) || prompt_fd(plain->prompt) < 0;
            }
        }
    }
}

static void wait_for_work(struct plain *plain)
{
    bool type = may_type(plain);
    struct pollfd fds[] = { { .fd = plain->signals, .events = POLLIN },
                            { .fd = behalf_client_fd(plain->client), .events = POLLIN },
                            { .fd = type ? prompt_fd(plain->prompt) : -1, .events = POLLIN } };
    if (poll(fds, 3, wait_ms(plain)) < 0) {
        must(errno == EINTR);
        return;
    }
    if (fds[0].revents != 0)
        hear_signals(plain);
    if (fds[2].revents != 0 && !plain->over)
        hear_person(plain, true);
}

static int watch_signals(void)
{
    static const int watched[] = { SIGTERM, SIGINT, SIGHUP, SIGWINCH, SIGTSTP };
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof watched / sizeof watched[0]; i++)
        sigaddset(&set, watched[i]);
    must(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    signal(SIGPIPE, SIG_IGN);
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    must(fd >= 0);
    return fd;
}

// Signs out; what was being written is saved first.
static void leave(struct plain *plain)
{
    save_written(plain);
    if (plain->saving > 0) {
        struct behalf_message *answer = behalf_client_wait_answer(plain->client, plain->saving, SAVE_LAST_MS);
        behalf_message_destroy(&answer);
    }
    prompt_leave(plain->prompt);
    behalf_client_close(plain->client, "signed out", BYE_MS);
    if (plain->end == WORKER_SIGNED_OUT)
        tell(plain, "Signed out.");
}

enum worker_end plain_run(const struct worker_options *options)
{
    struct plain *plain = calloc(1, sizeof *plain);
    must(plain != NULL);
    plain->options = options;
    plain->signals = watch_signals();
    plain->prompt = prompt_new();
    struct behalf_hello hello = { .role = "person", .name = options->name, .program = "behalf-worker " BEHALF_VERSION };
    plain->client = behalf_client_new(options->brokers, &hello);
    if (plain->client == NULL) {
        fprintf(stderr, "behalf-worker: the broker's address or the name cannot be used\n");
        finish(plain, WORKER_USAGE);
    } else {
        tell(plain, "%s", behalf_client_reason(plain->client));
    }
    while (!plain->over) {
        turn(plain);
        if (!plain->over)
            wait_for_work(plain);
    }
    if (plain->client != NULL)
        leave(plain);
    enum worker_end end = plain->end;
    while (plain->items != NULL) {
        struct held *held = plain->items;
        plain->items = held->next;
        free_held(held);
    }
    prompt_destroy(&plain->prompt);
    behalf_client_destroy(&plain->client);
    free(plain->text);
    free(plain->rest);
    close(plain->signals);
    free(plain);
    return end;
}
