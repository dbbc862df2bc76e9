// cutting_proxy.c - its thread, and what it does with what passes: see cutting_proxy.h.
//
// A COMMIT is seen as the Bind message of the engine's prepared COMMIT: an empty portal's name, then the
// statement's.  Pipelines of the tests are short enough to come in one piece.

#include "tests/system/cutting_proxy.h"

#include "broker/store/postgres/connection.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#define PAIRS_MAX 16
#define PIECE_BYTES ((size_t) 256 * 1024)

struct pair {
    int client; // -1: free
    int server;
    bool held;       // nothing passes any more
    bool cut_answer; // the next word of the server cuts
};

struct cutting_proxy {
    pthread_t thread;
    int listening;
    int port;
    int server_port;
    atomic_int cut;
    atomic_int count;
    atomic_bool stopping;
    atomic_bool letting_go;
    atomic_bool black_hole;
    atomic_size_t left_of_clients; // bytes until one is cut; SIZE_MAX: none is
    atomic_size_t left_of_server;
    struct pair pairs[PAIRS_MAX];
    char piece[PIECE_BYTES];
};

static void close_pair(struct pair *pair)
{
    struct linger reset = { .l_onoff = 1 };

    (void) setsockopt(pair->client, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    (void) close(pair->client);
    (void) close(pair->server);
    *pair = (struct pair){ .client = -1, .server = -1 };
}

static bool pass(int to, const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t sent = send(to, bytes, count, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        bytes += sent;
        count -= (size_t) sent;
    }
    return true;
}

// How many of the bytes may pass: fewer cut the connection.
static size_t count_down(struct cutting_proxy *proxy, atomic_size_t *left_p, size_t count)
{
    size_t left = atomic_load(left_p);

    if (left == SIZE_MAX) {
        return count;
    }
    size_t passing = left <= count ? left : count;
    // Whoever sets it meanwhile is not written over.
    if (atomic_compare_exchange_strong(left_p, &left, passing < count ? SIZE_MAX : left - passing) && passing < count) {
        atomic_fetch_add(&proxy->count, 1);
        return passing;
    }
    return count;
}

// Where the Bind of a COMMIT begins, or NULL.
static char *find_commit(struct cutting_proxy *proxy, size_t count)
{
    char name[16] = "";
    int bytes = snprintf(name + 1, sizeof name - 1, "s%d", (int) SQL_COMMIT);
    char *found = memmem(proxy->piece, count, name, (size_t) bytes + 2);

    return found == NULL || found - proxy->piece < 5 ? NULL : found - 5;
}

// What the client says; false cuts.
static bool pass_client(struct cutting_proxy *proxy, struct pair *pair)
{
    ssize_t count = recv(pair->client, proxy->piece, PIECE_BYTES, 0);
    int cut = atomic_load(&proxy->cut);

    if (count <= 0) {
        return false;
    }
    size_t passing = count_down(proxy, &proxy->left_of_clients, (size_t) count);
    if (passing < (size_t) count) {
        (void) pass(pair->server, proxy->piece, passing);
        return false;
    }
    char *commit = cut == CUT_NOT || cut == CUT_AGE ? NULL : find_commit(proxy, (size_t) count);
    if (commit == NULL) {
        return pass(pair->server, proxy->piece, (size_t) count);
    }
    bool before = cut == CUT_BEFORE_COMMIT || cut == CUT_HOLD;
    bool passed = pass(pair->server, proxy->piece, before ? (size_t) (commit - proxy->piece) : (size_t) count);
    pair->held = cut == CUT_HOLD;
    pair->cut_answer = cut == CUT_ANSWER;
    atomic_store(&proxy->cut, CUT_NOT);
    atomic_fetch_add(&proxy->count, 1);
    return passed && (pair->held || pair->cut_answer);
}

static void make_older(char *piece, size_t count)
{
    static const char version[] = "server_version\0"
                                  "15.";
    char *found = memmem(piece, count, version, sizeof version - 1);

    if (found != NULL) {
        found[sizeof version - 3] = '4';
    }
}

// What the server says; false cuts.
static bool pass_server(struct cutting_proxy *proxy, struct pair *pair)
{
    ssize_t count = recv(pair->server, proxy->piece, PIECE_BYTES, 0);

    if (count <= 0 || pair->cut_answer) {
        return false;
    }
    size_t passing = count_down(proxy, &proxy->left_of_server, (size_t) count);
    if (passing < (size_t) count) {
        (void) pass(pair->client, proxy->piece, passing);
        return false;
    }
    if (atomic_load(&proxy->cut) == CUT_AGE) {
        make_older(proxy->piece, (size_t) count);
    }
    return pass(pair->client, proxy->piece, (size_t) count);
}

static void accept_pair(struct cutting_proxy *proxy)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int client = accept4(proxy->listening, NULL, NULL, SOCK_CLOEXEC);
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int yes = 1;

    address.sin_port = htons((uint16_t) proxy->server_port);
    (void) setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    bool connected = client >= 0 && connect(server, (struct sockaddr *) &address, sizeof address) == 0;
    for (size_t i = 0; connected && i < PAIRS_MAX; i++) {
        if (proxy->pairs[i].client < 0) {
            proxy->pairs[i] = (struct pair){ .client = client, .server = server };
            return;
        }
    }
    (void) close(client);
    (void) close(server);
}

