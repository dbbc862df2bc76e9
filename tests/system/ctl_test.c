// ctl_test.c - behalf-ctl as a process, before a fake broker: what it sends, what it prints, how it ends.

#include "tests/system/child.h"
#include "tests/system/fake_broker.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *program;
static const char *sample_rules;

#define ARGUMENTS_MAX 24

// One test's broker, program and folder.
struct world {
    struct fake_broker *broker;
    struct child *ctl;
    char folder[64];
};

static void begin_with(struct world *world, int64_t window)
{
    const struct fake_broker_options options = { .window = window };
    *world = (struct world){ .folder = "/tmp/behalf-ctl-XXXXXX" };
    assert_non_null(mkdtemp(world->folder));
    assert_int_equal(chdir(world->folder), 0);
    world->broker = fake_broker_new(&options);
}

static void begin(struct world *world)
{
    begin_with(world, 0);
}

static void finish(struct world *world)
{
    child_destroy(&world->ctl);
    fake_broker_destroy(&world->broker);
    assert_int_equal(chdir("/"), 0);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", world->folder);
    assert_int_equal(system(command), 0);
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

// Runs behalf-ctl with arguments that end with NULL.
static void run(struct world *world, ...)
{
    const char *argv[ARGUMENTS_MAX] = { program, "--broker", fake_broker_endpoint(world->broker), "--as", "kim" };
    size_t count = 5;
    va_list arguments;
    va_start(arguments, world);
    while ((argv[count] = va_arg(arguments, const char *)) != NULL) {
        assert_true(++count < ARGUMENTS_MAX);
    }
    va_end(arguments);
    child_destroy(&world->ctl);
    world->ctl = child_new(argv);
}

#define FEED                                                                                                           \
    "feed", "posts.csv", "--channel", "twitter", "--map", "post=id", "--map", "author=name", "--map", "brand=airline", \
        "--value", "brand:Virgin America=virgin", "--value", "brand:*=other"

static void expect_exit(struct world *world, int status)
{
    assert_int_equal(child_wait(world->ctl, world->broker), status);
}

static void expect_output(struct world *world, const char *part)
{
    const char *output = child_output(world->ctl);
    if (strstr(output, part) == NULL) {
        fail_msg("%s is not in: %s", part, output);
    }
}

static void expect_error(struct world *world, const char *part)
{
    free(child_expect_error(world->ctl, world->broker, part));
}

// The next request, passing over the goodbye of a program that ran before.
static struct behalf_message *next_request(struct world *world, int timeout_ms)
{
    struct behalf_message *message;
    while ((message = fake_broker_next(world->broker, timeout_ms)) != NULL && message->type == BEHALF_BYE) {
        behalf_message_destroy(&message);
    }
    return message;
}

static struct behalf_message *expect_request(struct world *world, enum behalf_type type)
{
    struct behalf_message *message = next_request(world, FAKE_BROKER_WAIT_MS);
    if (message == NULL || message->type != type) {
        fail_msg("%s came, not %s", message != NULL ? behalf_type_name(message->type) : "nothing",
                 behalf_type_name(type));
    }
    return message;
}

static void expect_no_request(struct world *world)
{
    assert_null(next_request(world, 0));
}

// Waits for a POST with this id and returns its request's id.
static int64_t expect_post(struct world *world, const char *post)
{
    struct behalf_message *message = expect_request(world, BEHALF_POST);
    assert_string_equal(message->post.post, post);
    int64_t id = message->id;
    behalf_message_destroy(&message);
    return id;
}

static void take(struct world *world, const char *post)
{
    fake_broker_taken(world->broker, expect_post(world, post), 1);
}

static void expect_file(const char *name, const char *part)
{
    char text[4096] = "";
    FILE *file = fopen(name, "r");
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof text - 1, file) > 0);
    fclose(file);
    if (strstr(text, part) == NULL) {
        fail_msg("%s is not in: %s", part, text);
    }
}

// ---- feed ----

