// worker_test.c - behalf-worker as a process, before a fake broker: lines of JSON, and the prompt, both
// through pipes and in a terminal.

#include "tests/system/child.h"
#include "tests/system/fake_broker.h"
#include "worker/agent/prompt.h"

#include <jansson.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static const char *program;

struct world {
    struct fake_broker *broker;
    struct child *worker;
};

static void begin_with(struct world *world, const char *how, const char *roles, bool terminal)
{
    world->broker = fake_broker_new(&(struct fake_broker_options){ .roles = roles });
    const char *argv[] = { program, how, "--name", "asha", "--broker", fake_broker_endpoint(world->broker), NULL };
    world->worker = terminal ? child_new_in_terminal(argv) : child_new(argv);
    struct behalf_message *hello = fake_broker_expect_hello(world->broker);
    assert_string_equal(hello->hello.role, "person");
    assert_string_equal(hello->hello.name, "asha");
    behalf_message_destroy(&hello);
}

static void finish(struct world *world, int status)
{
    assert_int_equal(child_wait(world->worker, world->broker), status);
    child_destroy(&world->worker);
    fake_broker_destroy(&world->broker);
}

static void send_item_as(struct world *world, int64_t number, int64_t lease, const char *state, const char *audience,
                         const char *text)
{
    struct behalf_entry story[] = { { .kind = "post",
                                      .author = "@jo",
                                      .text = text,
                                      .post = "1001",
                                      .language = "en",
                                      .at_ms = INT64_C(1795161600000) } };
    struct behalf_message item = { .type = BEHALF_ITEM };
    item.item = (struct behalf_item){ .item = number,
                                      .lease = lease,
                                      .state = state,
                                      .audience = audience,
                                      .brand = "acme",
                                      .channel = "twitter",
                                      .author = "@jo",
                                      .language = "en",
                                      .disclosure = "I'm Asha from Northwind, answering for Acme.",
                                      .length_max = 280,
                                      .length_left = 235,
                                      .story = story,
                                      .story_count = 1 };
    fake_broker_send(world->broker, &item);
}

static void send_item(struct world *world, int64_t number, int64_t lease, const char *state, const char *text)
{
    send_item_as(world, number, lease, state, "agent", text);
}

static void refuse(struct world *world, int64_t id, const char *code, const char *field, const char *state)
{
    struct behalf_message error = { .type = BEHALF_ERROR, .id = id };
    error.error = (struct behalf_error){ .code = code, .field = field, .state = state, .reason = "so it is" };
    fake_broker_send(world->broker, &error);
}

static void send_gone(struct world *world, int64_t number, int64_t lease, const char *reason)
{
    struct behalf_message gone = { .type = BEHALF_GONE };
    gone.gone = (struct behalf_gone){ .item = number, .lease = lease, .reason = reason };
    fake_broker_send(world->broker, &gone);
}

static void send_preview(struct world *world, int64_t id, const char *text, const char *refused)
{
    struct behalf_message preview = { .type = BEHALF_PREVIEWED, .id = id };
    preview.previewed =
        (struct behalf_previewed){ .item = 1, .text = text, .length = 30, .length_max = 280, .refused = refused };
    fake_broker_send(world->broker, &preview);
}

static void expect(struct world *world, const char *part)
{
    free(child_expect(world->worker, world->broker, part));
}

static json_t *expect_json(struct world *world, const char *part)
{
    char *line = child_expect(world->worker, world->broker, part);
    json_t *object = json_loads(line, 0, NULL);
    assert_non_null(object);
    free(line);
    return object;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

// ---- JSON ----

static void json_carries_messages_both_ways(void **state)
{
    (void) state;
    struct world world;
    begin_with(&world, "--json", NULL, false);
    json_t *welcome = expect_json(&world, "WELCOME");
    assert_string_equal(text_of(welcome, "desk"), "test");
    json_decref(welcome);
    send_item(&world, 1, 2, "held", "Where is my submission? \xf0\x9f\x93\xa6");
    json_t *item = expect_json(&world, "\"ITEM\"");
    assert_int_equal(json_integer_value(json_object_get(item, "lease")), 2);
    json_t *entry = json_array_get(json_object_get(item, "story"), 0);
    assert_string_equal(text_of(entry, "text"), "Where is my submission? \xf0\x9f\x93\xa6");
    json_decref(item);

    child_write(world.worker,
                "{\"type\":\"ANSWER\",\"item\":1,\"lease\":2,\"text\":\"On its way\",\"id\":{\"mine\":7}}");
    struct behalf_message *answer = fake_broker_expect(world.broker, BEHALF_ANSWER);
    assert_int_equal(answer->answer.item, 1);
    assert_int_equal(answer->answer.lease, 2);
    assert_string_equal(answer->answer.text, "On its way");
    fake_broker_done(world.broker, answer->id, 1, 3, "sending");
    behalf_message_destroy(&answer);
    json_t *done = expect_json(&world, "\"DONE\"");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(done, "id"), "mine")), 7);
    assert_string_equal(text_of(done, "state"), "sending");
    json_decref(done);

    child_close_input(world.worker);
    struct behalf_message *bye = fake_broker_expect(world.broker, BEHALF_BYE);
    behalf_message_destroy(&bye);
    finish(&world, 0);
}

static void json_sends_lists_of_texts(void **state)
{
    (void) state;
    struct world world;
    begin_with(&world, "--json", NULL, false);
    child_write(world.worker, "{\"type\":\"TRANSFER\",\"item\":1,\"lease\":2,\"skills\":[\"refunds\",\"vip\"],"
                              "\"reason\":\"needs both\",\"person\":null}");
    struct behalf_message *transfer = fake_broker_expect(world.broker, BEHALF_TRANSFER);
    assert_int_equal(transfer->transfer.skills_count, 2);
    assert_string_equal(transfer->transfer.skills[1], "vip");
    assert_string_equal(transfer->transfer.person, "");
    behalf_message_destroy(&transfer);
    child_signal(world.worker, SIGTERM);
    finish(&world, 0);
}

