// report.c - reports by key, a page at a time; no transaction is left open behind one.

#include "broker/store/answer.h"
#include "broker/store/postgres/records.h"
#include "broker/store/story.h"

#include <assert.h>
#include <string.h>

static uint64_t report_find_item(struct connection *connection, const char *channel, const char *post)
{
    struct parameters parameters = { 0 };
    uint64_t item = 0;

    parameters_text(&parameters, channel);
    parameters_text(&parameters, post);
    PGresult *result = connection_ask(connection, SQL_REPORT_POST, &parameters);
    if (result != NULL && PQntuples(result) > 0) {
        struct cells cells = cells_of(connection, result, 0);
        item = cell_id(&cells);
    }
    PQclear(result);
    return item;
}

static bool report_state(struct connection *connection, struct report *report, uint64_t item)
{
    struct parameters parameters = { 0 };

    parameters_number(&parameters, (int64_t) item);
    PGresult *result = connection_ask(connection, SQL_REPORT_ITEM, &parameters);
    bool found = result != NULL && PQntuples(result) > 0;
    if (found) {
        struct cells cells = cells_of(connection, result, 0);
        report->history.item = (int64_t) item;
        report->history.state = report_text(report, cell_text(&cells));
        report->history.outcome = report_text(report, cell_text(&cells));
    }
    PQclear(result);
    return found;
}

static size_t report_cell_event(struct cells *cells, struct report *report, struct behalf_event *event)
{
    event->sequence = cell_number(cells);
    event->at_ms = cell_number(cells);
    event->kind = report_text(report, cell_text(cells));
    event->person = report_text(report, cell_text(cells));
    event->queue = report_text(report, cell_text(cells));
    event->rule = report_text(report, cell_text(cells));
    event->rules_version = cell_number(cells);
    event->detail = report_detail(report, cell_text(cells), event->person);
    return strlen(event->detail) + strlen(event->queue) + strlen(event->rule) + strlen(event->person);
}

static void report_events(struct connection *connection, struct report *report)
{
    struct behalf_history *history = &report->history;
    struct parameters parameters = { 0 };
    size_t bytes = 0;

    parameters_number(&parameters, history->item);
    parameters_number(&parameters, report->why.after);
    PGresult *result = connection_ask(connection, SQL_REPORT_EVENTS, &parameters);
    history->events = report_allocate(report, (REPORT_EVENTS_MAX + 1) * sizeof *history->events);
    for (int row = 0; result != NULL && !history->more && row < PQntuples(result); row++) {
        struct cells cells = cells_of(connection, result, row);
        bytes += report_cell_event(&cells, report, &history->events[history->events_count]);
        history->more =
            history->events_count == REPORT_EVENTS_MAX || (bytes > REPORT_BYTES_MAX && history->events_count > 0);
        history->events_count += !history->more;
    }
    PQclear(result);
}

static void report_history(struct connection *connection, struct report *report)
{
    uint64_t item = (uint64_t) report->why.item;

    if (item == 0 && report->why.channel != NULL && report->why.post != NULL) {
        item = report_find_item(connection, report->why.channel, report->why.post);
    }
    if (item != 0 && report_state(connection, report, item)) {
        report->found = true;
        report_events(connection, report);
    }
}

static size_t report_cell_ended(struct cells *cells, struct report *report, struct behalf_outcome *row)
{
    row->item = cell_number(cells);
    row->outcome = report_text(report, cell_text(cells));
    row->brand = report_text(report, cell_text(cells));
    row->channel = report_text(report, cell_text(cells));
    row->post = report_text(report, cell_text(cells));
    row->author = report_text(report, cell_text(cells));
    row->parent = report_text(report, cell_text(cells));
    row->link = report_text(report, cell_text(cells));
    row->language = report_text(report, cell_text(cells));
    row->audience = report_text(report, cell_text(cells));
    row->person = report_text(report, cell_text(cells));
    row->agency = report_text(report, cell_text(cells));
    row->reason = report_text(report, cell_text(cells));
    row->escalated = report_text(report, cell_text(cells));
    row->reply = report_text(report, cell_text(cells));
    row->created_ms = cell_number(cells);
    row->closed_ms = cell_number(cells);
    row->posts = cell_number(cells);
    row->moves = cell_number(cells);
    row->late = cell_flag(cells);
    return strlen(row->post) + strlen(row->author) + strlen(row->reason) + strlen(row->escalated) + strlen(row->reply) +
           strlen(row->link);
}

