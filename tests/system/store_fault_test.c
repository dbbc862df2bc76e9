// store_fault_test.c - real trouble for the SQLite store: a full disk, a failing fsync, kill -9, a second
// broker, readers in the way, files that are not ours.

#include "broker/store/sqlite/migrations.h"
#include "broker/store/sqlite/page_check.h"
#include "broker/store/store.h"
#include "tests/system/failing_disk.h"
#include "tests/unit/store_desk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define WAIT_MS 30000

struct fixture {
    char folder[128];
    struct desk_under_test desk; // its engine belongs to the store
    struct writer *writer;
    struct store *store;
    uint64_t back; // batches that came back durable
};

static void path_of(const struct fixture *fixture, const char *name, char *path, size_t path_bytes)
{
    snprintf(path, path_bytes, "%s/%s", fixture->folder, name);
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    failing_disk_set(DISK_WELL);
    snprintf(fixture->folder, sizeof fixture->folder, "/tmp/behalf-fault-XXXXXX");
    *state = fixture;
    return mkdtemp(fixture->folder) == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    const char *names[] = { "behalf.db", "behalf.db-wal", "behalf.db-shm", "lock", "marks" };
    char path[256];

    failing_disk_set(DISK_WELL);
    store_destroy(&fixture->store);
    writer_destroy(&fixture->writer);
    (void) umount2(fixture->folder, MNT_DETACH); // where a test of a small disk failed
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        path_of(fixture, names[i], path, sizeof path);
        (void) unlink(path);
    }
    int result = rmdir(fixture->folder);
    free(fixture);
    return result;
}

static struct engine *open_engine(const struct fixture *fixture)
{
    char reason[512] = "";
    struct engine *engine = engine_sqlite_open(fixture->folder, "support", reason, sizeof reason);

    if (engine == NULL) {
        print_message("%s\n", reason);
    }
    assert_non_null(engine);
    return engine;
}

static void start(struct fixture *fixture)
{
    struct engine *engine = open_engine(fixture);

    fixture->desk.engine = engine;
    desk_take_over(&fixture->desk);
    fixture->writer = writer_new();
    fixture->store = store_new(fixture->writer, &engine, NULL, NULL);
}

// Item and post number `sequence` with a text of that length.
static void submit(struct fixture *fixture, size_t text_bytes)
{
    struct batch *batch = desk_batch(&fixture->desk, 1);
    uint64_t item = fixture->desk.position.sequence;
    char *text = calloc(1, text_bytes + 1);
    char name[32];

    memset(text, 'z', text_bytes);
    snprintf(name, sizeof name, "p-%llu", (unsigned long long) item);
    put(batch, a_post(item, 1, name, text));
    put(batch, an_item(item, ITEM_WAITING));
    put(batch, a_note(item, "note", "once", false));
    store_submit(fixture->store, &batch);
    free(text);
}

static void collect(struct fixture *fixture)
{
    struct batch *batch = NULL;

    while ((batch = store_take_batch(fixture->store)) != NULL) {
        assert_int_equal(batch_to(batch)->sequence, ++fixture->back);
        batch_destroy(&batch);
    }
}

static void await_back(struct fixture *fixture, uint64_t wanted)
{
    struct pollfd wait = { .fd = writer_fd(fixture->writer), .events = POLLIN };

    collect(fixture);
    while (fixture->back < wanted) {
        assert_int_equal(poll(&wait, 1, WAIT_MS), 1);
        assert_int_not_equal(store_state(fixture->store), STORE_STATE_CONTRADICTED);
        collect(fixture);
    }
}

static void await_away(struct fixture *fixture)
{
    struct pollfd wait = { .fd = writer_fd(fixture->writer), .events = POLLIN };

    while (store_state(fixture->store) != STORE_STATE_AWAY) {
        assert_int_equal(poll(&wait, 1, WAIT_MS), 1);
        collect(fixture);
    }
}

static void describe(struct fixture *fixture, char *text, size_t text_bytes)
{
    store_describe(fixture->store, text, text_bytes);
}

