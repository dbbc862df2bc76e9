// story_cache_test.c - what the story cache answers from memory is what an engine answers, over any history.
//
// Histories are drawn: items of few authors, written to, edited, deleted, sealed, returned, answered, closed, and taken
// again.  Each batch is committed and taken in; then both are asked about the same items and replies.

#include "broker/session/author_filter.h"
#include "broker/session/story_cache_parts.h"
#include "tests/system/postgres_cluster.h"
#include "tests/unit/store_desk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define ITEMS_MAX 200
#define POSTS_MAX 2000
#define REPLIES_MAX 400
#define STEPS 160

struct drawn_item {
    uint64_t id;
    uint32_t numbered;
    unsigned author;
    bool open, sealed, with_pr;
};

struct drawn_post {
    size_t item;
    unsigned number;
};

struct history {
    struct engine *engine;
    struct store_position position;
    struct story_cache *cache;
    struct batch *batch;
    uint64_t random;
    struct drawn_item items[ITEMS_MAX];
    struct drawn_post posts[POSTS_MAX];
    uint64_t replies[REPLIES_MAX];
    size_t reply_items[REPLIES_MAX];
    size_t item_count, post_count, reply_count;
    int64_t answered, left;
};

static struct postgres_cluster *cluster; // NULL: over SQLite

static unsigned draw(struct history *history, size_t below)
{
    history->random = history->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned) ((history->random >> 33) % below);
}

// ---- what is drawn ----

static const char *const brands[] = { "acme", "bolt" };

static const char *text_of(struct history *history, const char *what, size_t number)
{
    static char text[4][64];
    static unsigned at;

    at = (at + 1) % 4;
    snprintf(text[at], sizeof text[at], "%s %zu %u", what, number, draw(history, 1000));
    return text[at];
}

static const char *name_of(size_t post)
{
    static char name[32];

    snprintf(name, sizeof name, "p-%zu", post);
    return name;
}

static const char *brand_of(const struct drawn_item *item)
{
    return brands[item->author % 2];
}

// Two of the authors write to both brands.
static uint64_t key_of_author(const struct drawn_item *item)
{
    return 100 + (item->author < 4 ? item->author / 2 : item->author);
}

static void put_item(struct history *history, struct drawn_item *item)
{
    struct change change = an_item(item->id, item->open ? ITEM_WAITING : ITEM_CLOSED);

    change.item.brand = brand_of(item);
    change.item.sealed = item->sealed;
    change.item.numbered = item->numbered;
    change.item.audience = item->with_pr ? "pr" : "agent";
    change.item.author_key = key_of_author(item);
    put(history->batch, change);
}

static struct drawn_item *new_item(struct history *history, unsigned author)
{
    struct drawn_item *item = &history->items[history->item_count++];

    *item = (struct drawn_item){ .id = history->position.next_id++, .author = author, .open = true };
    return item;
}

static void put_post(struct history *history, struct drawn_item *item)
{
    size_t number = history->post_count++;
    struct change change = a_post(item->id, ++item->numbered, name_of(number), text_of(history, "post", number));

    history->posts[number] = (struct drawn_post){ (size_t) (item - history->items), item->numbered };
    change.post.brand = brand_of(item);
    change.post.author_key = key_of_author(item);
    change.post.posted_ms = draw(history, 3) == 0 ? 0 : 1000 + draw(history, 500);
    change.post.sensitive = draw(history, 8) == 0;
    put(history->batch, change);
}

static void draw_new_item(struct history *history, struct drawn_item *any)
{
    struct drawn_item *item = new_item(history, draw(history, 12));

    (void) any;
    item->sealed = item->with_pr = draw(history, 5) == 0;
    put_post(history, item);
    put_item(history, item);
}

static void draw_post(struct history *history, struct drawn_item *item)
{
    if (item->open) {
        put_post(history, item);
        put_item(history, item);
    }
}

