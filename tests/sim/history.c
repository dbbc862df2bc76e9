// history.c - what must hold between events in the order in which they became true.
//
// The judge walks all events of the disk from the beginning each time; what they have said so far is kept here
// meanwhile.  Nothing else is looked at: rows are judge.c's.

#include "broker/desk/wording.h"
#include "tests/sim/simulation.h"

#include <stdio.h>
#include <string.h>

#define GRACE_MS 10000  // as in the rules
#define DECLINE_MS 8000 // as in the rules
#define OFFER_MS 5000   // as in the rules
#define FEW 2           // as when the rules say nothing

enum expected { NOTHING, ESCALATED, WOKEN };

static struct {
    struct simulation *simulation;
    int64_t declined_ms[SIM_ITEMS_MAX][SIM_PEOPLE]; // by whom, and when; 0: not, or forgotten by a restart
    uint8_t expected[SIM_ITEMS_MAX];                // what the item's next event must be
    bool parked[SIM_ITEMS_MAX];
    int64_t unapproved_ms[SIM_ITEMS_MAX]; // when an agent last answered it without an approver
    char audience[SIM_ITEMS_MAX][12];     // that it was taken in for
    int64_t born_ms[SIM_ITEMS_MAX];
    uint8_t with[SIM_ITEMS_MAX];         // to whom it is offered or who holds it; SIM_PEOPLE: nobody
    bool held[SIM_ITEMS_MAX];            // by them
    char queue[SIM_ITEMS_MAX][12];       // its audience, as its last event says
    char waits_in[SIM_ITEMS_MAX][40];    // the queue in which it surely waits; "": it may not
    uint64_t newest;                     // item
    char approved_by[SIM_ITEMS_MAX][16]; // by the event before, "" if that said something else
    bool connected[SIM_PEOPLE], away[SIM_PEOPLE];
    bool frozen[2];             // by brand
    unsigned variant;           // of the rules
    bool reviewing;             // what is open has not all been looked at under them
    size_t in_hand[SIM_PEOPLE]; // offered to them and held
    size_t holds[SIM_PEOPLE];
    int64_t acted_ms[SIM_PEOPLE]; // when they last did something that left an event
} history;

size_t person_by_name(const struct simulation *simulation, const char *name)
{
    size_t person = 0;
    while (person < SIM_PEOPLE && strcmp(simulation->clients[person].name, name) != 0) {
        person++;
    }
    return person;
}

void history_begin(struct simulation *simulation)
{
    memset(&history, 0, sizeof history);
    memset(history.with, SIM_PEOPLE, sizeof history.with);
    history.simulation = simulation;
}

bool history_is_there(size_t person)
{
    return history.connected[person] && !history.away[person];
}

int64_t history_unapproved_ms(uint64_t item)
{
    return history.unapproved_ms[item];
}

const char *history_born_for(uint64_t item, int64_t *born_ms)
{
    *born_ms = history.born_ms[item];
    return history.audience[item];
}

static bool is(const struct event_record *event, const char *kind)
{
    return event->kind[0] == kind[0] && strcmp(event->kind, kind) == 0; // asked for each event very often
}

// Nobody is sent away who works.
static void check_sent_away(const struct event_record *event, size_t person)
{
    if (strcmp(event->detail, "offers were not taken in time") != 0) {
        return;
    }
    if (history.holds[person]) {
        sim_fail(history.simulation, "%s was sent away and holds something", event->person);
    }
    if (event->at_ms < history.acted_ms[person] + OFFER_MS) {
        sim_fail(history.simulation, "%s was sent away %lld ms after doing something", event->person,
                 (long long) (event->at_ms - history.acted_ms[person]));
    }
}

static void person_event(const struct event_record *event, size_t person)
{
    if (is(event, "away")) {
        check_sent_away(event, person);
    }
    if (is(event, "signed in")) {
        history.connected[person] = true;
    } else if (is(event, "connection lost")) {
        history.connected[person] = false;
    } else if (is(event, "signed out")) {
        history.connected[person] = history.away[person] = false;
    } else if (is(event, "away")) {
        history.away[person] = true;
    } else if (is(event, "available")) {
        history.away[person] = false;
    }
}

static void check_button(const struct event_record *event, size_t person)
{
    const char *of = event->rule;
    bool may = person == SIM_PEOPLE || sim_has_role(person, "pr") || sim_has_role(person, "supervisor");
    if (!may || (person < SIM_PEOPLE && !sim_has_brand(person, of))) {
        sim_fail(history.simulation, "%s had %s %s", event->person, of, event->kind);
    }
}

