// parts.h - the desk's own structs and the functions that cross its files.  Nobody outside broker/desk/ includes it.
//
// How the files divide the work:
//   item.c     an item's state: item_move and what follows from it; records and events
//   queue.c    queues and the people's seats at them
//   match.c    orders, reservations: who gets what next, and why
//   people.c   presence, sessions, what a person has
//   posts.c    posts in: new items, merges, follow-ups, edits, deletions
//   early.c    edits and deletions that came before their post
//   authority.c  who may ask for what, and see what
//   requests.c what people ask for
//   outbox.c   replies and connectors
//   restore.c  coming back from the store
//   review.c   new rules reach what is open, in slices
//   look.c     counts, listings, what is shown
//   desk.c     making, ticking, rules, checking

#ifndef DESK_PARTS_H
#define DESK_PARTS_H

#include "broker/desk/answered.h"
#include "broker/desk/authority.h"
#include "broker/desk/by_id.h"
#include "broker/desk/desk.h"
#include "broker/desk/early.h"
#include "proto/base/heap.h"
#include "broker/desk/lookup.h"
#include "broker/desk/outgoing.h"
#include "broker/desk/recent.h"
#include "proto/base/table.h"
#include "broker/desk/words.h"
#include "proto/base/must.h"

#include <assert.h>

// People who have declined an item or let it run out, and until when it is not offered to them again.
#define ITEM_DECLINED_MAX 8

// Replies handed to one connector instance and not settled at most; the others wait in the outbox.
#define OUTBOX_HANDED_MAX 256

// Times that a reply is handed out, each after a longer rest, before its unknown fate is a person's to decide.
#define OUTBOX_ATTEMPTS_MAX 10
#define OUTBOX_REST_MS 1000 // after the first one; twice as long after each further one

static_assert(OUTBOX_ATTEMPTS_MAX <= BEHALF_ATTEMPTS_MAX, "REPLY tells every attempt");

// Queues that are kept although nothing is in them: making one anew asks everybody whether they may serve it.
#define QUEUES_EMPTY_MAX 128

// Timers that one tick lets come at most: the next tick goes on, and what they change can be written meanwhile.
#define TICK_TIMERS_MAX 1024

// Deletions of one item's posts that are remembered, so that a repeat does not count twice.
#define ITEM_DELETED_MAX 16

struct declined {
    uint32_t person;
    int64_t until_ms;
};

struct declines {
    struct declined latest[ITEM_DECLINED_MAX]; // a ring
    uint32_t next;
};

struct deletions {
    uint64_t latest[ITEM_DELETED_MAX]; // a ring of intake keys
    uint32_t count;
};

// What an item needs once it has been in somebody's hands, or is meant for somebody.  Owned by its item.
struct item_detail {
    int64_t since_ms; // when it came into its state
    int64_t first_offered_ms;
    int64_t preferred_until_ms;
    uint64_t offered_turn;       // desk.turn when it was last offered
    int64_t touched_ms;          // when its holder last asked for something about it
    uint64_t reply;              // the last one made
    uint64_t unknown;            // the newest of its replies of unknown fate; 0: none
    struct declines *declines;   // NULL: nobody did
    struct deletions *deletions; // NULL: none
    uint32_t preferred;          // shall have it first; POLICY_NONE
    uint32_t draft_by;           // POLICY_NONE: no draft
    uint32_t moves;              // times put back into a queue
    uint32_t due_slot;           // in desk.dues
    uint32_t reserved_slot;      // in its preferred person's heap while it is `reserved`
    bool meant;                  // a person said for whom: it waits for them also while they are full
};

