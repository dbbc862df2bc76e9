// broker_world.h - a broker with its memory store and its peers in one process and virtual time.
//
// Verbs of the tests: peers say things, the world settles (batches become durable, reports are answered, rules
// are compiled) until nothing moves, and tests look at what each peer was told.

#ifndef TESTS_BROKER_WORLD_H
#define TESTS_BROKER_WORLD_H

#include "broker/session/broker.h"
#include "tests/unit/memory_disk.h"
#include "tests/unit/answers.h"

#define WORLD_PEERS 64

struct told {
    struct behalf_message *messages[4096];
    size_t count;
    size_t next; // looked at so far
    bool dropped;
};

struct world {
    struct memory_disk *disk;
    struct engine *engine;
    struct broker *broker;
    struct batch *out; // with the store, while it is held
    bool hold_batches; // batches handed out do not become durable
    bool hold_reports; // reports asked for are not answered
    bool doubt;
    uint64_t spoken; // sequence of what was spoken last
    int64_t now_ms;
    int64_t next_id;
    uint64_t random;
    struct told told[WORLD_PEERS]; // by peer
    struct answers *answers;       // what was asked: each answer must be one that messages.def names
    size_t log_lines;
    struct broker_options options;
    const char *rules; // of an empty disk; NULL: world_rules
};

extern const char world_rules[];

void world_start(struct world *world);                                        // makes the broker from the disk
bool world_try_start(struct world *world, char *reason, size_t reason_bytes); // false: it is not made, for this reason
void world_crash(struct world *world);                                        // and everything in memory is gone
void world_init(struct world *world);                                         // an empty disk, a broker
void world_fini(struct world *world);

// Begins again with an empty disk and other rules.
void world_begin_with(struct world *world, const char *rules);

// Lets everything happen that needs no time.
void world_settle(struct world *world);

// Lets time pass, ticking as the broker asks.
void world_pass(struct world *world, int64_t ms);

// Says something without settling.  An id of 0 is replaced by a new one, unless the type has none.
int64_t world_say(struct world *world, uint64_t peer, struct behalf_message message);
void world_say_bytes(struct world *world, uint64_t peer, const void *bytes, size_t count);

// Says something, settles, and returns the answer with the same id; fails the test when there is none.
const struct behalf_message *world_ask(struct world *world, uint64_t peer, struct behalf_message message);

// The newest message of a type that the peer was told and that was not looked at; NULL when there is none.
const struct behalf_message *world_told(struct world *world, uint64_t peer, enum behalf_type type);
const struct behalf_message *world_answer(struct world *world, uint64_t peer, int64_t id);
size_t world_count_told(const struct world *world, uint64_t peer, enum behalf_type type);
void world_forget(struct world *world, uint64_t peer);

const struct behalf_message *world_hello(struct world *world, uint64_t peer, const char *role, const char *name);
const struct behalf_message *world_resume(struct world *world, uint64_t peer, const char *role, const char *name,
                                          const char *token);

// A post to acme on chirp, in plain English.
struct behalf_message world_post(const char *id, int64_t posted_ms, const char *text);

#define expect_code(message, expected)                                                                                 \
    do {                                                                                                               \
        const struct behalf_message *expect_message = (message);                                                       \
        assert_non_null(expect_message);                                                                               \
        assert_string_equal(behalf_type_name(expect_message->type), "ERROR");                                          \
        assert_string_equal(expect_message->error.code, expected);                                                     \
    } while (0)

#define expect_type(message, expected)                                                                                 \
    do {                                                                                                               \
        const struct behalf_message *expect_message = (message);                                                       \
        assert_non_null(expect_message);                                                                               \
        if (expect_message->type == BEHALF_ERROR) {                                                                    \
            print_message("ERROR %s %s: %s\n", expect_message->error.code, expect_message->error.field,                \
                          expect_message->error.reason);                                                               \
        }                                                                                                              \
        assert_string_equal(behalf_type_name(expect_message->type), behalf_type_name(expected));                       \
    } while (0)

#endif
