// question.c - what rides behind a commit: is this post known, what is shown of an item, what is published.

#include "broker/store/answer.h"
#include "broker/store/sqlite/records.h"
#include "broker/store/story.h"

#include <string.h>

static void question_answer_intake(struct database *database, struct batch *batch, struct question *question)
{
    struct binding binding = database_bind(database, STATEMENT_ASK_INTAKE);

    bind_text(&binding, question->channel);
    bind_text(&binding, question->post);
    while (binding_row(&binding)) {
        struct known_post *known = question_add_known(question, batch);
        known->item = row_id(&binding);
        known->deleted = row_flag(&binding);
        known->post.brand = batch_text(batch, row_text(&binding));
        known->post.author = batch_text(batch, row_text(&binding));
        known->post.author_name = batch_text(batch, row_text(&binding));
        known->post.reach = row_number(&binding);
        known->post.language = batch_text(batch, row_text(&binding));
        known->post.thread = batch_text(batch, row_text(&binding));
        known->post.posted_ms = row_number(&binding);
        known->first_text = known->post.text = batch_text(batch, row_text(&binding));
        known->edited = !row_is_null(&binding);
        const char *edited_text = row_text(&binding);
        if (known->edited) {
            known->post.text = batch_text(batch, edited_text);
        }
        known->edited_ms = row_number(&binding);
    }
}

static struct story_post question_row_post(struct binding *binding)
{
    struct story_post post = { .author = row_text(binding) };

    post.post = row_text(binding);
    post.language = row_text(binding);
    post.at_ms = row_number(binding);
    post.text = row_text(binding);
    bool edited = !row_is_null(binding);
    const char *edited_text = row_text(binding);
    post.edited_text = edited ? edited_text : NULL;
    post.deleted = row_flag(binding);
    post.parent = row_text(binding);
    post.link = row_text(binding);
    post.media = row_number(binding);
    return post;
}

static void question_tell_posts(struct database *database, struct story *story, const struct question *question)
{
    struct binding binding = database_bind(database, STATEMENT_ASK_POSTS);

    bind_id(&binding, question->item);
    bind_flag(&binding, question->for_agent);
    while (binding_row(&binding)) {
        struct story_post post = question_row_post(&binding);
        story_add_post(story, "post", &post);
    }
}

static void question_tell_replies(struct database *database, struct story *story, uint64_t item, bool for_agent)
{
    struct binding binding = database_bind(database, STATEMENT_ASK_REPLIES);

    bind_id(&binding, item);
    bind_flag(&binding, for_agent);
    while (binding_row(&binding)) {
        struct behalf_entry entry = { .kind = "reply" };
        entry.author = row_text(&binding);
        entry.text = row_text(&binding);
        entry.at_ms = row_number(&binding);
        if (story_has_room(story)) {
            story_add(story, &entry);
        }
    }
}

static void question_tell_notes(struct database *database, struct story *story, const struct question *question)
{
    struct binding binding = database_bind(database, STATEMENT_ASK_NOTES);

    bind_id(&binding, question->item);
    bind_flag(&binding, question->for_agent);
    while (binding_row(&binding)) {
        struct behalf_entry entry = { 0 };
        entry.kind = row_text(&binding);
        entry.author = row_text(&binding);
        entry.text = row_text(&binding);
        entry.at_ms = row_number(&binding);
        story_add(story, &entry);
    }
}

static void question_tell_earlier(struct database *database, struct story *story, const struct question *question,
                                  uint64_t author_key)
{
    struct binding binding = database_bind(database, STATEMENT_ASK_EARLIER);
    uint64_t items[STORY_EARLIER_MAX];
    size_t count = 0;

    bind_id(&binding, question->item);
    bind_flag(&binding, question->for_agent);
    bind_id(&binding, author_key);
    bind_text(&binding, question->view.brand);
    while (binding_row(&binding)) {
        struct story_post post = question_row_post(&binding);
        story_add_post(story, "earlier", &post);
        uint64_t item = row_id(&binding);
        if (count == 0 || items[count - 1] != item) {
            items[count++] = item;
        }
    }
    for (size_t i = 0; i < count; i++) {
        question_tell_replies(database, story, items[i], question->for_agent);
    }
}

