// edit_distance.h - how far one word is from another, for "did you mean".

#ifndef BASE_EDIT_DISTANCE_H
#define BASE_EDIT_DISTANCE_H

#include <stddef.h>

// Words are no longer than this.
#define EDIT_DISTANCE_BYTES 64

// Letters to change, add or leave out to make one word of the other, capitals aside (Levenshtein); neighbours swapped
// count two.
size_t edit_distance(const char *one, const char *other);

#endif
