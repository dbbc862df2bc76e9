// question.c - what rides behind a commit, many questions in a statement: a column of the answer tells whose it is.

#include "broker/store/answer.h"
#include "broker/store/postgres/records.h"
#include "broker/store/story.h"
#include "proto/base/must.h"

#include <stdlib.h>
#include <string.h>

#define ITEMS_AT_ONCE 128 // questions about items in one statement, so that answers stay within bounds

struct asked {
    struct batch *batch; // whose memory the answer's texts go to
    struct question *question;
    struct story story; // ITEM, while it is told
};

// The questions of one kind, of all batches of the group.
struct asked_kind {
    struct asked *asked;
    size_t count;
    size_t room;
};

#define KIND_COUNT (QUESTION_SETTLED_REPLY + 1)

struct asking {
    struct asked_kind kinds[KIND_COUNT];
    size_t count;
};

static void question_add(struct asking *asking, struct batch *batch, struct question *question)
{
    must(question->kind < KIND_COUNT);
    struct asked_kind *kind = &asking->kinds[question->kind];

    if (kind->count == kind->room) {
        kind->room = kind->room == 0 ? 16 : kind->room * 2;
        kind->asked = realloc(kind->asked, kind->room * sizeof *kind->asked);
        must(kind->asked != NULL);
    }
    question->found = false;
    question->known = NULL;
    kind->asked[kind->count++] = (struct asked){ .batch = batch, .question = question };
    asking->count++;
}

struct asking *asking_new(struct batch *group)
{
    struct asking *asking = calloc(1, sizeof *asking);

    must(asking != NULL);
    for (; group != NULL; group = batch_next(group)) {
        struct question *question = batch_questions(group);
        for (; question != NULL; question = question->next) {
            question_add(asking, group, question);
        }
    }
    return asking;
}

void asking_destroy(struct asking **asking_p)
{
    struct asking *asking = *asking_p;

    if (asking != NULL) {
        for (size_t i = 0; i < KIND_COUNT; i++) {
            free(asking->kinds[i].asked);
        }
        free(asking);
        *asking_p = NULL;
    }
}

bool asking_is_empty(const struct asking *asking)
{
    return asking->count == 0;
}

// ---- sending ----

static void question_send_intakes(const struct asked_kind *kind, struct connection *connection)
{
    struct rows rows = { 0 };

    for (size_t i = 0; i < kind->count; i++) {
        rows_text(&rows, kind->asked[i].question->channel);
        rows_text(&rows, kind->asked[i].question->post);
        rows_end(&rows);
    }
    connection_send_rows(connection, SQL_ASK_INTAKES, &rows);
    rows_fini(&rows);
}

static const enum sql item_statements[] = { SQL_ASK_AUTHORS, SQL_ASK_POSTS,   SQL_ASK_REPLIES,
                                            SQL_ASK_NOTES,   SQL_ASK_EARLIER, SQL_ASK_EARLIER_REPLIES };
#define ITEM_STATEMENTS (sizeof item_statements / sizeof *item_statements)

static void question_send_items(const struct asked_kind *kind, struct connection *connection)
{
    struct rows rows = { 0 };

    for (size_t from = 0; from < kind->count; from += ITEMS_AT_ONCE) {
        for (size_t i = from; i < kind->count && i < from + ITEMS_AT_ONCE; i++) {
            rows_id(&rows, kind->asked[i].question->item);
            rows_flag(&rows, kind->asked[i].question->for_agent);
            rows_end(&rows);
        }
        for (size_t i = 0; i < ITEM_STATEMENTS; i++) {
            connection_send_rows(connection, item_statements[i], &rows);
        }
        rows_clear(&rows);
    }
    rows_fini(&rows);
}

static void question_send_ids(const struct asked_kind *kind, struct connection *connection, enum sql sql, bool replies)
{
    struct rows rows = { 0 };

    for (size_t i = 0; i < kind->count; i++) {
        rows_id(&rows, replies ? kind->asked[i].question->reply : kind->asked[i].question->item);
        rows_end(&rows);
    }
    connection_send_rows(connection, sql, &rows);
    rows_fini(&rows);
}

