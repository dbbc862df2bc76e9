// schema.c - looks before it touches: a schema that is not ours, newer, torn or out of reach is left as it is.

#include "broker/store/postgres/schema.h"

#include "broker/store/postgres/migrations.h"

#include <stdlib.h>
#include <string.h>

// "Behalf" in ASCII; require_month_of in the first migration has the same number.
#define LOCK "pg_advisory_xact_lock(4774451407313060418)"
#define MARK "Behalf: which migrations were applied"

// One row about the schema, from the catalogue only: whatever is there can be looked at.
static const char schema_look[] =
    "SELECT current_user, has_database_privilege(current_database(), 'CREATE'), n.oid IS NOT NULL,"
    " coalesce(has_schema_privilege(n.oid, 'USAGE'), false), coalesce(has_schema_privilege(n.oid, 'CREATE'), false),"
    " (SELECT c.relname FROM pg_class AS c WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'S')"
    "  ORDER BY c.relname LIMIT 1),"
    " coalesce((SELECT obj_description(c.oid, 'pg_class') = '" MARK "' FROM pg_class AS c"
    "  WHERE c.relnamespace = n.oid AND c.relname = 'migration'), false),"
    " (SELECT string_agg(w, ', ') FROM unnest(ARRAY['desk', 'rules', 'brand_freeze', 'intake_key', 'post', 'item', "
    "'draft',"
    "  'note', 'reply', 'event', 'outcome']) AS w WHERE NOT EXISTS"
    "  (SELECT FROM pg_class AS c WHERE c.relnamespace = n.oid AND c.relname = w)),"
    " (SELECT c.relname FROM pg_class AS c WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p')"
    "  AND NOT pg_has_role(c.relowner, 'USAGE') ORDER BY c.relname LIMIT 1),"
    " pg_encoding_to_char(d.encoding), current_database()"
    " FROM pg_database AS d LEFT JOIN pg_namespace AS n ON n.nspname = 'behalf' WHERE d.datname = current_database()";

enum look_column {
    LOOK_ROLE,
    LOOK_MAY_CREATE,
    LOOK_SCHEMA,
    LOOK_MAY_USE,
    LOOK_MAY_ADD,
    LOOK_ANY_TABLE,
    LOOK_OURS,
    LOOK_MISSING,
    LOOK_NOT_OWNED,
    LOOK_ENCODING,
    LOOK_DATABASE,
    LOOK_COLUMNS
};

static const char *schema_seen(const PGresult *row, enum look_column column)
{
    return PQgetvalue(row, 0, (int) column);
}

static bool schema_is_true(const PGresult *row, enum look_column column)
{
    return strcmp(schema_seen(row, column), "t") == 0;
}

static bool schema_none(const PGresult *row, enum look_column column)
{
    return PQgetisnull(row, 0, (int) column) == 1;
}

// What stands in the way of making the schema, or NULL.
static enum store_result schema_judge_making(const struct connection *connection, const PGresult *row, char *reason,
                                             size_t reason_bytes)
{
    const char *place = connection->place;
    const char *role = schema_seen(row, LOOK_ROLE);

    if (!schema_none(row, LOOK_ANY_TABLE)) {
        snprintf(reason, reason_bytes,
                 "the schema behalf of PostgreSQL at %s is not Behalf's (it has %.64s): give Behalf another database",
                 place, schema_seen(row, LOOK_ANY_TABLE));
        return STORE_CONTRADICTED;
    }
    if (connection->read_only) {
        snprintf(reason, reason_bytes, "PostgreSQL at %s has no desk yet: start the broker on it first", place);
        return STORE_UNAVAILABLE;
    }
    if (!(schema_is_true(row, LOOK_SCHEMA) ? schema_is_true(row, LOOK_MAY_ADD)
                                           : schema_is_true(row, LOOK_MAY_CREATE))) {
        snprintf(reason, reason_bytes,
                 "the role %.64s may not make the schema behalf in PostgreSQL at %s: as its administrator run"
                 " CREATE SCHEMA IF NOT EXISTS behalf; ALTER SCHEMA behalf OWNER TO \"%.64s\"",
                 role, place, role);
        return STORE_REFUSED;
    }
    return STORE_OK;
}

static enum store_result schema_judge_made(const struct connection *connection, const PGresult *row, int applied,
                                           char *reason, size_t reason_bytes)
{
    const char *place = connection->place;

    if (applied > postgres_migration_count) {
        snprintf(reason, reason_bytes,
                 "PostgreSQL at %s has schema %d, this program knows schemas up to %d: start the newer behalf-broker"
                 " that made it",
                 place, applied, postgres_migration_count);
        return STORE_CONTRADICTED;
    }
    if (applied < 1 || !schema_none(row, LOOK_MISSING)) {
        snprintf(reason, reason_bytes,
                 "the schema behalf of PostgreSQL at %s is half-done (missing: %.128s): restore it from a backup, or"
                 " drop it if it never held a desk",
                 place, applied < 1 ? "the list of migrations" : schema_seen(row, LOOK_MISSING));
        return STORE_CONTRADICTED;
    }
    if (!schema_none(row, LOOK_NOT_OWNED) && !connection->read_only) {
        snprintf(reason, reason_bytes,
                 "the role %.64s does not own %.64s in PostgreSQL at %s: as its administrator run"
                 " ALTER TABLE behalf.%.64s OWNER TO \"%.64s\", and so for all of the schema behalf",
                 schema_seen(row, LOOK_ROLE), schema_seen(row, LOOK_NOT_OWNED), place, schema_seen(row, LOOK_NOT_OWNED),
                 schema_seen(row, LOOK_ROLE));
        return STORE_REFUSED;
    }
    if (applied < postgres_migration_count && connection->read_only) {
        snprintf(reason, reason_bytes, "PostgreSQL at %s has schema %d, not %d: start the broker on it first", place,
                 applied, postgres_migration_count);
        return STORE_UNAVAILABLE;
    }
    return STORE_OK;
}

