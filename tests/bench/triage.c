// triage.c - what triage of a post costs: `behalf-triage-bench [--rules FILE] [--posts FILE.csv] [--text NAME]
// [--json]`.
//
// Prints the median and the worst of the posts in a CSV's column `text`, each the best of three, and the
// worst of hostile texts as long as a post may be.  Processor time of one thread, in microseconds.  With --json also
// what finding the language costs of it, with eight languages served, and one bare call of CLD2 beside that.

#include "broker/triage/cld2_face.h"
#include "broker/triage/language.h"
#include "broker/triage/triage.h"
#include "tests/bench/hostile_texts.h"

#include <csv.h>
#include <jansson.h>

#include <argp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS 3
#define ROUNDS_OF_ONE 500 // of a single text, to be profiled
#define COLUMNS_MAX 64

// Microseconds of each post.
struct costs {
    double *us;
    size_t count, capacity;
};

struct bench {
    struct rules *rules;
    struct triage *triage;
    const char *brand;
    const char *channel;
    int rounds;         // of which the best counts
    size_t column;      // of the field being read
    size_t text_column; // COLUMNS_MAX until the headings are read
    size_t row;
    bool json;
    struct costs triage_costs, language_costs, cld2_costs;
};

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double) now.tv_sec * 1e6 + (double) now.tv_nsec / 1e3;
}

static double measure(struct bench *bench, const char *text)
{
    struct behalf_post post = { .channel = bench->channel, .post = "1", .brand = bench->brand, .author = "a" };
    post.text = (char *) text;
    post.language = "";
    double best = 0;
    for (int round = 0; round < bench->rounds; round++) {
        struct needs needs;
        const char *field = NULL;
        double start = now_us();
        if (!triage_post(bench->triage, bench->rules, &post, "", &needs, &field)) {
            abort();
        }
        double taken = now_us() - start;
        best = round == 0 || taken < best ? taken : best;
    }
    return best;
}

static void add_cost(struct costs *costs, double us)
{
    if (costs->count == costs->capacity) {
        costs->capacity = 2 * costs->capacity + 1024;
        costs->us = realloc(costs->us, costs->capacity * sizeof *costs->us);
        if (costs->us == NULL) {
            abort();
        }
    }
    costs->us[costs->count++] = us;
}

static double measure_language(const struct bench *bench, const char *text)
{
    static const char *const served[] = { "en", "es", "pt", "fr", "de", "it", "nl", "ja" };
    const struct language_request request = { .served = served, .served_count = sizeof served / sizeof *served };
    struct language_verdict verdict;
    double best = 0;
    for (int round = 0; round < bench->rounds; round++) {
        double start = now_us();
        language_detect(text, &request, &verdict);
        double taken = now_us() - start;
        best = round == 0 || taken < best ? taken : best;
    }
    return best;
}

static double measure_cld2(const struct bench *bench, const char *text)
{
    struct cld2_answer answer;
    double best = 0;
    for (int round = 0; round < bench->rounds; round++) {
        double start = now_us();
        cld2_ask(text, strlen(text), NULL, &answer);
        double taken = now_us() - start;
        best = round == 0 || taken < best ? taken : best;
    }
    return best;
}

static void take_field(void *field, size_t bytes, void *context)
{
    struct bench *bench = context;
    size_t column = bench->column++;
    if (bench->row == 0 && bytes == 4 && memcmp(field, "text", 4) == 0) {
        bench->text_column = column;
    }
    if (bench->row == 0 || column != bench->text_column) {
        return;
    }
    char *text = strndup(field, bytes);
    if (text == NULL) {
        abort();
    }
    add_cost(&bench->triage_costs, measure(bench, text));
    if (bench->json) {
        add_cost(&bench->language_costs, measure_language(bench, text));
        add_cost(&bench->cld2_costs, measure_cld2(bench, text));
    }
    free(text);
}

static void take_row(int end, void *context)
{
    (void) end;
    struct bench *bench = context;
    bench->row++;
    bench->column = 0;
}

static int by_size(const void *a, const void *b)
{
    double one = *(const double *) a;
    double other = *(const double *) b;
    return one < other ? -1 : one > other;
}

static void print_json(json_t *line)
{
    json_dumpf(line, stdout, JSON_COMPACT | JSON_REAL_PRECISION(5));
    putchar('\n');
    json_decref(line);
}

static void print_costs(const char *name, struct costs *costs)
{
    qsort(costs->us, costs->count, sizeof *costs->us, by_size);
    print_json(json_pack("{ss sI sf sf sf}", "case", name, "posts", (json_int_t) costs->count, "p50_us",
                         costs->us[costs->count / 2], "p99_us", costs->us[costs->count * 99 / 100], "max_us",
                         costs->us[costs->count - 1]));
}

