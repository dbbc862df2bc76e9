// write.c - changes into statements, one function a kind.

#include "broker/store/answer.h"
#include "broker/store/sqlite/records.h"

#include <stdio.h>

// What a contradiction of our own making looks like to whoever judges the connection.
static bool contradict(struct database *database, const char *what)
{
    database->error = SQLITE_MISMATCH;
    snprintf(database->message, sizeof database->message, "%s", what);
    return false;
}

static bool put_intake_key(struct database *database, const struct post_record *post)
{
    struct binding binding = database_bind(database, STATEMENT_PUT_INTAKE_KEY);

    bind_text(&binding, post->channel);
    bind_text(&binding, post->post);
    bind_text(&binding, post->brand);
    bind_id(&binding, post->item);
    bind_number(&binding, post->number);
    bind_number(&binding, post->taken_ms);
    if (!binding_run(&binding)) {
        return false;
    }
    return sqlite3_changes(database->connection) == 1 || contradict(database, "a post was taken twice");
}

static bool put_post(struct database *database, const struct post_record *post)
{
    struct binding binding = database_bind(database, STATEMENT_PUT_POST);

    bind_id(&binding, post->item);
    bind_number(&binding, post->number);
    bind_text(&binding, post->channel);
    bind_text(&binding, post->post);
    bind_text(&binding, post->brand);
    bind_text(&binding, post->author);
    bind_text(&binding, post->author_name);
    bind_number(&binding, post->reach);
    bind_text(&binding, post->text);
    bind_text(&binding, post->platform_language);
    bind_text(&binding, post->language);
    bind_text(&binding, post->thread);
    bind_text(&binding, post->parent);
    bind_text(&binding, post->link);
    bind_number(&binding, post->posted_ms);
    bind_number(&binding, post->taken_ms);
    bind_flag(&binding, post->sensitive);
    bind_id(&binding, post->author_key);
    bind_number(&binding, post->media);
    return binding_run(&binding) && put_intake_key(database, post);
}