// There may be a million of them, nearly all waiting: what a waiting item can do without is in its detail, and an
// item without detail has been in its state since it was made.
struct item {
    uint64_t id;
    uint64_t thread_key;
    uint64_t author_key;
    int64_t created_ms;
    int64_t due_ms;        // end of the service level or reply window; 0: none
    int64_t timer_ms;      // when item_due must be called; meaningful while timer_slot is not 0
    int64_t window_end_ms; // the platform takes no reply after this; 0: always
    struct queue *queue;
    struct item_detail *detail; // NULL until needed
    uint32_t number;            // its place in desk.item_pool
    uint32_t waiting_slot;      // in its queue's heap
    uint32_t timer_slot;
    uint32_t age_slot;  // in its queue's order of age, while it waits
    uint32_t reason;    // why it is in its queue; of desk.words, 0: none
    uint32_t escalated; // why it was first escalated; 0: never
    uint32_t person;    // offered to, held by, or author of the reply that is sending; else POLICY_NONE
    uint32_t lease;
    uint32_t posts;    // not deleted
    uint32_t numbered; // ever taken into it
    uint8_t band;
    uint8_t channel;
    uint8_t state : 3; // enum item_state; written by item_move alone
    bool sealed : 1;
    bool returned : 1; // waits at the head of its queue
    bool approval : 1;
    bool fate_unknown : 1;
    bool reserved : 1;  // its preferred person has it before anything else; outside the queue's order if `meant`
    bool late : 1;      // its due time has passed and was noted
    bool overdue : 1;   // its due time has passed: its queue counts it
    bool threaded : 1;  // is in desk.threads
    bool changed : 1;   // is in desk.changed
    bool unmatched : 1; // is in desk.unmatched
};

// A person's place at a queue they may serve.  Owned by the person.
struct seat {
    uint32_t number; // its place in desk.seat_pool
    struct person *person;
    struct queue *queue;
    uint32_t ready_slot;
    uint32_t rank; // of skill, higher is better
};

// Items that wait for the same audience with the same needs, and the people who may serve it.  Counts also those that
// are with somebody, parked or sending.  One that is empty is kept for a while, see queue_collect.
struct queue {
    uint64_t hash; // its key in desk.queues
    enum audience audience;
    uint32_t brand;
    uint32_t language;
    uint64_t skills;
    struct heap waiting; // of items, in their order; without those meant for one person
    struct heap ages;    // of all items that wait, the oldest first
    struct heap apart;   // of those that wait and have not been looked at under new rules; in no sure order
    struct heap ready;   // of seats whose person can take an item now, best first
    struct seat **seats; // of all who may serve it
    size_t seat_count, seat_capacity;
    size_t count[ITEM_STATE_COUNT];
    size_t open;                   // all of them
    size_t overdue;                // of them, those whose due time has passed
    size_t able;                   // people who may serve it; until it is seated, of the former rules
    size_t available;              // of them, those signed in and available
    int64_t moved_ms;              // when one that waited in it was last offered, or came to wait where none did
    struct queue *earlier, *later; // among the empty
    bool seated;                   // its seats are there; else it is in desk.unseated
    bool unserved;                 // work came here that nobody may serve, and the shell is told of it
    char *skills_text;             // sorted names joined by commas
    char *text;                    // audience/brand/language/skills
};

enum presence {
    PRESENCE_OUT,  // not signed in, nothing kept for them
    PRESENCE_LOST, // the connection is gone, their holds wait
    PRESENCE_AWAY,
    PRESENCE_AVAILABLE
};

struct person {
    uint32_t index; // into policy.people
    enum presence presence;
    bool was_away;       // before the connection was lost
    char *reason;        // why away; NULL
    uint64_t session;    // 0 when not signed in
    struct item **items; // offered and held
    size_t item_count, item_capacity;
    size_t offered;       // of them, those not taken yet
    struct heap reserved; // items that wait for this person first
    struct heap apart;    // those of them that have not been looked at under new rules
    bool releasing;       // is in desk.releasing
    bool forgotten;       // what still waits for them as they left is not theirs when they come back
    struct seat **seats;
    size_t seat_count, seat_capacity;
    int64_t lost_until_ms; // while the connection is lost: until then their holds wait for them; else 0
    bool ready;            // its seats are in the queues' heaps
    bool available;        // signed in and available: its queues count it
    bool unmatched;        // is in desk.unmatched_people
    int64_t idle_since_ms;
    uint32_t missed;      // offers missed in a row
    int64_t missed_ms;    // when the last of them was counted
    uint64_t active_turn; // desk.turn of their last request
    uint64_t ended;       // items answered or closed
};

