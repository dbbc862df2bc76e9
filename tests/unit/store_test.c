// store_test.c - claims of the threads around an engine.

#include "broker/store/memory.h"
#include "broker/store/store.h"
#include "tests/unit/store_desk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <poll.h>
#include <unistd.h>
#include <cmocka.h>

#define WAIT_MS 20000

struct fixture {
    struct memory_disk *disk;
    struct desk_under_test desk; // its engine belongs to the store
    struct store *store;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    fixture->disk = memory_disk_new();
    struct engine *engine = engine_memory_open(fixture->disk, "support");
    fixture->desk.engine = engine;
    desk_take_over(&fixture->desk);
    fixture->store = store_new(&engine, NULL);
    assert_null(engine);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    store_destroy(&fixture->store);
    memory_disk_destroy(&fixture->disk);
    free(fixture);
    return 0;
}

static bool readable(const struct store *store, int timeout_ms)
{
    struct pollfd wait = { .fd = store_fd(store), .events = POLLIN };

    return poll(&wait, 1, timeout_ms) == 1;
}

static void submit_item(struct fixture *fixture, uint64_t item)
{
    struct batch *batch = desk_batch(&fixture->desk, 1);

    put(batch, an_item(item, ITEM_WAITING));
    store_submit(fixture->store, &batch);
    assert_null(batch);
}

// The next batch that comes back; fails the test when none does in time.
static struct batch *await_batch(struct store *store)
{
    struct batch *batch = store_take_batch(store);

    while (batch == NULL) {
        assert_true(readable(store, WAIT_MS));
        (void) store_state(store);
        batch = store_take_batch(store);
    }
    return batch;
}

static void await_state(struct store *store, enum store_state wanted)
{
    while (store_state(store) != wanted) {
        assert_true(readable(store, WAIT_MS));
    }
}

static void count_item(void *self, const struct item_record *item)
{
    (void) item;
    ++*(uint64_t *) self;
}

static uint64_t count_items(struct fixture *fixture)
{
    uint64_t count = 0;

    memory_disk_visit(fixture->disk, &(struct memory_visit){ .self = &count, .item = count_item });
    return count;
}

static void batches_come_back_in_order(void **state)
{
    struct fixture *fixture = *state;

    for (uint64_t item = 1; item <= 500; item++) {
        submit_item(fixture, item);
    }
    for (uint64_t sequence = 1; sequence <= 500; sequence++) {
        struct batch *batch = await_batch(fixture->store);
        assert_int_equal(batch_to(batch)->sequence, sequence);
        assert_null(batch_next(batch));
        batch_destroy(&batch);
    }
    assert_false(readable(fixture->store, 0));
    assert_int_equal(count_items(fixture), 500);
}

static void nothing_is_readable_when_there_is_nothing(void **state)
{
    struct fixture *fixture = *state;

    assert_false(readable(fixture->store, 0));
    assert_null(store_take_batch(fixture->store));
    assert_null(store_take_report(fixture->store));
    assert_int_equal(store_state(fixture->store), STORE_STATE_WORKING);
}

static void a_batch_of_questions_alone_is_answered(void **state)
{
    struct fixture *fixture = *state;
    struct batch *batch = batch_new();

    submit_item(fixture, 1);
    batch_set_position(batch, &fixture->desk.position, &fixture->desk.position);
    struct question *question = batch_ask(batch, &(struct question){ .kind = QUESTION_CLOSED_ITEM, .item = 1 });
    store_submit(fixture->store, &batch);
    submit_item(fixture, 2);
    for (int i = 0; i < 3; i++) {
        batch = await_batch(fixture->store);
        assert_true(i != 1 || question->found);
        batch_destroy(&batch);
    }
}

static void a_store_that_was_away_goes_on(void **state)
{
    struct fixture *fixture = *state;
    enum memory_fault plan[] = { MEMORY_FAULT_UNAVAILABLE, MEMORY_FAULT_UNAVAILABLE };
    char text[256];

    memory_disk_plan(fixture->disk, plan, 2);
    submit_item(fixture, 1);
    await_state(fixture->store, STORE_STATE_AWAY);
    store_describe(fixture->store, text, sizeof text);
    assert_non_null(strstr(text, "away"));
    struct batch *batch = await_batch(fixture->store);
    assert_int_equal(store_state(fixture->store), STORE_STATE_WORKING);
    store_describe(fixture->store, text, sizeof text);
    assert_null(strstr(text, "away"));
    batch_destroy(&batch);
}

