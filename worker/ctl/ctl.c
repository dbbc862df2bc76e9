// ctl.c - options that all commands have, and a question asked and waited for: see ctl.h.

#include "worker/ctl/ctl.h"

#include "worker/visible_text.h"
#include "proto/base/clocks.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define OPTION_BROKER 'b'
#define OPTION_WAIT 'w'
#define OPTION_AS 0x1001
#define OPTION_DESK 'd'

static const struct argp_option ctl_common_options[] = {
    { "broker", OPTION_BROKER, "LIST", 0,
      "Brokers, separated by commas (default: what BEHALF_BROKER says, else " BEHALF_DEFAULT_ENDPOINT ")", 90 },
    { "desk", OPTION_DESK, "NAME", 0, "Which desk, where the broker serves several", 90 },
    { "wait", OPTION_WAIT, "SECONDS", 0, "Waits for a broker that does not answer (default: 10; feed: 60)", 90 },
    { "as", OPTION_AS, "NAME", 0, "Sign in under this name (default: the user's; feed: feed)", 90 },
    { 0 }
};

static error_t ctl_parse_common(int key, char *argument, struct argp_state *state)
{
    struct ctl_options *options = state->input;
    switch (key) {
    case OPTION_BROKER:
        options->brokers = argument;
        return 0;
    case OPTION_WAIT:
        options->wait_ms = 1000 * ctl_number(state, "--wait", argument, 1, 86400);
        return 0;
    case OPTION_DESK:
        if (!*argument || strlen(argument) > BEHALF_NAME_BYTES) {
            argp_error(state, "--desk: a name has 1 to %d bytes", BEHALF_NAME_BYTES);
        }
        options->desk = argument;
        return 0;
    case OPTION_AS:
        if (!*argument || strlen(argument) > BEHALF_NAME_BYTES) {
            argp_error(state, "--as: a name has 1 to %d bytes", BEHALF_NAME_BYTES);
        }
        options->name = argument;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp ctl_common_argp = { ctl_common_options, ctl_parse_common, NULL, NULL, NULL, NULL, NULL };
const struct argp_child ctl_common_children[] = { { &ctl_common_argp, 0, "Of every command:", 90 }, { 0 } };

int64_t ctl_number(struct argp_state *state, const char *option, const char *text, int64_t minimum, int64_t maximum)
{
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno || end == text || *end || number < minimum || number > maximum) {
        argp_error(state, "%s: %s is not a whole number from %lld to %lld", option, text, (long long) minimum,
                   (long long) maximum);
    }
    return number;
}

void ctl_complain(const struct ctl_options *options, const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0) {
        return;
    }
    char *visible = visible_text(text, (size_t) length, options->visible | VISIBLE_LINES);
    fprintf(stderr, "behalf-ctl: %s\n", visible);
    free(visible);
    free(text);
}

struct behalf_client *ctl_client_new(const struct ctl_options *options, const char *role, const char *instance)
{
    struct behalf_hello hello = {
        .version = BEHALF_PROTOCOL_VERSION,
        .role = role,
        .name = options->name,
        .desk = options->desk,
        .token = "",
        .instance = instance,
        .program = CTL_PROGRAM,
    };
    struct behalf_client *client = behalf_client_new(options->brokers, &hello);
    if (client == NULL) {
        ctl_complain(options,
                     "--broker %s: cannot be used; an endpoint is like tcp://127.0.0.1:7311 or ipc:///run/behalf",
                     options->brokers != NULL ? options->brokers : BEHALF_DEFAULT_ENDPOINT);
    }
    return client;
}

void ctl_client_end(struct behalf_client **client_p)
{
    if (*client_p == NULL) {
        return;
    }
    if (behalf_client_state(*client_p) == BEHALF_CLIENT_READY) {
        behalf_client_close(*client_p, "done", 1000);
    }
    behalf_client_destroy(client_p);
}

static bool ctl_standing(const struct behalf_client *client)
{
    enum behalf_client_state state = behalf_client_state(client);
    return state == BEHALF_CLIENT_CONNECTING || state == BEHALF_CLIENT_READY;
}

struct behalf_message *ctl_ask_raw(struct behalf_client *client, const struct ctl_options *options,
                                   const struct behalf_message *request, int *status)
{
    struct behalf_fault fault = { 0 };
    int64_t id = behalf_client_send(client, request, &fault);
    if (!id) {
        ctl_complain(options, "%s: %s", fault.field, fault.reason);
        *status = CTL_USAGE;
        return NULL;
    }
    int64_t deadline_ms = clocks_monotonic_ms() + options->wait_ms;
    struct behalf_message *answer = NULL;
    while (answer == NULL && ctl_standing(client)) {
        int64_t left_ms = deadline_ms - clocks_monotonic_ms();
        if (left_ms <= 0) {
            break;
        }
        answer = behalf_client_wait_answer(client, id, (int) left_ms);
    }
    if (answer != NULL) {
        return answer;
    }
    bool refused = behalf_client_state(client) == BEHALF_CLIENT_REFUSED;
    bool ready = behalf_client_state(client) == BEHALF_CLIENT_READY;
    *status = refused ? CTL_REFUSED : CTL_NO_BROKER;
    ctl_complain(options, "%s", ready ? "the broker did not answer in time" : behalf_client_reason(client));
    return NULL;
}

struct behalf_message *ctl_ask(struct behalf_client *client, const struct ctl_options *options,
                               const struct behalf_message *request, int *status)
{
    struct behalf_message *answer = ctl_ask_raw(client, options, request, status);
    if (answer == NULL || answer->type != BEHALF_ERROR) {
        return answer;
    }
    ctl_print_error(options, answer);
    *status = CTL_REFUSED;
    behalf_message_destroy(&answer);
    return NULL;
}

struct behalf_message *ctl_ask_once(const struct ctl_options *options, const struct behalf_message *request,
                                    int *status)
{
    struct behalf_client *client = ctl_client_new(options, "control", "");
    if (client == NULL) {
        *status = CTL_USAGE;
        return NULL;
    }
    struct behalf_message *answer = ctl_ask(client, options, request, status);
    ctl_client_end(&client);
    return answer;
}

void ctl_print_error(const struct ctl_options *options, const struct behalf_message *message)
{
    const struct behalf_error *error = &message->error;
    ctl_complain(options, "%s%s%s%s%s%s%s%s", error->code, error->field[0] ? ": " : "", error->field,
                 error->reason[0] ? ": " : "", error->reason, error->state[0] ? " (the item is " : "", error->state,
                 error->state[0] ? ")" : "");
}
