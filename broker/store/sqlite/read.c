// read.c - a desk read back, row by row, after a start.

#include "broker/store/answer.h"
#include "broker/store/sqlite/read_ahead.h"
#include "broker/store/sqlite/records.h"
#include "proto/base/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Sets a state by its name, which some version of ours wrote.
static void read_state(struct database *database, const struct column *column, void *values, const char *name)
{
    if (!store_set_state(column, values, name)) {
        database->error = SQLITE_CORRUPT;
        snprintf(database->message, sizeof database->message, "a state of no known name");
    }
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
        case COLUMN_REPLY_STATE:
            read_state(binding->database, column, values, row_text(binding));
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

// ---- rows of which there may be millions, as values ----

static const char *read_text(sqlite3_value *value)
{
    const unsigned char *text = sqlite3_value_text(value);

    return text == NULL ? "" : (const char *) text;
}

static void read_item_of(struct database *database, sqlite3_value **values, struct item_record *item)
{
    const struct record_columns *all = columns_of(RECORD_ITEM);

    memset(item, 0, sizeof *item);
    for (size_t i = 0; i < all->count; i++) {
        const struct column *column = &all->columns[i];
        switch (column->kind) {
        case COLUMN_TEXT:
        case COLUMN_TEXT_OR_NULL:
            column_set_text(column, item, read_text(values[i]));
            break;
        case COLUMN_ITEM_STATE:
        case COLUMN_REPLY_STATE:
            read_state(database, column, item, read_text(values[i]));
            break;
        case COLUMN_ID:
        case COLUMN_NUMBER:
        case COLUMN_COUNT:
        case COLUMN_SMALL:
        case COLUMN_FLAG:
            column_set_number(column, item, sqlite3_value_int64(values[i]));
            break;
        }
    }
}

struct read_taking {
    struct database *database;
    const struct store_reader *reader;
};

static bool read_take_item(void *self, sqlite3_value **values)
{
    struct read_taking *taking = self;
    struct item_record item;

    read_item_of(taking->database, values, &item);
    return taking->database->error == SQLITE_OK && taking->reader->item(taking->reader->self, &item);
}

static bool read_take_key(void *self, sqlite3_value **values)
{
    const struct read_taking *taking = self;

    return taking->reader->intake_key(taking->reader->self, read_text(values[0]), read_text(values[1]),
                                      sqlite3_value_int64(values[2]));
}

// Runs a statement that gives its rows to `take_row`.
static bool read_take_all(struct binding *binding, const struct store_reader *reader,
                          bool (*take_row)(void *self, sqlite3_value **values))
{
    struct database *database = binding->database;
    struct read_taking taking = { .database = database, .reader = reader };
    bool go_on = true;

    database->take_row = take_row;
    database->take_row_self = &taking;
    while (go_on && binding_row(binding)) {
        go_on = row_flag(binding);
    }
    binding_end(binding);
    database->take_row = NULL;
    return go_on;
}

static bool read_items(struct database *database, const struct store_reader *reader)
{
    struct binding binding = database_bind(database, STATEMENT_READ_ITEMS);

    return read_take_all(&binding, reader, read_take_item);
}

static bool read_intake_keys(struct database *database, const struct store_reader *reader)
{
    struct binding binding = database_bind(database, STATEMENT_READ_INTAKE_KEYS);

    bind_number(&binding, reader->keys_since_ms);
    return read_take_all(&binding, reader, read_take_key);
}

// ---- what each function below returns: whether to go on reading ----

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

// Which of an item's replies are open.
static bool read_list_replies(struct database *database, uint64_t item, struct numbers *replies)
{
    struct binding binding = database_bind(database, STATEMENT_OPEN_REPLIES);

    bind_id(&binding, item);
    while (binding_row(&binding)) {
        read_add_number(replies, row_id(&binding));
    }
    return database->error == SQLITE_OK;
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

// The open replies of the items that have a reply, by their numbers.
static bool read_replies(struct database *database, const struct store_reader *reader, const struct numbers *items)
{
    struct numbers replies = { 0 };
    bool go_on = true;

    for (size_t i = 0; go_on && reader->reply != NULL && i < items->count; i++) {
        go_on = read_list_replies(database, items->numbers[i], &replies);
    }
    if (replies.count > 0) {
        qsort(replies.numbers, replies.count, sizeof *replies.numbers, read_compare_numbers);
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

// Passes the items on, and notes which have a reply.
struct noting {
    const struct store_reader *reader;
    struct numbers with_reply;
};

static bool read_note_item(void *self, const struct item_record *item)
{
    struct noting *noting = self;

    if (item->reply > 0) {
        read_add_number(&noting->with_reply, item->item);
    }
    return noting->reader->item == NULL || noting->reader->item(noting->reader->self, item);
}

// Reads rows of which there may be millions: ahead, where the database is a file that can be opened once more.
static bool read_many(struct database *database, const struct store_reader *reader, read_rows *read,
                      struct read_ahead *ahead)
{
    return ahead != NULL ? read_ahead_give(ahead, database, reader) : read(database, reader);
}

static bool read_items_and_replies(struct database *database, const struct store_reader *reader,
                                   struct read_ahead *items)
{
    struct noting noting = { .reader = reader };
    const struct store_reader noted = { .self = &noting, .item = read_note_item };
    bool go_on = true;

    if (reader->item != NULL || reader->reply != NULL) {
        go_on = read_many(database, &noted, read_items, items) && read_replies(database, reader, &noting.with_reply);
    }
    free(noting.with_reply.numbers);
    return go_on;
}

bool read_desk(struct database *database, const struct store_reader *reader)
{
    struct read_ahead *items = NULL, *keys = NULL;

    if (database->folder != NULL && reader->item != NULL && reader->intake_key != NULL) {
        items = read_ahead_new(database, reader, read_items);
        keys = read_ahead_new(database, reader, read_intake_keys);
    }
    (void) (read_rules(database, reader) && read_freezes(database, reader) &&
            read_items_and_replies(database, reader, items) && read_outcomes(database, reader) &&
            read_early(database, reader) &&
            (reader->intake_key == NULL || read_many(database, reader, read_intake_keys, keys)) &&
            read_requests(database, reader));
    read_ahead_destroy(&items);
    read_ahead_destroy(&keys);
    return database->error == SQLITE_OK;
}
