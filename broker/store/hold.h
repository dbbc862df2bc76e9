// hold.h - why a desk may not be taken over: it is being moved between stores, or was.
//
// The desk's row says so, in both engines; a constraint of the row keeps its epoch where it is meanwhile.

#ifndef STORE_HOLD_H
#define STORE_HOLD_H

#include <stddef.h>
#include <stdint.h>

#define HOLD_LEAVING "leaving"   // its rows are being copied from here
#define HOLD_MOVED "moved"       // they were; what is here is the past
#define HOLD_ARRIVING "arriving" // its rows are being copied to here
#define HOLD_CLEARING "clearing" // what was here before is being removed

// In one line, why no broker may have the desk, and what to do.
void hold_describe(const char *desk, const char *held, const char *place, int64_t since_ms, char *reason,
                   size_t reason_bytes);

#endif
