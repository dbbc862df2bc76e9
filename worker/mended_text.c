// mended_text.c - see mended_text.h.

#include "worker/mended_text.h"

#include "proto/base/must.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unigbrk.h>
#include <unistr.h>

#define REPLACEMENT "\xef\xbf\xbd"
#define REPLACEMENT_CHARACTER 0xFFFD
#define READINGS_MAX 3 // so often a text can have been read wrongly

// ---- characters ----

static const uint8_t *octets(const char *text)
{
    return (const uint8_t *) text;
}

// A surrogate that was encoded as if it were a character, or 0.
static ucs4_t surrogate_at(const char *text, size_t bytes)
{
    const uint8_t *at = octets(text);
    if (bytes < 3 || at[0] != 0xED || (at[1] & 0xE0) != 0xA0 || (at[2] & 0xC0) != 0x80)
        return 0;
    return 0xD000 | (ucs4_t) (at[1] & 0x3F) << 6 | (ucs4_t) (at[2] & 0x3F);
}

// The next piece of a text.
struct piece {
    size_t bytes;
    ucs4_t character; // if it is one; else U+FFFD
    bool sound;
    bool changed; // it is one, but written otherwise
};

static struct piece piece_at(const char *text, size_t bytes)
{
    struct piece piece = { .sound = true };
    int length = u8_mbtoucr(&piece.character, octets(text), bytes);
    if (length > 0) {
        piece.bytes = (size_t) length;
        piece.sound = piece.character != 0;
        return piece;
    }
    ucs4_t high = surrogate_at(text, bytes), low = high ? surrogate_at(text + 3, bytes - 3) : 0;
    if (high >= 0xD800 && high < 0xDC00 && low >= 0xDC00 && low < 0xE000)
        return (struct piece){
            .bytes = 6, .character = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00), .sound = true, .changed = true
        };
    piece.sound = false;
    piece.bytes = high ? 3 : 1;
    if (!high && octets(text)[0] >= 0xC2 && octets(text)[0] < 0xF5) // what is left of a character
        while (piece.bytes < bytes && piece.bytes < 3 && (octets(text)[piece.bytes] & 0xC0) == 0x80)
            piece.bytes++;
    return piece;
}

void encoding_tally_add(struct encoding_tally *tally, const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes;) {
        if ((unsigned char) text[i] < 0x80) {
            i++;
            continue;
        }
        struct piece piece = piece_at(text + i, bytes - i);
        if (piece.sound || piece.bytes > 1)
            tally->sound++;
        else
            tally->broken++;
        i += piece.bytes;
    }
}

bool encoding_tally_is_utf8(const struct encoding_tally *tally)
{
    return tally->broken <= 1 || tally->broken <= tally->sound;
}

char *mended_characters(const char *text, size_t bytes, size_t *mended_bytes)
{
    if (!u8_check(octets(text), bytes) && !memchr(text, '\0', bytes))
        return NULL;
    char *mended = malloc(3 * bytes + 1); // a byte becomes three at most
    must(mended);
    size_t end = 0;
    for (size_t i = 0; i < bytes;) {
        struct piece piece = piece_at(text + i, bytes - i);
        if (piece.changed) {
            end += (size_t) u8_uctomb((uint8_t *) mended + end, piece.character, 4);
        } else {
            size_t length = piece.sound ? piece.bytes : strlen(REPLACEMENT);
            memcpy(mended + end, piece.sound ? text + i : REPLACEMENT, length);
            end += length;
        }
        i += piece.bytes;
    }
    mended[end] = '\0';
    *mended_bytes = end;
    return mended;
}

// ---- UTF-8 that was read as Latin-1 or Windows-1252 ----

#define NO_BYTE (-1)   // a character that neither has
#define LOST_BYTE (-2) // U+FFFD: somebody has given it up before

// Windows-1252 from 0x80 on; 0 where it has nothing.
static const uint16_t windows_1252[32] = { 0x20AC, 0,      0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021,
                                           0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0,      0x017D, 0,
                                           0,      0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
                                           0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0,      0x017E, 0x0178 };

static int byte_of(ucs4_t character)
{
    if (character < 0x100)
        return (int) character;
    for (int i = 0; i < 32; i++)
        if (windows_1252[i] == character)
            return 0x80 + i;
    return character == REPLACEMENT_CHARACTER ? LOST_BYTE : NO_BYTE;
}

// How little a character may follow a letter in a sound text: 0 it may, 1 hardly, 2 never.
static unsigned strangeness(ucs4_t character)
{
    if (character < 0xA0)
        return 2; // a control character
    switch (character) {
    case 0xA0: // what typography puts behind a word
    case 0xAB:
    case 0xBB:
    case 0x20AC:
    case 0x201A:
    case 0x201E:
    case 0x2026:
    case 0x2039:
    case 0x2018:
    case 0x2019:
    case 0x201C:
    case 0x201D:
    case 0x2022:
    case 0x2013:
    case 0x2014:
    case 0x2122:
    case 0x203A:
        return 0;
    default:
        return character < 0x100 ? 1 : 2;
    }
}

// One reading undone, as it goes.
struct undoing {
    ucs4_t *characters; // of the text
    int *bytes;         // what each was read from
    size_t count;
    size_t at;
    char *out;
    size_t out_bytes;
    unsigned evidence;
};

static bool is_small_letter(ucs4_t character)
{
    return character >= 'a' && character <= 'z';
}

