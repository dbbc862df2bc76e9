// patterns.c - words, phrases and regular expressions, all looked for in one pass over a text.
//
// Of a word or phrase Vectorscan is given the longest stretch of plain letters; the rest of it, and whether
// it stands for whole words, is checked here around each match.  That is exact in every script, compiles a
// thousand in a quarter of a second (with blanks as expressions and starts of matches asked for, it was
// eight), and the scan stays as fast as for plain letters.

#include "broker/triage/patterns.h"

#include "broker/triage/plain_text.h"
#include "proto/must.h"

#include <hs/hs.h>
#include <unictype.h>
#include <uninorm.h>

#include <ctype.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GAP_CHARACTERS_MAX 3   // what a blank of a phrase stands for
#define STAR_CHARACTERS_MAX 30 // what a * inside a word stands for
#define STARS_MAX 4            // inside the words of one pattern
#define PLACES_MAX 512         // ways in which one pattern can lie in a text that are looked at

// Letters of scripts that part their words by blanks, and those that do not as well, as ranges.  Wide ranges
// instead of \p{L} or UCP: a Unicode property costs Vectorscan 0.1 s at every use, a range nothing.
#define SPACED_LETTERS                                                                                                 \
    "0-9a-z\\x{c0}-\\x{d6}\\x{d8}-\\x{f6}\\x{f8}-\\x{dff}\\x{f00}-\\x{fff}\\x{10a0}-\\x{177f}\\x{1800}-\\x{1fff}"      \
    "\\x{2c00}-\\x{2dff}\\x{a000}-\\x{d7ff}\\x{fb00}-\\x{fdff}\\x{10000}-\\x{1afff}\\x{1c000}-\\x{1efff}"
#define LETTERS                                                                                                        \
    SPACED_LETTERS "_\\x{e00}-\\x{eff}\\x{1000}-\\x{109f}\\x{1780}-\\x{17ff}\\x{3005}-\\x{3007}\\x{3041}-\\x{9fff}"    \
                   "\\x{f900}-\\x{faff}\\x{20000}-\\x{3ffff}"

// What stands before and after a whole word, for regular expressions that ask for it.
#define BEFORE "(?:^|(?-i:[^" SPACED_LETTERS "]))"
#define AFTER "(?:\\z|(?-i:[^" SPACED_LETTERS "]))"

enum piece_kind {
    PIECE_LETTERS,    // exactly these
    PIECE_GAP,        // up to GAP_CHARACTERS_MAX characters that are no letters, at least one
    PIECE_STAR,       // up to STAR_CHARACTERS_MAX letters
    PIECE_APOSTROPHE, // one of the signs that people type for it
};

struct piece {
    enum piece_kind kind;
    const char *text; // letters: in the pattern's folded text
    size_t bytes;
};

// A word or phrase has pieces; a regular expression has none.
struct pattern {
    char *expression; // for Vectorscan
    unsigned flags;   // HS_FLAG_...
    struct plain_text folded;
    struct piece *pieces;
    size_t piece_count;
    size_t anchor;  // the piece that `expression` finds
    bool open_head; // began with *: no boundary before it
    bool open_tail; // ended with *
};

struct patterns {
    uint64_t serial; // of this process; no two are alike
    struct pattern *patterns;
    size_t count;
    size_t capacity;
    size_t words;  // words and phrases among them
    size_t budget; // what further regular expressions may cost
    bool compiled;
    hs_database_t *database; // NULL when there are no patterns
};

struct patterns_memory {
    hs_scratch_t *scratch;
    uint64_t serial;   // of the patterns it was last used with
    uint64_t *found;   // a bit for each pattern; all zero between uses
    uint32_t *indexes; // those found
    size_t capacity;   // patterns there is room for in both
};

// An expression being written.
struct writing {
    char *text;
    size_t used;
    size_t capacity;
};

static void write_text(struct writing *writing, const char *text)
{
    size_t bytes = strlen(text);
    if (writing->used + bytes + 1 > writing->capacity) {
        writing->capacity = 2 * (writing->used + bytes + 1);
        writing->text = realloc(writing->text, writing->capacity);
        must(writing->text != NULL);
    }
    memcpy(writing->text + writing->used, text, bytes + 1);
    writing->used += bytes;
}

