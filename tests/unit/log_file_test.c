// log_file_test.c - the log is written in one call a commit, and nobody can tell but by counting the calls.

#include "broker/store/sqlite/page_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

// ---- a disk below that counts the calls by which the log is written, and refuses them when told to ----

struct counted_file {
    sqlite3_file base;
    sqlite3_int64 usual[];
};

static sqlite3_vfs *usual_vfs;
static int log_writes;
static bool refuses;

static sqlite3_file *counted_usual(sqlite3_file *file)
{
    return (sqlite3_file *) (void *) ((struct counted_file *) (void *) file)->usual;
}

static int counted_close(sqlite3_file *file)
{
    return counted_usual(file)->pMethods->xClose(counted_usual(file));
}

static int counted_read(sqlite3_file *file, void *to, int bytes, sqlite3_int64 at)
{
    return counted_usual(file)->pMethods->xRead(counted_usual(file), to, bytes, at);
}

static int counted_write(sqlite3_file *file, const void *from, int bytes, sqlite3_int64 at)
{
    log_writes++;
    return refuses ? SQLITE_FULL : counted_usual(file)->pMethods->xWrite(counted_usual(file), from, bytes, at);
}

static int counted_truncate(sqlite3_file *file, sqlite3_int64 bytes)
{
    return counted_usual(file)->pMethods->xTruncate(counted_usual(file), bytes);
}

static int counted_sync(sqlite3_file *file, int flags)
{
    return counted_usual(file)->pMethods->xSync(counted_usual(file), flags);
}

static int counted_size(sqlite3_file *file, sqlite3_int64 *bytes)
{
    return counted_usual(file)->pMethods->xFileSize(counted_usual(file), bytes);
}

static int counted_control(sqlite3_file *file, int operation, void *argument)
{
    return counted_usual(file)->pMethods->xFileControl(counted_usual(file), operation, argument);
}

static int counted_sector_size(sqlite3_file *file)
{
    return counted_usual(file)->pMethods->xSectorSize(counted_usual(file));
}

static int counted_characteristics(sqlite3_file *file)
{
    return counted_usual(file)->pMethods->xDeviceCharacteristics(counted_usual(file));
}

static const sqlite3_io_methods counted_methods = {
    .iVersion = 1,
    .xClose = counted_close,
    .xRead = counted_read,
    .xWrite = counted_write,
    .xTruncate = counted_truncate,
    .xSync = counted_sync,
    .xFileSize = counted_size,
    .xFileControl = counted_control,
    .xSectorSize = counted_sector_size,
    .xDeviceCharacteristics = counted_characteristics,
};

static int counted_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *flags_out)
{
    (void) vfs;
    if ((flags & SQLITE_OPEN_WAL) == 0) {
        return usual_vfs->xOpen(usual_vfs, name, file, flags, flags_out);
    }
    file->pMethods = NULL;
    int result = usual_vfs->xOpen(usual_vfs, name, counted_usual(file), flags, flags_out);
    if (result == SQLITE_OK) {
        file->pMethods = &counted_methods;
    }
    return result;
}

// Before anybody asks for page_check_vfs, which stands on the default.
static void counted_install(void)
{
    static sqlite3_vfs vfs;

    usual_vfs = sqlite3_vfs_find(NULL);
    vfs = *usual_vfs;
    vfs.zName = "counted";
    vfs.szOsFile = (int) sizeof(struct counted_file) + usual_vfs->szOsFile;
    vfs.xOpen = counted_open;
    assert_int_equal(sqlite3_vfs_register(&vfs, 1), SQLITE_OK);
}

// ---- a store with one table ----

struct fixture {
    char folder[64];
    char path[96];
    sqlite3 *writer;
    sqlite3 *reader;
};

static int run(sqlite3 *connection, const char *sql)
{
    return sqlite3_exec(connection, sql, NULL, NULL, NULL);
}

