// command.c - the table of commands, and the words of a line held against it: see command.h.

#include "worker/agent/command.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PARK_MS_MAX (INT64_C(60) * 24 * 3600 * 1000)

static const struct {
    enum command_verb verb;
    bool item; // it is about the item in front
    const char *word;
    const char *letter;   // a short form, or ""
    const char *argument; // for help
    const char *question; // asked when no text was given; NULL: none is needed
    const char *help;
    const char *roles; // who may use it; NULL: everybody
} commands[] = {
    { COMMAND_TAKE, true, "take", "t", "", NULL, "take the item that is offered", NULL },
    { COMMAND_DECLINE, true, "decline", "d", "[REASON]", NULL, "leave it to somebody else", NULL },
    { COMMAND_ANSWER, true, "answer", "a", "[TEXT]", NULL,
      "write an answer; it is shown as it will go out before it does", NULL },
    { COMMAND_PREVIEW, true, "preview", "v", "[TEXT]", NULL, "show how a text, or the draft, would go out", NULL },
    { COMMAND_EDIT, true, "edit", "e", "", NULL, "mend the draft, line by line, then send it", NULL },
    { COMMAND_DRAFT, true, "draft", "", "[TEXT]", NULL, "save a text with the item; without one show the draft", NULL },
    { COMMAND_NOTE, true, "note", "n", "TEXT", "note: ", "leave a note for whoever has the item after you", NULL },
    { COMMAND_CLOSE, true, "close", "c", "OUTCOME [NOTE]", "outcome (none, noise, duplicate, handed-off): ",
      "end it without an answer: no-answer-needed (or none), noise, duplicate, handed-off\n"
      "                            (answered: when a reply of unknown fate is there after all)",
      NULL },
    { COMMAND_ESCALATE, true, "escalate", "x", "REASON", "why is it for the PR team? ",
      "move it to the brand's PR team", NULL },
    { COMMAND_PARK, true, "park", "p", "2h [REASON]", "until when (30m, 2h, 1d, 17:30)? ",
      "put it aside for a while; it comes back when due, or when its author writes", NULL },
    { COMMAND_TRANSFER, true, "transfer", "", "to NAME | language CODE | skills A,B  REASON",
      "to NAME, language CODE or skills A,B, and why? ", "put it before somebody else", NULL },
    { COMMAND_RETURN, true, "return", "", "GUIDANCE", "what should be answered, or how? ",
      "PR: give it back to the agents, with guidance", "pr" },
    { COMMAND_APPROVE, true, "approve", "", "", NULL, "approver: let the draft go out", "approver" },
    { COMMAND_REJECT, true, "reject", "", "REASON", "what should be changed? ", "approver: send the draft back",
      "approver" },
    { COMMAND_SHOW, false, "show", "s", "[ITEM]", NULL, "show the item again, or another of yours", NULL },
    { COMMAND_ITEMS, false, "items", "i", "", NULL, "list the items you have", NULL },
    { COMMAND_LOOK, false, "look", "l", "[AUDIENCE]", NULL, "list the open items that you may take", NULL },
    { COMMAND_AWAY, false, "away", "", "REASON", "why (break, training, ...)? ", "be offered nothing", NULL },
    { COMMAND_BACK, false, "back", "b", "", NULL, "be offered items again", NULL },
    { COMMAND_FREEZE, false, "freeze", "", "BRAND REASON", "which brand, and why? ",
      "PR: stop a brand's replies at once", "pr,supervisor" },
    { COMMAND_UNFREEZE, false, "unfreeze", "", "BRAND REASON", "which brand, and why? ", "PR: let them go out again",
      "pr,supervisor" },
    { COMMAND_RECALL, false, "recall", "", "ITEM REASON", "which item, and why? ",
      "supervisor: put an item that somebody has, or has parked, back into its queue", "supervisor" },
    { COMMAND_STATUS, false, "status", "", "", NULL, "how you are signed in; supervisors: queues and people", NULL },
    { COMMAND_WAIT, false, "wait", "w", "[30s]", NULL, "for scripts: wait until there is an item", NULL },
    { COMMAND_HELP, false, "help", "h", "[COMMAND]", NULL, "this list", NULL },
    { COMMAND_QUIT, false, "quit", "q", "", NULL, "sign out; what you hold goes back to its queue", NULL },
};

