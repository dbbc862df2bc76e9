// broker_test.c - "decide, make durable, speak": who may say what, from a post to its outcome, once, and a clean stop.

#include "tests/unit/broker_verbs.h"

// What was answered at the greatest length that is allowed goes out, into the reports, and into the story of what
// follows.
static void the_longest_answer_can_be_previewed_reported_and_shown_again(void **state)
{
    struct world *world = *state;
    static char longest[BEHALF_POST_BYTES + 1];
    const char *channels[] = { "mail" };

    memset(longest, 'x', BEHALF_POST_BYTES);
    sign_in_all(world);
    expect_type(world_ask(world, FEED,
                          ABOUT(HELLO, hello, .version = 1, .role = "connector", .name = "mailer", .instance = "i",
                                .channels = channels, .channels_count = 1)),
                BEHALF_WELCOME);
    struct behalf_message mail = world_post("1", world->now_ms, "Where is my bag?");
    mail.post.channel = "mail";
    mail.post.thread = "t";
    int64_t item = world_ask(world, FEED, mail)->taken.item;
    int64_t lease = take(world, ASHA, item);
    struct behalf_message answer = answering(item, lease);
    answer.answer.text = longest;
    expect_type(world_ask(world, ASHA, ABOUT(PREVIEW, preview, .item = item, .lease = lease, .text = longest)),
                BEHALF_PREVIEWED);
    expect_type(world_ask(world, ASHA, answer), BEHALF_DONE);
    const struct behalf_message *reply = world_told(world, FEED, BEHALF_REPLY);
    expect_type(reply, BEHALF_REPLY);
    int64_t number = reply->reply.reply;
    expect_type(world_ask(world, FEED, ABOUT(SETTLE, settle, .reply = number, .fate = "confirmed")), BEHALF_DONE);
    const struct behalf_message *ended = world_ask(world, CONTROL, ABOUT(OUTCOMES, outcomes, .brand = "acme"));
    expect_type(ended, BEHALF_ENDED);
    assert_int_equal(ended->ended.rows_count, 1);
    mail.post.post = "2";
    item = world_ask(world, FEED, mail)->taken.item;
    const struct behalf_message *shown = world_told(world, ASHA, BEHALF_ITEM);
    expect_type(shown, BEHALF_ITEM);
    assert_int_equal(shown->item.item, item);
}

// ---- who may say what ----

static void a_message_of_another_role_is_forbidden(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    expect_code(world_ask(world, ASHA, world_post("1", 0, "hi")), "FORBIDDEN");
    expect_code(world_ask(world, FEED, ABOUT(TAKE, take, .item = 1, .lease = 1)), "FORBIDDEN");
    expect_code(world_ask(world, ASHA, ABOUT(WHY, why, .item = 1)), "FORBIDDEN");
    expect_code(world_ask(world, ASHA, ABOUT(STATUS, status, .behalf_end = 0)), "FORBIDDEN");
    expect_type(world_hello(world, SAM, "person", "sam"), BEHALF_WELCOME);
    expect_type(world_ask(world, SAM, ABOUT(STATUS, status, .behalf_end = 0)), BEHALF_COUNTS);
}

static void a_message_that_only_a_broker_sends_is_unknown(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    expect_code(world_ask(world, FEED, ABOUT(TAKEN, taken, .item = 1)), "UNKNOWN_TYPE");
    expect_code(world_ask(world, ASHA, ABOUT(DONE, done, .item = 1)), "UNKNOWN_TYPE");
}

static void names_with_characters_that_are_not_seen_are_refused(void **state)
{
    struct world *world = *state;
    static const char *const names[] = { "feed\x1b[2J",    "feed\n",        "fe\x7f",       "fe\xc2\x9b",
                                         "fe\xe2\x80\xae", "f\xe2\x80\x8b", "f\xe2\x80\xa8" };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct behalf_message *refused =
            world_hello(world, OTHER, i % 2 == 0 ? "connector" : "control", names[i]);
        expect_code(refused, "INVALID");
        assert_string_equal(refused->error.field, "name");
    }
    expect_type(world_hello(world, OTHER, "control", "J\xc3\xb6rg's desk"), BEHALF_WELCOME);
}

