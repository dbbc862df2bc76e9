// sharing.c - who is alive, which desks each may take, whom a desk is handed to: see sharing.h.

#include "broker/ownership/sharing.h"

#include "proto/base/hash.h"
#include "proto/base/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Another broker.
struct peer {
    char name[LEASE_BROKER_BYTES];
    bool present;       // it has rows
    uint64_t beats;     // the highest among them
    uint64_t desks;     // that it has
    bool moved;         // its counter has been seen to move
    int64_t since_ms;   // when it last did, or was first seen
    int64_t alive_ms;   // since when it has been alive without a break; 0: it is not known to be
    int64_t refused_ms; // when it last did not take what it was handed; 0: it did
    bool *serves;       // of each of our desks
    char endpoints[LEASE_ENDPOINTS_BYTES];
};

// The desk on its way to another broker.
struct handing {
    bool under_way;
    size_t desk;
    char successor[LEASE_BROKER_BYTES];
    int64_t left_ms; // when it was given up; 0: not yet
};

struct sharing {
    char ourselves[LEASE_BROKER_BYTES];
    char **desks; // their names
    size_t desk_count;
    struct peer peers[SHARING_BROKERS_MAX];
    size_t peer_count;
    bool gap;         // the store was away since the last rows
    int64_t begun_ms; // when the first were read; 0: not yet
    struct handing handing;
    int64_t wanted_ms;  // since when it has been right to hand something over; 0: it is not
    int64_t arrived_ms; // when the last one had arrived
};

static void *sharing_allocate(size_t count, size_t bytes)
{
    void *memory = calloc(count, bytes);

    must(memory != NULL);
    return memory;
}

struct sharing *sharing_new(const char *ourselves, const char *const *desks, size_t desk_count)
{
    struct sharing *sharing = sharing_allocate(1, sizeof *sharing);

    snprintf(sharing->ourselves, sizeof sharing->ourselves, "%s", ourselves);
    sharing->desk_count = desk_count;
    sharing->desks = sharing_allocate(desk_count, sizeof *sharing->desks);
    for (size_t i = 0; i < desk_count; i++) {
        sharing->desks[i] = strdup(desks[i]);
        must(sharing->desks[i] != NULL);
    }
    return sharing;
}

void sharing_destroy(struct sharing **sharing_p)
{
    struct sharing *sharing = *sharing_p;

    if (sharing == NULL) {
        return;
    }
    for (size_t i = 0; i < sharing->peer_count; i++) {
        free(sharing->peers[i].serves);
    }
    for (size_t i = 0; i < sharing->desk_count; i++) {
        free(sharing->desks[i]);
    }
    free(sharing->desks);
    free(sharing);
    *sharing_p = NULL;
}

// ---- who lives ----

static struct peer *sharing_find_peer(struct sharing *sharing, const char *name)
{
    for (size_t i = 0; i < sharing->peer_count; i++) {
        if (strcmp(sharing->peers[i].name, name) == 0) {
            return &sharing->peers[i];
        }
    }
    return NULL;
}

static struct peer *sharing_require_peer(struct sharing *sharing, const char *name, int64_t now_ms)
{
    struct peer *peer = sharing_find_peer(sharing, name);

    if (peer == NULL && sharing->peer_count < SHARING_BROKERS_MAX) {
        peer = &sharing->peers[sharing->peer_count++];
        *peer =
            (struct peer){ .since_ms = now_ms, .serves = sharing_allocate(sharing->desk_count, sizeof *peer->serves) };
        snprintf(peer->name, sizeof peer->name, "%s", name);
    }
    return peer;
}

static void sharing_note_row(struct sharing *sharing, const struct candidate_row *row, int64_t now_ms)
{
    bool ours = strcmp(row->broker, sharing->ourselves) == 0;
    struct peer *peer = ours ? NULL : sharing_require_peer(sharing, row->broker, now_ms);

    if (peer == NULL || row->desk >= sharing->desk_count) {
        return;
    }
    if (!peer->present || row->beats > peer->beats) {
        // Rows of one beat say the same; one that its broker does not serve any more stays behind.
        bool known = peer->beats > 0;
        bool moved = known && row->beats > peer->beats;
        peer->moved = peer->moved || moved;
        peer->since_ms = moved ? now_ms : peer->since_ms;
        peer->beats = row->beats > peer->beats ? row->beats : peer->beats;
        peer->desks = row->desks;
    }
    peer->present = true;
    memcpy(peer->endpoints, row->endpoints, sizeof peer->endpoints);
    peer->serves[row->desk] = true;
}

