// holes.h - one check left out, in a build of its own that nobody ships: of the broker's authority, of who has the desk
// or of what is durable.
//
// broker/desk/authority.c is compiled with this file in front of it, which replaces how it asks whether a check stands;
// in front of others the linker puts store_holes.c.  The simulation then runs as ever, with one hole open, and must
// find it.  The script find-holes does that for one check after the other: it keeps the seed at which each is found in
// found-holes.txt, and tries them again as a test.

#ifndef SIM_HOLES_H
#define SIM_HOLES_H

#include <stdbool.h>
#include <stdio.h>

enum {
    HOLE_SENDER,
    HOLE_AUDIENCE,
    HOLE_HOLDER,
    HOLE_LEASE,
    HOLE_STATE,
    HOLE_APPROVAL,
    HOLE_OWN_DRAFT,
    HOLE_SIGHT_BRAND,
    HOLE_SIGHT_NEEDS,
    HOLE_NEED, // and those after it, in the order of authority.def
    HOLE_SIGHT = HOLE_NEED + 32,
    // Of store_holes.c.
    HOLE_LEASE_LAPSE = HOLE_SIGHT + 64,
    HOLE_LEASE_WATCH,
    HOLE_LEASE_ANSWER,
    HOLE_LEASE_OURS,
    HOLE_LEASE_FENCED,
    HOLE_HAND_OVER_DRAIN,
    HOLE_STORE_FENCE,
    HOLE_STORE_BEHIND,
    HOLE_JOURNAL_CODEC
};

// Whether this check of this type of message is left out.
bool hole_is_open(unsigned check, unsigned type);

// Opens one by its name, REQUEST/check; false when there is none of this name.
bool hole_open(const char *name);
void holes_list(FILE *out);

#define STANDS(check, type, condition) (hole_is_open(HOLE_##check, type) || (condition))
#define SEEN(audience, own, sealed)                                                                                    \
    (hole_is_open(HOLE_SIGHT + (audience) *4 + (own) *2 + (sealed), 0) ? SIGHT_WHOLE : sights[audience][own][sealed])

#endif