static void json_survives_bad_lines(void **state)
{
    (void) state;
    static const struct {
        const char *line, *code;
    } cases[] = {
        { "nonsense", "MALFORMED" },
        { "[]", "MALFORMED" },
        { "{\"type\":\"NO_SUCH\"}", "UNKNOWN_TYPE" },
        { "{\"type\":\"POST\",\"post\":\"1\"}", "UNKNOWN_TYPE" },
        { "{\"type\":\"HELLO\"}", "UNKNOWN_TYPE" },
        { "{\"type\":\"TAKE\",\"item\":1}", "MISSING" },
        { "{\"type\":\"TAKE\",\"item\":\"one\",\"lease\":1}", "INVALID" },
        { "{\"type\":\"TAKE\",\"item\":0,\"lease\":1}", "INVALID" },
        { "{\"type\":\"TAKE\",\"item\":1,\"lease\":1,\"leese\":1}", "INVALID" },
        { "{\"type\":\"TRANSFER\",\"item\":1,\"lease\":1,\"reason\":\"x\",\"skills\":[1]}", "INVALID" },
        { "{\"type\":\"TAKE\",\"item\":1.5,\"lease\":1}", "INVALID" },
    };
    struct world world;
    begin_with(&world, "--json", NULL, false);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        child_write(world.worker, cases[i].line);
        json_t *error = expect_json(&world, "\"ERROR\"");
        assert_string_equal(text_of(error, "code"), cases[i].code);
        assert_int_equal(json_integer_value(json_object_get(error, "line")), i + 1);
        json_decref(error);
    }
    child_write(world.worker, "{\"type\":\"TAKE\",\"item\":1,\"lease\":1}");
    struct behalf_message *take = fake_broker_expect(world.broker, BEHALF_TAKE);
    behalf_message_destroy(&take);
    child_write(world.worker, "{\"type\":\"BYE\"}");
    finish(&world, 0);
}

static void json_end_waits_for_answers(void **state)
{
    (void) state;
    struct world world;
    begin_with(&world, "--json", NULL, false);
    child_write(world.worker, "{\"type\":\"TAKE\",\"item\":1,\"lease\":1}");
    child_close_input(world.worker);
    struct behalf_message *take = fake_broker_expect(world.broker, BEHALF_TAKE);
    fake_broker_done(world.broker, take->id, 1, 1, "held");
    behalf_message_destroy(&take);
    expect(&world, "\"DONE\"");
    finish(&world, 0);
}

static void json_request_outlives_a_lost_connection(void **state)
{
    (void) state;
    struct world world;
    begin_with(&world, "--json", NULL, false);
    child_write(world.worker, "{\"type\":\"TAKE\",\"item\":1,\"lease\":1}");
    struct behalf_message *take = fake_broker_expect(world.broker, BEHALF_TAKE);
    int64_t id = take->id;
    behalf_message_destroy(&take);
    fake_broker_go_away(world.broker);
    json_t *lost = expect_json(&world, "\"state\":\"lost\"");
    assert_true(json_is_false(json_object_get(lost, "sure")));
    json_decref(lost);
    fake_broker_come_back(world.broker);
    json_t *ready = expect_json(&world, "\"state\":\"ready\"");
    assert_true(json_is_true(json_object_get(ready, "sure"))); // its WELCOME announces nothing
    json_decref(ready);
    take = fake_broker_expect(world.broker, BEHALF_TAKE);
    assert_int_equal(take->id, id);
    fake_broker_done(world.broker, take->id, 1, 1, "held");
    behalf_message_destroy(&take);
    expect(&world, "\"DONE\"");
    child_close_input(world.worker);
    finish(&world, 0);
}

// Begins with a worker whose broker restarts right behind each WELCOME: mostly it hears of both in one moment.
static void begin_and_lose(struct world *world, const char *how, bool terminal)
{
    world->broker = fake_broker_new(&(struct fake_broker_options){ .restarts = true });
    const char *argv[] = { program, how, "--name", "asha", "--broker", fake_broker_endpoint(world->broker), NULL };
    world->worker = terminal ? child_new_in_terminal(argv) : child_new(argv);
}

static void json_tells_of_each_session_lost_at_once(void **state)
{
    (void) state;
    struct world world;
    begin_and_lose(&world, "--json", false);
    for (int i = 0; i < 20; i++) {
        expect(&world, "\"WELCOME\"");
        json_t *ready = expect_json(&world, "\"type\":");
        assert_string_equal(text_of(ready, "state"), "ready");
        json_decref(ready);
        json_t *lost = expect_json(&world, "\"type\":");
        assert_string_equal(text_of(lost, "state"), "lost");
        json_decref(lost);
    }
    child_close_input(world.worker);
    finish(&world, 0);
}

static void prompt_tells_of_each_session_lost_at_once(void **state)
{
    (void) state;
    struct world world;
    begin_and_lose(&world, "--plain", true);
    for (int i = 0; i < 20; i++) {
        behalf_message_destroy(&(struct behalf_message *){ fake_broker_expect_hello(world.broker) });
    }
    for (int i = 0; i < 19; i++) {
        expect(&world, "Connection lost");
    }
    child_signal(world.worker, SIGTERM);
    finish(&world, 0);
}

static void ended_session_ends_the_program(void **state)
{
    (void) state;
    struct world world;
    begin_with(&world, "--json", NULL, false);
    struct behalf_message bye = { .type = BEHALF_BYE, .bye = { .reason = "signed in elsewhere" } };
    fake_broker_send(world.broker, &bye);
    expect(&world, "signed in elsewhere");
    finish(&world, 3);
}