static void rows_become_posts_and_the_summary_counts_them(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    write_file("posts.csv", "id,name,text,airline\n"
                            "1,jo,\"hi,\nthere &amp; back\",Virgin America\n"
                            "2,b\xf6,no\xff,Delta\n"
                            "3,al,short\n"
                            "4,mo,four,Delta\n"
                            "5,mo,five,Delta\n");
    run(&world, FEED, NULL);
    struct behalf_message *hello = fake_broker_expect_hello(world.broker);
    assert_string_equal(hello->hello.role, "connector");
    assert_string_equal(hello->hello.name, "kim");
    assert_int_equal(hello->hello.channels_count, 0);
    behalf_message_destroy(&hello);
    struct behalf_message *post = expect_request(&world, BEHALF_POST);
    assert_string_equal(post->post.post, "1");
    assert_string_equal(post->post.text, "hi,\nthere &amp; back");
    assert_string_equal(post->post.brand, "virgin");
    assert_string_equal(post->post.channel, "twitter");
    assert_string_equal(post->post.thread, "");
    struct behalf_message repeated = { .type = BEHALF_TAKEN, .id = post->id, .taken = { .item = 1, .repeated = true } };
    fake_broker_send(world.broker, &repeated);
    behalf_message_destroy(&post);
    int64_t refused = expect_post(&world, "4");
    take(&world, "5");
    fake_broker_error(world.broker, refused, "NOT_FOUND", "no such brand", 0);
    expect_error(&world, "posts.csv:4: skipped: author: is not UTF-8, at byte 2 (0xf6)");
    expect_error(&world, "posts.csv:5: skipped: has 3 columns, the header has 4");
    expect_error(&world, "posts.csv:6: refused by the broker: NOT_FOUND: no such brand");
    expect_exit(&world, 0);
    expect_output(&world, "posts.csv: 5 rows: 1 taken, 1 repeated, 2 skipped, 1 refused in ");
    finish(&world);
}

static void mended_rows_are_told_and_counted(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    write_file("posts.csv",
               "sep=;\nID;Name;TEXT;Airline;reach;\n1;jo;my 5\" phone;Delta;N/A;\n;;;;;\n2;mo;two;Delta;1.2K;\n");
    run(&world, FEED, NULL);
    struct behalf_message *hello = fake_broker_expect_hello(world.broker);
    behalf_message_destroy(&hello);
    struct behalf_message *post = expect_request(&world, BEHALF_POST);
    assert_string_equal(post->post.text, "my 5\" phone");
    assert_int_equal(post->post.reach, 0);
    fake_broker_taken(world.broker, post->id, 1);
    behalf_message_destroy(&post);
    post = expect_request(&world, BEHALF_POST);
    assert_string_equal(post->post.post, "2");
    assert_int_equal(post->post.reach, 1200);
    fake_broker_taken(world.broker, post->id, 2);
    behalf_message_destroy(&post);
    expect_error(&world, "posts.csv:3: mended: reach left out");
    expect_exit(&world, 0);
    expect_output(&world, "posts.csv: 2 rows: 2 taken, 0 repeated, 0 skipped, 0 refused in ");
    expect_output(&world, "1 row mended: reach left out 1");
    finish(&world);
}

static void a_file_of_which_nothing_is_taken_is_no_success(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    write_file("posts.csv", "id,name,text,airline\n,jo,x,Delta\n1,jo,x\n");
    run(&world, FEED, NULL);
    struct behalf_message *hello = fake_broker_expect_hello(world.broker);
    behalf_message_destroy(&hello);
    expect_exit(&world, 4);
    finish(&world);
}

static void rows_that_differ_from_what_was_taken_are_told_and_counted(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    write_file("posts.csv", "id,name,text,airline\n1,jo,x,V\n2,jo,x,V\n3,jo,x,V\n4,jo,x,V\n5,jo,x,V\n6,jo,x,V\n"
                            "7,jo,x,V\n8,jo,x,V\n");
    run(&world, FEED, NULL);
    for (int i = 1; i <= 8; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i);
        struct behalf_message taken = { .type = BEHALF_TAKEN,
                                        .id = expect_post(&world, id),
                                        .taken = { .item = 40 + i, .repeated = i > 1, .differs = i > 2 } };
        fake_broker_send(world.broker, &taken);
    }
    expect_error(&world, "posts.csv:4: repeated, but under this id another author or another text was taken (item 43)");
    expect_error(&world, "posts.csv:8: repeated, but");
    expect_exit(&world, 0);
    assert_null(strstr(child_errors(world.ctl), "posts.csv:9:")); // the first few, then their count
    expect_output(&world, "1 taken, 7 repeated");
    expect_output(&world, "6 of those repeated differ from what was taken under their id");
    finish(&world);
}