static bool check_item(void *self, const struct item_record *item)
{
    uint64_t *last = self;

    assert_int_equal(item->item, *last + 1);
    *last = item->item;
    return true;
}

// Opens the store anew and claims that it holds exactly the items 1 to n, each once; returns n.
static uint64_t count_what_is_there(struct fixture *fixture, uint64_t at_least)
{
    struct engine *engine = open_engine(fixture);
    struct store_position position;
    uint64_t last = 0;
    struct store_reader reader = { .self = &last, .item = check_item };

    assert_int_equal(engine->operations->read(engine, &reader), STORE_OK);
    assert_int_equal(engine->operations->position(engine, &position), STORE_OK);
    assert_int_equal(position.sequence, last);
    assert_true(last >= at_least);
    for (uint64_t item = 1; item <= last; item += 1 + last / 50) {
        struct batch *batch = batch_new();
        struct question *question = batch_ask(batch, &(struct question){ .kind = QUESTION_ITEM, .item = item });
        assert_int_equal(engine->operations->commit(engine, batch), STORE_OK);
        size_t notes = 0;
        for (size_t i = 0; i < question->view.story_count; i++) {
            notes += strcmp(question->view.story[i].kind, "note") == 0;
        }
        assert_int_equal(notes, 1);
        batch_destroy(&batch);
    }
    engine->operations->destroy(&engine);
    return last;
}

static void a_full_disk_stops_the_store_and_loses_nothing(void **state)
{
    struct fixture *fixture = *state;
    char text[512];

    if (mount("none", fixture->folder, "tmpfs", 0, "size=8m") != 0) {
        print_message("skipped: mounting a small disk needs the rights of root\n");
        skip();
    }
    start(fixture);
    for (int i = 0; i < 600; i++) {
        submit(fixture, 30000);
    }
    await_away(fixture);
    describe(fixture, text, sizeof text);
    assert_non_null(strstr(text, "full"));
    assert_non_null(strstr(text, "free space"));
    uint64_t before = fixture->back;
    assert_true(before < 600);
    assert_int_equal(mount("none", fixture->folder, "tmpfs", MS_REMOUNT, "size=64m"), 0);
    await_back(fixture, 600);
    assert_int_equal(store_state(fixture->store), STORE_STATE_WORKING);
    store_destroy(&fixture->store);
    writer_destroy(&fixture->writer);
    assert_int_equal(count_what_is_there(fixture, 600), 600);
    assert_int_equal(umount(fixture->folder), 0);
}

static void a_crash_on_a_full_disk_keeps_what_came_back(void **state)
{
    struct fixture *fixture = *state;

    if (mount("none", fixture->folder, "tmpfs", 0, "size=8m") != 0) {
        print_message("skipped: mounting a small disk needs the rights of root\n");
        skip();
    }
    start(fixture);
    for (int i = 0; i < 600; i++) {
        submit(fixture, 30000);
    }
    await_away(fixture);
    collect(fixture);
    uint64_t durable = fixture->back;
    store_destroy(&fixture->store);
    writer_destroy(&fixture->writer);
    assert_int_equal(mount("none", fixture->folder, "tmpfs", MS_REMOUNT, "size=64m"), 0);
    count_what_is_there(fixture, durable);
    assert_int_equal(umount(fixture->folder), 0);
}

static void a_failing_fsync_stops_the_store(struct fixture *fixture, enum failing_disk disk)
{
    char text[512];

    start(fixture);
    for (int i = 0; i < 10; i++) {
        submit(fixture, 100);
    }
    await_back(fixture, 10);
    int failures = failing_disk_count();
    failing_disk_set(disk);
    submit(fixture, 100);
    await_away(fixture);
    submit(fixture, 100);
    describe(fixture, text, sizeof text);
    assert_non_null(strstr(text, "fails"));
    // Two further attempts, and still nothing may be spoken.
    for (int waited = 0; failing_disk_count() < failures + 3; waited++) {
        assert_true(waited < WAIT_MS / 10);
        (void) poll(NULL, 0, 10);
    }
    collect(fixture);
    assert_int_equal(fixture->back, 10);
    failing_disk_set(DISK_WELL);
    await_back(fixture, 12);
    for (int i = 0; i < 10; i++) {
        submit(fixture, 100);
    }
    await_back(fixture, 22);
    store_destroy(&fixture->store);
    writer_destroy(&fixture->writer);
    assert_int_equal(count_what_is_there(fixture, 22), 22);
}