#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

static char *command_trim(char *text)
{
    text += strspn(text, " \t\r\n");
    size_t bytes = strlen(text);
    while (bytes > 0 && strchr(" \t\r\n", text[bytes - 1]) != NULL) {
        text[--bytes] = '\0';
    }
    return text;
}

char *command_word(char **rest)
{
    char *word = command_trim(*rest);
    char *end = word + strcspn(word, " \t\n");
    *rest = *end != '\0' ? command_trim(end + 1) : end;
    *end = '\0';
    return word;
}

// The command of this name or letter, or the only one that begins so; COMMAND_COUNT if there is none, and
// one more if there are several.
static size_t command_find(const char *word)
{
    size_t found = COMMAND_COUNT;
    size_t bytes = strlen(word);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i].word, word) == 0 || strcmp(commands[i].letter, word) == 0) {
            return i;
        }
        if (strncmp(commands[i].word, word, bytes) == 0) {
            found = found == COMMAND_COUNT ? i : COMMAND_COUNT + 1;
        }
    }
    return found;
}

bool command_parse(char *line, struct command *command, char *problem, size_t problem_bytes)
{
    *command = (struct command){ .verb = COMMAND_NONE, .word = "", .rest = command_trim(line) };
    if (command->rest[0] == '\0') {
        return true;
    }
    if (strcmp(command->rest, "?") == 0) {
        *command = (struct command){ .verb = COMMAND_HELP, .word = "help", .rest = command->rest + 1 };
        return true;
    }
    char *word = command_word(&command->rest);
    for (char *letter = word; *letter != '\0'; letter++) {
        *letter = (char) tolower((unsigned char) *letter);
    }
    size_t found = command_find(word);
    if (found >= COMMAND_COUNT) {
        snprintf(problem, problem_bytes, "%s: %.40s; `help` lists the commands",
                 found == COMMAND_COUNT ? "no such command" : "several commands begin so", word);
        return false;
    }
    command->verb = commands[found].verb;
    command->word = commands[found].word;
    return true;
}

static size_t command_index_of(enum command_verb verb)
{
    size_t i = 0;
    while (i < COMMAND_COUNT && commands[i].verb != verb) {
        i++;
    }
    return i;
}

bool command_needs_item(enum command_verb verb)
{
    size_t i = command_index_of(verb);
    return i < COMMAND_COUNT && commands[i].item;
}

const char *command_question(enum command_verb verb)
{
    size_t i = command_index_of(verb);
    return i < COMMAND_COUNT ? commands[i].question : NULL;
}

// The next time that the clock on the wall shows this.
static bool command_time_of_day(const char *text, int64_t now_ms, int64_t *until_ms)
{
    char *end;
    long hour = strtol(text, &end, 10);
    if (*end != ':' || end == text || !isdigit((unsigned char) end[1])) {
        return false;
    }
    const char *minutes = end + 1;
    long minute = strtol(minutes, &end, 10);
    if (*end != '\0' || hour < 0 || hour > 23 || minute > 59) {
        return false;
    }
    time_t now = (time_t) (now_ms / 1000);
    struct tm local;
    localtime_r(&now, &local);
    local.tm_hour = (int) hour;
    local.tm_min = (int) minute;
    local.tm_sec = 0;
    local.tm_isdst = -1;
    time_t until = mktime(&local);
    if (until <= now) {
        local.tm_mday++;
        local.tm_isdst = -1;
        until = mktime(&local);
    }
    *until_ms = (int64_t) until * 1000;
    return until > now;
}

bool command_until(const char *text, int64_t now_ms, int64_t *until_ms)
{
    if (!isdigit((unsigned char) text[0])) {
        return false;
    }
    if (strchr(text, ':') != NULL) {
        return command_time_of_day(text, now_ms, until_ms);
    }
    char *end;
    long long count = strtoll(text, &end, 10);
    static const struct {
        char letter;
        int64_t ms;
    } units[] = { { 's', 1000 }, { 'm', 60000 }, { 'h', 3600000 }, { 'd', 86400000 } };
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (end[0] != units[i].letter || end[1] != '\0') {
            continue;
        }
        if (count < 1 || count > PARK_MS_MAX / units[i].ms) {
            return false;
        }
        *until_ms = now_ms + count * units[i].ms;
        return true;
    }
    return false;
}

