// record.h - what is kept on disk of a desk, as structs.
//
// The desk writes them as changes (change.h), every store engine keeps them and gives the same ones back
// (broker/store/engine.h).  They name things by text, as indexes hold only within one process; texts are
// borrowed, never NULL unless the field says so.  Times are UTC milliseconds, 0 for "not".

#ifndef DESK_RECORD_H
#define DESK_RECORD_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

// Of an item.  Names: item_state_name in desk.h.
enum item_state { ITEM_WAITING, ITEM_OFFERED, ITEM_HELD, ITEM_PARKED, ITEM_SENDING, ITEM_CLOSED, ITEM_STATE_COUNT };

// Of a reply in the outbox.
enum reply_state {
    REPLY_QUEUED,    // not handed out yet
    REPLY_HANDED,    // a connector instance has it
    REPLY_CONFIRMED, // published
    REPLY_FAILED,    // surely not published; the item went back
    REPLY_UNKNOWN,   // may be published; a person decides
    REPLY_WITHDRAWN, // never handed out: its post was deleted, or the item taken back
    REPLY_STATE_COUNT
};

// One post, written once; kept with its item.
struct post_record {
    uint64_t item;
    uint32_t number; // within the item, from 1
    const char *channel;
    const char *post; // the platform's id
    const char *brand;
    const char *author;
    const char *author_name;
    int64_t reach;
    const char *text;
    const char *platform_language;
    const char *language; // found
    const char *thread;
    const char *parent;
    const char *link;
    int64_t media;     // pictures, films and the like besides the text
    int64_t posted_ms; // as the platform says; 0 when it does not
    int64_t taken_ms;
    bool sensitive;      // a rule or a person sealed it: agents never see it
    uint64_t author_key; // finds the author's earlier posts; see desk_post in desk.h
};

// A further message about a post taken before.
struct post_change_record {
    const char *channel;
    const char *post;
    const char *brand;
    bool deleted;      // else edited
    const char *text;  // edited: the text now
    bool sensitive;    // edited: the new text is sensitive
    int64_t at_ms;     // as the platform says, or else when it was told
    int64_t edited_ms; // edited: as the platform says; 0 when it does not
};

// An edit or a deletion of a post that not every brand has, kept for those who may still bring it.
struct early_record {
    const char *channel; // "", as `post` then: of no post; early.h says why
    const char *post;
    bool deleted;
    const char *text;  // the text now; "" when deleted
    int64_t edited_ms; // as the platform says; 0 when it does not
    int64_t kept_ms;   // since when it is kept
    uint32_t number;   // counts the texts of the post: the highest is its text now; one left out was let go
};

// A post taken before is a further item's too, sealed there: its author edited it after its item had ended.
// From then on what happens to the post happens to it there.
struct post_again_record {
    uint64_t item;
    uint32_t number; // within that item
    const char *channel;
    const char *post;
    const char *brand;
    int64_t taken_ms; // into that item
};

// An item's current state; written whole whenever it changes, so the last one in a batch holds.
struct item_record {
    uint64_t item;
    const char *brand;
    const char *channel;
    const char *audience;
    const char *language;
    const char *skills; // sorted names joined by commas
    enum item_state state;
    uint8_t band;
    bool sealed;   // has been PR's for a sensitive reason: agents never see its posts, drafts and notes
    bool returned; // waits at the head of its queue
    bool approval; // an agent's answer goes to an approver
    bool fate_unknown;
    int64_t created_ms;
    int64_t due_ms;        // end of the service level or reply window; 0: none
    int64_t since_ms;      // when it came into this state
    int64_t until_ms;      // offered: take it before; parked: due; else 0
    uint64_t lease;        // counts offers
    const char *person;    // to whom it is offered, who holds it or whose reply is sending; ""
    const char *preferred; // who shall have it first; ""
    int64_t preferred_until_ms;
    uint64_t thread_key; // hash of channel, thread and author
    uint64_t author_key; // hash of channel and author
    uint32_t posts;      // not deleted by their author
    uint32_t numbered;   // posts ever taken into it: the number of the newest
    uint32_t moves;      // times put back into a queue
    int64_t first_offered_ms;
    const char *reason;    // why it is in its queue: rule or a person's words
    const char *escalated; // why it was first escalated; "" if never
    uint64_t reply;        // the last reply made; 0: none
    const char *draft_by;  // author of the draft; "" when there is none
    const char *outcome;   // closed: the outcome; else ""
};

