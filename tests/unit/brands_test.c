// brands_test.c - one post that two brands are brought, and what its author makes of it: in every order.
//
// Each order of its POSTs, EDITs and DELETE is gone through with the real broker and desk.  Whatever came when, a
// brand's PR hears of its copy if a text that the author ever gave the post is sensitive under that brand's rules, and
// only then; and no agent sees such a text.

#include "tests/unit/broker_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// Peers of the tests; the numbers mean nothing.
enum { FEED = 1, ASHA = 2, BEN = 3, PETRA = 4, CONTROL = 5 };

#define ABOUT(kind, field, ...) ((struct behalf_message){ .type = BEHALF_##kind, .field = { __VA_ARGS__ } })

static const char *const brands[] = { "acme", "bolt" };

static const char rules[] =
    "desk: test\n"
    "channels: { chirp: { length: 280 } }\n"
    "agencies: [Northline]\n"
    "brands:\n"
    "  acme: { display_name: Acme, languages: [en], disclosure: \"{first_name} from {agency} for {brand}\" }\n"
    "  bolt: { display_name: Bolt, languages: [en], disclosure: \"{first_name} from {agency} for {brand}\","
    " take: automatic }\n"
    "sensitive:\n"
    "  legal: { patterns: [lawyer*] }\n"
    "  boycotts: { patterns: [boycott*], brands: [acme] }\n"
    "  fires: { patterns: [caught fire], brands: [bolt] }\n"
    "people:\n"
    "  asha: { display_name: Asha, roles: [agent], agency: Northline, brands: [acme], languages: [en], capacity: 2 }\n"
    "  ben: { display_name: Ben, roles: [agent], agency: Northline, brands: [bolt], languages: [en], capacity: 2 }\n"
    "  petra: { display_name: Petra, roles: [pr], brands: all, languages: all, capacity: 4 }\n";

static struct world the_world;

static int set_up(void **state)
{
    world_init(&the_world);
    the_world.options.connector_rate = 100000;
    world_begin_with(&the_world, rules);
    *state = &the_world;
    return 0;
}

static int tear_down(void **state)
{
    world_fini(*state);
    return 0;
}

static void sign_in_all(struct world *world)
{
    static const char *const names[] = { [ASHA] = "asha", [BEN] = "ben", [PETRA] = "petra" };

    expect_type(world_hello(world, FEED, "connector", "feed"), BEHALF_WELCOME);
    expect_type(world_hello(world, CONTROL, "control", "ctl"), BEHALF_WELCOME);
    for (uint64_t peer = ASHA; peer <= PETRA; peer++) {
        expect_type(world_hello(world, peer, "person", names[peer]), BEHALF_WELCOME);
    }
}

static void forget_all(struct world *world)
{
    for (uint64_t peer = FEED; peer <= CONTROL; peer++) {
        world_forget(world, peer);
    }
}

// ---- what happens ----

// What happens to a post, by a letter: A and B are its POSTs for the two brands, D its deletion, the others edits.
static const struct {
    char letter;
    const char *text;
    bool sensitive[2]; // by brand
} texts[] = {
    { 's', "you will hear from my lawyer", { true, true } }, { 'a', "I call for a boycott", { true, false } },
    { 'b', "it caught fire at noon", { false, true } },      { 'h', "where is my parcel", { false, false } },
    { 'k', "never mind the parcel", { false, false } },      { 'o', "hello there", { false, false } },
};

static size_t text_at(char letter)
{
    size_t i = 0;

    while (texts[i].letter != letter) {
        i++;
    }
    return i;
}

// How an order is gone through.
enum way { EACH_ALONE, IN_ONE_GO, OVER_A_CRASH, WAYS };

enum times { NO_TIMES, THEIR_TIMES, TIMES };

struct order {
    const char *events;   // a letter each, in the order in which their author made the edits
    const char *first[2]; // the letters of what the POSTs say
};

static struct behalf_message message_of(struct world *world, const struct order *order, char event, const char *id,
                                        int64_t edited_ms)
{
    if (event == 'D') {
        return ABOUT(DELETE, delete_post, .channel = "chirp", .post = id);
    }
    if (event == 'A' || event == 'B') {
        return ABOUT(POST, post, .channel = "chirp", .post = id, .brand = brands[event - 'A'], .author = id,
                     .text = texts[text_at(*order->first[event - 'A'])].text, .posted_ms = world->now_ms);
    }
    return ABOUT(EDIT, edit, .channel = "chirp", .post = id, .text = texts[text_at(event)].text,
                 .edited_ms = edited_ms);
}

