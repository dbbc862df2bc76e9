// hosted_desk.c - see hosted_desk.h.

#include "broker/hosted_desk.h"

#include "broker/compile.h"
#include "broker/errand.h"
#include "broker/stand_by.h"
#include "proto/must.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <zmq.h>

#define OPENINGS_MAX 8        // at once: each reads a desk back, and there are other desks to serve
#define MISSED_PAUSE_MS 500   // before a desk is looked at again that could not be taken over, or was lost
#define FAILED_PAUSE_MS 10000 // of several desks, before one is tried again that could not be opened
#define CONTRADICTED_MS 5000  // so long a contradiction may only mean that we are fenced and do not know yet
#define DESCRIBED_MS 500      // how old what is told of the store may be
#define LOOK_MS 100           // how often an end is looked for that nothing tells

enum hosted_state { HOSTED_WATCHING, HOSTED_OPENING, HOSTED_SERVING, HOSTED_CLOSING };

// What is freed beside the loop.
struct closing {
    struct broker *broker;
    struct compile *compile;
};

struct hosted_desk {
    struct hosting *hosting;
    const struct desk_source *source;
    size_t number;
    enum hosted_state state;
    enum hosted_end end;
    enum hosted_end failed; // how it ends once it is closed; HOSTED_GOES_ON: it is tried again
    bool stopping;
    bool handing; // to another broker, where `heir` is
    struct stand_by heir;
    struct stand_by others; // where clients are sent while our lease has lapsed
    uint64_t told_beyond;   // as of hosted_desk_told_beyond
    size_t sessions;        // as last told
    bool releasing;         // the lease is being given up
    int64_t pause_ms;       // once it is, before the desk is looked at again
    struct lease_news lease;
    enum lease_state said; // of it, in the log
    struct stand_by stand_by;
    struct errand *errand;
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
};

// ---- descriptors ----

static void watch(const struct hosted_desk *hosted, int descriptor)
{
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = hosted->number };

    must(epoll_ctl(hosted->hosting->watching, EPOLL_CTL_ADD, descriptor, &event) == 0);
}

static void unwatch(const struct hosted_desk *hosted, int descriptor)
{
    must(epoll_ctl(hosted->hosting->watching, EPOLL_CTL_DEL, descriptor, NULL) == 0);
}

// ---- frames ----

static void forget_peer(const struct hosted_desk *hosted, uint64_t peer)
{
    reception_forget(hosted->hosting->reception, peer, hosted->number);
}

// Takes the frame.
static void send_frame(const struct hosted_desk *hosted, uint64_t peer, void **frame_p, size_t bytes, int64_t now_ms)
{
    struct router *router = hosted->hosting->router;
    const char *reason = router_send(router, peer, frame_p, bytes, lease_now_ms());

    if (reason != NULL) {
        broker_peer_lost(hosted->broker, peer, reason, now_ms);
        forget_peer(hosted, peer);
    } else {
        router_set_signed_in(router, peer, broker_is_signed_in(hosted->broker, peer), lease_now_ms());
    }
}

// Tells the broker how long its lease is valid, and the time, as it is at this very moment.
static void tell_lease(const struct hosted_desk *hosted)
{
    if (hosted->lease.state == LEASE_HELD) {
        broker_lease(hosted->broker, clock_at_ms(&hosted->clock, hosted->lease.until_ms), clock_now_ms(&hosted->clock));
    }
}

static void tell_others(struct hosted_desk *hosted)
{
    if (hosted->state == HOSTED_SERVING) {
        stand_by_set_owner(&hosted->others, hosted->lease.others, false, hosted->source->endpoints);
        broker_set_others(hosted->broker, hosted->others.brokers, hosted->others.broker_count);
    }
}

// A process may be stopped at any time: the lease is looked at before each frame.
static void send_frames(const struct hosted_desk *hosted, int64_t now_ms)
{
    uint64_t peer;
    size_t bytes;
    void *frame;

    tell_lease(hosted);
    while ((frame = broker_next_frame(hosted->broker, &peer, &bytes)) != NULL) {
        send_frame(hosted, peer, &frame, bytes, now_ms);
        tell_lease(hosted);
    }
    while ((peer = broker_next_drop(hosted->broker)) != 0) {
        router_set_signed_in(hosted->hosting->router, peer, false, lease_now_ms());
        forget_peer(hosted, peer);
    }
}

