// function_words.h - what small words, endings, letters and scripts say about a text's language.
//
// Knows grammar (function_words.def), not statistics.  The result is a weight for each language of
// languages.def, in units of log-odds; only differences between languages mean something.  What the
// weights decide is language.c's.

#ifndef TRIAGE_FUNCTION_WORDS_H
#define TRIAGE_FUNCTION_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// LANGUAGE_INDEX_en, ..., LANGUAGE_INDEX_hi_Latn, ...; LANGUAGE_COUNT of them.
enum language_index {
#define LANGUAGE(code, script, speakers) LANGUAGE_INDEX_##code,
#define ROMANISED(code, speakers) LANGUAGE_INDEX_##code##_Latn,
#include "broker/triage/languages.def"
    LANGUAGE_COUNT
};

// Words of a post that are looked at; what comes later adds nothing that these have not told.
#define FUNCTION_WORDS_COUNT_MAX 400

// Languages, a bit each.
struct language_set {
    uint64_t bits[(LANGUAGE_COUNT + 63) / 64];
};

// What a text shows.  Words in scripts without blanks count by the letter.
struct word_evidence {
    double words[LANGUAGE_COUNT];    // words known to the language
    double spelling[LANGUAGE_COUNT]; // its endings and letters, less letters that it does not have
    double script[LANGUAGE_COUNT];   // letters of its script, as a share: 0 to 1
    int known[LANGUAGE_COUNT];       // how many words of the text the language knows
    int letter_count;                // letters looked at
    int word_count;                  // words looked at, and valid entries of `knowing`
    struct language_set knowing[FUNCTION_WORDS_COUNT_MAX]; // for each word, the languages that know it
};

// The index of an ISO 639-1 code, or of one like hi-Latn; -1 if languages.def does not have it.
int function_words_language(const char *code);

// The code of an index.  Asserts: 0 <= index < LANGUAGE_COUNT.
const char *function_words_code(int index);

// How many words of two letters and more only the one or only the other of two languages knows.
void function_words_apart(const struct word_evidence *evidence, int one, int other, int *only_one, int *only_other);

// The language of which this is the romanised form, LANGUAGE_INDEX_hi of hi-Latn; -1 if it is none.
int function_words_parent(int index);

// True if some large language has the word, in small letters, in its list.
bool function_words_known(const char *word, size_t bytes);

// Millions who speak it.
double function_words_speakers(int index);

// True if the letters alone nearly tell the language: its script is neither Latin, Cyrillic nor Arabic.
bool function_words_has_own_script(int index);

// Looks through `text`, made by plain_text_for_language.  Thread-safe; the first call builds the table.
void function_words_weigh(const char *text, size_t bytes, struct word_evidence *out);

#endif
