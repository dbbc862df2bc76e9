// read.c - a desk read back in one snapshot, row by row as it comes, after a start.

#include "broker/store/answer.h"
#include "broker/store/postgres/records.h"

// A name that no version of ours wrote.
static unsigned check_name(struct cells *cells, unsigned value, unsigned count)
{
    if (value < count) {
        return value;
    }
    (void) connection_contradict(cells->connection, "a state of no known name");
    return 0;
}

static enum item_state cell_item_state(struct cells *cells)
{
    return (enum item_state) check_name(cells, store_item_state_from_name(cell_text(cells)), ITEM_STATE_COUNT);
}

// A number that must fit.
static uint32_t cell_count(struct cells *cells)
{
    int64_t number = cell_number(cells);

    if (number < 0 || number > UINT32_MAX) {
        (void) connection_contradict(cells->connection, "a count that is none");
        return 0;
    }
    return (uint32_t) number;
}

static void cell_item_place(struct cells *cells, struct item_record *item)
{
    item->item = cell_id(cells);
    item->brand = cell_text(cells);
    item->channel = cell_text(cells);
    item->audience = cell_text(cells);
    item->language = cell_text(cells);
    item->skills = cell_text(cells);
    item->state = cell_item_state(cells);
    item->band = (uint8_t) cell_count(cells);
    item->sealed = cell_flag(cells);
    item->returned = cell_flag(cells);
    item->approval = cell_flag(cells);
    item->fate_unknown = cell_flag(cells);
    item->created_ms = cell_number(cells);
    item->due_ms = cell_number(cells);
    item->since_ms = cell_number(cells);
    item->until_ms = cell_number(cells);
    item->lease = cell_id(cells);
}

void cell_item(struct cells *cells, struct item_record *item)
{
    *item = (struct item_record){ 0 };
    cell_item_place(cells, item);
    item->person = cell_text(cells);
    item->preferred = cell_text(cells);
    item->preferred_until_ms = cell_number(cells);
    item->thread_key = cell_id(cells);
    item->author_key = cell_id(cells);
    item->posts = cell_count(cells);
    item->numbered = cell_count(cells);
    item->moves = cell_count(cells);
    item->first_offered_ms = cell_number(cells);
    item->reason = cell_text(cells);
    item->escalated = cell_text(cells);
    item->reply = cell_id(cells);
    item->draft_by = cell_text(cells);
    item->outcome = cell_text(cells);
}

static bool read_rules(struct cells *cells, const struct store_reader *reader)
{
    struct rules_record rules = { 0 };

    rules.version = cell_id(cells);
    rules.name = cell_text(cells);
    rules.text = cell_text(cells);
    rules.at_ms = cell_number(cells);
    rules.reviewed = cell_flag(cells);
    return reader->rules(reader->self, &rules);
}

static bool read_freeze(struct cells *cells, const struct store_reader *reader)
{
    struct freeze_record freeze = { .frozen = true };

    freeze.brand = cell_text(cells);
    freeze.person = cell_text(cells);
    freeze.reason = cell_text(cells);
    freeze.at_ms = cell_number(cells);
    return reader->freeze(reader->self, &freeze);
}

static bool read_reply(struct cells *cells, const struct store_reader *reader)
{
    struct reply_record reply = { 0 };

    reply.reply = cell_id(cells);
    reply.item = cell_id(cells);
    reply.brand = cell_text(cells);
    reply.channel = cell_text(cells);
    reply.person = cell_text(cells);
    reply.text = cell_text(cells);
    reply.key = cell_text(cells);
    reply.state =
        (enum reply_state) check_name(cells, store_reply_state_from_name(cell_text(cells)), REPLY_STATE_COUNT);
    reply.sealed = cell_flag(cells);
    reply.instance = cell_text(cells);
    reply.idempotent = cell_flag(cells);
    reply.attempt = cell_count(cells);
    reply.created_ms = cell_number(cells);
    reply.handed_ms = cell_number(cells);
    reply.settled_ms = cell_number(cells);
    reply.reference = cell_text(cells);
    reply.reason = cell_text(cells);
    return !cells->connection->failed && reader->reply(reader->self, &reply);
}

