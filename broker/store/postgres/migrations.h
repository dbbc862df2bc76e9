// migrations.h - the numbered SQL files beside this one, embedded by the build.

#ifndef STORE_POSTGRES_MIGRATIONS_H
#define STORE_POSTGRES_MIGRATIONS_H

// The schema that this program makes and knows: how many files there are.
extern const int postgres_migration_count;

// [0] is 001_*.sql.
extern const char *const postgres_migrations[];

#endif
