// report.c - reports by key, a page at a time; no transaction is left open behind one.

#include "broker/store/answer.h"
#include "broker/store/sqlite/records.h"
#include "broker/store/story.h"

#include <string.h>

static bool report_state(struct database *database, struct report *report, uint64_t item)
{
    struct binding binding = database_bind(database, STATEMENT_REPORT_ITEM);

    bind_id(&binding, item);
    if (!binding_row(&binding)) {
        return false;
    }
    report->history.item = (int64_t) item;
    report->history.state = report_text(report, row_text(&binding));
    report->history.outcome = report_text(report, row_text(&binding));
    binding_end(&binding);
    return true;
}

static size_t report_row_event(struct binding *binding, struct report *report, struct behalf_event *event)
{
    event->sequence = row_number(binding);
    event->at_ms = row_number(binding);
    event->kind = report_text(report, row_text(binding));
    event->person = report_text(report, row_text(binding));
    event->queue = report_text(report, row_text(binding));
    event->rule = report_text(report, row_text(binding));
    event->rules_version = row_number(binding);
    event->detail = report_detail(report, row_text(binding), event->person);
    return strlen(event->detail) + strlen(event->queue) + strlen(event->rule) + strlen(event->person);
}

static void report_events(struct database *database, struct report *report)
{
    struct binding binding = database_bind(database, STATEMENT_REPORT_EVENTS);
    struct behalf_history *history = &report->history;
    size_t bytes = 0;

    history->events = report_allocate(report, (REPORT_EVENTS_MAX + 1) * sizeof *history->events);
    bind_number(&binding, history->item);
    bind_number(&binding, report->why.after);
    while (!history->more && binding_row(&binding)) {
        bytes += report_row_event(&binding, report, &history->events[history->events_count]);
        history->more =
            history->events_count == REPORT_EVENTS_MAX || (bytes > REPORT_BYTES_MAX && history->events_count > 0);
        history->events_count += !history->more;
    }
    binding_end(&binding);
}

// The newest item that a post of this channel and id is in; 0: there is none.
static uint64_t report_item_of_post(struct database *database, const struct report *report)
{
    struct binding binding = database_bind(database, STATEMENT_REPORT_POST);
    uint64_t item = 0;

    bind_text(&binding, report->why.channel);
    bind_text(&binding, report->why.post);
    if (binding_row(&binding)) {
        item = row_id(&binding);
        binding_end(&binding);
    }
    return item;
}

static void report_history(struct database *database, struct report *report)
{
    uint64_t item = (uint64_t) report->why.item;

    if (item == 0 && report->why.channel != NULL && report->why.post != NULL) {
        item = report_item_of_post(database, report);
    }
    if (item != 0 && report_state(database, report, item)) {
        report->found = true;
        report_events(database, report);
    }
}

static size_t report_row_ended(struct binding *binding, struct report *report, struct behalf_outcome *row)
{
    row->item = row_number(binding);
    row->outcome = report_text(report, row_text(binding));
    row->brand = report_text(report, row_text(binding));
    row->channel = report_text(report, row_text(binding));
    row->post = report_text(report, row_text(binding));
    row->author = report_text(report, row_text(binding));
    row->parent = report_text(report, row_text(binding));
    row->link = report_text(report, row_text(binding));
    row->language = report_text(report, row_text(binding));
    row->audience = report_text(report, row_text(binding));
    row->person = report_text(report, row_text(binding));
    row->agency = report_text(report, row_text(binding));
    row->reason = report_text(report, row_text(binding));
    row->escalated = report_text(report, row_text(binding));
    row->reply = report_text(report, row_text(binding));
    row->created_ms = row_number(binding);
    row->closed_ms = row_number(binding);
    row->posts = row_number(binding);
    row->moves = row_number(binding);
    row->late = row_flag(binding);
    return strlen(row->post) + strlen(row->author) + strlen(row->reason) + strlen(row->escalated) + strlen(row->reply) +
           strlen(row->link);
}

