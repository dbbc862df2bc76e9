// receive.c - a frame comes in: what all messages share is checked here once, then one handler a type.

#include "broker/session/core.h"

static const unsigned receive_sender_of_role[] = {
    [SESSION_PERSON] = BEHALF_BY_PERSON,
    [SESSION_CONNECTOR] = BEHALF_BY_CONNECTOR,
    [SESSION_CONTROL] = BEHALF_BY_CONTROL,
};

// ---- items ----

static void receive_request_desk(struct broker *broker, struct session *session, struct behalf_message **message_p)
{
    struct principal principal = session_principal(session);

    desk_request(broker->desk, session->number, &principal, *message_p, broker->now_ms);
}

static void receive_request_item(struct broker *broker, struct session *session, struct behalf_message **message_p)
{
    int64_t item = (*message_p)->take.item; // such messages begin alike

    must(authority_is_about_item((*message_p)->type));
    if (desk_item_state(broker->desk, (uint64_t) item) == ITEM_CLOSED) {
        ask_closed_item(broker, session, item, message_p);
    } else {
        receive_request_desk(broker, session, message_p);
    }
}

void ask_closed_item(struct broker *broker, struct session *session, int64_t item, struct behalf_message **message_p)
{
    struct waiting *waiting = broker_wait(broker, session, message_p);

    batch_ask(broker->current,
              &(struct question){ .kind = QUESTION_CLOSED_ITEM, .tag = broker_tag(waiting), .item = (uint64_t) item });
}

void closed_item_answered(struct broker *broker, const struct question *question)
{
    struct waiting *waiting = broker_waiting(question->tag);
    struct session *session = session_table_find(&broker->sessions, waiting->session);

    if (session == NULL) {
        broker_end_wait(broker, &waiting);
        return;
    }
    if (!question->found) {
        speak_error(broker, session->number, waiting->id, BEHALF_CODE_NOT_FOUND,
                    &(struct behalf_error){ .field = "item", .reason = "this desk has no such item" });
    } else {
        speak_error(broker, session->number, waiting->id, BEHALF_CODE_STALE,
                    &(struct behalf_error){ .item = (int64_t) question->item,
                                            .state = item_state_name(ITEM_CLOSED),
                                            .reason = "the item has ended" });
    }
    broker_end_wait(broker, &waiting);
}

// ---- replies ----

// A repeat of SETTLE may come long after the first one was answered, over another connection: the store knows it.
static void receive_request_settle(struct broker *broker, struct session *session, struct behalf_message **message_p)
{
    uint64_t reply = (uint64_t) (*message_p)->settle.reply;

    if (!desk_reply_is_settled(broker->desk, reply) || !desk_is_fate((*message_p)->settle.fate)) {
        receive_request_desk(broker, session, message_p);
        return;
    }
    struct waiting *waiting = broker_wait(broker, session, message_p);
    batch_ask(broker->current,
              &(struct question){ .kind = QUESTION_SETTLED_REPLY, .tag = broker_tag(waiting), .reply = reply });
}

void settled_reply_answered(struct broker *broker, const struct question *question)
{
    struct waiting *waiting = broker_waiting(question->tag);
    struct session *session = session_table_find(&broker->sessions, waiting->session);
    const char *instance = session == NULL ? NULL : desk_connector_instance(broker->desk, session->number);

    if (session != NULL && instance != NULL && question->found &&
        authority_had_reply(instance, question->found_instance)) {
        speak_later(broker, session->number,
                    &(struct behalf_message){ .type = BEHALF_DONE,
                                              .id = waiting->id,
                                              .done = { .item = (int64_t) question->found_item,
                                                        .reply = (int64_t) question->reply,
                                                        .repeated = true } });
    } else if (session != NULL) {
        speak_error(broker, session->number, waiting->id, BEHALF_CODE_NOT_FOUND,
                    &(struct behalf_error){ .field = "reply", .reason = "no such reply was handed to this connector" });
    }
    broker_end_wait(broker, &waiting);
}

