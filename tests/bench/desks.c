// desks.c - what a desk more costs: the same posts in flight, spread over more and more desks.
//
// First without a broker: batches as a broker makes them when posts are taken in (a post, its item, an event) go
// straight to the stores of one writer.  Each desk has one batch with the store and makes the next when that is back,
// as a broker's do.  The time of the processors is told apart: this process without the thread that makes the batches,
// and the server's process behind the one session.  Then with a broker, a connector a desk, over real sockets.

#include "tests/bench/feeder.h"
#include "tests/bench/own_broker.h"
#include "tests/bench/raw.h"

#include "broker/store/store.h"
#include "proto/base/must.h"

#include <inttypes.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define WARM_UP_S 1.0
#define READY_S 60

struct bench_desk {
    char name[64];
    struct store_position position;
    struct store *store;
    unsigned in_flight; // posts of a batch
    uint64_t item;
};

struct bench_desks {
    const struct bench_options *options;
    struct writer *writer;
    struct bench_desk *desks;
    unsigned count;
    uint64_t posts, batches; // on disk
    bool failed;
};

// What was used up to a moment.
struct spent {
    double process_s; // without this thread
    double maker_s;   // this thread
    double server_s;  // 0: not to be seen
    uint64_t at_ns;
    uint64_t posts, batches;
};

