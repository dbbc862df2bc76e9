// outgoing.h - what a reply must be before it may go out: disclosed, short enough, without card numbers.

#ifndef DESK_OUTGOING_H
#define DESK_OUTGOING_H

#include "broker/desk/change.h"
#include "broker/desk/policy.h"

// A disclosure line with its names filled in; "" if the template is.  Belongs to `memory`.
const char *outgoing_disclosure(const struct policy *policy, uint32_t brand, uint32_t person, enum audience audience,
                                struct change_list *memory);

struct outgoing {
    const char *text;    // as it would be published: the text, a blank, the disclosure line
    const char *refused; // NULL if it may go out, else why not and what would pass
    int64_t length;      // characters (code points) of `text`
};

// Composes a reply.  Texts belong to `memory`.
struct outgoing outgoing_compose(const struct policy *policy, uint32_t brand, uint32_t channel, uint32_t person,
                                 enum audience audience, const char *text, struct change_list *memory);

// Characters (code points) of a valid UTF-8 text.
int64_t outgoing_length(const char *text);

// True if nothing of the text would be seen.
bool outgoing_is_empty(const char *text);

// True if the text holds control characters, or bidi controls that reach beyond its end: what is put behind it, the
// disclosure line, could then not be read.
bool outgoing_turns_what_follows(const char *text);

// True if the text holds what looks like a payment card's number: 13 to 19 digits in any script,
// alone or among others, with at most one
// blank, dash or dot between two, that pass the Luhn check (ISO/IEC 7812-1, annex B).
bool outgoing_has_card_number(const char *text);

#endif