// ---- dispatch ----

typedef void handler(struct broker *broker, struct session *session, struct behalf_message **message_p);

static handler *const receive_handlers[BEHALF_TYPE_COUNT] = {
    [BEHALF_PRESENCE] = receive_request_desk,
    [BEHALF_TAKE] = receive_request_item,
    [BEHALF_DECLINE] = receive_request_item,
    [BEHALF_DRAFT] = receive_request_item,
    [BEHALF_NOTE] = receive_request_item,
    [BEHALF_PREVIEW] = ask_preview,
    [BEHALF_ANSWER] = receive_request_item,
    [BEHALF_APPROVE] = receive_request_item,
    [BEHALF_REJECT] = receive_request_item,
    [BEHALF_CLOSE] = receive_request_item,
    [BEHALF_ESCALATE] = receive_request_item,
    [BEHALF_RETURN] = receive_request_item,
    [BEHALF_TRANSFER] = receive_request_item,
    [BEHALF_PARK] = receive_request_item,
    [BEHALF_LOOK] = ask_listing,
    [BEHALF_POST] = take_post,
    [BEHALF_EDIT] = take_change,
    [BEHALF_DELETE] = take_change,
    [BEHALF_SETTLE] = receive_request_settle,
    [BEHALF_STATUS] = ask_status,
    [BEHALF_WHY] = ask_history,
    [BEHALF_OUTCOMES] = ask_outcomes,
    [BEHALF_APPLY] = apply_rules,
    [BEHALF_FREEZE] = receive_request_desk,
    [BEHALF_RECALL] = receive_request_desk,
};

// What is answered at length.
static bool receive_is_question(enum behalf_type type)
{
    return type == BEHALF_LOOK || type == BEHALF_STATUS || type == BEHALF_WHY || type == BEHALF_OUTCOMES;
}

static bool receive_is_intake(enum behalf_type type)
{
    return type == BEHALF_POST || type == BEHALF_EDIT || type == BEHALF_DELETE;
}

static void receive_refuse_form(struct broker *broker, const struct peer *peer, int64_t id, enum behalf_code code,
                                const char *field, const char *reason)
{
    struct behalf_error error = { .code = behalf_code_name(code), .field = field, .reason = reason };

    speak_error_of_form(broker, peer->number, id, &error);
}

static void receive_refuse_for_now(struct broker *broker, const struct peer *peer, int64_t id, enum behalf_code code,
                                   const char *reason, int64_t retry_ms)
{
    struct behalf_error error = { .code = behalf_code_name(code), .reason = reason, .retry_ms = retry_ms };

    speak_error_now(broker, peer->number, id, &error);
}

// Posts are known by their identity, and what only asks may be asked again; all others are remembered by their ids.
static bool receive_is_repeat(struct broker *broker, const struct session *session,
                              const struct behalf_message *message)
{
    handler *handle = receive_handlers[message->type];
    bool remembered = handle == receive_request_desk || handle == receive_request_item ||
                      handle == receive_request_settle || handle == apply_rules;
    struct principal principal = session_principal(session);

    return remembered && desk_repeat(broker->desk, session->number, &principal, message, broker->now_ms);
}

// A request too many in a second changes nothing and is to be repeated; only its answer costs.
static bool receive_is_within_rate(struct broker *broker, const struct peer *peer, int64_t id)
{
    int64_t rate =
        peer->session->role == SESSION_CONNECTOR ? broker->options.connector_rate : broker->options.person_rate;
    int64_t wait_ms = allowance_spend(&peer->session->requests, rate, REQUEST_BURST_S * rate, broker->now_ms);

    if (wait_ms > 0) {
        receive_refuse_for_now(broker, peer, id, BEHALF_CODE_TOO_MANY,
                               "more requests a second than one session may make",
                               wait_ms > RETRY_FULL_MS ? wait_ms : RETRY_FULL_MS);
    }
    return wait_ms == 0;
}