struct reply_list {
    struct reply *first, *last;
};

// Replies of one channel that wait for a connector.
struct outbox {
    uint64_t brands; // that have some
    struct reply_list of_brand[POLICY_SET_MAX];
};

struct connector {
    uint64_t session; // 0 while lost
    char *instance;
    uint64_t channels; // bits
    bool idempotent;
    int64_t lost_until_ms; // while lost: then its replies are of unknown fate
    size_t handed;
    struct reply_list replies; // those, in the order in which they were handed out
};

// A reply that is not settled, or of unknown fate and may still be.
struct reply {
    uint64_t id;
    uint64_t item_id; // its item may have been closed without it
    uint64_t earlier; // UNKNOWN: the item's one before it
    uint32_t brand;
    uint32_t channel;
    uint32_t person;
    enum audience audience; // in which role it was written
    enum reply_state state;
    bool sealed;
    bool idempotent; // of the instance that has it
    bool unwritten;  // came back in another state than the store has
    uint32_t attempt;
    int64_t created_ms;
    int64_t handed_ms;
    struct connector *connector; // HANDED: who has it
    char *instance;              // the last to have it; NULL
    struct reply_list *list;     // QUEUED: where it waits or rests; HANDED: of its connector; else NULL
    struct reply *next, *previous;
    uint64_t place;        // while it waits for a connector: the lowest of its channel goes first
    int64_t rest_until_ms; // QUEUED: it is not handed out again before
};

struct session {
    uint64_t number;
    struct person *person; // or
    struct connector *connector;
};

// The open items are being looked at under new rules.
struct review {
    bool active;
    uint64_t last;                       // the largest id when it began: what came later was triaged under them
    uint64_t handed_out;                 // up to here, by their ids
    uint64_t page[DESK_REVIEW_PAGE_MAX]; // the latest handed out, and how many of them have come back
    size_t page_count, page_place;
    uint64_t *hands; // those that were in people's hands, which come first
    size_t hand_count, hand_place;
    size_t left; // not handed out yet, about
};

// Brands were frozen or lifted, and whoever has an item of them is being told.
struct showing {
    uint64_t brands;
    size_t next; // person, and how many are still to be looked at
    size_t left;
};

struct desk {
    const struct policy *policy;
    struct change_list *list;
    uint64_t sequence;
    uint64_t next_id;
    uint64_t turn;      // counts what people ask for, so that it is known what came before what
    int64_t now_ms;     // of the input being worked on
    struct words words; // of items
    struct answered answered;
    const struct principal *asking;       // whose request is being decided; NULL: nobody's
    const struct behalf_message *request; // that one
    struct pool item_pool;                // all items
    struct by_id items;
    struct pool seat_pool;
    struct lookup threads; // open items a further post merges into, by thread key
    struct table sending;  // items whose reply is in the outbox, by item_thread_of: what comes to them is a follow-up
    struct table queues;   // by hash of their needs
    struct queue *first_empty, *last_empty; // in the order in which they became so
    size_t empty_count;
    struct table sessions;     // by number
    struct table replies;      // by id
    int64_t restored_clock_ms; // of the last commit before the desk came back
    bool restored_unreviewed;  // the rules it came back with have not reached all open items
    struct table names;        // of the policy's people, by hash; only while the desk comes back from the store
    struct heap timers;        // of items
    struct heap dues;          // of items that do not wait and whose due time is still to be dealt with, by that
    struct person **people;    // by index of the policy
    size_t person_count;
    struct connector **connectors;
    size_t connector_count;
    struct outbox outbox[POLICY_CHANNELS_MAX];  // QUEUED, by channel
    struct outbox repeats[POLICY_CHANNELS_MAX]; // those that may be out already: for idempotent connectors
    uint64_t next_place;                        // in them
    bool outbox_left;                           // a slice was handed out, and the next tick goes on
    struct reply_list unwritten;                // only while the desk comes back: in another state than the store has
    // QUEUED, after an attempt of unknown fate, by how many there were, soonest first.
    struct reply_list resting[OUTBOX_ATTEMPTS_MAX];
    struct recent thread_memory;
    struct recent author_memory;
    struct early_changes early;
    uint64_t frozen; // brands
    size_t count[ITEM_STATE_COUNT];
    size_t of_channel[POLICY_CHANNELS_MAX]; // open items
    uint64_t closed;                        // items ended since the start
    // Work that every input leaves for desk_settle, so that nothing recurses and a request is answered before
    // what follows from it.
    struct item **changed; // to be written to the list
    size_t changed_count, changed_capacity;
    struct item **unmatched; // waiting, and somebody may be there for them
    size_t unmatched_count, unmatched_capacity;
    struct person **unmatched_people; // may take more than they could before
    size_t unmatched_person_first, unmatched_person_count, unmatched_person_capacity; // taken from the first on
    struct person **releasing; // have left, and items still wait for them
    size_t releasing_count, releasing_capacity;
    struct showing showing;
    struct review review;
    struct queue **unseated; // queues whose seats are to be made under new rules
    size_t unseated_count, unseated_capacity;
    struct queue **unserved; // queues that came to have work for nobody; for desk_next_unserved
    size_t unserved_count, unserved_capacity;
};

