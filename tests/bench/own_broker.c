// own_broker.c - rules written, the process started, waited for and ended: see own_broker.h.

#include "tests/bench/own_broker.h"

#include "tests/bench/raw.h"

#include "proto/base/must.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define READY_NS (UINT64_C(120) * 1000000000) // reading a large desk back takes its time
#define STOP_NS (UINT64_C(30) * 1000000000)
#define LOG_LINE_BYTES 4096
#define SHORT_FROM 3000 // people in as few words as there can be: rules have a greatest length

struct own_broker {
    char *program, *folder, *rules, *log, *data, *database;
    char *url;     // NULL: SQLite
    char desk[64]; // the first
    unsigned desks;
    char endpoint[128];
    bool keep;
    char text_memory[16]; // for its option; "": as it is when nobody says
    pid_t process;        // 0: not running
};

// ---- files ----

__attribute__((format(printf, 1, 2))) static char *format_text(const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    must(vasprintf(&text, format, arguments) >= 0);
    va_end(arguments);
    return text;
}

const char *own_broker_person(unsigned number)
{
    static char name[32];
    snprintf(name, sizeof name, "p%04u", number);
    return name;
}

// What a desk of one brand may look like: three languages, some topics and sensitive words; everybody may answer
// everything, and offers are theirs at once.
static bool write_rules_of(const char *path, const char *desk, unsigned people)
{
    FILE *file = fopen(path, "we");
    if (file == NULL) {
        bench_complain("cannot write %s: %s", path, strerror(errno));
        return false;
    }
    fprintf(file,
            "desk: %s\n"
            "channels: { bench: {} }\n"
            "skills: [refunds, billing]\n"
            "agencies: [Northline, N]\n"
            "brands:\n"
            "  acme:\n"
            "    display_name: Acme\n"
            "    languages: [en, es, de]\n"
            "    disclosure: \"I'm {first_name} from {agency}, answering for {brand}.\"\n"
            "    take: automatic\n"
            "    service_level: { agent: 24 h }\n"
            "topics:\n"
            "  refunds: { skill: refunds, patterns: [refund*, money back, reembols*, erstattung*] }\n"
            "  billing: { skill: billing, patterns: [invoice*, overcharg*, factura*, rechnung*] }\n"
            "sensitive:\n"
            "  legal: { patterns: [lawyer*, attorney*, abogad*, anwalt*, \"/sue (you|them)/\"] }\n"
            "noise:\n"
            "  nothing said: { empty: yes, only: [links, mentions, hashtags, emoji] }\n"
            "people:\n"
            " robin: { display_name: Robin Lee, roles: [pr], brands: [acme], languages: all }\n",
            desk);
    const char *person = people < SHORT_FROM
                             ? " %s: { display_name: Kim Weber, roles: [agent], agency: Northline, brands: [acme], "
                               "languages: all, skills: all }\n"
                             : " %s: {display_name: K,roles: [agent],agency: N,brands: all,languages: all}\n";
    for (unsigned i = 0; i < people || i == 0; i++) {
        fprintf(file, person, own_broker_person(i));
    }
    return fclose(file) == 0;
}

const char *own_broker_desk_name(const struct own_broker *broker, unsigned number)
{
    static char name[80];
    if (number == 0) {
        return broker->desk;
    }
    snprintf(name, sizeof name, "%s-%u", broker->desk, number);
    return name;
}

static char *rules_path(const struct own_broker *broker, unsigned number)
{
    return number == 0 ? format_text("%s", broker->rules) : format_text("%s/rules-%u.yaml", broker->folder, number);
}

static bool write_rules(const struct own_broker *broker, unsigned people)
{
    bool good = true;
    for (unsigned i = 0; good && i < broker->desks; i++) {
        char *path = rules_path(broker, i);
        good = write_rules_of(path, own_broker_desk_name(broker, i), people);
        free(path);
    }
    return good;
}

static int remove_entry(const char *path, const struct stat *about, int type, struct FTW *walk)
{
    (void) about;
    (void) type;
    (void) walk;
    return remove(path);
}

// ---- the process ----

