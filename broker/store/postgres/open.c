// open.c - making a connection: what is set unless the operator set it, and what a refusal means.

#include "broker/store/column_lists.h"
#include "broker/store/postgres/connection.h"
#include "broker/store/postgres/reach.h"
#include "broker/store/postgres/schema.h"
#include "proto/base/must.h"

#include <stdlib.h>
#include <string.h>

#define SERVER_VERSION_MIN 150000

static const char *const open_texts[SQL_COUNT] = {
#define STATEMENT(NAME, text) [SQL_##NAME] = text,
#include "broker/store/postgres/statements.def"
};

// Ours unless given in the URL or, where there is one, in the environment.
static const struct wish {
    const char *keyword;
    const char *value;
    const char *environment;
    bool writer_only;
} wishes[] = {
    { "keepalives_idle", "5", NULL, false },
    { "keepalives_interval", "2", NULL, false },
    { "keepalives_count", "3", NULL, false },
    { "tcp_user_timeout", "10000", NULL, false },
    { "target_session_attrs", "read-write", "PGTARGETSESSIONATTRS", true },
};
#define WISH_COUNT (sizeof wishes / sizeof *wishes)

// Timeouts that nobody has set for this role, database or connection.
static const char open_timeouts[] =
    "SELECT set_config(s.name, v.value, false) FROM (VALUES ('statement_timeout', '30s'), ('lock_timeout', '5s'),"
    " ('idle_in_transaction_session_timeout', '30s')) AS v (name, value) JOIN pg_settings AS s ON s.name = v.name"
    " WHERE s.source NOT IN ('client', 'user', 'database', 'database user')";

// Everything is found by key, so that a plan made while a table was empty must not stay a walk through it.
static const char open_settings[] =
    "SET search_path = behalf; SET timezone = 'UTC'; SET plan_cache_mode = force_generic_plan;"
    " SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off;"
    " SET client_min_messages = warning; SET default_transaction_isolation = 'read committed'";

// Whatever role, database or server say of it, a commit of ours is on the disk before it is answered, and on that of
// the standby where there is a synchronous one.  Who wants more of the standby may have it.
static const char open_durability[] = "SELECT set_config('synchronous_commit', 'on', false)"
                                      " WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply')";

// What a session cannot set, and without which a server loses what it has answered.
static const struct need {
    const char *setting;
    const char *danger;
} open_needs[] = {
    { "fsync", "what was acknowledged is lost when the machine goes down" },
    { "full_page_writes", "a page half written when the machine goes down damages the database" },
};

static bool open_is_given(const PQconninfoOption *options, const char *keyword)
{
    for (; options->keyword != NULL; options++) {
        if (strcmp(options->keyword, keyword) == 0) {
            return options->val != NULL;
        }
    }
    return false;
}

// A character that should have been percent-encoded has cut the password in two: libpq would show the rest.
static bool open_shows_secret(const PQconninfoOption *options)
{
    for (; options->keyword != NULL; options++) {
        if (strcmp(options->keyword, "host") == 0 && options->val != NULL && strchr(options->val, '@') != NULL &&
            options->val[0] != '@') {
            return true;
        }
    }
    return false;
}

static PGconn *open_connect_to(const struct connection *connection, const char *conninfo, const PQconninfoOption *given,
                               char state[REACH_STATE_BYTES], char *trouble, size_t trouble_bytes)
{
    const char *keywords[WISH_COUNT + 7];
    const char *values[WISH_COUNT + 7];
    char name[128];
    size_t count = 0;

    for (size_t i = 0; i < WISH_COUNT; i++) {
        const struct wish *wish = &wishes[i];
        bool set = wish->environment != NULL && getenv(wish->environment) != NULL;
        if (!set && !open_is_given(given, wish->keyword) && !(wish->writer_only && connection->read_only)) {
            keywords[count] = wish->keyword;
            values[count++] = wish->value;
        }
    }
    snprintf(name, sizeof name, "behalf desk=%.40s%s", connection->desk, connection->read_only ? " reports" : "");
    keywords[count] = "dbname";
    values[count++] = conninfo;
    keywords[count] = "fallback_application_name";
    values[count++] = name;
    keywords[count] = "client_encoding";
    values[count++] = "UTF8";
    return reach(keywords, values, count, state, trouble, trouble_bytes);
}

static void open_note_place(struct connection *connection)
{
    const char *host = PQhost(connection->link);
    const char *database = PQdb(connection->link);

    snprintf(connection->place, sizeof connection->place, "%.120s:%.8s/%.64s", host == NULL ? "" : host,
             PQport(connection->link) == NULL ? "" : PQport(connection->link), database == NULL ? "" : database);
}

// What a refusal means, and what to do.
struct refusal {
    const char *part; // of the state, from its beginning, or of the words
    enum store_result result;
    const char *advice;
};

