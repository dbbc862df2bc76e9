// broker_taking_test.c - posts, edits and deletions as connectors bring them: in any order, again, and for several
// brands.

#include "tests/unit/broker_verbs.h"

// ---- intake ----

static void taken_is_spoken_once_it_is_on_disk(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    world->hold_batches = true;
    world_say(world, FEED, world_post("1", world->now_ms, "Where is my bag?"));
    world_settle(world);
    assert_null(world_told(world, FEED, BEHALF_TAKEN));
    assert_null(world_told(world, ASHA, BEHALF_ITEM));
    world->hold_batches = false;
    world_settle(world);
    expect_type(world_told(world, FEED, BEHALF_TAKEN), BEHALF_TAKEN);
    expect_type(world_told(world, ASHA, BEHALF_ITEM), BEHALF_ITEM);
}

static void a_commit_in_doubt_speaks_only_when_it_is_settled(void **state)
{
    struct world *world = *state;
    const enum planned_fault plan[] = { FAULT_DOUBT_LOST, FAULT_UNAVAILABLE, FAULT_DOUBT_WRITTEN };

    sign_in_all(world);
    fault_plan_add(memory_disk_plan(world->disk), plan, 3);
    int64_t item = post(world, "1", "Where is my bag?");
    const struct behalf_message *again = world_ask(world, FEED, world_post("1", world->now_ms, "Where is my bag?"));
    expect_type(again, BEHALF_TAKEN);
    assert_true(again->taken.repeated);
    assert_int_equal(again->taken.item, item);
}

static void a_post_brought_again_is_one_item(void **state)
{
    struct world *world = *state;
    const int64_t times[] = { world->now_ms, 0, INT64_C(1400000000000), world->now_ms + 1000 };
    char id[16];

    sign_in_all(world);
    for (size_t i = 0; i < 4; i++) {
        snprintf(id, sizeof id, "p%zu", i);
        const struct behalf_message *first = world_ask(world, FEED, world_post(id, times[i], "Where is my bag?"));
        expect_type(first, BEHALF_TAKEN);
        assert_false(first->taken.repeated);
        int64_t item = first->taken.item;
        const struct behalf_message *second = world_ask(world, FEED, world_post(id, times[i], "Where is my bag?"));
        expect_type(second, BEHALF_TAKEN);
        assert_true(second->taken.repeated);
        assert_int_equal(second->taken.item, item);
    }
}

static void a_post_dated_ahead_is_known_when_its_day_comes(void **state)
{
    struct world *world = *state;
    int64_t posted_ms = world->now_ms + INT64_C(3) * 24 * 3600 * 1000;

    sign_in_all(world);
    const struct behalf_message *first = world_ask(world, FEED, world_post("1", posted_ms, "Where is my bag?"));
    expect_type(first, BEHALF_TAKEN);
    int64_t item = first->taken.item;
    world->now_ms = posted_ms;
    world_settle(world);
    const struct behalf_message *second = world_ask(world, FEED, world_post("1", posted_ms, "Where is my bag?"));
    expect_type(second, BEHALF_TAKEN);
    assert_true(second->taken.repeated);
    assert_int_equal(second->taken.item, item);
}

// Old posts, whose newness only the store can tell: asked together, answered together.
static void twins_that_are_asked_for_together_are_one_item(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    int64_t first = world_say(world, FEED, world_post("1", 0, "Where is my bag?"));
    int64_t second = world_say(world, FEED, world_post("1", 0, "Where is my bag?"));
    world_settle(world);
    const struct behalf_message *one = world_answer(world, FEED, first);
    const struct behalf_message *other = world_answer(world, FEED, second);
    expect_type(one, BEHALF_TAKEN);
    expect_type(other, BEHALF_TAKEN);
    assert_false(one->taken.repeated);
    assert_true(other->taken.repeated);
    assert_int_equal(one->taken.item, other->taken.item);
}

