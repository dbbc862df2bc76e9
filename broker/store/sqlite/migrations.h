// migrations.h - the numbered SQL files beside this one, embedded by the build.

#ifndef STORE_SQLITE_MIGRATIONS_H
#define STORE_SQLITE_MIGRATIONS_H

// The schema that this program makes and knows: how many files there are.
#define MIGRATION_COUNT 7

// [0] is 001_*.sql.
extern const char *const migrations[MIGRATION_COUNT];

#endif
