// authors.h - who is the same author, and who is nobody.
//
// Platforms put one name in the place of many people: those who deleted their account, or wrote without one.  Nothing
// may be inferred from such a name.

#ifndef TRIAGE_AUTHORS_H
#define TRIAGE_AUTHORS_H

#include "broker/desk/policy.h"

// The author without case, in Unicode's folding (NFKC), and without blanks that make no difference: at the ends, and
// several in a row; freed by the caller.  What cannot be folded is given as it is.
char *author_fold(const char *author);

// Whether a folded author is nobody on the channel.
bool author_is_nobody(const struct policy_channel *channel, const char *folded);

// Names that stand for nobody unless the rules list others, as they are written; ends with NULL.
extern const char *const authors_anonymous[];

#endif
