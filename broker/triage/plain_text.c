// plain_text.c - what is taken out of a text, letter by letter, for each reader: see plain_text.h.
//
// Both ways share their first pass: bytes become characters, markup entities are decoded, and what no
// reader sees (default-ignorable and control characters) is dropped.  What follows works on the result.

#include "broker/triage/plain_text.h"

#include "broker/triage/addresses.h"
#include "broker/triage/letters.h"
#include "proto/base/must.h"

#include <stdlib.h>
#include <string.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>
#include <unicode/utf8.h>

#define REPLACEMENT 0xFFFD
// A long text is looked at in parts, until this much of it was words: that tells the language.
#define LANGUAGE_PART_BYTES 6144
#define LANGUAGE_ENOUGH_BYTES 256
#define ENTITY_NAME_BYTES 8 // the longest name in entities.def, with room to see that one is longer

// Signs that are whole words are spelled out this many times in a text; more of them are an ornament.  One UTF-16 unit
// becomes at most this many otherwise (U+1F240, three of two), and U+FDFA 18.
#define WHOLE_WORDS_MAX 100
#define ORNAMENT 0xFFFC
#define NFKC_GROWTH 4
#define NFKC_MORE (18 * WHOLE_WORDS_MAX + 16)

struct entity {
    const char *name;
    uint32_t code;
};

static const struct entity plain_text_entities[] = {
#define ENTITY(name, code) { name, code },
#include "broker/triage/entities.def"
#undef ENTITY
};

// Room for `bytes` more and the NUL.  Out of memory ends the process; the sizes are bounded by our caller.
static void plain_text_reserve(struct plain_text *self, size_t bytes)
{
    size_t needed = self->bytes + bytes + 1;
    if (needed <= self->capacity) {
        return;
    }

    size_t capacity = self->capacity < 256 ? 256 : self->capacity;
    while (capacity < needed) {
        capacity *= 2;
    }
    self->text = realloc(self->text, capacity);
    must(self->text != NULL);
    self->capacity = capacity;
}

void plain_text_clear(struct plain_text *self)
{
    self->bytes = 0;
    plain_text_reserve(self, 0);
    self->text[0] = '\0';
}

void plain_text_append_bytes(struct plain_text *self, const char *text, size_t bytes)
{
    plain_text_reserve(self, bytes);
    memcpy(self->text + self->bytes, text, bytes);
    self->bytes += bytes;
    self->text[self->bytes] = '\0';
}

static void plain_text_append_byte(struct plain_text *self, char byte)
{
    if (self->bytes + 2 > self->capacity) {
        plain_text_reserve(self, 1);
    }
    self->text[self->bytes++] = byte;
    self->text[self->bytes] = '\0';
}

void plain_text_append(struct plain_text *self, uint32_t code)
{
    if (code < 0x80) { // most of most posts
        plain_text_append_byte(self, (char) code);
        return;
    }
    must(code <= 0x10FFFF);
    plain_text_reserve(self, 4);
    char *to = self->text + self->bytes;
    if (code < 0x800) {
        *to++ = (char) (0xC0 | code >> 6);
    } else {
        if (code < 0x10000) {
            *to++ = (char) (0xE0 | code >> 12);
        } else {
            *to++ = (char) (0xF0 | code >> 18);
            *to++ = (char) (0x80 | (code >> 12 & 0x3F));
        }
        *to++ = (char) (0x80 | (code >> 6 & 0x3F));
    }
    *to++ = (char) (0x80 | (code & 0x3F));
    *to = '\0';
    self->bytes = (size_t) (to - self->text);
}

// A blank, unless the text is empty or ends with one.
static void plain_text_append_blank(struct plain_text *self)
{
    if (self->bytes > 0 && self->text[self->bytes - 1] != ' ') {
        plain_text_append_bytes(self, " ", 1);
    }
}

static void plain_text_trim_end(struct plain_text *self)
{
    if (self->bytes > 0 && self->text[self->bytes - 1] == ' ') {
        self->text[--self->bytes] = '\0';
    }
}

void plain_text_fini(struct plain_text *self)
{
    free(self->text);
    *self = (struct plain_text){ 0 };
}

