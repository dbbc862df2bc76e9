// sqlite_upgrade_test.c - a store of a former version is brought up to date: every row is read as it was, whenever the
// process is killed meanwhile.

#include "broker/store/sqlite/migrations.h"
#include "tests/unit/store_desk.h"

#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#define FORMER 7 // the last schema in which all tables repeated the desk
#define KILLS 6

static const char *const tables[] = { "post",  "intake_key", "item",    "draft", "note",   "reply",
                                      "event", "outcome",    "request", "rules", "freeze", "early_change" };
#define TABLES (sizeof tables / sizeof *tables)

struct fixture {
    char folder[64];
    char path[96];
    char *columns[TABLES]; // of the former version
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    snprintf(fixture->folder, sizeof fixture->folder, "/tmp/behalf-upgrade-XXXXXX");
    *state = fixture;
    if (mkdtemp(fixture->folder) == NULL) {
        return -1;
    }
    snprintf(fixture->path, sizeof fixture->path, "%s/behalf.db", fixture->folder);
    return 0;
}

static int tear_down(void **state)
{
    static const char *const names[] = { "behalf.db", "behalf.db-wal", "behalf.db-shm", "lock", "marks" };
    struct fixture *fixture = *state;
    char path[128];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", fixture->folder, names[i]);
        (void) unlink(path);
    }
    for (size_t i = 0; i < TABLES; i++) {
        sqlite3_free(fixture->columns[i]);
    }
    int result = rmdir(fixture->folder);
    free(fixture);
    return result;
}

static void run(sqlite3 *connection, const char *sql)
{
    char *error = NULL;

    if (sqlite3_exec(connection, sql, NULL, NULL, &error) != SQLITE_OK) {
        fail_msg("%.200s: %s", sql, error);
    }
}

// ---- a store of the former version ----

// A value of a column of row i, like no other's, as far as the table lets it.
static char *value_of(const char *table, const char *column, const char *type, int place)
{
    if (strcmp(column, "desk") == 0) {
        return sqlite3_mprintf("'support'");
    }
    if (strcmp(column, "state") == 0) {
        return sqlite3_mprintf(strcmp(table, "item") == 0 ? "iif(i %% 2, 'closed', 'waiting')" : "'confirmed'");
    }
    if (strcmp(column, "item") == 0) {
        return sqlite3_mprintf(strcmp(table, "outcome") == 0 ? "2 * i - 1"
                               : strcmp(table, "event") == 0 ? "i %% 50"
                                                             : "i");
    }
    if (place == 1 || strcmp(column, "number") == 0 || strcmp(column, "ended") == 0) {
        return sqlite3_mprintf(strcmp(type, "TEXT") == 0 ? "'%s ' || i" : "i", column);
    }
    if (strcmp(type, "TEXT") == 0) {
        return sqlite3_mprintf("'%s é ' || i", column);
    }
    bool is_hash = strlen(column) > 4 && strcmp(column + strlen(column) - 4, "_key") == 0;
    return is_hash ? sqlite3_mprintf("-1 - i * 7919 - %d", place) : sqlite3_mprintf("i * 100 + %d", place);
}

static void fill_table(struct fixture *fixture, sqlite3 *connection, size_t which, int rows)
{
    sqlite3_stmt *each = NULL;
    char *names = sqlite3_mprintf("");
    char *values = sqlite3_mprintf("");
    char *sql = sqlite3_mprintf("PRAGMA table_info(%s)", tables[which]);

    assert_int_equal(sqlite3_prepare_v2(connection, sql, -1, &each, NULL), SQLITE_OK);
    sqlite3_free(sql);
    for (int place = 0; sqlite3_step(each) == SQLITE_ROW; place++) {
        const char *column = (const char *) sqlite3_column_text(each, 1);
        char *value = value_of(tables[which], column, (const char *) sqlite3_column_text(each, 2), place);
        char *more_names = sqlite3_mprintf("%s%s%s", names, place == 0 ? "" : ", ", column);
        char *more_values = sqlite3_mprintf("%s%s%s", values, place == 0 ? "" : ", ", value);
        sqlite3_free(value);
        sqlite3_free(names);
        sqlite3_free(values);
        names = more_names;
        values = more_values;
    }
    sqlite3_finalize(each);
    sql = sqlite3_mprintf("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
                          " INSERT INTO %s (%s) SELECT %s FROM n",
                          strcmp(tables[which], "outcome") == 0 ? rows / 2 : rows, tables[which], names, values);
    run(connection, sql);
    sqlite3_free(sql);
    sqlite3_free(values);
    fixture->columns[which] = names;
}

static void make_former(struct fixture *fixture, int rows)
{
    sqlite3 *connection = NULL;
    char version[64];

    assert_int_equal(sqlite3_open(fixture->path, &connection), SQLITE_OK);
    run(connection, "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; BEGIN");
    for (int i = 0; i < FORMER; i++) {
        run(connection, migrations[i]);
    }
    snprintf(version, sizeof version, "PRAGMA user_version = %d", FORMER);
    run(connection, version);
    run(connection, "INSERT INTO desk (desk, epoch, sequence, next_id, clock_ms, owner, confirmed)"
                    " VALUES ('support', 3, 900000, 1000000, 2000, '', 0)");
    for (size_t i = 0; i < TABLES; i++) {
        fill_table(fixture, connection, i, rows);
    }
    run(connection, "COMMIT");
    assert_int_equal(sqlite3_close(connection), SQLITE_OK);
}

// ---- what is read ----

