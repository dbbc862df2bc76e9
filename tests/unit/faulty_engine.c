// faulty_engine.c - what becomes of each call: let through, refused, or let through and denied.

#include "tests/unit/faulty_engine.h"

#include "proto/base/must.h"

#include <stdio.h>
#include <stdlib.h>

struct fault_plan {
    enum planned_fault *faults;
    size_t count;
    size_t at;
    bool cuts_reading;
    size_t records; // that the next reading gives
    bool crashed;
};

// Who is told of what is committed; NULL: nobody.
static struct {
    void (*hear)(void *self, const struct batch *group);
    void *self;
} listener;

struct faulty_engine {
    struct engine engine;
    struct engine *inside;
    struct fault_plan *plan;
    bool doubt; // position() must be read first
    bool dead;  // the process has "died"
};

// What a reader gets, until the reading is cut.
struct cut_reading {
    const struct store_reader *reader;
    size_t left;
    bool cut;
};

static struct faulty_engine *own(struct engine *engine)
{
    return (struct faulty_engine *) (void *) engine;
}

static enum store_result refuse(struct faulty_engine *engine, enum store_result result, const char *reason)
{
    snprintf(engine->engine.reason, sizeof engine->engine.reason, "%s", reason);
    return result;
}

static enum store_result refuse_dead(struct faulty_engine *engine)
{
    return refuse(engine, STORE_UNAVAILABLE, "the process has crashed, as planned");
}

// Hands on what the engine inside has answered.
static enum store_result pass(struct faulty_engine *engine, enum store_result result)
{
    return result == STORE_OK ? result : refuse(engine, result, engine->inside->reason);
}

static const char *faulty_describe(const struct engine *base)
{
    const struct engine *inside = ((const struct faulty_engine *) (const void *) base)->inside;

    return inside->operations->describe(inside);
}

static bool writes(struct faulty_engine *engine, const struct batch *group)
{
    struct store_position position;

    // What is there already is only answered, and what does not follow on it is refused: neither is a write.
    return batch_group_change_count(group) > 0 &&
           engine->inside->operations->position(engine->inside, &position) == STORE_OK &&
           position.epoch == batch_from(group)->epoch && position.sequence == batch_from(group)->sequence &&
           position.sequence != batch_group_to(group)->sequence;
}

static enum planned_fault next_fault(struct faulty_engine *engine, const struct batch *group)
{
    struct fault_plan *plan = engine->plan;

    return plan->at < plan->count && writes(engine, group) ? plan->faults[plan->at++] : FAULT_NONE;
}

static bool lets_through(enum planned_fault fault)
{
    return fault == FAULT_NONE || fault == FAULT_DOUBT_WRITTEN || fault == FAULT_CRASH_SYNCED;
}

// What is told of the commit, whatever became of it.
static enum store_result meet(struct faulty_engine *engine, enum planned_fault fault)
{
    switch (fault) {
    case FAULT_NONE:
        return STORE_OK;
    case FAULT_UNAVAILABLE:
        return refuse(engine, STORE_UNAVAILABLE, "the store is away, as planned");
    case FAULT_REFUSED:
        return refuse(engine, STORE_REFUSED, "the store does not let us in, as planned");
    case FAULT_CONTRADICTED:
        return refuse(engine, STORE_CONTRADICTED, "the store contradicts the desk, as planned");
    case FAULT_CRASH_UNSYNCED:
    case FAULT_CRASH_SYNCED:
        engine->plan->crashed = true;
        engine->dead = true;
        break;
    case FAULT_DOUBT_WRITTEN:
    case FAULT_DOUBT_LOST:
        break;
    }
    engine->doubt = true;
    return refuse(engine, STORE_IN_DOUBT, "the answer to a commit was lost, as planned");
}

static enum store_result faulty_commit(struct engine *base, struct batch *batch)
{
    struct faulty_engine *engine = own(base);

    if (engine->dead) {
        return refuse_dead(engine);
    }
    if (engine->doubt) {
        return refuse(engine, STORE_IN_DOUBT, "an earlier commit is in doubt: read the position first");
    }
    enum planned_fault fault = next_fault(engine, batch);
    if (lets_through(fault)) {
        enum store_result result = engine->inside->operations->commit(engine->inside, batch);
        if (result != STORE_OK) {
            return pass(engine, result);
        }
        if (listener.hear != NULL) {
            listener.hear(listener.self, batch);
        }
    }
    return meet(engine, fault);
}

void faulty_engine_listen(void (*hear)(void *self, const struct batch *group), void *self)
{
    listener.hear = hear;
    listener.self = self;
}

static enum store_result faulty_position(struct engine *base, struct store_position *position)
{
    struct faulty_engine *engine = own(base);

    if (engine->dead) {
        return refuse_dead(engine);
    }
    enum store_result result = engine->inside->operations->position(engine->inside, position);
    engine->doubt = engine->doubt && result != STORE_OK;
    return pass(engine, result);
}

static enum store_result faulty_take_over(struct engine *base, struct store_position *position)
{
    struct faulty_engine *engine = own(base);

    return engine->dead ? refuse_dead(engine)
                        : pass(engine, engine->inside->operations->take_over(engine->inside, position));
}

static enum store_result faulty_confirm(struct engine *base)
{
    struct faulty_engine *engine = own(base);

    if (engine->dead) {
        return refuse_dead(engine);
    }
    if (engine->doubt) {
        return refuse(engine, STORE_IN_DOUBT, "a commit is in doubt, as planned");
    }
    return pass(engine, engine->inside->operations->confirm(engine->inside));
}

