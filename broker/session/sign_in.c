// sign_in.c - sessions begin, go on, are lost, and end.

#include "broker/session/core.h"

#include <unictype.h>
#include <unistr.h>

// Lost sessions are kept for resuming at least this long; what they keep is only a convenience by then.
#define LOST_KEPT_MS (INT64_C(5) * 60 * 1000)

// Sessions lost for too long that are forgotten in one go: each is looked for among all.
#define FORGOTTEN_AT_ONCE 64

static void sign_in_say(struct broker *broker, const struct session *session, const char *what)
{
    char who[SESSION_WHO_BYTES];

    session_who(session, who);
    broker_log(broker, "info", who, "%s", what);
}

// ---- the end ----

static void sign_in_tell_desk_lost(struct broker *broker, const struct session *session)
{
    if (session->role != SESSION_CONTROL) {
        desk_session_lost(broker->desk, session->number, broker->now_ms);
    }
}

static void sign_in_tell_desk_left(struct broker *broker, const struct session *session)
{
    if (session->role != SESSION_CONTROL) {
        desk_session_left(broker->desk, session->number, broker->now_ms);
    }
}

void session_lost(struct broker *broker, struct session *session, const char *reason)
{
    char who[SESSION_WHO_BYTES];

    if (session->peer == NULL) {
        return;
    }
    session_who(session, who);
    broker_log(broker, "info", who, "lost: %s", reason);
    session_table_detach(&broker->sessions, session, broker->now_ms);
    sign_in_tell_desk_lost(broker, session);
}

void session_end(struct broker *broker, struct session **session_p, bool left, const char *reason)
{
    struct session *session = *session_p;
    struct peer *peer = session->peer;
    char who[SESSION_WHO_BYTES];

    session_who(session, who);
    broker_log(broker, "info", who, "ended: %s", reason);
    if (left) {
        sign_in_tell_desk_left(broker, session);
    } else if (peer != NULL) {
        sign_in_tell_desk_lost(broker, session);
    }
    session_table_remove(&broker->sessions, session_p, broker->now_ms);
    if (peer != NULL) {
        speak_now(broker, peer->number, &(struct behalf_message){ .type = BEHALF_BYE, .bye = { .reason = reason } });
        broker_drop(broker, peer->number);
        session_table_remove_peer(&broker->sessions, &peer);
    }
}

void session_bye(struct broker *broker, struct session **session_p, const char *reason)
{
    char who[SESSION_WHO_BYTES];

    session_who(*session_p, who);
    broker_log(broker, "info", who, "signed out%s%s", reason[0] == '\0' ? "" : ": ", reason);
    sign_in_tell_desk_left(broker, *session_p);
    session_table_remove(&broker->sessions, session_p, broker->now_ms);
}

void broker_peer_lost(struct broker *broker, uint64_t number, const char *reason, int64_t now_ms)
{
    broker_advance(broker, now_ms);
    struct peer *peer = session_table_peer(&broker->sessions, number);

    if (peer == NULL) {
        return;
    }
    if (peer->session != NULL) {
        session_lost(broker, peer->session, reason);
    }
    if (!peer->banned) {
        session_table_remove_peer(&broker->sessions, &peer);
    }
}

void broker_peer_gone(struct broker *broker, uint64_t number, const char *reason, int64_t now_ms)
{
    struct peer *peer = session_table_peer(&broker->sessions, number);

    if (peer != NULL) {
        peer->banned = false; // there is nobody left whom it would keep out
    }
    broker_peer_lost(broker, number, reason, now_ms);
}

void broker_set_over_address(struct broker *broker, uint64_t count)
{
    broker->over_address_of_shell = count;
}

uint64_t broker_sign_ins_refused(const struct broker *broker)
{
    return broker->sign_ins_refused;
}

void broker_peer_behind(struct broker *broker, uint64_t number, bool behind)
{
    struct peer *peer = session_table_peer(&broker->sessions, number);

    if (peer != NULL) {
        peer->behind = behind;
    }
}