// The first is decided while the second's question is with the store, whose answer cannot know of it.
static void a_twin_decided_while_the_other_is_asked_for_is_found(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    world->hold_batches = true;
    int64_t first = world_say(world, FEED, world_post("1", 0, "Where is my bag?"));
    world_settle(world); // the first's question is out
    int64_t second = world_say(world, FEED, world_post("1", 0, "Where is my bag?"));
    world->hold_batches = false;
    world_settle(world);
    expect_type(world_answer(world, FEED, second), BEHALF_TAKEN);
    assert_false(world_answer(world, FEED, first)->taken.repeated);
    assert_true(world_answer(world, FEED, second)->taken.repeated);
}

static void a_repeat_while_the_first_is_in_flight_gets_one_answer(void **state)
{
    struct world *world = *state;
    struct behalf_message message = world_post("1", 0, "Where is my bag?");

    sign_in_all(world);
    message.id = 77;
    world_say(world, FEED, message);
    world_say(world, FEED, message);
    world_settle(world);
    assert_int_equal(world_count_told(world, FEED, BEHALF_TAKEN), 1);
}

static void a_post_to_an_unknown_brand_is_refused_by_name(void **state)
{
    struct world *world = *state;
    struct behalf_message message = world_post("1", world->now_ms, "hi");

    sign_in_all(world);
    message.post.brand = "nobody";
    const struct behalf_message *answer = world_ask(world, FEED, message);
    expect_code(answer, "NOT_FOUND");
    assert_string_equal(answer->error.field, "brand");
    message = world_post("2", world->now_ms, "hi");
    message.post.channel = "telegraph";
    answer = world_ask(world, FEED, message);
    expect_code(answer, "NOT_FOUND");
    assert_string_equal(answer->error.field, "channel");
}

static void an_edit_is_shown_with_the_text_before(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    int64_t item = post(world, "1", "Where is my bag?");
    const struct behalf_message *taken =
        world_ask(world, FEED,
                  ABOUT(EDIT, edit, .channel = "chirp", .post = "1", .posted_ms = world->now_ms, .text = "Found it."));
    expect_type(taken, BEHALF_TAKEN);
    assert_int_equal(taken->taken.item, item);
    const struct behalf_message *shown = world_told(world, ASHA, BEHALF_ITEM);
    expect_type(shown, BEHALF_ITEM);
    assert_int_equal(shown->item.story_count, 1);
    assert_true(shown->item.story[0].edited);
    assert_string_equal(shown->item.story[0].text, "Found it.");
    assert_string_equal(shown->item.story[0].before, "Where is my bag?");
}

static void an_edit_that_turns_sensitive_takes_the_item_from_the_agent(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    int64_t item = post(world, "1", "Where is my bag?");
    take(world, ASHA, item);
    world->told[ASHA].next = world->told[ASHA].count;
    expect_type(world_ask(world, FEED,
                          ABOUT(EDIT, edit, .channel = "chirp", .post = "1", .posted_ms = world->now_ms,
                                .text = "You hear from my lawyer")),
                BEHALF_TAKEN);
    expect_type(world_told(world, ASHA, BEHALF_GONE), BEHALF_GONE);
    assert_null(world_told(world, ASHA, BEHALF_ITEM));
    const struct behalf_message *shown = world_told(world, PETRA, BEHALF_ITEM);
    expect_type(shown, BEHALF_ITEM);
    assert_int_equal(shown->item.item, item);
}

static int64_t close_item(struct world *world, uint64_t peer, const char *id)
{
    int64_t item = post(world, id, "Where is my bag?");
    int64_t lease = take(world, peer, item);

    expect_type(
        world_ask(world, peer, ABOUT(CLOSE, close, .item = item, .lease = lease, .outcome = "no-answer-needed")),
        BEHALF_DONE);
    return item;
}

static struct behalf_message edit_of(const struct world *world, const char *text, int64_t edited_ms)
{
    return ABOUT(EDIT, edit, .channel = "chirp", .post = "1", .posted_ms = world->now_ms, .text = text,
                 .edited_ms = edited_ms);
}

