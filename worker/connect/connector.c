// connector.c - the loop between adapter and broker, and a handler for each kind of line: see connector.h.
//
// One loop, one thread.  A turn does all there is to do, in an order that matters: what the broker says,
// what the adapter says, what became of the adapter's process, then what is to be said to it.  Nothing
// here waits but the poll at the end of a turn.

#include "worker/connect/connector.h"

#include "proto/base/must.h"
#include "proto/base/clocks.h"
#include "worker/connect/adapter.h"
#include "worker/connect/ledger.h"
#include "worker/connect/log.h"
#include "worker/json_mending.h"
#include "worker/message_json.h"
#include "worker/signals.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define POSTS_MAX 256                 // in flight at most, whatever window the broker grants
#define UNSAID_BYTES_MAX (256 * 1024) // an adapter that reads slower than this is not listened to
#define BACKOFF_FIRST_MS 200          // between a death and the next start
#define BACKOFF_LAST_MS 30000         // it doubles up to this
#define RAN_WELL_MS 10000             // an adapter that ran this long starts the back-off anew
#define WITHHELD_MS 10000             // a withheld reply not handed out again by then is given back
#define SETTLE_MS 5000                // how long the end waits for the last settlements
#define BYE_MS 1000                   // and for BYE to leave
#define LINES_A_TURN 64               // so that the broker is heard in between
#define AWAY_FIRST_MS 1000            // without a session for this long: it is logged
#define AWAY_AGAIN_MS 60000           // and again
#define TALLY_MS 1000                 // posts are logged in sum, at most once in this time

// A post, edit or deletion on its way to the broker.
struct post {
    int64_t id;            // the request; 0: this place is free
    int64_t run;           // the adapter's run that brought it
    enum behalf_type type; // POST, EDIT or DELETE
    char channel[BEHALF_NAME_BYTES + 1];
    char post[BEHALF_KEY_BYTES + 1];
    char mended[MENDING_NOTES_BYTES]; // what was done to it on the way, or ""
};

enum phase {
    PHASE_WORK,   // all is well
    PHASE_STOP,   // the adapter is being stopped
    PHASE_SETTLE, // it has ended; the last settlements are on their way
    PHASE_END
};

struct connector {
    const struct connector_options *options;
    struct behalf_client *client;
    enum behalf_client_state client_state; // as last logged
    struct adapter *adapter;
    struct ledger *ledger;
    struct mending *mending;
    struct encoding_tally tally; // of what this run of the adapter has written
    struct post posts[POSTS_MAX];
    size_t post_count;   // in flight
    char instance[33];   // of this process, as long as it lives
    int signals;         // descriptor of the signals
    int64_t now_ms;      // of this turn
    int64_t start_at_ms; // when the adapter is to be started, while it is down
    int64_t started_ms;  // when it was last started
    int64_t backoff_ms;  // before the next start
    bool finished;       // with `once`: the adapter has ended well
    int64_t away_at_ms;  // without a session: when that is logged next
    bool away_told;      // it was logged
    int64_t taken;       // posts, edits and deletions taken and not logged yet
    int64_t tally_at_ms; // not before then
    int64_t withheld_until_ms;
    int64_t settle_until_ms; // PHASE_SETTLE: then it is over
    bool unknown_key_told;   // once a run is enough
    enum phase phase;
    enum connector_end end;
};

// ---- speaking to the adapter ----

static void connector_say(struct connector *connector, json_t *object, int64_t reply)
{
    char *line = json_dumps(object, JSON_COMPACT);
    must(line != NULL);
    adapter_say(connector->adapter, line, reply);
    free(line);
    json_decref(object);
}

static const char *connector_word_of(enum behalf_type type)
{
    return type == BEHALF_POST ? "post" : type == BEHALF_EDIT ? "edit" : "delete";
}

