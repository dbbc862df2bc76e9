// desk_people_test.c - who is offered what, who is taken to be away, and what returns from people's hands.

#include "broker/desk/wording.h"
#include "tests/unit/desk_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ABOUT(kind, field, ...) ((struct behalf_message){ .type = BEHALF_##kind, .field = { __VA_ARGS__ } })

// Three equal agents who answer in English, with places for `capacity` each: ASHA, BEN and SAM.  PIA is PR.
static void equals(struct world *world, uint32_t capacity)
{
    world->people[ASHA].skills = 0;
    memset(world->people[ASHA].skill_level, 0, sizeof world->people[ASHA].skill_level);
    world->people[ASHA].capacity = capacity;
    for (uint32_t i = 0; i < PEOPLE; i++) {
        if (i != BEN && i != SAM) {
            continue;
        }
        char *name = world->people[i].name;
        world->people[i] = world->people[ASHA];
        world->people[i].name = name;
    }
}

// Somebody of the three learns German as well.
static void teach_german(struct world *world, uint32_t person)
{
    world->people[person].languages |= 1u << DE;
    world->people[person].language_level[DE] = 5;
}

static int set_up(void **state)
{
    static struct world world;
    world_init(&world);
    equals(&world, 5);
    world_start(&world);
    *state = &world;
    return 0;
}

static int tear_down(void **state)
{
    world_fini(*state);
    return 0;
}

static uint64_t post(struct world *world, const char *id)
{
    return world_post(world, (struct world_post){ .id = id });
}

// Posts a number of them, named from `first` on.
static void posts(struct world *world, char first, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        post(world, (char[]){ (char) (first + (char) i), '\0' });
    }
}

static void take(struct world *world, uint64_t session, uint64_t item)
{
    const struct behalf_message *answer = world_ask(
        world, session, ABOUT(TAKE, take, .item = (int64_t) item, .lease = world_lease(world, session, item)));
    assert_int_equal(answer->type, BEHALF_DONE);
    assert_string_equal(answer->done.state, "held");
}

static void close_item(struct world *world, uint64_t session, uint64_t item)
{
    const struct behalf_message *answer = world_ask(
        world, session,
        ABOUT(CLOSE, close, .item = (int64_t) item, .lease = world_lease(world, session, item), .outcome = "noise"));
    assert_int_equal(answer->type, BEHALF_DONE);
}

// What the event that last gave the item to somebody says, in words.
static const char *why(const struct world *world, uint64_t item)
{
    static char memory[BEHALF_DETAIL_BYTES + 1];
    const char *detail = "";
    const char *person = "";
    for (const struct change *change = change_list_changes(world->list); change != NULL; change = change->next) {
        if (change->kind == CHANGE_EVENT && change->event.item == item && !strcmp(change->event.kind, "offered")) {
            detail = change->event.detail, person = change->event.person;
        }
    }
    return wording_of(detail, person, memory, sizeof memory);
}

static void expect_in_hand(const struct world *world, size_t asha, size_t ben, size_t sam)
{
    assert_int_equal(desk_items_of(world->desk, ASHA), asha);
    assert_int_equal(desk_items_of(world->desk, BEN), ben);
    assert_int_equal(desk_items_of(world->desk, SAM), sam);
}

static void sign_all_in(struct world *world, uint64_t sessions[3])
{
    sessions[0] = world_sign_in(world, ASHA);
    sessions[1] = world_sign_in(world, BEN);
    sessions[2] = world_sign_in(world, SAM);
}

// ---- spreading ----

static void nine_posts_are_three_for_each_of_three(void **state)
{
    uint64_t sessions[3];
    sign_all_in(*state, sessions);
    posts(*state, 'a', 9);
    expect_in_hand(*state, 3, 3, 3);
}

static void five_posts_are_two_two_and_one(void **state)
{
    uint64_t sessions[3];
    sign_all_in(*state, sessions);
    posts(*state, 'a', 5);
    expect_in_hand(*state, 2, 2, 1);
}

static void three_posts_are_one_for_each_at_capacity_two(void **state)
{
    struct world *world = *state;
    uint64_t sessions[3];
    world->people[ASHA].capacity = world->people[BEN].capacity = world->people[SAM].capacity = 2;
    sign_all_in(world, sessions);
    posts(world, 'a', 3);
    expect_in_hand(world, 1, 1, 1);
}