static void an_edit_that_turns_sensitive_after_the_end_is_shown_to_pr(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    int64_t item = close_item(world, ASHA, "1");
    world_forget(world, ASHA);
    const struct behalf_message *taken = world_ask(world, FEED, edit_of(world, "You hear from my lawyer", 0));
    expect_type(taken, BEHALF_TAKEN);
    assert_int_not_equal(taken->taken.item, item);
    assert_false(taken->taken.repeated);
    const struct behalf_message *shown = world_told(world, PETRA, BEHALF_ITEM);
    expect_type(shown, BEHALF_ITEM);
    assert_int_equal(shown->item.item, taken->taken.item);
    const struct behalf_entry *last = &shown->item.story[shown->item.story_count - 1];
    assert_string_equal(last->text, "You hear from my lawyer");
    assert_string_equal(last->before, "Where is my bag?");
    assert_null(world_told(world, ASHA, BEHALF_ITEM));
}

// A feed that is read again from its beginning, in which an author edited twice.
static void the_same_edits_again_make_no_further_work(void **state)
{
    struct world *world = *state;
    const char *texts[] = { "You hear from my lawyer", "You hear from my lawyers, all of them" };
    int64_t item = 0;

    sign_in_all(world);
    int64_t closed = close_item(world, ASHA, "1");
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 2; i++) {
            const struct behalf_message *taken =
                world_ask(world, FEED, edit_of(world, texts[i], world->now_ms + 1000 * (i + 1)));
            expect_type(taken, BEHALF_TAKEN);
            item = item == 0 ? taken->taken.item : item;
            assert_int_equal(taken->taken.item, item);
            assert_int_not_equal(taken->taken.item, closed);
            assert_true(round == 0 || taken->taken.repeated);
        }
        if (round == 0) {
            const struct behalf_message *shown = world_told(world, PETRA, BEHALF_ITEM);
            expect_type(world_ask(world, PETRA, ABOUT(TAKE, take, .item = item, .lease = shown->item.lease)),
                        BEHALF_DONE);
            expect_type(
                world_ask(world, PETRA,
                          ABOUT(CLOSE, close, .item = item, .lease = shown->item.lease, .outcome = "no-answer-needed")),
                BEHALF_DONE);
        }
    }
}

static struct behalf_message hello_away(const char *token)
{
    return ABOUT(HELLO, hello, .version = 1, .role = "person", .name = "asha", .away = "lunch", .token = token);
}

// Its texts are being read when the connection breaks.
static void a_listing_for_who_is_gone_is_asked_for_again(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    const struct behalf_message *welcome = world_hello(world, BEN, "person", "ben");
    char token[65];
    snprintf(token, sizeof token, "%s", welcome->welcome.token);
    post(world, "1", "Where is my bag?");
    int64_t id = world_say(world, BEN, ABOUT(LOOK, look, .limit = 10));
    broker_peer_lost(world->broker, BEN, "gone", world->now_ms);
    world_settle(world);
    expect_type(world_resume(world, OTHER, "person", "ben", token), BEHALF_WELCOME);
    struct behalf_message look = ABOUT(LOOK, look, .limit = 10);
    look.id = id;
    expect_type(world_ask(world, OTHER, look), BEHALF_LISTING);
}

static void counts_refused_in_an_outage_are_told_when_asked_for_again(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    broker_store_state(world->broker, true, "the disk is full", world->now_ms);
    struct behalf_message status = { .type = BEHALF_STATUS, .id = 4711 };
    expect_code(world_ask(world, CONTROL, status), "BUSY");
    broker_store_state(world->broker, false, "working", world->now_ms);
    world_forget(world, CONTROL);
    expect_type(world_ask(world, CONTROL, status), BEHALF_COUNTS);
}

static void who_was_away_is_away_after_a_restart_too(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    expect_type(world_ask(world, ASHA, ABOUT(PRESENCE, presence, .state = "away", .reason = "lunch")), BEHALF_DONE);
    world_crash(world);
    world_start(world);
    expect_type(world_hello(world, FEED, "connector", "feed"), BEHALF_WELCOME);
    const struct behalf_message *welcome = world_ask(world, ASHA, hello_away(""));
    expect_type(welcome, BEHALF_WELCOME);
    assert_string_equal(welcome->welcome.presence, "away");
    post(world, "1", "Where is my bag?");
    assert_null(world_told(world, ASHA, BEHALF_ITEM));
}

