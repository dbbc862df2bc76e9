// core.h - the broker's own struct and the functions that cross its files.  Nobody outside broker/session includes it.
//
// How the files divide the work:
//   receive.c  a frame comes in: who may say what, repeats, limits; then one handler a type
//   sign_in.c  sessions begin, go on, are lost, and end
//   taking.c   posts, edits and deletions: is it new, what does it need, then the desk
//   asking.c   status, listings, histories, outcomes, previews: nothing of this changes the desk
//   applying.c rules made live
//   reviewing.c  open items looked at under them
//   author_reading.c  who has written before the start
//   speak.c    a batch is durable: its effects become frames
//   restore.c  a broker is made from the store
//   tracing.c  all of this told to who debugs it
//   broker.c   time, batches, the store's state, stopping, and what the shell takes out

#ifndef SESSION_CORE_H
#define SESSION_CORE_H

#include "broker/session/broker.h"
#include "broker/session/frame_queue.h"
#include "broker/session/intake.h"
#include "broker/session/session_table.h"
#include "broker/session/story_cache.h"
#include "broker/triage/triage.h"
#include "proto/base/must.h"

#include <inttypes.h>
#include <string.h>

// Frames in a row that are no message, or of no type that exists, after which a peer is dropped: a client that errs
// goes on, one that only makes noise is not worth listening to.
#define FAULTS_MAX 16

// The broker does not listen to a banned peer for this many timeouts.
#define BANNED_TIMEOUTS 20

// Requests at once: what the rate gives in this many seconds.
#define REQUEST_BURST_S 4

// Sign-ins, whose events are kept for good: at once, and more a second.  Of each person, who reconnects over a poor
// network, and of all connectors, or all controls, together.
#define PERSON_HELLO_BURST 20
#define PERSON_HELLO_RATE 1
#define OTHER_HELLO_BURST 500
#define OTHER_HELLO_RATE 50
#define ADDRESS_PERCENT 50       // of a role's sessions, for programs of one address
#define ADDRESS_LOG_MS 60000     // in which one line is logged of those who are over it
#define ADDRESS_HELLO_PERCENT 60 // of these that programs of one address may use

// Refusals of HELLO that are logged: at once, and more a second.
#define REFUSALS_LOG_BURST 50
#define REFUSALS_LOG_RATE 5

// Reports in flight: they are read one by one, and a console asks one at a time.
#define REPORTS_MAX 64

// Of one session: each answer may be half a frame long, and all of them wait in memory for whoever asked.
#define SESSION_REPORTS_MAX 4

// What BUSY and TOO_MANY suggest: an outage lasts longer than a full batch, and service is to be back within a second
// of its end; sessions come to an end more slowly.
#define RETRY_AWAY_MS 250
#define RETRY_FULL_MS 200
#define RETRY_ROOM_MS 10000
#define RETRY_REVIEW_MS 1000

// Why a session that may come back ended, as its client reads it.
#define BYE_RESTARTING "restarting"

// A request whose answer needs the store first.  Owned by the broker's list.
struct waiting {
    struct waiting *next, *previous;
    uint64_t session;
    int64_t id;
    struct behalf_message *message;
    size_t bytes; // memory it stands for, for bounds
};

struct outgoing_drop {
    struct outgoing_drop *next;
    uint64_t peer;
};

struct outgoing_report {
    struct outgoing_report *next;
    struct report *report;
};

// Rules that are no longer in force, kept until what was decided under them is spoken.
struct former_rules {
    struct former_rules *next;
    struct rules *rules;
    uint64_t batch;
};

// APPLY: one at a time.
struct applying {
    bool active;
    bool handed; // to the shell, to be compiled
    uint64_t session;
    char principal[BEHALF_NAME_BYTES + 1]; // of control, whose session may end meanwhile
    struct behalf_message *message;
};

// Open items are looked at under rules applied, a page at a time.
struct reviewing {
    uint64_t from_batch;                  // once this one is on disk, so is all that former rules decided
    uint64_t items[DESK_REVIEW_PAGE_MAX]; // of the page
    size_t item_count, item_place;
    bool asked;          // for their posts
    struct report *page; // the posts, while they are being triaged
    size_t post_place;
    const struct behalf_post *sensitive, *approval; // of the item being looked at, in the page: the first found so far
    int64_t again_ms;                               // when the store is asked again that did not answer
};

// Who has written before the start is being read.
struct author_reading {
    bool asked;
    int64_t again_ms; // when the next page is asked for
};