void broker_peer_left(struct broker *broker, uint64_t number, const char *reason, int64_t now_ms)
{
    broker_advance(broker, now_ms);
    struct peer *peer = session_table_peer(&broker->sessions, number);

    if (peer == NULL || broker->stopping) {
        return;
    }
    if (peer->session != NULL) {
        struct session *session = peer->session;
        session_bye(broker, &session, reason);
    }
    if (!peer->banned) {
        session_table_remove_peer(&broker->sessions, &peer);
    }
}

// ---- HELLO ----

// A HELLO and what was found out about it.
struct hello {
    const struct behalf_hello *body;
    struct peer *peer;
    int64_t id;
    enum session_role role;
    uint32_t person;
};

// Whoever is refused may try again as fast as they can: that must not fill the disk that the store may be on.
static void sign_in_log_refusal(struct broker *broker, const struct hello *hello, enum behalf_code code,
                                const char *reason)
{
    struct session_table *table = &broker->sessions;

    if (allowance_spend(&table->refusals, REFUSALS_LOG_RATE, REFUSALS_LOG_BURST, broker->now_ms) > 0) {
        table->refusals_left_out++;
        return;
    }
    if (table->refusals_left_out > 0) {
        broker_log(broker, "warning", "peer", "%" PRIu64 " more refusals of HELLO left out", table->refusals_left_out);
        table->refusals_left_out = 0;
    }
    broker_log(broker, "info", "peer", "HELLO of %s %s refused: %s %s", hello->body->role, hello->body->name,
               behalf_code_name(code), reason);
}

static bool sign_in_refuse(struct broker *broker, const struct hello *hello, enum behalf_code code, const char *field,
                           const char *reason)
{
    speak_error_now(broker, hello->peer->number, hello->id,
                    &(struct behalf_error){ .code = behalf_code_name(code), .field = field, .reason = reason });
    sign_in_log_refusal(broker, hello, code, reason);
    broker->sign_ins_refused++;
    return false;
}

// What is wrong with a HELLO whoever has the desk.
static bool sign_in_refuse_form(struct broker *broker, const struct hello *hello, enum behalf_code code,
                                const char *field, const char *reason)
{
    speak_error_of_form(broker, hello->peer->number, hello->id,
                        &(struct behalf_error){ .code = behalf_code_name(code), .field = field, .reason = reason });
    sign_in_log_refusal(broker, hello, code, reason);
    broker->sign_ins_refused++;
    return false;
}

// True if every character of a name is seen as it stands: no controls, nothing that turns the direction of writing,
// joins without being seen, or breaks the line.
static bool sign_in_is_seen(const char *name)
{
    ucs4_t character;

    for (const uint8_t *next = (const uint8_t *) name; (next = u8_next(&character, next)) != NULL;) {
        if (uc_is_general_category_withtable(character,
                                             UC_CATEGORY_MASK_C | UC_CATEGORY_MASK_Zl | UC_CATEGORY_MASK_Zp)) {
            return false;
        }
    }
    return true;
}

static bool sign_in_check_connector(struct broker *broker, const struct hello *hello)
{
    const struct policy *policy = rules_policy(broker->rules);

    // The desk knows an instance as NAME/INSTANCE: no two connectors may mean the same.
    if (strchr(hello->body->name, '/') != NULL) {
        return sign_in_refuse_form(broker, hello, BEHALF_CODE_INVALID, "name", "a connector's name has no slash");
    }
    for (size_t i = 0; i < hello->body->channels_count; i++) {
        if (policy_find_channel(policy, hello->body->channels[i]) == POLICY_NONE) {
            return sign_in_refuse(
                broker, hello, BEHALF_CODE_NOT_FOUND, "channels",
                "the desk's rules name no such channel; add it to them, or ask for one that they name");
        }
    }
    if (hello->body->channels_count > 0 && hello->body->instance[0] == '\0') {
        return sign_in_refuse_form(broker, hello, BEHALF_CODE_MISSING, "instance",
                                   "a connector that takes replies out names its instance");
    }
    return true;
}

