// main.c - behalf-broker: options, the files of rules, one look at the store, and then the loop.

#include "broker/ownership/leases.h"
#include "broker/log.h"
#include "broker/loop.h"
#include "broker/trace_file.h"
#include "broker/session/redirect.h"
#include "proto/endpoint.h"
#include "proto/base/must.h"

#include <behalf/client.h>

#include <argp.h>
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define LISTEN_MAX 8
#define WAITING_BYTES_MAX ((size_t) 256 * 1024 * 1024)     // of all desks; each has at least one message's worth
#define DESK_WAITING_BYTES_MAX ((size_t) 64 * 1024 * 1024) // of one
static_assert(WAITING_BYTES_MAX / LOOP_DESKS_MAX >= BEHALF_FRAME_BYTES, "a desk can take any message");
#define TEXT_MEMORY_MB 64
#define TEXT_MEMORY_MB_MAX 1000000
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
    const char *desk_files[LOOP_DESKS_MAX];
    size_t desk_count;
    const char *folder; // of the embedded store, or NULL
    char *store_url;    // of PostgreSQL, or NULL; may hold a password: never log it
    const char *endpoints[LISTEN_MAX];
    size_t endpoint_count;
    char *advertised; // joined by commas; NULL: where we listen
    int64_t heartbeat_ms;
    int64_t person_rate;
    int64_t connector_rate;
    struct router_limits limits;
    int64_t address_percent;
    int64_t text_memory_mb; // of all desks together; 0: TEXT_MEMORY_MB
    bool accept_loss;       // what the store has lost
    bool accept_clock;
    bool traces;
    const char *trace_path; // NULL: standard error
};

// A desk as its file has it.
struct plan {
    const char *file;
    char *text;
    struct rules *rules; // until the loop has been told
};

struct service {
    const struct configuration *configuration;
    struct plan plans[LOOP_DESKS_MAX]; // by the names of their desks
    struct desk_source sources[LOOP_DESKS_MAX];
    char *names[LOOP_DESKS_MAX];
    size_t count;
    struct engine *engine;    // of the first desk, opened to see that the store can be used
    struct trace_file *trace; // NULL: none is wanted
    struct router *router;
    struct leases *leases; // NULL on the embedded store
    struct loop *loop;
};

// ---- options ----

const char *argp_program_version = "behalf-broker " BEHALF_VERSION;

static const char manual[] =
    "Runs desks: takes posts in, offers each to one person who may answer it, hands replies out, and keeps "
    "everything in DIR or in PostgreSQL.\v"
    "FILE fills an empty desk only.  Once the store has rules, those are in force, and `behalf-ctl apply FILE` makes "
    "others "
    "live.\n\n"
    "URL is whatever libpq understands: postgresql://user@host:port/database, keyword=value pairs, service=NAME, "
    "several "
    "hosts with target_session_attrs; PG* variables and the password file work as well.  The schema behalf is made and "
    "kept up to date there.  A password in URL is hidden from process listings and never logged.\n\n"
    "Any number of brokers may be started on desks in PostgreSQL, each on one or several.  One of them runs a desk, "
    "the "
    "others wait, tell clients where it is, and one takes over within 3 s when that broker dies, or at once when "
    "it "
    "is stopped cleanly.\n\n"
    "A broker of several desks goes on when one of them cannot be opened, says why, and tries again.  Clients name "
    "their desk with --desk NAME, unless the rules of only one desk name the person.\n\n"
    "In DIR lies the database with its log, and a file `marks` that says how far the desk was.  A desk that is behind "
    "its marks, or damaged, is not run: put back what is missing, or start once with --accept-loss.  After a restore "
    "from a copy of behalf.db that is what to do, too: numbers go on where they were.  Other programs may read "
    "behalf.db (sqlite3 -readonly), not write it: its pages have checksums, and look damaged then.  A start whose "
    "clock is days away from the desk's is refused as well: more than a day behind, or more than four days ahead while "
    "the kernel's clock is not synchronised.\n\n"
    "SIGTERM or SIGINT stops it cleanly, within seconds; a second one at once.\n\n"
    "Exit codes: 0 stopped; 1 stopped while the store was away (nothing was lost that anybody was told); 2 wrong "
    "options; 3 the rules have errors; 4 the store cannot be used; 5 cannot listen; 6 the store "
    "contradicts the desk: start again; or is behind what its clients were told: look first.";

