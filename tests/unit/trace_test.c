// trace_test.c - a broker's trace: what happens to a post can be followed by its ids, and nothing of its text is there.

#include "tests/unit/broker_world.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FEED = 1, ASHA = 2 };

#define ABOUT(kind, field, ...) ((struct behalf_message){ .type = BEHALF_##kind, .field = { __VA_ARGS__ } })
#define LINES_MAX 1000

struct traced {
    struct world world;
    struct trace trace;
    char *lines[LINES_MAX];
    size_t count;
    size_t next; // looked at so far
};

static void keep_line(void *self, const char *line)
{
    struct traced *traced = self;

    assert_true(traced->count < LINES_MAX);
    traced->lines[traced->count] = strdup(line);
    assert_non_null(traced->lines[traced->count]);
    traced->count++;
}

static int set_up(void **state)
{
    struct traced *traced = calloc(1, sizeof *traced);

    assert_non_null(traced);
    traced->trace = (struct trace){ .line = keep_line, .self = traced };
    world_init(&traced->world);
    world_crash(&traced->world);
    traced->world.options.trace = &traced->trace;
    world_start(&traced->world);
    *state = traced;
    return 0;
}

static int tear_down(void **state)
{
    struct traced *traced = *state;

    world_fini(&traced->world);
    for (size_t i = 0; i < traced->count; i++) {
        free(traced->lines[i]);
    }
    free(traced);
    return 0;
}

static bool has_word(const char *line, const char *word)
{
    size_t bytes = strlen(word);

    for (const char *at = strstr(line, word); at != NULL; at = strstr(at + 1, word)) {
        if ((at == line || at[-1] == ' ') && (at[bytes] == ' ' || at[bytes] == '\0')) {
            return true;
        }
    }
    return false;
}

// The next line that begins with `kind` and has both words; fails the test when there is none.
static const char *expect_line(struct traced *traced, const char *kind, const char *word, const char *other)
{
    while (traced->next < traced->count) {
        const char *line = traced->lines[traced->next++];
        if (strncmp(line, kind, strlen(kind)) == 0 && has_word(line, word) && has_word(line, other)) {
            return line;
        }
    }
    for (size_t i = 0; i < traced->count; i++) {
        print_message("%s\n", traced->lines[i]);
    }
    fail_msg("no line %s with %s and %s", kind, word, other);
    return "";
}

// A word of a line, as "batch=12".
static const char *word_of(const char *line, const char *name, char word[64])
{
    const char *found = strstr(line, name);

    assert_non_null(found);
    assert_int_equal(sscanf(found, "%63s", word), 1);
    return word;
}

static const char *number_word(const char *name, int64_t number, char word[64])
{
    snprintf(word, 64, "%s=%" PRId64, name, number);
    return word;
}

static void sign_in_all(struct world *world)
{
    static const char *channels[] = { "chirp" };

    expect_type(world_ask(world, FEED,
                          ABOUT(HELLO, hello, .version = 1, .role = "connector", .name = "feed", .instance = "i-1",
                                .channels = channels, .channels_count = 1)),
                BEHALF_WELCOME);
    expect_type(world_hello(world, ASHA, "person", "asha"), BEHALF_WELCOME);
}

static struct behalf_message telling_post(const struct world *world)
{
    struct behalf_message message = world_post("xplatform", world->now_ms, "xtext Where is my bag?");

    message.post.author = "xauthor";
    message.post.author_name = "xname";
    message.post.thread = "xthread";
    message.post.link = "https://xlink.example";
    return message;
}

// From the frame that brought it to the frame that shows it: request, item, batch and session lead from line to line.
static void a_post_is_followed_by_its_ids_to_a_screen(void **state)
{
    struct traced *traced = *state;
    struct world *world = &traced->world;
    char batch[64], item[64], id[64], session[64], peer[64];

    sign_in_all(world);
    int64_t request = world_say(world, FEED, telling_post(world));
    world_settle(world);
    expect_type(world_answer(world, FEED, request), BEHALF_TAKEN);
    number_word("id", request, id);
    number_word("item", world_answer(world, FEED, request)->taken.item, item);
    const char *in = expect_line(traced, "in ", "POST", id);
    assert_true(has_word(in, number_word("peer", FEED, peer)));
    word_of(in, "session=", session);
    const char *decision = expect_line(traced, "decide ", session, id);
    assert_true(has_word(decision, "+POST") && has_word(decision, item) && has_word(decision, "kind=taken"));
    assert_true(has_word(decision, "+ITEM") && has_word(decision, "state=offered"));
    word_of(decision, "batch=", batch);
    expect_line(traced, "batch ", batch, "desk=test");
    expect_line(traced, "durable ", batch, "desk=test");
    const char *shown = expect_line(traced, "out ", "ITEM", item);
    assert_true(has_word(shown, number_word("peer", ASHA, peer)) && has_word(shown, "state=offered"));
    expect_line(traced, "out ", "TAKEN", id);
}