static int64_t count_from_store(struct world *world)
{
    const struct behalf_message *counts = world_ask(world, CONTROL, (struct behalf_message){ .type = BEHALF_STATUS });

    expect_type(counts, BEHALF_COUNTS);
    return counts->counts.from_store;
}

// After a restart it is known again who has written before, so that of others nothing is asked.
static void what_an_item_says_comes_from_memory_and_not_from_the_store(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    post(world, "1", "Where is my bag?");
    expect_type(world_told(world, ASHA, BEHALF_ITEM), BEHALF_ITEM);
    assert_int_equal(count_from_store(world), 0);
    world_crash(world);
    world_start(world);
    world_pass(world, 100);
    sign_in_all(world);
    int64_t before = count_from_store(world); // the item that was there
    struct behalf_message other = world_post("2", world->now_ms, "Where is my coat?");
    other.post.author = "@somebody-new";
    expect_type(world_ask(world, FEED, other), BEHALF_TAKEN);
    const struct behalf_message *shown = world_told(world, ASHA, BEHALF_ITEM);
    expect_type(shown, BEHALF_ITEM);
    assert_string_equal(shown->item.author, "@somebody-new");
    assert_int_equal(count_from_store(world), before);
}

// It has not heard yet that it is available: the broker knows better.
static void a_session_that_goes_on_keeps_the_presence_that_the_desk_knows(void **state)
{
    struct world *world = *state;

    const struct behalf_message *welcome = world_hello(world, ASHA, "person", "asha");
    expect_type(welcome, BEHALF_WELCOME);
    welcome = world_ask(world, OTHER, hello_away(welcome->welcome.token));
    assert_true(welcome->welcome.resumed);
    assert_string_equal(welcome->welcome.presence, "available");
}

// Both ride on one turn: the second is about the item that the first made.
static void two_edits_in_one_go_make_one_follow_up(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    close_item(world, ASHA, "1");
    int64_t first = world_say(world, FEED, edit_of(world, "You hear from my lawyer", 0));
    int64_t second = world_say(world, FEED, edit_of(world, "You hear from my lawyers", 0));
    world_settle(world);
    expect_type(world_answer(world, FEED, second), BEHALF_TAKEN);
    assert_int_equal(world_answer(world, FEED, first)->taken.item, world_answer(world, FEED, second)->taken.item);
    const struct behalf_message *shown = world_told(world, PETRA, BEHALF_ITEM);
    expect_type(shown, BEHALF_ITEM);
    assert_int_equal(shown->item.item, world_answer(world, FEED, first)->taken.item);
    size_t own = 0;
    for (size_t i = 0; i < shown->item.story_count; i++) {
        own += strcmp(shown->item.story[i].kind, "post") == 0 ? 1 : 0;
    }
    assert_int_equal(own, 1);
}

// ---- one post, one identity ----

static const struct behalf_taken *taken(struct world *world, struct behalf_message message)
{
    const struct behalf_message *answer = world_ask(world, FEED, message);

    expect_type(answer, BEHALF_TAKEN);
    return &answer->taken;
}

static struct behalf_message post_of(const char *brand, const char *id, const char *author, const char *text,
                                     int64_t posted_ms)
{
    return ABOUT(POST, post, .channel = "chirp", .post = id, .brand = brand, .author = author, .text = text,
                 .posted_ms = posted_ms);
}

static struct behalf_message edited_at(const char *id, const char *text, int64_t edited_ms)
{
    return ABOUT(EDIT, edit, .channel = "chirp", .post = id, .text = text, .edited_ms = edited_ms);
}

static struct behalf_message deletion_of(const char *id)
{
    return ABOUT(DELETE, delete_post, .channel = "chirp", .post = id);
}

static int64_t open_items(struct world *world)
{
    const struct behalf_message *answer = world_ask(world, CONTROL, ABOUT(STATUS, status, .behalf_end = 0));
    int64_t count = 0;

    expect_type(answer, BEHALF_COUNTS);
    for (size_t i = 0; i < answer->counts.queues_count; i++) {
        const struct behalf_queue_count *queue = &answer->counts.queues[i];
        count += queue->waiting + queue->offered + queue->held + queue->parked + queue->sending;
    }
    return count;
}