static enum store_result faulty_secret(struct engine *base, char secret[ENGINE_SECRET_BYTES])
{
    struct faulty_engine *engine = own(base);

    return engine->dead ? refuse_dead(engine)
                        : pass(engine, engine->inside->operations->secret(engine->inside, secret));
}

static bool goes_on(struct cut_reading *reading)
{
    reading->cut = reading->left == 0;
    reading->left -= !reading->cut;
    return !reading->cut;
}

#define CUT_READING(name, type)                                                                                        \
    static bool cut_##name(void *self, const type *record)                                                             \
    {                                                                                                                  \
        struct cut_reading *reading = self;                                                                            \
        return goes_on(reading) && reading->reader->name(reading->reader->self, record);                               \
    }
CUT_READING(rules, struct rules_record)
CUT_READING(freeze, struct freeze_record)
CUT_READING(item, struct item_record)
CUT_READING(reply, struct reply_record)
CUT_READING(outcome, struct outcome_record)
CUT_READING(early, struct early_record)
CUT_READING(request, struct request_record)

static bool cut_intake_key(void *self, const char *channel, const char *post, int64_t taken_ms)
{
    struct cut_reading *reading = self;

    return goes_on(reading) && reading->reader->intake_key(reading->reader->self, channel, post, taken_ms);
}

static enum store_result read_cut(struct faulty_engine *engine, const struct store_reader *reader)
{
    struct cut_reading reading = { .reader = reader, .left = engine->plan->records };
    const struct store_reader cut = {
        .self = &reading,
        .outcomes_since_ms = reader->outcomes_since_ms,
        .keys_since_ms = reader->keys_since_ms,
        .requests_since_ms = reader->requests_since_ms,
        .rules = reader->rules == NULL ? NULL : cut_rules,
        .freeze = reader->freeze == NULL ? NULL : cut_freeze,
        .item = reader->item == NULL ? NULL : cut_item,
        .reply = reader->reply == NULL ? NULL : cut_reply,
        .outcome = reader->outcome == NULL ? NULL : cut_outcome,
        .early = reader->early == NULL ? NULL : cut_early,
        .intake_key = reader->intake_key == NULL ? NULL : cut_intake_key,
        .request = reader->request == NULL ? NULL : cut_request,
    };

    enum store_result result = engine->inside->operations->read(engine->inside, &cut);
    engine->plan->cuts_reading = !reading.cut;
    return result == STORE_OK && reading.cut ? refuse(engine, STORE_UNAVAILABLE, "the reading was cut, as planned")
                                             : pass(engine, result);
}

static enum store_result faulty_read(struct engine *base, const struct store_reader *reader)
{
    struct faulty_engine *engine = own(base);

    if (engine->dead) {
        return refuse_dead(engine);
    }
    return engine->plan->cuts_reading ? read_cut(engine, reader)
                                      : pass(engine, engine->inside->operations->read(engine->inside, reader));
}

static enum store_result faulty_report(struct engine *base, struct report *report)
{
    struct faulty_engine *engine = own(base);

    return engine->dead ? refuse_dead(engine)
                        : pass(engine, engine->inside->operations->report(engine->inside, report));
}

static bool faulty_is_behind(struct engine *base)
{
    struct engine *inside = own(base)->inside;

    return inside->operations->is_behind != NULL && inside->operations->is_behind(inside);
}

static void faulty_destroy(struct engine **engine_p)
{
    struct faulty_engine *engine = own(*engine_p);

    if (engine == NULL) {
        return;
    }
    engine->inside->operations->destroy(&engine->inside);
    free(engine);
    *engine_p = NULL;
}

static const struct engine_operations faulty_operations = {
    .name = "faulty",
    .describe = faulty_describe,
    .commit = faulty_commit,
    .position = faulty_position,
    .take_over = faulty_take_over,
    .confirm = faulty_confirm,
    .secret = faulty_secret,
    .read = faulty_read,
    .report = faulty_report,
    .destroy = faulty_destroy,
    .is_behind = faulty_is_behind,
};

bool faulty_engine_died(const struct engine *engine)
{
    return ((const struct faulty_engine *) (const void *) engine)->dead;
}

struct engine *faulty_engine_inside(struct engine *engine)
{
    return own(engine)->inside;
}

struct engine *faulty_engine_new(struct engine **inside_p, struct fault_plan *plan)
{
    struct faulty_engine *engine = calloc(1, sizeof *engine);

    must(engine != NULL);
    engine->engine.operations = &faulty_operations;
    engine->inside = *inside_p;
    engine->plan = plan;
    plan->crashed = false;
    *inside_p = NULL;
    return &engine->engine;
}

// ---- the plan ----

struct fault_plan *fault_plan_new(void)
{
    struct fault_plan *plan = calloc(1, sizeof *plan);

    must(plan != NULL);
    return plan;
}

void fault_plan_destroy(struct fault_plan **plan_p)
{
    if (*plan_p == NULL) {
        return;
    }
    free((*plan_p)->faults);
    free(*plan_p);
    *plan_p = NULL;
}

void fault_plan_add(struct fault_plan *plan, const enum planned_fault *faults, size_t count)
{
    plan->faults = realloc(plan->faults, (plan->count + count + 1) * sizeof *faults);
    must(plan->faults != NULL);
    for (size_t i = 0; i < count; i++) {
        plan->faults[plan->count++] = faults[i];
    }
}

void fault_plan_cut_reading(struct fault_plan *plan, size_t records)
{
    plan->cuts_reading = true;
    plan->records = records;
}

bool fault_plan_crashed(const struct fault_plan *plan)
{
    return plan->crashed;
}
