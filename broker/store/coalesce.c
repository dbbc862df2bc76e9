// coalesce.c - the stages of a group, filled change by change: see coalesce.h.
//
// Within a stage the last state of an item, draft or reply is the one written; what a change looked at (is the item
// with PR?) is answered from the stage or, before the items are written, by the database; sealing comes last.

#include "broker/store/coalesce.h"

#include "proto/base/hash.h"
#include "proto/base/must.h"

#include <stdlib.h>
#include <string.h>

#define KEPT_MAX 4096 // entries whose memory is kept from group to group

enum coalesced_kind {
    COALESCED_ITEM,
    COALESCED_REPLY,
    COALESCED_NAME
}; // NAME: a post changed or a brand frozen, by hash
enum sealing { SEALING_NONE, SEALING_SEAL, SEALING_UNSEAL };

// What a stage knows of one item or reply.
struct coalesced {
    enum coalesced_kind kind;
    size_t slot; // where it is found
    uint64_t key;
    const struct item_record *item;       // the last state, or NULL
    const struct outcome_record *outcome; // or NULL
    const struct draft_record *draft;     // the last one, or NULL
    enum stage_with_pr draft_with_pr;
    enum sealing sealing;
    const struct seal_record *seal; // of that, or NULL
    struct reply_record reply;      // coalesced
};

// The rows of one table, as far as they are known before the stage ends.
struct table {
    struct stage_row *rows;
    size_t count;
    size_t room;
};

struct coalescer {
    const struct stage_writer *writer; // during coalescer_run
    bool failed;                       // the writer said so: nothing is given to it any more
    struct table tables[STAGE_TABLE_COUNT];
    struct coalesced *coalesced;
    size_t coalesced_count;
    size_t coalesced_room;
    uint32_t *slots; // index into coalesced + 1, by hash; 0: free
    size_t slot_count;
    bool unsealed; // the stage unseals something
};

struct coalescer *coalescer_new(void)
{
    struct coalescer *coalescer = calloc(1, sizeof *coalescer);

    must(coalescer != NULL);
    return coalescer;
}

void coalescer_destroy(struct coalescer **coalescer_p)
{
    struct coalescer *coalescer = *coalescer_p;

    if (coalescer != NULL) {
        for (size_t i = 0; i < STAGE_TABLE_COUNT; i++) {
            free(coalescer->tables[i].rows);
        }
        free(coalescer->coalesced);
        free(coalescer->slots);
        free(coalescer);
        *coalescer_p = NULL;
    }
}

// ---- what is coalesced, by its key ----

static size_t coalesce_slot_of(const struct coalescer *coalescer, enum coalesced_kind kind, uint64_t key)
{
    return (size_t) (hash_number(key + (uint64_t) kind) >> 20) & (coalescer->slot_count - 1);
}

static void coalesce_place(struct coalescer *coalescer, size_t index)
{
    size_t at = coalesce_slot_of(coalescer, coalescer->coalesced[index].kind, coalescer->coalesced[index].key);

    while (coalescer->slots[at] != 0) {
        at = (at + 1) & (coalescer->slot_count - 1);
    }
    coalescer->slots[at] = (uint32_t) index + 1;
    coalescer->coalesced[index].slot = at;
}

static void coalesce_grow_coalesced(struct coalescer *coalescer)
{
    coalescer->coalesced_room = coalescer->coalesced_room == 0 ? 64 : coalescer->coalesced_room * 2;
    coalescer->slot_count = coalescer->coalesced_room * 2;
    coalescer->coalesced = realloc(coalescer->coalesced, coalescer->coalesced_room * sizeof *coalescer->coalesced);
    free(coalescer->slots);
    coalescer->slots = calloc(coalescer->slot_count, sizeof *coalescer->slots);
    must(coalescer->coalesced != NULL);
    must(coalescer->slots != NULL);
    for (size_t i = 0; i < coalescer->coalesced_count; i++) {
        coalesce_place(coalescer, i);
    }
}

static struct coalesced *coalesce_find_coalesced(const struct coalescer *coalescer, enum coalesced_kind kind,
                                                 uint64_t key)
{
    if (coalescer->slot_count == 0) {
        return NULL;
    }
    for (size_t at = coalesce_slot_of(coalescer, kind, key); coalescer->slots[at] != 0;
         at = (at + 1) & (coalescer->slot_count - 1)) {
        struct coalesced *coalesced = &coalescer->coalesced[coalescer->slots[at] - 1];
        if (coalesced->kind == kind && coalesced->key == key) {
            return coalesced;
        }
    }
    return NULL;
}

// Valid until the next call.
static struct coalesced *coalesce_require_coalesced(struct coalescer *coalescer, enum coalesced_kind kind, uint64_t key)
{
    struct coalesced *coalesced = coalesce_find_coalesced(coalescer, kind, key);

