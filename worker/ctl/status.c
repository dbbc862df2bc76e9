// status.c - behalf-ctl status: what is where, and who has how much; behalf-ctl look: the open items.

#include "worker/ctl/ctl.h"
#include "worker/ctl/output.h"
#include "worker/message_json.h"
#include "proto/base/clocks.h"

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// ---- status ----

struct status_options {
    struct ctl_options *common;
    bool json;
    int64_t watch_s; // 0: once
};

static const struct argp_option status_argp_options[] = { { "json", 'j', NULL, 0, "One JSON object on a line", 0 },
                                                          { "watch", 'n', "SECONDS", 0,
                                                            "Repeat after this many seconds, until Ctrl-C", 0 },
                                                          { 0 } };

static error_t status_parse(int key, char *argument, struct argp_state *state)
{
    struct status_options *options = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = options->common;
        return 0;
    case 'j':
        options->json = true;
        return 0;
    case 'n':
        options->watch_s = ctl_number(state, "--watch", argument, 1, 86400);
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "%s: status takes no argument", argument);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void status_print_totals(const struct behalf_counts *counts, unsigned visible)
{
    char up[OUTPUT_TIME_BYTES] = "?", now[OUTPUT_TIME_BYTES];
    if (counts->started_ms) {
        output_duration(up, counts->now_ms - counts->started_ms);
    }
    printf("desk ");
    output_visible(stdout, counts->desk, visible);
    printf(", rules version %" PRId64 ", %s, up %s\n", counts->rules_version, output_time(now, counts->now_ms), up);
    if (counts->reviewing) {
        printf("about %" PRId64 " open item%s still to be looked at under these rules\n", counts->reviewing,
               counts->reviewing == 1 ? " is" : "s are");
    }
    printf("store: ");
    output_visible(stdout, counts->store[0] ? counts->store : "not told", visible);
    printf("\nsince the start: %" PRId64 " taken, %" PRId64 " repeated, %" PRId64 " ended, %" PRId64
           " request%s refused; %" PRId64 " connector%s\n",
           counts->taken, counts->repeated, counts->closed, counts->refused, counts->refused == 1 ? "" : "s",
           counts->connectors, counts->connectors == 1 ? "" : "s");
    if (counts->over_address) {
        printf("turned away, as one network address had as many as it may have: %" PRId64 "\n", counts->over_address);
    }
    printf("items and replies told: %" PRId64 " from memory, which holds %.1f MB of texts, %" PRId64
           " from the store\n",
           counts->from_memory, (double) counts->memory_bytes / 1e6, counts->from_store);
    if (counts->frozen[0]) {
        printf("FROZEN, no replies go out: ");
        output_visible(stdout, counts->frozen, visible);
        putchar('\n');
    }
}

static void status_print_unserved(const struct behalf_counts *counts)
{
    size_t unserved = 0;
    for (size_t i = 0; i < counts->queues_count; i++) {
        unserved += !counts->queues[i].able;
    }
    if (unserved) {
        printf("\n%zu queue%s nobody in the rules may serve (PEOPLE: nobody): apply rules with somebody who may\n",
               unserved, unserved == 1 ? " that" : "s that");
    }
}

static void status_print_queues(const struct behalf_counts *counts, unsigned visible)
{
    static const struct output_column columns[] = {
        { "AUDIENCE", false, false }, { "BRAND", false, false },  { "LANGUAGE", false, false },
        { "SKILLS", false, true },    { "WAITING", true, false }, { "OFFERED", true, false },
        { "HELD", true, false },      { "PARKED", true, false },  { "SENDING", true, false },
        { "OLDEST", true, false },    { "LATE", true, false },    { "PEOPLE", true, false },
    };
    struct output_table *table = output_table_new(columns, sizeof columns / sizeof *columns, visible);
    for (size_t i = 0; i < counts->queues_count; i++) {
        const struct behalf_queue_count *queue = &counts->queues[i];
        char numbers[7][OUTPUT_TIME_BYTES], oldest[OUTPUT_TIME_BYTES] = "";
        if (queue->oldest_ms) {
            output_duration(oldest, queue->oldest_ms);
        }
        const char *people = queue->able ? output_number(numbers[6], queue->people, false) : "nobody";
        output_table_row(table, (const char *[]){ queue->audience, queue->brand, queue->language, queue->skills,
                                                  output_number(numbers[0], queue->waiting, true),
                                                  output_number(numbers[1], queue->offered, true),
                                                  output_number(numbers[2], queue->held, true),
                                                  output_number(numbers[3], queue->parked, true),
                                                  output_number(numbers[4], queue->sending, true), oldest,
                                                  output_number(numbers[5], queue->late, true), people });
    }
    output_table_print(table);
    output_table_destroy(&table);
    status_print_unserved(counts);
}

