// prompt.c - readline where there is a terminal, plain lines where there is none: see prompt.h.

#include "worker/agent/prompt.h"

#include "proto/base/must.h"
#include "worker/agent/command.h"
#include "proto/base/clocks.h"
#include "worker/line_reader.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include <unistr.h>

#include <readline/history.h>
#include <readline/readline.h>

#define COLUMNS_USUAL 80
#define HISTORY_LINES 500

struct prompt {
    bool terminal; // readline is used
    bool echo;     // lines are shown behind the prompt, as nobody saw them typed
    bool asking;
    bool commands;       // what is asked for is a command
    char *question;      // as last asked
    int64_t readable_ms; // when somebody can have read a question for a person, by clocks_boot_ms; 0: any line does
    struct line_reader lines; // without readline
    bool got_line;            // readline has one, or the end
    char *line;               // it; NULL at the end
};

// Readline calls back without an argument of ours.
static struct prompt *the_prompt;

static void prompt_take_line(char *line)
{
    the_prompt->got_line = true;
    the_prompt->line = line;
    the_prompt->asking = false;
    rl_callback_handler_remove();
}

static char *prompt_generate_command(const char *text, int state)
{
    static size_t index;
    index = state == 0 ? 0 : index + 1;
    const char *word = command_complete(text, index);
    return word != NULL ? strdup(word) : NULL;
}

static char **prompt_complete(const char *text, int start, int end)
{
    (void) end;
    rl_attempted_completion_over = 1; // never names of files
    return start == 0 && the_prompt->commands ? rl_completion_matches(text, prompt_generate_command) : NULL;
}

struct prompt *prompt_new(void)
{
    struct prompt *prompt = calloc(1, sizeof *prompt);
    must(prompt != NULL);
    must(the_prompt == NULL);
    the_prompt = prompt;
    const char *kind = getenv("TERM");
    bool dumb = kind == NULL || strcmp(kind, "dumb") == 0;
    prompt->terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && !dumb;
    prompt->echo = !isatty(STDIN_FILENO);
    line_reader_init(&prompt->lines, STDIN_FILENO, PROMPT_LINE_BYTES);
    if (prompt->terminal) {
        rl_readline_name = "behalf-worker";
        rl_catch_signals = 0;
        rl_catch_sigwinch = 0;
        rl_attempted_completion_function = prompt_complete;
        using_history();
        stifle_history(HISTORY_LINES);
    }
    return prompt;
}

void prompt_destroy(struct prompt **prompt_p)
{
    struct prompt *prompt = *prompt_p;
    if (prompt == NULL) {
        return;
    }
    prompt_leave(prompt);
    if (prompt->terminal) {
        clear_history();
    }
    line_reader_fini(&prompt->lines);
    free(prompt->line);
    free(prompt->question);
    free(prompt);
    the_prompt = NULL;
    *prompt_p = NULL;
}

bool prompt_is_terminal(const struct prompt *prompt)
{
    return prompt->terminal;
}

size_t prompt_columns(const struct prompt *prompt)
{
    struct winsize size;
    (void) prompt;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        return size.ws_col;
    }
    return COLUMNS_USUAL;
}

void prompt_ask(struct prompt *prompt, const char *question, const char *prefill, bool commands)
{
    bool same = prompt->asking && prompt->question != NULL && strcmp(prompt->question, question) == 0;
    prompt->commands = commands;
    if (same && prefill == NULL) {
        return;
    }
    prompt->readable_ms = 0;
    free(prompt->question);
    prompt->question = strdup(question);
    if (!prompt->terminal) {
        if (!prompt->asking || !same) {
            fputs(prompt->echo ? "" : question, stdout);
        }
        fflush(stdout);
        prompt->asking = true;
        return;
    }
    if (prompt->asking) { // the same line goes on behind another question
        rl_set_prompt(question);
        rl_clear_visible_line();
        rl_on_new_line();
        rl_redisplay();
        return;
    }
    rl_callback_handler_install(question, prompt_take_line);
    prompt->asking = true;
    if (prefill != NULL) {
        rl_insert_text(prefill);
        rl_redisplay();
    }
}