    if (coalesced == NULL) {
        if (coalescer->coalesced_count == coalescer->coalesced_room) {
            coalesce_grow_coalesced(coalescer);
        }
        coalesced = &coalescer->coalesced[coalescer->coalesced_count];
        *coalesced = (struct coalesced){ .kind = kind, .key = key };
        coalesce_place(coalescer, coalescer->coalesced_count++);
    }
    return coalesced;
}

static void coalesce_forget_coalesced(struct coalescer *coalescer)
{
    // Slots are as many as the largest group needed; the next one of a small desk must not pay for them.
    for (size_t i = 0; i < coalescer->coalesced_count; i++) {
        coalescer->slots[coalescer->coalesced[i].slot] = 0;
    }
    coalescer->coalesced_count = 0;
    if (coalescer->coalesced_room > KEPT_MAX) {
        free(coalescer->coalesced);
        free(coalescer->slots);
        coalescer->coalesced = NULL;
        coalescer->slots = NULL;
        coalescer->coalesced_room = coalescer->slot_count = 0;
    }
}

// Names of different kinds differ by where they begin.
static uint64_t coalesce_hash_post(const char *channel, const char *post, const char *brand)
{
    return hash_text(hash_text(hash_text(HASH_BEGIN, channel), post), brand);
}

// ---- rows ----

static struct stage_row *coalesce_add_row(struct coalescer *coalescer, enum stage_table which, const void *record,
                                          enum stage_with_pr with_pr)
{
    struct table *table = &coalescer->tables[which];

    if (table->count == table->room) {
        table->room = table->room == 0 ? 64 : table->room * 2;
        table->rows = realloc(table->rows, table->room * sizeof *table->rows);
        must(table->rows != NULL);
    }
    struct stage_row *row = &table->rows[table->count++];
    *row = (struct stage_row){ .record = record, .with_pr = with_pr };
    return row;
}

static void coalesce_forget_rows(struct table *table)
{
    table->count = 0;
    if (table->room > KEPT_MAX) {
        free(table->rows);
        table->rows = NULL;
        table->room = 0;
    }
}

static void coalesce_add_coalesced(struct coalescer *coalescer, const struct coalesced *coalesced)
{
    if (coalesced->item != NULL) {
        coalesce_add_row(coalescer, STAGE_ITEMS, coalesced->item, STAGE_WITH_PR_UNKNOWN)->other = coalesced->outcome;
    }
    if (coalesced->draft != NULL) {
        (void) coalesce_add_row(coalescer, coalesced->draft->text[0] == '\0' ? STAGE_DRAFTS_GONE : STAGE_DRAFTS,
                                coalesced->draft, coalesced->draft_with_pr);
    }
    if (coalesced->kind == COALESCED_REPLY) {
        (void) coalesce_add_row(coalescer, coalesced->reply.text == NULL ? STAGE_REPLY_CHANGES : STAGE_REPLIES,
                                &coalesced->reply, STAGE_WITH_PR_UNKNOWN);
    }
    if (coalesced->sealing != SEALING_NONE) {
        (void) coalesce_add_row(coalescer, coalesced->sealing == SEALING_SEAL ? STAGE_SEALED : STAGE_UNSEALED,
                                coalesced->seal, STAGE_WITH_PR_UNKNOWN);
    }
}

// Outcomes are in the order of the ends, whatever the order of the items.
static void coalesce_pair_outcomes(struct coalescer *coalescer)
{
    struct table *outcomes = &coalescer->tables[STAGE_OUTCOMES];

    for (size_t i = 0; i < outcomes->count; i++) {
        const struct outcome_record *outcome = outcomes->rows[i].record;
        outcomes->rows[i].other = coalesce_find_coalesced(coalescer, COALESCED_ITEM, outcome->item)->item;
    }
}

// Gives what the stage holds to the writer; the next one begins empty.
static void coalesce_end_stage(struct coalescer *coalescer)
{
    const struct stage_writer *writer = coalescer->writer;

    for (size_t i = 0; i < coalescer->coalesced_count; i++) {
        coalesce_add_coalesced(coalescer, &coalescer->coalesced[i]);
    }
    coalesce_pair_outcomes(coalescer);
    for (size_t i = 0; i < STAGE_TABLE_COUNT; i++) {
        struct table *table = &coalescer->tables[i];
        if (table->count > 0 && !coalescer->failed) {
            coalescer->failed = !writer->write(writer->self, (enum stage_table) i, table->rows, table->count);
        }
        coalesce_forget_rows(table);
    }
    coalesce_forget_coalesced(coalescer);
    coalescer->unsealed = false;
}

// ---- changes ----

static enum stage_with_pr coalesce_with_pr(const struct coalescer *coalescer, uint64_t item)
{
    const struct coalesced *coalesced = coalesce_find_coalesced(coalescer, COALESCED_ITEM, item);

