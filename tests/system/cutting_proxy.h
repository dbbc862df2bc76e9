// cutting_proxy.h - a TCP proxy before a PostgreSQL that cuts, holds or changes what passes, when told.

#ifndef TESTS_CUTTING_PROXY_H
#define TESTS_CUTTING_PROXY_H

#include <stdbool.h>
#include <stddef.h>

struct cutting_proxy;

enum cut {
    CUT_NOT,           // all passes
    CUT_BEFORE_COMMIT, // what comes before the next COMMIT passes, then the connection is cut
    CUT_AT_COMMIT,     // the next COMMIT passes, and the connection is cut at once
    CUT_ANSWER,        // the next COMMIT passes; its answer does not, and cuts the connection
    CUT_HOLD,          // what comes before the next COMMIT passes, then nothing any more; it stays open
    CUT_AGE            // the server says it is one version older
};

// Listens on a free port of 127.0.0.1 and passes on to another, on a thread of its own.
struct cutting_proxy *cutting_proxy_new(int server_port);
void cutting_proxy_destroy(struct cutting_proxy **proxy_p);
int cutting_proxy_port(const struct cutting_proxy *proxy);

// What happens to the next COMMIT, once; then all passes again.
void cutting_proxy_set(struct cutting_proxy *proxy, enum cut cut);

// Nothing passes any more, on any connection, also those made from now on, though none is cut: a black hole.  False:
// all passes again, beginning with what was sent meanwhile.
void cutting_proxy_black_hole(struct cutting_proxy *proxy, bool black_hole);

// After that many bytes more of the server, or of its clients, on whichever connection, that one is cut, once;
// SIZE_MAX: none is.
void cutting_proxy_cut_after(struct cutting_proxy *proxy, bool of_server, size_t bytes);

// How often a COMMIT met what was set, or a byte.
int cutting_proxy_count(struct cutting_proxy *proxy);

// Cuts the connections that are held.
void cutting_proxy_let_go(struct cutting_proxy *proxy);

#endif