void prompt_ask_person(struct prompt *prompt, const char *question)
{
    if (prompt->asking && prompt->readable_ms != 0) {
        return;
    }
    if (isatty(STDIN_FILENO)) {
        prompt_leave(prompt);
        tcflush(STDIN_FILENO, TCIFLUSH);
        line_reader_drop(&prompt->lines);
    }
    prompt_ask(prompt, question, NULL, false);
    prompt->readable_ms = isatty(STDIN_FILENO) ? clocks_boot_ms() + PROMPT_READING_MS : 0;
}

int prompt_fd(const struct prompt *prompt)
{
    return prompt->asking && !prompt->lines.ended ? STDIN_FILENO : -1;
}

bool prompt_ready(const struct prompt *prompt)
{
    if (!prompt->asking) {
        return false;
    }
    return prompt->lines.ended || prompt->lines.scanned < prompt->lines.end; // half a line waits for more
}

static enum prompt_event prompt_check(struct prompt *prompt, char *text, char **line)
{
    if (u8_check((const uint8_t *) text, strlen(text)) != NULL) {
        free(text);
        return PROMPT_BAD;
    }
    bool early = clocks_boot_ms() < prompt->readable_ms;
    prompt->readable_ms = 0;
    if (early) {
        free(text);
        return PROMPT_EARLY;
    }
    if (prompt->commands && prompt->terminal && text[0] != '\0') {
        add_history(text);
    }
    *line = text;
    return PROMPT_LINE;
}

static enum prompt_event prompt_read_terminal(struct prompt *prompt, bool readable, char **line)
{
    if (readable && !prompt->got_line) {
        rl_callback_read_char();
    }
    if (!prompt->got_line) {
        return PROMPT_NOTHING;
    }
    prompt->got_line = false;
    char *text = prompt->line;
    prompt->line = NULL;
    if (text == NULL) {
        fputc('\n', stdout);
        return PROMPT_END;
    }
    return prompt_check(prompt, text, line);
}

static enum prompt_event prompt_read_plain(struct prompt *prompt, bool readable, char **line)
{
    const char *text;
    size_t bytes;
    enum line_kind kind = line_reader_next(&prompt->lines, &text, &bytes);
    if (kind == LINE_NONE && readable && line_reader_fill(&prompt->lines)) {
        kind = line_reader_next(&prompt->lines, &text, &bytes);
    }
    if (kind == LINE_NONE && prompt->lines.ended) {
        kind = line_reader_next(&prompt->lines, &text, &bytes);
    }
    if (kind == LINE_NONE && !prompt->lines.ended) {
        return PROMPT_NOTHING;
    }
    prompt->asking = false;
    if (kind == LINE_NONE) {
        return PROMPT_END;
    }
    if (kind == LINE_TOO_LONG || memchr(text, '\0', bytes) != NULL) {
        return PROMPT_BAD;
    }
    char *copy = strndup(text, bytes);
    if (prompt->echo) {
        printf("%s%s\n", prompt->question, copy);
    }
    return prompt_check(prompt, copy, line);
}

enum prompt_event prompt_read(struct prompt *prompt, bool readable, char **line)
{
    *line = NULL;
    if (!prompt->asking) {
        return PROMPT_NOTHING;
    }
    return prompt->terminal ? prompt_read_terminal(prompt, readable, line) : prompt_read_plain(prompt, readable, line);
}

void prompt_print(struct prompt *prompt, const char *text)
{
    bool editing = prompt->terminal && prompt->asking;
    if (editing) {
        rl_clear_visible_line();
    }
    fputs(text, stdout);
    fflush(stdout);
    if (editing) {
        rl_on_new_line();
        rl_redisplay();
    }
}

const char *prompt_typed(const struct prompt *prompt)
{
    return prompt->terminal && prompt->asking ? rl_line_buffer : "";
}

void prompt_leave(struct prompt *prompt)
{
    if (prompt->asking && prompt->terminal) {
        rl_replace_line("", 0);
        rl_clear_visible_line();
        rl_callback_handler_remove();
        fflush(stdout);
    }
    prompt->asking = false;
}

void prompt_resize(struct prompt *prompt)
{
    if (prompt->terminal) {
        rl_resize_terminal();
    }
}

void prompt_suspend(struct prompt *prompt)
{
    bool editing = prompt->terminal && prompt->asking;
    if (editing) {
        (*rl_deprep_term_function)();
    }
    raise(SIGSTOP);
    if (editing) {
        (*rl_prep_term_function)(1);
        rl_forced_update_display();
    }
}
