// simulation.c - one run: chance, the broker's process, its disk, time, and what is true at the end.

#include "tests/sim/simulation.h"

#include "broker/triage/rules.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- chance ----

// SplitMix64 (Steele, Lea, Flood 2014).
uint64_t sim_random(struct simulation *simulation)
{
    uint64_t mixed = simulation->random += UINT64_C(0x9E3779B97F4A7C15);
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94D049BB133111EB);
    return mixed ^ (mixed >> 31);
}

bool sim_chance(struct simulation *simulation, unsigned per_thousand)
{
    return sim_random(simulation) % 1000 < per_thousand;
}

int64_t sim_between(struct simulation *simulation, int64_t least, int64_t most)
{
    return least + (int64_t) (sim_random(simulation) % (uint64_t) (most - least + 1));
}

void sim_fail(const struct simulation *simulation, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "SEED=%llu at %lld ms: ", (unsigned long long) simulation->seed, (long long) simulation->now_ms);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\nrepeat it with: simulation --verbose --trace %llu\n", (unsigned long long) simulation->seed);
    va_end(arguments);
    abort();
}

void sim_note(const struct simulation *simulation, const char *format, ...)
{
    if (!simulation->verbose) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    printf("%8lld ", (long long) simulation->now_ms);
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
}

// ---- the broker's process ----

static void fill_random(void *self, void *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ((unsigned char *) bytes)[i] = (unsigned char) sim_random(self);
    }
}

static void write_log(void *self, const char *level, const char *line)
{
    sim_note(self, "broker %s %s", level, line);
}

static void write_trace(void *self, const char *line)
{
    const struct simulation *simulation = self;
    printf("%8lld trace %s\n", (long long) simulation->now_ms, line);
}

// Some brokers have room in memory for all texts, some for a few items, some for hardly one.
static size_t story_bytes_of(const struct simulation *simulation)
{
    static const size_t bytes[] = { 0, 65536, 8192 };
    bool asks_little = simulation->keeps_journal && !simulation->checks_stories; // so that its tables may be behind
    return asks_little ? 0 : bytes[simulation->seed % (sizeof bytes / sizeof bytes[0])];
}

// False when that has to wait: what is durable must be applied first, and its tables are locked, or it is killed there.
static bool take_over(struct simulation *simulation, struct store_position *position)
{
    simulation->engine = memory_disk_open(simulation->disk, "sim");
    simulation->disk_changes++;
    simulation->behind = false;
    enum store_result result = simulation->engine->operations->take_over(simulation->engine, position);
    if (result == STORE_OK) {
        return true;
    }
    if (result != STORE_UNAVAILABLE) {
        sim_fail(simulation, "take over: %s", simulation->engine->reason);
    }
    sim_note(simulation, "the desk cannot be taken over yet: %s", simulation->engine->reason);
    simulation->engine->operations->destroy(&simulation->engine);
    simulation->restart_at_ms = simulation->now_ms + sim_between(simulation, 1, 1000);
    return false;
}

static void start_broker(struct simulation *simulation)
{
    struct rules_problems problems = { 0 };
    struct store_position position;
    if (!take_over(simulation, &position)) {
        return;
    }
    uint64_t version = 0;
    char *text = broker_stored_rules(simulation->engine, &version);
    if (text == NULL) {
        text = rules_variant(0);
    }
    struct rules *made = rules_new(text, strlen(text), NULL, version ? version : 1, &problems);
    free(text);
    if (made == NULL) {
        sim_fail(simulation, "its own rules: line %lld: %s %s", (long long) problems.problems[0].line,
                 problems.problems[0].key, problems.problems[0].message);
    }
    rules_problems_fini(&problems);
    const struct broker_options options = { .heartbeat_ms = 2000,
                                            .timeout_ms = 6000,
                                            .window = 64,
                                            .secret = "of the simulated store",
                                            .story_bytes_max = story_bytes_of(simulation),
                                            .check_stories = simulation->checks_stories,
                                            .random = fill_random,
                                            .log = write_log,
                                            .self = simulation,
                                            .trace = simulation->traced ? &simulation->trace : NULL };
    char reason[512];
    simulation->broker =
        broker_new(&made, simulation->engine, &position, &options, simulation->clock_ms, reason, sizeof reason);
    if (simulation->broker == NULL) {
        sim_fail(simulation, "the broker does not start: %s", reason);
    }
    broker_check(simulation->broker);
    ownership_began(simulation);
    simulation->calm_ms = simulation->clock_ms;
    sim_note(simulation, "broker starts, epoch %llu", (unsigned long long) position.epoch);
}