// In the child: the broker in the place of this program.  Signals are blocked: one that comes before the broker runs
// ends it all the same, where this program's handler would only note it.
_Noreturn static void become_broker(const struct own_broker *broker, pid_t parent, const sigset_t *mask)
{
    int log = open(broker->log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    int none = open("/dev/null", O_RDWR);
    setpgid(0, 0); // Ctrl-C is for the bench, which then stops its broker in order
    if (log < 0 || none < 0 || dup2(none, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0 ||
        prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) {
        _exit(127);
    }
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    sigprocmask(SIG_SETMASK, mask, NULL);
    const char *where = broker->url != NULL ? "--store" : "--data";
    char *usual[] = { broker->program,
                      (char *) where,
                      broker->url != NULL ? broker->url : broker->data,
                      "--listen",
                      "tcp://127.0.0.1:*",
                      "--person-rate",
                      "0",
                      "--connector-rate",
                      "0" };
    size_t count = sizeof usual / sizeof *usual;
    char **arguments = calloc(count + 2 + 2 * broker->desks + 1, sizeof(char *));
    must(arguments != NULL);
    memcpy(arguments, usual, sizeof usual);
    if (broker->text_memory[0] != '\0') {
        arguments[count++] = (char *) "--text-memory";
        arguments[count++] = (char *) broker->text_memory;
    }
    for (unsigned i = 0; i < broker->desks; i++) {
        arguments[count++] = (char *) "--desk";
        arguments[count++] = rules_path(broker, i);
    }
    execv(broker->program, arguments);
    dprintf(2, "cannot run %s: %s\n", broker->program, strerror(errno));
    _exit(127);
}

// Finds where the broker listens in what it has logged so far.
static bool find_ready(struct own_broker *broker)
{
    char line[LOG_LINE_BYTES];
    unsigned found = 0;
    FILE *log = fopen(broker->log, "re");
    while (log != NULL && fgets(line, sizeof line, log) != NULL) {
        char *listen = strstr(line, " broker ready ") != NULL ? strstr(line, "listen=") : NULL;
        found += listen != NULL && sscanf(listen, "listen=%127s", broker->endpoint) == 1;
    }
    if (log != NULL) {
        fclose(log);
    }
    return found >= broker->desks;
}

static void show_log(const struct own_broker *broker)
{
    char line[LOG_LINE_BYTES];
    FILE *log = fopen(broker->log, "re");
    while (log != NULL && fgets(line, sizeof line, log) != NULL) {
        fprintf(stderr, "  %s", line);
    }
    if (log != NULL) {
        fclose(log);
    }
}

static void rest(void)
{
    struct timespec while_ns = { .tv_nsec = 2000000 };
    nanosleep(&while_ns, NULL);
}

// Waits for its end until then.  True once it has ended.
static bool reap(struct own_broker *broker, uint64_t until_ns)
{
    while (broker->process) {
        pid_t ended = waitpid(broker->process, NULL, WNOHANG);
        if (ended == broker->process || (ended < 0 && errno == ECHILD)) {
            broker->process = 0;
        } else if (bench_now_ns() >= until_ns) {
            return false;
        } else {
            rest();
        }
    }
    return true;
}

bool own_broker_start(struct own_broker *broker)
{
    pid_t parent = getpid();
    sigset_t all, mask;
    unlink(broker->log); // an earlier one said ready, too
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &mask);
    broker->process = fork();
    if (broker->process == 0) {
        become_broker(broker, parent, &mask);
    }
    sigprocmask(SIG_SETMASK, &mask, NULL);
    if (broker->process < 0) {
        bench_complain("cannot start a process: %s", strerror(errno));
        broker->process = 0;
        return false;
    }
    uint64_t until_ns = bench_now_ns() + READY_NS;
    while (!find_ready(broker)) {
        if (bench_stopped()) {
            return false;
        }
        if (reap(broker, 0) || bench_now_ns() > until_ns) {
            bench_complain("%s did not become ready; its log:", broker->program);
            show_log(broker);
            return false;
        }
        rest();
    }
    return true;
}

bool own_broker_stop(struct own_broker *broker)
{
    if (!broker->process) {
        return true;
    }
    kill(broker->process, SIGTERM);
    if (reap(broker, bench_now_ns() + STOP_NS)) {
        return true;
    }
    bench_complain("the broker does not stop; killing it");
    own_broker_kill(broker);
    return false;
}

void own_broker_kill(struct own_broker *broker)
{
    if (!broker->process) {
        return;
    }
    kill(broker->process, SIGKILL);
    reap(broker, UINT64_MAX);
}

// ---- together ----

static char *find_program(const struct bench_options *options)
{
    static const char *const places[] = { ".", "../broker", "../bin" };
    char here[PATH_MAX];
    if (options->programs != NULL) {
        return format_text("%s/behalf-broker", options->programs);
    }
    ssize_t bytes = readlink("/proc/self/exe", here, sizeof here - 1);
    must(bytes > 0);
    here[bytes] = '\0';
    *strrchr(here, '/') = '\0';
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char *path = format_text("%s/%s/behalf-broker", here, places[i]);
        if (access(path, X_OK) == 0) {
            return path;
        }
        free(path);
    }
    bench_complain("no behalf-broker beside this program; say --programs DIR");
    return NULL;
}

