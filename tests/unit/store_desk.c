// store_desk.c - plausible records; no two fields of one have the same value, so that a mix-up shows.

#include "tests/unit/store_desk.h"

#include "tests/unit/record_samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define FIRST_ID UINT64_C(1000000000) // not given yet: the tests' items have the numbers that they like
#define AGAIN_MAX 60                  // attempts, of a second each

void desk_take_over(struct desk_under_test *desk)
{
    assert_int_equal(desk->engine->operations->take_over(desk->engine, &desk->position), STORE_OK);
}

struct batch *desk_batch(struct desk_under_test *desk, uint64_t steps)
{
    struct batch *batch = batch_new();
    struct store_position to = desk->position;

    to.sequence += steps;
    to.clock_ms += 10;
    to.next_id = to.next_id < FIRST_ID ? FIRST_ID : to.next_id + 1;
    batch_set_position(batch, &desk->position, &to);
    desk->position = to;
    return batch;
}

static struct batch *neighbour_batch(struct desk_under_test *neighbour)
{
    struct batch *batch = desk_batch(neighbour, 1);
    uint64_t sequence = neighbour->position.sequence;

    put(batch, an_item(sequence, ITEM_WAITING));
    put(batch, an_event(sequence, sequence, "taken"));
    (void) batch_ask(batch, &(struct question){ .kind = QUESTION_CLOSED_ITEM, .item = sequence });
    return batch;
}

// A commit waits for the tables for a second only; on a busy machine they may need longer.
static bool waits_for_tables(const struct engine *engine, enum store_result result)
{
    return result == STORE_UNAVAILABLE && strstr(engine->reason, "behind") != NULL;
}

static void try_until_tables_show(struct share *const *shares, size_t count)
{
    engine_attempt_together(shares, count);
    for (size_t i = 0; i < count; i++) {
        for (int again = 0; again < AGAIN_MAX && waits_for_tables(shares[i]->engine, shares[i]->result); again++) {
            engine_attempt_together(shares + i, 1);
        }
    }
}

static enum store_result try_together(struct desk_under_test *desk, struct batch *batch)
{
    struct share before = { .engine = desk->before->engine, .group = neighbour_batch(desk->before) };
    struct share middle = { .engine = desk->engine, .group = batch };
    struct share after = { .engine = desk->after->engine, .group = neighbour_batch(desk->after) };
    struct share *shares[] = { &after, &middle, &before };

    try_until_tables_show(shares, 3);
    assert_int_equal(before.result, STORE_OK);
    assert_int_equal(after.result, STORE_OK);
    assert_true(batch_questions(before.group)->found);
    assert_int_equal(batch_questions(after.group)->record.item, desk->after->position.sequence);
    batch_destroy(&before.group);
    batch_destroy(&after.group);
    return middle.result;
}

enum store_result desk_try(struct desk_under_test *desk, struct batch *batch)
{
    if (desk->before != NULL) {
        return try_together(desk, batch);
    }
    enum store_result result = desk->engine->operations->commit(desk->engine, batch);
    for (int again = 0; again < AGAIN_MAX && waits_for_tables(desk->engine, result); again++) {
        result = desk->engine->operations->commit(desk->engine, batch);
    }
    return result;
}

void desk_commit(struct desk_under_test *desk, struct batch **batch_p)
{
    enum store_result result = desk_try(desk, *batch_p);

    if (result != STORE_OK) {
        print_message("%s\n", desk->engine->reason);
    }
    assert_int_equal(result, STORE_OK);
    batch_destroy(batch_p);
}

// A record with something of its own in every column; callers set what their claims are about.
static struct change sample(enum change_kind kind)
{
    static struct change_list *texts; // as long as the program

    if (texts == NULL) {
        texts = change_list_new();
    }
    return record_sample(texts, kind, 0);
}

struct change a_post(uint64_t item, uint32_t number, const char *post, const char *text)
{
    struct change change = sample(CHANGE_POST);

    change.post.item = item;
    change.post.number = number;
    change.post.channel = "chirp";
    change.post.post = post;
    change.post.brand = "acme";
    change.post.author = "@maria";
    change.post.author_name = "María";
    change.post.reach = 1234;
    change.post.platform_language = "es-419";
    change.post.language = "es";
    change.post.thread = "t-9";
    change.post.parent = "p-0";
    change.post.link = "https://chirp.example/1";
    change.post.media = 2;
    change.post.text = text;
    change.post.posted_ms = 1000 + (int64_t) item * 10 + number;
    change.post.taken_ms = 5000 + (int64_t) item;
    change.post.sensitive = false;
    return change;
}

struct change an_item(uint64_t item, enum item_state state)
{
    struct change change = sample(CHANGE_ITEM);

    change.item.item = item;
    change.item.brand = "acme";
    change.item.channel = "chirp";
    change.item.audience = "agent";
    change.item.state = state;
    change.item.sealed = false;
    change.item.created_ms = 101;
    change.item.outcome = state == ITEM_CLOSED ? "answered" : "";
    return change;
}

struct change a_reply(uint64_t reply, uint64_t item, enum reply_state state, const char *text)
{
    struct change change = sample(CHANGE_REPLY);

    change.reply.reply = reply;
    change.reply.item = item;
    change.reply.brand = "acme";
    change.reply.channel = "chirp";
    change.reply.person = "asha";
    change.reply.text = text;
    change.reply.key = "key-1";
    change.reply.attempt = 2;
    change.reply.state = state;
    change.reply.sealed = false;
    change.reply.created_ms = 201 + (int64_t) reply;
    return change;
}

struct change a_note(uint64_t item, const char *kind, const char *text, bool sealed)
{
    return (struct change){
        .kind = CHANGE_NOTE,
        .note = { .item = item, .kind = kind, .person = "eve", .text = text, .sealed = sealed, .at_ms = 900000 }
    };
}

struct change an_event(uint64_t sequence, uint64_t item, const char *kind)
{
    struct change change = sample(CHANGE_EVENT);

    change.event.sequence = sequence;
    change.event.item = item;
    change.event.kind = kind;
    change.event.at_ms = 301;
    change.event.person = "asha";
    change.event.queue = "agent/acme/es/billing";
    change.event.rule = "topic: billing";
    change.event.rules_version = 4;
    change.event.detail = "3 eligible";
    return change;
}

struct change an_outcome(uint64_t item, uint64_t reply, int64_t closed_ms)
{
    struct change change = sample(CHANGE_OUTCOME);

    change.outcome.item = item;
    change.outcome.outcome = "answered";
    change.outcome.brand = "acme";
    change.outcome.language = "es";
    change.outcome.audience = "agent";
    change.outcome.person = "asha";
    change.outcome.agency = "helpers";
    change.outcome.reason = "topic: billing";
    change.outcome.escalated = "by hand";
    change.outcome.posts = 2;
    change.outcome.moves = 5;
    change.outcome.reply = reply;
    change.outcome.created_ms = 401;
    change.outcome.closed_ms = closed_ms;
    change.outcome.due_ms = 402;
    return change;
}

struct change a_request(uint64_t number, const char *principal, int64_t id)
{
    struct change change = sample(CHANGE_REQUEST);

    change.request.number = number;
    change.request.slot = number % REQUESTS_KEPT_MAX;
    change.request.at_ms = 501;
    change.request.principal = principal;
    change.request.id = id;
    return change;
}

void put(struct batch *batch, struct change change)
{
    change_list_add(batch_list(batch), &change);
}
