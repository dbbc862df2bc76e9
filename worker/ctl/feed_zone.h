// feed_zone.h - the time zones of the IANA (Europe/Berlin), with their clock changes, from the system's tzdata.
//
// One zone a process: the C library knows one.  It is set before there are threads, for the life of the process.

#ifndef CTL_FEED_ZONE_H
#define CTL_FEED_ZONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Makes `name` the zone of feed_zone_ahead_ms.  False with `fault` filled in, the names nearest to it included, if
// there is none such.
bool feed_zone_use(const char *name, char *fault, size_t fault_bytes);

// How far clocks of the zone that show `clock_ms` (milliseconds since 1970 as if they were UTC) are ahead of UTC.  A
// time that they show twice, in autumn, is the first of the two; one that they skip, in spring, is counted as if the
// clock had not been changed yet, and so as late as the first that they show again and a little.
int64_t feed_zone_ahead_ms(int64_t clock_ms);

#endif
