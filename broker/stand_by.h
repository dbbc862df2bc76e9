// stand_by.h - what a broker answers while another one has the desk: where that is, or to ask again soon.
//
// Pure: a frame comes in, a frame goes out.

#ifndef BROKER_STAND_BY_H
#define BROKER_STAND_BY_H

#include <stdbool.h>
#include <stddef.h>

// Brokers told to a client, at most.
#define STAND_BY_BROKERS_MAX 8

struct stand_by {
    const char *desk;
    const char *brokers[STAND_BY_BROKERS_MAX]; // none: nobody is known to run the desk just now
    size_t broker_count;
    char endpoints[2048]; // what `brokers` points into
};

// Takes where the desk's owner is from a list joined by commas; `owner` as it is told to people.  Nothing is known
// when the owner does not renew its lease, or when the list is our own: then it was us, before a restart.
void stand_by_set_owner(struct stand_by *stand_by, const char *endpoints, bool quiet, const char *own_endpoints);

// The answer to a peer's frame, owned by the caller (free), or NULL when there is none.
// `noise`: the frame is no message, or of no type that exists.
void *stand_by_answer(const struct stand_by *stand_by, const void *frame, size_t frame_bytes, size_t *answer_bytes,
                      bool *noise);

#endif
