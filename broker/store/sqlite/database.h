// database.h - one connection to the SQLite file: opening, statements, errors in words.
//
// The first error since database_clear stays in the connection, so that a row of calls may be made and judged
// once.  Nothing here knows of batches or desks beyond the desk's name, which statements of the desk have as ?1.

#ifndef STORE_SQLITE_DATABASE_H
#define STORE_SQLITE_DATABASE_H

#include "broker/store/engine.h"

#include <sqlite3.h>

enum statement {
#define STATEMENT(NAME, sql) STATEMENT_##NAME,
#define STATEMENT_OF_DESK(NAME, sql) STATEMENT_##NAME,
#include "broker/store/sqlite/statements.def"
    STATEMENT_COUNT
};

struct database {
    sqlite3 *connection;
    sqlite3_stmt *statements[STATEMENT_COUNT]; // prepared when first used
    char *folder;
    char *path;
    char *desk;
    int error; // the first error since database_clear: an extended result code of SQLite, or SQLITE_OK
    char message[160];
    int log_pages; // in the write-ahead log after the last commit
    // Who is given the values of each row by a statement that says take_row(...), which gives what this returns: asking
    // for a column at a time takes as long as finding the row.
    bool (*take_row)(void *self, sqlite3_value **values);
    void *take_row_self;
};

// Opens the store's file in a folder and brings its schema up to date, or only for reading.  On failure
// returns NULL, with the result an engine would give and the reason in words.
struct database *database_open(const char *folder, const char *desk, bool read_only, enum store_result *result,
                               char *reason, size_t reason_bytes);

// Gives the pages of a file of a former version their checksums (upgrade.h), and opens it again.  To be called when
// nobody else has it.  False with the reason when there is no connection to go on with.
bool database_upgrade(struct database *database, char *reason, size_t reason_bytes);

// A store in memory, made anew.  Whoever opens an engine on it (engine_sqlite_open_in) keeps it, with what was
// prepared, from engine to engine; nothing outlives database_close.
struct database *database_new_in_memory(const char *desk);

// Closes without a checkpoint when `in_doubt`, as what is in the log may not be on disk.
void database_close(struct database **database_p, bool in_doubt);

void database_clear(struct database *database);

// Runs plain SQL; false on error.
bool database_run(struct database *database, const char *sql);

// What an engine answers for the error that stands, with the reason in words that tell what to do.
enum store_result database_result(const struct database *database, char *reason, size_t reason_bytes);

// Whether the error that stands says that the file is not what it was.
bool database_is_damaged(const struct database *database);

// Writes what is in the write-ahead log once more, byte for byte, and syncs it: after a failed fsync the
// system takes pages for clean that never reached the disk.  To be called when the file is not open here.
bool database_rewrite_log(const char *folder, char *reason, size_t reason_bytes);

// A statement being bound, then run, then read column by column.
struct binding {
    struct database *database;
    sqlite3_stmt *statement; // NULL after an error
    int at;                  // the last parameter bound
    int column;              // the next column to read
};

struct binding database_bind(struct database *database, enum statement statement);
void bind_text(struct binding *binding, const char *text);
void bind_number(struct binding *binding, int64_t number);
void bind_id(struct binding *binding, uint64_t id);
void bind_flag(struct binding *binding, bool flag);

// Runs a statement that gives no rows; false on error.
bool binding_run(struct binding *binding);

// The next row; false at the end and on error, after which binding_end was called.
bool binding_row(struct binding *binding);
void binding_end(struct binding *binding);

// The row's columns, one after the other.  Texts are valid until the next row; "" for NULL.
const char *row_text(struct binding *binding);
int64_t row_number(struct binding *binding);
uint64_t row_id(struct binding *binding);
bool row_flag(struct binding *binding);
bool row_is_null(const struct binding *binding); // the column that is next

#endif