struct draft_record {
    uint64_t item;
    const char *person;
    const char *text; // "" removes it
    int64_t at_ms;
};

struct note_record {
    uint64_t item;
    // "note"; "guidance" when PR returned the item, which agents see; "edit", a text for which a rule held that a post
    // of the item had at one time, as its author may have changed it since
    const char *kind;
    const char *person; // of an edit the customer
    const char *text;
    bool sealed; // agents never see it
    int64_t at_ms;
};

struct reply_record {
    uint64_t reply;
    uint64_t item;
    const char *brand;
    const char *channel;
    const char *person;
    const char *text; // as published, disclosure included; NULL: keep what was written before
    const char *key;  // idempotency key
    enum reply_state state;
    bool sealed;          // made while the item was sealed: agents never see it
    const char *instance; // connector instance that has it; ""
    bool idempotent;      // that instance publishes a reply handed to it twice only once
    uint32_t attempt;
    int64_t created_ms;
    int64_t handed_ms;
    int64_t settled_ms;
    const char *reference; // the platform's id of what was published
    const char *reason;
};

// Append-only: what became true, and why.
struct event_record {
    uint64_t sequence;
    int64_t at_ms;
    uint64_t item; // 0: of the desk
    const char *kind;
    const char *person;
    const char *queue; // audience/brand/language/skills; ""
    const char *rule;
    uint64_t rules_version;
    const char *detail;
};

// One row an item that ended.
struct outcome_record {
    uint64_t item;
    const char *outcome;
    const char *brand;
    const char *language;
    const char *audience;
    const char *person;
    const char *agency;
    const char *reason;
    const char *escalated;
    uint64_t reply; // the reply published; 0: none
    int64_t created_ms;
    int64_t closed_ms;
    int64_t due_ms;
    int64_t first_offered_ms; // 0: never
    uint32_t posts;
    uint32_t moves;
    bool sealed;
    uint64_t thread_key; // so that a restarted broker knows follow-ups and known authors
    uint64_t author_key;
};

struct rules_record {
    uint64_t version;
    const char *name; // of the file it came from
    const char *text;
    int64_t at_ms;
    bool reviewed; // read back: all items that were open then have been looked at under them
};

struct freeze_record {
    const char *brand;
    bool frozen;
    const char *person;
    const char *reason;
    int64_t at_ms;
};

// Requests that took effect are remembered this long: of a desk this many, the newest, of one principal this many of
// them.  They are kept in slots, in memory and on disk.
#define REQUESTS_KEPT_MS (INT64_C(24) * 60 * 60 * 1000)
#define REQUESTS_KEPT_MAX UINT64_C(262144)
#define REQUESTS_OF_ONE_MAX UINT64_C(16384)
static_assert(REQUESTS_KEPT_MAX % 64 == 0 && REQUESTS_OF_ONE_MAX <= REQUESTS_KEPT_MAX / 16,
              "slots are bits of whole words, and no principal has more than a small part of them");

// A request that took effect, and its answer; written with what it did.
struct request_record {
    uint64_t number; // counts the desk's requests that took effect, from 0
    uint64_t
        slot; // below REQUESTS_KEPT_MAX; what was there before, REQUESTS_OF_ONE_MAX numbers ago or more, is overwritten
    int64_t at_ms;
    const char *role; // person, connector or control
    const char *principal;
    int64_t id;       // of the principal's making
    const char *type; // as it travels: "TAKE"; "" when not known
    uint64_t digest;  // of its body; 0: not known
    // The answer: DONE, or APPLIED when `rules_version` is not 0.
    uint64_t item;
    uint64_t lease;
    const char *state;
    uint64_t reply;
    uint64_t rules_version;
};

#endif
