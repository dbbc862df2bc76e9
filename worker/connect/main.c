// main.c - behalf-connect: its command line.

#include "worker/connect/connector.h"
#include "worker/connect/log.h"
#include "worker/visible_text.h"

#include <argp.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdlib.h>
#include <unistd.h>

#define CHANNELS_MAX 16

const char *argp_program_version = "behalf-connect " BEHALF_VERSION;

static const char description[] =
    "Brings a platform's posts to a Behalf broker and takes its replies out, by running an adapter: any PROGRAM that "
    "writes posts as JSON lines to its standard output and reads replies as JSON lines from its standard input. "
    "ADAPTERS.md tells how to write one.\v"
    "An adapter that dies is started again, after 0.2 s at first and 30 s at last. What it writes to its standard "
    "error goes to the log, which is standard error.\n"
    "\n"
    "A reply that the adapter had when it died may have been published. It is given to the adapter again only with "
    "--idempotent; else its fate is reported as unknown and a person decides.\n"
    "\n"
    "Exit status: 0 stopped as asked; 1 the adapter cannot be started; 2 the broker refused the connector; 3 the "
    "broker ended the session; 4 stopped, but the fate of some replies could not be told to the broker; 64 the "
    "command line is wrong.\n"
    "\n"
    "Example: behalf-connect --channel twitter --idempotent -- ./sample_adapter.py posts.ndjson replies.ndjson";

enum { KEY_IDEMPOTENT = 256, KEY_ONCE, KEY_BRAND };

static const struct argp_option option_table[] = {
    { "channel", 'c', "NAME", 0, "Channel whose posts it brings and whose replies it takes out; may be repeated", 0 },
    { "brand", KEY_BRAND, "NAME", 0, "Brand of posts that name none", 0 },
    { "idempotent", KEY_IDEMPOTENT, NULL, 0, "A reply given to the adapter twice is published once", 0 },
    { "once", KEY_ONCE, NULL, 0, "Stop when the adapter has ended with status 0, instead of starting it again", 0 },
    { "broker", 'b', "LIST", 0,
      "Brokers, separated by commas (default: $BEHALF_BROKER, else " BEHALF_DEFAULT_ENDPOINT ")", 0 },
    { "desk", 'd', "NAME", 0, "Which desk, where the broker serves several", 0 },
    { "name", 'n', "NAME", 0, "Name of the connector (default: the first channel)", 0 },
    { 0 },
};

struct command_line {
    struct connector_options options;
    const char *channels[CHANNELS_MAX];
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct command_line *line = state->input;
    struct connector_options *options = &line->options;
    switch (key) {
    case 'c':
        if (options->channel_count == CHANNELS_MAX) {
            argp_error(state, "at most %d channels", CHANNELS_MAX);
        }
        line->channels[options->channel_count++] = argument;
        return 0;
    case KEY_BRAND:
        options->brand = argument;
        return 0;
    case KEY_IDEMPOTENT:
        options->idempotent = true;
        return 0;
    case KEY_ONCE:
        options->once = true;
        return 0;
    case 'b':
        options->brokers = argument;
        return 0;
    case 'd':
        options->desk = argument;
        return 0;
    case 'n':
        options->name = argument;
        return 0;
    case ARGP_KEY_ARGS:
        options->argv = state->argv + state->next;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which adapter? Name its program after --");
        return 0;
    case ARGP_KEY_END:
        if (options->channel_count == 0) {
            argp_error(state, "which channel? Give --channel NAME");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

// Makes sure that 0, 1 and 2 are taken, so that no pipe or socket of ours becomes one of them, and that an
// adapter gets none of what we were started with beyond them.
static void open_standard_descriptors(void)
{
    int fd;
    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= 2);
    if (fd > 2) {
        close(fd);
    }
    close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
}

int main(int argc, char **argv)
{
    static const struct argp argp = {
        .options = option_table, .parser = parse_option, .args_doc = "PROGRAM...", .doc = description
    };
    open_standard_descriptors();
    visible_locale();
    struct command_line line = { .options = { .brokers = getenv("BEHALF_BROKER"), .desk = "" } };
    line.options.channels = line.channels;
    argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &line);
    if (line.options.name == NULL) {
        line.options.name = line.channels[0];
    }
    log_name(line.options.name);
    return (int) connector_run(&line.options);
}
