// bench.c - clocks, samples and the printing of their figures: see bench.h.

#include "tests/bench/bench.h"

#include "proto/base/must.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

uint64_t bench_now_ns(void)
{
    struct timespec now;
    must(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (uint64_t) now.tv_sec * 1000000000u + (uint64_t) now.tv_nsec;
}

void bench_complain(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("behalf-bench: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

void samples_add(struct samples *samples, uint64_t duration_ns)
{
    if (samples->count == samples->capacity) {
        samples->capacity = samples->capacity ? 2 * samples->capacity : 1024;
        samples->durations_ns = realloc(samples->durations_ns, samples->capacity * sizeof *samples->durations_ns);
        must(samples->durations_ns != NULL);
    }
    samples->durations_ns[samples->count++] = duration_ns;
}

static int compare_durations(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

double samples_percentile_ms(struct samples *samples, unsigned percent)
{
    if (samples->count == 0) {
        return 0;
    }
    qsort(samples->durations_ns, samples->count, sizeof *samples->durations_ns, compare_durations);
    size_t at = samples->count * percent / 100;
    return (double) samples->durations_ns[at < samples->count ? at : samples->count - 1] / 1e6;
}

void samples_fini(struct samples *samples)
{
    free(samples->durations_ns);
    *samples = (struct samples){ 0 };
}

void bench_print(json_t *line)
{
    must(line != NULL);
    json_dumpf(line, stdout, JSON_COMPACT | JSON_REAL_PRECISION(5));
    putchar('\n');
    fflush(stdout);
    json_decref(line);
}
