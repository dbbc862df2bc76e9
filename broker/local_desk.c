// local_desk.c - the states of local_desk.h, and in each what follows from news; while serving, the I/O of its broker.

#include "broker/local_desk.h"

#include "broker/compile.h"
#include "broker/job.h"
#include "broker/session/redirect.h"
#include "proto/base/clocks.h"
#include "proto/base/must.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <zmq.h>

#define OPENINGS_MAX 8        // at once: each reads a desk back, and there are other desks to serve
#define MISSED_PAUSE_MS 500   // before a desk is looked at again that could not be taken over, or was lost
#define FAILED_PAUSE_MS 10000 // of several desks, before one is tried again that could not be opened
#define CONTRADICTED_MS 5000  // how long a contradiction may only mean that we are fenced and do not know yet
#define DESCRIBED_MS 500      // how old what is told of the store may be
#define LOOK_MS 100           // how often an end is looked for that nothing tells
#define DRAIN_MS 3000         // longest that a desk let go is kept until its tables show all that was decided

enum local_state { LOCAL_DESK_WATCHING, LOCAL_DESK_OPENING, LOCAL_DESK_SERVING, LOCAL_DESK_CLOSING };

// What is freed beside the loop.
struct closing {
    struct broker *broker;
    struct compile *compile;
};

struct local_desk {
    struct hosting *hosting;
    const struct desk_source *source;
    size_t number;
    enum local_state state;
    enum local_end end;
    enum local_end failed; // how it ends once it is closed; LOCAL_DESK_GOES_ON: it is tried again
    bool stopping;
    bool handing; // to another broker, where `successor` is
    struct redirect successor;
    struct redirect others; // where clients are sent while our lease has lapsed
    uint64_t told_beyond;   // as of local_desk_told_beyond
    size_t sessions;        // as last told
    bool releasing;         // the lease is being given up
    int64_t pause_ms;       // once it is, before the desk is looked at again
    struct lease_news lease;
    enum lease_state said; // of it, in the log
    struct redirect redirect;
    struct job *job;
    struct opening opening;
    struct closing closing;

    // While it is served.
    struct broker *broker;
    struct store *store;
    struct clock clock;
    struct compile *compile; // NULL: no rules are being compiled
    enum store_state store_state;
    int64_t described_ms;    // when the broker was told last how the store is, by its clock
    int64_t contradicted_ms; // when the store contradicted us, by the boot-time clock; 0: it did not
    int64_t drain_by_ms;     // let go: when that no longer waits for its tables, by the same; 0: it is not
};

// ---- descriptors ----

static void local_desk_watch(const struct local_desk *local, int descriptor)
{
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = local->number };

    must(epoll_ctl(local->hosting->watching, EPOLL_CTL_ADD, descriptor, &event) == 0);
}

static void local_desk_unwatch(const struct local_desk *local, int descriptor)
{
    must(epoll_ctl(local->hosting->watching, EPOLL_CTL_DEL, descriptor, NULL) == 0);
}

// ---- frames ----

void hosting_trace(const struct hosting *hosting, const char *desk, const struct received *received, const void *answer,
                   size_t answer_bytes)
{
    if (hosting->trace == NULL) {
        return;
    }
    trace_frame(hosting->trace, TRACE_IN, desk, received->peer, 0, received->frame,
                received->several ? 0 : received->frame_bytes);
    if (answer != NULL) {
        trace_frame(hosting->trace, TRACE_OUT, desk, received->peer, 0, answer, answer_bytes);
    }
}

static void local_desk_forget_peer(const struct local_desk *local, uint64_t peer)
{
    dispatch_forget(local->hosting->dispatch, peer, local->number);
}

