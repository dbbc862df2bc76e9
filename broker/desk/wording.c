// wording.c - the facts of an offer as a text, and the sentence that they make.
//
// Both are put together by copies alone: what formats with printf cost three quarters of an offer.

#include "broker/desk/wording.h"

#include "broker/desk/policy.h"
#include "proto/base/digits.h"
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

static struct text wording_text_in(char *memory, size_t memory_bytes)
{
    must(memory_bytes > 0);
    memory[0] = '\0';
    return (struct text){ .memory = memory, .capacity = memory_bytes };
}

static void wording_add_bytes(struct text *text, const char *bytes, size_t count)
{
    if (text->full || count >= text->capacity - text->bytes) {
        text->full = true;
        return;
    }
    memcpy(text->memory + text->bytes, bytes, count);
    text->bytes += count;
    text->memory[text->bytes] = '\0';
}

static void wording_add(struct text *text, const char *words)
{
    wording_add_bytes(text, words, strlen(words));
}

static void wording_add_number(struct text *text, uint64_t number)
{
    char digits[DIGITS_BYTES];
    wording_add(text, digits_of(number, digits));
}

// ---- keeping ----

static void wording_keep_candidate(struct text *text, const struct wording_candidate *candidate)
{
    wording_add(text, ", ");
    wording_add(text, candidate->name);
    wording_add(text, "/");
    wording_add_number(text, candidate->in_hand);
    wording_add(text, "/");
    wording_add_number(text, candidate->skill);
    wording_add(text, "/");
    wording_add_number(text, candidate->language);
    wording_add(text, "/");
    wording_add_number(text, candidate->idle_s);
}

static void wording_keep_order(struct text *text, const uint8_t *order)
{
    wording_add(text, ", by ");
    for (size_t i = 0; order[i] != CHOOSE_NOTHING; i++) {
        wording_add(text, i > 0 ? "/" : "");
        wording_add(text, policy_choice_name((enum policy_choice) order[i]));
    }
}

static void wording_keep_place(struct text *text, const struct wording_offer *offer)
{
    wording_add(text, ", kept/");
    wording_add_number(text, offer->kept_hands);
    wording_add(text, "/");
    wording_add(text, offer->spared);
    wording_add(text, "/");
    wording_add(text, offer->kept);
}