static bool is_url(const char *store)
{
    return store != NULL && (strstr(store, "://") != NULL || strchr(store, '=') != NULL);
}

static bool make_folder(struct own_broker *broker, const struct bench_options *options)
{
    const char *temporary = getenv("TMPDIR");
    const char *under = options->store != NULL && broker->url == NULL ? options->store
                        : temporary != NULL                           ? temporary
                                                                      : "/tmp";
    if (options->store != NULL && broker->url == NULL && mkdir(under, 0700) != 0 && errno != EEXIST) {
        bench_complain("cannot make %s: %s", under, strerror(errno));
        return false;
    }
    broker->folder = format_text("%s/behalf-bench.XXXXXX", under);
    if (mkdtemp(broker->folder) == NULL) {
        bench_complain("cannot make a folder in %s: %s", under, strerror(errno));
        free(broker->folder);
        broker->folder = NULL;
        return false;
    }
    broker->rules = format_text("%s/rules.yaml", broker->folder);
    broker->log = format_text("%s/broker.log", broker->folder);
    broker->data = format_text("%s/store", broker->folder);
    broker->database = format_text("%s/behalf.db", broker->data);
    return true;
}

struct own_broker *own_broker_new(const struct bench_options *options, unsigned people)
{
    return own_broker_new_with(options, people, 1);
}

struct own_broker *own_broker_new_with(const struct bench_options *options, unsigned people, unsigned desks)
{
    struct own_broker *broker = calloc(1, sizeof *broker);
    must(broker != NULL);
    broker->desks = desks;
    broker->keep = options->keep;
    if (options->text_memory_mb > 0) {
        snprintf(broker->text_memory, sizeof broker->text_memory, "%u", options->text_memory_mb);
    }
    if (is_url(options->store)) {
        broker->url = format_text("%s", options->store);
    }
    struct timespec now;
    must(clock_gettime(CLOCK_REALTIME, &now) == 0);
    snprintf(broker->desk, sizeof broker->desk, "bench-%" PRIx64 "-%ld",
             (uint64_t) now.tv_sec * 1000000u + (uint64_t) now.tv_nsec / 1000u, (long) getpid());
    broker->program = find_program(options);
    if (broker->program == NULL || !make_folder(broker, options) || !write_rules(broker, people) ||
        !own_broker_start(broker)) {
        own_broker_destroy(&broker);
    }
    return broker;
}

void own_broker_destroy(struct own_broker **broker_p)
{
    struct own_broker *broker = *broker_p;
    if (broker == NULL) {
        return;
    }
    own_broker_stop(broker);
    for (unsigned i = 0; broker->url != NULL && broker->endpoint[0] && !broker->keep && i < broker->desks; i++) {
        raw_remove_desk(broker->url, own_broker_desk_name(broker, i));
    }
    if (broker->folder != NULL && broker->keep) {
        bench_complain("kept %s", broker->folder);
    } else if (broker->folder != NULL) {
        nftw(broker->folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    }
    char *texts[] = { broker->program, broker->folder, broker->rules,   broker->log,
                      broker->data,    broker->url,    broker->database };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        free(texts[i]);
    }
    free(broker);
    *broker_p = NULL;
}

const char *own_broker_endpoint(const struct own_broker *broker)
{
    return broker->endpoint;
}

const char *own_broker_folder(const struct own_broker *broker)
{
    return broker->folder;
}

const char *own_broker_desk(const struct own_broker *broker)
{
    return broker->desk;
}

const char *own_broker_url(const struct own_broker *broker)
{
    return broker->url;
}

const char *own_broker_store(const struct own_broker *broker)
{
    return broker->url != NULL ? "postgres" : "sqlite";
}

const char *own_broker_database(const struct own_broker *broker)
{
    return broker->database;
}

struct usage own_broker_usage(const struct own_broker *broker)
{
    struct usage usage = { 0 };
    char path[64], line[1024];
    unsigned long user = 0, system = 0;
    long pages = 0;
    snprintf(path, sizeof path, "/proc/%ld/stat", (long) broker->process);
    FILE *file = fopen(path, "re");
    if (file != NULL && fgets(line, sizeof line, file) != NULL) {
        const char *after_name = strrchr(line, ')');
        if (after_name != NULL &&
            sscanf(after_name + 2,
                   "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %*d %*d %*u %*u "
                   "%ld",
                   &user, &system, &pages) == 3) {
            usage.cpu_s = (double) (user + system) / (double) sysconf(_SC_CLK_TCK);
            usage.rss_bytes = (double) pages * (double) sysconf(_SC_PAGESIZE);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return usage;
}