// Takes the frame.
static void local_desk_send_frame(const struct local_desk *local, uint64_t peer, void **frame_p, size_t bytes,
                                  int64_t now_ms)
{
    struct router *router = local->hosting->router;
    const char *reason = router_send(router, peer, frame_p, bytes, clocks_boot_ms());

    if (reason != NULL) {
        broker_peer_lost(local->broker, peer, reason, now_ms);
        local_desk_forget_peer(local, peer);
    } else {
        router_set_signed_in(router, peer, broker_is_signed_in(local->broker, peer), clocks_boot_ms());
    }
}

// Tells the broker how long its lease is valid, and the time, as it is at this very moment.
static void local_desk_tell_lease(const struct local_desk *local)
{
    if (local->lease.state == LEASE_HELD) {
        broker_lease(local->broker, clock_at_ms(&local->clock, local->lease.until_ms), clock_now_ms(&local->clock));
    }
}

static void local_desk_tell_others(struct local_desk *local)
{
    if (local->state == LOCAL_DESK_SERVING) {
        redirect_set_owner(&local->others, local->lease.others, false, local->source->endpoints);
        broker_set_others(local->broker, local->others.brokers, local->others.broker_count);
    }
}

// A process may be stopped at any time: the lease is looked at before each frame.
static void local_desk_send_frames(const struct local_desk *local, int64_t now_ms)
{
    uint64_t peer;
    size_t bytes;
    void *frame;

    local_desk_tell_lease(local);
    while ((frame = broker_next_frame(local->broker, &peer, &bytes)) != NULL) {
        local_desk_send_frame(local, peer, &frame, bytes, now_ms);
        local_desk_tell_lease(local);
    }
    while ((peer = broker_next_drop(local->broker)) != 0) {
        router_set_signed_in(local->hosting->router, peer, false, clocks_boot_ms());
        local_desk_forget_peer(local, peer);
    }
}

static void local_desk_hand_out(struct local_desk *local, int64_t now_ms)
{
    const struct rules *previous;
    uint64_t version;
    struct report *report;

    local_desk_send_frames(local, now_ms);
    struct batch *batch = broker_next_batch(local->broker, now_ms);
    if (batch != NULL) {
        store_submit(local->store, &batch);
    }
    while ((report = broker_next_report(local->broker)) != NULL) {
        store_submit_report(local->store, &report);
    }
    const char *text = broker_next_rules(local->broker, &version, &previous);
    if (text != NULL) {
        must(local->compile == NULL);
        local->compile = compile_start(text, version, previous);
        local_desk_watch(local, compile_fd(local->compile));
    }
}

// While another broker has the desk, or it is not open yet.
static void local_desk_answer(const struct local_desk *local, const struct received *received)
{
    size_t bytes = 0;

    if (received->several) {
        return;
    }
    bool noise = false;
    void *words = redirect_answer(&local->redirect, received->frame, received->frame_bytes, &bytes, &noise);
    hosting_trace(local->hosting, local->source->name, received, words, bytes);
    if (words != NULL) {
        (void) router_send(local->hosting->router, received->peer, &words, bytes, clocks_boot_ms());
        router_note_noise(local->hosting->router, received->peer, noise, clocks_boot_ms());
        router_set_signed_in(local->hosting->router, received->peer, false, clocks_boot_ms());
    }
}

static void local_desk_tell_store_state(struct local_desk *local, const char *description, int64_t now_ms)
{
    enum store_state state = local->store_state;
    bool away = state != STORE_STATE_WORKING && state != STORE_STATE_BEHIND;

    broker_store_state(local->broker, away, description, now_ms);
    broker_store_behind(local->broker, state == STORE_STATE_BEHIND);
}

// What `status` tells of the store is never older than this, as far as the store itself knows better.
static void local_desk_describe_store(struct local_desk *local, int64_t now_ms)
{
    char description[512];

    if (now_ms < local->described_ms + DESCRIBED_MS) {
        return;
    }
    local->described_ms = now_ms;
    broker_set_over_address(local->broker, router_over_address(local->hosting->router));
    store_describe(local->store, description, sizeof description);
    local_desk_tell_store_state(local, description, now_ms);
}