static void connector_say_taken(struct connector *connector, const struct post *post, const struct behalf_taken *taken)
{
    json_t *object =
        json_pack("{ss ss ss ss sI sb sb sb}", "type", "taken", "of", connector_word_of(post->type), "channel",
                  post->channel, "post", post->post, "item", (json_int_t) taken->item, "repeated",
                  (int) taken->repeated, "differs", (int) taken->differs, "early", (int) taken->early);
    must(object != NULL);
    if (post->mended[0] != '\0') {
        json_object_set_new(object, "mended", json_string(post->mended));
    }
    connector_say(connector, object, 0);
}

static void connector_say_refused_post(struct connector *connector, const struct post *post,
                                       const struct behalf_error *error)
{
    connector_say(connector,
                  json_pack("{ss ss ss ss ss ss ss}", "type", "refused", "of", connector_word_of(post->type), "channel",
                            post->channel, "post", post->post, "code", error->code, "field", error->field, "reason",
                            error->reason),
                  0);
}

// Tells what is wrong with a line, to the adapter and to the log.  `line` is what could be read of it.
static void connector_say_bad_line(struct connector *connector, int64_t number, const json_t *line, const char *code,
                                   const char *reason)
{
    log_often("error", "adapter line %" PRId64 " is skipped: %s", number, reason);
    json_t *object =
        json_pack("{ss sI ss ss}", "type", "refused", "line", (json_int_t) number, "code", code, "reason", reason);
    must(object != NULL);
    static const char *const copied[] = { "channel", "post", "reply" };
    for (size_t i = 0; line != NULL && i < sizeof copied / sizeof copied[0]; i++) {
        json_t *value = json_object_get(line, copied[i]);
        if (json_is_integer(value) || (json_is_string(value) && json_string_length(value) <= BEHALF_KEY_BYTES)) {
            json_object_set(object, copied[i], value);
        }
    }
    json_t *type = line != NULL ? json_object_get(line, "type") : NULL;
    if (json_is_string(type) && json_string_length(type) <= BEHALF_NAME_BYTES) {
        json_object_set(object, "of", type);
    }
    connector_say(connector, object, 0);
}

// ---- settling ----

// The longest beginning of a text that fits, cut between characters.
static char *connector_cut_text(const char *text, size_t bytes_max)
{
    size_t bytes = strlen(text);
    if (bytes > bytes_max) {
        bytes = bytes_max;
        while (bytes > 0 && ((unsigned char) text[bytes] & 0xC0) == 0x80) {
            bytes--;
        }
    }
    return strndup(text, bytes);
}

static int64_t connector_send_settle(struct connector *connector, int64_t reply, const char *fate,
                                     const char *reference, const char *reason)
{
    char *reference_cut = connector_cut_text(reference, BEHALF_KEY_BYTES);
    char *reason_cut = connector_cut_text(reason, BEHALF_NOTE_BYTES);
    struct behalf_message settle = { .type = BEHALF_SETTLE };
    settle.settle =
        (struct behalf_settle){ .reply = reply, .fate = fate, .reference = reference_cut, .reason = reason_cut };
    struct behalf_fault fault;
    int64_t id = behalf_client_send(connector->client, &settle, &fault);
    if (id == 0) {
        log_error("reply=%" PRId64 " cannot be settled as %s: %s", reply, fate, fault.reason);
    }
    free(reference_cut);
    free(reason_cut);
    return id;
}

static void connector_settle(struct connector *connector, struct reply *reply, const char *fate, const char *reference,
                             const char *reason)
{
    int64_t number = reply->message->reply.reply;
    int64_t id = connector_send_settle(connector, number, fate, reference, reason);
    if (strcmp(fate, "confirmed") != 0) {
        log_info("reply=%" PRId64 " item=%" PRId64 " settled as %s: %s", number, reply->message->reply.item, fate,
                 reason);
    }
    ledger_settling(connector->ledger, reply, fate, id);
}

static void connector_settle_all(struct connector *connector, enum reply_state state, const char *fate,
                                 const char *reason)
{
    struct reply *reply;
    while ((reply = ledger_first(connector->ledger, state)) != NULL) {
        connector_settle(connector, reply, fate, "", reason);
    }
}

// ---- what the broker says ----

