// engine.h - the one interface of every store engine.
//
// An engine keeps one desk: it commits a batch's changes in one transaction, answers the questions that
// ride behind them, reads the desk back, and answers reports.  Its calls block and are made from one
// thread (broker/store/store.h puts a writer thread around it; the simulator and the conformance suite
// call it as it is).  Reports are answered by a second handle of the same store, so that a long report
// never holds a commit up.
//
// Fencing: every commit names the (epoch, sequence) the caller believes the desk is at and moves it to
// `sequence_to` in the same transaction; if the desk's row says otherwise nothing is written.

#ifndef STORE_ENGINE_H
#define STORE_ENGINE_H

#include "broker/desk/change.h"
#include "broker/desk/policy.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum store_result {
    STORE_OK,
    STORE_IN_DOUBT,     // COMMIT failed or its answer was lost: reopen, read the position, confirm
    STORE_UNAVAILABLE,  // nothing was written; try again later (disk full, locked, away)
    STORE_CONTRADICTED, // the desk's row is not what we believe, or data is damaged: stop
    STORE_REFUSED // as UNAVAILABLE, but it is there and does not let us in: somebody has to change something first
};

struct store_position {
    uint64_t epoch;
    uint64_t sequence; // of the last change committed
    uint64_t next_id;  // next id of an item or reply
    int64_t clock_ms;  // the last value of the broker's clock
};

// A question that is answered after the changes of its batch are committed, by what is then on disk.
enum question_kind {
    QUESTION_INTAKE,       // has a post of this channel and id been taken, for which brands?
    QUESTION_ITEM,         // everything shown to a person who has the item
    QUESTION_REPLY,        // everything a connector needs to publish a reply
    QUESTION_CLOSED_ITEM,  // an item as last written, closed or not: for late requests
    QUESTION_SETTLED_REPLY // who a reply was handed to last, settled or not: for repeats
};

// A post's name is its channel, id and brand.  Taking it twice within a day contradicts what the broker promises; one
// taken longer ago, which no window of memory needs to hold, may be taken again by a post that says it is of today: the
// name then leads to the newer one.
#define STORE_NAME_MS (INT64_C(24) * 3600 * 1000)

// A post that was taken: one a brand.  Texts are in the batch's memory.
struct known_post {
    struct known_post *next;
    uint64_t item;
    bool deleted;           // by its author
    bool edited;            // by its author
    int64_t edited_ms;      // when, as the platform says of the text as it is now; 0: it does not
    const char *first_text; // as first taken
    // channel, post, brand, author, author_name, reach, language (the platform's), thread and posted_ms as first taken,
    // for the triage of an edit; the text as it is now.
    struct behalf_post post;
};

struct question {
    struct question *next;
    enum question_kind kind;
    uint64_t tag; // the asker's own

    // INTAKE: asked
    const char *channel;
    const char *post;
    uint64_t intake_key; // the asker's own

    // ITEM and CLOSED_ITEM: asked.  `for_agent` leaves out everything sealed or sensitive, but guidance.
    uint64_t item;
    bool for_agent;

    // REPLY and SETTLED_REPLY: asked
    uint64_t reply;

    // Answered.  Texts are in the batch's memory.
    bool found;
    struct known_post *known;    // INTAKE: the posts, by brand
    uint64_t found_item;         // SETTLED_REPLY
    const char *found_instance;  // SETTLED_REPLY: "" when it was handed to nobody
    struct behalf_item view;     // ITEM: author, author_name, reach, channel, draft, draft_by, story
    struct behalf_reply handing; // REPLY: key, item, brand, channel, post, author, thread, text, attempt
    struct item_record record;   // CLOSED_ITEM: the whole row
};

// What is shown in a story (ITEM), newest first until one of these is reached.
#define STORY_ENTRIES_MAX 64
#define STORY_ROWS_MAX 65 // of each kind that are read: one more, so that it is known when a story is cut
#define STORY_EARLIER_MAX 10
#define STORY_BYTES_MAX ((size_t) BEHALF_STORY_BYTES)

struct batch;

struct batch *batch_new(void);
void batch_destroy(struct batch **batch_p);

// The list the desk appends to.  Belongs to the batch.
struct change_list *batch_list(struct batch *batch);

// Appends a question with copies of its texts and returns it; belongs to the batch.
struct question *batch_ask(struct batch *batch, const struct question *question);
struct question *batch_questions(const struct batch *batch);

