// cycle.c - the cases cycle and latency: posts are fed, offered, answered, published, closed.
//
// A feeder keeps a backlog, people answer whatever they are given, and a connector says of every reply at once that
// it is published.  A cycle is an item closed: the connector was told that its word is on disk.  For latency the
// feeder goes by the clock, and there are people enough that somebody is idle when a post comes.

#include "tests/bench/feeder.h"
#include "tests/bench/outlet.h"
#include "tests/bench/own_broker.h"
#include "tests/bench/raw.h"

#include "proto/base/must.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define WARM_UP_NS (UINT64_C(1) * 1000000000)
#define CLOSED_WAIT_NS (UINT64_C(30) * 1000000000)
#define BACKLOG_MAX 5000
#define LATENCY_POSTS_PER_S 200
#define LATENCY_PEOPLE 8
#define SIGN_IN_S 120

struct cycle;

struct worker {
    struct cycle *cycle;
    int64_t answered; // the item, lest one that is told again be answered again
};

struct cycle {
    struct own_broker *broker;
    struct crew *crew;
    struct feeder feeder;
    struct worker *workers;
    uint64_t items; // answered by people
    struct outlet outlet;
    bool measuring;         // latencies count
    struct samples latency; // from sending a post to its ITEM
};

// ---- people ----

static void note_latency(struct cycle *cycle, const struct behalf_item *item)
{
    if (!cycle->measuring || item->story_count == 0) {
        return;
    }
    uint64_t number = feeder_number(item->story[item->story_count - 1].post);
    if (number < cycle->feeder.sent) {
        samples_add(&cycle->latency, bench_now_ns() - cycle->feeder.sent_ns[number]);
    }
}

static void person_hears(struct member *member, const struct behalf_message *message, void *owner)
{
    struct worker *worker = owner;
    if (message->type == BEHALF_WELCOME && strcmp(message->welcome.presence, "available") != 0) {
        const struct behalf_message here = { .type = BEHALF_PRESENCE, .presence = { .state = "available" } };
        member_send(member, &here);
    }
    if (message->type != BEHALF_ITEM || message->item.item == worker->answered ||
        strcmp(message->item.state, "held") != 0) {
        return;
    }
    note_latency(worker->cycle, &message->item);
    worker->answered = message->item.item;
    worker->cycle->items++;
    const struct behalf_message answer = { .type = BEHALF_ANSWER,
                                           .answer = { .item = message->item.item,
                                                       .lease = message->item.lease,
                                                       .text = "Thank you for telling us; we are looking into it and "
                                                               "write again today." } };
    member_send(member, &answer);
}

static bool join_all(struct cycle *cycle, unsigned people)
{
    const char *endpoint = own_broker_endpoint(cycle->broker);
    if (!outlet_init(&cycle->outlet, cycle->crew, endpoint) || !feeder_init(&cycle->feeder, cycle->crew, endpoint)) {
        return false;
    }
    for (unsigned i = 0; i < people; i++) {
        const struct behalf_hello hello = { .role = "person", .name = own_broker_person(i), .program = "bench" };
        cycle->workers[i].cycle = cycle;
        if (crew_join(cycle->crew, endpoint, &hello, person_hears, &cycle->workers[i]) == NULL) {
            return false;
        }
    }
    return crew_wait_ready(cycle->crew, SIGN_IN_S);
}

static bool begin(struct cycle *cycle, const struct bench_options *options, unsigned people)
{
    cycle->crew = crew_new();
    cycle->workers = calloc(people, sizeof *cycle->workers);
    must(cycle->workers != NULL);
    cycle->broker = own_broker_new(options, people);
    return cycle->broker != NULL && join_all(cycle, people);
}

static void end(struct cycle *cycle)
{
    crew_destroy(&cycle->crew);
    feeder_fini(&cycle->feeder);
    samples_fini(&cycle->latency);
    free(cycle->workers);
    own_broker_destroy(&cycle->broker);
}

