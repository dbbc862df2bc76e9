// write.c - a group's changes coalesced into stages, a stage sent as one statement a table.
//
// Within a stage the order between kinds does not matter any more: the last state of an item, draft or reply is the
// one written, what a change looked at (is the item with PR?) is answered from the stage or, before the items are
// written, by the database; sealing comes last.  A change for which the order would matter begins a new stage.

#include "broker/store/answer.h"
#include "broker/store/postgres/records.h"
#include "proto/base/hash.h"
#include "proto/base/must.h"

#include <stdlib.h>
#include <string.h>

#define COALESCED_KEEP 4096 // entries whose memory is kept from group to group

// The tables of a stage in the order they are written.
static const enum sql order[] = {
    SQL_PUT_POSTS,  SQL_PUT_INTAKE_KEYS, SQL_CHANGE_POSTS,   SQL_PUT_POSTS_AGAIN, SQL_LEAD_INTAKE_KEYS,
    SQL_PUT_EARLY,  SQL_REMOVE_EARLY,    SQL_PUT_DRAFTS,     SQL_REMOVE_DRAFTS,   SQL_PUT_ITEMS,
    SQL_PUT_NOTES,  SQL_PUT_REPLIES,     SQL_CHANGE_REPLIES, SQL_PUT_EVENTS,      SQL_PUT_OUTCOMES,
    SQL_PUT_RULES,  SQL_PUT_FREEZES,     SQL_PUT_REQUESTS,   SQL_SEAL_POSTS,      SQL_SEAL_DRAFTS,
    SQL_SEAL_NOTES, SQL_SEAL_REPLIES,    SQL_UNSEAL_POSTS,
};
#define ORDER_COUNT (sizeof order / sizeof *order)

enum coalesced_kind {
    COALESCED_ITEM,
    COALESCED_REPLY,
    COALESCED_NAME
}; // NAME: a post changed or a brand frozen, by hash
enum sealing { SEALING_NONE, SEALING_SEAL, SEALING_UNSEAL };
enum { WITH_PR_UNKNOWN = -1, WITH_PR_NO, WITH_PR_YES };

// What a stage knows of one item or reply.
struct coalesced {
    enum coalesced_kind kind;
    size_t slot; // where it is found
    uint64_t key;
    const struct item_record *item;   // the last state, or NULL
    const struct draft_record *draft; // the last one, or NULL
    int draft_with_pr;
    enum sealing sealing;
    struct reply_record reply; // coalesced
};

struct group_writer {
    struct connection *connection; // during writer_send
    struct rows rows[ORDER_COUNT];
    struct coalesced *coalesced;
    size_t coalesced_count;
    size_t coalesced_room;
    uint32_t *slots; // index into coalesced + 1, by hash; 0: free
    size_t slot_count;
    bool unsealed; // the stage unseals something
};

struct group_writer *group_writer_new(void)
{
    struct group_writer *writer = calloc(1, sizeof *writer);

    must(writer != NULL);
    for (size_t i = 0; i < ORDER_COUNT; i++) {
        writer->rows[i].whole = row_type_of(order[i]) != ROW_TYPE_COUNT;
    }
    return writer;
}

void group_writer_destroy(struct group_writer **writer_p)
{
    struct group_writer *writer = *writer_p;

    if (writer != NULL) {
        for (size_t i = 0; i < ORDER_COUNT; i++) {
            rows_fini(&writer->rows[i]);
        }
        free(writer->coalesced);
        free(writer->slots);
        free(writer);
        *writer_p = NULL;
    }
}

static struct rows *rows_of(struct group_writer *writer, enum sql sql)
{
    for (size_t i = 0; i < ORDER_COUNT; i++) {
        if (order[i] == sql) {
            return &writer->rows[i];
        }
    }
    must(false);
    return NULL;
}

// ---- coalesced ----

static size_t slot_of(const struct group_writer *writer, enum coalesced_kind kind, uint64_t key)
{
    return (size_t) (hash_number(key + (uint64_t) kind) >> 20) & (writer->slot_count - 1);
}

static void place(struct group_writer *writer, size_t index)
{
    size_t at = slot_of(writer, writer->coalesced[index].kind, writer->coalesced[index].key);

    while (writer->slots[at] != 0) {
        at = (at + 1) & (writer->slot_count - 1);
    }
    writer->slots[at] = (uint32_t) index + 1;
    writer->coalesced[index].slot = at;
}

