// authority.h - who may do what, and see what: decided here, from the rows of authority.def, and nowhere else.
//
// What stands in no row is refused.  Clients only hide what would be.  What a request then does, and whether its
// values make sense, is its own business (requests.c); whether a text may go out is outgoing.h's.

#ifndef DESK_AUTHORITY_H
#define DESK_AUTHORITY_H

#include <behalf/message.h>

// Whether a session of this kind, one of BEHALF_BY_..., may send this type at all.
bool authority_may_send(enum behalf_type type, unsigned sender);

// Whether a reply that was handed to one connector instance is this one's to speak of.
bool authority_had_reply(const char *instance, const char *handed_to);

// Whether a request of a person is about an item they have: it then begins with `item` and `lease`, as TAKE does.
bool authority_is_about_item(enum behalf_type type);

// How much of an open item somebody may see; each more than the one before.
enum sight {
    SIGHT_ABSENT, // not even that it is there
    SIGHT_LISTED, // that it is there, no words of anybody's
    SIGHT_OPEN,   // what is neither sealed nor sensitive
    SIGHT_WHOLE
};

#endif
