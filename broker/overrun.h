// overrun.h - cuts off a connection whose bytes never become a message.
//
// libzmq delivers a message once its last frame is there, and keeps what comes until then: a peer that never ends its
// message would fill the memory, whatever RCVHWM and MAXMSGSIZE say, and no option bounds it.  So a thread of its own
// holds what the kernel has received over each TCP connection against what the loop was given from it.  Bytes of
// ipc connections are not counted by the kernel: whoever may open their file is trusted so far.

#ifndef BROKER_OVERRUN_H
#define BROKER_OVERRUN_H

#include <stddef.h>

struct overrun;

// A connection is cut once more than `bytes_max` have come without a whole message; it must be more than the longest
// message and the kernel's buffer together.
struct overrun *overrun_new(size_t bytes_max);
void overrun_destroy(struct overrun **overrun_p);

// A connection over this descriptor was accepted, or has closed.
void overrun_accepted(struct overrun *overrun, int descriptor);
void overrun_closed(struct overrun *overrun, int descriptor);

// The loop was given a message over this connection, by its descriptor (ZMQ_SRCFD; -1 is ignored).
void overrun_delivered(struct overrun *overrun, int descriptor);

// Readable when the loop should read the socket until it has nothing, for a connection is suspected.
int overrun_fd(const struct overrun *overrun);

// The loop has found that readable, and then asked the socket and found nothing: all that was whole by then has been
// delivered.
void overrun_drained(struct overrun *overrun);

#endif
