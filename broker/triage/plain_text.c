// plain_text.c - see plain_text.h.
//
// Both ways share their first pass: bytes become characters, markup entities are decoded, and what no
// reader sees (default-ignorable and control characters) is dropped.  What follows works on the result.

#include "broker/triage/plain_text.h"

#include "proto/must.h"

#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#define REPLACEMENT 0xFFFD
#define ENTITY_NAME_BYTES 8 // the longest name in entities.def, with room to see that one is longer

// Marks on one letter beyond this many are decoration; Vietnamese, Yoruba and polytonic Greek need two or
// three, of which NFKC has joined at least one with its letter.
#define MARKS_PER_LETTER 2

struct entity {
    const char *name;
    uint32_t code;
};

static const struct entity entities[] = {
#define ENTITY(name, code) { name, code },
#include "broker/triage/entities.def"
#undef ENTITY
};

// Room for `bytes` more and the NUL.  Out of memory ends the process; the sizes are bounded by our caller.
static void reserve(struct plain_text *self, size_t bytes)
{
    size_t needed = self->bytes + bytes + 1;
    if (needed <= self->capacity)
        return;

    size_t capacity = self->capacity < 256 ? 256 : self->capacity;
    while (capacity < needed)
        capacity *= 2;
    self->text = realloc(self->text, capacity);
    must(self->text != NULL);
    self->capacity = capacity;
}

static void clear(struct plain_text *self)
{
    self->bytes = 0;
    reserve(self, 0);
    self->text[0] = '\0';
}

static void append_bytes(struct plain_text *self, const char *text, size_t bytes)
{
    reserve(self, bytes);
    memcpy(self->text + self->bytes, text, bytes);
    self->bytes += bytes;
    self->text[self->bytes] = '\0';
}

static void append_byte(struct plain_text *self, char byte)
{
    reserve(self, 1);
    self->text[self->bytes++] = byte;
    self->text[self->bytes] = '\0';
}

static void append(struct plain_text *self, uint32_t code)
{
    if (code < 0x80) { // most of most posts
        append_byte(self, (char) code);
        return;
    }
    uint8_t encoded[6];
    int bytes = u8_uctomb(encoded, (ucs4_t) code, (ptrdiff_t) sizeof encoded);
    must(bytes > 0);
    append_bytes(self, (const char *) encoded, (size_t) bytes);
}

// A blank, unless the text is empty or ends with one.
static void append_blank(struct plain_text *self)
{
    if (self->bytes > 0 && self->text[self->bytes - 1] != ' ')
        append_bytes(self, " ", 1);
}

static void trim_end(struct plain_text *self)
{
    if (self->bytes > 0 && self->text[self->bytes - 1] == ' ')
        self->text[--self->bytes] = '\0';
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
    ucs4_t character = REPLACEMENT;
    int used = u8_mbtoucr(&character, (const uint8_t *) text, bytes);
    *code = used > 0 ? character : REPLACEMENT;
    return used > 0 ? (size_t) used : 1;
}

static bool ascii_letter(uint32_t code)
{
    return (code | 0x20) >= 'a' && (code | 0x20) <= 'z';
}

static bool ascii_digit(uint32_t code)
{
    return code >= '0' && code <= '9';
}

static bool sensible_code(uint32_t code)
{
    return code > 0 && code <= 0x10FFFF && !(code >= 0xD800 && code <= 0xDFFF);
}

// "#128514;" or "#x1F602;" at `text`: the bytes it takes, or 0.
static size_t numeric_entity(const char *text, size_t bytes, uint32_t *code)
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
        uint32_t digit = ascii_digit(c) ? c - '0' : ascii_letter(c) ? (c | 0x20) - 'a' + 10 : base;
        if (digit >= base)
            break;
        value = value > 0x10FFFF ? value : value * base + digit;
    }
    if (i == first || i >= bytes || text[i] != ';')
        return 0;
    *code = sensible_code(value) ? value : REPLACEMENT;
    return i + 1;
}

static int compare_entity(const void *key, const void *element)
{
    return strcmp(key, ((const struct entity *) element)->name);
}

