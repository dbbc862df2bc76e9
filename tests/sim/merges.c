// merges.c - further posts of a thread: which item they join, what that does to it, and how often a run has it happen.
//
// A post joins the open item of its author, thread and brand, whoever has it; one whose item is being answered, or has
// just ended, makes a follow-up; a sensitive one takes the item, or its reply if nobody has that yet, to PR.  Judged at
// the end of a run, from all events in their order and the threads that the items' rows name.

#include "tests/sim/simulation.h"

#include <string.h>

#define FOLLOW_UP_MS 60000 // as in the rules

enum phase { UNBORN, WAITING, OFFERED, HELD, PARKED, SENDING, CLOSED };

static struct {
    struct simulation *simulation;
    uint64_t thread[SIM_ITEMS_MAX];
    bool fizz[SIM_ITEMS_MAX]; // its brand
    enum phase phase[SIM_ITEMS_MAX];
    bool sealing[SIM_ITEMS_MAX]; // something sensitive has joined it, which PR is to have next
    int64_t closed_ms[SIM_ITEMS_MAX];
    uint64_t newest;
} merges;

static void merges_note_item(void *self, const struct item_record *item)
{
    (void) self;
    if (item->item < SIM_ITEMS_MAX) {
        merges.thread[item->item] = item->thread_key;
        merges.fizz[item->item] = !strcmp(item->brand, "fizz");
    }
}

static bool merges_is_open(enum phase phase)
{
    return phase == WAITING || phase == OFFERED || phase == HELD || phase == PARKED;
}

static void merges_judge_birth(const struct event_record *event)
{
    uint64_t item = event->item;
    struct sim_counts *counts = &merges.simulation->counts;
    bool follows = !strcmp(event->kind, "follow-up");
    bool came_deleted = strstr(event->detail, "deleted by its author before it came") != NULL;
    bool sending = false, ended = false;
    for (uint64_t i = 1; i <= merges.newest; i++) {
        if (merges.thread[i] != merges.thread[item] || merges.fizz[i] != merges.fizz[item] || i == item) {
            continue;
        }
        sending = sending || merges.phase[i] == SENDING;
        ended = ended || (merges.phase[i] == CLOSED && event->at_ms - merges.closed_ms[i] < FOLLOW_UP_MS);
        if (merges_is_open(merges.phase[i]) && !came_deleted) {
            sim_fail(merges.simulation, "item %llu was made although item %llu of its thread was open",
                     (unsigned long long) item, (unsigned long long) i);
        }
    }
    if ((sending || ended) && !follows) {
        sim_fail(merges.simulation, "item %llu follows another one of its thread, and its first event says %s",
                 (unsigned long long) item, event->kind);
    }
    counts->follow_ups_sending += follows && sending;
    counts->follow_ups_ended += follows && !sending;
}

static void merges_judge_merge(const struct event_record *event)
{
    enum phase phase = merges.phase[event->item];
    struct sim_counts *counts = &merges.simulation->counts;
    if (!merges_is_open(phase)) {
        sim_fail(merges.simulation, "a post joined item %llu, which %s", (unsigned long long) event->item,
                 phase == SENDING ? "is being answered" : "has ended");
    }
    counts->merges[phase - WAITING]++;
    merges.sealing[event->item] = !strcmp(event->rule, "sensitive legal") && strncmp(event->queue, "pr/", 3) != 0;
    counts->sealing += merges.sealing[event->item];
}

static enum phase merges_phase_after(const struct event_record *event, enum phase phase)
{
    static const struct {
        const char *kind;
        enum phase phase;
    } phases[] = { { "taken", WAITING },       { "follow-up", WAITING },   { "offered", OFFERED },
                   { "held", HELD },           { "parked", PARKED },       { "answered", SENDING },
                   { "closed", CLOSED },       { "declined", WAITING },    { "no answer", WAITING },
                   { "lost", WAITING },        { "returned", WAITING },    { "withdrawn offer", WAITING },
                   { "woken", WAITING },       { "escalated", WAITING },   { "recalled", WAITING },
                   { "untouched", WAITING },   { "transferred", WAITING }, { "submitted", WAITING },
                   { "rejected", WAITING },    { "reply lost", WAITING },  { "fate unknown", WAITING },
                   { "reply failed", WAITING } };
    for (size_t i = 0; i < sizeof phases / sizeof *phases; i++) {
        if (!strcmp(phases[i].kind, event->kind)) {
            return phases[i].phase;
        }
    }
    return phase;
}

static void merges_follow(void *self, const struct event_record *event)
{
    (void) self;
    uint64_t item = event->item;
    if (!item) {
        return;
    }
    if (merges.sealing[item] && strcmp(event->kind, "escalated") != 0) {
        sim_fail(merges.simulation, "something sensitive joined item %llu, and then came the event %s",
                 (unsigned long long) item, event->kind);
    }
    merges.sealing[item] = false;
    if (!merges.phase[item]) {
        merges_judge_birth(event);
    } else if (!strcmp(event->kind, "merged")) {
        merges_judge_merge(event);
    } else if (!strcmp(event->kind, "escalated") && merges.phase[item] == SENDING) {
        merges.simulation->counts.taken_back++;
    }
    merges.phase[item] = merges_phase_after(event, merges.phase[item]);
    merges.closed_ms[item] = merges.phase[item] == CLOSED ? event->at_ms : 0;
    merges.newest = item > merges.newest ? item : merges.newest;
}

void merges_judge(struct simulation *simulation)
{
    memset(&merges, 0, sizeof merges);
    merges.simulation = simulation;
    memory_disk_visit(simulation->disk, &(struct memory_visit){ .item = merges_note_item });
    memory_disk_visit(simulation->disk, &(struct memory_visit){ .event = merges_follow });
}
