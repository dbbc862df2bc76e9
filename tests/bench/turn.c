// turn.c - the case turn: how long one message keeps the broker's loop, at very many open items.
//
// The broker runs in this process, without sockets and threads, on a store that answers at once: it gives back as many
// items as asked for, a fifth of them with a reply in the outbox, each with a text made up, and keeps nothing.  What is
// measured is the longest of the broker's steps until all that a message led to is done; in between, in a real loop,
// everybody else has their turn.

#include "tests/bench/bench.h"

#include "broker/session/broker.h"
#include "proto/base/must.h"

#include <behalf/message.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ITEMS 1000000u
#define BRANDS 20u
#define PEOPLE 400u
#define REPLIES_FROM UINT64_C(1000000000) // their ids
#define START_MS INT64_C(1800000000000)
#define ROUNDS 10

// ---- rules ----

enum { EMPTY_BRAND = BRANDS, NO_BRAND }; // nobody posts to the former

static char *rules_text_of(bool with_boycott, unsigned left_out)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    must(out);
    fputs("desk: bench\nchannels:\n  chirp: { length: 280 }\nskills: []\nagencies: [Northline]\nbrands:\n", out);
    for (unsigned i = 0; i <= EMPTY_BRAND; i++) {
        if (i == left_out) {
            continue;
        }
        fprintf(
            out,
            "  b%u:\n    display_name: B%u\n    languages: [en, de]\n    disclosure: \"{first_name} of {agency} for "
            "{brand}\"\n    disclosure_pr: \"{first_name}, {brand}\"\n    service_level: { agent: 30 min, pr: 10 min "
            "}\n",
            i, i);
    }
    fputs("times: { offer: 60 min }\n", out); // what people let lapse is not what is measured
    fprintf(out, "sensitive:\n  legal: { patterns: [lawyer*%s] }\npeople:\n", with_boycott ? ", boycott*" : "");
    for (unsigned i = 0; i < PEOPLE; i++) {
        fprintf(out, "  p%u: { display_name: P%u, roles: [%s], %sbrands: all, languages: [en, de], capacity: 2 }\n", i,
                i,
                i == 0        ? "supervisor"
                : i % 10 == 1 ? "pr"
                              : "agent",
                i % 10 == 1 || i == 0 ? "" : "agency: Northline, ");
    }
    fclose(out);
    return text;
}

// ---- the store ----

struct stand_in {
    struct engine engine;
    struct store_position position;
    uint64_t items;
    char *rules;
};

static const char *describe(const struct engine *engine)
{
    (void) engine;
    return "a stand-in of the bench";
}

static void answer_question(struct question *question)
{
    question->found = question->kind == QUESTION_ITEM || question->kind == QUESTION_REPLY;
    question->view =
        (struct behalf_item){ .author = "jo", .author_name = "Jo", .channel = "chirp", .draft = "", .draft_by = "" };
    question->handing = (struct behalf_reply){ .key = "k",
                                               .item = 1,
                                               .brand = "b0",
                                               .channel = "chirp",
                                               .post = "p",
                                               .author = "jo",
                                               .thread = "",
                                               .text = "hello",
                                               .attempt = 1 };
}

static enum store_result commit(struct engine *base, struct batch *batch)
{
    struct stand_in *store = (struct stand_in *) base;
    for (struct question *question = batch_questions(batch); question != NULL; question = question->next) {
        answer_question(question);
    }
    store->position = *batch_to(batch);
    return STORE_OK;
}

static bool has_reply(uint64_t id)
{
    return id / BRANDS % 5 == 2;
}