static void draw_post_change(struct history *history, struct drawn_item *item)
{
    size_t number = draw(history, history->post_count);
    struct change change = { .kind = CHANGE_POST_CHANGE,
                             .post_change = { .channel = "chirp",
                                              .post = name_of(number),
                                              .brand = brand_of(&history->items[history->posts[number].item]),
                                              .deleted = draw(history, 3) == 0,
                                              .sensitive = draw(history, 6) == 0,
                                              .at_ms = 7000 } };

    (void) item;
    change.post_change.text = change.post_change.deleted ? "" : text_of(history, "edited", number);
    put(history->batch, change);
}

static void draw_post_again(struct history *history, struct drawn_item *any)
{
    size_t number = draw(history, history->post_count);
    const struct drawn_item *before = &history->items[history->posts[number].item];

    (void) any;
    if (before->open) {
        return;
    }
    struct drawn_item *item = new_item(history, before->author);
    item->sealed = item->with_pr = true;
    item->numbered = 1;
    history->posts[number] = (struct drawn_post){ (size_t) (item - history->items), 1 };
    put(history->batch, (struct change){ .kind = CHANGE_POST_AGAIN,
                                         .post_again = { .item = item->id,
                                                         .number = 1,
                                                         .channel = "chirp",
                                                         .post = name_of(number),
                                                         .brand = brand_of(item),
                                                         .taken_ms = 6000 } });
    put_item(history, item);
}

static void draw_draft(struct history *history, struct drawn_item *item)
{
    put(history->batch,
        (struct change){ .kind = CHANGE_DRAFT,
                         .draft = { .item = item->id,
                                    .person = draw(history, 2) == 0 ? "asha" : "bo",
                                    .text = draw(history, 3) == 0 ? "" : text_of(history, "draft", item->id),
                                    .at_ms = 8000 } });
}

static void draw_note(struct history *history, struct drawn_item *item)
{
    static const char *const kinds[] = { "note", "guidance", "edit" };
    struct change change =
        a_note(item->id, kinds[draw(history, 3)], text_of(history, "note", item->id), draw(history, 2) == 0);

    if (strcmp(change.note.kind, "edit") == 0) {
        change.note.person = name_of(draw(history, history->post_count));
    }
    put(history->batch, change);
}

static void draw_reply(struct history *history, struct drawn_item *item)
{
    uint64_t reply = history->position.next_id++;
    struct change change = a_reply(reply, item->id, REPLY_QUEUED, text_of(history, "reply", reply));

    change.reply.sealed = item->sealed;
    change.reply.brand = brand_of(item);
    history->replies[history->reply_count] = reply;
    history->reply_items[history->reply_count++] = (size_t) (item - history->items);
    put(history->batch, change);
}

static void draw_reply_state(struct history *history, struct drawn_item *any)
{
    (void) any;
    if (history->reply_count == 0) {
        return;
    }
    size_t which = draw(history, history->reply_count);
    struct drawn_item *item = &history->items[history->reply_items[which]];
    struct change change =
        a_reply(history->replies[which], item->id, (enum reply_state) draw(history, REPLY_STATE_COUNT), NULL);
    change.reply.attempt = 1 + draw(history, 3);
    change.reply.brand = brand_of(item);
    change.reply.person = draw(history, 4) == 0 ? "bo" : "asha";
    put(history->batch, change);
}

static void draw_seal(struct history *history, struct drawn_item *item)
{
    item->sealed = item->with_pr = true;
    put(history->batch, (struct change){ .kind = CHANGE_SEAL, .seal = { .item = item->id } });
    put_item(history, item);
}

static void draw_return(struct history *history, struct drawn_item *item)
{
    if (item->with_pr) {
        item->with_pr = false;
        put(history->batch, (struct change){ .kind = CHANGE_UNSEAL, .seal = { .item = item->id } });
        put_item(history, item);
    }
}

static void draw_end(struct history *history, struct drawn_item *item)
{
    if (item->open) {
        item->open = false;
        put_item(history, item);
    }
}

