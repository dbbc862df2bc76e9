// connector.h - between an adapter's lines and a broker's messages.
//
// What an adapter may say and is told is in ADAPTERS.md.  The rules that matter: a line is answered once
// its post is on disk; no more lines are read than the broker takes; a reply that an adapter may have
// published is not given a second time, unless publishing twice does no harm.

#ifndef WORKER_CONNECT_CONNECTOR_H
#define WORKER_CONNECT_CONNECTOR_H

#include <behalf/client.h>

#include <stdbool.h>

// Borrowed for the connector's life.
struct connector_options {
    const char *brokers;         // endpoints separated by commas, or NULL
    const char *name;            // of the connector
    const char *desk;            // where the broker serves several, or ""
    const char *const *channels; // at least one
    size_t channel_count;
    const char *brand; // of posts that name none, or NULL
    bool idempotent;
    bool once;         // end when the adapter has ended well
    char *const *argv; // the adapter, ended by NULL
};

// How a connector ends; also the program's exit status.
enum connector_end {
    CONNECTOR_STOPPED = 0,    // as asked, everything told
    CONNECTOR_NO_ADAPTER = 1, // the adapter cannot be started
    CONNECTOR_REFUSED = 2,    // the broker refused the connector
    CONNECTOR_SIGNED_OUT = 3, // the broker ended the session
    CONNECTOR_UNSETTLED = 4,  // stopped, but the fate of some replies could not be told
    CONNECTOR_USAGE = 64      // the command line is wrong
};

// Runs until it is stopped by SIGTERM, SIGINT or SIGHUP (twice: at once), or cannot go on.  Blocks these
// signals and SIGCHLD for the process; call it before any thread is made.
enum connector_end connector_run(const struct connector_options *options);

#endif
