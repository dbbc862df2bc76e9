// leases.c - the thread: its orders, its rounds over the lease rows, its news for the loop: see leases.h.
//
// The link to the store is the thread's alone; what the loop orders and what the thread has found out is shared
// under one mutex.  While the store does not answer the link is opened again and again.

#include "broker/ownership/leases.h"

#include "broker/ownership/sharing.h"
#include "broker/store/owner.h"
#include "proto/base/clocks.h"
#include "proto/base/must.h"
#include "proto/base/thread.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define REOPEN_MS 100     // between attempts to reach the store
#define CANDIDATES_MS 500 // between looks at the other brokers, while no desk is free

enum order { ORDER_WATCH, ORDER_HOLD, ORDER_RELEASE, ORDER_NONE };

// A desk.
struct slot {
    char *desk;
    enum order order;
    bool told;          // there is news of it
    int64_t look_at_ms; // WATCH: not before
    bool seen;          // WATCH: its row has been read since then
    bool is_free;       // WATCH: as far as the row tells
    size_t sessions;
    struct lease_watch watch;
    struct lease_hold hold;
    struct lease_news news;
};

struct leases {
    pthread_t thread;
    int news_fd;  // for the loop
    int order_fd; // for the thread

    pthread_mutex_t mutex; // of what follows, up to the thread's own
    struct slot *slots;
    size_t count;
    size_t told; // slots with news; news_fd is readable while there are some
    size_t next; // where the loop looks for news next
    bool ending;
    bool leaving; // ours is no candidate any more

    // The thread's.
    struct lease_link *link;
    int64_t renewed_ms; // when the last renewal was sent
    int64_t looked_ms;  // when the last look was
    size_t *places;     // of the slots asked about, and what is asked and answered of each
    const char **desks;
    struct lease_claim *claims;
    struct lease_row *rows;
    bool *ours;
    bool *dead;
    const char **all; // the desks
    char *endpoints;
    struct sharing *sharing;
    struct shared_desk *shared;
    struct lease_row *shared_rows; // what `shared` points to
    struct candidate_row *candidates;
    int64_t beat_ms;       // when we last showed that we live
    size_t load;           // as we showed then
    bool left;             // our rows are removed
    int64_t candidates_ms; // when the others were last looked at
};

#define CANDIDATES_A_DESK 16 // read at most

static void leases_raise_fd(int descriptor)
{
    uint64_t one = 1;

    must(write(descriptor, &one, sizeof one) == (ssize_t) sizeof one);
}

static void leases_clear_fd(int descriptor)
{
    uint64_t count;

    (void) !read(descriptor, &count, sizeof count);
}

// Under the mutex, as what follows.
static void leases_raise_news(struct leases *leases, struct slot *slot)
{
    if (!slot->told) {
        slot->told = true;
        if (leases->told++ == 0) {
            leases_raise_fd(leases->news_fd);
        }
    }
}

static void leases_tell(struct leases *leases, struct slot *slot, enum lease_state state)
{
    bool renewed = state == LEASE_HELD && slot->news.until_ms != slot->hold.until_ms;

    if (state == slot->news.state && !renewed) {
        return;
    }
    slot->news.until_ms = slot->hold.until_ms;
    slot->news.renewed_ms = slot->hold.until_ms - LEASE_TTL_MS;
    slot->news.state = state;
    leases_raise_news(leases, slot);
}

// What a look has found: also who has the desk, and whether it is quiet, are news.  Whether a free desk is ours to
// take is told once that is decided.
static void leases_note_row(struct leases *leases, struct slot *slot, const struct lease_row *row, bool is_free)
{
    bool same =
        slot->news.row.epoch == row->epoch && slot->news.row.held == row->held && slot->news.quiet == slot->watch.quiet;

    slot->seen = true;
    slot->is_free = is_free;
    slot->news.row = *row;
    slot->news.quiet = slot->watch.quiet;
    slot->news.trouble[0] = '\0';
    if (!is_free) {
        leases_tell(leases, slot, LEASE_ELSEWHERE);
    }
    if (!same) {
        leases_raise_news(leases, slot);
    }
}