// What the `length` characters at `at` say for their having been bytes of one.
static unsigned evidence_of(const struct undoing *undoing, size_t length)
{
    const ucs4_t *characters = undoing->characters + undoing->at;
    int lead = undoing->bytes[undoing->at];
    ucs4_t before = undoing->at > 0 ? characters[-1] : ' ';
    unsigned most = 0;
    for (size_t i = 1; i < length; i++)
        if (strangeness(characters[i]) > most)
            most = strangeness(characters[i]);
    if (lead == 0xE2 && characters[1] == 0x20AC)
        return 2; // quotes and dashes
    if (lead == 0xC2 || lead == 0xC3)
        return most > 0 || before < 'A' || before > 'Z' ? 2 : 1;
    return lead < 0xDF && lead != 0xD7 && is_small_letter(before) ? 2 : most; // a capital inside a word
}

static void put(struct undoing *undoing, const char *text, size_t bytes)
{
    memcpy(undoing->out + undoing->out_bytes, text, bytes);
    undoing->out_bytes += bytes;
}

// One character beyond ASCII from the bytes at `at`.  False if they are none.
static bool undo_one(struct undoing *undoing)
{
    const int *bytes = undoing->bytes + undoing->at;
    size_t left = undoing->count - undoing->at;
    size_t length = bytes[0] == LOST_BYTE ? 1 : bytes[0] < 0xC2 ? 0 : bytes[0] < 0xE0 ? 2 : bytes[0] < 0xF0 ? 3 : 4;
    uint8_t character[4] = { (uint8_t) bytes[0] };
    if (length == 0 || bytes[0] > 0xF4)
        return false;
    if (bytes[0] == 0xC3 && left > 1 && bytes[1] == ' ') { // à, whose no-break space became a blank
        put(undoing, "\xC3\xA0", 2);
        undoing->at++;
        return true;
    }
    for (size_t i = 1; i < length; i++) {
        if (i == left || bytes[i] == LOST_BYTE) { // cut off, or lost on the way
            put(undoing, REPLACEMENT, strlen(REPLACEMENT));
            undoing->at += i + (i < left);
            return true;
        }
        if (bytes[i] < 0x80 || bytes[i] > 0xBF)
            return false;
        character[i] = (uint8_t) bytes[i];
    }
    if (length == 1) {
        put(undoing, REPLACEMENT, strlen(REPLACEMENT));
    } else {
        if (u8_check(character, length))
            return false;
        undoing->evidence += evidence_of(undoing, length);
        put(undoing, (const char *) character, length);
    }
    undoing->at += length;
    return true;
}

static bool undo_all(struct undoing *undoing, const char *text, size_t text_bytes)
{
    for (size_t i = 0; i < text_bytes;) {
        ucs4_t character;
        int length = u8_mbtoucr(&character, octets(text) + i, text_bytes - i);
        int byte = length > 0 ? byte_of(character) : NO_BYTE;
        if (byte == NO_BYTE)
            return false;
        undoing->characters[undoing->count] = character;
        undoing->bytes[undoing->count++] = byte;
        i += (size_t) length;
    }
    while (undoing->at < undoing->count) {
        int byte = undoing->bytes[undoing->at];
        if (byte >= 0 && byte < 0x80) {
            put(undoing, &(char){ (char) byte }, 1);
            undoing->at++;
        } else if (!undo_one(undoing)) {
            return false;
        }
    }
    return undoing->evidence >= 2;
}

// One reading less, or NULL.
static char *undo_reading(const char *text)
{
    size_t bytes = strlen(text), ascii = 0;
    while (ascii < bytes && octets(text)[ascii] < 0x80)
        ascii++;
    if (ascii == bytes)
        return NULL;
    struct undoing undoing = { .characters = calloc(bytes, sizeof *undoing.characters),
                               .bytes = calloc(bytes, sizeof *undoing.bytes),
                               .out = malloc(bytes + 4) };
    must(undoing.characters && undoing.bytes && undoing.out);
    bool undone = undo_all(&undoing, text, bytes);
    free(undoing.characters);
    free(undoing.bytes);
    if (!undone) {
        free(undoing.out);
        return NULL;
    }
    undoing.out[undoing.out_bytes] = '\0';
    return undoing.out;
}

char *mended_reading(const char *text)
{
    char *mended = NULL;
    for (int i = 0; i < READINGS_MAX; i++) {
        char *less = undo_reading(mended ? mended : text);
        if (!less)
            break;
        free(mended);
        mended = less;
    }
    return mended;
}

// ---- length ----

size_t text_bytes_that_fit(const char *text, size_t bytes_max)
{
    size_t bytes = strlen(text), cut = bytes_max;
    if (bytes <= bytes_max)
        return bytes;
    while (cut > 0 && (octets(text)[cut] & 0xC0) == 0x80)
        cut--;
    size_t behind = cut + 1;
    while (behind < bytes && (octets(text)[behind] & 0xC0) == 0x80)
        behind++;
    char *breaks = calloc(1, behind);
    must(breaks);
    u8_grapheme_breaks(octets(text), behind, breaks);
    size_t cluster = cut;
    while (cluster > 0 && !breaks[cluster])
        cluster--;
    free(breaks);
    return cluster > 0 ? cluster : cut; // a text that is one cluster is cut inside
}

char *shortened_key(const char *key, size_t bytes_max)
{
    unsigned char hash[16];
    char digits[2 * sizeof hash + 1];
    must(bytes_max > sizeof digits);
    must(crypto_generichash(hash, sizeof hash, octets(key), strlen(key), NULL, 0) == 0);
    sodium_bin2hex(digits, sizeof digits, hash, sizeof hash);
    char *shortened = malloc(bytes_max + 1);
    must(shortened);
    size_t kept = text_bytes_that_fit(key, bytes_max - sizeof digits);
    snprintf(shortened, bytes_max + 1, "%.*s~%s", (int) kept, key, digits);
    return shortened;
}
