// raw.c - what both engines share of the bare rows, and the bare round trip: see raw.h.

#include "tests/bench/raw.h"

#include "proto/base/must.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

const struct raw_table raw_tables[RAW_TABLE_COUNT] = {
    { "post", "item, number" }, { "intake_key", "item, number" }, { "item", "item" }, { "event", "sequence" },
    { "reply", "reply" },       { "outcome", "ended" },
};

size_t raw_batch_begin(size_t rows, size_t posts, size_t batch)
{
    size_t begin = rows * batch * RAW_POSTS_A_COMMIT / posts;
    return begin < rows ? begin : rows;
}

bool raw_report(const struct own_broker *broker, bool closed, double seconds, double posts_per_s)
{
    struct raw_result raw = { 0 };
    bool good = own_broker_url(broker) != NULL ? raw_rows_postgres(broker, closed, seconds, &raw)
                                               : raw_rows_sqlite(broker, closed, seconds, &raw);
    if (!good || raw.seconds <= 0 || raw.posts == 0) {
        return false;
    }
    double raw_per_s = (double) raw.posts / raw.seconds;
    bench_print(json_pack("{ss ss ss sI sI sf sf sf sf si sf}", "case", "raw-rows", "of", closed ? "cycle" : "intake",
                          "store", own_broker_store(broker), "posts", (json_int_t) raw.posts, "rows",
                          (json_int_t) raw.rows, "rows_per_post", (double) raw.rows / (double) raw.posts, "seconds",
                          raw.seconds, "rows_per_s", (double) raw.rows / raw.seconds, "posts_per_s", raw_per_s,
                          "posts_per_commit", RAW_POSTS_A_COMMIT, "ratio", posts_per_s / raw_per_s));
    return true;
}

// ---- a round trip ----

// In the child: sends back what comes, until it is killed.
_Noreturn static void echo(int tell, pid_t parent)
{
    char endpoint[128];
    size_t bytes = sizeof endpoint;
    void *context = zmq_ctx_new();
    void *socket = zmq_socket(context, ZMQ_ROUTER);
    setpgid(0, 0);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent || zmq_bind(socket, "tcp://127.0.0.1:*") != 0 ||
        zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, endpoint, &bytes) != 0 ||
        write(tell, endpoint, bytes) != (ssize_t) bytes) {
        _exit(1);
    }
    for (;;) {
        zmq_msg_t part;
        zmq_msg_init(&part);
        if (zmq_msg_recv(&part, socket, 0) >= 0) {
            zmq_msg_send(&part, socket, zmq_msg_more(&part) ? ZMQ_SNDMORE : 0);
        }
        zmq_msg_close(&part);
    }
}

static bool time_round_trips(const char *endpoint, double seconds, struct samples *samples)
{
    char frame[RAW_ZMQ_BYTES] = { 0 };
    int wait_ms = 5000, linger_ms = 0;
    bool good = true;
    void *context = zmq_ctx_new();
    void *socket = zmq_socket(context, ZMQ_DEALER);
    must(socket != NULL);
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &wait_ms, sizeof wait_ms);
    zmq_setsockopt(socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
    must(zmq_connect(socket, endpoint) == 0);
    uint64_t begin_ns = bench_now_ns(), end_ns = begin_ns + (uint64_t) (seconds * 1e9);
    for (uint64_t sent_ns; good && !bench_stopped() && (sent_ns = bench_now_ns()) < end_ns;) {
        good = zmq_send(socket, frame, sizeof frame, 0) >= 0 && zmq_recv(socket, frame, sizeof frame, 0) >= 0;
        if (good && sent_ns - begin_ns > (end_ns - begin_ns) / 10) { // the first tenth warms up
            samples_add(samples, bench_now_ns() - sent_ns);
        }
    }
    zmq_close(socket);
    zmq_ctx_term(context);
    return good;
}

bool raw_round_trips(double seconds, struct samples *samples)
{
    int ends[2];
    char endpoint[128] = "";
    pid_t parent = getpid();
    must(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        echo(ends[1], parent);
    }
    close(ends[1]);
    bool good =
        child > 0 && read(ends[0], endpoint, sizeof endpoint - 1) > 0 && time_round_trips(endpoint, seconds, samples);
    if (!good && !bench_stopped()) {
        bench_complain("no round trip over ZeroMQ: %s", strerror(errno));
    }
    close(ends[0]);
    if (child > 0) {
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    return good;
}

// ---- one small thing on disk ----

bool raw_appends(const char *folder, double seconds, struct samples *samples)
{
    static const char block[RAW_APPEND_BYTES] = { 1 };
    char path[4096];
    snprintf(path, sizeof path, "%s/raw-append", folder);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool good = file >= 0;
    uint64_t end_ns = bench_now_ns() + (uint64_t) (seconds * 1e9);
    for (uint64_t begin_ns; good && !bench_stopped() && (begin_ns = bench_now_ns()) < end_ns;) {
        good = write(file, block, sizeof block) == (ssize_t) sizeof block && fdatasync(file) == 0;
        if (good) {
            samples_add(samples, bench_now_ns() - begin_ns);
        }
    }
    if (!good) {
        bench_complain("cannot append to %s: %s", path, strerror(errno));
    }
    if (file >= 0) {
        close(file);
    }
    unlink(path);
    return good;
}
