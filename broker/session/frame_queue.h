// frame_queue.h - frames on their way out of a broker, in order, bounded for each peer.
//
// Some frames claim something about the desk and may have to wait; the others do not wait for them.  Whatever waits,
// taking the next frame costs the same.

#ifndef SESSION_FRAME_QUEUE_H
#define SESSION_FRAME_QUEUE_H

#include "proto/base/table.h"

#include <stdbool.h>

// What one peer may have waiting: the answers to four full windows of requests, and the items shown on a resume.
#define FRAME_QUEUE_PEER_FRAMES 4096
#define FRAME_QUEUE_PEER_BYTES ((size_t) 8 << 20)

struct queued_frame;

struct frame_list {
    struct queued_frame *first, *last;
};

// A zeroed queue is empty and ready.
struct frame_queue {
    struct frame_list plain;
    struct frame_list claiming;
    struct table waiting; // what each peer has waiting, by its number
    uint64_t next_order;
};

void frame_queue_fini(struct frame_queue *queue);

// Takes a frame for a peer.  False if the peer has as much waiting as it may: the frame is gone, and so will be
// those before it, which are taken out no more.
bool frame_queue_put(struct frame_queue *queue, uint64_t peer, void **frame_p, size_t bytes, bool claiming);

// Drops what claims something.
void frame_queue_forget_claims(struct frame_queue *queue);

// The next frame, owned by the caller (free), or NULL.  `claiming_too`: also of those that claim something.
void *frame_queue_take(struct frame_queue *queue, bool claiming_too, uint64_t *peer, size_t *bytes);

#endif
