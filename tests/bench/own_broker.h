// own_broker.h - a broker of the bench's own: fresh rules, a fresh store, a free port of loopback.
//
// It is ended with the bench, also when that is killed, and by its own process id.

#ifndef TESTS_BENCH_OWN_BROKER_H
#define TESTS_BENCH_OWN_BROKER_H

#include "tests/bench/bench.h"

struct own_broker;

// What the broker's process has used so far.  The database's processes are not in it.
struct usage {
    double cpu_s;
    double rss_bytes;
};

// Makes a folder, writes rules for that many people (named by own_broker_person), starts behalf-broker and waits until
// it is ready.  NULL, having said why, if that does not come about.
struct own_broker *own_broker_new(const struct bench_options *options, unsigned people);

// The same with that many desks, which are alike; each is ready.
struct own_broker *own_broker_new_with(const struct bench_options *options, unsigned people, unsigned desks);

// The name of a desk of that number, from 0; valid until the next call.
const char *own_broker_desk_name(const struct own_broker *broker, unsigned number);

// Stops the broker, cleanly if it will, and removes the folder; of a PostgreSQL, the desk's rows.
void own_broker_destroy(struct own_broker **broker_p);

// Stops and starts it; false, having said why, if it is not ready again.
bool own_broker_stop(struct own_broker *broker);
bool own_broker_start(struct own_broker *broker);

// Ends it at once, as kill -9 does.
void own_broker_kill(struct own_broker *broker);

const char *own_broker_endpoint(const struct own_broker *broker);
const char *own_broker_folder(const struct own_broker *broker);
const char *own_broker_desk(const struct own_broker *broker);
const char *own_broker_url(const struct own_broker *broker);   // NULL: the store is SQLite, in own_broker_database
const char *own_broker_store(const struct own_broker *broker); // sqlite or postgres
const char *own_broker_database(const struct own_broker *broker);
struct usage own_broker_usage(const struct own_broker *broker);

// The name of the person of that number, from 0; valid until the next call.
const char *own_broker_person(unsigned number);

#endif
