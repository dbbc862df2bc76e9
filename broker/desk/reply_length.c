// reply_length.c - what each platform counts, in one pass over a text: see reply_length.h.

#include "broker/desk/reply_length.h"

#include "broker/desk/link.h"
#include "proto/base/must.h"

#include <stdlib.h>
#include <string.h>
#include <unictype.h>
#include <unigbrk.h>
#include <uninorm.h>
#include <unistr.h>

static const struct counting_defaults reply_length_defaults[COUNTING_COUNT] = {
    [COUNTING_CHARACTERS] = { .name = "characters", .unit = "characters" },
    [COUNTING_GRAPHEMES] = { .name = "graphemes", .unit = "characters" },
    [COUNTING_X] = { .name = "x", .unit = "characters", .length_max = 280, .link_length = 23 },
    [COUNTING_BLUESKY] = { .name = "bluesky", .unit = "characters", .length_max = 300, .bytes_max = 3000 },
    [COUNTING_MASTODON] = { .name = "mastodon", .unit = "characters", .length_max = 500, .link_length = 23 },
    [COUNTING_BYTES] = { .name = "bytes", .unit = "bytes" },
    [COUNTING_SMS] = { .name = "sms", .unit = "letters", .length_max = 160 },
};

const struct counting_defaults *counting_defaults(enum counting counting)
{
    return &reply_length_defaults[counting];
}

// ---- code points and graphemes ----

static int64_t reply_length_count_characters(const char *text, size_t bytes)
{
    return (int64_t) u8_mbsnlen((const uint8_t *) text, bytes);
}

static int64_t reply_length_count_graphemes(const char *text, size_t bytes)
{
    int64_t count = 0;
    char *breaks = malloc(bytes + 1);
    must(breaks);
    u8_grapheme_breaks((const uint8_t *) text, bytes, breaks);
    for (size_t i = 0; i < bytes; i++) {
        count += breaks[i];
    }
    free(breaks);
    return count;
}

static int64_t reply_length_count_bytes(const char *text, size_t bytes)
{
    (void) text;
    return (int64_t) bytes;
}

// ---- Mastodon ----

static bool reply_length_is_word(ucs4_t character)
{
    return character == '_' || uc_is_property_alphabetic(character) || uc_decimal_value(character) >= 0;
}

static bool reply_length_is_name(char character)
{
    return character == '_' || (character >= '0' && character <= '9') || (character >= 'a' && character <= 'z') ||
           (character >= 'A' && character <= 'Z');
}

// Bytes of words joined by dots and hyphens, as a host is.
static size_t reply_length_host_bytes(const char *text, size_t bytes)
{
    size_t end = 0;
    for (size_t at = 0; at < bytes;) {
        ucs4_t character;
        int length = u8_mbtouc(&character, (const uint8_t *) text + at, bytes - at);
        if (reply_length_is_word(character)) {
            end = at + (size_t) length;
        } else if (at == 0 || (character != '.' && character != '-')) {
            break;
        }
        at += (size_t) length;
    }
    return end;
}

// Of @name@host the host is not counted.
static int64_t reply_length_count_mastodon(const char *text, size_t bytes)
{
    char *kept = malloc(bytes + 1);
    must(kept);
    size_t kept_bytes = 0;
    ucs4_t before = ' ';
    for (size_t at = 0; at < bytes;) {
        ucs4_t character;
        size_t length = (size_t) u8_mbtouc(&character, (const uint8_t *) text + at, bytes - at);
        size_t skip = 0;
        if (character == '@' && before != '=' && before != '/' && !reply_length_is_word(before)) {
            size_t name = at + 1;
            while (name < bytes && (reply_length_is_name(text[name]) ||
                                    (name > at + 1 && strchr(".-", text[name]) != NULL && name + 1 < bytes &&
                                     (reply_length_is_name(text[name + 1]) || strchr(".-", text[name + 1]) != NULL)))) {
                name++;
            }
            length = name - at;
            skip = name > at + 1 && name < bytes && text[name] == '@'
                       ? reply_length_host_bytes(text + name + 1, bytes - name - 1)
                       : 0;
            skip += skip > 0;
        }
        memcpy(kept + kept_bytes, text + at, length);
        kept_bytes += length;
        at += length + skip;
        u8_prev(&before, (const uint8_t *) text + at, (const uint8_t *) text);
    }
    int64_t count = reply_length_count_graphemes(kept, kept_bytes);
    free(kept);
    return count;
}

// ---- X ----

static bool reply_length_is_regional(ucs4_t character)
{
    return character >= 0x1f1e6 && character <= 0x1f1ff;
}

static size_t reply_length_next_character(const char *text, size_t bytes, size_t at, ucs4_t *character)
{
    *character = 0;
    return at < bytes ? (size_t) u8_mbtouc(character, (const uint8_t *) text + at, bytes - at) : 0;
}