static void connector_take_reply(struct connector *connector, struct behalf_message **message_p)
{
    int64_t number = (*message_p)->reply.reply;
    const char *fate = "";
    switch (ledger_take(connector->ledger, message_p, &fate)) {
    case LEDGER_NEW:
        if (connector->phase != PHASE_WORK) {
            connector_settle(connector, ledger_find(connector->ledger, number), "failed", "",
                             "the connector is stopping; the reply was not handed to the platform");
        }
        break;
    case LEDGER_KNOWN:
        break;
    case LEDGER_SETTLED:
        connector_send_settle(connector, number, fate, "", "told before");
        break;
    case LEDGER_FULL:
        log_error("reply=%" PRId64 " is given back: %d are in hand", number, LEDGER_REPLIES_MAX);
        connector_send_settle(connector, number, "failed", "",
                              "the connector has more replies in hand than it can take");
        break;
    }
}

static void connector_take_answer(struct connector *connector, const struct behalf_message *message)
{
    for (size_t i = 0; i < POSTS_MAX; i++) {
        struct post *post = &connector->posts[i];
        if (post->id != message->id) {
            continue;
        }
        if (message->type == BEHALF_ERROR) {
            log_error("%s refused: %s %s %s", connector_word_of(post->type), message->error.code, message->error.field,
                      message->error.reason);
        }
        if (message->type == BEHALF_TAKEN) {
            connector->taken++;
        }
        if (post->run == adapter_run(connector->adapter) && message->type == BEHALF_TAKEN) {
            connector_say_taken(connector, post, &message->taken);
        } else if (post->run == adapter_run(connector->adapter) && message->type == BEHALF_ERROR) {
            connector_say_refused_post(connector, post, &message->error);
        }
        post->id = 0;
        connector->post_count--;
        return;
    }
    if (message->type == BEHALF_ERROR) {
        log_error("settlement refused: %s %s", message->error.code, message->error.reason);
    }
    ledger_settled(connector->ledger, message->id);
}

static void connector_take_welcome(struct connector *connector, const struct behalf_welcome *welcome)
{
    log_info("%ssigned in to desk %s%s", connector->away_told ? "the broker is back: " : "", welcome->desk,
             welcome->resumed ? ", resumed" : "");
    connector->away_told = false;
    if (welcome->resumed) {
        return;
    }
    ledger_withhold(connector->ledger);
    connector->withheld_until_ms = connector->now_ms + WITHHELD_MS;
}

static void end(struct connector *connector, enum connector_end how)
{
    connector->end = how;
    connector->phase = PHASE_END;
}

// Logs that there is no broker, soon and then once a minute.
static void connector_watch_absence(struct connector *connector, const char *reason)
{
    if (connector->client_state != BEHALF_CLIENT_CONNECTING || connector->now_ms < connector->away_at_ms) {
        return;
    }
    log_warning("no session with a broker yet: %s", reason);
    connector->away_told = true;
    connector->away_at_ms = connector->now_ms + AWAY_AGAIN_MS;
}

// Logs how many posts were taken: the first at once, then at most once a second.
static void connector_watch_tally(struct connector *connector, bool last)
{
    if (connector->taken == 0 || (connector->now_ms < connector->tally_at_ms && !last)) {
        return;
    }
    log_info("%" PRId64 " post%s taken", connector->taken, connector->taken == 1 ? "" : "s");
    connector->taken = 0;
    connector->tally_at_ms = connector->now_ms + TALLY_MS;
}

// Logs how the session stands when that has changed, and ends when it is over for good.
static void connector_watch_session(struct connector *connector)
{
    enum behalf_client_state state = behalf_client_state(connector->client);
    const char *reason = behalf_client_reason(connector->client);
    if (state == connector->client_state) {
        connector_watch_absence(connector, reason);
        return;
    }
    connector->client_state = state;
    if (state == BEHALF_CLIENT_CONNECTING) {
        log_warning("session lost: %s", reason);
        if (ledger_count(connector->ledger) > 0) {
            log_warning("not sure that the %zu replies in hand are still ours; none is given to the adapter before a "
                        "broker says",
                        ledger_count(connector->ledger));
        }
        connector->away_told = true;
        connector->away_at_ms = connector->now_ms + AWAY_AGAIN_MS;
    } else if (state == BEHALF_CLIENT_REFUSED) {
        log_error("refused by the broker: %s", reason);
        end(connector, CONNECTOR_REFUSED);
    } else if (state == BEHALF_CLIENT_ENDED) {
        log_error("signed out by the broker: %s", reason);
        end(connector, CONNECTOR_SIGNED_OUT);
    }
}

