// restore.c - a broker is made from what the store has: the desk as it was, then a fresh start for everyone.

#include "broker/session/core.h"

#define HEARTBEAT_MS 5000
#define WINDOW 1024
#define PERSON_RATE 100
#define CONNECTOR_RATE 50000
#define SESSIONS_MAX 8192
#define BATCH_CHANGES_MAX 65536
#define BATCH_BYTES_MAX ((size_t) 64 * 1024 * 1024)
#define STORY_BYTES_MAX_USUAL ((size_t) 64 * 1000 * 1000)
#define INTAKE_KEYS_MAX ((size_t) 8 * 1024 * 1024)

static_assert(SESSIONS_MAX >= POLICY_PEOPLE_MAX, "everybody whom the rules name can be signed in");

// ---- the rules alone ----

struct rules_reading {
    char *text;
    uint64_t version;
};

static bool restore_read_rules(void *self, const struct rules_record *rules)
{
    struct rules_reading *reading = self;

    free(reading->text);
    reading->text = strdup(rules->text);
    must(reading->text != NULL);
    reading->version = rules->version;
    return true;
}

char *broker_stored_rules(struct engine *engine, uint64_t *version)
{
    struct rules_reading reading = { 0 };
    struct store_reader reader = { .self = &reading, .rules = restore_read_rules }; // nothing else is wanted yet
    enum store_result result = engine->operations->read(engine, &reader);

    *version = reading.version;
    if (reading.text == NULL && result != STORE_OK) {
        *version = 1;
    }
    return reading.text;
}

// ---- the whole desk ----

struct reading {
    struct broker *broker;
    bool has_rules;
    char *reason;
    size_t reason_bytes;
};

static bool restore_rules(void *self, const struct rules_record *rules)
{
    struct reading *reading = self;
    const struct policy *policy = rules_policy(reading->broker->rules);

    reading->has_rules = true;
    if (!rules->reviewed) {
        desk_restore_review(reading->broker->desk);
    }
    if (rules->version == policy->version && strcmp(rules->text, rules_text(reading->broker->rules)) == 0) {
        return true;
    }
    snprintf(reading->reason, reading->reason_bytes,
             "the store has rules version %" PRIu64 ", the broker was given version %" PRIu64, rules->version,
             policy->version);
    return false;
}

static bool restore_freeze(void *self, const struct freeze_record *freeze)
{
    struct reading *reading = self;

    desk_restore_freeze(reading->broker->desk, freeze);
    return true;
}

static bool restore_item(void *self, const struct item_record *item)
{
    struct reading *reading = self;

    return desk_restore_item(reading->broker->desk, item, reading->reason, reading->reason_bytes);
}

static bool restore_reply(void *self, const struct reply_record *reply)
{
    struct reading *reading = self;

    return desk_restore_reply(reading->broker->desk, reply, reading->reason, reading->reason_bytes);
}

static bool restore_outcome(void *self, const struct outcome_record *outcome)
{
    struct reading *reading = self;

    desk_restore_outcome(reading->broker->desk, outcome);
    return true;
}

static bool restore_early(void *self, const struct early_record *early)
{
    struct reading *reading = self;

    desk_restore_early(reading->broker->desk, early);
    return true;
}

static bool restore_key(void *self, const char *channel, const char *post, int64_t taken_ms)
{
    struct reading *reading = self;
    struct broker *broker = reading->broker;

    // The desk's clock never goes back, so that nothing was taken after now.
    if (taken_ms >= 0 && taken_ms <= broker->now_ms) {
        intake_add(&broker->intake, desk_intake_key(channel, post), taken_ms);
    }
    return true;
}

static bool restore_request(void *self, const struct request_record *request)
{
    struct reading *reading = self;

    return desk_restore_request(reading->broker->desk, request, reading->reason, reading->reason_bytes);
}

static bool restore(struct broker *broker, struct engine *engine, const struct store_position *position,
                    bool *has_rules, char *reason, size_t reason_bytes)
{
    const struct policy_times *times = &rules_policy(broker->rules)->times;
    int64_t remembered_ms = times->known_author_ms > times->follow_up_ms ? times->known_author_ms : times->follow_up_ms;
    struct reading reading = { .broker = broker, .reason = reason, .reason_bytes = reason_bytes };
    struct store_reader reader = {
        .self = &reading,
        .outcomes_since_ms = broker->now_ms > remembered_ms ? broker->now_ms - remembered_ms : 0,
        .keys_since_ms = intake_since_ms(broker->now_ms),
        .requests_since_ms = broker->now_ms > REQUESTS_KEPT_MS ? broker->now_ms - REQUESTS_KEPT_MS : 0,
        .rules = restore_rules,
        .freeze = restore_freeze,
        .item = restore_item,
        .reply = restore_reply,
        .outcome = restore_outcome,
        .early = restore_early,
        .intake_key = restore_key,
        .request = restore_request,
    };

    reason[0] = '\0';
    desk_restore_position(broker->desk, position->sequence, position->next_id, position->clock_ms);
    enum store_result result = engine->operations->read(engine, &reader);
    *has_rules = reading.has_rules;
    if (reason[0] != '\0') {
        return false;
    }
    if (result != STORE_OK) {
        snprintf(reason, reason_bytes, "the desk could not be read from the store: %s", engine->reason);
        return false;
    }
    return true;
}

