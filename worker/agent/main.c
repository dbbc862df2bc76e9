// main.c - behalf-worker: its command line.

#include "worker/agent/worker_options.h"
#include "worker/visible_text.h"

#include <behalf/client.h>

#include <argp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const char *argp_program_version = "behalf-worker " BEHALF_VERSION;

static const char description[] =
    "Signs a person in to a Behalf broker: an agent, a PR person or an approver is offered items, one after the other, "
    "takes them, and answers, escalates or closes them.\v"
    "At the prompt, `help` lists the commands. Answers are shown as they will go out before they do. When the "
    "connection is lost, it is not sure that what you hold is still yours until a broker says so; what you ask for is "
    "done once it is back. "
    "Input that is not a terminal is read line by line as if it were typed; `wait` waits for an item.\n"
    "\n"
    "With --json every message of the broker is a line {\"type\":\"ITEM\", ...}, every line of input a request "
    "{\"type\":\"ANSWER\",\"item\":1,\"lease\":2,\"text\":\"...\"}; the fields are those of PROTOCOL.md. An \"id\" in "
    "a "
    "request comes back in its answer. At the end of the input the last answers are awaited.\n"
    "\n"
    "Exit status: 0 signed out as asked; 2 the broker refused the person; 3 the broker ended the session; 4 signed "
    "out before everything asked for was answered; 5 the terminal was closed (SIGHUP): what was being written is "
    "saved, "
    "and what you hold waits for you as after a lost connection; 64 the command line is wrong.\n"
    "\n"
    "Example: behalf-worker --name asha";

enum { KEY_PLAIN = 256, KEY_JSON, KEY_STAY };

static const struct argp_option option_table[] = {
    { "broker", 'b', "LIST", 0,
      "Brokers, separated by commas (default: $BEHALF_BROKER, else " BEHALF_DEFAULT_ENDPOINT ")", 0 },
    { "name", 'n', "NAME", 0, "Who you are, as the rules name you (default: your login name)", 0 },
    { "desk", 'd', "NAME", 0, "Which desk, where the broker serves several and your name is in more than one", 0 },
    { "plain", KEY_PLAIN, NULL, 0, "Work at a prompt (the default)", 0 },
    { "json", KEY_JSON, NULL, 0, "Lines of JSON on standard input and output", 0 },
    { "stay", KEY_STAY, NULL, 0, "With --json: stay signed in when the input has ended", 0 },
    { 0 },
};

struct command_line {
    struct worker_options options;
    bool json;
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct command_line *line = state->input;
    switch (key) {
    case 'b':
        line->options.brokers = argument;
        return 0;
    case 'n':
        line->options.name = argument;
        return 0;
    case 'd':
        line->options.desk = argument;
        return 0;
    case KEY_PLAIN:
        line->json = false;
        return 0;
    case KEY_JSON:
        line->json = true;
        return 0;
    case KEY_STAY:
        line->options.stay = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "no arguments are expected: %s", argument);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int main(int argc, char **argv)
{
    static const struct argp argp = { .options = option_table, .parser = parse_option, .doc = description };
    struct command_line line = { .options = {
                                     .brokers = getenv("BEHALF_BROKER"), .desk = "", .visible = visible_locale() } };
    argp_parse(&argp, argc, argv, 0, NULL, &line);
    if (line.options.name == NULL) {
        const struct passwd *login = getpwuid(getuid());
        line.options.name = login != NULL ? login->pw_name : "";
    }
    if (line.options.name[0] == '\0') {
        fprintf(stderr, "behalf-worker: who are you? Give --name NAME\n");
        return WORKER_USAGE;
    }
    return (int) (line.json ? json_run(&line.options) : plain_run(&line.options));
}