size_t plain_text_character(const char *text, size_t bytes, uint32_t *code)
{
    must(bytes > 0);
    if ((unsigned char) text[0] < 0x80) {
        *code = (unsigned char) text[0];
        return 1;
    }
    UChar32 character = 0;
    int32_t used = 0;
    U8_NEXT_OR_FFFD((const uint8_t *) text, used, bytes < 4 ? (int32_t) bytes : 4, character);
    *code = (uint32_t) character;
    return character == REPLACEMENT && (unsigned char) text[0] != 0xEF ? 1 : (size_t) used;
}

size_t plain_text_character_before(const char *text, size_t bytes, size_t offset, uint32_t *code)
{
    size_t start = offset - 1;
    while (start > 0 && ((unsigned char) text[start] & 0xC0) == 0x80) {
        start--;
    }
    plain_text_character(text + start, bytes - start, code);
    return start;
}

static bool plain_text_ascii_letter(uint32_t code)
{
    return (code | 0x20) >= 'a' && (code | 0x20) <= 'z';
}

static bool plain_text_ascii_digit(uint32_t code)
{
    return code >= '0' && code <= '9';
}

static bool plain_text_sensible_code(uint32_t code)
{
    return code > 0 && code <= 0x10FFFF && !(code >= 0xD800 && code <= 0xDFFF);
}

// "#128514;" or "#x1F602;" at `text`: the bytes it takes, or 0.
static size_t plain_text_numeric_entity(const char *text, size_t bytes, uint32_t *code)
{
    size_t i = 1;
    uint32_t base = 10;
    if (i < bytes && (text[i] == 'x' || text[i] == 'X')) {
        base = 16;
        i++;
    }
    size_t first = i;
    uint32_t value = 0;
    for (; i < bytes; i++) {
        uint32_t c = (unsigned char) text[i];
        uint32_t digit = plain_text_ascii_digit(c)    ? c - '0'
                         : plain_text_ascii_letter(c) ? (c | 0x20) - 'a' + 10
                                                      : base;
        if (digit >= base) {
            break;
        }
        value = value > 0x10FFFF ? value : value * base + digit;
    }
    if (i == first || i >= bytes || text[i] != ';') {
        return 0;
    }
    *code = plain_text_sensible_code(value) ? value : REPLACEMENT;
    return i + 1;
}

static int plain_text_compare_entity(const void *key, const void *element)
{
    return strcmp(key, ((const struct entity *) element)->name);
}

// "eacute;" at `text`: the bytes it takes, or 0.  The few names that escape markup also count when a
// platform has cut their semicolon off.
static size_t plain_text_named_entity(const char *text, size_t bytes, uint32_t *code)
{
    char name[ENTITY_NAME_BYTES] = "";
    size_t length = 0;
    while (length < bytes && (plain_text_ascii_letter((unsigned char) text[length]) ||
                              plain_text_ascii_digit((unsigned char) text[length]))) {
        if (length + 1 == sizeof name) {
            return 0;
        }
        name[length] = text[length];
        length++;
    }
    if (length == 0) {
        return 0;
    }
    const struct entity *entity =
        bsearch(name, plain_text_entities, sizeof plain_text_entities / sizeof *plain_text_entities,
                sizeof *plain_text_entities, plain_text_compare_entity);
    if (entity == NULL) {
        return 0;
    }
    *code = entity->code;
    if (length < bytes && text[length] == ';') {
        return length + 1;
    }
    return entity->code < 0x80 ? length : 0;
}

// An entity at the '&' in `text`, also one escaped again and again ("&amp;amp;lt;").  Always takes at least
// the '&' itself.
static size_t plain_text_decode_entity(const char *text, size_t bytes, uint32_t *code)
{
    size_t used = 1;
    while (bytes - used >= 4 && memcmp(text + used, "amp;", 4) == 0) {
        used += 4;
    }
    *code = '&';
    if (used == bytes) {
        return used;
    }
    if (text[used] == '#') {
        return used + plain_text_numeric_entity(text + used, bytes - used, code);
    }
    return used + plain_text_named_entity(text + used, bytes - used, code);
}

// True of signs that are whole words, or sentences, under NFKC.
static bool plain_text_whole_words(uint32_t code)
{
    return (code >= 0x3300 && code <= 0x33FF) || code == 0xFDFA || code == 0xFDFB;
}