// What must come of it.
struct expected {
    bool taken[2];   // before the post was deleted
    bool has[10];    // texts, by their place, that the post had before it was deleted
    char last;       // the newest edit; '\0': there is none
    int64_t last_ms; // of it
    bool deleted;
};

static void expect_event(struct expected *expected, const struct order *order, char event, int64_t edited_ms)
{
    if (event == 'D' || expected->deleted) {
        expected->deleted = true;
    } else if (event == 'A' || event == 'B') {
        expected->taken[event - 'A'] = true;
        expected->has[text_at(*order->first[event - 'A'])] = true;
    } else if (edited_ms == 0 || edited_ms >= expected->last_ms) { // else it is older than what is known
        expected->has[text_at(event)] = true;
        expected->last = event;
        expected->last_ms = edited_ms;
    }
}

static bool is_sensitive(const struct expected *expected, size_t brand)
{
    bool sensitive = false;

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        sensitive = sensitive || (expected->has[i] && texts[i].sensitive[brand]);
    }
    return sensitive;
}

// ---- what came of it ----

struct outcome {
    struct world *world;
    const char *id;
    uint64_t items[2]; // by brand: the last one that the post is of
    bool sealed[2];
    char texts[2][256]; // as they are now
    size_t early;       // what is kept of the post for brands that may still bring it
};

static void see_post(void *self, const struct post_record *post)
{
    struct outcome *outcome = self;

    if (strcmp(post->post, outcome->id) == 0) {
        size_t brand = strcmp(post->brand, brands[1]) == 0;
        outcome->items[brand] = post->item;
        snprintf(outcome->texts[brand], sizeof outcome->texts[brand], "%s", post->text);
    }
}

static void see_edited(void *self, const struct post_record *post, const char *text)
{
    struct outcome *outcome = self;

    if (strcmp(post->post, outcome->id) == 0) {
        snprintf(outcome->texts[strcmp(post->brand, brands[1]) == 0], sizeof outcome->texts[0], "%s", text);
    }
}

static void see_early(void *self, const struct early_record *early)
{
    struct outcome *outcome = self;

    outcome->early += strcmp(early->post, outcome->id) == 0;
}

static void see_item(void *self, const struct item_record *item)
{
    struct outcome *outcome = self;

    for (size_t i = 0; i < 2; i++) {
        outcome->sealed[i] = outcome->items[i] == item->item ? item->sealed : outcome->sealed[i];
    }
}

static struct outcome outcome_of(struct world *world, const char *id)
{
    struct outcome outcome = { .world = world, .id = id };
    struct memory_visit posts = { .self = &outcome, .post_id = id, .post = see_post, .early = see_early };
    struct memory_visit edits = { .self = &outcome, .post_id = id, .edited = see_edited };

    memory_disk_visit(world->disk, &posts);
    memory_disk_visit(world->disk, &edits);
    for (size_t i = 0; i < 2; i++) {
        struct memory_visit item = { .self = &outcome, .item_id = outcome.items[i], .item = see_item };
        if (outcome.items[i] != 0) {
            memory_disk_visit(world->disk, &item);
        }
    }
    return outcome;
}

static bool pr_was_told(const struct world *world, uint64_t item)
{
    const struct told *told = &world->told[PETRA];
    bool was = false;

    for (size_t i = 0; i < told->count; i++) {
        was = was || (told->messages[i]->type == BEHALF_ITEM && (uint64_t) told->messages[i]->item.item == item);
    }
    return was;
}

static bool says_what_is_sensitive(const char *text, size_t brand)
{
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (texts[i].sensitive[brand] && strcmp(texts[i].text, text) == 0) {
            return true;
        }
    }
    return false;
}

