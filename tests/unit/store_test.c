// store_test.c - claims of the threads around an engine.

#include "broker/store/sqlite/marks.h"
#include "broker/store/store.h"
#include "tests/unit/memory_disk.h"
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
    struct writer *writer;
    struct store *store;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    fixture->disk = memory_disk_new();
    struct engine *engine = memory_disk_open(fixture->disk, "support");
    fixture->desk.engine = engine;
    desk_take_over(&fixture->desk);
    fixture->writer = writer_new();
    fixture->store = store_new(fixture->writer, &engine, NULL, NULL);
    assert_null(engine);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    store_destroy(&fixture->store);
    writer_destroy(&fixture->writer);
    memory_disk_destroy(&fixture->disk);
    free(fixture);
    return 0;
}

static bool readable(const struct store *store, int timeout_ms)
{
    struct pollfd wait = { .fd = writer_fd(store_writer(store)), .events = POLLIN };

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
    enum planned_fault plan[] = { FAULT_UNAVAILABLE, FAULT_REFUSED };
    char text[256];

    fault_plan_add(memory_disk_plan(fixture->disk), plan, 2);
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
    enum planned_fault plan[] = { FAULT_DOUBT_WRITTEN, FAULT_DOUBT_LOST, FAULT_DOUBT_WRITTEN };

    fault_plan_add(memory_disk_plan(fixture->disk), plan, 3);
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
    enum planned_fault plan[200];

    for (size_t i = 0; i < 200; i++) {
        plan[i] = FAULT_UNAVAILABLE;
    }
    fault_plan_add(memory_disk_plan(fixture->disk), plan, 200);
    submit_item(fixture, 1);
    submit_item(fixture, 2);
    await_state(fixture->store, STORE_STATE_AWAY);
    store_destroy(&fixture->store);
    writer_destroy(&fixture->writer); // the test's time limit is the claim
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

// ---- several desks ----

#define DESKS 5

// Desks on disks of their own behind one writer.
struct room {
    struct writer *writer;
    struct memory_disk *disks[DESKS];
    struct desk_under_test desks[DESKS];
    struct store *stores[DESKS];
    uint64_t back[DESKS];
};

static void add_desk(struct room *room, size_t at)
{
    char name[16];

    snprintf(name, sizeof name, "desk-%zu", at);
    room->disks[at] = memory_disk_new();
    struct engine *engine = memory_disk_open(room->disks[at], name);
    room->desks[at].engine = engine;
    desk_take_over(&room->desks[at]);
    room->stores[at] = store_new(room->writer, &engine, NULL, &room->back[at]);
}

static void make_room(struct room *room)
{
    room->writer = writer_new();
    for (size_t i = 0; i < DESKS; i++) {
        add_desk(room, i);
    }
}

static void empty_room(struct room *room)
{
    for (size_t i = 0; i < DESKS; i++) {
        store_destroy(&room->stores[i]);
    }
    writer_destroy(&room->writer);
    for (size_t i = 0; i < DESKS; i++) {
        memory_disk_destroy(&room->disks[i]);
    }
}

static void submit_to(struct room *room, size_t at)
{
    struct batch *batch = desk_batch(&room->desks[at], 1);

    put(batch, an_item(room->desks[at].position.sequence, ITEM_WAITING));
    store_submit(room->stores[at], &batch);
}

// Takes what is told until `count` batches of the desk are back, or it is contradicted.
static void await_desk(struct room *room, size_t at, uint64_t wanted)
{
    struct pollfd wait = { .fd = writer_fd(room->writer), .events = POLLIN };
    struct store *store = NULL;

    while (room->back[at] < wanted && store_state(room->stores[at]) != STORE_STATE_CONTRADICTED) {
        assert_int_equal(poll(&wait, 1, WAIT_MS), 1);
        while ((store = writer_next_news(room->writer)) != NULL) {
            uint64_t *back = store_owner(store);
            struct batch *batch = NULL;
            (void) store_state(store);
            while ((batch = store_take_batch(store)) != NULL) {
                assert_int_equal(batch_to(batch)->sequence, ++*back);
                batch_destroy(&batch);
            }
        }
    }
}

static void each_desk_is_told_its_own_in_order(void **state)
{
    struct room room = { 0 };

    (void) state;
    make_room(&room);
    for (int round = 0; round < 200; round++) {
        for (size_t i = 0; i < DESKS; i++) {
            submit_to(&room, i);
        }
    }
    for (size_t i = 0; i < DESKS; i++) {
        await_desk(&room, i, 200);
    }
    assert_null(writer_next_news(room.writer));
    struct pollfd wait = { .fd = writer_fd(room.writer), .events = POLLIN };
    assert_int_equal(poll(&wait, 1, 0), 0);
    empty_room(&room);
}

static void trouble_of_one_desk_is_not_the_others(void **state)
{
    struct room room = { 0 };
    enum planned_fault plan[] = { FAULT_UNAVAILABLE, FAULT_DOUBT_WRITTEN, FAULT_UNAVAILABLE };

    (void) state;
    make_room(&room);
    fault_plan_add(memory_disk_plan(room.disks[1]), plan, 3);
    room.desks[2].position.epoch += 7;
    for (size_t i = 0; i < DESKS; i++) {
        submit_to(&room, i);
    }
    await_desk(&room, 3, 1);
    await_desk(&room, 2, 1); // until it is contradicted
    assert_int_equal(room.back[2], 0);
    await_desk(&room, 1, 1);
    assert_int_equal(store_state(room.stores[1]), STORE_STATE_WORKING);
    submit_to(&room, 0);
    await_desk(&room, 0, 2);
    empty_room(&room);
}

static void desks_come_and_go_while_others_are_written(void **state)
{
    struct room room = { 0 };
    struct memory_disk *old[100]; // the writer may still be at work on one

    (void) state;
    make_room(&room);
    for (uint64_t round = 1; round <= 100; round++) {
        size_t gone = round % (DESKS - 1);
        submit_to(&room, DESKS - 1);
        submit_to(&room, gone);
        store_destroy(&room.stores[gone]); // with its batch, on disk or not
        assert_null(room.stores[gone]);
        await_desk(&room, DESKS - 1, round);
        old[round - 1] = room.disks[gone];
        room.back[gone] = 0;
        room.desks[gone] = (struct desk_under_test){ 0 };
        add_desk(&room, gone);
    }
    empty_room(&room);
    for (size_t i = 0; i < 100; i++) {
        memory_disk_destroy(&old[i]);
    }
}

static void remove_folder(const char *folder)
{
    const char *names[] = { "behalf.db", "behalf.db-wal", "behalf.db-shm", "lock", "marks" };
    char path[128];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void) unlink(path);
    }
    assert_int_equal(rmdir(folder), 0);
}

static void marks_are_known_again_whatever_the_desk_is_called(void **state)
{
    (void) state;
    char folder[] = "/tmp/behalf-marks-XXXXXX";
    assert_non_null(mkdtemp(folder));
    struct marks marks = { .position = { .epoch = 3, .sequence = 7, .next_id = 9, .clock_ms = 11 } }, read;
    assert_true(marks_write(folder, "the sum of desks", &marks));
    assert_true(marks_read(folder, "the sum of desks", &read));
    assert_int_equal(read.position.sequence, 7);
    assert_false(marks_read(folder, "another", &read));
    remove_folder(folder);
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
    struct writer *writer = writer_new();
    struct store *store = store_new(writer, &engine, &reports, NULL);
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
    writer_destroy(&writer);
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
        cmocka_unit_test(each_desk_is_told_its_own_in_order),
        cmocka_unit_test(trouble_of_one_desk_is_not_the_others),
        cmocka_unit_test(desks_come_and_go_while_others_are_written),
        cmocka_unit_test(marks_are_known_again_whatever_the_desk_is_called),
        cmocka_unit_test(reports_read_what_the_writer_has_committed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