static void status_print_people(const struct behalf_counts *counts, unsigned visible)
{
    static const struct output_column columns[] = {
        { "PERSON", false, false },   { "ROLES", false, false },   { "AGENCY", false, true },
        { "PRESENCE", false, false }, { "REASON", false, true },   { "OFFERED", true, false },
        { "HELD", true, false },      { "CAPACITY", true, false }, { "ENDED", true, false },
    };
    struct output_table *table = output_table_new(columns, sizeof columns / sizeof *columns, visible);
    for (size_t i = 0; i < counts->people_count; i++) {
        const struct behalf_person_count *person = &counts->people[i];
        char numbers[4][OUTPUT_TIME_BYTES];
        output_table_row(table, (const char *[]){ person->name, person->roles, person->agency, person->presence,
                                                  person->reason, output_number(numbers[0], person->offered, true),
                                                  output_number(numbers[1], person->held, true),
                                                  output_number(numbers[2], person->capacity, false),
                                                  output_number(numbers[3], person->ended, true) });
    }
    output_table_print(table);
    output_table_destroy(&table);
}

static void status_print(const struct behalf_message *message, const struct status_options *options)
{
    const struct behalf_counts *counts = &message->counts;
    unsigned visible = options->common->visible;
    if (options->json) {
        output_json(stdout, message_to_json(message));
        return;
    }
    status_print_totals(counts, visible);
    if (counts->queues_count) {
        putchar('\n');
        status_print_queues(counts, visible);
    } else {
        printf("\nno open items\n");
    }
    if (counts->people_count) {
        putchar('\n');
        status_print_people(counts, visible);
    }
    if (counts->truncated) {
        printf("\nthere are more queues or people than fit here\n");
    }
}

static bool status_once(struct behalf_client *client, const struct status_options *options, int *status)
{
    struct behalf_message request = { .type = BEHALF_STATUS };
    struct behalf_message *answer = ctl_ask(client, options->common, &request, status);
    if (answer == NULL) {
        return false;
    }
    if (options->watch_s && !options->json && isatty(STDOUT_FILENO)) {
        fputs("\033[H\033[2J", stdout); // a fresh screen
    }
    status_print(answer, options);
    if (options->watch_s && !options->json && !isatty(STDOUT_FILENO)) {
        putchar('\n');
    }
    fflush(stdout);
    behalf_message_destroy(&answer);
    return true;
}

// Keeps the session alive meanwhile.
static void status_pause_session(struct behalf_client *client, int64_t duration_ms)
{
    int64_t until_ms = clocks_monotonic_ms() + duration_ms, left_ms;
    while ((left_ms = until_ms - clocks_monotonic_ms()) > 0) {
        struct behalf_message *news = behalf_client_wait(client, (int) left_ms);
        behalf_message_destroy(&news);
        enum behalf_client_state state = behalf_client_state(client);
        if (state != BEHALF_CLIENT_CONNECTING && state != BEHALF_CLIENT_READY) {
            poll(NULL, 0, (int) left_ms);
        }
    }
}

int status_command(struct ctl_options *common, int argc, char **argv)
{
    struct status_options options = { .common = common };
    const struct argp argp = {
        .options = status_argp_options,
        .parser = status_parse,
        .doc = "Shows the desk's totals, every queue with an open item, and who is at work.\v"
               "Examples:\n  behalf-ctl status\n  behalf-ctl status --watch 2\n"
               "  behalf-ctl status --json | jq '.queues[] | select(.late > 0)'\n",
        .children = ctl_common_children,
    };
    argp_parse(&argp, argc, argv, 0, NULL, &options);
    int status = CTL_DONE;
    struct behalf_client *client = ctl_client_new(common, "control", "");
    if (client == NULL) {
        return CTL_USAGE;
    }
    bool shown = status_once(client, &options, &status);
    while (options.watch_s && (shown || status == CTL_NO_BROKER)) {
        if (behalf_client_state(client) == BEHALF_CLIENT_ENDED) { // a broker that restarts says goodbye
            behalf_client_destroy(&client);
            client = ctl_client_new(common, "control", "");
        }
        status_pause_session(client, options.watch_s * 1000);
        status = CTL_DONE;
        shown = status_once(client, &options, &status);
    }
    ctl_client_end(&client);
    return status;
}

// ---- look ----

struct look_options {
    struct ctl_options *common;
    const char *audience;
    const char *brand;
    bool json;
    int64_t limit;
};

static const struct argp_option status_look_argp_options[] = {
    { "audience", 'a', "AUDIENCE", 0, "Only in the queues of: agent, pr, approver or supervisor", 0 },
    { "brand", 'B', "BRAND", 0, "Only of this brand", 0 },
    { "limit", 'l', "COUNT", 0, "At most this many (default: 200; 0: all)", 0 },
    { "json", 'j', NULL, 0, "A JSON object a line", 0 },
    { 0 }
};