// ---- authority.c ----

// Why a request is refused; `code` is BEHALF_CODE_NONE when it may go on.
struct refusal {
    enum behalf_code code;
    const char *field, *reason;
};

// Whether the person may ask this; `person` NULL: control or a connector, whose messages need nothing else.  `item` is
// the one that the request is about, if it is about one.
struct refusal authority_refusal(const struct desk *desk, const struct person *person, const struct item *item,
                                 const struct behalf_message *request);

// Whether what this person, who has the item, answers goes to an approver first.
bool authority_needs_approval(const struct desk *desk, const struct item *item, const struct person *person);

// Whether the item waits for somebody else to approve what this person wrote.
bool authority_is_own_draft(const struct item *item, uint32_t person);

// Whether the connector, or NULL, may say what became of the reply, or NULL.
bool authority_may_settle(const struct connector *connector, const struct reply *reply);

// How much of the item the person may see; `person` NULL: control.
enum sight authority_sight(const struct desk *desk, const struct person *person, const struct item *item);

// ---- item.c ----

// Where items are kept, empty and whole.
void item_init_all(struct desk *desk);
void item_fini_all(struct desk *desk);

uint32_t item_number(const void *item);                          // of the pool's elements, for heaps
void item_init_ages(const struct desk *desk, struct heap *heap); // an empty one, the oldest first

// What desk->threads, desk->sending and desk->thread_memory go by: who speaks to two brands in one thread has an item
// of each, and what becomes of one is nothing to the other.
uint64_t item_thread_of(uint64_t thread_key, uint32_t brand);

struct item *item_new(struct desk *desk, uint64_t id, int64_t created_ms);
struct item *item_find(const struct desk *desk, uint64_t id);     // NULL: not open
struct item *item_next(const struct desk *desk, uint64_t *after); // by id; start with 0, ends with NULL
// That a further post to this brand merges into, or NULL.  Any, where a reply was taken back while its follow-up was
// open.
struct item *item_of_thread(const struct desk *desk, uint64_t thread_key, uint32_t brand);
struct item_detail *item_require_detail(struct item *item);

bool item_waits(const struct item *item);         // is in the heap of its queue, or of whom it is meant for
uint32_t item_preferred(const struct item *item); // POLICY_NONE: nobody
void item_forget_preferred(struct item *item);
int64_t item_since_ms(const struct item *item);
void item_count_move(struct item *item);

// The one function that changes an item's state: leaves the old state's lists and counts, enters the new ones.
// `person` is whom OFFERED, HELD and SENDING concern, else POLICY_NONE.  Sets its time and the timer.
// Asserts that the step is one that item.c lists.
void item_move(struct desk *desk, struct item *item, enum item_state state, uint32_t person);