static void ids_that_a_spreadsheet_has_rounded_stop_the_file_before_anything_is_sent(void **state)
{
    (void) state;
    static const char *const files[] = {
        "id,name,text,airline\n1.29403E+18,ann,My submission is lost,V\n1.29403E+18,bob,I was charged twice,V\n",
        "id,name,text,airline\n\"1,29403E+18\",ann,lost,V\n",
        "id,name,text,airline\n1862345678901230000,a,x,V\n1862345678901240000,b,y,V\n1862345678901250000,c,z,V\n",
        "id,name,text,airline\n1294030000000000000,a,x,V\n",
    };
    struct world world;
    begin(&world);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        write_file("posts.csv", files[i]);
        run(&world, FEED, NULL);
        expect_error(&world, "the ids are rounded");
        expect_exit(&world, 2);
    }
    struct behalf_message *message;
    while ((message = fake_broker_next(world.broker, 0)) != NULL) {
        assert_int_not_equal(message->type, BEHALF_POST);
        behalf_message_destroy(&message);
    }
    finish(&world);
}

static void a_file_of_edits_and_deletions_alone_is_fed(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    write_file("changes.ndjson", "{\"type\":\"delete\",\"post\":\"y1\"}\n"
                                 "{\"type\":\"edit\",\"post\":\"y2\",\"text\":\"now\",\"edited_ms\":1795680120000}\n");
    run(&world, "feed", "changes.ndjson", "--channel", "chirp", NULL);
    struct behalf_message *deletion = expect_request(&world, BEHALF_DELETE);
    assert_string_equal(deletion->delete_post.post, "y1");
    struct behalf_message *edit = expect_request(&world, BEHALF_EDIT);
    assert_string_equal(edit->edit.text, "now");
    fake_broker_taken(world.broker, deletion->id, 1);
    fake_broker_taken(world.broker, edit->id, 2);
    behalf_message_destroy(&deletion);
    behalf_message_destroy(&edit);
    expect_exit(&world, 0);
    expect_output(&world, "2 rows: 2 taken");
    finish(&world);
}

static void strict_stops_before_the_bad_row_and_says_how_to_go_on(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    write_file("posts.csv", "id,name,text,airline\n1,jo,x,V\n2,jo\n3,jo,x,V\n");
    run(&world, FEED, "--strict", "--cursor", "c", NULL);
    take(&world, "1");
    expect_error(&world, "posts.csv:3: skipped: has 2 columns, the header has 4");
    expect_error(&world, "stopped after row 1");
    expect_exit(&world, 1);
    expect_no_request(&world);
    expect_file("c", "\"rows\": 1");
    finish(&world);
}

static void a_refusal_stops_a_strict_feed(void **state)
{
    (void) state;
    struct world world;
    begin_with(&world, 1);
    write_file("posts.csv", "id,name,text,airline\n1,jo,x,V\n2,jo,x,V\n3,jo,x,V\n");
    run(&world, FEED, "--strict", NULL);
    take(&world, "1");
    fake_broker_error(world.broker, expect_post(&world, "2"), "NOT_FOUND", "no such brand", 0);
    expect_error(&world, "the same command with --from 2");
    expect_exit(&world, 1);
    finish(&world);
}

static void ctrl_c_stops_when_all_is_answered_and_the_cursor_goes_on_there(void **state)
{
    (void) state;
    struct world world;
    begin_with(&world, 2);
    write_file("posts.csv", "id,name,text,airline\n1,jo,x,V\n2,jo,x,V\n3,jo,x,V\n4,jo,x,V\n5,jo,x,V\n");
    run(&world, FEED, "--cursor", "c", NULL);
    take(&world, "1");
    int64_t second = expect_post(&world, "2");
    int64_t third = expect_post(&world, "3");
    fake_broker_taken(world.broker, third, 3); // out of order
    int64_t fourth = expect_post(&world, "4");
    child_signal(world.ctl, SIGINT);
    fake_broker_taken(world.broker, second, 2);
    fake_broker_taken(world.broker, fourth, 4);
    expect_error(&world, "stopped after row 4");
    expect_exit(&world, 130);
    expect_no_request(&world);
    expect_file("c", "\"rows\": 4");

    run(&world, FEED, "--cursor", "c", NULL);
    take(&world, "5");
    expect_exit(&world, 0);
    expect_file("c", "\"rows\": 5");
    expect_output(&world, ": 1 row: 1 taken");
    run(&world, FEED, "--cursor", "c", NULL);
    expect_exit(&world, 0);
    expect_output(&world, ": 0 rows:");
    finish(&world);
}

