// desk.c - behalf-desk-bench: what the desk alone costs, in this process: memory an item waiting, and time of one match
// whatever waits and whoever is there.  Prints a line of JSON for each figure; deploy/bench makes a table of them.
//
// A match is measured from both sides.  `end`: everybody has an item, somebody ends theirs and is given the next of
// those that wait; a new post comes for each, so that as many wait.  `arrival`: everybody is idle, and what waits only
// PR may take, who are not there; a post comes and is given to one of them, who then ends it.  Beside both stands a
// bare heap of as many entries: the first leaves, one comes.

#include "tests/bench/bench.h"

#include "broker/desk/desk.h"
#include "broker/desk/parts.h"
#include "proto/base/must.h"

#include <argp.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOW_MS INT64_C(1700000000000)
#define ENGLISH 1
#define SKILLS 8
#define SKILLS_A_PERSON 3
#define MEMORY_LOOKS 40
#define STEPS_MIN 200
#define STEPS_WARM 100

bool bench_stopped(void)
{
    return false; // Ctrl-C ends this program as any other: it has nothing to put away
}

// ---- a desk ----

struct bench_desk {
    struct policy policy;
    struct policy_brand brand;
    struct policy_name languages[2], skills[SKILLS], agency;
    struct policy_channel channel;
    struct policy_person *people; // the last one is of PR
    char (*names)[16];
    char skill_names[SKILLS][2];
    struct desk *desk;
    struct change_list *list;
    uint64_t *items, *leases; // what each person holds, by their session; 0: nothing
    uint64_t posts, requests, random;
    int64_t now_ms;
};

static uint64_t draw(struct bench_desk *bench, uint64_t below)
{
    bench->random ^= bench->random << 13, bench->random ^= bench->random >> 7, bench->random ^= bench->random << 17;
    return bench->random % below;
}

static struct policy_person person(struct bench_desk *bench, size_t index, bool pr)
{
    struct policy_person made = { .agency = pr ? POLICY_NONE : 0,
                                  .audiences = 1u << (pr ? AUDIENCE_PR : AUDIENCE_AGENT),
                                  .brands = 1,
                                  .languages = 3,
                                  .capacity = 1 };
    snprintf(bench->names[index], sizeof *bench->names, "p%zu", index);
    made.name = made.first_name = made.display_name = bench->names[index];
    memset(made.language_level, 5, 2);
    for (size_t i = 0; i < SKILLS_A_PERSON; i++) {
        size_t skill = (index + i) % SKILLS;
        made.skills |= UINT64_C(1) << skill;
        made.skill_level[skill] = (uint8_t) (1 + draw(bench, 10));
    }
    return made;
}

static struct bench_desk *desk_of(size_t people)
{
    struct bench_desk *bench = calloc(1, sizeof *bench);
    must(bench != NULL);
    bench->random = UINT64_C(0x9E3779B97F4A7C15);
    bench->now_ms = NOW_MS;
    bench->people = calloc(people + 1, sizeof *bench->people);
    bench->names = calloc(people + 1, sizeof *bench->names);
    bench->items = calloc(people + 2, sizeof *bench->items);
    bench->leases = calloc(people + 2, sizeof *bench->leases);
    must(bench->people && bench->names && bench->items && bench->leases);
    for (size_t i = 0; i <= people; i++) {
        bench->people[i] = person(bench, i, i == people);
    }
    for (size_t i = 0; i < SKILLS; i++) {
        bench->skill_names[i][0] = (char) ('a' + i);
        bench->skills[i].name = bench->skill_names[i];
    }
    bench->languages[0].name = (char *) "und";
    bench->languages[ENGLISH].name = (char *) "en";
    bench->agency.name = (char *) "Northline";
    bench->channel.name = (char *) "bench";
    bench->brand =
        (struct policy_brand){ .name = (char *) "acme",
                               .display_name = (char *) "Acme",
                               .languages = 3,
                               .guidance = (char *) "",
                               .disclosure = (char *) "I'm {first_name} from {agency}, answering for {brand}",
                               .disclosure_pr = (char *) "",
                               .take_automatic = true,
                               .service_level_ms = { [AUDIENCE_AGENT] = 24 * 3600 * 1000 } };
    bench->policy = (struct policy){ .version = 1,
                                     .desk = (char *) "bench",
                                     .times = POLICY_TIMES_DEFAULT,
                                     .brands = &bench->brand,
                                     .brand_count = 1,
                                     .languages = bench->languages,
                                     .language_count = 2,
                                     .skills = bench->skills,
                                     .skill_count = SKILLS,
                                     .agencies = &bench->agency,
                                     .agency_count = 1,
                                     .channels = &bench->channel,
                                     .channel_count = 1,
                                     .people = bench->people,
                                     .person_count = people + 1 };
    bench->desk = desk_new(&bench->policy, bench->now_ms);
    bench->list = change_list_new();
    desk_set_list(bench->desk, bench->list);
    return bench;
}

