// main.c - behalf-ctl: finds the command and hands it the rest of the line.

#include "worker/ctl/ctl.h"
#include "worker/visible_text.h"

#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct ctl_command commands[] = {
    { "feed", "bring in the posts of a CSV or NDJSON file", feed_command },
    { "status", "counts by queue and by person", status_command },
    { "look", "list open items", look_command },
    { "why", "tell an item's history and the reasons", why_command },
    { "outcomes", "tell how items ended, as a table, CSV or JSON", outcomes_command },
    { "check", "find what is wrong with files of rules", check_command },
    { "apply", "make rules live", apply_command },
    { "freeze", "the red button: stop a brand's replies", freeze_command },
    { "unfreeze", "let a brand's replies go out again", unfreeze_command },
    { "return", "put an item that somebody has back into its queue", return_command },
    { "move", "carry a desk with its history to another store", move_command },
};
#define COMMAND_COUNT (sizeof commands / sizeof *commands)

static const char usage_doc[] = "COMMAND [OPTION...]";

// What --help says after the options; %s: the list of commands.
static const char help_end[] = "Examples:\n"
                               "  behalf-ctl check rules.yaml && behalf-ctl apply rules.yaml\n"
                               "  behalf-ctl feed posts.csv --channel twitter --brand acme \\\n"
                               "      --map post=tweet_id --map author=name\n"
                               "  behalf-ctl status --watch 2\n"
                               "  behalf-ctl why 4711\n"
                               "  behalf-ctl outcomes --since 24h --csv > outcomes.csv\n"
                               "  behalf-ctl move --from /var/lib/behalf --to postgresql://behalf@db/behalf\n"
                               "\n"
                               "Exit status: 0 done; 1 refused, or problems were found;\n"
                               "2 wrong usage, or a file that cannot be read; 3 no broker answered in time;\n"
                               "4 feed: the file has rows, and none is in; 130 stopped by Ctrl-C.\n"
                               "\n"
                               "behalf-ctl COMMAND --help tells a command's options.";

static char *help_filter(int key, const char *text, void *input)
{
    (void) input;
    if (key != ARGP_KEY_HELP_POST_DOC) {
        return (char *) text;
    }
    char *whole = NULL;
    size_t bytes;
    FILE *out = open_memstream(&whole, &bytes);
    if (out == NULL) {
        return (char *) text;
    }
    fprintf(out, "Commands:\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].doc);
    }
    fprintf(out, "\n%s", help_end);
    fclose(out);
    return whole;
}

struct choice {
    struct ctl_options *options;
    const struct ctl_command *command;
    int at; // index of the command's word in argv
};

static const struct ctl_command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static error_t parse_main(int key, char *argument, struct argp_state *state)
{
    struct choice *choice = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = choice->options;
        return 0;
    case ARGP_KEY_ARG:
        choice->command = find_command(argument);
        if (choice->command == NULL) {
            argp_error(state, "%s: no such command", argument);
        }
        choice->at = state->next - 1;
        state->next = state->argc; // the rest is the command's
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which command?");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const char *user_name(void)
{
    static char name[BEHALF_NAME_BYTES + 1];
    const struct passwd *user = getpwuid(geteuid());
    snprintf(name, sizeof name, "%s", user != NULL && *user->pw_name ? user->pw_name : "ctl");
    return name;
}

int main(int argc, char **argv)
{
    struct ctl_options options = { .brokers = getenv("BEHALF_BROKER"), .desk = "", .visible = visible_locale() };
    struct choice choice = { .options = &options };
    const struct argp argp = {
        .parser = parse_main,
        .args_doc = usage_doc,
        .doc = "Feeds, watches and steers a Behalf broker.\v ",
        .children = ctl_common_children,
        .help_filter = help_filter,
    };
    argp_program_version = CTL_PROGRAM;
    argp_err_exit_status = CTL_USAGE;
    signal(SIGPIPE, SIG_DFL); // `behalf-ctl outcomes | head` ends quietly
    argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &choice);

    char title[64];
    snprintf(title, sizeof title, "behalf-ctl %s", choice.command->name);
    argv[choice.at] = title;
    bool feeds = choice.command->run == feed_command;
    if (!options.wait_ms) {
        options.wait_ms = feeds ? 60000 : 10000;
    }
    if (options.name == NULL) {
        options.name = feeds ? "feed" : user_name();
    }
    int status = choice.command->run(&options, argc - choice.at, argv + choice.at);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        ctl_complain(&options, "cannot write to standard output");
        return status ? status : CTL_REFUSED;
    }
    return status;
}
