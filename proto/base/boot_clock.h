// boot_clock.h - the clock that a program's own waiting goes by: it never goes back, and time asleep counts.

#ifndef BASE_BOOT_CLOCK_H
#define BASE_BOOT_CLOCK_H

#include <stdint.h>

// Milliseconds since the machine was started.
int64_t boot_clock_ms(void);

#endif
