// read.c - a desk read back in one snapshot, row by row as it comes, after a start.

#include "broker/store/answer.h"
#include "broker/store/postgres/records.h"

#include <string.h>

// A number that must fit.
static int64_t read_cell_count(struct cells *cells, int64_t maximum)
{
    int64_t number = cell_number(cells);

    if (number < 0 || number > maximum) {
        (void) connection_contradict(cells->connection, "a count that is none");
        return 0;
    }
    return number;
}

void cell_record(struct cells *cells, enum record record, void *values)
{
    const struct record_columns *all = columns_of(record);

    memset(values, 0, all->record_bytes);
    for (size_t i = 0; i < all->count; i++) {
        const struct column *column = &all->columns[i];
        switch (column->kind) {
        case COLUMN_TEXT:
        case COLUMN_TEXT_OR_NULL:
            column_set_text(column, values, cell_text(cells));
            break;
        case COLUMN_ITEM_STATE:
        case COLUMN_REPLY_STATE:
            if (!store_set_state(column, values, cell_text(cells))) {
                (void) connection_contradict(cells->connection, "a state of no known name");
            }
            break;
        case COLUMN_COUNT:
            column_set_number(column, values, read_cell_count(cells, UINT32_MAX));
            break;
        case COLUMN_SMALL:
            column_set_number(column, values, read_cell_count(cells, UINT8_MAX));
            break;
        case COLUMN_FLAG:
            column_set_number(column, values, cell_flag(cells));
            break;
        case COLUMN_ID:
        case COLUMN_NUMBER:
            column_set_number(column, values, cell_number(cells));
            break;
        }
    }
}

static bool read_rules(struct cells *cells, const struct store_reader *reader)
{
    struct rules_record rules;

    cell_record(cells, RECORD_RULES, &rules);
    rules.reviewed = cell_flag(cells);
    return reader->rules(reader->self, &rules);
}

static bool read_freeze(struct cells *cells, const struct store_reader *reader)
{
    struct freeze_record freeze;

    cell_record(cells, RECORD_FREEZE, &freeze);
    return !cells->connection->failed && reader->freeze(reader->self, &freeze);
}

static bool read_reply(struct cells *cells, const struct store_reader *reader)
{
    struct reply_record reply;

    cell_record(cells, RECORD_REPLY, &reply);
    return !cells->connection->failed && reader->reply(reader->self, &reply);
}

static bool read_outcome(struct cells *cells, const struct store_reader *reader)
{
    struct outcome_record outcome;

    cell_record(cells, RECORD_OUTCOME, &outcome);
    return !cells->connection->failed && reader->outcome(reader->self, &outcome);
}

static bool read_early(struct cells *cells, const struct store_reader *reader)
{
    struct early_record early;

    cell_record(cells, RECORD_EARLY, &early);
    return !cells->connection->failed && reader->early(reader->self, &early);
}

static bool read_request(struct cells *cells, const struct store_reader *reader)
{
    struct request_record request;

    cell_record(cells, RECORD_REQUEST, &request);
    return !cells->connection->failed && reader->request(reader->self, &request);
}

static bool read_intake_key(struct cells *cells, const struct store_reader *reader)
{
    const char *channel = cell_text(cells);
    const char *post = cell_text(cells);

    return reader->intake_key(reader->self, channel, post, cell_number(cells));
}

// Streams a statement's rows into the reader; false when the reader stops.
static bool read_rows(struct connection *connection, const struct store_reader *reader, enum sql sql,
                      const struct parameters *parameters,
                      bool (*read)(struct cells *cells, const struct store_reader *reader))
{
    PGresult *result = NULL;
    bool go_on = true;

    connection_stream(connection, sql, parameters);
    while (go_on && (result = connection_next(connection)) != NULL) {
        for (int row = 0; go_on && row < PQntuples(result); row++) {
            struct cells cells = cells_of(connection, result, row);
            go_on = read(&cells, reader);
        }
        PQclear(result);
    }
    return go_on && !connection->failed;
}

// ---- items ----