static bool connector_hear_broker(struct connector *connector)
{
    bool heard = false;
    struct behalf_message *message;
    while ((message = behalf_client_next(connector->client)) != NULL) {
        heard = true;
        if (message->type == BEHALF_WELCOME) {
            connector_take_welcome(connector, &message->welcome);
        } else if (message->type == BEHALF_REPLY) {
            connector_take_reply(connector, &message);
        } else if (message->id > 0) {
            connector_take_answer(connector, message);
        } else if (message->type == BEHALF_ERROR) {
            log_error("the broker says: %s %s", message->error.code, message->error.reason);
        }
        behalf_message_destroy(&message);
        connector_watch_session(connector); // the next call may already lose what this message began
    }
    return heard;
}

// ---- what the adapter says ----

static void connector_copy_key(char *to, size_t bytes, const char *from)
{
    snprintf(to, bytes, "%s", from != NULL ? from : "");
}

static void connector_fill_in_defaults(const struct connector *connector, enum behalf_type type, json_t *line)
{
    const struct connector_options *options = connector->options;
    if (options->channel_count == 1 && json_object_get(line, "channel") == NULL) {
        json_object_set_new(line, "channel", json_string(options->channels[0]));
    }
    if (type == BEHALF_POST && options->brand != NULL && json_object_get(line, "brand") == NULL) {
        json_object_set_new(line, "brand", json_string(options->brand));
    }
}

static struct post *connector_free_post(struct connector *connector)
{
    for (size_t i = 0; i < POSTS_MAX; i++) {
        if (connector->posts[i].id == 0) {
            return &connector->posts[i];
        }
    }
    return NULL;
}

static void connector_hear_post(struct connector *connector, enum behalf_type type, json_t *line, int64_t number,
                                bool characters)
{
    if (connector->phase != PHASE_WORK) {
        return; // not acknowledged, so it is brought again
    }
    struct behalf_fault fault;
    char unknown[64];
    connector_fill_in_defaults(connector, type, line);
    mending_begin(connector->mending);
    if (characters) {
        mending_note(connector->mending, "line", MENDING_CHARACTERS);
    }
    json_object_mend(line, type, connector->mending);
    struct behalf_message *message = message_from_json(type, line, unknown, &fault);
    int64_t id = message != NULL ? behalf_client_send(connector->client, message, &fault) : 0;
    behalf_message_destroy(&message);
    if (id == 0) {
        char reason[sizeof fault.field + sizeof fault.reason + 3];
        bool named = fault.field[0] == '\0' || strstr(fault.reason, fault.field) != NULL;
        if (named) {
            snprintf(reason, sizeof reason, "%s", fault.reason);
        } else {
            snprintf(reason, sizeof reason, "`%s` %s", fault.field, fault.reason);
        }
        connector_say_bad_line(connector, number, line, behalf_code_name(fault.code), reason);
        return;
    }
    if (unknown[0] != '\0' && !connector->unknown_key_told) {
        log_info("adapter line %" PRId64 ": no such key, passed over here and from now on: %s", number, unknown);
        connector->unknown_key_told = true;
    }
    struct post *post = connector_free_post(connector);
    must(post != NULL);
    *post = (struct post){ .id = id, .run = adapter_run(connector->adapter), .type = type };
    connector_copy_key(post->channel, sizeof post->channel, json_string_value(json_object_get(line, "channel")));
    connector_copy_key(post->post, sizeof post->post, json_string_value(json_object_get(line, "post")));
    connector_copy_key(post->mended, sizeof post->mended, mending_notes(connector->mending));
    if (post->mended[0] != '\0') {
        log_often("warning", "adapter line %" PRId64 " is mended: %s", number, post->mended);
    }
    connector->post_count++;
}