static void write_byte(struct writing *writing, unsigned char byte)
{
    char escaped[5];
    if (byte < 0x80 && isalnum(byte))
        snprintf(escaped, sizeof escaped, "%c", byte);
    else
        snprintf(escaped, sizeof escaped, "\\x%02x", byte);
    write_text(writing, escaped);
}

static bool is_apostrophe(uint32_t code)
{
    return code == '\'' || code == '`' || code == 0x2018 || code == 0x2019 || code == 0x2032 || code == 0x2BC;
}

static bool is_gap(char byte)
{
    return byte == ' ' || byte == '-';
}

// Scripts whose words are not parted by blanks.  U+3000 to U+30FF holds signs that kana share.
static bool runs_on(uint32_t code)
{
    static const char *const scripts[] = { "Han", "Hiragana", "Katakana", "Thai", "Lao", "Khmer", "Myanmar" };
    if (code >= 0x3000 && code <= 0x30FF)
        return true;
    const uc_script_t *script = uc_script(code);
    if (script == NULL)
        return false;
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++)
        if (strcmp(script->name, scripts[i]) == 0)
            return true;
    return false;
}

static bool belongs_to_word(uint32_t code)
{
    return uc_is_general_category_withtable(code, UC_CATEGORY_MASK_L | UC_CATEGORY_MASK_M | UC_CATEGORY_MASK_N);
}

// Reads the character that ends at the offset, which is not 0; returns where it begins.
static size_t step_back(const char *text, size_t bytes, size_t offset, uint32_t *code)
{
    size_t start = offset - 1;
    while (start > 0 && ((unsigned char) text[start] & 0xC0) == 0x80)
        start--;
    plain_text_character(text + start, bytes - start, code);
    return start;
}

// True if a word may begin or end at the offset.
static bool is_boundary(const char *text, size_t bytes, size_t offset)
{
    if (offset == 0 || offset >= bytes)
        return true;
    uint32_t before = 0;
    uint32_t after = 0;
    step_back(text, bytes, offset, &before);
    plain_text_character(text + offset, bytes - offset, &after);
    return !belongs_to_word(before) || !belongs_to_word(after) || runs_on(before) || runs_on(after);
}

// ---- words and phrases around what was found of them ----

// Offsets in a text to which a pattern's pieces have been followed, ascending or descending, each once.
struct places {
    size_t offsets[PLACES_MAX];
    size_t count;
};

static void add_place(struct places *places, size_t offset)
{
    for (size_t i = places->count; i-- > 0;)
        if (places->offsets[i] == offset)
            return;
    if (places->count < PLACES_MAX)
        places->offsets[places->count++] = offset;
}

struct around {
    const char *text;
    size_t bytes;
    bool forward; // else towards the beginning
};

// Goes past one character.  Returns false at the end.
static bool step(const struct around *around, size_t *offset, uint32_t *code)
{
    if (around->forward) {
        if (*offset >= around->bytes)
            return false;
        *offset += plain_text_character(around->text + *offset, around->bytes - *offset, code);
        return true;
    }
    if (*offset == 0)
        return false;
    *offset = step_back(around->text, around->bytes, *offset, code);
    return true;
}

static void follow_letters(const struct around *around, const struct piece *piece, size_t offset, struct places *places)
{
    if (around->forward ? around->bytes - offset < piece->bytes : offset < piece->bytes)
        return;
    size_t start = around->forward ? offset : offset - piece->bytes;
    if (memcmp(around->text + start, piece->text, piece->bytes) == 0)
        add_place(places, around->forward ? offset + piece->bytes : start);
}

// Goes past `least` to `most` characters that are letters, or are not.
static void follow_run(const struct around *around, bool letters, size_t least, size_t most, size_t offset,
                       struct places *places)
{
    uint32_t code = 0;
    if (least == 0)
        add_place(places, offset);
    for (size_t i = 1; i <= most && step(around, &offset, &code) && belongs_to_word(code) == letters; i++)
        add_place(places, offset);
}

// U+00B4, typed for an apostrophe, is a blank with an accent once folded.
static void follow_apostrophe(const struct around *around, size_t offset, struct places *places)
{
    struct piece accent = { PIECE_LETTERS, " \xCC\x81", 3 };
    uint32_t code = 0;
    follow_letters(around, &accent, offset, places);
    if (step(around, &offset, &code) && is_apostrophe(code))
        add_place(places, offset);
}

