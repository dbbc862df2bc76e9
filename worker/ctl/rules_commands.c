// rules_commands.c - behalf-ctl check: what is wrong with rules; behalf-ctl apply: make them live.
//
// Problems are printed as FILE:LINE:COLUMN: key: message, the way compilers do, so that editors can jump
// to them; those that the broker finds look the same as those found here.

#include "worker/ctl/ctl.h"
#include "worker/ctl/output.h"
#include "worker/visible_text.h"

#include "broker/triage/rules.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *rules_commands_plural(size_t count)
{
    return count == 1 ? "" : "s";
}

static void rules_commands_print_problem(const struct ctl_options *options, const char *file,
                                         const struct behalf_problem *problem, const char *kind)
{
    output_visible(stdout, file, options->visible);
    if (problem->line) {
        printf(":%" PRId64, problem->line);
    }
    if (problem->line && problem->column) {
        printf(":%" PRId64, problem->column);
    }
    fputs(": ", stdout);
    fputs(kind, stdout);
    if (problem->key != NULL && problem->key[0]) {
        output_visible(stdout, problem->key, options->visible);
        fputs(": ", stdout);
    }
    output_visible(stdout, problem->message, options->visible);
    putchar('\n');
}

// Reads a whole file of rules, "-" for standard input.  Returns its text, owned by the caller, or NULL with
// the reason said on standard error.
static char *rules_commands_read_rules(const struct ctl_options *options, const char *path, size_t *text_bytes)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (file == NULL) {
        ctl_complain(options, "%s: %s", path, strerror(errno));
        return NULL;
    }
    char *text = malloc(BEHALF_RULES_BYTES + 2);
    *text_bytes = text != NULL ? fread(text, 1, BEHALF_RULES_BYTES + 1, file) : 0;
    bool failed = text == NULL || ferror(file);
    int reason = errno;
    if (file != stdin) {
        fclose(file);
    }
    if (!failed && *text_bytes <= BEHALF_RULES_BYTES) {
        text[*text_bytes] = '\0';
        return text;
    }
    if (failed) {
        ctl_complain(options, "%s: %s", path, strerror(reason));
    } else {
        ctl_complain(options, "%s: is longer than rules may be, %d bytes", path, BEHALF_RULES_BYTES);
    }
    free(text);
    return NULL;
}

static void rules_commands_print_warnings(const struct ctl_options *options, const char *path,
                                          const struct rules_problems *warnings)
{
    for (size_t i = 0; i < warnings->count; i++) {
        rules_commands_print_problem(options, path, &warnings->problems[i], "warning: ");
    }
    if (warnings->found > warnings->count) {
        printf("%s: and %zu more warning%s\n", path, warnings->found - warnings->count,
               rules_commands_plural(warnings->found - warnings->count));
    }
}

static void rules_commands_print_summary(const struct ctl_options *options, const char *path, const struct rules *rules)
{
    const struct policy *policy = rules_policy(rules);
    size_t warnings = rules_warnings(rules)->found;
    output_visible(stdout, path, options->visible);
    printf(": good: desk ");
    output_visible(stdout, policy->desk, options->visible);
    printf(", %zu brand%s, %zu channel%s, %zu skill%s, %zu %s", policy->brand_count,
           rules_commands_plural(policy->brand_count), policy->channel_count,
           rules_commands_plural(policy->channel_count), policy->skill_count,
           rules_commands_plural(policy->skill_count), policy->person_count,
           policy->person_count == 1 ? "person" : "people");
    if (warnings) {
        printf("; %zu warning%s", warnings, rules_commands_plural(warnings));
    }
    putchar('\n');
}

// Prints all that is wrong with a file's text.  Returns whether it is good.
static bool rules_commands_check_text(const struct ctl_options *options, const char *path, const char *text,
                                      size_t text_bytes, bool quiet)
{
    struct rules_problems problems = { 0 };
    struct rules *rules = rules_new(text, text_bytes, NULL, 1, &problems);
    bool good = rules != NULL;
    for (size_t i = 0; i < problems.count; i++) {
        rules_commands_print_problem(options, path, &problems.problems[i], "");
    }
    if (good) {
        rules_commands_print_warnings(options, path, rules_warnings(rules));
        if (!quiet) {
            rules_commands_print_summary(options, path, rules);
        }
    } else {
        output_visible(stdout, path, options->visible);
        printf(": %zu problem%s%s\n", problems.found, rules_commands_plural(problems.found),
               problems.found > problems.count ? ", of which the first are shown" : "");
    }
    rules_destroy(&rules);
    rules_problems_fini(&problems);
    return good;
}

// ---- check ----

struct check_options {
    struct ctl_options *common;
    char **files;
    size_t file_count;
    bool manual;
};