static void a_post_is_repeated_whatever_time_it_says(void **state)
{
    struct world *world = *state;
    const int64_t day_ms = INT64_C(24) * 3600 * 1000;
    const int64_t times[] = { 0,
                              day_ms,
                              world->now_ms - 5 * day_ms,
                              world->now_ms - day_ms,
                              world->now_ms + day_ms,
                              world->now_ms + 400 * day_ms };

    sign_in_all(world);
    int64_t item = taken(world, post_of("acme", "p", "ann", "Where is my bag?", world->now_ms))->item;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        const struct behalf_taken *again = taken(world, post_of("acme", "p", "ann", "Where is my bag?", times[i]));
        assert_true(again->repeated);
        assert_false(again->differs);
        assert_int_equal(again->item, item);
    }
    world_crash(world);
    world_start(world);
    sign_in_all(world);
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        assert_true(taken(world, post_of("acme", "p", "ann", "Where is my bag?", times[i]))->repeated);
    }
}

static void the_same_id_for_two_brands_is_two_items(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    int64_t of_acme = taken(world, post_of("acme", "p", "jo", "you lost it", world->now_ms))->item;
    const struct behalf_taken *of_bolt = taken(world, post_of("bolt", "p", "jo", "you lost it", world->now_ms));
    assert_false(of_bolt->repeated);
    assert_int_not_equal(of_bolt->item, of_acme);
    assert_true(taken(world, post_of("bolt", "p", "jo", "you lost it", 0))->repeated);
    // What becomes of it becomes of both.
    assert_false(taken(world, deletion_of("p"))->repeated);
    assert_true(taken(world, deletion_of("p"))->repeated);
    assert_int_equal(open_items(world), 0);
}

static void another_post_under_a_known_name_is_told(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    taken(world, post_of("acme", "p", "ann", "My submission is lost", 0));
    const struct behalf_taken *other = taken(world, post_of("acme", "p", "bob", "I was charged twice", 0));
    assert_true(other->repeated && other->differs);
    assert_true(taken(world, post_of("acme", "p", "bob", "My submission is lost", 0))->differs);
    assert_true(taken(world, post_of("acme", "p", "ann", "My submission was lost", 0))->differs);
    // A text that it has had, an author who is not given: the same.
    taken(world, edited_at("p", "My submission is lost!", 0));
    assert_false(taken(world, post_of("acme", "p", "ann", "My submission is lost!", 0))->differs);
    assert_false(taken(world, post_of("acme", "p", "ann", "My submission is lost", 0))->differs);
    assert_false(taken(world, post_of("acme", "p", "", "My submission is lost", 0))->differs);
}

static const char *text_of(struct world *world, int64_t item)
{
    world_settle(world);
    const struct behalf_message *shown = world_told(world, PETRA, BEHALF_ITEM);
    shown = shown != NULL && shown->item.item == item ? shown : world_told(world, ASHA, BEHALF_ITEM);
    for (size_t i = 0; shown != NULL && shown->item.item == item && i < shown->item.story_count; i++) {
        if (strcmp(shown->item.story[i].kind, "post") == 0) {
            return shown->item.story[i].text;
        }
    }
    return "";
}

static void an_older_edit_changes_nothing_whenever_it_comes(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    int64_t item = taken(world, post_of("acme", "p", "jo", "It does not work", world->now_ms))->item;
    assert_false(taken(world, edited_at("p", "NEWEST, 12:02", 2000))->repeated);
    assert_true(taken(world, edited_at("p", "older, 12:01", 1000))->repeated);
    assert_string_equal(text_of(world, item), "NEWEST, 12:02");
    // Of the same time, and of none, the later told.
    assert_false(taken(world, edited_at("p", "the same moment", 2000))->repeated);
    assert_false(taken(world, edited_at("p", "no time", 0))->repeated);
    assert_true(taken(world, edited_at("p", "older still", 1999))->repeated);
    assert_string_equal(text_of(world, item), "no time");
    // Told once more with a later time: what lies between is older.
    assert_true(taken(world, edited_at("p", "no time", 4000))->repeated);
    assert_true(taken(world, edited_at("p", "between", 3000))->repeated);
    assert_string_equal(text_of(world, item), "no time");
}