static void grow_coalesced(struct group_writer *writer)
{
    writer->coalesced_room = writer->coalesced_room == 0 ? 64 : writer->coalesced_room * 2;
    writer->slot_count = writer->coalesced_room * 2;
    writer->coalesced = realloc(writer->coalesced, writer->coalesced_room * sizeof *writer->coalesced);
    free(writer->slots);
    writer->slots = calloc(writer->slot_count, sizeof *writer->slots);
    must(writer->coalesced != NULL);
    must(writer->slots != NULL);
    for (size_t i = 0; i < writer->coalesced_count; i++) {
        place(writer, i);
    }
}

static struct coalesced *find_coalesced(const struct group_writer *writer, enum coalesced_kind kind, uint64_t key)
{
    if (writer->slot_count == 0) {
        return NULL;
    }
    for (size_t at = slot_of(writer, kind, key); writer->slots[at] != 0; at = (at + 1) & (writer->slot_count - 1)) {
        struct coalesced *coalesced = &writer->coalesced[writer->slots[at] - 1];
        if (coalesced->kind == kind && coalesced->key == key) {
            return coalesced;
        }
    }
    return NULL;
}

// Valid until the next call.
static struct coalesced *require_coalesced(struct group_writer *writer, enum coalesced_kind kind, uint64_t key)
{
    struct coalesced *coalesced = find_coalesced(writer, kind, key);

    if (coalesced == NULL) {
        if (writer->coalesced_count == writer->coalesced_room) {
            grow_coalesced(writer);
        }
        coalesced = &writer->coalesced[writer->coalesced_count];
        *coalesced = (struct coalesced){ .kind = kind, .key = key };
        place(writer, writer->coalesced_count++);
    }
    return coalesced;
}

static void forget_folds(struct group_writer *writer)
{
    // Slots are as many as the largest group needed; the next one of a small desk must not pay for them.
    for (size_t i = 0; i < writer->coalesced_count; i++) {
        writer->slots[writer->coalesced[i].slot] = 0;
    }
    writer->coalesced_count = 0;
    if (writer->coalesced_room > COALESCED_KEEP) {
        free(writer->coalesced);
        free(writer->slots);
        writer->coalesced = NULL;
        writer->slots = NULL;
        writer->coalesced_room = writer->slot_count = 0;
    }
}

static uint64_t hash_post(const char *channel, const char *post, const char *brand)
{
    return hash_text(hash_text(hash_text(HASH_BEGIN, channel), post), brand);
}

// ---- rows ----

// The next columns of the row: those of a record from `begin` to before `end`, in the order in which tables.def has
// them.
static void add_columns(struct rows *rows, enum record record, const void *values, size_t begin, size_t end)
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
            rows_text(rows, store_item_state_name((enum item_state) column_number(column, values)));
            break;
        case COLUMN_REPLY_STATE:
            rows_text(rows, store_reply_state_name((enum reply_state) column_number(column, values)));
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

static void add_record(struct group_writer *writer, enum sql sql, enum record record, const void *values)
{
    struct rows *rows = rows_of(writer, sql);

    add_columns(rows, record, values, 0, columns_of(record)->count);
    rows_end(rows);
}

static void add_draft(struct group_writer *writer, const struct draft_record *draft, int with_pr)
{
    struct rows *rows = rows_of(writer, draft->text[0] == '\0' ? SQL_REMOVE_DRAFTS : SQL_PUT_DRAFTS);

    if (draft->text[0] == '\0') {
        rows_id(rows, draft->item);
    } else {
        add_columns(rows, RECORD_DRAFT, draft, 0, columns_of(RECORD_DRAFT)->count);
        rows_number(rows, with_pr);
    }
    rows_end(rows);
}

static void add_post(struct group_writer *writer, const struct post_record *post, int with_pr)
{
#define COLUMN(field, KIND, AGAIN, meaning) +1
    const size_t before = 0 COLUMNS_OF_POST_BEFORE_WITH_PR(COLUMN, COLUMN);
#undef COLUMN
    struct rows *rows = rows_of(writer, SQL_PUT_POSTS);

    add_columns(rows, RECORD_POST, post, 0, before);
    rows_number(rows, with_pr);
    add_columns(rows, RECORD_POST, post, before, columns_of(RECORD_POST)->count);
    rows_end(rows);
}

static void add_id(struct group_writer *writer, enum sql sql, uint64_t id)
{
    struct rows *rows = rows_of(writer, sql);

    rows_id(rows, id);
    rows_end(rows);
}

