// session.c - the states of the client half, its requests in flight, its back-off: see session.h.
//
// Requests stand in a ring in the order of their ids, so that an answer finds its request by subtraction.
// An answered one leaves a hole, and holes at the front are dropped.  Nothing is queued for sending: the
// next frame is chosen when the transport asks, so that a reconnect has nothing to take back.

#include "proto/session.h"

#include "proto/endpoint.h"
#include "proto/base/must.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum phase { WAITING, GREETING, STANDING, REFUSED, ENDED };

struct request {
    void *frame; // NULL once answered
    size_t frame_bytes;
    bool sent; // on this connection, and not refused with BUSY since
};

struct delivery {
    struct behalf_message *message;
    struct delivery *next;
};

struct known_broker {
    char *endpoint;
    bool own;                // of the caller's list; else MOVED has named it
    int64_t silent_until_ms; // it did not answer lately: others are tried before
};

struct behalf_session {
    enum phase phase;
    char reason[512];

    struct known_broker brokers[SESSION_BROKERS_OWN_MAX + SESSION_BROKERS_TOLD_MAX + 1];
    size_t broker_count;
    size_t broker;        // the present one, or the next to try
    bool connect_ordered; // and not yet fetched by the shell
    unsigned attempts;    // failed in a row
    int64_t retry_at_ms;  // WAITING: when to connect
    uint64_t random;

    struct behalf_message *hello; // what is said at each greeting; its token is `token` below
    char token[65];
    int64_t sequence; // the desk's, as the last WELCOME told it
    char proof[65];   // of that
    int64_t hello_id;
    char away[257];          // the reason for which the person is away as far as is known; "" when available
    int64_t presence_id;     // the PRESENCE asked for last; 0: none
    char presence_away[257]; // its reason

    void *control; // HELLO, HEARTBEAT or BYE to be sent before any request; NULL if none
    size_t control_bytes;
    bool control_offered; // the last output was `control`, not a request

    struct request *ring;
    size_t ring_size;        // a power of two
    int64_t first_id;        // of the oldest request in the ring
    int64_t next_id;         // of the next request made
    int64_t unsent_id;       // no request before it is unsent
    size_t pending;          // in the ring, not answered
    size_t in_flight;        // sent, not answered
    int64_t paused_until_ms; // no request is sent before: BUSY

    int64_t greeted_ms;      // GREETING: when HELLO was due to be sent
    int64_t heard_ms;        // when the last frame came
    int64_t said_ms;         // when the last frame was sent
    int64_t heartbeat_at_ms; // when the last HEARTBEAT was made
    int64_t heartbeat_ms;    // STANDING: from WELCOME
    int64_t timeout_ms;
    size_t window;
    int64_t items_to_come; // STANDING: ITEMs announced by WELCOME

    struct delivery *first; // messages for the caller
    struct delivery *last;
};

// ---- words ----

__attribute__((format(printf, 2, 3))) static void session_say(struct behalf_session *session, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(session->reason, sizeof(session->reason), format, arguments);
    va_end(arguments);
}

static const char *session_broker_name(const struct behalf_session *session)
{
    return session->brokers[session->broker].endpoint;
}

// ---- requests ----

static struct request *session_request_at(const struct behalf_session *session, int64_t id)
{
    return &session->ring[(size_t) id & (session->ring_size - 1)];
}

static bool session_request_open(const struct behalf_session *session, int64_t id)
{
    return id >= session->first_id && id < session->next_id && session_request_at(session, id)->frame != NULL;
}

static void session_grow_ring(struct behalf_session *session)
{
    size_t size = session->ring_size == 0 ? 64 : session->ring_size * 2;
    struct request *ring = calloc(size, sizeof(*ring));
    must(ring != NULL);
    for (int64_t id = session->first_id; id < session->next_id; id++) {
        ring[(size_t) id & (size - 1)] = *session_request_at(session, id);
    }
    free(session->ring);
    session->ring = ring;
    session->ring_size = size;
}

static void session_request_answered(struct behalf_session *session, int64_t id)
{
    struct request *request = session_request_at(session, id);
    if (request->sent) {
        session->in_flight--;
    }
    session->pending--;
    free(request->frame);
    *request = (struct request){ 0 };
    while (session->first_id < session->next_id && session_request_at(session, session->first_id)->frame == NULL) {
        session->first_id++;
    }
    if (session->unsent_id < session->first_id) {
        session->unsent_id = session->first_id;
    }
}