static void desk_event(const struct event_record *event, size_t person)
{
    size_t brand = strcmp(event->rule, "fizz") == 0;
    if (is(event, "frozen") || is(event, "lifted")) {
        check_button(event, person);
    }
    if (is(event, "frozen")) {
        history.frozen[brand] = true;
    } else if (is(event, "lifted")) {
        history.frozen[brand] = false;
    } else if (is(event, "rules applied")) {
        unsigned variant = 0; // else nobody gave them a name
        sscanf(event->detail, "variant %u", &variant);
        history.variant = variant;
        history.reviewing = true;
    } else if (is(event, "rules reviewed")) {
        history.reviewing = false;
    } else if (is(event, "started")) { // presence and declines are the process's own
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
    if (history.frozen[brand] && strcmp(history.audience[event->item], "agent") == 0) {
        sim_fail(history.simulation, "new item %llu of a frozen brand came to %s", (unsigned long long) event->item,
                 event->queue);
    }
}

static void check_expected(const struct event_record *event)
{
    enum expected expected = (enum expected) history.expected[event->item];
    history.expected[event->item] = NOTHING;
    if (expected == NOTHING || is(event, "escalated") || (expected == WOKEN && is(event, "woken"))) {
        return;
    }
    sim_fail(history.simulation, "item %llu was %s, and then came the event %s", (unsigned long long) event->item,
             expected == ESCALATED ? "late where the brand wants it escalated" : "parked when its author wrote",
             event->kind);
}

static void check_offer(const struct event_record *event, size_t person)
{
    int64_t declined_ms = history.declined_ms[event->item][person];
    if (strcmp(event->detail, "taken") != 0 && declined_ms && event->at_ms < declined_ms + DECLINE_MS) {
        sim_fail(history.simulation, "item %llu was offered to %s, who declined it %lld ms before",
                 (unsigned long long) event->item, event->person, (long long) (event->at_ms - declined_ms));
    }
}

// What an event says, in words; until the next one is asked about.
static const char *said(const struct event_record *event)
{
    static char memory[BEHALF_DETAIL_BYTES + 1];
    return wording_of(event->detail, event->person, memory, sizeof memory);
}

// Of those whom the event names as able to take the item, the one who gets it has the least in hand.
static void check_spread(const struct event_record *event, size_t person)
{
    const char *detail = said(event);
    const char *named = strstr(detail, " could take it: ");
    if (named == NULL || strstr(detail, "after those who declined it") != NULL ||
        strstr(detail, "keeps the last") != NULL) {
        return;
    }
    for (size_t i = 0; i < SIM_PEOPLE; i++) {
        char name[40];
        snprintf(name, sizeof name, " %s", history.simulation->clients[i].name);
        if (strstr(named, name) != NULL && history.in_hand[i] < history.in_hand[person]) {
            sim_fail(history.simulation,
                     "item %llu was given to %s, who has %zu in hand, and not to%s, who has %zu: %s",
                     (unsigned long long) event->item, event->person, history.in_hand[person], name, history.in_hand[i],
                     detail);
        }
    }
}

// ---- what only few can do ----

// How many of those who are there can do what is in a queue.
static size_t hands_of(const char *queue)
{
    size_t hands = 0;
    for (size_t i = 0; i < SIM_PEOPLE; i++) {
        hands += history_is_there(i) && sim_serves(i, queue, history.variant);
    }
    return hands;
}

// An item that waits where this person is one of the few who can do it, and fewer than `hands`; 0: none.
static uint64_t scarce_work_of(size_t person, size_t hands)
{
    for (uint64_t item = 1; item <= history.newest; item++) {
        const char *queue = history.waits_in[item];
        if (!*queue || !sim_serves(person, queue, history.variant)) {
            continue;
        }
        size_t few = hands_of(queue);
        if (few <= FEW && few < hands) {
            return item;
        }
    }
    return 0;
}

// Nobody's last place goes to what more people can do while what only few can waits for them, and somebody else, whose
// last place it is not, could take the other one.
static void check_scarce(const struct event_record *event, size_t person)
{
    const char *detail = said(event);
    const char *named = strstr(detail, " could take it: ");
    if (named == NULL || strstr(detail, "after those who declined it") != NULL || history.reviewing ||
        history.in_hand[person] + 1 != sim_capacity(person)) {
        return;
    }
    uint64_t scarce = scarce_work_of(person, hands_of(event->queue));
    for (size_t i = 0; scarce && i < SIM_PEOPLE; i++) {
        char name[40];
        snprintf(name, sizeof name, " %s (", history.simulation->clients[i].name);
        if (i != person && strstr(named, name) != NULL && history.in_hand[i] + 1 < sim_capacity(i)) {
            sim_fail(history.simulation,
                     "item %llu of %s took the last place of %s, which item %llu of %s waits for, and not one of%s: %s",
                     (unsigned long long) event->item, event->queue, event->person, (unsigned long long) scarce,
                     history.waits_in[scarce], name, detail);
        }
    }
}

// What says no more than that the item waits, or waits still.
static void follow_waiting(const struct event_record *event)
{
    static const char *const kinds[] = { "taken",    "follow-up", "declined",  "no answer", "withdrawn offer", "lost",
                                         "returned", "woken",     "escalated", "recalled",  "untouched" };
    bool waits = false;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && !waits; i++) {
        waits = is(event, kinds[i]);
    }
    snprintf(history.waits_in[event->item], sizeof history.waits_in[0], "%s", waits ? event->queue : "");
    history.newest = event->item > history.newest ? event->item : history.newest;
}

