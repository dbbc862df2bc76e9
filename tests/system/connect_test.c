// connect_test.c - behalf-connect as a process, between a fake broker and adapters made of a line of shell.
//
// What an adapter reads it repeats on its standard error, which the connector logs: so a test sees it.

#include "tests/system/child.h"
#include "tests/system/fake_broker.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char *program;
static const char *sample_adapter;

// One test's broker, connector and folder.
struct world {
    struct fake_broker *broker;
    struct child *connector;
    char folder[64];
};

static void begin_with(struct world *world, const struct fake_broker_options *options)
{
    *world = (struct world){ .folder = "/tmp/behalf-connect-XXXXXX" };
    assert_non_null(mkdtemp(world->folder));
    assert_int_equal(chdir(world->folder), 0);
    world->broker = fake_broker_new(options);
}

static void begin(struct world *world)
{
    begin_with(world, NULL);
}

static void start(struct world *world, const char *option, const char *script)
{
    const char *argv[] = {
        program, "--channel", "twitter", "--brand", "acme", "--broker", fake_broker_endpoint(world->broker),
        option,  "--",        "/bin/sh", "-c",      script, NULL
    };
    world->connector = child_new(argv);
}

static void finish(struct world *world)
{
    child_destroy(&world->connector);
    fake_broker_destroy(&world->broker);
    assert_int_equal(chdir("/"), 0);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", world->folder);
    assert_int_equal(system(command), 0);
}

static void stop_well(struct world *world)
{
    child_signal(world->connector, SIGTERM);
    assert_int_equal(child_wait(world->connector, world->broker), 0);
}

static void send_reply(struct world *world, int64_t number)
{
    struct behalf_message reply = { .type = BEHALF_REPLY };
    reply.reply = (struct behalf_reply){ .reply = number,
                                         .key = "key-of-17",
                                         .item = 42,
                                         .brand = "acme",
                                         .channel = "twitter",
                                         .post = "1001",
                                         .author = "@jo",
                                         .text = "Hello Jo \xf0\x9f\x91\x8b",
                                         .attempt = 1 };
    fake_broker_send(world->broker, &reply);
}

// Waits for the settlement of a reply, checks it, and confirms it.
static void expect_settle(struct world *world, int64_t number, const char *fate)
{
    struct behalf_message *settle = fake_broker_expect(world->broker, BEHALF_SETTLE);
    assert_int_equal(settle->settle.reply, number);
    assert_string_equal(settle->settle.fate, fate);
    fake_broker_done(world->broker, settle->id, 42, 0, "closed");
    behalf_message_destroy(&settle);
}

static void expect_log(struct world *world, const char *part)
{
    free(child_expect_error(world->connector, world->broker, part));
}

static void expect_hello(struct world *world)
{
    struct behalf_message *hello = fake_broker_expect_hello(world->broker);
    behalf_message_destroy(&hello);
}

#define POST "{\"type\":\"post\",\"post\":\"1001\",\"author\":\"@jo\",\"text\":\"Hi\"}"
#define ECHO_INPUT "while read -r line; do echo \"got $line\" >&2; done"

static void connector_says_who_it_is(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    start(&world, "--idempotent", ECHO_INPUT);
    struct behalf_message *hello = fake_broker_expect_hello(world.broker);
    assert_string_equal(hello->hello.role, "connector");
    assert_string_equal(hello->hello.name, "twitter");
    assert_int_equal(hello->hello.channels_count, 1);
    assert_string_equal(hello->hello.channels[0], "twitter");
    assert_true(hello->hello.idempotent);
    assert_int_equal(strlen(hello->hello.instance), 32);
    behalf_message_destroy(&hello);
    stop_well(&world);
    finish(&world);
}

static void post_is_acknowledged_once_taken(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    start(&world, "--idempotent", "echo '" POST "'; " ECHO_INPUT);
    struct behalf_message *post = fake_broker_expect(world.broker, BEHALF_POST);
    assert_string_equal(post->post.post, "1001");
    assert_string_equal(post->post.channel, "twitter");
    assert_string_equal(post->post.brand, "acme");
    assert_null(strstr(child_output(world.connector), "taken"));
    fake_broker_taken(world.broker, post->id, 42);
    behalf_message_destroy(&post);
    char *line = child_expect_error(world.connector, world.broker, "\"taken\"");
    assert_non_null(strstr(line, "\"of\":\"post\""));
    assert_non_null(strstr(line, "\"post\":\"1001\""));
    assert_non_null(strstr(line, "\"item\":42"));
    assert_non_null(strstr(line, "\"repeated\":false"));
    free(line);
    stop_well(&world);
    finish(&world);
}