static void true_levels_flood_nobody(void **state)
{
    struct world *world = *state;
    uint64_t sessions[3];
    world->people[BEN].language_level[EN] = 10;
    world->people[ASHA].language_level[EN] = world->people[SAM].language_level[EN] = 9;
    sign_all_in(world, sessions);
    posts(world, 'a', 1);
    expect_in_hand(world, 0, 1, 0); // of equals in hand the better one
    posts(world, 'b', 4);
    expect_in_hand(world, 2, 2, 1);
}

static void a_brand_may_have_the_best_first(void **state)
{
    struct world *world = *state;
    uint64_t sessions[3];
    world->brands[ACME].choose[0] = CHOOSE_LEVEL;
    world->brands[ACME].choose[1] = CHOOSE_LEAST_IN_HAND;
    world->people[BEN].language_level[EN] = 10;
    sign_all_in(world, sessions);
    posts(world, 'a', 7);
    expect_in_hand(world, 1, 5, 1);
    assert_non_null(strstr(why(world, 1), "by level of skill, then least in hand"));
}

static void what_waited_is_spread_when_its_people_can_take_it(void **state)
{
    struct world *world = *state;
    uint64_t sessions[3];
    sign_all_in(world, sessions);
    for (size_t i = 0; i < 3; i++) {
        world_ask(world, sessions[i], ABOUT(PRESENCE, presence, .state = "away", .reason = "briefing"));
    }
    posts(world, 'a', 9);
    world->people[ASHA].capacity = world->people[BEN].capacity = world->people[SAM].capacity = 0;
    world_apply(world, &world->policy);
    for (size_t i = 0; i < 3; i++) {
        world_ask(world, sessions[i], ABOUT(PRESENCE, presence, .state = "available"));
    }
    world->people[ASHA].capacity = world->people[BEN].capacity = world->people[SAM].capacity = 5;
    world_apply(world, &world->policy); // all have room in one moment
    expect_in_hand(world, 3, 3, 3);
}

// ---- who is away ----

static void who_works_on_one_misses_no_other(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    posts(world, 'a', 5);
    take(world, asha, 1);
    for (int i = 0; i < 60; i++) {
        world_pass(world, world->policy.times.offer_ms);
    }
    assert_null(world_message(world, asha, BEHALF_PRESENCE));
    assert_string_equal(desk_presence_of(world->desk, ASHA), "available");
}

static void offers_that_run_at_the_same_time_are_missed_once(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    for (char id[2] = "a"; id[0] < 'f'; id[0]++) { // five, a little apart
        post(world, id);
        world_pass(world, 100);
    }
    uint64_t ben = world_sign_in(world, BEN); // to whom they go
    take(world, ben, post(world, "x"));
    world_pass(world, world->policy.times.offer_ms - 500);
    for (int i = 0; i < 5; i++) {
        world_pass(world, 100);
    }
    assert_int_equal(desk_items_of(world->desk, BEN), 5);
    assert_string_equal(desk_presence_of(world->desk, ASHA), "available");
    assert_null(world_message(world, asha, BEHALF_PRESENCE));
}

static void who_is_silent_is_away_after_so_many_in_a_row(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    posts(world, 'a', 2);
    for (uint32_t i = 1; i < world->policy.times.missed_offers; i++) {
        world_pass(world, world->policy.times.offer_ms);
        assert_null(world_message(world, asha, BEHALF_PRESENCE));
        posts(world, (char) ('f' + 2 * (int) i), 2);
    }
    world_pass(world, world->policy.times.offer_ms);
    assert_non_null(world_message(world, asha, BEHALF_PRESENCE));
    assert_string_equal(desk_presence_of(world->desk, ASHA), "away");
}

static void any_request_since_an_offer_shows_that_its_person_works(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    for (char id[2] = "a"; id[0] < 'k'; id[0] = (char) (id[0] + 2)) {
        uint64_t first = post(world, id), second = post(world, (char[]){ (char) (id[0] + 1), '\0' });
        take(world, asha, first);
        close_item(world, asha, first); // with nothing in hand, the other lapses
        world_pass(world, world->policy.times.offer_ms);
        assert_int_equal(desk_item_state(world->desk, second), ITEM_WAITING);
        assert_string_equal(desk_presence_of(world->desk, ASHA), "available");
        world_pass(world, 1);
    }
    assert_null(world_message(world, asha, BEHALF_PRESENCE));
}

