// restore.c - the case restore: how soon a broker is back with very many open items, after a clean stop and after
// kill -9.

#include "tests/bench/crew.h"
#include "tests/bench/feeder.h"
#include "tests/bench/many.h"

#define ITEMS 1000000u
#define FED_MAX 1000u // items that come the usual way; the others are copies of their rows
#define TIMEOUT_NS (UINT64_C(60) * 1000000000)

// How long after its start the broker came so far.
struct comeback {
    uint64_t begin_ns;
    double ready_s, welcome_s, item_s; // read back; somebody is signed in; they have an item
    struct usage usage;
};

static bool feed(const struct own_broker *broker, uint64_t posts)
{
    struct crew *crew = crew_new();
    struct feeder feeder = { 0 };
    bool good = feeder_init(&feeder, crew, own_broker_endpoint(broker)) && crew_wait_ready(crew, 30);
    uint64_t until_ns = bench_now_ns() + TIMEOUT_NS;
    while (good && feeder.sent < posts) {
        feeder_post(&feeder);
    }
    while (good && feeder.answered < posts && !bench_stopped() && bench_now_ns() < until_ns) {
        crew_turn(crew, bench_now_ns() + 100000000u);
    }
    good = good && feeder.answered == posts && !crew_refusals(crew);
    if (!good) {
        bench_complain("the posts to begin with were not taken");
    }
    feeder_fini(&feeder);
    crew_destroy(&crew);
    return good;
}

static double since(uint64_t begin_ns)
{
    return (double) (bench_now_ns() - begin_ns) / 1e9;
}

static void hear(struct member *member, const struct behalf_message *message, void *owner)
{
    (void) member;
    struct comeback *comeback = owner;
    if (message->type == BEHALF_WELCOME) {
        comeback->welcome_s = since(comeback->begin_ns);
    }
    if (message->type == BEHALF_ITEM && comeback->item_s <= 0) {
        comeback->item_s = since(comeback->begin_ns);
    }
}

// Starts the broker and signs somebody in.
static bool come_back(struct own_broker *broker, struct comeback *comeback)
{
    *comeback = (struct comeback){ .begin_ns = bench_now_ns() };
    if (!own_broker_start(broker)) {
        return false;
    }
    comeback->ready_s = since(comeback->begin_ns);
    struct crew *crew = crew_new();
    const struct behalf_hello hello = { .role = "person", .name = own_broker_person(0), .program = "bench" };
    bool good =
        crew_join(crew, own_broker_endpoint(broker), &hello, hear, comeback) != NULL && crew_wait_ready(crew, 30);
    if (good && comeback->welcome_s <= 0) {
        comeback->welcome_s = since(comeback->begin_ns);
    }
    uint64_t until_ns = bench_now_ns() + TIMEOUT_NS;
    while (good && comeback->item_s <= 0 && !bench_stopped() && bench_now_ns() < until_ns) {
        crew_turn(crew, bench_now_ns() + 100000000u);
    }
    comeback->usage = own_broker_usage(broker);
    crew_destroy(&crew);
    if (good && comeback->item_s <= 0) {
        bench_complain("no item came");
    }
    return good && comeback->item_s > 0;
}

static void print_comeback(const struct own_broker *broker, const char *name, uint64_t items, struct usage small,
                           const struct comeback *comeback)
{
    bench_print(json_pack("{ss ss sI sf sf sf sf sf sf}", "case", name, "store", own_broker_store(broker), "open_items",
                          (json_int_t) items, "ready_seconds", comeback->ready_s, "welcome_seconds",
                          comeback->welcome_s, "first_item_seconds", comeback->item_s, "broker_cpu_seconds",
                          comeback->usage.cpu_s, "rss_bytes", comeback->usage.rss_bytes, "rss_bytes_per_item",
                          (comeback->usage.rss_bytes - small.rss_bytes) / (double) items));
}

static bool print_raw(const struct own_broker *broker, const struct comeback *comeback)
{
    struct many_read raw = { 0 };
    if (!(own_broker_url(broker) != NULL ? many_read_postgres(broker, &raw) : many_read_sqlite(broker, &raw))) {
        return false;
    }
    bench_print(json_pack("{ss ss ss sI sf sf}", "case", "raw-read", "of", "restore", "store", own_broker_store(broker),
                          "rows", (json_int_t) raw.rows, "seconds", raw.seconds, "ratio",
                          raw.seconds / comeback->item_s));
    return true;
}

static bool measure(struct own_broker *broker, uint64_t items)
{
    struct comeback stopped = { 0 }, killed = { 0 };
    uint64_t fed = items < FED_MAX ? items : FED_MAX, copies = items / fed - 1;
    if (!feed(broker, fed) || !own_broker_stop(broker) || !own_broker_start(broker)) {
        return false;
    }
    struct usage small = own_broker_usage(broker);
    if (!own_broker_stop(broker) ||
        !(own_broker_url(broker) != NULL ? many_copy_postgres(broker, copies) : many_copy_sqlite(broker, copies)) ||
        !come_back(broker, &stopped)) {
        return false;
    }
    print_comeback(broker, "restore", fed * (copies + 1), small, &stopped);
    own_broker_kill(broker);
    if (!come_back(broker, &killed)) {
        return false;
    }
    print_comeback(broker, "restore-killed", fed * (copies + 1), small, &killed);
    return own_broker_stop(broker) && print_raw(broker, &stopped);
}

bool bench_restore(const struct bench_options *options)
{
    struct own_broker *broker = own_broker_new(options, 1);
    bool good = broker != NULL && measure(broker, options->posts ? options->posts : ITEMS);
    own_broker_destroy(&broker);
    return good;
}
