// language.h - which of a brand's languages a post is written in.
//
// Several kinds of evidence are weighed as log-odds between the languages that the brand serves: CLD2, the
// small words and endings that carry a language's grammar, letters that only some languages write, and the
// script.  What fits two languages equally well is taken for the larger one.  The platform's own tag is
// believed where the text says nothing against it; the language of the author's earlier posts may tip a close call.
//
// Hindi, Urdu, Tamil, Arabic and Greek in Latin letters are languages of their own, hi-Latn and so on; who serves hi
// serves hi-Latn.  Codes with a region (pt-BR) are told apart by the platform's tag alone, as the text does not tell;
// without it the answer is the language itself if it is served, else the first region of it.
//
// The answer is `und` where the text does not tell: nothing left after links and emoji, evenly mixed, or
// clearly in a language that the brand does not serve.  What then happens is the caller's rule.

#ifndef TRIAGE_LANGUAGE_H
#define TRIAGE_LANGUAGE_H

#include <stdbool.h>
#include <stddef.h>

#define LANGUAGE_CODE_BYTES 8    // "es", "und", with NUL
#define LANGUAGE_SERVED_COUNT 64 // languages a brand can serve
#define LANGUAGE_REASON_BYTES 96 // one short sentence, with NUL
#define LANGUAGE_UNKNOWN "und"

struct language_request {
    const char *const *served;  // codes, also pt-BR and hi-Latn, borrowed for the call; one that language_is_known does
                                // not know is the answer only to its own tag
    size_t served_count;        // at most LANGUAGE_SERVED_COUNT; 0 stands for every language we know
    const char *platform_tag;   // the platform's own guess, "pt" or "pt-BR"; NULL or "" if it gave none
    const char *author_earlier; // language of the author's earlier posts; NULL or "" if not known
};

struct language_verdict {
    char language[LANGUAGE_CODE_BYTES]; // one of those served, or LANGUAGE_UNKNOWN
    int confidence;                     // 0 to 100; 0 with LANGUAGE_UNKNOWN
    char reason[LANGUAGE_REASON_BYTES]; // what decided: "cld2", "function words", "too short", "mixed en, de"
};

// Tells the language of a post's text as it came from the platform (links, mentions and all).  Never
// fails.  May be called from several threads at once; the first call builds tables for all.
// Asserts: served_count is at most LANGUAGE_SERVED_COUNT.
void language_detect(const char *text, const struct language_request *request, struct language_verdict *out);

// True if the language is one that language_detect can tell by the text alone.
bool language_is_known(const char *code);

// The code of a language that posts in this one are mostly taken for where both are served, since its speakers write
// nearly the same; NULL if there is none.
const char *language_rival(const char *code);

#endif
