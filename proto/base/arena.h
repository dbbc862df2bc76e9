// arena.h - memory that is taken in small pieces and given back all at once.
//
// A zeroed arena is empty and ready.  Memory runs out only by abort, as everywhere in the broker; what comes
// from outside is bounded long before it gets here.

#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

struct arena_chunk;

struct arena {
    struct arena_chunk *newest; // the one that pieces are cut from; the older ones hang behind it
    size_t bytes;               // taken from the system, for bounds
};

// Gives everything back; the arena is empty and may be used again.
void arena_fini(struct arena *arena);

// A zeroed piece, aligned for any type.  Never NULL, also for 0 bytes.
void *arena_allocate(struct arena *arena, size_t bytes);

// A copy of a text; "" for NULL.
const char *arena_text(struct arena *arena, const char *text);

// A copy of the first `bytes` of a text, with a NUL added.
const char *arena_text_part(struct arena *arena, const char *text, size_t bytes);

#endif