void asking_send(struct asking *asking, struct connection *connection)
{
    question_send_intakes(&asking->kinds[QUESTION_INTAKE], connection);
    question_send_items(&asking->kinds[QUESTION_ITEM], connection);
    question_send_ids(&asking->kinds[QUESTION_REPLY], connection, SQL_ASK_HANDINGS, true);
    question_send_ids(&asking->kinds[QUESTION_CLOSED_ITEM], connection, SQL_ASK_CLOSED_ITEMS, false);
    question_send_ids(&asking->kinds[QUESTION_SETTLED_REPLY], connection, SQL_ASK_SETTLED_REPLIES, true);
}

// ---- taking ----

static void question_take_intake(struct asked *asked, struct cells *cells)
{
    struct known_post *known = question_add_known(asked->question, asked->batch);

    known->item = cell_id(cells);
    known->deleted = cell_flag(cells);
    known->post.brand = batch_text(asked->batch, cell_text(cells));
    known->post.author = batch_text(asked->batch, cell_text(cells));
    known->post.author_name = batch_text(asked->batch, cell_text(cells));
    known->post.reach = cell_number(cells);
    known->post.language = batch_text(asked->batch, cell_text(cells));
    known->post.thread = batch_text(asked->batch, cell_text(cells));
    known->post.posted_ms = cell_number(cells);
    known->first_text = known->post.text = batch_text(asked->batch, cell_text(cells));
    known->edited = !cell_is_null(cells);
    const char *edited_text = cell_text(cells);
    if (known->edited) {
        known->post.text = batch_text(asked->batch, edited_text);
    }
    known->edited_ms = cell_number(cells);
}

static void question_take_author(struct asked *asked, struct cells *cells)
{
    struct behalf_item *view = &asked->question->view;

    asked->question->found = true;
    view->item = (int64_t) asked->question->item;
    view->brand = batch_text(asked->batch, cell_text(cells));
    view->channel = batch_text(asked->batch, cell_text(cells));
    view->author = batch_text(asked->batch, cell_text(cells));
    view->author_name = batch_text(asked->batch, cell_text(cells));
    view->reach = cell_number(cells);
    view->draft_by = batch_text(asked->batch, cell_text(cells));
    view->draft = batch_text(asked->batch, cell_text(cells));
    story_init(&asked->story, asked->batch);
}

static void question_tell(struct asked *asked, const struct behalf_entry *entry)
{
    if (asked->question->found && story_has_room(&asked->story)) {
        story_add(&asked->story, entry);
    }
}

static void question_take_post_as(struct asked *asked, struct cells *cells, const char *kind)
{
    struct story_post post = { .author = cell_text(cells) };

    post.post = cell_text(cells);
    post.language = cell_text(cells);
    post.at_ms = cell_number(cells);
    post.text = cell_text(cells);
    bool edited = !cell_is_null(cells);
    const char *edited_text = cell_text(cells);
    post.edited_text = edited ? edited_text : NULL;
    post.deleted = cell_flag(cells);
    post.parent = cell_text(cells);
    post.link = cell_text(cells);
    post.media = cell_number(cells);
    if (asked->question->found && story_has_room(&asked->story)) {
        story_add_post(&asked->story, kind, &post);
    }
}

static void question_take_post(struct asked *asked, struct cells *cells)
{
    question_take_post_as(asked, cells, "post");
}

static void question_take_earlier(struct asked *asked, struct cells *cells)
{
    question_take_post_as(asked, cells, "earlier");
}

static void question_take_reply(struct asked *asked, struct cells *cells)
{
    struct behalf_entry entry = { .kind = "reply" };

    entry.author = cell_text(cells);
    entry.text = cell_text(cells);
    entry.at_ms = cell_number(cells);
    question_tell(asked, &entry);
}