static void a_time_ahead_of_the_broker_puts_nothing_before_what_comes_later(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    int64_t item = taken(world, post_of("acme", "p", "jo", "It does not work", world->now_ms))->item;
    assert_false(taken(world, edited_at("p", "in the year 9999", BEHALF_TIME_MAX))->repeated);
    assert_false(taken(world, edited_at("p", "does it work now?", world->now_ms))->repeated);
    assert_string_equal(text_of(world, item), "does it work now?");
}

// In every order, in one batch or many, over a crash.
static void an_edit_before_its_post_is_kept_and_is_its_text(void **state)
{
    struct world *world = *state;

    for (int variant = 0; variant < 4; variant++) {
        char id[16];
        snprintf(id, sizeof id, "h%d", variant);
        sign_in_all(world);
        if (variant == 3) { // in one go
            world_say(world, FEED, edited_at(id, "my lawyer will call", 2000));
            int64_t second = world_say(world, FEED, post_of("acme", id, "jo", "hello there", world->now_ms));
            world_settle(world);
            assert_int_equal(world_answer(world, FEED, second)->type, BEHALF_TAKEN);
        } else {
            const struct behalf_taken *early = taken(world, edited_at(id, "my lawyer will call", 2000));
            assert_true(early->early && !early->repeated);
            assert_int_equal(early->item, 0);
        }
        if (variant == 1) {
            assert_true(taken(world, edited_at(id, "older", 1000))->repeated);
        }
        if (variant == 2) {
            world_crash(world);
            world_start(world);
            sign_in_all(world);
        }
        if (variant != 3) {
            assert_false(taken(world, post_of("acme", id, "jo", "hello there", world->now_ms))->repeated);
        }
        assert_true(taken(world, edited_at(id, "older", 1000))->repeated);
        const struct behalf_message *shown = world_told(world, PETRA, BEHALF_ITEM);
        assert_non_null(shown);
        assert_string_equal(shown->item.audience, "pr");
        assert_string_equal(shown->item.story[shown->item.story_count - 1].text, "my lawyer will call");
        assert_string_equal(shown->item.story[shown->item.story_count - 1].before, "hello there");
        taken(world, deletion_of(id));
    }
}

static bool story_says(const struct behalf_item *item, const char *text)
{
    for (size_t i = 0; i < item->story_count; i++) {
        if (strcmp(item->story[i].text, text) == 0) {
            return true;
        }
    }
    return false;
}

// As when the post had come first: a text between for which a rule holds makes the item PR's, and stays in the story.
static void what_a_post_said_in_between_before_it_came_counts(void **state)
{
    struct world *world = *state;

    for (int crash = 0; crash < 2; crash++) {
        char id[16];
        snprintf(id, sizeof id, "b%d", crash);
        sign_in_all(world);
        taken(world, edited_at(id, "where is it", 1000));
        taken(world, edited_at(id, "my lawyer will call", 2000));
        taken(world, edited_at(id, "never mind the submission", 3000));
        if (crash) {
            world_crash(world);
            world_start(world);
            sign_in_all(world);
        }
        int64_t item = taken(world, post_of("acme", id, "jo", "hello there", world->now_ms))->item;
        assert_string_equal(text_of(world, item), "never mind the submission");
        const struct behalf_message *shown = world_told(world, PETRA, BEHALF_ITEM);
        assert_non_null(shown);
        assert_int_equal(shown->item.item, item);
        assert_string_equal(shown->item.audience, "pr");
        assert_true(story_says(&shown->item, "my lawyer will call"));
        assert_false(story_says(&shown->item, "where is it"));
        taken(world, deletion_of(id));
    }
}