static void an_fsync_that_fails_but_keeps_is_settled(void **state)
{
    a_failing_fsync_stops_the_store(*state, DISK_KEEPS);
}

static void an_fsync_that_fails_and_loses_is_settled(void **state)
{
    a_failing_fsync_stops_the_store(*state, DISK_LOSES);
}

// The process that is killed: commits until then, telling through the pipe what came back durable.
// Commits one batch of the desk's, without a thread.
static enum store_result commit_one(struct fixture *fixture)
{
    struct batch *batch = desk_batch(&fixture->desk, 1);
    char name[32];

    snprintf(name, sizeof name, "p-%llu", (unsigned long long) fixture->desk.position.sequence);
    put(batch, a_post(fixture->desk.position.sequence, 1, name, "Where is my bag?"));
    enum store_result result = fixture->desk.engine->operations->commit(fixture->desk.engine, batch);
    batch_destroy(&batch);
    return result;
}

static uint64_t sequence_after_restart(struct fixture *fixture)
{
    fixture->desk.engine = open_engine(fixture);
    desk_take_over(&fixture->desk);
    return fixture->desk.position.sequence;
}

// Linux tells of a page that it could not write once, and takes it for clean from then on.  Who starts again reads it
// as if it were on the disk.
static void what_a_restart_acknowledges_after_a_failed_fsync_outlives_power(void **state)
{
    struct fixture *fixture = *state;
    char log[256];

    fixture->desk.engine = open_engine(fixture);
    desk_take_over(&fixture->desk);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(commit_one(fixture), STORE_OK);
    }
    failing_disk_set(DISK_FORGETS);
    assert_int_equal(commit_one(fixture), STORE_IN_DOUBT);
    failing_disk_set(DISK_WELL);
    fixture->desk.engine->operations->destroy(&fixture->desk.engine); // as by kill -9: the log stays
    uint64_t found = sequence_after_restart(fixture);
    assert_true(found == 5 || found == 6);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(commit_one(fixture), STORE_OK); // and this is acknowledged
    }
    uint64_t acknowledged = fixture->desk.position.sequence;
    assert_int_equal(acknowledged, found + 5);
    // Power goes: what the disk has, in a folder of its own.
    char command[512];
    snprintf(command, sizeof command, "mkdir %s/power && cp %s/behalf.db %s/power", fixture->folder, fixture->folder,
             fixture->folder);
    assert_int_equal(system(command), 0);
    path_of(fixture, "power/behalf.db-wal", log, sizeof log);
    failing_disk_write_platters(log);
    fixture->desk.engine->operations->destroy(&fixture->desk.engine);
    char folder[128];
    memcpy(folder, fixture->folder, sizeof folder);
    path_of(fixture, "power", log, sizeof log);
    snprintf(fixture->folder, sizeof fixture->folder, "%.100s", log);
    assert_int_equal(sequence_after_restart(fixture), acknowledged);
    fixture->desk.engine->operations->destroy(&fixture->desk.engine);
    snprintf(command, sizeof command, "rm -r %s", fixture->folder);
    assert_int_equal(system(command), 0);
    memcpy(fixture->folder, folder, sizeof folder);
}

static void write_until_killed(struct fixture *fixture, int out)
{
    start(fixture);
    fixture->back = fixture->desk.position.sequence;
    for (;;) {
        for (int i = 0; i < 3; i++) {
            submit(fixture, 2000 + 100 * (size_t) i);
        }
        await_back(fixture, fixture->desk.position.sequence);
        if (write(out, &fixture->back, sizeof fixture->back) != (ssize_t) sizeof fixture->back) {
            _exit(0);
        }
    }
}

