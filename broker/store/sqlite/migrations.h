// migrations.h - the numbered SQL files beside this one, embedded by the build.

#ifndef STORE_SQLITE_MIGRATIONS_H
#define STORE_SQLITE_MIGRATIONS_H

// The schema that this program makes and knows: how many files there are.
extern const int migration_count;

// [0] is 001_*.sql.
extern const char *const migrations[];

#endif
