// freeze.c - behalf-ctl freeze and unfreeze: the red button.

#include "worker/ctl/ctl.h"
#include "worker/ctl/output.h"

#include <string.h>

struct freeze_options {
    struct ctl_options *common;
    const char *brand;
    const char *reason;
};

static const struct argp_option freeze_argp_options[] = {
    { "reason", 'r', "TEXT", 0, "Why; it is kept with the brand's items (required)", 0 }, { 0 }
};

static error_t freeze_parse(int key, char *argument, struct argp_state *state)
{
    struct freeze_options *options = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = options->common;
        return 0;
    case 'r':
        options->reason = argument;
        return 0;
    case ARGP_KEY_ARG:
        if (options->brand != NULL) {
            argp_error(state, "%s: one brand at a time", argument);
        }
        options->brand = argument;
        return 0;
    case ARGP_KEY_END:
        if (options->brand == NULL) {
            argp_error(state, "which brand?");
        }
        if (options->reason == NULL || !*options->reason) {
            argp_error(state, "say why: --reason TEXT");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int freeze_set_frozen(struct ctl_options *common, int argc, char **argv, bool frozen, const char *doc)
{
    struct freeze_options options = { .common = common };
    const struct argp argp = {
        .options = freeze_argp_options,
        .parser = freeze_parse,
        .args_doc = "BRAND",
        .doc = doc,
        .children = ctl_common_children,
    };
    argp_parse(&argp, argc, argv, 0, NULL, &options);
    int status = CTL_DONE;
    struct behalf_message request = {
        .type = BEHALF_FREEZE, .freeze = { .brand = options.brand, .frozen = frozen, .reason = options.reason }
    };
    struct behalf_message *answer = ctl_ask_once(common, &request, &status);
    if (answer != NULL) {
        output_visible(stdout, options.brand, common->visible);
        puts(frozen ? " is frozen: its replies stop, its new items go to PR" : " is no longer frozen");
    }
    behalf_message_destroy(&answer);
    return status;
}

int freeze_command(struct ctl_options *common, int argc, char **argv)
{
    return freeze_set_frozen(
        common, argc, argv, true,
        "Stops a brand's replies that have not been handed out, and sends its new items to PR, until it "
        "is lifted.\v"
        "Example:\n  behalf-ctl freeze skyline --reason 'wrong compensation promised, see ticket 12'\n");
}

int unfreeze_command(struct ctl_options *common, int argc, char **argv)
{
    return freeze_set_frozen(common, argc, argv, false,
                             "Lets a brand's replies go out again.\v"
                             "Example:\n  behalf-ctl unfreeze skyline --reason 'statement is out, back to normal'\n");
}