static void draw_change(struct history *history)
{
    static void (*const draws[])(struct history *, struct drawn_item *) = {
        draw_new_item, draw_new_item, draw_post,        draw_post, draw_post_change, draw_post_again, draw_draft,
        draw_note,     draw_reply,    draw_reply_state, draw_seal, draw_return,      draw_end,
    };
    size_t newest = history->item_count < 10 ? history->item_count : 10;
    bool recent = newest > 0 && draw(history, 3) > 0;

    if (history->item_count == 0) {
        draw_new_item(history, NULL);
    }
    size_t which = recent ? history->item_count - 1 - draw(history, newest) : draw(history, history->item_count);
    if (history->item_count < ITEMS_MAX - 2 && history->post_count < POSTS_MAX - 2 &&
        history->reply_count < REPLIES_MAX - 2) {
        draws[draw(history, sizeof draws / sizeof *draws)](history, &history->items[which]);
    }
}

// ---- asking both ----

static void ask(struct history *history)
{
    for (int i = 0; i < 6; i++) {
        size_t which = draw(history, history->item_count);
        (void) batch_ask(history->batch, &(struct question){ .kind = QUESTION_ITEM,
                                                             .item = history->items[which].id,
                                                             .for_agent = draw(history, 2) == 0 });
    }
    for (int i = 0; i < 2 && history->reply_count > 0; i++) {
        size_t which = draw(history, history->reply_count);
        (void) batch_ask(history->batch,
                         &(struct question){ .kind = QUESTION_REPLY, .reply = history->replies[which] });
    }
}

static void compare(struct history *history, uint64_t seed, int step)
{
    for (struct question *asked = batch_questions(history->batch); asked != NULL; asked = asked->next) {
        struct question question = {
            .kind = asked->kind, .item = asked->item, .for_agent = asked->for_agent, .reply = asked->reply
        };
        bool answered = story_cache_answer(history->cache, history->batch, &question);
        if (answered && !story_answers_agree(&question, asked)) {
            fail_msg("seed %llu, step %d: item %llu, reply %llu", (unsigned long long) seed, step,
                     (unsigned long long) asked->item, (unsigned long long) asked->reply);
        }
        *(answered ? &history->answered : &history->left) += 1;
    }
}

static void step(struct history *history, uint64_t seed, int number)
{
    struct store_position from = history->position;
    bool doubt = false;

    history->batch = batch_new();
    for (unsigned changes = 1 + draw(history, 6); changes > 0; changes--) {
        draw_change(history);
    }
    ask(history);
    history->position.sequence += change_list_changes(batch_list(history->batch)) != NULL ? 1 : 0;
    batch_set_position(history->batch, &from, &history->position);
    enum store_result result = engine_attempt(history->engine, history->batch, &doubt);
    if (result != STORE_OK) {
        print_message("%s\n", history->engine->reason);
    }
    assert_int_equal(result, STORE_OK);
    story_cache_apply(history->cache, change_list_changes(batch_list(history->batch)));
    story_cache_check(history->cache);
    compare(history, seed, number);
    batch_destroy(&history->batch);
}

// ---- histories ----

static struct engine *open_engine(const char *folder, uint64_t seed)
{
    char reason[512] = "";
    char desk[32];

    snprintf(desk, sizeof desk, "stories-%llu", (unsigned long long) seed);
    struct engine *engine = cluster != NULL
                                ? engine_postgres_open(postgres_cluster_url(cluster), desk, reason, sizeof reason)
                                : engine_sqlite_open(folder, desk, reason, sizeof reason);
    if (engine == NULL) {
        print_message("%s\n", reason);
    }
    assert_non_null(engine);
    return engine;
}

static void remove_file(const char *folder, const char *name)
{
    char path[128];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    (void) unlink(path);
}

static void run(uint64_t seed, size_t bytes_max, bool restarts, struct history *history)
{
    char folder[] = "/tmp/behalf-stories-XXXXXX";

    assert_non_null(mkdtemp(folder));
    *history = (struct history){ .random = seed * UINT64_C(0x9E3779B97F4A7C15) };
    history->engine = open_engine(folder, seed);
    assert_int_equal(history->engine->operations->take_over(history->engine, &history->position), STORE_OK);
    history->cache = story_cache_new(bytes_max, &history->position);
    for (int i = 0; i < STEPS; i++) {
        step(history, seed, i);
        if (restarts && i == STEPS / 2) {
            story_cache_destroy(&history->cache);
            history->cache = story_cache_new(bytes_max, &history->position);
        }
    }
    story_cache_destroy(&history->cache);
    history->engine->operations->destroy(&history->engine);
    remove_file(folder, "behalf.db");
    remove_file(folder, "behalf.db-wal");
    remove_file(folder, "behalf.db-shm");
    remove_file(folder, "marks");
    remove_file(folder, "lock");
    assert_int_equal(rmdir(folder), 0);
}