static void crash_broker(struct simulation *simulation)
{
    sim_note(simulation, "broker is killed");
    simulation->crashes++;
    broker_destroy(&simulation->broker);
    batch_destroy(&simulation->batch);
    simulation->engine->operations->destroy(&simulation->engine);
    simulation->doubt = simulation->away = false;
    for (size_t i = 0; i < SIM_CLIENTS; i++) {
        if (simulation->clients[i].peer && !simulation->clients[i].with_cut_off) {
            network_break(simulation, &simulation->clients[i], "the broker is gone");
        }
    }
    bool long_outage = sim_chance(simulation, 50); // longer than what makes a follow-up
    int64_t most_ms = simulation->healed ? 100 : long_outage ? 90000 : 8000;
    simulation->restart_at_ms = simulation->now_ms + sim_between(simulation, 1, most_ms);
}

// ---- the disk ----

static void plan_faults(struct simulation *simulation)
{
    if (simulation->healed || !sim_chance(simulation, 15)) {
        return;
    }
    enum planned_fault plan[4];
    size_t count = (size_t) sim_between(simulation, 1, 4);
    for (size_t i = 0; i < count; i++) {
        plan[i] = (enum planned_fault) sim_between(simulation, FAULT_UNAVAILABLE, FAULT_CRASH_SYNCED);
    }
    fault_plan_add(memory_disk_plan(simulation->disk), plan, count);
    simulation->faults++;
}

static void set_away(struct simulation *simulation, bool away)
{
    if (simulation->away == away) {
        return;
    }
    simulation->away = away;
    simulation->calm_ms = simulation->clock_ms;
    broker_store_state(simulation->broker, away, away ? "away" : "working", simulation->clock_ms);
}

static void attempt_batch(struct simulation *simulation)
{
    enum store_result result = engine_attempt(simulation->engine, simulation->batch, &simulation->doubt);
    simulation->disk_changes++;
    if (fault_plan_crashed(memory_disk_plan(simulation->disk)) || applying_crashed(simulation)) {
        crash_broker(simulation);
        return;
    }
    if (result == STORE_OK) {
        set_away(simulation, false);
        broker_durable(simulation->broker, &simulation->batch, simulation->clock_ms);
        return;
    }
    if (result == STORE_CONTRADICTED) {
        sim_fail(simulation, "the store contradicts the desk: %s", simulation->engine->reason);
    }
    set_away(simulation, true);
    simulation->batch_at_ms =
        simulation->now_ms + sim_between(simulation, 50, sim_chance(simulation, 30) ? 80000 : 3000);
}

static void step_store(struct simulation *simulation)
{
    if (simulation->batch == NULL) {
        plan_faults(simulation);
        simulation->batch = broker_next_batch(simulation->broker, simulation->clock_ms);
        if (simulation->batch != NULL) {
            applying_judge_batch(simulation, simulation->batch);
            simulation->batch_at_ms =
                simulation->now_ms + ownership_delay_ms(simulation) +
                (sim_chance(simulation, 20) ? sim_between(simulation, 0, 2000) : sim_between(simulation, 0, 5));
        }
    }
    if (simulation->batch != NULL && simulation->batch_at_ms <= simulation->now_ms) {
        attempt_batch(simulation);
    }
}

static void step_reports(struct simulation *simulation)
{
    struct report *report;
    while ((report = broker_next_report(simulation->broker)) != NULL) {
        simulation->engine->operations->report(simulation->engine, report);
        broker_reported(simulation->broker, &report, simulation->clock_ms);
    }
}

// Rules that are to be applied are compiled, in no time.
static void step_rules(struct simulation *simulation)
{
    uint64_t version;
    const struct rules *previous;
    const char *text = broker_next_rules(simulation->broker, &version, &previous);
    if (text == NULL) {
        return;
    }
    struct rules_problems problems = { 0 };
    struct rules *made = rules_new(text, strlen(text), previous, version, &problems);
    broker_rules_ready(simulation->broker, &made, &problems, simulation->clock_ms);
    rules_problems_fini(&problems);
}

void sim_take_frames(struct simulation *simulation, struct broker *broker)
{
    uint64_t peer;
    size_t bytes;
    void *frame;
    while ((frame = broker_next_frame(broker, &peer, &bytes)) != NULL) {
        network_to_client(simulation, broker, peer, frame, bytes);
    }
    while ((peer = broker_next_drop(broker))) {
        for (size_t i = 0; i < SIM_CLIENTS; i++) {
            if (simulation->clients[i].peer == peer) {
                network_break(simulation, &simulation->clients[i], "dropped by the broker");
            }
        }
    }
}

