// history.c - what must hold between events in the order in which they became true.
//
// The judge walks all events of the disk from the beginning each time; what they have said so far is kept here
// meanwhile.  Nothing else is looked at: rows are judge.c's.

#include "tests/sim/simulation.h"

#include <string.h>

#define GRACE_MS 10000  // as in the rules
#define DECLINE_MS 8000 // as in the rules

enum expected { NOTHING, ESCALATED, WOKEN };

static struct {
    struct simulation *simulation;
    int64_t declined_ms[SIM_ITEMS_MAX][SIM_PEOPLE]; // by whom, and when; 0: not, or forgotten by a restart
    uint8_t expected[SIM_ITEMS_MAX];                // what the item's next event must be
    bool parked[SIM_ITEMS_MAX];
    bool submitted[SIM_ITEMS_MAX];
    char audience[SIM_ITEMS_MAX][12]; // that it was taken in for
    int64_t born_ms[SIM_ITEMS_MAX];
    bool connected[SIM_PEOPLE], away[SIM_PEOPLE];
    bool frozen[2]; // by brand
} history;

size_t person_by_name(const struct simulation *simulation, const char *name)
{
    size_t person = 0;
    while (person < SIM_PEOPLE && strcmp(simulation->clients[person].name, name) != 0)
        person++;
    return person;
}

void history_begin(struct simulation *simulation)
{
    memset(&history, 0, sizeof history);
    history.simulation = simulation;
}

bool history_is_there(size_t person)
{
    return history.connected[person] && !history.away[person];
}

bool history_submitted(uint64_t item)
{
    return history.submitted[item];
}

const char *history_born_for(uint64_t item, int64_t *born_ms)
{
    *born_ms = history.born_ms[item];
    return history.audience[item];
}

static bool is(const struct event_record *event, const char *kind)
{
    return strcmp(event->kind, kind) == 0;
}

static void person_event(const struct event_record *event, size_t person)
{
    if (is(event, "signed in"))
        history.connected[person] = true;
    else if (is(event, "connection lost"))
        history.connected[person] = false;
    else if (is(event, "signed out"))
        history.connected[person] = history.away[person] = false;
    else if (is(event, "away"))
        history.away[person] = true;
    else if (is(event, "available"))
        history.away[person] = false;
}

static void desk_event(const struct event_record *event)
{
    size_t brand = strcmp(event->rule, "fizz") == 0;
    if (is(event, "frozen"))
        history.frozen[brand] = true;
    else if (is(event, "lifted"))
        history.frozen[brand] = false;
    else if (is(event, "started")) { // presence and declines are the process's own
        memset(history.connected, 0, sizeof history.connected);
        memset(history.away, 0, sizeof history.away);
        memset(history.declined_ms, 0, sizeof history.declined_ms);
    }
}

static void birth(const struct event_record *event)
{
    size_t bytes = strcspn(event->queue, "/");
    size_t brand = strncmp(event->queue + bytes, "/fizz/", 6) == 0;
    snprintf(history.audience[event->item], sizeof history.audience[0], "%.*s", (int) bytes, event->queue);
    history.born_ms[event->item] = event->at_ms;
    if (history.frozen[brand] && strcmp(history.audience[event->item], "agent") == 0)
        sim_fail(history.simulation, "new item %llu of a frozen brand came to %s", (unsigned long long) event->item,
                 event->queue);
}

static void check_expected(const struct event_record *event)
{
    enum expected expected = (enum expected) history.expected[event->item];
    history.expected[event->item] = NOTHING;
    if (expected == NOTHING || is(event, "escalated") || (expected == WOKEN && is(event, "woken")))
        return;
    sim_fail(history.simulation, "item %llu was %s, and then came the event %s", (unsigned long long) event->item,
             expected == ESCALATED ? "late where the brand wants it escalated" : "parked when its author wrote",
             event->kind);
}

static void check_offer(const struct event_record *event, size_t person)
{
    int64_t declined_ms = history.declined_ms[event->item][person];
    if (strcmp(event->detail, "taken") != 0 && declined_ms && event->at_ms < declined_ms + DECLINE_MS)
        sim_fail(history.simulation, "item %llu was offered to %s, who declined it %lld ms before",
                 (unsigned long long) event->item, event->person, (long long) (event->at_ms - declined_ms));
}

static void check_lost(const struct event_record *event)
{
    for (size_t i = 0; i < SIM_JUMPS_MAX; i++) {
        int64_t jumped_ms = history.simulation->jumped_ms[i];
        if (jumped_ms && event->at_ms >= jumped_ms && event->at_ms < jumped_ms + GRACE_MS)
            sim_fail(history.simulation, "item %llu was taken back %lld ms after the clock jumped",
                     (unsigned long long) event->item, (long long) (event->at_ms - jumped_ms));
    }
}

static void item_event(const struct event_record *event, size_t person)
{
    uint64_t item = event->item;
    check_expected(event);
    if (is(event, "taken") || is(event, "follow-up"))
        birth(event);
    else if ((is(event, "offered") || is(event, "held")) && person < SIM_PEOPLE)
        check_offer(event, person);
    else if ((is(event, "declined") || is(event, "no answer") || is(event, "transferred")) && person < SIM_PEOPLE)
        history.declined_ms[item][person] = event->at_ms;
    else if (is(event, "late") && strncmp(event->queue, "agent/acme/", 11) == 0)
        history.expected[item] = ESCALATED;
    else if (is(event, "parked"))
        history.parked[item] = true;
    else if (is(event, "woken") || is(event, "escalated"))
        history.parked[item] = false;
    else if (is(event, "merged") && history.parked[item])
        history.expected[item] = WOKEN;
    else if (is(event, "submitted"))
        history.submitted[item] = true;
    else if (is(event, "lost"))
        check_lost(event);
}

void history_event(const struct event_record *event)
{
    size_t person = person_by_name(history.simulation, event->person);
    if (event->item >= SIM_ITEMS_MAX)
        sim_fail(history.simulation, "item %llu is more than was planned for", (unsigned long long) event->item);
    if (event->item)
        item_event(event, person);
    else if (person < SIM_PEOPLE && !is(event, "frozen") && !is(event, "lifted"))
        person_event(event, person);
    else
        desk_event(event);
}
