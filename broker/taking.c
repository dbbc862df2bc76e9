// taking.c - posts come in: whether each is new is settled first, then what it needs, then the desk has it.
//
// The set of recent keys answers "new" at once.  Everything else is asked of the store, behind the batch being
// decided now.  Its answer knows nothing of posts decided or edited since that batch was handed out; their keys are
// in `decided`, and what is about a post found there is asked for once more.

#include "broker/core.h"

static uint64_t key_of(const struct behalf_message *message)
{
    switch (message->type) {
    case BEHALF_POST:
        return desk_intake_key(message->post.channel, message->post.post);
    case BEHALF_EDIT:
        return desk_intake_key(message->edit.channel, message->edit.post);
    default:
        return desk_intake_key(message->delete_post.channel, message->delete_post.post);
    }
}

static void ask(struct broker *broker, struct waiting *waiting)
{
    const struct behalf_message *message = waiting->message;
    struct question question = {
        .kind = QUESTION_INTAKE,
        .tag = broker_tag(waiting),
        .intake_key = key_of(message),
    };

    if (message->type == BEHALF_POST) {
        question.channel = message->post.channel;
        question.post = message->post.post;
        question.posted_ms = message->post.posted_ms;
    } else if (message->type == BEHALF_EDIT) {
        question.channel = message->edit.channel;
        question.post = message->edit.post;
        question.posted_ms = message->edit.posted_ms;
    } else {
        question.channel = message->delete_post.channel;
        question.post = message->delete_post.post;
        question.posted_ms = message->delete_post.posted_ms;
    }
    batch_ask(broker->current, &question);
}

static void tell_taken(struct broker *broker, uint64_t session, int64_t id, uint64_t item, bool repeated)
{
    broker->taken += repeated ? 0 : 1;
    broker->repeated += repeated ? 1 : 0;
    speak_later(broker, session,
                &(struct behalf_message){
                    .type = BEHALF_TAKEN, .id = id, .taken = { .item = (int64_t) item, .repeated = repeated } });
}

static void refuse_unknown(struct broker *broker, uint64_t session, int64_t id, const char *field)
{
    speak_error(broker, session, id, BEHALF_CODE_NOT_FOUND,
                &(struct behalf_error){ .field = field, .reason = "the desk's rules do not name it" });
}

// What a text needs.  False if its brand or channel is not known; the sender has then been told.
static bool find_needs(struct broker *broker, uint64_t session, int64_t id, const struct behalf_post *post,
                       struct needs *needs)
{
    const char *hint = desk_author_language(broker->desk, desk_author_key(post->channel, post->author));
    const char *field = "";

    if (triage_post(broker->triage, broker->rules, post, hint, needs, &field)) {
        return true;
    }
    refuse_unknown(broker, session, id, field);
    return false;
}

static void decide_post(struct broker *broker, uint64_t session, int64_t id, const struct behalf_post *post)
{
    uint64_t key = desk_intake_key(post->channel, post->post);
    struct needs needs = { 0 };

    if (!find_needs(broker, session, id, post, &needs)) {
        return;
    }
    uint64_t item = desk_post(broker->desk, post, &needs, key, broker->now_ms);
    intake_add(&broker->intake, key, post->posted_ms, broker->now_ms);
    key_set_add(&broker->decided, key);
    tell_taken(broker, session, id, item, false);
}

void take_post(struct broker *broker, struct session *session, struct behalf_message **message_p)
{
    const struct behalf_message *message = *message_p;

    if (intake_settles(&broker->intake, message->post.posted_ms, broker->now_ms) &&
        !intake_has(&broker->intake, key_of(message))) {
        decide_post(broker, session->number, message->id, &message->post);
    } else {
        ask(broker, broker_wait(broker, session, message_p));
    }
}

void take_change(struct broker *broker, struct session *session, struct behalf_message **message_p)
{
    ask(broker, broker_wait(broker, session, message_p));
}

// ---- the store has answered ----

// What was told before makes no new work: a feed may be read again from its beginning.
static bool is_known(const struct broker *broker, const struct behalf_edit *edit, const struct question *question)
{
    bool older = edit->edited_ms != 0 && edit->edited_ms < question->found_changed_ms;
    bool ended = desk_item_state(broker->desk, question->found_item) == ITEM_CLOSED;

    return strcmp(edit->text, question->found_post.text) == 0 || (ended && older);
}

static void decide_edit(struct broker *broker, const struct waiting *waiting, const struct question *question)
{
    const struct behalf_edit *edit = &waiting->message->edit;
    struct behalf_post post = question->found_post;
    struct needs needs = { 0 };

    if (is_known(broker, edit, question)) {
        tell_taken(broker, waiting->session, waiting->id, question->found_item, true);
        return;
    }
    post.channel = edit->channel;
    post.post = edit->post;
    post.text = edit->text;
    post.posted_ms = edit->posted_ms;
    if (find_needs(broker, waiting->session, waiting->id, &post, &needs)) {
        uint64_t item = desk_post_edited(broker->desk, question->found_item, &post, edit, &needs, broker->now_ms);
        key_set_add(&broker->decided, question->intake_key);
        tell_taken(broker, waiting->session, waiting->id, item, false);
    }
}

static void decide_found(struct broker *broker, const struct waiting *waiting, const struct question *question)
{
    const struct behalf_message *message = waiting->message;

    if (message->type == BEHALF_POST || question->found_deleted) {
        tell_taken(broker, waiting->session, waiting->id, question->found_item, true);
    } else if (message->type == BEHALF_EDIT) {
        decide_edit(broker, waiting, question);
    } else {
        desk_post_deleted(broker->desk, question->found_item, &message->delete_post, broker->now_ms);
        tell_taken(broker, waiting->session, waiting->id, question->found_item, false);
    }
}

void taking_answered(struct broker *broker, const struct question *question)
{
    struct waiting *waiting = broker_waiting(question->tag);
    bool settled = question->found && waiting->message->type == BEHALF_POST;

    if (!settled && key_set_has(&broker->decided, question->intake_key)) {
        ask(broker, waiting);
        return;
    }
    if (question->found) {
        decide_found(broker, waiting, question);
    } else if (waiting->message->type == BEHALF_POST) {
        decide_post(broker, waiting->session, waiting->id, &waiting->message->post);
    } else {
        speak_error(broker, waiting->session, waiting->id, BEHALF_CODE_NOT_FOUND,
                    &(struct behalf_error){ .field = "post",
                                            .reason = "no such post was taken; posted_ms must be as in its POST" });
    }
    broker_end_wait(broker, &waiting);
}