static void hand_out(struct hosted_desk *hosted, int64_t now_ms)
{
    const struct rules *previous;
    uint64_t version;
    struct report *report;

    send_frames(hosted, now_ms);
    struct batch *batch = broker_next_batch(hosted->broker, now_ms);
    if (batch != NULL) {
        store_submit(hosted->store, &batch);
    }
    while ((report = broker_next_report(hosted->broker)) != NULL) {
        store_submit_report(hosted->store, &report);
    }
    const char *text = broker_next_rules(hosted->broker, &version, &previous);
    if (text != NULL) {
        must(hosted->compile == NULL);
        hosted->compile = compile_start(text, version, previous);
        watch(hosted, compile_fd(hosted->compile));
    }
}

// While another broker has the desk, or it is not open yet.
static void answer(const struct hosted_desk *hosted, const struct received *received)
{
    size_t bytes = 0;

    if (received->several) {
        return;
    }
    bool noise = false;
    void *words = stand_by_answer(&hosted->stand_by, received->frame, received->frame_bytes, &bytes, &noise);
    if (words != NULL) {
        (void) router_send(hosted->hosting->router, received->peer, &words, bytes, lease_now_ms());
        router_note_noise(hosted->hosting->router, received->peer, noise, lease_now_ms());
        router_set_signed_in(hosted->hosting->router, received->peer, false, lease_now_ms());
    }
}

// What `status` tells of the store is never older than this, as far as the store itself knows better.
static void describe_store(struct hosted_desk *hosted, int64_t now_ms)
{
    char description[512];

    if (now_ms < hosted->described_ms + DESCRIBED_MS) {
        return;
    }
    hosted->described_ms = now_ms;
    store_describe(hosted->store, description, sizeof description);
    broker_store_state(hosted->broker, hosted->store_state != STORE_STATE_WORKING, description, now_ms);
}

void hosted_desk_receive(struct hosted_desk *hosted, const struct received *received)
{
    if (hosted->state != HOSTED_SERVING) {
        answer(hosted, received);
        return;
    }
    int64_t now_ms = clock_now_ms(&hosted->clock);
    broker_peer_behind(hosted->broker, received->peer, received->behind);
    describe_store(hosted, now_ms);
    if (received->several) {
        broker_receive(hosted->broker, received->peer, "", 0, now_ms); // answered as malformed
        broker_peer_lost(hosted->broker, received->peer, "it sent a message of several frames", now_ms);
    } else {
        broker_receive(hosted->broker, received->peer, received->frame, received->frame_bytes, now_ms);
    }
}

void hosted_desk_gone(struct hosted_desk *hosted, uint64_t peer, const char *reason)
{
    if (hosted->state == HOSTED_SERVING) {
        broker_peer_gone(hosted->broker, peer, reason, clock_now_ms(&hosted->clock));
    }
}

void hosted_desk_left(struct hosted_desk *hosted, uint64_t peer)
{
    if (hosted->state == HOSTED_SERVING) {
        broker_peer_left(hosted->broker, peer, "HELLO to another desk on the same connection",
                         clock_now_ms(&hosted->clock));
    }
}

// ---- news ----

static void hear_store(struct hosted_desk *hosted, int64_t now_ms)
{
    struct batch *batch;
    struct report *report;
    char description[512];

    enum store_state state = store_state(hosted->store);
    if (state != hosted->store_state || state == STORE_STATE_AWAY) {
        hosted->store_state = state;
        store_describe(hosted->store, description, sizeof description);
        broker_store_state(hosted->broker, state != STORE_STATE_WORKING, description, now_ms);
    }
    while ((batch = store_take_batch(hosted->store)) != NULL) {
        broker_durable(hosted->broker, &batch, now_ms);
        // What has been decided meanwhile follows at once: the writer need not wait for this turn's end.
        struct batch *next = broker_next_batch(hosted->broker, now_ms);
        if (next != NULL) {
            store_submit(hosted->store, &next);
        }
    }
    while ((report = store_take_report(hosted->store)) != NULL) {
        broker_reported(hosted->broker, &report, now_ms);
    }
}

