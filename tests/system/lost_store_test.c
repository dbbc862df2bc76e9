// lost_store_test.c - what SQLite does not tell: a log cut off, a database put back, pages that are not what they were;
// and a clock that is days away from the desk's.

#include "broker/store/sqlite/inspection.h"
#include "broker/store/sqlite/migrations.h"
#include "broker/store/sqlite/page_check.h"
#include "tests/system/child.h"
#include "tests/unit/store_desk.h"

#include <behalf/client.h>

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
#include <sys/timex.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#define DESK "support"
#define BATCHES 40
#define PAGE_BYTES 4096
#define DAMAGES 64

static const char *broker_program;

struct fixture {
    char folder[128];
    struct desk_under_test desk;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    snprintf(fixture->folder, sizeof fixture->folder, "/tmp/behalf-lost-XXXXXX");
    *state = fixture;
    return mkdtemp(fixture->folder) == NULL ? -1 : 0;
}

static void run_shell(const char *format, const char *folder)
{
    char command[1024];

    snprintf(command, sizeof command, format, folder, folder, folder, folder);
    assert_int_equal(system(command), 0);
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    (void) umount2(fixture->folder, MNT_DETACH); // where a test of a small disk failed
    run_shell("rm -r %s", fixture->folder);
    free(fixture);
    return 0;
}

static void path_of(const struct fixture *fixture, const char *name, char path[256])
{
    snprintf(path, 256, "%s/%s", fixture->folder, name);
}

static off_t size_of(const struct fixture *fixture, const char *name)
{
    struct stat about;
    char path[256];

    path_of(fixture, name, path);
    return stat(path, &about) == 0 ? about.st_size : -1;
}

// ---- a desk ----

static struct engine *try_open(const struct fixture *fixture, char reason[1024])
{
    reason[0] = '\0';
    return engine_sqlite_open(fixture->folder, DESK, reason, 1024);
}

static void open_desk(struct fixture *fixture)
{
    char reason[1024];

    fixture->desk = (struct desk_under_test){ .engine = try_open(fixture, reason) };
    if (fixture->desk.engine == NULL) {
        fail_msg("%s", reason);
    }
    desk_take_over(&fixture->desk);
}

static void close_desk(struct fixture *fixture)
{
    fixture->desk.engine->operations->destroy(&fixture->desk.engine);
}

static enum store_result commit_one(struct fixture *fixture)
{
    struct batch *batch = desk_batch(&fixture->desk, 1);
    uint64_t sequence = fixture->desk.position.sequence;
    char name[32];
    char text[600];

    memset(text, 'a' + (int) (sequence % 26), sizeof text);
    text[sizeof text - 1] = '\0';
    snprintf(name, sizeof name, "p-%llu", (unsigned long long) sequence);
    put(batch, a_post(sequence, 1, name, text));
    put(batch, an_item(sequence, ITEM_WAITING));
    put(batch, a_note(sequence, "note", "once", false));
    put(batch, an_event(sequence, sequence, "taken"));
    enum store_result result = fixture->desk.engine->operations->commit(fixture->desk.engine, batch);
    batch_destroy(&batch);
    return result;
}