// A number of texts of one post are kept; one more waits for it.  The same text told later is none more, and a deletion
// takes their place.
static void the_texts_of_a_post_that_has_not_come_are_bounded(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    for (int64_t i = 1; i <= DESK_EARLY_TEXTS_MAX; i++) {
        char text[32];
        snprintf(text, sizeof text, "text %d", (int) i);
        assert_false(taken(world, edited_at("p", text, i * 1000))->repeated);
        assert_false(taken(world, edited_at("p", text, i * 1000 + 1))->repeated);
        assert_true(taken(world, edited_at("p", text, i * 1000 + 1))->repeated);
    }
    int64_t id = world_say(world, FEED, edited_at("p", "one more", 9000));
    world_settle(world);
    const struct behalf_message *refused = world_answer(world, FEED, id);
    assert_int_equal(refused->type, BEHALF_ERROR);
    assert_string_equal(refused->error.code, "NOT_FOUND");
    assert_false(taken(world, deletion_of("p"))->repeated);
    taken(world, post_of("acme", "p", "jo", "hello there", world->now_ms));
    assert_int_equal(open_items(world), 0);
    assert_false(taken(world, edited_at("q", "free again", 1000))->repeated);
}

static void a_deletion_before_its_post_withdraws_it(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    assert_true(taken(world, deletion_of("p"))->early);
    assert_true(taken(world, deletion_of("p"))->repeated);
    assert_true(taken(world, edited_at("p", "an edit after all", 9000))->repeated);
    world_crash(world);
    world_start(world);
    sign_in_all(world);
    assert_int_not_equal(taken(world, post_of("acme", "p", "jo", "I sue you", world->now_ms))->item, 0);
    assert_int_equal(open_items(world), 0);
    assert_true(taken(world, deletion_of("p"))->repeated);
    assert_false(taken(world, deletion_of("p"))->early);
}

static void what_is_kept_of_a_post_that_never_comes_is_forgotten_after_a_day(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    taken(world, edited_at("p", "edited", 2000));
    world_pass(world, DESK_EARLY_MS);
    sign_in_all(world);
    int64_t item = taken(world, post_of("acme", "p", "jo", "as written", world->now_ms))->item;
    assert_string_equal(text_of(world, item), "as written");
}

static void posts_of_nobody_have_nothing_in_common(void **state)
{
    struct world *world = *state;
    static const char *const nobody[] = { "A Google User", "[deleted]", "" };

    sign_in_all(world);
    for (size_t i = 0; i < sizeof nobody / sizeof *nobody; i++) {
        char one[16], other[16];
        snprintf(one, sizeof one, "g%zu", i);
        snprintf(other, sizeof other, "h%zu", i);
        struct behalf_message first = post_of("acme", one, nobody[i], "my phone is 0170 555 1234", world->now_ms);
        struct behalf_message second = post_of("acme", other, nobody[i], "Coffee was cold", world->now_ms);
        first.post.thread = second.post.thread = "t3_abc";
        int64_t first_item = taken(world, first)->item;
        int64_t second_item = taken(world, second)->item;
        assert_int_not_equal(first_item, second_item);
        const struct behalf_message *shown = world_told(world, ASHA, BEHALF_ITEM);
        assert_non_null(shown);
        assert_int_equal(shown->item.item, second_item);
        assert_int_equal(shown->item.story_count, 1); // nothing earlier
        assert_string_equal(shown->item.author, nobody[i]);
        taken(world, deletion_of(one));
        taken(world, deletion_of(other));
    }
}

static void the_text_that_made_it_sensitive_stays_in_the_story(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    taken(world, post_of("acme", "p", "jo", "fine", world->now_ms));
    taken(world, edited_at("p", "my lawyer will sue you on Monday", 1000));
    taken(world, edited_at("p", "fine then!", 2000));
    const struct behalf_message *shown = world_told(world, PETRA, BEHALF_ITEM);
    assert_non_null(shown);
    bool first = false, middle = false, last = false;
    for (size_t i = 0; i < shown->item.story_count; i++) {
        const struct behalf_entry *entry = &shown->item.story[i];
        first = first || strcmp(entry->before, "fine") == 0;
        last = last || strcmp(entry->text, "fine then!") == 0;
        middle = middle || (strcmp(entry->kind, "edit") == 0 && strcmp(entry->post, "p") == 0 &&
                            strcmp(entry->text, "my lawyer will sue you on Monday") == 0);
    }
    assert_true(first && middle && last);
}