// Its counter has moved lately.  Of who was seen for the first time only now it is not known yet: it counts as alive,
// so that brokers that start together see each other.
static bool sharing_is_alive(const struct peer *peer, int64_t now_ms)
{
    int64_t wait_ms = peer->moved ? SHARING_LOST_MS : SHARING_BEAT_MS + SHARING_BEAT_MS / 2;

    return peer->present && now_ms - peer->since_ms < wait_ms;
}

void sharing_seen(struct sharing *sharing, const struct candidate_row *rows, size_t count, int64_t answered_ms)
{
    for (size_t i = 0; i < sharing->peer_count; i++) {
        struct peer *peer = &sharing->peers[i];
        peer->present = false;
        peer->since_ms = sharing->gap ? answered_ms : peer->since_ms;
        memset(peer->serves, 0, sharing->desk_count * sizeof *peer->serves);
    }
    sharing->gap = false;
    sharing->begun_ms = sharing->begun_ms == 0 ? answered_ms : sharing->begun_ms;
    for (size_t i = 0; i < count; i++) {
        sharing_note_row(sharing, &rows[i], answered_ms);
    }
    for (size_t i = 0; i < sharing->peer_count; i++) {
        struct peer *peer = &sharing->peers[i];
        bool alive = peer->moved && sharing_is_alive(peer, answered_ms);
        peer->alive_ms = !alive ? 0 : peer->alive_ms == 0 ? answered_ms : peer->alive_ms;
    }
}

void sharing_others(const struct sharing *sharing, size_t desk, int64_t now_ms, char endpoints[LEASE_ENDPOINTS_BYTES])
{
    size_t bytes = 0;

    endpoints[0] = '\0';
    for (size_t i = 0; i < sharing->peer_count; i++) {
        const struct peer *peer = &sharing->peers[i];
        size_t more = strlen(peer->endpoints);
        if (peer->serves[desk] && sharing_is_alive(peer, now_ms) && more > 0 &&
            bytes + more + 2 <= LEASE_ENDPOINTS_BYTES) {
            bytes += (size_t) snprintf(endpoints + bytes, LEASE_ENDPOINTS_BYTES - bytes, "%s%s", bytes > 0 ? "," : "",
                                       peer->endpoints);
        }
    }
}

void sharing_lost(struct sharing *sharing)
{
    sharing->gap = true;
}

bool sharing_forget(struct sharing *sharing, int64_t now_ms, struct candidate_row *row)
{
    for (size_t i = 0; i < sharing->peer_count; i++) {
        struct peer *peer = &sharing->peers[i];
        if (now_ms - peer->since_ms < SHARING_FORGOTTEN_MS || sharing->gap) {
            continue;
        }
        *row = (struct candidate_row){ .beats = peer->beats };
        snprintf(row->broker, sizeof row->broker, "%s", peer->name);
        free(peer->serves);
        *peer = sharing->peers[--sharing->peer_count];
        return true;
    }
    return false;
}

// ---- free desks ----

size_t sharing_load(const struct shared_desk *desks, size_t desk_count)
{
    size_t load = 0;

    for (size_t i = 0; i < desk_count; i++) {
        load += desks[i].state == SHARED_OURS || desks[i].state == SHARED_OPENING ? 1 : 0;
    }
    return load;
}

// Settles who of equals comes first, for each desk anew.
static uint64_t sharing_lot(const char *desk, const char *broker)
{
    uint64_t hash = hash_bytes(hash_bytes(HASH_BEGIN, desk), broker);

    return hash ^ hash >> 32;
}

