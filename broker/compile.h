// compile.h - rules compiled on a thread of their own, as that may take seconds.

#ifndef BROKER_COMPILE_H
#define BROKER_COMPILE_H

#include "broker/triage/rules.h"

struct compile;

// Begins to compile a text.  `text` and `previous` are borrowed until compile_take.
struct compile *compile_start(const char *text, uint64_t version, const struct rules *previous);

// Becomes readable when the rules, or their problems, are there.
int compile_fd(const struct compile *compile);

// Waits for the end, frees the compile, and hands over the rules (or NULL) and the problems, which the caller
// ends with rules_problems_fini.
struct rules *compile_take(struct compile **compile_p, struct rules_problems *problems);

#endif