// Lets a writer work until it has told `reports` times, kills it, and returns the last it had told.
static uint64_t kill_a_writer(struct fixture *fixture, int reports)
{
    int ends[2];
    uint64_t durable = 0;
    uint64_t told = 0;

    assert_int_equal(pipe(ends), 0);
    pid_t writer = fork();
    assert_true(writer >= 0);
    if (writer == 0) {
        (void) close(ends[0]);
        write_until_killed(fixture, ends[1]);
    }
    (void) close(ends[1]);
    for (int i = 0; i < reports && read(ends[0], &told, sizeof told) == (ssize_t) sizeof told; i++) {
        durable = told;
    }
    assert_int_equal(kill(writer, SIGKILL), 0);
    assert_int_equal(waitpid(writer, NULL, 0), writer);
    while (read(ends[0], &told, sizeof told) == (ssize_t) sizeof told) {
        durable = told;
    }
    (void) close(ends[0]);
    return durable;
}

static void whatever_was_told_durable_survives_kill_9(void **state)
{
    struct fixture *fixture = *state;
    uint64_t there = 0;

    for (int round = 0; round < 20; round++) {
        uint64_t durable = kill_a_writer(fixture, 1 + round * 7 % 23);
        assert_true(durable > there);
        there = count_what_is_there(fixture, durable);
    }
}

static void a_second_broker_is_refused_with_a_clear_word(void **state)
{
    struct fixture *fixture = *state;
    char reason[512] = "";
    char process[32];

    start(fixture);
    assert_null(engine_sqlite_open(fixture->folder, "support", reason, sizeof reason));
    assert_non_null(strstr(reason, "another broker"));
    snprintf(process, sizeof process, "process %ld", (long) getpid());
    assert_non_null(strstr(reason, process));
    assert_non_null(strstr(reason, fixture->folder));
    store_destroy(&fixture->store);
    writer_destroy(&fixture->writer);
    start(fixture);
}