// What can be said of it whoever has the desk.
static bool sign_in_check_form(struct broker *broker, struct hello *hello)
{
    if (hello->id <= 0) {
        return sign_in_refuse_form(broker, hello, BEHALF_CODE_INVALID, "id", "the id of HELLO is greater than 0");
    }
    if (hello->body->version != BEHALF_PROTOCOL_VERSION) {
        return sign_in_refuse_form(broker, hello, BEHALF_CODE_VERSION, "version",
                                   "this broker speaks version 1 of the protocol");
    }
    if (!session_role_from_name(hello->body->role, &hello->role)) {
        return sign_in_refuse_form(broker, hello, BEHALF_CODE_INVALID, "role", "person, connector or control");
    }
    if (hello->body->name[0] == '\0') {
        return sign_in_refuse_form(broker, hello, BEHALF_CODE_INVALID, "name", "a name is not empty");
    }
    if (!sign_in_is_seen(hello->body->name)) {
        return sign_in_refuse_form(broker, hello, BEHALF_CODE_INVALID, "name",
                                   "a name holds no control characters, and none that cannot be seen");
    }
    if (!sign_in_is_seen(hello->body->instance)) {
        return sign_in_refuse_form(broker, hello, BEHALF_CODE_INVALID, "instance",
                                   "an instance holds no control characters, and none that cannot be seen");
    }
    if (hello->body->desk[0] != '\0' && strcmp(hello->body->desk, rules_policy(broker->rules)->desk) != 0) {
        return sign_in_refuse_form(broker, hello, BEHALF_CODE_NOT_FOUND, "desk",
                                   "this broker does not serve that desk");
    }
    return true;
}

static bool sign_in_check_hello(struct broker *broker, struct hello *hello)
{
    if (hello->role == SESSION_PERSON) {
        hello->person = policy_find_person(rules_policy(broker->rules), hello->body->name);
        if (hello->person == POLICY_NONE) {
            return sign_in_refuse(broker, hello, BEHALF_CODE_NOT_FOUND, "name", "the desk's rules name no such person");
        }
    }
    return hello->role != SESSION_CONNECTOR || sign_in_check_connector(broker, hello);
}

static bool sign_in_is_of(const struct session *session, const struct hello *hello)
{
    return session->role == hello->role && strcmp(session->name, hello->body->name) == 0 &&
           strcmp(session->instance, hello->body->instance) == 0;
}

// How many sessions of a role there may be.  People have room whoever else is there: the rules name them, and each has
// one session.
static size_t sign_in_sessions_max(const struct broker *broker, enum session_role role)
{
    static const size_t shares[] = { [SESSION_CONNECTOR] = 4, [SESSION_CONTROL] = 8 };
    size_t all = broker->options.sessions_max;

    return role == SESSION_PERSON ? all : all / shares[role] > 0 ? all / shares[role] : 1;
}

// Makes room for one more session of a role, at the cost of the one lost for longest.
static bool sign_in_make_room(struct broker *broker, enum session_role role)
{
    const struct session_table *table = &broker->sessions;
    bool any = table->sessions.count < broker->options.sessions_max;
    bool of_role = table->count[role] < sign_in_sessions_max(broker, role);

    if (any && of_role) {
        return true;
    }
    struct session *lost = session_table_longest_lost(table, of_role ? SESSION_ROLES : 1u << role);
    if (lost == NULL) {
        return false;
    }
    session_table_remove(&broker->sessions, &lost, broker->now_ms);
    return true;
}

// One name alone has at most a quarter of its role's sessions.
static bool sign_in_has_room_of_name(const struct broker *broker, const struct hello *hello)
{
    size_t max = sign_in_sessions_max(broker, hello->role) / 4;

    return hello->role == SESSION_PERSON ||
           session_table_count_connected(&broker->sessions, hello->role, hello->body->name) < (max > 0 ? max : 1);
}

// One address alone has at most this part of its role's sessions.  People are named by the rules, and each has one
// session: a whole shift may be behind one address.
static bool sign_in_has_room_of_address(const struct broker *broker, const struct hello *hello)
{
    size_t max = sign_in_sessions_max(broker, hello->role) * (size_t) broker->options.address_percent / 100;

    return hello->role == SESSION_PERSON || hello->peer->address == 0 ||
           session_table_count_at(&broker->sessions, hello->role, hello->peer->address) < (max > 0 ? max : 1);
}

