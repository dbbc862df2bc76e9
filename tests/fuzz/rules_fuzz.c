// rules_fuzz.c - any text at all is read as rules, or refused with problems that can be sent and shown.
//
// A libFuzzer entry with BEHALF_FUZZ; else a program that runs it over good rules spoilt in ways made from a
// fixed seed (or the one given), for any compiler and for a few seconds.

#include "broker/triage/triage.h"
#include "proto/base/must.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistr.h>

static void check_text(const char *text, size_t bytes_max)
{
    must(strlen(text) <= bytes_max);
    must(u8_check((const uint8_t *) text, strlen(text)) == NULL);
    for (; *text != '\0'; text++) {
        must((unsigned char) *text >= 0x20 && *text != 0x7F);
    }
}

// What a problem promises whoever shows it, and the message that carries it (records.def).
static void check_problems(const struct rules_problems *problems)
{
    must(problems->count <= 64);
    must(problems->count <= problems->found);
    for (size_t i = 0; i < problems->count; i++) {
        const struct behalf_problem *problem = &problems->problems[i];
        must(problem->line >= 1);
        must(problem->column >= 1);
        must(i == 0 || problem->line >= problems->problems[i - 1].line);
        must(problem->message[0] != '\0');
        check_text(problem->key, 256);
        check_text(problem->message, 1024);
    }
}

static void check_policy(const struct policy *policy)
{
    must(policy->language_count >= 1 && strcmp(policy->languages[0].name, "und") == 0);
    must(policy->brand_count <= POLICY_SET_MAX && policy->language_count <= POLICY_SET_MAX);
    must(policy->skill_count <= POLICY_SET_MAX && policy->channel_count <= POLICY_CHANNELS_MAX);
    for (size_t i = 0; i < policy->brand_count; i++) {
        const struct policy_brand *brand = &policy->brands[i];
        must(brand->retired || strstr(brand->disclosure, "{agency}") != NULL);
        must(brand->und_language < policy->language_count);
        must((brand->languages & UINT64_C(1) << brand->und_language) != 0);
    }
    for (size_t i = 0; i < policy->person_count; i++) {
        const struct policy_person *person = &policy->people[i];
        bool agent = (person->audiences & 1u << AUDIENCE_AGENT) != 0;
        must(person->capacity >= 1 && person->capacity <= 100);
        must(!agent || person->agency < policy->agency_count);
        must(!agent || (person->audiences & 1u << AUDIENCE_PR) == 0);
    }
}

static void check_triage(const struct rules *rules, const char *text)
{
    const struct policy *policy = rules_policy(rules);
    struct triage *triage = triage_new();
    struct behalf_post post = { .channel = policy->channels[0].name,
                                .brand = policy->brands[0].name,
                                .post = "1",
                                .author = "a",
                                .text = text,
                                .language = "" };
    struct needs needs;
    const char *field = NULL;
    must(triage_post(triage, rules, &post, "", &needs, &field));
    must(needs.language < policy->language_count);
    must(needs.audience == AUDIENCE_AGENT || needs.audience == AUDIENCE_PR);
    must(!(needs.noise && needs.audience == AUDIENCE_PR));
    must(needs.band < POLICY_BANDS);
    triage_destroy(&triage);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    // Cut where a fuzzer's inputs have a NUL, so that what follows is the post.
    const uint8_t *end = count > 0 ? memchr(bytes, '\0', count) : NULL;
    size_t text_bytes = end != NULL ? (size_t) (end - bytes) : count;
    struct rules_problems problems = { 0 };
    struct rules *rules = rules_new((const char *) bytes, text_bytes, NULL, 1, &problems);
    must((rules == NULL) == (problems.found > 0));
    check_problems(&problems);
    rules_problems_fini(&problems);
    if (rules == NULL) {
        return 0;
    }
    check_problems(rules_warnings(rules));
    check_policy(rules_policy(rules));

    struct rules *again = rules_new((const char *) bytes, text_bytes, rules, 2, &problems);
    must(again != NULL);
    must(rules_policy(again)->person_count == rules_policy(rules)->person_count);
    must(rules_policy(again)->language_count == rules_policy(rules)->language_count);
    check_policy(rules_policy(again));
    char *post = strndup((const char *) bytes, text_bytes);
    must(post != NULL);
    check_triage(again, post);
    free(post);
    rules_destroy(&again);
    rules_destroy(&rules);
    return 0;
}

#ifndef BEHALF_FUZZER

#define RUNS 1000
#define INPUT_BYTES 8192