static void follow(const struct around *around, const struct piece *piece, const struct places *from, struct places *to)
{
    to->count = 0;
    for (size_t i = 0; i < from->count; i++) {
        size_t offset = from->offsets[i];
        switch (piece->kind) {
        case PIECE_LETTERS:
            follow_letters(around, piece, offset, to);
            break;
        case PIECE_GAP:
            follow_run(around, false, 1, GAP_CHARACTERS_MAX, offset, to);
            break;
        case PIECE_STAR:
            follow_run(around, true, 0, STAR_CHARACTERS_MAX, offset, to);
            break;
        case PIECE_APOSTROPHE:
            follow_apostrophe(around, offset, to);
            break;
        }
    }
}

// True if the pieces on one side of the anchor lie in the text from `offset` on, up to the end of a word
// unless that end is open.
static bool lies_around(const struct pattern *pattern, const struct around *around, size_t offset)
{
    struct places places[2];
    size_t now = 0;
    places[0].count = 1;
    places[1].count = 0;
    places[0].offsets[0] = offset;
    size_t left = around->forward ? pattern->piece_count - 1 - pattern->anchor : pattern->anchor;
    for (size_t i = 1; i <= left && places[now].count > 0; i++, now = 1 - now) {
        size_t piece = around->forward ? pattern->anchor + i : pattern->anchor - i;
        follow(around, &pattern->pieces[piece], &places[now], &places[1 - now]);
    }
    bool open = around->forward ? pattern->open_tail : pattern->open_head;
    for (size_t i = 0; i < places[now].count; i++)
        if (open || is_boundary(around->text, around->bytes, places[now].offsets[i]))
            return true;
    return false;
}

// True if the whole pattern lies where its anchor was found to end.
static bool lies_at(const struct pattern *pattern, const char *text, size_t bytes, size_t anchor_end)
{
    struct around back = { text, bytes, false };
    struct around ahead = { text, bytes, true };
    return lies_around(pattern, &back, anchor_end - pattern->pieces[pattern->anchor].bytes) &&
           lies_around(pattern, &ahead, anchor_end);
}

// ---- making patterns ----

static bool refuse(char reason[PATTERN_REASON_BYTES], const char *why)
{
    snprintf(reason, PATTERN_REASON_BYTES, "%s", why);
    return false;
}

static size_t count_letters(const char *text, size_t bytes)
{
    size_t count = 0;
    for (size_t i = 0; i < bytes; i++)
        if (text[i] != '*' && !is_gap(text[i]) && ((unsigned char) text[i] & 0xC0) != 0x80)
            count++;
    return count;
}

static void add_piece(struct pattern *pattern, enum piece_kind kind, const char *text, size_t bytes)
{
    struct piece *last = pattern->piece_count > 0 ? &pattern->pieces[pattern->piece_count - 1] : NULL;
    if (last != NULL && last->kind == kind && kind != PIECE_APOSTROPHE) {
        last->bytes += bytes;
        return;
    }
    pattern->pieces = realloc(pattern->pieces, (pattern->piece_count + 1) * sizeof *pattern->pieces);
    must(pattern->pieces != NULL);
    pattern->pieces[pattern->piece_count++] = (struct piece){ kind, text, bytes };
}

// Takes a folded word or phrase without its outer stars apart.
static void add_pieces(struct pattern *pattern, const char *text, size_t bytes)
{
    for (size_t at = 0; at < bytes;) {
        uint32_t code = 0;
        size_t length = plain_text_character(text + at, bytes - at, &code);
        bool inside = at > 0 && at + length < bytes;
        if (code == '*')
            add_piece(pattern, PIECE_STAR, text + at, length);
        else if (inside && is_gap(text[at]))
            add_piece(pattern, PIECE_GAP, text + at, length);
        else if (is_apostrophe(code))
            add_piece(pattern, PIECE_APOSTROPHE, text + at, length);
        else
            add_piece(pattern, PIECE_LETTERS, text + at, length);
        at += length;
    }
}

