// opening.c - the steps of an opening: engine, clock, take-over, rules, reading back: see opening.h.

#include "broker/opening.h"

#include "broker/log.h"
#include "proto/base/clocks.h"
#include "proto/base/must.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

// ---- the log ----

static void opening_log_line(void *self, const char *level, const char *line)
{
    const struct desk_source *source = self;

    if (source->alone) {
        log_write(NULL, level, line);
    } else {
        log_format(level, "desk=%s %s", source->name, line);
    }
}

void desk_log(const struct desk_source *source, const char *level, const char *format, ...)
{
    char line[2048];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    opening_log_line((void *) source, level, line);
}

// ---- rules ----

struct rules *opening_compile(const char *text, uint64_t version, const char *name)
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
static bool opening_prefer_stored_rules(const struct desk_source *source, struct engine *engine, struct rules **rules_p)
{
    uint64_t version = 0;
    char *text = broker_stored_rules(engine, &version);

    if (text == NULL) {
        if (version != 0) {
            desk_log(source, "error", "store the rules in force could not be read: %s", engine->reason);
        }
        return version == 0;
    }
    bool same = strcmp(text, rules_text(*rules_p)) == 0;
    if (!same) {
        desk_log(source, "warning",
                 "rules %s differs from version %" PRIu64 " in force, which stays; `behalf-ctl apply %s` makes it live",
                 source->file, version, source->file);
    }
    if (!same || version != rules_policy(*rules_p)->version) {
        rules_destroy(rules_p);
        *rules_p = opening_compile(text, version, "the store's rules");
    }
    free(text);
    return *rules_p != NULL;
}

// ---- the store ----

static bool opening_make_folder(const char *folder)
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

const char *opening_place_of(const struct desk_source *source, const struct engine_kind **kind)
{
    *kind = engine_kind_of(source->store_url != NULL);
    return source->store_url != NULL ? source->store_url : source->folder;
}

struct engine *opening_engine(const struct desk_source *source)
{
    char reason[1024] = "";
    struct engine *engine = NULL;
    const struct engine_kind *kind;
    const char *place = opening_place_of(source, &kind);

    if (source->store_url != NULL || opening_make_folder(source->folder)) {
        engine = kind->open(place, source->name, reason, sizeof reason);
    }
    if (engine == NULL && reason[0] != '\0') {
        desk_log(source, "error", "store %s", reason);
    }
    return engine;
}

static struct engine *opening_open_reports(const struct desk_source *source)
{
    char reason[1024] = "";
    const struct engine_kind *kind;
    const char *place = opening_place_of(source, &kind);
    struct engine *reports = kind->open_reports(place, source->name, reason, sizeof reason);

    if (reports == NULL) {
        desk_log(source, "error", "store no reports: %s", reason);
    }
    return reports;
}

// ---- taking over ----

static enum opening_end opening_take_lease(struct opening *opening, struct store_position *position)
{
    const struct desk_source *source = opening->source;
    const struct lease_row *seen = &opening->seen;
    opening->sent_ms = clocks_boot_ms();
    enum store_result result = STORE_UNAVAILABLE;

    if (opening->engine != NULL) {
        result = opening->engine->operations->take_over_seen(opening->engine, seen, source->endpoints, position);
    }

    if (result != STORE_OK) {
        desk_log(source, "warning", "broker the desk %s could not be taken over: %s", source->name,
                 opening->engine == NULL ? "the store cannot be opened" : opening->engine->reason);
        return result == STORE_CONTRADICTED ? OPENING_STORE : OPENING_MISSED;
    }
    // From now on it is renewed, while it is read back.
    leases_hold(opening->leases, opening->desk, position->epoch, opening->sent_ms);
    opening->took_over = true;
    desk_log(source, "info", "broker has taken the desk %s over, epoch %" PRIu64 "%s%s", source->name, position->epoch,
             seen->held ? ", from " : "", seen->held ? seen->owner : "");
    return OPENING_DONE;
}

static void opening_name_day(char text[16], int64_t ms)
{
    time_t seconds = ms / 1000;
    struct tm utc;

    if (gmtime_r(&seconds, &utc) == NULL || strftime(text, 16, "%Y-%m-%d", &utc) == 0) {
        snprintf(text, 16, "?");
    }
}