static void edits_and_deletions_travel(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    start(&world, "--idempotent",
          "echo '{\"type\":\"edit\",\"post\":\"1\",\"text\":\"new\"}';"
          "echo '{\"type\":\"delete\",\"post\":\"2\",\"deleted_ms\":5}';" ECHO_INPUT);
    struct behalf_message *edit = fake_broker_expect(world.broker, BEHALF_EDIT);
    assert_string_equal(edit->edit.text, "new");
    struct behalf_message *deletion = fake_broker_expect(world.broker, BEHALF_DELETE);
    assert_int_equal(deletion->delete_post.deleted_ms, 5);
    fake_broker_error(world.broker, edit->id, "NOT_FOUND", "no such post", 0);
    fake_broker_taken(world.broker, deletion->id, 42);
    behalf_message_destroy(&edit);
    behalf_message_destroy(&deletion);
    expect_log(&world, "got {\"type\":\"refused\",\"of\":\"edit\"");
    expect_log(&world, "got {\"type\":\"taken\",\"of\":\"delete\"");
    stop_well(&world);
    finish(&world);
}

static void bad_lines_are_told_by_number_and_skipped(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    start(&world, "--idempotent",
          "echo 'no json, says \"Bob\"'; echo '[1]'; echo '{\"type\":\"host\"}';"
          "echo '{\"type\":\"post\",\"author\":\"@jo\"}'; echo '{\"type\":\"post\",\"post\":[8],\"author\":\"@jo\"}';"
          "head -c 1100000 /dev/zero | tr '\\0' 'x'; echo;"
          "echo '{\"type\":\"confirmed\",\"reply\":99}'; echo '" POST "';" ECHO_INPUT);
    struct behalf_message *post = fake_broker_expect(world.broker, BEHALF_POST);
    assert_string_equal(post->post.post, "1001");
    fake_broker_taken(world.broker, post->id, 42);
    behalf_message_destroy(&post);
    expect_log(&world, "got {\"type\":\"refused\",\"line\":1,\"code\":\"MALFORMED\"");
    expect_log(&world, "\"line\":2,\"code\":\"MALFORMED\"");
    expect_log(&world, "\"line\":3,\"code\":\"UNKNOWN_TYPE\"");
    expect_log(&world, "\"line\":4,\"code\":\"MISSING\",\"reason\":\"`post` is missing\"");
    expect_log(&world, "\"line\":5,\"code\":\"INVALID\"");
    expect_log(&world, "\"line\":6,\"code\":\"MALFORMED\",\"reason\":\"the line is longer");
    expect_log(&world, "\"line\":7,\"code\":\"NOT_FOUND\"");
    expect_log(&world, "got {\"type\":\"taken\"");
    stop_well(&world);
    finish(&world);
}

static void details_of_posts_are_mended_and_told(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    start(&world, "--idempotent",
          "printf '%s\\n' '{\"type\":\"post\",\"post\":10014255632117358197,\"author\":7,\"text\":\"late \\ud83d\"}';"
          "printf "
          "'{\"type\":\"post\",\"post\":\"2\",\"reach\":\"N/A\",\"language\":\"%040d\",\"link\":\"%01025d\"}\\n' 1 1;"
          "printf '%s\\n' '{\"type\":\"post\",\"post\":3,\"text\":\"l\\u0027h\\u00c3\\u00b4pital\"}';" ECHO_INPUT);
    struct behalf_message *first = fake_broker_expect(world.broker, BEHALF_POST);
    assert_string_equal(first->post.post, "10014255632117358197");
    assert_string_equal(first->post.author, "7");
    assert_string_equal(first->post.text, "late \xef\xbf\xbd");
    struct behalf_message *second = fake_broker_expect(world.broker, BEHALF_POST);
    assert_string_equal(second->post.post, "2");
    assert_string_equal(second->post.link, "");
    assert_string_equal(second->post.language, "");
    assert_int_equal(second->post.reach, 0);
    struct behalf_message *third = fake_broker_expect(world.broker, BEHALF_POST);
    assert_string_equal(third->post.text, "l'h\xc3\xb4pital");
    fake_broker_taken(world.broker, first->id, 41);
    fake_broker_taken(world.broker, second->id, 42);
    fake_broker_taken(world.broker, third->id, 43);
    behalf_message_destroy(&first);
    behalf_message_destroy(&second);
    behalf_message_destroy(&third);
    expect_log(&world, "\"mended\":\"line with broken characters\"");
    expect_log(&world, "\"mended\":\"reach left out, language left out, link left out\"");
    expect_log(&world, "\"mended\":\"text misread as Latin-1\"");
    stop_well(&world);
    finish(&world);
}