// Makes the longest letters the anchor.  Returns false if there are none.
static bool choose_anchor(struct pattern *pattern, size_t *stars)
{
    bool any = false;
    *stars = 0;
    for (size_t i = 0; i < pattern->piece_count; i++) {
        const struct piece *piece = &pattern->pieces[i];
        *stars += piece->kind == PIECE_STAR;
        if (piece->kind != PIECE_LETTERS || (any && piece->bytes <= pattern->pieces[pattern->anchor].bytes))
            continue;
        pattern->anchor = i;
        any = true;
    }
    return any;
}

static char *write_anchor(const struct pattern *pattern)
{
    const struct piece *anchor = &pattern->pieces[pattern->anchor];
    struct writing writing = { 0 };
    for (size_t i = 0; i < anchor->bytes; i++)
        write_byte(&writing, (unsigned char) anchor->text[i]);
    return writing.text;
}

static bool make_word(struct pattern *pattern, const char *text, size_t text_bytes, char reason[PATTERN_REASON_BYTES])
{
    plain_text_for_patterns(&pattern->folded, text, text_bytes);
    const char *folded = pattern->folded.text;
    size_t start = 0;
    size_t end = pattern->folded.bytes;
    while (start < end && (folded[start] == '*' || folded[start] == ' '))
        pattern->open_head = folded[start++] == '*' || pattern->open_head;
    while (end > start && (folded[end - 1] == '*' || folded[end - 1] == ' '))
        pattern->open_tail = folded[--end] == '*' || pattern->open_tail;

    size_t letters = count_letters(folded + start, end - start);
    size_t stars = 0;
    add_pieces(pattern, folded + start, end - start);
    if (letters == 0 || !choose_anchor(pattern, &stars))
        return refuse(reason, "an empty pattern; write a word, a phrase or /a regular expression/");
    if ((pattern->open_head || pattern->open_tail) && letters == 1 && (unsigned char) folded[start] < 0x80)
        return refuse(reason, "one letter and a * would be found in nearly every post; write more of the word");
    if (stars > STARS_MAX)
        return refuse(reason, "more than 4 times a * inside of words; make several patterns of it");
    pattern->expression = write_anchor(pattern);
    return true;
}

// What compiling an expression will cost, and what \b cannot be used with.
struct survey {
    size_t atoms;           // characters and classes
    size_t repeats;         // product of the upper bounds in {}
    bool boundary_inside;   // \b or \B elsewhere than at an end
    bool outer_alternative; // | outside of any group
    bool negated_inside;    // \W inside of [ ]
};

// Reads a repeat at `*at`, a {, and leaves `*at` at its }.  Returns its upper bound; 1, and nothing moved, when
// it is no repeat.
static size_t read_repeat(const char *text, size_t bytes, size_t *at)
{
    size_t bound = 0;
    size_t number = 0;
    bool digits = false;
    for (size_t i = *at + 1; i < bytes; i++) {
        if (isdigit((unsigned char) text[i])) {
            digits = true;
            number = number > 100000 ? number : number * 10 + (size_t) (text[i] - '0');
        } else if (text[i] == ',' || text[i] == '}') {
            bound = number > bound ? number : bound;
            number = 0;
        } else {
            return 1;
        }
        if (text[i] == '}' && digits) {
            *at = i;
            return bound > 0 ? bound : 1;
        }
    }
    return 1;
}

// Length of what begins a class: [ or [^, and a ] that stands for itself.
static size_t class_start(const char *text, size_t bytes, size_t at)
{
    size_t length = 1;
    length += at + length < bytes && text[at + length] == '^';
    length += at + length < bytes && text[at + length] == ']';
    return length;
}

// Looks at the escape at `*at`, a backslash, and leaves `*at` at its end.
static void survey_escape(struct survey *survey, const char *text, size_t bytes, size_t *at, bool in_class)
{
    char escaped = text[++*at];
    survey->boundary_inside |= !in_class && (escaped == 'b' || escaped == 'B');
    survey->negated_inside |= in_class && escaped == 'W';
    survey->atoms += escaped == 'p' || escaped == 'P' ? PATTERN_PROPERTY_COST : !in_class;
    bool braces = strchr("xpPNgko", escaped) != NULL && *at + 1 < bytes && text[*at + 1] == '{';
    const char *end = braces ? memchr(text + *at, '}', bytes - *at) : NULL;
    if (end != NULL)
        *at = (size_t) (end - text);
}

