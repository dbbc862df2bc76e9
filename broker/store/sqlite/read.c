// read.c - a desk read back, row by row, after a start.

#include "broker/store/answer.h"
#include "broker/store/sqlite/records.h"

#include <stdio.h>

// A name that no version of ours wrote.
static unsigned check_name(struct database *database, unsigned value, unsigned count)
{
    if (value < count) {
        return value;
    }
    database->error = SQLITE_CORRUPT;
    snprintf(database->message, sizeof database->message, "a state of no known name");
    return 0;
}

static enum item_state row_item_state(struct binding *binding)
{
    return (enum item_state) check_name(binding->database, store_item_state_from_name(row_text(binding)),
                                        ITEM_STATE_COUNT);
}

static uint32_t row_count(struct binding *binding)
{
    return (uint32_t) row_number(binding);
}

static void row_item_place(struct binding *binding, struct item_record *item)
{
    item->item = row_id(binding);
    item->brand = row_text(binding);
    item->channel = row_text(binding);
    item->audience = row_text(binding);
    item->language = row_text(binding);
    item->skills = row_text(binding);
    item->state = row_item_state(binding);
    item->band = (uint8_t) row_number(binding);
    item->sealed = row_flag(binding);
    item->returned = row_flag(binding);
    item->approval = row_flag(binding);
    item->fate_unknown = row_flag(binding);
    item->created_ms = row_number(binding);
    item->due_ms = row_number(binding);
    item->since_ms = row_number(binding);
    item->until_ms = row_number(binding);
    item->lease = row_id(binding);
}

void row_item(struct binding *binding, struct item_record *item)
{
    *item = (struct item_record){ 0 };
    row_item_place(binding, item);
    item->person = row_text(binding);
    item->preferred = row_text(binding);
    item->preferred_until_ms = row_number(binding);
    item->thread_key = row_id(binding);
    item->author_key = row_id(binding);
    item->posts = row_count(binding);
    item->numbered = row_count(binding);
    item->moves = row_count(binding);
    item->first_offered_ms = row_number(binding);
    item->reason = row_text(binding);
    item->escalated = row_text(binding);
    item->reply = row_id(binding);
    item->draft_by = row_text(binding);
    item->outcome = row_text(binding);
}

// What each function below returns: whether to go on reading.
static bool read_rules(struct database *database, const struct store_reader *reader)
{
    struct binding binding = database_bind(database, STATEMENT_READ_RULES);
    struct rules_record rules = { 0 };
    bool go_on = true;

    while (go_on && binding_row(&binding)) {
        rules.version = row_id(&binding);
        rules.name = row_text(&binding);
        rules.text = row_text(&binding);
        rules.at_ms = row_number(&binding);
        rules.reviewed = row_flag(&binding);
        go_on = reader->rules == NULL || reader->rules(reader->self, &rules);
    }
    binding_end(&binding);
    return go_on;
}

static bool read_freezes(struct database *database, const struct store_reader *reader)
{
    struct binding binding = database_bind(database, STATEMENT_READ_FREEZES);
    struct freeze_record freeze = { .frozen = true };
    bool go_on = true;

    while (go_on && reader->freeze != NULL && binding_row(&binding)) {
        freeze.brand = row_text(&binding);
        freeze.person = row_text(&binding);
        freeze.reason = row_text(&binding);
        freeze.at_ms = row_number(&binding);
        go_on = reader->freeze(reader->self, &freeze);
    }
    binding_end(&binding);
    return go_on;
}

static bool read_items(struct database *database, const struct store_reader *reader)
{
    struct binding binding = database_bind(database, STATEMENT_READ_ITEMS);
    struct item_record item;
    bool go_on = true;

    while (go_on && reader->item != NULL && binding_row(&binding)) {
        row_item(&binding, &item);
        go_on = database->error == SQLITE_OK && reader->item(reader->self, &item);
    }
    binding_end(&binding);
    return go_on;
}

static void row_reply(struct binding *binding, struct reply_record *reply)
{
    reply->reply = row_id(binding);
    reply->item = row_id(binding);
    reply->brand = row_text(binding);
    reply->channel = row_text(binding);
    reply->person = row_text(binding);
    reply->text = row_text(binding);
    reply->key = row_text(binding);
    reply->state = (enum reply_state) check_name(binding->database, store_reply_state_from_name(row_text(binding)),
                                                 REPLY_STATE_COUNT);
    reply->sealed = row_flag(binding);
    reply->instance = row_text(binding);
    reply->idempotent = row_flag(binding);
    reply->attempt = row_count(binding);
    reply->created_ms = row_number(binding);
    reply->handed_ms = row_number(binding);
    reply->settled_ms = row_number(binding);
    reply->reference = row_text(binding);
    reply->reason = row_text(binding);
}