// Invisible characters at which a word may end as well.
static bool plain_text_is_gap(uint32_t code)
{
    return code == 0x200B || code == 0x200C || code == 0x2060 || code == 0xFEFF || code == 0x180E;
}

// Copies what is plain from `text` on: ASCII that is seen, and blanks, of which a run becomes one.  Returns how many
// bytes that were; nearly all of most posts.
static size_t plain_text_copy_plain(struct plain_text *self, const char *text, size_t bytes)
{
    size_t i = 0;
    plain_text_reserve(self, bytes);
    char *to = self->text + self->bytes;
    for (; i < bytes; i++) {
        unsigned char byte = (unsigned char) text[i];
        if (byte < ' ' || byte > '~' || byte == '&') {
            break;
        }
        if (byte != ' ' || (to > self->text && to[-1] != ' ')) {
            *to++ = (char) byte;
        }
    }
    *to = '\0';
    self->bytes = (size_t) (to - self->text);
    return i;
}

// The common first pass.  Returns true if `self` is more than ASCII.
static bool decode(struct plain_text *self, const char *text, size_t text_bytes, bool keep)
{
    bool beyond_ascii = false;
    unsigned signs = 0;
    size_t bytes = text_bytes < PLAIN_TEXT_INPUT_BYTES ? text_bytes : PLAIN_TEXT_INPUT_BYTES;
    plain_text_clear(self);
    for (size_t i = 0; i < bytes;) {
        size_t plain = plain_text_copy_plain(self, text + i, bytes - i);
        if (plain > 0) {
            i += plain;
            continue;
        }
        uint32_t code;
        size_t used = text[i] == '&' ? plain_text_decode_entity(text + i, bytes - i, &code)
                                     : plain_text_character(text + i, bytes - i, &code);
        i += used;
        unsigned class = letters_class(code);
        if (class & LETTER_BLANK) {
            plain_text_append_blank(self);
            continue;
        }
        if (class & LETTER_HIDDEN) {
            code = keep && plain_text_is_gap(code) ? 0x200B : code;
            if (!keep || (code != 0x200B && code != 0x202E && code != 0x202C)) {
                continue;
            }
        }
        if (plain_text_whole_words(code) && ++signs > WHOLE_WORDS_MAX) {
            code = ORNAMENT;
        }
        plain_text_append(self, code);
        beyond_ascii = beyond_ascii || code >= 0x80;
    }
    plain_text_trim_end(self);
    return beyond_ascii;
}

// Replaces the text by its NFKC form.
static void plain_text_compose(struct plain_text *self)
{
    UErrorCode error = U_ZERO_ERROR;
    const UNormalizer2 *normalizer = unorm2_getNFKCInstance(&error);
    int32_t capacity = (int32_t) (self->bytes + 1);
    UChar *text = malloc((size_t) capacity * sizeof *text);
    must(text != NULL);
    int32_t length = 0;
    u_strFromUTF8WithSub(text, capacity, &length, self->text, (int32_t) self->bytes, REPLACEMENT, NULL, &error);
    must(U_SUCCESS(error));
    if (unorm2_spanQuickCheckYes(normalizer, text, length, &error) < length) {
        int32_t room = length * NFKC_GROWTH + NFKC_MORE;
        UChar *normal = malloc((size_t) room * sizeof *normal);
        must(normal != NULL);
        length = unorm2_normalize(normalizer, text, length, normal, room, &error);
        must(U_SUCCESS(error));
        free(text);
        text = normal;
        int32_t bytes = 0;
        self->bytes = 0;
        plain_text_reserve(self, (size_t) length * 3);
        u_strToUTF8WithSub(self->text, (int32_t) self->capacity, &bytes, text, length, REPLACEMENT, NULL, &error);
        must(U_SUCCESS(error));
        self->bytes = (size_t) bytes;
        self->text[self->bytes] = '\0';
    }
    free(text);
}

void plain_text_decode(struct plain_text *self, const char *text, size_t text_bytes, bool keep)
{
    letters_prepare();
    if (decode(self, text, text_bytes, keep)) {
        plain_text_compose(self);
    }
}

// For the language.

static bool plain_text_word_byte(char c)
{
    return plain_text_ascii_letter((unsigned char) c) || plain_text_ascii_digit((unsigned char) c) || c == '_' ||
           (c & 0x80) != 0;
}