static void a_request_before_an_offer_does_not_stand_for_it(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    world_ask(world, asha, ABOUT(PRESENCE, presence, .state = "available"));
    for (uint32_t i = 0; i < world->policy.times.missed_offers; i++) {
        post(world, (char[]){ (char) ('a' + (int) i), '\0' });
        world_pass(world, world->policy.times.offer_ms);
    }
    assert_string_equal(desk_presence_of(world->desk, ASHA), "away");
    (void) asha;
}

// ---- what only few can do ----

// BEN alone answers in German, all three in English.
static int set_up_german(void **state)
{
    int result = set_up(state);
    teach_german(*state, BEN);
    return result;
}

static void who_alone_has_a_language_answers_in_it_first(void **state)
{
    struct world *world = *state;
    world->people[ASHA].capacity = world->people[BEN].capacity = world->people[SAM].capacity = 1;
    uint64_t sessions[3];
    sign_all_in(world, sessions);
    uint64_t first = world_post(world, (struct world_post){ .id = "1", .language = DE });
    take(world, sessions[1], first);
    posts(world, 'a', 2); // to the other two
    take(world, sessions[0], first + 1);
    take(world, sessions[2], first + 2);
    uint64_t urgent = world_post(world, (struct world_post){ .id = "u", .band = 0 });
    world_pass(world, 1000);
    uint64_t german = world_post(world, (struct world_post){ .id = "2", .language = DE, .band = 3 });
    close_item(world, sessions[1], first);
    assert_int_equal(desk_item_state(world->desk, urgent), ITEM_WAITING);
    assert_int_not_equal(world_lease(world, sessions[1], german), 0);
    assert_non_null(strstr(why(world, german), "ahead of what more people can do, as 1 of those there can do this"));
    take(world, sessions[1], german);
    close_item(world, sessions[1], german); // no German waits: nobody is idle beside work
    assert_int_not_equal(world_lease(world, sessions[1], urgent), 0);
}

static void what_nobody_else_comes_to_gets_the_scarce_one_all_the_same(void **state)
{
    struct world *world = *state;
    world->people[ASHA].capacity = world->people[BEN].capacity = world->people[SAM].capacity = 1;
    world->policy.times.offer_ms = 24 * 3600000;
    uint64_t sessions[3];
    sign_all_in(world, sessions);
    uint64_t first = world_post(world, (struct world_post){ .id = "1", .language = DE });
    posts(world, 'a', 2);
    uint64_t english = world_post(world, (struct world_post){ .id = "e", .band = 3 });
    uint64_t german = world_post(world, (struct world_post){ .id = "2", .language = DE });
    uint64_t next = world_post(world, (struct world_post){ .id = "3", .language = DE });
    uint64_t further = world_post(world, (struct world_post){ .id = "f", .band = 3 });
    world_pass(world, world->policy.times.keep_ms);
    take(world, sessions[1], first);
    close_item(world, sessions[1], first);
    assert_int_not_equal(world_lease(world, sessions[1], english), 0);
    assert_non_null(strstr(why(world, english), "nobody else came to it"));
    take(world, sessions[1], english);
    close_item(world, sessions[1], english); // one at a time: now German again
    assert_int_not_equal(world_lease(world, sessions[1], german), 0);
    assert_int_equal(desk_item_state(world->desk, next), ITEM_WAITING);
    assert_int_equal(desk_item_state(world->desk, further), ITEM_WAITING);
}

static void the_last_place_of_a_scarce_person_is_kept_while_others_have_room(void **state)
{
    struct world *world = *state;
    world->people[ASHA].capacity = world->people[BEN].capacity = world->people[SAM].capacity = 2;
    uint64_t sessions[3];
    sign_all_in(world, sessions);
    uint64_t german = world_post(world, (struct world_post){ .id = "1", .language = DE });
    posts(world, 'a', 4); // ben has one place left
    expect_in_hand(world, 2, 1, 2);
    assert_non_null(strstr(why(world, german + 4), "ben keeps the last free place for agent/acme/de/"));
    post(world, "z"); // nobody else has room
    expect_in_hand(world, 2, 2, 2);
}

