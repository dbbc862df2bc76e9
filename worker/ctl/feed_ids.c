// feed_ids.c - the zeros at the ends of numbers counted, and what they would be by chance: see feed_ids.h.

#include "worker/ctl/feed_ids.h"

#include <stdio.h>
#include <string.h>

#define DIGITS "0123456789"
#define DIGITS_KEPT 15 // by a spreadsheet

// Chance alone makes this many zeros once in a thousand million files, and once in a hundred thousand at a file's end.
#define ZEROS_SURE 9
#define ZEROS_AT_END 5

// 1.29403E+18, 1,29403E+18, 1E+18: what a spreadsheet shows of a number that is too long.
static bool feed_ids_has_exponent(const char *id)
{
    size_t length = strspn(id, DIGITS);
    if (!length) {
        return false;
    }
    bool point = id[length] == '.' || id[length] == ',';
    if (point) {
        length += 1 + strspn(id + length + 1, DIGITS);
    }
    if (id[length] != 'e' && id[length] != 'E') {
        return false;
    }
    bool plus = id[length + 1] == '+';
    const char *exponent = id + length + 1 + plus;
    size_t digits = strspn(exponent, DIGITS);
    return (point || plus) && digits > 0 && digits <= 3 && !exponent[digits];
}

// Zeros at its end, if they are all that stands behind the digits that a spreadsheet keeps; else 0.
static unsigned feed_ids_zeros_of(const char *id)
{
    size_t length = strspn(id, DIGITS);
    if (id[length] || length <= DIGITS_KEPT || id[0] == '0') {
        return 0;
    }
    size_t zeros = 0;
    while (id[length - 1 - zeros] == '0') {
        zeros++;
    }
    return zeros >= length - DIGITS_KEPT ? (unsigned) zeros : 0;
}

static enum feed_ids_verdict feed_ids_tell_rounded(const char *what, char *fault)
{
    snprintf(fault, FEED_IDS_FAULT_BYTES,
             "%s: the ids are rounded, and no longer the platform's; nothing after this is brought in. Export the file"
             " anew with the ids as text (in a spreadsheet: import that column as text, never open and save it)",
             what);
    return FEED_IDS_ROUNDED;
}

enum feed_ids_verdict feed_ids_look(struct feed_ids *ids, const char *id, bool real, char *fault)
{
    char what[256];
    if (real || feed_ids_has_exponent(id)) {
        snprintf(what, sizeof what, "post: %.100s is %s", id, real ? "a number with a point or an exponent" : "no id");
        return feed_ids_tell_rounded(what, fault);
    }
    unsigned zeros = feed_ids_zeros_of(id);
    ids->sound = ids->sound || !zeros;
    if (ids->sound) {
        return FEED_IDS_SOUND;
    }
    ids->zeros += zeros;
    if (ids->zeros < ZEROS_SURE) {
        return FEED_IDS_UNSURE;
    }
    snprintf(what, sizeof what, "post: every id so far, up to %.100s, ends in zeros behind its 15th digit", id);
    return feed_ids_tell_rounded(what, fault);
}

enum feed_ids_verdict feed_ids_end(const struct feed_ids *ids, char *fault)
{
    if (ids->sound || ids->zeros < ZEROS_AT_END) {
        return FEED_IDS_SOUND;
    }
    return feed_ids_tell_rounded("post: every id of the file ends in zeros behind its 15th digit", fault);
}