static void a_folder_that_is_missing_is_made_for_its_owner_alone(void **state)
{
    struct fixture *fixture = *state;
    struct stat status;

    assert_int_equal(rmdir(fixture->folder), 0);
    start(fixture);
    assert_int_equal(stat(fixture->folder, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
}

static void run_sql(const struct fixture *fixture, const char *sql)
{
    sqlite3 *connection = NULL;
    char path[256];

    path_of(fixture, "behalf.db", path, sizeof path);
    assert_int_equal(sqlite3_open_v2(path, &connection, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, page_check_vfs()),
                     SQLITE_OK);
    assert_int_equal(sqlite3_exec(connection, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(connection), SQLITE_OK);
}

static void a_newer_schema_is_refused_and_left_as_it_is(void **state)
{
    struct fixture *fixture = *state;
    char reason[512] = "";

    start(fixture);
    store_destroy(&fixture->store);
    writer_destroy(&fixture->writer);
    run_sql(fixture, "PRAGMA user_version = 99");
    assert_null(engine_sqlite_open(fixture->folder, "support", reason, sizeof reason));
    assert_non_null(strstr(reason, "schema 99"));
    assert_non_null(strstr(reason, "newer behalf-broker"));
    assert_null(engine_sqlite_open_reports(fixture->folder, "support", reason, sizeof reason));
    char back[64];
    snprintf(back, sizeof back, "PRAGMA user_version = %d", migration_count);
    run_sql(fixture, back);
    start(fixture);
}

static const struct known_post *known_in(struct engine *engine, const char *post, struct batch **batch_p)
{
    *batch_p = batch_new();
    struct question *question =
        batch_ask(*batch_p, &(struct question){ .kind = QUESTION_INTAKE, .channel = "chirp", .post = post });

    assert_int_equal(engine->operations->commit(engine, *batch_p), STORE_OK);
    return question->known;
}

// Of a post taken under two days of the platform, the one taken last has the name; a brand's own is the brand's.
static void assert_one_identity_a_post(struct engine *engine)
{
    struct batch *batch = NULL;
    struct store_position position;

    assert_int_equal(engine->operations->take_over(engine, &position), STORE_OK);
    assert_int_equal(position.sequence, 9);
    const struct known_post *known = known_in(engine, "p-1", &batch);
    assert_non_null(known);
    assert_int_equal(known->item, 2);
    assert_string_equal(known->post.brand, "acme");
    assert_string_equal(known->post.text, "taken again");
    assert_int_equal(known->next->item, 3);
    assert_string_equal(known->next->post.brand, "bolt");
    assert_null(known->next->next);
    batch_destroy(&batch);
    known = known_in(engine, "p-2", &batch);
    assert_int_equal(known->item, 1);
    assert_null(known->next);
    batch_destroy(&batch);
    assert_null(known_in(engine, "p-3", &batch));
    batch_destroy(&batch);
}

#define FORMER_POST(item, number, post, brand, text)                                                                   \
    "INSERT INTO post (desk, item, number, channel, post, brand, author, author_name, reach, text, platform_language," \
    " language, thread, parent, link, posted_ms, taken_ms, sensitive, sealed, author_key) VALUES ('support', " item    \
    ", " number ", 'chirp', '" post "', '" brand "', 'ann', '', 0, '" text                                             \
    "', '', 'en', 't', '', '', 5, 1000, 0, 0, 7)"

static void a_store_of_the_former_version_has_one_identity_a_post(void **state)
{
    struct fixture *fixture = *state;
    char reason[512] = "";

    run_sql(fixture, "PRAGMA journal_mode = WAL");
    run_sql(fixture, migrations[0]);
    run_sql(fixture, migrations[1]);
    run_sql(fixture, "PRAGMA user_version = 2");
    run_sql(fixture, "INSERT INTO desk (desk, epoch, sequence, next_id, clock_ms, owner, confirmed)"
                     " VALUES ('support', 3, 9, 20, 2000, '', 0)");
    run_sql(fixture, FORMER_POST("1", "1", "p-1", "acme", "first"));
    run_sql(fixture, FORMER_POST("1", "2", "p-2", "acme", "second"));
    run_sql(fixture, FORMER_POST("2", "1", "p-1", "acme", "taken again"));
    run_sql(fixture, FORMER_POST("3", "1", "p-1", "bolt", "of bolt"));
    run_sql(fixture, "INSERT INTO intake_key (desk, day, channel, post, intake_key, item, number) VALUES"
                     " ('support', 11, 'chirp', 'p-1', 1, 2, 1), ('support', 0, 'chirp', 'p-1', 1, 1, 1),"
                     " ('support', 10, 'chirp', 'p-2', 2, 1, 2), ('support', 12, 'chirp', 'p-1', 1, 3, 1)");
    struct engine *engine = engine_sqlite_open(fixture->folder, "support", reason, sizeof reason);
    assert_string_equal(reason, "");
    assert_one_identity_a_post(engine);
    engine->operations->destroy(&engine);
}

static bool see_request(void *self, const struct request_record *request)
{
    struct change_list *list = self;

    change_list_add(list, &(struct change){ .kind = CHANGE_REQUEST, .request = *request });
    return true;
}

// The schema before requests were kept by themselves: an item knew the last one that moved it.
static void what_an_older_store_knew_of_requests_is_kept(void **state)
{
    struct fixture *fixture = *state;
    char reason[512] = "";

    run_sql(fixture, migrations[0]);
    run_sql(fixture, migrations[1]);
    run_sql(fixture, migrations[2]);
    run_sql(fixture, "PRAGMA user_version = 3");
    run_sql(fixture, "INSERT INTO desk (desk, epoch, sequence, next_id, clock_ms, owner, confirmed)"
                     " VALUES ('support', 1, 9, 9, 200000000, '', 0)");
    run_sql(fixture,
            "INSERT INTO item VALUES ('support', 7, 'acme', 'chirp', 'agent', 'en', '', 'sending', 1, 0, 0, 0, 0,"
            " 1, 0, 199000000, 0, 3, 'asha', '', 0, 1, 1, 1, 1, 0, 0, '', '', 8, 'asha', 'asha', 4711, 'sending',"
            " 3, 8, '')");
    struct engine *engine = engine_sqlite_open(fixture->folder, "support", reason, sizeof reason);
    if (engine == NULL) {
        print_message("%s\n", reason);
    }
    assert_non_null(engine);
    struct change_list *list = change_list_new();
    struct store_reader reader = { .self = list, .request = see_request };
    assert_int_equal(engine->operations->read(engine, &reader), STORE_OK);
    assert_int_equal(change_list_change_count(list), 1);
    const struct request_record *request = &change_list_changes(list)->request;
    assert_string_equal(request->role, "person");
    assert_string_equal(request->principal, "asha");
    assert_int_equal(request->id, 4711);
    assert_int_equal(request->item, 7);
    assert_int_equal(request->lease, 3);
    assert_int_equal(request->reply, 8);
    assert_string_equal(request->state, "sending");
    assert_int_equal(request->at_ms, 200000000);
    assert_int_equal(request->slot, request->number % REQUESTS_KEPT_MAX);
    change_list_destroy(&list);
    engine->operations->destroy(&engine);
}

static void a_file_that_is_no_database_is_refused(void **state)
{
    struct fixture *fixture = *state;
    char reason[512] = "";
    char path[256];

    path_of(fixture, "behalf.db", path, sizeof path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < 1000; i++) {
        fprintf(file, "this is no database. ");
    }
    (void) fclose(file);
    assert_null(engine_sqlite_open(fixture->folder, "support", reason, sizeof reason));
    assert_non_null(strstr(reason, "damaged"));
}

static void a_lock_of_another_program_is_waited_for(void **state)
{
    struct fixture *fixture = *state;
    sqlite3 *connection = NULL;
    char path[256];
    char text[512];

    start(fixture);
    path_of(fixture, "behalf.db", path, sizeof path);
    assert_int_equal(sqlite3_open(path, &connection), SQLITE_OK);
    assert_int_equal(sqlite3_exec(connection, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    submit(fixture, 10);
    await_away(fixture);
    describe(fixture, text, sizeof text);
    assert_non_null(strstr(text, "locked"));
    assert_int_equal(fixture->back, 0);
    assert_int_equal(sqlite3_exec(connection, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    await_back(fixture, 1);
    assert_int_equal(sqlite3_close(connection), SQLITE_OK);
}

static off_t log_bytes(const struct fixture *fixture)
{
    struct stat status;
    char path[256];

    path_of(fixture, "behalf.db-wal", path, sizeof path);
    return stat(path, &status) == 0 ? status.st_size : 0;
}

// The file, not what is in use of it: it was filled while a reader pinned it, and is written anew from its start.
static void the_log_is_told_as_large_as_its_file_is(void **state)
{
    struct fixture *fixture = *state;
    sqlite3 *reader = NULL;
    char path[256], text[512];
    long kilobytes = 0;

    start(fixture);
    path_of(fixture, "behalf.db", path, sizeof path);
    assert_int_equal(sqlite3_open_v2(path, &reader, SQLITE_OPEN_READWRITE, page_check_vfs()), SQLITE_OK);
    for (uint64_t round = 1; round <= 3; round++) {
        if (round == 1) {
            assert_int_equal(sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM item", NULL, NULL, NULL), SQLITE_OK);
        } else if (round == 2) {
            assert_int_equal(sqlite3_exec(reader, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
            assert_int_equal(sqlite3_exec(reader, "PRAGMA wal_checkpoint", NULL, NULL, NULL), SQLITE_OK);
        }
        for (int i = 0; i < (round == 1 ? 100 : 1); i++) {
            submit(fixture, 30000);
        }
        await_back(fixture, 99 + round);
        describe(fixture, text, sizeof text);
        const char *told = strstr(text, ", log ");
        assert_non_null(told);
        assert_int_equal(sscanf(told, ", log %ld kB", &kilobytes), 1);
        assert_int_equal(kilobytes, log_bytes(fixture) / 1024);
        assert_true(kilobytes > 3000);
    }
    assert_int_equal(sqlite3_close(reader), SQLITE_OK);
}

// Where nobody is in the way the log is moved into the file while work goes on, and begins anew at its start.
static void the_log_stays_short_while_there_are_pauses(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    for (uint64_t round = 1; round <= 60; round++) {
        for (int i = 0; i < 20; i++) {
            submit(fixture, 32000);
        }
        await_back(fixture, round * 20);
        (void) poll(NULL, 0, 50);
    }
    assert_true(log_bytes(fixture) < 16 * 1024 * 1024); // 40 MB were written
}

static void the_log_is_bounded_and_shrinks_once_a_reader_lets_go(void **state)
{
    struct fixture *fixture = *state;
    const off_t megabyte = 1024 * 1024;
    sqlite3 *connection = NULL;
    char path[256];
    char text[512];

    start(fixture);
    submit(fixture, 10);
    await_back(fixture, 1);
    path_of(fixture, "behalf.db", path, sizeof path);
    assert_int_equal(sqlite3_open(path, &connection), SQLITE_OK);
    assert_int_equal(sqlite3_exec(connection, "BEGIN; SELECT count(*) FROM item", NULL, NULL, NULL), SQLITE_OK);
    for (uint64_t i = 2; log_bytes(fixture) < 70 * megabyte; i += 50) {
        for (int j = 0; j < 50; j++) {
            submit(fixture, 32000);
        }
        await_back(fixture, i + 49);
    }
    describe(fixture, text, sizeof text);
    assert_non_null(strstr(text, "reader"));
    assert_int_equal(sqlite3_exec(connection, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(connection), SQLITE_OK);
    // It is tried again each time the log has grown by some more: on a busy machine the first may be in vain.
    for (int round = 0; round < 20 || (log_bytes(fixture) >= 64 * megabyte && round < 200); round++) {
        uint64_t before = fixture->back;
        for (int j = 0; j < 50; j++) {
            submit(fixture, 32000);
        }
        await_back(fixture, before + 50);
    }
    assert_true(log_bytes(fixture) < 64 * megabyte);
    describe(fixture, text, sizeof text);
    assert_null(strstr(text, "reader"));
}

#define CLAIM(claim) cmocka_unit_test_setup_teardown(claim, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CLAIM(whatever_was_told_durable_survives_kill_9),
        CLAIM(a_store_of_the_former_version_has_one_identity_a_post),
        CLAIM(a_full_disk_stops_the_store_and_loses_nothing),
        CLAIM(a_crash_on_a_full_disk_keeps_what_came_back),
        CLAIM(an_fsync_that_fails_but_keeps_is_settled),
        CLAIM(an_fsync_that_fails_and_loses_is_settled),
        CLAIM(what_a_restart_acknowledges_after_a_failed_fsync_outlives_power),
        CLAIM(a_second_broker_is_refused_with_a_clear_word),
        CLAIM(a_folder_that_is_missing_is_made_for_its_owner_alone),
        CLAIM(a_newer_schema_is_refused_and_left_as_it_is),
        CLAIM(what_an_older_store_knew_of_requests_is_kept),
        CLAIM(a_file_that_is_no_database_is_refused),
        CLAIM(a_lock_of_another_program_is_waited_for),
        CLAIM(the_log_is_told_as_large_as_its_file_is),
        CLAIM(the_log_stays_short_while_there_are_pauses),
        CLAIM(the_log_is_bounded_and_shrinks_once_a_reader_lets_go),
    };

    failing_disk_install();
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
