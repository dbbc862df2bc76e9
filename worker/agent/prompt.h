// prompt.h - where a person types.
//
// In a terminal a line is edited with GNU readline, and what is printed meanwhile appears above it without
// disturbing it.  Otherwise lines are read as they are, and shown behind the prompt, so that what comes out
// reads like a conversation.  Nothing here blocks; history lives in memory only.
//
// One prompt a process: readline has one state.

#ifndef WORKER_AGENT_PROMPT_H
#define WORKER_AGENT_PROMPT_H

#include <stdbool.h>
#include <stddef.h>

// The longest line of standard input that is not a terminal.
#define PROMPT_LINE_BYTES ((size_t) 65536)

// Nobody reads a question and answers it in less.
#define PROMPT_READING_MS 300

struct prompt;

enum prompt_event {
    PROMPT_NOTHING, // not yet
    PROMPT_LINE,    // a line, owned by the caller
    PROMPT_BAD,     // a line that is too long or not UTF-8 was passed over
    PROMPT_EARLY,   // a line came too soon to be an answer to prompt_ask_person's question, and was passed over
    PROMPT_END      // there will be no more; in a terminal: Ctrl-D, and there may be more
};

struct prompt *prompt_new(void);

// Gives the terminal back as it was.  Sets the pointer to NULL.
void prompt_destroy(struct prompt **prompt_p);

bool prompt_is_terminal(const struct prompt *prompt);
size_t prompt_columns(const struct prompt *prompt);

// Asks for a line, with `prefill` in it to be edited (NULL: nothing; only in a terminal).  While it already
// asks the same, nothing happens.  With `commands` the line goes into the history, and Tab completes it.
void prompt_ask(struct prompt *prompt, const char *question, const char *prefill, bool commands);

// Asks what only a person who has read the question may answer: what was typed before it was shown is dropped, and a
// line that ends within PROMPT_READING_MS after is passed over (PROMPT_EARLY).  A terminal that does not mark what is
// pasted would else take a pasted text's second line for consent.  Lines that come from no terminal are a script's:
// they are answers in their order.
void prompt_ask_person(struct prompt *prompt, const char *question);

// What to poll, -1 when no line is wanted.
int prompt_fd(const struct prompt *prompt);

// Whether prompt_read has something without a poll.
bool prompt_ready(const struct prompt *prompt);

// Reads what was typed.  After a line it asks no more until prompt_ask.
enum prompt_event prompt_read(struct prompt *prompt, bool readable, char **line);

// Prints above the line being typed.
void prompt_print(struct prompt *prompt, const char *text);

// What is being typed just now, "" if nothing.  Valid until the next call.
const char *prompt_typed(const struct prompt *prompt);

// Stops asking; what was being typed is dropped.
void prompt_leave(struct prompt *prompt);

// The terminal's size changed; the program is to be stopped for a while (Ctrl-Z), and returns when it goes on.
void prompt_resize(struct prompt *prompt);
void prompt_suspend(struct prompt *prompt);

#endif