static void refused_person_is_told_why(void **state)
{
    (void) state;
    struct world world;
    world.broker = fake_broker_new(NULL);
    fake_broker_refuses(world.broker, "FORBIDDEN");
    const char *argv[] = { program, "--name", "mallory", "--broker", fake_broker_endpoint(world.broker), NULL };
    world.worker = child_new(argv);
    expect(&world, "does not let you in");
    finish(&world, 2);
}

// ---- the prompt, through pipes ----

static void answer_is_previewed_then_sent(void **state)
{
    (void) state;
    struct world world;
    begin_with(&world, "--plain", NULL, false);
    expect(&world, "Signed in as Asha");
    send_item(&world, 1, 2, "offered", "Where is my submission?");
    expect(&world, "=== item 1 | acme | twitter | en | offered");
    expect(&world, "| Where is my submission?");
    expect(&world, "answering for Acme.");
    expect(&world, "235 of 280");

    child_write(world.worker, "answer too early");
    expect(&world, "`take` it first");
    child_write(world.worker, "take");
    struct behalf_message *take = fake_broker_expect(world.broker, BEHALF_TAKE);
    fake_broker_done(world.broker, take->id, 1, 2, "held");
    behalf_message_destroy(&take);
    expect(&world, "is yours");

    child_write(world.worker, "answer\nDear Jo,\n..\nit is on its way.\n.");
    struct behalf_message *preview = fake_broker_expect(world.broker, BEHALF_PREVIEW);
    assert_string_equal(preview->preview.text, "Dear Jo,\n.\nit is on its way.");
    send_preview(&world, preview->id, "Dear Jo, ... I'm Asha from Northwind", "");
    behalf_message_destroy(&preview);
    expect(&world, "| Dear Jo, ... I'm Asha from Northwind");
    child_write(world.worker, "y");
    struct behalf_message *answer = fake_broker_expect(world.broker, BEHALF_ANSWER);
    assert_string_equal(answer->answer.text, "Dear Jo,\n.\nit is on its way.");
    fake_broker_done(world.broker, answer->id, 1, 3, "sending");
    behalf_message_destroy(&answer);
    expect(&world, "the reply is on its way");
    child_write(world.worker, "quit");
    finish(&world, 0);
}

static void take_held_item(struct world *world)
{
    send_item(world, 1, 2, "held", "Where is my submission?");
    expect(world, "=== item 1");
}

static void answer_of_a_frozen_brand_is_said_to_wait(void **state)
{
    (void) state;
    struct world world;
    begin_with(&world, "--plain", NULL, false);
    struct behalf_message item = { .type = BEHALF_ITEM };
    item.item = (struct behalf_item){ .item = 1,
                                      .lease = 2,
                                      .state = "held",
                                      .audience = "pr",
                                      .brand = "acme",
                                      .channel = "twitter",
                                      .language = "en",
                                      .disclosure = "Petra, Acme",
                                      .frozen = true };
    fake_broker_send(world.broker, &item);
    expect(&world, "FROZEN: ");
    child_write(world.worker, "answer We look into it");
    struct behalf_message *request = fake_broker_expect(world.broker, BEHALF_PREVIEW);
    send_preview(&world, request->id, "We look into it. Petra, Acme", "");
    behalf_message_destroy(&request);
    expect(&world, "| We look into it. Petra, Acme");
    child_write(world.worker, "y");
    request = fake_broker_expect(world.broker, BEHALF_ANSWER);
    fake_broker_done(world.broker, request->id, 1, 3, "sending");
    behalf_message_destroy(&request);
    expect(&world, "Answered: the reply waits until the brand is no longer frozen.");
    child_write(world.worker, "quit");
    finish(&world, 0);
}

static void refused_answer_is_kept(void **state)
{
    (void) state;
    struct world world;
    begin_with(&world, "--plain", NULL, false);
    take_held_item(&world);
    child_write(world.worker, "a My card is 4111");
    struct behalf_message *preview = fake_broker_expect(world.broker, BEHALF_PREVIEW);
    send_preview(&world, preview->id, "My card is 4111", "it has a card number");
    behalf_message_destroy(&preview);
    expect(&world, "NOT ALLOWED OUT: it has a card number");
    struct behalf_message *draft = fake_broker_expect(world.broker, BEHALF_DRAFT);
    assert_string_equal(draft->draft.text, "My card is 4111");
    fake_broker_done(world.broker, draft->id, 1, 2, "held");
    behalf_message_destroy(&draft);
    child_write(world.worker, "draft");
    expect(&world, "| My card is 4111");
    child_write(world.worker, "quit");
    finish(&world, 0);
}

static void text_written_for_a_lost_item_is_shown_again(void **state)
{
    (void) state;
    struct world world;
    begin_with(&world, "--plain", NULL, false);
    take_held_item(&world);
    child_write(world.worker, "answer\nDear Jo, it is");
    expect(&world, "write: Dear Jo, it is");
    send_gone(&world, 1, 2, "deleted by its author");
    expect(&world, "no longer yours: deleted by its author");
    expect(&world, "not lost");
    expect(&world, "| Dear Jo, it is");
    child_write(world.worker, "quit");
    finish(&world, 0);
}