static void nothing_is_kept_for_few_where_the_rules_say_so(void **state)
{
    struct world *world = *state;
    world->policy.few = 0;
    world->people[ASHA].capacity = world->people[BEN].capacity = world->people[SAM].capacity = 2;
    uint64_t sessions[3];
    sign_all_in(world, sessions);
    world_post(world, (struct world_post){ .id = "1", .language = DE });
    posts(world, 'a', 3);
    expect_in_hand(world, 2, 1, 1);
    posts(world, 'f', 1);
    expect_in_hand(world, 2, 2, 1);
}

static void who_is_away_does_not_count_as_somebody_who_can(void **state)
{
    struct world *world = *state;
    world->people[ASHA].capacity = world->people[BEN].capacity = world->people[SAM].capacity = 1;
    teach_german(world, SAM);
    teach_german(world, ASHA); // three can: not few
    uint64_t sessions[3];
    sign_all_in(world, sessions);
    posts(world, 'a', 3);
    uint64_t english = post(world, "e");
    world_pass(world, 1000);
    uint64_t german = world_post(world, (struct world_post){ .id = "1", .language = DE });
    take(world, sessions[0], 1);
    close_item(world, sessions[0], 1);
    assert_int_not_equal(world_lease(world, sessions[0], english), 0);
    assert_int_equal(desk_item_state(world->desk, german), ITEM_WAITING);
}

// ---- for one person first ----

static uint64_t answered_by(struct world *world, uint64_t session, const char *id)
{
    uint64_t item = world_post(world, (struct world_post){ .id = id, .author = "zoe" });
    take(world, session, item);
    world_ask(world, session,
              ABOUT(ANSWER, answer, .item = (int64_t) item, .lease = world_lease(world, session, item), .text = "Hi."));
    return item;
}

static void a_preference_ends_with_signing_out(void **state)
{
    struct world *world = *state;
    world->people[ASHA].capacity = 1;
    uint64_t asha = world_sign_in(world, ASHA);
    answered_by(world, asha, "1");
    post(world, "2");
    uint64_t second = world_post(world, (struct world_post){ .id = "3", .author = "zoe" });
    desk_session_left(world->desk, asha, world->now_ms);
    uint64_t ben = world_sign_in(world, BEN);
    assert_int_not_equal(world_lease(world, ben, second), 0);
    assert_string_equal(world_change(world, CHANGE_ITEM)->item.preferred, "");
}

static void who_frees_a_place_first_gets_what_was_for_somebody_else(void **state)
{
    struct world *world = *state;
    world->people[ASHA].capacity = world->people[BEN].capacity = 1;
    uint64_t asha = world_sign_in(world, ASHA);
    answered_by(world, asha, "1");
    uint64_t ben = world_sign_in(world, BEN);
    posts(world, 'a', 2);
    uint64_t zoes = world_post(world, (struct world_post){ .id = "z", .author = "zoe" });
    uint64_t of_ben = world_lease(world, ben, zoes - 1) ? zoes - 1 : zoes - 2;
    take(world, ben, of_ben);
    close_item(world, ben, of_ben);
    assert_int_not_equal(world_lease(world, ben, zoes), 0);
}

static void what_was_transferred_to_somebody_waits_for_them(void **state)
{
    struct world *world = *state;
    world->policy.times.offer_ms = world->policy.times.prefer_ms;
    world->people[BEN].capacity = 1;
    uint64_t ben = world_sign_in(world, BEN);
    take(world, ben, post(world, "1"));
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t sam = world_sign_in(world, SAM);
    uint64_t item = post(world, "2");
    uint64_t who = world_lease(world, asha, item) ? asha : sam;
    take(world, who, item);
    world_ask(world, who,
              ABOUT(TRANSFER, transfer, .item = (int64_t) item, .lease = world_lease(world, who, item), .person = "ben",
                    .reason = "knows it"));
    assert_int_equal(desk_item_state(world->desk, item), ITEM_WAITING);
    world_pass(world, world->policy.times.prefer_ms);
    assert_int_equal(desk_item_state(world->desk, item), ITEM_OFFERED); // to the third
}

// ---- nothing is held for ever ----

static int set_up_late(void **state)
{
    int result = set_up(state);
    struct world *world = *state;
    world->brands[ACME].service_level_ms[AUDIENCE_AGENT] = 10000;
    world->brands[ACME].escalate_late = true;
    return result;
}

static const char *gone(const struct world *world, uint64_t session)
{
    const struct behalf_message *message = world_message(world, session, BEHALF_GONE);
    return message != NULL ? message->gone.reason : "";
}