static bool read_outcome(struct cells *cells, const struct store_reader *reader)
{
    struct outcome_record outcome = { 0 };

    outcome.item = cell_id(cells);
    outcome.outcome = cell_text(cells);
    outcome.brand = cell_text(cells);
    outcome.language = cell_text(cells);
    outcome.audience = cell_text(cells);
    outcome.person = cell_text(cells);
    outcome.agency = cell_text(cells);
    outcome.reason = cell_text(cells);
    outcome.escalated = cell_text(cells);
    outcome.reply = cell_id(cells);
    outcome.created_ms = cell_number(cells);
    outcome.closed_ms = cell_number(cells);
    outcome.due_ms = cell_number(cells);
    outcome.first_offered_ms = cell_number(cells);
    outcome.posts = cell_count(cells);
    outcome.moves = cell_count(cells);
    outcome.sealed = cell_flag(cells);
    outcome.thread_key = cell_id(cells);
    outcome.author_key = cell_id(cells);
    return !cells->connection->failed && reader->outcome(reader->self, &outcome);
}

static bool read_intake_key(struct cells *cells, const struct store_reader *reader)
{
    const char *channel = cell_text(cells);
    const char *post = cell_text(cells);

    return reader->intake_key(reader->self, channel, post, cell_number(cells));
}

static bool read_early(struct cells *cells, const struct store_reader *reader)
{
    struct early_record early = { 0 };

    early.channel = cell_text(cells);
    early.post = cell_text(cells);
    early.number = (uint32_t) cell_number(cells);
    early.deleted = cell_flag(cells);
    early.text = cell_text(cells);
    early.edited_ms = cell_number(cells);
    early.kept_ms = cell_number(cells);
    return !cells->connection->failed && reader->early(reader->self, &early);
}

static bool read_request(struct cells *cells, const struct store_reader *reader)
{
    struct request_record request = { 0 };

    request.slot = cell_id(cells);
    request.number = cell_id(cells);
    request.at_ms = cell_number(cells);
    request.role = cell_text(cells);
    request.principal = cell_text(cells);
    request.id = cell_number(cells);
    request.type = cell_text(cells);
    request.digest = cell_id(cells);
    request.item = cell_id(cells);
    request.lease = cell_id(cells);
    request.state = cell_text(cells);
    request.reply = cell_id(cells);
    request.rules_version = cell_id(cells);
    return !cells->connection->failed && reader->request(reader->self, &request);
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

static void send_page(struct connection *connection, uint64_t after)
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
        cell_item(&cells, &item);
        if (connection->failed || !reader->item(reader->self, &item)) {
            return false;
        }
    }
    return true;
}

static uint64_t last_item(struct connection *connection, const PGresult *page)
{
    struct cells cells = cells_of(connection, page, PQntuples(page) - 1);

    return cell_id(&cells);
}

// While a page is read the server makes the next one.
static bool read_items(struct connection *connection, const struct store_reader *reader)
{
    bool more = true;
    bool go_on = true;

    send_page(connection, 0);
    while (more && go_on) {
        PGresult *page = connection_take(connection);
        go_on = connection_synced(connection) && page != NULL;
        more = go_on && PQntuples(page) == PAGE_ITEMS;
        if (more) {
            send_page(connection, last_item(connection, page));
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

bool reading_run(struct connection *connection, const struct store_reader *reader)
{
    PQclear(connection_ask(connection, SQL_BEGIN_READING, NULL));
    PQclear(connection_ask(connection, SQL_NO_TIMEOUT, NULL));
    PQclear(connection_ask(connection, SQL_BY_INDEX, NULL));
    if (connection->failed || !read_all(connection, reader)) {
        return false;
    }
    PQclear(connection_ask(connection, SQL_COMMIT, NULL));
    return true;
}
