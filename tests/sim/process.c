// process.c - a broker's process: it takes the desk, makes durable what its broker decides, speaks, and is killed.
//
// What the shell around the broker does in threads is done here in steps.  Whether the process has the desk, and for
// how long, is ownership.c's.

#include "tests/sim/simulation.h"

#include "broker/triage/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void process_fill_random(void *self, void *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ((unsigned char *) bytes)[i] = (unsigned char) sim_random(self);
    }
}

static void process_write_log(void *self, const char *level, const char *line)
{
    sim_note(self, "broker %s %s", level, line);
}

// Some brokers have room in memory for all texts, some for a few items, some for hardly one.
static size_t process_story_bytes(const struct simulation *simulation)
{
    static const size_t bytes[] = { 0, 65536, 8192 };
    bool asks_little = simulation->keeps_journal && !simulation->checks_stories; // so that its tables may be behind
    return asks_little ? 0 : bytes[simulation->seed % (sizeof bytes / sizeof bytes[0])];
}

// ---- beginning and end ----

// Nothing of the desk is left in it.
static void process_forget(struct sim_process *process)
{
    broker_destroy(&process->broker);
    batch_destroy(&process->batch);
    if (process->engine != NULL) {
        process->engine->operations->destroy(&process->engine);
    }
    process->idle_steps = 0;
    process->doubt = process->away = process->contradicted = process->behind = false;
}

bool process_take_over(struct sim_process *process, struct store_position *position)
{
    struct simulation *simulation = process->simulation;
    process->engine = memory_disk_open(simulation->disk, "sim");
    simulation->disk_changes++;
    enum store_result result = process->engine->operations->take_over(process->engine, position);
    if (result == STORE_OK) {
        return true;
    }
    if (result != STORE_UNAVAILABLE) {
        sim_fail(simulation, "take over: %s", process->engine->reason);
    }
    sim_note(simulation, "%s cannot take the desk over yet: %s", process->name, process->engine->reason);
    if (process->engine->operations->position(process->engine, position) != STORE_OK) {
        sim_fail(simulation, "where the desk is cannot be read: %s", process->engine->reason);
    }
    process_forget(process);
    return false;
}

static struct rules *process_rules(struct sim_process *process)
{
    struct rules_problems problems = { 0 };
    uint64_t version = 0;
    char *text = broker_stored_rules(process->engine, &version);
    if (text == NULL) {
        text = rules_variant(0);
    }
    struct rules *made = rules_new(text, strlen(text), NULL, version ? version : 1, &problems);
    free(text);
    if (made == NULL) {
        sim_fail(process->simulation, "its own rules: line %lld: %s %s", (long long) problems.problems[0].line,
                 problems.problems[0].key, problems.problems[0].message);
    }
    rules_problems_fini(&problems);
    return made;
}

void process_open(struct sim_process *process, const struct store_position *position)
{
    struct simulation *simulation = process->simulation;
    struct rules *rules = process_rules(process);
    const struct broker_options options = { .heartbeat_ms = 2000,
                                            .timeout_ms = 6000,
                                            .window = 64,
                                            .secret = "of the simulated store",
                                            .story_bytes_max = process_story_bytes(simulation),
                                            .check_stories = simulation->checks_stories,
                                            .random = process_fill_random,
                                            .log = process_write_log,
                                            .self = simulation,
                                            .trace = simulation->traced ? &simulation->trace : NULL };
    char reason[512];
    process->broker =
        broker_new(&rules, process->engine, position, &options, simulation->clock_ms, reason, sizeof reason);
    if (process->broker == NULL) {
        sim_fail(simulation, "the broker does not start: %s", reason);
    }
    broker_check(process->broker);
    simulation->calm_ms = simulation->clock_ms;
    sim_note(simulation, "broker %s starts, epoch %llu", process->name, (unsigned long long) position->epoch);
}

void process_close(struct sim_process *process)
{
    sim_take_frames(process->simulation, process->broker);
    process_forget(process);
}

void process_kill(struct sim_process *process)
{
    struct simulation *simulation = process->simulation;
    sim_note(simulation, "broker %s is killed", process->name);
    simulation->crashes++;
    process_forget(process);
    ownership_forget(process);
    for (size_t i = 0; i < SIM_CLIENTS; i++) {
        if (simulation->clients[i].peer && simulation->clients[i].process == process) {
            network_break(simulation, &simulation->clients[i], "the broker is gone");
        }
    }
    bool long_outage = sim_chance(simulation, 50); // longer than what makes a follow-up
    int64_t most_ms = simulation->healed ? 100 : long_outage ? 90000 : 8000;
    process->down_until_ms = simulation->now_ms + sim_between(simulation, 1, most_ms);
}