static struct item_record item_of(uint64_t id)
{
    static char brand[8];
    bool with_pr = id % 4 == 0;
    snprintf(brand, sizeof brand, "b%u", (unsigned) (id % BRANDS));
    return (struct item_record){ .item = id,
                                 .brand = brand,
                                 .channel = "chirp",
                                 .audience = with_pr ? "pr" : "agent",
                                 .language = id % 3 ? "en" : "de",
                                 .skills = "",
                                 .state = has_reply(id) ? ITEM_SENDING : ITEM_WAITING,
                                 .band = POLICY_BAND_NORMAL,
                                 .sealed = with_pr,
                                 .created_ms = START_MS - (int64_t) (id % 1000000),
                                 .due_ms = START_MS + 3600000 + (int64_t) (id % 1000000),
                                 .since_ms = START_MS - (int64_t) (id % 1000000),
                                 .person = has_reply(id) ? "p5" : "",
                                 .preferred = id % 25 == 4 ? "p4" : "",
                                 .preferred_until_ms = START_MS + 36000000,
                                 .reply = has_reply(id) ? REPLIES_FROM + id : 0,
                                 .thread_key = id * UINT64_C(0x9E3779B97F4A7C15),
                                 .author_key = id,
                                 .posts = 1,
                                 .numbered = 1,
                                 .reason = with_pr ? "sensitive legal" : "",
                                 .escalated = with_pr ? "sensitive legal" : "",
                                 .draft_by = "",
                                 .outcome = "" };
}

static enum store_result read_back(struct engine *base, const struct store_reader *reader)
{
    const struct stand_in *store = (const struct stand_in *) base;
    const struct rules_record rules = {
        .version = 1, .name = "bench", .text = store->rules, .at_ms = START_MS, .reviewed = true
    };
    bool good = reader->rules(reader->self, &rules);
    for (uint64_t id = 1; good && id <= store->items; id++) {
        struct item_record item = item_of(id);
        good = reader->item(reader->self, &item);
    }
    for (uint64_t id = 1; good && id <= store->items; id++) {
        struct item_record item = item_of(id);
        const struct reply_record reply = { .reply = item.reply,
                                            .item = id,
                                            .brand = item.brand,
                                            .channel = item.channel,
                                            .person = item.person,
                                            .key = "k",
                                            .sealed = item.sealed,
                                            .instance = "",
                                            .created_ms = START_MS,
                                            .reference = "",
                                            .reason = "" };
        good = !has_reply(id) || reader->reply(reader->self, &reply);
    }
    return good ? STORE_OK : STORE_CONTRADICTED;
}

static void report_posts(struct report *report)
{
    for (size_t i = 0; i < report->item_count; i++) {
        bool boycott = report->items[i] % 100 == 1;
        struct item_record item = item_of(report->items[i]);
        *report_add_post(report) = (struct reported_post){
            .item = report->items[i],
            .post = { .channel = "chirp",
                      .post = "p",
                      .brand = report_text(report, item.brand),
                      .author = "jo",
                      .author_name = "Jo",
                      .language = "",
                      .thread = "",
                      .parent = "",
                      .link = "",
                      .text = boycott
                                  ? "I shall boycott you, and so will all of my friends, until you say sorry to her"
                                  : "where is my submission, it was due on monday and nobody answers the telephone" },
        };
    }
}

static enum store_result answer_report(struct engine *base, struct report *report)
{
    (void) base;
    report->found = true;
    if (report->kind == REPORT_POSTS) {
        report_posts(report);
    } else if (report->kind == REPORT_HISTORY) {
        report->history.item = 1;
    } else if (report->kind == REPORT_TEXTS) {
        report->listed = report_allocate(report, (report->item_count + 1) * sizeof *report->listed);
    }
    for (size_t i = 0; report->kind == REPORT_TEXTS && i < report->item_count; i++) {
        report_listed(report, i, "where is my submission", "", "", 0);
    }
    return STORE_OK;
}

static const struct engine_operations operations = {
    .name = "stand-in", .describe = describe, .commit = commit, .read = read_back, .report = answer_report
};

// ---- the broker ----

struct turns {
    struct stand_in store;
    struct broker *broker;
    int64_t now_ms;
    int64_t next_id;
    double longest_ms; // of the message at hand
    double in_all_ms;
    int64_t lease[2]; // the first item shown to the agent who works, and its lease
    bool refused;     // what is said is to be refused
    int64_t more;     // of the last LISTING: where it goes on; 0: it was the last
};

static void fill_random(void *self, void *bytes, size_t count)
{
    uint64_t *random = self;
    for (size_t i = 0; i < count; i++) {
        *random = *random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        ((unsigned char *) bytes)[i] = (unsigned char) (*random >> 56);
    }
}

static void no_log(void *self, const char *level, const char *line)
{
    (void) self;
    if (strcmp(level, "error") == 0) {
        bench_complain("%s", line);
    }
}

