// main.c - behalf-broker: options, the store, the rules, and then the loop.
//
// On PostgreSQL it goes in rounds: stand by until the desk is free, take it over, serve it; who has lost the desk to
// another broker begins the next round.  On the embedded store there is one round, and nobody to wait for.

#include "broker/broker.h"
#include "broker/clock.h"
#include "broker/lease.h"
#include "broker/log.h"
#include "broker/loop.h"
#include "broker/store/store.h"
#include "proto/endpoint.h"
#include "proto/must.h"

#include <behalf/client.h>

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define LISTEN_MAX 8
#define ADVERTISED_BYTES_MAX 255

// Exit codes, as --help and the manual tell them.
enum {
    EXIT_STOPPED = 0,
    EXIT_NOT_ON_DISK = 1, // stopped while the store was away: what was not on disk was told to nobody
    EXIT_OPTIONS = 2,
    EXIT_RULES = 3,
    EXIT_STORE = 4,
    EXIT_LISTEN = 5,
    EXIT_CONTRADICTED = 6
};

struct configuration {
    const char *desk_file;
    const char *folder; // of the embedded store, or NULL
    char *store_url;    // of PostgreSQL, or NULL; may hold a password: never log it
    const char *endpoints[LISTEN_MAX];
    size_t endpoint_count;
    char *advertised; // joined by commas; NULL: where we listen
    int64_t heartbeat_ms;
    int64_t person_rate;
    int64_t connector_rate;
};

// What stays the same over the rounds.
struct service {
    const struct configuration *configuration;
    char *rules_text; // of the file
    char *desk;
    struct engine *engine; // NULL while it is with the loop's store, or could not be opened again
    struct loop *loop;
    struct lease *lease; // NULL on the embedded store
    const char *endpoints;
};

// ---- options ----

const char *argp_program_version = "behalf-broker " BEHALF_VERSION;

static const char manual[] =
    "Runs one desk: takes posts in, offers each to one person who may answer it, hands replies out, and keeps "
    "everything in DIR or in PostgreSQL.\v"
    "FILE fills an empty desk only.  Once the store has rules, those are in force, and `behalf-ctl apply FILE` makes "
    "others "
    "live.\n\n"
    "URL is whatever libpq understands: postgresql://user@host:port/database, keyword=value pairs, service=NAME, "
    "several "
    "hosts with target_session_attrs; PG* variables and the password file work as well.  The schema behalf is made and "
    "kept up to date there.  A password in URL is hidden from process listings and never logged.\n\n"
    "Any number of brokers may be started on one desk in PostgreSQL.  One of them runs it, the others stand by, tell "
    "clients where it is, and one takes over within 3 s when that broker dies, or at once when it is stopped cleanly."
    "\n\n"
    "SIGTERM or SIGINT stops it cleanly, within seconds; a second one at once.\n\n"
    "Exit codes: 0 stopped; 1 stopped while the store was away (nothing was lost that anybody was told); 2 wrong "
    "options; 3 the rules have errors; 4 the store cannot be used; 5 cannot listen; 6 the store contradicts the desk: "
    "start again.";

enum { OPTION_PERSON_RATE = 256, OPTION_CONNECTOR_RATE };

static const struct argp_option option_table[] = {
    { "desk", 'd', "FILE", 0, "rules of engagement of the desk, YAML (required)", 0 },
    { "data", 'D', "DIR", 0, "folder of the embedded store, made if it is not there (this or --store)", 0 },
    { "store", 's', "URL", 0, "keeps everything in a PostgreSQL database, 15 or newer (this or --data)", 0 },
    { "listen", 'l', "ENDPOINT", 0,
      "where clients connect, may be given again: tcp://127.0.0.1:PORT (* lets the system choose) or ipc://PATH "
      "(default " BEHALF_DEFAULT_ENDPOINT ")",
      0 },
    { "advertise", 'a', "ENDPOINT", 0,
      "where clients of other brokers are told to connect to this one, may be given again (default: where it listens)",
      0 },
    { "heartbeat", 'b', "MS", 0,
      "clients send at least this often; after three times as long they are lost (default 5000)", 0 },
    { "person-rate", OPTION_PERSON_RATE, "NUMBER", 0,
      "requests a second that one person may make, four seconds' worth at once; 0: any (default 100)", 0 },
    { "connector-rate", OPTION_CONNECTOR_RATE, "NUMBER", 0, "the same of a connector (default 50000)", 0 },
    { 0 },
};

