// main.c - behalf-bench: options, and the case that was asked for.

#include "tests/bench/bench.h"

#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define IN_FLIGHT_MAX 1024 // a session's window

// Exit codes, as --help tells them.
enum { EXIT_MEASURED = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

static volatile sig_atomic_t stopped;

bool bench_stopped(void)
{
    return stopped != 0;
}

static void stop(int signal)
{
    (void) signal;
    stopped = 1;
}

const char *argp_program_version = "behalf-bench " BEHALF_VERSION;

static const char manual[] =
    "Measures Behalf as its users meet it: a behalf-broker of its own, real sockets, a real store, libbehalf's "
    "clients; and in the same run what the machine gives without it.  Prints one JSON object a line.\v"
    "Cases:\n"
    "  intake   one connector brings posts of 280 bytes in as fast as they are answered TAKEN; nobody works, so all "
    "wait.  Then the broker is stopped and started again with them (restart).\n"
    "  cycle    a feeder keeps up to 5,000 items open, people answer each item they are given, a connector confirms "
    "each reply; counts items closed, after a second to warm up.\n"
    "  latency  200 posts a second and eight people, so that one is idle: from sending a post to its ITEM.  Told with "
    "cycle as "
    "well.\n"
    "  people   one person signed in, then 5,000: from sending a post to its ITEM, one post at a time, and the "
    "broker's CPU while nothing happens.\n"
    "  desks    the posts in flight are spread over 1, 10 and 100 desks of one PostgreSQL: what a post then costs, to "
    "the "
    "stores alone (desks) and with a broker and a connector a desk (desks-broker).\n\n"
    "Raw limits, on lines of their own, with the ratio of the case to them:\n"
    "  raw-rows        the rows which that run's posts made, written again bare, with the same schema and "
    "settings, those of 256 posts a commit.\n"
    "  raw-round-trip  300 bytes over ZeroMQ, DEALER to ROUTER and back, between two processes; of cycle the ratio is "
    "the time a person needs for an item, of latency its p50.\n"
    "  raw-append      4 kB appended to a file and its fdatasync; with PostgreSQL raw-commit, one commit of one row.\n"
    "  turn            how long one message keeps the broker from everything else, with 1,000,000 open items: the\n"
    "                  longest of its steps, and all of them together.\n"
    "  raw-read        the rows that a broker reads back, all their values read with nothing done with them.\n\n"
    "broker_cpu is the broker's process, user and system; a PostgreSQL's processes are not in it.  The bench shares "
    "the "
    "machine with what it measures: compare ratios, and figures of one sitting.\n\n"
    "With PostgreSQL every run has a desk of its own, removed afterwards; give it a database for the purpose.\n\n"
    "Examples:\n"
    "  behalf-bench intake --seconds 10\n"
    "  behalf-bench intake --posts 1000000 --store /var/tmp\n"
    "  behalf-bench cycle --people 4 --people 16 --people 1000\n"
    "  behalf-bench restore --posts 100000\n"
    "  behalf-bench turn\n"
    "  behalf-bench people --people 1 --people 5000\n"
    "  behalf-bench cycle --store postgresql://behalf@localhost/bench\n\n"
    "Exit status: 0 measured; 1 could not measure; 2 wrong usage; 130 stopped by Ctrl-C.  Nothing is left running, and "
    "nothing in the store.";

static const struct argp_option option_table[] = {
    { "store", 's', "DIR|URL", 0, "a fresh folder in DIR, or a PostgreSQL (default: a fresh folder in TMPDIR)", 0 },
    { "seconds", 't', "N", 0, "measure for this many seconds (default 10; with --posts: until they are taken)", 0 },
    { "posts", 'n', "N", 0, "intake: at most this many posts; restore, turn: this many open items", 0 },
    { "in-flight", 'w', "N", 0, "posts without an answer at most, 1 to 1024 (default 1000)", 0 },
    { "fill", 'f', "N", 0,
      "latency: first have N items closed as fast as can be, so that what a broker remembers is full; then a line "
      "filled comes",
      0 },
    { "people", 'p', "N", 0,
      "cycle: people signed in, 1 to 1500 (default 4); people: 1 to 5000 (default 1 and 5000); may be given again", 0 },
    { "desks", 'd', "N", 0, "desks: number of desks, 1 to 256 (default 1, 10 and 100); may be given again", 0 },
    { "text-memory", 'm', "MB", 0, "the broker's --text-memory", 0 },
    { "programs", 'b', "DIR", 0, "where behalf-broker is (default: beside this program)", 0 },
    { "keep", 'k', NULL, 0, "keep the run's folder with the broker's log, and its desk", 0 },
    { 0 },
};

struct command {
    struct bench_options options;
    const char *name;
};

static unsigned long long parse_count(const char *text, unsigned long long maximum, struct argp_state *state)
{
    char *end;
    errno = 0;
    unsigned long long count = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || *text < '0' || *text > '9' || count < 1 || count > maximum) {
        argp_error(state, "%s: a number from 1 to %llu is wanted", text, maximum);
    }
    return count;
}