static void desk_end(struct bench_desk **bench_p)
{
    struct bench_desk *bench = *bench_p;
    desk_destroy(&bench->desk);
    change_list_destroy(&bench->list);
    free(bench->people);
    free(bench->names);
    free(bench->items);
    free(bench->leases);
    free(bench);
    *bench_p = NULL;
}

static struct item_record waiting(struct bench_desk *bench, uint64_t id, bool with_pr)
{
    uint64_t skill = draw(bench, SKILLS + 1);
    int64_t age_ms = (int64_t) draw(bench, 20 * 60 * 1000);
    return (struct item_record){ .item = id,
                                 .brand = "acme",
                                 .channel = "bench",
                                 .audience = with_pr ? "pr" : "agent",
                                 .language = "en",
                                 .skills = skill < SKILLS && !with_pr ? bench->skill_names[skill] : "",
                                 .state = ITEM_WAITING,
                                 .band = POLICY_BAND_NORMAL,
                                 .sealed = with_pr,
                                 .created_ms = NOW_MS - age_ms,
                                 .due_ms = NOW_MS - age_ms + 24 * 3600 * 1000,
                                 .since_ms = NOW_MS - age_ms,
                                 .person = "",
                                 .preferred = "",
                                 .thread_key = id * UINT64_C(0x9E3779B97F4A7C15),
                                 .author_key = id * UINT64_C(0xD1B54A32D192ED03),
                                 .posts = 1,
                                 .numbered = 1,
                                 .reason = with_pr ? "sensitive legal" : "",
                                 .escalated = with_pr ? "sensitive legal" : "",
                                 .draft_by = "",
                                 .outcome = "" };
}

static void restore(struct bench_desk *bench, uint64_t items, bool with_pr)
{
    char reason[256];
    desk_restore_position(bench->desk, 1, UINT64_C(1) << 40, NOW_MS);
    for (uint64_t id = 1; id <= items; id++) {
        struct item_record record = waiting(bench, id, with_pr);
        must(desk_restore_item(bench->desk, &record, reason, sizeof reason));
    }
}

// Notes who was given what, and lets go of what came out.
static void forget_output(struct bench_desk *bench)
{
    for (const struct effect *effect = change_list_effects(bench->list); effect != NULL; effect = effect->next) {
        if (effect->kind == EFFECT_SHOW_ITEM) {
            bench->items[effect->session] = effect->item;
            bench->leases[effect->session] = effect->lease;
        }
    }
    change_list_destroy(&bench->list);
    bench->list = change_list_new();
    desk_set_list(bench->desk, bench->list);
}

static void sign_all_in(struct bench_desk *bench)
{
    size_t agents = bench->policy.person_count - 1; // PR stays away
    for (size_t i = 0; i < agents; i++) {
        desk_sign_in(bench->desk, (uint32_t) i, i + 1, "", bench->now_ms);
        if (i % 1024 == 0) {
            forget_output(bench);
        }
    }
    forget_output(bench);
}

// ---- steps ----

static void post(struct bench_desk *bench)
{
    char id[32];
    uint64_t skill = draw(bench, SKILLS + 1);
    snprintf(id, sizeof id, "post-%llu", (unsigned long long) ++bench->posts);
    const struct behalf_post post = { .channel = "bench",
                                      .post = id,
                                      .brand = "acme",
                                      .author = id,
                                      .author_name = "",
                                      .language = "",
                                      .parent = "",
                                      .link = "",
                                      .text = "where is my submission",
                                      .thread = "",
                                      .posted_ms = bench->now_ms };
    const struct needs needs = { .brand = 0,
                                 .channel = 0,
                                 .language = ENGLISH,
                                 .skills = skill < SKILLS ? UINT64_C(1) << skill : 0,
                                 .audience = AUDIENCE_AGENT,
                                 .band = POLICY_BAND_NORMAL,
                                 .author = id,
                                 .rule = "",
                                 .detail = "" };
    desk_post(bench->desk, &post, &needs, NULL, bench->now_ms);
}

