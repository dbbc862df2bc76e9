// worker_test.c - behalf-worker as a process, before a fake broker: lines of JSON, and the prompt, both
// through pipes and in a terminal.

#include "tests/system/child.h"
#include "tests/system/fake_broker.h"

#include <jansson.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void send_item(struct world *world, int64_t number, int64_t lease, const char *state, const char *text)
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
                                      .audience = "agent",
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
    send_item(&world, 1, 2, "held", "Where is my parcel? \xf0\x9f\x93\xa6");
    json_t *item = expect_json(&world, "\"ITEM\"");
    assert_int_equal(json_integer_value(json_object_get(item, "lease")), 2);
    json_t *entry = json_array_get(json_object_get(item, "story"), 0);
    assert_string_equal(text_of(entry, "text"), "Where is my parcel? \xf0\x9f\x93\xa6");
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
    expect(&world, "\"state\":\"lost\"");
    fake_broker_come_back(world.broker);
    take = fake_broker_expect(world.broker, BEHALF_TAKE);
    assert_int_equal(take->id, id);
    fake_broker_done(world.broker, take->id, 1, 1, "held");
    behalf_message_destroy(&take);
    expect(&world, "\"DONE\"");
    child_close_input(world.worker);
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
    send_item(&world, 1, 2, "offered", "Where is my parcel?");
    expect(&world, "=== item 1 | acme | twitter | en | offered");
    expect(&world, "| Where is my parcel?");
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
    send_item(world, 1, 2, "held", "Where is my parcel?");
    expect(world, "=== item 1");
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
    } cases[] = {
        { "note she called twice", BEHALF_NOTE },
        { "draft so far", BEHALF_DRAFT },
        { "look pr", BEHALF_LOOK },
        { "away lunch", BEHALF_PRESENCE },
        { "back", BEHALF_PRESENCE },
        { "freeze acme press is calling", BEHALF_FREEZE },
        { "unfreeze acme over", BEHALF_FREEZE },
        { "status", BEHALF_STATUS },
        { "close none thanks only", BEHALF_CLOSE },
        { "escalate\nshe threatens to sue", BEHALF_ESCALATE },
        { "return say sorry", BEHALF_RETURN },
        { "reject too long", BEHALF_REJECT },
        { "transfer to ben he knows her", BEHALF_TRANSFER },
        { "transfer skills a,b it needs both", BEHALF_TRANSFER },
        { "park 2h waits for the depot", BEHALF_PARK },
    };
    struct world world;
    begin_with(&world, "--plain", "agent,pr,approver,supervisor", false);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        send_item(&world, 1, 2, "held", "Where is my parcel?");
        if (i == 0)
            expect(&world, "=== item 1");
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
    expect(&world, "stays yours for at least 30 s");
    fake_broker_come_back(world.broker);
    expect(&world, "Connected again");
    expect(&world, "Item 1 is no longer yours"); // the broker names no items in this WELCOME
    child_write(world.worker, "quit");
    finish(&world, 0);
}

// ---- the prompt, in a terminal ----

static void news_leave_what_is_typed(void **state)
{
    (void) state;
    struct world world;
    setenv("TERM", "xterm", 1);
    begin_with(&world, "--plain", NULL, true);
    take_held_item(&world);
    child_type(world.worker, "note she called");
    send_item(&world, 5, 1, "offered", "Another one");
    expect(&world, "Also for you: item 5");
    child_type(world.worker, " twice\r");
    struct behalf_message *note = fake_broker_expect(world.broker, BEHALF_NOTE);
    assert_string_equal(note->note.text, "she called twice");
    fake_broker_done(world.broker, note->id, 1, 2, "held");
    behalf_message_destroy(&note);
    expect(&world, "Done.");
    child_type(world.worker, "quit\r");
    child_type(world.worker, "y\r");
    struct behalf_message *bye = fake_broker_expect(world.broker, BEHALF_BYE);
    behalf_message_destroy(&bye);
    finish(&world, 0);
}

static bool asks_to_leave(void *self)
{
    return strstr(child_output(self), "sign out?") != NULL;
}

static void interrupted_answer_becomes_a_draft(void **state)
{
    (void) state;
    struct world world;
    setenv("TERM", "xterm", 1);
    begin_with(&world, "--plain", NULL, true);
    take_held_item(&world);
    child_type(world.worker, "answer\r");
    expect(&world, "Write.");
    child_type(world.worker, "Dear Jo,\rit is");
    expect(&world, "Dear Jo,");
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

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_carries_messages_both_ways),
        cmocka_unit_test(json_sends_lists_of_texts),
        cmocka_unit_test(json_survives_bad_lines),
        cmocka_unit_test(json_end_waits_for_answers),
        cmocka_unit_test(json_request_outlives_a_lost_connection),
        cmocka_unit_test(ended_session_ends_the_program),
        cmocka_unit_test(refused_person_is_told_why),
        cmocka_unit_test(answer_is_previewed_then_sent),
        cmocka_unit_test(refused_answer_is_kept),
        cmocka_unit_test(text_written_for_a_lost_item_is_shown_again),
        cmocka_unit_test(every_command_becomes_its_request),
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