// Who is refused may ask again as fast as they can: that must not fill the disk.
static void sign_in_note_over_address(struct broker *broker, const char *reason)
{
    broker->over_address++;
    if (broker->over_address_logged > 0 && broker->now_ms - broker->over_address_log_ms < ADDRESS_LOG_MS) {
        return;
    }
    broker_log(broker, "warning", "peer", "HELLO refused: %s; %" PRIu64 " since this was logged last", reason,
               broker->over_address - broker->over_address_logged);
    broker->over_address_logged = broker->over_address;
    broker->over_address_log_ms = broker->now_ms;
}

static struct session *sign_in_refuse_for_address(struct broker *broker, const struct hello *hello)
{
    static const char reason[] = "as many sessions of this role as may be from this address are signed in";

    speak_error_now(broker, hello->peer->number, hello->id,
                    &(struct behalf_error){
                        .code = behalf_code_name(BEHALF_CODE_BUSY), .reason = reason, .retry_ms = RETRY_ROOM_MS });
    sign_in_note_over_address(broker, reason);
    return NULL;
}

static struct session *sign_in_refuse_for_room(struct broker *broker, const struct hello *hello, const char *reason)
{
    speak_error_now(broker, hello->peer->number, hello->id,
                    &(struct behalf_error){
                        .code = behalf_code_name(BEHALF_CODE_BUSY), .reason = reason, .retry_ms = RETRY_ROOM_MS });
    sign_in_log_refusal(broker, hello, BEHALF_CODE_BUSY, reason);
    return NULL;
}

// Ends what stands in the way of a new session: another session of the person, or of the same connector instance.
static void sign_in_end_older(struct broker *broker, const struct hello *hello)
{
    struct session *older = NULL;

    if (hello->role == SESSION_PERSON) {
        older = broker->sessions.people[hello->person];
    } else if (hello->role == SESSION_CONNECTOR && hello->body->instance[0] != '\0') {
        older = session_table_by_instance(&broker->sessions, hello->body->name, hello->body->instance);
    }
    if (older != NULL) {
        session_end(broker, &older, false, "signed in elsewhere");
    }
}

static struct session *sign_in_begin_session(struct broker *broker, const struct hello *hello)
{
    uint8_t token[SESSION_TOKEN_BYTES];

    sign_in_end_older(broker, hello);
    if (!sign_in_has_room_of_name(broker, hello)) {
        return sign_in_refuse_for_room(broker, hello, "as many sessions as may have this name are signed in");
    }
    if (!sign_in_has_room_of_address(broker, hello)) {
        return sign_in_refuse_for_address(broker, hello);
    }
    if (!sign_in_make_room(broker, hello->role)) {
        return sign_in_refuse_for_room(broker, hello,
                                       "as many sessions of this role as this broker takes are signed in");
    }
    broker->options.random(broker->options.self, token, sizeof token);
    struct session *session =
        session_table_add(&broker->sessions, hello->role, hello->body->name, hello->person, token);
    snprintf(session->instance, sizeof session->instance, "%s", hello->body->instance);
    return session;
}

// The session this HELLO goes on with, or NULL.  A peer that had another one leaves it.
static struct session *sign_in_find_resumed(struct broker *broker, const struct hello *hello)
{
    struct session *present = hello->peer->session;

    if (present != NULL && sign_in_is_of(present, hello)) {
        return present;
    }
    if (present != NULL) {
        session_bye(broker, &present, "another HELLO on the same connection");
    }
    struct session *session =
        hello->body->token[0] == '\0' ? NULL
        : hello->role == SESSION_PERSON
            ? session_table_of_person(&broker->sessions, hello->person, hello->body->token)
            : session_table_of_program(&broker->sessions, hello->role, hello->body->name, hello->body->token);
    return session != NULL && sign_in_is_of(session, hello) ? session : NULL;
}

