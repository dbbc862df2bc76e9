// readings.h - the ways in which a reader may take a post's letters, written out for patterns to be looked for.
//
// Whoever writes a post may leave accents out, join words in a hashtag, put signs between letters or use letters that
// look alike; whoever reads it takes it for the same word.  Each such way gives a text of its own, a reading, in which
// patterns, folded alike, are looked for.  Most posts have one reading; only what is odd in a text makes more.
//
// Capitals, width, styled letters, entities and characters that nobody sees make no difference in any reading.  The
// foldings of foldings.def make none unless the rule is exact about them.  Nothing here fails; the text is cut at
// PLAIN_TEXT_INPUT_BYTES, and the readings of all texts are bounded.  Whose words they are is told as well: what stands
// in account names, links and mail addresses is left out of all readings but one.

#ifndef TRIAGE_READINGS_H
#define TRIAGE_READINGS_H

#include "broker/triage/plain_text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// FOLDING_accents, ...: bits.
enum folding_index {
#define FOLDING(name, doc) FOLDING_INDEX_##name,
#include "broker/triage/foldings.def"
#undef FOLDING
    FOLDING_COUNT
};
enum folding {
#define FOLDING(name, doc) FOLDING_##name = 1 << FOLDING_INDEX_##name,
#include "broker/triage/foldings.def"
#undef FOLDING
    FOLDING_ALL = (1 << FOLDING_COUNT) - 1
};

// What a text is made of: bits.  Punctuation does not count.
#define READINGS_LINKS 1u
#define READINGS_MENTIONS 2u
#define READINGS_HASHTAGS 4u // that hold one word, or none
#define READINGS_EMOJI 8u
#define READINGS_WORDS 16u // also mail addresses, and hashtags that hold several words

#define READINGS_MAX 12

struct reading {
    const char *text; // ends with NUL
    size_t bytes;
    bool addresses; // the text of account names, links and mail addresses is in it
    bool hiragana;  // katakana were made hiragana
    bool loose;     // words on their own, and not the whole text
};

struct readings;

struct readings *readings_new(void);
void readings_destroy(struct readings **readings_p);

// Takes a post's text as it came.  What was taken before is forgotten.
void readings_take(struct readings *readings, const char *text, size_t text_bytes);

// What the text taken is made of: bits READINGS_...; 0 is a text with nothing to see but punctuation.
unsigned readings_contents(const struct readings *readings);

// True if nobody sees anything in it.
bool readings_empty(const struct readings *readings);

// Writes the readings of the text taken, but for the foldings in `exact` (bits FOLDING_...).  They belong to `readings`
// and hold until its next use.
const struct reading *readings_write(struct readings *readings, unsigned exact, size_t *count);

// In which form a pattern is written; each is found in some readings.
enum pattern_form {
    PATTERN_PLAIN,      // as a post is
    PATTERN_DIGRAPHS,   // ä as ae
    PATTERN_LOOKALIKES, // letters of other alphabets as the Latin ones that they look like
    PATTERN_HIRAGANA,
    PATTERN_FORM_COUNT
};

// Writes a pattern into `form` as it is found in readings.
void readings_write_pattern(struct plain_text *form, const char *text, size_t bytes, enum pattern_form which,
                            unsigned exact);

#endif
