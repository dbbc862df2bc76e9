// speak.c - from effects to frames: the only file that sends anything, and what it waits for before.
//
// What an item or a reply looks like once the batch that showed it is durable is known from memory as the batch is
// handed out, or else read from the store behind it.  The desk has gone on meanwhile, so it is asked once more before
// anything is sent: what is no longer so is not spoken, because its successor is on the way.

#include "broker/session/core.h"
#include "proto/base/table.h"
#include "proto/fitted.h"
#include "proto/base/hash.h"

// Whether a broker that has lost the desk without knowing it could say something untrue or final with this.  That it
// lives is one: a client that hears it believes what it was told before.
static bool speak_claims(const struct behalf_message *message)
{
    enum behalf_code code;

    switch (message->type) {
    case BEHALF_MOVED:
        return false;
    case BEHALF_BYE:
        return strcmp(message->bye.reason, BYE_RESTARTING) != 0;
    case BEHALF_ERROR:
        code = behalf_code_from_name(message->error.code);
        return code != BEHALF_CODE_BUSY && code != BEHALF_CODE_TOO_MANY && code != BEHALF_CODE_NOT_SIGNED_IN &&
               code != BEHALF_CODE_MALFORMED;
    default:
        return true;
    }
}

static void speak_queue_frame(struct broker *broker, uint64_t peer, void *bytes, size_t count, bool claiming)
{
    if (frame_queue_put(&broker->frames, peer, &bytes, count, claiming)) {
        return;
    }
    struct outgoing_drop *overfull = calloc(1, sizeof *overfull);
    must(overfull != NULL);
    *overfull = (struct outgoing_drop){ .next = broker->overfull, .peer = peer };
    broker->overfull = overfull;
}

// What people are told may have been written under other limits, by an earlier version or another broker: it is cut.
// All that we make ourselves fits as it is (behalf/limits.h); what cannot be told even so is a broken promise.
static void *speak_encode(struct broker *broker, const struct behalf_message *message, size_t *count)
{
    struct behalf_fault fault;
    void *bytes = behalf_message_encode(message, count, &fault);

    if (bytes == NULL && message->type != BEHALF_REPLY) {
        broker_log(broker, "warning", "broker", "%s is cut: field %s: %s", behalf_type_name(message->type), fault.field,
                   fault.reason);
        struct behalf_message *fitted = message_fitted(message);
        bytes = behalf_message_encode(fitted, count, &fault);
        behalf_message_destroy(&fitted);
    }
    if (bytes == NULL) {
        broker_log(broker, "error", "broker", "%s cannot be sent: field %s: %s", behalf_type_name(message->type),
                   fault.field, fault.reason);
    }
    must(bytes != NULL);
    return bytes;
}

static void speak(struct broker *broker, uint64_t peer, const struct behalf_message *message, bool claiming)
{
    size_t count = 0;
    void *bytes = speak_encode(broker, message, &count);

    speak_queue_frame(broker, peer, bytes, count, claiming);
}

void speak_now(struct broker *broker, uint64_t peer, const struct behalf_message *message)
{
    speak(broker, peer, message, speak_claims(message));
}

void speak_of_form(struct broker *broker, uint64_t peer, const struct behalf_message *message)
{
    speak(broker, peer, message, false);
}

void speak_error_of_form(struct broker *broker, uint64_t peer, int64_t id, const struct behalf_error *error)
{
    broker->refused++;
    speak_of_form(broker, peer, &(struct behalf_message){ .type = BEHALF_ERROR, .id = id, .error = *error });
}

void speak_error_now(struct broker *broker, uint64_t peer, int64_t id, const struct behalf_error *error)
{
    struct behalf_message message = { .type = BEHALF_ERROR, .id = id, .error = *error };

    if (speak_claims(&message) && !broker_lease_stands(broker)) {
        speak_away(broker, peer, id);
        return;
    }
    broker->refused++;
    speak_now(broker, peer, &message);
}

void speak_away(struct broker *broker, uint64_t peer, int64_t id)
{
    char reason[BEHALF_NOTE_BYTES];

    snprintf(reason, sizeof reason, "%s",
             broker->store_away ? broker->store_text
                                : "the store does not answer: the desk's lease could not be renewed in time");
    speak_error_now(broker, peer, id,
                    &(struct behalf_error){
                        .code = behalf_code_name(BEHALF_CODE_BUSY), .reason = reason, .retry_ms = RETRY_AWAY_MS });
}