static void rows_in_flight_survive_a_broker_that_vanishes(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    write_file("posts.csv", "id,name,text,airline\n1,jo,x,V\n2,jo,x,V\n");
    run(&world, FEED, NULL);
    take(&world, "1");
    expect_post(&world, "2");
    fake_broker_go_away(world.broker);
    fake_broker_come_back(world.broker);
    struct behalf_message *again;
    while (strcmp((again = expect_request(&world, BEHALF_POST))->post.post, "2") != 0) {
        fake_broker_taken(world.broker, again->id, 1);
        behalf_message_destroy(&again);
    }
    fake_broker_taken(world.broker, again->id, 2);
    behalf_message_destroy(&again);
    expect_exit(&world, 0);
    expect_output(&world, "2 rows: 2 taken");
    finish(&world);
}

static void from_leaves_out_the_rows_before(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    write_file("posts.csv", "id,name,text,airline\n1,jo,x,V\n2,jo\n3,jo,x,V\n");
    run(&world, FEED, "--from", "3", "--json", NULL);
    take(&world, "3");
    expect_exit(&world, 0);
    expect_output(&world, "{\"rows\":1,\"taken\":1,\"repeated\":0,\"skipped\":0,\"refused\":0,\"settled_row\":3,");
    run(&world, FEED, "--from", "9", NULL);
    expect_error(&world, "has only 3 rows, but is to be fed from row 9");
    expect_exit(&world, 2);
    finish(&world);
}

static void an_unknown_column_is_told_before_anything_is_sent(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    write_file("posts.csv", "tweet,name,text,airline\n1,jo,x,V\n");
    run(&world, FEED, NULL);
    expect_error(&world, "--map post=id: there is no column id");
    expect_error(&world, "the columns are: tweet, name, text, airline");
    expect_exit(&world, 2);
    expect_no_request(&world);
    finish(&world);
}

static void a_dry_run_needs_no_broker(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    fake_broker_go_away(world.broker);
    write_file("posts.csv", "id,name,text,airline\n1,jo,x,V\n2,jo\n");
    run(&world, FEED, "--dry-run", NULL);
    expect_error(&world, "posts.csv:3: skipped");
    assert_int_equal(child_wait(world.ctl, NULL), 1);
    expect_output(&world, "2 rows: 1 good, 1 bad; nothing was sent");
    finish(&world);
}

static void rows_of_a_pipe_go_out_as_they_come(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    run(&world, "feed", "-", "--channel", "c", "--brand", "b", "--map", "author=user.name", NULL);
    child_write(world.ctl, "{\"post\":\"1\",\"text\":\"one\",\"user\":{\"name\":\"jo\"}}");
    take(&world, "1");
    child_write(world.ctl, "{\"post\":\"2\",\"text\":");
    child_write(world.ctl, "{\"type\":\"delete\",\"post\":\"1\"}");
    struct behalf_message *gone = expect_request(&world, BEHALF_DELETE);
    assert_string_equal(gone->delete_post.post, "1");
    assert_string_equal(gone->delete_post.channel, "c");
    fake_broker_taken(world.broker, gone->id, 1);
    behalf_message_destroy(&gone);
    child_close_input(world.ctl);
    expect_error(&world, "standard input:2: skipped: is no JSON");
    expect_exit(&world, 0);
    expect_output(&world, "standard input: 3 rows: 2 taken, 0 repeated, 1 skipped");
    finish(&world);
}

static void a_refusal_that_holds_for_every_row_stops_at_once(void **state)
{
    (void) state;
    struct world world;
    begin_with(&world, 1);
    write_file("posts.csv", "id,name,text,airline\n1,jo,x,V\n2,jo,x,V\n");
    run(&world, FEED, NULL);
    fake_broker_error(world.broker, expect_post(&world, "1"), "FORBIDDEN", "not this connector", 0);
    expect_exit(&world, 1);
    expect_output(&world, "1 row: 0 taken, 0 repeated, 0 skipped, 1 refused");
    finish(&world);
}

static void no_broker_is_said_in_time(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    fake_broker_go_away(world.broker);
    write_file("posts.csv", "id,name,text,airline\n1,jo,x,V\n");
    run(&world, "--wait", "1", FEED, NULL);
    assert_int_equal(child_wait(world.ctl, NULL), 3);
    run(&world, "--wait", "1", "status", NULL);
    assert_int_equal(child_wait(world.ctl, NULL), 3);
    finish(&world);
}