static void add_fold(struct group_writer *writer, const struct coalesced *coalesced)
{
    static const enum sql sealed[] = { SQL_SEAL_POSTS, SQL_SEAL_DRAFTS, SQL_SEAL_NOTES, SQL_SEAL_REPLIES };

    if (coalesced->item != NULL) {
        add_record(writer, SQL_PUT_ITEMS, RECORD_ITEM, coalesced->item);
    }
    if (coalesced->draft != NULL) {
        add_draft(writer, coalesced->draft, coalesced->draft_with_pr);
    }
    if (coalesced->kind == COALESCED_REPLY) {
        // Without a text: what was written stays.
        add_record(writer, coalesced->reply.text != NULL ? SQL_PUT_REPLIES : SQL_CHANGE_REPLIES, RECORD_REPLY,
                   &coalesced->reply);
    }
    for (size_t i = 0; coalesced->sealing == SEALING_SEAL && i < sizeof sealed / sizeof *sealed; i++) {
        add_id(writer, sealed[i], coalesced->key);
    }
    if (coalesced->sealing == SEALING_UNSEAL) {
        add_id(writer, SQL_UNSEAL_POSTS, coalesced->key);
    }
}

// Sends what the stage holds; the next one begins empty.
static void end_stage(struct group_writer *writer)
{
    for (size_t i = 0; i < writer->coalesced_count; i++) {
        add_fold(writer, &writer->coalesced[i]);
    }
    for (size_t i = 0; i < ORDER_COUNT; i++) {
        connection_send_rows(writer->connection, order[i], &writer->rows[i]);
        rows_clear(&writer->rows[i]);
    }
    forget_folds(writer);
    writer->unsealed = false;
}

// ---- changes ----

static int with_pr(const struct group_writer *writer, uint64_t item)
{
    const struct coalesced *coalesced = find_coalesced(writer, COALESCED_ITEM, item);

    if (coalesced == NULL || coalesced->item == NULL) {
        return WITH_PR_UNKNOWN;
    }
    return coalesced->item->sealed && strcmp(coalesced->item->audience, "pr") == 0 ? WITH_PR_YES : WITH_PR_NO;
}

static enum sealing sealing_of(const struct group_writer *writer, uint64_t item)
{
    const struct coalesced *coalesced = find_coalesced(writer, COALESCED_ITEM, item);

    return coalesced == NULL ? SEALING_NONE : coalesced->sealing;
}

// What comes after its item was sealed in this stage must not be sealed with it, unless it is sealed anyway.
static void keep_behind_seal(struct group_writer *writer, uint64_t item, bool sealed)
{
    if (sealing_of(writer, item) == SEALING_SEAL && !sealed) {
        end_stage(writer);
    }
}

static void write_post(struct group_writer *writer, const struct post_record *post)
{
    if (sealing_of(writer, post->item) == SEALING_UNSEAL) {
        end_stage(writer);
    }
    keep_behind_seal(writer, post->item, with_pr(writer, post->item) == WITH_PR_YES);
    add_post(writer, post, with_pr(writer, post->item));
    const struct intake_key_record key = store_intake_key(post);
    add_record(writer, SQL_PUT_INTAKE_KEYS, RECORD_INTAKE_KEY, &key);
}

// Two of the same name in a stage would be one too many for its statement.
static void require_first(struct group_writer *writer, uint64_t name)
{
    if (find_coalesced(writer, COALESCED_NAME, name) != NULL) {
        end_stage(writer);
    }
    (void) require_coalesced(writer, COALESCED_NAME, name);
}

static void write_post_change(struct group_writer *writer, const struct post_change_record *change)
{
    if (writer->unsealed && change->sensitive) {
        end_stage(writer); // else what was unsealed before would take this with it
    }
    require_first(writer, hash_post(change->channel, change->post, change->brand));
    add_record(writer, SQL_CHANGE_POSTS, RECORD_POST_CHANGE, change);
}

// One of a post in a stage: what comes later is of what is kept then.
static void write_early(struct group_writer *writer, const struct early_record *early, bool gone)
{
    require_first(writer, hash_post(early->channel, early->post, "\n")); // no brand's name
    add_record(writer, gone ? SQL_REMOVE_EARLY : SQL_PUT_EARLY, RECORD_EARLY, early);
}

// Behind the changes of its stage, of which there is one at most; those that follow are of the post as it is then.
static void write_post_again(struct group_writer *writer, const struct post_again_record *again)
{
    uint64_t name = hash_post(again->channel, again->post, again->brand);

    if (sealing_of(writer, again->item) == SEALING_UNSEAL) {
        end_stage(writer);
    }
    require_first(writer, ~name);
    (void) require_coalesced(writer, COALESCED_NAME, name);
    add_record(writer, SQL_PUT_POSTS_AGAIN, RECORD_POST_AGAIN, again);
    add_record(writer, SQL_LEAD_INTAKE_KEYS, RECORD_POST_AGAIN, again);
}