// A clock that is wrong once moves the desk's for good: it never goes back.  Asked before the desk is taken over.
static bool opening_clock_is_plausible(struct opening *opening)
{
    const struct desk_source *source = opening->source;
    struct store_position position = { 0 };
    char machine[16], desk[16];

    if (opening->engine == NULL || source->accept_clock ||
        opening->engine->operations->position(opening->engine, &position) != STORE_OK) {
        return true; // a new desk, or what is wrong is told when it is taken over
    }
    int64_t utc_ms = clocks_utc_ms();
    enum clock_verdict verdict = clock_judge(position.clock_ms, utc_ms, clock_is_vouched_for());
    if (verdict == CLOCK_PLAUSIBLE) {
        return true;
    }
    opening_name_day(machine, utc_ms);
    opening_name_day(desk, position.clock_ms);
    desk_log(source, "error",
             verdict == CLOCK_AHEAD
                 ? "broker the machine's clock says %s, the desk's said %s when it ran last, and nothing synchronises"
                   " the machine's: set it, or, if it is right, start behalf-broker once with --accept-clock"
                 : "broker the machine's clock says %s, the desk's already said %s: set the machine's, or, to let the"
                   " desk go on from its own, start behalf-broker with --accept-clock",
             machine, desk);
    return false;
}

static enum opening_end opening_take_over(struct opening *opening, struct store_position *position)
{
    if (opening->engine == NULL) {
        opening->engine = opening_engine(opening->source);
    }
    if (!opening_clock_is_plausible(opening)) {
        return OPENING_STORE;
    }
    if (opening->leases != NULL) {
        return opening_take_lease(opening, position);
    }
    if (opening->engine == NULL) {
        return OPENING_STORE;
    }
    if (opening->engine->operations->take_over(opening->engine, position) != STORE_OK) {
        desk_log(opening->source, "error", "store the desk cannot be taken over: %s", opening->engine->reason);
        return OPENING_STORE;
    }
    return OPENING_DONE;
}

// ---- reading back ----

static void opening_fill_random(void *self, void *bytes, size_t count)
{
    (void) self;
    must(getrandom(bytes, count, 0) == (ssize_t) count);
}

static enum opening_end opening_make_broker(struct opening *opening, struct rules **rules_p,
                                            const struct store_position *position)
{
    const struct desk_source *source = opening->source;
    char reason[1024] = "";
    char secret[ENGINE_SECRET_BYTES] = "";

    if (opening->engine->operations->secret(opening->engine, secret) != STORE_OK) {
        desk_log(source, "error", "store the desk's secret cannot be read: %s", opening->engine->reason);
        return OPENING_STORE;
    }
    struct broker_options options = {
        .heartbeat_ms = source->heartbeat_ms,
        .person_rate = source->person_rate,
        .connector_rate = source->connector_rate,
        .address_percent = source->address_percent,
        .batch_bytes_max = source->batch_bytes_max,
        .story_bytes_max = source->story_bytes_max,
        .secret = secret,
        .accept_loss = source->accept_loss,
        .rules_name = source->file,
        .random = opening_fill_random,
        .log = opening_log_line,
        .self = (void *) source,
        .trace = source->trace,
    };

    opening->broker =
        broker_new(rules_p, opening->engine, position, &options, clock_now_ms(&opening->clock), reason, sizeof reason);
    if (opening->broker == NULL) {
        desk_log(source, "error", "store %s", reason);
        return OPENING_STORE;
    }
    opening->reports = opening_open_reports(source);
    return OPENING_DONE;
}

static enum opening_end opening_read_back(struct opening *opening, const struct store_position *position)
{
    const struct desk_source *source = opening->source;
    struct rules *rules = opening_compile(source->rules_text, 1, source->file);
    int64_t ahead_ms = clock_init(&opening->clock, position->clock_ms);
    enum opening_end end = OPENING_RULES;

    if (ahead_ms > 60 * 1000) {
        desk_log(source, "warning",
                 "broker the machine's clock is %" PRId64 " s behind the desk's, which goes on from its own",
                 ahead_ms / 1000);
    }
    if (rules != NULL && opening_prefer_stored_rules(source, opening->engine, &rules)) {
        end = opening_make_broker(opening, &rules, position);
    }
    rules_destroy(&rules);
    return end;
}

void opening_work(void *self)
{
    struct opening *opening = self;
    struct store_position position = { 0 };

    opening->took_over = false;
    opening->end = opening_take_over(opening, &position);
    if (opening->end == OPENING_DONE) {
        opening->end = opening_read_back(opening, &position);
    }
    if (opening->end != OPENING_DONE && opening->engine != NULL) {
        opening->engine->operations->destroy(&opening->engine);
    }
}