// Of the brokers that may have a free desk the one that comes first: NULL, ourselves.  `owned`: as far as has been
// shared out yet, by the place of each.
static struct peer *sharing_find_first(struct sharing *sharing, size_t desk, const struct shared_desk *shared,
                                       uint64_t our_load, const uint64_t *owned, int64_t now_ms)
{
    struct peer *first = NULL;
    uint64_t least = our_load;
    uint64_t best = sharing_lot(sharing->desks[desk], sharing->ourselves);

    for (size_t i = 0; i < sharing->peer_count; i++) {
        struct peer *peer = &sharing->peers[i];
        bool died = shared->stood_still && strcmp(shared->row->owner, peer->name) == 0;
        if (!peer->serves[desk] || died || !sharing_is_alive(peer, now_ms)) {
            continue;
        }
        uint64_t drawn = sharing_lot(sharing->desks[desk], peer->name);
        if (owned[i] < least || (owned[i] == least && drawn > best)) {
            first = peer;
            least = owned[i];
            best = drawn;
        }
    }
    return first;
}

// To whom a free desk goes first, and how long the others leave it there.
static struct peer *sharing_find_next_owner(struct sharing *sharing, size_t desk, const struct shared_desk *shared,
                                            uint64_t our_load, const uint64_t *owned, int64_t now_ms, int64_t *wait_ms)
{
    bool handed = !shared->stood_still && shared->row->successor[0] != '\0';

    *wait_ms = handed ? SHARING_SUCCESSOR_MS : SHARING_WAIT_MS;
    if (handed && strcmp(shared->row->successor, sharing->ourselves) == 0) {
        return NULL;
    }
    struct peer *successor = handed ? sharing_find_peer(sharing, shared->row->successor) : NULL;
    if (successor != NULL && sharing_is_alive(successor, now_ms)) {
        return successor;
    }
    *wait_ms = SHARING_WAIT_MS;
    return sharing_find_first(sharing, desk, shared, our_load, owned, now_ms);
}

static void sharing_share_free(struct sharing *sharing, struct shared_desk *desks, int64_t now_ms)
{
    uint64_t our_load = sharing_load(desks, sharing->desk_count);
    uint64_t owned[SHARING_BROKERS_MAX];
    int64_t queued[SHARING_BROKERS_MAX] = { 0 }; // free desks left to each
    bool early = sharing->desk_count > 1 && now_ms - sharing->begun_ms < SHARING_FIRST_MS;

    for (size_t i = 0; i < sharing->peer_count; i++) {
        owned[i] = sharing->peers[i].desks;
    }
    for (size_t i = 0; i < sharing->desk_count; i++) {
        struct shared_desk *shared = &desks[i];
        int64_t wait_ms = 0;
        shared->take = false;
        if (shared->state != SHARED_FREE) {
            shared->free_ms = 0;
            continue;
        }
        shared->free_ms = shared->free_ms == 0 || early ? now_ms : shared->free_ms;
        struct peer *first = sharing_find_next_owner(sharing, i, shared, our_load, owned, now_ms, &wait_ms);
        if (first != NULL) {
            owned[first - sharing->peers]++;
            wait_ms += SHARING_TURN_MS * queued[first - sharing->peers]++;
        } else {
            our_load++;
        }
        shared->take = !early && (first == NULL || now_ms - shared->free_ms >= wait_ms);
    }
}

// ---- handing over ----

// What has become of the desk that was handed over.
static void sharing_follow_handing(struct sharing *sharing, const struct shared_desk *desks, int64_t now_ms)
{
    struct handing *handing = &sharing->handing;
    const struct shared_desk *shared = &desks[handing->desk];
    struct peer *successor = sharing_find_peer(sharing, handing->successor);

    if (shared->state == SHARED_LEAVING) {
        handing->left_ms = 0;
        return;
    }
    handing->left_ms = handing->left_ms == 0 ? now_ms : handing->left_ms;
    bool arrived =
        shared->state == SHARED_ELSEWHERE && shared->row->held && strcmp(shared->row->owner, handing->successor) == 0;
    bool refused = !arrived && (shared->state == SHARED_OURS || now_ms - handing->left_ms >= SHARING_TAKEN_MS);
    if (refused && successor != NULL) {
        successor->refused_ms = now_ms;
    }
    if (arrived || refused) {
        handing->under_way = false;
        sharing->arrived_ms = now_ms;
    }
}

