// why.c - behalf-ctl why: an item's history, each step with when, who and for what reason.

#include "worker/ctl/ctl.h"
#include "worker/ctl/output.h"
#include "worker/message_json.h"
#include "worker/visible_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DETAIL_INDENT "                     "

struct why_options {
    struct ctl_options *common;
    int64_t item;
    const char *channel;
    const char *post;
    bool json;
};

static const struct argp_option why_argp_options[] = { { "channel", 'c', "CHANNEL", 0, "With --post: the platform", 0 },
                                                       { "post", 'p', "ID", 0,
                                                         "With --channel: the platform's id of a post of the item", 0 },
                                                       { "json", 'j', NULL, 0, "One JSON object on a line", 0 },
                                                       { 0 } };

static error_t why_parse(int key, char *argument, struct argp_state *state)
{
    struct why_options *options = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = options->common;
        return 0;
    case 'c':
        options->channel = argument;
        return 0;
    case 'p':
        options->post = argument;
        return 0;
    case 'j':
        options->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (options->item) {
            argp_error(state, "%s: one item at a time", argument);
        }
        options->item = ctl_number(state, "ITEM", argument, 1, BEHALF_ID_MAX);
        return 0;
    case ARGP_KEY_END:
        if (options->item ? *options->channel || *options->post : !*options->channel || !*options->post) {
            argp_error(state, "give an ITEM, or --channel and --post");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static size_t why_terminal_columns(void)
{
    struct winsize size;
    if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 40) {
        return size.ws_col;
    }
    return 120;
}

static void why_print_labelled(const char *label, const char *text, unsigned visible)
{
    if (!text[0]) {
        return;
    }
    fputs(label, stdout);
    output_visible(stdout, text, visible);
}

static void why_print_event(const struct behalf_event *event, unsigned visible)
{
    char at[OUTPUT_TIME_BYTES];
    printf("%-19s  ", output_time(at, event->at_ms));
    output_visible(stdout, event->kind, visible);
    why_print_labelled(" ", event->person, visible);
    why_print_labelled("  in ", event->queue, visible);
    if (event->rule[0]) {
        why_print_labelled("  by rule ", event->rule, visible);
        if (event->rules_version) {
            printf(" (version %" PRId64 ")", event->rules_version);
        }
    }
    putchar('\n');
    if (!event->detail[0]) {
        return;
    }
    char *shown = visible_string(event->detail, visible | VISIBLE_LINES);
    char *lines = visible_wrap(shown, why_terminal_columns(), DETAIL_INDENT);
    fputs(lines, stdout);
    free(lines);
    free(shown);
}

static void why_print_head(const struct behalf_history *history, unsigned visible)
{
    printf("item %" PRId64 ": ", history->item);
    output_visible(stdout, history->state, visible);
    why_print_labelled(", ", history->outcome, visible);
    printf("\n\n");
}

// Asks for page after page.  Returns the exit status; with --json, `whole` gets the events of every page.
static int why_pages(struct behalf_client *client, const struct why_options *options, json_t **whole)
{
    int status = CTL_DONE;
    int64_t after = 0;
    bool more = true;
    while (more) {
        struct behalf_message request = {
            .type = BEHALF_WHY,
            .why = { .item = options->item, .channel = options->channel, .post = options->post, .after = after }
        };
        struct behalf_message *page = ctl_ask(client, options->common, &request, &status);
        if (page == NULL) {
            return status;
        }
        const struct behalf_history *history = &page->history;
        if (options->json) {
            json_t *object = message_to_json(page);
            json_object_del(object, "more");
            if (*whole != NULL) {
                json_array_extend(json_object_get(*whole, "events"), json_object_get(object, "events"));
            } else {
                *whole = json_incref(object);
            }
            json_decref(object);
        } else if (after == 0) {
            why_print_head(history, options->common->visible);
        }
        for (size_t i = 0; !options->json && i < history->events_count; i++) {
            why_print_event(&history->events[i], options->common->visible);
        }
        more = history->more && history->events_count;
        if (more) {
            after = history->events[history->events_count - 1].sequence;
        }
        behalf_message_destroy(&page);
    }
    return status;
}

int why_command(struct ctl_options *common, int argc, char **argv)
{
    struct why_options options = { .common = common, .channel = "", .post = "" };
    const struct argp argp = {
        .options = why_argp_options,
        .parser = why_parse,
        .args_doc = "ITEM\n--channel CHANNEL --post ID",
        .doc = "Tells everything that happened to an item, when, by whom and why.\v"
               "Examples:\n  behalf-ctl why 4711\n  behalf-ctl why --channel twitter --post 570301130888122368\n"
               "  behalf-ctl why 4711 --json | jq -r '.events[].kind'\n",
        .children = ctl_common_children,
    };
    argp_parse(&argp, argc, argv, 0, NULL, &options);
    struct behalf_client *client = ctl_client_new(common, "control", "");
    if (client == NULL) {
        return CTL_USAGE;
    }
    json_t *whole = NULL;
    int status = why_pages(client, &options, &whole);
    if (whole != NULL && status == CTL_DONE) {
        output_json(stdout, whole);
    } else {
        json_decref(whole);
    }
    ctl_client_end(&client);
    return status;
}