// "eacute;" at `text`: the bytes it takes, or 0.  The few names that escape markup also count when a
// platform has cut their semicolon off.
static size_t named_entity(const char *text, size_t bytes, uint32_t *code)
{
    char name[ENTITY_NAME_BYTES] = "";
    size_t length = 0;
    while (length < bytes &&
           (ascii_letter((unsigned char) text[length]) || ascii_digit((unsigned char) text[length]))) {
        if (length + 1 == sizeof name)
            return 0;
        name[length] = text[length];
        length++;
    }
    const struct entity *entity =
        bsearch(name, entities, sizeof entities / sizeof *entities, sizeof *entities, compare_entity);
    if (entity == NULL)
        return 0;
    *code = entity->code;
    if (length < bytes && text[length] == ';')
        return length + 1;
    return entity->code < 0x80 ? length : 0;
}

// An entity at the '&' in `text`, also one escaped again and again ("&amp;amp;lt;").  Always takes at least
// the '&' itself.
static size_t decode_entity(const char *text, size_t bytes, uint32_t *code)
{
    size_t used = 1;
    while (bytes - used >= 4 && memcmp(text + used, "amp;", 4) == 0)
        used += 4;
    *code = '&';
    if (used == bytes)
        return used;
    if (text[used] == '#')
        return used + numeric_entity(text + used, bytes - used, code);
    return used + named_entity(text + used, bytes - used, code);
}

static bool white_space(uint32_t code)
{
    if (code < 0x80)
        return code == ' ' || (code >= '\t' && code <= '\r');
    return code == 0x2800 || uc_is_property_white_space((ucs4_t) code);
}

// What nobody sees: it must neither split a word nor keep a pattern from matching.
static bool unseen(uint32_t code)
{
    if (code < 0x80)
        return code < 0x20 || code == 0x7F;
    if (code < 0xA0 || (code >= 0xFFF9 && code <= 0xFFFB))
        return true;
    return uc_is_property_default_ignorable_code_point((ucs4_t) code);
}

// How many bytes from `text` on are characters that stay as they are: ASCII that is seen, neither blank nor '&'.
static size_t plain_run(const char *text, size_t bytes)
{
    size_t i = 0;
    while (i < bytes && text[i] > ' ' && text[i] < 0x7F && text[i] != '&')
        i++;
    return i;
}

// The common first pass.  Returns true if `self` is more than ASCII.
static bool decode(struct plain_text *self, const char *text, size_t text_bytes)
{
    bool beyond_ascii = false;
    size_t bytes = text_bytes < PLAIN_TEXT_INPUT_BYTES ? text_bytes : PLAIN_TEXT_INPUT_BYTES;
    clear(self);
    reserve(self, bytes);
    for (size_t i = 0; i < bytes;) {
        size_t run = plain_run(text + i, bytes - i);
        if (run > 0) {
            append_bytes(self, text + i, run);
            i += run;
            continue;
        }
        uint32_t code;
        size_t used = text[i] == '&' ? decode_entity(text + i, bytes - i, &code)
                                     : plain_text_character(text + i, bytes - i, &code);
        i += used;
        if (white_space(code)) {
            append_blank(self);
        } else if (!unseen(code)) {
            append(self, code);
            beyond_ascii = beyond_ascii || code >= 0x80;
        }
    }
    trim_end(self);
    return beyond_ascii;
}

// Replaces the text by its NFKC form, case-folded as well if asked.
static void normalise(struct plain_text *self, bool fold_case)
{
    size_t bytes = 0;
    uint8_t *normal = u8_normalize(UNINORM_NFKC, (const uint8_t *) self->text, self->bytes, NULL, &bytes);
    must(normal != NULL);
    if (fold_case) {
        size_t folded_bytes = 0;
        uint8_t *folded = u8_casefold(normal, bytes, NULL, UNINORM_NFKC, NULL, &folded_bytes);
        must(folded != NULL);
        free(normal);
        normal = folded;
        bytes = folded_bytes;
    }
    self->bytes = 0;
    append_bytes(self, (const char *) normal, bytes < PLAIN_TEXT_OUTPUT_BYTES ? bytes : PLAIN_TEXT_OUTPUT_BYTES);
    free(normal);
}

// Marks that strike a letter through or ring it; no language spells with them.
static bool overlay(uint32_t code)
{
    return (code >= 0x334 && code <= 0x338) || (code >= 0x20D0 && code <= 0x20F0);
}

