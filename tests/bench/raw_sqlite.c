// raw_sqlite.c - bare rows into SQLite; see raw.h.

#include "tests/bench/raw.h"

#include "proto/base/must.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#define SETTINGS                                                                                                       \
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY;"    \
    "PRAGMA trusted_schema = OFF; PRAGMA wal_autocheckpoint = 0"

// The tables behind raw_tables: what a broker writes to.
static const char *const names[RAW_TABLE_COUNT] = {
    "post_row", "intake_key_row", "open_item", "event_row", "reply_row", "ended_item",
};

// Of the case cycle only what is complete.
#define CLOSED_ONLY " AND item IN (SELECT item FROM outcome)"

// A table's rows, and the statement that puts one.
struct rows {
    sqlite3_value **values;
    size_t count, capacity; // rows
    int columns;
    sqlite3_stmt *put;
};

struct raw_sqlite {
    sqlite3 *from, *to;
    struct rows rows[RAW_TABLE_COUNT];
    size_t posts; // whose rows they are
};

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

static bool copy_schema(struct raw_sqlite *raw)
{
    sqlite3_stmt *each = prepare(raw->from, "SELECT sql FROM sqlite_master WHERE type IN ('table', 'index')"
                                            " AND sql IS NOT NULL ORDER BY type DESC");
    bool good = each != NULL;
    while (good && sqlite3_step(each) == SQLITE_ROW) {
        good = run(raw->to, (const char *) sqlite3_column_text(each, 0));
    }
    sqlite3_finalize(each);
    return good;
}

static void keep_row(struct rows *rows, sqlite3_stmt *each)
{
    size_t columns = (size_t) rows->columns;
    if (rows->count == rows->capacity) {
        rows->capacity = rows->capacity ? 2 * rows->capacity : 1024;
        rows->values = realloc(rows->values, rows->capacity * columns * sizeof(sqlite3_value *));
        must(rows->values != NULL);
    }
    for (size_t i = 0; i < columns; i++) {
        rows->values[rows->count * columns + i] = sqlite3_value_dup(sqlite3_column_value(each, (int) i));
    }
    rows->count++;
}

static bool read_table(struct raw_sqlite *raw, size_t table, int64_t item_max, bool closed)
{
    char sql[512];
    struct rows *rows = &raw->rows[table];
    snprintf(sql, sizeof sql, "SELECT * FROM %s WHERE item <= ?1%s ORDER BY %s", names[table],
             closed ? CLOSED_ONLY : "", raw_tables[table].order);
    sqlite3_stmt *each = prepare(raw->from, sql);
    if (each == NULL) {
        return false;
    }
    sqlite3_bind_int64(each, 1, item_max);
    rows->columns = sqlite3_column_count(each);
    while (sqlite3_step(each) == SQLITE_ROW) {
        keep_row(rows, each);
    }
    sqlite3_finalize(each);

    int bytes = snprintf(sql, sizeof sql, "INSERT INTO %s VALUES (?", names[table]);
    for (int i = 1; i < rows->columns; i++) {
        bytes += snprintf(sql + bytes, sizeof sql - (size_t) bytes, ", ?");
    }
    snprintf(sql + bytes, sizeof sql - (size_t) bytes, ")");
    rows->put = prepare(raw->to, sql);
    return rows->put != NULL;
}

static bool read_rows(struct raw_sqlite *raw, bool closed)
{
    sqlite3_stmt *ask =
        prepare(raw->from, closed ? "SELECT max(item), count(*) FROM (SELECT item FROM post WHERE true" CLOSED_ONLY
                                    " ORDER BY item LIMIT ?1)"
                                  : "SELECT max(item), count(*) FROM (SELECT item FROM post"
                                    " ORDER BY item LIMIT ?1)");
    if (ask == NULL) {
        return false;
    }
    sqlite3_bind_int64(ask, 1, RAW_POSTS_MAX);
    bool good = sqlite3_step(ask) == SQLITE_ROW;
    int64_t item_max = sqlite3_column_int64(ask, 0);
    raw->posts = (size_t) sqlite3_column_int64(ask, 1);
    sqlite3_finalize(ask);
    for (size_t i = 0; good && i < RAW_TABLE_COUNT; i++) {
        good = read_table(raw, i, item_max, closed);
    }
    return good && raw->posts > 0;
}