// What the store is asked about first is decided when it has answered, for the same request.
static void a_post_that_waited_for_the_store_is_followed_too(void **state)
{
    struct traced *traced = *state;
    struct world *world = &traced->world;
    struct behalf_message old = telling_post(world);
    char batch[64], id[64];

    sign_in_all(world);
    old.post.posted_ms = 1;
    int64_t request = world_say(world, FEED, old);
    world_settle(world);
    number_word("id", request, id);
    expect_line(traced, "in ", "POST", id);
    expect_line(traced, "batch ", "asked=1", "changes=0");
    const char *decision = expect_line(traced, "decide ", "by=answer", id);
    assert_true(has_word(decision, "+POST"));
    expect_line(traced, "durable ", word_of(decision, "batch=", batch), "desk=test");
    expect_line(traced, "out ", "TAKEN", id);
}

static void nothing_that_anybody_wrote_is_in_a_trace(void **state)
{
    static const char *const secrets[] = { "xtext",  "xauthor", "xname", "xplatform", "xthread",   "xlink", "xdraft",
                                           "xnote",  "xanswer", "xaway", "xref",      "xstranger", "asha",  "acme",
                                           "xwords", "xbag",    "i-1",   "feed",      "chirp" };
    struct traced *traced = *state;
    struct world *world = &traced->world;

    sign_in_all(world);
    const struct behalf_message *welcome = world_hello(world, ASHA, "person", "asha");
    char *token = strdup(welcome->welcome.token), *proof = strdup(welcome->welcome.proof);
    assert_true(token != NULL && strlen(token) > 8 && proof != NULL && strlen(proof) > 8);
    int64_t item = world_ask(world, FEED, telling_post(world))->taken.item;
    int64_t lease = world_told(world, ASHA, BEHALF_ITEM)->item.lease;
    world_ask(world, ASHA, ABOUT(TAKE, take, .item = item, .lease = lease));
    world_ask(world, ASHA, ABOUT(DRAFT, draft, .item = item, .lease = lease, .text = "xdraft"));
    world_ask(world, ASHA, ABOUT(NOTE, note, .item = item, .lease = lease, .text = "xnote"));
    world_ask(
        world, FEED,
        ABOUT(EDIT, edit, .channel = "chirp", .post = "xplatform", .text = "xtext xbag", .edited_ms = world->now_ms));
    expect_type(world_ask(world, ASHA, ABOUT(ANSWER, answer, .item = item, .lease = lease, .text = "xanswer")),
                BEHALF_DONE);
    const struct behalf_message *reply = world_told(world, FEED, BEHALF_REPLY);
    expect_type(reply, BEHALF_REPLY);
    expect_type(world_ask(world, FEED,
                          ABOUT(SETTLE, settle, .reply = reply->reply.reply, .fate = "confirmed", .reference = "xref")),
                BEHALF_DONE);
    world_ask(world, ASHA, ABOUT(PRESENCE, presence, .state = "away", .reason = "xaway"));
    world_ask(world, ASHA, ABOUT(TAKE, take, .item = 4711, .lease = 1));
    world_ask(world, ASHA, ABOUT(PRESENCE, presence, .state = "xwords", .reason = "xwords"));
    world_ask(world, 9, ABOUT(HELLO, hello, .version = 1, .role = "person", .name = "xstranger"));
    world_say_bytes(world, FEED, "xwords", 6);
    world_settle(world);
    char number[64];
    expect_line(traced, "out ", "REPLY", number_word("item", item, number)); // so far it went
    expect_line(traced, "out ", "ERROR", "code=NOT_FOUND");
    expect_line(traced, "in ", "refused=MALFORMED", "bytes=6");
    for (size_t i = 0; i < traced->count; i++) {
        for (size_t k = 0; k < sizeof secrets / sizeof secrets[0]; k++) {
            if (strstr(traced->lines[i], secrets[k]) != NULL) {
                fail_msg("%s is in: %s", secrets[k], traced->lines[i]);
            }
        }
        assert_null(strstr(traced->lines[i], token));
        assert_null(strstr(traced->lines[i], proof));
    }
    free(token);
    free(proof);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_post_is_followed_by_its_ids_to_a_screen),
        TEST(a_post_that_waited_for_the_store_is_followed_too),
        TEST(nothing_that_anybody_wrote_is_in_a_trace),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
