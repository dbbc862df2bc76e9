// redirect.h - what a broker answers while another one has the desk: where that is, or to ask again soon.
//
// Pure: a frame comes in, a frame goes out.

#ifndef SESSION_REDIRECT_H
#define SESSION_REDIRECT_H

#include <stdbool.h>
#include <stddef.h>

// Brokers told to a client, at most.
#define REDIRECT_BROKERS_MAX 8

struct redirect {
    const char *desk;
    const char *brokers[REDIRECT_BROKERS_MAX]; // none: nobody is known to run the desk just now
    size_t broker_count;
    char endpoints[2048]; // what `brokers` points into
};

// Takes where the desk's owner is from a list joined by commas; `owner` as it is told to people.  Nothing is known
// when the owner does not renew its lease, or when the list is our own: then it was us, before a restart.
void redirect_set_owner(struct redirect *redirect, const char *endpoints, bool quiet, const char *own_endpoints);

// The answer to a peer's frame, owned by the caller (free), or NULL when there is none.
// `noise`: the frame is no message, or of no type that exists.
void *redirect_answer(const struct redirect *redirect, const void *frame, size_t frame_bytes, size_t *answer_bytes,
                      bool *noise);

#endif