static void add_endpoint(struct configuration *configuration, const char *endpoint, struct argp_state *state)
{
    char reason[512];

    if (configuration->endpoint_count == LISTEN_MAX) {
        argp_error(state, "at most %d endpoints", LISTEN_MAX);
    } else if (!loop_may_listen(endpoint, reason, sizeof reason)) {
        argp_error(state, "%s", reason);
    } else {
        configuration->endpoints[configuration->endpoint_count++] = endpoint;
    }
}

static void add_advertised(struct configuration *configuration, const char *endpoint, struct argp_state *state)
{
    char *longer = NULL;
    bool first = configuration->advertised == NULL;

    if (strchr(endpoint, ',') != NULL || strlen(endpoint) > ADVERTISED_BYTES_MAX ||
        strncmp(endpoint, "tcp://*", 7) == 0 || !endpoint_is_good(endpoint)) {
        argp_error(state, "%s is not where clients could connect: tcp://HOST:PORT or ipc://PATH", endpoint);
    }
    must(asprintf(&longer, "%s%s%s", first ? "" : configuration->advertised, first ? "" : ",", endpoint) >= 0);
    free(configuration->advertised);
    configuration->advertised = longer;
    if (strlen(longer) >= LEASE_ENDPOINTS_BYTES) {
        argp_error(state, "at most %d endpoints are advertised", STAND_BY_BROKERS_MAX);
    }
}

// As broker_options wants it: 0 on the command line is no limit.
static int64_t parse_rate(const char *text, struct argp_state *state)
{
    char *end;

    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < 0 || value > 10000000) {
        argp_error(state, "a rate is 0 to 10000000 a second, not %s", text);
    }
    return value == 0 ? -1 : value;
}

static int64_t parse_heartbeat(const char *text, struct argp_state *state)
{
    char *end;

    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || *end != '\0' || value < 100 || value > 600000) {
        argp_error(state, "a heartbeat is 100 to 600000 milliseconds, not %s", text);
    }
    return value;
}

