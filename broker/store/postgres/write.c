// write.c - the stages of a group's changes, each table of a stage sent as one statement.

#include "broker/store/answer.h"
#include "broker/store/coalesce.h"
#include "broker/store/postgres/records.h"
#include "proto/base/must.h"

#include <stdlib.h>

// The statements that are given rows.
static const enum sql with_rows[] = {
    SQL_PUT_POSTS,  SQL_PUT_INTAKE_KEYS, SQL_CHANGE_POSTS,   SQL_PUT_POSTS_AGAIN, SQL_LEAD_INTAKE_KEYS,
    SQL_PUT_EARLY,  SQL_REMOVE_EARLY,    SQL_PUT_DRAFTS,     SQL_REMOVE_DRAFTS,   SQL_PUT_ITEMS,
    SQL_PUT_NOTES,  SQL_PUT_REPLIES,     SQL_CHANGE_REPLIES, SQL_PUT_EVENTS,      SQL_PUT_OUTCOMES,
    SQL_PUT_RULES,  SQL_PUT_FREEZES,     SQL_PUT_REQUESTS,   SQL_SEAL_POSTS,      SQL_SEAL_DRAFTS,
    SQL_SEAL_NOTES, SQL_SEAL_REPLIES,    SQL_UNSEAL_POSTS,
};
#define WITH_ROWS_COUNT (sizeof with_rows / sizeof *with_rows)

struct group_writer {
    struct coalescer *coalescer;
    struct stage_writer stages;
    struct connection *connection; // from begin to end
    struct rows rows[WITH_ROWS_COUNT];
};

struct group_writer *group_writer_new(void)
{
    struct group_writer *writer = calloc(1, sizeof *writer);

    must(writer != NULL);
    writer->coalescer = coalescer_new();
    for (size_t i = 0; i < WITH_ROWS_COUNT; i++) {
        writer->rows[i].whole = row_type_of(with_rows[i]) != ROW_TYPE_COUNT;
    }
    return writer;
}

void group_writer_destroy(struct group_writer **writer_p)
{
    struct group_writer *writer = *writer_p;

    if (writer != NULL) {
        for (size_t i = 0; i < WITH_ROWS_COUNT; i++) {
            rows_fini(&writer->rows[i]);
        }
        coalescer_destroy(&writer->coalescer);
        free(writer);
        *writer_p = NULL;
    }
}

static struct rows *write_rows_of(struct group_writer *writer, enum sql sql)
{
    for (size_t i = 0; i < WITH_ROWS_COUNT; i++) {
        if (with_rows[i] == sql) {
            return &writer->rows[i];
        }
    }
    must(false);
    return NULL;
}

// ---- a record's columns into a row ----

// The next columns of the row: those of a record from `begin` to before `end`, in the order in which tables.def has
// them.
static void write_add_columns(struct rows *rows, enum record record, const void *values, size_t begin, size_t end)
{
    const struct record_columns *all = columns_of(record);

    for (size_t i = begin; i < end; i++) {
        const struct column *column = &all->columns[i];
        switch (column->kind) {
        case COLUMN_TEXT:
        case COLUMN_TEXT_OR_NULL:
            rows_text(rows, column_text(column, values) == NULL ? "" : column_text(column, values));
            break;
        case COLUMN_ITEM_STATE:
        case COLUMN_REPLY_STATE:
            rows_text(rows, store_state_name(column, values));
            break;
        case COLUMN_FLAG:
            rows_flag(rows, column_number(column, values) != 0);
            break;
        case COLUMN_ID:
        case COLUMN_NUMBER:
        case COLUMN_COUNT:
        case COLUMN_SMALL:
            rows_number(rows, column_number(column, values));
            break;
        }
    }
}

static void write_add_record(struct rows *rows, enum record record, const void *values)
{
    write_add_columns(rows, record, values, 0, columns_of(record)->count);
    rows_end(rows);
}

static void write_add_post(struct rows *rows, const struct stage_row *row)
{
#define COLUMN(field, KIND, AGAIN, meaning) +1
    const size_t before = 0 COLUMNS_OF_POST_BEFORE_WITH_PR(COLUMN, COLUMN);
#undef COLUMN

    write_add_columns(rows, RECORD_POST, row->record, 0, before);
    rows_number(rows, row->with_pr);
    write_add_columns(rows, RECORD_POST, row->record, before, columns_of(RECORD_POST)->count);
    rows_end(rows);
}

static void write_add_draft(struct rows *rows, const struct stage_row *row)
{
    write_add_columns(rows, RECORD_DRAFT, row->record, 0, columns_of(RECORD_DRAFT)->count);
    rows_number(rows, row->with_pr);
    rows_end(rows);
}

static void write_add_id(struct rows *rows, uint64_t id)
{
    rows_id(rows, id);
    rows_end(rows);
}

// ---- a table of a stage ----

static void write_send(struct group_writer *writer, enum sql sql)
{
    struct rows *rows = write_rows_of(writer, sql);

    connection_send_rows(writer->connection, sql, rows);
    rows_clear(rows);
}

static void write_send_records(struct group_writer *writer, enum sql sql, enum record record,
                               const struct stage_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        write_add_record(write_rows_of(writer, sql), record, rows[i].record);
    }
    write_send(writer, sql);
}

