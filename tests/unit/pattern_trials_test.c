// pattern_trials_test.c - patterns as PR leads write them, and texts that they must find and must not find.
//
//   pattern_trials_test FILE
//
// The file, which is not part of this project, has a line for each trial: kind, pattern, text (with \uXXXX escapes) and
// what is expected, parted by tabs.  Without it the test says so and ends with 77, which CTest shows as skipped.  Rows
// that only the sense of a text can tell are named here, and only reported.

#include "broker/triage/patterns.h"
#include "broker/triage/readings.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SKIPPED 77

// Texts whose sense alone tells that the pattern is not meant.
static const char *const by_sense[] = {
    "Sue was lovely, thanks Sue",
    "Love, Sue",
    "#lawyerlife",
    "food court was nice",
    "tennis court booked",
    "un court instant",
    "top gun",
    "this pizza is the bomb",
    "Die Hard",
    "to die for",
    "Amazon Fire tablet",
    "kill time",
    "my phone died",
    "動物病院の広告",
};

static bool needs_sense(const char *text)
{
    for (size_t i = 0; i < sizeof by_sense / sizeof by_sense[0]; i++) {
        if (strcmp(by_sense[i], text) == 0) {
            return true;
        }
    }
    return false;
}

// Replaces \uXXXX in place.
static void unescape(char *text)
{
    char *to = text;
    for (const char *from = text; *from != '\0';) {
        unsigned code = 0;
        if (from[0] != '\\' || from[1] != 'u' || sscanf(from + 2, "%4x", &code) != 1) {
            *to++ = *from++;
            continue;
        }
        struct plain_text one = { 0 };
        plain_text_append(&one, code);
        memcpy(to, one.text, one.bytes);
        to += one.bytes;
        plain_text_fini(&one);
        from += 6;
    }
    *to = '\0';
}

static bool found(const char *pattern, const char *text, struct readings *readings, struct patterns_memory *memory)
{
    char reason[PATTERN_REASON_BYTES] = "";
    uint32_t at_fault = 0;
    size_t count = 0;
    struct patterns *patterns = patterns_new();
    struct pattern_terms terms = { 0, "" };
    patterns_add_name(patterns, "Skyline Air");
    if (!patterns_add(patterns, pattern, strlen(pattern), &terms, reason) ||
        !patterns_compile(patterns, &at_fault, reason)) {
        fprintf(stderr, "%s: %s\n", pattern, reason);
        exit(1);
    }
    readings_take(readings, text, strlen(text));
    patterns_find(patterns, memory, readings, &count);
    patterns_destroy(&patterns);
    return count == 1;
}

int main(int argc, char **argv)
{
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    if (file == NULL) {
        printf("skipped: %s: %s\n", argc == 2 ? argv[1] : "no file", strerror(errno));
        return SKIPPED;
    }
    struct readings *readings = readings_new();
    struct patterns_memory *memory = patterns_memory_new();
    char line[4096];
    int rows = 0, failed = 0, wished = 0, had = 0, sense = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        char *rest = line;
        line[strcspn(line, "\r\n")] = '\0';
        const char *kind = strsep(&rest, "\t");
        char *pattern = strsep(&rest, "\t");
        char *text = strsep(&rest, "\t");
        const char *expected = rest;
        if (expected == NULL || strcmp(kind, "kind") == 0) {
            continue;
        }
        rows++;
        unescape(text);
        bool is_found = found(pattern, text, readings, memory);
        bool wish = strncmp(expected, "match,", 6) == 0;
        bool right = is_found == (strncmp(expected, "match", 5) == 0);
        bool by = strcmp(expected, "no match") == 0 && needs_sense(text);
        wished += wish;
        had += wish && right;
        sense += by && !right;
        if (!right) {
            printf("%s: %s: \"%s\" is %sfound in \"%s\"\n",
                   wish ? "not had"
                   : by ? "by sense"
                        : "WRONG",
                   kind, pattern, is_found ? "" : "not ", text);
            failed += !wish && !by;
        }
    }
    printf("%d rows: %d wrong; of %d that would be nice %d; %d that only sense tells\n", rows, failed, wished, had,
           sense);
    fclose(file);
    patterns_memory_destroy(&memory);
    readings_destroy(&readings);
    return failed == 0 && rows > 0 ? 0 : 1;
}
