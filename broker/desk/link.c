// link.c - see link.h.  A link is a host that ends in a top-level domain, with what belongs to it before and behind:
// scheme, port, path and query.

#include "broker/desk/link.h"

#include <idn2.h>
#include <libpsl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

// A host has 253 characters at most, a label 63 (RFC 1035, 2.3.4), of up to four bytes each; what is longer is none.
#define HOST_BYTES_MAX 1024
#define LABEL_BYTES_SEEN_MAX 256

#define LABEL_BYTES_MAX 63 // of a label in other scripts: of its Punycode
#define TLD_BYTES_MAX 72   // of the longest in any script
#define LOWER_BYTES (2 * TLD_BYTES_MAX + 1)
#define LINK_BYTES_MAX 4096 // what platforms take for one link
#define SHORT_LINK_SLUG_MAX 40

// ---- characters ----

static bool link_is_ascii_alnum(ucs4_t character)
{
    return (character >= '0' && character <= '9') || (character >= 'a' && character <= 'z') ||
           (character >= 'A' && character <= 'Z');
}

static bool link_is_in(const char *set, ucs4_t character)
{
    return character && character < 0x80 && !link_is_ascii_alnum(character) && strchr(set, (int) character) != NULL;
}

// Marks of direction, which may stand around a link and never in it.
static bool link_is_directional(ucs4_t character)
{
    return character == 0x61c || character == 0x200e || character == 0x200f ||
           (character >= 0x202a && character <= 0x202e) || (character >= 0x2066 && character <= 0x2069);
}

static bool link_is_no_character(ucs4_t character)
{
    return character == 0xfffe || character == 0xffff || character == 0xfeff;
}

static bool link_is_blank(ucs4_t character)
{
    return (character >= 0x9 && character <= 0xd) || character == 0x20 || character == 0x85 || character == 0xa0 ||
           character == 0x1680 || character == 0x180e || (character >= 0x2000 && character <= 0x200a) ||
           character == 0x2028 || character == 0x2029 || character == 0x202f || character == 0x205f ||
           character == 0x3000;
}

// What a label is made of, besides the hyphen and, in subdomains, the underscore.
static bool link_is_label(ucs4_t character)
{
    if (link_is_ascii_alnum(character)) {
        return true;
    }
    return character && !link_is_in("!'#%&()*+,\\-./:;<=>?@[]^_{|}~$", character) && !link_is_blank(character) &&
           !link_is_no_character(character) && !link_is_directional(character);
}

// Latin letters with accents, which may stand in a link without a scheme.
static bool link_is_accented(ucs4_t character)
{
    return (character >= 0xc0 && character <= 0x24f && character != 0xd7 && character != 0xf7) ||
           (character >= 0x300 && character <= 0x36f) || (character >= 0x1e00 && character <= 0x1eff) ||
           character == 0x253 || character == 0x254 || character == 0x256 || character == 0x257 || character == 0x259 ||
           character == 0x25b || character == 0x263 || character == 0x268 || character == 0x26f || character == 0x272 ||
           character == 0x289 || character == 0x28b || character == 0x2bb;
}

static bool link_is_cyrillic(ucs4_t character)
{
    return character >= 0x400 && character <= 0x4ff;
}

static bool link_is_path(ucs4_t character)
{
    return link_is_ascii_alnum(character) || link_is_in("!*';:=+,.$/%#[]-_~@|&", character) || character == 0x2013 ||
           link_is_cyrillic(character) || link_is_accented(character);
}

static bool link_ends_path(ucs4_t character)
{
    return link_is_ascii_alnum(character) || link_is_in("+-=_#/", character) || link_is_cyrillic(character) ||
           link_is_accented(character);
}

static bool link_is_query(ucs4_t character)
{
    return link_is_ascii_alnum(character) || link_is_in("!?*'@();:&=+$/%#[]-_.,~|", character);
}

static bool link_ends_query(ucs4_t character)
{
    return link_is_ascii_alnum(character) || link_is_in("-_&=#/", character);
}

// The character at `at` and its bytes; 0 at the text's end.
static size_t link_character_at(const char *text, size_t at, ucs4_t *character)
{
    int bytes = u8_strmbtouc(character, (const uint8_t *) text + at);
    if (bytes <= 0) {
        *character = 0;
        return 0;
    }
    return (size_t) bytes;
}

static ucs4_t link_character_before(const char *text, size_t at)
{
    ucs4_t character = 0;
    if (at) {
        u8_prev(&character, (const uint8_t *) text + at, (const uint8_t *) text);
    }
    return character;
}

// ---- hosts ----

