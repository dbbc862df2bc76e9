// patterns.c - a set of words, phrases and regular expressions: added, compiled, and all looked for in one pass over a
// text.
//
// How a pattern is written for Vectorscan is pattern_form.c's and pattern_expression.c's affair; whether a word or
// phrase really lies where a match was reported, pattern_search.c's.

#include "broker/triage/patterns.h"

#include "broker/triage/letters.h"
#include "broker/triage/pattern_expression.h"
#include "broker/triage/pattern_form.h"
#include "broker/triage/pattern_search.h"
#include "broker/triage/plain_text.h"
#include "proto/base/must.h"

#include <hs/hs.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// This many beginnings of patterns are looked at in a text, which only a set with patterns of one letter ever has.
#define MATCHES_MAX 60000

// Patterns that are exact about the same foldings.
struct group {
    unsigned exact;
    hs_database_t *database;
};

struct patterns {
    uint64_t serial; // of this process; no two are alike
    struct form *forms;
    uint8_t *form_groups; // of each form
    size_t form_count;
    size_t form_capacity;
    uint32_t count;
    struct group groups[PATTERNS_EXACT_MAX];
    size_t group_count;
    struct plain_text names; // parted by blanks, with a blank before and behind
    size_t words;            // words and phrases among the patterns
    size_t budget;           // what further regular expressions may cost
    bool compiled;
};

struct patterns_memory {
    hs_scratch_t *scratch;
    UBreakIterator *breaker; // made when first needed
    uint64_t serial;         // of the patterns it was last used with
    uint64_t *found;         // a bit for each pattern; all zero between uses
    uint32_t *indexes;       // those found
    size_t capacity;         // patterns there is room for in both
};

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
    if (patterns == NULL) {
        return;
    }
    for (size_t i = 0; i < patterns->form_count; i++) {
        pattern_form_fini(&patterns->forms[i]);
    }
    free(patterns->forms);
    free(patterns->form_groups);
    for (size_t i = 0; i < patterns->group_count; i++) {
        hs_free_database(patterns->groups[i].database);
    }
    plain_text_fini(&patterns->names);
    free(patterns);
    *patterns_p = NULL;
}

// The index of the group of patterns that are exact about these; PATTERNS_EXACT_MAX if there is no room for it.
static size_t patterns_group_for(struct patterns *patterns, unsigned exact)
{
    size_t i = 0;
    while (i < patterns->group_count && patterns->groups[i].exact != exact) {
        i++;
    }
    if (i == patterns->group_count && i < PATTERNS_EXACT_MAX) {
        patterns->groups[patterns->group_count++] = (struct group){ .exact = exact };
    }
    return i;
}

static void patterns_keep_form(struct patterns *patterns, struct form *form, size_t group)
{
    if (patterns->form_count == patterns->form_capacity) {
        patterns->form_capacity = patterns->form_capacity > 0 ? 2 * patterns->form_capacity : 64;
        patterns->forms = realloc(patterns->forms, patterns->form_capacity * sizeof *form);
        patterns->form_groups = realloc(patterns->form_groups, patterns->form_capacity);
        must(patterns->forms != NULL);
        must(patterns->form_groups != NULL);
    }
    form->pattern = patterns->count;
    patterns->form_groups[patterns->form_count] = (uint8_t) group;
    patterns->forms[patterns->form_count++] = *form;
}

// True if letters that look alike leave a word of two alphabets, which no text has but by them.
static bool patterns_stays_mixed(const char *text)
{
    size_t bytes = strlen(text);
    bool latin = false;
    bool other = false;
    for (size_t i = 0; i < bytes;) {
        uint32_t code = 0;
        i += plain_text_character(text + i, bytes - i, &code);
        bool alphabetic = (letters_class(code) & LETTER_ALPHABETIC) != 0;
        latin = latin || (alphabetic && code < 0x80);
        other = other || (alphabetic && code >= 0x80);
    }
    return latin && other;
}

// True if a further form of a pattern is one that the plain form is not.
static bool patterns_differs(const char *text, size_t bytes, enum pattern_form which, unsigned exact)
{
    unsigned folding = which == PATTERN_DIGRAPHS     ? FOLDING_accents
                       : which == PATTERN_LOOKALIKES ? FOLDING_lookalikes
                                                     : FOLDING_kana;
    if (exact & folding) {
        return false;
    }
    struct plain_text plain = { 0 };
    struct plain_text other = { 0 };
    readings_write_pattern(&plain, text, bytes, PATTERN_PLAIN, exact);
    readings_write_pattern(&other, text, bytes, which, exact);
    bool differ =
        strcmp(plain.text, other.text) != 0 && (which != PATTERN_LOOKALIKES || patterns_stays_mixed(other.text));
    plain_text_fini(&plain);
    plain_text_fini(&other);
    return differ;
}