static void question_take_note(struct asked *asked, struct cells *cells)
{
    struct behalf_entry entry = { 0 };

    entry.kind = cell_text(cells);
    entry.author = cell_text(cells);
    entry.text = cell_text(cells);
    entry.at_ms = cell_number(cells);
    question_tell(asked, &entry);
}

static void question_take_handing(struct asked *asked, struct cells *cells)
{
    struct behalf_reply *handing = &asked->question->handing;

    asked->question->found = true;
    handing->reply = cell_number(cells);
    handing->key = batch_text(asked->batch, cell_text(cells));
    handing->item = cell_number(cells);
    handing->brand = batch_text(asked->batch, cell_text(cells));
    handing->channel = batch_text(asked->batch, cell_text(cells));
    handing->text = batch_text(asked->batch, cell_text(cells));
    handing->attempt = cell_number(cells);
    handing->post = batch_text(asked->batch, cell_text(cells));
    handing->author = batch_text(asked->batch, cell_text(cells));
    handing->thread = batch_text(asked->batch, cell_text(cells));
}

static void question_take_closed_item(struct asked *asked, struct cells *cells)
{
    asked->question->found = true;
    cell_record(cells, RECORD_ITEM, &asked->question->record);
    item_record_keep(&asked->question->record, asked->batch);
}

static void question_take_settled_reply(struct asked *asked, struct cells *cells)
{
    asked->question->found = true;
    asked->question->found_item = cell_id(cells);
    asked->question->found_instance = batch_text(asked->batch, cell_text(cells));
}

// Takes a statement's answer and gives each row to the question it is for.
static void question_take_rows(struct asked *asked, size_t count, struct connection *connection,
                               void (*take)(struct asked *asked, struct cells *cells))
{
    PGresult *result = connection_take(connection);

    for (int row = 0; result != NULL && !connection->failed && row < PQntuples(result); row++) {
        struct cells cells = cells_of(connection, result, row);
        uint64_t which = cell_id(&cells);
        if (which < 1 || which > count) {
            (void) connection_contradict(connection, "an answer to no question");
            break;
        }
        take(&asked[which - 1], &cells);
    }
    PQclear(result);
}

static void question_take_items(struct asked_kind *kind, struct connection *connection)
{
    static void (*const takes[ITEM_STATEMENTS])(struct asked * asked,
                                                struct cells * cells) = { question_take_author,  question_take_post,
                                                                          question_take_reply,   question_take_note,
                                                                          question_take_earlier, question_take_reply };

    for (size_t from = 0; from < kind->count; from += ITEMS_AT_ONCE) {
        size_t count = kind->count - from < ITEMS_AT_ONCE ? kind->count - from : ITEMS_AT_ONCE;
        for (size_t i = 0; i < ITEM_STATEMENTS; i++) {
            question_take_rows(kind->asked + from, count, connection, takes[i]);
        }
        for (size_t i = from; i < from + count; i++) {
            if (kind->asked[i].question->found) {
                story_finish(&kind->asked[i].story, &kind->asked[i].question->view);
            }
        }
    }
}

static void question_take_kind(struct asked_kind *kind, struct connection *connection,
                               void (*take)(struct asked *asked, struct cells *cells))
{
    if (kind->count > 0) {
        question_take_rows(kind->asked, kind->count, connection, take);
    }
}

void asking_take(struct asking *asking, struct connection *connection)
{
    question_take_kind(&asking->kinds[QUESTION_INTAKE], connection, question_take_intake);
    question_take_items(&asking->kinds[QUESTION_ITEM], connection);
    question_take_kind(&asking->kinds[QUESTION_REPLY], connection, question_take_handing);
    question_take_kind(&asking->kinds[QUESTION_CLOSED_ITEM], connection, question_take_closed_item);
    question_take_kind(&asking->kinds[QUESTION_SETTLED_REPLY], connection, question_take_settled_reply);
}
