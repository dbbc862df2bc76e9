// loop.c - a turn: signals, frames in, the news of other threads, and then every desk that has something to do.

#include "broker/loop.h"

#include "broker/log.h"
#include "proto/base/clocks.h"
#include "proto/base/must.h"

#include <behalf/message.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

// Frames read in one turn: enough that a batch grows under load, few enough that answers do not wait for long.
#define FRAMES_A_TURN 512

#define STOP_MS 5000  // a stop that takes longer, as the store is away, goes without it
#define CLOSE_MS 3000 // and this long for what is being written then
#define NEWS_A_TURN 64

// Descriptors that are of no desk.
#define WATCH_SIGNALS UINT64_C(0xffff0001)
#define WATCH_LEASES UINT64_C(0xffff0002)
#define WATCH_JOBS UINT64_C(0xffff0003)
#define WATCH_STORES UINT64_C(0xffff0004)

struct loop {
    struct hosting hosting;
    int signals;
    struct local_desk *desks[LOOP_DESKS_MAX];
    int64_t due_ms[LOOP_DESKS_MAX]; // when each is to be worked on, by the boot-time clock
    size_t count;
    size_t ended;
    enum loop_end end;
    bool stopping;
    bool given_up;
    bool killed; // a second signal has come
    int64_t stop_by_ms;
};

// ---- beginning and end ----

static int loop_open_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static void loop_watch(const struct loop *loop, int descriptor, uint64_t what)
{
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = what };

    must(epoll_ctl(loop->hosting.watching, EPOLL_CTL_ADD, descriptor, &event) == 0);
}

struct loop *loop_new(struct router *router, struct leases *leases, const struct trace *trace)
{
    struct loop *loop = calloc(1, sizeof *loop);

    must(loop != NULL);
    loop->signals = loop_open_signals();
    must(loop->signals >= 0);
    loop->hosting = (struct hosting){
        .router = router,
        .dispatch = dispatch_new(),
        .writer = writer_new(),
        .leases = leases,
        .trace = trace,
        .watching = epoll_create1(EPOLL_CLOEXEC),
        .wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
    };
    must(loop->hosting.watching >= 0);
    must(loop->hosting.wake >= 0);
    loop_watch(loop, loop->signals, WATCH_SIGNALS);
    loop_watch(loop, loop->hosting.wake, WATCH_JOBS);
    loop_watch(loop, writer_fd(loop->hosting.writer), WATCH_STORES);
    if (leases != NULL) {
        loop_watch(loop, leases_fd(leases), WATCH_LEASES);
    }
    return loop;
}

void loop_destroy(struct loop **loop_p)
{
    struct loop *loop = *loop_p;

    if (loop == NULL) {
        return;
    }
    for (size_t i = 0; i < loop->count; i++) {
        local_desk_destroy(&loop->desks[i]);
    }
    writer_destroy(&loop->hosting.writer);
    dispatch_destroy(&loop->hosting.dispatch);
    close(loop->signals);
    close(loop->hosting.wake);
    close(loop->hosting.watching);
    free(loop);
    *loop_p = NULL;
}

void loop_add(struct loop *loop, const struct desk_source *source, const struct policy *policy,
              struct engine **engine_p)
{
    must(loop->count < LOOP_DESKS_MAX);
    size_t number = dispatch_add(loop->hosting.dispatch, policy);
    must(number == loop->count);
    loop->desks[number] = local_desk_new(&loop->hosting, source, number, engine_p);
    loop->count++;
}

// ---- frames in ----

static void loop_touch(struct loop *loop, size_t desk)
{
    loop->due_ms[desk] = 0;
}

// True when a HELLO came from an address of which too many were refused lately: then that has been answered.
static bool loop_is_refused(const struct loop *loop, const struct received *received, int64_t now_ms)
{
    struct behalf_fault fault;
    int64_t wait_ms = 0;

    if (!received->several && dispatch_is_hello(received->frame, received->frame_bytes)) {
        wait_ms = router_refused_for_ms(loop->hosting.router, received->peer, now_ms);
    }
    if (wait_ms == 0) {
        return false;
    }
    struct behalf_message *hello = behalf_message_decode(received->frame, received->frame_bytes, &fault);
    struct behalf_message refusal = { .type = BEHALF_ERROR,
                                      .id = hello != NULL && hello->id > 0 ? hello->id : 0,
                                      .error = { .code = behalf_code_name(BEHALF_CODE_TOO_MANY),
                                                 .reason = "too many sign-ins from this address were refused lately",
                                                 .retry_ms = wait_ms } };
    size_t bytes = 0;
    void *frame = behalf_message_encode(&refusal, &bytes, &fault);
    must(frame != NULL);
    behalf_message_destroy(&hello);
    hosting_trace(&loop->hosting, "-", received, frame, bytes);
    (void) router_send(loop->hosting.router, received->peer, &frame, bytes, now_ms);
    return true;
}

