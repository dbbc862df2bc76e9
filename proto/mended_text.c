// mended_text.c - each way of mending, over the bytes of one text: see mended_text.h.

#include "proto/mended_text.h"

#include "proto/base/must.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unigbrk.h>
#include <unistr.h>

#define REPLACEMENT "\xef\xbf\xbd"
#define ELLIPSIS "\xe2\x80\xa6"

// ---- characters ----

static const uint8_t *octets(const char *text)
{
    return (const uint8_t *) text;
}

// A surrogate that was encoded as if it were a character, or 0.
static ucs4_t mended_text_surrogate_at(const char *text, size_t bytes)
{
    const uint8_t *at = octets(text);
    if (bytes < 3 || at[0] != 0xED || (at[1] & 0xE0) != 0xA0 || (at[2] & 0xC0) != 0x80) {
        return 0;
    }
    return 0xD000 | (ucs4_t) (at[1] & 0x3F) << 6 | (ucs4_t) (at[2] & 0x3F);
}

// The next piece of a text.
struct piece {
    size_t bytes;
    ucs4_t character; // if it is one; else U+FFFD
    bool sound;
    bool changed; // it is one, but written otherwise
};

static struct piece mended_text_piece_at(const char *text, size_t bytes)
{
    struct piece piece = { .sound = true };
    int length = u8_mbtoucr(&piece.character, octets(text), bytes);
    if (length > 0) {
        piece.bytes = (size_t) length;
        piece.sound = piece.character != 0;
        return piece;
    }
    ucs4_t high = mended_text_surrogate_at(text, bytes), low = high ? mended_text_surrogate_at(text + 3, bytes - 3) : 0;
    if (high >= 0xD800 && high < 0xDC00 && low >= 0xDC00 && low < 0xE000) {
        return (struct piece){
            .bytes = 6, .character = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00), .sound = true, .changed = true
        };
    }
    piece.sound = false;
    piece.bytes = high ? 3 : 1;
    if (!high && octets(text)[0] >= 0xC2 && octets(text)[0] < 0xF5) { // what is left of a character
        while (piece.bytes < bytes && piece.bytes < 3 && (octets(text)[piece.bytes] & 0xC0) == 0x80) {
            piece.bytes++;
        }
    }
    return piece;
}

void encoding_tally_add(struct encoding_tally *tally, const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes;) {
        if ((unsigned char) text[i] < 0x80) {
            i++;
            continue;
        }
        struct piece piece = mended_text_piece_at(text + i, bytes - i);
        if (piece.sound || piece.bytes > 1) {
            tally->sound++;
        } else {
            tally->broken++;
        }
        i += piece.bytes;
    }
}

bool encoding_tally_is_utf8(const struct encoding_tally *tally)
{
    return tally->broken <= 1 || tally->broken <= tally->sound;
}

bool text_is_sound(const char *text, size_t bytes)
{
    return u8_check(octets(text), bytes) == NULL && memchr(text, '\0', bytes) == NULL;
}

char *mended_characters(const char *text, size_t bytes, size_t *mended_bytes)
{
    if (text_is_sound(text, bytes)) {
        return NULL;
    }
    char *mended = malloc(3 * bytes + 1); // a byte becomes three at most
    must(mended);
    size_t end = 0;
    for (size_t i = 0; i < bytes;) {
        struct piece piece = mended_text_piece_at(text + i, bytes - i);
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

// ---- length ----

size_t text_bytes_that_fit(const char *text, size_t bytes_max)
{
    size_t bytes = strlen(text), cut = bytes_max;
    if (bytes <= bytes_max) {
        return bytes;
    }
    while (cut > 0 && (octets(text)[cut] & 0xC0) == 0x80) {
        cut--;
    }
    size_t behind = cut + 1;
    while (behind < bytes && (octets(text)[behind] & 0xC0) == 0x80) {
        behind++;
    }
    char *breaks = calloc(1, behind);
    must(breaks);
    u8_grapheme_breaks(octets(text), behind, breaks);
    size_t cluster = cut;
    while (cluster > 0 && !breaks[cluster]) {
        cluster--;
    }
    free(breaks);
    return cluster > 0 ? cluster : cut; // a text that is one cluster is cut inside
}

void text_cut(char *text, size_t bytes_max)
{
    if (strnlen(text, bytes_max + 1) <= bytes_max || bytes_max < strlen(ELLIPSIS)) {
        return;
    }
    memcpy(text + text_bytes_that_fit(text, bytes_max - strlen(ELLIPSIS)), ELLIPSIS, sizeof ELLIPSIS);
}

// Mending makes of three bytes two at the least: of twice as many as fit, and the whole of a last character, more is
// left than fits, and what stands behind them would be cut off.
static size_t mended_text_bytes_that_matter(size_t bytes, size_t bytes_max)
{
    size_t most = 2 * bytes_max + 8;
    return bytes < most ? bytes : most;
}

char *mended_words(const char *text, size_t bytes, size_t bytes_max)
{
    size_t read = mended_text_bytes_that_matter(bytes, bytes_max), mended_bytes;
    char *mended = mended_characters(text, read, &mended_bytes);
    if (mended == NULL) {
        mended = malloc(read + 1);
        must(mended);
        memcpy(mended, text, read);
        mended[read] = '\0';
    }
    text_cut(mended, bytes_max);
    return mended;
}

char *shortened_key(const char *key, size_t bytes, size_t bytes_max)
{
    unsigned char hash[16];
    char digits[2 * sizeof hash + 1];
    must(bytes_max > sizeof digits);
    must(crypto_generichash(hash, sizeof hash, octets(key), bytes, NULL, 0) == 0);
    sodium_bin2hex(digits, sizeof digits, hash, sizeof hash);
    char *beginning = mended_words(key, bytes, bytes_max);
    char *shortened = malloc(bytes_max + 1);
    must(shortened);
    size_t kept = text_bytes_that_fit(beginning, bytes_max - sizeof digits);
    snprintf(shortened, bytes_max + 1, "%.*s~%s", (int) kept, beginning, digits);
    free(beginning);
    return shortened;
}