const char *command_outcome(const char *word)
{
    static const char *const outcomes[] = { "no-answer-needed", "noise", "duplicate", "handed-off", "answered" };
    if (strcmp(word, "none") == 0) {
        return outcomes[0];
    }
    const char *found = NULL;
    for (size_t i = 0; i < sizeof outcomes / sizeof outcomes[0]; i++) {
        if (strncmp(outcomes[i], word, strlen(word)) != 0 || word[0] == '\0') {
            continue;
        }
        if (found != NULL) {
            return NULL;
        }
        found = outcomes[i];
    }
    return found;
}

static void command_help_of(FILE *out, size_t i)
{
    char form[80];
    snprintf(form, sizeof form, "%s%s%s", commands[i].word, commands[i].argument[0] != '\0' ? " " : "",
             commands[i].argument);
    if (strlen(form) > 22) {
        fprintf(out, "  %-2s %s\n  %-26s%s\n", commands[i].letter, form, "", commands[i].help);
    } else {
        fprintf(out, "  %-2s %-22s %s\n", commands[i].letter, form, commands[i].help);
    }
}

bool command_has_role(const char *roles, const char *role)
{
    size_t bytes = strlen(role);
    for (const char *at = roles; *at != '\0';) {
        size_t length = strcspn(at, ",");
        if (length == bytes && strncmp(at, role, bytes) == 0) {
            return true;
        }
        at += length + (at[length] == ',');
    }
    return false;
}

const char *command_roles(enum command_verb verb)
{
    size_t i = command_index_of(verb);
    return i < COMMAND_COUNT && commands[i].roles != NULL ? commands[i].roles : "";
}

bool command_is_for(enum command_verb verb, const char *roles)
{
    const char *needed = command_roles(verb);
    if (needed[0] == '\0' || roles[0] == '\0') {
        return true;
    }
    static const char *const every[] = { "agent", "pr", "approver", "supervisor" };
    for (size_t i = 0; i < sizeof every / sizeof every[0]; i++) {
        if (command_has_role(needed, every[i]) && command_has_role(roles, every[i])) {
            return true;
        }
    }
    return false;
}

bool command_help(FILE *out, const char *word, const char *roles)
{
    if (word[0] != '\0') {
        size_t found = command_find(word);
        if (found < COMMAND_COUNT) {
            command_help_of(out, found);
        }
        return found < COMMAND_COUNT;
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (command_is_for(commands[i].verb, roles)) {
            command_help_of(out, i);
        }
    }
    fputs("A command may be shortened as long as it is the only one. Ctrl-C leaves what you are in the middle of;\n"
          "nothing that you typed as an answer is lost by it.\n",
          out);
    return true;
}

const char *command_complete(const char *beginning, size_t index)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strncmp(commands[i].word, beginning, strlen(beginning)) == 0 && index-- == 0) {
            return commands[i].word;
        }
    }
    return NULL;
}

enum command_reply command_reply(const char *line)
{
    static const struct {
        const char *word;
        enum command_reply reply;
    } words[] = { { "", REPLY_NOTHING }, { "y", REPLY_YES },  { "yes", REPLY_YES },   { "n", REPLY_NO },
                  { "no", REPLY_NO },    { "e", REPLY_EDIT }, { "edit", REPLY_EDIT }, { "u", REPLY_USE },
                  { "use", REPLY_USE },  { "new", REPLY_NEW } };
    line += strspn(line, " \t");
    size_t bytes = strlen(line);
    while (bytes > 0 && (line[bytes - 1] == ' ' || line[bytes - 1] == '\t')) {
        bytes--;
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strlen(words[i].word) == bytes && strncasecmp(line, words[i].word, bytes) == 0) {
            return words[i].reply;
        }
    }
    return REPLY_OTHER;
}