// NULL, or what is wrong.
static const char *look_at_agents(const struct world *world)
{
    for (uint64_t peer = ASHA; peer <= BEN; peer++) {
        for (size_t i = 0; i < world->told[peer].count; i++) {
            const struct behalf_message *message = world->told[peer].messages[i];
            size_t brand = message->type == BEHALF_ITEM && strcmp(message->item.brand, brands[1]) == 0;
            for (size_t k = 0; message->type == BEHALF_ITEM && k < message->item.story_count; k++) {
                const struct behalf_entry *entry = &message->item.story[k];
                if (says_what_is_sensitive(entry->text, brand) || says_what_is_sensitive(entry->before, brand)) {
                    return "an agent was shown a text that is sensitive";
                }
            }
        }
    }
    return NULL;
}

static const char *look_at_brand(const struct outcome *outcome, const struct expected *expected, size_t brand)
{
    bool sensitive = is_sensitive(expected, brand);

    if (!expected->taken[brand]) {
        return NULL; // deleted before it came, or never brought
    }
    if (outcome->items[brand] == 0) {
        return "a copy is not on disk";
    }
    if (sensitive && !outcome->sealed[brand]) {
        return "PR never hears of a copy with a sensitive text";
    }
    if (sensitive && !expected->deleted && !pr_was_told(outcome->world, outcome->items[brand])) {
        return "PR was not shown a copy with a sensitive text";
    }
    if (!sensitive && outcome->sealed[brand]) {
        return "PR has a copy that has no sensitive text";
    }
    bool newest = expected->last == '\0' || expected->deleted ||
                  strcmp(outcome->texts[brand], texts[text_at(expected->last)].text) == 0;
    return newest ? NULL : "a copy has not the newest text";
}

static const char *look_at(struct world *world, const char *id, const struct expected *expected)
{
    struct outcome outcome = outcome_of(world, id);
    const char *wrong = look_at_agents(world);

    for (size_t i = 0; i < 2 && wrong == NULL; i++) {
        wrong = look_at_brand(&outcome, expected, i);
    }
    return wrong == NULL && outcome.early > 0 ? "what every brand has is still kept for others" : wrong;
}

// ---- all orders ----

struct tally {
    size_t tried, failed;
};

static void begin_again(struct world *world)
{
    world_crash(world);
    world_start(world);
    sign_in_all(world);
}

// An order's events are at `places` of the order in which they were made.
static void go_through(struct world *world, const struct order *order, const size_t *places, enum way way,
                       enum times times, struct tally *tally)
{
    size_t count = strlen(order->events);
    struct expected expected = { 0 };
    char id[24], told[16] = "";

    snprintf(id, sizeof id, "p%zu", tally->tried);
    sign_in_all(world);
    for (size_t i = 0; i < count; i++) {
        char event = order->events[places[i]];
        int64_t edited_ms = times == THEIR_TIMES ? 1000 * (int64_t) (places[i] + 1) : 0;
        int64_t request = world_say(world, FEED, message_of(world, order, event, id, edited_ms));
        told[i] = event;
        expect_event(&expected, order, event, edited_ms);
        if (way != IN_ONE_GO) {
            world_settle(world);
            expect_type(world_answer(world, FEED, request), BEHALF_TAKEN);
        }
        if (way == OVER_A_CRASH && i == tally->tried % count) {
            begin_again(world);
        }
    }
    world_settle(world);
    const char *wrong = look_at(world, id, &expected);
    if (wrong != NULL) {
        print_message("%s, first %s and %s, way %d, times %d: %s\n", told, order->first[0], order->first[1], (int) way,
                      (int) times, wrong);
    }
    tally->tried++;
    tally->failed += wrong != NULL;
    world_say(world, FEED, ABOUT(DELETE, delete_post, .channel = "chirp", .post = id));
    world_pass(world, 1000);
    forget_all(world);
}

// The next permutation in the order of the alphabet; false after the last.
static bool permute(size_t *places, size_t count)
{
    size_t i = count - 1, k = count - 1;

    while (i > 0 && places[i - 1] > places[i]) {
        i--;
    }
    if (i == 0) {
        return false;
    }
    while (places[k] < places[i - 1]) {
        k--;
    }
    size_t place = places[i - 1];
    places[i - 1] = places[k];
    places[k] = place;
    for (k = count - 1; i < k; i++, k--) {
        place = places[i];
        places[i] = places[k];
        places[k] = place;
    }
    return true;
}

static void go_through_all(struct world *world, const struct order *order, enum way way, enum times times,
                           struct tally *tally)
{
    size_t places[8];