static double parse_seconds(const char *text, struct argp_state *state)
{
    char *end;
    double seconds = strtod(text, &end);
    if (*end != '\0' || !(seconds >= 0.1 && seconds <= 86400)) {
        argp_error(state, "%s: seconds from 0.1 to 86400 are wanted", text);
    }
    return seconds;
}

// Keeps what may hold a password, and hides it where process listings look.
static const char *keep_store(char *text)
{
    char *kept = strdup(text);
    if (strchr(text, ':') != NULL || strchr(text, '=') != NULL) {
        memset(text, '*', strlen(text));
    }
    return kept;
}

static void finish_options(struct command *command, struct argp_state *state)
{
    struct bench_options *options = &command->options;
    if (command->name == NULL) {
        argp_error(state, "which case: intake, cycle, latency, people, desks, restore or turn?");
    }
    if (options->posts && strcmp(command->name, "intake") != 0 && strcmp(command->name, "restore") != 0 &&
        strcmp(command->name, "turn") != 0) {
        argp_error(state, "--posts is for intake, restore and turn");
    }
    if (options->fill && strcmp(command->name, "latency") != 0) {
        argp_error(state, "--fill is for latency");
    }
    bool crowd = strcmp(command->name, "people") == 0;
    if (options->people_count && strcmp(command->name, "cycle") != 0 && !crowd) {
        argp_error(state, "--people is for cycle and people");
    }
    for (size_t i = 0; i < options->people_count && !crowd; i++) {
        if (options->people[i] > BENCH_PEOPLE_MAX) {
            argp_error(state, "%u: cycle has people from 1 to %d", options->people[i], BENCH_PEOPLE_MAX);
        }
    }
    bool desks = strcmp(command->name, "desks") == 0;
    if (options->desks_count && !desks) {
        argp_error(state, "--desks is for desks");
    }
    if (desks &&
        (options->store == NULL || (strstr(options->store, "://") == NULL && strchr(options->store, '=') == NULL))) {
        argp_error(state, "desks needs a PostgreSQL: --store URL");
    }
    if (options->seconds <= 0 && !options->posts) {
        options->seconds = 10;
    }
    if (!options->people_count) {
        options->people[options->people_count++] = crowd ? 1 : 4;
    }
    if (crowd && options->people_count == 1 && options->people[0] == 1) {
        options->people[options->people_count++] = 5000;
    }
    if (!options->desks_count) {
        static const unsigned usual[] = { 1, 10, 100 };
        options->desks_count = sizeof usual / sizeof *usual;
        memcpy(options->desks, usual, sizeof usual);
    }
}

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    struct command *command = state->input;
    struct bench_options *options = &command->options;
    switch (key) {
    case 's':
        options->store = keep_store(value);
        return 0;
    case 't':
        options->seconds = parse_seconds(value, state);
        return 0;
    case 'n':
        options->posts = parse_count(value, 100000000, state);
        return 0;
    case 'f':
        options->fill = parse_count(value, 100000000, state);
        return 0;
    case 'w':
        options->in_flight = (unsigned) parse_count(value, IN_FLIGHT_MAX, state);
        return 0;
    case 'p':
        if (options->people_count == BENCH_PEOPLE_RUNS_MAX) {
            argp_error(state, "--people at most %d times", BENCH_PEOPLE_RUNS_MAX);
        }
        options->people[options->people_count++] = (unsigned) parse_count(value, BENCH_CROWD_MAX, state);
        return 0;
    case 'd':
        if (options->desks_count == BENCH_DESKS_RUNS_MAX) {
            argp_error(state, "--desks at most %d times", BENCH_DESKS_RUNS_MAX);
        }
        options->desks[options->desks_count++] = (unsigned) parse_count(value, BENCH_DESKS_MAX, state);
        return 0;
    case 'm':
        options->text_memory_mb = (unsigned) parse_count(value, 100000, state);
        return 0;
    case 'b':
        options->programs = value;
        return 0;
    case 'k':
        options->keep = true;
        return 0;
    case ARGP_KEY_ARG:
        if (command->name != NULL) {
            argp_error(state, "one case at a time");
        }
        if (strcmp(value, "intake") != 0 && strcmp(value, "cycle") != 0 && strcmp(value, "latency") != 0 &&
            strcmp(value, "people") != 0 && strcmp(value, "desks") != 0 && strcmp(value, "restore") != 0 &&
            strcmp(value, "turn") != 0) {
            argp_error(state, "%s: no such case; there are intake, cycle, latency, people, desks, restore and turn",
                       value);
        }
        command->name = value;
        return 0;
    case ARGP_KEY_END:
        finish_options(command, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static bool run_desks(const struct bench_options *options)
{
    struct bench_desks_costs first = { 0 };
    bool good = true;
    for (size_t i = 0; good && !stopped && i < options->desks_count; i++) {
        good = bench_desks(options, options->desks[i], &first);
    }
    return good;
}

static bool run_people(const struct bench_options *options)
{
    struct bench_people_costs first = { 0 };
    bool good = true;
    for (size_t i = 0; good && !stopped && i < options->people_count; i++) {
        good = bench_people(options, options->people[i], &first);
    }
    return good;
}

static bool run(const struct command *command)
{
    if (strcmp(command->name, "desks") == 0) {
        return run_desks(&command->options);
    }
    if (strcmp(command->name, "people") == 0) {
        return run_people(&command->options);
    }
    if (strcmp(command->name, "intake") == 0) {
        return bench_intake(&command->options);
    }
    if (strcmp(command->name, "latency") == 0) {
        return bench_latency(&command->options);
    }
    if (strcmp(command->name, "restore") == 0) {
        return bench_restore(&command->options);
    }
    if (strcmp(command->name, "turn") == 0) {
        return bench_turn(&command->options);
    }
    bool good = true;
    for (size_t i = 0; good && i < command->options.people_count; i++) {
        good = bench_cycle(&command->options, command->options.people[i]);
    }
    return good && bench_latency(&command->options);
}

static void prepare_process(void)
{
    const int signals[] = { SIGINT, SIGTERM, SIGHUP };
    struct sigaction action = { .sa_handler = stop };
    struct rlimit limit;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        sigaction(signals[i], &action, NULL);
    }
    signal(SIGPIPE, SIG_IGN);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) { // every client has descriptors of its own
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv)
{
    struct command command = { .options = { .in_flight = 1000 } };
    const struct argp argp = { .options = option_table,
                               .parser = parse_option,
                               .args_doc = "intake|cycle|latency|people|desks|restore|turn",
                               .doc = manual };
    argp_err_exit_status = EXIT_USAGE;
    argp_parse(&argp, argc, argv, 0, NULL, &command);
    prepare_process();
    bool good = run(&command);
    free((char *) command.options.store);
    return stopped ? EXIT_INTERRUPTED : good ? EXIT_MEASURED : EXIT_FAILED;
}