// Drops marks that hide letters, and folds white space that normalising brought back.  Returns true if it
// dropped any mark, as the next one may then join its letter.
static bool bare_letters(struct plain_text *self)
{
    struct plain_text bare = { 0 };
    bool dropped = false;
    int marks = 0;
    uint32_t base = 0;
    clear(&bare);
    reserve(&bare, self->bytes);
    for (size_t i = 0; i < self->bytes;) {
        uint32_t code;
        i += plain_text_character(self->text + i, self->bytes - i, &code);
        bool mark = overlay(code) || (code >= 0x300 && uc_combining_class((ucs4_t) code) > 0);
        if (mark) {
            // Turkish capital dotted i folds to i with a dot; it is an i.
            if (overlay(code) || (code == 0x307 && base == 'i') || ++marks > MARKS_PER_LETTER) {
                dropped = true;
                continue;
            }
        } else {
            marks = 0;
            base = code;
        }
        if (white_space(code))
            append_blank(&bare);
        else if (!unseen(code))
            append(&bare, code);
    }
    trim_end(&bare);
    plain_text_fini(self);
    *self = bare;
    return dropped;
}

void plain_text_for_patterns(struct plain_text *self, const char *text, size_t text_bytes)
{
    if (decode(self, text, text_bytes)) {
        normalise(self, true);
        if (bare_letters(self))
            normalise(self, true);
        return;
    }
    for (size_t i = 0; i < self->bytes; i++)
        if (self->text[i] >= 'A' && self->text[i] <= 'Z')
            self->text[i] = (char) (self->text[i] | 0x20);
}

// For the language.

static bool word_byte(char c)
{
    return ascii_letter((unsigned char) c) || ascii_digit((unsigned char) c) || c == '_' || (c & 0x80) != 0;
}

// Ends of host names that people write without http; those that are common words (es, de, me, it) count
// only before a slash.
static bool host_end(const char *text, size_t bytes, bool before_slash)
{
    static const char *const ends[] = {
        "com", "net", "org", "info", "edu", "gov", "cat", "eus", "gal", "tv", "ly", "io"
    };
    if (before_slash && bytes >= 2 && bytes <= 6)
        return true;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (strlen(ends[i]) == bytes && strncasecmp(ends[i], text, bytes) == 0)
            return true;
    return false;
}

#define HOST_BYTES 253 // no host name is longer

// True if a bare host name, with a path or without, begins at `text`: "bit.ly/x", "example.com".
static bool host_begins(const char *text, size_t bytes)
{
    size_t dot = 0;
    size_t i = 0;
    while (i < bytes && i < HOST_BYTES &&
           (ascii_letter((unsigned char) text[i]) || ascii_digit((unsigned char) text[i]) || text[i] == '-' ||
            text[i] == '.')) {
        if (text[i] == '.' && i + 1 < bytes && ascii_letter((unsigned char) text[i + 1]))
            dot = i;
        i++;
    }
    if (dot == 0)
        return false;
    size_t end = i;
    while (end > dot && text[end - 1] == '.')
        end--;
    return host_end(text + dot + 1, end - dot - 1, i < bytes && text[i] == '/');
}

// Where in a token a link begins; its length if there is none.
static size_t link_begins(const char *token, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (i > 0 && word_byte(token[i - 1]))
            continue;
        size_t left = bytes - i;
        if (left > 4 && (strncasecmp(token + i, "www.", 4) == 0 || host_begins(token + i, left)))
            return i;
        if (left > 4 && strncasecmp(token + i, "http", 4) == 0 && (token[i + 4] == ':' || token[i + 4] == 's'))
            return i;
    }
    for (size_t i = 1; i + 2 < bytes; i++)
        if (memcmp(token + i, "://", 3) == 0) {
            while (i > 0 && ascii_letter((unsigned char) token[i - 1]))
                i--;
            return i;
        }
    return bytes;
}

static size_t word_end(const char *token, size_t bytes, size_t i)
{
    while (i < bytes && word_byte(token[i]))
        i++;
    return i;
}

// ":D", ";-)", "xDDD", "<3", ":P" as a whole token, and ":D" at the end of one: where it begins.
static size_t emoticon_begins(const char *token, size_t bytes)
{
    if (bytes >= 2 && (token[0] | 0x20) == 'x' && token[1] == 'D' && strspn(token + 1, "D") >= bytes - 1)
        return 0;
    for (size_t i = 0; i + 1 < bytes; i++) {
        if (token[i] != ':' && token[i] != ';' && token[i] != '=')
            continue;
        size_t mouth = i + 1;
        if (mouth < bytes && strchr("-o'", token[mouth]) != NULL && mouth + 1 < bytes)
            mouth++;
        size_t end = mouth;
        while (end < bytes && strchr(")(][/|*DPpSsOoXxLc3", token[end]) != NULL && token[end] == token[mouth])
            end++;
        if (end > mouth && end == bytes)
            return i;
    }
    return bytes;
}