void local_desk_receive(struct local_desk *local, const struct received *received)
{
    if (local->state != LOCAL_DESK_SERVING) {
        local_desk_answer(local, received);
        return;
    }
    int64_t now_ms = clock_now_ms(&local->clock);
    uint64_t refused = broker_sign_ins_refused(local->broker);
    broker_peer_at(local->broker, received->peer, received->address, now_ms);
    broker_peer_behind(local->broker, received->peer, received->behind);
    local_desk_describe_store(local, now_ms);
    if (received->several) {
        broker_receive(local->broker, received->peer, "", 0, now_ms); // answered as malformed
        broker_peer_lost(local->broker, received->peer, "it sent a message of several frames", now_ms);
    } else {
        broker_receive(local->broker, received->peer, received->frame, received->frame_bytes, now_ms);
    }
    if (broker_sign_ins_refused(local->broker) != refused) {
        router_note_refused(local->hosting->router, received->peer, clocks_boot_ms());
    }
}

void local_desk_gone(struct local_desk *local, uint64_t peer, const char *reason)
{
    if (local->state == LOCAL_DESK_SERVING) {
        broker_peer_gone(local->broker, peer, reason, clock_now_ms(&local->clock));
    }
}

void local_desk_left(struct local_desk *local, uint64_t peer)
{
    if (local->state == LOCAL_DESK_SERVING) {
        broker_peer_left(local->broker, peer, "HELLO to another desk on the same connection",
                         clock_now_ms(&local->clock));
    }
}

// ---- news ----

static void local_desk_hear_store(struct local_desk *local, int64_t now_ms)
{
    struct batch *batch;
    struct report *report;
    char description[512];

    enum store_state state = store_state(local->store);
    if (state != local->store_state || state == STORE_STATE_AWAY) {
        local->store_state = state;
        store_describe(local->store, description, sizeof description);
        local_desk_tell_store_state(local, description, now_ms);
    }
    while ((batch = store_take_batch(local->store)) != NULL) {
        broker_durable(local->broker, &batch, now_ms);
        // What has been decided meanwhile follows at once: the writer need not wait for this turn's end.
        struct batch *next = broker_next_batch(local->broker, now_ms);
        if (next != NULL) {
            store_submit(local->store, &next);
        }
    }
    while ((report = store_take_report(local->store)) != NULL) {
        broker_reported(local->broker, &report, now_ms);
    }
}

static void local_desk_hear_compile(struct local_desk *local, int64_t now_ms)
{
    zmq_pollitem_t item = { .events = ZMQ_POLLIN };
    struct rules_problems problems;

    if (local->compile == NULL) {
        return;
    }
    item.fd = compile_fd(local->compile);
    if (zmq_poll(&item, 1, 0) > 0) {
        local_desk_unwatch(local, item.fd);
        struct rules *rules = compile_take(&local->compile, &problems);
        broker_rules_ready(local->broker, &rules, &problems, now_ms);
        rules_problems_fini(&problems);
        dispatch_set_people(local->hosting->dispatch, local->number, rules_policy(broker_rules(local->broker)));
    }
}

size_t local_desk_of_store(const struct store *store)
{
    const struct local_desk *local = store_owner(store);

    return local->number;
}

void local_desk_lease(struct local_desk *local, const struct lease_news *news)
{
    local->lease = *news;
    local_desk_tell_others(local);
}

// ---- closing ----

static void local_desk_close_work(void *self)
{
    struct closing *closing = self;

    if (closing->compile != NULL) {
        struct rules_problems problems;
        struct rules *rules = compile_take(&closing->compile, &problems);
        rules_destroy(&rules);
        rules_problems_fini(&problems);
    }
    broker_destroy(&closing->broker);
}

static void local_desk_give_lease_up(struct local_desk *local, int64_t pause_ms)
{
    if (local->hosting->leases != NULL && local->lease.state != LEASE_FENCED) {
        local->releasing = true;
        local->pause_ms = pause_ms;
        leases_release(local->hosting->leases, local->number);
    }
}

