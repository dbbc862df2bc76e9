// addresses.h - account names, links, mail addresses and hashtags in a text, and where each begins and ends.
//
// What stands in the first three is not what the customer says; a hashtag is.  A link ends where a script
// without blanks begins, since people who write it put none behind a link either.

#ifndef TRIAGE_ADDRESSES_H
#define TRIAGE_ADDRESSES_H

#include <stdbool.h>
#include <stddef.h>

enum address_kind { ADDRESS_ACCOUNT, ADDRESS_LINK, ADDRESS_MAIL, ADDRESS_HASHTAG };

struct address {
    enum address_kind kind;
    size_t start; // offsets in bytes
    size_t end;
};

// Finds the first that begins at `from` or later, where the one before has ended.  The text is UTF-8 with plain @ and
// # (not full-width ones).  Returns false if there is none.  All of them together take time that grows with the text
// and nothing else.
bool address_next(const char *text, size_t bytes, size_t from, struct address *address);

// True if a host name as people write it, without http, begins at `text`: "bit.ly/x", "example.com".  `host_bytes` is
// then and also otherwise the length of what could be one, at least 1.
bool address_host(const char *text, size_t bytes, size_t *host_bytes);

#endif