// [ "STATUS", 0, {} ]
static void a_request_without_an_id_is_refused(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    world_say_bytes(world, CONTROL, "\x93\xa6STATUS\x00\x80", 10);
    world_settle(world);
    const struct behalf_message *error = world_told(world, CONTROL, BEHALF_ERROR);
    expect_code(error, "INVALID");
    assert_string_equal(error->error.field, "id");
}

static void more_requests_than_the_window_are_refused(void **state)
{
    struct world *world = *state;
    char id[16];

    sign_in_all(world);
    world->hold_batches = true;
    for (int i = 0; i < 1030; i++) {
        snprintf(id, sizeof id, "p%d", i);
        world_say(world, FEED, world_post(id, world->now_ms, "hello"));
    }
    world_settle(world);
    assert_int_equal(world_count_told(world, FEED, BEHALF_ERROR), 6);
    expect_code(world_told(world, FEED, BEHALF_ERROR), "TOO_MANY");
    assert_int_equal(world_count_told(world, FEED, BEHALF_TAKEN), 0);
    world->hold_batches = false;
    world_settle(world);
    assert_int_equal(world_count_told(world, FEED, BEHALF_TAKEN), 1024);
}

static void requests_beyond_the_rate_are_put_off_and_change_nothing(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    int64_t item = post(world, "1", "Where is my bag?");
    int64_t lease = take(world, ASHA, item);
    struct behalf_message note = ABOUT(NOTE, note, .item = item, .lease = lease, .text = "again");
    int noted = 0;
    while (world_ask(world, ASHA, note)->type == BEHALF_DONE) {
        noted++;
    }
    assert_in_range(noted, 390, 400);
    const struct behalf_message *refused = world_ask(world, ASHA, note);
    expect_code(refused, "TOO_MANY");
    assert_true(refused->error.retry_ms > 0);
    world_pass(world, 1000);
    for (noted = 0; world_ask(world, ASHA, note)->type == BEHALF_DONE; noted++) {
    }
    assert_in_range(noted, 90, 110);
    expect_type(world_ask(world, FEED, world_post("2", world->now_ms, "And mine?")), BEHALF_TAKEN); // each its own
}

static void refused_sign_ins_do_not_fill_the_log(void **state)
{
    struct world *world = *state;

    for (int i = 0; i < 1000; i++) {
        expect_code(world_hello(world, ASHA, "person", "nobody"), "NOT_FOUND");
    }
    assert_in_range(world->log_lines, 50, 60);
    world_pass(world, 1000);
    size_t before = world->log_lines;
    world_hello(world, ASHA, "person", "nobody");
    assert_int_equal(world->log_lines, before + 2); // this one, and how many were left out
}

static void hello_without_an_id_is_refused(void **state)
{
    struct world *world = *state;
    static const char hello[] = "\x93\xa5HELLO\x00\x83\xa7version\x01\xa4role\xa6person\xa4name\xa4"
                                "asha";

    world_say_bytes(world, ASHA, hello, sizeof hello - 1);
    world_settle(world);
    const struct behalf_message *error = world_told(world, ASHA, BEHALF_ERROR);
    expect_code(error, "INVALID");
    assert_string_equal(error->error.field, "id");
    assert_int_equal(world_count_told(world, ASHA, BEHALF_WELCOME), 0);
}

static void signing_in_over_and_over_is_put_off(void **state)
{
    struct world *world = *state;
    const struct behalf_message *answer;
    int welcomed = 0;

    while ((answer = world_hello(world, ASHA, "person", "asha"))->type == BEHALF_WELCOME) {
        world_say(world, ASHA, ABOUT(BYE, bye, .reason = "again"));
        world_settle(world);
        welcomed++;
    }
    assert_in_range(welcomed, 20, 21);
    expect_code(answer, "TOO_MANY");
    assert_true(answer->error.retry_ms > 0);
    expect_type(world_hello(world, BEN, "person", "ben"), BEHALF_WELCOME);
    world_pass(world, answer->error.retry_ms);
    expect_type(world_hello(world, ASHA, "person", "asha"), BEHALF_WELCOME);
}

// ---- sensitive ----