enum {
    OPTION_PERSON_RATE = 256,
    OPTION_CONNECTOR_RATE,
    OPTION_ADDRESS_STRANGERS,
    OPTION_ADDRESS_REFUSALS,
    OPTION_ADDRESS_SHARE,
    OPTION_TEXT_MEMORY,
    OPTION_ACCEPT_LOSS,
    OPTION_ACCEPT_CLOCK,
    OPTION_TRACE
};

static const struct argp_option option_table[] = {
    { "desk", 'd', "FILE", 0,
      "rules of engagement of the desk, YAML (required); with --store it may be given again, for more desks", 0 },
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
    { "address-strangers", OPTION_ADDRESS_STRANGERS, "NUMBER", 0,
      "connections from one network address that are not signed in; 0: any (default 600, fewer where few files may be "
      "open)",
      0 },
    { "address-refusals", OPTION_ADDRESS_REFUSALS, "NUMBER", 0,
      "sign-ins from one network address that are refused in a minute, after which all are until it is over; 0: any "
      "(default 1200)",
      0 },
    { "address-share", OPTION_ADDRESS_SHARE, "PERCENT", 0,
      "of the sessions that connectors may have, and of those that controls may have, how many one network address "
      "gets (default 50)",
      0 },
    { "text-memory", OPTION_TEXT_MEMORY, "MB", 0,
      "memory for texts of open items, and for what their authors wrote before, of all desks together; what does not "
      "fit is read from the store when it is needed (default 64)",
      0 },
    { "accept-loss", OPTION_ACCEPT_LOSS, NULL, 0,
      "go on with a desk that has lost something it had acknowledged, or is damaged, or whose tables refuse what is in "
      "its journal, which is set aside; says what.  To be given once, by somebody who has looked",
      0 },
    { "accept-clock", OPTION_ACCEPT_CLOCK, NULL, 0,
      "go on although the machine's clock is days away from the desk's: a clock that is ahead is believed, one that is "
      "behind leaves the desk to its own.  To be given once, by somebody who has looked at a clock",
      0 },
    { "trace", OPTION_TRACE, "FILE", OPTION_ARG_OPTIONAL,
      "write a line for each frame, decision and batch, to FILE or standard error, with the ids that tie them "
      "together; "
      "no text that anybody wrote, no names of customers and no keys.  For debugging: it makes the broker slower",
      0 },
    { 0 },
};

static void add_endpoint(struct configuration *configuration, const char *endpoint, struct argp_state *state)
{
    char reason[512];

    if (configuration->endpoint_count == LISTEN_MAX) {
        argp_error(state, "at most %d endpoints", LISTEN_MAX);
    } else if (!router_may_listen(endpoint, reason, sizeof reason)) {
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
        argp_error(state, "at most %d endpoints are advertised", REDIRECT_BROKERS_MAX);
    }
}

static void add_desk(struct configuration *configuration, const char *file, struct argp_state *state)
{
    if (configuration->desk_count == LOOP_DESKS_MAX) {
        argp_error(state, "at most %d desks", LOOP_DESKS_MAX);
    } else {
        configuration->desk_files[configuration->desk_count++] = file;
    }
}

// A whole number within its bounds; `what` and `unit` are for who wrote another one.
static int64_t parse_number(const char *text, struct argp_state *state, const char *what, int64_t least, int64_t most,
                            const char *unit)
{
    char *end;

    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < least || value > most) {
        argp_error(state, "%s is %" PRId64 " to %" PRId64 "%s, not %s", what, least, most, unit, text);
    }
    return value;
}

