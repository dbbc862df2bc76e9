// broker_rules_test.c - new rules of a living desk, and what they mean for what is open.

#include "tests/unit/broker_verbs.h"

static const struct behalf_message *apply(struct world *world, const char *text)
{
    return world_ask(world, CONTROL, ABOUT(APPLY, apply, .rules = text, .name = "new.yaml"));
}

// The world's rules without one person.
static char *rules_without(const char *person)
{
    char *text = strdup(world_rules);
    char key[64];

    snprintf(key, sizeof key, "  %s:\n", person);
    char *begin = strstr(text, key);
    char *end = begin + strlen(key);
    while (strncmp(end, "    ", 4) == 0) {
        end = strchr(end, '\n') + 1;
    }
    memmove(begin, end, strlen(end) + 1);
    return text;
}

static void rules_with_errors_change_nothing(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    const struct behalf_message *answer = apply(world, "desk: test\nbrands: 7\n");
    expect_code(answer, "RULES");
    assert_true(answer->error.problems_count >= 1);
    expect_type(apply(world, world_rules), BEHALF_APPLIED);
    assert_true(world_told(world, CONTROL, BEHALF_APPLIED)->applied.repeated);
    assert_int_equal(world_told(world, CONTROL, BEHALF_APPLIED)->applied.rules_version, 1);
}

static void new_rules_are_live_and_kept_and_who_they_drop_is_signed_out(void **state)
{
    struct world *world = *state;
    char *text = rules_without("asha");

    sign_in_all(world);
    int64_t item = post(world, "1", "Where is my bag?");
    take(world, ASHA, item);
    const struct behalf_message *applied = apply(world, text);
    expect_type(applied, BEHALF_APPLIED);
    assert_int_equal(applied->applied.rules_version, 2);
    expect_type(world_told(world, ASHA, BEHALF_BYE), BEHALF_BYE);
    assert_int_equal(desk_item_state(broker_desk(world->broker), (uint64_t) item), ITEM_WAITING);
    expect_code(world_hello(world, OTHER, "person", "asha"), "NOT_FOUND");
    world_crash(world);
    world_start(world);
    expect_code(world_hello(world, OTHER, "person", "asha"), "NOT_FOUND");
    expect_type(world_hello(world, BEN, "person", "ben"), BEHALF_WELCOME);
    free(text);
}

// The world's rules with one more sensitive word.
static char *rules_with_boycott(void)
{
    static const char before[] = "[lawyer*]", after[] = "[lawyer*, boycott*]";
    char *text = calloc(1, strlen(world_rules) + sizeof after);
    const char *place = strstr(world_rules, before);

    assert_non_null(place);
    memcpy(text, world_rules, (size_t) (place - world_rules));
    strcat(text, after);
    strcat(text, place + strlen(before));
    return text;
}

static const char *audience_of(struct world *world, int64_t item)
{
    static char audience[16];
    const struct behalf_message *listing =
        world_ask(world, CONTROL, ABOUT(LOOK, look, .after = item - 1, .limit = 1, .audience = "", .brand = ""));

    expect_type(listing, BEHALF_LISTING);
    assert_int_equal(listing->listing.items_count, 1);
    assert_int_equal(listing->listing.items[0].item, item);
    snprintf(audience, sizeof audience, "%s", listing->listing.items[0].audience);
    return audience;
}

static void expect_reviewed(struct world *world, int64_t item)
{
    const struct behalf_message *history = world_ask(world, CONTROL, ABOUT(WHY, why, .item = item));
    size_t found = 0;

    expect_type(history, BEHALF_HISTORY);
    for (size_t i = 0; i < history->history.events_count; i++) {
        const struct behalf_event *event = &history->history.events[i];
        if (strcmp(event->kind, "reviewed") == 0) {
            found++;
            assert_int_equal(event->rules_version, 2);
            assert_string_equal(event->rule, "sensitive legal");
            assert_non_null(strstr(event->detail, "sensitive under the rules applied since; "));
        }
    }
    assert_int_equal(found, 1);
}

static void new_rules_reach_open_posts_as_they_are_now(void **state)
{
    struct world *world = *state;
    char *text = rules_with_boycott();

    sign_in_all(world);
    int64_t held = post(world, "1", "Boycott them all");
    take(world, ASHA, held);
    int64_t merged = post(world, "2", "Where is my bag?");
    int64_t waits[300];
    char id[16];
    for (int i = 0; i < 300; i++) {
        snprintf(id, sizeof id, "w%d", i);
        waits[i] = post(world, id, i % 10 == 0 ? "I shall boycott you" : "Where is my bag?");
    }
    expect_type(world_ask(world, FEED,
                          ABOUT(EDIT, edit, .channel = "chirp", .post = "w0", .posted_ms = world->now_ms,
                                .text = "no, I shall not", .edited_ms = world->now_ms)),
                BEHALF_TAKEN);
    expect_type(world_ask(world, FEED,
                          ABOUT(EDIT, edit, .channel = "chirp", .post = "w1", .posted_ms = world->now_ms,
                                .text = "boycott!", .edited_ms = world->now_ms)),
                BEHALF_TAKEN);
    const struct behalf_message *applied = apply(world, text);
    expect_type(applied, BEHALF_APPLIED);
    assert_in_range(applied->applied.items, 300, 303);
    assert_non_null(world_told(world, ASHA, BEHALF_GONE));
    assert_string_equal(audience_of(world, held), "pr");
    assert_string_equal(audience_of(world, merged), "agent");
    for (int i = 0; i < 300; i++) {
        assert_string_equal(audience_of(world, waits[i]), i == 1 || (i % 10 == 0 && i > 0) ? "pr" : "agent");
    }
    expect_reviewed(world, held);
    expect_reviewed(world, waits[10]);
    assert_int_equal(world_ask(world, CONTROL, (struct behalf_message){ .type = BEHALF_STATUS })->counts.reviewing, 0);
    free(text);
}