// ---- the thread ----

static void leases_note_trouble(struct leases *leases)
{
    sharing_lost(leases->sharing);
    pthread_mutex_lock(&leases->mutex);
    for (size_t i = 0; i < leases->count; i++) {
        struct slot *slot = &leases->slots[i];
        snprintf(slot->news.trouble, sizeof slot->news.trouble, "%s", lease_link_reason(leases->link));
        lease_watch_lost(&slot->watch);
        slot->seen = false;
        if (slot->order == ORDER_WATCH) {
            leases_tell(leases, slot, LEASE_UNKNOWN);
        }
    }
    pthread_mutex_unlock(&leases->mutex);
}

// The slots that are to be asked about, into `places`.
static size_t leases_find_slots(struct leases *leases, enum order order, int64_t now_ms)
{
    size_t count = 0;

    pthread_mutex_lock(&leases->mutex);
    for (size_t i = 0; i < leases->count; i++) {
        const struct slot *slot = &leases->slots[i];
        bool wanted = slot->order == order && (order != ORDER_WATCH || slot->look_at_ms <= now_ms) &&
                      (order != ORDER_HOLD || !slot->hold.fenced);
        if (wanted) {
            leases->claims[count] = (struct lease_claim){ .desk = slot->desk, .epoch = slot->hold.epoch };
            leases->desks[count] = slot->desk;
            leases->places[count++] = i;
        }
    }
    pthread_mutex_unlock(&leases->mutex);
    return count;
}

// Who died on this machine holds nothing: its own lease need not be waited for.  Owners come in rows, and are asked
// after once each.
static void leases_find_dead(struct leases *leases, size_t count)
{
    const char *asked = "";
    bool dead = false;

    for (size_t i = 0; i < count; i++) {
        const char *owner = leases->rows[i].owner;
        if (strcmp(owner, asked) != 0) {
            asked = owner;
            dead = owner_is_dead(owner);
        }
        leases->dead[i] = dead && owner[0] != '\0';
    }
}

// Returns false when the store is away, as the next ones do.
static bool leases_look(struct leases *leases)
{
    int64_t asked_ms = clocks_boot_ms();
    size_t count = leases_find_slots(leases, ORDER_WATCH, asked_ms);

    leases->looked_ms = asked_ms;
    if (count == 0) {
        return true;
    }
    if (!lease_link_look(leases->link, leases->desks, count, leases->rows)) {
        return false;
    }
    int64_t answered_ms = clocks_boot_ms();
    leases_find_dead(leases, count);
    pthread_mutex_lock(&leases->mutex);
    for (size_t i = 0; i < count; i++) {
        struct slot *slot = &leases->slots[leases->places[i]];
        if (slot->order == ORDER_WATCH && slot->look_at_ms <= asked_ms) {
            const struct lease_row *row = &leases->rows[i];
            bool is_free = lease_watch_seen(&slot->watch, row, asked_ms, answered_ms);
            leases_note_row(leases, slot, row, is_free || leases->dead[i]);
        }
    }
    pthread_mutex_unlock(&leases->mutex);
    return true;
}

// Asks whose the desks are that are not ours any more.
static void leases_look_at_lost(struct leases *leases, size_t count)
{
    size_t lost = 0;

    for (size_t i = 0; i < count; i++) {
        if (!leases->ours[i]) {
            leases->desks[lost++] = leases->claims[i].desk;
        }
    }
    if (lost == 0 || !lease_link_look(leases->link, leases->desks, lost, leases->rows)) {
        memset(leases->rows, 0, lost * sizeof *leases->rows);
    }
}

