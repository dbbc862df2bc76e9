// feed_run.h - a feed under way: rows go out as posts, answers come back, and one knows how far it has come.
//
// Rows are read, sent and answered at the same time, with as many in flight as the session's window allows.
// A row is settled when the broker has answered TAKEN, or when it was reported as bad and skipped; the feed
// has come as far as the last row before which none is unsettled, and that is what a cursor records.

#ifndef CTL_FEED_RUN_H
#define CTL_FEED_RUN_H

#include "worker/ctl/ctl.h"
#include "worker/ctl/feed_map.h"
#include "worker/ctl/row_reader.h"

struct feed_plan {
    const struct ctl_options *options;
    const char *name;             // of the input, as shown
    int input;                    // its descriptor
    struct row_reader *reader;    // opened
    const struct feed_map *map;   // bound
    struct behalf_client *client; // NULL: rows are only checked
    uint64_t from_row;            // the first row wanted, from 1
    const char *cursor_path;      // NULL: none is kept
    const char *cursor_source;    // what the cursor calls the input
    uint64_t input_bytes;         // 0: not known
    bool strict;                  // the first bad row ends it
    bool json;                    // the summary is a JSON object
    bool quiet;                   // no progress
};

// Runs it to its end, prints the summary, and returns the exit status.
int feed_run(const struct feed_plan *plan);

#endif