static void a_held_item_that_is_late_goes_to_pr_with_its_draft(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t pia = world_sign_in(world, PIA);
    uint64_t item = post(world, "1");
    take(world, asha, item);
    world_ask(world, asha, ABOUT(DRAFT, draft, .item = (int64_t) item, .lease = 1, .text = "We are"));
    world_pass(world, 9999);
    assert_int_equal(world_lease(world, pia, item), 0);
    world_pass(world, 1);
    assert_string_equal(gone(world, asha), "missed its service level");
    assert_int_not_equal(world_lease(world, pia, item), 0);
    assert_string_equal(world_change(world, CHANGE_ITEM)->item.draft_by, "asha");
    assert_int_equal(world_change(world, CHANGE_SEAL)->seal.item, item);
    assert_int_equal(world_events(world, item, "late"), 1);
}

static void an_offer_that_is_late_goes_to_pr(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = post(world, "1");
    world_pass(world, 10000);
    assert_string_equal(gone(world, asha), "missed its service level");
    assert_int_not_equal(world_lease(world, world_sign_in(world, PIA), item), 0);
    assert_string_equal(desk_presence_of(world->desk, ASHA), "available");
}

static void a_parked_item_that_is_late_goes_to_pr(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = post(world, "1");
    take(world, asha, item);
    world_ask(world, asha, ABOUT(PARK, park, .item = (int64_t) item, .lease = 1, .until_ms = world->now_ms + 3600000));
    world_pass(world, 10000);
    assert_int_not_equal(world_lease(world, world_sign_in(world, PIA), item), 0);
}

static void what_became_late_while_the_broker_was_down_goes_to_pr(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = post(world, "1");
    take(world, asha, item);
    world->now_ms += 11000;
    world_restart(world);
    world_pass(world, 0);
    assert_int_not_equal(world_lease(world, world_sign_in(world, PIA), item), 0);
    assert_int_equal(world_events(world, item, "late"), 1);
}

static void a_held_item_that_is_late_stays_where_the_brand_escalates_nothing(void **state)
{
    struct world *world = *state;
    world->brands[ACME].escalate_late = false;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = post(world, "1");
    take(world, asha, item);
    world_pass(world, 20000);
    assert_int_equal(desk_item_state(world->desk, item), ITEM_HELD);
    assert_int_equal(world_events(world, item, "late"), 1);
    world_pass(world, 20000);
    assert_int_equal(world_events(world, item, "late"), 1);
}

static void a_hold_that_nobody_touches_returns_to_others(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = post(world, "1");
    take(world, asha, item);
    uint64_t ben = world_sign_in(world, BEN);
    world_pass(world, world->policy.times.hold_ms - 1);
    world_ask(world, asha, ABOUT(DRAFT, draft, .item = (int64_t) item, .lease = 1, .text = "We are"));
    world_pass(world, world->policy.times.hold_ms - 1);
    desk_heard(world->desk, asha, item, world->now_ms); // a PREVIEW
    world_pass(world, world->policy.times.hold_ms - 1);
    assert_int_equal(desk_item_state(world->desk, item), ITEM_HELD);
    world_pass(world, 1);
    assert_string_equal(gone(world, asha), "held too long without anything being done about it");
    assert_int_not_equal(world_lease(world, ben, item), 0);
    assert_string_equal(world_change(world, CHANGE_ITEM)->item.draft_by, "asha");
}

static void what_others_do_does_not_prolong_a_hold(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = post(world, "1"), other = post(world, "2");
    take(world, asha, item);
    take(world, asha, other);
    world_pass(world, world->policy.times.hold_ms - 1);
    world_ask(world, asha, ABOUT(NOTE, note, .item = (int64_t) other, .lease = 1, .text = "called"));
    world_ask(world, asha, ABOUT(NOTE, note, .item = (int64_t) item, .lease = 77, .text = "foreign"));
    uint64_t ben = world_sign_in(world, BEN);
    world_ask(world, ben, ABOUT(NOTE, note, .item = (int64_t) other, .lease = 1, .text = "not mine"));
    world_pass(world, world->policy.times.hold_ms);
    assert_int_equal(world_events(world, item, "untouched"), 1);
    assert_int_equal(world_events(world, other, "untouched"), 1);
}