static bool leases_renew(struct leases *leases)
{
    int64_t sent_ms = clocks_boot_ms();
    size_t count = leases_find_slots(leases, ORDER_HOLD, sent_ms);
    size_t lost = 0;

    leases->renewed_ms = sent_ms;
    if (count == 0) {
        return true;
    }
    if (!lease_link_renew(leases->link, leases->claims, count, clocks_boot_ms, &sent_ms, leases->ours)) {
        return false;
    }
    leases->renewed_ms = sent_ms;
    leases_look_at_lost(leases, count);
    pthread_mutex_lock(&leases->mutex);
    for (size_t i = 0; i < count; i++) {
        struct slot *slot = &leases->slots[leases->places[i]];
        const struct lease_row *row = leases->ours[i] ? &slot->news.row : &leases->rows[lost++];
        if (slot->order == ORDER_HOLD && slot->hold.epoch == leases->claims[i].epoch) {
            lease_hold_answered(&slot->hold, leases->ours[i], sent_ms);
            slot->news.row = *row;
            leases_tell(leases, slot, slot->hold.fenced ? LEASE_FENCED : LEASE_HELD);
        }
    }
    pthread_mutex_unlock(&leases->mutex);
    return true;
}

static bool release(struct leases *leases)
{
    size_t count = leases_find_slots(leases, ORDER_RELEASE, 0);

    for (size_t i = 0; i < count; i++) {
        char successor[LEASE_BROKER_BYTES];
        struct slot *slot = &leases->slots[leases->places[i]];
        pthread_mutex_lock(&leases->mutex);
        memcpy(successor, slot->news.successor, sizeof successor);
        pthread_mutex_unlock(&leases->mutex);
        if (!lease_link_release(leases->link, &leases->claims[i], successor)) {
            return false;
        }
        pthread_mutex_lock(&leases->mutex);
        if (slot->order == ORDER_RELEASE) {
            slot->order = ORDER_NONE;
            leases_tell(leases, slot, LEASE_RELEASED);
        }
        pthread_mutex_unlock(&leases->mutex);
    }
    return true;
}

// ---- sharing out ----

static enum shared_state leases_shared_state_of(const struct slot *slot)
{
    if (slot->order == ORDER_HOLD) {
        return slot->hold.fenced ? SHARED_ELSEWHERE : slot->news.successor[0] != '\0' ? SHARED_LEAVING : SHARED_OURS;
    }
    if (slot->order == ORDER_RELEASE) {
        return SHARED_LEAVING;
    }
    if (slot->order != ORDER_WATCH || !slot->seen || !slot->is_free) {
        return SHARED_ELSEWHERE;
    }
    return slot->news.state == LEASE_FREE ? SHARED_OPENING : SHARED_FREE;
}

// Copies how all desks are; returns whether any is free.
static bool leases_note_states(struct leases *leases)
{
    bool any = false;

    pthread_mutex_lock(&leases->mutex);
    for (size_t i = 0; i < leases->count; i++) {
        const struct slot *slot = &leases->slots[i];
        struct shared_desk *shared = &leases->shared[i];
        leases->shared_rows[i] = slot->news.row;
        shared->state = leases_shared_state_of(slot);
        shared->stood_still = slot->news.row.held;
        shared->sessions = slot->sessions;
        any = any || shared->state == SHARED_FREE;
    }
    pthread_mutex_unlock(&leases->mutex);
    return any;
}

// Shows the others that we live and how much we have; false when the store is away, as the next ones do.
static bool leases_beat(struct leases *leases)
{
    size_t load = sharing_load(leases->shared, leases->count);
    int64_t now_ms = clocks_boot_ms();

    if (now_ms < leases->beat_ms + SHARING_BEAT_MS && load == leases->load) {
        return true;
    }
    leases->beat_ms = now_ms;
    leases->load = load;
    return lease_link_beat(leases->link, leases->all, leases->count, leases->endpoints, load);
}

// Where clients would be sent if we lost sight of the store.
static void leases_note_others(struct leases *leases, int64_t now_ms)
{
    char others[LEASE_ENDPOINTS_BYTES];

    pthread_mutex_lock(&leases->mutex);
    for (size_t i = 0; i < leases->count; i++) {
        struct slot *slot = &leases->slots[i];
        sharing_others(leases->sharing, i, now_ms, others);
        if (strcmp(slot->news.others, others) != 0) {
            memcpy(slot->news.others, others, sizeof others);
            leases_raise_news(leases, slot);
        }
    }
    pthread_mutex_unlock(&leases->mutex);
}