static struct survey survey_expression(const char *text, size_t bytes)
{
    struct survey survey = { .repeats = 1 };
    size_t depth = 0;
    bool in_class = false;
    for (size_t at = 0; at < bytes; at++) {
        char byte = text[at];
        if (byte == '\\' && at + 1 < bytes) {
            survey_escape(&survey, text, bytes, &at, in_class);
        } else if (in_class) {
            in_class = byte != ']';
        } else if (byte == '[') {
            in_class = true;
            survey.atoms++;
            at += class_start(text, bytes, at) - 1;
        } else if (byte == '(') {
            depth++;
        } else if (byte == ')' && depth > 0) {
            depth--;
        } else if (byte == '|' && depth == 0) {
            survey.outer_alternative = true;
        } else if (byte == '{' && survey.repeats <= PATTERN_COST_MAX) {
            survey.repeats *= read_repeat(text, bytes, &at);
        } else {
            survey.atoms++;
        }
    }
    return survey;
}

// Writes one escaped character of an expression: \w and \W stand for the letters of every script.
static void write_escape(struct writing *writing, char escaped, bool in_class)
{
    char plain[3] = { '\\', escaped, '\0' };
    if (escaped == 'w')
        write_text(writing, in_class ? LETTERS : "[" LETTERS "]");
    else if (escaped == 'W')
        write_text(writing, "[^" LETTERS "]");
    else
        write_text(writing, plain);
}

// Folds what is not ASCII of an expression as the text is; its ASCII may be syntax, and the case does not
// matter to Vectorscan.
static char *fold_expression(const char *text, size_t text_bytes)
{
    size_t bytes = 0;
    uint8_t *composed = u8_normalize(UNINORM_NFC, (const uint8_t *) text, text_bytes, NULL, &bytes);
    must(composed != NULL);
    struct writing writing = { 0 };
    write_text(&writing, "");
    struct plain_text folded = { 0 };
    bool in_class = false;
    for (size_t at = 0; at < bytes;) {
        size_t end = at;
        while (end < bytes && composed[end] >= 0x80)
            end++;
        char ascii[2] = { (char) composed[at], '\0' };
        if (end > at) {
            plain_text_for_patterns(&folded, (const char *) composed + at, end - at);
            write_text(&writing, folded.text);
            at = end;
        } else if (ascii[0] == '\\' && at + 1 < bytes && composed[at + 1] < 0x80) {
            write_escape(&writing, (char) composed[at + 1], in_class);
            at += 2;
        } else if (ascii[0] == '[' && !in_class) {
            in_class = true;
            for (size_t left = class_start((const char *) composed, bytes, at); left > 0; left--) {
                char start[2] = { (char) composed[at++], '\0' };
                write_text(&writing, start);
            }
        } else {
            in_class = in_class && ascii[0] != ']';
            write_text(&writing, ascii);
            at++;
        }
    }
    plain_text_fini(&folded);
    free(composed);
    return writing.text;
}

// Asks Vectorscan whether it understands an expression.
static bool understands(const char *expression, unsigned flags, char reason[PATTERN_REASON_BYTES])
{
    hs_compile_error_t *error = NULL;
    hs_expr_info_t *information = NULL;
    bool good = hs_expression_info(expression, flags, &information, &error) == HS_SUCCESS;
    if (!good && strstr(error->message, "matches empty") != NULL)
        refuse(reason, "this expression is found in every text; something in it must not be optional");
    else if (!good)
        snprintf(reason, PATTERN_REASON_BYTES, "not a regular expression that can be used here: %s", error->message);
    else if (information->min_width == 0)
        good = refuse(reason, "this expression is found in every text; something in it must not be optional");
    hs_free_compile_error(error);
    free(information);
    return good;
}

static bool ends_with_boundary(const char *text, size_t bytes)
{
    size_t slashes = 0;
    while (slashes + 1 < bytes && text[bytes - 2 - slashes] == '\\')
        slashes++;
    return bytes >= 2 && text[bytes - 1] == 'b' && slashes % 2 == 1;
}