// ---- questions ----

static void answer_status(struct world *world)
{
    struct behalf_message *question = expect_request(world, BEHALF_STATUS);
    struct behalf_queue_count queue = { .audience = "pr", .brand = "acme", .language = "en", .waiting = 3, .late = 1 };
    struct behalf_person_count person = { .name = "asha", .presence = "away", .reason = "tea\x1b[2J", .capacity = 4 };
    struct behalf_message answer = { .type = BEHALF_COUNTS,
                                     .id = question->id,
                                     .counts = { .desk = "demo",
                                                 .frozen = "acme",
                                                 .now_ms = 2000,
                                                 .started_ms = 1000,
                                                 .rules_version = 7,
                                                 .queues = &queue,
                                                 .queues_count = 1,
                                                 .people = &person,
                                                 .people_count = 1 } };
    fake_broker_send(world->broker, &answer);
    behalf_message_destroy(&question);
}

static void status_shows_queues_and_people_and_no_escape_sequence(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    run(&world, "status", NULL);
    struct behalf_message *hello = fake_broker_expect_hello(world.broker);
    assert_string_equal(hello->hello.role, "control");
    behalf_message_destroy(&hello);
    answer_status(&world);
    expect_exit(&world, 0);
    expect_output(&world, "desk demo, rules version 7");
    expect_output(&world, "FROZEN, no replies go out: acme");
    expect_output(&world, "AUDIENCE");
    expect_output(&world, "asha");
    assert_null(strchr(child_output(world.ctl), '\x1b'));
    run(&world, "status", "--json", NULL);
    answer_status(&world);
    expect_exit(&world, 0);
    expect_output(&world, "\"queues\":[{\"audience\":\"pr\",\"brand\":\"acme\",\"language\":\"en\",\"waiting\":3,");
    expect_output(&world, "tea\\u001B[2J");
    finish(&world);
}

static void why_reads_every_page(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    run(&world, "why", "--channel", "twitter", "--post", "17", NULL);
    for (int64_t page = 1; page <= 2; page++) {
        struct behalf_message *question = expect_request(&world, BEHALF_WHY);
        assert_string_equal(question->why.channel, "twitter");
        assert_string_equal(question->why.post, "17");
        assert_int_equal(question->why.after, page == 1 ? 0 : 10);
        struct behalf_event event = { .sequence = 10 * page,
                                      .at_ms = 1000,
                                      .kind = page == 1 ? "taken" : "held",
                                      .person = "asha",
                                      .rule = "legal",
                                      .rules_version = 2,
                                      .detail = "2 were eligible: asha, bo" };
        struct behalf_message answer = {
            .type = BEHALF_HISTORY,
            .id = question->id,
            .history = { .item = 4, .state = "held", .events = &event, .events_count = 1, .more = page == 1 }
        };
        fake_broker_send(world.broker, &answer);
        behalf_message_destroy(&question);
    }
    expect_exit(&world, 0);
    expect_output(&world, "item 4: held\n");
    expect_output(&world, "taken asha  by rule legal (version 2)\n");
    expect_output(&world, "held asha");
    expect_output(&world, "2 were eligible: asha, bo\n");
    finish(&world);
}

static void look_goes_on_past_empty_pages(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    run(&world, "look", "--brand", "acme", NULL);
    for (int64_t page = 0; page < 3; page++) {
        struct behalf_message *question = expect_request(&world, BEHALF_LOOK);
        assert_int_equal(question->look.after, page * 1000);
        struct behalf_listed row = { .item = 2500, .audience = "pr", .brand = "acme", .state = "waiting" };
        struct behalf_message answer = { .type = BEHALF_LISTING,
                                         .id = question->id,
                                         .listing = { .items = &row,
                                                      .items_count = page == 2,
                                                      .more = page < 2,
                                                      .next = page < 2 ? 1000 * (page + 1) : 0 } };
        fake_broker_send(world.broker, &answer);
        behalf_message_destroy(&question);
    }
    expect_exit(&world, 0);
    expect_output(&world, "2500");
    expect_output(&world, "1 open item\n");
    finish(&world);
}