// What people write who mean several patterns.
static bool patterns_check_signs(const char *text, size_t bytes, char reason[PATTERN_REASON_BYTES])
{
    const char *bar = memchr(text, '|', bytes);
    if (bar == NULL || bar == text || bar + 1 == text + bytes) {
        return true;
    }
    snprintf(reason, PATTERN_REASON_BYTES,
             "| stands for \"or\" only in a regular expression: write two patterns, or /\\b(%.*s)\\b/",
             (int) (bytes < 100 ? bytes : 100), text);
    return false;
}

bool patterns_add(struct patterns *patterns, const char *text, size_t bytes, const struct pattern_terms *terms,
                  char reason[PATTERN_REASON_BYTES])
{
    must(!patterns->compiled);
    bool expression = bytes >= 2 && text[0] == '/' && text[bytes - 1] == '/';
    if (bytes > PATTERN_BYTES_MAX) {
        return pattern_refuse(reason, "longer than 256 bytes; make several patterns of it");
    }
    if (memchr(text, '\0', bytes) != NULL) {
        return pattern_refuse(reason, "has a NUL character in it");
    }
    if (!expression && patterns->words == PATTERNS_WORDS_MAX) {
        return pattern_refuse(reason, "more than 8000 words and phrases");
    }
    if (!expression && !patterns_check_signs(text, bytes, reason)) {
        return false;
    }
    size_t group = patterns_group_for(patterns, terms->exact);
    if (group == PATTERNS_EXACT_MAX) {
        return pattern_refuse(reason,
                              "one too many: the rules of a desk can be exact in 4 ways at most, counting not at all");
    }

    struct form forms[PATTERN_FORM_COUNT] = { 0 };
    size_t count = 0;
    size_t free_of_charge = SIZE_MAX; // further forms of an expression
    bool good = true;
    for (int which = PATTERN_PLAIN; which < PATTERN_FORM_COUNT && good; which++) {
        if (which != PATTERN_PLAIN && !patterns_differs(text, bytes, (enum pattern_form) which, terms->exact)) {
            continue;
        }
        struct form *form = &forms[count++];
        form->which = (enum pattern_form) which;
        good = expression ? pattern_make_expression(form, text + 1, bytes - 2, terms,
                                                    count > 1 ? &free_of_charge : &patterns->budget, reason)
                          : pattern_make_word(form, text, bytes, terms, reason);
    }
    for (size_t i = 0; i < count; i++) {
        if (good) {
            patterns_keep_form(patterns, &forms[i], group);
        } else {
            pattern_form_fini(&forms[i]);
        }
    }
    patterns->count += good;
    patterns->words += good && !expression;
    return good;
}

void patterns_add_name(struct patterns *patterns, const char *name)
{
    struct plain_text folded = { 0 };
    must(!patterns->compiled);
    if (patterns->names.bytes == 0) {
        plain_text_append(&patterns->names, ' ');
    }
    readings_write_pattern(&folded, name, strlen(name), PATTERN_PLAIN, 0);
    // "Skyline Air" stands in hashtags as skylineair, and as skyline.
    for (int joined = 0; joined < 2; joined++) {
        for (size_t i = 0; i < folded.bytes; i++) {
            if (folded.text[i] != ' ' || joined == 0) {
                plain_text_append(&patterns->names, (unsigned char) folded.text[i]);
            }
        }
        plain_text_append(&patterns->names, ' ');
    }
    plain_text_fini(&folded);
}

size_t patterns_count(const struct patterns *patterns)
{
    return patterns->count;
}