static void session_request_to_repeat(struct behalf_session *session, int64_t id)
{
    struct request *request = session_request_at(session, id);
    if (!request->sent) {
        return;
    }
    request->sent = false;
    session->in_flight--;
    if (id < session->unsent_id) {
        session->unsent_id = id;
    }
}

static void session_repeat_all(struct behalf_session *session)
{
    for (int64_t id = session->first_id; id < session->next_id; id++) {
        if (session_request_open(session, id)) {
            session_request_to_repeat(session, id);
        }
    }
    must(session->in_flight == 0);
}

// The next request to send, or NULL; skips what is sent or answered.
static struct request *session_request_unsent(struct behalf_session *session)
{
    for (; session->unsent_id < session->next_id; session->unsent_id++) {
        struct request *request = session_request_at(session, session->unsent_id);
        if (request->frame != NULL && !request->sent) {
            return request;
        }
    }
    return NULL;
}

// ---- frames of the session's own ----

static void session_set_control(struct behalf_session *session, const struct behalf_message *message)
{
    free(session->control);
    session->control = NULL;
    session->control_offered = false;
    if (message == NULL) {
        return;
    }
    struct behalf_fault fault;
    session->control = behalf_message_encode(message, &session->control_bytes, &fault);
    must(session->control != NULL);
}

static void session_greet(struct behalf_session *session, int64_t now_ms)
{
    session->phase = GREETING;
    session->greeted_ms = now_ms;
    session->hello->id = ++session->hello_id;
    session->hello->hello.token = session->token;
    session->hello->hello.away = session->away;
    session->hello->hello.sequence = session->sequence;
    session->hello->hello.proof = session->proof;
    session_repeat_all(session);
    session_set_control(session, session->hello);
}

static uint64_t session_draw(struct behalf_session *session)
{
    session->random ^= session->random >> 12;
    session->random ^= session->random << 25;
    session->random ^= session->random >> 27;
    return session->random * UINT64_C(2685821657736338717);
}

static int64_t session_earlier(int64_t left, int64_t right)
{
    return left < right ? left : right;
}

// From half to the whole of a delay that doubles with each attempt.
static int64_t session_back_off_ms(struct behalf_session *session)
{
    int64_t most = SESSION_BACKOFF_FIRST_MS;
    for (unsigned i = 0; i < session->attempts && most < SESSION_BACKOFF_LAST_MS; i++) {
        most *= 2;
    }
    if (most > SESSION_BACKOFF_LAST_MS) {
        most = SESSION_BACKOFF_LAST_MS;
    }
    session->attempts++;
    return most - (int64_t) (session_draw(session) % (uint64_t) (most / 2 + 1));
}

static void session_note_silence(struct behalf_session *session, int64_t now_ms)
{
    session->brokers[session->broker].silent_until_ms = now_ms + SESSION_SILENT_MS;
}

// To the next broker that answered when it was last asked; this one, when there is no other.
static void session_move_on(struct behalf_session *session, int64_t now_ms)
{
    for (size_t i = 1; i < session->broker_count; i++) {
        size_t next = (session->broker + i) % session->broker_count;
        if (session->brokers[next].silent_until_ms <= now_ms) {
            session->broker = next;
            return;
        }
    }
}

static void session_wait_to_connect(struct behalf_session *session, int64_t delay_ms, int64_t now_ms)
{
    session->phase = WAITING;
    session->retry_at_ms = now_ms + delay_ms;
    session->connect_ordered = false;
    session_set_control(session, NULL);
    session_repeat_all(session);
}

// When it is tried again, for a person: in whole seconds, and nothing of less than one.
static const char *session_when_next(char text[48], int64_t delay_ms)
{
    text[0] = '\0';
    if (delay_ms >= 1000) {
        snprintf(text, 48, "; next attempt in %" PRId64 " s", (delay_ms + 500) / 1000);
    }
    return text;
}

static void session_lose(struct behalf_session *session, const char *why, int64_t now_ms)
{
    char when[48];
    int64_t delay_ms = session_back_off_ms(session);
    session_say(session, "%.200s: %.200s%s", session_broker_name(session), why, session_when_next(when, delay_ms));
    session->broker = (session->broker + 1) % session->broker_count;
    session_wait_to_connect(session, delay_ms, now_ms);
}