static void write_rows(FILE *out, sqlite3 *connection, const char *table, const char *columns)
{
    sqlite3_stmt *rows = NULL;
    char *sql = sqlite3_mprintf("SELECT %s FROM %s ORDER BY 2, 3, 4", columns, table);

    fprintf(out, "%s\n", table);
    assert_int_equal(sqlite3_prepare_v2(connection, sql, -1, &rows, NULL), SQLITE_OK);
    sqlite3_free(sql);
    while (sqlite3_step(rows) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(rows); i++) {
            const char *text = (const char *) sqlite3_column_text(rows, i);
            fprintf(out, "%d:%s|", sqlite3_column_type(rows, i), text == NULL ? "NULL" : text);
        }
        fputc('\n', out);
    }
    sqlite3_finalize(rows);
}

// All rows under the names and with the columns of the former version.
static char *read_all(const struct fixture *fixture)
{
    sqlite3 *connection = NULL;
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);

    assert_non_null(out);
    assert_int_equal(sqlite3_open_v2(fixture->path, &connection, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    for (size_t i = 0; i < TABLES; i++) {
        write_rows(out, connection, tables[i], fixture->columns[i]);
    }
    assert_int_equal(sqlite3_close(connection), SQLITE_OK);
    fclose(out);
    return text;
}

static struct engine *open_engine(const struct fixture *fixture, char reason[512])
{
    reason[0] = '\0';
    return engine_sqlite_open(fixture->folder, "support", reason, 512);
}

static int schema_of(const struct fixture *fixture)
{
    sqlite3 *connection = NULL;
    sqlite3_stmt *statement = NULL;

    assert_int_equal(sqlite3_open_v2(fixture->path, &connection, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(connection, "PRAGMA user_version", -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int schema = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    assert_int_equal(sqlite3_close(connection), SQLITE_OK);
    return schema;
}

static bool count_item(void *self, const struct item_record *item)
{
    assert_int_equal(item->item % 2, 0); // the others have ended
    ++*(size_t *) self;
    return true;
}

// ---- claims ----

static void every_row_is_read_as_it_was(void **state)
{
    struct fixture *fixture = *state;
    struct desk_under_test desk = { 0 };
    char reason[512];
    size_t open = 0;

    make_former(fixture, 200);
    char *before = read_all(fixture);
    desk.engine = open_engine(fixture, reason);
    assert_string_equal(reason, "");
    char *after = read_all(fixture);
    assert_true(strlen(before) > 100000);
    assert_string_equal(before, after);
    assert_int_equal(schema_of(fixture), migration_count);
    const struct store_reader reader = { .self = &open, .item = count_item };
    desk_take_over(&desk);
    assert_int_equal(desk.engine->operations->read(desk.engine, &reader), STORE_OK);
    assert_int_equal(open, 100);
    struct batch *batch = desk_batch(&desk, 1);
    put(batch, an_item(2, ITEM_CLOSED));
    put(batch, an_outcome(2, 0, 1000000));
    put(batch, an_item(1000, ITEM_WAITING));
    desk_commit(&desk, &batch);
    desk.engine->operations->destroy(&desk.engine);
    free(before);
    free(after);
}

static void sleep_for(long us)
{
    const struct timespec time = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 };

    (void) nanosleep(&time, NULL);
}

static void killed_meanwhile_it_is_the_former_store_or_the_new_one(void **state)
{
    struct fixture *fixture = *state;
    char reason[512];

    make_former(fixture, 6000);
    char *before = read_all(fixture);
    for (int kill_number = 1; kill_number <= KILLS; kill_number++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            (void) open_engine(fixture, reason);
            _exit(0);
        }
        sleep_for(30000L * kill_number);
        (void) kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        char *between = read_all(fixture);
        assert_true(strcmp(before, between) == 0);
        free(between);
        int schema = schema_of(fixture);
        assert_true(schema == FORMER || schema > FORMER);
    }
    struct engine *engine = open_engine(fixture, reason);
    assert_string_equal(reason, "");
    engine->operations->destroy(&engine);
    char *after = read_all(fixture);
    assert_true(strcmp(before, after) == 0);
    assert_int_equal(schema_of(fixture), migration_count);
    free(before);
    free(after);
}

static void a_file_of_several_desks_is_left_as_it_is(void **state)
{
    struct fixture *fixture = *state;
    sqlite3 *connection = NULL;
    char reason[512];

    make_former(fixture, 10);
    assert_int_equal(sqlite3_open(fixture->path, &connection), SQLITE_OK);
    run(connection, "INSERT INTO desk (desk, epoch, sequence, next_id, clock_ms, owner, confirmed)"
                    " VALUES ('other', 1, 1, 1, 1, '', 0)");
    assert_int_equal(sqlite3_close(connection), SQLITE_OK);
    assert_null(open_engine(fixture, reason));
    assert_non_null(strstr(reason, "several desks"));
    assert_int_equal(schema_of(fixture), FORMER);
}

static void a_folder_of_another_desk_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct store_position position;
    char reason[512] = "";

    make_former(fixture, 10);
    struct engine *engine = engine_sqlite_open(fixture->folder, "other", reason, sizeof reason);
    assert_non_null(engine);
    assert_int_equal(engine->operations->take_over(engine, &position), STORE_CONTRADICTED);
    assert_non_null(strstr(engine->reason, "support"));
    engine->operations->destroy(&engine);
}

#define CLAIM(claim) cmocka_unit_test_setup_teardown(claim, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest claims[] = {
        CLAIM(every_row_is_read_as_it_was),
        CLAIM(killed_meanwhile_it_is_the_former_store_or_the_new_one),
        CLAIM(a_file_of_several_desks_is_left_as_it_is),
        CLAIM(a_folder_of_another_desk_is_refused),
    };

    return cmocka_run_group_tests_name("sqlite_upgrade", claims, NULL, NULL);
}