static void answers_from_memory_are_the_stores(void **state)
{
    (void) state;
    static struct history history;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        run(seed, 1 << 20, false, &history);
        assert_true(history.answered > 2 * history.left); // of who wrote to another brand the store is asked
    }
}

static void a_broker_that_starts_anew_knows_nothing_of_what_was_before(void **state)
{
    (void) state;
    static struct history history;
    for (uint64_t seed = 41; seed <= 43; seed++) {
        run(seed, 1 << 20, true, &history);
        assert_true(history.answered > 0 && history.left > 0);
    }
}

static void a_small_memory_leaves_the_rest_to_the_store(void **state)
{
    (void) state;
    static struct history history;
    for (uint64_t seed = 21; seed <= 24; seed++) {
        run(seed, 12000, true, &history); // story_cache_check holds it to its bytes after each batch
        assert_true(history.answered > 0);
        assert_true(history.left > history.answered);
    }
}

// ---- without an engine ----

static bool knows(struct story_cache *cache, uint64_t item, struct question *question, struct batch *batch)
{
    *question = (struct question){ .kind = QUESTION_ITEM, .item = item, .for_agent = true };
    return story_cache_answer(cache, batch, question);
}

static void take_in(struct story_cache *cache, struct change change)
{
    story_cache_apply(cache, &change);
    story_cache_check(cache);
}

static void a_first_post_needs_no_store(void **state)
{
    (void) state;
    struct story_cache *cache = story_cache_new(1 << 20, &(struct store_position){ .next_id = 1 });
    struct batch *batch = batch_new();
    struct question question;
    take_in(cache, a_post(1, 1, "p-1", "where is my parcel?"));
    take_in(cache, an_item(1, ITEM_WAITING));
    assert_true(knows(cache, 1, &question, batch));
    assert_int_equal(question.view.story_count, 1);
    assert_string_equal(question.view.story[0].text, "where is my parcel?");
    assert_false(knows(cache, 2, &question, batch));
    assert_int_equal(story_cache_numbers(cache).hits, 1);
    assert_int_equal(story_cache_numbers(cache).misses, 1);
    batch_destroy(&batch);
    story_cache_destroy(&cache);
}

static void what_was_sealed_is_not_told_to_an_agent(void **state)
{
    (void) state;
    struct story_cache *cache = story_cache_new(1 << 20, &(struct store_position){ .next_id = 1 });
    struct batch *batch = batch_new();
    struct question question;
    take_in(cache, a_post(1, 1, "p-1", "my lawyer will write to you"));
    take_in(cache, an_item(1, ITEM_WAITING));
    assert_true(knows(cache, 1, &question, batch));
    assert_int_equal(question.view.story_count, 1);
    take_in(cache, (struct change){ .kind = CHANGE_SEAL, .seal = { .item = 1 } });
    assert_true(knows(cache, 1, &question, batch));
    assert_int_equal(question.view.story_count, 0);
    // Nor among what its author wrote earlier.
    take_in(cache, a_post(2, 1, "p-2", "hello?"));
    assert_true(knows(cache, 2, &question, batch));
    assert_int_equal(question.view.story_count, 1);
    take_in(cache, (struct change){ .kind = CHANGE_UNSEAL, .seal = { .item = 1 } });
    assert_true(knows(cache, 2, &question, batch));
    assert_int_equal(question.view.story_count, 2);
    batch_destroy(&batch);
    story_cache_destroy(&cache);
}