// True if the request may go on; else it has been refused.  Refusals here claim nothing about the desk and are
// spoken at once.
static bool receive_may_request(struct broker *broker, const struct peer *peer, const struct behalf_message *message)
{
    const struct session *session = peer->session;

    if (message->id <= 0) {
        receive_refuse_form(broker, peer, 0, BEHALF_CODE_INVALID, "id", "a request's id is greater than 0");
        return false;
    }
    if (!authority_may_send(message->type, receive_sender_of_role[session->role])) {
        receive_refuse_form(broker, peer, message->id, BEHALF_CODE_FORBIDDEN, "",
                            "a session of this role may not send this message");
        return false;
    }
    if (!receive_is_within_rate(broker, peer, message->id)) {
        return false;
    }
    if (peer->behind && receive_is_question(message->type)) {
        receive_refuse_for_now(broker, peer, message->id, BEHALF_CODE_TOO_MANY, "earlier answers wait to be read",
                               RETRY_FULL_MS);
        return false;
    }
    if (key_set_count(&session->in_flight) >= broker->options.window) {
        receive_refuse_for_now(broker, peer, message->id, BEHALF_CODE_TOO_MANY,
                               "as many requests as the window allows are unanswered", RETRY_FULL_MS);
        return false;
    }
    if (receive_is_intake(message->type) && broker->away) {
        receive_refuse_for_now(broker, peer, message->id, BEHALF_CODE_BUSY, "the store is away", RETRY_AWAY_MS);
        return false;
    }
    if (receive_is_intake(message->type) && broker->store_behind) {
        receive_refuse_for_now(broker, peer, message->id, BEHALF_CODE_BUSY, "the tables of the store are behind",
                               RETRY_FULL_MS);
        return false;
    }
    if (broker_is_full(broker)) {
        receive_refuse_for_now(broker, peer, message->id, BEHALF_CODE_BUSY, "the store has not caught up",
                               broker->away ? RETRY_AWAY_MS : RETRY_FULL_MS);
        return false;
    }
    return true;
}

static void receive_request(struct broker *broker, const struct peer *peer, struct behalf_message **message_p)
{
    struct behalf_message *message = *message_p;
    struct session *session = peer->session;

    if (message->id > 0 && key_set_has(&session->in_flight, (uint64_t) message->id)) {
        return; // repeated while the first is being decided: the one answer serves both
    }
    if (!receive_may_request(broker, peer, message)) {
        return;
    }
    if (receive_is_repeat(broker, session, message)) {
        return;
    }
    key_set_add(&session->in_flight, (uint64_t) message->id);
    receive_handlers[message->type](broker, session, message_p);
}

static void receive_heartbeat(struct broker *broker, const struct peer *peer, int64_t id)
{
    peer->session->spoken_ms = broker->now_ms;
    speak_now(broker, peer->number, &(struct behalf_message){ .type = BEHALF_HEARTBEAT, .id = id });
}

// ---- faults ----

static void receive_ban(struct broker *broker, struct peer *peer)
{
    static const char reason[] = "too many malformed frames in a row, or frames of unknown types";

    peer->banned = true;
    if (peer->session != NULL) {
        session_lost(broker, peer->session, reason);
    } else {
        broker_log(broker, "warning", "peer", "dropped: %s", reason);
    }
    peer->since_ms = broker->now_ms;
    speak_of_form(broker, peer->number, &(struct behalf_message){ .type = BEHALF_BYE, .bye = { .reason = reason } });
    broker_drop(broker, peer->number);
}

// A message with a wrong field is answered as often as it comes; what is no message, or of no type, is noise.
static void receive_answer_fault(struct broker *broker, struct peer *peer, const struct behalf_fault *fault)
{
    bool noise = fault->code == BEHALF_CODE_MALFORMED || fault->code == BEHALF_CODE_UNKNOWN_TYPE;

    receive_refuse_form(broker, peer, fault->id > 0 ? fault->id : 0, fault->code, fault->field, fault->reason);
    if (noise && ++peer->faults >= FAULTS_MAX) {
        receive_ban(broker, peer);
    }
}

