// broker_world.c - the peers, the store in memory and the virtual time behind the verbs of broker_world.h.

#include "tests/unit/broker_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

const char world_rules[] = "desk: test\n"
                           "channels:\n"
                           "  chirp: { length: 280 }\n"
                           "  mail: {}\n"
                           "skills: [refunds]\n"
                           "agencies: [Northline]\n"
                           "brands:\n"
                           "  acme:\n"
                           "    display_name: Acme\n"
                           "    languages: [en]\n"
                           "    disclosure: \"I'm {first_name} from {agency}, answering for {brand}.\"\n"
                           "    disclosure_pr: \"{first_name}, {brand}\"\n"
                           "  bolt:\n"
                           "    display_name: Bolt\n"
                           "    languages: [en]\n"
                           "    disclosure: \"{first_name} from {agency} for {brand}\"\n"
                           "    take: automatic\n"
                           "sensitive:\n"
                           "  legal:\n"
                           "    patterns: [lawyer*]\n"
                           "people:\n"
                           "  asha:\n"
                           "    display_name: Asha Rao\n"
                           "    roles: [agent]\n"
                           "    agency: Northline\n"
                           "    brands: [acme]\n"
                           "    languages: [en]\n"
                           "    capacity: 2\n"
                           "  ben:\n"
                           "    display_name: Ben Vogel\n"
                           "    roles: [agent]\n"
                           "    agency: Northline\n"
                           "    brands: [acme, bolt]\n"
                           "    languages: [en]\n"
                           "    capacity: 1\n"
                           "  petra:\n"
                           "    display_name: Petra Lind\n"
                           "    roles: [pr]\n"
                           "    brands: all\n"
                           "    languages: all\n"
                           "    capacity: 3\n"
                           "  sam:\n"
                           "    display_name: Sam Whit\n"
                           "    roles: [supervisor]\n"
                           "    brands: all\n"
                           "    languages: all\n";

// ---- making ----

static void fill_random(void *self, void *bytes, size_t count)
{
    struct world *world = self;

    for (size_t i = 0; i < count; i++) {
        world->random = world->random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        ((uint8_t *) bytes)[i] = (uint8_t) (world->random >> 56);
    }
}

static void take_log(void *self, const char *level, const char *line)
{
    struct world *world = self;

    world->log_lines++;
    if (getenv("WORLD_LOG") != NULL) {
        print_message("%s %s\n", level, line);
    }
}

static struct rules *make_rules(const char *text, const struct rules *previous, uint64_t version)
{
    struct rules_problems problems = { 0 };
    struct rules *rules = rules_new(text, strlen(text), previous, version, &problems);

    if (rules == NULL) {
        print_message("%s\n", problems.problems[0].message);
    }
    assert_non_null(rules);
    rules_problems_fini(&problems);
    return rules;
}

bool world_try_start(struct world *world, char *reason, size_t reason_bytes)
{
    struct store_position position;
    uint64_t version = 0;

    world->engine = memory_disk_open(world->disk, "test");
    assert_non_null(world->engine);
    assert_int_equal(world->engine->operations->take_over(world->engine, &position), STORE_OK);
    world->spoken = position.sequence;
    char *text = broker_stored_rules(world->engine, &version);
    struct rules *rules = text == NULL ? make_rules(world->rules == NULL ? world_rules : world->rules, NULL, 1)
                                       : make_rules(text, NULL, version);
    free(text);
    char secret[ENGINE_SECRET_BYTES];
    assert_int_equal(world->engine->operations->secret(world->engine, secret), STORE_OK);
    if (world->options.secret == NULL) {
        world->options.secret = secret;
    }
    world->options.check_stories = true;
    world->options.random = fill_random;
    world->options.log = take_log;
    world->options.self = world;
    world->broker = broker_new(&rules, world->engine, &position, &world->options, world->now_ms, reason, reason_bytes);
    world->options.secret = NULL;
    if (world->broker == NULL) {
        world->engine->operations->destroy(&world->engine);
        return false;
    }
    world_settle(world);
    return true;
}