struct broker {
    struct broker_options options; // with the defaults filled in
    struct rules *rules;
    struct former_rules *former;
    struct triage *triage;
    struct desk *desk;
    struct session_table sessions;
    struct intake intake;
    struct story_cache *stories; // as of the last batch handed out
    struct key_set decided; // keys of posts decided into the current batch: no answer from the store knows them yet

    struct batch *current;        // what is being decided
    uint64_t current_number;      // of `current`; counts batches handed out
    bool out;                     // a batch is with the store
    struct store_position handed; // where the last batch handed out leads to
    uint64_t spoken;              // sequence of what was spoken last: no report may show less

    struct waiting *waiting;
    size_t waiting_bytes;
    size_t reports; // in flight
    struct applying applying;
    struct reviewing reviewing;
    struct author_reading author_reading;

    struct frame_queue frames;      // what claims something about the desk waits while the lease is not valid
    struct outgoing_drop *overfull; // peers that have too much waiting, to be lost at the next tick
    struct outgoing_drop *drops, **drops_end;
    struct outgoing_report *report_queue, **report_queue_end;

    uint64_t sign_ins_refused;
    uint64_t over_address_of_shell; // as told last
    uint64_t over_address;          // sign-ins refused here as their address had what one may have
    uint64_t over_address_logged;   // of them, when that was logged last
    int64_t over_address_log_ms;    // at this time

    bool away; // the store is, or our lease has lapsed
    bool store_away;
    bool store_behind;         // its tables do not keep up
    int64_t lease_until_ms;    // INT64_MAX: none is needed
    bool lease_stood;          // when last told
    const char *const *others; // brokers that serve the desk besides us; borrowed
    size_t other_count;
    uint64_t told_beyond;             // as of broker_told_beyond
    char secret[ENGINE_SECRET_BYTES]; // "": none
    bool stopping;
    bool stopped;
    const char **successors; // where everyone is sent at the end of a stop; borrowed
    size_t successor_count;
    char store_text[BEHALF_STORE_BYTES + 1];
    int64_t now_ms;
    int64_t due_ms;   // when the next tick is expected; -1: whenever
    int64_t watch_ms; // when the sessions are looked at next
    int64_t started_ms;
    size_t frame_bytes;          // of the frame being received
    const struct change *traced; // the last change of the current batch that was; NULL: none
    int64_t traced_out_ms;       // when the batch went out that is with the store
    int64_t taken, repeated, closed, refused;
};

// ---- broker.c ----

