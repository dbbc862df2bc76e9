// clocks.h - the machine's clocks, each read in milliseconds.
//
// Only shells read a clock: what decides gets the time as an argument.

#ifndef BASE_CLOCKS_H
#define BASE_CLOCKS_H

#include <stdint.h>

// Since the machine was started.  It never goes back, and time asleep counts: what a program's own waiting goes by.
int64_t clocks_boot_ms(void);

// Never goes back either; time asleep does not count.  It is the one that a condition of thread.h waits by.
int64_t clocks_monotonic_ms(void);

// Since 1970, UTC.  Somebody may set it, back as well.
int64_t clocks_utc_ms(void);

#endif
