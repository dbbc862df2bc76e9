// move.h - carries a desk from one store to another, with its whole history, checked and resumable.
//
// How a move is safe: first the target's desk row is made and held (no broker may take it over), then the source's
// is held and its epoch raised, so that whoever still believes to own it can write nothing.  What its journal has is
// applied to its tables, where there is one.  Rows follow table by table in the order of their keys, a page a
// transaction: the highest key there is in the target is where to go on.  Then every row is read on both sides and
// the digests compared.  At last the source is marked as moved, and only then the target let go.  At every moment at
// most one of the two lets a broker in.

#ifndef MOVE_H
#define MOVE_H

#include "broker/store/move/move_table.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MOVE_DIGEST_BYTES 16

enum move_result {
    MOVE_DONE,
    MOVE_REFUSED, // with the reason; what was copied stays, and the same move goes on from there
    MOVE_STOPPED, // as asked
};

// What a table came to on one side.
struct move_sum {
    uint64_t rows;
    unsigned char digest[MOVE_DIGEST_BYTES];
};

struct move_order {
    const char *from; // a folder, or whatever libpq understands
    const char *to;
    const char *desk;                           // NULL: the only one there is
    bool keep;                                  // the source stays usable, as a copy
    bool replace;                               // what the target has may go, if it was moved away from there
    bool cancel;                                // give an unfinished move up: the source is as it was, the target empty
    const volatile sig_atomic_t *stop;          // not 0: stop after the page at hand; NULL: never
    void *self;                                 // for what follows
    void (*tell)(void *self, const char *text); // what is being done, a line without its end
    // After each page: rows of the table so far, in this run.  `checking`: not copied but compared.
    void (*progress)(void *self, const char *table, uint64_t rows, bool checking);
    // A table has been compared.
    void (*compared)(void *self, const char *table, const struct move_sum *from, const struct move_sum *to);
};

// Whether a place is of PostgreSQL and not a folder.
bool move_is_postgres(const char *place);

enum move_result move_desk(const struct move_order *order, char *reason, size_t reason_bytes);

#endif
