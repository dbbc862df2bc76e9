// patterns.h - words, phrases and regular expressions, all looked for in one pass over a text.
//
// A pattern is a word or a phrase, found as whole words, and in the plain forms of its last word (endings.h).  A `*`
// stands for any letters of the same word (`refund*`, `*schaden`, `rück*zahlung`), and leaves the forms to its author;
// a blank or a hyphen stands for up to three characters that are no letters.  Both the pattern and the text are folded
// (readings.h): case, width and invisible characters make no difference, nor does what foldings.def names, unless the
// pattern is exact about it.  Scripts written without blanks (Han, Kana, Thai, Lao, Khmer, Myanmar) have no word
// boundaries, so there a pattern is found anywhere; only where it begins with hiragana, or is a single Han character,
// must it begin where a word does.
//
// `/.../` is a regular expression in Vectorscan's syntax, found anywhere in the folded text whatever the
// case; `\b` at its beginning and end asks for whole words.
//
// Vectorscan knows no Unicode word boundaries (`\bcafé\b` would never match): they are checked here, on
// each match it reports.  In an expression `\w` stands for the letters and digits of every script.

#ifndef TRIAGE_PATTERNS_H
#define TRIAGE_PATTERNS_H

#include "broker/triage/readings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PATTERN_BYTES_MAX 256    // one pattern as written
#define PATTERN_REASON_BYTES 256 // why one is refused, with NUL
#define PATTERNS_WORDS_MAX 8000  // words and phrases of a desk
#define PATTERN_COST_MAX 1000    // of a regular expression: its characters and classes, times its repeats
#define PATTERNS_COST_MAX 10000  // of all of a desk; a cost of 1000 takes up to half a second to compile
#define PATTERNS_EXACT_MAX 4     // different `exact` that patterns of a desk can have; each costs as much as all
#define PATTERN_PROPERTY_COST 50 // of a \p, which is made of hundreds of ranges

struct patterns;

struct patterns *patterns_new(void);
void patterns_destroy(struct patterns **patterns_p);

// What a pattern is to be found by.
struct pattern_terms {
    unsigned exact;       // bits FOLDING_...: these make a difference
    const char *language; // the code that it stands under, or "": whose plain forms its words have
};

// Adds a pattern; the first has index 0.  Returns false and a sentence in `reason` when it is not one; then
// nothing was added.
bool patterns_add(struct patterns *patterns, const char *text, size_t bytes, const struct pattern_terms *terms,
                  char reason[PATTERN_REASON_BYTES]);

// Adds a name, such as a brand's, that people put before other words in a hashtag.
void patterns_add_name(struct patterns *patterns, const char *name);

size_t patterns_count(const struct patterns *patterns);

// Makes the patterns ready to be found, once, after the last was added.  May take seconds.  Returns false
// and a sentence when it cannot be; `at_fault` is then the pattern's index, or UINT32_MAX for all together.
bool patterns_compile(struct patterns *patterns, uint32_t *at_fault, char reason[PATTERN_REASON_BYTES]);

// The memory that finding needs, of one thread; it may serve several sets of patterns in turn.
struct patterns_memory;

struct patterns_memory *patterns_memory_new(void);
void patterns_memory_destroy(struct patterns_memory **memory_p);

// Finds which patterns are in the text that `readings` has taken.  Phrases and patterns with stars are sought with a
// bound on what it costs, which only texts and patterns that are made to be dear ever reach.  Returns their indexes in
// ascending order, each once; they belong to the memory and hold until its next use. Asserts: the patterns are
// compiled.
const uint32_t *patterns_find(const struct patterns *patterns, struct patterns_memory *memory,
                              struct readings *readings, size_t *count);

#endif
