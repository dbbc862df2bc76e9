// opening.h - a desk is taken over and read back from the store, beside the loop, as that may take long.

#ifndef BROKER_OPENING_H
#define BROKER_OPENING_H

#include "broker/session/broker.h"
#include "broker/clock.h"
#include "broker/ownership/leases.h"
#include "broker/store/engine.h"

// Where a desk comes from.  Borrowed for the broker's life.
struct desk_source {
    const char *name;
    const char *file;       // of the rules
    const char *rules_text; // of that file
    const char *folder;     // of the embedded store, or NULL
    const char *store_url;  // of PostgreSQL, or NULL; may hold a password: never logged
    const char *endpoints;  // where our clients connect, as told to others
    int64_t heartbeat_ms;
    int64_t person_rate; // as of broker_options
    int64_t connector_rate;
    int64_t address_percent;
    size_t batch_bytes_max;
    size_t story_bytes_max;
    bool accept_loss;          // the operator has said that the desk goes on behind what its clients were told
    bool accept_clock;         // and that it goes on although the machine's clock is days away from its own
    const struct trace *trace; // NULL: what the broker does is not traced
    bool alone;                // it is the broker's only desk: log lines need not name it
};

enum opening_end {
    OPENING_DONE,
    OPENING_MISSED, // not taken over: the store is away, or another broker was first
    OPENING_STORE,  // the store cannot be used for this desk
    OPENING_RULES   // the rules have errors
};

struct opening {
    // Given.
    const struct desk_source *source;
    struct leases *leases; // NULL: nobody else can have the desk
    size_t desk;           // among the leases
    struct lease_row seen; // its row when it was found free
    struct engine *engine; // opened before, or NULL

    // Found.  What was not OPENING_DONE has been logged.
    enum opening_end end;
    bool took_over;  // the lease is ours, however it ended
    int64_t sent_ms; // by what was sent then, by the boot-time clock
    struct broker *broker;
    struct engine *reports; // a second handle, or NULL; `engine` is the first once the desk is open, else NULL
    struct clock clock;
};

// The work, as a job's: `self` is a struct opening.
void opening_work(void *self);

// Where the desk's store is, and of which kind its engines are.
const char *opening_place_of(const struct desk_source *source, const struct engine_kind **kind);

// Opens the store; NULL, and said in the log, when it cannot be used.
struct engine *opening_engine(const struct desk_source *source);

// Rules from a text; NULL, and said in the log, when they have errors.
struct rules *opening_compile(const char *text, uint64_t version, const char *name);

// A line about a desk, which it begins with where there are several.
void desk_log(const struct desk_source *source, const char *level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
