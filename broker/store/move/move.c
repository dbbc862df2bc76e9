// move.c - the steps of a move, whichever engines are at its ends.

#include "broker/store/move/move.h"

#include "broker/store/hold.h"
#include "broker/store/move/move_side.h"
#include "proto/base/must.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct move {
    const struct move_order *order;
    struct side *from;
    struct side *to;
    struct desk_row source; // as last seen
    struct desk_row target;
    char desk[MOVE_NAME_BYTES];
    bool stopped;
    bool finished; // by an earlier run
    char *reason;
    size_t reason_bytes;
};

bool move_is_postgres(const char *place)
{
    return strstr(place, "://") != NULL || (place[0] != '/' && place[0] != '.' && strchr(place, '=') != NULL);
}

static bool move_refuse(struct move *move, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool move_refuse(struct move *move, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(move->reason, move->reason_bytes, format, arguments);
    va_end(arguments);
    return false;
}

// What a side could not do is why the move cannot go on.
static bool move_check(struct move *move, const struct side *side, bool done)
{
    return done || move_refuse(move, "%s: %s", side == move->from ? "the source" : "the target", side->reason);
}

static bool move_is_stopped(struct move *move)
{
    move->stopped = move->stopped || (move->order->stop != NULL && *move->order->stop != 0);
    return move->stopped;
}

static void move_tell(const struct move *move, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void move_tell(const struct move *move, const char *format, ...)
{
    char text[1400];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (move->order->tell != NULL) {
        move->order->tell(move->order->self, text);
    }
}

static bool move_is_held(const struct desk_row *row, const char *how)
{
    return row->found && strcmp(row->held, how) == 0;
}

static bool move_same(const struct move *move)
{
    return move->source.held_move[0] != '\0' && strcmp(move->source.held_move, move->target.held_move) == 0;
}

// ---- the desks' rows ----

static bool move_save(struct move *move, struct side *side, const struct desk_row *row)
{
    struct desk_row *seen = side == move->from ? &move->source : &move->target;

    if (!move_check(move, side, side->operations->save(side, seen, row))) {
        return false;
    }
    *seen = *row;
    seen->found = true;
    return true;
}

static bool move_hold(struct move *move, struct side *side, const char *how, const char *mark)
{
    struct desk_row row = side == move->from ? move->source : move->target;
    const struct side *other = side == move->from ? move->to : move->from;

    if (side == move->from) {
        row.epoch++; // whoever still believes to own it can write nothing from here on
    }
    row.next_id = row.found ? row.next_id : 1;
    row.held_epoch = row.epoch;
    row.held_ms = (int64_t) time(NULL) * 1000;
    snprintf(row.held, sizeof row.held, "%s", how);
    snprintf(row.held_place, sizeof row.held_place, "%s", other->place);
    snprintf(row.held_move, sizeof row.held_move, "%s", mark);
    return move_save(move, side, &row);
}

static bool move_change_hold(struct move *move, struct side *side, const char *how)
{
    struct desk_row row = side == move->from ? move->source : move->target;

    snprintf(row.held, sizeof row.held, "%s", how);
    row.held_ms = (int64_t) time(NULL) * 1000;
    return move_save(move, side, &row);
}

// ---- may it begin, or go on? ----

static bool move_find_desk(struct move *move)
{
    char names[400];
    size_t count = 0;

    if (!move_check(move, move->from, move->from->operations->list(move->from, names, sizeof names, &count))) {
        return false;
    }
    if (count == 0) {
        return move_refuse(move, "the source: %s has no desk: nothing to move", move->from->place);
    }
    if (move->order->desk == NULL && count > 1) {
        return move_refuse(move, "the source: %s has several desks (%s): say which with --desk", move->from->place,
                           names);
    }
    const char *desk = move->order->desk == NULL ? names : move->order->desk;
    if (strlen(desk) >= sizeof move->desk) {
        return move_refuse(move, "the source: no desk has a name as long as %.64s...", desk);
    }
    snprintf(move->desk, sizeof move->desk, "%.64s", desk);
    if (!move_check(move, move->from, move->from->operations->choose(move->from, move->desk)) ||
        !move_check(move, move->from, move->from->operations->look(move->from, &move->source))) {
        return false;
    }
    return move->source.found ||
           move_refuse(move, "the source: %s has no desk %s, only %s", move->from->place, move->desk, names);
}

static bool move_refuse_held(struct move *move, const char *which, const struct desk_row *row)
{
    char words[600];

    hold_describe(move->desk, row->held, row->held_place, row->held_ms, words, sizeof words);
    return move_refuse(move, "the %s: %s", which, words);
}

static bool move_refuse_live(struct move *move, const struct side *side)
{
    return move_refuse(move, "the %s: a broker runs the desk %s on %s: stop it first",
                       side == move->from ? "source" : "target", move->desk, side->place);
}

// Whether the target is as a move that has not begun may find it.
static bool move_judge_target(struct move *move)
{
    const struct desk_row *target = &move->target;
    bool unbegun = (move_is_held(target, HOLD_ARRIVING) || move_is_held(target, HOLD_CLEARING)) &&
                   strcmp(target->held_place, move->from->place) == 0;

    if (!target->found || unbegun) {
        return true; // nothing was copied, as the source was never held, or is not any more
    }
    if (move_is_held(target, "")) {
        return move_refuse(move, "the target: %s has a desk %s already: name another, or move that one away first",
                           move->to->place, move->desk);
    }
    if (move_is_held(target, HOLD_MOVED)) {
        return move->order->replace ||
               move_refuse(
                   move,
                   "the target: %s still has the desk %s of before it was moved away: --replace puts the new one in"
                   " its place",
                   move->to->place, move->desk);
    }
    return move_refuse_held(move, "target", target);
}

static bool move_judge(struct move *move)
{
    if (move_is_held(&move->source, "")) {
        return move_judge_target(move);
    }
    bool same = move_same(move);
    bool arriving = move_is_held(&move->target, HOLD_ARRIVING) || move_is_held(&move->target, HOLD_CLEARING);
    if (same && arriving && (move_is_held(&move->source, HOLD_LEAVING) || move_is_held(&move->source, HOLD_MOVED))) {
        return true;
    }
    if (same && move_is_held(&move->source, HOLD_MOVED) && move_is_held(&move->target, "")) {
        move->finished = true;
        return true;
    }
    return move_refuse_held(move, "source", &move->source);
}

// ---- copying ----

static bool move_clear_target(struct move *move)
{
    for (size_t i = move_table_count; i > 0; i--) {
        const struct move_table *table = &move_tables[i - 1];
        if (move_is_stopped(move) || !move_check(move, move->to, move->to->operations->clear(move->to, table))) {
            return false;
        }
    }
    return true;
}

static bool move_begin(struct move *move)
{
    unsigned char bytes[16];
    char mark[2 * sizeof bytes + 1];

    if (!move_is_held(&move->source, "")) {
        move_tell(move, "going on with the move of the desk %s from %s to %s", move->desk, move->from->place,
                  move->to->place);
    } else {
        randombytes_buf(bytes, sizeof bytes);
        (void) sodium_bin2hex(mark, sizeof mark, bytes, sizeof bytes);
        move_tell(move, "moving the desk %s from %s to %s", move->desk, move->from->place, move->to->place);
        if (!move_hold(move, move->to, move->target.found ? HOLD_CLEARING : HOLD_ARRIVING, mark) ||
            !move_hold(move, move->from, HOLD_LEAVING, mark)) {
            return false;
        }
    }
    // Nothing is decided any more: the tables are to be copied once they show all that was.
    if (move->from->operations->drain != NULL &&
        !move_check(move, move->from, move->from->operations->drain(move->from))) {
        return false;
    }
    return !move_is_held(&move->target, HOLD_CLEARING) ||
           (move_clear_target(move) && move_change_hold(move, move->to, HOLD_ARRIVING));
}

static void move_report_progress(const struct move *move, const struct move_table *table, uint64_t rows, bool checking)
{
    if (move->order->progress != NULL) {
        move->order->progress(move->order->self, table->name, rows, checking);
    }
}

static bool move_copy_pages(struct move *move, const struct move_table *table, struct page *page,
                            struct place_in_table *place)
{
    uint64_t rows = 0;

    if (!move_check(move, move->to, move->to->operations->read_last(move->to, table, page))) {
        return false;
    }
    if (page->row_count == 1) {
        place_set(place, table, page, 0);
    }
    do {
        if (move_is_stopped(move) ||
            !move_check(move, move->from, move->from->operations->read(move->from, table, place, page)) ||
            (page->row_count > 0 && !move_check(move, move->to, move->to->operations->write(move->to, table, page)))) {
            return false;
        }
        rows += page->row_count;
        if (page->row_count > 0) {
            place_set(place, table, page, page->row_count - 1);
        }
        move_report_progress(move, table, rows, false);
    } while (!page->is_last);
    return true;
}

static bool move_copy_table(struct move *move, const struct move_table *table)
{
    struct page page = { 0 };
    struct place_in_table place = { 0 };
    bool copied = move_copy_pages(move, table, &page, &place);

    page_fini(&page);
    place_clear(&place);
    return copied;
}

// ---- checking ----

static void move_digest_bytes(crypto_generichash_state *state, char kind, const void *bytes, size_t count)
{
    unsigned char head[9] = { (unsigned char) kind };

    for (int i = 0; i < 8; i++) {
        head[i + 1] = (unsigned char) ((uint64_t) count >> (8 * i));
    }
    (void) crypto_generichash_update(state, head, sizeof head);
    (void) crypto_generichash_update(state, bytes, count);
}

static void move_digest_cell(crypto_generichash_state *state, const struct page *page, const struct cell *cell,
                             enum move_type type)
{
    if (cell->is_null) {
        move_digest_bytes(state, '0', "", 0);
    } else if (type == MOVE_NUMBER || type == MOVE_FLAG) {
        unsigned char bytes[8];
        for (int i = 0; i < 8; i++) {
            bytes[i] = (unsigned char) ((uint64_t) cell->number >> (8 * i));
        }
        move_digest_bytes(state, 'n', bytes, sizeof bytes);
    } else {
        move_digest_bytes(state, 't', page_text(page, cell), cell->bytes);
    }
}

static void move_digest_page(crypto_generichash_state *state, const struct move_table *table, const struct page *page)
{
    for (size_t row = 0; row < page->row_count; row++) {
        for (int i = 0; i < table->column_count; i++) {
            if (table->columns[i].sqlite == NULL) {
                move_digest_cell(state, page, page_cell(page, table, row, i), table->columns[i].type);
            }
        }
    }
}

static bool move_sum_table(struct move *move, struct side *side, const struct move_table *table, struct move_sum *sum)
{
    crypto_generichash_state state;
    struct page page = { 0 };
    struct place_in_table place = { 0 };
    bool good = true;

    *sum = (struct move_sum){ 0 };
    (void) crypto_generichash_init(&state, NULL, 0, MOVE_DIGEST_BYTES);
    do {
        good = !move_is_stopped(move) && move_check(move, side, side->operations->read(side, table, &place, &page));
        if (good && page.row_count > 0) {
            move_digest_page(&state, table, &page);
            sum->rows += page.row_count;
            place_set(&place, table, &page, page.row_count - 1);
            move_report_progress(move, table, sum->rows, true);
        }
    } while (good && !page.is_last);
    (void) crypto_generichash_final(&state, sum->digest, MOVE_DIGEST_BYTES);
    page_fini(&page);
    place_clear(&place);
    return good;
}

static bool move_compare_table(struct move *move, const struct move_table *table)
{
    struct move_sum from;
    struct move_sum to;

    if (!move_sum_table(move, move->from, table, &from) || !move_sum_table(move, move->to, table, &to)) {
        return false;
    }
    if (move->order->compared != NULL) {
        move->order->compared(move->order->self, table->name, &from, &to);
    }
    return (from.rows == to.rows && memcmp(from.digest, to.digest, sizeof from.digest) == 0) ||
           move_refuse(
               move,
               "the table %s differs (%llu rows in the source, %llu in the target): give the move up with --cancel"
               " and start it again; nothing is lost, the source is whole",
               table->name, (unsigned long long) from.rows, (unsigned long long) to.rows);
}

// ---- the end ----

static bool move_finish(struct move *move)
{
    struct desk_row row = move->source;

    if (move_is_held(&move->source, HOLD_LEAVING) &&
        !move_change_hold(move, move->from, move->order->keep ? "" : HOLD_MOVED)) {
        return false;
    }
    row.epoch = move->source.epoch > move->target.epoch ? move->source.epoch : move->target.epoch;
    row.held[0] = '\0';
    row.held_epoch = row.epoch;
    row.held_ms = (int64_t) time(NULL) * 1000;
    snprintf(row.held_place, sizeof row.held_place, "%s", move->from->place);
    return move_save(move, move->to, &row);
}

static bool move_carry(struct move *move)
{
    bool copied = move_begin(move);

    for (size_t i = 0; copied && i < move_table_count; i++) {
        copied = move_copy_table(move, &move_tables[i]);
    }
    for (size_t i = 0; copied && i < move_table_count; i++) {
        copied = move_compare_table(move, &move_tables[i]);
    }
    if (!copied || !move_finish(move)) {
        return false;
    }
    move_tell(move, "the desk %s is in %s now, at sequence %lld%s", move->desk, move->to->place,
              (long long) move->target.sequence,
              move->order->keep ? "; the source stays usable: let no connector and no person near both"
                                : "; start its broker there");
    return true;
}

// Only while the source is still the one: then the target has never been let go.
static bool move_cancel(struct move *move)
{
    bool half = move_is_held(&move->target, HOLD_ARRIVING) || move_is_held(&move->target, HOLD_CLEARING);
    bool ours = half && (move_same(move) || strcmp(move->target.held_place, move->from->place) == 0);

    if (move_is_held(&move->source, HOLD_MOVED)) {
        return move_refuse(
            move, "the source: the move of the desk %s is as good as done: run it again without --cancel", move->desk);
    }
    if (!move_is_held(&move->source, HOLD_LEAVING) && !ours) {
        return move_refuse(move, "there is no unfinished move of the desk %s between the two", move->desk);
    }
    if (move->target.found && !ours) {
        return move_refuse(move, "the target: the unfinished move of the desk %s goes to %s: name that", move->desk,
                           move->source.held_place);
    }
    if (ours) {
        if (!move_change_hold(move, move->to, HOLD_CLEARING) || !move_clear_target(move) ||
            !move_check(move, move->to, move->to->operations->remove(move->to, &move->target))) {
            return false;
        }
    } else if (strcmp(move->source.held_place, move->to->place) != 0) {
        return move_refuse(move, "the target: the unfinished move of the desk %s goes to %s: name that", move->desk,
                           move->source.held_place);
    }
    if (move_is_held(&move->source, HOLD_LEAVING) && !move_change_hold(move, move->from, "")) {
        return false;
    }
    move_tell(move, "the move of the desk %s is given up: it is in %s as before, and gone from %s", move->desk,
              move->from->place, move->to->place);
    return true;
}

static struct side *move_open_side(const char *place, bool may_make, char *reason, size_t reason_bytes)
{
    return move_is_postgres(place) ? side_postgres_open(place, reason, reason_bytes)
                                   : side_sqlite_open(place, may_make, reason, reason_bytes);
}

// The source first, so that a target is not even made for a move that cannot be.
static bool move_open_source(struct move *move)
{
    char reason[700] = "";

    if (strcmp(move->order->from, move->order->to) == 0) {
        return move_refuse(move, "the source and the target are the same: name two");
    }
    move->from = move_open_side(move->order->from, false, reason, sizeof reason);
    if (move->from == NULL) {
        return move_refuse(move, "the source: %s", reason);
    }
    return move_find_desk(move) && (!move->source.is_live || move_refuse_live(move, move->from));
}

static bool move_open_target(struct move *move)
{
    char reason[700] = "";

    move->to = move_open_side(move->order->to, !move->order->cancel, reason, sizeof reason);
    if (move->to == NULL) {
        return move_refuse(move, "the target: %s", reason);
    }
    return move_check(move, move->to, move->to->operations->choose(move->to, move->desk)) &&
           move_check(move, move->to, move->to->operations->look(move->to, &move->target)) &&
           (!move->target.is_live || move_refuse_live(move, move->to));
}

static bool move_run(struct move *move)
{
    if (!move_open_source(move) || !move_open_target(move)) {
        return false;
    }
    if (move->order->cancel) {
        return move_cancel(move);
    }
    if (!move_judge(move)) {
        return false;
    }
    if (move->finished) {
        move_tell(move, "the desk %s is in %s already: start its broker there", move->desk, move->to->place);
        return true;
    }
    return move_carry(move);
}

enum move_result move_desk(const struct move_order *order, char *reason, size_t reason_bytes)
{
    struct move move = { .order = order, .reason = reason, .reason_bytes = reason_bytes };

    must(sodium_init() >= 0);
    bool done = move_run(&move);
    if (move.to != NULL) {
        move.to->operations->destroy(&move.to);
    }
    if (move.from != NULL) {
        move.from->operations->destroy(&move.from);
    }
    return done ? MOVE_DONE : move.stopped ? MOVE_STOPPED : MOVE_REFUSED;
}