static bool is_their_doing(const struct event_record *event)
{
    static const char *const kinds[] = { "note",     "recalled", "declined", "closed",   "submitted",
                                         "approved", "parked",   "rejected", "answered", "transferred" };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (is(event, kinds[i])) {
            return true;
        }
    }
    return is(event, "held") && strcmp(event->detail, "taken") == 0;
}

static void check_lost(const struct event_record *event)
{
    for (size_t i = 0; i < SIM_JUMPS_MAX; i++) {
        int64_t jumped_ms = history.simulation->jumped_ms[i];
        if (jumped_ms && event->at_ms >= jumped_ms && event->at_ms < jumped_ms + GRACE_MS) {
            sim_fail(history.simulation, "item %llu was taken back %lld ms after the clock jumped",
                     (unsigned long long) event->item, (long long) (event->at_ms - jumped_ms));
        }
    }
}

// ---- who may have done it ----

// What only who holds the item may do, and as what: audiences, NULL for any.
static const struct {
    const char *kind;
    const char *detail; // begins so
    const char *as, *or_as;
} deeds[] = {
    { "note", "", NULL, NULL },
    { "transferred", "", NULL, NULL },
    { "parked", "", NULL, NULL },
    { "escalated", "", "agent", "approver" },
    { "submitted", "", "agent", "agent" },
    { "approved", "", "approver", "approver" },
    { "rejected", "", "approver", "approver" },
    { "returned", "returned by PR", "pr", "pr" },
    { "answered", "", "agent", "pr" },
    { "closed", "no-answer-needed", NULL, NULL },
    { "closed", "noise", NULL, NULL },
    { "closed", "duplicate", NULL, NULL },
    { "closed", "handed-off", NULL, NULL },
};

static void check_deed(const struct event_record *event, size_t person, const char *as, const char *or_as)
{
    uint64_t item = event->item;
    const char *queue = history.queue[item];
    if (!history.held[item] || history.with[item] != person) {
        sim_fail(history.simulation, "item %llu: %s by %s, who did not hold it", (unsigned long long) item, event->kind,
                 event->person);
    }
    if (as != NULL && strcmp(queue, as) != 0 && strcmp(queue, or_as) != 0) {
        sim_fail(history.simulation, "item %llu: %s by %s, who had it as %s", (unsigned long long) item, event->kind,
                 event->person, queue);
    }
    size_t brand = strstr(event->queue, "/fizz/") != NULL;
    if (is(event, "returned") && history.frozen[brand]) {
        sim_fail(history.simulation, "item %llu was returned although its brand is frozen", (unsigned long long) item);
    }
}