// Of this thread's processor time, so that what else the machine does is not counted.
static uint64_t worked_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t) time.tv_sec * 1000000000u + (uint64_t) time.tv_nsec;
}

static void count(struct turns *turns, uint64_t begin_ns)
{
    double ms = (double) (worked_ns() - begin_ns) / 1e6;
    turns->in_all_ms += ms;
    turns->longest_ms = ms > turns->longest_ms ? ms : turns->longest_ms;
}

enum { CONTROL = 1, CONNECTOR = 2, CONNECTOR_AGAIN = 3, PERSON = 10, AGENT = PERSON + 3 };

static void hear(struct turns *turns, uint64_t peer, const void *frame, size_t bytes)
{
    struct behalf_fault fault;
    struct behalf_message *message = behalf_message_decode(frame, bytes, &fault);
    must(message);
    if (message->type == BEHALF_ITEM && peer == AGENT && !turns->lease[0]) {
        turns->lease[0] = message->item.item;
        turns->lease[1] = message->item.lease;
    }
    if (message->type == BEHALF_LISTING) {
        turns->more = message->listing.more ? message->listing.next : 0;
    }
    if ((message->type == BEHALF_ERROR) != turns->refused && (message->type == BEHALF_ERROR || peer == CONTROL)) {
        bench_complain("%s %s %s", behalf_type_name(message->type), turns->refused ? "" : message->error.field,
                       turns->refused ? "is no refusal" : message->error.reason);
    }
    behalf_message_destroy(&message);
}

// A turn of the loop; true if there is more to do at once.
static bool turn(struct turns *turns)
{
    uint64_t begin_ns = worked_ns(), peer, version;
    size_t bytes;
    const struct rules *previous;
    struct rules_problems problems = { 0 };
    bool more = broker_tick(turns->broker, turns->now_ms) == 0;
    struct batch *batch = broker_next_batch(turns->broker, turns->now_ms);
    struct report *report = broker_next_report(turns->broker);
    const char *text = broker_next_rules(turns->broker, &version, &previous);
    count(turns, begin_ns);
    for (void *frame; (frame = broker_next_frame(turns->broker, &peer, &bytes)); free(frame)) {
        hear(turns, peer, frame, bytes);
    }
    while (broker_next_drop(turns->broker)) {
    }
    if (batch != NULL) {
        commit(&turns->store.engine, batch);
        begin_ns = worked_ns();
        broker_durable(turns->broker, &batch, turns->now_ms);
        count(turns, begin_ns);
        more = true;
    }
    if (report != NULL) {
        answer_report(&turns->store.engine, report);
        begin_ns = worked_ns();
        broker_reported(turns->broker, &report, turns->now_ms);
        count(turns, begin_ns);
        more = true;
    }
    if (text != NULL) {
        struct rules *rules = rules_new(text, strlen(text), previous, version, &problems);
        must(rules);
        begin_ns = worked_ns();
        broker_rules_ready(turns->broker, &rules, &problems, turns->now_ms);
        count(turns, begin_ns);
        rules_problems_fini(&problems);
        more = true;
    }
    return more;
}

static void say(struct turns *turns, uint64_t peer, struct behalf_message message)
{
    struct behalf_fault fault;
    size_t bytes;
    message.id = ++turns->next_id;
    void *frame = behalf_message_encode(&message, &bytes, &fault);
    must(frame);
    turns->longest_ms = turns->in_all_ms = 0;
    turns->now_ms += 10;
    uint64_t begin_ns = worked_ns();
    broker_receive(turns->broker, peer, frame, bytes, turns->now_ms);
    count(turns, begin_ns);
    free(frame);
    while (turn(turns) && !bench_stopped()) {
    }
}

// Lets time pass, and all that follows from it.
static void pass(struct turns *turns, int64_t ms)
{
    turns->longest_ms = turns->in_all_ms = 0;
    turns->now_ms += ms;
    while (turn(turns) && !bench_stopped()) {
    }
}

static bool print(const struct turns *turns, const char *name, double longest_ms, double in_all_ms)
{
    bench_print(json_pack("{ss ss sI sf sf}", "case", "turn", "message", name, "open_items",
                          (json_int_t) turns->store.items, "longest_ms", longest_ms, "in_all_ms", in_all_ms));
    return !bench_stopped();
}