static void a_restart_and_a_jump_give_holds_a_fresh_time(void **state)
{
    struct world *world = *state;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t item = post(world, "1");
    take(world, asha, item);
    world_pass(world, world->policy.times.hold_ms - 1);
    world_restart(world);
    asha = world_sign_in(world, ASHA);
    world_pass(world, world->policy.times.hold_ms - 1);
    world->now_ms += world->policy.times.hold_ms;
    desk_clock_jumped(world->desk, world->now_ms);
    world_pass(world, world->policy.times.hold_ms - 1);
    assert_int_equal(desk_item_state(world->desk, item), ITEM_HELD);
    world_pass(world, 1);
    assert_int_equal(world_events(world, item, "untouched"), 1);
}

// ---- taken back by a supervisor ----

static const struct behalf_message *recall(struct world *world, uint64_t session, uint64_t item)
{
    return world_ask(world, session, ABOUT(RECALL, recall, .item = (int64_t) item, .reason = "she has gone home"));
}

static void a_supervisor_puts_a_held_item_back(void **state)
{
    struct world *world = *state;
    world->people[ANN].audiences = 1u << AUDIENCE_SUPERVISOR;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t ann = world_sign_in(world, ANN);
    uint64_t item = post(world, "1");
    assert_string_equal(recall(world, asha, item)->error.code, "FORBIDDEN");
    take(world, asha, item);
    world_ask(world, asha, ABOUT(DRAFT, draft, .item = (int64_t) item, .lease = 1, .text = "We are"));
    assert_string_equal(recall(world, ann, item)->done.state, "waiting");
    assert_string_equal(gone(world, asha), "returned to its queue by ann: she has gone home");
    assert_int_equal(desk_item_state(world->desk, item), ITEM_WAITING); // not to asha again
    assert_string_equal(recall(world, ann, item)->error.code, "STATE");
    assert_string_equal(recall(world, ann, 4711)->error.code, "NOT_FOUND");
    uint64_t ben = world_sign_in(world, BEN);
    assert_int_not_equal(world_lease(world, ben, item), 0);
    assert_string_equal(world_change(world, CHANGE_ITEM)->item.draft_by, "asha");
    world_ask(world, ben, ABOUT(TAKE, take, .item = (int64_t) item, .lease = 2));
    world_ask(world, ben, ABOUT(PARK, park, .item = (int64_t) item, .lease = 2, .until_ms = world->now_ms + 3600000));
    assert_string_equal(recall(world, ann, item)->done.state, "waiting"); // from where it is parked
    assert_int_equal(world_events(world, item, "recalled"), 2);
}

static void what_pr_has_is_not_a_supervisors_to_take(void **state)
{
    struct world *world = *state;
    world->people[ANN].audiences = 1u << AUDIENCE_SUPERVISOR;
    uint64_t pia = world_sign_in(world, PIA);
    uint64_t ann = world_sign_in(world, ANN);
    uint64_t item = world_post(world, (struct world_post){ .id = "1", .sensitive = true });
    assert_string_equal(recall(world, ann, item)->error.code, "FORBIDDEN");
    world->people[PIA].audiences |= 1u << AUDIENCE_SUPERVISOR;
    assert_string_equal(recall(world, pia, item)->done.state, "waiting");
    world->people[ANN].brands = 1u << FIZZ;
    uint64_t asha = world_sign_in(world, ASHA);
    uint64_t other = post(world, "2");
    take(world, asha, other);
    assert_string_equal(recall(world, ann, other)->error.code, "FORBIDDEN");
}

// ---- since when something waits ----

static void what_was_written_first_comes_first_however_it_came(void **state)
{
    struct world *world = *state;
    world->brands[ACME].service_level_ms[AUDIENCE_AGENT] = 4 * 3600000;
    uint64_t items[4];
    for (int64_t hours = 0; hours < 4; hours++) {
        items[hours] = world_post(world, (struct world_post){ .id = (char[]){ (char) ('a' + hours), '\0' },
                                                              .posted_ms = world->now_ms - hours * 3600000 });
    }
    world->people[ASHA].capacity = 1;
    uint64_t asha = world_sign_in(world, ASHA);
    for (int hours = 3; hours >= 0; hours--) {
        struct behalf_item view;
        assert_true(desk_show_item(world->desk, asha, items[hours], (uint64_t) world_lease(world, asha, items[hours]),
                                   world->list, &view));
        assert_int_equal(view.due_ms, world->now_ms + (4 - hours) * 3600000);
        take(world, asha, items[hours]);
        close_item(world, asha, items[hours]);
    }
}