static void a_sensitive_post_reaches_pr_and_no_agent(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    expect_type(world_hello(world, BEN, "person", "ben"), BEHALF_WELCOME);
    post(world, "1", "My lawyer will call you");
    assert_null(world_told(world, ASHA, BEHALF_ITEM));
    assert_null(world_told(world, BEN, BEHALF_ITEM));
    const struct behalf_message *shown = world_told(world, PETRA, BEHALF_ITEM);
    expect_type(shown, BEHALF_ITEM);
    assert_string_equal(shown->item.audience, "pr");
    assert_string_equal(shown->item.story[0].text, "My lawyer will call you");
}

// Held back behind a slow store, the offer is already overtaken by what made the item sensitive.
static void an_offer_overtaken_by_an_escalation_is_never_spoken(void **state)
{
    struct world *world = *state;
    struct behalf_message second = world_post("2", world->now_ms, "My lawyer will call you");

    sign_in_all(world);
    second.post.thread = "1";
    world->hold_batches = true;
    world_say(world, FEED, world_post("1", world->now_ms, "Where is my bag?"));
    world_settle(world); // offered to asha, not on disk
    world_say(world, FEED, second);
    world_settle(world);
    world->hold_batches = false;
    world_settle(world);
    assert_null(world_told(world, ASHA, BEHALF_ITEM));
    const struct behalf_message *shown = world_told(world, PETRA, BEHALF_ITEM);
    expect_type(shown, BEHALF_ITEM);
    assert_int_equal(shown->item.story_count, 2);
}

static void a_listing_shows_agents_no_text_of_sealed_items(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    post(world, "1", "My lawyer will call you");
    post(world, "2", "Where is my bag?");
    const struct behalf_message *listing = world_ask(world, ASHA, ABOUT(LOOK, look, .limit = 50));
    expect_type(listing, BEHALF_LISTING);
    for (size_t i = 0; i < listing->listing.items_count; i++) {
        assert_null(strstr(listing->listing.items[i].text, "lawyer"));
        assert_string_equal(listing->listing.items[i].audience, "agent");
    }
    listing = world_ask(world, CONTROL, ABOUT(LOOK, look, .limit = 50));
    expect_type(listing, BEHALF_LISTING);
    assert_int_equal(listing->listing.items_count, 2);
    assert_string_equal(listing->listing.items[0].text, "My lawyer will call you");
    assert_string_equal(listing->listing.items[1].text, "Where is my bag?");
}

// ---- from post to outcome ----

// Takes and answers the item and returns the reply handed to the feed.
static int64_t answer_item(struct world *world, int64_t item, int64_t *request, int64_t *lease)
{
    *lease = take(world, ASHA, item);
    const struct behalf_message *done = world_ask(world, ASHA, answering(item, *lease));
    expect_type(done, BEHALF_DONE);
    *request = done->id;
    const struct behalf_message *reply = world_told(world, FEED, BEHALF_REPLY);
    expect_type(reply, BEHALF_REPLY);
    assert_int_equal(reply->reply.reply, done->done.reply);
    return reply->reply.reply;
}

static void a_listing_shows_agents_no_text_that_became_sealed_while_its_reply_went_out(void **state)
{
    struct world *world = *state;
    int64_t request, lease;

    sign_in_all(world);
    int64_t item = post(world, "1", "Where is my bag?");
    answer_item(world, item, &request, &lease);
    expect_type(world_ask(world, FEED,
                          ABOUT(EDIT, edit, .channel = "chirp", .post = "1", .posted_ms = world->now_ms,
                                .text = "My lawyer will call you")),
                BEHALF_TAKEN);
    const struct behalf_message *listing = world_ask(world, ASHA, ABOUT(LOOK, look, .limit = 50));
    expect_type(listing, BEHALF_LISTING);
    assert_int_equal(listing->listing.items_count, 1);
    assert_string_equal(listing->listing.items[0].state, "sending");
    assert_string_equal(listing->listing.items[0].text, "");
}