static bool make_expression(struct pattern *pattern, const char *text, size_t bytes, size_t *budget,
                            char reason[PATTERN_REASON_BYTES])
{
    bool head = bytes >= 2 && text[0] == '\\' && text[1] == 'b';
    text += head ? 2 : 0;
    bytes -= head ? 2 : 0;
    bool tail = ends_with_boundary(text, bytes);
    bytes -= tail ? 2 : 0;

    struct survey survey = survey_expression(text, bytes);
    if (survey.boundary_inside)
        return refuse(reason, "\\b can stand only at the beginning and at the end of an expression, and \\B nowhere");
    if ((head || tail) && survey.outer_alternative)
        return refuse(reason, "with \\b, put alternatives into parentheses: /\\b(one|other)\\b/");
    if (survey.negated_inside)
        return refuse(reason, "\\W cannot stand inside of [ ]; write [^\\w...] instead");
    size_t cost = survey.atoms * survey.repeats;
    if (cost > PATTERN_COST_MAX)
        return refuse(reason,
                      "too costly: its characters, times the upper numbers in {}, make more than 1000 (\\p counts "
                      "50; \\w finds letters of every script)");
    if (cost > *budget)
        return refuse(reason,
                      "one too many: the regular expressions of a desk together are too costly; write words and "
                      "phrases instead");
    *budget -= cost;

    char *folded = fold_expression(text, bytes);
    pattern->flags = HS_FLAG_UTF8 | HS_FLAG_CASELESS | HS_FLAG_SINGLEMATCH;
    bool good = understands(folded, pattern->flags, reason);
    if (good) {
        struct writing writing = { 0 };
        write_text(&writing, head ? BEFORE "(?:" : "(?:");
        write_text(&writing, folded);
        write_text(&writing, tail ? ")" AFTER : ")");
        pattern->expression = writing.text;
        good = understands(pattern->expression, pattern->flags, reason);
    }
    free(folded);
    return good;
}

static void empty_pattern(struct pattern *pattern)
{
    free(pattern->expression);
    free(pattern->pieces);
    plain_text_fini(&pattern->folded);
}

struct patterns *patterns_new(void)
{
    static atomic_uint_fast64_t serials = 1;
    struct patterns *patterns = calloc(1, sizeof *patterns);
    must(patterns != NULL);
    patterns->budget = PATTERNS_COST_MAX;
    patterns->serial = atomic_fetch_add(&serials, 1);
    return patterns;
}

void patterns_destroy(struct patterns **patterns_p)
{
    struct patterns *patterns = *patterns_p;
    if (patterns == NULL)
        return;
    for (size_t i = 0; i < patterns->count; i++)
        empty_pattern(&patterns->patterns[i]);
    free(patterns->patterns);
    hs_free_database(patterns->database);
    free(patterns);
    *patterns_p = NULL;
}

bool patterns_add(struct patterns *patterns, const char *text, size_t bytes, char reason[PATTERN_REASON_BYTES])
{
    must(!patterns->compiled);
    bool expression = bytes >= 2 && text[0] == '/' && text[bytes - 1] == '/';
    if (bytes > PATTERN_BYTES_MAX)
        return refuse(reason, "longer than 256 bytes; make several patterns of it");
    if (memchr(text, '\0', bytes) != NULL)
        return refuse(reason, "has a NUL character in it");
    if (!expression && patterns->words == PATTERNS_WORDS_MAX)
        return refuse(reason, "more than 8000 words and phrases");

    struct pattern pattern = { 0 };
    bool good = expression ? make_expression(&pattern, text + 1, bytes - 2, &patterns->budget, reason)
                           : make_word(&pattern, text, bytes, reason);
    if (!good) {
        empty_pattern(&pattern);
        return false;
    }
    if (patterns->count == patterns->capacity) {
        patterns->capacity = patterns->capacity > 0 ? 2 * patterns->capacity : 64;
        patterns->patterns = realloc(patterns->patterns, patterns->capacity * sizeof pattern);
        must(patterns->patterns != NULL);
    }
    patterns->patterns[patterns->count++] = pattern;
    patterns->words += !expression;
    return true;
}

size_t patterns_count(const struct patterns *patterns)
{
    return patterns->count;
}

