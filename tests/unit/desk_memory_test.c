// desk_memory_test.c - what the desk's items are kept in: pool, lookup, words; and what a waiting item costs.

#include "broker/desk/parts.h"
#include "tests/unit/desk_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <malloc.h>

#ifdef __has_feature // clang
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

#ifdef __SANITIZE_ADDRESS__
size_t __sanitizer_get_current_allocated_bytes(void); // gcc installs no header for it
static size_t allocated_bytes(void)
{
    return __sanitizer_get_current_allocated_bytes();
}
#else
static size_t allocated_bytes(void)
{
    struct mallinfo2 about = mallinfo2();
    return about.uordblks + about.hblkhd;
}
#endif

// ---- pool ----

struct thing {
    uint64_t key;
    uint32_t number;
};

static struct thing *take_thing(struct pool *pool, uint64_t key)
{
    uint32_t number;
    struct thing *thing = pool_take(pool, &number);

    assert_true(number > 0);
    assert_int_equal(thing->key, 0);
    thing->key = key;
    thing->number = number;
    return thing;
}

static void numbers_find_their_elements_also_after_others_went(void **state)
{
    (void) state;
    struct pool pool = { .element_bytes = sizeof(struct thing) };
    struct thing *things[5000];
    for (uint64_t i = 0; i < 5000; i++) {
        things[i] = take_thing(&pool, i + 1);
    }
    for (size_t i = 0; i < 5000; i += 3) {
        pool_give(&pool, things[i]->number);
    }
    for (size_t i = 0; i < 5000; i += 3) {
        things[i] = take_thing(&pool, i + 1);
    }
    assert_int_equal(pool.count, 5000);
    for (size_t i = 0; i < 5000; i++) {
        assert_ptr_equal(pool_at(&pool, things[i]->number), things[i]);
        assert_int_equal(things[i]->key, i + 1);
    }
    pool_fini(&pool);
}

static void empty_chunks_go_back_to_the_system(void **state)
{
    (void) state;
    struct pool pool = { .element_bytes = sizeof(struct thing) };
    size_t before = allocated_bytes();
    pool_give(&pool, take_thing(&pool, 1)->number);
    size_t one_chunk = allocated_bytes() - before;
    for (int round = 0; round < 3; round++) {
        static uint32_t numbers[20000];
        for (size_t i = 0; i < 20000; i++) {
            numbers[i] = take_thing(&pool, 1)->number;
        }
        assert_true(allocated_bytes() - before >= 20000 * sizeof(struct thing));
        for (size_t i = 0; i < 20000; i++) {
            pool_give(&pool, numbers[i]);
        }
        assert_true(allocated_bytes() - before <= one_chunk + 4096);
    }
    pool_fini(&pool);
}

// ---- lookup ----

static uint64_t thing_key(const void *element)
{
    return ((const struct thing *) element)->key;
}

static void lookup_agrees_with_what_was_put_and_removed(void **state)
{
    (void) state;
    struct pool pool = { .element_bytes = sizeof(struct thing) };
    struct lookup lookup = { .pool = &pool, .key = thing_key };
    enum { KEYS = 3000 };
    struct thing *things[KEYS] = { 0 };
    uint64_t random = 42;
    size_t count = 0;
    assert_null(lookup_find(&lookup, 1));
    for (int step = 0; step < 200000; step++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        size_t i = (size_t) (random >> 33) % KEYS;
        // Half of the keys are ids, half have hashes that meet at the end of the table and go on at its start.
        uint64_t key = i % 2 ? i : UINT64_MAX / UINT64_C(11400714819323198485) * i + (UINT64_C(1) << 63);
        if (things[i] == NULL) {
            things[i] = take_thing(&pool, key);
            lookup_put(&lookup, things[i]->number);
            count++;
        } else {
            lookup_remove(&lookup, things[i]->number);
            pool_give(&pool, things[i]->number);
            things[i] = NULL;
            count--;
        }
        assert_ptr_equal(lookup_find(&lookup, key), things[i]);
        assert_int_equal(lookup.count, count);
    }
    for (size_t i = 0; i < KEYS; i++) {
        if (things[i] != NULL) {
            assert_ptr_equal(lookup_find(&lookup, things[i]->key), things[i]);
        }
    }
    size_t seen = 0, place = 0;
    while (lookup_next(&lookup, &place) != NULL) {
        seen++;
    }
    assert_int_equal(seen, count);
    lookup_fini(&lookup);
    pool_fini(&pool);
}

// ---- words ----

static void equal_texts_are_kept_once_while_they_have_users(void **state)
{
    (void) state;
    struct words words;
    words_init(&words);
    char other[] = "sensitive legal";
    uint32_t one = words_keep(&words, "sensitive legal");
    assert_int_equal(words_keep(&words, other), one);
    assert_int_not_equal(words_keep(&words, "sensitive injury"), one);
    assert_int_equal(words.pool.count, 2);
    words_drop(&words, one);
    assert_string_equal(words_text(&words, one), "sensitive legal");
    words_drop(&words, one);
    assert_int_equal(words.pool.count, 1);
    assert_int_equal(words_keep(&words, ""), 0);
    assert_int_equal(words_keep(&words, NULL), 0);
    assert_string_equal(words_text(&words, 0), "");
    words_drop(&words, 0);
    words_fini(&words);
}