void speak_later(struct broker *broker, uint64_t session, const struct behalf_message *message)
{
    change_list_tell(broker_list(broker),
                     &(struct effect){ .kind = EFFECT_SEND, .session = session, .message = *message });
}

void speak_error(struct broker *broker, uint64_t session, int64_t id, enum behalf_code code,
                 const struct behalf_error *error)
{
    struct behalf_message message = { .type = BEHALF_ERROR, .id = id, .error = *error };

    message.error.code = behalf_code_name(code);
    speak_later(broker, session, &message);
}

// ---- finding out what the effects need ----

static bool speak_is_for_agent(const struct broker *broker, const struct effect *effect)
{
    return !desk_shows_sealed(broker->desk, effect->session, effect->item);
}

static bool speak_still_shows(struct broker *broker, const struct effect *effect, struct change_list *memory,
                              struct behalf_item *view)
{
    return session_table_find(&broker->sessions, effect->session) != NULL &&
           desk_show_item(broker->desk, effect->session, effect->item, effect->lease, memory, view);
}

// The newest showing of each item to each session is the one worth reading: those before it would say the same.
static bool speak_is_newest(const struct effect *effect, const struct table *newest)
{
    return table_find(newest, hash_number(effect->session) ^ effect->item) == effect;
}

static void speak_find_newest(const struct change_list *list, struct table *newest)
{
    for (const struct effect *effect = change_list_effects(list); effect != NULL; effect = effect->next) {
        uint64_t key = hash_number(effect->session) ^ effect->item;
        void *older = effect->kind == EFFECT_SHOW_ITEM ? table_find(newest, key) : NULL;
        if (older != NULL) {
            table_remove(newest, key, older);
        }
        if (effect->kind == EFFECT_SHOW_ITEM) {
            table_put(newest, key, (void *) (uintptr_t) effect);
        }
    }
}

// From memory, or else behind the batch.  A broker that checks its memory has the store answer as well.
static void speak_find_out(struct broker *broker, struct question question)
{
    struct question answer = question;
    bool answered = story_cache_answer(broker->stories, broker->current, &answer);

    if (answered) {
        (void) batch_answer(broker->current, &answer);
    }
    if (!answered || broker->options.check_stories) {
        (void) batch_ask(broker->current, &question);
    }
}

void speak_ask(struct broker *broker)
{
    struct change_list *list = broker_list(broker);
    struct behalf_item view = { 0 };
    struct table newest = { 0 };

    speak_find_newest(list, &newest);
    for (const struct effect *effect = change_list_effects(list); effect != NULL; effect = effect->next) {
        uint64_t tag = (uint64_t) (uintptr_t) effect;
        if (effect->kind == EFFECT_SHOW_ITEM && speak_is_newest(effect, &newest) &&
            speak_still_shows(broker, effect, list, &view)) {
            speak_find_out(broker, (struct question){ .kind = QUESTION_ITEM,
                                                      .tag = tag,
                                                      .item = effect->item,
                                                      .for_agent = speak_is_for_agent(broker, effect) });
        } else if (effect->kind == EFFECT_HAND_REPLY &&
                   desk_reply_is_with(broker->desk, effect->session, effect->reply)) {
            speak_find_out(broker, (struct question){ .kind = QUESTION_REPLY, .tag = tag, .reply = effect->reply });
        }
    }
    table_fini(&newest);
}

// What was found out for the effects of a batch, and how far that has been used.
struct found_out {
    const struct question *asked;    // of the store
    const struct question *answered; // from memory
};

// The question of a list that is about an effect, or NULL; they are in the order of the effects.
static const struct question *speak_take_question(const struct effect *effect, const struct question **next)
{
    const struct question *question = *next;

    while (question != NULL && question->kind != QUESTION_ITEM && question->kind != QUESTION_REPLY) {
        question = question->next;
    }
    *next = question;
    if (question == NULL || question->tag != (uint64_t) (uintptr_t) effect) {
        return NULL;
    }
    *next = question->next;
    return question;
}

// What was found out for an effect.
static const struct question *speak_question_of(const struct effect *effect, struct found_out *next)
{
    const struct question *asked = speak_take_question(effect, &next->asked);
    const struct question *answered = speak_take_question(effect, &next->answered);

    must(asked == NULL || answered == NULL || story_answers_agree(asked, answered));
    return answered != NULL ? answered : asked;
}

// ---- speaking ----

static void speak_send_to(struct broker *broker, struct session *session, const struct behalf_message *message)
{
    session->spoken_ms = broker->now_ms;
    speak_now(broker, session->peer->number, message);
}