static void a_post_is_answered_published_and_kept(void **state)
{
    struct world *world = *state;
    int64_t request, lease;

    sign_in_all(world);
    int64_t item = post(world, "1", "Where is my bag?");
    int64_t reply = answer_item(world, item, &request, &lease);
    const struct behalf_message *handed = world_told(world, FEED, BEHALF_REPLY);
    assert_string_equal(handed->reply.text, "We are on it. I'm Asha from Northline, answering for Acme.");
    assert_string_equal(handed->reply.post, "1");
    assert_string_equal(handed->reply.author, "@customer");
    assert_int_equal(handed->reply.attempt, 1);
    expect_type(world_ask(world, FEED, ABOUT(SETTLE, settle, .reply = reply, .fate = "confirmed", .reference = "r1")),
                BEHALF_DONE);
    assert_int_equal(desk_item_state(broker_desk(world->broker), (uint64_t) item), ITEM_CLOSED);
    const struct behalf_message *ended = world_ask(world, CONTROL, ABOUT(OUTCOMES, outcomes, .limit = 10));
    expect_type(ended, BEHALF_ENDED);
    assert_int_equal(ended->ended.rows_count, 1);
    assert_string_equal(ended->ended.rows[0].outcome, "answered");
    assert_string_equal(ended->ended.rows[0].person, "asha");
    const struct behalf_message *history = world_ask(world, CONTROL, ABOUT(WHY, why, .channel = "chirp", .post = "1"));
    expect_type(history, BEHALF_HISTORY);
    assert_int_equal(history->history.item, item);
    assert_true(history->history.events_count >= 4);
    expect_code(world_ask(world, CONTROL, ABOUT(WHY, why, .item = 999)), "NOT_FOUND");
    expect_code(world_ask(world, CONTROL, ABOUT(WHY, why, .channel = "chirp")), "MISSING");
    const struct behalf_message *counts = world_ask(world, CONTROL, ABOUT(STATUS, status, .behalf_end = 0));
    expect_type(counts, BEHALF_COUNTS);
    assert_int_equal(counts->counts.taken, 1);
    assert_int_equal(counts->counts.closed, 1);
}

static void a_preview_is_what_would_go_out(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    int64_t item = post(world, "1", "Where is my bag?");
    int64_t lease = take(world, ASHA, item);
    const struct behalf_message *shown =
        world_ask(world, ASHA, ABOUT(PREVIEW, preview, .item = item, .lease = lease, .text = "We are on it."));
    expect_type(shown, BEHALF_PREVIEWED);
    assert_string_equal(shown->previewed.text, "We are on it. I'm Asha from Northline, answering for Acme.");
    expect_code(world_ask(world, ASHA, ABOUT(PREVIEW, preview, .item = item, .lease = lease + 1, .text = "x")),
                "STALE");
    expect_code(world_ask(world, ASHA, ABOUT(PREVIEW, preview, .item = 999, .lease = 1, .text = "x")), "NOT_FOUND");
}

// ---- once ----

static void a_repeated_answer_gets_its_first_answer_even_after_the_end_and_a_crash(void **state)
{
    struct world *world = *state;
    int64_t request, lease;

    sign_in_all(world);
    int64_t item = post(world, "1", "Where is my bag?");
    int64_t reply = answer_item(world, item, &request, &lease);
    expect_type(world_ask(world, FEED, ABOUT(SETTLE, settle, .reply = reply, .fate = "confirmed")), BEHALF_DONE);
    world_crash(world);
    world_start(world);
    world_forget(world, ASHA);
    expect_type(world_hello(world, ASHA, "person", "asha"), BEHALF_WELCOME);
    struct behalf_message again = answering(item, lease);
    again.id = request;
    const struct behalf_message *done = world_ask(world, ASHA, again);
    expect_type(done, BEHALF_DONE);
    assert_true(done->done.repeated);
    assert_int_equal(done->done.reply, reply);
    const struct behalf_message *late = world_ask(world, ASHA, answering(item, lease));
    expect_code(late, "STALE");
    assert_string_equal(late->error.state, "closed");
    expect_code(world_ask(world, ASHA, answering(4711, 1)), "NOT_FOUND");
}

static struct behalf_message settling(int64_t reply)
{
    return ABOUT(SETTLE, settle, .reply = reply, .fate = "confirmed", .reference = "r1");
}

