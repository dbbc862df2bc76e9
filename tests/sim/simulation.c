// simulation.c - one run: chance, time, and what is true at the end.

#include "tests/sim/simulation.h"

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

static void write_trace(void *self, const char *line)
{
    const struct simulation *simulation = self;
    printf("%8lld trace %s\n", (long long) simulation->now_ms, line);
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
        if (ownership_owner(simulation) != NULL) {
            simulation->jumped_ms[simulation->jumps % SIM_JUMPS_MAX] = simulation->clock_ms;
        }
        simulation->jumps++;
        sim_note(simulation, "the clock jumps");
    }
}

static void step(struct simulation *simulation)
{
    step_time(simulation);
    for (size_t i = 0; i < simulation->process_count; i++) {
        ownership_step(&simulation->processes[i]);
    }
    network_step(simulation);
    applying_meet_trouble(simulation);
    for (size_t i = 0; i < simulation->process_count; i++) {
        process_step(&simulation->processes[i]);
    }
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
    ownership_begin(&simulation);
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
    size_t before = counts->taken_over;
    *counts = simulation.counts;
    if (verbose) {
        printf("seed %llu: %zu posts, %zu kills, %zu disk faults, %zu broken connections, %zu jumps, %zu answers, %zu "
               "escalations, %zu rules applied, %zu repeats, %zu times taken over\n",
               (unsigned long long) seed, simulation.post_count, simulation.crashes, simulation.faults,
               simulation.breaks, simulation.jumps, simulation.answers, simulation.escalations, simulation.applied,
               simulation.repeats, simulation.counts.taken_over - before);
    }
    actors_fini(&simulation);
    once_fini(&simulation);
    ownership_end(&simulation);
    memory_disk_destroy(&simulation.disk);
    answers_destroy(&simulation.asked);
    free(simulation.mischief_rules);
}
