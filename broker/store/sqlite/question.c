// question.c - what rides behind a commit: is this post known, what is shown of an item, what is published.

#include "broker/store/answer.h"
#include "broker/store/sqlite/records.h"
#include "broker/store/story.h"

#include <string.h>

static void answer_intake(struct database *database, struct batch *batch, struct question *question)
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

static void row_post_entry(struct binding *binding, const char *kind, struct behalf_entry *entry)
{
    *entry = (struct behalf_entry){ .kind = kind };
    entry->author = row_text(binding);
    entry->post = row_text(binding);
    entry->language = row_text(binding);
    entry->at_ms = row_number(binding);
    const char *text = row_text(binding);
    entry->edited = !row_is_null(binding);
    const char *edited = row_text(binding);
    entry->deleted = row_flag(binding);
    if (!entry->deleted) {
        entry->text = entry->edited ? edited : text;
        entry->before = entry->edited ? text : "";
    }
    entry->parent = row_text(binding);
    entry->link = row_text(binding);
    entry->media = row_number(binding);
}

// Rows that would be one too many are the oldest items' and are left out.
static bool has_room(const struct story *story)
{
    return story->count < STORY_CANDIDATES_MAX;
}

static void tell_posts(struct database *database, struct story *story, const struct question *question)
{
    struct binding binding = database_bind(database, STATEMENT_ASK_POSTS);
    struct behalf_entry entry;

    bind_id(&binding, question->item);
    bind_flag(&binding, question->for_agent);
    while (binding_row(&binding)) {
        row_post_entry(&binding, "post", &entry);
        story_add(story, &entry);
    }
}

static void tell_replies(struct database *database, struct story *story, uint64_t item, bool for_agent)
{
    struct binding binding = database_bind(database, STATEMENT_ASK_REPLIES);

    bind_id(&binding, item);
    bind_flag(&binding, for_agent);
    while (binding_row(&binding)) {
        struct behalf_entry entry = { .kind = "reply" };
        entry.author = row_text(&binding);
        entry.text = row_text(&binding);
        entry.at_ms = row_number(&binding);
        if (has_room(story)) {
            story_add(story, &entry);
        }
    }
}

static void tell_notes(struct database *database, struct story *story, const struct question *question)
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

static void tell_earlier(struct database *database, struct story *story, const struct question *question,
                         uint64_t author_key)
{
    struct binding binding = database_bind(database, STATEMENT_ASK_EARLIER);
    uint64_t items[STORY_EARLIER_MAX];
    struct behalf_entry entry;
    size_t count = 0;

    bind_id(&binding, question->item);
    bind_flag(&binding, question->for_agent);
    bind_id(&binding, author_key);
    bind_text(&binding, question->view.brand);
    while (binding_row(&binding)) {
        row_post_entry(&binding, "earlier", &entry);
        story_add(story, &entry);
        uint64_t item = row_id(&binding);
        if (count == 0 || items[count - 1] != item) {
            items[count++] = item;
        }
    }
    for (size_t i = 0; i < count; i++) {
        tell_replies(database, story, items[i], question->for_agent);
    }
}

static void show_draft(struct database *database, struct batch *batch, struct question *question)
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

static void answer_item(struct database *database, struct batch *batch, struct question *question)
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
    show_draft(database, batch, question);
    story_init(&story, batch);
    tell_posts(database, &story, question);
    tell_replies(database, &story, question->item, question->for_agent);
    tell_notes(database, &story, question);
    tell_earlier(database, &story, question, author_key);
    story_finish(&story, view);
}

static void answer_reply(struct database *database, struct batch *batch, struct question *question)
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

static void answer_closed_item(struct database *database, struct batch *batch, struct question *question)
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

static void answer_settled_reply(struct database *database, struct batch *batch, struct question *question)
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
            answer_intake(database, batch, question);
            break;
        case QUESTION_ITEM:
            answer_item(database, batch, question);
            break;
        case QUESTION_REPLY:
            answer_reply(database, batch, question);
            break;
        case QUESTION_CLOSED_ITEM:
            answer_closed_item(database, batch, question);
            break;
        case QUESTION_SETTLED_REPLY:
            answer_settled_reply(database, batch, question);
            break;
        }
    }
    return database->error == SQLITE_OK;
}
