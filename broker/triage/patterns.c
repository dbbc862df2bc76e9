// patterns.c - words, phrases and regular expressions, all looked for in one pass over a text.
//
// Words and phrases become expressions over bytes, not characters: their text is folded already, and a
// thousand of them then compile in a fraction of the time that Vectorscan's UTF-8 mode takes.  Where the
// length of a match is known, its start is; else Vectorscan is asked for the start.

#include "broker/triage/patterns.h"

#include "broker/triage/plain_text.h"
#include "proto/must.h"

#include <hs/hs.h>
#include <unictype.h>
#include <uninorm.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// What a blank of a phrase stands for: ASCII that is no letter or digit, general punctuation (dashes,
// ellipses), CJK punctuation, the Latin-1 signs.
#define GAP "(?:[^0-9a-z\\x80-\\xff]|\\xc2[\\x80-\\xbf]|\\xe2[\\x80\\x81][\\x80-\\xbf]|\\xe3\\x80[\\x80-\\xbf]){1,3}"

// What a * inside a word stands for: letters and digits, as near as bytes can tell them.
#define LETTERS                                                                                                        \
    "(?:[0-9a-z]|[\\xc3-\\xdf][\\x80-\\xbf]|[\\xe0\\xe1\\xe4-\\xef][\\x80-\\xbf]{2}|\\xe2[\\x82-\\xbf][\\x80-\\xbf]"     \
    "|\\xe3[\\x81-\\xbf][\\x80-\\xbf]|[\\xf0-\\xf4][\\x80-\\xbf]{3}){0,30}"

// Every sign that people type for an apostrophe, as it is after folding.
#define APOSTROPHE "(?:['`]|\\xe2\\x80[\\x98\\x99\\xb2]|\\xca\\xbc| \\xcc\\x81)"

// What stands before and after a whole word, for regular expressions that ask for it.
#define BEFORE "(?:^|[^\\p{L}\\p{M}\\p{N}]|[\\p{Han}\\p{Hiragana}\\p{Katakana}\\p{Thai}\\p{Lao}\\p{Khmer}\\p{Myanmar}])"
#define AFTER "(?:\\z|[^\\p{L}\\p{M}\\p{N}]|[\\p{Han}\\p{Hiragana}\\p{Katakana}\\p{Thai}\\p{Lao}\\p{Khmer}\\p{Myanmar}])"

struct pattern {
    char *expression;   // for Vectorscan
    unsigned flags;     // HS_FLAG_...
    size_t bytes;       // length of every match; 0 when it varies
    bool word;          // a word or phrase: boundaries are to be checked
    bool open_head;     // began with *: no boundary before it
    bool open_tail;     // ended with *
};

struct patterns {
    struct pattern *patterns;
    size_t count;
    size_t capacity;
    size_t expressions;     // regular expressions among them
    bool compiled;
    hs_database_t *database; // NULL when there are no patterns
};

struct patterns_memory {
    hs_scratch_t *scratch;
    uint64_t *found;      // a bit for each pattern; all zero between uses
    uint32_t *indexes;    // those found
    size_t capacity;      // patterns there is room for in both
};

// An expression being written.  Long enough: a pattern of PATTERN_BYTES_MAX bytes folds to at most eleven
// times as many, and what a character becomes is at most as long as LETTERS or GAP.
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

