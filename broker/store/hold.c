// hold.c - the words for a desk that is held.

#include "broker/store/hold.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

void hold_describe(const char *desk, const char *held, const char *place, int64_t since_ms, char *reason,
                   size_t reason_bytes)
{
    time_t seconds = (time_t) (since_ms / 1000);
    struct tm parts = { 0 };
    char since[32] = "an unknown day";

    if (gmtime_r(&seconds, &parts) != NULL) {
        (void) strftime(since, sizeof since, "%Y-%m-%d %H:%M UTC", &parts);
    }
    if (strcmp(held, HOLD_MOVED) == 0) {
        snprintf(reason, reason_bytes, "the desk %.64s was moved to %.200s on %s: start its broker there", desk, place,
                 since);
    } else if (strcmp(held, HOLD_LEAVING) == 0) {
        snprintf(
            reason, reason_bytes,
            "the desk %.64s is being moved to %.200s since %s: finish that with the same `behalf-ctl move`, or give"
            " it up with --cancel",
            desk, place, since);
    } else {
        snprintf(
            reason, reason_bytes,
            "the desk %.64s is not complete here, it is being moved from %.200s since %s: finish that with the same"
            " `behalf-ctl move`, or give it up with --cancel",
            desk, place, since);
    }
}