static void hear_compile(struct hosted_desk *hosted, int64_t now_ms)
{
    zmq_pollitem_t item = { .events = ZMQ_POLLIN };
    struct rules_problems problems;

    if (hosted->compile == NULL) {
        return;
    }
    item.fd = compile_fd(hosted->compile);
    if (zmq_poll(&item, 1, 0) > 0) {
        unwatch(hosted, item.fd);
        struct rules *rules = compile_take(&hosted->compile, &problems);
        broker_rules_ready(hosted->broker, &rules, &problems, now_ms);
        rules_problems_fini(&problems);
        reception_set_people(hosted->hosting->reception, hosted->number, rules_policy(broker_rules(hosted->broker)));
    }
}

size_t hosted_desk_of_store(const struct store *store)
{
    const struct hosted_desk *hosted = store_owner(store);

    return hosted->number;
}

void hosted_desk_lease(struct hosted_desk *hosted, const struct lease_news *news)
{
    hosted->lease = *news;
    tell_others(hosted);
}

// ---- closing ----

static void close_work(void *self)
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

static void give_lease_up(struct hosted_desk *hosted, int64_t pause_ms)
{
    if (hosted->hosting->leases != NULL && hosted->lease.state != LEASE_FENCED) {
        hosted->releasing = true;
        hosted->pause_ms = pause_ms;
        leases_release(hosted->hosting->leases, hosted->number);
    }
}

// Nothing of the desk is spoken any more; its memory and its threads end beside the loop.
static void begin_closing(struct hosted_desk *hosted)
{
    hosted->state = HOSTED_CLOSING;
    store_destroy(&hosted->store);
    if (hosted->compile != NULL) {
        unwatch(hosted, compile_fd(hosted->compile));
    }
    reception_forget_all(hosted->hosting->reception, hosted->number, lease_now_ms());
    stand_by_set_owner(&hosted->stand_by, hosted->handing ? hosted->lease.heir_endpoints : "", !hosted->handing,
                       hosted->source->endpoints);
    hosted->handing = false;
    hosted->closing = (struct closing){ .broker = hosted->broker, .compile = hosted->compile };
    hosted->broker = NULL;
    hosted->compile = NULL;
    hosted->errand = errand_start(close_work, &hosted->closing, hosted->hosting->wake);
}

static int64_t work_closing(struct hosted_desk *hosted)
{
    if (!errand_is_done(hosted->errand)) {
        return INT64_MAX;
    }
    errand_end(&hosted->errand);
    hosted->state = HOSTED_WATCHING;
    hosted->said = LEASE_HELD;
    if (hosted->failed != HOSTED_GOES_ON) {
        hosted->end = hosted->failed;
    } else if (hosted->lease.state == LEASE_FENCED) {
        leases_stand_by(hosted->hosting->leases, hosted->number, MISSED_PAUSE_MS);
        hosted->lease.state = LEASE_UNKNOWN;
    }
    return 0;
}

// ---- serving ----

// True when another broker has the desk: everyone has been told.
static bool is_fenced(struct hosted_desk *hosted, int64_t now_ms)
{
    struct stand_by owner = { 0 };

    tell_lease(hosted);
    if (hosted->lease.state != LEASE_FENCED) {
        return false;
    }
    stand_by_set_owner(&owner, hosted->lease.row.endpoints, !hosted->lease.row.held, hosted->source->endpoints);
    broker_fenced(hosted->broker, owner.brokers, owner.broker_count, "another broker has taken the desk over");
    send_frames(hosted, now_ms);
    return true;
}

// Whether the store's contradiction is final.  With a lease it may only mean that we are fenced and do not know yet:
// a renewal made since then tells, and nothing is written meanwhile.
static bool is_contradicted(struct hosted_desk *hosted)
{
    if (hosted->store_state != STORE_STATE_CONTRADICTED) {
        return false;
    }
    if (hosted->contradicted_ms == 0) {
        hosted->contradicted_ms = lease_now_ms();
    }
    return hosted->hosting->leases == NULL || hosted->lease.renewed_ms > hosted->contradicted_ms ||
           lease_now_ms() > hosted->contradicted_ms + CONTRADICTED_MS;
}

