// records.h - records into statements and out of answers, and the questions, reports and reading made of them.

#ifndef STORE_POSTGRES_RECORDS_H
#define STORE_POSTGRES_RECORDS_H

#include "broker/store/postgres/connection.h"

// Sends the statements of changes, coalesced, to run within the transaction that is open; takes no answers.  What was
// added is borrowed until the end.
struct group_writer;

struct group_writer *group_writer_new(void);
void group_writer_destroy(struct group_writer **writer_p);
void group_writer_begin(struct group_writer *writer, struct connection *connection);
void group_writer_add(struct group_writer *writer, const struct change *change);
void group_writer_end(struct group_writer *writer);

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
// still on their way and the connection is to be closed.  `behind`: nothing was read, as the tables do not show all
// that is in the journal.
bool reading_run(struct connection *connection, const struct store_reader *reader, bool *behind);

// Answers a report; what went wrong is left in the connection.
void reporting_run(struct connection *connection, struct report *report);

// The next cells into a record, in the order in which tables.def has its columns; texts are borrowed from the answer.
void cell_record(struct cells *cells, enum record record, void *values);

#endif