// A server's: its words are in its own language.
static const struct refusal open_states[] = {
    { "57P03", STORE_UNAVAILABLE, "waiting for it" }, // it starts, stops or recovers
    { "57", STORE_UNAVAILABLE, "waiting for it" },
    { "25006", STORE_UNAVAILABLE, "only a read-only server is there: start or name the primary; waiting for it" },
    { "53300", STORE_UNAVAILABLE, "raise max_connections or end some; waiting" },
    { "28P01", STORE_REFUSED, "check user and password of the URL" },
    { "28", STORE_REFUSED,
      "create the role or mend the URL, and let the broker's host and role in with a line in pg_hba.conf" },
    { "3D000", STORE_REFUSED, "create the database, or mend the URL" },
    { "42501", STORE_REFUSED, "let the broker's role in with GRANT CONNECT ON DATABASE" },
    { "22", STORE_REFUSED, "mend the URL" }, // a setting in its options that there is not, or not so
    { "42704", STORE_REFUSED, "mend the URL" },
    { "", STORE_UNAVAILABLE, "check that it runs and that the URL is right; waiting for it" },
};

// libpq's own, in the language of the program, English.
static const struct refusal open_words[] = {
    { "read-only", STORE_UNAVAILABLE, "only a read-only server is there: start or name the primary; waiting for it" },
    { "recovery", STORE_UNAVAILABLE, "waiting for it" },
    { "password", STORE_REFUSED, "check user and password of the URL" },
    { "translate host name", STORE_UNAVAILABLE, "check the host of the URL; waiting for it" },
    { "definition of service", STORE_REFUSED, "check the service of the URL and the file pg_service.conf" },
    { "could not match", STORE_REFUSED, "give as many ports as hosts, or one" },
    { "invalid", STORE_REFUSED, "mend the URL" },
    { "certificate", STORE_REFUSED, "check sslmode and the certificates" },
    { "SSL was required", STORE_REFUSED, "check sslmode and the certificates" },
    { "", STORE_UNAVAILABLE, "check that it runs and that the URL is right; waiting for it" },
};

static enum store_result open_judge_refusal(const char *state, const char *trouble, char *reason, size_t reason_bytes)
{
    const struct refusal *refusal = state[0] != '\0' ? open_states : open_words;

    while (state[0] != '\0' ? strncmp(state, refusal->part, strlen(refusal->part)) != 0
                            : strstr(trouble, refusal->part) == NULL) {
        refusal++;
    }
    snprintf(reason, reason_bytes, "PostgreSQL cannot be reached (%s): %s", trouble, refusal->advice);
    return refusal->result;
}

static void open_take_notice(void *self, const PGresult *notice)
{
    struct connection *connection = self;
    const char *severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);

    connection->warned = connection->warned || (severity != NULL && strcmp(severity, "WARNING") == 0);
}

static bool open_note_backend(struct connection *connection)
{
    PGresult *row =
        connection_run(connection, "SELECT pid, backend_start FROM pg_stat_get_activity(pg_backend_pid()) LIMIT 1");
    bool found = row != NULL && PQntuples(row) == 1;

    if (found) {
        connection->backend = atoi(PQgetvalue(row, 0, 0));
        snprintf(connection->started, sizeof connection->started, "%s", PQgetvalue(row, 0, 1));
    } else if (row != NULL) {
        found = connection_contradict(connection, "it does not know our own session");
    }
    PQclear(row);
    return found;
}

static bool open_set_up_session(struct connection *connection)
{
    return connection_run_all(connection, open_timeouts) && connection_run_all(connection, open_settings) &&
           connection_run_all(connection,
                              connection->read_only ? "SET default_transaction_read_only = on" : open_durability) &&
           open_note_backend(connection);
}

// Whether the server keeps what it says it has.
static enum store_result open_judge_server(struct connection *connection, char *reason, size_t reason_bytes)
{
    enum store_result result = STORE_OK;

    for (size_t i = 0; result == STORE_OK && i < sizeof open_needs / sizeof *open_needs; i++) {
        char sql[64];
        snprintf(sql, sizeof sql, "SHOW %s", open_needs[i].setting);
        PGresult *row = connection_run(connection, sql);
        if (row == NULL) {
            result = connection_result(connection, reason, reason_bytes);
        } else if (strcmp(PQgetvalue(row, 0, 0), "on") != 0) {
            snprintf(reason, reason_bytes,
                     "PostgreSQL at %s runs with %s = off: %s; set it with ALTER SYSTEM SET %s = on and"
                     " SELECT pg_reload_conf()",
                     connection->place, open_needs[i].setting, open_needs[i].danger, open_needs[i].setting);
            result = STORE_REFUSED;
        }
        PQclear(row);
    }
    return result;
}

// Object ids differ from database to database.
static bool open_find_row_types(struct connection *connection)
{
    PGresult *row = connection_run(connection, "SELECT 'post_row'::regtype::oid, 'intake_key_row'::regtype::oid,"
                                               " 'item_row'::regtype::oid, 'reply_row'::regtype::oid,"
                                               " 'event_row'::regtype::oid,"
                                               " 'outcome_row'::regtype::oid, 'request_row'::regtype::oid");

    for (int i = 0; row != NULL && i < ROW_TYPE_COUNT; i++) {
        connection->row_types[i] = (uint32_t) strtoul(PQgetvalue(row, 0, i), NULL, 10);
    }
    PQclear(row);
    return row != NULL;
}

