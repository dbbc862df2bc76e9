// views.h - the tables of a desk as they are read: under the same names and columns as over PostgreSQL.

#ifndef STORE_SQLITE_VIEWS_H
#define STORE_SQLITE_VIEWS_H

#include <stddef.h>

// Statements that make all of them anew, in their order: run with each migration, which may have added columns.
extern const char *const views[];
extern const size_t view_count;

#endif
