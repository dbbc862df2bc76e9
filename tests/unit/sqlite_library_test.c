// sqlite_library_test.c - what must be said to SQLite before anything else is asked of it: a process of its own.

#include "broker/store/engine.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

// Else each allocation of the writer's would take a lock.
static void allocations_are_not_counted(void **state)
{
    static const char *const names[] = { "behalf.db", "behalf.db-wal", "behalf.db-shm", "lock", "marks" };
    char folder[64] = "/tmp/behalf-library-XXXXXX";
    char path[96], reason[512] = "";

    (void) state;
    assert_non_null(mkdtemp(folder));
    struct engine *engine = engine_sqlite_open(folder, "desk", reason, sizeof reason);
    assert_non_null(engine);
    assert_int_equal(sqlite3_memory_used(), 0);
    engine->operations->destroy(&engine);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void) unlink(path);
    }
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(allocations_are_not_counted) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
