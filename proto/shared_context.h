// shared_context.h - libzmq's contexts, each for many clients of one process.
//
// A context has two threads.  A process with a client for each of a thousand people would have two thousand of them,
// each woken for every message of its one person.  Safe to call from several threads.

#ifndef PROTO_SHARED_CONTEXT_H
#define PROTO_SHARED_CONTEXT_H

// Clients of one context at most; each has at most SHARED_CONTEXT_SOCKETS open at a time.
#define SHARED_CONTEXT_CLIENTS 256
#define SHARED_CONTEXT_SOCKETS 3

// A context for one more client, or NULL with errno set.  Each must be released once.
void *shared_context_hold(void);

// To be called when the client's sockets are closed.  Who is the last one of the context ends it, and waits for what
// lingers in it.
void shared_context_release(void **context_p);

#endif
