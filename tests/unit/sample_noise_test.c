// sample_noise_test.c - the sample rules close no customer's post of the sample sets as noise.
//
//   sample_noise_test RULES FOLDER
//
// The posts are those of customers in the care threads of four public sets; noise was looked for among them when the
// rules for noise in deploy/rules.yaml were written, so that they show that these rules were not made worse, and not
// how often they are wrong elsewhere.  The sets are not part of this project: without them the program says so and ends
// with 77, which CTest shows as skipped.  No text of theirs is printed, only its id.

#include "broker/triage/triage.h"
#include "proto/base/must.h"

#include <csv.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SKIPPED 77
#define FIELDS_MAX 16
#define FIELD_BYTES 32768
#define RULES_BYTES (1024 * 1024)

// A file of posts and replies: the column that says who wrote a row, and what it says there of a customer.
static const struct set {
    const char *file;
    const char *who, *customer;
    long posts_min; // of customers; fewer are not the whole set
} sets[] = {
    { "twcs_threads.csv", "inbound", "True", 1300 },
    { "twcs_mixed.csv", "inbound", "True", 1300 },
    { "twcs_spotify.csv", "inbound", "True", 6000 },
    { "care_conversations_ibm.csv", "role", "client", 500 },
};

struct reading {
    const struct set *set;
    struct rules *rules;
    struct triage *triage;
    char names[FIELDS_MAX][64];
    char fields[FIELDS_MAX][FIELD_BYTES]; // of the row being read
    size_t name_count, field_count;
    bool headed;
    long posts;  // of customers
    long closed; // of these, as noise
};

static const char *cell(const struct reading *reading, const char *name)
{
    for (size_t i = 0; i < reading->name_count; i++) {
        if (strcmp(reading->names[i], name) == 0) {
            return reading->fields[i];
        }
    }
    fprintf(stderr, "%s has no column %s\n", reading->set->file, name);
    exit(1);
}

// As a first post, which nothing spares: that the desk closes no further post of a thread is tested there.
static void judge(struct reading *reading)
{
    const struct set *set = reading->set;
    struct behalf_post post = { .channel = "chirp",
                                .post = cell(reading, "tweet_id"),
                                .brand = "telvia",
                                .author = "customer",
                                .text = cell(reading, "text"),
                                .language = "" };
    struct needs needs;
    const char *field = "";
    if (strcmp(cell(reading, set->who), set->customer) != 0) {
        return;
    }
    must(triage_post(reading->triage, reading->rules, &post, "", &needs, &field));
    reading->posts++;
    reading->closed += needs.noise;
    if (needs.noise) {
        printf("%s: %s is closed by %s\n", set->file, post.post, needs.rule);
    }
}

static void take_field(void *field, size_t bytes, void *context)
{
    struct reading *reading = context;
    if (reading->field_count == FIELDS_MAX) {
        return;
    }
    char *copy = reading->fields[reading->field_count++];
    size_t kept = bytes < FIELD_BYTES - 1 ? bytes : FIELD_BYTES - 1;
    if (kept > 0) {
        memcpy(copy, field, kept);
    }
    copy[kept] = '\0';
}

static void take_row(int end, void *context)
{
    (void) end;
    struct reading *reading = context;
    for (size_t i = 0; !reading->headed && i < reading->field_count; i++) {
        snprintf(reading->names[i], sizeof reading->names[i], "%.63s", reading->fields[i]);
    }
    if (!reading->headed) {
        reading->name_count = reading->field_count;
    } else if (reading->field_count == reading->name_count) {
        judge(reading);
    }
    reading->headed = true;
    reading->field_count = 0;
}

static void read_set(FILE *file, struct reading *reading)
{
    struct csv_parser parser;
    char block[65536];
    size_t bytes;
    must(csv_init(&parser, 0) == 0);
    while ((bytes = fread(block, 1, sizeof block, file)) > 0) {
        must(csv_parse(&parser, block, bytes, take_field, take_row, reading) == bytes);
    }
    csv_fini(&parser, take_field, take_row, reading);
    csv_free(&parser);
}

static struct rules *read_rules(const char *path)
{
    static char text[RULES_BYTES];
    FILE *file = fopen(path, "r");
    must(file != NULL);
    size_t bytes = fread(text, 1, sizeof text, file);
    fclose(file);
    struct rules_problems problems = { 0 };
    struct rules *rules = rules_new(text, bytes, NULL, 1, &problems);
    must(rules != NULL);
    return rules;
}

static bool test_set(const struct set *set, const char *folder, struct reading *reading)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, set->file);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        printf("skipped: %s is not there; the data are not part of the project\n", path);
        exit(SKIPPED);
    }
    *reading = (struct reading){ .set = set, .rules = reading->rules, .triage = reading->triage };
    read_set(file, reading);
    fclose(file);
    printf("%s: %ld posts of customers, %ld closed as noise\n", set->file, reading->posts, reading->closed);
    return reading->posts >= set->posts_min && reading->closed == 0;
}

int main(int argument_count, char **arguments)
{
    must(argument_count == 3);
    static struct reading reading;
    bool good = true;
    reading.rules = read_rules(arguments[1]);
    reading.triage = triage_new();
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        good = test_set(&sets[i], arguments[2], &reading) && good;
    }
    triage_destroy(&reading.triage);
    rules_destroy(&reading.rules);
    return good ? 0 : 1;
}
