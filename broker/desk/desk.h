// desk.h - one response operation as a pure state machine: items, queues, people, replies.
//
// A desk has no clock, no sockets, no files, no randomness: inputs and `now_ms` come in; changes (what
// became true, for the store) and effects (whom to tell) go out to a change list.  Two desks given the same
// inputs do the same.  It holds no text of posts, drafts or notes: those go straight to the store, and what
// a person is shown is read from there once it is durable.
//
// Sessions are known to it by number: a person's session may send requests, a connector's takes replies.
// Inputs need not be durable before the next one comes; effects wait for that outside.

#ifndef DESK_DESK_H
#define DESK_DESK_H

#include "broker/desk/authority.h"
#include "broker/desk/change.h"
#include "broker/desk/policy.h"

struct desk;

// Who asks: the other end of a connection, whatever its session.
struct principal {
    const char *role; // person, connector or control, as in HELLO
    const char *name;
};

// A desk without items.  The policy is borrowed and must outlive its use: until desk_apply has replaced it
// and everything that came out before has been spoken.
struct desk *desk_new(const struct policy *policy, int64_t now_ms);
void desk_destroy(struct desk **desk_p);

// Where changes and effects go from now on.  Borrowed; set it before any input.
void desk_set_list(struct desk *desk, struct change_list *list);

// ---- coming back from the store, before any other input ----

// Counters and clock as the store has them.
void desk_restore_position(struct desk *desk, uint64_t sequence, uint64_t next_id, int64_t clock_ms);

// These return false when the record names what the policy does not know or contradicts the desk; `reason`
// then says what, and the broker must not start.
bool desk_restore_item(struct desk *desk, const struct item_record *item, char *reason, size_t reason_bytes);
bool desk_restore_reply(struct desk *desk, const struct reply_record *reply, char *reason, size_t reason_bytes);
void desk_restore_freeze(struct desk *desk, const struct freeze_record *freeze);

// The rules in force have not reached all open items: desk_restored begins to go through them again.
void desk_restore_review(struct desk *desk);
void desk_restore_outcome(struct desk *desk, const struct outcome_record *outcome);
void desk_restore_early(struct desk *desk, const struct early_record *early); // the oldest first
bool desk_restore_request(struct desk *desk, const struct request_record *request, char *reason, size_t reason_bytes);

// Ends the restoring: offers are withdrawn, holds get a fresh grace, replies handed out wait for their
// connector, overdue parked items wake.  Its changes go to the list.
void desk_restored(struct desk *desk, int64_t now_ms);

// ---- position ----

uint64_t desk_sequence(const struct desk *desk);
uint64_t desk_next_id(const struct desk *desk);

// ---- rules ----

// What stands against a new policy: a problem for each thing that it drops and open items need.  Returns how many there
// are, 0 if the desk can go on under it; the first `max` are put into `problems`, their texts into `memory`.
size_t desk_misfits(const struct desk *desk, const struct policy *policy, struct change_list *memory,
                    struct behalf_problem *problems, size_t max);

// Makes a policy live; `rules` is kept in the store.  It has no misfits, and no former rules are still being gone
// through with.  People it drops lose their holds to the queues; the caller ends their sessions.
//
// It holds at once for people and for what comes.  The open items are to be looked at under it: until desk_review_left
// is 0, what desk_review_next hands out is to be triaged and given back to desk_reviewed, in the same order.
void desk_apply(struct desk *desk, const struct policy *policy, const struct rules_record *rules, int64_t now_ms);

// About how many open items are still to be looked at; 0: the rules in force have reached them all.
size_t desk_review_left(const struct desk *desk);

// Goes on with a slice, once all that was handed out has come back.  Fills in the next items whose posts are to be
// triaged and returns how many these are; 0 is not the end.
#define DESK_REVIEW_PAGE_MAX 256
size_t desk_review_next(struct desk *desk, uint64_t items[DESK_REVIEW_PAGE_MAX], int64_t now_ms);

// What triage says of the posts of an item handed out: a sensitive one with its needs if there is one, else one whose
// answer needs approval; NULL when nothing of them counts.
void desk_reviewed(struct desk *desk, uint64_t item, const struct behalf_post *post, const struct needs *needs,
                   int64_t now_ms);

// ---- posts ----

// What an author did to a post before it came.
struct desk_changed {
    bool deleted;
    const char *text; // the text now
    int64_t edited_ms;
    const struct needs *needs;         // of that text; NULL when deleted
    const struct desk_changed *before; // an older text of the same post; NULL: none
};

// Takes in a post that is known to be new.  `changed`, if not NULL, is what its author did to it before it came: it is
// taken as it is then, or withdrawn at once.  Returns its item.  Tells nobody: the caller answers TAKEN.  What is kept
// of it stays until desk_forget_early.
uint64_t desk_post(struct desk *desk, const struct behalf_post *post, const struct needs *needs,
                   const struct desk_changed *changed, int64_t now_ms);

