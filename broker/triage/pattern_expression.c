// pattern_expression.c - what an expression costs, what in it cannot be used, and its letters as texts are written.
//
// Vectorscan knows no Unicode word boundaries and no \w of every script: both are written out here.

#include "broker/triage/pattern_expression.h"

#include "broker/triage/readings.h"
#include "proto/base/must.h"

#include <ctype.h>
#include <hs/hs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uninorm.h>

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

// An expression being written.
struct writing {
    char *text;
    size_t used;
    size_t capacity;
};

static void pattern_write_text(struct writing *writing, const char *text)
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
static size_t pattern_read_repeat(const char *text, size_t bytes, size_t *at)
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
static size_t pattern_class_start(const char *text, size_t bytes, size_t at)
{
    size_t length = 1;
    length += at + length < bytes && text[at + length] == '^';
    length += at + length < bytes && text[at + length] == ']';
    return length;
}

// Looks at the escape at `*at`, a backslash, and leaves `*at` at its end.
static void pattern_survey_escape(struct survey *survey, const char *text, size_t bytes, size_t *at, bool in_class)
{
    char escaped = text[++*at];
    survey->boundary_inside |= !in_class && (escaped == 'b' || escaped == 'B');
    survey->negated_inside |= in_class && escaped == 'W';
    survey->atoms += escaped == 'p' || escaped == 'P' ? PATTERN_PROPERTY_COST : !in_class;
    bool braces = strchr("xpPNgko", escaped) != NULL && *at + 1 < bytes && text[*at + 1] == '{';
    const char *end = braces ? memchr(text + *at, '}', bytes - *at) : NULL;
    if (end != NULL) {
        *at = (size_t) (end - text);
    }
}

static struct survey pattern_survey_expression(const char *text, size_t bytes)
{
    struct survey survey = { .repeats = 1 };
    size_t depth = 0;
    bool in_class = false;
    for (size_t at = 0; at < bytes; at++) {
        char byte = text[at];
        if (byte == '\\' && at + 1 < bytes) {
            pattern_survey_escape(&survey, text, bytes, &at, in_class);
        } else if (in_class) {
            in_class = byte != ']';
        } else if (byte == '[') {
            in_class = true;
            survey.atoms++;
            at += pattern_class_start(text, bytes, at) - 1;
        } else if (byte == '(') {
            depth++;
        } else if (byte == ')' && depth > 0) {
            depth--;
        } else if (byte == '|' && depth == 0) {
            survey.outer_alternative = true;
        } else if (byte == '{' && survey.repeats <= PATTERN_COST_MAX) {
            survey.repeats *= pattern_read_repeat(text, bytes, &at);
        } else {
            survey.atoms++;
        }
    }
    return survey;
}

// Writes one escaped character of an expression: \w and \W stand for the letters of every script.
static void pattern_write_escape(struct writing *writing, char escaped, bool in_class)
{
    char plain[3] = { '\\', escaped, '\0' };
    if (escaped == 'w') {
        pattern_write_text(writing, in_class ? LETTERS : "[" LETTERS "]");
    } else if (escaped == 'W') {
        pattern_write_text(writing, "[^" LETTERS "]");
    } else {
        pattern_write_text(writing, plain);
    }
}

// Folds what is not ASCII of an expression as the text is; its ASCII may be syntax, and the case does not
// matter to Vectorscan.
static char *pattern_fold_expression(const char *text, size_t text_bytes, enum pattern_form which, unsigned exact)
{
    size_t bytes = 0;
    uint8_t *composed = u8_normalize(UNINORM_NFC, (const uint8_t *) text, text_bytes, NULL, &bytes);
    must(composed != NULL);
    struct writing writing = { 0 };
    pattern_write_text(&writing, "");
    struct plain_text folded = { 0 };
    bool in_class = false;
    for (size_t at = 0; at < bytes;) {
        size_t end = at;
        while (end < bytes && composed[end] >= 0x80) {
            end++;
        }
        char ascii[2] = { (char) composed[at], '\0' };
        if (end > at) {
            readings_write_pattern(&folded, (const char *) composed + at, end - at, which, exact);
            pattern_write_text(&writing, folded.text);
            at = end;
        } else if (ascii[0] == '\\' && at + 1 < bytes && composed[at + 1] < 0x80) {
            pattern_write_escape(&writing, (char) composed[at + 1], in_class);
            at += 2;
        } else if (ascii[0] == '[' && !in_class) {
            in_class = true;
            for (size_t left = pattern_class_start((const char *) composed, bytes, at); left > 0; left--) {
                char start[2] = { (char) composed[at++], '\0' };
                pattern_write_text(&writing, start);
            }
        } else {
            in_class = in_class && ascii[0] != ']';
            pattern_write_text(&writing, ascii);
            at++;
        }
    }
    plain_text_fini(&folded);
    free(composed);
    return writing.text;
}