static void a_time_that_cannot_be_or_is_long_ago_does_not_count(void **state)
{
    struct world *world = *state;
    world->brands[ACME].service_level_ms[AUDIENCE_AGENT] = 3600000;
    int64_t posted[] = { world->now_ms + 3600000, world->now_ms - world->policy.times.posted_max_ms - 1, 1 };
    for (size_t i = 0; i < sizeof posted / sizeof *posted; i++) {
        world_post(world,
                   (struct world_post){ .id = (char[]){ (char) ('a' + (char) i), '\0' }, .posted_ms = posted[i] });
        assert_int_equal(world_change(world, CHANGE_ITEM)->item.created_ms, world->now_ms);
        assert_int_equal(world_change(world, CHANGE_ITEM)->item.due_ms, world->now_ms + 3600000);
    }
    world->policy.times.posted_max_ms = 0;
    world_post(world, (struct world_post){ .id = "z", .posted_ms = world->now_ms - 1000 });
    assert_int_equal(world_change(world, CHANGE_ITEM)->item.created_ms, world->now_ms);
}

static void an_old_post_does_not_expire_before_anybody_could_take_it(void **state)
{
    struct world *world = *state;
    world->policy.times.expire_ms = 3600000;
    uint64_t item = world_post(world, (struct world_post){ .id = "1", .posted_ms = world->now_ms - 7200000 });
    world_pass(world, 3599999);
    assert_int_equal(desk_item_state(world->desk, item), ITEM_WAITING);
    world_pass(world, 1);
    assert_string_equal(world_outcome(world, item), "expired");
}

#define LATE(name) cmocka_unit_test_setup_teardown(name, set_up_late, tear_down)
#define CLAIM(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define GERMAN(name) cmocka_unit_test_setup_teardown(name, set_up_german, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(nine_posts_are_three_for_each_of_three),
        CLAIM(five_posts_are_two_two_and_one),
        CLAIM(three_posts_are_one_for_each_at_capacity_two),
        CLAIM(true_levels_flood_nobody),
        CLAIM(a_brand_may_have_the_best_first),
        CLAIM(what_waited_is_spread_when_its_people_can_take_it),
        CLAIM(who_works_on_one_misses_no_other),
        CLAIM(offers_that_run_at_the_same_time_are_missed_once),
        CLAIM(who_is_silent_is_away_after_so_many_in_a_row),
        CLAIM(any_request_since_an_offer_shows_that_its_person_works),
        CLAIM(a_request_before_an_offer_does_not_stand_for_it),
        GERMAN(who_alone_has_a_language_answers_in_it_first),
        GERMAN(what_nobody_else_comes_to_gets_the_scarce_one_all_the_same),
        GERMAN(the_last_place_of_a_scarce_person_is_kept_while_others_have_room),
        GERMAN(nothing_is_kept_for_few_where_the_rules_say_so),
        GERMAN(who_is_away_does_not_count_as_somebody_who_can),
        CLAIM(a_preference_ends_with_signing_out),
        CLAIM(who_frees_a_place_first_gets_what_was_for_somebody_else),
        CLAIM(what_was_transferred_to_somebody_waits_for_them),
        LATE(a_held_item_that_is_late_goes_to_pr_with_its_draft),
        LATE(an_offer_that_is_late_goes_to_pr),
        LATE(a_parked_item_that_is_late_goes_to_pr),
        LATE(what_became_late_while_the_broker_was_down_goes_to_pr),
        LATE(a_held_item_that_is_late_stays_where_the_brand_escalates_nothing),
        CLAIM(a_hold_that_nobody_touches_returns_to_others),
        CLAIM(what_others_do_does_not_prolong_a_hold),
        CLAIM(a_restart_and_a_jump_give_holds_a_fresh_time),
        CLAIM(a_supervisor_puts_a_held_item_back),
        CLAIM(what_pr_has_is_not_a_supervisors_to_take),
        CLAIM(what_was_written_first_comes_first_however_it_came),
        CLAIM(a_time_that_cannot_be_or_is_long_ago_does_not_count),
        CLAIM(an_old_post_does_not_expire_before_anybody_could_take_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
