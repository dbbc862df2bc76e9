// feed_zone.c - TZ set once, and local times turned into UTC: see feed_zone.h.

#include "worker/ctl/feed_zone.h"

#include "proto/base/edit_distance.h"
#include "proto/base/must.h"

#include <ctype.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ZONES "/usr/share/zoneinfo"
#define NAME_BYTES EDIT_DISTANCE_BYTES
#define NEAREST 3
#define DAY_MS INT64_C(86400000)

static const char *zones_folder(void)
{
    const char *folder = getenv("TZDIR");
    return folder != NULL && *folder ? folder : ZONES;
}

static bool is_zone_file(const char *path)
{
    char begin[4];
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    bool is = fread(begin, 1, sizeof begin, file) == sizeof begin && memcmp(begin, "TZif", sizeof begin) == 0;
    fclose(file);
    return is;
}

static bool is_name(const char *name)
{
    size_t length = strlen(name);
    if (length == 0 || length >= NAME_BYTES || !isalpha((unsigned char) name[0])) {
        return false;
    }
    return strstr(name, "..") == NULL &&
           !name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                              "_+-/")];
}

// ---- names like another ----

// What nftw finds; it has no other way to hand things to its callback.
static struct {
    const char *wanted;
    size_t folder_bytes;
    char names[NEAREST][NAME_BYTES];
    size_t distances[NEAREST];
    size_t count;
} nearest;

// A city by itself ("Berlin") is as near as the whole name.
static size_t distance_of(const char *name)
{
    const char *city = strrchr(name, '/');
    size_t whole = edit_distance(nearest.wanted, name),
           part = city != NULL ? edit_distance(nearest.wanted, city + 1) : whole;
    return part < whole ? part : whole;
}

static int consider(const char *path, const struct stat *status, int kind, struct FTW *at)
{
    (void) status;
    (void) at;
    const char *name = path + nearest.folder_bytes + 1;
    if (kind != FTW_F || !isupper((unsigned char) name[0]) || !is_name(name) || !is_zone_file(path)) {
        return 0; // posix/, right/ and tables are not for people
    }
    size_t from_wanted = distance_of(name);
    size_t i = nearest.count < NEAREST ? nearest.count++ : NEAREST;
    for (; i > 0 && nearest.distances[i - 1] > from_wanted; i--) {
        if (i == NEAREST) {
            continue;
        }
        memcpy(nearest.names[i], nearest.names[i - 1], NAME_BYTES);
        nearest.distances[i] = nearest.distances[i - 1];
    }
    if (i < NEAREST) {
        snprintf(nearest.names[i], NAME_BYTES, "%s", name);
        nearest.distances[i] = from_wanted;
    }
    return 0;
}

static void tell_nearest(const char *name, char *fault, size_t fault_bytes)
{
    const char *folder = zones_folder();
    memset(&nearest, 0, sizeof nearest);
    nearest.wanted = name;
    nearest.folder_bytes = strlen(folder);
    if (strlen(name) < NAME_BYTES) {
        nftw(folder, consider, 16, 0);
    }
    int length = snprintf(fault, fault_bytes, "%.100s: should be like +02:00, -0800, Z or Europe/Berlin", name);
    for (size_t i = 0; i < nearest.count; i++) {
        length += snprintf(fault + length, fault_bytes - (size_t) length, "%s%s", i ? ", " : "; the nearest zones are ",
                           nearest.names[i]);
    }
    if (nearest.count == 0 && strlen(name) < NAME_BYTES) {
        snprintf(fault + length, fault_bytes - (size_t) length, "; zones by name need the system's tzdata");
    }
}

// ---- one zone ----

bool feed_zone_use(const char *name, char *fault, size_t fault_bytes)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%.*s", zones_folder(), NAME_BYTES, name);
    if (!is_name(name) || !is_zone_file(path)) {
        tell_nearest(name, fault, fault_bytes);
        return false;
    }
    must(setenv("TZ", name, 1) == 0);
    tzset();
    return true;
}

static int64_t ahead_at(int64_t at_ms)
{
    time_t seconds = (time_t) (at_ms / 1000);
    struct tm parts;
    must(localtime_r(&seconds, &parts));
    return (int64_t) parts.tm_gmtoff * 1000;
}

int64_t feed_zone_ahead_ms(int64_t clock_ms)
{
    int64_t before = ahead_at(clock_ms - DAY_MS), after = ahead_at(clock_ms + DAY_MS);
    bool with_before = ahead_at(clock_ms - before) == before, with_after = ahead_at(clock_ms - after) == after;
    if (with_before && with_after) {
        return before > after ? before : after; // shown twice
    }
    return with_after ? after : before;
}