static bool is_apostrophe(const char *text, size_t bytes, size_t *length)
{
    uint32_t code = 0;
    *length = plain_text_character(text, bytes, &code);
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

// True if a word may begin or end at the offset.
static bool is_boundary(const char *text, size_t bytes, size_t offset)
{
    if (offset == 0 || offset >= bytes)
        return true;
    size_t before_at = offset - 1;
    while (before_at > 0 && ((unsigned char) text[before_at] & 0xC0) == 0x80)
        before_at--;
    uint32_t before = 0;
    uint32_t after = 0;
    plain_text_character(text + before_at, bytes - before_at, &before);
    plain_text_character(text + offset, bytes - offset, &after);
    return !belongs_to_word(before) || !belongs_to_word(after) || runs_on(before) || runs_on(after);
}

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

// Writes the expression of a folded word or phrase without its outer stars.
static void write_phrase(struct writing *writing, struct pattern *pattern, const char *text, size_t bytes)
{
    bool fixed = true;
    for (size_t at = 0; at < bytes;) {
        size_t length = 0;
        if (text[at] == '*') {
            write_text(writing, LETTERS);
            fixed = false;
            at++;
        } else if (is_gap(text[at]) && at > 0 && at + 1 < bytes) {
            while (at + 1 < bytes && is_gap(text[at + 1]))
                at++;
            write_text(writing, GAP);
            fixed = false;
            at++;
        } else if (is_apostrophe(text + at, bytes - at, &length)) {
            write_text(writing, APOSTROPHE);
            fixed = false;
            at += length;
        } else {
            for (size_t i = 0; i < length; i++)
                write_byte(writing, (unsigned char) text[at + i]);
            at += length;
        }
    }
    pattern->bytes = fixed ? bytes : 0;
    pattern->flags = fixed ? 0 : HS_FLAG_SOM_LEFTMOST;
}

static bool make_word(struct pattern *pattern, const char *text, size_t text_bytes, char reason[PATTERN_REASON_BYTES])
{
    struct plain_text folded = { 0 };
    plain_text_for_patterns(&folded, text, text_bytes);
    size_t start = 0;
    size_t end = folded.bytes;
    while (start < end && (folded.text[start] == '*' || folded.text[start] == ' '))
        pattern->open_head = folded.text[start++] == '*' || pattern->open_head;
    while (end > start && (folded.text[end - 1] == '*' || folded.text[end - 1] == ' '))
        pattern->open_tail = folded.text[--end] == '*' || pattern->open_tail;

    size_t letters = count_letters(folded.text + start, end - start);
    bool open = pattern->open_head || pattern->open_tail;
    bool good = true;
    if (letters == 0)
        good = refuse(reason, "an empty pattern; write a word, a phrase or /a regular expression/");
    else if (open && letters == 1 && (unsigned char) folded.text[start] < 0x80)
        good = refuse(reason, "one letter and a * would be found in nearly every post; write more of the word");
    if (good) {
        struct writing writing = { 0 };
        pattern->word = true;
        write_phrase(&writing, pattern, folded.text + start, end - start);
        pattern->expression = writing.text;
    }
    plain_text_fini(&folded);
    return good;
}

// Multiplies the upper bounds of an expression's repeats; stops counting past PATTERN_REPEAT_MAX.  Also
// finds what \b cannot be used with.
struct survey {
    size_t repeats;
    bool boundary_inside;  // \b or \B elsewhere than at an end
    bool outer_alternative; // | outside of any group
};

static size_t repeat_bound(const char *text, size_t bytes, size_t at)
{
    size_t bound = 0;
    size_t number = 0;
    bool digits = false;
    for (at++; at < bytes && text[at] != '}'; at++) {
        if (text[at] == ',') {
            bound = number > bound ? number : bound;
            number = 0;
        } else if (isdigit((unsigned char) text[at])) {
            digits = true;
            number = number > 100000 ? number : number * 10 + (size_t) (text[at] - '0');
        } else {
            return 1;
        }
    }
    if (at == bytes || !digits)
        return 1;
    bound = number > bound ? number : bound;
    return bound > 0 ? bound : 1;
}

static struct survey survey_expression(const char *text, size_t bytes)
{
    struct survey survey = { .repeats = 1 };
    size_t depth = 0;
    bool in_class = false;
    for (size_t at = 0; at < bytes; at++) {
        char byte = text[at];
        if (byte == '\\' && at + 1 < bytes) {
            at++;
            survey.boundary_inside |= !in_class && (text[at] == 'b' || text[at] == 'B');
        } else if (in_class) {
            in_class = byte != ']';
        } else if (byte == '[') {
            in_class = true;
            at += at + 1 < bytes && text[at + 1] == '^';
            at += at + 1 < bytes && text[at + 1] == ']';
        } else if (byte == '(') {
            depth++;
        } else if (byte == ')' && depth > 0) {
            depth--;
        } else if (byte == '|' && depth == 0) {
            survey.outer_alternative = true;
        } else if (byte == '{' && survey.repeats <= PATTERN_REPEAT_MAX) {
            survey.repeats *= repeat_bound(text, bytes, at);
        }
    }
    return survey;
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
    for (size_t at = 0; at < bytes;) {
        size_t end = at;
        while (end < bytes && composed[end] >= 0x80)
            end++;
        if (end > at) {
            plain_text_for_patterns(&folded, (const char *) composed + at, end - at);
            write_text(&writing, folded.text);
            at = end;
        } else {
            char ascii[2] = { (char) composed[at++], '\0' };
            write_text(&writing, ascii);
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

static bool make_expression(struct pattern *pattern, const char *text, size_t bytes, char reason[PATTERN_REASON_BYTES])
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
    if (survey.repeats > PATTERN_REPEAT_MAX)
        return refuse(reason, "repeats too often: the upper numbers in {} multiply to more than 200");

    char *folded = fold_expression(text, bytes);
    pattern->flags = HS_FLAG_UTF8 | HS_FLAG_UCP | HS_FLAG_CASELESS | HS_FLAG_SINGLEMATCH;
    bool good = understands(folded, pattern->flags, reason);
    if (good) {
        struct writing writing = { 0 };
        write_text(&writing, head ? BEFORE "(?:" : "(?:");
        write_text(&writing, folded);
        write_text(&writing, tail ? ")" AFTER : ")");
        pattern->expression = writing.text;
        good = understands(pattern->expression, pattern->flags, reason);
        if (!good)
            free(pattern->expression);
    }
    free(folded);
    return good;
}

struct patterns *patterns_new(void)
{
    struct patterns *patterns = calloc(1, sizeof *patterns);
    must(patterns != NULL);
    return patterns;
}

void patterns_destroy(struct patterns **patterns_p)
{
    struct patterns *patterns = *patterns_p;
    if (patterns == NULL)
        return;
    for (size_t i = 0; i < patterns->count; i++)
        free(patterns->patterns[i].expression);
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
    if (expression && patterns->expressions == PATTERNS_EXPRESSIONS_MAX)
        return refuse(reason, "more than 200 regular expressions; write words and phrases instead");
    if (!expression && patterns->count - patterns->expressions == PATTERNS_WORDS_MAX)
        return refuse(reason, "more than 8000 words and phrases");

    struct pattern pattern = { 0 };
    bool good = expression ? make_expression(&pattern, text + 1, bytes - 2, reason)
                           : make_word(&pattern, text, bytes, reason);
    if (!good)
        return false;
    if (patterns->count == patterns->capacity) {
        patterns->capacity = patterns->capacity > 0 ? 2 * patterns->capacity : 64;
        patterns->patterns = realloc(patterns->patterns, patterns->capacity * sizeof pattern);
        must(patterns->patterns != NULL);
    }
    patterns->patterns[patterns->count++] = pattern;
    patterns->expressions += expression;
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
    (void) flags;
    struct search *search = argument;
    const struct pattern *pattern = &search->patterns->patterns[id];
    uint64_t bit = UINT64_C(1) << (id % 64);
    if (search->found[id / 64] & bit)
        return 0;
    if (pattern->word) {
        size_t start = pattern->bytes > 0 ? (size_t) to - pattern->bytes : (size_t) from;
        if (!pattern->open_head && !is_boundary(search->text, search->bytes, start))
            return 0;
        if (!pattern->open_tail && !is_boundary(search->text, search->bytes, (size_t) to))
            return 0;
    }
    search->found[id / 64] |= bit;
    return 0;
}

static void make_room(struct patterns_memory *memory, const struct patterns *patterns)
{
    // Grows the scratch where this database needs more than those before it.
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