// BUSY is repeated by libbehalf; what matters here is that no more is read than the window holds, and
// that every post arrives in the end.
static void adapter_is_held_back_while_the_broker_is_busy(void **state)
{
    (void) state;
    struct world world;
    begin_with(&world, &(struct fake_broker_options){ .window = 4 });
    start(
        &world, "--idempotent",
        "text=$(head -c 10000 /dev/zero | tr '\\0' 'x'); i=0; while [ $i -lt 60 ]; do i=$((i+1));"
        "echo "
        "\"{\\\"type\\\":\\\"post\\\",\\\"post\\\":\\\"$i\\\",\\\"author\\\":\\\"@jo\\\",\\\"text\\\":\\\"$text\\\"}\";"
        "done; echo all written >&2; " ECHO_INPUT);
    struct behalf_message *waiting[4];
    for (int i = 0; i < 4; i++) {
        waiting[i] = fake_broker_expect(world.broker, BEHALF_POST);
    }
    assert_null(fake_broker_next(world.broker, 200));
    for (int i = 0; i < 4; i++) {
        fake_broker_error(world.broker, waiting[i]->id, "BUSY", "the store is away", 20);
        behalf_message_destroy(&waiting[i]);
    }
    bool taken[61] = { false };
    for (int count = 0; count < 60; count++) {
        struct behalf_message *post = fake_broker_expect(world.broker, BEHALF_POST);
        int number = atoi(post->post.post);
        assert_true(number >= 1 && number <= 60);
        assert_false(taken[number]);
        taken[number] = true;
        fake_broker_taken(world.broker, post->id, 42);
        behalf_message_destroy(&post);
    }
    expect_log(&world, "all written");
    stop_well(&world);
    finish(&world);
}

static void reply_is_handed_over_and_settled(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    start(&world, "--idempotent",
          "read -r line; echo \"got $line\" >&2;"
          "echo '{\"type\":\"confirmed\",\"reply\":17,\"reference\":\"2002\"}'; " ECHO_INPUT);
    expect_hello(&world);
    send_reply(&world, 17);
    char *line = child_expect_error(world.connector, world.broker, "got ");
    assert_non_null(strstr(line, "\"type\":\"reply\""));
    assert_non_null(strstr(line, "\"key\":\"key-of-17\""));
    free(line);
    struct behalf_message *settle = fake_broker_expect(world.broker, BEHALF_SETTLE);
    assert_string_equal(settle->settle.fate, "confirmed");
    assert_string_equal(settle->settle.reference, "2002");
    fake_broker_done(world.broker, settle->id, 42, 0, "closed");
    behalf_message_destroy(&settle);
    stop_well(&world);
    finish(&world);
}

static void dead_adapter_leaves_a_reply_of_unknown_fate(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    start(&world, "--name=twitter", "read -r line; echo \"got $line\" >&2; kill -9 $$");
    expect_hello(&world);
    send_reply(&world, 17);
    expect_log(&world, "\"reply\":17");
    expect_settle(&world, 17, "unknown");
    // The next adapter gets the next reply, and not this one again.
    send_reply(&world, 18);
    char *line = child_expect_error(world.connector, world.broker, "got ");
    assert_non_null(strstr(line, "\"reply\":18"));
    free(line);
    expect_settle(&world, 18, "unknown");
    stop_well(&world);
    finish(&world);
}

static void idempotent_adapter_gets_the_reply_again(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    start(&world, "--idempotent",
          "read -r line; echo \"run $(ls | wc -l) got $line\" >&2;"
          "if [ -e died ]; then echo '{\"type\":\"confirmed\",\"reply\":17}'; " ECHO_INPUT ";"
          "else touch died; kill -9 $$; fi");
    expect_hello(&world);
    send_reply(&world, 17);
    expect_log(&world, "run 0 got {\"type\":\"reply\",\"reply\":17,\"key\":\"key-of-17\"");
    expect_log(&world, "run 1 got {\"type\":\"reply\",\"reply\":17,\"key\":\"key-of-17\"");
    expect_settle(&world, 17, "confirmed");
    stop_well(&world);
    finish(&world);
}