// Nothing of the desk is spoken any more; its memory and its threads end beside the loop.
static void local_desk_begin_closing(struct local_desk *local)
{
    local->state = LOCAL_DESK_CLOSING;
    store_destroy(&local->store);
    if (local->compile != NULL) {
        local_desk_unwatch(local, compile_fd(local->compile));
    }
    dispatch_forget_all(local->hosting->dispatch, local->number, clocks_boot_ms());
    redirect_set_owner(&local->redirect, local->handing ? local->lease.successor_endpoints : "", !local->handing,
                       local->source->endpoints);
    local->handing = false;
    local->closing = (struct closing){ .broker = local->broker, .compile = local->compile };
    local->broker = NULL;
    local->compile = NULL;
    local->job = job_start(local_desk_close_work, &local->closing, local->hosting->wake);
}

static int64_t local_desk_work_closing(struct local_desk *local)
{
    if (!job_is_done(local->job)) {
        return INT64_MAX;
    }
    job_end(&local->job);
    local->state = LOCAL_DESK_WATCHING;
    local->said = LEASE_HELD;
    if (local->failed != LOCAL_DESK_GOES_ON) {
        local->end = local->failed;
    } else if (local->lease.state == LEASE_FENCED) {
        leases_stop_taking(local->hosting->leases, local->number, MISSED_PAUSE_MS);
        local->lease.state = LEASE_UNKNOWN;
    }
    return 0;
}

// ---- serving ----

// True when another broker has the desk: everyone has been told.
static bool local_desk_is_fenced(struct local_desk *local, int64_t now_ms)
{
    struct redirect owner = { 0 };

    local_desk_tell_lease(local);
    if (local->lease.state != LEASE_FENCED) {
        return false;
    }
    redirect_set_owner(&owner, local->lease.row.endpoints, !local->lease.row.held, local->source->endpoints);
    broker_fenced(local->broker, owner.brokers, owner.broker_count, "another broker has taken the desk over");
    local_desk_send_frames(local, now_ms);
    return true;
}

// Whether the store's contradiction is final.  With a lease it may only mean that we are fenced and do not know yet:
// a renewal made since then tells, and nothing is written meanwhile.
static bool local_desk_is_contradicted(struct local_desk *local)
{
    if (local->store_state != STORE_STATE_CONTRADICTED) {
        return false;
    }
    if (local->contradicted_ms == 0) {
        local->contradicted_ms = clocks_boot_ms();
    }
    return local->hosting->leases == NULL || local->lease.renewed_ms > local->contradicted_ms ||
           clocks_boot_ms() > local->contradicted_ms + CONTRADICTED_MS;
}

static void local_desk_close_contradicted(struct local_desk *local)
{
    char reason[1024] = "";

    store_describe(local->store, reason, sizeof reason);
    desk_log(local->source, "error", "store contradicts the desk, %s: %s",
             local->source->alone ? "stopping" : "starting it again", reason);
    if (local->source->alone) {
        local->failed = LOCAL_DESK_CONTRADICTED;
    } else {
        local_desk_give_lease_up(local, MISSED_PAUSE_MS);
    }
    local_desk_begin_closing(local);
}

// Clients were told of more than the desk has.
static void local_desk_close_behind(struct local_desk *local)
{
    local->told_beyond = broker_told_beyond(local->broker);
    desk_log(local->source, "error",
             "store the desk is behind what its clients were told (sequence %" PRIu64 "): its database was put back or"
             " has lost something; put it back as it was last, or start behalf-broker once with --accept-loss",
             local->told_beyond);
    if (local->source->alone) {
        local->failed = LOCAL_DESK_CONTRADICTED;
    } else {
        local_desk_give_lease_up(local, FAILED_PAUSE_MS);
    }
    local_desk_begin_closing(local);
}

