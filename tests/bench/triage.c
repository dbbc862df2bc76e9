// triage.c - what triage of a post costs: `behalf-triage-bench [--rules FILE] [--posts FILE.csv] [--text NAME]`.
//
// Prints the median and the worst of the posts in a CSV's column `text`, each the best of three, and the
// worst of hostile texts as long as a post may be.  Processor time of one thread, in microseconds.

#include "broker/triage/triage.h"
#include "tests/bench/hostile_texts.h"

#include <csv.h>

#include <argp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS 3
#define ROUNDS_OF_ONE 500 // of a single text, to be profiled
#define COLUMNS_MAX 64

struct bench {
    struct rules *rules;
    struct triage *triage;
    const char *brand;
    const char *channel;
    int rounds;         // of which the best counts
    size_t column;      // of the field being read
    size_t text_column; // COLUMNS_MAX until the headings are read
    size_t row;
    double *us; // of each post
    size_t count;
    size_t capacity;
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
        if (!triage_post(bench->triage, bench->rules, &post, "", &needs, &field))
            abort();
        double taken = now_us() - start;
        best = round == 0 || taken < best ? taken : best;
    }
    return best;
}

static void take_field(void *field, size_t bytes, void *context)
{
    struct bench *bench = context;
    size_t column = bench->column++;
    if (bench->row == 0 && bytes == 4 && memcmp(field, "text", 4) == 0)
        bench->text_column = column;
    if (bench->row == 0 || column != bench->text_column)
        return;
    if (bench->count == bench->capacity) {
        bench->capacity = 2 * bench->capacity + 1024;
        bench->us = realloc(bench->us, bench->capacity * sizeof *bench->us);
        if (bench->us == NULL)
            abort();
    }
    char *text = strndup(field, bytes);
    if (text == NULL)
        abort();
    bench->us[bench->count++] = measure(bench, text);
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
    if (text == NULL || fread(text, 1, *bytes, file) != *bytes)
        abort();
    text[*bytes] = '\0';
    fclose(file);
    return text;
}

static void measure_posts(struct bench *bench, const char *path)
{
    size_t bytes = 0;
    char *text = read_file(path, &bytes);
    struct csv_parser parser;
    if (csv_init(&parser, 0) != 0)
        abort();
    csv_parse(&parser, text, bytes, take_field, take_row, bench);
    csv_fini(&parser, take_field, take_row, bench);
    csv_free(&parser);
    free(text);
    if (bench->count == 0) {
        fprintf(stderr, "%s: no posts; the first line must name a column text\n", path);
        exit(2);
    }
    qsort(bench->us, bench->count, sizeof *bench->us, by_size);
    printf("%zu posts: median %.1f us, 99 of 100 below %.1f us, worst %.1f us\n", bench->count,
           bench->us[bench->count / 2], bench->us[bench->count * 99 / 100], bench->us[bench->count - 1]);
}

static void measure_hostile(struct bench *bench, const char *only)
{
    static char text[HOSTILE_TEXT_BYTES + 1];
    for (size_t i = 0; i < hostile_text_count(); i++) {
        if (only != NULL && strcmp(only, hostile_text_name(i)) != 0)
            continue;
        hostile_text_write(i, text);
        printf("%8.0f us  32 kB of %s\n", measure(bench, text), hostile_text_name(i));
    }
}

struct options {
    const char *rules;
    const char *posts;
    const char *text;
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct options *options = state->input;
    if (key == 'r')
        options->rules = argument;
    else if (key == 'p')
        options->posts = argument;
    else if (key == 't')
        options->text = argument;
    else
        return ARGP_ERR_UNKNOWN;
    return 0;
}

int main(int argc, char **argv)
{
    static const struct argp_option known[] = { { "rules", 'r', "FILE", 0, "rules of engagement", 0 },
                                                { "posts", 'p', "FILE", 0, "a CSV with a column text", 0 },
                                                { "text", 't', "NAME", 0, "only this one of the hostile texts", 0 },
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
    bench.rounds = options.text != NULL ? ROUNDS_OF_ONE : ROUNDS;
    if (options.posts != NULL)
        measure_posts(&bench, options.posts);
    measure_hostile(&bench, options.text);
    free(bench.us);
    triage_destroy(&bench.triage);
    rules_destroy(&bench.rules);
    free(text);
    return 0;
}
