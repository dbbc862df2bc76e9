// message_mend.h - wrong values in the tree of a frame become values that pass, where messages.def lets them.

#ifndef PROTO_MESSAGE_MEND_H
#define PROTO_MESSAGE_MEND_H

#include <behalf/message.h>

#include <msgpack.h>
#include <stdint.h>

// More keys than a post has by anybody's mistake: to look at all of them twice more is work for nothing.
#define MENDED_KEYS_MAX 256

// Mends the values of a map, in its tree; what they become lives in the zone.  Returns the fields mended, as bits.
uint64_t message_mend_fields(const struct behalf_field *table, const msgpack_object_map *map, msgpack_zone *zone);

#endif