static void every_command_becomes_its_request(void **state)
{
    (void) state;
    static const struct {
        const char *line;
        enum behalf_type type;
        const char *audience;
    } cases[] = {
        { "note she called twice", BEHALF_NOTE, "agent" },
        { "draft so far", BEHALF_DRAFT, "agent" },
        { "look pr", BEHALF_LOOK, "agent" },
        { "away lunch", BEHALF_PRESENCE, "agent" },
        { "back", BEHALF_PRESENCE, "agent" },
        { "freeze acme press is calling", BEHALF_FREEZE, "agent" },
        { "unfreeze acme over", BEHALF_FREEZE, "agent" },
        { "recall 4711 asha has gone home", BEHALF_RECALL, "agent" },
        { "status", BEHALF_STATUS, "agent" },
        { "close none thanks only", BEHALF_CLOSE, "agent" },
        { "escalate\nshe threatens to sue", BEHALF_ESCALATE, "agent" },
        { "return say sorry", BEHALF_RETURN, "pr" },
        { "reject too long", BEHALF_REJECT, "approver" },
        { "transfer to ben he knows her", BEHALF_TRANSFER, "agent" },
        { "transfer skills a,b it needs both", BEHALF_TRANSFER, "agent" },
        { "park 2h waits for the depot", BEHALF_PARK, "agent" },
    };
    struct world world;
    begin_with(&world, "--plain", "agent,pr,approver,supervisor", false);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        send_item_as(&world, 1, 2, "held", cases[i].audience, i == 0 ? "Where is my submission?" : cases[i].line);
        expect(&world, i == 0 ? "=== item 1" : "--- new or changed in item 1");
        child_write(world.worker, cases[i].line);
        struct behalf_message *request = fake_broker_expect(world.broker, cases[i].type);
        if (request->type == BEHALF_LOOK) {
            struct behalf_message listing = { .type = BEHALF_LISTING, .id = request->id };
            fake_broker_send(world.broker, &listing);
        } else if (request->type == BEHALF_STATUS) {
            struct behalf_message counts = { .type = BEHALF_COUNTS, .id = request->id, .counts = { .desk = "test" } };
            fake_broker_send(world.broker, &counts);
        } else {
            fake_broker_error(world.broker, request->id, "POLICY", "so that the item stays", 0);
        }
        behalf_message_destroy(&request);
    }
    child_write(world.worker, "quit");
    finish(&world, 0);
}

static void only_a_refusal_about_the_item_drops_it(void **state)
{
    (void) state;
    static const struct {
        const char *line, *code, *field, *state;
    } kept[] = {
        { "transfer to nobody because", "NOT_FOUND", "person", "held" },
        { "transfer skills juggling it needs it", "NOT_FOUND", "skills", "held" },
        { "transfer language xx it is", "NOT_FOUND", "language", "held" },
        { "transfer to ben he knows", "NOT_FOUND", "", "held" },
        { "transfer to ben he knows", "POLICY", "item", "held" },
    };
    static const struct {
        const char *code, *field, *state;
    } lost[] = { { "STALE", "lease", "held" }, { "NOT_FOUND", "item", "closed" }, { "NOT_FOUND", "", "closed" } };
    struct world world;
    begin_with(&world, "--plain", NULL, false);
    take_held_item(&world);
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        child_write(world.worker, kept[i].line);
        struct behalf_message *request = fake_broker_expect(world.broker, BEHALF_TRANSFER);
        assert_int_equal(request->transfer.item, 1);
        refuse(&world, request->id, kept[i].code, kept[i].field, kept[i].state);
        behalf_message_destroy(&request);
        expect(&world, "Not done: so it is");
    }
    child_write(world.worker, "items");
    expect(&world, "> item 1 |");
    for (size_t i = 0; i < sizeof lost / sizeof lost[0]; i++) {
        child_write(world.worker, "note she called");
        struct behalf_message *request = fake_broker_expect(world.broker, BEHALF_NOTE);
        refuse(&world, request->id, lost[i].code, lost[i].field, lost[i].state);
        behalf_message_destroy(&request);
        expect(&world, "no longer yours");
        send_item(&world, 1, 2, "held", "Where is my submission?");
        expect(&world, "=== item 1");
    }
    child_write(world.worker, "quit");
    finish(&world, 0);
}

static void commands_of_other_roles_are_refused_at_once(void **state)
{
    (void) state;
    struct world world;
    begin_with(&world, "--plain", "agent", false);
    take_held_item(&world);
    child_write(world.worker, "approve\nreturn say sorry\nfreeze acme why\nlook foo\nlook pr\nlook agent");
    expect(&world, "`approve` is for approver; you are signed in as agent");
    expect(&world, "`return` is for pr;");
    expect(&world, "`freeze` is for pr or supervisor;");
    expect(&world, "There is no audience foo: agent, pr, approver or supervisor");
    expect(&world, "The queues of pr are not yours");
    struct behalf_message *look = fake_broker_expect(world.broker, BEHALF_LOOK);
    assert_string_equal(look->look.audience, "agent");
    struct behalf_message listing = { .type = BEHALF_LISTING, .id = look->id, .listing = { .more = true, .next = 77 } };
    fake_broker_send(world.broker, &listing);
    behalf_message_destroy(&look);
    look = fake_broker_expect(world.broker, BEHALF_LOOK); // an empty page that is not the last is gone past
    assert_string_equal(look->look.audience, "agent");
    assert_int_equal(look->look.after, 77);
    listing = (struct behalf_message){ .type = BEHALF_LISTING, .id = look->id };
    fake_broker_send(world.broker, &listing);
    behalf_message_destroy(&look);
    expect(&world, "Nothing is open for you.");
    child_write(world.worker, "quit");
    finish(&world, 0);
}

static void end_of_an_item_says_as_what_and_until_when(void **state)
{
    (void) state;
    struct world world;
    begin_with(&world, "--plain", NULL, false);
    take_held_item(&world);
    child_write(world.worker, "close noi");
    struct behalf_message *request = fake_broker_expect(world.broker, BEHALF_CLOSE);
    fake_broker_done(world.broker, request->id, 1, 2, "closed");
    behalf_message_destroy(&request);
    expect(&world, "Closed as noise.");
    send_item(&world, 2, 1, "held", "");
    expect(&world, "(no text)");
    child_write(world.worker, "park 2h");
    request = fake_broker_expect(world.broker, BEHALF_PARK);
    fake_broker_done(world.broker, request->id, 2, 1, "parked");
    behalf_message_destroy(&request);
    expect(&world, "Parked until ");
    child_write(world.worker, "quit");
    finish(&world, 0);
}