static bool sharing_may_be_handed(const struct peer *peer, uint64_t our_load, int64_t now_ms)
{
    // From the first to the last sign of life: silence proves nothing.
    return sharing_is_alive(peer, now_ms) && peer->alive_ms != 0 &&
           peer->since_ms - peer->alive_ms >= SHARING_SETTLED_MS &&
           (peer->refused_ms == 0 || now_ms - peer->refused_ms >= SHARING_REFUSED_MS) && peer->desks + 2 <= our_load;
}

// The broker with fewest desks that could have one of ours, and which; false when there is none.
static bool sharing_find_heir(const struct sharing *sharing, const struct shared_desk *desks, int64_t now_ms,
                              struct hand_over *hand_over)
{
    uint64_t our_load = sharing_load(desks, sharing->desk_count);
    const struct peer *successor = NULL;

    for (size_t i = 0; i < sharing->peer_count; i++) {
        const struct peer *peer = &sharing->peers[i];
        if (!sharing_may_be_handed(peer, our_load, now_ms) || (successor != NULL && peer->desks >= successor->desks)) {
            continue;
        }
        for (size_t desk = 0; desk < sharing->desk_count; desk++) {
            bool could = desks[desk].state == SHARED_OURS && peer->serves[desk];
            bool fewer = successor != peer || desks[desk].sessions < desks[hand_over->desk].sessions;
            if (could && fewer) {
                successor = peer;
                hand_over->desk = desk;
            }
        }
    }
    if (successor != NULL) {
        snprintf(hand_over->successor, sizeof hand_over->successor, "%s", successor->name);
    }
    return successor != NULL;
}

// Whether nobody alive has more desks; of equals one comes first.
static bool sharing_has_most(const struct sharing *sharing, uint64_t our_load, int64_t now_ms)
{
    for (size_t i = 0; i < sharing->peer_count; i++) {
        const struct peer *peer = &sharing->peers[i];
        bool more = peer->desks > our_load || (peer->desks == our_load && strcmp(peer->name, sharing->ourselves) < 0);
        if (sharing_is_alive(peer, now_ms) && more) {
            return false;
        }
    }
    return true;
}

static bool sharing_is_at_rest(const struct shared_desk *desks, size_t desk_count)
{
    for (size_t i = 0; i < desk_count; i++) {
        if (desks[i].state != SHARED_OURS && desks[i].state != SHARED_ELSEWHERE) {
            return false;
        }
    }
    return true;
}

bool sharing_is_handing(const struct sharing *sharing)
{
    return sharing->handing.under_way;
}

bool sharing_decide(struct sharing *sharing, struct shared_desk *desks, int64_t now_ms, struct hand_over *hand_over)
{
    sharing_share_free(sharing, desks, now_ms);
    if (sharing->handing.under_way) {
        sharing_follow_handing(sharing, desks, now_ms);
    }
    if (sharing->handing.under_way || !sharing_is_at_rest(desks, sharing->desk_count)) {
        return false;
    }
    if (!sharing_find_heir(sharing, desks, now_ms, hand_over)) {
        sharing->wanted_ms = 0;
        return false;
    }
    sharing->wanted_ms = sharing->wanted_ms == 0 ? now_ms : sharing->wanted_ms;
    bool most = sharing_has_most(sharing, sharing_load(desks, sharing->desk_count), now_ms);
    if (now_ms - sharing->wanted_ms < (most ? SHARING_CALM_MS : 3 * SHARING_CALM_MS) ||
        now_ms - sharing->arrived_ms < SHARING_PACE_MS) {
        return false;
    }
    // Who has not most waits anew each time: the others come first.
    sharing->wanted_ms = most ? sharing->wanted_ms : 0;
    sharing->handing = (struct handing){ .under_way = true, .desk = hand_over->desk };
    snprintf(sharing->handing.successor, sizeof sharing->handing.successor, "%s", hand_over->successor);
    return true;
}