// Says it several times and prints the longest step of all.
static void measure(struct turns *turns, const char *name, uint64_t peer, struct behalf_message message)
{
    double longest_ms = 0, in_all_ms = 0;
    for (int i = 0; i < ROUNDS; i++) {
        say(turns, peer, message);
        longest_ms = turns->longest_ms > longest_ms ? turns->longest_ms : longest_ms;
        in_all_ms = turns->in_all_ms > in_all_ms ? turns->in_all_ms : in_all_ms;
    }
    print(turns, name, longest_ms, in_all_ms);
}

// Every page of a listing.
static void measure_pages(struct turns *turns, const char *name, uint64_t peer, struct behalf_look look)
{
    double longest_ms = 0, in_all_ms = 0;
    do {
        say(turns, peer, (struct behalf_message){ .type = BEHALF_LOOK, .look = look });
        longest_ms = turns->longest_ms > longest_ms ? turns->longest_ms : longest_ms;
        in_all_ms += turns->in_all_ms;
        look.after = turns->more;
    } while (look.after && in_all_ms < 2000);
    print(turns, name, longest_ms, in_all_ms);
}

// ---- the case ----

static void hello(struct turns *turns, uint64_t peer, const char *role, const char *name)
{
    static const char *channels[] = { "chirp" };
    bool connector = peer == CONNECTOR || peer == CONNECTOR_AGAIN;
    say(turns, peer,
        (struct behalf_message){ .type = BEHALF_HELLO,
                                 .hello = { .version = 1,
                                            .role = role,
                                            .name = name,
                                            .instance = connector ? "one" : "",
                                            .channels = connector ? channels : NULL,
                                            .channels_count = connector } });
}

static void bye(struct turns *turns, const char *name, uint64_t peer)
{
    say(turns, peer, (struct behalf_message){ .type = BEHALF_BYE, .bye = { .reason = "" } });
    print(turns, name, turns->longest_ms, turns->in_all_ms);
}

static void measure_people(struct turns *turns)
{
    double longest_ms = 0;
    char name[16];
    for (unsigned i = 0; i < PEOPLE; i++) {
        snprintf(name, sizeof name, "p%u", i);
        hello(turns, PERSON + i, "person", name);
        longest_ms = turns->longest_ms > longest_ms ? turns->longest_ms : longest_ms;
    }
    print(turns, "HELLO of a person", longest_ms, 0);
    bye(turns, "BYE of a person", PERSON + 2);
}

static void measure_preview(struct turns *turns)
{
    struct behalf_take take = { .item = turns->lease[0], .lease = turns->lease[1] };
    say(turns, AGENT, (struct behalf_message){ .type = BEHALF_TAKE, .take = take });
    measure(
        turns, "PREVIEW", AGENT,
        (struct behalf_message){ .type = BEHALF_PREVIEW,
                                 .preview = { .item = take.item, .lease = take.lease, .text = "It is on its way." } });
}

static void freeze(struct turns *turns, const char *name, const char *brand, bool frozen)
{
    say(turns, CONTROL,
        (struct behalf_message){ .type = BEHALF_FREEZE,
                                 .freeze = { .brand = brand, .frozen = frozen, .reason = "x" } });
    print(turns, name, turns->longest_ms, turns->in_all_ms);
}

// Each brand's replies are a twentieth of the outbox.
static void measure_freezes(struct turns *turns)
{
    char brand[16];
    for (unsigned i = 0; i < BRANDS; i++) {
        snprintf(brand, sizeof brand, "b%u", i);
        say(turns, CONTROL,
            (struct behalf_message){ .type = BEHALF_FREEZE,
                                     .freeze = { .brand = brand, .frozen = true, .reason = "x" } });
    }
    print(turns, "FREEZE of the last brand", turns->longest_ms, turns->in_all_ms);
}