    for (size_t i = 0; i < strlen(order->events); i++) {
        places[i] = i;
    }
    do {
        go_through(world, order, places, way, times, tally);
    } while (permute(places, strlen(order->events)));
}

static void go_through_orders(struct world *world, const struct order *orders, size_t count)
{
    struct tally tally = { 0 };

    for (size_t i = 0; i < count; i++) {
        for (enum way way = 0; way < WAYS; way++) {
            for (enum times times = 0; times < TIMES; times++) {
                go_through_all(world, &orders[i], way, times, &tally);
            }
        }
    }
    print_message("%zu orders, %zu wrong\n", tally.tried, tally.failed);
    assert_int_equal(tally.failed, 0);
}

static void each_brand_hears_of_each_text_in_every_order(void **state)
{
    static const struct order orders[] = {
        { "ABsh", { "o", "o" } }, { "ABah", { "o", "o" } },  { "ABbh", { "o", "o" } },
        { "ABab", { "o", "o" } }, { "ABbhD", { "o", "o" } }, { "ABshk", { "o", "o" } },
    };

    go_through_orders(*state, orders, sizeof orders / sizeof *orders);
}

// A connector reads a post when it gets to it: what two were brought first need not be the same.
static void each_brand_hears_of_what_the_other_was_brought_first(void **state)
{
    static const struct order orders[] = {
        { "AB", { "s", "h" } },  { "AB", { "h", "b" } },   { "AB", { "a", "b" } },
        { "ABh", { "s", "h" } }, { "ABhk", { "o", "b" } }, { "ABhD", { "a", "b" } },
    };

    go_through_orders(*state, orders, sizeof orders / sizeof *orders);
}

// ---- bounds ----

static const struct behalf_taken *taken(struct world *world, struct behalf_message message)
{
    const struct behalf_message *answer = world_ask(world, FEED, message);

    expect_type(answer, BEHALF_TAKEN);
    return &answer->taken;
}

static void bring(struct world *world, const char *brand, const char *id)
{
    taken(world, ABOUT(POST, post, .channel = "chirp", .post = id, .brand = brand, .author = id, .text = "hello there",
                       .posted_ms = world->now_ms));
}

static void edit(struct world *world, const char *id, const char *text)
{
    taken(world, ABOUT(EDIT, edit, .channel = "chirp", .post = id, .text = text));
}

static void count_early(void *self, const struct early_record *early)
{
    (void) early;
    ++*(size_t *) self;
}

static size_t all_early(struct world *world)
{
    size_t count = 0;

    memory_disk_visit(world->disk, &(struct memory_visit){ .self = &count, .early = count_early });
    return count;
}

// Of more texts than are kept none may be forgotten in silence: PR looks at what came so late.
static void a_post_with_more_texts_than_are_kept_is_prs(void **state)
{
    struct world *world = *state;

    for (int crash = 0; crash < 2; crash++) {
        char id[16], text[32];
        snprintf(id, sizeof id, "m%d", crash);
        sign_in_all(world);
        bring(world, "acme", id);
        for (int i = 1; i <= DESK_EARLY_TEXTS_MAX + 1; i++) {
            snprintf(text, sizeof text, "text %d", i);
            edit(world, id, text);
        }
        assert_int_equal(outcome_of(world, id).early, DESK_EARLY_TEXTS_MAX);
        if (crash) {
            begin_again(world);
        }
        bring(world, "bolt", id);
        struct outcome outcome = outcome_of(world, id);
        assert_true(outcome.sealed[1]);
        assert_false(outcome.sealed[0]);
        assert_string_equal(outcome.texts[1], text);
        assert_int_equal(outcome.early, 0);
        const struct behalf_message *shown = world_told(world, PETRA, BEHALF_ITEM);
        assert_non_null(shown);
        assert_int_equal(shown->item.item, outcome.items[1]);
        assert_string_equal(shown->item.reason, "not every text that its author gave it could be kept");
    }
}

// Four texts are all kept: none of them is a reason for PR.
static void a_post_with_as_many_texts_as_are_kept_is_not(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    bring(world, "acme", "p");
    for (int i = 1; i <= DESK_EARLY_TEXTS_MAX; i++) {
        char text[32];
        snprintf(text, sizeof text, "text %d", i);
        edit(world, "p", text);
    }
    bring(world, "bolt", "p");
    assert_false(outcome_of(world, "p").sealed[1]);
}