static const char *connector_text_of(const json_t *line, const char *key)
{
    const char *text = json_string_value(json_object_get(line, key));
    return text != NULL ? text : "";
}

static void connector_hear_fate(struct connector *connector, const char *fate, const json_t *line, int64_t number)
{
    const json_t *value = json_object_get(line, "reply");
    if (!json_is_integer(value)) {
        connector_say_bad_line(connector, number, line, "MISSING", "`reply` must be the number of a reply");
        return;
    }
    struct reply *reply = ledger_find(connector->ledger, json_integer_value(value));
    if (reply == NULL || reply->state == REPLY_SETTLING) {
        connector_say_bad_line(connector, number, line, "NOT_FOUND",
                               "no such reply is in hand; it may be settled already");
        return;
    }
    adapter_withdraw(connector->adapter, json_integer_value(value));
    char digits[32] = "";
    const json_t *reference = json_object_get(line, "reference"); // an id, and so perhaps a number
    if (json_is_integer(reference)) {
        snprintf(digits, sizeof digits, "%" JSON_INTEGER_FORMAT, json_integer_value(reference));
    }
    const char *reason = connector_text_of(line, "reason");
    if (reason[0] == '\0' && strcmp(fate, "confirmed") != 0) {
        reason = "the adapter gave no reason";
    }
    connector_settle(connector, reply, fate, digits[0] != '\0' ? digits : connector_text_of(line, "reference"), reason);
}

static void connector_hear_line(struct connector *connector, const char *text, size_t bytes, int64_t number)
{
    char reason[200];
    if (bytes > 0 && text[bytes - 1] == '\r') {
        bytes--;
    }
    if (bytes == 0) {
        return;
    }
    bool characters = false;
    size_t mended_bytes;
    encoding_tally_add(&connector->tally, text, bytes);
    char *mended = json_line_mended(text, bytes, &connector->tally, &mended_bytes, &characters);
    json_t *line =
        json_line_parse(mended != NULL ? mended : text, mended != NULL ? mended_bytes : bytes, reason, sizeof reason);
    free(mended);
    if (line == NULL) {
        connector_say_bad_line(connector, number, NULL, "MALFORMED", reason);
        return;
    }
    const char *type = connector_text_of(line, "type");
    if (strcmp(type, "post") == 0) {
        connector_hear_post(connector, BEHALF_POST, line, number, characters);
    } else if (strcmp(type, "edit") == 0) {
        connector_hear_post(connector, BEHALF_EDIT, line, number, characters);
    } else if (strcmp(type, "delete") == 0) {
        connector_hear_post(connector, BEHALF_DELETE, line, number, characters);
    } else if (strcmp(type, "confirmed") == 0 || strcmp(type, "failed") == 0 || strcmp(type, "unknown") == 0) {
        connector_hear_fate(connector, type, line, number);
    } else {
        connector_say_bad_line(connector, number, line, "UNKNOWN_TYPE",
                               "`type` must be post, edit, delete, confirmed, failed or unknown");
    }
    json_decref(line);
}

// Whether another line may be taken: its post must find room on the way to the broker, and its answer on
// the way back.  An adapter that is being stopped is heard in any case.
static bool connector_may_listen(const struct connector *connector)
{
    if (connector->phase != PHASE_WORK) {
        return true;
    }
    size_t window = behalf_client_window(connector->client);
    size_t room = window > 1 ? window : 1;
    return connector->post_count < POSTS_MAX && behalf_client_pending(connector->client) < room &&
           adapter_unsaid(connector->adapter) < UNSAID_BYTES_MAX;
}

static bool connector_hear_adapter(struct connector *connector)
{
    const char *line;
    size_t bytes;
    int64_t number;
    int lines = 0;
    while (lines < LINES_A_TURN && connector_may_listen(connector)) {
        enum line_kind kind = adapter_listen(connector->adapter, &line, &bytes, &number);
        if (kind == LINE_NONE) {
            break;
        }
        if (kind == LINE_TOO_LONG) {
            connector_say_bad_line(connector, number, NULL, "MALFORMED", "the line is longer than 1 MiB");
        } else {
            connector_hear_line(connector, line, bytes, number);
        }
        lines++;
    }
    return lines > 0;
}