// All is durable and spoken: the tables are to show it before another broker may have the desk, which would else have
// to bring them up first.  Returns when the desk is to be looked at again, 0: it is to be closed.
static int64_t local_desk_drain(struct local_desk *local)
{
    char description[512];

    if (local->drain_by_ms == 0) {
        local->drain_by_ms = clocks_boot_ms() + DRAIN_MS;
        store_drain(local->store);
    }
    if (store_is_drained(local->store)) {
        return 0;
    }
    if (clocks_boot_ms() < local->drain_by_ms) {
        return local->drain_by_ms;
    }
    store_describe(local->store, description, sizeof description);
    desk_log(local->source, "warning", "store the desk %s is let go though its tables do not show all: %s",
             local->source->name, description);
    return 0;
}

static void local_desk_close_stopped(struct local_desk *local)
{
    // Nothing of ours is on its way to the store any more: whoever waits may have the desk.
    local_desk_give_lease_up(local, local->handing ? LOOK_MS : MISSED_PAUSE_MS);
    local->failed = local->stopping && local->hosting->leases == NULL ? LOCAL_DESK_STOPPED : LOCAL_DESK_GOES_ON;
    local_desk_begin_closing(local);
}

static int64_t local_desk_sooner(int64_t left_ms, int64_t right_ms)
{
    return left_ms < right_ms ? left_ms : right_ms;
}

// When the desk is to be worked on again, if the broker is due in `wait_ms`, -1: whenever.
static int64_t local_desk_next_work(const struct local_desk *local, int64_t wait_ms)
{
    int64_t boot_ms = clocks_boot_ms();
    int64_t due_ms = wait_ms < 0 ? INT64_MAX : boot_ms + wait_ms;

    if (local->lease.state == LEASE_HELD && local->lease.until_ms > boot_ms) {
        due_ms = local_desk_sooner(due_ms, local->lease.until_ms);
    }
    return local->contradicted_ms != 0 ? local_desk_sooner(due_ms, boot_ms + LOOK_MS) : due_ms;
}

// Another broker with fewer desks is to have this one.
static void local_desk_begin_hand_over(struct local_desk *local, int64_t now_ms)
{
    local->handing = true;
    redirect_set_owner(&local->successor, local->lease.successor_endpoints, false, local->source->endpoints);
    desk_log(local->source, "info", "broker hands the desk %s to %s at=%s", local->source->name, local->lease.successor,
             local->lease.successor_endpoints);
    broker_hand_over(local->broker, local->successor.brokers, local->successor.broker_count, now_ms);
}

static void local_desk_tell_sessions(struct local_desk *local)
{
    size_t sessions = broker_session_count(local->broker);

    if (local->hosting->leases != NULL && sessions != local->sessions) {
        local->sessions = sessions;
        leases_tell_sessions(local->hosting->leases, local->number, sessions);
    }
}

static int64_t local_desk_work_serving(struct local_desk *local)
{
    int64_t now_ms = clock_now_ms(&local->clock);

    if (local_desk_is_fenced(local, now_ms)) {
        local->handing = false;
        local_desk_begin_closing(local);
        return INT64_MAX;
    }
    if (local->lease.successor[0] != '\0' && !local->handing && !local->stopping) {
        local_desk_begin_hand_over(local, now_ms);
    }
    local_desk_tell_sessions(local);
    local_desk_hear_store(local, now_ms);
    if (local_desk_is_contradicted(local)) {
        local_desk_close_contradicted(local);
        return INT64_MAX;
    }
    if (broker_told_beyond(local->broker) > 0 && !local->stopping) {
        local_desk_send_frames(local, now_ms);
        local_desk_close_behind(local);
        return INT64_MAX;
    }
    local_desk_hear_compile(local, now_ms);
    int64_t wait_ms = broker_tick(local->broker, now_ms);
    local_desk_hand_out(local, now_ms);
    if (broker_stopped(local->broker)) {
        int64_t drains_ms = local_desk_drain(local);
        if (drains_ms == 0) {
            local_desk_close_stopped(local);
        }
        return drains_ms == 0 ? INT64_MAX : drains_ms;
    }
    return local_desk_next_work(local, wait_ms);
}