static bool leases_look_at_candidates(struct leases *leases)
{
    size_t count = 0;
    struct candidate_row dead;

    if (!lease_link_candidates(leases->link, leases->all, leases->count, leases->candidates,
                               leases->count * CANDIDATES_A_DESK, &count)) {
        return false;
    }
    int64_t now_ms = clocks_boot_ms();
    leases->candidates_ms = now_ms;
    sharing_seen(leases->sharing, leases->candidates, count, now_ms);
    leases_note_others(leases, now_ms);
    return !sharing_forget(leases->sharing, now_ms, &dead) ||
           lease_link_forget(leases->link, leases->all, leases->count, &dead);
}

// Tells which free desks are ours to take.
static void leases_tell_shares(struct leases *leases)
{
    pthread_mutex_lock(&leases->mutex);
    for (size_t i = 0; i < leases->count; i++) {
        struct slot *slot = &leases->slots[i];
        if (slot->order == ORDER_WATCH && slot->seen && slot->is_free && leases->shared[i].take) {
            leases_tell(leases, slot, LEASE_FREE);
        }
    }
    pthread_mutex_unlock(&leases->mutex);
}

// Tells that a desk is to be handed over; not, when its successor has gone meanwhile.
static bool leases_tell_hand_over(struct leases *leases, const struct hand_over *hand_over)
{
    struct slot *slot = &leases->slots[hand_over->desk];
    char endpoints[LEASE_ENDPOINTS_BYTES];

    if (!lease_link_endpoints(leases->link, leases->all[hand_over->desk], hand_over->successor, endpoints)) {
        return false;
    }
    pthread_mutex_lock(&leases->mutex);
    if (slot->order == ORDER_HOLD && !slot->hold.fenced && endpoints[0] != '\0') {
        snprintf(slot->news.successor, sizeof slot->news.successor, "%s", hand_over->successor);
        memcpy(slot->news.successor_endpoints, endpoints, sizeof slot->news.successor_endpoints);
        leases_raise_news(leases, slot);
    }
    pthread_mutex_unlock(&leases->mutex);
    return true;
}

static bool leave(struct leases *leases)
{
    if (!leases->left && !lease_link_leave(leases->link, leases->all, leases->count)) {
        return false;
    }
    leases->left = true;
    return true;
}

static bool leases_share(struct leases *leases)
{
    struct hand_over hand_over = { 0 };
    bool any_free = leases_note_states(leases);

    if (!leases_beat(leases)) {
        return false;
    }
    if (!any_free && !sharing_is_handing(leases->sharing) && clocks_boot_ms() < leases->candidates_ms + CANDIDATES_MS) {
        return true;
    }
    if (!leases_look_at_candidates(leases)) {
        return false;
    }
    bool hand = sharing_decide(leases->sharing, leases->shared, clocks_boot_ms(), &hand_over);
    leases_tell_shares(leases);
    return !hand || leases_tell_hand_over(leases, &hand_over);
}

static bool leases_is_leaving(struct leases *leases)
{
    pthread_mutex_lock(&leases->mutex);
    bool leaving = leases->leaving;
    pthread_mutex_unlock(&leases->mutex);
    return leaving;
}

// Does what is due; returns how long to rest.
static int64_t leases_turn(struct leases *leases)
{
    int64_t now_ms = clocks_boot_ms();
    bool leaving = leases_is_leaving(leases);
    bool done = (!leaving || leave(leases)) && release(leases);

    if (done && now_ms >= leases->renewed_ms + LEASE_RENEW_MS) {
        done = leases_renew(leases);
    }
    if (done && now_ms >= leases->looked_ms + LEASE_LOOK_MS) {
        done = leases_look(leases) && (leaving || leases_share(leases));
    }
    if (!done) {
        leases_note_trouble(leases);
        return REOPEN_MS;
    }
    now_ms = clocks_boot_ms();
    int64_t renew_ms = leases->renewed_ms + LEASE_RENEW_MS - now_ms;
    int64_t look_ms = leases->looked_ms + LEASE_LOOK_MS - now_ms;
    int64_t rest_ms = renew_ms < look_ms ? renew_ms : look_ms;
    return rest_ms > 1 ? rest_ms : 1;
}

