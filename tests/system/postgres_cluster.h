// postgres_cluster.h - a private PostgreSQL for a test: its own folder, its own port, removed at the end.
//
// It listens on a free port of 127.0.0.1 and a socket in its folder, with fsync on, and lets the role behalf in by
// password over TCP and anybody in through the socket.  The server refuses to run as root: then it is run as the
// system's user postgres.  Should the test die, the server is ended with it.

#ifndef TESTS_POSTGRES_CLUSTER_H
#define TESTS_POSTGRES_CLUSTER_H

#include <stdbool.h>
#include <sys/types.h>

struct postgres_cluster;

// Whether a server can be started here; says why not.
bool postgres_cluster_possible(void);

// Makes and starts one with an empty database behalf, owned by the role behalf.  Asserts that it comes up.
struct postgres_cluster *postgres_cluster_new(void);
void postgres_cluster_destroy(struct postgres_cluster **cluster_p);

// For a cmocka group: one cluster for all its tests, which each finds in `*state` when it is set up.
int postgres_cluster_set_up_group(void **state);
int postgres_cluster_tear_down_group(void **state);

// A port of 127.0.0.1 that was free a moment ago, for what is to run beside the cluster.
int postgres_cluster_find_port(void);

// postgresql://behalf:secret@127.0.0.1:port/behalf; and so with another port (of a proxy).
const char *postgres_cluster_url(const struct postgres_cluster *cluster);
const char *postgres_cluster_url_by(struct postgres_cluster *cluster, int port);
int postgres_cluster_port(const struct postgres_cluster *cluster);

// For a superuser, through the socket.
const char *postgres_cluster_administrator(const struct postgres_cluster *cluster);

void postgres_cluster_start(struct postgres_cluster *cluster); // and waits until it answers
void postgres_cluster_begin(struct postgres_cluster *cluster); // without waiting
void postgres_cluster_stop(struct postgres_cluster *cluster);  // in order
void postgres_cluster_crash(struct postgres_cluster *cluster); // immediate shutdown: recovers when started again
void postgres_cluster_kill(struct postgres_cluster *cluster);  // kill -9 of all its processes

// Runs SQL as the superuser in the database behalf and returns the first value, valid until the next call; ""
// for none.  Asserts success.
const char *postgres_cluster_sql(struct postgres_cluster *cluster, const char *sql);

// From now on each time that a desk is let go it is noted how many rows are in its journal then; how often that was,
// and how many they were in all.  To be called once there is a desk.
void postgres_cluster_watch_releases(struct postgres_cluster *cluster);
void postgres_cluster_releases(struct postgres_cluster *cluster, int *count, int *rows);

#endif