static void finish(struct behalf_session *session, enum phase phase)
{
    session->phase = phase;
    session->connect_ordered = false;
    session_set_control(session, NULL);
}

// ---- what the broker says ----

static void session_deliver(struct behalf_session *session, struct behalf_message **message_p)
{
    struct delivery *delivery = calloc(1, sizeof(*delivery));
    must(delivery != NULL);
    delivery->message = *message_p;
    *message_p = NULL;
    if (session->last != NULL) {
        session->last->next = delivery;
    } else {
        session->first = delivery;
    }
    session->last = delivery;
}

// What the broker says of the person's presence, so that one that has forgotten it can be told.
static void session_remember_presence(struct behalf_session *session, const char *state, const char *reason)
{
    char away[sizeof session->away] = "";
    if (strcmp(state, "away") == 0) {
        snprintf(away, sizeof away, "%s", reason[0] != '\0' ? reason : "away");
    }
    memcpy(session->away, away, sizeof away);
}

static void session_take_welcome(struct behalf_session *session, struct behalf_message **message_p, int64_t now_ms)
{
    const struct behalf_welcome *welcome = &(*message_p)->welcome;
    if (session->phase != GREETING || (*message_p)->id != session->hello_id) {
        return;
    }
    if (welcome->version != BEHALF_PROTOCOL_VERSION) {
        session_say(session, "%.200s speaks version %" PRId64 " of the protocol, not %d", session_broker_name(session),
                    welcome->version, BEHALF_PROTOCOL_VERSION);
        finish(session, REFUSED);
        return;
    }
    session->phase = STANDING;
    session->attempts = 0;
    session->paused_until_ms = now_ms;
    session->heartbeat_at_ms = now_ms;
    session->said_ms = now_ms;
    session->heartbeat_ms = welcome->heartbeat_ms;
    session->timeout_ms = welcome->timeout_ms;
    session->window = (size_t) welcome->window;
    session->items_to_come = welcome->items;
    session->sequence = welcome->sequence;
    snprintf(session->proof, sizeof(session->proof), "%s", welcome->proof);
    snprintf(session->token, sizeof(session->token), "%s", welcome->token);
    session_remember_presence(session, welcome->presence, session->away);
    session_say(session, "signed in at %.200s, desk %s%s", session_broker_name(session), welcome->desk,
                welcome->resumed ? ", resumed" : "");
    session_set_control(session, NULL);
    session_deliver(session, message_p);
}

// An error of another kind than those that pass: repeating HELLO would not mend it.
static void session_take_error_of_hello(struct behalf_session *session, const struct behalf_error *error,
                                        int64_t now_ms)
{
    enum behalf_code code = behalf_code_from_name(error->code);
    if (code == BEHALF_CODE_BUSY || code == BEHALF_CODE_TOO_MANY || code == BEHALF_CODE_STORE ||
        code == BEHALF_CODE_NOT_SIGNED_IN) {
        // A broker that says when to ask again lives: no need to doubt it longer each time.
        int64_t delay_ms = error->retry_ms;
        session->attempts = delay_ms > 0 ? 0 : session->attempts;
        if (delay_ms > 0) {
            delay_ms += (int64_t) (session_draw(session) % (uint64_t) (delay_ms / 2 + 1));
        } else {
            delay_ms = session_back_off_ms(session);
        }
        char when[48];
        session_say(session, "%.100s: %s %.350s%s", session_broker_name(session), error->code, error->reason,
                    session_when_next(when, delay_ms));
        if (code == BEHALF_CODE_BUSY) {
            session_move_on(session, now_ms); // another one may have the desk, or know who has
        }
        session_wait_to_connect(session, delay_ms, now_ms);
        return;
    }
    session_say(session, "%.100s refused HELLO: %s%s%s%s%.250s", session_broker_name(session), error->code,
                error->field[0] != '\0' ? " " : "", error->field, error->reason[0] != '\0' ? ": " : "", error->reason);
    finish(session, REFUSED);
}