static void serve_pair(struct cutting_proxy *proxy, struct pair *pair, const struct pollfd *ends)
{
    bool cut = atomic_load(&proxy->letting_go) && pair->held;

    if (!cut && !pair->held && ends[0].revents != 0) {
        cut = !pass_client(proxy, pair);
    }
    if (!cut && ends[1].revents != 0) {
        cut = pair->held ? (ends[1].revents & (POLLHUP | POLLERR)) != 0 : !pass_server(proxy, pair);
    }
    if (cut) {
        close_pair(pair);
    }
}

static void *run(void *self)
{
    struct cutting_proxy *proxy = self;
    struct pollfd waits[1 + 2 * PAIRS_MAX];

    while (!atomic_load(&proxy->stopping)) {
        waits[0] = (struct pollfd){ .fd = proxy->listening, .events = POLLIN };
        bool black_hole = atomic_load(&proxy->black_hole);
        for (size_t i = 0; i < PAIRS_MAX; i++) {
            const struct pair *pair = &proxy->pairs[i];
            bool still = pair->held || black_hole;
            short events = still ? 0 : POLLIN;
            waits[1 + 2 * i] = (struct pollfd){ .fd = still ? -1 : pair->client, .events = events };
            waits[2 + 2 * i] = (struct pollfd){ .fd = black_hole ? -1 : pair->server, .events = events };
        }
        if (poll(waits, 1 + 2 * PAIRS_MAX, 20) < 0) {
            continue;
        }
        for (size_t i = 0; i < PAIRS_MAX; i++) {
            if (proxy->pairs[i].client >= 0) {
                serve_pair(proxy, &proxy->pairs[i], &waits[1 + 2 * i]);
            }
        }
        if (waits[0].revents != 0) {
            accept_pair(proxy);
        }
    }
    return NULL;
}

struct cutting_proxy *cutting_proxy_new(int server_port)
{
    struct cutting_proxy *proxy = calloc(1, sizeof *proxy);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t bytes = sizeof address;

    assert_non_null(proxy);
    for (size_t i = 0; i < PAIRS_MAX; i++) {
        proxy->pairs[i] = (struct pair){ .client = -1, .server = -1 };
    }
    atomic_store(&proxy->left_of_clients, SIZE_MAX);
    atomic_store(&proxy->left_of_server, SIZE_MAX);
    proxy->server_port = server_port;
    proxy->listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(proxy->listening, (struct sockaddr *) &address, sizeof address), 0);
    assert_int_equal(listen(proxy->listening, PAIRS_MAX), 0);
    assert_int_equal(getsockname(proxy->listening, (struct sockaddr *) &address, &bytes), 0);
    proxy->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&proxy->thread, NULL, run, proxy), 0);
    return proxy;
}

void cutting_proxy_destroy(struct cutting_proxy **proxy_p)
{
    struct cutting_proxy *proxy = *proxy_p;

    if (proxy != NULL) {
        atomic_store(&proxy->stopping, true);
        (void) pthread_join(proxy->thread, NULL);
        for (size_t i = 0; i < PAIRS_MAX; i++) {
            if (proxy->pairs[i].client >= 0) {
                close_pair(&proxy->pairs[i]);
            }
        }
        (void) close(proxy->listening);
        free(proxy);
        *proxy_p = NULL;
    }
}

int cutting_proxy_port(const struct cutting_proxy *proxy)
{
    return proxy->port;
}

void cutting_proxy_set(struct cutting_proxy *proxy, enum cut cut)
{
    atomic_store(&proxy->cut, cut);
}

void cutting_proxy_black_hole(struct cutting_proxy *proxy, bool black_hole)
{
    atomic_store(&proxy->black_hole, black_hole);
}

void cutting_proxy_cut_after(struct cutting_proxy *proxy, bool of_server, size_t bytes)
{
    atomic_store(&proxy->left_of_clients, of_server ? SIZE_MAX : bytes);
    atomic_store(&proxy->left_of_server, of_server ? bytes : SIZE_MAX);
}

int cutting_proxy_count(struct cutting_proxy *proxy)
{
    return atomic_load(&proxy->count);
}

void cutting_proxy_let_go(struct cutting_proxy *proxy)
{
    atomic_store(&proxy->letting_go, true);
}
