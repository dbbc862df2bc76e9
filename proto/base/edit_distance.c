// edit_distance.c - the distance of two words, row by row: see edit_distance.h.

#include "proto/base/edit_distance.h"

#include "proto/base/must.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

static size_t edit_distance_least(size_t a, size_t b, size_t c)
{
    size_t less = a < b ? a : b;
    return less < c ? less : c;
}

size_t edit_distance(const char *one, const char *other)
{
    size_t row[EDIT_DISTANCE_BYTES + 1];
    size_t one_bytes = strlen(one), other_bytes = strlen(other);
    must(other_bytes <= EDIT_DISTANCE_BYTES);
    for (size_t j = 0; j <= other_bytes; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= one_bytes; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= other_bytes; j++) {
            size_t above = row[j];
            bool same = tolower((unsigned char) one[i - 1]) == tolower((unsigned char) other[j - 1]);
            row[j] = edit_distance_least(above + 1, row[j - 1] + 1, diagonal + !same);
            diagonal = above;
        }
    }
    return row[other_bytes];
}