static void write_draft(struct group_writer *writer, const struct draft_record *draft)
{
    int known = with_pr(writer, draft->item);

    keep_behind_seal(writer, draft->item, known == WITH_PR_YES || draft->text[0] == '\0');
    known = with_pr(writer, draft->item);
    struct coalesced *coalesced = require_coalesced(writer, COALESCED_ITEM, draft->item);
    coalesced->draft = draft;
    coalesced->draft_with_pr = known;
}

static void write_note(struct group_writer *writer, const struct note_record *note)
{
    keep_behind_seal(writer, note->item, note->sealed);
    add_record(writer, SQL_PUT_NOTES, RECORD_NOTE, note);
}

static void write_reply(struct group_writer *writer, const struct reply_record *reply)
{
    keep_behind_seal(writer, reply->item, reply->sealed);
    struct coalesced *before = find_coalesced(writer, COALESCED_REPLY, reply->reply);
    if (before != NULL && before->reply.text == NULL && reply->text != NULL) {
        end_stage(writer); // the change is of a reply that must be there already
        before = NULL;
    }
    struct coalesced *coalesced = before != NULL ? before : require_coalesced(writer, COALESCED_REPLY, reply->reply);
    struct reply_record state = *reply;
    if (before != NULL) {
        state.item = coalesced->reply.item;
        state.brand = coalesced->reply.brand;
        state.channel = coalesced->reply.channel;
        state.sealed = reply->sealed || coalesced->reply.sealed;
        state.text = reply->text == NULL ? coalesced->reply.text : reply->text;
    }
    coalesced->reply = state;
}

static void write_freeze(struct group_writer *writer, const struct freeze_record *freeze)
{
    require_first(writer, hash_text(HASH_BEGIN, freeze->brand));
    add_record(writer, SQL_PUT_FREEZES, RECORD_FREEZE, freeze);
}

// A slot comes again within a stage only where that has more requests than one principal's: then it is another stage's.
static void write_request(struct group_writer *writer, const struct request_record *request)
{
    if (rows_of(writer, SQL_PUT_REQUESTS)->count == REQUESTS_OF_ONE_MAX) {
        end_stage(writer);
    }
    add_record(writer, SQL_PUT_REQUESTS, RECORD_REQUEST, request);
}

static void write_sealing(struct group_writer *writer, uint64_t item, enum sealing sealing)
{
    enum sealing before = sealing_of(writer, item);

    if (before != SEALING_NONE && before != sealing) {
        end_stage(writer);
    }
    require_coalesced(writer, COALESCED_ITEM, item)->sealing = sealing;
    writer->unsealed = writer->unsealed || sealing == SEALING_UNSEAL;
}

static void write_one(struct group_writer *writer, const struct change *change)
{
    switch (change->kind) {
    case CHANGE_POST:
        write_post(writer, &change->post);
        break;
    case CHANGE_POST_CHANGE:
        write_post_change(writer, &change->post_change);
        break;
    case CHANGE_POST_AGAIN:
        write_post_again(writer, &change->post_again);
        break;
    case CHANGE_EARLY:
    case CHANGE_EARLY_GONE:
        write_early(writer, &change->early, change->kind == CHANGE_EARLY_GONE);
        break;
    case CHANGE_ITEM:
        require_coalesced(writer, COALESCED_ITEM, change->item.item)->item = &change->item;
        break;
    case CHANGE_DRAFT:
        write_draft(writer, &change->draft);
        break;
    case CHANGE_NOTE:
        write_note(writer, &change->note);
        break;
    case CHANGE_REPLY:
        write_reply(writer, &change->reply);
        break;
    case CHANGE_EVENT:
        add_record(writer, SQL_PUT_EVENTS, RECORD_EVENT, &change->event);
        break;
    case CHANGE_OUTCOME:
        add_record(writer, SQL_PUT_OUTCOMES, RECORD_OUTCOME, &change->outcome);
        break;
    case CHANGE_RULES:
        add_record(writer, SQL_PUT_RULES, RECORD_RULES, &change->rules);
        break;
    case CHANGE_FREEZE:
        write_freeze(writer, &change->freeze);
        break;
    case CHANGE_REQUEST:
        write_request(writer, &change->request);
        break;
    case CHANGE_SEAL:
        write_sealing(writer, change->seal.item, SEALING_SEAL);
        break;
    case CHANGE_UNSEAL:
        write_sealing(writer, change->seal.item, SEALING_UNSEAL);
        break;
    }
}

void group_writer_send(struct group_writer *writer, struct connection *connection, struct batch *group)
{
    writer->connection = connection;
    for (; group != NULL; group = batch_next(group)) {
        const struct change *change = change_list_changes(batch_list(group));
        for (; change != NULL; change = change->next) {
            write_one(writer, change);
        }
    }
    end_stage(writer);
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
