// unread.h - bytes that were handed to libzmq for a peer and that the kernel has not taken yet.
//
// libzmq bounds what waits for a peer in frames, whatever their size.  Here its bytes are counted, over any transport:
// libzmq says when it is done with a message, sent or not, by calling back from its own thread.

#ifndef BROKER_UNREAD_H
#define BROKER_UNREAD_H

#include <stddef.h>
#include <stdint.h>
#include <zmq.h>

struct unread;

struct unread *unread_new(void);

// The owner needs it no more; it goes with the last message counted by it.
void unread_release(struct unread **unread_p);

size_t unread_bytes(const struct unread *unread);

// Messages that libzmq was done with, ever: as long as this grows, the peer reads.
uint64_t unread_taken(const struct unread *unread);

// Makes a message of a frame, which it takes, counted until libzmq is done with it.
void unread_message(struct unread *unread, void **frame_p, size_t frame_bytes, zmq_msg_t *message);

// Of all peers together.
size_t unread_bytes_of_all(void);

#endif