void world_start(struct world *world)
{
    char reason[512] = "";

    if (!world_try_start(world, reason, sizeof reason)) {
        fail_msg("%s", reason);
    }
}

void world_crash(struct world *world)
{
    if (world->out != NULL) {
        batch_destroy(&world->out);
    }
    world->doubt = false;
    world->hold_batches = false;
    broker_destroy(&world->broker);
    world->engine->operations->destroy(&world->engine);
}

void world_init(struct world *world)
{
    *world = (struct world){ .now_ms = INT64_C(1795312800000), .next_id = 1000, .random = 1 };
    world->disk = memory_disk_new();
    world->answers = answers_new();
    world_start(world);
}

void world_begin_with(struct world *world, const char *rules)
{
    world_crash(world);
    memory_disk_destroy(&world->disk);
    world->disk = memory_disk_new();
    world->rules = rules;
    world_start(world);
    world->rules = NULL;
}

void world_fini(struct world *world)
{
    world_crash(world);
    for (uint64_t peer = 0; peer < WORLD_PEERS; peer++) {
        world_forget(world, peer);
    }
    memory_disk_destroy(&world->disk);
    answers_destroy(&world->answers);
}

// ---- moving ----

static bool take_frames(struct world *world)
{
    struct behalf_fault fault;
    uint64_t peer;
    size_t bytes;
    void *frame;
    bool moved = false;

    while ((frame = broker_next_frame(world->broker, &peer, &bytes)) != NULL) {
        struct behalf_message *message = behalf_message_decode(frame, bytes, &fault);
        free(frame);
        assert_non_null(message);
        assert_true(peer < WORLD_PEERS);
        const char *wrong = answers_wrong(world->answers, peer, message);
        if (wrong != NULL) {
            fail_msg("%s", wrong);
        }
        struct told *told = &world->told[peer];
        assert_true(told->count < sizeof told->messages / sizeof told->messages[0]);
        told->messages[told->count++] = message;
        moved = true;
    }
    while ((peer = broker_next_drop(world->broker)) != 0) {
        world->told[peer].dropped = true;
    }
    return moved;
}

static bool take_batch(struct world *world)
{
    if (world->out == NULL) {
        world->out = broker_next_batch(world->broker, world->now_ms);
    }
    if (world->out == NULL || world->hold_batches) {
        return false;
    }
    enum store_result result = engine_attempt(world->engine, world->out, &world->doubt);
    if (result != STORE_OK) {
        assert_int_not_equal(result, STORE_CONTRADICTED);
        return true; // tried again
    }
    world->spoken = batch_to(world->out)->sequence;
    broker_durable(world->broker, &world->out, world->now_ms);
    assert_null(world->out);
    return true;
}

static bool take_report(struct world *world)
{
    struct report *report = world->hold_reports ? NULL : broker_next_report(world->broker);

    if (report == NULL) {
        return false;
    }
    assert_int_equal(report->sequence, world->spoken); // what was spoken is not unsaid by what is shown
    assert_int_equal(world->engine->operations->report(world->engine, report), STORE_OK);
    broker_reported(world->broker, &report, world->now_ms);
    return true;
}

static bool take_rules(struct world *world)
{
    const struct rules *previous;
    uint64_t version;
    const char *text = broker_next_rules(world->broker, &version, &previous);
    struct rules_problems problems = { 0 };

    if (text == NULL) {
        return false;
    }
    struct rules *rules = rules_new(text, strlen(text), previous, version, &problems);
    broker_rules_ready(world->broker, &rules, &problems, world->now_ms);
    rules_problems_fini(&problems);
    return true;
}

void world_settle(struct world *world)
{
    bool moved = true;

    for (int round = 0; moved; round++) {
        assert_true(round < 10000);
        moved = broker_tick(world->broker, world->now_ms) == 0;
        moved = take_frames(world) || moved;
        moved = take_batch(world) || moved;
        moved = take_report(world) || moved;
        moved = take_rules(world) || moved;
    }
    broker_check(world->broker);
}

