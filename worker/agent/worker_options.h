// worker_options.h - what the two ways of working are started with, and how they end.

#ifndef WORKER_AGENT_WORKER_OPTIONS_H
#define WORKER_AGENT_WORKER_OPTIONS_H

#include <stdbool.h>

// Borrowed for the program's life.
struct worker_options {
    const char *brokers; // endpoints separated by commas, or NULL
    const char *name;    // the person
    const char *desk;    // where the broker serves several, or ""
    bool stay;           // JSON: stay signed in when the input has ended
    unsigned visible;    // options of visible_text
};

// How the program ends; also its exit status.
enum worker_end {
    WORKER_SIGNED_OUT = 0, // as asked
    WORKER_REFUSED = 2,    // the broker refused the person
    WORKER_ENDED = 3,      // the broker ended the session: signed in elsewhere, taken off the rules
    WORKER_UNSAVED = 4,    // signed out, but something asked of the broker was not answered
    WORKER_HUNG_UP = 5,    // the terminal is gone: what is held waits for the person for a while
    WORKER_USAGE = 64      // the command line is wrong
};

// At a prompt, for a person.
enum worker_end plain_run(const struct worker_options *options);

// Lines of JSON both ways, for a program.
enum worker_end json_run(const struct worker_options *options);

#endif
