// store_desk.c - plausible records; no two fields of one have the same value, so that a mix-up shows.

#include "tests/unit/store_desk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

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
    to.next_id += 1;
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

static enum store_result try_together(struct desk_under_test *desk, struct batch *batch)
{
    struct share before = { .engine = desk->before->engine, .group = neighbour_batch(desk->before) };
    struct share middle = { .engine = desk->engine, .group = batch };
    struct share after = { .engine = desk->after->engine, .group = neighbour_batch(desk->after) };
    struct share *shares[] = { &after, &middle, &before };

    engine_attempt_together(shares, 3);
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
    return desk->before == NULL ? desk->engine->operations->commit(desk->engine, batch) : try_together(desk, batch);
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

struct change a_post(uint64_t item, uint32_t number, const char *post, const char *text)
{
    return (struct change){ .kind = CHANGE_POST,
                            .post = { .item = item,
                                      .number = number,
                                      .channel = "chirp",
                                      .post = post,
                                      .brand = "acme",
                                      .author = "@maria",
                                      .author_name = "María",
                                      .reach = 1234,
                                      .text = text,
                                      .platform_language = "es-419",
                                      .language = "es",
                                      .thread = "t-9",
                                      .parent = "p-0",
                                      .link = "https://chirp.example/1",
                                      .media = 2,
                                      .posted_ms = 1000 + (int64_t) item * 10 + number,
                                      .taken_ms = 5000 + (int64_t) item,
                                      .author_key = UINT64_C(0xE000000000000007) } };
}

struct change an_item(uint64_t item, enum item_state state)
{
    return (struct change){ .kind = CHANGE_ITEM,
                            .item = { .item = item,
                                      .brand = "acme",
                                      .channel = "chirp",
                                      .audience = "agent",
                                      .language = "es",
                                      .skills = "billing,refunds",
                                      .state = state,
                                      .band = 3,
                                      .returned = true,
                                      .approval = true,
                                      .created_ms = 101,
                                      .due_ms = 102,
                                      .since_ms = 103,
                                      .until_ms = 104,
                                      .lease = 105,
                                      .person = "asha",
                                      .preferred = "bo",
                                      .preferred_until_ms = 106,
                                      .thread_key = UINT64_C(0xD000000000000001),
                                      .author_key = UINT64_C(0xE000000000000007),
                                      .posts = 107,
                                      .numbered = 108,
                                      .moves = 109,
                                      .first_offered_ms = 110,
                                      .reason = "topic: billing",
                                      .escalated = "missed service level",
                                      .reply = 111,
                                      .draft_by = "cleo",
                                      .outcome = state == ITEM_CLOSED ? "answered" : "" } };
}

struct change a_reply(uint64_t reply, uint64_t item, enum reply_state state, const char *text)
{
    return (struct change){ .kind = CHANGE_REPLY,
                            .reply = { .reply = reply,
                                       .item = item,
                                       .brand = "acme",
                                       .channel = "chirp",
                                       .person = "asha",
                                       .text = text,
                                       .key = "key-1",
                                       .state = state,
                                       .instance = "i-1",
                                       .idempotent = true,
                                       .attempt = 2,
                                       .created_ms = 201 + (int64_t) reply,
                                       .handed_ms = 202,
                                       .settled_ms = 203,
                                       .reference = "pub-1",
                                       .reason = "because" } };
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
    return (struct change){ .kind = CHANGE_EVENT,
                            .event = { .sequence = sequence,
                                       .at_ms = 301,
                                       .item = item,
                                       .kind = kind,
                                       .person = "asha",
                                       .queue = "agent/acme/es/billing",
                                       .rule = "topic: billing",
                                       .rules_version = 4,
                                       .detail = "3 eligible" } };
}

struct change an_outcome(uint64_t item, uint64_t reply, int64_t closed_ms)
{
    return (struct change){ .kind = CHANGE_OUTCOME,
                            .outcome = { .item = item,
                                         .outcome = "answered",
                                         .brand = "acme",
                                         .language = "es",
                                         .audience = "agent",
                                         .person = "asha",
                                         .agency = "helpers",
                                         .reason = "topic: billing",
                                         .escalated = "by hand",
                                         .reply = reply,
                                         .created_ms = 401,
                                         .closed_ms = closed_ms,
                                         .due_ms = 402,
                                         .first_offered_ms = 403,
                                         .posts = 2,
                                         .moves = 5,
                                         .sealed = true,
                                         .thread_key = UINT64_C(0xD000000000000001),
                                         .author_key = UINT64_C(0xE000000000000007) } };
}

struct change a_request(uint64_t number, const char *principal, int64_t id)
{
    return (struct change){ .kind = CHANGE_REQUEST,
                            .request = { .number = number,
                                         .slot = number % REQUESTS_KEPT_MAX,
                                         .at_ms = 501,
                                         .role = "person",
                                         .principal = principal,
                                         .id = id,
                                         .type = "ANSWER",
                                         .digest = UINT64_C(0xC000000000000001),
                                         .item = 502,
                                         .lease = 503,
                                         .state = "sending",
                                         .reply = 504,
                                         .rules_version = 505 } };
}

void put(struct batch *batch, struct change change)
{
    change_list_add(batch_list(batch), &change);
}