static void a_repeated_settle_gets_its_first_answer_even_after_a_crash(void **state)
{
    struct world *world = *state;
    int64_t request, lease;

    sign_in_all(world);
    int64_t item = post(world, "1", "Where is my bag?");
    int64_t reply = answer_item(world, item, &request, &lease);
    expect_type(world_ask(world, FEED, settling(reply)), BEHALF_DONE);
    const struct behalf_message *again = world_ask(world, FEED, settling(reply));
    expect_type(again, BEHALF_DONE);
    assert_true(again->done.repeated);
    world_crash(world);
    world_start(world);
    world_forget(world, FEED);
    expect_type(world_hello(world, FEED, "connector", "feed"), BEHALF_WELCOME);
    again = world_ask(world, FEED, settling(reply));
    expect_type(again, BEHALF_DONE);
    assert_true(again->done.repeated);
    assert_int_equal(again->done.item, item);
    struct behalf_message perhaps = settling(reply);
    perhaps.settle.fate = "perhaps";
    expect_code(world_ask(world, FEED, perhaps), "INVALID");
}

static void a_forged_settle_is_refused_whatever_number_it_names(void **state)
{
    struct world *world = *state;
    int64_t request, lease;

    sign_in_all(world);
    int64_t item = post(world, "1", "Where is my bag?");
    int64_t reply = answer_item(world, item, &request, &lease);
    expect_type(world_ask(world, FEED, settling(reply)), BEHALF_DONE);
    expect_type(world_hello(world, OTHER, "connector", "stranger"), BEHALF_WELCOME);
    const struct behalf_message *refused = world_ask(world, OTHER, settling(reply));
    expect_code(refused, "NOT_FOUND");
    assert_string_equal(refused->error.field, "reply");
    const int64_t none[] = { item, reply + 1, 4711 };
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        refused = world_ask(world, FEED, settling(none[i]));
        expect_code(refused, "NOT_FOUND");
        assert_string_equal(refused->error.field, "reply");
    }
}

static void a_note_repeated_after_a_resume_is_added_once(void **state)
{
    struct world *world = *state;
    char token[65];

    sign_in_all(world);
    snprintf(token, sizeof token, "%s", world_told(world, ASHA, BEHALF_WELCOME)->welcome.token);
    int64_t item = post(world, "1", "Where is my bag?");
    int64_t lease = take(world, ASHA, item);
    struct behalf_message note = ABOUT(NOTE, note, .item = item, .lease = lease, .text = "called them");
    note.id = 5555;
    expect_type(world_ask(world, ASHA, note), BEHALF_DONE);
    broker_peer_lost(world->broker, ASHA, "its connection is gone", world->now_ms);
    expect_type(world_resume(world, OTHER, "person", "asha", token), BEHALF_WELCOME);
    const struct behalf_message *again = world_ask(world, OTHER, note);
    expect_type(again, BEHALF_DONE);
    assert_true(again->done.repeated);
    size_t notes = 0;
    const struct behalf_message *shown = world_told(world, OTHER, BEHALF_ITEM);
    for (size_t i = 0; i < shown->item.story_count; i++) {
        notes += strcmp(shown->item.story[i].kind, "note") == 0;
    }
    assert_int_equal(notes, 1);
}

// The answer was decided, but the connection broke before it was spoken.
static void a_request_cut_off_before_its_answer_can_be_repeated_after_a_resume(void **state)
{
    struct world *world = *state;
    char token[65];

    sign_in_all(world);
    snprintf(token, sizeof token, "%s", world_told(world, ASHA, BEHALF_WELCOME)->welcome.token);
    int64_t item = post(world, "1", "Where is my bag?");
    int64_t lease = take(world, ASHA, item);
    struct behalf_message note = ABOUT(NOTE, note, .item = item, .lease = lease, .text = "called them");
    note.id = 5555;
    world->hold_batches = true;
    world_say(world, ASHA, note);
    world_settle(world);
    broker_peer_lost(world->broker, ASHA, "its connection is gone", world->now_ms);
    int64_t hello =
        world_say(world, OTHER, ABOUT(HELLO, hello, .version = 1, .role = "person", .name = "asha", .token = token));
    world_say(world, OTHER, note); // in flight still: not decided twice
    world->hold_batches = false;
    world_settle(world);
    expect_type(world_answer(world, OTHER, hello), BEHALF_WELCOME);
    const struct behalf_message *again = world_ask(world, OTHER, note);
    expect_type(again, BEHALF_DONE);
    assert_true(again->done.repeated);
}

