// lease.c - see lease.h.
//
// The link to the store is the thread's alone; what the loop orders and what the thread has found out is shared
// under one mutex.  While the store does not answer the link is opened again and again.

#include "broker/lease.h"

#include "proto/must.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define REOPEN_MS 100   // between attempts to reach the store
#define STAND_BY_MS 500 // before the first look after a take-over that failed
#define RELEASE_MS 1500 // a release takes longer: challengers will see the counter stand still instead

enum order { ORDER_WATCH, ORDER_HOLD, ORDER_RELEASE, ORDER_END };

struct lease {
    pthread_t thread;
    int news_fd;  // for the loop
    int order_fd; // for the thread

    pthread_mutex_t mutex; // of all below
    pthread_cond_t released;
    enum order order;
    bool told;          // news_fd is readable
    int64_t look_at_ms; // WATCH: not before
    struct lease_watch watch;
    struct lease_hold hold;
    struct lease_news news;

    struct lease_link *link; // the thread's
};

int64_t lease_now_ms(void)
{
    struct timespec now;

    must(clock_gettime(CLOCK_BOOTTIME, &now) == 0);
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void raise_fd(int descriptor)
{
    uint64_t one = 1;

    must(write(descriptor, &one, sizeof one) == (ssize_t) sizeof one);
}

static void clear_fd(int descriptor)
{
    uint64_t count;

    (void) !read(descriptor, &count, sizeof count);
}

// Under the mutex.
static void tell(struct lease *lease, enum lease_state state)
{
    bool renewed = state == LEASE_HELD && lease->news.until_ms != lease->hold.until_ms;

    if (state != lease->news.state || renewed) {
        lease->news.until_ms = lease->hold.until_ms;
        lease->news.renewed_ms = lease->hold.until_ms - LEASE_TTL_MS;
        lease->news.state = state;
        if (!lease->told) {
            lease->told = true;
            raise_fd(lease->news_fd);
        }
    }
}

// ---- the thread ----

static int64_t note_trouble(struct lease *lease)
{
    pthread_mutex_lock(&lease->mutex);
    snprintf(lease->news.trouble, sizeof lease->news.trouble, "%s", lease_link_reason(lease->link));
    lease_watch_lost(&lease->watch);
    if (lease->order == ORDER_WATCH) {
        tell(lease, LEASE_UNKNOWN);
    }
    pthread_mutex_unlock(&lease->mutex);
    return REOPEN_MS;
}

// Waits for an order or so long; also for what the store tells.
static void rest(struct lease *lease, int64_t ms)
{
    struct pollfd order = { .fd = lease->order_fd, .events = POLLIN };

    if (ms > 0 && !lease_link_wait(lease->link, lease->order_fd, (int) ms)) {
        (void) poll(&order, 1, (int) ms);
    }
    if (poll(&order, 1, 0) > 0) {
        clear_fd(lease->order_fd);
    }
}

// Returns how long to rest.
static int64_t look(struct lease *lease)
{
    struct lease_row row;
    int64_t asked_ms = lease_now_ms();

    pthread_mutex_lock(&lease->mutex);
    int64_t early_ms = lease->look_at_ms - asked_ms;
    pthread_mutex_unlock(&lease->mutex);
    if (early_ms > 0) {
        return early_ms;
    }
    if (!lease_link_look(lease->link, &row)) {
        return note_trouble(lease);
    }
    int64_t answered_ms = lease_now_ms();
    pthread_mutex_lock(&lease->mutex);
    if (lease->order == ORDER_WATCH && lease->look_at_ms <= asked_ms) {
        bool is_free = lease_watch_seen(&lease->watch, &row, asked_ms, answered_ms);
        lease->news.row = row;
        lease->news.quiet = lease->watch.quiet;
        tell(lease, is_free ? LEASE_FREE : LEASE_ELSEWHERE);
    }
    pthread_mutex_unlock(&lease->mutex);
    return LEASE_LOOK_MS;
}

static int64_t renew(struct lease *lease, uint64_t epoch)
{
    struct lease_row row = { 0 };
    int64_t sent_ms = 0;
    bool ours = false;

    if (!lease_link_renew(lease->link, epoch, lease_now_ms, &sent_ms, &ours)) {
        return note_trouble(lease);
    }
    if (!ours) {
        (void) lease_link_look(lease->link, &row);
    }
    pthread_mutex_lock(&lease->mutex);
    if (lease->order == ORDER_HOLD && lease->hold.epoch == epoch) {
        lease_hold_answered(&lease->hold, ours, sent_ms);
        lease->news.row = ours ? lease->news.row : row;
        tell(lease, lease->hold.fenced ? LEASE_FENCED : LEASE_HELD);
    }
    pthread_mutex_unlock(&lease->mutex);
    int64_t left_ms = sent_ms + LEASE_RENEW_MS - lease_now_ms();
    return left_ms > 1 ? left_ms : 1;
}

static int64_t release(struct lease *lease, uint64_t epoch)
{
    if (!lease_link_release(lease->link, epoch)) {
        return note_trouble(lease);
    }
    pthread_mutex_lock(&lease->mutex);
    lease->order = ORDER_END;
    pthread_cond_broadcast(&lease->released);
    pthread_mutex_unlock(&lease->mutex);
    return 0;
}

static void *work(void *self)
{
    struct lease *lease = self;

    for (;;) {
        int64_t rest_ms = REOPEN_MS;
        pthread_mutex_lock(&lease->mutex);
        enum order order = lease->order;
        uint64_t epoch = lease->hold.epoch;
        bool fenced = lease->hold.fenced;
        pthread_mutex_unlock(&lease->mutex);
        if (order == ORDER_END) {
            return NULL;
        }
        if (order == ORDER_HOLD && fenced) {
            rest_ms = LEASE_RENEW_MS;
        } else {
            rest_ms = order == ORDER_WATCH  ? look(lease)
                      : order == ORDER_HOLD ? renew(lease, epoch)
                                            : release(lease, epoch);
        }
        rest(lease, rest_ms);
    }
}

// ---- orders ----

static void give_order(struct lease *lease, enum order order)
{
    lease->order = order;
    raise_fd(lease->order_fd);
}

void lease_hold(struct lease *lease, uint64_t epoch, int64_t sent_ms)
{
    pthread_mutex_lock(&lease->mutex);
    lease_hold_begin(&lease->hold, epoch, sent_ms);
    tell(lease, LEASE_HELD);
    give_order(lease, ORDER_HOLD);
    pthread_mutex_unlock(&lease->mutex);
}

void lease_stand_by(struct lease *lease)
{
    pthread_mutex_lock(&lease->mutex);
    lease_watch_lost(&lease->watch);
    lease->hold = (struct lease_hold){ 0 };
    lease->look_at_ms = lease_now_ms() + STAND_BY_MS;
    tell(lease, LEASE_UNKNOWN);
    give_order(lease, ORDER_WATCH);
    pthread_mutex_unlock(&lease->mutex);
}

void lease_release(struct lease *lease)
{
    struct timespec until;
    int result = 0;

    must(clock_gettime(CLOCK_MONOTONIC, &until) == 0);
    until.tv_sec += RELEASE_MS / 1000 + 1;
    pthread_mutex_lock(&lease->mutex);
    if (lease->order == ORDER_HOLD && !lease->hold.fenced) {
        give_order(lease, ORDER_RELEASE);
        while (lease->order == ORDER_RELEASE && result == 0) {
            result = pthread_cond_timedwait(&lease->released, &lease->mutex, &until);
        }
    }
    pthread_mutex_unlock(&lease->mutex);
}

int lease_fd(const struct lease *lease)
{
    return lease->news_fd;
}

void lease_news(struct lease *lease, struct lease_news *news)
{
    pthread_mutex_lock(&lease->mutex);
    *news = lease->news;
    if (lease->told) {
        lease->told = false;
        clear_fd(lease->news_fd);
    }
    pthread_mutex_unlock(&lease->mutex);
}

// ---- beginning and end ----

static void start_thread(struct lease *lease)
{
    sigset_t all, before;

    // Signals are for the thread that made us.
    sigfillset(&all);
    must(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    must(pthread_create(&lease->thread, NULL, work, lease) == 0);
    must(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
}

struct lease *lease_new(const char *conninfo, const char *desk)
{
    struct lease *lease = calloc(1, sizeof *lease);
    pthread_condattr_t monotonic;

    must(lease != NULL);
    lease->link = lease_link_new(conninfo, desk);
    lease->news_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    lease->order_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    must(lease->news_fd >= 0);
    must(lease->order_fd >= 0);
    must(pthread_mutex_init(&lease->mutex, NULL) == 0);
    must(pthread_condattr_init(&monotonic) == 0);
    must(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
    must(pthread_cond_init(&lease->released, &monotonic) == 0);
    pthread_condattr_destroy(&monotonic);
    start_thread(lease);
    return lease;
}

void lease_destroy(struct lease **lease_p)
{
    struct lease *lease = *lease_p;

    if (lease == NULL) {
        return;
    }
    pthread_mutex_lock(&lease->mutex);
    give_order(lease, ORDER_END);
    pthread_mutex_unlock(&lease->mutex);
    must(pthread_join(lease->thread, NULL) == 0);
    lease_link_destroy(&lease->link);
    pthread_cond_destroy(&lease->released);
    pthread_mutex_destroy(&lease->mutex);
    (void) close(lease->news_fd);
    (void) close(lease->order_fd);
    free(lease);
    *lease_p = NULL;
}