static bool find_post(struct database *database, const struct post_change_record *change, uint64_t *item,
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

static bool change_post(struct database *database, const struct post_change_record *change)
{
    uint64_t item = 0;
    uint64_t number = 0;

    if (!find_post(database, change, &item, &number)) {
        return database->error == SQLITE_OK && contradict(database, "a post that was never taken was changed");
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

static bool put_early(struct database *database, const struct early_record *early)
{
    struct binding binding = database_bind(database, STATEMENT_PUT_EARLY);

    bind_text(&binding, early->channel);
    bind_text(&binding, early->post);
    bind_number(&binding, early->number);
    bind_flag(&binding, early->deleted);
    bind_text(&binding, early->text);
    bind_number(&binding, early->edited_ms);
    bind_number(&binding, early->kept_ms);
    return binding_run(&binding);
}

static bool remove_early(struct database *database, const struct early_record *early)
{
    struct binding binding = database_bind(database, STATEMENT_REMOVE_EARLY);

    bind_text(&binding, early->channel);
    bind_text(&binding, early->post);
    bind_number(&binding, early->number);
    return binding_run(&binding);
}

// The post as it is now, in a further item; its key leads there from now on.
static bool put_post_again(struct database *database, const struct post_again_record *again)
{
    static const enum statement statements[] = { STATEMENT_PUT_POST_AGAIN, STATEMENT_LEAD_INTAKE_KEY };

    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
        struct binding binding = database_bind(database, statements[i]);
        bind_id(&binding, again->item);
        bind_number(&binding, again->number);
        bind_text(&binding, again->channel);
        bind_text(&binding, again->post);
        bind_text(&binding, again->brand);
        bind_number(&binding, again->taken_ms);
        if (!binding_run(&binding)) {
            return false;
        }
        if (sqlite3_changes(database->connection) != 1) {
            return contradict(database, "a post that was never taken was taken again");
        }
    }
    return true;
}

static void bind_item_place(struct binding *binding, const struct item_record *item)
{
    bind_id(binding, item->item);
    bind_text(binding, item->brand);
    bind_text(binding, item->channel);
    bind_text(binding, item->audience);
    bind_text(binding, item->language);
    bind_text(binding, item->skills);
    bind_text(binding, store_item_state_name(item->state));
    bind_number(binding, item->band);
    bind_flag(binding, item->sealed);
    bind_flag(binding, item->returned);
    bind_flag(binding, item->approval);
    bind_flag(binding, item->fate_unknown);
    bind_number(binding, item->created_ms);
    bind_number(binding, item->due_ms);
    bind_number(binding, item->since_ms);
    bind_number(binding, item->until_ms);
    bind_id(binding, item->lease);
}

static bool put_item(struct database *database, const struct item_record *item)
{
    struct binding binding = database_bind(database, STATEMENT_PUT_ITEM);

    bind_item_place(&binding, item);
    bind_text(&binding, item->person);
    bind_text(&binding, item->preferred);
    bind_number(&binding, item->preferred_until_ms);
    bind_id(&binding, item->thread_key);
    bind_id(&binding, item->author_key);
    bind_number(&binding, item->posts);
    bind_number(&binding, item->numbered);
    bind_number(&binding, item->moves);
    bind_number(&binding, item->first_offered_ms);
    bind_text(&binding, item->reason);
    bind_text(&binding, item->escalated);
    bind_id(&binding, item->reply);
    bind_text(&binding, item->draft_by);
    bind_text(&binding, item->outcome);
    return binding_run(&binding);
}

static bool run_for_item(struct database *database, enum statement statement, uint64_t item)
{
    struct binding binding = database_bind(database, statement);

    bind_id(&binding, item);
    return binding_run(&binding);
}

static bool put_draft(struct database *database, const struct draft_record *draft)
{
    if (draft->text[0] == 0) {
        return run_for_item(database, STATEMENT_REMOVE_DRAFT, draft->item);
    }
    struct binding binding = database_bind(database, STATEMENT_PUT_DRAFT);
    bind_id(&binding, draft->item);
    bind_text(&binding, draft->person);
    bind_text(&binding, draft->text);
    bind_number(&binding, draft->at_ms);
    return binding_run(&binding);
}

static bool put_note(struct database *database, const struct note_record *note)
{
    struct binding binding = database_bind(database, STATEMENT_PUT_NOTE);

    bind_id(&binding, note->item);
    bind_text(&binding, note->kind);
    bind_text(&binding, note->person);
    bind_text(&binding, note->text);
    bind_flag(&binding, note->sealed);
    bind_number(&binding, note->at_ms);
    return binding_run(&binding);
}

// The text stays as it was written.
static bool change_reply(struct database *database, const struct reply_record *reply)
{
    struct binding binding = database_bind(database, STATEMENT_CHANGE_REPLY);

    bind_id(&binding, reply->reply);
    bind_text(&binding, store_reply_state_name(reply->state));
    bind_flag(&binding, reply->sealed);
    bind_text(&binding, reply->instance);
    bind_flag(&binding, reply->idempotent);
    bind_number(&binding, reply->attempt);
    bind_number(&binding, reply->created_ms);
    bind_number(&binding, reply->handed_ms);
    bind_number(&binding, reply->settled_ms);
    bind_text(&binding, reply->reference);
    bind_text(&binding, reply->reason);
    bind_text(&binding, reply->person);
    bind_text(&binding, reply->key);
    if (!binding_run(&binding)) {
        return false;
    }
    return sqlite3_changes(database->connection) == 1 || contradict(database, "a reply without text");
}

static bool put_reply(struct database *database, const struct reply_record *reply)
{
    if (reply->text == NULL) {
        return change_reply(database, reply);
    }
    struct binding binding = database_bind(database, STATEMENT_PUT_REPLY);
    bind_id(&binding, reply->reply);
    bind_id(&binding, reply->item);
    bind_text(&binding, reply->brand);
    bind_text(&binding, reply->channel);
    bind_text(&binding, reply->person);
    bind_text(&binding, reply->text);
    bind_text(&binding, reply->key);
    bind_text(&binding, store_reply_state_name(reply->state));
    bind_flag(&binding, reply->sealed);
    bind_text(&binding, reply->instance);
    bind_flag(&binding, reply->idempotent);
    bind_number(&binding, reply->attempt);
    bind_number(&binding, reply->created_ms);
    bind_number(&binding, reply->handed_ms);
    bind_number(&binding, reply->settled_ms);
    bind_text(&binding, reply->reference);
    bind_text(&binding, reply->reason);
    return binding_run(&binding);
}

static bool put_event(struct database *database, const struct event_record *event)
{
    struct binding binding = database_bind(database, STATEMENT_PUT_EVENT);

    bind_id(&binding, event->sequence);
    bind_number(&binding, event->at_ms);
    bind_id(&binding, event->item);
    bind_text(&binding, event->kind);
    bind_text(&binding, event->person);
    bind_text(&binding, event->queue);
    bind_text(&binding, event->rule);
    bind_id(&binding, event->rules_version);
    bind_text(&binding, event->detail);
    return binding_run(&binding);
}

static bool put_outcome(struct database *database, const struct outcome_record *outcome)
{
    struct binding binding = database_bind(database, STATEMENT_PUT_OUTCOME);

    bind_id(&binding, outcome->item);
    bind_text(&binding, outcome->outcome);
    bind_text(&binding, outcome->brand);
    bind_text(&binding, outcome->language);
    bind_text(&binding, outcome->audience);
    bind_text(&binding, outcome->person);
    bind_text(&binding, outcome->agency);
    bind_text(&binding, outcome->reason);
    bind_text(&binding, outcome->escalated);
    bind_id(&binding, outcome->reply);
    bind_number(&binding, outcome->created_ms);
    bind_number(&binding, outcome->closed_ms);
    bind_number(&binding, outcome->due_ms);
    bind_number(&binding, outcome->first_offered_ms);
    bind_number(&binding, outcome->posts);
    bind_number(&binding, outcome->moves);
    bind_flag(&binding, outcome->sealed);
    bind_id(&binding, outcome->thread_key);
    bind_id(&binding, outcome->author_key);
    return binding_run(&binding);
}

static bool put_rules(struct database *database, const struct rules_record *rules)
{
    struct binding binding = database_bind(database, STATEMENT_PUT_RULES);

    bind_id(&binding, rules->version);
    bind_text(&binding, rules->name);
    bind_text(&binding, rules->text);
    bind_number(&binding, rules->at_ms);
    return binding_run(&binding);
}

static bool put_freeze(struct database *database, const struct freeze_record *freeze)
{
    struct binding binding = database_bind(database, STATEMENT_PUT_FREEZE);

    bind_text(&binding, freeze->brand);
    bind_flag(&binding, freeze->frozen);
    bind_text(&binding, freeze->person);
    bind_text(&binding, freeze->reason);
    bind_number(&binding, freeze->at_ms);
    return binding_run(&binding);
}

static bool put_request(struct database *database, const struct request_record *request)
{
    struct binding binding = database_bind(database, STATEMENT_PUT_REQUEST);

    bind_id(&binding, request->slot);
    bind_id(&binding, request->number);
    bind_number(&binding, request->at_ms);
    bind_text(&binding, request->role);
    bind_text(&binding, request->principal);
    bind_number(&binding, request->id);
    bind_text(&binding, request->type);
    bind_id(&binding, request->digest);
    bind_id(&binding, request->item);
    bind_id(&binding, request->lease);
    bind_text(&binding, request->state);
    bind_id(&binding, request->reply);
    bind_id(&binding, request->rules_version);
    return binding_run(&binding);
}

static bool seal(struct database *database, uint64_t item)
{
    return run_for_item(database, STATEMENT_SEAL_POSTS, item) && run_for_item(database, STATEMENT_SEAL_DRAFT, item) &&
           run_for_item(database, STATEMENT_SEAL_NOTES, item) && run_for_item(database, STATEMENT_SEAL_REPLIES, item);
}

bool write_change(struct database *database, const struct change *change)
{
    switch (change->kind) {
    case CHANGE_POST:
        return put_post(database, &change->post);
    case CHANGE_POST_CHANGE:
        return change_post(database, &change->post_change);
    case CHANGE_POST_AGAIN:
        return put_post_again(database, &change->post_again);
    case CHANGE_EARLY:
        return put_early(database, &change->early);
    case CHANGE_EARLY_GONE:
        return remove_early(database, &change->early);
    case CHANGE_ITEM:
        return put_item(database, &change->item);
    case CHANGE_DRAFT:
        return put_draft(database, &change->draft);
    case CHANGE_NOTE:
        return put_note(database, &change->note);
    case CHANGE_REPLY:
        return put_reply(database, &change->reply);
    case CHANGE_EVENT:
        return put_event(database, &change->event);
    case CHANGE_OUTCOME:
        return put_outcome(database, &change->outcome);
    case CHANGE_RULES:
        return put_rules(database, &change->rules);
    case CHANGE_FREEZE:
        return put_freeze(database, &change->freeze);
    case CHANGE_REQUEST:
        return put_request(database, &change->request);
    case CHANGE_SEAL:
        return seal(database, change->seal.item);
    case CHANGE_UNSEAL:
        return run_for_item(database, STATEMENT_UNSEAL_POSTS, change->seal.item);
    }
    return contradict(database, "a change of no known kind");
}