// The peer that a session had before it is resumed by another one.
static void sign_in_leave_peer(struct broker *broker, struct session *session, const struct peer *next)
{
    struct peer *peer = session->peer;

    if (peer != NULL && peer != next) {
        session_table_detach(&broker->sessions, session, broker->now_ms);
        broker_drop(broker, peer->number);
        session_table_remove_peer(&broker->sessions, &peer);
    }
}

static void sign_in_keep_hello(struct session *session, const struct hello *hello)
{
    session->hello_id = hello->id;
    session->idempotent = hello->body->idempotent;
    session->channel_count = hello->body->channels_count;
    for (size_t i = 0; i < session->channel_count; i++) {
        snprintf(session->channels[i], sizeof session->channels[i], "%s", hello->body->channels[i]);
    }
}

// ---- WELCOME ----

static void sign_in_describe_person(struct broker *broker, const struct session *session,
                                    struct behalf_welcome *welcome)
{
    const struct policy *policy = rules_policy(broker->rules);
    const struct policy_person *person = &policy->people[session->person];
    const char *roles = "";

    for (enum audience audience = 0; audience < AUDIENCE_COUNT; audience++) {
        if ((person->audiences & 1u << audience) != 0) {
            roles = change_list_format(broker_list(broker), "%s%s%s", roles, roles[0] == '\0' ? "" : ",",
                                       audience_name(audience));
        }
    }
    welcome->roles = roles;
    welcome->display_name = person->display_name;
    welcome->agency = person->agency == POLICY_NONE ? "" : policy->agencies[person->agency].name;
    welcome->capacity = person->capacity;
}

// Hands the session to the desk; returns how many items it shows.
static size_t sign_in_tell_desk_in(struct broker *broker, const struct session *session, const char *away)
{
    const char *channels[SESSION_CHANNELS_MAX];
    char instance[2 * BEHALF_NAME_BYTES + 2];

    if (session->role == SESSION_PERSON) {
        return desk_sign_in(broker->desk, session->person, session->number, away, broker->now_ms);
    }
    if (session->role == SESSION_CONNECTOR) {
        for (size_t i = 0; i < session->channel_count; i++) {
            channels[i] = session->channels[i];
        }
        // An instance is one of its connector's: another's of the same word is somebody else.
        snprintf(instance, sizeof instance, "%s/%s", session->name, session->instance);
        desk_connector_in(broker->desk, session->number, instance, channels, session->channel_count,
                          session->idempotent, broker->now_ms);
    }
    return 0;
}

static void sign_in_append(struct change_list *list, const struct change_list *more)
{
    for (const struct change *change = change_list_changes(more); change != NULL; change = change->next) {
        change_list_add(list, change);
    }
    for (const struct effect *effect = change_list_effects(more); effect != NULL; effect = effect->next) {
        change_list_tell(list, effect);
    }
}

// WELCOME tells how many ITEMs follow, so the desk shows them into a list of its own first.
static void sign_in_welcome(struct broker *broker, const struct session *session, const struct hello *hello,
                            bool resumed)
{
    struct change_list *shown = change_list_new();
    struct behalf_message message = { .type = BEHALF_WELCOME, .id = hello->id };
    char proof[BEYOND_PROOF_BYTES];

    desk_set_list(broker->desk, shown);
    // Of a session that goes on the desk knows more than its client, which may not have heard the last answer.
    size_t items = sign_in_tell_desk_in(broker, session, resumed ? "" : hello->body->away);
    desk_set_list(broker->desk, broker_list(broker));
    beyond_prove(broker, (int64_t) desk_sequence(broker->desk), proof);
    message.welcome = (struct behalf_welcome){
        .version = BEHALF_PROTOCOL_VERSION,
        .token = session->token,
        .resumed = resumed,
        .desk = rules_policy(broker->rules)->desk,
        .sequence = (int64_t) desk_sequence(broker->desk),
        .proof = proof,
        .now_ms = broker->now_ms,
        .heartbeat_ms = broker->options.heartbeat_ms,
        .timeout_ms = broker->options.timeout_ms,
        .window = (int64_t) broker->options.window,
        .items = (int64_t) items,
    };
    if (session->role == SESSION_PERSON) {
        sign_in_describe_person(broker, session, &message.welcome);
        message.welcome.presence = desk_presence_of(broker->desk, session->person);
    }
    speak_later(broker, session->number, &message);
    sign_in_append(broker_list(broker), shown);
    change_list_destroy(&shown);
}