static const char good[] =
    "desk: demo\n"
    "times: { offer: 30 s, expire: never }\n"
    "channels:\n  chirp: { length: 280, reply_window: 7 days }\n  pagebook:\n"
    "skills: [refunds, cards]\n"
    "agencies: [Northline]\n"
    "brands:\n  acme:\n    display_name: Acme\n    languages: [en, de]\n    undetermined: de\n"
    "    disclosure: \"{first_name} from {agency} for {brand}\"\n    take: automatic\n    approve: [money]\n"
    "    service_level: { agent: 1 h, pr: 2 h }\n    escalate_late: yes\n    guidance: >-\n      Kind.\n      Brief.\n"
    "topics:\n  money:\n    skill: refunds\n    band: high\n    patterns: { en: [refund*, money back], de: "
    "[geld*zurück] }\n"
    "sensitive:\n  legal: { patterns: [lawyer, \"/\\\\banw[aä]lt(e|in)?\\\\b/\"], reach: 50 000, channels: [chirp] }\n"
    "noise:\n  nothing: { empty: yes, only: [links, emoji], patterns: [spam] }\n"
    "people:\n  asha:\n    display_name: Asha Rao\n    roles: [agent]\n    agency: Northline\n    brands: all\n"
    "    languages: { en: 9, de: 3 }\n    skills: [refunds, cards]\n    capacity: 2\n"
    "  petra: { display_name: Petra, roles: [pr, approver], brands: [acme], languages: all }\n";

// xorshift64*: enough to spread inputs, and the same everywhere.
static uint64_t draw(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * UINT64_C(2685821657736338717);
}

struct input {
    uint8_t bytes[INPUT_BYTES];
    size_t count;
};

static void replace(struct input *input, size_t at, size_t gone, const char *text, size_t bytes)
{
    if (gone > input->count - at) {
        gone = input->count - at;
    }
    if (input->count - gone + bytes > INPUT_BYTES) {
        return;
    }
    memmove(input->bytes + at + bytes, input->bytes + at + gone, input->count - at - gone);
    memcpy(input->bytes + at, text, bytes);
    input->count += bytes - gone;
}

static size_t line_start(const struct input *input, size_t at)
{
    while (at > 0 && input->bytes[at - 1] != '\n') {
        at--;
    }
    return at;
}

static size_t line_bytes(const struct input *input, size_t at)
{
    const uint8_t *end = memchr(input->bytes + at, '\n', input->count - at);
    return end != NULL ? (size_t) (end - input->bytes) - at + 1 : input->count - at;
}

// Spoils one thing: puts in, takes out, or repeats.
static void spoil(struct input *input, uint64_t *seed)
{
    static const char *const pieces[] = {
        "[",       "]",        "{",      "}",       ":",
        ",",       "\n",       "  ",     "\"",      "*",
        "&a",      "!t",       "---\n",  "# ",      "all",
        "und",     "never",    "0",      "-1",      "99999999999999999999",
        "yes",     "~",        "|",      ">",       "\t",
        "\xFF",    "\u202E",   "\u2028", "/(/",     "\"/a{1,99}/\"",
        "/\\b/",   "\\",       "{name}", "{nome}",  "pr",
        "agent",   "refunds",  "acme",   "x: y\n",  "patterns: [a*b*c]\n",
        "1 h",     "3 yrs",    "\u3042", "languag", "money",
        "[[[[[[[", "{ a: { b", "\u200B", "'",       "/[\\w-]+x/",
    };
    size_t at = input->count > 0 ? draw(seed) % input->count : 0;
    const char *piece = pieces[draw(seed) % (sizeof pieces / sizeof *pieces)];
    switch (draw(seed) % 5) {
    case 0:
        replace(input, at, 0, piece, strlen(piece));
        break;
    case 1:
        replace(input, at, draw(seed) % 8, piece, strlen(piece));
        break;
    case 2:
        replace(input, at, 1 + draw(seed) % 3, "", 0);
        break;
    case 3:
        at = line_start(input, at);
        replace(input, at, line_bytes(input, at), "", 0);
        break;
    default: {
        char line[256];
        size_t from = line_start(input, at);
        size_t bytes = line_bytes(input, from);
        if (bytes <= sizeof line) {
            memcpy(line, input->bytes + from, bytes);
            replace(input, line_start(input, draw(seed) % (input->count + 1)), 0, line, bytes);
        }
    }
    }
}

int main(int argc, char **argv)
{
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 0) : 20261122;
    static struct input input;
    LLVMFuzzerTestOneInput((const uint8_t *) good, sizeof good - 1);
    for (uint64_t i = 0; i < RUNS; i++) {
        uint64_t seed = (first + i) * UINT64_C(0x9E3779B97F4A7C15) | 1;
        memcpy(input.bytes, good, sizeof good - 1);
        input.count = sizeof good - 1;
        for (uint64_t left = 1 + draw(&seed) % 4; left > 0; left--) {
            spoil(&input, &seed);
        }
        LLVMFuzzerTestOneInput(input.bytes, input.count);
    }
    printf("seed %llu: %d texts read as rules\n", (unsigned long long) first, RUNS);
    return 0;
}

#endif
