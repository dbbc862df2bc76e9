// wording.h - why somebody was offered an item: kept as facts, worded when somebody asks.
//
// An offer is made at each turn of the loop, and few of them are ever asked about.  So its event keeps what was known,
// in a form that is cheap to write and that a reader of the table understands all the same:
//
//   7 fit, ann/0/3/5/12, ben/0/2/5/40, cleo/1/3/5/0, by least_in_hand/level/idle
//
// How many could take the item, and the first three of them in the order (name, items in hand, level of skill, level of
// the language, seconds idle), and what the order goes by.  Behind it may stand, in this order: `after declines`
// (somebody before them had declined it), `ahead of more/N` (it was taken ahead of what more people can do than the N
// there who can do this) or `ahead of few`, and `kept/N/NAME/QUEUE` (that person keeps the last free place for the
// queue, which N of those there can do).  Names have neither commas nor slashes.  Who was chosen is the event's person.
//
// Events of former versions hold the sentence itself; all other details are words as they are.

#ifndef DESK_WORDING_H
#define DESK_WORDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORDING_FIRST_MAX 3
#define WORDING_BYTES_MIN 1024 // all but the name of a queue fits

struct wording_candidate {
    const char *name;
    uint64_t in_hand;
    uint32_t skill;    // level
    uint32_t language; // level
    uint64_t idle_s;
};

enum wording_ahead {
    WORDING_IN_ORDER,
    WORDING_AHEAD_OF_MORE, // of what more people can do
    WORDING_AHEAD_OF_FEW   // of what few can do
};

struct wording_offer {
    uint32_t fit; // how many could take the item
    struct wording_candidate first[WORDING_FIRST_MAX];
    uint32_t first_count; // the lesser of `fit` and WORDING_FIRST_MAX
    const uint8_t *order; // enum policy_choice, ends with CHOOSE_NOTHING
    bool declined;
    enum wording_ahead ahead;
    uint64_t hands;     // of those there, who can do this; with WORDING_AHEAD_OF_MORE
    const char *spared; // who keeps the last free place for what few can do; NULL if nobody
    const char *kept;   // the queue it is kept for; with `spared`
    uint64_t kept_hands;
};

// Writes an offer's facts as a text into `memory`, and gives it back.  The place that is kept is left out where its
// queue's name does not fit.  Asserts: the counts agree, and `memory_bytes` is at least WORDING_BYTES_MIN.
const char *wording_keep(const struct wording_offer *offer, char *memory, size_t memory_bytes);

// What an event's detail says, in words: a sentence written into `memory` for the facts of an offer to `person`, else
// the detail itself; also where the sentence does not fit.
const char *wording_of(const char *detail, const char *person, char *memory, size_t memory_bytes);

#endif
