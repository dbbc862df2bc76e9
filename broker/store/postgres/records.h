// records.h - records into statements and out of answers, and the questions, reports and reading made of them.

#ifndef STORE_POSTGRES_RECORDS_H
#define STORE_POSTGRES_RECORDS_H

#include "broker/store/postgres/connection.h"

// Sends the statements of a group's changes, to run within the transaction that is open; takes no answers.
struct group_writer;

struct group_writer *group_writer_new(void);
void group_writer_destroy(struct group_writer **writer_p);
void group_writer_send(struct group_writer *writer, struct connection *connection, struct batch *group);

// The first and the last time of the group's events and posts; false when it has none.
bool group_times(struct batch *group, int64_t *first_ms, int64_t *last_ms);

// Sends a group's questions, many in a statement, and then takes their answers.  The asking holds what was sent.
struct asking;

struct asking *asking_new(struct batch *group);
void asking_destroy(struct asking **asking_p);
bool asking_is_empty(const struct asking *asking);
void asking_send(struct asking *asking, struct connection *connection);
void asking_take(struct asking *asking, struct connection *connection);

// Reads the desk back; what went wrong is left in the connection.  False when the reader stopped it: rows are then
// still on their way and the connection is to be closed.
bool reading_run(struct connection *connection, const struct store_reader *reader);

// Answers a report; what went wrong is left in the connection.
void reporting_run(struct connection *connection, struct report *report);

// The next cells into a record, in the order in which tables.def has its columns; texts are borrowed from the answer.
void cell_record(struct cells *cells, enum record record, void *values);

#endif