// ---- replies in flight ----

// The connector's connection breaks before the reply is spoken: it was surely not handed out.
static void a_reply_that_was_never_spoken_is_handed_out_later(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    int64_t item = post(world, "1", "Where is my bag?");
    int64_t lease = take(world, ASHA, item);
    world->hold_batches = true;
    world_say(world, ASHA, answering(item, lease));
    world_settle(world);
    broker_peer_lost(world->broker, FEED, "its connection is gone", world->now_ms);
    world->hold_batches = false;
    world_settle(world);
    assert_null(world_told(world, FEED, BEHALF_REPLY));
    expect_type(world_hello(world, OTHER, "connector", "feed"), BEHALF_WELCOME);
    assert_int_equal(world_count_told(world, OTHER, BEHALF_REPLY), 1);
}

// ---- stopping ----

static void a_stop_speaks_all_that_was_decided_and_then_bye(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    world->hold_batches = true;
    int64_t asked = world_say(world, FEED, world_post("1", world->now_ms, "Where is my bag?"));
    world_settle(world);
    broker_stop(world->broker, world->now_ms);
    int64_t late = world_say(world, FEED, world_post("2", world->now_ms, "hi"));
    world_settle(world);
    assert_false(broker_stopped(world->broker));
    world->hold_batches = false;
    world_settle(world);
    assert_true(broker_stopped(world->broker));
    expect_type(world_answer(world, FEED, asked), BEHALF_TAKEN);
    assert_null(world_answer(world, FEED, late));
    expect_type(world_told(world, FEED, BEHALF_BYE), BEHALF_BYE);
    assert_string_equal(world_told(world, ASHA, BEHALF_BYE)->bye.reason, "restarting");
}

static void a_crash_at_any_time_loses_nothing_that_was_spoken(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    int64_t item = post(world, "1", "Where is my bag?");
    take(world, ASHA, item);
    world_crash(world);
    world_start(world);
    assert_int_equal(desk_item_state(broker_desk(world->broker), (uint64_t) item), ITEM_HELD);
    world_forget(world, ASHA);
    const struct behalf_message *welcome = world_hello(world, ASHA, "person", "asha");
    expect_type(welcome, BEHALF_WELCOME);
    assert_int_equal(welcome->welcome.items, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(requests_beyond_the_rate_are_put_off_and_change_nothing),
        TEST(the_longest_answer_can_be_previewed_reported_and_shown_again),
        TEST(refused_sign_ins_do_not_fill_the_log),
        TEST(hello_without_an_id_is_refused),
        TEST(names_with_characters_that_are_not_seen_are_refused),
        TEST(signing_in_over_and_over_is_put_off),
        TEST(a_message_of_another_role_is_forbidden),
        TEST(a_message_that_only_a_broker_sends_is_unknown),
        TEST(a_request_without_an_id_is_refused),
        TEST(more_requests_than_the_window_are_refused),
        TEST(a_sensitive_post_reaches_pr_and_no_agent),
        TEST(an_offer_overtaken_by_an_escalation_is_never_spoken),
        TEST(a_listing_shows_agents_no_text_of_sealed_items),
        TEST(a_listing_shows_agents_no_text_that_became_sealed_while_its_reply_went_out),
        TEST(a_post_is_answered_published_and_kept),
        TEST(a_preview_is_what_would_go_out),
        TEST(a_repeated_answer_gets_its_first_answer_even_after_the_end_and_a_crash),
        TEST(a_repeated_settle_gets_its_first_answer_even_after_a_crash),
        TEST(a_forged_settle_is_refused_whatever_number_it_names),
        TEST(a_note_repeated_after_a_resume_is_added_once),
        TEST(a_request_cut_off_before_its_answer_can_be_repeated_after_a_resume),
        TEST(a_reply_that_was_never_spoken_is_handed_out_later),
        TEST(a_stop_speaks_all_that_was_decided_and_then_bye),
        TEST(a_crash_at_any_time_loses_nothing_that_was_spoken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