// True if this effect will be spoken as an ITEM.  Leaves the question where it is.
static bool speak_will_show(struct broker *broker, const struct effect *effect, const struct question *question,
                            struct change_list *memory, struct behalf_item *view)
{
    return question != NULL && question->found && speak_still_shows(broker, effect, memory, view) &&
           speak_is_for_agent(broker, effect) == question->for_agent;
}

// How many of the ITEMs announced behind this WELCOME will really follow it.
static int64_t speak_count_shown(struct broker *broker, const struct effect *welcome, struct found_out next,
                                 struct change_list *memory)
{
    int64_t announced = welcome->message.welcome.items;
    int64_t shown = 0;
    struct behalf_item view = { 0 };

    for (const struct effect *effect = welcome->next; effect != NULL && announced > 0; effect = effect->next) {
        const struct question *question = effect->kind == EFFECT_SEND ? NULL : speak_question_of(effect, &next);
        if (effect->kind == EFFECT_SHOW_ITEM && effect->session == welcome->session) {
            announced--;
            shown += speak_will_show(broker, effect, question, memory, &view) ? 1 : 0;
        }
    }
    return shown;
}

static void speak_send(struct broker *broker, const struct effect *effect, const struct found_out *next,
                       struct change_list *memory)
{
    struct session *session = session_table_find(&broker->sessions, effect->session);
    struct behalf_message message = effect->message;

    if (message.type == BEHALF_ERROR) {
        broker->refused++;
    }
    if (session == NULL) {
        return;
    }
    if (message.id > 0) {
        key_set_remove(&session->in_flight, (uint64_t) message.id);
    }
    if (session->peer == NULL) {
        return;
    }
    if (message.type == BEHALF_WELCOME) {
        session->welcomed = true;
        message.welcome.items = speak_count_shown(broker, effect, *next, memory);
    }
    if (session->welcomed) {
        speak_send_to(broker, session, &message);
    }
}

// Both halves of an ITEM: the desk's and the store's.
static void speak_complete_view(struct behalf_item *view, const struct behalf_item *stored)
{
    view->author = stored->author;
    view->author_name = stored->author_name;
    view->reach = stored->reach;
    view->channel = stored->channel;
    view->draft = stored->draft;
    view->draft_by = stored->draft_by;
    view->story = stored->story;
    view->story_count = stored->story_count;
    view->story_cut = stored->story_cut;
}

static void speak_item(struct broker *broker, const struct effect *effect, const struct question *question,
                       struct change_list *memory)
{
    struct session *session = session_table_find(&broker->sessions, effect->session);
    struct behalf_message message = { .type = BEHALF_ITEM };

    if (session == NULL || session->peer == NULL || !session->welcomed) {
        return;
    }
    if (question != NULL && !question->found) {
        broker_log(broker, "error", "broker", "item=%" PRIu64 " is not in the store", effect->item);
    }
    if (speak_will_show(broker, effect, question, memory, &message.item)) {
        speak_complete_view(&message.item, &question->view);
        speak_send_to(broker, session, &message);
    }
}

static void speak_reply(struct broker *broker, const struct effect *effect, const struct question *question)
{
    struct session *session = session_table_find(&broker->sessions, effect->session);
    struct behalf_message message = { .type = BEHALF_REPLY };

    if ((session == NULL || session->peer == NULL) && !effect->again) {
        desk_reply_not_told(broker->desk, effect->reply, effect->attempt, broker->now_ms);
        return;
    }
    if (session == NULL || session->peer == NULL || !session->welcomed || question == NULL ||
        !desk_reply_is_with(broker->desk, effect->session, effect->reply)) {
        return;
    }
    if (!question->found) {
        broker_log(broker, "error", "broker", "reply=%" PRIu64 " is not in the store", effect->reply);
        return;
    }
    message.reply = question->handing;
    message.reply.reply = (int64_t) effect->reply;
    message.reply.again = effect->again;
    speak_send_to(broker, session, &message);
}

void speak_batch(struct broker *broker, struct batch *batch)
{
    struct change_list *list = batch_list(batch);
    struct found_out next = { .asked = batch_questions(batch), .answered = batch_answers(batch) };

    for (const struct effect *effect = change_list_effects(list); effect != NULL; effect = effect->next) {
        if (effect->kind == EFFECT_SEND) {
            speak_send(broker, effect, &next, list);
            continue;
        }
        const struct question *question = speak_question_of(effect, &next);
        if (effect->kind == EFFECT_SHOW_ITEM) {
            speak_item(broker, effect, question, list);
        } else {
            speak_reply(broker, effect, question);
        }
    }
}
