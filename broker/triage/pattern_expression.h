// pattern_expression.h - regular expressions of people, made into ones that Vectorscan takes, or refused with the
// reason.

#ifndef TRIAGE_PATTERN_EXPRESSION_H
#define TRIAGE_PATTERN_EXPRESSION_H

#include "broker/triage/pattern_form.h"

// Makes a form of what stands between the slashes; `which` is set.  What it costs is taken from the budget.  Returns
// false and a sentence when it cannot be used.
bool pattern_make_expression(struct form *form, const char *text, size_t bytes, const struct pattern_terms *terms,
                             size_t *budget, char reason[PATTERN_REASON_BYTES]);

#endif
