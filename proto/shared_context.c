// shared_context.c - a list of contexts, each with the number of those who hold it.

#include "proto/shared_context.h"

#include "proto/base/must.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>
#include <zmq.h>

// What a client has closed is libzmq's for a moment longer, while the client has opened the next.
#define SOCKETS_MAX (2 * SHARED_CONTEXT_CLIENTS * SHARED_CONTEXT_SOCKETS)

struct shared_context {
    void *context;
    size_t clients;
    pid_t process; // a child that was forked has the memory, but not the threads
    struct shared_context *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct shared_context *shared_context_first; // behind `lock`

// The place of the first one that has room for a client of this process, else of the end.
static struct shared_context **shared_context_find_room(void)
{
    struct shared_context **place = &shared_context_first;
    pid_t process = getpid();

    while (*place != NULL && ((*place)->process != process || (*place)->clients == SHARED_CONTEXT_CLIENTS)) {
        place = &(*place)->next;
    }
    return place;
}

static struct shared_context *shared_context_make(void)
{
    void *context = zmq_ctx_new();
    if (context == NULL) {
        return NULL;
    }
    must(zmq_ctx_set(context, ZMQ_MAX_SOCKETS, SOCKETS_MAX) == 0);
    struct shared_context *shared = calloc(1, sizeof *shared);
    must(shared != NULL);
    *shared = (struct shared_context){ .context = context, .process = getpid() };
    return shared;
}

void *shared_context_hold(void)
{
    must(pthread_mutex_lock(&lock) == 0);
    struct shared_context **place = shared_context_find_room();
    if (*place == NULL) {
        *place = shared_context_make();
    }
    struct shared_context *shared = *place;
    if (shared != NULL) {
        shared->clients++;
    }
    must(pthread_mutex_unlock(&lock) == 0);
    return shared != NULL ? shared->context : NULL;
}

// Takes the context out of the list if nobody holds it any more.
static struct shared_context *shared_context_let_go(const void *context)
{
    struct shared_context **place = &shared_context_first;
    struct shared_context *shared;

    while ((shared = *place) != NULL && shared->context != context) {
        place = &shared->next;
    }
    must(shared != NULL);
    if (--shared->clients > 0) {
        return NULL;
    }
    *place = shared->next;
    return shared;
}

void shared_context_release(void **context_p)
{
    if (*context_p == NULL) {
        return;
    }
    must(pthread_mutex_lock(&lock) == 0);
    struct shared_context *unused = shared_context_let_go(*context_p);
    must(pthread_mutex_unlock(&lock) == 0);
    // Outside the lock, as what lingers is waited for; also when signals come meanwhile.
    while (unused != NULL && zmq_ctx_term(unused->context) != 0 && zmq_errno() == EINTR) {
        continue;
    }
    free(unused);
    *context_p = NULL;
}