static void session_take_error(struct behalf_session *session, struct behalf_message **message_p, int64_t now_ms)
{
    const struct behalf_message *message = *message_p;
    enum behalf_code code = behalf_code_from_name(message->error.code);
    if (session->phase == GREETING && message->id == session->hello_id) {
        session_take_error_of_hello(session, &message->error, now_ms);
    } else if (code == BEHALF_CODE_NOT_SIGNED_IN) {
        // While greeting it answers what was sent before HELLO.
        if (session->phase == STANDING) {
            session_say(session, "%.200s does not know the session; saying HELLO again", session_broker_name(session));
            session_greet(session, now_ms);
        }
    } else if (message->id == 0) {
        if (session->phase == STANDING) {
            session_deliver(session, message_p);
        }
    } else if (!session_request_open(session, message->id)) {
        return;
    } else if (code == BEHALF_CODE_BUSY || code == BEHALF_CODE_TOO_MANY) {
        int64_t until_ms = now_ms + (message->error.retry_ms > 0 ? message->error.retry_ms : SESSION_BACKOFF_FIRST_MS);
        if (session->paused_until_ms < until_ms) {
            session->paused_until_ms = until_ms;
        }
        session_request_to_repeat(session, message->id);
    } else {
        session_request_answered(session, message->id);
        session_deliver(session, message_p);
    }
}

static void session_take_bye(struct behalf_session *session, struct behalf_message **message_p, int64_t now_ms)
{
    if (session->phase != STANDING) {
        return;
    }
    const char *reason = (*message_p)->bye.reason;
    if (strncmp(reason, "restart", strlen("restart")) == 0) {
        session_lose(session, reason, now_ms);
        return;
    }
    session_say(session, "%.200s ended the session: %s", session_broker_name(session),
                reason[0] != '\0' ? reason : "no reason given");
    finish(session, ENDED);
    session_deliver(session, message_p);
}

// ---- MOVED ----

static size_t session_find_broker(const struct behalf_session *session, const char *endpoint)
{
    size_t place = 0;
    while (place < session->broker_count && strcmp(session->brokers[place].endpoint, endpoint) != 0) {
        place++;
    }
    return place;
}

static struct known_broker session_take_broker_out(struct behalf_session *session, size_t place)
{
    struct known_broker taken = session->brokers[place];
    session->broker_count--;
    memmove(&session->brokers[place], &session->brokers[place + 1],
            (session->broker_count - place) * sizeof(*session->brokers));
    return taken;
}

// Puts a broker in front; of those that were only told, the one told longest ago makes room.
static void session_prefer_broker(struct behalf_session *session, const char *endpoint)
{
    struct known_broker broker = { 0 };
    size_t place = session_find_broker(session, endpoint);
    if (place < session->broker_count) {
        broker = session_take_broker_out(session, place);
    } else {
        broker.endpoint = strdup(endpoint);
    }
    must(broker.endpoint != NULL);
    memmove(&session->brokers[1], &session->brokers[0], session->broker_count * sizeof(*session->brokers));
    session->brokers[0] = broker;
    session->broker_count++;
    size_t told = 0;
    for (place = 0; place < session->broker_count; place++) {
        if (!session->brokers[place].own && ++told > SESSION_BROKERS_TOLD_MAX) {
            break;
        }
    }
    if (place < session->broker_count) {
        broker = session_take_broker_out(session, place);
        free(broker.endpoint);
    }
}

static bool session_may_follow(const struct behalf_session *session, const char *endpoint)
{
    return endpoint_is_local(endpoint) || session_find_broker(session, endpoint) < session->broker_count;
}

static void session_take_moved(struct behalf_session *session, const struct behalf_message *message, int64_t now_ms)
{
    if (session->phase == GREETING && message->id != session->hello_id && message->id != 0) {
        return;
    }
    const struct behalf_moved *moved = &message->moved;
    char from[200];
    snprintf(from, sizeof(from), "%s", session_broker_name(session));
    bool followed = false;
    for (size_t i = moved->brokers_count; i > 0; i--) {
        if (session_may_follow(session, moved->brokers[i - 1])) {
            session_prefer_broker(session, moved->brokers[i - 1]);
            followed = true;
        }
    }
    if (!followed) {
        session_lose(session, "the desk has moved, and not to where this client may follow", now_ms);
        return;
    }
    session->broker = 0;
    int64_t delay_ms = session_earlier(session_back_off_ms(session), SESSION_MOVED_LAST_MS);
    char when[48];
    session_say(session, "%s: desk %s has moved to %.200s%s", from, moved->desk, session_broker_name(session),
                session_when_next(when, delay_ms));
    session_wait_to_connect(session, delay_ms, now_ms);
}

