// desk_counts_test.c - what the desk counts as it goes agrees with what a walk over everything finds, and listings come
// in pages that no number of other people's items makes long to find.

#include "broker/desk/parts.h"
#include "tests/unit/desk_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static uint64_t next_random(uint64_t *random)
{
    *random = *random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return *random >> 33;
}

// ---- in the order of ids ----

enum { IDS = 4000 };

struct thing {
    uint64_t id;
};

static uint64_t id_of(size_t i)
{
    return i < IDS / 2 ? i + 1 : ((uint64_t) i << 31) + i % 3; // dense ones, and such that a run does not hold many
}

static void expect_order(const struct by_id *by_id, struct thing *const *things)
{
    uint64_t after = 0;
    for (size_t i = 0; i < IDS; i++) {
        if (things[i] == NULL) {
            continue;
        }
        assert_ptr_equal(by_id_next(by_id, after, &after), things[i]);
        assert_int_equal(after, things[i]->id);
    }
    assert_null(by_id_next(by_id, after, &after));
}

static void order_of_ids_agrees_with_what_was_put_and_removed(void **state)
{
    (void) state;
    struct pool pool = { .element_bytes = sizeof(struct thing) };
    struct by_id by_id = { .pool = &pool };
    static struct thing *things[IDS];
    static uint32_t numbers[IDS];
    uint64_t random = 7;
    for (int step = 0; step < 100000; step++) {
        // First mostly more, then mostly fewer, in no order.
        size_t i = next_random(&random) % IDS;
        bool wanted = next_random(&random) % 4 > (step < 50000 ? 0u : 2u);
        if (wanted && things[i] == NULL) {
            things[i] = pool_take(&pool, &numbers[i]);
            things[i]->id = id_of(i);
            by_id_put(&by_id, id_of(i), numbers[i]);
        } else if (!wanted && things[i] != NULL) {
            by_id_remove(&by_id, id_of(i));
            pool_give(&pool, numbers[i]);
            things[i] = NULL;
        }
        assert_ptr_equal(by_id_find(&by_id, id_of(i)), things[i]);
        if (step % 1000 == 0) {
            by_id_check(&by_id);
            expect_order(&by_id, things);
        }
    }
    by_id_fini(&by_id);
    pool_fini(&pool);
}

// ---- counts ----

// A queue's row as a walk over all items gives it.
static void expect_row(const struct desk *desk, const struct behalf_queue_count *row, int64_t now_ms)
{
    int64_t waiting = 0, late = 0, oldest_ms = 0, people = 0;
    const struct queue *queue = NULL;
    uint64_t after = 0;
    for (const struct item *item; (item = item_next(desk, &after));) {
        if (strcmp(audience_name(item->queue->audience), row->audience) != 0 ||
            strcmp(desk->policy->brands[item->queue->brand].name, row->brand) != 0 ||
            strcmp(desk->policy->languages[item->queue->language].name, row->language) != 0 ||
            strcmp(item->queue->skills_text, row->skills) != 0) {
            continue;
        }
        queue = item->queue;
        late += item->due_ms && item->due_ms <= now_ms;
        waiting += item->state == ITEM_WAITING;
        if (item->state == ITEM_WAITING && now_ms - item->created_ms > oldest_ms) {
            oldest_ms = now_ms - item->created_ms;
        }
    }
    assert_non_null(queue);
    for (size_t i = 0; i < desk->person_count; i++) {
        people += person_may_serve(desk, desk->people[i], queue) && desk->people[i]->session &&
                  desk->people[i]->presence == PRESENCE_AVAILABLE;
    }
    assert_int_equal(row->waiting, waiting);
    assert_int_equal(row->late, late);
    assert_int_equal(row->oldest_ms, oldest_ms);
    assert_int_equal(row->people, people);
}