// Puts an item into the queue of its needs (before it waits there).
void item_set_queue(struct desk *desk, struct item *item, struct queue *queue);

// Moves an item whose reply, if it was sending, is settled into another queue, where it waits, for `preferred` first.
void item_change_queue(struct desk *desk, struct item *item, struct queue *queue, uint32_t preferred);

// Who shall have it first when it comes to wait, for as long as the rules say.
void item_prefer(struct desk *desk, struct item *item, uint32_t person);

void item_set_reason(struct desk *desk, struct item *item, const char *reason);
void item_set_escalated(struct desk *desk, struct item *item, const char *reason); // the first one stays
void item_set_timer(struct desk *desk, struct item *item, int64_t at_ms);          // 0: none
void item_set_due(struct desk *desk, struct item *item, int64_t due_ms);           // 0: none

// Its due time has passed: it is counted so from now on.
void item_set_overdue(struct desk *desk, struct item *item);

// The first of desk.dues has passed its due time: what follows from that.
void item_pass_due(struct desk *desk, struct item *item);

// Its holder, if it has one, is at work on it.
void item_touch(struct desk *desk, struct item *item);

// Sets the timer of a HELD item: until when its holder must have come back, or have touched it.
void item_set_hold_timer(struct desk *desk, struct item *item);

// Notes what became true.  `rule` and `detail` may be NULL.
void item_event(struct desk *desk, const struct item *item, const char *kind, uint32_t person, const char *rule,
                const char *detail);

// Has its current state written to the list at the end of this input.
void item_changed(struct desk *desk, struct item *item);

// Writes all that changed.  Only for desk_settle.
void item_write_changed(struct desk *desk);

// Puts it back into its queue and has it matched at the end of this input.
void item_wait(struct desk *desk, struct item *item);

// Takes a HELD or OFFERED item out of its person's hands because of `reason`, tells them, and lets it wait.
// `head`: at the head of its queue.
void item_take_back(struct desk *desk, struct item *item, const char *kind, const char *reason, bool head);

// Moves an item to the PR audience, sealed, and lets it wait.  Of a SENDING item the reply must be settled.
void item_escalate(struct desk *desk, struct item *item, uint32_t by, const char *rule, const char *reason);

// What an open item has in it turned out to be sensitive by `rule`: PR has it then, sealed, whatever was being done
// with it.  False where its reply is on its way and cannot be taken back, or is PR's own: the item is sealed, so that
// PR has it should the reply fail, but once that is published nobody looks at it again.
bool item_becomes_sensitive(struct desk *desk, struct item *item, const char *rule);

// Ends an item: outcome row, memory of thread and author; frees it.
void item_close(struct desk *desk, struct item *item, const char *outcome, uint32_t person, const char *reason,
                uint64_t reply);

// Its timer has come.
void item_due(struct desk *desk, struct item *item);

// Its service level has passed, which was not noted yet; and whether the rules then move it to PR.
bool item_is_overdue(const struct desk *desk, const struct item *item);
bool item_escalates_late(const struct desk *desk, const struct item *item);

// Remembers who had the item, for follow-ups in its thread and its author's next posts.
void item_remember(struct desk *desk, const struct item *item, uint32_t person);

// When it is due in an audience: by its service level there, or by the reply window if that closes sooner.
int64_t item_due_ms(const struct desk *desk, const struct item *item, enum audience audience);
void item_tell_gone(struct desk *desk, const struct item *item, const struct person *person, const char *reason);
void item_show(struct desk *desk, const struct item *item);
void item_thread_in(struct desk *desk, struct item *item);
void item_thread_out(struct desk *desk, struct item *item);

// ---- queue.c ----

// The queue of these needs, made if there is none.  It stays at least to the end of this input.
struct queue *queue_require(struct desk *desk, enum audience audience, uint32_t brand, uint32_t language,
                            uint64_t skills);
void queue_free(struct queue *queue);
bool person_may_serve(const struct desk *desk, const struct person *person, const struct queue *queue);
struct seat *person_seat(const struct person *person, const struct queue *queue); // NULL: may not serve it