    if (coalesced == NULL || coalesced->item == NULL) {
        return STAGE_WITH_PR_UNKNOWN;
    }
    return coalesced->item->sealed && strcmp(coalesced->item->audience, "pr") == 0 ? STAGE_WITH_PR_YES
                                                                                   : STAGE_WITH_PR_NO;
}

static enum sealing coalesce_sealing_of(const struct coalescer *coalescer, uint64_t item)
{
    const struct coalesced *coalesced = coalesce_find_coalesced(coalescer, COALESCED_ITEM, item);

    return coalesced == NULL ? SEALING_NONE : coalesced->sealing;
}

// What comes after its item was sealed in this stage must not be sealed with it, unless it is sealed anyway.
static void coalesce_keep_behind_seal(struct coalescer *coalescer, uint64_t item, bool sealed)
{
    if (coalesce_sealing_of(coalescer, item) == SEALING_SEAL && !sealed) {
        coalesce_end_stage(coalescer);
    }
}

// Two of the same name in a stage would be one too many for a statement that writes them all.
static void coalesce_require_first(struct coalescer *coalescer, uint64_t name)
{
    if (coalesce_find_coalesced(coalescer, COALESCED_NAME, name) != NULL) {
        coalesce_end_stage(coalescer);
    }
    (void) coalesce_require_coalesced(coalescer, COALESCED_NAME, name);
}

static void coalesce_add_post(struct coalescer *coalescer, const struct post_record *post)
{
    if (coalesce_sealing_of(coalescer, post->item) == SEALING_UNSEAL) {
        coalesce_end_stage(coalescer);
    }
    coalesce_keep_behind_seal(coalescer, post->item, coalesce_with_pr(coalescer, post->item) == STAGE_WITH_PR_YES);
    // Of posts, not of their changes, which may be in the same stage.
    coalesce_require_first(coalescer, hash_byte(coalesce_hash_post(post->channel, post->post, post->brand), 0));
    (void) coalesce_add_row(coalescer, STAGE_POSTS, post, coalesce_with_pr(coalescer, post->item));
}

static void coalesce_add_post_change(struct coalescer *coalescer, const struct post_change_record *change)
{
    if (coalescer->unsealed && change->sensitive) {
        coalesce_end_stage(coalescer); // else what was unsealed before would take this with it
    }
    coalesce_require_first(coalescer, coalesce_hash_post(change->channel, change->post, change->brand));
    (void) coalesce_add_row(coalescer, STAGE_POST_CHANGES, change, STAGE_WITH_PR_UNKNOWN);
}

// One of a post in a stage: what comes later is of what is kept then.
static void coalesce_add_early(struct coalescer *coalescer, const struct early_record *early, bool gone)
{
    coalesce_require_first(coalescer, coalesce_hash_post(early->channel, early->post, "\n")); // no brand's name
    (void) coalesce_add_row(coalescer, gone ? STAGE_EARLY_GONE : STAGE_EARLY, early, STAGE_WITH_PR_UNKNOWN);
}

// Behind the changes of its stage, of which there is one at most; those that follow are of the post as it is then.
static void coalesce_add_post_again(struct coalescer *coalescer, const struct post_again_record *again)
{
    uint64_t name = coalesce_hash_post(again->channel, again->post, again->brand);

    if (coalesce_sealing_of(coalescer, again->item) == SEALING_UNSEAL) {
        coalesce_end_stage(coalescer);
    }
    coalesce_require_first(coalescer, ~name);
    (void) coalesce_require_coalesced(coalescer, COALESCED_NAME, name);
    (void) coalesce_add_row(coalescer, STAGE_POSTS_AGAIN, again, STAGE_WITH_PR_UNKNOWN);
}

static void coalesce_add_draft(struct coalescer *coalescer, const struct draft_record *draft)
{
    enum stage_with_pr known = coalesce_with_pr(coalescer, draft->item);

    coalesce_keep_behind_seal(coalescer, draft->item, known == STAGE_WITH_PR_YES || draft->text[0] == '\0');
    known = coalesce_with_pr(coalescer, draft->item);
    struct coalesced *coalesced = coalesce_require_coalesced(coalescer, COALESCED_ITEM, draft->item);
    coalesced->draft = draft;
    coalesced->draft_with_pr = known;
}

static void coalesce_add_note(struct coalescer *coalescer, const struct note_record *note)
{
    coalesce_keep_behind_seal(coalescer, note->item, note->sealed);
    (void) coalesce_add_row(coalescer, STAGE_NOTES, note, STAGE_WITH_PR_UNKNOWN);
}

