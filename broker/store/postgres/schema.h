// schema.h - the schema behalf of a database: whose it is, how old, and made new.

#ifndef STORE_POSTGRES_SCHEMA_H
#define STORE_POSTGRES_SCHEMA_H

#include "broker/store/postgres/connection.h"

// Months of partitions that are made ahead of now.
#define SCHEMA_MONTHS_AHEAD 2

// Checks the schema and, unless the connection is for reading only, brings it up to date, each migration in a
// transaction under an advisory lock.  Whatever is not STORE_OK has changed nothing and has a reason of one line.
enum store_result schema_prepare(struct connection *connection, char *reason, size_t reason_bytes);

#endif