// ---- the adapter's life ----

static void connector_plan_start(struct connector *connector, int64_t ran_ms)
{
    if (ran_ms >= RAN_WELL_MS || connector->backoff_ms == 0) {
        connector->backoff_ms = BACKOFF_FIRST_MS;
    }
    connector->start_at_ms = connector->now_ms + connector->backoff_ms;
    log_info("adapter starts again in %" PRId64 " ms", connector->backoff_ms);
    connector->backoff_ms *= 2;
    if (connector->backoff_ms > BACKOFF_LAST_MS) {
        connector->backoff_ms = BACKOFF_LAST_MS;
    }
}

static void connector_start_adapter(struct connector *connector)
{
    int error = adapter_start(connector->adapter);
    if (error == 0) {
        connector->started_ms = connector->now_ms;
        connector->unknown_key_told = false;
        connector->tally = (struct encoding_tally){ 0 };
        return;
    }
    log_error("adapter %s cannot be started: %s", connector->options->argv[0], strerror(error));
    if (adapter_run(connector->adapter) == 0) {
        end(connector, CONNECTOR_NO_ADAPTER);
    } else {
        connector_plan_start(connector, 0);
    }
}

// Decides about the replies that an adapter had when it ended.
static void connector_settle_given(struct connector *connector)
{
    struct reply *reply;
    while ((reply = ledger_first(connector->ledger, REPLY_GIVEN)) != NULL) {
        bool unseen = adapter_withdraw(connector->adapter, reply->message->reply.reply);
        bool goes_on = connector->phase == PHASE_WORK && !connector->finished;
        if (goes_on && (unseen || connector->options->idempotent)) {
            reply->state = REPLY_WAITING;
        } else if (unseen) {
            connector_settle(connector, reply, "failed", "", "the adapter ended before the reply was handed to it");
        } else {
            connector_settle(connector, reply, "unknown", "",
                             "the adapter ended without saying what became of the reply");
        }
    }
}

static void connector_begin_settling(struct connector *connector)
{
    connector_settle_all(connector, REPLY_WAITING, "failed",
                         "the connector stopped before the reply was handed to the platform");
    connector_settle_all(connector, REPLY_WITHHELD, "failed",
                         "the connector stopped before the reply was handed to the platform");
    connector->phase = PHASE_SETTLE;
    connector->settle_until_ms = connector->now_ms + SETTLE_MS;
}

static void connector_adapter_is_down(struct connector *connector)
{
    connector_settle_given(connector);
    if (connector->phase == PHASE_STOP) {
        connector_begin_settling(connector);
    } else if (!connector->finished) {
        connector_plan_start(connector, connector->now_ms - connector->started_ms);
    }
}

static void connector_reap_adapter(struct connector *connector)
{
    char how[128];
    bool clean = false;
    if (!adapter_reap(connector->adapter, how, sizeof how, &clean)) {
        return;
    }
    log_left_out();
    if (clean) {
        log_info("adapter %s", how);
    } else {
        log_warning("adapter %s", how);
    }
    connector->finished = connector->options->once && clean;
}

// Brings the adapter's process to where it should be.  True if something happened.
static bool connector_tend_adapter(struct connector *connector, enum adapter_state before)
{
    enum adapter_state state = adapter_state(connector->adapter);
    if (before != ADAPTER_DOWN && state == ADAPTER_DOWN) {
        connector_adapter_is_down(connector);
        return true;
    }
    if (state != ADAPTER_DOWN) {
        return false;
    }
    if (connector->phase == PHASE_STOP || (connector->finished && connector->post_count == 0)) {
        if (connector->phase != PHASE_SETTLE) {
            connector_begin_settling(connector);
        }
    } else if (connector->phase == PHASE_WORK && !connector->finished && connector->now_ms >= connector->start_at_ms) {
        connector_start_adapter(connector);
        return true;
    }
    return false;
}