static void check_doer(const struct event_record *event, size_t person)
{
    const char *approver = history.approved_by[event->item];
    if (person == SIM_PEOPLE) {
        return; // a rule, or time
    }
    if (is(event, "recalled") &&
        (!sim_has_role(person, "supervisor") || (!strncmp(event->queue, "pr/", 3) && !sim_has_role(person, "pr")) ||
         !sim_has_brand(person, strstr(event->queue, "/fizz/") != NULL ? "fizz" : "acme"))) {
        sim_fail(history.simulation, "item %llu was recalled by %s", (unsigned long long) event->item, event->person);
    }
    if (is(event, "answered") && *approver) { // the reply of whose draft was approved
        if (history.variant & 4 && !strcmp(event->person, "dov")) {
            sim_fail(history.simulation, "item %llu: a draft of dov's was approved, who is no longer there",
                     (unsigned long long) event->item);
        }
        if (!strcmp(approver, event->person)) {
            sim_fail(history.simulation, "item %llu: %s approved their own draft", (unsigned long long) event->item,
                     approver);
        }
        return;
    }
    if ((is(event, "declined") || (is(event, "held") && !strcmp(event->detail, "taken"))) &&
        (history.held[event->item] || history.with[event->item] != person)) {
        sim_fail(history.simulation, "item %llu: %s by %s, to whom it was not offered",
                 (unsigned long long) event->item, event->kind, event->person);
    }
    for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++) {
        if (is(event, deeds[i].kind) && !strncmp(event->detail, deeds[i].detail, strlen(deeds[i].detail))) {
            check_deed(event, person, deeds[i].as, deeds[i].or_as);
        }
    }
}

// In whose hands it is after the event.
static void follow(const struct event_record *event, size_t person)
{
    static const char *const leaving[] = { "declined",     "no answer",   "withdrawn offer", "lost",
                                           "returned",     "parked",      "escalated",       "submitted",
                                           "rejected",     "transferred", "answered",        "closed",
                                           "fate unknown", "reply lost",  "untouched",       "recalled" };
    uint64_t item = event->item;
    snprintf(history.queue[item], sizeof history.queue[0], "%.*s", (int) strcspn(event->queue, "/"), event->queue);
    snprintf(history.approved_by[item], sizeof history.approved_by[0], "%s",
             is(event, "approved") ? event->person : "");
    if (is(event, "offered") || is(event, "held")) {
        history.with[item] = (uint8_t) person;
        history.held[item] = is(event, "held");
    }
    for (size_t i = 0; i < sizeof leaving / sizeof *leaving; i++) {
        if (is(event, leaving[i])) {
            history.with[item] = SIM_PEOPLE;
            history.held[item] = false;
        }
    }
}

static void count_hands(uint64_t item, size_t more)
{
    if (history.with[item] == SIM_PEOPLE) {
        return;
    }
    history.in_hand[history.with[item]] += more;
    history.holds[history.with[item]] += history.held[item] ? more : 0;
}

static void follow_hands(const struct event_record *event, size_t person)
{
    count_hands(event->item, SIZE_MAX); // one less, and then perhaps one more
    if ((is(event, "offered") || is(event, "held")) && strcmp(event->detail, "taken") != 0) {
        check_spread(event, person);
        check_scarce(event, person);
    }
    follow_waiting(event);
    follow(event, person);
    count_hands(event->item, 1);
}

static void item_event(const struct event_record *event, size_t person)
{
    uint64_t item = event->item;
    check_expected(event);
    check_doer(event, person);
    if (is(event, "answered") && !strncmp(event->queue, "agent/", 6)) {
        history.unapproved_ms[item] = event->at_ms;
    }
    follow_hands(event, person);
    if (person < SIM_PEOPLE && is_their_doing(event)) {
        history.acted_ms[person] = event->at_ms;
    }
    if (is(event, "taken") || is(event, "follow-up")) {
        birth(event);
    } else if ((is(event, "offered") || is(event, "held")) && person < SIM_PEOPLE) {
        check_offer(event, person);
    } else if ((is(event, "declined") || is(event, "no answer") || is(event, "transferred")) && person < SIM_PEOPLE) {
        history.declined_ms[item][person] = event->at_ms;
    } else if (is(event, "late") && strncmp(event->queue, "agent/acme/", 11) == 0) {
        history.expected[item] = ESCALATED;
    } else if (is(event, "parked")) {
        history.parked[item] = true;
    } else if (is(event, "woken") || is(event, "escalated")) {
        history.parked[item] = false;
    } else if (is(event, "merged") && history.parked[item]) {
        history.expected[item] = WOKEN;
    } else if (is(event, "lost")) {
        check_lost(event);
    }
}

void history_event(const struct event_record *event)
{
    size_t person = person_by_name(history.simulation, event->person);
    if (event->item >= SIM_ITEMS_MAX) {
        sim_fail(history.simulation, "item %llu is more than was planned for", (unsigned long long) event->item);
    }
    if (event->item) {
        item_event(event, person);
    } else if (person < SIM_PEOPLE && !is(event, "frozen") && !is(event, "lifted")) {
        person_event(event, person);
    } else {
        desk_event(event, person);
    }
}
