// ctl.h - what the commands of behalf-ctl share: options, exit statuses, and a question to the broker.

#ifndef CTL_CTL_H
#define CTL_CTL_H

#include <behalf/client.h>

#include <argp.h>
#include <stdio.h>

#define CTL_PROGRAM "behalf-ctl " BEHALF_VERSION

// How the program ends.  Also in its --help.
enum ctl_exit {
    CTL_DONE = 0,
    CTL_REFUSED = 1,       // the broker refused, or there are problems
    CTL_USAGE = 2,         // wrong options, or a file that cannot be read
    CTL_NO_BROKER = 3,     // no broker answered in time
    CTL_NOTHING_TAKEN = 4, // feed: the file had rows, and none is in
    CTL_INTERRUPTED = 130  // Ctrl-C, after what was in flight was settled
};

// Options that every command has.
struct ctl_options {
    const char *brokers; // endpoints; NULL: the default one
    const char *name;    // as whom to sign in
    const char *desk;    // where the broker serves several, or ""
    int64_t wait_ms;     // how long to wait for a broker that is away
    unsigned visible;    // options for visible_text that the terminal needs
};

struct ctl_command {
    const char *name;
    const char *doc;                                                // one line for the list of commands
    int (*run)(struct ctl_options *options, int argc, char **argv); // returns an exit status
};

int feed_command(struct ctl_options *options, int argc, char **argv);
int status_command(struct ctl_options *options, int argc, char **argv);
int look_command(struct ctl_options *options, int argc, char **argv);
int why_command(struct ctl_options *options, int argc, char **argv);
int outcomes_command(struct ctl_options *options, int argc, char **argv);
int check_command(struct ctl_options *options, int argc, char **argv);
int apply_command(struct ctl_options *options, int argc, char **argv);
int freeze_command(struct ctl_options *options, int argc, char **argv);
int unfreeze_command(struct ctl_options *options, int argc, char **argv);
int return_command(struct ctl_options *options, int argc, char **argv);
int move_command(struct ctl_options *options, int argc, char **argv);

// ---- options ----

// The options of struct ctl_options, for a command's argp to have as a child; its input is the struct.
extern const struct argp ctl_common_argp;

// For the argp of a command: child number 0 gets the common options.  In a parser, call it for ARGP_KEY_INIT.
extern const struct argp_child ctl_common_children[];

// The number that an option gives; ends the program with a word on usage if it is none from `minimum` to
// `maximum`.
int64_t ctl_number(struct argp_state *state, const char *option, const char *text, int64_t minimum, int64_t maximum);

// ---- the broker ----

// Makes a client of `role`.  NULL, with what is wrong said on standard error, if an endpoint is none.
struct behalf_client *ctl_client_new(const struct ctl_options *options, const char *role, const char *instance);

// Says goodbye and frees it.
void ctl_client_end(struct behalf_client **client_p);

// Sends a request and waits for its answer, which is owned by the caller.  NULL, with `status` set and the
// reason said on standard error, if it was refused or no broker answered in time.
struct behalf_message *ctl_ask(struct behalf_client *client, const struct ctl_options *options,
                               const struct behalf_message *request, int *status);

// The same by a client of its own, which is gone afterwards.
struct behalf_message *ctl_ask_once(const struct ctl_options *options, const struct behalf_message *request,
                                    int *status);

// As ctl_ask, but gives an ERROR back like any other answer.
struct behalf_message *ctl_ask_raw(struct behalf_client *client, const struct ctl_options *options,
                                   const struct behalf_message *request, int *status);

// "behalf-ctl: NOT_FOUND: item: there is no such item"
void ctl_print_error(const struct ctl_options *options, const struct behalf_message *error);

// A line on standard error, with the program's name before it and text from outside made visible.
void ctl_complain(const struct ctl_options *options, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
