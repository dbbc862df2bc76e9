// return.c - behalf-ctl return: an item out of somebody's hands, back into its queue.

#include "worker/ctl/ctl.h"

#include <inttypes.h>

struct return_options {
    struct ctl_options *common;
    int64_t item;
    const char *reason;
};

static const struct argp_option return_argp_options[] = {
    { "reason", 'r', "TEXT", 0, "Why; whoever has it is told (default: asked for by an operator)", 0 }, { 0 }
};

static error_t return_parse(int key, char *argument, struct argp_state *state)
{
    struct return_options *options = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = options->common;
        return 0;
    case 'r':
        options->reason = argument;
        return 0;
    case ARGP_KEY_ARG:
        if (options->item) {
            argp_error(state, "%s: one item at a time", argument);
        }
        options->item = ctl_number(state, "item", argument, 1, BEHALF_ID_MAX);
        return 0;
    case ARGP_KEY_END:
        if (!options->item) {
            argp_error(state, "which item?");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int return_command(struct ctl_options *common, int argc, char **argv)
{
    struct return_options options = { .common = common, .reason = "asked for by an operator" };
    const struct argp argp = {
        .options = return_argp_options,
        .parser = return_parse,
        .args_doc = "ITEM",
        .doc = "Puts an item that somebody was offered, holds or has parked back at the head of its queue, with its "
               "draft. "
               "Whoever has it is told, and others are offered it first.\v"
               "Example:\n  behalf-ctl return 4711 --reason 'asha has gone home'\n",
        .children = ctl_common_children,
    };
    argp_parse(&argp, argc, argv, 0, NULL, &options);
    int status = CTL_DONE;
    struct behalf_message request = { .type = BEHALF_RECALL,
                                      .recall = { .item = options.item, .reason = options.reason } };
    struct behalf_message *answer = ctl_ask_once(common, &request, &status);
    if (answer != NULL) {
        printf("item %" PRId64 " is back in its queue\n", options.item);
    }
    behalf_message_destroy(&answer);
    return status;
}
