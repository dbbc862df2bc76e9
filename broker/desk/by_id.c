// by_id.c - runs of ids.  A run knows the smallest id that may be in it; an entry is told by its distance from there.

#include "broker/desk/by_id.h"

#include "proto/base/must.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES_STEP 64u // by which a run's room grows and shrinks

struct entry {
    uint32_t distance; // from the run's `first`
    uint32_t number;   // in the pool
};

struct by_id_run {
    uint64_t first; // no entry of the run is before it, none of the runs before is at or after it
    struct entry *entries;
    uint32_t count;
    uint32_t room;
};

void by_id_fini(struct by_id *by_id)
{
    for (size_t i = 0; i < by_id->run_count; i++) {
        free(by_id->runs[i].entries);
    }
    free(by_id->runs);
    *by_id = (struct by_id){ .pool = by_id->pool };
}

// ---- finding ----

// How many runs begin at or before this id: the last of them is where it is, if it is there.
static size_t by_id_runs_up_to(const struct by_id *by_id, uint64_t id)
{
    size_t low = 0, high = by_id->run_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (by_id->runs[middle].first <= id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

// How many entries of the run are before this id, which is not before the run.
static uint32_t by_id_entries_before(const struct by_id_run *run, uint64_t id)
{
    uint64_t distance = id - run->first;
    uint32_t low = 0, high = run->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (run->entries[middle].distance < distance) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool is_at(const struct by_id_run *run, uint32_t place, uint64_t id)
{
    return place < run->count && run->first + run->entries[place].distance == id;
}

void *by_id_find(const struct by_id *by_id, uint64_t id)
{
    size_t runs = by_id_runs_up_to(by_id, id);
    if (!runs) {
        return NULL;
    }
    const struct by_id_run *run = &by_id->runs[runs - 1];
    uint32_t place = by_id_entries_before(run, id);
    return is_at(run, place, id) ? pool_at(by_id->pool, run->entries[place].number) : NULL;
}

void *by_id_next(const struct by_id *by_id, uint64_t after, uint64_t *id)
{
    if (after == UINT64_MAX) {
        return NULL;
    }
    size_t runs = by_id_runs_up_to(by_id, after + 1);
    uint32_t place = 0;
    if (runs) {
        place = by_id_entries_before(&by_id->runs[runs - 1], after + 1);
        runs -= place < by_id->runs[runs - 1].count;
    }
    if (runs == by_id->run_count) {
        return NULL;
    }
    const struct by_id_run *run = &by_id->runs[runs];
    place = place < run->count && run->first <= after ? place : 0; // of a later run, its first
    *id = run->first + run->entries[place].distance;
    return pool_at(by_id->pool, run->entries[place].number);
}

// ---- runs come and go ----

static void by_id_set_room(struct by_id_run *run, uint32_t room)
{
    run->entries = realloc(run->entries, room * sizeof *run->entries);
    must(run->entries);
    run->room = room;
}

static struct by_id_run *by_id_insert_run(struct by_id *by_id, size_t place, uint64_t first)
{
    if (by_id->run_count == by_id->run_capacity) {
        by_id->run_capacity += by_id->run_capacity / 4 + 4;
        by_id->runs = realloc(by_id->runs, by_id->run_capacity * sizeof *by_id->runs);
        must(by_id->runs);
    }
    struct by_id_run *run = &by_id->runs[place];
    memmove(run + 1, run, (by_id->run_count - place) * sizeof *run);
    by_id->run_count++;
    *run = (struct by_id_run){ .first = first };
    return run;
}

static void by_id_remove_run(struct by_id *by_id, size_t place)
{
    struct by_id_run *run = &by_id->runs[place];
    free(run->entries);
    by_id->run_count--;
    memmove(run, run + 1, (by_id->run_count - place) * sizeof *run);
}

static void by_id_append(struct by_id_run *run, uint64_t id, uint32_t number)
{
    if (run->count == run->room) {
        by_id_set_room(run, run->room + ENTRIES_STEP);
    }
    run->entries[run->count++] = (struct entry){ (uint32_t) (id - run->first), number };
}

// The run at `place` and the one behind it become one where both are small.
static void by_id_join_next(struct by_id *by_id, size_t place)
{
    if (place + 1 >= by_id->run_count) {
        return;
    }
    struct by_id_run *run = &by_id->runs[place];
    const struct by_id_run *next = run + 1;
    if (run->count + next->count > BY_ID_RUN / 2 ||
        next->first + next->entries[next->count - 1].distance - run->first > UINT32_MAX) {
        return;
    }
    for (uint32_t i = 0; i < next->count; i++) {
        by_id_append(run, next->first + next->entries[i].distance, next->entries[i].number);
    }
    by_id_remove_run(by_id, place + 1);
}

// The second half of a full run becomes a run of its own behind it.
static void by_id_halve(struct by_id *by_id, size_t place)
{
    uint32_t half = by_id->runs[place].count / 2;
    uint64_t middle = by_id->runs[place].first + by_id->runs[place].entries[half].distance;
    struct by_id_run *second = by_id_insert_run(by_id, place + 1, middle);
    struct by_id_run *run = second - 1;
    for (uint32_t i = half; i < run->count; i++) {
        by_id_append(second, run->first + run->entries[i].distance, run->entries[i].number);
    }
    run->count = half;
    by_id_set_room(run, half);
}

// ---- elements come and go ----

void by_id_put(struct by_id *by_id, uint64_t id, uint32_t number)
{
    size_t runs = by_id_runs_up_to(by_id, id);
    bool fits = runs && id - by_id->runs[runs - 1].first <= UINT32_MAX;
    by_id->count++;
    if (fits && by_id->runs[runs - 1].count == BY_ID_RUN) {
        uint32_t place = by_id_entries_before(&by_id->runs[runs - 1], id);
        fits = place < BY_ID_RUN; // behind a full run begins the next one
        if (fits) {
            by_id_halve(by_id, runs - 1);
            runs = by_id_runs_up_to(by_id, id);
        }
    }
    if (!fits) {
        by_id_append(by_id_insert_run(by_id, runs, id), id, number);
        by_id_join_next(by_id, runs);
        return;
    }
    struct by_id_run *run = &by_id->runs[runs - 1];
    uint32_t place = by_id_entries_before(run, id);
    must(!is_at(run, place, id));
    by_id_append(run, id, number); // makes the room
    memmove(&run->entries[place + 1], &run->entries[place], (run->count - 1 - place) * sizeof *run->entries);
    run->entries[place] = (struct entry){ (uint32_t) (id - run->first), number };
}

void by_id_remove(struct by_id *by_id, uint64_t id)
{
    size_t runs = by_id_runs_up_to(by_id, id);
    must(runs);
    struct by_id_run *run = &by_id->runs[runs - 1];
    uint32_t place = by_id_entries_before(run, id);
    must(is_at(run, place, id));
    by_id->count--;
    run->count--;
    memmove(&run->entries[place], &run->entries[place + 1], (run->count - place) * sizeof *run->entries);
    if (!run->count) {
        by_id_remove_run(by_id, runs - 1);
        return;
    }
    if (run->room > run->count + ENTRIES_STEP) {
        by_id_set_room(run, run->room - ENTRIES_STEP);
    }
    by_id_join_next(by_id, runs - 1);
    if (runs > 1) {
        by_id_join_next(by_id, runs - 2);
    }
}

void by_id_check(const struct by_id *by_id)
{
    size_t count = 0;
    for (size_t i = 0; i < by_id->run_count; i++) {
        const struct by_id_run *run = &by_id->runs[i];
        must(run->count && run->count <= run->room && run->count <= BY_ID_RUN);
        for (uint32_t k = 1; k < run->count; k++) {
            must(run->entries[k - 1].distance < run->entries[k].distance);
        }
        must(i + 1 == by_id->run_count || run->first + run->entries[run->count - 1].distance < run[1].first);
        count += run->count;
    }
    must(count == by_id->count);
}
