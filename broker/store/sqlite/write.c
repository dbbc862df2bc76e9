// write.c - the stages of a group's changes, row by row; what is not just a row of its record has a function.

#include "broker/store/answer.h"
#include "broker/store/sqlite/records.h"
#include "proto/base/must.h"

#include <stdio.h>

// What a contradiction of our own making looks like to whoever judges the connection.
static bool write_contradict(struct database *database, const char *what)
{
    database->error = SQLITE_MISMATCH;
    snprintf(database->message, sizeof database->message, "%s", what);
    return false;
}

// The columns of a record from `begin` on, in the order in which tables.def has them.
static void write_bind_columns(struct binding *binding, enum record record, const void *values, size_t begin)
{
    const struct record_columns *all = columns_of(record);

    for (size_t i = begin; i < all->count; i++) {
        const struct column *column = &all->columns[i];
        switch (column->kind) {
        case COLUMN_TEXT:
        case COLUMN_TEXT_OR_NULL:
            bind_text(binding, column_text(column, values));
            break;
        case COLUMN_ITEM_STATE:
        case COLUMN_REPLY_STATE:
            bind_text(binding, store_state_name(column, values));
            break;
        case COLUMN_ID:
        case COLUMN_NUMBER:
        case COLUMN_COUNT:
        case COLUMN_SMALL:
        case COLUMN_FLAG:
            bind_number(binding, column_number(column, values));
            break;
        }
    }
}

static void write_bind_record(struct binding *binding, enum record record, const void *values)
{
    write_bind_columns(binding, record, values, 0);
}

static bool write_run_with(struct database *database, enum statement statement, enum record record, const void *values)
{
    struct binding binding = database_bind(database, statement);

    write_bind_record(&binding, record, values);
    return binding_run(&binding);
}

// The same where exactly one row must change.
static bool write_run_for_one(struct database *database, enum statement statement, enum record record,
                              const void *values, const char *else_what)
{
    if (!write_run_with(database, statement, record, values)) {
        return false;
    }
    return sqlite3_changes(database->connection) == 1 || write_contradict(database, else_what);
}

// The same of what is sealed from the start when its item is with PR.
static bool write_run_sealing(struct database *database, enum statement statement, enum record record,
                              const void *values, enum stage_with_pr with_pr)
{
    struct binding binding = database_bind(database, statement);

    write_bind_record(&binding, record, values);
    bind_number(&binding, with_pr);
    return binding_run(&binding);
}

static bool write_put_post(struct database *database, const struct post_record *post, enum stage_with_pr with_pr)
{
    const struct intake_key_record key = store_intake_key(post);

    return write_run_sealing(database, STATEMENT_PUT_POST, RECORD_POST, post, with_pr) &&
           write_run_for_one(database, STATEMENT_PUT_INTAKE_KEY, RECORD_INTAKE_KEY, &key, "a post was taken twice");
}

static bool write_find_post(struct database *database, const struct post_change_record *change, uint64_t *item,
                            uint64_t *number)
{
    struct binding binding = database_bind(database, STATEMENT_FIND_POST);

    bind_text(&binding, change->channel);
    bind_text(&binding, change->post);
    bind_text(&binding, change->brand);
    if (!binding_row(&binding)) {
        return false;
    }
    *item = row_id(&binding);
    *number = row_id(&binding);
    binding_end(&binding);
    return true;
}

static bool write_change_post(struct database *database, const struct post_change_record *change)
{
    uint64_t item = 0;
    uint64_t number = 0;

    if (!write_find_post(database, change, &item, &number)) {
        return database->error == SQLITE_OK && write_contradict(database, "a post that was never taken was changed");
    }
    struct binding binding = database_bind(database, change->deleted ? STATEMENT_DELETE_POST : STATEMENT_EDIT_POST);
    bind_id(&binding, item);
    bind_id(&binding, number);
    if (!change->deleted) {
        bind_text(&binding, change->text);
    }
    bind_flag(&binding, change->sensitive);
    bind_number(&binding, change->at_ms);
    if (!change->deleted) {
        bind_number(&binding, change->edited_ms);
    }
    return binding_run(&binding);
}

// The post as it is now, in a further item; its key leads there from now on.
static bool write_put_post_again(struct database *database, const struct post_again_record *again)
{
    static const char never[] = "a post that was never taken was taken again";

    return write_run_for_one(database, STATEMENT_PUT_POST_AGAIN, RECORD_POST_AGAIN, again, never) &&
           write_run_for_one(database, STATEMENT_LEAD_INTAKE_KEY, RECORD_POST_AGAIN, again, never);
}

static bool write_run_for_item(struct database *database, enum statement statement, uint64_t item)
{
    struct binding binding = database_bind(database, statement);

    bind_id(&binding, item);
    return binding_run(&binding);
}

