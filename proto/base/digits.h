// digits.h - a number in decimal digits, for texts that are put together by copies: formatting one costs ten times as
// much.

#ifndef BASE_DIGITS_H
#define BASE_DIGITS_H

#include <stdint.h>

#define DIGITS_BYTES 21 // of the largest number, and a NUL

// Writes the number at the end of `memory`, and returns where it begins there.
static inline const char *digits_of(uint64_t number, char memory[DIGITS_BYTES])
{
    char *at = memory + DIGITS_BYTES - 1;

    *at = '\0';
    do {
        *--at = (char) ('0' + number % 10);
    } while ((number /= 10) != 0);
    return at;
}

#endif