static double seconds_of(const struct rusage *usage)
{
    return (double) (usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) +
           (double) (usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1e6;
}

// ---- desks ----

static bool open_desk(struct bench_desks *run, struct bench_desk *desk)
{
    char reason[512] = "";
    struct engine *engine = engine_postgres_open(run->options->store, desk->name, reason, sizeof reason);

    if (engine == NULL) {
        bench_complain("%s", reason);
        return false;
    }
    if (engine->operations->take_over(engine, &desk->position) != STORE_OK) {
        bench_complain("%s", engine->reason);
        engine->operations->destroy(&engine);
        return false;
    }
    desk->item = desk->position.next_id;
    desk->store = store_new(run->writer, &engine, NULL, desk);
    return true;
}

static void put_post(struct batch *batch, uint64_t item, int64_t now_ms)
{
    static char body[BENCH_BODY_BYTES + 1];
    char name[32];

    memset(body, 'w', BENCH_BODY_BYTES);
    snprintf(name, sizeof name, "post-%" PRIu64, item);
    struct change post = { .kind = CHANGE_POST,
                           .post = { .item = item,
                                     .number = 1,
                                     .channel = "chirp",
                                     .post = name,
                                     .brand = "acme",
                                     .author = name,
                                     .author_name = "A Customer",
                                     .reach = 100,
                                     .text = body,
                                     .platform_language = "en",
                                     .language = "en",
                                     .thread = "",
                                     .parent = "",
                                     .link = "",
                                     .posted_ms = now_ms,
                                     .taken_ms = now_ms,
                                     .author_key = item * UINT64_C(0xD1B54A32D192ED03) } };
    struct change waiting = { .kind = CHANGE_ITEM,
                              .item = { .item = item,
                                        .brand = "acme",
                                        .channel = "chirp",
                                        .audience = "agent",
                                        .language = "en",
                                        .skills = "",
                                        .state = ITEM_WAITING,
                                        .band = 5,
                                        .created_ms = now_ms,
                                        .due_ms = now_ms + 3600000,
                                        .since_ms = now_ms,
                                        .person = "",
                                        .preferred = "",
                                        .thread_key = item,
                                        .author_key = item * UINT64_C(0xD1B54A32D192ED03),
                                        .posts = 1,
                                        .numbered = 1,
                                        .reason = "",
                                        .escalated = "",
                                        .draft_by = "",
                                        .outcome = "" } };
    struct change taken = { .kind = CHANGE_EVENT,
                            .event = { .sequence = item,
                                       .at_ms = now_ms,
                                       .item = item,
                                       .kind = "taken",
                                       .person = "",
                                       .queue = "agent/acme/en/",
                                       .rule = "",
                                       .rules_version = 1,
                                       .detail = "" } };
    change_list_add(batch_list(batch), &post);
    change_list_add(batch_list(batch), &waiting);
    change_list_add(batch_list(batch), &taken);
}

static void submit(struct bench_desk *desk)
{
    struct batch *batch = batch_new();
    struct store_position to = desk->position;
    struct timespec now;

    must(clock_gettime(CLOCK_REALTIME, &now) == 0);
    to.clock_ms = (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
    for (unsigned i = 0; i < desk->in_flight; i++) {
        put_post(batch, desk->item++, to.clock_ms);
    }
    to.sequence += desk->in_flight;
    to.next_id = desk->item;
    batch_set_position(batch, &desk->position, &to);
    desk->position = to;
    store_submit(desk->store, &batch);
}

static void hear(struct bench_desks *run, struct store *store, bool go_on)
{
    struct bench_desk *desk = store_owner(store);
    char text[512];
    struct batch *batch;

    if (store_state(store) == STORE_STATE_CONTRADICTED) {
        store_describe(store, text, sizeof text);
        bench_complain("%s", text);
        run->failed = true;
    }
    while ((batch = store_take_batch(store)) != NULL) {
        run->posts += desk->in_flight;
        run->batches++;
        batch_destroy(&batch);
        if (go_on) {
            submit(desk);
        }
    }
}

static void run_until(struct bench_desks *run, uint64_t until_ns)
{
    struct pollfd wait = { .fd = writer_fd(run->writer), .events = POLLIN };

    while (!run->failed && !bench_stopped() && bench_now_ns() < until_ns) {
        (void) poll(&wait, 1, 100);
        struct store *store;
        while (!run->failed && (store = writer_next_news(run->writer)) != NULL) {
            hear(run, store, true);
        }
    }
}

// ---- what was used ----

static double server_seconds(PGconn *asker)
{
    PGresult *result = PQexec(asker, "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
                                     " AND pid <> pg_backend_pid() AND application_name LIKE 'behalf desk%'");
    double seconds = 0;
    for (int row = 0; row < PQntuples(result); row++) {
        char path[64], line[1024] = "";
        unsigned long user = 0, system = 0;
        snprintf(path, sizeof path, "/proc/%d/stat", atoi(PQgetvalue(result, row, 0)));
        FILE *file = fopen(path, "r");
        if (file == NULL) {
            continue;
        }
        if (fgets(line, sizeof line, file) != NULL && strrchr(line, ')') != NULL &&
            sscanf(strrchr(line, ')'), ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) == 2) {
            seconds += (double) (user + system) / (double) sysconf(_SC_CLK_TCK);
        }
        fclose(file);
    }
    PQclear(result);
    return seconds;
}

static struct spent look(const struct bench_desks *run, PGconn *asker)
{
    struct rusage process, thread;
    struct spent spent = { .at_ns = bench_now_ns(), .posts = run->posts, .batches = run->batches };

    spent.server_s = server_seconds(asker);
    must(getrusage(RUSAGE_SELF, &process) == 0);
    must(getrusage(RUSAGE_THREAD, &thread) == 0);
    spent.maker_s = seconds_of(&thread);
    spent.process_s = seconds_of(&process) - spent.maker_s;
    return spent;
}

static double us_a_post(double before_s, double after_s, uint64_t posts)
{
    return (after_s - before_s) * 1e6 / (double) posts;
}

static void print_run(const struct bench_desks *run, const struct spent *before, const struct spent *after,
                      struct bench_desks_costs *first)
{
    uint64_t posts = after->posts - before->posts;
    double seconds = (double) (after->at_ns - before->at_ns) / 1e9;
    struct bench_desks_costs costs = { .writer_us = us_a_post(before->process_s, after->process_s, posts),
                                       .server_us = us_a_post(before->server_s, after->server_s, posts) };

    if (first->writer_us <= 0) {
        *first = costs;
    }
    bench_print(json_pack("{s:s, s:i, s:i, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "case", "desks", "desks",
                          (int) run->count, "in_flight", (int) run->options->in_flight, "posts", (json_int_t) posts,
                          "posts_per_s", (double) posts / seconds, "posts_per_batch",
                          (double) posts / (double) (after->batches - before->batches), "writer_cpu_us_per_post",
                          costs.writer_us, "maker_cpu_us_per_post", us_a_post(before->maker_s, after->maker_s, posts),
                          "server_cpu_us_per_post", costs.server_us, "writer_ratio", costs.writer_us / first->writer_us,
                          "server_ratio", first->server_us > 0 ? costs.server_us / first->server_us : 0.0));
}

// ---- a run ----

static bool open_desks(struct bench_desks *run)
{
    bool good = true;

    run->desks = calloc(run->count, sizeof *run->desks);
    must(run->desks != NULL);
    for (unsigned i = 0; good && i < run->count; i++) {
        struct bench_desk *desk = &run->desks[i];
        snprintf(desk->name, sizeof desk->name, "bench-%ld-%u", (long) getpid(), i);
        desk->in_flight = run->options->in_flight / run->count + (i < run->options->in_flight % run->count);
        good = open_desk(run, desk);
    }
    return good;
}

static void close_desks(struct bench_desks *run)
{
    for (unsigned i = 0; i < run->count; i++) {
        store_destroy(&run->desks[i].store);
    }
    writer_destroy(&run->writer);
    for (unsigned i = 0; i < run->count; i++) {
        if (run->desks[i].name[0] != '\0') {
            raw_remove_desk(run->options->store, run->desks[i].name);
        }
    }
    free(run->desks);
}

static bool measure_stores(const struct bench_options *options, unsigned count, PGconn *asker,
                           struct bench_desks_costs *first)
{
    struct bench_desks run = { .options = options, .writer = writer_new(), .count = count };
    bool good = open_desks(&run);

    for (unsigned i = 0; good && i < count; i++) {
        if (run.desks[i].in_flight > 0) {
            submit(&run.desks[i]);
        }
    }
    if (good) {
        run_until(&run, bench_now_ns() + (uint64_t) (WARM_UP_S * 1e9));
        struct spent before = look(&run, asker);
        run_until(&run, before.at_ns + (uint64_t) (options->seconds * 1e9));
        struct spent after = look(&run, asker);
        good = !run.failed && after.posts > before.posts;
        if (good) {
            print_run(&run, &before, &after, first);
        } else if (!run.failed) {
            bench_complain("nothing was written");
        }
    }
    close_desks(&run);
    return good;
}

// ---- with a broker ----

static uint64_t feed_until(struct feeder *feeders, const struct bench_options *options, unsigned count,
                           struct crew *crew, uint64_t until_ns)
{
    uint64_t answered = 0;

    while (!bench_stopped() && bench_now_ns() < until_ns) {
        for (unsigned i = 0; i < count; i++) {
            unsigned most = options->in_flight / count + (i < options->in_flight % count);
            while (feeders[i].sent - feeders[i].answered < most) {
                feeder_post(&feeders[i]);
            }
        }
        crew_turn(crew, bench_now_ns() + 100000000u);
    }
    for (unsigned i = 0; i < count; i++) {
        answered += feeders[i].answered;
    }
    return answered;
}

static bool feed_desks(const struct bench_options *options, struct own_broker *broker, unsigned count,
                       struct feeder *feeders, struct crew *crew, PGconn *asker, struct bench_desks_costs *first)
{
    uint64_t posts = feed_until(feeders, options, count, crew, bench_now_ns() + (uint64_t) (WARM_UP_S * 1e9));
    struct usage before = own_broker_usage(broker);
    double server_s = server_seconds(asker);
    uint64_t begin_ns = bench_now_ns();

    posts = feed_until(feeders, options, count, crew, begin_ns + (uint64_t) (options->seconds * 1e9)) - posts;
    struct usage after = own_broker_usage(broker);
    if (posts == 0) {
        bench_complain("nothing was taken");
        return false;
    }
    double broker_us = us_a_post(before.cpu_s, after.cpu_s, posts);
    double server_us = us_a_post(server_s, server_seconds(asker), posts);
    if (first->broker_us <= 0) {
        first->broker_us = broker_us;
        first->broker_server_us = server_us;
    }
    bench_print(json_pack("{s:s, s:i, s:i, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:I}", "case", "desks-broker", "desks",
                          (int) count, "in_flight", (int) options->in_flight, "posts", (json_int_t) posts,
                          "posts_per_s", (double) posts * 1e9 / (double) (bench_now_ns() - begin_ns),
                          "broker_cpu_us_per_post", broker_us, "server_cpu_us_per_post", server_us, "broker_ratio",
                          broker_us / first->broker_us, "server_ratio",
                          first->broker_server_us > 0 ? server_us / first->broker_server_us : 0.0, "rss_mib",
                          after.rss_bytes / (1024.0 * 1024.0), "refused", (json_int_t) crew_refusals(crew)));
    return true;
}

static bool measure_broker(const struct bench_options *options, unsigned count, PGconn *asker,
                           struct bench_desks_costs *first)
{
    struct own_broker *broker = own_broker_new_with(options, 1, count);
    struct feeder *feeders = calloc(count, sizeof *feeders);
    struct crew *crew = crew_new();
    bool good = broker != NULL;

    must(feeders != NULL);
    for (unsigned i = 0; good && i < count; i++) {
        good = feeder_init_at(&feeders[i], crew, own_broker_endpoint(broker), own_broker_desk_name(broker, i));
    }
    good = good && crew_wait_ready(crew, READY_S) && feed_desks(options, broker, count, feeders, crew, asker, first);
    crew_destroy(&crew);
    for (unsigned i = 0; i < count; i++) {
        feeder_fini(&feeders[i]);
    }
    free(feeders);
    own_broker_destroy(&broker);
    return good;
}

bool bench_desks(const struct bench_options *options, unsigned count, struct bench_desks_costs *first)
{
    PGconn *asker = PQconnectdb(options->store);
    bool good = PQstatus(asker) == CONNECTION_OK;

    if (!good) {
        bench_complain("%s", PQerrorMessage(asker));
    }
    good = good && measure_stores(options, count, asker, first) && !bench_stopped() &&
           measure_broker(options, count, asker, first);
    PQfinish(asker);
    return good;
}
