// misread_text.c - each letter taken for the byte that it was, while UTF-8 comes of it: see misread_text.h.

#include "worker/misread_text.h"

#include "proto/base/must.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistr.h>

#define REPLACEMENT "\xef\xbf\xbd"
#define REPLACEMENT_CHARACTER 0xFFFD
#define READINGS_MAX 3 // times that a text can have been read wrongly

static const uint8_t *misread_text_octets(const char *text)
{
    return (const uint8_t *) text;
}

#define NO_BYTE (-1)   // a character that neither has
#define LOST_BYTE (-2) // U+FFFD: somebody has given it up before

// Windows-1252 from 0x80 on; 0 where it has nothing.
static const uint16_t misread_text_windows_1252[32] = {
    0x20AC, 0,      0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0,      0x017D, 0,      0,      0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0,      0x017E, 0x0178
};

static int misread_text_byte_of(ucs4_t character)
{
    if (character < 0x100) {
        return (int) character;
    }
    for (int i = 0; i < 32; i++) {
        if (misread_text_windows_1252[i] == character) {
            return 0x80 + i;
        }
    }
    return character == REPLACEMENT_CHARACTER ? LOST_BYTE : NO_BYTE;
}

// How little a character may follow a letter in a sound text: 0 it may, 1 hardly, 2 never.
static unsigned misread_text_strangeness(ucs4_t character)
{
    if (character < 0xA0) {
        return 2; // a control character
    }
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

static bool misread_text_is_small_letter(ucs4_t character)
{
    return character >= 'a' && character <= 'z';
}

// What the `length` characters at `at` say for their having been bytes of one.
static unsigned misread_text_evidence_of(const struct undoing *undoing, size_t length)
{
    const ucs4_t *characters = undoing->characters + undoing->at;
    int lead = undoing->bytes[undoing->at];
    ucs4_t before = undoing->at > 0 ? characters[-1] : ' ';
    unsigned most = 0;
    for (size_t i = 1; i < length; i++) {
        if (misread_text_strangeness(characters[i]) > most) {
            most = misread_text_strangeness(characters[i]);
        }
    }
    if (lead == 0xE2 && characters[1] == 0x20AC) {
        return 2; // quotes and dashes
    }
    if (lead == 0xC2 || lead == 0xC3) {
        return most > 0 || before < 'A' || before > 'Z' ? 2 : 1;
    }
    return lead < 0xDF && lead != 0xD7 && misread_text_is_small_letter(before) ? 2 : most; // a capital inside a word
}

static void misread_text_put(struct undoing *undoing, const char *text, size_t bytes)
{
    memcpy(undoing->out + undoing->out_bytes, text, bytes);
    undoing->out_bytes += bytes;
}

// One character beyond ASCII from the bytes at `at`.  False if they are none.
static bool misread_text_undo_one(struct undoing *undoing)
{
    const int *bytes = undoing->bytes + undoing->at;
    size_t left = undoing->count - undoing->at;
    size_t length = bytes[0] == LOST_BYTE ? 1 : bytes[0] < 0xC2 ? 0 : bytes[0] < 0xE0 ? 2 : bytes[0] < 0xF0 ? 3 : 4;
    uint8_t character[4] = { (uint8_t) bytes[0] };
    if (length == 0 || bytes[0] > 0xF4) {
        return false;
    }
    if (bytes[0] == 0xC3 && left > 1 && bytes[1] == ' ') { // à, whose no-break space became a blank
        misread_text_put(undoing, "\xC3\xA0", 2);
        undoing->at++;
        return true;
    }
    for (size_t i = 1; i < length; i++) {
        if (i == left || bytes[i] == LOST_BYTE) { // cut off, or lost on the way
            misread_text_put(undoing, REPLACEMENT, strlen(REPLACEMENT));
            undoing->at += i + (i < left);
            return true;
        }
        if (bytes[i] < 0x80 || bytes[i] > 0xBF) {
            return false;
        }
        character[i] = (uint8_t) bytes[i];
    }
    if (length == 1) {
        misread_text_put(undoing, REPLACEMENT, strlen(REPLACEMENT));
    } else {
        if (u8_check(character, length) != NULL) {
            return false;
        }
        undoing->evidence += misread_text_evidence_of(undoing, length);
        misread_text_put(undoing, (const char *) character, length);
    }
    undoing->at += length;
    return true;
}

static bool misread_text_undo_all(struct undoing *undoing, const char *text, size_t text_bytes)
{
    for (size_t i = 0; i < text_bytes;) {
        ucs4_t character;
        int length = u8_mbtoucr(&character, misread_text_octets(text) + i, text_bytes - i);
        int byte = length > 0 ? misread_text_byte_of(character) : NO_BYTE;
        if (byte == NO_BYTE) {
            return false;
        }
        undoing->characters[undoing->count] = character;
        undoing->bytes[undoing->count++] = byte;
        i += (size_t) length;
    }
    while (undoing->at < undoing->count) {
        int byte = undoing->bytes[undoing->at];
        if (byte >= 0 && byte < 0x80) {
            misread_text_put(undoing, &(char){ (char) byte }, 1);
            undoing->at++;
        } else if (!misread_text_undo_one(undoing)) {
            return false;
        }
    }
    return undoing->evidence >= 2;
}

// One reading less, or NULL.
static char *misread_text_undo_reading(const char *text)
{
    size_t bytes = strlen(text), ascii = 0;
    while (ascii < bytes && misread_text_octets(text)[ascii] < 0x80) {
        ascii++;
    }
    if (ascii == bytes) {
        return NULL;
    }
    struct undoing undoing = { .characters = calloc(bytes, sizeof *undoing.characters),
                               .bytes = calloc(bytes, sizeof *undoing.bytes),
                               .out = malloc(bytes + 4) };
    must(undoing.characters && undoing.bytes && undoing.out);
    bool undone = misread_text_undo_all(&undoing, text, bytes);
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
        char *less = misread_text_undo_reading(mended != NULL ? mended : text);
        if (less == NULL) {
            break;
        }
        free(mended);
        mended = less;
    }
    return mended;
}