// In small letters and composed; false when it is longer than any.
static bool link_lower(const char *name, size_t bytes, char lower[LOWER_BYTES])
{
    size_t lower_bytes = LOWER_BYTES - 1;

    if (bytes > TLD_BYTES_MAX) {
        return false;
    }
    uint8_t *lowered = u8_tolower((const uint8_t *) name, bytes, NULL, UNINORM_NFC, (uint8_t *) lower, &lower_bytes);
    if (lowered != (uint8_t *) lower) { // it did not fit
        free(lowered);
        return false;
    }
    lower[lower_bytes] = '\0';
    return true;
}

static bool link_is_top_level(const char *lower)
{
    return psl_is_public_suffix2(psl_builtin(), lower, PSL_TYPE_ICANN | PSL_TYPE_NO_STAR_RULE);
}

// Of letters and digits alone.
static bool link_is_ascii_top_level(const char *name, size_t bytes)
{
    char lower[TLD_BYTES_MAX + 1];

    if (bytes < 2 || bytes > LABEL_BYTES_MAX) {
        return false; // no top-level domain has one letter
    }
    for (size_t i = 0; i < bytes; i++) {
        lower[i] = (char) (name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 'a' - 'A' : name[i]);
    }
    lower[bytes] = '\0';
    return link_is_top_level(lower);
}

// The longest top-level domain of other scripts that letters begin with, as a place among their ends; `count`: none.
// Made small once for all of them, as a text may consist of such letters.
static size_t link_longest_top_level(const char *text, size_t at, const size_t *ends, size_t count)
{
    char lower[LOWER_BYTES];
    size_t lower_ends[LOWER_BYTES];
    size_t lower_count = 0;
    ucs4_t next;

    if (count == 0 || !link_lower(text + at, ends[count - 1] - at, lower)) {
        return count;
    }
    for (size_t end = 0; lower[end] != '\0';) {
        end += link_character_at(lower, end, &next);
        lower_ends[lower_count++] = end;
    }
    // Where letters have been composed, their ends are no longer known, and only all of them can be one.
    size_t least = lower_count == count ? 0 : count - 1;
    lower_ends[count - 1] = lower_ends[lower_count - 1];
    for (size_t i = count; i > least; i--) {
        link_character_at(text, ends[i - 1], &next);
        lower[lower_ends[i - 1]] = '\0';
        if (!link_is_ascii_alnum(next) && !link_is_in("@+-", next) && link_is_top_level(lower)) {
            return i - 1;
        }
    }
    return count;
}

static size_t link_find_top_level_end(const char *text, size_t at)
{
    ucs4_t character;
    size_t end = at;
    size_t bytes = link_character_at(text, end, &character);
    if (link_is_ascii_alnum(character)) {
        bool punycode = (text[at] == 'x' || text[at] == 'X') && !strncasecmp(text + at, "xn--", 4);
        while (link_is_ascii_alnum(character) || (punycode && character == '-')) {
            end += bytes;
            bytes = link_character_at(text, end, &character);
        }
        if (punycode) {
            return end > at + 4 ? end : 0;
        }
        return !link_is_in("@+-", character) && link_is_ascii_top_level(text + at, end - at) ? end : 0;
    }
    size_t ends[TLD_BYTES_MAX];
    size_t count = 0;
    while (character >= 0x80 && link_is_label(character) && count < TLD_BYTES_MAX && end - at < TLD_BYTES_MAX) {
        end += bytes;
        ends[count++] = end;
        bytes = link_character_at(text, end, &character);
    }
    size_t longest = link_longest_top_level(text, at, ends, count);
    return longest < count ? ends[longest] : 0;
}

// What was found last, as the same place is asked for again at once.
struct top_level {
    size_t at; // 0: nothing; no top-level domain begins there
    size_t end;
};

// Where the top-level domain that begins at `at` ends; 0: there is none.
static size_t link_top_level_end(const char *text, size_t at, struct top_level *last)
{
    if (last->at != at) {
        *last = (struct top_level){ .at = at, .end = link_find_top_level_end(text, at) };
    }
    return last->end;
}

