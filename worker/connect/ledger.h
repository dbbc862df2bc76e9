// ledger.h - the replies that a connector has in hand, and what it knows of each.
//
// Pure: it sends nothing and starts nothing; connector.c acts on what it says.
//
//     WAITING ──given to the adapter──► GIVEN ──confirmed, failed, unknown──► SETTLING ──► forgotten
//        ▲  │                            │ ▲
//        │  └─ a new session ► WITHHELD  │ │   the adapter died: idempotent, back to WAITING
//        └─ the broker hands it again ─┘ └─┘
//
// A reply leaves only by its settlement.  What was settled is remembered for a while, so that a reply
// handed out again by mistake gets the same fate again and not a second publication.

#ifndef WORKER_CONNECT_LEDGER_H
#define WORKER_CONNECT_LEDGER_H

#include <behalf/message.h>

// Replies in hand at most: 1,024 of 34 kB are 35 MB.  One more is settled as failed, for it was surely not
// published, and goes back to a person.
#define LEDGER_REPLIES_MAX 1024
#define LEDGER_SETTLED_MAX 1024

enum reply_state {
    REPLY_WAITING,  // no adapter has seen it, or it may see it again
    REPLY_WITHHELD, // the session is new: not before the broker says that it is still ours
    REPLY_GIVEN,    // the adapter has it
    REPLY_SETTLING  // its fate is on the way to the broker
};

// A reply in hand.  Owned by the ledger.
struct reply {
    struct behalf_message *message; // the REPLY, as handed out
    enum reply_state state;
    int64_t settle_id; // SETTLING: the request
    char fate[16];     // SETTLING: what was told
};

struct ledger;

struct ledger *ledger_new(void);
void ledger_destroy(struct ledger **ledger_p);

// Takes in a REPLY of the broker and says what it is.
enum ledger_entry {
    LEDGER_NEW,     // taken, WAITING; the message is the ledger's
    LEDGER_KNOWN,   // in hand already; a withheld one is WAITING again
    LEDGER_SETTLED, // its fate was told before: `fate` is to be told again
    LEDGER_FULL     // no room
};
enum ledger_entry ledger_take(struct ledger *ledger, struct behalf_message **message_p, const char **fate);

// The reply of this id, or NULL.
struct reply *ledger_find(struct ledger *ledger, int64_t reply);

// The first reply in hand in a state, or NULL.
struct reply *ledger_first(struct ledger *ledger, enum reply_state state);

size_t ledger_count(const struct ledger *ledger);

// The fate of a reply is being told by this request.
void ledger_settling(struct ledger *ledger, struct reply *reply, const char *fate, int64_t settle_id);

// The request has been answered: the reply is forgotten but for its fate.  False if it settles none of ours.
bool ledger_settled(struct ledger *ledger, int64_t settle_id);

// Puts every WAITING reply aside, after a session that is not the one it was handed out in.
void ledger_withhold(struct ledger *ledger);

#endif
