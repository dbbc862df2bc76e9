// plain_text_fuzz.c - any bytes at all are made plain, and come out as promised.
//
// A libFuzzer entry with BEHALF_FUZZ; else a program that runs it over inputs made from a fixed seed (or
// the one given), for any compiler and for a second.

#include "broker/triage/language.h"
#include "broker/triage/patterns.h"
#include "broker/triage/plain_text.h"
#include "broker/triage/readings.h"
#include "proto/base/must.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unictype.h>
#include <unistr.h>

// What is promised of a text for the language.
static void check(const struct plain_text *plain)
{
    must(plain->text != NULL);
    must(plain->bytes <= PLAIN_TEXT_OUTPUT_BYTES);
    must(plain->bytes < plain->capacity);
    must(strlen(plain->text) == plain->bytes);
    must(u8_check((const uint8_t *) plain->text, plain->bytes) == NULL);
    must(strstr(plain->text, "  ") == NULL);
    must(plain->bytes == 0 || (plain->text[0] != ' ' && plain->text[plain->bytes - 1] != ' '));
    for (size_t i = 0; i < plain->bytes;) {
        uint32_t code;
        i += plain_text_character(plain->text + i, plain->bytes - i, &code);
        must(code >= 0x20);
        must(!uc_is_property_default_ignorable_code_point((ucs4_t) code));
    }
}

// Patterns of every kind, one of them exact.
static struct patterns *make_patterns(void)
{
    static const char *const words[] = { "sue",   "a*b",     "data breach",  "l'avocat", "けが",
                                         "律",    "адвокат", "변호사",       "rück*ung", "24/7",
                                         "/a.c/", "@a",      "won't pay now" };
    struct patterns *patterns = patterns_new();
    char reason[PATTERN_REASON_BYTES];
    uint32_t at_fault = 0;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        struct pattern_terms terms = { i % 4 == 3 ? FOLDING_ALL : 0, "" };
        must(patterns_add(patterns, words[i], strlen(words[i]), &terms, reason));
    }
    must(patterns_compile(patterns, &at_fault, reason));
    return patterns;
}

// And of readings, exact and not, and what is found in them.
static void check_readings(const uint8_t *bytes, size_t count)
{
    static struct patterns *patterns; // of the process, as long as it lives
    static struct patterns_memory *memory;
    if (patterns == NULL) {
        patterns = make_patterns();
        memory = patterns_memory_new();
    }
    struct readings *readings = readings_new();
    readings_take(readings, (const char *) bytes, count);
    size_t found = 0;
    patterns_find(patterns, memory, readings, &found);
    must(found <= patterns_count(patterns));
    for (unsigned exact = 0; exact < 2; exact++) {
        size_t reading_count = 0;
        const struct reading *all = readings_write(readings, exact == 0 ? 0 : FOLDING_ALL, &reading_count);
        must(reading_count >= 1 && reading_count <= READINGS_MAX);
        for (size_t i = 0; i < reading_count; i++) {
            must(strlen(all[i].text) == all[i].bytes);
            must(u8_check((const uint8_t *) all[i].text, all[i].bytes) == NULL);
            for (size_t at = 0; at < all[i].bytes; at++) {
                must(all[i].text[at] < 'A' || all[i].text[at] > 'Z');
            }
        }
    }
    readings_destroy(&readings);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct plain_text plain = { 0 };
    check_readings(bytes, count);
    plain_text_for_language(&plain, (const char *) bytes, count);
    check(&plain);
    plain_text_fini(&plain);

    char *text = malloc(count + 1);
    must(text != NULL);
    if (count > 0) {
        memcpy(text, bytes, count);
    }
    text[count] = '\0';
    struct language_verdict verdict;
    struct language_request request = { .served = (const char *const[]){ "en", "de", "ja" }, .served_count = 3 };
    language_detect(text, &request, &verdict);
    must(verdict.reason[0] != '\0');
    free(text);
    return 0;
}

#ifndef BEHALF_FUZZER

#define RUNS 4000
#define INPUT_BYTES 256

// xorshift64*: enough to spread inputs, and the same everywhere.
static uint64_t draw(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * UINT64_C(2685821657736338717);
}

// Pieces that mean something to the code under test, put together at random with any characters between.
static size_t make_input(uint64_t *seed, uint8_t *input)
{
    static const char *const pieces[] = {
        "&amp;",
        "&#x",
        "&#128514;",
        "&eacute;",
        "&",
        ";",
        "#",
        "@",
        "http://",
        "www.",
        "a.b/c",
        "RT ",
        ":D",
        "xD",
        " ",
        "\t",
        "\u00A0",
        "\u200B",
        "\u202E",
        "\uFE0F",
        "\u0301",
        "\u0316",
        "\u0336",
        "\u0345",
        "\u0130",
        "\u1E9E",
        "\uFDFA",
        "\uFF21",
        "\uFB03",
        "\U0001D4D0",
        "\U0001F602",
        "\u3042",
        "\uAC00",
        "\u1100",
        "\u1161",
        "\u00DF",
        "danke ",
        "the ",
        "A",
        "z",
        "#AbC",
        "r.a.c ",
        "\u0430",
        "\u0287",
        "\u202C",
        "aaa",
        "a1b",
        "a*b ",
        "sue",
        "lawyer",
        "\u3051\u304C",
        "\u5F8B",
        "\uBCC0\uD638\uC0AC",
        "data",
        "1",
        "_",
        "-",
        "'",
        ".",
        "\xFF",
        "\xE2\x82",
        "\xED\xA0\x80",
    };
    size_t count = 0;
    size_t wanted = draw(seed) % (INPUT_BYTES - 16);
    while (count < wanted) {
        if (draw(seed) % 4 == 0) {
            uint8_t one[6];
            int used = u8_uctomb(one, (ucs4_t) (draw(seed) % 0x11000), sizeof one);
            memcpy(input + count, one, used > 0 ? (size_t) used : 0);
            count += used > 0 ? (size_t) used : 0;
            continue;
        }
        const char *piece = pieces[draw(seed) % (sizeof pieces / sizeof *pieces)];
        memcpy(input + count, piece, strlen(piece));
        count += strlen(piece);
    }
    return count;
}

// Inputs that would show time growing faster than length: each as long as a post may be.
static void run_long_inputs(void)
{
    static const char *const units[] = {
        "a.", ":D", "&amp;", "&#1",  "\u0301", "\u0336",       "e\u0301\u0316", "\uFDFA", "@",
        "#a", "-",  "'a",    "http", "\u0130", "\u1100\u1161", "a@b.",          "://",    "A ",
    };
    static uint8_t input[PLAIN_TEXT_INPUT_BYTES];
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        size_t bytes = strlen(units[i]);
        size_t count = 0;
        for (; count + bytes <= sizeof input; count += bytes) {
            memcpy(input + count, units[i], bytes);
        }
        LLVMFuzzerTestOneInput(input, count);
    }
}

int main(int argc, char **argv)
{
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 0) : 20261122;
    static uint8_t input[INPUT_BYTES];
    run_long_inputs();
    for (uint64_t i = 0; i < RUNS; i++) {
        uint64_t seed = (first + i) * UINT64_C(0x9E3779B97F4A7C15) | 1;
        LLVMFuzzerTestOneInput(input, make_input(&seed, input));
    }
    printf("seed %llu: %d inputs made plain\n", (unsigned long long) first, RUNS);
    return 0;
}

#endif
