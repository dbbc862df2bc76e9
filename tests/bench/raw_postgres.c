// raw_postgres.c - bare rows into PostgreSQL; see raw.h.
//
// The tables are copies in a schema of the bench's own, dropped at the end.  The arrays of each batch are made
// beforehand: what is timed is libpq and the database.

#include "tests/bench/raw.h"

#include "proto/base/must.h"

#include <inttypes.h>
#include <libpq-fe.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COLUMNS_MAX 64

// Of the case cycle only what is complete.
#define CLOSED_ONLY " AND item IN (SELECT o.item FROM behalf.outcome AS o WHERE o.desk = $1)"

// The arrays of a batch of a table's rows.
struct arrays {
    char *texts[COLUMNS_MAX];
    size_t rows;
};

struct table {
    struct arrays *batches;
    int columns; // without the desk
    char statement[32];
};

struct raw_postgres {
    PGconn *connection;
    char schema[64];
    struct table tables[RAW_TABLE_COUNT];
    size_t posts, batch_count;
};

static PGresult *ask(struct raw_postgres *raw, const char *sql, const char *first, const char *second)
{
    const char *values[] = { first, second };
    PGresult *result = PQexecParams(raw->connection, sql,
                                    first == NULL    ? 0
                                    : second == NULL ? 1
                                                     : 2,
                                    NULL, values, NULL, NULL, 0);
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
        return result;
    }
    bench_complain("PostgreSQL: %s", PQerrorMessage(raw->connection));
    PQclear(result);
    return NULL;
}

__attribute__((format(printf, 2, 3))) static bool run(struct raw_postgres *raw, const char *format, ...)
{
    char *sql = NULL;
    va_list arguments;
    va_start(arguments, format);
    must(vasprintf(&sql, format, arguments) >= 0);
    va_end(arguments);
    PGresult *result = ask(raw, sql, NULL, NULL);
    free(sql);
    PQclear(result);
    return result != NULL;
}

static bool connect_to(struct raw_postgres *raw, const char *url)
{
    raw->connection = PQconnectdb(url);
    if (PQstatus(raw->connection) != CONNECTION_OK) {
        bench_complain("PostgreSQL: %s", PQerrorMessage(raw->connection));
        return false;
    }
    return run(raw, "SET client_min_messages = warning");
}

// One column of some rows as the text of an array.  Every element is quoted.
static char *array_of(const PGresult *rows, int column, size_t begin, size_t end)
{
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    must(out != NULL);
    fputc('{', out);
    for (size_t row = begin; row < end; row++) {
        if (row > begin) {
            fputc(',', out);
        }
        if (PQgetisnull(rows, (int) row, column)) {
            fputs("NULL", out);
            continue;
        }
        fputc('"', out);
        for (const char *at = PQgetvalue(rows, (int) row, column); *at; at++) {
            if (*at == '"' || *at == '\\') {
                fputc('\\', out);
            }
            fputc(*at, out);
        }
        fputc('"', out);
    }
    fputc('}', out);
    must(fclose(out) == 0);
    return text;
}

// "a, b" and "$2::bigint[], $3::text[]" of a table's columns that can be written, and a statement made of them.
static bool prepare(struct raw_postgres *raw, size_t number, char **names)
{
    struct table *table = &raw->tables[number];
    const char *name = raw_tables[number].name;
    char *sql = NULL;
    PGresult *result =
        ask(raw,
            "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum),"
            " string_agg(format('$%s::%s[]', n + 1, format_type(atttypid, atttypmod)), ', ' ORDER BY attnum), count(*)"
            " FROM (SELECT *, row_number() OVER (ORDER BY attnum) AS n FROM pg_attribute"
            " WHERE attrelid = ('behalf.' || $1)::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''"
            " AND attname <> 'desk') AS a",
            name, NULL);
    if (result == NULL) {
        return false;
    }
    *names = strdup(PQgetvalue(result, 0, 0));
    must(*names != NULL);
    table->columns = atoi(PQgetvalue(result, 0, 2));
    must(table->columns <= COLUMNS_MAX);
    snprintf(table->statement, sizeof table->statement, "put_%s", name);
    must(asprintf(&sql, "INSERT INTO %s.%s (desk, %s) SELECT $1, u.* FROM unnest(%s) AS u", raw->schema, name, *names,
                  PQgetvalue(result, 0, 1)) >= 0);
    PQclear(result);
    bool good = run(raw, "CREATE TABLE %s.%s (LIKE behalf.%s INCLUDING ALL)", raw->schema, name, name);
    if (good) {
        result = PQprepare(raw->connection, table->statement, sql, 0, NULL);
        good = PQresultStatus(result) == PGRES_COMMAND_OK;
        if (!good) {
            bench_complain("PostgreSQL: %s", PQerrorMessage(raw->connection));
        }
        PQclear(result);
    }
    free(sql);
    return good;
}

