// unread.c - counters that each counted message keeps alive.

#include "broker/unread.h"

#include "proto/base/must.h"

#include <stdatomic.h>
#include <stdlib.h>

struct unread {
    atomic_size_t bytes;
    atomic_uint_fast64_t taken;
    atomic_size_t owners; // messages, and who made it
};

// What libzmq gives back with a frame.
struct counted {
    struct unread *unread;
    size_t bytes;
};

static atomic_size_t of_all;

struct unread *unread_new(void)
{
    struct unread *unread = calloc(1, sizeof *unread);

    must(unread != NULL);
    atomic_init(&unread->owners, 1);
    return unread;
}

static void unread_disown(struct unread *unread)
{
    if (atomic_fetch_sub(&unread->owners, 1) == 1) {
        free(unread);
    }
}

void unread_release(struct unread **unread_p)
{
    if (*unread_p != NULL) {
        unread_disown(*unread_p);
        *unread_p = NULL;
    }
}

size_t unread_bytes(const struct unread *unread)
{
    return atomic_load(&unread->bytes);
}

uint64_t unread_taken(const struct unread *unread)
{
    return atomic_load(&unread->taken);
}

size_t unread_bytes_of_all(void)
{
    return atomic_load(&of_all);
}

// Called by a thread of libzmq.
static void is_done(void *frame, void *hint)
{
    struct counted *counted = hint;

    atomic_fetch_sub(&counted->unread->bytes, counted->bytes);
    atomic_fetch_add(&counted->unread->taken, 1);
    atomic_fetch_sub(&of_all, counted->bytes);
    unread_disown(counted->unread);
    free(counted);
    free(frame);
}

void unread_message(struct unread *unread, void **frame_p, size_t frame_bytes, zmq_msg_t *message)
{
    struct counted *counted = malloc(sizeof *counted);

    must(counted != NULL);
    *counted = (struct counted){ .unread = unread, .bytes = frame_bytes };
    atomic_fetch_add(&unread->bytes, frame_bytes);
    atomic_fetch_add(&unread->owners, 1);
    atomic_fetch_add(&of_all, frame_bytes);
    must(zmq_msg_init_data(message, *frame_p, frame_bytes, is_done, counted) == 0);
    *frame_p = NULL;
}