static void the_red_button_says_what_it_did(void **state)
{
    (void) state;
    struct world world;
    begin_with(&world, "--plain", "pr", false);
    expect(&world, "Signed in as Asha");
    child_write(world.worker, "freeze acme wrong promise");
    struct behalf_message *request = fake_broker_expect(world.broker, BEHALF_FREEZE);
    fake_broker_done(world.broker, request->id, 0, 0, "frozen");
    behalf_message_destroy(&request);
    expect(&world, "Frozen: the brand's replies stop, and its new items go to PR.");
    child_write(world.worker, "unfreeze acme put right");
    request = fake_broker_expect(world.broker, BEHALF_FREEZE);
    fake_broker_done(world.broker, request->id, 0, 0, "lifted");
    behalf_message_destroy(&request);
    expect(&world, "No longer frozen: the brand's replies go out.");
    child_write(world.worker, "quit");
    finish(&world, 0);
}

static void draft_is_not_replaced_unasked(void **state)
{
    (void) state;
    struct world world;
    begin_with(&world, "--plain", NULL, false);
    take_held_item(&world);
    child_write(world.worker, "draft the long one");
    struct behalf_message *draft = fake_broker_expect(world.broker, BEHALF_DRAFT);
    fake_broker_done(world.broker, draft->id, 1, 2, "held");
    behalf_message_destroy(&draft);
    expect(&world, "Saved with the item.");
    child_write(world.worker, "answer short\nmaybe\nn\ndraft");
    expect(&world, "There is a draft:");
    expect(&world, "Say y or n; Ctrl-C leaves it.");
    expect(&world, "The draft is as it was");
    expect(&world, "| the long one");
    child_write(world.worker, "answer short\ny");
    struct behalf_message *preview = fake_broker_expect(world.broker, BEHALF_PREVIEW);
    assert_string_equal(preview->preview.text, "short");
    send_preview(&world, preview->id, "short", "");
    behalf_message_destroy(&preview);
    child_write(world.worker, "yes, please");
    expect(&world, "Say y, n or edit; Ctrl-C leaves it.");
    child_write(world.worker, "y");
    struct behalf_message *answer = fake_broker_expect(world.broker, BEHALF_ANSWER);
    assert_string_equal(answer->answer.text, "short");
    fake_broker_done(world.broker, answer->id, 1, 3, "sending");
    behalf_message_destroy(&answer);
    expect(&world, "the reply is on its way");
    child_write(world.worker, "quit");
    finish(&world, 0);
}

static void refused_draft_is_not_shown_as_saved(void **state)
{
    (void) state;
    struct world world;
    begin_with(&world, "--plain", NULL, false);
    take_held_item(&world);
    char *line = malloc(BEHALF_POST_BYTES + 16);
    assert_non_null(line);
    memset(line, 'x', BEHALF_POST_BYTES + 15);
    memcpy(line, "draft ", 6);
    line[BEHALF_POST_BYTES + 7] = '\0'; // one byte too many
    child_write(world.worker, line);
    free(line);
    expect(&world, "A draft is at most 32,768 bytes; not saved.");
    child_write(world.worker, "draft");
    expect(&world, "There is no draft.");
    child_write(world.worker, "draft a short one");
    struct behalf_message *draft = fake_broker_expect(world.broker, BEHALF_DRAFT);
    refuse(&world, draft->id, "POLICY", "text", "held");
    behalf_message_destroy(&draft);
    child_write(world.worker, "draft");
    expect(&world, "Written here, not saved with the item:");
    expect(&world, "| a short one");
    child_write(world.worker, "quit");
    finish(&world, 0);
}

static void nothing_from_outside_reaches_the_terminal_raw(void **state)
{
    (void) state;
    struct world world;
    begin_with(&world, "--plain", NULL, false);
    send_item(&world, 1, 2, "held", "\x1b[2J\x1b]0;x\x07 \xe2\x80\xaegnp.exe \xc2\x9b!");
    expect(&world, "\xe2\x90\x9b[2J");
    send_gone(&world, 1, 2, "\x1b[31mred\nnext line");
    expect(&world, "\xe2\x90\x9b[31mred\xe2\x90\x8anext line");
    child_write(world.worker, "quit");
    assert_int_equal(child_wait(world.worker, world.broker), 0);
    assert_null(strchr(child_output(world.worker), '\x1b'));
    finish(&world, 0);
}

static void lost_connection_is_told_and_mended(void **state)
{
    (void) state;
    struct world world;
    begin_with(&world, "--plain", NULL, false);
    take_held_item(&world);
    fake_broker_go_away(world.broker);
    expect(&world, "Not sure that this is still yours");
    fake_broker_come_back(world.broker);
    expect(&world, "Connected again");
    expect(&world, "Item 1 is no longer yours"); // the broker names no items in this WELCOME
    child_write(world.worker, "quit");
    finish(&world, 0);
}

// ---- the prompt, in a terminal ----

static bool asks_to_leave(void *self)
{
    return strstr(child_output(self), "sign out?") != NULL;
}