static double own_cpu_s(void)
{
    struct rusage usage;
    must(getrusage(RUSAGE_SELF, &usage) == 0);
    return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

// Prints the bare round trip, and how many of them `duration_ms` is.
static void print_round_trips(const char *of, struct samples *trips, double duration_ms)
{
    double p50_ms = samples_percentile_ms(trips, 50);
    bench_print(json_pack("{ss ss sI si sf sf sf}", "case", "raw-round-trip", "of", of, "round_trips",
                          (json_int_t) trips->count, "bytes", RAW_ZMQ_BYTES, "p50_ms", p50_ms, "p99_ms",
                          samples_percentile_ms(trips, 99), "ratio", p50_ms > 0 ? duration_ms / p50_ms : 0));
}

// ---- cycle ----

static void work_until(struct cycle *cycle, const struct bench_options *options, uint64_t end_ns)
{
    struct feeder *feeder = &cycle->feeder;
    uint64_t backlog = options->fill && options->fill < BACKLOG_MAX ? options->fill : BACKLOG_MAX;
    for (uint64_t now_ns; !bench_stopped() && (now_ns = bench_now_ns()) < end_ns;) {
        while (feeder->sent - cycle->outlet.closed < backlog && feeder->sent - feeder->answered < options->in_flight) {
            feeder_post(feeder);
        }
        uint64_t soon_ns = now_ns + 100000000u;
        crew_turn(cycle->crew, soon_ns < end_ns ? soon_ns : end_ns);
    }
}

// Goes on, past the end if it must, until something has been closed: a build with sanitizers on a busy machine
// may need longer to get going.
static void work_until_closed(struct cycle *cycle, const struct bench_options *options, uint64_t end_ns)
{
    uint64_t closed = cycle->outlet.closed;
    uint64_t last_ns = end_ns + CLOSED_WAIT_NS;
    work_until(cycle, options, end_ns);
    while (cycle->outlet.closed == closed && !bench_stopped() && bench_now_ns() < last_ns) {
        work_until(cycle, options, bench_now_ns() + 100000000u);
    }
}

// What has been used and done at one moment.
struct mark {
    uint64_t ns, closed, answered;
    struct usage usage;
    double own_cpu_s;
};

static struct mark mark_now(const struct cycle *cycle)
{
    return (struct mark){ .ns = bench_now_ns(),
                          .closed = cycle->outlet.closed,
                          .answered = cycle->items,
                          .usage = own_broker_usage(cycle->broker),
                          .own_cpu_s = own_cpu_s() };
}

static double print_cycle(const struct cycle *cycle, unsigned people, struct mark from, struct mark to)
{
    double cycles = (double) (to.closed - from.closed), seconds = (double) (to.ns - from.ns) / 1e9;
    double cpu_s = to.usage.cpu_s - from.usage.cpu_s;
    bench_print(json_pack("{ss ss si sI sf sf sf sf sf sf sI}", "case", "cycle", "store",
                          own_broker_store(cycle->broker), "people", (int) people, "cycles", (json_int_t) cycles,
                          "seconds", seconds, "cycles_per_s", cycles / seconds, "answered_per_s",
                          (double) (to.answered - from.answered) / seconds, "broker_cpu_us_per_cycle",
                          cycles > 0 ? cpu_s * 1e6 / cycles : 0, "broker_cpu_share", cpu_s / seconds,
                          "client_cpu_us_per_cycle", cycles > 0 ? (to.own_cpu_s - from.own_cpu_s) * 1e6 / cycles : 0,
                          "refused", (json_int_t) crew_refusals(cycle->crew)));
    return cycles / seconds;
}

bool bench_cycle(const struct bench_options *options, unsigned people)
{
    struct cycle cycle = { 0 };
    struct samples trips = { 0 };
    double cycles_per_s = 0, trip_seconds = options->seconds > 2 ? 2 : options->seconds;
    bool good = raw_round_trips(trip_seconds, &trips) && begin(&cycle, options, people);
    if (good) {
        work_until_closed(&cycle, options, bench_now_ns() + WARM_UP_NS);
        struct mark from = mark_now(&cycle);
        work_until_closed(&cycle, options, from.ns + (uint64_t) (options->seconds * 1e9));
        good = !bench_stopped();
        if (good) {
            cycles_per_s = print_cycle(&cycle, people, from, mark_now(&cycle));
        }
    }
    if (good && cycles_per_s <= 0) {
        bench_complain("no item was closed");
        good = false;
    }
    crew_destroy(&cycle.crew);
    if (good) {
        print_round_trips("cycle", &trips, 1000 * people / cycles_per_s);
        double raw_seconds = options->seconds > 5 ? 5 : options->seconds;
        good = own_broker_stop(cycle.broker) && raw_report(cycle.broker, true, raw_seconds, cycles_per_s);
    }
    samples_fini(&trips);
    end(&cycle);
    return good;
}

// ---- latency ----

static void feed_by_clock(struct cycle *cycle, uint64_t posts)
{
    uint64_t next_ns = bench_now_ns();
    uint64_t end_ns = next_ns + (posts * 1000000000u) / LATENCY_POSTS_PER_S + 1000000000u;
    uint64_t wanted = cycle->items + posts, last = cycle->feeder.sent + posts;
    while (!bench_stopped() && cycle->items < wanted && bench_now_ns() < end_ns) {
        if (cycle->feeder.sent < last && bench_now_ns() >= next_ns) {
            feeder_post(&cycle->feeder);
            next_ns += 1000000000u / LATENCY_POSTS_PER_S;
        }
        crew_turn(cycle->crew, cycle->feeder.sent < last ? next_ns : end_ns);
    }
}

// What a post must wait for at least, besides the round trip: that it is on disk.
static bool print_durable(const struct own_broker *broker, double seconds)
{
    struct samples samples = { 0 };
    const char *url = own_broker_url(broker);
    bool good =
        url != NULL ? raw_commits(url, seconds, &samples) : raw_appends(own_broker_folder(broker), seconds, &samples);
    if (good) {
        bench_print(json_pack("{ss ss ss sI sf sf}", "case", url != NULL ? "raw-commit" : "raw-append", "of", "latency",
                              "store", own_broker_store(broker), "times", (json_int_t) samples.count, "p50_ms",
                              samples_percentile_ms(&samples, 50), "p99_ms", samples_percentile_ms(&samples, 99)));
    }
    samples_fini(&samples);
    return good;
}

static uint64_t settled(const struct cycle *cycle)
{
    return cycle->outlet.closed + crew_refusals(cycle->crew);
}

// Works for as long as something is settled now and then, until these many are; feeding, or only what is there.
static void fill_until(struct cycle *cycle, const struct bench_options *options, uint64_t posts, bool feeding)
{
    uint64_t before = settled(cycle), last_ns = bench_now_ns() + CLOSED_WAIT_NS;
    while (settled(cycle) < posts && !bench_stopped() && bench_now_ns() < last_ns) {
        uint64_t soon_ns = bench_now_ns() + 100000000u;
        if (feeding) {
            work_until(cycle, options, soon_ns);
        } else {
            crew_turn(cycle->crew, soon_ns);
        }
        if (settled(cycle) > before) {
            before = settled(cycle);
            last_ns = bench_now_ns() + CLOSED_WAIT_NS;
        }
    }
}

// Has items closed as fast as can be, so that what a broker remembers of them is at its bounds, and says when it is.
static bool fill(struct cycle *cycle, const struct bench_options *options)
{
    uint64_t begin_ns = bench_now_ns();
    if (!options->fill) {
        return true;
    }
    fill_until(cycle, options, options->fill, true);
    fill_until(cycle, options, cycle->feeder.sent, false);
    if (bench_stopped()) {
        return false;
    }
    if (settled(cycle) < cycle->feeder.sent) {
        bench_complain("%" PRIu64 " of %" PRIu64 " items were closed, and no more", cycle->outlet.closed,
                       cycle->feeder.sent);
        return false;
    }
    bench_print(json_pack("{ss ss sI sf}", "case", "filled", "store", own_broker_store(cycle->broker), "items",
                          (json_int_t) cycle->outlet.closed, "seconds", (double) (bench_now_ns() - begin_ns) / 1e9));
    return true;
}

bool bench_latency(const struct bench_options *options)
{
    struct cycle cycle = { 0 };
    struct samples trips = { 0 };
    double trip_seconds = options->seconds > 2 ? 2 : options->seconds;
    bool good =
        raw_round_trips(trip_seconds, &trips) && begin(&cycle, options, LATENCY_PEOPLE) && fill(&cycle, options);
    if (good) {
        feed_by_clock(&cycle, LATENCY_POSTS_PER_S / 2);
        cycle.measuring = true;
        feed_by_clock(&cycle, (uint64_t) (options->seconds * LATENCY_POSTS_PER_S));
        good = !bench_stopped() && cycle.latency.count > 0;
        if (!good && !bench_stopped()) {
            bench_complain("no item came");
        }
    }
    if (good) {
        double p50_ms = samples_percentile_ms(&cycle.latency, 50);
        bench_print(json_pack(
            "{ss ss si si sI sf sf sf sf sf sI}", "case", "latency", "store", own_broker_store(cycle.broker), "people",
            LATENCY_PEOPLE, "posts_per_s", LATENCY_POSTS_PER_S, "items", (json_int_t) cycle.latency.count,
            "post_to_item_p50_ms", p50_ms, "post_to_item_p99_ms", samples_percentile_ms(&cycle.latency, 99),
            "post_to_item_max_ms", samples_percentile_ms(&cycle.latency, 100), "taken_p50_ms",
            samples_percentile_ms(&cycle.feeder.taken, 50), "taken_p99_ms",
            samples_percentile_ms(&cycle.feeder.taken, 99), "refused", (json_int_t) crew_refusals(cycle.crew)));
        print_round_trips("latency", &trips, p50_ms);
        crew_destroy(&cycle.crew);
        good = own_broker_stop(cycle.broker) && print_durable(cycle.broker, trip_seconds);
    }
    samples_fini(&trips);
    end(&cycle);
    return good;
}