static void close_contradicted(struct hosted_desk *hosted)
{
    char reason[1024] = "";

    store_describe(hosted->store, reason, sizeof reason);
    desk_log(hosted->source, "error", "store contradicts the desk, %s: %s",
             hosted->source->alone ? "stopping" : "starting it again", reason);
    if (hosted->source->alone) {
        hosted->failed = HOSTED_CONTRADICTED;
    } else {
        give_lease_up(hosted, MISSED_PAUSE_MS);
    }
    begin_closing(hosted);
}

// Clients were told of more than the desk has.
static void close_behind(struct hosted_desk *hosted)
{
    hosted->told_beyond = broker_told_beyond(hosted->broker);
    desk_log(hosted->source, "error",
             "store the desk is behind what its clients were told (sequence %" PRIu64 "): its database was put back or"
             " has lost something; put it back as it was last, or start behalf-broker once with --accept-loss",
             hosted->told_beyond);
    if (hosted->source->alone) {
        hosted->failed = HOSTED_CONTRADICTED;
    } else {
        give_lease_up(hosted, FAILED_PAUSE_MS);
    }
    begin_closing(hosted);
}

static void close_stopped(struct hosted_desk *hosted)
{
    // Nothing of ours is on its way to the store any more: whoever waits may have the desk.
    give_lease_up(hosted, hosted->handing ? LOOK_MS : MISSED_PAUSE_MS);
    hosted->failed = hosted->stopping && hosted->hosting->leases == NULL ? HOSTED_STOPPED : HOSTED_GOES_ON;
    begin_closing(hosted);
}

static int64_t sooner(int64_t left_ms, int64_t right_ms)
{
    return left_ms < right_ms ? left_ms : right_ms;
}

// When the desk is to be worked on again, if the broker is due in `wait_ms`, -1: whenever.
static int64_t next_work(const struct hosted_desk *hosted, int64_t wait_ms)
{
    int64_t boot_ms = lease_now_ms();
    int64_t due_ms = wait_ms < 0 ? INT64_MAX : boot_ms + wait_ms;

    if (hosted->lease.state == LEASE_HELD && hosted->lease.until_ms > boot_ms) {
        due_ms = sooner(due_ms, hosted->lease.until_ms);
    }
    return hosted->contradicted_ms != 0 ? sooner(due_ms, boot_ms + LOOK_MS) : due_ms;
}

// Another broker with fewer desks is to have this one.
static void begin_hand_over(struct hosted_desk *hosted, int64_t now_ms)
{
    hosted->handing = true;
    stand_by_set_owner(&hosted->heir, hosted->lease.heir_endpoints, false, hosted->source->endpoints);
    desk_log(hosted->source, "info", "broker hands the desk %s to %s at=%s", hosted->source->name, hosted->lease.heir,
             hosted->lease.heir_endpoints);
    broker_hand_over(hosted->broker, hosted->heir.brokers, hosted->heir.broker_count, now_ms);
}

static void tell_sessions(struct hosted_desk *hosted)
{
    size_t sessions = broker_session_count(hosted->broker);

    if (hosted->hosting->leases != NULL && sessions != hosted->sessions) {
        hosted->sessions = sessions;
        leases_tell_sessions(hosted->hosting->leases, hosted->number, sessions);
    }
}

static int64_t work_serving(struct hosted_desk *hosted)
{
    int64_t now_ms = clock_now_ms(&hosted->clock);

    if (is_fenced(hosted, now_ms)) {
        hosted->handing = false;
        begin_closing(hosted);
        return INT64_MAX;
    }
    if (hosted->lease.heir[0] != '\0' && !hosted->handing && !hosted->stopping) {
        begin_hand_over(hosted, now_ms);
    }
    tell_sessions(hosted);
    hear_store(hosted, now_ms);
    if (is_contradicted(hosted)) {
        close_contradicted(hosted);
        return INT64_MAX;
    }
    if (broker_told_beyond(hosted->broker) > 0 && !hosted->stopping) {
        send_frames(hosted, now_ms);
        close_behind(hosted);
        return INT64_MAX;
    }
    hear_compile(hosted, now_ms);
    int64_t wait_ms = broker_tick(hosted->broker, now_ms);
    hand_out(hosted, now_ms);
    if (broker_stopped(hosted->broker)) {
        close_stopped(hosted);
        return INT64_MAX;
    }
    return next_work(hosted, wait_ms);
}