static void loop_direct(struct loop *loop, const struct received *received, int64_t now_ms)
{
    size_t bytes = received->several ? 0 : received->frame_bytes;

    if (loop_is_refused(loop, received, now_ms)) {
        return;
    }
    struct direction direction =
        dispatch_direct(loop->hosting.dispatch, received->peer, received->frame, bytes, now_ms);

    if (direction.left != DISPATCH_NO_DESK) {
        local_desk_left(loop->desks[direction.left], received->peer);
        loop_touch(loop, direction.left);
    }
    if (direction.desk != DISPATCH_NO_DESK && direction.answer == NULL) {
        local_desk_receive(loop->desks[direction.desk], received);
        loop_touch(loop, direction.desk);
    }
    if (direction.refused) {
        router_note_refused(loop->hosting.router, received->peer, now_ms);
    }
    if (direction.answer != NULL) {
        hosting_trace(&loop->hosting, "-", received, direction.answer, direction.answer_bytes);
        (void) router_send(loop->hosting.router, received->peer, &direction.answer, direction.answer_bytes, now_ms);
    }
}

// Returns true when there may be more.
static bool loop_read_messages(struct loop *loop, int64_t now_ms)
{
    struct received received;

    for (int i = 0; i < FRAMES_A_TURN; i++) {
        if (!router_receive(loop->hosting.router, &received, now_ms)) {
            return false;
        }
        loop_direct(loop, &received, now_ms);
    }
    return true;
}

// Whoever was at the other end of a connection that has closed is gone, once all they said has been read.
static void loop_hear_ends(struct loop *loop, bool drained, int64_t now_ms)
{
    const char *reason;
    uint64_t peer;

    while ((peer = router_next_ended(loop->hosting.router, drained, now_ms, &reason)) != 0) {
        size_t desk = dispatch_leave(loop->hosting.dispatch, peer);
        if (desk != DISPATCH_NO_DESK) {
            local_desk_gone(loop->desks[desk], peer, reason);
            loop_touch(loop, desk);
        }
    }
}

// ---- news ----

static void loop_hear_signals(struct loop *loop, int64_t now_ms)
{
    struct signalfd_siginfo signal;

    while (read(loop->signals, &signal, sizeof signal) == (ssize_t) sizeof signal) {
        if (loop->stopping) {
            loop->killed = true;
            return;
        }
        loop->stopping = true;
        loop->stop_by_ms = now_ms + STOP_MS;
        log_format("info", "broker signal %u received", signal.ssi_signo);
        loop->end = LOOP_STOPPED_WAITING;
        if (loop->hosting.leases != NULL) {
            leases_leave(loop->hosting.leases);
        }
        for (size_t i = 0; i < loop->count; i++) {
            loop->end = local_desk_is_ours(loop->desks[i]) ? LOOP_STOPPED : loop->end;
            local_desk_stop(loop->desks[i]);
            loop_touch(loop, i);
        }
    }
}

static void loop_hear_leases(struct loop *loop)
{
    struct lease_news news;
    size_t desk;

    while (leases_next_news(loop->hosting.leases, &desk, &news)) {
        local_desk_lease(loop->desks[desk], &news);
        loop_touch(loop, desk);
    }
}

// Who has news is told again as long as it was not all taken: each is taken once in a turn.
static void loop_hear_stores(struct loop *loop)
{
    const struct store *first = writer_next_news(loop->hosting.writer);
    const struct store *store = first;

    while (store != NULL) {
        loop_touch(loop, local_desk_of_store(store));
        store = writer_next_news(loop->hosting.writer);
        store = store == first ? NULL : store;
    }
}

static void loop_hear_jobs(struct loop *loop)
{
    uint64_t count;

    if (read(loop->hosting.wake, &count, sizeof count) == (ssize_t) sizeof count) {
        for (size_t i = 0; i < loop->count; i++) {
            loop_touch(loop, i);
        }
    }
}

