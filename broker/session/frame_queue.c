// frame_queue.c - two lists whose frames are numbered, so that both together are one order.

#include "broker/session/frame_queue.h"

#include "proto/base/must.h"

#include <stdlib.h>

struct queued_frame {
    struct queued_frame *next;
    uint64_t order;
    uint64_t peer;
    void *frame;
    size_t bytes;
};

// What a peer has waiting; there is none for a peer that has nothing.
struct waiting_of_peer {
    size_t frames;
    size_t bytes;
    bool too_much; // nothing more goes out to it
};

static void frame_queue_append(struct frame_list *list, struct queued_frame *frame)
{
    *(list->last != NULL ? &list->last->next : &list->first) = frame;
    list->last = frame;
}

static struct queued_frame *frame_queue_remove_first(struct frame_list *list)
{
    struct queued_frame *first = list->first;

    list->first = first->next;
    if (list->first == NULL) {
        list->last = NULL;
    }
    return first;
}

static struct waiting_of_peer *frame_queue_require_waiting(struct frame_queue *queue, uint64_t peer)
{
    struct waiting_of_peer *waiting = table_find(&queue->waiting, peer);

    if (waiting == NULL) {
        waiting = calloc(1, sizeof *waiting);
        must(waiting != NULL);
        table_put(&queue->waiting, peer, waiting);
    }
    return waiting;
}

// One frame of the peer is waiting no more.  False if nothing more goes out to it.
static bool frame_queue_count_out(struct frame_queue *queue, uint64_t peer, size_t bytes)
{
    struct waiting_of_peer *waiting = table_find(&queue->waiting, peer);
    bool goes_out = !waiting->too_much;

    waiting->frames--;
    waiting->bytes -= bytes;
    if (waiting->frames == 0) {
        table_remove(&queue->waiting, peer, waiting);
        free(waiting);
    }
    return goes_out;
}

bool frame_queue_put(struct frame_queue *queue, uint64_t peer, void **frame_p, size_t bytes, bool claiming)
{
    struct waiting_of_peer *waiting = frame_queue_require_waiting(queue, peer);
    void *frame = *frame_p;

    *frame_p = NULL;
    // A frame alone is let through, however long.
    if (waiting->frames >= FRAME_QUEUE_PEER_FRAMES ||
        (waiting->frames > 0 && waiting->bytes + bytes > FRAME_QUEUE_PEER_BYTES)) {
        waiting->too_much = true;
    }
    if (waiting->too_much) {
        free(frame);
        return false;
    }
    struct queued_frame *queued = calloc(1, sizeof *queued);
    must(queued != NULL);
    *queued = (struct queued_frame){ .order = queue->next_order++, .peer = peer, .frame = frame, .bytes = bytes };
    frame_queue_append(claiming ? &queue->claiming : &queue->plain, queued);
    waiting->frames++;
    waiting->bytes += bytes;
    return true;
}

// The list whose first frame is next, or NULL.
static struct frame_list *frame_queue_next_list(struct frame_queue *queue, bool claiming_too)
{
    const struct queued_frame *plain = queue->plain.first;
    const struct queued_frame *claiming = claiming_too ? queue->claiming.first : NULL;

    if (claiming != NULL && (plain == NULL || claiming->order < plain->order)) {
        return &queue->claiming;
    }
    return plain != NULL ? &queue->plain : NULL;
}

void *frame_queue_take(struct frame_queue *queue, bool claiming_too, uint64_t *peer, size_t *bytes)
{
    struct frame_list *list;

    while ((list = frame_queue_next_list(queue, claiming_too)) != NULL) {
        struct queued_frame *first = frame_queue_remove_first(list);
        void *frame = first->frame;
        *peer = first->peer;
        *bytes = first->bytes;
        free(first);
        if (frame_queue_count_out(queue, *peer, *bytes)) {
            return frame;
        }
        free(frame);
    }
    return NULL;
}

void frame_queue_forget_claims(struct frame_queue *queue)
{
    while (queue->claiming.first != NULL) {
        struct queued_frame *first = frame_queue_remove_first(&queue->claiming);
        (void) frame_queue_count_out(queue, first->peer, first->bytes);
        free(first->frame);
        free(first);
    }
}

void frame_queue_fini(struct frame_queue *queue)
{
    uint64_t peer;
    size_t bytes;
    void *frame;

    while ((frame = frame_queue_take(queue, true, &peer, &bytes)) != NULL) {
        free(frame);
    }
    table_fini(&queue->waiting);
    *queue = (struct frame_queue){ 0 };
}