// Where in a token a link begins; its length if there is none.
static size_t plain_text_link_begins(const char *token, size_t bytes)
{
    size_t step = 1;
    for (size_t i = 0; i < bytes; i += step) {
        step = 1;
        size_t left = bytes - i;
        if (left > 2 && memcmp(token + i, "://", 3) == 0 && i > 0) {
            while (i > 0 && plain_text_ascii_letter((unsigned char) token[i - 1])) {
                i--;
            }
            return i;
        }
        if ((i > 0 && plain_text_word_byte(token[i - 1])) || !plain_text_word_byte(token[i]) || token[i] == '_') {
            continue;
        }
        if (left > 4 && strncasecmp(token + i, "http", 4) == 0 && (token[i + 4] == ':' || token[i + 4] == 's')) {
            return i;
        }
        if (address_host(token + i, left, &step)) {
            return i;
        }
    }
    return bytes;
}

static size_t plain_text_word_end(const char *token, size_t bytes, size_t i)
{
    while (i < bytes && plain_text_word_byte(token[i])) {
        i++;
    }
    return i;
}

// ":D", ";-)", "xDDD", "<3", ":P" as a whole token, and ":D" at the end of one: where it begins.
static size_t plain_text_emoticon_begins(const char *token, size_t bytes)
{
    if (bytes >= 2 && (token[0] | 0x20) == 'x' && token[1] == 'D' && strspn(token + 1, "D") >= bytes - 1) {
        return 0;
    }
    for (size_t i = 0; i + 1 < bytes; i++) {
        if (token[i] != ':' && token[i] != ';' && token[i] != '=') {
            continue;
        }
        size_t mouth = i + 1;
        if (mouth < bytes && strchr("-o'", token[mouth]) != NULL && mouth + 1 < bytes) {
            mouth++;
        }
        size_t end = mouth;
        while (end < bytes && strchr(")(][/|*DPpSsOoXxLc3", token[end]) != NULL && token[end] == token[mouth]) {
            end++;
        }
        if (end > mouth && end == bytes) {
            return i;
        }
    }
    return bytes;
}

static bool plain_text_letter_or_punctuation(uint32_t code)
{
    if (code < 0x80) {
        return plain_text_ascii_letter(code) || strchr("'\"!?.,;:()-/", (int) code) != NULL;
    }
    unsigned class = letters_class(code);
    if ((class & (LETTER_ALPHABETIC | LETTER_MARK)) != 0) {
        return true;
    }
    return (class & LETTER_WORD) == 0 && u_ispunct((UChar32) code); // else it is a number
}

// How many bytes from `piece` on are ASCII letters and punctuation.
static size_t plain_text_word_run(const char *piece, size_t bytes)
{
    size_t i = 0;
    while (i < bytes && (piece[i] & 0x80) == 0 && plain_text_letter_or_punctuation((unsigned char) piece[i])) {
        i++;
    }
    return i;
}

// Copies letters and punctuation of a piece of a token; what else there is parts words.  Letters that hang
// on a figure ("20h", "2nd") go with it.
static void plain_text_copy_words(struct plain_text *self, const char *piece, size_t bytes)
{
    bool after_digit = false;
    for (size_t i = 0; i < bytes;) {
        size_t run = after_digit ? 0 : plain_text_word_run(piece + i, bytes - i);
        if (run > 0) {
            plain_text_append_bytes(self, piece + i, run);
            i += run;
            continue;
        }
        uint32_t code;
        size_t used = plain_text_character(piece + i, bytes - i, &code);
        after_digit = plain_text_ascii_digit(code) || (after_digit && plain_text_ascii_letter(code));
        if (!after_digit && plain_text_letter_or_punctuation(code)) {
            plain_text_append_bytes(self, piece + i, used);
        } else {
            plain_text_append_blank(self);
        }
        i += used;
    }
}

static bool plain_text_mail_address(const char *token, size_t bytes)
{
    const char *at = memchr(token, '@', bytes);
    return at != NULL && at > token && plain_text_word_byte(at[-1]) &&
           memchr(at, '.', bytes - (size_t) (at - token)) != NULL;
}

