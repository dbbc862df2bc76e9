// many_postgres.c - copies and bare reading in PostgreSQL; see many.h.

#include "tests/bench/many.h"

#include "proto/base/must.h"

#include <inttypes.h>
#include <libpq-fe.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COPIES_A_COMMIT 50
#define TYPE_BIGINT 20 // its object id in PostgreSQL's catalogue

__attribute__((format(printf, 2, 3))) static PGresult *ask(PGconn *connection, const char *format, ...)
{
    char *sql = NULL;
    va_list arguments;
    va_start(arguments, format);
    must(vasprintf(&sql, format, arguments) >= 0);
    va_end(arguments);
    PGresult *result = PQexec(connection, sql);
    ExecStatusType status = PQresultStatus(result);
    free(sql);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_COPY_OUT) {
        return result;
    }
    bench_complain("PostgreSQL: %s", PQerrorMessage(connection));
    PQclear(result);
    return NULL;
}

#define RUN(...) run_result(ask(__VA_ARGS__))
static bool run_result(PGresult *result)
{
    PQclear(result);
    return result != NULL;
}

// Puts the rows to copy aside and prepares the statement that writes a copy of them.
static bool prepare_table(PGconn *connection, const struct many_table *table, const char *desk)
{
    static const Oid types[] = { TYPE_BIGINT, TYPE_BIGINT, TYPE_BIGINT };
    char *names = NULL, *values = NULL, *put = NULL;
    size_t bytes;
    if (!RUN(connection, "CREATE TEMP TABLE one_%s AS SELECT * FROM behalf.%s WHERE desk = '%s' AND item > 0",
             table->name, table->name, desk)) {
        return false;
    }
    PGresult *columns = ask(connection,
                            "SELECT attname FROM pg_attribute WHERE attrelid = 'behalf.%s'::regclass AND attnum > 0"
                            " AND NOT attisdropped AND attgenerated = ''",
                            table->name);
    FILE *name_list = open_memstream(&names, &bytes), *value_list = open_memstream(&values, &bytes);
    must(name_list != NULL && value_list != NULL);
    for (int i = 0; columns != NULL && i < PQntuples(columns); i++) {
        const char *column = PQgetvalue(columns, i, 0);
        fprintf(name_list, "%s%s", i ? ", " : "", column);
        fprintf(value_list, "%s%s", i ? ", " : "", many_value(table, column));
    }
    PQclear(columns);
    must(fclose(name_list) == 0 && fclose(value_list) == 0);
    must(asprintf(&put, "INSERT INTO behalf.%s (%s) SELECT %s FROM one_%s ORDER BY item", table->name, names, values,
                  table->name) > 0);
    PGresult *prepared = PQprepare(connection, table->name, put, 3, types);
    bool good = PQresultStatus(prepared) == PGRES_COMMAND_OK;
    if (!good) {
        bench_complain("PostgreSQL: %s", PQerrorMessage(connection));
    }
    PQclear(prepared);
    free(names);
    free(values);
    free(put);
    return good;
}

static bool put_copy(PGconn *connection, uint64_t copy, const char *items, const char *sequences)
{
    char number[32];
    snprintf(number, sizeof number, "%" PRIu64, copy);
    const char *const values[] = { number, items, sequences };
    bool good = true;
    for (size_t i = 0; good && i < MANY_TABLE_COUNT; i++) {
        PGresult *put = PQexecPrepared(connection, many_tables[i].name, 3, values, NULL, NULL, 0);
        good = PQresultStatus(put) == PGRES_COMMAND_OK;
        if (!good) {
            bench_complain("PostgreSQL: %s", PQerrorMessage(connection));
        }
        PQclear(put);
    }
    return good;
}

static bool put_copies(PGconn *connection, const char *desk, uint64_t copies)
{
    PGresult *spans = ask(connection,
                          "SELECT (SELECT max(item) FROM behalf.item WHERE desk = '%s'),"
                          " (SELECT max(sequence) FROM behalf.event WHERE desk = '%s')",
                          desk, desk);
    bool good = spans != NULL && RUN(connection, "BEGIN");
    for (uint64_t copy = 1; good && copy <= copies && !bench_stopped(); copy++) {
        good = put_copy(connection, copy, PQgetvalue(spans, 0, 0), PQgetvalue(spans, 0, 1));
        if (good && copy % COPIES_A_COMMIT == 0) {
            good = RUN(connection, "COMMIT; BEGIN");
        }
    }
    good = good && !bench_stopped() &&
           RUN(connection,
               "UPDATE behalf.desk SET next_id = next_id + %s * %" PRIu64 ", sequence = sequence + %s * %" PRIu64
               " WHERE desk = '%s'",
               PQgetvalue(spans, 0, 0), copies, PQgetvalue(spans, 0, 1), copies, desk) &&
           RUN(connection,
               "UPDATE behalf.applied AS a SET sequence = d.sequence FROM behalf.desk AS d"
               " WHERE a.desk = '%s' AND d.desk = a.desk",
               desk) &&
           RUN(connection, "COMMIT");
    PQclear(spans);
    return good;
}

bool many_copy_postgres(const struct own_broker *broker, uint64_t copies)
{
    const char *desk = own_broker_desk(broker);
    PGconn *connection = PQconnectdb(own_broker_url(broker));
    bool good = PQstatus(connection) == CONNECTION_OK;
    if (!good) {
        bench_complain("PostgreSQL: %s", PQerrorMessage(connection));
    }
    good =
        good && RUN(connection, "SET client_min_messages = warning") && RUN(connection, "SET synchronous_commit = off");
    for (size_t i = 0; good && i < MANY_TABLE_COUNT; i++) {
        good = prepare_table(connection, &many_tables[i], desk);
    }
    good = good && put_copies(connection, desk, copies);
    for (size_t i = 0; good && i < MANY_TABLE_COUNT; i++) { // as its own vacuum would have done meanwhile
        good = RUN(connection, "VACUUM (ANALYZE) behalf.%s", many_tables[i].name);
    }
    PQfinish(connection);
    return good;
}

// What COPY sends, thrown away.
static bool read_rows(PGconn *connection, const char *rows, const char *desk, struct many_read *read)
{
    char *row = NULL;
    PGresult *begun = ask(connection, "COPY (SELECT %s WHERE desk = '%s') TO STDOUT (FORMAT binary)", rows, desk);
    if (begun == NULL) {
        return false;
    }
    PQclear(begun);
    while (PQgetCopyData(connection, &row, 0) > 0) {
        PQfreemem(row);
        read->rows++;
    }
    read->rows--; // the end
    PGresult *ended = PQgetResult(connection);
    bool good = PQresultStatus(ended) == PGRES_COMMAND_OK;
    PQclear(ended);
    PQclear(PQgetResult(connection));
    return good;
}

bool many_read_postgres(const struct own_broker *broker, struct many_read *read)
{
    uint64_t begin_ns = bench_now_ns();
    PGconn *connection = PQconnectdb(own_broker_url(broker));
    bool good = PQstatus(connection) == CONNECTION_OK &&
                read_rows(connection, "* FROM behalf.item", own_broker_desk(broker), read) &&
                read_rows(connection, "channel, post, taken_ms FROM behalf.intake_key", own_broker_desk(broker), read);
    if (!good) {
        bench_complain("PostgreSQL: %s", PQerrorMessage(connection));
    }
    read->seconds = (double) (bench_now_ns() - begin_ns) / 1e9;
    PQfinish(connection);
    return good;
}
