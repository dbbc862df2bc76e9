// must.h - the assertion that stays on in release builds.
//
// For broken promises of our own code, never for what came from outside.

#ifndef BASE_MUST_H
#define BASE_MUST_H

#include <stdio.h>
#include <stdlib.h>

#define must(expression)                                                                                               \
    do {                                                                                                               \
        if (!(expression)) {                                                                                           \
            fprintf(stderr, "%s:%d: %s: broken promise: %s\n", __FILE__, __LINE__, __func__, #expression);             \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

#endif
