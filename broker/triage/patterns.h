// patterns.h - words, phrases and regular expressions, all looked for in one pass over a text.
//
// A pattern is a word or a phrase, found as whole words only: `refund` is not in "refunded".  A `*` stands
// for any letters of the same word (`refund*`, `*schaden`, `rück*zahlung`); a blank or a hyphen for up to
// three characters that are no letters.  Patterns are folded as the text is (plain_text.h), so case, width
// and invisible characters make no difference.  Scripts written without blanks (Han, Kana, Thai, Lao,
// Khmer, Myanmar) have no word boundaries, so there a pattern is found anywhere.
//
// `/.../` is a regular expression in Vectorscan's syntax, found anywhere in the folded text whatever the
// case; `\b` at its beginning and end asks for whole words.
//
// Vectorscan knows no Unicode word boundaries (`\bcafé\b` would never match): they are checked here, on
// each match it reports.  In an expression `\w` stands for the letters and digits of every script.

#ifndef TRIAGE_PATTERNS_H
#define TRIAGE_PATTERNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PATTERN_BYTES_MAX 256    // one pattern as written
#define PATTERN_REASON_BYTES 256 // why one is refused, with NUL
#define PATTERNS_WORDS_MAX 8000  // words and phrases of a desk
#define PATTERN_COST_MAX 1000    // of a regular expression: its characters and classes, times its repeats
#define PATTERNS_COST_MAX 10000  // of all of a desk; a cost of 1000 takes up to half a second to compile
#define PATTERN_PROPERTY_COST 50 // of a \p, which is made of hundreds of ranges

struct patterns;

struct patterns *patterns_new(void);
void patterns_destroy(struct patterns **patterns_p);

// Adds a pattern; the first has index 0.  Returns false and a sentence in `reason` when it is not one; then
// nothing was added.
bool patterns_add(struct patterns *patterns, const char *text, size_t bytes, char reason[PATTERN_REASON_BYTES]);

size_t patterns_count(const struct patterns *patterns);

// Makes the patterns ready to be found, once, after the last was added.  May take seconds.  Returns false
// and a sentence when it cannot be; `at_fault` is then the pattern's index, or UINT32_MAX for all together.
bool patterns_compile(struct patterns *patterns, uint32_t *at_fault, char reason[PATTERN_REASON_BYTES]);

// The memory that finding needs, of one thread; it may serve several sets of patterns in turn.
struct patterns_memory;

struct patterns_memory *patterns_memory_new(void);
void patterns_memory_destroy(struct patterns_memory **memory_p);

// Finds which patterns are in a text that went through plain_text_for_patterns.  Returns their indexes in
// ascending order, each once; they belong to the memory and hold until its next use.
// Asserts: the patterns are compiled.
const uint32_t *patterns_find(const struct patterns *patterns, struct patterns_memory *memory, const char *text,
                              size_t bytes, size_t *count);

#endif