// ---- opening ----

static void local_desk_begin_opening(struct local_desk *local)
{
    local->state = LOCAL_DESK_OPENING;
    local->hosting->openings++;
    local->opening.seen = local->lease.row;
    local->job = job_start(opening_work, &local->opening, local->hosting->wake);
}

static void local_desk_begin_serving(struct local_desk *local)
{
    local->state = LOCAL_DESK_SERVING;
    local->broker = local->opening.broker;
    local->clock = local->opening.clock;
    local->opening.broker = NULL;
    local->store = store_new(local->hosting->writer, &local->opening.engine, &local->opening.reports, local);
    local->store_state = STORE_STATE_WORKING;
    local->contradicted_ms = local->drain_by_ms = 0;
    if (local->hosting->leases != NULL && local->lease.state != LEASE_HELD && local->lease.state != LEASE_FENCED) {
        // The news of it is still on its way.
        local->lease.state = LEASE_HELD;
        local->lease.until_ms = local->opening.sent_ms + LEASE_TTL_MS;
        local->lease.renewed_ms = local->opening.sent_ms;
    }
    local_desk_tell_others(local);
    dispatch_set_people(local->hosting->dispatch, local->number, rules_policy(broker_rules(local->broker)));
    desk_log(local->source, "info", "broker ready desk=%s listen=%s", local->source->name,
             router_listening(local->hosting->router));
    if (local->stopping) {
        broker_stop(local->broker, clock_now_ms(&local->clock));
    }
}

// Of several desks one that cannot be opened leaves the others alone, and is tried again.
static void local_desk_note_failure(struct local_desk *local)
{
    local->state = LOCAL_DESK_WATCHING;
    if (local->source->alone) {
        local->end = local->opening.end == OPENING_RULES ? LOCAL_DESK_RULES : LOCAL_DESK_STORE;
    } else if (local->opening.took_over && local->lease.state != LEASE_FENCED) {
        local_desk_give_lease_up(local, FAILED_PAUSE_MS);
    } else {
        leases_stop_taking(local->hosting->leases, local->number, FAILED_PAUSE_MS);
        local->lease.state = LEASE_UNKNOWN;
    }
}

static int64_t local_desk_work_opening(struct local_desk *local)
{
    if (!job_is_done(local->job)) {
        return INT64_MAX;
    }
    job_end(&local->job);
    local->hosting->openings--;
    if (local->opening.end == OPENING_DONE) {
        local_desk_begin_serving(local);
    } else if (local->opening.end == OPENING_MISSED) {
        local->state = LOCAL_DESK_WATCHING;
        leases_stop_taking(local->hosting->leases, local->number, MISSED_PAUSE_MS);
        local->lease.state = LEASE_UNKNOWN;
    } else {
        local_desk_note_failure(local);
    }
    return 0;
}

// ---- watching ----

static void local_desk_say_waiting(struct local_desk *local)
{
    const struct lease_news *lease = &local->lease;

    if (lease->state == local->said || (lease->state != LEASE_ELSEWHERE && lease->trouble[0] == '\0')) {
        return;
    }
    local->said = lease->state;
    if (lease->state == LEASE_ELSEWHERE) {
        desk_log(local->source, "info", "broker waiting to take over desk=%s listen=%s owner=%s at=%s",
                 local->source->name, router_listening(local->hosting->router), lease->row.owner, lease->row.endpoints);
    } else if (lease->state == LEASE_UNKNOWN) {
        desk_log(local->source, "error", "broker waiting to take over desk=%s, store away: %s", local->source->name,
                 lease->trouble);
    }
}

// The lease has been given up, or is still to be.
static int64_t local_desk_work_releasing(struct local_desk *local)
{
    if (local->lease.state != LEASE_RELEASED) {
        return INT64_MAX;
    }
    local->releasing = false;
    local->lease.state = LEASE_UNKNOWN;
    if (!local->stopping) {
        leases_stop_taking(local->hosting->leases, local->number, local->pause_ms);
    }
    return 0;
}