static void end_item(struct bench_desk *bench, uint64_t session)
{
    const struct behalf_message request = { .type = BEHALF_CLOSE,
                                            .id = (int64_t) ++bench->requests,
                                            .close = { .item = (int64_t) bench->items[session],
                                                       .lease = (int64_t) bench->leases[session],
                                                       .outcome = "no-answer-needed",
                                                       .note = "" } };
    const struct principal principal = { "person", bench->people[session - 1].name };
    bench->items[session] = 0;
    desk_request(bench->desk, session, &principal, &request, bench->now_ms);
}

// Somebody who has an item.
static uint64_t choose_busy(struct bench_desk *bench)
{
    size_t agents = bench->policy.person_count - 1;
    uint64_t session;
    do {
        session = 1 + draw(bench, agents);
    } while (bench->items[session] == 0);
    return session;
}

// Whoever was given the item that came last.
static uint64_t last_given(const struct bench_desk *bench)
{
    uint64_t session = 0;
    for (const struct effect *effect = change_list_effects(bench->list); effect != NULL; effect = effect->next) {
        if (effect->kind == EFFECT_SHOW_ITEM) {
            session = effect->session;
        }
    }
    must(session != 0);
    return session;
}

static void step_end(struct bench_desk *bench, struct samples *samples)
{
    uint64_t session = choose_busy(bench);
    post(bench);
    uint64_t begin_ns = bench_now_ns();
    end_item(bench, session);
    samples_add(samples, bench_now_ns() - begin_ns);
    forget_output(bench);
    must(bench->items[session] != 0);
}

static void step_arrival(struct bench_desk *bench, struct samples *samples)
{
    uint64_t begin_ns = bench_now_ns();
    post(bench);
    samples_add(samples, bench_now_ns() - begin_ns);
    uint64_t session = last_given(bench);
    forget_output(bench);
    end_item(bench, session);
    forget_output(bench);
}

static void run_steps(struct bench_desk *bench, void (*step)(struct bench_desk *, struct samples *), double seconds,
                      struct samples *samples)
{
    for (size_t i = 0; i < STEPS_WARM; i++) {
        step(bench, samples);
    }
    samples_fini(samples);
    uint64_t end_ns = bench_now_ns() + (uint64_t) (seconds * 1e9);
    while (samples->count < STEPS_MIN || bench_now_ns() < end_ns) {
        bench->now_ms++;
        desk_tick(bench->desk, bench->now_ms);
        step(bench, samples);
    }
}

// ---- the bare heap ----

struct entry {
    int64_t due_ms;
    uint64_t item;
};

static void sift_down(struct entry *heap, size_t count)
{
    struct entry moved = heap[0];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        child += child + 1 < count && heap[child + 1].due_ms < heap[child].due_ms;
        if (heap[child].due_ms >= moved.due_ms) {
            break;
        }
        heap[at] = heap[child];
    }
    heap[at] = moved;
}

// The first leaves, another one comes in its place.
static double time_heap(struct bench_desk *bench, size_t count, double seconds)
{
    struct entry *heap = calloc(count, sizeof *heap);
    struct samples samples = { 0 };
    must(heap != NULL);
    for (size_t i = 0; i < count; i++) { // ascending: a heap already
        heap[i] = (struct entry){ (int64_t) i, i };
    }
    uint64_t end_ns = bench_now_ns() + (uint64_t) (seconds * 1e9);
    while (samples.count < STEPS_MIN || bench_now_ns() < end_ns) {
        uint64_t begin_ns = bench_now_ns();
        heap[0].due_ms += (int64_t) draw(bench, count + 1);
        sift_down(heap, count);
        samples_add(&samples, bench_now_ns() - begin_ns);
    }
    double us = 1000 * samples_percentile_ms(&samples, 50);
    samples_fini(&samples);
    free(heap);
    return us;
}

// ---- cases ----

static double resident_bytes(void)
{
    long total = 0, resident = 0;
    malloc_trim(0);
    FILE *file = fopen("/proc/self/statm", "re");
    must(file != NULL && fscanf(file, "%ld %ld", &total, &resident) == 2);
    fclose(file);
    return (double) resident * (double) sysconf(_SC_PAGESIZE);
}

