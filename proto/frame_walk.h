// frame_walk.h - looks a frame's bytes over before anything is allocated for what they claim.
//
// msgpack says how many elements follow before they follow, and msgpack-c believes it: five bytes make it
// ask for gigabytes.  So every frame is first walked here, in place, with bounds on depth, on elements
// and on lengths against the bytes that are really there.  What passes is one well-formed msgpack array
// [text, non-negative integer, map] and nothing behind it.  The meaning of the map is message_decode.c's.

#ifndef PROTO_FRAME_WALK_H
#define PROTO_FRAME_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The frame's array is level 1, the body 2, a list in it 3, a record 4: the rest is room for what later
// versions may put under keys that this one ignores.
#define FRAME_DEPTH_MAX 8

// Values in a frame, keys included.  The largest message, COUNTS with 4,096 queues and 4,096 people, has
// about 170,000; msgpack-c takes 24 bytes for each, so that no frame makes it ask for more than 6 MB.
#define FRAME_VALUES_MAX (256 * 1024)

struct frame_walk {
    int64_t id;        // the frame's id if the walk got as far, else 0
    const char *fault; // in words, what is wrong; NULL when nothing is
};

// Walks a frame and returns whether it is well-formed.  Allocates nothing, reads each byte once at most.
bool frame_walk(const void *frame, size_t frame_bytes, struct frame_walk *walk);

#endif
