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

static const char *feed_zone_zones_folder(void)
{
    const char *folder = getenv("TZDIR");
    return folder != NULL && *folder ? folder : ZONES;
}

static bool feed_zone_is_zone_file(const char *path)
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

static bool feed_zone_is_name(const char *name)
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
} feed_zone_nearest;

// A city by itself ("Berlin") is as near as the whole name.
static size_t feed_zone_distance_of(const char *name)
{
    const char *city = strrchr(name, '/');
    size_t whole = edit_distance(feed_zone_nearest.wanted, name),
           part = city != NULL ? edit_distance(feed_zone_nearest.wanted, city + 1) : whole;
    return part < whole ? part : whole;
}

static int feed_zone_consider(const char *path, const struct stat *status, int kind, struct FTW *at)
{
    (void) status;
    (void) at;
    const char *name = path + feed_zone_nearest.folder_bytes + 1;
    if (kind != FTW_F || !isupper((unsigned char) name[0]) || !feed_zone_is_name(name) ||
        !feed_zone_is_zone_file(path)) {
        return 0; // posix/, right/ and tables are not for people
    }
    size_t from_wanted = feed_zone_distance_of(name);
    size_t i = feed_zone_nearest.count < NEAREST ? feed_zone_nearest.count++ : NEAREST;
    for (; i > 0 && feed_zone_nearest.distances[i - 1] > from_wanted; i--) {
        if (i == NEAREST) {
            continue;
        }
        memcpy(feed_zone_nearest.names[i], feed_zone_nearest.names[i - 1], NAME_BYTES);
        feed_zone_nearest.distances[i] = feed_zone_nearest.distances[i - 1];
    }
    if (i < NEAREST) {
        snprintf(feed_zone_nearest.names[i], NAME_BYTES, "%s", name);
        feed_zone_nearest.distances[i] = from_wanted;
    }
    return 0;
}

static void feed_zone_tell_nearest(const char *name, char *fault, size_t fault_bytes)
{
    const char *folder = feed_zone_zones_folder();
    memset(&feed_zone_nearest, 0, sizeof feed_zone_nearest);
    feed_zone_nearest.wanted = name;
    feed_zone_nearest.folder_bytes = strlen(folder);
    if (strlen(name) < NAME_BYTES) {
        nftw(folder, feed_zone_consider, 16, 0);
    }
    int length = snprintf(fault, fault_bytes, "%.100s: should be like +02:00, -0800, Z or Europe/Berlin", name);
    for (size_t i = 0; i < feed_zone_nearest.count; i++) {
        length += snprintf(fault + length, fault_bytes - (size_t) length, "%s%s", i ? ", " : "; the nearest zones are ",
                           feed_zone_nearest.names[i]);
    }
    if (feed_zone_nearest.count == 0 && strlen(name) < NAME_BYTES) {
        snprintf(fault + length, fault_bytes - (size_t) length, "; zones by name need the system's tzdata");
    }
}

// ---- one zone ----

bool feed_zone_use(const char *name, char *fault, size_t fault_bytes)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%.*s", feed_zone_zones_folder(), NAME_BYTES, name);
    if (!feed_zone_is_name(name) || !feed_zone_is_zone_file(path)) {
        feed_zone_tell_nearest(name, fault, fault_bytes);
        return false;
    }
    must(setenv("TZ", name, 1) == 0);
    tzset();
    return true;
}

static int64_t feed_zone_ahead_at(int64_t at_ms)
{
    time_t seconds = (time_t) (at_ms / 1000);
    struct tm parts;
    must(localtime_r(&seconds, &parts));
    return (int64_t) parts.tm_gmtoff * 1000;
}

int64_t feed_zone_ahead_ms(int64_t clock_ms)
{
    int64_t before = feed_zone_ahead_at(clock_ms - DAY_MS), after = feed_zone_ahead_at(clock_ms + DAY_MS);
    bool with_before = feed_zone_ahead_at(clock_ms - before) == before,
         with_after = feed_zone_ahead_at(clock_ms - after) == after;
    if (with_before && with_after) {
        return before > after ? before : after; // shown twice
    }
    return with_after ? after : before;
}
