// plain.h - inside working at a prompt: what its files share.
//
// A person has one item in front, and perhaps others.  What is typed is either a command or an answer to a
// question that a command led to (enum mode).  While the broker is asked something nothing is read, so that
// lines of a script are taken one after the other; news is printed whenever it comes.
//
// What was written as an answer is kept with the item until it is sent, is saved as its draft while it is
// being written, and is shown again when the item is lost.
//
//   plain.c           the loop: what is typed, signals, time
//   plain_hand.c      the items in hand, showing, asking the broker
//   plain_news.c      what the broker says
//   plain_writing.c   how an answer comes to be
//   plain_commands.c  the commands

#ifndef WORKER_AGENT_PLAIN_H
#define WORKER_AGENT_PLAIN_H

#include "worker/agent/command.h"
#include "worker/agent/item_view.h"
#include "worker/agent/prompt.h"
#include "worker/agent/worker_options.h"

#include <behalf/client.h>

#define PLAIN_SAVE_MS 5000 // how often what is being written is saved

// What the next line is.
enum mode {
    MODE_COMMAND,
    MODE_ARGUMENT, // the text a command asked for
    MODE_TEXT,     // a line of an answer, ended by a lone "."
    MODE_EDIT,     // a line of the draft to be mended
    MODE_RESUME,   // use the draft, add to it, or begin anew?
    MODE_REPLACE,  // send what was typed instead of the draft?
    MODE_CONFIRM,  // send it?
    MODE_LEAVE,    // really sign out?
    MODE_WAIT      // none: `wait` waits for an item
};

// An item offered to or held by the person.  Owned by the desk of plain.
struct held {
    struct behalf_message *message; // the latest ITEM
    char *text;                     // written and not sent; NULL if nothing
    char *saved;                    // what was last saved as the draft, NULL if nothing
    bool unsaved;                   // the broker refused to save it
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
    char *text;             // MODE_TEXT, MODE_EDIT: the lines so far; MODE_REPLACE: what was typed
    char *rest;             // MODE_EDIT: the lines not mended yet; NULL at their end
    int64_t asked;          // the request whose answer is awaited; 0: none
    enum behalf_type asked_type;
    int64_t asked_item;
    int64_t asked_lease;     // under which it was asked
    int64_t asked_until_ms;  // PARK
    char asked_audience[16]; // LOOK
    char asked_outcome[24];  // CLOSE
    int64_t saving;          // a DRAFT sent by itself; its answer is no news
    int64_t saving_item;
    int64_t save_at_ms;      // while writing
    int64_t wait_until_ms;   // MODE_WAIT
    int64_t clock_offset_ms; // the broker's clock is this plus ours
    int64_t timeout_ms;      // of the session
    size_t items_to_come;    // after WELCOME
    bool unsure;             // the session was lost: what is in hand may be somebody else's by now
    char presence[16];
    char roles[64];
    int signals;
    bool interrupted;   // Ctrl-C just now: the next one signs out
    bool from_terminal; // what is typed comes from one, whether readline is used or not
    bool hung_up;       // that terminal is gone
    bool over;
    enum worker_end end;
};

// ---- plain_hand.c ----

int64_t plain_broker_ms(const struct plain *plain); // the broker's clock

// A page to be shown at once, above what is being typed.
struct page {
    struct plain *plain;
    char *text;
    size_t bytes;
    struct view view;
};

struct view *plain_page_open(struct page *page, struct plain *plain);
void plain_page_show(struct page *page);

// Shows a line of ours; texts of others in it are made visible.
__attribute__((format(printf, 2, 3))) void plain_tell(struct plain *plain, const char *format, ...);

// The item in front; only while there is one.
const struct behalf_item *plain_front(const struct plain *plain);

// One of the person's items, or NULL.
struct held *plain_find(const struct plain *plain, int64_t item);

// How many of them are in this state: held or offered.
size_t plain_count(const struct plain *plain, const char *state);

// Takes the message of a new item.
struct held *plain_add(struct plain *plain, struct behalf_message **message_p);
void plain_free_held(struct held *held);

// Replaces a text by a copy of another; "" and NULL make it NULL.
void plain_set_text(char **text, const char *value);

bool plain_is_writing(enum mode mode);
void plain_end_writing(struct plain *plain);

// What is written of an answer at this moment, half a line included; freed by the caller.
char *plain_written(const struct plain *plain);

// Puts an item in front and shows it: the one given, or with NULL the next to work on.
void plain_bring_to_front(struct plain *plain, struct held *held);

// Takes an item off the person's list: by their own doing, or not (then with what they had written).
void plain_drop(struct plain *plain, struct held *held);
void plain_lose(struct plain *plain, struct held *held, const char *reason);

// Asks the broker; nothing more is read until it has answered.
void plain_ask(struct plain *plain, const struct behalf_message *message, int64_t item);

// Asks for something about the item in front.  All such messages begin with item and lease.
#define ASK_FRONT(plain, TYPE, member, ...)                                                                            \
    do {                                                                                                               \
        struct behalf_message request = { .type = BEHALF_##TYPE };                                                     \
        request.member.item = plain_front(plain)->item;                                                                \
        request.member.lease = plain_front(plain)->lease;                                                              \
        __VA_ARGS__;                                                                                                   \
        plain_ask(plain, &request, request.member.item);                                                               \
    } while (0)

// Before leaving: an answer half typed behind its command is added to what was written for the item, a note half typed
// is sent as one, marked.  Returns the request whose answer is to be awaited, or 0.
int64_t plain_keep_half_typed(struct plain *plain);

// Saves what is being written as the item's draft, without making anybody wait.
void plain_save_written(struct plain *plain);

void plain_finish(struct plain *plain, enum worker_end end);

// ---- plain_news.c ----

// Takes all that the broker has said.  False if it was nothing.
bool plain_hear_broker(struct plain *plain);

// Tells of a session lost, refused or ended.
void plain_watch_session(struct plain *plain);

// ---- plain_writing.c ----

// What was written for the item in front, or its draft; "" if nothing.
const char *plain_kept_text(const struct plain *plain);

// Whether the broker has it as the item's draft.
bool plain_is_saved(const struct plain *plain);

// Tells, and returns true, if a text is longer than a reply can be; `what` becomes of it is said behind.
bool plain_too_long(struct plain *plain, const char *text, const char *what);

// Shows a text as it will go out; plain_submit keeps it first, and then asks whether it may go.
void plain_preview_text(struct plain *plain, const char *text);
void plain_submit(struct plain *plain, const char *text);

void plain_begin_text(struct plain *plain, const char *first_lines);
void plain_begin_edit(struct plain *plain);
void plain_end_text(struct plain *plain);

// The line being mended, as it was; freed by the caller.
char *plain_next_line_to_edit(const struct plain *plain);

// A line typed in each of the modes of writing.
void plain_take_text_line(struct plain *plain, const char *line);
void plain_take_edited_line(struct plain *plain, const char *line);
void plain_take_resume(struct plain *plain, const char *line);
void plain_take_replace(struct plain *plain, const char *line);
void plain_take_confirmation(struct plain *plain, const char *line);

// ---- plain_commands.c ----

// Understands and runs a line; runs a command of which the text was asked for; leaves.
void plain_take_command(struct plain *plain, char *line);
void plain_run_command(struct plain *plain, enum command_verb verb, char *rest);
void plain_run_quit(struct plain *plain);

// Asks for the open items of the audience last asked for that come after this one.
void plain_look(struct plain *plain, int64_t after);

#endif