// One address uses up only a part of what all programs together have.
static int64_t sign_in_spend_hello_at(struct session_table *table, const struct hello *hello, int64_t now_ms)
{
    struct allowance *allowance = &table->address_hellos[hello->role][hello->peer->address % SESSION_TABLE_ADDRESSES];

    return hello->peer->address == 0 ? 0
                                     : allowance_spend(allowance, OTHER_HELLO_RATE * ADDRESS_HELLO_PERCENT / 100,
                                                       OTHER_HELLO_BURST * ADDRESS_HELLO_PERCENT / 100, now_ms);
}

static int64_t sign_in_spend_hello(struct session_table *table, const struct hello *hello, int64_t now_ms)
{
    if (hello->role == SESSION_PERSON) {
        return allowance_spend(&table->person_hellos[hello->person], PERSON_HELLO_RATE, PERSON_HELLO_BURST, now_ms);
    }
    int64_t wait_ms = sign_in_spend_hello_at(table, hello, now_ms);
    return wait_ms > 0
               ? wait_ms
               : allowance_spend(&table->other_hellos[hello->role], OTHER_HELLO_RATE, OTHER_HELLO_BURST, now_ms);
}

static bool sign_in_is_within_rate(struct broker *broker, const struct hello *hello)
{
    int64_t wait_ms = sign_in_spend_hello(&broker->sessions, hello, broker->now_ms);

    if (wait_ms > 0) {
        speak_error_now(broker, hello->peer->number, hello->id,
                        &(struct behalf_error){ .code = behalf_code_name(BEHALF_CODE_TOO_MANY),
                                                .reason = "signed in too often lately",
                                                .retry_ms = wait_ms > RETRY_FULL_MS ? wait_ms : RETRY_FULL_MS });
    }
    return wait_ms == 0;
}

void sign_in(struct broker *broker, struct peer *peer, const struct behalf_message *message)
{
    struct hello hello = { .body = &message->hello, .peer = peer, .id = message->id, .person = POLICY_NONE };

    if (!sign_in_check_form(broker, &hello)) {
        return;
    }
    // Of the rest another broker may know better.
    if (!broker_lease_stands(broker)) {
        lapse_answer_hello(broker, peer->number, hello.id);
        return;
    }
    if (!sign_in_check_hello(broker, &hello) || !sign_in_is_within_rate(broker, &hello)) {
        return;
    }
    if (!beyond_allows(broker, hello.body)) {
        speak_error_now(broker, peer->number, hello.id,
                        &(struct behalf_error){ .code = behalf_code_name(BEHALF_CODE_STORE),
                                                .field = "sequence",
                                                .reason = "the desk is behind what this client was told: its store has"
                                                          " lost something, and whoever runs it has to look",
                                                .retry_ms = RETRY_ROOM_MS });
        return;
    }
    // Who asks how things are is told so even now; for all others WELCOME waits until they are better.
    if (broker->away && hello.role == SESSION_CONTROL) {
        speak_away(broker, peer->number, hello.id);
        return;
    }
    if (broker_is_full(broker)) {
        speak_error_now(broker, peer->number, hello.id,
                        &(struct behalf_error){ .code = behalf_code_name(BEHALF_CODE_BUSY),
                                                .reason = "the store has not caught up",
                                                .retry_ms = broker->away ? RETRY_AWAY_MS : RETRY_FULL_MS });
        return;
    }
    struct session *session = sign_in_find_resumed(broker, &hello);
    bool resumed = session != NULL;
    if (session == NULL) {
        session = sign_in_begin_session(broker, &hello);
        if (session == NULL) {
            return;
        }
    }
    sign_in_leave_peer(broker, session, peer);
    session_table_attach(&broker->sessions, session, peer, broker->now_ms);
    sign_in_keep_hello(session, &hello);
    if (resumed) {
        sign_in_tell_desk_lost(broker, session); // it may not know yet that the older connection is gone
    }
    sign_in_say(broker, session, resumed ? "resumed" : "signed in");
    sign_in_welcome(broker, session, &hello, resumed);
}