static bool patterns_compile_group(struct patterns *patterns, size_t group, uint32_t *at_fault,
                                   char reason[PATTERN_REASON_BYTES])
{
    size_t count = 0;
    const char **expressions = calloc(patterns->form_count, sizeof *expressions);
    unsigned *flags = calloc(patterns->form_count, sizeof *flags);
    unsigned *ids = calloc(patterns->form_count, sizeof *ids);
    must(expressions != NULL && flags != NULL && ids != NULL);
    for (size_t i = 0; i < patterns->form_count; i++) {
        if (patterns->form_groups[i] != group) {
            continue;
        }
        expressions[count] = patterns->forms[i].expression;
        flags[count] = patterns->forms[i].flags;
        ids[count++] = (unsigned) i;
    }
    hs_compile_error_t *error = NULL;
    bool good = hs_compile_multi(expressions, flags, ids, (unsigned) count, HS_MODE_BLOCK, NULL,
                                 &patterns->groups[group].database, &error) == HS_SUCCESS;
    if (!good) {
        *at_fault = error->expression >= 0 ? patterns->forms[ids[error->expression]].pattern : UINT32_MAX;
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
    if (hs_valid_platform() != HS_SUCCESS) {
        return pattern_refuse(reason, "this computer's processor lacks what Vectorscan needs (SSE4.2 or NEON)");
    }
    // A group of which no pattern was good in the end is empty.
    for (size_t i = 0; i < patterns->group_count; i++) {
        bool any = patterns->form_count > 0 && memchr(patterns->form_groups, (int) i, patterns->form_count) != NULL;
        if (any && !patterns_compile_group(patterns, i, at_fault, reason)) {
            return false;
        }
    }
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
    if (memory == NULL) {
        return;
    }
    hs_free_scratch(memory->scratch);
    if (memory->breaker != NULL) {
        ubrk_close(memory->breaker);
    }
    free(memory->found);
    free(memory->indexes);
    free(memory);
    *memory_p = NULL;
}

// One pass over the readings of a text.
struct scan {
    struct pattern_search search;
    const struct patterns *patterns;
    struct patterns_memory *memory;
    size_t matches; // left, of MATCHES_MAX
};

static int patterns_take_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
                               void *argument)
{
    (void) from;
    (void) flags;
    struct scan *scan = argument;
    struct pattern_search *search = &scan->search;
    const struct form *form = &scan->patterns->forms[id];
    uint64_t bit = UINT64_C(1) << (form->pattern % 64);
    uint64_t *found = &scan->memory->found[form->pattern / 64];
    if (scan->matches-- == 1) {
        return 1;
    }
    if ((*found & bit) != 0 || (search->reading->addresses && !form->addresses)) {
        return 0;
    }
    if (form->piece_count > 1 && search->steps == 0) {
        return 0;
    }
    if (form->piece_count == 0 || pattern_lies_at(form, search, (size_t) to)) {
        *found |= bit;
    }
    return 0;
}

static void patterns_make_room(struct patterns_memory *memory, const struct patterns *patterns)
{
    if (memory->serial == patterns->serial) {
        return;
    }
    memory->serial = patterns->serial;
    // Grows where a database needs more than those before it.
    for (size_t i = 0; i < patterns->group_count; i++) {
        if (patterns->groups[i].database != NULL) {
            must(hs_alloc_scratch(patterns->groups[i].database, &memory->scratch) == HS_SUCCESS);
        }
    }
    if (memory->capacity >= patterns->count) {
        return;
    }
    free(memory->found);
    free(memory->indexes);
    memory->capacity = patterns->count;
    memory->found = calloc((patterns->count + 63) / 64, sizeof *memory->found);
    memory->indexes = calloc(patterns->count, sizeof *memory->indexes);
    must(memory->found != NULL && memory->indexes != NULL);
}

const uint32_t *patterns_find(const struct patterns *patterns, struct patterns_memory *memory,
                              struct readings *readings, size_t *count)
{
    must(patterns->compiled);
    *count = 0;
    patterns_make_room(memory, patterns);
    struct scan scan = {
        .search = { .names = patterns->names.text,
                    .breaker = &memory->breaker,
                    .steps = PATTERN_STEPS_MAX,
                    .breaks = PATTERN_BREAKS_MAX },
        .patterns = patterns,
        .memory = memory,
        .matches = MATCHES_MAX,
    };
    struct pattern_search *search = &scan.search;
    for (size_t group = 0; group < patterns->group_count; group++) {
        size_t reading_count = 0;
        if (patterns->groups[group].database == NULL) {
            continue;
        }
        search->exact = patterns->groups[group].exact;
        const struct reading *all = readings_write(readings, search->exact, &reading_count);
        for (size_t i = 0; i < reading_count && scan.matches > 0; i++) {
            search->reading = &all[i];
            search->hashtags = memchr(all[i].text, '#', all[i].bytes) != NULL;
            hs_error_t scanned = hs_scan(patterns->groups[group].database, all[i].text, (unsigned) all[i].bytes, 0,
                                         memory->scratch, patterns_take_match, &scan);
            must(scanned == HS_SUCCESS || scanned == HS_SCAN_TERMINATED);
        }
    }
    for (size_t word = 0; word < (patterns->count + 63) / 64; word++) {
        for (uint64_t bits = memory->found[word]; bits != 0; bits &= bits - 1) {
            memory->indexes[(*count)++] = (uint32_t) (word * 64 + (size_t) __builtin_ctzll(bits));
        }
        memory->found[word] = 0;
    }
    return memory->indexes;
}
