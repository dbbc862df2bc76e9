// command.h - what a person types at the prompt, as a command with its arguments.
//
// Pure.  One table names the commands, their letters and what they take; `help` is made from it.

#ifndef WORKER_AGENT_COMMAND_H
#define WORKER_AGENT_COMMAND_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum command_verb {
    COMMAND_NONE, // an empty line
    COMMAND_HELP,
    COMMAND_SHOW,
    COMMAND_ITEMS,
    COMMAND_TAKE,
    COMMAND_DECLINE,
    COMMAND_ANSWER,
    COMMAND_PREVIEW,
    COMMAND_EDIT,
    COMMAND_DRAFT,
    COMMAND_NOTE,
    COMMAND_CLOSE,
    COMMAND_ESCALATE,
    COMMAND_RETURN,
    COMMAND_APPROVE,
    COMMAND_REJECT,
    COMMAND_TRANSFER,
    COMMAND_PARK,
    COMMAND_LOOK,
    COMMAND_AWAY,
    COMMAND_BACK,
    COMMAND_FREEZE,
    COMMAND_UNFREEZE,
    COMMAND_RECALL,
    COMMAND_STATUS,
    COMMAND_WAIT,
    COMMAND_QUIT
};

// A line, understood.  Texts point into the line, which is cut up for it.
struct command {
    enum command_verb verb;
    const char *word; // what it is called
    char *rest;       // everything behind the word, trimmed; "" if nothing
};

// Takes a line apart.  Returns false with `problem` in words if there is no such command.  The line is
// changed and must outlive the command.
bool command_parse(char *line, struct command *command, char *problem, size_t problem_bytes);

// True if the command is about the item in front of the person.
bool command_needs_item(enum command_verb verb);

// What to ask when the command needs a text and none was given: "why? "; NULL if it needs none.
const char *command_question(enum command_verb verb);

// Cuts the first word off a text: returns it ("" if there is none), and sets the text to what follows.
char *command_word(char **rest);

// Reads "90s", "30m", "2h", "1d" or a time of day "17:30" (the next such) into milliseconds since 1970.
// `now_ms` is the present in the same.  Returns false for anything else, or more than 60 days.
bool command_until(const char *text, int64_t now_ms, int64_t *until_ms);

// The outcome a person means by a word: its name or a beginning that fits one alone; NULL if none.
const char *command_outcome(const char *word);

// Whether a list of roles, joined by commas, has this one.
bool command_has_role(const char *roles, const char *role);

// The roles that may use the command, joined by commas; "" if everybody may.
const char *command_roles(enum command_verb verb);

// Whether a person of these roles may use the command; with roles unknown ("") everybody may.
bool command_is_for(enum command_verb verb, const char *roles);

// Prints the table, or one command if `word` names it: those a person of these roles may use.  False if
// there is no such command.
bool command_help(FILE *out, const char *word, const char *roles);

// Completes the beginning of a command's name: the `index`-th that fits, or NULL.
const char *command_complete(const char *beginning, size_t index);

// What somebody says to a question, in one word and nothing else: `y` or `yes` alone consents, "yes, but" does not.
enum command_reply { REPLY_OTHER, REPLY_NOTHING, REPLY_YES, REPLY_NO, REPLY_EDIT, REPLY_USE, REPLY_NEW };

enum command_reply command_reply(const char *line);

#endif