// ---- silence ----

static int64_t sign_in_kept_ms(const struct broker *broker)
{
    const struct policy_times *times = &rules_policy(broker->rules)->times;
    int64_t kept = LOST_KEPT_MS;

    kept = times->grace_ms > kept ? times->grace_ms : kept;
    return times->fate_ms > kept ? times->fate_ms : kept;
}

static void sign_in_watch_session(struct broker *broker, struct session *session)
{
    int64_t silent_ms = broker->now_ms - session->heard_ms;
    char reason[64];

    if (silent_ms >= broker->options.timeout_ms) {
        struct peer *peer = session->peer;
        snprintf(reason, sizeof reason, "silent for %" PRId64 " ms", silent_ms);
        session_lost(broker, session, reason);
        broker_drop(broker, peer->number);
        session_table_remove_peer(&broker->sessions, &peer);
    } else if (session->welcomed && broker->now_ms - session->spoken_ms >= broker->options.heartbeat_ms) {
        session->spoken_ms = broker->now_ms;
        speak_now(broker, session->peer->number, &(struct behalf_message){ .type = BEHALF_HEARTBEAT });
    }
}

static bool sign_in_is_forgotten(const struct broker *broker, const struct session *session)
{
    return session->peer == NULL && broker->now_ms - session->lost_ms >= sign_in_kept_ms(broker);
}

// Removes one session lost for too long; false when there is none.
static bool sign_in_forget_session(struct broker *broker)
{
    struct session *session = session_table_longest_lost(&broker->sessions, SESSION_ROLES);

    if (session == NULL || !sign_in_is_forgotten(broker, session)) {
        return false;
    }
    session_table_remove(&broker->sessions, &session, broker->now_ms);
    return true;
}

static bool sign_in_is_idle(const struct broker *broker, const struct peer *peer)
{
    int64_t kept = broker->options.timeout_ms * (peer->banned ? BANNED_TIMEOUTS : 1);

    return peer->session == NULL && broker->now_ms - peer->since_ms >= kept;
}

// Drops peers that never got a session, or that were banned long enough: enough in one go that a flood of
// them is gone in a few rounds.
static void sign_in_drop_idle_peers(struct broker *broker)
{
    struct peer *idle[256];
    struct peer *peer;
    size_t count = 0;

    for (size_t place = 0; (peer = session_table_next_peer(&broker->sessions, &place)) != NULL;) {
        if (sign_in_is_idle(broker, peer) && count < sizeof idle / sizeof idle[0]) {
            idle[count++] = peer;
        }
    }
    for (size_t i = 0; i < count; i++) {
        broker_drop(broker, idle[i]->number);
        session_table_remove_peer(&broker->sessions, &idle[i]);
    }
}

int64_t sessions_watch(struct broker *broker)
{
    int64_t every_ms = broker->options.heartbeat_ms / 4 > 0 ? broker->options.heartbeat_ms / 4 : 1;
    struct session *session;

    if (broker->now_ms >= broker->watch_ms) {
        broker->watch_ms = broker->now_ms + every_ms;
        for (size_t place = 0; (session = session_table_next(&broker->sessions, &place)) != NULL;) {
            if (session->peer != NULL) {
                sign_in_watch_session(broker, session);
            }
        }
        for (int i = 0; i < FORGOTTEN_AT_ONCE && sign_in_forget_session(broker); i++) {
        }
        sign_in_drop_idle_peers(broker);
    }
    bool nobody = broker->sessions.sessions.count == 0 && broker->sessions.peers.count == 0;
    return nobody ? -1 : broker->watch_ms - broker->now_ms;
}

void sessions_forgive(struct broker *broker)
{
    struct session *session;
    struct peer *peer;

    for (size_t place = 0; (session = session_table_next(&broker->sessions, &place)) != NULL;) {
        session->heard_ms = broker->now_ms;
    }
    for (size_t place = 0; (peer = session_table_next_peer(&broker->sessions, &place)) != NULL;) {
        peer->since_ms = broker->now_ms;
    }
}
