// coalesce.h - a group's changes in their order, made stages of rows that an engine writes a table at a time.
//
// States that nobody saw between two commits are left out: of an item, a draft and a reply the last one is a row of the
// stage.  Within a stage the order between tables is the one below and does not matter beyond that; a change for which
// it would begins a new stage.  One code for all engines, so that any split of a history into groups gives the same
// tables in each.

#ifndef STORE_COALESCE_H
#define STORE_COALESCE_H

#include "broker/store/engine.h"

// The tables of a stage, in the order in which they are written.
enum stage_table {
    STAGE_POSTS,         // post_record: a row of post, and the name that leads to it
    STAGE_POST_CHANGES,  // post_change_record: one a name
    STAGE_POSTS_AGAIN,   // post_again_record: a further row of post, then its name leads there
    STAGE_EARLY,         // early_record: put
    STAGE_EARLY_GONE,    // early_record: removed
    STAGE_DRAFTS,        // draft_record: put, one an item
    STAGE_DRAFTS_GONE,   // draft_record: removed
    STAGE_ITEMS,         // item_record: put, one an item
    STAGE_NOTES,         // note_record
    STAGE_REPLIES,       // reply_record: put, one a reply
    STAGE_REPLY_CHANGES, // reply_record of one that is there already: its text stays
    STAGE_EVENTS,        // event_record
    STAGE_OUTCOMES,      // outcome_record
    STAGE_RULES,         // rules_record
    STAGE_FREEZES,       // freeze_record: one a brand
    STAGE_REQUESTS,      // request_record: one a slot
    STAGE_SEALED,        // seal_record: all posts, drafts, notes and replies of the item
    STAGE_UNSEALED,      // seal_record: all posts of the item
    STAGE_TABLE_COUNT
};

// Of posts and drafts: whether their item was out of the agents' sight, with PR, when they were written.  Unknown: the
// item's row says, as it is before the items of the stage are written.
enum stage_with_pr { STAGE_WITH_PR_UNKNOWN = -1, STAGE_WITH_PR_NO, STAGE_WITH_PR_YES };

struct stage_row {
    const void *record; // of the table's kind; borrowed for the call
    enum stage_with_pr with_pr;
    const void *other; // of an item its outcome of the same stage, of an outcome its item; else NULL
};

// Writes the rows of one table, at least one of them.  False ends the group.
struct stage_writer {
    void *self;
    bool (*write)(void *self, enum stage_table table, const struct stage_row *rows, size_t count);
};

struct coalescer;

struct coalescer *coalescer_new(void);
void coalescer_destroy(struct coalescer **coalescer_p);

// Gives the stages of a group, that is of the batch and those linked behind it, to the writer.  False when that said
// so.
bool coalescer_run(struct coalescer *coalescer, struct batch *group, const struct stage_writer *writer);

// The same, change by change, of as many groups as there are.  The writer, and what is added, are borrowed until the
// end.
void coalescer_begin(struct coalescer *coalescer, const struct stage_writer *writer);
void coalescer_add(struct coalescer *coalescer, const struct change *change);
bool coalescer_end(struct coalescer *coalescer);

#endif
