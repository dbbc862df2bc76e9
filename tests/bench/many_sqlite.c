// many_sqlite.c - copies and bare reading in SQLite; see many.h.

#include "broker/desk/tables.def"
#include "broker/store/sqlite/page_check.h"
#include "tests/bench/many.h"

#include "proto/base/must.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#define COPIES_A_COMMIT 50

static bool run(sqlite3 *connection, const char *sql)
{
    if (sqlite3_exec(connection, sql, NULL, NULL, NULL) == SQLITE_OK) {
        return true;
    }
    bench_complain("SQLite: %s", sqlite3_errmsg(connection));
    return false;
}

static sqlite3_stmt *prepare(sqlite3 *connection, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(connection, sql, -1, &statement, NULL) != SQLITE_OK) {
        bench_complain("SQLite: %s", sqlite3_errmsg(connection));
    }
    return statement;
}

static int64_t ask_number(sqlite3 *connection, const char *sql)
{
    sqlite3_stmt *ask = prepare(connection, sql);
    int64_t number = ask != NULL && sqlite3_step(ask) == SQLITE_ROW ? sqlite3_column_int64(ask, 0) : 0;
    sqlite3_finalize(ask);
    return number;
}

// Puts the rows to copy aside and makes the statement that writes a copy of them.
static sqlite3_stmt *prepare_table(sqlite3 *connection, const struct many_table *table)
{
    char sql[256];
    char *names = NULL, *values = NULL, *put = NULL;
    size_t bytes;
    snprintf(sql, sizeof sql, "CREATE TEMP TABLE one_%s AS SELECT * FROM %s WHERE item > 0 ORDER BY item", table->name,
             table->name);
    if (!run(connection, sql)) {
        return NULL;
    }
    FILE *name_list = open_memstream(&names, &bytes), *value_list = open_memstream(&values, &bytes);
    must(name_list != NULL && value_list != NULL);
    snprintf(sql, sizeof sql, "SELECT name FROM pragma_table_info('%s')", table->name);
    sqlite3_stmt *each = prepare(connection, sql);
    for (const char *comma = ""; each != NULL && sqlite3_step(each) == SQLITE_ROW; comma = ", ") {
        const char *column = (const char *) sqlite3_column_text(each, 0);
        fprintf(name_list, "%s%s", comma, column);
        fprintf(value_list, "%s%s", comma, many_value(table, column));
    }
    sqlite3_finalize(each);
    must(fclose(name_list) == 0 && fclose(value_list) == 0);
    must(asprintf(&put, "INSERT INTO %s (%s) SELECT %s FROM one_%s", table->name, names, values, table->name) > 0);
    sqlite3_stmt *statement = prepare(connection, put);
    free(names);
    free(values);
    free(put);
    return statement;
}

static void bind(sqlite3_stmt *statement, const char *name, int64_t value)
{
    int at = sqlite3_bind_parameter_index(statement, name);
    if (at > 0) {
        sqlite3_bind_int64(statement, at, value);
    }
}

static bool put_copies(sqlite3 *connection, sqlite3_stmt **puts, uint64_t copies, int64_t items, int64_t sequences)
{
    bool good = run(connection, "BEGIN");
    for (uint64_t copy = 1; good && copy <= copies && !bench_stopped(); copy++) {
        for (size_t i = 0; good && i < MANY_TABLE_COUNT; i++) {
            bind(puts[i], "$1", (int64_t) copy);
            bind(puts[i], "$2", items);
            bind(puts[i], "$3", sequences);
            good = sqlite3_step(puts[i]) == SQLITE_DONE;
            sqlite3_reset(puts[i]);
        }
        if (good && copy % COPIES_A_COMMIT == 0) {
            good = run(connection, "COMMIT; PRAGMA wal_checkpoint(PASSIVE); BEGIN");
        }
    }
    char sql[256];
    snprintf(sql, sizeof sql, "UPDATE desk SET next_id = next_id + %lld, sequence = sequence + %lld; COMMIT",
             (long long) items * (long long) copies, (long long) sequences * (long long) copies);
    return good && run(connection, sql) && !bench_stopped();
}

bool many_copy_sqlite(const struct own_broker *broker, uint64_t copies)
{
    sqlite3 *connection = NULL;
    sqlite3_stmt *puts[MANY_TABLE_COUNT] = { 0 };
    bool good = sqlite3_open_v2(own_broker_database(broker), &connection, SQLITE_OPEN_READWRITE, page_check_vfs()) ==
                    SQLITE_OK &&
                run(connection, "PRAGMA synchronous = OFF; PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY");
    for (size_t i = 0; good && i < MANY_TABLE_COUNT; i++) {
        puts[i] = prepare_table(connection, &many_tables[i]);
        good = puts[i] != NULL;
    }
    good = good && put_copies(connection, puts, copies, ask_number(connection, "SELECT max(item) FROM item"),
                              ask_number(connection, "SELECT max(sequence) FROM event"));
    for (size_t i = 0; i < MANY_TABLE_COUNT; i++) {
        sqlite3_finalize(puts[i]);
    }
    good = good && run(connection, "PRAGMA wal_checkpoint(TRUNCATE)");
    if (!good) {
        bench_complain("SQLite: %s", sqlite3_errmsg(connection));
    }
    sqlite3_close(connection);
    return good;
}

// A function of SQL that asks for all values of a row: the cheapest way to have them.
static void take_row(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void) context;
    for (int i = 0; i < count; i++) {
        if (sqlite3_value_type(values[i]) == SQLITE_INTEGER) {
            (void) sqlite3_value_int64(values[i]);
        } else {
            (void) sqlite3_value_text(values[i]);
        }
    }
}

#define NAME(field, KIND, AGAIN, meaning) #field
#define COMMA_NAME(field, KIND, AGAIN, meaning) ", " #field

bool many_read_sqlite(const struct own_broker *broker, struct many_read *read)
{
    static const char *const statements[] = {
        "SELECT take_row(" COLUMNS_OF_ITEM(NAME, COMMA_NAME) ") FROM open_item ORDER BY item",
        "SELECT take_row(channel, post, taken_ms) FROM intake_key_row WHERE taken_ms >= 0 ORDER BY taken_ms"
    };
    sqlite3 *connection = NULL;
    uint64_t begin_ns = bench_now_ns();
    bool good = sqlite3_open_v2(own_broker_database(broker), &connection, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
                sqlite3_create_function_v2(connection, "take_row", -1, SQLITE_UTF8, NULL, take_row, NULL, NULL, NULL) ==
                    SQLITE_OK;
    for (size_t i = 0; good && i < sizeof statements / sizeof *statements; i++) {
        sqlite3_stmt *each = prepare(connection, statements[i]);
        good = each != NULL;
        while (good && sqlite3_step(each) == SQLITE_ROW) {
            read->rows++;
        }
        sqlite3_finalize(each);
    }
    read->seconds = (double) (bench_now_ns() - begin_ns) / 1e9;
    sqlite3_close(connection);
    return good;
}