static error_t status_parse_look(int key, char *argument, struct argp_state *state)
{
    struct look_options *options = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = options->common;
        return 0;
    case 'a':
        if (strcmp(argument, "agent") != 0 && strcmp(argument, "pr") != 0 && strcmp(argument, "approver") != 0 &&
            strcmp(argument, "supervisor") != 0) {
            argp_error(state, "--audience: %s is none of agent, pr, approver, supervisor", argument);
        }
        options->audience = argument;
        return 0;
    case 'B':
        options->brand = argument;
        return 0;
    case 'l':
        options->limit = ctl_number(state, "--limit", argument, 0, INT64_MAX);
        return 0;
    case 'j':
        options->json = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "%s: look takes no argument", argument);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void status_add_listed(struct output_table *table, const struct behalf_listed *listed)
{
    char item[OUTPUT_TIME_BYTES], created[OUTPUT_TIME_BYTES], due[OUTPUT_TIME_BYTES];
    char media[OUTPUT_TIME_BYTES];
    output_table_row(table,
                     (const char *[]){ output_number(item, listed->item, false), listed->state, listed->audience,
                                       listed->brand, listed->language, listed->skills, listed->person,
                                       output_time(created, listed->created_ms), output_time(due, listed->due_ms),
                                       listed->reason, listed->text,
                                       listed->media ? output_number(media, listed->media, false) : "", listed->link });
}

static void status_print_listed_json(const struct behalf_message *page)
{
    json_t *object = message_to_json(page), *row;
    size_t i;
    json_array_foreach(json_object_get(object, "items"), i, row)
    {
        output_json(stdout, json_incref(row));
    }
    json_decref(object);
}

// Returns the exit status.
static int status_look_pages(struct behalf_client *client, const struct look_options *options,
                             struct output_table *table)
{
    int status = CTL_DONE;
    int64_t left = options->limit ? options->limit : INT64_MAX, after = 0, shown = 0;
    bool more = true;
    while (more && left > 0) {
        struct behalf_message request = { .type = BEHALF_LOOK,
                                          .look = { .audience = options->audience,
                                                    .brand = options->brand,
                                                    .after = after,
                                                    .limit = left < 200 ? left : 200 } };
        struct behalf_message *page = ctl_ask(client, options->common, &request, &status);
        if (page == NULL) {
            return status;
        }
        size_t count = page->listing.items_count;
        more = page->listing.more && page->listing.next > after;
        after = page->listing.next;
        if (options->json) {
            status_print_listed_json(page);
        }
        for (size_t i = 0; !options->json && i < count; i++) {
            status_add_listed(table, &page->listing.items[i]);
        }
        left -= (int64_t) count;
        shown += (int64_t) count;
        behalf_message_destroy(&page);
    }
    if (!options->json && shown) {
        output_table_print(table);
    }
    if (!options->json) {
        printf("%s%" PRId64 " open item%s%s\n", shown ? "\n" : "", shown, shown == 1 ? "" : "s",
               more ? " shown, and there are more: see --limit" : "");
    }
    return status;
}

int look_command(struct ctl_options *common, int argc, char **argv)
{
    struct look_options options = { .common = common, .audience = "", .brand = "", .limit = 200 };
    const struct argp argp = {
        .options = status_look_argp_options,
        .parser = status_parse_look,
        .doc = "Lists open items by their numbers, with since when each has waited: when its post was\nwritten, where "
               "the platform tells (the rules' `times.posted`).\v"
               "Examples:\n  behalf-ctl look --audience pr\n  behalf-ctl look --brand skyline --limit 0 --json\n",
        .children = ctl_common_children,
    };
    argp_parse(&argp, argc, argv, 0, NULL, &options);
    static const struct output_column columns[] = {
        { "ITEM", true, false },    { "STATE", false, false },    { "AUDIENCE", false, false },
        { "BRAND", false, false },  { "LANGUAGE", false, false }, { "SKILLS", false, true },
        { "PERSON", false, false }, { "SINCE", false, false },    { "DUE", false, false },
        { "REASON", false, true },  { "POST", false, true },      { "MEDIA", true, false },
        { "LINK", false, true },
    };
    struct behalf_client *client = ctl_client_new(common, "control", "");
    if (client == NULL) {
        return CTL_USAGE;
    }
    struct output_table *table = output_table_new(columns, sizeof columns / sizeof *columns, common->visible);
    int status = status_look_pages(client, &options, table);
    output_table_destroy(&table);
    ctl_client_end(&client);
    return status;
}