static void write_send_posts(struct group_writer *writer, const struct stage_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        write_add_post(write_rows_of(writer, SQL_PUT_POSTS), &rows[i]);
        const struct intake_key_record key = store_intake_key(rows[i].record);
        write_add_record(write_rows_of(writer, SQL_PUT_INTAKE_KEYS), RECORD_INTAKE_KEY, &key);
    }
    write_send(writer, SQL_PUT_POSTS);
    write_send(writer, SQL_PUT_INTAKE_KEYS);
}

static void write_send_drafts(struct group_writer *writer, const struct stage_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        write_add_draft(write_rows_of(writer, SQL_PUT_DRAFTS), &rows[i]);
    }
    write_send(writer, SQL_PUT_DRAFTS);
}

static void write_remove_drafts(struct group_writer *writer, const struct stage_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct draft_record *draft = rows[i].record;
        write_add_id(write_rows_of(writer, SQL_REMOVE_DRAFTS), draft->item);
    }
    write_send(writer, SQL_REMOVE_DRAFTS);
}

static void write_seal(struct group_writer *writer, enum sql sql, const struct stage_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct seal_record *sealed = rows[i].record;
        write_add_id(write_rows_of(writer, sql), sealed->item);
    }
    write_send(writer, sql);
}

static bool write_table(void *self, enum stage_table table, const struct stage_row *rows, size_t count)
{
    struct group_writer *writer = self;

    switch (table) {
    case STAGE_POSTS:
        write_send_posts(writer, rows, count);
        break;
    case STAGE_POST_CHANGES:
        write_send_records(writer, SQL_CHANGE_POSTS, RECORD_POST_CHANGE, rows, count);
        break;
    case STAGE_POSTS_AGAIN:
        write_send_records(writer, SQL_PUT_POSTS_AGAIN, RECORD_POST_AGAIN, rows, count);
        write_send_records(writer, SQL_LEAD_INTAKE_KEYS, RECORD_POST_AGAIN, rows, count);
        break;
    case STAGE_EARLY:
        write_send_records(writer, SQL_PUT_EARLY, RECORD_EARLY, rows, count);
        break;
    case STAGE_EARLY_GONE:
        write_send_records(writer, SQL_REMOVE_EARLY, RECORD_EARLY, rows, count);
        break;
    case STAGE_DRAFTS:
        write_send_drafts(writer, rows, count);
        break;
    case STAGE_DRAFTS_GONE:
        write_remove_drafts(writer, rows, count);
        break;
    case STAGE_ITEMS:
        write_send_records(writer, SQL_PUT_ITEMS, RECORD_ITEM, rows, count);
        break;
    case STAGE_NOTES:
        write_send_records(writer, SQL_PUT_NOTES, RECORD_NOTE, rows, count);
        break;
    case STAGE_REPLIES:
        write_send_records(writer, SQL_PUT_REPLIES, RECORD_REPLY, rows, count);
        break;
    case STAGE_REPLY_CHANGES:
        write_send_records(writer, SQL_CHANGE_REPLIES, RECORD_REPLY, rows, count);
        break;
    case STAGE_EVENTS:
        write_send_records(writer, SQL_PUT_EVENTS, RECORD_EVENT, rows, count);
        break;
    case STAGE_OUTCOMES:
        write_send_records(writer, SQL_PUT_OUTCOMES, RECORD_OUTCOME, rows, count);
        break;
    case STAGE_RULES:
        write_send_records(writer, SQL_PUT_RULES, RECORD_RULES, rows, count);
        break;
    case STAGE_FREEZES:
        write_send_records(writer, SQL_PUT_FREEZES, RECORD_FREEZE, rows, count);
        break;
    case STAGE_REQUESTS:
        write_send_records(writer, SQL_PUT_REQUESTS, RECORD_REQUEST, rows, count);
        break;
    case STAGE_SEALED:
        write_seal(writer, SQL_SEAL_POSTS, rows, count);
        write_seal(writer, SQL_SEAL_DRAFTS, rows, count);
        write_seal(writer, SQL_SEAL_NOTES, rows, count);
        write_seal(writer, SQL_SEAL_REPLIES, rows, count);
        break;
    case STAGE_UNSEALED:
        write_seal(writer, SQL_UNSEAL_POSTS, rows, count);
        break;
    case STAGE_TABLE_COUNT:
        must(false);
    }
    return true;
}

void group_writer_begin(struct group_writer *writer, struct connection *connection)
{
    writer->connection = connection;
    writer->stages = (struct stage_writer){ .self = writer, .write = write_table };
    coalescer_begin(writer->coalescer, &writer->stages);
}

void group_writer_add(struct group_writer *writer, const struct change *change)
{
    coalescer_add(writer->coalescer, change);
}

void group_writer_end(struct group_writer *writer)
{
    (void) coalescer_end(writer->coalescer);
    writer->connection = NULL;
}

bool group_times(struct batch *group, int64_t *first_ms, int64_t *last_ms)
{
    bool any = false;

    for (; group != NULL; group = batch_next(group)) {
        const struct change *change = change_list_changes(batch_list(group));
        for (; change != NULL; change = change->next) {
            if (change->kind != CHANGE_POST && change->kind != CHANGE_POST_AGAIN && change->kind != CHANGE_EVENT) {
                continue;
            }
            int64_t at_ms = change->kind == CHANGE_POST         ? change->post.taken_ms
                            : change->kind == CHANGE_POST_AGAIN ? change->post_again.taken_ms
                                                                : change->event.at_ms;
            *first_ms = !any || at_ms < *first_ms ? at_ms : *first_ms;
            *last_ms = !any || at_ms > *last_ms ? at_ms : *last_ms;
            any = true;
        }
    }
    return any;
}
