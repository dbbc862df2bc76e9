// wording.c - the facts of an offer as a text, and the sentence that they make.
//
// Both are put together by copies alone: what formats with printf cost three quarters of an offer.

#include "broker/desk/wording.h"

#include "broker/desk/policy.h"
#include "proto/base/must.h"

#include <assert.h>
#include <behalf/limits.h>
#include <string.h>

#define NUMBER_DIGITS 20 // of the largest number

static_assert(WORDING_FIRST_MAX * (BEHALF_NAME_BYTES + 4 * (NUMBER_DIGITS + 1) + 2) + 256 <= WORDING_BYTES_MIN,
              "the facts fit");

// ---- a text that grows ----

struct text {
    char *memory; // ends with a NUL
    size_t bytes;
    size_t capacity; // with the NUL
    bool full;       // something did not fit
};

static struct text text_in(char *memory, size_t memory_bytes)
{
    must(memory_bytes > 0);
    memory[0] = '\0';
    return (struct text){ .memory = memory, .capacity = memory_bytes };
}

static void add_bytes(struct text *text, const char *bytes, size_t count)
{
    if (text->full || count >= text->capacity - text->bytes) {
        text->full = true;
        return;
    }
    memcpy(text->memory + text->bytes, bytes, count);
    text->bytes += count;
    text->memory[text->bytes] = '\0';
}

static void add(struct text *text, const char *words)
{
    add_bytes(text, words, strlen(words));
}

static void add_number(struct text *text, uint64_t number)
{
    char digits[NUMBER_DIGITS];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char) ('0' + number % 10);
    } while ((number /= 10) != 0);
    add_bytes(text, digits + at, sizeof digits - at);
}

// ---- keeping ----

static void keep_candidate(struct text *text, const struct wording_candidate *candidate)
{
    add(text, ", ");
    add(text, candidate->name);
    add(text, "/");
    add_number(text, candidate->in_hand);
    add(text, "/");
    add_number(text, candidate->skill);
    add(text, "/");
    add_number(text, candidate->language);
    add(text, "/");
    add_number(text, candidate->idle_s);
}

static void keep_order(struct text *text, const uint8_t *order)
{
    add(text, ", by ");
    for (size_t i = 0; order[i] != CHOOSE_NOTHING; i++) {
        add(text, i > 0 ? "/" : "");
        add(text, policy_choice_name((enum policy_choice) order[i]));
    }
}

static void keep_place(struct text *text, const struct wording_offer *offer)
{
    add(text, ", kept/");
    add_number(text, offer->kept_hands);
    add(text, "/");
    add(text, offer->spared);
    add(text, "/");
    add(text, offer->kept);
}

const char *wording_keep(const struct wording_offer *offer, char *memory, size_t memory_bytes)
{
    struct text text = text_in(memory, memory_bytes);
    must(memory_bytes >= WORDING_BYTES_MIN);
    must(offer->first_count == (offer->fit < WORDING_FIRST_MAX ? offer->fit : WORDING_FIRST_MAX));
    add_number(&text, offer->fit);
    add(&text, " fit");
    for (uint32_t i = 0; i < offer->first_count; i++) {
        keep_candidate(&text, &offer->first[i]);
    }
    keep_order(&text, offer->order);
    if (offer->declined) {
        add(&text, ", after declines");
    }
    if (offer->ahead == WORDING_AHEAD_OF_MORE) {
        add(&text, ", ahead of more/");
        add_number(&text, offer->hands);
    } else if (offer->ahead == WORDING_AHEAD_OF_FEW) {
        add(&text, ", ahead of few");
    }
    must(!text.full);
    size_t bytes = text.bytes;
    if (offer->spared != NULL) {
        keep_place(&text, offer);
    }
    if (text.full) {
        memory[bytes] = '\0';
    }
    return memory;
}

// ---- wording ----

// What is left to be read of the facts.
struct facts {
    const char *at;
};

// Passes over these words, if they come next.
static bool pass(struct facts *facts, const char *words)
{
    size_t bytes = strlen(words);
    if (strncmp(facts->at, words, bytes) != 0) {
        return false;
    }
    facts->at += bytes;
    return true;
}

// Adds the number that comes next.
static bool say_number(struct facts *facts, struct text *text)
{
    size_t digits = strspn(facts->at, "0123456789");
    if (digits == 0 || digits > NUMBER_DIGITS) {
        return false;
    }
    add_bytes(text, facts->at, digits);
    facts->at += digits;
    return true;
}