static void receive_message(struct broker *broker, struct peer *peer, struct behalf_message **message_p)
{
    struct behalf_message *message = *message_p;

    if ((behalf_type_senders(message->type) & BEHALF_BY_ANYONE) == 0) {
        receive_answer_fault(broker, peer,
                             &(struct behalf_fault){ .code = BEHALF_CODE_UNKNOWN_TYPE,
                                                     .id = message->id,
                                                     .field = "type",
                                                     .reason = "only a broker sends this message" });
        return;
    }
    peer->faults = 0;
    if (message->type == BEHALF_HELLO) {
        sign_in(broker, peer, message);
    } else if (peer->session == NULL) {
        receive_refuse_form(broker, peer, message->id, BEHALF_CODE_NOT_SIGNED_IN, "",
                            "this connection has no session; send HELLO first");
    } else if (message->type == BEHALF_HEARTBEAT) {
        receive_heartbeat(broker, peer, message->id);
    } else if (message->type == BEHALF_BYE) {
        struct session *session = peer->session;
        session_bye(broker, &session, message->bye.reason);
    } else {
        receive_request(broker, peer, message_p);
    }
}

// ---- frames ----

static void receive_refuse_peer(struct broker *broker, uint64_t number)
{
    static const char reason[] = "as many connections as this broker takes are open";

    if (allowance_spend(&broker->sessions.refusals, REFUSALS_LOG_RATE, REFUSALS_LOG_BURST, broker->now_ms) == 0) {
        broker_log(broker, "warning", "peer", "refused: %s", reason);
    }
    speak_error_now(broker, number, 0,
                    &(struct behalf_error){
                        .code = behalf_code_name(BEHALF_CODE_BUSY), .reason = reason, .retry_ms = RETRY_ROOM_MS });
    broker_drop(broker, number);
}

// Twice the sessions leaves room for those that come back before they are missed.
static bool receive_has_room_for_peer(const struct broker *broker)
{
    return broker->sessions.peers.count < 2 * broker->options.sessions_max;
}

// Makes a peer known, or returns NULL when there is no room for one more.
static struct peer *receive_require_peer(struct broker *broker, uint64_t number)
{
    struct peer *peer = session_table_peer(&broker->sessions, number);

    if (peer == NULL) {
        if (!receive_has_room_for_peer(broker)) {
            receive_refuse_peer(broker, number);
            return NULL;
        }
        peer = session_table_add_peer(&broker->sessions, number, broker->now_ms);
    }
    return peer;
}

void broker_peer_at(struct broker *broker, uint64_t number, uint64_t address, int64_t now_ms)
{
    broker_advance(broker, now_ms);
    if (broker->stopping ||
        (session_table_peer(&broker->sessions, number) == NULL && !receive_has_room_for_peer(broker))) {
        return; // what it says will be refused
    }
    receive_require_peer(broker, number)->address = address;
}

void broker_receive(struct broker *broker, uint64_t number, const void *frame, size_t frame_bytes, int64_t now_ms)
{
    struct behalf_fault fault = { 0 };

    broker_advance(broker, now_ms);
    tracing_received(broker, number, frame, frame_bytes);
    if (broker->stopping) {
        return;
    }
    struct peer *peer = receive_require_peer(broker, number);
    if (peer == NULL || peer->banned) {
        return;
    }
    if (peer->session != NULL) {
        peer->session->heard_ms = broker->now_ms;
    }
    broker->frame_bytes = frame_bytes;
    struct behalf_message *message = behalf_message_decode(frame, frame_bytes, &fault);
    if (message == NULL) {
        receive_answer_fault(broker, peer, &fault);
        return;
    }
    const int64_t id = message->id;
    receive_message(broker, peer, &message);
    behalf_message_destroy(&message);
    tracing_request(broker, number, id);
}
