// limits.h - how long the parts of messages may be, and how those that are made of others follow from them.
//
// A limit that has to agree with another is said by that one, or held to it by an assertion below, so that raising one
// either raises what is made of it or does not compile.

#ifndef BEHALF_LIMITS_H
#define BEHALF_LIMITS_H

#include <assert.h>
#include <stdint.h>

#define BEHALF_ID_MAX INT64_MAX
#define BEHALF_TIME_MAX INT64_C(253402300799999) // the last millisecond of the year 9999
#define BEHALF_NUMBER_BYTES 20                   // digits of a number of 64 bits
#define BEHALF_NAME_BYTES 64                     // names of desks, people, brands, skills, channels
#define BEHALF_WORD_BYTES 24                     // words of our own: states, audiences, outcomes
#define BEHALF_KEY_BYTES 256                     // ids that platforms make
#define BEHALF_POST_BYTES 32768                  // text of a post, a draft, a reply
#define BEHALF_NOTE_BYTES 4096                   // notes, reasons, guidance
#define BEHALF_RULES_BYTES 393216                // a desk's rules of engagement
#define BEHALF_RULE_NAMES_BYTES 512              // names of the rules that decided, as many as fit
#define BEHALF_STORE_BYTES 512                   // what a store says of itself
#define BEHALF_ENDPOINT_BYTES 256                // where a broker is found
#define BEHALF_ATTEMPTS_MAX 1000                 // times that one reply is handed out
#define BEHALF_SET_MAX 64                        // brands, skills or languages of a desk

// A frame in either direction is at most this long.  Senders of lists stop a page, and the story of an
// ITEM drops its oldest entries, at half of it.
#define BEHALF_FRAME_BYTES (1024 * 1024)
#define BEHALF_STORY_BYTES (BEHALF_FRAME_BYTES / 2)

// ---- what is made of others ----

// Names joined by commas: all skills, or brands, of a desk.
#define BEHALF_NAMES_BYTES (BEHALF_SET_MAX * (BEHALF_NAME_BYTES + 1) - 1)

// audience/brand/language/skills
#define BEHALF_QUEUE_BYTES (BEHALF_WORD_BYTES + 1 + BEHALF_NAME_BYTES + 1 + BEHALF_WORD_BYTES + 1 + BEHALF_NAMES_BYTES)

// The idempotency key of a reply: DESK-NUMBER.
#define BEHALF_REPLY_KEY_BYTES (BEHALF_NAME_BYTES + 1 + BEHALF_NUMBER_BYTES)

// What an event tells: "OUTCOME: NOTE" at the most.
#define BEHALF_DETAIL_BYTES (BEHALF_WORD_BYTES + 2 + BEHALF_NOTE_BYTES)

// A disclosure line with the longest names, and a reply with it: rules whose line grows longer are refused.
#define BEHALF_DISCLOSURE_BYTES 512
#define BEHALF_REPLY_BYTES 34000

static_assert(BEHALF_REPLY_BYTES >= BEHALF_POST_BYTES + 2 + BEHALF_DISCLOSURE_BYTES,
              "the longest text fits with its disclosure line");
static_assert(BEHALF_NOTE_BYTES >= BEHALF_STORE_BYTES && BEHALF_NOTE_BYTES >= BEHALF_RULE_NAMES_BYTES,
              "what a store says, and the rules' names, can be a reason");

// The longest of each frame: texts, and for each field of a message or record its name and width, 32 bytes at most.
#define BEHALF_FIELDS_BYTES(fields) (32 * (fields))
static_assert(BEHALF_FRAME_BYTES > BEHALF_RULES_BYTES + BEHALF_KEY_BYTES + BEHALF_FIELDS_BYTES(4), "APPLY fits");
static_assert(BEHALF_FRAME_BYTES > BEHALF_STORY_BYTES + BEHALF_FIELDS_BYTES(64 * 9 + 32) + BEHALF_POST_BYTES +
                                       2 * BEHALF_NOTE_BYTES + BEHALF_NAMES_BYTES + BEHALF_DISCLOSURE_BYTES +
                                       16 * BEHALF_KEY_BYTES,
              "ITEM fits with a draft and a story of 64 entries");
static_assert(BEHALF_FRAME_BYTES > BEHALF_FRAME_BYTES / 4 + BEHALF_FIELDS_BYTES(200 * 8) + BEHALF_DETAIL_BYTES +
                                       BEHALF_QUEUE_BYTES + BEHALF_RULE_NAMES_BYTES + BEHALF_NAME_BYTES,
              "HISTORY fits: a page ends at a quarter of a frame, or with one event more");
static_assert(BEHALF_FRAME_BYTES > BEHALF_FRAME_BYTES / 4 + BEHALF_FIELDS_BYTES(500 * 18) +
                                       500 * 8 * BEHALF_NAME_BYTES + BEHALF_REPLY_BYTES + 2 * BEHALF_NOTE_BYTES +
                                       2 * BEHALF_KEY_BYTES,
              "ENDED fits likewise");

#endif
