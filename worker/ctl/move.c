// move.c - behalf-ctl move: carries a desk from one store to another, says how far it is, and how to go on.
//
// No broker is asked: both stores are opened here, and none of them may have a broker.

#include "broker/store/move/move.h"
#include "worker/ctl/ctl.h"
#include "worker/ctl/output.h"
#include "proto/base/clocks.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PROGRESS_MS 1000

struct move_options {
    struct ctl_options *common;
    char *from; // may hold a password
    char *to;
    const char *desk;
    bool keep;
    bool replace;
    bool cancel;
    // Progress: of which table, and since when.
    const char *table;
    bool checking;
    int64_t began_ms;
    int64_t said_ms;
    uint64_t rows;
};

static const struct argp_option move_argp_options[] = {
    { "from", 'f', "DIR|URL", 0, "Where the desk is: the folder of --data, or the URL of --store (required)", 0 },
    { "to", 't', "DIR|URL", 0, "Where it goes (required)", 0 },
    { "desk", 'd', "NAME", 0, "Which desk, where the source has several", 0 },
    { "keep", 'k', NULL, 0, "Leave the source usable, as a copy to try things out; let no connector near both", 0 },
    { "replace", 'r', NULL, 0, "Put it in the place of what the target still has of a desk that was moved away", 0 },
    { "cancel", 'c', NULL, 0, "Give an unfinished move up: the source is as before, the target without the desk", 0 },
    { 0 }
};

static volatile sig_atomic_t move_stop;

static void move_take_signal(int signal)
{
    move_stop = signal;
}

// Keeps a place, and hides it where process listings look, as it may hold a password.
static void move_keep_place(char **place, char *argument, const char *option, struct argp_state *state)
{
    if (*place != NULL) {
        argp_error(state, "%s: once", option);
    }
    *place = strdup(argument);
    if (*place == NULL || !**place) {
        argp_error(state, "%s: a folder or a URL", option);
    }
    if (move_is_postgres(argument)) {
        memset(argument, '*', strlen(argument));
    }
}

static error_t move_parse(int key, char *argument, struct argp_state *state)
{
    struct move_options *options = state->input;
    switch (key) {
    case 'f':
        move_keep_place(&options->from, argument, "--from", state);
        return 0;
    case 't':
        move_keep_place(&options->to, argument, "--to", state);
        return 0;
    case 'd':
        options->desk = argument;
        return 0;
    case 'k':
        options->keep = true;
        return 0;
    case 'r':
        options->replace = true;
        return 0;
    case 'c':
        options->cancel = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "one argument too many; which one: --from or --to?"); // not echoed: it may be a URL
        return 0;
    case ARGP_KEY_END:
        if (options->from == NULL || options->to == NULL) {
            argp_error(state, "--from DIR|URL and --to DIR|URL are required");
        }
        if (options->cancel && (options->keep || options->replace)) {
            argp_error(state, "--cancel goes alone");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void move_tell(void *self, const char *text)
{
    struct move_options *options = self;
    ctl_complain(options->common, "%s", text);
}

static void move_progress(void *self, const char *table, uint64_t rows, bool checking)
{
    struct move_options *options = self;
    int64_t now_ms = clocks_monotonic_ms();
    if (options->table != table || options->checking != checking || rows < options->rows) {
        options->table = table;
        options->checking = checking;
        options->began_ms = now_ms;
    }
    options->rows = rows;
    if (now_ms - options->said_ms < PROGRESS_MS) {
        return;
    }
    options->said_ms = now_ms;
    int64_t took_ms = now_ms - options->began_ms;
    fprintf(stderr, "behalf-ctl: %s %s: %" PRIu64 " rows", checking ? "checking" : "copying", table, rows);
    if (took_ms > 0) {
        fprintf(stderr, ", %" PRIu64 " rows/s", rows * 1000 / (uint64_t) took_ms);
    }
    fputc('\n', stderr);
}

static void move_print_digest(const struct move_sum *sum)
{
    for (size_t i = 0; i < sizeof sum->digest; i++) {
        printf("%02x", sum->digest[i]);
    }
}

static void move_compared(void *self, const char *table, const struct move_sum *from, const struct move_sum *to)
{
    (void) self;
    bool same = from->rows == to->rows && memcmp(from->digest, to->digest, sizeof from->digest) == 0;
    printf("%-12s %10" PRIu64 " rows ", table, from->rows);
    move_print_digest(from);
    printf(same ? " the same\n" : " differs, target: %" PRIu64 " rows ", to->rows);
    if (!same) {
        move_print_digest(to);
        putchar('\n');
    }
    fflush(stdout);
}

// The first one ends the move after the page at hand, a second one at once.
static void move_watch_signals(void)
{
    struct sigaction action = { .sa_handler = move_take_signal, .sa_flags = (int) SA_RESETHAND };
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static int move_run(struct move_options *options)
{
    char reason[1600] = "";
    struct move_order order = {
        .from = options->from,
        .to = options->to,
        .desk = options->desk,
        .keep = options->keep,
        .replace = options->replace,
        .cancel = options->cancel,
        .stop = &move_stop,
        .self = options,
        .tell = move_tell,
        .progress = move_progress,
        .compared = move_compared,
    };
    switch (move_desk(&order, reason, sizeof reason)) {
    case MOVE_DONE:
        return CTL_DONE;
    case MOVE_STOPPED:
        ctl_complain(options->common, "stopped; what was done stays: give the same command again to go on%s",
                     options->cancel ? "" : ", or with --cancel to give the move up");
        return CTL_INTERRUPTED;
    default:
        ctl_complain(options->common, "%s", reason);
        return CTL_REFUSED;
    }
}

static void move_forget(char *place)
{
    if (place != NULL) {
        explicit_bzero(place, strlen(place));
        free(place);
    }
}

int move_command(struct ctl_options *common, int argc, char **argv)
{
    struct move_options options = { .common = common };
    const struct argp argp = {
        .options = move_argp_options,
        .parser = move_parse,
        .doc =
            "Carries a desk with its whole history from one store to another, and compares the two row by row.\v"
            "No broker may run on the desk meanwhile.  Should it be cut off, the same command goes on where it was.  "
            "Afterwards the source is kept, marked as moved, and no broker starts on it; start one on the target.\n\n"
            "Examples:\n"
            "  behalf-ctl move --from /var/lib/behalf --to postgresql://behalf@db/behalf\n"
            "  behalf-ctl move --from service=behalf --to /var/lib/behalf --replace\n\n"
            "Exit status: 0 done and the same; 1 refused or failed; 2 wrong usage; 130 stopped by Ctrl-C.\n",
    };
    argp_parse(&argp, argc, argv, 0, NULL, &options);
    move_watch_signals();
    int status = move_run(&options);
    move_forget(options.from);
    move_forget(options.to);
    return status;
}