static bool letter_or_punctuation(uint32_t code)
{
    if (code < 0x80)
        return ascii_letter(code) || strchr("'\"!?.,;:()-/", (int) code) != NULL;
    return uc_is_general_category_withtable((ucs4_t) code,
                                            UC_CATEGORY_MASK_L | UC_CATEGORY_MASK_M | UC_CATEGORY_MASK_P);
}

// How many bytes from `piece` on are ASCII letters and punctuation.
static size_t word_run(const char *piece, size_t bytes)
{
    size_t i = 0;
    while (i < bytes && (piece[i] & 0x80) == 0 && letter_or_punctuation((unsigned char) piece[i]))
        i++;
    return i;
}

// Copies letters and punctuation of a piece of a token; what else there is parts words.  Letters that hang
// on a figure ("20h", "2nd") go with it.
static void copy_words(struct plain_text *self, const char *piece, size_t bytes)
{
    bool after_digit = false;
    for (size_t i = 0; i < bytes;) {
        size_t run = after_digit ? 0 : word_run(piece + i, bytes - i);
        if (run > 0) {
            append_bytes(self, piece + i, run);
            i += run;
            continue;
        }
        uint32_t code;
        size_t used = plain_text_character(piece + i, bytes - i, &code);
        after_digit = ascii_digit(code) || (after_digit && ascii_letter(code));
        if (!after_digit && letter_or_punctuation(code))
            append_bytes(self, piece + i, used);
        else
            append_blank(self);
        i += used;
    }
}

static bool mail_address(const char *token, size_t bytes)
{
    const char *at = memchr(token, '@', bytes);
    return at != NULL && at > token && word_byte(at[-1]) && memchr(at, '.', bytes - (size_t) (at - token)) != NULL;
}

// The name of an account, or what stands for something taken out ("__phone__").
static bool name_of_machine(const char *token, size_t bytes)
{
    return memchr(token, '_', bytes) != NULL && memchr(token, '@', bytes) == NULL && memchr(token, '#', bytes) == NULL;
}

static bool retweet_marker(const char *token, size_t bytes, bool first)
{
    return bytes >= 2 && (bytes == 2 || (bytes == 3 && token[2] == ':')) &&
           (memcmp(token, "RT", 2) == 0 || (first && strncasecmp(token, "rt", 2) == 0));
}

// One token (what white space parts) without what is not language.
static void copy_token(struct plain_text *self, const char *token, size_t bytes)
{
    if (mail_address(token, bytes))
        return;
    bytes = link_begins(token, bytes);
    bytes = emoticon_begins(token, bytes);
    if (bytes == 0 || name_of_machine(token, bytes))
        return;
    for (size_t i = 0; i < bytes;) {
        bool tagged = (token[i] == '@' || token[i] == '#') && i + 1 < bytes && word_byte(token[i + 1]) &&
                      (i == 0 || !word_byte(token[i - 1]));
        if (tagged) {
            i = word_end(token, bytes, i + 1);
            continue;
        }
        size_t next = i + 1;
        while (next < bytes && token[next] != '@' && token[next] != '#')
            next++;
        copy_words(self, token + i, next - i);
        i = next;
    }
}

void plain_text_for_language(struct plain_text *self, const char *text, size_t text_bytes)
{
    struct plain_text decoded = { 0 };
    if (decode(&decoded, text, text_bytes))
        normalise(&decoded, false);

    clear(self);
    for (size_t i = 0; i < decoded.bytes;) {
        const char *token = decoded.text + i;
        const char *blank = memchr(token, ' ', decoded.bytes - i);
        size_t bytes = blank != NULL ? (size_t) (blank - token) : decoded.bytes - i;
        if (!retweet_marker(token, bytes, i == 0))
            copy_token(self, token, bytes);
        append_blank(self);
        i += bytes + 1;
    }
    trim_end(self);
    plain_text_fini(&decoded);
}