// The same for a question that is answered from memory as the batch is handed out: no engine sees it.
struct question *batch_answer(struct batch *batch, const struct question *question);
struct question *batch_answers(const struct batch *batch);

// Memory that lives as long as the batch: zeroed, or a copy of a text ("" for NULL).
void *batch_allocate(struct batch *batch, size_t bytes);
const char *batch_text(struct batch *batch, const char *text);

// What the desk will be at once the batch is on disk, and what it must be at before.  A batch with changes
// moves the sequence, else a commit in doubt could not be settled.
void batch_set_position(struct batch *batch, const struct store_position *from, const struct store_position *to);
const struct store_position *batch_from(const struct batch *batch);
const struct store_position *batch_to(const struct batch *batch);

// Batches that follow each other (the `from` of each is the `to` of the one before) may be linked into a
// group, which is committed in one transaction, all or nothing.  Each stays a batch of its own; linking NULL
// ends the group.
void batch_link(struct batch *batch, struct batch *next);
struct batch *batch_next(const struct batch *batch);
const struct store_position *batch_group_to(const struct batch *batch);
size_t batch_group_change_count(const struct batch *batch);
size_t batch_bytes(const struct batch *batch); // memory it holds, for bounds

// Receives a desk read back, in this order: rules (the version in force), freezes, open items, replies of
// open items that are QUEUED, HANDED or UNKNOWN, outcomes since `outcomes_since_ms`, early changes in the order in
// which they came, names of posts taken from `keys_since_ms` on, requests since `requests_since_ms` by their slots.
// Records are borrowed for the call.  Returning false stops the reading.
struct store_reader {
    void *self;
    int64_t outcomes_since_ms;
    int64_t keys_since_ms;
    int64_t requests_since_ms;
    bool (*rules)(void *self, const struct rules_record *rules);
    bool (*freeze)(void *self, const struct freeze_record *freeze);
    bool (*item)(void *self, const struct item_record *item);
    bool (*reply)(void *self, const struct reply_record *reply);
    bool (*outcome)(void *self, const struct outcome_record *outcome);
    bool (*early)(void *self, const struct early_record *early);
    bool (*intake_key)(void *self, const char *channel, const char *post, int64_t taken_ms);
    bool (*request)(void *self, const struct request_record *request);
};

// A report's question and answer; the answer's texts are in its own memory.
enum report_kind {
    REPORT_HISTORY, // events of an item
    REPORT_OUTCOMES,
    REPORT_TEXTS,  // beginnings of the first posts of the items given
    REPORT_POSTS,  // the posts of the items given, as triage needs them
    REPORT_AUTHORS // keys of those who have written, a page
};

// A post of an open item as it is now.
struct reported_post {
    uint64_t item;
    struct behalf_post
        post; // channel, post, brand, author, author_name, reach, text, language (the platform's), thread
};

// The first post of a listed item.
struct listed_post {
    const char *text; // its beginning
    const char *parent;
    const char *link;
    int64_t media;
};

struct report {
    enum report_kind kind;
    uint64_t tag;                    // the asker's own
    uint64_t sequence;               // of the desk, that it is to be answered at or beyond; a standby may be behind
    struct behalf_why why;           // HISTORY: asked
    struct behalf_outcomes outcomes; // OUTCOMES: asked
    uint64_t *items;                 // TEXTS and POSTS: asked, in memory of report_allocate
    size_t item_count;
    int64_t authors_from; // AUTHORS: asked, the first key of the page, as a signed number
    bool *sealed_too;     // TEXTS: asked, one an item: also what agents must not see; else that reads ""

    bool found;  // answered
    bool failed; // the store could not answer; `found` is false
    struct behalf_history history;
    struct behalf_ended ended;
    struct listed_post *listed; // TEXTS: one an item, all NULL and 0 when not known
    // POSTS: in the order of the items asked, then of their numbers; at most REPORT_POSTS_MAX of each, the newest. Left
    // out are those deleted, and those that PR has released with a return and nobody has changed since.
    struct reported_post *posts;
    size_t post_count;
    size_t post_room;
    // AUTHORS: each key once, ascending as signed numbers, REPORT_AUTHORS_MAX at most: fewer are the last.
    int64_t *authors;
    size_t author_count;
    void *memory; // freed by report_destroy
};