// Items come by the page: a row by itself costs libpq half as much again.
#define PAGE_ITEMS 4096

static void read_send_page(struct connection *connection, uint64_t after)
{
    struct parameters parameters = { 0 };

    parameters_number(&parameters, (int64_t) after);
    parameters_number(&parameters, PAGE_ITEMS);
    connection_send(connection, SQL_READ_ITEMS, &parameters);
    connection_sync(connection);
}

static bool read_page(struct connection *connection, const struct store_reader *reader, const PGresult *page)
{
    struct item_record item;

    for (int row = 0; row < PQntuples(page); row++) {
        struct cells cells = cells_of(connection, page, row);
        cell_record(&cells, RECORD_ITEM, &item);
        if (connection->failed || !reader->item(reader->self, &item)) {
            return false;
        }
    }
    return true;
}

static uint64_t read_last_item(struct connection *connection, const PGresult *page)
{
    struct cells cells = cells_of(connection, page, PQntuples(page) - 1);

    return cell_id(&cells);
}

// While a page is read the server makes the next one.
static bool read_items(struct connection *connection, const struct store_reader *reader)
{
    bool more = true;
    bool go_on = true;

    read_send_page(connection, 0);
    while (more && go_on) {
        PGresult *page = connection_take(connection);
        go_on = connection_synced(connection) && page != NULL;
        more = go_on && PQntuples(page) == PAGE_ITEMS;
        if (more) {
            read_send_page(connection, read_last_item(connection, page));
        }
        go_on = go_on && read_page(connection, reader, page);
        PQclear(page);
    }
    return go_on && !connection->failed;
}

static bool read_all(struct connection *connection, const struct store_reader *reader)
{
    struct parameters outcomes_since = { 0 };
    struct parameters keys_since = { 0 };
    struct parameters requests_since = { 0 };

    parameters_number(&outcomes_since, reader->outcomes_since_ms);
    parameters_number(&keys_since, reader->keys_since_ms);
    parameters_number(&requests_since, reader->requests_since_ms);
    return (reader->rules == NULL || read_rows(connection, reader, SQL_READ_RULES, NULL, read_rules)) &&
           (reader->freeze == NULL || read_rows(connection, reader, SQL_READ_FREEZES, NULL, read_freeze)) &&
           (reader->item == NULL || read_items(connection, reader)) &&
           (reader->reply == NULL || read_rows(connection, reader, SQL_READ_REPLIES, NULL, read_reply)) &&
           (reader->outcome == NULL ||
            read_rows(connection, reader, SQL_READ_OUTCOMES, &outcomes_since, read_outcome)) &&
           (reader->early == NULL || read_rows(connection, reader, SQL_READ_EARLY, NULL, read_early)) &&
           (reader->intake_key == NULL ||
            read_rows(connection, reader, SQL_READ_INTAKE_KEYS, &keys_since, read_intake_key)) &&
           (reader->request == NULL || read_rows(connection, reader, SQL_READ_REQUESTS, &requests_since, read_request));
}

static bool read_is_behind(struct connection *connection)
{
    PGresult *row = connection_ask(connection, SQL_WHERE_TABLES_ARE, NULL);
    bool behind = false;

    if (row != NULL && PQntuples(row) == 1) {
        struct cells cells = cells_of(connection, row, 0);
        uint64_t decided = cell_id(&cells);
        behind = cell_id(&cells) != decided;
    }
    PQclear(row);
    return behind;
}

bool reading_run(struct connection *connection, const struct store_reader *reader, bool *behind)
{
    PQclear(connection_ask(connection, SQL_BEGIN_READING, NULL));
    PQclear(connection_ask(connection, SQL_NO_TIMEOUT, NULL));
    PQclear(connection_ask(connection, SQL_BY_INDEX, NULL));
    *behind = read_is_behind(connection);
    if (connection->failed || (!*behind && !read_all(connection, reader))) {
        return false;
    }
    PQclear(connection_ask(connection, SQL_COMMIT, NULL));
    return true;
}