// Migrations applied: their number when they are 1 to that number, -1 when some are missing.
static int schema_count_applied(struct connection *connection)
{
    PGresult *row = connection_run(
        connection,
        "SELECT CASE WHEN count(*) = coalesce(max(number), 0) THEN count(*) ELSE -1 END FROM behalf.migration");
    int applied = row == NULL ? -1 : atoi(PQgetvalue(row, 0, 0));

    PQclear(row);
    return applied;
}

static bool schema_apply_first(struct connection *connection, bool schema)
{
    return (schema || connection_run_all(connection, "CREATE SCHEMA behalf")) &&
           connection_run_all(
               connection, "CREATE TABLE behalf.migration (number integer NOT NULL PRIMARY KEY, version text NOT NULL,"
                           " applied timestamptz NOT NULL DEFAULT now());"
                           "COMMENT ON TABLE behalf.migration IS '" MARK "';"
                           "COMMENT ON COLUMN behalf.migration.number IS 'Of the file.';"
                           "COMMENT ON COLUMN behalf.migration.version IS 'Of the broker that applied it.';"
                           "COMMENT ON COLUMN behalf.migration.applied IS 'When.'");
}

static bool schema_apply(struct connection *connection, int number)
{
    char note[160];

    snprintf(note, sizeof note, "INSERT INTO behalf.migration (number, version) VALUES (%d, '%s')", number,
             BEHALF_VERSION);
    return connection_run_all(connection, postgres_migrations[number - 1]) && connection_run_all(connection, note);
}

static PGresult *schema_look_at(struct connection *connection)
{
    PGresult *row = connection_run(connection, schema_look);

    if (row != NULL && (PQntuples(row) != 1 || PQnfields(row) != LOOK_COLUMNS)) {
        PQclear(row);
        row = NULL;
        (void) connection_contradict(connection, "its catalogue has no row about itself");
    }
    return row;
}

// Within a transaction: judges what is there, and applies what is missing.
static enum store_result schema_judge_and_apply(struct connection *connection, bool applying, char *reason,
                                                size_t reason_bytes)
{
    PGresult *row = schema_look_at(connection);
    enum store_result result = STORE_OK;
    int applied = 0;

    if (row == NULL) {
        return connection_result(connection, reason, reason_bytes);
    }
    bool ours = schema_is_true(row, LOOK_OURS);
    bool schema = schema_is_true(row, LOOK_SCHEMA);
    if (strcmp(schema_seen(row, LOOK_ENCODING), "UTF8") != 0) {
        snprintf(reason, reason_bytes,
                 "the database of PostgreSQL at %s has the encoding %.32s: make one with ENCODING 'UTF8'",
                 connection->place, schema_seen(row, LOOK_ENCODING));
        result = STORE_CONTRADICTED;
    } else if (ours && !schema_is_true(row, LOOK_MAY_USE)) {
        snprintf(reason, reason_bytes,
                 "the role %.64s may not use the schema behalf in PostgreSQL at %s: as its administrator run"
                 " GRANT USAGE, CREATE ON SCHEMA behalf TO \"%.64s\"",
                 schema_seen(row, LOOK_ROLE), connection->place, schema_seen(row, LOOK_ROLE));
        result = STORE_REFUSED;
    } else if (!ours) {
        result = schema_judge_making(connection, row, reason, reason_bytes);
    } else if (!schema_none(row, LOOK_NOT_OWNED) && !connection->read_only) {
        result = schema_judge_made(connection, row, 1, reason, reason_bytes);
    } else {
        applied = schema_count_applied(connection);
        result = connection->failed ? connection_result(connection, reason, reason_bytes)
                                    : schema_judge_made(connection, row, applied, reason, reason_bytes);
    }
    PQclear(row);
    if (result == STORE_OK && applying && (ours || schema_apply_first(connection, schema))) {
        for (int number = applied + 1; number <= postgres_migration_count && schema_apply(connection, number);
             number++) {
        }
    }
    return result == STORE_OK ? connection_result(connection, reason, reason_bytes) : result;
}

static bool schema_is_current(struct connection *connection)
{
    PGresult *row = schema_look_at(connection);
    bool current = row != NULL && schema_is_true(row, LOOK_OURS) && schema_is_true(row, LOOK_MAY_USE) &&
                   schema_none(row, LOOK_MISSING) && (schema_none(row, LOOK_NOT_OWNED) || connection->read_only) &&
                   strcmp(schema_seen(row, LOOK_ENCODING), "UTF8") == 0;

    PQclear(row);
    return current && schema_count_applied(connection) == postgres_migration_count;
}

enum store_result schema_prepare(struct connection *connection, char *reason, size_t reason_bytes)
{
    if (schema_is_current(connection)) {
        return STORE_OK;
    }
    if (connection->failed) {
        return connection_result(connection, reason, reason_bytes);
    }
    // First only a look, which needs no rights and takes no lock; then once more with the lock held.
    enum store_result result = schema_judge_and_apply(connection, false, reason, reason_bytes);
    if (result != STORE_OK || connection->read_only) {
        return result;
    }
    if (!connection_run_all(connection, "BEGIN") || !connection_run_all(connection, "SELECT " LOCK)) {
        return connection_result(connection, reason, reason_bytes);
    }
    result = schema_judge_and_apply(connection, true, reason, reason_bytes);
    // Should an error have come, COMMIT is a rollback, and so is the end of the connection.
    if (result == STORE_OK && !connection_run_all(connection, "COMMIT")) {
        result = connection_result(connection, reason, reason_bytes);
    }
    return result;
}