static bool session_is_news(enum behalf_type type)
{
    return type == BEHALF_ITEM || type == BEHALF_GONE || type == BEHALF_PRESENCE || type == BEHALF_REPLY;
}

static void session_take_message(struct behalf_session *session, struct behalf_message **message_p, int64_t now_ms)
{
    const struct behalf_message *message = *message_p;
    if (message->type == BEHALF_WELCOME) {
        session_take_welcome(session, message_p, now_ms);
    } else if (message->type == BEHALF_ERROR) {
        session_take_error(session, message_p, now_ms);
    } else if (message->type == BEHALF_BYE) {
        session_take_bye(session, message_p, now_ms);
    } else if (message->type == BEHALF_MOVED) {
        session_take_moved(session, message, now_ms);
    } else if (session_is_news(message->type)) {
        // What comes before WELCOME belongs to no session.
        if (session->phase != STANDING) {
            return;
        }
        if (message->type == BEHALF_ITEM && session->items_to_come > 0) {
            session->items_to_come--;
        }
        if (message->type == BEHALF_PRESENCE) {
            session_remember_presence(session, message->presence.state, message->presence.reason);
        }
        session_deliver(session, message_p);
    } else if (session_request_open(session, message->id)) {
        if (message->type == BEHALF_DONE && message->id == session->presence_id) {
            session_remember_presence(session, message->done.state, session->presence_away);
        }
        session_request_answered(session, message->id);
        session_deliver(session, message_p);
    }
}

void behalf_session_receive(struct behalf_session *session, const void *frame, size_t frame_bytes, int64_t now_ms)
{
    if (session->phase != GREETING && session->phase != STANDING) {
        return;
    }
    session->heard_ms = now_ms;
    session->brokers[session->broker].silent_until_ms = now_ms;
    struct behalf_fault fault;
    struct behalf_message *message = behalf_message_decode(frame, frame_bytes, &fault);
    if (message == NULL) {
        if (fault.code == BEHALF_CODE_UNKNOWN_TYPE) {
            return; // of a later version
        }
        char why[256];
        snprintf(why, sizeof(why), "sent a frame that is not good: %s %s", fault.field, fault.reason);
        session_lose(session, why, now_ms);
        return;
    }
    if ((behalf_type_senders(message->type) & BEHALF_BY_BROKER) != 0) {
        session_take_message(session, &message, now_ms);
    }
    behalf_message_destroy(&message);
}

// ---- time ----

void behalf_session_lost(struct behalf_session *session, const char *reason, int64_t now_ms)
{
    if (session->phase == GREETING || session->phase == STANDING) {
        session_lose(session, reason, now_ms);
    }
}

// When the next HEARTBEAT is due: a heartbeat after something was last said, or heard.
static int64_t session_heartbeat_due_ms(const struct behalf_session *session)
{
    int64_t quiet_ms = session->said_ms < session->heard_ms ? session->said_ms : session->heard_ms;
    int64_t since_ms = quiet_ms > session->heartbeat_at_ms ? quiet_ms : session->heartbeat_at_ms;
    return since_ms + session->heartbeat_ms;
}

static void session_keep_alive(struct behalf_session *session, int64_t now_ms)
{
    if (now_ms - session->heard_ms >= session->timeout_ms) {
        char why[64];
        snprintf(why, sizeof(why), "silent for %" PRId64 " ms", now_ms - session->heard_ms);
        session_note_silence(session, now_ms);
        session_lose(session, why, now_ms);
    } else if (now_ms >= session_heartbeat_due_ms(session)) {
        struct behalf_message heartbeat = { .type = BEHALF_HEARTBEAT };
        session_set_control(session, &heartbeat);
        session->heartbeat_at_ms = now_ms;
    }
}

void behalf_session_tick(struct behalf_session *session, int64_t now_ms)
{
    if (session->phase == WAITING && now_ms >= session->retry_at_ms) {
        session->connect_ordered = true;
        session_greet(session, now_ms);
        session->heard_ms = now_ms;
    } else if (session->phase == GREETING && now_ms - session->greeted_ms >= SESSION_GREETING_MS) {
        session_note_silence(session, now_ms);
        session_lose(session, "no answer to HELLO", now_ms);
    } else if (session->phase == STANDING) {
        session_keep_alive(session, now_ms);
    }
}