// An item comes to be the queue's in this state, or no longer is.
void queue_enter(struct desk *desk, struct queue *queue, struct item *item, enum item_state state);
void queue_leave(struct desk *desk, struct queue *queue, struct item *item, enum item_state state);

// Gives up the longest empty of the empty queues that are too many.  Only for desk_settle.
void queue_collect(struct desk *desk);

// Something waits in it: if nobody may serve it, desk_next_unserved is to tell, once.
void queue_note_unserved(struct desk *desk, struct queue *queue);

// Takes everybody's seats away, as people or rules changed: they are made anew when a queue comes to need them, and
// soon.
void seats_forget(struct desk *desk);

// Makes the seats of a queue that has none yet.
void queue_seat(struct desk *desk, struct queue *queue);

// Stops the program if a queue, or the list of the empty ones, is not as it must be.
void queue_check(const struct desk *desk, const struct queue *queue);
void queue_check_empty(const struct desk *desk);

// ---- review.c ----

void review_begin(struct desk *desk);
void review_fini(struct desk *desk);

// Whether an item is not to be shown to anybody but PR before it has been looked at under the rules in force.
bool review_awaits(const struct desk *desk, const struct item *item);

// Makes seats.  Milliseconds until it must go on, or -1.
int64_t review_tick(struct desk *desk);

// Stops the program if something that is to be looked at first can be offered.
void review_check(const struct desk *desk, const struct heap *waiting);

// ---- posts.c ----

// A post of an item comes to work again, though its item goes on without it; returns which item has it now.
uint64_t post_arrives_again(struct desk *desk, const struct behalf_post *post, const struct needs *needs,
                            uint64_t before);

// Forgets the changes of posts that never came.  Milliseconds until the next one is to be forgotten, or -1.
int64_t early_tick(struct desk *desk);

// ---- match.c ----

// Puts a waiting item into its queue's order or, where it shall go to one person first, into theirs.
void match_enter(struct desk *desk, struct item *item);
void match_leave(struct desk *desk, struct item *item);

// Offers a waiting item to the best person who can take it now; returns whether somebody could.
bool match_item(struct desk *desk, struct item *item);

// Offers one of what waits for the person, to whoever of those with room comes first for it, and has the person looked
// at again behind all others who look for work.
// What is overdue is left to its timer, before anybody is offered it.
void match_person(struct desk *desk, struct person *person);

// What stood before the others in the queue has gone: whoever is first among the ready looks again.
void match_again(struct desk *desk, struct queue *queue);

bool item_declined_by(const struct desk *desk, const struct item *item, uint32_t person);
void item_decline(struct desk *desk, struct item *item, uint32_t person);

// An empty heap of items in the order in which they are offered: a queue's, or a person's.
void match_init_waiting(const struct desk *desk, struct heap *heap);
void match_init_reserved(const struct desk *desk, struct heap *heap);

// ---- people.c ----

struct person *person_new(struct desk *desk, uint32_t index);
void person_free(struct person *person);
// Puts the person's seats into the queues' heaps, or takes them out, as they can take an item now or not.
void person_refresh(struct desk *desk, struct person *person);
// Has what waits for the person looked at again at the end of this input.
void person_look_again(struct desk *desk, struct person *person);
// The person asked for something: they are at work, and no offer made before is missed by letting it lapse.
void person_is_active(struct desk *desk, struct person *person);
// An offer ran out: counts as missed if only silence followed it.  Before the item is taken from them.
void person_let_lapse(struct desk *desk, struct person *person, const struct item *item);
void person_add_item(struct desk *desk, struct person *person, struct item *item);
void person_remove_item(struct desk *desk, struct person *person, struct item *item);
// The connection is gone: offers are withdrawn, holds wait until then.
void person_lose(struct desk *desk, struct person *person, int64_t grace_until_ms);
void person_set_available(struct desk *desk, struct person *person);
void person_set_away(struct desk *desk, struct person *person, const char *reason, bool tell);
const char *person_name(const struct desk *desk, uint32_t index); // "" for POLICY_NONE
// Whether something of this author is offered to or held by the person; false for POLICY_NONE.
bool person_has_author(const struct desk *desk, uint32_t index, uint64_t author_key);
struct session *session_find(const struct desk *desk, uint64_t number);