// Bytes of the emoji that begins at `at`; 0 if none does.  Source: Unicode Technical Standard 51, 1.4.9.
static size_t reply_length_emoji_bytes(const char *text, size_t bytes, size_t at)
{
    ucs4_t first, next;
    size_t end = at + reply_length_next_character(text, bytes, at, &first);
    size_t length = reply_length_next_character(text, bytes, end, &next);
    if (first < 0x80) { // a keycap
        if (!first || strchr("0123456789#*", (int) first) == NULL) {
            return 0;
        }
        if (next == 0xfe0f) {
            end += length;
            length = reply_length_next_character(text, bytes, end, &next);
        }
        return next == 0x20e3 ? end + length - at : 0;
    }
    if (reply_length_is_regional(first)) {
        return reply_length_is_regional(next) ? end + length - at : end - at;
    }
    if (!uc_is_property_emoji(first) && !uc_is_property_extended_pictographic(first)) {
        return 0;
    }
    if (next == 0xfe0e ||
        (next != 0xfe0f && !uc_is_property_emoji_modifier(next) && !uc_is_property_emoji_presentation(first))) {
        return 0;
    }
    if (next == 0xfe0f || uc_is_property_emoji_modifier(next)) {
        end += length;
        length = reply_length_next_character(text, bytes, end, &next);
    }
    while (next >= 0xe0020 && next <= 0xe007f) {
        end += length;
        length = reply_length_next_character(text, bytes, end, &next);
    }
    if (next == 0x200d) {
        ucs4_t joined;
        size_t further = end + length;
        reply_length_next_character(text, bytes, further, &joined);
        size_t rest = reply_length_emoji_bytes(text, bytes, further);
        // Signs as in "couple with heart" need no selector of their own behind a joiner.
        if (!rest && uc_is_property_extended_pictographic(joined)) {
            rest = reply_length_next_character(text, bytes, further, &joined);
        }
        if (rest) {
            end = further + rest;
        }
    }
    return end - at;
}

static bool reply_length_counts_once(ucs4_t character)
{
    return character <= 4351 || (character >= 8192 && character <= 8205) || (character >= 8208 && character <= 8223) ||
           (character >= 8242 && character <= 8247);
}

static int64_t reply_length_count_x(const char *text, size_t bytes)
{
    int64_t count = 0;
    for (size_t at = 0; at < bytes;) {
        ucs4_t character;
        size_t emoji = reply_length_emoji_bytes(text, bytes, at);
        size_t length = reply_length_next_character(text, bytes, at, &character);
        count += !emoji && reply_length_counts_once(character) ? 1 : 2;
        at += emoji ? emoji : length;
    }
    return count;
}

// ---- SMS ----

// Letters of the GSM 7 bit default alphabet, 0 for those of others.
static int reply_length_gsm_letters(ucs4_t character)
{
    static const uint8_t once[] =
        "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTU"
        "VWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
    static const uint8_t twice[] = "\f^{}\\[~]|€";
    if (u8_strchr(once, character) != NULL) {
        return 1;
    }
    return u8_strchr(twice, character) != NULL ? 2 : 0;
}

static int64_t reply_length_rounded_up(int64_t units, int64_t of, int64_t into)
{
    return (units * into + of - 1) / of;
}

static int64_t reply_length_count_sms(const char *text, size_t bytes)
{
    int64_t letters = 0, units = 0;
    bool gsm = true;
    for (size_t at = 0; at < bytes;) {
        ucs4_t character;
        at += reply_length_next_character(text, bytes, at, &character);
        int of_gsm = reply_length_gsm_letters(character);
        gsm = gsm && of_gsm;
        letters += of_gsm;
        units += character > 0xffff ? 2 : 1;
    }
    if (gsm) {
        return letters;
    }
    return units <= 70 ? reply_length_rounded_up(units, 70, 160) : reply_length_rounded_up(units, 67, 153);
}

// ---- with links ----

static int64_t (*const reply_length_counts[COUNTING_COUNT])(const char *text, size_t bytes) = {
    [COUNTING_CHARACTERS] = reply_length_count_characters,
    [COUNTING_GRAPHEMES] = reply_length_count_graphemes,
    [COUNTING_X] = reply_length_count_x,
    [COUNTING_BLUESKY] = reply_length_count_graphemes,
    [COUNTING_MASTODON] = reply_length_count_mastodon,
    [COUNTING_BYTES] = reply_length_count_bytes,
    [COUNTING_SMS] = reply_length_count_sms,
};

// The text with `link_length` plain letters for each link.  The caller frees it.
static char *reply_length_price_links(enum link_kinds kinds, size_t link_length, const char *text)
{
    size_t links = 0, at = 0, end = 0;
    struct link link;
    while (link_next(text, at, kinds, &link)) {
        links++;
        at = link.to;
    }
    char *priced = malloc(strlen(text) + links * link_length + 1);
    must(priced);
    for (at = 0; link_next(text, at, kinds, &link); at = link.to) {
        memcpy(priced + end, text + at, link.from - at);
        end += link.from - at;
        memset(priced + end, 'x', link_length);
        end += link_length;
    }
    strcpy(priced + end, text + at);
    return priced;
}

static char *reply_length_compose(const char *text)
{
    size_t bytes = 0;
    uint8_t *composed = u8_normalize(UNINORM_NFC, (const uint8_t *) text, strlen(text) + 1, NULL, &bytes);
    must(composed);
    return (char *) composed;
}

int64_t reply_length(enum counting counting, int64_t link_length, const char *text)
{
    bool x = counting == COUNTING_X;
    char *composed = x ? reply_length_compose(text) : NULL;
    const char *counted = composed != NULL ? composed : text;
    char *priced = link_length
                       ? reply_length_price_links(x ? LINKS_BARE : LINKS_WITH_SCHEME, (size_t) link_length, counted)
                       : NULL;
    counted = priced != NULL ? priced : counted;
    int64_t length = reply_length_counts[counting](counted, strlen(counted));
    free(priced);
    free(composed);
    return length;
}