// Somebody has a desk, commits to it, and is killed; returns the sequence that was acknowledged last.
static uint64_t use_and_be_killed(struct fixture *fixture)
{
    int out[2];
    uint64_t acknowledged = 0;

    assert_int_equal(pipe(out), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        open_desk(fixture);
        for (int i = 0; i < BATCHES; i++) {
            if (commit_one(fixture) != STORE_OK) {
                _exit(1);
            }
        }
        acknowledged = fixture->desk.position.sequence;
        (void) !write(out[1], &acknowledged, sizeof acknowledged);
        (void) raise(SIGKILL);
    }
    (void) close(out[1]);
    assert_int_equal(read(out[0], &acknowledged, sizeof acknowledged), sizeof acknowledged);
    (void) close(out[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    return acknowledged;
}

static void expect_refused(const struct fixture *fixture, const char *words)
{
    char reason[1024];
    struct engine *engine = try_open(fixture, reason);

    assert_null(engine);
    assert_non_null(strstr(reason, words));
    assert_non_null(strstr(reason, "--accept-loss"));
}

// Goes on without what is lost; no number that was told is given again.
static void accept_and_go_on(struct fixture *fixture, uint64_t acknowledged)
{
    char words[1024];

    assert_true(engine_sqlite_accept_loss(fixture->folder, DESK, words, sizeof words));
    assert_string_not_equal(words, "");
    open_desk(fixture);
    assert_true(fixture->desk.position.sequence > acknowledged);
    assert_true(fixture->desk.position.next_id > acknowledged);
    assert_int_equal(commit_one(fixture), STORE_OK);
    close_desk(fixture);
    open_desk(fixture); // and needs no further word
    close_desk(fixture);
    assert_true(engine_sqlite_accept_loss(fixture->folder, DESK, words, sizeof words)); // nor does it harm
    assert_string_equal(words, "");
}

// ---- a log or a database that is not what it was ----

static void a_killed_desk_is_whole(void **state)
{
    struct fixture *fixture = *state;

    for (int i = 0; i < 3; i++) {
        uint64_t acknowledged = use_and_be_killed(fixture);
        open_desk(fixture);
        assert_int_equal(fixture->desk.position.sequence, acknowledged);
        assert_int_equal(commit_one(fixture), STORE_OK);
        close_desk(fixture);
    }
}

static void cut_log(const struct fixture *fixture, off_t bytes)
{
    char path[256];

    path_of(fixture, "behalf.db-wal", path);
    assert_int_equal(truncate(path, bytes), 0);
}

static void zero_log_from(const struct fixture *fixture, off_t from)
{
    off_t bytes = size_of(fixture, "behalf.db-wal");

    cut_log(fixture, from);
    cut_log(fixture, bytes);
}

static void a_log_that_was_cut_off_zeroed_flipped_or_removed_is_noticed_wherever_it_is(void **state)
{
    struct fixture *fixture = *state;
    uint64_t acknowledged = 0;
    int cases = 0;

    for (int part = 0; part < 8; part++) {
        for (int how = 0; how < 3; how++) {
            run_shell("rm -f %s/behalf.db* %s/marks*", fixture->folder);
            acknowledged = use_and_be_killed(fixture);
            off_t bytes = size_of(fixture, "behalf.db-wal");
            off_t at = bytes * part / 8;
            char path[256];
            path_of(fixture, "behalf.db-wal", path);
            if (how == 0) {
                cut_log(fixture, at);
            } else if (how == 1) {
                zero_log_from(fixture, at);
            } else {
                int file = open(path, O_RDWR | O_CLOEXEC);
                char byte = 0;
                assert_int_equal(pread(file, &byte, 1, at + 100), 1);
                byte ^= 0x10;
                assert_int_equal(pwrite(file, &byte, 1, at + 100), 1);
                (void) close(file);
            }
            expect_refused(fixture, "has lost what was acknowledged");
            expect_refused(fixture, "has lost what was acknowledged"); // a second start does not go on by itself
            cases++;
        }
    }
    accept_and_go_on(fixture, acknowledged);
    run_shell("rm -f %s/behalf.db* %s/marks*", fixture->folder);
    acknowledged = use_and_be_killed(fixture);
    run_shell("rm %s/behalf.db-wal", fixture->folder);
    expect_refused(fixture, "has lost what was acknowledged");
    accept_and_go_on(fixture, acknowledged);
    print_message("%d damaged logs of %d noticed\n", cases + 1, cases + 1);
}

static void an_empty_database_beside_a_log_is_not_begun_anew(void **state)
{
    struct fixture *fixture = *state;
    uint64_t acknowledged = use_and_be_killed(fixture);
    char path[256];

    path_of(fixture, "behalf.db", path);
    off_t bytes = size_of(fixture, "behalf.db-wal");
    assert_int_equal(truncate(path, 0), 0);
    expect_refused(fixture, "is empty or gone, beside a log");
    assert_int_equal(size_of(fixture, "behalf.db-wal"), bytes); // it is still there, to be put together again
    accept_and_go_on(fixture, acknowledged);
    run_shell("test -s %s/behalf.db-wal.lost-*", fixture->folder);
}

static void a_database_put_back_from_a_copy_is_noticed(void **state)
{
    struct fixture *fixture = *state;

    open_desk(fixture);
    assert_int_equal(commit_one(fixture), STORE_OK);
    close_desk(fixture);
    run_shell("cp %s/behalf.db %s/copy", fixture->folder);
    open_desk(fixture);
    assert_int_equal(commit_one(fixture), STORE_OK);
    uint64_t acknowledged = fixture->desk.position.sequence;
    close_desk(fixture); // a clean stop
    run_shell("cp %s/copy %s/behalf.db", fixture->folder);
    expect_refused(fixture, "put back from a copy");
    accept_and_go_on(fixture, acknowledged);
}

// ---- pages ----

static void fill(struct fixture *fixture)
{
    open_desk(fixture);
    for (int i = 0; i < 400; i++) {
        assert_int_equal(commit_one(fixture), STORE_OK);
    }
    close_desk(fixture);
    run_shell("cp %s/behalf.db %s/whole", fixture->folder);
}

enum damage {
    DAMAGE_GARBAGE,
    DAMAGE_ZEROES,
    DAMAGE_BIT,
    DAMAGE_CHECKSUM, // a bit of it
    DAMAGE_PLACE,    // the page before it stands there
    DAMAGE_KINDS
};

static void flip_bit(const char *path, off_t at, unsigned bit)
{
    int file = open(path, O_RDWR | O_CLOEXEC);
    unsigned char byte = 0;

    assert_true(file >= 0);
    assert_int_equal(pread(file, &byte, 1, at), 1);
    byte ^= (unsigned char) (1u << bit);
    assert_int_equal(pwrite(file, &byte, 1, at), 1);
    (void) close(file);
}

static void damage_page(const char *path, off_t page, enum damage damage, unsigned seed)
{
    unsigned char bytes[PAGE_BYTES] = { 0 };
    int file = open(path, O_RDWR | O_CLOEXEC);

    assert_true(file >= 0);
    if (damage == DAMAGE_BIT || damage == DAMAGE_CHECKSUM) {
        assert_int_equal(pread(file, bytes, PAGE_BYTES, page * PAGE_BYTES), PAGE_BYTES);
        size_t at = damage == DAMAGE_BIT ? seed * 2654435761u % PAGE_BYTES : PAGE_BYTES - 1 - seed % 8;
        bytes[at] ^= (unsigned char) (1u << seed % 8);
    } else if (damage == DAMAGE_PLACE) {
        assert_int_equal(pread(file, bytes, PAGE_BYTES, (page - 1) * PAGE_BYTES), PAGE_BYTES);
    } else if (damage == DAMAGE_GARBAGE) {
        for (size_t i = 0; i < PAGE_BYTES; i++) {
            seed = seed * 1103515245u + 12345u;
            bytes[i] = (unsigned char) (seed >> 16);
        }
    }
    assert_int_equal(pwrite(file, bytes, PAGE_BYTES, page * PAGE_BYTES), PAGE_BYTES);
    (void) close(file);
}

static void damaged_pages_are_noticed_by_who_looks(void **state)
{
    static const char *const words[] = { "garbage", "zeroes", "one bit", "a bit of the checksum", "another page" };
    struct fixture *fixture = *state;
    char path[256], found[256];
    int noticed[DAMAGE_KINDS] = { 0 };

    fill(fixture);
    path_of(fixture, "behalf.db", path);
    assert_false(inspection_look(path, found, sizeof found));
    off_t pages = size_of(fixture, "behalf.db") / PAGE_BYTES;
    for (int kind = 0; kind < DAMAGE_KINDS; kind++) {
        for (int i = 0; i < DAMAGES; i++) {
            run_shell("cp %s/whole %s/behalf.db", fixture->folder);
            damage_page(path, 1 + (pages - 1) * i / DAMAGES, (enum damage) kind, (unsigned) i + 1);
            noticed[kind] += inspection_look(path, found, sizeof found) ? 1 : 0;
        }
        print_message("%s: %d of %d damaged pages noticed\n", words[kind], noticed[kind], DAMAGES);
        assert_int_equal(noticed[kind], DAMAGES);
    }
}

// Bits of the header and of what follows it, each by itself: the file's first words tell how all else is read.
static void a_bit_of_the_first_page_is_noticed_wherever_it_is(void **state)
{
    struct fixture *fixture = *state;
    char path[256], found[256];

    fill(fixture);
    path_of(fixture, "behalf.db", path);
    for (unsigned i = 0; i < 8 * 112; i += 11) {
        run_shell("cp %s/whole %s/behalf.db", fixture->folder);
        flip_bit(path, i / 8, i % 8);
        if (!inspection_look(path, found, sizeof found)) {
            fail_msg("bit %u of byte %u is not noticed", i % 8, i / 8);
        }
    }
    for (unsigned bit = 0; bit < 8; bit++) { // where the header says that there are checksums
        run_shell("cp %s/whole %s/behalf.db", fixture->folder);
        flip_bit(path, 20, bit);
        assert_true(inspection_look(path, found, sizeof found));
        char reason[1024];
        assert_null(try_open(fixture, reason));
        assert_non_null(strstr(reason, "damaged"));
    }
}

static void run_sql(const struct fixture *fixture, const char *sql, const char *vfs)
{
    char path[256];
    sqlite3 *connection = NULL;

    path_of(fixture, "behalf.db", path);
    assert_int_equal(sqlite3_open_v2(path, &connection, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs), SQLITE_OK);
    assert_int_equal(sqlite3_exec(connection, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(connection), SQLITE_OK);
}

static uint32_t number_at(const char *path, off_t at)
{
    unsigned char bytes[4];
    int file = open(path, O_RDONLY | O_CLOEXEC);

    assert_int_equal(pread(file, bytes, sizeof bytes, at), sizeof bytes);
    (void) close(file);
    return (uint32_t) bytes[0] << 24 | (uint32_t) bytes[1] << 16 | (uint32_t) bytes[2] << 8 | bytes[3];
}

static void a_page_that_no_table_has_is_looked_at_too(void **state)
{
    struct fixture *fixture = *state;
    char path[256], found[256];

    fill(fixture);
    path_of(fixture, "behalf.db", path);
    run_sql(fixture, "DELETE FROM event_row; DELETE FROM post_row WHERE item > 100", page_check_vfs());
    assert_true(number_at(path, 36) > 10); // pages free, of which the first lists others
    uint32_t listing = number_at(path, 32);
    uint32_t listed = number_at(path, (off_t) (listing - 1) * PAGE_BYTES + 8);
    assert_false(inspection_look(path, found, sizeof found));
    flip_bit(path, (off_t) (listed - 1) * PAGE_BYTES + 1000, 3);
    assert_true(inspection_look(path, found, sizeof found));
    flip_bit(path, (off_t) (listed - 1) * PAGE_BYTES + 1000, 3);
    assert_false(inspection_look(path, found, sizeof found));
    flip_bit(path, (off_t) (listing - 1) * PAGE_BYTES + PAGE_BYTES - 3, 3);
    assert_true(inspection_look(path, found, sizeof found));
}

// The place in the file of a customer's text.
static off_t find_text(const char *path)
{
    char text[64];
    char page[PAGE_BYTES];
    int file = open(path, O_RDONLY | O_CLOEXEC);

    memset(text, 'k', sizeof text);
    for (off_t at = 0; pread(file, page, PAGE_BYTES, at) == PAGE_BYTES; at += PAGE_BYTES) {
        const char *found = memmem(page, PAGE_BYTES, text, sizeof text);
        if (found != NULL) {
            (void) close(file);
            return at + (found - page);
        }
    }
    fail();
    return 0;
}

// Asks for items, one after the other, as long as that goes well.
static enum store_result ask_for_items(struct fixture *fixture)
{
    enum store_result result = STORE_OK;

    for (uint64_t item = 1; result == STORE_OK && item <= fixture->desk.position.sequence; item++) {
        struct batch *batch = batch_new();
        (void) batch_ask(batch, &(struct question){ .kind = QUESTION_ITEM, .item = item });
        result = fixture->desk.engine->operations->commit(fixture->desk.engine, batch);
        batch_destroy(&batch);
    }
    return result;
}

// One letter of what a customer wrote is another: nobody is shown it, and no start goes on by itself.
static void a_changed_letter_that_is_read_stops_the_desk_until_somebody_says_so(void **state)
{
    struct fixture *fixture = *state;
    char path[256], found[256], words[1024];

    fill(fixture);
    path_of(fixture, "behalf.db", path);
    flip_bit(path, find_text(path), 1);
    open_desk(fixture);
    assert_int_equal(ask_for_items(fixture), STORE_CONTRADICTED);
    assert_non_null(strstr(fixture->desk.engine->reason, "is damaged (page "));
    assert_non_null(strstr(fixture->desk.engine->reason, "--accept-loss"));
    close_desk(fixture);
    expect_refused(fixture, "is damaged");
    expect_refused(fixture, "is damaged");
    assert_true(engine_sqlite_accept_loss(fixture->folder, DESK, words, sizeof words));
    assert_non_null(strstr(words, "accepted: 1 damaged"));
    assert_false(inspection_look(path, found, sizeof found));
    open_desk(fixture);
    assert_int_equal(commit_one(fixture), STORE_OK);
    assert_int_equal(ask_for_items(fixture), STORE_OK);
    close_desk(fixture);
    assert_true(engine_sqlite_accept_loss(fixture->folder, DESK, words, sizeof words));
    assert_string_equal(words, "");
    flip_bit(path, find_text(path), 2); // what changes after that is not accepted
    open_desk(fixture);
    assert_int_equal(ask_for_items(fixture), STORE_CONTRADICTED);
    close_desk(fixture);
    expect_refused(fixture, "is damaged");
}

static void a_changed_letter_that_a_report_reads_stops_the_desk(void **state)
{
    struct fixture *fixture = *state;
    char path[256], reason[1024];
    enum store_result result = STORE_OK;

    fill(fixture);
    path_of(fixture, "behalf.db", path);
    open_desk(fixture);
    for (int i = 0; i < 100; i++) { // by then the inspection has looked at everything once
        assert_int_equal(commit_one(fixture), STORE_OK);
        (void) poll(NULL, 0, 50);
    }
    flip_bit(path, find_text(path), 1);
    struct engine *reports = engine_sqlite_open_reports(fixture->folder, DESK, reason, sizeof reason);
    assert_non_null(reports);
    enum store_result told = STORE_OK;
    for (uint64_t item = 1; told == STORE_OK && item <= 400; item++) {
        struct report *report = report_new(REPORT_TEXTS);
        report->items = report_allocate(report, sizeof *report->items);
        report->sealed_too = report_allocate(report, sizeof *report->sealed_too);
        report->items[0] = item;
        report->item_count = 1;
        told = reports->operations->report(reports, report);
        report_destroy(&report);
    }
    assert_int_equal(told, STORE_CONTRADICTED);
    for (int waits = 0; result == STORE_OK && waits < 200; waits++) {
        result = commit_one(fixture);
        (void) poll(NULL, 0, 50);
    }
    assert_int_equal(result, STORE_CONTRADICTED);
    assert_non_null(strstr(fixture->desk.engine->reason, "is damaged (page "));
    reports->operations->destroy(&reports);
    close_desk(fixture);
    expect_refused(fixture, "is damaged");
}

// Another program writes, or copies what the log has: it knows of no checksums.  Who has looked says so, and the desk
// goes on with all that is there.
static void what_another_program_has_written_is_accepted_by_who_has_looked(void **state)
{
    static const char *const doings[] = { "UPDATE open_item SET moves = 3 WHERE item < 50",
                                          "BEGIN IMMEDIATE; COMMIT; PRAGMA wal_checkpoint(TRUNCATE)" };
    struct fixture *fixture = *state;
    char path[256], found[256], words[1024];

    path_of(fixture, "behalf.db", path);
    for (size_t i = 0; i < 3; i++) {
        uint64_t acknowledged = use_and_be_killed(fixture);
        run_sql(fixture, i < 2 ? doings[i] : "SELECT count(*) FROM item", NULL);
        if (i == 2) { // a copy made while the broker runs
            char sql[300];
            snprintf(sql, sizeof sql, "VACUUM INTO '%s.copy'", path);
            run_sql(fixture, sql, NULL);
            run_shell("mv %s/behalf.db.copy %s/behalf.db && rm -f %s/behalf.db-wal", fixture->folder);
        }
        expect_refused(fixture, "is damaged");
        assert_true(engine_sqlite_accept_loss(fixture->folder, DESK, words, sizeof words));
        assert_non_null(strstr(words, "are taken as they are"));
        assert_null(strstr(words, "what can be read"));
        assert_false(inspection_look(path, found, sizeof found));
        open_desk(fixture);
        assert_int_equal(fixture->desk.position.sequence, acknowledged);
        assert_int_equal(ask_for_items(fixture), STORE_OK);
        assert_int_equal(commit_one(fixture), STORE_OK);
        close_desk(fixture);
        assert_false(inspection_look(path, found, sizeof found));
    }
}

// ---- power that goes while the log is moved into the file ----

#define LOG_HEADER_BYTES 32
#define FRAME_BYTES (24 + PAGE_BYTES)

// Leaves half of each page that is in the log as a checkpoint writes it, the first half or the last; the rest is as it
// was, or nothing.  Returns how many pages.
static int tear_pages(const struct fixture *fixture, bool first_half)
{
    char database[256], log[256];
    unsigned char page[PAGE_BYTES];
    int torn = 0;

    path_of(fixture, "behalf.db", database);
    path_of(fixture, "behalf.db-wal", log);
    int to = open(database, O_RDWR | O_CLOEXEC);
    int from = open(log, O_RDONLY | O_CLOEXEC);
    off_t bytes = size_of(fixture, "behalf.db-wal");
    assert_true(to >= 0 && from >= 0);
    for (off_t frame = LOG_HEADER_BYTES; frame + FRAME_BYTES <= bytes; frame += FRAME_BYTES, torn++) {
        off_t at = (off_t) (number_at(log, frame) - 1) * PAGE_BYTES;
        off_t half = first_half ? 0 : PAGE_BYTES / 2;
        assert_int_equal(pread(from, page, PAGE_BYTES, frame + 24), PAGE_BYTES);
        assert_int_equal(pwrite(to, page + half, PAGE_BYTES / 2, at + half), PAGE_BYTES / 2);
    }
    (void) close(from);
    (void) close(to);
    return torn;
}

static void a_checkpoint_cut_short_is_no_damage(void **state)
{
    struct fixture *fixture = *state;
    char path[256], found[256], words[1024];

    path_of(fixture, "behalf.db", path);
    for (int round = 0; round < 6; round++) {
        uint64_t acknowledged = use_and_be_killed(fixture);
        assert_true(tear_pages(fixture, round % 2 == 0) > BATCHES);
        if (round / 2 == 1) { // an operator who says too much accepts nothing
            assert_true(engine_sqlite_accept_loss(fixture->folder, DESK, words, sizeof words));
            assert_string_equal(words, "");
        } else if (round / 2 == 2) { // nor does who looks at the file as it lies there
            assert_false(inspection_look(path, found, sizeof found));
        }
        open_desk(fixture);
        assert_int_equal(fixture->desk.position.sequence, acknowledged);
        assert_int_equal(commit_one(fixture), STORE_OK);
        assert_int_equal(ask_for_items(fixture), STORE_OK);
        close_desk(fixture);
        assert_false(inspection_look(path, found, sizeof found));
    }
}

// The inspection of a running desk meets pages of which only the log has good copies, while a reader keeps it from
// being moved.
static void a_torn_page_whose_good_copy_is_kept_in_the_log_is_not_judged(void **state)
{
    struct fixture *fixture = *state;
    char path[256], found[256];
    sqlite3 *reader = NULL;

    uint64_t acknowledged = use_and_be_killed(fixture);
    path_of(fixture, "behalf.db", path);
    assert_true(tear_pages(fixture, true) > BATCHES);
    assert_int_equal(sqlite3_open_v2(path, &reader, SQLITE_OPEN_READONLY, page_check_vfs()), SQLITE_OK);
    assert_int_equal(sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM item", NULL, NULL, NULL), SQLITE_OK);
    open_desk(fixture);
    assert_int_equal(fixture->desk.position.sequence, acknowledged);
    for (int i = 0; i < 80; i++) { // its first look is made after two seconds
        assert_int_equal(commit_one(fixture), STORE_OK);
        (void) poll(NULL, 0, 50);
    }
    assert_int_equal(sqlite3_close(reader), SQLITE_OK);
    close_desk(fixture);
    assert_false(inspection_look(path, found, sizeof found));
}

// ---- a file of a former version ----

// With what 400 commits left in it; somebody had it open, so that it was not given checksums.
static void fill_former(struct fixture *fixture)
{
    char path[256];
    sqlite3 *reader = NULL;

    run_sql(fixture, "PRAGMA journal_mode = WAL", NULL);
    for (int i = 0; i < 7; i++) {
        run_sql(fixture, migrations[i], NULL);
    }
    run_sql(fixture, "PRAGMA user_version = 7", NULL);
    path_of(fixture, "behalf.db", path);
    assert_int_equal(sqlite3_open_v2(path, &reader, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM item", NULL, NULL, NULL), SQLITE_OK);
    fill(fixture); // goes on without
    assert_int_equal(sqlite3_close(reader), SQLITE_OK);
    run_sql(fixture, "PRAGMA wal_checkpoint(TRUNCATE)", NULL);
    run_shell("cp %s/behalf.db %s/whole", fixture->folder);
    assert_int_equal(number_at(path, 20) >> 24, 0);
}

static void expect_checksums(struct fixture *fixture, uint64_t sequence)
{
    char path[256], found[256];

    path_of(fixture, "behalf.db", path);
    assert_int_equal(number_at(path, 20) >> 24, 8);
    assert_int_equal(number_at(path, 60), migration_count); // a former broker refuses it
    assert_false(inspection_look(path, found, sizeof found));
    run_shell("test ! -e %s/behalf.db.new", fixture->folder);
    open_desk(fixture);
    assert_int_equal(fixture->desk.position.sequence, sequence);
    assert_int_equal(ask_for_items(fixture), STORE_OK);
    assert_int_equal(commit_one(fixture), STORE_OK);
    close_desk(fixture);
    assert_false(inspection_look(path, found, sizeof found));
}

static void a_file_of_a_former_version_is_given_checksums_whenever_that_is_cut_short(void **state)
{
    struct fixture *fixture = *state;
    char path[256];
    int cut_short = 0;

    fill_former(fixture);
    uint64_t sequence = fixture->desk.position.sequence;
    path_of(fixture, "behalf.db", path);
    for (int wait_us = 0; wait_us < 160000; wait_us += 10000) {
        run_shell("cp %s/whole %s/behalf.db && rm -f %s/behalf.db-* %s/marks", fixture->folder);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            char reason[1024];
            (void) try_open(fixture, reason);
            _exit(0);
        }
        assert_int_equal(usleep((useconds_t) wait_us), 0);
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
        cut_short += number_at(path, 20) >> 24 == 0;
        open_desk(fixture);
        assert_int_equal(fixture->desk.position.sequence, sequence);
        close_desk(fixture);
        expect_checksums(fixture, sequence);
    }
    print_message("cut short %d times of 16\n", cut_short);
}

// One that is larger than what SQLite keeps in memory is written before it is known to SQLite's first page how.
static void a_large_file_of_a_former_version_is_given_checksums(void **state)
{
    struct fixture *fixture = *state;

    fill_former(fixture);
    run_sql(fixture,
            "CREATE TABLE filler AS WITH RECURSIVE n (x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n WHERE x < 1500)"
            " SELECT randomblob(60000) AS bytes FROM n",
            NULL);
    open_desk(fixture);
    close_desk(fixture);
    expect_checksums(fixture, fixture->desk.position.sequence);
}

static void what_is_left_of_an_upgrade_cut_short_is_in_nobodys_way(void **state)
{
    struct fixture *fixture = *state;

    fill_former(fixture);
    run_shell("cp %s/whole %s/behalf.db.new && touch %s/behalf.db.new-journal", fixture->folder);
    open_desk(fixture);
    close_desk(fixture);
    expect_checksums(fixture, fixture->desk.position.sequence);
}

static void a_desk_in_which_damage_is_found_stops_until_somebody_says_so(void **state)
{
    struct fixture *fixture = *state;
    char path[256], found[256];
    enum store_result result = STORE_OK;

    fill(fixture);
    path_of(fixture, "behalf.db", path);
    // A page that nothing reads at the start.
    for (off_t page = size_of(fixture, "behalf.db") / PAGE_BYTES / 4; !inspection_look(path, found, sizeof found);
         page++) {
        damage_page(path, page, DAMAGE_ZEROES, 1);
    }
    open_desk(fixture);
    for (int waits = 0; result == STORE_OK && waits < 600; waits++) {
        result = commit_one(fixture);
        (void) poll(NULL, 0, 50);
    }
    assert_int_equal(result, STORE_CONTRADICTED);
    assert_non_null(strstr(fixture->desk.engine->reason, "is damaged"));
    close_desk(fixture);
    expect_refused(fixture, "is damaged");
    char words[1024];
    assert_true(engine_sqlite_accept_loss(fixture->folder, DESK, words, sizeof words));
    assert_non_null(strstr(words, "damaged"));
    open_desk(fixture);
    close_desk(fixture);
}

static char said[4096]; // lines of the engine

static void keep_line(const char *line)
{
    size_t at = strlen(said);

    (void) snprintf(said + at, sizeof said - at, "%s\n", line);
}

static void an_upgrade_for_which_there_is_no_room_waits_for_a_later_start(void **state)
{
    struct fixture *fixture = *state;
    char path[256];

    if (mount("none", fixture->folder, "tmpfs", 0, "size=64m") != 0) {
        print_message("skipped: mounting a small disk needs the rights of root\n");
        skip();
    }
    fill_former(fixture);
    path_of(fixture, "behalf.db", path);
    run_shell("rm %s/whole; head -c 80000000 /dev/zero > %s/filler 2>/dev/null; truncate -s -1000000 %s/filler",
              fixture->folder);
    said[0] = '\0';
    engine_sqlite_tell(keep_line);
    open_desk(fixture);
    assert_int_equal(commit_one(fixture), STORE_OK);
    assert_non_null(strstr(said, "stays without checksums"));
    assert_non_null(strstr(said, "MB free"));
    close_desk(fixture);
    assert_int_equal(number_at(path, 20) >> 24, 0);
    run_shell("rm %s/filler", fixture->folder);
    open_desk(fixture);
    engine_sqlite_tell(NULL);
    assert_non_null(strstr(said, "has checksums now"));
    close_desk(fixture);
    expect_checksums(fixture, fixture->desk.position.sequence);
    assert_int_equal(umount(fixture->folder), 0);
}

// ---- the broker ----

static void write_rules(const struct fixture *fixture)
{
    char path[256];

    path_of(fixture, "rules.yaml", path);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fprintf(file, "desk: " DESK "\nchannels:\n  chirp: { length: 280 }\nagencies: [Northline]\n"
                  "brands:\n  bolt:\n    display_name: Bolt\n    languages: [en]\n"
                  "    disclosure: \"I'm {first_name} from {agency}, answering for {brand}.\"\n"
                  "    disclosure_pr: \"{first_name}, {brand}\"\n"
                  "people:\n  asha: { display_name: Asha Rao, roles: [agent], agency: Northline, brands: all,"
                  " languages: [en], capacity: 3 }\n"
                  "  petra: { display_name: Petra Lind, roles: [pr], brands: all, languages: all, capacity: 5 }\n");
    assert_int_equal(fclose(file), 0);
}

static struct child *start_broker(const struct fixture *fixture, const char *option)
{
    char path[256], listen[256];

    path_of(fixture, "rules.yaml", path);
    snprintf(listen, sizeof listen, "ipc://%s/socket", fixture->folder);
    const char *argv[] = {
        broker_program, "--desk", path, "--data", fixture->folder, "--listen", listen, option, NULL
    };
    return child_new(argv);
}

// Starts a broker on the folder: it is to say this, and then to end, or to serve and be stopped.
static void run_broker(const struct fixture *fixture, const char *option, const char *words, bool serves)
{
    struct child *broker = start_broker(fixture, option);

    free(child_expect_error(broker, NULL, words));
    if (serves) {
        child_signal(broker, SIGTERM);
    }
    assert_int_equal(child_wait(broker, NULL), serves ? 0 : 4);
    child_destroy(&broker);
}

// A feed that stays signed in while the broker comes and goes.
static struct behalf_client *sign_in(const struct fixture *fixture)
{
    struct behalf_hello hello = { .role = "connector", .name = "feed" };
    char endpoint[256];

    snprintf(endpoint, sizeof endpoint, "ipc://%s/socket", fixture->folder);
    struct behalf_client *client = behalf_client_new(endpoint, &hello);
    assert_non_null(client);
    return client;
}

// Waits for WELCOME; returns the sequence it tells.
static int64_t await_welcome(struct behalf_client *client)
{
    struct behalf_message *message;

    while ((message = behalf_client_wait(client, 20000)) != NULL && message->type != BEHALF_WELCOME) {
        behalf_message_destroy(&message);
    }
    assert_non_null(message);
    int64_t sequence = message->welcome.sequence;
    behalf_message_destroy(&message);
    return sequence;
}

static void a_desk_behind_what_a_client_was_told_does_not_go_on_by_itself(void **state)
{
    struct fixture *fixture = *state;

    write_rules(fixture);
    run_broker(fixture, NULL, "broker ready", true);
    run_shell("cp %s/behalf.db %s/copy", fixture->folder);
    struct child *broker = start_broker(fixture, NULL);
    free(child_expect_error(broker, NULL, "broker ready"));
    struct behalf_client *client = sign_in(fixture);
    struct behalf_message post = { .type = BEHALF_POST,
                                   .post = { .channel = "chirp",
                                             .post = "p1",
                                             .brand = "bolt",
                                             .author = "@c",
                                             .text = "Where is my bag?",
                                             .language = "en" } };
    struct behalf_fault fault;
    (void) await_welcome(client);
    int64_t request = behalf_client_send(client, &post, &fault);
    struct behalf_message *taken = behalf_client_wait_answer(client, request, 20000);
    assert_non_null(taken);
    assert_string_equal(behalf_type_name(taken->type), "TAKEN");
    behalf_message_destroy(&taken);
    behalf_client_destroy(&client);
    client = sign_in(fixture);
    int64_t told = await_welcome(client);
    child_signal(broker, SIGKILL);
    (void) child_wait(broker, NULL);
    child_destroy(&broker);
    // The copy is put back, and nothing beside it tells.
    run_shell("cp %s/copy %s/behalf.db && rm -f %s/behalf.db-wal", fixture->folder);
    run_shell("rm %s/marks", fixture->folder);
    broker = start_broker(fixture, NULL);
    free(child_expect_error(broker, NULL, "broker ready"));
    for (int i = 0; i < 400 && strstr(child_errors(broker), "behind what its clients were told") == NULL; i++) {
        struct behalf_message *message = behalf_client_wait(client, 50);
        behalf_message_destroy(&message);
    }
    assert_int_equal(child_wait(broker, NULL), 6);
    child_destroy(&broker);
    run_broker(fixture, NULL, "--accept-loss", false); // and not after a restart either
    broker = start_broker(fixture, "--accept-loss");
    free(child_expect_error(broker, NULL, "broker ready"));
    assert_true(await_welcome(client) > told);
    child_signal(broker, SIGTERM);
    assert_int_equal(child_wait(broker, NULL), 0);
    child_destroy(&broker);
    behalf_client_destroy(&client);
}

static void set_clock(const struct fixture *fixture, int64_t clock_ms)
{
    char path[256], sql[128];
    sqlite3 *connection = NULL;

    path_of(fixture, "behalf.db", path);
    snprintf(sql, sizeof sql, "UPDATE desk SET clock_ms = %lld", (long long) clock_ms);
    assert_int_equal(sqlite3_open_v2(path, &connection, SQLITE_OPEN_READWRITE, page_check_vfs()), SQLITE_OK);
    assert_int_equal(sqlite3_exec(connection, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(connection), SQLITE_OK);
}

static void the_broker_says_what_is_lost_and_goes_on_when_told_to(void **state)
{
    struct fixture *fixture = *state;

    write_rules(fixture);
    struct child *broker = start_broker(fixture, NULL);
    free(child_expect_error(broker, NULL, "broker ready"));
    child_signal(broker, SIGKILL);
    (void) child_wait(broker, NULL);
    child_destroy(&broker);
    cut_log(fixture, size_of(fixture, "behalf.db-wal") / 2);
    run_broker(fixture, NULL, "--accept-loss", false);
    run_broker(fixture, NULL, "--accept-loss", false);
    run_broker(fixture, "--accept-loss", "accepted: the desk goes on", true);
    run_broker(fixture, NULL, "broker ready", true);
}

static void a_start_whose_clock_is_days_away_from_the_desks_is_refused_until_somebody_says_so(void **state)
{
    static const int64_t day_ms = INT64_C(24) * 60 * 60 * 1000;
    struct fixture *fixture = *state;
    struct timex kernel = { .modes = 0 };
    bool vouched = adjtimex(&kernel) != TIME_ERROR && (kernel.status & STA_UNSYNC) == 0;
    int64_t now_ms = (int64_t) time(NULL) * 1000;

    write_rules(fixture);
    run_broker(fixture, NULL, "broker ready", true);
    set_clock(fixture, INT64_C(10381564800000)); // 2298: as if the machine's were centuries behind
    run_broker(fixture, NULL, "--accept-clock", false);
    run_broker(fixture, "--accept-clock", "broker ready", true);
    set_clock(fixture, now_ms + 2 * day_ms);
    run_broker(fixture, NULL, "--accept-clock", false);
    set_clock(fixture, now_ms + day_ms / 24); // an hour: as ever
    run_broker(fixture, NULL, "broker ready", true);
    set_clock(fixture, now_ms - 3 * day_ms); // a long weekend
    run_broker(fixture, NULL, "broker ready", true);
    set_clock(fixture, now_ms - 4000 * day_ms);
    print_message("the kernel %s for the machine's clock\n", vouched ? "vouches" : "does not vouch");
    run_broker(fixture, NULL, vouched ? "broker ready" : "--accept-clock", vouched);
    set_clock(fixture, now_ms - 4000 * day_ms);
    run_broker(fixture, "--accept-clock", "broker ready", true);
    run_broker(fixture, NULL, "broker ready", true);
}

#define CLAIM(claim) cmocka_unit_test_setup_teardown(claim, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CLAIM(a_killed_desk_is_whole),
        CLAIM(a_log_that_was_cut_off_zeroed_flipped_or_removed_is_noticed_wherever_it_is),
        CLAIM(an_empty_database_beside_a_log_is_not_begun_anew),
        CLAIM(a_database_put_back_from_a_copy_is_noticed),
        CLAIM(damaged_pages_are_noticed_by_who_looks),
        CLAIM(a_desk_in_which_damage_is_found_stops_until_somebody_says_so),
        CLAIM(a_bit_of_the_first_page_is_noticed_wherever_it_is),
        CLAIM(a_page_that_no_table_has_is_looked_at_too),
        CLAIM(a_changed_letter_that_is_read_stops_the_desk_until_somebody_says_so),
        CLAIM(a_changed_letter_that_a_report_reads_stops_the_desk),
        CLAIM(what_another_program_has_written_is_accepted_by_who_has_looked),
        CLAIM(a_checkpoint_cut_short_is_no_damage),
        CLAIM(a_torn_page_whose_good_copy_is_kept_in_the_log_is_not_judged),
        CLAIM(a_file_of_a_former_version_is_given_checksums_whenever_that_is_cut_short),
        CLAIM(a_large_file_of_a_former_version_is_given_checksums),
        CLAIM(what_is_left_of_an_upgrade_cut_short_is_in_nobodys_way),
        CLAIM(an_upgrade_for_which_there_is_no_room_waits_for_a_later_start),
        CLAIM(the_broker_says_what_is_lost_and_goes_on_when_told_to),
        CLAIM(a_desk_behind_what_a_client_was_told_does_not_go_on_by_itself),
        CLAIM(a_start_whose_clock_is_days_away_from_the_desks_is_refused_until_somebody_says_so),
    };

    if (argc < 2) {
        return 2;
    }
    broker_program = argv[1];
    if (argc > 2) {
        cmocka_set_test_filter(argv[2]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
