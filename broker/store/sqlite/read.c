// read.c - a desk read back, row by row, after a start.

#include "broker/store/answer.h"
#include "broker/store/sqlite/records.h"
#include "proto/base/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A name that no version of ours wrote.
static unsigned read_check_name(struct database *database, unsigned value, unsigned count)
{
    if (value < count) {
        return value;
    }
    database->error = SQLITE_CORRUPT;
    snprintf(database->message, sizeof database->message, "a state of no known name");
    return 0;
}

static int64_t read_row_item_state(struct binding *binding)
{
    return read_check_name(binding->database, store_item_state_from_name(row_text(binding)), ITEM_STATE_COUNT);
}

static int64_t read_row_reply_state(struct binding *binding)
{
    return read_check_name(binding->database, store_reply_state_from_name(row_text(binding)), REPLY_STATE_COUNT);
}

void row_record(struct binding *binding, enum record record, void *values)
{
    const struct record_columns *all = columns_of(record);

    memset(values, 0, all->record_bytes);
    for (size_t i = 0; i < all->count; i++) {
        const struct column *column = &all->columns[i];
        switch (column->kind) {
        case COLUMN_TEXT:
        case COLUMN_TEXT_OR_NULL:
            column_set_text(column, values, row_text(binding));
            break;
        case COLUMN_ITEM_STATE:
            column_set_number(column, values, read_row_item_state(binding));
            break;
        case COLUMN_REPLY_STATE:
            column_set_number(column, values, read_row_reply_state(binding));
            break;
        case COLUMN_ID:
        case COLUMN_NUMBER:
        case COLUMN_COUNT:
        case COLUMN_SMALL:
        case COLUMN_FLAG:
            column_set_number(column, values, row_number(binding));
            break;
        }
    }
}

// What each function below returns: whether to go on reading.
static bool read_rules(struct database *database, const struct store_reader *reader)
{
    struct binding binding = database_bind(database, STATEMENT_READ_RULES);
    struct rules_record rules;
    bool go_on = true;

    while (go_on && binding_row(&binding)) {
        row_record(&binding, RECORD_RULES, &rules);
        rules.reviewed = row_flag(&binding);
        go_on = reader->rules == NULL || reader->rules(reader->self, &rules);
    }
    binding_end(&binding);
    return go_on;
}

static bool read_freezes(struct database *database, const struct store_reader *reader)
{
    struct binding binding = database_bind(database, STATEMENT_READ_FREEZES);
    struct freeze_record freeze;
    bool go_on = true;

    while (go_on && reader->freeze != NULL && binding_row(&binding)) {
        row_record(&binding, RECORD_FREEZE, &freeze);
        go_on = database->error == SQLITE_OK && reader->freeze(reader->self, &freeze);
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
        row_record(&binding, RECORD_ITEM, &item);
        go_on = database->error == SQLITE_OK && reader->item(reader->self, &item);
    }
    binding_end(&binding);
    return go_on;
}

struct numbers {
    uint64_t *numbers;
    size_t count;
    size_t room;
};

static void read_add_number(struct numbers *numbers, uint64_t number)
{
    if (numbers->count == numbers->room) {
        numbers->room = numbers->room == 0 ? 256 : numbers->room * 2;
        numbers->numbers = realloc(numbers->numbers, numbers->room * sizeof *numbers->numbers);
        must(numbers->numbers != NULL);
    }
    numbers->numbers[numbers->count++] = number;
}

static int read_compare_numbers(const void *a, const void *b)
{
    uint64_t first = *(const uint64_t *) a;
    uint64_t second = *(const uint64_t *) b;

    return first < second ? -1 : first > second;
}

// The open replies of open items, which come in the order of these.
static void read_list_replies(struct database *database, struct numbers *replies)
{
    struct binding binding = database_bind(database, STATEMENT_OPEN_REPLIES);

    while (binding_row(&binding)) {
        read_add_number(replies, row_id(&binding));
    }
    if (replies->count > 0) {
        qsort(replies->numbers, replies->count, sizeof *replies->numbers, read_compare_numbers);
    }
}

static bool read_reply(struct database *database, const struct store_reader *reader, uint64_t number)
{
    struct binding binding = database_bind(database, STATEMENT_READ_REPLY);
    struct reply_record reply;
    bool go_on = true;

    bind_id(&binding, number);
    if (binding_row(&binding)) {
        row_record(&binding, RECORD_REPLY, &reply);
        go_on = database->error == SQLITE_OK && reader->reply(reader->self, &reply);
    }
    binding_end(&binding);
    return go_on;
}

static bool read_replies(struct database *database, const struct store_reader *reader)
{
    struct numbers replies = { 0 };
    bool go_on = true;

    if (reader->reply != NULL) {
        read_list_replies(database, &replies);
    }
    for (size_t i = 0; go_on && i < replies.count; i++) {
        go_on = read_reply(database, reader, replies.numbers[i]);
    }
    free(replies.numbers);
    return go_on;
}

static int64_t read_last_ended(struct database *database)
{
    struct binding binding = database_bind(database, STATEMENT_LAST_ENDED);
    int64_t ended = 0;

    if (binding_row(&binding)) {
        ended = row_number(&binding);
        binding_end(&binding);
    }
    return ended;
}

int64_t find_ended_since(struct database *database, int64_t closed_ms)
{
    int64_t low = 1; // all before it ended earlier
    int64_t high = closed_ms > 0 ? read_last_ended(database) + 1 : 1;

    while (low < high) {
        struct binding binding = database_bind(database, STATEMENT_ENDED_FROM);
        int64_t middle = low + (high - low) / 2;
        bind_number(&binding, middle);
        if (!binding_row(&binding)) {
            break;
        }
        int64_t ended = row_number(&binding); // the next there is
        bool earlier = row_number(&binding) < closed_ms;
        binding_end(&binding);
        low = earlier ? ended + 1 : low;
        high = earlier ? high : middle;
    }
    return low;
}

static bool read_outcomes(struct database *database, const struct store_reader *reader)
{
    struct binding binding = database_bind(database, STATEMENT_READ_OUTCOMES);
    struct outcome_record outcome;
    bool go_on = true;

    bind_number(&binding, find_ended_since(database, reader->outcomes_since_ms));
    bind_number(&binding, reader->outcomes_since_ms);
    while (go_on && reader->outcome != NULL && binding_row(&binding)) {
        row_record(&binding, RECORD_OUTCOME, &outcome);
        go_on = database->error == SQLITE_OK && reader->outcome(reader->self, &outcome);
    }
    binding_end(&binding);
    return go_on;
}

static bool read_early(struct database *database, const struct store_reader *reader)
{
    struct binding binding = database_bind(database, STATEMENT_READ_EARLY);
    struct early_record early;
    bool go_on = true;

    while (go_on && reader->early != NULL && binding_row(&binding)) {
        row_record(&binding, RECORD_EARLY, &early);
        go_on = database->error == SQLITE_OK && reader->early(reader->self, &early);
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
    struct request_record request;
    bool go_on = true;

    bind_number(&binding, reader->requests_since_ms);
    while (go_on && reader->request != NULL && binding_row(&binding)) {
        row_record(&binding, RECORD_REQUEST, &request);
        go_on = database->error == SQLITE_OK && reader->request(reader->self, &request);
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