static int64_t local_desk_work_watching(struct local_desk *local)
{
    if (local->releasing) {
        return local_desk_work_releasing(local);
    }
    if (local->stopping) {
        local->end = LOCAL_DESK_STOPPED;
        return INT64_MAX;
    }
    if (local->hosting->leases != NULL) {
        bool nowhere = local->lease.state != LEASE_ELSEWHERE || local->lease.quiet;
        local_desk_say_waiting(local);
        redirect_set_owner(&local->redirect, local->lease.row.endpoints, nowhere, local->source->endpoints);
    }
    if (local->hosting->leases != NULL && local->lease.state != LEASE_FREE) {
        return INT64_MAX;
    }
    if (local->hosting->openings >= OPENINGS_MAX) {
        return clocks_boot_ms() + LOOK_MS;
    }
    local_desk_begin_opening(local);
    return INT64_MAX;
}

// ---- for the loop ----

int64_t local_desk_work(struct local_desk *local)
{
    static int64_t (*const works[])(struct local_desk *) = {
        [LOCAL_DESK_WATCHING] = local_desk_work_watching,
        [LOCAL_DESK_OPENING] = local_desk_work_opening,
        [LOCAL_DESK_SERVING] = local_desk_work_serving,
        [LOCAL_DESK_CLOSING] = local_desk_work_closing,
    };

    return local->end == LOCAL_DESK_GOES_ON ? works[local->state](local) : INT64_MAX;
}

void local_desk_stop(struct local_desk *local)
{
    local->stopping = true;
    if (local->state == LOCAL_DESK_SERVING) {
        broker_stop(local->broker, clock_now_ms(&local->clock));
    }
}

void local_desk_give_up(struct local_desk *local)
{
    if (local->end != LOCAL_DESK_GOES_ON) {
        return;
    }
    if (local->state == LOCAL_DESK_SERVING) {
        local->failed = broker_stopped(local->broker) ? LOCAL_DESK_STOPPED : LOCAL_DESK_NOT_ON_DISK;
        local_desk_begin_closing(local);
    } else if (local->state == LOCAL_DESK_WATCHING) {
        local->end = LOCAL_DESK_STOPPED; // whoever waits for the lease sees it stand still
    }
}

uint64_t local_desk_told_beyond(const struct local_desk *local)
{
    return local->told_beyond;
}

enum local_end local_desk_end(const struct local_desk *local)
{
    return local->end;
}

bool local_desk_is_ours(const struct local_desk *local)
{
    return local->state == LOCAL_DESK_SERVING || local->state == LOCAL_DESK_OPENING;
}

struct local_desk *local_desk_new(struct hosting *hosting, const struct desk_source *source, size_t number,
                                  struct engine **engine_p)
{
    struct local_desk *local = calloc(1, sizeof *local);

    must(local != NULL);
    local->hosting = hosting;
    local->source = source;
    local->number = number;
    local->said = LEASE_HELD;
    local->redirect.desk = source->name;
    local->opening =
        (struct opening){ .source = source, .leases = hosting->leases, .desk = number, .engine = *engine_p };
    *engine_p = NULL;
    return local;
}

static void local_desk_destroy_engine(struct engine **engine_p)
{
    if (*engine_p != NULL) {
        (*engine_p)->operations->destroy(engine_p);
    }
}

void local_desk_destroy(struct local_desk **local_p)
{
    struct local_desk *local = *local_p;

    if (local == NULL) {
        return;
    }
    job_end(&local->job);
    store_destroy(&local->store);
    broker_destroy(&local->broker);
    broker_destroy(&local->opening.broker);
    local_desk_destroy_engine(&local->opening.engine);
    local_desk_destroy_engine(&local->opening.reports);
    free(local);
    *local_p = NULL;
}