// Finds out who has news.
static void loop_hear(struct loop *loop, int64_t now_ms)
{
    struct epoll_event events[NEWS_A_TURN];
    int count = epoll_wait(loop->hosting.watching, events, NEWS_A_TURN, 0);

    for (int i = 0; i < count; i++) {
        if (events[i].data.u64 < loop->count) {
            loop_touch(loop, events[i].data.u64);
        } else if (events[i].data.u64 == WATCH_SIGNALS) {
            loop_hear_signals(loop, now_ms);
        } else if (events[i].data.u64 == WATCH_LEASES) {
            loop_hear_leases(loop);
        } else if (events[i].data.u64 == WATCH_STORES) {
            loop_hear_stores(loop);
        } else if (events[i].data.u64 == WATCH_JOBS) {
            loop_hear_jobs(loop);
        }
    }
}

// ---- turns ----

static void loop_note_end(struct loop *loop, enum local_end end)
{
    static const enum loop_end ends[] = {
        [LOCAL_DESK_NOT_ON_DISK] = LOOP_NOT_ON_DISK,
        [LOCAL_DESK_CONTRADICTED] = LOOP_CONTRADICTED,
        [LOCAL_DESK_STORE] = LOOP_STORE,
        [LOCAL_DESK_RULES] = LOOP_RULES,
    };

    loop->ended++;
    if (end != LOCAL_DESK_STOPPED) {
        loop->end = ends[end];
    }
}

// Works on every desk that has something to do; returns when the next one has.
static int64_t loop_work(struct loop *loop, int64_t now_ms)
{
    int64_t next_ms = INT64_MAX;

    for (size_t i = 0; i < loop->count; i++) {
        if (loop->due_ms[i] <= now_ms) {
            bool went_on = local_desk_end(loop->desks[i]) == LOCAL_DESK_GOES_ON;
            loop->due_ms[i] = local_desk_work(loop->desks[i]);
            if (went_on && local_desk_end(loop->desks[i]) != LOCAL_DESK_GOES_ON) {
                loop_note_end(loop, local_desk_end(loop->desks[i]));
            }
        }
        next_ms = loop->due_ms[i] < next_ms ? loop->due_ms[i] : next_ms;
    }
    return next_ms;
}

// A stop takes too long.  True when it has been waited for long enough.
static bool loop_judge_stop(struct loop *loop, int64_t now_ms)
{
    if (!loop->stopping || now_ms < loop->stop_by_ms) {
        return false;
    }
    if (!loop->given_up) {
        loop->given_up = true;
        for (size_t i = 0; i < loop->count; i++) {
            bool went_on = local_desk_end(loop->desks[i]) == LOCAL_DESK_GOES_ON;
            local_desk_give_up(loop->desks[i]);
            if (went_on && local_desk_end(loop->desks[i]) != LOCAL_DESK_GOES_ON) {
                loop_note_end(loop, local_desk_end(loop->desks[i]));
            }
        }
    }
    return now_ms >= loop->stop_by_ms + CLOSE_MS;
}

// True if threads and signals have news.
static bool loop_wait_for_news(const struct loop *loop, bool more, int64_t next_ms)
{
    int64_t wait_ms = next_ms == INT64_MAX ? -1 : next_ms - clocks_boot_ms();

    if (next_ms != INT64_MAX && wait_ms < 0) {
        wait_ms = 0;
    }
    if (loop->stopping && (wait_ms < 0 || wait_ms > 100)) {
        wait_ms = 100; // the end of the time to stop is looked for in between
    }
    return router_wait(loop->hosting.router, loop->hosting.watching, more ? 0 : wait_ms);
}

uint64_t loop_told_beyond(const struct loop *loop)
{
    return loop->count > 0 ? local_desk_told_beyond(loop->desks[0]) : 0;
}

enum loop_end loop_run(struct loop *loop)
{
    bool news = true;

    for (;;) {
        int64_t now_ms = clocks_boot_ms();
        bool more = loop_read_messages(loop, now_ms);
        loop_hear_ends(loop, !more, now_ms);
        int64_t cut_ms = router_work(loop->hosting.router, now_ms);
        if (news) {
            loop_hear(loop, now_ms);
        }
        int64_t next_ms = loop_work(loop, now_ms);
        if (loop->killed || loop_judge_stop(loop, now_ms)) {
            return LOOP_KILLED;
        }
        if (loop->ended == loop->count) {
            return loop->end;
        }
        news = loop_wait_for_news(loop, more, cut_ms < next_ms ? cut_ms : next_ms);
    }
}