static bool read_replies(struct database *database, const struct store_reader *reader)
{
    struct binding binding = database_bind(database, STATEMENT_READ_REPLIES);
    struct reply_record reply = { 0 };
    bool go_on = true;

    while (go_on && reader->reply != NULL && binding_row(&binding)) {
        row_reply(&binding, &reply);
        go_on = database->error == SQLITE_OK && reader->reply(reader->self, &reply);
    }
    binding_end(&binding);
    return go_on;
}

static void row_outcome(struct binding *binding, struct outcome_record *outcome)
{
    outcome->item = row_id(binding);
    outcome->outcome = row_text(binding);
    outcome->brand = row_text(binding);
    outcome->language = row_text(binding);
    outcome->audience = row_text(binding);
    outcome->person = row_text(binding);
    outcome->agency = row_text(binding);
    outcome->reason = row_text(binding);
    outcome->escalated = row_text(binding);
    outcome->reply = row_id(binding);
    outcome->created_ms = row_number(binding);
    outcome->closed_ms = row_number(binding);
    outcome->due_ms = row_number(binding);
    outcome->first_offered_ms = row_number(binding);
    outcome->posts = row_count(binding);
    outcome->moves = row_count(binding);
    outcome->sealed = row_flag(binding);
    outcome->thread_key = row_id(binding);
    outcome->author_key = row_id(binding);
}

static bool read_outcomes(struct database *database, const struct store_reader *reader)
{
    struct binding binding = database_bind(database, STATEMENT_READ_OUTCOMES);
    struct outcome_record outcome = { 0 };
    bool go_on = true;

    bind_number(&binding, reader->outcomes_since_ms);
    while (go_on && reader->outcome != NULL && binding_row(&binding)) {
        row_outcome(&binding, &outcome);
        go_on = reader->outcome(reader->self, &outcome);
    }
    binding_end(&binding);
    return go_on;
}

static bool read_early(struct database *database, const struct store_reader *reader)
{
    struct binding binding = database_bind(database, STATEMENT_READ_EARLY);
    bool go_on = true;

    while (go_on && reader->early != NULL && binding_row(&binding)) {
        struct early_record early = { 0 };
        early.channel = row_text(&binding);
        early.post = row_text(&binding);
        early.number = (uint32_t) row_number(&binding);
        early.deleted = row_flag(&binding);
        early.text = row_text(&binding);
        early.edited_ms = row_number(&binding);
        early.kept_ms = row_number(&binding);
        go_on = reader->early(reader->self, &early);
    }
    binding_end(&binding);
    return go_on;
}

static bool read_intake_keys(struct database *database, const struct store_reader *reader)
{
    struct binding binding = database_bind(database, STATEMENT_READ_INTAKE_KEYS);
    bool go_on = true;

    bind_number(&binding, reader->keys_since_ms);
    while (go_on && reader->intake_key != NULL && binding_row(&binding)) {
        const char *channel = row_text(&binding);
        const char *post = row_text(&binding);
        go_on = reader->intake_key(reader->self, channel, post, row_number(&binding));
    }
    binding_end(&binding);
    return go_on;
}

static bool read_requests(struct database *database, const struct store_reader *reader)
{
    struct binding binding = database_bind(database, STATEMENT_READ_REQUESTS);
    struct request_record request = { 0 };
    bool go_on = true;

    bind_number(&binding, reader->requests_since_ms);
    while (go_on && reader->request != NULL && binding_row(&binding)) {
        request.slot = row_id(&binding);
        request.number = row_id(&binding);
        request.at_ms = row_number(&binding);
        request.role = row_text(&binding);
        request.principal = row_text(&binding);
        request.id = row_number(&binding);
        request.type = row_text(&binding);
        request.digest = row_id(&binding);
        request.item = row_id(&binding);
        request.lease = row_id(&binding);
        request.state = row_text(&binding);
        request.reply = row_id(&binding);
        request.rules_version = row_id(&binding);
        go_on = reader->request(reader->self, &request);
    }
    binding_end(&binding);
    return go_on;
}

bool read_desk(struct database *database, const struct store_reader *reader)
{
    (void) (read_rules(database, reader) && read_freezes(database, reader) && read_items(database, reader) &&
            read_replies(database, reader) && read_outcomes(database, reader) && read_early(database, reader) &&
            read_intake_keys(database, reader) && read_requests(database, reader));
    return database->error == SQLITE_OK;
}
