// intake.c - the key sets of each day of taking, in a ring that the days of the window fit into.

#include "broker/session/intake.h"

#include "proto/base/hash.h"
#include "proto/base/must.h"

#include <assert.h>

static_assert(INTAKE_PARTS == 1 << 6, "six bits of a key's hash say which");

// Other bits than those by which a key set finds a key's place.
static size_t intake_part_of(uint64_t key)
{
    return (size_t) (hash_number(key) >> 58);
}

static void intake_forget_day(struct intake_day *day)
{
    for (size_t i = 0; i < INTAKE_PARTS; i++) {
        key_set_fini(&day->parts[i]);
    }
    day->count = 0;
}

static struct intake_day *intake_day_of(struct intake *intake, int64_t day)
{
    struct intake_day *place = &intake->days[day % INTAKE_DAYS];

    if (place->day != day) {
        intake_forget_day(place);
        place->day = day;
    }
    return place;
}

static int64_t intake_later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

int64_t intake_since_ms(int64_t now_ms)
{
    return intake_later(now_ms - INTAKE_BACK_MS - INTAKE_WRONG_MS, 0) / INTAKE_DAY_MS * INTAKE_DAY_MS;
}

void intake_init(struct intake *intake, size_t keys_max, int64_t now_ms)
{
    must(keys_max > 0);
    *intake = (struct intake){ .keys_max = keys_max };
    intake_advance(intake, now_ms);
}

void intake_fini(struct intake *intake)
{
    for (size_t i = 0; i < INTAKE_DAYS; i++) {
        intake_forget_day(&intake->days[i]);
    }
}

void intake_advance(struct intake *intake, int64_t now_ms)
{
    int64_t from_ms = intake_later(intake->from_ms, intake_since_ms(now_ms));

    if (from_ms == intake->from_ms) {
        return;
    }
    intake->from_ms = from_ms;
    for (size_t i = 0; i < INTAKE_DAYS; i++) {
        if (intake->days[i].day < from_ms / INTAKE_DAY_MS) {
            intake_forget_day(&intake->days[i]);
        }
    }
}

bool intake_settles(const struct intake *intake, int64_t posted_ms, int64_t now_ms)
{
    return posted_ms > 0 && posted_ms - INTAKE_WRONG_MS >= intake->from_ms && posted_ms <= now_ms + INTAKE_AHEAD_MS;
}

bool intake_has(const struct intake *intake, uint64_t key)
{
    size_t part = intake_part_of(key);

    for (size_t i = 0; i < INTAKE_DAYS; i++) {
        if (key_set_has(&intake->days[i].parts[part], key)) {
            return true;
        }
    }
    return false;
}

size_t intake_count(const struct intake *intake)
{
    size_t count = 0;

    for (size_t i = 0; i < INTAKE_DAYS; i++) {
        count += intake->days[i].count;
    }
    return count;
}

// Drops the oldest day that has keys, and with it everything up to its end from the window.
static void intake_drop_oldest_day(struct intake *intake)
{
    struct intake_day *oldest = NULL;

    for (size_t i = 0; i < INTAKE_DAYS; i++) {
        struct intake_day *day = &intake->days[i];
        if (day->count > 0 && (oldest == NULL || day->day < oldest->day)) {
            oldest = day;
        }
    }
    must(oldest != NULL);
    intake_forget_day(oldest);
    intake->from_ms = intake_later(intake->from_ms, (oldest->day + 1) * INTAKE_DAY_MS);
}

void intake_add(struct intake *intake, uint64_t key, int64_t taken_ms)
{
    while (taken_ms >= intake->from_ms && intake_count(intake) >= intake->keys_max) {
        intake_drop_oldest_day(intake);
    }
    if (taken_ms < intake->from_ms) {
        return;
    }
    struct intake_day *day = intake_day_of(intake, taken_ms / INTAKE_DAY_MS);
    struct key_set *part = &day->parts[intake_part_of(key)];
    size_t before = key_set_count(part);
    key_set_add(part, key);
    day->count += key_set_count(part) - before;
}