int64_t behalf_session_due_ms(const struct behalf_session *session, int64_t now_ms)
{
    int64_t at_ms;
    if (session->phase == WAITING) {
        at_ms = session->retry_at_ms;
    } else if (session->phase == GREETING) {
        at_ms = session->greeted_ms + SESSION_GREETING_MS;
    } else if (session->phase == STANDING) {
        at_ms = session_earlier(session->heard_ms + session->timeout_ms, session_heartbeat_due_ms(session));
        if (session->pending > session->in_flight && session->paused_until_ms > now_ms) {
            at_ms = session_earlier(at_ms, session->paused_until_ms);
        }
    } else {
        return -1;
    }
    return at_ms > now_ms ? at_ms - now_ms : 0;
}

// ---- out ----

bool behalf_session_connect_order(struct behalf_session *session, size_t *broker)
{
    if (!session->connect_ordered) {
        return false;
    }
    session->connect_ordered = false;
    *broker = session->broker;
    return true;
}

const char *behalf_session_broker(const struct behalf_session *session, size_t broker)
{
    must(broker < session->broker_count);
    return session->brokers[broker].endpoint;
}

const void *behalf_session_output(struct behalf_session *session, size_t *frame_bytes, int64_t now_ms)
{
    session->control_offered = session->control != NULL;
    if (session->control_offered) {
        *frame_bytes = session->control_bytes;
        return session->control;
    }
    if (session->phase != STANDING || session->in_flight >= session->window || now_ms < session->paused_until_ms) {
        return NULL;
    }
    const struct request *request = session_request_unsent(session);
    if (request == NULL) {
        return NULL;
    }
    *frame_bytes = request->frame_bytes;
    return request->frame;
}

void behalf_session_sent(struct behalf_session *session, int64_t now_ms)
{
    session->said_ms = now_ms;
    if (session->control_offered) {
        session_set_control(session, NULL);
        return;
    }
    struct request *request = session_request_unsent(session);
    must(request != NULL);
    request->sent = true;
    session->in_flight++;
}

bool behalf_session_has_next(const struct behalf_session *session)
{
    return session->first != NULL;
}

struct behalf_message *behalf_session_next(struct behalf_session *session)
{
    struct delivery *delivery = session->first;
    if (delivery == NULL) {
        return NULL;
    }
    struct behalf_message *message = delivery->message;
    session->first = delivery->next;
    if (session->first == NULL) {
        session->last = NULL;
    }
    free(delivery);
    return message;
}

// ---- the caller ----

int64_t behalf_session_send(struct behalf_session *session, const struct behalf_message *message,
                            struct behalf_fault *fault)
{
    *fault = (struct behalf_fault){ 0 };
    if (session->phase == REFUSED || session->phase == ENDED) {
        fault->code = BEHALF_CODE_NOT_SIGNED_IN;
        snprintf(fault->reason, sizeof(fault->reason), "%.150s", session->reason);
        return 0;
    }
    if (message->type == BEHALF_HELLO || message->type == BEHALF_HEARTBEAT || message->type == BEHALF_BYE ||
        (behalf_type_senders(message->type) & BEHALF_BY_ANYONE) == 0) {
        fault->code = BEHALF_CODE_UNKNOWN_TYPE;
        snprintf(fault->reason, sizeof(fault->reason), "%s is not a request that a client makes",
                 behalf_type_name(message->type));
        return 0;
    }
    struct behalf_message numbered = *message;
    numbered.id = session->next_id;
    size_t frame_bytes;
    void *frame = behalf_message_encode(&numbered, &frame_bytes, fault);
    if (frame == NULL) {
        return 0;
    }
    if ((size_t) (session->next_id - session->first_id) == session->ring_size) {
        session_grow_ring(session);
    }
    *session_request_at(session, session->next_id) = (struct request){ .frame = frame, .frame_bytes = frame_bytes };
    session->pending++;
    if (message->type == BEHALF_PRESENCE) {
        session->presence_id = session->next_id;
        snprintf(session->presence_away, sizeof(session->presence_away), "%s",
                 message->presence.reason != NULL ? message->presence.reason : "");
    }
    return session->next_id++;
}