// ---- opening ----

static void begin_opening(struct hosted_desk *hosted)
{
    hosted->state = HOSTED_OPENING;
    hosted->hosting->openings++;
    hosted->opening.seen = hosted->lease.row;
    hosted->errand = errand_start(opening_work, &hosted->opening, hosted->hosting->wake);
}

static void begin_serving(struct hosted_desk *hosted)
{
    hosted->state = HOSTED_SERVING;
    hosted->broker = hosted->opening.broker;
    hosted->clock = hosted->opening.clock;
    hosted->opening.broker = NULL;
    hosted->store = store_new(hosted->hosting->scribe, &hosted->opening.engine, &hosted->opening.reports, hosted);
    hosted->store_state = STORE_STATE_WORKING;
    hosted->contradicted_ms = 0;
    if (hosted->hosting->leases != NULL && hosted->lease.state != LEASE_HELD && hosted->lease.state != LEASE_FENCED) {
        // The news of it is still on its way.
        hosted->lease.state = LEASE_HELD;
        hosted->lease.until_ms = hosted->opening.sent_ms + LEASE_TTL_MS;
        hosted->lease.renewed_ms = hosted->opening.sent_ms;
    }
    tell_others(hosted);
    reception_set_people(hosted->hosting->reception, hosted->number, rules_policy(broker_rules(hosted->broker)));
    desk_log(hosted->source, "info", "broker ready desk=%s listen=%s", hosted->source->name,
             router_listening(hosted->hosting->router));
    if (hosted->stopping) {
        broker_stop(hosted->broker, clock_now_ms(&hosted->clock));
    }
}

// Of several desks one that cannot be opened leaves the others alone, and is tried again.
static void note_failure(struct hosted_desk *hosted)
{
    hosted->state = HOSTED_WATCHING;
    if (hosted->source->alone) {
        hosted->end = hosted->opening.end == OPENING_RULES ? HOSTED_RULES : HOSTED_STORE;
    } else if (hosted->opening.took_over && hosted->lease.state != LEASE_FENCED) {
        give_lease_up(hosted, FAILED_PAUSE_MS);
    } else {
        leases_stand_by(hosted->hosting->leases, hosted->number, FAILED_PAUSE_MS);
        hosted->lease.state = LEASE_UNKNOWN;
    }
}

static int64_t work_opening(struct hosted_desk *hosted)
{
    if (!errand_is_done(hosted->errand)) {
        return INT64_MAX;
    }
    errand_end(&hosted->errand);
    hosted->hosting->openings--;
    if (hosted->opening.end == OPENING_DONE) {
        begin_serving(hosted);
    } else if (hosted->opening.end == OPENING_MISSED) {
        hosted->state = HOSTED_WATCHING;
        leases_stand_by(hosted->hosting->leases, hosted->number, MISSED_PAUSE_MS);
        hosted->lease.state = LEASE_UNKNOWN;
    } else {
        note_failure(hosted);
    }
    return 0;
}

// ---- watching ----

static void say_standing_by(struct hosted_desk *hosted)
{
    const struct lease_news *lease = &hosted->lease;

    if (lease->state == hosted->said || (lease->state != LEASE_ELSEWHERE && lease->trouble[0] == '\0')) {
        return;
    }
    hosted->said = lease->state;
    if (lease->state == LEASE_ELSEWHERE) {
        desk_log(hosted->source, "info", "broker standing by desk=%s listen=%s owner=%s at=%s", hosted->source->name,
                 router_listening(hosted->hosting->router), lease->row.owner, lease->row.endpoints);
    } else if (lease->state == LEASE_UNKNOWN) {
        desk_log(hosted->source, "error", "broker standing by desk=%s, store away: %s", hosted->source->name,
                 lease->trouble);
    }
}