// Shows what anybody has of the brand again, as it is frozen now, or no longer: a slice, the next ticks go on.
void people_show_again(struct desk *desk, uint32_t brand);

// Goes on with that, and with what waits for people who have left.  Milliseconds until it must go on, or -1.
int64_t people_tick(struct desk *desk);

// ---- outbox.c ----

// For whom and where a reply to the item would be: one that this person writes in this role, or, of an item offered or
// held, one as who has it would send it.
struct answering item_answering(const struct item *item, uint32_t person, enum audience audience);
struct answering item_answering_as_held(const struct item *item);

// Why the item's platform takes no reply to it any more, in words; NULL while it does.  Belongs to `memory`.
const char *outbox_is_closed_to(const struct desk *desk, const struct item *item, struct change_list *memory);

// The platform's time to reply to a SENDING item is over: a reply that no connector has had comes back.
void outbox_window_ends(struct desk *desk, struct item *item);

// Makes a reply of a held item and puts it into the outbox: the item is then SENDING.  `person` wrote it in the
// role of `audience`; `text` is what will be published.
struct reply *outbox_put(struct desk *desk, struct item *item, uint32_t person, enum audience audience,
                         const char *text);

// Tells an instance that came back of the replies it has: frames may have been lost with the connection.
void outbox_tell_again(struct desk *desk, struct connector *connector);

// Hands out what can go, a slice of it.  Only for desk_settle.
void outbox_run(struct desk *desk);

// Takes a SENDING item's reply out of the outbox if it has not been handed out; true if it had not.
bool outbox_withdraw(struct desk *desk, struct item *item, const char *reason);

// Keeps a reply of unknown fate with its item, until the item ends or the fate is known.
void outbox_keep_unknown(struct desk *desk, struct item *item, struct reply *reply);

// Writes the replies that came back in another state than the store has, and forgets those that will not go out.
void outbox_restored(struct desk *desk);

// An item ends: its replies of unknown fate are of no consequence any more.
void outbox_forget_item(struct desk *desk, const struct item *item);

// Ends what cannot go on of the replies that came back: too many attempts were made at them.
void outbox_give_up_restored(struct desk *desk);

// SETTLE.
void outbox_settle(struct desk *desk, struct connector *connector, uint64_t session,
                   const struct behalf_message *request);

// Lost connectors whose time is over, a slice of what they had, and replies that have rested.  Milliseconds until it
// must go on, or -1.
int64_t outbox_tick(struct desk *desk);

// Stops the program if a reply is not where it must be, or waits although a connector could have it.
void outbox_check(const struct desk *desk);

struct connector *connector_require(struct desk *desk, const char *instance);
void connector_free(struct connector *connector);
// The connector's session is gone; from `until_ms` on what it has is of unknown fate.
void connector_lost(struct desk *desk, struct connector *connector, int64_t until_ms);

// Forgets a reply; what is on disk stays.
void reply_forget(struct desk *desk, struct reply *reply);
void reply_restore(struct desk *desk, struct reply *reply);

// ---- speaking ----

// Answers the request being decided, which has taken effect, and remembers it with its answer.
void desk_tell_done(struct desk *desk, uint64_t session, int64_t id, const struct behalf_done *done);
void desk_tell_error(struct desk *desk, uint64_t session, int64_t id, enum behalf_code code,
                     const struct behalf_error *error); // its `code` is filled in here

// Adds a change and counts it.
void desk_change(struct desk *desk, const struct change *change);

// Ends every input: matches what can be matched, hands out replies, writes what changed.
void desk_settle(struct desk *desk);

// Makes room for one more element of an array of pointers.
void desk_grow(void *array_p, size_t count, size_t *capacity);

char *desk_copy(const char *text); // NULL for NULL or ""

#endif