// Asks Vectorscan whether it understands an expression.
static bool pattern_understands(const char *expression, unsigned flags, char reason[PATTERN_REASON_BYTES])
{
    hs_compile_error_t *error = NULL;
    hs_expr_info_t *information = NULL;
    bool good = hs_expression_info(expression, flags, &information, &error) == HS_SUCCESS;
    if (!good && strstr(error->message, "matches empty") != NULL) {
        pattern_refuse(reason, "this expression is found in every text; something in it must not be optional");
    } else if (!good) {
        snprintf(reason, PATTERN_REASON_BYTES, "not a regular expression that can be used here: %s", error->message);
    } else if (information->min_width == 0) {
        good = pattern_refuse(reason, "this expression is found in every text; something in it must not be optional");
    }
    hs_free_compile_error(error);
    free(information);
    return good;
}

static bool pattern_ends_with_boundary(const char *text, size_t bytes)
{
    size_t slashes = 0;
    while (slashes + 1 < bytes && text[bytes - 2 - slashes] == '\\') {
        slashes++;
    }
    return bytes >= 2 && text[bytes - 1] == 'b' && slashes % 2 == 1;
}

// True of an expression that seems to look for an address.
static bool pattern_expects_address(const char *text, size_t bytes)
{
    static const char *const signs[] = { "@", "://", "\\.", "\\/", "http", "www" };
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
        if (memmem(text, bytes, signs[i], strlen(signs[i])) != NULL) {
            return true;
        }
    }
    return false;
}

bool pattern_make_expression(struct form *form, const char *text, size_t bytes, const struct pattern_terms *terms,
                             size_t *budget, char reason[PATTERN_REASON_BYTES])
{
    bool head = bytes >= 2 && text[0] == '\\' && text[1] == 'b';
    text += head ? 2 : 0;
    bytes -= head ? 2 : 0;
    bool tail = pattern_ends_with_boundary(text, bytes);
    bytes -= tail ? 2 : 0;

    struct survey survey = pattern_survey_expression(text, bytes);
    if (survey.boundary_inside) {
        return pattern_refuse(reason,
                              "\\b can stand only at the beginning and at the end of an expression, and \\B nowhere");
    }
    if ((head || tail) && survey.outer_alternative) {
        return pattern_refuse(reason, "with \\b, put alternatives into parentheses: /\\b(one|other)\\b/");
    }
    if (survey.negated_inside) {
        return pattern_refuse(reason, "\\W cannot stand inside of [ ]; write [^\\w...] instead");
    }
    size_t cost = survey.atoms * survey.repeats;
    if (cost > PATTERN_COST_MAX) {
        return pattern_refuse(
            reason, "too costly: its characters, times the upper numbers in {}, make more than 1000 (\\p counts "
                    "50; \\w finds letters of every script)");
    }
    if (cost > *budget) {
        return pattern_refuse(
            reason, "one too many: the regular expressions of a desk together are too costly; write words and "
                    "phrases instead");
    }
    *budget -= cost;

    char *folded = pattern_fold_expression(text, bytes, form->which, terms->exact);
    form->addresses = pattern_expects_address(text, bytes);
    form->flags = HS_FLAG_UTF8 | HS_FLAG_CASELESS | HS_FLAG_SINGLEMATCH;
    bool good = pattern_understands(folded, form->flags, reason);
    if (good) {
        struct writing writing = { 0 };
        pattern_write_text(&writing, head ? BEFORE "(?:" : "(?:");
        pattern_write_text(&writing, folded);
        pattern_write_text(&writing, tail ? ")" AFTER : ")");
        form->expression = writing.text;
        good = pattern_understands(form->expression, form->flags, reason);
    }
    free(folded);
    return good;
}