static const struct argp_option rules_commands_check_argp_options[] = {
    { "manual", 'm', NULL, 0, "Print every key that rules can have, what it takes and its default", 0 }, { 0 }
};

static error_t rules_commands_parse_check(int key, char *argument, struct argp_state *state)
{
    struct check_options *options = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = options->common;
        return 0;
    case 'm':
        options->manual = true;
        return 0;
    case ARGP_KEY_ARGS:
        options->files = state->argv + state->next;
        options->file_count = (size_t) (state->argc - state->next);
        return 0;
    case ARGP_KEY_END:
        if (!options->file_count && !options->manual) {
            argp_error(state, "which file?");
        }
        return 0;
    default:
        (void) argument;
        return ARGP_ERR_UNKNOWN;
    }
}

int check_command(struct ctl_options *common, int argc, char **argv)
{
    struct check_options options = { .common = common };
    const struct argp argp = {
        .options = rules_commands_check_argp_options,
        .parser = rules_commands_parse_check,
        .args_doc = "FILE...",
        .doc = "Finds everything that is wrong with files of rules, in one go; asks no broker.\v"
               "Problems are printed as FILE:LINE:COLUMN: key: what is wrong and what would be right.\n\n"
               "Examples:\n  behalf-ctl check rules.yaml\n  behalf-ctl check --manual | less\n",
        .children = ctl_common_children,
    };
    argp_parse(&argp, argc, argv, 0, NULL, &options);
    if (options.manual) {
        rules_manual(stdout);
    }
    int status = CTL_DONE;
    for (size_t i = 0; i < options.file_count; i++) {
        size_t text_bytes;
        char *text = rules_commands_read_rules(common, options.files[i], &text_bytes);
        if (text == NULL) {
            status = CTL_USAGE;
        } else if (!rules_commands_check_text(common, options.files[i], text, text_bytes, false) &&
                   status == CTL_DONE) {
            status = CTL_REFUSED;
        }
        free(text);
    }
    return status;
}

// ---- apply ----

struct apply_options {
    struct ctl_options *common;
    const char *file;
};

static error_t rules_commands_parse_apply(int key, char *argument, struct argp_state *state)
{
    struct apply_options *options = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = options->common;
        return 0;
    case ARGP_KEY_ARG:
        if (options->file != NULL) {
            argp_error(state, "%s: one file at a time", argument);
        }
        options->file = argument;
        return 0;
    case ARGP_KEY_END:
        if (options->file == NULL) {
            argp_error(state, "which file?");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int rules_commands_send_rules(const struct apply_options *options, struct behalf_client *client,
                                     const char *text)
{
    int status = CTL_DONE;
    const char *slash = strrchr(options->file, '/');
    struct behalf_message request = { .type = BEHALF_APPLY,
                                      .apply = { .rules = text, .name = slash != NULL ? slash + 1 : options->file } };
    struct behalf_message *answer = ctl_ask_raw(client, options->common, &request, &status);
    if (answer == NULL) {
        return status;
    }
    if (answer->type == BEHALF_APPLIED) {
        output_visible(stdout, options->file, options->common->visible);
        printf(answer->applied.repeated ? ": was in force already, as version %" PRId64
                                        : ": in force as version %" PRId64,
               answer->applied.rules_version);
        if (answer->applied.items > 1) {
            printf("; about %" PRId64 " open items are now looked at under it", answer->applied.items);
        }
        putchar('\n');
    } else {
        for (size_t i = 0; i < answer->error.problems_count; i++) {
            rules_commands_print_problem(options->common, options->file, &answer->error.problems[i], "");
        }
        ctl_print_error(options->common, answer);
        status = CTL_REFUSED;
    }
    behalf_message_destroy(&answer);
    return status;
}

int apply_command(struct ctl_options *common, int argc, char **argv)
{
    struct apply_options options = { .common = common };
    const struct argp argp = {
        .parser = rules_commands_parse_apply,
        .args_doc = "FILE",
        .doc = "Makes a file of rules live without a pause, or changes nothing and says why.\v"
               "The file is checked here first; nothing is sent if it has problems.\n\n"
               "Example:\n  behalf-ctl apply rules.yaml\n",
        .children = ctl_common_children,
    };
    argp_parse(&argp, argc, argv, 0, NULL, &options);
    size_t text_bytes;
    char *text = rules_commands_read_rules(common, options.file, &text_bytes);
    if (text == NULL) {
        return CTL_USAGE;
    }
    int status = CTL_REFUSED;
    if (rules_commands_check_text(common, options.file, text, text_bytes, true)) {
        struct behalf_client *client = ctl_client_new(common, "control", "");
        status = client != NULL ? rules_commands_send_rules(&options, client, text) : CTL_USAGE;
        ctl_client_end(&client);
    }
    free(text);
    return status;
}