// ---- replies to the adapter ----

static bool connector_give_replies(struct connector *connector)
{
    bool given = false;
    struct reply *reply;
    if (connector->phase != PHASE_WORK || adapter_state(connector->adapter) != ADAPTER_RUNNING ||
        behalf_client_state(connector->client) != BEHALF_CLIENT_READY) {
        return false;
    }
    while (adapter_unsaid(connector->adapter) < UNSAID_BYTES_MAX && adapter_may_hear(connector->adapter) &&
           (reply = ledger_first(connector->ledger, REPLY_WAITING)) != NULL) {
        json_t *object = message_to_json(reply->message);
        json_object_set_new(object, "type", json_string("reply"));
        connector_say(connector, object, reply->message->reply.reply);
        reply->state = REPLY_GIVEN;
        given = true;
    }
    return given;
}

// While there is no session the broker may give our replies to somebody else: what the adapter has not
// begun to read is taken back.
static void connector_take_back_unread(struct connector *connector)
{
    int64_t number;
    while ((number = adapter_withdraw_any(connector->adapter)) > 0) {
        struct reply *reply = ledger_find(connector->ledger, number);
        must(reply != NULL);
        reply->state = REPLY_WAITING;
    }
}

// ---- signals and the loop ----

static void connector_stop(struct connector *connector)
{
    log_info("stopping");
    connector->phase = PHASE_STOP;
    connector_take_back_unread(connector);
    connector_settle_all(connector, REPLY_WAITING, "failed",
                         "the connector stopped before the reply was handed to the platform");
    adapter_stop(connector->adapter, connector->now_ms);
}

static void connector_hear_signals(struct connector *connector)
{
    struct signalfd_siginfo info;
    while (read(connector->signals, &info, sizeof info) == (ssize_t) sizeof info) {
        if (info.ssi_signo == SIGCHLD) {
            continue; // the turn looks after the adapter anyway
        }
        if (connector->phase == PHASE_WORK) {
            connector_stop(connector);
        } else {
            adapter_kill(connector->adapter);
            connector->settle_until_ms = connector->now_ms;
        }
    }
}

static void connector_watch_withheld(struct connector *connector)
{
    if (ledger_first(connector->ledger, REPLY_WITHHELD) == NULL || connector->now_ms < connector->withheld_until_ms) {
        return;
    }
    connector_settle_all(connector, REPLY_WITHHELD, "failed",
                         "the session was lost before the reply was handed to the platform");
}

static void connector_watch_end(struct connector *connector)
{
    if (connector->phase != PHASE_SETTLE) {
        return;
    }
    if (ledger_count(connector->ledger) == 0) {
        end(connector, CONNECTOR_STOPPED);
    } else if (connector->now_ms >= connector->settle_until_ms) {
        log_error("the broker did not confirm the fate of %zu replies", ledger_count(connector->ledger));
        end(connector, CONNECTOR_UNSETTLED);
    }
}

// Does all there is to do now.
static void connector_turn(struct connector *connector)
{
    bool busy = true;
    while (busy && connector->phase != PHASE_END) {
        connector->now_ms = clocks_boot_ms();
        connector_hear_signals(connector);
        busy = connector_hear_broker(connector);
        connector_watch_session(connector);
        if (behalf_client_state(connector->client) != BEHALF_CLIENT_READY) {
            connector_take_back_unread(connector);
        }
        connector_reap_adapter(connector);
        enum adapter_state before = adapter_state(connector->adapter);
        busy |= connector_hear_adapter(connector);
        if (connector->phase != PHASE_END) {
            busy |= connector_tend_adapter(connector, before);
        }
        connector_watch_withheld(connector);
        connector_watch_tally(connector, false);
        busy |= connector_give_replies(connector);
        busy |= adapter_work(connector->adapter, connector->now_ms);
        adapter_tick(connector->adapter, connector->now_ms); // also of one that is never silent
        connector_watch_end(connector);
    }
}

static int connector_sooner(int timeout_ms, int64_t due_ms)
{
    int64_t due = due_ms < 0 ? 0 : due_ms > 60000 ? 60000 : due_ms;
    return timeout_ms < 0 || due < timeout_ms ? (int) due : timeout_ms;
}