// A post of `item` was edited by its author.  `post` is it as it is now, `needs` the new text's triage.  It means for
// the item what a further post would, in every state.  Returns the item it is of: another one when the new text is
// sensitive and `item` has ended, or its reply cannot be taken back any more, which makes work for PR; else an edit of
// an item that has been answered is only kept.
uint64_t desk_post_edited(struct desk *desk, uint64_t item, const struct behalf_post *post,
                          const struct behalf_edit *edit, const struct needs *needs, int64_t now_ms);

// An edit into the text that the post has: only when that was is kept.
void desk_post_edited_alike(struct desk *desk, const struct behalf_post *post, const struct behalf_edit *edit,
                            int64_t now_ms);

// A post of `item`, which stays as it is, had `text` at one time, as another brand was brought it; `needs` is that
// text's triage.  What a rule holds for in it counts as in an edit.
void desk_post_had(struct desk *desk, uint64_t item, const struct behalf_post *post, const char *text,
                   const struct needs *needs, int64_t now_ms);

// A post of `item` was deleted by its author.  Works for closed items too (kept, changes no state).
void desk_post_deleted(struct desk *desk, uint64_t item, const char *brand, const struct behalf_delete_post *deletion,
                       int64_t now_ms);

// Bounds of what the desk keeps of edits and deletions of posts that not every brand has: time, number, bytes and
// texts.
#define DESK_EARLY_MS (INT64_C(24) * 3600 * 1000)
#define DESK_EARLY_MAX 10000
#define DESK_EARLY_BYTES_MAX ((size_t) 8 * 1024 * 1024)
#define DESK_EARLY_TEXTS_MAX 4 // of one post: all of them are looked at when it comes

enum desk_keeping {
    DESK_KEPT,
    DESK_KNOWN, // it changes nothing of what is kept
    DESK_NO_ROOM
};

// Keeps an edit or deletion of a post that has not been taken (`kept_ms` and `number` are filled in here): of each post
// its texts, as long as they come in their order, or the deletion, which is final.
enum desk_keeping desk_keep_early(struct desk *desk, const struct early_record *early, int64_t now_ms);

// Keeps an edit of a post that some brand has for the brands that may still bring it: they are to hear of its text as
// if it had come before their own.  Half the room is for these.  What has none is let go, and told by `all_kept` below.
void desk_keep_for_others(struct desk *desk, const struct early_record *early, int64_t now_ms);

// What is kept of a post, the oldest first, into `records`.  The next call that keeps or forgets may end it.
// `all_kept` is false when a text may have been let go for want of room.
size_t desk_early(const struct desk *desk, const char *channel, const char *post,
                  const struct early_record *records[DESK_EARLY_TEXTS_MAX], bool *all_kept);

// Nobody will ask for what is kept of a post: every brand has it, or its author has deleted it.
void desk_forget_early(struct desk *desk, const char *channel, const char *post);

// ---- sessions ----

// A person's session begins or goes on; a lost one of the same person is replaced.  `person` is an index of
// the policy.  `away` is why they were away when they were last heard of, for a desk that does not know it any more;
// "" when they were not.  Shows every hold and offer.  Returns how many it shows.
size_t desk_sign_in(struct desk *desk, uint32_t person, uint64_t session, const char *away, int64_t now_ms);

// A connector's session begins.  Replies handed to the same instance stay its own.
void desk_connector_in(struct desk *desk, uint64_t session, const char *instance, const char *const *channels,
                       size_t channel_count, bool idempotent, int64_t now_ms);

// The connection is gone without BYE: offers are withdrawn, holds keep for the grace, a connector's handed
// replies wait for it.
void desk_session_lost(struct desk *desk, uint64_t session, int64_t now_ms);

// The same of many at one moment: nothing is offered to one of them because another was lost before.
void desk_sessions_lost(struct desk *desk, const uint64_t *sessions, size_t count, int64_t now_ms);

// BYE: a person's holds and offers return at once; a connector's handed replies are of unknown fate at once.
void desk_session_left(struct desk *desk, uint64_t session, int64_t now_ms);

// ---- requests ----

// True if a principal's request of this id took effect before, however long ago its session was and whatever has
// become of its item since (REQUESTS_KEPT_MS, REQUESTS_KEPT_MAX): its first answer is told again, as repeated; or
// INVALID, if another thing was asked under that id.  To be asked before each of the requests below, and APPLY.
bool desk_repeat(struct desk *desk, uint64_t session, const struct principal *principal,
                 const struct behalf_message *request, int64_t now_ms);

// Remembers APPLY, which is decided outside, with the version that was answered.  `digest` is desk_digest's.
void desk_remember_apply(struct desk *desk, const struct principal *principal, int64_t id, uint64_t digest,
                         uint64_t rules_version);
uint64_t desk_digest(const struct behalf_message *request);