static struct broker_options restore_with_defaults(const struct broker_options *given)
{
    struct broker_options options = *given;

    options.heartbeat_ms = given->heartbeat_ms != 0 ? given->heartbeat_ms : HEARTBEAT_MS;
    options.timeout_ms = given->timeout_ms != 0 ? given->timeout_ms : 3 * options.heartbeat_ms;
    options.person_rate = given->person_rate != 0 ? given->person_rate : PERSON_RATE;
    options.connector_rate = given->connector_rate != 0 ? given->connector_rate : CONNECTOR_RATE;
    options.window = given->window != 0 ? given->window : WINDOW;
    options.sessions_max = given->sessions_max != 0 ? given->sessions_max : SESSIONS_MAX;
    options.address_percent = given->address_percent != 0 ? given->address_percent : ADDRESS_PERCENT;
    options.batch_changes_max = given->batch_changes_max != 0 ? given->batch_changes_max : BATCH_CHANGES_MAX;
    options.batch_bytes_max = given->batch_bytes_max != 0 ? given->batch_bytes_max : BATCH_BYTES_MAX;
    options.intake_keys_max = given->intake_keys_max != 0 ? given->intake_keys_max : INTAKE_KEYS_MAX;
    options.story_bytes_max = given->story_bytes_max != 0 ? given->story_bytes_max : STORY_BYTES_MAX_USUAL;
    options.secret = NULL; // kept by the broker
    options.rules_name = given->rules_name != NULL ? given->rules_name : "";
    must(options.random != NULL);
    must(options.log != NULL);
    return options;
}

static struct broker *restore_make(struct rules **rules_p, const struct store_position *position,
                                   const struct broker_options *options, int64_t now_ms)
{
    struct broker *broker = calloc(1, sizeof *broker);

    must(broker != NULL);
    broker->options = restore_with_defaults(options);
    snprintf(broker->secret, sizeof broker->secret, "%s", options->secret != NULL ? options->secret : "");
    broker->rules = *rules_p;
    *rules_p = NULL;
    broker->triage = triage_new();
    broker->now_ms = now_ms > position->clock_ms ? now_ms : position->clock_ms;
    broker->due_ms = broker->now_ms;
    broker->started_ms = broker->now_ms;
    broker->desk = desk_new(rules_policy(broker->rules), broker->now_ms);
    broker->current = batch_new();
    broker->current_number = 1;
    broker->handed = *position;
    broker->lease_until_ms = INT64_MAX;
    broker->lease_stood = true;
    broker->drops_end = &broker->drops;
    broker->report_queue_end = &broker->report_queue;
    session_table_init(&broker->sessions);
    broker->stories = story_cache_new(broker->options.story_bytes_max, position);
    broker->spoken = position->sequence;
    intake_init(&broker->intake, broker->options.intake_keys_max, broker->now_ms);
    desk_set_list(broker->desk, broker_list(broker));
    return broker;
}

// The first rules of a desk are recorded like any later ones.
static void restore_record_rules(struct broker *broker)
{
    const struct policy *policy = rules_policy(broker->rules);
    struct rules_record record = {
        .version = policy->version,
        .name = broker->options.rules_name,
        .text = rules_text(broker->rules),
        .at_ms = broker->now_ms,
    };

    desk_apply(broker->desk, policy, &record, broker->now_ms);
}

struct broker *broker_new(struct rules **rules_p, struct engine *engine, const struct store_position *position,
                          const struct broker_options *options, int64_t now_ms, char *reason, size_t reason_bytes)
{
    struct broker *broker = restore_make(rules_p, position, options, now_ms);
    bool has_rules = false;

    if (!restore(broker, engine, position, &has_rules, reason, reason_bytes)) {
        broker_destroy(&broker);
        return NULL;
    }
    desk_restored(broker->desk, broker->now_ms);
    if (!has_rules) {
        restore_record_rules(broker);
    }
    reviewing_begin(broker);
    snprintf(broker->store_text, sizeof broker->store_text, "%s", engine->operations->describe(engine));
    return broker;
}