void process_end(struct sim_process *process)
{
    process_forget(process);
    ownership_forget(process);
}

// ---- the disk ----

static void process_plan_faults(struct simulation *simulation)
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

static void process_set_away(struct sim_process *process, bool away)
{
    struct simulation *simulation = process->simulation;
    if (process->away == away) {
        return;
    }
    process->away = away;
    simulation->calm_ms = simulation->clock_ms;
    broker_store_state(process->broker, away, away ? "away" : "working", simulation->clock_ms);
}

static void process_attempt(struct sim_process *process)
{
    struct simulation *simulation = process->simulation;
    enum store_result result = engine_attempt(process->engine, process->batch, &process->doubt);
    simulation->disk_changes++;
    if (memory_disk_engine_died(process->engine)) {
        process_kill(process);
        return;
    }
    if (result == STORE_OK) {
        ownership_judge_durable(process);
        process_set_away(process, false);
        broker_durable(process->broker, &process->batch, simulation->clock_ms);
        return;
    }
    if (result == STORE_CONTRADICTED) {
        ownership_contradicted(process);
        process->contradicted = true;
        return;
    }
    process_set_away(process, true);
    process->batch_at_ms = simulation->now_ms + sim_between(simulation, 50, sim_chance(simulation, 30) ? 80000 : 3000);
}

static void process_step_store(struct sim_process *process)
{
    struct simulation *simulation = process->simulation;
    if (process->contradicted) {
        return; // nothing is written any more
    }
    if (process->batch == NULL) {
        process_plan_faults(simulation);
        process->batch = broker_next_batch(process->broker, simulation->clock_ms);
        if (process->batch != NULL) {
            ownership_judge_batch(process);
            applying_judge_batch(process, process->batch);
            process->batch_at_ms = simulation->now_ms + (sim_chance(simulation, 20) ? sim_between(simulation, 0, 2000)
                                                                                    : sim_between(simulation, 0, 5));
        }
    }
    process->idle_steps = process->batch != NULL ? 0 : process->idle_steps;
    if (process->batch != NULL && process->batch_at_ms <= simulation->now_ms && !ownership_is_cut_off(process)) {
        process_attempt(process);
    }
}

static void process_step_reports(struct sim_process *process)
{
    struct report *report;
    while (!ownership_is_cut_off(process) && (report = broker_next_report(process->broker)) != NULL) {
        if (process->engine->operations->report(process->engine, report) == STORE_OK) {
            asking_judge_report(process->simulation, report);
        }
        broker_reported(process->broker, &report, process->simulation->clock_ms);
    }
}

// Rules that are to be applied are compiled, in no time.
static void process_step_rules(struct sim_process *process)
{
    uint64_t version;
    const struct rules *previous;
    const char *text = broker_next_rules(process->broker, &version, &previous);
    if (text == NULL) {
        return;
    }
    struct rules_problems problems = { 0 };
    struct rules *made = rules_new(text, strlen(text), previous, version, &problems);
    broker_rules_ready(process->broker, &made, &problems, process->simulation->clock_ms);
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

// ---- a step ----

static void process_step_broker(struct sim_process *process)
{
    struct simulation *simulation = process->simulation;
    broker_tick(process->broker, simulation->clock_ms);
    process->idle_steps++;
    process_step_store(process);
    if (process->broker == NULL) {
        return;
    }
    process_step_reports(process);
    applying_step(process);
    if (memory_disk_engine_died(process->engine)) {
        process_kill(process);
        return;
    }
    process_step_rules(process);
    if (ownership_freezes(process)) {
        return; // with words on its lips
    }
    sim_take_frames(simulation, process->broker);
    broker_check(process->broker);
    judge_told(simulation, process->broker);
}

void process_step(struct sim_process *process)
{
    struct simulation *simulation = process->simulation;
    if (!process_runs(process)) {
        return;
    }
    if (process->broker != NULL && !ownership_freezes(process)) {
        process_step_broker(process);
    }
    if (process->broker != NULL && !simulation->healed && sim_chance(simulation, 2)) {
        process_kill(process);
    }
}

bool process_is_up(const struct sim_process *process)
{
    return process->simulation->now_ms >= process->down_until_ms;
}

bool process_runs(const struct sim_process *process)
{
    return process_is_up(process) && process->simulation->now_ms >= process->frozen_until_ms;
}

struct sim_process *process_by_name(struct simulation *simulation, const char *name)
{
    for (size_t i = 0; i < simulation->process_count; i++) {
        if (!strcmp(simulation->processes[i].name, name)) {
            return &simulation->processes[i];
        }
    }
    sim_fail(simulation, "there is no broker %s", name);
    return NULL;
}