// A request of a signed-in person, a REQUEST of authority.def; or of a connector: SETTLE; or of control: FREEZE,
// RECALL.  Who may ask for what is decided here; the caller only knows which kind of session it is.  Appends exactly
// one effect that answers it (DONE or ERROR with the request's id) before any other effect to the same session.  What
// is answered DONE is remembered for desk_repeat.
void desk_request(struct desk *desk, uint64_t session, const struct principal *principal,
                  const struct behalf_message *request, int64_t now_ms);

// Whether a session, of control when the desk does not know it, may ask a question about no item: STATUS, LOOK.  False:
// `code` and `error` say why not.
bool desk_may_ask(const struct desk *desk, uint64_t session, const struct behalf_message *question,
                  enum behalf_code *code, struct behalf_error *error);

// The person of a session asked for something about an item that the desk does not answer itself (PREVIEW): they are at
// work on it.
void desk_heard(struct desk *desk, uint64_t session, uint64_t item, int64_t now_ms);

// Fills in the answer to PREVIEW of an open item; or returns false with `code` and `error`.  The texts belong to the
// list given.
bool desk_preview(const struct desk *desk, uint64_t session, const struct behalf_message *question,
                  struct change_list *memory, struct behalf_previewed *previewed, enum behalf_code *code,
                  struct behalf_error *error);

// Time passes.  Returns milliseconds until something is due, -1 if nothing is.  Does not do everything at once when
// very much is due: then it returns 0.
int64_t desk_tick(struct desk *desk, int64_t now_ms);

// The clock jumped forward: holds get a fresh grace, offers are withdrawn.
void desk_clock_jumped(struct desk *desk, int64_t now_ms);

// ---- speaking: what the store does not know of an item or a reply ----

// True if the item is at this moment offered to or held by the person of `session` under `lease`.
// Fills in of `view`: item, lease, state, audience, brand, language, skills, reason, brand_guidance, disclosure,
// lengths, times, approval, frozen, fate_unknown.  Texts belong to `memory`.
bool desk_show_item(const struct desk *desk, uint64_t session, uint64_t item, uint64_t lease,
                    struct change_list *memory, struct behalf_item *view);

// The connector's connection was gone before it could be told of an attempt at a reply: nothing of it is out, and it
// waits for a connector again as if it had not been handed out.
void desk_reply_not_told(struct desk *desk, uint64_t reply, uint32_t attempt, int64_t now_ms);

// True if the reply is at this moment handed to the connector of `session`.
bool desk_reply_is_with(const struct desk *desk, uint64_t session, uint64_t reply);

// True if an ITEM shown to this session must leave out what is sealed.
bool desk_shows_sealed(const struct desk *desk, uint64_t session, uint64_t item);

// ---- looking ----

// Language of the author's last post known to the desk, "" if none.
const char *desk_author_language(const struct desk *desk, uint64_t author_key);

// An open item's state; ITEM_CLOSED when the desk does not have it.
enum item_state desk_item_state(const struct desk *desk, uint64_t item);

// The instance of a connector's session, as desk_connector_in was told it; NULL when there is none.
const char *desk_connector_instance(const struct desk *desk, uint64_t session);

// Whether a reply's fate may be called so.
bool desk_is_fate(const char *name);

// Whether a SETTLE may be about a reply that only the store still knows: its number has been given out, and the
// reply is no longer in the desk.
bool desk_reply_is_settled(const struct desk *desk, uint64_t reply);

// Fills in counts; texts and lists belong to `memory`.
void desk_count(const struct desk *desk, struct change_list *memory, struct behalf_counts *counts, int64_t now_ms);

// Of a listing's page, items that are looked at most, whether the asker may see them or not.
#define DESK_LOOK_AT_MAX 8192

// Lists open items that the session may see (control: session 0, all).  The rows' `text` is left empty, for
// the caller to fill from the store as far as `sights`, one a row, lets the asker see it.
void desk_look(const struct desk *desk, uint64_t session, const struct behalf_look *look, struct change_list *memory,
               struct behalf_listing *listing, enum sight **sights, int64_t now_ms);

// The name of a queue (audience/brand/language/skills) in which something came to wait that nobody in the rules may
// serve, signed in or not, once a queue until somebody may; NULL when there is none to be told of.
const char *desk_next_unserved(struct desk *desk);

// Items offered to or held by the person now.
size_t desk_items_of(const struct desk *desk, uint32_t person);

// "available" or "away": what the person is or, once signed in, would be.
const char *desk_presence_of(const struct desk *desk, uint32_t person);

const char *item_state_name(enum item_state state);

// Keys, as kept in records: 64-bit SipHash with a fixed key of length-prefixed parts.
uint64_t desk_author_key(const char *channel, const char *author);
uint64_t desk_nobody_key(const char *channel, const char *post); // in the place of an author's and of a thread's key
uint64_t desk_thread_key(const char *channel, const char *thread, const char *author);
uint64_t desk_intake_key(const char *channel, const char *post);

// Walks every invariant and stops the program with a message if one is broken.  Costs a walk over all items.
void desk_check(const struct desk *desk);

#endif