static void last_words_of_a_dying_adapter_count(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    start(&world, "--name=twitter", "read -r line; printf '{\"type\":\"confirmed\",\"reply\":17}'; kill -9 $$");
    expect_hello(&world);
    send_reply(&world, 17);
    expect_settle(&world, 17, "confirmed");
    stop_well(&world);
    finish(&world);
}

static void reply_handed_out_twice_is_published_once(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    start(&world, "--name=twitter",
          "while read -r line; do echo \"got $line\" >&2; echo published >> published;"
          "echo '{\"type\":\"confirmed\",\"reply\":17}'; done");
    expect_hello(&world);
    send_reply(&world, 17);
    send_reply(&world, 17);
    expect_log(&world, "\"reply\":17");
    expect_settle(&world, 17, "confirmed");
    send_reply(&world, 17); // as after a restart of the broker that lost the settlement
    expect_settle(&world, 17, "confirmed");
    stop_well(&world);
    struct stat published;
    assert_int_equal(stat("published", &published), 0);
    assert_int_equal(published.st_size, strlen("published\n"));
    finish(&world);
}

// While it is down, a reply waits for an adapter; after a new session only if the broker says so again.
static void waiting_reply_survives_a_lost_session(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    start(&world, "--name=twitter",
          "if [ -e go ]; then while read -r line; do echo \"got $line\" >&2;"
          "echo '{\"type\":\"confirmed\",\"reply\":17}'; done; fi; exit 1");
    expect_hello(&world);
    expect_log(&world, "exited with status 1");
    send_reply(&world, 17);
    fake_broker_work(world.broker, 50);
    fake_broker_go_away(world.broker);
    expect_log(&world, "starts again");
    fake_broker_resumes(world.broker, false);
    fake_broker_come_back(world.broker);
    expect_hello(&world);
    fclose(fopen("go", "w"));
    send_reply(&world, 17);
    expect_log(&world, "got {\"type\":\"reply\",\"reply\":17");
    expect_settle(&world, 17, "confirmed");
    stop_well(&world);
    finish(&world);
}

static void stop_waits_for_what_the_adapter_has_begun(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    start(&world, "--name=twitter",
          "read -r line; echo \"got $line\" >&2; cat > /dev/null; echo '{\"type\":\"confirmed\",\"reply\":17}'");
    expect_hello(&world);
    send_reply(&world, 17);
    expect_log(&world, "\"reply\":17");
    child_signal(world.connector, SIGTERM);
    expect_settle(&world, 17, "confirmed");
    struct behalf_message *bye = fake_broker_expect(world.broker, BEHALF_BYE);
    behalf_message_destroy(&bye);
    assert_int_equal(child_wait(world.connector, world.broker), 0);
    finish(&world);
}

static void stop_tells_what_cannot_be_known(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    start(&world, "--idempotent", "read -r line; echo \"got $line\" >&2; cat > /dev/null");
    expect_hello(&world);
    send_reply(&world, 17);
    expect_log(&world, "\"reply\":17");
    child_signal(world.connector, SIGTERM);
    expect_settle(&world, 17, "unknown");
    assert_int_equal(child_wait(world.connector, world.broker), 0);
    finish(&world);
}

static void adapter_that_does_not_end_is_ended(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    start(&world, "--idempotent", "echo up >&2; sleep 1000 & wait");
    expect_log(&world, "up");
    child_signal(world.connector, SIGTERM);
    expect_log(&world, "sending TERM");
    assert_int_equal(child_wait(world.connector, world.broker), 0);
    finish(&world);
}

static void adapter_that_prints_without_end_is_ended(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    start(&world, "--idempotent", "exec yes '{}'");
    expect_log(&world, "line 1 is skipped");
    child_signal(world.connector, SIGTERM);
    expect_log(&world, "sending TERM");
    assert_int_equal(child_wait(world.connector, world.broker), 0);
    finish(&world);
}

