// records.h - records into statements and out of rows, and the questions, reports and reading made of them.
//
// All of these work on one open database and leave its error standing when something fails.

#ifndef STORE_SQLITE_RECORDS_H
#define STORE_SQLITE_RECORDS_H

#include "broker/store/coalesce.h"
#include "broker/store/sqlite/database.h"

// Writes a group's changes within the transaction that is open; false on error.
bool write_changes(struct database *database, struct coalescer *coalescer, struct batch *group);

// Answers all questions of a batch; false on error.
bool answer_questions(struct database *database, struct batch *batch);

// Reads the desk back; false on error.
bool read_desk(struct database *database, const struct store_reader *reader);

// Where the outcomes begin whose items have ended since then: their number.  The error that stands may be new.
int64_t find_ended_since(struct database *database, int64_t closed_ms);

// Answers a report; false on error.
bool answer_report(struct database *database, struct report *report);

// The row's next columns into a record, in the order in which tables.def has them; texts are borrowed from the row.
void row_record(struct binding *binding, enum record record, void *values);

#endif