// The statement with each "$?" as the number of the next parameter, from $2 on.  To be freed.
static char *open_number_parameters(const char *text)
{
    char *numbered = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&numbered, &bytes);

    must(out != NULL);
    for (int next = 2; *text != '\0'; text++) {
        if (text[0] == '$' && text[1] == '?') {
            fprintf(out, "$%d", next++);
            text++;
        } else {
            fputc(*text, out);
        }
    }
    must(fclose(out) == 0);
    return numbered;
}

static bool open_prepare_statements(struct connection *connection)
{
    char name[16];
    bool prepared = PQenterPipelineMode(connection->link) == 1;

    for (int sql = 0; prepared && sql < SQL_COUNT; sql++) {
        snprintf(name, sizeof name, "s%d", sql);
        char *text = open_number_parameters(open_texts[sql]);
        prepared = PQsendPrepare(connection->link, name, text, 0, NULL) == 1;
        free(text);
    }
    connection_sync(connection);
    for (int sql = 0; prepared && sql < SQL_COUNT; sql++) {
        prepared = connection_done(connection);
    }
    return connection_synced(connection) && prepared;
}

static enum store_result open_set_up(struct connection *connection, char *reason, size_t reason_bytes)
{
    connection->server_version = PQserverVersion(connection->link);
    if (connection->server_version < SERVER_VERSION_MIN) {
        snprintf(reason, reason_bytes, "PostgreSQL at %s is of version %d: Behalf needs version 15 or newer",
                 connection->place, connection->server_version / 10000);
        return STORE_CONTRADICTED;
    }
    must(PQsetnonblocking(connection->link, 1) == 0);
    if (!open_set_up_session(connection)) {
        return connection_result(connection, reason, reason_bytes);
    }
    enum store_result result = connection->read_only ? STORE_OK : open_judge_server(connection, reason, reason_bytes);
    if (result == STORE_OK) {
        result = schema_prepare(connection, reason, reason_bytes);
    }
    if (result == STORE_OK && (!open_find_row_types(connection) || !open_prepare_statements(connection))) {
        result = connection_result(connection, reason, reason_bytes);
    }
    connection->warned = false;
    return result;
}

// The URL's options; NULL with the reason, without the words of the URL, which may hold the password.
static PQconninfoOption *open_parse_url(const char *conninfo, char *reason, size_t reason_bytes)
{
    char *error = NULL;
    PQconninfoOption *given = PQconninfoParse(conninfo, &error);

    PQfreemem(error);
    if (given == NULL || open_shows_secret(given)) {
        snprintf(reason, reason_bytes,
                 "the URL of the store is not one of PostgreSQL's: write postgresql://user@host:port/database or"
                 " keyword=value pairs, with special characters of the password percent-encoded");
        PQconninfoFree(given);
        return NULL;
    }
    return given;
}

bool connection_check_url(const char *conninfo, char *reason, size_t reason_bytes)
{
    PQconninfoOption *given = open_parse_url(conninfo, reason, reason_bytes);

    PQconninfoFree(given);
    return given != NULL;
}

static enum store_result open_make_link(struct connection *connection, const char *conninfo, char *reason,
                                        size_t reason_bytes)
{
    char trouble[320] = "";
    char state[REACH_STATE_BYTES] = "";
    PQconninfoOption *given = open_parse_url(conninfo, reason, reason_bytes);

    if (given == NULL) {
        return STORE_REFUSED;
    }
    connection->link = open_connect_to(connection, conninfo, given, state, trouble, sizeof trouble);
    PQconninfoFree(given);
    if (connection->link == NULL) {
        return open_judge_refusal(state, trouble, reason, reason_bytes);
    }
    PQsetNoticeReceiver(connection->link, open_take_notice, connection);
    open_note_place(connection);
    return STORE_OK;
}

struct connection *connection_open(const char *conninfo, const char *desk, bool read_only, enum store_result *result,
                                   char *reason, size_t reason_bytes)
{
    struct connection *connection = calloc(1, sizeof *connection);

    must(connection != NULL);
    connection->desk = desk;
    connection->read_only = read_only;
    connection->answer_ms = CONNECTION_ANSWER_MS;
    *result = open_make_link(connection, conninfo, reason, reason_bytes);
    if (*result == STORE_OK) {
        *result = open_set_up(connection, reason, reason_bytes);
    }
    if (*result != STORE_OK) {
        connection_close(&connection);
    }
    return connection;
}

enum store_result engine_postgres_probe(const char *conninfo, const char *desk, char *reason, size_t reason_bytes)
{
    enum store_result result = STORE_OK;
    struct connection *connection = connection_open(conninfo, desk, false, &result, reason, reason_bytes);

    connection_close(&connection);
    return result;
}

void connection_close(struct connection **connection_p)
{
    if (*connection_p != NULL) {
        PQfinish((*connection_p)->link);
        free(*connection_p);
        *connection_p = NULL;
    }
}