static bool compile_all(struct patterns *patterns, uint32_t *at_fault, char reason[PATTERN_REASON_BYTES])
{
    size_t count = patterns->count;
    const char **expressions = calloc(count, sizeof *expressions);
    unsigned *flags = calloc(count, sizeof *flags);
    unsigned *ids = calloc(count, sizeof *ids);
    must(expressions != NULL && flags != NULL && ids != NULL);
    for (size_t i = 0; i < count; i++) {
        expressions[i] = patterns->patterns[i].expression;
        flags[i] = patterns->patterns[i].flags;
        ids[i] = (unsigned) i;
    }
    hs_compile_error_t *error = NULL;
    bool good = hs_compile_multi(expressions, flags, ids, (unsigned) count, HS_MODE_BLOCK, NULL, &patterns->database,
                                 &error) == HS_SUCCESS;
    if (!good) {
        *at_fault = error->expression >= 0 ? (uint32_t) error->expression : UINT32_MAX;
        snprintf(reason, PATTERN_REASON_BYTES, "too much for the pattern matcher: %s", error->message);
    }
    hs_free_compile_error(error);
    free(expressions);
    free(flags);
    free(ids);
    return good;
}

bool patterns_compile(struct patterns *patterns, uint32_t *at_fault, char reason[PATTERN_REASON_BYTES])
{
    must(!patterns->compiled);
    *at_fault = UINT32_MAX;
    if (hs_valid_platform() != HS_SUCCESS)
        return refuse(reason, "this computer's processor lacks what Vectorscan needs (SSE4.2 or NEON)");
    if (patterns->count > 0 && !compile_all(patterns, at_fault, reason))
        return false;
    patterns->compiled = true;
    return true;
}

struct patterns_memory *patterns_memory_new(void)
{
    struct patterns_memory *memory = calloc(1, sizeof *memory);
    must(memory != NULL);
    return memory;
}

void patterns_memory_destroy(struct patterns_memory **memory_p)
{
    struct patterns_memory *memory = *memory_p;
    if (memory == NULL)
        return;
    hs_free_scratch(memory->scratch);
    free(memory->found);
    free(memory->indexes);
    free(memory);
    *memory_p = NULL;
}

struct search {
    const struct patterns *patterns;
    uint64_t *found;
    const char *text;
    size_t bytes;
};

static int take_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *argument)
{
    (void) from;
    (void) flags;
    struct search *search = argument;
    const struct pattern *pattern = &search->patterns->patterns[id];
    uint64_t bit = UINT64_C(1) << (id % 64);
    if (search->found[id / 64] & bit)
        return 0;
    if (pattern->piece_count == 0 || lies_at(pattern, search->text, search->bytes, (size_t) to))
        search->found[id / 64] |= bit;
    return 0;
}

static void make_room(struct patterns_memory *memory, const struct patterns *patterns)
{
    if (memory->serial == patterns->serial)
        return;
    memory->serial = patterns->serial;
    // Grows where this database needs more than those before it.
    must(hs_alloc_scratch(patterns->database, &memory->scratch) == HS_SUCCESS);
    if (memory->capacity >= patterns->count)
        return;
    free(memory->found);
    free(memory->indexes);
    memory->capacity = patterns->count;
    memory->found = calloc((patterns->count + 63) / 64, sizeof *memory->found);
    memory->indexes = calloc(patterns->count, sizeof *memory->indexes);
    must(memory->found != NULL && memory->indexes != NULL);
}

const uint32_t *patterns_find(const struct patterns *patterns, struct patterns_memory *memory, const char *text,
                              size_t bytes, size_t *count)
{
    must(patterns->compiled);
    *count = 0;
    if (patterns->database == NULL)
        return NULL;
    make_room(memory, patterns);
    struct search search = { .patterns = patterns, .found = memory->found, .text = text, .bytes = bytes };
    must(hs_scan(patterns->database, text, (unsigned) bytes, 0, memory->scratch, take_match, &search) == HS_SUCCESS);
    for (size_t word = 0; word < (patterns->count + 63) / 64; word++) {
        for (uint64_t bits = memory->found[word]; bits != 0; bits &= bits - 1)
            memory->indexes[(*count)++] = (uint32_t) (word * 64 + (size_t) __builtin_ctzll(bits));
        memory->found[word] = 0;
    }
    return memory->indexes;
}