struct change_list *broker_list(struct broker *broker);
void broker_log(struct broker *broker, const char *level, const char *who, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void broker_drop(struct broker *broker, uint64_t peer);
void broker_queue_report(struct broker *broker, struct report **report_p);

// Time as given, never backwards; notices that the process slept.
void broker_advance(struct broker *broker, int64_t now_ms);

// True while effects may leave: nobody else can have the desk.
bool broker_lease_stands(const struct broker *broker);

// True when no more may be decided before the store has caught up.
bool broker_is_full(const struct broker *broker);

// Keeps a request until the store has answered for it.  Takes the message.
struct waiting *broker_wait(struct broker *broker, const struct session *session, struct behalf_message **message_p);
void broker_end_wait(struct broker *broker, struct waiting **waiting_p);
struct waiting *broker_waiting(uint64_t tag);
uint64_t broker_tag(const struct waiting *waiting);

// ---- speak.c ----

// Sends a message at once.  Only for what no batch must come before; what others could gainsay waits for the lease.
void speak_now(struct broker *broker, uint64_t peer, const struct behalf_message *message);

// Refuses at once.  A refusal that others could gainsay is BUSY while the lease is not valid: it is to be asked again.
void speak_error_now(struct broker *broker, uint64_t peer, int64_t id, const struct behalf_error *error);

// Says what is true whoever has the desk, because it is about the form of what the peer sent: never held back.
void speak_of_form(struct broker *broker, uint64_t peer, const struct behalf_message *message);
void speak_error_of_form(struct broker *broker, uint64_t peer, int64_t id, const struct behalf_error *error);

// BUSY, with what keeps the store away and what to do about it: for those who may know where the store is.
void speak_away(struct broker *broker, uint64_t peer, int64_t id);

// Sends a message once all that has been decided is durable.
void speak_later(struct broker *broker, uint64_t session, const struct behalf_message *message);
void speak_error(struct broker *broker, uint64_t session, int64_t id, enum behalf_code code,
                 const struct behalf_error *error);

void speak_batch(struct broker *broker, struct batch *batch);

// Finds out what the effects of the current batch need, and asks the store where that is not in memory.
void speak_ask(struct broker *broker);

// ---- sign_in.c ----

void sign_in(struct broker *broker, struct peer *peer, const struct behalf_message *message);

// The connection of a session is gone; the session may be resumed.
void session_lost(struct broker *broker, struct session *session, const char *reason);

// A session ends for good, told why; its peer is forgotten.  `left`: its holds return at once.
void session_end(struct broker *broker, struct session **session_p, bool left, const char *reason);

// BYE from the client.
void session_bye(struct broker *broker, struct session **session_p, const char *reason);

// Looks for silent sessions and peers.  Returns milliseconds until it must look again, -1: whenever.
int64_t sessions_watch(struct broker *broker);

// Gives everyone the full timeout again: it was we who did not listen.
void sessions_forgive(struct broker *broker);

// ---- lapse.c ----

// The lease has lapsed: everyone is told to look elsewhere, and their connections carry no session any more.
void lapse_begin(struct broker *broker);

// The answer to HELLO meanwhile.
void lapse_answer_hello(struct broker *broker, uint64_t peer, int64_t id);

// ---- beyond.c ----

// Whether a client may sign in, by what it says it was told: not when it proves that the desk has lost something.
bool beyond_allows(struct broker *broker, const struct behalf_hello *hello);

// The proof that goes with a sequence of the desk; "" when there is no secret to make it of.
#define BEYOND_PROOF_BYTES 33
void beyond_prove(const struct broker *broker, int64_t sequence, char proof[BEYOND_PROOF_BYTES]);

// ---- taking.c ----

// These take the message when they keep it.
void take_post(struct broker *broker, struct session *session, struct behalf_message **message_p);
void take_change(struct broker *broker, struct session *session, struct behalf_message **message_p);
// What the text of a post needs.  False if its brand or channel is not known: `field` says which.
bool taking_needs(struct broker *broker, const struct behalf_post *post, struct needs *needs, const char **field);
void taking_answered(struct broker *broker, const struct question *question);

// ---- asking.c ----

void ask_status(struct broker *broker, struct session *session, struct behalf_message **message_p);
void ask_listing(struct broker *broker, struct session *session, struct behalf_message **message_p);
void ask_history(struct broker *broker, struct session *session, struct behalf_message **message_p);
void ask_outcomes(struct broker *broker, struct session *session, struct behalf_message **message_p);
void ask_preview(struct broker *broker, struct session *session, struct behalf_message **message_p);
void asking_reported(struct broker *broker, const struct report *report);

// ---- receive.c ----

// The store's answer about an item that is no longer open.
void closed_item_answered(struct broker *broker, const struct question *question);

// Asks the store about an item that the desk does not have.  Takes the message.
void ask_closed_item(struct broker *broker, struct session *session, int64_t item, struct behalf_message **message_p);

// The store's answer about a reply that the desk no longer has.
void settled_reply_answered(struct broker *broker, const struct question *question);

// ---- applying.c ----

void apply_rules(struct broker *broker, struct session *session, struct behalf_message **message_p);
void former_rules_free(struct broker *broker, uint64_t batch);

// ---- author_reading.c ----

// Asks for the next page.  Returns milliseconds until it must be called again, -1: whenever.
int64_t author_reading_tick(struct broker *broker);
void author_reading_reported(struct broker *broker, const struct report *report);

// ---- tracing.c ----

// These do nothing where nobody wants a trace.
void tracing_received(struct broker *broker, uint64_t peer, const void *frame, size_t frame_bytes);
void tracing_request(struct broker *broker, uint64_t peer, int64_t id);     // has been worked on
void tracing_answered(struct broker *broker, uint64_t session, int64_t id); // it had waited for the store
void tracing_decided(struct broker *broker, const char *by);                // since the last time, by no request
void tracing_handed(struct broker *broker, const struct batch *batch);      // the current batch goes to the store
void tracing_durable(struct broker *broker, const struct batch *batch);
void tracing_spoken(const struct broker *broker, uint64_t peer, const void *frame, size_t frame_bytes);

// ---- reviewing.c ----

// What is open is to be looked at under the rules that the current batch made live.
void reviewing_begin(struct broker *broker);
void reviewing_fini(struct broker *broker);

// Goes on with a slice.  Returns milliseconds until it must go on, -1: whenever.
int64_t reviewing_tick(struct broker *broker);

// Takes the report if it found what was asked.
void reviewing_reported(struct broker *broker, struct report **report_p);

#endif
