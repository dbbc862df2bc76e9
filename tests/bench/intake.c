// intake.c - the case intake: posts answered TAKEN, while nobody works, so that all of them wait.

#include "tests/bench/feeder.h"
#include "tests/bench/own_broker.h"
#include "tests/bench/raw.h"

#define SETTLE_NS (UINT64_C(300) * 1000000) // until what was taken last has found its place in the broker's memory
#define TIMEOUT_NS (UINT64_C(60) * 1000000000)

// Feeds until there is enough and all of it is answered.  Returns how long that took, or 0 when it did not end.
static double feed(const struct bench_options *options, struct crew *crew, struct feeder *feeder)
{
    uint64_t begin_ns = bench_now_ns();
    uint64_t end_ns = options->seconds > 0 ? begin_ns + (uint64_t) (options->seconds * 1e9) : UINT64_MAX;
    uint64_t posts = options->posts ? options->posts : UINT64_MAX;
    uint64_t moved_ns = begin_ns, answered = 0;
    for (uint64_t now_ns = begin_ns; !bench_stopped(); now_ns = bench_now_ns()) {
        while (now_ns < end_ns && feeder->sent < posts && feeder->sent - feeder->answered < options->in_flight) {
            feeder_post(feeder);
        }
        crew_turn(crew, now_ns + 100000000u);
        if (feeder->answered > answered) {
            moved_ns = bench_now_ns();
        }
        answered = feeder->answered;
        if (answered == feeder->sent && (now_ns >= end_ns || answered >= posts)) {
            return (double) (moved_ns - begin_ns) / 1e9;
        }
        if (now_ns > moved_ns + TIMEOUT_NS) {
            bench_complain("no answer for a minute; %llu posts wait for theirs",
                           (unsigned long long) (feeder->sent - answered));
            return 0;
        }
    }
    return 0;
}

static void settle(struct crew *crew)
{
    uint64_t until_ns = bench_now_ns() + SETTLE_NS;
    while (bench_now_ns() < until_ns) {
        crew_turn(crew, until_ns);
    }
}

static double print_intake(const struct bench_options *options, const struct own_broker *broker, struct feeder *feeder,
                           const struct crew *crew, double seconds, struct usage before)
{
    struct usage after = own_broker_usage(broker);
    double posts = (double) feeder->answered, posts_per_s = posts / seconds;
    bench_print(
        json_pack("{ss ss sI si sf sf sf sf sf sf sf sI}", "case", "intake", "store", own_broker_store(broker), "posts",
                  (json_int_t) feeder->answered, "in_flight", (int) options->in_flight, "seconds", seconds,
                  "posts_per_s", posts_per_s, "taken_p50_ms", samples_percentile_ms(&feeder->taken, 50), "taken_p99_ms",
                  samples_percentile_ms(&feeder->taken, 99), "broker_cpu_us_per_post",
                  (after.cpu_s - before.cpu_s) * 1e6 / posts, "broker_cpu_share",
                  (after.cpu_s - before.cpu_s) / (seconds + (double) SETTLE_NS / 1e9), "rss_bytes_per_waiting_item",
                  (after.rss_bytes - before.rss_bytes) / posts, "refused", (json_int_t) crew_refusals(crew)));
    return posts_per_s;
}

// How long the broker takes to come back with everything that waits.
static bool measure_restart(struct own_broker *broker, uint64_t items)
{
    if (!own_broker_stop(broker)) {
        return false;
    }
    uint64_t begin_ns = bench_now_ns();
    if (!own_broker_start(broker)) {
        return false;
    }
    double seconds = (double) (bench_now_ns() - begin_ns) / 1e9;
    struct usage usage = own_broker_usage(broker);
    bench_print(json_pack("{ss ss sI sf sf sf sf}", "case", "restart", "store", own_broker_store(broker), "open_items",
                          (json_int_t) items, "seconds", seconds, "items_per_s", (double) items / seconds,
                          "broker_cpu_us_per_item", usage.cpu_s * 1e6 / (double) items, "rss_bytes_per_item",
                          usage.rss_bytes / (double) items));
    return true;
}

bool bench_intake(const struct bench_options *options)
{
    struct own_broker *broker = own_broker_new(options, 1);
    if (broker == NULL) {
        return false;
    }
    struct crew *crew = crew_new();
    struct feeder feeder = { 0 };
    double seconds = 0, posts_per_s = 0;
    if (feeder_init(&feeder, crew, own_broker_endpoint(broker)) && crew_wait_ready(crew, 30)) {
        struct usage before = own_broker_usage(broker);
        seconds = feed(options, crew, &feeder);
        if (seconds > 0) {
            settle(crew);
            posts_per_s = print_intake(options, broker, &feeder, crew, seconds, before);
        }
    }
    crew_destroy(&crew);
    double raw_seconds = seconds > 5 ? 5 : seconds;
    bool good = seconds > 0 && measure_restart(broker, feeder.answered) && own_broker_stop(broker) &&
                raw_report(broker, false, raw_seconds, posts_per_s);
    feeder_fini(&feeder);
    own_broker_destroy(&broker);
    return good;
}