static int connector_wait_ms(struct connector *connector)
{
    int timeout_ms = behalf_client_timeout_ms(connector->client);
    int signal_ms = adapter_tick(connector->adapter, connector->now_ms);
    if (signal_ms >= 0) {
        timeout_ms = connector_sooner(timeout_ms, signal_ms);
    }
    if (connector->phase == PHASE_WORK && adapter_state(connector->adapter) == ADAPTER_DOWN && !connector->finished) {
        timeout_ms = connector_sooner(timeout_ms, connector->start_at_ms - connector->now_ms);
    }
    if (connector->phase == PHASE_SETTLE) {
        timeout_ms = connector_sooner(timeout_ms, connector->settle_until_ms - connector->now_ms);
    }
    if (connector->client_state == BEHALF_CLIENT_CONNECTING) {
        timeout_ms = connector_sooner(timeout_ms, connector->away_at_ms - connector->now_ms);
    }
    if (connector->taken > 0) {
        timeout_ms = connector_sooner(timeout_ms, connector->tally_at_ms - connector->now_ms);
    }
    if (ledger_first(connector->ledger, REPLY_WITHHELD) != NULL) {
        timeout_ms = connector_sooner(timeout_ms, connector->withheld_until_ms - connector->now_ms);
    }
    return timeout_ms;
}

static void run(struct connector *connector)
{
    for (;;) {
        connector_turn(connector);
        if (connector->phase == PHASE_END) {
            return;
        }
        struct pollfd fds[5] = { { .fd = connector->signals, .events = POLLIN },
                                 { .fd = behalf_client_fd(connector->client), .events = POLLIN } };
        int timeout_ms = connector_wait_ms(connector);
        nfds_t count = 2 + adapter_watch(connector->adapter, fds + 2, connector_may_listen(connector));
        if (poll(fds, count, timeout_ms) < 0) {
            must(errno == EINTR);
        }
    }
}

// ---- beginning and end ----

static void connector_make_instance(char instance[33])
{
    unsigned char bytes[16];
    must(getrandom(bytes, sizeof bytes, 0) == (ssize_t) sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++) {
        snprintf(instance + 2 * i, 3, "%02x", bytes[i]);
    }
}

static bool connector_open_client(struct connector *connector)
{
    const struct connector_options *options = connector->options;
    struct behalf_hello hello = { .role = "connector",
                                  .name = options->name,
                                  .desk = options->desk,
                                  .instance = connector->instance,
                                  .channels = (const char **) options->channels,
                                  .channels_count = options->channel_count,
                                  .idempotent = options->idempotent,
                                  .program = "behalf-connect " BEHALF_VERSION };
    connector->client = behalf_client_new(options->brokers, &hello);
    return connector->client != NULL;
}

enum connector_end connector_run(const struct connector_options *options)
{
    struct connector *connector = calloc(1, sizeof *connector);
    must(connector != NULL);
    connector->options = options;
    connector->now_ms = clocks_boot_ms();
    connector->away_at_ms = connector->now_ms + AWAY_FIRST_MS;
    connector_make_instance(connector->instance);
    connector->signals = signals_watch((const int[]){ SIGTERM, SIGINT, SIGHUP, SIGCHLD, 0 }, NULL);
    signal(SIGPIPE, SIG_IGN);
    connector->ledger = ledger_new();
    connector->mending = mending_new();
    connector->adapter = adapter_new(options->argv);
    enum connector_end how = CONNECTOR_USAGE;
    if (connector_open_client(connector)) {
        run(connector);
        connector_watch_tally(connector, true);
        how = connector->end;
        behalf_client_close(connector->client, "the connector stops", BYE_MS);
    } else {
        log_error("the broker's address or the name cannot be used");
    }
    adapter_destroy(&connector->adapter);
    ledger_destroy(&connector->ledger);
    mending_destroy(&connector->mending);
    behalf_client_destroy(&connector->client);
    close(connector->signals);
    free(connector);
    return how;
}