// Adds the name that comes next, up to the slash behind it.
static bool say_name(struct facts *facts, struct text *text)
{
    size_t bytes = strcspn(facts->at, ",/");
    if (bytes == 0 || facts->at[bytes] != '/') {
        return false;
    }
    add_bytes(text, facts->at, bytes);
    facts->at += bytes;
    return true;
}

static bool say_level(struct facts *facts, struct text *text, const char *words)
{
    add(text, words);
    return pass(facts, "/") && say_number(facts, text);
}

static bool say_candidate(struct facts *facts, struct text *text)
{
    if (!pass(facts, ", ") || !say_name(facts, text) || !say_level(facts, text, " (") ||
        !say_level(facts, text, " in hand, skill ") || !say_level(facts, text, ", language ") ||
        !say_level(facts, text, ", idle ")) {
        return false;
    }
    add(text, " s)");
    return true;
}

static bool say_candidates(struct facts *facts, struct text *text, uint64_t fit)
{
    for (uint64_t i = 0; i < fit && i < WORDING_FIRST_MAX; i++) {
        add(text, i > 0 ? ", " : "");
        if (!say_candidate(facts, text)) {
            return false;
        }
    }
    add(text, fit > WORDING_FIRST_MAX ? ", ..." : "");
    return true;
}

static bool say_choice(struct facts *facts, struct text *text)
{
    static const char *const words[CHOICE_COUNT] = { "", "least in hand", "level of skill", "longest idle" };
    for (int choice = CHOOSE_NOTHING + 1; choice < CHOICE_COUNT; choice++) {
        if (pass(facts, policy_choice_name((enum policy_choice) choice))) {
            add(text, words[choice]);
            return true;
        }
    }
    return false;
}

static bool say_order(struct facts *facts, struct text *text)
{
    if (!say_choice(facts, text)) {
        return false;
    }
    while (pass(facts, "/")) {
        add(text, ", then ");
        if (!say_choice(facts, text)) {
            return false;
        }
    }
    return true;
}

// What the facts have as `, kept/N/NAME/QUEUE`.
static bool say_place(struct facts *facts, struct text *text)
{
    char memory[NUMBER_DIGITS + 1];
    struct text hands = text_in(memory, sizeof memory);
    if (!say_number(facts, &hands) || !pass(facts, "/")) {
        return false;
    }
    add(text, "; ");
    if (!say_name(facts, text) || !pass(facts, "/")) {
        return false;
    }
    add(text, " keeps the last free place for ");
    add(text, facts->at); // a queue's name goes to the end
    facts->at += strlen(facts->at);
    add(text, ", which ");
    add(text, memory);
    add(text, " of those there can do");
    return true;
}

// The order of the sentence is not that of the facts, where the queue comes last.
static bool say_remarks(struct facts *facts, struct text *text)
{
    char memory[NUMBER_DIGITS + 1];
    struct text hands = text_in(memory, sizeof memory);
    if (pass(facts, ", after declines")) {
        add(text, ", after those who declined it");
    }
    bool ahead_of_more = pass(facts, ", ahead of more/");
    if (ahead_of_more && !say_number(facts, &hands)) {
        return false;
    }
    bool ahead_of_few = !ahead_of_more && pass(facts, ", ahead of few");
    if (pass(facts, ", kept/") && !say_place(facts, text)) {
        return false;
    }
    if (ahead_of_more) {
        add(text, "; ahead of what more people can do, as ");
        add(text, memory);
        add(text, " of those there can do this");
    } else if (ahead_of_few) {
        add(text, "; ahead of what few can do, as nobody else came to it");
    }
    return true;
}

// The number that a text begins with; beyond what is counted it is only large.
static uint64_t number_at(const char *text)
{
    uint64_t number = 0;
    for (; *text >= '0' && *text <= '9' && number <= WORDING_FIRST_MAX; text++) {
        number = number * 10 + (uint64_t) (*text - '0');
    }
    return number;
}

const char *wording_of(const char *detail, const char *person, char *memory, size_t memory_bytes)
{
    struct facts facts = { detail };
    struct text text = text_in(memory, memory_bytes);
    uint64_t fit = number_at(detail);
    if (!say_number(&facts, &text) || !pass(&facts, " fit")) {
        return detail;
    }
    add(&text, " could take it: ");
    if (!say_candidates(&facts, &text, fit) || !pass(&facts, ", by ")) {
        return detail;
    }
    add(&text, "; ");
    add(&text, person);
    add(&text, " by ");
    if (!say_order(&facts, &text) || !say_remarks(&facts, &text) || *facts.at != '\0' || text.full) {
        return detail;
    }
    return memory;
}