// All three ride on one turn: the later ones must not overtake the post.
static void a_post_its_edit_and_its_deletion_may_come_in_one_go(void **state)
{
    struct world *world = *state;
    const int64_t times[] = { world->now_ms, 0 };
    const char *ids[] = { "recent", "old" };

    sign_in_all(world);
    for (size_t i = 0; i < 2; i++) {
        int64_t posted = world_say(world, FEED, world_post(ids[i], times[i], "Where is my bag?"));
        int64_t edited = world_say(
            world, FEED,
            ABOUT(EDIT, edit, .channel = "chirp", .post = ids[i], .posted_ms = times[i], .text = "Where is it?"));
        int64_t deleted = world_say(
            world, FEED, ABOUT(DELETE, delete_post, .channel = "chirp", .post = ids[i], .posted_ms = times[i]));
        world_settle(world);
        expect_type(world_answer(world, FEED, posted), BEHALF_TAKEN);
        expect_type(world_answer(world, FEED, edited), BEHALF_TAKEN);
        expect_type(world_answer(world, FEED, deleted), BEHALF_TAKEN);
        uint64_t item = (uint64_t) world_answer(world, FEED, posted)->taken.item;
        assert_int_equal(world_answer(world, FEED, deleted)->taken.item, (int64_t) item);
        assert_int_equal(desk_item_state(broker_desk(world->broker), item), ITEM_CLOSED);
    }
}

static void recent_posts_are_known_after_a_crash(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    int64_t item = post(world, "1", "Where is my bag?");
    world_crash(world);
    world_start(world);
    expect_type(world_hello(world, FEED, "connector", "feed"), BEHALF_WELCOME);
    const struct behalf_message *again = world_ask(world, FEED, world_post("1", world->now_ms, "Where is my bag?"));
    expect_type(again, BEHALF_TAKEN);
    assert_true(again->taken.repeated);
    assert_int_equal(again->taken.item, item);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(taken_is_spoken_once_it_is_on_disk),
        TEST(a_commit_in_doubt_speaks_only_when_it_is_settled),
        TEST(a_post_brought_again_is_one_item),
        TEST(a_post_dated_ahead_is_known_when_its_day_comes),
        TEST(twins_that_are_asked_for_together_are_one_item),
        TEST(a_twin_decided_while_the_other_is_asked_for_is_found),
        TEST(a_repeat_while_the_first_is_in_flight_gets_one_answer),
        TEST(a_post_to_an_unknown_brand_is_refused_by_name),
        TEST(an_edit_is_shown_with_the_text_before),
        TEST(an_edit_that_turns_sensitive_takes_the_item_from_the_agent),
        TEST(an_edit_that_turns_sensitive_after_the_end_is_shown_to_pr),
        TEST(the_same_edits_again_make_no_further_work),
        TEST(a_listing_for_who_is_gone_is_asked_for_again),
        TEST(counts_refused_in_an_outage_are_told_when_asked_for_again),
        TEST(who_was_away_is_away_after_a_restart_too),
        TEST(what_an_item_says_comes_from_memory_and_not_from_the_store),
        TEST(a_session_that_goes_on_keeps_the_presence_that_the_desk_knows),
        TEST(two_edits_in_one_go_make_one_follow_up),
        TEST(a_post_is_repeated_whatever_time_it_says),
        TEST(the_same_id_for_two_brands_is_two_items),
        TEST(another_post_under_a_known_name_is_told),
        TEST(an_older_edit_changes_nothing_whenever_it_comes),
        TEST(a_time_ahead_of_the_broker_puts_nothing_before_what_comes_later),
        TEST(an_edit_before_its_post_is_kept_and_is_its_text),
        TEST(what_a_post_said_in_between_before_it_came_counts),
        TEST(the_texts_of_a_post_that_has_not_come_are_bounded),
        TEST(a_deletion_before_its_post_withdraws_it),
        TEST(what_is_kept_of_a_post_that_never_comes_is_forgotten_after_a_day),
        TEST(the_text_that_made_it_sensitive_stays_in_the_story),
        TEST(posts_of_nobody_have_nothing_in_common),
        TEST(a_post_its_edit_and_its_deletion_may_come_in_one_go),
        TEST(recent_posts_are_known_after_a_crash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