const char *wording_keep(const struct wording_offer *offer, char *memory, size_t memory_bytes)
{
    struct text text = wording_text_in(memory, memory_bytes);
    must(memory_bytes >= WORDING_BYTES_MIN);
    must(offer->first_count == (offer->fit < WORDING_FIRST_MAX ? offer->fit : WORDING_FIRST_MAX));
    wording_add_number(&text, offer->fit);
    wording_add(&text, " fit");
    for (uint32_t i = 0; i < offer->first_count; i++) {
        wording_keep_candidate(&text, &offer->first[i]);
    }
    wording_keep_order(&text, offer->order);
    if (offer->declined) {
        wording_add(&text, ", after declines");
    }
    if (offer->ahead == WORDING_AHEAD_OF_MORE) {
        wording_add(&text, ", ahead of more/");
        wording_add_number(&text, offer->hands);
    } else if (offer->ahead == WORDING_AHEAD_OF_FEW) {
        wording_add(&text, ", ahead of few");
    }
    must(!text.full);
    size_t bytes = text.bytes;
    if (offer->spared != NULL) {
        wording_keep_place(&text, offer);
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
static bool wording_pass(struct facts *facts, const char *words)
{
    size_t bytes = strlen(words);
    if (strncmp(facts->at, words, bytes) != 0) {
        return false;
    }
    facts->at += bytes;
    return true;
}

// Adds the number that comes next.
static bool wording_say_number(struct facts *facts, struct text *text)
{
    size_t digits = strspn(facts->at, "0123456789");
    if (digits == 0 || digits > NUMBER_DIGITS) {
        return false;
    }
    wording_add_bytes(text, facts->at, digits);
    facts->at += digits;
    return true;
}

// Adds the name that comes next, up to the slash behind it.
static bool wording_say_name(struct facts *facts, struct text *text)
{
    size_t bytes = strcspn(facts->at, ",/");
    if (bytes == 0 || facts->at[bytes] != '/') {
        return false;
    }
    wording_add_bytes(text, facts->at, bytes);
    facts->at += bytes;
    return true;
}

static bool wording_say_level(struct facts *facts, struct text *text, const char *words)
{
    wording_add(text, words);
    return wording_pass(facts, "/") && wording_say_number(facts, text);
}

static bool wording_say_candidate(struct facts *facts, struct text *text)
{
    if (!wording_pass(facts, ", ") || !wording_say_name(facts, text) || !wording_say_level(facts, text, " (") ||
        !wording_say_level(facts, text, " in hand, skill ") || !wording_say_level(facts, text, ", language ") ||
        !wording_say_level(facts, text, ", idle ")) {
        return false;
    }
    wording_add(text, " s)");
    return true;
}

static bool wording_say_candidates(struct facts *facts, struct text *text, uint64_t fit)
{
    for (uint64_t i = 0; i < fit && i < WORDING_FIRST_MAX; i++) {
        wording_add(text, i > 0 ? ", " : "");
        if (!wording_say_candidate(facts, text)) {
            return false;
        }
    }
    wording_add(text, fit > WORDING_FIRST_MAX ? ", ..." : "");
    return true;
}

static bool wording_say_choice(struct facts *facts, struct text *text)
{
    static const char *const words[CHOICE_COUNT] = { "", "least in hand", "level of skill", "longest idle" };
    for (int choice = CHOOSE_NOTHING + 1; choice < CHOICE_COUNT; choice++) {
        if (wording_pass(facts, policy_choice_name((enum policy_choice) choice))) {
            wording_add(text, words[choice]);
            return true;
        }
    }
    return false;
}

static bool wording_say_order(struct facts *facts, struct text *text)
{
    if (!wording_say_choice(facts, text)) {
        return false;
    }
    while (wording_pass(facts, "/")) {
        wording_add(text, ", then ");
        if (!wording_say_choice(facts, text)) {
            return false;
        }
    }
    return true;
}

// What the facts have as `, kept/N/NAME/QUEUE`.
static bool wording_say_place(struct facts *facts, struct text *text)
{
    char memory[NUMBER_DIGITS + 1];
    struct text hands = wording_text_in(memory, sizeof memory);
    if (!wording_say_number(facts, &hands) || !wording_pass(facts, "/")) {
        return false;
    }
    wording_add(text, "; ");
    if (!wording_say_name(facts, text) || !wording_pass(facts, "/")) {
        return false;
    }
    wording_add(text, " keeps the last free place for ");
    wording_add(text, facts->at); // a queue's name goes to the end
    facts->at += strlen(facts->at);
    wording_add(text, ", which ");
    wording_add(text, memory);
    wording_add(text, " of those there can do");
    return true;
}

// The order of the sentence is not that of the facts, where the queue comes last.
static bool wording_say_remarks(struct facts *facts, struct text *text)
{
    char memory[NUMBER_DIGITS + 1];
    struct text hands = wording_text_in(memory, sizeof memory);
    if (wording_pass(facts, ", after declines")) {
        wording_add(text, ", after those who declined it");
    }
    bool ahead_of_more = wording_pass(facts, ", ahead of more/");
    if (ahead_of_more && !wording_say_number(facts, &hands)) {
        return false;
    }
    bool ahead_of_few = !ahead_of_more && wording_pass(facts, ", ahead of few");
    if (wording_pass(facts, ", kept/") && !wording_say_place(facts, text)) {
        return false;
    }
    if (ahead_of_more) {
        wording_add(text, "; ahead of what more people can do, as ");
        wording_add(text, memory);
        wording_add(text, " of those there can do this");
    } else if (ahead_of_few) {
        wording_add(text, "; ahead of what few can do, as nobody else came to it");
    }
    return true;
}

// The number that a text begins with; beyond what is counted it is only large.
static uint64_t wording_number_at(const char *text)
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
    struct text text = wording_text_in(memory, memory_bytes);
    uint64_t fit = wording_number_at(detail);
    if (!wording_say_number(&facts, &text) || !wording_pass(&facts, " fit")) {
        return detail;
    }
    wording_add(&text, " could take it: ");
    if (!wording_say_candidates(&facts, &text, fit) || !wording_pass(&facts, ", by ")) {
        return detail;
    }
    wording_add(&text, "; ");
    wording_add(&text, person);
    wording_add(&text, " by ");
    if (!wording_say_order(&facts, &text) || !wording_say_remarks(&facts, &text) || *facts.at != '\0' || text.full) {
        return detail;
    }
    return memory;
}
