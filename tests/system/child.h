// child.h - a program under test, with pipes on its standard descriptors.
//
// Every wait is bounded and fails the test when it is over.  What the program writes to standard error is
// kept, and shown when a wait fails.

#ifndef TESTS_CHILD_H
#define TESTS_CHILD_H

#include "tests/system/fake_broker.h"

#include <stdbool.h>
#include <stddef.h>

struct child;

// Starts a program; `argv` ends with NULL, its first is a path.  Asserts that it starts.
struct child *child_new(const char *const *argv);

// The same in a terminal of its own, 80 columns wide: what it writes comes as its output, child_write types.
struct child *child_new_in_terminal(const char *const *argv);

// Kills it if it still runs.  Sets the pointer to NULL.
void child_destroy(struct child **child_p);

// Writes a line and its newline to its standard input.
void child_write(struct child *child, const char *line);
// Types or writes as it stands.
void child_type(struct child *child, const char *text);
void child_close_input(struct child *child);

// Closes a terminal as its window does: nothing more is read of the program, and it hears of it.
void child_hang_up(struct child *child);

// Waits for a line of its standard output that contains `part`, and returns it, owned by the caller,
// without its newline.  Lines before it are passed over.  The broker, if given, works meanwhile.
char *child_expect(struct child *child, struct fake_broker *broker, const char *part);

// The same of its standard error.
char *child_expect_error(struct child *child, struct fake_broker *broker, const char *part);

// All it has written to its standard output that no child_expect has passed; valid until the next call.
const char *child_output(struct child *child);

// The same of its standard error.
const char *child_errors(struct child *child);

void child_signal(struct child *child, int signal);

// Waits for its end and returns its exit status, or minus the signal that ended it.
int child_wait(struct child *child, struct fake_broker *broker);

#endif