static char *read_file(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        exit(2);
    }
    fseek(file, 0, SEEK_END);
    *bytes = (size_t) ftell(file);
    rewind(file);
    char *text = malloc(*bytes + 1);
    if (text == NULL || fread(text, 1, *bytes, file) != *bytes) {
        abort();
    }
    text[*bytes] = '\0';
    fclose(file);
    return text;
}

static void measure_posts(struct bench *bench, const char *path)
{
    size_t bytes = 0;
    char *text = read_file(path, &bytes);
    struct csv_parser parser;
    if (csv_init(&parser, 0) != 0) {
        abort();
    }
    csv_parse(&parser, text, bytes, take_field, take_row, bench);
    csv_fini(&parser, take_field, take_row, bench);
    csv_free(&parser);
    free(text);
    struct costs *costs = &bench->triage_costs;
    if (costs->count == 0) {
        fprintf(stderr, "%s: no posts; the first line must name a column text\n", path);
        exit(2);
    }
    if (bench->json) {
        print_costs("triage", costs);
        print_costs("language", &bench->language_costs);
        print_costs("raw-cld2", &bench->cld2_costs);
        return;
    }
    qsort(costs->us, costs->count, sizeof *costs->us, by_size);
    printf("%zu posts: median %.1f us, 99 of 100 below %.1f us, worst %.1f us\n", costs->count,
           costs->us[costs->count / 2], costs->us[costs->count * 99 / 100], costs->us[costs->count - 1]);
}

static void measure_hostile(struct bench *bench, const char *only)
{
    static char text[HOSTILE_TEXT_BYTES + 1];
    double worst = 0;
    for (size_t i = 0; i < hostile_text_count(); i++) {
        if (only != NULL && strcmp(only, hostile_text_name(i)) != 0) {
            continue;
        }
        hostile_text_write(i, text);
        double us = measure(bench, text);
        worst = us > worst ? us : worst;
        if (!bench->json) {
            printf("%8.0f us  32 kB of %s\n", us, hostile_text_name(i));
        }
    }
    if (bench->json) {
        print_json(json_pack("{ss si sf}", "case", "triage-hostile", "bytes", HOSTILE_TEXT_BYTES, "max_us", worst));
    }
}

struct options {
    const char *rules;
    const char *posts;
    const char *text;
    bool json;
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct options *options = state->input;
    if (key == 'r') {
        options->rules = argument;
    } else if (key == 'p') {
        options->posts = argument;
    } else if (key == 't') {
        options->text = argument;
    } else if (key == 'j') {
        options->json = true;
    } else {
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

int main(int argc, char **argv)
{
    static const struct argp_option known[] = { { "rules", 'r', "FILE", 0, "rules of engagement", 0 },
                                                { "posts", 'p', "FILE", 0, "a CSV with a column text", 0 },
                                                { "text", 't', "NAME", 0, "only this one of the hostile texts", 0 },
                                                { "json", 'j', NULL, 0, "a JSON object a line, with more", 0 },
                                                { 0 } };
    static const struct argp argp = { known, parse_option, NULL, "What triage of a post costs.", NULL, NULL, NULL };
    struct options options = { .rules = "deploy/rules.yaml" };
    argp_parse(&argp, argc, argv, 0, NULL, &options);

    size_t bytes = 0;
    char *text = read_file(options.rules, &bytes);
    struct rules_problems problems = { 0 };
    struct bench bench = { .text_column = COLUMNS_MAX, .triage = triage_new() };
    bench.rules = rules_new(text, bytes, NULL, 1, &problems);
    if (bench.rules == NULL) {
        fprintf(stderr, "%s: line %d: %s\n", options.rules, (int) problems.problems[0].line,
                problems.problems[0].message);
        return 2;
    }
    bench.brand = rules_policy(bench.rules)->brands[0].name;
    bench.channel = rules_policy(bench.rules)->channels[0].name;
    bench.json = options.json;
    bench.rounds = options.text != NULL ? ROUNDS_OF_ONE : ROUNDS;
    if (options.posts != NULL) {
        measure_posts(&bench, options.posts);
    }
    measure_hostile(&bench, options.text);
    free(bench.triage_costs.us);
    free(bench.language_costs.us);
    free(bench.cld2_costs.us);
    triage_destroy(&bench.triage);
    rules_destroy(&bench.rules);
    free(text);
    return 0;
}