// Keeps the URL, and hides it where process listings look.
static void keep_store_url(struct configuration *configuration, char *url)
{
    free(configuration->store_url);
    configuration->store_url = strdup(url);
    must(configuration->store_url != NULL);
    memset(url, '*', strlen(url));
}

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    struct configuration *configuration = state->input;

    switch (key) {
    case 'd':
        configuration->desk_file = value;
        return 0;
    case 'D':
        configuration->folder = value;
        return 0;
    case 's':
        keep_store_url(configuration, value);
        return 0;
    case 'l':
        add_endpoint(configuration, value, state);
        return 0;
    case 'a':
        add_advertised(configuration, value, state);
        return 0;
    case 'b':
        configuration->heartbeat_ms = parse_heartbeat(value, state);
        return 0;
    case OPTION_PERSON_RATE:
        configuration->person_rate = parse_rate(value, state);
        return 0;
    case OPTION_CONNECTOR_RATE:
        configuration->connector_rate = parse_rate(value, state);
        return 0;
    case ARGP_KEY_END:
        if (configuration->desk_file == NULL || (configuration->folder == NULL) == (configuration->store_url == NULL)) {
            argp_error(state, "give --desk FILE, and one of --data DIR and --store URL");
        }
        if (configuration->endpoint_count == 0) {
            configuration->endpoints[configuration->endpoint_count++] = BEHALF_DEFAULT_ENDPOINT;
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

// ---- rules ----

// The text of a file of rules, owned by the caller, or NULL; says why.
static char *read_file(const char *path)
{
    FILE *file = fopen(path, "re");
    char *text = calloc(1, BEHALF_RULES_BYTES + 2);

    must(text != NULL);
    if (file == NULL) {
        log_format("error", "broker cannot read %s: %s", path, strerror(errno));
        free(text);
        return NULL;
    }
    size_t bytes = fread(text, 1, BEHALF_RULES_BYTES + 1, file);
    bool failed = ferror(file) != 0;
    fclose(file);
    if (failed || bytes > BEHALF_RULES_BYTES || strlen(text) != bytes) {
        log_format("error", "broker cannot use %s: %s", path,
                   failed                       ? "it cannot be read"
                   : bytes > BEHALF_RULES_BYTES ? "it is longer than rules may be"
                                                : "it is not text");
        free(text);
        return NULL;
    }
    return text;
}

static struct rules *compile(const char *text, uint64_t version, const char *name)
{
    struct rules_problems problems = { 0 };
    struct rules *rules = rules_new(text, strlen(text), NULL, version, &problems);

    for (size_t i = 0; rules == NULL && i < problems.count; i++) {
        const struct behalf_problem *problem = &problems.problems[i];
        log_format("error", "rules %s:%" PRId64 ":%" PRId64 ": %s: %s", name, problem->line, problem->column,
                   problem->key == NULL ? "" : problem->key, problem->message);
    }
    rules_problems_fini(&problems);
    return rules;
}

// Puts the store's rules in the place of the file's, where it has some.  False if they cannot be used.
static bool prefer_stored_rules(struct engine *engine, struct rules **rules_p, const char *path)
{
    uint64_t version = 0;
    char *text = broker_stored_rules(engine, &version);

    if (text == NULL) {
        if (version != 0) {
            log_format("error", "store the rules in force could not be read: %s", engine->reason);
        }
        return version == 0;
    }
    bool same = strcmp(text, rules_text(*rules_p)) == 0;
    if (!same) {
        log_format("warning",
                   "rules %s differs from version %" PRIu64
                   " in force, which stays; `behalf-ctl apply %s` makes it live",
                   path, version, path);
    }
    if (!same || version != rules_policy(*rules_p)->version) {
        rules_destroy(rules_p);
        *rules_p = compile(text, version, "the store's rules");
    }
    free(text);
    return *rules_p != NULL;
}

// ---- the store ----

static bool make_folder(const char *folder)
{
    struct stat about;

    if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
        log_format("error", "store cannot make %s: %s", folder, strerror(errno));
        return false;
    }
    if (stat(folder, &about) != 0 || !S_ISDIR(about.st_mode)) {
        log_format("error", "store %s is not a folder", folder);
        return false;
    }
    if (access(folder, R_OK | W_OK | X_OK) != 0) {
        log_format("error", "store %s cannot be written: %s", folder, strerror(errno));
        return false;
    }
    return true;
}

// Opens the store; NULL when it cannot be used.
static struct engine *open_store(const struct configuration *configuration, const char *desk)
{
    char reason[1024] = "";
    struct engine *engine = NULL;

    if (configuration->store_url != NULL) {
        engine = engine_postgres_open(configuration->store_url, desk, reason, sizeof reason);
    } else if (make_folder(configuration->folder)) {
        engine = engine_sqlite_open(configuration->folder, desk, reason, sizeof reason);
    }
    if (engine == NULL && reason[0] != '\0') {
        log_format("error", "store %s", reason);
    }
    return engine;
}

static struct engine *open_reports(const struct configuration *configuration, const char *desk)
{
    char reason[1024] = "";
    struct engine *reports = configuration->store_url != NULL
                                 ? engine_postgres_open_reports(configuration->store_url, desk, reason, sizeof reason)
                                 : engine_sqlite_open_reports(configuration->folder, desk, reason, sizeof reason);

    if (reports == NULL) {
        log_format("error", "store no reports: %s", reason);
    }
    return reports;
}

// ---- together ----

static void fill_random(void *self, void *bytes, size_t count)
{
    (void) self;
    must(getrandom(bytes, count, 0) == (ssize_t) count);
}

static int exit_code_of(enum loop_end end)
{
    switch (end) {
    case LOOP_STOPPED:
        return EXIT_STOPPED;
    case LOOP_STORE_CONTRADICTED:
        return EXIT_CONTRADICTED;
    default:
        return EXIT_NOT_ON_DISK;
    }
}

// What a round ends with beside an exit code.
#define ANOTHER_ROUND (-1)

static int serve(struct service *service, struct broker *broker, const struct clock *clock)
{
    char reason[1024] = "";
    struct engine *reports = open_reports(service->configuration, service->desk);
    struct scribe *scribe = scribe_new();
    struct store *store = store_new(scribe, &service->engine, &reports, broker);

    log_format("info", "broker ready desk=%s listen=%s", service->desk, loop_listening(service->loop));
    enum loop_end end = loop_run(service->loop, broker, store, service->lease, service->endpoints, clock);
    if (end == LOOP_KILLED) {
        _exit(EXIT_NOT_ON_DISK); // asked twice: at once, also when a thread is busy
    }
    if (end == LOOP_STORE_CONTRADICTED) {
        store_describe(store, reason, sizeof reason);
        log_format("error", "store contradicts the desk, stopping: %s", reason);
    }
    store_destroy(&store);
    scribe_destroy(&scribe);
    if (end == LOOP_FENCED) {
        lease_stand_by(service->lease);
        return ANOTHER_ROUND;
    }
    if (end == LOOP_STOPPED && service->lease != NULL) {
        lease_release(service->lease);
    }
    log_format("info", "broker stopped%s", end == LOOP_STOPPED_WAITING ? " without the store" : "");
    return exit_code_of(end);
}

// Reads the desk back and serves it, under the rules of the file or the store's.
static int run_desk(struct service *service, const struct store_position *position)
{
    const struct configuration *configuration = service->configuration;
    struct clock clock;
    char reason[1024] = "";
    int code = EXIT_RULES;
    struct broker_options options = {
        .heartbeat_ms = configuration->heartbeat_ms,
        .person_rate = configuration->person_rate,
        .connector_rate = configuration->connector_rate,
        .rules_name = configuration->desk_file,
        .random = fill_random,
        .log = log_write,
    };
    struct rules *rules = compile(service->rules_text, 1, configuration->desk_file);
    int64_t ahead_ms = clock_init(&clock, position->clock_ms);

    if (ahead_ms > 60 * 1000) {
        log_format("warning",
                   "broker the machine's clock is %" PRId64 " s behind the desk's, which goes on from its own",
                   ahead_ms / 1000);
    }
    if (rules != NULL && prefer_stored_rules(service->engine, &rules, configuration->desk_file)) {
        struct broker *broker =
            broker_new(&rules, service->engine, position, &options, clock_now_ms(&clock), reason, sizeof reason);
        if (broker == NULL) {
            log_format("error", "store %s", reason);
        }
        code = broker == NULL ? EXIT_STORE : serve(service, broker, &clock);
        broker_destroy(&broker);
    }
    rules_destroy(&rules);
    return code;
}

// Stands by until the desk is free, and takes it over.  False when that ended otherwise, with `code` filled in.
static bool win_desk(struct service *service, struct store_position *position, int *code)
{
    struct lease_news news;
    enum loop_end end = loop_stand_by(service->loop, service->lease, service->desk, service->endpoints, &news);

    *code = ANOTHER_ROUND;
    if (end != LOOP_FREE) {
        log_format("info", "broker stopped, standing by");
        *code = end == LOOP_KILLED ? EXIT_NOT_ON_DISK : EXIT_STOPPED;
        return false;
    }
    if (service->engine == NULL) {
        service->engine = open_store(service->configuration, service->desk);
    }
    int64_t sent_ms = lease_now_ms();
    enum store_result result =
        service->engine == NULL ? STORE_UNAVAILABLE
                                : engine_postgres_take_over(service->engine, &news.row, service->endpoints, position);
    if (result != STORE_OK) {
        log_format("warning", "broker the desk %s could not be taken over: %s", service->desk,
                   service->engine == NULL ? "the store cannot be opened" : service->engine->reason);
        lease_stand_by(service->lease);
        *code = result == STORE_CONTRADICTED ? EXIT_STORE : ANOTHER_ROUND;
        return false;
    }
    lease_hold(service->lease, position->epoch, sent_ms);
    log_format("info", "broker has taken the desk %s over, epoch %" PRIu64 "%s%s", service->desk, position->epoch,
               news.row.held ? ", from " : "", news.row.held ? news.row.owner : "");
    return true;
}

static bool take_desk(struct service *service, struct store_position *position, int *code)
{
    if (service->lease != NULL) {
        return win_desk(service, position, code);
    }
    if (service->engine->operations->take_over(service->engine, position) != STORE_OK) {
        log_format("error", "store the desk cannot be taken over: %s", service->engine->reason);
        *code = EXIT_STORE;
        return false;
    }
    return true;
}

static int run_rounds(struct service *service)
{
    struct store_position position;
    int code = ANOTHER_ROUND;

    while (code == ANOTHER_ROUND) {
        if (take_desk(service, &position, &code)) {
            code = run_desk(service, &position);
        }
    }
    return code;
}

static int run(struct service *service)
{
    const struct configuration *configuration = service->configuration;
    char reason[1024] = "";
    int code = EXIT_LISTEN;

    service->engine = open_store(configuration, service->desk);
    if (service->engine == NULL) {
        return EXIT_STORE;
    }
    service->loop = loop_new(configuration->endpoints, configuration->endpoint_count, reason, sizeof reason);
    if (service->loop == NULL) {
        log_format("error", "broker %s", reason);
    } else {
        service->endpoints =
            configuration->advertised != NULL ? configuration->advertised : loop_listening(service->loop);
        if (configuration->store_url != NULL) {
            service->lease = lease_new(configuration->store_url, service->desk);
        }
        code = run_rounds(service);
    }
    loop_destroy(&service->loop);
    lease_destroy(&service->lease);
    if (service->engine != NULL) {
        service->engine->operations->destroy(&service->engine);
    }
    return code;
}

static int run_with_rules(struct service *service)
{
    int code = EXIT_RULES;

    service->rules_text = read_file(service->configuration->desk_file);
    struct rules *rules =
        service->rules_text == NULL ? NULL : compile(service->rules_text, 1, service->configuration->desk_file);
    if (rules != NULL) {
        service->desk = strdup(rules_policy(rules)->desk);
        must(service->desk != NULL);
        rules_destroy(&rules);
        code = run(service);
    }
    free(service->desk);
    free(service->rules_text);
    return code;
}

// Every connection is a descriptor.
static void raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

// Blocked here, before any thread is made, and taken by the loop through a descriptor.
static void block_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    must(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); // a file that may not grow is the store's trouble, to be waited for
}

int main(int argc, char **argv)
{
    static const struct argp argp = { .options = option_table, .parser = parse_option, .doc = manual };
    struct configuration configuration = { 0 };

    argp_err_exit_status = EXIT_OPTIONS;
    argp_parse(&argp, argc, argv, 0, NULL, &configuration);
    block_signals();
    raise_descriptors();
    struct service service = { .configuration = &configuration };
    int code = run_with_rules(&service);
    free(configuration.store_url);
    free(configuration.advertised);
    return code;
}
