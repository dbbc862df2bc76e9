// overrun.c - a thread that looks at what the kernel has counted of each connection: see overrun.h.
//
// A connection is suspected when too much has come since a message of it was delivered, and cut at a later look if the
// loop has drained its socket since and still had nothing from it: what was suspected then is one unfinished message.

#include "broker/overrun.h"

#include "broker/log.h"
#include "proto/base/must.h"
#include "proto/base/thread.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <linux/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOOK_MS 50           // at whether memory grows
#define LOOK_ALL_MS 1000     // at every connection, whatever memory does
#define GROWTH_BYTES 4194304 // of memory, after which every connection is looked at

// Descriptors of connections are below this; one beyond is not watched.
#define DESCRIPTORS_MAX 65536

struct watched {
    unsigned generation; // odd while a connection is open over the descriptor
    bool suspected;
    uint64_t bytes;   // received when a message was last seen to be delivered
    unsigned drained; // when it was suspected
};

struct overrun {
    pthread_t thread;
    int loop_fd;   // wakes the loop
    int ending_fd; // wakes the thread at the end
    size_t bytes_max;
    atomic_uint drained; // counts
    atomic_bool delivered[DESCRIPTORS_MAX];
    atomic_uint generation[DESCRIPTORS_MAX]; // counts openings and closings
    atomic_int highest;                      // descriptor ever watched; -1: none
    struct watched watched[DESCRIPTORS_MAX]; // the thread's
    size_t resident_bytes;                   // when last looked at all
};

// Bytes that have come over a TCP connection; false for any other descriptor.  Source: tcp(7), TCP_INFO.
static bool overrun_received_bytes(int descriptor, uint64_t *bytes)
{
    struct tcp_info info = { 0 };
    socklen_t size = sizeof info;

    if (getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 ||
        size < offsetof(struct tcp_info, tcpi_bytes_received) + sizeof info.tcpi_bytes_received) {
        return false;
    }
    *bytes = info.tcpi_bytes_received;
    return true;
}

// Source: proc(5), /proc/self/statm.
static size_t overrun_resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long pages = 0;

    if (file == NULL) {
        return 0;
    }
    if (fscanf(file, "%*u %lu", &pages) != 1) {
        pages = 0;
    }
    fclose(file);
    return pages * (size_t) sysconf(_SC_PAGESIZE);
}

// The descriptor may be another connection's by the time it is cut: so what is cut is a duplicate, looked at once more.
static void overrun_cut(struct overrun *overrun, int descriptor)
{
    struct watched *watched = &overrun->watched[descriptor];
    int duplicate = dup(descriptor);
    uint64_t bytes = 0;

    if (duplicate >= 0 && overrun_received_bytes(duplicate, &bytes) && bytes > watched->bytes + overrun->bytes_max) {
        // Reset, not just ended: a peer that only sends would not notice for a minute.  Source: socket(7), SO_LINGER.
        struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
        must(setsockopt(duplicate, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
        shutdown(duplicate, SHUT_RDWR);
        log_format("warning", "peer dropped: %" PRIu64 " bytes came over its connection without a whole message",
                   bytes - watched->bytes);
    }
    if (duplicate >= 0) {
        close(duplicate);
    }
    watched->suspected = false;
    watched->bytes = bytes;
}

static void overrun_wake_loop(const struct overrun *overrun)
{
    uint64_t one = 1;

    must(write(overrun->loop_fd, &one, sizeof one) == (ssize_t) sizeof one);
}

static void overrun_look_at(struct overrun *overrun, int descriptor)
{
    struct watched *watched = &overrun->watched[descriptor];
    unsigned drained = atomic_load(&overrun->drained);
    bool delivered = atomic_exchange(&overrun->delivered[descriptor], false);
    uint64_t bytes = 0;

    unsigned generation = atomic_load(&overrun->generation[descriptor]);

    if (generation != watched->generation) {
        *watched = (struct watched){ .generation = generation };
    }
    if (generation % 2 == 0 || !overrun_received_bytes(descriptor, &bytes)) {
        return;
    }
    if (delivered || bytes < watched->bytes) {
        watched->bytes = bytes;
        watched->suspected = false;
    } else if (watched->suspected && drained != watched->drained) {
        overrun_cut(overrun, descriptor);
    } else if (!watched->suspected && bytes - watched->bytes > overrun->bytes_max) {
        watched->suspected = true;
        watched->drained = drained;
        overrun_wake_loop(overrun);
    }
}

static void overrun_look_at_all(struct overrun *overrun)
{
    for (int descriptor = 0; descriptor <= atomic_load(&overrun->highest); descriptor++) {
        overrun_look_at(overrun, descriptor);
    }
}

static void *overrun_watch(void *self)
{
    struct overrun *overrun = self;
    int since_ms = 0;

    struct pollfd ending = { .fd = overrun->ending_fd, .events = POLLIN };

    while (poll(&ending, 1, LOOK_MS) <= 0) {
        since_ms += LOOK_MS;
        size_t resident = overrun_resident_bytes();
        if (resident < overrun->resident_bytes) {
            overrun->resident_bytes = resident;
        }
        if (since_ms >= LOOK_ALL_MS || resident > overrun->resident_bytes + GROWTH_BYTES) {
            overrun_look_at_all(overrun);
            overrun->resident_bytes = resident;
            since_ms = 0;
        }
    }
    return NULL;
}

// ---- public ----

struct overrun *overrun_new(size_t bytes_max)
{
    struct overrun *overrun = calloc(1, sizeof *overrun);

    must(overrun != NULL);
    overrun->bytes_max = bytes_max;
    overrun->highest = -1;
    overrun->loop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    overrun->ending_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    must(overrun->loop_fd >= 0);
    must(overrun->ending_fd >= 0);
    thread_start(&overrun->thread, overrun_watch, overrun);
    return overrun;
}

void overrun_destroy(struct overrun **overrun_p)
{
    struct overrun *overrun = *overrun_p;
    uint64_t one = 1;

    if (overrun == NULL) {
        return;
    }
    must(write(overrun->ending_fd, &one, sizeof one) == (ssize_t) sizeof one);
    must(pthread_join(overrun->thread, NULL) == 0);
    close(overrun->loop_fd);
    close(overrun->ending_fd);
    free(overrun);
    *overrun_p = NULL;
}

void overrun_accepted(struct overrun *overrun, int descriptor)
{
    if (descriptor < 0 || descriptor >= DESCRIPTORS_MAX) {
        return;
    }
    // Two steps if nobody said that the one before it has closed.
    unsigned generation = atomic_load(&overrun->generation[descriptor]);
    atomic_store(&overrun->generation[descriptor], generation + (generation % 2 == 0 ? 1 : 2));
    if (descriptor > atomic_load(&overrun->highest)) {
        atomic_store(&overrun->highest, descriptor);
    }
}

void overrun_closed(struct overrun *overrun, int descriptor)
{
    if (descriptor >= 0 && descriptor < DESCRIPTORS_MAX && atomic_load(&overrun->generation[descriptor]) % 2 == 1) {
        atomic_fetch_add(&overrun->generation[descriptor], 1);
    }
}

void overrun_delivered(struct overrun *overrun, int descriptor)
{
    if (descriptor >= 0 && descriptor < DESCRIPTORS_MAX) {
        atomic_store(&overrun->delivered[descriptor], true);
    }
}

void overrun_drained(struct overrun *overrun)
{
    uint64_t count;

    (void) !read(overrun->loop_fd, &count, sizeof count);
    atomic_fetch_add(&overrun->drained, 1);
}

int overrun_fd(const struct overrun *overrun)
{
    return overrun->loop_fd;
}