static void doubtful_commits_are_settled_and_written_once(void **state)
{
    struct fixture *fixture = *state;
    enum memory_fault plan[] = { MEMORY_FAULT_DOUBT_WRITTEN, MEMORY_FAULT_DOUBT_LOST, MEMORY_FAULT_DOUBT_WRITTEN };

    memory_disk_plan(fixture->disk, plan, 3);
    for (uint64_t item = 1; item <= 3; item++) {
        submit_item(fixture, item);
        struct batch *batch = await_batch(fixture->store);
        assert_int_equal(batch_to(batch)->sequence, item);
        batch_destroy(&batch);
    }
    assert_int_equal(count_items(fixture), 3);
}

static void a_contradiction_is_final(void **state)
{
    struct fixture *fixture = *state;
    char text[256];

    fixture->desk.position.epoch += 7;
    submit_item(fixture, 1);
    submit_item(fixture, 2);
    await_state(fixture->store, STORE_STATE_CONTRADICTED);
    assert_null(store_take_batch(fixture->store));
    store_describe(fixture->store, text, sizeof text);
    assert_non_null(strstr(text, "another broker"));
}

static void ending_does_not_wait_for_a_store_that_is_away(void **state)
{
    struct fixture *fixture = *state;
    enum memory_fault plan[200];

    for (size_t i = 0; i < 200; i++) {
        plan[i] = MEMORY_FAULT_UNAVAILABLE;
    }
    memory_disk_plan(fixture->disk, plan, 200);
    submit_item(fixture, 1);
    submit_item(fixture, 2);
    await_state(fixture->store, STORE_STATE_AWAY);
    store_destroy(&fixture->store); // the test's time limit is the claim
    assert_null(fixture->store);
}

static void reports_without_an_engine_for_them_are_not_found(void **state)
{
    struct fixture *fixture = *state;
    struct report *report = report_new(REPORT_OUTCOMES);

    store_submit_report(fixture->store, &report);
    assert_null(report);
    assert_true(readable(fixture->store, WAIT_MS));
    report = store_take_report(fixture->store);
    assert_non_null(report);
    assert_false(report->found);
    report_destroy(&report);
    assert_false(readable(fixture->store, 0));
}

static void remove_folder(const char *folder)
{
    const char *names[] = { "behalf.db", "behalf.db-wal", "behalf.db-shm", "lock" };
    char path[128];

    for (size_t i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void) unlink(path);
    }
    assert_int_equal(rmdir(folder), 0);
}

static void reports_read_what_the_writer_has_committed(void **state)
{
    (void) state;
    char folder[] = "/tmp/behalf-store-XXXXXX";
    char reason[256] = "";

    assert_non_null(mkdtemp(folder));
    struct engine *engine = engine_sqlite_open(folder, "support", reason, sizeof reason);
    assert_non_null(engine);
    struct engine *reports = engine_sqlite_open_reports(folder, "support", reason, sizeof reason);
    assert_non_null(reports);
    struct desk_under_test desk = { .engine = engine };
    desk_take_over(&desk);
    struct store *store = store_new(&engine, &reports);
    for (uint64_t i = 1; i <= 50; i++) {
        struct batch *batch = desk_batch(&desk, 1);
        put(batch, an_outcome(i, 0, (int64_t) i));
        store_submit(store, &batch);
        batch = await_batch(store);
        batch_destroy(&batch);
        struct report *report = report_new(REPORT_OUTCOMES);
        store_submit_report(store, &report);
        assert_true(readable(store, WAIT_MS));
        report = store_take_report(store);
        assert_true(report->found);
        assert_int_equal(report->ended.rows_count, i);
        report_destroy(&report);
    }
    store_destroy(&store);
    remove_folder(folder);
}

#define CLAIM(claim) cmocka_unit_test_setup_teardown(claim, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(batches_come_back_in_order),
        CLAIM(nothing_is_readable_when_there_is_nothing),
        CLAIM(a_batch_of_questions_alone_is_answered),
        CLAIM(a_store_that_was_away_goes_on),
        CLAIM(doubtful_commits_are_settled_and_written_once),
        CLAIM(a_contradiction_is_final),
        CLAIM(ending_does_not_wait_for_a_store_that_is_away),
        CLAIM(reports_without_an_engine_for_them_are_not_found),
        cmocka_unit_test(reports_read_what_the_writer_has_committed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