static void measure_outbox(struct turns *turns)
{
    hello(turns, CONNECTOR, "connector", "chirp");
    print(turns, "HELLO of a connector, replies waiting", turns->longest_ms, turns->in_all_ms);
    broker_peer_lost(turns->broker, CONNECTOR, "lost", turns->now_ms);
    hello(turns, CONNECTOR_AGAIN, "connector", "chirp");
    print(turns, "HELLO of a connector, told again of its replies", turns->longest_ms, turns->in_all_ms);
    bye(turns, "BYE of a connector that has replies", CONNECTOR_AGAIN);
    measure_freezes(turns);
    hello(turns, CONNECTOR, "connector", "chirp");
    print(turns, "HELLO of a connector, all brands frozen", turns->longest_ms, turns->in_all_ms);
    freeze(turns, "FREEZE, lifted, a connector waiting", "b7", false);
    broker_peer_lost(turns->broker, CONNECTOR, "lost", turns->now_ms);
    pass(turns, 1000);
    pass(turns, 61000);
    print(turns, "a connector's grace ends", turns->longest_ms, turns->in_all_ms);
    for (unsigned i = 0; i < BRANDS; i++) {
        char brand[16];
        snprintf(brand, sizeof brand, "b%u", i);
        say(turns, CONTROL,
            (struct behalf_message){ .type = BEHALF_FREEZE, .freeze = { .brand = brand, .reason = "x" } });
    }
}

static void apply(struct turns *turns, const char *name, bool with_boycott, unsigned left_out)
{
    char *text = rules_text_of(with_boycott, left_out);
    say(turns, CONTROL, (struct behalf_message){ .type = BEHALF_APPLY, .apply = { .rules = text, .name = "bench" } });
    print(turns, name, turns->longest_ms, turns->in_all_ms);
    free(text);
}

static void measure_rules(struct turns *turns)
{
    apply(turns, "APPLY", true, NO_BRAND);
    bye(turns, "BYE of a person for whom many items wait", PERSON + 4);
    turns->refused = true;
    apply(turns, "APPLY without a brand that has open items, refused", true, 3);
    turns->refused = false;
    apply(turns, "APPLY without a brand that has none", true, EMPTY_BRAND);
}

static void run(struct turns *turns)
{
    hello(turns, CONTROL, "control", "ctl");
    measure_people(turns);
    measure_preview(turns);
    measure(turns, "STATUS", CONTROL, (struct behalf_message){ .type = BEHALF_STATUS });
    measure(turns, "WHY", CONTROL, (struct behalf_message){ .type = BEHALF_WHY, .why = { .item = 7 } });
    measure(turns, "LOOK", CONTROL, (struct behalf_message){ .type = BEHALF_LOOK, .look = { .limit = 200 } });
    measure_pages(turns, "LOOK of a supervisor at what there is none of", PERSON,
                  (struct behalf_look){ .audience = "approver" });
    measure_pages(turns, "LOOK of an agent at PR's", PERSON + 3, (struct behalf_look){ .audience = "pr" });
    measure_pages(turns, "LOOK at one brand", PERSON, (struct behalf_look){ .brand = "b7", .limit = 200 });
    freeze(turns, "FREEZE", "b7", true);
    freeze(turns, "FREEZE, lifted", "b7", false);
    measure_outbox(turns);
    measure_rules(turns);
}

bool bench_turn(const struct bench_options *options)
{
    uint64_t random = 1;
    char reason[512] = "";
    struct rules_problems problems = { 0 };
    struct turns turns = {
        .store = { .engine = { .operations = &operations },
                   .items = options->posts ? options->posts : ITEMS,
                   .rules = rules_text_of(false, NO_BRAND) },
        .now_ms = START_MS,
    };
    turns.store.position =
        (struct store_position){ .epoch = 1, .sequence = 1, .next_id = REPLIES_FROM * 2, .clock_ms = START_MS };
    struct rules *rules = rules_new(turns.store.rules, strlen(turns.store.rules), NULL, 1, &problems);
    must(rules);
    const struct broker_options broker_options = { .heartbeat_ms = 600000, // nobody says anything for long
                                                   .person_rate = -1,
                                                   .random = fill_random,
                                                   .log = no_log,
                                                   .self = &random };
    turns.broker = broker_new(&rules, &turns.store.engine, &turns.store.position, &broker_options, START_MS, reason,
                              sizeof reason);
    if (turns.broker != NULL) {
        run(&turns);
    } else {
        bench_complain("%s", reason);
    }
    bool good = turns.broker != NULL;
    broker_destroy(&turns.broker);
    rules_problems_fini(&problems);
    free(turns.store.rules);
    return good;
}