static void news_leave_what_is_typed(void **state)
{
    (void) state;
    struct world world;
    setenv("TERM", "xterm", 1);
    begin_with(&world, "--plain", NULL, true);
    take_held_item(&world);
    child_type(world.worker, "note she called");
    struct behalf_message late = { .type = BEHALF_ITEM };
    late.item = (struct behalf_item){ .item = 5,
                                      .lease = 1,
                                      .state = "offered",
                                      .audience = "agent",
                                      .brand = "acme",
                                      .channel = "twitter",
                                      .language = "en",
                                      .disclosure = "I'm Asha",
                                      .due_ms = INT64_C(1795161600000),
                                      .answer_by_ms = INT64_C(4000000000000) };
    fake_broker_send(world.broker, &late);
    expect(&world, "Also for you: item 5 | acme | en | from somebody | offered, take it: ");
    expect(&world, " | service level: LATE by ");
    child_type(world.worker, " twice\r");
    struct behalf_message *note = fake_broker_expect(world.broker, BEHALF_NOTE);
    assert_string_equal(note->note.text, "she called twice");
    fake_broker_done(world.broker, note->id, 1, 2, "held");
    behalf_message_destroy(&note);
    expect(&world, "Done.");
    child_type(world.worker, "quit\r");
    fake_broker_work_until(world.broker, asks_to_leave, world.worker);
    assert_non_null(strstr(child_output(world.worker), "you hold 1, and 1 offered: back to the queues with them"));
    assert_null(strstr(child_output(world.worker), "Item 5 is past its service level"));
    child_type(world.worker, "y\r");
    struct behalf_message *bye = fake_broker_expect(world.broker, BEHALF_BYE);
    behalf_message_destroy(&bye);
    finish(&world, 0);
}

static bool asks_to_send(void *self)
{
    return strstr(child_output(self), "send it?") != NULL;
}

// Consents as a person does: again, where it was too soon to have read the question.
static struct behalf_message *consent(struct world *world)
{
    struct behalf_message *answer = NULL;
    for (int i = 0; i < 10 && answer == NULL; i++) {
        child_type(world->worker, "y\r");
        answer = fake_broker_next(world->broker, 500);
    }
    assert_non_null(answer);
    assert_int_equal(answer->type, BEHALF_ANSWER);
    return answer;
}

// A terminal that does not mark what is pasted gives it line by line, in one piece or in several.
static void paste_an_answer(const char *kind, bool late)
{
    struct world world;
    setenv("TERM", kind, 1);
    begin_with(&world, "--plain", NULL, true);
    take_held_item(&world);
    child_type(world.worker, late ? "answer Dear Eve,\r" : "answer Dear Eve,\ry\ryes, we found it.\ry\rBest, Ben\r");
    struct behalf_message *preview = fake_broker_expect(world.broker, BEHALF_PREVIEW);
    assert_string_equal(preview->preview.text, "Dear Eve,");
    send_preview(&world, preview->id, "Dear Eve, I'm Asha", "");
    behalf_message_destroy(&preview);
    fake_broker_work_until(world.broker, asks_to_send, world.worker);
    if (late) {
        child_type(world.worker, "y\ryes, we found it.\r");
        expect(&world, "typed before the question was shown");
    }
    assert_null(fake_broker_next(world.broker, PROMPT_READING_MS + 200));
    struct behalf_message *answer = consent(&world);
    assert_string_equal(answer->answer.text, "Dear Eve,");
    fake_broker_done(world.broker, answer->id, 1, 3, "sending");
    behalf_message_destroy(&answer);
    expect(&world, "the reply is on its way");
    child_type(world.worker, "quit\r");
    finish(&world, 0);
}

static void pasted_lines_do_not_consent(void **state)
{
    (void) state;
    paste_an_answer("xterm", false);
    paste_an_answer("dumb", false);
}

static void lines_pasted_late_do_not_consent(void **state)
{
    (void) state;
    paste_an_answer("xterm", true);
    paste_an_answer("dumb", true);
}

struct shown {
    struct child *worker;
    const char *part;
};

static bool is_shown(void *self)
{
    const struct shown *shown = self;
    return strstr(child_output(shown->worker), shown->part) != NULL;
}

// Waits for what no newline need follow.
static void wait_for(struct world *world, const char *part)
{
    struct shown shown = { world->worker, part };
    fake_broker_work_until(world->broker, is_shown, &shown);
}

// Types a line and the beginning of a second one.  Each waits for its prompt: before it, the terminal itself echoes
// what is typed, so that it is shown but not read, and forgets it when it is interrupted.
static void write_a_line_and_a_half(struct world *world)
{
    child_type(world->worker, "answer\r");
    expect(world, "Write.");
    wait_for(world, "write: ");
    child_type(world->worker, "Dear Jo,\r");
    expect(world, "Dear Jo,");
    wait_for(world, "write: ");
    child_type(world->worker, "it is");
    wait_for(world, "it is");
}

static void interrupted_answer_becomes_a_draft(void **state)
{
    (void) state;
    struct world world;
    setenv("TERM", "xterm", 1);
    begin_with(&world, "--plain", NULL, true);
    take_held_item(&world);
    write_a_line_and_a_half(&world);
    child_type(world.worker, "\x03");
    struct behalf_message *draft = fake_broker_expect(world.broker, BEHALF_DRAFT);
    assert_string_equal(draft->draft.text, "Dear Jo,\nit is");
    fake_broker_done(world.broker, draft->id, 1, 2, "held");
    behalf_message_destroy(&draft);
    expect(&world, "kept as a draft");
    child_type(world.worker, "\x03");
    fake_broker_work_until(world.broker, asks_to_leave, world.worker);
    child_type(world.worker, "\x03");
    struct behalf_message *bye = fake_broker_expect(world.broker, BEHALF_BYE);
    behalf_message_destroy(&bye);
    finish(&world, 0);
}

// Nothing comes before the end of the connection: no BYE.
static void expect_hung_up(struct world *world)
{
    assert_int_equal(child_wait(world->worker, world->broker), 5);
    struct behalf_message *said;
    while ((said = fake_broker_next(world->broker, 100)) != NULL) {
        assert_int_not_equal(said->type, BEHALF_BYE);
        behalf_message_destroy(&said);
    }
    child_destroy(&world->worker);
    fake_broker_destroy(&world->broker);
}

