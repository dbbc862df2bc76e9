// endings.h - in which plain forms a word of a pattern is found: plural, possessive, the simple forms of verbs, cases,
// particles and prefixes.
//
// These are the regular forms that people who write patterns expect to be found, told by lists (endings.def), not a
// grammar: `lawyer` finds lawyers, `sue` suing, `адвокат` адвоката, `변호사` 변호사를, `محامي` المحامي.  A word that
// is too short has none, since its forms would be other words.

#ifndef TRIAGE_ENDINGS_H
#define TRIAGE_ENDINGS_H

#include <stdbool.h>
#include <stddef.h>

struct ending_row;

// A word's forms: what may follow its first `stem_bytes`, and what may stand before it.
struct endings {
    const struct ending_row *row; // NULL: it has but one form
    size_t stem_bytes;
};

// The forms of a word that was folded as texts are.  `language` is the code that its pattern stands under, or "":
// English then if the word is in Latin letters; words of other scripts go by their script.
struct endings endings_of(const char *language, const char *word, size_t bytes);

// The same of the first word of a phrase, which may be as short as it likes: the others tell what is meant.
struct endings endings_of_first(const char *language, const char *word, size_t bytes);

// True if the letters of a word behind the stem of `word` make it one of its forms.
bool endings_fit(const struct endings *endings, const char *word, const char *rest, size_t rest_bytes);

// True if the letters of a word before `word` do.
bool endings_fit_before(const struct endings *endings, const char *before, size_t before_bytes);

// The longest that rest and before can be.
#define ENDINGS_BYTES_MAX 40

#endif