static void coalesce_add_reply(struct coalescer *coalescer, const struct reply_record *reply)
{
    coalesce_keep_behind_seal(coalescer, reply->item, reply->sealed);
    struct coalesced *before = coalesce_find_coalesced(coalescer, COALESCED_REPLY, reply->reply);
    if (before != NULL && before->reply.text == NULL && reply->text != NULL) {
        coalesce_end_stage(coalescer); // the change is of a reply that must be there already
        before = NULL;
    }
    struct coalesced *coalesced =
        before != NULL ? before : coalesce_require_coalesced(coalescer, COALESCED_REPLY, reply->reply);
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

static void coalesce_add_outcome(struct coalescer *coalescer, const struct outcome_record *outcome)
{
    coalesce_require_coalesced(coalescer, COALESCED_ITEM, outcome->item)->outcome = outcome;
    (void) coalesce_add_row(coalescer, STAGE_OUTCOMES, outcome, STAGE_WITH_PR_UNKNOWN);
}

static void coalesce_add_freeze(struct coalescer *coalescer, const struct freeze_record *freeze)
{
    coalesce_require_first(coalescer, hash_text(HASH_BEGIN, freeze->brand));
    (void) coalesce_add_row(coalescer, STAGE_FREEZES, freeze, STAGE_WITH_PR_UNKNOWN);
}

static void coalesce_add_request(struct coalescer *coalescer, const struct request_record *request)
{
    coalesce_require_first(coalescer, ~hash_number(request->slot));
    (void) coalesce_add_row(coalescer, STAGE_REQUESTS, request, STAGE_WITH_PR_UNKNOWN);
}

static void coalesce_add_sealing(struct coalescer *coalescer, const struct seal_record *seal, enum sealing sealing)
{
    enum sealing before = coalesce_sealing_of(coalescer, seal->item);

    if (before != SEALING_NONE && before != sealing) {
        coalesce_end_stage(coalescer);
    }
    struct coalesced *coalesced = coalesce_require_coalesced(coalescer, COALESCED_ITEM, seal->item);
    coalesced->sealing = sealing;
    coalesced->seal = seal;
    coalescer->unsealed = coalescer->unsealed || sealing == SEALING_UNSEAL;
}

void coalescer_add(struct coalescer *coalescer, const struct change *change)
{
    switch (change->kind) {
    case CHANGE_POST:
        coalesce_add_post(coalescer, &change->post);
        break;
    case CHANGE_POST_CHANGE:
        coalesce_add_post_change(coalescer, &change->post_change);
        break;
    case CHANGE_POST_AGAIN:
        coalesce_add_post_again(coalescer, &change->post_again);
        break;
    case CHANGE_EARLY:
    case CHANGE_EARLY_GONE:
        coalesce_add_early(coalescer, &change->early, change->kind == CHANGE_EARLY_GONE);
        break;
    case CHANGE_ITEM:
        coalesce_require_coalesced(coalescer, COALESCED_ITEM, change->item.item)->item = &change->item;
        break;
    case CHANGE_DRAFT:
        coalesce_add_draft(coalescer, &change->draft);
        break;
    case CHANGE_NOTE:
        coalesce_add_note(coalescer, &change->note);
        break;
    case CHANGE_REPLY:
        coalesce_add_reply(coalescer, &change->reply);
        break;
    case CHANGE_EVENT:
        (void) coalesce_add_row(coalescer, STAGE_EVENTS, &change->event, STAGE_WITH_PR_UNKNOWN);
        break;
    case CHANGE_OUTCOME:
        coalesce_add_outcome(coalescer, &change->outcome);
        break;
    case CHANGE_RULES:
        (void) coalesce_add_row(coalescer, STAGE_RULES, &change->rules, STAGE_WITH_PR_UNKNOWN);
        break;
    case CHANGE_FREEZE:
        coalesce_add_freeze(coalescer, &change->freeze);
        break;
    case CHANGE_REQUEST:
        coalesce_add_request(coalescer, &change->request);
        break;
    case CHANGE_SEAL:
        coalesce_add_sealing(coalescer, &change->seal, SEALING_SEAL);
        break;
    case CHANGE_UNSEAL:
        coalesce_add_sealing(coalescer, &change->seal, SEALING_UNSEAL);
        break;
    }
}

void coalescer_begin(struct coalescer *coalescer, const struct stage_writer *writer)
{
    coalescer->writer = writer;
    coalescer->failed = false;
}

bool coalescer_end(struct coalescer *coalescer)
{
    coalesce_end_stage(coalescer);
    coalescer->writer = NULL;
    return !coalescer->failed;
}

bool coalescer_run(struct coalescer *coalescer, struct batch *group, const struct stage_writer *writer)
{
    coalescer_begin(coalescer, writer);
    for (; group != NULL && !coalescer->failed; group = batch_next(group)) {
        const struct change *change = change_list_changes(batch_list(group));
        for (; change != NULL && !coalescer->failed; change = change->next) {
            coalescer_add(coalescer, change);
        }
    }
    return coalescer_end(coalescer);
}