// The name of an account, or what stands for something taken out ("__phone__").
static bool plain_text_name_of_machine(const char *token, size_t bytes)
{
    return memchr(token, '_', bytes) != NULL && memchr(token, '@', bytes) == NULL && memchr(token, '#', bytes) == NULL;
}

static bool plain_text_retweet_marker(const char *token, size_t bytes, bool first)
{
    return bytes >= 2 && (bytes == 2 || (bytes == 3 && token[2] == ':')) &&
           (memcmp(token, "RT", 2) == 0 || (first && strncasecmp(token, "rt", 2) == 0));
}

// Whether a token is a word of letters a to z, and perhaps a sign that ends it: nothing else than language.  What
// begins like a link or an emoticon is looked at more closely.
static bool plain_text_is_word(const char *token, size_t bytes)
{
    size_t letters = 0;
    while (letters < bytes && plain_text_ascii_letter((unsigned char) token[letters])) {
        letters++;
    }
    bool ended = letters == bytes || (letters + 1 == bytes && strchr(".,!?", token[letters]) != NULL);
    return ended && letters > 0 && (token[0] | 0x20) != 'h' && (token[0] | 0x20) != 'x';
}

// One token (what white space parts) without what is not language.
static void plain_text_copy_token(struct plain_text *self, const char *token, size_t bytes)
{
    if (plain_text_is_word(token, bytes)) {
        plain_text_append_bytes(self, token, bytes);
        return;
    }
    if (plain_text_mail_address(token, bytes)) {
        return;
    }
    bytes = plain_text_link_begins(token, bytes);
    bytes = plain_text_emoticon_begins(token, bytes);
    if (bytes == 0 || plain_text_name_of_machine(token, bytes)) {
        return;
    }
    for (size_t i = 0; i < bytes;) {
        bool tagged = (token[i] == '@' || token[i] == '#') && i + 1 < bytes && plain_text_word_byte(token[i + 1]) &&
                      (i == 0 || !plain_text_word_byte(token[i - 1]));
        if (tagged) {
            i = plain_text_word_end(token, bytes, i + 1);
            continue;
        }
        size_t next = i + 1;
        while (next < bytes && token[next] != '@' && token[next] != '#') {
            next++;
        }
        plain_text_copy_words(self, token + i, next - i);
        i = next;
    }
}

// Adds the words of a part of a text.
static void plain_text_add_language(struct plain_text *self, const char *text, size_t text_bytes,
                                    struct plain_text *decoded)
{
    plain_text_decode(decoded, text, text_bytes, false);
    for (size_t i = 0; i < decoded->bytes;) {
        const char *token = decoded->text + i;
        const char *blank = memchr(token, ' ', decoded->bytes - i);
        size_t bytes = blank != NULL ? (size_t) (blank - token) : decoded->bytes - i;
        if (!plain_text_retweet_marker(token, bytes, i == 0 && self->bytes == 0)) {
            plain_text_copy_token(self, token, bytes);
        }
        plain_text_append_blank(self);
        i += bytes + 1;
    }
}

// Where a part of a text ends: at a blank, or else at a character.
static size_t plain_text_part_bytes(const char *text, size_t bytes)
{
    if (bytes <= LANGUAGE_PART_BYTES) {
        return bytes;
    }
    const char *blank = memrchr(text, ' ', LANGUAGE_PART_BYTES);
    if (blank != NULL && blank > text) {
        return (size_t) (blank - text);
    }
    bytes = LANGUAGE_PART_BYTES;
    while (bytes > 1 && ((unsigned char) text[bytes] & 0xC0) == 0x80) {
        bytes--;
    }
    return bytes;
}

void plain_text_for_language(struct plain_text *self, const char *text, size_t text_bytes)
{
    struct plain_text decoded = { 0 };
    plain_text_clear(self);
    size_t end = text_bytes < PLAIN_TEXT_INPUT_BYTES ? text_bytes : PLAIN_TEXT_INPUT_BYTES;
    for (size_t at = 0; at < end && self->bytes < LANGUAGE_ENOUGH_BYTES;) {
        size_t bytes = plain_text_part_bytes(text + at, end - at);
        plain_text_add_language(self, text + at, bytes, &decoded);
        at += bytes;
    }
    plain_text_trim_end(self);
    plain_text_fini(&decoded);
}
