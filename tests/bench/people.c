// people.c - the case people: what it costs that very many people are signed in.
//
// One post at a time is brought, offered, answered and published, whoever of them it goes to; and for a while nothing
// happens at all, so that what is left are heartbeats.

#include "tests/bench/crowd.h"
#include "tests/bench/feeder.h"
#include "tests/bench/outlet.h"
#include "tests/bench/own_broker.h"
#include "tests/bench/raw.h"

#include <poll.h>
#include <string.h>

#define SIGN_IN_S 300
#define CONNECTORS_IN_S 60
#define REST_NS (UINT64_C(1) * 1000000000) // after everybody has signed in
#define OFFER_NS (UINT64_C(30) * 1000000000)
#define WARM_UP 50

struct people {
    struct own_broker *broker;
    struct crew *crew;
    struct feeder feeder;
    struct crowd *crowd;
    struct outlet outlet;
    uint64_t answered;
    int64_t last_item;
    uint64_t offered_ns;
};

static void person_hears(struct crowd *crowd, size_t person, const struct behalf_message *message, void *owner)
{
    struct people *people = owner;
    if (message->type == BEHALF_WELCOME && strcmp(message->welcome.presence, "available") != 0) {
        const struct behalf_message here = { .type = BEHALF_PRESENCE, .presence = { .state = "available" } };
        crowd_send(crowd, person, &here);
    }
    if (message->type != BEHALF_ITEM || strcmp(message->item.state, "held") != 0 ||
        message->item.item <= people->last_item) {
        return;
    }
    people->offered_ns = bench_now_ns();
    people->last_item = message->item.item;
    people->answered++;
    const struct behalf_message answer = { .type = BEHALF_ANSWER,
                                           .answer = { .item = message->item.item,
                                                       .lease = message->item.lease,
                                                       .text = "Thank you for telling us; we are looking into it and "
                                                               "write again today." } };
    crowd_send(crowd, person, &answer);
}

static void turn(struct people *people, int wait_ms)
{
    struct pollfd wait[] = { { .fd = crew_fd(people->crew), .events = POLLIN },
                             { .fd = crowd_fd(people->crowd), .events = POLLIN } };
    (void) poll(wait, 2, crew_has_more(people->crew) ? 0 : wait_ms);
    crew_turn(people->crew, 0);
    crowd_turn(people->crowd);
}

static void rest(struct people *people, uint64_t ns)
{
    for (uint64_t until_ns = bench_now_ns() + ns; !bench_stopped() && bench_now_ns() < until_ns;) {
        turn(people, 20);
    }
}

// Brings one post and follows it to its end.  False, having said why, when it does not come there.
static bool follow_one(struct people *people, struct samples *offers)
{
    uint64_t closed = people->outlet.closed, answered = people->answered;
    uint64_t begin_ns = bench_now_ns();
    feeder_post(&people->feeder);
    crew_turn(people->crew, 0);
    while (people->outlet.closed == closed && !bench_stopped()) {
        if (bench_now_ns() > begin_ns + OFFER_NS) {
            bench_complain("a post was not %s", people->answered == answered ? "offered" : "closed");
            return false;
        }
        turn(people, 20);
    }
    if (people->answered > answered) {
        samples_add(offers, people->offered_ns - begin_ns);
    }
    return !bench_stopped();
}

static bool begin(struct people *people, const struct bench_options *options, unsigned count)
{
    people->crew = crew_new();
    people->broker = own_broker_new(options, count);
    if (people->broker == NULL) {
        return false;
    }
    const char *endpoint = own_broker_endpoint(people->broker);
    people->crowd = crowd_new(endpoint, count, person_hears, people);
    return outlet_init(&people->outlet, people->crew, endpoint) &&
           feeder_init(&people->feeder, people->crew, endpoint) && crew_wait_ready(people->crew, CONNECTORS_IN_S);
}

static bool measure(struct people *people, const struct bench_options *options, unsigned count,
                    struct bench_people_costs *first)
{
    struct samples offers = { 0 };
    uint64_t begin_ns = bench_now_ns();
    bool good = crowd_sign_in(people->crowd, SIGN_IN_S);
    double sign_in_s = (double) (bench_now_ns() - begin_ns) / 1e9;
    if (good) {
        rest(people, REST_NS);
    }
    struct usage before = own_broker_usage(people->broker);
    begin_ns = bench_now_ns();
    if (good) {
        rest(people, (uint64_t) (options->seconds * 1e9));
    }
    struct usage after = own_broker_usage(people->broker);
    double idle_s = (double) (bench_now_ns() - begin_ns) / 1e9;
    for (unsigned i = 0; good && i < WARM_UP; i++) {
        good = follow_one(people, &offers);
    }
    samples_fini(&offers);
    begin_ns = bench_now_ns();
    while (good && bench_now_ns() < begin_ns + (uint64_t) (options->seconds * 1e9)) {
        good = follow_one(people, &offers);
    }
    if (good) {
        double p50_ms = samples_percentile_ms(&offers, 50);
        if (first->offer_p50_ms <= 0) {
            first->offer_p50_ms = p50_ms;
        }
        bench_print(json_pack("{ss ss si sI sf sf sf sf sf sf sI}", "case", "people", "store",
                              own_broker_store(people->broker), "people", (int) count, "offers",
                              (json_int_t) offers.count, "offer_p50_ms", p50_ms, "offer_p99_ms",
                              samples_percentile_ms(&offers, 99), "ratio", p50_ms / first->offer_p50_ms,
                              "idle_cpu_share", (after.cpu_s - before.cpu_s) / idle_s, "sign_in_seconds", sign_in_s,
                              "rss_bytes", after.rss_bytes, "refused", (json_int_t) crew_refusals(people->crew)));
    }
    samples_fini(&offers);
    return good;
}

bool bench_people(const struct bench_options *options, unsigned count, struct bench_people_costs *first)
{
    struct people people = { 0 };
    bool good = begin(&people, options, count) && measure(&people, options, count, first);
    crowd_destroy(&people.crowd);
    crew_destroy(&people.crew);
    feeder_fini(&people.feeder);
    own_broker_destroy(&people.broker);
    return good;
}