static void step_broker(struct simulation *simulation)
{
    if (simulation->broker == NULL) {
        if (simulation->now_ms < simulation->restart_at_ms) {
            return;
        }
        start_broker(simulation);
        if (simulation->broker == NULL) {
            return;
        }
    }
    broker_tick(simulation->broker, simulation->clock_ms);
    step_store(simulation);
    if (simulation->broker == NULL) {
        return;
    }
    step_reports(simulation);
    applying_step(simulation);
    if (applying_crashed(simulation)) {
        crash_broker(simulation);
        return;
    }
    step_rules(simulation);
    sim_take_frames(simulation, simulation->broker);
    broker_check(simulation->broker);
    judge_told(simulation, simulation->broker);
    if (!simulation->healed && sim_chance(simulation, 2)) {
        crash_broker(simulation);
    }
}

// ---- time ----

static void step_time(struct simulation *simulation)
{
    int64_t pass_ms = sim_chance(simulation, 900) ? sim_between(simulation, 1, 40) : sim_between(simulation, 100, 1500);
    simulation->now_ms += pass_ms;
    simulation->clock_ms += pass_ms;
    if (!simulation->healed && sim_chance(simulation, 1)) {
        simulation->clock_ms += sim_between(simulation, 10000, 4000000);
        simulation->calm_ms = simulation->clock_ms;
        if (simulation->broker != NULL) {
            simulation->jumped_ms[simulation->jumps % SIM_JUMPS_MAX] = simulation->clock_ms;
        }
        simulation->jumps++;
        sim_note(simulation, "the clock jumps");
    }
}

static void step(struct simulation *simulation)
{
    simulation->steps++;
    step_time(simulation);
    ownership_step(simulation);
    network_step(simulation);
    applying_meet_trouble(simulation);
    step_broker(simulation);
    if (!simulation->healed) {
        once_repeat(simulation);
    }
    for (size_t i = 0; i < SIM_CLIENTS; i++) {
        actor_act(&simulation->clients[i]);
    }
    ownership_judge_clients(simulation);
}

void simulation_run(uint64_t seed, bool verbose, bool traced, struct sim_counts *counts)
{
    static struct simulation simulation; // too large for a stack
    simulation = (struct simulation){ .seed = seed,
                                      .random = seed * 2 + 1,
                                      .verbose = verbose,
                                      .traced = traced,
                                      .clock_ms = INT64_C(1700000000000),
                                      .counts = *counts,
                                      .disk = memory_disk_new(),
                                      .asked = answers_new() };
    simulation.trace = (struct trace){ .line = write_trace, .self = &simulation };
    simulation.mischief_rules = rules_variant(0);
    applying_begin(&simulation);
    feed_make_posts(&simulation);
    actors_init(&simulation);
    size_t steps = (size_t) sim_between(&simulation, 600, 2500);
    for (size_t i = 0; i < steps; i++) {
        step(&simulation);
        if (i % 50 == 0) {
            judge_disk(&simulation);
        }
    }
    sim_note(&simulation, "the world is healed");
    simulation.healed = true;
    const char *pending = "";
    for (size_t i = 0; i < 60000 && (pending = judge_pending(&simulation)) != NULL; i++) {
        step(&simulation);
    }
    if (pending != NULL) {
        sim_fail(&simulation, "the healed world does not come to its end: %s", pending);
    }
    judge_end(&simulation);
    applying_judge_end(&simulation);
    *counts = simulation.counts;
    if (verbose) {
        printf("seed %llu: %zu posts, %zu kills, %zu disk faults, %zu broken connections, %zu jumps, %zu answers, %zu "
               "escalations, %zu rules applied, %zu repeats, %zu times taken over\n",
               (unsigned long long) seed, simulation.post_count, simulation.crashes, simulation.faults,
               simulation.breaks, simulation.jumps, simulation.answers, simulation.escalations, simulation.applied,
               simulation.repeats, simulation.taken_over);
    }
    actors_fini(&simulation);
    once_fini(&simulation);
    ownership_end_cut_off(&simulation);
    broker_destroy(&simulation.broker);
    batch_destroy(&simulation.batch);
    if (simulation.engine != NULL) {
        simulation.engine->operations->destroy(&simulation.engine);
    }
    memory_disk_destroy(&simulation.disk);
    answers_destroy(&simulation.asked);
    free(simulation.mischief_rules);
}