static void answer_outcomes(struct world *world)
{
    for (int64_t page = 1; page <= 2; page++) {
        struct behalf_message *question = expect_request(world, BEHALF_OUTCOMES);
        assert_int_equal(question->outcomes.after, page == 1 ? 0 : 77);
        struct behalf_outcome row = { .item = page,
                                      .outcome = "answered",
                                      .brand = "acme",
                                      .reply = "Sorry, \"Jo\"\nbye",
                                      .created_ms = 1,
                                      .closed_ms = 1000 };
        struct behalf_message answer = { .type = BEHALF_ENDED,
                                         .id = question->id,
                                         .ended = {
                                             .rows = &row, .rows_count = 1, .next = 76 + page, .more = page == 1 } };
        fake_broker_send(world->broker, &answer);
        behalf_message_destroy(&question);
    }
}

static void outcomes_come_whole_as_csv_and_json_and_as_a_table(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    run(&world, "outcomes", "--csv", NULL);
    answer_outcomes(&world);
    expect_exit(&world, 0);
    expect_output(&world, "item,outcome,brand,");
    expect_output(&world, "\r\n2,answered,acme,");
    expect_output(&world, ",\"Sorry, \"\"Jo\"\"\nbye\",1970-01-01T00:00:00.001Z,1970-01-01T00:00:01.000Z,");
    run(&world, "outcomes", "--json", NULL);
    answer_outcomes(&world);
    expect_exit(&world, 0);
    expect_output(&world, "{\"item\":1,\"outcome\":\"answered\",");
    expect_output(&world, "\n{\"item\":2,\"outcome\":\"answered\",");
    run(&world, "outcomes", NULL);
    answer_outcomes(&world);
    expect_exit(&world, 0);
    expect_output(&world, "\n2 outcomes\n");
    const char *argv[] = { program, "outcomes", "--broker", fake_broker_endpoint(world.broker), NULL };
    child_destroy(&world.ctl);
    setenv("TERM", "xterm", 1);
    world.ctl = child_new_in_terminal(argv);
    answer_outcomes(&world);
    char *line = child_expect(world.ctl, world.broker, "OUTCOME");
    assert_true(strlen(line) <= 80 + 4); // the mark of the cut has three bytes, and a terminal ends lines by two
    free(line);
    assert_int_equal(child_wait(world.ctl, world.broker), 0);
    finish(&world);
}

static void freeze_wants_a_reason(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    run(&world, "freeze", "acme", NULL);
    expect_error(&world, "say why");
    expect_exit(&world, 2);
    run(&world, "unfreeze", "acme", "--reason", "over", NULL);
    struct behalf_message *question = expect_request(&world, BEHALF_FREEZE);
    assert_false(question->freeze.frozen);
    assert_string_equal(question->freeze.reason, "over");
    fake_broker_error(world.broker, question->id, "NOT_FOUND", "no such brand", 0);
    behalf_message_destroy(&question);
    expect_error(&world, "NOT_FOUND: no such brand");
    expect_exit(&world, 1);
    finish(&world);
}

static void an_item_is_put_back_into_its_queue(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    run(&world, "return", "4711", "--reason", "asha has gone home", NULL);
    struct behalf_message *question = expect_request(&world, BEHALF_RECALL);
    assert_int_equal(question->recall.item, 4711);
    assert_string_equal(question->recall.reason, "asha has gone home");
    fake_broker_done(world.broker, question->id, 4711, 3, "waiting");
    behalf_message_destroy(&question);
    expect_exit(&world, 0);
    expect_output(&world, "item 4711 is back in its queue\n");
    run(&world, "return", "4711", NULL);
    question = expect_request(&world, BEHALF_RECALL);
    assert_string_equal(question->recall.reason, "asked for by an operator");
    fake_broker_error(world.broker, question->id, "STATE", "nobody has it", 0);
    behalf_message_destroy(&question);
    expect_error(&world, "STATE: nobody has it");
    expect_exit(&world, 1);
    run(&world, "return", NULL);
    expect_error(&world, "which item?");
    expect_exit(&world, 2);
    run(&world, "return", "0", NULL);
    expect_exit(&world, 2);
    run(&world, "return", "1", "2", NULL);
    expect_error(&world, "one item at a time");
    expect_exit(&world, 2);
    expect_no_request(&world);
    finish(&world);
}

// ---- rules ----

