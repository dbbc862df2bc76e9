// outgoing.h - what a reply must be before it may go out: disclosed, in sight, short enough, without card numbers.

#ifndef DESK_OUTGOING_H
#define DESK_OUTGOING_H

#include "broker/desk/change.h"
#include "broker/desk/policy.h"

// Who answers whom, and where.
struct answering {
    uint32_t brand;
    uint32_t channel;
    uint32_t language; // of the post
    uint32_t person;   // who wrote the reply
    enum audience audience;
};

// The disclosure line with its names filled in; "" if the template is.  Belongs to `memory`.
const char *outgoing_disclosure(const struct policy *policy, const struct answering *answering,
                                struct change_list *memory);

// What the channel leaves for the text beside the disclosure line, as it counts; 0 where it has no limit.
int64_t outgoing_room(const struct policy *policy, const struct answering *answering, struct change_list *memory);

struct outgoing {
    const char *text;    // as it would be published, see outgoing_compose
    const char *refused; // NULL if it may go out, else why not and what would pass
    int64_t length;      // of `text`, as the channel counts it
};

// Composes a reply: the text, and behind it the disclosure line.  The line stands behind a blank, or on a line of its
// own where the text has several, where it does not end as a sentence does and would run into the line, or where only
// one of the two has letters that are written from right to left: each is then read in its own direction.  Blanks that
// would push the line out of sight are taken out of the text: those at its end, and all but two line breaks, or one
// blank, of a longer run.  Texts belong to `memory`.
struct outgoing outgoing_compose(const struct policy *policy, const struct answering *answering, const char *text,
                                 struct change_list *memory);

// True if nothing of the text would be seen.
bool outgoing_is_empty(const char *text);

// True if the text holds control characters, or bidi controls that reach beyond its end: what is put behind it, the
// disclosure line, could then not be read.
bool outgoing_turns_what_follows(const char *text);

#endif
