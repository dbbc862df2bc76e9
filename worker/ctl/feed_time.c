// feed_time.c - the forms of a time, tried one after the other: see feed_time.h.

#include "worker/ctl/feed_time.h"

#include "worker/ctl/feed_zone.h"

#include "proto/base/must.h"

#include <behalf/message.h>

#include <ctype.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// Names of days and months are English in such files, whatever the user speaks.
static locale_t feed_time_plain_locale(void)
{
    static locale_t locale;
    if (locale == NULL) {
        locale = newlocale(LC_ALL_MASK, "C", (locale_t) 0);
    }
    must(locale);
    return locale;
}

// Exactly `digits` digits; moves `text` past them.
static bool feed_time_take_number(const char **text, int digits, int *number)
{
    *number = 0;
    for (int i = 0; i < digits; i++, (*text)++) {
        if (!isdigit((unsigned char) **text)) {
            return false;
        }
        *number = 10 * *number + (**text - '0');
    }
    return true;
}

static bool feed_time_take_character(const char **text, const char *characters)
{
    if (!**text || strchr(characters, **text) == NULL) {
        return false;
    }
    (*text)++;
    return true;
}

static bool feed_time_take_zone(const char **text, int64_t *zone_ms)
{
    if (feed_time_take_character(text, "Zz")) {
        *zone_ms = 0;
        return true;
    }
    int64_t sign = **text == '-' ? -1 : 1;
    int hours, minutes = 0;
    if (!feed_time_take_character(text, "+-") || !feed_time_take_number(text, 2, &hours)) {
        return false;
    }
    bool colon = feed_time_take_character(text, ":");
    if ((colon || isdigit((unsigned char) **text)) && !feed_time_take_number(text, 2, &minutes)) {
        return false;
    }
    *zone_ms = sign * (hours * 60 + minutes) * INT64_C(60000);
    return hours <= 14 && minutes < 60;
}

bool feed_time_zone(const char *text, int64_t *zone_ms)
{
    return feed_time_take_zone(&text, zone_ms) && !*text;
}

// Of a time that names no zone: so far is it ahead of UTC, or of feed_zone's zone.
#define NAMED_ZONE INT64_MAX

static int64_t feed_time_zone_of(const struct feed_time *self)
{
    return self->named_zone ? NAMED_ZONE : self->zone_ms;
}

// From broken-down time to milliseconds; false where the calendar has no such moment.
static bool feed_time_moment(struct tm parts, int64_t fraction_ms, int64_t zone_ms, int64_t *at_ms)
{
    if (parts.tm_sec == 60) {
        parts.tm_sec = 59; // a leap second, which UTC milliseconds do not have
    }
    int day = parts.tm_mday, month = parts.tm_mon;
    if (parts.tm_hour > 23 || parts.tm_min > 59 || parts.tm_sec > 59) {
        return false;
    }
    time_t seconds = timegm(&parts);
    if (parts.tm_mday != day || parts.tm_mon != month) {
        return false;
    }
    if (zone_ms == NAMED_ZONE) {
        zone_ms = feed_zone_ahead_ms((int64_t) seconds * 1000);
    }
    *at_ms = (int64_t) seconds * 1000 + fraction_ms - zone_ms;
    return *at_ms >= 0 && *at_ms <= BEHALF_TIME_MAX;
}

static int64_t feed_time_take_fraction(const char **text)
{
    int64_t fraction_ms = 0, unit = 100;
    for (; isdigit((unsigned char) **text); (*text)++, unit /= 10) {
        fraction_ms += (**text - '0') * unit;
    }
    return fraction_ms;
}

static bool feed_time_parse_iso(const char *text, int64_t zone_ms, int64_t *at_ms)
{
    struct tm parts = { 0 };
    int64_t fraction_ms = 0;
    if (!feed_time_take_number(&text, 4, &parts.tm_year) || !feed_time_take_character(&text, "-") ||
        !feed_time_take_number(&text, 2, &parts.tm_mon) || !feed_time_take_character(&text, "-") ||
        !feed_time_take_number(&text, 2, &parts.tm_mday)) {
        return false;
    }
    parts.tm_year -= 1900;
    parts.tm_mon -= 1;
    if (!*text) {
        return feed_time_moment(parts, 0, zone_ms, at_ms);
    }
    if (!feed_time_take_character(&text, "Tt ") || !feed_time_take_number(&text, 2, &parts.tm_hour) ||
        !feed_time_take_character(&text, ":") || !feed_time_take_number(&text, 2, &parts.tm_min)) {
        return false;
    }
    if (feed_time_take_character(&text, ":")) {
        if (!feed_time_take_number(&text, 2, &parts.tm_sec)) {
            return false;
        }
        if (feed_time_take_character(&text, ".,")) {
            if (!isdigit((unsigned char) *text)) {
                return false;
            }
            fraction_ms = feed_time_take_fraction(&text);
        }
    }
    feed_time_take_character(&text, " ");
    if (*text && !feed_time_take_zone(&text, &zone_ms)) {
        return false;
    }
    return !*text && feed_time_moment(parts, fraction_ms, zone_ms, at_ms);
}

// A whole number of seconds, with a fraction if need be, or of milliseconds.
static bool feed_time_parse_epoch(const char *text, int64_t unit_ms, int64_t *at_ms)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 15) {
        return false;
    }
    *at_ms = strtoll(text, NULL, 10) * unit_ms;
    text += digits;
    if (feed_time_take_character(&text, ".")) {
        int64_t fraction_ms = feed_time_take_fraction(&text);
        *at_ms += unit_ms == 1000 ? fraction_ms : 0;
    }
    return !*text && *at_ms <= BEHALF_TIME_MAX;
}

static bool feed_time_parse_format(const char *format, const char *text, int64_t zone_ms, int64_t *at_ms)
{
    if (strcmp(format, "epoch") == 0) {
        return feed_time_parse_epoch(text, 1000, at_ms);
    }
    if (strcmp(format, "epoch-ms") == 0) {
        return feed_time_parse_epoch(text, 1, at_ms);
    }
    struct tm parts = { .tm_mday = 1, .tm_year = 70 };
    const char *rest = strptime_l(text, format, &parts, feed_time_plain_locale());
    if (rest == NULL || *rest) {
        return false;
    }
    if (strstr(format, "%z") != NULL) {
        zone_ms = (int64_t) parts.tm_gmtoff * 1000;
    }
    return feed_time_moment(parts, 0, zone_ms, at_ms);
}

static bool feed_time_parse_usual(const char *text, int64_t zone_ms, int64_t *at_ms)
{
    if (feed_time_parse_iso(text, zone_ms, at_ms) ||
        feed_time_parse_format("%a %b %d %H:%M:%S %z %Y", text, zone_ms, at_ms)) {
        return true;
    }
    size_t digits = strspn(text, "0123456789");
    if (digits == 13 && !text[digits]) {
        return feed_time_parse_epoch(text, 1, at_ms);
    }
    return digits == 10 && (!text[digits] || text[digits] == '.') && feed_time_parse_epoch(text, 1000, at_ms);
}

bool feed_time_parse(const struct feed_time *self, const char *text, int64_t *at_ms)
{
    while (isspace((unsigned char) *text)) {
        text++;
    }
    if (!self->format_count) {
        return feed_time_parse_usual(text, feed_time_zone_of(self), at_ms);
    }
    for (size_t i = 0; i < self->format_count; i++) {
        if (feed_time_parse_format(self->formats[i], text, feed_time_zone_of(self), at_ms)) {
            return true;
        }
    }
    return false;
}