// At many numbers of items, as what they are kept in grows in steps; the dearest counts.
static void measure_memory(uint64_t items)
{
    char reason[256];
    double most = 0;
    struct bench_desk *bench = desk_of(1);
    desk_restore_position(bench->desk, 1, UINT64_C(1) << 40, NOW_MS);
    double before = resident_bytes();
    for (uint64_t id = 1; id <= items; id++) {
        struct item_record record = waiting(bench, id, id % 4 == 0);
        must(desk_restore_item(bench->desk, &record, reason, sizeof reason));
        if (id % (items / MEMORY_LOOKS + 1) != 0 && id != items) {
            continue;
        }
        double bytes = (resident_bytes() - before) / (double) id;
        most = bytes > most && id > items / 4 ? bytes : most; // what there is once hardly counts from there on
    }
    double last = (resident_bytes() - before) / (double) items;
    bench_print(json_pack("{ss sI sf sf}", "case", "memory", "items", (json_int_t) items, "resident_bytes_per_item",
                          most, "resident_bytes_per_item_at_last", last));
    bench_print(json_pack("{ss ss sI}", "case", "raw-item", "of", "memory", "bytes", (json_int_t) sizeof(struct item)));
    desk_end(&bench);
}

static void print_samples(const char *kind, uint64_t items, size_t people, struct samples *samples)
{
    bench_print(json_pack("{ss ss sI sI sI sf sf sf}", "case", "scale", "match", kind, "items", (json_int_t) items,
                          "people", (json_int_t) people, "matches", (json_int_t) samples->count, "p50_us",
                          1000 * samples_percentile_ms(samples, 50), "p99_us",
                          1000 * samples_percentile_ms(samples, 99), "max_us",
                          1000 * samples_percentile_ms(samples, 100)));
    samples_fini(samples);
}

static void measure_scale(uint64_t items, size_t people, double seconds)
{
    struct samples samples = { 0 };
    double before = resident_bytes();
    struct bench_desk *bench = desk_of(people);
    restore(bench, items + people, false);
    desk_restored(bench->desk, bench->now_ms);
    sign_all_in(bench);
    run_steps(bench, step_end, seconds, &samples);
    double bytes = resident_bytes() - before;
    print_samples("end", items, people, &samples);
    desk_end(&bench);

    bench = desk_of(people);
    restore(bench, items, true);
    desk_restored(bench->desk, bench->now_ms);
    sign_all_in(bench);
    run_steps(bench, step_arrival, seconds, &samples);
    print_samples("arrival", items, people, &samples);
    bench_print(json_pack("{ss ss sI sI sf sf}", "case", "raw-heap", "of", "scale", "items", (json_int_t) items,
                          "people", (json_int_t) people, "p50_us", time_heap(bench, items, seconds), "resident_bytes",
                          bytes));
    desk_end(&bench);
}

// ---- options ----

struct options {
    const char *name;
    uint64_t items, people;
    double seconds;
};

static uint64_t parse_count(const char *text, uint64_t maximum, struct argp_state *state)
{
    char *end;
    uint64_t count = strtoull(text, &end, 10);
    if (*end != '\0' || *text < '0' || *text > '9' || count < 1 || count > maximum) {
        argp_error(state, "%s: a number from 1 to %llu is wanted", text, (unsigned long long) maximum);
    }
    return count;
}

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    struct options *options = state->input;
    char *end = NULL;
    switch (key) {
    case 'n':
        options->items = parse_count(value, 100000000, state);
        return 0;
    case 'p':
        options->people = parse_count(value, 1000000, state);
        return 0;
    case 't':
        options->seconds = strtod(value, &end);
        if (*end != '\0' || !(options->seconds >= 0.01 && options->seconds <= 3600)) {
            argp_error(state, "%s: seconds from 0.01 to 3600 are wanted", value);
        }
        return 0;
    case ARGP_KEY_ARG:
        if (options->name != NULL || (strcmp(value, "memory") != 0 && strcmp(value, "scale") != 0)) {
            argp_error(state, "one case is wanted: memory or scale");
        }
        options->name = value;
        return 0;
    case ARGP_KEY_END:
        if (options->name == NULL) {
            argp_error(state, "which case: memory or scale?");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int main(int argc, char **argv)
{
    static const struct argp_option known[] = {
        { "items", 'n', "N", 0, "items that wait (default 1000000)", 0 },
        { "people", 'p', "N", 0, "scale: people who are there (default 1000)", 0 },
        { "seconds", 't', "N", 0, "scale: measure each side for this many seconds (default 1)", 0 },
        { 0 },
    };
    static const struct argp argp = {
        known, parse_option, "memory|scale", "What the desk alone costs: memory an item, time of a match.", NULL,
        NULL,  NULL
    };
    struct options options = { .items = 1000000, .people = 1000, .seconds = 1 };
    argp_parse(&argp, argc, argv, 0, NULL, &options);
    if (strcmp(options.name, "memory") == 0) {
        measure_memory(options.items);
    } else {
        measure_scale(options.items, options.people, options.seconds);
    }
    return 0;
}