static void adapter_that_complains_without_end_is_ended(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    start(&world, "--idempotent", "exec yes oops >&2");
    expect_log(&world, "more lines about the adapter are left out");
    child_signal(world.connector, SIGTERM);
    expect_log(&world, "sending TERM");
    assert_int_equal(child_wait(world.connector, world.broker), 0);
    finish(&world);
}

static void bad_value_is_told_with_its_key(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    start(&world, "--idempotent", "echo '{\"type\":\"post\",\"post\":\"\",\"author\":\"@jo\"}'; " ECHO_INPUT);
    expect_log(&world, "line 1 is skipped: `post` is required and empty");
    stop_well(&world);
    finish(&world);
}

static void adapter_gets_three_descriptors_and_its_signals(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    start(&world, "--idempotent",
          "ls /proc/$$/fd > fds; echo \"fds:\" $(grep -vx 10 fds) >&2; grep SigBlk /proc/self/status >&2; " ECHO_INPUT);
    expect_log(&world, "fds: 0 1 2");
    expect_log(&world, "0000000000000000");
    stop_well(&world);
    finish(&world);
}

static void log_cannot_be_forged_by_an_adapter(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    start(&world, "--idempotent", "printf 'red \\033[31m\\r\\n' >&2; " ECHO_INPUT);
    expect_log(&world, "adapter says: red \xe2\x90\x9b[31m\xe2\x90\x8d");
    stop_well(&world);
    finish(&world);
}

static void missing_adapter_is_an_error(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    const char *argv[] = { program, "--channel",   "twitter", "--broker", fake_broker_endpoint(world.broker),
                           "--",    "./not-there", NULL };
    world.connector = child_new(argv);
    expect_log(&world, "cannot be started: No such file");
    assert_int_equal(child_wait(world.connector, world.broker), 1);
    finish(&world);
}

static void once_ends_when_all_is_taken(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    start(&world, "--once", "echo '" POST "'");
    struct behalf_message *post = fake_broker_expect(world.broker, BEHALF_POST);
    expect_log(&world, "exited with status 0");
    fake_broker_taken(world.broker, post->id, 42);
    behalf_message_destroy(&post);
    assert_int_equal(child_wait(world.connector, world.broker), 0);
    finish(&world);
}

static void absent_broker_is_logged_until_it_is_back(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    fake_broker_go_away(world.broker);
    start(&world, "--idempotent", "sleep 600");
    char *line = child_expect_error(world.connector, world.broker, "no session with a broker yet: ");
    int year, month, day, hour, minute, second, milliseconds, end = 0;
    assert_int_equal(sscanf(line, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ warning connector=%n", &year, &month, &day, &hour,
                            &minute, &second, &milliseconds, &end),
                     7);
    assert_true(end > 0);
    free(line);
    fake_broker_come_back(world.broker);
    expect_hello(&world);
    expect_log(&world, "the broker is back: signed in to desk test");
    stop_well(&world);
    finish(&world);
}

static void taken_posts_are_logged_in_sum(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    start(&world, "--once", "echo '" POST "'; echo '" POST "'; echo '" POST "'");
    int64_t ids[3];
    for (size_t i = 0; i < 3; i++) {
        struct behalf_message *post = fake_broker_expect(world.broker, BEHALF_POST);
        ids[i] = post->id;
        behalf_message_destroy(&post);
    }
    fake_broker_taken(world.broker, ids[0], 42);
    expect_log(&world, " 1 post taken");
    fake_broker_taken(world.broker, ids[1], 43);
    fake_broker_taken(world.broker, ids[2], 44);
    expect_log(&world, " 2 posts taken");
    assert_int_equal(child_wait(world.connector, world.broker), 0);
    finish(&world);
}

static void crash_of_the_adapter_is_a_warning(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    start(&world, "--idempotent", "exit 3");
    char *line = child_expect_error(world.connector, world.broker, "exited with status 3");
    assert_non_null(strstr(line, "Z warning connector="));
    free(line);
    stop_well(&world);
    finish(&world);
}

// ---- the sample adapter ----

static void start_sample(struct world *world)
{
    const char *argv[] = { program, "--channel",    "twitter",      "--brand",
                           "acme",  "--idempotent", "--broker",     fake_broker_endpoint(world->broker),
                           "--",    sample_adapter, "posts.ndjson", "replies.ndjson",
                           NULL };
    world->connector = child_new(argv);
}