// The lease has been given up, or is still to be.
static int64_t work_releasing(struct hosted_desk *hosted)
{
    if (hosted->lease.state != LEASE_RELEASED) {
        return INT64_MAX;
    }
    hosted->releasing = false;
    hosted->lease.state = LEASE_UNKNOWN;
    if (!hosted->stopping) {
        leases_stand_by(hosted->hosting->leases, hosted->number, hosted->pause_ms);
    }
    return 0;
}

static int64_t work_watching(struct hosted_desk *hosted)
{
    if (hosted->releasing) {
        return work_releasing(hosted);
    }
    if (hosted->stopping) {
        hosted->end = HOSTED_STOPPED;
        return INT64_MAX;
    }
    if (hosted->hosting->leases != NULL) {
        bool nowhere = hosted->lease.state != LEASE_ELSEWHERE || hosted->lease.quiet;
        say_standing_by(hosted);
        stand_by_set_owner(&hosted->stand_by, hosted->lease.row.endpoints, nowhere, hosted->source->endpoints);
    }
    if (hosted->hosting->leases != NULL && hosted->lease.state != LEASE_FREE) {
        return INT64_MAX;
    }
    if (hosted->hosting->openings >= OPENINGS_MAX) {
        return lease_now_ms() + LOOK_MS;
    }
    begin_opening(hosted);
    return INT64_MAX;
}

// ---- for the loop ----

int64_t hosted_desk_work(struct hosted_desk *hosted)
{
    static int64_t (*const works[])(struct hosted_desk *) = {
        [HOSTED_WATCHING] = work_watching,
        [HOSTED_OPENING] = work_opening,
        [HOSTED_SERVING] = work_serving,
        [HOSTED_CLOSING] = work_closing,
    };

    return hosted->end == HOSTED_GOES_ON ? works[hosted->state](hosted) : INT64_MAX;
}

void hosted_desk_stop(struct hosted_desk *hosted)
{
    hosted->stopping = true;
    if (hosted->state == HOSTED_SERVING) {
        broker_stop(hosted->broker, clock_now_ms(&hosted->clock));
    }
}

void hosted_desk_give_up(struct hosted_desk *hosted)
{
    if (hosted->end != HOSTED_GOES_ON) {
        return;
    }
    if (hosted->state == HOSTED_SERVING) {
        hosted->failed = HOSTED_NOT_ON_DISK;
        begin_closing(hosted);
    } else if (hosted->state == HOSTED_WATCHING) {
        hosted->end = HOSTED_STOPPED; // whoever waits for the lease sees it stand still
    }
}

uint64_t hosted_desk_told_beyond(const struct hosted_desk *hosted)
{
    return hosted->told_beyond;
}

enum hosted_end hosted_desk_end(const struct hosted_desk *hosted)
{
    return hosted->end;
}

bool hosted_desk_is_ours(const struct hosted_desk *hosted)
{
    return hosted->state == HOSTED_SERVING || hosted->state == HOSTED_OPENING;
}

struct hosted_desk *hosted_desk_new(struct hosting *hosting, const struct desk_source *source, size_t number,
                                    struct engine **engine_p)
{
    struct hosted_desk *hosted = calloc(1, sizeof *hosted);

    must(hosted != NULL);
    hosted->hosting = hosting;
    hosted->source = source;
    hosted->number = number;
    hosted->said = LEASE_HELD;
    hosted->stand_by.desk = source->name;
    hosted->opening =
        (struct opening){ .source = source, .leases = hosting->leases, .desk = number, .engine = *engine_p };
    *engine_p = NULL;
    return hosted;
}

static void destroy_engine(struct engine **engine_p)
{
    if (*engine_p != NULL) {
        (*engine_p)->operations->destroy(engine_p);
    }
}

void hosted_desk_destroy(struct hosted_desk **hosted_p)
{
    struct hosted_desk *hosted = *hosted_p;

    if (hosted == NULL) {
        return;
    }
    errand_end(&hosted->errand);
    store_destroy(&hosted->store);
    broker_destroy(&hosted->broker);
    broker_destroy(&hosted->opening.broker);
    destroy_engine(&hosted->opening.engine);
    destroy_engine(&hosted->opening.reports);
    free(hosted);
    *hosted_p = NULL;
}