static bool put_rows(struct rows *rows, size_t begin, size_t end)
{
    for (size_t row = begin; row < end; row++) {
        sqlite3_value **values = rows->values + row * (size_t) rows->columns;
        for (int i = 0; i < rows->columns; i++) {
            sqlite3_bind_value(rows->put, i + 1, values[i]);
        }
        if (sqlite3_step(rows->put) != SQLITE_DONE) {
            return false;
        }
        sqlite3_reset(rows->put);
    }
    return true;
}

// Puts all rows once.
static bool put_all(struct raw_sqlite *raw, uint64_t until_ns, struct raw_result *result)
{
    bool good = true;
    for (size_t batch = 0; good && batch * RAW_POSTS_A_COMMIT < raw->posts && bench_now_ns() < until_ns; batch++) {
        good = run(raw->to, "BEGIN IMMEDIATE");
        for (size_t i = 0; good && i < RAW_TABLE_COUNT; i++) {
            struct rows *rows = &raw->rows[i];
            size_t begin = raw_batch_begin(rows->count, raw->posts, batch);
            size_t end = raw_batch_begin(rows->count, raw->posts, batch + 1);
            good = put_rows(rows, begin, end);
            result->rows += end - begin;
        }
        good = good && run(raw->to, "COMMIT");
        size_t left = raw->posts - batch * RAW_POSTS_A_COMMIT;
        result->posts += left < RAW_POSTS_A_COMMIT ? left : RAW_POSTS_A_COMMIT;
    }
    if (!good) {
        bench_complain("SQLite: %s", sqlite3_errmsg(raw->to));
    }
    return good && run(raw->to, "PRAGMA wal_checkpoint(RESTART)");
}

// The same numbers come again.
static bool empty(struct raw_sqlite *raw)
{
    char sql[64];
    bool good = true;
    for (size_t i = 0; good && i < RAW_TABLE_COUNT; i++) {
        snprintf(sql, sizeof sql, "DELETE FROM %s", names[i]);
        good = run(raw->to, sql);
    }
    return good;
}

static void close_raw(struct raw_sqlite *raw)
{
    for (size_t i = 0; i < RAW_TABLE_COUNT; i++) {
        struct rows *rows = &raw->rows[i];
        for (size_t at = 0; at < rows->count * (size_t) rows->columns; at++) {
            sqlite3_value_free(rows->values[at]);
        }
        free(rows->values);
        sqlite3_finalize(rows->put);
    }
    sqlite3_close(raw->from);
    sqlite3_close(raw->to);
}

bool raw_rows_sqlite(const struct own_broker *broker, bool closed, double seconds, struct raw_result *result)
{
    struct raw_sqlite raw = { 0 };
    char path[4096];
    snprintf(path, sizeof path, "%s/raw.db", own_broker_folder(broker));
    bool good = sqlite3_open_v2(own_broker_database(broker), &raw.from, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
                sqlite3_open(path, &raw.to) == SQLITE_OK;
    if (!good) {
        bench_complain("SQLite: cannot open %s or %s", own_broker_database(broker), path);
    }
    good = good && run(raw.to, SETTINGS) && copy_schema(&raw) && read_rows(&raw, closed);
    uint64_t begin_ns = bench_now_ns(), until_ns = begin_ns + (uint64_t) (seconds * 1e9), emptying_ns = 0;
    for (bool again = false; good && bench_now_ns() < until_ns && !bench_stopped(); again = true) {
        uint64_t before_ns = bench_now_ns();
        good = !again || empty(&raw);
        emptying_ns += bench_now_ns() - before_ns;
        good = good && put_all(&raw, until_ns, result);
    }
    result->seconds = (double) (bench_now_ns() - begin_ns - emptying_ns) / 1e9;
    close_raw(&raw);
    return good;
}
