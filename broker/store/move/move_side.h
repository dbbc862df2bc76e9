// move_side.h - a store as one side of a move: its desk's row, and its rows a page at a time.
//
// A side works alone on its desk: the folder is locked, or an advisory lock is held; both end with their process,
// also by kill -9.  Calls block and are made from one thread; each that returns false has its reason in the side, in
// one line that says what to do.

#ifndef MOVE_SIDE_H
#define MOVE_SIDE_H

#include "broker/store/move/move_table.h"

#include <stdbool.h>
#include <stdint.h>

#define MOVE_NAME_BYTES 65
#define MOVE_PLACE_BYTES 512

struct cell {
    int64_t number; // NUMBER, FLAG
    size_t at;      // TEXT: where it begins among the page's texts; it ends with a NUL
    size_t bytes;
    bool is_null;
};

// Rows of one table in the order of their key.  Zeroed, it is empty.
struct page {
    struct cell *cells;
    size_t cell_count;
    size_t cell_room;
    size_t row_count;
    char *texts;
    size_t text_bytes;
    size_t text_room;
    bool is_last; // no rows follow
};

// Forgets the rows; keeps the memory.
void page_clear(struct page *page);
void page_fini(struct page *page);
void page_add_number(struct page *page, int64_t number);
void page_add_text(struct page *page, const char *text, size_t bytes);
void page_add_null(struct page *page);
const struct cell *page_cell(const struct page *page, const struct move_table *table, size_t row, int column);
const char *page_text(const struct page *page, const struct cell *cell);

// The key of a row, to go on behind it.  Zeroed, it is before the first.
struct place_in_table {
    bool is_set;
    int64_t numbers[MOVE_KEYS_MAX];
    char *texts[MOVE_KEYS_MAX]; // of keys that are texts
};

void place_set(struct place_in_table *place, const struct move_table *table, const struct page *page, size_t row);
void place_clear(struct place_in_table *place);

// The desk's row, as far as a move is concerned.
struct desk_row {
    bool found;
    bool is_live; // a broker's session is there
    int64_t epoch;
    int64_t sequence;
    int64_t next_id;
    int64_t clock_ms;
    int64_t confirmed;
    char held[16]; // hold.h
    char held_place[MOVE_PLACE_BYTES];
    int64_t held_ms;
    char held_move[40];
    int64_t held_epoch;
};

struct side;

struct side_operations {
    // The names of the desks there are, as many as fit, joined by ", "; how many there are in `count`.
    bool (*list)(struct side *side, char *names, size_t names_bytes, size_t *count);

    // From here on the side is about this desk, and nobody else moves it.
    bool (*choose)(struct side *side, const char *desk);

    bool (*look)(struct side *side, struct desk_row *row);

    // Writes the desk's row in the place of `seen` (made if that was not found); fails if it is not like that now.
    bool (*save)(struct side *side, const struct desk_row *seen, const struct desk_row *row);

    // Brings the tables up to what is durable, once the desk is held.  NULL: the two are one.
    bool (*drain)(struct side *side);
    bool (*remove)(struct side *side, const struct desk_row *seen);

    // Rows behind a place; the highest row there is, alone; adding rows, all or none; removing all.
    bool (*read)(struct side *side, const struct move_table *table, const struct place_in_table *after,
                 struct page *page);
    bool (*read_last)(struct side *side, const struct move_table *table, struct page *page);
    bool (*write)(struct side *side, const struct move_table *table, const struct page *page);
    bool (*clear)(struct side *side, const struct move_table *table);

    void (*destroy)(struct side **side_p);
};

// Every side's struct begins with this.
struct side {
    const struct side_operations *operations;
    char place[MOVE_PLACE_BYTES]; // in words, without secrets
    char reason[1024];
};

// Open a store and bring its schema up to date.  NULL with the reason.  A folder that is missing, or has no store, is
// made only if `may_make`.
struct side *side_sqlite_open(const char *folder, bool may_make, char *reason, size_t reason_bytes);
struct side *side_postgres_open(const char *conninfo, char *reason, size_t reason_bytes);

#endif