static void a_closed_window_is_a_lost_connection_and_loses_nothing(void **state)
{
    (void) state;
    struct world world;
    setenv("TERM", "xterm", 1);
    begin_with(&world, "--plain", NULL, true);
    take_held_item(&world);
    write_a_line_and_a_half(&world);
    child_signal(world.worker, SIGHUP);
    struct behalf_message *draft = fake_broker_expect(world.broker, BEHALF_DRAFT);
    assert_string_equal(draft->draft.text, "Dear Jo,\nit is");
    fake_broker_done(world.broker, draft->id, 1, 2, "held");
    behalf_message_destroy(&draft);
    expect_hung_up(&world);
}

// The request that saves what was half written; it is answered.
static void expect_kept(struct world *world, enum behalf_type type, const char *text)
{
    struct behalf_message *kept = fake_broker_expect(world->broker, type);
    assert_string_equal(type == BEHALF_NOTE ? kept->note.text : kept->draft.text, text);
    assert_int_equal(type == BEHALF_NOTE ? kept->note.lease : kept->draft.lease, 2);
    fake_broker_done(world->broker, kept->id, 1, 2, "held");
    behalf_message_destroy(&kept);
}

static void what_is_half_typed_is_kept_when_the_program_is_ended(void **state)
{
    (void) state;
    static const struct {
        const char *first, *typed; // a line, what stands behind the prompt
        enum behalf_type type;
        const char *kept;
    } cases[] = {
        { "", "answer Dear Jo, it", BEHALF_DRAFT, "Dear Jo, it" },
        { "", "a Dear Jo, we", BEHALF_DRAFT, "Dear Jo, we" },
        { "", "draft We are lo", BEHALF_DRAFT, "We are lo" },
        { "", "note she called tw", BEHALF_NOTE, "(unfinished) she called tw" },
        { "note\r", "he rang", BEHALF_NOTE, "(unfinished) he rang" },
        { "answer\r", "and the last li", BEHALF_DRAFT, "and the last li" },
    };
    static const int signals[] = { SIGHUP, SIGTERM, 0 }; // 0: the window is closed
    setenv("TERM", "xterm", 1);
    for (size_t i = 0; i < 3 * sizeof cases / sizeof *cases; i++) {
        struct world world;
        begin_with(&world, "--plain", NULL, true);
        take_held_item(&world);
        wait_for(&world, "1> ");
        child_type(world.worker, cases[i / 3].first);
        if (cases[i / 3].first[0] != '\0') {
            wait_for(&world, cases[i / 3].type == BEHALF_NOTE ? "note: " : "write: ");
        }
        child_type(world.worker, cases[i / 3].typed);
        wait_for(&world, cases[i / 3].typed);
        if (signals[i % 3] != 0) {
            child_signal(world.worker, signals[i % 3]);
        } else {
            child_hang_up(world.worker);
        }
        expect_kept(&world, cases[i / 3].type, cases[i / 3].kept);
        if (signals[i % 3] != SIGTERM) {
            expect_hung_up(&world);
            continue;
        }
        behalf_message_destroy(&(struct behalf_message *){ fake_broker_expect(world.broker, BEHALF_BYE) });
        finish(&world, 0);
    }
}

static void json_hung_up_says_no_goodbye_and_loses_no_line(void **state)
{
    (void) state;
    struct world world;
    begin_with(&world, "--json", NULL, false);
    expect(&world, "\"WELCOME\"");
    expect(&world, "\"ready\"");
    child_write(world.worker, "{\"type\":\"DRAFT\",\"item\":1,\"lease\":2,\"text\":\"We are\"}\n"
                              "{\"type\":\"NOTE\",\"item\":1,\"lease\":2,\"text\":\"she called\"}");
    child_signal(world.worker, SIGHUP);
    expect_kept(&world, BEHALF_DRAFT, "We are");
    expect_kept(&world, BEHALF_NOTE, "she called");
    expect_hung_up(&world);
}

// ---- offers ----

static void send_offer(struct world *world, int64_t number, int64_t left_ms)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct behalf_message item = { .type = BEHALF_ITEM };
    item.item = (struct behalf_item){ .item = number,
                                      .lease = 1,
                                      .state = "offered",
                                      .audience = "agent",
                                      .brand = "acme",
                                      .channel = "twitter",
                                      .author = "@jo",
                                      .language = "en",
                                      .answer_by_ms = (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000 + left_ms,
                                      .missed = 1,
                                      .missed_max = 3 };
    fake_broker_send(world->broker, &item);
}

// Waits until the prompt has counted down: seconds before `before`, of which this is the text before and behind.
static void wait_for_less(struct world *world, const char *lead, int before, const char *tail)
{
    char parts[8][48];
    for (int seconds = before, i = 0; seconds > before - 2; seconds--, i++) {
        snprintf(parts[i], sizeof parts[i], "%s%d s%s> ", lead, seconds, tail);
        wait_for(world, parts[i]);
    }
}

