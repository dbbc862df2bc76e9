// owner_test.c - who is called dead, and who is not.

#include "broker/store/owner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static void make_name(char name[OWNER_NAME_BYTES])
{
    owner_name(name);
    assert_non_null(strchr(name, '/'));
}

static void a_process_that_runs_is_not_dead(void **state)
{
    char name[OWNER_NAME_BYTES];

    (void) state;
    make_name(name);
    assert_false(owner_is_dead(name));
}

// A child that names itself and then waits to be killed.
static pid_t start_child(char name[OWNER_NAME_BYTES])
{
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        make_name(name);
        _exit(write(ends[1], name, OWNER_NAME_BYTES) == OWNER_NAME_BYTES && poll(NULL, 0, 60000) == 0);
    }
    assert_int_equal(read(ends[0], name, OWNER_NAME_BYTES), OWNER_NAME_BYTES);
    (void) close(ends[0]);
    (void) close(ends[1]);
    return child;
}

static void a_process_is_dead_once_it_was_killed_and_collected(void **state)
{
    char name[OWNER_NAME_BYTES] = "";
    pid_t child = start_child(name);
    siginfo_t ended;

    (void) state;
    assert_false(owner_is_dead(name));
    assert_int_equal(kill(child, SIGSTOP), 0);
    assert_false(owner_is_dead(name));
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitid(P_PID, (id_t) child, &ended, WEXITED | WNOWAIT), 0);
    assert_false(owner_is_dead(name)); // threads of it might still be ending
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_true(owner_is_dead(name));
}

static void another_process_under_the_same_number_proves_it_dead(void **state)
{
    char name[OWNER_NAME_BYTES];

    (void) state;
    make_name(name);
    char *start = strrchr(name, '.') + 1;
    start[strlen(start) - 1] = start[strlen(start) - 1] == '1' ? '2' : '1';
    assert_true(owner_is_dead(name));
}

static void a_process_of_another_machine_or_boot_is_never_called_dead(void **state)
{
    char name[OWNER_NAME_BYTES] = "";
    pid_t child = start_child(name);

    (void) state;
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_true(owner_is_dead(name));
    char *machine = strrchr(name, '/') + 1;
    machine[3] = machine[3] == '0' ? '1' : '0';
    assert_false(owner_is_dead(name));
}

static void what_is_no_name_of_ours_is_never_called_dead(void **state)
{
    static const char *const names[] = { "",        "host",        "host:99999999", "host:99999999/", ":",
                                         "a:1/b.c", "host:-1/1.1", "x:0/0.0",       "h:7/1",          "h:7/.5",
                                         "/.:" };

    (void) state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_false(owner_is_dead(names[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_that_runs_is_not_dead),
        cmocka_unit_test(a_process_is_dead_once_it_was_killed_and_collected),
        cmocka_unit_test(another_process_under_the_same_number_proves_it_dead),
        cmocka_unit_test(a_process_of_another_machine_or_boot_is_never_called_dead),
        cmocka_unit_test(what_is_no_name_of_ours_is_never_called_dead),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