// As the parts want it: 0 on the command line is no limit.
static int64_t unlimited_if_zero(int64_t number)
{
    return number == 0 ? -1 : number;
}

static int64_t parse_rate(const char *text, struct argp_state *state)
{
    return unlimited_if_zero(parse_number(text, state, "a rate", 0, 10000000, " a second"));
}

static int64_t parse_limit(const char *text, struct argp_state *state)
{
    return unlimited_if_zero(parse_number(text, state, "a limit of an address", 0, 1000000, ""));
}

// Keeps the URL, and hides it where process listings look.
static void keep_store_url(struct configuration *configuration, char *url)
{
    free(configuration->store_url);
    configuration->store_url = strdup(url);
    must(configuration->store_url != NULL);
    memset(url, '*', strlen(url));
}

static void check_options(struct configuration *configuration, struct argp_state *state)
{
    if (configuration->desk_count == 0 || (configuration->folder == NULL) == (configuration->store_url == NULL)) {
        argp_error(state, "give --desk FILE, and one of --data DIR and --store URL");
    }
    if (configuration->folder != NULL && configuration->desk_count > 1) {
        argp_error(state, "a folder keeps one desk: start a broker for each --data DIR, or keep the desks in PostgreSQL"
                          " with --store URL");
    }
    if (configuration->endpoint_count == 0) {
        configuration->endpoints[configuration->endpoint_count++] = BEHALF_DEFAULT_ENDPOINT;
    }
}

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    struct configuration *configuration = state->input;

    switch (key) {
    case 'd':
        add_desk(configuration, value, state);
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
        configuration->heartbeat_ms = parse_number(value, state, "a heartbeat", 100, 600000, " milliseconds");
        return 0;
    case OPTION_PERSON_RATE:
        configuration->person_rate = parse_rate(value, state);
        return 0;
    case OPTION_CONNECTOR_RATE:
        configuration->connector_rate = parse_rate(value, state);
        return 0;
    case OPTION_ADDRESS_STRANGERS:
        configuration->limits.strangers_max = parse_limit(value, state);
        return 0;
    case OPTION_ADDRESS_REFUSALS:
        configuration->limits.refusals_max = parse_limit(value, state);
        return 0;
    case OPTION_ADDRESS_SHARE:
        configuration->address_percent = parse_number(value, state, "a share", 1, 100, " percent");
        return 0;
    case OPTION_TEXT_MEMORY:
        configuration->text_memory_mb = parse_number(value, state, "memory for texts", 1, TEXT_MEMORY_MB_MAX, " MB");
        return 0;
    case OPTION_ACCEPT_LOSS:
        configuration->accept_loss = true;
        return 0;
    case OPTION_ACCEPT_CLOCK:
        configuration->accept_clock = true;
        return 0;
    case OPTION_TRACE:
        configuration->traces = true;
        configuration->trace_path = value;
        return 0;
    case ARGP_KEY_END:
        check_options(configuration, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

// ---- files of rules ----

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

static int compare_plans(const void *left, const void *right)
{
    const struct plan *a = left;
    const struct plan *b = right;

    return strcmp(rules_policy(a->rules)->desk, rules_policy(b->rules)->desk);
}

// Reads and compiles all files; false, and said in the log, when one has errors or two are of one desk.
static bool read_plans(struct service *service)
{
    const struct configuration *configuration = service->configuration;
    bool good = true;

    service->count = configuration->desk_count;
    for (size_t i = 0; i < service->count; i++) {
        struct plan *plan = &service->plans[i];
        plan->file = configuration->desk_files[i];
        plan->text = read_file(plan->file);
        plan->rules = plan->text == NULL ? NULL : opening_compile(plan->text, 1, plan->file);
        good = good && plan->rules != NULL;
    }
    if (!good) {
        return false;
    }
    qsort(service->plans, service->count, sizeof *service->plans, compare_plans);
    for (size_t i = 1; i < service->count; i++) {
        if (compare_plans(&service->plans[i - 1], &service->plans[i]) == 0) {
            log_format("error", "rules %s and %s are both of the desk %s: give each desk once",
                       service->plans[i - 1].file, service->plans[i].file, rules_policy(service->plans[i].rules)->desk);
            return false;
        }
    }
    return true;
}

static void free_plans(struct service *service)
{
    for (size_t i = 0; i < service->count; i++) {
        rules_destroy(&service->plans[i].rules);
        free(service->plans[i].text);
        free(service->names[i]);
    }
}

// ---- together ----

static int exit_code_of(enum loop_end end)
{
    static const int codes[] = {
        [LOOP_STOPPED] = EXIT_STOPPED,
        [LOOP_STOPPED_WAITING] = EXIT_STOPPED,
        [LOOP_NOT_ON_DISK] = EXIT_NOT_ON_DISK,
        [LOOP_KILLED] = EXIT_NOT_ON_DISK,
        [LOOP_CONTRADICTED] = EXIT_CONTRADICTED,
        [LOOP_STORE] = EXIT_STORE,
        [LOOP_RULES] = EXIT_RULES,
    };

    return codes[end];
}

// How much of each desk waits for the store while that is slow or away, however many desks there are; and as much
// again: a batch is with the store while the next is made.
static size_t batch_bytes_max(size_t desks)
{
    size_t share = WAITING_BYTES_MAX / desks;

    return share > DESK_WAITING_BYTES_MAX ? DESK_WAITING_BYTES_MAX : share;
}

static size_t story_bytes_max(const struct configuration *configuration, size_t desks)
{
    int64_t mb = configuration->text_memory_mb != 0 ? configuration->text_memory_mb : TEXT_MEMORY_MB;

    return (size_t) mb * 1000000 / desks;
}

static void fill_sources(struct service *service)
{
    const struct configuration *configuration = service->configuration;

    for (size_t i = 0; i < service->count; i++) {
        service->names[i] = strdup(rules_policy(service->plans[i].rules)->desk);
        must(service->names[i] != NULL);
        service->sources[i] = (struct desk_source){
            .name = service->names[i],
            .file = service->plans[i].file,
            .rules_text = service->plans[i].text,
            .folder = configuration->folder,
            .store_url = configuration->store_url,
            .heartbeat_ms = configuration->heartbeat_ms,
            .person_rate = configuration->person_rate,
            .connector_rate = configuration->connector_rate,
            .address_percent = configuration->address_percent,
            .batch_bytes_max = batch_bytes_max(service->count),
            .story_bytes_max = story_bytes_max(configuration, service->count),
            .accept_loss = configuration->accept_loss,
            .accept_clock = configuration->accept_clock,
            .alone = service->count == 1,
            .trace = trace_file_trace(service->trace),
        };
    }
}

static void make_loop(struct service *service)
{
    const struct configuration *configuration = service->configuration;
    struct engine *engine = service->engine;

    const char *endpoints =
        configuration->advertised != NULL ? configuration->advertised : router_listening(service->router);

    if (configuration->store_url != NULL) {
        service->leases =
            leases_new(configuration->store_url, (const char *const *) service->names, service->count, endpoints);
    }
    service->loop = loop_new(service->router, service->leases, trace_file_trace(service->trace));
    service->engine = NULL;
    for (size_t i = 0; i < service->count; i++) {
        service->sources[i].endpoints = endpoints;
        loop_add(service->loop, &service->sources[i], rules_policy(service->plans[i].rules), &engine);
        rules_destroy(&service->plans[i].rules);
    }
}

static int run_loop(struct service *service)
{
    make_loop(service);
    enum loop_end end = loop_run(service->loop);
    if (end == LOOP_KILLED) {
        _exit(EXIT_NOT_ON_DISK); // at once, also when a thread is busy
    }
    uint64_t told_beyond = loop_told_beyond(service->loop);
    loop_destroy(&service->loop);
    const struct engine_kind *kind;
    const char *place = opening_place_of(&service->sources[0], &kind);
    if (told_beyond > 0 && kind->note_told != NULL) {
        kind->note_told(place, service->names[0], told_beyond);
    }
    leases_destroy(&service->leases);
    if (end == LOOP_STOPPED || end == LOOP_STOPPED_WAITING || end == LOOP_NOT_ON_DISK) {
        log_format("info", "broker stopped%s",
                   end == LOOP_NOT_ON_DISK       ? " without the store"
                   : end == LOOP_STOPPED_WAITING ? ", waiting to take over"
                                                 : "");
    }
    return exit_code_of(end);
}

static void tell_of_store(const char *line)
{
    log_format("info", "store %s", line);
}

// Lets the desk go on without what its folder has lost, or what its tables refuse.
static bool accept_loss(const struct desk_source *source)
{
    char words[1024];
    const struct engine_kind *kind;
    const char *place = opening_place_of(source, &kind);
    bool accepted = kind->accept_loss(place, source->name, words, sizeof words);

    if (!accepted || words[0] != '\0') {
        log_format(accepted ? "warning" : "error", "store %s", words);
    }
    return accepted;
}

// Opens the store, or leaves a database that is away to be waited for.  False when the store cannot be
// used.
static bool prepare_store(struct service *service)
{
    const struct desk_source *source = &service->sources[0];
    char reason[1024] = "";
    enum store_result result = STORE_OK;
    const struct engine_kind *kind;
    const char *place = opening_place_of(source, &kind);

    if (kind->probe != NULL) {
        result = kind->probe(place, source->name, reason, sizeof reason);
    }
    if (result == STORE_UNAVAILABLE) {
        log_format("warning", "store %s", reason);
        return true;
    }
    if (result != STORE_OK) {
        log_format("error", "store %s", reason);
        return false;
    }
    engine_sqlite_tell(tell_of_store);
    for (size_t i = 0; i < service->count; i++) {
        if (service->sources[i].accept_loss && !accept_loss(&service->sources[i])) {
            return false;
        }
    }
    service->engine = opening_engine(source);
    return service->engine != NULL;
}

static int run(struct service *service)
{
    const struct configuration *configuration = service->configuration;
    char reason[1024] = "";
    int code = EXIT_LISTEN;

    if (!prepare_store(service)) {
        return EXIT_STORE;
    }
    service->router = router_new(configuration->endpoints, configuration->endpoint_count, &configuration->limits,
                                 reason, sizeof reason);
    if (service->router == NULL) {
        log_format("error", "broker %s", reason);
        if (service->engine != NULL) {
            service->engine->operations->destroy(&service->engine);
        }
    } else {
        code = run_loop(service);
    }
    router_destroy(&service->router);
    return code;
}

static int run_with_rules(struct service *service)
{
    int code = EXIT_RULES;

    if (read_plans(service)) {
        fill_sources(service);
        code = run(service);
    }
    free_plans(service);
    return code;
}

static int run_traced(struct service *service)
{
    const struct configuration *configuration = service->configuration;

    if (configuration->traces) {
        service->trace = trace_file_new(configuration->trace_path);
    }
    int code = configuration->traces && service->trace == NULL ? EXIT_OPTIONS : run_with_rules(service);
    trace_file_destroy(&service->trace);
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
    struct service *service = calloc(1, sizeof *service);
    must(service != NULL);
    service->configuration = &configuration;
    int code = run_traced(service);
    free(service);
    free(configuration.store_url);
    free(configuration.advertised);
    return code;
}
