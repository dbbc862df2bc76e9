// triage.h - what a post needs, found out before it is work: language, sensitivity, skills, noise.
//
// Pure apart from the rules' compiled patterns: the same post under the same rules always gets the same
// needs.  One triage belongs to one thread (it owns scratch memory); it never keeps a post.

#ifndef TRIAGE_TRIAGE_H
#define TRIAGE_TRIAGE_H

#include "broker/triage/rules.h"

struct triage;

struct triage *triage_new(void);
void triage_destroy(struct triage **triage_p);

// The author as authors of the channel are compared: in small letters where the rules say so; "" for one who is nobody.
// Belongs to the triage and holds until its next call.
const char *triage_author(struct triage *triage, const struct rules *rules, const char *channel, const char *author);

// Finds out what a post needs.  `author_language` is the language of the author's earlier posts, a hint, or
// "".  The needs' texts belong to the triage and hold until its next call.  Returns false when the post
// names a brand or a channel that the rules do not know: `field` then is "brand" or "channel".
bool triage_post(struct triage *triage, const struct rules *rules, const struct behalf_post *post,
                 const char *author_language, struct needs *needs, const char **field);

#endif
