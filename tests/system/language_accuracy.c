// language_accuracy.c - prints how often language_detect is right on posts that people have labelled, and what it
// costs.
//
//   language-accuracy [--data FOLDER]
//
// Two sets have labels: posts of European brands' customers in five languages, and tweets from Spain and Portugal in
// six close ones (only those with exactly one label).  An answer `und` counts as wrong.  Of the others, posts to brands
// and the same tweets with eight languages served, only the cost is told: processor time of the thread, the best of
// three of each post; optimised and without sanitizers the median must be within its bound.  The posts are not
// part of this project; without them the program says so and ends with 77, which CTest shows as skipped.

#include "broker/triage/language.h"

#include <csv.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SKIPPED 77
#define LANGUAGES_MAX 9 // and the NULL
#define ROUNDS 3
#define MEDIAN_US_MAX 15
#define FIELDS_MAX 16
#define FIELD_BYTES 32768

#if defined(__SANITIZE_ADDRESS__) || !defined(__OPTIMIZE__)
#define AS_BUILT_TO_RUN 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define AS_BUILT_TO_RUN 0
#endif
#endif
#ifndef AS_BUILT_TO_RUN
#define AS_BUILT_TO_RUN 1
#endif

struct set {
    const char *file;
    const char *const served[LANGUAGES_MAX]; // ends with NULL
    double target_percent;                   // 0: only its cost is told
};

static const struct set sets[] = {
    { "langid_carter5.csv", { "en", "de", "fr", "es", "nl", NULL }, 94.8 },
    { "langid_tweetlid.csv", { "es", "pt", "ca", "en", "gl", "eu", NULL }, 92.0 },
    { "langid_tweetlid.csv", { "en", "es", "pt", "ca", "gl", "eu", "fr", "de", NULL }, 0 },
    { "twcs_mixed.csv", { "en", "es", "pt", "fr", "de", "it", "nl", "ja", NULL }, 0 },
    { "twcs_spotify.csv", { "en", "es", "pt", "fr", "de", "it", "nl", "ja", NULL }, 0 },
    { "twcs_threads.csv", { "en", "es", "pt", "fr", "de", "it", "nl", "ja", NULL }, 0 },
};

struct count {
    const struct set *set;
    size_t served_count;
    long rows;                                  // lines of the file, with the headings
    int label_column;                           // -1 until the headings are read
    int text_column;                            //
    char fields[FIELDS_MAX][FIELD_BYTES];       // of the line being read
    int field_count;                            //
    long posts;                                 // with a label among those served
    long right;                                 //
    long answers[LANGUAGES_MAX][LANGUAGES_MAX]; // [label][answer], the answer `und` at served_count
    double *us;                                 // that language_detect took, of each post
    size_t capacity;                            // of `us`
};

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double) now.tv_sec * 1e6 + (double) now.tv_nsec / 1e3;
}

static size_t column_of(const struct count *count, const char *code)
{
    size_t i = 0;
    while (i < count->served_count && strcmp(count->set->served[i], code) != 0) {
        i++;
    }
    return i;
}

static void keep_cost(struct count *count, double us)
{
    if ((size_t) count->posts == count->capacity) {
        count->capacity = 2 * count->capacity + 1024;
        count->us = realloc(count->us, count->capacity * sizeof *count->us);
        if (count->us == NULL) {
            abort();
        }
    }
    count->us[count->posts++] = us;
}

static void judge(struct count *count, const char *label, const char *text)
{
    size_t expected = column_of(count, label);
    if (count->set->target_percent > 0 && expected == count->served_count) {
        return;
    }

    struct language_request request = { .served = count->set->served, .served_count = count->served_count };
    struct language_verdict verdict;
    double best = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double start = now_us();
        language_detect(text, &request, &verdict);
        double taken = now_us() - start;
        best = round == 0 || taken < best ? taken : best;
    }
    keep_cost(count, best);

    size_t answer = column_of(count, verdict.language);
    if (expected == count->served_count) {
        return;
    }
    count->right += answer == expected;
    count->answers[expected][answer]++;
}

static void take_field(void *field, size_t bytes, void *context)
{
    struct count *count = context;
    if (count->field_count == FIELDS_MAX) {
        return;
    }
    char *copy = count->fields[count->field_count++];
    size_t kept = bytes < FIELD_BYTES - 1 ? bytes : FIELD_BYTES - 1;
    if (kept > 0) {
        memcpy(copy, field, kept);
    }
    copy[kept] = '\0';
}