// Waits for an order, or until the time is over; also for what the store tells, which is looked at then.
static void leases_rest(struct leases *leases, int64_t ms)
{
    struct pollfd order = { .fd = leases->order_fd, .events = POLLIN };
    bool heard = false;

    if (!lease_link_wait(leases->link, leases->order_fd, (int) ms, &heard)) {
        (void) poll(&order, 1, (int) ms);
    }
    if (heard) {
        leases->looked_ms = 0;
    }
    if (poll(&order, 1, 0) > 0) {
        leases_clear_fd(leases->order_fd);
    }
}

static bool leases_is_ending(struct leases *leases)
{
    pthread_mutex_lock(&leases->mutex);
    bool ending = leases->ending;
    pthread_mutex_unlock(&leases->mutex);
    return ending;
}

static void *leases_work(void *self)
{
    struct leases *leases = self;

    while (!leases_is_ending(leases)) {
        leases_rest(leases, leases_turn(leases));
    }
    return NULL;
}

// ---- orders ----

static struct slot *leases_begin_order(struct leases *leases, size_t desk)
{
    must(desk < leases->count);
    pthread_mutex_lock(&leases->mutex);
    return &leases->slots[desk];
}

static void leases_give_order(struct leases *leases, struct slot *slot, enum order order)
{
    slot->order = order;
    leases_raise_fd(leases->order_fd);
    pthread_mutex_unlock(&leases->mutex);
}

void leases_hold(struct leases *leases, size_t desk, uint64_t epoch, int64_t sent_ms)
{
    struct slot *slot = leases_begin_order(leases, desk);

    lease_hold_begin(&slot->hold, epoch, sent_ms);
    slot->news.row = (struct lease_row){ 0 }; // it was another's
    slot->news.successor[0] = slot->news.successor_endpoints[0] = '\0';
    leases_tell(leases, slot, LEASE_HELD);
    leases_give_order(leases, slot, ORDER_HOLD);
}

void leases_stop_taking(struct leases *leases, size_t desk, int64_t pause_ms)
{
    struct slot *slot = leases_begin_order(leases, desk);

    lease_watch_lost(&slot->watch);
    slot->hold = (struct lease_hold){ 0 };
    slot->news.trouble[0] = '\0';
    slot->news.successor[0] = slot->news.successor_endpoints[0] = '\0';
    slot->seen = false;
    slot->look_at_ms = clocks_boot_ms() + pause_ms;
    leases_tell(leases, slot, LEASE_UNKNOWN);
    leases_give_order(leases, slot, ORDER_WATCH);
}

void leases_release(struct leases *leases, size_t desk)
{
    leases_give_order(leases, leases_begin_order(leases, desk), ORDER_RELEASE);
}

void leases_tell_sessions(struct leases *leases, size_t desk, size_t sessions)
{
    struct slot *slot = leases_begin_order(leases, desk);

    slot->sessions = sessions;
    pthread_mutex_unlock(&leases->mutex);
}

void leases_leave(struct leases *leases)
{
    pthread_mutex_lock(&leases->mutex);
    leases->leaving = true;
    leases_raise_fd(leases->order_fd);
    pthread_mutex_unlock(&leases->mutex);
}

int leases_fd(const struct leases *leases)
{
    return leases->news_fd;
}

