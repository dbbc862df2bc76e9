// link.h - where a text has links, as the platforms find them.
//
// Platforms shorten links, or count each at a fixed price, so that the length of a reply depends on what they take for
// one; and the digits inside a link are nobody's card.  This file finds links; it fetches and judges none.

#ifndef DESK_LINK_H
#define DESK_LINK_H

#include <stdbool.h>
#include <stddef.h>

enum link_kinds {
    LINKS_WITH_SCHEME, // http:// and https:// only
    LINKS_BARE,        // also example.com/path, when its last label is a top-level domain
    LINKS_OF_ANY_HOST  // also http://desk/path and www.desk.example/path, whose last label need be none
};

struct link {
    size_t from; // bytes from the text's beginning to the link's
    size_t to;   // and to the byte after it
};

// Finds the first link that begins at or after `at` (bytes).  The text is valid UTF-8.  Takes time in proportion to
// the text's length.
// Source: the rules of twitter-text 3 (Apache-2.0), https://github.com/twitter/twitter-text, which Mastodon uses as
// well; top-level domains are those of the Public Suffix List.
bool link_next(const char *text, size_t at, enum link_kinds kinds, struct link *link);

#endif
