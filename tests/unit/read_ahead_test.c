// read_ahead_test.c - a desk with more items than are read ahead comes back whole, in order, and may be left at any
// row.

#include "tests/unit/store_desk.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define ITEMS 6000u // with their texts more than are kept in memory of rows read ahead
#define ITEMS_A_COMMIT 500u
#define REASON_BYTES 4000u

struct fixture {
    char folder[64];
    struct desk_under_test desk;
};

// One of them is larger than a block.
static char *make_reason(uint64_t item)
{
    size_t bytes = item == 77 ? 300 * 1024 : REASON_BYTES;
    char *reason = malloc(bytes + 1);

    assert_non_null(reason);
    memset(reason, 'a' + (int) (item % 26), bytes);
    reason[bytes] = '\0';
    return reason;
}

static void put_items(struct fixture *fixture)
{
    char name[32];

    for (uint64_t item = 1; item <= ITEMS;) {
        struct batch *batch = desk_batch(&fixture->desk, 1);
        for (unsigned i = 0; i < ITEMS_A_COMMIT; i++, item++) {
            char *reason = make_reason(item);
            struct change change = an_item(item, ITEM_WAITING);
            change.item.reason = reason;
            change.item.reply = item % 100 == 0 ? ITEMS + item : 0;
            put(batch, change);
            snprintf(name, sizeof name, "p-%06u", (unsigned) item);
            put(batch, a_post(item, 1, name, "hello"));
            if (item % 100 == 0) {
                put(batch, a_reply(ITEMS + item, item, REPLY_QUEUED, "yes"));
            }
            free(reason);
        }
        desk_commit(&fixture->desk, &batch);
    }
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    char reason[512] = "";

    snprintf(fixture->folder, sizeof fixture->folder, "/tmp/behalf-ahead-XXXXXX");
    *state = fixture;
    if (mkdtemp(fixture->folder) == NULL) {
        return -1;
    }
    fixture->desk.engine = engine_sqlite_open(fixture->folder, "desk", reason, sizeof reason);
    if (fixture->desk.engine == NULL) {
        return -1;
    }
    desk_take_over(&fixture->desk);
    put_items(fixture);
    return 0;
}

static int tear_down(void **state)
{
    static const char *const names[] = { "behalf.db", "behalf.db-wal", "behalf.db-shm", "lock", "marks" };
    struct fixture *fixture = *state;
    char path[128];

    fixture->desk.engine->operations->destroy(&fixture->desk.engine);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", fixture->folder, names[i]);
        (void) unlink(path);
    }
    int result = rmdir(fixture->folder);
    free(fixture);
    return result;
}

struct seen {
    uint64_t items, replies, keys;
    uint64_t items_max; // after which there is enough
};

static bool see_item(void *self, const struct item_record *item)
{
    struct seen *seen = self;
    char *reason = make_reason(item->item);

    if (seen->items == 0) {
        (void) poll(NULL, 0, 100); // in which all is read ahead that may be
    }
    assert_int_equal(item->item, ++seen->items);
    assert_string_equal(item->reason, reason);
    free(reason);
    assert_string_equal(item->brand, "acme");
    return seen->items < seen->items_max;
}

static bool see_reply(void *self, const struct reply_record *reply)
{
    struct seen *seen = self;

    assert_int_equal(seen->items, ITEMS);
    assert_int_equal(reply->reply, ITEMS + 100 * ++seen->replies);
    return true;
}

static bool see_key(void *self, const char *channel, const char *post, int64_t taken_ms)
{
    struct seen *seen = self;
    char name[32];

    snprintf(name, sizeof name, "p-%06u", (unsigned) ++seen->keys);
    assert_string_equal(channel, "chirp");
    assert_string_equal(post, name);
    assert_int_equal(taken_ms, 5000 + (int64_t) seen->keys);
    return true;
}

static struct seen read_back(struct fixture *fixture, uint64_t items_max)
{
    struct seen seen = { .items_max = items_max };
    struct store_reader reader = { .self = &seen, .item = see_item, .reply = see_reply, .intake_key = see_key };

    assert_int_equal(fixture->desk.engine->operations->read(fixture->desk.engine, &reader), STORE_OK);
    return seen;
}

static void all_of_it_comes_back_in_order(void **state)
{
    struct seen seen = read_back(*state, UINT64_MAX);

    assert_int_equal(seen.items, ITEMS);
    assert_int_equal(seen.replies, ITEMS / 100);
    assert_int_equal(seen.keys, ITEMS);
}

static void it_may_be_left_at_any_row(void **state)
{
    static const uint64_t places[] = { 1, 2, 3000, ITEMS };

    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        struct seen seen = read_back(*state, places[i]);
        assert_int_equal(seen.items, places[i]);
        assert_int_equal(seen.keys, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_it_comes_back_in_order),
        cmocka_unit_test(it_may_be_left_at_any_row),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