static void what_pr_has_released_is_not_sealed_by_new_rules(void **state)
{
    struct world *world = *state;
    char *text = rules_with_boycott();

    sign_in_all(world);
    int64_t item = post(world, "1", "My lawyer says boycott");
    int64_t lease = take(world, PETRA, item);
    world_pass(world, 1000);
    expect_type(
        world_ask(world, PETRA, ABOUT(RETURN, return_item, .item = item, .lease = lease, .guidance = "say sorry")),
        BEHALF_DONE);
    world_pass(world, 1000);
    expect_type(apply(world, text), BEHALF_APPLIED);
    assert_string_equal(audience_of(world, item), "agent");
    free(text);
}

// Under new rules an item of many posts is gone through in several turns of the loop, the last of its posts included.
static void a_turn_of_the_review_ends_within_an_item(void **state)
{
    enum { POSTS = 120, POSTS_A_TURN_AT_MOST = 50 };
    struct world *world = *state;
    char *text = rules_with_boycott();
    int64_t item = 0;
    int turns = 0;

    sign_in_all(world);
    world_ask(world, ASHA, ABOUT(PRESENCE, presence, .state = "away", .reason = "lunch"));
    for (int i = 1; i <= POSTS; i++) {
        char id[16];
        snprintf(id, sizeof id, "p%d", i);
        struct behalf_message message =
            world_post(id, world->now_ms, i == POSTS ? "I shall boycott you" : "Where is my bag?");
        message.post.thread = "t";
        const struct behalf_message *taken = world_ask(world, FEED, message);
        expect_type(taken, BEHALF_TAKEN);
        assert_true(item == 0 || taken->taken.item == item);
        item = taken->taken.item;
    }
    world->hold_reports = true;
    expect_type(apply(world, text), BEHALF_APPLIED);
    struct report *report = broker_next_report(world->broker);
    assert_non_null(report);
    assert_int_equal(world->engine->operations->report(world->engine, report), STORE_OK);
    assert_int_equal(report->post_count, POSTS);
    broker_reported(world->broker, &report, world->now_ms);
    while (desk_review_left(broker_desk(world->broker)) > 0) {
        assert_true(++turns <= POSTS);
        (void) broker_tick(world->broker, world->now_ms);
    }
    assert_true(turns * POSTS_A_TURN_AT_MOST >= POSTS);
    world->hold_reports = false;
    world_settle(world);
    assert_string_equal(audience_of(world, item), "pr");
    expect_reviewed(world, item);
    free(text);
}

// Nothing is offered while the posts have not been read; a broker that dies meanwhile goes on when it is back.
static void a_review_survives_a_crash(void **state)
{
    struct world *world = *state;
    char *text = rules_with_boycott();

    sign_in_all(world);
    int64_t item = post(world, "1", "Boycott them all");
    world_ask(world, ASHA, ABOUT(PRESENCE, presence, .state = "away", .reason = "lunch"));
    world_ask(world, BEN, ABOUT(PRESENCE, presence, .state = "away", .reason = "lunch"));
    world->hold_reports = true;
    expect_type(apply(world, text), BEHALF_APPLIED);
    world_forget(world, ASHA);
    world_ask(world, ASHA, ABOUT(PRESENCE, presence, .state = "available", .reason = ""));
    assert_null(world_told(world, ASHA, BEHALF_ITEM));
    expect_code(apply(world, world_rules), "BUSY");
    assert_true(world_ask(world, CONTROL, (struct behalf_message){ .type = BEHALF_STATUS })->counts.reviewing > 0);
    world_crash(world);
    world_start(world);
    sign_in_all(world);
    assert_null(world_told(world, ASHA, BEHALF_ITEM));
    world->hold_reports = false;
    world_settle(world);
    assert_null(world_told(world, ASHA, BEHALF_ITEM));
    assert_string_equal(audience_of(world, item), "pr");
    expect_reviewed(world, item);
    // What has been gone through is not again.
    world_crash(world);
    world_start(world);
    assert_int_equal(desk_review_left(broker_desk(world->broker)), 0);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rules_with_errors_change_nothing),
        TEST(new_rules_are_live_and_kept_and_who_they_drop_is_signed_out),
        TEST(new_rules_reach_open_posts_as_they_are_now),
        TEST(what_pr_has_released_is_not_sealed_by_new_rules),
        TEST(a_turn_of_the_review_ends_within_an_item),
        TEST(a_review_survives_a_crash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
