// pattern_search.h - whether a word or phrase lies where Vectorscan has found its anchor.

#ifndef TRIAGE_PATTERN_SEARCH_H
#define TRIAGE_PATTERN_SEARCH_H

#include "broker/triage/pattern_form.h"
#include "broker/triage/readings.h"

#include <unicode/ubrk.h>

// Phrases and patterns with stars are followed for this many steps in a text; what of them is not found by then is not
// found.  No text that people write needs a hundredth of it.  Single words need no such bound.
#define PATTERN_STEPS_MAX 20000

// Places in a text at which it is asked whether a word begins.
#define PATTERN_BREAKS_MAX 40

// A text in which patterns are looked for.
struct pattern_search {
    const char *names; // that stand before words in hashtags: parted by blanks, with a blank before and behind; or NULL
    UBreakIterator **breaker; // made when first needed
    const struct reading *reading;
    unsigned exact;
    bool hashtags; // there may be some in the reading
    size_t steps;  // left, of PATTERN_STEPS_MAX
    size_t breaks; // left, of PATTERN_BREAKS_MAX
};

// True if the whole form, which has pieces, lies where its anchor was found to end.
bool pattern_lies_at(const struct form *form, struct pattern_search *search, size_t anchor_end);

#endif