static void expect_counts(const struct world *world)
{
    struct change_list *memory = change_list_new();
    struct behalf_counts counts = { 0 };
    desk_count(world->desk, memory, &counts, world->now_ms);
    for (size_t i = 0; i < counts.queues_count; i++) {
        expect_row(world->desk, &counts.queues[i], world->now_ms);
    }
    for (size_t i = 0; i < counts.people_count; i++) {
        const struct behalf_person_count *row = &counts.people[i];
        const struct person *person = world->desk->people[policy_find_person(&world->policy, row->name)];
        int64_t offered = 0, held = 0;
        for (size_t k = 0; k < person->item_count; k++) {
            offered += person->items[k]->state == ITEM_OFFERED;
            held += person->items[k]->state == ITEM_HELD;
        }
        assert_int_equal(row->offered, offered);
        assert_int_equal(row->held, held);
    }
    change_list_destroy(&memory);
}

// What somebody does with what they have.
static void do_something(struct world *world, uint64_t session, struct person *person, uint64_t choice)
{
    struct behalf_message request = { .type = BEHALF_TAKE };
    if (!person->item_count) {
        return;
    }
    const struct item *item = person->items[choice % person->item_count];
    int64_t id = (int64_t) item->id;
    int64_t lease = item->lease;
    if (item->state == ITEM_OFFERED) {
        request.type = choice % 5 ? BEHALF_TAKE : BEHALF_DECLINE;
        request.take = (struct behalf_take){ .item = id, .lease = lease };
        if (request.type == BEHALF_DECLINE) {
            request.decline = (struct behalf_decline){ .item = id, .lease = lease, .reason = "" };
        }
    } else if (choice % 4 == 0) {
        request.type = BEHALF_PARK;
        request.park = (struct behalf_park){
            .item = id, .lease = lease, .until_ms = world->now_ms + 1000 * (int64_t) (choice % 900 + 1), .reason = ""
        };
    } else if (choice % 4 == 1 && item->queue->audience == AUDIENCE_AGENT) {
        request.type = BEHALF_ESCALATE;
        request.escalate = (struct behalf_escalate){ .item = id, .lease = lease, .reason = "for you" };
    } else if (choice % 4 == 2) {
        request.type = BEHALF_ANSWER;
        request.answer = (struct behalf_answer){ .item = id, .lease = lease, .text = "thanks" };
    } else {
        request.type = BEHALF_CLOSE;
        request.close = (struct behalf_close){ .item = id, .lease = lease, .outcome = "no-answer-needed", .note = "" };
    }
    world_ask(world, session, request);
}

static void counts_kept_agree_with_a_walk(void **state)
{
    (void) state;
    struct world world;
    char id[32];
    uint64_t random = 3, sessions[PEOPLE] = { 0 };
    world_init(&world);
    world.brands[ACME].service_level_ms[AUDIENCE_AGENT] = 600000;
    world.brands[ACME].service_level_ms[AUDIENCE_PR] = 200000;
    world_start(&world);
    for (int step = 0; step < 3000; step++) {
        uint64_t choice = next_random(&random);
        uint32_t who = (uint32_t) (choice / 7 % (PIA + 1));
        if (choice % 7 < 2) {
            snprintf(id, sizeof id, "post %d", step);
            world_post(&world, (struct world_post){ .id = id,
                                                    .brand = choice / 8 % 2,
                                                    .channel = choice / 16 % 2,
                                                    .sensitive = choice / 32 % 5 == 0 });
        } else if (choice % 7 == 2) {
            world_pass(&world, (int64_t) (next_random(&random) % 60000));
        } else if (!sessions[who]) {
            sessions[who] = world_sign_in(&world, who);
        } else if (choice % 53 == 0) {
            desk_session_left(world.desk, sessions[who], world.now_ms);
            sessions[who] = 0;
        } else if (choice % 53 == 1) {
            desk_session_lost(world.desk, sessions[who], world.now_ms);
            sessions[who] = 0;
        } else if (choice % 53 == 2) {
            world_restart(&world);
            memset(sessions, 0, sizeof sessions);
        } else {
            do_something(&world, sessions[who], world.desk->people[who], next_random(&random));
        }
        world_pass(&world, 0);
        expect_counts(&world);
    }
    world_fini(&world);
}

// ---- listings ----

static struct behalf_listing look(const struct world *world, struct change_list *memory, uint64_t session,
                                  struct behalf_look asked)
{
    struct behalf_listing listing = { 0 };
    enum sight *sights;
    asked.audience = asked.audience != NULL ? asked.audience : "";
    asked.brand = asked.brand != NULL ? asked.brand : "";
    desk_look(world->desk, session, &asked, memory, &listing, &sights, world->now_ms);
    return listing;
}