// ---- a waiting item ----

static struct item_record waiting(const struct world *world, uint64_t id, bool with_pr)
{
    return (struct item_record){
        .item = id,
        .brand = "acme",
        .channel = "reviews", // has a reply window
        .audience = with_pr ? "pr" : "agent",
        .language = "en",
        .skills = "",
        .state = ITEM_WAITING,
        .band = POLICY_BAND_NORMAL,
        .sealed = with_pr,
        .created_ms = world->now_ms - 1000,
        .due_ms = world->now_ms + 3600000 - 1000,
        .since_ms = world->now_ms - 1000,
        .person = "",
        .preferred = "",
        .thread_key = id * UINT64_C(0x9E3779B97F4A7C15),
        .author_key = id,
        .posts = 1,
        .numbered = 1,
        .reason = with_pr ? "sensitive legal" : "",
        .escalated = with_pr ? "sensitive legal" : "",
        .draft_by = "",
        .outcome = "",
    };
}

// At any number of items, as what they are kept in grows in steps.
static void waiting_item_costs_at_most_160_bytes(void **state)
{
    (void) state;
    struct world world;
    char reason[256];
    world_init(&world);
    world_start(&world);
    desk_restore_position(world.desk, 1, UINT64_C(1) << 40, world.now_ms);
    size_t before = allocated_bytes();
    double most = 0;
    for (uint64_t id = 1; id <= 300000; id++) {
        struct item_record record = waiting(&world, id, id % 4 == 0);
        assert_true(desk_restore_item(world.desk, &record, reason, sizeof reason));
        if (id < 20000 || id % 50) { // what there is once hardly counts from there on
            continue;
        }
        double bytes = (double) (allocated_bytes() - before) / (double) id;
        most = bytes > most ? bytes : most;
    }
    print_message("%.1f bytes a waiting item at most\n", most);
    assert_true(most <= 160);
    desk_restored(world.desk, world.now_ms);
    world_fini(&world);
}

// ---- queues ----

// A desk of enough skills that there may be 512 queues for English at acme alone.
static void start_with_skills(struct world *world)
{
    static struct policy_name skills[8] = { { "a", false }, { "b", false }, { "c", false }, { "d", false },
                                            { "e", false }, { "f", false }, { "g", false }, { "h", false } };
    world_init(world);
    world->policy.skills = skills;
    world->policy.skill_count = 8;
    world->people[ASHA].skills = 255;
    world->people[ASHA].capacity = 100;
    memset(world->people[ASHA].skill_level, 5, 8);
    world_start(world);
}

static void queues_that_nobody_needs_any_more_are_given_up(void **state)
{
    (void) state;
    struct world world;
    char id[32];
    start_with_skills(&world);
    uint64_t pia = world_sign_in(&world, PIA);
    uint64_t waiting = world_post(&world, (struct world_post){ .id = "stays", .skills = 3 });
    for (uint64_t i = 0; i < 512; i++) {
        snprintf(id, sizeof id, "post %d", (int) i);
        world_post(&world, (struct world_post){ .id = id, .skills = i % 256, .noise = true });
        assert_true(world.desk->queues.count <= QUEUES_EMPTY_MAX + 1);
    }
    assert_int_equal(world.desk->queues.count, QUEUES_EMPTY_MAX + 1);
    assert_int_equal(desk_item_state(world.desk, waiting), ITEM_WAITING);
    // Those that came to be while she was away, those made anew, and the one that was never empty: she serves them.
    uint64_t asha = world_sign_in(&world, ASHA);
    assert_int_not_equal(world_lease(&world, asha, waiting), 0);
    assert_int_equal(world.desk->people[ASHA]->seat_count, QUEUES_EMPTY_MAX + 1);
    uint64_t again = world_post(&world, (struct world_post){ .id = "again", .skills = 5 });
    assert_int_not_equal(world_lease(&world, asha, again), 0);
    for (uint64_t i = 0; i < 256; i++) {
        snprintf(id, sizeof id, "later %d", (int) i);
        world_post(&world, (struct world_post){ .id = id, .skills = i, .noise = true });
        desk_check(world.desk);
    }
    assert_int_equal(world.desk->queues.count, QUEUES_EMPTY_MAX + 2);
    assert_int_equal(world_lease(&world, pia, waiting), 0);
    world_fini(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_find_their_elements_also_after_others_went),
        cmocka_unit_test(empty_chunks_go_back_to_the_system),
        cmocka_unit_test(lookup_agrees_with_what_was_put_and_removed),
        cmocka_unit_test(equal_texts_are_kept_once_while_they_have_users),
        cmocka_unit_test(waiting_item_costs_at_most_160_bytes),
        cmocka_unit_test(queues_that_nobody_needs_any_more_are_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
