// rules.h - a desk's rules of engagement, read from YAML: a policy for the desk and patterns for triage.
//
// One table of keys (rule_keys.def) drives the reader, `behalf-ctl check` and the manual.  Reading never
// stops at the first error: all problems of a text are found in one go, each with its line and column.  A
// set of rules is immutable once made and may be read by any thread.

#ifndef TRIAGE_RULES_H
#define TRIAGE_RULES_H

#include "broker/desk/policy.h"

#include <behalf/message.h>

#include <stdio.h>

struct rules;

// What is wrong with a text of rules.  Begins as { 0 }.
struct rules_problems {
    struct behalf_problem *problems; // at most 64, in order of line
    size_t count;
    size_t found; // also those past the limit
};

void rules_problems_fini(struct rules_problems *problems);

// Reads rules.  `previous` are the rules in force, whose indexes the new policy keeps, or NULL; `version` is
// the number the new ones get.  Compiles the patterns, which may take seconds: call it off the loop.
// Returns the rules, or NULL with at least one problem.
struct rules *rules_new(const char *text, size_t text_bytes, const struct rules *previous, uint64_t version,
                        struct rules_problems *problems);
void rules_destroy(struct rules **rules_p);

// The desk's view.  Belongs to the rules.
const struct policy *rules_policy(const struct rules *rules);

// The text they were read from.
const char *rules_text(const struct rules *rules);

// What is allowed but probably not meant, such as a language that is served and nobody speaks.  Belongs to
// the rules.
const struct rules_problems *rules_warnings(const struct rules *rules);

// Prints every key there is: what it takes, its default, and a sentence.
void rules_manual(FILE *file);

#endif