// Pages of HISTORY and OUTCOMES end at this many bytes of text, though not before the first row.
#define REPORT_BYTES_MAX ((size_t) BEHALF_FRAME_BYTES / 4)
#define REPORT_EVENTS_MAX 200
#define REPORT_OUTCOMES_MAX 500
#define REPORT_OUTCOMES_USUAL 200
#define REPORT_TEXT_BYTES 280
#define REPORT_POSTS_MAX 256
#define REPORT_AUTHORS_MAX 4096

struct report *report_new(enum report_kind kind);
void report_destroy(struct report **report_p);
// Memory that lives as long as the report.
const char *report_text(struct report *report, const char *text);
// Keeps what TEXTS found of an item, by its place in `items`; the beginning of its text alone.
void report_listed(struct report *report, size_t place, const char *text, const char *parent, const char *link,
                   int64_t media);
void *report_allocate(struct report *report, size_t bytes);

// Room for one more post of POSTS; the caller fills in all of it.
struct reported_post *report_add_post(struct report *report);

struct engine;
struct lease_row;

// Up to which sequence a desk's changes survive any crash, and up to which its tables show them.
struct engine_positions {
    uint64_t durable;
    uint64_t applied;
};

// One desk's part in a transaction that several desks share, kept from attempt to attempt.
struct share {
    struct engine *engine;
    struct batch *group;      // with those linked behind it
    enum store_result result; // of the last attempt
    // The caller's to keep, false at first:
    bool doubt;   // the fate of the last attempt is not known
    bool written; // it is on disk, and its questions are to be answered
    bool apart;   // what failed was this desk's own: others went on without it, and it is to be attempted alone
};

#define ENGINE_SECRET_BYTES 65

struct engine_operations {
    const char *name; // "sqlite", "postgres"

    // In words, what it is and how it is: for status and the log.
    const char *(*describe)(const struct engine *engine);

    // Commits all changes of the batch, and of those linked behind it, and moves the desk to the last
    // one's `to`, or nothing; then answers their questions.  A batch without changes is not a transaction; its
    // questions are answered all the same. On STORE_UNAVAILABLE after a commit (questions could not be answered) the
    // call is repeated; it then finds the position at `to` and only answers.
    enum store_result (*commit)(struct engine *engine, struct batch *batch);

    // Reads where the desk is.  After STORE_IN_DOUBT this reopens the store first.
    enum store_result (*position)(struct engine *engine, struct store_position *position);

    // Takes the desk over: epoch + 1, committed.  Makes the desk if it does not exist.
    enum store_result (*take_over)(struct engine *engine, struct store_position *position);

    // The same of a store that brokers share, but only if the desk's lease is still as it was seen (lease_row.h).
    // STORE_UNAVAILABLE: it is not, or the store is away; watch on.  NULL: nobody else can have the desk.
    enum store_result (*take_over_seen)(struct engine *engine, const struct lease_row *seen, const char *endpoints,
                                        struct store_position *position);

    // A commit of ours that changes nothing but proves that commits work again.
    enum store_result (*confirm)(struct engine *engine);

    // What the desk knows again the numbers by that it told (broker/session/beyond.c): random, made once, and in every
    // copy of the store.  To be called once the desk is taken over.
    enum store_result (*secret)(struct engine *engine, char secret[ENGINE_SECRET_BYTES]);

    enum store_result (*read)(struct engine *engine, const struct store_reader *reader);

    // Answers a report.  Called from the report thread, on a handle opened with `reports` only.
    enum store_result (*report)(struct engine *engine, struct report *report);

    void (*destroy)(struct engine **engine_p);

    // NULL: engines of this kind have nothing in common.  From now on the engine works through the connection of
    // `other`, and its own is closed; both are then called from one thread.  False when that cannot be: another
    // database, or a doubt that is not settled.
    bool (*join)(struct engine *engine, struct engine *other);

    // engine_attempt_together for engines that have joined; NULL where there is no `join`.
    void (*attempt_together)(struct share *const *shares, size_t count);

    // The three of an engine that brings its tables up to what is durable behind the commit; NULL: the two positions
    // are one.  None of them asks the database or waits. Where the two are, as far as is known here.
    struct engine_positions (*positions)(struct engine *engine);
    // Whether what is durable is so far ahead of what the tables show that intake has to pause.
    bool (*is_behind)(struct engine *engine);
    // What is durable is to be shown at once, though more might come: the desk is let go.
    void (*hurry)(struct engine *engine);
};

// Every engine's struct begins with this.
struct engine {
    const struct engine_operations *operations;
    char reason[512]; // of the last result that was not STORE_OK, for the log: what happened, what to do
};

