// language_accuracy.c - prints how often language_detect is right on posts that people have labelled.
//
//   language-accuracy [--data FOLDER]
//
// Two sets: posts of European brands' customers in five languages, and tweets from Spain and Portugal in
// six close ones (only those with exactly one label).  An answer `und` counts as wrong.  The posts are not
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
#define LANGUAGES_MAX 8
#define FIELDS_MAX 16
#define FIELD_BYTES 32768

struct set {
    const char *file;
    const char *const served[LANGUAGES_MAX]; // ends with NULL
    double target_percent;
};

static const struct set sets[] = {
    { "langid_carter5.csv", { "en", "de", "fr", "es", "nl", NULL }, 94.8 },
    { "langid_tweetlid.csv", { "es", "pt", "ca", "en", "gl", "eu", NULL }, 92.0 },
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
    double seconds;                             // spent in language_detect
};

static double now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

static size_t column_of(const struct count *count, const char *code)
{
    size_t i = 0;
    while (i < count->served_count && strcmp(count->set->served[i], code) != 0)
        i++;
    return i;
}

static void judge(struct count *count, const char *label, const char *text)
{
    size_t expected = column_of(count, label);
    if (expected == count->served_count)
        return;

    struct language_request request = { .served = count->set->served, .served_count = count->served_count };
    struct language_verdict verdict;
    double start = now_seconds();
    language_detect(text, &request, &verdict);
    count->seconds += now_seconds() - start;

    size_t answer = column_of(count, verdict.language);
    count->posts++;
    count->right += answer == expected;
    count->answers[expected][answer]++;
}

static void take_field(void *field, size_t bytes, void *context)
{
    struct count *count = context;
    if (count->field_count == FIELDS_MAX)
        return;
    char *copy = count->fields[count->field_count++];
    size_t kept = bytes < FIELD_BYTES - 1 ? bytes : FIELD_BYTES - 1;
    if (kept > 0)
        memcpy(copy, field, kept);
    copy[kept] = '\0';
}

static void read_headings(struct count *count)
{
    for (int i = 0; i < count->field_count; i++) {
        if (strcmp(count->fields[i], "lang") == 0)
            count->label_column = i;
        if (strcmp(count->fields[i], "text") == 0)
            count->text_column = i;
    }
}

static void take_row(int end, void *context)
{
    (void) end;
    struct count *count = context;
    if (count->rows++ == 0)
        read_headings(count);
    else if (count->label_column < count->field_count && count->text_column < count->field_count)
        judge(count, count->fields[count->label_column], count->fields[count->text_column]);
    count->field_count = 0;
}

static bool read_file(FILE *file, struct count *count)
{
    struct csv_parser parser;
    char block[65536];
    size_t bytes;
    if (csv_init(&parser, 0) != 0)
        return false;
    while ((bytes = fread(block, 1, sizeof block, file)) > 0)
        if (csv_parse(&parser, block, bytes, take_field, take_row, count) != bytes)
            break;
    bool good = feof(file) != 0;
    csv_fini(&parser, take_field, take_row, count);
    csv_free(&parser);
    return good;
}

static void print_counts(const struct count *count)
{
    printf("%-6s", "label");
    for (size_t i = 0; i < count->served_count; i++)
        printf("%7s", count->set->served[i]);
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

// Measures one set.  Returns 0 if it reaches its target, 1 if not, SKIPPED if the file is not there.
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
    if (count == NULL)
        abort();
    count->set = set;
    count->label_column = count->text_column = FIELDS_MAX;
    while (set->served[count->served_count] != NULL)
        count->served_count++;

    bool good = read_file(file, count);
    fclose(file);
    double percent = count->posts > 0 ? 100.0 * (double) count->right / (double) count->posts : 0.0;
    printf("%s: %ld of %ld posts right, %.2f %%, target %.1f %%, margin %+.2f; %.1f us a post\n", set->file,
           count->right, count->posts, percent, set->target_percent, percent - set->target_percent,
           count->posts > 0 ? 1e6 * count->seconds / (double) count->posts : 0.0);
    print_counts(count);
    good = good && count->posts > 0 && percent >= set->target_percent;
    if (!good)
        printf("%s: below its target\n", set->file);
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
        if (one == 1 || result == 0)
            result = one == 0 ? result : one;
    }
    return result;
}
