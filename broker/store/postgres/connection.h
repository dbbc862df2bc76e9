// connection.h - one connection to PostgreSQL: made, asked in a pipeline with bounded waits, its errors in words.
//
// Statements are sent without waiting, then their answers taken in the order sent.  The first trouble since
// connection_clear stays, so that a row of calls may be made and judged once.  A connection that is lost stays so;
// its owner closes it and opens another.

#ifndef STORE_POSTGRES_CONNECTION_H
#define STORE_POSTGRES_CONNECTION_H

#include "broker/store/engine.h"
#include "broker/store/postgres/rows.h"

#include <libpq-fe.h>

enum sql {
#define STATEMENT(NAME, text) SQL_##NAME,
#include "broker/store/postgres/statements.def"
    SQL_COUNT
};

// The types of whole rows that statements are given.
enum row_type { ROW_POST, ROW_INTAKE_KEY, ROW_ITEM, ROW_REPLY, ROW_EVENT, ROW_OUTCOME, ROW_REQUEST, ROW_TYPE_COUNT };

// The type of the rows of a statement; ROW_TYPE_COUNT: it is given an array a column.
enum row_type row_type_of(enum sql sql);

#define CONNECTION_ANSWER_MS 10000 // an answer takes longer: the connection is given up
#define CONNECTION_STARTED_BYTES 64

struct connection {
    PGconn *link;
    const char *desk; // borrowed
    bool read_only;
    char place[256];                        // host, port and database, without secrets
    int server_version;                     // 150020
    int backend;                            // process of the server
    char started[CONNECTION_STARTED_BYTES]; // when that process started
    int answer_ms;                          // longest wait for an answer
    size_t sent;                            // statements sent since connection_clear
    uint32_t row_types[ROW_TYPE_COUNT];     // their object ids

    // The first trouble since connection_clear.
    bool failed;
    bool lost;         // the connection is of no use any more
    bool unanswered;   // it ended without a word: what was sent may have been done
    bool warned;       // the server warned: a COMMIT may be answered though it is not replicated
    char state[6];     // SQLSTATE; "" when the server said nothing
    char message[200]; // the server's or libpq's words, one line
};

// Connects, brings the schema up to date (or only checks it), and prepares all statements.  On failure returns
// NULL with the result an engine would give and the reason in words that say what to do.
struct connection *connection_open(const char *conninfo, const char *desk, bool read_only, enum store_result *result,
                                   char *reason, size_t reason_bytes);
void connection_close(struct connection **connection_p);

// Whether a URL can be one, as far as its words tell; else the reason, without them.
bool connection_check_url(const char *conninfo, char *reason, size_t reason_bytes);

// Forgets the trouble of before; not that the connection is lost.
void connection_clear(struct connection *connection);

// Whether an idle connection still stands, as far as can be seen without asking.
bool connection_stands(struct connection *connection);

// Waits until the idle connection or another descriptor can be read, or the time is over.  True if it was notified.
bool connection_wait(struct connection *connection, int other_fd, int ms);

// Queues a statement with its parameters behind the desk; NULL: none.
void connection_send(struct connection *connection, enum sql sql, const struct parameters *parameters);

// The same with rows; nothing is sent when there are none.
void connection_send_rows(struct connection *connection, enum sql sql, struct rows *rows);

// Ends what belongs together: an error in it skips the rest up to here.  Begins to send.
void connection_sync(struct connection *connection);

// The answer of the next statement sent, to be cleared by the caller; NULL when it failed or was skipped.
PGresult *connection_take(struct connection *connection);

// The same where only success counts.
bool connection_done(struct connection *connection);

// Takes the answer of a sync.
bool connection_synced(struct connection *connection);

// Takes all answers up to and with `syncs` syncs.  Trouble told meanwhile is not noted, but for the connection's loss.
void connection_drain(struct connection *connection, int syncs);

// Sends a statement with a sync and takes its answer, or rows one by one: first connection_stream, then
// connection_next until it returns NULL.
PGresult *connection_ask(struct connection *connection, enum sql sql, const struct parameters *parameters);
void connection_stream(struct connection *connection, enum sql sql, const struct parameters *parameters);
PGresult *connection_next(struct connection *connection);

// Leaves the transaction that an error has left open.
void connection_roll_back(struct connection *connection);

// Runs plain SQL outside a pipeline: only while a connection is being set up.
PGresult *connection_run(struct connection *connection, const char *text);
bool connection_run_all(struct connection *connection, const char *text);

// What an engine answers for the trouble that stands, with the reason in words that tell what to do.
enum store_result connection_result(struct connection *connection, char *reason, size_t reason_bytes);

// Whether the trouble that stands may be the desk's own whose statement failed, and not the database's: a lock, or a
// statement that takes too long, or a part of a distributed database that is away.
bool connection_blames_desk(const struct connection *connection);

// Trouble of our own finding: something that no version of ours wrote.
bool connection_contradict(struct connection *connection, const char *what);

// A row of an answer, read column by column.  Texts are valid until the answer is cleared; "" for NULL.
struct cells {
    struct connection *connection;
    const PGresult *result;
    int row;
    int column;
};

struct cells cells_of(struct connection *connection, const PGresult *result, int row);
const char *cell_text(struct cells *cells);
int64_t cell_number(struct cells *cells);
uint64_t cell_id(struct cells *cells);
bool cell_flag(struct cells *cells);
bool cell_is_null(const struct cells *cells); // the column that is next

#endif