void behalf_session_close(struct behalf_session *session, const char *reason)
{
    if (session->phase == REFUSED || session->phase == ENDED) {
        return;
    }
    bool stood = session->phase == STANDING;
    const char *words = reason != NULL ? reason : "";
    finish(session, ENDED);
    session_say(session, "closed: %.200s", words[0] != '\0' ? words : "no reason given");
    struct behalf_message bye = { .type = BEHALF_BYE, .bye = { .reason = words } };
    size_t frame_bytes;
    struct behalf_fault fault;
    void *frame = stood ? behalf_message_encode(&bye, &frame_bytes, &fault) : NULL;
    if (stood && frame == NULL) { // a reason that may not travel is the caller's, but leaving must not fail
        bye.bye.reason = "";
        frame = behalf_message_encode(&bye, &frame_bytes, &fault);
    }
    if (frame != NULL) {
        session->control = frame;
        session->control_bytes = frame_bytes;
    }
}

enum behalf_client_state behalf_session_state(const struct behalf_session *session)
{
    switch (session->phase) {
    case STANDING:
        return BEHALF_CLIENT_READY;
    case REFUSED:
        return BEHALF_CLIENT_REFUSED;
    case ENDED:
        return BEHALF_CLIENT_ENDED;
    default:
        return BEHALF_CLIENT_CONNECTING;
    }
}

bool behalf_session_is_sure(const struct behalf_session *session)
{
    return session->phase == STANDING && session->items_to_come == 0;
}

const char *behalf_session_reason(const struct behalf_session *session)
{
    return session->reason;
}

size_t behalf_session_pending(const struct behalf_session *session)
{
    return session->pending;
}

size_t behalf_session_window(const struct behalf_session *session)
{
    return session->window;
}

bool behalf_session_answered(const struct behalf_session *session, int64_t id)
{
    return !session_request_open(session, id);
}

// ---- beginning and end ----

static void session_copy_brokers(struct behalf_session *session, const struct behalf_session_options *options)
{
    session->broker_count = options->broker_count;
    for (size_t i = 0; i < options->broker_count; i++) {
        session->brokers[i] = (struct known_broker){ .endpoint = strdup(options->brokers[i]), .own = true };
        must(session->brokers[i].endpoint != NULL);
    }
}

// Whether HELLO as the caller wants it can be sent at all.
static bool session_check_hello(const struct behalf_message *hello, struct behalf_fault *fault)
{
    size_t frame_bytes;
    void *frame = behalf_message_encode(hello, &frame_bytes, fault);
    free(frame);
    return frame != NULL;
}

struct behalf_session *behalf_session_new(const struct behalf_session_options *options, int64_t now_ms,
                                          struct behalf_fault *fault)
{
    must(options->broker_count > 0);
    must(options->broker_count <= SESSION_BROKERS_OWN_MAX);
    must(options->first_id >= SESSION_FIRST_ID_MIN);
    must(options->first_id <= INT64_C(1) << 62);
    struct behalf_message hello = { .type = BEHALF_HELLO, .hello = *options->hello };
    hello.hello.version = BEHALF_PROTOCOL_VERSION;
    if (!session_check_hello(&hello, fault)) {
        return NULL;
    }
    struct behalf_session *session = calloc(1, sizeof(*session));
    must(session != NULL);
    session->hello = behalf_message_copy(&hello);
    snprintf(session->token, sizeof(session->token), "%s", session->hello->hello.token);
    snprintf(session->away, sizeof(session->away), "%s", session->hello->hello.away);
    session->random = options->seed | 1; // xorshift must not start at zero
    session->first_id = session->next_id = session->unsent_id = options->first_id;
    session->window = 1;
    session->retry_at_ms = now_ms;
    session_copy_brokers(session, options);
    session_grow_ring(session);
    session_say(session, "connecting to %.400s", session_broker_name(session));
    return session;
}

void behalf_session_destroy(struct behalf_session **session_p)
{
    struct behalf_session *session = *session_p;
    if (session == NULL) {
        return;
    }
    for (struct behalf_message *left; (left = behalf_session_next(session)) != NULL;) {
        behalf_message_destroy(&left);
    }
    for (int64_t id = session->first_id; id < session->next_id; id++) {
        free(session_request_at(session, id)->frame);
    }
    for (size_t i = 0; i < session->broker_count; i++) {
        free(session->brokers[i].endpoint);
    }
    free(session->ring);
    free(session->control);
    behalf_message_destroy(&session->hello);
    free(session);
    *session_p = NULL;
}