static void the_prompt_counts_an_offer_down_and_leaves_what_is_typed(void **state)
{
    (void) state;
    struct world world;
    setenv("TERM", "xterm", 1);
    begin_with(&world, "--plain", NULL, true);
    send_offer(&world, 1, 30500);
    expect(&world, "Offered to you: take it, ");
    expect(&world, "it is missed: 3 in a row set you away (1 so far)");
    wait_for_less(&world, "1 offered, ", 28, "");
    child_type(world.worker, "decl");
    wait_for_less(&world, "1 offered, ", 26, "");
    child_type(world.worker, "ine not mine\r");
    struct behalf_message *decline = fake_broker_expect(world.broker, BEHALF_DECLINE);
    assert_string_equal(decline->decline.reason, "not mine");
    fake_broker_done(world.broker, decline->id, 1, 1, "waiting");
    behalf_message_destroy(&decline);
    expect(&world, "Declined.");

    take_held_item(&world);
    send_offer(&world, 5, 12500); // beside what is held
    expect(&world, "Also for you: item 5");
    wait_for_less(&world, "1 (1 offered, ", 11, ")");
    expect(&world, "s left to take item 5.");
    send_gone(&world, 5, 1, "not taken in time");
    expect(&world, "Item 5 is no longer yours: not taken in time");
    struct behalf_message away = { .type = BEHALF_PRESENCE,
                                   .presence = { .state = "away", .reason = "offers were not taken in time" } };
    fake_broker_send(world.broker, &away);
    expect(&world, "You are now away: offers were not taken in time.");
    child_signal(world.worker, SIGTERM);
    finish(&world, 0);
}

static void where_lines_cannot_be_written_over_nothing_counts(void **state)
{
    (void) state;
    struct world world;
    begin_with(&world, "--plain", NULL, false);
    send_offer(&world, 1, 12500);
    expect(&world, "3 in a row set you away (1 so far)");
    expect(&world, "s left to take item 1."); // two seconds and more have gone by
    child_write(world.worker, "take");
    struct behalf_message *take = fake_broker_expect(world.broker, BEHALF_TAKE);
    fake_broker_done(world.broker, take->id, 1, 2, "held");
    behalf_message_destroy(&take);
    expect(&world, "1 offered> take");
    child_write(world.worker, "quit");
    finish(&world, 0);
}

// ---- of a supervisor ----

static void a_supervisor_recalls_an_item_and_an_agent_cannot(void **state)
{
    (void) state;
    struct world world;
    begin_with(&world, "--plain", "agent,supervisor", false);
    child_write(world.worker, "help");
    expect(&world, "recall ITEM REASON");
    child_write(world.worker, "recall asha has gone\nrecall 7");
    expect(&world, "Say which item, and why");
    expect(&world, "Say which item, and why");
    child_write(world.worker, "recall 4711 asha has gone home");
    struct behalf_message *recall = fake_broker_expect(world.broker, BEHALF_RECALL); // nothing was sent before
    assert_int_equal(recall->recall.item, 4711);
    assert_string_equal(recall->recall.reason, "asha has gone home");
    fake_broker_done(world.broker, recall->id, 4711, 3, "waiting");
    behalf_message_destroy(&recall);
    expect(&world, "It is back in its queue.");
    child_write(world.worker, "recall 4711 once more");
    recall = fake_broker_expect(world.broker, BEHALF_RECALL);
    refuse(&world, recall->id, "STATE", "item", "waiting");
    behalf_message_destroy(&recall);
    expect(&world, "Not done: so it is; the item is waiting (STATE item)");
    child_write(world.worker, "quit");
    finish(&world, 0);

    begin_with(&world, "--plain", "agent", false);
    child_write(world.worker, "help\nrecall 4711 asha has gone home");
    expect(&world, "`recall` is for supervisor; you are signed in as agent");
    child_write(world.worker, "quit");
    behalf_message_destroy(&(struct behalf_message *){ fake_broker_expect(world.broker, BEHALF_BYE) });
    finish(&world, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_half_typed_is_kept_when_the_program_is_ended),
        cmocka_unit_test(json_hung_up_says_no_goodbye_and_loses_no_line),
        cmocka_unit_test(the_prompt_counts_an_offer_down_and_leaves_what_is_typed),
        cmocka_unit_test(where_lines_cannot_be_written_over_nothing_counts),
        cmocka_unit_test(a_supervisor_recalls_an_item_and_an_agent_cannot),
        cmocka_unit_test(a_closed_window_is_a_lost_connection_and_loses_nothing),
        cmocka_unit_test(json_carries_messages_both_ways),
        cmocka_unit_test(json_sends_lists_of_texts),
        cmocka_unit_test(json_survives_bad_lines),
        cmocka_unit_test(pasted_lines_do_not_consent),
        cmocka_unit_test(lines_pasted_late_do_not_consent),
        cmocka_unit_test(json_end_waits_for_answers),
        cmocka_unit_test(json_request_outlives_a_lost_connection),
        cmocka_unit_test(json_tells_of_each_session_lost_at_once),
        cmocka_unit_test(prompt_tells_of_each_session_lost_at_once),
        cmocka_unit_test(ended_session_ends_the_program),
        cmocka_unit_test(refused_person_is_told_why),
        cmocka_unit_test(answer_is_previewed_then_sent),
        cmocka_unit_test(answer_of_a_frozen_brand_is_said_to_wait),
        cmocka_unit_test(refused_answer_is_kept),
        cmocka_unit_test(text_written_for_a_lost_item_is_shown_again),
        cmocka_unit_test(every_command_becomes_its_request),
        cmocka_unit_test(only_a_refusal_about_the_item_drops_it),
        cmocka_unit_test(commands_of_other_roles_are_refused_at_once),
        cmocka_unit_test(end_of_an_item_says_as_what_and_until_when),
        cmocka_unit_test(the_red_button_says_what_it_did),
        cmocka_unit_test(draft_is_not_replaced_unasked),
        cmocka_unit_test(refused_draft_is_not_shown_as_saved),
        cmocka_unit_test(nothing_from_outside_reaches_the_terminal_raw),
        cmocka_unit_test(lost_connection_is_told_and_mended),
        cmocka_unit_test(news_leave_what_is_typed),
        cmocka_unit_test(interrupted_answer_becomes_a_draft),
    };
    if (argc != 2) {
        fprintf(stderr, "usage: %s BEHALF-WORKER\n", argv[0]);
        return 64;
    }
    program = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