static struct item_record waiting(const struct world *world, uint64_t id, const char *brand, bool with_pr)
{
    return (struct item_record){ .item = id,
                                 .brand = brand,
                                 .channel = "chirp",
                                 .audience = with_pr ? "pr" : "agent",
                                 .language = "en",
                                 .skills = "",
                                 .state = ITEM_WAITING,
                                 .sealed = with_pr,
                                 .created_ms = world->now_ms,
                                 .since_ms = world->now_ms,
                                 .person = "",
                                 .preferred = "",
                                 .thread_key = id,
                                 .author_key = id,
                                 .posts = 1,
                                 .numbered = 1,
                                 .reason = "",
                                 .escalated = "",
                                 .draft_by = "",
                                 .outcome = "" };
}

// Of three times as many items as are looked at for a page, one in the middle and two at the end are of fizz.
static void pages_lead_past_what_is_not_asked_for(void **state)
{
    (void) state;
    enum { COUNT = 3 * DESK_LOOK_AT_MAX, MIDDLE = COUNT / 2 };
    struct world world;
    char reason[256];
    world_init(&world);
    world_start(&world);
    desk_restore_position(world.desk, 1, COUNT + 1, world.now_ms);
    for (uint64_t id = 1; id <= COUNT; id++) {
        bool fizz = id == MIDDLE || id >= COUNT - 1;
        struct item_record record = waiting(&world, id, fizz ? "fizz" : "acme", fizz);
        assert_true(desk_restore_item(world.desk, &record, reason, sizeof reason));
    }
    desk_restored(world.desk, world.now_ms);
    uint64_t sam = world_sign_in(&world, SAM);
    const struct behalf_look filters[] = { { .brand = "fizz", .limit = 2 }, { .audience = "pr", .limit = 2 } };
    for (size_t i = 0; i < 4; i++) {
        uint64_t session = i < 2 ? 0 : sam;
        struct behalf_look asked = filters[i % 2];
        struct change_list *memory = change_list_new();
        int64_t found[8];
        size_t count = 0, pages = 0;
        bool more = true;
        for (; more; pages++) {
            struct behalf_listing listing = look(&world, memory, session, asked);
            assert_true(listing.items_count <= 2);
            for (size_t k = 0; k < listing.items_count; k++) {
                found[count++] = listing.items[k].item;
            }
            more = listing.more;
            assert_true(!more || listing.next > asked.after);
            assert_true(more || !listing.next);
            asked.after = listing.next;
        }
        assert_in_range(pages, 3, 5);
        assert_int_equal(count, 3);
        assert_int_equal(found[0], MIDDLE);
        assert_int_equal(found[1], COUNT - 1);
        assert_int_equal(found[2], COUNT);
        change_list_destroy(&memory);
    }
    world_fini(&world);
}

// As before there was a position to go on from: the last row's id does, and a full page says whether it is the last.
static void last_full_page_says_that_there_is_no_more(void **state)
{
    (void) state;
    struct world world;
    struct change_list *memory = change_list_new();
    world_init(&world);
    world_start(&world);
    for (int i = 0; i < 4; i++) {
        world_post(&world, (struct world_post){ .id = (const char *[]){ "a", "b", "c", "d" }[i], .brand = i == 3 });
    }
    struct behalf_listing listing = look(&world, memory, 0, (struct behalf_look){ .brand = "acme", .limit = 2 });
    assert_int_equal(listing.items_count, 2);
    assert_true(listing.more);
    assert_int_equal(listing.next, listing.items[1].item);
    listing = look(&world, memory, 0, (struct behalf_look){ .brand = "acme", .limit = 1, .after = listing.next });
    assert_int_equal(listing.items_count, 1);
    assert_false(listing.more);
    assert_int_equal(listing.next, 0);
    change_list_destroy(&memory);
    world_fini(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_of_ids_agrees_with_what_was_put_and_removed),
        cmocka_unit_test(counts_kept_agree_with_a_walk),
        cmocka_unit_test(pages_lead_past_what_is_not_asked_for),
        cmocka_unit_test(last_full_page_says_that_there_is_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