static void question_show_draft(struct database *database, struct batch *batch, struct question *question)
{
    struct binding binding = database_bind(database, STATEMENT_ASK_DRAFT);

    question->view.draft = "";
    question->view.draft_by = "";
    bind_id(&binding, question->item);
    bind_flag(&binding, question->for_agent);
    if (binding_row(&binding)) {
        question->view.draft_by = batch_text(batch, row_text(&binding));
        question->view.draft = batch_text(batch, row_text(&binding));
        binding_end(&binding);
    }
}

static void question_answer_item(struct database *database, struct batch *batch, struct question *question)
{
    struct binding binding = database_bind(database, STATEMENT_ASK_AUTHOR);
    struct behalf_item *view = &question->view;
    struct story story;

    bind_id(&binding, question->item);
    if (!binding_row(&binding)) {
        return;
    }
    question->found = true;
    view->item = (int64_t) question->item;
    view->brand = batch_text(batch, row_text(&binding));
    view->channel = batch_text(batch, row_text(&binding));
    view->author = batch_text(batch, row_text(&binding));
    view->author_name = batch_text(batch, row_text(&binding));
    view->reach = row_number(&binding);
    uint64_t author_key = row_id(&binding);
    binding_end(&binding);
    question_show_draft(database, batch, question);
    story_init(&story, batch);
    question_tell_posts(database, &story, question);
    question_tell_replies(database, &story, question->item, question->for_agent);
    question_tell_notes(database, &story, question);
    question_tell_earlier(database, &story, question, author_key);
    story_finish(&story, view);
}

static void question_answer_reply(struct database *database, struct batch *batch, struct question *question)
{
    struct binding binding = database_bind(database, STATEMENT_ASK_REPLY);
    struct behalf_reply *handing = &question->handing;

    bind_id(&binding, question->reply);
    if (!binding_row(&binding)) {
        return;
    }
    question->found = true;
    handing->reply = row_number(&binding);
    handing->key = batch_text(batch, row_text(&binding));
    handing->item = row_number(&binding);
    handing->brand = batch_text(batch, row_text(&binding));
    handing->channel = batch_text(batch, row_text(&binding));
    handing->text = batch_text(batch, row_text(&binding));
    handing->attempt = row_number(&binding);
    handing->post = batch_text(batch, row_text(&binding));
    handing->author = batch_text(batch, row_text(&binding));
    handing->thread = batch_text(batch, row_text(&binding));
    binding_end(&binding);
}

static void question_answer_closed_item(struct database *database, struct batch *batch, struct question *question)
{
    struct binding binding = database_bind(database, STATEMENT_ASK_CLOSED_ITEM);

    bind_id(&binding, question->item);
    if (!binding_row(&binding)) {
        return;
    }
    question->found = true;
    row_record(&binding, RECORD_ITEM, &question->record);
    item_record_keep(&question->record, batch);
    binding_end(&binding);
}

static void question_answer_settled_reply(struct database *database, struct batch *batch, struct question *question)
{
    struct binding binding = database_bind(database, STATEMENT_ASK_SETTLED_REPLY);

    bind_id(&binding, question->reply);
    if (!binding_row(&binding)) {
        return;
    }
    question->found = true;
    question->found_item = row_id(&binding);
    question->found_instance = batch_text(batch, row_text(&binding));
    binding_end(&binding);
}

bool answer_questions(struct database *database, struct batch *batch)
{
    struct question *question = batch_questions(batch);

    for (; question != NULL && database->error == SQLITE_OK; question = question->next) {
        question->found = false;
        question->known = NULL;
        switch (question->kind) {
        case QUESTION_INTAKE:
            question_answer_intake(database, batch, question);
            break;
        case QUESTION_ITEM:
            question_answer_item(database, batch, question);
            break;
        case QUESTION_REPLY:
            question_answer_reply(database, batch, question);
            break;
        case QUESTION_CLOSED_ITEM:
            question_answer_closed_item(database, batch, question);
            break;
        case QUESTION_SETTLED_REPLY:
            question_answer_settled_reply(database, batch, question);
            break;
        }
    }
    return database->error == SQLITE_OK;
}
