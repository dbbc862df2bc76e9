// feeder.c - the posts it makes, and how many are on their way: see feeder.h.

#include "tests/bench/feeder.h"

#include "proto/base/must.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// Nothing that the rules of the bench look for.
static const char *const words[] = {
    "the",     "submission", "flight",  "has",     "not",     "arrived",  "yet",  "and",     "nobody", "answers",
    "my",      "calls",      "since",   "Tuesday", "morning", "could",    "you",  "please",  "tell",   "me",
    "when",    "it",         "will",    "be",      "here",    "because",  "our",  "holiday", "begins", "tomorrow",
    "again",   "this",       "was",     "late",    "last",    "week",     "too",  "I",       "waited", "three",
    "hours",   "at",         "gate",    "with",    "two",     "children", "what", "should",  "we",     "do",
    "now",     "your",       "app",     "shows",   "another", "number",   "than", "letter",  "thanks", "for",
    "looking", "into",       "problem", "soon",
};
#define WORD_COUNT (sizeof words / sizeof *words)

// Exactly BENCH_BODY_BYTES of words; the number makes them differ.
static void write_body(char *body, uint64_t number)
{
    uint64_t random = (number + 1) * UINT64_C(0x9E3779B97F4A7C15);
    size_t bytes = (size_t) snprintf(body, BENCH_BODY_BYTES + 1, "@acme order %" PRIu64, number);
    while (bytes < BENCH_BODY_BYTES) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        const char *word = words[random % WORD_COUNT];
        body[bytes++] = ' ';
        size_t length = strnlen(word, BENCH_BODY_BYTES - bytes);
        memcpy(body + bytes, word, length);
        bytes += length;
    }
    body[BENCH_BODY_BYTES] = '\0';
}

static void note_taken(struct feeder *feeder, int64_t request)
{
    for (uint64_t number = feeder->before; number < feeder->sent; number++) {
        if (feeder->requests[number] != request) {
            continue;
        }
        feeder->requests[number] = 0;
        feeder->answered++;
        samples_add(&feeder->taken, bench_now_ns() - feeder->sent_ns[number]);
        break;
    }
    while (feeder->before < feeder->sent && feeder->requests[feeder->before] == 0) {
        feeder->before++;
    }
}

static void hear(struct member *member, const struct behalf_message *message, void *owner)
{
    (void) member;
    if (message->type == BEHALF_TAKEN || message->type == BEHALF_ERROR) {
        note_taken(owner, message->id);
    }
}

bool feeder_init(struct feeder *feeder, struct crew *crew, const char *endpoint)
{
    return feeder_init_at(feeder, crew, endpoint, NULL);
}

bool feeder_init_at(struct feeder *feeder, struct crew *crew, const char *endpoint, const char *desk)
{
    const struct behalf_hello hello = {
        .role = "connector", .name = "feed", .instance = "feed-1", .program = "bench", .desk = desk
    };
    *feeder = (struct feeder){ .member = crew_join(crew, endpoint, &hello, hear, feeder) };
    return feeder->member != NULL;
}

void feeder_fini(struct feeder *feeder)
{
    free(feeder->sent_ns);
    free(feeder->requests);
    samples_fini(&feeder->taken);
    *feeder = (struct feeder){ 0 };
}

static void make_room(struct feeder *feeder)
{
    if (feeder->sent < feeder->room) {
        return;
    }
    feeder->room = feeder->room ? 2 * feeder->room : 8192;
    feeder->sent_ns = realloc(feeder->sent_ns, feeder->room * sizeof *feeder->sent_ns);
    feeder->requests = realloc(feeder->requests, feeder->room * sizeof *feeder->requests);
    must(feeder->sent_ns != NULL && feeder->requests != NULL);
}

void feeder_post(struct feeder *feeder)
{
    char body[BENCH_BODY_BYTES + 1], post[32], author[32];
    struct timespec now;
    uint64_t number = feeder->sent;
    make_room(feeder);
    must(clock_gettime(CLOCK_REALTIME, &now) == 0);
    write_body(body, number);
    snprintf(post, sizeof post, "post-%012" PRIu64, number);
    snprintf(author, sizeof author, "author-%" PRIu64, number);
    const struct behalf_message message = { .type = BEHALF_POST,
                                            .post = { .channel = "bench",
                                                      .post = post,
                                                      .brand = "acme",
                                                      .author = author,
                                                      .author_name = "Jo Doe",
                                                      .reach = 250,
                                                      .text = body,
                                                      .posted_ms =
                                                          (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000 } };
    feeder->sent_ns[number] = bench_now_ns();
    feeder->requests[number] = member_send(feeder->member, &message);
    feeder->sent++;
}

uint64_t feeder_number(const char *post)
{
    const char *dash = strrchr(post, '-');
    return dash != NULL ? strtoull(dash + 1, NULL, 10) : UINT64_MAX;
}
