// json_mending.h - JSON of other programs, made such as can be read, and its values such as a post can carry.

#ifndef WORKER_JSON_MENDING_H
#define WORKER_JSON_MENDING_H

#include "proto/mended_text.h"
#include "worker/mending.h"

#include <behalf/message.h>

#include <jansson.h>

// What keeps one object's text from being read, mended: whole numbers of more than 18 digits (ids) and numbers that
// nothing holds become texts, NaN and Infinity null; in texts, halves of surrogate pairs, NULs and broken bytes become
// U+FFFD (where `tally` takes the input for UTF-8), and control characters are escaped.  `characters`
// says whether any became U+FFFD.  Returns NULL when there is nothing to mend, else memory of the caller's.
char *json_line_mended(const char *line, size_t bytes, const struct encoding_tally *tally, size_t *mended_bytes,
                       bool *characters);

// Mends the object's values that are fields of `type` (POST, EDIT, DELETE): numbers where a text is wanted become their
// digits, and what mending.h says.  What cannot be mended stays, for message_from_json and the encoder to refuse.
void json_object_mend(json_t *object, enum behalf_type type, struct mending *mending);

#endif