// One attempt at making a batch (and those linked behind it) durable.  `doubt` is the caller's, false at
// first: it tells the next attempt that this one's fate is not known.  That one reads the position, trusts it
// only after a confirming commit, and repeats the commit or only answers.  STORE_OK: on disk, questions
// answered.  UNAVAILABLE or IN_DOUBT: try again later with the same batch.  CONTRADICTED: stop.
enum store_result engine_attempt(struct engine *engine, struct batch *batch, bool *doubt);

// One attempt for several desks, each with a result of its own as above.  Engines that have joined commit all groups
// in one transaction; when one of them stands in the way (it is fenced, its data or its locks are refused) that is
// done again at once without it.
void engine_attempt_together(struct share *const *shares, size_t count);

// What a position found after a commit in doubt says about the group; the reason is written where it is neither.
enum doubt_end {
    DOUBT_NOT_WRITTEN,
    DOUBT_WRITTEN, // trusted only after a commit of ours has been confirmed
    DOUBT_ELSEWHERE
};
enum doubt_end engine_judge_doubt(struct engine *engine, const struct batch *group, const struct store_position *found);

// A kind of engines: what is done with a store while there is no engine of it.  `place` is a folder, or what finds a
// database.  What each function does is said of its namesakes below.
struct engine_kind {
    struct engine *(*open)(const char *place, const char *desk, char *reason, size_t reason_bytes);
    struct engine *(*open_reports)(const char *place, const char *desk, char *reason, size_t reason_bytes);
    bool (*accept_loss)(const char *place, const char *desk, char *words, size_t words_bytes);
    // NULL: opening tells.
    enum store_result (*probe)(const char *place, const char *desk, char *reason, size_t reason_bytes);
    // NULL: what was told is kept with the desk.
    void (*note_told)(const char *place, const char *desk, uint64_t sequence);
};

// Of a database if `is_shared`, else of a folder.
const struct engine_kind *engine_kind_of(bool is_shared);

// Opens (and makes) the store in a folder; applies migrations.  Returns NULL with the reason, in words that
// say what to do, in `reason`: another broker has it, a newer schema, no rights, it has lost something, ...
struct engine *engine_sqlite_open(const char *folder, const char *desk, char *reason, size_t reason_bytes);

// An operator has said that a desk may go on without what its store has lost: from now on, with numbers beyond all that
// may have been told, so that none is given twice.  `words` gets what was found, "" when nothing was lost; false with
// the reason there when nothing can be done.
bool engine_sqlite_accept_loss(const char *folder, const char *desk, char *words, size_t words_bytes);

// Clients were told of this sequence: from now on the desk is not opened before it has come so far, or an operator has
// accepted that it has not.  To be called when nobody has it open.
void engine_sqlite_note_told(const char *folder, const char *desk, uint64_t sequence);

// Where to say what opening a store does that takes long, a line at a time, from whichever thread opens it.  To be
// called before any is opened.
void engine_sqlite_tell(void (*tell)(const char *line));

// Opens the store in a database that the caller keeps and closes once the engine is destroyed: one in memory
// (broker/store/sqlite/database.h), for tests.  Its desk is the database's.
struct database;
struct engine *engine_sqlite_open_in(struct database *database);

// A second handle of the same store for reports only; it takes no lock that a writer waits for.
struct engine *engine_sqlite_open_reports(const char *folder, const char *desk, char *reason, size_t reason_bytes);

// An operator has said that a desk may go on without groups of its journal that its tables refuse: they are set aside,
// everything else is applied.  `words` as of engine_sqlite_accept_loss.
bool engine_postgres_accept_loss(const char *conninfo, const char *desk, char *words, size_t words_bytes);

// Opens the store in a PostgreSQL database, whatever libpq understands: a URL, keyword=value pairs, a service,
// several hosts.  Applies migrations.  Returns NULL with the reason in one line, never with the password.
struct engine *engine_postgres_open(const char *conninfo, const char *desk, char *reason, size_t reason_bytes);

// What opening it would come to now, with the reason: OK, UNAVAILABLE where waiting may help, else REFUSED or
// CONTRADICTED.
enum store_result engine_postgres_probe(const char *conninfo, const char *desk, char *reason, size_t reason_bytes);

// A second handle of the same store for reports only, on a session of its own that cannot write.  Connects with its
// first report, if it has not joined others by then; NULL with the reason only when the URL is none.
struct engine *engine_postgres_open_reports(const char *conninfo, const char *desk, char *reason, size_t reason_bytes);

#endif
