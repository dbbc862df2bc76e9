// bench.h - what the cases of behalf-bench share: the options, when to stop, time, samples, and lines of JSON.

#ifndef TESTS_BENCH_H
#define TESTS_BENCH_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_PEOPLE_MAX 1500 // each is a client of its own, about a dozen descriptors
#define BENCH_CROWD_MAX 5000  // of the case people: two descriptors each, and more do not fit into rules
#define BENCH_PEOPLE_RUNS_MAX 8
#define BENCH_DESKS_MAX 256 // of a broker
#define BENCH_DESKS_RUNS_MAX 8
#define BENCH_BODY_BYTES 280

struct bench_options {
    const char *store;    // a folder, a URL of PostgreSQL, or NULL: a fresh folder
    const char *programs; // the folder of behalf-broker, or NULL: beside this program
    double seconds;       // 0: until `posts`
    uint64_t posts;       // 0: until `seconds`
    uint64_t fill;        // latency: items to be closed before it is measured, as fast as can be
    unsigned in_flight;   // posts that have no answer yet, at most
    unsigned people[BENCH_PEOPLE_RUNS_MAX];
    size_t people_count;
    unsigned desks[BENCH_DESKS_RUNS_MAX];
    size_t desks_count;
    unsigned text_memory_mb; // of the broker; 0: as it is when nobody says
    bool keep;               // the folder of the run, with the broker's log, and of a PostgreSQL the desk's rows
};

// The cases.  Each prints its lines and returns false, having said why, when it could not measure.
bool bench_intake(const struct bench_options *options);
bool bench_cycle(const struct bench_options *options, unsigned people);
bool bench_restore(const struct bench_options *options);
bool bench_turn(const struct bench_options *options);
bool bench_latency(const struct bench_options *options);

// All zero before the first run, which fills it in for the ratios of the others.
struct bench_people_costs {
    double offer_p50_ms;
};
bool bench_people(const struct bench_options *options, unsigned count, struct bench_people_costs *first);

// What a post costs, in processor time; all zero before the first run, which fills it in for the ratios of the others.
struct bench_desks_costs {
    double writer_us, server_us;
    double broker_us, broker_server_us; // with a broker
};
bool bench_desks(const struct bench_options *options, unsigned count, struct bench_desks_costs *first);

// Whether Ctrl-C or SIGTERM came.  Every loop asks.
bool bench_stopped(void);

uint64_t bench_now_ns(void);

// Says on standard error what is wrong.
__attribute__((format(printf, 1, 2))) void bench_complain(const char *format, ...);

// Durations in nanoseconds.
struct samples {
    uint64_t *durations_ns;
    size_t count, capacity;
};
void samples_add(struct samples *samples, uint64_t duration_ns);
double samples_percentile_ms(struct samples *samples, unsigned percent); // sorts them; 0 when there are none
void samples_fini(struct samples *samples);

// Prints a line of JSON and lets go of it.
void bench_print(json_t *line);

#endif
