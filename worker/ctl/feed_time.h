// feed_time.h - reads the times that files of posts carry.
//
// Without a format of the caller's, these are understood: ISO 8601 (with T or a blank, with or without
// seconds, fraction and zone; a date alone is its midnight), Twitter's "Wed Oct 10 20:19:24 +0000 2018",
// and whole numbers of 10 digits (seconds since 1970) or 13 (milliseconds).

#ifndef CTL_FEED_TIME_H
#define CTL_FEED_TIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FEED_TIME_FORMATS_MAX 16

struct feed_time {
    const char *formats[FEED_TIME_FORMATS_MAX]; // as of strptime; "epoch": seconds, "epoch-ms": milliseconds
    size_t format_count;                        // 0: the usual ones
    int64_t zone_ms;                            // ahead of UTC, for times that name no zone
    bool named_zone;                            // these are of the zone that feed_zone_use was given last
};

// Reads "+02:00", "-0830" or "Z" into milliseconds ahead of UTC.
bool feed_time_zone(const char *text, int64_t *zone_ms);

// UTC milliseconds since 1970 of `text`, which is used whole.  False if no format fits, if there is no such
// day, or if it is before 1970 or after 9999.
bool feed_time_parse(const struct feed_time *time, const char *text, int64_t *at_ms);

#endif