void world_pass(struct world *world, int64_t ms)
{
    int64_t end_ms = world->now_ms + ms;

    while (world->now_ms < end_ms) {
        int64_t wait_ms = broker_tick(world->broker, world->now_ms);
        if (wait_ms < 0 || wait_ms > end_ms - world->now_ms) {
            wait_ms = end_ms - world->now_ms;
        }
        world->now_ms += wait_ms > 0 ? wait_ms : 1;
        world_settle(world);
    }
}

// ---- saying ----

void world_say_bytes(struct world *world, uint64_t peer, const void *bytes, size_t count)
{
    answers_asked(world->answers, peer, bytes, count);
    broker_receive(world->broker, peer, bytes, count, world->now_ms);
}

int64_t world_say(struct world *world, uint64_t peer, struct behalf_message message)
{
    struct behalf_fault fault;
    size_t bytes = 0;

    if (message.id == 0 && message.type != BEHALF_HEARTBEAT && message.type != BEHALF_BYE) {
        message.id = world->next_id++;
    }
    void *frame = behalf_message_encode(&message, &bytes, &fault);
    if (frame == NULL) {
        print_message("%s: %s\n", fault.field, fault.reason);
    }
    assert_non_null(frame);
    world_say_bytes(world, peer, frame, bytes);
    free(frame);
    return message.id;
}

const struct behalf_message *world_answer(struct world *world, uint64_t peer, int64_t id)
{
    struct told *told = &world->told[peer];

    for (size_t i = told->count; i > 0; i--) {
        if (told->messages[i - 1]->id == id) {
            return told->messages[i - 1];
        }
    }
    return NULL;
}

const struct behalf_message *world_ask(struct world *world, uint64_t peer, struct behalf_message message)
{
    int64_t id = world_say(world, peer, message);

    world_settle(world);
    const struct behalf_message *answer = world_answer(world, peer, id);
    assert_non_null(answer);
    return answer;
}

const struct behalf_message *world_told(struct world *world, uint64_t peer, enum behalf_type type)
{
    struct told *told = &world->told[peer];

    for (size_t i = told->count; i > told->next; i--) {
        if (told->messages[i - 1]->type == type) {
            return told->messages[i - 1];
        }
    }
    return NULL;
}

size_t world_count_told(const struct world *world, uint64_t peer, enum behalf_type type)
{
    const struct told *told = &world->told[peer];
    size_t count = 0;

    for (size_t i = 0; i < told->count; i++) {
        count += told->messages[i]->type == type;
    }
    return count;
}

void world_forget(struct world *world, uint64_t peer)
{
    struct told *told = &world->told[peer];

    for (size_t i = 0; i < told->count; i++) {
        behalf_message_destroy(&told->messages[i]);
    }
    *told = (struct told){ 0 };
}

const struct behalf_message *world_resume(struct world *world, uint64_t peer, const char *role, const char *name,
                                          const char *token)
{
    static const char *channels[] = { "chirp" };
    bool connector = strcmp(role, "connector") == 0;

    return world_ask(world, peer,
                     (struct behalf_message){ .type = BEHALF_HELLO,
                                              .hello = { .version = BEHALF_PROTOCOL_VERSION,
                                                         .role = role,
                                                         .name = name,
                                                         .token = token,
                                                         .instance = connector ? name : "",
                                                         .channels = channels,
                                                         .channels_count = connector ? 1 : 0 } });
}

const struct behalf_message *world_hello(struct world *world, uint64_t peer, const char *role, const char *name)
{
    return world_resume(world, peer, role, name, "");
}

struct behalf_message world_post(const char *id, int64_t posted_ms, const char *text)
{
    return (struct behalf_message){ .type = BEHALF_POST,
                                    .post = { .channel = "chirp",
                                              .post = id,
                                              .brand = "acme",
                                              .author = "@customer",
                                              .thread = id,
                                              .text = text,
                                              .posted_ms = posted_ms } };
}