static int64_t ask(sqlite3 *connection, const char *sql)
{
    sqlite3_stmt *statement = NULL;

    assert_int_equal(sqlite3_prepare_v2(connection, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t number = sqlite3_column_int64(statement, 0);
    assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
    return number;
}

static void open_writer(struct fixture *fixture, bool gathers)
{
    assert_int_equal(
        sqlite3_open_v2(fixture->path, &fixture->writer, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, page_check_vfs()),
        SQLITE_OK);
    page_check_reserve(fixture->writer);
    if (gathers) {
        page_check_gather_log(fixture->writer);
    }
    assert_int_equal(run(fixture->writer, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                                          "PRAGMA wal_autocheckpoint = 0; CREATE TABLE IF NOT EXISTS kept (number"
                                          " INTEGER PRIMARY KEY, words TEXT); INSERT INTO kept VALUES (0, 'zero')"),
                     SQLITE_OK);
    assert_int_equal(sqlite3_open_v2(fixture->path, &fixture->reader, SQLITE_OPEN_READONLY, page_check_vfs()),
                     SQLITE_OK);
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    snprintf(fixture->folder, sizeof fixture->folder, "/tmp/behalf-log-XXXXXX");
    *state = fixture;
    refuses = false;
    if (mkdtemp(fixture->folder) == NULL) {
        return -1;
    }
    snprintf(fixture->path, sizeof fixture->path, "%s/behalf.db", fixture->folder);
    return 0;
}

static int tear_down(void **state)
{
    static const char *const endings[] = { "", "-wal", "-shm" };
    struct fixture *fixture = *state;
    char path[128];

    (void) sqlite3_close(fixture->reader);
    (void) sqlite3_close(fixture->writer);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        snprintf(path, sizeof path, "%s%s", fixture->path, endings[i]);
        (void) unlink(path);
    }
    int result = rmdir(fixture->folder);
    free(fixture);
    return result;
}

// Ten pages, in one commit.
#define TEN_PAGES                                                                                                      \
    "INSERT INTO kept WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 10)"                   \
    " SELECT (SELECT max(number) FROM kept) + n, hex(randomblob(1900)) FROM n"

static int calls_of_commit(struct fixture *fixture)
{
    log_writes = 0;
    assert_int_equal(run(fixture->writer, TEN_PAGES), SQLITE_OK);
    return log_writes;
}

static void a_commit_is_one_call(void **state)
{
    struct fixture *fixture = *state;

    open_writer(fixture, true);
    (void) calls_of_commit(fixture);
    assert_int_equal(calls_of_commit(fixture), 1);
    assert_int_equal(ask(fixture->reader, "SELECT count(*) FROM kept"), 21);
}

static void without_syncs_nothing_is_held_back(void **state)
{
    struct fixture *fixture = *state;

    open_writer(fixture, false);
    assert_int_equal(run(fixture->writer, "PRAGMA synchronous = OFF"), SQLITE_OK);
    assert_true(calls_of_commit(fixture) >= 20);
    assert_int_equal(ask(fixture->reader, "SELECT count(*) FROM kept"), 11);
}

// Far more than is kept in memory, of rows or of what is to be written, in one transaction that reads what it wrote.
static void a_transaction_finds_what_it_wrote(void **state)
{
    struct fixture *fixture = *state;

    open_writer(fixture, true);
    assert_int_equal(run(fixture->writer, "PRAGMA cache_size = 10; BEGIN"), SQLITE_OK);
    for (int i = 0; i < 30; i++) {
        assert_int_equal(run(fixture->writer, TEN_PAGES), SQLITE_OK);
        assert_int_equal(run(fixture->writer, "UPDATE kept SET words = words || 'x' WHERE number % 7 = 0"), SQLITE_OK);
    }
    assert_int_equal(ask(fixture->reader, "SELECT count(*) FROM kept"), 1);
    assert_int_equal(run(fixture->writer, "COMMIT"), SQLITE_OK);
    assert_int_equal(ask(fixture->reader, "SELECT count(*) FROM kept"), 301);
    assert_int_equal(ask(fixture->reader, "SELECT sum(length(words)) FROM kept WHERE number > 0 AND number % 7 <> 0"),
                     (300 - 42) * 3800);
    assert_int_equal(ask(fixture->reader, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"),
                     1);
}

static void what_the_disk_refuses_is_not_committed(void **state)
{
    struct fixture *fixture = *state;

    open_writer(fixture, true);
    refuses = true;
    assert_int_equal(run(fixture->writer, TEN_PAGES), SQLITE_FULL);
    refuses = false;
    assert_int_equal(ask(fixture->reader, "SELECT count(*) FROM kept"), 1);
    assert_int_equal(ask(fixture->writer, "SELECT count(*) FROM kept"), 1);
    (void) calls_of_commit(fixture);
    assert_int_equal(ask(fixture->reader, "SELECT count(*) FROM kept"), 11);
}

static void what_was_committed_is_there_after_a_kill(void **state)
{
    struct fixture *fixture = *state;

    open_writer(fixture, true);
    (void) calls_of_commit(fixture);
    assert_int_equal(sqlite3_db_config(fixture->writer, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(fixture->reader), SQLITE_OK);
    assert_int_equal(sqlite3_close(fixture->writer), SQLITE_OK);
    assert_int_equal(sqlite3_open_v2(fixture->path, &fixture->reader, SQLITE_OPEN_READWRITE, page_check_vfs()),
                     SQLITE_OK);
    fixture->writer = NULL;
    assert_int_equal(ask(fixture->reader, "SELECT count(*) FROM kept"), 11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_commit_is_one_call, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_syncs_nothing_is_held_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_transaction_finds_what_it_wrote, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_the_disk_refuses_is_not_committed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_committed_is_there_after_a_kill, set_up, tear_down),
    };

    counted_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