static bool read_table(struct raw_postgres *raw, size_t number, const char *desk, const char *item_max, bool closed)
{
    struct table *table = &raw->tables[number];
    char *names = NULL, *sql = NULL;
    if (!prepare(raw, number, &names)) {
        free(names);
        return false;
    }
    must(asprintf(&sql, "SELECT %s FROM behalf.%s WHERE desk = $1 AND item <= $2%s ORDER BY %s", names,
                  raw_tables[number].name, closed ? CLOSED_ONLY : "", raw_tables[number].order) >= 0);
    PGresult *rows = ask(raw, sql, desk, item_max);
    free(sql);
    free(names);
    if (rows == NULL) {
        return false;
    }
    table->batches = calloc(raw->batch_count, sizeof *table->batches);
    must(table->batches != NULL);
    for (size_t batch = 0; batch < raw->batch_count; batch++) {
        size_t begin = raw_batch_begin((size_t) PQntuples(rows), raw->posts, batch);
        size_t end = raw_batch_begin((size_t) PQntuples(rows), raw->posts, batch + 1);
        table->batches[batch].rows = end - begin;
        for (int i = 0; i < table->columns; i++) {
            table->batches[batch].texts[i] = array_of(rows, i, begin, end);
        }
    }
    PQclear(rows);
    return true;
}

static bool read_rows(struct raw_postgres *raw, const char *desk, bool closed)
{
    char limit[32];
    snprintf(limit, sizeof limit, "%d", RAW_POSTS_MAX);
    PGresult *first =
        ask(raw,
            closed ? "SELECT max(item), count(*) FROM (SELECT item FROM behalf.post WHERE desk = $1" CLOSED_ONLY
                     " ORDER BY item LIMIT $2::bigint) AS p"
                   : "SELECT max(item), count(*) FROM (SELECT item FROM behalf.post WHERE desk = $1"
                     " ORDER BY item LIMIT $2::bigint) AS p",
            desk, limit);
    if (first == NULL) {
        return false;
    }
    raw->posts = strtoull(PQgetvalue(first, 0, 1), NULL, 10);
    raw->batch_count = (raw->posts + RAW_POSTS_A_COMMIT - 1) / RAW_POSTS_A_COMMIT;
    bool good = raw->posts > 0;
    for (size_t i = 0; good && i < RAW_TABLE_COUNT; i++) {
        good = read_table(raw, i, desk, PQgetvalue(first, 0, 0), closed);
    }
    PQclear(first);
    return good;
}

static bool send_batch(struct raw_postgres *raw, size_t batch, const char *desk, struct raw_result *result)
{
    bool good = true;
    for (size_t i = 0; good && i < RAW_TABLE_COUNT; i++) {
        const struct table *table = &raw->tables[i];
        const struct arrays *arrays = &table->batches[batch];
        const char *values[COLUMNS_MAX + 1] = { desk };
        if (arrays->rows == 0) {
            continue;
        }
        memcpy(values + 1, arrays->texts, (size_t) table->columns * sizeof *values);
        good = PQsendQueryPrepared(raw->connection, table->statement, table->columns + 1, values, NULL, NULL, 0) == 1;
        result->rows += arrays->rows;
    }
    size_t left = raw->posts - batch * RAW_POSTS_A_COMMIT;
    result->posts += left < RAW_POSTS_A_COMMIT ? left : RAW_POSTS_A_COMMIT;
    return good && PQpipelineSync(raw->connection) == 1;
}

// Waits for the end of the oldest transaction in flight.
static bool await_batch(struct raw_postgres *raw)
{
    for (;;) {
        PGresult *result = PQgetResult(raw->connection);
        if (result == NULL && PQstatus(raw->connection) != CONNECTION_OK) {
            return false;
        }
        ExecStatusType status = result != NULL ? PQresultStatus(result) : PGRES_COMMAND_OK;
        PQclear(result);
        if (status == PGRES_PIPELINE_SYNC) {
            return true;
        }
        if (status != PGRES_COMMAND_OK) {
            return false;
        }
    }
}