static void check_tells_every_problem_with_its_place(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    write_file("bad.yaml", "desk: demo\ntimes:\n  offer: soon\n  nonsense: 1\n");
    run(&world, "check", "bad.yaml", sample_rules, NULL);
    expect_exit(&world, 1);
    expect_output(&world, "bad.yaml:3:10: times.offer: ");
    expect_output(&world, "bad.yaml:4:3: times.nonsense");
    expect_output(&world, ": good: desk demo, ");
    run(&world, "check", "nowhere.yaml", NULL);
    expect_exit(&world, 2);
    run(&world, "check", "--manual", NULL);
    expect_exit(&world, 0);
    expect_output(&world, "disclosure");
    finish(&world);
}

static void apply_sends_what_is_good_and_prints_the_brokers_problems(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    write_file("bad.yaml", "desk: demo\ntimes:\n  offer: soon\n");
    run(&world, "apply", "bad.yaml", NULL);
    expect_exit(&world, 1);
    expect_no_request(&world);
    run(&world, "apply", sample_rules, NULL);
    struct behalf_message *question = expect_request(&world, BEHALF_APPLY);
    assert_string_equal(question->apply.name, "rules.yaml");
    assert_non_null(strstr(question->apply.rules, "desk: "));
    struct behalf_problem problem = { .line = 3, .column = 7, .key = "brands.acme", .message = "has open items" };
    struct behalf_message refusal = { .type = BEHALF_ERROR,
                                      .id = question->id,
                                      .error = { .code = "RULES", .problems = &problem, .problems_count = 1 } };
    fake_broker_send(world.broker, &refusal);
    behalf_message_destroy(&question);
    expect_exit(&world, 1);
    expect_output(&world, "rules.yaml:3:7: brands.acme: has open items\n");
    run(&world, "apply", sample_rules, NULL);
    question = expect_request(&world, BEHALF_APPLY);
    struct behalf_message applied = { .type = BEHALF_APPLIED, .id = question->id, .applied = { .rules_version = 8 } };
    fake_broker_send(world.broker, &applied);
    behalf_message_destroy(&question);
    expect_exit(&world, 0);
    expect_output(&world, "rules.yaml: in force as version 8\n");
    finish(&world);
}

static void wrong_usage_is_told_apart(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    run(&world, NULL);
    expect_exit(&world, 2);
    run(&world, "dance", NULL);
    expect_error(&world, "dance: no such command");
    expect_exit(&world, 2);
    run(&world, "why", NULL);
    expect_exit(&world, 2);
    run(&world, "feed", "--help", NULL);
    expect_exit(&world, 0);
    finish(&world);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        return 2;
    }
    program = argv[1];
    sample_rules = argv[2];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_become_posts_and_the_summary_counts_them),
        cmocka_unit_test(strict_stops_before_the_bad_row_and_says_how_to_go_on),
        cmocka_unit_test(mended_rows_are_told_and_counted),
        cmocka_unit_test(a_file_of_which_nothing_is_taken_is_no_success),
        cmocka_unit_test(rows_that_differ_from_what_was_taken_are_told_and_counted),
        cmocka_unit_test(ids_that_a_spreadsheet_has_rounded_stop_the_file_before_anything_is_sent),
        cmocka_unit_test(a_file_of_edits_and_deletions_alone_is_fed),
        cmocka_unit_test(a_refusal_stops_a_strict_feed),
        cmocka_unit_test(ctrl_c_stops_when_all_is_answered_and_the_cursor_goes_on_there),
        cmocka_unit_test(rows_in_flight_survive_a_broker_that_vanishes),
        cmocka_unit_test(from_leaves_out_the_rows_before),
        cmocka_unit_test(an_unknown_column_is_told_before_anything_is_sent),
        cmocka_unit_test(a_dry_run_needs_no_broker),
        cmocka_unit_test(rows_of_a_pipe_go_out_as_they_come),
        cmocka_unit_test(a_refusal_that_holds_for_every_row_stops_at_once),
        cmocka_unit_test(no_broker_is_said_in_time),
        cmocka_unit_test(status_shows_queues_and_people_and_no_escape_sequence),
        cmocka_unit_test(why_reads_every_page),
        cmocka_unit_test(look_goes_on_past_empty_pages),
        cmocka_unit_test(outcomes_come_whole_as_csv_and_json_and_as_a_table),
        cmocka_unit_test(freeze_wants_a_reason),
        cmocka_unit_test(an_item_is_put_back_into_its_queue),
        cmocka_unit_test(check_tells_every_problem_with_its_place),
        cmocka_unit_test(apply_sends_what_is_good_and_prints_the_brokers_problems),
        cmocka_unit_test(wrong_usage_is_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