// True if every label is short enough for a name server.
static bool link_labels_are_short(const char *text, size_t from, size_t to)
{
    char host[HOST_BYTES_MAX + 1];
    size_t label = 0, characters = 0;
    bool ascii = true;
    for (size_t at = from; at < to; at++) {
        label = text[at] == '.' ? 0 : label + 1;
        characters += (text[at] & 0xC0) != 0x80;
        ascii = ascii && !((unsigned char) text[at] & 0x80);
        if (ascii && label > LABEL_BYTES_MAX) {
            return false;
        }
    }
    if (ascii) {
        return true;
    }
    if (to - from > HOST_BYTES_MAX || characters > IDN2_DOMAIN_MAX_LENGTH) {
        return false; // Punycode has at least a letter for each
    }
    memcpy(host, text + from, to - from);
    host[to - from] = '\0';
    char *encoded = NULL;
    int result = idn2_to_ascii_8z(host, &encoded, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    idn2_free(encoded);
    // Other faults of a name are a name server's to find.
    return result != IDN2_TOO_BIG_LABEL && result != IDN2_TOO_BIG_DOMAIN && result != IDN2_PUNYCODE_BIG_OUTPUT;
}

// A host that begins at `from`, and where to look on if there is none.
struct host_match {
    size_t end;  // of the longest host; 0: there is none
    size_t next; // no host begins before this
};

// Where to look on after a first label that leads to no dot: at the label's end, or, if a dot or a scheme's colon
// stands there, where a label that is not too long may begin.
static size_t link_after_label(const char *text, size_t from)
{
    size_t end = from, next;
    ucs4_t character;
    for (size_t bytes; (bytes = link_character_at(text, end, &character)) > 0; end += bytes) {
        if (!link_is_label(character) && !link_is_in("-_", character)) {
            break;
        }
    }
    if (character != '.' && character != ':') {
        return end;
    }
    for (next = end > from + LABEL_BYTES_SEEN_MAX ? end - LABEL_BYTES_SEEN_MAX : from;
         ((unsigned char) text[next] & 0xc0) == 0x80;) {
        next--;
    }
    return next;
}

// Labels and dots are followed as far as they are well-formed: no label begins or ends with a hyphen or an underscore.
// The host ends with the last top-level domain behind a dot on that way; the label before that, the name that was
// registered, has no underscore.
static struct host_match link_match_host(const char *text, size_t from, struct top_level *last)
{
    size_t at = from, label = from;
    bool underscore = false;
    struct host_match match = { 0 };
    ucs4_t before = '.';
    for (;;) {
        ucs4_t character;
        size_t bytes = link_character_at(text, at, &character);
        bool joins = link_is_in("-_", character);
        if ((!link_is_label(character) && !joins && character != '.') || at + bytes - from > HOST_BYTES_MAX ||
            at + bytes - label > LABEL_BYTES_SEEN_MAX || (before == '.' && (joins || character == '.')) ||
            (link_is_in("-_", before) && character == '.')) {
            break;
        }
        underscore = underscore || character == '_';
        at += bytes;
        if (character == '.') {
            size_t end = underscore ? 0 : link_top_level_end(text, at, last);
            match.end = end ? end : match.end;
            label = at;
            underscore = false;
        }
        before = character;
    }
    match.next = label > from ? label : link_after_label(text, from);
    return match;
}

// ---- what follows a host ----

// Where a pair of brackets that begins at `at` ends, with at most one pair inside; 0: it is none.
static size_t link_brackets_end(const char *text, size_t at)
{
    size_t depth = 0, inside = 0;
    bool nested = false;
    for (;;) {
        ucs4_t character;
        size_t bytes = link_character_at(text, at, &character);
        if (character == '(') {
            if (depth == 2 || (depth == 1 && nested)) {
                return 0;
            }
            nested = nested || depth == 1;
            depth++;
            inside = 0;
        } else if (character == ')') {
            if (inside == 0 && !(depth == 1 && nested)) {
                return 0;
            }
            depth--;
            if (depth == 0) {
                return at + bytes;
            }
        } else if (!link_is_path(character)) {
            return 0;
        } else {
            inside++;
        }
        at += bytes;
    }
}

// The end of a path that begins with the slash at `at`: it never ends in punctuation.
static size_t link_path_end(const char *text, size_t at)
{
    size_t end = at + 1;
    for (size_t next = end;;) {
        ucs4_t character;
        size_t bytes = link_character_at(text, next, &character);
        if (character == '(') {
            size_t behind = link_brackets_end(text, next);
            if (!behind) {
                return end;
            }
            end = next = behind;
        } else if (link_is_path(character)) {
            next += bytes;
            if (link_ends_path(character)) {
                end = next;
            }
        } else {
            return end;
        }
    }
}

static size_t link_query_end(const char *text, size_t at)
{
    size_t end = at;
    for (size_t next = at + 1;;) {
        ucs4_t character;
        size_t bytes = link_character_at(text, next, &character);
        if (!link_is_query(character)) {
            return end;
        }
        next += bytes;
        if (link_ends_query(character)) {
            end = next;
        }
    }
}

// Port, path and query behind a host; `*path` tells whether there is a path.
static size_t link_rest_end(const char *text, size_t at, bool *path)
{
    size_t port = at + 1;
    if (text[at] == ':') {
        while (text[port] >= '0' && text[port] <= '9') {
            port++;
        }
        if (port > at + 1) {
            at = port;
        }
    }
    *path = text[at] == '/';
    if (*path) {
        at = link_path_end(text, at);
    }
    return text[at] == '?' ? link_query_end(text, at) : at;
}

// ---- links ----

static size_t link_scheme_bytes(const char *text, size_t at)
{
    if (text[at] != 'h' && text[at] != 'H') {
        return 0;
    }
    if (!strncasecmp(text + at, "https://", 8)) {
        return 8;
    }
    return !strncasecmp(text + at, "http://", 7) ? 7 : 0;
}

// X's own short links end with their slug, whatever stands behind it.
static bool link_cut_short(const char *text, struct link *link, size_t host)
{
    size_t slug = host + 5;
    if (strncasecmp(text + host, "t.co/", 5) != 0 || !link_is_ascii_alnum((unsigned char) text[slug])) {
        return true;
    }
    size_t end = slug;
    while (link_is_ascii_alnum((unsigned char) text[end])) {
        end++;
    }
    if (end - slug > SHORT_LINK_SLUG_MAX) {
        return false;
    }
    link->to = text[end] == '?' ? link_query_end(text, end) : end;
    return true;
}

// The first part of the host from `at` to `to` that can be a link without its scheme: labels of Latin letters alone.
static bool link_next_bare_host(const char *text, size_t at, size_t to, struct link *host, struct top_level *last)
{
    while (at < to) {
        ucs4_t character;
        size_t dots = 0;
        size_t bytes = link_character_at(text, at, &character);
        if (character == '.') {
            at++;
            continue;
        }
        size_t end = at;
        while (end < to &&
               (link_is_ascii_alnum(character) || link_is_in("-.", character) || link_is_accented(character))) {
            dots += character == '.';
            end += bytes;
            bytes = link_character_at(text, end, &character);
        }
        for (size_t dot = end; dots && dot > at + 1; dot--) {
            size_t top_level_to = text[dot - 1] == '.' ? link_top_level_end(text, dot, last) : 0;
            if (top_level_to && top_level_to <= to) {
                *host = (struct link){ .from = at, .to = top_level_to };
                return true;
            }
        }
        at = end > at ? end : at + bytes;
    }
    return false;
}

// Where a host ends that no platform links, as its last label is no top-level domain: one of an office's own network,
// say.  0: there is none, as what holds no letter is no name.
static size_t link_any_host_end(const char *text, size_t at)
{
    bool letter = false;
    for (;;) {
        ucs4_t character;
        size_t bytes = link_character_at(text, at, &character);
        if (!link_is_label(character) && !link_is_in("-_.", character)) {
            return letter ? at : 0;
        }
        letter = letter || uc_is_property_alphabetic(character);
        at += bytes;
    }
}

static bool link_may_stand_before(ucs4_t before)
{
    return !before || link_is_directional(before) ||
           (!link_is_ascii_alnum(before) && !link_is_in("@$#", before) && before != 0xff20 && before != 0xff03 &&
            !link_is_no_character(before));
}

bool link_next(const char *text, size_t at, enum link_kinds kinds, struct link *link)
{
    struct top_level last = { 0 };

    if (kinds != LINKS_OF_ANY_HOST && strchr(text + at, '.') == NULL) {
        return false;
    }
    while (text[at]) {
        ucs4_t character;
        size_t bytes = link_character_at(text, at, &character);
        size_t scheme = link_scheme_bytes(text, at);
        ucs4_t before = link_character_before(text, at);
        if (!link_may_stand_before(before) || (!scheme && !link_is_label(character))) {
            at += bytes;
            continue;
        }
        size_t host = at + scheme;
        bool path;
        struct host_match match = link_match_host(text, host, &last);
        size_t name = host + (strncasecmp(text + host, "www.", 4) ? 0 : 4);
        size_t name_end = kinds == LINKS_OF_ANY_HOST && name > at ? link_any_host_end(text, name) : 0;
        if (name_end > match.end) {
            *link = (struct link){ .from = at, .to = link_rest_end(text, name_end, &path) };
            return true;
        }
        if (!match.end) {
            at = match.next > at + bytes && !scheme ? match.next : at + bytes;
            continue;
        }
        size_t end = link_rest_end(text, match.end, &path);
        bool good = link_labels_are_short(text, host, match.end) && end - at <= LINK_BYTES_MAX;
        *link = (struct link){ .from = at, .to = end };
        if (good && scheme && link_cut_short(text, link, host)) {
            return true;
        }
        struct link bare, further;
        if (good && !scheme && kinds != LINKS_WITH_SCHEME && !link_is_in("-_./", before) &&
            link_next_bare_host(text, at, match.end, &bare, &last)) {
            bool is_last = !link_next_bare_host(text, bare.to, match.end, &further, &last);
            *link = bare;
            if (path && is_last) {
                link->to = end;
            }
            return true;
        }
        at = end;
    }
    return false;
}