// As long as a post may be, after a beginning.
static void edit_at_length(struct world *world, const char *id, const char *beginning)
{
    static char text[BEHALF_POST_BYTES + 1];

    memset(text, ' ', BEHALF_POST_BYTES);
    memcpy(text, beginning, strlen(beginning));
    text[BEHALF_POST_BYTES - 1] = '.';
    edit(world, id, text);
}

// Edits of posts that some brand has fill half the room; the other half stays for what nobody has.  A desk that had to
// let go of a text has PR look, for as long as the text would have been kept, over a crash as well.
static void a_desk_without_room_lets_pr_look(void **state)
{
    struct world *world = *state;
    size_t number = 0;

    sign_in_all(world);
    bring(world, "acme", "before");
    for (size_t i = 0; i < DESK_EARLY_BYTES_MAX / 2 / BEHALF_POST_BYTES / DESK_EARLY_TEXTS_MAX + 1; i++) {
        char id[16];
        snprintf(id, sizeof id, "f%zu", i);
        bring(world, "acme", id);
        for (size_t k = 0; k < DESK_EARLY_TEXTS_MAX; k++) {
            char beginning[24];
            snprintf(beginning, sizeof beginning, "text %zu", number++);
            edit_at_length(world, id, beginning);
        }
        forget_all(world);
    }
    assert_in_range(all_early(world), number / 2, number);
    edit_at_length(world, "before", "it caught fire at noon");
    edit_at_length(world, "before", "a harmless text");
    assert_int_equal(outcome_of(world, "before").early, 0);
    assert_true(
        taken(world, ABOUT(EDIT, edit, .channel = "chirp", .post = "nobody's", .text = "an early edit"))->early);
    begin_again(world);
    bring(world, "bolt", "before");
    assert_true(outcome_of(world, "before").sealed[1]);
    bring(world, "acme", "never edited");
    bring(world, "bolt", "never edited");
    assert_false(outcome_of(world, "never edited").sealed[1]);
    world_pass(world, DESK_EARLY_MS);
    assert_int_equal(all_early(world), 0);
    sign_in_all(world);
    bring(world, "bolt", "f0");
    assert_false(outcome_of(world, "f0").sealed[1]);
}

static void what_a_brand_never_brings_is_forgotten_after_a_day(void **state)
{
    struct world *world = *state;

    sign_in_all(world);
    bring(world, "acme", "p");
    edit(world, "p", "you will hear from my lawyer");
    edit(world, "p", "never mind the parcel");
    assert_int_equal(outcome_of(world, "p").early, 2);
    world_pass(world, DESK_EARLY_MS);
    assert_int_equal(all_early(world), 0);
    sign_in_all(world);
    bring(world, "acme", "q");
    edit(world, "q", "you will hear from my lawyer");
    assert_int_equal(outcome_of(world, "q").early, 1);
    taken(world, ABOUT(DELETE, delete_post, .channel = "chirp", .post = "q"));
    assert_int_equal(all_early(world), 0);
}

static void a_desk_with_one_brand_keeps_nothing(void **state)
{
    struct world *world = *state;

    world_begin_with(world, "desk: test\n"
                            "channels: { chirp: {} }\n"
                            "agencies: [Northline]\n"
                            "brands:\n"
                            "  acme: { display_name: Acme, languages: [en], disclosure: \"{agency}, {brand}\" }\n"
                            "people:\n"
                            "  petra: { display_name: Petra, roles: [pr], brands: all, languages: all }\n");
    expect_type(world_hello(world, FEED, "connector", "feed"), BEHALF_WELCOME);
    bring(world, "acme", "p");
    edit(world, "p", "never mind the parcel");
    assert_int_equal(all_early(world), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_brand_hears_of_each_text_in_every_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_brand_hears_of_what_the_other_was_brought_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_post_with_more_texts_than_are_kept_is_prs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_post_with_as_many_texts_as_are_kept_is_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_desk_without_room_lets_pr_look, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_a_brand_never_brings_is_forgotten_after_a_day, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_desk_with_one_brand_keeps_nothing, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