// Row by row: a page of the longest replies would be more than is ever sent.
static void report_outcomes(struct connection *connection, struct report *report)
{
    const struct behalf_outcomes *asked = &report->outcomes;
    struct behalf_ended *ended = &report->ended;
    struct parameters parameters = { 0 };
    size_t limit = report_outcomes_limit(report);
    PGresult *result = NULL;
    size_t bytes = 0;

    report->found = true;
    ended->next = asked->after;
    ended->rows = report_allocate(report, (limit + 1) * sizeof *ended->rows);
    parameters_number(&parameters, asked->after);
    parameters_number(&parameters, asked->since_ms);
    parameters_text(&parameters, asked->brand == NULL ? "" : asked->brand);
    parameters_number(&parameters, (int64_t) limit + 1);
    connection_stream(connection, SQL_REPORT_OUTCOMES, &parameters);
    while ((result = connection_next(connection)) != NULL) {
        for (int row = 0; !ended->more && row < PQntuples(result); row++) {
            struct cells cells = cells_of(connection, result, row);
            int64_t number = cell_number(&cells);
            bytes += report_cell_ended(&cells, report, &ended->rows[ended->rows_count]);
            ended->more = ended->rows_count == limit || (bytes > REPORT_BYTES_MAX && ended->rows_count > 0);
            if (!ended->more) {
                ended->rows_count++;
                ended->next = number;
            }
        }
        PQclear(result);
    }
}

static void report_texts(struct connection *connection, struct report *report)
{
    struct parameters parameters = { 0 };
    struct rows rows = { 0 };

    report->found = true;
    if (report->item_count == 0) {
        return;
    }
    report->listed = report_allocate(report, report->item_count * sizeof *report->listed);
    for (size_t i = 0; i < report->item_count; i++) {
        rows_id(&rows, report->items[i]);
        rows_flag(&rows, report->sealed_too[i]);
        rows_end(&rows);
    }
    parameters_rows(&parameters, &rows);
    PGresult *result = connection_ask(connection, SQL_REPORT_TEXTS, &parameters);
    for (int row = 0; result != NULL && row < PQntuples(result); row++) {
        struct cells cells = cells_of(connection, result, row);
        uint64_t which = cell_id(&cells);
        const char *text = cell_text(&cells);
        const char *parent = cell_text(&cells);
        const char *link = cell_text(&cells);
        if (which >= 1 && which <= report->item_count) {
            report_listed(report, which - 1, text, parent, link, cell_number(&cells));
        }
    }
    PQclear(result);
    rows_fini(&rows);
}

static void report_cell_post(struct cells *cells, struct report *report)
{
    uint64_t item = cell_id(cells);
    struct behalf_post post = { .channel = report_text(report, cell_text(cells)) };

    post.post = report_text(report, cell_text(cells));
    post.brand = report_text(report, cell_text(cells));
    post.author = report_text(report, cell_text(cells));
    post.author_name = report_text(report, cell_text(cells));
    post.reach = cell_number(cells);
    post.language = report_text(report, cell_text(cells));
    post.thread = report_text(report, cell_text(cells));
    post.text = report_text(report, cell_text(cells));
    post.posted_ms = cell_number(cells);
    *report_add_post(report) = (struct reported_post){ .item = item, .post = post };
}

static void report_posts(struct connection *connection, struct report *report)
{
    struct parameters parameters = { 0 };
    struct rows rows = { 0 };

    static_assert(REPORT_POSTS_MAX == 256, "as the statement has it");
    report->found = true;
    if (report->item_count == 0) {
        return;
    }
    for (size_t i = 0; i < report->item_count; i++) {
        rows_id(&rows, report->items[i]);
        rows_end(&rows);
    }
    parameters_rows(&parameters, &rows);
    PGresult *result = connection_ask(connection, SQL_REPORT_POSTS, &parameters);
    for (int row = 0; result != NULL && row < PQntuples(result); row++) {
        struct cells cells = cells_of(connection, result, row);
        report_cell_post(&cells, report);
    }
    PQclear(result);
    rows_fini(&rows);
}

static void report_authors(struct connection *connection, struct report *report)
{
    struct parameters parameters = { 0 };

    report->found = true;
    report->authors = report_allocate(report, REPORT_AUTHORS_MAX * sizeof *report->authors);
    parameters_number(&parameters, report->authors_from);
    parameters_number(&parameters, REPORT_AUTHORS_MAX);
    PGresult *result = connection_ask(connection, SQL_REPORT_AUTHORS, &parameters);
    for (int row = 0; result != NULL && row < PQntuples(result) && row < REPORT_AUTHORS_MAX; row++) {
        struct cells cells = cells_of(connection, result, row);
        report->authors[report->author_count++] = cell_number(&cells);
    }
    PQclear(result);
}

void reporting_run(struct connection *connection, struct report *report)
{
    switch (report->kind) {
    case REPORT_HISTORY:
        report_history(connection, report);
        break;
    case REPORT_OUTCOMES:
        report_outcomes(connection, report);
        break;
    case REPORT_TEXTS:
        report_texts(connection, report);
        break;
    case REPORT_POSTS:
        report_posts(connection, report);
        break;
    case REPORT_AUTHORS:
        report_authors(connection, report);
        break;
    }
}
