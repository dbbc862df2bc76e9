// former_store.c - the former schema, and rows made from the names and types of its columns: see former_store.h.

#include "tests/system/former_store.h"

#include "broker/store/sqlite/migrations.h"
#include "broker/store/sqlite/page_check.h"
#include "proto/base/must.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

static void former_store_run(sqlite3 *connection, const char *sql)
{
    char *words = NULL;

    if (sqlite3_exec(connection, sql, NULL, NULL, &words) != SQLITE_OK) {
        fprintf(stderr, "%s: %s\n", sql, words);
    }
    must(words == NULL);
}

// SQL that fills a table: half of what has a state is closed.
static const char statements_of_tables[] =
    "SELECT 'INSERT INTO \"' || t.name || '\" WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n "
    "< 60)"
    " SELECT ' || (SELECT group_concat(CASE WHEN c.name = 'desk' THEN '''%s''' WHEN c.name = 'state' THEN 'CASE n % 2"
    " WHEN 0 THEN ''closed'' ELSE ''waiting'' END' WHEN c.type = 'INTEGER' THEN 'n' ELSE '''text '' || n' END, ', ')"
    " FROM pragma_table_info(t.name) AS c) || ' FROM n' FROM sqlite_schema AS t WHERE t.type = 'table' AND t.name NOT "
    "IN"
    " ('desk', 'secret') AND t.name NOT LIKE 'sqlite_%'";

static void former_store_fill(sqlite3 *connection, const char *desk)
{
    sqlite3_stmt *statements = NULL;
    char sql[4096];

    must(sqlite3_prepare_v2(connection, statements_of_tables, -1, &statements, NULL) == SQLITE_OK);
    while (sqlite3_step(statements) == SQLITE_ROW) {
        const char *text = (const char *) sqlite3_column_text(statements, 0);
        const char *place = NULL;
        size_t bytes = 0;
        sql[0] = '\0';
        for (; (place = strstr(text, "%s")) != NULL; text = place + 2) {
            bytes += (size_t) snprintf(sql + bytes, sizeof sql - bytes, "%.*s%s", (int) (place - text), text, desk);
            must(bytes < sizeof sql);
        }
        bytes += (size_t) snprintf(sql + bytes, sizeof sql - bytes, "%s", text);
        must(bytes < sizeof sql);
        former_store_run(connection, sql);
    }
    must(sqlite3_finalize(statements) == SQLITE_OK);
}

void former_store_make(const char *folder, const char *desk)
{
    sqlite3 *connection = NULL;
    char path[PATH_MAX];
    char sql[512];

    snprintf(path, sizeof path, "%s/behalf.db", folder);
    must(sqlite3_open_v2(path, &connection, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, page_check_vfs()) == SQLITE_OK);
    page_check_reserve(connection);
    former_store_run(connection, "PRAGMA secure_delete = ON; PRAGMA journal_mode = WAL; BEGIN");
    for (int i = 0; i < FORMER_SCHEMA; i++) {
        former_store_run(connection, migrations[i]);
    }
    snprintf(sql, sizeof sql,
             "INSERT INTO desk (desk, epoch, sequence, next_id, clock_ms, owner, confirmed)"
             " VALUES ('%s', 3, %d, 200, 2000, '', 0); PRAGMA user_version = %d",
             desk, FORMER_SEQUENCE, FORMER_SCHEMA);
    former_store_run(connection, sql);
    former_store_fill(connection, desk);
    former_store_run(connection, "COMMIT");
    must(page_check_is_on(connection));
    must(sqlite3_close(connection) == SQLITE_OK);
}