static bool put_until(struct raw_postgres *raw, uint64_t until_ns, struct raw_result *result)
{
    size_t in_flight = 0;
    bool good = PQenterPipelineMode(raw->connection) == 1;
    for (unsigned round = 1; good && bench_now_ns() < until_ns && !bench_stopped(); round++) {
        char desk[32];
        snprintf(desk, sizeof desk, "raw-%06u", round);
        for (size_t batch = 0; good && batch < raw->batch_count && bench_now_ns() < until_ns; batch++) {
            good = send_batch(raw, batch, desk, result);
            if (good && ++in_flight == RAW_IN_FLIGHT) {
                good = await_batch(raw);
                in_flight--;
            }
        }
    }
    for (; good && in_flight > 0; in_flight--) {
        good = await_batch(raw);
    }
    if (!good) {
        bench_complain("PostgreSQL: %s", PQerrorMessage(raw->connection));
    }
    return good && PQexitPipelineMode(raw->connection) == 1;
}

static void close_raw(struct raw_postgres *raw)
{
    for (size_t i = 0; i < RAW_TABLE_COUNT; i++) {
        struct table *table = &raw->tables[i];
        for (size_t batch = 0; table->batches != NULL && batch < raw->batch_count; batch++) {
            for (int column = 0; column < table->columns; column++) {
                free(table->batches[batch].texts[column]);
            }
        }
        free(table->batches);
    }
    PQfinish(raw->connection);
}

bool raw_rows_postgres(const struct own_broker *broker, bool closed, double seconds, struct raw_result *result)
{
    struct raw_postgres raw = { 0 };
    snprintf(raw.schema, sizeof raw.schema, "behalf_bench_%ld", (long) getpid());
    bool made = connect_to(&raw, own_broker_url(broker)) && run(&raw, "CREATE SCHEMA %s", raw.schema);
    bool good = made && run(&raw, "ANALYZE behalf.post, behalf.item, behalf.outcome") &&
                read_rows(&raw, own_broker_desk(broker), closed);
    uint64_t begin_ns = bench_now_ns();
    good = good && put_until(&raw, begin_ns + (uint64_t) (seconds * 1e9), result);
    result->seconds = (double) (bench_now_ns() - begin_ns) / 1e9;
    if (made) {
        PQreset(raw.connection); // whatever was left in the pipeline is gone
        run(&raw, "SET client_min_messages = warning");
        run(&raw, "DROP SCHEMA %s CASCADE", raw.schema);
    }
    close_raw(&raw);
    return good;
}

bool raw_commits(const char *url, double seconds, struct samples *samples)
{
    struct raw_postgres raw = { 0 };
    snprintf(raw.schema, sizeof raw.schema, "behalf_bench_%ld", (long) getpid());
    bool made =
        connect_to(&raw, url) && run(&raw, "SET synchronous_commit = on") && run(&raw, "CREATE SCHEMA %s", raw.schema);
    bool good = made && run(&raw, "CREATE TABLE %s.line (number bigint PRIMARY KEY, body text NOT NULL)", raw.schema) &&
                run(&raw, "PREPARE put (bigint) AS INSERT INTO %s.line VALUES ($1, repeat('x', %d))", raw.schema,
                    BENCH_BODY_BYTES);
    uint64_t number = 0, end_ns = bench_now_ns() + (uint64_t) (seconds * 1e9);
    for (uint64_t begin_ns; good && !bench_stopped() && (begin_ns = bench_now_ns()) < end_ns;) {
        good = run(&raw, "EXECUTE put (%" PRIu64 ")", number++);
        if (good) {
            samples_add(samples, bench_now_ns() - begin_ns);
        }
    }
    if (made) {
        run(&raw, "DROP SCHEMA %s CASCADE", raw.schema);
    }
    PQfinish(raw.connection);
    return good;
}

void raw_remove_desk(const char *url, const char *desk)
{
    struct raw_postgres raw = { 0 };
    PGresult *tables = NULL;
    if (connect_to(&raw, url)) {
        tables = ask(&raw,
                     "SELECT quote_ident(c.relname) FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid"
                     " AND a.attname = 'desk' WHERE c.relnamespace = to_regnamespace('behalf')"
                     " AND c.relkind IN ('r', 'p') AND NOT c.relispartition",
                     NULL, NULL);
    }
    for (int i = 0; tables != NULL && i < PQntuples(tables); i++) {
        run(&raw, "DELETE FROM behalf.%s WHERE desk = '%s'", PQgetvalue(tables, i, 0), desk);
    }
    PQclear(tables);
    PQfinish(raw.connection);
}