static void expect_post(struct world *world, const char *name, bool take)
{
    struct behalf_message *post = fake_broker_expect(world->broker, BEHALF_POST);
    assert_string_equal(post->post.post, name);
    if (take) {
        fake_broker_taken(world->broker, post->id, 42);
    }
    behalf_message_destroy(&post);
}

static void write_posts(void)
{
    FILE *posts = fopen("posts.ndjson", "w");
    assert_non_null(posts);
    for (int i = 1; i <= 3; i++) {
        fprintf(posts, "{\"type\":\"post\",\"post\":\"%d\",\"author\":\"@jo\",\"text\":\"caf\xc3\xa9\"}\n", i);
    }
    fclose(posts);
}

static void sample_adapter_goes_on_where_it_was(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    write_posts();
    start_sample(&world);
    expect_post(&world, "1", true);
    expect_post(&world, "2", false); // so the cursor stands behind the first
    child_signal(world.connector, SIGKILL);
    child_wait(world.connector, world.broker);
    child_destroy(&world.connector);

    start_sample(&world);
    expect_post(&world, "2", true);
    expect_post(&world, "3", true);
    stop_well(&world);
    finish(&world);
}

static void sample_adapter_publishes_a_key_once(void **state)
{
    (void) state;
    struct world world;
    begin(&world);
    write_posts();
    start_sample(&world);
    expect_hello(&world);
    expect_post(&world, "1", false);
    send_reply(&world, 17);
    expect_settle(&world, 17, "confirmed");
    stop_well(&world);
    child_destroy(&world.connector);

    start_sample(&world);
    expect_hello(&world);
    struct behalf_message *bye = fake_broker_expect(world.broker, BEHALF_BYE);
    behalf_message_destroy(&bye);
    expect_post(&world, "1", false);
    send_reply(&world, 17); // by another connector process: it knows nothing of the first time
    expect_settle(&world, 17, "confirmed");
    stop_well(&world);

    FILE *replies = fopen("replies.ndjson", "r");
    assert_non_null(replies);
    char line[1000];
    assert_non_null(fgets(line, sizeof line, replies));
    assert_non_null(strstr(line, "Hello Jo"));
    assert_null(fgets(line, sizeof line, replies));
    fclose(replies);
    finish(&world);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connector_says_who_it_is),
        cmocka_unit_test(post_is_acknowledged_once_taken),
        cmocka_unit_test(edits_and_deletions_travel),
        cmocka_unit_test(bad_lines_are_told_by_number_and_skipped),
        cmocka_unit_test(details_of_posts_are_mended_and_told),
        cmocka_unit_test(adapter_is_held_back_while_the_broker_is_busy),
        cmocka_unit_test(reply_is_handed_over_and_settled),
        cmocka_unit_test(dead_adapter_leaves_a_reply_of_unknown_fate),
        cmocka_unit_test(idempotent_adapter_gets_the_reply_again),
        cmocka_unit_test(last_words_of_a_dying_adapter_count),
        cmocka_unit_test(reply_handed_out_twice_is_published_once),
        cmocka_unit_test(waiting_reply_survives_a_lost_session),
        cmocka_unit_test(stop_waits_for_what_the_adapter_has_begun),
        cmocka_unit_test(stop_tells_what_cannot_be_known),
        cmocka_unit_test(adapter_that_does_not_end_is_ended),
        cmocka_unit_test(adapter_that_prints_without_end_is_ended),
        cmocka_unit_test(adapter_that_complains_without_end_is_ended),
        cmocka_unit_test(bad_value_is_told_with_its_key),
        cmocka_unit_test(adapter_gets_three_descriptors_and_its_signals),
        cmocka_unit_test(log_cannot_be_forged_by_an_adapter),
        cmocka_unit_test(missing_adapter_is_an_error),
        cmocka_unit_test(once_ends_when_all_is_taken),
        cmocka_unit_test(absent_broker_is_logged_until_it_is_back),
        cmocka_unit_test(taken_posts_are_logged_in_sum),
        cmocka_unit_test(crash_of_the_adapter_is_a_warning),
        cmocka_unit_test(sample_adapter_goes_on_where_it_was),
        cmocka_unit_test(sample_adapter_publishes_a_key_once),
    };
    if (argc != 3) {
        fprintf(stderr, "usage: %s BEHALF-CONNECT SAMPLE-ADAPTER\n", argv[0]);
        return 64;
    }
    program = argv[1];
    sample_adapter = argv[2];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