static void read_headings(struct count *count)
{
    for (int i = 0; i < count->field_count; i++) {
        if (strcmp(count->fields[i], "lang") == 0) {
            count->label_column = i;
        }
        if (strcmp(count->fields[i], "text") == 0) {
            count->text_column = i;
        }
    }
}

static void take_row(int end, void *context)
{
    (void) end;
    struct count *count = context;
    if (count->rows++ == 0) {
        read_headings(count);
    } else if (count->text_column < count->field_count) {
        judge(count, count->label_column < count->field_count ? count->fields[count->label_column] : "",
              count->fields[count->text_column]);
    }
    count->field_count = 0;
}

static bool read_file(FILE *file, struct count *count)
{
    struct csv_parser parser;
    char block[65536];
    size_t bytes;
    if (csv_init(&parser, 0) != 0) {
        return false;
    }
    while ((bytes = fread(block, 1, sizeof block, file)) > 0) {
        if (csv_parse(&parser, block, bytes, take_field, take_row, count) != bytes) {
            break;
        }
    }
    bool good = feof(file) != 0;
    csv_fini(&parser, take_field, take_row, count);
    csv_free(&parser);
    return good;
}

static void print_counts(const struct count *count)
{
    printf("%-6s", "label");
    for (size_t i = 0; i < count->served_count; i++) {
        printf("%7s", count->set->served[i]);
    }
    printf("%7s%9s\n", LANGUAGE_UNKNOWN, "right");
    for (size_t i = 0; i < count->served_count; i++) {
        long sum = 0;
        printf("%-6s", count->set->served[i]);
        for (size_t j = 0; j <= count->served_count; j++) {
            printf("%7ld", count->answers[i][j]);
            sum += count->answers[i][j];
        }
        printf("%7.1f %%\n", sum > 0 ? 100.0 * (double) count->answers[i][i] / (double) sum : 0.0);
    }
}

static int compare_costs(const void *one, const void *other)
{
    double a = *(const double *) one;
    double b = *(const double *) other;
    return (a > b) - (a < b);
}

// Prints what the posts cost.  False if the median is beyond its bound.
static bool tell_costs(struct count *count)
{
    double sum = 0;
    if (count->posts == 0) {
        return false;
    }
    for (long i = 0; i < count->posts; i++) {
        sum += count->us[i];
    }
    qsort(count->us, (size_t) count->posts, sizeof *count->us, compare_costs);
    double median = count->us[count->posts / 2];
    printf("%s: %zu languages, %ld posts: median %.1f us a post, mean %.1f, p99 %.1f\n", count->set->file,
           count->served_count, count->posts, median, sum / (double) count->posts, count->us[count->posts * 99 / 100]);
    if (!AS_BUILT_TO_RUN || median <= MEDIAN_US_MAX) {
        return true;
    }
    printf("%s: more than %d us\n", count->set->file, MEDIAN_US_MAX);
    return false;
}

static bool tell_accuracy(const struct count *count)
{
    const struct set *set = count->set;
    double percent = count->posts > 0 ? 100.0 * (double) count->right / (double) count->posts : 0.0;
    printf("%s: %ld of %ld posts right, %.2f %%, target %.1f %%, margin %+.2f\n", set->file, count->right, count->posts,
           percent, set->target_percent, percent - set->target_percent);
    print_counts(count);
    if (count->posts > 0 && percent >= set->target_percent) {
        return true;
    }
    printf("%s: below its target\n", set->file);
    return false;
}

// Measures one set.  Returns 0 if it reaches its targets, 1 if not, SKIPPED if the file is not there.
static int measure(const char *folder, const struct set *set)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, set->file);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        printf("skipped: %s: %s\n", path, strerror(errno));
        return errno == ENOENT ? SKIPPED : 1;
    }
    struct count *count = calloc(1, sizeof *count);
    if (count == NULL) {
        abort();
    }
    count->set = set;
    count->label_column = count->text_column = FIELDS_MAX;
    while (set->served[count->served_count] != NULL) {
        count->served_count++;
    }

    bool good = read_file(file, count);
    fclose(file);
    if (set->target_percent > 0) {
        good = tell_accuracy(count) && good;
    }
    good = tell_costs(count) && good;
    free(count->us);
    free(count);
    return good ? 0 : 1;
}

int main(int argc, char **argv)
{
    const char *folder = "../shared/data";
    if (argc == 3 && strcmp(argv[1], "--data") == 0) {
        folder = argv[2];
    } else if (argc != 1) {
        fprintf(stderr, "usage: language-accuracy [--data FOLDER]\n");
        return 2;
    }
    int result = 0;
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        int one = measure(folder, &sets[i]);
        if (one == 1 || result == 0) {
            result = one == 0 ? result : one;
        }
    }
    return result;
}