static void report_outcomes(struct database *database, struct report *report)
{
    struct binding binding = database_bind(database, STATEMENT_REPORT_OUTCOMES);
    const struct behalf_outcomes *asked = &report->outcomes;
    struct behalf_ended *ended = &report->ended;
    size_t limit = report_outcomes_limit(report);
    size_t bytes = 0;

    report->found = true;
    ended->next = asked->after;
    ended->rows = report_allocate(report, (limit + 1) * sizeof *ended->rows);
    bind_number(&binding, asked->after);
    bind_number(&binding, find_ended_since(database, asked->since_ms));
    bind_number(&binding, asked->since_ms);
    bind_text(&binding, asked->brand == NULL ? "" : asked->brand);
    bind_number(&binding, (int64_t) limit + 1);
    while (!ended->more && binding_row(&binding)) {
        int64_t number = row_number(&binding);
        bytes += report_row_ended(&binding, report, &ended->rows[ended->rows_count]);
        ended->more = ended->rows_count == limit || (bytes > REPORT_BYTES_MAX && ended->rows_count > 0);
        if (!ended->more) {
            ended->rows_count++;
            ended->next = number;
        }
    }
    binding_end(&binding);
}

static void report_texts(struct database *database, struct report *report)
{
    report->listed = report_allocate(report, report->item_count * sizeof *report->listed);
    for (size_t i = 0; i < report->item_count; i++) {
        struct binding binding = database_bind(database, STATEMENT_REPORT_TEXT);
        bind_id(&binding, report->items[i]);
        bind_flag(&binding, !report->sealed_too[i]);
        if (binding_row(&binding)) {
            const char *text = row_text(&binding);
            const char *parent = row_text(&binding);
            const char *link = row_text(&binding);
            report_listed(report, i, text, parent, link, row_number(&binding));
            binding_end(&binding);
        }
    }
    report->found = true;
}

static void report_row_post(struct binding *binding, struct report *report, uint64_t item)
{
    struct behalf_post post = { .channel = report_text(report, row_text(binding)) };

    post.post = report_text(report, row_text(binding));
    post.brand = report_text(report, row_text(binding));
    post.author = report_text(report, row_text(binding));
    post.author_name = report_text(report, row_text(binding));
    post.reach = row_number(binding);
    post.language = report_text(report, row_text(binding));
    post.thread = report_text(report, row_text(binding));
    post.text = report_text(report, row_text(binding));
    post.posted_ms = row_number(binding);
    *report_add_post(report) = (struct reported_post){ .item = item, .post = post };
}

static void report_posts(struct database *database, struct report *report)
{
    for (size_t i = 0; i < report->item_count; i++) {
        struct binding binding = database_bind(database, STATEMENT_REPORT_POSTS);
        bind_id(&binding, report->items[i]);
        bind_number(&binding, REPORT_POSTS_MAX);
        while (binding_row(&binding)) {
            report_row_post(&binding, report, report->items[i]);
        }
        binding_end(&binding);
    }
    report->found = true;
}

static void report_authors(struct database *database, struct report *report)
{
    struct binding binding = database_bind(database, STATEMENT_REPORT_AUTHORS);

    report->authors = report_allocate(report, REPORT_AUTHORS_MAX * sizeof *report->authors);
    bind_number(&binding, report->authors_from);
    bind_number(&binding, REPORT_AUTHORS_MAX);
    while (binding_row(&binding)) {
        report->authors[report->author_count++] = row_number(&binding);
    }
    report->found = true;
}

bool answer_report(struct database *database, struct report *report)
{
    switch (report->kind) {
    case REPORT_HISTORY:
        report_history(database, report);
        break;
    case REPORT_OUTCOMES:
        report_outcomes(database, report);
        break;
    case REPORT_TEXTS:
        report_texts(database, report);
        break;
    case REPORT_POSTS:
        report_posts(database, report);
        break;
    case REPORT_AUTHORS:
        report_authors(database, report);
        break;
    }
    return database->error == SQLITE_OK;
}