static uint64_t key_of(uint64_t number)
{
    number = (number + 1) * UINT64_C(0x9E3779B97F4A7C15);
    number = (number ^ number >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    number = (number ^ number >> 27) * UINT64_C(0x94D049BB133111EB);
    return number ^ number >> 31;
}

static void an_old_item_of_an_author_does_not_make_what_lies_between_known(void **state)
{
    struct story_cache cache = { 0 };
    struct kept_author author = { .since = 1000 };

    (void) state;
    for (uint64_t item = 1000; item < 1000 + AUTHOR_ITEMS_MAX; item++) {
        cache_list_item(&cache, &author, item);
    }
    cache_list_item(&cache, &author, 5);
    assert_int_equal(author.since, 1000);
    free(author.items);
}

static struct change a_first_post(uint64_t item, const char *name, uint64_t author_key)
{
    struct change change = a_post(item, 1, name, "hello");

    change.post.author_key = author_key;
    return change;
}

static void a_new_author_is_known_as_new_once_all_who_wrote_before_are_known(void **state)
{
    (void) state;
    struct story_cache *cache = story_cache_new(1 << 20, &(struct store_position){ .next_id = 100 });
    struct batch *batch = batch_new();
    struct question question;
    int64_t from = 0;
    assert_true(story_cache_wants_authors(cache, &from));
    take_in(cache, a_first_post(100, "p-1", key_of(1)));
    assert_false(knows(cache, 100, &question, batch)); // who knows what they wrote before
    struct report *report = report_new(REPORT_AUTHORS);
    report->authors_from = from;
    report->found = true;
    report->authors = (int64_t[]){ (int64_t) key_of(2) };
    report->author_count = 1;
    story_cache_take_authors(cache, report);
    report_destroy(&report);
    assert_false(story_cache_wants_authors(cache, &from));
    take_in(cache, a_first_post(101, "p-2", key_of(3)));
    assert_true(knows(cache, 101, &question, batch));
    take_in(cache, a_first_post(102, "p-3", key_of(2)));
    assert_false(knows(cache, 102, &question, batch)); // wrote before the start
    take_in(cache, a_first_post(103, "p-4", key_of(1)));
    assert_false(knows(cache, 103, &question, batch)); // may have
    take_in(cache, a_first_post(104, "p-5", key_of(3)));
    assert_true(knows(cache, 104, &question, batch));
    assert_int_equal(question.view.story_count, 2);
    batch_destroy(&batch);
    story_cache_destroy(&cache);
}

static void who_wrote_is_never_taken_for_new(void **state)
{
    (void) state;
    struct author_filter filter = { 0 };
    size_t mistaken = 0;
    assert_false(author_filter_may_have(&filter, 7));
    for (uint64_t i = 0; i < 300000; i++) {
        author_filter_add(&filter, key_of(i));
    }
    for (uint64_t i = 0; i < 300000; i++) {
        assert_true(author_filter_may_have(&filter, key_of(i)));
        mistaken += author_filter_may_have(&filter, key_of(i + 1000000));
    }
    assert_in_range(mistaken, 1, 300000 / 50);
    assert_in_range(filter.bytes, 300000, 3000000);
    author_filter_fini(&filter);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest over_engines[] = {
        cmocka_unit_test(answers_from_memory_are_the_stores),
        cmocka_unit_test(a_broker_that_starts_anew_knows_nothing_of_what_was_before),
        cmocka_unit_test(a_small_memory_leaves_the_rest_to_the_store),
    };
    const struct CMUnitTest alone[] = {
        cmocka_unit_test(a_first_post_needs_no_store),
        cmocka_unit_test(an_old_item_of_an_author_does_not_make_what_lies_between_known),
        cmocka_unit_test(a_new_author_is_known_as_new_once_all_who_wrote_before_are_known),
        cmocka_unit_test(who_wrote_is_never_taken_for_new),
        cmocka_unit_test(what_was_sealed_is_not_told_to_an_agent),
    };
    if (argc > 1 && strcmp(argv[1], "postgres") == 0) {
        if (!postgres_cluster_possible()) {
            return 77;
        }
        cluster = postgres_cluster_new();
        int failed = cmocka_run_group_tests_name("postgres", over_engines, NULL, NULL);
        postgres_cluster_destroy(&cluster);
        return failed;
    }
    int failed = cmocka_run_group_tests_name("alone", alone, NULL, NULL);
    return failed + cmocka_run_group_tests_name("sqlite", over_engines, NULL, NULL);
}