bool leases_next_news(struct leases *leases, size_t *desk, struct lease_news *news)
{
    struct slot *slot = NULL;

    pthread_mutex_lock(&leases->mutex);
    for (size_t i = 0; leases->told > 0 && slot == NULL && i < leases->count; i++) {
        *desk = leases->next;
        leases->next = (leases->next + 1) % leases->count;
        slot = leases->slots[*desk].told ? &leases->slots[*desk] : NULL;
    }
    if (slot != NULL) {
        *news = slot->news;
        slot->told = false;
        if (--leases->told == 0) {
            leases_clear_fd(leases->news_fd);
        }
    }
    pthread_mutex_unlock(&leases->mutex);
    return slot != NULL;
}

// ---- beginning and end ----

static void *leases_allocate(size_t count, size_t bytes)
{
    void *memory = calloc(count, bytes);

    must(memory != NULL);
    return memory;
}

// What is needed to share desks out.
static void leases_init_sharing(struct leases *leases, const char *endpoints)
{
    char name[OWNER_NAME_BYTES];

    owner_name(name);
    leases->endpoints = strdup(endpoints);
    must(leases->endpoints != NULL);
    leases->all = leases_allocate(leases->count, sizeof *leases->all);
    leases->shared = leases_allocate(leases->count, sizeof *leases->shared);
    leases->shared_rows = leases_allocate(leases->count, sizeof *leases->shared_rows);
    leases->candidates = leases_allocate(leases->count * CANDIDATES_A_DESK, sizeof *leases->candidates);
    for (size_t i = 0; i < leases->count; i++) {
        leases->all[i] = leases->slots[i].desk;
        leases->shared[i].row = &leases->shared_rows[i];
    }
    leases->sharing = sharing_new(name, leases->all, leases->count);
}

struct leases *leases_new(const char *conninfo, const char *const *desks, size_t desk_count, const char *endpoints)
{
    struct leases *leases = leases_allocate(1, sizeof *leases);

    must(desk_count > 0);
    leases->count = desk_count;
    leases->slots = leases_allocate(desk_count, sizeof *leases->slots);
    leases->places = leases_allocate(desk_count, sizeof *leases->places);
    leases->desks = leases_allocate(desk_count, sizeof *leases->desks);
    leases->claims = leases_allocate(desk_count, sizeof *leases->claims);
    leases->rows = leases_allocate(desk_count, sizeof *leases->rows);
    leases->ours = leases_allocate(desk_count, sizeof *leases->ours);
    leases->dead = leases_allocate(desk_count, sizeof *leases->dead);
    for (size_t i = 0; i < desk_count; i++) {
        leases->slots[i].desk = strdup(desks[i]);
        must(leases->slots[i].desk != NULL);
    }
    leases_init_sharing(leases, endpoints);
    leases->link = lease_link_new(conninfo, desk_count == 1 ? desks[0] : "(leases)");
    leases->news_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    leases->order_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    must(leases->news_fd >= 0);
    must(leases->order_fd >= 0);
    must(pthread_mutex_init(&leases->mutex, NULL) == 0);
    thread_start(&leases->thread, leases_work, leases);
    return leases;
}

void leases_destroy(struct leases **leases_p)
{
    struct leases *leases = *leases_p;

    if (leases == NULL) {
        return;
    }
    pthread_mutex_lock(&leases->mutex);
    leases->ending = true;
    leases_raise_fd(leases->order_fd);
    pthread_mutex_unlock(&leases->mutex);
    must(pthread_join(leases->thread, NULL) == 0);
    lease_link_destroy(&leases->link);
    (void) pthread_mutex_destroy(&leases->mutex);
    (void) close(leases->news_fd);
    (void) close(leases->order_fd);
    for (size_t i = 0; i < leases->count; i++) {
        free(leases->slots[i].desk);
    }
    free(leases->slots);
    free(leases->places);
    free(leases->desks);
    free(leases->claims);
    free(leases->rows);
    free(leases->ours);
    free(leases->dead);
    sharing_destroy(&leases->sharing);
    free(leases->endpoints);
    free(leases->all);
    free(leases->shared);
    free(leases->shared_rows);
    free(leases->candidates);
    free(leases);
    *leases_p = NULL;
}