// What has ended is no longer among what is open; with its outcome it becomes one row.
static bool write_put_item(struct database *database, const struct item_record *item,
                           const struct outcome_record *outcome)
{
    if (item->state != ITEM_CLOSED) {
        return write_run_with(database, STATEMENT_PUT_ITEM, RECORD_ITEM, item);
    }
    return write_run_for_item(database, STATEMENT_REMOVE_ITEM, item->item) &&
           (outcome != NULL || write_run_with(database, STATEMENT_END_ITEM, RECORD_ITEM, item));
}

static bool write_put_outcome(struct database *database, const struct outcome_record *outcome,
                              const struct item_record *item)
{
    if (item == NULL || item->state != ITEM_CLOSED) {
        return write_run_for_one(database, STATEMENT_PUT_OUTCOME, RECORD_OUTCOME, outcome, "an item ended twice");
    }
    struct binding binding = database_bind(database, STATEMENT_PUT_ENDED_ITEM);
    write_bind_record(&binding, RECORD_ITEM, item);
    write_bind_columns(&binding, RECORD_OUTCOME, outcome, 1); // behind the item, which both have
    return binding_run(&binding);
}

static bool write_put_draft(struct database *database, const struct draft_record *draft, enum stage_with_pr with_pr)
{
    return write_run_sealing(database, STATEMENT_PUT_DRAFT, RECORD_DRAFT, draft, with_pr);
}

static bool write_remove_draft(struct database *database, const struct draft_record *draft)
{
    return write_run_for_item(database, STATEMENT_REMOVE_DRAFT, draft->item);
}

static bool write_seal(struct database *database, const struct seal_record *sealed)
{
    return write_run_for_item(database, STATEMENT_SEAL_POSTS, sealed->item) &&
           write_run_for_item(database, STATEMENT_SEAL_DRAFT, sealed->item) &&
           write_run_for_item(database, STATEMENT_SEAL_NOTES, sealed->item) &&
           write_run_for_item(database, STATEMENT_SEAL_REPLIES, sealed->item);
}

static bool write_unseal(struct database *database, const struct seal_record *sealed)
{
    return write_run_for_item(database, STATEMENT_UNSEAL_POSTS, sealed->item);
}

// One row of a table of a stage.
static bool write_row(struct database *database, enum stage_table table, const struct stage_row *row)
{
    switch (table) {
    case STAGE_POSTS:
        return write_put_post(database, row->record, row->with_pr);
    case STAGE_POST_CHANGES:
        return write_change_post(database, row->record);
    case STAGE_POSTS_AGAIN:
        return write_put_post_again(database, row->record);
    case STAGE_EARLY:
        return write_run_with(database, STATEMENT_PUT_EARLY, RECORD_EARLY, row->record);
    case STAGE_EARLY_GONE:
        return write_run_with(database, STATEMENT_REMOVE_EARLY, RECORD_EARLY, row->record);
    case STAGE_DRAFTS:
        return write_put_draft(database, row->record, row->with_pr);
    case STAGE_DRAFTS_GONE:
        return write_remove_draft(database, row->record);
    case STAGE_ITEMS:
        return write_put_item(database, row->record, row->other);
    case STAGE_NOTES:
        return write_run_with(database, STATEMENT_PUT_NOTE, RECORD_NOTE, row->record);
    case STAGE_REPLIES:
        return write_run_with(database, STATEMENT_PUT_REPLY, RECORD_REPLY, row->record);
    case STAGE_REPLY_CHANGES:
        return write_run_for_one(database, STATEMENT_CHANGE_REPLY, RECORD_REPLY, row->record, "a reply without text");
    case STAGE_EVENTS:
        return write_run_with(database, STATEMENT_PUT_EVENT, RECORD_EVENT, row->record);
    case STAGE_OUTCOMES:
        return write_put_outcome(database, row->record, row->other);
    case STAGE_RULES:
        return write_run_with(database, STATEMENT_PUT_RULES, RECORD_RULES, row->record);
    case STAGE_FREEZES:
        return write_run_with(database, STATEMENT_PUT_FREEZE, RECORD_FREEZE, row->record);
    case STAGE_REQUESTS:
        return write_run_with(database, STATEMENT_PUT_REQUEST, RECORD_REQUEST, row->record);
    case STAGE_SEALED:
        return write_seal(database, row->record);
    case STAGE_UNSEALED:
        return write_unseal(database, row->record);
    case STAGE_TABLE_COUNT:
        break;
    }
    must(false);
    return false;
}

static bool write_table(void *self, enum stage_table table, const struct stage_row *rows, size_t count)
{
    struct database *database = self;

    for (size_t i = 0; i < count; i++) {
        if (!write_row(database, table, &rows[i])) {
            return false;
        }
    }
    return true;
}

bool write_changes(struct database *database, struct coalescer *coalescer, struct batch *group)
{
    const struct stage_writer stages = { .self = database, .write = write_table };

    return coalescer_run(coalescer, group, &stages);
}
